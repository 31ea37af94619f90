"""What Keras 3.15 has: its classes, their modules and arguments, the names of activations.

`keras_3.json` beside this is made from genuine Keras by weights_fixtures/make/vocabulary.py.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple


class Class(NamedTuple):
    """How a file names a class of Keras's, and what its constructor takes."""

    module: str
    registered_name: str | None
    arguments: tuple[str, ...]


class Vocabulary(NamedTuple):
    """All that a converted model can be made of."""

    keras: str  # the version
    layers: dict[str, Class]  # by npforward's types: "Dense", "ops.Add"
    values: dict[str, Class]  # initializers, regularizers, dtype policies, ...
    activations: frozenset[str]


@functools.cache
def keras_3() -> Vocabulary:
    """The vocabulary of the Keras that models are converted to.

    Examples
    --------
    >>> keras_3().layers["ops.Abs"]
    Class(module='keras.src.ops.numpy', registered_name='Abs', arguments=('name',))
    >>> "Highway" in keras_3().layers
    False
    """
    said = json.loads(Path(__file__).with_name("keras_3.json").read_text(encoding="utf-8"))

    def classes(found: dict[str, Any]) -> dict[str, Class]:
        return {
            name: Class(one["module"], one["registered_name"], tuple(one["arguments"]))
            for name, one in found.items()
        }

    return Vocabulary(
        said["keras"],
        classes(said["layers"]),
        classes(said["values"]),
        frozenset(said["activations"]),
    )
