"""Keras 2's words turned into today's, by small pure functions from entry to newer entry.

They change how a thing is said; what the same word meant otherwise is in `keras_meanings`.
"""

from __future__ import annotations

from typing import Any

from npforward.formats import keras1_dialect
from npforward.formats.keras_entry import MODELS, RECURRENT, Entry, Step, name_of, with_config
from npforward.formats.keras_functions import of_functions, of_nodes

CATEGORIES = {"CategoryEncoding", "StringLookup", "IntegerLookup", "TextVectorization"}
CATEGORIES |= {"Discretization", "Hashing", "HashedCrossing"}

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

# How and where Python would find the functions of a Lambda, which are not taken from a file.
OF_LAMBDA = {"function_type", "module", "output_shape_type", "output_shape_module"}

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
    taken = [name_of(layer) for layer in entry["config"] if isinstance(layer, dict)]
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
    return with_config(entry, layers=[{"class_name": "InputLayer", "config": made}, *layers])


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

    >>> layers = [{"class_name": "InputLayer", "name": "x", "config": {}, "inbound_nodes": []},
    ...           {"class_name": "Dense", "name": "d", "config": {},
    ...            "inbound_nodes": [[["x", 0, 0, {}]]]}]
    >>> ends = {"input_layers": [["x", 0, 0]], "output_layers": [["d", 0, 0]]}
    >>> old = {"class_name": "Functional", "config": {"layers": layers, **ends}}
    >>> (call,) = explicit_calls(old)["config"]["layers"][1]["inbound_nodes"]
    >>> call["args"], call["kwargs"]
    ([{'class_name': '__keras_tensor__', 'config': {'keras_history': ['x', 0, 0]}}], {})
    """
    config = entry["config"]
    if "output_layers" not in config:
        return entry
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return entry
    by_name = {str(name_of(layer)): layer for layer in layers}
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

    return with_config(
        entry,
        layers=[called(layer) for layer in layers],
        input_layers=ends(config.get("input_layers")),
        output_layers=ends(config["output_layers"]),
    )


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
        match node:
            case {"args": [[x, state, *more], *_], "kwargs": dict(kwargs)}:
                return {"args": [x], "kwargs": {**kwargs, "initial_state": [state, *more]}}
        return node

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


def thresholded_relu(entry: Entry) -> Entry:
    """Keras 1 and 2: what a ThresholdedReLU was is today a ReLU with a threshold.

    >>> new = thresholded_relu({"class_name": "ThresholdedReLU", "config": {"theta": 0.5}})
    >>> new["class_name"], new["config"]
    ('ReLU', {'threshold': 0.5})
    """
    if entry["class_name"] != "ThresholdedReLU":
        return entry
    config = dict(entry["config"])
    config["threshold"] = config.pop("theta", 1.0)
    return {**entry, "class_name": "ReLU", "written_as": entry["class_name"], "config": config}


def public_class(entry: Entry) -> Entry:
    """tf.keras 1.x: the name of a class behind a public one.

    >>> public_class({"class_name": "BatchNormalizationV1", "config": {}})["class_name"]
    'BatchNormalization'
    """
    public = ALIASES.get(entry["class_name"])
    return {**entry, "class_name": public} if public and "module" not in entry else entry


OF_CUDNN = {"LSTM": "cudnn_lstm", "GRU": "cudnn_gru"}


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
    new = {"class_name": kind[5:], "written_as": kind, "stored_as": [OF_CUDNN[kind[5:]]]}
    return {**with_config(entry, **fixed), **new}


def weights_of_cudnn(entry: Entry) -> Entry:
    """Keras 2 as a package: an LSTM or a GRU can be given the weights of one of cuDNN.

    >>> weights_of_cudnn({"class_name": "LSTM", "config": {}})["stored_as"]
    ['cudnn_lstm']
    """
    kind, config = entry["class_name"], entry["config"]
    alike = kind == "LSTM" or (kind == "GRU" and config.get("reset_after"))
    if not alike or "stored_as" in entry or not config.get("use_bias", True):
        return entry
    return {**entry, "stored_as": [OF_CUDNN[kind]]}


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
    return with_config(entry, salt=None)


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


def lambda_code(entry: Entry) -> Entry:
    """Keras 1 and 2: a Lambda's byte code, defaults and closure are a list of three.

    >>> old = {"function": ["4wEA", None, None], "function_type": "lambda", "module": "__main__"}
    >>> lambda_code({"class_name": "Lambda", "config": old})["config"]["function"]["config"]["code"]
    '4wEA'
    """
    if entry["class_name"] != "Lambda":
        return entry
    config = entry["config"]
    kept = {key: value for key, value in config.items() if key not in OF_LAMBDA}
    function = config.get("function")
    if config.get("function_type") == "lambda":
        code = function[0] if isinstance(function, list) and function else function
        kept["function"] = {"class_name": "__lambda__", "config": {"code": code}}
    elif "function_type" in config and isinstance(function, str):
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
    return with_config(entry, axis=axis[0])


def unlimited(entry: Entry) -> Entry:
    """tf.keras 2.3 to 2.5: padding to the most tokens allowed is none where any number is.

    >>> config = {"max_tokens": None, "pad_to_max_tokens": True}
    >>> unlimited({"class_name": "TextVectorization", "config": config})["config"]
    {'max_tokens': None, 'pad_to_max_tokens': False}
    """
    config = entry["config"]
    if not config.get("pad_to_max_tokens") or config.get("max_tokens", 0) is not None:
        return entry
    return with_config(entry, pad_to_max_tokens=False)


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
    return {**entry, "config": kept}


# Of entries whose config `named_config` made a dict.
STEPS: tuple[Step, ...] = (
    functional_class,
    public_class,
    explicit_input,
    batch_shape,
    explicit_calls,
    initial_state,
    of_functions,
    of_nodes,
    plain_values,
    thresholded_relu,
    cudnn,
    causal_calls,
    single_group,
    number_of_tokens,
    no_salt,
    negative_slope,
    lambda_code,
    single_axis,
    unlimited,
    tokens,
    bin_boundaries,
    without_obsolete,
)
