"""Recorded ops as calls of compiled kernels: what is fused with what, and what is not computed.

Each rule says for which steps of a recording it holds and which kernels they become.  What follows
from the rules together:

====================================  ============================================================
recorded                              becomes
====================================  ============================================================
reshape, cast to the same, no border  nothing: the same memory under another shape
border, then convolution or pooling   one kernel: the border is not made
x + c, x - c, x * c, x / c, of        one multiply-add with numbers computed in float64 from the
constants for each channel            weights (a bias; a BatchNormalization)
product, then such a multiply-add     the weights are scaled and the bias set instead, if nobody
                                      wants the product itself
product, then relu, relu6             the tile's own bounds, likewise
convolution of 3 x 3 taps             transforms and products, where NPFORWARD_WINOGRAD asks for it
any function of each number           a step of the chain of the kernel that made its last
                                      argument, applied while that is in the nearest cache
functions of rows (a softmax, a       steps of one chain over rows
LayerNormalization)
a loop over time that is an LSTM, GRU one kernel for all steps
====================================  ============================================================

Every value that somebody wants is written to memory of its own, by whichever kernel has it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npforward import kernels, ops
from npforward.kernels.native import arrange as arranging
from npforward.kernels.native import conv as products
from npforward.kernels.native import elementwise as chains
from npforward.kernels.native import recurrent as loops
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
from npforward.ops.activations import SELU_ALPHA, SELU_SCALE
from npforward.ops.scan import SCAN
from npforward.run.fusion import recurrent
from npforward.run.program import At, Buffer, Call, Constant, Program, Table
from npforward.tape import Step, Var

NOWHERE = -(2**60)  # in tables of where taps begin: in the border
LOW, HIGH = products.LOWEST, products.HIGHEST
Weight = Callable[[Var], np.ndarray]
FEW = 8  # rows: so few are multiplied by a matrix as it lies in memory
PART = 2**18  # numbers of a matrix that a task sums over
TASKS = 16  # of a product, at least, where its blocks allow: enough for many threads
TILES = 1  # of samples that go through a loop together
BAND = 96  # pixels that a task takes, about
SERIAL = 2**17  # flops of a kernel that is not worth sharing out
FAR = 2**17  # bytes: larger values are brought near before a chain wants them
AWAY = 2**18  # bytes: larger values that are only given out are written past the caches
SCATTERED = 512  # bytes: parts of rows that are longer would take longer past the caches
COPIED = 2**25  # bytes: smaller matrices are copied to where vectors begin with cache lines
SUMMED = products.SUMMED
DEEP, WIDE = 32, 64  # channels, pixels: fewer are not worth being transformed
NARROW = 64  # numbers: shorter rows are laid side by side
SQUARES = 64  # of outputs that a task takes, about: enough for weights to be read seldom
PHASES = 4096  # of a transposed convolution, at most
EACH_ALONE = -1  # instead of columns: of functions, only those of each number by itself
MOVED = 2**13  # numbers that a task moves
TAPS = 4096  # of a window, at most: a sum of more loses too much


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
        return max(_size(c) for _, c, _ in self.factors)

    def arrays(self, weight: Weight, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """(C,), (C,) in float64."""

        def value(c: Any) -> Any:
            array = _value(weight, c).astype(np.float64).reshape(-1)
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

        def make(weight: Weight) -> np.ndarray:
            row = aligned((self.size * times,))
            row[:] = np.tile(self.make(weight), times)
            return row

        return Row(make, size=self.size * times)


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


@dataclass(frozen=True)
class Block:
    """Some channels of a product: which columns of its matrix, and where they go."""

    column: int
    count: int
    to: int  # bytes into a pixel of the output
    inward: int  # bytes into a pixel of the input
    first: int  # of the runs of memory that the receptive field consists of
    runs: int


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


def lower(
    steps: Sequence[Step],
    outside: Collection[Var],
    constants: Collection[Var],
    library: Library,
    identity: Callable[[Var], Hashable] = id,
    kept: dict[Hashable, np.ndarray] | None = None,
) -> Program:
    """The program of these steps, all of which `fits` holds for.

    `outside` are the Vars that somebody else needs; `constants` those that depend on the weights
    only.  Constants laid out for kernels are `kept` for other programs of the same model, in which
    a constant has the same `identity`.
    """
    return Lowering(steps, outside, constants, library, identity).program(kept)


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
        self.uncropped: dict[Var, Step] = {}  # transposed convolutions left to who crops them
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
            if not isinstance(step.out, tuple) and step.out in self.roots:
                continue
            RULES[step.op][1](self, step)
        for work in self.works:
            self._finish(work)

    def root(self, v: Var) -> Var:
        """The value whose memory this one is."""
        return self.roots.get(v, v)

    def constant(self, a: Any) -> bool:
        return not isinstance(a, Var) or a in self.constants

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

    def link(self, step: Step, function: str, arguments: Sequence[Any], p: float = 0.0,
             q: float = 0.0) -> None:  # fmt: skip
        """A function, on the chain of whoever makes the last of its arguments."""
        given = [self.root(a) if isinstance(a, Var) else a for a in arguments]
        whole = arguments[0] if function in chains.ROW_FUNCTIONS else step.out
        kinds = [_kind(a, whole) for a in arguments]
        domain = _domain(function, arguments, kinds, step.out)
        place = {id(work): i for i, work in enumerate(self.works)}
        makers = [self.maker[a] for a in given if isinstance(a, Var) and a in self.maker]
        work = max(makers, key=lambda w: place[id(w)], default=None)
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

        def make(weight: Weight) -> np.ndarray:
            row = aligned((columns,))
            row[:] = affine.arrays(weight, columns)[which]
            return row

        return Row(make, size=columns)

    def row(self, v: Any, columns: int) -> Row:
        """A constant as a row of so many numbers."""

        def make(weight: Weight) -> np.ndarray:
            row = aligned((columns,))
            row[:] = _value(weight, v).reshape(-1)
            return row

        return Row(make, size=columns)

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

    # ---- rules: views and borders -------------------------------------------------------------

    def _transpose(self, step: Step) -> None:
        x = step.args[0]
        strides = _strides_of_transposed(step)
        users = [s.op for s in self.users.get(step.out, [])]
        if step.out not in self.outside and users == [SCAN]:
            self.strided[step.out] = (self.root(x), strides)
            return
        self._moved(step)

    def _moved(self, step: Step) -> None:
        parts = MOVES[step.op](step)
        assert parts is not None, "fits() lets no other pass"
        self._arranged(step, parts)

    def _arranged(self, step: Step, parts: Sequence[Part]) -> None:
        """The output put together from parts."""
        out = step.out
        first = True
        for x, x_offset, offset, sizes, froms, tos in parts:
            axes = _merged(list(zip(sizes, froms, tos, strict=True)))
            missing = arranging.AXES - len(axes)
            if len(axes) > 1:
                axes = axes[:1] + [(1, 0, 0)] * missing + axes[1:]
            else:
                axes = [(1, 0, 0)] * missing + axes
            each = max(1, MOVED // math.prod(size for size, _, _ in axes[1:]))
            arguments: dict[str, Any] = {
                "each": each,
                "x": At(self.buffer(x), x_offset) if isinstance(x, Var) else x,
                "y": At(self._out(out), offset),
            }
            for i, (size, a, b) in enumerate(axes):
                arguments |= {f"size{i}": size, f"from{i}": a, f"to{i}": b}
            made = [out] if first else []
            call = Call(arranging.arrange, arguments, -(-axes[0][0] // each), scope=step.scope)
            reads = [self.root(x)] if isinstance(x, Var) else []
            work = Work(call, out.size, None, made, reads)
            self.works.append(work)
            if first:
                self.maker[out] = work
                first = False

    def _out(self, out: Var) -> Buffer:
        if out not in self.buffers:
            made = self.buffers[out] = Buffer(out.size * 4, kept=out in self.outside)
            self.all_buffers.append(made)
        return self.buffers[out]

    def _getitem(self, step: Step) -> None:
        x = step.args[0]
        if x in self.uncropped:
            crop = _crop(step)
            assert crop is not None
            self._transposed(step, self.uncropped[x], crop)
            return
        self._moved(step)

    def _pad(self, step: Step) -> None:
        out, x, widths = step.out, step.args[0], step.options["widths"]
        value = step.options.get("value", 0)
        users = self.users.get(out, [])
        if out not in self.outside and users and all(_absorbs(s, out, value) for s in users):
            self.borders[out] = (x, widths)
            return
        if not _in_space(widths, x.ndim):
            self._moved(step)
            return
        shape = x.shape if x.ndim == 4 else (x.shape[0], 1, *x.shape[1:])
        (top, bottom), (left, right) = widths[1:3] if x.ndim == 4 else ((0, 0), widths[1])
        work = self.add(
            step, spatial.border, shape[0] * (shape[1] + top + bottom), [out], [x],
            {
                "x": self.at(x), "images": shape[0], "rows": shape[1], "columns": shape[2],
                "before_rows": top, "after_rows": bottom, "before_columns": left,
                "after_columns": right, "pixel": shape[3] * 4, "value": bits(value),
            },
        )  # fmt: skip
        work.call.arguments["y"] = self.at(out)

    # ---- rules: products ----------------------------------------------------------------------

    def _geometry(
        self,
        x: Var,
        out: Sequence[int],
        size: Sequence[int],
        strides: Sequence[int],
        dilation: Sequence[int],
        runs: bool,
    ) -> tuple[Var, dict[str, Any], int]:
        """Where the taps of each row and column of the output begin; with `runs`, whole rows of
        taps at once, if they lie one after another."""
        source, widths = self.borders.get(x, (x, ((0, 0),) * len(x.shape)))
        n = len(size)
        before = [widths[i + 1][0] for i in range(n)]
        joined = runs and dilation[-1] == 1 and widths[n] == (0, 0)
        begins: list[np.ndarray] = []  # for each axis: (out, taps)
        for i in range(n):
            o = np.arange(out[i])[:, None] * strides[i] - before[i]
            begins.append(o + np.arange(size[i])[None, :] * dilation[i])
        if joined:
            begins[-1] = begins[-1][:, :1]
        return source, self._tables(source, begins), (size[-1] if joined else 1)

    def _tables(self, source: Var, places: Sequence[np.ndarray]) -> dict[str, Any]:
        """The tables of where taps begin, from the place of each along its axis: (out, taps)."""
        shape, rows = source.shape, np.zeros((1, 1), np.int64)
        strides = _strides(shape)[1:-1]
        begins = [
            np.where((place >= 0) & (place < inside), place * stride, NOWHERE).astype(np.int64)
            for place, inside, stride in zip(places, shape[1:-1], strides, strict=True)
        ]
        columns = begins.pop()
        for begin in begins:  # (R, T), (r, t) -> (R r, T t)
            both = rows[:, None, :, None] + begin[None, :, None, :]
            both[(rows[:, None, :, None] < 0) | (begin[None, :, None, :] < 0)] = NOWHERE
            rows = both.reshape(rows.shape[0] * begin.shape[0], -1)
        return {
            "x": self.at(source),
            "x_image": math.prod(shape[1:]) * 4,
            "row_length": columns.shape[0],
            "rows": _fixed(rows),
            "row_taps": rows.shape[1],
            "columns": _fixed(columns),
            "column_taps": columns.shape[1],
        }

    def _conv(self, step: Step) -> None:
        x, w = step.args
        o = step.options
        m = kernels.winograd()
        if m and self._suits_winograd(step):
            self._winograd(step, m)
            return
        self._product(
            step, x, w, step.out.shape[0], step.out.shape[1:-1], w.shape[:-2], o["strides"],
            o["dilation"], o.get("groups", 1), w.shape[-2], w.shape[-1],
        )  # fmt: skip

    def _conv_transpose(self, step: Step) -> None:
        """Left to the step that crops it, if that is all that becomes of it."""
        out = step.out
        user = self.alone(out)
        crop = None if user is None or user.args[0] is not out else _crop(user)
        if crop is not None:
            self.uncropped[out] = step
            return
        self._transposed(step, step, [0] * (out.ndim - 2))

    def _transposed(self, step: Step, conv: Step, before: Sequence[int]) -> None:
        """The output of `step` from a transposed convolution, without so many first pixels.

        Pixels of the output that are the stride apart, a phase, are a convolution of the input
        with some of the taps.  Phases are written side by side, as channels are; those of all but
        the last axis to other rows.
        """
        (x, w), out = conv.args, step.out
        strides, dilation = conv.options["strides"], conv.options["dilation"]
        space, size, (channels, inward) = out.shape[1:-1], w.shape[:-2], w.shape[-2:]
        axes = [
            _phases(k, s, d, b)
            for k, s, d, b in zip(size, strides, dilation, before, strict=True)
        ]  # fmt: skip
        # Neighbours along the last axis that have taps at the same places are made together.
        last: list[list[int]] = []
        for r, phase in enumerate(axes[-1]):
            if last and [*axes[-1][last[-1][0]]] == [*phase]:
                last[-1].append(r)
            else:
                last.append([r])
        shifts = [[shift for phase in axis for shift in phase] for axis in axes[:-1]]
        shifts.append([shift for together in last for shift in axes[-1][together[0]]])
        many = [-(-o // s) for o, s in zip(space, strides, strict=True)]
        places = [
            np.arange(m)[:, None] + np.array(shift)[None, :]
            for m, shift in zip(many, shifts, strict=True)
        ]
        numbers = np.arange(math.prod(map(len, shifts))).reshape([len(each) for each in shifts])

        whole = [m * s for m, s in zip(many, strides, strict=True)]
        lines = math.prod(strides[:-1])
        product = Product(w, channels, lines * strides[-1], lines)
        pixel = strides[-1] * channels
        to_rows = [r // 4 for r in _strides((*whole[:-1], many[-1]))[:-1]]
        wide, blocks = self.vectors * self.width, []
        order: list[int] = []  # in which the taps are summed: each block's one after another
        taps: dict[int, list[tuple[int, list[tuple[int, ...]]]]] = {}  # of blocks, by their columns
        starts = [np.cumsum([0, *map(len, axis)]) for axis in axes[:-1]]
        starts.append(np.cumsum([0, *(len(axes[-1][together[0]]) for together in last)]))
        for i, at_phase in enumerate(np.ndindex(*strides[:-1])):
            row = sum(p * r for p, r in zip(at_phase, to_rows, strict=True))
            for g, together in enumerate(last):
                own = [
                    slice(at[p], at[p + 1]) for at, p in zip(starts, (*at_phase, g), strict=True)
                ]
                runs = numbers[tuple(own)].reshape(-1).tolist()
                leading = [axis[p].values() for axis, p in zip(axes, at_phase, strict=False)]
                made = [
                    (r, list(itertools.product(*leading, axes[-1][r].values()))) for r in together
                ]
                first, wanted = together[0] * channels, len(together) * channels
                for c in range(0, wanted, wide):
                    column = i * pixel + first + c
                    taps[column] = made
                    blocks.append(
                        Block(
                            column, min(wide, wanted - c), (row * pixel + first + c) * 4, 0,
                            len(order), len(runs),
                        )
                    )  # fmt: skip
                order += runs

        def part(w: np.ndarray, block: Block) -> np.ndarray:
            columns = np.concatenate(
                [
                    np.array([w[t].T for t in own]).reshape(-1, inward, channels)
                    for _, own in taps[block.column]
                ],
                axis=-1,
            )
            start = block.column % pixel - taps[block.column][0][0] * channels
            return columns.reshape(-1, columns.shape[-1])[:, start : start + block.count]

        strips = [0]
        if lines > 1:
            steps = [r * s for r, s in zip(to_rows, strides[:-1], strict=True)]
            strips = [int(np.dot(q, steps)) for q in np.ndindex(*many[:-1])]
        target = step
        if tuple(whole) != tuple(space):
            target = step._replace(out=Var((out.shape[0], *whole, channels), np.float32, out.tape))
            self.users[target.out] = [step]
        source = self.root(x)
        self._tiled(
            target, source, self._tables(x, places), product, part, blocks, x.shape[0],
            math.prod(many), inward, _pieces(inward), 2 * x.size * math.prod(size) * channels,
            strips, np.argsort(order).tolist(),
        )  # fmt: skip
        if target is not step:
            froms = _strides(target.out.shape)
            self._arranged(step, [Part(target.out, 0, 0, out.shape, froms, _strides(out.shape))])

    def _dense(self, step: Step) -> None:
        x, w = step.args
        depth, channels = w.shape[0], math.prod(w.shape[1:])
        self._rows_times(step, x, w, depth, channels)

    def _rows_times(self, step: Step, x: Var, w: Var, depth: int, channels: int) -> None:
        rows = x.size // depth
        if rows <= FEW:
            self._few_rows(step, x, w, rows, depth, channels)
            return
        flat = Var((1, 1, rows, depth), np.float32, x.tape)
        self.roots[flat] = self.root(x)
        self._product(step, flat, w, 1, (1, rows), (1, 1), (1, 1), (1, 1), 1, depth, channels)

    def _product(self, step, x, w, images, space, size, strides, dilation, groups, inward,
                 channels) -> None:  # fmt: skip
        source, geometry, joined = self._geometry(x, space, size, strides, dilation, groups == 1)
        depth, each = math.prod(size) * inward, channels // groups
        product = Product(w, channels)
        wide = self.vectors * self.width
        runs = geometry["row_taps"] * geometry["column_taps"]
        blocks = [
            Block(
                g * each + i, min(wide, each - i), (g * each + i) * 4, g * inward * 4, 0, runs
            )
            for g in range(groups)
            for i in range(0, each, wide)
        ]  # fmt: skip
        pieces = _pieces(joined * inward) if groups == 1 else 1

        def part(w: np.ndarray, block: Block) -> np.ndarray:
            return w.reshape(depth, channels)[:, block.column : block.column + block.count]

        self._tiled(
            step, source, geometry, product, part, blocks, images, math.prod(space),
            joined * inward, pieces, 2 * images * math.prod(space) * depth * channels,
        )  # fmt: skip

    def _tiled(
        self,
        step: Step,
        source: Var,
        geometry: Mapping[str, Any],
        product: Product,
        part: Callable[[np.ndarray, Block], np.ndarray],
        blocks: Sequence[Block],
        images: int,
        pixels: int,
        run: int,
        pieces: int,
        flops: int,
        strips: Sequence[int] = (0,),
        order: Sequence[int] | None = None,
    ) -> Work:
        """A product on tiles, `part` of whose weights is each block's.

        A `run` of the receptive field is cut into pieces.
        """
        width, most = self.width, self.vectors
        columns = product.channels * product.phases
        packed = self.held(
            lambda weight: _packed(product, weight, part, blocks, pieces, width),
            "blocks", step.op.__name__, repr(step.options), product, tuple(blocks), pieces, width,
        )  # fmt: skip
        band = _even(pixels, BAND, self.pixels)
        bands = -(-pixels // band)
        groups_of_blocks = min(len(blocks), max(1, -(-TASKS // (images * bands))))
        blocks_each = -(-len(blocks) // groups_of_blocks)
        tasks = -(-len(blocks) // blocks_each) * images * bands
        if flops < SERIAL:
            band, bands, blocks_each, tasks = pixels, 1, len(blocks), images
        taps = geometry["row_taps"] * geometry["column_taps"]
        out = step.out
        work = self.add(
            step, products.conv, tasks, [out], [source],
            {
                **geometry, "y_pixel": columns * 4 // product.lines,
                "blocks": packed, "block_count": len(blocks), "blocks_each": blocks_each,
                "images": images, "pixels": pixels, "band": band, "bands": bands,
                "strip": pixels // len(strips), "strips": _fixed(strips),
                "image_rows": pixels * product.lines,
                "order": _fixed(range(taps) if order is None else order),
                "zeros": _zeros(run), "run": run // pieces, "pieces": pieces,
                "runs_each": max(1, SUMMED // (run // pieces)),
                "low": LOW, "high": HIGH,
            },
            raw=out, columns=columns if product.phases == 1 else EACH_ALONE, product=product,
            flops=flops, scratch=band * (taps * pieces * 8 + most * width * 4) + 64,
        )  # fmt: skip
        work.call.nbytes = 4 * product.weights.size
        return work

    def _suits_winograd(self, step: Step) -> bool:
        w, o = step.args[1], step.options
        return (
            w.shape[:-2] == (3, 3) and w.shape[-2] >= DEEP and o.get("groups", 1) == 1
            and math.prod(step.out.shape[1:-1]) >= WIDE
            and tuple(o["strides"]) == tuple(o["dilation"]) == (1, 1)
        )  # fmt: skip

    def _winograd(self, step: Step, m: int) -> None:
        """A convolution by squares of m x m outputs."""
        (x, w), out = step.args, step.out
        inward, channels = w.shape[-2:]
        images, high, long = out.shape[:-1]
        source, widths = self.borders.get(x, (x, ((0, 0),) * 4))
        down, across = -(-high // m), -(-long // m)
        begins = []
        for axis, count in ((1, down), (2, across)):
            where = np.arange(count * m + 2) - widths[axis][0]
            inside = (where >= 0) & (where < source.shape[axis])
            begins.append(np.where(inside, where * _strides(source.shape)[axis], NOWHERE))
        product = Product(w, channels)
        wide = self.vectors * self.width
        shape = [(0, i, min(wide, channels - i)) for i in range(0, channels, wide)]
        depth = -(-inward // tile.UNROLL) * tile.UNROLL
        squares = down * across
        each = _even(squares, SQUARES, self.pixels)
        chunks = -(-squares // each)
        # Each group transforms the same inputs: fewer of them than of other tasks.
        groups = min(len(shape), -(-TASKS // (2 * images * chunks)))
        blocks_each = -(-len(shape) // groups)

        blocks = self.held(
            lambda weight: _transformed(product, weight, shape, depth, m, self.width),
            "squares", product, tuple(shape), depth, m, self.width,
        )  # fmt: skip
        work = self.add(
            step, winograd.KERNELS[m], -(-len(shape) // blocks_each) * images * chunks, [out],
            [source],
            {
                "x": self.at(source), "x_image": math.prod(source.shape[1:]) * 4,
                "y_pixel": channels * 4, "blocks": blocks, "block_count": len(shape),
                "blocks_each": blocks_each, "images": images, "squares": squares,
                "across": across, "each": each, "chunks": chunks, "channels": inward,
                "depth": depth, "rows": _fixed(begins[0]), "columns": _fixed(begins[1]),
                "column_length": high, "row_length": long, "pixels": high * long,
                "zeros": _zeros(inward), "low": LOW, "high": HIGH,
            },
            raw=out, columns=channels, product=product,
            flops=2 * images * squares * (m + 2) ** 2 * inward * channels,
            scratch=winograd.scratch_bytes(m, each, depth, wide, blocks_each * wide),
        )  # fmt: skip
        work.call.nbytes = 4 * (m + 2) ** 2 * inward * channels

    def _few_rows(self, step: Step, x: Var, w: Var, rows: int, depth: int, channels: int) -> None:
        """Each part of the depth has a sum of its own: the same sums for any number of threads."""
        parts = max(1, min(8, depth * channels // PART))
        part = -(-depth // (parts * products.ROWS)) * products.ROWS
        parts = -(-depth // part)
        product = Product(w, channels)

        def matrix(weight: Weight) -> np.ndarray:
            found = _value(weight, w).astype(np.float32, copy=False).reshape(depth, channels)
            scale = product.scale(weight, channels)
            if scale is None and found.nbytes > COPIED:
                return np.ascontiguousarray(found)  # read where the file has it
            matrix = aligned((depth, channels))
            matrix[...] = found if scale is None else found * scale
            return matrix

        def bias(weight: Weight) -> np.ndarray:
            row = aligned((channels,))
            row[:] = product.shift(weight, channels)
            return row

        sums = self.spare(parts * rows * channels * 4)
        partial = Call(
            products.few_rows,
            {
                "x": self.at(x), "x_row": depth * 4, "w": self.held(matrix, "matrix", product),
                "bias": self.held(bias, "bias", product), "y": At(sums),
                "y_row": channels * 4, "rows": rows,
                "depth": depth, "columns": channels, "part": part, "parts": parts,
            },
            parts, scope=step.scope, flops=2 * rows * depth * channels,
            nbytes=4 * depth * channels,
        )  # fmt: skip
        self.works.append(Work(partial, step.out.size, None, [], [self.root(x)]))
        self.add(
            step, products.add_parts, 1, [step.out], [],
            {"x": At(sums), "parts": parts, "rows": rows, "columns": channels,
             "low": LOW, "high": HIGH},
            raw=step.out, columns=channels, product=product,
        )  # fmt: skip

    def _matrices(self, step: Step) -> None:
        """Products of many matrices, of which neither is a constant."""
        a, b = step.args
        if step.op is ops.matmul:
            of_a, of_b, out = _matmul_letters(step)
        else:
            of_a, of_b, out = _equation(step)
        plan = _as_matrices(of_a, a.shape, of_b, b.shape, out, step.out.shape)
        assert plan is not None, "fits() lets no other pass"
        if plan.swapped:
            a, b = b, a
        rows, columns, depth = plan.rows, plan.columns, plan.depth
        # Each band lays out the second matrix anew: long bands where there are enough of them.
        band = _even(rows, (8 if plan.count < TASKS else 32) * self.pixels, self.pixels)
        bands = -(-rows // band)
        wide = self.vectors * self.width
        self.add(
            step, products.matmul, plan.count * bands, [step.out], [a, b],
            {
                "a": self.at(a), "b": self.at(b), "a_offsets": _fixed(plan.a_offsets),
                "b_offsets": _fixed(plan.b_offsets), "y_offsets": _fixed(plan.y_offsets),
                "a_row": plan.a_row, "b_row": plan.b_row, "b_column": plan.b_column,
                "y_row": plan.y_row, "rows": rows, "columns": columns, "depth": depth,
                "band": band, "bands": bands,
            },
            flops=2 * plan.count * rows * columns * depth,
            scratch=band * (8 + wide * 4) + wide * 4 * (depth + 1) + 64,
        )  # fmt: skip
        self.works[-1].call.arguments["y"] = self.at(step.out)

    def _einsum(self, step: Step) -> None:
        x, w = step.args
        depth = _dense_depth(step) if self.constant(w) else None
        if depth:
            self._rows_times(step, x, w, depth, w.size // depth)
        else:
            self._matrices(step)

    def _depthwise(self, step: Step) -> None:
        x, w = step.args
        size, channels = w.shape[:-2], w.shape[-2]
        images, space = step.out.shape[0], step.out.shape[1:-1]
        strides, dilation = step.options["strides"], step.options["dilation"]
        source, geometry, _ = self._geometry(x, space, size, strides, dilation, False)
        pixels = math.prod(space)
        product = Product(w, channels)
        most = max(1, 2**15 // (4 * channels))
        band = _even(pixels, most, space[-1] if 2 * most >= space[-1] else 1)
        flops = 2 * images * pixels * channels * math.prod(size)
        if flops < SERIAL:
            band = pixels

        def weights(weight: Weight) -> np.ndarray:
            packed = aligned((math.prod(size), channels))
            packed[...] = _value(weight, w).reshape(-1, channels)
            scale = product.scale(weight, channels)
            if scale is not None:
                packed[...] = packed * scale
            return packed

        def bias(weight: Weight) -> np.ndarray:
            row = aligned((channels,))
            row[:] = product.shift(weight, channels)
            return row

        bands = -(-pixels // band)
        _, widths = self.borders.get(x, (x, ((0, 0),) * x.ndim))
        reach, before = (size[-1] - 1) * dilation[-1], widths[-2][0]
        inner_first = -(-before // strides[-1])
        inner_last = (source.shape[-2] + before - reach - 1) // strides[-1] + 1
        self.add(
            step, spatial.depthwise, images * bands, [step.out], [source],
            {
                **geometry, "weights": self.held(weights, "depthwise", product),
                "bias": self.held(bias, "bias", product),
                "channels": channels, "images": images, "pixels": pixels, "band": band,
                "bands": bands, "inner_first": inner_first, "inner_last": inner_last,
                "pixel_step": strides[-1] * channels * 4, "tap_step": dilation[-1] * channels * 4,
                "low": LOW, "high": HIGH,
            },
            raw=step.out, columns=channels, product=product, flops=flops,
        )  # fmt: skip

    # ---- rules: windows -----------------------------------------------------------------------

    def _windows(self, step: Step, x: Var, size: Sequence[int], strides: Sequence[int],
                 space: Sequence[int], mean: bool) -> None:  # fmt: skip
        source, geometry, _ = self._geometry(x, space, size, strides, (1,) * len(size), False)
        images, channels, pixels = source.shape[0], source.shape[-1], math.prod(space)
        taps = math.prod(size)
        work = images * pixels * taps * channels
        band = pixels if work < SERIAL else _even(pixels, max(1, 2**15 // (4 * channels * taps)), 1)
        bands = -(-pixels // band)
        self.add(
            step, spatial.pool, images * bands, [step.out], [source],
            {
                **geometry, "channels": channels, "images": images, "pixels": pixels,
                "band": band, "bands": bands, "mean": int(mean),
            },
            scratch=taps * 8 + 64,
        )  # fmt: skip
        self.works[-1].call.arguments["y"] = self.at(step.out)

    def _pool(self, step: Step) -> None:
        o = step.options
        mean = step.op is ops.average_pool
        self._windows(step, step.args[0], o["size"], o["strides"], step.out.shape[1:-1], mean)

    def _reduced(self, step: Step) -> None:
        x = step.args[0]
        axes = _axes(step)
        name = {ops.mean: "mean", ops.max: "max", ops.sum: "sum"}[step.op]
        if axes == (x.ndim - 1,):
            if x.shape[-1] <= chains.PIECE:
                self.link(step, f"row_{name}", [x])
            else:
                self._long_row(step, chains.reduce_row, {"function": chains.code(f"row_{name}")})
            return
        size = x.shape[1:-1]
        self._windows(step, x, size, (1,) * len(size), (1,) * len(size), name == "mean")

    def _resample(self, step: Step) -> None:
        found = _slices(step)
        assert found is not None, "fits() lets no other pass"
        axis, kind, index, weights = found
        x = step.args[0]
        inner, (outs, taps) = math.prod(x.shape[axis + 1 :]), index.shape
        places = math.prod(x.shape[:axis])
        each = _even(outs, max(1, 2**15 // (inner * taps)), 1)
        parts = -(-outs // each)
        packed = weights.astype(np.float32)
        self.add(
            step, spatial.resample, places * parts, [step.out], [x],
            {
                "x": self.at(x), "kind": kind, "index": _fixed(index * (inner * 4)),
                "weights": Constant(lambda weight: packed), "taps": taps, "outs": outs,
                "each": each, "parts": parts, "x_slice": x.shape[axis] * inner * 4,
                "inner": inner,
            },
        )  # fmt: skip
        self.works[-1].call.arguments["y"] = self.at(step.out)

    # ---- rules: functions of each number ------------------------------------------------------

    def _arithmetic(self, step: Step) -> None:
        a, b = step.args
        first = self.constant(a)
        x, c = (b, a) if first else (a, b)
        if self.constant(c) and _is_affine(step, first):
            self._affine(step, x, c, first)
            return
        wide = step.out.shape[-1]
        given = [
            self.row(v, wide if _size(v) == 1 else _size(v)) if self.constant(v) else v
            for v in step.args
        ]
        self.link(step, step.op.fn.__name__, given)

    def _affine(self, step: Step, x: Var, c: Any, first: bool) -> None:
        x = self.root(x)
        factor = (step.op, c, first)
        before = self.affine.get(x)
        if before is not None and x not in self.maker:
            affine = Affine(before.base, [*before.factors, factor])
        else:
            affine = Affine(x, [factor])
        self.affine[step.out] = affine
        user = self.alone(step.out)
        if user is not None and self._continues(user, step.out):
            return
        self._apply(step, affine)

    def _continues(self, user: Step, v: Var) -> bool:
        """Whether the only user of a value makes one multiply-add more of it."""
        if user.op not in ARITHMETIC:
            return False
        a, b = user.args
        first = self.constant(a)
        return self.constant(a) != self.constant(b) and _is_affine(user, first)

    def _apply(self, step: Step, affine: Affine) -> None:
        base, out = affine.base, step.out
        work = self.maker.get(base)
        product = None if work is None else work.product
        if (
            product is not None and work is not None and work.raw is base and not work.links
            and product.affine is None and self.alone(base) is not None
            and affine.columns in (1, product.channels)
        ):  # fmt: skip
            product.affine = affine
            self._renamed(work, base, out)
            return
        plain = affine.plain()
        columns = affine.columns if affine.columns > 1 else out.shape[-1]
        if plain is not None:
            self.link(step, "scale_shift", [base], *plain)
            return
        kinds = {op for op, _, _ in affine.factors}
        if kinds <= {ops.add, ops.subtract} and not any(f for _, _, f in affine.factors):
            self.link(step, "add", [base, self.affine_row(affine, 1, columns)])
        elif kinds <= {ops.multiply, ops.divide}:
            self.link(step, "multiply", [base, self.affine_row(affine, 0, columns)])
        else:
            rows = [self.affine_row(affine, i, columns) for i in (0, 1)]
            self.link(step, "multiply_add", [base, *rows])

    def _renamed(self, work: Work, old: Var, new: Var) -> None:
        """The kernel makes another value instead."""
        work.raw = new
        work.made = [new if v is old else v for v in work.made]
        self.maker.pop(old)
        self.maker[new] = work

    def _activation(self, step: Step) -> None:
        found = _function(step)
        assert found is not None, "fits() lets no other pass"
        name, p, q = found
        self.link(step, name, [step.args[0]], p, q)

    def _softmax(self, step: Step) -> None:
        x, tape, log = step.args[0], step.out.tape, step.op is ops.log_softmax
        if x.shape[-1] > chains.PIECE:
            self._long_row(step, chains.softmax_row, {"log": int(log)})
            return

        def part(out: Var) -> Step:
            return step._replace(out=out)

        row = (*x.shape[:-1], 1)
        highest, total, logs = (Var(row, np.float32, tape) for _ in range(3))
        apart, powers = (Var(x.shape, np.float32, tape) for _ in range(2))
        links: list[tuple[str, list[Var], Var]] = [
            ("row_max", [x], highest), ("subtract", [x, highest], apart), ("exp", [apart], powers),
            ("row_sum", [powers], total),
        ]  # fmt: skip
        if log:
            links += [("log", [total], logs), ("subtract", [apart, logs], step.out)]
        else:
            links += [("divide", [powers, total], step.out)]
        for function, arguments, out in links:
            for a in arguments:
                self.users.setdefault(self.root(a), []).append(part(out))
            self.link(part(out), function, arguments)

    def _long_row(self, step: Step, kernel: Any, arguments: Mapping[str, Any]) -> None:
        """A function of rows too long for a chain, a task each."""
        x = step.args[0]
        columns = x.shape[-1]
        work = self.add(
            step, kernel, x.size // columns, [step.out], [x],
            {"x": self.at(x), "columns": columns, **arguments},
            scratch=chains.PIECE * 4 + 64,
        )  # fmt: skip
        work.call.arguments["y"] = self.at(step.out)

    # ---- rules: loops -------------------------------------------------------------------------

    def _scan(self, step: Step) -> None:
        program = step.options["program"]
        gates = 4 if len(program.state) == 2 else 3
        lstm = gates == 4
        n = len(program.state)
        states, z, u = step.args[:n], step.args[n], step.args[n + 1]
        times, samples = z.shape[:2]
        units = u.shape[0]
        source, strides = self.strided.get(z, (self.root(z), _strides(z.shape)))
        hs = step.out[n]
        wide = self.vectors * self.width
        blocks = -(-gates * units // wide)

        def packed(weight: Weight) -> np.ndarray:
            found = np.zeros((blocks * wide, units), np.float32)
            found[: gates * units] = _value(weight, u).T
            to = aligned((blocks, units, wide))
            to[...] = found.reshape(blocks, wide, units).transpose(0, 2, 1)
            return to

        def bias(weight: Weight) -> np.ndarray:
            row = aligned((blocks * wide,))
            row[:] = 0
            if not lstm and len(step.args) > n + 2:
                row[: gates * units] = _value(weight, step.args[n + 2]).reshape(-1)
            return row

        each = min(samples, loops.SAMPLES)
        work = 2 * samples * times * units * units * gates
        if work >= SERIAL and samples > 1:
            each = min(each, TILES * self.pixels)
        last = list(step.out[:n])
        arguments = {
            "z": At(self.buffer(source)), "z_sample": strides[1], "z_time": strides[0],
            "units": units, "blocks": blocks, "state": self.state(states[0]),
            "hs_sample": times * units * 4, "hs_time": units * 4, "samples": samples,
            "times": times, "each": each, "u": self.held(packed, "gates", u, wide),
            "bias": self.held(bias, "gates' bias", wide, gates, u, *step.args[n + 2 :]),
        }  # fmt: skip
        if lstm:
            arguments["c"] = self.state(states[1])
        reads = [source, *(s for s in states if not self.constant(s))]
        kernel = loops.lstm if lstm else loops.gru
        self.add(
            step, kernel, -(-samples // each), [*last, hs], reads, arguments, flops=work,
            scratch=loops.scratch_bytes(units, gates, wide),
        )  # fmt: skip
        call = self.works[-1].call
        call.arguments |= {"hs": self.at(hs), "h_last": self.at(last[0])}
        if lstm:
            call.arguments["c_last"] = self.at(last[1])

    def state(self, v: Any) -> Any:
        """What a loop begins with: an array, or zeros."""
        if not self.constant(v):
            return self.at(v)
        return Constant(lambda weight: np.array(_value(weight, v), np.float32))


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


def _value(weight: Weight, c: Any) -> np.ndarray:
    """A constant as an array."""
    return np.asarray(weight(c) if isinstance(c, Var) else c)


def _size(c: Any) -> int:
    return c.size if isinstance(c, Var) else int(np.size(c))


def _vars(link: Link) -> set[Var]:
    return {a for a in link.arguments if isinstance(a, Var)}


def _words(call: Call) -> Iterable[Any]:
    for word in call.arguments.values():
        if isinstance(word, Table):
            yield from word.words
        else:
            yield word


def _strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Bytes from one to the next along each axis of float32 numbers in row-major order."""
    found, step = [], 4
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))


