"""An architecture alone, as `model.to_yaml()` of Keras 1 and 2 and tf.keras up to 2.5 gave it."""

from __future__ import annotations

import re
from pathlib import Path

from npforward.formats import guarded_yaml
from npforward.formats.keras_config import Architecture
from npforward.formats.keras_json import described
from npforward.limits import Limits

KEYS = re.compile(rb"^(backend|class_name|config|keras_version) *:", re.MULTILINE)


def matches(path: Path) -> bool:
    """Whether `path` is a text with a key of a Keras architecture at the beginning of a line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begins = file.read(4096)
    return b"\0" not in begins and KEYS.search(begins) is not None


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in a YAML file, and what Keras wrote it."""
    limits.check("config_bytes", path.stat().st_size, str(path))
    config = guarded_yaml.loads(path.read_bytes(), str(path), limits)
    return described(config, path, "YAML", "model.to_yaml()", limits)
