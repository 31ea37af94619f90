"""TensorFlow's SavedModel folders, as tf.keras wrote them: `model.save("folder")` up to 2.15.

Of all that such a folder holds, the layers' config and the checkpoint are read; the functions into
which TensorFlow has compiled the model are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npforward.errors import BadFile, UnsupportedLayer
from npforward.formats import guarded_json, keras_config
from npforward.formats.archive import Folder
from npforward.formats.keras_compiled import loss_of
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_entry import plain
from npforward.formats.keras_preprocessing import Vocabularies
from npforward.formats.keras_weights import ByObject, some
from npforward.formats.protobuf import Message
from npforward.formats.tensor_bundle import Bundle
from npforward.formats.tf_vocabularies import InSavedModel
from npforward.graph import Graph
from npforward.limits import Limits

MODEL, METADATA = "saved_model.pb", "keras_metadata.pb"
INDEX = "variables/variables.index"
ALONE = "assets/saved_model.json"  # what tf.keras.experimental.export_saved_model writes [1.12-2.0]
# The Keras in a TensorFlow that has another version than it, where a file does not say it.
KERAS_OF = {"1": "2.2.4-tf", "2.0": "2.2.4-tf", "2.1": "2.2.4-tf", "2.2": "2.3.0-tf"}


def matches(path: Path) -> bool:
    """Whether `path` is such a folder, or the file in it that holds the model."""
    if path.is_dir():
        return (path / MODEL).is_file() or (path / METADATA).is_file()
    return path.name in (MODEL, METADATA)


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """The model in a SavedModel folder."""
    folder = _open(path, limits)
    config, version, _, loss = _architecture(folder)
    held = _weights(folder)
    graph = keras_config.graph(
        config,
        held,
        _vocabularies(folder, held),
        version=version,
        source=folder.path.name,
        limits=limits,
        loss=loss,
    )
    held.check()
    return graph


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in a SavedModel folder, and the version of Keras that wrote it."""
    return _architecture(_open(path, limits))


def weights(path: Path, limits: Limits) -> ByObject:
    """The arrays in a SavedModel folder, to be given to the layers of an architecture."""
    return _weights(_open(path, limits))


def vocabularies(path: Path, limits: Limits) -> Vocabularies:
    """What the preprocessing layers in a SavedModel folder know."""
    folder = _open(path, limits)
    return _vocabularies(folder, _weights(folder))


def _open(path: Path, limits: Limits) -> Folder:
    return Folder(path if path.is_dir() else path.parent, limits)


def _member(folder: Folder, name: str, limit: str) -> memoryview:
    if name not in folder:
        raise BadFile(
            f"{folder.path}: this SavedModel has no {name}, which it needs (a symbolic link does "
            "not count: it would lead out of the folder). Copy the whole folder."
        )
    return folder.view(name, limit)


def _weights(folder: Folder) -> ByObject:
    _member(folder, INDEX, "attribute_bytes")
    return ByObject(Bundle(folder.path / INDEX, folder.limits))


def _vocabularies(folder: Folder, held: ByObject) -> InSavedModel:
    return InSavedModel(folder, held.bundle, held.objects, lambda: _graph(folder))


def _architecture(folder: Folder) -> Architecture:
    said = _said(folder)
    config = plain({key: said.get(key) for key in ("class_name", "config")})
    layers = config["config"].get("layers") if isinstance(config["config"], dict) else None
    if not isinstance(layers, list):
        kind = f"a {config['class_name']}" if said else "not one of Keras's own"
        held = _weights(folder).arrays
        raise UnsupportedLayer(
            f"{folder.path}: the model in this SavedModel is {kind}: how its layers are connected "
            "is said only by compiled functions of TensorFlow, which npforward does not run. It "
            f"has {len(held)} arrays ({some(held) or 'none'}), which `npforward weights` lists. If "
            "it is a Keras model, save it again with model.save(), or give its architecture: "
            f"load_model('architecture.json', weights={folder.path.name!r})."
        )
    version = said.get("keras_version") or _keras_of(folder)
    version = keras_config.checked_version(version, str(folder.path))
    where = f"{folder.path}: training_config"
    loss = loss_of(lambda: said.get("training_config"), where, folder.limits)
    return Architecture(config, version, loss=loss)


def _said(folder: Folder) -> dict[str, Any]:
    """What Keras has written about the model: {} if it has written nothing."""
    if ALONE in folder:
        where = f"{folder.path}: {ALONE}"
        return _object(folder.view(ALONE, "config_bytes"), where, folder.limits)
    if METADATA in folder:
        where = f"{folder.path}: {METADATA}"
        metadata = Message(folder.view(METADATA, "file_bytes"), where, folder.limits)
        nodes = (node for node in metadata.messages(1) if node.text(3) == "root")
        text = next((node.text(5) for node in nodes), "")
    else:  # before TensorFlow 2.5
        root = next(_graph(folder).message(7).messages(1), None)
        text = root.message(4).text(3) if root else ""
    where = f"{folder.path}: what it says of the model"
    return _object(text, where, folder.limits) if text else {}


def _object(text: str | memoryview, where: str, limits: Limits) -> dict[str, Any]:
    said = guarded_json.loads(text, where, limits)
    if not isinstance(said, dict):
        raise BadFile(f"{where} is {type(said).__name__}, expected an object with a config.")
    return said


def _graph(folder: Folder) -> Message:
    """The one graph of a SavedModel."""
    where = f"{folder.path}: {MODEL}"
    saved = Message(_member(folder, MODEL, "file_bytes"), where, folder.limits)
    graph = next(saved.messages(2), None)
    if graph is None:
        raise BadFile(f"{where} has no graph. It is truncated, or something else: copy it again.")
    return graph


def _keras_of(folder: Folder) -> str:
    """The version of the Keras within the TensorFlow that wrote a folder."""
    version = _graph(folder).message(1).text(5)
    parts = version.split(".")
    return KERAS_OF.get(parts[0], KERAS_OF.get(".".join(parts[:2]), version))
