"""Functions of `keras.ops` that stand as nodes in a file: those that masks and sums are made of.

Keras 3 writes the mask of an Embedding, and what merges make of masks, as such nodes.
"""

from __future__ import annotations

from npforward import ops
from npforward.layers.registry import layer


@layer("ops.NotEqual")
def not_equal(x1, x2):
    """x1 != x2"""
    return ops.not_equal(x1, x2)


@layer("ops.Any")
def any_(x, *, axis=None, keepdims=False):
    """Whether any value over axes is true."""
    return ops.any(x, axis=axis, keepdims=keepdims)


@layer("ops.LogicalOr")
def logical_or(x1, x2):
    """x1 or x2"""
    return ops.logical_or(x1, x2)


@layer("ops.LogicalAnd")
def logical_and(x1, x2):
    """x1 and x2"""
    return ops.logical_and(x1, x2)


@layer("ops.LogicalNot")
def logical_not(x):
    """not x"""
    return ops.logical_not(x)


@layer("ops.OnesLike")
def ones_like(x, dtype=None):
    """Ones in the shape of x."""
    return ops.full(x.shape, 1, dtype or x.dtype)


@layer("ops.ZerosLike")
def zeros_like(x, dtype=None):
    """Zeros in the shape of x."""
    return ops.full(x.shape, 0, dtype or x.dtype)


@layer("ops.ExpandDims")
def expand_dims(x, *, axis):
    """A new axis of size 1, or several."""
    for a in sorted(axis) if isinstance(axis, (list, tuple)) else [axis]:
        x = ops.expand_dims(x, axis=a)
    return x


@layer("ops.Squeeze")
def squeeze(x, *, axis=None):
    """x without axes of size 1."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    gone = {a % x.ndim for a in axes if x.shape[a] == 1}
    return ops.reshape(x, shape=tuple(n for a, n in enumerate(x.shape) if a not in gone))


@layer("ops.Concatenate")
def concatenate(xs, *, axis=0):
    """Arrays joined along an axis."""
    return ops.concatenate(*xs, axis=axis)


@layer("ops.Cast")
def cast(x, *, dtype):
    """x in another dtype."""
    return ops.cast(x, dtype=dtype)


@layer("ops.GetItem")
def get_item(x, key):
    """x[key]"""
    return ops.getitem(x, key=tuple(key) if isinstance(key, list) else key)


@layer("ops.Add")
def add(x1, x2):
    """x1 + x2"""
    return ops.add(x1, x2)


@layer("ops.Subtract")
def subtract(x1, x2):
    """x1 - x2"""
    return ops.subtract(x1, x2)


@layer("ops.Multiply")
def multiply(x1, x2):
    """x1 x2"""
    return ops.multiply(x1, x2)


@layer("ops.Divide", "ops.TrueDivide")
def divide(x1, x2):
    """x1 / x2"""
    return ops.divide(x1, x2)


@layer("ops.Max")
def max_(x, *, axis=None, keepdims=False, initial=None):
    """The largest value over axes."""
    y = ops.max(x, axis=axis, keepdims=keepdims)
    return y if initial is None else ops.maximum(y, initial)


@layer("ops.Mean")
def mean(x, *, axis=None, keepdims=False):
    """The mean over axes."""
    return ops.mean(x, axis=axis, keepdims=keepdims)


@layer("ops.Sum")
def sum_(x, *, axis=None, keepdims=False):
    """The sum over axes."""
    return ops.sum(x, axis=axis, keepdims=keepdims)


@layer("ops.Tanh")
def tanh(x):
    """The hyperbolic tangent."""
    return ops.tanh(x)
