"""What mixtures of dtypes become: Keras's own table of all pairs, and what follows from it."""

import itertools
import json

import ml_dtypes  # noqa: F401  gives numpy its bfloat16
import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given
from hypothesis import strategies as st

from npforward import ops
from npforward.dtypes import arithmetic, exact, floating, promote, summed

TABLE = json.loads((FIXTURES / "promotion.json").read_text())
PYTHON = {"python bool": True, "python int": 2, "python float": 2.0}
DTYPES = [name for name in TABLE if name not in PYTHON]


def of(kind):
    return PYTHON[kind] if kind in PYTHON else np.ones(2, kind)


@pytest.mark.parametrize("a", TABLE)
def test_promotion_is_that_of_keras(a):
    assert {b: promote(of(a), of(b)).name for b in TABLE} == TABLE[a]


@given(st.lists(st.sampled_from([*TABLE]), min_size=1, max_size=4), st.randoms())
def test_promotion_does_not_depend_on_the_order(kinds, random):
    shuffled = random.sample(kinds, len(kinds))
    assert promote(*map(of, kinds)) == promote(*map(of, shuffled))


@given(st.lists(st.sampled_from([*TABLE]), min_size=1, max_size=4))
def test_what_is_promoted_stays(kinds):
    found = promote(*map(of, kinds))
    assert promote(np.ones(2, found)) == found


@pytest.mark.parametrize("name", DTYPES)
def test_rules_built_on_promotion(name):
    x = np.ones(2, name)
    assert arithmetic(x) == ("int32" if name == "bool" else promote(x))
    assert floating(exact(x)) or exact(x).kind == "c"
    assert summed(x).itemsize >= min(x.dtype.itemsize, 4)


@pytest.mark.parametrize(("a", "b"), [*itertools.combinations([*TABLE], 2)][::3])
def test_an_op_computes_in_the_promoted_dtype(a, b):
    x, z = of(a), of(b)
    assert ops.maximum(x, z).dtype == promote(x, z) or not hasattr(x, "dtype")
