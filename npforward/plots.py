"""Pictures of what a network computes: feature maps, vectors, sequences, histograms, filters.

Each layer's channels are one image, tiled here and drawn once, so that a thousand of them take as
long as one.  Functions return figures, never show or print them, and touch no global state of
matplotlib.

The colour map is cividis: its lightness rises evenly, so it survives a black-and-white printer; it
was made for colour-blind readers; and its middle is a grey.  No point of it is like the red that
marks NaN and Inf.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import addresses, classes
from npforward.errors import BadInput, UnknownName, nearest
from npforward.statistics import channel_axes, chunks, is_numeric, layer_at, measure, native
from npforward.statistics import type_name as type_of
from npforward.tables import printable
from npforward.writing import file_name, whole_file, whole_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CMAP = "cividis"
BAD = "#e0123c"  # NaN and Inf
INK, FAINT = "#1f2a44", "#6b7280"  # bars and lines; subtitles and ticks
DPI = 150
WIDTH = 10.0  # inches, of every page
SIDE, FOOT = 0.55, 0.3  # margins, inches
TALLEST = 5.6  # inches, of a drawing
LARGEST_TILE = 2.4  # inches, of one channel among several
SMALL_TILE = 1.0  # inches, of one filter: they are a few pixels each
PAGE = 1024  # channels on one page: tiles of 7 mm
BARS, LINES = 64, 512  # units in a vector drawn as bars, as a line; more are folded
TOP = 10  # classes shown of a softmax


@dataclass(frozen=True)
class Look:
    """How values become pictures."""

    normalize: str | None = "channel"
    cmap: Any = CMAP
    labels: Sequence[str] | None = None
    fold: bool = False  # fold vectors to a rectangle whatever their length
    new_figure: Callable[[], Figure] | None = None

    def __post_init__(self) -> None:
        if self.normalize not in ("channel", "layer", None):
            raise BadInput(
                f"normalize={self.normalize!r}: give 'channel', 'layer' or None (as they are)."
            )
        self.colormap()

    def colormap(self) -> Any:
        import matplotlib

        if self.cmap is None or isinstance(self.cmap, str):
            name = self.cmap or CMAP
            if name not in matplotlib.colormaps:
                raise BadInput(f"no colour map {name!r}. {nearest(name, matplotlib.colormaps)}")
            return matplotlib.colormaps[name]
        return self.cmap

    def paint(self, z: np.ndarray) -> np.ndarray:
        """0..1 and NaN -> colours.  (...) -> (..., 3) uint8"""
        from matplotlib.colors import to_rgb

        colours = np.vstack([self.colormap()(np.linspace(0, 1, 256))[:, :3], to_rgb(BAD)])
        lookup = np.rint(colours * 255).astype(np.uint8)
        bad = np.isnan(z)
        return lookup[np.where(bad, 256, np.rint(np.where(bad, 0, z) * 255)).astype(np.intp)]

    def blank(self) -> Figure:
        from matplotlib.figure import Figure

        return self.new_figure() if self.new_figure else Figure()


# The values of one layer -----------------------------------------------------------------------


def activations(
    trace: Mapping[str, np.ndarray],
    sample: int = 0,
    *,
    normalize: str | None = "channel",
    cmap: Any = CMAP,
    labels: Sequence[str] | None = None,
    layers: str | Iterable[str] | None = None,
) -> Iterator[Figure]:
    """Every channel of every layer of one sample: a figure per value, more if channels are many.

    Parameters
    ----------
    trace : Trace or mapping of names to arrays
        What to draw, in this order.
    sample : int
        Which sample of the batch.
    normalize : {'channel', 'layer', None}
        Colours from two standard deviations below the mean to two above, of each channel or of
        the whole layer; or from the smallest value to the largest.
    cmap : str or Colormap
        The reasons for the default are at the head of this module.
    labels : sequence of str, optional
        Names of the classes of softmax outputs.
    layers : str or iterable of str, optional
        Addresses or globs: draw only these.

    Yields
    ------
    matplotlib.figure.Figure
        Its label (`get_label()`) is the address.

    Examples
    --------
    >>> maps = np.random.default_rng(0).normal(size=(1, 8, 8, 16))
    >>> [figure.get_label() for figure in activations({"conv1": maps})]
    ['conv1']
    """
    look = Look(normalize, cmap, labels)
    chosen = choose(trace, layers)
    for address in chosen:
        check_sample(address, trace[address], sample)
    softmax = classes.softmax_values(trace)
    classes.check_labels(labels, {a: count for a, count in softmax.items() if a in chosen})

    def figures() -> Iterator[Figure]:
        known = getattr(trace, "layers", {})
        axes = channel_axes(trace)
        for address in chosen:
            layer = layer_at(known, address)
            yield from draw(
                trace[address],
                address,
                type_of(known, address),
                look,
                sample=sample,
                channel_axis=axes[address],
                softmax=address in softmax,
                picture=getattr(layer, "type", "") == "InputLayer"
                or address in getattr(trace, "inputs", ()),
            )

    return figures()


def choose(trace: Mapping[str, Any], layers: str | Iterable[str] | None) -> list[str]:
    """The addresses that `layers` names, in the trace's order."""
    if layers is None:
        return list(trace)
    named: set[str] = set()
    for pattern in [layers] if isinstance(layers, str) else layers:
        found = addresses.match(pattern, trace, getattr(trace, "aliases", None))
        if not found:
            raise UnknownName(f"no value is called {pattern!r}. {nearest(pattern, trace)}")
        named.update(found)
    return [address for address in trace if address in named]


def check_sample(address: str, value: np.ndarray, sample: int) -> None:
    samples = len(value) if np.ndim(value) else 1
    if samples == 0:
        raise BadInput(f"{address}: the batch is empty, there is no sample to draw.")
    if not 0 <= sample < samples:
        raise BadInput(f"{address}: no sample {sample}; there are {samples}, numbered from 0.")


