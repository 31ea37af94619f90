"""What in an input speaks for a class: saliency, integrated gradients, Grad-CAM, occlusion, ...

Every method asks what a score hangs on: a class of the output, or anything else that
`Model.gradients` can differentiate.  Inputs go through in parts of `batch_size` samples, so memory
is that of one part.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import arrays
from npforward.dtypes import differentiable
from npforward.errors import BadInput, NotDifferentiable, UnknownName, nearest
from npforward.gradients import (
    Target,
    WayBack,
    computed,
    recorded,
    recording_value,
    sound_value,
    targeted,
    value_named,
)
from npforward.graph import leaves
from npforward.model import Model, Trace
from npforward.run import Failed, Recording
from npforward.statistics import channel_axes
from npforward.tape import Var

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress = Callable[[int, int], None]

# Ops that turn scores into shares or chances, and these.
SQUASHING = ("softmax", "sigmoid", "log_softmax", "log_sigmoid")


@dataclass(frozen=True)
class Attribution:
    """How much each place of an input counts for a score.

    Attributes
    ----------
    method : str
        As ``"grad-cam"``.
    of : str
        What the score is, in words: ``"digit[3]"``.
    map : ndarray
        (batch, *positions), or with the axis of channels where that was kept.
    score : ndarray
        (batch,) float64: the score of each sample.
    classes : tuple of int, or None
        The class of each sample, where the score is that of a class.
    layer : str
        The address of the value that was looked at: an input, or a layer.
    input : str
        The name of the input that the map lies over.
    x : ndarray
        That input: (batch, *positions, channels), channels last.
    gap : ndarray, or None
        (batch,) of integrated gradients: f(x) - f(baseline) - sum of the map.
    """

    method: str
    of: str
    map: np.ndarray
    score: np.ndarray
    classes: tuple[int, ...] | None
    layer: str
    input: str
    x: np.ndarray = field(repr=False)
    channel_axis: int | None = None  # of the map; None where channels were joined
    gap: np.ndarray | None = None

    @property
    def heat(self) -> np.ndarray:
        """One number for each position: the map, summed over channels.  (batch, *positions)"""
        return self.map if self.channel_axis is None else self.map.sum(axis=self.channel_axis)

    def title(self, sample: int = 0, labels: Sequence[str] | None = None) -> str:
        """Class and score of a sample, in words.

        Examples
        --------
        >>> ones = np.ones((1, 4))
        >>> Attribution("saliency", "digit[3]", ones, np.ones(1), (3,), "x", "x", ones).title()
        'saliency: class 3, score 1'
        """
        what = self.of
        if self.classes is not None:
            n = self.classes[sample]
            what = labels[n] if labels is not None else f"class {n}"
        return f"{self.method}: {what}, score {self.score[sample]:.4g}"

    def overlay(
        self,
        picture: np.ndarray | None = None,
        sample: int = 0,
        *,
        cmap: Any = None,
        labels: Sequence[str] | None = None,
    ) -> Figure:
        """The map of one sample over its picture; a map that is no plane is drawn alone.

        Parameters
        ----------
        picture
            (height, width) or (height, width, 1, 3 or 4); by default the input itself.
        sample
            Which of the batch.
        cmap
            A colour map of matplotlib.
        labels
            Names of the classes.

        Raises
        ------
        BadInput
            There is no such sample, colour map or class name; or `picture` is none.

        Examples
        --------
        >>> import npforward as npf
        >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
        >>> npf.grad_cam(model, np.ones((1, 32, 32, 1)), 3).overlay().get_label()
        'grad-cam_0'
        """
        from npforward import plots

        plots.check_sample(self.method, self.map, sample)
        if labels is not None and self.classes is not None and max(self.classes) >= len(labels):
            raise BadInput(f"{len(labels)} labels, but there is a class {max(self.classes)}")
        look = plots.Look(None, cmap)
        title, heat = self.title(sample, labels), self.heat[sample]
        at = self.layer if self.layer == self.input else f"layer {self.layer}"
        shown = self.x[sample] if picture is None else np.asarray(picture)
        if heat.ndim == 2 and shown.ndim == 3 and shown.shape[-1] not in (1, 3, 4):
            shown = shown.mean(axis=-1)  # planes that are no colours
        if heat.ndim == 2 and shown.ndim in (2, 3) and shown.dtype.kind in "biuf":
            figure = next(plots.overlays(heat[None, ..., None], shown, title, look, kind=at))
            figure.set_label(f"{self.method}_{sample}")
            return figure
        if picture is not None:
            raise BadInput(
                f"picture of shape {shown.shape} for a map of shape {heat.shape}: expected "
                "(height, width) or (height, width, 1, 3 or 4), and a map of two axes"
            )
        heat = heat[..., None] if heat.ndim > 1 else heat
        figure = next(plots.draw(heat[None], title, at, look))
        figure.set_label(f"{self.method}_{sample}")
        return figure

    def save(
        self, path: str | Path, *, cmap: Any = None, labels: Sequence[str] | None = None
    ) -> list[Path]:
        """Write the map, or an overlay of each sample.

        Parameters
        ----------
        path
            NAME.npz or NAME.h5: the arrays `map`, `score` (and `classes`, `gap`); NAME.pdf:
            overlays; NAME.png: that of the only sample; else a folder for a PNG each.
        cmap, labels
            As for `overlay`.

        Returns
        -------
        list of Path
            What was written, whole or not at all.

        Raises
        ------
        BadInput, CannotWrite
            The ending says no format; or the place cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> ones = np.ones((1, 4))
        >>> found = Attribution("saliency", "digit[3]", ones, np.ones(1), (3,), "x", "x", ones)
        >>> [file.name for file in found.save(Path(tempfile.mkdtemp()) / "map.npz")]
        ['map.npz']
        """
        from npforward import plots
        from npforward.writing import whole_file

        path = Path(path)
        ending = path.suffix.lower()
        figures = (self.overlay(None, n, cmap=cmap, labels=labels) for n in range(len(self.map)))
        if ending in ("", ".pdf"):
            return plots.save(figures, path, ending[1:] or "png")
        if ending == ".png":
            if len(self.map) != 1:
                raise BadInput(f"{path}: {len(self.map)} samples: give NAME.pdf or a folder")
            with whole_file(path) as temporary:
                next(figures).savefig(temporary, format="png", dpi=plots.DPI)
            return [path]
        held = {"map": self.map, "score": self.score}
        if self.classes is not None:
            held["classes"] = np.array(self.classes)
        if self.gap is not None:
            held["gap"] = self.gap
        return [arrays.save(held.items(), path)]


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
        x = self.x[0] if self.channel_axis is None else _last(self.x, self.channel_axis)[0]
        if not plots.is_picture(x):
            raise BadInput(f"{path}: an input of shape {x.shape} is no picture: give NAME.npz")
        from PIL import Image

        rgb = np.rint(np.nan_to_num(plots.as_rgb(x)[0]) * 255).astype(np.uint8)
        with whole_file(path) as temporary:
            Image.fromarray(rgb).save(temporary, format="PNG")
        return path


# ---- gradients for the input ------------------------------------------------------------------


def saliency(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    input: str | None = None,
    layer: str | None = None,
    channels: str | None = "max",
    logits: bool = False,
    batch_size: int = 32,
) -> Attribution | dict[str, Attribution]:
    """How strongly each place of the input moves a score: the size of its gradient.

    |d score / d x|, the largest over the channels of a place: Simonyan, Vedaldi and Zisserman,
    "Deep inside convolutional networks", 2013, section 3.1.

    Parameters
    ----------
    model
        What `load_model` gives.
    x
        As for `Model.predict`.
    of
        What to explain, as for `Model.gradients`: a class, an integer for each sample, an address,
        ``("conv1", 5)``; by default the class that each sample has the highest score of.
    input
        Of several inputs this one; without it every one that holds floats.
    layer
        Ask for the places of this value instead: for texts, whose words have no gradient, that of
        the Embedding.
    channels
        ``"max"``, ``"sum"`` or ``"mean"`` of the sizes over the channels; None keeps them.
    logits
        Explain the score before the softmax or sigmoid, as the paper does.
    batch_size
        How many samples to take at a time.

    Returns
    -------
    Attribution, or a dict of them by the name of the input where the model has several
        The map has the dtype of the input.

    Raises
    ------
    BadInput
        `x` or `of` does not fit the model, or what is explained does not hang on the input.
    UnknownName
        There is no such input, layer or value.
    NotDifferentiable
        The input holds integers or strings, or something on the way has no derivative.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> found = npf.saliency(model, np.ones((2, 32, 32, 1)), of=3)
    >>> found.map.shape, found.of
    ((2, 32, 32), 'digit[3]')
    """
    whole = _Whole.of(model, x, of, logits, batch_size)
    starts = whole.starts(input, layer)
    found = [part.run(part.feeds, [s.address for s in starts]) for part in whole.parts()]
    return whole.results(
        "saliency", starts, found, lambda s, g, _: _joined(np.abs(g), s, channels), channels
    )


def gradient_times_input(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    input: str | None = None,
    layer: str | None = None,
    logits: bool = False,
    batch_size: int = 32,
) -> Attribution | dict[str, Attribution]:
    """What each number of the input gives to a score, as far as the model is linear: x * gradient.

    Shrikumar et al., "Not just a black box", 2016.

    Parameters
    ----------
    model, x, of, input, layer, logits, batch_size
        As for `saliency`.

    Returns
    -------
    Attribution, or a dict of them by the name of the input where the model has several
        The map has the shape of the input: `heat` is summed over its channels.

    Raises
    ------
    BadInput, UnknownName, NotDifferentiable
        As for `saliency`.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> npf.gradient_times_input(model, np.ones((1, 13)), of=2).map.shape
    (1, 13)
    """
    whole = _Whole.of(model, x, of, logits, batch_size)
    starts = whole.starts(input, layer)
    at = [s.address for s in starts]
    found = [part.run(part.feeds, at, at) for part in whole.parts()]
    return whole.results("gradient-x-input", starts, found, lambda _, g, v: v * g)


def integrated_gradients(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    rule: str = "gauss-legendre",
    input: str | None = None,
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
    baseline
        A number, or an array that fits the input (or one sample); a dict of them by input name.
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
    """
    _at_least("steps", steps, 1)
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        way = list(zip((nodes + 1) / 2, weights / 2, strict=True))
    elif rule == "riemann":
        way = [((i + 0.5) / steps, 1 / steps) for i in range(steps)]
    else:
        raise BadInput(f"rule={rule!r}, expected 'gauss-legendre' or 'riemann'")
    whole = _Whole.of(model, x, of, logits, batch_size)
    starts = whole.starts(input, None)
    bases = {s.address: whole.beside(s, baseline, "baseline") for s in starts}
    parts, found, gaps = list(whole.parts()), [], []
    done = itertools.count(1)
    for part in parts:
        sums = {s.address: np.zeros(part.feeds[s.index].shape) for s in starts}

        def moved(share: float, part: _Part = part) -> list[np.ndarray]:
            feeds = list(part.feeds)
            for s in starts:
                b = bases[s.address][part.at]
                feeds[s.index] = (b + share * (feeds[s.index] - b)).astype(b.dtype)
            return feeds

        for share, weight in way:
            _, gradients, _ = part.run(moved(share), list(sums))
            for address, g in gradients.items():
                sums[address] += weight * g
            if progress is not None:
                progress(next(done), len(parts) * len(way))
        score, _, _ = part.run(part.feeds)
        maps = {s.address: sums[s.address] * (part.feeds[s.index] - bases[s.address][part.at])
                for s in starts}  # fmt: skip
        total = sum(m.reshape(len(m), -1).sum(axis=1) for m in maps.values())
        gaps.append(score - part.run(moved(0.0))[0] - total)
        found.append((score, maps, part.values_of(starts)))
    return whole.results(
        "integrated-gradients",
        starts,
        found,
        lambda _, m, v: m.astype(v.dtype),
        gap=np.concatenate(gaps),
    )


