"""Keras 1's words turned into those of Keras 2, by small pure functions from entry to newer entry.

Each knows the old words by themselves, so that a file need not say what wrote it; Keras 2 had some
of them for a while (`Merge`, `Highway`, `MaxoutDense`).  Where arrays were kept in another way, the
entry is marked with the names of layouts (`stored_as`, see `keras_layouts`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from npforward.formats.keras_entry import MODELS, Entry, Step, name_of, with_config

CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}

TRAINED = {
    "init": "kernel_initializer",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "W_constraint": "kernel_constraint",
    "b_regularizer": "bias_regularizer",
    "b_constraint": "bias_constraint",
}
DENSE = {**TRAINED, "output_dim": "units"}
SPACE = {"border_mode": "padding", "dim_ordering": "data_format"}
CONVOLUTION = {
    **TRAINED,
    **SPACE,
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}
RECURRENT = {
    **DENSE,
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "forget_bias_init": "bias_initializer",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
POOLING = {**SPACE, "pool_length": "pool_size", "stride": "strides"}
DROPPED = {"p": "rate", "dim_ordering": "data_format"}

SIDES = ("left", "right")

# What Keras 1 called the options of its classes.
OPTIONS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("Dense", "TimeDistributedDense", "MaxoutDense", "Highway"), DENSE),
    **{f"Convolution{n}D": CONVOLUTION for n in (1, 2, 3)},
    **{f"AtrousConvolution{n}D": CONVOLUTION for n in (1, 2)},
    **{f"LocallyConnected{n}D": CONVOLUTION for n in (1, 2)},
    "Deconvolution2D": CONVOLUTION,
    "SeparableConvolution2D": {**CONVOLUTION, "init": "depthwise_initializer"},
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), RECURRENT),
    "ConvLSTM2D": {**CONVOLUTION, **RECURRENT},
    **{f"{kind}Pooling{n}D": POOLING for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": SPACE for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"{kind}{n}D": SPACE for kind in ("ZeroPadding", "Cropping") for n in (1, 2, 3)},
    **{f"UpSampling{n}D": {**SPACE, "length": "size"} for n in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "GaussianDropout"), DROPPED),
    **{f"SpatialDropout{n}D": DROPPED for n in (1, 2, 3)},
    "GaussianNoise": {"sigma": "stddev"},
    "InputLayer": {"input_dtype": "dtype"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "PReLU": {"init": "alpha_initializer"},
    "ParametricSoftplus": {"alpha_init": "alpha_initializer", "beta_init": "beta_initializer"},
    "SReLU": {f"{a}_{side}_init": f"{a}_{side}_initializer" for a in "ta" for side in SIDES},
}  # fmt: skip

# Layers that need to know where channels are, and did not write it.
UNORDERED = [f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (2, 3)]
# Options that say nothing of what a layer computes.
SILENT = ("consume_less", "transform_bias")
MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
KERNELS = [f"Conv{n}D" for n in (1, 2, 3)] + [f"Conv{n}DTranspose" for n in (2, 3)]
KERNELS += ["ConvLSTM2D"]
DEPTHWISE = ["SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D"]
POOLINGS = [f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)]


def stored_as(entry: Entry, *layouts: str) -> Entry:
    """The entry marked with how its arrays are kept, from the file's way on.

    >>> stored_as(stored_as({"class_name": "Conv2D", "config": {}}, "channels_first"), "flipped")
    {'class_name': 'Conv2D', 'config': {}, 'stored_as': ['channels_first', 'flipped']}
    """
    return {**entry, "stored_as": [*entry.get("stored_as", ()), *layouts]} if layouts else entry


# Models.


def branches(entry: Entry) -> Entry:
    """A Sequential could begin with a Merge of several others: today that is a Functional.

    The layers of all are side by side in it, as they are in the list of their weights.

    >>> def dense(name):
    ...     return {"class_name": "Dense", "config": {"name": name, "batch_input_shape": [None, 4]}}
    >>> two = [{"class_name": "Sequential", "config": [dense(name)]} for name in "ab"]
    >>> merge = {"class_name": "Merge", "config": {"name": "m", "mode": "sum", "layers": two}}
    >>> model = branches({"class_name": "Sequential", "config": {"name": "s", "layers": [merge]}})
    >>> [(layer["name"], layer["inbound_nodes"]) for layer in model["config"]["layers"]][2:]
    [('b_input', []), ('b', [[['b_input', 0, 0]]]), ('m', [[['a', 0, 0], ['b', 0, 0]]])]
    >>> model["config"]["input_layers"], model["config"]["output_layers"]
    ([['a_input', 0, 0], ['b_input', 0, 0]], [['m', 0, 0]])
    """
    if entry["class_name"] != "Sequential" or _merged(entry["config"].get("layers")) is None:
        return entry
    layers: dict[str, Entry] = {}
    inputs: list[Any] = []
    end = _chain(entry["config"]["layers"], layers, inputs)
    config = {key: value for key, value in entry["config"].items() if key != "layers"}
    config |= {"layers": list(layers.values()), "input_layers": inputs, "output_layers": [end]}
    return {**entry, "class_name": "Functional", "config": config}


def _chain(chain: list[Entry], layers: dict[str, Entry], inputs: list[Any]) -> list[Any]:
    """Put the layers of a Sequential among `layers`; where its output comes from."""
    first, *others = chain
    merged = _merged(chain)
    if merged is None:
        ends = [_input(first, layers, inputs)]
    else:
        ends = []
        met: list[tuple[Entry, list[Any]]] = []
        for branch in merged:
            known = [end for other, end in met if other == branch]
            end = known[0] if known else _branch(branch, layers, inputs)
            met.append((branch, end))
            ends.append(end)
        kept = {key: value for key, value in first["config"].items() if key != "layers"}
        first = {**first, "config": kept}
    end = ends[0] if first["class_name"] == "InputLayer" else _call(first, ends, layers)
    for layer in others:
        end = _call(layer, [end], layers)
    return end


def _branch(entry: Entry, layers: dict[str, Entry], inputs: list[Any]) -> list[Any]:
    """As `_chain`, of anything that a Merge may have had inside."""
    config = entry["config"] if isinstance(entry["config"], dict) else {"layers": entry["config"]}
    inner, taken, given = (config.get(key) for key in ("layers", "input_layers", "output_layers"))
    if entry["class_name"] not in MODELS or not inner or not _entries(inner):
        return _chain([entry], layers, inputs)
    if not isinstance(taken, list) or not isinstance(given, list) or not given:
        return _chain(inner, layers, inputs)
    layers |= {str(name_of(layer)): layer for layer in inner}
    inputs += taken
    return given[0]


def _input(first: Entry, layers: dict[str, Entry], inputs: list[Any]) -> list[Any]:
    """The input of a Sequential, of which its first layer says the shape."""
    made = first
    if first["class_name"] != "InputLayer":
        config = first["config"] if isinstance(first["config"], dict) else {}
        kept = {key: config[key] for key in ("batch_input_shape", "input_dtype") if key in config}
        made = {"class_name": "InputLayer", "config": {**kept, "name": f"{name_of(first)}_input"}}
    name = str(name_of(made))
    layers[name] = {**made, "name": name, "inbound_nodes": []}
    inputs.append([name, 0, 0])
    return [name, 0, 0]


def _call(entry: Entry, ends: list[Any], layers: dict[str, Entry]) -> list[Any]:
    """One more call of a layer; where its output comes from."""
    name = str(name_of(entry) or f"sequential_{len(layers)}")  # a Sequential may have none
    found = layers.setdefault(name, {**entry, "name": name, "inbound_nodes": []})
    nodes = found.get("inbound_nodes")
    nodes = nodes if isinstance(nodes, list) else []
    layers[name] = {**found, "inbound_nodes": [*nodes, ends]}
    # Keras called a model when it was made: its calls are counted from 1.
    return [name, len(nodes) + (entry["class_name"] in MODELS), 0]


def _merged(layers: Any) -> list[Entry] | None:
    """What the Merge has inside that a Sequential begins with, if it does."""
    if not _entries(layers) or not layers or layers[0]["class_name"] != "Merge":
        return None
    config = layers[0]["config"]
    merged = config.get("layers") if isinstance(config, dict) else None
    return merged if _entries(merged) and merged else None


def _entries(layers: Any) -> bool:
    """Whether this is a list of layers, each of which says its class."""
    return isinstance(layers, list) and all(
        isinstance(layer, dict) and isinstance(layer.get("class_name"), str) and "config" in layer
        for layer in layers
    )


def dim_orderings(entry: Entry, usual: str = "tf") -> Entry:
    """Layers that did not write `dim_ordering` have that of the others in their model.

    `usual` is what the Keras of the time took for granted.

    >>> padding = {"class_name": "ZeroPadding2D", "config": {"padding": [1, 1]}}
    >>> pooling = {"class_name": "MaxPooling2D", "config": {"dim_ordering": "th"}}
    >>> model = {"class_name": "Sequential", "config": {"layers": [padding, pooling]}}
    >>> dim_orderings(model)["config"]["layers"][0]["config"]
    {'padding': [1, 1], 'dim_ordering': 'th'}
    """
    if entry["class_name"] not in MODELS:
        return entry
    order = next(_orderings(entry["config"]), usual)

    def ordered(tree: Any) -> Any:
        if isinstance(tree, list):
            return [ordered(branch) for branch in tree]
        if not isinstance(tree, dict):
            return tree
        tree = {key: ordered(branch) for key, branch in tree.items()}
        config = tree.get("config")
        unsaid = isinstance(config, dict) and not {"dim_ordering", "data_format"} & config.keys()
        if unsaid and tree.get("class_name") in UNORDERED:
            return with_config(tree, dim_ordering=order)
        return tree

    return {**entry, "config": ordered(entry["config"])}


def _orderings(tree: Any) -> Iterator[str]:
    """Every `dim_ordering` that is written."""
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for branch in branches:
        yield from _orderings(branch)
    if isinstance(tree, dict) and tree.get("dim_ordering") in ("tf", "th"):
        yield tree["dim_ordering"]


# Layers.


def merge_modes(entry: Entry) -> Entry:
    """A Merge is one of several classes today; one by a function is a Lambda of a list.

    >>> merge_modes({"class_name": "Merge", "config": {"name": "m", "mode": "concat",
    ...     "mode_type": "raw", "concat_axis": 1, "dot_axes": -1}})
    {'class_name': 'Concatenate', 'config': {'name': 'm', 'axis': 1}}
    """
    if entry["class_name"] != "Merge":
        return entry
    config = entry["config"]
    mode, said = config.get("mode", "sum"), {"name": config["name"]} if "name" in config else {}
    if config.get("mode_type", "raw") != "raw":
        code = mode[0] if isinstance(mode, list) and mode else mode
        function = {"class_name": "__lambda__", "config": {"code": code}}
        function = mode if config["mode_type"] == "function" else function
        called = {**said, "function": function, "arguments": config.get("arguments")}
        return {**entry, "class_name": "Lambda", "config": called}
    if mode == "concat":
        joined = {**said, "axis": config.get("concat_axis", -1)}
        return {**entry, "class_name": "Concatenate", "config": joined}
    if mode == "dot":
        return {
            **entry,
            "class_name": "Dot",
            "config": {**said, "axes": config.get("dot_axes", -1)},
        }
    if mode == "cos":
        return {**entry, "config": {**said, "mode": mode, "axes": config.get("dot_axes", -1)}}
    kind = MERGES.get(mode) if isinstance(mode, str) else None
    return {**entry, "class_name": kind, "config": said} if kind else entry


def arrays(entry: Entry) -> Entry:
    """How Keras 1 kept the arrays of a layer, where Keras 2 changed that.

    >>> arrays({"class_name": "Deconvolution2D", "config": {"dim_ordering": "th"}})["stored_as"]
    ['channels_first', 'deconvolution']
    """
    kind, config = entry["class_name"], entry["config"]
    kernels = CLASSES.get(kind, kind) in KERNELS + DEPTHWISE
    separate = "inner_activation" in config and config.get("consume_less") != "gpu"
    marks = ["channels_first"] if kernels and config.get("dim_ordering") == "th" else []
    if kind in ("Convolution1D", "AtrousConvolution1D"):
        marks.append("conv1d")
    elif kind == "Deconvolution2D":
        marks.append("deconvolution")
    elif kind in ("LSTM", "ConvLSTM2D") and separate:
        marks.append("lstm_gates")
    elif kind == "GRU" and separate:
        marks.append("gru_gates")
    elif kind == "Highway":
        marks.append("highway")
    return stored_as(entry, *marks)


def kernel_size(entry: Entry) -> Entry:
    """The sizes of a kernel were options of their own.

    >>> kernel_size({"class_name": "Convolution2D", "config": {"nb_row": 3, "nb_col": 2}})
    {'class_name': 'Convolution2D', 'config': {'kernel_size': [3, 2]}}
    """
    config = entry["config"]
    for keys in (
        ("filter_length",),
        ("nb_row", "nb_col"),
        ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
    ):
        if entry["class_name"] in OPTIONS and all(key in config for key in keys):
            kept = {key: value for key, value in config.items() if key not in keys}
            return {**entry, "config": {**kept, "kernel_size": [config[key] for key in keys]}}
    return entry


def border_widths(entry: Entry) -> Entry:
    """ZeroPadding took the sides of each axis in a row, or by their names.

    >>> border_widths({"class_name": "ZeroPadding2D", "config": {"padding": [1, 2, 3, 4]}})
    {'class_name': 'ZeroPadding2D', 'config': {'padding': [[1, 2], [3, 4]]}}
    >>> border_widths({"class_name": "ZeroPadding1D", "config": {"padding": {"left_pad": 2}}})
    {'class_name': 'ZeroPadding1D', 'config': {'padding': [2, 0]}}
    """
    padding = entry["config"].get("padding")
    if entry["class_name"] not in ("ZeroPadding1D", "ZeroPadding2D"):
        return entry
    if isinstance(padding, dict):
        rows = [] if entry["class_name"] == "ZeroPadding1D" else ["top_pad", "bottom_pad"]
        padding = [padding.get(side, 0) for side in (*rows, "left_pad", "right_pad")]
    if isinstance(padding, list) and len(padding) == 4:
        padding = [padding[:2], padding[2:]]
    return with_config(entry, padding=padding)


def output_size(entry: Entry) -> Entry:
    """A Deconvolution2D was told the shape of its output, with its samples and channels.

    >>> output_size({"class_name": "Deconvolution2D", "config": {
    ...     "output_shape": [None, 7, 8, 3], "dim_ordering": "tf"}})["config"]["output_shape"]
    [7, 8]
    """
    config = entry["config"]
    shape = config.get("output_shape")
    if entry["class_name"] != "Deconvolution2D" or not isinstance(shape, list):
        return entry
    space = shape[2:4] if config.get("dim_ordering") == "th" else shape[1:3]
    return with_config(entry, output_shape=space)


def normalization_mode(entry: Entry) -> Entry:
    """BatchNormalization's modes 1 and 2 do not use the stored moments.

    >>> normalization_mode({"class_name": "BatchNormalization", "config": {"mode": 2}})
    {'class_name': 'BatchwiseNormalization', 'config': {}}
    """
    config = entry["config"]
    mode = config.get("mode")
    if (
        entry["class_name"] != "BatchNormalization"
        or type(mode) is not int
        or mode not in (0, 1, 2)
    ):
        return entry
    kept = {key: value for key, value in config.items() if key != "mode"}
    kinds = ("BatchNormalization", "SamplewiseNormalization", "BatchwiseNormalization")
    return {**entry, "class_name": kinds[mode], "config": kept}


def options(entry: Entry) -> Entry:
    """Classes and options under the names that Keras 2 gave them.

    >>> options({"class_name": "AtrousConvolution1D", "config": {"nb_filter": 3}})
    {'class_name': 'Conv1D', 'config': {'filters': 3}}
    """
    kind = entry["class_name"]
    if kind not in OPTIONS:
        return entry
    names = OPTIONS[kind]
    config = {
        names.get(key, key): value for key, value in entry["config"].items() if key not in SILENT
    }
    return {**entry, "class_name": CLASSES.get(kind, kind), "config": config}


def data_format(entry: Entry) -> Entry:
    """`dim_ordering` was "th" for channels first and "tf" for channels last.

    >>> data_format({"class_name": "Conv2D", "config": {"data_format": "th"}})["config"]
    {'data_format': 'channels_first'}
    """
    order = entry["config"].get("data_format")
    if order not in ("tf", "th"):
        return entry
    return with_config(entry, data_format="channels_last" if order == "tf" else "channels_first")


def sparse_input(entry: Entry) -> Entry:
    """An InputLayer says whether its arrays are sparse; here they never are.

    >>> sparse_input({"class_name": "InputLayer", "config": {"sparse": False}})["config"]
    {}
    """
    if entry["class_name"] != "InputLayer" or entry["config"].get("sparse", True):
        return entry
    return {**entry, "config": {k: v for k, v in entry["config"].items() if k != "sparse"}}


def standard_deviation(entry: Entry) -> Entry:
    """Before Keras 1.0.7, `running_std` was what its name says; since then it is the variance.

    >>> standard_deviation({"class_name": "BatchNormalization", "config": {"mode": 0}})["stored_as"]
    ['standard_deviation']
    """
    if entry["class_name"] != "BatchNormalization" or "mode" not in entry["config"]:
        return entry
    return stored_as(entry, "standard_deviation")


# Theano.


def flipped(entry: Entry) -> Entry:
    """Theano convolves, and turns each kernel over; TensorFlow correlates.

    Keras turned those of depthwise convolutions over beforehand.

    >>> flipped({"class_name": "Conv2D", "config": {}})["stored_as"]
    ['flipped']
    """
    return stored_as(entry, "flipped") if entry["class_name"] in KERNELS else entry


def theano_borders(entry: Entry, volumes: bool = True) -> Entry:
    """With padding "same" Theano puts the odd one before, where TensorFlow puts it after.

    Convolutions of volumes do so since Keras 1.1.2 alone (`volumes`).  Of even kernels a depthwise
    one gives an output that is longer than Keras knows, so that no model of them can run.

    >>> theano_borders({"class_name": "Conv2D", "config": {"padding": "same"}})["config"]
    {'padding': 'theano>same'}
    """
    kind, config = entry["class_name"], entry["config"]
    if kind == "ConvLSTM2D":  # its states are always convolved so
        entry = with_config(entry, recurrent_padding="theano>same")
    if config.get("padding") != "same" or kind not in KERNELS + DEPTHWISE + POOLINGS:
        return entry
    if kind == "Conv3D" and not volumes:
        return entry
    if kind in DEPTHWISE and not all(_odd(n) for n in _listed(config.get("kernel_size"))):
        return {**entry, "class_name": f"theano>{kind} with an even kernel"}
    return with_config(entry, padding="theano>same")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _odd(value: Any) -> bool:
    return type(value) is int and value % 2 == 1


def theano_relu(entry: Entry) -> Entry:
    """Theano's relu limits the part below 0 as well; an SReLU may notice.

    >>> theano_relu({"class_name": "SReLU", "config": {}})["config"]
    {'limit_left': True}
    """
    return with_config(entry, limit_left=True) if entry["class_name"] == "SReLU" else entry


def steps(version: str, backend: str) -> tuple[Step, ...]:
    """What a file needs that Keras `version` wrote on `backend` ("" if unknown), in order.

    >>> standard_deviation in steps("1.0.5", "tensorflow"), standard_deviation in steps("1.2.2", "")
    (True, False)
    """
    release = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
    # Only since 1.0.5 an architecture says what wrote it.
    deviation = release < (1, 0, 6) or (release < (1, 0, 7) and backend == "theano")
    usual = "th" if release < (1, 1) else "tf"
    borders = functools.partial(theano_borders, volumes=release >= (1, 1, 2))
    return (
        branches,
        functools.partial(dim_orderings, usual=usual),
        merge_modes,
        arrays,
        kernel_size,
        border_widths,
        output_size,
        *((standard_deviation,) if deviation else ()),
        normalization_mode,
        options,
        data_format,
        sparse_input,
        *((flipped, borders, theano_relu) if backend == "theano" else ()),
    )


def begins_with_merge(entry: Entry) -> bool:
    """Whether this is a Sequential with several inputs.

    >>> begins_with_merge({"class_name": "Sequential", "config": []})
    False
    """
    config = entry.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    return entry.get("class_name") == "Sequential" and _merged(layers) is not None
