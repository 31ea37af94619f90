"""Rows of an array gathered by number: summed up, put in places, picked out."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import floating, known
from npforward.errors import BadInput
from npforward.ops.registry import op


def _like_first(x, *args, **options):
    return x.dtype


def _segmented(x, ids, *, num):
    if x.shape[: ids.ndim] != ids.shape:
        raise ValueError(f"segment numbers of shape {ids.shape} do not fit an array of {x.shape}")
    return (num, *x.shape[ids.ndim :])


def _rows(x, ids, num):
    """The rows that belong to a segment, and to which; negative numbers belong to none."""
    flat, rows = ids.ravel(), x.reshape(ids.size, *x.shape[ids.ndim :])
    if flat.size and flat.max() >= num:
        raise BadInput(f"segment number {flat.max()} is not below {num}, the number of segments")
    return flat[flat >= 0], rows[flat >= 0]


def _back(y, x, ids):
    """For each number of x that of its segment in y; 0 for those that belong to none."""
    if not ids.size:
        return np.zeros(x.shape, y.dtype)
    kept = (ids >= 0).reshape(*ids.shape, *[1] * (x.ndim - ids.ndim))
    return np.where(kept, y[np.maximum(ids, 0)], y.dtype.type(0))


@op(lambda g, y, x, ids, *, num: _back(g, x, ids), None, shape=_segmented, dtype=_like_first)
def segment_sum(x, ids, *, num):
    """Sums of the rows that have the same number.  (N, ...), (N,) -> (num, ...)"""
    y = np.zeros(_segmented(x, ids, num=num), x.dtype)
    np.add.at(y, *_rows(x, ids, num))
    return y


def _extreme_vjp(g, y, x, ids, *, num):
    """Equal rows share the gradient."""
    best = ((x == _back(y, x, ids)) & (_back(np.ones_like(y), x, ids) > 0)).astype(g.dtype)
    count = np.zeros(y.shape, g.dtype)
    np.add.at(count, *_rows(best, ids, num))
    return _back(g / np.maximum(count, 1), x, ids) * best


@op(_extreme_vjp, None, shape=_segmented, dtype=_like_first)
def segment_max(x, ids, *, num):
    """The largest of the rows that have the same number; without any, the dtype's least number."""
    y = np.full(_segmented(x, ids, num=num), limits(x.dtype)[0], x.dtype)
    np.maximum.at(y, *_rows(x, ids, num))
    return y


@op(_extreme_vjp, None, shape=_segmented, dtype=_like_first)
def segment_min(x, ids, *, num):
    """The smallest of the rows that have the same number; without any, the dtype's greatest."""
    y = np.full(_segmented(x, ids, num=num), limits(x.dtype)[1], x.dtype)
    np.minimum.at(y, *_rows(x, ids, num))
    return y


def _prod_vjp(g, y, x, ids, *, num):
    """g times the product of the other rows, which is not y / x where x is 0."""
    zero = (x == 0).astype(g.dtype)
    zeros, others = np.zeros(y.shape, g.dtype), np.ones(y.shape, g.dtype)
    np.add.at(zeros, *_rows(zero, ids, num))
    np.multiply.at(others, *_rows(np.where(zero, 1, x), ids, num))
    count = _back(zeros, x, ids) - zero
    return np.where(count == 0, _back(g * others, x, ids) / np.where(zero, 1, x), 0)


@op(_prod_vjp, None, shape=_segmented, dtype=_like_first)
def segment_prod(x, ids, *, num):
    """Products of the rows that have the same number."""
    y = np.ones(_segmented(x, ids, num=num), x.dtype)
    np.multiply.at(y, *_rows(x, ids, num))
    return y


def _numbers_shape(ids, *, distinct):
    if not ids.size:
        raise ValueError("without any segment number their count is not known")
    return (len(np.unique(ids)) if distinct else max(int(ids.max()) + 1, 0),)


@op(None, shape=_numbers_shape, by_value=True)
def segment_numbers(ids, *, distinct):
    """The number of each segment: up to the largest of `ids`, or as many as these differ."""
    return np.arange(_numbers_shape(ids, distinct=distinct)[0], dtype=ids.dtype)


def limits(dtype):
    """The least and the greatest finite number of a dtype."""
    if dtype.name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.finfo(dtype).min, ml_dtypes.finfo(dtype).max
    info = np.finfo(dtype) if floating(dtype) else np.iinfo(dtype)
    return info.min, info.max


# ---- places in an array -----------------------------------------------------------------------


def _placed(indices, *, shape):
    if indices.shape[-1] > len(shape):
        raise ValueError(
            f"indices of {indices.shape[-1]} numbers for an array of {len(shape)} axes"
        )
    return indices.shape[:-1]


@op(None, shape=_placed, dtype=lambda indices, *, shape: indices.dtype)
def flat_indices(indices, *, shape):
    """Rows of indices into the first axes of `shape` as places counted through."""
    sizes = shape[: indices.shape[-1]]
    if ((indices < 0) | (indices >= np.array(sizes, np.int64))).any():
        raise BadInput(f"an index of {indices.tolist()} is outside of an array of shape {shape}")
    places = np.zeros(indices.shape[:-1], indices.dtype)
    for i, n in enumerate(sizes):
        places = places * n + indices[..., i]
    return places


