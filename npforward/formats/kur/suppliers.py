"""The data that a section of a Kurfile names, as Kur's suppliers and provider hand it to a model.

Only files below the Kurfile's own folder are read, whatever it says, and nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from npforward.errors import BadFile, MissingFile, UnknownName, nearest
from npforward.formats import idx, npz
from npforward.formats.kur import cifar, rows
from npforward.formats.kur.kurfile import SPELLINGS, Kurfile
from npforward.formats.kur.source import below, place
from npforward.limits import Limits

BATCH = 32  # samples, if a provider says nothing
CLASSES = 10  # of MNIST and CIFAR-10, whatever the labels are
# What a provider may say, beside the sizes of batches: it is all about the order in training.
ORDER = {"randomize", "shuffle_after", "sortagrad", "reverse", "sort_by"} | {
    f"neighborhood_{how}" for how in ("sort", "size", "growth")
}
CONVERT = (
    "holds pickled objects, and reading a pickle can run any program. If you trust the file, "
    "convert it once: python -c {program!r}"
)


@dataclass(frozen=True)
class Data(Mapping[str, np.ndarray]):
    """What a section of a Kurfile feeds to its model: an array for each source, by name.

    All have as many samples as Kur would hand out, in the order of the files: it shuffles only
    while it trains.

    Attributes
    ----------
    section : str
        "evaluate", "test", "validate" or "train".
    samples : int
        How many.
    batch_size : int
        As many go into a model at a time; the last batch may have fewer.  Where a layer of Kur's
        normalises by the batch at hand, results depend on it.

    Examples
    --------
    >>> from npforward.formats import kur
    >>> kurfile = kur.read("weights_fixtures/kur/shared_mnist_cnn/Kurfile.yml")
    >>> found = kur.data(kurfile, "evaluate")
    >>> {name: array.shape for name, array in found.items()}
    {'images': (200, 28, 28, 1), 'labels': (200, 10)}
    >>> [len(batch["images"]) for batch in found.batches()]
    [32, 32, 32, 32, 32, 32, 8]
    """

    section: str
    samples: int
    batch_size: int
    sources: Mapping[str, Sequence[rows.Part]]  # each source's parts, one after another
    where: str

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.sources:
            raise UnknownName(f"{self.where}: no data {name!r}. {nearest(name, self.sources)}")
        parts = [part.array() for part in self.sources[name]]
        for part in parts:
            if part.shape[1:] != parts[0].shape[1:]:
                raise BadFile(
                    f"{self.where}: {name!r} is supplied twice, with samples of shape "
                    f"{parts[0].shape[1:]} and then of {part.shape[1:]}."
                )
        return (parts[0] if len(parts) == 1 else np.concatenate(parts))[: self.samples]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[dict[str, np.ndarray]]:
        """The sources `names` (all, if it is None), as many samples at a time as Kur takes."""
        arrays = {name: self[name] for name in (self if names is None else names)}
        for start in range(0, self.samples, self.batch_size):
            yield {name: a[start : start + self.batch_size] for name, a in arrays.items()}


def data(kurfile: Kurfile, section: str = "evaluate", limits: Limits | None = None) -> Data:
    """The data of a section of a Kurfile; files are read, arrays are made when they are asked for.

    Parameters
    ----------
    section
        "evaluate", "test", "validate" or "train"; of several data sets that it names, as
        "validate.NAME", else the one called "default", or the first.

    Raises
    ------
    BadFile
        The section names no data, data of a kind that is not read, or a file that is damaged.
    MissingFile
        A file is not where it should be.
    """
    limits = limits or Limits()
    spec, suppliers, where = _section(kurfile, section)
    limits.check("include_files", len(suppliers), f"{kurfile.path}: {where}.data: suppliers")
    parts: dict[str, list[rows.Part]] = {}
    for number, entry in enumerate(suppliers):
        at = f"{place(entry, str(kurfile.path))}: {where}.data[{number}]"
        for name, part in _supplied(entry, _Here(kurfile.path.parent, at, limits)).items():
            parts.setdefault(name, []).append(part)
    at = f"{kurfile.path}: {where}"
    if not parts:
        raise BadFile(f"{at}.data: no supplier is left of it. Give INPUT files instead.")
    samples = min(sum(len(part) for part in each) for each in parts.values())
    size, most = _provider(spec.get("provider"), f"{at}.provider", samples)
    if not most:
        raise BadFile(f"{at}: there are {samples} samples, which make no batch of {size}.")
    return Data(section, most, size, parts, f"{at}.data")


def _section(kurfile: Kurfile, asked: str) -> tuple[dict[str, Any], list[Any], str]:
    """The section, the list of its suppliers, and what to call it."""
    name, _, chosen = asked.partition(".")
    name = next((one for one, both in SPELLINGS.items() if name in both), name)
    with_data = {
        one: spec
        for one in SPELLINGS
        if isinstance(spec := kurfile.data.get(one), dict) and spec.get("data")
    }
    if name not in with_data:
        raise BadFile(
            f"{kurfile.path}: names no data in a section {name!r}. "
            f"{nearest(name, with_data)} Or give INPUT files."
        )
    spec = with_data[name]
    sets = spec["data"]
    if isinstance(sets, dict):
        chosen = chosen or ("default" if "default" in sets else str(next(iter(sets))))
        if chosen not in sets:
            raise BadFile(f"{kurfile.path}: {name}.data has no {chosen!r}. {nearest(chosen, sets)}")
        sets, name = sets[chosen], f"{name}.{chosen}"
    elif chosen:
        raise BadFile(f"{kurfile.path}: {name}.data is one list, without a name like {chosen!r}.")
    if not isinstance(sets, (list, tuple)):
        raise BadFile(f"{kurfile.path}: {name}.data is not a list of suppliers: {sets!r:.80}.")
    return spec, list(sets), name


def _provider(spec: Any, where: str, samples: int) -> tuple[int, int]:
    """The size of a batch, and how many samples there are in all batches."""
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        raise BadFile(f"{where}: a mapping is expected, as {{batch_size: 32}}, not {spec!r:.80}.")
    kind = spec.get("name", "batch_provider")
    unknown = set(spec) - {"name", "batch_size", "num_batches", "force_batch_size"} - ORDER
    if unknown or str(kind).lower() != "batch_provider":
        what = f"key {sorted(map(str, unknown))[0]!r}" if unknown else f"provider {kind!r}"
        raise BadFile(f"{where}: the {what} is unknown; Kur has one provider, batch_provider.")
    size, most = (_whole(spec.get(key), f"{where}.{key}") for key in ("batch_size", "num_batches"))
    size = size or BATCH
    samples = min(samples, size * most) if most else samples
    if spec.get("force_batch_size"):
        samples -= samples % size
    return size, samples


def _whole(value: Any, where: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise BadFile(f"{where}: a whole number above 0 is expected, not {value!r:.80}.")
    return value


# Suppliers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Here:
    """Where a supplier stands in a Kurfile, and what it may read."""

    folder: Path
    where: str
    limits: Limits

    def file(self, target: Any) -> Path:
        """The file that a path means, or a mapping of `url`, `path` and `checksum`."""
        spec = target if isinstance(target, dict) else {"path": target}
        path, url, checksum = (spec.get(key) for key in ("path", "url", "checksum"))
        for key, value in (("path", path), ("url", url), ("checksum", checksum)):
            if value is not None and not isinstance(value, str):
                raise BadFile(f"{self.where}: {key} is a text, not {value!r:.80}.")
        if unknown := set(spec) - {"path", "url", "checksum"}:
            raise BadFile(f"{self.where}: the key {min(map(str, unknown))!r} is not for a file.")
        if path is None and url is None:
            raise BadFile(f"{self.where}: no path of a file is given.")
        here = url is not None and path in (None, ".", "./")
        found = self.folder if here else below(self.folder, path or "", self.where)
        if url is not None and not found.is_file() and (here or not found.suffix):
            found = below(found, Path(urlsplit(url).path).name, self.where)
        if not found.is_file():
            raise MissingFile(self._missing(found, url, checksum))
        self.limits.check("file_bytes", found.stat().st_size, str(found))
        if checksum is not None:
            with found.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != checksum.lower():
                raise BadFile(
                    f"{found}: its SHA-256 is {digest}, but the Kurfile says {checksum}. "
                    "It is damaged, or another file: get it again."
                )
        return found

    def _missing(self, path: Path, url: str | None, checksum: str | None) -> str:
        if url is None:
            return f"{self.where}: there is no file {path}. Put it there."
        known = f" (SHA-256 {checksum})" if checksum else ""
        return (
            f"{self.where}: there is no file {path}, and nothing is downloaded. Get it from "
            f"{url}{known}, and put it there."
        )


def _supplied(entry: Any, here: _Here) -> dict[str, rows.Part]:
    """What one supplier has, by the names of its sources."""
    if not isinstance(entry, dict):
        raise BadFile(f"{here.where}: a supplier is a mapping, as {{mnist: ...}}: {entry!r:.80}.")
    kinds = [key for key in entry if key in SUPPLIERS or key in OTHERS]
    if len(kinds) != 1:
        found = ", ".join(map(repr, kinds or entry)) or "nothing"
        raise BadFile(
            f"{here.where}: one kind of data is expected, of {', '.join((*SUPPLIERS, *OTHERS))}; "
            f"there is {found}."
        )
    (kind,), spec = kinds, entry[kinds[0]]
    if not entry.get("when", True):
        return {}
    if kind in OTHERS:
        raise BadFile(
            f"{here.where}: data of the kind {kind!r} are not made here. Let Kur make them once, "
            "save what it feeds (np.savez('data.npz', **batch)), and give that as INPUT."
        )
    named, listed = (spec, ()) if isinstance(spec, dict) else ({}, spec)
    listed = (listed,) if isinstance(listed, str) else listed
    supplier = SUPPLIERS[kind]
    try:
        bound = inspect.signature(supplier).bind(here, *listed, **named)
    except TypeError as error:
        takes = ", ".join(list(inspect.signature(supplier).parameters)[1:])
        raise BadFile(f"{here.where}: {kind} takes {takes}: {error}.") from None
    return supplier(*bound.args, **bound.kwargs)


def mnist(here: _Here, labels: Any, images: Any) -> dict[str, rows.Part]:
    """MNIST: pixels from 0 to 1, less the mean of all pixels in the file; labels one-hot."""
    files = here.file(images), here.file(labels)
    pixels, classes = (idx.read_idx(file, here.limits) for file in files)
    for file, array in zip(files, (pixels, classes), strict=True):
        if not array.ndim or not array.size:
            raise BadFile(f"{file}: there is no sample in it: its shape is {array.shape}.")
    here.limits.check("value_bytes", 4 * pixels.size, f"{files[0]}: bytes of the images")

    def centred() -> np.ndarray:
        x = pixels.astype(np.float32)
        x /= 255
        x -= x.mean()
        return x[..., None]

    where = f"{here.where}.mnist.labels"
    return {
        "images": rows.Part(len(pixels), centred),
        "labels": rows.Part(len(classes), lambda: one_hot(classes, where)),
    }


def cifar10(
    here: _Here, url: Any = None, checksum: Any = None, path: Any = None, parts: Any = None
) -> dict[str, rows.Part]:
    """CIFAR-10: pixels less the mean of each over the parts, over 255; labels one-hot."""
    if parts is None:
        raise BadFile(
            f"{here.where}: cifar needs parts, as [1, 2, 3, 4, 5] or test: without them Kur itself "
            "fails."
        )
    target = {"url": url, "checksum": checksum, "path": path}
    file = here.file({key: value for key, value in target.items() if value is not None})
    wanted = [str(one) for one in parts] if isinstance(parts, (list, tuple)) else [str(parts)]
    pixels, classes = cifar.read(file, wanted, here.limits)

    def centred() -> np.ndarray:
        here.limits.check("value_bytes", 4 * pixels.size, f"{file}: bytes of the images")
        x = pixels.astype(np.float32)
        x -= x.mean(axis=0)
        x /= 255
        return np.ascontiguousarray(x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))

    where = f"{here.where}.cifar: labels"
    return {
        "images": rows.Part(len(pixels), centred),
        "labels": rows.Part(len(classes), lambda: one_hot(classes, where)),
    }


def one_hot(classes: np.ndarray, where: str) -> np.ndarray:
    """(N,) -> (N, 10)"""
    whole = classes.dtype.kind in "iu" and classes.ndim == 1
    if not whole or (classes.size and not 0 <= classes.min() <= classes.max() < CLASSES):
        raise BadFile(
            f"{where}: a whole number from 0 to 9 for each image is expected, not "
            f"{classes.dtype} of shape {classes.shape}"
            + (f" from {classes.min()} to {classes.max()}." if classes.size else ".")
        )
    return np.eye(CLASSES, dtype=np.float32)[classes]


def numpy_dict(here: _Here, source: Any) -> dict[str, rows.Part]:
    """A dict of arrays; only as `.npz`, for numpy pickles one in a `.npy`."""
    return _converted(here, source, "np.load({name!r}, allow_pickle=True)[()]")


def pickle(here: _Here, source: Any) -> dict[str, rows.Part]:
    """A dict of arrays; only as `.npz`."""
    return _converted(here, source, "np.load({name!r}, allow_pickle=True)")


def _converted(here: _Here, source: Any, load: str) -> dict[str, rows.Part]:
    """The arrays of a `.npz`, which may also lie beside the pickle from which it was made."""
    if not isinstance(source, str):
        raise BadFile(f"{here.where}: the path of a file is a text, not {source!r:.80}.")
    named = below(here.folder, source, here.where)
    beside = below(here.folder, re.sub(r"(\.\w+)?$", ".npz", source, count=1), here.where)
    path = beside if beside.is_file() else here.file(source)
    if not npz.matches(path) or path.suffix == ".npy":
        program = f"import numpy as np; np.savez({beside.name!r}, **{load.format(name=named.name)})"
        raise BadFile(
            f"{path}: {CONVERT.format(program=program)} and leave {beside.name} beside it, which "
            "is then read instead."
        )
    found = npz.arrays(path, here.limits)
    for name, stored in found.items():
        if not stored.shape:
            raise BadFile(f"{path}: {name!r} is one number, without an axis of samples.")
    return {name: rows.Part(stored.shape[0], stored.read) for name, stored in found.items()}


def jsonl(here: _Here, source: Any) -> dict[str, rows.Part]:
    """A JSON object a line, each with a value for every source."""
    return rows.json_lines(here.file(source), here.limits)


def csv(
    here: _Here,
    path: Any = None,
    url: Any = None,
    checksum: Any = None,
    format: Any = None,
    header: Any = None,
) -> dict[str, rows.Part]:
    """A table: each column is a source of single numbers."""
    target = {"url": url, "checksum": checksum, "path": path}
    file = here.file({key: value for key, value in target.items() if value is not None})
    if format is not None and not isinstance(format, dict):
        raise BadFile(f"{here.where}: format is a mapping of delimiter and quote: {format!r:.80}.")
    marks = {}
    for key in ("delimiter", "quote"):
        mark = (format or {}).get(key)
        if mark is not None and (not isinstance(mark, str) or len(mark) != 1):
            raise BadFile(f"{here.where}: format.{key} is one character, not {mark!r:.80}.")
        marks[key] = mark
    return rows.table(file, here.limits, header=header is None or bool(header), **marks)


SUPPLIERS: dict[str, Callable[..., dict[str, rows.Part]]] = {
    "mnist": mnist,
    "cifar": cifar10,
    "numpy_dict": numpy_dict,
    "pickle": pickle,
    "jsonl": jsonl,
    "csv": csv,
}
OTHERS = ("text", "mind", "speech_recognition")
