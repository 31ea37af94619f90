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
    "theano>same" has as long an output, but its windows begin as Theano's do.
    """
    pairs = []
    for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation, strict=True):
        k = (k - 1) * d + 1
        if padding == "valid":
            total, before = 0, 0
        elif padding == "causal":
            total, before = k - 1, k - 1
        elif padding == "theano>same":
            before = k // 2
            total = max((-(-n // s) - 1) * s + k - n, before)
        else:
            total = max((-(-n // s) - 1) * s + k - n, 0)
            before = total // 2
        pairs.append((before, total - before))
    return ((0, 0), *pairs, (0, 0))
