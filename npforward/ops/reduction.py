"""Reductions over axes, and running sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npforward import ops
from npforward.dtypes import arithmetic, floating, summed
from npforward.ops.registry import op


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
    if not all_within(found, x.ndim):
        raise ValueError(f"axis {axis} does not exist in an array of {x.ndim} axes")
    return found


def all_within(axes, ndim):
    """Whether all axes are among the first `ndim`.

    Examples
    --------
    >>> all_within((0, 2), 2)
    False
    """
    return not [a for a in axes if not 0 <= a < ndim]


def _reduced(x, *, axis=None, keepdims=False, **options):
    axes = axes_of(x, axis)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _spread(g, x, axis, keepdims):
    """A reduced array against the array that was reduced, ready to broadcast."""
    return g if keepdims else np.expand_dims(g, axes_of(x, axis))


def _spread_in_ops(g, x, axis):
    """A gradient of a sum, for everything that was summed."""
    axes = axes_of(x, axis)
    one = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return ops.broadcast_to(g if g.shape == one else ops.reshape(g, shape=one), shape=x.shape)


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
    lambda g, y, x, *, axis=None, keepdims=False: _spread_in_ops(g, x, axis),
    shape=_reduced,
    dtype=summed,
    wide=True,
    in_ops=True,
)
def sum(x, *, axis=None, keepdims=False):
    """The sum over axes; of small integers in 32 bits."""
    axes = axes_of(x, axis)
    total = _total(x, axes)
    return total if keepdims else np.squeeze(total, axes)


def _mean_vjp(g, y, x, *, axis=None, keepdims=False):
    return _spread_in_ops(g / (x.size // (y.size or 1) or 1), x, axis)


@op(_mean_vjp, shape=_reduced, floats=True, wide=True, in_ops=True)
def mean(x, *, axis=None, keepdims=False):
    """The mean over axes; NaN over nothing."""
    axes = axes_of(x, axis)
    count = int(np.prod([x.shape[a] for a in axes]))
    total = np.asarray(_total(x, axes))
    total = total if keepdims else np.squeeze(total, axes)
    with np.errstate(invalid="ignore"):
        return total / total.dtype.type(count)


def _others(x):
    """For each number of the last axis, the product of all others of it."""
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after


def _prod_vjp(g, y, x, *, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    flat = moved.reshape(
        *moved.shape[: x.ndim - len(axes)], int(np.prod(moved.shape[-len(axes) :])) if axes else 1
    )
    others = _others(flat) if flat.size else flat
    return _spread(g, x, axis, keepdims) * np.moveaxis(others.reshape(moved.shape), last, axes)


@op(_prod_vjp, shape=_reduced, dtype=summed, wide=True)
def prod(x, *, axis=None, keepdims=False):
    """The product over axes; of small integers in 32 bits."""
    return np.prod(x, axis=axes_of(x, axis), keepdims=keepdims, dtype=x.dtype)


def _extreme_vjp(g, y, x, *, axis=None, keepdims=False, initial=None):
    there = x == _spread(y, x, axis, keepdims)
    count = np.maximum(there.sum(axis=axes_of(x, axis), keepdims=True), 1)
    return _spread(g, x, axis, keepdims) * there / count.astype(g.dtype)


def _extreme(function, which, x, axis, keepdims, initial):
    axes = axes_of(x, axis)
    if initial is not None:
        return function(x, axis=axes, keepdims=keepdims, initial=x.dtype.type(initial))
    if 0 in [x.shape[a] for a in axes]:
        raise ValueError(f"the {which} value over axis {axis} of an empty array {x.shape}")
    return function(x, axis=axes, keepdims=keepdims)


@op(_extreme_vjp, shape=_reduced)
def max(x, *, axis=None, keepdims=False, initial=None):
    """The largest value over axes, or `initial`; equal ones share the gradient."""
    return _extreme(np.max, "largest", x, axis, keepdims, initial)


@op(_extreme_vjp, shape=_reduced)
def min(x, *, axis=None, keepdims=False, initial=None):
    """The smallest value over axes, or `initial`; equal ones share the gradient."""
    return _extreme(np.min, "smallest", x, axis, keepdims, initial)


@op(None, shape=_reduced, answer="bool")
def any(x, *, axis=None, keepdims=False):
    """Whether any value over axes is true."""
    return np.any(x.astype(bool, copy=False), axis=axes_of(x, axis), keepdims=keepdims)


@op(None, shape=_reduced, answer="bool")
def all(x, *, axis=None, keepdims=False):
    """Whether all values over axes are true."""
    return np.all(x.astype(bool, copy=False), axis=axes_of(x, axis), keepdims=keepdims)


def _place(function, x, axis, keepdims):
    """Where `function` finds the extreme; -0 counts as less than 0."""
    if floating(x.dtype) and x.ndim:
        x = np.where((x == 0) & np.signbit(x), -np.finfo(x.dtype).tiny, x)
    return np.asarray(function(x, axis=axis, keepdims=keepdims)).astype(np.int32)


@op(None, shape=_reduced, wide=True, answer="int32")
def argmax(x, *, axis=None, keepdims=False):
    """Where along an axis the largest value is, the first of equal ones."""
    return _place(np.argmax, x, axis, keepdims)


@op(None, shape=_reduced, wide=True, answer="int32")
def argmin(x, *, axis=None, keepdims=False):
    """Where along an axis the smallest value is, the first of equal ones."""
    return _place(np.argmin, x, axis, keepdims)


# ----------------------------------------------------------------------------------- running


def _along(x, *, axis=None):
    return x.shape if axis is not None else (x.size,)


def _backwards(x, axis):
    """The running sum from the end."""
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)


@op(
    lambda g, y, x, *, axis=None: _backwards(g, axis or 0).reshape(x.shape),
    shape=_along,
    dtype=arithmetic,
    wide=True,
)
def cumsum(x, *, axis=None):
    """The running sum along an axis, or of all numbers in a row."""
    return np.cumsum(x, axis=axis, dtype=x.dtype)


def _cumprod_vjp(g, y, x, *, axis=None):
    """Each y[k] depends on x[i] as the product of all others up to k."""
    at = 0 if axis is None else axis
    rows = np.moveaxis(x.reshape(-1) if axis is None else x, at, -1)
    g = np.moveaxis(g, at, -1)
    n = rows.shape[-1]
    dx = np.zeros_like(rows)
    for k in range(n):
        dx[..., : k + 1] += g[..., k : k + 1] * _others(rows[..., : k + 1])
    return np.moveaxis(dx, -1, at).reshape(x.shape)


@op(_cumprod_vjp, shape=_along, dtype=arithmetic, wide=True)
def cumprod(x, *, axis=None):
    """The running product along an axis, or of all numbers in a row."""
    return np.cumprod(x, axis=axis, dtype=x.dtype)


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
