"""Fourier transforms of complex numbers, which Keras has as pairs (real, imaginary)."""

from __future__ import annotations

import numpy as np

from npforward import ops
from npforward.limits import room
from npforward.ops.registry import op


def _pair(real, imaginary, **options):
    if real.shape != imaginary.shape:
        raise ValueError(f"real and imaginary parts of shapes {real.shape} and {imaginary.shape}")
    return [real.shape] * 2


def _parts(z, like):
    return z.real.astype(like.dtype, copy=False), z.imag.astype(like.dtype, copy=False)


def _fourier_vjp(i, g, y, real, imaginary, *, axes, inverse=False):
    z, n = g[0] + 1j * g[1], np.prod([real.shape[a] for a in axes])
    dx = np.fft.fftn(z, axes=axes) / n if inverse else np.fft.ifftn(z, axes=axes) * n
    return _parts(dx, real)[i]


@op(each=_fourier_vjp, shape=_pair, floats=True, wide=True)
def fourier(real, imaginary, *, axes, inverse=False):
    """The Fourier transform over axes, or its inverse: (real, imaginary)."""
    transform = np.fft.ifftn if inverse else np.fft.fftn
    return _parts(transform(real + 1j * imaginary, axes=axes), real)


def _signal_shape(real, imaginary, *, n=None):
    _pair(real, imaginary)
    return (*real.shape[:-1], 2 * (real.shape[-1] - 1) if n is None else n)


def _irfft_vjp(i, g, y, real, imaginary, *, n=None):
    n = y.shape[-1]
    z = np.fft.rfft(g, axis=-1) / n
    z[..., 1 : (n + 1) // 2] *= 2  # these stand for their mirror images too
    z = z[..., : real.shape[-1]]
    missing = real.shape[-1] - z.shape[-1]
    return _parts(np.pad(z, [*[(0, 0)] * (real.ndim - 1), (0, missing)]), real)[i]


@op(each=_irfft_vjp, shape=_signal_shape, floats=True, wide=True)
def irfft(real, imaginary, *, n=None):
    """The n real numbers of which this is the half of the Fourier transform."""
    n = _signal_shape(real, imaginary, n=n)[-1]
    return np.fft.irfft(real + 1j * imaginary, n).astype(real.dtype, copy=False)


def stft(x, *, n, step, window=None, center=True):
    """The spectrum of each piece of n numbers: (real, imaginary).  (..., T) -> (..., frames, F)

    A window shorter than n stands in the middle of it.
    """
    at = x.ndim - 1
    if center:
        if x.shape[at] <= n // 2:
            raise ValueError(f"a signal of {x.shape[at]} numbers is too short for pieces of {n}")
        x = ops.take(x, ops.reflected(x.shape[at], n // 2, n // 2), axis=at)
    x = ops.frames(x, length=n, step=step)
    if window is not None:
        x = x * ops.cast(_middle(window, n), dtype=x.dtype)
    return ops.rfft(x, n=n)


def _middle(window, n):
    before = (n - len(window)) // 2
    return ops.pad(window, widths=((before, n - len(window) - before),))


def istft(real, imaginary, *, n, step, window=None, length=None, center=True):
    """The signal of which this is the `stft`.  (..., frames, F) -> (..., T)"""
    x = ops.irfft(real, imaginary, n=n)
    if window is not None:
        weights = _middle(window, n)
        overlaps = -(-n // step)
        room(overlaps, step)
        total = np.pad(weights * weights, (0, overlaps * step - n)).reshape(overlaps, step)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = weights / np.tile(total.sum(axis=0), overlaps)[:n]
        x = x * ops.cast(weights, dtype=x.dtype)
    y = ops.overlap_add(x, step=step)
    start = n // 2 if center else 0
    end = -start if center else None
    return y[..., start : end if length is None else start + length]


@op(
    lambda g, y, x, *, step: ops.frames(g, length=x.shape[-1], step=step),
    shape=lambda x, *, step: (*x.shape[:-2], (x.shape[-2] - 1) * step + x.shape[-1]),
    wide=True,
)
def overlap_add(x, *, step):
    """Pieces of a signal put together, each `step` after the one before, and summed up."""
    length = x.shape[-1]
    y = np.zeros((*x.shape[:-2], (x.shape[-2] - 1) * step + length), x.dtype)
    for t in range(x.shape[-2]):
        y[..., t * step : t * step + length] += x[..., t, :]
    return y


# ---- complex numbers as such ------------------------------------------------------------------


def _complex(real, imaginary):
    return np.dtype(np.complex128 if real.dtype == np.float64 else np.complex64)


@op(
    lambda g, y, real, imaginary: g.real.astype(real.dtype),
    lambda g, y, real, imaginary: g.imag.astype(imaginary.dtype),
    shape=lambda real, imaginary: _pair(real, imaginary)[0],
    dtype=_complex,
)
def complex_number(real, imaginary):
    """real + i imaginary"""
    return (real + 1j * imaginary).astype(_complex(real, imaginary))


@op(
    lambda g, y, z: (g[0] + 1j * g[1]).astype(z.dtype),
    shape=lambda z: [z.shape] * 2,
    dtype=lambda z: np.dtype(np.float64 if z.dtype == np.complex128 else np.float32),
)
def complex_parts(z):
    """Real and imaginary part of complex numbers."""
    return z.real.copy(), z.imag.copy()


@op(
    lambda g, y, abs_, angle: (g * np.exp(-1j * angle)).real.astype(abs_.dtype),
    lambda g, y, abs_, angle: (g * np.conj(1j * y)).real.astype(angle.dtype),
    shape=lambda abs_, angle: _pair(abs_, angle)[0],
    dtype=_complex,
)
def polar(abs_, angle):
    """abs (cos(angle) + i sin(angle))"""
    return (abs_ * np.exp(1j * angle)).astype(_complex(abs_, angle))


def view_as_complex(x):
    """Complex numbers of which the last axis of x has real and imaginary part."""
    if not x.ndim or x.shape[-1] != 2:
        raise ValueError(f"a last axis of real and imaginary part, but the shape is {x.shape}")
    return complex_number(x[..., 0], x[..., 1])


def view_as_real(x):
    """Real and imaginary part of complex numbers along a new last axis."""
    real, imaginary = complex_parts(x)
    return ops.concatenate(
        ops.expand_dims(real, axis=-1), ops.expand_dims(imaginary, axis=-1), axis=-1
    )
