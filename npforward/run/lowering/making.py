"""A program in the making: its calls, their chains, and where values lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npforward import ops
from npforward.kernels.native import conv as products
from npforward.kernels.native import elementwise as chains
from npforward.kernels.native import spatial, tile, winograd
from npforward.kernels.native.elementwise import (
    COLUMN,
    IMAGE,
    MADE,
    ROW,
    SCRATCH,
    SCRATCH_COLUMN,
    WHOLE,
)
from npforward.kernels.native.library import Library
from npforward.kernels.native.memory import aligned
from npforward.ops.scan import SCAN
from npforward.run.program import At, Buffer, Call, Constant, Program, Table
from npforward.tape import Step, Var

LOW, HIGH = products.LOWEST, products.HIGHEST
Weight = Callable[[Var], np.ndarray]
NUMBERS = itertools.count()
TASKS = 16  # of a product, at least, where its blocks allow: enough for many threads
SERIAL = 2**17  # flops of a kernel that is not worth sharing out
FAR = 2**17  # bytes: larger values are brought near before a chain wants them
AWAY = 2**18  # bytes: larger values that are only given out are written past the caches
SCATTERED = 512  # bytes: parts of rows that are longer would take longer past the caches
NARROW = 64  # numbers: shorter rows are laid side by side
APART = (products.conv, *winograd.KERNELS.values())  # what they make lies in scratch memory
BOUNDED = (*APART, products.add_parts, spatial.depthwise)
CHAINED = (chains.elementwise, *BOUNDED)


def bits(x: float) -> int:
    """The bits of a float32 number as an integer.

    Examples
    --------
    >>> hex(bits(1.0))
    '0x3f800000'
    """
    return int(np.float32(x).view(np.uint32))


@dataclass(eq=False)
class Affine:
    """A value that is scale * base + shift, with constants for each channel."""

    base: Var
    factors: list[tuple[Any, Any, bool]]  # (op, constant, whether it stands first)

    def plain(self) -> tuple[float, float] | None:
        """Scale and shift if both are plain numbers."""
        if any(isinstance(c, Var) or np.size(c) > 1 for _, c, _ in self.factors):
            return None
        scale, shift = self._composed(lambda c: np.asarray(c).reshape(-1)[0])
        return float(scale), float(shift)

    @property
    def columns(self) -> int:
        """How many numbers the constants have at most."""
        return max(size_of(c) for _, c, _ in self.factors)

    def arrays(self, weight: Weight, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """(C,), (C,) in float64."""

        def value(c: Any) -> Any:
            array = array_of(weight, c).astype(np.float64).reshape(-1)
            return np.tile(array, channels // array.size)

        with np.errstate(all="ignore"):
            scale, shift = self._composed(value)
        scale, shift = (np.broadcast_to(np.reshape(a, -1), channels) for a in (scale, shift))
        return scale, shift

    def _composed(self, value: Callable[[Any], Any]) -> tuple[Any, Any]:
        scale: Any = np.float64(1)
        shift: Any = np.float64(0)
        for op, constant, first in self.factors:
            c = np.asarray(value(constant), np.float64)
            if op is ops.add:
                shift = shift + c
            elif op is ops.subtract:
                scale, shift = (-scale, c - shift) if first else (scale, shift - c)
            elif op is ops.multiply:
                scale, shift = scale * c, shift * c
            else:
                scale, shift = scale / c, shift / c
        return scale, shift


@dataclass(eq=False)
class Row(Constant):
    """A constant for each number of a row."""

    size: int = 1

    def tiled(self, times: int) -> Row:
        """The row several times, one after another."""
        if times == 1:
            return self

        size = self.size * times
        return Row(filled(size, lambda weight: np.tile(self.make(weight), times)), size=size)


@dataclass(eq=False)
class Link:
    """A step of a chain: a function, its answer, its arguments (Vars, or rows of constants)."""

    function: str
    out: Var
    arguments: list[Any]
    kinds: list[int]  # of the arguments
    p: float = 0.0
    q: float = 0.0


@dataclass(eq=False)
class Work:
    """A call in the making: what it is told, what it makes, the chain that follows."""

    call: Call
    size: int  # how many numbers the chain goes over
    columns: int | None  # of a row of them; None while it does not matter
    made: list[Var]
    reads: list[Var]
    raw: Var | None = None  # what the chain begins with, made by the kernel itself
    links: list[Link] = field(default_factory=list)
    product: Product | None = None
    number: int = field(default_factory=NUMBERS.__next__)  # in the order in which they are made


@dataclass(eq=False)
class Product:
    """The weights of a product, and what of a later multiply-add is folded into them.

    As a matrix they have a row for each number of the receptive field, and `phases` times all
    `channels`: those of the pixels of the output that come of one place of the input, which are
    several in a transposed convolution.
    """

    weights: Var
    channels: int
    phases: int = 1
    lines: int = 1  # of the phases, how many lie in other rows of the output
    affine: Affine | None = None

    def scale(self, weight: Weight, channels: int) -> np.ndarray | None:
        """What to multiply the weights of each channel by; None if by 1."""
        if self.affine is None:
            return None
        scale, _ = self.affine.arrays(weight, channels)
        return None if (scale == 1).all() else scale

    def shift(self, weight: Weight, channels: int) -> Any:
        """The bias of each channel."""
        return 0.0 if self.affine is None else self.affine.arrays(weight, channels)[1]


class Lowering:
    """One program in the making."""

    def __init__(
        self,
        steps: Sequence[Step],
        outside: Collection[Var],
        constants: Collection[Var],
        library: Library,
        identity: Callable[[Var], Hashable] = id,
    ) -> None:
        self.library, self.constants, self.identity = library, constants, identity

        self.width = library.target.width
        self.pixels, self.vectors = tile.shape(self.width, library.target.registers)
        self.roots: dict[Var, Var] = {}
        self.works: list[Work] = []
        self.maker: dict[Var, Work] = {}
        self.affine: dict[Var, Affine] = {}
        self.borders: dict[Var, tuple[Var, Any]] = {}
        # Transposed convolutions that are left to who crops them, and how to make them.
        self.uncropped: dict[Var, Callable[[Step, Sequence[int]], None]] = {}
        self.strided: dict[Var, tuple[Var, Sequence[int]]] = {}  # read where they lie
        self.buffers: dict[Var, Buffer] = {}
        self.all_buffers: list[Buffer] = []
        self.steps = steps
        self.scratch: set[Var] = set()  # what never has memory of its own
        self.wanted = set(outside)
        looped = {out: step.out for step in steps if step.op is SCAN for out in step.out}
        for step in steps:
            outputs = looped.get(step.args[0]) if isinstance(step.args[0], Var) else None
            if outputs is not None and step.op is ops.getitem:  # the last of all is a state
                self.roots[step.out] = outputs[0]
            # The kernel of a loop writes samples first, which is what the layer makes of it.
            elif is_alias(step) or (outputs is not None and step.op is ops.transpose):
                self.roots[step.out] = self.root(step.args[0])
        self.outside = {self.root(v) for v in self.wanted}
        self.users: dict[Var, list[Step]] = {}
        for step in steps:
            if step.out not in self.roots if not isinstance(step.out, tuple) else True:
                for v in step.ins:
                    self.users.setdefault(self.root(v), []).append(step)
        for step in steps:
            if isinstance(step.out, tuple) or step.out not in self.roots:
                RULES[step.op].make(self, step)
        for work in self.works:
            self._finish(work)

    def root(self, v: Var) -> Var:
        """The value whose memory this one is."""
        return self.roots.get(v, v)

    def constant(self, a: Any) -> bool:
        return not isinstance(a, Var) or a in self.constants

    def bordered(self, x: Var) -> tuple[Var, Any]:
        """Where to read a value, and the widths of the border around it that is not made."""
        return self.borders.get(self.root(x), (x, ((0, 0),) * x.ndim))

    def alone(self, v: Var) -> Step | None:
        """The only step that uses a value, if nobody outside does."""
        users = self.users.get(v, [])
        return users[0] if len(users) == 1 and v not in self.outside else None

    # ---- memory -------------------------------------------------------------------------------

    def buffer(self, v: Var) -> Buffer:
        v = self.root(v)
        if v not in self.buffers:
            if v in self.maker or v in self.strided:
                made = Buffer(v.size * 4, kept=v in self.outside)
            else:
                made = Buffer(outside=v)
            self.buffers[v] = made
            self.all_buffers.append(made)
        return self.buffers[v]

    def at(self, v: Var) -> At:
        return At(self.buffer(v))

    def spare(self, nbytes: int) -> Buffer:
        """Memory between kernels."""
        made = Buffer(nbytes)
        self.all_buffers.append(made)
        return made

    # ---- calls --------------------------------------------------------------------------------

    def add(
        self,
        step: Step,
        kernel: Any,
        tasks: int,
        made: Sequence[Var],
        reads: Iterable[Var],
        arguments: Mapping[str, Any],
        **more: Any,
    ) -> Work:
        """A call at the end of the program."""
        call_more = {k: more.pop(k) for k in ("scratch", "flops") if k in more}
        call = Call(kernel, dict(arguments), tasks, scope=step.scope, **call_more)
        columns = more.pop("columns", None)
        found = Work(call, made[0].size, columns, list(made), [self.root(v) for v in reads], **more)
        self.works.append(found)
        for v in made:
            self.maker[v] = found
        return found

    def long_row(self, step: Step, kernel: Any, arguments: Mapping[str, Any]) -> None:
        """A function of rows too long for a chain, a task each."""
        x = step.args[0]
        columns = x.shape[-1]
        work = self.add(
            step, kernel, x.size // columns, [step.out], [x],
            {"x": self.at(x), "columns": columns, **arguments},
            scratch=chains.PIECE * 4 + 64,
        )  # fmt: skip
        work.call.arguments["y"] = self.at(step.out)

    def link(self, step: Step, function: str, arguments: Sequence[Any], p: float = 0.0,
             q: float = 0.0) -> None:  # fmt: skip
        """A function, on the chain of whoever makes the last of its arguments."""
        given = [self.root(a) if isinstance(a, Var) else a for a in arguments]
        whole = arguments[0] if function in chains.ROW_FUNCTIONS else step.out
        kinds = [_kind(a, whole) for a in arguments]
        domain = _domain(function, arguments, kinds, step.out)
        makers = [self.maker[a] for a in given if isinstance(a, Var) and a in self.maker]
        work = max(makers, key=lambda w: w.number, default=None)
        if work is None or not domain.joins(work):
            work = Work(
                Call(chains.elementwise, {}, 1, scope=step.scope),
                domain.size, domain.columns, [], [],
            )  # fmt: skip
            self.works.append(work)
        if not domain.narrow:
            work.columns = domain.columns or work.columns
        work.links.append(Link(function, step.out, given, kinds, p, q))
        work.reads += [a for a in given if isinstance(a, Var)]
        work.made.append(step.out)
        self.maker[step.out] = work
        if step.scope not in work.call.scope.split(" + "):
            work.call.scope += f" + {step.scope}"

    def affine_row(self, affine: Affine, which: int, columns: int) -> Row:
        """The scales (0) or shifts (1) of a row as an array."""
        values = filled(columns, lambda weight: affine.arrays(weight, columns)[which])
        return Row(values, size=columns)

    def row(self, v: Any, columns: int) -> Row:
        """A constant as a row of so many numbers."""
        values = filled(columns, lambda weight: array_of(weight, v).reshape(-1))
        return Row(values, size=columns)

    def bias(self, product: Product, columns: int) -> Constant:
        """What of a later addition is folded into a product, as a row of so many numbers."""
        values = filled(columns, lambda weight: product.shift(weight, columns))
        return self.held(values, "bias", product)

    # ---- at the end ---------------------------------------------------------------------------

    def held(self, make: Callable[[Weight], np.ndarray], *key: Any) -> Constant:
        """A constant that other programs may have too: `key` says what it is made of, and how."""

        def known(part: Any) -> Hashable:
            if isinstance(part, Var):
                return self.identity(part)
            if isinstance(part, Affine):
                return tuple((op.__name__, known(c), first) for op, c, first in part.factors)
            if isinstance(part, Product):
                return known(part.weights), part.affine and known(part.affine)
            if isinstance(part, np.ndarray):
                return part.dtype.str, part.shape, part.tobytes()
            return part

        return Constant(make, lambda: tuple(map(known, key)))

    def program(self, kept: dict[Hashable, np.ndarray] | None = None) -> Program:
        """The calls and their memory, when every step has its call."""
        place = {id(work): i for i, work in enumerate(self.works)}
        for work in self.works:
            n = place[id(work)]
            for word in _words(work.call):
                if isinstance(word, At):
                    word.buffer.used(n)
        given = {v: self.at(v) for v in self.wanted}
        for at in given.values():
            at.buffer.kept = at.buffer.outside is None
        calls = [work.call for work in self.works]
        return Program(self.library, calls, self.all_buffers, given, {} if kept is None else kept)

    def _finish(self, work: Work) -> None:
        """Say in a call's tables what its chain is, and where everything lies."""
        kernel, call = work.call.kernel, work.call
        inner = {v for v in work.made if self._passing(v, work)}
        raws = {work.raw}
        if work.raw is not None and work.links and kernel in BOUNDED:
            first = work.links[0]
            if first.function == "clamp" and work.raw in _vars(first) and work.raw in inner:
                readers = [k for k in work.links if work.raw in _vars(k)]
                if len(readers) == 1:
                    call.arguments |= {"low": bits(first.p), "high": bits(first.q)}
                    work.links.pop(0)
                    inner.discard(work.raw)
                    self._same(work, work.raw, first.out)
                    raws.add(work.raw)
        away = {v for v in work.made if v not in inner and self._written_only(v, work)}
        if kernel in APART:
            assert work.raw is not None
            direct = kernel is products.conv
            if direct:
                call.arguments |= {"y": 0, "direct": 0}
            if work.raw not in inner:  # its sums are not where the output is, or they can be
                # Rows that far apart would push each other out of the caches.
                direct = direct and call.arguments["strip"] == call.arguments["pixels"]
                if direct and not work.links and call.arguments["y_pixel"] % 4096:
                    call.arguments |= {"y": self.at(work.raw), "direct": 1}
                copy = "copy_away" if work.raw in away else "copy"
                work.links.insert(0, Link(copy, work.raw, [work.raw], [MADE]))
        elif work.raw is not None and work.raw in inner:
            self._alias_raw(work, inner)
        if kernel in CHAINED:
            self._put_away(work, away - {work.raw})
            self._chain_table(work, inner)
        if kernel is products.conv:
            self._look_ahead(work, inner)
        if work.raw is not None and kernel not in APART:
            call.arguments["y"] = self.at(work.raw)
        made, gone = {*work.made}, raws - {work.raw}
        written = {v for v in made if v not in inner and v not in gone}
        read = {v for v in work.reads if v not in made}
        call.nbytes += sum(4 * v.size for v in {*written, *read})  # beside its weights

    def _look_ahead(self, work: Work, inner: set[Var]) -> None:
        """Say which large arrays the chain of a product will read, and write through the caches."""
        arguments, wanted = work.call.arguments, {}
        for link in work.links:
            made = [] if link.function == "copy_away" else [(link.out, WHOLE)]
            for v, kind in (*zip(link.arguments, link.kinds, strict=True), *made):
                if kind == WHOLE and v.size * 4 >= FAR and v not in inner | self.scratch:
                    wanted[self.buffer(v)] = self.at(v)
        if arguments["strip"] != arguments["pixels"]:
            wanted = {}
        arguments |= {"ahead": Table([*wanted.values()]), "ahead_count": len(wanted)}

    def _written_only(self, v: Var, work: Work) -> bool:
        """Whether a value is so large that caches should not keep it, and only given out."""
        if v.size * 4 < AWAY or v.shape[-1] % self.width or v.size != work.size:
            return False
        if work.call.kernel is products.conv and v.shape[-1] * 4 > SCATTERED:
            return False
        links = {id(k.out) for k in work.links}
        return v in self.outside and not any(
            id(self.root(o)) not in links for s in self.users.get(v, []) for o in s.outs
        )

    def _put_away(self, work: Work, away: set[Var]) -> None:
        """Let the chain make these values in scratch memory, and copy them past the caches."""
        links: list[Link] = []
        for link in work.links:
            if link.out not in away:
                links.append(link)
                continue
            made = Var(link.out.shape, link.out.dtype, link.out.tape)
            self.scratch.add(made)
            self.maker[made] = work
            links += [
                Link(link.function, made, link.arguments, link.kinds, link.p, link.q),
                Link("copy_away", link.out, [made], [WHOLE]),
            ]
            for later in work.links:
                later.arguments = [made if a is link.out else a for a in later.arguments]
        work.links = links

    def _same(self, work: Work, old: Var, new: Var) -> None:
        """The kernel makes `new` where it would have made `old`."""
        self.roots[old] = new
        work.raw = new

    def _alias_raw(self, work: Work, inner: set[Var]) -> None:
        """Let what only the chain reads lie where the chain writes, if that comes last."""
        assert work.raw is not None
        last = max(i for i, k in enumerate(work.links) if work.raw in _vars(k))
        for i, each in enumerate(work.links):
            if each.out not in inner and i >= last and each.out.size == work.raw.size:
                raw, work.raw = work.raw, each.out
                inner.discard(raw)
                for k in work.links:
                    k.arguments = [each.out if a is raw else a for a in k.arguments]
                return

    def _passing(self, v: Var, work: Work) -> bool:
        """Whether a value is needed by its own call's chain alone."""
        if v in self.outside:
            return False
        links = {id(k.out): k for k in work.links}
        for step in self.users.get(v, []):
            outs = [self.root(o) for o in step.outs]
            absorbed = all(o in self.affine and o not in self.maker for o in outs)
            ends = self._ends(outs) if absorbed else outs
            if any(id(o) not in links for o in ends):
                return False
        return True

    def _ends(self, outs: Sequence[Var]) -> list[Var]:
        """Where values that were never made lead to."""
        found = []
        for o in outs:
            if o in self.maker:
                found.append(o)
            else:
                for step in self.users.get(o, []):
                    found += self._ends([self.root(v) for v in step.outs])
        return found

    def _chain_table(self, work: Work, inner: set[Var]) -> None:
        """The links as a table of words; what passes between them goes to scratch memory."""
        n = work.size
        elementwise = work.call.kernel is chains.elementwise
        columns, times = work.columns or chains.PIECE, 1
        apart = all(  # whether each number is by itself
            k.out.size == n and k.function in chains.FUNCTIONS and {*k.kinds} <= {ROW, WHOLE}
            for k in work.links
        )
        if elementwise and columns < NARROW and apart:
            times = chains.PIECE // columns  # so that a piece is one row
            columns *= times
        slots: dict[Var, int] = {}
        last = {a: i for i, k in enumerate(work.links) for a in _vars(k)}
        words: list[Any] = []

        def operand(a: Any, kind: int, narrow: bool) -> tuple[Any, int]:
            if isinstance(a, Row):
                return a.tiled(times), ROW
            kind = COLUMN if narrow else kind
            if a is work.raw and work.call.kernel in APART:
                return 0, MADE
            if a in slots:
                in_scratch = SCRATCH_COLUMN if kind == COLUMN else SCRATCH
                return slots[a] * chains.PIECE * 4, in_scratch
            return self.at(a), kind

        for i, link in enumerate(work.links):
            narrow, reduces = link.out.size != n, link.function in chains.ROW_FUNCTIONS
            pairs = [
                operand(a, kind, narrow and not reduces)
                for a, kind in zip(link.arguments, link.kinds, strict=True)
            ]
            free = set(range(chains.PIECES)) - set(slots.values())
            inside = (link.out in inner or link.out in self.scratch) and link.out is not work.raw
            if inside and free:  # so long a chain that none is free goes to memory
                slots[link.out] = min(free)
            to = operand(link.out, WHOLE, narrow)
            if link.out is work.raw:
                to = self.at(link.out), WHOLE
            pairs = [to, *pairs, *[(0, 0)] * (3 - len(pairs))]
            words.append(chains.code(link.function))
            words += [word for pair in pairs for word in pair]
            words += [bits(link.p), bits(link.q)]
            for v in list(slots):
                if last.get(v, -1) <= i:
                    del slots[v]
        table = Table(words)
        work.call.arguments |= {"chain": chains.chain, "table": table, "steps": len(work.links)}
        if elementwise:
            rows = -(-n // columns)
            each = max(1, chains.PIECE * 8 // columns)
            if n < SERIAL // 8:
                each = rows
            images = [a for k in work.links for a, kind in zip(k.arguments, k.kinds, strict=True)
                      if kind == IMAGE]  # fmt: skip
            per_image = rows * columns // images[0].size if images else 2**40
            work.call.arguments |= {
                "image": per_image, "rows": rows, "columns": columns, "rows_each": each,
                "numbers": n,
            }  # fmt: skip
            work.call.tasks = -(-rows // each)
        work.call.scratch += chains.SCRATCH_BYTES


@dataclass(frozen=True)
class Domain:
    """What a function goes over: how many numbers, in rows of how many (None: no matter)."""

    size: int
    columns: int | None
    whole_rows: bool  # whether it needs them all at once
    narrow: bool  # whether it is of one number for each row

    def joins(self, work: Work) -> bool:
        """Whether it can be a part of this call's chain."""
        if work.call.kernel not in CHAINED:
            return False
        rows = work.call.kernel is chains.elementwise
        if self.narrow:
            columns = work.columns
            return rows and columns is not None and columns > 1 and (
                columns * self.size == work.size and columns <= chains.PIECE
            )  # fmt: skip
        if self.size != work.size or (self.whole_rows and not rows):
            return False
        return None in (self.columns, work.columns) or self.columns == work.columns


def _domain(function: str, given: Sequence[Any], kinds: Sequence[int], out: Var) -> Domain:
    """What a function of these arguments goes over."""
    if function in chains.ROW_FUNCTIONS:
        return Domain(given[0].size, given[0].shape[-1], True, False)
    rows = [a.size for a in given if isinstance(a, Row)]
    columns = [out.shape[-1] for kind in kinds if kind in (COLUMN, IMAGE)]
    wanted = {*rows, *columns}
    narrow = out.ndim > 0 and out.shape[-1] == 1 and not rows and not columns
    return Domain(out.size, min(wanted) if wanted else None, bool(columns), narrow)


def _kind(a: Any, out: Var) -> int:
    """How an argument is spread over the answer of a function of each number."""
    if isinstance(a, Row):
        return ROW
    if a.size == out.size:
        return WHOLE
    return COLUMN if a.shape[-1] == 1 and a.size * out.shape[-1] == out.size else IMAGE


def array_of(weight: Weight, c: Any) -> np.ndarray:
    """A constant as an array."""
    return np.asarray(weight(c) if isinstance(c, Var) else c)


def filled(columns: int, values: Callable[[Weight], Any]) -> Callable[[Weight], np.ndarray]:
    """How to make a row of so many numbers: one value for all, or as many as there are."""

    def make(weight: Weight) -> np.ndarray:
        row = aligned((columns,))
        row[:] = values(weight)
        return row

    return make


def size_of(c: Any) -> int:
    return c.size if isinstance(c, Var) else int(np.size(c))


def _vars(link: Link) -> set[Var]:
    return {a for a in link.arguments if isinstance(a, Var)}


def _words(call: Call) -> Iterable[Any]:
    for word in call.arguments.values():
        if isinstance(word, Table):
            yield from word.words
        else:
            yield word


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Bytes from one to the next along each axis of float32 numbers in row-major order."""
    found, step = [], 4
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))


def integers(array: Any) -> Constant:
    made = np.ascontiguousarray(array, np.int64)
    return Constant(lambda weight: made)


def zeros_for(count: int) -> Constant:
    return Constant(lambda weight: np.zeros(count + 64, np.float32))


def even(total: int, most: int, multiple: int) -> int:
    """A size of equal parts of `total`, at most about `most`, and a multiple."""
    parts = max(1, math.ceil(total / max(1, most)))
    return math.ceil(math.ceil(total / parts) / multiple) * multiple


def is_number(x: Any) -> bool:
    """Whether x is a number that float32 has, or nearly."""
    if not isinstance(x, (int, float, np.floating, np.integer)):
        return False
    largest = float(np.finfo(np.float32).max)
    return x in (math.inf, -math.inf) or bool(-largest <= x <= largest)


def is_alias(step: Step) -> bool:
    """Whether the output is the input's memory under another shape."""
    if step.op in (ops.reshape, ops.expand_dims, ops.squeeze):
        return True
    if step.op is ops.cast:
        return step.args[0].dtype == step.out.dtype
    if step.op is ops.pad:
        return all(tuple(pair) == (0, 0) for pair in step.options["widths"])
    return False


@dataclass(eq=False)
class Recorded:
    """What a rule may ask about the steps around its own."""

    constants: Collection[Var]
    makers: Mapping[Var, Step]
    users: Mapping[Var, Sequence[Step]]
    wanted: Collection[Var]

    def constant(self, a: Any) -> bool:
        return not isinstance(a, Var) or a in self.constants

    def names(self, v: Var) -> set[Var]:
        """The value itself, and what else it is called under the same shape."""
        again = [s.out for s in self.users.get(v, []) if is_alias(s) and s.out.shape == v.shape]
        return {v}.union(*map(self.names, again))

    def fits(self, step: Step) -> bool:
        """Whether a step can be a part of a program."""
        for v in (*step.ins, *step.outs):
            if v.dtype != np.float32 or any(n <= 0 for n in v.shape):
                return False
        if not step.args or (self.constant(step.args[0]) and all(map(self.constant, step.args))):
            return False
        return is_alias(step) or self.holds(step)

    def holds(self, step: Step) -> bool:
        """Whether there is a rule for a step, and it holds."""
        found = RULES.get(step.op)
        return found is not None and bool(found.fits(self, step))


class Rule(NamedTuple):
    """For which steps of an op it holds, and what makes a program's calls of such a step."""

    fits: Callable[[Recorded, Step], bool]
    make: Callable[[Lowering, Step], None]


RULES: dict[Any, Rule] = {}


def rule(
    *of: Any, fits: Callable[[Recorded, Step], bool]
) -> Callable[[Callable[[Lowering, Step], None]], Callable[[Lowering, Step], None]]:
    """Make a function the rule of these ops: the decorator is the list."""

    def decorate(make: Callable[[Lowering, Step], None]) -> Callable[[Lowering, Step], None]:
        RULES.update(dict.fromkeys(of, Rule(fits, make)))
        return make

    return decorate
