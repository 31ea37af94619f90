"""Models made by hand: layers one after another, with the weights that a test gives them."""

from __future__ import annotations

import numpy as np

from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.model import Model


def layer(kind, config=None, *weights, name=None):
    """A layer with these arrays, in the order of its kind."""
    name = name or kind.lower()
    stored = tuple(
        Stored(f"{name}/{i}", w.shape, w.dtype, lambda w=w: w) for i, w in enumerate(weights)
    )
    return Layer(name, kind, {"name": name, **(config or {})}, stored)


def chain(shape, *layers, dtype="float32"):
    """A model of layers one after another, from an input of any number of samples."""
    entered = Layer("x", "InputLayer", {"batch_shape": (None, *shape), "dtype": dtype})
    nodes = [Node("x", entered)]
    for one in layers:
        nodes.append(Node(one.name, one, (Ref(nodes[-1].address),)))
    return Model(Graph("made", "Functional", tuple(nodes), "x", Ref(nodes[-1].address)))


def ones(*shape):
    return np.ones(shape, "float32")
