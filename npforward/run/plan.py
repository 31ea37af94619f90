"""What runs, in what order, what is freed when: layer functions recorded on arrays without data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npforward import addresses, ops
from npforward.dtypes import floating
from npforward.errors import (
    BadFile,
    BadInput,
    NpforwardError,
    UnsupportedLayer,
    UnsupportedOption,
    nearest,
)
from npforward.graph import Graph, Layer, Node, Ref, leaves, map_leaves
from npforward.layers import LAYERS
from npforward.layers.registry import CALL_NO_EFFECT
from npforward.tape import Step, Tape, Var
from npforward.weights import Bound, check

FOLDED = 2**16  # bytes: what depends on weights only and is no larger is computed once


@dataclass(frozen=True)
class Failed:
    """A value that cannot be computed, and why."""

    error: NpforwardError


def compute_dtype(config: Mapping[str, Any], precision: str | None) -> str:
    """The dtype that a layer computes in: its policy, unless the whole model runs in another."""
    policy = config.get("dtype") or "float32"
    if isinstance(policy, Mapping):
        policy = policy.get("config", {}).get("name", policy)
    if not isinstance(policy, str):
        raise UnsupportedOption(f"dtype policy {policy!r} is not known")
    name = policy.removeprefix("mixed_")
    try:
        dtype = np.dtype(name)
    except TypeError:
        import ml_dtypes  # noqa: F401  gives numpy its bfloat16

        try:
            dtype = np.dtype(name)
        except TypeError:
            raise UnsupportedOption(f"dtype policy {policy!r} is not known") from None
    return precision if precision and floating(dtype) else name


@dataclass(eq=False)
class Recording:
    """A model recorded on inputs of given shapes: every op, and every value by its address."""

    graph: Graph
    bounds: Mapping[Layer | Graph, Bound]
    precision: str | None = None
    tape: Tape = field(default_factory=Tape)
    inputs: list[Var] = field(default_factory=list)
    values: dict[str, Var | Failed] = field(default_factory=dict)  # in execution order
    layers: dict[str, Layer | Graph] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)  # steps taken when a value was complete
    outputs: Any = None  # the model's tree of outputs, as addresses
    weights: dict[Var, tuple[Layer, int]] = field(default_factory=dict)
    _vars: dict[tuple[Layer, int], Var] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        graph: Graph,
        bounds: Mapping[Layer | Graph, Bound],
        shapes: Sequence[tuple[tuple[int, ...], Any]],
        precision: str | None = None,
    ) -> Recording:
        """Record `graph` on inputs of these shapes and dtypes, in the order of its inputs."""
        self = cls(graph, bounds, precision)
        self.inputs = [self.tape.var(shape, dtype) for shape, dtype in shapes]
        outputs = self._graph(graph, "", self.inputs)
        self.outputs = [address for _, address in outputs]
        return self

    # Values carry their address: [(Var or Failed, address), ...]

    def _graph(self, graph: Graph, at: str, inputs: Sequence[Any]) -> list[tuple[Any, str]]:
        names = list(leaves(graph.inputs))
        if len(names) != len(inputs):
            raise BadFile(
                f"model {graph.name!r} has {len(names)} inputs but is called with {len(inputs)}"
            )
        given = dict(zip(names, inputs, strict=True))
        results: dict[Ref, tuple[Any, str]] = {}
        for node in graph.nodes:
            address = addresses.join(at, node.address)
            if node.address in given:
                outputs = [self._entered(given[node.address], node.layer)]
            else:
                outputs = self._node(node, address, results)
            for i, value in enumerate(outputs):
                results[Ref(node.address, i)] = (value, self._keep(address, i, value, node.layer))
        return [results.get(ref, _no_output(ref)) for ref in leaves(graph.outputs)]

    def _entered(self, value: Any, layer: Layer | Graph) -> Any:
        """A value as an InputLayer lets it in: in the layer's dtype."""
        if isinstance(value, Failed):
            return value
        try:
            dtype = compute_dtype(layer.config, self.precision)
        except NpforwardError as error:
            return Failed(_located(error, layer))
        return value if value.dtype == np.dtype(dtype) else ops.cast(value, dtype=dtype)

    def _keep(self, address: str, output: int, value: Any, layer: Layer | Graph) -> str:
        if output:
            address = f"{address}#{output}"
        self.values[address] = value
        self.layers[address] = layer
        self.marks[address] = len(self.tape.steps)
        return address

    def _node(self, node: Node, address: str, results: Mapping[Ref, tuple[Any, str]]) -> list[Any]:
        """The outputs of one call; where it cannot be made, one that says why."""

        def resolve(leaf: Any) -> Any:
            return results.get(leaf, _no_output(leaf))[0] if isinstance(leaf, Ref) else leaf

        args = map_leaves(resolve, node.args)
        kwargs = map_leaves(resolve, dict(node.kwargs))
        for leaf in leaves([args, kwargs]):
            if isinstance(leaf, Failed):
                return [leaf]
        taken, taps = len(self.tape.steps), len(self.tape.taps)
        try:
            return list(leaves(self.call(node.layer, address, args, kwargs)))
        except NpforwardError as error:
            failure = _located(error, node.layer)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # A stranger's config can be wrong in any way; numpy's or Python's own words come last.
            failure = BadFile(
                f"{_describe(node.layer)}: its config and its inputs do not fit: {error}"
            )
            failure.__cause__ = error
        del self.tape.steps[taken:]
        for tap in list(self.tape.taps)[taps:]:
            del self.tape.taps[tap]
        return [Failed(failure)]

    def call(self, layer: Layer | Graph, address: str, args: tuple, kwargs: Mapping) -> Any:
        """Record one call of a layer; gives its output, or a tree of them."""
        if isinstance(layer, Graph):
            outputs = self._graph(layer, address, list(leaves(args)))
            return [value for value, _ in outputs]
        definition = LAYERS.get(layer.type)
        if definition is None:
            raise UnsupportedLayer(
                "layers of this type cannot be replayed. Values before it can: "
                f"trace(x, until=...). {nearest(layer.type, LAYERS)}"
            )
        dtype = compute_dtype(layer.config, self.precision)
        config = {k: v for k, v in layer.config.items() if k not in layer.children}
        options = definition.chosen(config, layer.children)
        if "dtype" in definition.options:
            options["dtype"] = dtype
        for name, child in layer.children.items():
            if name not in definition.options:
                raise UnsupportedOption(f"option {name} holds a layer, which is not supported")
            options[name] = self._bound(child, addresses.join(address, name))
        if len(args) > len(definition.arguments):
            raise UnsupportedOption(f"it is called with {len(args)} arguments")
        named = dict(zip(definition.arguments, args, strict=False))
        for name, value in kwargs.items():
            if name in definition.arguments:
                named[name] = value
            elif name not in CALL_NO_EFFECT and name != "mask" and value is not None:
                raise UnsupportedOption(f"argument {name} of its call is not supported")
        if definition.autocast:
            named = map_leaves(lambda x: _autocast(x, dtype), named)
        first = next((x for x in leaves(named) if isinstance(x, Var)), None)
        if definition.ndim is not None and first is not None and first.ndim != definition.ndim:
            raise BadInput(f"it takes {definition.ndim} axes, but its input has {first.shape}")
        shapes = map_leaves(lambda x: getattr(x, "shape", None), args[0] if args else None)
        before, self.tape.scope = self.tape.scope, address
        try:
            return definition.fn(**named, **self._weights(layer, shapes, dtype), **options)
        finally:
            self.tape.scope = before

    def _bound(self, child: Layer | Graph, address: str) -> Callable[..., Any]:
        """A child as a function, for its parent to call."""

        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = self.call(child, address, args, kwargs)
            return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs

        return call

    def _weights(self, layer: Layer, input_shape: Any, dtype: str) -> dict[str, Any]:
        bound = self.bounds[layer]
        if bound.error is not None:
            raise bound.error
        found = {}
        for i, (weight, stored) in enumerate(bound.pairs):
            if weight.training_only:
                continue
            check(layer, weight, stored, input_shape)
            if (layer, i) not in self._vars:
                var = self.tape.var(stored.shape, stored.dtype)
                self._vars[layer, i], self.weights[var] = var, (layer, i)
            value = self._vars[layer, i]
            wanted = dtype if weight.autocast else self.precision or value.dtype
            found[weight.name] = _autocast(value, wanted)
        return found


