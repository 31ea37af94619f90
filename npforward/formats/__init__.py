"""Readers of saved models and arrays: what a file is called does not matter, its content does.

A format is a module with `matches(path)` and some of these, each with `(path, limits)`:

================  =============================================================================
`architecture`    the config of a model, and what wrote it
`weights`         arrays, as they are given to the layers of an architecture
`arrays`          arrays by the file's own names, where it does not know whose they are
`vocabularies`    what preprocessing layers have learned
`read`            the model, from one opening of the file; it takes a `backend` too
`paired`          the model with arrays from elsewhere, where the format knows by itself whose
                  each is: with `where` and `arrays` after the path
================  =============================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from npforward.errors import BadFile, MissingFile, UnknownFormat
from npforward.formats import (
    idx,
    keras_config,
    keras_h5,
    keras_json,
    keras_yaml,
    keras_zip,
    kurfile,
    npz,
    safetensors,
    saved_model,
    shards,
    tf_checkpoint,
)
from npforward.formats.keras_preprocessing import Vocabularies, no_vocabularies
from npforward.formats.keras_weights import Held
from npforward.formats.loose import Loose, weights_only
from npforward.graph import Graph, Stored
from npforward.limits import Limits

__all__ = ["FORMATS", "apart", "arrays", "holds_weights", "pairs", "read"]

# The order is the priority: a `.npz` is a zip too, and an index of shards is JSON.
FORMATS: tuple[ModuleType, ...] = (
    saved_model,
    npz,
    keras_zip,
    keras_h5,
    safetensors,
    shards,
    kurfile,
    keras_json,
    idx,
    tf_checkpoint,
    keras_yaml,
)
PathLike = str | os.PathLike[str]


def read(
    path: PathLike,
    weights: PathLike | Sequence[PathLike] | None = None,
    limits: Limits | None = None,
    *,
    backend: str = "",
) -> Graph:
    """The model saved at `path`, whatever its format, which is told from the content.

    Parameters
    ----------
    path
        A `.keras` file or folder, a SavedModel folder, a whole-model `.h5`, or an architecture
        (`model.to_json()` or `to_yaml()`); or a Kurfile.
    weights
        Where the weights are instead: a `.weights.h5`, a weights-only `.h5`, a TensorFlow
        checkpoint (`ckpt.index`, or `ckpt` as TensorFlow calls it) or a whole model, with layers
        of the same names.
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
    if weights is None:
        path = _existing(path)
        return _read(path, limits, backend)
    if pairs(path):
        files = [weights] if isinstance(weights, (str, os.PathLike)) else weights
        held = _together(list(map(_existing, files)), limits)
        return _format(Path(path)).paired(Path(path), held.where, held.arrays, limits, backend)
    build, arrays_ = apart(path, weights, limits, backend=backend)
    graph = build(arrays_)
    arrays_.check()
    return graph


def pairs(path: PathLike) -> bool:
    """Whether the format at `path` says by itself whose each array of other files is.

    Examples
    --------
    >>> pairs("weights_fixtures/kur/shared_lm_gru/Kurfile.yml")
    True
    >>> pairs("weights_fixtures/files/sequential.json")
    False
    """
    return hasattr(_format(_existing(path)), "paired")


def apart(
    path: PathLike,
    weights: PathLike | Sequence[PathLike],
    limits: Limits,
    *,
    backend: str = "",
) -> tuple[Callable[[keras_config.Weights], Graph], Held]:
    """An architecture and arrays that lie apart: what makes the model of given arrays, and they.

    Several files of plain arrays are taken together.

    Examples
    --------
    >>> build, held = apart("weights_fixtures/files/sequential.json",
    ...                     "weights_fixtures/files/sequential.weights.h5", Limits())
    >>> build(held).layers[1].stored[0].shape
    (3, 3, 1, 2)
    """
    path = _existing(path)
    alone = isinstance(weights, (str, os.PathLike))
    files = list(map(_existing, [weights] if alone else weights))  # type: ignore[arg-type, list-item]
    config, version, said, loss = _architecture(path, limits)
    held = _weights(files[0], limits) if alone else _together(files, limits)
    words = [_vocabularies(file, limits) for file in (*files, path)]

    def build(arrays: keras_config.Weights) -> Graph:
        return keras_config.graph(
            config,
            arrays,
            lambda place: next((found for one in words if (found := one(place)) is not None), None),
            version=version,
            backend=backend or said or held.backend,
            source=f"{path.name} + {held.where if len(files) > 1 else files[0].name}",
            limits=limits,
            loss=loss,
        )

    return build, held


