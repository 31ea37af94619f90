"""Where `keras.ops.numpy` puts otherwise what `npforward.ops` has."""

from __future__ import annotations

import functools

from npforward import ops
from npforward.errors import UnsupportedOption


def weak(function):
    """Lists of numbers are arrays; a number alone adapts to the arrays."""
    return _with(function, lambda x: ops.as_array(x) if isinstance(x, (list, tuple)) else x)


def strong(function):
    """Numbers and lists of them are arrays, of Keras's default dtypes."""
    return _with(function, lambda x: x if x is None else ops.as_array(x))


def _with(function, made):
    @functools.wraps(function)
    def operation(*arrays, **options):
        return function(*map(made, arrays), **options)

    return operation


def of_list(function):
    """For operations that take one list of arrays, where ours takes them one by one."""

    def operation(xs, *, axis=0):
        return function(*map(ops.as_array, xs), axis=axis)

    return operation


def like(value):
    def operation(x, *, dtype=None):
        return ops.full(x.shape, value, dtype or x.dtype)

    return operation


def full(fill_value, *, shape, dtype=None):
    if dtype:
        fill_value = ops.cast(fill_value, dtype=dtype)
    else:  # at least float32
        fill_value = fill_value + ops.full((), 0, "float32")
    return ops.broadcast_to(fill_value, shape=shape)


def full_like(x, fill_value, *, dtype=None):
    return full(fill_value, shape=x.shape, dtype=dtype or x.dtype)


def expand_dims(x, *, axis):
    axes = [axis] if isinstance(axis, int) else list(axis)
    ndim = len(x.shape) + len(axes)
    for a in sorted(a + ndim if a < 0 else a for a in axes):
        x = ops.expand_dims(x, axis=a)
    return x


def get_item(x, key):
    return ops.getitem(x, key=tuple(key) if isinstance(key, list) else key)


def clip(x, *, x_min, x_max):
    return ops.clip(x, low=ops.as_array(x_min), high=ops.as_array(x_max))


def running(function):
    def operation(x, *, axis=None, dtype=None):
        return function(ops.cast(x, dtype=dtype) if dtype else x, axis=axis)

    return operation


def prod(x, *, axis=None, keepdims=False, dtype=None):
    return ops.prod(ops.cast(x, dtype=dtype) if dtype else x, axis=axis, keepdims=keepdims)


def in_a_row(function):
    """Without an axis, of all numbers in a row."""

    def operation(x, *, axis=-1):
        return (
            function(ops.ravel(x), axis=0)
            if axis is None or not x.shape
            else function(x, axis=axis)
        )

    return operation


def quantile(x, q, *, axis=None, method="linear", keepdims=False):
    # Keras [3.15.1] forgets the method where the operation is a node.
    return ops.quantile(x, q, axis=axis, keepdims=keepdims)


def take(x, indices, *, axis=None):
    if axis is None:
        x, axis = ops.ravel(x), 0
    (axis,) = ops.axes_of(x, axis)
    indices = ops.as_array(indices)
    return ops.take(x, ops.where(indices < 0, indices + x.shape[axis], indices), axis=axis)


def take_along_axis(x, indices, *, axis=None):
    return ops.take_along_axis(ops.ravel(x) if axis is None else x, indices, axis=axis or 0)


def isclose(x1, x2, rtol=1e-5, atol=1e-8, *, equal_nan=False):
    return ops.isclose(
        ops.as_array(x1), ops.as_array(x2), rtol=rtol, atol=atol, equal_nan=equal_nan
    )


def where(condition, x1=None, x2=None):
    if x1 is None and x2 is None:
        return ops.nonzero(ops.as_array(condition))
    if x1 is None or x2 is None:
        raise UnsupportedOption("it is called with only one of x1 and x2")
    return ops.where(*(ops.as_array(x) if isinstance(x, list) else x for x in (condition, x1, x2)))


def select(condlist, choicelist, default=0):
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = where(condition, choice, y)
    return y


def bincount(x, *, weights=None, minlength=0, sparse=False):
    if sparse:
        raise UnsupportedOption("sparse=True: sparse arrays are not supported")
    weights = None if weights is None else ops.as_array(weights)
    return ops.bincount(x, weights=weights, minlength=minlength)


def unique(
    x,
    *,
    sorted=True,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    size=None,
    fill_value=None,
):
    if size is None:
        found = ops.unique(x, sorted=sorted, axis=axis)
    else:
        fill = fill_value or 0
        found = ops.unique_of_size(x, size=size, fill_value=fill, sorted=sorted, axis=axis)
    asked = (True, return_index, return_inverse, return_counts)
    return [y for y, wanted in zip(found, asked, strict=True) if wanted]


def digitize(x, bins):
    return ops.searchsorted(ops.cast(ops.as_array(bins), dtype="float32"), x, side="right")


def reshape(x, *, newshape):
    return ops.reshape(x, shape=(newshape,) if isinstance(newshape, int) else tuple(newshape))


def moveaxis(x, *, source, destination):
    return ops.moveaxis(x, source, destination)


def ndim(x):
    return ops.cast(ops.as_array(len(x.shape)), dtype="int64")


def size(x):
    return ops.as_array(x.size)


def array(x, *, dtype=None):
    return ops.cast(x, dtype=dtype) if dtype else ops.copy(x)


def view(x, *, dtype=None):
    return ops.view(x, dtype=dtype or x.dtype)


def fabs(x):
    return ops.absolute(ops.as_float(x))


def einsum(*operands, subscripts):
    return ops.sum_of_products(*map(ops.as_array, operands), subscripts=subscripts)


def transpose(x, *, axes=None):
    return ops.transpose(x, axes=axes or None)


def flipped(axis):
    def operation(x):
        return ops.flip(x, axis=axis)

    return operation
