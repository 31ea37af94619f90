"""The operations of `keras.ops` that stand as nodes in a file: one table, by their Keras classes.

What they compute is in `npforward.ops`.  An adapter stands here only where Keras puts the same
thing otherwise.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from npforward import ops
from npforward.errors import UnsupportedOption
from npforward.layers.registry import layer


def _weak(function):
    """Lists of numbers are arrays; a number alone adapts to the arrays."""
    return _with(function, lambda x: ops.as_array(x) if isinstance(x, (list, tuple)) else x)


def _strong(function):
    """Numbers and lists of them are arrays, of Keras's default dtypes."""
    return _with(function, lambda x: x if x is None else ops.as_array(x))


def _with(function, made):
    @functools.wraps(function)
    def operation(*arrays, **options):
        return function(*map(made, arrays), **options)

    return operation


def _of_list(function):
    """For operations that take one list of arrays, where ours takes them one by one."""

    def operation(xs, *, axis=0):
        return function(*map(ops.as_array, xs), axis=axis)

    return operation


def _like(value):
    def operation(x, *, dtype=None):
        return ops.full(x.shape, value, dtype or x.dtype)

    return operation


def _full(fill_value, *, shape, dtype=None):
    if dtype:
        fill_value = ops.cast(fill_value, dtype=dtype)
    else:  # at least float32
        fill_value = fill_value + ops.full((), 0, "float32")
    return ops.broadcast_to(fill_value, shape=shape)


def _full_like(x, fill_value, *, dtype=None):
    return _full(fill_value, shape=x.shape, dtype=dtype or x.dtype)


def _expand_dims(x, *, axis):
    axes = [axis] if isinstance(axis, int) else list(axis)
    ndim = len(x.shape) + len(axes)
    for a in sorted(a + ndim if a < 0 else a for a in axes):
        x = ops.expand_dims(x, axis=a)
    return x


def _get_item(x, key):
    return ops.getitem(x, key=tuple(key) if isinstance(key, list) else key)


def _clip(x, *, x_min, x_max):
    return ops.clip(x, low=ops.as_array(x_min), high=ops.as_array(x_max))


def _running(function):
    def operation(x, *, axis=None, dtype=None):
        return function(ops.cast(x, dtype=dtype) if dtype else x, axis=axis)

    return operation


def _prod(x, *, axis=None, keepdims=False, dtype=None):
    return ops.prod(ops.cast(x, dtype=dtype) if dtype else x, axis=axis, keepdims=keepdims)


def _in_a_row(function):
    """Without an axis, of all numbers in a row."""

    def operation(x, *, axis=-1):
        return (
            function(ops.ravel(x), axis=0)
            if axis is None or not x.shape
            else function(x, axis=axis)
        )

    return operation


def _quantile(x, q, *, axis=None, method="linear", keepdims=False):
    # Keras [3.15.1] forgets the method where the operation is a node.
    return ops.quantile(x, q, axis=axis, keepdims=keepdims)


def _take(x, indices, *, axis=None):
    if axis is None:
        x, axis = ops.ravel(x), 0
    (axis,) = ops.axes_of(x, axis)
    indices = ops.as_array(indices)
    return ops.take(x, ops.where(indices < 0, indices + x.shape[axis], indices), axis=axis)


def _take_along_axis(x, indices, *, axis=None):
    return ops.take_along_axis(ops.ravel(x) if axis is None else x, indices, axis=axis or 0)


def _isclose(x1, x2, rtol=1e-5, atol=1e-8, *, equal_nan=False):
    return ops.isclose(
        ops.as_array(x1), ops.as_array(x2), rtol=rtol, atol=atol, equal_nan=equal_nan
    )


def _where(condition, x1=None, x2=None):
    if x1 is None and x2 is None:
        return ops.nonzero(ops.as_array(condition))
    if x1 is None or x2 is None:
        raise UnsupportedOption("it is called with only one of x1 and x2")
    return ops.where(*(ops.as_array(x) if isinstance(x, list) else x for x in (condition, x1, x2)))


def _select(condlist, choicelist, default=0):
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = _where(condition, choice, y)
    return y


def _bincount(x, *, weights=None, minlength=0, sparse=False):
    if sparse:
        raise UnsupportedOption("sparse=True: sparse arrays are not supported")
    weights = None if weights is None else ops.as_array(weights)
    return ops.bincount(x, weights=weights, minlength=minlength)