def smoothgrad(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    input: str | None = None,
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
    _at_least("samples", samples, 1)
    if not (noise >= 0 and math.isfinite(noise)):
        raise BadInput(f"noise={noise}, expected a share from 0 up")
    whole = _Whole.of(model, x, of, logits, batch_size)
    starts = whole.starts(input, None)
    parts, found = list(whole.parts()), []
    done = itertools.count(1)
    for part in parts:
        drawn = [np.random.default_rng([seed, n]) for n in range(part.at.start, part.at.stop)]
        sums = {s.address: np.zeros(part.feeds[s.index].shape) for s in starts}
        for _ in range(samples):
            feeds = list(part.feeds)
            for s in starts:
                clean = feeds[s.index]
                rows = [
                    row + r.normal(size=row.shape) * (noise * (np.ptp(row) if row.size else 0))
                    for row, r in zip(clean, drawn, strict=True)
                ]
                feeds[s.index] = np.array(rows, clean.dtype).reshape(clean.shape)
            for address, g in part.run(feeds, list(sums))[1].items():
                sums[address] += g / samples
            if progress is not None:
                progress(next(done), len(parts) * samples)
        found.append((part.run(part.feeds)[0], sums, part.values_of(starts)))
    return whole.results(
        "smoothgrad",
        starts,
        found,
        lambda s, g, v: _joined(np.abs(g), s, channels).astype(v.dtype),
        channels,
    )


# ---- class activation maps --------------------------------------------------------------------


def grad_cam(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    layer: str | None = None,
    input: str | None = None,
    upsample: bool = True,
    logits: bool = False,
    batch_size: int = 32,
) -> Attribution:
    """Where the features lie that speak for a class.

    ReLU of the sum over channels of A times the mean over positions of d score / d A, where A is
    what a layer puts out: Selvaraju et al., "Grad-CAM", 2017, equations 1 and 2.

    Parameters
    ----------
    model, x, of, logits, batch_size
        As for `saliency`.  In the paper the score is that before the softmax: ``logits=True``.
    layer
        Whose output; by default the last one on the way that has as many axes of positions as the
        input: what global pooling or Flatten is given.
    input
        Of several inputs, the one that the map is to lie over; by default the first with
        positions.
    upsample
        Bring the map to the size of the input, linearly; else it has that of the layer.

    Returns
    -------
    Attribution
        The map: (batch, *positions), from 0 up.

    Raises
    ------
    BadInput
        `x` or `of` does not fit the model; or there is no such layer before the score.
    UnknownName
        There is no such input, layer or value.
    NotDifferentiable
        Something between the layer and the score has no derivative.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> found = npf.grad_cam(model, np.ones((1, 32, 32, 1)), of=3)
    >>> found.map.shape, found.layer
    ((1, 32, 32), 'pool2')
    """

    def weigh(a: np.ndarray, g: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return g.mean(axis=axes, keepdims=True)

    asked = _Whole.of(model, x, of, logits, batch_size)
    return _cam("grad-cam", asked, layer, input, upsample, weigh)


def grad_cam_plus_plus(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    layer: str | None = None,
    input: str | None = None,
    upsample: bool = True,
    logits: bool = False,
    batch_size: int = 32,
) -> Attribution:
    """Grad-CAM that weighs positions, so that several objects of a class all show.

    Channels are weighed by the sum over positions of alpha * ReLU(g), where g = d score / d A and
    alpha = g^2 / (2 g^2 + sum(A) g^3): Chattopadhay et al., "Grad-CAM++", 2018, equations 10 and
    19.  Its factor exp(score), the same for all of a sample, is left out: it can overflow.

    Parameters
    ----------
    model, x, of, layer, input, upsample, logits, batch_size
        As for `grad_cam`.

    Returns
    -------
    Attribution
        The map: (batch, *positions), from 0 up.

    Raises
    ------
    BadInput, UnknownName, NotDifferentiable
        As for `grad_cam`.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> npf.grad_cam_plus_plus(model, np.ones((1, 32, 32, 1)), of=3).map.shape
    (1, 32, 32)
    """

    def weigh(a: np.ndarray, g: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        # Both divided by g^2: its square would vanish long before g does.
        below = 2 + a.sum(axis=axes, keepdims=True) * g
        alpha = np.divide(1, below, out=np.zeros_like(g), where=(below != 0) & (g != 0))
        return (alpha * np.maximum(g, 0)).sum(axis=axes, keepdims=True)

    asked = _Whole.of(model, x, of, logits, batch_size)
    return _cam("grad-cam++", asked, layer, input, upsample, weigh)


def _cam(
    method: str,
    whole: _Whole,
    layer: str | None,
    input: str | None,
    upsample: bool,
    weigh: Callable[[np.ndarray, np.ndarray, tuple[int, ...]], np.ndarray],
) -> Attribution:
    """ReLU of the channels of a layer's output, weighed and summed."""
    over = whole.over(input)
    start = whole.start(layer) if layer is not None else whole.last_before(over)
    if start.channel_axis is None:
        raise BadInput(
            f"layer {start.address!r} puts out the shape {start.shape}, which has no positions: "
            "choose one before pooling or Flatten"
        )
    size = _positions(whole.feeds[over.index].shape, over.channel_axis)
    if upsample and len(_positions(start.shape, start.channel_axis)) != len(size):
        raise BadInput(
            f"layer {start.address!r} puts out the shape {start.shape}, whose positions are not "
            f"those of the input {over.name!r} {over.shape}: choose another, or upsample=False"
        )
    found, scores = [], []
    for part in whole.parts():
        score, gradients, values = part.run(part.feeds, [start.address], [start.address])
        a = _last(values[start.address], start.channel_axis).astype(np.float64)
        g = _last(gradients[start.address], start.channel_axis).astype(np.float64)
        weights = weigh(a, g, tuple(range(1, a.ndim - 1)))
        cam = np.maximum((weights * a).sum(axis=-1), 0)
        found.append(_resized(cam, size) if upsample else cam)
        scores.append(score)
    dtype = start.dtype if start.dtype.kind == "f" else np.dtype("float32")
    return whole.result(
        method, start.address, over, np.concatenate(found).astype(dtype), np.concatenate(scores)
    )


def _resized(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Maps at another size, linearly along each axis, as `keras.ops.image.resize` does it.

    Pixels are squares: their centres lie at halves, and past the outermost the map is level.
    """
    for axis, n in enumerate(size, start=1):
        before = maps.shape[axis]
        at = np.clip((np.arange(n) + 0.5) * before / n - 0.5, 0, before - 1)
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, before - 1)
        share = (at - low).reshape((-1,) + (1,) * (maps.ndim - axis - 1))
        maps = maps.take(low, axis=axis) * (1 - share) + maps.take(high, axis=axis) * share
    return maps


# ---- changing the input -----------------------------------------------------------------------


def occlusion(
    model: Model,
    x: Any,
    of: Any = None,
    *,
    window: int | Sequence[int] = 8,
    stride: int | Sequence[int] | None = None,
    value: Any = 0.0,
    input: str | None = None,
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
        There is no such input or value.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> npf.occlusion(model, np.ones((1, 13)), of=2, window=1).map.shape
    (1, 13)
    """
    whole = _Whole.of(model, x, of, logits, batch_size)
    over = whole.over(input)
    size = _positions(over.shape, over.channel_axis)
    sides = _for_axes("window", window, size)
    sides = [min(side, n) for side, n in zip(sides, size, strict=True)]
    halves = [max(1, side // 2) for side in sides]
    strides = halves if stride is None else _for_axes("stride", stride, size)
    if 0 in size:
        raise BadInput(f"the input {over.name!r} has the shape {over.shape}: nothing to cover")
    starts = [
        sorted({*range(0, n - side, step), n - side})
        for n, side, step in zip(size, sides, strides, strict=True)
    ]
    cover = whole.beside(over, value, "value")
    parts, found, scores = list(whole.parts()), [], []
    done, total = itertools.count(1), len(parts) * math.prod(map(len, starts))
    for part in parts:
        score, _, _ = part.run(part.feeds)
        scores.append(score)
        clean = part.feeds[over.index]
        sums, times = np.zeros((len(clean), *size)), np.zeros(size)
        covered = clean.copy()
        for corner in itertools.product(*starts):
            at = tuple(slice(i, i + side) for i, side in zip(corner, sides, strict=True))
            where = _where(at, over.channel_axis, clean.ndim)
            covered[where] = cover[part.at][where]
            feeds = [covered if i == over.index else f for i, f in enumerate(part.feeds)]
            fall = score - part.run(feeds)[0]
            covered[where] = clean[where]
            sums[(slice(None), *at)] += fall.reshape((-1,) + (1,) * len(size))
            times[at] += 1
            if progress is not None:
                progress(next(done), total)
        found.append(sums / np.maximum(times, 1))  # strides past the window leave gaps
    return whole.result(
        "occlusion", over.address, over, np.concatenate(found), np.concatenate(scores)
    )


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
    _at_least("steps", steps, 1)
    _at_least("jitter", jitter, 0)
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
        x = _noise(model, rng, middle, half)
    whole = _Whole.of(model, x, of, logits, 1)
    if len(whole.feeds[0]) != 1:
        raise BadInput(f"x has {len(whole.feeds[0])} samples, expected one to begin with")
    starts = whole.starts(input, None)
    (part,) = whole.parts()
    feeds, history = list(part.feeds), []
    for n in range(steps):
        moved, shifts = list(feeds), {}
        for s in starts:
            positions = _axes(s.shape, s.channel_axis)
            shifts[s.address] = rng.integers(-jitter, jitter + 1, len(positions)), positions
            moved[s.index] = np.roll(feeds[s.index], *shifts[s.address])
        score, gradients, _ = part.run(moved, [s.address for s in starts])
        history.append(float(score[0]))
        for s in starts:
            by, positions = shifts[s.address]
            z = (feeds[s.index].astype(np.float64) - middle) / half
            g = np.roll(gradients[s.address], -by, positions).astype(np.float64)
            size = math.sqrt(np.square(g).mean()) if g.size else 0.0
            g = g / size if size else g
            g = g - l2 * z - total_variation * _roughness(z, positions)
            z = np.clip(z + rate * g, -1, 1)
            feeds[s.index] = (middle + half * z).astype(feeds[s.index].dtype)
        if progress is not None:
            progress(n + 1, steps)
    score, _, _ = part.run(feeds)
    shown = starts[0]
    return Maximised(
        part.target.of,
        feeds[shown.index],
        float(score[0]),
        np.array(history),
        shown.channel_axis,
    )


def _noise(model: Model, rng: np.random.Generator, middle: float, half: float) -> list[Any]:
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


def _roughness(z: np.ndarray, positions: Sequence[int]) -> np.ndarray:
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


# ---- what all of them share -------------------------------------------------------------------


@dataclass(frozen=True)
class _Start:
    """A value that is asked about: an input, or what a layer puts out."""

    address: str
    index: int  # of the input that a map lies over
    name: str  # of that input
    shape: tuple[int, ...]
    dtype: np.dtype
    channel_axis: int | None  # None where every axis but the first is of positions


@dataclass(frozen=True)
class _Part:
    """Some of the samples, and the score that is asked about."""

    model: Model
    at: slice
    feeds: list[np.ndarray]
    target: Target

    def run(
        self,
        feeds: list[np.ndarray],
        gradients: Sequence[str] = (),
        values: Sequence[str] = (),
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The score of each sample (float64), and by address gradients and values."""
        target = self.target
        recording, way = recorded(self.model, feeds, target)
        goals: dict[Any, Any] = {}
        for address in gradients:
            goals["gradient", address] = _gradient(recording, way, address, target.of)
        for name in {*values, *target.names}:
            goals["value", name] = recording_value(recording, name)
        if not target.names:
            goals["score", ""] = way.scalar
        found = dict(computed(self.model, recording, goals, [*feeds, *target.arrays]))
        if target.names:
            score = np.zeros(len(feeds[0]))
            for name, seed in zip(target.names, target.arrays, strict=True):
                # Where nothing is asked for, infinity counts for nothing.
                terms = np.where(seed != 0, found["value", name].astype(np.float64) * seed, 0)
                score += terms.reshape(len(score), -1).sum(axis=1)
        else:
            score = np.asarray(found["score", ""], np.float64).reshape(1)
        return (
            score,
            {a: np.asarray(found["gradient", a]) for a in gradients},
            {a: np.asarray(found["value", a]) for a in values},
        )

    def values_of(self, starts: Sequence[_Start]) -> dict[str, np.ndarray]:
        """The inputs themselves, by address."""
        return {s.address: self.feeds[s.index] for s in starts}


@dataclass(frozen=True)
class _Whole:
    """All samples, and what is asked of them."""

    model: Model
    feeds: list[np.ndarray]
    targets: list[_Part]
    recording: Recording  # of the first part
    classes: tuple[int, ...] | None
    said: str

    @classmethod
    def of(cls, model: Model, x: Any, of: Any, logits: bool, batch_size: int) -> _Whole:
        """Look at the first part, and find what each sample is asked about."""
        _at_least("batch_size", batch_size, 1)
        feeds = model.feeds(x)
        if not feeds or not feeds[0].ndim or not len(feeds[0]):
            raise BadInput("there is no sample in x")
        count = len(feeds[0])
        _check_count(of, count)
        fixed = any(spec.shape is not None and spec.shape[0] is not None for spec in model.inputs)
        size = count if fixed else batch_size
        if callable(of) or (isinstance(of, tuple) and len(of) == 2 and callable(of[1])):
            size = 1  # its score is one number for all
            if fixed and count > 1:
                raise BadInput("of: a function needs one sample at a time: give x of one sample")
        parts: list[_Part] = []
        classes: list[int] | None = []
        for i in range(0, count, size):
            at = slice(i, min(i + size, count))
            some = [feed[at] for feed in feeds]
            recording = model._record(some)
            asked, found = _asked(model, recording, some, _slice(of, at), logits)
            target = targeted(model, recording, asked, None, None, {})
            parts.append(_Part(model, at, some, target))
            classes = None if found is None or classes is None else [*classes, *found]
        said = parts[0].target.of
        if classes:
            name = said.rpartition("[")[0]
            same = classes[:1] if len(set(classes)) == 1 else classes
            said = f"{name}[{', '.join(map(str, same[:8]))}{', ...' if len(same) > 8 else ''}]"
        first = model._record(parts[0].feeds)
        return cls(model, feeds, parts, first, None if classes is None else tuple(classes), said)

    def parts(self) -> Iterator[_Part]:
        """The samples, some at a time."""
        return iter(self.targets)

    def start(self, address: str) -> _Start:
        """What is known of a value by its address."""
        address, value = value_named(self.recording, address, "layer")
        entered = list(leaves(self.model.graph.inputs))
        index = entered.index(address) if address in entered else 0
        axis = _channel_axis(self.recording, address)
        name = self.model.inputs[index].name
        return _Start(address, index, name, value.shape, value.dtype, axis)

    def starts(self, input: str | None, layer: str | None) -> list[_Start]:
        """The inputs that are asked about, or the layer."""
        if layer is not None:
            start = self.start(layer)
            if input is not None:
                over = self.over(input)
                start = _Start(start.address, over.index, over.name, *_rest(start))
            return [start]
        every = [self.start(a) for a in leaves(self.model.graph.inputs)]
        if input is not None:
            return [self.named(input, every)]
        able = [s for s in every if differentiable(self.feeds[s.index].dtype)]
        if not able:
            recording, way = recorded(self.model, self.targets[0].feeds, self.targets[0].target)
            _gradient(recording, way, every[0].address, self.said)
        return able

    def over(self, input: str | None) -> _Start:
        """The input that a map is to lie over."""
        every = [self.start(a) for a in leaves(self.model.graph.inputs)]
        if input is not None:
            return self.named(input, every)
        return max(every, key=lambda s: s.channel_axis is not None)  # the first of the best

    def named(self, input: str, every: Sequence[_Start]) -> _Start:
        for s in every:
            if s.name == input:
                return s
        names = [s.name for s in every]
        raise UnknownName(f"the model has no input {input!r}. {nearest(input, names)}")

    def last_before(self, over: _Start) -> _Start:
        """The last value before the score with as many axes of positions as an input."""
        part = self.targets[0]
        recording, way = recorded(self.model, part.feeds, part.target)
        entered = {*leaves(self.model.graph.inputs), *part.target.names}
        rank = len(_positions(over.shape, over.channel_axis))
        made: set[Var] = {recording.inputs[over.index]}  # of this input, and not of another
        for step in recording.tape.steps:
            if not made.isdisjoint(step.ins):
                made.update(step.outs)
        for address in reversed(recording.values):
            value = recording.values[address]
            if address in entered or not isinstance(value, Var) or value.ndim != rank + 2:
                continue
            if value not in made or way.of(value) is None:
                continue
            # What only hands a value on (Dropout) goes by the name of what made it.
            start = self.start(next(a for a, v in recording.values.items() if v is value))
            if math.prod(_positions(start.shape, start.channel_axis)) > 1:
                return start
        raise BadInput(
            f"no layer with {rank} axes of positions lies between the input {over.name!r} and "
            f"{self.said}: name one by layer=..."
        )

    def beside(self, s: _Start, given: Any, argument: str) -> np.ndarray:
        """A number or array brought to the shape of an input."""
        if isinstance(given, Mapping):
            names = [spec.name for spec in self.model.inputs]
            for name in given:
                if name not in names:
                    raise UnknownName(f"{argument}: no input {name!r}. {nearest(name, names)}")
            given = given.get(s.name, 0)
        x = self.feeds[s.index]
        try:
            array = np.asarray(given).astype(x.dtype)
            if array.ndim == 1 and s.channel_axis is not None:  # one for each channel
                axis = s.channel_axis % x.ndim
                array = array.reshape((-1,) + (1,) * (x.ndim - axis - 1))
            return np.broadcast_to(array, x.shape)
        except (ValueError, TypeError) as error:
            raise BadInput(
                f"{argument}: for the input {s.name!r} of shape {x.shape} give a number, one for "
                f"each channel, or an array that fits: {error}"
            ) from None

    def results(
        self,
        method: str,
        starts: Sequence[_Start],
        found: Sequence[tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]],
        make: Callable[[_Start, Any, Any], np.ndarray],
        channels: str | None = None,
        gap: np.ndarray | None = None,
    ) -> Attribution | dict[str, Attribution]:
        """One Attribution for each value asked about."""
        score = np.concatenate([score for score, _, _ in found])
        made = {}
        for s in starts:
            maps = [make(s, g[s.address], v.get(s.address)) for _, g, v in found]
            axis = None if channels is not None else s.channel_axis
            one = self.result(method, s.address, s, np.concatenate(maps), score, axis, gap)
            made[s.name] = one
        several = len(self.model.inputs) > 1 and starts[0].address in {
            *leaves(self.model.graph.inputs)
        }
        return made if several and len(made) > 1 else next(iter(made.values()))

    def result(
        self,
        method: str,
        layer: str,
        over: _Start,
        map: np.ndarray,
        score: np.ndarray,
        axis: int | None = None,
        gap: np.ndarray | None = None,
    ) -> Attribution:
        entered = list(leaves(self.model.graph.inputs))[over.index]
        x, at = self.feeds[over.index], _channel_axis(self.recording, entered)
        x = x if at is None else _last(x, at)
        return Attribution(
            method, self.said, map, score, self.classes, layer, over.name, x, axis, gap
        )


def _rest(start: _Start) -> tuple[tuple[int, ...], np.dtype, int | None]:
    return start.shape, start.dtype, start.channel_axis


def _asked(
    model: Model, recording: Recording, feeds: list[np.ndarray], of: Any, logits: bool
) -> tuple[Any, list[int] | None]:
    """`of` as `Model.gradients` takes it, and the class of each sample if it is about classes."""
    outputs = model.outputs
    address, what = outputs[0], of
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str):
        address, what = of
    elif isinstance(of, str):
        address, what = of, None
    elif len(outputs) > 1 and of is None:
        raise BadInput(
            f"the model has the outputs {', '.join(map(repr, outputs))}: say of which, as in "
            f"of=({outputs[0]!r}, 0)"
        )
    if logits:
        address = _before_squashing(recording, address)
    if of is None:
        what = _best(model, recording, feeds, address)
    count = len(feeds[0])
    classes = None
    if isinstance(what, (int, np.integer)) and not isinstance(what, bool):
        classes = [int(what)] * count
    elif isinstance(what, np.ndarray) and what.dtype.kind in "iu" and what.ndim == 1:
        classes = what.tolist()
    if classes is not None and address not in (*outputs, _of_output(recording, outputs)):
        classes = None  # a channel of some layer is no class
    if of is None or logits or isinstance(of, tuple):
        return (address if what is None else (address, what)), classes
    return of, classes


def _of_output(recording: Recording, outputs: Sequence[str]) -> str:
    """What the only output is made of by a softmax or sigmoid, if it is."""
    try:
        return _before_squashing(recording, outputs[0])
    except BadInput:
        return outputs[0]


def _before_squashing(recording: Recording, address: str) -> str:
    """The address of what goes into the softmax or sigmoid that makes a value."""
    known = {**recording.values, **recording.tape.taps}
    address, value = value_named(recording, address, "of")
    for step in reversed(recording.tape.steps):
        if value in {*step.outs} and step.op.__name__ in SQUASHING:
            for name, v in known.items():
                if v is step.args[0]:
                    return name
    raise BadInput(
        f"logits=True, but {address!r} is not made by a softmax or sigmoid: leave it out, or "
        "name the value before as of=(address, class)"
    )


def _best(model: Model, recording: Recording, feeds: list[np.ndarray], address: str) -> np.ndarray:
    """The channel of each sample that has the highest sum over positions."""
    value = sound_value(recording, address)
    if value.ndim < 2:
        raise BadInput(f"of: {address!r} has one number for each sample, so there is no class")
    ((_, y),) = computed(model, recording, {address: value}, feeds)
    axis = _channel_axis(recording, address)
    y = np.asarray(y, np.float64)
    y = y if axis is None else _last(y, axis)
    return y.reshape(len(y), -1, y.shape[-1]).sum(axis=1).argmax(axis=1)


def _gradient(recording: Recording, way: WayBack, address: str, of: str) -> Any:
    """The gradient for a value, or an error that says why it has none."""
    value = sound_value(recording, address)
    found = way.of(value)
    if found is not None:
        return found
    usable = next(
        (a for a, v in recording.values.items() if isinstance(v, Var) and way.of(v) is not None),
        None,
    )
    hint = f": ask for layer={usable!r}" if usable else ""
    if not differentiable(value.dtype):
        raise NotDifferentiable(
            f"{address!r} holds {value.dtype} values, which have no gradient. What is made of them "
            f"may have one{hint}"
        )
    if value in way.without:
        error = way.without[value]
        raise type(error)(f"{error}. {address!r} comes before it{hint}")
    raise BadInput(f"{address!r} is not on the path: {of} does not depend on it")


def _channel_axis(recording: Recording, address: str) -> int | None:
    """Where the channels of a value are; None for vectors, and for what is no array of numbers."""
    known = {**recording.values, **recording.tape.taps}
    value = known[address]
    if isinstance(value, Failed) or value.ndim < 3:
        return None
    return channel_axes(Trace(known, recording.layers))[address]  # type: ignore[arg-type]


def _axes(shape: Sequence[int], channel_axis: int | None) -> tuple[int, ...]:
    """The axes of positions."""
    channels = None if channel_axis is None else channel_axis % len(shape)
    return tuple(axis for axis in range(1, len(shape)) if axis != channels)


def _positions(shape: Sequence[int], channel_axis: int | None) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in _axes(shape, channel_axis))


def _where(at: tuple[slice, ...], channel_axis: int | None, rank: int) -> tuple[slice, ...]:
    """A place among the positions as a place in the array."""
    every = [slice(None)] * rank
    for axis, place in zip(_axes(range(rank), channel_axis), at, strict=True):
        every[axis] = place
    return tuple(every)


def _last(x: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(x, axis, -1)


def _joined(g: np.ndarray, s: _Start, channels: str | None) -> np.ndarray:
    """Over the channels of each place, as `channels` says."""
    joins: dict[str, Callable[..., np.ndarray]] = {"max": np.max, "sum": np.sum, "mean": np.mean}
    if channels is None:
        return g
    if channels not in joins:
        raise BadInput(f"channels={channels!r}, expected one of {', '.join(joins)}, or None")
    return g if s.channel_axis is None else joins[channels](g, axis=s.channel_axis)


def _check_count(of: Any, count: int) -> None:
    """Arrays in `of` must have something for each sample."""
    held = list(of.values()) if isinstance(of, Mapping) else of
    for item in held if isinstance(held, (list, tuple)) else [held]:
        if isinstance(item, np.ndarray) and item.ndim and len(item) != count:
            raise BadInput(f"of: an array of {len(item)} rows for {count} samples")


def _slice(of: Any, at: slice) -> Any:
    """`of` for some of the samples."""
    if isinstance(of, np.ndarray) and of.ndim:
        return of[at]
    if isinstance(of, Mapping):
        return {name: _slice(item, at) for name, item in of.items()}
    if isinstance(of, list):
        return [_slice(item, at) for item in of]
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str):
        return of[0], _slice(of[1], at)
    return of


def _for_axes(argument: str, given: int | Sequence[int], size: Sequence[int]) -> list[int]:
    """A whole number for each axis of positions."""
    each = [given] * len(size) if np.ndim(given) == 0 else list(given)  # type: ignore[arg-type]
    whole = all(isinstance(n, (int, np.integer)) and n >= 1 for n in each)
    if len(each) != len(size) or not whole:
        raise BadInput(
            f"{argument}={given!r}, expected a whole number from 1 up, or one for each of the "
            f"{len(size)} axes of positions"
        )
    return [int(n) for n in each]  # type: ignore[arg-type]


def _at_least(argument: str, given: int, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < least:
        raise BadInput(f"{argument}={given!r}, expected a whole number from {least} up")