def _fixed(array: Any) -> Constant:
    made = np.ascontiguousarray(array, np.int64)
    return Constant(lambda weight: made)


def _zeros(count: int) -> Constant:
    return Constant(lambda weight: np.zeros(count + 64, np.float32))


def _merged(axes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(size, from, to) of axes that can be walked as one, joined; none of size 1."""
    found: list[tuple[int, int, int]] = []
    for size, a, b in axes:
        if size == 1:
            continue
        if found and found[-1][1:] == (size * a, size * b):
            found[-1] = (found[-1][0] * size, a, b)
        else:
            found.append((size, a, b))
    return found or [(1, 4, 4)]


def _sliced(shape: Sequence[int], key: Any) -> tuple[int, list[int], list[int]]:
    """Where a basic index begins in memory, and the strides and sizes of what it takes."""
    key = key if isinstance(key, tuple) else (key,)
    if Ellipsis in [k for k in key if k is Ellipsis]:
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        named = sum(1 for k in key if k is not None and k is not Ellipsis)
        key = (*key[:at], *[slice(None)] * (len(shape) - named), *key[at + 1 :])
    strides = _strides(shape)
    start, froms, sizes, axis = 0, [], [], 0
    for k in key:
        if k is None:
            froms.append(0)
            sizes.append(1)
            continue
        n = shape[axis]
        if isinstance(k, slice):
            first, stop, step = k.indices(n)
            sizes.append(len(range(first, stop, step)))
            froms.append(strides[axis] * step)
            start += first * strides[axis]
        else:
            start += (int(k) + n if k < 0 else int(k)) * strides[axis]
        axis += 1
    for i in range(axis, len(shape)):
        froms.append(strides[i])
        sizes.append(shape[i])
    return start, froms, sizes


class Part(NamedTuple):
    """Numbers that move together: from where, to where in the output, in bytes."""

    x: Any  # a Var or a Constant
    start: int
    to: int
    sizes: Sequence[int]
    froms: Sequence[int]
    tos: Sequence[int]


def _strides_of_transposed(step: Step) -> list[int]:
    x, axes = step.args[0], step.options.get("axes")
    axes = range(x.ndim)[::-1] if axes is None else axes
    return [_strides(x.shape)[a] for a in axes]


def _transposed_parts(step: Step) -> list[Part]:
    out = step.out.shape
    return [Part(step.args[0], 0, 0, out, _strides_of_transposed(step), _strides(out))]


def _parts_of_slices(step: Step) -> list[Part]:
    x = step.args[0]
    start, froms, sizes = _sliced(x.shape, step.options["key"])
    return [Part(x, start, 0, sizes, froms, _strides(sizes))]


def _joined_parts(step: Step) -> list[Part]:
    axis = step.options["axis"] % step.out.ndim
    strides = _strides(step.out.shape)
    parts, at = [], 0
    for x in step.args:
        parts.append(Part(x, 0, at * strides[axis], x.shape, _strides(x.shape), strides))
        at += x.shape[axis]
    return parts


def _along(axis: Any, ndim: int) -> list[int] | None:
    """Different axes, counted from 0; None if they are no such thing."""
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    if not all(isinstance(a, (int, np.integer)) and -ndim <= a < ndim for a in axes):
        return None
    found = [int(a) % ndim for a in axes]
    return found if len(set(found)) == len(found) else None


def _flipped_parts(step: Step) -> list[Part] | None:
    x, axis = step.args[0], step.options.get("axis")
    axes = list(range(x.ndim)) if axis is None else _along(axis, x.ndim)
    if axes is None:
        return None
    strides = _strides(x.shape)
    froms = [-s if a in axes else s for a, s in enumerate(strides)]
    start = sum((x.shape[a] - 1) * strides[a] for a in axes)
    return [Part(x, start, 0, x.shape, froms, strides)]


def _rolled_parts(step: Step) -> list[Part] | None:
    x, shift, axis = step.args[0], step.options["shift"], step.options.get("axis")
    shape = (x.size,) if axis is None else x.shape
    axes = [0] if axis is None else _along(axis, x.ndim)
    shifts = shift if isinstance(shift, (list, tuple)) else [shift]
    if axes is None or len(axes) != len(shifts) or len(axes) > 3:
        return None
    if not all(isinstance(n, (int, np.integer)) for n in shifts):
        return None
    strides = _strides(shape)
    cuts = []  # along each axis: (from, to, how many)
    for a, by in zip(axes, shifts, strict=True):
        n = shape[a]
        k = int(by) % n
        cuts.append([(0, k, n - k), (n - k, 0, k)] if k else [(0, 0, n)])
    parts = []
    for chosen in itertools.product(*cuts):
        sizes, start, to = list(shape), 0, 0
        for a, (source, target, many) in zip(axes, chosen, strict=True):
            sizes[a] = many
            start, to = start + source * strides[a], to + target * strides[a]
        parts.append(Part(x, start, to, sizes, strides, strides))
    return parts


def _repeated_parts(step: Step) -> list[Part] | None:
    x, repeats, axis = step.args[0], step.options["repeats"], step.options["axis"]
    if not isinstance(repeats, (int, np.integer)) or not 0 <= axis < x.ndim:
        return None
    cut = axis + 1
    sizes = (*x.shape[:cut], int(repeats), *x.shape[cut:])
    strides = _strides(x.shape)
    return [Part(x, 0, 0, sizes, (*strides[:cut], 0, *strides[cut:]), _strides(sizes))]


def _broadcast_parts(step: Step) -> list[Part]:
    x, out = step.args[0], step.out.shape
    shape = (*[1] * (len(out) - x.ndim), *x.shape)
    steps = [0 if n == 1 else s for n, s in zip(shape, _strides(shape), strict=True)]
    return [Part(x, 0, 0, out, steps, _strides(out))]


def _parts_of_border(step: Step) -> list[Part]:
    """The numbers within, and along each axis what lies before and behind all that is narrower."""
    x, widths, out = step.args[0], step.options["widths"], step.out.shape
    strides, value = _strides(out), np.float32(step.options.get("value", 0))
    one = Constant(lambda weight: np.full(1, value, np.float32))
    within = sum(a * s for (a, _), s in zip(widths, strides, strict=True))
    parts = [Part(x, 0, within, x.shape, _strides(x.shape), strides)]
    sizes, start = list(out), 0
    for axis, ((before, after), n) in enumerate(zip(widths, x.shape, strict=True)):
        for at, many in ((0, before), (before + n, after)):
            if many:
                slab = [*sizes[:axis], many, *sizes[axis + 1 :]]
                to = start + at * strides[axis]
                parts.append(Part(one, 0, to, slab, [0] * len(slab), strides))
        sizes[axis], start = n, start + before * strides[axis]
    return parts


def _slices(step: Step) -> tuple[int, int, np.ndarray, np.ndarray] | None:
    """What `resample` makes along an axis: (axis, kind, (outs, taps) slices, weights)."""
    x, o = step.args[0], step.options
    axis = o["axis"]
    if not isinstance(x, Var) or type(axis) is not int or not 0 <= axis < x.ndim:
        return None
    if step.op is ops.resample:
        kind, index, weights = spatial.SUM, o["index"], o["weight"]
    elif step.op is ops.interpolate:
        kind, weights = spatial.BETWEEN, o["share"]
        ends = o["before"], o["after"]
        if not all(isinstance(e, np.ndarray) and e.shape == np.shape(weights) for e in ends):
            return None
        index = np.stack(ends, axis=-1)
    else:
        kind, weights = spatial.TAKEN, np.zeros(0)
        if step.op is ops.take:
            index = step.args[1]
        elif isinstance(o["repeats"], tuple):
            index = np.repeat(np.arange(x.shape[axis]), o["repeats"])
        else:
            return None
        index = index.reshape(-1, 1) if isinstance(index, np.ndarray) else None
    if not isinstance(index, np.ndarray) or not isinstance(weights, np.ndarray):
        return None
    whole = index.ndim == 2 and index.size and index.dtype.kind in "iu"
    if not whole or index.min() < 0 or index.max() >= x.shape[axis]:
        return None
    wanted = {spatial.SUM: index.shape, spatial.BETWEEN: index.shape[:1], spatial.TAKEN: (0,)}
    if weights.shape != wanted[kind] or weights.dtype.kind not in "fiu":
        return None
    return axis, kind, index.astype(np.int64), weights


def _even(total: int, most: int, multiple: int) -> int:
    """A size of equal parts of `total`, at most about `most`, and a multiple."""
    parts = max(1, math.ceil(total / max(1, most)))
    return math.ceil(math.ceil(total / parts) / multiple) * multiple


def _packed(
    product: Product,
    weight: Weight,
    part: Callable[[np.ndarray, Block], np.ndarray],
    blocks: Sequence[Block],
    pieces: int,
    width: int,
) -> np.ndarray:
    """The table of blocks of a product, its weights laid out for the tiles."""
    channels = product.channels * product.phases
    w = _value(weight, product.weights).astype(np.float32, copy=False)
    scale, shift = product.scale(weight, channels), product.shift(weight, channels)
    shift = np.broadcast_to(np.asarray(shift), channels)
    parts = [part(w, block) for block in blocks]
    wide = [-(-block.count // width) * width for block in blocks]
    sizes = [n * (len(rows) + 1) for n, rows in zip(wide, parts, strict=True)]
    memory = aligned((sum(sizes),))
    memory[:] = 0
    entries, at = [], 0
    for block, rows, columns, size in zip(blocks, parts, wide, sizes, strict=True):
        here = slice(block.column, block.column + block.count)
        laid = memory[at : at + size].reshape(-1, columns)
        laid[0, : block.count] = shift[here]
        laid[1:, : block.count] = rows if scale is None else rows * scale[here]
        address = laid.ctypes.data
        entries.append(
            (address + columns * 4, address, block.to, block.count, block.inward,
             columns // width, block.first * pieces, block.runs * pieces)
        )  # fmt: skip
        at += size
    table = np.array(entries, np.int64).view(_Holding)
    table.holds = memory
    return table


def _transformed(product: Product, weight: Weight, shape: Sequence[tuple[int, int, int]],
                 depth: int, m: int, width: int) -> np.ndarray:  # fmt: skip
    """The table of blocks of a convolution by squares, its weights transformed in float64."""
    w = _value(weight, product.weights).astype(np.float64)
    inward, channels = w.shape[-2:]
    scale, shift = product.scale(weight, channels), product.shift(weight, channels)
    shift = np.broadcast_to(np.asarray(shift), channels)
    g = winograd.matrices(m)[1]
    w = w if scale is None else w * scale
    with np.errstate(all="ignore"):
        u = np.einsum("ia,jb,abcf->ijcf", g, g, w, optimize=True).astype(np.float32)
    lost = ~np.isfinite(u).all(axis=(0, 1, 2))
    if lost.any():  # not with numbers: what gives the weights back
        places, factors = winograd.corners(m)
        u[..., lost] = 0
        for i, j in itertools.product(range(3), repeat=2):
            u[places[i], places[j]][:, lost] = w[i, j][:, lost] / (factors[i] * factors[j])
    u = u.reshape(-1, inward, channels)
    wide = [-(-count // width) * width for _, _, count in shape]
    rows = len(u) * depth + 2
    memory = aligned((sum(wide) * rows,))
    memory[:] = 0
    entries, at = [], 0
    for (_, first, count), columns in zip(shape, wide, strict=True):
        block = memory[at : at + columns * rows].reshape(rows, columns)
        here = slice(first, first + count)
        block[-2, :count], block[-1, :count] = shift[here], np.where(lost[here], np.nan, 0)
        block[:-2].reshape(len(u), depth, columns)[:, :inward, :count] = u[:, :, here]
        address = block.ctypes.data
        entries.append(
            (address, address + (rows - 2) * columns * 4, first * 4, count, columns // width)
        )
        at += columns * rows
    table = np.array(entries, np.int64).view(_Holding)
    table.holds = memory
    return table


class _Holding(np.ndarray):
    """An array of addresses, which keeps what they point to."""

    holds: Any = None


def _phases(taps: int, stride: int, dilation: int, before: int) -> list[dict[int, int]]:
    """For each phase of a transposed convolution along an axis: how far from a pixel of it the
    input is that each tap takes, {how far: tap}.

    Examples
    --------
    >>> _phases(3, 2, 1, 0)
    [{-1: 2, 0: 0}, {0: 1}]
    """
    found: list[dict[int, int]] = [{} for _ in range(stride)]
    for tap in reversed(range(taps)):
        at = tap * dilation - before
        found[at % stride][(at % stride - at) // stride] = tap
    return found


def _pieces(run: int) -> int:
    """Into how many equal parts to cut a run, so that each is about `SUMMED` at most."""
    least = math.ceil(run / SUMMED)
    return next((n for n in range(least, 2 * least) if run % n == 0), 1)


@dataclass(frozen=True)
class Matrices:
    """A product of many matrices: how many, their sizes, and where they lie, in bytes."""

    swapped: bool
    count: int
    rows: int
    columns: int
    depth: int
    a_offsets: np.ndarray
    b_offsets: np.ndarray
    y_offsets: np.ndarray
    a_row: int
    b_row: int
    b_column: int
    y_row: int


def _as_matrices(of_a: str, a_shape: Sequence[int], of_b: str, b_shape: Sequence[int], out: str,
                 out_shape: Sequence[int], swapped: bool = False) -> Matrices | None:  # fmt: skip
    """A sum over shared letters as products of matrices, if it is one that kernels know."""
    if any(len(set(letters)) < len(letters) for letters in (of_a, of_b, out)):
        return None
    if set(of_a) - set(of_b) - set(out) or set(of_b) - set(of_a) - set(out):
        return None
    columns = [c for c in out if c not in of_a]
    if not swapped and out[-1:] not in columns:
        return _as_matrices(of_b, b_shape, of_a, a_shape, out, out_shape, swapped=True)
    rows = [c for c in out if c not in of_b]
    batch = [c for c in out if c in of_a and c in of_b]
    depth = [c for c in of_a if c in of_b and c not in out]
    sizes = dict(zip(out, out_shape, strict=True))
    strides = []
    for letters, shape in ((of_a, a_shape), (of_b, b_shape), (out, out_shape)):
        steps = dict(zip(letters, _strides(shape), strict=True))
        for letter, n in zip(letters, shape, strict=True):
            if n != sizes.setdefault(letter, n):
                if n != 1:
                    return None
                steps[letter] = 0  # broadcast
        strides.append(steps)
    a, b, y = strides

    def step(letters: Sequence[str], steps: Mapping[str, int]) -> int | None:
        """How far it is from one to the next of several axes that are walked as one."""
        found = _merged([(sizes[c], steps[c], 0) for c in letters])
        if len(found) > 1:
            return None
        return found[0][1] if any(sizes[c] > 1 for c in letters) else 4

    merged = [step(rows, a), step(depth, a), step(depth, b), step(columns, b), step(rows, y),
              step(columns, y)]  # fmt: skip
    if None in merged or merged[1] != 4 or merged[5] != 4 or not columns:
        return None

    def offsets(steps: Mapping[str, int]) -> np.ndarray:
        total = np.zeros((1,), np.int64)
        for c in batch:
            total = (total[:, None] + np.arange(sizes[c]) * steps[c]).reshape(-1)
        return total

    def count(letters: Sequence[str]) -> int:
        return math.prod(sizes[c] for c in letters)

    return Matrices(
        swapped, count(batch), count(rows), count(columns), count(depth), offsets(a), offsets(b),
        offsets(y), merged[0] or 0, merged[2] or 0, merged[3] or 0, merged[4] or 0,
    )  # fmt: skip


def _equation(step: Step) -> tuple[str, str, str]:
    """The letters of an einsum's arguments and answer; empty where it has an ellipsis."""
    equation = step.options["equation"].replace(" ", "")
    ins, _, out = equation.partition("->")
    parts = ins.split(",")
    if "..." in equation or len(parts) != 2:
        return "", "", ""
    return parts[0], parts[1], out


def _dense_depth(step: Step) -> int | None:
    """The size summed over, if an einsum is rows times one matrix."""
    of_a, of_b, out = _equation(step)
    for k in range(1, min(len(of_a), len(of_b))):
        if of_a[-k:] == of_b[:k] and out == of_a[:-k] + of_b[k:] and len(set(of_a + of_b)) == (
            len(of_a) + len(of_b) - k
        ):  # fmt: skip
            return math.prod(step.args[1].shape[:k])
    return None


def _axes(step: Step) -> tuple[int, ...]:
    axis, ndim = step.options.get("axis"), step.args[0].ndim
    axes = range(ndim) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    return tuple(sorted(a % ndim if isinstance(a, (int, np.integer)) else ndim for a in axes))


def _function(step: Step) -> tuple[str, float, float] | None:
    """A function of each number as kernels have it, with its two numbers."""
    o, infinity = step.options, float("inf")
    if step.op is ops.relu:
        slope, cap = o.get("negative_slope", 0.0), o.get("max_value")
        threshold, top = o.get("threshold", 0.0), infinity if cap is None else cap
        if threshold:
            if slope and cap is not None:
                return None
            return ("leaky_above", threshold, slope) if slope else ("above", threshold, top)
        if slope:
            return ("leaky", slope, 0.0) if cap is None else ("leaky_capped", slope, cap)
        return "clamp", 0.0, top
    if step.op is ops.clip:
        low, high = (_one(o[name], step) for name in ("low", "high"))
        return None if low is None or high is None or not low <= high else ("clamp", low, high)
    if step.op is ops.threshold:
        return "threshold", o["threshold"], o["default_value"]
    if step.op in (ops.soft_shrink, ops.hard_shrink):
        return step.op.fn.__name__, o.get("threshold", 0.5), 0.0
    if step.op is ops.squareplus:
        return "squareplus", o.get("b", 4), 0.0
    if step.op is ops.celu:
        alpha = o.get("alpha", 1.0)
        return ("celu", alpha, 0.0) if alpha else None
    if step.op is ops.round:
        return None if o.get("decimals", 0) != 0 else ("round", 0.0, 0.0)
    if step.op is ops.relu6:
        return "clamp", 0.0, 6.0
    if step.op is ops.hard_tanh:
        return "clamp", -1.0, 1.0
    if step.op is ops.leaky_relu:
        return "leaky", o.get("negative_slope", 0.2), 0.0
    if step.op is ops.elu:
        return "elu", o.get("alpha", 1.0), 1.0
    if step.op is ops.selu:
        return "elu", SELU_SCALE * SELU_ALPHA, SELU_SCALE
    if step.op is ops.gelu:
        return "gelu_tanh" if o.get("approximate") else "gelu", 0.0, 0.0
    name = step.op.fn.__name__
    return (name, 0.0, 0.0) if not o and chains.FUNCTIONS.get(name, (0,))[0] == 1 else None


def _one(bound: Any, step: Step) -> float | None:
    """A bound of all numbers as a number, if it is one."""
    one = isinstance(bound, (np.ndarray, np.generic)) and bound.size == 1
    if not one or bound.dtype.kind not in "fiu" or bound.ndim > step.args[0].ndim:
        return None
    return float(np.asarray(bound).reshape(()))


def _is_function(step: Step) -> bool:
    """Whether kernels have the function of a step, with numbers that are some."""
    found = _function(step)
    return found is not None and step.out.ndim > 0 and all(map(_is_number, found[1:]))


def _is_number(x: Any) -> bool:
    """Whether x is a number that float32 has, or nearly."""
    if not isinstance(x, (int, float, np.floating, np.integer)):
        return False
    largest = float(np.finfo(np.float32).max)
    return x in (math.inf, -math.inf) or bool(-largest <= x <= largest)


# ---- for which steps the rules hold ----------------------------------------------------------


@dataclass(eq=False)
class Recorded:
    """What a rule may ask about the steps around its own."""

    constants: Collection[Var]
    makers: Mapping[Var, Step]
    users: Mapping[Var, Sequence[Step]]
    wanted: Collection[Var]

    def constant(self, a: Any) -> bool:
        return not isinstance(a, Var) or a in self.constants

    def fits(self, step: Step) -> bool:
        """Whether a step can be a part of a program."""
        if step.op not in RULES:
            return False
        for v in (*step.ins, *step.outs):
            if v.dtype != np.float32 or any(n <= 0 for n in v.shape):
                return False
        if not step.args or (self.constant(step.args[0]) and all(map(self.constant, step.args))):
            return False
        return is_alias(step) or bool(RULES[step.op][0](self, step))


def is_alias(step: Step) -> bool:
    """Whether the output is the input's memory under another shape."""
    if step.op in (ops.reshape, ops.expand_dims, ops.squeeze):
        return True
    if step.op is ops.cast:
        return step.args[0].dtype == step.out.dtype
    if step.op is ops.pad:
        return all(tuple(pair) == (0, 0) for pair in step.options["widths"])
    return False


def _absorbs(step: Step, padded: Var, value: float) -> bool:
    """Whether a step can read past the edge instead of a border of `value`."""
    if step.args[0] is not padded:
        return False
    if step.op in (ops.conv, ops.depthwise_conv, ops.average_pool):
        return value == 0
    return step.op is ops.max_pool and bool(value <= np.finfo(np.float32).min)


def _crop(step: Step) -> list[int] | None:
    """How many pixels are left out along each space axis, if a step does but crop an image."""
    if step.op is not ops.getitem or step.args[0].ndim != step.out.ndim:
        return None
    shape, key = step.args[0].shape, step.options["key"]
    key = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(k, slice) for k in key):
        return None
    ranges = [range(*k.indices(n)) for k, n in zip(key, shape, strict=False)]
    ranges += [range(n) for n in shape[len(key) :]]
    whole = len(ranges[0]) == shape[0] and len(ranges[-1]) == shape[-1]
    if not whole or any(r.step != 1 for r in ranges):
        return None
    return [r.start for r in ranges[1:-1]]


