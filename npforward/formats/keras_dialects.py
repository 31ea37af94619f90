"""Old Keras configs turned into today's: which steps a file needs, and how they are applied.

An entry is what a config says of a layer or model: `{"class_name", "config", ...}`.  `modern`
applies all steps to a model and to everything in it.
"""

from __future__ import annotations

import re
from typing import Any

from npforward.formats import keras1_dialect, keras2_dialect, keras_meanings
from npforward.formats.keras2_dialect import named_config
from npforward.formats.keras_entry import MODELS, Entry, Step

# The layers of Keras 3 that do not write `trainable` into their config.
UNTRAINED = {"InputLayer", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"}
UNTRAINED |= {"Discretization", "HashedCrossing", "Pipeline", "FeatureSpace"}

MARKS = ("stored_as", "written_as")


def modern(entry: Any, version: str, backend: str = "") -> Any:
    """A model's entry in today's dialect; `version` is the Keras that wrote it, "" if unknown.

    `backend` is what that Keras ran on: kernels of Theano are kept in another way.

    What is not an entry is left as it is.

    Examples
    --------
    >>> old = {"class_name": "Sequential", "config": [
    ...     {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 4]}}]}
    >>> new = modern(old, "2.1.6")
    >>> [layer["config"] for layer in new["config"]["layers"]]
    [{'name': 'd_input', 'batch_shape': [None, 4], 'dtype': 'float32'}, {'name': 'd'}]
    """
    return _everywhere(steps(entry, version, backend), entry)


def steps(entry: Any, version: str, backend: str = "") -> tuple[Step, ...]:
    """The steps that a file written by Keras `version` needs, in order."""
    if not version:
        # Keras 3's to_json() says no version, but names a module for everything; so do Keras 2.13
        # to 2.15, where it is `keras.src.engine`.
        module = entry.get("module") if isinstance(entry, dict) else None
        if isinstance(module, str) and "engine" not in module:
            return KERAS_3
    # What else says no version is older than Keras 1.0.5.
    release = numbers(version or "1.0")
    if release >= (3, 0):
        return KERAS_3 if release >= (3, 6) else (*KERAS_3, keras_meanings.resizing_crop)
    # Keras was a package of its own until 2.3; its versions in TensorFlow end in "-tf".
    own = release < (2, 4) and not version.endswith("-tf")
    return (
        named_config,
        *keras1_dialect.steps(version, backend),
        *keras2_dialect.STEPS,
        *((keras2_dialect.weights_of_cudnn,) if own else ()),
        *keras_meanings.steps(release, own, backend == "theano"),
    )


def numbers(version: str) -> tuple[int, int]:
    """The first two numbers of a version.

    >>> numbers("2.2.4-tf"), numbers("3.x")
    ((2, 2), (3, 0))
    """
    major, minor = (re.findall(r"\d+", part)[:1] for part in f"{version}.0".split(".")[:2])
    return int(major[0]), int(minor[0]) if minor else 0


def _everywhere(chain: tuple[Step, ...], tree: Any) -> Any:
    """`tree` with the steps applied to each entry, to a model before its layers."""
    if isinstance(tree, dict):
        if isinstance(tree.get("class_name"), str) and isinstance(tree.get("config"), (dict, list)):
            # Only steps say how arrays are kept and where, never a file.
            tree = {key: value for key, value in tree.items() if key not in MARKS}
            for step in chain:
                if isinstance(tree["config"], dict) or step is named_config:
                    tree = step(tree)
        return {key: _everywhere(chain, value) for key, value in tree.items()}
    return [_everywhere(chain, value) for value in tree] if isinstance(tree, list) else tree


def operations(entry: Entry) -> Entry:
    """Keras 3's .h5 does not say that an entry is an operation (`Add` is also a layer).

    Operations never have `trainable` in their config, and all but a few layers do.

    >>> operations({"class_name": "Add", "config": {"name": "add"}, "inbound_nodes": []})["module"]
    'keras.ops'
    """
    if "module" in entry or "inbound_nodes" not in entry:
        return entry
    if entry["class_name"] in (*MODELS, *UNTRAINED) or "trainable" in entry["config"]:
        return entry
    return {**entry, "module": "keras.ops"}


KERAS_3: tuple[Step, ...] = (operations,)
