"""Layers that models of `keras.applications` are made of and `keras.layers` lacks."""

from __future__ import annotations

from npforward.errors import BadInput
from npforward.layers.registry import Weight, layer


@layer("LayerScale", weights=(Weight("gamma", lambda c, x: (c["projection_dim"],)),))
def layer_scale(x, gamma):
    """γ x, channel by channel: ConvNeXt's.

    H. Touvron et al., Going Deeper with Image Transformers (2021).
    """
    return x * gamma


@layer("CustomScaleLayer")
def custom_scale(inputs, *, scale):
    """The first input and `scale` times the second: Inception-ResNet's."""
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        raise BadInput("expected a list of 2 inputs")
    return inputs[0] + inputs[1] * scale
