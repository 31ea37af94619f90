"""Convolution as cross-correlation of a padded input, for any number of space dimensions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npforward.kernels.registry import kernel

# Bytes of receptive fields laid out at a time: more than this, and every block is fresh memory
# that the system must first clear.
BLOCK = 4 * 2**20


def windows(x, size, strides, dilation):
    """View of every receptive field.  (N, *space, C) -> (N, *out, *size, C)

    Examples
    --------
    >>> x = np.arange(4.0).reshape(1, 4, 1)
    >>> windows(x, (2,), (1,), (1,))[0, :, :, 0]
    array([[0., 1.],
           [1., 2.],
           [2., 3.]])
    """
    n = len(size)
    reach = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(1, n + 1)))
    at = (
        slice(None),
        *(slice(None, None, s) for s in strides),
        slice(None),
        *(slice(None, None, d) for d in dilation),
    )
    return np.moveaxis(view[at], n + 1, -1)


def tap_slices(tap, strides, dilation, out):
    """Where a kernel tap meets its input: one slice per space dimension."""
    return tuple(
        slice(t * d, t * d + s * (m - 1) + 1, s)
        for t, s, d, m in zip(tap, strides, dilation, out, strict=True)
    )


def _blocks(shape, nbytes) -> Iterator[tuple[slice, slice]]:
    """Parts of (N, first space axis) whose rows of `nbytes` each fit a block."""
    n, rows = shape[:2]
    fit = max(1, BLOCK // max(1, nbytes))
    if fit >= rows:
        step = max(1, fit // max(1, rows))
        for b in range(0, n, step):
            yield slice(b, b + step), slice(None)
    else:
        for b in range(n):
            for r in range(0, rows, fit):
                yield slice(b, b + 1), slice(r, r + fit)


@kernel
def conv(x, w, *, strides, dilation, groups=1):
    """Valid cross-correlation.  (N, *space, C), (*size, C / groups, F) -> (N, *out, F)"""
    size, (c, f) = w.shape[:-2], w.shape[-2:]
    if c == 1 and f == groups > 1:  # the product of a matrix and one column for every channel
        return depthwise_conv(x, w.reshape(*size, f, 1), strides=strides, dilation=dilation)
    v = windows(x, size, strides, dilation)  # (N, *out, *size, C)
    n = len(size)
    out = v.shape[: n + 1]
    y = np.empty((*out, f), x.dtype)
    taps = int(np.prod(size))
    row = int(np.prod(out[2:])) * taps * c * groups * x.itemsize
    w = w.reshape(taps * c, groups, f // groups).transpose(
        1, 0, 2
    )  # (groups, taps * C / groups, F / groups)
    for at in _blocks(out, row):
        part = v[at].reshape(-1, taps, groups, c)
        if groups == 1:
            np.matmul(part.reshape(-1, taps * c), w[0], out=y[at].reshape(-1, f))
        else:
            part = part.transpose(2, 0, 1, 3).reshape(groups, -1, taps * c)
            y[at] = (part @ w).transpose(1, 0, 2).reshape(y[at].shape)
    return y


@kernel
def conv_dx(g, w, *, shape, strides, dilation, groups=1):
    """Put each output error back where its input came from.  (N, *out, F) -> (N, *space, C)

    Also the transposed convolution.
    """
    dx = np.zeros(shape, g.dtype)
    size, (c, f) = w.shape[:-2], w.shape[-2:]
    out = g.shape[1:-1]
    if c == 1 and f == groups:  # each channel on its own: products of numbers, not of matrices
        for tap in np.ndindex(size):
            dx[(slice(None), *tap_slices(tap, strides, dilation, out))] += g * w[tap][0]
        return dx
    g = g.reshape(-1, groups, f // groups).transpose(1, 0, 2)  # (groups, N * out, F / groups)
    for tap in np.ndindex(size):
        m = w[tap].reshape(c, groups, f // groups).transpose(1, 2, 0)
        part = (g @ m).transpose(1, 0, 2).reshape(shape[0], *out, shape[-1])
        dx[(slice(None), *tap_slices(tap, strides, dilation, out))] += part
    return dx


@kernel
def conv_dw(x, g, *, size, strides, dilation, groups=1):
    """Which inputs met which output errors.  -> (*size, C / groups, F)"""
    c, f = x.shape[-1] // groups, g.shape[-1]
    dw = np.empty((*size, c, f), g.dtype)
    out = g.shape[1:-1]
    g = g.reshape(-1, groups, f // groups).transpose(1, 0, 2)
    for tap in np.ndindex(*size):
        met = x[(slice(None), *tap_slices(tap, strides, dilation, out))]
        met = met.reshape(-1, groups, c).transpose(1, 2, 0)
        dw[tap] = (met @ g).transpose(1, 0, 2).reshape(c, f)
    return dw


@kernel
def depthwise_conv(x, w, *, strides, dilation):
    """Each channel with its own kernels.  (N, *space, C), (*size, C, M) -> (N, *out, C * M)"""
    size, (c, m) = w.shape[:-2], w.shape[-2:]
    if c and m > 1:  # the sums below would run over m numbers at a time
        w = w.reshape(*size, 1, c * m)
        return conv(x, w, strides=strides, dilation=dilation, groups=c)
    out = windows(x, size, strides, dilation).shape[: len(size) + 1]
    y = np.zeros((*out, c * m), x.dtype)
    for tap in np.ndindex(size):
        met = x[(slice(None), *tap_slices(tap, strides, dilation, out[1:]))]
        y += met * w[tap].reshape(-1)
    return y
