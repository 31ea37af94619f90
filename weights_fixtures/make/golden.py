"""Record the output of every call of every layer of a genuine model, under npforward's addresses.

Works with the Keras that it is given: Keras 3, or the tf.keras of TensorFlow 2.4 to 2.15.
"""

import numpy as np
import tensorflow as tf

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
    old = hasattr(graph, "_network_nodes")
    # tf.keras calls them `_layers` up to 2.4; `layers` lacks the InputLayer of a Sequential.
    own = getattr(graph, "_self_tracked_trackables", None) or getattr(graph, "_layers", None)
    for layer in own if old else graph.operations:
        nodes = [n for i, n in enumerate(layer._inbound_nodes) if belongs(n, i, layer, graph)]
        for number, node in enumerate(nodes, start=1):
            inputs = node.keras_inputs if hasattr(node, "keras_inputs") else node.input_tensors
            outputs = tf.nest.flatten(node.outputs) if old else keras.tree.flatten(node.outputs)
            if not old and all(tensor.dtype == "bool" for tensor in outputs):
                continue  # a mask on its way
            yield numbered(layer.name, number), layer, list(inputs), outputs


def outputs(keras, model):
    """(address, symbolic tensor) of each output of each call, in the model's own order."""
    for address, _, _, gives in calls(keras, model):
        for number, tensor in enumerate(gives):
            yield address + (f"#{number}" if number else ""), tensor


def array_of(tensor):
    """A tensor as numpy's array; strings as such."""
    array = np.asarray(tensor)
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype.kind == "O" else array


def record(keras, model, inputs, prefix=""):
    """Address -> array for all values of `model` on `inputs` (a list, in the model's own order)."""
    graph, nested = graph_of(model), []
    found = {join(prefix, address): tensor for address, tensor in outputs(keras, model)}
    for address, layer, takes, _ in calls(keras, model):
        if isinstance(layer, keras.Model):
            takes = takes[: len(layer.inputs)]  # Keras 3 counts a mask among them
            nested.append((join(prefix, address), layer, takes))
    wanted = list(found.values()) + [tensor for *_, takes in nested for tensor in takes]
    # A model of its own, so that each value is what the framework computes in one run.
    values = keras.Model(graph.inputs, wanted)(list(inputs), training=False)
    arrays = {address: array_of(values[i]) for i, address in enumerate(found)}
    at = len(found)
    for address, layer, takes in nested:
        # As they are: with the masks that the framework has attached to them.
        arrays.update(record(keras, layer, values[at : at + len(takes)], address))
        at += len(takes)
    return arrays


def check(name, arrays):
    """Refuse a golden from which nothing could be learned: dead, constant, not finite."""
    for address, value in arrays.items():
        if value.dtype.kind == "U":
            continue
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: {address} is not finite")
        if value.size > 4 and not 1e-3 < value.std() < 1e3:
            raise ValueError(f"{name}: {address} has standard deviation {value.std():.3g}")
        if (value == 0).mean() > 0.9:
            raise ValueError(f"{name}: {address} is {(value == 0).mean():.0%} zeros")


def save(path, feeds, arrays):
    """Write `inputs/<input name>` and every address."""
    inputs = {f"inputs/{name}": value for name, value in feeds.items()}
    np.savez_compressed(path, **inputs, **arrays)
