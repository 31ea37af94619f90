"""What a network learns: activations and weights at each of its checkpoints, drawn over time."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import addresses, formats, plots
from npforward.errors import BadInput, MissingFile, NpforwardError, UnknownName, nearest
from npforward.formats import idx
from npforward.limits import Limits
from npforward.model import Model, load_model
from npforward.statistics import channel_axes, is_numeric, native, type_name
from npforward.writing import file_name, whole_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

CHANNELS = 16  # of a layer, unless more are asked for
ROWS = 24  # checkpoints in one strip; the animation has all
PAUSE, END = 400, 1600  # milliseconds for which a picture of the animation is shown; the last one
GIF_DPI = 100
NUMBER = re.compile(r"(\d+)")
HALF_INCH = 0.5  # the height of a row in a strip, if there are many
BAR, LABELS = 0.9, 0.3  # inches, beside a drawing: for the scale of colours, for names


@dataclass(frozen=True)
class Series:
    """One value or weight over time.

    Attributes
    ----------
    values : ndarray
        (checkpoints, ...): of a value, that of one sample.
    kind : str
        The type of the layer, or "weight".
    channel_axis : int
        Where channels are in `values`.
    """

    values: np.ndarray
    kind: str = ""
    channel_axis: int = -1


@dataclass(frozen=True)
class Epochs:
    """Values and weights of a network at each checkpoint, by address.  Made by `over_epochs`.

    Examples
    --------
    >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 1, 4))
    >>> found = Epochs(("1", "2", "3"), {}, {"conv/kernel": Series(kernel, "weight")})
    >>> [figure.get_label() for figure in found.strips()]
    ['conv/kernel']
    """

    names: tuple[str, ...]  # of the checkpoints: what tells them apart
    activations: Mapping[str, Series] = field(default_factory=dict)
    weights: Mapping[str, Series] = field(default_factory=dict)
    sample: int = 0

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each address and its (checkpoints, ...) array, values first.

        Examples
        --------
        >>> [a for a, _ in Epochs(("1",), {}, {"w": Series(np.ones((1, 2)))}).arrays()]
        ['w']
        """
        for address, series in (*self.activations.items(), *self.weights.items()):
            yield address, series.values

    def strips(
        self, *, channels: int = CHANNELS, normalize: str | None = None, cmap: Any = None
    ) -> Iterator[Figure]:
        """A figure for each address: a row for each checkpoint, channels to the right.

        Parameters
        ----------
        channels
            How many of each layer to draw, from the first.
        normalize
            As for `plots.activations`, but over all checkpoints together: colours mean the same
            in every row.  Weights are drawn with zero in mid-grey whatever it says.
        cmap
            A colour map of matplotlib, by name or itself.
        """
        look = self._look(channels, normalize, cmap)
        return (strip(one) for one in self._drawings(channels, look))

    def save(
        self,
        folder: str | Path,
        *,
        channels: int = CHANNELS,
        normalize: str | None = None,
        cmap: Any = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Write a strip (PNG) and an animation (GIF) for each address: all of them, or none.

        Parameters
        ----------
        folder
            Where to.
        channels, normalize, cmap
            As for `strips`.
        progress
            Called with how many pictures are drawn, and how many there will be.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        CannotWrite
            The folder cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> found = Epochs(("1", "2"), {"relu": Series(np.ones((2, 4, 4, 3)), "ReLU")})
        >>> [path.name for path in found.save(tempfile.mkdtemp())]
        ['relu.png', 'relu.gif']
        """
        look = self._look(channels, normalize, cmap)
        total = (len(self.activations) + len(self.weights)) * (len(self.names) + 1)
        done, names = 0, []

        def counted(figures: Iterable[Figure]) -> Iterator[Figure]:
            nonlocal done
            for figure in figures:
                yield figure
                done += 1
                if progress is not None:
                    progress(done, total)

        with whole_folder(folder) as temporary:
            for one in self._drawings(channels, look):
                label = one.heading.address
                names += [file_name(label, ".png"), file_name(label, ".gif")]
                for figure in counted([strip(one)]):
                    figure.savefig(temporary / names[-2], format="png", dpi=plots.DPI)
                animate(counted(frames(one)), temporary / names[-1], look)
        return [Path(folder) / name for name in names]

    def _look(self, channels: int, normalize: str | None, cmap: Any) -> plots.Look:
        if channels < 1:
            raise BadInput(f"channels={channels}: give 1 or more.")
        return plots.Look(normalize, cmap)

    def _drawings(self, channels: int, look: plots.Look) -> Iterator[Drawing]:
        for address, series in self.activations.items():
            yield Drawing.of(address, series, self.names, channels, look)
        for address, series in self.weights.items():
            yield Drawing.of(address, series, self.names, channels, look, weight=True)


def over_epochs(
    model: str | Path | None,
    checkpoints: str | Path | Sequence[str | Path],
    x: Any = None,
    layers: str | Iterable[str] | None = None,
    *,
    sample: int = 0,
    by_name: bool = False,
    backend: str | None = None,
    custom_layers: Mapping[str, Callable[..., Any]] | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Epochs:
    """The activations of one sample, and the weights, at each checkpoint of a training.

    Parameters
    ----------
    model
        The network, as for `load_model`: its architecture counts.  None if each checkpoint is a
        whole model.
    checkpoints
        A folder of checkpoints, or a list of them: files of weights, whole models, or folders of
        weights as Kur writes them.  They are taken in the order of the numbers in their names.
    x
        As for `Model.predict`; the whole batch is run, as some layers look at all of it.  None: of
        weights alone.
    layers
        Layers by address or glob, or a list of these; a weight's own address chooses it alone.
        By default all.
    sample
        Of the batch.
    by_name, backend, custom_layers, limits
        As for `load_model`.
    progress
        Called with the number of checkpoints that are done, and of all.

    Raises
    ------
    MissingFile
        There are no checkpoints.
    WeightMismatch
        One does not fit the network; the message names it.
    UnknownName
        No layer has such a name.

    Examples
    --------
    >>> folder = "weights_fixtures/epochs"
    >>> digit = np.load(f"{folder}/digit.npy")
    >>> found = over_epochs(f"{folder}/model.keras", f"{folder}/checkpoints", digit, "conv1")
    >>> found.names
    ('0', '1', '2', '4', '6', '8', '10')
    >>> found.activations["conv1"].values.shape, list(found.weights)
    ((7, 8, 8, 6), ['conv1/kernel', 'conv1/bias'])
    """
    limits = limits or Limits()
    options: dict[str, Any] = {"backend": backend, "custom_layers": custom_layers, "limits": limits}
    options |= {"by_name": by_name} if by_name else {}
    paths = ordered(checkpoints, model)
    wanted = None if layers is None else [layers] if isinstance(layers, str) else list(layers)
    values: dict[str, list[np.ndarray]] = {}
    weights: dict[str, list[np.ndarray]] = {}
    kinds: dict[str, tuple[str, int]] = {}
    for number, path in enumerate(paths):
        network = opened(model, path, **options)
        if not number:
            shown, held = _chosen(network, wanted, x)
        if x is not None and shown:
            trace = network.trace(x, shown)
            axes = channel_axes(trace)
            for address in trace:
                if wanted is None and not is_numeric(trace[address].dtype):
                    continue  # words; asked for by name they are an error once they are drawn
                plots.check_sample(address, trace[address], sample)
                kinds[address] = type_name(trace.layers, address), axes[address]
                _keep(values, address, trace[address][sample], path, paths[0], len(paths), limits)
        for address in held:
            array = network.weights.get(address)
            _keep(weights, address, array, path, paths[0], len(paths), limits)
        if progress is not None:
            progress(number + 1, len(paths))
    return Epochs(
        names=told_apart(paths),
        activations={a: Series(np.stack(each), *kinds[a]) for a, each in values.items()},
        weights={a: Series(np.stack(each), "weight") for a, each in weights.items()},
        sample=sample,
    )


def opened(model: str | Path | None, checkpoint: Path, **options: Any) -> Model:
    """The network as it was at a checkpoint; errors name it."""
    try:
        if model is None:
            return load_model(checkpoint, **options)
        return load_model(model, checkpoint, **options)
    except NpforwardError as error:
        if str(checkpoint) not in str(error):
            error.args = (f"{checkpoint}: {error}", *error.args[1:])
        raise


def _chosen(model: Model, wanted: list[str] | None, x: Any) -> tuple[list[str], list[str]]:
    """The values and the weights that are meant; inputs, which do not change, are none of them."""
    weights = [a for a in model.weights if is_numeric(model.weights.dtypes[a])]
    inputs = {addresses.escape(spec.name) for spec in model.inputs}
    known: list[str] = []
    if x is not None:
        given = model._selected(model._record(model.feeds(x)), None, None, False)
        known = [a for a in given if a not in inputs]
    if wanted is None:
        return known, weights
    aliases = model.graph.aliases
    owners = dict.fromkeys(above for a in weights for above in _above(a))
    values: dict[str, None] = {}
    held: dict[str, None] = {}
    for pattern in wanted:
        found = addresses.match(pattern, known, aliases)
        of = {addresses.layer_part(a) for a in found}
        of |= set(addresses.match(pattern, owners, aliases))
        own = addresses.match(pattern, weights) or [a for a in weights if of & set(_above(a))]
        if not found and not own:
            raise UnknownName(
                f"no layer or weight is called {pattern!r}. {nearest(pattern, known or owners)}"
            )
        values |= dict.fromkeys(found)
        held |= dict.fromkeys(own)
    return list(values), [a for a in weights if a in held]


def _above(weight: str) -> list[str]:
    """The layers that a weight is of.

    Examples
    --------
    >>> _above("encoder/conv1/kernel")
    ['encoder', 'encoder/conv1']
    """
    return ["/".join(weight.split("/")[:n]) for n in range(1, weight.count("/") + 1)]


def _keep(
    kept: dict[str, list[np.ndarray]],
    address: str,
    array: np.ndarray | None,
    path: Path,
    first: Path,
    checkpoints: int,
    limits: Limits,
) -> None:
    """Copy an array, which must be like those before it."""
    before = kept.setdefault(address, [])
    if array is None or (before and before[0].shape != array.shape):
        found = "no such array" if array is None else f"shape {array.shape}"
        wanted = f"shape {before[0].shape}" if before else "one"
        raise BadInput(
            f"{path}: has {found} for {address!r}, but {first} has {wanted}. They are not of one "
            "training: leave one of them out."
        )
    limits.check("value_bytes", array.nbytes * checkpoints, f"{address} at all checkpoints: bytes")
    before.append(np.array(array))


# Checkpoints -----------------------------------------------------------------------------------


def ordered(
    checkpoints: str | Path | Sequence[str | Path], model: str | Path | None = None
) -> list[Path]:
    """The checkpoints in one folder or in a list, in the order of the numbers in their names."""
    given = [checkpoints] if isinstance(checkpoints, (str, Path)) else checkpoints
    found: list[Path] = []
    for path in map(Path, given):
        if not path.exists():
            raise MissingFile(f"{path}: no such file or folder (looked in {Path.cwd()}).")
        if path.is_file() or one_checkpoint(path):
            found.append(path)
            continue
        inside = [p for p in path.iterdir() if not p.name.startswith(".")]
        inside = [p for p in inside if p.suffix != ".npy" and one_checkpoint(p)]
        if model is not None:  # that the architecture lies beside its weights makes it none of them
            others = [p for p in inside if p.resolve() != Path(model).resolve()]
            inside = others or inside
        if not inside:
            raise MissingFile(
                f"{path}: there is no checkpoint in this folder: no file of weights, no saved "
                "model, and no folder of weights as Kur writes them."
            )
        found += inside
    if not found:
        raise MissingFile("checkpoints=[]: give a folder, or files of weights.")
    return sorted(found, key=lambda path: natural(str(path)))


def one_checkpoint(path: Path) -> bool:
    """Whether a file or folder holds one set of weights, and not a folder for each of several."""
    if path.is_dir() and idx.matches(path):  # Kur also finds what lies in folders in a folder
        return any(file.is_file() for file in path.glob(f"*{idx.KUR}"))
    return formats.holds_weights(path)


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts `epoch_10` after `epoch_9`.

    Examples
    --------
    >>> sorted(["e10", "e9", "e1b", "e1"], key=natural)
    ['e1', 'e1b', 'e9', 'e10']
    """
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in NUMBER.split(text)
        if part
    ]


