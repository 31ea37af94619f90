"""Loops over time: each task takes some samples through all steps, and waits for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npforward.kernels.native import functions, tile
from npforward.kernels.native.conv import HIGHEST, LOWEST, tiles
from npforward.kernels.native.library import Arguments, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

SAMPLES = 12  # of a task, at most: whole tiles of the widths that there are
RECURRENT = (
    "z z_sample z_time units blocks state h_last hs hs_sample hs_time samples times each u bias"
)


def _product(e: Emitter, a: Arguments, count: Value, h: Value, sums: Value, sums_row: Value,
             table: Value, bias: Value, start: int) -> None:  # fmt: skip
    """sums = (sums or bias) + h U, for `count` samples whose h lie in a row each."""
    _, vectors = tile.shape(e.width, e.registers)
    wide = vectors * e.width
    with e.loop(0, count) as s:
        e.store_int(h + s * a.units * 4, table + s * 8)
    with e.loop(0, a.blocks) as b:
        weights = a.u + b * a.units * wide * 4

        def act(function, p, _, b=b, weights=weights):
            e.call(
                function, table + p * 8, 0, 1, a.units, 0, weights, bias + b * wide * 4, start,
                sums + p * sums_row + b * wide * 4, sums_row, LOWEST, HIGHEST,
            )  # fmt: skip

        tiles(e, vectors, count, act)


def _samples(e: Emitter, a: Arguments, task: Value):
    first = task * a.each
    return first, e.smaller(a.samples - first, a.each)


def _laid_out(e: Emitter, a: Arguments, scratch: Value, states: int):
    """Where in scratch memory a task has its table, its states and its sums; the bytes of a row of
    states, and of sums."""
    _, vectors = tile.shape(e.width, e.registers)
    row, sums_row = a.units * 4, a.blocks * (vectors * e.width * 4)
    held = [scratch + SAMPLES * 8 + SAMPLES * row * i for i in range(states + 1)]
    return scratch, *held, row, sums_row


@compiled(RECURRENT + " c c_last")
def lstm(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """i, f, o = σ(z + h U),  c = f c + i tanh(z + h U),  h = o tanh(c)."""
    first, count = _samples(e, a, task)
    table, h, c, sums, row, sums_row = _laid_out(e, a, scratch, states=2)
    e.copy(h, a.state + first * row, count * row)
    e.copy(c, a.c + first * row, count * row)
    with e.loop(0, a.times) as t:
        with e.loop(0, count) as s:
            e.copy(sums + s * sums_row, a.z + (first + s) * a.z_sample + t * a.z_time, row * 4)
        _product(e, a, count, h, sums, sums_row, table, a.bias, 1)
        with e.loop(0, count) as s:
            gates = [sums + s * sums_row + row * i for i in range(4)]
            mine, cell = h + s * row, c + s * row
            out = a.hs + (first + s) * a.hs_sample + t * a.hs_time
            for at in e.vectors(a.units):
                i, f, g, o = (e.load(gate, at) for gate in gates)
                memory = functions.sigmoid(e, f) * e.load(cell, at)
                memory = e.fma(functions.sigmoid(e, i), functions.tanh(e, g), memory)
                e.store(memory, cell, at)
                y = functions.sigmoid(e, o) * functions.tanh(e, memory)
                e.store(y, mine, at)
                e.store(y, out, at)
    e.copy(a.h_last + first * row, h, count * row)
    e.copy(a.c_last + first * row, c, count * row)


@compiled(RECURRENT)
def gru(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """u, r = σ(z + h U + b),  g = tanh(z + r (h U + b)),  h = u h + (1 - u) g."""
    first, count = _samples(e, a, task)
    table, h, sums, row, sums_row = _laid_out(e, a, scratch, states=1)
    e.copy(h, a.state + first * row, count * row)
    with e.loop(0, a.times) as t:
        _product(e, a, count, h, sums, sums_row, table, a.bias, 0)
        with e.loop(0, count) as s:
            given = a.z + (first + s) * a.z_sample + t * a.z_time
            z_u, z_r, z_g = (given + row * i for i in range(3))
            a_u, a_r, a_g = (sums + s * sums_row + row * i for i in range(3))
            mine = h + s * row
            out = a.hs + (first + s) * a.hs_sample + t * a.hs_time
            for at in e.vectors(a.units):
                update = functions.sigmoid(e, e.load(z_u, at) + e.load(a_u, at))
                reset = functions.sigmoid(e, e.load(z_r, at) + e.load(a_r, at))
                g = functions.tanh(e, e.fma(reset, e.load(a_g, at), e.load(z_g, at)))
                y = e.fma(update, e.load(mine, at), (1.0 - update) * g)
                e.store(y, mine, at)
                e.store(y, out, at)
    e.copy(a.h_last + first * row, h, count * row)


def scratch_bytes(units: int, gates: int, block: int) -> int:
    """Scratch memory of a task; `block` is the width of a block of channels."""
    wide = -(-gates * units // block) * block
    return SAMPLES * (8 + 4 * (2 * units + wide)) + 64
