"""Categories: hashed or looked up, counted."""

from __future__ import annotations

import numpy as np

from npforward import kernels
from npforward.errors import BadInput
from npforward.ops.registry import op
from npforward.ops.text import sentences

CROSSING = 0xDECAFCAFFE  # TensorFlow's crosses begin with this


def _int64(*args, **options):
    return np.dtype(np.int64)


def _bucket(hashes, buckets):
    return (hashes % np.uint64(buckets)).astype(np.int64)


@op(None, shape=lambda x, *, buckets, salt=None: x.shape, dtype=_int64)
def hash_bucket(x, *, buckets, salt=None):
    """The number of one of `buckets` for each string, by FarmHash; by SipHash if given a salt."""
    hashes = kernels.fingerprint64(x) if salt is None else kernels.siphash24(x, salt)
    return _bucket(hashes, buckets)


@op(None, shape=lambda x, *, buckets: x.shape, dtype=_int64)
def residue(x, *, buckets):
    """The number of one of `buckets` for each whole number: what remains of it."""
    return np.mod(x, buckets).astype(np.int64)


@op(None, shape=lambda *columns, buckets: columns[0].shape, dtype=_int64)
def cross_hash(*columns, buckets):
    """The number of one of `buckets` for what stands at one place in all columns."""
    crossed = np.full(columns[0].shape, CROSSING, np.uint64)
    for column in columns:
        text = column.dtype.kind == "U"
        bits = kernels.fingerprint64(column) if text else column.astype(np.int64).view(np.uint64)
        crossed = kernels.fingerprint_pair(crossed, bits)
    return _bucket(crossed, buckets)


@op(
    None,
    shape=lambda x, *, index, unknown=None, dtype="int64": x.shape,
    dtype=lambda x, *, index, unknown=None, dtype="int64": np.dtype(dtype),
)
def lookup(x, *, index, unknown=None, dtype="int64"):
    """What `index` has for each element; `unknown`, or an error that says which, if it has none."""
    if unknown is None:
        found = [_known(index, key) for key in x.reshape(-1).tolist()]
    else:
        found = [index.get(key, unknown) for key in x.reshape(-1).tolist()]
    return np.array(found, dtype).reshape(x.shape)


def _known(index, key):
    if key not in index:
        raise BadInput(
            f"{key!r} is not in its vocabulary, and it has num_oov_indices=0: no place for what is "
            "not"
        )
    return index[key]


def _counted(x, weights=None, *, depth, axis=-1, **options):
    axis %= x.ndim
    return (*x.shape[:axis], *x.shape[axis + 1 :], depth)


def _counts_dtype(x, weights=None, *, dtype="int64", **options):
    return np.dtype(dtype) if weights is None else weights.dtype


def _counts_vjp(g, y, x, weights, *, depth, axis=-1, **options):
    """Each weight has its place in the sum of its category."""
    inside = (x >= 0) & (x < depth)
    rows = np.expand_dims(g, axis % x.ndim)  # the categories come last
    places = np.where(inside, x, 0)[..., None]
    return np.where(inside, np.take_along_axis(rows, places, -1)[..., 0], 0)


@op(
    None,
    _counts_vjp,
    shape=_counted,
    dtype=_counts_dtype,
)
def counts(x, weights=None, *, depth, axis=-1, binary=False, dtype="int64"):
    """How often each of the categories 0 to depth - 1 occurs along an axis; others are dropped.

    (..., T, ...) -> (..., depth), or the sum of weights for each; any number is 1 if `binary`
    """
    dtype = _counts_dtype(x, weights, dtype=dtype)
    x = np.moveaxis(x, axis, -1).astype(np.int64, copy=False)
    lead = x.shape[:-1]
    x = x.reshape(-1, x.shape[-1]) if x.size else np.zeros((int(np.prod(lead)), 0), np.int64)
    inside = (x >= 0) & (x < depth)
    at = (np.arange(len(x))[:, None] * depth + x)[inside]
    if weights is not None:
        weights = np.moveaxis(weights, axis, -1).reshape(x.shape)[inside].astype(np.float64)
    y = np.bincount(at, weights, minlength=len(x) * depth).reshape(*lead, depth)
    return (y > 0 if binary else y).astype(dtype)


@op(
    None,
    shape=lambda x, *, depth, **options: (*x.shape, depth),
    dtype=lambda x, *, dtype="int64", **options: np.dtype(dtype),
)
def word_counts(x, *, index, unknown, depth, split, ngrams=None, binary=False, dtype="int64"):
    """`counts` of the looked-up words of each string, of which there may be any number.

    (...) of strings -> (..., depth)
    """
    rows = sentences(x, split, ngrams)
    y = np.zeros((len(rows), depth), np.int64)
    for i, row in enumerate(rows):
        found = lookup.fn(np.array(row, str), index=index, unknown=unknown)
        y[i] = counts.fn(found, depth=depth, binary=binary)
    return y.reshape(*x.shape, depth).astype(dtype)


@op(None, shape=lambda x, *, boundaries: x.shape, dtype=lambda x, **_: np.dtype(np.int32))
def digitize(x, *, boundaries):
    """How many of the boundaries, which rise, are at most x; NaN is above all of them."""
    return np.searchsorted(np.array(boundaries, x.dtype), x, side="right").astype(np.int32)
