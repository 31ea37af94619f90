"""A Keras model as ONNX with every layer's output in Keras's layout.

Not through tf2onnx: that unrolls what Keras made of an LSTM or of attention, while this writes the
operators which runtimes are fast at (LSTM, LayerNormalization, Gelu).
Convolutions run in ONNX's layout (N, C, H, W); a Transpose after each gives (N, H, W, C), and
runtimes may fuse it with what is before it.  The batch is the symbol ``batch``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.models import computed

OPSET = 20
TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Writer:
    """Nodes and weights as they are written; a value is called as the Keras tensor it is."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.layouts: dict[str, str] = {}  # a name, in one layout -> its name in the other

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """The name of a new constant."""
        name = f"constant_{len(self.weights)}"
        array = np.ascontiguousarray(value, dtype)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The name of a new node's first output."""
        return self.several(op, *inputs, outputs=1, **attributes)[0]

    def several(self, op: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """The names of all outputs of a new node."""
        names = [f"value_{len(self.nodes)}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def first(self, x: str) -> str:
        """A value (N, H, W, C) as (N, C, H, W), made once."""
        if x not in self.layouts:
            self.layouts[x] = self.add("Transpose", x, perm=TO_FIRST)
        return self.layouts[x]

    def last(self, x: str) -> str:
        """The value (N, H, W, C) of one that was computed as (N, C, H, W)."""
        y = self.add("Transpose", x, perm=TO_LAST)
        self.layouts[y] = x
        return y


def exported(model: Any, every: bool) -> onnx.ModelProto:
    """A Keras model with one input, as ONNX.

    Parameters
    ----------
    model
        A Sequential or functional model of the layers in `LAYERS`.
    every
        Whether each layer's output is one of the graph, or the final output alone is.
    """
    writer = Writer()
    (x,) = model.inputs
    names = {id(x): "input"}
    outputs = []
    for layer in computed(model):
        given = [names[id(tensor)] for tensor in layer._inbound_nodes[0].input_tensors]
        y = LAYERS[type(layer).__name__](writer, layer, *given)
        names[id(layer.output)] = y
        outputs.append((layer.name, y, layer.output.shape))
    for name, y, _ in outputs if every else outputs[-1:]:
        writer.nodes.append(helper.make_node("Identity", [y], [name]))
    graph = helper.make_graph(
        needed(writer.nodes, [name for name, _, _ in (outputs if every else outputs[-1:])]),
        "model",
        [described("input", x.shape)],
        [described(name, shape) for name, _, shape in (outputs if every else outputs[-1:])],
        writer.weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(made)
    return made


def described(name: str, shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape[1:]])


def needed(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """The nodes on which any of these outputs hangs."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


# Activations -----------------------------------------------------------------------------------


def activated(w: Writer, x: str, activation: Callable[..., Any], axis: int = -1) -> str:
    match activation.__name__:
        case "linear":
            return x
        case "silu":
            return w.add("Mul", x, w.add("Sigmoid", x))
        case "softmax":
            return w.add("Softmax", x, axis=axis)
        case "relu" | "sigmoid" | "tanh" | "gelu" as name:
            return w.add(name.capitalize(), x)
        case name:
            raise NotImplementedError(f"the activation {name!r} as ONNX")


def elementwise(
    w: Writer, layer: Any, function: Callable[..., str], *inputs: str, **options: Any
) -> str:
    """What a function makes of inputs in whichever layout is at hand."""
    if len(layer.output.shape) == 4:
        return w.last(function(w, *map(w.first, inputs), **options))
    return function(w, *inputs, **options)


def activation(w: Writer, layer: Any, x: str) -> str:
    axis = 1 if len(layer.output.shape) == 4 else -1
    return elementwise(w, layer, activated, x, activation=layer.activation, axis=axis)


def relu(w: Writer, layer: Any, x: str) -> str:
    if layer.negative_slope or layer.threshold:
        raise NotImplementedError("a ReLU with a slope or a threshold as ONNX")
    if layer.max_value is None:
        return elementwise(w, layer, lambda w, x: w.add("Relu", x), x)
    bounds = w.constant(0), w.constant(layer.max_value)
    return elementwise(w, layer, lambda w, x: w.add("Clip", x, *bounds), x)


# Convolutional ---------------------------------------------------------------------------------


def window(layer: Any, size: Any) -> dict[str, Any]:
    """Attributes of what moves a window of this size over its input; padding as TensorFlow's."""
    steps = layer.strides
    pads = np.zeros((2, len(size)), int)
    if layer.padding == "same":
        for axis, (n, k, step) in enumerate(zip(layer.input.shape[1:3], size, steps, strict=True)):
            both = max((-(-n // step) - 1) * step + k - n, 0)
            pads[:, axis] = both // 2, both - both // 2
    return {"kernel_shape": list(size), "strides": list(steps), "pads": pads.ravel().tolist()}


def convolution(w: Writer, layer: Any, x: str) -> str:
    kernel = np.asarray(layer.kernel)
    groups = 1
    if type(layer).__name__ == "DepthwiseConv2D":
        groups = kernel.shape[2]
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    inputs = [w.first(x), w.constant(kernel.transpose(3, 2, 0, 1))]
    if layer.use_bias:
        inputs.append(w.constant(layer.bias))
    dilations = list(layer.dilation_rate)
    y = w.add(
        "Conv", *inputs, group=groups, dilations=dilations, **window(layer, layer.kernel_size)
    )
    return w.last(activated(w, y, layer.activation, axis=1))


def max_pooling(w: Writer, layer: Any, x: str) -> str:
    return w.last(w.add("MaxPool", w.first(x), **window(layer, layer.pool_size)))


def global_average(w: Writer, layer: Any, x: str) -> str:
    return w.add("Flatten", w.add("GlobalAveragePool", w.first(x)))


def zero_padding(w: Writer, layer: Any, x: str) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = w.constant([0, 0, top, left, 0, 0, bottom, right], "int64")
    return w.last(w.add("Pad", w.first(x), pads))


def batch_normalization(w: Writer, layer: Any, x: str) -> str:
    arrays = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    constants = map(w.constant, arrays)
    return w.last(w.add("BatchNormalization", w.first(x), *constants, epsilon=layer.epsilon))


# Elementwise and shapes ------------------------------------------------------------------------


def folded(op: str) -> Callable[..., str]:
    def fold(w: Writer, *inputs: str) -> str:
        y = inputs[0]
        for x in inputs[1:]:
            y = w.add(op, y, x)
        return y

    return lambda w, layer, *inputs: elementwise(w, layer, fold, *inputs)


def rescaling(w: Writer, layer: Any, x: str) -> str:
    y = w.add("Mul", x, w.constant(layer.scale))
    return w.add("Add", y, w.constant(layer.offset)) if np.any(layer.offset) else y


def normalization(w: Writer, layer: Any, x: str) -> str:
    mean, variance = np.asarray(layer.mean), np.asarray(layer.variance)
    y = w.add("Sub", x, w.constant(mean))
    return w.add("Div", y, w.constant(np.sqrt(variance)))


def identity(w: Writer, layer: Any, x: str) -> str:
    return x


def reshape(w: Writer, layer: Any, x: str) -> str:
    return reshaped(w, x, *layer.output.shape[1:])


def reshaped(w: Writer, x: str, *shape: int) -> str:
    return w.add("Reshape", x, w.constant([0, *shape], "int64"))


# Dense, attention, recurrent -------------------------------------------------------------------


def dense(w: Writer, layer: Any, x: str) -> str:
    kernel, bias = w.constant(layer.kernel), w.constant(layer.bias)
    if len(layer.output.shape) == 2:
        y = w.add("Gemm", x, kernel, bias)
    else:
        y = w.add("Add", w.add("MatMul", x, kernel), bias)
    return activated(w, y, layer.activation)


def layer_normalization(w: Writer, layer: Any, x: str) -> str:
    constants = w.constant(layer.gamma), w.constant(layer.beta)
    return w.add("LayerNormalization", x, *constants, axis=-1, epsilon=layer.epsilon)


def attention(w: Writer, layer: Any, query: str, value: str) -> str:
    heads, size = layer.num_heads, layer.key_dim
    steps, width = layer.output.shape[1:]

    def projected(x: str, dense: Any) -> str:
        kernel = np.asarray(dense.kernel).reshape(width, heads * size)
        y = w.add("MatMul", x, w.constant(kernel))
        y = w.add("Add", y, w.constant(np.ravel(dense.bias)))
        return reshaped(w, y, steps, heads, size)

    q = w.add("Transpose", projected(query, layer.query_dense), perm=(0, 2, 1, 3))
    k = w.add("Transpose", projected(value, layer.key_dense), perm=(0, 2, 3, 1))
    v = w.add("Transpose", projected(value, layer.value_dense), perm=(0, 2, 1, 3))
    scores = w.add("Mul", w.add("MatMul", q, k), w.constant(size**-0.5))
    y = w.add("MatMul", w.add("Softmax", scores, axis=-1), v)
    y = reshaped(w, w.add("Transpose", y, perm=(0, 2, 1, 3)), steps, heads * size)
    kernel = np.asarray(layer.output_dense.kernel).reshape(heads * size, width)
    y = w.add("MatMul", y, w.constant(kernel))
    return w.add("Add", y, w.constant(layer.output_dense.bias))


def lstm(w: Writer, layer: Any, x: str) -> str:
    def gates(array: Any) -> np.ndarray:
        """Input, forget, candidate and output gates in ONNX's order, one direction."""
        i, f, c, o = np.split(np.asarray(array), 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).T[None]

    cell = layer.cell
    bias = np.concatenate([gates(cell.bias), np.zeros((1, 4 * cell.units))], axis=-1)
    arrays = gates(cell.kernel), gates(cell.recurrent_kernel), bias
    x = w.add("Transpose", x, perm=(1, 0, 2))
    every, final = w.several("LSTM", x, *map(w.constant, arrays), outputs=2, hidden_size=cell.units)
    if not layer.return_sequences:
        return w.add("Squeeze", final, w.constant([0], "int64"))
    return w.add("Transpose", w.add("Squeeze", every, w.constant([1], "int64")), perm=(1, 0, 2))


LAYERS: dict[str, Callable[..., str]] = {
    "Activation": activation,
    "Add": folded("Add"),
    "BatchNormalization": batch_normalization,
    "Conv2D": convolution,
    "Dense": dense,
    "DepthwiseConv2D": convolution,
    "Dropout": identity,
    "Flatten": reshape,
    "GlobalAveragePooling2D": global_average,
    "LSTM": lstm,
    "LayerNormalization": layer_normalization,
    "MaxPooling2D": max_pooling,
    "MultiHeadAttention": attention,
    "Multiply": folded("Mul"),
    "Normalization": normalization,
    "ReLU": relu,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "ZeroPadding2D": zero_padding,
}
