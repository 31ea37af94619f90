"""TensorFlow's checkpoints, `model.save_weights("ckpt")`: an index and the values beside it."""

from __future__ import annotations

from pathlib import Path

from npforward.formats import tensor_bundle
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_preprocessing import Vocabularies
from npforward.formats.keras_weights import ByObject
from npforward.formats.loose import weights_only
from npforward.formats.tf_vocabularies import InCheckpoint
from npforward.graph import Graph, Stored
from npforward.limits import Limits


def matches(path: Path) -> bool:
    """Whether `path` is the index of a checkpoint."""
    return path.is_file() and tensor_bundle.matches(path)


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """Refuses: a checkpoint has no architecture."""
    raise weights_only(path, arrays(path, limits))


def architecture(path: Path, limits: Limits) -> Architecture:
    """Refuses: a checkpoint has none."""
    raise weights_only(path, arrays(path, limits))


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
