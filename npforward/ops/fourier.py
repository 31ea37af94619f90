"""Pieces of signals, their Fourier transforms, and the scale on which ears hear."""

from __future__ import annotations

import numpy as np

from npforward.limits import room
from npforward.ops.registry import op


def reflected(n, before, after):
    """Where in n numbers to look for them with a border that mirrors them at their ends.

    Examples
    --------
    >>> reflected(4, 2, 1)
    array([2, 1, 0, 1, 2, 3, 2])
    """
    return np.pad(np.arange(n), (before, after), mode="reflect")


def window(name, n):
    """A window of n weights by Keras's name for it.

    Periodic if n is even and symmetric if it is odd, as TensorFlow's are, though asked for
    periodic ones (seen in 2.21).

    Examples
    --------
    >>> window("hann", 4)
    array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    a = {"hann": 0.5, "hamming": 0.54}[name]
    if n == 1:
        return np.ones(1, np.float32)
    turns = 2 * np.pi * np.arange(n) / (n - n % 2)
    return (a - (1 - a) * np.cos(turns)).astype(np.float32)


def _frames(x, *, length, step):
    if x.shape[-1] < length:
        raise ValueError(f"a signal of {x.shape[-1]} numbers has no piece of {length}")
    return (*x.shape[:-1], (x.shape[-1] - length) // step + 1, length)


def _frames_vjp(g, y, x, *, length, step):
    dx = np.zeros(x.shape, g.dtype)
    for t in range(g.shape[-2]):
        dx[..., t * step : t * step + length] += g[..., t, :]
    return dx


@op(_frames_vjp, shape=_frames)
def frames(x, *, length, step):
    """Pieces of a signal, each `step` after the one before.  (..., T) -> (..., frames, length)"""
    return np.lib.stride_tricks.sliding_window_view(x, length, axis=-1)[..., ::step, :]


def _spectrum(x, *, n=None):
    return [(*x.shape[:-1], (n or x.shape[-1]) // 2 + 1)] * 2


def _rfft_vjp(g, y, x, *, n=None):
    n = n or x.shape[-1]
    spectrum = np.zeros((*x.shape[:-1], n), np.result_type(g[0].dtype, np.complex64))
    spectrum[..., : n // 2 + 1] = g[0] + 1j * g[1]
    dx = (np.fft.ifft(spectrum, axis=-1).real * n).astype(g[0].dtype)
    dx = dx[..., : x.shape[-1]]  # numbers beyond n had no part in it
    missing = x.shape[-1] - dx.shape[-1]
    return np.pad(dx, [*[(0, 0)] * (x.ndim - 1), (0, missing)])


@op(_rfft_vjp, shape=_spectrum, floats=True, wide=True)
def rfft(x, *, n=None):
    """The half of the Fourier transform that says it all for real numbers: (real, imaginary).

    The last axis is cut, or filled with zeros, to n.  (..., T) -> 2 of (..., n // 2 + 1)
    """
    y = np.fft.rfft(x, n)
    return y.real.astype(x.dtype, copy=False), y.imag.astype(x.dtype, copy=False)


def mel_weights(frequencies, bins, *, sampling_rate, low, high):
    """How much each frequency up to half of the sampling rate counts in each of the mel bins.

    Triangles that overlap by half and are equally wide on the mel scale.  -> (frequencies, bins)

    Examples
    --------
    >>> mel_weights(5, 2, sampling_rate=8000, low=0.0, high=4000.0).round(2)
    array([[0.  , 0.  ],
           [0.6 , 0.4 ],
           [0.  , 0.87],
           [0.  , 0.38],
           [0.  , 0.  ]], dtype=float32)
    """
    f = np.float32  # as Keras: a narrow triangle shows the rounding
    rate, low, high = f(sampling_rate), f(low), f(high)
    heard = _mel(_evenly(f(0), rate / f(2), frequencies)[1:])[:, None]  # nothing hears 0 Hz
    room(frequencies, bins)
    edges = _evenly(_mel(low), _mel(high), bins + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (heard - left) / (centre - left), (right - heard) / (right - centre)
    return np.pad(np.maximum(f(0), np.minimum(rising, falling)), ((1, 0), (0, 0)))


def _mel(hertz):
    return np.float32(1127) * np.log(np.float32(1) + hertz / np.float32(700))


def _evenly(start, stop, n):
    """`n` float32 numbers from `start` to `stop`."""
    room(n)
    y = start + np.arange(n, dtype=np.float32) * ((stop - start) / np.float32(n - 1))
    y[-1] = stop
    return y
