"""How many axes Kur on PyTorch takes values to have, by which it counts axes from the end."""

from __future__ import annotations

from collections.abc import Mapping

from npforward.formats.kur.arguments import Arguments
from npforward.formats.kur.containers import GROUPS
from npforward.formats.kur.network import Container

Rank = int | None  # without the axis of samples; None: as many as there are


def rank_after(container: Container, before: Rank, targets: Mapping[str, Container]) -> Rank:
    """What Kur takes the output of a container to have, of an input that it takes so.

    It is wrong about a dense layer of several axes alone, which it takes to give one, and about
    whatever comes after.
    """
    if not container.built:
        return before
    type_, counted = container.type, Arguments(container, "size")
    if type_ == "reuse":
        return rank_after(targets[container.name], before, targets)
    if type_ in GROUPS or type_ == "parallel":
        within = type_ == "parallel"
        rank = _plus(before, -1) if within else before
        for child in container.children:
            rank = rank_after(child, rank, targets)
        return _plus(rank, 1) if within else rank
    if type_ in ("dense", "flatten"):
        return 1
    if type_ == "recurrent":
        return before if counted.flag("sequence", True) else 1
    if type_ in ("convolution", "pool"):
        return len(counted.several("size")) + 1
    if type_ in ("embedding", "repeat"):
        return 2
    return _plus(before, {"expand": 1, "squeeze": -1}.get(type_, 0))


def _plus(rank: Rank, more: int) -> Rank:
    return None if rank is None else rank + more
