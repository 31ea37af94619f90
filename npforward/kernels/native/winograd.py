"""Convolutions of 3 x 3 taps with fewer multiplications, after Winograd.

A convolution of m + 2 numbers with 3 taps is a product of polynomials, and that is known from its
values at m + 2 points (Cook and Toom).  In two dimensions, for squares of m x m outputs:

    y = Aᵀ [(G w Gᵀ) * (Bᵀ x B)] A

Weights are transformed once; those of a square are transformed for each channel, and what remains
are (m + 2)² products of matrices, squares times channels: 9 multiplications for every output and
channel become 4 with m = 2, or 2.25 with m = 4.  The price is error, for the transformed numbers
are larger than what comes of them.

Every output of a square comes of sums and differences of all its inputs: one that is infinite or
NaN, or so large that a sum is, would spoil those that it has no part in.  Where an output is no
number, its square is therefore computed again directly, with weights transformed back.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from npforward.kernels.native import tile
from npforward.kernels.native.conv import tiles
from npforward.kernels.native.elementwise import SCRATCH_BYTES, after
from npforward.kernels.native.library import Arguments, compiled
from npforward.kernels.native.memory import LINE

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

# Points beside 0 and ∞, in pairs of opposite sign.  With 3/4 and 3/2 half is lost of what is lost
# with 1 and 2.
POINTS = {2: (1.0,), 4: (0.75, 1.5)}


@functools.cache
def matrices(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aᵀ, G and Bᵀ of m outputs and three taps: (m, m + 2), (m + 2, 3), (m + 2, m + 2).

    Examples
    --------
    >>> at, g, bt = matrices(2)
    >>> x, w = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 10.0, 100.0])
    >>> (at @ ((g @ w) * (bt @ x))).tolist()
    [421.0, 842.0]
    """
    points = [0.0, *(sign * p for p in POINTS[m] for sign in (1, -1))]
    n = m + 2
    at, g, bt = np.zeros((m, n)), np.zeros((n, 3)), np.zeros((n, n))
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        at[:, i] = p ** np.arange(m)
        g[i] = p ** np.arange(3) / np.prod([p - other for other in others])
        bt[i, : n - 1] = np.poly(others)[::-1]
    at[-1, -1] = g[-1, -1] = 1
    bt[-1] = np.poly(points)[::-1]
    return at, g, bt


def corners(m: int) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """The rows of G w that give the three taps back: the first, how far the second and the third
    differ, the last; and what each is to be multiplied with.

    Examples
    --------
    >>> (first, second, last), factors = corners(4)
    >>> w = np.array([1.0, 10.0, 100.0])
    >>> u = matrices(4)[1] @ w
    >>> np.round(np.array(factors) * [u[first], u[second] - u[second + 1], u[last]], 6).tolist()
    [1.0, 10.0, 100.0]
    """
    g = matrices(m)[1]
    return (0, 1, m + 1), (1 / g[0, 0], 1 / (g[1, 1] - g[2, 1]), 1 / g[-1, -1])


# A block of output channels, in the table of blocks: where its weights begin, and its bias, which
# NaN follows for channels with weights that cannot be transformed, and 0 for the others; its
# channels in the output and their number, and its width in vectors.
BLOCK = ("weights", "bias", "channel", "channels", "vectors")


def _combined(e: Emitter, terms: Iterable[tuple[float, Value]]) -> Value:
    """The sum of numbers times constants, without those that are 0."""
    some = sorted(((f, x) for f, x in terms if f), key=lambda term: abs(term[0]) != 1)
    (factor, x), *rest = some
    total = x if factor == 1 else -x if factor == -1 else x * factor
    for factor, x in rest:
        if abs(factor) == 1:
            total = total + x if factor == 1 else total - x
        else:
            total = e.fma(x, factor, total)
    return total


def _input(e: Emitter, m: int, x: Sequence[Value]) -> list[Value]:
    """Bᵀ x: points of opposite sign share what is even of their polynomials, and what is odd."""
    rows = matrices(m)[2]
    found = {i: _combined(e, zip(rows[i], x, strict=True)) for i in (0, m + 1)}
    for i in range(1, m + 1, 2):
        same = rows[i] == rows[i + 1]
        even = _combined(e, [(f, v) for f, v, s in zip(rows[i], x, same, strict=True) if s])
        odd = _combined(e, [(f, v) for f, v, s in zip(rows[i], x, same, strict=True) if not s])
        found[i], found[i + 1] = even + odd, even - odd
    return [found[i] for i in range(m + 2)]


