"""A Kurfile, which describes a model of Kur 0.7 in YAML or JSON, and its folder of weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from npforward.errors import MissingFile
from npforward.formats import idx, kur
from npforward.formats.kur.kurfile import Kurfile
from npforward.graph import Graph, Stored
from npforward.limits import Limits

# What no Kurfile is without, and what no architecture of Keras's is without.
SECTION = re.compile(rb"""(^|^\s*\{\s*|,\s*)["']?(model|include)["']?[ \t]*:""", re.MULTILINE)
# The layers that have arrays; a model without any needs no folder.
WITH_ARRAYS = ("convolution", "dense", "recurrent", "batch_normalization", "embedding")
KERAS = re.compile(rb"""["']?class_name["']?[ \t]*:""")


def matches(path: Path) -> bool:
    """Whether `path` is a text with a section of a Kurfile: its model, or files to include."""
    if not path.is_file() or path.stat().st_size > Limits.config_bytes:
        return False
    with path.open("rb") as file:
        begins = file.read(4096)
        if b"\0" in begins:
            return False
        text = begins + file.read()
    return SECTION.search(text) is not None and KERAS.search(text) is None


def read(path: Path, limits: Limits, backend: str = "") -> Graph:
    """The model of a Kurfile, with the first weights folder that it names and that is there."""
    kurfile = kur.read(path, limits)
    looked = []
    for place in kurfile.weights():
        if place.refused:
            looked.append(f"{place.key} = {place.text!r} ({place.refused})")
        for folder in place.paths:
            if folder.is_dir() and idx.matches(folder):
                return _graph(kurfile, str(folder), idx.arrays(folder, limits), limits, backend)
            looked.append(f"{folder} ({place.key})")
    if not any(node.type in WITH_ARRAYS for node in kurfile.model.containers()):
        return _graph(kurfile, str(path), {}, limits, backend)
    said = "\n  ".join(looked) or "none: it names no weights"
    raise MissingFile(
        f"{path}: there is no folder with weights of Kur's (*.kur) where it says:\n  {said}\n"
        f"Say where: load_model({path.name!r}, weights=FOLDER)."
    )


def paired(
    path: Path, where: str, arrays: Mapping[str, Stored], limits: Limits, backend: str = ""
) -> Graph:
    """The model of a Kurfile with arrays that are called as in a folder of Kur's."""
    return _graph(kur.read(path, limits), where, arrays, limits, backend)


def _graph(
    kurfile: Kurfile, where: str, arrays: Mapping[str, Stored], limits: Limits, backend: str
) -> Graph:
    from npforward.formats.kur.graph import graph
    from npforward.formats.kur.weights import tensors

    found = tensors(where, arrays, backend, kurfile.data.get("settings"))
    return graph(kurfile, found, limits)
