"""Compiled kernels of derivatives against the numpy functions that they stand for."""

import numpy as np
import pytest

from npforward import kernels, ops
from npforward.run.lowering import Recorded, lower
from npforward.tape import Tape

RNG = np.random.default_rng(5)


def f(*shape):
    return RNG.normal(size=shape).astype("float32")


def windows(n, space, c, channels, size, strides, dilation, groups=1):
    out = [
        (m - (k - 1) * d - 1) // s + 1
        for m, k, s, d in zip(space, size, strides, dilation, strict=True)
    ]
    options = {"size": size, "strides": strides, "dilation": dilation, "groups": groups}
    return ops.conv_dw, [f(n, *space, c), f(n, *out, channels)], options


def pooled(shape, size):
    x = np.round(f(*shape))  # with equal numbers in a window
    y = ops.max_pool(x, size=size, strides=size)
    return ops.max_pool_dx, [f(*y.shape), y, x], {"size": size, "strides": size}


CASES = [
    (ops.relu_dx, [f(3, 5), f(3, 5)], {}),
    (ops.relu_dx, [f(2, 3, 37), f(2, 3, 37)], {"negative_slope": 0.2, "max_value": 1.0}),
    *(
        windows(*case, *more)
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
    windows(2, (11, 9), 5, 33, (2, 2), (1, 2), (3, 1)),
    windows(3, (7, 7), 70, 9, (1, 1), (2, 2), (1, 1)),
    *((ops.dense_dw, [f(*lead, a), f(*lead, b)], {})
      for lead in [(1,), (4,), (2, 5), (257,), (600,)] for a, b in [(7, 13), (70, 33), (1, 1)]),
    (ops.einsum, [f(2, 3, 5, 6), f(2, 5, 3, 4)], {"equation": "acbe,abcd->aecd"}),
    (ops.einsum, [f(2, 7, 3, 4), f(2, 3, 7, 6)], {"equation": "abcd,acbe->aecd"}),
    (ops.einsum, [f(5, 6), f(5, 4)], {"equation": "bc,bd->cd"}),
    *((ops.sum, [f(2, 5, 6, 7)], {"axis": axis}) for axis in [(0, 1, 2), (1, 2), (2,)]),
    (ops.sum, [f(300, 70)], {"axis": 0, "keepdims": True}),
    pooled((2, 9, 7, 5), (2, 3)),
    pooled((2, 8, 8, 16), (2, 2)),
    pooled((2, 9, 5), (2,)),
    pooled((1, 4, 4, 40), (4, 4)),
    (ops.erf, [f(3, 4)], {}),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(CASES)), ids=lambda i: f"{CASES[i][0].__name__}-{i}")
def test_kernels_of_derivatives_give_what_numpy_gives(i):
    library = kernels.compiled()
    if library is None:
        pytest.skip("no compiled kernels here")
    op, arrays, options = CASES[i]
    tape = Tape()
    given = [tape.var(a.shape, a.dtype) for a in arrays]
    y = op(*given, **options)
    assert Recorded((), {}, {}, {y}).fits(tape.steps[-1])
    program = lower(tape.steps, {y}, (), library)
    got = program.run(dict(zip(given, arrays, strict=True)), None)[y]
    want = op(*(a.astype("float64") for a in arrays), **options)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("groups", [1, 6])
def test_a_border_that_is_not_made_has_no_share_in_kernels(strides, groups):
    library = kernels.compiled()
    if library is None:
        pytest.skip("no compiled kernels here")
    x, tape = f(2, 7, 8, 6), Tape()
    given = tape.var(x.shape, x.dtype)
    padded = ops.pad(given, widths=((0, 0), (2, 1), (1, 3), (0, 0)))
    out = [(n - 3) // s + 1 for n, s in zip(padded.shape[1:3], strides, strict=True)]
    g = f(2, *out, 6)
    error = tape.var(g.shape, g.dtype)
    options = {"size": (3, 3), "strides": strides, "dilation": (1, 1), "groups": groups}
    y = ops.conv_dw(padded, error, **options)
    got = lower(tape.steps, {y}, (), library).run({given: x, error: g}, None)[y]
    bordered = np.pad(x, ((0, 0), (2, 1), (1, 3), (0, 0))).astype("float64")
    want = ops.conv_dw(bordered, g.astype("float64"), **options)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
