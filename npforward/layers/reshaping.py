"""Layers that move numbers about, pad, crop and resize."""

from __future__ import annotations

from npforward import ops
from npforward.errors import UnsupportedOption
from npforward.layers.registry import layer, one_of, per_axis, whole
from npforward.layers.spatial import channels_last, channels_restored


@layer("Flatten")
def flatten(inputs, *, data_format=None):
    """All but the batch axis as one.  (N, ...) -> (N, K)"""
    x = channels_last(inputs, data_format) if inputs.ndim > 1 else inputs
    size = 1
    for n in x.shape[1:]:
        size *= n
    return ops.reshape(x, shape=(x.shape[0], size))


@layer("Reshape")
def reshape(inputs, *, target_shape):
    """The same numbers in another shape; one axis may be -1."""
    n, *rest = inputs.shape
    target = list(target_shape)
    if -1 in target:
        known, size = 1, 1
        for m in target:
            known *= m if m != -1 else 1
        for m in rest:
            size *= m
        target[target.index(-1)] = size // known if known else 0
    return ops.reshape(inputs, shape=(n, *target))


@layer("Permute")
def permute(inputs, *, dims):
    """The axes after the batch in another order; `dims` counts from 1."""
    if sorted(dims) != list(range(1, inputs.ndim)):
        raise UnsupportedOption(f"dims={dims!r}, expected an order of 1 to {inputs.ndim - 1}")
    return ops.transpose(inputs, axes=(0, *dims))


@layer("RepeatVector")
def repeat_vector(inputs, *, n):
    """Each vector n times in a row.  (N, C) -> (N, n, C)"""
    return ops.repeat(ops.expand_dims(inputs, axis=1), repeats=whole("n", n), axis=1)


def _pairs(name, value, n):
    """(before, after) for each of n space axes, however Keras lets it be written."""
    if isinstance(value, int):
        return [(value, value)] * n
    if n == 1 and len(value) == 2 and all(isinstance(v, int) for v in value):
        return [tuple(value)]
    pairs = [(v, v) if isinstance(v, int) else tuple(v) for v in value]
    if len(pairs) != n or not all(len(p) == 2 for p in pairs):
        raise UnsupportedOption(f"{name}={value!r}, expected {n} pairs of whole numbers")
    return pairs


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(inputs, *, padding=1, data_format=None):
    """A border of zeros around the space axes."""
    x = channels_last(inputs, data_format)
    widths = ((0, 0), *_pairs("padding", padding, x.ndim - 2), (0, 0))
    return channels_restored(ops.pad(x, widths=widths), data_format)


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(inputs, *, cropping=1, data_format=None):
    """The inputs without a border of the space axes."""
    x = channels_last(inputs, data_format)
    pairs = _pairs("cropping", cropping, x.ndim - 2)
    for n, (before, after) in zip(x.shape[1:-1], pairs, strict=True):
        if before + after >= n:
            raise UnsupportedOption(f"cropping={cropping!r} leaves nothing of {x.shape[1:-1]}")
    kept = [slice(a, n - b) for n, (a, b) in zip(x.shape[1:-1], pairs, strict=True)]
    return channels_restored(x[(slice(None), *kept)], data_format)


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(inputs, *, size=2, data_format=None, interpolation="nearest"):
    """Enlarge the space axes by whole factors."""
    x = channels_last(inputs, data_format)
    one_of("interpolation", interpolation, "nearest", *ops.FILTERS, "keras2>bilinear")
    for axis, factor in enumerate(per_axis("size", size, x.ndim - 2), start=1):
        if interpolation == "nearest":
            x = ops.repeat(x, repeats=factor, axis=axis)
        elif interpolation == "keras2>bilinear":
            before, after, share = ops.corner_neighbours(x.shape[axis], x.shape[axis] * factor)
            x = ops.interpolate(x, axis=axis, before=before, after=after, share=share)
        else:
            taps = ops.resize_taps(x.shape[axis], x.shape[axis] * factor, interpolation)
            x = ops.resample(x, axis=axis, index=taps[0], weight=taps[1])
    return channels_restored(x, data_format)
