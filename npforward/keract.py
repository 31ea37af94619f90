"""Keract's functions with Keract's parameters, keys and defaults, on npforward's models."""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from npforward import addresses, losses
from npforward.dtypes import differentiable, floating, known
from npforward.errors import (
    BadFile,
    BadInput,
    MissingFile,
    NotDifferentiable,
    UnknownName,
    nearest,
)
from npforward.formats import guarded_json
from npforward.graph import Graph, Layer, leaves
from npforward.limits import Limits
from npforward.model import Model
from npforward.weights import parameters
from npforward.writing import file_name, whole_file

# How TensorFlow called the last operation of a layer: the second half of Keract's "full" keys.
TENSORFLOW_OPS = {
    "BatchNormalization": "FusedBatchNormV3",
    "Flatten": "Reshape",
    "Reshape": "Reshape",
    "Permute": "transpose",
    "Concatenate": "concat",
    "Add": "add",
    "Subtract": "sub",
    "Multiply": "mul",
    "Average": "truediv",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
    "LeakyReLU": "LeakyRelu",
    "ReLU": "Relu",
    "ELU": "Elu",
    "Softmax": "Softmax",
    "UpSampling2D": "resize/ResizeNearestNeighbor",
}
TENSORFLOW_OPS |= {f"MaxPooling{n}D": "MaxPool" for n in (2, 3)} | {"MaxPooling1D": "Squeeze"}
TENSORFLOW_OPS |= {f"AveragePooling{n}D": "AvgPool" for n in (2, 3)}
TENSORFLOW_OPS |= {f"GlobalMaxPooling{n}D": "Max" for n in (1, 2, 3)}
TENSORFLOW_OPS |= {f"GlobalAveragePooling{n}D": "Mean" for n in (1, 2, 3)}
TENSORFLOW_OPS |= {f"ZeroPadding{n}D": "Pad" for n in (1, 2, 3)}
TENSORFLOW_OPS |= dict.fromkeys(("Dropout", "Identity", "GaussianNoise"), "Identity")
ACTIVATION_OPS = {"exponential": "Exp", "relu6": "Relu6", "softplus": "Softplus"}


def get_activations(
    model: Model,
    x: Any,
    layer_names: str | Iterable[str] | None = None,
    nodes_to_evaluate: Iterable[str] | None = None,
    output_format: str = "simple",
    nested: bool = False,
    auto_compile: bool = True,
) -> OrderedDict[str | int, Any]:
    """The output of every layer for an input: `keract.get_activations`, without a framework.

    Parameters
    ----------
    model
        From `load_model`.
    x
        One array; a list, tuple or dict for several inputs.
    layer_names
        Only this layer, or these.
    nodes_to_evaluate
        Instead: names of layers, addresses of inner values, or of weights (``"fc1/kernel:0"``).
    output_format
        Keys: ``"simple"`` layer names; ``"full"`` names of TensorFlow's tensors
        (``"fc1/BiasAdd:0"``); ``"numbered"`` 0, 1, 2, ...
    nested
        Go into nested models; keys are joined by ``/``.
    auto_compile
        Taken for compatibility: nothing needs compiling here.

    Returns
    -------
    OrderedDict
        Key -> array, inputs first; a layer with several outputs gives a list of arrays.  The
        arrays are yours: writing to one changes no other.

    Raises
    ------
    UnknownName
        (A KeyError) there is no such layer.
    BadInput
        (A ValueError) `layer_names` together with `nodes_to_evaluate`, or an unknown format.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> list(get_activations(model, np.zeros((1, 13)), layer_names="dense1"))
    ['dense1']
    """
    _check_format(output_format)
    if nodes_to_evaluate is not None:
        if layer_names is not None:
            raise BadInput("give layer_names or nodes_to_evaluate, not both")
        return _nodes(model, x, list(nodes_to_evaluate))
    keys = _chosen(model, layer_names, nested)
    trace = model.trace(x, layers=_with_outputs(keys))
    return _keyed(keys, trace, trace.layers, output_format)


def _check_format(output_format: str) -> None:
    if output_format not in ("simple", "full", "numbered"):
        raise BadInput(f"output_format={output_format!r}, expected 'simple', 'full' or 'numbered'")


