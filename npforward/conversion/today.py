"""Graph -> Graph: every layer in Keras 3.15's own words and arrays, or a refusal that names it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npforward import addresses
from npforward.conversion import meanings
from npforward.conversion.architecture import Tensors, calls, is_sequential
from npforward.conversion.meanings import (
    KEEP,
    MEANINGS,
    OLD_HARD_SIGMOID,
    OLDER,
    Part,
    one_after_the_other,
)
from npforward.conversion.vocabulary import keras_3
from npforward.errors import UnsupportedLayer, UnsupportedOption
from npforward.graph import Graph, Layer, Node, Ref, Stored, leaves
from npforward.layers.registry import IN_WEIGHTS, NO_EFFECT, NO_EFFECT_ENDINGS, Weight
from npforward.weights import Bound, parts

CODE = f"{KEEP} and custom_layers, or build the model with that code in Keras 3"


def check_classes(part: Layer | Graph, bounds: Mapping[Layer | Graph, Bound], address: str) -> None:
    """Refuse a model with a class or an activation that is not one of Keras 3's."""
    if isinstance(part, Graph):
        for node in part.nodes:
            check_classes(node.layer, bounds, addresses.join(address, node.address))
        return
    who, keras = f"layer {address!r} ({part.type})", keras_3()
    if part.type in meanings.NO_EQUAL:
        raise UnsupportedLayer(f"{who}: {meanings.NO_EQUAL[part.type]}. {meanings.ARRAYS}")
    if part.type != "InputLayer" and bounds[part].definition is None:
        raise UnsupportedLayer(
            f"{who}: it is not one of Keras's own layers, and its code is not in the file. {CODE}"
        )
    if part.type not in keras.layers and part.type not in meanings.PUT_OTHERWISE:
        raise UnsupportedLayer(
            f"{who}: Keras {keras.keras} has no layer that computes this. {KEEP}, or write the "
            "layer as a custom one for Keras 3"
        )
    for key in ("activation", "recurrent_activation"):
        word = part.config.get(key)
        if not isinstance(word, str) or word in keras.activations or word == OLD_HARD_SIGMOID:
            continue
        if ">" in word:
            raise UnsupportedOption(
                f"{who}: its {key} {word!r} is Python code, which is not in the file. {CODE}"
            )
        raise UnsupportedOption(f"{who}: Keras {keras.keras} has no {key} {word!r}. {KEEP}")
    for name, child in part.children.items():
        check_classes(child, bounds, addresses.join(address, name))


