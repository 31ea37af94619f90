"""What a score loses when part of the input is covered: occlusion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npforward.attributions.asked import Asked, Progress
from npforward.attributions.results import Attribution
from npforward.errors import BadInput
from npforward.model import Model


def occlusion(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    window: int | Sequence[int] = 8,
    stride: int | Sequence[int] | None = None,
    value: Any = 0.0,
    input: str | None = None,
    layer: str | None = None,
    logits: bool = False,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Attribution:
    """By how much a score falls when part of the input is covered.

    A window goes over all positions; each gets the mean fall over the windows that cover it:
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, section 4.2.
    Needs no gradients: words, integers and layers without derivative will do.

    Parameters
    ----------
    model, x, of, logits, batch_size
        As for `saliency`.
    window
        Its size: one for all axes of positions, or one for each.
    stride
        By how much it goes on; by default half of its size.  A last window ends with the input.
    value
        What it covers with: a number, one for each channel, or an array like the input.
    input
        Of several inputs, the one to cover; by default the first with positions.
    layer
        Cover this value instead, from which the rest is computed: of texts that of the Embedding,
        with ``window=1`` a word at a time.
    progress
        Is called with the windows done and their number.

    Returns
    -------
    Attribution
        The map: (batch, *positions) float64.

    Raises
    ------
    BadInput
        `x`, `of`, `window`, `stride` or `value` does not fit the model.
    UnknownName
        There is no such input, layer or value.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> npf.occlusion(model, np.ones((1, 13)), of=2, window=1).map.shape
    (1, 13)
    """
    asked = Asked.of(model, x, of, logits, batch_size)
    place = asked.over(input) if layer is None else asked.movable(input, layer)[0]
    size = place.positions
    sides = for_axes("window", window, size)
    sides = [min(side, n) for side, n in zip(sides, size, strict=True)]
    halves = [max(1, side // 2) for side in sides]
    strides = halves if stride is None else for_axes("stride", stride, size)
    if 0 in size:
        what = f"input {place.name!r}" if place.entered else f"layer {place.address!r}"
        raise BadInput(f"the {what} has the shape {place.shape}: nothing to cover")
    starts = [
        sorted({*range(0, n - side, step), n - side})
        for n, side, step in zip(size, sides, strides, strict=True)
    ]
    maps, scores = [], []
    done, total = itertools.count(1), len(asked.parts) * math.prod(map(len, starts))
    for part in asked.parts:
        score = part.run().score
        clean = part.values_of([place])[place.address]
        cover = asked.beside(place, value, "value", part, clean.dtype)
        sums, times = np.zeros((len(clean), *size)), np.zeros(size)
        covered = clean.copy()
        for corner in itertools.product(*starts):
            at = tuple(slice(i, i + side) for i, side in zip(corner, sides, strict=True))
            where = place.where(at)
            covered[where] = cover[where]
            fall = score - part.run(instead={place.address: covered}).score
            covered[where] = clean[where]
            sums[(slice(None), *at)] += fall.reshape((-1,) + (1,) * len(size))
            times[at] += 1
            if progress is not None:
                progress(next(done), total)
        maps.append(sums / np.maximum(times, 1))  # strides past the window leave gaps
        scores.append(score)
    return asked.result("occlusion", place, place, maps, np.concatenate(scores))


def for_axes(argument: str, given: int | Sequence[int], size: Sequence[int]) -> list[int]:
    """A whole number for each axis of positions."""
    each = [given] * len(size) if np.ndim(given) == 0 else list(given)  # type: ignore[arg-type]
    whole = all(isinstance(n, (int, np.integer)) and n >= 1 for n in each)
    if len(each) != len(size) or not whole:
        raise BadInput(
            f"{argument}={given!r}, expected a whole number from 1 up, or one for each of the "
            f"{len(size)} axes of positions"
        )
    return [int(n) for n in each]  # type: ignore[arg-type]
