"""Resampling along an axis, and the weights that interpolation means."""

from __future__ import annotations

import numpy as np

from npforward.ops.registry import op


def _triangle(t):
    return np.maximum(0, 1 - np.abs(t))


def _keys_cubic(t):
    """R. Keys, Cubic convolution interpolation (1981), with a = -0.5."""
    t = np.abs(t)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(radius):
    return lambda t: np.where(np.abs(t) < radius, np.sinc(t) * np.sinc(t / radius), 0)


# Keras's interpolations: the filter and how far it reaches.
FILTERS = {
    "bilinear": (_triangle, 1),
    "bicubic": (_keys_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}


def resize_taps(n, m, interpolation):
    """Which of n numbers, with which weights, make each of m: (index, weight), each (m, taps).

    Numbers sit at the centres of their pixels.  A place outside has no weight and the others are
    scaled up for it, as TensorFlow does.

    Examples
    --------
    >>> index, weight = resize_taps(2, 4, "bilinear")
    >>> (weight * np.array([0.0, 1.0])[index]).sum(axis=1)
    array([0.  , 0.25, 0.75, 1.  ])
    """
    filter_, radius = FILTERS[interpolation]
    centre = (np.arange(m) + 0.5) * (n / m) - 0.5
    below = np.floor(centre)
    offset = centre - below
    if interpolation == "bicubic":
        offset = np.round(offset * 1024) / 1024  # Keras on TensorFlow reads it from such a table
    steps = np.arange(1 - radius, radius + 1)
    index = below[:, None] + steps
    weight = filter_(offset[:, None] - steps) * ((index >= 0) & (index < n))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, n - 1).astype(np.intp), weight


def adaptive_windows(n, m):
    """Windows that divide n numbers into m, overlapping where n is no multiple of m.

    Gives (index, weight) as `resize_taps` does, for means; a window that is shorter than others
    repeats its last index with weight 0, which is right for a maximum too.

    Examples
    --------
    >>> adaptive_windows(3, 2)
    (array([[0, 1],
           [1, 2]]), array([[0.5, 0.5],
           [0.5, 0.5]]))
    """
    start = np.arange(m) * n // m
    stop = -(-(np.arange(m) + 1) * n // m)
    steps = np.arange((stop - start).max())
    inside = start[:, None] + steps < stop[:, None]
    index = np.minimum(start[:, None] + steps, stop[:, None] - 1)
    return index, inside / (stop - start)[:, None]


def _resampled(x, *, axis, index, weight):
    return (*x.shape[:axis], len(index), *x.shape[axis + 1 :])


def _resample_vjp(g, y, x, *, axis, index, weight):
    g = np.moveaxis(g, axis, 0)
    dx = np.zeros((x.shape[axis], *g.shape[1:]), g.dtype)
    for i, w in zip(index.T, weight.T, strict=True):
        np.add.at(dx, i, g * w.reshape(-1, *[1] * (g.ndim - 1)).astype(g.dtype))
    return np.moveaxis(dx, 0, axis)


@op(_resample_vjp, shape=_resampled, floats=True, wide=True)
def resample(x, *, axis, index, weight):
    """Weighted sums of slices along an axis: y[o] = Σₜ weight[o, t] x[index[o, t]].

    `index` and `weight` have the shape (size of the answer, taps).
    """
    y = np.zeros(_resampled(x, axis=axis, index=index, weight=weight), x.dtype)
    along = (-1, *[1] * (x.ndim - axis - 1))
    for i, w in zip(index.T, weight.T, strict=True):
        y += np.take(x, i, axis=axis) * w.reshape(along).astype(x.dtype)
    return y
