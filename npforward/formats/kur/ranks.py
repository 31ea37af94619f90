"""How many axes Kur on PyTorch takes values to have, by which it counts axes from the end."""

from __future__ import annotations

from collections.abc import Mapping

from npforward.formats.kur.arguments import Arguments
from npforward.formats.kur.containers import GROUPS
from npforward.formats.kur.network import Container

Rank = int | None  # without the axis of samples; None: as many as there are


class Ranks:
    """What Kur takes the output of containers to have, by what it takes their input to have.

    It is wrong about a dense layer of several axes alone, which it takes to give one, and about
    whatever comes after.
    """

    def __init__(self, targets: Mapping[str, Container]) -> None:
        self.targets = targets
        self._known: dict[tuple[int, Rank], Rank] = {}

    def after(self, container: Container, before: Rank) -> Rank:
        """The rank of the output of a container."""
        key = id(container), before
        if key not in self._known:
            self._known[key] = self._after(container, before)
        return self._known[key]

    def _after(self, container: Container, before: Rank) -> Rank:
        if not container.built:
            return before
        type_, counted = container.type, Arguments(container, "size")
        if type_ == "reuse":
            return self.after(self.targets[container.name], before)
        if type_ in GROUPS or type_ == "parallel":
            within = type_ == "parallel"
            rank = plus(before, -1) if within else before
            for child in container.children:
                rank = self.after(child, rank)
            return plus(rank, 1) if within else rank
        if type_ in ("dense", "flatten"):
            return 1
        if type_ == "recurrent":
            return before if counted.flag("sequence", True) else 1
        if type_ in ("convolution", "pool"):
            return len(counted.several("size")) + 1
        if type_ in ("embedding", "repeat"):
            return 2
        return plus(before, {"expand": 1, "squeeze": -1}.get(type_, 0))


def plus(rank: Rank, more: int) -> Rank:
    """So many axes more.

    Examples
    --------
    >>> plus(2, 1), plus(None, 1)
    (3, None)
    """
    return None if rank is None else rank + more
