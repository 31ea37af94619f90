"""What a saved model says: layers, their calls and their stored arrays.  Nothing here computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True, eq=False)
class Stored:
    """An array in a file: known, not yet read."""

    name: str  # its path as the file has it: "layers/conv2d/vars/0", "conv1/kernel:0"
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]  # a read-only array, memory-mapped where the file allows

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Layout:
    """How an older Keras kept the arrays of a layer, where that is not how today's does."""

    # One for each array that it kept, in its order; None: as many as today, in today's order.
    trainable: tuple[bool, ...] | None
    # Today's arrays, in today's order, out of those.  None of them is read for it.
    today: Callable[[Sequence[Stored]], tuple[Stored, ...]]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer as saved.  The same object in two nodes is a shared layer."""

    name: str  # as the file has it
    type: str  # key into LAYERS: "Conv2D"; an operation is "ops.Add"
    config: Mapping[str, Any] = field(default_factory=dict)  # today's Keras names, plain values
    stored: tuple[
        Stored, ...
    ] = ()  # in file order; those of children too where the file keeps one list
    children: Mapping[str, Layer | Graph] = field(
        default_factory=dict
    )  # "forward_layer", "cell", "activation"
    layout: Layout | None = None  # None: the arrays are as today's Keras keeps them


class Ref(NamedTuple):
    """Output number `output` of the node at `node`."""

    node: str
    output: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """One call of a layer: `args` and `kwargs` are trees of `Ref`s and constants."""

    address: str  # unique in its graph: "dense", and "dense@2" for the second call
    layer: Layer | Graph
    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def no_loss() -> None:
    """The loss of a model that was not compiled."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A model: its calls in an order in which they can run."""

    name: str
    type: str  # "Sequential", "Functional"
    nodes: tuple[Node, ...]  # topological order: guaranteed by the reader
    inputs: Any  # tree of node addresses (of InputLayers)
    outputs: Any  # tree of Refs
    config: Mapping[str, Any] = field(default_factory=dict)  # "trainable", "dtype"
    stored: tuple[
        Stored, ...
    ] = ()  # all weights beneath, where the file keeps one list (nested models in .h5)
    source: str = ""  # "cnn.keras (Keras 3.15.1)": where it came from, for messages
    # Other names of nodes, by which they are found as well: name -> address.
    aliases: Mapping[str, str] = field(default_factory=dict)
    # What the model was compiled with, as Keras writes it: None, or text or an object for all
    # outputs, or a list or dict of these.  Read from the file when asked for.
    loss: Callable[[], Any] = no_loss

    @property
    def layers(self) -> tuple[Layer | Graph, ...]:
        """Each layer once, in the order of its first call."""
        return tuple({id(node.layer): node.layer for node in self.nodes}.values())


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of a tree of lists, tuples and dicts, in order; dicts in that of their keys.

    That is how Keras numbers the inputs and outputs of a model that has dicts of them.

    Examples
    --------
    >>> list(leaves({"b": Ref("x"), "a": [1, (2, None)]}))
    [1, 2, None, Ref(node='x', output=0)]
    """
    if isinstance(tree, Mapping):
        for key in sorted(tree, key=str):
            yield from leaves(tree[key])
    elif isinstance(tree, (list, tuple)) and not isinstance(tree, Ref):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` applied to each leaf.

    Examples
    --------
    >>> map_leaves(lambda leaf: leaf * 2, [1, {"a": 2}])
    [2, {'a': 4}]
    """
    if isinstance(tree, Mapping):
        done = {key: map_leaves(function, tree[key]) for key in sorted(tree, key=str)}
        return {key: done[key] for key in tree}
    if isinstance(tree, (list, tuple)) and not isinstance(tree, Ref):
        return type(tree)(map_leaves(function, branch) for branch in tree)
    return function(tree)
