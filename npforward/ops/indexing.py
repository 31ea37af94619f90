"""Ops that pick numbers by their places, or put them into places."""

from __future__ import annotations

import numpy as np

from npforward.errors import BadInput
from npforward.ops.reduction import axes_of
from npforward.ops.registry import op


def _sliced(x, *, key):
    return np.broadcast_to(np.empty((), bool), x.shape)[key].shape


@op(
    lambda g, y, x, *, key: put_back(g, key=key, shape=x.shape),
    shape=_sliced,
    in_ops=True,
)
def getitem(x, *, key):
    """x[key], for slices, integers, None and integer arrays."""
    return x[key]


@op(
    lambda d, y, g, *, key, shape: getitem(d, key=key),
    shape=lambda g, *, key, shape: shape,
    in_ops=True,
)
def put_back(g, *, key, shape):
    """The gradient of `getitem`: zeros of this shape, with g added at the key."""
    dx = np.zeros(shape, g.dtype)
    if any(isinstance(k, (np.ndarray, list)) for k in (key if isinstance(key, tuple) else [key])):
        np.add.at(dx, key, g)  # a place may be named twice
    else:
        dx[key] = g
    return dx


def _taken(x, index, *, axis):
    return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


@op(
    lambda g, y, x, index, *, axis: take_dx(g, index, axis=axis, size=x.shape[axis]),
    None,
    shape=_taken,
    dtype=lambda x, index, *, axis: x.dtype,
    in_ops=True,
)
def take(x, index, *, axis):
    """Slices of x along `axis` (counted from 0) by whole numbers; outside, an error says which."""
    if index.size and not (index.min() >= 0 and index.max() < x.shape[axis]):
        wrong = index[(index < 0) | (index >= x.shape[axis])].ravel()[0]
        raise BadInput(f"index {wrong} is not in 0 to {x.shape[axis] - 1}")
    return np.take(x, index, axis=axis)


@op(
    lambda d, y, g, index, *, axis, size: take(d, index, axis=axis),
    None,
    shape=lambda g, index, *, axis, size: (
        *g.shape[:axis], size, *g.shape[axis + len(index.shape) :]
    ),
    dtype=lambda g, index, *, axis, size: g.dtype,
    in_ops=True,
)  # fmt: skip
def take_dx(g, index, *, axis, size):
    """The gradient of `take`: g added up at the places that it came from."""
    before, after = g.shape[:axis], g.shape[axis + index.ndim :]
    dx = np.zeros((*before, size, *after), g.dtype)
    np.add.at(dx, (slice(None),) * axis + (index,), g)
    return dx


def _picked(x, index, *, axis):
    if len(x.shape) != len(index.shape):
        raise ValueError(f"shapes {x.shape} and {index.shape} differ in their number of axes")
    at = axes_of(x, axis)[0]
    rest = [list(shape) for shape in (x.shape, index.shape)]
    for shape in rest:
        shape[at] = 1
    found = list(np.broadcast_shapes(*rest))
    found[at] = index.shape[at]
    return tuple(found)


def _grid(x, index, axis):
    """The places of x that `take_along_axis` takes, as one index array for each axis."""
    at = axes_of(x, axis)[0]
    shape = _picked(x, index, axis=axis)
    index = np.where(index < 0, index + x.shape[at], index)
    if index.size and not (index.min() >= 0 and index.max() < x.shape[at]):
        raise BadInput(f"an index is not in 0 to {x.shape[at] - 1}")
    places = list(np.ogrid[tuple(slice(n) for n in shape)])
    places = [p if x.shape[i] > 1 or i == at else p * 0 for i, p in enumerate(places)]
    places[at] = np.broadcast_to(index, shape)
    return tuple(places)


def _take_along_axis_vjp(g, y, x, index, *, axis):
    dx = np.zeros(x.shape, g.dtype)
    np.add.at(dx, _grid(x, index, axis), g)
    return dx


@op(_take_along_axis_vjp, None, shape=_picked, dtype=lambda x, index, *, axis: x.dtype)
def take_along_axis(x, index, *, axis):
    """x at the places along an axis that `index` has for all others; below 0 from the end."""
    return x[_grid(x, index, axis)]


def _repeated(x, *, repeats, axis):
    many = isinstance(repeats, tuple)
    if (many and len(repeats) != x.shape[axis]) or min(repeats if many else [repeats]) < 0:
        raise ValueError(f"repeats={repeats} does not fit {x.shape[axis]} slices")
    n = sum(repeats) if many else x.shape[axis] * repeats
    return (*x.shape[:axis], n, *x.shape[axis + 1 :])


def _repeat_vjp(g, y, x, *, repeats, axis):
    dx = np.zeros(x.shape, g.dtype)
    source = np.repeat(np.arange(x.shape[axis]), repeats)
    np.add.at(dx, (slice(None),) * axis + (source,), g)
    return dx


@op(_repeat_vjp, shape=_repeated)
def repeat(x, *, repeats, axis):
    """Each slice along `axis` (counted from 0) so many times in a row, or each its own number."""
    return np.repeat(x, repeats, axis=axis)


# ----------------------------------------------------------------------------------- diagonals


def _on_diagonal(x, offset, axis1, axis2):
    """The places of a diagonal: two index arrays."""
    first, second = axes_of(x, [axis1, axis2])
    n = max(min(x.shape[first] + min(offset, 0), x.shape[second] - max(offset, 0)), 0)
    along = np.arange(n)
    return along + max(-offset, 0), along + max(offset, 0)


def _diagonal_shape(x, *, offset=0, axis1=0, axis2=1):
    first, second = axes_of(x, [axis1, axis2])
    if first == second:
        raise ValueError(f"axes {axis1} and {axis2} of a diagonal are the same")
    rest = [n for i, n in enumerate(x.shape) if i not in (first, second)]
    return (*rest, len(_on_diagonal(x, offset, axis1, axis2)[0]))


def _diagonal_vjp(g, y, x, *, offset=0, axis1=0, axis2=1):
    dx = np.zeros(x.shape, g.dtype)
    rows, columns = _on_diagonal(x, offset, axis1, axis2)
    np.moveaxis(dx, axes_of(x, [axis1, axis2]), (-2, -1))[..., rows, columns] = g
    return dx


@op(_diagonal_vjp, shape=_diagonal_shape)
def diagonal(x, *, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, as the last axis."""
    return np.diagonal(x, offset, axis1, axis2).copy()


@op(
    lambda g, y, x, *, k=0: np.diagonal(g, k),
    shape=lambda x, *, k=0: (x.shape[0] + abs(k),) * 2,
)
def diagonal_matrix(x, *, k=0):
    """A matrix with a row of numbers as a diagonal.  (N,) -> (N + |k|, N + |k|)"""
    return np.diag(x, k)
