"""Arithmetic of two arrays, broadcast against each other."""

from __future__ import annotations

import numpy as np

from npforward import ops
from npforward.dtypes import arithmetic, exact, floating, known, promote
from npforward.errors import BadInput
from npforward.ops.registry import op


def unbroadcast(g, like):
    """Sum a gradient back to the shape that was broadcast.

    Examples
    --------
    >>> unbroadcast(np.ones((4, 3)), np.ones(3))
    array([4., 4., 4.])
    """
    shape, more = np.shape(like), len(g.shape) - len(np.shape(like))
    stretched = [i for i, n in enumerate(g.shape) if i < more or n != shape[i - more]]
    if not stretched:
        return g
    total = ops.sum(g, axis=tuple(stretched))
    return total if total.shape == shape else ops.reshape(total, shape=shape)


def _binary(to_a, to_b, **rules):
    """An op on two arrays: what its derivatives broadcast is summed back; nothing warns."""

    def summed_back(vjp, i):
        return vjp and (
            lambda g, y, *args: unbroadcast(np.asarray(vjp(g, y, *args)), args[i]).astype(g.dtype)
        )

    def decorate(fn):
        def quiet(a, b):
            with np.errstate(all="ignore"):
                return fn(a, b)

        quiet.__name__, quiet.__doc__ = fn.__name__, fn.__doc__
        return op(summed_back(to_a, 0), summed_back(to_b, 1), **rules)(quiet)

    return decorate


@op(lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: unbroadcast(g, b), in_ops=True)
def add(a, b):
    """a + b"""
    return np.add(a, b)


@op(lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: -unbroadcast(g, b), in_ops=True)
def subtract(a, b):
    """a - b"""
    return np.subtract(a, b)


@op(
    lambda g, y, a, b: unbroadcast(g * b, a),
    lambda g, y, a, b: unbroadcast(g * a, b),
    in_ops=True,
)
def multiply(a, b):
    """a * b"""
    return np.multiply(a, b)


@op(
    lambda g, y, a, b: unbroadcast(g / b, a),
    lambda g, y, a, b: -unbroadcast(g * (y / b), b),
    floats=True,
    in_ops=True,
)
def divide(a, b):
    """a / b"""
    with np.errstate(all="ignore"):
        return np.divide(a, b)


def _unless_zero(a, b):
    return np.where(b == 0, 0, a / np.where(b == 0, 1, b))


@_binary(
    lambda g, y, a, b: _unless_zero(g, b),
    lambda g, y, a, b: -_unless_zero(g * y, b),
    floats=True,
    wide=True,
)
def divide_no_nan(a, b):
    """a / b, and 0 where b is 0"""
    return _unless_zero(a, b).astype(promote(a, b), copy=False)


@_binary(
    lambda g, y, a, b: g * b * np.power(a, b - 1),
    lambda g, y, a, b: g * y * np.where(a > 0, np.log(a), 0),
    wide=True,
)
def power(a, b):
    """a to the power of b"""
    if not floating(promote(a, b)) and np.any(np.less(b, 0)):
        raise BadInput("whole numbers to a negative power are not whole: cast them to floats")
    return np.power(a, b)


# TensorFlow rounds the quotient down; numpy's own function corrects it by the remainder, so that
# 1 // 0.1 is 9.
@_binary(lambda g, y, a, b: g * 0, lambda g, y, a, b: g * 0, wide=True)
def floor_divide(a, b):
    """a / b rounded down"""
    return np.floor(np.divide(a, b)) if floating(promote(a, b)) else np.floor_divide(a, b)


@_binary(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor(a / b), dtype=arithmetic, wide=True)
def mod(a, b):
    """What remains of a divided by b, of the sign of b"""
    return np.mod(a, b)


@_binary(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b), dtype=arithmetic, wide=True)
def fmod(a, b):
    """What remains of a divided by b, of the sign of a"""
    return np.fmod(a, b)


@_binary(
    lambda g, y, a, b: g * (a >= b),
    lambda g, y, a, b: g * ~(a >= b),
)
def maximum(a, b):
    """The larger of a and b; where they are equal, a gets the gradient, as in TensorFlow."""
    return np.maximum(a, b)


@_binary(
    lambda g, y, a, b: g * (a <= b),
    lambda g, y, a, b: g * ~(a <= b),
)
def minimum(a, b):
    """The smaller of a and b; where they are equal, a gets the gradient, as in TensorFlow."""
    return np.minimum(a, b)


