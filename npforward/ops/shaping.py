"""Ops that move numbers about and change none."""

from __future__ import annotations

import numpy as np

from npforward import ops
from npforward.dtypes import known, promote
from npforward.ops.arithmetic import unbroadcast
from npforward.ops.reduction import axes_of
from npforward.ops.registry import op


def _reshaped(x, *, shape):
    known = int(np.prod([n for n in shape if n != -1], dtype=np.int64))
    free = [n for n in shape if n == -1]
    size = int(np.prod(x.shape, dtype=np.int64))
    if len(free) > 1 or (size != known if not free else known == 0 or size % known):
        raise ValueError(f"an array of shape {x.shape} cannot be reshaped to {tuple(shape)}")
    return tuple(size // known if n == -1 else n for n in shape)


@op(lambda g, y, x, *, shape: reshape(g, shape=x.shape), shape=_reshaped, in_ops=True)
def reshape(x, *, shape):
    """The same numbers in row-major order under another shape; one axis may be -1."""
    return np.reshape(x, shape)


@op(
    lambda g, y, x, sizes: g.reshape(x.shape),
    None,
    shape=lambda x, sizes: _reshaped(x, shape=sizes.tolist()),
    dtype=lambda x, sizes: x.dtype,
    by_value=True,
)
def reshape_to(x, sizes):
    """As `reshape`, where the shape is an array of whole numbers."""
    return np.reshape(x, sizes.tolist())


def _transposed(x, *, axes=None):
    order = axes_of(x, axes)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"axes {axes} are not an order of the {x.ndim} axes")
    return tuple(x.shape[a] for a in order)


@op(
    lambda g, y, x, *, axes=None: transpose(
        g, axes=axes and tuple(np.argsort(axes_of(x, axes)).tolist())
    ),
    shape=lambda x, *, axes=None: x.shape[::-1] if axes is None else _transposed(x, axes=axes),
    in_ops=True,
)
def transpose(x, *, axes=None):
    """The axes in another order, or in reverse order."""
    return np.transpose(x, axes)


def _expanded(x, *, axis):
    at = axis + x.ndim + 1 if axis < 0 else axis
    return (*x.shape[:at], 1, *x.shape[at:])


@op(lambda g, y, x, *, axis: reshape(g, shape=x.shape), shape=_expanded, in_ops=True)
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


@op(lambda g, y, x, *, axis=None: reshape(g, shape=x.shape), shape=_squeezed, in_ops=True)
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
    at = axes_of(y, axis)[0]
    end = int(np.sum([x.shape[at] for x in xs[: i + 1]]))
    return ops.getitem(g, key=(*(slice(None),) * at, slice(end - xs[i].shape[at], end)))


@op(each=_concatenate_vjp, shape=_concatenated, in_ops=True)
def concatenate(*xs, axis):
    """Arrays joined along an axis."""
    return np.concatenate(xs, axis=axis, dtype=promote(*xs))


def _padded(x, *, widths, value=0):
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
    if min(min(pair) for pair in widths) < 0:
        raise ValueError(f"negative padding {widths}")
    return shape


@op(
    lambda g, y, x, *, widths, value=0: ops.getitem(
        g, key=tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True))
    ),
    shape=_padded,
    in_ops=True,
)
def pad(x, *, widths, value=0):
    """A border of `value`: (before, after) for each axis."""
    y = np.full(_padded(x, widths=widths), value, x.dtype)
    y[tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True))] = x
    return y


@op(
    lambda g, y, x, *, axis=None: flip(g, axis=axis),
    shape=lambda x, *, axis=None: x.shape,
    in_ops=True,
)
def flip(x, *, axis=None):
    """The slices along `axis`, or along all, in reverse order."""
    return np.flip(x, axis)


@op(
    lambda g, y, x, *, shift, axis=None: np.roll(g, np.negative(shift), axis),
    shape=lambda x, *, shift, axis=None: x.shape,
)
def roll(x, *, shift, axis=None):
    """The slices moved on by `shift` places; those that fall out come in at the other end."""
    return np.roll(x, shift, axis)


def _broadcast_shape(x, *, shape):
    if np.broadcast_shapes(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"an array of shape {x.shape} cannot be broadcast to {tuple(shape)}")
    return tuple(shape)


@op(lambda g, y, x, *, shape: unbroadcast(g, x), shape=_broadcast_shape, in_ops=True)
def broadcast_to(x, *, shape):
    """x repeated along new axes and those of size 1."""
    return np.broadcast_to(x, tuple(shape))


def _viewed(x, *, dtype):
    old, new = x.dtype.itemsize, known(dtype).itemsize
    if old == new:
        return x.shape
    if not x.shape or x.shape[-1] * old % new:
        raise ValueError(f"{x.dtype} of shape {x.shape} cannot be viewed as {dtype}")
    return (*x.shape[:-1], x.shape[-1] * old // new)


@op(None, shape=_viewed, dtype=lambda x, *, dtype: known(dtype))
def view(x, *, dtype):
    """The same bytes read as another dtype."""
    return np.ascontiguousarray(x).view(known(dtype)).reshape(_viewed(x, dtype=dtype))