def _last(ids, num):
    """Which row comes last in each place, and which places have any."""
    last = np.full(num, -1, np.int64)
    last[ids.ravel()] = np.arange(ids.size)
    return last


def _replace_vjp_rows(g, y, x, rows, ids):
    wins = (_last(ids, len(x))[ids] == np.arange(ids.size).reshape(ids.shape)).reshape(
        *ids.shape, *[1] * (rows.ndim - ids.ndim)
    )
    return np.where(wins, g[ids], g.dtype.type(0))


@op(
    lambda g, y, x, rows, ids: np.where(
        (_last(ids, len(x)) >= 0).reshape(-1, *[1] * (x.ndim - 1)), g.dtype.type(0), g
    ),
    _replace_vjp_rows,
    None,
    shape=lambda x, rows, ids: x.shape,
    dtype=_like_first,
)
def replace_rows(x, rows, ids):
    """x with rows in the places `ids`; of several for one place the last stays."""
    y = x.copy()
    y[ids] = rows.astype(x.dtype, copy=False)
    return y


def _cut(x, start, *, shape):
    for n, size in zip(x.shape, shape, strict=True):
        if not 0 <= size <= n:
            raise ValueError(f"a slice of shape {tuple(shape)} of an array of {x.shape}")
    return tuple(shape)


def _window(x, start, shape):
    begin = [int(s) for s in start]
    for b, n, size in zip(begin, x.shape, shape, strict=True):
        if not 0 <= b <= n - size:
            raise BadInput(f"a slice of shape {tuple(shape)} at {begin} leaves an array {x.shape}")
    return tuple(slice(b, b + size) for b, size in zip(begin, shape, strict=True))


def _slice_vjp(g, y, x, start, *, shape):
    dx = np.zeros(x.shape, g.dtype)
    dx[_window(x, start, shape)] = g
    return dx


@op(_slice_vjp, None, shape=_cut, dtype=_like_first)
def slice_at(x, start, *, shape):
    """The part of x that begins at `start`."""
    return x[_window(x, start, shape)]


def _clamped(x, start, updates):
    """Where an update goes: moved inwards until it fits, as Keras does."""
    return [
        min(max(int(s), 0), n - size)
        for s, n, size in zip(start, x.shape, updates.shape, strict=True)
    ]


def _update_vjp_x(g, y, x, start, updates):
    dx = g.copy()
    dx[_window(x, _clamped(x, start, updates), updates.shape)] = 0
    return dx


def _updated(x, start, updates):
    if x.ndim != updates.ndim or any(m > n for m, n in zip(updates.shape, x.shape, strict=True)):
        raise ValueError(f"an update of shape {updates.shape} does not fit into {x.shape}")
    return x.shape


@op(
    _update_vjp_x,
    None,
    lambda g, y, x, start, updates: g[_window(x, _clamped(x, start, updates), updates.shape)],
    shape=_updated,
    dtype=_like_first,
)
def slice_update(x, start, updates):
    """x with the part that begins at `start` replaced."""
    y = x.copy()
    y[_window(x, _clamped(x, start, updates), updates.shape)] = updates
    return y


# ---- picked by value --------------------------------------------------------------------------


def _hot(x, *, num_classes, axis=-1, dtype="float32"):
    at = axis + x.ndim + 1 if axis < 0 else axis
    if not 0 <= at <= x.ndim:
        raise ValueError(f"axis {axis} for classes beside an array of {x.ndim} axes")
    return (*x.shape[:at], num_classes, *x.shape[at:])


@op(None, shape=_hot, dtype=lambda x, *, num_classes, axis=-1, dtype="float32": known(dtype))
def one_hot(x, *, num_classes, axis=-1, dtype="float32"):
    """1 at the place that a number says along a new axis, 0 elsewhere; outside, 0 everywhere."""
    at = axis + x.ndim + 1 if axis < 0 else axis
    places = np.arange(num_classes).reshape(-1, *[1] * (x.ndim - at))
    return (np.expand_dims(x.astype(np.int64), at) == places).astype(known(dtype))


def _top(x, *, k):
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"the {k} largest of {x.shape[-1]} numbers")
    return (*x.shape[:-1], k)


@op(None, shape=_top, dtype=lambda x, *, k: np.dtype(np.int32))
def top_k_indices(x, *, k):
    """Where the k largest numbers of the last axis are, the largest first; the first of equals."""
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return (x.shape[-1] - 1 - backwards[..., :k]).astype(np.int32)


@op(None, None, shape=lambda targets, predictions, *, k: targets.shape,
    dtype=lambda targets, predictions, *, k: np.dtype(bool))  # fmt: skip
def in_top_k(targets, predictions, *, k):
    """Whether fewer than k predictions are above that of the target; never if one is not finite."""
    inside = (targets >= 0) & (targets < predictions.shape[-1])
    at = np.where(inside, targets, 0)[:, None].astype(np.int64)
    above = (predictions > np.take_along_axis(predictions, at, 1)).sum(axis=1)
    return inside & np.isfinite(predictions).all(axis=1) & (above < k)
