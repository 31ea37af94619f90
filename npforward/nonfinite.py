"""Where the first NaN or infinity of a forward pass arose, and from what."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward.dtypes import floating
from npforward.graph import leaves
from npforward.model import Model
from npforward.reports import Report, plain
from npforward.run import Failed, called, leading_to
from npforward.statistics import is_numeric, native
from npforward.tape import Step, Var
from npforward.weights import parameters

if TYPE_CHECKING:
    from npforward.ops.scan import Program

Values = dict[Var, Any]  # the arrays that there are at one moment


@dataclass(frozen=True)
class Operand:
    """An array that the op took.

    Attributes
    ----------
    shape : tuple[int, ...]
        Of it.
    min, max : float or None
        Its range, of the finite numbers; None where there are none.
    value : float or None
        What it has at the very place, where each number of the answer is made of one of it.
    """

    shape: tuple[int, ...]
    min: float | None
    max: float | None
    value: float | None = None


@dataclass(frozen=True, repr=False)
class NonFinite(Report):
    """The first NaN or infinity of a forward pass: prints as a sentence or two, is data.

    Attributes
    ----------
    source : str
        "layer"; or "input" or "weight", which held it to begin with.
    address : str
        Of the layer within which it arose, of the input, or of the weight.
    op : str
        What was computed there; empty for an input or weight.
    kind : str
        "NaN", "Inf" or "-Inf".
    index : tuple[int, ...]
        Where it is in the array, the sample first.
    time : int or None
        In which round of a loop over time, in the order of the loop.
    count, size : int
        How many numbers of that array are NaN or infinite, and of how many.
    operands : tuple[Operand, ...]
        What the op took.
    affected : float
        The share of the numbers of the model's output that are NaN or infinite.

    Examples
    --------
    >>> zero = Operand((2, 4), 0.0, 3.5, 0.0)
    >>> print(NonFinite("layer", "entropy", "log", "-Inf", (0, 3), None, 1, 8, (zero,), 0.5))
    layer 'entropy' gives the first -Inf: log of 0 at [0, 3] (1 of 8 numbers)
    it took (2, 4) from 0 to 3.5
    50.0 % of the output is NaN or infinite
    """

    source: str
    address: str
    op: str
    kind: str
    index: tuple[int, ...]
    time: int | None
    count: int
    size: int
    operands: tuple[Operand, ...] = ()
    affected: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, fit for JSON: numbers that are not finite as text.

        Examples
        --------
        >>> NonFinite("input", "x", "", "NaN", (0,), None, 1, 8).to_dict()["index"]
        [0]
        """
        operands = [{**plain(asdict(o)), "value": _in_words(o.value)} for o in self.operands]
        return {**super().to_dict(), "operands": operands}

    def __str__(self) -> str:
        place = f"at {list(self.index)} ({self.count:,} of {self.size:,} numbers)"
        if self.source != "layer":
            lines = [f"{self.source} {self.address!r} itself holds {self.kind} {place}"]
        else:
            values = [f"{o.value:g}" for o in self.operands if o.value is not None]
            of = f" of {' and '.join(values)}" if values else ""
            when = "" if self.time is None else f" in round {self.time} of its loop"
            lines = [
                f"layer {self.address!r} gives the first {self.kind}{when}: {self.op}{of} {place}"
            ]
            lines += [f"it took {_shown(o)}" for o in self.operands]
        return "\n".join([*lines, f"{100 * self.affected:.1f} % of the output is NaN or infinite"])


def _in_words(value: float | None) -> float | str | None:
    return value if value is None or np.isfinite(value) else repr(value)


def _shown(operand: Operand) -> str:
    shape = str(operand.shape) if operand.shape else "a number"
    if operand.min is None:
        return f"{shape} of no finite numbers"
    return f"{shape} from {operand.min:g} to {operand.max:g}"