def _in_space(widths: Sequence[tuple[int, int]], ndim: int) -> bool:
    """Whether a border is one of images or rows of them, which have a kernel of their own."""
    return ndim in (3, 4) and tuple(widths[0]) == tuple(widths[-1]) == (0, 0)


def _fits_pad(r: Recorded, step: Step) -> bool:
    widths = [tuple(pair) for pair in step.options["widths"]]
    users = r.users.get(step.out, [])
    value = step.options.get("value", 0)
    if not _is_number(value):
        return False
    absorbed = (
        step.out not in r.wanted and bool(users)
        and step.args[0].ndim in (3, 4, 5) and widths[0] == widths[-1] == (0, 0)
        and all(_absorbs(s, step.out, value) and s.op in RULES and RULES[s.op][0](r, s)
                for s in users)
    )  # fmt: skip
    return absorbed or _in_space(widths, step.args[0].ndim) or _fits_move(r, step)


def _fits_conv(r: Recorded, step: Step) -> bool:
    x, w = step.args
    return r.constant(w) and isinstance(w, Var) and not r.constant(x) and x.ndim in (3, 4, 5)


def _fits_conv_transpose(r: Recorded, step: Step) -> bool:
    o, (x, w) = step.options, step.args
    if not _fits_conv(r, step) or w.ndim != x.ndim or x.shape[-1] != w.shape[-1]:
        return False
    strides, dilation = o["strides"], o["dilation"]
    n = x.ndim - 2
    if not all(_counts(each, n) for each in (strides, dilation)):
        return False
    reach = [
        (m - 1) * s + (k - 1) * d + 1
        for m, k, s, d in zip(x.shape[1:-1], w.shape, strides, dilation, strict=False)
    ]
    space = step.out.shape[1:-1]
    return (
        (step.out.shape[0], step.out.shape[-1]) == (x.shape[0], w.shape[-2])
        and len(space) == n
        and all(a <= b for a, b in zip(reach, space, strict=True))
        and math.prod(strides) <= PHASES
    )


