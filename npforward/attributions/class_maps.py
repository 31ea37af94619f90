"""Class activation maps: where the features of a layer lie that speak for a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npforward.attributions.asked import Asked
from npforward.attributions.results import Attribution
from npforward.errors import BadInput
from npforward.model import Model


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

    asked = Asked.of(model, x, of, logits, batch_size)
    return class_map("grad-cam", asked, layer, input, upsample, mean_gradient)


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

    asked = Asked.of(model, x, of, logits, batch_size)
    return class_map("grad-cam++", asked, layer, input, upsample, weighed_gradient)


def mean_gradient(a: np.ndarray, g: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The weight of each channel by Grad-CAM."""
    return g.mean(axis=axes, keepdims=True)


def weighed_gradient(a: np.ndarray, g: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The weight of each channel by Grad-CAM++."""
    # Both divided by g^2: its square would vanish long before g does.
    below = 2 + a.sum(axis=axes, keepdims=True) * g
    alpha = np.divide(1, below, out=np.zeros_like(g), where=(below != 0) & (g != 0))
    return (alpha * np.maximum(g, 0)).sum(axis=axes, keepdims=True)


def class_map(
    method: str,
    asked: Asked,
    layer: str | None,
    input: str | None,
    upsample: bool,
    weigh: Callable[[np.ndarray, np.ndarray, tuple[int, ...]], np.ndarray],
) -> Attribution:
    """ReLU of the channels of a layer's output, weighed and summed."""
    over = asked.over(input)
    place = asked.place(layer) if layer is not None else asked.last_before(over)
    if place.channel_axis is None:
        raise BadInput(
            f"layer {place.address!r} puts out the shape {place.shape}, which has no positions: "
            "choose one before pooling or Flatten"
        )
    size = over.positions
    if upsample and len(place.positions) != len(size):
        raise BadInput(
            f"layer {place.address!r} puts out the shape {place.shape}, whose positions are not "
            f"those of the input {over.name!r} {over.shape}: choose another, or upsample=False"
        )
    dtype = place.dtype if place.dtype.kind == "f" else np.dtype("float32")
    maps, scores = [], []
    for part in asked.parts:
        score, gradients, values = part.run([place.address], [place.address])
        a = np.moveaxis(values[place.address], place.channel_axis, -1).astype(np.float64)
        g = np.moveaxis(gradients[place.address], place.channel_axis, -1).astype(np.float64)
        weights = weigh(a, g, tuple(range(1, a.ndim - 1)))
        found = np.maximum((weights * a).sum(axis=-1), 0)
        maps.append((resized(found, size) if upsample else found).astype(dtype))
        scores.append(score)
    return asked.result(method, place, over, maps, np.concatenate(scores))


def resized(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
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
