"""An architecture alone: what `model.to_json()` gives, or the `config.json` of a `.keras` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npforward.errors import BadFile
from npforward.formats import guarded_json, keras_config
from npforward.formats.keras_compiled import loss_of
from npforward.formats.keras_config import Architecture
from npforward.limits import Limits


def matches(path: Path) -> bool:
    """Whether `path` is a text that begins like JSON."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b'"', b"[")


def architecture(path: Path, limits: Limits) -> Architecture:
    """The config in a JSON file, and what Keras wrote it."""
    limits.check("config_bytes", path.stat().st_size, str(path))
    config = guarded_json.loads(path.read_bytes(), str(path), limits)
    if isinstance(config, str):  # json.dump(model.to_json(), file) is a common mistake
        config = guarded_json.loads(config, str(path), limits)
    return described(config, path, "JSON", "model.to_json()", limits)


def described(config: Any, path: Path, language: str, source: str, limits: Limits) -> Architecture:
    """The architecture that a text in `language` says, which `source` would have written."""
    if not isinstance(config, dict) or not {"class_name", "config"} <= config.keys():
        raise BadFile(
            f"{path}: {language}, but not a Keras architecture, which is an object with class_name "
            f"and config. Write one with {source}."
        )
    if config["class_name"] == "Tokenizer":
        raise BadFile(
            f"{path}: a Tokenizer of Keras, which turns texts into numbers for a model. Give the "
            "file of the model."
        )
    version = keras_config.checked_version(config.get("keras_version", ""), str(path))
    backend = config.get("backend", "")
    loss = loss_of(lambda: config.get("compile_config"), f"{path}: compile_config", limits)
    return Architecture(config, version, backend if isinstance(backend, str) else "", loss)
