"""Layers of several inputs."""

from __future__ import annotations

import functools

from npforward import ops
from npforward.errors import BadInput
from npforward.layers.registry import layer


def _aligned(inputs, count=None):
    """The inputs with axes of size 1 put in after the batch until all have the same rank."""
    if not isinstance(inputs, (list, tuple)) or (count and len(inputs) != count):
        found = len(inputs) if isinstance(inputs, (list, tuple)) else "no list of them"
        raise BadInput(f"expected {count or 'a list of'} inputs, got {found}")
    rank = max(x.ndim for x in inputs)
    return [
        ops.reshape(x, shape=(x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:]))
        if x.ndim < rank
        else x
        for x in inputs
    ]


def _either(config, inputs, masks):
    """A place counts if it does in any input; without a mask for every input there is none.

    In files of Keras 2, if it does in all inputs that have a mask.
    """
    given = [m for m in masks if m is not None] if isinstance(masks, (list, tuple)) else []
    if config.get("masks") == "all":
        return functools.reduce(ops.logical_and, given) if given else None
    return functools.reduce(ops.logical_or, given) if given and len(given) == len(masks) else None


@layer("Add", mask=_either)
def add(inputs):
    """The sum of the inputs."""
    return functools.reduce(ops.add, _aligned(inputs))


@layer("Subtract", mask=_either)
def subtract(inputs):
    """The first input less the second."""
    return ops.subtract(*_aligned(inputs, 2))


@layer("Multiply", mask=_either, implicit=("mask",))
def multiply(inputs, mask=None, *, masks=None):
    """The product of the inputs.

    In Keras 3, masked places of an input count as 1; where all inputs are masked the answer is 0.
    """
    given = mask if isinstance(mask, (list, tuple)) and masks != "all" else [None] * len(inputs)
    seen = [None if m is None else ops.expand_dims(m, axis=-1) for m in given]
    xs = [
        x if s is None or s.ndim != x.ndim else ops.where(s, x, 1)
        for x, s in zip(_aligned(inputs), seen, strict=True)
    ]
    y = functools.reduce(ops.multiply, xs)
    if any(s is None or s.ndim != y.ndim for s in seen):
        return y
    return ops.where(functools.reduce(ops.logical_or, seen), y, 0)


@layer("Average", mask=_either)
def average(inputs):
    """The mean of the inputs."""
    return functools.reduce(ops.add, _aligned(inputs)) / len(inputs)


@layer("Maximum", mask=_either)
def maximum(inputs):
    """The largest of the inputs."""
    return functools.reduce(ops.maximum, _aligned(inputs))


@layer("Minimum", mask=_either)
def minimum(inputs):
    """The smallest of the inputs."""
    return functools.reduce(ops.minimum, _aligned(inputs))


def _joined(config, inputs, masks):
    """The masks joined as the inputs are; one that is missing lets everything through."""
    if not isinstance(masks, (list, tuple)) or all(m is None for m in masks):
        return None
    given, strict = [m for m in masks if m is not None], config.get("masks") == "all"
    axis = config.get("axis", -1) % inputs[0].ndim
    if all(m.ndim == inputs[0].ndim - 1 for m in given):  # one number for all channels
        if axis < inputs[0].ndim - 1 and len(given) == len(masks):
            return ops.concatenate(*given, axis=axis)
        if axis == inputs[0].ndim - 1 and (strict or len(given) == len(masks)):
            return functools.reduce(ops.logical_and if strict else ops.logical_or, given)
    whole = []
    for x, mask in zip(inputs, masks, strict=True):
        if mask is None:
            mask = ops.full(x.shape, True, bool)
        elif mask.ndim < x.ndim:
            mask = ops.logical_or(ops.expand_dims(mask, axis=-1), ops.full(x.shape, False, bool))
        whole.append(mask)
    joined = ops.concatenate(*whole, axis=axis)
    if strict:
        return ops.logical_not(ops.any(ops.logical_not(joined), axis=-1))
    return ops.any(joined, axis=-1)


@layer("Concatenate", mask=_joined)
def concatenate(inputs, *, axis=-1):
    """The inputs joined along an axis."""
    if not isinstance(inputs, (list, tuple)):
        raise BadInput("expected a list of inputs, got one")
    return ops.concatenate(*inputs, axis=axis)


def _unit(x, axis):
    """x scaled to length 1 along an axis."""
    length = ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))
    return x / ops.maximum(length, 1e-7)


@layer("Dot")
def dot(inputs, *, axes, normalize=False):
    """The sum of products along one axis of each input, sample by sample; or the cosine."""
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        raise BadInput("expected a list of 2 inputs")
    a, b = inputs
    i, j = axes if isinstance(axes, (list, tuple)) else (axes, axes)
    i, j = i % a.ndim, j % b.ndim
    if not (i and j) or a.shape[i] != b.shape[j] or a.shape[0] != b.shape[0]:
        raise BadInput(f"axes {axes} of inputs of the shapes {a.shape} and {b.shape} do not match")
    if normalize:
        a, b = _unit(a, i), _unit(b, j)
    # (N, *, K) and (N, K, *), the others squashed into one axis each
    rest_a = [n for n in range(1, a.ndim) if n != i]
    rest_b = [n for n in range(1, b.ndim) if n != j]
    left = ops.reshape(ops.transpose(a, axes=(0, *rest_a, i)), shape=_squashed(a, rest_a, i, False))
    right = ops.reshape(ops.transpose(b, axes=(0, j, *rest_b)), shape=_squashed(b, rest_b, j, True))
    shape = (a.shape[0], *(a.shape[n] for n in rest_a), *(b.shape[n] for n in rest_b))
    y = ops.matmul(left, right)
    return ops.reshape(y, shape=shape if len(shape) > 1 else (a.shape[0], 1))


def _squashed(x, rest, summed, summed_first):
    size = functools.reduce(lambda m, n: m * x.shape[n], rest, 1)
    pair = (x.shape[summed], size) if summed_first else (size, x.shape[summed])
    return (x.shape[0], *pair)
