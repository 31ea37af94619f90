"""The graph of a Kurfile's model and a folder of weights, in the project's own layers."""

from __future__ import annotations

from typing import Any

from npforward import addresses
from npforward.errors import BadFile
from npforward.formats.kur.kurfile import Kurfile
from npforward.formats.kur.layers import Layers
from npforward.formats.kur.network import Container
from npforward.formats.kur.ranks import Rank
from npforward.formats.kur.weights import Tensors
from npforward.graph import Graph, Layer, Node, Ref
from npforward.limits import Limits


def graph(kurfile: Kurfile, tensors: Tensors, limits: Limits) -> Graph:
    """The model of a Kurfile with the arrays of a weights folder: every node has Kur's own name.

    Raises
    ------
    BadFile
        A container says something that Kur cannot build.
    WeightMismatch
        There are arrays that no layer needs, or too few; the message lists both.
    """
    model = kurfile.model
    layers = Layers(model, tensors, limits)
    after: dict[str, Rank] = {}
    ranks: dict[str, Rank] = {}  # that Kur takes the input of each node to have
    for node in model.nodes:
        ranks[node.name] = after[node.inputs[0]] if node.inputs else None
        after[node.name] = layers.rank_after(node, ranks[node.name])
    for node in model.nodes:
        if node.type == "parallel" and node.built:  # what is wrapped has its arrays elsewhere
            layers.layer(node, ranks[node.name])
    at = {node.name: addresses.escape(node.name) for node in model.nodes}
    nodes = tuple(_node(node, layers, at, ranks[node.name]) for node in model.nodes)
    count = sum(layers.size(node.layer)[0] for node in nodes)
    limits.check("layers", count, f"{kurfile.path}: layers")
    tensors.check()
    outputs = {name: Ref(at[node]) for name, node in model.outputs.items()}
    entered = [at[name] for name in model.inputs]
    return Graph(
        kurfile.path.stem,
        "Functional",
        nodes,
        entered[0] if len(entered) == 1 else entered,
        next(iter(outputs.values())) if len(outputs) == 1 else outputs,
        source=f"{kurfile.path.name} + {tensors.where} (Kur, {tensors.backend.title})",
        aliases={alias: at[name] for alias, name in model.names.items() if alias != name},
    )


def _node(node: Container, layers: Layers, at: dict[str, str], rank: Rank) -> Node:
    if node.type == "input":
        return Node(at[node.name], _input(node))
    inputs = [Ref(at[name]) for name in node.inputs]
    layer, takes_list = layers.layer(node, rank)
    if len(inputs) == 1:
        # Kur passes on the one input of a merge.
        return Node(
            at[node.name],
            Layer(node.name, "Identity") if takes_list else layer,
            (inputs[0],),
        )
    if not takes_list:
        raise BadFile(
            f"{node.where}: {node.type!r} takes one input, but is fed by {', '.join(node.inputs)}."
        )
    return Node(at[node.name], layer, (inputs,))


def _input(node: Container) -> Layer:
    shape, dtype = node.args.get("shape"), node.args.get("type") or "float32"
    # Of a shape that the data alone says, Kur knows that samples have an axis.
    config: dict[str, Any] = {"dtype": dtype, "fewest_axes": 2}
    if shape is not None:
        sizes = list(shape) if isinstance(shape, (list, tuple)) else [shape]
        if not all(n is None or (type(n) is int and n >= 0) for n in sizes):
            raise BadFile(
                f"{node.where}: input has the shape {shape!r:.60}, expected a list of whole "
                "numbers, without that of the samples."
            )
        config["batch_shape"] = [None, *(sizes or [1])]
    return Layer(node.name, "InputLayer", config)
