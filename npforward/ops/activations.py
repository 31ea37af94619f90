"""Activation functions by Keras's names.  Stable forms are written here once, with the reason."""

from __future__ import annotations

import math

import numpy as np

from npforward import kernels, ops
from npforward.ops.reduction import axes_of
from npforward.ops.registry import op

# G. Klambauer et al., Self-Normalizing Neural Networks (2017), in the digits that Keras uses.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _along_axis(x, *, axis=-1):
    axes_of(x, axis)
    return x.shape


def linear(x):
    """x itself."""
    return x


def _relu_vjp(g, y, x, **options):
    # The answer says as much as x, and is kept anyway.
    said = not options.get("threshold") and options.get("negative_slope", 0.0) >= 0
    return relu_dx(g, y if said else x, **options)


@op(_relu_vjp, in_ops=True)
def relu(x, *, negative_slope=0.0, max_value=None, threshold=0.0):
    """max(x, 0), with Keras's slope below `threshold` and cap at `max_value`.

    Examples
    --------
    >>> relu(np.array([-2.0, 0.5, 9.0]), max_value=6.0)
    array([0. , 0.5, 6. ])
    """
    y = np.maximum(x, 0) if threshold == 0 else np.where(x > threshold, x, x.dtype.type(0))
    if max_value is not None:
        y = np.minimum(y, x.dtype.type(max_value))
    if negative_slope:
        slope, threshold = x.dtype.type(negative_slope), x.dtype.type(threshold)
        y = np.where(x < threshold, slope * (x - threshold), y)
    return y


@op(
    lambda d, z, g, x, **options: relu_dx(d, x, **options),
    lambda d, z, g, x, **options: np.zeros(x.shape, x.dtype),
    shape=lambda g, x, **options: x.shape,
    in_ops=True,
)
def relu_dx(g, x, *, negative_slope=0.0, max_value=None, threshold=0.0):
    """The gradient of `relu`: g where x is above `threshold` and below `max_value`."""
    inside = x > threshold
    if max_value is not None:
        inside = inside & (x < max_value)
    below = np.where(x < threshold, g * g.dtype.type(negative_slope), 0) if negative_slope else 0
    return np.where(inside, g, below).astype(g.dtype)


@op(lambda g, y, x: relu_dx(g, y, max_value=6.0), in_ops=True)
def relu6(x):
    """min(max(x, 0), 6)"""
    return np.minimum(np.maximum(x, 0), 6)


@op(
    lambda g, y, x, *, negative_slope=0.2: np.where(x > 0, g, g * g.dtype.type(negative_slope)),
    floats=True,
)
def leaky_relu(x, *, negative_slope=0.2):
    """x above 0, negative_slope * x below"""
    return np.where(x > 0, x, x.dtype.type(negative_slope) * x)


