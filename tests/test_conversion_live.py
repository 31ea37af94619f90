"""Converted models in genuine Keras: it opens them all, and every layer computes what it did.

pytest -m reference tests/test_conversion_live.py        (needs the extra `reference`)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cases import FIXTURES
from live import array_of
from test_conversion import FILES, REFUSED, drawn
from test_models import FILES as MODELS
from test_models import golden

import npforward as npf
from npforward.verify import difference

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


def opened_values(path, inputs):
    """Every value of the top level of a file that Keras opens, by npforward's address."""
    import keras
    from keras.src.ops.function import make_node_key

    model = keras.saving.load_model(path)  # safe mode, no custom objects
    model = getattr(model, "_functional", None) or model
    tensors = {}
    for layer in model.layers:
        nodes = layer._inbound_nodes
        own = [n for i, n in enumerate(nodes) if make_node_key(layer, i) in model._nodes]
        for call, node in enumerate(own, 1):
            for i, tensor in enumerate(node.output_tensors):
                name = npf.addresses.numbered(layer.name, call)
                tensors[f"{name}#{i}" if i else name] = tensor
    asked = keras.Model(model.inputs, tensors)
    fed = [keras.ops.convert_to_tensor(x) if x.dtype.kind != "U" else text(x) for x in inputs]
    return {at: array_of(y) for at, y in asked(fed, training=False).items()}


def text(array):
    import tensorflow as tf

    return tf.constant(array.tolist())


def check(path, want, inputs):
    found = opened_values(path, inputs)
    shown = {at.replace("%2F", "_"): y for at, y in want.items()}  # Keras 3 takes no "/" in a name
    layers = [at for at in shown if at in found]
    assert layers
    missing = [at for at in found if at not in shown and not at.startswith("mask_")]
    assert not missing
    wrong = {at: d for at in layers if not (d := difference(found[at], shown[at])).within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize(("name", "file"), [m for m in MODELS if "/".join(m) not in REFUSED])
def test_keras_computes_what_the_framework_computed_that_saved_the_model(name, file, tmp_path):
    inputs, want = golden(name, file)
    model = npf.load_model(FIXTURES / "models" / name / file)
    npf.convert(model, tmp_path / "new.keras")
    check(tmp_path / "new.keras", want, model.feeds(inputs))


@pytest.mark.parametrize("file", [file for file in FILES if f"files/{file}" not in REFUSED])
def test_files(file, tmp_path):
    model = npf.load_model(FIXTURES / "files" / file)
    inputs = drawn(model)
    npf.convert(model, tmp_path / "new.keras")
    trace = model.trace({s.name: x for s, x in zip(model.inputs, inputs, strict=True)})
    top = {at: y for at, y in trace.items() if "/" not in at}
    check(tmp_path / "new.keras", top, inputs)