def _unique(
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


def _digitize(x, bins):
    return ops.searchsorted(ops.cast(ops.as_array(bins), dtype="float32"), x, side="right")


def _reshape(x, *, newshape):
    return ops.reshape(x, shape=(newshape,) if isinstance(newshape, int) else tuple(newshape))


def _moveaxis(x, *, source, destination):
    return ops.moveaxis(x, source, destination)


def _ndim(x):
    return ops.cast(ops.as_array(len(x.shape)), dtype="int64")


def _size(x):
    return ops.as_array(x.size)


def _array(x, *, dtype=None):
    return ops.cast(x, dtype=dtype) if dtype else ops.copy(x)


def _view(x, *, dtype=None):
    return ops.view(x, dtype=dtype or x.dtype)


def _fabs(x):
    return ops.absolute(ops.as_float(x))


def _einsum(*operands, subscripts):
    return ops.sum_of_products(*map(ops.as_array, operands), subscripts=subscripts)


def _transpose(x, *, axes=None):
    return ops.transpose(x, axes=axes or None)


def _flipped(axis):
    def operation(x):
        return ops.flip(x, axis=axis)

    return operation


OPERATIONS: dict[str, Callable[..., Any]] = {
    # keras.ops.numpy: of each number
    "Abs": ops.absolute,
    "Absolute": ops.absolute,
    "Angle": ops.angle,
    "Arccos": ops.arccos,
    "Arccosh": ops.arccosh,
    "Arcsin": ops.arcsin,
    "Arcsinh": ops.arcsinh,
    "Arctan": ops.arctan,
    "Arctanh": ops.arctanh,
    "BitwiseInvert": ops.bitwise_invert,
    "BitwiseNot": ops.bitwise_invert,
    "Cbrt": ops.cbrt,
    "Ceil": ops.ceil,
    "Clip": _clip,
    "Conj": ops.conjugate,
    "Conjugate": ops.conjugate,
    "Copy": ops.copy,
    "Cos": ops.cos,
    "Cosh": ops.cosh,
    "Deg2rad": ops.deg2rad,
    "Exp": ops.exp,
    "Exp2": ops.exp2,
    "Expm1": ops.expm1,
    "Fabs": _fabs,
    "Floor": ops.floor,
    "I0": ops.i0,
    "Imag": ops.imag,
    "Isfinite": ops.isfinite,
    "Isinf": ops.isinf,
    "Isnan": ops.isnan,
    "Isneginf": ops.isneginf,
    "Isposinf": ops.isposinf,
    "Isreal": ops.isreal,
    "Log": ops.log,
    "Log10": ops.log10,
    "Log1p": ops.log1p,
    "Log2": ops.log2,
    "LogicalNot": ops.logical_not,
    "NanToNum": ops.nan_to_num,
    "Negative": ops.negative,
    "Rad2deg": ops.rad2deg,
    "Real": ops.real,
    "Reciprocal": ops.reciprocal,
    "Round": ops.round,
    "Sign": ops.sign,
    "Signbit": ops.signbit,
    "Sin": ops.sin,
    "Sinc": ops.sinc,
    "Sinh": ops.sinh,
    "Sqrt": ops.sqrt,
    "Square": ops.square,
    "Tan": ops.tan,
    "Tanh": ops.tanh,
    "Trunc": ops.trunc,
    # keras.ops.numpy: of two arrays, number by number
    "Add": _weak(ops.add),
    "AllClose": _strong(ops.allclose),
    "Arctan2": _strong(ops.arctan2),
    "BitwiseAnd": _strong(ops.bitwise_and),
    "BitwiseLeftShift": _weak(ops.left_shift),
    "BitwiseOr": _strong(ops.bitwise_or),
    "BitwiseRightShift": _weak(ops.right_shift),
    "BitwiseXor": _strong(ops.bitwise_xor),
    "Divide": _weak(ops.divide),
    "DivideNoNan": _weak(ops.divide_no_nan),
    "Equal": _strong(ops.equal),
    "FloorDivide": _weak(ops.floor_divide),
    "Fmax": _weak(ops.fmax),
    "Fmin": _weak(ops.fmin),
    "Fmod": _strong(ops.fmod),
    "Gcd": _strong(ops.gcd),
    "Greater": _strong(ops.greater),
    "GreaterEqual": _strong(ops.greater_equal),
    "Heaviside": _strong(ops.heaviside),
    "Hypot": _strong(ops.hypot),
    "IsIn": _strong(ops.isin),
    "Isclose": _isclose,
    "Lcm": _strong(ops.lcm),
    "Ldexp": _strong(ops.ldexp),
    "LeftShift": _weak(ops.left_shift),
    "Less": _strong(ops.less),
    "LessEqual": _strong(ops.less_equal),
    "Logaddexp": _strong(ops.logaddexp),
    "Logaddexp2": _strong(ops.logaddexp2),
    "LogicalAnd": _strong(ops.logical_and),
    "LogicalOr": _strong(ops.logical_or),
    "LogicalXor": _strong(ops.logical_xor),
    "Maximum": _weak(ops.maximum),
    "Minimum": _weak(ops.minimum),
    "Mod": _strong(ops.mod),
    "Multiply": _weak(ops.multiply),
    "Nextafter": _strong(ops.nextafter),
    "NotEqual": _strong(ops.not_equal),
    "Power": _weak(ops.power),
    "RightShift": _weak(ops.right_shift),
    "Select": _select,
    "Subtract": _weak(ops.subtract),
    "TrueDivide": _weak(ops.divide),
    "Where": _where,
    # keras.ops.numpy: over axes
    "All": ops.all,
    "Amax": ops.max,
    "Amin": ops.min,
    "Any": ops.any,
    "Argmax": ops.argmax,
    "Argmin": ops.argmin,
    "Average": _strong(ops.average),
    "CountNonzero": ops.count_nonzero,
    "Cumprod": _running(ops.cumprod),
    "Cumsum": _running(ops.cumsum),
    "Max": ops.max,
    "Mean": ops.mean,
    "Median": ops.median,
    "Min": ops.min,
    "Nanargmax": ops.nanargmax,
    "Nanargmin": ops.nanargmin,
    "Nancumprod": ops.nancumprod,
    "Nancumsum": ops.nancumsum,
    "Nanmax": ops.nanmax,
    "Nanmean": ops.nanmean,
    "Nanmedian": ops.nanmedian,
    "Nanmin": ops.nanmin,
    "Nanpercentile": _strong(ops.nanpercentile),
    "Nanprod": ops.nanprod,
    "Nanquantile": _strong(ops.nanquantile),
    "Nanstd": ops.nanstd,
    "Nansum": ops.nansum,
    "Nanvar": ops.nanvar,
    "Percentile": _strong(ops.percentile),
    "Prod": _prod,
    "Ptp": ops.ptp,
    "Quantile": _strong(_quantile),
    "Std": ops.std,
    "Sum": ops.sum,
    "Trace": ops.trace,
    "Trapezoid": ops.trapezoid,
    "Var": ops.var,
    # keras.ops.numpy: products
    "Corrcoef": ops.corrcoef,
    "Correlate": _strong(ops.correlate),
    "Cross": _strong(ops.cross),
    "Dot": _strong(ops.dot),
    "Einsum": _einsum,
    "Inner": _strong(ops.inner),
    "Kron": _strong(ops.kron),
    "Matmul": _strong(ops.product),
    "Outer": _strong(ops.outer),
    "Slogdet": ops.slogdet,
    "Tensordot": _strong(ops.tensordot),
    "Vdot": _strong(ops.vdot),
    # keras.ops.numpy: order
    "Argpartition": ops.argpartition,
    "Argsort": _in_a_row(ops.argsort),
    "Digitize": _digitize,
    "Bincount": _bincount,
    "SearchSorted": _strong(ops.searchsorted),
    "Sort": _in_a_row(ops.sort),
    "Unique": _unique,
    # keras.ops.numpy: places and shapes
    "Append": _strong(ops.append),
    "Array": _array,
    "ArraySplit": ops.array_split,
    "BroadcastTo": ops.broadcast_to,
    "Concatenate": _of_list(ops.concatenate),
    "Diag": ops.diag,
    "Diagflat": ops.diagflat,
    "Diagonal": ops.diagonal,
    "Diff": ops.diff,
    "Dsplit": ops.dsplit,
    "Dstack": ops.dstack,
    "EmptyLike": _like(0),
    "ExpandDims": _expand_dims,
    "Flip": ops.flip,
    "Fliplr": _flipped(1),
    "Flipud": _flipped(0),
    "Full": _strong(_full),
    "FullLike": _strong(_full_like),
    "Geomspace": ops.geomspace,
    "GetItem": _get_item,
    "Hsplit": ops.hsplit,
    "Hstack": ops.hstack,
    "Linspace": ops.linspace,
    "Logspace": ops.logspace,
    "Meshgrid": ops.meshgrid,
    "Moveaxis": _moveaxis,
    "Ndim": _ndim,
    "Nonzero": ops.nonzero,
    "OnesLike": _like(1),
    "Pad": ops.bordered,
    "Ravel": ops.ravel,
    "Repeat": ops.repeated,
    "Reshape": _reshape,
    "Roll": ops.roll,
    "Rot90": ops.rot90,
    "Size": _size,
    "Split": ops.split,
    "Squeeze": ops.squeeze,
    "Stack": ops.stack,
    "Swapaxes": ops.swapaxes,
    "Take": _take,
    "TakeAlongAxis": _strong(_take_along_axis),
    "Tile": ops.tile,
    "Transpose": _transpose,
    "Tril": ops.tril,
    "Triu": ops.triu,
    "UnravelIndex": _strong(ops.unravel_index),
    "Vander": ops.vander,
    "View": _view,
    "Vsplit": ops.vsplit,
    "Vstack": ops.vstack,
    "ZerosLike": _like(0),
    # keras.ops.nn
    # keras.ops.math
    # keras.ops.core
    "Cast": ops.cast,
    # keras.ops.linalg
    # keras.ops.image
}
# By the names of Keras's functions: "logical_and".
FUNCTIONS = {
    re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): function
    for name, function in OPERATIONS.items()
}
for _name, _function in OPERATIONS.items():
    layer(f"ops.{_name}", policy=False)(_function)