def _counts(values: Any, n: int) -> bool:
    """Whether these are n whole numbers from 1 on."""
    return isinstance(values, (list, tuple)) and len(values) == n and all(
        isinstance(v, (int, np.integer)) and v > 0 for v in values
    )  # fmt: skip


def _fits_depthwise(r: Recorded, step: Step) -> bool:
    return _fits_conv(r, step) and step.args[1].shape[-1] == 1


def _fits_pool(r: Recorded, step: Step) -> bool:
    x = step.args[0]
    if x.ndim not in (3, 4, 5) or math.prod(step.options["size"]) > TAPS:
        return False
    widths = [tuple(pair) for pair in step.options.get("widths") or ()]
    if not any(pair != (0, 0) for pair in widths):
        return True
    border = r.makers.get(x)  # the mean is of what is no border: it must be known as such
    return (
        border is not None and border.op is ops.pad and x not in r.wanted
        and [tuple(pair) for pair in border.options["widths"]] == widths
        and all(_absorbs(s, x, border.options.get("value", 0)) for s in r.users[x])
        and border.args[0].dtype == np.float32
    )  # fmt: skip


def _fits_reduced(r: Recorded, step: Step) -> bool:
    x, axes = step.args[0], _axes(step)
    if step.options.get("initial") is not None or not axes:
        return False
    if axes == (x.ndim - 1,):
        return True
    space = tuple(range(1, x.ndim - 1))
    return (
        axes == space and x.ndim in (3, 4, 5) and step.op is not ops.sum
        and math.prod(x.shape[1:-1]) <= TAPS
    )  # fmt: skip


