"""Record the output of every call of every layer of a genuine model, under npforward's addresses.

Works with the Keras that it is given: Keras 3, or the tf.keras of TensorFlow 2.15.
"""

import numpy as np

from npforward.addresses import join, numbered


def graph_of(model):
    """The Functional model that a Sequential one keeps inside (Keras 3), or the model itself."""
    return getattr(model, "_functional", None) or model


def belongs(node, index, layer, graph):
    """Whether call number `index` of `layer` is one of this graph's: a layer may be in several."""
    if hasattr(graph, "_network_nodes"):  # tf.keras
        return f"{layer.name}_ib-{index}" in graph._network_nodes
    return f"{id(layer)}_ib-{index}" in graph._nodes


def calls(keras, model):
    """(address within the model, layer, input tensors, output tensors) of each call, symbolic."""
    graph = graph_of(model)
    layers = graph._self_tracked_trackables if hasattr(graph, "_network_nodes") else graph.layers
    for layer in layers:
        nodes = [n for i, n in enumerate(layer._inbound_nodes) if belongs(n, i, layer, graph)]
        for number, node in enumerate(nodes, start=1):
            inputs = node.keras_inputs if hasattr(node, "keras_inputs") else node.input_tensors
            outputs = keras.tree.flatten(node.outputs) if hasattr(keras, "tree") else node.outputs
            yield numbered(layer.name, number), layer, list(inputs), outputs


def record(keras, model, inputs, prefix=""):
    """Address -> array for all values of `model` on `inputs` (a list, in the model's own order)."""
    graph, found, nested = graph_of(model), {}, []
    for address, layer, takes, gives in calls(keras, model):
        gives = list(gives) if isinstance(gives, (list, tuple)) else [gives]
        for number, tensor in enumerate(gives):
            found[join(prefix, address) + (f"#{number}" if number else "")] = tensor
        if isinstance(layer, keras.Model):
            nested.append((join(prefix, address), layer, takes))
    wanted = list(found.values()) + [tensor for *_, takes in nested for tensor in takes]
    # A model of its own, so that each value is what the framework computes in one run.
    values = keras.Model(graph.inputs, wanted)(list(inputs), training=False)
    values = [np.asarray(value) for value in values]
    arrays = dict(zip(found, values[: len(found)], strict=True))
    at = len(found)
    for address, layer, takes in nested:
        arrays |= record(keras, layer, values[at : at + len(takes)], address)
        at += len(takes)
    return arrays


def check(name, arrays):
    """Refuse a golden from which nothing could be learned: dead, constant, not finite."""
    for address, value in arrays.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: {address} is not finite")
        if value.size > 4 and not 1e-3 < value.std() < 1e3:
            raise ValueError(f"{name}: {address} has standard deviation {value.std():.3g}")
        if (value == 0).mean() > 0.9:
            raise ValueError(f"{name}: {address} is {(value == 0).mean():.0%} zeros")


def save(path, feeds, arrays):
    """Write `inputs/<input name>` and every address."""
    arrays = {f"inputs/{name}": value for name, value in feeds.items()} | arrays
    np.savez_compressed(path, **arrays)
