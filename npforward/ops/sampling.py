"""Arrays read at places between their numbers."""

from __future__ import annotations

import itertools

import numpy as np

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import BadInput
from npforward.ops.registry import op

# A tap is (index, weight, slope of the weight, whether it is inside), each of the shape of the
# coordinate along one axis.


def _bent(c, n, mode):
    """A coordinate brought back among n pixels, as TensorFlow's images have it; and its slope."""
    slope = np.ones_like(c)
    if mode == "constant":
        return c, slope
    bent = c
    if n == 1:
        bent = c * 0
    elif mode == "wrap":
        turns = n * np.trunc(np.abs(c) / (n - 1))
        bent = np.where(c < 0, c + turns + n, np.where(c > n - 1, c - turns, c))
    elif mode == "reflect":
        low = c + 2 * n * np.trunc(-c / (2 * n))
        high = c - 2 * n * np.trunc(c / (2 * n))
        turned = np.where(c < 0, low >= -n, high >= n)
        low = np.where(low < -n, low + 2 * n, -low - 1)
        high = np.where(high >= n, 2 * n - high - 1, high)
        bent = np.where(c < 0, low, np.where(c > n - 1, high, c))
        slope = np.where(turned, -slope, slope)
    return np.clip(bent, 0, n - 1), slope * ((bent >= 0) & (bent <= n - 1))


def pixel_taps(c, n, *, order, mode):
    """The taps of a coordinate among n pixels, as TensorFlow transforms images."""
    c, slope = _bent(c, n, mode)
    if order == 0:
        index = np.copysign(np.floor(np.abs(c) + c.dtype.type(0.5)), c)  # halves away from 0
        return [(*_inside(index, n), np.ones_like(c), np.zeros_like(c))]
    lower = np.floor(c)
    return [
        (*_inside(lower, n), lower + 1 - c, -slope),
        (*_inside(lower + 1, n), c - lower, slope),
    ]


def _inside(index, n):
    inside = (index >= 0) & (index < n)  # never where it is NaN
    return np.where(inside, index, 0).astype(np.intp), inside


def number_taps(c, n, *, order, mode):
    """The taps of a coordinate among n numbers, as Keras's `map_coordinates` has it."""
    if order == 0:
        index = c if not floating(c.dtype) else np.round(c)
        found = [(index, np.ones_like(c), np.zeros_like(c))]
    else:
        lower = np.floor(c)
        found = [
            (lower, 1 - (c - lower), -np.ones_like(c)),
            (lower + 1, c - lower, np.ones_like(c)),
        ]
    return [(*_inside(_brought_in(index, n, mode), n), *rest) for index, *rest in found]


def _brought_in(index, n, mode):
    if mode == "constant":
        return index
    if mode == "nearest":
        return np.clip(index, 0, n - 1)
    if mode == "wrap":
        return index % n
    along = np.abs(index) % (2 * n)
    if mode == "mirror" and (along == n).any():
        raise BadInput(f"a coordinate of {n}, which fill_mode='mirror' leaves outside, as in Keras")
    return np.where(along < n, along, 2 * n - along - (mode == "reflect"))


TAPS = {"pixels": pixel_taps, "numbers": number_taps}


def _sampled(x, coordinates, *, taps, order, mode, fill_value):
    batch, space = x.shape[0], x.ndim - 2
    if coordinates.shape[0] != space or coordinates.shape[1] not in (1, batch):
        raise ValueError(f"coordinates of shape {coordinates.shape} for an array of {x.shape}")
    return (batch, *coordinates.shape[2:], x.shape[-1])


def _corners(x, coordinates, taps, order, mode):
    """Every choice of a tap for each axis: where it reads, the taps, and whether it is inside."""
    of_axis = [
        TAPS[taps](c, n, order=order, mode=mode)
        for c, n in zip(coordinates, x.shape[1:-1], strict=True)
    ]
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * (coordinates.ndim - 2))
    for chosen in itertools.product(*of_axis):
        index, inside, weight, slope = zip(*chosen, strict=True)
        yield (batch, *index), np.logical_and.reduce(inside), weight, slope


def _product(arrays):
    """One product over axes, with a last axis for the channels."""
    y = arrays[0]
    for a in arrays[1:]:
        y = y * a
    return y[..., None]


def _sample_vjp_x(g, y, x, coordinates, *, taps, order, mode, fill_value):
    dx = np.zeros(x.shape, g.dtype)
    for at, inside, weight, _ in _corners(x, coordinates, taps, order, mode):
        np.add.at(dx, at, g * (_product(weight) * inside[..., None]))
    return dx


def _sample_vjp_at(g, y, x, coordinates, *, taps, order, mode, fill_value):
    d = np.zeros((len(coordinates), *g.shape[:-1]), g.dtype)
    for at, inside, weight, slope in _corners(x, coordinates, taps, order, mode):
        read = np.where(inside[..., None], x[at], fill_value)
        for k in range(len(d)):
            w = _product([slope[i] if i == k else w for i, w in enumerate(weight)])
            d[k] += np.sum(g * read * w, axis=-1)
    return d if coordinates.shape[1] == len(x) else d.sum(axis=1, keepdims=True)


