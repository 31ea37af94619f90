"""TensorFlow's graph of objects: which layer holds which, by the names of their attributes.

A checkpoint describes the objects that it was made of, so that the way from a model to each of its
variables is known: `layer-3`, `forward_layer`, `cell`, `kernel`.  Objects may hold each other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from npforward.errors import BadFile
from npforward.formats.protobuf import Message
from npforward.formats.tensor_bundle import Bundle
from npforward.limits import Limits

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the key of the tensor that holds the description
VALUE = "VARIABLE_VALUE"  # what a variable calls its array
# Attributes that lead to what serves training alone, and steps of the keys of such arrays.
TRAINING = {"optimizer", ".OPTIMIZER_SLOT", "save_counter", "keras_api"}
# Others that lead to no weight, or beside the way to it: lists of a layer's weights, functions that
# use them, the states of random generators.
BESIDE = TRAINING | {"variables", "trainable_variables", "non_trainable_variables", "root"}
BESIDE |= {"regularization_losses", "metrics", "signatures", "__call__", "_state_var"}
BESIDE |= {"call_and_return_conditional_losses", "call_and_return_all_conditional_losses"}


@dataclass(frozen=True)
class Object:
    """Something that TensorFlow keeps track of: a model, a layer, a list, a variable."""

    children: dict[str, int] = field(default_factory=dict)  # by attribute, in their order
    keys: dict[str, str] = field(default_factory=dict)  # what it stores -> key in the checkpoint


class Objects:
    """The objects of a checkpoint or SavedModel, by number."""

    def __init__(self, nodes: Iterable[Message], where: str, limits: Limits) -> None:
        self.where, self.limits = where, limits
        self.nodes: list[Object] = []
        self._edges = 0
        self._counts: dict[tuple[int, str], int] = {}
        for node in nodes:
            children = {child.text(2): child.integer(1) for child in node.messages(1)}
            keys = {said.text(1): said.text(3) for said in node.messages(2)}
            self.nodes.append(Object(children, keys))
            self._walked(len(children))
        for number, found in enumerate(self.nodes):
            for name, child in found.children.items():
                if child >= len(self.nodes):
                    raise BadFile(
                        f"{self.where}: attribute {name!r} of object {number} is object {child}, "
                        f"but there are {len(self.nodes)}. The file is damaged: copy it again."
                    )

    @classmethod
    def of(cls, bundle: Bundle) -> Objects:
        """Those of a checkpoint; there are none in one of TensorFlow 1."""
        where = f"{bundle.where}: its object graph"
        text = b"".join(bundle.strings(GRAPH)) if GRAPH in bundle.entries else b""
        return cls(Message(text, where, bundle.limits).messages(1), bundle.where, bundle.limits)

    def _walked(self, edges: int) -> None:
        """Count what was read and followed: objects that all hold each other have no end."""
        self._edges += edges
        self.limits.check("edges", self._edges, f"{self.where}: references between objects")

    @property
    def model(self) -> int | None:
        """The number of the model: the first object, or the only one in it that has layers."""
        if not self.nodes or "layer-0" in self.nodes[0].children:
            return 0 if self.nodes else None
        held = {
            child
            for name, child in self.nodes[0].children.items()
            if name not in BESIDE and "layer-0" in self.nodes[child].children
        }
        return held.pop() if len(held) == 1 else None

    def layer(self, place: str) -> int | None:
        """The object of the layer at a place: of four, `layers/-1/layer` is `layer-3/layer`."""
        found, prefix = self.model, ""
        for name in place.split("/"):
            if name == "layers":
                prefix = "layer-"
                continue
            if found is not None and re.fullmatch(r"-\d+", name):
                name = f"{prefix}{self._count(found, prefix) + int(name)}"
            found, prefix = self.at(found, name), ""
        return found

    def _count(self, number: int, prefix: str) -> int:
        """How many numbered children an object has."""
        if (number, prefix) not in self._counts:
            numbered = re.compile(rf"{prefix}\d+")
            names = self.nodes[number].children
            self._counts[number, prefix] = sum(map(bool, map(numbered.fullmatch, names)))
        return self._counts[number, prefix]

    def at(self, start: int | None, path: str) -> int | None:
        """The object at the end of a path of attributes, if there is one."""
        for name in path.split("/"):
            start = None if start is None else self.nodes[start].children.get(name)
        return start

    def beneath(self, start: int, stop: Collection[int] = ()) -> Iterator[tuple[str, int]]:
        """The variables that an object holds, each once: the first path to it, and its number.

        What only the objects in `stop` hold is left out.
        """
        seen: set[int] = set()
        waiting = [("", start)]
        while waiting:
            path, number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            found = self.nodes[number]
            self._walked(len(found.children))
            self.limits.check("depth", path.count("/"), f"{self.where}: objects in objects")
            if VALUE in found.keys:
                yield path, number
            for name, child in reversed(found.children.items()):
                if child not in seen and child not in stop and name not in BESIDE:
                    waiting.append((f"{path}/{name}".lstrip("/"), child))