def draw(
    value: np.ndarray,
    address: str = "",
    kind: str = "",
    look: Look | None = None,
    *,
    sample: int = 0,
    channel_axis: int = -1,
    softmax: bool = False,
    picture: bool = False,
) -> Iterator[Figure]:
    """One sample of one value, drawn in the way that suits its shape."""
    look = look or Look()
    value = np.asarray(value)
    x = value[sample] if value.ndim else value
    heading = Heading(address, kind, value.shape, sample)
    if not is_numeric(x.dtype):
        yield text_page(heading, look, x)
        return
    if not x.size:
        yield text_page(heading, look, np.array(["(empty)"]))
        return
    x = native(x)
    bad = x.size - int(np.count_nonzero(np.isfinite(x)))
    heading.note = f"{bad:,} NaN or Inf in red" if bad else ""
    if x.ndim >= 2:
        x = np.moveaxis(x, channel_axis % value.ndim - 1, -1)
    if picture and is_picture(x):
        yield picture_page(heading, look, x)
        return
    if max(x.shape, default=1) == x.size:  # one axis of note at most
        x = x.reshape(-1)
    if softmax and x.ndim == 1 and x.size > 1 and not ((x < 0) | (x > 1.01)).any():
        yield softmax_page(heading, look, x)
    elif x.ndim <= 1 and x.size == 1:
        yield scalar_page(heading, look, float(x.reshape(())))
    elif x.ndim == 1 and (x.size > LINES or look.fold):
        yield folded_page(heading, look, x)
    elif x.ndim == 1:
        yield vector_page(heading, look, x)
    elif x.ndim == 2:
        yield sequence_page(heading, look, x)
    elif x.ndim == 3:
        yield from grid_pages(heading, look, np.moveaxis(x, -1, 0))
    else:  # volumes, or pictures over time: the further axes joined, each channel a row of slices
        x = np.moveaxis(x.reshape(-1, *x.shape[-3:]), -1, 0)
        yield from slice_pages(heading, look, x)


@dataclass
class Heading:
    """What stands above a drawing."""

    address: str
    kind: str = ""
    shape: tuple[int, ...] = ()
    sample: int = 0
    note: str = ""

    def place(self, figure: Figure, height: float, *notes: str) -> float:
        """Write title and subtitle; `height` is the drawing's.  Returns the page's height."""
        total = height + FOOT + 0.75
        figure.set_size_inches(WIDTH, total)
        figure.set_label(self.address)
        figure.set_facecolor("white")
        shape = " \u00d7 ".join(map(str, self.shape[1:])) or "scalar"
        batch = self.shape[0] if self.shape else 1
        about = [
            drawable(self.kind, 40),
            shape if self.shape else "",
            f"sample {self.sample} of {batch}" if batch > 1 else "",
            *notes,
            self.note,
        ]
        left = SIDE / WIDTH
        figure.text(
            left,
            1 - 0.2 / total,
            drawable(self.address, 90),
            fontsize=13,
            fontweight="bold",
            color=INK,
            va="top",
            parse_math=False,
        )
        figure.text(
            left,
            1 - 0.48 / total,
            "   ·   ".join(part for part in about if part),
            fontsize=8.5,
            color=FAINT,
            va="top",
            parse_math=False,
        )
        return total


def drawable(text: str, longest: int) -> str:
    """`text` shortened in its middle, with characters that the font lacks as escapes."""
    known = glyphs()
    text = printable(text)
    text = "".join(
        c if ord(c) in known else c.encode("unicode_escape").decode("ascii") for c in text
    )
    half = longest // 2 - 1
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"


@functools.cache
def glyphs() -> frozenset[int]:
    """The characters that matplotlib's own font has; it warns of any other."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def add_axes(
    figure: Figure, total: float, left: float, bottom: float, width: float, height: float
) -> Axes:
    """Axes placed in inches from the lower left corner of a page of WIDTH x `total`."""
    axes = figure.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total))
    axes.tick_params(labelsize=7.5, colors=FAINT, length=2.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


# Feature maps ----------------------------------------------------------------------------------


def bounds(x: np.ndarray, by: str | None) -> tuple[Any, Any]:
    """The values drawn darkest and lightest.  (C, ...) -> two arrays, (C,) by channel, () else

    Two standard deviations to either side of the mean; by None the smallest and largest.  Only
    finite elements count; both bounds are equal where all of them are.
    """
    if by != "channel":
        row = measure(x)
        if row.min is None or row.max is None or row.mean is None or row.std is None:
            return np.float64(0), np.float64(0)
        if by is None or row.min == row.max:
            return np.float64(row.min), np.float64(row.max)
        return np.float64(row.mean - 2 * row.std), np.float64(row.mean + 2 * row.std)
    x = x.reshape(len(x), -1).astype(np.float64)
    finite = np.isfinite(x)
    x[~finite] = 0
    count = np.maximum(finite.sum(axis=1), 1)
    largest = np.abs(x).max(axis=1)
    scale = np.where(largest > 0, largest, 1)  # so that no square overflows or vanishes
    x /= scale[:, None]
    mean = x.sum(axis=1) / count
    std = np.sqrt((np.square(x - mean[:, None]) * finite).sum(axis=1) / count)
    low = np.where(finite, x, np.inf).min(axis=1)
    high = np.where(finite, x, -np.inf).max(axis=1)
    std[low >= high] = 0  # constant, though its mean may be rounded; or nothing finite
    with np.errstate(over="ignore"):
        return (mean - 2 * std) * scale, (mean + 2 * std) * scale


def normalise(x: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Values to 0..1, clipped; all 0.5 where low = high; NaN where not finite.  (C, ...) float64

    Examples
    --------
    >>> x = np.array([[0.0, 1.0, 2.0], [7.0, 7.0, np.inf]])
    >>> normalise(x, *bounds(x, "channel")).round(2)
    array([[0.19, 0.5 , 0.81],
           [0.5 , 0.5 ,  nan]])
    """
    largest = float(np.finfo(np.float64).max)
    low, high = np.clip(low, -largest, largest), np.clip(high, -largest, largest)
    scale = np.maximum(np.abs(low), np.abs(high))
    scale = np.where(scale > 0, scale, 1)
    low, high, scale = (
        np.reshape(a, np.shape(a) + (1,) * (x.ndim - np.ndim(a))) for a in (low, high, scale)
    )
    z = np.where(np.isfinite(x), x, np.nan) / scale
    width = high / scale - low / scale
    flat = width <= 0
    z = np.clip((z - low / scale) / np.where(flat, 1, width), 0, 1)
    return np.where(flat & ~np.isnan(z), 0.5, z)


