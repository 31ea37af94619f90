"""What a method is asked: of which samples, which score, and at which value."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npforward.attributions.results import Attribution
from npforward.attributions.scores import asked_score, channel_axis_of, check_count, sliced
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
from npforward.model import Model
from npforward.run import Recording, leading_to
from npforward.run.replacing import dependent
from npforward.tape import Var

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Place:
    """A value that is asked about: an input, or what a layer puts out."""

    address: str
    entered: bool  # whether it is an input
    index: int  # of the input that a map lies over
    name: str  # of that input
    shape: tuple[int, ...]  # of the first part of the samples
    dtype: np.dtype
    channel_axis: int | None  # None where every axis but the first is of positions

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of positions."""
        rank = len(self.shape)
        channels = None if self.channel_axis is None else self.channel_axis % rank
        return tuple(axis for axis in range(1, rank) if axis != channels)

    @property
    def positions(self) -> tuple[int, ...]:
        """How many positions there are along each of these."""
        return tuple(self.shape[axis] for axis in self.axes)

    def where(self, at: tuple[slice, ...]) -> tuple[slice, ...]:
        """A region of the positions as one of the array."""
        every = [slice(None)] * len(self.shape)
        for axis, region in zip(self.axes, at, strict=True):
            every[axis] = region
        return tuple(every)


def at(places: Sequence[Place]) -> list[str]:
    """Their addresses."""
    return [place.address for place in places]


class Found(NamedTuple):
    """What a run gave: the score of each sample (float64), and by address gradients and values."""

    score: np.ndarray
    gradients: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """Some of the samples, and the score that is asked about."""

    model: Model
    at: slice
    feeds: list[np.ndarray]
    target: Target

    def run(
        self,
        gradients: Collection[str] = (),
        values: Collection[str] = (),
        instead: Mapping[str, np.ndarray] | None = None,
    ) -> Found:
        """The score, gradients and values, with arrays instead of what some addresses have."""
        target, other = self.target, dict(instead or {})
        entered = leaves(self.model.graph.inputs)
        feeds = [other.pop(a, feed) for a, feed in zip(entered, self.feeds, strict=True)]
        recording, way = recorded(self.model, feeds, target)
        given = {sound_value(recording, address): array for address, array in other.items()}
        goals: dict[Any, Any] = {}
        for address in gradients:
            goals["gradient", address] = gradient_at(recording, way, address, target.of)
        for name in {*values, *target.names}:
            goals["value", name] = recording_value(recording, name)
        if not target.names:
            goals["score", ""] = way.scalar
        found = dict(computed(self.model, recording, goals, [*feeds, *target.arrays], given))
        if target.names:
            score = np.zeros(len(feeds[0]))
            for name, seed in zip(target.names, target.arrays, strict=True):
                # Where nothing is asked for, infinity counts for nothing.
                terms = np.where(seed != 0, found["value", name].astype(np.float64) * seed, 0)
                score += terms.reshape(len(score), -1).sum(axis=1)
        else:
            score = np.asarray(found["score", ""], np.float64).reshape(1)
        return Found(
            score,
            {a: np.asarray(found["gradient", a]) for a in gradients},
            {a: np.asarray(found["value", a]) for a in values},
        )

    def values_of(self, places: Sequence[Place]) -> dict[str, np.ndarray]:
        """What stands at places, by address."""
        layers = [p.address for p in places if not p.entered]
        made = self.run(values=layers).values if layers else {}
        found = {p.address: made.get(p.address, self.feeds[p.index]) for p in places}
        for p in places:
            check_even(p.address, [p.shape, found[p.address].shape])
        return found

    def words(self, place: Place) -> np.ndarray | None:
        """The words, or else whole numbers, that the positions of a value are made of.  (n, T)"""
        recording = self.model._record(self.feeds)
        value = sound_value(recording, place.address)
        kept, needed = leading_to(recording.tape.steps, {value})
        made = [*recording.inputs, *(out for _, step in kept for out in step.outs)]
        shape = (len(value), *(value.shape[axis] for axis in place.axes))
        fitting = [v for v in made if v in needed and v.shape == shape and len(shape) == 2]
        words = [v for v in fitting if v.dtype.kind == "U"][-1:]  # split, and in small letters
        numbers = [v for v in fitting if v.dtype.kind in "iu"][:1]  # as they came in
        if not (words or numbers):
            return None
        return dict(computed(self.model, recording, {"": (words or numbers)[0]}, self.feeds))[""]


