"""Ops that look for values: where they are depends on what the arrays hold."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import promote
from npforward.ops.registry import op


def _nonzero_shapes(x):
    return [(int(np.count_nonzero(x)),)] * x.ndim


@op(None, shape=_nonzero_shapes, dtype=lambda x: np.dtype(np.int32), by_value=True)
def nonzero(x):
    """The places of what is not zero: for each axis of x, an array of indices along it."""
    return tuple(found.astype(np.int32) for found in np.nonzero(x))


def _whole(x):
    return x.astype(np.int32) if x.dtype.name not in ("int32", "int64") else x


def _bins(x, *, weights=None, minlength=0):
    largest = int(_whole(x).max()) + 1 if x.size else 0
    return (*x.shape[:-1], max(largest, minlength))


def _bins_dtype(x, *, weights=None, minlength=0):
    return np.dtype(np.int32) if weights is None else promote(x, weights)


@op(None, shape=_bins, dtype=_bins_dtype, by_value=True)
def bincount(x, *, weights=None, minlength=0):
    """How often, or with which sum of weights, each whole number is in each row."""
    shape, dtype = _bins(x, minlength=minlength), _bins_dtype(x, weights=weights)
    rows = _whole(x).reshape(-1, x.shape[-1])
    given = np.ones(x.shape) if weights is None else np.broadcast_to(weights, x.shape)
    pairs = zip(rows, given.reshape(rows.shape), strict=True)
    y = np.zeros((len(rows), shape[-1]))
    for i, (row, weight) in enumerate(pairs):
        y[i] = np.bincount(row, weight, minlength=shape[-1])
    return y.reshape(shape).astype(dtype)


def _unique(x, sorted, axis):
    """The different values, where each first is, which of them each is, how often each is."""
    shape = x.shape
    x, at = (x.reshape(-1), 0) if axis is None else (x, axis)
    y, first, which, count = np.unique(x, True, True, True, axis=at)
    which = which.reshape(shape if axis is None else -1)
    if not sorted:
        order = np.argsort(first)
        y, first, count = np.take(y, order, axis=at), first[order], count[order]
        which = np.argsort(order)[which]
    return y, *(found.astype(np.int32) for found in (first, which, count))


def _unique_vjp(g, y, x, *, size=None, fill_value=0, sorted=True, axis=None):
    """Each value is the first of its kind."""
    first = _unique(x, sorted, axis)[1][:size]
    dx = np.zeros(x.size if axis is None else x.shape, x.dtype)
    at = 0 if axis is None else axis
    np.moveaxis(dx, at, 0)[first] = np.moveaxis(g[0], at, 0)[: len(first)]
    return dx.reshape(x.shape)


def _unique_shapes(x, *, sorted=True, axis=None):
    return [found.shape for found in _unique(x, sorted, axis)]


def _unique_dtypes(x, **options):
    return [x.dtype, *[np.dtype(np.int32)] * 3]


@op(_unique_vjp, shape=_unique_shapes, dtype=_unique_dtypes, by_value=True)
def unique(x, *, sorted=True, axis=None):
    """The different values, where each first is, which of them each is, how often each is."""
    return _unique(x, sorted, axis)


def _padded_shapes(x, *, size, fill_value=0, sorted=True, axis=None):
    at = axis if axis is None or axis >= 0 else axis + len(x.shape)
    y = (size,) if at is None else (*x.shape[:at], size, *x.shape[at + 1 :])
    return [y, (size,), x.shape if at is None else (x.shape[at],), (size,)]


@op(_unique_vjp, shape=_padded_shapes, dtype=_unique_dtypes)
def unique_of_size(x, *, size, fill_value=0, sorted=True, axis=None):
    """The first `size` of what `unique` gives, or filled up to that many."""
    y, first, which, count = _unique(x, sorted, axis)
    at = 0 if axis is None else axis
    found = y.shape[at]

    def fitted(array, value, along=0):
        widths = [(0, 0)] * array.ndim
        widths[along] = (0, max(size - found, 0))
        kept = np.take(array, np.arange(min(found, size)), axis=along)
        return np.pad(kept, widths, constant_values=value)

    # Keras fills the places up with 1.
    return fitted(y, fill_value, at), fitted(first, 1), which, fitted(count, 0)