def told_apart(paths: Sequence[Path]) -> tuple[str, ...]:
    """The shortest parts of the paths that differ, whole numbers and words.

    Examples
    --------
    >>> told_apart([Path("run/epoch_01-0.9.weights.h5"), Path("run/epoch_12-0.4.weights.h5")])
    ('01-0.9', '12-0.4')
    """
    if len(paths) == 1:
        return (paths[0].name,)
    parts = [re.findall(r"\d+|[^\W\d_]+|[\W_]", str(path)) for path in paths]
    shortest = min(map(len, parts))

    def common(at: Callable[[list[str], int], str]) -> int:
        same = (len({at(each, n) for each in parts}) == 1 for n in range(shortest))
        return next((n for n, alike in enumerate(same) if not alike), shortest)

    start = common(lambda each, n: each[n])
    end = min(common(lambda each, n: each[-1 - n]), shortest - start - 1)
    names = tuple("".join(each[start : len(each) - max(end, 0)]) for each in parts)
    return names if all(names) else tuple(path.name for path in paths)


# Drawings --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """One series as tiles, with what its colours mean."""

    heading: plots.Heading
    look: plots.Look
    names: tuple[str, ...]
    tiles: np.ndarray  # (checkpoints, tiles, h, w), from 0 to 1
    ends: tuple[Any, Any] | None  # of the colour scale; None: each channel has its own
    units: np.ndarray | None  # (checkpoints, n), where the value is a vector: drawn as bars
    note: str

    @classmethod
    def of(
        cls,
        address: str,
        series: Series,
        names: tuple[str, ...],
        channels: int,
        look: plots.Look,
        weight: bool = False,
    ) -> Drawing:
        x = series.values
        if not x.size:
            raise BadInput(f"{address}: has no elements to draw: its shape is {x.shape[1:]}.")
        if not is_numeric(x.dtype):
            raise BadInput(f"{address}: holds {x.dtype}, which cannot be drawn over time.")
        x, heading = native(x), plots.Heading(address, series.kind, (1, *x.shape[1:]))
        maps, note = kernel_tiles(x) if weight else value_tiles(x, series.channel_axis)
        count = maps.shape[1]
        if count > channels:
            note = ", ".join(filter(None, [note, f"the first {channels} of {count}"]))
            maps = maps[:, :channels]
        vector = x.ndim <= 2
        low: Any
        if weight:  # zero in mid-grey, as kernels are drawn
            row = plots.measure(maps)
            high = np.float64(max(abs(row.min or 0), abs(row.max or 0)))
            low, ends = -high, (-high, high)
        elif look.normalize == "channel" and not vector and count > 1:
            low, high = plots.bounds(np.moveaxis(maps, 1, 0), "channel")
            ends = None
        else:
            low, high = plots.bounds(maps, "layer" if look.normalize else None)
            ends = (low, high)
        tiles = plots.normalise(np.moveaxis(maps, 1, 0), low, high)
        units = x.reshape(len(x), -1) if vector else None
        return cls(heading, look, names, np.moveaxis(tiles, 0, 1), ends, units, note)


