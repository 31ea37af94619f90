"""What Kur makes several layers of, opened: models within the model, as Keras 3 has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from npforward.errors import BadInput, nearest
from npforward.graph import Graph, Layer, Node, leaves

Shapes = Mapping[str, Sequence[int | None]]  # of samples, by the names of inputs


def opened(graph: Graph) -> Graph:
    """The model with a nested one in the place of each layer that is made of several."""
    done: dict[Layer | Graph, Layer | Graph] = {}

    def visit(part: Layer | Graph) -> Layer | Graph:
        if part not in done:
            done[part] = _opened(part, visit)
        return done[part]

    made = visit(graph)
    assert isinstance(made, Graph)
    return made


def _opened(part: Layer | Graph, visit: Callable[..., Any]) -> Layer | Graph:
    if isinstance(part, Graph):
        layers = {layer: visit(layer) for layer in part.layers}
        if all(made is layer for layer, made in layers.items()):
            return part
        nodes = tuple(replace(node, layer=layers[node.layer]) for node in part.nodes)
        return replace(part, nodes=nodes)
    if part.type == "Container":
        return visit(part.children["parts"])
    children = {name: visit(child) for name, child in part.children.items()}
    same = all(children[name] is child for name, child in part.children.items())
    return part if same else replace(part, children=children)


def with_shapes(graph: Graph, shapes: Shapes) -> Graph:
    """The model with inputs of these shapes, where the file leaves them open."""
    addresses = set(leaves(graph.inputs))
    names = {node.layer.name for node in graph.nodes if node.address in addresses}
    for name in shapes:
        if name not in names:
            raise BadInput(f"shapes: there is no input {name!r}. {nearest(name, names)}")

    def shaped(node: Node) -> Node:
        name = node.layer.name
        if node.address not in addresses or name not in shapes:
            return node
        told, said = [None, *shapes[name]], node.layer.config.get("batch_shape")
        if len(told) < node.layer.config.get("fewest_axes", 0):  # of numbers alone Kur makes rows
            told.append(1)
        if said is not None and not _fits(told, said):
            raise BadInput(
                f"shapes: {name!r} is of the shape {tuple(said[1:])} in the file, not of "
                f"{tuple(told[1:])}. Leave it out."
            )
        config = {**node.layer.config, "batch_shape": told}
        return replace(node, layer=replace(node.layer, config=config))

    return replace(graph, nodes=tuple(map(shaped, graph.nodes)))


def _fits(told: Sequence[int | None], said: Sequence[int | None]) -> bool:
    pairs = zip(told[1:], said[1:], strict=False)
    return len(told) == len(said) and all(b is None or a == b for a, b in pairs)
