"""Input files as arrays that fit a model: pictures, .npy, .npz, .csv and text."""

from __future__ import annotations

import csv
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from npforward.errors import BadFile, BadInput, LimitExceeded, MissingFile, nearest
from npforward.limits import Limits

PICTURES = ("PNG", "JPEG", "BMP", "GIF")
MODES = {"gray": "L", "rgb": "RGB", "bgr": "RGB", "rgba": "RGBA"}
BY_COUNT = {1: "gray", 3: "rgb", 4: "rgba"}
# What decoders raise on a damaged file; none of them is a bug of ours.
DAMAGE = (
    *(OSError, ValueError, SyntaxError, EOFError, OverflowError, IndexError, KeyError, TypeError),
    *(struct.error, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError),
)


class InputSpec(Protocol):
    """What a model says of one of its inputs."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int | None, ...] | None: ...
    @property
    def dtype(self) -> Any: ...


@dataclass(frozen=True)
class Preprocessing:
    """What is done to pictures and numbers before they enter a model: ``(x * scale - mean) / std``.

    Attributes
    ----------
    resize : (height, width), optional
        Of pictures; by default what the model's input asks for.
    scale : float, optional
        Factor; by default values stay as they are, 0 to 255 for pictures.
    mean, std : sequence of float, optional
        One number, or one for each channel.
    channels : {'gray', 'rgb', 'bgr', 'rgba'}, optional
        Of pictures; by default what the model's input asks for.

    Examples
    --------
    >>> Preprocessing.parse(resize="150x100", scale="1/255", mean="0.5").resize
    (150, 100)
    """

    resize: tuple[int, int] | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None

    def __post_init__(self) -> None:
        if self.resize is not None and (len(self.resize) != 2 or min(self.resize) < 1):
            raise BadInput(f"resize {self.resize}: give (height, width), both above 0.")
        if self.channels is not None and self.channels not in MODES:
            raise BadInput(f"channels {self.channels!r}: there are {', '.join(MODES)}.")
        if self.std is not None and 0 in self.std:
            raise BadInput(f"std {self.std}: a standard deviation of 0 cannot be divided by.")
        for name, numbers in (("scale", (self.scale,)), ("mean", self.mean), ("std", self.std)):
            if any(x is not None and not math.isfinite(x) for x in numbers or ()):
                raise BadInput(f"{name} {numbers}: give finite numbers.")

    @classmethod
    def parse(
        cls,
        resize: str | None = None,
        scale: str | None = None,
        mean: str | None = None,
        std: str | None = None,
        channels: str | None = None,
    ) -> Preprocessing:
        """From the command line's texts: ``150x100``, ``1/255``, ``0.5,0.4,0.3``."""
        size = None
        if resize is not None:
            try:
                height, width = (int(part) for part in resize.lower().split("x"))
            except ValueError:
                raise BadInput(
                    f"--resize {resize}: give height x width in pixels, as 150x100."
                ) from None
            size = (height, width)
        return cls(
            size,
            numbers("scale", scale)[0] if scale is not None else None,
            numbers("mean", mean) if mean is not None else None,
            numbers("std", std) if std is not None else None,
            channels,
        )

    def values(self, x: np.ndarray, axis: int, where: str) -> tuple[np.ndarray, list[str]]:
        """Scale, subtract and divide, in float32; `axis` has the channels."""
        if self.scale is None and self.mean is None and self.std is None:
            return x, []
        if x.dtype.kind not in "biuf":
            raise BadInput(f"{where}: holds {x.dtype}, which cannot be scaled.")
        x = x if x.dtype == np.float64 else x.astype(np.float32)
        notes = []
        if self.scale is not None:
            x, notes = x * x.dtype.type(self.scale), [f"multiplied by {self.scale:.6g}"]
        for name, settings in (("mean", self.mean), ("std", self.std)):
            if settings is None:
                continue
            count = x.shape[axis] if x.ndim else 1
            if len(settings) not in (1, count):
                raise BadInput(f"{where}: {len(settings)} numbers for {name}, {count} channels.")
            each = np.array(settings, x.dtype)
            if len(settings) > 1:
                each = each.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
            x = x - each if name == "mean" else x / each
            listed = ", ".join(f"{s:.6g}" for s in settings)
            notes.append(f"minus {listed}" if name == "mean" else f"divided by {listed}")
        return x, notes


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers and fractions from a comma-separated text.

    Examples
    --------
    >>> numbers("std", "0.5,1/4")
    (0.5, 0.25)
    """
    try:
        return tuple(float(Fraction(part.replace(" ", ""))) for part in text.split(","))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise BadInput(
            f"--{name} {text}: give numbers or fractions separated by commas, as 1/255."
        ) from None


def read_batch(
    paths: Sequence[Path | str],
    spec: InputSpec,
    preprocessing: Preprocessing | None = None,
    limits: Limits | None = None,
) -> tuple[np.ndarray, list[str]]:
    """One array for one input of a model, from one file or several, and a line on each file.

    Parameters
    ----------
    paths : sequence of paths
        Several files make a batch, in their order.
    spec : InputSpec
        The input: `name`, `shape` with None for what is open, `dtype`.

    Returns
    -------
    array : ndarray
        (batch, ...) as the input asks for.
    lines : list of str
        What was read and done, for each file.

    Examples
    --------
    >>> import tempfile, types
    >>> spec = types.SimpleNamespace(name="x", shape=(None, 3), dtype="float32")
    >>> path = Path(tempfile.mkdtemp()) / "x.npy"
    >>> np.save(path, np.array([1.0, 2.0, 3.0]))
    >>> x, lines = read_batch([path], spec)
    >>> x.shape, lines[0]
    ((1, 3), 'x.npy: (3,) float64, one sample, values 1 to 3 not scaled')
    """
    preprocessing, limits = preprocessing or Preprocessing(), limits or Limits()
    if not paths:
        raise BadInput(f"input {spec.name!r}: no file given.")
    parts: list[np.ndarray] = []
    lines: list[str] = []
    for path in map(Path, paths):
        x, line = read(path, spec, preprocessing, limits)
        if parts and x.shape[1:] != parts[0].shape[1:]:
            raise BadInput(
                f"{path}: gives {shown(x.shape[1:])}, but {Path(paths[0]).name} before it "
                f"{shown(parts[0].shape[1:])}; files of one batch must agree. "
                "Give pictures one size with --resize."
            )
        parts.append(x)
        lines.append(line)
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)), lines


def read(
    path: Path, spec: InputSpec, preprocessing: Preprocessing, limits: Limits
) -> tuple[np.ndarray, str]:
    """One file as (batch, ...), and a line that says what was done."""
    head = first_bytes(path)
    suffix = path.suffix.lower()
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8")):
        return read_picture(path, spec, preprocessing, limits)
    if preprocessing.resize or preprocessing.channels:
        raise BadInput(f"{path}: is not a picture, so it cannot be resized or its channels chosen.")
    if head.startswith(b"\x93NUMPY"):
        x = read_npy(path, limits)
    elif head.startswith(b"PK\x03\x04"):
        x = read_npz(path, spec, limits)
    elif suffix in (".csv", ".txt"):
        x = read_text(path, spec, limits)
    elif suffix in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".npy", ".npz"):
        what = "an array" if suffix in (".npy", ".npz") else "a picture"
        raise BadFile(f"{path}: is not {what}, although its name says so{empty(head)}.")
    else:
        raise BadFile(
            f"{path}: cannot be read as input{empty(head)}. "
            "Inputs are pictures (PNG, JPEG, BMP, GIF), .npy, .npz, .csv and .txt."
        )
    about = f"{path.name}: {shown(x.shape)} {'text' if x.dtype.kind in 'US' else x.dtype}"
    x, fitted = fit(x, spec, path)
    x, scaled = preprocessing.values(x, channel_axis(spec.shape or ()), str(path))
    return x, ", ".join([about, *fitted, *(scaled or [value_range(x)])])


def empty(head: bytes) -> str:
    return "" if head else ": it is empty"


def first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise MissingFile(f"{path}: is a folder; give the files in it, as {path}/*.png.")
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except FileNotFoundError:
        raise MissingFile(f"{path}: there is no such file.") from None
    except OSError as error:
        raise MissingFile(f"{path}: cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a NUL in the name
        raise MissingFile(f"{str(path)!r}: is not a file name: {error}.") from None


def shown(shape: Sequence[int | None] | None) -> str:
    """A shape as Keras prints it."""
    return "any shape" if shape is None else str(tuple(shape))


def value_range(x: np.ndarray) -> str:
    if x.dtype.kind not in "biuf" or not x.size:
        return "not scaled"
    return f"values {x.min():.6g} to {x.max():.6g} not scaled"


# Pictures --------------------------------------------------------------------------------------


def is_channels_first(shape: Sequence[int | None]) -> bool:
    """Whether an input (batch, a, b, c) has its channels in a: only one end can be 1, 3 or 4.

    Examples
    --------
    >>> is_channels_first((None, 3, 32, 32)), is_channels_first((None, 32, 32, 3))
    (True, False)
    """
    return len(shape) == 4 and shape[1] in BY_COUNT and shape[3] not in BY_COUNT


def channel_axis(shape: Sequence[int | None]) -> int:
    return 1 if is_channels_first(shape) else -1


def read_picture(
    path: Path, spec: InputSpec, preprocessing: Preprocessing, limits: Limits
) -> tuple[np.ndarray, str]:
    """A picture as (1, h, w, c), or however the model's input has it."""
    shape = spec.shape or (None,) * 4
    first = is_channels_first(shape)
    if len(shape) == 4:
        height, width, count = (
            (shape[2], shape[3], shape[1]) if first else (shape[1], shape[2], shape[3])
        )
    elif len(shape) == 3:  # grey, without an axis for channels
        height, width, count = shape[1], shape[2], 1
    elif len(shape) == 2:  # pixels one after another
        height = width = count = None
    else:
        raise BadInput(
            f"{path}: is a picture, but input {spec.name!r} takes {shown(shape)}. "
            "Give an array (.npy) of that shape."
        )
    if kind(spec) == "text":
        raise BadInput(f"{path}: is a picture, but input {spec.name!r} takes text.")
    if preprocessing.channels is None and count is not None and count not in BY_COUNT:
        raise BadInput(
            f"{path}: is a picture, which has 1, 3 or 4 channels, but input {spec.name!r} takes "
            f"{shown(shape)}: {count} channels. Give an array (.npy) of that shape."
        )
    resize = preprocessing.resize or (height and width and (height, width)) or None
    x, notes = decode(path, preprocessing.channels or BY_COUNT.get(count or 0), resize, limits)
    x, scaled = preprocessing.values(x, -1, str(path))
    if count is not None and x.shape[-1] != count:
        raise BadInput(
            f"{path}: gives {x.shape[-1]} channels, but input {spec.name!r} takes {shown(shape)}. "
            f"Leave out --channels, or give --channels {BY_COUNT.get(count, '...')}."
        )
    notes += scaled or [value_range(x)]
    if len(shape) == 2:
        if shape[1] not in (None, x.size):
            grey = x.shape[0] * x.shape[1]
            advice = (
                "--channels gray makes it fit"
                if grey == shape[1]
                else "--resize and --channels choose another size"
            )
            raise BadInput(
                f"{path}: {x.shape[0]}x{x.shape[1]} with {x.shape[2]} channels is {x.size} values, "
                f"but input {spec.name!r} takes {shown(shape)}; {advice}."
            )
        x = x.reshape(-1)
        notes.append(f"flattened to {x.size} values")
    elif len(shape) == 3:
        x = x[..., 0]
    elif first:
        x = np.moveaxis(x, -1, 0)
        notes.append("channels first")
    for axis, (found, expected) in enumerate(zip(x.shape, shape[1:], strict=True), 1):
        if expected not in (None, found):
            raise BadInput(
                f"{path}: gives {shown((1, *x.shape))}, but input {spec.name!r} takes "
                f"{shown(shape)} (axis {axis}: {found}, not {expected}). Leave out --resize."
            )
    return np.ascontiguousarray(x)[None], f"{path.name}: {', '.join(notes)}"


