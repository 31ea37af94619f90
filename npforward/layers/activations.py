"""Activation functions as layers, and what the word in `activation="relu"` means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npforward import ops
from npforward.errors import UnsupportedOption, nearest
from npforward.inner import tap
from npforward.layers.registry import HOW, Weight, keep, layer

# Keras's names; most are the op's own.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    name: getattr(ops, name)
    for name in """relu leaky_relu relu6 softmax celu elu selu softplus softsign squareplus
    soft_shrink sparse_plus silu gelu glu tanh tanh_shrink sigmoid sparse_sigmoid hard_sigmoid
    hard_silu hard_tanh hard_shrink mish log_softmax log_sigmoid sparsemax""".split()
}
ACTIVATIONS |= {
    "linear": ops.identity,
    "exponential": ops.exp,
    "swish": ops.silu,
    "hard_swish": ops.hard_silu,
    "keras2>hard_sigmoid": ops.hard_sigmoid_keras2,
}


def get(activation: Any) -> Callable[..., Any]:
    """The function behind a config's `activation`: a name, None, or a layer already bound.

    Examples
    --------
    >>> import numpy as np
    >>> get("relu")(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if callable(activation):
        return activation
    if isinstance(activation, str) and ">" in activation and activation not in ACTIVATIONS:
        raise UnsupportedOption(
            f"activation {activation!r} is Python code, which is never taken from a file. {HOW}"
        )
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise UnsupportedOption(
            f"activation {activation!r} is not known. {nearest(str(activation), ACTIVATIONS)}"
        )
    return ACTIVATIONS[activation]


def activate(y: Any, activation: Any) -> Any:
    """Apply `activation`; what goes into it is the inner value "pre"."""
    if activation in (None, "linear"):
        return y
    return get(activation)(tap("pre", y))


@layer("Activation", mask=keep)
def activation(inputs, *, activation):
    """Apply a function to each number."""
    return get(activation)(inputs)


@layer("ReLU", mask=keep)
def relu(inputs, *, max_value=None, negative_slope=0.0, threshold=0.0):
    """max(x, 0), with a slope below `threshold` and a cap at `max_value`."""
    return ops.relu(inputs, negative_slope=negative_slope, max_value=max_value, threshold=threshold)


@layer("LeakyReLU", mask=keep)
def leaky_relu(inputs, *, negative_slope=0.3):
    """x above 0, negative_slope * x below."""
    return ops.leaky_relu(inputs, negative_slope=negative_slope)


def _alpha_shape(config, shape):
    shared = config.get("shared_axes") or ()
    return tuple(1 if i + 1 in shared else n for i, n in enumerate(shape[1:]))


@layer("PReLU", weights=(Weight("alpha", _alpha_shape),), mask=keep)
def prelu(inputs, alpha, *, shared_axes=None):
    """x above 0, a learnt alpha * x below."""
    return ops.relu(inputs) - alpha * ops.relu(-inputs)


@layer("ELU", mask=keep)
def elu(inputs, *, alpha=1.0):
    """x above 0, alpha (exp(x) - 1) below."""
    return ops.elu(inputs, alpha=alpha)


@layer("Softmax", mask=keep)
def softmax(inputs, mask=None, *, axis=-1, masked=True):
    """exp(x) / Σ exp(x); where `mask` is false the answer is 0, which older Keras did not know."""
    if mask is None or not masked:
        return ops.softmax(inputs, axis=axis)
    if mask.dtype != bool:
        mask = mask > 0.5
    # Keras's own large number: infinity would give NaN where everything is masked.
    lowest = -3e4 if inputs.dtype == "float16" else -1e9
    return ops.where(mask, ops.softmax(ops.where(mask, inputs, lowest), axis=axis), 0.0)
