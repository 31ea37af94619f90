"""Compiled kernels against the numpy references: every rule, odd shapes, any CPU, any threads."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npforward as npf
from npforward import kernels, ops
from npforward.kernels.native import elementwise, threads
from npforward.kernels.native.library import KERNELS, Library, Target, fingerprint, library
from npforward.run.lowering import RULES, Recorded, lower
from npforward.tape import Tape

HOST = Target.host()
pytestmark = pytest.mark.skipif(HOST is None, reason="no compiled kernels for this CPU")
rng = np.random.default_rng(8)


KEPT = Path(__file__).parent.parent / ".pytest_cache" / "d" / "kernels"


def of_width(width: int) -> Library:
    """The kernels for vectors of some width: the CPU's own, or another, which it runs in parts."""
    target = Target(HOST.cpu, HOST.features, width, 32 if width == 16 else 16)
    return library() if target == HOST else Library(target, KEPT / fingerprint(target))


LIBRARIES = {} if HOST is None else {width: of_width(width) for width in (4, 8, 16)}


def record(function, *arrays, constants=()):
    """A recording of a function of arrays, and their Vars."""
    tape = Tape()
    vars_ = [tape.var(a.shape, a.dtype) for a in arrays]
    out = function(*vars_)
    return tape, vars_, out, {v for v, i in zip(vars_, range(len(vars_)), strict=True)
                              if i in constants}  # fmt: skip


def compiled(function, *arrays, constants=(), with_=None):
    """What kernels compute of a function of arrays; those numbered in `constants` are weights."""
    tape, vars_, out, fixed = record(function, *arrays, constants=constants)
    outs = out if isinstance(out, (tuple, list)) else (out,)
    makers = {o: step for step in tape.steps for o in step.outs}
    users: dict = {}
    for step in tape.steps:
        for v in step.ins:
            users.setdefault(v, []).append(step)
    recorded = Recorded(fixed, makers, users, set(outs))
    assert all(recorded.fits(step) for step in tape.steps), "a step stays with numpy"
    program = lower(tape.steps, set(outs), fixed, with_ or library())
    values = dict(zip(vars_, arrays, strict=True))
    found = program.run({v: a for v, a in values.items() if v not in fixed}, values.__getitem__)
    return [found[o] for o in outs]


def agree(function, *arrays, constants=(), with_=None, rtol=2e-5, atol=2e-5):
    got = compiled(function, *arrays, constants=constants, with_=with_)
    with np.errstate(all="ignore"):
        want = function(*arrays)
    wants = want if isinstance(want, (tuple, list)) else (want,)
    for g, w in zip(got, wants, strict=True):
        assert g.shape == w.shape
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol * max(1, np.abs(w).max(initial=0)))
    return got


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def conv_of(strides, dilation, groups, widths, value=0.0):
    def function(x, w, b):
        x = ops.pad(x, widths=((0, 0), *widths, (0, 0)), value=value)
        y = ops.conv(x, w, strides=strides, dilation=dilation, groups=groups)
        return ops.relu(y + b)

    return function


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_convolutions_of_any_kind(data):
    draw = data.draw
    n = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c, f = draw(st.integers(1, 20)), draw(st.integers(1, 40))
    size, strides, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(3))
    widths = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(n))
    space = tuple((k - 1) * d + 1 + draw(st.integers(0, 9)) for k, d in zip(size, dilation,
                                                                        strict=True))  # fmt: skip
    x = normal(draw(st.integers(1, 3)), *space, c * groups)
    w, b = normal(*size, c, f * groups), normal(f * groups)
    width = draw(st.sampled_from([4, 8, 16]))
    function = conv_of(strides, dilation, groups, widths)
    agree(function, x, w, b, constants=(1, 2), with_=LIBRARIES[width])


def lowered(function, *arrays, constants=(), with_=None):
    """The calls that a function of arrays becomes."""
    tape, _, out, fixed = record(function, *arrays, constants=constants)
    outs = set(out) if isinstance(out, tuple) else {out}
    return lower(tape.steps, outs, fixed, with_ or library()).calls


