"""TensorFlow's checkpoints, `model.save_weights("ckpt")`: an index and the values beside it."""

from __future__ import annotations

from pathlib import Path

from npforward.formats import tensor_bundle
from npforward.formats.keras_preprocessing import Vocabularies
from npforward.formats.keras_weights import ByObject
from npforward.formats.tf_vocabularies import InCheckpoint
from npforward.limits import Limits


def matches(path: Path) -> bool:
    """Whether `path` is the index of a checkpoint."""
    return path.is_file() and tensor_bundle.matches(path)


def weights(path: Path, limits: Limits) -> ByObject:
    """The arrays in a checkpoint, to be given to the layers of an architecture."""
    return ByObject(tensor_bundle.Bundle(path, limits))


def vocabularies(path: Path, limits: Limits) -> Vocabularies:
    """What preprocessing layers know, as far as it is stored with the weights."""
    held = weights(path, limits)
    return InCheckpoint(held.bundle, held.objects)