def _fits_softmax(r: Recorded, step: Step) -> bool:
    x = step.args[0]
    axis = step.options.get("axis", -1)
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    return type(axis) is int and axis in (-1, x.ndim - 1)


def _fits_arithmetic(r: Recorded, step: Step) -> bool:
    out = step.out
    if not out.ndim:
        return False
    for a in step.args:
        if not isinstance(a, Var):
            if (
                not isinstance(a, (int, float, np.number, np.ndarray))
                or np.ndim(a) > 1
                or (np.size(a) > 1 and np.shape(a) != out.shape[-1:])
            ):
                return False
        elif r.constant(a):  # a row, however many axes of the output it has
            rest = a.shape[next((i for i, n in enumerate(a.shape) if n != 1), len(a.shape)) :]
            if rest and rest != out.shape[out.ndim - len(rest) :]:
                return False
        elif a.shape != out.shape and (
            a.ndim != out.ndim or out.ndim < 2 or a.shape not in (
                (*out.shape[:-1], 1), (out.shape[0], *[1] * (out.ndim - 2), out.shape[-1])
            )
        ):  # fmt: skip
            return False
    return True


def _is_affine(step: Step, first: bool) -> bool:
    """Whether arithmetic with a constant is a multiply-add."""
    x = step.args[1] if first else step.args[0]
    return x.shape == step.out.shape and not (step.op is ops.divide and first) and (
        step.op in AFFINE
    )  # fmt: skip


