"""Pooling, depthwise convolution, resampling, borders: kernels that pass over pixels, channels innermost."""

from __future__ import annotations

from npforward.kernels.native import functions
from npforward.kernels.native.elementwise import SCRATCH_BYTES, after
from npforward.kernels.native.emit import F32, Emitter, Value
from npforward.kernels.native.library import Arguments, compiled

GEOMETRY = "row_length rows row_taps columns column_taps"


def taps(e: Emitter, a: Arguments, pixel: Value, x: Value, to: Value, weights: Value | None):
    """List the addresses of a pixel's taps that lie within the image, each with its weights'.

    `rows` and `columns` are tables as those of `conv`.  Gives the number of taps.
    """
    row, column = pixel // a.row_length, pixel % a.row_length
    count = e.var(0)
    with e.loop(0, a.row_taps) as i:
        down = e.load_int(a.rows + (row * a.row_taps + i) * 8)
        with e.loop(0, a.column_taps) as j:
            right = e.load_int(a.columns + (column * a.column_taps + j) * 8)
            with e.when((down | right) >= 0):
                entry = to + count.value * 16
                e.store_int(x + down + right, entry)
                if weights is not None:
                    tap = i * a.column_taps + j
                    e.store_int(weights + tap * a.channels * 4, entry, 8)
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
        count = taps(e, a, pixel, x, scratch, None)
        y = a.y + (image * a.pixels + pixel) * a.channels * 4
        number = Value(e, e.builder.sitofp(count.ir, F32))

        def passed(join, end, count=count, y=y) -> None:
            for at, many in groups_of_vectors(e, a.channels, 4):
                width = e.lanes * 4
                start = e.load_int(scratch)
                totals = [e.var(e.load(start + at, k * width)) for k in range(many)]
                with e.loop(1, count) as t:
                    met = e.load_int(scratch + t * 16) + at
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
    f"x x_image y weights bias channels images pixels band bands {GEOMETRY} low high "
    "chain table steps"
)
def depthwise(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Each channel with its own kernel, then a chain on what was made."""
    chains, scratch = scratch, scratch + SCRATCH_BYTES
    image, first = task // a.bands, task % a.bands * a.band
    x = a.x + image * a.x_image
    last = e.smaller(first + a.band, a.pixels)
    low, high = (e.number(v) for v in (a.low, a.high))
    row_bytes = a.channels * 4
    with e.loop(first, last) as pixel:
        count = taps(e, a, pixel, x, scratch, a.weights)
        y = a.y + (image * a.pixels + pixel) * row_bytes
        for at, many in groups_of_vectors(e, a.channels, 4):
            width = e.lanes * 4
            totals = [e.var(e.load(a.bias + at, k * width)) for k in range(many)]
            with e.loop(0, count) as t:
                entry = scratch + t * 16
                met, tap = e.load_int(entry) + at, e.load_int(entry, 8) + at
                for k, total in enumerate(totals):
                    here = e.load(met, k * width)
                    total.set(e.fma(here, e.load(tap, k * width), total.value))
            for k, total in enumerate(totals):
                value = e.smaller(e.larger(total.value, e.spread(low)), e.spread(high))
                e.store(value, y + at, k * width)
    row = image * a.pixels + first
    wide = 4 * e.width
    with e.loop(0, a.channels, wide) as channel:
        channels = e.smaller(a.channels - channel, wide)
        made = a.y + row * row_bytes + channel * 4
        after(
            e, a, row, last - first, row_bytes, channel * 4, channels, made, row_bytes, chains
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
    lie one after another.  A task takes `each` of the `outs` slices at one place of the axes before.
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
                        total.set(e.fma(e.load(met, k * width), weight, total.value))
                for k, total in enumerate(totals):
                    e.store(total.value, y + at, k * width)

        def between() -> None:
            other, share = x + e.load_int(index, 8), e.load_float(a.weights + o * 4)
            for at in e.vectors(a.inner):
                here = e.load(start, at)
                e.store(e.fma(e.load(other, at) - here, e.spread(share), here), y, at)

        def taken() -> None:
            for at in e.vectors(a.inner):
                e.store(e.load(start, at), y, at)

        e.match(a.kind, [(SUM, added), (BETWEEN, between), (TAKEN, taken)])
