"""Loops over time that have a kernel of their own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward import ops
from npforward.kernels.native import recurrent as loops
from npforward.kernels.native.memory import aligned
from npforward.ops.scan import SCAN
from npforward.ops.scan import Program as Body
from npforward.ops.scan import run as each_time
from npforward.run.arena import POOL
from npforward.run.fusion import recurrent
from npforward.run.lowering.making import (
    SERIAL,
    Lowering,
    Recorded,
    Weight,
    array_of,
    rule,
    strides_of,
)
from npforward.run.program import SPARE, At, Constant, Over, Program, address_of, plain
from npforward.tape import Step, Var

# ---- for which steps the rules hold ----------------------------------------------------------


def _fits_scan(r: Recorded, step: Step) -> bool:
    keep = [out in r.wanted or bool(r.users.get(out)) for out in step.outs]
    rule = recurrent(step, SCAN.keeping(step.options, keep))
    if rule is None:
        return False
    n = len(step.options["program"].state)
    captured = step.args[n + 1 :]
    if not all(r.constant(a) for a in captured) or r.constant(step.args[n]):
        return False
    # Its kernel has samples first, as what the layer makes of the outputs.
    outputs = step.out[n]
    return outputs not in r.wanted and all(
        (user.op is ops.transpose and tuple(user.options["axes"]) == (1, 0, 2))
        or (user.op is ops.getitem and user.options["key"] == -1)
        for user in r.users.get(outputs, [])
    )


# ---- loops without a kernel of their own ------------------------------------------------------


@dataclass(eq=False)
class Stretch:
    """Steps of a loop in compiled code: one op of it, of what they read."""

    program: Program
    ins: tuple[Var, ...]
    outs: tuple[Var, ...]

    __name__ = "stretch"

    def value(self, *args: Any) -> Callable[..., Any]:
        return self.run

    def run(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        given = dict(zip(self.ins, arrays, strict=True))
        found = self.program.run(given, given.__getitem__)
        return tuple([found[v] for v in self.outs])


@dataclass(eq=False)
class Whole:
    """A loop whose step is one program, which writes outputs where they lie over time."""

    program: Program
    body: Body

    @classmethod
    def of(cls, program: Program, body: Body) -> Whole | None:
        """None where outputs are not the program's own, one by one."""
        made = {v for v, at in program.given_out.items()
                if at.buffer.outside is None and at.buffer.nbytes == 4 * v.size}  # fmt: skip
        buffers = {id(program.given_out[v].buffer) for v in made}
        over_time = [v for i, v in enumerate((*body.y, *body.taps))
                     if body.wants(len(body.state) + i)]  # fmt: skip
        fits = (
            {*body.new_state} <= made and made == {*program.given_out}
            and len(buffers) == len(made) and len({*body.new_state}) == len(body.new_state)
            and {*over_time} <= made | {*body.state}
        )  # fmt: skip
        return cls(program, body) if fits and body.state else None

    def __call__(self, *args: Any, program: Body) -> tuple[Any, ...]:
        body, n, m = self.body, len(self.body.state), len(self.body.x)
        length = len(args[n]) if m else body.length or 0
        if not length:
            return each_time(*args, program=program)
        back = body.backwards
        first, last = (length - 1, 0) if back else (0, length - 1)
        # A state lies behind the one before it; the first is the one that the loop begins with.
        before, after = {}, {}
        for old, new, start in zip(body.state, body.new_state, args, strict=False):
            line = _line(old, length + 1)
            before[old], after[new] = (line[1:], line[:-1]) if back else (line[:-1], line[1:])
            start = plain(start)
            ctypes.memmove(address_of(before[old][first]), address_of(start), start.nbytes)
        after |= {v: _line(v, length) for v in self.program.given_out if v not in after}

        def over(a: np.ndarray) -> Over:
            step = -a.strides[0] if back else a.strides[0]
            at = address_of(a) + first * a.strides[0]
            return Over(at, at + step, step)

        read = {b.outside for b in self.program.buffers}
        given = zip((*body.x, *body.captured), args[n:], strict=True)
        arrays = {v: plain(a) if v in read else a for v, a in given}
        outside = {v: over(arrays[v]) for v in body.x if v in read}
        outside |= {v: over(a) for v, a in before.items()}
        for v in body.captured:
            if v in read:
                outside[v] = Over(at := address_of(arrays[v]), at, 0)
        out = {v: over(after[v]) for v in self.program.given_out}
        self.program.run_over(outside, out, length, arrays.__getitem__)
        lines = after | before
        over_time = [lines[v] if body.wants(n + i) else None
                     for i, v in enumerate((*body.y, *body.taps))]  # fmt: skip
        return (*(after[v][last] for v in body.new_state), *over_time)


def _line(v: Var, length: int) -> np.ndarray:
    """Memory for a value of so many times, and behind it for a vector that may be read."""
    memory = np.asarray(POOL.lend(length * v.size * 4 + SPARE))
    return np.ndarray((length, *v.shape), np.float32, memory)


# ---- rules -----------------------------------------------------------------------------------


@rule(SCAN, fits=_fits_scan)
def scan(low: Lowering, step: Step) -> None:
    program = step.options["program"]
    gates = 4 if len(program.state) == 2 else 3
    lstm = gates == 4
    n = len(program.state)
    states, z, u = step.args[:n], step.args[n], step.args[n + 1]
    times, samples = z.shape[:2]
    units = u.shape[0]
    source, strides = low.strided.get(z, (low.root(z), strides_of(z.shape)))
    hs = step.out[n]
    wide = low.vectors * low.width
    blocks = -(-gates * units // wide)

    def packed(weight: Weight) -> np.ndarray:
        found = np.zeros((blocks * wide, units), np.float32)
        found[: gates * units] = array_of(weight, u).T
        to = aligned((blocks, units, wide))
        to[...] = found.reshape(blocks, wide, units).transpose(0, 2, 1)
        return to

    def bias(weight: Weight) -> np.ndarray:
        row = aligned((blocks * wide,))
        row[:] = 0
        if not lstm and len(step.args) > n + 2:
            row[: gates * units] = array_of(weight, step.args[n + 2]).reshape(-1)
        return row

    each = min(samples, loops.SAMPLES)
    work = 2 * samples * times * units * units * gates
    if work >= SERIAL and samples > 1:
        each = min(each, low.pixels)
    last = list(step.out[:n])
    arguments = {
        "z": At(low.buffer(source)), "z_sample": strides[1], "z_time": strides[0],
        "units": units, "blocks": blocks, "state": _state(low, states[0]),
        "hs_sample": times * units * 4, "hs_time": units * 4, "samples": samples,
        "times": times, "each": each, "u": low.held(packed, "gates", u, wide),
        "bias": low.held(bias, "gates' bias", wide, gates, u, *step.args[n + 2 :]),
    }  # fmt: skip
    if lstm:
        arguments["c"] = _state(low, states[1])
    reads = [source, *(s for s in states if not low.constant(s))]
    kernel = loops.lstm if lstm else loops.gru
    low.add(
        step, kernel, -(-samples // each), [*last, hs], reads, arguments, flops=work,
        scratch=loops.scratch_bytes(units, gates, wide),
    )  # fmt: skip
    call = low.works[-1].call
    call.arguments |= {"hs": low.at(hs), "h_last": low.at(last[0])}
    if lstm:
        call.arguments["c_last"] = low.at(last[1])


def _state(low: Lowering, v: Any) -> Any:
    """What a loop begins with: an array, or zeros."""
    if not low.constant(v):
        return low.at(v)
    return Constant(lambda weight: np.array(array_of(weight, v), np.float32))