def value_tiles(x: np.ndarray, channel_axis: int) -> tuple[np.ndarray, str]:
    """A value's channels as tiles.  (E, ...) -> (E, n, h, w)"""
    if x.ndim <= 2:
        return x.reshape(len(x), 1, 1, -1), ""
    x = np.moveaxis(x, channel_axis, -1)
    if x.ndim == 3:
        return x.transpose(0, 2, 1)[:, None], "positions right, channels down"
    note = ""
    if x.ndim > 4:
        x = x.reshape(len(x), -1, *x.shape[-3:])
        note = f"slice {x.shape[1] // 2} of {x.shape[1]}"
        x = x[:, x.shape[1] // 2]
    return np.moveaxis(x, -1, 1), note


def kernel_tiles(w: np.ndarray) -> tuple[np.ndarray, str]:
    """A weight's filters as tiles.  (E, *size, in, out) -> (E, n, h, w)"""
    size = w.shape[1:-2]
    if w.ndim <= 2:
        return w.reshape(len(w), 1, 1, -1), ""
    if math.prod(size) == 1:
        w = w.reshape(len(w), *w.shape[-2:])
        if w.shape[1] > w.shape[2]:
            return w.transpose(0, 2, 1)[:, None], "outputs down, inputs right"
        return w[:, None], "inputs down, outputs right"
    if len(size) == 1:
        return w.transpose(0, 3, 2, 1), "each tile: input channels down, positions right"
    w = w.reshape(len(w), -1, *w.shape[-4:])[:, 0] if len(size) > 2 else w
    inputs, outputs = w.shape[-2:]
    if outputs == 1:
        return w[..., 0].transpose(0, 3, 1, 2), "a tile for each input channel"
    note = f"each filter's input channel 0 of {inputs}" if inputs > 1 else ""
    note += ", its first slice" if len(size) > 2 else ""
    return w[..., 0, :].transpose(0, 3, 1, 2), note


def picked(count: int) -> np.ndarray:
    """Which of so many checkpoints a strip shows: all, or some at even distances, with both ends.

    Examples
    --------
    >>> picked(3).tolist(), len(picked(1000)), picked(1000)[-1]
    ([0, 1, 2], 24, np.int64(999))
    """
    return np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))