@op(lambda g, y, x: g * (y * (1 - y)), floats=True, wide=True, in_ops=True)
def sigmoid(x):
    """1 / (1 + exp(-x))

    Examples
    --------
    >>> sigmoid(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    return kernels.sigmoid(x)


@op(lambda g, y, x: g * (1 - ops.square(y)), floats=True, wide=True, in_ops=True)
def tanh(x):
    """The hyperbolic tangent."""
    return np.tanh(x)


@op(lambda g, y, x: g * sigmoid(x), floats=True, wide=True, in_ops=True)
def softplus(x):
    """log(1 + exp(x))"""
    return kernels.softplus(x)


@op(lambda g, y, x: g / (1 + np.abs(x)) ** 2, floats=True)
def softsign(x):
    """x / (1 + |x|)"""
    return x / (1 + np.abs(x))


@op(lambda g, y, x, *, b=4: g * 0.5 * (1 + x / np.sqrt(x * x + b)), floats=True)
def squareplus(x, *, b=4):
    """(x + √(x² + b)) / 2"""
    return (x + np.sqrt(x * x + x.dtype.type(b))) / 2


@op(lambda g, y, x: g * kernels.sigmoid(-x), floats=True, wide=True)
def log_sigmoid(x):
    """log(sigmoid(x)) = -softplus(-x)"""
    return -kernels.softplus(-x)


@op(lambda g, y, x: g * np.tanh(x) ** 2, floats=True, wide=True)
def tanh_shrink(x):
    """x - tanh(x)"""
    return x - np.tanh(x)


def _silu_vjp(g, y, x):
    s = sigmoid(x)
    return g * (s + y * (1 - s))


@op(_silu_vjp, floats=True, wide=True, in_ops=True)
def silu(x):
    """x sigmoid(x), also called swish"""
    return x * kernels.sigmoid(x)


def _elu(x, alpha, scale=1.0):
    kind = x.dtype.type
    # expm1 of the negative part only: it would overflow for large positive numbers.
    return np.where(x > 0, kind(scale) * x, kind(scale * alpha) * np.expm1(np.minimum(x, 0)))


@op(
    lambda g, y, x, *, alpha=1.0: np.where(x > 0, g, g * (y + g.dtype.type(alpha))),
    floats=True,
    wide=True,
)
def elu(x, *, alpha=1.0):
    """x above 0, alpha (exp(x) - 1) below"""
    return _elu(x, alpha)


@op(
    lambda g, y, x: np.where(
        x >= 0, g * g.dtype.type(SELU_SCALE), g * (y + g.dtype.type(SELU_SCALE * SELU_ALPHA))
    ),
    floats=True,
    wide=True,
)
def selu(x):
    """scale * elu(x, alpha), with the constants of self-normalising networks"""
    return _elu(x, SELU_ALPHA, SELU_SCALE)


@op(
    lambda g, y, x, *, alpha=1.0: np.where(x > 0, g, g * np.exp(np.minimum(x, 0) / alpha)),
    floats=True,
    wide=True,
)
def celu(x, *, alpha=1.0):
    """max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)"""
    a = x.dtype.type(alpha)
    return np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0) / a)


def _gelu_vjp(g, y, x, *, approximate=False):
    if approximate:
        x2 = ops.square(x)
        t = tanh(x * (x2 * (0.044715 * math.sqrt(2 / math.pi)) + math.sqrt(2 / math.pi)))
        slope = x2 * (3 * 0.044715 * math.sqrt(2 / math.pi)) + math.sqrt(2 / math.pi)
        return g * (0.5 * (1 + t) + 0.5 * (x * (1 - ops.square(t)) * slope))
    density = ops.exp(ops.square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))
    return g * (0.5 * ops.erf(x * math.sqrt(0.5)) + 0.5 + x * density)


@op(_gelu_vjp, floats=True, wide=True, in_ops=True)
def gelu(x, *, approximate=False):
    """x Φ(x), with the normal distribution's Φ by erf, or by tanh if `approximate`"""
    kind = x.dtype.type
    if approximate:
        inner = kind(math.sqrt(2 / math.pi)) * (x + kind(0.044715) * x * x * x)
        return kind(0.5) * x * (1 + np.tanh(inner))
    return kind(0.5) * x * (1 + kernels.erf(x * kind(math.sqrt(0.5))))


def _glu_shape(x, *, axis=-1):
    if x.shape[axis] % 2:
        raise ValueError(f"glu halves axis {axis}, but its size {x.shape[axis]} is odd")
    shape = list(x.shape)
    shape[axis] //= 2
    return tuple(shape)


def _glu_vjp(g, y, x, *, axis=-1):
    a, b = np.split(x, 2, axis=axis)
    s = kernels.sigmoid(b)
    return np.concatenate([g * s, g * a * s * (1 - s)], axis=axis)


@op(_glu_vjp, shape=_glu_shape, floats=True, wide=True)
def glu(x, *, axis=-1):
    """The first half along an axis times the sigmoid of the second"""
    a, b = np.split(x, 2, axis=axis)
    return a * kernels.sigmoid(b)


@op(lambda g, y, x: g * ((x >= -1) & (x <= 1)))
def hard_tanh(x):
    """x clipped to [-1, 1]"""
    return np.minimum(np.maximum(x, -1), 1)


@op(lambda g, y, x: g * ((x > -3) & (x < 3)) / g.dtype.type(6), floats=True)
def hard_sigmoid(x):
    """relu6(x + 3) / 6, as Keras 3 has it"""
    return np.minimum(np.maximum(x + 3, 0), 6) / 6


@op(
    lambda g, y, x: g * ((x > -2.5) & (x < 2.5)) * g.dtype.type(0.2),
    floats=True,
)
def hard_sigmoid_keras2(x):
    """0.2 x + 0.5 clipped to [0, 1]: what Keras 1 and 2 called hard_sigmoid"""
    return np.minimum(np.maximum(x.dtype.type(0.2) * x + x.dtype.type(0.5), 0), 1)


def _hard_silu_vjp(g, y, x):
    inside = (x > -3) & (x < 3)
    return g * (np.minimum(np.maximum(x + 3, 0), 6) + x * inside) / 6


@op(_hard_silu_vjp, floats=True)
def hard_silu(x):
    """x relu6(x + 3) / 6"""
    return x * (np.minimum(np.maximum(x + 3, 0), 6) / 6)


