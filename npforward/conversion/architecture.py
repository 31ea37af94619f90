"""A Graph of Keras 3's own layers -> the config that Keras 3.15 writes for it, and its layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from npforward import addresses
from npforward.conversion.vocabulary import Class, keras_3
from npforward.formats.keras_config import in_list
from npforward.formats.keras_policies import NUMBERS
from npforward.graph import Graph, Layer, Node, Ref, Stored, leaves
from npforward.layers.registry import NO_EFFECT_ENDINGS

FUNCTIONAL = Class("keras.src.models.functional", "Functional", ())
KERAS = Class("keras", None, ())
QUANTIZED = {
    "int8": "QuantizedDTypePolicy",
    "float8": "QuantizedFloat8DTypePolicy",
    "int4": "Int4DTypePolicy",
    "gptq": "GPTQDTypePolicy",
    "awq": "AWQDTypePolicy",
}
SETTINGS = NO_EFFECT_ENDINGS  # initializers, regularizers and constraints


class Tensor(NamedTuple):
    """What is known of a value without computing it."""

    shape: tuple[int | None, ...]
    dtype: str


Tensors = Mapping[str, Tensor]  # by address


# ---- the order of layers ------------------------------------------------------------------------


def is_sequential(graph: Graph) -> bool:
    return graph.type in ("Sequential", "Pipeline")


def calls(graph: Graph) -> dict[Layer | Graph, list[Node]]:
    """The layers in the order in which Keras lists them, with those of their calls that count.

    Arrays are found by this order.  Keras walks back from the outputs, and then sorts by how far
    from them a layer is; what no output depends on is left out.
    """
    if is_sequential(graph):
        return {node.layer: [node] for node in graph.nodes}
    nodes = {node.address: node for node in graph.nodes}
    walked, seen = _walk(graph, nodes)
    far: dict[str, int] = {}  # steps from a node to an output
    layers: dict[Layer | Graph, int] = {}
    for node in reversed(walked):
        steps = max(far.setdefault(node.address, 0), layers.get(node.layer, 0))
        layers[node.layer] = far[node.address] = steps
        for source in _sources(node):
            far[source] = max(steps + 1, far.get(source, 0))
    for address in leaves(graph.inputs):  # inputs that nothing depends on come last
        if nodes[address].layer not in layers:
            layers[nodes[address].layer], seen[nodes[address].layer] = 0, -1
            walked.append(nodes[address])
    ordered = sorted(layers, key=lambda layer: (-layers[layer], seen[layer]))
    return {layer: sorted(_of(layer, walked), key=_number) for layer in ordered}


def _walk(graph: Graph, nodes: Mapping[str, Node]) -> tuple[list[Node], dict[Layer | Graph, int]]:
    """The nodes that outputs depend on, sources first, and when each layer was met."""
    done: dict[str, Node] = {}
    met: dict[Layer | Graph, int] = {}
    open_: set[str] = set()
    for output in leaves(graph.outputs):
        stack = [(output.node, iter((output.node,)))]
        while stack:
            at, sources = stack[-1]
            source = next(sources, None)
            if source is None:
                stack.pop()
                if stack:
                    done[at] = nodes[at]
            elif source not in done and source not in open_:
                open_.add(source)
                met.setdefault(nodes[source].layer, len(met))
                stack.append((source, iter(_sources(nodes[source]))))
    return list(done.values()), met


def _sources(node: Node) -> list[str]:
    tree = [node.args, dict(node.kwargs)]
    return [leaf.node for leaf in leaves(tree) if isinstance(leaf, Ref)]


def _of(layer: Layer | Graph, nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.layer is layer]


def _number(node: Node) -> int:
    """Which call of its layer a node is, from 1."""
    number = node.address.rpartition("@")[2]
    return int(number) if "@" in node.address else 1


# ---- the config ---------------------------------------------------------------------------------


def entry(part: Layer | Graph, at: str, tensors: Tensors) -> dict[str, Any]:
    """A layer or model as a config holds it; `at` is its address."""
    if isinstance(part, Graph):
        return _model(part, at, tensors)
    known = keras_3().layers[part.type]
    return _named(known, part.type.removeprefix("ops."), _layer_config(part, known, at, tensors))


def _named(known: Class, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": known.module,
        "class_name": class_name,
        "config": config,
        "registered_name": known.registered_name,
    }


def _model(graph: Graph, at: str, tensors: Tensors) -> dict[str, Any]:
    trainable = {"trainable": bool(graph.config.get("trainable", True))}
    if is_sequential(graph):
        layers = [
            entry(node.layer, addresses.join(at, node.address), tensors) for node in graph.nodes
        ]
        first = graph.nodes[0].layer
        shape = first.config.get("batch_shape")
        if graph.type == "Pipeline":
            known = keras_3().layers["Pipeline"]
            return _named(known, "Pipeline", {"name": graph.name, "layers": layers[1:]})
        policy = {"dtype": _policy(graph.config)} if "dtype" in graph.config else {}
        config = {"name": graph.name, **trainable, **policy}
        built = {"build_input_shape": list(shape)} if shape is not None else {}
        config |= {"layers": layers if built else layers[1:], **built}
        return _named(KERAS, "Sequential", config)
    listed = calls(graph)
    numbers = {node.address: i for made in listed.values() for i, node in enumerate(made)}
    names = {node.address: node.layer.name for node in graph.nodes}

    def tensor(ref: Ref) -> dict[str, Any]:
        address = addresses.join(at, ref.node) + (f"#{ref.output}" if ref.output else "")
        known = tensors.get(address, Tensor((None,), "float32"))
        history = [names[ref.node], numbers[ref.node], ref.output]
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": list(known.shape), "dtype": known.dtype, "keras_history": history},
        }

    def argument(tree: Any) -> Any:
        if isinstance(tree, Ref):
            return tensor(tree)
        if isinstance(tree, Mapping):
            return {key: argument(branch) for key, branch in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [argument(branch) for branch in tree]
        return value(tree)

    def call(node: Node) -> dict[str, Any]:
        return {
            "args": [argument(arg) for arg in node.args],
            "kwargs": {key: argument(arg) for key, arg in node.kwargs.items()},
        }

    layers = []
    for layer, made in listed.items():
        inbound = [] if _is_input(layer) else [call(node) for node in made]
        said = entry(layer, addresses.join(at, made[0].address), tensors)
        layers.append({**said, "name": layer.name, "inbound_nodes": inbound})

    functional = {n.address for n in graph.nodes if _is_functional(n.layer)}

    def end(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {key: end(branch) for key, branch in tree.items()}
        if isinstance(tree, (list, tuple)) and not isinstance(tree, Ref):
            return [end(branch) for branch in tree]
        ref = tree if isinstance(tree, Ref) else Ref(tree)
        # Here alone Keras counts a nested Functional's own construction as its first call.
        return [names[ref.node], numbers[ref.node] + (ref.node in functional), ref.output]

    config = {"name": graph.name, **trainable, "layers": layers}
    config |= {"input_layers": end(graph.inputs), "output_layers": end(graph.outputs)}
    return _named(FUNCTIONAL, "Functional", config)


def _is_input(layer: Layer | Graph) -> bool:
    return layer.type == "InputLayer"


def _is_functional(layer: Layer | Graph) -> bool:
    return isinstance(layer, Graph) and not is_sequential(layer)


def _layer_config(layer: Layer, known: Class, at: str, tensors: Tensors) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if "name" in known.arguments:
        config["name"] = layer.name
    for key, said in layer.config.items():
        if key in ("name", "quantization"):
            continue
        if key == "dtype" and not _is_input(layer) and not layer.type.startswith("ops."):
            config[key] = _policy(layer.config)
        elif key.endswith(SETTINGS):
            if said is None or _setting(said) is not None:
                config[key] = _setting(said)
        else:
            config[key] = value(said)
    for name, child in layer.children.items():
        key, _, item = name.partition("/")
        written = entry(child, addresses.join(at, name), tensors)
        if item:
            config.setdefault(key, []).append(written)
        else:
            config["layer" if key == "forward_layer" else key] = written
    return config


def _setting(said: Any) -> Any:
    """An initializer, regularizer or constraint, as far as Keras 3 has it: none is needed."""
    if isinstance(said, str):
        return said if said in keras_3().values else None
    if not isinstance(said, Mapping) or not isinstance(said.get("config"), Mapping):
        return None
    known = keras_3().values.get(str(said.get("class_name")))
    if known is None or not set(said["config"]) <= set(known.arguments):
        return None
    return _named(known, said["class_name"], value(said["config"]))


def _policy(config: Mapping[str, Any]) -> Any:
    """The dtype policy that a layer's dtype and quantisation were read from."""
    name, said = config.get("dtype"), config.get("quantization") or {}
    if "mode" not in said:
        return None if name is None else _named(KERAS, "DTypePolicy", {"name": name})
    mode = said["mode"]
    sizes = [-1 if said.get(key) is None else said[key] for key in NUMBERS.get(mode, ())]
    written = {"mode": "/".join(map(str, [mode, *sizes])), "source_name": name or "float32"}
    if "amax_history_length" in said:
        written["amax_history_length"] = said["amax_history_length"]
    return _named(keras_3().values[QUANTIZED[mode]], QUANTIZED[mode], written)


