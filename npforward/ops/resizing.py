"""Resampling along an axis, and the weights that interpolation means."""

from __future__ import annotations

import numpy as np

from npforward.limits import room
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


def resize_taps(n, m, interpolation, antialias=False, dtype=np.float64):
    """Which of n numbers, with which weights, make each of m: (index, weight), each (m, taps).

    Numbers sit at the centres of their pixels.  A place outside has no weight and the others are
    scaled up for it, as TensorFlow does.  `antialias` widens the filter where numbers get fewer.
    In float32 the weights are rounded as TensorFlow's are, which decides how halves are rounded.

    Examples
    --------
    >>> index, weight = resize_taps(2, 4, "bilinear")
    >>> (weight * np.array([0.0, 1.0])[index]).sum(axis=1)
    array([0.  , 0.25, 0.75, 1.  ])
    """
    room(m)
    filter_, radius = FILTERS[interpolation]
    step = 1 / (_number(m, dtype) / _number(n, dtype))
    stretch = max(step, _number(1, dtype)) if antialias else _number(1, dtype)
    centre = (np.arange(m, dtype=dtype) + _number(0.5, dtype)) * step - _number(0.5, dtype)
    if interpolation == "bicubic" and not antialias:
        # Keras on TensorFlow reads the weights from a table of so many places between two pixels.
        centre = np.floor(centre) + np.round((centre - np.floor(centre)) * 1024) / 1024
    reach = radius * stretch
    index = np.floor(centre - reach)[:, None] + np.arange(1, np.ceil(2 * reach) + 1, dtype=dtype)
    weight = filter_((index - centre[:, None]) / stretch) * ((index >= 0) & (index < n))
    weight *= 1 / np.cumsum(weight, axis=1)[:, -1:]
    return np.clip(index, 0, n - 1).astype(np.intp), weight


def _number(value, dtype):
    return np.dtype(dtype).type(value)


def nearest_pixels(n, m):
    """Which of n pixels is shown in the middle of each of m.

    Examples
    --------
    >>> nearest_pixels(2, 5)
    array([0, 0, 1, 1, 1])
    """
    room(m)
    # In float32, which decides where the middle of one is just between two others.
    middle = (np.arange(m, dtype=np.float32) + np.float32(0.5)) * np.float32(n / m)
    return np.minimum(np.floor(middle), n - 1).astype(np.intp)


def neighbours(n, m, dtype=np.float64):
    """Between which two of n numbers each of m lies: (before, after, share of the latter).

    Examples
    --------
    >>> neighbours(2, 4)
    (array([0, 0, 0, 1]), array([0, 1, 1, 1]), array([0.75, 0.25, 0.75, 0.25]))
    """
    room(m)
    step = _number(n, dtype) / _number(m, dtype)
    place = (np.arange(m, dtype=dtype) + _number(0.5, dtype)) * step - _number(0.5, dtype)
    before = np.floor(place)
    ends = np.clip([before, np.ceil(place)], 0, n - 1).astype(np.intp)
    return ends[0], ends[1], place - before


def corner_neighbours(n, m, dtype=np.float64):
    """As `neighbours` where numbers sit at the first corners of their pixels: TensorFlow 1's way.

    Examples
    --------
    >>> corner_neighbours(2, 4)
    (array([0, 0, 1, 1]), array([1, 1, 1, 1]), array([0. , 0.5, 0. , 0.5]))
    """
    place = np.arange(m, dtype=dtype) * (_number(n, dtype) / _number(m, dtype))
    before = np.floor(place).astype(np.intp)
    return before, np.minimum(before + 1, n - 1), place - before


def area_taps(n, m, dtype=np.float64):
    """How much of each of n numbers lies in each of m equal parts: (index, weight, their sum).

    Examples
    --------
    >>> area_taps(3, 2)
    (array([[0, 1],
           [1, 2]]), array([[1. , 0.5],
           [0.5, 1. ]]), np.float64(1.5))
    """
    room(m)
    step = _number(n, dtype) / _number(m, dtype)
    start = (np.arange(m, dtype=dtype) * step)[:, None]
    stop = (np.arange(1, m + 1, dtype=dtype) * step)[:, None]
    taps = int((np.ceil(stop) - np.floor(start)).max(initial=0))
    index = np.floor(start) + np.arange(taps, dtype=dtype)
    # One of the four that it can be, for the sake of rounding: parts of it, or all.
    last = np.where(index + 1 > stop, stop - index, _number(1, dtype))
    first = np.where(index + 1 > stop, step, index + 1 - start)
    weight = np.maximum(np.where(index < start, first, last), 0)
    return np.minimum(index, n - 1).astype(np.intp), weight, step


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
    room(m)
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


def _interpolated(x, *, axis, before, after, share):
    return (*x.shape[:axis], len(share), *x.shape[axis + 1 :])


def _interpolate_vjp(g, y, x, *, axis, before, after, share):
    index = np.stack([before, after], axis=1)
    weight = np.stack([1 - share, share], axis=1)
    return _resample_vjp(g, y, x, axis=axis, index=index, weight=weight)


@op(_interpolate_vjp, shape=_interpolated, floats=True, wide=True)
def interpolate(x, *, axis, before, after, share):
    """Slices between two others along an axis: y[o] = a + (b - a) share[o], a = x[before[o]].

    `resample` says the same with other rounding; this one is TensorFlow's.
    """
    share = share.reshape(-1, *[1] * (x.ndim - axis - 1)).astype(x.dtype)
    a, b = np.take(x, before, axis=axis), np.take(x, after, axis=axis)
    return a + (b - a) * share
