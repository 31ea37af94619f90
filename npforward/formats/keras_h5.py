"""Whole models in HDF5, as Keras 3 and tf.keras write `.h5`, and files of weights only."""

from __future__ import annotations

from pathlib import Path

from npforward.errors import BadFile
from npforward.formats import archive, guarded_json, hdf5, keras_config, keras_dialects
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_preprocessing import Vocabularies, no_vocabularies
from npforward.formats.keras_weights import ByName, ByPlace, are_by_place, some
from npforward.graph import Graph, Stored
from npforward.limits import Limits

MODEL = "model_weights"


def matches(path: Path) -> bool:
    """Whether `path` is an HDF5 file."""
    return path.is_file() and archive.begins(path, hdf5.SIGNATURE)


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """The model in an HDF5 file."""
    file = hdf5.File.open(path, limits)
    config, version, said = _architecture(file, limits)
    lists = _weights(file)
    graph = keras_config.graph(
        config, lists, version=version, backend=backend or said, source=path.name, limits=limits
    )
    lists.check()
    return graph


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in an HDF5 file, and what Keras wrote it."""
    return _architecture(hdf5.File.open(path, limits), limits)


def weights(path: Path, limits: Limits) -> ByPlace | ByName:
    """The arrays in an HDF5 file, with a model around them or not, for an architecture."""
    return _weights(hdf5.File.open(path, limits))


def vocabularies(path: Path, limits: Limits) -> Vocabularies:
    """There are none but those in the config."""
    return no_vocabularies


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """Every array of the model in an HDF5 file, by its path."""
    return weights(path, limits).arrays


def _architecture(file: hdf5.File, limits: Limits) -> Architecture:
    text = file.text("", "model_config")
    if text is None:
        held = _weights(file).arrays
        raise BadFile(
            f"{file.where}: holds weights only ({len(held)} arrays: {some(held)}), not the layers "
            "that they belong to. Give the architecture as well: load_model(architecture, "
            f"weights={Path(file.where).name!r}), where architecture is a whole model file or what "
            "model.to_json() gives."
        )
    config = guarded_json.loads(text, f"{file.where}: model_config", limits)
    if isinstance(config, str):  # json.dumps(model.to_json())
        config = guarded_json.loads(config, f"{file.where}: model_config", limits)
    if MODEL in file and (names := file.texts(MODEL, "layer_names")):
        config = keras_dialects.named_layers(config, names)
    version = keras_config.checked_version(_said(file, "keras_version"), file.where)
    return Architecture(config, version, _said(file, "backend"))


def _said(file: hdf5.File, name: str) -> str:
    """An attribute of the file or of the group of its weights; "" if there is none."""
    return file.text("", name) or (file.text(MODEL, name) if MODEL in file else "") or ""


def _weights(file: hdf5.File) -> ByPlace | ByName:
    names = file.names()
    top = MODEL if MODEL in names else ""
    if file.texts(top, "layer_names") is not None:
        return ByName(file, top)
    if not top and are_by_place(names):
        return ByPlace.of(file)
    raise BadFile(
        f"{file.where}: an HDF5 file, but not one of Keras: it has no model_config, no layer_names "
        f"and no group 'layers' (it has {some(names) or 'nothing'})."
    )
