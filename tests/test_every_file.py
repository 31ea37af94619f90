"""Every genuine file through every door: nothing but results, or an error of our own."""

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.dtypes import floating

FILES = sorted(
    path
    for folder in ("models", "files", "old")
    for ending in ("*.keras", "*.h5")
    for path in (FIXTURES / folder).rglob(ending)
    if "weights" not in path.name
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_door(path):
    rng = np.random.default_rng(0)
    model = npf.load_model(path)
    assert str(model.summary(nested=True))
    assert [layer.name for layer in model.layers]
    assert all(isinstance(array, np.ndarray) for array in model.weights.values())
    sizes = [[n or (8 if i else 3) for i, n in enumerate(s.shape or (3, 8))] for s in model.inputs]
    x = [
        (rng.random(size) * 3).astype(s.dtype) for size, s in zip(sizes, model.inputs, strict=True)
    ]
    try:
        trace = model.trace(x, inner=True)
    except npf.NpforwardError as error:  # an unknown operation; a model never built
        assert str(error).startswith("layer ")
        return
    assert all(isinstance(value, np.ndarray) for value in trace.values())
    assert len(trace.statistics) == len(trace)
    assert list(npf.get_activations(model, x, nested=True))
    model.predict(x)
    wide = model.astype("float64").trace(x)
    assert {v.dtype.name for v in wide.values() if floating(v.dtype)} <= {"float64"}
