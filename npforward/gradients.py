"""Gradients of a loss, a class or any value for everything in a model: one walk backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import addresses, losses, ops
from npforward.dtypes import differentiable
from npforward.errors import BadInput, NotDifferentiable, UnknownName, nearest
from npforward.graph import leaves
from npforward.model import Model, Trace
from npforward.run import Failed, Recording
from npforward.run.plan import MISFITS, misfit
from npforward.run.replacing import dependent
from npforward.statistics import channel_axes
from npforward.tape import Step, Var, backward
from npforward.weights import Parameter, parameters

if TYPE_CHECKING:
    from npforward.model import Selection

# What only moves numbers: a gradient goes the same way as the value that is shown.
MOVES = (ops.transpose, ops.flip, ops.reshape)


class GradientTrace(Trace):
    """The gradients of values by address; one that is missing is told why."""

    def __init__(self, values: Mapping[str, np.ndarray], why: Callable[[str], Exception],
                 **of_trace: Any) -> None:  # fmt: skip
        super().__init__(values, **of_trace)
        self._why = why

    def __getitem__(self, address: str) -> np.ndarray:
        try:
            return super().__getitem__(address)
        except UnknownName:
            raise self._why(address) from None

    def __repr__(self) -> str:
        return f"Gradients of {len(self)} values: {', '.join(list(self)[:4])}, ..."


class NamedGradients(Mapping[str, np.ndarray]):
    """Gradients by name; one that is missing is told why.

    `paths` are pairs of a name in Keras and the name here.  How much of the path to it a variable
    has in its name depends on how Keras came to build it, so the end of one is enough.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        why: Callable[[str], Exception],
        paths: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._arrays, self._why, self._paths = dict(arrays), why, paths

    def _meant(self, name: str) -> list[str]:
        plain = name.removesuffix(":0")
        if plain in self._arrays:
            return [plain]
        exact = [known for path, known in self._paths if plain in (path, known)]
        longer = [known for path, known in self._paths if path.endswith(f"/{plain}")]
        shorter = [pair for pair in self._paths if plain.endswith(f"/{pair[0]}")]
        longest = max((len(path) for path, _ in shorter), default=0)
        return exact or longer or [known for path, known in shorter if len(path) == longest]

    def __getitem__(self, name: str) -> np.ndarray:
        meant = self._meant(name)
        if len(meant) > 1:
            raise UnknownName(f"{name!r} may be {' or '.join(map(repr, meant))}: say which")
        known = meant[0] if meant else name
        if known in self._arrays:
            return self._arrays[known]
        raise self._why(known)

    def __contains__(self, name: object) -> bool:
        meant = self._meant(name) if isinstance(name, str) else []
        return len(meant) == 1 and meant[0] in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Gradients of {', '.join(list(self)[:4])}, ..."


@dataclass(frozen=True)
class Gradients:
    """What one walk backwards gave.

    Attributes
    ----------
    of : str
        What was differentiated, in words.
    value : float
        Its value.
    activations : Mapping[str, ndarray]
        The gradient for every value of the model by address, a `Trace`: in execution order, with
        statistics, and fit to be drawn.
    weights : Mapping[str, ndarray]
        For every weight that training may change, by its address (``"conv1/kernel"``), also found
        by Keras's names (``"lstm/lstm_cell/kernel"``, ``"conv1/kernel:0"``).
    inputs : Mapping[str, ndarray]
        For every input, by its name.
    """

    of: str
    value: float
    activations: Trace
    weights: Mapping[str, np.ndarray]
    inputs: Mapping[str, np.ndarray]

    def __repr__(self) -> str:
        parts = [f"{len(self.activations)} activations", f"{len(self.weights)} weights"]
        return f"<Gradients of {self.of} = {self.value:.6g}: {', '.join(parts)}>"


@dataclass(frozen=True)
class Target:
    """What is differentiated: a number made of values of the model and of arrays beside them."""

    of: str  # in words
    key: Hashable  # what tells it from other targets; None where a recording is for it alone
    arrays: Sequence[np.ndarray]  # go in beside the inputs
    record: Callable[[Recording, Sequence[Var]], list[Part]]
    names: tuple[str, ...] = ()  # of the values that the arrays are gradients for, if they are


@dataclass(frozen=True)
class Part:
    """A recorded term of the number: its Var, and the gradients that the walk begins with."""

    scalar: Any
    seeds: Mapping[Var, Any]
    # A value that a loss may go past by way of its logits, and what records it by the value itself.
    direct: tuple[Var, Callable[[], Any]] | None = None


