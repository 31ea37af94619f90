"""Readers of saved models, a module each: `matches(path)`, `read(path, limits, backend)`, ..."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from npforward.errors import BadFile, MissingFile, UnknownFormat
from npforward.formats import keras_config, keras_h5, keras_json, keras_yaml, keras_zip
from npforward.graph import Graph, Stored
from npforward.limits import Limits

__all__ = ["FORMATS", "arrays", "read"]

FORMATS: tuple[ModuleType, ...] = (keras_zip, keras_h5, keras_json, keras_yaml)
# The order is the priority.


def read(
    path: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
    *,
    backend: str = "",
) -> Graph:
    """The model saved at `path`, whatever its format, which is told from the content.

    Parameters
    ----------
    path
        A `.keras` file or folder, a whole-model `.h5`, or an architecture (`model.to_json()`
        or `to_yaml()`).
    weights
        Where the weights are instead: a `.weights.h5`, a weights-only `.h5` or a whole model.
    limits
        What the file may ask of this machine.
    backend
        What the Keras that wrote it ran on, where the file does not say it.

    Examples
    --------
    >>> graph = read("weights_fixtures/files/sequential.keras")
    >>> [(node.address, node.layer.type) for node in graph.nodes]
    [('image', 'InputLayer'), ('conv', 'Conv2D'), ('flat', 'Flatten'), ('top', 'Dense')]
    """
    limits = limits or Limits()
    path = _existing(path)
    if weights is None:
        return _format(path).read(path, limits, backend)
    weights = _existing(weights)
    config, version, said = _format(path).architecture(path, limits)
    held = _format(weights).weights(weights, limits)
    words = [_format(file).vocabularies(file, limits) for file in (weights, path)]
    source = f"{path.name} + {weights.name}"
    graph = keras_config.graph(
        config,
        held,
        lambda place: next((found for one in words if (found := one(place)) is not None), None),
        version=version,
        backend=backend or said,
        source=source,
        limits=limits,
    )
    held.check()
    return graph


def arrays(path: str | os.PathLike[str], limits: Limits | None = None) -> dict[str, Stored]:
    """Every array of a model or weights-only file, by its path in the file; none is read yet.

    Examples
    --------
    >>> found = arrays("weights_fixtures/files/sequential.keras")
    >>> {path: stored.shape for path, stored in found.items()}["layers/dense/vars/1"]
    (2,)
    """
    path = _existing(path)
    return _format(path).arrays(path, limits or Limits())


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not path.exists():
        raise MissingFile(f"{path}: no such file or folder (looked in {Path.cwd()}).")
    if not (path.is_file() or path.is_dir()):  # reading from a pipe or a device might never end
        raise MissingFile(f"{path}: neither a file nor a folder.")
    return path


def _format(path: Path) -> ModuleType:
    try:
        for module in FORMATS:
            if module.matches(path):
                return module
        if path.is_file() and path.stat().st_size == 0:
            raise BadFile(f"{path}: the file is empty. Copy or download it again.")
    except OSError as error:
        raise MissingFile(f"{path}: cannot be opened ({error.strerror}).") from error
    known = (
        "a .keras file or folder, a whole-model .h5, or model.to_json() (to_yaml()) with weights"
    )
    if path.is_dir():
        saved = (path / "saved_model.pb").is_file() or (path / "keras_metadata.pb").is_file()
        what = "a TensorFlow SavedModel" if saved else "a folder, and not one of model.save()"
        raise UnknownFormat(f"{path}: {what}. npforward reads {known}.")
    with path.open("rb") as file:
        begins = file.read(8)
    raise UnknownFormat(
        f"{path}: of no known format (it begins with {begins!r}). npforward reads {known}."
    )
