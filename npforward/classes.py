"""What a softmax output says: the most probable classes, by name where names are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npforward.errors import BadFile, BadInput, MissingFile
from npforward.graph import Graph, leaves
from npforward.statistics import layer_at


@dataclass(frozen=True)
class Class:
    """One class of a softmax output."""

    index: int
    label: str
    probability: float


def is_softmax(layer: Any) -> bool:
    """Whether a layer's output is probabilities of classes.

    Examples
    --------
    >>> from npforward.graph import Layer
    >>> is_softmax(Layer("out", "Dense", {"activation": "softmax"})), is_softmax(None)
    (True, False)
    """
    if isinstance(layer, Graph):  # a nested model: what its only output is
        last = [ref.node for ref in leaves(layer.outputs)]
        return len(last) == 1 and any(
            is_softmax(node.layer) for node in layer.nodes if node.address == last[0]
        )
    kind = getattr(layer, "type", "")
    activation = getattr(layer, "config", {}).get("activation")
    return kind in ("Softmax", "ops.Softmax") or activation == "softmax"


def top(
    probabilities: np.ndarray, count: int = 5, labels: Sequence[str] | None = None
) -> list[Class]:
    """The `count` most probable classes, the first of equals first; NaN is never probable.

    Labels of another number belong to another output and are not used.

    Examples
    --------
    >>> top(np.array([0.1, 0.7, 0.2]), 2, ["cat", "dog", "owl"])
    [Class(index=1, label='dog', probability=0.7), Class(index=2, label='owl', probability=0.2)]
    """
    p = np.asarray(probabilities, np.float64)
    named = (
        labels if labels is not None and len(labels) == p.size else list(map(str, range(p.size)))
    )
    order = np.argsort(-np.where(np.isnan(p), -np.inf, p), kind="stable")[:count]
    return [Class(int(i), named[i], float(p[i])) for i in order]


def softmax_values(trace: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The values of a trace that are probabilities, and their number of classes.

    Examples
    --------
    >>> from npforward.graph import Layer
    >>> from npforward.model import Trace
    >>> softmax_values(Trace({"out": np.ones((1, 3)) / 3}, {"out": Layer("out", "Softmax")}))
    {'out': 3}
    """
    layers = getattr(trace, "layers", {})
    return {
        address: value.shape[-1]
        for address, value in trace.items()
        if value.ndim == 2 and ":" not in address and is_softmax(layer_at(layers, address))
    }


def check_labels(labels: Sequence[str] | None, found: Mapping[str, int]) -> None:
    """Raise `BadInput` if there are labels, and softmax outputs, and none of the same number."""
    if labels is not None and found and len(labels) not in found.values():
        counts = ", ".join(f"{address!r} has {count}" for address, count in found.items())
        raise BadInput(
            f"{len(labels)} labels, but {counts} classes: give one label for each, in order."
        )


def read_labels(path: Path | str) -> list[str]:
    """Class names from a text file, one a line, in the order of the model's output.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.txt"
    >>> _ = path.write_text("cat\\ndog\\n")
    >>> read_labels(path)
    ['cat', 'dog']
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: labels must be UTF-8 text, one a line ({error}).") from error
    except OSError as error:
        raise MissingFile(f"{path}: labels cannot be read: {error.strerror}.") from error
    labels = [line.strip() for line in text.splitlines()]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise BadFile(f"{path}: no labels; give one class name a line.")
    return labels
