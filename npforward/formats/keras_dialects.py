"""Old Keras configs turned into today's, by small pure functions from an entry to a newer one.

An entry is what a config says of a layer or model: `{"class_name", "config", ...}`.  `modern`
applies all steps to a model and to everything in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from npforward.formats import keras1_dialect
from npforward.formats.keras_functions import of_functions, of_nodes

Entry = dict[str, Any]
Steps = tuple[Callable[[dict[str, Any]], dict[str, Any]], ...]

MODELS = ("Sequential", "Functional", "Model")
MERGES = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional"}
RECURRENT |= {"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}

CATEGORIES = {"CategoryEncoding", "StringLookup", "IntegerLookup", "TextVectorization"}
CATEGORIES |= {"Discretization", "Hashing", "HashedCrossing"}
# The layers of Keras 3 that do not write `trainable` into their config.
UNTRAINED = {"InputLayer", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"}
UNTRAINED |= {"Discretization", "HashedCrossing", "Pipeline", "FeatureSpace"}

# Keys that Keras 3 no longer has, and the values with which they say nothing.  Any other value is
# left, so that it is reported instead of being lost.
OBSOLETE: dict[str, tuple[Any, ...]] = {
    "batch_input_shape": (...,),
    "input_dtype": (...,),
    "implementation": (...,),
    "time_major": (False,),
    "fused": (None, True, False),
    "virtual_batch_size": (None,),
    # tf.keras writes the shapes that a MultiHeadAttention was built for
    **{f"{part}_shape": (...,) for part in ("query", "key", "value")},
}


OF_LAMBDA = {"function_type", "module", "output_shape_type", "output_shape_module"}


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


def steps(entry: Any, version: str, backend: str = "") -> Steps:
    """The steps that a file written by Keras `version` needs, in order."""
    if version:
        release = numbers(version)
        if release < (3, 0):
            first = (named_config, *keras1_dialect.steps(version, backend))
            return (*first, *KERAS_2, *differently(version, backend))
        return (*KERAS_3, resizing_crop) if release < (3, 6) else KERAS_3
    # Keras 3's to_json() says no version, but names a module for everything; so do Keras 2.13 to
    # 2.15, where it is `keras.src.engine`.
    module = entry.get("module") if isinstance(entry, dict) else None
    if isinstance(module, str) and "engine" not in module:
        return KERAS_3
    # What else says no version is older than Keras 1.0.5.
    first = (named_config, *keras1_dialect.steps("", backend))
    return (*first, *KERAS_2, *differently("1.0", backend))


def differently(version: str, backend: str) -> Steps:
    """What a Keras before 3 computed otherwise than its last ones.

    >>> [step.__name__ for step in differently("2.2.4-tf", "tensorflow")]
    ['zeroed_masked', 'reversed_samples', 'unmasked_softmax', 'unmasked_attention']
    """
    release, theano = numbers(version), backend == "theano"
    # Keras 2 was a package of its own until 2.3; its versions in TensorFlow end in "-tf".
    own = release < (2, 4) and not version.endswith("-tf")
    in_tensorflow = release < (2, 4) and not own
    when = {
        kept_masked: own,
        state_before: own and release < (2, 3) and not theano,
        theano_pixels: theano,
        corner_pixels: own,
        zeroed_masked: in_tensorflow,
        reversed_samples: in_tensorflow,
        unmasked_softmax: release < (2, 4),
        unmasked_attention: release < (2, 10),
    }
    return tuple(step for step, so in when.items() if so)


def numbers(version: str) -> tuple[int, int]:
    """The first two numbers of a version.

    >>> numbers("2.2.4-tf"), numbers("3.x")
    ((2, 2), (3, 0))
    """
    major, minor = (re.findall(r"\d+", part)[:1] for part in f"{version}.0".split(".")[:2])
    return int(major[0]), int(minor[0]) if minor else 0


def _everywhere(chain: Steps, tree: Any) -> Any:
    """`tree` with the steps applied to each entry, to a model before its layers."""
    if isinstance(tree, dict):
        if isinstance(tree.get("class_name"), str) and isinstance(tree.get("config"), (dict, list)):
            # Only steps say how arrays are kept, never a file.
            tree = {key: value for key, value in tree.items() if key != "stored_as"}
            for step in chain:
                if isinstance(tree["config"], dict) or step is named_config:
                    tree = step(tree)
        return {key: _everywhere(chain, value) for key, value in tree.items()}
    return [_everywhere(chain, value) for value in tree] if isinstance(tree, list) else tree


def _with(entry: Entry, **config: Any) -> Entry:
    return {**entry, "config": {**entry["config"], **config}}


def named_config(entry: Entry) -> Entry:
    """Keras 1 to 2.1: a Sequential's config is the list of its layers; its name is outside.

    In another such list it has none: those of one list are numbered here.

    >>> inner = {"class_name": "Sequential", "config": []}
    >>> named_config({"class_name": "Sequential", "config": [inner, inner], "name": "s"})["config"]
    {'name': 's', 'layers': [{'class_name': 'Sequential', 'config': [], 'name': 'sequential'}, \
{'class_name': 'Sequential', 'config': [], 'name': 'sequential_1'}]}
    """
    if entry["class_name"] != "Sequential" or not isinstance(entry["config"], list):
        return entry
    taken = [_name(layer) for layer in entry["config"] if isinstance(layer, dict)]
    candidates = ("sequential", *(f"sequential_{i}" for i in range(1, len(entry["config"]) + 1)))
    free = iter([name for name in candidates if name not in taken])
    layers = [
        {**layer, "name": next(free, "sequential")} if _has_no_name(layer) else layer
        for layer in entry["config"]
    ]
    return {**entry, "config": {"name": entry.get("name", "sequential"), "layers": layers}}


def _has_no_name(layer: Any) -> bool:
    """Whether a layer is a Sequential in the bare list of another."""
    return (
        isinstance(layer, dict)
        and layer.get("class_name") == "Sequential"
        and isinstance(layer.get("config"), list)
        and not isinstance(layer.get("name"), str)
    )


def named_layers(entry: Any, names: list[str]) -> Any:
    """Keras 1 to 2.1: what a bare list of layers calls nothing has its name beside its weights.

    Where it begins with a Merge, all layers of its branches stand there in its place.

    >>> inner = {"class_name": "Sequential", "config": []}
    >>> named_layers({"class_name": "Sequential", "config": [inner]}, ["sequential_7"])["config"]
    [{'class_name': 'Sequential', 'config': [], 'name': 'sequential_7'}]
    """
    layers = entry.get("config") if isinstance(entry, dict) else None
    merged = keras1_dialect.begins_with_merge(entry)
    if not isinstance(layers, list) or (len(layers) != len(names) and not merged):
        return entry
    last = zip(reversed(layers), reversed(names), strict=False)
    named = [{**layer, "name": name} if _has_no_name(layer) else layer for layer, name in last]
    return {**entry, "config": [*layers[: len(layers) - len(named)], *reversed(named)]}


def functional_class(entry: Entry) -> Entry:
    """Up to tf.keras 2.2: a functional model's class is Model.

    >>> functional_class({"class_name": "Model", "config": {"input_layers": []}})["class_name"]
    'Functional'
    """
    is_functional = entry["class_name"] == "Model" and "input_layers" in entry["config"]
    return {**entry, "class_name": "Functional"} if is_functional else entry


def explicit_input(entry: Entry) -> Entry:
    """Keras 1 and 2: a Sequential may lack an InputLayer; its first layer then says the shape.

    The input is called `<first layer>_input`, as Keras 2 did.
    """
    if entry["class_name"] != "Sequential":
        return entry
    layers = entry["config"].get("layers")
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return entry
    first = layers[0]
    shape = _input_shape(first)
    if first.get("class_name") == "InputLayer" or shape is None:
        return entry
    config = first["config"] if isinstance(first["config"], dict) else {}
    name = config.get("name") or first.get("name") or "sequential"
    dtype = config.get("input_dtype") or config.get("dtype") or "float32"
    dtype = dtype if isinstance(dtype, str) else "float32"
    made = {"name": f"{name}_input", "batch_shape": shape, "dtype": dtype}
    return _with(entry, layers=[{"class_name": "InputLayer", "config": made}, *layers])


def _input_shape(entry: Any) -> list | None:
    """The batch shape that a layer or nested model says it takes, if it says so."""
    if not isinstance(entry, dict):
        return None
    config = entry.get("config")
    if entry.get("class_name") in MODELS:
        layers = config.get("layers") if isinstance(config, dict) else config
        return _input_shape(layers[0]) if isinstance(layers, list) and layers else None
    if not isinstance(config, dict):
        return None
    return config.get("batch_input_shape", config.get("batch_shape"))


def batch_shape(entry: Entry) -> Entry:
    """Keras 1 and 2: an InputLayer's `batch_input_shape` is now `batch_shape`.

    Sizes that were computed by a division are kept as floats.

    >>> old = {"batch_input_shape": [None, 270.0, 3]}
    >>> batch_shape({"class_name": "InputLayer", "config": old})["config"]
    {'batch_shape': [None, 270, 3]}
    """
    config = entry["config"]
    if entry["class_name"] != "InputLayer":
        return entry
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    if isinstance(shape, list):
        shape = [int(n) if isinstance(n, float) and n.is_integer() else n for n in shape]
    kept = {key: value for key, value in config.items() if key != "batch_input_shape"}
    return {**entry, "config": {**kept, "batch_shape": shape}}


def explicit_calls(entry: Entry) -> Entry:
    """Keras 1 and 2: `[["layer", call, output, {kwargs}], ...]` is now `{args, kwargs}`.

    Keras 2 numbers the calls of a nested model from 1 wherever they are referred to, because call 0
    was its own construction; Keras 3 does so only in `output_layers`, and only for a Functional.
    """
    config = entry["config"]
    if "output_layers" not in config:
        return entry
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return entry
    by_name = {str(_name(layer)): layer for layer in layers}
    started = {name for name, layer in by_name.items() if _is_built_model(layer)}

    def tensor(name: str, node: int, output: int) -> Entry:
        return {
            "class_name": "__keras_tensor__",
            "config": {"keras_history": [name, node - (name in started), output]},
        }

    def is_tensor(tree: Any) -> bool:
        return (
            isinstance(tree, list)
            and len(tree) in (3, 4)
            and isinstance(tree[0], str)
            and (tree[0] in by_name or len(tree) == 4)
            and all(type(index) is int for index in tree[1:3])
        )

    def argument(tree: Any) -> Any:
        """A keyword argument: tensors are lists of three within it."""
        if is_tensor(tree):
            return tensor(*tree[:3])
        if isinstance(tree, list):
            return [argument(branch) for branch in tree]
        if isinstance(tree, dict):
            if tree.keys() == {"start", "stop", "step"}:
                return {"class_name": "__slice__", "config": tree}
            return {key: argument(branch) for key, branch in tree.items()}
        return tree

    def call(node: Any) -> Any:
        if isinstance(node, dict) and "args" in node:
            return node  # Keras 2.15 mixes both kinds
        found: list[dict] = []

        def positional(tree: Any) -> Any:
            if isinstance(tree, list) and tree and isinstance(tree[0], str):
                found.extend(part for part in tree[3:4] if isinstance(part, dict))
                if tree[0] == "_CONSTANT_VALUE" and len(tree) >= 3:
                    return tree[2]
                return tensor(*tree[:3]) if is_tensor(tree) else tree
            if isinstance(tree, list):
                return [positional(branch) for branch in tree]
            if isinstance(tree, dict):
                return {key: positional(branch) for key, branch in tree.items()}
            return tree

        arguments = positional(node)
        if isinstance(arguments, list) and len(arguments) == 1:
            arguments = arguments[0]
        kwargs = {key: argument(value) for layer in found[:1] for key, value in layer.items()}
        return {"args": [arguments], "kwargs": kwargs}

    def called(layer: Entry) -> Entry:
        nodes = layer.get("inbound_nodes")
        return (
            {**layer, "inbound_nodes": [call(n) for n in nodes]}
            if isinstance(nodes, list)
            else layer
        )

    def end(tree: Any) -> Any:
        """A tree of `[layer, call, output]`."""
        if is_tensor(tree):
            sequential = by_name.get(tree[0], {}).get("class_name") == "Sequential"
            return [tree[0], tree[1] - (sequential and tree[0] in started), tree[2]]
        if isinstance(tree, list):
            return [end(branch) for branch in tree]
        return (
            {key: end(branch) for key, branch in tree.items()} if isinstance(tree, dict) else tree
        )

    def ends(tree: Any) -> Any:
        """As `end`; a list of one is the tensor itself, as tf.keras treats it."""
        tree = end(tree)
        return tree[0] if isinstance(tree, list) and len(tree) == 1 else tree

    return _with(
        entry,
        layers=[called(layer) for layer in layers],
        input_layers=ends(config.get("input_layers")),
        output_layers=ends(config["output_layers"]),
    )


def _name(entry: Entry) -> Any:
    config = entry.get("config")
    return entry.get("name") or (config.get("name") if isinstance(config, dict) else None)


def _is_built_model(entry: Entry) -> bool:
    """Whether Keras 2 called this nested model when it was made: if it knew the input shape."""
    if entry.get("class_name") == "Sequential":
        return _input_shape(entry) is not None or keras1_dialect.begins_with_merge(entry)
    return entry.get("class_name") in MODELS


def initial_state(entry: Entry) -> Entry:
    """Keras 2: a recurrent layer was called on `[x, *states]`; today these are `initial_state`."""
    nodes = entry.get("inbound_nodes")
    if entry["class_name"] not in RECURRENT or not isinstance(nodes, list):
        return entry

    def call(node: Any) -> Any:
        args = node.get("args") if isinstance(node, dict) else None
        if not args or not isinstance(args[0], list) or len(args[0]) < 2:
            return node
        x, *states = args[0]
        return {"args": [x], "kwargs": {**node.get("kwargs", {}), "initial_state": states}}

    return {**entry, "inbound_nodes": [call(node) for node in nodes]}


def plain_values(entry: Entry) -> Entry:
    """tf.keras writes numpy values as `{"type": "ndarray", "value": ...}`.

    >>> plain_values({"class_name": "ReLU", "config": {"max": {"type": "ndarray", "value": 6.0}}})
    {'class_name': 'ReLU', 'config': {'max': 6.0}}
    """

    def plain(value: Any) -> Any:
        wrapped = isinstance(value, dict) and value.keys() == {"type", "value"}
        return value["value"] if wrapped else value

    return {**entry, "config": {key: plain(value) for key, value in entry["config"].items()}}


def negative_slope(entry: Entry) -> Entry:
    """Keras 1 and 2: LeakyReLU's `alpha` is now `negative_slope`.

    >>> negative_slope({"class_name": "LeakyReLU", "config": {"alpha": 0.3}})["config"]
    {'negative_slope': 0.3}
    """
    config = entry["config"]
    if entry["class_name"] != "LeakyReLU" or "alpha" not in config:
        return entry
    kept = {key: value for key, value in config.items() if key != "alpha"}
    return {**entry, "config": {**kept, "negative_slope": config["alpha"]}}


ALIASES = {
    # TensorFlow 1.13 wrote the names of the classes behind the public ones.
    **{f"BatchNormalizationV{n}": "BatchNormalization" for n in (1, 2)},
    **{f"{kind}V{n}": kind for kind in ("LSTM", "GRU", "DenseFeatures") for n in (1, 2)},
    **{f"{kind}CellV{n}": f"{kind}Cell" for kind in ("LSTM", "GRU") for n in (1, 2)},
    **{f"Unified{kind}": kind for kind in ("LSTM", "GRU")},
    # TensorFlow 1.0 to 1.12 had further names for its layers.
    **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
    **{f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (2, 3)},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
}


def public_class(entry: Entry) -> Entry:
    """tf.keras 1.x: the name of a class behind a public one.

    >>> public_class({"class_name": "BatchNormalizationV1", "config": {}})["class_name"]
    'BatchNormalization'
    """
    public = ALIASES.get(entry["class_name"])
    return {**entry, "class_name": public} if public and "module" not in entry else entry


def cudnn(entry: Entry) -> Entry:
    """Keras 2.1 to 2.3 and tf.keras 1.x: recurrent layers of cuDNN, which keep weights its way.

    >>> new = cudnn({"class_name": "CuDNNGRU", "config": {"units": 2}})
    >>> new["class_name"], new["stored_as"], new["config"]["reset_after"]
    ('GRU', ['cudnn_gru'], True)
    """
    kind = entry["class_name"]
    if kind not in ("CuDNNLSTM", "CuDNNGRU"):
        return entry
    # That they had no choice of.
    fixed = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    fixed |= {"reset_after": True} if kind == "CuDNNGRU" else {}
    name = "cudnn_lstm" if kind == "CuDNNLSTM" else "cudnn_gru"
    new = {"class_name": kind[5:], "written_as": kind, "stored_as": [name]}
    return {**_with(entry, **fixed), **new}


def kept_masked(entry: Entry) -> Entry:
    """Keras 2.0 to 2.3: what a Bidirectional gives for a masked step is the step before.

    >>> kept_masked({"class_name": "Bidirectional", "config": {}})["config"]
    {'zero_output_for_mask': False}
    """
    if entry["class_name"] != "Bidirectional":
        return entry
    return _with(entry, zero_output_for_mask=False)


def state_before(entry: Entry) -> Entry:
    """Keras 1 to 2.2 on TensorFlow: what comes before the first output is the initial state.

    A recurrent layer gives it for masked steps at the beginning, where later ones give zeros, which
    is the same unless it is given a state or has one of its own.

    >>> state_before({"class_name": "LSTM", "config": {"stateful": True}})["config"]
    {'stateful': True, 'state_before': True}
    """
    config = entry["config"]
    nodes = entry.get("inbound_nodes")
    calls = [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []
    begins = config.get("stateful") or any("initial_state" in call["kwargs"] for call in calls)
    if entry["class_name"] not in RECURRENT or not begins or config.get("unroll"):
        return entry
    if entry["class_name"] != "Bidirectional":
        return _with(entry, state_before=True)
    inner = config.get("layer")
    if not isinstance(inner, dict) or not isinstance(inner.get("config"), dict):
        return entry
    return _with(entry, layer=_with(inner, state_before=True))


def zeroed_masked(entry: Entry) -> Entry:
    """tf.keras 1.13: a Bidirectional gives zeros for masked steps, also for the last one.

    It writes so of the layer within; what came later gives zeros in a sequence alone.

    >>> inner = {"class_name": "LSTM", "config": {"zero_output_for_mask": True}}
    >>> zeroed_masked({"class_name": "Bidirectional", "config": {"layer": inner}})["config"]
    {'layer': {'class_name': 'LSTM', 'config': {'zero_output_for_mask': True}}, \
'zero_output_for_mask': True}
    """
    inner = entry["config"].get("layer")
    said = inner.get("config") if isinstance(inner, dict) else None
    if entry["class_name"] != "Bidirectional" or not isinstance(said, dict):
        return entry
    return _with(entry, zero_output_for_mask=True) if said.get("zero_output_for_mask") else entry


def unmasked_softmax(entry: Entry) -> Entry:
    """Before tf.keras 2.4, a Softmax did not look at its mask.

    >>> unmasked_softmax({"class_name": "Softmax", "config": {}})["config"]
    {'masked': False}
    """
    is_layer = entry["class_name"] == "Softmax" and entry.get("module") != "keras.ops"
    return _with(entry, masked=False) if is_layer else entry


def reversed_samples(entry: Entry) -> Entry:
    """tf.keras 1.x to 2.2: with `time_major`, a Bidirectional turned the samples round, not times.

    >>> inner = {"class_name": "LSTM", "config": {"time_major": True}}
    >>> reversed_samples({"class_name": "Bidirectional", "config": {"layer": inner}})["config"]
    {'layer': {'class_name': 'LSTM', 'config': {'time_major': True}}, 'reversed_axis': 1}
    """
    inner = entry["config"].get("layer")
    said = inner.get("config") if isinstance(inner, dict) else None
    if entry["class_name"] != "Bidirectional" or not isinstance(said, dict):
        return entry
    return _with(entry, reversed_axis=1) if said.get("time_major") else entry


def theano_pixels(entry: Entry) -> Entry:
    """Keras 2 on Theano: it interpolates in a way of its own, which is not supported here.

    >>> theano_pixels({"class_name": "UpSampling2D", "config": {"interpolation": "bilinear"}})
    {'class_name': 'UpSampling2D', 'config': {'interpolation': 'theano>bilinear'}}
    """
    config = entry["config"]
    if entry["class_name"] != "UpSampling2D" or config.get("interpolation") != "bilinear":
        return entry
    return _with(entry, interpolation="theano>bilinear")


def unmasked_attention(entry: Entry) -> Entry:
    """tf.keras up to 2.9: a MultiHeadAttention knows no masks but those that its call names.

    >>> unmasked_attention({"class_name": "MultiHeadAttention", "config": {}})["config"]
    {'masks': 'as given'}
    """
    known = entry["class_name"] != "MultiHeadAttention"
    return entry if known else _with(entry, masks="as given")


def corner_pixels(entry: Entry) -> Entry:
    """Keras 2.2 and 2.3: pixels to interpolate between lie at their corners.

    >>> corner_pixels({"class_name": "UpSampling2D", "config": {"interpolation": "bilinear"}})
    {'class_name': 'UpSampling2D', 'config': {'interpolation': 'keras2>bilinear'}}
    """
    config = entry["config"]
    if entry["class_name"] != "UpSampling2D" or config.get("interpolation") != "bilinear":
        return entry
    return _with(entry, interpolation="keras2>bilinear")


def single_group(entry: Entry) -> Entry:
    """tf.keras gives `groups` to all convolutions, Keras 3 only to those that can have them.

    >>> single_group({"class_name": "Conv2DTranspose", "config": {"groups": 1}})["config"]
    {}
    """
    config = entry["config"]
    if "Conv" not in entry["class_name"] or config.get("groups") != 1:
        return entry
    return {**entry, "config": {key: config[key] for key in config if key != "groups"}}


def causal_calls(entry: Entry) -> Entry:
    """tf.keras 1.15 to 2.10: `causal` of an attention is now `use_causal_mask` of its calls.

    >>> new = causal_calls({"class_name": "Attention", "config": {"causal": True},
    ...                     "inbound_nodes": [{"args": ["x"], "kwargs": {}}]})
    >>> new["config"], new["inbound_nodes"]
    ({}, [{'args': ['x'], 'kwargs': {'use_causal_mask': True}}])
    """
    config = entry["config"]
    if entry["class_name"] not in ("Attention", "AdditiveAttention") or "causal" not in config:
        return entry
    entry = {**entry, "config": {key: config[key] for key in config if key != "causal"}}
    nodes = entry.get("inbound_nodes")
    if not config["causal"] or not isinstance(nodes, list):
        return entry

    def call(node: Any) -> Any:
        if not isinstance(node, dict) or not isinstance(node.get("kwargs"), dict):
            return node
        return {**node, "kwargs": {**node["kwargs"], "use_causal_mask": True}}

    return {**entry, "inbound_nodes": [call(node) for node in nodes]}


def no_salt(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: for a Hashing without salt this number was written.

    >>> no_salt({"class_name": "Hashing", "config": {"salt": [0xDECAFCAFFE] * 2}})["config"]
    {'salt': None}
    """
    if entry["class_name"] != "Hashing" or entry["config"].get("salt") != [0xDECAFCAFFE] * 2:
        return entry
    return _with(entry, salt=None)


