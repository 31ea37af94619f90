"""Chains of functions of each number, carried out on pieces that stay in the nearest cache.

A chain is a table of steps: a function, where its answer goes and where its arguments are.  All
steps of a chain are applied to one piece before the next piece is looked at, so that a chain is one
pass over memory however long it is.  Convolutions call the same chains on the part of their output
that they have just made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from npforward.kernels.native import functions, tile
from npforward.kernels.native.library import Arguments, called, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

PIECE = 2048  # numbers
PIECES = 16  # that a chain may keep in scratch memory; three more spread numbers over rows
SCRATCH_BYTES = PIECE * 4 * (PIECES + 3)

# A step in the table: its function; for the answer and three arguments an address and what kind
# it is; two numbers of its own, as bits of float32.
STEP = ("function", "to", "to_kind", "a", "a_kind", "b", "b_kind", "c", "c_kind", "p", "q")

# Where an operand of a piece is: in a whole array, in one row for all (a bias), in scratch
# memory, or in one row for each image; or one number for each row (a mean), that too in an array
# or in scratch memory.  What a kernel has just made, the chain that follows may find as MADE.
WHOLE, ROW, SCRATCH, IMAGE, MADE, COLUMN, SCRATCH_COLUMN = range(7)

Function = Callable[..., Any]
FUNCTIONS: dict[str, tuple[int, Function]] = {}  # by name: how many arguments, what to emit


def function(arguments: int) -> Callable[[Function], Function]:
    def decorate(body: Function) -> Function:
        FUNCTIONS[body.__name__] = arguments, body
        return body

    return decorate


def code(name: str) -> int:
    """The number of a function in tables."""
    return [*FUNCTIONS, *ROW_FUNCTIONS].index(name)


@function(1)
def copy(e, p, q, a):
    return a


@function(1)
def copy_away(e, p, q, a):
    """A copy to memory that is not read again soon: past the caches, if its rows begin there."""
    return a


@function(2)
def add(e, p, q, a, b):
    return a + b


@function(2)
def subtract(e, p, q, a, b):
    return a - b


@function(2)
def multiply(e, p, q, a, b):
    return a * b


@function(2)
def divide(e, p, q, a, b):
    return a / b


@function(2)
def maximum(e, p, q, a, b):
    return functions.unless_nan(e, b, e.larger(a, b))


@function(2)
def minimum(e, p, q, a, b):
    return functions.unless_nan(e, b, e.smaller(a, b))


@function(3)
def multiply_add(e, p, q, a, b, c):
    return e.fma(a, b, c)


@function(1)
def scale_shift(e, p, q, a):
    """p a + q"""
    return e.fma(a, p, q)


@function(1)
def clamp(e, p, q, a):
    """Between p and q."""
    return e.smaller(e.larger(a, p), q)


@function(1)
def leaky(e, p, q, a):
    """a above 0, p a below."""
    return e.select(a > 0.0, a, a * p)


@function(1)
def leaky_capped(e, p, q, a):
    """a from 0 up to q, p a below."""
    return e.select(a < 0.0, a * p, e.smaller(a, q))


@function(1)
def above(e, p, q, a):
    """a above p, else 0; q at most."""
    return e.smaller(e.select(a > p, a, 0.0), q)


@function(1)
def leaky_above(e, p, q, a):
    """a above p, q (a - p) below."""
    return e.select(a < p, (a - p) * q, e.select(a > p, a, 0.0))


@function(1)
def threshold(e, p, q, a):
    """a above p, else q."""
    return e.select(a > p, a, q)


@function(1)
def soft_shrink(e, p, q, a):
    """a moved towards 0 by p; 0 within it."""
    return e.select(a > p, a - p, e.select(a < -p, a + p, 0.0))


@function(1)
def hard_shrink(e, p, q, a):
    """a, but 0 where |a| <= p."""
    return e.select(e.abs(a) > p, a, 0.0)


@function(2)
def relu_dx(e, p, q, a, b):
    """a where b is between 0 and q, p a where b is below 0."""
    return e.select((b > 0.0) & (b < q), a, e.select(b < 0.0, a * p, 0.0))


@function(1)
def negative(e, p, q, a):
    return -a


@function(1)
def absolute(e, p, q, a):
    return e.abs(a)


@function(1)
def square(e, p, q, a):
    return a * a


@function(1)
def sqrt(e, p, q, a):
    return e.sqrt(a)


@function(1)
def exp(e, p, q, a):
    return functions.exp(e, a)


@function(1)
def exp2(e, p, q, a):
    return functions.exp2(e, a)


@function(1)
def expm1(e, p, q, a):
    return functions.expm1(e, a)


@function(1)
def log1p(e, p, q, a):
    return functions.log1p(e, a)


@function(1)
def reciprocal(e, p, q, a):
    return 1.0 / a


@function(1)
def floor(e, p, q, a):
    return e.intrinsic("floor", a)


@function(1)
def ceil(e, p, q, a):
    return e.intrinsic("ceil", a)


@function(1)
def trunc(e, p, q, a):
    return e.intrinsic("trunc", a)


@function(1)
def round(e, p, q, a):
    """The nearest whole number; of two, the even one."""
    return e.intrinsic("rint", a)


@function(1)
def log(e, p, q, a):
    return functions.log(e, a)


@function(1)
def tanh(e, p, q, a):
    return functions.tanh(e, a)


@function(1)
def sigmoid(e, p, q, a):
    return functions.sigmoid(e, a)


@function(1)
def erf(e, p, q, a):
    return functions.erf(e, a)


@function(1)
def silu(e, p, q, a):
    return a * functions.sigmoid(e, a)


@function(1)
def softplus(e, p, q, a):
    return functions.softplus(e, a)


@function(1)
def log_sigmoid(e, p, q, a):
    return -functions.softplus(e, -a)


@function(1)
def mish(e, p, q, a):
    """a tanh(softplus(a))"""
    return a * functions.tanh(e, functions.softplus(e, a))


@function(1)
def tanh_shrink(e, p, q, a):
    return a - functions.tanh(e, a)


@function(1)
def softsign(e, p, q, a):
    return a / (e.abs(a) + 1.0)


@function(1)
def squareplus(e, p, q, a):
    """(a + √(a² + p)) / 2"""
    return (a + e.sqrt(a * a + p)) * 0.5


@function(1)
def sparse_plus(e, p, q, a):
    """0 up to -1, (a + 1)² / 4 up to 1, a above."""
    between = (a + 1.0) * (a + 1.0) * 0.25
    return e.select(a <= -1.0, 0.0, e.select(a < 1.0, between, a))


@function(1)
def sparse_sigmoid(e, p, q, a):
    """(a + 1) / 2 between 0 and 1."""
    return e.smaller(e.larger((a + 1.0) * 0.5, 0.0), 1.0)


@function(1)
def celu(e, p, q, a):
    """max(a, 0) + p (exp(min(a, 0) / p) - 1)"""
    return e.larger(a, 0.0) + functions.expm1(e, e.smaller(a, 0.0) / p) * p


@function(1)
def gelu(e, p, q, a):
    """a Φ(a)"""
    return a * 0.5 * (functions.erf(e, a * 0.7071067811865476) + 1.0)


@function(1)
def gelu_tanh(e, p, q, a):
    """gelu with tanh instead of erf."""
    inner = (a + a * a * a * 0.044715) * 0.7978845608028654
    return a * 0.5 * (functions.tanh(e, inner) + 1.0)


@function(1)
def elu(e, p, q, a):
    """q a above 0, p (exp(a) - 1) below."""
    return e.select(a > 0.0, a * q, functions.expm1(e, e.smaller(a, 0.0)) * p)


@function(1)
def hard_sigmoid(e, p, q, a):
    return e.smaller(e.larger(a + 3.0, 0.0), 6.0) / 6.0


@function(1)
def hard_sigmoid_keras2(e, p, q, a):
    return e.smaller(e.larger(a * 0.2 + 0.5, 0.0), 1.0)


@function(1)
def hard_silu(e, p, q, a):
    return a * (e.smaller(e.larger(a + 3.0, 0.0), 6.0) / 6.0)


def _emit_function(e: Emitter, name: str):
    """The function applied to `rows` rows of `columns` numbers."""
    arguments, body = FUNCTIONS[name]

    def loops(e: Emitter, args) -> None:
        rows, columns, p, q = args[:4]
        pairs = [(args[4 + 2 * i], args[5 + 2 * i]) for i in range(arguments + 1)]
        p, q = e.number(p), e.number(q)

        store = e.store_away if body is copy_away else e.store

        def apply(starts, at) -> None:
            values = [e.load(start, at) for start in starts[1:]]
            store(body(e, e.spread(p), e.spread(q), *values), starts[0], at)

        _, vectors = tile.shape(e.width, e.registers)
        with e.either(columns.equals(vectors * e.width)) as (block, other):
            with block, e.loop(0, rows) as r:  # what a block of channels has: no loop inside
                for j in range(vectors):
                    apply([base + r * step for base, step in pairs], j * e.width * 4)
            with other, e.loop(0, rows) as r:
                starts = [base + r * step for base, step in pairs]
                for at in e.vectors(columns):
                    apply(starts, at)

    return e.helper(f"each_{name}", 4 + 2 * (arguments + 1), loops)


# Functions of a whole row, whose answer is one number: what to begin with, how to go on, and the
# last touch.
ROW_FUNCTIONS: dict[str, tuple[float, Function, Function]] = {
    "row_sum": (0.0, lambda e, a, b: a + b, lambda e, y, n: y),
    "row_mean": (0.0, lambda e, a, b: a + b, lambda e, y, n: y / n),
    "row_max": (
        float("-inf"),
        lambda e, a, b: functions.unless_nan(e, b, e.larger(a, b)),
        lambda e, y, n: y,
    ),
}
LANES = 64  # numbers that are summed apart, on any CPU: the same sums in the same order


def _emit_row_function(e: Emitter, name: str):
    start, join, end = ROW_FUNCTIONS[name]

    def loops(e: Emitter, args) -> None:
        rows, columns, to, source, step = args
        many = LANES // e.width
        whole = columns - columns % LANES
        count = e.real_of(columns)
        with e.loop(0, rows) as r:
            row = source + r * step
            parts = [e.var(e.real(start)) for _ in range(many)]
            with e.loop(0, whole, LANES) as i:
                for k, part in enumerate(parts):
                    part.set(join(e, part.value, e.load(row, (i + k * e.width) * 4)))
            values = [part.value for part in parts]
            while len(values) > 1:
                half = len(values) // 2
                pairs = zip(values[:half], values[half:], strict=True)
                values = [join(e, a, b) for a, b in pairs]
            lanes = [e.lane(values[0], i) for i in range(e.width)]
            while len(lanes) > 1:
                half = len(lanes) // 2
                lanes = [join(e, a, b) for a, b in zip(lanes[:half], lanes[half:], strict=True)]
            total = e.var(lanes[0])
            with e.loop(whole, columns) as i:
                total.set(join(e, total.value, e.load_float(row, i * 4)))
            e.store(end(e, total.value, count), to, r * 4)

    return e.helper(name, 5, loops)


def _emit_spread(e: Emitter):
    """One number for each row, written to a whole row each."""

    def loops(e: Emitter, args) -> None:
        rows, columns, to, source = args
        with e.loop(0, rows) as r:
            number = e.load_float(source, r * 4)
            row = to + r * columns * 4
            for at in e.vectors(columns):
                e.store(e.spread(number), row, at)

    return e.helper("spread", 4, loops)


@called(11)
def chain(e: Emitter, table, steps, first, rows, columns, row_bytes, column_bytes, image, made,
          made_bytes, scratch) -> None:  # fmt: skip
    """Apply a chain to a piece.

    Its arguments: the table and its length; the first row of the piece, the number of its rows and
    columns; of whole arrays, how far it is from row to row, and to the first column; how many rows
    an image has; what a kernel has just made, and how far it is from row to row of that; scratch.
    """
    spread = _emit_spread(e)
    with e.loop(0, steps) as i:
        entry = table + i * (8 * len(STEP))
        said = {name: e.load_int(entry, 8 * k) for k, name in enumerate(STEP)}
        # A function of one number for each row is applied to those numbers as one row.
        narrow = said["to_kind"] >= COLUMN
        many, wide = e.select(narrow, 1, rows), e.select(narrow, rows, columns)

        def operand(which: str) -> tuple[Value, Value]:
            base, kind = said[which], said[f"{which}_kind"]
            at = e.select(kind.equals(ROW), base + column_bytes, base)
            at = e.select(kind.equals(WHOLE), base + first * row_bytes + column_bytes, at)
            of_image = base + (first // image) * row_bytes + column_bytes
            at = e.select(kind.equals(IMAGE), of_image, at)
            at = e.select(kind.equals(MADE), made, at)
            at = e.select(kind.equals(COLUMN), base + first * 4, at)
            at = e.select(kind.equals(SCRATCH) | kind.equals(SCRATCH_COLUMN), scratch + base, at)
            step = e.select(kind.equals(WHOLE), row_bytes, 0)
            step = e.select(kind.equals(MADE), made_bytes, step)
            step = e.select(kind.equals(SCRATCH), columns * 4, step)
            where, apart = e.var(at), e.var(step)
            if which != "to":
                with e.when((kind >= COLUMN) & (said["to_kind"] < COLUMN)):
                    spare = scratch + PIECE * 4 * (PIECES + "abc".index(which))
                    e.call(spread, rows, columns, spare, where.value)
                    where.set(spare)
                    apart.set(columns * 4)
            return where.value, apart.value

        operands = [operand(which) for which in ("to", "a", "b", "c")]

        def apply(name: str):
            arguments, _ = FUNCTIONS[name]

            def act() -> None:
                flat = [x for pair in operands[: arguments + 1] for x in pair]
                e.call(_emit_function(e, name), many, wide, said["p"], said["q"], *flat)

            return act

        def reduce(name: str):
            (to, _), (source, step) = operands[:2]
            return lambda: e.call(_emit_row_function(e, name), rows, columns, to, source, step)

        cases = [(code(name), apply(name)) for name in FUNCTIONS]
        cases += [(code(name), reduce(name)) for name in ROW_FUNCTIONS]
        e.match(said["function"], cases)


def after(
    e: Emitter,
    a: Arguments,
    first: Value,
    rows: Value,
    row_bytes: Value,
    column: Value,
    columns: Value,
    made: Value,
    made_bytes: Value,
    scratch: Value,
) -> None:
    """A chain on what a kernel has just made: some channels of some pixels."""
    with e.when(a.steps > 0):
        high = PIECE // (4 * e.width)
        with e.loop(0, rows, high) as r:
            e.call_address(
                a.chain, e.void, a.table, a.steps, first + r, e.smaller(rows - r, high), columns,
                row_bytes, column, 1, made + r * made_bytes, made_bytes, scratch,
            )  # fmt: skip


@compiled("chain table steps rows columns rows_each numbers image")
def elementwise(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A chain applied to some rows of whole arrays, which hold so many numbers."""
    start = task * a.rows_each
    stop = e.smaller(start + a.rows_each, a.rows)
    high = e.larger(e.integer(PIECE) // a.columns, 1)
    at = e.var(start)
    with e.forever() as leave_if:
        row = at.value
        leave_if(row >= stop)
        rows = e.smaller(e.smaller(stop - row, high), a.image - row % a.image)
        at.set(row + rows)
        with e.loop(0, a.columns, PIECE) as column:
            columns = e.smaller(a.columns - column, PIECE)
            columns = e.smaller(a.numbers - row * a.columns - column, columns)
            e.call_address(
                a.chain, e.void, a.table, a.steps, row, rows, columns, a.columns * 4, column * 4,
                a.image, 0, 0, scratch,
            )  # fmt: skip


@compiled("x y columns function")
def reduce_row(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A function of a whole row too long for a chain."""
    x, y = a.x + task * a.columns * 4, a.y + task * 4

    def reduce(name: str):
        return lambda: e.call(_emit_row_function(e, name), 1, a.columns, y, x, 0)

    e.match(a.function, [(code(name), reduce(name)) for name in ROW_FUNCTIONS])


@compiled("x y columns log")
def softmax_row(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """The softmax of a row too long for a chain, or its logarithm."""
    x, y = a.x + task * a.columns * 4, a.y + task * a.columns * 4
    found, powers = scratch, scratch + 64
    e.call(_emit_row_function(e, "row_max"), 1, a.columns, found, x, 0)
    highest = e.load_float(found)
    total = e.var(e.number(e.integer(0)))
    with e.loop(0, a.columns, PIECE) as first:
        columns = e.smaller(a.columns - first, PIECE)
        for at in e.vectors(columns):
            apart = e.load(x + first * 4, at) - e.spread(highest)
            power = functions.exp(e, apart)
            e.store(power, powers, at)
            e.store(e.select(a.log.equals(1), apart, power), y + first * 4, at)
        e.call(_emit_row_function(e, "row_sum"), 1, columns, found, powers, 0)
        total.set(total.value + e.load_float(found))
    with e.either(a.log.equals(1)) as (logarithm, softmax):
        with logarithm:
            for at in e.vectors(a.columns):
                e.store(e.load(y, at) - functions.log(e, e.spread(total.value)), y, at)
        with softmax:
            for at in e.vectors(a.columns):
                e.store(e.load(y, at) / e.spread(total.value), y, at)
