"""Keras's table of a model's layers, made from the plan without running or reading weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward import addresses
from npforward.graph import Graph, Layer, Ref, leaves
from npforward.reports import Report
from npforward.run import Failed, Recording
from npforward.weights import Bound, Parameter, parameters, parts

Shape = tuple[int | None, ...]
LARGEST = 2**56  # numbers in an array that takes no memory; numpy counts their bytes in 63 bits


@dataclass(frozen=True)
class Row:
    """One layer: `shape` is None where it cannot be told, a tuple of shapes for several outputs."""

    name: str
    type: str
    shape: Any
    parameters: int
    connected_to: tuple[str, ...]
    depth: int = 0


@dataclass(frozen=True, repr=False)
class Summary(Report):
    """A model's layers, output shapes and parameters: prints as a table, is data.

    Examples
    --------
    >>> s = Summary("m", "Sequential", (Row("d", "Dense", (None, 3), 6, ()),), 6, 6, 24)
    >>> s.rows[0].shape, s.total, s.non_trainable
    ((None, 3), 6, 0)
    >>> print(s)
    Model: "m"
    ┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━┓
    ┃ Layer (type) ┃ Output Shape ┃ Param # ┃
    ┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━┩
    │ d (Dense)    │ (None, 3)    │       6 │
    └──────────────┴──────────────┴─────────┘
     Total params: 6 (24.00 B)
     Trainable params: 6
     Non-trainable params: 0
    """

    name: str
    type: str
    rows: tuple[Row, ...]
    total: int
    trainable: int
    nbytes: int

    @property
    def non_trainable(self) -> int:
        """Parameters that training leaves alone."""
        return self.total - self.trainable

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data.

        Examples
        --------
        >>> Summary("m", "Sequential", (), 0, 0, 0).to_dict()["rows"]
        []
        """
        return {**super().to_dict(), "non_trainable": self.non_trainable}

    def __str__(self) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.HEAVY_HEAD)
        # One after another needs no fourth column.
        chained = all(
            row.connected_to in ((), (before.name,))
            for before, row in zip(self.rows, self.rows[1:], strict=False)
            if not row.depth
        )
        table.add_column("Layer (type)")
        table.add_column("Output Shape")
        table.add_column("Param #", justify="right")
        if not chained:
            table.add_column("Connected to")
        for row in self.rows:
            name = f"{'  ' * row.depth}{row.name} ({row.type})"
            cells = [name, _shown(row.shape), f"{row.parameters:,}"]
            table.add_row(*cells, *([] if chained else [", ".join(row.connected_to) or "-"]))
        lines = [
            f" Total params: {self.total:,} ({_bytes(self.nbytes)})",
            f" Trainable params: {self.trainable:,}",
            f" Non-trainable params: {self.non_trainable:,}",
        ]
        console = Console(width=10_000, no_color=True, highlight=False, markup=False)
        with console.capture() as captured:
            console.print(table)
        drawn = "\n".join(line.rstrip() for line in captured.get().splitlines())
        return "\n".join([f'Model: "{self.name}"', drawn, *lines])


def summary(
    root: Graph,
    bounds: Mapping[Layer | Graph, Bound],
    inputs: Sequence[Any],
    record: Callable[[list], Recording],
    *,
    nested: bool = False,
) -> Summary:
    """The summary of a model; `record` records it on given inputs."""
    shapes = _shapes(inputs, record)
    everything = parameters(root, bounds)
    rows = list(_rows(root, "", shapes, _owned(everything), nested))
    count = sum(_size(p) for p in everything)
    trainable = sum(_size(p) for p in everything if p.trainable)
    nbytes = sum(p.stored.nbytes for p in everything)
    return Summary(root.name, root.type, tuple(rows), count, trainable, nbytes)


def _size(parameter: Parameter) -> int:
    return int(np.prod(parameter.stored.shape, dtype=np.int64))


def _owned(everything: list[Parameter]) -> dict[Layer | Graph, int]:
    """Parameters held by each layer itself."""
    owned: dict[Layer | Graph, int] = {}
    for p in everything:
        owned[p.layer] = owned.get(p.layer, 0) + _size(p)
    return owned


def _shapes(inputs: Sequence[Any], record: Callable[[list], Recording]) -> dict[str, Shape]:
    """The shape of every value of the model, None where it depends on the input."""
    if any(spec.shape is None for spec in inputs):
        return {}
    both = recordings(inputs, record)
    if both is None:
        return {}
    small, large = both
    found = {}
    for address, a in small.values.items():
        b = large.values.get(address)  # an operation on the batch axis can have fewer outputs
        if isinstance(a, Failed) or isinstance(b, Failed | None) or a.ndim != b.ndim:
            continue
        found[address] = open_shape(a, b)
    return found


def recordings(
    inputs: Sequence[Any], record: Callable[[list], Recording]
) -> tuple[Recording, Recording] | None:
    """A model recorded for two sizes of every open dimension: what differs depends on it.

    Powers of two fit networks that halve and double their input.  None if no array can be of the
    shape that an input says.
    """
    found = []
    for batch, size in ((2, 256), (3, 512)):
        filled = [
            tuple(n if n is not None else size if i else batch for i, n in enumerate(spec.shape))
            for spec in inputs
        ]
        if any(math.prod(shape) > LARGEST for shape in filled):
            return None
        samples = zip(filled, inputs, strict=True)
        found.append(record([_sample(shape, spec.dtype, batch) for shape, spec in samples]))
    small, large = found
    return small, large


def open_shape(a: Any, b: Any) -> Shape:
    """The shape of a value in both recordings."""
    return tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))


def _sample(shape: tuple[int, ...], dtype: np.dtype, batch: int) -> np.ndarray:
    """An input without memory behind it; what it holds depends on the batch, as its shape does."""
    value: Any = "word " * batch if dtype.kind == "U" else batch % 2
    return np.broadcast_to(np.asarray(value, dtype), shape)


def _rows(
    graph: Graph, at: str, shapes: Mapping[str, Shape], owned: Mapping, nested: bool, depth: int = 0
):
    calls: dict[Layer | Graph, list] = {}
    for node in graph.nodes:
        calls.setdefault(node.layer, []).append(node)
    names = {node.address: node.layer.name for node in graph.nodes}
    for layer, nodes in calls.items():
        if layer.type == "InputLayer" and graph.type == "Sequential":
            continue  # as Keras prints it
        address = addresses.join(at, nodes[0].address)
        refs = [r for n in nodes for r in leaves([n.args, dict(n.kwargs)]) if isinstance(r, Ref)]
        sources = tuple(dict.fromkeys(names[r.node] for r in refs))
        outputs = [s for a, s in shapes.items() if a == address or a.startswith(f"{address}#")]
        shape = outputs[0] if len(outputs) == 1 else tuple(outputs) or None
        count = sum(owned.get(part, 0) for part in parts(layer))
        yield Row(layer.name, layer.type, shape, count, sources, depth)
        if nested and isinstance(layer, Graph):
            yield from _rows(layer, address, shapes, owned, nested, depth + 1)


def _shown(shape: Any) -> str:
    if shape is None:
        return "?"
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_shown, shape))
    return str(tuple(shape))


def _bytes(n: float) -> str:
    for unit in ("B", "KB", "MB"):
        if n < 1024:
            return f"{n:.2f} {unit}"
        n /= 1024
    return f"{n:.2f} GB"
