"""Keras 3's `.keras`: a zip (or a folder) with `config.json` and `model.weights.h5`."""

from __future__ import annotations

from pathlib import Path

from npforward.errors import BadFile
from npforward.formats import archive, guarded_json, hdf5, keras_config
from npforward.formats.keras_compiled import loss_of
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_preprocessing import InArchive, Vocabularies
from npforward.formats.keras_weights import ByPlace, some
from npforward.graph import Graph
from npforward.limits import Limits

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def matches(path: Path) -> bool:
    """Whether `path` is a zip, or a folder with the members of a `.keras` file."""
    if path.is_dir():
        return (path / CONFIG).is_file() or (path / WEIGHTS).is_file()
    return archive.begins(path, archive.SIGNATURE, archive.EMPTY)


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """The model in a `.keras` file or folder."""
    members = _open(path, limits)
    config, version, _, loss = _architecture(members, limits)
    place = _weights(members, limits)
    graph = keras_config.graph(
        config,
        place,
        InArchive(members, place.former),
        version=version,
        backend=backend,
        source=path.name,
        limits=limits,
        loss=loss,
    )
    place.check()
    return graph


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in a `.keras` file, and what Keras wrote it."""
    return _architecture(_open(path, limits), limits)


def weights(path: Path, limits: Limits) -> ByPlace:
    """The arrays in a `.keras` file, to be given to the layers of an architecture."""
    return _weights(_open(path, limits), limits)


def vocabularies(path: Path, limits: Limits) -> Vocabularies:
    """What the preprocessing layers in a `.keras` file know."""
    members = _open(path, limits)
    return InArchive(members, _weights(members, limits).former if WEIGHTS in members else {})


def _open(path: Path, limits: Limits) -> archive.Zip | archive.Folder:
    return archive.Folder(path, limits) if path.is_dir() else archive.Zip(path, limits)


def _architecture(members: archive.Zip | archive.Folder, limits: Limits) -> Architecture:
    where = f"{members.path}: {CONFIG}"
    config = guarded_json.loads(_member(members, CONFIG, "config_bytes"), where, limits)
    version = ""
    if METADATA in members.names:
        text = members.view(METADATA, "config_bytes")
        metadata = guarded_json.loads(text, f"{members.path}: {METADATA}", limits)
        version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
    version = keras_config.checked_version(version, str(members.path))
    compiled = config.get("compile_config") if isinstance(config, dict) else None
    loss = loss_of(lambda: compiled, f"{where}: compile_config", limits)
    return Architecture(config, version, loss=loss)


def _weights(members: archive.Zip | archive.Folder, limits: Limits) -> ByPlace:
    data = _member(members, WEIGHTS, "member_bytes")
    return ByPlace.of(hdf5.File(data, f"{members.path}: {WEIGHTS}", limits))


def _member(members: archive.Zip | archive.Folder, name: str, limit: str) -> memoryview:
    names = members.names
    if name not in names:
        kind = "folder" if members.path.is_dir() else "zip archive"
        has = f"it has {some(names)}" if names else "it is empty"
        raise BadFile(
            f"{members.path}: this {kind} has no {name}, which every Keras model has ({has}). "
            "Save the model again with model.save('model.keras')."
        )
    return members.view(name, limit)
