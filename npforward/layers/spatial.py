"""What layers over space share: where channels are, and what padding means."""

from __future__ import annotations

from npforward import ops
from npforward.layers.registry import one_of


def channels_last(x, data_format):
    """The input with its channels as the last axis."""
    if one_of("data_format", data_format, None, "channels_last", "channels_first") != (
        "channels_first"
    ):
        return x
    return ops.transpose(x, axes=(0, *range(2, x.ndim), 1))  # (N, C, *space) -> (N, *space, C)


def channels_restored(y, data_format):
    """The inverse of `channels_last`."""
    if data_format != "channels_first":
        return y
    return ops.transpose(y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1)))


def borders(x, size, strides, dilation, padding):
    """The padding (before, after) of each axis of (N, *space, C).

    "same" makes the output ceil(n / stride) long and puts the odd one after; "causal" pads before.
    "theano>same" makes it as long and puts k // 2 before, whatever the stride; "full" lets every
    part of the kernel meet every value.  "torch>same" puts as much before as after, and so is as
    long for odd kernels alone.
    """
    axes = zip(x.shape[1:-1], size, strides, dilation, strict=True)
    return ((0, 0), *(_border(n, (k - 1) * d + 1, s, padding) for n, k, s, d in axes), (0, 0))


def _border(n, k, s, padding):
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return k - 1, 0
    if padding == "full":
        return k - 1, k - 1
    if padding == "torch>same":
        return (k - 1) // 2, (k - 1) // 2
    total = max((-(-n // s) - 1) * s + k - n, 0)
    before = k // 2 if padding == "theano>same" else total // 2
    return before, max(total - before, 0)
