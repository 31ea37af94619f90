"""Inputs that are made for a high score: activation maximisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npforward import arrays
from npforward.attributions.asked import Asked, Progress, at, at_least
from npforward.dtypes import differentiable
from npforward.errors import BadInput
from npforward.model import Model


@dataclass(frozen=True)
class Maximised:
    """An input made for a high score.

    Attributes
    ----------
    of : str
        What the score is, in words.
    x : ndarray
        The input, of the shape that the model takes: (1, ...).
    score : float
        Its score.
    history : ndarray
        (steps,) float64: the score before each step.
    """

    of: str
    x: np.ndarray = field(repr=False)
    score: float
    history: np.ndarray = field(repr=False)
    channel_axis: int | None = None

    def save(self, path: str | Path) -> Path:
        """Write the input: NAME.npz or NAME.h5 (arrays `x`, `history`), or NAME.png of a picture.

        Raises
        ------
        BadInput, CannotWrite
            It is no picture; the ending says no format; or the place cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> made = Maximised("digit[3]", np.ones((1, 8, 8, 1)), 1.0, np.ones(2), -1)
        >>> made.save(Path(tempfile.mkdtemp()) / "three.png").name
        'three.png'
        """
        from npforward import plots
        from npforward.writing import whole_file

        path = Path(path)
        if path.suffix.lower() != ".png":
            return arrays.save({"x": self.x, "history": self.history}.items(), path)
        x = (
            self.x[0]
            if self.channel_axis is None
            else np.moveaxis(self.x, self.channel_axis, -1)[0]
        )
        if not plots.is_picture(x):
            raise BadInput(f"{path}: an input of shape {x.shape} is no picture: give NAME.npz")
        from PIL import Image

        rgb = np.rint(np.nan_to_num(plots.as_rgb(x)[0]) * 255).astype(np.uint8)
        with whole_file(path) as temporary:
            Image.fromarray(rgb).save(temporary, format="PNG")
        return path


def activation_maximisation(
    model: Model,
    of: Any,
    *,
    steps: int = 200,
    x: Any = None,
    input: str | None = None,
    rate: float = 0.02,
    jitter: int = 2,
    l2: float = 0.05,
    total_variation: float = 0.1,
    bounds: tuple[float, float] = (0.0, 255.0),
    seed: int = 0,
    logits: bool = False,
    progress: Progress | None = None,
) -> Maximised:
    """An input that a class or channel has a high score for: gradient ascent from noise.

    Simonyan, Vedaldi and Zisserman, 2013, section 2, with the jitter of Mordvintsev, Olah and Tyka,
    "Inceptionism", 2015, and the total variation of Mahendran and Vedaldi, "Understanding deep
    image representations by inverting them", 2015.  With z the input scaled to -1 to 1, a step is
    z += rate * (g / rms(g) - l2 * z - total_variation * sign(z - neighbours)), and is cut off at
    the bounds.

    Parameters
    ----------
    model
        What `load_model` gives.
    of
        The score, as for `Model.gradients`: a class, ``("conv1", 5)``, ...
    steps
        How often the input is changed.
    x
        Where to begin: one sample of each input, as for `Model.predict`.  By default noise around
        the middle of `bounds`, 64 along axes of any size.
    input
        Of several inputs, the one to change; the others stay as they are in `x`.
    rate
        The size of a step, as a share of half the bounds' range.
    jitter
        Each step sees the input rolled by up to so many positions.
    l2, total_variation
        How strongly large values, and differences between neighbours, are held down.
    bounds
        The range of the input's values: (0, 255) of pixels where the model scales them itself.
    seed
        Of the noise and the jitter.
    logits
        The score before the softmax or sigmoid: a share near 1 has hardly a gradient.
    progress
        Is called with the steps done and their number.

    Returns
    -------
    Maximised
        The input, its score, and the score before each step.

    Raises
    ------
    BadInput
        A parameter or `of` does not fit the model.
    UnknownName, NotDifferentiable
        As for `saliency`.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> made = npf.activation_maximisation(model, 3, steps=20, logits=True)
    >>> made.x.shape, bool(made.score > made.history[0])
    ((1, 32, 32, 1), True)
    """
    at_least("steps", steps, 1)
    at_least("jitter", jitter, 0)
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadInput(f"bounds={bounds}, expected two numbers, the smaller first")
    for name, number in (("rate", rate), ("l2", l2), ("total_variation", total_variation)):
        if not (math.isfinite(number) and number >= 0):
            raise BadInput(f"{name}={number}, expected a number from 0 up")
    if of is None:
        raise BadInput("of: say what to maximise: a class (of=3), or of=('conv1', 5)")
    rng = np.random.default_rng(seed)
    middle, half = (low + high) / 2, (high - low) / 2
    if x is None:
        x = noise_for(model, rng, middle, half)
    asked = Asked.of(model, x, of, logits, 1)
    if len(asked.feeds[0]) != 1:
        raise BadInput(f"x has {len(asked.feeds[0])} samples, expected one to begin with")
    places = asked.movable(input, None)
    (part,) = asked.parts
    found, history = part.values_of(places), []
    for n in range(steps):
        moved, shifts = {}, {}
        for p in places:
            shifts[p.address] = rng.integers(-jitter, jitter + 1, len(p.axes))
            moved[p.address] = np.roll(found[p.address], shifts[p.address], p.axes)
        score, gradients, _ = part.run(at(places), instead=moved)
        history.append(float(score[0]))
        for p in places:
            before = found[p.address]
            z = (before.astype(np.float64) - middle) / half
            g = np.roll(gradients[p.address], -shifts[p.address], p.axes).astype(np.float64)
            size = math.sqrt(np.square(g).mean()) if g.size else 0.0
            g = g / size if size else g
            g = g - l2 * z - total_variation * roughness(z, p.axes)
            z = np.clip(z + rate * g, -1, 1)
            found[p.address] = (middle + half * z).astype(before.dtype)
        if progress is not None:
            progress(n + 1, steps)
    score, shown = part.run(instead=found).score, places[0]
    x = found[shown.address]
    return Maximised(part.target.of, x, float(score[0]), np.array(history), shown.channel_axis)


def noise_for(model: Model, rng: np.random.Generator, middle: float, half: float) -> list[Any]:
    """One sample of noise for each input."""
    made = []
    for spec in model.inputs:
        if spec.shape is None or not differentiable(spec.dtype):
            raise BadInput(
                f"input {spec.name!r} of shape {spec.shape} and dtype {spec.dtype}: there is no "
                "noise for it; give x to begin with"
            )
        size = [1, *(n or 64 for n in spec.shape[1:])]
        made.append((middle + half * rng.uniform(-0.1, 0.1, size)).astype(spec.dtype))
    return made


def roughness(z: np.ndarray, positions: Sequence[int]) -> np.ndarray:
    """The derivative of the total variation: the mean of |difference| to the neighbours."""
    total = np.zeros_like(z)
    for axis in positions:
        step = np.sign(np.diff(z, axis=axis))
        ahead = [(0, 0)] * z.ndim
        ahead[axis] = (1, 0)
        behind = [(0, 0)] * z.ndim
        behind[axis] = (0, 1)
        total += np.pad(step, ahead) - np.pad(step, behind)
    return total / max(2 * len(positions), 1)
