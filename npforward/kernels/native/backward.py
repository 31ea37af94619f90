"""Derivatives of windows over pixels: what kernels, and what largest numbers, got of a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npforward.kernels.native import tile
from npforward.kernels.native.library import Arguments, compiled
from npforward.kernels.native.spatial import groups_of_vectors

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

# Words of a product in tables: where its input, gradient and answer begin; rows and columns of the
# image that it goes over, first and last.
ENTRY = 7
FEWER = 4, 2, 1  # rows of a tile, for what remains of the channels of the input


def _entry(e: Emitter, table: Value, n: Value) -> list[Value]:
    """What a table says of a product."""
    return [e.load_int(table + n * (8 * ENTRY), 8 * i) for i in range(ENTRY)]


@compiled(
    "x x_image x_row x_column g g_image g_row g_column y y_row table images inward channels parts "
    "each rows rows_each taps together"
)
def outer(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Which inputs met which gradients: the sum of products of pixels' channels, Σ xᵀ g.

    Of a convolution's kernel each tap is such a product, over those pixels that it meets.  So many
    rows of the image at a time are passed through for all tiles of the result that they stay in
    the nearest cache; those taps that a task has take turns while the rows are in the next.
    """
    group, first = task // a.parts, task % a.parts * a.each
    last = e.smaller(first + a.each, a.inward)
    tap_first = group * a.together
    tap_last = e.smaller(tap_first + a.together, a.taps)
    row_bytes = a.channels * 4
    with e.loop(tap_first, tap_last) as tap:
        _, _, begin_y, top, bottom, _, _ = _entry(e, a.table, tap)
        with e.when(bottom <= top), e.loop(first, last) as m:  # it meets no pixel
            e.clear(a.y + begin_y + m * a.y_row, row_bytes)
    pixels, vectors = tile.shape(e.width, e.registers)

    def summed(rows: int, many: int, x: Value, g: Value, y: Value, new: Value, high: Value,
               left: Value, right: Value) -> None:  # fmt: skip
        """Add to a tile of the result what some rows of the image give; a new one has nothing."""
        width = e.lanes * 4
        sums = [[e.var(e.real(0.0)) for k in range(many)] for m in range(rows)]
        with e.when(~new):
            for m in range(rows):
                for k in range(many):
                    sums[m][k].set(e.load(y + a.y_row * m, k * width))
        with e.loop(0, high) as r, e.loop(left, right) as c:
            met, error = x + r * a.x_row + c * a.x_column, g + r * a.g_row + c * a.g_column
            errors = [e.load(error, k * width) for k in range(many)]
            for m in range(rows):
                number = e.broadcast(met, 4 * m)
                for k in range(many):
                    sums[m][k].set(e.fma(number, errors[k], sums[m][k].value))
        for m in range(rows):
            for k in range(many):
                e.store(sums[m][k].value, y + a.y_row * m, k * width)

    with (
        e.loop(0, a.images) as image,
        e.loop(0, a.rows, a.rows_each) as block,
        e.loop(tap_first, tap_last) as tap,
    ):
        begin, begin_g, begin_y, top, bottom, left, right = _entry(e, a.table, tap)
        row = e.larger(top, block)
        high = e.smaller(bottom, block + a.rows_each) - row
        x = a.x + image * a.x_image + begin + row * a.x_row
        g = a.g + begin_g + image * a.g_image + row * a.g_row
        y, new = a.y + begin_y, image.equals(0) & row.equals(top)
        with e.when(high > 0):
            for at, many in groups_of_vectors(e, a.channels, vectors):
                done = first
                for rows in (pixels, *FEWER):
                    whole = last - (last - done) % rows
                    with e.loop(done, whole, rows) as m:
                        to = y + m * a.y_row + at
                        summed(rows, many, x + m * 4, g + at, to, new, high, left, right)
                    done = whole