def shrink(z: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of the two last axes, incomplete blocks included; NaN spreads over its block.

    Examples
    --------
    >>> shrink(np.array([[0.0, 2.0, 5.0], [2.0, 4.0, 7.0]]), 2)
    array([[2., 6.]])
    """
    for axis in (-1, -2):
        n = z.shape[axis]
        if factor > 1 and n > 1:
            starts = np.arange(0, n, factor)
            sizes = np.minimum(starts + factor, n) - starts
            z = np.add.reduceat(z, starts, axis=axis)
            z /= sizes if axis == -1 else sizes[:, None]
    return z


@dataclass(frozen=True)
class Layout:
    """How tiles share a page."""

    rows: int
    columns: int
    tile: tuple[int, int]  # of a tile in the mosaic, in its pixels
    repeat: tuple[int, int]  # of a map's pixel in the mosaic
    gap: int  # white between tiles, in pixels of the mosaic
    shrunk: int  # a mosaic's pixel is the mean of so many of the map, squared
    height: float  # of the whole mosaic on paper, inches
    width: float


def layout(
    count: int,
    h: int,
    w: int,
    width: float,
    columns: int | None = None,
    largest: float = LARGEST_TILE,
    tallest: float = TALLEST,
) -> Layout:
    """The grid of `count` tiles of h x w that shows them largest on `width` inches."""
    # Maps much longer than wide are drawn with oblong pixels: a 1 x 1000 map must be seen too.
    stretch = (max(1.0, w / (8 * h)), max(1.0, h / (8 * w)))
    tall, wide = h * stretch[0], w * stretch[1]
    gap = 6 if count <= 64 else 4 if count <= 256 else 2
    tries = np.array([columns]) if columns else np.arange(1, count + 1)
    rows = -(-count // tries)
    room = (
        (max(tallest, TALLEST) * DPI - gap * rows) / (rows * tall),
        (width * DPI - gap * tries) / (tries * wide),
    )
    largest *= (1 if count > 1 else 2) * DPI / math.sqrt(tall * wide)
    scales = np.clip(np.minimum(*room), 1 / max(tall, wide), largest)
    # Rows of 8, 16, ... or all alike are easier to count in, and wide pages easier to leaf
    # through: both are worth some of the size.
    easy = np.where((tries % 8 == 0) | (count % tries == 0), scales, 0)
    good = easy if easy.max() >= 0.7 * scales.max() else scales
    best = int(np.flatnonzero(good >= 0.7 * scales.max())[-1])
    scale = float(scales[best])
    shrunk = max(1, math.ceil(0.999 / scale))
    repeat = tuple(max(1, math.floor(scale * shrunk * s)) for s in stretch)
    tile = (-(-h // shrunk) * repeat[0], -(-w // shrunk) * repeat[1])
    return Layout(
        rows=int(rows[best]),
        columns=int(tries[best]),
        tile=tile,
        repeat=(repeat[0], repeat[1]),
        gap=gap,
        shrunk=shrunk,
        height=int(rows[best]) * (tall * scale + gap) / DPI,
        width=int(tries[best]) * (wide * scale + gap) / DPI,
    )


def mosaic(tiles: np.ndarray, plan: Layout) -> np.ndarray:
    """All tiles on white.  (n, h, w, 3) -> (H, W, 3) uint8"""
    h, w = plan.tile
    page = np.full((plan.rows * (h + plan.gap), plan.columns * (w + plan.gap), 3), 255, np.uint8)
    cells = page.reshape(plan.rows, h + plan.gap, plan.columns, w + plan.gap, 3)
    large = tiles.repeat(plan.repeat[0], axis=1).repeat(plan.repeat[1], axis=2)
    for n, tile in enumerate(large):
        row, column = divmod(n, plan.columns)
        cells[row, :h, column, :w] = tile
    return page[: -plan.gap, : -plan.gap]


def prepared(x: np.ndarray, low: Any, high: Any, shrunk: int, by: str | None) -> np.ndarray:
    """Normalised and shrunk maps, few channels at a time: no float64 copy of the whole."""
    step = max(1, 2**20 // max(1, x[0].size))
    parts = []
    for start in range(0, len(x), step):
        part = x[start : start + step]
        limits = bounds(part, by) if by == "channel" else (low, high)
        parts.append(shrink(normalise(part, *limits), shrunk))
    return np.concatenate(parts)


def grid_pages(heading: Heading, look: Look, x: np.ndarray) -> Iterator[Figure]:
    """Feature maps on a grid, row by row.  (C, h, w)"""
    pages = math.ceil(len(x) / PAGE)
    each = math.ceil(len(x) / pages)
    low, high = bounds(x, look.normalize) if look.normalize != "channel" else (None, None)
    for page in range(pages):
        part = x[page * each : (page + 1) * each]
        bar = 0.0 if look.normalize == "channel" else 0.9
        width = WIDTH - 2 * SIDE - bar
        plan = layout(len(part), part.shape[1], part.shape[2], width)
        z = prepared(part, low, high, plan.shrunk, look.normalize)
        figure = look.blank()
        many = f"channels {page * each} to {page * each + len(part) - 1}" if pages > 1 else ""
        height, drawn = plan.height, plan.width
        total = heading.place(figure, height, many, describe(look))
        axes = add_axes(figure, total, SIDE, FOOT, drawn, height)
        axes.imshow(mosaic(look.paint(z), plan), aspect="auto", interpolation="auto")
        row_numbers(axes, plan, page * each, len(x))
        if bar:
            colour_bar(figure, total, look, low, high, SIDE + drawn + 0.15, height)
        yield figure


def slice_pages(heading: Heading, look: Look, x: np.ndarray) -> Iterator[Figure]:
    """Volumes as slices along depth, a row for each channel.  (C, d, h, w)"""
    depth = x.shape[1]
    at = np.unique(np.linspace(0, depth - 1, min(depth, 12)).round().astype(int))
    low, high = bounds(x, look.normalize) if look.normalize != "channel" else (None, None)
    each = max(1, min(len(x), 24))
    for start in range(0, len(x), each):
        part = x[start : start + each]
        bar = 0.0 if look.normalize == "channel" else 0.9
        width = WIDTH - 2 * SIDE - bar
        plan = layout(len(part) * len(at), part.shape[2], part.shape[3], width, len(at))
        limits = bounds(part, "channel") if look.normalize == "channel" else (low, high)
        z = shrink(normalise(part[:, at], *limits), plan.shrunk)
        z = z.reshape(-1, *z.shape[2:])
        figure = look.blank()
        many = f"channels {start} to {start + len(part) - 1}" if len(x) > each else ""
        height, drawn = plan.height, plan.width
        total = heading.place(figure, height, many, "slices to the right", describe(look))
        axes = add_axes(figure, total, SIDE, FOOT, drawn, height)
        axes.imshow(mosaic(look.paint(z), plan), aspect="auto", interpolation="auto")
        centres = (np.arange(len(part)) + 0.5) * (plan.tile[0] + plan.gap) - plan.gap / 2
        axes.set_yticks(centres, [str(start + n) for n in range(len(part))])
        centres = (np.arange(len(at)) + 0.5) * (plan.tile[1] + plan.gap) - plan.gap / 2
        axes.set_xticks(centres, [str(n) for n in at])
        axes.tick_params(length=0)
        if bar:
            colour_bar(figure, total, look, low, high, SIDE + drawn + 0.15, height)
        yield figure


def describe(look: Look) -> str:
    return {
        "channel": "each channel: mean ± 2 standard deviations, dark to light",
        "layer": "layer: mean ± 2 standard deviations",
        None: "",
    }[look.normalize]


def row_numbers(axes: Axes, plan: Layout, first: int, count: int) -> None:
    """The number of the first channel of each row, as many as can be read."""
    axes.set_xticks([])
    axes.tick_params(length=0)
    if count == 1:
        axes.set_yticks([])
        return
    step = math.ceil(plan.rows / 40)
    rows = np.arange(0, plan.rows, step)
    centres = rows * (plan.tile[0] + plan.gap) + plan.tile[0] / 2 - 0.5
    axes.set_yticks(centres, [str(first + row * plan.columns) for row in rows])


def colour_bar(
    figure: Figure, total: float, look: Look, low: Any, high: Any, left: float, height: float
) -> None:
    """A scale of values beside a drawing."""
    low, high = float(low), float(high)
    tall = min(height, 3.0)
    axes = add_axes(figure, total, left, FOOT + height - tall, 0.14, tall)
    ramp = look.paint(np.linspace(1, 0, 256)[:, None])
    axes.xaxis.set_visible(False)
    axes.yaxis.tick_right()
    if low >= high:
        axes.imshow(look.paint(np.full((1, 1), 0.5)), aspect="auto")
        axes.set_yticks([0], [f"{low:.4g}"])
        return
    if not has_ticks(low, high):
        axes.imshow(ramp, aspect="auto", extent=(0, 1, 0, 1), interpolation="auto")
        axes.set_yticks([0, 1], [f"{low:.4g}", f"{high:.4g}"])
        return
    axes.imshow(ramp, aspect="auto", extent=(0, 1, low, high), interpolation="auto")
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_offset_position("right")
    axes.yaxis.get_offset_text().set(fontsize=7.5, color=FAINT)  # "1e-6", below the subtitle


def has_ticks(low: float, high: float) -> bool:
    """Whether matplotlib can lay out an axis from `low` to `high` without over- or underflow."""
    size = max(abs(low), abs(high))
    return size < 1e300 and high - low > max(1e-290, 1e-10 * size)


# Pictures, vectors, sequences, text ------------------------------------------------------------


def is_picture(x: np.ndarray) -> bool:
    """Whether an input looks like a picture: (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)."""
    if x.ndim == 3:
        return x.shape[-1] in (1, 3, 4) and min(x.shape[:2]) > 1
    return x.ndim == 2 and min(x.shape) >= 8 and max(x.shape) <= 4 * min(x.shape)


def as_rgb(x: np.ndarray) -> tuple[np.ndarray, str]:
    """A picture's colours and what was done.  (h, w), (h, w, 1|3|4) -> (h, w, 3) of 0..1, NaN kept

    Values from 0 to 1 or from 0 to 255 are taken as they are; others are stretched to that range.
    """
    x = x[..., None] if x.ndim == 2 else x
    x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    row = measure(x)
    low, high = row.min or 0, row.max or 0
    note = ""
    if low < 0 or high > 255:
        x, note = normalise(x, np.float64(low), np.float64(high)), "stretched to be seen"
    elif high > 1:
        x = x / 255
    if x.shape[-1] == 4:
        x = x[..., :3] * x[..., 3:] + (1 - x[..., 3:])
    return np.broadcast_to(x, (*x.shape[:2], 3)), note


def picture_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """The input picture, in its colours."""
    from matplotlib.colors import to_rgb

    rgb, note = as_rgb(x)
    rgb = np.where(np.isnan(rgb).any(axis=-1, keepdims=True), to_rgb(BAD), rgb)
    width = WIDTH - 2 * SIDE
    plan = layout(1, rgb.shape[0], rgb.shape[1], width)
    height, drawn = plan.height, plan.width
    figure = look.blank()
    low, high = measure(x).min, measure(x).max
    values = "" if low is None else f"values {low:.4g} to {high:.4g}"
    total = heading.place(figure, height, values, note)
    axes = add_axes(figure, total, SIDE, FOOT, drawn, height)
    axes.imshow(rgb, aspect="auto", interpolation="auto")
    axes.set_axis_off()
    return figure


def vector_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """The units of a dense layer, or a signal: bars if few, a line if many.  (n,)"""
    figure = look.blank()
    total = heading.place(figure, 2.6)
    width = min(WIDTH - 2 * SIDE - 0.2, 1 + 0.4 * x.size)  # two bars need not fill a page
    axes = add_axes(figure, total, SIDE + 0.2, FOOT + 0.15, width, 2.45)
    graph(axes, x)
    return figure


def graph(axes: Axes, x: np.ndarray) -> None:
    x = x.astype(np.float64)
    finite = np.isfinite(x)
    at = np.arange(x.size)
    y = np.where(finite, x, 0)
    low, high = min(y.min(), 0), max(y.max(), 0)
    if low < high and not has_ticks(low, high):
        axes.set_ylabel(f"x {max(-low, high):.1e}", fontsize=7.5, color=FAINT)
        y = y / max(-low, high)
    if x.size <= BARS:
        axes.bar(at, y, color=INK, width=0.75)
    else:
        axes.fill_between(at, y, step="mid", color=INK, alpha=0.25, linewidth=0)
        axes.step(at, y, where="mid", color=INK, linewidth=0.8)
    axes.plot(at[~finite], y[~finite], "x", color=BAD, markersize=6, markeredgewidth=1.8)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.set_xlim(-0.6, x.size - 0.4)
    if low == high:
        axes.set_ylim(-1, 1)
    axes.locator_params(axis="x", integer=True)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def folded_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """A large vector, row by row in a rectangle, its values as colours.  (n,)"""
    rows, columns = rectangle(x.size)
    by = look.normalize if look.normalize == "layer" else None  # a unit has no range of its own
    low, high = bounds(x[None], by)
    z = normalise(x[None], low, high)[0]
    colours = np.full((rows * columns, 3), 255, np.uint8)
    colours[: x.size] = look.paint(z)
    width = WIDTH - 2 * SIDE - 0.9
    scale = min(width / columns, 4.5 / rows, 0.25)
    height = max(rows * scale, 0.3)
    figure = look.blank()
    total = heading.place(figure, height, f"folded to {rows} \u00d7 {columns}, row by row")
    axes = add_axes(figure, total, SIDE, FOOT, columns * scale, height)
    axes.imshow(colours.reshape(rows, columns, 3), aspect="auto", interpolation="auto")
    ticks = np.arange(0, rows, math.ceil(rows / 20))
    axes.set_yticks(ticks, [str(row * columns) for row in ticks])
    axes.set_xticks([])
    colour_bar(figure, total, look, low, high, SIDE + columns * scale + 0.15, height)
    return figure


def rectangle(n: int) -> tuple[int, int]:
    """Rows and columns for n values: the divisors nearest to a square, or a square not quite full.

    Examples
    --------
    >>> rectangle(64), rectangle(1056), rectangle(1009)
    ((8, 8), (32, 33), (31, 33))
    """
    side = math.isqrt(n)
    rows = next(r for r in range(side, 0, -1) if n % r == 0)
    if n // rows > 4 * rows:
        rows = side
    return rows, -(-n // rows)


def sequence_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """A sequence as an image: time runs right, channels down.  (time, channels)"""
    x = x.T
    width = WIDTH - 2 * SIDE - (0.0 if look.normalize == "channel" else 0.9)
    width = min(width, 1 + 0.4 * x.shape[1])
    height = min(max(x.shape[0] * 0.14, 0.8), 5.5)
    low, high = bounds(x, look.normalize)
    z = shrink(
        normalise(x, low, high), math.ceil(max(x.shape[0] / height, x.shape[1] / width) / DPI)
    )
    figure = look.blank()
    total = heading.place(figure, height + 0.2, describe(look))
    axes = add_axes(figure, total, SIDE + 0.1, FOOT + 0.2, width - 0.1, height)
    axes.imshow(
        look.paint(z),
        aspect="auto",
        interpolation="auto",
        extent=(-0.5, x.shape[1] - 0.5, x.shape[0] - 0.5, -0.5),
    )
    axes.locator_params(integer=True)
    axes.set_xlabel("position", fontsize=8, color=FAINT, labelpad=1)
    axes.set_ylabel("channel", fontsize=8, color=FAINT, labelpad=1)
    if look.normalize != "channel":
        colour_bar(figure, total, look, low, high, SIDE + width + 0.15, height + 0.2)
    return figure


def softmax_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """The most probable classes, longest bar first; all classes below if they are more.  (n,)"""
    best = classes.top(x, TOP, look.labels)
    height = 0.27 * len(best) + 0.1
    rest = 1.2 if x.size > len(best) else 0.0
    figure = look.blank()
    total = heading.place(figure, height + rest, f"top {len(best)} of {x.size} classes")
    names = [drawable(c.label, 32) for c in best]
    left = SIDE + min(0.085 * max(map(len, names)) + 0.1, 3.0)
    axes = add_axes(figure, total, left, FOOT + rest, WIDTH - left - SIDE - 0.6, height)
    widths = [c.probability if math.isfinite(c.probability) else 0 for c in best]
    axes.barh(np.arange(len(best)), widths, color=INK, height=0.7)
    for row, c in enumerate(best):
        finite = math.isfinite(c.probability)
        text = f"{c.probability:.1%}" if finite else f"{c.probability}"
        at = widths[row] + 0.008
        axes.text(at, row, text, va="center", fontsize=8.5, color=INK if finite else BAD)
    axes.set_yticks(np.arange(len(best)), names, parse_math=False)
    axes.tick_params(axis="y", labelsize=9, colors=INK, length=0)
    axes.set_xticks([])
    axes.set_xlim(0, max(1.0, *widths))
    axes.set_ylim(len(best) - 0.5, -0.5)
    if rest:
        below = add_axes(figure, total, SIDE + 0.2, FOOT + 0.1, WIDTH - 2 * SIDE - 0.2, rest - 0.45)
        graph(below, x)
        below.set_title("all classes", fontsize=8, color=FAINT, loc="left", pad=3)
        below.locator_params(axis="y", nbins=3)
    return figure


def words_page(title: str, kind: str, x: np.ndarray, words: Sequence[Any]) -> Figure:
    """A number for each word of a text, in its order, as bars beside the words.  (n,)"""
    names = [drawable(str(word), 32) for word in words]
    height = 0.27 * len(names) + 0.1
    figure = Look().blank()
    total = Heading(title, kind).place(figure, height)
    room = 0.55 if (x < 0).any() else 0.1  # for numbers left of their bars
    left = SIDE + min(0.085 * max(map(len, names)), 3.0) + room
    axes = add_axes(figure, total, left, FOOT, WIDTH - left - SIDE - 0.6, height)
    finite = np.isfinite(x)
    widths = np.where(finite, x, 0).astype(np.float64)
    reach = np.abs(widths).max() or 1.0
    axes.barh(np.arange(len(names)), widths / reach, color=INK, height=0.7)
    axes.axvline(0, color=FAINT, linewidth=0.6)
    for row, number in enumerate(x):
        colour = INK if finite[row] else BAD
        side, align = (0.008, "left") if widths[row] >= 0 else (-0.008, "right")
        at = widths[row] / reach + side
        axes.text(at, row, f"{number:.4g}", va="center", ha=align, fontsize=8.5, color=colour)
    axes.set_yticks(np.arange(len(names)), names, parse_math=False)
    axes.tick_params(axis="y", labelsize=9, colors=INK, length=0, pad=72 * room)
    axes.set_xticks([])
    axes.set_xlim(min(widths.min() / reach, 0), max(widths.max() / reach, 0))
    axes.set_ylim(len(names) - 0.5, -0.5)
    return figure


def scalar_page(heading: Heading, look: Look, x: float) -> Figure:
    """One number: on a bar from 0 to 1 if it lies there, else from 0."""
    figure = look.blank()
    total = heading.place(figure, 0.6)
    axes = add_axes(figure, total, SIDE, FOOT, 6.0, 0.35)
    finite = math.isfinite(x)
    reach = 1.0 if 0 <= x <= 1 else abs(x)
    share = x / reach if finite else 0.0
    axes.barh([0], [share], color=INK, height=0.8)
    axes.set_xlim(min(0.0, math.copysign(1, share) * (share < 0)), 1.0 if share >= 0 else 0.0)
    ends = ("0", f"{reach:.4g}") if share >= 0 else (f"{x:.4g}", "0")
    axes.set_xticks(axes.get_xlim(), ends if finite else ("", ""))
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(FAINT)
    figure.text(
        (SIDE + 6.3) / WIDTH,
        (FOOT + 0.175) / total,
        f"{x:.6g}",
        fontsize=15,
        color=INK if finite else BAD,
        va="center",
    )
    return figure


def text_page(heading: Heading, look: Look, x: np.ndarray) -> Figure:
    """Strings, or anything without a number in it, as lines."""
    shown = [drawable(str(item), 110) for item in x.reshape(-1)[:30].tolist()]
    if x.size > len(shown):
        shown.append(f"… and {x.size - len(shown):,} more")
    height = 0.22 * len(shown)
    figure = look.blank()
    total = heading.place(figure, height)
    for row, line in enumerate(shown):
        figure.text(
            SIDE / WIDTH,
            1 - (0.76 + 0.22 * row) / total,
            line,
            fontsize=9,
            family="monospace",
            color=INK,
            va="top",
            parse_math=False,
        )
    return figure


def overlays(
    value: np.ndarray,
    picture: np.ndarray,
    address: str = "",
    look: Look | None = None,
    *,
    merge: bool = False,
    kind: str = "",
) -> Iterator[Figure]:
    """Feature maps laid over the picture that they come from: the stronger, the more they cover.

    Colours run from the layer's smallest value to its largest.

    Parameters
    ----------
    value : ndarray
        (batch, h, w, channels); further axes before h are averaged.  The first sample is drawn.
    picture : ndarray
        (height, width) or (height, width, 1, 3 or 4).
    merge : bool
        One map, the mean of all channels.
    kind : str
        What stands below the address.

    Examples
    --------
    >>> (figure,) = overlays(np.ones((1, 4, 4, 2)), np.zeros((16, 16)), "conv1")
    >>> figure.get_label()
    'conv1'
    """
    look = look or Look()
    check_sample(address, value, 0)
    heading = Heading(address, kind, value.shape)
    x = native(value[0]).astype(np.float64)
    x = x[:, None] if x.ndim == 2 else x.reshape(-1, *x.shape[-3:]).mean(axis=0)
    x = np.moveaxis(x, -1, 0)
    x = x.mean(axis=0, keepdims=True) if merge else x
    # In grey, so that every colour in the drawing is of the map.
    backdrop = as_rgb(picture)[0] @ np.array([0.299, 0.587, 0.114])
    low, high = bounds(x, None)
    width = WIDTH - 2 * SIDE - 0.9
    for start in range(0, len(x), PAGE // 4):
        part = x[start : start + PAGE // 4]
        plan = layout(len(part), backdrop.shape[0], backdrop.shape[1], width)
        behind = np.nan_to_num(resized(backdrop, plan.tile))[..., None]
        z = normalise(part, low, high)
        z = np.clip([resized(tile, plan.tile) for tile in z], 0, 1)
        cover = np.where(np.isnan(z), 1, 0.35 + 0.35 * z)[..., None]
        tiles = np.rint((1 - cover) * behind * 255 + cover * look.paint(z))
        figure = look.blank()
        total = heading.place(figure, plan.height, "mean of all channels" if merge else "")
        axes = add_axes(figure, total, SIDE, FOOT, plan.width, plan.height)
        flat = replace(plan, repeat=(1, 1))
        axes.imshow(mosaic(tiles.astype(np.uint8), flat), aspect="auto", interpolation="auto")
        row_numbers(axes, plan, start, len(x))
        colour_bar(figure, total, look, low, high, SIDE + plan.width + 0.15, plan.height)
        yield figure


def resized(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One channel at another size, bilinear.  (h, w) -> size"""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(x, np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))


