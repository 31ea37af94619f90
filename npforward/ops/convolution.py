"""Convolution: value and derivatives on one screen.  Padding is the layer's job."""

from __future__ import annotations

from npforward import kernels
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
    lambda g, y, x, w, **o: kernels.conv_dx(g, w, shape=x.shape, **o),
    lambda g, y, x, w, **o: kernels.conv_dw(x, g, size=w.shape[:-2], **o),
    shape=_conv_shape,
    floats=True,
    wide=True,
)
def conv(x, w, *, strides, dilation, groups=1):
    """Cross-correlate x with w.  (N, *space, C), (*size, C / groups, F) -> (N, *out, F)"""
    return kernels.conv(x, w, strides=strides, dilation=dilation, groups=groups)


@op(
    lambda g, y, x, w, *, shape, **o: kernels.conv(g, w, **o),
    lambda g, y, x, w, *, shape, **o: kernels.conv_dw(g, x, size=w.shape[:-2], **o),
    shape=lambda x, w, *, shape, strides, dilation: shape,
    floats=True,
    wide=True,
)
def conv_transpose(x, w, *, shape, strides, dilation):
    """The gradient of `conv` for its input.  (N, *in, C), (*size, F, C) -> (N, *space, F)"""
    return kernels.conv_dx(x, w, shape=shape, strides=strides, dilation=dilation)


def _as_grouped(w):
    """A depthwise kernel as that of a convolution in groups of one channel."""
    return w.reshape(*w.shape[:-2], 1, -1)


def _depthwise_dx(g, y, x, w, **o):
    return kernels.conv_dx(g, _as_grouped(w), shape=x.shape, groups=x.shape[-1], **o)


def _depthwise_dw(g, y, x, w, **o):
    dw = kernels.conv_dw(x, g, size=w.shape[:-2], groups=x.shape[-1], **o)
    return dw.reshape(w.shape)


@op(
    _depthwise_dx,
    _depthwise_dw,
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