def _chosen(
    model: Model, layer_names: str | Iterable[str] | None, nested: bool
) -> OrderedDict[str, str]:
    """Keract's simple key of each layer that was asked for, by address; inputs first."""
    keys = OrderedDict(_keys(model.graph, "", nested))
    inputs = [a for a in leaves(model.graph.inputs) if a in keys]
    keys = OrderedDict((a, keys[a]) for a in [*inputs, *(a for a in keys if a not in inputs)])
    if layer_names is None:
        return keys
    wanted = [layer_names] if isinstance(layer_names, str) else list(layer_names)
    wanted = [name if name in keys else model.graph.aliases.get(name, name) for name in wanted]
    for name in wanted:
        if name not in keys.values() and name not in keys:
            layers = ", ".join(dict.fromkeys(keys.values()))
            raise UnknownName(
                f"no layer {name!r}. {nearest(name, keys.values())} Layers are: {layers}"
            )
    return OrderedDict((a, k) for a, k in keys.items() if k in wanted or a in wanted)


def _keyed(
    keys: Mapping[str, str],
    values: Mapping[str, np.ndarray],
    layers: Mapping[str, Any],
    output_format: str,
) -> OrderedDict[str | int, Any]:
    """What each layer gave under its key, in arrays of the caller's own."""
    given: dict[str, list[np.ndarray]] = {}
    for address, array in values.items():
        given.setdefault(addresses.layer_part(address), []).append(np.array(array))
    found: OrderedDict[str | int, Any] = OrderedDict()
    for address, name in keys.items():
        if address not in given:
            continue
        key: str | int = name
        if output_format == "numbered":
            key = len(found)
        elif output_format == "full":
            key = f"{address}{_tensor(layers[address])}"
        arrays = given[address]
        found[key] = arrays[0] if len(arrays) == 1 else arrays
    return found


def _keys(graph: Graph, at: str, nested: bool) -> Iterator[tuple[str, str]]:
    """(address, Keract's simple key) of every layer, in execution order."""
    for node in graph.nodes:
        address = addresses.join(at, node.address)
        if isinstance(node.layer, Graph) and nested:
            yield from _keys(node.layer, address, nested)
        elif not (at and node.layer.type == "InputLayer"):
            part = addresses.unescape(node.address)
            yield address, addresses.join(addresses.unescape(at), part)


def _with_outputs(keys: Iterable[str]) -> Any:
    """A selection of these addresses with all their outputs."""
    keys = set(keys)
    return lambda layer: addresses.layer_part(layer.address) in keys


def _tensor(layer: Layer | Graph) -> str:
    """What follows the layer's name in the name of its output tensor."""
    if isinstance(layer, Graph):
        last = next(leaves(layer.outputs)).node
        inner = next(n.layer for n in layer.nodes if n.address == last)
        return f"/{last}{_tensor(inner)}"
    if layer.type == "InputLayer":
        return ":0"
    activation = layer.config.get("activation")
    if isinstance(activation, str) and activation != "linear":
        return f"/{ACTIVATION_OPS.get(activation, activation.capitalize())}:0"
    if layer.type in TENSORFLOW_OPS:
        return f"/{TENSORFLOW_OPS[layer.type]}:0"
    return "/BiasAdd:0" if layer.config.get("use_bias", False) else f"/{layer.type}:0"


def _nodes(model: Model, x: Any, names: list[str]) -> OrderedDict[str | int, Any]:
    """Values and weights by name."""
    if not names:
        raise BadInput("nodes_to_evaluate is empty")
    weights = {f"{address}:0": address for address in model.weights}
    of_run = [n for n in names if n not in weights and n not in model.weights]
    trace = model.trace(x, layers=of_run) if of_run else {}
    return OrderedDict(
        (name, np.array(trace[name] if name in of_run else model.weights[weights.get(name, name)]))
        for name in names
    )


# Gradients -------------------------------------------------------------------------------------


