"""Whole loops over time of recurrent layers with their usual activations, sigmoid and tanh."""

from __future__ import annotations

import numpy as np

from npforward.kernels.elementwise import sigmoid
from npforward.kernels.registry import kernel


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