@dataclass
class WayBack:
    """What was recorded for a target: the gradient of each value, or why it has none."""

    scalar: Any
    gradients: dict[Var, Any]
    without: dict[Var, NotDifferentiable]
    shown: dict[Var, Any] = field(default_factory=dict)

    def of(self, v: Any) -> Any:
        """The gradient of a value: a Var, an array, or None."""
        return self.gradients.get(v, self.shown.get(v))


def gradients(
    model: Model,
    x: Any,
    of: Any = None,
    y: Any = None,
    *,
    layers: Selection = None,
    inner: bool = False,
    sample_weight: Any = None,
    **options: Any,
) -> Gradients:
    """What `Model.gradients` gives; its parameters are described there."""
    feeds = model.feeds(x)
    target = targeted(model, model._record(feeds), of, y, sample_weight, options)
    recording, way = recorded(model, feeds, target)
    known = parameters(model.graph, model._bounds)
    held = _parameters(known, model, recording)
    chosen, why = _chosen(model, recording, way, held.values(), layers, inner)
    weights = {name: way.of(v) for name, v in held.items() if way.of(v) is not None}
    goals = {("value", ""): way.scalar}
    goals |= {("activation", a): way.of(recording_value(recording, a)) for a in chosen}
    goals |= {("weight", name): g for name, g in weights.items()}
    found = dict(computed(model, recording, goals, [*feeds, *target.arrays]))
    value = float(np.asarray(found.pop(("value", ""))))
    arrays: dict[str, dict[str, np.ndarray]] = {"activation": {}, "weight": {}}
    for (kind, name), array in found.items():
        view = np.asarray(array).view()
        view.flags.writeable = False
        arrays[kind][name] = view
    of_layers = {a: arrays["activation"][a] for a in chosen}
    entered = [a for a in leaves(model.graph.inputs) if a in of_layers]
    trace = GradientTrace(
        of_layers,
        why,
        layers={a: recording.layer_of(a) for a in chosen},
        inputs=tuple(entered),
        outputs=tuple(a for a in model.outputs if a in of_layers),
        kernels="compiled" if model._compiled else "numpy",
        aliases=model.graph.aliases,
    )
    inputs = {addresses.unescape(a): of_layers[a] for a in entered}

    def why_no_weight(name: str) -> Exception:
        if name in held and held[name] in way.without:
            return way.without[held[name]]
        if name in model.weights:
            reason = "it is not on the path" if name in held else "training does not change it"
            return BadInput(f"there is no gradient of {target.of} for weight {name!r}: {reason}")
        return UnknownName(f"no weight {name!r}. {nearest(name, weights)}")

    in_order = {name: arrays["weight"][name] for name in weights}
    return Gradients(
        target.of,
        value,
        trace,
        NamedGradients(in_order, why_no_weight, [(p.path, p.address) for p in known]),
        NamedGradients(inputs, why),
    )


# ---- the walk ---------------------------------------------------------------------------------


def recorded(model: Model, feeds: list[np.ndarray], target: Target) -> tuple[Recording, WayBack]:
    """The model recorded on inputs like these, and behind it the way back from a target."""
    shapes = tuple((a.shape, a.dtype.str) for a in target.arrays)

    def extend(recording: Recording) -> WayBack:
        given = [recording.tape.var(a.shape, a.dtype) for a in target.arrays]
        recording.inputs += given
        with recording.tape.limits.in_force():
            return _walked(recording, target.record(recording, given))

    key = None if target.key is None else ("gradients", target.key, shapes)
    recording = model._record(feeds, key, extend)
    return recording, recording.beside


def _walked(recording: Recording, parts: Sequence[Part]) -> WayBack:
    """Record the walk back from the sum of all parts to everything that has a gradient."""
    tape, forward = recording.tape, tuple(recording.tape.steps)
    makers = {out: step for step in forward for out in step.outs}
    taps = {v: _base(v, makers) for v in tape.taps.values()}
    goals = [v for v in recording.values.values() if isinstance(v, Var)]
    goals += [base for base, _ in taps.values()] + list(recording.weights)
    goals = [v for v in goals if differentiable(v.dtype)]
    seeds: dict[Var, Any] = {}
    for part in parts:
        for v, g in part.seeds.items():
            seeds[v] = seeds[v] + g if v in seeds else g
    found, without = backward(tape, seeds, goals)
    for part in parts:
        if part.direct is not None and part.direct[0] not in found:
            value, start = part.direct[0], len(tape.steps)
            scalar = part.direct[1]()
            again = tape.steps[start:]
            found |= backward(tape, {scalar: np.ones((), scalar.dtype)}, [value], again)[0]
    scalar = functools.reduce(lambda a, b: a + b, [part.scalar for part in parts])
    way = WayBack(scalar, found, without)
    for v, (base, moves) in taps.items():
        if v not in found and base in found:
            g = found[base]
            for step in moves:
                g = step.op(g, **step.options)
            way.shown[v] = g
        elif base in without:
            way.without.setdefault(v, without[base])
    return way


