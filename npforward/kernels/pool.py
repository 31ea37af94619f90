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
    """Each gradient goes to the first largest of its window.  (N, *out, C) -> (N, *space, C)"""
    dx = np.zeros(x.shape, g.dtype)
    open_ = np.ones(y.shape, bool)
    for at in _met(x, size, strides):
        here = open_ & (x[at] == y)
        dx[at] += g * here
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


def _flat_2d(x, size, strides):
    """One space dimension as two, so that one loop nest serves both."""
    if len(size) == 1:
        return x[:, None], (1, *size), (1, *strides)
    return x, size, strides


def _large(x, **_):
    return x.size > 2**23 and x.ndim <= 4 and x.dtype.kind == "f"


@max_pool.twin(worth=_large)
def _(numba):
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def loops(x, y, h, w, s0, s1):
        n, rows, columns, c = y.shape
        for b in range(n):
            for i in range(rows):
                for j in range(columns):
                    at = y[b, i, j]
                    at[:] = x[b, i * s0, j * s1]
                    for p in range(h):
                        for q in range(w):
                            met = x[b, i * s0 + p, j * s1 + q]
                            for k in range(c):
                                # A NaN wins and stays, as in np.maximum.
                                if not at[k] >= met[k] and at[k] == at[k]:
                                    at[k] = met[k]

    return _twin(loops, max_pool)


@sum_pool.twin(worth=_large)
def _(numba):
    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def loops(x, y, h, w, s0, s1):
        n, rows, columns, c = y.shape
        for b in range(n):
            for i in range(rows):
                for j in range(columns):
                    at = y[b, i, j]
                    at[:] = 0
                    for p in range(h):
                        for q in range(w):
                            met = x[b, i * s0 + p, j * s1 + q]
                            for k in range(c):
                                at[k] += met[k]

    return _twin(loops, sum_pool)


def _twin(loops, reference):
    def fast(x, *, size, strides):
        if x.ndim > 4:  # volumes are rare and stay with the reference
            return reference.reference(x, size=size, strides=strides)
        flat, size2, strides2 = _flat_2d(np.ascontiguousarray(x), size, strides)
        out = pooled(flat.shape[1:-1], size2, strides2)
        y = np.empty((x.shape[0], *out, x.shape[-1]), x.dtype)
        loops(flat, y, *size2, *strides2)
        return y.reshape(x.shape[0], *out[2 - len(size) :], x.shape[-1])

    return fast