# Histograms and filters ------------------------------------------------------------------------

PER_PAGE = 12


def histograms(
    trace: Mapping[str, np.ndarray],
    *,
    bins: int = 60,
    layers: str | Iterable[str] | None = None,
) -> Iterator[Figure]:
    """How the values of each layer are spread, over the whole batch: twelve layers a page.

    Exact zeros, which would dwarf all else after a ReLU, are counted in words instead.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=99)
    >>> pages = histograms({f"layer{n}": noise for n in range(13)})
    >>> len(list(pages))
    2
    """
    if bins < 1:
        raise BadInput(f"bins={bins}: give a positive number.")
    chosen = [a for a in choose(trace, layers) if is_numeric(np.asarray(trace[a]).dtype)]
    known = getattr(trace, "layers", {})

    def figures() -> Iterator[Figure]:
        for first in range(0, len(chosen), PER_PAGE):
            part = chosen[first : first + PER_PAGE]
            columns = min(3, len(part))
            rows = math.ceil(len(part) / columns)
            figure = Look().blank()
            total = rows * 1.75 + FOOT
            figure.set_size_inches(WIDTH, total)
            figure.set_label("histograms")
            figure.set_facecolor("white")
            wide = (WIDTH - 2 * SIDE) / 3
            for n, address in enumerate(part):
                row, column = divmod(n, columns)
                left, bottom = SIDE + column * wide, total - (row + 1) * 1.75 + 0.2
                axes = add_axes(figure, total, left, bottom, wide - 0.35, 1.0)
                histogram(axes, np.asarray(trace[address]), bins)
                row_of = measure(np.asarray(trace[address]))
                about = [type_of(known, address), f"{row_of.zeros or 0:.0f}% zeros"]
                bad = (row_of.nan or 0) + (row_of.inf or 0)
                if bad:
                    about.append(f"{bad:,} NaN or Inf")
                at = (left / WIDTH, (bottom + 1.36) / total)
                style: dict[str, Any] = {"va": "top", "parse_math": False}
                figure.text(
                    *at, drawable(address, 32), fontsize=9, color=INK, weight="bold", **style
                )
                at = (left / WIDTH, (bottom + 1.19) / total)
                note = " · ".join(part for part in about if part)
                figure.text(*at, note, fontsize=7.5, color=BAD if bad else FAINT, **style)
            yield figure

    return figures()