def decode(
    path: Path, channels: str | None, resize: tuple[int, int] | None, limits: Limits
) -> tuple[np.ndarray, list[str]]:
    """Pixels of a picture, (h, w, c), and what was done to them."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; Limits.image_pixels decides here.
            warnings.simplefilter("ignore")
            picture: Image.Image
            with Image.open(path, formats=PICTURES) as picture:
                limits.check("image_pixels", picture.width * picture.height, str(path))
                picture.load()
                deep = picture.mode.startswith("I")
                if channels is None:
                    channels = "gray" if deep or picture.mode in ("1", "L", "LA") else "rgb"
                about = f"{picture.height}x{picture.width} {colours(picture.mode)}"
                if deep and channels != "gray":  # Pillow would clip 16 bits to 8
                    picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
                    about += " reduced to 8 bits"
                mode = MODES[channels]
                wanted = picture if deep and mode == "L" else picture.convert(mode)
                size = (wanted.height, wanted.width)
                resized = resize is not None and size != tuple(resize)
                if resized:
                    limits.check("image_pixels", math.prod(resize or ()), f"{path}, resized")
                    if deep and mode == "L":
                        wanted = wanted.convert("F")  # the only deep mode that Pillow resizes well
                    wanted = wanted.resize((resize or size)[::-1], Image.Resampling.BILINEAR)
                x = np.array(wanted)
    except Image.DecompressionBombError as error:
        raise LimitExceeded(
            f"{path}: {error} Pillow refuses it whatever image_pixels is: make it smaller first."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise BadFile(f"{path}: is not a picture (PNG, JPEG, BMP or GIF).") from error
    except LimitExceeded:
        raise
    except DAMAGE as error:
        raise BadFile(f"{path}: the picture is damaged or cut short: {error}.") from error
    x = x.reshape(*x.shape[:2], -1)
    if channels == "bgr":
        x = x[..., ::-1]
    notes = [about]
    if channels != colours(picture.mode):
        notes.append(f"taken as {channels}")
    if resized and resize:
        notes.append(f"resized to {resize[0]}x{resize[1]} (bilinear)")
    return x, notes


def colours(mode: str) -> str:
    """Pillow's mode in words."""
    if mode.startswith("I"):
        return "16-bit gray"
    return {"1": "black and white", "L": "gray", "LA": "gray with alpha", "P": "palette"}.get(
        mode, mode.lower()
    )