def _fits_matrices(r: Recorded, step: Step) -> bool:
    a, b = step.args
    if not isinstance(a, Var) or not isinstance(b, Var):
        return False
    if r.constant(a) or r.constant(b):
        return step.op is ops.einsum and r.constant(b) and bool(_dense_depth(step))
    if step.op is ops.einsum:
        parts = _equation(step)
        if not parts[0]:
            return False
    else:
        parts = _matmul_letters(step)
        if not parts[0]:
            return False
    of_a, of_b, out = parts
    plan = _as_matrices(of_a, a.shape, of_b, b.shape, out, step.out.shape)
    return plan is not None and plan.depth <= 2**14


def _matmul_letters(step: Step) -> tuple[str, str, str]:
    """A matrix product as an einsum; empty where it is of vectors."""
    a, b = step.args
    if a.ndim < 2 or b.ndim < 2:
        return "", "", ""
    out = "".join(chr(97 + i) for i in range(step.out.ndim))
    lead_a, lead_b = out[:-2][-(a.ndim - 2) or 99 :], out[:-2][-(b.ndim - 2) or 99 :]
    return f"{lead_a}{out[-2]}z", f"{lead_b}z{out[-1]}", out


def _fits_move(r: Recorded, step: Step) -> bool:
    parts = MOVES[step.op](step)
    return parts is not None and all(
        len(_merged(list(zip(p.sizes, p.froms, p.tos, strict=True)))) <= arranging.AXES
        for p in parts
    )


