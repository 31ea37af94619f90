"""The numpy references, against loops and against the mathematics."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npforward import kernels

rng = np.random.default_rng(3)


def test_blocks_of_any_size_give_the_same(monkeypatch):
    x, w = rng.normal(size=(3, 20, 20, 4)), rng.normal(size=(3, 3, 2, 6))
    options = {"strides": (1, 2), "dilation": (2, 1), "groups": 2}
    want = kernels.conv(x, w, **options)
    conv = sys.modules["npforward.kernels.conv"]
    for block in (1, 2000, 20_000):
        monkeypatch.setattr(conv, "BLOCK", block)
        np.testing.assert_allclose(kernels.conv(x, w, **options), want, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_conv_is_the_sum_over_its_taps(data):
    draw = data.draw
    n = draw(st.integers(1, 3), "space axes")
    groups = draw(st.integers(1, 3), "groups")
    c, f = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    size, strides, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(3))
    space = tuple(
        (k - 1) * d + 1 + draw(st.integers(0, 3)) for k, d in zip(size, dilation, strict=True)
    )
    batch = draw(st.integers(0, 2))
    x = rng.normal(size=(batch, *space, c * groups))
    w = rng.normal(size=(*size, c, f * groups))
    y = kernels.conv(x, w, strides=strides, dilation=dilation, groups=groups)
    for at in np.ndindex(y.shape):
        b, *place, k = at
        g = k // f
        total = 0.0
        for tap in np.ndindex(size):
            where = [
                p * s + t * d for p, s, t, d in zip(place, strides, tap, dilation, strict=True)
            ]
            total += x[(b, *where)][g * c : (g + 1) * c] @ w[tap][:, k]
        assert y[at] == pytest.approx(total, abs=1e-12)


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=20))
def test_erf_is_exact_to_the_last_bits(numbers):
    import math

    x = np.array(numbers)
    want = np.array([math.erf(v) for v in numbers])
    np.testing.assert_allclose(kernels.erf(x), want, rtol=1e-15, atol=1e-300)
