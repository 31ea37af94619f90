"""Whole loops over time of recurrent layers with their usual activations, sigmoid and tanh."""

from __future__ import annotations

import numpy as np

from npforward.kernels.elementwise import sigmoid
from npforward.kernels.registry import kernel
from npforward.kernels.threads import in_parts


@kernel
def lstm(z, h, c, u):
    """i, f, o = σ(z + h U),  c = f c + i tanh(z + h U),  h = o tanh(c), for every z in turn.

    (T, N, 4U), (N, U), (N, U), (U, 4U) -> the last h and c, and every h (T, N, U)
    """
    hs = np.empty((*z.shape[:2], h.shape[-1]), z.dtype)
    for t in range(len(z)):
        i, f, g, o = np.split(z[t] + h @ u, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = hs[t] = sigmoid(o) * np.tanh(c)
    return h, c, hs


@kernel
def gru(z, h, u, b):
    """u, r = σ(z + h U + b),  g = tanh(z + r (h U + b)),  h = u h + (1 - u) g, for every z in turn.

    (T, N, 3U), (N, U), (U, 3U), (3U,) -> the last h, and every h (T, N, U)
    """
    hs = np.empty((*z.shape[:2], h.shape[-1]), z.dtype)
    for t in range(len(z)):
        (z_u, z_r, z_g), (a_u, a_r, a_g) = (np.split(a, 3, axis=-1) for a in (z[t], h @ u + b))
        update = sigmoid(z_u + a_u)
        g = np.tanh(z_g + sigmoid(z_r + a_r) * a_g)
        h = hs[t] = update * h + (1 - update) * g
    return h, hs


def _large(z, *given):
    """Where the twin saves more in one call than numba's import takes (the loops are cached)."""
    return z.size >= 2**20 and z.dtype in (np.float32, np.float64)


def _samples_first(z, h):
    """z as (N, T, ...), which is how a layer had it, and room for every h."""
    z = np.ascontiguousarray(z.swapaxes(0, 1))
    return z, np.empty((*z.shape[:2], h.shape[-1]), z.dtype)


def _aligned(shape, dtype):
    """An array that begins where a cache line does: vectors across two lines cost a third more."""
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(n + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n].view(dtype).reshape(shape)


def _fixed(u):
    """U where the inner loops like it."""
    fixed = _aligned(u.shape, u.dtype)
    fixed[...] = u
    return fixed


def _sums(u):
    """Rows for the sums of a pair of samples."""
    return _aligned((2, u.shape[1]), u.dtype)


PAIR, FEW = 2, 8  # samples that a loop takes together; that are worth a thread


@lstm.twin(worth=_large)
def _(numba):
    from npforward.kernels import recurrent_loops as loops

    def fast(z, h, c, u):
        z, hs = _samples_first(z, h)
        h, c, u = h.copy(order="C"), c.copy(order="C"), _fixed(u)

        def some(part):
            loops.lstm(z[part], h[part], c[part], u, _sums(u), hs[part])

        in_parts(some, len(z), step=PAIR, least=FEW)
        return h, c, hs.swapaxes(0, 1)

    return fast


@gru.twin(worth=_large)
def _(numba):
    from npforward.kernels import recurrent_loops as loops

    def fast(z, h, u, b):
        z, hs = _samples_first(z, h)
        h, u, b = h.copy(order="C"), _fixed(u), np.ascontiguousarray(b)

        def some(part):
            loops.gru(z[part], h[part], u, _sums(u), b, hs[part])

        in_parts(some, len(z), step=PAIR, least=FEW)
        return h, hs.swapaxes(0, 1)

    return fast
