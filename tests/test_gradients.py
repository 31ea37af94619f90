"""Gradients of whole models against those of genuine Keras, finite differences, and what is refused.

pytest -s tests/test_gradients.py -k table      prints how large the differences from Keras are
"""

from __future__ import annotations

import functools
import math
import sys

import numpy as np
import pytest
from cases import FIXTURES, description

import npforward as npf
from npforward.verify import difference

sys.path.insert(0, str(FIXTURES / "make"))

from digests import digest

PATH = FIXTURES / "gradients" / "gradients.npz"
KINDS = ("activations", "weights", "inputs")


def digest_of(shape):
    """How many numbers the digest of an array of that shape has."""
    return len(digest(np.broadcast_to(0.0, shape)))


@functools.cache
def cases():
    """Each case with its arrays, and with digests of Keras's gradients by name."""
    with np.load(PATH) as stored:
        arrays = dict(stored)
    found, at = {}, 0
    for i, case in enumerate(description(PATH)["cases"]):
        for kind in KINDS:
            for name, shape in case[kind].items():
                if shape is not None:
                    size = digest_of(shape)
                    case[kind][name] = shape, arrays["numbers"][at : at + size].astype("float64")
                    at += size
        for key in ("y", "sample_weight"):
            case[key] = {name: arrays[f"{i}/{key}/{name}"] for name in case.get(key, ())}
        case["seed"] = arrays.get(f"{i}/seed")
        said = "+".join(told["loss"] for told in case.get("losses", {}).values())
        what = said or f"{case['of']}-{case.get('channel', 'seed')}"
        found[f"{case['model']}-{what}-{i}"] = case
    assert at == len(arrays["numbers"])
    return found


@functools.cache
def opened(name):
    model = npf.load_model(FIXTURES / "models" / name / "model.keras")
    with np.load(FIXTURES / "models" / name / "golden.npz") as stored:
        feeds = {k.removeprefix("inputs/"): v for k, v in stored.items() if "inputs/" in k}
    return model, next(iter(feeds.values())) if len(feeds) == 1 else feeds


def gradients_of(model, x, case, **more):
    """`Model.gradients` of what a case differentiates."""
    if "losses" in case:
        losses = {
            name: {"class_name": told["loss"], "config": told["options"] | {
                "reduction": told["reduction"]}}
            for name, told in case["losses"].items()
        }  # fmt: skip
        return model.gradients(x, losses, case["y"], sample_weight=case["sample_weight"] or None,
                               **more)  # fmt: skip
    what = case["seed"] if "channel" not in case else (..., case["channel"])
    return model.gradients(x, (case["of"], what), **more)


def errors(found, case):
    """(kind, name) -> the largest error relative to what is allowed, and to max|g|."""
    for kind in KINDS:
        got = getattr(found, kind)
        for name, want in case[kind].items():
            if want is None:  # in Keras's words for what it does not depend on
                continue
            shape, numbers = want
            assert got[name].shape == tuple(shape), (kind, name)
            ours, largest = digest(got[name]), np.abs(numbers).max(initial=0.0)
            scale = largest or 1.0
            far = np.abs(ours - numbers).max(initial=0.0) / scale
            yield (kind, name), difference(ours / scale, numbers / scale, ALLOWED).ratio, far


ALLOWED = npf.verify.tolerance("float32")


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("name", cases())
def test_every_gradient_is_that_of_keras(name, compiled):
    case = cases()[name]
    model, x = opened(case["model"])
    if compiled:
        found = gradients_of(model, x, case)
    else:
        with npf.numpy_only():
            found = gradients_of(model, x, case)
    assert math.isclose(found.value, case["value"], rel_tol=1e-4, abs_tol=1e-5)
    wrong = [f"{kind} {at}: {ratio:.3g} of what is allowed"
             for (kind, at), ratio, _ in errors(found, case) if not ratio <= 1]  # fmt: skip
    assert not wrong, "; ".join(wrong)


def test_table_of_the_largest_errors():
    """model: the largest error of a gradient, relative to the largest number of that gradient."""
    table = {}
    for case in cases().values():
        model, x = opened(case["model"])
        far = max(far for _, _, far in errors(gradients_of(model, x, case), case))
        table[case["model"]] = max(far, table.get(case["model"], 0.0))
    print("", *(f"{name:20}{far:.1e}" for name, far in table.items()), sep="\n")
    assert len(cases()) >= 60
