"""Arithmetic, comparison and reduction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npforward.dtypes import floating, promote
from npforward.ops.registry import op


def unbroadcast(g, like):
    """Sum a gradient back to the shape that was broadcast.

    Examples
    --------
    >>> unbroadcast(np.ones((4, 3)), np.ones(3))
    array([4., 4., 4.])
    """
    shape = np.shape(like)
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i])
    return g.sum(axis=stretched, keepdims=True)


def _bool(*args, **options):
    return np.dtype(bool)


@op(lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: unbroadcast(g, b))
def add(a, b):
    """a + b"""
    return np.add(a, b)


@op(lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: unbroadcast(-g, b))
def subtract(a, b):
    """a - b"""
    return np.subtract(a, b)


@op(lambda g, y, a, b: unbroadcast(g * b, a), lambda g, y, a, b: unbroadcast(g * a, b))
def multiply(a, b):
    """a * b"""
    return np.multiply(a, b)


@op(
    lambda g, y, a, b: unbroadcast(g / b, a),
    lambda g, y, a, b: unbroadcast(-g * y / b, b),
    floats=True,
)
def divide(a, b):
    """a / b"""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(a, b)


@op(lambda g, y, a: -g)
def negative(a):
    """-a"""
    return np.negative(a)


@op(
    lambda g, y, a, b: unbroadcast(g * ((a > b) + 0.5 * (a == b)).astype(g.dtype), a),
    lambda g, y, a, b: unbroadcast(g * ((b > a) + 0.5 * (a == b)).astype(g.dtype), b),
)
def maximum(a, b):
    """The larger of a and b; where they are equal, each gets half of the gradient."""
    return np.maximum(a, b)


@op(
    lambda g, y, a, b: unbroadcast(g * ((a < b) + 0.5 * (a == b)).astype(g.dtype), a),
    lambda g, y, a, b: unbroadcast(g * ((b < a) + 0.5 * (a == b)).astype(g.dtype), b),
)
def minimum(a, b):
    """The smaller of a and b; where they are equal, each gets half of the gradient."""
    return np.minimum(a, b)


@op(lambda g, y, x: g * np.sign(x))
def absolute(x):
    """|x|"""
    return np.abs(x)


@op(lambda g, y, x: 2 * g * x)
def square(x):
    """x²"""
    return np.square(x)


@op(lambda g, y, x: g / (2 * y), floats=True)
def sqrt(x):
    """√x; NaN for negative numbers"""
    with np.errstate(invalid="ignore"):
        return np.sqrt(x)


@op(lambda g, y, x: g * y, floats=True)
def exp(x):
    """eˣ; infinite where that overflows"""
    with np.errstate(over="ignore"):
        return np.exp(x)


@op(lambda g, y, x: g * (y + 1), floats=True)
def expm1(x):
    """eˣ - 1, exact near 0"""
    with np.errstate(over="ignore"):
        return np.expm1(x)


@op(lambda g, y, x: g / x, floats=True)
def log(x):
    """The natural logarithm; -inf at 0, NaN below"""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x)


def _power_vjp_b(g, y, a, b):
    # At a = 0 the limit: 0 for every b that a gradient of `y` exists for.
    return unbroadcast(g * y * np.log(np.where(a > 0, a, 1)), b)


@op(
    lambda g, y, a, b: unbroadcast(g * b * np.power(a, b - 1), a),
    _power_vjp_b,
    floats=True,
)
def power(a, b):
    """aᵇ; NaN for a root of a negative number"""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.power(a, b)


@op(lambda g, y, x: np.zeros_like(g))
def round(x):
    """x rounded to the nearest integer, halves to the even one"""
    return np.round(x)


@op(
    lambda g, y, a, b: unbroadcast(g * b / (a * a + b * b), a),
    lambda g, y, a, b: unbroadcast(-g * a / (a * a + b * b), b),
    floats=True,
)
def arctan2(a, b):
    """The angle from (1, 0) to (b, a), from -π to π"""
    return np.arctan2(a, b)


@op(
    None,
    lambda g, y, c, a, b: unbroadcast(np.where(c, g, 0), a),
    lambda g, y, c, a, b: unbroadcast(np.where(c, 0, g), b),
    dtype=lambda c, a, b: promote(a, b),
)
def where(condition, a, b):
    """a where the condition holds, else b"""
    return np.where(condition, a, b).astype(promote(a, b), copy=False)


@op(None, None, dtype=_bool)
def greater(a, b):
    """a > b"""
    return np.greater(a, b)


@op(None, None, dtype=_bool)
def greater_equal(a, b):
    """a >= b"""
    return np.greater_equal(a, b)


@op(None, None, dtype=_bool)
def not_equal(a, b):
    """a != b"""
    return np.not_equal(a, b)


@op(None, None, dtype=_bool)
def logical_and(a, b):
    """a and b"""
    return np.logical_and(a, b)


@op(None, None, dtype=_bool)
def logical_or(a, b):
    """a or b"""
    return np.logical_or(a, b)


@op(None, dtype=_bool)
def logical_not(a):
    """not a"""
    return np.logical_not(a)


@op(lambda g, y, x, *, dtype: g.astype(x.dtype), dtype=lambda x, *, dtype: np.dtype(dtype))
def cast(x, *, dtype):
    """x in another dtype; a value that the dtype cannot hold becomes infinite or wraps"""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(x).astype(dtype, copy=False)


# ---- reductions -------------------------------------------------------------------------------


def axes_of(x, axis):
    """`axis` as a tuple of axes counted from 0; None is all of them.

    Examples
    --------
    >>> axes_of(np.ones((2, 3, 4)), [-1, 0])
    (2, 0)
    """
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(a + x.ndim if a < 0 else a for a in axes)
    if not all(0 <= a < x.ndim for a in found):
        raise ValueError(f"axis {axis} does not exist in an array of {x.ndim} axes")
    return found


def _reduced(x, *, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _spread(g, x, axis, keepdims):
    """A reduced array against the array that was reduced, ready to broadcast."""
    return g if keepdims else np.expand_dims(g, axes_of(x, axis))


def _total(x, axes):
    """The sum over axes, which stay as axes of size 1.

    Numpy adds in pairs along the last axis only; along others it adds row to row, and what is wrong
    grows with their number.  So those are added in blocks, and then the blocks.
    """
    last = x.ndim
    while last and last - 1 in axes:
        last -= 1
    if last < x.ndim:
        x = np.sum(x, axis=tuple(range(last, x.ndim)), keepdims=True, dtype=x.dtype)
    axes = sorted(a for a in axes if a < last)
    while axes:
        end = axes.pop()
        first = end
        while axes and axes[-1] == first - 1:
            first = axes.pop()
        before, after = x.shape[:first], x.shape[end + 1 :]
        rows = x.reshape(*before, math.prod(x.shape[first : end + 1]), *after)
        x = _rows_added(rows, first).reshape(*before, *(1,) * (end + 1 - first), *after)
    return x


def _rows_added(x, axis):
    n = x.shape[axis]
    block = math.isqrt(n)
    if block < 4:
        return np.sum(x, axis=axis, keepdims=True, dtype=x.dtype)
    whole, before = n - n % block, (slice(None),) * axis
    blocks = x[(*before, slice(whole))]
    blocks = blocks.reshape(*x.shape[:axis], n // block, block, *x.shape[axis + 1 :])
    y = _rows_added(np.sum(blocks, axis=axis + 1, dtype=x.dtype), axis)
    if whole < n:
        y += np.sum(x[(*before, slice(whole, None))], axis=axis, keepdims=True, dtype=x.dtype)
    return y


@op(
    lambda g, y, x, *, axis=None, keepdims=False: np.broadcast_to(
        _spread(g, x, axis, keepdims), x.shape
    ),
    shape=_reduced,
    wide=True,
)
def sum(x, *, axis=None, keepdims=False):
    """The sum over axes."""
    axes = axes_of(x, axis)
    total = _total(x, axes)
    return total if keepdims else np.squeeze(total, axes)


def _mean_vjp(g, y, x, *, axis=None, keepdims=False):
    count = x.size // (np.size(y) or 1)
    return np.broadcast_to(_spread(g, x, axis, keepdims) / count, x.shape).astype(x.dtype)


@op(_mean_vjp, shape=_reduced, floats=True, wide=True)
def mean(x, *, axis=None, keepdims=False):
    """The mean over axes; NaN over nothing."""
    axes = axes_of(x, axis)
    count = int(np.prod([x.shape[a] for a in axes]))
    total = np.asarray(_total(x, axes))
    total = total if keepdims else np.squeeze(total, axes)
    with np.errstate(invalid="ignore"):
        return total / total.dtype.type(count)


def _max_vjp(g, y, x, *, axis=None, keepdims=False):
    largest = x == _spread(y, x, axis, keepdims)
    count = largest.sum(axis=axes_of(x, axis), keepdims=True)
    return _spread(g, x, axis, keepdims) * largest / count.astype(g.dtype)


@op(_max_vjp, shape=_reduced)
def max(x, *, axis=None, keepdims=False):
    """The largest value over axes; equal ones share the gradient."""
    if 0 in [x.shape[a] for a in axes_of(x, axis)]:
        raise ValueError(f"the largest value over axis {axis} of an empty array {x.shape}")
    return np.max(x, axis=axes_of(x, axis), keepdims=keepdims)


@op(lambda g, y, x, **o: -_max_vjp(-g, y, x, **o), shape=_reduced)
def min(x, *, axis=None, keepdims=False):
    """The smallest value over axes; equal ones share the gradient."""
    return np.min(x, axis=axes_of(x, axis), keepdims=keepdims)


@op(None, shape=_reduced, dtype=_bool)
def any(x, *, axis=None, keepdims=False):
    """Whether any value over axes is true."""
    return np.any(x, axis=axes_of(x, axis), keepdims=keepdims)


def lowest(dtype):
    """A number below all others of a dtype: what padding must hold where the largest wins.

    Examples
    --------
    >>> lowest("float32"), lowest("int8")
    (-inf, -128)
    """
    return -np.inf if floating(dtype) else int(np.iinfo(dtype).min)


def limits_of(dtype, within):
    """The least and the greatest number of a dtype that another one has, too.

    Examples
    --------
    >>> limits_of("uint8", "float32"), limits_of("int32", "float32")
    ((0.0, 255.0), (-2147483648.0, 2147483520.0))
    """
    wide = np.dtype(within).type
    if not floating(dtype):
        info: Any = np.iinfo(dtype)
        high = wide(info.max)
        high = np.nextafter(high, wide(0)) if int(high) > info.max else high
        return float(info.min), float(high)
    if np.dtype(dtype).name == "bfloat16":
        import ml_dtypes

        info = ml_dtypes.finfo(dtype)
    else:
        info = np.finfo(dtype)
    return float(info.min), float(info.max)