@pytest.mark.parametrize("m", [2, 4])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_convolutions_by_squares(m, data):
    draw = data.draw
    c, f = draw(st.integers(32, 50)), draw(st.integers(1, 70))
    widths = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    space = (draw(st.integers(3, 20)), draw(st.integers(3, 20)))
    x, w, b = normal(draw(st.integers(1, 3)), *space, c), normal(3, 3, c, f), normal(f)
    width = draw(st.sampled_from([4, 8, 16]))
    function = conv_of((1, 1), (1, 1), 1, widths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPFORWARD_WINOGRAD", str(m))
        patch.setattr("npforward.run.lowering.products.WIDE", 0)
        agree(function, x, w, b, constants=(1, 2), with_=LIBRARIES[width], atol=1e-5 * m)
        calls = lowered(function, x, w, b, constants=(1, 2), with_=LIBRARIES[width])
    assert calls[0].kernel.name == f"winograd{m}"


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("width", [4, 8, 16])
def test_squares_give_what_is_no_number_where_it_belongs_only(m, width, monkeypatch):
    monkeypatch.setenv("NPFORWARD_WINOGRAD", str(m))
    function = conv_of((1, 1), (1, 1), 1, ((1, 1), (0, 1)))
    x, w, b = normal(3, 13, 14, 34), normal(3, 3, 34, 41), normal(41)
    x[0, 3, 4, 5], x[0, 12, 0, 33], x[1, 7, 7, 0] = np.inf, -np.inf, np.nan
    x[..., 2] /= 100  # so that no sum of its products is too large
    x[2, 1, 1, 1], w[..., 1, :] = 3e38, normal(3, 3, 41) / 1e38  # sums of several are too large
    for rows in (w, _with_some(w), w * np.float32(0)):
        (got,) = compiled(function, x, rows, b, constants=(1, 2), with_=LIBRARIES[width])
        with np.errstate(all="ignore"):
            want = function(x, rows, b)
        numbers = np.isfinite(want)
        assert 0 < numbers.mean() < 1
        np.testing.assert_array_equal(got[~numbers], want[~numbers])
        np.testing.assert_allclose(got[numbers], want[numbers], rtol=2e-5, atol=1e-4 * m)


def _with_some(w):
    """Weights with a few that are no numbers, or so large that sums of them are not."""
    w = w.copy()
    for channel, (i, j, k, value) in enumerate(
        [(0, 0, 3, np.inf), (1, 1, 0, -np.inf), (2, 1, 33, np.nan), (0, 1, 7, np.inf)]
    ):
        w[i, j, k, 9 * channel] = value
    w[..., 2, 40] = 3e38
    return w


@pytest.mark.parametrize("m", [2, 4])
def test_what_follows_a_convolution_by_squares_is_its_chain(m, monkeypatch):
    def layers(x, w, b, scale, shift, other):
        conv = ops.conv(x, w, strides=(1, 1), dilation=(1, 1)) + b
        norm = conv * scale + shift
        total = norm + other
        return conv, norm, total, ops.relu(total)

    monkeypatch.setenv("NPFORWARD_WINOGRAD", str(m))
    # More than one group of squares, and of blocks of channels; more than one sum of sums.
    x, w, b = normal(2, 31, 27, 300), normal(3, 3, 300, 83) / 30, normal(83)
    given = (x, w, b, normal(83), normal(83), normal(2, 29, 25, 83))
    for function in (layers, lambda *a: layers(*a)[3], lambda *a: ops.tanh(layers(*a)[1])):
        agree(function, *given, constants=(1, 2, 3, 4), atol=5e-5)
        calls = lowered(function, *given, constants=(1, 2, 3, 4))
        assert [call.kernel.name for call in calls] == [f"winograd{m}"]
        assert calls[0].tasks > 2


def test_which_convolutions_are_by_squares(monkeypatch):
    function = conv_of((1, 1), (1, 1), 1, ((1, 1), (1, 1)))
    b = normal(20)

    def kernel(function=function, space=9, channels=32, groups=1):
        x, w = normal(1, space, space, channels * groups), normal(3, 3, channels, 20)
        return lowered(function, x, w, b, constants=(1, 2))[0].kernel.name

    for said, wanted in [(None, 2), ("", 2), ("3", 2), ("2", 2), ("4", 4), ("0", 0)]:
        if said is not None:
            monkeypatch.setenv("NPFORWARD_WINOGRAD", said)
        assert kernel() == (f"winograd{wanted}" if wanted else "conv")
    monkeypatch.setenv("NPFORWARD_WINOGRAD", "2")
    assert kernel(channels=31) == kernel(space=7) == "conv"
    for strides, dilation, groups in [
        ((2, 1), (1, 1), 1),
        ((1, 1), (1, 2), 1),
        ((1, 1), (1, 1), 2),
    ]:
        other = conv_of(strides, dilation, groups, ((1, 1), (1, 1)))
        assert kernel(other, groups=groups) == "conv"


def test_a_plan_is_of_the_squares_that_were_asked_for(monkeypatch):
    from npforward import Model
    from npforward.graph import Graph, Layer, Node, Ref, Stored

    w = normal(3, 3, 32, 16)
    stored = Stored("conv/kernel", w.shape, w.dtype, lambda: w)
    config = {"filters": 16, "kernel_size": (3, 3), "use_bias": False, "name": "conv"}
    entered = Layer("x", "InputLayer", {"batch_shape": (None, 40, 40, 32), "dtype": "float32"})
    nodes = (Node("x", entered), Node("conv", Layer("conv", "Conv2D", config, (stored,)),
                                      (Ref("x"),)))  # fmt: skip
    model = Model(Graph("made", "Functional", nodes, "x", Ref("conv")))
    x = normal(1, 40, 40, 32)
    library().prepare(KERNELS.values())
    monkeypatch.setenv("NPFORWARD_WINOGRAD", "0")
    direct = model.predict(x)
    monkeypatch.setenv("NPFORWARD_WINOGRAD", "4")
    squares = model.predict(x)
    assert not np.array_equal(direct, squares)
    np.testing.assert_allclose(squares, direct, rtol=1e-4, atol=2e-4)
    monkeypatch.setenv("NPFORWARD_WINOGRAD", "0")
    np.testing.assert_array_equal(model.predict(x), direct)


def test_a_border_under_another_name_is_not_made():
    """Layers that want no border say so with one of no width."""

    def function(x, w, d):
        x = ops.pad(x, widths=((0, 0), (0, 1), (2, 1), (0, 0)))
        x = ops.pad(x, widths=((0, 0),) * 4)
        y = ops.conv(x, w, strides=(2, 2), dilation=(1, 1))
        z = ops.depthwise_conv(x, d, strides=(2, 2), dilation=(1, 1))
        return y, z

    given = normal(2, 8, 9, 24), normal(3, 3, 24, 7), normal(3, 3, 24, 1)
    agree(function, *given, constants=(1, 2))
    calls = lowered(function, *given, constants=(1, 2))
    assert [call.kernel.name for call in calls] == ["conv", "depthwise"]

    thin = normal(2, 8, 9, 5), normal(3, 3, 5, 7), normal(3, 3, 5, 1)  # rows of taps as one
    agree(function, *thin, constants=(1, 2))
    calls = lowered(function, *thin, constants=(1, 2))
    assert [call.kernel.name for call in calls] == ["border", "conv", "depthwise"]

    def seen(x, w, d):
        x = ops.pad(x, widths=((0, 0), (0, 1), (2, 1), (0, 0)))
        again = ops.pad(x, widths=((0, 0),) * 4)
        flat = ops.reshape(x, shape=(2, -1))
        return ops.conv(again, w, strides=(2, 2), dilation=(1, 1)), ops.exp(flat)

    agree(seen, *given, constants=(1, 2))
    assert "border" in [call.kernel.name for call in lowered(seen, *given, constants=(1, 2))]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_transposed_convolutions_of_any_kind(data):
    draw = data.draw
    n = draw(st.integers(1, 3))
    c, f = draw(st.integers(1, 20)), draw(st.integers(1, 40))
    size = tuple(draw(st.integers(1, 5 if n < 3 else 3)) for _ in range(n))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(n))
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(n))
    space = tuple(draw(st.integers(1, 6)) for _ in range(n))
    reach = tuple((m - 1) * s + (k - 1) * d + 1 + draw(st.integers(0, 2))
                  for m, k, s, d in zip(space, size, strides, dilation, strict=True))  # fmt: skip
    x, w, b = normal(draw(st.integers(1, 3)), *space, c), normal(*size, f, c), normal(f)
    crop = []
    for r in reach:
        start = draw(st.integers(0, r - 1))
        crop.append(slice(start, draw(st.integers(start + 1, r))))
    key = data.draw(st.sampled_from([None, (slice(None), *crop), (slice(None), crop[0])]))
    act = data.draw(st.sampled_from([lambda y: y, ops.relu, ops.tanh, lambda y: y + ops.exp(y)]))

    def function(x, w, b):
        shape = (x.shape[0], *reach, f)
        y = ops.conv_transpose(x, w, shape=shape, strides=strides, dilation=dilation)
        y = y if key is None else ops.getitem(y, key=key)
        return act(y * 0.1 + b)

    width = draw(st.sampled_from([4, 8, 16]))
    agree(function, x, w, b, constants=(1, 2), with_=LIBRARIES[width])


