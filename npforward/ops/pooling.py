"""Pooling.  Padding is the layer's job."""

from __future__ import annotations

import numpy as np

from npforward import kernels
from npforward.kernels.pool import pooled
from npforward.ops.registry import op


def _pooled_shape(x, *, size, strides, widths=None):
    out = pooled(x.shape[1:-1], size, strides)
    if min(out) < 1:
        raise ValueError(f"a window of {tuple(size)} does not fit into {x.shape[1:-1]}")
    return (x.shape[0], *out, x.shape[-1])


@op(lambda g, y, x, **o: max_pool_dx(g, y, x, **o), shape=_pooled_shape, in_ops=True)
def max_pool(x, *, size, strides):
    """The largest value in each window.  (N, *space, C) -> (N, *out, C)"""
    return kernels.max_pool(x, size=size, strides=strides)


@op(None, None, None, shape=lambda g, y, x, *, size, strides: x.shape)
def max_pool_dx(g, y, x, *, size, strides):
    """The gradient of `max_pool`: to the (first) largest of each window.  -> (N, *space, C)"""
    return kernels.max_pool_dx(g, y, x, size=size, strides=strides)


@op(
    lambda d, y, g, *, shape, size, strides: sum_pool(d, size=size, strides=strides),
    shape=lambda g, *, shape, size, strides: shape,
    in_ops=True,
)
def sum_pool_dx(g, *, shape, size, strides):
    """The gradient of `sum_pool`: to every value of a window.  (N, *out, C) -> (N, *space, C)"""
    return kernels.sum_pool_dx(g, shape=shape, size=size, strides=strides)


@op(
    lambda g, y, x, **o: sum_pool_dx(g, shape=x.shape, **o),
    shape=_pooled_shape,
    in_ops=True,
)
def sum_pool(x, *, size, strides):
    """The sum over each window.  (N, *space, C) -> (N, *out, C)"""
    return kernels.sum_pool(x, size=size, strides=strides)


def _counts(x, size, strides, widths):
    """How many values of each window are not padding.  -> (*out, 1)"""
    inside = np.zeros((1, *x.shape[1:-1], 1), x.dtype)
    inside[tuple(slice(a, n - b) for (a, b), n in zip(widths, inside.shape, strict=True))] = 1
    return kernels.sum_pool(inside, size=size, strides=strides)[0]


@op(
    lambda g, y, x, *, size, strides, widths: sum_pool_dx(
        g / _counts(x, size, strides, widths), shape=x.shape, size=size, strides=strides
    ),
    shape=_pooled_shape,
    floats=True,
    wide=True,
    in_ops=True,
)
def average_pool(x, *, size, strides, widths):
    """The mean over each window of the values that are not padding.  (N, *space, C) -> (N, *out, C)

    `widths` says how much of x is a border of zeros: (before, after) for each axis.
    """
    total = kernels.sum_pool(x, size=size, strides=strides)
    if any(a or b for a, b in widths):
        return total / _counts(x, size, strides, widths)
    return total / x.dtype.type(np.prod(size))