def strip(one: Drawing) -> Figure:
    """Checkpoints below one another, channels to the right; single maps on a grid."""
    at = picked(len(one.names))
    names = [plots.drawable(one.names[n], 12) for n in at]
    some = f"{len(at)} of {len(one.names)} checkpoints" if len(at) < len(one.names) else ""
    tiles = one.tiles[at]
    epochs, count, h, w = tiles.shape
    width = plots.WIDTH - 2 * plots.SIDE - (BAR if one.ends else 0) - LABELS
    rows = epochs if count > 1 else 1
    columns = count if count > 1 else None
    plan = plots.layout(epochs * count, h, w, width, columns, tallest=rows * HALF_INCH)
    if one.units is not None:  # a row each, without a gap between them
        height = min(max(0.3 * epochs, 0.6), plots.TALLEST)
        plan = replace(plan, height=height, width=min(width, 0.5 * w + 0.5))
    figure = one.look.blank()
    total = one.heading.place(figure, plan.height + 0.2, some, one.note, described(one))
    left = plots.SIDE + LABELS
    axes = plots.add_axes(figure, total, left, plots.FOOT + 0.2, plan.width, plan.height)
    axes.tick_params(length=0)
    tall, wide = plan.tile[0] + plan.gap, plan.tile[1] + plan.gap
    if one.units is not None:
        factor = math.ceil(w / (plan.width * plots.DPI))
        picture = one.look.paint(plots.shrink(tiles, factor)[:, 0, 0])
        ends = (-0.5, w - 0.5, epochs - 0.5, -0.5)
        axes.imshow(picture, aspect="auto", interpolation="auto", extent=ends)
        axes.locator_params(axis="x", integer=True)
        axes.set_yticks(np.arange(epochs), names, parse_math=False)
    else:
        z = plots.shrink(tiles.reshape(-1, h, w), plan.shrunk)
        axes.imshow(plots.mosaic(one.look.paint(z), plan), aspect="auto", interpolation="auto")
        axes.set_xticks([])
        axes.set_yticks([])
    if count > 1:
        axes.set_xticks(np.arange(count) * wide + plan.tile[1] / 2 - 0.5, map(str, range(count)))
        axes.set_yticks(np.arange(epochs) * tall + plan.tile[0] / 2 - 0.5, names, parse_math=False)
    elif one.units is None:
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        for n, name in enumerate(names):
            row, column = divmod(n, plan.columns)
            style: dict[str, Any] = {"va": "top", "parse_math": False, "bbox": paper}
            axes.text(column * wide, row * tall, name, fontsize=7.5, color=plots.INK, **style)
    if count > 1 or one.units is not None:
        axes.set_ylabel("checkpoint", fontsize=8, color=plots.FAINT, labelpad=2)
    if one.ends is not None:
        right = left + plan.width + 0.15
        plots.colour_bar(figure, total, one.look, *one.ends, right, plan.height + 0.2)
    return figure