def _fits_getitem(r: Recorded, step: Step) -> bool:
    key = step.options["key"]
    key = key if isinstance(key, tuple) else (key,)
    basic = all(
        k is None or k is Ellipsis or isinstance(k, (slice, int, np.integer)) for k in key
    ) and not any(isinstance(k, bool) for k in key)
    return basic and len(step.args) == 1 and _fits_move(r, step)


def _fits_concatenate(r: Recorded, step: Step) -> bool:
    given = all(isinstance(a, Var) and not r.constant(a) for a in step.args)
    return given and _fits_move(r, step)


def _fits_resample(r: Recorded, step: Step) -> bool:
    return _slices(step) is not None


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


# What moves numbers about, each as the parts of its output.
MOVES: dict[Any, Callable[[Step], list[Part] | None]] = {
    ops.transpose: _transposed_parts,
    ops.getitem: _parts_of_slices,
    ops.concatenate: _joined_parts,
    ops.flip: _flipped_parts,
    ops.roll: _rolled_parts,
    ops.repeat: _repeated_parts,
    ops.broadcast_to: _broadcast_parts,
    ops.pad: _parts_of_border,
}
ARITHMETIC = (ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum)
AFFINE = (ops.add, ops.subtract, ops.multiply, ops.divide)
APART = (products.conv, *winograd.KERNELS.values())  # what they make lies in scratch memory
BOUNDED = (*APART, products.add_parts, spatial.depthwise)
CHAINED = (chains.elementwise, *BOUNDED)