def histogram(axes: Axes, x: np.ndarray, bins: int) -> None:
    """Bars of the finite elements that are not zero."""
    row = measure(x)
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(FAINT)
    if row.min is None or row.max is None or not (row.min or row.max):
        axes.set_xticks([0])
        return
    low, high = float(row.min), float(row.max)
    if low == high:
        low, high = low - abs(low) / 2, high + abs(high) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(low, high, bins + 1)
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        edges = np.array([low, high])  # neighbours among floats, or the widest range: one bar
    counts = np.zeros(len(edges) - 1, np.int64)
    for at in chunks(x.shape):
        part = native(x[at]).astype(np.float64).ravel()
        counts += np.histogram(part[np.isfinite(part) & (part != 0)], edges)[0]
    axes.set_ylim(0, max(counts.max(), 1))
    if has_ticks(low, high):
        axes.stairs(counts, edges, fill=True, color=INK)
        axes.locator_params(axis="x", nbins=5)
    else:
        axes.stairs(counts, np.linspace(0, 1, len(edges)), fill=True, color=INK)
        axes.set_xticks([0, 1], [f"{low:.4g}", f"{high:.4g}"])


def filters(
    weights: Mapping[str, np.ndarray],
    *,
    cmap: Any = CMAP,
    layers: str | Iterable[str] | None = None,
) -> Iterator[Figure]:
    """Kernels as pictures: a tile for each filter and input channel, zero in mid-grey.

    The filters of a first layer on three colours are drawn in colour, each stretched to its own
    largest weight.  Dense and 1 x 1 kernels are one matrix.  Other weights are left out.

    Examples
    --------
    >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 8))
    >>> weights = {"conv1/kernel": kernel, "conv1/bias": kernel[0, 0, 0]}
    >>> [figure.get_label() for figure in filters(weights)]
    ['conv1/kernel']
    """
    look = Look(None, cmap)
    chosen = [
        address
        for address in choose(weights, layers)
        if "kernel" in address.rsplit("/", 1)[-1] or "embeddings" in address.rsplit("/", 1)[-1]
        if weights[address].ndim >= 2 and weights[address].size
        if is_numeric(weights[address].dtype)
    ]
    if not chosen:
        raise BadInput(
            "there are no kernels to draw: this model has no convolution or dense layer."
        )

    def figures() -> Iterator[Figure]:
        for address in chosen:
            yield from kernel_pages(Heading(address), look, native(np.asarray(weights[address])))

    return figures()


