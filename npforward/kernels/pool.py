"""Pooling over windows of a padded input, for any number of space dimensions."""

from __future__ import annotations

import functools

import numpy as np

from npforward.kernels.conv import tap_slices
from npforward.kernels.registry import kernel


def pooled(space, size, strides):
    """The space that windows of `size` leave.

    Examples
    --------
    >>> pooled((7, 8), (2, 2), (2, 2))
    (3, 4)
    """
    return tuple((n - k) // s + 1 for n, k, s in zip(space, size, strides, strict=True))


def _met(x, size, strides):
    """For each tap of the window, the inputs that it meets."""
    out = pooled(x.shape[1:-1], size, strides)
    for tap in np.ndindex(*size):
        yield (slice(None), *tap_slices(tap, strides, (1,) * len(size), out))


@kernel
def max_pool(x, *, size, strides):
    """The largest value in each window.  (N, *space, C) -> (N, *out, C)"""
    return functools.reduce(np.maximum, (x[at] for at in _met(x, size, strides))).copy()


@kernel
def max_pool_dx(g, y, x, *, size, strides):
    """Each gradient goes to the first largest of its window.  (N, *out, C) -> (N, *space, C)

    In three dimensions it goes to all that are as large, as TensorFlow has it.
    """
    dx = np.zeros(x.shape, g.dtype)
    open_ = np.ones(y.shape, bool)
    for at in _met(x, size, strides):
        here = open_ & (x[at] == y)
        dx[at] += g * here
        if len(size) < 3:
            open_ &= ~here
    return dx


@kernel
def sum_pool(x, *, size, strides):
    """The sum over each window.  (N, *space, C) -> (N, *out, C)"""
    y = np.zeros((x.shape[0], *pooled(x.shape[1:-1], size, strides), x.shape[-1]), x.dtype)
    for at in _met(x, size, strides):
        y += x[at]
    return y


@kernel
def sum_pool_dx(g, *, shape, size, strides):
    """Every value of a window gets its gradient.  (N, *out, C) -> (N, *space, C)"""
    dx = np.zeros(shape, g.dtype)
    for at in _met(dx, size, strides):
        dx[at] += g
    return dx