def get_gradients_of_activations(
    model: Model,
    x: Any,
    y: Any,
    layer_names: str | Iterable[str] | None = None,
    output_format: str = "simple",
    nested: bool = False,
    loss: Any = None,
) -> OrderedDict[str | int, Any]:
    """The gradient of the loss for every layer's output: `keract.get_gradients_of_activations`.

    A layer on which the loss does not depend has zeros.  One without a gradient, as it gives whole
    numbers or comes before something that has no derivative, is left out.

    Parameters
    ----------
    model, x
        As for `get_activations`.
    y
        The targets, as Keras's `fit` takes them: an array, or a list or dict for several outputs.
    layer_names
        Only this layer, or these; one of them that has no gradient is an error.
    output_format, nested
        As for `get_activations`.
    loss
        By default the one that the file says the model was compiled with.  Otherwise what
        `Model.gradients` takes: a name ("mse"), a function of (y_true, y_pred) made of operators
        and `npforward.ops`, or a list or dict of these for several outputs.

    Returns
    -------
    OrderedDict
        The keys of `get_activations` without the inputs -> array of the shape of the output.

    Raises
    ------
    UnknownName
        (A KeyError) there is no such layer or loss.
    BadInput
        (A ValueError) the file does not say a loss and none is given, `y` does not fit, or a named
        layer is an input or not on the path.
    NotDifferentiable
        A named layer has no gradient.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> x, y = np.zeros((2, 32, 32, 1)), np.array([3, 7])
    >>> get_gradients_of_activations(model, x, y, layer_names="digit")["digit"].shape
    (2, 10)
    """
    _check_format(output_format)
    keys = _chosen(model, layer_names, nested)
    inputs = [a for a in leaves(model.graph.inputs) if a in keys]
    if layer_names is not None and inputs:
        raise BadInput(
            f"{keys[inputs[0]]!r} is an input: its gradient is in Model.gradients(x, of=..., "
            "y=...).inputs"
        )
    keys = OrderedDict((a, k) for a, k in keys.items() if a not in inputs)
    # An output always has a gradient: so each layer that has none can say why.
    chosen = _with_outputs([*keys, *map(addresses.layer_part, model.outputs)])
    found = model.gradients(x, of=_loss(model, loss), y=y, layers=chosen).activations
    recording, reached = model.recording(x), set(map(addresses.layer_part, found))
    values = {}
    for address, value in recording.values.items():
        part = addresses.layer_part(address)
        if part in keys:
            needed = layer_names is not None and part not in reached
            gradient = _or_zeros(found, address, value, needed)
            if gradient is not None:
                values[address] = gradient
    return _keyed(keys, values, {a: recording.layer_of(a) for a in values}, output_format)


def get_gradients_of_trainable_weights(
    model: Model, x: Any, y: Any, loss: Any = None
) -> OrderedDict[str, np.ndarray]:
    """The gradient of the loss for every weight: `keract.get_gradients_of_trainable_weights`.

    A weight on which the loss does not depend has zeros; one that reaches it only through
    something without a derivative is left out, and so are frozen ones.

    Parameters
    ----------
    model, x, y, loss
        As for `get_gradients_of_activations`.

    Returns
    -------
    OrderedDict
        Name of the variable (``"fc1/kernel:0"``, ``"lstm/lstm_cell/bias:0"``) -> array of its
        shape, in the order of `model.trainable_weights` in Keras.

    Raises
    ------
    UnknownName, BadInput
        As for `get_gradients_of_activations`.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> x, y = np.zeros((2, 13)), np.zeros(model.predict(np.zeros((2, 13))).shape)
    >>> list(get_gradients_of_trainable_weights(model, x, y, loss="mse"))[:2]
    ['dense1/kernel:0', 'dense1/bias:0']
    """
    outputs = _with_outputs(map(addresses.layer_part, model.outputs))
    found = model.gradients(x, of=_loss(model, loss), y=y, layers=outputs).weights
    weights = parameters(model.graph, model._bounds)
    trained = [p for p in weights if p.trainable and differentiable(p.stored.dtype)]
    paths = Counter(p.path for p in trained)
    gradients: OrderedDict[str, np.ndarray] = OrderedDict()
    for p in trained:
        gradient = _or_zeros(found, p.address, p.stored, False)
        if gradient is not None:
            name = p.path if paths[p.path] == 1 else p.address
            gradients[f"{name}:0"] = np.array(gradient)
    return gradients


def _loss(model: Model, given: Any) -> Any:
    """The loss to use: the given one, or the one in the file, which must be one of Keras's."""
    if given is not None:
        return given
    said = model.loss
    if said is None:
        raise BadInput(
            f"{model.graph.source or 'the model'}: it does not say what loss the model was "
            "compiled with: give loss='mse', another name of a loss, or a function"
        )
    many = isinstance(said, list) or (isinstance(said, dict) and "class_name" not in said)
    each = said if isinstance(said, list) else said.values() if many else [said]
    for one in each:
        try:
            if one is not None:
                losses.parse(one)
        except (BadInput, UnknownName) as error:
            raise type(error)(
                f"{model.graph.source}: it was compiled with a loss that cannot be taken from a "
                f"file: {error}. Give loss=..., a name or a function of (y_true, y_pred)"
            ) from error
    return said


