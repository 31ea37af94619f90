"""Files of old frameworks: every layer of every one against the framework that wrote it.

A folder of `weights_fixtures/old/` is one framework: `made_with.json` says which.  `m.npz` holds
the inputs (`inputs/<name>`) and the output of every layer by address; the files that it is of are
`m.h5`, `m.keras`, `m.json` or `m.yaml` (whose weights are in `m.weights.h5`), and the folder `m`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.graph import leaves
from npforward.verify import difference

OLD = FIXTURES / "old"
FILES = sorted(
    str(path.relative_to(OLD))
    for golden in OLD.rglob("*.npz")
    for ending in (".h5", ".keras", ".json", ".yaml", "")
    if (path := golden.with_suffix(ending)).exists()
)


def opened(file):
    """The model, its inputs and what the framework computed."""
    path = OLD / file
    weights = path.with_suffix(".weights.h5") if path.suffix in (".json", ".yaml") else None
    with np.load(path.with_suffix(".npz")) as arrays:
        want = dict(arrays)
    inputs = {k.removeprefix("inputs/"): want.pop(k) for k in list(want) if k.startswith("inputs/")}
    # One input needs no name: that of a model without an InputLayer is Keras's own affair.
    x = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return npf.load_model(path, weights), x, want


@pytest.mark.parametrize("file", FILES)
def test_every_layer_agrees(file):
    model, x, want = opened(file)
    trace = model.trace(x)
    own = {
        a for a, layer in trace.layers.items() if layer.type == "InputLayer" or "ops." in layer.type
    }
    assert set(trace) - own == set(want) - own
    found = {address: difference(trace[address], y) for address, y in want.items()}
    wrong = {address: d for address, d in found.items() if not d.within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize("file", FILES)
def test_predict_is_the_last_of_trace(file):
    model, x, _ = opened(file)
    trace = model.trace(x)
    for address, y in zip(model.outputs, leaves(model.predict(x)), strict=True):
        np.testing.assert_array_equal(trace[address], y)


@pytest.mark.parametrize("file", FILES)
def test_summary_and_weights(file):
    model, _, _ = opened(file)
    assert sum(w.size for w in model.weights.values()) == model.summary().total
    assert str(model.summary(nested=True))


@pytest.mark.parametrize("folder", sorted({file.split("/")[0] for file in FILES}))
def test_it_is_recorded_what_made_the_files(folder):
    made = json.loads((OLD / folder / "made_with.json").read_text())
    assert {"python", "numpy", "script"} <= made.keys()