def _output(e: Emitter, m: int, x: Sequence[Value]) -> list[Value]:
    """Aᵀ x: sums of what belongs to points of opposite sign, then differences."""
    rows = matrices(m)[0]
    sums = [x[i] + x[i + 1] for i in range(1, m + 1, 2)]
    differences = [x[i] - x[i + 1] for i in range(1, m + 1, 2)]
    found = []
    for k, row in enumerate(rows):
        pairs = differences if k % 2 else sums
        terms = [(row[0], x[0]), *zip(row[1:-1:2], pairs, strict=True), (row[-1], x[-1])]
        found.append(_combined(e, terms))
    return found


def _both(transform: Callable, e: Emitter, m: int, x: list[list[Value]]) -> list[list[Value]]:
    """A transform along columns, then along rows."""
    columns = [transform(e, m, column) for column in zip(*x, strict=True)]
    return [transform(e, m, row) for row in zip(*columns, strict=True)]


def _taps(e: Emitter, m: int, u: Sequence[Value]) -> list[Value]:
    """The three taps whose transform is u."""
    (first, second, last), factors = corners(m)
    given = u[first], u[second] - u[second + 1], u[last]
    return [
        x if factor == 1 else x * float(factor) for x, factor in zip(given, factors, strict=True)
    ]


def _directly(
    e: Emitter, m: int, taps: Sequence[Sequence[Value]], channels: Value, weights: Value,
    row_bytes: Value, plane_bytes: Value,
) -> list[list[Value]]:  # fmt: skip
    """The sums of a square, of inputs that lie at `taps`, without transforming these."""
    n = m + 2
    sums = [[e.var(e.real(0.0)) for _ in range(m)] for _ in range(m)]
    with e.loop(0, channels) as k:
        at = weights + k * row_bytes
        u = [[e.load(at + plane_bytes * (i * n + j)) for j in range(n)] for i in range(n)]
        w = _both(_taps, e, m, u)
        x = [[e.broadcast(tap, k * 4) for tap in line] for line in taps]
        for (r, c), (i, j) in itertools.product(
            itertools.product(range(m), repeat=2), itertools.product(range(3), repeat=2)
        ):
            sums[r][c].set(e.fma(x[r + i][c + j], w[i][j], sums[r][c].value))
    return [[total.value for total in line] for line in sums]


ARGUMENTS = (
    "x x_image y_pixel blocks block_count blocks_each images squares across each chunks channels "
    "depth rows columns column_length row_length pixels zeros low high chain table steps"
)


def scratch_bytes(m: int, each: int, depth: int, wide: int, group: int) -> int:
    """How much scratch memory a task needs for V, M and the outputs of a block."""
    n = (m + 2) ** 2
    rows = each * (n * (depth * 4 + LINE + group * 4) + m * m * wide * 4)
    return rows + 4 * LINE


