"""Masks of Keras 2 said outright, wherever Keras 3 would carry others along with the values."""

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
from npforward.weights import parts

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
    """The model so that Keras 3 gives each call the masks that Keras 2 gave; what was changed.

    A mask that a call would miss, or have otherwise, is made by operations and given to it as an
    argument; from one that it should not have the value is parted by a copy.
    """
    if not any("masks" in part.config for part in parts(graph)):
        return graph, []
    file = record(graph)
    before = _Masks(file, file)
    today = _without(graph)
    said: list[str] = []
    tried: set[str] = set()
    while True:
        now = _Masks(record(today), file)
        differs = next((at for at in before.given if before.of(at) != now.of(at)), None)
        if differs is None:
            return today, said
        if differs in tried:
            raise _cannot(before, differs)
        tried.add(differs)
        today = _changed(today, differs, "", before, now)
        said.append(f"{differs}: its mask is an argument now, as Keras 3 would give it another")


def _cannot(masks: _Masks, at: str) -> UnsupportedLayer:
    layer = masks.recording.layer_of(at)
    return UnsupportedLayer(
        f"layer {at!r} ({layer.type}): Keras 2 gave it a mask that cannot be said in Keras 3. "
        "Keep this file, and open it with npforward"
    )


def _without(part: Any) -> Any:
    """A model or layer without a word on how masks are carried: as Keras 3 does it."""
    done: dict[Any, Any] = {}

    def visit(part: Layer | Graph) -> Layer | Graph:
        if part not in done:
            config = {key: value for key, value in part.config.items() if key != "masks"}
            if isinstance(part, Graph):
                nodes = tuple(replace(node, layer=visit(node.layer)) for node in part.nodes)
                done[part] = replace(part, nodes=nodes, config=config)
            else:
                children = {name: visit(child) for name, child in part.children.items()}
                same = config == part.config and children == part.children
                done[part] = part if same else replace(part, config=config, children=children)
        return done[part]

    return visit(part)


class _Masks:
    """The masks that the calls of a recording were given, comparable with another's."""

    def __init__(self, recording: Recording, file: Recording) -> None:
        self.recording = recording
        self.made = {out: step for step in recording.tape.steps for out in step.outs}
        values = {**recording.tape.taps, **recording.values}
        self.names: dict[Any, str] = {}  # of what is in the file
        for address, value in values.items():
            if isinstance(value, Var) and address in file.layers:
                self.names.setdefault(value, address)
        self.given = recording.masks

    def of(self, at: str) -> Any:
        """What the masks of a call are computed by, from which values."""
        return self.key(self.given.get(at, {}))

    def key(self, tree: Any) -> Any:
        if isinstance(tree, Var):
            if tree in self.names:
                return self.names[tree]
            step = self.made[tree]
            return step.op.fn.__name__, repr(sorted(step.options.items())), self.key(list(step.args))
        if isinstance(tree, Mapping):
            return {name: self.key(branch) for name, branch in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [self.key(branch) for branch in tree]
        return np.asarray(tree).tolist()


def _changed(graph: Graph, at: str, within: str, before: _Masks, now: _Masks) -> Graph:
    """The model at `within` with the masks of one call in it as they were before."""
    call = next(n for n in graph.nodes if _holds(addresses.join(within, n.address), at))
    here = addresses.join(within, call.address)
    if here != at:
        once = sum(node.layer is call.layer for node in graph.nodes) == 1
        if not isinstance(call.layer, Graph) or not once:
            raise _cannot(before, at)
        layer = _changed(call.layer, at, here, before, now)
        nodes = [replace(node, layer=layer) if node is call else node for node in graph.nodes]
        return replace(graph, nodes=tuple(nodes))
    if graph.type == "Sequential":
        raise _cannot(before, at)
    made = _Made(graph, within, before, at)
    wanted, carried = before.given[at], now.given.get(at, {})
    args, kwargs = call.args, call.kwargs
    if set(carried) - set(wanted):
        args, kwargs = map_leaves(made.parted, args), map_leaves(made.parted, kwargs)
    said = map_leaves(made.ref, wanted)
    definition = before.recording.bounds[call.layer].definition
    for name in definition.implicit if definition else ():
        if name in said:  # to be had from the value alone
            place = definition.arguments.index(name.removesuffix("_mask"))
            carrying = made.carrying(args[place], said.pop(name))
            args = (*args[:place], carrying, *args[place + 1 :])
    changed = replace(call, args=args, kwargs={**kwargs, **said})
    at_call = graph.nodes.index(call)
    nodes = [*graph.nodes[:at_call], *made.nodes, changed, *graph.nodes[at_call + 1 :]]
    return replace(graph, nodes=tuple(nodes))


def _holds(address: str, at: str) -> bool:
    return at == address or at.startswith(f"{address}/")


class _Made:
    """Operations before one call."""

    def __init__(self, graph: Graph, within: str, masks: _Masks, at: str) -> None:
        self.masks, self.at, self.within = masks, at, within
        self.nodes: list[Node] = []
        self.made: dict[Any, Ref] = {}
        self.taken = {node.layer.name for node in graph.nodes}
        self.known = {addresses.join(within, node.address): node.address for node in graph.nodes}

    def ref(self, leaf: Any) -> Any:
        """A value or mask as what an argument can refer to."""
        if not isinstance(leaf, Var):
            if np.ndim(leaf):  # for one size of batch alone
                raise _cannot(self.masks, self.at)
            return np.asarray(leaf).item()
        if leaf in self.masks.names:
            address, _, output = self.masks.names[leaf].partition("#")
            if address not in self.known:
                raise _cannot(self.masks, self.at)
            return Ref(self.known[address], int(output or 0))
        if leaf in self.made:
            return self.made[leaf]
        step = self.masks.made[leaf]
        operation = OPERATIONS.get(step.op.fn.__name__)
        if operation is None:
            raise _cannot(self.masks, self.at)
        args = tuple(self.ref(arg) for arg in step.args)
        many = operation == "Concatenate"
        self.made[leaf] = self.operation(operation, ([*args],) if many else args, step.options)
        return self.made[leaf]

    def parted(self, leaf: Any) -> Any:
        """A value without the mask that Keras 3 lets it carry."""
        if not isinstance(leaf, Ref):
            return leaf
        if leaf not in self.made:
            self.made[leaf] = self.operation("Copy", (leaf,), {})
        return self.made[leaf]

    def carrying(self, ref: Ref, mask: Ref) -> Ref:
        """A value with a mask: a layer over time hands on the one that it is given."""
        inner = Layer("itself", "Identity")
        return self.call("carried", Layer("", "TimeDistributed", {}, (), {"layer": inner}), (ref,), mask)

    def operation(self, kind: str, args: tuple, options: Mapping[str, Any]) -> Ref:
        config = {key: value for key, value in options.items() if value is not None}
        return self.call(kind.lower(), Layer("", f"ops.{kind}", config), args)

    def call(self, what: str, layer: Layer, args: tuple, mask: Ref | None = None) -> Ref:
        plain, n = f"mask_{what}", 0
        name = plain
        while name in self.taken:
            n += 1
            name = f"{plain}_{n}"
        self.taken.add(name)
        kwargs = {} if mask is None else {"mask": mask}
        self.nodes.append(Node(name, replace(layer, name=name), args, kwargs))
        return Ref(name)
