"""Extracted values in files: one .npz, one .h5, or a folder of .npy with an index.

============  =================================================================================
``.npz``      a member for each address: ``np.load(path)["encoder/conv1"]``
``.h5``       a dataset at each address: ``file["encoder/conv1"]``; its attribute `index` says
              when it was computed.  A nested model's own output shares its address with the
              group of its layers: it is the dataset ``encoder/:output``
``.npy``      ``000_input.npy``, ``001_encoder%2Fconv1.npy`` ..., and ``index.json``: a list of
              ``{"address", "file", "shape", "dtype"}`` in execution order
============  =================================================================================

Values are written as they come, so that not all need be in memory, and only a whole file takes its
name.  Types that numpy's format cannot name (bfloat16, float8) are widened to float32, which holds
them exactly.  A path component that would leave the file (``..``) or end the name (NUL) is
percent-escaped.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from npforward.addresses import MEANING
from npforward.errors import BadFile, BadInput, MissingFile
from npforward.statistics import is_numeric, native
from npforward.writing import file_name, percent, whole_file, whole_folder

Items = Iterable[tuple[str, np.ndarray]]
FORMATS = ("npz", "h5", "npy")
# What `member` writes; the escapes that addresses bring with them are left alone.
OWN = "".join(f"(?!{ord(character):02X})" for character in MEANING)
ESCAPES = re.compile(f"(?:%{OWN}[0-9A-F]{{2}})+")
OUTPUT = ":output"  # no component of an address can begin with a colon


def save(items: Items, path: Path | str, format: str | None = None) -> Path:
    """Write (address, array) pairs, whole or not at all.

    Parameters
    ----------
    items : iterable of (str, ndarray)
        ``trace.items()``, or a generator: each array is let go once it is written.
    path : path
        A file, or for ``"npy"`` a folder.
    format : {'npz', 'h5', 'npy'}, optional
        By default what the ending of `path` says.

    Examples
    --------
    >>> import tempfile
    >>> path = save({"encoder/conv1": np.ones(3)}.items(), Path(tempfile.mkdtemp()) / "a.npz")
    >>> np.load(path)["encoder/conv1"]
    array([1., 1., 1.])
    """
    path = Path(path)
    format = format or {".npz": "npz", ".h5": "h5", ".hdf5": "h5", "": "npy"}.get(
        path.suffix.lower(), path.suffix
    )
    if format not in FORMATS:
        raise BadInput(f"{path}: no format {format!r} for arrays; there are {', '.join(FORMATS)}.")
    writer: Callable[[Items, Path], None]
    writer = {"npz": write_npz, "h5": write_h5, "npy": write_npy}[format]
    if format == "npy":
        with whole_folder(path) as folder:
            writer(items, folder)
    else:
        with whole_file(path) as temporary:
            writer(items, temporary)
    return path


def load(path: Path | str) -> dict[str, np.ndarray]:
    """Read back what `save` wrote: address -> array, in the order of writing.

    Examples
    --------
    >>> import tempfile
    >>> path = save({"conv1": np.ones(3)}.items(), Path(tempfile.mkdtemp()) / "a.npz")
    >>> load(path)["conv1"]
    array([1., 1., 1.])
    """
    path = Path(path)
    if not path.exists():
        raise MissingFile(f"{path}: there is no such file or folder.")
    try:
        if path.is_dir():
            return read_npy(path)
        with path.open("rb") as stream:
            head = stream.read(8)
        return read_h5(path) if head == b"\x89HDF\r\n\x1a\n" else read_npz(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{path}: is not a file of extracted values: {error}.") from error


def storable(address: str, value: np.ndarray) -> np.ndarray:
    """The array in a type that numpy's own format can name."""
    value = np.asarray(value)
    if value.dtype.kind in "biufcUS":
        return value
    if is_numeric(value.dtype):
        return native(value)
    raise BadInput(f"{address}: values of type {value.dtype} cannot be stored.")


def member(address: str) -> str:
    """An address as a path inside a file.

    Examples
    --------
    >>> member("encoder/conv1:pre"), member("../conv1")
    ('encoder/conv1:pre', '%2E%2E/conv1')
    """
    return "/".join(
        percent(part, part if part in (".", "..") else "\\") or "%" for part in address.split("/")
    )


def address_of(member: str) -> str:
    """The inverse of `member`.

    Examples
    --------
    >>> address_of("%2E%2E/block1%2Fconv1")
    '../block1%2Fconv1'
    """
    return "/".join(
        "" if part == "%" else ESCAPES.sub(lambda found: unescaped(found[0]), part)
        for part in member.split("/")
    )


def unescaped(escapes: str) -> str:
    return bytes.fromhex(escapes.replace("%", "")).decode("utf-8", "surrogatepass")


def write_npz(items: Items, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for address, value in items:
            info = zipfile.ZipInfo(member(address) + ".npy")  # dated 1980: same values, same bytes
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, storable(address, value), allow_pickle=False)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    # Opened here: np.load leaves a damaged file open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {address_of(name): archive[name] for name in archive.files}


def write_h5(items: Items, path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["format"] = "npforward activations 1"
        for index, (address, value) in enumerate(items):
            value = storable(address, value)
            at = member(address)
            parts = at.split("/")
            for depth in range(1, len(parts)):  # a value already where a group is needed
                above = "/".join(parts[:depth])
                if isinstance(file.get(above), h5py.Dataset):
                    file.move(above, above + ".moving")
                    file.move(above + ".moving", f"{above}/{OUTPUT}")
            if at in file:
                at = f"{at}/{OUTPUT}"
            options: dict[str, Any] = {"data": value}
            if value.dtype.kind in "US":
                options = {"data": value.astype(object), "dtype": h5py.string_dtype()}
            stored = file.create_dataset(at, **options)
            stored.attrs["index"] = index


def read_h5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    found: list[tuple[int, str, np.ndarray]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            text = h5py.check_string_dtype(item.dtype) is not None
            value = np.asarray(item.asstr()[()], np.str_) if text else np.asarray(item[()])
            address = address_of(name.removesuffix(f"/{OUTPUT}"))
            found.append((int(item.attrs["index"]), address, value))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return {address: value for _, address, value in sorted(found, key=lambda entry: entry[0])}


def write_npy(items: Items, folder: Path) -> None:
    index = []
    for number, (address, value) in enumerate(items):
        value = storable(address, value)
        name = file_name(f"{number:03d}_{address}", ".npy")
        np.save(folder / name, value, allow_pickle=False)
        shape = list(value.shape)
        index.append({"address": address, "file": name, "shape": shape, "dtype": str(value.dtype)})
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def read_npy(folder: Path) -> dict[str, np.ndarray]:
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    found = {}
    for entry in index:
        if entry["file"] != Path(entry["file"]).name:  # never out of the folder
            raise BadFile(f"{folder}: index.json names {entry['file']!r}, which is elsewhere.")
        found[entry["address"]] = np.load(folder / entry["file"], allow_pickle=False)
    return found
