"""Live against genuine Keras: gradients of random layers and of small graphs of layers.

    pytest -n 0 -m reference tests/test_gradients_live.py           a fixed budget, always the same
    NPFORWARD_EXAMPLES=100 pytest -n 0 -m reference tests/test_gradients_live.py      more of them

What is drawn is what `test_differential` draws; its module says how to repeat a failure.
"""

from __future__ import annotations

import collections
import json
import re
import sys

import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import assume, given
from hypothesis import strategies as st
from live import randomised
from test_differential import (
    CLASSES,
    Built,
    Refused,
    again,
    budget,
    grown,
    noticed,
    single,
    start,
)

import npforward as npf
from npforward.errors import NotDifferentiable
from npforward.verify import difference, tolerance

sys.path.insert(0, str(FIXTURES / "make"))

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

__all__ = ["noticed"]  # a fixture of this module too

COUNTS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


def waves(shape):
    """Seeds that are alike for both sides."""
    return np.cos(1.7 * np.arange(np.prod(shape, dtype=int)) + 0.3).reshape(shape).astype("float32")


def checked(built, example, folder, counts):
    """Hold the gradients of all values, weights and inputs against those of the tape."""
    import tensorflow as tf
    from gradients import output_names, taped

    try:
        model = randomised(built.model(), example["seed"])
        model.save(folder / "model.keras")
        names = output_names(model)

        def number(outputs, _):
            floats = [y for y in outputs if y.dtype.is_floating]
            seeded = [tf.reduce_sum(tf.cast(y, "float64") * waves(y.shape)) for y in floats]
            return tf.add_n(seeded) if seeded else None

        value, parts = taped(model, built.arrays, number)
    except Exception as refusal:  # whatever Keras may raise for what it cannot run or save
        raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal
    opened = npf.load_model(folder / "model.keras")
    compare(opened, built.arrays, names, value, parts, counts)


def compare(opened, x, names, value, parts, counts):
    of = _targets(opened, x, names)
    if not of:
        counts["no floats"] += 1
        return
    try:
        found = opened.gradients(x, of, layers=lambda address: True)
    except NotDifferentiable as error:
        assert not any(g is not None and g.any() for part in parts for g in part.values()), error
        counts["not differentiable"] += 1
        return
    counts["compared"] += 1
    exact = None
    # Where terms cancel, what is left has the rounding of the terms.
    scale = max([1e-30, *(np.abs(g).max(initial=0) for part in parts for g in part.values()
                          if g is not None)])  # fmt: skip
    for kind, part in zip(("activations", "weights", "inputs"), parts, strict=True):
        got = getattr(found, kind)
        for name, want in part.items():
            if want is None or re.search(r"/variable(_\d+)?$", name):  # which says nothing
                continue
            if name not in got:
                assert not want.any(), (kind, name, "missing", want)
                continue
            ours = got[name]
            assert ours.shape == want.shape, (kind, name)
            assert ours.dtype == want.dtype, (kind, name)
            if _near(ours, want):
                continue
            exact = exact or opened.astype("float64").gradients(x, of, layers=lambda _: True)
            true = getattr(exact, kind)[name]
            far, theirs = (np.abs(a.astype("float64") - true).max() for a in (ours, want))
            assert far <= 5 * theirs + 1e-6 * max(scale, np.abs(true).max()), (
                kind,
                name,
                far,
                theirs,
                ours,
                want,
            )


def _near(ours, want):
    scale = float(np.abs(want[np.isfinite(want)]).max(initial=0.0)) or 1.0
    return difference(ours / scale, want / scale, tolerance(want.dtype)).within


def _targets(opened, x, names):
    trace = opened.trace(x)
    return {name: waves(trace[name].shape) for name in names
            if trace[name].dtype.kind == "f" or trace[name].dtype.name == "bfloat16"}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_layer(name, tmp_path):
    """One layer with any of its options."""

    @budget(4)
    @given(st.composite(lambda draw: single(draw, name))())
    def run(example):
        import keras

        example = json.loads(json.dumps(example))
        keras.utils.clear_session(free_memory=False)
        try:
            built = Built(example)
            for step in example["steps"]:
                built.step(step)
            checked(built, example, tmp_path, COUNTS[name])
        except Refused:
            COUNTS[name]["refused"] += 1
            assume(False)
        except Exception as error:
            error.add_note(again(example))
            raise

    run()
    print(name, dict(COUNTS[name]))


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
def test_graph(tmp_path, masks):
    """Layers after layers, joined by shortcuts, called twice, and models within models."""

    @budget(8)
    @given(st.data())
    def run(data):
        import keras

        keras.utils.clear_session(free_memory=False)
        example = start(data.draw, masks)
        built = Built(example)
        try:
            grown(data.draw, built, example, data.draw(st.integers(2, 6)))
            checked(built, json.loads(json.dumps(example)), tmp_path, COUNTS["graph"])
        except Refused:
            assume(False)
        except Exception as error:
            error.add_note(again(example))
            raise

    run()