@_binary(
    lambda g, y, a, b: g * ((a > b) + 0.5 * (a == b) + np.isnan(b)),
    lambda g, y, a, b: g * ((b > a) + 0.5 * (a == b) + np.isnan(a)),
)
def fmax(a, b):
    """The larger of a and b, the number where one is NaN"""
    return np.fmax(a, b)


@_binary(
    lambda g, y, a, b: g * ((a < b) + 0.5 * (a == b) + np.isnan(b)),
    lambda g, y, a, b: g * ((b < a) + 0.5 * (a == b) + np.isnan(a)),
)
def fmin(a, b):
    """The smaller of a and b, the number where one is NaN"""
    return np.fmin(a, b)


@_binary(
    lambda g, y, a, b: g * b / (a * a + b * b),
    lambda g, y, a, b: -g * a / (a * a + b * b),
    floats=True,
    wide=True,
)
def arctan2(a, b):
    """The angle of the point (b, a), from -π to π"""
    return np.arctan2(a, b)


@_binary(
    lambda g, y, a, b: g * _unless_zero(a, y),
    lambda g, y, a, b: g * _unless_zero(b, y),
    dtype=exact,
    wide=True,
)
def hypot(a, b):
    """√(a² + b²)"""
    return np.hypot(a, b)


@_binary(
    lambda g, y, a, b: g * np.exp(a - y),
    lambda g, y, a, b: g * np.exp(b - y),
    floats=True,
    wide=True,
)
def logaddexp(a, b):
    """log(eᵃ + eᵇ)"""
    return np.logaddexp(a, b)


@_binary(
    lambda g, y, a, b: g * np.exp2(a - y),
    lambda g, y, a, b: g * np.exp2(b - y),
    floats=True,
    wide=True,
)
def logaddexp2(a, b):
    """log₂(2ᵃ + 2ᵇ)"""
    return np.logaddexp2(a, b)


@_binary(
    lambda g, y, a, b: g * 0,
    lambda g, y, a, b: np.where((a < 0) | (a > 0), 0, g),
    dtype=exact,
    wide=True,
)
def heaviside(a, b):
    """0 where a is negative, 1 where it is positive, else b"""
    return np.where(a < 0, 0, np.where(a > 0, 1, b)).astype(exact(a, b), copy=False)


@_binary(lambda g, y, a, b: g * np.exp2(b), None, floats=True, wide=True)
def ldexp(a, n):
    """a · 2ⁿ"""
    return np.where(np.isinf(a) | (a == 0), a, a * np.exp2(n)).astype(promote(a, n), copy=False)


@_binary(lambda g, y, a, b: g, lambda g, y, a, b: g * 0, floats=True)
def nextafter(a, b):
    """The float64 next to a towards b, in the dtype of a"""
    found = promote(a, b)
    return np.nextafter(np.asarray(a, np.float64), np.asarray(b, np.float64)).astype(found)


@_binary(None, None)
def gcd(a, b):
    """The greatest common divisor of whole numbers"""
    return np.gcd(a, b)


@_binary(None, None)
def lcm(a, b):
    """The least common multiple of whole numbers"""
    return np.lcm(a, b)


@_binary(None, None)
def bitwise_and(a, b):
    """The bits that are in both a and b"""
    return np.bitwise_and(a, b)


@_binary(None, None)
def bitwise_or(a, b):
    """The bits that are in a or b"""
    return np.bitwise_or(a, b)


@_binary(None, None)
def bitwise_xor(a, b):
    """The bits that are in one of a and b"""
    return np.bitwise_xor(a, b)


@_binary(None, None)
def left_shift(a, b):
    """The bits of a moved b places up"""
    return np.left_shift(a, b)


@_binary(None, None)
def right_shift(a, b):
    """The bits of a moved b places down, the sign kept"""
    return np.right_shift(a, b)


@op(
    None,
    lambda g, y, c, a, b: unbroadcast(np.where(c, g, 0), a),
    lambda g, y, c, a, b: unbroadcast(np.where(c, 0, g), b),
    dtype=lambda c, a, b: promote(a, b),
)
def where(condition, a, b):
    """a where the condition holds, else b"""
    return np.where(condition, a, b).astype(promote(a, b), copy=False)


@op(
    lambda g, y, x, *, dtype: cast(g, dtype=x.dtype),
    dtype=lambda x, *, dtype: known(dtype),
    in_ops=True,
)
def cast(x, *, dtype):
    """x in another dtype; a value that the dtype cannot hold becomes infinite or wraps"""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(x).astype(known(dtype), copy=False)
