"""Convolution: value and derivatives on one screen.  Padding is the layer's job."""

from __future__ import annotations

from npforward import kernels, ops
from npforward.ops.registry import op


def _out(x, size, strides, dilation):
    space = zip(x.shape[1:-1], size, strides, dilation, strict=True)
    out = tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in space)
    if min(out) < 1:
        raise ValueError(f"a kernel of {tuple(size)} does not fit into {x.shape[1:-1]}")
    return out


def _conv_shape(x, w, *, strides, dilation, groups=1):
    if x.shape[-1] != w.shape[-2] * groups:
        raise ValueError(
            f"an input with {x.shape[-1]} channels meets a kernel for {w.shape[-2]} x {groups}"
        )
    return (x.shape[0], *_out(x, w.shape[:-2], strides, dilation), w.shape[-1])


@op(
    lambda g, y, x, w, **o: conv_transpose(g, w, shape=x.shape, **o),
    lambda g, y, x, w, **o: conv_dw(x, g, size=w.shape[:-2], **o),
    shape=_conv_shape,
    floats=True,
    wide=True,
    in_ops=True,
)
def conv(x, w, *, strides, dilation, groups=1):
    """Cross-correlate x with w.  (N, *space, C), (*size, C / groups, F) -> (N, *out, F)"""
    return kernels.conv(x, w, strides=strides, dilation=dilation, groups=groups)


@op(
    lambda g, y, x, w, *, shape, **o: conv(g, w, **o),
    lambda g, y, x, w, *, shape, **o: conv_dw(g, x, size=w.shape[:-2], **o),
    shape=lambda x, w, *, shape, strides, dilation, groups=1: shape,
    floats=True,
    wide=True,
    in_ops=True,
)
def conv_transpose(x, w, *, shape, strides, dilation, groups=1):
    """The gradient of `conv` for its input.

    (N, *in, C), (*size, F / groups, C) -> (N, *space, F)
    """
    return kernels.conv_dx(x, w, shape=shape, strides=strides, dilation=dilation, groups=groups)


@op(
    lambda d, y, x, g, *, size, **o: conv_transpose(g, d, shape=x.shape, **o),
    lambda d, y, x, g, *, size, **o: conv(x, d, **o),
    shape=lambda x, g, *, size, strides, dilation, groups=1: (
        *size, x.shape[-1] // groups, g.shape[-1]
    ),
    floats=True,
    wide=True,
    in_ops=True,
)  # fmt: skip
def conv_dw(x, g, *, size, strides, dilation, groups=1):
    """The gradient of `conv` for its kernel.

    (N, *space, C), (N, *out, F) -> (*size, C / groups, F)
    """
    return kernels.conv_dw(x, g, size=size, strides=strides, dilation=dilation, groups=groups)


def _depthwise_dx(g, y, x, w, **o):
    if w.shape[-1] == 1 and set(o["strides"]) == {1}:
        # The same op again: the kernels turned round, over a border as wide as they reach.
        reach = [(k - 1) * d for k, d in zip(w.shape, o["dilation"], strict=False)]
        turned = ops.flip(w, axis=tuple(range(len(reach))))
        widths = ((0, 0), *((n, n) for n in reach), (0, 0))
        return depthwise_conv(ops.pad(g, widths=widths), turned, **o)
    # As a convolution in groups of one channel.
    grouped = ops.reshape(w, shape=(*w.shape[:-2], 1, w.shape[-2] * w.shape[-1]))
    return conv_transpose(g, grouped, shape=x.shape, groups=x.shape[-1], **o)


def _depthwise_dw(g, y, x, w, **o):
    dw = conv_dw(x, g, size=w.shape[:-2], groups=x.shape[-1], **o)
    return ops.reshape(dw, shape=w.shape)


@op(
    _depthwise_dx,
    _depthwise_dw,
    in_ops=True,
    shape=lambda x, w, *, strides, dilation: (
        *_conv_shape(x, w, strides=strides, dilation=dilation)[:-1],
        w.shape[-2] * w.shape[-1],
    ),
    floats=True,
    wide=True,
)
def depthwise_conv(x, w, *, strides, dilation):
    """Each channel with its own kernels.  (N, *space, C), (*size, C, M) -> (N, *out, C * M)"""
    return kernels.depthwise_conv(x, w, strides=strides, dilation=dilation)
