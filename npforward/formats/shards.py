"""Weights in several files and an index in JSON: Keras 3's `.weights.json`, safetensors' shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from npforward.errors import BadFile
from npforward.formats import archive, guarded_json, hdf5, safetensors
from npforward.formats.keras_weights import BESIDE, ByPlace
from npforward.formats.loose import Loose
from npforward.graph import Stored
from npforward.limits import Limits

MAP = "weight_map"


def matches(path: Path) -> bool:
    """Whether `path` is a JSON object that begins with a `weight_map`, or with its metadata."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return head.lstrip()[:1] == b"{" and f'"{MAP}"'.encode() in head


def weights(path: Path, limits: Limits) -> ByPlace | Loose:
    """The arrays by their places, where the files are Keras's, or else by their names."""
    found = arrays(path, limits)
    if any(_is_hdf5(file) for file, _ in _shards(path, limits)):
        return ByPlace(found, str(path))
    return Loose(str(path), found)


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """The arrays of all files that the index names."""
    found: dict[str, Stored] = {}
    for file, names in _shards(path, limits):
        if _is_hdf5(file):
            found |= hdf5.File.open(file, limits).arrays(skip=BESIDE)
            continue
        held = safetensors.arrays(file, limits)
        for name in names:
            if name not in held:
                raise BadFile(f"{path}: {name!r} should be in {file.name!r}, but is not there.")
            found[name] = held[name]
    total = sum(stored.nbytes for stored in found.values())
    limits.check("weights_bytes", total, str(path))
    return found


def _is_hdf5(file: Path) -> bool:
    return archive.begins(file, hdf5.SIGNATURE)


def _shards(path: Path, limits: Limits) -> Iterator[tuple[Path, list[str]]]:
    """Each file that the index names, which must lie beside it, and what should be in it."""
    limits.check("config_bytes", path.stat().st_size, str(path))
    index = guarded_json.loads(path.read_bytes(), str(path), limits)
    places = index.get(MAP) if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise BadFile(f"{path}: its {MAP} is not an object from arrays to files.")
    beside = archive.Folder(path.parent, limits)
    shards: dict[str, list[str]] = {}
    for name, files in places.items():
        for file in files if isinstance(files, list) else [files]:
            if not isinstance(file, str) or "/" in file or file not in beside:
                raise BadFile(
                    f"{path}: {name!r} should be in {file!r}, which is no file beside it (links "
                    "are not followed). Put all files of the model into one folder."
                )
            shards.setdefault(file, []).append(name)
    return ((path.parent / file, names) for file, names in shards.items())