def _base(v: Var, makers: Mapping[Var, Step]) -> tuple[Var, list[Step]]:
    """The value that an inner value shows, and the moves from that to this."""
    moves: list[Step] = []
    while v in makers and makers[v].op in MOVES:
        moves.append(makers[v])
        v = makers[v].args[0]
    return v, moves[::-1]


def computed(
    model: Model,
    recording: Recording,
    goals: Mapping[Any, Any],
    arrays: list[np.ndarray],
    given: Mapping[Var, np.ndarray] | None = None,
) -> Iterator[tuple[Any, np.ndarray]]:
    """Run what gives these Vars; what is an array already is given out as it is.

    `given` Vars are not computed: these arrays take their place.
    """
    given = given or {}
    held = {name: v for name, v in goals.items() if isinstance(v, Var)}
    yield from ((name, v) for name, v in goals.items() if name not in held)
    chosen = model._plan(recording, tuple(held.items()), given=tuple(given))
    yield from model._run(chosen, [*arrays, *given.values()])


def recording_value(recording: Recording, address: str) -> Any:
    """The Var behind an address."""
    return recording.values.get(address, recording.tape.taps.get(address))


def sound_value(recording: Recording, address: str) -> Var:
    """The Var behind an address; if it cannot be computed, the error that says why."""
    value = recording_value(recording, address)
    if isinstance(value, Failed):
        raise value.error
    return value


def _parameters(known: Sequence[Parameter], model: Model, recording: Recording) -> dict[str, Var]:
    """The recorded weights that training may change, by address, in the order of the model."""
    used = {model._bounds[layer].pairs[i][1]: v for v, (layer, i) in recording.weights.items()}
    return {
        p.address: used[p.stored]
        for p in known
        if p.learned and p.stored in used and differentiable(p.stored.dtype)
    }


def _chosen(
    model: Model,
    recording: Recording,
    way: WayBack,
    held: Collection[Var],
    layers: Selection,
    inner: bool,
) -> tuple[list[str], Callable[[str], Exception]]:
    """The addresses whose gradients are wanted, and what says why another has none."""

    def why(address: str) -> Exception:
        known = [*recording.values, *recording.tape.taps]
        found = addresses.match(address, known, recording.graph.aliases)
        if not found:
            return UnknownName(f"no layer or value {address!r}. {nearest(address, known)}")
        value = recording_value(recording, found[0])
        if isinstance(value, Failed):
            return value.error
        if not differentiable(value.dtype):
            return NotDifferentiable(
                f"{found[0]!r} holds {value.dtype} numbers, which have no gradient. Ask for that "
                "of what is made of them, such as an Embedding"
            )
        if value in way.without:
            return type(way.without[value])(f"{way.without[value]}. {found[0]!r} comes before it")
        if way.of(value) is None:
            return BadInput(
                f"{found[0]!r} is not on the path: what is differentiated does not depend on it"
            )
        return BadInput(f"the gradient for {found[0]!r} was not asked for: layers={address!r}")

    wanted = model._selected(recording, layers, None, inner)
    on_path = [a for a in wanted if way.of(recording_value(recording, a)) is not None]
    if layers is None:
        smooth = [
            value
            for value in recording.values.values()
            if isinstance(value, Var) and value in way.without and differentiable(value.dtype)
        ]
        # Numbers that are taken as whole ones before anything is learned, as ids of words are,
        # have no gradient in any framework: they are left out.
        learned = dependent(recording.tape.steps, held) if smooth else set[Var]()
        for value in smooth:
            if value in learned:
                after = on_path[0] if on_path else model.outputs[0]
                raise NotDifferentiable(
                    f"{way.without[value]}. What comes after it has gradients: ask for "
                    f"layers={after!r}"
                )
    else:
        exact = [layers] if isinstance(layers, str) else layers if not callable(layers) else []
        for pattern in exact:
            matched = addresses.match(pattern, wanted, recording.graph.aliases)
            if not set(matched) & set(on_path):
                raise why(matched[0])
        if not on_path:
            raise BadInput("none of the chosen layers is on the path of what is differentiated")
    return on_path, why