def test_a_transposed_convolution_is_one_kernel_and_keeps_infinities_where_they_belong():
    def function(x, w, b):
        y = ops.conv_transpose(x, w, shape=(2, 11, 13, 5), strides=(2, 2), dilation=(1, 1))
        return ops.sigmoid(ops.getitem(y, key=(slice(None), slice(0, 10), slice(1, 13))) + b)

    x, w, b = normal(2, 5, 6, 7), normal(3, 3, 5, 7), normal(5)
    x[0, 2, 3, 4] = np.inf
    agree(function, x, w, b, constants=(1, 2))
    tape, _, out, fixed = record(function, x, w, b, constants=(1, 2))
    assert len(lower(tape.steps, {out}, fixed, library()).calls) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_depthwise_convolutions_and_pools_of_any_kind(data):
    draw = data.draw
    n = draw(st.integers(1, 3))
    c = draw(st.integers(1, 70))
    size, strides, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(3))
    widths = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in size)
    space = tuple((k - 1) * d + 1 + draw(st.integers(0, 9)) for k, d in zip(size, dilation,
                                                                        strict=True))  # fmt: skip
    x, w, b = normal(draw(st.integers(1, 3)), *space, c), normal(*size, c, 1), normal(c)
    width = draw(st.sampled_from([4, 8, 16]))
    border = ((0, 0), *widths, (0, 0))

    def depthwise(x, w, b):
        x = ops.pad(x, widths=border)
        return ops.relu6(ops.depthwise_conv(x, w, strides=strides, dilation=dilation) + b)

    def largest(x):
        x = ops.pad(x, widths=border, value=ops.lowest(x.dtype))
        return ops.max_pool(x, size=size, strides=strides)

    def mean(x):
        x = ops.pad(x, widths=border)
        return ops.average_pool(x, size=size, strides=strides, widths=border)

    agree(depthwise, x, w, b, constants=(1, 2), with_=LIBRARIES[width])
    agree(largest, x, with_=LIBRARIES[width], rtol=0, atol=0)
    agree(mean, x, with_=LIBRARIES[width])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 70), st.sampled_from([4, 8, 16]))
def test_products_with_a_matrix(rows, depth, channels, width):
    x, w, b = normal(rows, depth), normal(depth, channels), normal(channels)
    agree(lambda x, w, b: ops.sigmoid(ops.dense(x, w) + b), x, w, b, constants=(1, 2),
          with_=LIBRARIES[width], atol=2e-4)  # fmt: skip


EINSUMS = [
    ("abc,cde->abde", (2, 5, 7), (7, 3, 4), True),
    ("abcd,cde->abe", (2, 5, 3, 4), (3, 4, 6), True),
    ("aecd,abcd->acbe", (2, 5, 3, 7), (2, 6, 3, 7), False),
    ("acbe,aecd->abcd", (2, 3, 6, 5), (2, 5, 3, 7), False),
]


@pytest.mark.parametrize(("equation", "a", "b", "constant"), EINSUMS, ids=lambda v: str(v))
def test_products_of_matrices(equation, a, b, constant):
    for width in LIBRARIES:
        agree(lambda x, y: ops.einsum(x, y, equation=equation), normal(*a), normal(*b),
              constants=(1,) if constant else (), with_=LIBRARIES[width])  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 5), (5, 6)), ((2, 3, 4, 5), (2, 3, 5, 1)), ((3, 4, 5), (5, 7)), ((2, 1, 5), (1, 5, 33))],
    ids=str,
)
def test_matrix_products_broadcast(a, b):
    agree(ops.matmul, normal(*a), normal(*b))
    agree(ops.matmul, normal(*a), normal(*b[-2:]), constants=(1,))