def first_nonfinite(model: Model, x: Any) -> NonFinite | None:
    """The first NaN or infinity of a forward pass: the op that gave it though it took none.

    Every op is computed by numpy, one after another in the order of execution, and each array is
    dropped after its last use.  Of infinities that a layer itself puts somewhere (the border of a
    max pooling) is told only if NaN comes of them, or if they get into the output.

    Parameters
    ----------
    model
        What `load_model` gives.
    x
        As for `Model.predict`.

    Returns
    -------
    NonFinite or None
        None if there is none.

    Raises
    ------
    BadInput
        `x` does not fit the model.
    UnsupportedLayer
        A layer cannot be replayed.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> row = np.ones((2, 13), "float32")
    >>> npf.first_nonfinite(model, row) is None
    True
    >>> row[1, 4] = np.nan
    >>> print(npf.first_nonfinite(model, row))
    input 'row' itself holds NaN at [1, 4] (1 of 26 numbers)
    50.0 % of the output is NaN or infinite
    """
    feeds, recording = model.feeds(x), model.recording(x)
    goals: list[Var] = []
    for address in model.outputs:
        value = recording.values[address]
        if isinstance(value, Failed):
            raise value.error
        goals.append(value)
    names = {id(p.stored): p.address for p in parameters(recording.graph, recording.bounds)}
    weights = {
        v: names[id(recording.bounds[layer].pairs[i][1])]
        for v, (layer, i) in recording.weights.items()
    }
    outputs = {v: address for address, v in recording.values.items() if isinstance(v, Var)}
    values = dict(zip(recording.inputs, feeds, strict=True))
    for first, _ in recording.tape.states.values():  # of stateful layers
        values[first] = np.zeros(first.shape, first.dtype)
    steps = [step for _, step in leading_to(recording.tape.steps, set(goals))[0]]
    walk = walked(steps, values, goals, lambda v: model.weights[weights[v]])
    search = Search(weights, outputs)
    entered = zip(leaves(recording.graph.inputs), feeds, strict=True)
    held = (_told("input", name, feed) for name, feed in entered if _bad(feed))
    found = next(held, None) or search.through(walk)
    deque(walk, maxlen=0)  # to the end: what becomes of the output
    ends = [values[v] for v in goals if v.dtype.kind != "U"]
    wrong = sum(int(np.count_nonzero(_wrong(y))) for y in ends)
    found = found or (search.own if wrong else None)
    return found and replace(found, affected=wrong / max(sum(y.size for y in ends), 1))


def walked(
    steps: Sequence[Step],
    values: Values,
    kept: Sequence[Var],
    weight: Callable[[Var], np.ndarray] | None = None,
) -> Iterator[tuple[Step, tuple, tuple]]:
    """Carry out steps one after another; gives (step, what it took, what it gave).

    `values` holds what there is already, and only what is still needed; at the end all of `kept`.
    A Var that nothing gives is a `weight`.
    """
    last = {v: n for n, step in enumerate(steps) for v in (*step.ins, *step.outs)}
    used = {*kept, *(v for step in steps for v in step.ins)}
    for v in kept:
        last[v] = len(steps)
    dying: dict[int, list[Var]] = {}
    for v, n in last.items():
        dying.setdefault(n, []).append(v)

    def array(a: Any) -> Any:
        if not isinstance(a, Var):
            return a
        if a not in values and weight is not None:
            values[a] = weight(a)
        return values[a]

    for n, step in enumerate(steps):
        args = tuple(map(array, step.args))
        options = step.options
        if hasattr(step.op, "keeping"):  # a loop stacks over time only what is wanted
            options = step.op.keeping(options, [out in used for out in step.outs])
        with np.errstate(all="ignore"):
            y = called(step.op.value(*args), args, options, step.scope)
        outs = y if isinstance(step.out, tuple) else (y,)
        values.update(zip(step.outs, outs, strict=True))
        yield step, args, outs
        for v in dying.get(n, ()):
            values.pop(v, None)
    for v in kept:
        array(v)  # a weight may be an output as it is