RULES: dict[Any, tuple[Callable[[Recorded, Step], bool], Callable[[Lowering, Step], None]]] = {
    ops.conv: (_fits_conv, Lowering._conv),
    ops.conv_transpose: (_fits_conv_transpose, Lowering._conv_transpose),
    ops.depthwise_conv: (_fits_depthwise, Lowering._depthwise),
    ops.dense: (lambda r, s: r.constant(s.args[1]) and not r.constant(s.args[0]), Lowering._dense),
    ops.einsum: (_fits_matrices, Lowering._einsum),
    ops.matmul: (_fits_matrices, Lowering._matrices),
    ops.max_pool: (_fits_pool, Lowering._pool),
    ops.average_pool: (_fits_pool, Lowering._pool),
    ops.softmax: (_fits_softmax, Lowering._softmax),
    ops.log_softmax: (_fits_softmax, Lowering._softmax),
    ops.pad: (_fits_pad, Lowering._pad),
    ops.transpose: (_fits_move, Lowering._transpose),
    ops.flip: (_fits_move, Lowering._moved),
    ops.roll: (_fits_move, Lowering._moved),
    ops.broadcast_to: (_fits_move, Lowering._moved),
    ops.repeat: (
        lambda r, s: _fits_resample(r, s) or _fits_move(r, s),
        lambda self, s: self._resample(s) if _slices(s) else self._moved(s),
    ),
    ops.resample: (_fits_resample, Lowering._resample),
    ops.interpolate: (_fits_resample, Lowering._resample),
    ops.take: (_fits_resample, Lowering._resample),
    ops.getitem: (_fits_getitem, Lowering._getitem),
    ops.concatenate: (_fits_concatenate, Lowering._moved),
    SCAN: (_fits_scan, Lowering._scan),
}
RULES |= dict.fromkeys(ARITHMETIC, (_fits_arithmetic, Lowering._arithmetic))
RULES |= dict.fromkeys((ops.mean, ops.max, ops.sum), (_fits_reduced, Lowering._reduced))
RULES |= dict.fromkeys(
    (ops.reshape, ops.expand_dims, ops.squeeze, ops.cast),
    (lambda r, s: False, lambda self, s: None),
)
RULES |= dict.fromkeys(
    (ops.relu, ops.relu6, ops.leaky_relu, ops.hard_tanh, ops.elu, ops.selu, ops.gelu, ops.sigmoid,
     ops.tanh, ops.silu, ops.softplus, ops.hard_sigmoid, ops.hard_sigmoid_keras2, ops.hard_silu,
     ops.exp, ops.log, ops.sqrt, ops.square, ops.negative, ops.absolute, ops.softsign,
     ops.squareplus, ops.log_sigmoid, ops.tanh_shrink, ops.celu, ops.soft_shrink, ops.hard_shrink,
     ops.threshold, ops.sparse_plus, ops.sparse_sigmoid, ops.mish, ops.exp2, ops.expm1, ops.log1p,
     ops.reciprocal, ops.floor, ops.ceil, ops.trunc, ops.round, ops.clip),
    (lambda r, s: _is_function(s), Lowering._activation),
)  # fmt: skip
