"""Colours, borders and filters of images (..., H, W, C)."""

from __future__ import annotations

import numpy as np

from npforward import ops
from npforward.dtypes import floating
from npforward.limits import room

GREY = (0.2989, 0.5870, 0.1140)


def grayscale(x):
    """How light a colour is.  (..., 3) -> (..., 1)"""
    y = x if floating(x.dtype) else ops.cast(x, dtype="float32")
    weights = ops.cast(np.array(GREY, np.float32), dtype=y.dtype)
    return ops.cast(ops.sum(y * weights, axis=-1, keepdims=True), dtype=x.dtype)


def _channels(x):
    return (x[..., i : i + 1] for i in range(3))


def rgb_to_hsv(x):
    """Hue, saturation and value of colours, all from 0 to 1."""
    red, green, blue = _channels(x)
    value = ops.max(x, axis=-1, keepdims=True)
    width = value - ops.min(x, axis=-1, keepdims=True)
    coloured = ops.greater(width, 0)
    saturation = ops.where(ops.greater(value, 0), width / _or_one(value), 0.0)
    unit = 1.0 / (6.0 * ops.where(coloured, width, 1.0))
    of_blue = unit * (red - green) + 4.0 / 6.0
    of_green = unit * (blue - red) + 2.0 / 6.0
    of_red = unit * (green - blue)
    hue = ops.where(ops.greater_equal(green, value), of_green, of_blue)
    hue = ops.where(ops.greater_equal(red, value), of_red, hue)
    hue = ops.where(coloured, hue, 0.0)
    hue = ops.where(ops.greater_equal(hue, 0.0), hue, hue + 1.0)
    return ops.concatenate(hue, saturation, value, axis=-1)


def _or_one(x):
    return ops.where(ops.greater(x, 0), x, 1.0)


def hsv_to_rgb(x):
    """The colours of hue, saturation and value."""
    hue, saturation, value = _channels(x)
    turn = hue * 6.0

    def clipped(y):
        return ops.minimum(ops.maximum(y, 0.0), 1.0)

    parts = (
        ops.absolute(turn - 3.0) - 1.0,
        2.0 - ops.absolute(turn - 2.0),
        2.0 - ops.absolute(turn - 4.0),
    )
    return ops.concatenate(
        *(((1.0 - saturation) + saturation * clipped(p)) * value for p in parts), axis=-1
    )


def _bell(size, sigma, dtype):
    """`size` weights of a normal distribution around their middle, with sum 1."""
    room(size)
    x = np.arange(size, dtype=dtype) - (size - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread at all is NaN, as in Keras
        y = np.exp(-0.5 * (x / sigma) ** 2)
        return (y / y.sum()).astype(dtype)


def _filtered(x, kernel):
    """Each channel of (N, H, W, C) with the same kernel."""
    kernel = np.repeat(kernel[:, :, None, None], x.shape[-1], axis=2)
    kernel = ops.cast(kernel, dtype=x.dtype)
    return ops.depthwise_conv(x, kernel, strides=(1, 1), dilation=(1, 1))


def gaussian_blur(x, *, kernel_size, sigma):
    """Images (N, H, W, C) blurred, with zeros around them."""
    height, width = kernel_size
    dtype = x.dtype if x.dtype == np.float64 else np.float32
    kernel = np.outer(_bell(width, sigma[1], dtype), _bell(height, sigma[0], dtype))
    # As in Keras: made for (width, height), but its numbers are read as (height, width).
    kernel = kernel.reshape(height, width)
    widths = tuple(((k - 1) // 2, k // 2) for k in kernel_size)
    return _filtered(ops.pad(x, widths=((0, 0), *widths, (0, 0))), kernel)


def sobel_edges(x):
    """How steep images (N, H, W, C) are, downwards and to the right.  -> (N, H, W, C, 2)"""
    for axis in (1, 2):
        x = ops.take(x, ops.reflected(x.shape[axis], 1, 1), axis=axis)
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    edges = (ops.expand_dims(_filtered(x, k), axis=-1) for k in (down, down.T))
    return ops.concatenate(*edges, axis=-1)


def ssim(a, b, *, max_val, filter_size, filter_sigma, k1, k2):
    """How alike images (N, H, W, C) are in structure (Z. Wang et al., 2004).  -> (N,)"""
    bell = _bell(filter_size, filter_sigma, np.float64)
    kernel = np.outer(bell, bell)
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    mu_a, mu_b = _filtered(a, kernel), _filtered(b, kernel)
    both = mu_a * mu_b
    var_a = _filtered(a * a, kernel) - mu_a * mu_a
    var_b = _filtered(b * b, kernel) - mu_b * mu_b
    covariance = _filtered(a * b, kernel) - both
    above = (2.0 * both + c1) * (2.0 * covariance + c2)
    below = (mu_a * mu_a + mu_b * mu_b + c1) * (var_a + var_b + c2)
    return ops.mean(ops.mean(above / below, axis=(1, 2)), axis=-1)


def scale_and_translate(x, scale, translation, *, output_shape, axes, method, antialias):
    """x moved to scale x + translation along axes, into an array of another shape."""
    if not axes:
        return x
    y = x if floating(x.dtype) else ops.cast(x, dtype="float32")
    for i, axis in enumerate(axes):
        sizes = {"n": x.shape[axis], "m": output_shape[axis]}
        w = ops.placing(scale[i], translation[i], method=method, antialias=antialias, **sizes)
        last = (*(a for a in range(x.ndim) if a != axis), axis)
        y = ops.dense(ops.transpose(y, axes=last), ops.cast(w, dtype=y.dtype))
        y = ops.transpose(y, axes=tuple(np.argsort(last)))
    return y
