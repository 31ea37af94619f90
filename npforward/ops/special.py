"""Special functions, and reductions that are more than a sum."""

from __future__ import annotations

import math

import numpy as np

from npforward import kernels, ops
from npforward.dtypes import HALF, floating, known
from npforward.ops.elementwise import if_asked
from npforward.ops.registry import op
from npforward.ops.segments import limits


@op(lambda g, y, x: if_asked(g, -0.5 * y / x), floats=True, wide=True)
def rsqrt(x):
    """1 / √x"""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 / np.sqrt(x)


def _bell(x):
    """The derivative of erf."""
    return 2 / math.sqrt(math.pi) * np.exp(-x * x)


@op(lambda g, y, x: g * _bell(x), floats=True, wide=True)
def erf(x):
    """The error function: 2 / √π times the integral of exp(-t²) from 0 to x"""
    return kernels.erf(x)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
_erf = np.vectorize(math.erf, otypes=[np.float64])


@op(lambda g, y, x: -g * _bell(x), floats=True, wide=True)
def erfc(x):
    """1 - erf(x), exact where that is small"""
    return _erfc(x).astype(x.dtype)


@op(lambda g, y, x: g / _bell(y), floats=True, wide=True)
def erfinv(x):
    """The number whose error function is x; infinite at -1 and 1, NaN outside"""
    t = x.astype(np.float64)
    a = np.abs(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        # S. Winitzki (2008), right to three digits; then Halley's steps, which treble the digits.
        log = np.log1p(-a * a)
        half = 2 / (math.pi * 0.147) + log / 2
        y = np.sqrt(np.sqrt(half * half - log / 0.147) - half)
        for _ in range(3):
            # Far from 0, a difference of erfc keeps the digits that one of erf loses.
            off = np.where(a < 0.5, _erf(y) - a, (1 - a) - _erfc(y)) / _bell(y)
            y = np.where(np.isfinite(y), y - off / (1 + y * off), y)
    return np.copysign(y, t).astype(x.dtype)


@op(lambda g, y, x: np.zeros_like(g))
def stop_gradient(x):
    """x itself, but a constant to derivatives."""
    return x


@op(lambda g, y, x: np.zeros_like(g))
def finite_or_zero(x):
    """x, but 0 where it is infinite or NaN; without a derivative: for shifts that cancel out."""
    return np.where(np.isfinite(x), x, x.dtype.type(0))


def logsumexp(x, *, axis=None, keepdims=False):
    """log(Σ exp(x)) over axes, without an overflow"""
    if not x.size:
        return ops.log(ops.sum(x, axis=axis, keepdims=keepdims))
    top = finite_or_zero(ops.max(x, axis=axis, keepdims=True))
    y = ops.log(ops.sum(ops.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else ops.squeeze(y, axis=tuple(range(x.ndim)) if axis is None else axis)


def moments(x, *, axes, keepdims=False):
    """Mean and variance over axes; of half types, cut off at the range of float16."""
    half = x.dtype.name in HALF
    y = ops.cast(x, dtype="float32") if half else x
    mu = ops.mean(y, axis=axes, keepdims=True)
    mean = mu if keepdims else ops.mean(y, axis=axes)
    variance = ops.mean(ops.square(y - mu), axis=axes, keepdims=keepdims)
    if not half:
        return [mean, variance]
    return [
        ops.cast(ops.minimum(ops.maximum(v, -65504.0), 65504.0), dtype=x.dtype)
        for v in (mean, variance)
    ]


def normalize(x, *, axis=-1, order=2, epsilon=None):
    """x scaled to norm 1 along axes; what is shorter than `epsilon` stays short."""
    epsilon = 1e-7 if epsilon is None else epsilon
    x = ops.expand_dims(x, axis=0) if not x.ndim else x
    if order == 2:
        square = ops.sum(ops.square(x), axis=axis, keepdims=True)
        return x * ops.minimum(rsqrt(square), 1.0 / epsilon)
    return x / ops.maximum(ops.norm(x, ord=order, axis=axis, keepdims=True), epsilon)


def _held(own, other):
    """The least and the greatest number of a dtype that another one has, too."""
    low, high = (0, 1) if other.kind == "b" else limits(other)
    own_low, own_high = limits(own)
    if not floating(own) and not floating(other):
        return max(int(own_low), int(low)), min(int(own_high), int(high))
    kind = own.type
    least, most = kind(max(float(own_low), float(low))), kind(min(float(own_high), float(high)))
    # Rounded to the own dtype, a limit may be beyond the other's.
    if float(least) < float(low):
        least = np.nextafter(least, kind(0))
    if floating(own) and not floating(other) and int(most) > int(high):
        most = np.nextafter(most, kind(0))
    return least, most


def saturate_cast(x, *, dtype):
    """x in another dtype; what that cannot hold becomes the nearest number that it can."""
    if x.dtype.kind != "b":
        low, high = (np.asarray(a, x.dtype) for a in _held(x.dtype, known(dtype)))
        x = ops.minimum(ops.maximum(x, low), high)
    return ops.cast(x, dtype=dtype)
