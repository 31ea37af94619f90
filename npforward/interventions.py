"""Values replaced while a model runs, runs that begin in its middle, and what each channel does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from npforward import addresses
from npforward.errors import BadInput, UnknownName, nearest
from npforward.model import Model, Trace
from npforward.run import (
    Failed,
    Plan,
    Recording,
    Replacing,
    dependent,
    fitting,
    needed_besides,
    plan,
)
from npforward.tape import Tape, Var


class Changed(NamedTuple):
    """A model with other values in the place of some."""

    recording: Recording
    feeds: Sequence[Any]  # for its inputs; None where there are none
    given: dict[Var, np.ndarray]  # what comes in beside them
    reached: set[str] | None  # what follows from where it begins; None: it begins with its inputs


def changed(
    model: Model, x: Any, replace: Mapping[str, Any], start: str | Sequence[str] | None
) -> Changed:
    """What `Model.trace` is to run, of its arguments.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> sorted(changed(model, np.zeros((1, 32)), {}, "dense1").reached)
    ['dense1', 'dense1:pre', 'dense2', 'dense2:pre', 'out', 'out:pre']
    """
    if not isinstance(replace, Mapping):
        raise BadInput(
            f"replace is {type(replace).__name__}, expected a dict {{address: array or function}}"
        )
    if start is not None:
        return _begun(model, x, replace, start)
    trace = x if isinstance(x, Trace) else None
    if trace is None:
        feeds = model.feeds(x)
        base = model._record(feeds)
    elif trace._origin is None:
        raise BadInput(
            "x is a Trace in which values were replaced, or that began in the middle; give one of "
            "the model as it is, made by trace(x)"
        )
    else:
        base, feeds = trace._origin
        if base.bounds is not model._bounds:
            raise BadInput("x is a Trace of another model; give one that this model made")
    recording, given = _recorded(model, base, feeds, replace, {}, trace or {})
    return Changed(recording, feeds, given, None)


def _begun(model: Model, x: Any, replace: Mapping[str, Any], start: str | Sequence[str]) -> Changed:
    """The model from some values on."""
    names = [start] if isinstance(start, str) else list(start)
    if not isinstance(x, Mapping) and len(names) == 1:
        x = {names[0]: x}
    if not names or not isinstance(x, Mapping) or not all(name in x for name in names):
        wanted = ", ".join(f"{name!r}: array" for name in names) or "address: array"
        raise BadInput(f"start={start!r}: give a dict or Trace as x, with {{{wanted}}}")
    if not isinstance(x, Trace) and len(x) > len(names):
        more = next(name for name in x if name not in names)
        raise BadInput(f"x has an array for {more!r}, which is not in start={start!r}")
    arrays = {name: _array(x[name], name) for name in names}
    base = model._record(_imagined(model, next(iter(arrays.values()))), "start", blind=True)
    begun = {}
    for name, array in arrays.items():
        address = single(name, [*base.values, *base.tape.taps], "start")
        begun[address] = _begins(model, base, address, array)
    recording, given = _recorded(model, base, None, replace, begun, {})
    places = {a: i for i, a in enumerate(recording.values)}
    after = dependent(recording.tape.steps, set(recording.tape.fed.values()))
    last = max(places[address] for address in begun)
    reached = {
        address
        for address, value in (*recording.tape.taps.items(), *recording.values.items())
        if (value in after if isinstance(value, Var) else places[address] > last)
    }
    return Changed(recording, [None] * len(base.inputs), given, reached)


def _array(given: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise BadInput(f"start: what is given for {name!r} is no array: {error}") from None


def _imagined(model: Model, array: np.ndarray) -> list[np.ndarray]:
    """Inputs that are not there, of as many samples as an array has.

    Sizes that the file leaves open are those of the array.
    """
    found = []
    for spec in model.inputs:
        if spec.shape is None:
            raise BadInput(
                f"start: the file does not say what shape the input {spec.name!r} has; give all "
                "inputs as x, and other values as replace={address: array}"
            )
        sizes = array.shape + (1,) * len(spec.shape)
        shape = [sizes[i] if n is None else n for i, n in enumerate(spec.shape)]
        found.append(np.broadcast_to(np.zeros((), spec.dtype), shape))
    return found


def _begins(model: Model, base: Recording, address: str, array: np.ndarray) -> np.ndarray:
    """An array to begin with, checked as far as the shape of its value is known."""
    if address not in base.values:
        raise BadInput(
            f"start: {address!r} is within a layer; a run begins at the output of one. "
            "replace={address: array} replaces values within layers"
        )
    value = base.values[address]
    if isinstance(value, Failed):
        return array
    sizes_open = any(None in (spec.shape or ())[1:] for spec in model.inputs)
    if array.ndim != value.ndim or (array.shape != value.shape and not sizes_open):
        sizes = ["any" if sizes_open or not i else n for i, n in enumerate(value.shape)]
        raise BadInput(
            f"start: {address!r} takes the shape ({', '.join(map(str, sizes))}), got {array.shape}"
        )
    return fitting(array, Tape().var(array.shape, value.dtype), f"start: {address!r} is given")


def single(name: str, known: Sequence[str], argument: str) -> str:
    """The one address that is called so.

    Examples
    --------
    >>> single("conv1", ["conv1", "conv1:pre"], "replace")
    'conv1'
    """
    found = addresses.match(str(name), known)
    if len(found) > 1:
        some = ", ".join(map(repr, found[:4]))
        raise BadInput(f"{argument}: {name!r} is several values ({some}, ...); name one")
    if not found:
        raise UnknownName(f"{argument}: no layer or value {name!r}. {nearest(str(name), known)}")
    return found[0]


def _recorded(
    model: Model,
    base: Recording,
    feeds: Sequence[np.ndarray] | None,
    replace: Mapping[str, Any],
    begun: Mapping[str, np.ndarray],
    trace: Mapping[str, np.ndarray],
) -> tuple[Recording, dict[Var, np.ndarray]]:
    """A recording with other values in the place of some, and the values that come in.

    Arrays come in from outside: one recording, and one plan, is for all arrays of one address.
    """
    known = [*base.values, *base.tape.taps]
    named = {single(name, known, "replace"): given for name, given in replace.items()}
    functions = {address: given for address, given in named.items() if callable(given)}
    arrays = {address: given for address, given in named.items() if not callable(given)}
    for address in begun:
        if address in named:
            raise BadInput(f"replace: {address!r} is where the run starts: give its array as x")
    shapes = {address: (array.shape, array.dtype) for address, array in begun.items()}
    replacing = Replacing(functions, dict.fromkeys(arrays) | shapes)
    arrays |= begun

    def given(recording: Recording) -> dict[Var, np.ndarray]:
        found = {
            var: fitting(arrays[address], var, f"replace: {address!r} is given")
            for address, var in recording.tape.fed.items()
        }
        other = replacing.changed(recording)
        for address, array in trace.items():
            value = recording.values.get(address, recording.tape.taps.get(address))
            if isinstance(value, Var) and value not in other:
                found.setdefault(value, array)
        return found

    def evaluate(recording: Recording, wanted: list[Var]) -> list[Any]:
        beside = given(recording)
        goals = {str(i): var for i, var in enumerate(wanted)}
        chosen = plan(recording, goals, given=tuple(beside))
        if feeds is None:
            check_needed(chosen, beside)
        entered: Sequence[Any] = [None] * len(base.inputs) if feeds is None else feeds
        return [array for _, array in model._run(chosen, [*entered, *beside.values()])]

    if not named and not begun:
        return base, given(base)
    key = (base, *replacing.arrays.items())
    recording = None if functions else model._recordings.get(key)
    if recording is None:
        recording = base.resumed(replacing.concerns, replacing, shapes, evaluate)
        _check_met(base, recording, replacing)
        # What calls a function is for this run alone: neither it nor its plan is kept.
        recording.tape.by_value |= bool(functions)
        recording = model._kept(recording, key)
    return recording, given(recording)


def _check_met(base: Recording, recording: Recording, replacing: Replacing) -> None:
    """Every value that is to be replaced must have been."""
    for address in {**replacing.functions, **replacing.arrays}:
        if address not in replacing.met and address not in recording.tape.fed:
            value = base.values.get(address)
            if isinstance(value, Failed):
                raise value.error
            raise BadInput(f"replace: {address!r} is no longer computed once others are replaced")


def check_needed(chosen: Plan, given: Mapping[Var, Any]) -> None:
    """A plan that has no inputs must not need any."""
    count = len(chosen.recording.inputs)
    if all(slot is None for slot in chosen.inputs[:count]):
        return
    names = needed_besides(chosen.recording, chosen.goals, given)
    fed = list(chosen.recording.tape.fed)
    raise BadInput(
        f"start: what is computed from {_some(fed)} also needs {_some(names)} from before: give "
        f"a dict {{address: array}} or a Trace with all of these as x, and start={fed + names}"
    )


def _some(names: Iterable[str]) -> str:
    return " and ".join(map(repr, names))