SHAPES = [(1,), (3, 5), (2, 7, 3), (2, 3, 5, 4), (4099,), (3, 2048), (3, 5001), (70, 33)]
UNARY = {
    **{name: getattr(ops, name) for name in (
        "relu relu6 sigmoid tanh silu softplus hard_tanh hard_sigmoid hard_sigmoid_keras2 elu "
        "hard_silu selu gelu leaky_relu exp log sqrt square negative absolute softmax softsign "
        "squareplus log_sigmoid tanh_shrink celu soft_shrink hard_shrink sparse_plus log_softmax "
        "sparse_sigmoid mish exp2 expm1 log1p reciprocal floor ceil trunc round").split()},
    "relu_threshold": lambda x: ops.relu(x, threshold=0.7),
    "relu_threshold_cap": lambda x: ops.relu(x, threshold=-0.5, max_value=1.5),
    "relu_threshold_slope": lambda x: ops.relu(x, threshold=0.7, negative_slope=0.3),
    "relu_slope_cap": lambda x: ops.relu(x, negative_slope=0.3, max_value=1.5),
    "celu_alpha": lambda x: ops.celu(x, alpha=0.3),
    "squareplus_b": lambda x: ops.squareplus(x, b=0.5),
    "threshold": lambda x: ops.threshold(x, threshold=0.5, default_value=-3.0),
    "clip": lambda x: ops.clip(x, low=np.float32(-1), high=np.ones(1, "float32")),
    "soft_shrink_more": lambda x: ops.soft_shrink(x, threshold=1.25),
    "hard_shrink_more": lambda x: ops.hard_shrink(x, threshold=1.25),
    "gelu_tanh": lambda x: ops.gelu(x, approximate=True),
    "relu_slope": lambda x: ops.relu(x, negative_slope=0.1),
    "relu_cap": lambda x: ops.relu(x, max_value=2.5),
    "elu_alpha": lambda x: ops.elu(x, alpha=0.3),
    "row_mean": lambda x: ops.mean(x, axis=-1, keepdims=True),
    "row_max": lambda x: ops.max(x, axis=-1),
    "row_sum": lambda x: ops.sum(x, axis=[x.ndim - 1]),
    "max_with": lambda x: ops.maximum(x, 0.5),
    "min_with": lambda x: ops.minimum(x, 0.5),
    "scaled": lambda x: (x * 2.0 - 1.0) / 3.0,
    "taken_from": lambda x: 1.0 - x,
    "over": lambda x: 1.0 / x,
}  # fmt: skip
ROWS = {"softmax", "log_softmax", "row_mean", "row_max", "row_sum"}
EXTREMES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -3e38, 1.0, -1.0], "float32")


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_each_number(name):
    for shape in SHAPES:
        # What a long sum cancels is as inexact as its terms are many.
        atol = 3e-6 * max(1, shape[-1] / 256) if name in ROWS else 3e-6
        for width in LIBRARIES:
            agree(UNARY[name], normal(*shape) * 3, with_=LIBRARIES[width], rtol=3e-6, atol=atol)


@pytest.mark.parametrize("name", sorted(set(UNARY) - ROWS - {"scaled"}))
def test_functions_of_what_is_no_ordinary_number(name):  # what is folded need not overflow
    x = np.tile(EXTREMES, 3)
    (got,) = compiled(UNARY[name], x)
    with np.errstate(all="ignore"):
        want = UNARY[name](x)
    np.testing.assert_allclose(got, want, rtol=3e-6, atol=1e-44)


EXACT = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x >= 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
    "erf": np.vectorize(math.erf),
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
}


def chain_of(name, x):
    """A function of kernels by its name, which need not be an op."""
    from npforward.run.program import At, Buffer, Call, Program, Table

    tape = Tape()
    v, out = tape.var(x.shape, "float32"), tape.var(x.shape, "float32")
    to, source = Buffer(x.nbytes, kept=True, first=0, last=0), Buffer(outside=v)
    step = [elementwise.code(name), At(to), 0, At(source), 0, 0, 0, 0, 0, 0, 0]
    rows = -(-x.size // elementwise.PIECE)
    arguments = {"chain": elementwise.chain, "table": Table(step), "steps": 1, "rows": rows,
                 "columns": elementwise.PIECE, "rows_each": rows, "numbers": x.size,
                 "image": 2**40}  # fmt: skip
    call = Call(elementwise.elementwise, arguments, 1, elementwise.SCRATCH_BYTES)
    return Program(library(), [call], [to, source], {out: At(to)}).run({v: x}, None)[out]


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_within_two_ulp(name):
    every = np.arange(0, 2**32, 9973, dtype=np.int64).astype(np.uint32).view(np.float32)
    x = np.concatenate([every, np.linspace(-120, 120, 200_001, dtype=np.float32)])
    y = chain_of(name, x)
    with np.errstate(all="ignore"):
        want = EXACT[name](x.astype(np.float64))
        rounded = want.astype(np.float32)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(rounded))
        np.testing.assert_array_equal(np.isinf(y), np.isinf(rounded))
        known = np.isfinite(rounded)
        ulp = np.spacing(np.abs(rounded[known])).astype(np.float64)
        assert np.max(np.abs(y[known] - want[known]) / ulp) < 2


