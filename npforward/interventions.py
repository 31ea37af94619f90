"""Values replaced while a model runs, runs that begin in its middle, and what each channel does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npforward import addresses, tables
from npforward.errors import BadInput, UnknownName, nearest
from npforward.graph import Graph, Ref, leaves, map_leaves
from npforward.model import Model, Trace
from npforward.reports import Report
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
from npforward.statistics import channel_axes, is_numeric
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
    >>> sorted(changed(model, np.zeros((1, 12)), {}, "dense3").reached)
    ['class', 'class:pre', 'dense3', 'elu']
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
        known = [*base.values, *base.tape.taps]
        address = single(name, known, "start", model.graph.aliases)
        begun[address] = _begins(model, base, address, array)
    recording, given = _recorded(model, base, None, replace, begun, {})
    after = dependent(recording.tape.steps, set(recording.tape.fed.values()))
    calls = _following(model.graph, begun)
    reached = {
        address
        for address, value in (*recording.tape.taps.items(), *recording.values.items())
        if (value in after if isinstance(value, Var) else _call(address) in calls)
    }
    for address in reached & set(recording.values):
        value = recording.values[address]
        first = next(a for a, other in recording.values.items() if other is value)
        if isinstance(value, Failed) and first not in reached:
            recording.values[address] = Failed(_needing(recording, [first]))
    return Changed(recording, [None] * len(base.inputs), given, reached)


def _call(address: str) -> str:
    """The call in the whole model that a value comes of."""
    return addresses.layer_part(address).partition("/")[0]


def _following(graph: Graph, begun: Iterable[str]) -> set[str]:
    """The calls that take any of the values, or hold one: what fails has no steps to tell that."""
    values = set(begun)
    found = {_call(address) for address in values if "/" in address}
    for node in graph.nodes:
        for ref in leaves([node.args, dict(node.kwargs)]):
            if isinstance(ref, Ref):
                address = f"{ref.node}#{ref.output}" if ref.output else ref.node
                if address in values or ref.node in found:
                    found.add(node.address)
    return found


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


def single(
    name: str, known: Sequence[str], argument: str, aliases: Mapping[str, str] | None = None
) -> str:
    """The one address that is called so.

    Examples
    --------
    >>> single("conv1", ["conv1", "conv1:pre"], "replace")
    'conv1'
    """
    found = addresses.match(str(name), known, aliases)
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
    aliases = model.graph.aliases
    named = {single(name, known, "replace", aliases): given for name, given in replace.items()}
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
            now = recording.values.get(address, recording.tape.taps.get(address))
            for value in (now, replacing.before.get(address)):
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
    raise _needing(chosen.recording, needed_besides(chosen.recording, chosen.goals, given))


def _needing(recording: Recording, names: list[str]) -> BadInput:
    fed = list(recording.tape.fed)
    return BadInput(
        f"start: what is computed from {_some(fed)} also needs {_some(names)} from before: give "
        f"a dict {{address: array}} or a Trace with all of these as x, and start={fed + names}; or "
        "ask for less with layers= or until="
    )


def _some(names: Iterable[str]) -> str:
    return " and ".join(map(repr, names))


# What each channel does -------------------------------------------------------------------------


@dataclass(frozen=True)
class Channel:
    """What becomes of the score without one channel.

    Attributes
    ----------
    channel : int
        Its number, from 0.
    score : float
        The score while the channel is set to something else.
    change : float
        How much more that is than with the channel: below 0, the channel speaks for the class.
    """

    channel: int
    score: float
    change: float


@dataclass(frozen=True, repr=False)
class Ablation(Report):
    """How the score changes without each channel of a layer, the greatest change first.

    Prints as a table, is data.

    Attributes
    ----------
    layer, of : str
        Whose channels, and what the score is.
    value : float or str
        What they were set to.
    samples : int
        Over how many the score is the mean.
    score : float
        With all channels.
    rows : tuple[Channel, ...]
        Without each.

    Examples
    --------
    >>> rows = Channel(3, 0.25, -0.5), Channel(0, 0.75, 0.0)
    >>> found = Ablation("conv1", "class 7", 0.0, 4, 0.75, rows)
    >>> print(found)
    channel  score  change
    ----------------------
          3   0.25    -0.5
          0   0.75      +0
    conv1: class 7 scores 0.75 with all channels; mean of 4 samples, each channel set to 0
    """

    layer: str
    of: str
    value: float | str
    samples: int
    score: float
    rows: tuple[Channel, ...]

    def __str__(self) -> str:
        lines = [[row.channel, f"{row.score:.4g}", f"{row.change:+.4g}"] for row in self.rows]
        many = "" if self.samples == 1 else "s"
        to = f"{self.value:g}" if isinstance(self.value, float) else f"its {self.value}"
        return (
            tables.table(["channel", "score", "change"], lines, left=0)
            + f"\n{self.layer}: {self.of} scores {self.score:.4g} with all channels; mean of "
            f"{self.samples} sample{many}, each channel set to {to}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, NaN and infinity as None: JSON has neither.

        Examples
        --------
        >>> Ablation("conv1", "class 7", 0.0, 1, 0.5, (Channel(0, math.nan, math.nan),)).to_dict()
        {'layer': 'conv1', 'of': 'class 7', 'value': 0.0, 'samples': 1, 'score': 0.5, 'channels': \
[{'channel': 0, 'score': None, 'change': None}]}
        """
        data = super().to_dict()
        channels = data.pop("rows")
        return {**data, "channels": channels}