@compiled("x x_image x_row x_column g g_image g_row g_column y table images channels parts each")
def depthwise_dw(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """The same for a kernel of each channel alone: a tap of some channels."""
    n, first = task // a.parts, task % a.parts * a.each
    count = e.smaller(first + a.each, a.channels) - first
    begin, begin_g, begin_y, top, bottom, left, right = _entry(e, a.table, n)
    for at, many in groups_of_vectors(e, count, 4):
        width, place = e.lanes * 4, first * 4 + at
        totals = [e.var(e.real(0.0)) for _ in range(many)]
        sums = [e.var(e.real(0.0)) for _ in range(many)]  # of a row: short ones lose less
        with e.loop(0, a.images) as image, e.loop(top, bottom) as row:
            x = a.x + image * a.x_image + begin + row * a.x_row + place
            g = a.g + begin_g + image * a.g_image + row * a.g_row + place
            for part in sums:
                part.set(e.real(0.0))
            with e.loop(left, right) as c:
                met, error = x + c * a.x_column, g + c * a.g_column
                for k, part in enumerate(sums):
                    here, there = e.load(met, k * width), e.load(error, k * width)
                    part.set(e.fma(here, there, part.value))
            for total, part in zip(totals, sums, strict=True):
                total.set(total.value + part.value)
        for k, total in enumerate(totals):
            e.store(total.value, a.y + begin_y + place, k * width)


@compiled("x y rows channels parts each")
def row_sums(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """The sum of rows of channels; of blocks first, for what a long sum loses grows with it."""
    place, first = task // a.parts, task % a.parts * a.each
    count = e.smaller(first + a.each, a.channels) - first
    row_bytes = a.channels * 4
    x, y = a.x + place * a.rows * row_bytes + first * 4, a.y + place * row_bytes + first * 4
    for at, many in groups_of_vectors(e, count, 4):
        width = e.lanes * 4
        zero = e.real(0.0)
        totals = [e.var(zero) for _ in range(many)]
        parts = [e.var(zero) for _ in range(many)]
        with e.loop(0, a.rows, 64) as block:
            for part in parts:
                part.set(zero)
            with e.loop(block, e.smaller(block + 64, a.rows)) as row:
                for k, part in enumerate(parts):
                    part.set(part.value + e.load(x + row * row_bytes + at, k * width))
            for total, part in zip(totals, parts, strict=True):
                total.set(total.value + part.value)
        for k, total in enumerate(totals):
            e.store(total.value, y + at, k * width)


@compiled("x y g dx x_rows x_columns rows columns channels high wide")
def max_pool_dx(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """A row of windows that do not overlap: each gradient goes to the first largest number."""
    image, row = task // a.rows, task % a.rows
    pixel = a.channels * 4
    x_row = a.x_columns * pixel
    start = (image * a.x_rows + row * a.high) * x_row
    x, dx = a.x + start, a.dx + start
    last = row.equals(a.rows - 1)
    height = e.select(last, a.x_rows - row * a.high, a.high)
    with e.when(~(a.x_columns.equals(a.columns * a.wide) & height.equals(a.high))):
        e.clear(dx, height * x_row)  # what no window has
    with e.loop(0, a.columns) as column:
        at_y = ((image * a.rows + row) * a.columns + column) * pixel
        at_x = column * a.wide * pixel
        for at, many in groups_of_vectors(e, a.channels, 4):
            width = e.lanes * 4
            largest = [e.load(a.y + at_y + at, k * width) for k in range(many)]
            left = [e.var(e.load(a.g + at_y + at, k * width)) for k in range(many)]
            with e.loop(0, a.high) as down, e.loop(0, a.wide) as right:
                place = at_x + down * x_row + right * pixel + at
                for k in range(many):
                    here = e.load(x + place, k * width)
                    g = left[k].value
                    met = here.equals(largest[k])
                    e.store(e.select(met, g, 0.0), dx + place, k * width)
                    left[k].set(e.select(met, 0.0, g))
