"""Ops that move numbers about and change none."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import promote
from npforward.errors import BadInput
from npforward.ops.arithmetic import axes_of
from npforward.ops.registry import op


def _reshaped(x, *, shape):
    known = int(np.prod([n for n in shape if n != -1], dtype=np.int64))
    free = [n for n in shape if n == -1]
    size = int(np.prod(x.shape, dtype=np.int64))
    if len(free) > 1 or (size != known if not free else known == 0 or size % known):
        raise ValueError(f"an array of shape {x.shape} cannot be reshaped to {tuple(shape)}")
    return tuple(size // known if n == -1 else n for n in shape)


@op(lambda g, y, x, *, shape: g.reshape(x.shape), shape=_reshaped)
def reshape(x, *, shape):
    """The same numbers in row-major order under another shape; one axis may be -1."""
    return np.reshape(x, shape)


@op(
    lambda g, y, x, *, axes: g.transpose(np.argsort(axes)),
    shape=lambda x, *, axes: tuple(x.shape[a] for a in axes),
)
def transpose(x, *, axes):
    """The axes in another order."""
    return np.transpose(x, axes)


def _expanded(x, *, axis):
    at = axis + x.ndim + 1 if axis < 0 else axis
    return (*x.shape[:at], 1, *x.shape[at:])


@op(lambda g, y, x, *, axis: g.reshape(x.shape), shape=_expanded)
def expand_dims(x, *, axis):
    """A new axis of size 1."""
    return np.expand_dims(x, axis)


def _squeezed(x, *, axis=None):
    if axis is None:
        return tuple(n for n in x.shape if n != 1)
    axes = axes_of(x, axis)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"axis {axis} of an array of shape {x.shape} is not of size 1")
    return tuple(n for a, n in enumerate(x.shape) if a not in axes)


@op(lambda g, y, x, *, axis=None: g.reshape(x.shape), shape=_squeezed)
def squeeze(x, *, axis=None):
    """x without axes of size 1: those that `axis` names, or all."""
    return x.reshape(_squeezed(x, axis=axis))


def _concatenated(*xs, axis):
    ndim = len(xs[0].shape)
    at = axis + ndim if axis < 0 else axis
    rests = {(*x.shape[:at], *x.shape[at + 1 :]) for x in xs}
    if len(rests) > 1 or not 0 <= at < ndim:
        shapes = ", ".join(str(x.shape) for x in xs)
        raise ValueError(f"shapes {shapes} cannot be joined along axis {axis}")
    shape = list(xs[0].shape)
    shape[at] = sum(x.shape[at] for x in xs)
    return tuple(shape)


def _concatenate_vjp(i, g, y, *xs, axis):
    ends = np.cumsum([x.shape[axis] for x in xs])
    return np.moveaxis(np.moveaxis(g, axis, 0)[ends[i] - xs[i].shape[axis] : ends[i]], 0, axis)


@op(each=_concatenate_vjp, shape=_concatenated)
def concatenate(*xs, axis):
    """Arrays joined along an axis."""
    return np.concatenate(xs, axis=axis, dtype=promote(*xs))


def _padded(x, *, widths, value=0):
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
    if min(min(pair) for pair in widths) < 0:
        raise ValueError(f"negative padding {widths}")
    return shape


@op(
    lambda g, y, x, *, widths, value=0: g[
        tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True))
    ],
    shape=_padded,
)
def pad(x, *, widths, value=0):
    """A border of `value`: (before, after) for each axis."""
    y = np.full(_padded(x, widths=widths), value, x.dtype)
    y[tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True))] = x
    return y


def _sliced(x, *, key):
    return np.broadcast_to(np.empty((), bool), x.shape)[key].shape


def _getitem_vjp(g, y, x, *, key):
    dx = np.zeros(x.shape, g.dtype)
    np.add.at(dx, key, g)
    return dx


@op(_getitem_vjp, shape=_sliced)
def getitem(x, *, key):
    """x[key], for slices, integers, None and integer arrays."""
    return x[key]


def _taken(x, index, *, axis):
    return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _take_vjp(g, y, x, index, *, axis):
    dx = np.zeros(x.shape, g.dtype)
    np.add.at(dx, (slice(None),) * axis + (index,), g)
    return dx


@op(_take_vjp, None, shape=_taken, dtype=lambda x, index, *, axis: x.dtype)
def take(x, index, *, axis):
    """Slices of x along `axis` (counted from 0) by whole numbers; outside, an error says which."""
    if index.size and not (index.min() >= 0 and index.max() < x.shape[axis]):
        wrong = index[(index < 0) | (index >= x.shape[axis])].ravel()[0]
        raise BadInput(f"index {wrong} is not in 0 to {x.shape[axis] - 1}")
    return np.take(x, index, axis=axis)


@op(
    lambda g, y, x, *, repeats, axis: g.reshape(
        *x.shape[:axis], x.shape[axis], repeats, *x.shape[axis + 1 :]
    ).sum(axis=axis + 1),
    shape=lambda x, *, repeats, axis: (
        *x.shape[:axis],
        x.shape[axis] * repeats,
        *x.shape[axis + 1 :],
    ),
)
def repeat(x, *, repeats, axis):
    """Each slice along `axis` (counted from 0), `repeats` times in a row."""
    return np.repeat(x, repeats, axis=axis)


@op(
    lambda g, y, x, *, axis: np.flip(g, axis),
    shape=lambda x, *, axis: x.shape,
)
def flip(x, *, axis):
    """The slices along `axis` in reverse order."""
    return np.flip(x, axis)
