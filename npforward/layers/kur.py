"""What Kur has that no layer of Keras is."""

from __future__ import annotations

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers.convolutional import conv
from npforward.layers.registry import Weight, keep, layer


@layer("Container", mask=keep)
def container(inputs, *, parts):
    """Several layers that count as one: those that Kur makes of one entry of a Kurfile."""
    return parts(inputs)


@layer("LegacyLogSoftmax")
def legacy_log_softmax(inputs, *, parallel=False):
    """x - log Σ exp(x) over the axis that PyTorch took when none was given.

    That is the first one of arrays with one or three axes, which may be the samples.  Where it is
    applied `parallel` to slices of each sample, that first axis would be other samples here.
    """
    first = inputs.ndim in (1, 3)
    if first and parallel:
        raise UnsupportedOption(
            f"PyTorch takes the log-softmax of slices of the shape {inputs.shape[1:]} over all "
            "slices of a sample at once, which is not replayed"
        )
    return ops.log_softmax(inputs, axis=0 if first else 1)


@layer(
    "ChannelwiseConv",
    weights=(
        Weight("kernel", lambda c, x: (*c["kernel_size"], 1, c["filters"])),
        Weight("bias", lambda c, x: (c["filters"],)),
    ),
)
def channelwise_conv(inputs, kernel, bias, *, strides=1, padding="valid"):
    """A convolution of as many groups as its input has channels.  (N, *space, C) -> (..., F)"""
    channels, filters = inputs.shape[-1], kernel.shape[-1]
    if filters % channels:
        raise BadInput(f"{filters} kernels cannot be shared out to {channels} channels")
    return conv(inputs, kernel, bias, strides=strides, padding=padding, groups=channels)