def _or_zeros(
    gradients: Mapping[str, np.ndarray], name: str, value: Any, needed: bool
) -> np.ndarray | None:
    """A gradient; if it is not needed, zeros off the path and None where there is none."""
    try:
        return gradients[name]
    except NotDifferentiable:
        if needed:
            raise
        return None
    except BadInput:
        if needed:
            raise
        return np.zeros(value.shape, value.dtype)


# Pictures --------------------------------------------------------------------------------------


def display_activations(
    activations: Mapping[Any, Any],
    cmap: Any = None,
    save: bool = False,
    directory: str | Path = ".",
    data_format: str = "channels_last",
    fig_size: tuple[float, float] = (24, 24),
    reshape_1d_layers: bool = False,
) -> None:
    """Show or save every channel of every layer: `keract.display_activations`.

    Of a batch the first sample is drawn, and volumes are drawn as slices; Keract leaves both out.

    Parameters
    ----------
    activations
        From `get_activations`: key -> array, or list of arrays.
    cmap
        A colour map of matplotlib.
    save
        Write ``<index>_<layer>.png`` for each layer instead of showing it; the layer's name
        ends at its first ``/``, as Keract has it, and what file systems refuse is escaped.
    directory
        Where to; it is made if it does not exist.
    data_format
        "channels_last" or "channels_first".
    fig_size
        Width and height that a picture may fill, in units of 100 pixels.
    reshape_1d_layers
        Fold the outputs of dense layers to rectangles.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> display_activations({"conv1/Relu:0": np.ones((1, 4, 4, 2))}, save=True, directory=folder)
    >>> [file.name for file in folder.iterdir()]
    ['0_conv1.png']
    """
    from npforward import plots

    if data_format not in ("channels_last", "channels_first"):
        raise BadInput(f"data_format={data_format!r}, expected 'channels_last' or 'channels_first'")
    look = _look(save, cmap, reshape_1d_layers)

    def figures(name: str, value: np.ndarray) -> Iterator[Any]:
        axis = 1 if data_format == "channels_first" and value.ndim > 2 else -1
        plots.check_sample(name, value, 0)
        yield from plots.draw(value, name, "", look, channel_axis=axis)

    _display(activations, figures, save, Path(directory), fig_size)


def display_heatmaps(
    activations: Mapping[Any, Any],
    input_image: np.ndarray,
    directory: str | Path = ".",
    save: bool = False,
    fix: bool = True,
    merge_filters: bool = False,
) -> None:
    """Show or save every channel laid over the input picture: `keract.display_heatmaps`.

    Neither the picture nor the activations are changed.  Layers without positions (dense ones)
    are left out, as Keract does.

    Parameters
    ----------
    activations
        From `get_activations`, channels last.
    input_image
        Of any dtype: values from 0 to 255 or from 0 to 1, others are stretched to be seen.
    directory, save
        As for `display_activations`.
    fix
        Accept a picture with a batch axis.
    merge_filters
        One map for each layer: the mean of its channels, each stretched to 0 to 1 before, so that
        all count alike.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> maps = {"conv1": np.ones((1, 4, 4, 2))}
    >>> display_heatmaps(maps, np.zeros((8, 8, 3), "uint8"), folder, save=True)
    >>> [file.name for file in folder.iterdir()]
    ['0_conv1.png']
    """
    from npforward import plots

    picture = np.asarray(input_image)
    if fix and picture.ndim == 4 and len(picture):
        picture = picture[0]
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[-1] not in (1, 3, 4)):
        raise BadInput(
            f"input_image has shape {np.shape(input_image)}, expected (height, width) or "
            "(height, width, 1, 3 or 4)"
        )
    look = _look(save, None, False)

    def figures(name: str, value: np.ndarray) -> Iterator[Any]:
        if value.ndim > 2 and value.size:
            value = _stretched(value) if merge_filters else value
            yield from plots.overlays(value, picture, name, look, merge=merge_filters)

    _display(activations, figures, save, Path(directory), (12, 12))