def kernel_pages(
    heading: Heading, look: Look, w: np.ndarray, colour: bool = True
) -> Iterator[Figure]:
    """One kernel, or what has its shape.  (*size, in, out)"""
    size, (inputs, outputs) = w.shape[:-2], w.shape[-2:]
    heading.kind, heading.shape = heading.kind or "kernel", (1, *w.shape)
    row = measure(w)
    high = np.float64(max(abs(row.min or 0), abs(row.max or 0)))
    if math.prod(size) == 1:
        yield matrix_page(heading, look, w.reshape(inputs, outputs), high)
        return
    if len(size) == 2 and inputs == 3 and colour:
        tiles = w.transpose(3, 0, 1, 2)
        yield from tile_pages(heading, look, tiles, None, high, "", "filters in colour")
        return
    # Each filter is a row of its input channels; the slices of a volume follow one another.
    if len(size) == 1:
        tiles, across = w.transpose(2, 1, 0), 1
        note = "each tile: input channels down, positions right"
    else:
        volume = w.reshape(-1, *size[-2:], inputs, outputs)
        tiles = volume.transpose(4, 3, 0, 1, 2).reshape(-1, *size[-2:])
        across = len(tiles) // outputs
        note = "a row per filter, a column per input channel" if across > 1 else ""
    if across > 1 and outputs == 1:  # depthwise with multiplier 1: no rows to speak of
        across, note = 1, "a tile per input channel"
    yield from tile_pages(heading, look, tiles, across if across > 1 else None, high, note, "")


