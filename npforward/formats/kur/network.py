"""The graph that Kur makes of containers: who feeds whom, under which names, in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from npforward.errors import BadFile, nearest
from npforward.formats.kur.containers import GROUPS, Parsed, walk
from npforward.limits import Limits

PREFIX = ".."  # of the names that Kur makes up


@dataclass(frozen=True)
class Container:
    """One entry of a Kurfile's model, evaluated: a layer, or a group of such.

    Examples
    --------
    >>> from npforward.formats import kur
    >>> model = kur.read("weights_fixtures/kur/shared_lm_gru/Kurfile.yml").model
    >>> node = model.nodes[-2]
    >>> node.type, node.args, node.inputs, node.built
    ('activation', 'softmax', ('..dense.0',), True)
    """

    name: str  # unique among the nodes; Kur makes up "..dense.0"
    type: str  # as in the file: "dense"; "meta" is a call of a template
    args: Any = None  # as given: a mapping, a list, a number, a text or None
    # Of a node: the names of the nodes that feed it.  Elsewhere nothing.
    inputs: tuple[str, ...] = ()
    # Of a node: all its names once the graph is built, the one of its output first.  None are left
    # to a node whose names went on to one that passes its value through.
    aliases: tuple[str, ...] = ()
    sink: bool = False  # made an output by the file
    # False: it computes nothing, and a node passes its one input through.  Of a group it counts
    # where it is reused or in `parallel`: elsewhere its layers are nodes of their own.
    built: bool = True
    children: tuple[Container, ...] = ()  # of a group, and of `parallel`
    where: str = ""  # "Kurfile.yml:12: model[3]"

    def layers(self) -> Iterator[Container]:
        """What a `reuse` of this container applies: itself, or the layers within a group."""
        if not self.built:
            return
        if self.type not in GROUPS:
            yield self
            return
        for child in self.children:
            yield from child.layers()


@dataclass(frozen=True)
class Model:
    """What the section `model` of a Kurfile says, without its loops and templates.

    Examples
    --------
    >>> from npforward.formats import kur
    >>> model = kur.read("weights_fixtures/kur/shared_mnist_cnn/Kurfile.yml").model
    >>> [node.name for node in model.nodes][:3]
    ['images', '..convolution.0', '..activation.0']
    >>> model.inputs, model.outputs
    (('images',), {'labels': 'labels'})
    """

    tree: tuple[Container, ...]  # as nested in the file
    nodes: tuple[Container, ...]  # the layers, in the order in which Kur builds them
    inputs: tuple[str, ...]  # names of nodes
    outputs: dict[str, str]  # the name that Kur gives to an output -> the name of its node
    names: dict[str, str]  # every name and alias -> the name of its node
    # The name of a `reuse` -> the container whose layers it applies, by identity in `tree`.
    targets: dict[str, Container] = field(default_factory=dict)

    def containers(self) -> Iterator[Container]:
        """All of them, each before those within it."""
        left = list(reversed(self.tree))
        while left:
            one = left.pop()
            yield one
            left += reversed(one.children)


@dataclass(eq=False)
class _Node:
    """A node while the graph is built."""

    parsed: Parsed
    inputs: list[str]  # as written
    aliases: deque[str]
    sources: list[_Node] = field(default_factory=list)
    sink: bool = False
    turn: int = 0  # Kur's pass over the nodes in which this one is placed


def network(containers: list[Parsed], limits: Limits, where: str) -> Model:
    """The graph of parsed containers."""
    nodes = [node for one in containers for node in _flat(one)]
    by_name: dict[str, _Node] = {}
    for node in nodes:
        if twin := by_name.setdefault(node.parsed.name, node):
            _not_twice(node, twin)
    names = {alias: node for node in nodes for alias in node.aliases}
    limits.check("edges", sum(len(node.inputs) or 1 for node in nodes), f"{where}: connections")
    _connect(nodes, names)
    ordered = _in_turns(nodes)
    targets = _Targets(containers)
    built = {id(one): targets.built(one) for one in walk(containers)}
    used = {id(source) for node in nodes for source in node.sources}
    outputs = {}
    for node in ordered:
        if not built[id(node.parsed)]:
            _pass_through(node)
        if node.sink or id(node) not in used:
            outputs[node.aliases[0]] = node.parsed.name
    made: dict[int, Container] = {}
    of = {id(node.parsed): node for node in nodes}
    for one in reversed(list(walk(containers))):  # children first
        container = Container(
            name=one.name,
            type=one.type,
            args=one.args,
            sink=one.sink,
            built=built[id(one)],
            children=tuple(made[id(child)] for child in one.children),
            where=str(one),
        )
        if id(one) in of:
            node = of[id(one)]
            container = replace(
                container,
                inputs=tuple(source.parsed.name for source in node.sources),
                aliases=tuple(node.aliases),
                sink=node.sink,
            )
        made[id(one)] = container
    return Model(
        tree=tuple(made[id(one)] for one in containers),
        nodes=tuple(made[id(node.parsed)] for node in ordered),
        inputs=tuple(node.parsed.name for node in ordered if not node.sources),
        outputs=outputs,
        names={alias: node.parsed.name for alias, node in names.items()},
        targets={name: made[id(target)] for name, target in targets.found.items()},
    )


def _not_twice(node: _Node, twin: _Node) -> None:
    if node is not twin:
        raise BadFile(
            f"{node.parsed}: the name {node.parsed.name!r} is taken, by {twin.parsed}. "
            "Each layer needs a name of its own; in a loop, one with the index in it."
        )


def _flat(one: Parsed) -> list[_Node]:
    """The nodes of a container; a group lends its name, inputs and sink to those within."""
    if one.terminal:
        return [_Node(one, one.inputs, deque([one.name]), sink=one.sink)]
    found = [node for child in one.children for node in _flat(child)]
    if found:
        found[0].inputs = one.inputs or found[0].inputs
        if one.name.startswith(PREFIX):
            found[-1].aliases.append(one.name)
        else:
            found[-1].aliases.appendleft(one.name)
        found[-1].sink |= one.sink
    return found


def _connect(nodes: list[_Node], names: dict[str, _Node]) -> None:
    before: _Node | None = None
    for node in nodes:
        entry = node.parsed.type == "input"
        if entry and node.inputs:
            raise BadFile(f"{node.parsed}: an input has no inputs, but {node.inputs} were given.")
        if entry and not node.parsed.when:
            raise BadFile(f"{node.parsed}: its 'when' is false, which leaves out an input.")
        for name in node.inputs:
            if name not in names:
                raise BadFile(
                    f"{node.parsed}.inputs: there is no container {name!r}. {nearest(name, names)}"
                )
            node.sources.append(names[name])
        if not entry and not node.inputs:
            if before is None:
                raise BadFile(
                    f"{node.parsed}: nothing comes before {node.parsed.type!r} that could feed it. "
                    "Begin the model with 'input: NAME'."
                )
            node.sources.append(before)
        before = node


def _in_turns(nodes: list[_Node]) -> list[_Node]:
    """Kur's order: inputs, then pass after pass over the file, each placing what it can."""
    place = {id(node): number for number, node in enumerate(nodes)}
    readers: dict[int, list[_Node]] = {}
    waiting = {id(node): len(node.sources) for node in nodes}
    for node in nodes:
        for source in node.sources:
            readers.setdefault(id(source), []).append(node)
    ready = [node for node in nodes if not node.sources]
    done = 0
    while ready:
        source = ready.pop()
        done += 1
        for node in readers.get(id(source), ()):
            later = source.turn > 0 and place[id(source)] > place[id(node)]
            node.turn = max(1, node.turn, source.turn + later)
            waiting[id(node)] -= 1
            if not waiting[id(node)]:
                ready.append(node)
    if done < len(nodes):
        stuck = [node.parsed for node in nodes if waiting[id(node)]]
        names = ", ".join(repr(one.name) for one in stuck[:5])
        raise BadFile(
            f"{stuck[0]}: the 'inputs' go in a circle, so that these are never fed: {names}"
            f"{', ...' if len(stuck) > 5 else ''}."
        )
    return sorted(nodes, key=lambda node: (node.turn, place[id(node)]))


