"""The inner loop of convolutions and matrix products: a tile of the output that stays in registers.

A tile is P pixels (rows of the result) by B vectors of channels.  For every number of a pixel's
receptive field, one multiplication and addition in each of its P x B registers:

    for each run of memory that the receptive field consists of:
        for k in the run:
            y[p, :] += x[p][k] * w[k, :]        for all p at once

The numbers of a run lie one after another, as they do in channels-last layout; where each run of
each pixel begins is said by a table of addresses, so that strides, dilation, borders and rows of
any layout are the table's business.  A loop over k has P broadcasts and B loads for P x B
multiply-adds, and needs no copy of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llvmlite import ir

    from npforward.kernels.native.emit import Emitter, Value


UNROLL = 4


def shape(width: int, registers: int) -> tuple[int, int]:
    """(pixels, vectors) of the largest tile for a CPU with so many vector registers.

    The sums, the vectors of weights and one broadcast number must fit the registers; one pixel
    more needs an address register more, of which x86 has 16.

    Examples
    --------
    >>> shape(8, 16), shape(16, 32), shape(4, 32)
    ((6, 2), (12, 2), (6, 4))
    """
    if registers < 32:
        return 6, 2
    return (12, 2) if width >= 16 else (6, 4)


# What a tile is told: where the addresses of its pixels are in the table of runs, and how far
# it is to those of the next run; how many runs, of how many numbers; how far into them its group of
# channels is; weights, bias; whether to add to what is there; the output of the first pixel and the
# distance to the next; the lowest and highest value, as bits of float32.
ARGUMENTS = 12


def emit(e: Emitter, pixels: int, vectors: int) -> ir.Function:
    """The function of a tile of this size."""

    def body(e: Emitter, args: Sequence[Value]) -> None:
        table, next_run, runs, length, inward, w, bias, start, y, y_next, low, high = args
        bytes_ = e.width * 4
        sums = [[e.var(e.load(bias, j * bytes_)) for j in range(vectors)] for _ in range(pixels)]
        at = e.var(w)

        def step(x: Sequence[Value], k: Value, weights: Value, u: int) -> None:
            ws = [e.load(weights, (u * vectors + j) * bytes_) for j in range(vectors)]
            for p in range(pixels):
                number = e.broadcast(x[p] + k, 4 * u)
                for j in range(vectors):
                    sums[p][j].set(e.fma(number, ws[j], sums[p][j].value))

        whole = length - length % UNROLL
        with e.loop(0, runs) as run:
            row = table + run * next_run
            x = [e.load_int(row, 8 * p) + inward for p in range(pixels)]
            for first, last, times in ((e.integer(0), whole, UNROLL), (whole, length, 1)):
                with e.loop(first * 4, last * 4, times * 4) as k:
                    for u in range(times):
                        step(x, k, at.value, u)
                    at.set(at.value + times * vectors * bytes_)

        with e.when(start.equals(1)):  # what the numbers before gave
            for p in range(pixels):
                for j in range(vectors):
                    here = e.load(y + y_next * p, j * bytes_)
                    sums[p][j].set(sums[p][j].value + here)
        low, high = (e.spread(e.number(bits)) for bits in (low, high))
        for p in range(pixels):
            for j in range(vectors):
                value = e.smaller(e.larger(sums[p][j].value, low), high)
                e.store(value, y + y_next * p, j * bytes_)

    return e.helper(f"tile_{pixels}x{vectors}", ARGUMENTS, body)


PART, PARTS = 16, 8  # numbers that are summed at a time, sums that are summed at a time


def emit_in_parts(e: Emitter, pixels: int, vectors: int) -> ir.Function:
    """The function of a tile of rows that lie evenly apart, which loses less at some cost.

    What a sum loses grows with its length: here numbers are summed by `PART`, those sums by
    `PARTS`, and then the sums of sums.  Its arguments: the first row, the distance to the next;
    how many numbers of each, a multiple of `UNROLL`; weights; the output of the first row and the
    distance to the next.
    """

    def body(e: Emitter, args: Sequence[Value]) -> None:
        x, x_next, depth, w, y, y_next = args
        bytes_ = e.width * 4
        places = [(p, j) for p in range(pixels) for j in range(vectors)]
        rows = [x + x_next * p for p in range(pixels)]
        zero = e.real(0.0)
        at = e.var(w)
        whole, some, few = ({place: e.var(zero) for place in places} for _ in range(3))
        with e.loop(0, depth, PART * PARTS) as first:
            for place in places:
                some[place].set(zero)
            with e.loop(first, e.smaller(first + PART * PARTS, depth), PART) as part:
                for place in places:
                    few[place].set(zero)
                with e.loop(part * 4, e.smaller(part + PART, depth) * 4, UNROLL * 4) as k:
                    for u in range(UNROLL):
                        ws = [e.load(at.value, (u * vectors + j) * bytes_) for j in range(vectors)]
                        for p in range(pixels):
                            number = e.broadcast(rows[p] + k, 4 * u)
                            for j in range(vectors):
                                few[p, j].set(e.fma(number, ws[j], few[p, j].value))
                    at.set(at.value + UNROLL * vectors * bytes_)
                for place in places:
                    some[place].set(some[place].value + few[place].value)
            for place in places:
                whole[place].set(whole[place].value + some[place].value)
        for p, j in places:
            e.store(whole[p, j].value, y + y_next * p, j * bytes_)

    return e.helper(f"parts_{pixels}x{vectors}", 6, body)