def number_of_tokens(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: names of a CategoryEncoding's options and of its modes.

    >>> number_of_tokens({"class_name": "CategoryEncoding",
    ...                   "config": {"max_tokens": 5, "output_mode": "binary"}})["config"]
    {'output_mode': 'multi_hot', 'num_tokens': 5}
    """
    config = dict(entry["config"])
    if config.get("output_mode") == "binary" and entry["class_name"] in CATEGORIES:
        config["output_mode"] = "multi_hot"
    if entry["class_name"] == "CategoryEncoding" and "max_tokens" in config:
        config["num_tokens"] = config.pop("max_tokens")
        config.pop("sparse", None)
    return {**entry, "config": config} if config != entry["config"] else entry


def hard_sigmoid(entry: Entry) -> Entry:
    """Keras 1 and 2: `hard_sigmoid` is clip(0.2x + 0.5), in Keras 3 it is relu6(x + 3) / 6.

    >>> hard_sigmoid({"class_name": "Dense", "config": {"activation": "hard_sigmoid"}})["config"]
    {'activation': 'keras2>hard_sigmoid'}
    """
    config = entry["config"]
    keys = ("activation", "recurrent_activation")
    changed = {key: "keras2>hard_sigmoid" for key in keys if config.get(key) == "hard_sigmoid"}
    return _with(entry, **changed) if changed else entry


def resizing_crop(entry: Entry) -> Entry:
    """Before Keras 3.6, RandomCrop resized at inference; since then it leaves images alone.

    >>> resizing_crop({"class_name": "RandomCrop", "config": {}})["config"]
    {'resizes': True}
    """
    return _with(entry, resizes=True) if entry["class_name"] == "RandomCrop" else entry


def lambda_code(entry: Entry) -> Entry:
    """Keras 1 and 2: a Lambda's byte code, defaults and closure are a list of three.

    >>> old = {"function": ["4wEA", None, None], "function_type": "lambda", "module": "__main__"}
    >>> lambda_code({"class_name": "Lambda", "config": old})["config"]["function"]["config"]["code"]
    '4wEA'
    """
    if entry["class_name"] != "Lambda" or "function_type" not in entry["config"]:
        return entry
    config, kinds = entry["config"], ("function_type", "module", "output_shape_type")
    kept = {key: value for key, value in config.items() if key not in kinds}
    kept.pop("output_shape_module", None)
    function = config.get("function")
    if config.get("function_type") == "lambda":
        code = function[0] if isinstance(function, list) and function else function
        kept["function"] = {"class_name": "__lambda__", "config": {"code": code}}
    elif isinstance(function, str):
        module = config.get("module")
        kept["function"] = {"class_name": "function", "config": function, "module": module}
    if config.get("output_shape_type") == "lambda":
        kept["output_shape"] = None
    return {**entry, "config": kept}


def single_axis(entry: Entry) -> Entry:
    """tf.keras writes BatchNormalization's axis as a list of one.

    >>> single_axis({"class_name": "BatchNormalization", "config": {"axis": [3]}})["config"]
    {'axis': 3}
    """
    axis = entry["config"].get("axis")
    if entry["class_name"] != "BatchNormalization" or not isinstance(axis, list) or len(axis) != 1:
        return entry
    return _with(entry, axis=axis[0])


def masks(entry: Entry) -> Entry:
    """What Keras 2 does with masks: merges need all of them, and a layer gets that of its input.

    Keras 3 lets one mask of a merge do, and gives a layer with several tensors as arguments none.

    >>> masks({"class_name": "Add", "config": {}})["config"]
    {'masks': 'all'}
    """
    if entry["class_name"] in MERGES:
        return _with(entry, masks="all")
    if entry["class_name"] in MODELS and isinstance(entry["config"], dict):
        return _with(entry, masks="of the first input")
    return entry


def categories(entry: Entry) -> Entry:
    """Keras 2 counts tokens in floats and numbers bins in int64; Keras 3 has int64 and int32.


    >>> categories({"class_name": "Discretization", "config": {"output_mode": "int"}})["config"]
    {'output_mode': 'int', 'output_dtype': 'int64'}
    """
    kind, counts = entry["class_name"], entry["config"].get("output_mode", "int") != "int"
    if kind in ("StringLookup", "IntegerLookup", "TextVectorization") and counts:
        return _with(entry, output_dtype="float32")
    if kind == "Discretization" and not counts:
        return _with(entry, output_dtype="int64")
    return entry


def unlimited(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: padding to the most tokens allowed is none where any number is.

    >>> config = {"max_tokens": None, "pad_to_max_tokens": True}
    >>> unlimited({"class_name": "TextVectorization", "config": config})["config"]
    {'max_tokens': None, 'pad_to_max_tokens': False}
    """
    config = entry["config"]
    if not config.get("pad_to_max_tokens") or config.get("max_tokens", 0) is not None:
        return entry
    return _with(entry, pad_to_max_tokens=False)


def tokens(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: the tokens of an IntegerLookup were called values.

    >>> tokens({"class_name": "IntegerLookup", "config": {"mask_value": 0}})["config"]
    {'mask_token': 0}
    """
    if entry["class_name"] != "IntegerLookup":
        return entry
    names = {"max_values": "max_tokens", "mask_value": "mask_token", "oov_value": "oov_token"}
    config = {names.get(key, key): value for key, value in entry["config"].items()}
    return {**entry, "config": config}


def bin_boundaries(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: the numbers between bins were `bins`, up to infinity; answers as today.

    >>> old = {"class_name": "Discretization", "config": {"bins": [0.5, float("inf")]}}
    >>> bin_boundaries(old)["config"]
    {'bin_boundaries': [0.5], 'output_dtype': None}
    """
    config = entry["config"]
    if entry["class_name"] != "Discretization" or not isinstance(config.get("bins"), list):
        return entry
    kept = {key: value for key, value in config.items() if key != "bins"}
    bins = [number for number in config["bins"] if number != float("inf")]
    return {**entry, "config": {**kept, "bin_boundaries": bins, "output_dtype": None}}


def reset_after(entry: Entry) -> Entry:
    """Before Keras 2.1.3 had `reset_after`, a GRU did not; today's default is that it does.

    >>> reset_after({"class_name": "GRU", "config": {"units": 2}})["config"]
    {'units': 2, 'reset_after': False}
    """
    if entry["class_name"] not in ("GRU", "GRUCell") or "reset_after" in entry["config"]:
        return entry
    return _with(entry, reset_after=False)


def without_obsolete(entry: Entry) -> Entry:
    """Leave out keys that Keras 3 no longer has, where they say nothing.

    >>> without_obsolete({"class_name": "LSTM", "config": {"implementation": 2}})
    {'class_name': 'LSTM', 'config': {}}
    """

    def says_nothing(key: str, value: Any) -> bool:
        if key == "implementation" and entry["class_name"].startswith("LocallyConnected"):
            return False  # their arrays lie as it says
        empty = OBSOLETE.get(key, ())
        return empty == (...,) or any(value is nothing for nothing in empty)

    kept = {key: value for key, value in entry["config"].items() if not says_nothing(key, value)}
    if entry["class_name"] == "Lambda":  # where Python would find what is not taken from a file
        kept = {key: value for key, value in kept.items() if key not in OF_LAMBDA}
    return {**entry, "config": kept}


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


KERAS_3 = (operations,)
KERAS_2 = (
    named_config,
    functional_class,
    public_class,
    explicit_input,
    batch_shape,
    explicit_calls,
    initial_state,
    of_functions,
    of_nodes,
    plain_values,
    cudnn,
    causal_calls,
    single_group,
    number_of_tokens,
    no_salt,
    negative_slope,
    hard_sigmoid,
    resizing_crop,
    lambda_code,
    single_axis,
    reset_after,
    masks,
    categories,
    unlimited,
    tokens,
    bin_boundaries,
    without_obsolete,
)