def test_options_that_are_no_numbers_stay_with_numpy():
    x = normal(3, 5)
    for function in (
        lambda x: ops.relu(x, threshold="high"),
        lambda x: ops.relu(x, max_value=10**60),
        lambda x: ops.relu(x, negative_slope=(1, 2)),
        lambda x: ops.relu(x, negative_slope=0.1, max_value=2.0, threshold=0.5),
        lambda x: ops.celu(x, alpha=0),
        lambda x: ops.celu(x, alpha=None),
        lambda x: ops.elu(x, alpha=float("nan")),
        lambda x: ops.round(x, decimals=1),
        lambda x: ops.clip(x, low=np.float32(1), high=np.float32(0)),
        lambda x: ops.clip(x, low=np.zeros(5, "float32"), high=np.float32(1)),
        lambda x: ops.threshold(x, threshold=[1], default_value=0),
    ):
        tape, _, out, _ = record(function, x)
        recorded = Recorded(set(), {}, {}, {out})
        assert not any(recorded.fits(step) for step in tape.steps)


BROADCAST = [((3, 4, 5), (3, 4, 5)), ((3, 4, 5), (3, 4, 1)), ((3, 4, 5), (3, 1, 5)),
             ((2, 6, 7, 3), (2, 1, 1, 3)), ((2, 6, 7, 1), (2, 1, 1, 1)),
             ((2, 6, 7, 5), (2, 6, 7, 1))]  # fmt: skip


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
@pytest.mark.parametrize(("a", "b"), BROADCAST, ids=str)
def test_arithmetic_of_two_values(name, a, b):
    op = getattr(ops, name)
    if b == (3, 1, 5) and a == (3, 4, 5):
        agree(op, normal(*a), normal(*b))  # one row for each "image"
    else:
        agree(op, normal(*a), normal(*b))
        agree(lambda x, y: op(y, x), normal(*a), normal(*b))


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 7, 3), (700, 2), (2, 3, 100)], ids=str)
def test_constants_for_each_channel(shape):
    x, scale, shift, mean = normal(*shape), normal(shape[-1]), normal(shape[-1]), normal(shape[-1])

    def normalised(x, scale, shift, mean):
        return ops.relu(scale * ((x - mean) / 1.5) + shift)

    agree(normalised, x, scale, shift, mean, constants=(1, 2, 3))
    agree(lambda x, c: ops.maximum(x, c), x, scale, constants=(1,))
    agree(lambda x, c: c / x, x, scale, constants=(1,))


@pytest.mark.parametrize("width", [4, 8, 16])
def test_a_normalisation_of_rows_is_one_chain(width):
    def layer(x, gamma, beta):
        mu = ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x - mu), axis=-1, keepdims=True)
        return gamma * ((x - mu) / ops.sqrt(variance + 1e-3)) + beta

    x, gamma, beta = normal(3, 17, 50), normal(50), normal(50)
    agree(layer, x, gamma, beta, constants=(1, 2), with_=LIBRARIES[width])
    long = normal(3, 4500), normal(4500), normal(4500)
    agree(layer, *long, constants=(1, 2), with_=LIBRARIES[width])
    tape, _, out, fixed = record(layer, x, gamma, beta, constants=(1, 2))
    assert len(lower(tape.steps, {out}, fixed, library()).calls) == 1


def test_what_is_wanted_is_written_and_what_is_not_is_folded():
    def layers(x, w, b, scale, shift, other):
        conv = ops.conv(x, w, strides=(1, 1), dilation=(1, 1)) + b
        norm = conv * scale + shift
        total = norm + other
        return conv, norm, total, ops.relu(total)

    x, w, b = normal(2, 9, 8, 5), normal(3, 3, 5, 20), normal(20)
    scale, shift, other = normal(20), normal(20), normal(2, 7, 6, 20)
    given = (x, w, b, scale, shift, other)
    agree(layers, *given, constants=(1, 2, 3, 4))
    agree(lambda *a: layers(*a)[3], *given, constants=(1, 2, 3, 4))
    for function in (layers, lambda *a: layers(*a)[3]):
        tape, _, out, fixed = record(function, *given, constants=(1, 2, 3, 4))
        outs = set(out) if isinstance(out, tuple) else {out}
        assert len(lower(tape.steps, outs, fixed, library()).calls) == 1


def test_a_reshape_between_is_no_other_row():
    agree(lambda x: ops.softmax(ops.reshape(x * 2.0, shape=(2, 2, 18))), normal(2, 4, 9))
    agree(lambda x: ops.mean(ops.reshape(ops.exp(x), shape=(6, 12)), axis=-1), normal(2, 4, 9))


def test_numbers_moved_about():
    x = normal(3, 4, 5, 6)
    for axes in [(3, 2, 1, 0), (0, 2, 1, 3), (1, 0, 2, 3), (0, 1, 3, 2)]:
        agree(lambda x, axes=axes: ops.transpose(x, axes=axes), x, rtol=0, atol=0)
    for key in [(0,), (slice(None), 1), (..., slice(1, 3)), (slice(None, None, -1),),
                (slice(2), None, slice(None, None, 2))]:  # fmt: skip
        agree(lambda x, key=key: ops.getitem(x, key=key), x, rtol=0, atol=0)
        back = functools.partial(ops.put_back, key=key, shape=x.shape)
        agree(lambda g, back=back: back(g), x[key], rtol=0, atol=0)
    for axis in range(4):
        agree(lambda a, b, axis=axis: ops.concatenate(a, b, a, axis=axis), x, x + 1, rtol=0,
              atol=0)  # fmt: skip
    for value in (0.0, 1.5):
        agree(lambda x, v=value: ops.pad(x, widths=((0, 0), (1, 2), (0, 3), (0, 0)), value=v), x)
    agree(lambda x: ops.relu(ops.reshape(ops.transpose(x, axes=(0, 2, 1, 3)), shape=(15, -1))), x)