def _emit(m: int, e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Some squares of one image, for some blocks of channels.

    `rows` and `columns` say for every row and column that squares read how many bytes into the
    image it begins; negative in the border, which reads `zeros`.
    """
    n = m + 2
    _, widest = tile.shape(e.width, e.registers)
    bytes_ = e.width * 4
    wide = widest * bytes_
    share = a.images * a.chunks
    first_block, rest = task // share * a.blocks_each, task % share
    last_block = e.smaller(first_block + a.blocks_each, a.block_count)
    image, first = rest // a.chunks, rest % a.chunks * a.each
    count = e.smaller(a.squares - first, a.each)

    v = scratch + SCRATCH_BYTES
    v_row = a.depth * 4 + LINE  # rows that far apart do not push each other out of the caches
    v_plane = v_row * a.each
    made = v + v_plane * (n * n)
    made_row = a.blocks_each * wide
    made_plane = made_row * a.each
    y = made + made_plane * (n * n)

    with e.when(a.depth > a.channels):
        e.clear(v, v_plane * (n * n))
    x = a.x + image * a.x_image

    def inputs(square: Value) -> list[list[Value]]:
        """Where the inputs of a square begin."""
        down, right = square // a.across * m, square % a.across * m
        downs = [e.load_int(a.rows + down * 8, 8 * i) for i in range(n)]
        rights = [e.load_int(a.columns + right * 8, 8 * j) for j in range(n)]
        return [[e.select((i | j) < 0, a.zeros, x + i + j) for j in rights] for i in downs]

    with e.loop(0, count) as t:
        taps, to = inputs(first + t), v + t * v_row
        for at in e.vectors(a.channels):
            given = _both(_input, e, m, [[e.load(tap, at) for tap in row] for row in taps])
            for k, value in enumerate(itertools.chain(*given)):
                e.store(value, to + v_plane * k, at)

    with e.loop(0, n * n) as plane, e.loop(first_block, last_block) as b:
        entry = a.blocks + b * (8 * len(BLOCK))
        vectors = e.load_int(entry, 8 * BLOCK.index("vectors"))
        weights = e.load_int(entry, 8 * BLOCK.index("weights")) + plane * a.depth * vectors * bytes_
        source, to = v + plane * v_plane, made + plane * made_plane + (b - first_block) * wide

        def block_of(many: int, weights=weights, source=source, to=to):
            def act(function, p, _):
                e.call(
                    function, source + p * v_row, v_row, a.depth, weights, to + p * made_row,
                    made_row,
                )  # fmt: skip

            return lambda: tiles(e, many, count, act, tile.emit_in_parts)

        e.match(vectors, [(many, block_of(many)) for many in range(1, widest + 1)])

    low, high = e.spread(e.number(a.low)), e.spread(e.number(a.high))
    with e.loop(first_block, last_block) as b:
        entry = a.blocks + b * (8 * len(BLOCK))
        weights, bias, channel, channels, vectors = (
            e.load_int(entry, 8 * i) for i in range(len(BLOCK))
        )
        row_bytes = vectors * bytes_
        from_ = made + (b - first_block) * wide
        done = e.var(0)
        with e.forever() as leave_if:  # all squares that lie side by side
            start = done.value
            leave_if(start >= count)
            row, column = (first + start) // a.across, (first + start) % a.across
            many = e.smaller(a.across - column, count - start)
            done.set(start + many)
            line = many * m * row_bytes
            with e.loop(0, many) as t, e.loop(0, row_bytes, bytes_) as at:
                source = from_ + (start + t) * made_row + at
                planes = [e.load(source + made_plane * k) for k in range(n * n)]
                to = y + t * m * row_bytes + at

                def write(sums: list[list[Value]], at=at, to=to) -> None:
                    for i, j in itertools.product(range(m), range(m)):
                        value = sums[i][j] + e.load(bias, at)
                        value = e.smaller(e.larger(value, low), high)
                        e.store(value, to + line * i + row_bytes * j)

                made_of = [planes[i : i + n] for i in range(0, n * n, n)]
                sums = _both(_output, e, m, made_of)
                write(sums)
                nothing = e.load(bias + row_bytes, at)  # NaN as soon as a sum is no number
                for total in itertools.chain(*sums):
                    nothing = e.fma(total, 0.0, nothing)
                with e.when(~e.everywhere(nothing.equals(0.0))):
                    taps = inputs(first + start + t)
                    write(
                        _directly(
                            e, m, taps, a.channels, weights + at, row_bytes, a.depth * row_bytes
                        )
                    )
            pixel = row * m * a.row_length + column * m
            length = e.smaller(a.row_length - column * m, many * m)
            with e.loop(0, e.smaller(a.column_length - row * m, m)) as r:
                place = image * a.pixels + pixel + r * a.row_length
                after(
                    e, a, place, length, a.y_pixel, channel, channels, y + line * r, row_bytes,
                    scratch,
                )  # fmt: skip


@compiled(ARGUMENTS)
def winograd2(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Squares of 2 x 2 outputs."""
    _emit(2, e, a, task, scratch)


@compiled(ARGUMENTS)
def winograd4(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Squares of 4 x 4 outputs."""
    _emit(4, e, a, task, scratch)


KERNELS = {2: winograd2, 4: winograd4}
