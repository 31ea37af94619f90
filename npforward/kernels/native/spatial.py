"""Pooling, depthwise convolution, resampling, borders: passes over pixels, channels innermost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npforward.kernels.native import functions
from npforward.kernels.native.elementwise import after
from npforward.kernels.native.library import Arguments, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value, Variable

    Sums = Sequence[Sequence[Variable]]

PIXELS = 4  # of a depthwise convolution that are made at once
GEOMETRY = "row_length rows row_taps columns column_taps"


def taps(e: Emitter, a: Arguments, pixel: Value, x: Value, to: Value) -> Value:
    """List the addresses of a pixel's taps that lie within the image; gives their number.

    `rows` and `columns` are tables as those of `conv`.
    """
    row, column = pixel // a.row_length, pixel % a.row_length
    count = e.var(0)
    with e.loop(0, a.row_taps) as i:
        down = e.load_int(a.rows + (row * a.row_taps + i) * 8)
        with e.loop(0, a.column_taps) as j:
            right = e.load_int(a.columns + (column * a.column_taps + j) * 8)
            with e.when((down | right) >= 0):
                e.store_int(x + down + right, to + count.value * 8)
                count.set(count.value + 1)
    return count.value


def groups_of_vectors(e: Emitter, count: Value, most: int):
    """(offset, how many vectors) to pass over `count` numbers; the last ones one by one."""
    done = e.integer(0)
    for many, lanes in ((most, e.width), (1, e.width), (1, 1)):
        step = many * lanes
        whole = count - count % step
        with e.loop(done, whole, step) as i:
            e.lanes = lanes
            yield i * 4, many
        e.lanes = e.width
        done = whole


@compiled(f"x x_image y channels images pixels band bands {GEOMETRY} mean")
def pool(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """The largest number of each window, or the mean of those within the image."""
    image, first = task // a.bands, task % a.bands * a.band
    x = a.x + image * a.x_image
    with e.loop(first, e.smaller(first + a.band, a.pixels)) as pixel:
        count = taps(e, a, pixel, x, scratch)
        y = a.y + (image * a.pixels + pixel) * a.channels * 4
        number = e.real_of(count)

        def passed(join, end, count=count, y=y) -> None:
            for at, many in groups_of_vectors(e, a.channels, 4):
                width = e.lanes * 4
                start = e.load_int(scratch)
                totals = [e.var(e.load(start + at, k * width)) for k in range(many)]
                with e.loop(1, count) as t:
                    met = e.load_int(scratch + t * 8) + at
                    for k, total in enumerate(totals):
                        total.set(join(total.value, e.load(met, k * width)))
                for k, total in enumerate(totals):
                    e.store(end(total.value), y + at, k * width)

        with e.either(a.mean.equals(0)) as (largest, mean):
            with largest:
                passed(lambda m, v: functions.unless_nan(e, v, e.larger(m, v)), lambda m: m)
            with mean:
                passed(lambda m, v: m + v, lambda m, number=number: m / e.spread(number))


@compiled(
    f"x x_image y weights bias channels images pixels band bands {GEOMETRY} inner_first inner_last "
    "pixel_step tap_step low high chain table steps"
)
def depthwise(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Each channel with its own kernel, then a chain on what was made.

    Columns from `inner_first` to `inner_last` have all their taps within the image.  So many pixels
    of them are made at once that the sums just fit the registers.
    """
    image, first = task // a.bands, task % a.bands * a.band
    x = a.x + image * a.x_image
    last = e.smaller(first + a.band, a.pixels)
    low, high = (e.number(v) for v in (a.low, a.high))
    row_bytes = a.channels * 4

    def each(sums: Sums, met: Value, tap: Value) -> None:
        """Add one tap of each pixel."""
        width = e.lanes * 4
        weights = [e.load(tap, k * width) for k in range(len(sums[0]))]
        for p, of_pixel in enumerate(sums):
            for k, total in enumerate(of_pixel):
                here = e.load(met + a.pixel_step * p, k * width)
                total.set(e.fma(here, weights[k], total.value))

    def sharing(sums: Sums, met: Value, tap: Value, taps: int) -> None:
        """Add a row of taps of pixels as far apart as the taps: what one read, the next needs."""
        width = e.lanes * 4
        vectors = range(len(sums[0]))
        weights = [[e.load(tap + row_bytes * j, k * width) for k in vectors] for j in range(taps)]
        for place in range(len(sums) + taps - 1):
            here = [e.load(met + a.pixel_step * place, k * width) for k in vectors]
            for j in range(taps):
                if 0 <= place - j < len(sums):
                    for k, total in enumerate(sums[place - j]):
                        total.set(e.fma(here[k], weights[j][k], total.value))

    def pixels(many: int, vectors: int, row: Value, taps: Value | int, x: Value, w: Value, y: Value,
               at: Value) -> None:  # fmt: skip
        """So many neighbours, some vectors of each, from the first of their `taps` within."""
        width = e.lanes * 4
        sums = [
            [e.var(e.load(a.bias + at, k * width)) for k in range(vectors)] for _ in range(many)
        ]
        with e.loop(0, a.row_taps) as i:
            down = e.load_int(a.rows + (row * a.row_taps + i) * 8)
            with e.when(down >= 0):
                met, tap = x + down + at, w + i * a.column_taps * row_bytes + at
                if isinstance(taps, int):
                    sharing(sums, met, tap, taps)
                else:
                    with e.loop(0, taps) as j:
                        each(sums, met + j * a.tap_step, tap + j * row_bytes)
        for p in range(many):
            for k in range(vectors):
                value = e.smaller(e.larger(sums[p][k].value, e.spread(low)), e.spread(high))
                e.store(value, y + row_bytes * p + at, k * width)

    at_pixel = e.var(first)
    with e.forever() as leave_if:
        pixel = at_pixel.value
        leave_if(pixel >= last)
        row, column = pixel // a.row_length, pixel % a.row_length
        inside = (column >= a.inner_first) & (column < a.inner_last)
        count = e.select(inside, e.smaller(last - pixel, a.inner_last - column), e.integer(1))
        at_pixel.set(pixel + count)
        missing, within = e.var(0), e.var(0)
        with e.loop(0, a.column_taps) as j:
            outside = e.load_int(a.columns + (column * a.column_taps + j) * 8) < 0
            before = outside & within.value.equals(0)
            missing.set(missing.value + e.select(before, e.integer(1), 0))
            within.set(within.value + e.select(outside, e.integer(0), 1))
        skipped, taps_within = missing.value, within.value
        entry = e.smaller(skipped, a.column_taps - 1)
        begin = x + e.load_int(a.columns + (column * a.column_taps + entry) * 8)
        weights = a.weights + skipped * row_bytes
        y = a.y + (image * a.pixels + pixel) * row_bytes
        near = a.tap_step.equals(a.pixel_step)
        done = e.var(0)

        def passed(taps: Value | int, many: int) -> None:
            """As many neighbours at once while there are so many."""
            high = min(4, e.registers // (2 * many))
            whole = count - (count - done.value) % many
            with e.loop(done.value, whole, many) as p:
                here, to = begin + p * a.pixel_step, y + p * row_bytes
                for at, vectors in groups_of_vectors(e, a.channels, high):
                    pixels(many, vectors, row, taps, here, weights, to, at)
            done.set(whole)

        for size in (3, 5):
            with e.when(near & taps_within.equals(size)):
                passed(size, PIXELS)
        passed(taps_within, PIXELS)
        passed(taps_within, 1)
    row = image * a.pixels + first
    wide = 4 * e.width
    with e.loop(0, a.channels, wide) as channel:
        channels = e.smaller(a.channels - channel, wide)
        made = a.y + row * row_bytes + channel * 4
        after(
            e, a, row, last - first, row_bytes, channel * 4, channels, made, row_bytes, scratch
        )  # fmt: skip


@compiled("x y images rows columns before_rows after_rows before_columns after_columns pixel value")
def border(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """One row of an image with a border of `value`; `pixel` is the bytes of one pixel."""
    high = a.before_rows + a.rows + a.after_rows
    wide = a.before_columns + a.columns + a.after_columns
    image, row = task // high, task % high - a.before_rows
    y = a.y + task * wide * a.pixel
    value = e.number(a.value)

    def fill(to: Value, nbytes: Value) -> None:
        for at in e.vectors(nbytes // 4):
            e.store(e.spread(value), to, at)

    with e.either((row >= 0) & (row < a.rows)) as (inside, outside):
        with inside:
            left, middle = a.before_columns * a.pixel, a.columns * a.pixel
            fill(y, left)
            e.copy(y + left, a.x + (image * a.rows + row) * middle, middle)
            fill(y + left + middle, a.after_columns * a.pixel)
        with outside:
            fill(y, wide * a.pixel)


SUM, BETWEEN, TAKEN = range(3)  # what `resample` makes of the slices that it finds


@compiled("x y kind index weights taps outs each parts x_slice inner")
def resample(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Slices along an axis, made of others: their weighted sum, one between two, or one of them.

    `index` is a table of where in memory the `taps` of each begin; the numbers of a slice, `inner`,
    lie one after another.  A task takes `each` of the `outs` slices at a place of the axes before.
    Each product and sum is rounded, as numpy has it: pictures of whole numbers are rounded next.
    """
    place, first = task // a.parts, task % a.parts * a.each
    x = a.x + place * a.x_slice
    with e.loop(first, e.smaller(first + a.each, a.outs)) as o:
        y = a.y + (place * a.outs + o) * a.inner * 4
        index = a.index + o * a.taps * 8
        weights = a.weights + o * a.taps * 4
        start = x + e.load_int(index)

        def added() -> None:
            for at, many in groups_of_vectors(e, a.inner, 4):
                width = e.lanes * 4
                weight = e.broadcast(weights)
                totals = [e.var(e.load(start + at, k * width) * weight) for k in range(many)]
                with e.loop(1, a.taps) as t:
                    met, weight = x + e.load_int(index + t * 8) + at, e.broadcast(weights + t * 4)
                    for k, total in enumerate(totals):
                        total.set(total.value + e.load(met, k * width) * weight)
                for k, total in enumerate(totals):
                    e.store(total.value, y + at, k * width)

        def between() -> None:
            other, share = x + e.load_int(index, 8), e.load_float(a.weights + o * 4)
            for at in e.vectors(a.inner):
                here = e.load(start, at)
                e.store(here + (e.load(other, at) - here) * e.spread(share), y, at)

        def taken() -> None:
            for at in e.vectors(a.inner):
                e.store(e.load(start, at), y, at)

        e.match(a.kind, [(SUM, added), (BETWEEN, between), (TAKEN, taken)])
