"""Numbers in few bits: rounding to them, with the gradient of no rounding, and unpacking them."""

from __future__ import annotations

import numpy as np

from npforward.ops.registry import op


def _kept(x, *, axis, **options):
    axes = [a % len(x.shape) for a in ([axis] if isinstance(axis, int) else axis)]
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


@op(lambda g, y, x, **_: np.zeros_like(x), shape=_kept, floats=True)
def abs_max_scale(x, *, axis, high=127, epsilon=1e-7):
    """What brings the largest |x| along `axis` to `high`.  A constant to gradients, as in Keras."""
    axes = axis if isinstance(axis, int) else tuple(axis)
    largest = np.max(np.abs(x), axis=axes, keepdims=True)
    return (high / (largest + np.asarray(epsilon, x.dtype))).astype(x.dtype, copy=False)


@op(lambda g, y, x, scale, **_: g * scale, lambda g, y, x, scale, **_: np.zeros_like(scale))
def quantize(x, scale, *, low=-127, high=127):
    """x scale, rounded to whole numbers from `low` to `high`; its gradient is that of x scale."""
    return np.clip(np.rint(x * scale), low, high).astype(x.dtype, copy=False)


def _unpacked(packed, *, length, axis):
    axis %= len(packed.shape)
    return tuple(length if i == axis else n for i, n in enumerate(packed.shape))


@op(None, shape=_unpacked)
def unpack_int4(packed, *, length, axis):
    """Two numbers of 4 bits to a byte, the first in its low half: the first `length` of them."""
    packed = np.moveaxis(packed, axis, -1)
    halves = np.stack([packed << 4 if packed.dtype == "int8" else packed & 15, packed], axis=-1)
    halves >>= np.array([4 if packed.dtype == "int8" else 0, 4], packed.dtype)  # keeps the sign
    flat = halves.reshape(*packed.shape[:-1], 2 * packed.shape[-1])[..., :length]
    return np.ascontiguousarray(np.moveaxis(flat, -1, axis))


def _in_float8(x, scale, dtype):
    import ml_dtypes

    largest = float(ml_dtypes.finfo(dtype).max)
    scale = np.asarray(scale, x.dtype)
    few = np.clip(x / scale, -largest, largest).astype(dtype)
    return (few.astype(x.dtype) * scale).astype(x.dtype, copy=False)


def _as_x(x, scale):
    return x.dtype


def _shape_of_x(x, scale):
    return x.shape


def _no_change(g, y, x, scale):
    return np.zeros_like(scale)


@op(lambda g, y, x, scale: g, _no_change, shape=_shape_of_x, dtype=_as_x)
def round_to_float8(x, scale):
    """x rounded to a number of float8 (e4m3fn) times `scale`; its gradient is that of x."""
    return _in_float8(x, scale, "float8_e4m3fn")


@op(
    lambda g, y, x, scale: _in_float8(g, scale, "float8_e5m2"),
    _no_change,
    shape=_shape_of_x,
    dtype=_as_x,
)
def round_gradient_to_float8(x, scale):
    """x itself, but its gradient is rounded to a number of float8 (e5m2) times `scale`."""
    return x