# ---- what is differentiated -------------------------------------------------------------------


def targeted(
    model: Model, recording: Recording, of: Any, y: Any, sample_weight: Any, options: dict[str, Any]
) -> Target:
    """What `of` and `y` ask for."""
    if y is not None:
        return _loss(model, recording, of, y, sample_weight, options)
    if sample_weight is not None or options:
        name = "sample_weight" if sample_weight is not None else next(iter(options))
        raise BadInput(f"{name}=... is for losses, which need y=... too")
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str):
        return _of_value(model, recording, *of)
    if isinstance(of, str):
        known = [*recording.values, *recording.tape.taps]
        if not addresses.match(of, known, recording.graph.aliases):
            if of in losses.LOSSES:
                raise BadInput(f"of={of!r} is a loss, which needs the targets: y=...")
            raise UnknownName(
                f"of={of!r} is no layer or value of the model and no loss. {nearest(of, known)} "
                f"Losses are: {', '.join(losses.LOSSES)}"
            )
        return _of_value(model, recording, of, None)
    if of is None:
        raise BadInput(
            "say what to differentiate: a class (of=3), a loss (of='mse', y=...), a layer "
            "(of='conv1' or of=('conv1', 5)) or the gradient to begin with (of=array)"
        )
    if isinstance(of, (list, Mapping)):
        given = _for_outputs(model, of, "of")
        pairs = [(a, s) for a, s in zip(model.outputs, given, strict=True) if s is not None]
        if not pairs:
            raise BadInput("of has no array for any output")
        return _seeded(
            recording, [(a, _seed(recording, a, s)) for a, s in pairs], "given gradients"
        )
    if len(model.outputs) > 1:
        raise BadInput(
            f"the model has the outputs {', '.join(map(repr, model.outputs))}: say of which, as in "
            f"of=({model.outputs[0]!r}, 0)"
        )
    return _of_value(model, recording, model.outputs[0], of)


def value_named(recording: Recording, name: str, argument: str) -> tuple[str, Var]:
    """The address and Var that a name stands for, which an argument has."""
    known = [*recording.values, *recording.tape.taps]
    found = addresses.match(name, known, recording.graph.aliases)
    if len(found) != 1:
        more = f"it stands for {len(found)} values" if found else nearest(name, known)
        raise UnknownName(f"{argument}={name!r}: no single layer or value. {more}")
    return found[0], sound_value(recording, found[0])


def _value(recording: Recording, name: str) -> tuple[str, Var]:
    """The address and Var of what is to be differentiated."""
    address, value = value_named(recording, name, "of")
    if not differentiable(value.dtype):
        step = next((s for s in reversed(recording.tape.steps) if value in {*s.outs}), None)
        made = "" if step is None else f": op {step.op.__name__} in layer {step.scope!r} made them"
        raise NotDifferentiable(f"{address!r} holds {value.dtype} numbers{made}")
    return address, value


def _of_value(model: Model, recording: Recording, address: str, what: Any) -> Target:
    """All of a value, some of it, or a function of it."""
    address, value = _value(recording, address)
    if callable(what):
        return _of_function(address, what)
    if (isinstance(what, np.ndarray) and what.dtype.kind == "f") or what is None:
        seed = _seed(recording, address, np.ones(value.shape) if what is None else what)
        said = address if what is None else f"{address} with given gradients"
        return _seeded(recording, [(address, seed)], said)
    seed = np.zeros(value.shape, value.dtype)
    axis = channel_axes(_Recorded(recording, address))[address] % max(value.ndim, 1)
    if isinstance(what, np.ndarray) and what.dtype.kind in "iu" and what.shape == value.shape[:1]:
        if value.ndim < 2:
            raise BadInput(f"of: {address!r} has one number for each sample, so there is no class")
        for sample, channel in enumerate(what.tolist()):
            _check_class(address, channel, value.shape[axis])
            seed[sample][(slice(None),) * (axis - 1) + (channel,)] = 1
        return _seeded(recording, [(address, seed)], f"{address}[{', '.join(map(str, what))}]")
    if isinstance(what, (int, np.integer)) and not isinstance(what, bool):
        if value.ndim < 2:
            _check_class(address, int(what), 1)
            seed[...] = 1
        else:
            _check_class(address, int(what), value.shape[axis])
            seed[(slice(None),) * axis + (int(what),)] = 1
        return _seeded(recording, [(address, seed)], f"{address}[{int(what)}]")
    try:
        seed[(slice(None), *(what if isinstance(what, tuple) else (what,)))] = 1
    except (IndexError, ValueError, TypeError) as error:
        raise BadInput(
            f"of=({address!r}, {what!r}): that is no place in a sample of {address!r}, whose shape "
            f"is {value.shape[1:]}: {error}"
        ) from None
    return _seeded(recording, [(address, seed)], f"{address}[{what}]")


