"""Masks said outright, wherever Keras 3 would carry others along with the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npforward import addresses
from npforward.errors import UnsupportedLayer
from npforward.graph import Graph, Layer, Node, Ref, map_leaves
from npforward.run import Recording
from npforward.tape import Var
from npforward.weights import children

# Steps that masks are made of -> Keras's operations, whose options have the same names.
OPERATIONS = {
    "not_equal": "NotEqual",
    "any": "Any",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
    "logical_not": "LogicalNot",
    "concatenate": "Concatenate",
    "expand_dims": "ExpandDims",
}

Record = Callable[[Graph], Recording]


def outright(graph: Graph, record: Record) -> tuple[Graph, list[str]]:
    """The model so that Keras 3 gives each call the masks that it had; what was changed.

    A mask that a call would miss, or have otherwise, is made by operations and given to it as an
    argument; from one that it should not have the value is parted by a copy.  Calls of nested
    models have theirs as arguments in any case: Keras 3 makes it so when it opens a file, and
    what it adds then might change the order of layers, by which arrays are found.
    """
    file = record(graph)
    numbers: dict[Any, int] = {}
    before = _Masks(file, file, numbers)
    today = _without(graph)
    now = before if today is graph else _Masks(record(today), file, numbers)
    made: dict[tuple[str, int], Ref] = {}
    said: list[str] = []
    for at in before.given:
        changes = before.of(at) != now.of(at)
        if not changes and not _to_be_said(today, at, ""):
            continue
        today = _changed(today, at, "", before, now, made)
        now = _Masks(record(today), file, numbers)
        if changes:
            said.append(f"{at}: its mask is an argument, as Keras 3 would give it another")
    for at in before.given:
        if before.of(at) != now.of(at):
            raise _cannot(before, at)
    return today, said


def _cannot(masks: _Masks, at: str) -> UnsupportedLayer:
    return UnsupportedLayer(
        f"layer {at!r} ({masks.recording.layer_of(at).type}): it has a mask that cannot be said in "
        "Keras 3. Keep this file, and open it with npforward"
    )


def _without(graph: Graph) -> Graph:
    """The model without a word on how masks are carried: as Keras 3 does it."""
    done: dict[Layer | Graph, Any] = {}

    def visit(part: Layer | Graph) -> Any:
        if part not in done:
            config = {key: value for key, value in part.config.items() if key != "masks"}
            below = {child: visit(child) for child in children(part)}
            if len(config) == len(part.config) and all(a is b for a, b in below.items()):
                done[part] = part
            elif isinstance(part, Graph):
                nodes = tuple(replace(node, layer=below[node.layer]) for node in part.nodes)
                done[part] = replace(part, nodes=nodes, config=config)
            else:
                inner = {name: below[child] for name, child in part.children.items()}
                done[part] = replace(part, config=config, children=inner)
        return done[part]

    return visit(graph)


class _Masks:
    """The masks that the calls of a recording were given, comparable with those of another.

    A mask has a number, which says by what steps it is computed from which values of the file.
    """

    def __init__(self, recording: Recording, file: Recording, numbers: dict[Any, int]) -> None:
        self.recording = recording
        self.given = {  # a merge of Keras 2 looks at none
            at: {} if recording.layer_of(at).config.get("masks") == "all" else masks
            for at, masks in recording.masks.items()
        }
        self.made = {out: step for step in recording.tape.steps for out in step.outs}
        self.values: dict[Var, list[str]] = {}
        for address, value in (*recording.values.items(), *recording.tape.taps.items()):
            if isinstance(value, Var) and address in file.layers:
                self.values.setdefault(value, []).append(address)
        self.numbers: dict[Var, int] = {}
        for i, step in enumerate(recording.tape.steps):
            for out in step.outs:
                key: Any = i  # of what masks are not made of, and no layer gives
                if out in self.values:
                    key = self.values[out][0]
                elif out.dtype == bool:
                    options = repr(sorted(step.options.items()))
                    key = (step.op.fn.__name__, options, *map(self.key, step.args))
                self.numbers[out] = numbers.setdefault(key, len(numbers))

    def key(self, leaf: Any) -> Any:
        if isinstance(leaf, Var):
            return self.numbers[leaf] if leaf in self.numbers else tuple(self.values.get(leaf, ()))
        return np.shape(leaf), np.asarray(leaf).tobytes() if np.ndim(leaf) else np.asarray(
            leaf
        ).item()

    def of(self, at: str) -> Any:
        """The masks of a call, by argument."""
        return map_leaves(self.key, self.given.get(at, {}))


def _to_be_said(graph: Graph, at: str, within: str) -> bool:
    """Whether a call is that of a model in a Functional one, and its mask not said yet."""
    for node in graph.nodes:
        here = addresses.join(within, node.address)
        if isinstance(node.layer, Graph) and _holds(here, at):
            if here != at:
                return _to_be_said(node.layer, at, here)
            return graph.type != "Sequential" and node.kwargs.get("mask") is None
    return False


def _holds(address: str, at: str) -> bool:
    return at == address or at.startswith(f"{address}/")


def _changed(
    graph: Graph,
    at: str,
    within: str,
    before: _Masks,
    now: _Masks,
    made: dict[tuple[str, int], Ref],
) -> Graph:
    """The model at `within` with the masks of one call in it as they were before."""
    place, call = next(
        (i, node)
        for i, node in enumerate(graph.nodes)
        if _holds(addresses.join(within, node.address), at)
    )
    here = addresses.join(within, call.address)
    if here != at:
        once = sum(node.layer is call.layer for node in graph.nodes) == 1
        if not isinstance(call.layer, Graph) or not once:
            raise _cannot(before, at)
        layer = _changed(call.layer, at, here, before, now, made)
        nodes = [replace(node, layer=layer) if node is call else node for node in graph.nodes]
        return replace(graph, nodes=tuple(nodes))
    if graph.type == "Sequential":
        raise _cannot(before, at)
    added = _Added(graph, within, before, at, made)
    wanted, carried = before.given[at], now.given.get(at, {})
    args, kwargs = call.args, call.kwargs
    if set(carried) - set(wanted):
        args, kwargs = map_leaves(added.parted, args), map_leaves(added.parted, kwargs)
    said = map_leaves(added.ref, wanted)
    bound = before.recording.bounds.get(call.layer)
    if isinstance(call.layer, Graph) and len(said["mask"]) == 1:
        (said["mask"],) = said["mask"]
    elif bound and bound.definition:
        for name in set(said) & set(bound.definition.implicit):  # to be had from the value alone
            i = bound.definition.arguments.index(name.removesuffix("_mask"))
            args = (*args[:i], added.carrying(args[i], said.pop(name)), *args[i + 1 :])
    changed = replace(call, args=args, kwargs={**kwargs, **said})
    nodes = [*graph.nodes[:place], *added.nodes, changed, *graph.nodes[place + 1 :]]
    return replace(graph, nodes=tuple(nodes))


class _Added:
    """Calls that are added to a model before one of its own; `made` are masks that it has."""

    def __init__(
        self, graph: Graph, within: str, masks: _Masks, at: str, made: dict[tuple[str, int], Ref]
    ) -> None:
        self.masks, self.at, self.within, self.made = masks, at, within, made
        self.nodes: list[Node] = []
        self.copies: dict[Ref, Ref] = {}
        self.taken = {node.layer.name for node in graph.nodes}
        self.known = {addresses.join(within, node.address): node.address for node in graph.nodes}

    def ref(self, leaf: Any) -> Any:
        """A value of the model, a mask or a number as an argument."""
        if not isinstance(leaf, Var):
            if np.ndim(leaf):  # made for one size of batch
                raise _cannot(self.masks, self.at)
            return np.asarray(leaf).item()
        for address in self.masks.values.get(leaf, ()):
            node, _, output = address.partition("#")
            if node in self.known:
                return Ref(self.known[node], int(output or 0))
        step = self.masks.made.get(leaf)
        operation = OPERATIONS.get(step.op.fn.__name__) if step else None
        if step is None or operation is None or leaf in self.masks.values:
            raise _cannot(self.masks, self.at)
        key = self.within, self.masks.numbers[leaf]
        if key not in self.made:
            args = tuple(self.ref(arg) for arg in step.args)
            many = operation == "Concatenate"
            self.made[key] = self.operation(operation, ([*args],) if many else args, step.options)
        return self.made[key]

    def parted(self, leaf: Any) -> Any:
        """A value without the mask that Keras 3 lets it carry."""
        if not isinstance(leaf, Ref):
            return leaf
        if leaf not in self.copies:
            self.copies[leaf] = self.operation("Copy", (leaf,), {})
        return self.copies[leaf]

    def carrying(self, ref: Ref, mask: Ref) -> Ref:
        """A value with a mask: a layer over time hands on the one that it is given."""
        over_time = Layer("", "TimeDistributed", children={"layer": Layer("itself", "Identity")})
        return self.call("carried", over_time, (ref,), {"mask": mask})

    def operation(self, kind: str, args: tuple, options: Mapping[str, Any]) -> Ref:
        config = {key: value for key, value in options.items() if value is not None}
        return self.call(kind.lower(), Layer("", f"ops.{kind}", config), args, {})

    def call(self, what: str, layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Ref:
        plain, n = f"mask_{what}", 0
        name = plain
        while name in self.taken:
            n += 1
            name = f"{plain}_{n}"
        self.taken.add(name)
        self.nodes.append(Node(name, replace(layer, name=name), args, kwargs))
        return Ref(name)