def _autocast(x: Any, dtype: Any) -> Any:
    """A floating array in the dtype that a layer computes in; anything else as it is."""
    if not isinstance(x, (Var, np.ndarray)) or not floating(x.dtype) or x.dtype == np.dtype(dtype):
        return x
    return ops.cast(x, dtype=dtype)


def _no_output(ref: Ref) -> tuple[Failed, str]:
    error = BadFile(f"layer {ref.node!r} has no output number {ref.output}")
    return Failed(error), f"{ref.node}#{ref.output}"


def _describe(layer: Layer | Graph) -> str:
    return f"layer {layer.name!r} ({layer.type})"


def _located(error: NpforwardError, layer: Layer | Graph) -> NpforwardError:
    """The same error with the layer named, unless an inner one has been."""
    if str(error).startswith("layer "):
        return error
    located = type(error)(f"{_describe(layer)}: {error}")
    located.__cause__ = error
    return located


@dataclass(frozen=True)
class Instruction:
    """One op to run: arguments are slots (int in `slots`) or constants."""

    value: Callable[..., Any]  # the op's function for these dtypes
    args: tuple[tuple[bool, Any], ...]  # (is it a slot?, slot or constant)
    options: Mapping[str, Any]
    outs: tuple[int, ...]
    many: bool
    frees: tuple[int, ...]  # slots that nobody needs after this
    emits: tuple[tuple[str, int], ...]  # (address, slot) complete after this