def value(tree: Any) -> Any:
    """A plain value as Keras writes it.

    Examples
    --------
    >>> value([slice(0, 2, None), ...])[1]
    {'class_name': '__ellipsis__', 'config': {}}
    """
    if isinstance(tree, slice):
        ends = {"start": tree.start, "stop": tree.stop, "step": tree.step}
        return {"class_name": "__slice__", "config": value(ends)}
    if tree is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(tree, np.ndarray):
        return {
            "class_name": "__tensor__",
            "config": {"value": tree.tolist(), "dtype": tree.dtype.name},
        }
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, bytes):
        return {"class_name": "__bytes__", "config": {"value": tree.decode()}}
    if isinstance(tree, Mapping):
        return {key: value(branch) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [value(branch) for branch in tree]
    return tree


# ---- the layout of arrays -----------------------------------------------------------------------


class Place(NamedTuple):
    """Where Keras keeps the arrays of a layer: `layers/dense_1`; the names of arrays go on."""

    path: str
    name: str  # the layer's
    arrays: tuple[Stored, ...]


def places(part: Layer | Graph, path: str = "") -> Iterator[Place]:
    """The places of a model or layer and of all beneath it, outermost first."""
    yield Place(path, part.name, part.stored)
    if isinstance(part, Layer):
        cells = [name for name in part.children if "/" in name]  # "cells/0"
        called = in_list([part.children[name].type for name in cells])
        at = {
            cell: f"{cell.partition('/')[0]}/{name}"
            for cell, name in zip(cells, called, strict=True)
        }
        for name, child in part.children.items():
            yield from places(child, f"{path}/{at.get(name, name)}")
        return
    # Neither operations nor the InputLayer of a Sequential are among the layers.
    listed = [
        layer
        for layer in calls(part)
        if not layer.type.startswith("ops.") and not (_is_input(layer) and is_sequential(part))
    ]
    kinds = ["Functional" if _is_functional(layer) else layer.type for layer in listed]
    for layer, name in zip(listed, in_list(kinds), strict=True):
        yield from places(layer, f"{path}/layers/{name}".lstrip("/"))
