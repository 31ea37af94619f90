"""Every layer of every fixture model, in every format, against the framework that saved it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cases import FIXTURES, predict_is_the_last_of_trace

import npforward as npf
from npforward.verify import difference

MODELS = sorted(path.parent.name for path in (FIXTURES / "models").glob("*/meta.json"))
FILES = sorted(
    (name, file.name) for name in MODELS for file in (FIXTURES / "models" / name).glob("model*")
)


def golden(name: str, file: str):
    """Inputs by name, and every value by address, as the framework computed them."""
    old = "_tf215" if "tf215" in file else ""
    with np.load(FIXTURES / "models" / name / f"golden{old}.npz") as arrays:
        inputs = {
            k.removeprefix("inputs/"): v for k, v in arrays.items() if k.startswith("inputs/")
        }
        want = {k: v for k, v in arrays.items() if not k.startswith("inputs/")}
        # One input needs no name: that of a model without an InputLayer is Keras's own affair.
        return next(iter(inputs.values())) if len(inputs) == 1 else inputs, want


@pytest.mark.parametrize(("name", "file"), FILES)
def test_every_layer_agrees(name, file):
    inputs, want = golden(name, file)
    model = npf.load_model(FIXTURES / "models" / name / file)
    trace = model.trace(inputs)
    # Operations (masks among them) are nodes of the file, but no layers of Keras.
    layers = {a for a in trace if not trace.layers[a].type.startswith("ops.")}
    assert layers == set(want) & layers
    assert set(want) <= set(trace)
    found = {address: difference(trace[address], want[address]) for address in want}
    wrong = {a: d for a, d in found.items() if not d.within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize(("name", "file"), FILES)
def test_predict_is_the_last_of_trace(name, file):
    inputs, _ = golden(name, file)
    predict_is_the_last_of_trace(npf.load_model(FIXTURES / "models" / name / file), inputs)


@pytest.mark.parametrize("name", MODELS)
def test_all_formats_hold_the_same_weights(name):
    files = [file for model, file in FILES if model == name]
    models = [npf.load_model(FIXTURES / "models" / name / file) for file in files]
    for other in models[1:]:
        assert models[0].weights.shapes == other.weights.shapes
        assert models[0].summary().total == other.summary().total
    same = [m for m, file in zip(models, files, strict=True) if "tf215" not in file]
    for other in same[1:]:
        for address in other.weights:
            np.testing.assert_array_equal(same[0].weights[address], other.weights[address])


def test_the_digits_network_was_trained_and_reads_its_pictures():
    from PIL import Image

    folder = FIXTURES / "models" / "digits_cnn"
    assert json.loads((folder / "meta.json").read_text())["test_accuracy"] > 0.97
    model = npf.load_model(folder / "model.keras")
    for label, name in enumerate("zero one two three four five six seven eight nine".split()):
        picture: Path = folder / f"{name}.png"
        if picture.exists():
            pixels = np.asarray(Image.open(picture), "float32")[None, ..., None]
            assert model.predict(pixels).argmax() == label


INNER = sorted(path.parent.name for path in (FIXTURES / "models").glob("*/inner.npz"))


@pytest.mark.parametrize("name", INNER)
def test_values_inside_layers_agree(name):
    """States after every step, and attention, from Keras's own cells and layers one by one."""
    inputs, _ = golden(name, "model.keras")
    model = npf.load_model(FIXTURES / "models" / name / "model.keras")
    trace = model.trace(inputs, inner=True)
    with np.load(FIXTURES / "models" / name / "inner.npz") as want:
        for address in want:
            got, expected = trace[address], want[address]
            if address.endswith(":weights"):
                # Asked for its scores, Keras gives a query that may see nothing zeros instead.
                seen = expected.sum(axis=-1) > 0
                got, expected = got[seen], expected[seen]
            found = difference(got, expected)
            assert found.within, (address, found)


@pytest.mark.parametrize("file", ["model.keras", "model.h5", "model_tf215.h5"])
def test_states_are_kept_by_predict_alone(file):
    old = "_tf215" if "tf215" in file else ""
    folder = FIXTURES / "models" / "stateful_lstm"
    inputs, first = golden("stateful_lstm", file)
    model = npf.load_model(folder / file)
    (answer,) = model.outputs
    with np.load(folder / f"golden_second{old}.npz") as arrays:
        again, second = next(v for k, v in arrays.items() if "inputs/" in k), arrays[answer]
    assert difference(model.predict(inputs), first[answer]).within
    assert difference(model.trace(inputs)[answer], first[answer]).within
    assert difference(model.predict(again), second).within
    model.reset_states()
    assert difference(model.predict(inputs), first[answer]).within
