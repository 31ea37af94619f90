"""An architecture alone, as `model.to_yaml()` of Keras 1 and 2 and tf.keras up to 2.5 gave it."""

from __future__ import annotations

import re
from pathlib import Path

from npforward.errors import BadFile
from npforward.formats import guarded_yaml
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_json import arrays, described, vocabularies, weights
from npforward.graph import Graph
from npforward.limits import Limits

__all__ = ["architecture", "arrays", "matches", "read", "vocabularies", "weights"]

KEYS = re.compile(rb"^(backend|class_name|config|keras_version) *:", re.MULTILINE)


def matches(path: Path) -> bool:
    """Whether `path` is a text with a key of a Keras architecture at the beginning of a line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begins = file.read(4096)
    return b"\0" not in begins and KEYS.search(begins) is not None


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """Refuses: an architecture has no weights of its own."""
    architecture(path, limits)
    raise BadFile(
        f"{path}: holds an architecture only, no weights. Give them as well: "
        f"load_model({path.name!r}, weights='....h5')."
    )


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in a YAML file, and what Keras wrote it."""
    limits.check("config_bytes", path.stat().st_size, str(path))
    config = guarded_yaml.loads(path.read_bytes(), str(path), limits)
    return described(config, path, "YAML", "model.to_yaml()")
