"""Which score a method explains, and of which class of each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npforward.errors import BadInput
from npforward.gradients import computed, sound_value, value_named
from npforward.model import Model, Trace
from npforward.run import Failed, Recording
from npforward.statistics import channel_axes

# Ops that turn scores into shares or chances, and these.
SQUASHING = ("softmax", "sigmoid", "log_softmax", "log_sigmoid")


def asked_score(
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
    axis = channel_axis_of(recording, address)
    y = np.asarray(y, np.float64)
    y = y if axis is None else np.moveaxis(y, axis, -1)
    return y.reshape(len(y), -1, y.shape[-1]).sum(axis=1).argmax(axis=1)


def check_count(of: Any, count: int) -> None:
    """Arrays in `of` must have something for each sample."""
    held = list(of.values()) if isinstance(of, Mapping) else of
    for item in held if isinstance(held, (list, tuple)) else [held]:
        if isinstance(item, np.ndarray) and item.ndim and len(item) != count:
            raise BadInput(f"of: an array of {len(item)} rows for {count} samples")


def sliced(of: Any, at: slice) -> Any:
    """`of` for some of the samples."""
    if isinstance(of, np.ndarray) and of.ndim:
        return of[at]
    if isinstance(of, Mapping):
        return {name: sliced(item, at) for name, item in of.items()}
    if isinstance(of, list):
        return [sliced(item, at) for item in of]
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str):
        return of[0], sliced(of[1], at)
    return of


def channel_axis_of(recording: Recording, address: str) -> int | None:
    """Where the channels of a value are; None for vectors, and for what is no array of numbers."""
    known = {**recording.values, **recording.tape.taps}
    value = known[address]
    if isinstance(value, Failed) or value.ndim < 3:
        return None
    return channel_axes(Trace(known, recording.layers))[address]  # type: ignore[arg-type]