def _together(files: Sequence[Path], limits: Limits) -> Loose:
    """The arrays of several files, none of which may have one of the same name as another."""
    found: dict[str, Stored] = {}
    for file in files:
        more = arrays(file, limits)
        if twice := found.keys() & more.keys():
            raise BadFile(
                f"{file}: the array {min(twice)!r} is in another of the given files as well. "
                "Leave one of them out."
            )
        found |= more
    if not found:
        raise BadFile("weights=[]: no file of weights was given, or none with arrays.")
    return Loose(", ".join(file.name for file in files), found)


def arrays(path: PathLike, limits: Limits | None = None) -> dict[str, Stored]:
    """Every array of a model or file of arrays, by its path or name in it; none is read yet.

    Examples
    --------
    >>> found = arrays("weights_fixtures/files/sequential.keras")
    >>> {path: stored.shape for path, stored in found.items()}["layers/dense/vars/1"]
    (2,)
    """
    path, limits = _existing(path), limits or Limits()
    reader = _format(path)
    if hasattr(reader, "arrays"):
        return reader.arrays(path, limits)
    return dict(reader.weights(path, limits).arrays) if hasattr(reader, "weights") else {}


def holds_weights(path: PathLike) -> bool:
    """Whether a file or folder is of a format that keeps weights.

    Examples
    --------
    >>> files = ["sequential.weights.h5", "sequential.json"]
    >>> [holds_weights(f"weights_fixtures/files/{file}") for file in files]
    [True, False]
    """
    try:
        reader = _format(_existing(path))
    except (UnknownFormat, MissingFile, BadFile):
        return False
    return hasattr(reader, "weights") or hasattr(reader, "arrays")


# What a format does not have.


def _read(path: Path, limits: Limits, backend: str) -> Graph:
    reader = _format(path)
    if hasattr(reader, "read"):
        return reader.read(path, limits, backend)
    _architecture(path, limits)
    raise BadFile(
        f"{path}: holds an architecture only, no weights. Give them as well: "
        f"load_model({path.name!r}, weights='....h5')."
    )


def _architecture(path: Path, limits: Limits) -> keras_config.Architecture:
    reader = _format(path)
    if hasattr(reader, "architecture"):
        return reader.architecture(path, limits)
    raise weights_only(path, arrays(path, limits))


def _weights(path: Path, limits: Limits) -> Held:
    reader = _format(path)
    if hasattr(reader, "weights"):
        return reader.weights(path, limits)
    if hasattr(reader, "arrays"):
        return Loose(str(path), reader.arrays(path, limits))
    raise BadFile(
        f"{path}: holds an architecture, no weights. Give a .weights.h5, .h5 or .keras file."
    )


def _vocabularies(path: Path, limits: Limits) -> Vocabularies:
    reader = _format(path)
    known = hasattr(reader, "vocabularies")
    return reader.vocabularies(path, limits) if known else no_vocabularies


def _existing(path: PathLike) -> Path:
    path = Path(path)
    if not path.exists() and path.name:
        # TensorFlow calls a checkpoint by what the names of its files begin with.
        index = path.with_name(f"{path.name}.index")
        path = index if index.is_file() else path
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
        "a .keras file or folder, a SavedModel of tf.keras, a whole-model .h5, a Kurfile, or "
        "model.to_json() or to_yaml() with weights (those also as .npz, .npy, safetensors, IDX or "
        "a TensorFlow checkpoint)"
    )
    if path.is_dir():
        raise UnknownFormat(
            f"{path}: a folder, and not one of model.save(). npforward reads {known}."
        )
    with path.open("rb") as file:
        begins = file.read(8)
    raise UnknownFormat(
        f"{path}: of no known format (it begins with {begins!r}). npforward reads {known}."
    )