def described(one: Drawing) -> str:
    return "" if one.ends is not None else "each channel on one scale over time"


def frames(one: Drawing) -> Iterator[Figure]:
    """A figure for each checkpoint, all of one size and on one scale."""
    epochs, count, h, w = one.tiles.shape
    width = plots.WIDTH - 2 * plots.SIDE - (BAR if one.ends else 0)
    bars = one.units is not None and 1 < one.units.shape[1] <= plots.LINES
    plan = plots.layout(count, h, w, width)
    reach = _reach(one.units) if one.units is not None else (0.0, 1.0)
    for number, name in enumerate(one.names):
        figure = one.look.blank()
        when = f"checkpoint {plots.drawable(name, 30)} ({number + 1} of {epochs})"
        if bars and one.units is not None:
            total = one.heading.place(figure, 2.6, when)
            room = plots.WIDTH - 2 * plots.SIDE - 0.2
            axes = plots.add_axes(
                figure, total, plots.SIDE + 0.2, plots.FOOT + 0.15,
                min(room, 1 + 0.4 * one.units.shape[1]), 2.45,
            )  # fmt: skip
            plots.graph(axes, one.units[number])
            axes.set_ylim(*reach)
            yield figure
            continue
        total = one.heading.place(figure, plan.height, when, one.note, described(one))
        axes = plots.add_axes(figure, total, plots.SIDE, plots.FOOT, plan.width, plan.height)
        z = plots.shrink(one.tiles[number], plan.shrunk)
        axes.imshow(plots.mosaic(one.look.paint(z), plan), aspect="auto", interpolation="auto")
        plots.row_numbers(axes, plan, 0, count)
        if one.ends is not None:
            right = plots.SIDE + plan.width + 0.15
            plots.colour_bar(figure, total, one.look, *one.ends, right, plan.height)
        yield figure


