"""The gradient of a score at the input: saliency, and gradient times input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npforward.attributions.asked import Asked, Place, at
from npforward.attributions.results import Attribution
from npforward.errors import BadInput
from npforward.model import Model


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
    asked = Asked.of(model, x, of, logits, batch_size)
    places = asked.places(input, layer)
    found = []
    for part in asked.parts:
        score, gradients, _ = part.run(at(places))
        found.append((score, {p.address: sizes(gradients, p, channels) for p in places}))
    return asked.results("saliency", places, found, kept=channels is None)


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
    asked = Asked.of(model, x, of, logits, batch_size)
    places = asked.places(input, layer)
    found = []
    for part in asked.parts:
        score, gradients, values = part.run(at(places), at(places))
        found.append((score, {a: values[a] * g for a, g in gradients.items()}))
    return asked.results("gradient-x-input", places, found)


def sizes(gradients: Mapping[str, np.ndarray], place: Place, channels: str | None) -> np.ndarray:
    """|gradient| at a place, over the channels of each position as `channels` says."""
    joins: dict[str, Callable[..., np.ndarray]] = {"max": np.max, "sum": np.sum, "mean": np.mean}
    if channels is not None and channels not in joins:
        raise BadInput(f"channels={channels!r}, expected one of {', '.join(joins)}, or None")
    found = np.abs(gradients[place.address])
    if channels is None or place.channel_axis is None:
        return found
    return joins[channels](found, axis=place.channel_axis)
