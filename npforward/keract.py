"""Keract's functions with Keract's parameters, keys and defaults, on npforward's models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from npforward import addresses
from npforward.errors import BadInput, UnknownName, nearest
from npforward.graph import Graph, Layer, leaves
from npforward.model import Model

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
TENSORFLOW_OPS |= {name: "Identity" for name in ("Dropout", "Identity", "GaussianNoise")}
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
    >>> list(get_activations(model, np.zeros((1, 12)), layer_names="hidden_1"))
    ['hidden_1']
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
    for address, array in model.trace(x, layers=_with_outputs(keys)).items():
        values.setdefault(addresses.layer_part(address), []).append(np.array(array))
    found: OrderedDict[str | int, Any] = OrderedDict()
    for n, (address, name) in enumerate(_inputs_first(model, keys)):
        arrays = values[address]
        key: str | int = name
        if output_format == "numbered":
            key = n
        elif output_format == "full":
            key = f"{address}{_tensor(_layer(model, address))}"
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


def _layer(model: Model, address: str) -> Layer | Graph:
    graph: Any = model.graph
    for part in address.split("/"):
        graph = next(n.layer for n in graph.nodes if n.address == part)
    return graph


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
