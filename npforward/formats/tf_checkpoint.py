"""TensorFlow's checkpoints, `model.save_weights("ckpt")`: an index and the values beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npforward.errors import BadFile
from npforward.formats import tensor_bundle
from npforward.formats.keras_preprocessing import Vocabularies
from npforward.formats.keras_weights import ByObject, some
from npforward.formats.tf_vocabularies import InCheckpoint
from npforward.graph import Graph, Stored
from npforward.limits import Limits


def matches(path: Path) -> bool:
    """Whether `path` is the index of a checkpoint."""
    return path.is_file() and tensor_bundle.matches(path)


def read(path: Path, limits: Limits) -> Graph:
    """Refuses: a checkpoint has no architecture."""
    raise _weights_only(path, limits)


def architecture(path: Path, limits: Limits) -> tuple[Any, str]:
    """Refuses: a checkpoint has none."""
    raise _weights_only(path, limits)


def weights(path: Path, limits: Limits) -> ByObject:
    """The arrays in a checkpoint, to be given to the layers of an architecture."""
    return ByObject(tensor_bundle.Bundle(path, limits))


def vocabularies(path: Path, limits: Limits) -> Vocabularies:
    """What preprocessing layers know, as far as it is stored with the weights."""
    held = weights(path, limits)
    return InCheckpoint(held.bundle, held.objects)


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """Every array of a checkpoint, by its path."""
    return weights(path, limits).arrays


def _weights_only(path: Path, limits: Limits) -> BadFile:
    held = arrays(path, limits)
    return BadFile(
        f"{path}: a TensorFlow checkpoint, which holds weights only ({len(held)} arrays: "
        f"{some(held)}), not the layers that they belong to. Give the architecture as well: "
        f"load_model(architecture, weights={path.name!r}), where architecture is a whole model "
        "file or what model.to_json() gives."
    )
