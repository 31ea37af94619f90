"""Dense, and the layers that do nothing at inference."""

from __future__ import annotations

from npforward import ops
from npforward.layers.activations import activate
from npforward.layers.registry import Weight, keep, layer


@layer(
    "Dense",
    weights=(
        Weight("kernel", lambda c, x: (x[-1], c["units"])),
        Weight("bias", lambda c, x: (c["units"],), when="use_bias"),
    ),
    mask=keep,
)
def dense(inputs, kernel, bias=None, *, use_bias=True, activation=None):
    """x W + b over the last axis.  (..., C) -> (..., units)"""
    y = ops.dense(inputs, kernel)
    y = y if bias is None else y + bias
    return activate(y, activation)


@layer(
    "Identity",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    mask=keep,
)
def identity(inputs, *, data_format=None):
    """x itself: these layers act in training only."""
    return inputs


@layer("ActivityRegularization", mask=keep)
def activity_regularization(inputs, *, l1=0.0, l2=0.0):
    """x itself: a penalty is counted in training only."""
    return inputs


@layer("Rescaling", mask=keep)
def rescaling(inputs, *, scale, offset=0, dtype="float32"):
    """x scale + offset"""
    scale, offset = ops.cast(scale, dtype=dtype), ops.cast(offset, dtype=dtype)
    return ops.cast(inputs, dtype=dtype) * scale + offset
