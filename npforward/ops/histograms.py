"""Images with other values such that all occur equally often."""

from __future__ import annotations

import numpy as np

from npforward.ops.registry import op


def _as_it_is(x, **options):
    return x.shape  # each number depends on many: this is not `broadcast`


def _channels(x):
    return np.moveaxis(x, -1, 0)


def _pixels(x, bins):
    """The bin of each pixel of values 0 to 255."""
    return np.clip(
        (x.astype(np.float32) * (bins - 1) / np.float32(255)).astype(np.int64), 0, bins - 1
    )


def _flat(x, bins):
    """Whether all pixels of a channel fall into one bin."""
    return np.count_nonzero(np.bincount(_pixels(x, bins).ravel(), minlength=bins)) <= 1


def _equalize_vjp(g, y, x, *, bins):
    # The answer is a step function, but for channels that are left as they are.
    flat = np.array([_flat(channel, bins) for channel in _channels(x)], bool)
    return np.where(flat, g, np.zeros((), g.dtype))


@op(_equalize_vjp, shape=_as_it_is, floats=True)
def equalize(x, *, bins):
    """Each channel of a batch with values from 0 to 255 whose histogram is as even as can be.

    A channel of one value is left as it is.  (..., C) -> (..., C)
    """
    y = np.empty_like(x)
    for channel, result in zip(_channels(x), _channels(y), strict=True):
        histogram = np.bincount(_pixels(channel, bins).ravel(), minlength=bins)
        if np.count_nonzero(histogram) <= 1:
            result[...] = channel
            continue
        total = np.cumsum(histogram)
        least = total[np.flatnonzero(total)[0]]
        table = np.clip(np.round((total - least) * 255 / (total[-1] - least)), 0, 255)
        at = channel / x.dtype.type(255) * x.dtype.type(bins - 1)
        result[...] = table[np.clip(at, 0, bins - 1).astype(np.intp)]
    return y


def _tables(x, grid, clip_limit):
    """For each tile of (N, H, W, C) and channel what each of 256 values becomes.

    -> (N, rows, columns, C, 256)
    """
    n, height, width, channels = x.shape
    rows, columns = grid
    size = height // rows * (width // columns)
    tiles = x.reshape(n, rows, height // rows, columns, width // columns, channels)
    tiles = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(-1, size)
    tile = np.arange(len(tiles))[:, None]
    counts = np.bincount((tile * 256 + tiles).ravel(), minlength=len(tiles) * 256)
    counts = counts.reshape(-1, 256).astype(np.float32)
    if clip_limit > 0:
        clipped = np.minimum(counts, np.float32(clip_limit * size / 256))
        excess = (counts - clipped).sum(axis=-1, keepdims=True)
        counts = clipped + excess / np.float32(256)
    total = np.cumsum(counts, axis=-1, dtype=np.float32)
    least = total.min(axis=-1, keepdims=True)
    rest = np.float32(size) - least
    table = (total - least) * np.float32(255) / np.where(rest == 0, np.float32(1), rest)
    return np.clip(table, 0, 255).reshape(n, rows, columns, channels, 256)


def _between(length, tiles):
    """The tiles before and after each pixel, and how far it is from the former's middle."""
    size = length // tiles
    f = np.float32
    place = (np.arange(length, dtype=f) - f(size / 2)) / f(size)
    before = np.floor(place)
    ends = np.clip([before, before + 1], 0, tiles - 1).astype(np.intp)
    return ends[0], ends[1], place - before


@op(lambda g, y, x, *, grid, clip_limit: np.zeros_like(g), shape=_as_it_is, floats=True)
def equalize_tiles(x, *, grid, clip_limit):
    """Values from 0 to 255 equalised within each tile of a grid, blended between tiles.

    Contrast limited adaptive histogram equalisation: no value counts more than `clip_limit` times
    the average; K. Zuiderveld, in Graphics Gems IV (1994).  (N, H, W, C) -> (N, H, W, C)
    """
    height, width = x.shape[1:3]
    edges = [(0, -n % tiles) for n, tiles in zip((height, width), grid, strict=True)]
    whole = np.pad(x, ((0, 0), *edges, (0, 0)), mode="symmetric")
    pixels = np.clip(whole.astype(np.int32), 0, 255)
    tables = _tables(pixels, grid, clip_limit)
    top, bottom, down = _between(whole.shape[1], grid[0])
    left, right, across = _between(whole.shape[2], grid[1])
    image = np.arange(len(x))[:, None, None, None]
    channel = np.arange(x.shape[3])
    down, across = down[:, None, None], across[:, None]

    def seen(row, column):
        return tables[image, row[:, None, None], column[:, None], channel, pixels]

    above = seen(top, left) * (1 - across) + seen(top, right) * across
    below = seen(bottom, left) * (1 - across) + seen(bottom, right) * across
    y = above * (1 - down) + below * down
    return y[:, :height, :width].astype(x.dtype)
