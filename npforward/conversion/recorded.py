"""What is known of every value of a model without computing it."""

from __future__ import annotations

from npforward.conversion.architecture import Tensor
from npforward.graph import Graph
from npforward.limits import Limits
from npforward.model import Model
from npforward.run import Failed, Recording
from npforward.summary import open_shape


def recorded(graph: Graph, limits: Limits | None) -> tuple[Recording, Recording]:
    """A model recorded at two sizes of its open axes; what fails is an error at once."""
    found = Model(graph, limits=limits).recorded()
    for value in found[0].values.values():
        if isinstance(value, Failed):
            raise value.error
    return found


def tensors(small: Recording, large: Recording) -> dict[str, Tensor]:
    """The shape and dtype of every value, open where both sizes of the input differ in it."""
    found = {}
    for address, a in {**small.tape.taps, **small.values}.items():
        b = large.values.get(address, large.tape.taps.get(address))
        if not isinstance(a, Failed) and not isinstance(b, Failed | None) and a.ndim == b.ndim:
            dtype = "string" if a.dtype.kind == "U" else a.dtype.name
            found[address] = Tensor(open_shape(a, b), dtype)
    return found
