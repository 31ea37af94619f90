"""The operations of `keras.ops` that stand as nodes in a file: one table, by their Keras classes.

What they compute is in `npforward.ops`.  An adapter stands here only where Keras puts the same
thing otherwise.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers import attention, audio, convolutional, image, normalization, pooling, spatial
from npforward.layers.image_operations import IMAGES
from npforward.layers.registry import layer, one_of, per_axis, positive


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


# ---- keras.ops.nn -------------------------------------------------------------------------------


def _conv(inputs, kernel, *, strides=1, padding="valid", data_format=None, dilation_rate=1):
    channels = inputs.shape[1 if data_format == "channels_first" else -1]
    if not kernel.shape[-2] or channels % kernel.shape[-2]:
        raise BadInput(f"{channels} channels do not fit a kernel of {kernel.shape}")
    return convolutional.conv(
        inputs,
        kernel,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        groups=channels // kernel.shape[-2],
    )


def _ctc_loss(target, output, target_length, output_length, *, mask_index=0):
    return ops.ctc_loss(output, target, target_length, output_length, blank=mask_index)


def _gelu(x, *, approximate=True):
    return ops.gelu(x, approximate=approximate)


def _moments(x, *, axes, keepdims=False, synchronized=False):
    return ops.moments(x, axes=axes, keepdims=keepdims)


def _one_hot(x, *, num_classes, axis=-1, dtype=None, sparse=False):
    x = ops.cast(x, dtype="int64")
    return ops.one_hot(x, num_classes=num_classes, axis=axis, dtype=dtype or "float32")


def _multi_hot(inputs, *, num_classes, axis=-1, dtype=None, sparse=False):
    hot = _one_hot(inputs, num_classes=num_classes, axis=axis, dtype=dtype)
    over = 1 if inputs.ndim > 1 else 0
    return ops.any(hot, axis=over) if hot.dtype == bool else ops.max(hot, axis=over)


def _batch_norm(x, mean, variance, offset=None, scale=None, *, axis, epsilon=1e-3):
    return normalization.batch_normalization(
        x, None, scale, offset, mean, variance, axis=axis, epsilon=epsilon, dtype=x.dtype
    )


def _layer_norm(x, gamma=None, beta=None, *, axis=-1, epsilon=None, rms_scaling=False):
    return normalization.layer_normalization(
        x,
        gamma,
        beta,
        axis=axis,
        epsilon=1e-7 if epsilon is None else epsilon,
        rms_scaling=rms_scaling,
        dtype=x.dtype,
    )


def _rms_norm(x, scale=None, *, axis=-1, epsilon=None):
    return normalization.rms_normalization(
        x, scale, axis=axis, epsilon=1e-7 if epsilon is None else epsilon
    )


def _over_space(function):
    """For functions of channels last."""

    def operation(x, *, block_size, data_format="channels_last"):
        y = function(spatial.channels_last(x, data_format), block_size=block_size)
        return spatial.channels_restored(y, data_format)

    return operation


def _unfold(x, *, kernel_size, dilation=1, padding=0, stride=1):
    size, dilation, padding, stride = (
        per_axis("kernel_size", kernel_size, 2),
        per_axis("dilation", dilation, 2),
        per_axis("padding", padding, 2),
        per_axis("stride", stride, 2),
    )
    x = ops.pad(x, widths=((0, 0), (0, 0), *((p, p) for p in padding)))
    x = spatial.channels_last(x, "channels_first")
    y = ops.windows(x, size=size, strides=stride, dilation=dilation)
    y = ops.transpose(y, axes=(0, 5, 3, 4, 1, 2))  # (N, C, kH, kW, H, W)
    n, c, kh, kw, h, w = y.shape
    return ops.reshape(y, shape=(n, c * kh * kw, h * w))


def _fold(x, *, output_size, kernel_size, dilation=1, padding=0, stride=1):
    space, size, dilation, padding, stride = (
        per_axis("output_size", output_size, 2),
        per_axis("kernel_size", kernel_size, 2),
        per_axis("dilation", dilation, 2),
        per_axis("padding", padding, 2),
        per_axis("stride", stride, 2),
    )
    space = tuple(n + 2 * p for n, p in zip(space, padding, strict=True))
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, d, s in zip(space, size, dilation, stride, strict=True)
    ]
    n, c = x.shape[0], x.shape[1] // (size[0] * size[1])
    y = ops.transpose(ops.reshape(x, shape=(n, c, *size, *out)), axes=(0, 4, 5, 2, 3, 1))
    y = ops.overlay(y, space=space, size=size, strides=stride, dilation=dilation)
    y = spatial.channels_restored(y, "channels_first")
    inner = (slice(p, p + n - 2 * p) for n, p in zip(space, padding, strict=True))
    return y[(slice(None), slice(None), *inner)]


# ---- keras.ops.math -----------------------------------------------------------------------------


def _top_k(x, *, k, sorted=True):
    places = ops.top_k_indices(x, k=k)
    return [ops.take_along_axis(x, places, axis=-1), places]


def _segments(function):
    def operation(data, segment_ids, *, num_segments=None, sorted=False):
        if num_segments is not None:
            return function(data, segment_ids, num=num_segments)
        # TensorFlow sums over as many segments as there are different numbers.
        distinct = function is ops.segment_sum and not sorted
        num = ops.segment_numbers(segment_ids, distinct=distinct).shape[0]
        y = function(data, segment_ids, num=num)
        if not sorted or function is ops.segment_prod:
            return y
        ones = ops.full(data.shape, 1, data.dtype)
        return ops.where(ops.greater(ops.segment_sum(ones, segment_ids, num=num), 0), y, 0)

    return operation


def _cdist(x, y):
    off = ops.expand_dims(x, axis=-2) - ops.expand_dims(y, axis=-3)
    return ops.sqrt(ops.sum(ops.square(off), axis=-1))


def _extract_sequences(x, *, sequence_length, sequence_stride):
    length = positive("sequence_length", sequence_length)
    return ops.frames(x, length=length, step=positive("sequence_stride", sequence_stride))


def _fourier(axes, inverse=False):
    def operation(x):
        return list(ops.fourier(*_pair(x), axes=axes, inverse=inverse))

    return operation


def _pair(x):
    if not isinstance(x, (list, tuple)) or len(x) != 2:
        raise BadInput("expected a pair: real and imaginary part")
    return x


def _rfft(x, *, fft_length=None):
    return list(ops.rfft(x, n=fft_length))


def _irfft(x, *, fft_length=None):
    return ops.irfft(*_pair(x), n=fft_length)


def _stft(x, *, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    _pieces(sequence_length, sequence_stride, fft_length)
    weights = audio.window_weights(window, sequence_length)
    return list(ops.stft(x, n=fft_length, step=sequence_stride, window=weights, center=center))


def _pieces(sequence_length, sequence_stride, fft_length):
    positive("sequence_stride", sequence_stride)
    if positive("sequence_length", sequence_length) > positive("fft_length", fft_length):
        raise UnsupportedOption(f"fft_length={fft_length} below sequence_length={sequence_length}")


def _istft(
    x, *, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True
):
    _pieces(sequence_length, sequence_stride, fft_length)
    weights = audio.window_weights(window, sequence_length)
    return ops.istft(
        *_pair(x),
        n=fft_length,
        step=sequence_stride,
        window=weights,
        length=length,
        center=center,
    )


# ---- keras.ops.core -----------------------------------------------------------------------------


def _scattered(function, indices, values, shape):
    """The rows that `function` makes of values in the same place, as an array of `shape`."""
    depth = indices.shape[-1]
    places = ops.flat_indices(indices, shape=tuple(shape))
    y = function(values, places, num=math.prod(shape[:depth]))
    return ops.reshape(y, shape=tuple(shape))


def _scatter(indices, values, *, shape):
    return _scattered(ops.segment_sum, indices, values, shape)


def _scatter_update(inputs, indices, updates, *, reduction=None):
    one_of("reduction", reduction, None, "add", "max", "min", "mul")
    if reduction is None:
        depth, shape = indices.shape[-1], inputs.shape
        rows = ops.reshape(inputs, shape=(math.prod(shape[:depth]), *shape[depth:]))
        y = ops.replace_rows(rows, updates, ops.flat_indices(indices, shape=shape))
        return ops.reshape(y, shape=shape)
    gather, join = {
        "add": (ops.segment_sum, ops.add),
        "max": (ops.segment_max, ops.maximum),
        "min": (ops.segment_min, ops.minimum),
        "mul": (ops.segment_prod, ops.multiply),
    }[reduction]
    return join(inputs, _scattered(gather, indices, updates, inputs.shape))


def _starts(start_indices):
    """Where a slice begins, as one array."""
    if not isinstance(start_indices, (list, tuple)):
        return start_indices
    if not any(hasattr(s, "dtype") for s in start_indices):
        return ops.constant(start_indices, "int64")
    parts = [
        ops.reshape(ops.cast(s, dtype="int64"), shape=(1,))
        if hasattr(s, "dtype")
        else ops.constant([s], "int64")
        for s in start_indices
    ]
    return ops.concatenate(*parts, axis=0)


def _slice(inputs, start_indices, *, shape):
    start = _starts(start_indices)
    if len(shape) != inputs.ndim or start.shape != (inputs.ndim,):
        raise BadInput(f"a slice of shape {shape} of an array of shape {inputs.shape}")
    if -1 in shape:
        if not hasattr(start, "tolist"):
            raise UnsupportedOption("a shape with -1 depends on the values of start_indices")
        rest = zip(shape, inputs.shape, start.tolist(), strict=True)
        shape = [n - s if size == -1 else size for size, n, s in rest]
    return ops.slice_at(inputs, start, shape=tuple(shape))


def _slice_update(inputs, start_indices, updates):
    return ops.slice_update(inputs, _starts(start_indices), updates)


def _unstack(x, *, num=None, axis=0):
    (at,) = ops.axes_of(x, axis)
    return [x[(slice(None),) * at + (i,)] for i in range(x.shape[at])]


def _convert_to_tensor(x, *, dtype=None, sparse=None, ragged=None):
    return x if dtype is None else ops.cast(x, dtype=dtype)


# ---- keras.ops.einops ---------------------------------------------------------------------------


def _axes(side):
    """The axes of one side of a pattern, each a list of names: "b (h w)" is [[b], [h, w]]."""
    return [found.strip("()").split() for found in re.findall(r"\w+|\(.*?\)", side)]


def _rearrange(tensor, pattern, **axes_lengths):
    before, _, after = pattern.partition("->")
    groups, made = _axes(before), _axes(after)
    names = [name for group in groups for name in group]
    wanted = [name for group in made for name in group]
    if len(groups) != tensor.ndim or sorted(names) != sorted(wanted) or len({*names}) < len(names):
        raise BadInput(f"pattern {pattern!r} does not fit an array of shape {tensor.shape}")
    sizes: dict[str, int] = {}
    for group, n in zip(groups, tensor.shape, strict=True):
        free = [name for name in group if len(group) == 1 or name not in axes_lengths]
        known = math.prod(axes_lengths[name] for name in group if name not in free)
        if len(free) > 1 or (not free and known != n) or (free and (not known or n % known)):
            raise BadInput(f"pattern {pattern!r} with {axes_lengths} does not divide {n}")
        sizes |= {name: n // known if name in free else axes_lengths[name] for name in group}
    y = ops.reshape(tensor, shape=tuple(sizes[name] for name in names))
    y = ops.transpose(y, axes=tuple(names.index(name) for name in wanted))
    return ops.reshape(y, shape=tuple(math.prod(sizes[n] for n in group) for group in made))


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
    "AdaptiveAveragePool": pooling.adaptive_average_pooling,
    "AdaptiveMaxPool": pooling.adaptive_max_pooling,
    "AveragePool": pooling.average_pooling,
    "BatchNorm": _batch_norm,
    "BinaryCrossentropy": ops.binary_crossentropy,
    "CTCDecode": ops.ctc_decode,
    "CTCLoss": _ctc_loss,
    "CategoricalCrossentropy": ops.categorical_crossentropy,
    "Celu": ops.celu,
    "Conv": _conv,
    "ConvTranspose": convolutional.conv_transpose,
    "DepthToSpace": _over_space(ops.depth_to_space),
    "DepthwiseConv": convolutional.depthwise_conv,
    "DotProductAttention": attention.dot_product_attention,
    "Elu": ops.elu,
    "Fold": _fold,
    "Gelu": _gelu,
    "Glu": ops.glu,
    "HardShrink": ops.hard_shrink,
    "HardSigmoid": ops.hard_sigmoid,
    "HardSilu": ops.hard_silu,
    "HardTanh": ops.hard_tanh,
    "LayerNorm": _layer_norm,
    "LeakyRelu": ops.leaky_relu,
    "LogSigmoid": ops.log_sigmoid,
    "LogSoftmax": ops.log_softmax,
    "MaxPool": pooling.max_pooling,
    "Moments": _moments,
    "MultiHot": _multi_hot,
    "Normalize": ops.normalize,
    "OneHot": _one_hot,
    "Polar": ops.polar,
    "PSNR": ops.psnr,
    "RMSNorm": _rms_norm,
    "Relu": ops.relu,
    "Relu6": ops.relu6,
    "Selu": ops.selu,
    "SeparableConv": convolutional.separable_conv,
    "Sigmoid": ops.sigmoid,
    "Silu": ops.silu,
    "SoftShrink": ops.soft_shrink,
    "Softmax": ops.softmax,
    "Softplus": ops.softplus,
    "Softsign": ops.softsign,
    "SpaceToDepth": _over_space(ops.space_to_depth),
    "SparseCategoricalCrossentropy": ops.sparse_categorical_crossentropy,
    "SparsePlus": ops.sparse_plus,
    "SparseSigmoid": ops.sparse_sigmoid,
    "Sparsemax": ops.sparsemax,
    "Squareplus": ops.squareplus,
    "TanhShrink": ops.tanh_shrink,
    "Threshold": ops.threshold,
    "Unfold": _unfold,
    # keras.ops.math
    "CDist": _cdist,
    "ExtractSequences": _extract_sequences,
    "Erf": ops.erf,
    "Erfc": ops.erfc,
    "Erfinv": ops.erfinv,
    "FFT": _fourier((-1,)),
    "FFT2": _fourier((-2, -1)),
    "IFFT2": _fourier((-2, -1), inverse=True),
    "IRFFT": _irfft,
    "ISTFT": _istft,
    "InTopK": ops.in_top_k,
    "Logdet": ops.logdet,
    "Logsumexp": ops.logsumexp,
    "RFFT": _rfft,
    "Rsqrt": ops.rsqrt,
    "STFT": _stft,
    "SegmentMax": _segments(ops.segment_max),
    "SegmentMin": _segments(ops.segment_min),
    "SegmentProd": _segments(ops.segment_prod),
    "SegmentSum": _segments(ops.segment_sum),
    "TopK": _top_k,
    "ViewAsComplex": ops.view_as_complex,
    "ViewAsReal": ops.view_as_real,
    # keras.ops.core
    "Cast": ops.cast,
    "ConvertToTensor": _convert_to_tensor,
    "SaturateCast": ops.saturate_cast,
    "Scatter": _scatter,
    "ScatterUpdate": _scatter_update,
    "Slice": _slice,
    "SliceUpdate": _slice_update,
    "StopGradient": ops.stop_gradient,
    "Unstack": _unstack,
    # keras.ops.linalg
    "Cholesky": ops.cholesky,
    "CholeskyInverse": ops.cholesky_inverse,
    "Det": ops.det,
    "Eig": ops.eig,
    "Eigh": ops.eigh,
    "Inv": ops.inv,
    "Lstsq": ops.lstsq,
    "LuFactor": ops.lu_factor,
    "MatrixRank": ops.matrix_rank,
    "Norm": ops.norm,
    "Pinv": ops.pinv,
    "Qr": ops.qr,
    "SVD": ops.svd,
    "Solve": ops.solve,
    "SolveTriangular": ops.solve_triangular,
    # keras.ops.image
    **IMAGES,
    "Resize": image.resize,
    # keras.ops.einops
    "Rearrange": _rearrange,
}
_FUNCTION = "it calls a function of Python, which is never taken from a file"
# Operations that cannot be replayed, and why.
WITHOUT = {
    **{
        f"ops.{name}": _FUNCTION
        for name in """AssociativeScan Cond ForiLoop JVP Map Scan Switch VectorizedMap
        WhileLoop""".split()
    },
    "ops.ElasticTransform": "it draws random numbers",
}
# By the names of Keras's functions: "logical_and".
FUNCTIONS = {
    re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): function
    for name, function in OPERATIONS.items()
}
for _name, _function in OPERATIONS.items():
    layer(f"ops.{_name}", policy=False)(_function)