class Today:
    """One conversion: what has been said of it, and the layers that are done."""

    def __init__(
        self,
        bounds: Mapping[Layer | Graph, Bound],
        tensors: Tensors | None = None,
        masked: Collection[str] = (),
    ) -> None:
        self.bounds = bounds
        self.tensors = tensors or {}  # by address
        self.masked = set(map(_of_any_call, masked))  # addresses of calls that get a mask
        self.said: list[str] = []
        self.met: dict[Layer | Graph, str] = {}  # where a layer or model was met first
        self.copying = False

    def graph(self, graph: Graph, at: str) -> Graph:
        """A model in today's words."""
        done: dict[Layer | Graph, Layer | Graph] = {}
        names = _names(graph)
        for node in graph.nodes:
            again = addresses.unescape(node.address) != node.layer.name  # as by a `reuse` of Kur's
            if again and "@" not in node.address and not is_sequential(graph):
                said = f"has the name of its layer in Keras, {names[node.layer]!r}"
                self.said.append(f"{addresses.join(at, node.address)}: {said}")
            if node.layer not in done:
                address = addresses.join(at, node.address)
                # What a Sequential is told of its input is not looked at.
                told = node.args or not is_sequential(graph)
                made = self.of(node.layer, address, self.shape(node, at) if told else None)
                if names[node.layer] != node.layer.name:
                    said = f"is called {names[node.layer]!r}: Keras 3 takes no '/' in a name"
                    self.said.append(f"{address}: {said}")
                done[node.layer] = replace(made, name=names[node.layer])
        nodes = tuple(
            replace(node, layer=done[node.layer], kwargs=node.kwargs or self.unsaid(node.layer))
            for node in graph.nodes
        )
        config = {key: graph.config[key] for key in ("trainable", "dtype") if key in graph.config}
        today = replace(graph, nodes=nodes, stored=(), config=config)
        listed = {node.address for made in calls(today).values() for node in made}
        for node in nodes:
            if node.address not in listed:
                address = addresses.join(at, node.address)
                self.said.append(f"{address}: left out, as no output depends on it")
        return today

    def unsaid(self, layer: Layer | Graph) -> dict[str, None]:
        """A mask argument for a call that has no argument by name.

        Where there is one, Keras 3 lets the mask that a value carries take its place at every
        call; where there is none, it adds operations that make the mask to the model that it
        opens, which changes the order of layers, by which arrays are found.
        """
        definition = self.bounds.get(layer, Bound()).definition
        if definition is None:
            return {}
        names = [n for n in definition.arguments if "mask" in n and n not in definition.implicit]
        return dict.fromkeys(names[:1])

    def shape(self, node: Node, at: str) -> tuple[int | None, ...] | None:
        """The shape of what a call takes first, or of what an input is."""
        first = next((leaf for leaf in leaves(node.args) if isinstance(leaf, Ref)), None)
        first = first or Ref(node.address)
        source = addresses.join(at, first.node) + (f"#{first.output}" if first.output else "")
        known = self.tensors.get(source)
        return known.shape if known else None

    def of(
        self, part: Layer | Graph, address: str, shape: tuple[int | None, ...] | None = None
    ) -> Layer | Graph:
        """A layer or model in today's words; a copy where it has been met in another model.

        Keras 3 writes that a layer is in several models, but cannot open most such files.
        """
        again, within = part in self.met, self.copying
        if again and not within and any(self.bounds.get(p, Bound()).pairs for p in parts(part)):
            self.said.append(
                f"{address}: a copy of {self.met[part]}, as Keras 3 opens no layer that is in "
                "several models: the same now, but training would change one alone"
            )
        self.met.setdefault(part, address)
        self.copying = within or again
        made: Layer | Graph
        if isinstance(part, Graph):
            made = self.graph(part, address)
        else:
            made = self.one(part, address, shape)
        self.copying = within
        return replace(made, name=made.name.replace("/", "_"))

    def one(
        self, layer: Layer, address: str, shape: tuple[int | None, ...] | None = None
    ) -> Layer | Graph:
        """A layer in today's words, its arrays where Keras keeps them beneath it."""
        bound = self.bounds.get(layer)
        if bound is None:  # it was made here, of today's words
            return layer
        if bound.error is not None:
            raise bound.error
        arrays = list(self.arrays(layer, bound))
        config, inner = dict(layer.config), dict(layer.children)
        part = Part(address, layer.type, layer.name, config, inner, arrays, shape)
        if address in self.tensors:
            part.gives = self.tensors[address].dtype
        part.masked = _of_any_call(address) in self.masked
        for meaning in MEANINGS:
            meaning(part)
        options = {} if bound.definition is None else bound.definition.options
        config = _known(part, options)
        children = {
            name: self.of(child, addresses.join(address, name))
            for name, child in part.children.items()
        }
        self.said += part.said
        today = Layer(part.name, part.type, config, tuple(_placed(part)), children)
        if part.before is None:
            return today
        return one_after_the_other(part.name, part.before, today, {})

    def arrays(self, layer: Layer, bound: Bound) -> Iterator[tuple[Weight, Stored]]:
        """The arrays of a layer, with those of a child that it keeps a second time."""
        pairs = dict(bound.pairs)
        declared = bound.definition.declared(layer.config) if bound.definition else pairs
        below = (self.bounds.get(child, Bound()) for child in layer.children.values())
        inner = [pair for bound in below for pair in bound.pairs]
        for weight in declared:
            if weight.of_child and weight not in pairs:
                pairs[weight] = next(stored for w, stored in inner if w.name == weight.name)
        return ((weight, pairs[weight]) for weight in declared if weight in pairs)


def _of_any_call(address: str) -> str:
    """An address without what says which call of a layer, or of a model around it, is meant."""
    return re.sub(r"@\d+", "", address)


def _known(part: Part, options: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what Keras 3 has no word for, if that says nothing."""
    found, config = keras_3().layers[part.type], {}
    for key, value in part.config.items():
        if key in found.arguments or key in ("quantization", "name"):
            config[key] = value
            continue
        idle = key in NO_EFFECT or key in IN_WEIGHTS or key.endswith(NO_EFFECT_ENDINGS)
        if not idle and value is not None and not _same(value, options.get(key)):
            raise UnsupportedOption(
                f"{part.who}: Keras {keras_3().keras} has no option {key} for it, which is "
                f"{value!r} here. {KEEP}"
            )
    for key, value in config.items():
        if key in options and isinstance(value, str) and OLDER.match(value):
            raise UnsupportedOption(
                f"{part.who}: Keras {keras_3().keras} has nothing that acts as its "
                f"{key}={value!r}. {KEEP}"
            )
    return config


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.all(a == b))


def _placed(part: Part) -> Iterator[Stored]:
    """The arrays of a layer under Keras's own paths beneath it: `cell/vars/0`."""
    counted: Counter[str] = Counter()
    for weight, stored in part.arrays:
        private = part.type == "GroupQueryAttention" or weight.path == "gate_dense"
        place = f"_{weight.path}" if private else weight.path
        number = counted[place]
        counted[place] += 1
        yield replace(stored, name=f"{place}/vars/{number}".lstrip("/"))
    yield from part.beside


def _names(graph: Graph) -> dict[Layer | Graph, str]:
    """A name for each layer that Keras 3 takes: without "/", and no two the same."""
    found: dict[Layer | Graph, str] = {}
    kept = {layer.name for layer in graph.layers if "/" not in layer.name}
    taken: set[str] = set()
    for layer in graph.layers:
        name, n = layer.name.replace("/", "_"), 1
        plain = name
        while name in taken or (name != layer.name and name in kept):
            n += 1
            name = f"{plain}_{n}"
        taken.add(name)
        found[layer] = name
    return found
