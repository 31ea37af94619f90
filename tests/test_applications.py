"""Small models of keras.applications, every layer, with weights drawn by a rule.

Made by `weights_fixtures/make/applications.py`; all models: `benchmarks/applications.py`.
"""

from __future__ import annotations

import functools
import gzip
import json
import sys

import numpy as np
import pytest
from cases import FIXTURES

from npforward.formats import keras_config
from npforward.formats.keras_weights import ByPlace
from npforward.graph import Stored
from npforward.model import Model
from npforward.verify import difference

sys.path.insert(0, str(FIXTURES / "make"))
from drawn_weights import drawn, picture, scaled, summary

NAMES = sorted(
    path.name.removesuffix(".json.gz") for path in (FIXTURES / "applications").glob("*.gz")
)


def opened(described, name):
    """The model with its drawn weights."""
    dtypes = {"count": "int64"}

    def read(path, kind, shape, scale):
        value = drawn(kind, shape, path)
        return np.zeros(shape, dtypes[kind]) if value is None else scaled(value, kind, scale)

    stored = {
        path: Stored(
            path,
            tuple(shape),
            np.dtype(dtypes.get(kind, "float32")),
            functools.partial(read, path, kind, shape, scale),
        )
        for path, kind, shape, scale in described["weights"]
    }
    weights = ByPlace(stored, name)
    graph = keras_config.graph(described["config"], weights, version=described["keras"])
    weights.check()
    return Model(graph)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_an_application_agrees(name):
    path = FIXTURES / "applications" / f"{name}.json.gz"
    described = json.loads(gzip.decompress(path.read_bytes()))
    with np.load(path.with_suffix("").with_suffix(".npz")) as arrays:
        output, summaries = arrays["output"], arrays["summaries"]
    model = opened(described, name)
    trace = model.trace(picture(described["shape"], described["scaled_inside"]))
    for address, want in zip(described["values"], summaries, strict=True):
        found = difference(summary(trace[address]), want)
        assert found.within, (address, found)
    assert difference(trace[model.outputs[0]], output).within
