"""What a CPU can do at most: kernels to measure it, which compute nothing that anybody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npforward.kernels.native.library import Arguments, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value


def sums(registers: int) -> int:
    """How many sums, none waiting for another, fit the registers and keep a CPU busy.

    A multiply-add takes four or five cycles; two to four of them begin in each.

    Examples
    --------
    >>> sums(16), sums(32)
    (12, 24)
    """
    return registers * 3 // 4


@compiled("y rounds term factor")
def multiply_adds(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """sum = sum * factor + term, in registers alone; a vector goes to memory at the end."""
    term, factor = (e.spread(e.number(bits)) for bits in (a.term, a.factor))
    totals = [e.var(term + float(i)) for i in range(sums(e.registers))]
    with e.loop(0, a.rounds):
        for total in totals:
            total.set(e.fma(total.value, factor, term))
    y = totals[0].value
    for total in totals[1:]:
        y = y + total.value
    e.store(y, a.y + task * (4 * e.width))


@compiled("x y nbytes")
def copy(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A part of a copy."""
    e.copy(a.y + task * a.nbytes, a.x + task * a.nbytes, a.nbytes)
