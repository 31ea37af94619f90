"""How far predictions are from their targets."""

from __future__ import annotations

import math

from npforward import ops
from npforward.errors import UnsupportedOption
from npforward.tape import Var

EPSILON = 1e-7  # Keras's own: keeps logarithms of probabilities finite


def logits_of(output, from_logits):
    """The logits that `output` is, or was made of: Keras remembers those of softmax and sigmoid."""
    steps = output.tape.steps if isinstance(output, Var) else ()
    made = next((step for step in reversed(steps) if step.out is output), None)
    if made is not None and made.op.fn.__name__ in ("softmax", "sigmoid"):
        return made.args[0]
    return output if from_logits else None


def _clipped(output):
    return ops.minimum(ops.maximum(output, EPSILON), 1 - EPSILON)


def _alike(target, output):
    if target.shape != output.shape:
        raise ValueError(f"targets of shape {target.shape} for an output of shape {output.shape}")


def binary_crossentropy(target, output, *, from_logits=False):
    """-t ops.log(p) - (1 - t) ops.log(1 - p) of each number."""
    _alike(target, output)
    logits = logits_of(output, from_logits)
    if logits is not None:
        # softplus(x) - x is 0 for a large x, where -log p is small but not that.
        return target * ops.softplus(-logits) + (1 - target) * ops.softplus(logits)
    p = _clipped(output)
    return -(target * ops.log(p) + (1 - target) * ops.log(1 - p))


def categorical_crossentropy(target, output, *, from_logits=False, axis=-1):
    """-Σ t ops.log(p) over the classes."""
    _alike(target, output)
    logits = logits_of(output, from_logits)
    if logits is not None:
        return -ops.sum(target * ops.log_softmax(logits, axis=axis), axis=axis)
    p = _clipped(output / ops.sum(output, axis=axis, keepdims=True))
    return -ops.sum(target * ops.log(p), axis=axis)


def sparse_categorical_crossentropy(target, output, *, from_logits=False, axis=-1):
    """-ops.log(p) of the class that the target says."""
    if axis not in (-1, output.ndim - 1):
        raise UnsupportedOption(f"axis={axis}, expected the last one, as in Keras on TensorFlow")
    logits = logits_of(output, from_logits)
    target = ops.cast(target, dtype="int64")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = ops.squeeze(target, axis=-1)
    if target.shape != output.shape[:-1]:
        raise ValueError(f"targets of shape {target.shape} for an output of shape {output.shape}")
    scores = ops.log_softmax(ops.log(_clipped(output)) if logits is None else logits)
    found = ops.take_along_axis(scores, ops.expand_dims(target, axis=-1), axis=-1)
    return -ops.squeeze(found, axis=-1)


def psnr(x1, x2, *, max_val):
    """The peak signal-to-noise ratio in decibels."""
    _alike(x1, x2)
    error = ops.mean(ops.square(x1 - x2))
    return 20 * math.log10(max_val) - ops.log(error) * (10 / math.log(10))