WHOLE_BORDERS = [((1, 2), (0, 0)), ((0, 1), (2, 0), (3, 1)), ((0, 0), (0, 2), (1, 0), (0, 3)),
                 ((0, 0), (1, 1), (2, 0), (0, 2), (0, 0)), ((0, 0), (0, 3), (0, 0))]  # fmt: skip


@pytest.mark.parametrize("width", [4, 8, 16])
def test_numbers_repeated_turned_and_framed(width):
    def same(function, x):
        agree(function, x, with_=LIBRARIES[width], rtol=0, atol=0)

    x = normal(3, 4, 5, 6)
    for axis in range(4):
        same(lambda x, axis=axis: ops.repeat(x, repeats=3, axis=axis), x)
        many = tuple(range(x.shape[axis]))
        same(lambda x, axis=axis, many=many: ops.repeat(x, repeats=many, axis=axis), x)
        at = np.array([[2, 0], [1, 2]])
        same(lambda x, axis=axis, at=at: ops.take(x, at, axis=axis), x)
    for axis in (None, 0, -1, 2, (0, 3), [1, 2]):
        same(lambda x, axis=axis: ops.flip(x, axis=axis), x)
    for shift, axis in ((5, None), (-1, 3), (2, 0), ((1, -3), (1, 2)), (0, 1), (50, 2)):
        same(lambda x, s=shift, axis=axis: ops.roll(x, shift=s, axis=axis), x)
    for shape in ((3, 4, 5, 6), (2, 3, 4, 5, 6), (7, 3, 4, 5, 6)):
        same(lambda x, shape=shape: ops.broadcast_to(x, shape=shape), x)
    same(lambda x: ops.broadcast_to(x, shape=(2, 5, 3, 37)), normal(5, 1, 37))
    same(lambda x: ops.broadcast_to(x, shape=(2, 5, 3, 37)), normal(1, 3, 1))
    same(lambda x: ops.tile(x, repeats=(1, 1, 2, 2)), x)
    for axis in range(5):
        same(lambda x, axis=axis: ops.stack([x, x * 2.0], axis=axis), x)
    for widths in WHOLE_BORDERS:
        shape = (2, 3, 4, 5, 6)[: len(widths)]
        for value in (0, -1.5, np.float32(3e38)):
            same(lambda x, w=widths, v=value: ops.pad(x, widths=w, value=v), normal(*shape))
    six = normal(2, 4, 3, 4, 3, 5)
    same(lambda x: ops.transpose(x, axes=(0, 1, 3, 2, 4, 5)), six)
    same(lambda x: x[:, 1:, :, :2], six)


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("shape", [(2, 9, 7, 3), (1, 5, 6, 37), (3, 8), (13,), (2, 4, 70)], ids=str)
def test_slices_between_others(width, shape):
    x, library_ = normal(*shape), LIBRARIES[width]
    for axis, n in enumerate(shape):
        for m in (1, n, 2 * n, 2 * n + 3):
            for kind in ops.FILTERS:
                index, weight = ops.resize_taps(n, m, kind, kind == "bicubic")
                how = {"axis": axis, "index": index, "weight": weight}
                agree(lambda x, how=how: ops.resample(x, **how), x, with_=library_)
            before, after, share = ops.neighbours(n, m)
            how = {"axis": axis, "before": before, "after": after, "share": share}
            agree(lambda x, how=how: ops.interpolate(x, **how), x, with_=library_)


def test_slices_that_are_not_there_stay_with_numpy():
    x = normal(3, 5)
    for index in ([[-1]], [[5]], [[0.5]], [[True]]):
        tape, _, out, _ = record(
            lambda x, index=index: ops.resample(
                x, axis=1, index=np.array(index), weight=np.ones((1, 1))
            ), x,
        )  # fmt: skip
        assert not any(Recorded(set(), {}, {}, {out}).fits(step) for step in tape.steps)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_loops_over_time(name):
    from test_fusion import GATES, model, recurrent

    for units, samples in [(5, 4), (16, 1), (33, 13)]:
        for options in [{}, {"return_sequences": False}, {"go_backwards": True}]:
            made = model(recurrent(name, units=units, **options))
            x = normal(samples, 7, 3)
            trace = made.trace(x)
            assert trace.kernels == "compiled" or library().missing(KERNELS.values())
            np.testing.assert_allclose(
                trace["rnn"], made.trace(x, inner=True)["rnn"], rtol=1e-5, atol=2e-5
            )
    assert GATES


LOOPS = ["rnn_zoo", "convlstm", "masking", "seq2seq", "text_lstm", "stateful_lstm"]


@pytest.mark.parametrize("name", LOOPS)
def test_the_step_of_any_loop_and_of_its_way_back(name):
    from test_models import golden

    path = f"weights_fixtures/models/{name}/model.keras"
    inputs, _ = golden(name, "model.keras")
    outputs = npf.load_model(path).outputs
    found = []
    for numpy_only in (npf.numpy_only, contextlib.nullcontext):
        with numpy_only():
            model = npf.load_model(path)
            trace = model.trace(inputs, inner=True)
            seeds = [np.ones_like(trace[name]) for name in outputs]
            gradients = model.gradients(inputs, of=seeds, layers=outputs[0])
            found.append((trace, gradients.weights))
            assert trace.kernels == ("numpy" if numpy_only is npf.numpy_only else "compiled")
    for expected, got in zip(*found, strict=True):
        assert [*got] == [*expected]
        for key, array in expected.items():
            if array.dtype.kind == "f":
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(got[key], array, rtol=1e-4, atol=2e-5 * scale,
                                           err_msg=key)  # fmt: skip


