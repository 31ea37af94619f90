"""Order: sorting, searching in what is sorted, counting in bins."""

from __future__ import annotations

import numpy as np

from npforward.ops.registry import op


def _ranks(x, axis):
    return np.argsort(x, axis=axis, kind="stable")


def _sort_vjp(g, y, x, *, axis=-1):
    dx = np.zeros_like(g)
    np.put_along_axis(dx, _ranks(x, axis), g, axis=axis)
    return dx


@op(_sort_vjp, shape=lambda x, *, axis=-1: x.shape, wide=True)
def sort(x, *, axis=-1):
    """In rising order along an axis."""
    return np.sort(x, axis=axis)


@op(None, shape=lambda x, *, axis=-1: x.shape, wide=True, answer="int32")
def argsort(x, *, axis=-1):
    """The places that the sorted numbers had; equal ones stay in their order."""
    return _ranks(x, axis).astype(np.int32)


@op(None, None, shape=lambda a, v, *, side="left": v.shape, wide=True, answer="int32")
def searchsorted(sorted_sequence, values, *, side="left"):
    """Where in a sorted row each value would be put in."""
    return np.searchsorted(sorted_sequence, values, side=side).astype(np.int32)


@op(
    None,
    shape=lambda x, *, kth, axis=-1: x.shape if axis is not None else (x.size,),
    answer="int32",
)
def argpartition(x, *, kth, axis=-1):
    """Places such that the one at `kth` is where sorting has it, with no larger numbers before it.

    Keras compares whole numbers: it cuts off what follows the point.
    """
    x = x.astype(np.int32, copy=False)
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    rising = np.moveaxis(_ranks(x, axis), axis, -1)
    falling = np.moveaxis(_ranks(-x, axis), axis, -1)
    first = rising[..., : min(max(kth, 0), rising.shape[-1] - 1) + 1]
    last = falling[~(falling[..., None] == first[..., None, :]).any(-1)]
    last = last.reshape(*first.shape[:-1], rising.shape[-1] - first.shape[-1])
    return np.moveaxis(np.concatenate([first, last], axis=-1), -1, axis).astype(np.int32)
