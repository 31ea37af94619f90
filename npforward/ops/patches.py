"""Windows over space, laid out beside each other; and the way back."""

from __future__ import annotations

import numpy as np

from npforward.kernels.conv import tap_slices
from npforward.kernels.pool import pooled
from npforward.ops.registry import op
from npforward.ops.shaping import reshape, transpose


def _places(shape, size, strides, dilation):
    """For each place in a window: its number, and where in (N, *space, C) it meets each window."""
    out = _out(shape, size, strides, dilation)
    for tap in np.ndindex(*size):
        yield (..., *tap, slice(None)), (slice(None), *tap_slices(tap, strides, dilation, out))


def _out(shape, size, strides, dilation):
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    out = pooled(shape[1:-1], reach, strides)
    if min(out) < 1:
        raise ValueError(f"a window of {tuple(size)} does not fit into {shape[1:-1]}")
    return out


def _windowed(x, *, size, strides, dilation):
    return (x.shape[0], *_out(x.shape, size, strides, dilation), *size, x.shape[-1])


def _windows(x, size, strides, dilation):
    y = np.empty(_windowed(x, size=size, strides=strides, dilation=dilation), x.dtype)
    for place, at in _places(x.shape, size, strides, dilation):
        y[place] = x[at]
    return y


def _overlaid(y, shape, size, strides, dilation):
    x = np.zeros(shape, y.dtype)
    for place, at in _places(shape, size, strides, dilation):
        x[at] += y[place]
    return x


@op(
    lambda g, y, x, *, size, strides, dilation: _overlaid(g, x.shape, size, strides, dilation),
    shape=_windowed,
)
def windows(x, *, size, strides, dilation):
    """What a window sees at each of its places.  (N, *space, C) -> (N, *out, *size, C)"""
    return _windows(x, size, strides, dilation)


def _overlay_shape(x, *, space, size, strides, dilation):
    shape = (x.shape[0], *space, x.shape[-1])
    if (x.shape[0], *_out(shape, size, strides, dilation), *size, x.shape[-1]) != x.shape:
        raise ValueError(f"windows of shape {x.shape} do not make up {tuple(space)}")
    return shape


@op(
    lambda g, y, x, *, space, size, strides, dilation: _windows(g, size, strides, dilation),
    shape=_overlay_shape,
    wide=True,
)
def overlay(x, *, space, size, strides, dilation):
    """The sum of windows, each put where it was seen.  (N, *out, *size, C) -> (N, *space, C)"""
    return _overlaid(x, (x.shape[0], *space, x.shape[-1]), size, strides, dilation)


def depth_to_space(x, *, block_size):
    """Channels spread out over blocks of pixels.  (N, H, W, C) -> (N, H b, W b, C / b²)"""
    n, h, w, c = x.shape
    b = block_size
    if c % (b * b):
        raise ValueError(f"{c} channels do not fill blocks of {b} x {b} pixels")
    y = reshape(x, shape=(n, h, w, b, b, c // (b * b)))
    y = transpose(y, axes=(0, 1, 3, 2, 4, 5))
    return reshape(y, shape=(n, h * b, w * b, c // (b * b)))


def space_to_depth(x, *, block_size):
    """The inverse of `depth_to_space`."""
    n, h, w, c = x.shape
    b = block_size
    if h % b or w % b:
        raise ValueError(f"{h} x {w} pixels do not make up blocks of {b} x {b}")
    y = reshape(x, shape=(n, h // b, b, w // b, b, c))
    y = transpose(y, axes=(0, 1, 3, 2, 4, 5))
    return reshape(y, shape=(n, h // b, w // b, b * b * c))
