"""Rows of numbers between ends that may be arrays: compositions of other ops."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import floating, known, promote
from npforward.ops.arithmetic import cast, power, where
from npforward.ops.elementwise import absolute, floor, log, sign
from npforward.ops.shaping import broadcast_to, expand_dims


def _array(x, dtype):
    return cast(x if hasattr(x, "dtype") else np.asarray(x), dtype=dtype)


def linspace(start, stop, *, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers at equal steps from start to stop, on a new axis.

    Examples
    --------
    >>> linspace(0.0, 1.0, num=5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    if num < 0:
        raise ValueError(f"num={num} is negative")
    found = known(dtype) if dtype else promote(start, stop, 1.0)
    inner = found if floating(found) else np.dtype(np.float32)
    start, stop = _array(start, inner), _array(stop, inner)
    shape = np.broadcast_shapes(start.shape, stop.shape)
    start, stop = broadcast_to(start, shape=shape), broadcast_to(stop, shape=shape)
    parts = num - 1 if endpoint else num
    step = (stop - start) / float(parts) if parts > 0 else start * float("nan")
    at = axis + len(shape) + 1 if axis < 0 else axis
    y = broadcast_to(expand_dims(start, axis=at), shape=(*shape[:at], num, *shape[at:]))
    place = np.arange(num).reshape([num if i == at else 1 for i in range(len(shape) + 1)])
    y = y + expand_dims(step if num > 1 else start * 0.0, axis=at) * place.astype(inner)
    if endpoint and num > 1:
        y = where(place == num - 1, expand_dims(stop, axis=at), y)
    if not floating(found):
        y = cast(floor(y), dtype=found)
    return [y, step] if retstep else y


def logspace(start, stop, *, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """`base` to the powers of `linspace`."""
    exponents = linspace(start, stop, num=num, endpoint=endpoint, dtype=dtype, axis=axis)
    return power(np.asarray(base, exponents.dtype), exponents)


def geomspace(start, stop, *, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers of equal ratios from start to stop, on a new axis."""
    inner = known(dtype) if dtype else promote(start, stop, np.float32(0))
    ends = [_array(x, inner) for x in (start, stop)]
    logs = [log(absolute(x)) / log(np.asarray(10.0, inner)) for x in ends]
    y = logspace(*logs, num=num, endpoint=endpoint, dtype=dtype, axis=axis)
    at = axis + len(y.shape) if axis < 0 else axis
    shape = tuple(n for i, n in enumerate(y.shape) if i != at)
    signs = expand_dims(broadcast_to(sign(ends[0]), shape=shape), axis=at)
    return y * cast(signs, dtype=y.dtype)


def vander(x, *, N=None, increasing=False):
    """The powers of each number, from N - 1 down to 0.  (M,) -> (M, N)"""
    columns = x.shape[0] if N is None else N
    y = broadcast_to(expand_dims(x, axis=-1), shape=(x.shape[0], columns))
    powers = np.arange(columns) if increasing else np.arange(columns)[::-1]
    inner = promote(x, np.float32(0))
    return cast(power(cast(y, dtype=inner), powers.astype(inner)), dtype=promote(x))
