"""What layers tell the recorder beside their ops: inner values, and states between calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from npforward.tape import Var


@contextlib.contextmanager
def shown_as(show: Callable[[Any], Any], x: Any) -> Iterator[None]:
    """Inner values that are named in this context, while recording on `x`, are `show(value)`.

    It may change their shapes, not the order of their elements.
    """
    taps = x.tape.taps if isinstance(x, Var) else {}
    shows = x.tape.shows if isinstance(x, Var) else []
    before = set(taps)
    shows.append(show)
    try:
        yield
    finally:
        shows.pop()
    for name in [name for name in taps if name not in before]:
        taps[name] = show(taps[name])


def recall(name: str, zeros: Any, x: Any) -> Any:
    """A state kept from the call before, at first zeros, of the layer that is recorded on `x`."""
    if not isinstance(x, Var):
        return zeros
    kept = x.tape.var(zeros.shape, zeros.dtype)
    x.tape.states[f"{x.tape.scope}:{name}"] = [kept, kept]
    return kept


def remember(name: str, last: Any) -> None:
    """What `recall` is to give in the next call."""
    if isinstance(last, Var):
        last.tape.states[f"{last.tape.scope}:{name}"][1] = last


def tap(name: str, y: Any) -> Any:
    """Name an inner value of the layer that is being recorded; returns it, or what replaces it.

    Examples
    --------
    >>> import numpy as np
    >>> tap("pre", np.float32(2.0))
    np.float32(2.0)
    """
    if isinstance(y, Var):
        address = f"{y.tape.scope}:{name}"
        y = instead(address, y)
        y.tape.taps[address] = y
    return y


def instead(address: str, y: Any) -> Any:
    """What goes on in the place of a value: itself, unless its tape has a stand-in for it."""
    if not isinstance(y, Var) or y.tape.stand_in is None:
        return y
    return y.tape.stand_in(address, y)