def _stretched(value: np.ndarray) -> np.ndarray:
    """Each channel of each sample from 0 to 1; a constant one is 0.  (N, ..., C) float64

    Examples
    --------
    >>> _stretched(np.array([[[3.0, 7.0], [5.0, 7.0], [4.0, 7.0]]]))[0].T
    array([[0. , 1. , 0.5],
           [0. , 0. , 0. ]])
    """
    x = value.astype("float64")
    finite, axes = np.isfinite(x), tuple(range(1, x.ndim - 1))
    low = np.where(finite, x, np.inf).min(axis=axes, keepdims=True)
    high = np.where(finite, x, -np.inf).max(axis=axes, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        width = high - low
        return (x - low) / np.where(width > 0, width, 1)


def display_gradients_of_trainable_weights(
    gradients: Mapping[Any, Any], directory: str | Path = ".", save: bool = False
) -> None:
    """Show or save gradients of 2D kernels: `keract.display_gradients_of_trainable_weights`.

    A row for each filter, a column for each input channel, zero in mid-grey; all tiles share one
    scale.  Other gradients are left out, as Keract does.

    Parameters
    ----------
    gradients
        From `get_gradients_of_trainable_weights`: key -> array; drawn are those of shape
        (height, width, channels in, channels out).
    directory, save
        As for `display_activations`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> gradients = {"conv1/kernel:0": np.ones((3, 3, 1, 2)), "conv1/bias:0": np.ones(2)}
    >>> display_gradients_of_trainable_weights(gradients, folder, save=True)
    >>> [file.name for file in folder.iterdir()]
    ['0_conv1.png']
    """
    from npforward import plots

    look = replace(_look(save, None, False), normalize=None)

    def figures(name: str, value: np.ndarray) -> Iterator[Any]:
        if value.ndim == 4 and value.size:
            heading = plots.Heading(name, "gradient")
            yield from plots.kernel_pages(heading, look, value, colour=False)

    _display(gradients, figures, save, Path(directory), (12, 12))


def _look(save: bool, cmap: Any, fold: bool) -> Any:
    from npforward import plots

    if save:
        return plots.Look("channel", cmap, fold=fold)
    from matplotlib import pyplot

    return plots.Look("channel", cmap, fold=fold, new_figure=pyplot.figure)


def _display(
    activations: Mapping[Any, Any],
    figures: Callable[[str, np.ndarray], Iterator[Any]],
    save: bool,
    directory: Path,
    fig_size: tuple[float, float],
) -> None:
    """Save or show the figures of each array, numbered as Keract does."""
    index = 0
    for key, value in activations.items():
        for array in value if isinstance(value, list) else [value]:
            page = 0
            for page, figure in enumerate(figures(str(key), np.asarray(array)), 1):
                width, height = figure.get_size_inches()
                dpi = 100 * min(fig_size[0] / width, fig_size[1] / height)
                if save:
                    suffix = ".png" if page == 1 else f"_page{page}.png"
                    name = file_name(f"{index}_{str(key).split('/')[0]}", suffix)
                    with whole_file(directory / name) as temporary:
                        figure.savefig(temporary, format="png", dpi=dpi)
                else:
                    from matplotlib import pyplot

                    pyplot.show()
                    pyplot.close(figure)
            index += page > 0


# Files -----------------------------------------------------------------------------------------

# The entry that says what JSON cannot: no key can be this, as names are joined by one "/".
ARRAYS = "//arrays"


def persist_to_json_file(activations: Mapping[Any, Any], filename: str | Path) -> None:
    """Write activations or gradients to a JSON file: `keract.persist_to_json_file`.

    Each array is nested lists under its key, as Keract writes it, one a line; of several outputs
    the further ones are under ``lstm#1``, ``lstm#2``.  A last entry keeps what such lists lose:
    dtypes, shapes, and which arrays belong together.  Infinity is the number ``1e999`` and NaN is
    ``null``, as standard JSON has neither.  Keract reads such a file too, with that one entry more.

    Parameters
    ----------
    activations
        From `get_activations` or a function like it: key -> array, or list of arrays.
    filename
        Where to; the file appears whole or not at all.

    Raises
    ------
    BadInput
        A value is no array of numbers or text, or two keys would be the same in JSON.
    CannotWrite
        The file cannot be written there.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "activations.json")
    >>> persist_to_json_file({"fc1": np.array([[0.5, np.inf]], "float32")}, file)
    >>> print(file.read_text().splitlines()[1])
    "fc1": [[0.5, 1e999]],
    """
    lines: dict[str, str] = {}
    about: list[dict[str, Any]] = []
    for key, value in activations.items():
        many = isinstance(value, (list, tuple))
        for number, given in enumerate(value if many else [value]):
            array, dtype = _writable(key, given)
            name = f"{key}#{number}" if number else str(key)
            if name in lines or name == ARRAYS:
                raise BadInput(f"activations: there would be two entries called {name!r} in JSON")
            lines[name] = f"{json.dumps(name)}: {_json(array)}"
            about.append({"key": key if isinstance(key, int) else str(key),
                          "output": number if many else None,
                          "dtype": dtype, "shape": array.shape})  # fmt: skip
    lines[ARRAYS] = f"{json.dumps(ARRAYS)}: {json.dumps(about)}"
    with whole_file(filename) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines.values()) + "\n}\n", encoding="utf-8")


