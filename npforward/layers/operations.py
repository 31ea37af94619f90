"""The operations of `keras.ops` that stand as nodes in a file: one table, by their Keras classes.

What they compute is in `npforward.ops`.  An adapter stands here only where Keras puts the same
thing otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from npforward import ops
from npforward.layers.registry import layer


def _of_list(function):
    """For operations that take one list of arrays, where ours takes them one by one."""

    def operation(xs, *, axis=0):
        return function(*xs, axis=axis)

    return operation


def _filled(value):
    def operation(x, *, dtype=None):
        return ops.full(x.shape, value, dtype or x.dtype)

    return operation


def _expand_dims(x, *, axis):
    for a in sorted(axis) if isinstance(axis, (list, tuple)) else [axis]:
        x = ops.expand_dims(x, axis=a)
    return x


def _get_item(x, key):
    return ops.getitem(x, key=tuple(key) if isinstance(key, list) else key)


def _max(x, *, axis=None, keepdims=False, initial=None):
    y = ops.max(x, axis=axis, keepdims=keepdims)
    return y if initial is None else ops.maximum(y, initial)


OPERATIONS: dict[str, Callable[..., Any]] = {
    # keras.ops.numpy
    "Absolute": ops.absolute,
    "Add": ops.add,
    "Any": ops.any,
    "Concatenate": _of_list(ops.concatenate),
    "Divide": ops.divide,
    "ExpandDims": _expand_dims,
    "GetItem": _get_item,
    "LogicalAnd": ops.logical_and,
    "LogicalNot": ops.logical_not,
    "LogicalOr": ops.logical_or,
    "Max": _max,
    "Mean": ops.mean,
    "Multiply": ops.multiply,
    "Nonzero": ops.nonzero,
    "NotEqual": ops.not_equal,
    "OnesLike": _filled(1),
    "Squeeze": ops.squeeze,
    "Subtract": ops.subtract,
    "Sum": ops.sum,
    "Tanh": ops.tanh,
    "TrueDivide": ops.divide,
    "ZerosLike": _filled(0),
    # keras.ops.nn
    # keras.ops.math
    # keras.ops.core
    "Cast": ops.cast,
    # keras.ops.linalg
    # keras.ops.image
}
# By the names of Keras's functions: "logical_and".
FUNCTIONS = {
    re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): function
    for name, function in OPERATIONS.items()
}
for _name, _function in OPERATIONS.items():
    layer(f"ops.{_name}", policy=False)(_function)
