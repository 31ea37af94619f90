"""A list of compiled kernels with their arguments, and the memory that it runs in."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npforward.kernels.native.library import Compiled, Library
from npforward.kernels.native.memory import LINE
from npforward.kernels.native.threads import ENTRY, TEAM, team
from npforward.run.arena import POOL, Loan
from npforward.tape import Var

AT_A_TIME = 2 * 10**10  # operations and bytes between two looks at signals
SPARE = 256  # bytes behind the last value: a vector may be read that is not wholly used


@dataclass(eq=False)
class Buffer:
    """Memory of a program: of a value, of scratch between kernels, or an array from outside."""

    nbytes: int = 0
    outside: Var | None = None
    kept: bool = False  # whether somebody outside the program gets it
    first: int = 10**9  # of the calls that use it
    last: int = -1
    offset: int = 0

    def used(self, call: int) -> None:
        self.first, self.last = min(self.first, call), max(self.last, call)


@dataclass(frozen=True, eq=False)
class At:
    """An address: so many bytes into a buffer."""

    buffer: Buffer
    offset: int = 0


@dataclass(eq=False)
class Constant:
    """An array that is made once from the weights, and then kept for all that know its key."""

    make: Callable[[Callable[[Var], np.ndarray]], np.ndarray]
    key: Callable[[], Hashable] | None = None
    array: np.ndarray | None = None


@dataclass(eq=False)
class Table:
    """A table of integers and addresses, which a kernel gets the address of."""

    words: list[Any]


@dataclass(eq=False)
class Call:
    """One kernel with its arguments by name."""

    kernel: Compiled
    arguments: dict[str, Any]
    tasks: int
    scratch: int = 0
    scope: str = ""  # the layers it computes
    flops: int = 0
    nbytes: int = 0  # that it reads and writes


class Over(NamedTuple):
    """Addresses of an array in runs one after another."""

    first: int
    second: int
    step: int  # bytes from the second to the third, and so on


@dataclass(eq=False)
class Frame:
    """The words of a program in memory, with addresses filled in; for one run at a time."""

    words: np.ndarray
    address: int
    bases: tuple[int, ...] = ()


@dataclass(eq=False)
class Program:
    """Kernels that run one after another without Python between them."""

    library: Library
    calls: list[Call]
    buffers: list[Buffer]
    given_out: dict[Var, At]  # the values that somebody outside gets, by their Vars
    kept: dict[Hashable, np.ndarray] = field(default_factory=dict)  # constants, by their keys
    _frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scratch = max((call.scratch for call in self.calls), default=0) + 4096
        self._stretches = list(_stretches(self.calls))
        self._place()
        self._outside = [b for b in self.buffers if b.outside is not None]
        self._kept = [b for b in self.buffers if b.outside is None and b.kept]
        places = {id(b): i for i, b in enumerate(self._outside)}
        self._made = [
            (var, at.buffer.offset + at.offset)
            for var, at in self.given_out.items()
            if at.buffer.outside is None
        ]
        self._passed = [  # what came from outside and goes out under another shape
            (var, places[id(at.buffer)])
            for var, at in self.given_out.items()
            if at.buffer.outside is not None
        ]
        self._assembled = threading.Lock()
        self._ready = False

    @property
    def kernels(self) -> list[Compiled]:
        """What it needs compiled."""
        called = [c for call in self.calls for c in call.arguments.values()
                  if isinstance(c, Compiled)]  # fmt: skip
        return list(dict.fromkeys([*(call.kernel for call in self.calls), *called, *TEAM]))

    @property
    def seconds(self) -> float:
        """About how long the numpy references would take."""
        return sum(c.flops / 2e10 + c.nbytes / 1e9 + 5e-5 for c in self.calls)

    # ---- memory -------------------------------------------------------------------------------

    def _place(self) -> None:
        """Where each buffer lies: kept ones one after another, others where nothing else is."""
        self.kept_bytes = self.passing_bytes = 0
        passing: list[Buffer] = []
        for buffer in sorted(self.buffers, key=lambda b: b.first):
            if buffer.outside is not None:
                continue
            size = -(-buffer.nbytes // LINE) * LINE + LINE
            if buffer.kept:
                buffer.offset, self.kept_bytes = self.kept_bytes, self.kept_bytes + size
                continue
            others = [o for o in passing if o.first <= buffer.last and buffer.first <= o.last]
            at = 0
            for other in sorted(others, key=lambda o: o.offset):
                if other.offset - at >= size:
                    break
                at = max(at, -(-(other.offset + other.nbytes) // LINE) * LINE + LINE)
            buffer.offset = at
            passing.append(buffer)
            self.passing_bytes = max(self.passing_bytes, at + size)
        self.kept_bytes += SPARE
        self.passing_bytes += SPARE

    # ---- words --------------------------------------------------------------------------------

    def _assemble(self) -> None:
        """Lay out the program's entries and tables as words; note where addresses go."""
        words: list[Any] = []
        for call in self.calls:
            kernel = self.library.address(call.kernel)
            arguments = Table([call.arguments[name] for name in call.kernel.arguments])
            words += [kernel, arguments, call.tasks, 0, 0]
        assert len(words) == len(self.calls) * len(ENTRY)
        at = 0
        where: dict[int, int] = {}
        while at < len(words):
            word = words[at]
            if isinstance(word, Table) and id(word) not in where:
                where[id(word)] = len(words)
                words += word.words
            at += 1
        fixed = np.zeros(len(words), np.int64)
        targets: list[tuple[int, int, int]] = []  # position, which base, offset
        self._constants: list[tuple[int, Constant]] = []
        bases = {id(b): 2 + i for i, b in enumerate([*self._outside, *self._kept])}
        for i, word in enumerate(words):
            if isinstance(word, Table):
                targets.append((i, 1, where[id(word)] * 8))
            elif isinstance(word, Constant):
                self._constants.append((i, word))
            elif isinstance(word, At):
                buffer = word.buffer
                base = bases.get(id(buffer), 0)
                targets.append((i, base, word.offset + (0 if base else buffer.offset)))
            elif isinstance(word, Compiled):
                fixed[i] = self.library.address(word)
            else:
                fixed[i] = word
        self._words = fixed
        columns = np.array(targets, np.int64).reshape(-1, 3)
        self._positions, self._bases, self._offsets = columns.T.copy()

    def _frame(self, weight: Callable[[Var], np.ndarray]) -> Frame:
        with self._assembled:
            if not self._ready:
                self.library.prepare(self.kernels)
                self._assemble()
                for position, constant in self._constants:
                    self._words[position] = self._array(constant, weight).ctypes.data
                self._ready = True
        words = self._words.copy()
        return Frame(words, words.ctypes.data)

    def _array(self, constant: Constant, weight: Callable[[Var], np.ndarray]) -> np.ndarray:
        if constant.array is None:
            key = constant.key and constant.key()
            constant.array = self.kept.get(key) if key else None
        if constant.array is None:
            constant.array = constant.make(weight)
            if key:
                self.kept[key] = constant.array
        return constant.array

    # ---- running ------------------------------------------------------------------------------

    def run(
        self, outside: Mapping[Var, np.ndarray], weight: Callable[[Var], np.ndarray]
    ) -> dict[Var, np.ndarray]:
        """Run all kernels; gives the arrays of the values that go out, in memory of their own."""
        with self._entered(outside, weight) as (frame, arrays, kept):
            self._run(frame)
        memory = np.asarray(kept)
        values = {
            var: np.ndarray(var.shape, np.float32, memory, offset) for var, offset in self._made
        }
        for var, i in self._passed:
            values[var] = arrays[i].reshape(var.shape)
        return values

    def run_over(
        self,
        outside: Mapping[Var, Over],
        out: Mapping[Var, Over],
        length: int,
        weight: Callable[[Var], np.ndarray],
    ) -> None:
        """Run all kernels so many times, on arrays that lie elsewhere every time."""
        made = {id(at.buffer): out[var] for var, at in self.given_out.items()}
        places = [outside[b.outside] for b in self._outside if b.outside is not None]
        places += [made[id(b)] for b in self._kept]
        passing, frame = POOL.lend(self.passing_bytes), self._taken(weight)
        fixed = (passing.address, frame.address)
        bases = np.array([*fixed, *(p.first for p in places)], np.int64)
        step = np.array([0, 0, *(p.step for p in places)], np.int64)
        frame.bases = ()
        for n in range(length):
            if n == 1:
                bases = np.array([*fixed, *(p.second for p in places)], np.int64)
            frame.words[self._positions] = bases[self._bases] + self._offsets
            self._run(frame)
            bases += step
        self._frames.append(frame)

    def _run(self, frame: Frame) -> None:
        for first, many, alone in self._stretches:
            at = frame.address + first * 8 * len(ENTRY)
            team(self.library).run(at, many, self.scratch, alone)

    def _taken(self, weight: Callable[[Var], np.ndarray]) -> Frame:
        """Words of the program that nobody runs now."""
        try:
            return self._frames.pop()
        except IndexError:
            return self._frame(weight)

    @contextlib.contextmanager
    def _entered(
        self, outside: Mapping[Var, np.ndarray], weight: Callable[[Var], np.ndarray]
    ) -> Iterator[tuple[Frame, list[np.ndarray], Loan]]:
        """The program's words for one run, with the addresses of this run's memory; the arrays
        from outside, and the memory of what goes out."""
        arrays = [plain(outside[b.outside]) for b in self._outside if b.outside is not None]
        kept, passing = POOL.lend(self.kept_bytes), POOL.lend(self.passing_bytes)
        frame = self._taken(weight)
        start = kept.address
        bases = (passing.address, frame.address, *map(address_of, arrays),
                 *[start + b.offset for b in self._kept])  # fmt: skip
        if bases != frame.bases:
            known = np.array(bases, np.int64)
            frame.words[self._positions] = known[self._bases] + self._offsets
            frame.bases = bases
        yield frame, arrays, kept
        self._frames.append(frame)

    def seconds_of_calls(
        self,
        outside: Mapping[Var, np.ndarray],
        weight: Callable[[Var], np.ndarray],
        repeats: int = 5,
    ) -> list[float]:
        """How long each call takes by itself, the median of `repeats`, on data of a whole run."""
        workers, found = team(self.library), []
        with self._entered(outside, weight) as (frame, _, _):
            workers.run(frame.address, len(self.calls), self.scratch, alone=False)
            for i, call in enumerate(self.calls):
                at, times = frame.address + i * 8 * len(ENTRY), []
                for _ in range(repeats):
                    start = time.perf_counter()
                    workers.run(at, 1, self.scratch, call.tasks <= 1)
                    times.append(time.perf_counter() - start)
                found.append(float(np.median(times)))
        return found


def _stretches(calls: Sequence[Call]) -> Iterator[tuple[int, int, bool]]:
    """(first, number, whether one thread is enough) of calls that run without Python between them.

    Long work comes back to Python now and then, which is when a person's Ctrl-C is heard.
    """
    first, work = 0, 0
    for i, call in enumerate(calls):
        work += call.flops + call.nbytes
        if work > AT_A_TIME or i == len(calls) - 1:
            some = calls[first : i + 1]
            yield first, len(some), all(c.tasks <= 1 for c in some)
            first, work = i + 1, 0


def address_of(array: np.ndarray) -> int:
    """Where an array begins."""
    return array.__array_interface__["data"][0]  # quicker than by way of ctypes


def plain(array: np.ndarray) -> np.ndarray:
    """The array as kernels read it: float32 numbers one after another."""
    array = np.asarray(array)  # a scalar of numpy's has no lasting memory
    as_it_is = array.flags.c_contiguous and array.dtype == np.float32
    return array if as_it_is else np.ascontiguousarray(array, np.float32)
