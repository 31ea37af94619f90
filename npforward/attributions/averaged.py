"""Gradients averaged over many inputs: on the way from a baseline, and around the input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npforward.attributions.asked import Asked, Part, Place, Progress, at, at_least
from npforward.attributions.gradients import sizes
from npforward.attributions.results import Attribution
from npforward.errors import BadInput
from npforward.model import Model

Arrays = Mapping[str, np.ndarray]  # by address


def integrated_gradients(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    rule: str = "gauss-legendre",
    input: str | None = None,
    layer: str | None = None,
    logits: bool = False,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Attribution | dict[str, Attribution]:
    """What each number of the input gives to the score, on the way from a baseline to it.

    (x - b) times the mean gradient on the straight way from b to x: Sundararajan, Taly and Yan,
    "Axiomatic attribution for deep networks", 2017.  The sum of the map is f(x) - f(b), up to the
    error of the sum for the integral, which is given as `gap`.

    Parameters
    ----------
    model, x, of, input, logits, batch_size
        As for `saliency`.  Several inputs move together; with `input` the others stay.
    layer
        Move this value instead, with all that is computed from it, while the inputs stay: for
        texts, whose words are no numbers to move, that of the Embedding.
    baseline
        A number, or an array that fits the input (or one sample); a dict of them by input name.
        With `layer`, that of the layer: what it gives for another input, a trace of that has.
    steps
        Gradients on the way.
    rule
        How they are weighed: ``"gauss-legendre"``, or ``"riemann"`` (the middles of equal steps).
    progress
        Is called with the steps done and their number.

    Returns
    -------
    Attribution, or a dict of them by the name of the input where the model has several
        The map has the shape of the input; `gap` is of all inputs that moved together.

    Raises
    ------
    BadInput, UnknownName, NotDifferentiable
        As for `saliency`; or `baseline`, `steps` or `rule` is none.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> found = npf.integrated_gradients(model, np.ones((1, 32, 32, 1)), of=3)
    >>> bool(abs(found.gap[0]) < 1e-3)
    True
    >>> text = npf.load_model("weights_fixtures/models/text_classifier/model.keras")
    >>> found = npf.integrated_gradients(text, np.array(["red wine"]), layer="embedding")
    >>> found.words[0, :3]
    array(['red', 'wine', ''], dtype='<U4')
    """
    at_least("steps", steps, 1)
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        way = list(zip((nodes + 1) / 2, weights / 2, strict=True))
    elif rule == "riemann":
        way = [((i + 0.5) / steps, 1 / steps) for i in range(steps)]
    else:
        raise BadInput(f"rule={rule!r}, expected 'gauss-legendre' or 'riemann'")
    asked = Asked.of(model, x, of, logits, batch_size)
    places = asked.movable(input, layer)

    def base(part: Part, values: Arrays) -> Arrays:
        return {
            p.address: asked.beside(p, baseline, "baseline", part, values[p.address].dtype)
            for p in places
        }

    def moved(part: Part, values: Arrays) -> Iterator[tuple[float, Arrays]]:
        b = base(part, values)
        for share, weight in way:
            yield (
                weight,
                {a: (b[a] + share * (v - b[a])).astype(v.dtype) for a, v in values.items()},
            )

    found, gaps = [], []
    for part, values, mean in averages(asked, places, steps, moved, progress):
        b, score = base(part, values), part.run().score
        maps = {a: mean[a] * (v - b[a]) for a, v in values.items()}
        total = sum(m.reshape(len(m), -1).sum(axis=1) for m in maps.values())
        gaps.append(score - part.run(instead=b).score - total)
        found.append((score, {a: m.astype(values[a].dtype) for a, m in maps.items()}))
    return asked.results("integrated-gradients", places, found, gap=np.concatenate(gaps))


def smoothgrad(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    input: str | None = None,
    layer: str | None = None,
    channels: str | None = "max",
    logits: bool = False,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Attribution | dict[str, Attribution]:
    """The saliency of an input's surroundings: the mean gradient over noisy copies.

    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.

    Parameters
    ----------
    model, x, of, input, channels, logits, batch_size
        As for `saliency`; the sizes are those of the mean.
    layer
        Add noise to this value instead, as for `integrated_gradients`.
    samples
        Noisy copies of each sample.
    noise
        The standard deviation of the noise, as a share of the range of a sample's values.
    seed
        Of the noise; a sample gets the same whatever `batch_size` is.
    progress
        Is called with the copies done and their number.

    Returns
    -------
    Attribution, or a dict of them by the name of the input where the model has several
        The score is that of the input without noise.

    Raises
    ------
    BadInput, UnknownName, NotDifferentiable
        As for `saliency`; or `samples` or `noise` is none.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> npf.smoothgrad(model, np.ones((1, 32, 32, 1)), of=3, samples=2).map.shape
    (1, 32, 32)
    """
    at_least("samples", samples, 1)
    if not (noise >= 0 and math.isfinite(noise)):
        raise BadInput(f"noise={noise}, expected a share from 0 up")
    asked = Asked.of(model, x, of, logits, batch_size)
    places = asked.movable(input, layer)

    def moved(part: Part, values: Arrays) -> Iterator[tuple[float, Arrays]]:
        drawn = [np.random.default_rng([seed, n]) for n in range(part.at.start, part.at.stop)]
        for _ in range(samples):
            yield 1 / samples, {a: noisy(v, drawn, noise) for a, v in values.items()}

    found = []
    for part, values, mean in averages(asked, places, samples, moved, progress):
        maps = {p.address: sizes(mean, p, channels) for p in places}
        maps = {a: m.astype(values[a].dtype) for a, m in maps.items()}
        found.append((part.run().score, maps))
    return asked.results("smoothgrad", places, found, kept=channels is None)


def noisy(x: np.ndarray, drawn: Sequence[np.random.Generator], noise: float) -> np.ndarray:
    """Samples with noise, each drawn by its own generator and measured by its own range."""
    rows = [
        row + r.normal(size=row.shape) * (noise * (np.ptp(row) if row.size else 0))
        for row, r in zip(x, drawn, strict=True)
    ]
    return np.array(rows, x.dtype).reshape(x.shape)


def averages(
    asked: Asked,
    places: Sequence[Place],
    count: int,
    moved: Callable[[Part, Arrays], Iterable[tuple[float, Arrays]]],
    progress: Progress | None,
) -> Iterator[tuple[Part, Arrays, Arrays]]:
    """For each part of the samples, its values at the places and the weighed sum of gradients.

    `moved` gives `count` weights, and the values that each gradient is taken at.
    """
    done = itertools.count(1)
    for part in asked.parts:
        values = part.values_of(places)
        sums = {a: np.zeros(v.shape) for a, v in values.items()}
        for weight, other in moved(part, values):
            for a, g in part.run(at(places), instead=other).gradients.items():
                sums[a] += weight * g
            if progress is not None:
                progress(next(done), len(asked.parts) * count)
        yield part, values, sums