def ablation(
    model: Model,
    x: Any,
    layer: str,
    of: int | Callable[[Any], Any],
    channels: Iterable[int] | None = None,
    value: float | str = 0.0,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """How a score changes if each channel of a layer, one at a time, is set to something else.

    What comes before the layer is computed once.

    Parameters
    ----------
    model
        What `load_model` gives.
    x
        As for `Model.predict`, or a `Trace` of it.
    layer
        Whose channels, by the address of the value: inner ones too, as ``"lstm:cell"``.  Channels
        are axis 1 where the layers are channels_first, else the last.
    of
        The score: a class, which is that entry of the only output, mean over the samples (and over
        the positions, if it has some); or a function of the output, or of the tree of outputs as
        `predict` gives it, that gives a number.
    channels
        Which of them; by default all.
    value
        What to set them to: a number, or "mean" for each one's own mean over the samples and
        positions.
    progress
        Is called after each channel with how many are done, and of how many.

    Raises
    ------
    BadInput
        There is no such class or channel, or `of` gives something else than a number.
    UnknownName
        There is no such layer.

    Notes
    -----
    Channels that are set to zero, or to their mean, as in R. Meyes et al., "Ablation studies in
    artificial neural networks" (2019).

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> found = npf.ablation(model, np.ones((2, 13)), "dense1", of=0)
    >>> len(found.rows), abs(found.rows[0].change) >= abs(found.rows[1].change)
    (32, True)
    """
    if value != "mean" and (isinstance(value, str) or not np.isscalar(value)):
        raise BadInput(f"value={value!r}, expected a number or 'mean'")
    trace = x if isinstance(x, Trace) else model.trace(x)
    (address, whole), *others = model.trace(trace, layers=layer).items()
    if others:
        raise BadInput(f"layer={layer!r} is several values, {address!r} among them; name one")
    if whole.ndim < 2 or not is_numeric(whole.dtype):
        raise BadInput(f"layer={layer!r}: {whole.dtype} of shape {whole.shape} has no channels")
    axis = _channel_axis(model, trace, address, whole) % whole.ndim
    count = whole.shape[axis]
    chosen = list(range(count) if channels is None else channels)
    for channel in chosen:
        if channel not in range(count):
            raise BadInput(f"channel {channel!r}: {address!r} has the channels 0 to {count - 1}")
    intact = model.trace(trace, layers=model.outputs)
    scored, said = _scored(model, intact, of)
    score = scored(intact)
    rows = []
    for done, channel in enumerate(chosen, 1):
        at = (slice(None),) * axis + (channel,)
        without = whole.copy()
        without[at] = whole[at].mean(dtype=np.float64) if value == "mean" else value
        after = model.trace(trace, layers=model.outputs, replace={address: without})
        found = scored(after)
        rows.append(Channel(channel, found, found - score))
        if progress is not None:
            progress(done, len(chosen))
    rows.sort(key=lambda row: -abs(row.change) if math.isfinite(row.change) else -math.inf)
    to = value if isinstance(value, str) else float(value)
    return Ablation(address, said, to, len(whole), score, tuple(rows))


def _channel_axis(model: Model, trace: Trace, address: str, value: np.ndarray) -> int:
    """Where the channels of a value are, also of one that is not in the trace."""
    layers = dict(trace.layers)
    if address not in trace:
        layers |= model.trace(trace, layers=address).layers
    return channel_axes(Trace({**trace, address: value}, layers))[address]


def _scored(
    model: Model, intact: Trace, of: int | Callable[[Any], Any]
) -> tuple[Callable[[Trace], float], str]:
    """The score of a trace that has the outputs, and what it is called."""
    if callable(of):
        said = getattr(of, "__name__", "function")

        def score_of(trace: Trace) -> float:
            arrays = iter([trace[address] for address in model.outputs])
            found = np.asarray(of(map_leaves(lambda _: next(arrays), model.graph.outputs)))
            if found.size != 1 or not is_numeric(found.dtype):
                raise BadInput(
                    f"of: {said!r} gives {found.dtype} of shape {found.shape}, expected a number"
                )
            return float(found.reshape(()))

        return score_of, said
    if len(model.outputs) > 1:
        raise BadInput(
            f"of={of!r}: the model has the outputs {', '.join(map(repr, model.outputs))}; give a "
            "function of them that gives a number"
        )
    (output,) = model.outputs
    classes = intact[output].shape[-1] if intact[output].ndim > 1 else 0
    if isinstance(of, bool) or not isinstance(of, (int, np.integer)) or of not in range(classes):
        raise BadInput(
            f"of={of!r}: the output {output!r} has the classes 0 to {classes - 1}; give one, or a "
            "function of it"
        )
    return lambda trace: float(trace[output][..., of].mean(dtype=np.float64)), f"class {of}"
