"""Whole models in HDF5, as Keras 3 and tf.keras write `.h5`, and files of weights only."""

from __future__ import annotations

from pathlib import Path

from npforward.formats import guarded_json, hdf5, keras_config
from npforward.formats.keras2_dialect import named_layers
from npforward.formats.keras_compiled import loss_of
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_weights import ByName, ByPlace, are_by_place
from npforward.formats.loose import Loose, weights_only
from npforward.graph import Graph
from npforward.limits import Limits

MODEL = "model_weights"


def matches(path: Path) -> bool:
    """Whether `path` is an HDF5 file."""
    return path.is_file() and hdf5.matches(path)


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """The model in an HDF5 file."""
    file = hdf5.File.open(path, limits)
    config, version, said, loss = _architecture(file, limits)
    lists = _weights(file)
    backend = backend or said or lists.backend
    graph = keras_config.graph(
        config, lists, version=version, backend=backend, source=path.name, limits=limits, loss=loss
    )
    lists.check()
    return graph


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in an HDF5 file, and what Keras wrote it."""
    return _architecture(hdf5.File.open(path, limits), limits)


def weights(path: Path, limits: Limits) -> ByPlace | ByName | Loose:
    """The arrays in an HDF5 file, with a model around them or not, for an architecture."""
    return _weights(hdf5.File.open(path, limits))


def _architecture(file: hdf5.File, limits: Limits) -> Architecture:
    text = file.text("", "model_config")
    if text is None:
        raise weights_only(Path(file.where), _weights(file).arrays)
    config = guarded_json.loads(text, f"{file.where}: model_config", limits)
    if isinstance(config, str):  # json.dumps(model.to_json())
        config = guarded_json.loads(config, f"{file.where}: model_config", limits)
    if MODEL in file and (names := file.texts(MODEL, "layer_names")):
        config = named_layers(config, names)
    version = keras_config.checked_version(_said(file, "keras_version"), file.where)
    where = f"{file.where}: training_config"
    loss = loss_of(lambda: file.text("", "training_config"), where, limits)
    return Architecture(config, version, _said(file, "backend"), loss)


def _said(file: hdf5.File, name: str) -> str:
    """An attribute of the file or of the group of its weights; "" if there is none."""
    return file.text("", name) or (file.text(MODEL, name) if MODEL in file else "") or ""


def _weights(file: hdf5.File) -> ByPlace | ByName | Loose:
    names = file.names()
    top = MODEL if MODEL in names else ""
    if file.texts(top, "layer_names") is not None:
        return ByName(file, top)
    if not top and are_by_place(names):
        return ByPlace.of(file)
    return Loose(file.where, file.arrays(others=True))  # an HDF5 file that is not of Keras