@op(
    _sample_vjp_x,
    _sample_vjp_at,
    shape=_sampled,
    dtype=lambda x, coordinates, **options: x.dtype,
)
def sample(x, coordinates, *, taps, order, mode, fill_value):
    """x at coordinates, by the nearest number (`order` 0) or linearly between them (1).

    (N, *space, C), (axes, N, *out) -> (N, *out, C).  Outside there is `fill_value`, or what `mode`
    brings in.  Whole numbers are rounded by `taps` "numbers" and cut off by "pixels".
    """
    shape = _sampled(x, coordinates, taps=taps, order=order, mode=mode, fill_value=fill_value)
    wide = np.float64 if np.float64 in (x.dtype, coordinates.dtype) else np.float32
    y = np.zeros(shape, wide)
    for at, inside, weight, _ in _corners(x, coordinates, taps, order, mode):
        y += np.where(inside[..., None], x[at], x.dtype.type(fill_value)) * _product(weight)
    if not floating(x.dtype):
        y = np.trunc(y) if taps == "pixels" else np.round(y)
    return y.astype(x.dtype)


# ---- images --------------------------------------------------------------------------------


def projected(images, transforms, *, order, mode="constant", fill_value=0):
    """Images (N, H, W, C) each of whose pixels is read where a projection of 8 numbers says.

    (a x + b y + c) / k and (d x + e y + f) / k with k = g x + h y + 1.
    """
    height, width = images.shape[1:3]
    y, x = np.indices((height, width), dtype=np.float32)[:, None]
    t = ops.expand_dims(ops.expand_dims(ops.cast(transforms, dtype="float32"), axis=-1), axis=-1)
    if images.dtype == np.float64 and transforms.dtype == np.float64:
        t = ops.expand_dims(ops.expand_dims(transforms, axis=-1), axis=-1)
    a, b, c, d, e, f, g, h = (t[:, i] for i in range(8))
    k = g * x + h * y + 1.0
    at = [(d * x + e * y + f) / k, (a * x + b * y + c) / k]
    coordinates = ops.concatenate(*(ops.expand_dims(v, axis=0) for v in at), axis=0)
    return ops.sample(
        images, coordinates, taps="pixels", order=order, mode=mode, fill_value=fill_value
    )


def homographies(start, end):
    """The projections that bring 4 points from `end` to `start`.  (N, 4, 2) twice -> (N, 8)"""
    sx, sy, ex, ey = (p[:, :, i] for p in (start, end) for i in range(2))  # (N, 4) each
    one, zero = ex * 0.0 + 1.0, ex * 0.0
    rows = [
        [ex, ey, one, zero, zero, zero, -(sx * ex), -(sx * ey)],
        [zero, zero, zero, ex, ey, one, -(sy * ex), -(sy * ey)],
    ]
    joined = [_stacked(row) for row in rows]  # (N, 4, 8) each
    matrix = ops.concatenate(*joined, axis=1)
    target = ops.concatenate(sx, sy, axis=1)
    return ops.solve(matrix, target)


def _stacked(arrays):
    return ops.concatenate(*(ops.expand_dims(a, axis=-1) for a in arrays), axis=-1)


def map_coordinates(inputs, coordinates, *, order, fill_mode="constant", fill_value=0):
    """An array of any rank at coordinates.  (*space), (axes, *out) -> (*out)"""
    if coordinates.shape[0] != inputs.ndim or coordinates.ndim < 2:
        raise ValueError(f"coordinates of shape {coordinates.shape} for an array {inputs.shape}")
    x = ops.reshape(inputs, shape=(1, *inputs.shape, 1))
    at = ops.expand_dims(coordinates, axis=1)
    y = ops.sample(x, at, taps="numbers", order=order, mode=fill_mode, fill_value=fill_value)
    return ops.reshape(y, shape=coordinates.shape[1:])


def _lanczos(t, radius):
    y = radius * np.sin(np.pi * t) * np.sin(np.pi * t / radius)
    near = np.where(t > 1e-3, y / np.where(t != 0, np.pi**2 * t**2, 1), 1)
    return np.where(t > radius, 0, near)


def _placing_kernel(method, t):
    if method == "linear":
        return np.maximum(0, 1 - t)
    if method == "cubic":
        near = ((1.5 * t - 2.5) * t) * t + 1
        far = ((-0.5 * t + 2.5) * t - 4) * t + 2
        return np.where(t >= 2, 0, np.where(t >= 1, far, near))
    return _lanczos(t, float(method.removeprefix("lanczos")))


@op(
    None,
    None,
    shape=lambda scale, translation, *, n, m, method, antialias: (n, m),
    floats=True,
)
def placing(scale, translation, *, n, m, method, antialias):
    """How much each of n numbers counts in each of m, where x goes to scale x + translation."""
    inverse = 1 / scale
    wide = np.maximum(inverse, 1) if antialias else 1
    places = (np.arange(m, dtype=scale.dtype) + 0.5) * inverse - translation * inverse - 0.5
    t = np.abs(places[None] - np.arange(n, dtype=scale.dtype)[:, None]) / wide
    weights = _placing_kernel(method, t)
    total = weights.sum(axis=0, keepdims=True)
    enough = np.abs(total) > 1000 * np.finfo(np.float32).eps
    weights = np.where(enough, weights / np.where(total != 0, total, 1), 0)
    seen = (places >= -0.5) & (places <= n - 0.5)
    return np.where(seen[None], weights, 0).astype(scale.dtype)