def tile_pages(
    heading: Heading,
    look: Look,
    tiles: np.ndarray,
    across: int | None,
    high: Any,
    note: str,
    colour: str,
) -> Iterator[Figure]:
    """Kernel tiles on grids.  (n, h, w), or (n, h, w, 3) in colour; `across` fixes the columns."""
    most = 64  # columns of a page: more would be too small to read
    columns = min(across, most) if across else None
    if across and across > most:
        tiles = tiles.reshape(-1, across, *tiles.shape[1:])[:, :most].reshape(-1, *tiles.shape[1:])
        note += f", the first {most} of {across}"
    per_page = (columns or 1) * max(1, (48 if columns else PAGE // 2))
    width = WIDTH - 2 * SIDE - 0.9
    for start in range(0, len(tiles), per_page):
        part = tiles[start : start + per_page]
        plan = layout(len(part), part.shape[1], part.shape[2], width, columns, SMALL_TILE)
        if colour:
            each = np.abs(part).max(axis=(1, 2, 3)).astype(np.float64)
            z = normalise(part, -each, each)
            z = z[:, :: plan.shrunk, :: plan.shrunk]
            picture = mosaic(np.rint(np.where(np.isnan(z), 0.5, z) * 255).astype(np.uint8), plan)
        else:
            z = shrink(normalise(part, -high, high), plan.shrunk)
            picture = mosaic(look.paint(z), plan)
        height, drawn = plan.height, plan.width
        figure = look.blank()
        total = heading.place(figure, height, colour, note)
        axes = add_axes(figure, total, SIDE, FOOT, drawn, height)
        axes.imshow(picture, aspect="auto", interpolation="auto")
        first = start // plan.columns if columns else start
        numbered = plan if not columns else replace(plan, columns=1)
        row_numbers(axes, numbered, first, len(tiles))
        if not colour:
            colour_bar(figure, total, look, -high, high, SIDE + drawn + 0.15, height)
        yield figure


def matrix_page(heading: Heading, look: Look, w: np.ndarray, high: Any) -> Figure:
    """A matrix of weights, its longer side lying.  (in, out)"""
    note = "inputs down, outputs right"
    if w.shape[0] > w.shape[1]:
        w, note = w.T, "outputs down, inputs right"
    width = WIDTH - 2 * SIDE - 0.9
    scale = min(width / w.shape[1], 5.5 / w.shape[0], 0.25)
    height, drawn = max(w.shape[0] * scale, 0.3), max(w.shape[1] * scale, 0.3)
    factor = math.ceil(max(w.shape[0] / height, w.shape[1] / drawn) / DPI)
    figure = look.blank()
    total = heading.place(figure, height + 0.2, note)
    axes = add_axes(figure, total, SIDE + 0.1, FOOT + 0.2, drawn, height)
    axes.imshow(
        look.paint(shrink(normalise(w, -high, high), factor)),
        aspect="auto",
        interpolation="auto",
        extent=(-0.5, w.shape[1] - 0.5, w.shape[0] - 0.5, -0.5),
    )
    axes.locator_params(integer=True)
    colour_bar(figure, total, look, -high, high, SIDE + drawn + 0.25, height + 0.2)
    return figure


# Files -----------------------------------------------------------------------------------------


def save(figures: Iterable[Figure], path: Path | str, format: str = "pdf") -> list[Path]:
    """Write figures: one paged PDF, or a folder with a PNG each.  All of them, or none.

    PNGs are called `<index>_<address>.png`, further pages of a value `<index>_<address>_page2.png`,
    with what file systems refuse percent-escaped.

    Returns
    -------
    list of Path
        The files, in order.

    Examples
    --------
    >>> import tempfile
    >>> figures = activations({"conv1": np.zeros((1, 4, 4, 2)), "out": np.zeros((1, 3))})
    >>> [path.name for path in save(figures, tempfile.mkdtemp(), "png")]
    ['000_conv1.png', '001_out.png']
    """
    path = Path(path)
    if format == "pdf":
        from matplotlib.backends.backend_pdf import PdfPages

        undated = {"CreationDate": None}  # so that the same pictures are the same bytes
        with (
            whole_file(path) as temporary,
            temporary.open("wb") as stream,
            PdfPages(stream, metadata=undated) as pages,
        ):
            for figure in figures:
                pages.savefig(figure, dpi=DPI)
            if not pages.get_pagecount():
                raise BadInput(f"{path}: there is nothing to draw.")
        return [path]
    if format != "png":
        raise BadInput(f"format={format!r}: pictures are written as 'pdf' or 'png'.")
    names = []
    with whole_folder(path) as folder:
        index, page, last = -1, 1, None
        for figure in figures:
            label = str(figure.get_label())
            index, page = (index, page + 1) if label == last else (index + 1, 1)
            last = label
            name = file_name(f"{index:03d}_{label}", ".png" if page == 1 else f"_page{page}.png")
            figure.savefig(folder / name, format="png", dpi=DPI)
            names.append(name)
        if not names:
            raise BadInput(f"{path}: there is nothing to draw.")
    return [path / name for name in names]
