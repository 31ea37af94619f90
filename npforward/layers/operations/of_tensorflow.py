"""Functions of TensorFlow that `keras.ops` has none like: tf.keras's models may hold them."""

from __future__ import annotations

from npforward import ops
from npforward.ops.linalg import transposed


def matmul(a, b, *, transpose_a=False, transpose_b=False):
    return ops.product(transposed(a) if transpose_a else a, transposed(b) if transpose_b else b)


def argmax(x, *, axis=0, dtype="int64"):
    return ops.cast(ops.argmax(x, axis=axis), dtype=dtype)


def argmin(x, *, axis=0, dtype="int64"):
    return ops.cast(ops.argmin(x, axis=axis), dtype=dtype)


def reshape(x, shape):
    if isinstance(shape, (list, tuple)):
        sizes = [ops.cast(ops.as_array(n), dtype="int64") for n in shape]
        shape = ops.stack(sizes) if sizes else ops.constant([], "int64")
    return ops.reshape_to(x, shape)


def shape(x, *, dtype="int32"):
    return ops.cast(ops.as_array(x.shape), dtype=dtype)


def squared_difference(x, y):
    return ops.square(ops.subtract(x, ops.as_array(y)))


def add_n(inputs):
    total, *others = inputs
    for x in others:
        total = ops.add(total, x)
    return total