@dataclass(frozen=True)
class Asked:
    """All samples, and what is asked of them."""

    model: Model
    feeds: list[np.ndarray]
    parts: list[Part]  # some of the samples at a time
    recording: Recording  # of the first part
    classes: tuple[int, ...] | None
    said: str

    @classmethod
    def of(cls, model: Model, x: Any, of: Any, logits: bool, batch_size: int) -> Asked:
        """Look at the first part, and find what each sample is asked about."""
        at_least("batch_size", batch_size, 1)
        feeds = model.feeds(x)
        if not feeds or not feeds[0].ndim or not len(feeds[0]):
            raise BadInput("there is no sample in x")
        count = len(feeds[0])
        check_count(of, count)
        fixed = any(spec.shape is not None and spec.shape[0] is not None for spec in model.inputs)
        size = count if fixed else batch_size
        if callable(of) or (isinstance(of, tuple) and len(of) == 2 and callable(of[1])):
            size = 1  # its score is one number for all
            if fixed and count > 1:
                raise BadInput("of: a function needs one sample at a time: give x of one sample")
        parts: list[Part] = []
        classes: list[int] | None = []
        for i in range(0, count, size):
            at = slice(i, min(i + size, count))
            some = [feed[at] for feed in feeds]
            recording = model._record(some)
            score, found = asked_score(model, recording, some, sliced(of, at), logits)
            target = targeted(model, recording, score, None, None, {})
            parts.append(Part(model, at, some, target))
            classes = None if found is None or classes is None else [*classes, *found]
        said = parts[0].target.of
        if classes:
            name = said.rpartition("[")[0]
            same = classes[:1] if len(set(classes)) == 1 else classes
            said = f"{name}[{', '.join(map(str, same[:8]))}{', ...' if len(same) > 8 else ''}]"
        first = model._record(parts[0].feeds)
        return cls(model, feeds, parts, first, None if classes is None else tuple(classes), said)

    @property
    def inputs(self) -> list[Place]:
        """The inputs of the model as places, in its order."""
        return [self.place(address) for address in leaves(self.model.graph.inputs)]

    def place(self, address: str) -> Place:
        """What is known of a value by its address."""
        address, value = value_named(self.recording, address, "layer")
        entered = list(leaves(self.model.graph.inputs))
        index = entered.index(address) if address in entered else 0
        axis = channel_axis_of(self.recording, address)
        name = self.model.inputs[index].name
        return Place(address, address in entered, index, name, value.shape, value.dtype, axis)

    def places(self, input: str | None, layer: str | None) -> list[Place]:
        """The inputs that are asked about, or the layer."""
        if layer is not None:
            place = self.place(layer)
            if input is not None:
                over = self.over(input)
                place = replace(place, index=over.index, name=over.name)
            return [place]
        if input is not None:
            return [self.over(input)]
        able = [p for p in self.inputs if differentiable(self.feeds[p.index].dtype)]
        if not able:
            recording, way = recorded(self.model, self.parts[0].feeds, self.parts[0].target)
            gradient_at(recording, way, self.inputs[0].address, self.said)
        return able

    def movable(self, input: str | None, layer: str | None) -> list[Place]:
        """The same, where other arrays can take the place of the values."""
        places = self.places(input, layer)
        for place in places:
            if place.address not in self.recording.values:
                raise BadInput(
                    f"layer={layer!r} is within a layer; only the output of one can be changed"
                )
        return places

    def over(self, input: str | None) -> Place:
        """The input that a map is to lie over."""
        if input is None:
            return max(self.inputs, key=lambda p: p.channel_axis is not None)  # first of the best
        for place in self.inputs:
            if place.name == input:
                return place
        names = [place.name for place in self.inputs]
        raise UnknownName(f"the model has no input {input!r}. {nearest(input, names)}")

    def last_before(self, over: Place) -> Place:
        """The last value before the score with as many axes of positions as an input."""
        part = self.parts[0]
        recording, way = recorded(self.model, part.feeds, part.target)
        entered = {*leaves(self.model.graph.inputs), *part.target.names}
        rank = len(over.axes)
        # Of this input, and not of another.
        made = dependent(recording.tape.steps, [recording.inputs[over.index]])
        for address in reversed(recording.values):
            value = recording.values[address]
            if address in entered or not isinstance(value, Var) or value.ndim != rank + 2:
                continue
            if value not in made or way.of(value) is None:
                continue
            # What only hands a value on (Dropout) goes by the name of what made it.
            place = self.place(next(a for a, v in recording.values.items() if v is value))
            if math.prod(place.positions) > 1:
                return place
        raise BadInput(
            f"no layer with {rank} axes of positions lies between the input {over.name!r} and "
            f"{self.said}: name one by layer=..."
        )

    def beside(self, place: Place, given: Any, argument: str, part: Part, dtype: Any) -> np.ndarray:
        """A number or array brought to the shape that a value has in a part of the samples."""
        if isinstance(given, Mapping) and place.entered:
            names = [spec.name for spec in self.model.inputs]
            for name in given:
                if name not in names:
                    raise UnknownName(f"{argument}: no input {name!r}. {nearest(name, names)}")
            given = given.get(place.name, 0)
        shape = (len(self.feeds[place.index]), *place.shape[1:])
        try:
            array = np.asarray(given).astype(dtype)
            if array.ndim == 1 and place.channel_axis is not None:  # one for each channel
                axis = place.channel_axis % len(shape)
                array = array.reshape((-1,) + (1,) * (len(shape) - axis - 1))
            return np.broadcast_to(array, shape)[part.at]
        except (ValueError, TypeError) as error:
            what = f"input {place.name!r}" if place.entered else f"layer {place.address!r}"
            raise BadInput(
                f"{argument}: for the {what} of shape {shape} give a number, one for "
                f"each channel, or an array that fits: {error}"
            ) from None

    def results(
        self,
        method: str,
        places: Sequence[Place],
        found: Sequence[tuple[np.ndarray, Mapping[str, np.ndarray]]],
        kept: bool = True,
        gap: np.ndarray | None = None,
    ) -> Attribution | dict[str, Attribution]:
        """One Attribution for each place, of the score and maps of each part.

        Whether the axis of channels was `kept`.
        """
        score = np.concatenate([score for score, _ in found])
        made = {
            p.name: self.result(
                method, p, p, [maps[p.address] for _, maps in found], score, kept, gap
            )
            for p in places
        }
        return made if len(made) > 1 else next(iter(made.values()))

    def result(
        self,
        method: str,
        place: Place,
        over: Place,
        maps: Sequence[np.ndarray],
        score: np.ndarray,
        kept: bool = False,
        gap: np.ndarray | None = None,
    ) -> Attribution:
        """An Attribution of one place, whose maps lie over an input."""
        check_even(place.address, [map.shape for map in maps])
        shown = self.inputs[over.index]
        x = self.feeds[shown.index]
        found = Attribution(
            method,
            self.said,
            np.concatenate(maps),
            score,
            self.classes,
            place.address,
            over.name,
            x if shown.channel_axis is None else np.moveaxis(x, shown.channel_axis, -1),
            place.channel_axis if kept else None,
            gap,
        )
        return replace(found, words=self.words([place, over], found.heat.shape))

    def words(self, places: Sequence[Place], shape: tuple[int, ...]) -> np.ndarray | None:
        """The words, or else whole numbers, at the positions of a map; None without any."""
        for place in places:
            found = [part.words(place) for part in self.parts]
            held = [words for words in found if words is not None]
            if len(held) == len(found) and (len(shape), *held[0].shape[1:]) == (2, *shape[1:]):
                return np.concatenate(held)
        return None


def check_even(address: str, shapes: Sequence[tuple[int, ...]]) -> None:
    """All parts of the samples must have values of one shape."""
    sizes = {shape[1:] for shape in shapes}
    if len(sizes) > 1:
        raise BadInput(
            f"parts of the samples give {address!r} of different shapes "
            f"({', '.join(map(str, sorted(sizes)))}): take all at a time, by a larger batch_size"
        )


def gradient_at(recording: Recording, way: WayBack, address: str, of: str) -> Any:
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
        held = "text" if value.dtype.kind == "U" else value.dtype
        raise NotDifferentiable(
            f"{address!r} holds {held} values, which have no gradient. What is made of them "
            f"may have one{hint}"
        )
    if value in way.without:
        error = way.without[value]
        raise type(error)(f"{error}. {address!r} comes before it{hint}")
    raise BadInput(f"{address!r} is not on the path: {of} does not depend on it")


def at_least(argument: str, given: int, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < least:
        raise BadInput(f"{argument}={given!r}, expected a whole number from {least} up")
