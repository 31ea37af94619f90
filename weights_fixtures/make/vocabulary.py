"""What Keras has that a converted model can be made of: npforward/conversion/keras_3.json.

    python weights_fixtures/make/vocabulary.py [FILE]        (with genuine Keras 3.15)

Of every layer, operation, initializer, regularizer, constraint and dtype policy: the module under
which a file names it, and the arguments of its constructor; and the names of activations.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
from pathlib import Path

import keras
import keras.src.ops
from keras.src.activations import ALL_OBJECTS_DICT
from keras.src.applications.convnext import LayerScale
from keras.src.layers.preprocessing.feature_space import TFDConcat, TFDIdentity
from keras.src.ops.operation import Operation

HOME = Path(__file__).parents[2] / "npforward" / "conversion" / "keras_3.json"
# Constructors also take these from their `**kwargs`, for the sake of old code alone.
OLD = {"input_dim", "input_shape", "batch_input_shape", "input_length", "alpha", "implementation"}
SIMPLE = ("initializers", "regularizers", "constraints", "dtype_policies", "quantizers")


def arguments(cls: type) -> list[str]:
    """What the constructors of a class take, those of its bases included where it hands on."""
    found: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        popped = re.findall(r"kwargs\.pop\(\s*\"(\w+)\"", inspect.getsource(base.__init__))
        named += [name for name in popped if name not in OLD]
        found += [name for name in named if name != "self" and name not in found]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def written(cls: type, module: str, registered: str | None = None) -> dict:
    return {"module": module, "registered_name": registered, "arguments": arguments(cls)}


def of(module: str, kind: type) -> dict[str, type]:
    """The classes of a public module under their own public names."""
    found = {}
    for name, cls in sorted(vars(importlib.import_module(module)).items()):
        if isinstance(cls, type) and issubclass(cls, kind):
            found.setdefault(cls, name)
            if name == cls.__name__:
                found[cls] = name
    return {name: cls for cls, name in found.items()}


def layers() -> dict:
    found = {
        name: written(cls, "keras.layers") for name, cls in of("keras.layers", Operation).items()
    }
    for cls in (LayerScale, TFDConcat, TFDIdentity):  # in files, though not in keras.layers
        found[cls.__name__] = written(cls, cls.__module__, cls.__name__)
    return found


def operations() -> dict:
    found = {}
    for home in pkgutil.iter_modules(keras.src.ops.__path__, "keras.src.ops."):
        if home.name.endswith("_test"):
            continue
        for name, cls in vars(importlib.import_module(home.name)).items():
            if isinstance(cls, type) and issubclass(cls, Operation) and cls.__module__ == home.name:
                found[f"ops.{name}"] = written(cls, home.name, name)
    return found


if __name__ == "__main__":
    vocabulary = {
        "keras": keras.__version__,
        "layers": layers() | operations(),
        "values": {
            name: written(cls, f"keras.{module}")
            for module in SIMPLE
            for name, cls in of(f"keras.{module}", object).items()
        },
        "activations": sorted(name for name in ALL_OBJECTS_DICT if isinstance(name, str)),
    }
    rows = []
    for key, value in vocabulary.items():
        if isinstance(value, dict):
            inner = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(value.items()))
            rows.append(f"{json.dumps(key)}: {{\n" + ",\n".join(inner) + "\n}")
        else:
            rows.append(f"{json.dumps(key)}: {json.dumps(value)}")
    path = Path(sys.argv[1]) if sys.argv[1:] else HOME
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