@op(
    lambda g, y, x, *, threshold=0.5: g * (np.abs(x) > threshold),
)
def soft_shrink(x, *, threshold=0.5):
    """x moved towards 0 by `threshold`; 0 within it"""
    t = x.dtype.type(threshold)
    return np.where(x > t, x - t, np.where(x < -t, x + t, x.dtype.type(0)))


@op(lambda g, y, x, *, threshold=0.5: g * (np.abs(x) > threshold))
def hard_shrink(x, *, threshold=0.5):
    """x, but 0 where |x| <= threshold"""
    return np.where(np.abs(x) > threshold, x, x.dtype.type(0))


@op(
    lambda g, y, x, *, threshold, default_value: g * (x > threshold),
)
def threshold(x, *, threshold, default_value):
    """x above `threshold`, else `default_value`"""
    return np.where(x > threshold, x, x.dtype.type(default_value))


@op(
    lambda g, y, x: g * np.where(x <= -1, 0, np.where(x < 1, (x + 1) / 2, 1)),
    floats=True,
)
def sparse_plus(x):
    """0 up to -1, (x + 1)² / 4 up to 1, x above"""
    kind = x.dtype.type
    return np.where(x <= -1, kind(0), np.where(x < 1, kind(0.25) * np.square(x + 1), x))


@op(lambda g, y, x: g * ((x > -1) & (x < 1)) / g.dtype.type(2), floats=True)
def sparse_sigmoid(x):
    """(x + 1) / 2 clipped to [0, 1]"""
    kind = x.dtype.type
    return np.where(x <= -1, kind(0), np.where(x >= 1, kind(1), kind(0.5) * (x + 1)))


def _mish_vjp(g, y, x):
    t, s = np.tanh(kernels.softplus(x)), kernels.sigmoid(x)
    return g * (t + x * s * (1 - t * t))


@op(_mish_vjp, floats=True, wide=True)
def mish(x):
    """x tanh(softplus(x))"""
    return x * np.tanh(kernels.softplus(x))


def _axis(axis):
    return tuple(axis) if isinstance(axis, list) else axis


@op(
    lambda g, y, x, *, axis=-1: y * (g - ops.sum(g * y, axis=axis, keepdims=True)),
    shape=_along_axis,
    floats=True,
    wide=True,
    in_ops=True,
)
def softmax(x, *, axis=-1):
    """exp(x) / Σ exp(x) over an axis, or over several together; None is all.

    Examples
    --------
    >>> softmax(np.array([[0.0, 1000.0]]))
    array([[0., 1.]])
    """
    if x.size == 0:
        return x.copy()
    # The largest number goes to exp(0), so nothing overflows.
    e = np.exp(x - np.max(x, axis=_axis(axis), keepdims=True))
    return e / np.sum(e, axis=_axis(axis), keepdims=True)


@op(
    lambda g, y, x, *, axis=-1: g - ops.exp(y) * ops.sum(g, axis=axis, keepdims=True),
    shape=_along_axis,
    floats=True,
    wide=True,
    in_ops=True,
)
def log_softmax(x, *, axis=-1):
    """log(softmax(x))"""
    if x.size == 0:
        return x.copy()
    x = x - np.max(x, axis=_axis(axis), keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=_axis(axis), keepdims=True))


def _sparsemax(x, axis):
    """The support of Keras's sparsemax and its threshold."""
    z = np.flip(np.sort(x, axis=axis), axis)
    k = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
    k = k.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    total = np.cumsum(z, axis=axis)
    support = z - (total - 1) / k > 0
    size = support.sum(axis=axis, keepdims=True).astype(x.dtype)
    # The paper has the last of these sums; Keras adds them all up (seen in 3.15).
    tau = (np.sum(np.where(support, total, 0), axis=axis, keepdims=True) - 1) / size
    return size, tau


def _sparsemax_vjp(g, y, x, *, axis=-1):
    size, _ = _sparsemax(x, axis)
    rank = np.argsort(np.argsort(-x, axis=axis, kind="stable"), axis=axis, kind="stable")
    # Numbers so large that rounding leaves none in the support: the threshold is infinite.
    below = np.maximum(size, 1)
    share = np.maximum(size - rank, 0) / below  # of the threshold: in how many sums a number is
    g = g * (y > 0)
    return (g - share * np.sum(g, axis=axis, keepdims=True)).astype(x.dtype)


@op(_sparsemax_vjp, shape=_along_axis, floats=True, wide=True)
def sparsemax(x, *, axis=-1):
    """Keras's form of the sparse softmax of Martins and Astudillo (2016)"""
    return np.maximum(x - _sparsemax(x, axis)[1], 0)
