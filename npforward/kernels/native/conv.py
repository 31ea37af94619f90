"""Convolutions and products with a matrix, on tiles of the output."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from npforward.kernels.native import tile
from npforward.kernels.native.elementwise import SCRATCH_BYTES, after
from npforward.kernels.native.library import Arguments, compiled
from npforward.kernels.native.memory import LINE

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

# Numbers that are summed at a time: few enough that a sum of sums is as exact as Keras's own.
SUMMED = 128
ROWS = 8  # of a large matrix, read together
LOWEST, HIGHEST = 0xFF800000, 0x7F800000  # the bits of -∞ and ∞

# A block of output channels, in the table of blocks: where its weights and its bias begin, its
# channels in the output and their number, its channels in the input, its width in vectors, and
# which runs of the receptive field it has weights for: the first, and how many.
BLOCK = ("weights", "bias", "channel", "channels", "inward", "vectors", "first_run", "runs")


def tiles(e: Emitter, vectors: int, count: Value, act, emit=tile.emit) -> None:
    """Call ``act(function, first, n)`` for tiles of n pixels that make up `count`."""
    pixels, _ = tile.shape(e.width, e.registers)
    full = emit(e, pixels, vectors)
    whole = count - count % pixels
    with e.loop(0, whole, pixels) as first:
        act(full, first, pixels)

    def remainder(n: int):
        return lambda: act(emit(e, n, vectors), whole, n)

    e.match(count - whole, [(n, remainder(n)) for n in range(1, pixels)])


@compiled(
    "x x_image y y_pixel direct blocks block_count blocks_each images pixels band bands "
    "strip strips image_rows row_length rows row_taps columns column_taps order pieces zeros run "
    "runs_each low high chain table steps ahead ahead_count"
)
def conv(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A band of pixels of one image, for some blocks of channels.

    `rows` and `columns` are tables: for every row (column) of the output and every tap of the
    kernel, how many bytes into the image its input begins; negative in the border, which reads
    `zeros`.  In which `order` the taps, as pairs of these, are summed is said by a table of the
    place of each: those of which a block has weights are neighbours.  Taps are cut into `pieces`,
    so many of which are summed at a time that their weights stay in the nearest cache; besides, a
    sum of sums loses less than a long one.  The sums of a block are kept close together; its chain
    reads them there, and writes what is wanted.  If there is nothing to do but to write them,
    `direct`, they are summed where the output is.

    The pixels of an image make `image_rows` rows of the output: one after another, or in strips of
    so many pixels, of which the table `strips` says where in the image each begins.

    Where arrays begin whose lines the chain will want for the pixels of a tile is said by the table
    `ahead`: they come while the tile is summed.
    """
    _, widest = tile.shape(e.width, e.registers)
    chains, sums = scratch, scratch + SCRATCH_BYTES
    scratch = sums + a.band * (widest * e.width * 4)
    share = a.images * a.bands
    group, rest = task // share, task % share
    image, band = rest // a.bands, rest % a.bands
    first = band * a.band
    count = e.smaller(a.pixels - first, a.band)

    next_run = a.band * 8
    x = a.x + image * a.x_image
    # Which row and column of tables a pixel has: found once, then counted on.
    taps_down, taps_right = a.row_taps * 8, a.column_taps * 8  # bytes
    down_from = e.var(a.rows + (first // a.row_length) * taps_down)
    right_from = e.var(a.columns + (first % a.row_length) * taps_right)
    row_end = a.columns + a.row_length * taps_right
    with e.loop(0, count) as q:
        with e.loop(0, taps_down, 8) as i:
            down = e.load_int(down_from.value + i)
            with e.loop(0, taps_right, 8) as j:
                right = e.load_int(right_from.value + j)
                begin = e.select((down | right) < 0, a.zeros, x + down + right)
                order = e.load_int(a.order + i * a.column_taps + j)
                entry = scratch + q * 8 + order * a.pieces * next_run
                with e.loop(0, a.pieces) as piece:
                    e.store_int(begin + piece * (a.run * 4), entry + piece * next_run)
        further = right_from.value + taps_right
        over = further >= row_end
        right_from.set(e.select(over, a.columns, further))
        down_from.set(down_from.value + e.select(over, taps_down, 0))

    block = group * a.blocks_each
    with e.loop(block, e.smaller(block + a.blocks_each, a.block_count)) as b:
        entry = a.blocks + b * (8 * len(BLOCK))
        weights, bias, channel, channels, inward, vectors, first_run, runs = (
            e.load_int(entry, 8 * i) for i in range(len(BLOCK))
        )
        table = scratch + first_run * next_run

        row_bytes = vectors * (4 * e.width)
        run_bytes = row_bytes * a.run
        row = image * a.image_rows
        direct = a.direct.equals(1) & channels.equals(vectors * e.width)
        place = (row + first) * a.y_pixel + channel
        made = e.select(direct, a.y + place, sums)
        made_bytes = e.select(direct, a.y_pixel, row_bytes)
        with e.loop(0, e.larger(runs, 1), a.runs_each) as run:
            some = e.smaller(runs - run, a.runs_each)
            first_runs = run.equals(0)
            from_ = e.select(first_runs, bias, a.zeros)
            going_on = e.select(first_runs, 0, e.integer(1))
            last_runs = run + a.runs_each >= runs
            low = e.select(last_runs, a.low, e.integer(LOWEST))
            high = e.select(last_runs, a.high, e.integer(HIGHEST))
            ahead = e.select(last_runs, a.ahead_count, 0) * 8

            def block_of(n: int):
                def act(function, p, pixels):
                    with e.loop(0, ahead, 8) as i:
                        lines = e.load_int(a.ahead + i) + place + p * a.y_pixel
                        for q, at in itertools.product(
                            range(pixels), range(0, n * e.width * 4, LINE)
                        ):
                            e.prefetch(lines + a.y_pixel * q, at)
                    e.call(
                        function, table + p * 8 + run * next_run, next_run, some, a.run, inward,
                        weights + run * run_bytes, from_, going_on, made + p * made_bytes,
                        made_bytes, low, high,
                    )  # fmt: skip

                return lambda: tiles(e, n, count, act)

            e.match(vectors, [(n, block_of(n)) for n in range(1, widest + 1)])
        with e.when(~direct):
            last = first + count
            at = e.var(first)
            with e.forever() as leave_if:
                pixel = at.value
                leave_if(pixel >= last)
                strip, into = pixel // a.strip, pixel % a.strip
                some = e.smaller(last - pixel, a.strip - into)
                at.set(pixel + some)
                begin = row + e.load_int(a.strips + strip * 8) + into
                made = sums + (pixel - first) * row_bytes
                after(e, a, begin, some, a.y_pixel, channel, channels, made, row_bytes, chains)


@compiled(
    "a a_offsets a_row b b_offsets b_row b_column y y_offsets y_row rows columns depth band bands"
)
def matmul(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Some rows of one of many products of matrices, which lie in memory in any way.

    The offsets are tables: where each matrix begins.  The numbers of a row of the first lie one
    after another, those of the second are laid out for the tiles first.
    """
    item, first = task // a.bands, task % a.bands * a.band
    count = e.smaller(a.rows - first, a.band)
    left = a.a + e.load_int(a.a_offsets + item * 8) + first * a.a_row
    right = a.b + e.load_int(a.b_offsets + item * 8)
    y = a.y + e.load_int(a.y_offsets + item * 8) + first * a.y_row
    with e.loop(0, count) as q:
        e.store_int(left + q * a.a_row, scratch + q * 8)
    _, vectors = tile.shape(e.width, e.registers)
    wide = vectors * e.width
    sums = scratch + a.band * 8
    zeros = sums + a.band * (wide * 4)
    e.clear(zeros, e.integer(wide * 4))
    packed = zeros + wide * 4
    with e.loop(0, a.columns, wide) as column:
        columns = e.smaller(a.columns - column, wide)
        source = right + column * a.b_column
        with e.loop(0, a.depth) as k:
            row, to = source + k * a.b_row, packed + k * (wide * 4)
            with e.either(a.b_column.equals(4) & columns.equals(wide)) as (dense, sparse):
                with dense:
                    for j in range(vectors):
                        e.store(e.load(row, j * e.width * 4), to, j * e.width * 4)
                with sparse, e.loop(0, columns) as c:
                    e.store(e.load_float(row, c * a.b_column), to, c * 4)

        with e.loop(0, a.depth, SUMMED) as k:
            going_on = e.select(k > 0, e.integer(1), 0)
            some = e.smaller(a.depth - k, SUMMED)

            def act(function, p, _):
                e.call(
                    function, scratch + p * 8, 0, 1, some, k * 4, packed + k * (wide * 4), zeros,
                    going_on, sums + p * (wide * 4), wide * 4, LOWEST, HIGHEST,
                )  # fmt: skip

            tiles(e, vectors, count, act)
        with e.loop(0, count) as q:
            made, to = sums + q * (wide * 4), y + q * a.y_row + column * 4
            for at in e.vectors(columns):
                e.store(e.load(made, at), to, at)


@compiled("x x_row w bias y y_row rows depth columns part parts")
def few_rows(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A few rows times a large matrix as it lies in memory: as fast as that can be read.

    Each task sums over a part of the depth, into a result of its own.
    """
    first = task * a.part
    last = e.smaller(first + a.part, a.depth)
    result = a.y + task * a.rows * a.y_row
    row_bytes = a.columns * 4
    with e.loop(0, a.rows) as r, e.either(task.equals(0)) as (start, zero):
        with start:
            e.copy(result + r * a.y_row, a.bias, row_bytes)
        with zero:
            e.clear(result + r * a.y_row, row_bytes)

    def sweep(k: Value, many: int) -> None:
        weights = a.w + k * row_bytes
        with e.loop(0, a.rows) as r:
            xs = [e.load_float(a.x + r * a.x_row, (k + i) * 4) for i in range(many)]
            to = result + r * a.y_row
            for at in e.vectors(a.columns):
                total = e.spread(xs[0]) * e.load(weights, at)
                for i, x in enumerate(xs[1:], start=1):
                    total = e.fma(e.spread(x), e.load(weights + row_bytes * i, at), total)
                e.store(e.load(to, at) + total, to, at)

    whole = last - (last - first) % ROWS
    with e.loop(first, whole, ROWS) as k:
        sweep(k, ROWS)
    with e.loop(whole, last) as k:
        sweep(k, 1)


@compiled("x parts y rows columns low high chain table steps")
def add_parts(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """The sum of the results that the tasks of `few_rows` had, then a chain."""
    row_bytes = a.columns * 4
    part_bytes = a.rows * row_bytes
    low, high = e.number(a.low), e.number(a.high)
    with e.loop(0, a.rows) as r:
        row = r * row_bytes
        for at in e.vectors(a.columns):
            total = e.var(e.load(a.x + row, at))
            with e.loop(1, a.parts) as part:
                total.set(total.value + e.load(a.x + part * part_bytes + row, at))
            value = e.smaller(e.larger(total.value, e.spread(low)), e.spread(high))
            e.store(value, a.y + row, at)
    with e.loop(0, a.columns, 4 * e.width) as channel:
        channels = e.smaller(a.columns - channel, 4 * e.width)
        made = a.y + channel * 4
        after(
            e, a, e.integer(0), a.rows, row_bytes, channel * 4, channels, made, row_bytes, scratch
        )