@dataclass(eq=False)
class Plan:
    """The instructions that give the wanted values of a recording, and nothing else."""

    recording: Recording
    wanted: tuple[str, ...]  # in execution order
    instructions: list[Instruction]
    inputs: list[int | None]  # slot of each input of the model, None where it is not needed
    weights: dict[int, Var]  # slots to fill from the file
    first: tuple[tuple[str, int], ...]  # what is complete before any instruction: inputs
    folded: list[Instruction]  # depend on weights only: run once, kept in `constants`
    constants: dict[int, Any] = field(default_factory=dict)


def plan(recording: Recording, wanted: Iterable[str]) -> Plan:
    """What to run for these addresses: no dead steps, every array freed after its last use."""
    asked = set(wanted)
    order = sorted(asked, key=_position(recording))
    goals: dict[str, Var] = {}
    for address in order:
        value = recording.values.get(address, recording.tape.taps.get(address))
        if isinstance(value, Failed):
            raise value.error
        if value is None:
            raise BadInput(f"no value {address!r}")
        goals[address] = value

    needed = set(goals.values())
    kept: list[tuple[int, Step]] = []
    for i in range(len(recording.tape.steps) - 1, -1, -1):
        step = recording.tape.steps[i]
        if any(out in needed for out in step.outs):
            needed.update(step.ins)
            kept.append((i, step))
    kept.reverse()

    slots: dict[Var, int] = {}

    def slot(var: Var) -> int:
        return slots.setdefault(var, len(slots))

    fixed = {var for var in recording.weights if var in needed}
    folded, live = [], []
    for i, step in kept:
        small = sum(out.size * out.dtype.itemsize for out in step.outs) <= FOLDED
        if small and step.ins and all(v in fixed for v in step.ins):
            fixed.update(step.outs)
            folded.append(step)
        else:
            live.append((i, step))

    emitted = _emissions(recording, goals, [i for i, _ in live])
    last_use: dict[Var, int] = {}
    for n, (_, step) in enumerate(live):
        for var in (*step.ins, *step.outs):
            last_use[var] = n
    for n, addresses_ in emitted.items():
        for address in addresses_:
            last_use[goals[address]] = max(last_use.get(goals[address], n), n)
    dying: dict[int, list[Var]] = {}
    for var, n in last_use.items():
        if var not in fixed:
            dying.setdefault(n, []).append(var)

    def instruction(step: Step, n: int | None) -> Instruction:
        args = tuple((True, slot(a)) if isinstance(a, Var) else (False, a) for a in step.args)
        outs = tuple(slot(out) for out in step.outs)
        frees = () if n is None else tuple(slot(v) for v in dying.get(n, ()))
        emits = () if n is None else tuple((a, slot(goals[a])) for a in emitted.get(n, ()))
        many = isinstance(step.out, tuple)
        return Instruction(step.op.value(*step.args), args, step.options, outs, many, frees, emits)

    return Plan(
        recording,
        tuple(order),
        [instruction(step, n) for n, (_, step) in enumerate(live)],
        [slot(v) if v in needed else None for v in recording.inputs],
        {slot(v): v for v in recording.weights if v in needed},
        tuple((a, slot(goals[a])) for a in emitted.get(-1, ())),
        [instruction(step, None) for step in folded],
    )


def _position(recording: Recording) -> Callable[[str], tuple[int, int]]:
    """Where an address comes in the order of execution; inner values just before their layer."""
    at = {address: i for i, address in enumerate(recording.values)}
    taps = {address: i for i, address in enumerate(recording.tape.taps)}

    def position(address: str) -> tuple[int, int]:
        if address in at:
            return at[address], len(taps)
        owner = addresses.layer_part(address)
        while owner and owner not in at:
            owner = owner.rpartition("/")[0]
        return at.get(owner, len(at)), taps.get(address, -1)

    return position


def _emissions(
    recording: Recording, goals: Mapping[str, Var], steps: Sequence[int]
) -> dict[int, list[str]]:
    """After which of the live steps (-1: before all) each goal is given out, in their order."""
    made = {}
    for n, i in enumerate(steps):
        for out in recording.tape.steps[i].outs:
            made[out] = n
    emitted: dict[int, list[str]] = {}
    latest = -1
    for address, var in goals.items():
        latest = max(latest, made.get(var, -1))
        emitted.setdefault(latest, []).append(address)
    return emitted
