"""Every kernel: its fast twin against its reference, and the reference against loops."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npforward import kernels
from npforward.kernels import KERNELS, numpy_only

rng = np.random.default_rng(3)
SHAPES = [(1, 5, 7, 3), (2, 8, 4, 1), (3, 3, 3, 5), (0, 4, 4, 2), (2, 6, 5, 0)]


def elementwise_arguments():
    for shape in [(0,), (1,), (7, 3), (2, 3, 4, 5)]:
        yield (rng.normal(size=shape) * 4,), {}
    yield (np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, 30.0, -30.0]),), {}


def pool_arguments():
    for shape in SHAPES:
        for size, strides in [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((1, 1), (3, 1))]:
            yield (rng.normal(size=shape),), {"size": size, "strides": strides}
    yield (rng.normal(size=(2, 9, 3)),), {"size": (3,), "strides": (2,)}
    yield (rng.normal(size=(1, 4, 5, 4, 2)),), {"size": (2, 2, 1), "strides": (1, 2, 2)}
    broken = rng.normal(size=(1, 6, 6, 2))
    broken[0, 1, 1, 0], broken[0, 3, 4, 1], broken[0, 5, 5] = np.nan, np.inf, -np.inf
    yield (broken,), {"size": (2, 2), "strides": (2, 2)}


def depthwise_arguments():
    for shape in SHAPES:
        for m in (1, 2):
            w = rng.normal(size=(2, 3, shape[-1], m))
            yield (rng.normal(size=shape), w), {"strides": (1, 1), "dilation": (1, 1)}
    x, w = rng.normal(size=(2, 9, 8, 4)), rng.normal(size=(3, 2, 4, 1))
    yield (x, w), {"strides": (2, 1), "dilation": (1, 3)}
    x, w = rng.normal(size=(2, 9, 4)), rng.normal(size=(3, 4, 1))
    yield (x, w), {"strides": (2,), "dilation": (2,)}


def recurrent_shapes():
    """Times, samples, units."""
    yield from [(3, 2, 4), (5, 3, 7), (2, 5, 1), (1, 1, 17), (0, 2, 3), (4, 0, 3), (2, 3, 0)]


def lstm_arguments():
    for t, n, units in recurrent_shapes():
        h, c, u = (rng.normal(size=s) for s in [(n, units), (n, units), (units, 4 * units)])
        yield (rng.normal(size=(t, n, 4 * units)) * 3, h, c, u), {}
    z = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30, 0.0, -0.0])
    yield (z.reshape(1, 2, 4), np.zeros((2, 1)), np.zeros((2, 1)), np.ones((1, 4))), {}


def gru_arguments():
    for t, n, units in recurrent_shapes():
        h, u, b = (rng.normal(size=s) for s in [(n, units), (units, 3 * units), (3 * units,)])
        yield (rng.normal(size=(t, n, 3 * units)) * 3, h, u, b), {}
    z = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30])
    yield (z.reshape(1, 2, 3), np.zeros((2, 1)), np.ones((1, 3)), np.zeros(3)), {}


ARGUMENTS = {
    "erf": elementwise_arguments,
    "sigmoid": elementwise_arguments,
    "max_pool": pool_arguments,
    "sum_pool": pool_arguments,
    "depthwise_conv": depthwise_arguments,
    "lstm": lstm_arguments,
    "gru": gru_arguments,
}
TWINS = sorted(name for name, kernel in KERNELS.items() if kernel.build)


def variants(array):
    """The same numbers as C-contiguous, strided, reversed in memory and read-only."""
    yield array
    wide = np.zeros((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    wide[..., ::2] = array
    yield wide[..., ::2]
    yield np.asfortranarray(array)
    frozen = array.copy()
    frozen.flags.writeable = False
    yield frozen


def answers(y):
    return y if isinstance(y, tuple) else (y,)


def test_every_twin_has_arguments():
    assert sorted(ARGUMENTS) == TWINS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TWINS)
def test_twin_agrees_with_its_reference(name, dtype):
    kernel = KERNELS[name]
    for args, options in ARGUMENTS[name]():
        args = [a.astype(dtype) for a in args]
        with np.errstate(all="ignore"):
            want = kernel.reference(*args, **options)
        for first in variants(args[0]):
            before = first.copy()
            with np.errstate(all="ignore"):
                got = kernel.fast(first, *args[1:], **options)
            for g, w in zip(answers(got), answers(want), strict=True):
                assert g.dtype == w.dtype
                assert g.shape == w.shape
                np.testing.assert_allclose(g, w, rtol=3e-6, atol=1e-6)
            np.testing.assert_array_equal(first, before)


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
    np.testing.assert_allclose(kernels.erf.reference(x), want, rtol=1e-15, atol=1e-300)


def test_numpy_only_switches_every_twin_off(monkeypatch):
    kernel = KERNELS["sigmoid"]
    monkeypatch.setattr(kernel, "worth", lambda x: True)
    monkeypatch.setattr(kernel, "fast", lambda x: "twin")
    x = np.zeros(3)
    assert kernel(x) == "twin"
    assert kernels.which() == "numba"
    with numpy_only():
        assert kernels.which() == "numpy"
        assert kernel(x)[0] == 0.5
    monkeypatch.setenv("NPFORWARD_KERNELS", "numpy")
    assert kernel(x)[0] == 0.5


def test_without_numba_everything_still_works():
    code = """
import sys
sys.modules["numba"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "numba" else found(name, *a)
import numpy as np
from npforward import kernels
assert kernels.which() == "numpy"
assert kernels.sigmoid(np.zeros(2**23, "float32"))[0] == 0.5
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("n", "least"), [(0, 2), (1, 2), (7, 2), (32, 8), (33, 2)])
def test_parts_make_up_the_whole(monkeypatch, n, least):
    from npforward.kernels import threads

    monkeypatch.setenv("NPFORWARD_THREADS", "3")
    done = np.zeros(n, int)
    starts = []

    def work(part):
        starts.append(part.start)
        done[part] += 1

    threads.in_parts(work, n, step=2, least=least)
    assert (done == 1).all()
    assert all(start % 2 == 0 for start in starts)


def test_an_error_in_a_thread_is_the_callers(monkeypatch):
    from npforward.kernels import threads

    monkeypatch.setenv("NPFORWARD_THREADS", "2")

    def fails(part):
        if part.start:
            raise ValueError("second part")

    with pytest.raises(ValueError, match="second part"):
        threads.in_parts(fails, 10, step=2, least=2)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, name):
    n, units, gates = 37, 5, {"lstm": 4, "gru": 3}[name]
    z, h = rng.normal(size=(6, n, gates * units)), rng.normal(size=(n, units))
    u, extra = rng.normal(size=(units, gates * units)), rng.normal(size=(n, units))
    args = (z, h, extra, u) if name == "lstm" else (z, h, u, rng.normal(size=gates * units))
    args = [a.astype("float32") for a in args]
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NPFORWARD_THREADS", count)
        found.append(KERNELS[name].fast(*args))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
