"""Models of Kur: what genuine Kur computed with its own weights folders, and folders gone wrong."""

import gzip
import json
import shutil

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward import addresses, cli, ops
from npforward.errors import (
    BadFile,
    BadInput,
    MissingFile,
    UnsupportedOption,
    WeightMismatch,
    WeightsOnly,
)
from npforward.formats import idx
from npforward.verify import difference

FOLDERS = sorted(path.parent for path in (FIXTURES / "kur").glob("*/activations.npz"))
MNIST, CIFAR, GRU = (FIXTURES / "kur" / f"shared_{name}" for name in
                     ("mnist_cnn", "cifar_loop", "lm_gru"))  # fmt: skip


def golden(folder):
    """What genuine Kur was fed, and what came out: of its nodes, and of Keras's layers."""
    found = {"input": {}, "node": {}, "keras": {}}
    with np.load(folder / "activations.npz") as arrays:
        for key in arrays.files:
            kind, _, name = key.partition(":")
            if kind in found:
                found[kind][name] = arrays[key]
        return found, json.loads(str(arrays["manifest"]))


# Genuine Kur.


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_node(folder):
    found, manifest = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    trace = model.trace(found["input"])
    assert list(trace) == [addresses.escape(node["name"]) for node in manifest["nodes"]]
    errors = {
        name: difference(trace[name], want)
        for name, want in found["node"].items()
    }  # fmt: skip
    assert {name: error for name, error in errors.items() if not error.within} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_layer_of_keras(folder):
    found, _ = golden(folder)
    trace = npf.load_model(folder / "Kurfile.yml").trace(found["input"], inner=True)
    for name, want in found["keras"].items():
        at = addresses.escape(name)
        inner = [a for a in trace if a == at or a.endswith(f"/{at}")]
        # A layer that Kur calls as the container, or the only one of a container.
        assert inner, name
        for address in inner:
            assert difference(trace[address], want).within, address


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_aliases_outputs_and_gradients(folder):
    found, manifest = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    trace = model.trace(found["input"])
    for node in manifest["nodes"]:
        for alias in node["aliases"]:
            assert np.array_equal(trace[alias], trace[node["name"]]) or node["type"] == "output"
            assert model.get_layer(alias).address in trace
    names = manifest.get("outputs") or []
    result = model.predict(found["input"])
    for name in names:
        got = result[name] if len(names) > 1 else result
        assert np.array_equal(got, trace[name])
        assert list(model.trace(found["input"], until=name))[-1] in trace
    last = names[0]
    if all(x.dtype.kind == "f" for x in found["input"].values()):
        gradients = model.gradients(found["input"], of=last)
        assert gradients.activations[last].shape == trace[last].shape
    assert model.summary().total == sum(np.size(a) for a in model.weights.values())
