"""Pooling.  One function serves one, two and three space dimensions."""

from __future__ import annotations

import functools

from npforward import ops
from npforward.layers.registry import layer, one_of, per_axis
from npforward.layers.spatial import borders, channels_last, channels_restored


def _windows(inputs, pool_size, strides, padding, data_format):
    x = channels_last(inputs, data_format)
    size = per_axis("pool_size", pool_size, x.ndim - 2)
    strides = size if strides is None else per_axis("strides", strides, x.ndim - 2)
    one_of("padding", padding, "valid", "same", "theano>same", "torch>same")
    if padding == "theano>same":
        return x, size, strides, _theano_borders(x, size, strides)
    return x, size, strides, borders(x, size, strides, (1,) * len(size), padding)


def _theano_borders(x, size, strides):
    """What "same" was in Keras on Theano: as long an output, with more of the border before."""
    pairs = []
    for n, k, s in zip(x.shape[1:-1], size, strides, strict=True):
        before = k - 2 if k > 2 and k % 2 else k - 1
        pairs.append((before, max((-(-n // s) - 1) * s + k - n - before, 0)))
    return ((0, 0), *pairs, (0, 0))


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(inputs, *, pool_size=2, strides=None, padding="valid", data_format=None):
    """The largest value in each window."""
    x, size, strides, widths = _windows(inputs, pool_size, strides, padding, data_format)
    if any(before or after for before, after in widths):
        x = ops.pad(x, widths=widths, value=ops.lowest(x.dtype))
    return channels_restored(ops.max_pool(x, size=size, strides=strides), data_format)


@layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(inputs, *, pool_size=2, strides=None, padding="valid", data_format=None):
    """The mean over each window; padding is not counted."""
    x, size, strides, widths = _windows(inputs, pool_size, strides, padding, data_format)
    x = ops.pad(x, widths=widths)
    y = ops.average_pool(x, size=size, strides=strides, widths=widths)
    return channels_restored(y, data_format)


def _space(x, data_format):
    first = one_of("data_format", data_format, None, "channels_last", "channels_first")
    return tuple(range(2, x.ndim)) if first == "channels_first" else tuple(range(1, x.ndim - 1))


@layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def global_max_pooling(inputs, *, data_format=None, keepdims=False):
    """The largest value of each channel."""
    return ops.max(inputs, axis=_space(inputs, data_format), keepdims=keepdims)


@layer("GlobalAveragePooling1D")
def masked_average_pooling(inputs, mask=None, *, data_format=None, keepdims=False):
    """The mean of each channel; steps that `mask` excludes are not counted."""
    axis = _space(inputs, data_format)
    if mask is None:
        return ops.mean(inputs, axis=axis, keepdims=keepdims)
    # (N, T) -> (N, T, 1) or (N, 1, T)
    mask = ops.cast(ops.expand_dims(mask, axis=1 if axis == (2,) else 2), dtype="bool")
    total = ops.sum(ops.where(mask, inputs, 0.0), axis=axis, keepdims=keepdims)
    count = ops.sum(ops.cast(mask, dtype=inputs.dtype), axis=axis, keepdims=keepdims)
    return total / count


@layer("GlobalAveragePooling2D", "GlobalAveragePooling3D")
def global_average_pooling(inputs, *, data_format=None, keepdims=False):
    """The mean of each channel."""
    return ops.mean(inputs, axis=_space(inputs, data_format), keepdims=keepdims)


def _adapted(inputs, output_size, data_format, pool):
    x = channels_last(inputs, data_format)
    sizes = per_axis("output_size", output_size, x.ndim - 2)
    for axis, size in enumerate(sizes, start=1):
        x = pool(x, axis, *ops.adaptive_windows(x.shape[axis], size))
    return channels_restored(x, data_format)


@layer("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D")
def adaptive_average_pooling(inputs, *, output_size, data_format=None):
    """Means over as many windows as are asked for."""

    def mean(x, axis, index, weight):
        return ops.resample(x, axis=axis, index=index, weight=weight)

    return _adapted(inputs, output_size, data_format, mean)


@layer("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D")
def adaptive_max_pooling(inputs, *, output_size, data_format=None):
    """Largest values of as many windows as are asked for."""

    def largest(x, axis, index, weight):
        taken = (ops.take(x, column, axis=axis) for column in index.T)
        return functools.reduce(ops.maximum, taken)

    return _adapted(inputs, output_size, data_format, largest)