def _writable(key: Any, value: Any) -> tuple[np.ndarray, str]:
    """An array that JSON has words for, and the name of the dtype that it had."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BadInput(f"activations: {key!r} is no array: {error}") from None
    if array.dtype.kind == "U":
        return array, "str"
    if array.dtype.kind not in "biuf" and not floating(array.dtype):
        raise BadInput(f"activations: {key!r} holds {array.dtype}, expected numbers or text")
    wide = array.astype("float32") if array.dtype.kind == "V" else array  # bfloat16
    return wide, array.dtype.name


def _json(array: np.ndarray) -> str:
    """Nested lists in standard JSON."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        special = {"NaN": "null", "Infinity": "1e999", "-Infinity": "-1e999"}
        text = json.dumps(array.tolist())
        return re.sub("NaN|-?Infinity", lambda found: special[found[0]], text)
    return json.dumps(array.tolist())


def load_activations_from_json_file(filename: str | Path) -> OrderedDict[str | int, Any]:
    """Read what `persist_to_json_file` wrote: `keract.load_activations_from_json_file`.

    Parameters
    ----------
    filename
        A file of npforward's or of Keract's.

    Returns
    -------
    OrderedDict
        What was written: arrays of the same dtypes and shapes, lists of arrays, numbers as keys.
        From a file of Keract's, which does not say them, arrays of float64 (or int64 where it has
        only whole numbers), as Keract gives them.

    Raises
    ------
    MissingFile
        There is no such file.
    BadFile
        It is damaged, or something else.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "activations.json")
    >>> persist_to_json_file({"fc1": np.array([[0.5, np.nan]], "float32")}, file)
    >>> load_activations_from_json_file(file)["fc1"]
    array([[0.5, nan]], dtype=float32)
    """
    path = Path(filename)
    if not path.is_file():
        raise MissingFile(f"{path}: no such file (looked in {Path.cwd()}).")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MissingFile(f"{path}: cannot be opened ({error.strerror}).") from error
    limits = Limits()
    limits = replace(limits, config_bytes=limits.file_bytes)  # it holds values, not a config
    said = guarded_json.loads(text, str(path), limits, writer="Keract or npforward")
    if not isinstance(said, dict):
        raise BadFile(f"{path}: a {type(said).__name__}, expected an object of arrays by name.")
    about = said.pop(ARRAYS, None)
    if about is None:
        return OrderedDict((key, _array(value, f"{path}: {key!r}")) for key, value in said.items())
    if not isinstance(about, list) or len(about) != len(said):
        raise BadFile(
            f"{path}: {ARRAYS!r} does not describe its {len(said)} arrays. It is damaged."
        )
    found: OrderedDict[str | int, Any] = OrderedDict()
    for (name, value), kind in zip(said.items(), about, strict=True):
        where = f"{path}: {name!r}"
        match kind:
            case {"key": str() | int() as key, "output": None | int() as output,
                  "dtype": str() as dtype, "shape": list() as shape}:  # fmt: skip
                array = _array(value, where, dtype, shape)
            case _:
                raise BadFile(f"{where} is described by {kind!r:.80}. The file is damaged.")
        group = found.setdefault(key, array if output is None else [])
        if output is not None and isinstance(group, list) and len(group) == output:
            group.append(array)
        elif group is not array:
            raise BadFile(f"{where}: {key!r} has it twice, or out of order. The file is damaged.")
    return found


def _array(value: Any, where: str, dtype: str | None = None, shape: Any = None) -> np.ndarray:
    """Nested lists as an array: of what was said of it, or of what suits."""
    try:
        if dtype is None:
            array = np.array(value)
            return array.astype("float64") if array.dtype.kind == "O" else array
        if known(dtype).kind not in "biufU" and not floating(dtype):
            raise TypeError("no dtype of numbers or text")
        with np.errstate(over="ignore"):
            return np.array(value, known(dtype)).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadFile(
            f"{where} is no array{f' of {dtype}' if dtype else ''}: {error}. The file is damaged, "
            "or something else."
        ) from error
