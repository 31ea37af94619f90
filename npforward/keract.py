"""Keract's functions with Keract's parameters, keys and defaults, on npforward's models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npforward import addresses
from npforward.errors import BadInput, UnknownName, nearest
from npforward.graph import Graph, Layer, leaves
from npforward.model import Model
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
    if output_format not in ("simple", "full", "numbered"):
        raise BadInput(f"output_format={output_format!r}, expected 'simple', 'full' or 'numbered'")
    if nodes_to_evaluate is not None:
        if layer_names is not None:
            raise BadInput("give layer_names or nodes_to_evaluate, not both")
        return _nodes(model, x, list(nodes_to_evaluate))
    keys = OrderedDict(_keys(model.graph, "", nested))
    if layer_names is not None:
        wanted = [layer_names] if isinstance(layer_names, str) else list(layer_names)
        for name in wanted:
            if name not in keys.values() and name not in keys:
                known = ", ".join(dict.fromkeys(keys.values()))
                raise UnknownName(
                    f"no layer {name!r}. {nearest(name, keys.values())} Layers are: {known}"
                )
        keys = OrderedDict((a, k) for a, k in keys.items() if k in wanted or a in wanted)
    values: dict[str, list[np.ndarray]] = {}
    trace = model.trace(x, layers=_with_outputs(keys))
    for address, array in trace.items():
        values.setdefault(addresses.layer_part(address), []).append(np.array(array))
    found: OrderedDict[str | int, Any] = OrderedDict()
    for n, (address, name) in enumerate(_inputs_first(model, keys)):
        arrays = values[address]
        key: str | int = name
        if output_format == "numbered":
            key = n
        elif output_format == "full":
            key = f"{address}{_tensor(trace.layers[address])}"
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


def _inputs_first(model: Model, keys: OrderedDict[str, str]) -> list[tuple[str, str]]:
    inputs = [a for a in leaves(model.graph.inputs) if a in keys]
    return [(a, keys[a]) for a in [*inputs, *(a for a in keys if a not in inputs)]]


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
        One map for each layer: the mean of its channels.

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
            yield from plots.overlays(value, picture, name, look, merge=merge_filters)

    _display(activations, figures, save, Path(directory), (12, 12))


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