def _reach(units: np.ndarray) -> tuple[float, float]:
    """The ends of an axis on which all vectors fit, zero among them."""
    finite = units[np.isfinite(units)].astype(np.float64)
    low, high = min(finite.min(initial=0), 0), max(finite.max(initial=0), 0)
    room = 0.05 * (high - low)
    return (low - room * (low < 0), high + room) if low < high else (-1.0, 1.0)


def animate(figures: Iterable[Figure], path: Path, look: plots.Look) -> None:
    """Write figures of one size as a GIF that begins anew when it ends."""
    palette = palette_of(look)
    pictures = [picture_of(figure, palette) for figure in figures]
    pause = [PAUSE] * (len(pictures) - 1) + [END]
    rest = pictures[1:]
    pictures[0].save(path, "GIF", save_all=True, append_images=rest, duration=pause, loop=0)


def palette_of(look: plots.Look) -> np.ndarray:
    """The colours of an animation: those of values, and those of text on white.  (256, 3) uint8"""
    from matplotlib.colors import to_rgb

    colours = [look.paint(np.linspace(0, 1, 180)), look.paint(np.array([np.nan]))]
    for ink in (plots.INK, plots.FAINT, plots.BAD):
        cover = np.linspace(0, 1, 25)[:, None]
        colours.append(np.rint(255 * (1 - cover + cover * to_rgb(ink))).astype(np.uint8))
    return np.concatenate(colours)


def picture_of(figure: Figure, palette: np.ndarray) -> Image.Image:
    """A figure as a picture of the colours in a palette."""
    from PIL import Image

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=GIF_DPI)
    with Image.open(stream) as picture:
        rgb = np.asarray(picture.convert("RGB")).astype(np.int32)
    # Pillow's own search for the nearest colour makes a grey of white.
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    every, where = np.unique(codes, return_inverse=True)
    parts = np.stack([every >> 16, every >> 8 & 255, every & 255], axis=1)
    far = np.square(parts[:, None] - palette.astype(np.int32)).sum(axis=-1)
    found = Image.fromarray(far.argmin(axis=1).astype(np.uint8)[where].reshape(rgb.shape[:2]))
    found.putpalette(palette.tobytes())
    return found