@dataclass(frozen=True)
class _Recorded(Mapping[str, Any]):
    """Recorded values up to one, as `channel_axes` reads a trace."""

    recording: Recording
    address: str

    @property
    def layers(self) -> Mapping[str, Any]:
        return self.recording.layers

    @functools.cached_property
    def _values(self) -> dict[str, Any]:
        known = {a: v for a, v in self.recording.values.items() if isinstance(v, Var)}
        return {**known, self.address: recording_value(self.recording, self.address)}

    def __getitem__(self, address: str) -> Any:
        return self._values[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _check_class(address: str, found: int, count: int) -> None:
    if not 0 <= found < count:
        raise BadInput(f"of: {address!r} has no channel {found}, expected 0 to {count - 1}")


def _seed(recording: Recording, address: str, array: Any) -> np.ndarray:
    value = sound_value(recording, address)
    try:
        seed = np.asarray(array, value.dtype)
    except (TypeError, ValueError) as error:
        raise BadInput(f"of: no array of numbers for {address!r}: {error}") from None
    if seed.shape != value.shape:
        raise BadInput(
            f"of: a gradient of shape {seed.shape} for {address!r}, whose shape is {value.shape}"
        )
    return seed


def _seeded(recording: Recording, pairs: Sequence[tuple[str, np.ndarray]], of: str) -> Target:
    names = tuple(address for address, _ in pairs)

    def record(recording: Recording, given: Sequence[Var]) -> list[Part]:
        values = [recording_value(recording, name) for name in names]
        pairs = list(zip(values, given, strict=True))
        return [Part(ops.sum(ops.cast(v * g, dtype=_wide(v))), {v: g}) for v, g in pairs]

    return Target(of, ("seeds", names), [seed for _, seed in pairs], record, names)


def _wide(value: Var) -> str:
    """The dtype to sum in: float32 is enough unless the model computes in more."""
    return "float64" if value.dtype == np.float64 else "float32"


def _of_function(address: str, function: Callable[[Any], Any]) -> Target:
    def record(recording: Recording, given: Sequence[Var]) -> list[Part]:
        value = recording_value(recording, address)
        try:
            y = ops.own(function)(value)
        except MISFITS as error:
            raise misfit(f"of: the function of {address!r}", error) from error
        made = [leaf for leaf in leaves(y) if isinstance(leaf, Var)]
        if len(made) != 1 or not differentiable(made[0].dtype):
            raise BadInput(f"of: the function of {address!r} must give one array of floats")
        last = recording.tape.steps[-1]
        if all(last.op.without(last, i) for i, a in enumerate(last.args) if isinstance(a, Var)):
            raise NotDifferentiable(
                f"of: the function of {address!r} has no derivative: make it of Python's operators "
                "and of npforward.ops alone"
            )
        total = ops.sum(made[0])
        return [Part(total, {total: np.ones((), total.dtype)})]

    return Target(f"a function of {address}", None, [], record)


def _loss(
    model: Model, recording: Recording, of: Any, y: Any, weight: Any, options: dict[str, Any]
) -> Target:
    """The sum of the losses of all outputs."""
    of = model.loss if of is None else of
    if of is None:
        raise BadInput(f"y is given but no loss: of=... one of {', '.join(losses.LOSSES)}")
    names = model.outputs
    many = isinstance(of, (list, tuple)) or (isinstance(of, Mapping) and "class_name" not in of)
    of_each = _for_outputs(model, of, "of") if many else [of] * len(names)
    targets = _for_outputs(model, y, "y") if len(names) > 1 else [_single(y)]
    weights = [weight] * len(names)
    if isinstance(weight, Mapping) or (len(names) > 1 and isinstance(weight, (list, tuple))):
        weights = _for_outputs(model, weight, "sample_weight")
    chosen: list[tuple[str, int, _Loss, int]] = []
    arrays: list[np.ndarray] = []
    each = zip(names, of_each, targets, weights, strict=True)
    for i, (address, spec, true, weighting) in enumerate(each):
        if spec is None or true is None:
            continue
        address, value = _value(recording, address)
        try:
            loss = _Loss.of(spec, options)
            given = loss.checked(true, weighting, value)
        except (BadInput, UnknownName) as error:
            raise type(error)(f"output {address!r}: {error}") from None
        chosen.append((address, i, loss, len(given)))
        arrays += given
    if not chosen:
        raise BadInput("no output has both a loss and targets")

    def record(recording: Recording, given: Sequence[Var]) -> list[Part]:
        parts, rest = [], iter(given)
        for address, i, loss, count in chosen:
            value = recording_value(recording, address)
            beside = [next(rest) for _ in range(count)]
            scalar_of = functools.partial(loss.scalar, beside, mask=recording.outputs[i].mask)
            scalar = scalar_of(value)
            seeds = {scalar: np.ones((), scalar.dtype)}
            parts.append(Part(scalar, seeds, (value, functools.partial(_direct, scalar_of, value))))
        return parts

    of_losses = [(address, loss.key) for address, _, loss, _ in chosen]
    key = None if None in [k for _, k in of_losses] else ("loss", *of_losses)
    said = " + ".join(f"{loss.name} of {address}" for address, _, loss, _ in chosen)
    return Target(said, key, arrays, record)


def _direct(scalar_of: Callable[[Any], Any], value: Var) -> Any:
    """The loss of a value under another name, so that nobody sees what it was made of."""
    return scalar_of(ops.reshape(value, shape=value.shape))


@dataclass(frozen=True)
class _Loss:
    """A loss with its options; of a caller's own function only that."""

    name: str
    options: Mapping[str, Any]
    function: Callable[[Any, Any], Any] | None = None

    @classmethod
    def of(cls, spec: Any, options: Mapping[str, Any]) -> _Loss:
        if callable(spec):
            if options:
                raise BadInput(
                    f"{next(iter(options))}=... is for losses of Keras, not for functions"
                )
            return cls(getattr(spec, "__name__", "loss"), {}, spec)
        name, stored, reduction = losses.parse(spec)
        return cls(name, {"reduction": reduction, **stored, **options})

    @property
    def key(self) -> Hashable:
        """What tells it from others; None where only the function itself could."""
        return (self.name, repr(sorted(self.options.items()))) if self.function is None else None

    def checked(self, y: Any, weight: Any, value: Var) -> list[np.ndarray]:
        """The targets, and the weights if there are any, as arrays that fit a value."""
        arrays = [np.asarray(y)] + ([] if weight is None else [np.asarray(weight)])
        if self.function is None:  # a run on predictions that are none finds what does not fit
            at = np.full(value.shape, 0.5, value.dtype)
            with np.errstate(all="ignore"):
                losses.loss(self.name, y, at, sample_weight=weight, **self.options)
        elif weight is not None:
            raise BadInput("sample_weight=... is for Keras's losses: weigh in your function")
        return arrays

    def scalar(self, beside: Sequence[Var], value: Any, mask: Any = None) -> Any:
        """Recorded on a value; what has not been reduced is summed."""
        if self.function is not None:
            found = ops.own(self.function)(beside[0], value)
        else:
            weight = beside[1] if len(beside) > 1 else None
            found = losses.loss(
                self.name, beside[0], value, sample_weight=weight, mask=mask, **self.options
            )
        return found if found.shape == () else ops.sum(found)


def _single(y: Any) -> Any:
    """The targets of the only output."""
    if isinstance(y, Mapping) and len(y) == 1:
        return next(iter(y.values()))
    return y[0] if isinstance(y, (list, tuple)) and len(y) == 1 and np.ndim(y[0]) else y


def _for_outputs(model: Model, given: Any, argument: str) -> list[Any]:
    """One thing for each output, in order: from a list, or a dict by name."""
    names = list(model.outputs)
    if isinstance(given, Mapping):
        keys = names
        if isinstance(model.graph.outputs, Mapping) and set(given) <= set(model.graph.outputs):
            keys = sorted(model.graph.outputs, key=str)
        for name in given:
            if name not in keys:
                raise UnknownName(f"{argument}: no output {name!r}. {nearest(str(name), keys)}")
        return [given.get(key) for key in keys]
    if not isinstance(given, (list, tuple)) or len(given) != len(names):
        raise BadInput(
            f"{argument}: the model has the outputs {', '.join(map(repr, names))}: give a list of "
            "one for each in this order, or a dict by name"
        )
    return list(given)