# Arrays and tables -----------------------------------------------------------------------------


def read_npy(path: Path, limits: Limits) -> np.ndarray:
    """A .npy file, mapped into memory: a false size in its header reserves nothing."""
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise BadFile(f"{path}: {why_not(error)}") from error
    limits.check("rank", x.ndim, str(path))
    limits.check("tensor_elements", x.size, str(path))
    return x


def why_not(error: BaseException) -> str:
    if "pickle" in str(error) or "object" in str(error).lower():
        return "holds Python objects, which are never loaded. Save it with a plain dtype."
    return f"is not a whole .npy array: {error}."


def read_npz(path: Path, spec: InputSpec, limits: Limits) -> np.ndarray:
    """The array of an .npz that is called like the input, or its only one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            limits.check("zip_members", len(names), str(path))
            if len(names) == 1:
                name = names[0]
            elif spec.name in names:
                name = spec.name
            else:
                raise BadInput(
                    f"{path}: holds {len(names)} arrays, none called {spec.name!r}. "
                    f"{nearest(spec.name, names)} Save the one that is meant as .npy."
                )
            info = archive.getinfo(name + ".npy")
            limits.check("member_bytes", info.file_size, f"{path}, {name}")
            if info.file_size > 16 * 2**20:
                ratio = info.file_size / max(info.compress_size, 1)
                limits.check("zip_ratio", ratio, f"{path}, {name}")
            with archive.open(info) as stream:
                version = np.lib.format.read_magic(stream)
                header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(stream)
            limits.check("rank", len(shape), f"{path}, {name}")
            limits.check("tensor_elements", math.prod(shape), f"{path}, {name}")
            if not dtype.hasobject and math.prod(shape) * dtype.itemsize > info.file_size:
                raise BadFile(f"{path}, {name}: its header says {shape}, its data are fewer.")
            with archive.open(info) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
    except (BadFile, BadInput, LimitExceeded):
        raise
    except DAMAGE as error:
        raise BadFile(f"{path}: {why_not(error).replace('.npy', '.npz')}") from error


def read_text(path: Path, spec: InputSpec, limits: Limits) -> np.ndarray:
    """A table of numbers; lines of text for a model that takes text."""
    limits.check("tensor_elements", path.stat().st_size, str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}.") from None
    if "\0" in text:
        raise BadFile(f"{path}: is not text: it has NUL characters.")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadFile(f"{path}: is empty.")
    if kind(spec) == "text":
        if path.suffix.lower() == ".csv":
            return table(path, list(csv.reader(lines)))
        return np.array(lines, np.str_)
    mark = next((m for m in (",", ";", "\t") if m in lines[0]), None)
    rows = [line.split(mark) for line in lines]
    heading = 0 if all(map(is_number, rows[0])) else 1
    cells = table(path, rows[heading:], heading)
    try:
        return cells.astype(np.float64)
    except ValueError:
        row, column = next(at for at in np.ndindex(cells.shape) if not is_number(str(cells[at])))
        raise BadFile(
            f"{path}: row {row + heading + 1}, column {column + 1}: "
            f"{str(cells[row, column]).strip()[:40]!r} is not a number, "
            f"and input {spec.name!r} takes numbers ({shown(spec.shape)})."
        ) from None


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def table(path: Path, rows: list[list[str]], heading: int = 0) -> np.ndarray:
    """Rows of equal length as an array of text."""
    if not rows:
        raise BadFile(f"{path}: has a heading and nothing below it.")
    for number, row in enumerate(rows, 1 + heading):
        if len(row) != len(rows[0]):
            raise BadFile(
                f"{path}: row {number} has {len(row)} columns, the rows before it {len(rows[0])}."
            )
    return np.array(rows, np.str_)


def kind(spec: InputSpec) -> str:
    """`text` or `number`."""
    name = str(getattr(spec.dtype, "name", spec.dtype))
    return "text" if name.startswith(("str", "<U", "|S", "object")) else "number"


def fit(x: np.ndarray, spec: InputSpec, path: Path) -> tuple[np.ndarray, list[str]]:
    """`x` with the batch axis, and the axis of a single channel, where it lacks them."""
    if (x.dtype.kind in "US") != (kind(spec) == "text"):
        found = "text" if x.dtype.kind in "US" else f"numbers ({x.dtype})"
        raise BadInput(f"{path}: holds {found}, but input {spec.name!r} takes {kind(spec)}s.")
    if x.dtype.kind not in "biufUS":
        raise BadInput(f"{path}: holds {x.dtype}, but input {spec.name!r} takes numbers.")

    if spec.shape is None:
        return x, [f"of shape {shown(x.shape)}"]
    shape = tuple(spec.shape)

    def fits(found: tuple[int, ...]) -> bool:
        return len(found) == len(shape) and all(
            e in (None, f) for f, e in zip(found[1:], shape[1:], strict=True)
        )

    batch = f"a batch of {x.shape[0]}" if x.ndim else ""
    if fits(x.shape):
        return x, [batch]
    if fits((1, *x.shape)):
        return x[None], ["one sample"]
    channel = channel_axis(shape)
    if len(shape) >= 3 and shape[channel] == 1:
        at = 1 if channel == 1 else x.ndim
        if x.ndim and fits(widened := (*x.shape[:at], 1, *x.shape[at:])):
            return x.reshape(widened), [batch, "channel axis added"]
        at = 0 if channel == 1 else x.ndim
        if fits(widened := (1, *x.shape[:at], 1, *x.shape[at:])):
            return x.reshape(widened), ["one sample", "channel axis added"]
    if shape[1:] == (1,) and x.ndim == 1:
        return x.reshape(-1, 1), [batch]
    known = [n for n in shape[1:] if n is not None]
    if x.ndim in (1, 2) and len(known) == len(shape) - 1 and x.shape[-1] == math.prod(known):
        batch = batch if x.ndim == 2 else "one sample"
        return x.reshape(-1, *known), [batch, f"each row folded to {shown(known)}"]
    raise BadInput(
        f"{path}: has shape {shown(x.shape)}, but input {spec.name!r} takes {shown(shape)}, "
        "where the first axis is the batch and may be left out for one sample."
    )