def test_a_loop_without_a_kernel_is_compiled():
    from test_models import golden

    from npforward.run import Instruction

    model = npf.load_model("weights_fixtures/models/rnn_zoo/model.keras")
    model.trace(golden("rnn_zoo", "model.keras")[0], inner=True)
    (plan,) = model._plans.values()
    loops = [i for i in plan.instructions if isinstance(i, Instruction) and i.op == "scan"]
    assert loops and all(loop.inside for loop in loops)


def met_by(n, space, c, channels, size, strides, dilation, groups=1):
    out = [
        (m - (k - 1) * d - 1) // s + 1
        for m, k, s, d in zip(space, size, strides, dilation, strict=True)
    ]
    options = {"size": size, "strides": strides, "dilation": dilation, "groups": groups}
    return ops.conv_dw, [normal(n, *space, c), normal(n, *out, channels)], options


def pooled(shape, size):
    x = np.round(normal(*shape))  # with equal numbers in a window
    y = ops.max_pool(x, size=size, strides=size)
    return ops.max_pool_dx, [normal(*y.shape), y, x], {"size": size, "strides": size}


DERIVATIVES = [
    (ops.relu_dx, [normal(3, 5), normal(3, 5)], {}),
    (ops.relu_dx, [normal(2, 3, 37), normal(2, 3, 37)], {"negative_slope": 0.2, "max_value": 1.0}),
    *(
        met_by(*case, *more)
        for case in [
            (2, (9, 8), 3, 3, (3, 2), (1, 1), (1, 1)),
            (1, (13, 14), 17, 17, (3, 3), (2, 2), (1, 1)),
            (2, (10, 11), 6, 6, (2, 3), (2, 1), (1, 2)),
            (1, (30, 28), 64, 64, (3, 3), (1, 1), (1, 1)),
            (1, (5, 4), 1, 1, (5, 4), (1, 1), (1, 1)),
            (2, (20,), 5, 5, (3,), (2,), (1,)),
        ]
        for more in ([], [case[2]])
    ),
    met_by(2, (11, 9), 5, 33, (2, 2), (1, 2), (3, 1)),
    met_by(3, (7, 7), 70, 9, (1, 1), (2, 2), (1, 1)),
    *((ops.dense_dw, [normal(*lead, a), normal(*lead, b)], {})
      for lead in [(1,), (4,), (2, 5), (257,), (600,)] for a, b in [(7, 13), (70, 33), (1, 1)]),
    (ops.einsum, [normal(2, 3, 5, 6), normal(2, 5, 3, 4)], {"equation": "acbe,abcd->aecd"}),
    (ops.einsum, [normal(2, 7, 3, 4), normal(2, 3, 7, 6)], {"equation": "abcd,acbe->aecd"}),
    (ops.einsum, [normal(5, 6), normal(5, 4)], {"equation": "bc,bd->cd"}),
    *((ops.sum, [normal(2, 5, 6, 7)], {"axis": axis}) for axis in [(0, 1, 2), (1, 2), (2,)]),
    (ops.sum, [normal(300, 70)], {"axis": 0, "keepdims": True}),
    pooled((2, 9, 7, 5), (2, 3)),
    pooled((2, 8, 8, 16), (2, 2)),
    pooled((2, 9, 5), (2,)),
    pooled((1, 4, 4, 40), (4, 4)),
    (ops.erf, [normal(3, 4)], {}),
]  # fmt: skip


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize(
    "i", range(len(DERIVATIVES)), ids=lambda i: f"{DERIVATIVES[i][0].__name__}-{i}"
)
def test_derivatives(i, width):
    op, arrays, options = DERIVATIVES[i]
    agree(lambda *xs: op(*xs, **options), *arrays, with_=LIBRARIES[width])


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("groups", [1, 6])
def test_a_border_that_is_not_made_has_no_share_in_kernels(strides, groups):
    x, widths = normal(2, 7, 8, 6), ((0, 0), (2, 1), (1, 3), (0, 0))
    out = [(n + more - 3) // s + 1 for n, more, s in zip((7, 8), (3, 4), strides, strict=True)]
    how = {"size": (3, 3), "strides": strides, "dilation": (1, 1), "groups": groups}

    def function(x, g):
        return ops.conv_dw(ops.pad(x, widths=widths), g, **how)

    agree(function, x, normal(2, *out, 6))
    assert [call.kernel.name for call in lowered(function, x, normal(2, *out, 6))] == [
        "outer" if groups == 1 else "depthwise_dw"
    ]


def test_every_rule_is_tested_here():
    """Each op that has a rule is one that the functions above are made of."""
    import inspect

    source = inspect.getsource(sys.modules[__name__])
    names = {op.__name__ for op in RULES} - {"scan", "cast", "expand_dims", "squeeze"}
    assert [name for name in names if name not in source] == []


# ---- memory and threads ----------------------------------------------------------------------


def convolution(n=2):
    x, w, b = normal(n, 40, 40, 16), normal(3, 3, 16, 32), normal(32)
    function = conv_of((1, 1), (1, 1), 1, ((1, 1), (1, 1)))
    tape, vars_, out, fixed = record(function, x, w, b, constants=(1, 2))
    program = lower(tape.steps, {out}, fixed, library())
    values = dict(zip(vars_, (x, w, b), strict=True))
    return lambda: program.run({vars_[0]: x}, values.__getitem__)[out]


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    run, found = convolution(), []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NPFORWARD_THREADS", count)
        found.append(run().copy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["digits_cnn", "residual_bn", "transformer", "text_lstm", "norms"])
def test_whole_models_give_the_same_bits_for_any_number_of_threads(monkeypatch, name):
    from test_models import golden

    found = []
    inputs, _ = golden(name, "model.keras")
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NPFORWARD_THREADS", count)
        model = npf.load_model(f"weights_fixtures/models/{name}/model.keras")
        found.append([model.trace(inputs), model.trace(inputs)])
    first = found[0][0]
    for trace in [trace for pair in found for trace in pair]:
        assert trace.kernels == "compiled"
        for address, array in first.items():
            np.testing.assert_array_equal(trace[address], array)


def test_long_work_comes_back_to_python_now_and_then(monkeypatch):
    from npforward.run import program

    model = npf.load_model("weights_fixtures/models/residual_bn/model.keras")
    x = normal(2, *(n or 8 for n in model.inputs[0].shape[1:]))
    want = model.trace(x)
    monkeypatch.setattr(program, "AT_A_TIME", 1)
    apart = npf.load_model("weights_fixtures/models/residual_bn/model.keras").trace(x)
    for address, array in want.items():
        np.testing.assert_array_equal(apart[address], array)


def test_what_somebody_holds_is_never_written_again():
    run = convolution()
    held = [run() for _ in range(4)]
    copies = [h.copy() for h in held]
    view = held.pop()[0, 3:5]
    kept = view.copy()
    for _ in range(5):
        run()
    for h, c in zip(held, copies, strict=False):
        np.testing.assert_array_equal(h, c)
    np.testing.assert_array_equal(view, kept)


def test_memory_is_used_again_when_nobody_holds_it():
    run = convolution()
    places = {run().__array_interface__["data"][0] for _ in range(6)}
    assert len(places) == 1


def test_several_threads_of_python_at_once():
    run = convolution()
    want, wrong = run().copy(), []

    def work():
        for _ in range(20):
            if not np.array_equal(run(), want):
                wrong.append(1)

    team = [threading.Thread(target=work) for _ in range(4)]
    for each in team:
        each.start()
    for each in team:
        each.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own(monkeypatch):
    code = """
import os, warnings
warnings.simplefilter("ignore")
import sys
sys.path.insert(0, "tests")
os.environ["NPFORWARD_THREADS"] = "2"
from test_compiled import convolution
import numpy as np
run, other = convolution(), convolution()
held = run()
want, others = held.copy(), other().copy()
child = os.fork()
if child == 0:
    del held  # its memory is free in this process, and taken for something else
    same = all(np.array_equal(other(), others) for _ in range(3))
    os._exit(0 if same else 1)
same = np.array_equal(run(), want)
_, status = os.waitpid(child, 0)
sys.exit(0 if same and np.array_equal(held, want) and status == 0 else 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_threads_are_as_many_as_are_asked_for(monkeypatch):
    monkeypatch.setenv("NPFORWARD_THREADS", "3")
    assert threads.count() == 3
    monkeypatch.setenv("NPFORWARD_THREADS", "no number")
    assert threads.count() >= 1


def test_weights_are_laid_out_once_for_all_batches():
    model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    x = normal(1, *model.inputs[0].shape[1:])
    model.trace(x)
    laid_out = dict(model._laid_out)
    assert laid_out
    model.trace(np.repeat(x, 32, axis=0))
    same = [model._laid_out[key] is array for key, array in laid_out.items()]
    assert all(same)
    other = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    np.testing.assert_array_equal(other.predict(x), other.predict(np.repeat(x, 2, axis=0))[:1])


# ---- the cache of compiled kernels -----------------------------------------------------------


def test_a_kernel_is_kept_and_loaded_again(tmp_path):
    kernel = KERNELS["border"]
    first = Library(HOST, tmp_path)
    assert first.missing([kernel]) == [kernel]
    first.prepare([kernel])
    (path,) = tmp_path.glob("*.o")
    kept = path.read_bytes()
    second = Library(HOST, tmp_path)
    assert second.missing([kernel]) == []
    assert second.address(kernel)
    assert path.read_bytes() == kept


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "open to all"])
def test_a_damaged_or_foreign_file_is_made_anew(tmp_path, damage):
    kernel = KERNELS["border"]
    Library(HOST, tmp_path).prepare([kernel])
    (path,) = tmp_path.glob("*.o")
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-10])
    elif damage == "changed":
        path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        if os.name == "nt":
            pytest.skip("no such permissions here")
        path.chmod(0o666)
    again = Library(HOST, tmp_path)
    assert again.missing([kernel]) == [kernel]
    again.prepare([kernel])
    assert path.read_bytes() == whole
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_numpy_only_switches_them_off(monkeypatch):
    assert kernels.which() == "compiled"
    with kernels.numpy_only():
        assert kernels.which() == "numpy"
    monkeypatch.setenv("NPFORWARD_KERNELS", "numpy")
    assert kernels.which() == "numpy"


def test_without_llvmlite_everything_still_works():
    code = """
import sys
sys.modules["llvmlite"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "llvmlite" else found(name, *a)
import numpy as np
import npforward as npf
model = npf.load_model("weights_fixtures/models/mlp/model.keras")
assert model.trace(np.zeros((1, 13))).kernels == "numpy"
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr


def test_resampling_rounds_each_product_as_numpy_does():
    """Else a picture of whole numbers would differ by one here and there."""
    x = np.round(normal(2, 7, 5, 3) * 100)
    index, weight = rng.integers(0, 7, (4, 3)), normal(4, 3)
    agree(lambda x: ops.resample(x, axis=1, index=index, weight=weight), x, rtol=0, atol=0)
    before, after = np.array([0, 2, 5]), np.array([1, 3, 6])
    share = np.array([0.3, 0.5, 0.9], "float32")
    between = {"before": before, "after": after, "share": share}
    agree(lambda x: ops.interpolate(x, axis=1, **between), x, rtol=0, atol=0)
