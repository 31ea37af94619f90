"""Whole models in HDF5, as Keras 3 and tf.keras write `.h5`, and files of weights only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npforward.errors import BadFile
from npforward.formats import guarded_json, hdf5, keras_config
from npforward.formats.keras_preprocessing import Vocabularies, no_vocabularies
from npforward.formats.keras_weights import ByName, ByPlace, some
from npforward.graph import Graph, Stored
from npforward.limits import Limits

MODEL = "model_weights"


def matches(path: Path) -> bool:
    """Whether `path` is an HDF5 file."""
    return path.is_file() and hdf5.matches(path)


def read(path: Path, limits: Limits) -> Graph:
    """The model in an HDF5 file."""
    file = hdf5.File.open(path, limits)
    config, version = _architecture(file, limits)
    lists = _weights(file)
    graph = keras_config.graph(config, lists, version=version, source=path.name, limits=limits)
    lists.check()
    return graph


def architecture(path: Path, limits: Limits) -> tuple[Any, str]:
    """The config in an HDF5 file, and the version of Keras that wrote it ("" if not said)."""
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


def _architecture(file: hdf5.File, limits: Limits) -> tuple[Any, str]:
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
    version = file.text("", "keras_version") or ""
    if not version and MODEL in file:
        version = file.text(MODEL, "keras_version") or ""
    return config, keras_config.checked_version(version, file.where)


def _weights(file: hdf5.File) -> ByPlace | ByName:
    names = file.names()
    top = MODEL if MODEL in names else ""
    if file.texts(top, "layer_names") is not None:
        return ByName(file, top)
    if not top and ("layers" in names or "_layer_checkpoint_dependencies" in names):
        return ByPlace.of(file)
    raise BadFile(
        f"{file.where}: an HDF5 file, but not one of Keras: it has no model_config, no layer_names "
        f"and no group 'layers' (it has {some(names) or 'nothing'})."
    )
