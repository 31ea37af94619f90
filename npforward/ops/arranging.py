"""Joining arrays, taking them apart, and turning them: compositions of other ops."""

from __future__ import annotations

import math
import operator

import numpy as np

from npforward.dtypes import promote
from npforward.ops.arithmetic import cast, floor_divide, mod, subtract, where
from npforward.ops.comparison import not_equal
from npforward.ops.indexing import diagonal, diagonal_matrix, getitem, repeat, take
from npforward.ops.reduction import axes_of
from npforward.ops.reduction import sum as sum_of
from npforward.ops.shaping import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    pad,
    reshape,
    transpose,
)

# -------------------------------------------------------------------------------------- turning


def moveaxis(x, source, destination):
    """The axes `source` moved to `destination`, the others in their order."""
    source, destination = axes_of(x, source), axes_of(x, destination)
    order = [i for i in range(len(x.shape)) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return transpose(x, axes=tuple(order))


def swapaxes(x, *, axis1, axis2):
    """Two axes exchanged."""
    order = list(range(len(x.shape)))
    first, second = axes_of(x, [axis1, axis2])
    order[first], order[second] = second, first
    return transpose(x, axes=tuple(order))


def rot90(x, *, k=1, axes=(0, 1)):
    """Turned by k right angles, from the first of the axes to the second."""
    first, second = axes_of(x, axes)
    if first == second:
        raise ValueError(f"axes {axes} are the same")
    k = k % 4
    if k == 2:
        return flip(x, axis=(first, second))
    if k == 1:
        return swapaxes(flip(x, axis=second), axis1=first, axis2=second)
    return flip(swapaxes(x, axis1=first, axis2=second), axis=second) if k else x


def ravel(x):
    """All numbers in a row."""
    return reshape(x, shape=(-1,))


# -------------------------------------------------------------------------------------- joining


def _alike(xs):
    """Arrays and numbers as arrays of one dtype."""
    dtype = promote(*xs)
    return [cast(np.asarray(x) if isinstance(x, (int, float)) else x, dtype=dtype) for x in xs]


def stack(xs, *, axis=0):
    """Arrays of one shape along a new axis."""
    return concatenate(*(expand_dims(x, axis=axis) for x in _alike(xs)), axis=axis)


def hstack(xs):
    """Arrays joined along their second axis, or their only one."""
    return concatenate(*_alike(xs), axis=0 if len(xs[0].shape) == 1 else 1)


def vstack(xs):
    """Arrays joined along their first axis."""
    return concatenate(*_alike(xs), axis=0)


def dstack(xs):
    """Arrays joined along their third axis."""

    def solid(x):
        shape = (1, *x.shape, 1) if len(x.shape) == 1 else (*x.shape, 1, 1, 1)[:3]
        return x if len(x.shape) > 2 else reshape(x, shape=shape)

    return concatenate(*(solid(x) for x in _alike(xs)), axis=2)


def append(a, b, *, axis=None):
    """Two arrays joined along an axis, or all their numbers in a row."""
    xs = _alike([a, b])
    return concatenate(*(xs if axis is not None else map(ravel, xs)), axis=axis or 0)


# --------------------------------------------------------------------------------- taking apart

MOST_PARTS = 2**16  # each is an output of its own


def _parts(x, ends, axis):
    at = axes_of(x, axis)[0]
    starts = [0, *ends[:-1]]
    pairs = zip(starts, ends, strict=True)
    return [getitem(x, key=(slice(None),) * at + (slice(a, b),)) for a, b in pairs]


def split(x, *, indices_or_sections, axis=0):
    """Parts of x: so many equal ones, or those between these places."""
    size = x.shape[axes_of(x, axis)[0]]
    if isinstance(indices_or_sections, int):
        if not 0 < indices_or_sections <= MOST_PARTS or size % indices_or_sections:
            raise ValueError(f"{size} places do not make {indices_or_sections} equal parts")
        step = size // indices_or_sections
        return _parts(x, [step * (i + 1) for i in range(indices_or_sections)], axis)
    places = [int(i) for i in indices_or_sections]
    if sorted([0, *places, size]) != [0, *places, size]:
        raise ValueError(f"places {places} are not in order in 0 to {size}")
    return _parts(x, [*places, size], axis)


def array_split(x, *, indices_or_sections, axis=0):
    """So many parts of x, the first ones longer by one where it does not come out even."""
    size = x.shape[axes_of(x, axis)[0]]
    if not 0 < indices_or_sections <= MOST_PARTS:
        raise ValueError(f"{indices_or_sections} parts, expected 1 to {MOST_PARTS}")
    each, over = divmod(size, indices_or_sections)
    ends = [each * (i + 1) + min(i + 1, over) for i in range(indices_or_sections)]
    return _parts(x, ends, axis)


def hsplit(x, *, indices_or_sections):
    """Parts along the second axis, or the only one."""
    axis = 0 if len(x.shape) == 1 else 1
    return split(x, indices_or_sections=indices_or_sections, axis=axis)


def vsplit(x, *, indices_or_sections):
    """Parts along the first axis."""
    return split(x, indices_or_sections=indices_or_sections, axis=0)


def dsplit(x, *, indices_or_sections):
    """Parts along the third axis."""
    return split(x, indices_or_sections=indices_or_sections, axis=2)


def unravel_index(indices, *, shape):
    """The places along each axis of an array of this shape, of places in a row."""
    found = []
    for n in reversed(shape):
        found.append(mod(indices, n))
        indices = floor_divide(indices, n)
    return [cast(i, dtype=indices.dtype) for i in reversed(found)]


# ------------------------------------------------------------------------------------- repeating


def tile(x, *, repeats):
    """The whole of x again and again along each axis; fewer repeats are of the last axes."""
    repeats = [repeats] if isinstance(repeats, int) else list(repeats)
    n = max(len(repeats), len(x.shape))
    repeats = [1] * (n - len(repeats)) + repeats
    sizes = [1] * (n - len(x.shape)) + list(x.shape)
    y = reshape(x, shape=[k for size in sizes for k in (1, size)])
    y = broadcast_to(y, shape=[k for pair in zip(repeats, sizes, strict=True) for k in pair])
    return reshape(y, shape=[r * size for r, size in zip(repeats, sizes, strict=True)])


def repeated(x, *, repeats, axis=None):
    """Each slice along an axis so many times in a row, or each its own number of times."""
    if axis is None:
        x, axis = ravel(x), 0
    axis = axes_of(x, axis)[0]
    if not isinstance(repeats, int):
        repeats = repeats[0] if len(repeats) == 1 else tuple(repeats)
    return repeat(x, repeats=repeats, axis=axis)


def meshgrid(*xs, indexing="xy"):
    """Each row of numbers along an axis of its own, as arrays of one shape."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing={indexing!r} is neither xy nor ij")
    n = len(xs)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    sizes = [0] * n
    for at, x in zip(order, xs, strict=True):
        sizes[at] = math.prod(x.shape)
    rows = [
        reshape(x, shape=[-1 if i == at else 1 for i in range(n)])
        for at, x in zip(order, xs, strict=True)
    ]
    return [broadcast_to(row, shape=sizes) for row in rows]


# ---------------------------------------------------------------------------------------- picking


def bordered(x, constant_values=None, *, pad_width, mode="constant"):
    """A border around x: of one value, or of x itself reflected."""
    n = len(x.shape)
    if isinstance(pad_width, int):
        widths = ((pad_width, pad_width),) * n
    elif isinstance(pad_width[0], int):
        widths = (tuple(pad_width) * (2 // len(pad_width)),) * n
    else:
        widths = tuple(tuple(pair) for pair in pad_width)
        widths = widths * n if len(widths) == 1 else widths
    if mode == "constant":
        return pad(x, widths=widths, value=constant_values or 0)
    if mode not in ("reflect", "symmetric"):
        raise ValueError(f"mode={mode!r} is not one of constant, reflect, symmetric")
    for axis, pair in enumerate(widths):
        if max(pair) > x.shape[axis] - (mode == "reflect"):
            raise ValueError(f"padding {pair} of axis {axis} goes beyond {x.shape} reflected")
        x = take(x, np.pad(np.arange(x.shape[axis]), pair, mode), axis=axis)
    return x


def tril(x, *, k=0):
    """What is on or below the diagonal k, else 0."""
    rows, columns = x.shape[-2:]
    return where(np.tri(rows, columns, operator.index(k), dtype=bool), x, np.zeros((), x.dtype))


def triu(x, *, k=0):
    """What is on or above the diagonal k, else 0."""
    rows, columns = x.shape[-2:]
    return where(np.tri(rows, columns, operator.index(k) - 1, dtype=bool), np.zeros((), x.dtype), x)


def diag(x, *, k=0):
    """A matrix with x on its diagonal k; of a matrix, that diagonal."""
    if len(x.shape) not in (1, 2):
        raise ValueError(f"an array of shape {x.shape} is neither a row nor a matrix")
    return diagonal(x, offset=k) if len(x.shape) == 2 else diagonal_matrix(x, k=k)


def diagflat(x, *, k=0):
    """A matrix with all numbers of x on its diagonal k."""
    return diagonal_matrix(ravel(x), k=k)


def trace(x, *, offset=0, axis1=0, axis2=1):
    """The sum of a diagonal."""
    return sum_of(diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1)


def diff(x, *, n=1, axis=-1):
    """The steps from each number to the next, n times; of truth values, where they change."""
    at = axes_of(x, axis)[0]
    if n < 0:
        raise ValueError(f"n={n} is negative")
    for _ in range(min(n, x.shape[at])):
        after = getitem(x, key=(slice(None),) * at + (slice(1, None),))
        before = getitem(x, key=(slice(None),) * at + (slice(None, -1),))
        x = not_equal(after, before) if x.dtype == bool else subtract(after, before)
    return x


def trapezoid(y, *, x=None, dx=1.0, axis=-1):
    """The area below y, by straight lines between its points."""
    y = cast(y, dtype=promote(y, 1.0))
    y = moveaxis(y, axis, -1)
    if x is not None:
        step = np.asarray(x).astype(y.dtype)
        dx = np.moveaxis(np.diff(step, axis=axis), axis, -1)
    return sum_of((y[..., 1:] + y[..., :-1]) * 0.5 * dx, axis=-1)
