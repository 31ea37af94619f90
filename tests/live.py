"""Genuine Keras beside npforward: its values by our addresses, random weights, the comparison."""

from __future__ import annotations

import os

import numpy as np

import npforward as npf
from npforward.verify import difference

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# TensorFlow takes oneDNN by itself on some CPUs only, and without it refuses channels_first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def values(model, inputs, eager=False):
    """Every value of the top level of a Keras model, by npforward's address."""
    import keras

    tensors = {}
    for layer in model.layers:
        for call, node in enumerate(layer._inbound_nodes[_first(layer, model) :], start=1):
            for i, tensor in enumerate(node.output_tensors):
                name = npf.addresses.numbered(layer.name, call)
                tensors[f"{name}#{i}" if i else name] = tensor
    asked = keras.Model(model.inputs, tensors)
    found = asked(inputs, training=False) if eager else asked.predict(inputs, verbose=0)
    return {address: array_of(value) for address, value in found.items()}


def array_of(tensor):
    """A tensor as numpy's array: strings as such, and rows of any length filled up."""
    tensor = tensor.to_tensor() if hasattr(tensor, "to_tensor") else tensor
    array = np.asarray(tensor)
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype.kind == "O" else array


def _first(layer, model):
    """A nested model has a node of its own before its first call."""
    import keras

    return 1 if isinstance(layer, keras.Model) else 0


def randomised(model, seed):
    """Weights that keep signals alive, and statistics that are not trivial."""
    import keras

    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape, name = variable.shape, variable.path.rsplit("/", 1)[-1]
        if name in ("moving_variance", "variance", "gamma"):
            value = rng.uniform(0.5, 1.5, shape)
        elif "kernel" in name:
            fan_in = np.prod(shape[:-1]) if "depthwise" not in variable.path else np.prod(shape[:2])
            value = rng.normal(0, np.sqrt(2 / fan_in), shape)
        elif keras.backend.is_float_dtype(variable.dtype):
            value = rng.normal(0, 0.1, shape)
        else:
            continue
        variable.assign(value)
    return model


def compare(want, path, inputs):
    """Hold what npforward computes from the file against Keras's values."""
    opened = npf.load_model(path)
    trace = opened.trace(inputs)
    missing = set(want) - set(trace)
    assert not missing, missing
    truth = None
    for address in trace:
        if address not in want:
            continue
        found = difference(trace[address], want[address])
        if found.within:
            continue
        assert found.ratio < np.inf, (address, found)
        # Deep networks amplify rounding: there ours may be as large as Keras's own.
        truth = truth or opened.astype("float64").trace(inputs)
        ours, theirs = (
            np.max(np.abs(a[address].astype("float64") - truth[address])) for a in (trace, want)
        )
        assert ours <= 2.5 * theirs, (address, found, ours, theirs)