def _pass_through(node: _Node) -> None:
    """What a node that computes nothing does: its input's names become its own."""
    if len(node.sources) != 1:
        raise BadFile(
            f"{node.parsed}: it computes nothing and has {len(node.sources)} inputs, of which it "
            "can pass on but one."
        )
    source = node.sources[0]
    node.aliases.extend(source.aliases)
    source.aliases.clear()


class _Targets:
    """What each `reuse` refers to, and which containers compute anything."""

    def __init__(self, containers: list[Parsed]) -> None:
        self.first: dict[str, Parsed] = {}  # by their names alone, as Kur looks
        self.found: dict[str, Parsed] = {}
        self._built: dict[int, bool] = {}
        for one in walk(containers):
            self.first.setdefault(one.name, one)
        self.under_way: set[int] = set()

    def built(self, one: Parsed) -> bool:
        if id(one) not in self._built:
            if id(one) in self.under_way:
                raise BadFile(f"{one}: {one.name!r} reuses itself.")
            self.under_way.add(id(one))
            self._built[id(one)] = self._computes(one)
            self.under_way.discard(id(one))
        return self._built[id(one)]

    def _computes(self, one: Parsed) -> bool:
        # A false 'when' of a group leaves it out of what reuses it and of `parallel`, and else
        # changes nothing: its layers are nodes of their own.
        if one.type in ("output", "debug", "assert") or not one.when:
            return False
        if one.type == "reuse":
            return self.built(self.target(one))
        if one.type == "parallel" or not one.terminal:
            computing = [self.built(child) for child in one.children]  # all: one may be a circle
            return any(computing)
        return True

    def target(self, one: Parsed) -> Parsed:
        name = one.args["target"]
        if name not in self.first:
            raise BadFile(
                f"{one}: there is no container {name!r} to reuse. {nearest(name, self.first)}"
            )
        target = self.found[one.name] = self.first[name]
        if target.type == "input":
            raise BadFile(f"{one}: {name!r} is an input, which has no layer to reuse.")
        return target