@dataclass
class Search:
    """Looks at one step after another for the first that gives what it did not take."""

    weights: Mapping[Var, str]  # and their addresses
    outputs: Mapping[Var, str]  # of layers, and their addresses
    seen: set[Var] = field(default_factory=set)  # weights that have been looked at
    own: NonFinite | None = None  # the first infinity that a layer put somewhere itself

    def through(
        self, walk: Iterator[tuple[Step, tuple, tuple]], time: int | None = None
    ) -> NonFinite | None:
        """What is found on a walk, which is left at that step."""
        for step, args, outs in walk:
            found = self._of_weights(step, args) or self._of_step(step, args, outs, time)
            if found is not None:
                return found
        return None

    def _of_weights(self, step: Step, args: tuple) -> NonFinite | None:
        for a, array in zip(step.args, args, strict=True):
            if isinstance(a, Var) and a in self.weights and a not in self.seen:
                self.seen.add(a)
                if _bad(array):
                    return _told("weight", self.weights[a], array)
        return None

    def _of_step(self, step: Step, args: tuple, outs: tuple, time: int | None) -> NonFinite | None:
        bad = [n for n, y in enumerate(outs) if _bad(y)]
        if not bad:
            return None
        if step.op.__name__ == "scan":
            return self._of_loop(step.options["program"], args)
        # What is infinite before anything was found, a layer has put there: a constant of it, or
        # what came of one.
        own = any(map(_bad, (*args, *leaves(dict(step.options)))))
        nan = [] if any(map(_has_nan, args)) else [n for n in bad if _has_nan(outs[n])]
        number = nan[0] if own and nan else bad[0]
        address = step.scope or self.outputs.get(step.outs[number], "")
        found = _told("layer", address, outs[number], nan=bool(own and nan))
        within = getattr(step.op, "elementwise", False)
        operands = tuple(_operand(a, outs[number], found.index if within else None) for a in args)
        found = replace(found, op=step.op.__name__, time=time, operands=operands)
        if not own or nan:
            return found
        self.own = self.own or found
        return None

    def _of_loop(self, program: Program, args: tuple) -> NonFinite | None:
        """What is found in a loop over time, round by round."""
        n, m = len(program.state), len(program.x)
        state, xs, captured = args[:n], args[n : n + m], args[n + m :]
        for t in range(len(xs[0])):
            arrays = (*state, *(x[t] for x in xs), *captured)
            values = dict(zip(program.ins, arrays, strict=True))
            kept = [v for v in program.new_state if isinstance(v, Var)]
            walk = walked(program.steps, values, kept)
            found = self.through(walk, t)
            if found is not None:
                return found
            state = tuple(values[v] if isinstance(v, Var) else v for v in program.new_state)
        return None


def _wrong(array: Any) -> np.ndarray:
    """Where an array is NaN or infinite."""
    array = np.asarray(array)
    return ~np.isfinite(array if array.dtype.kind == "c" else native(array))


def _bad(array: Any) -> bool:
    """Whether it is an array with NaN or infinity in it, or such a number."""
    if not isinstance(array, (float, np.ndarray, np.generic)):
        return False
    dtype = np.asarray(array).dtype
    return (dtype.kind == "c" or floating(dtype)) and bool(_wrong(array).any())


def _has_nan(array: Any) -> bool:
    return _bad(array) and bool(np.isnan(array).any())


def _told(source: str, address: str, array: np.ndarray, nan: bool = False) -> NonFinite:
    """What there is to say of the first place of an array that is wrong (of the first NaN)."""
    wrong = _wrong(array)
    places = np.isnan(array) if nan else wrong
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(places)), array.shape))
    value = array[index]
    kind = "NaN" if np.isnan(value) else "-Inf" if np.real(value) == -np.inf else "Inf"
    count = int(np.count_nonzero(wrong))
    return NonFinite(source, address, "", kind, index, None, count, array.size)


def _operand(a: Any, y: np.ndarray, index: tuple[int, ...] | None) -> Operand:
    """What to say of an argument of the op that gave `y`; `index` is where one number counts."""
    a = np.asarray(a)
    if not is_numeric(a.dtype):
        return Operand(a.shape, None, None)
    finite = native(a)[~_wrong(a)]
    low, high = (finite.min().item(), finite.max().item()) if finite.size else (None, None)
    value = None if index is None else native(np.broadcast_to(a, y.shape))[index].item()
    return Operand(a.shape, low, high, value)
