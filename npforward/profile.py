"""Where the time of a forward pass goes, and how near each step comes to what this CPU can do."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npforward.errors import BadInput
from npforward.reports import Report
from npforward.run import Instruction, Plan, Segment, Weight, carry_out, laid_out, run, taken
from npforward.tables import table

if TYPE_CHECKING:
    from npforward.kernels.native.library import Library
    from npforward.run.program import Program

OPEN = 224  # of an axis of any size: what networks that halve their input often can take
ROUNDS = 2**16  # of multiply-adds that a task does: a millisecond, about
COPIED = 2**26  # bytes: more than the caches of most CPUs hold
TRIES = 8  # at a limit, of which the best counts


@dataclass(frozen=True)
class Row:
    """One step: a compiled kernel, or an op that numpy computes.

    Attributes
    ----------
    layers : str
        Addresses of the layers that it computes, joined by " + ".
    kernel : str
        The name of the kernel, or of numpy's op.
    compiled : bool
        Whether it is a compiled kernel.
    seconds : float
        Its median time.
    share : float
        Of the time of all steps.
    flops, nbytes : int or None
        Its additions and multiplications, if it is made of these; bytes that it reads and writes.
    efficiency : float or None
        Operations or bytes for each second, by the limit of either: the larger.  Above 1 where
        its data are still in the caches.
    """

    layers: str
    kernel: str
    compiled: bool
    seconds: float
    share: float = 0.0
    flops: int | None = None
    nbytes: int | None = None
    efficiency: float | None = None


class Roof(NamedTuple):
    """What so many threads do at most, for each second: float32 operations, bytes of a copy."""

    threads: int
    flops: float
    nbytes: float


@dataclass(frozen=True, repr=False)
class Profile(Report):
    """Where the time of a forward pass goes: prints as a table, is data.

    Attributes
    ----------
    rows : tuple[Row, ...]
        The steps, in the order of execution.
    inputs : dict[str, tuple[int, ...]]
        Shapes of what went in.
    seconds : float
        The median time of a whole forward pass.
    roof : Roof or None
        The limits of this machine as measured then; None where numpy computed everything.

    Examples
    --------
    >>> row = Row("conv1", "conv", True, 0.002, 1.0, 60_000_000, 4_000_000, 0.5)
    >>> print(Profile("m", (row,), {"x": (1, 8, 8, 3)}, 0.0021, Roof(2, 60e9, 12e9)))
    layers  kernel     ms  share  GFLOP/s  GB/s  efficiency
    -------------------------------------------------------
    conv1   conv    2.000  100 %     30.0   2.0        50 %
    a forward pass of x (1, 8, 8, 3): 2.100 ms; its steps one by one: 2.000 ms
    limits of 2 threads here and now: 60.0 GFLOP/s in registers, 12.0 GB/s of a copy in memory
    """

    name: str
    rows: tuple[Row, ...]
    inputs: dict[str, tuple[int, ...]]
    seconds: float
    roof: Roof | None

    def __str__(self) -> str:
        columns = ["layers", "kernel", "ms", "share", "GFLOP/s", "GB/s", "efficiency"]
        rows = [
            [
                row.layers,
                row.kernel if row.compiled else f"numpy: {row.kernel}",
                f"{row.seconds * 1e3:.3f}",
                f"{row.share:.0%}".replace("%", " %"),
                f"{row.flops / row.seconds / 1e9:.1f}" if row.flops else "-",
                f"{row.nbytes / row.seconds / 1e9:.1f}" if row.nbytes else "-",
                "-" if row.efficiency is None else f"{row.efficiency:.0%}".replace("%", " %"),
            ]
            for row in self.rows
        ]
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        alone = sum(row.seconds for row in self.rows)
        lines = [
            table(columns, rows, left=2),
            f"a forward pass of {shapes}: {self.seconds * 1e3:.3f} ms; its steps one by one: "
            f"{alone * 1e3:.3f} ms",
        ]
        if self.roof is None:
            return "\n".join([*lines, "numpy alone: no step is compiled"])
        threads, flops, nbytes = self.roof
        many = "" if threads == 1 else "s"
        lines.append(
            f"limits of {threads} thread{many} here and now: {flops / 1e9:.1f} GFLOP/s in "
            f"registers, {nbytes / 1e9:.1f} GB/s of a copy in memory"
        )
        return "\n".join(lines)


def profile(
    name: str,
    chosen: Plan,
    feeds: Sequence[np.ndarray],
    names: Sequence[str],
    weight: Weight,
    repeats: int = 5,
) -> Profile:
    """Run a plan some times and say how long each of its steps takes."""
    if repeats < 1:
        raise BadInput(f"repeats={repeats}, expected at least 1")
    times: dict[int, list[float]] = {id(part): [] for part in chosen.instructions}
    kernels: dict[int, list[float]] = {}

    def pass_by(watched: Any) -> float:
        start = time.perf_counter()
        deque(run(chosen, feeds, weight, watched=watched), maxlen=0)
        return time.perf_counter() - start

    def timed(part: Instruction | Segment, *rest: Any) -> None:
        start = time.perf_counter()
        carry_out(part, *rest)
        times[id(part)].append(time.perf_counter() - start)

    def taken_apart(part: Instruction | Segment, plan: Plan, slots: Any, weight: Weight) -> None:
        if isinstance(part, Segment):
            given, constants = taken(part, slots, weight), laid_out(plan, slots, weight)
            kernels[id(part)] = part.program.seconds_of_calls(given, constants, repeats)
        carry_out(part, plan, slots, weight)

    pass_by(None)  # which compiles kernels, reads weights and gets memory
    whole = statistics.median(pass_by(timed) for _ in range(repeats))
    pass_by(taken_apart)
    programs = chosen.programs
    roof = measured(programs[0].library) if programs else None
    found: list[Row] = []
    for part in chosen.instructions:
        if isinstance(part, Segment):
            found += _rows(part.program, kernels[id(part)], roof)
        else:
            found.append(
                Row(part.scope, part.op, False, max(statistics.median(times[id(part)]), 1e-9))
            )
    total = sum(row.seconds for row in found)
    shared = [replace(row, share=row.seconds / total) for row in found]
    shapes = {n: feed.shape for n, feed in zip(names, feeds, strict=True)}
    return Profile(name, tuple(shared), shapes, whole, roof)


def _rows(program: Program, seconds: Sequence[float], roof: Roof | None) -> Iterator[Row]:
    """A row for each kernel of a program."""
    for call, took in zip(program.calls, seconds, strict=True):
        took = max(took, 1e-9)  # a clock may stand still
        efficiency = None
        if roof is not None:
            efficiency = max(call.flops / took / roof.flops, call.nbytes / took / roof.nbytes)
        yield Row(call.scope, call.kernel.name, True, took, 0.0, call.flops or None,
                  call.nbytes or None, efficiency)  # fmt: skip


def measured(library: Library) -> Roof:
    """The limits of this machine at this moment, for as many threads as kernels use."""
    from npforward.kernels.native import limits
    from npforward.kernels.native.threads import count
    from npforward.run.lowering import bits
    from npforward.run.program import At, Buffer, Call, Program

    threads, width = count(), library.target.width

    def best(calls: list[Call], buffers: list[Buffer]) -> float:
        for buffer in buffers:
            buffer.used(0)
            buffer.used(len(calls) - 1)
        program = Program(library, calls, buffers, {})
        return min(
            seconds
            for _ in range(TRIES)
            for seconds in program.seconds_of_calls({}, lambda v: np.empty(0), repeats=1)
        )

    tasks = 4 * threads  # a thread that is held up has others take its part
    result = Buffer(tasks * width * 4)
    told = {"y": At(result), "rounds": ROUNDS // 4, "term": bits(1.0), "factor": bits(0.5)}
    flops = 2 * tasks * (ROUNDS // 4) * width * limits.sums(library.target.registers)
    registers = best([Call(limits.multiply_adds, told, tasks)], [result])

    part = COPIED // threads // 64 * 64
    here, there = Buffer(part * threads), Buffer(part * threads)
    # There and back: memory that nobody has written to is not really there.
    calls = [
        Call(limits.copy, {"x": At(x), "y": At(y), "nbytes": part}, threads)
        for x, y in ((here, there), (there, here))
    ]
    memory = best(calls, [here, there])
    return Roof(threads, flops / registers, 2 * part * threads / memory)


def samples(inputs: Sequence[Any], batch: int) -> dict[str, np.ndarray]:
    """Random numbers for inputs of a model, always the same; whole ones are 0 or 1.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> samples(model.inputs, 2)["row"].shape
    (2, 13)
    """
    if batch < 1:
        raise BadInput(f"batch={batch}, expected at least 1")
    rng = np.random.default_rng(0)
    found = {}
    for spec in inputs:
        if spec.shape is None:
            raise BadInput(
                f"input {spec.name!r}: the file does not say its shape, so that nothing can be "
                "made up for it. Give an input."
            )
        wanted = [batch, *[OPEN] * len(spec.shape[1:])][: len(spec.shape)]
        shape = [w if n is None else n for n, w in zip(spec.shape, wanted, strict=True)]
        if spec.dtype.kind == "U":
            found[spec.name] = np.full(shape, "word")
        elif spec.dtype.kind in "iub":
            found[spec.name] = rng.integers(0, 2, shape).astype(spec.dtype)
        else:
            found[spec.name] = rng.random(shape, np.float32).astype(spec.dtype)
    return found
