"""Statistics over axes, with and without NaN: compositions of other ops."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import HALF, floating, promote
from npforward.ops.arithmetic import cast, divide, maximum, minimum, multiply, subtract, where
from npforward.ops.elementwise import ceil, floor, isfinite, isnan, logical_not, round, sqrt, square
from npforward.ops.indexing import diagonal, take_along_axis
from npforward.ops.linear import matmul
from npforward.ops.reduction import all as all_of
from npforward.ops.reduction import any as any_of
from npforward.ops.reduction import (
    argmax,
    argmin,
    axes_of,
    cumprod,
    cumsum,
    limits_of,
    max,
    mean,
    min,
    prod,
)
from npforward.ops.reduction import sum as sum_of
from npforward.ops.shaping import broadcast_to, expand_dims, reshape, transpose
from npforward.ops.sorting import sort


def as_float(x, dtype="float32"):
    """x, if it is of integers as floats.

    Examples
    --------
    >>> as_float(np.arange(2)).dtype
    dtype('float32')
    """
    return x if floating(x.dtype) else cast(x, dtype=dtype)


def _as(x, dtype):
    return x if x.dtype == dtype else cast(x, dtype=dtype)


def count_nonzero(x, *, axis=None):
    """How many numbers are not 0."""
    return sum_of(cast(cast(x, dtype="bool"), dtype="int32"), axis=axis)


def ptp(x, *, axis=None, keepdims=False):
    """From the smallest to the largest."""
    return subtract(max(x, axis=axis, keepdims=keepdims), min(x, axis=axis, keepdims=keepdims))


def var(x, *, axis=None, keepdims=False):
    """The mean squared distance from the mean; of half types in float32."""
    x = as_float(x)
    wide = cast(x, dtype="float32") if x.dtype.name in HALF else x
    y = mean(square(wide - mean(wide, axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)
    return _as(y, x.dtype)


def std(x, *, axis=None, keepdims=False):
    """The square root of `var`."""
    return sqrt(var(x, axis=axis, keepdims=keepdims))


def average(x, weights=None, *, axis=None):
    """The mean, each number as much as its weight."""
    if weights is None:
        return mean(x, axis=axis)
    dtype = promote(x, weights, 1.0)
    x, weights = _as(x, dtype), _as(weights, dtype)
    if axis is None or len(weights.shape) == len(x.shape):
        return sum_of(x * weights, axis=axis) / sum_of(weights, axis=axis)
    shape = [1] * len(x.shape)
    shape[axis] = -1
    return sum_of(x * reshape(weights, shape=shape), axis=axis) / sum_of(weights)


# ------------------------------------------------------------------------------------ quantiles


def _rows(x, axis):
    """The axes to reduce as one last axis, and the others."""
    axes = axes_of(x, axis)
    others = tuple(i for i in range(len(x.shape)) if i not in axes)
    moved = transpose(x, axes=(*others, *axes)) if x.shape else x
    shape = tuple(x.shape[i] for i in others)
    return reshape(moved, shape=(*shape, int(np.prod([x.shape[a] for a in axes]))))


def _between(rows, count, q, method):
    """The numbers at `q` of the way through sorted rows, of which `count` are numbers."""
    exact = multiply(subtract(count, 1), q)
    top = cast(maximum(subtract(count, 1), 0), dtype="int32")

    def at(place):
        place = maximum(place, 0)
        return where(place < top, place, broadcast_to(top, shape=place.shape))

    def of(place):
        return take_along_axis(rows, cast(at(place), dtype="int32"), axis=-1)

    low, high = cast(floor(exact), dtype="int32"), cast(ceil(exact), dtype="int32")
    if method in ("lower", "higher", "nearest"):
        found = {"lower": low, "higher": high, "nearest": cast(round(exact), dtype="int32")}
        return of(found[method])
    if method == "midpoint":
        return 0.5 * (of(low) + of(high))
    if method != "linear":
        raise ValueError(
            f"method={method!r} is not one of linear, lower, higher, midpoint, nearest"
        )
    # A step of one place even where q falls on a number, so that the gradient is of both sides.
    low = at(at(high) - 1)
    high = at(low + 1)
    part = cast(cast(high, dtype="float64") - exact, dtype=rows.dtype)
    return of(high) * (1 - part) + of(low) * part


def _quantile(x, q, axis, method, keepdims, dropping):
    axes = axes_of(x, axis)
    rows = sort(_rows(as_float(x), axis), axis=-1)
    size, lead = rows.shape[-1], rows.shape[:-1]
    missing = isnan(rows)
    n = int(np.prod(q.shape, dtype=np.int64))
    flat = cast(reshape(q, shape=(*(1,) * len(lead), n)), dtype="float64")
    flat = broadcast_to(flat, shape=(*lead, n))
    if dropping:
        count = sum_of(cast(logical_not(missing), dtype="float64"), axis=-1, keepdims=True)
        void = all_of(missing, axis=-1, keepdims=True)
    else:
        count = np.full((*lead, 1), size, "float64")
        void = any_of(missing, axis=-1, keepdims=True)
    y = where(void, float("nan"), _between(rows, count, flat, method))
    y = transpose(y, axes=(len(lead), *range(len(lead))))  # (..., q) -> (q, ...)
    kept = tuple(1 if i in axes else k for i, k in enumerate(x.shape))
    return reshape(y, shape=(*q.shape, *(kept if keepdims else lead)))


def quantile(x, q, *, axis=None, method="linear", keepdims=False):
    """The numbers below which the parts `q` of all lie; NaN where there is one."""
    return _quantile(x, q, axis, method, keepdims, dropping=False)


def percentile(x, q, *, axis=None, method="linear", keepdims=False):
    """The numbers below which `q` of a hundred lie."""
    return quantile(x, _hundredth(q), axis=axis, method=method, keepdims=keepdims)


def median(x, *, axis=None, keepdims=False):
    """The number in the middle."""
    return quantile(x, np.float32(0.5), axis=axis, keepdims=keepdims)


def _hundredth(q):
    return divide(as_float(q), 100.0)


# -------------------------------------------------------------------------------- without NaN


def _without(x, value):
    """x with another number for NaN."""
    return where(isnan(x), value, x) if floating(x.dtype) else x


def _or_nan(y, x, axis, keepdims):
    """y, but NaN where there was nothing else."""
    if not floating(x.dtype):
        return y
    return where(all_of(isnan(x), axis=axis, keepdims=keepdims), float("nan"), y)


def nansum(x, *, axis=None, keepdims=False):
    """The sum of what is not NaN."""
    return sum_of(_without(x, 0.0), axis=axis, keepdims=keepdims)


def nanprod(x, *, axis=None, keepdims=False):
    """The product of what is not NaN."""
    return prod(_without(x, 1.0), axis=axis, keepdims=keepdims)


def nanmax(x, *, axis=None, keepdims=False):
    """The largest that is not NaN."""
    y = max(_without(x, float("-inf")), axis=axis, keepdims=keepdims)
    return _or_nan(y, x, axis, keepdims)


def nanmin(x, *, axis=None, keepdims=False):
    """The smallest that is not NaN."""
    y = min(_without(x, float("inf")), axis=axis, keepdims=keepdims)
    return _or_nan(y, x, axis, keepdims)


def _numbers(x, axis, keepdims):
    """How many are not NaN, in the dtype of x."""
    return sum_of(cast(logical_not(isnan(x)), dtype=x.dtype), axis=axis, keepdims=keepdims)


def nanmean(x, *, axis=None, keepdims=False):
    """The mean of what is not NaN."""
    x = as_float(x)
    if axis in ((), []):
        return x
    return nansum(x, axis=axis, keepdims=keepdims) / _numbers(x, axis, keepdims)


def nanvar(x, *, axis=None, keepdims=False):
    """The mean squared distance from the mean, of what is not NaN."""
    x = as_float(x)
    apart = _without(x - nanmean(x, axis=axis, keepdims=True), 0.0)
    total = sum_of(square(apart), axis=axis, keepdims=keepdims)
    return total / _numbers(x, axis, keepdims)


def nanstd(x, *, axis=None, keepdims=False):
    """The square root of `nanvar`."""
    return sqrt(nanvar(x, axis=axis, keepdims=keepdims))


def nanargmax(x, *, axis=None, keepdims=False):
    """Where the largest is that is not NaN; -1 where nothing else is."""
    y = argmax(_without(x, float("-inf")), axis=axis, keepdims=keepdims)
    return _or_nowhere(y, x, axis, keepdims)


def nanargmin(x, *, axis=None, keepdims=False):
    """Where the smallest is that is not NaN; -1 where nothing else is."""
    y = argmin(_without(x, float("inf")), axis=axis, keepdims=keepdims)
    return _or_nowhere(y, x, axis, keepdims)


def _or_nowhere(y, x, axis, keepdims):
    if not floating(x.dtype):
        return y
    return where(all_of(isnan(x), axis=axis, keepdims=keepdims), -1, y)


def nancumsum(x, *, axis=None, dtype=None):
    """The running sum, NaN as 0; infinities as the largest numbers."""
    x = nan_to_num(x)
    return cumsum(cast(x, dtype=dtype) if dtype else x, axis=axis)


def nancumprod(x, *, axis=None, dtype=None):
    """The running product, NaN as 1; infinities as the largest numbers."""
    x = nan_to_num(x, nan=1.0)
    return cumprod(cast(x, dtype=dtype) if dtype else x, axis=axis)


def nanquantile(x, q, *, axis=None, method="linear", keepdims=False):
    """As `quantile` of what is not NaN."""
    return _quantile(x, as_float(q), axis, method, keepdims, dropping=True)


def nanpercentile(x, q, *, axis=None, method="linear", keepdims=False):
    """As `percentile` of what is not NaN."""
    return nanquantile(x, _hundredth(q), axis=axis, method=method, keepdims=keepdims)


def nanmedian(x, *, axis=None, keepdims=False):
    """As `median` of what is not NaN."""
    if axis in ((), []):
        return x
    return nanquantile(x, np.float32(0.5), axis=axis, keepdims=keepdims)


def nan_to_num(x, *, nan=0.0, posinf=None, neginf=None):
    """x with numbers for NaN and the infinities: by default 0 and the largest numbers."""
    if not floating(x.dtype):
        return x
    least, largest = limits_of(x.dtype, x.dtype)
    x = where(isnan(x), float(nan), x)
    up, down = largest if posinf is None else posinf, least if neginf is None else neginf
    ends = (np.asarray(end, x.dtype) for end in (up, down))
    return where(isfinite(x), x, where(x > 0, *ends))


# ---------------------------------------------------------------------------------- together


def corrcoef(x):
    """How rows go together, from -1 to 1.  (N, T) -> (N, N)"""
    x = as_float(x, dtype="float64" if x.dtype == "int64" else "float32")
    if not x.shape:
        return x * float("nan")
    if len(x.shape) == 1:
        return reshape(corrcoef(reshape(x, shape=(1, -1))), shape=())
    apart = x - mean(x, axis=-1, keepdims=True)
    products = matmul(apart, transpose(apart, axes=(1, 0))) / float(x.shape[-1] - 1)
    spread = sqrt(diagonal(products))
    y = products / (expand_dims(spread, axis=1) * expand_dims(spread, axis=0))
    return minimum(maximum(y, -1.0), 1.0)
