"""Functions of TensorFlow that stand as layers in tf.keras's models, as today's operations.

tf.keras 2.4 to 2.15 writes the name of a function (`TFOpLambda`), what came before it the node of
TensorFlow's graph (`TensorFlowOpLayer`); both become operations of `keras.ops`.  What is in no
table here is left with TensorFlow's name, so that the caller may give a function for it.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from npforward.formats.keras_entry import Entry

Values = dict[str, Any]  # the arguments of a function, by TensorFlow's names
Call = tuple[str, list[Any], dict[str, Any]]  # class of an operation, arguments by place, options
Rule = Callable[[Values], Call]

# function, ... : class  arguments by place | options, Keras's name = TensorFlow's
TABLE = """
math.abs, abs: Absolute x
math.acos, acos: Arccos x
math.acosh, acosh: Arccosh x
math.add, __operators__.add, add: Add x y
math.angle: Angle input
math.asin, asin: Arcsin x
math.asinh, asinh: Arcsinh x
math.atan, atan: Arctan x
math.atan2, atan2: Arctan2 y x
math.atanh, atanh: Arctanh x
math.ceil: Ceil x
math.cos, cos: Cos x
math.cosh, cosh: Cosh x
math.divide, divide, math.truediv, truediv, __operators__.truediv, compat.v1.div: TrueDivide x y
math.divide_no_nan, math.div_no_nan, compat.v1.div_no_nan: DivideNoNan x y
math.equal, equal, __operators__.eq: Equal x y
math.erf: Erf x
math.exp, exp: Exp x
math.expm1: Expm1 x
math.floor, floor: Floor x
math.floordiv, __operators__.floordiv, compat.v1.floor_div: FloorDivide x y
math.floormod, math.mod, __operators__.mod: Mod x y
math.greater, greater, __operators__.gt: Greater x y
math.greater_equal, greater_equal, __operators__.ge: GreaterEqual x y
math.imag: Imag input
math.is_finite: Isfinite x
math.is_inf: Isinf x
math.is_nan: Isnan x
math.less, less, __operators__.lt: Less x y
math.less_equal, less_equal, __operators__.le: LessEqual x y
math.log: Log x
math.log1p: Log1p x
math.log_sigmoid: LogSigmoid x
math.logical_and, logical_and, __operators__.and: LogicalAnd x y
math.logical_not, logical_not, __operators__.invert: LogicalNot x
math.logical_or, logical_or, __operators__.or: LogicalOr x y
math.logical_xor: LogicalXor x y
math.maximum, maximum: Maximum x y
math.minimum, minimum: Minimum x y
math.multiply, __operators__.mul, multiply: Multiply x y
math.negative, negative, __operators__.neg: Negative x
math.not_equal, not_equal, __operators__.ne: NotEqual x y
math.pow, pow, __operators__.pow: Power x y
math.real: Real input
math.reciprocal: Reciprocal x
math.round, round: Round x
math.rsqrt: Rsqrt x
math.sigmoid, sigmoid, nn.sigmoid: Sigmoid x
math.sign, sign: Sign x
math.sin, sin: Sin x
math.sinh, sinh: Sinh x
math.softplus, nn.softplus: Softplus features
math.softsign, nn.softsign: Softsign features
math.sqrt, sqrt: Sqrt x
math.square, square: Square x
math.subtract, __operators__.sub, subtract: Subtract x y
math.tan, tan: Tan x
math.tanh, tanh, nn.tanh: Tanh x
math.reduce_all, reduce_all: All input_tensor | axis=axis keepdims=keepdims
math.reduce_any, reduce_any: Any input_tensor | axis=axis keepdims=keepdims
math.reduce_logsumexp, reduce_logsumexp: Logsumexp input_tensor | axis=axis keepdims=keepdims
math.reduce_max, reduce_max: Max input_tensor | axis=axis keepdims=keepdims
math.reduce_mean, reduce_mean: Mean input_tensor | axis=axis keepdims=keepdims
math.reduce_min, reduce_min: Min input_tensor | axis=axis keepdims=keepdims
math.reduce_prod, reduce_prod: Prod input_tensor | axis=axis keepdims=keepdims
math.reduce_std: Std input_tensor | axis=axis keepdims=keepdims
math.reduce_sum, reduce_sum: Sum input_tensor | axis=axis keepdims=keepdims
math.reduce_variance: Var input_tensor | axis=axis keepdims=keepdims
math.top_k, nn.top_k: TopK input | k=k sorted=sorted
nn.elu: Elu features
nn.leaky_relu: LeakyRelu features | negative_slope=alpha
nn.log_softmax, math.log_softmax: LogSoftmax logits | axis=axis
nn.relu: Relu features
nn.relu6: Relu6 features
nn.selu: Selu features
nn.silu, nn.swish: Silu features
nn.softmax, math.softmax: Softmax logits | axis=axis
nn.depth_to_space: DepthToSpace input | block_size=block_size
nn.space_to_depth, space_to_depth: SpaceToDepth input | block_size=block_size
tensordot, linalg.tensordot: Tensordot a b | axes=axes
broadcast_to: BroadcastTo input | shape=shape
cast: Cast x | dtype=dtype
clip_by_value: Clip t | x_min=clip_value_min x_max=clip_value_max
concat: Concatenate values | axis=axis
expand_dims: ExpandDims input | axis=axis
identity, stop_gradient: Copy input
image.rgb_to_grayscale: RGBToGrayscale images
ones_like: OnesLike input | dtype=dtype
repeat: Repeat input | repeats=repeats axis=axis
reverse: Flip tensor | axis=axis
roll: Roll input | shift=shift axis=axis
stack: Stack values | axis=axis
tile: Tile input | repeats=multiples
transpose, compat.v1.transpose: Transpose a | axes=perm
unstack: Unstack value | axis=axis
zeros_like: ZerosLike input | dtype=dtype
"""

# operation of a graph, ...: function  inputs by its names (the first may be several) | attributes
NODES = """
Abs: math.abs x
Add, AddV2: math.add x y
AddN: math.add_n *inputs
All: math.reduce_all input_tensor axis | keepdims=keep_dims
Any: math.reduce_any input_tensor axis | keepdims=keep_dims
ArgMax: math.argmax input axis | output_type=output_type
ArgMin: math.argmin input axis | output_type=output_type
BatchMatMul, BatchMatMulV2: linalg.matmul a b | adjoint_a=adj_x adjoint_b=adj_y
BiasAdd: nn.bias_add value bias | data_format=data_format
BroadcastTo: broadcast_to input shape
Cast: cast x | dtype=DstT
Ceil: math.ceil x
ConcatV2: concat *values axis
Cos: math.cos x
Cumprod: math.cumprod x axis | exclusive=exclusive reverse=reverse
Cumsum: math.cumsum x axis | exclusive=exclusive reverse=reverse
DepthToSpace: nn.depth_to_space input | block_size=block_size
DivNoNan: math.divide_no_nan x y
Elu: nn.elu features
Equal: math.equal x y
Erf: math.erf x
Exp: math.exp x
ExpandDims: expand_dims input axis
Expm1: math.expm1 x
Floor: math.floor x
FloorDiv: math.floordiv x y
FloorMod: math.floormod x y
GatherV2: gather params indices axis | batch_dims=batch_dims
Greater: math.greater x y
GreaterEqual: math.greater_equal x y
Identity, StopGradient: identity input
IsFinite: math.is_finite x
IsInf: math.is_inf x
IsNan: math.is_nan x
LeakyRelu: nn.leaky_relu features | alpha=alpha
Less: math.less x y
LessEqual: math.less_equal x y
Log: math.log x
Log1p: math.log1p x
LogicalAnd: math.logical_and x y
LogicalNot: math.logical_not x
LogicalOr: math.logical_or x y
LogSoftmax: nn.log_softmax logits
MatMul: linalg.matmul a b | transpose_a=transpose_a transpose_b=transpose_b
Max: math.reduce_max input_tensor axis | keepdims=keep_dims
Maximum: math.maximum x y
Mean: math.reduce_mean input_tensor axis | keepdims=keep_dims
Min: math.reduce_min input_tensor axis | keepdims=keep_dims
Minimum: math.minimum x y
MirrorPad: pad tensor paddings | mode=mode
Mul: math.multiply x y
Neg: math.negative x
NotEqual: math.not_equal x y
OneHot: one_hot indices depth on_value off_value | axis=axis
OnesLike: ones_like input
Pack: stack *values | axis=axis
Pad: pad tensor paddings
PadV2: pad tensor paddings constant_values
Pow: math.pow x y
Prod: math.reduce_prod input_tensor axis | keepdims=keep_dims
RealDiv: math.truediv x y
Reciprocal: math.reciprocal x
Relu: nn.relu features
Relu6: nn.relu6 features
Reshape: reshape tensor shape
ReverseV2: reverse tensor axis
Roll: roll input shift axis
ResizeBilinear: image.resize_bilinear images size | align_corners=align_corners \
    half_pixel_centers=half_pixel_centers
ResizeNearestNeighbor: image.resize_nearest images size | align_corners=align_corners \
    half_pixel_centers=half_pixel_centers
Round: math.round x
Rsqrt: math.rsqrt x
Select, SelectV2: where condition x y
Selu: nn.selu features
Shape: shape input | out_type=out_type
Sigmoid: math.sigmoid x
Sign: math.sign x
Sin: math.sin x
Slice: slice input_ begin size
Softmax: nn.softmax logits
Softplus: math.softplus features
Softsign: math.softsign features
SpaceToDepth: nn.space_to_depth input | block_size=block_size
Split: split axis value | num_or_size_splits=num_split
SplitV: split value num_or_size_splits axis
Sqrt: math.sqrt x
Square: math.square x
SquaredDifference: math.squared_difference x y
Squeeze: squeeze input | axis=squeeze_dims
Sub: math.subtract x y
Sum: math.reduce_sum input_tensor axis | keepdims=keep_dims
Tan: math.tan x
Tanh: math.tanh x
Tile: tile input multiples
TopKV2: math.top_k input k | sorted=sorted
Transpose: transpose a perm
Unpack: unstack value | axis=axis
ZerosLike: zeros_like input
"""


def _table(text: str) -> dict[str, tuple[str, list[str], dict[str, str]]]:
    """What stands before the colon, each -> (what, arguments by place, options)."""
    found: dict[str, tuple[str, list[str], dict[str, str]]] = {}
    for line in text.strip().splitlines():
        names, _, said = line.partition(": ")
        by_place, _, options = said.partition(" | ")
        what, *arguments = by_place.split()
        pairs = dict(option.split("=") for option in options.split())
        found |= dict.fromkeys(names.split(", "), (what, arguments, pairs))
    return found


# Arguments that say nothing about values, or nothing when they are false.
NOTHING = {"name", "validate_indices", "message", "summarize"}
FALSE = {"conjugate", "adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse", "batch_dims"}
FALSE |= {"preserve_aspect_ratio", "keep_dims", "reduction_indices", "exclusive", "reverse"}
FALSE |= {"transpose_a", "transpose_b"}
DTYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_BOOL": "bool"}
DTYPES |= {"DT_BFLOAT16": "bfloat16", "DT_STRING": "string"}
DTYPES |= {f"DT_{u}INT{n}": f"{u}int{n}".lower() for u in ("", "U") for n in (8, 16, 32, 64)}


def of_functions(entry: Entry) -> Entry:
    """tf.keras 2.4 to 2.15: a function of TensorFlow called on tensors is a layer.

    >>> new = of_functions({"class_name": "TFOpLambda", "name": "tf.math.reduce_sum",
    ...     "config": {"name": "tf.math.reduce_sum", "function": "math.reduce_sum"},
    ...     "inbound_nodes": [{"args": ["x"], "kwargs": {"axis": 1, "name": None}}]})
    >>> new["class_name"], new["module"], new["config"]
    ('Sum', 'keras.ops', {'name': 'tf.math.reduce_sum', 'axis': 1})
    >>> new["inbound_nodes"]
    [{'args': ['x'], 'kwargs': {}}]
    """
    function, nodes = entry["config"].get("function"), entry.get("inbound_nodes")
    if entry["class_name"] == "SlicingOpLambda":
        function = "__operators__.getitem"
    elif entry["class_name"] != "TFOpLambda" or not isinstance(function, str):
        return entry
    return _operation(entry, function, [_called(function, node) for node in _listed(nodes)])


def _called(function: str, node: Any) -> Values | None:
    """The arguments of a call by TensorFlow's names: what came by place, and what by name."""
    if not isinstance(node, dict) or not isinstance(node.get("kwargs"), dict):
        return None
    args = _listed(node.get("args"))
    names = FUNCTIONS.get(function, ([f"argument {i}" for i in range(len(args))],))[0]
    return {**dict(zip(names, args, strict=False)), **node["kwargs"]}


def of_nodes(entry: Entry) -> Entry:
    """tf.keras 1.14 to 2.3: an operation on tensors is a layer that holds a node of a graph.

    >>> new = of_nodes({"class_name": "TensorFlowOpLayer", "name": "tf_op_layer_mul",
    ...     "config": {"node_def": {"op": "Mul", "input": ["x", "mul/y"], "attr": {}},
    ...                "constants": {"1": 2.0}},
    ...     "inbound_nodes": [{"args": ["x"], "kwargs": {}}]})
    >>> new["class_name"], new["inbound_nodes"]
    ('Multiply', [{'args': ['x', 2.0], 'kwargs': {}}])
    """
    node, constants = entry["config"].get("node_def"), entry["config"].get("constants")
    if entry["class_name"] != "TensorFlowOpLayer" or not isinstance(node, dict):
        return entry
    kind, said = str(node.get("op")), node.get("attr")
    constants = constants if isinstance(constants, dict) else {}
    attributes = {key: _attribute(x) for key, x in said.items()} if isinstance(said, dict) else {}

    def inputs(call: Any) -> list[Any]:
        given = _listed(call.get("args")) if isinstance(call, dict) else []
        tensors, found = iter(given[0] if given and isinstance(given[0], list) else given), []
        for i in range(len(_listed(node.get("input")))):
            found.append(constants[str(i)] if str(i) in constants else next(tensors, None))
        return found

    made = [inputs(call) for call in _listed(entry.get("inbound_nodes"))]
    if kind == "StridedSlice":
        return _operation(entry, "__operators__.getitem", [_slice(x, attributes) for x in made])
    if kind not in OPERATIONS:
        return _operation(entry, kind, [])
    function, names, options = OPERATIONS[kind]
    settings = {to: attributes[key] for to, key in options.items() if key in attributes}
    return _operation(entry, function, [{**_named(names, xs), **settings} for xs in made])


def _named(names: list[str], values: list[Any]) -> Values:
    """`*values axis` is a list of all but the last."""
    if names[0].startswith("*"):
        count = len(values) - len(names) + 1
        values = [values[:count], *values[count:]]
        names = [names[0][1:], *names[1:]]
    return dict(zip(names, values, strict=False))


def _listed(nodes: Any) -> list[Any]:
    return nodes if isinstance(nodes, list) else []


def _operation(entry: Entry, function: str, calls: list[Values | None]) -> Entry:
    """The entry as an operation; under TensorFlow's name if there is none like it."""
    arguments, rule = FUNCTIONS.get(function, ([], None))
    complete = [values for values in calls if values and values.keys() >= set(arguments)]
    if rule is None or not calls or len(complete) < len(calls):
        return {**entry, "class_name": f"tf>{function}"}
    (kind, _, settled), *_ = made = [rule(values) for values in complete]
    # Constants belong into the config, unless calls differ in them.
    settled = {
        key: value
        for key, value in settled.items()
        if not _has_tensor(value) and all(options.get(key) == value for _, _, options in made)
    }
    nodes = [
        {"args": args, "kwargs": {k: v for k, v in options.items() if k not in settled}}
        for _, args, options in made
    ]
    name = entry.get("name") or entry["config"].get("name")
    new = {"class_name": kind, "module": "keras.ops", "config": {"name": name, **settled}}
    new["written_as"] = entry["class_name"]  # it was a layer among others
    return {"name": name, **new, "inbound_nodes": nodes}


def _has_tensor(tree: Any) -> bool:
    if isinstance(tree, dict):
        return tree.get("class_name") == "__keras_tensor__" or any(map(_has_tensor, tree.values()))
    return isinstance(tree, list) and any(map(_has_tensor, tree))


def _by_table(kind: str, arguments: list[str], options: dict[str, str]) -> Rule:
    def rule(values: Values) -> Call:
        args = [values[name] for name in arguments if name in values]
        chosen = {to: values[name] for to, name in options.items() if name in values}
        return kind, args, {**chosen, **_rest(values, *arguments, *options.values())}

    return rule


def _rest(values: Values, *used: str) -> dict[str, Any]:
    """The arguments that are left; those that say nothing are left out."""

    def says_something(name: str, value: Any) -> bool:
        return value is not None and name not in NOTHING and not (name in FALSE and not value)

    left = {name: value for name, value in values.items() if name not in used}
    return {name: value for name, value in left.items() if says_something(name, value)}


def _attribute(value: Any) -> Any:
    """The value of an attribute of a node, in JSON as protobuf writes it."""
    if not isinstance(value, dict):
        return None
    for key, held in value.items():
        match key:
            case "i":
                return int(held) if str(held).lstrip("-").isdecimal() else None
            case "b" | "f":
                return held
            case "type":
                return DTYPES.get(str(held))
            case "s":
                try:
                    return base64.b64decode(str(held)).decode()
                except (binascii.Error, ValueError):
                    return None
            case "list" if isinstance(held, dict):
                return [_attribute({kind: x}) for kind, xs in held.items() for x in _listed(xs)]
    return None


def _slice(inputs: list[Any], attributes: dict[str, Any]) -> Values | None:
    """What a StridedSlice takes: bits of its masks say what its lists of numbers do not."""
    x, *ends = [*inputs, None, None, None][:4]
    if not all(isinstance(end, list) for end in ends):
        return None
    spec: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(*ends, strict=False)):

        def bit(mask: str, i: int = i) -> bool:
            bits = attributes.get(f"{mask}_mask")
            return isinstance(bits, int) and bool(bits >> i & 1)

        if bit("ellipsis"):
            spec.append({"class_name": "__ellipsis__"})
        elif bit("new_axis"):
            spec.append(None)
        elif bit("shrink_axis"):
            spec.append(start)
        else:
            start, stop = None if bit("begin") else start, None if bit("end") else stop
            config = {"start": start, "stop": stop, "step": step}
            spec.append({"class_name": "__slice__", "config": config})
    return {"tensor": x, "slice_spec": spec}


# ---- functions that say the same otherwise ------------------------------------------------------


FUNCTIONS = {
    name: (arguments, _by_table(kind, arguments, options))
    for name, (kind, arguments, options) in _table(TABLE).items()
}
OPERATIONS = _table(NODES)


def _rule(arguments: str, *names: str) -> Callable[[Rule], Rule]:
    """Register what functions of these names are; they need `arguments`, also by place."""

    def decorate(rule: Rule) -> Rule:
        FUNCTIONS.update(dict.fromkeys(names, (arguments.split(), rule)))
        return rule

    return decorate


@_rule("tensor slice_spec", "__operators__.getitem")
def _getitem(values: Values) -> Call:
    return "GetItem", [values.get("tensor"), values.get("slice_spec")], {}


@_rule("a b", "linalg.matmul", "matmul")
def _matmul(values: Values) -> Call:
    turned = {
        f"transpose_{name}": True
        for name in ("a", "b")
        if values.get(f"transpose_{name}") or values.get(f"adjoint_{name}")
    }
    rest = _rest(
        values, "a", "b", *(f"{how}_{n}" for how in ("transpose", "adjoint") for n in "ab")
    )
    return "tf.matmul" if turned else "Matmul", [values["a"], values["b"]], turned | rest


@_rule("input", "math.argmax", "argmax")
def _argmax(values: Values) -> Call:
    return "tf.argmax", *_placed(values)


@_rule("input", "math.argmin", "argmin")
def _argmin(values: Values) -> Call:
    return "tf.argmin", *_placed(values)


def _placed(values: Values) -> tuple[list[Any], dict[str, Any]]:
    dtype = values.get("output_type") or "int64"
    options = {"axis": values.get("axis") or 0, "dtype": dtype}
    return [values["input"]], {**options, **_rest(values, "input", "axis", "output_type")}


@_rule("x", "math.cumsum", "cumsum")
def _cumsum(values: Values) -> Call:
    return "Cumsum", [values["x"]], {"axis": values.get("axis") or 0, **_rest(values, "x", "axis")}


@_rule("x", "math.cumprod", "cumprod")
def _cumprod(values: Values) -> Call:
    return "Cumprod", [values["x"]], {"axis": values.get("axis") or 0, **_rest(values, "x", "axis")}


@_rule("features", "nn.gelu")
def _gelu(values: Values) -> Call:
    approximate = bool(values.get("approximate"))
    rest = _rest(values, "features", "approximate")
    return "Gelu", [values["features"]], {"approximate": approximate, **rest}


@_rule("value bias", "nn.bias_add")
def _bias_add(values: Values) -> Call:
    last = values.get("data_format") in (None, "NHWC", "N...C")
    rest = _rest(values, "value", "bias", *(["data_format"] if last else []))
    return "Add", [values["value"], values["bias"]], rest


@_rule("x", "math.l2_normalize", "linalg.l2_normalize", "nn.l2_normalize")
def _l2_normalize(values: Values) -> Call:
    # TensorFlow's epsilon is that of the square of the norm.
    epsilon = values.get("epsilon", 1e-12)
    epsilon = math.sqrt(epsilon) if isinstance(epsilon, float) and epsilon > 0 else epsilon
    rest = _rest(values, "x", "axis", "epsilon")
    return "Normalize", [values["x"]], {"axis": values.get("axis"), "epsilon": epsilon, **rest}


@_rule("tensor", "linalg.norm", "norm", "compat.v1.norm")
def _norm(values: Values) -> Call:
    ord_, axis = values.get("ord", "euclidean"), values.get("axis")
    options = {
        "ord": None if ord_ == "euclidean" else ord_,
        "axis": axis,
        "keepdims": bool(values.get("keepdims")),
    }
    return "Norm", [values["tensor"]], {**options, **_rest(values, "tensor", *options)}


@_rule("a", "linalg.matrix_transpose")
def _matrix_transpose(values: Values) -> Call:
    return "Swapaxes", [values["a"]], {"axis1": -2, "axis2": -1, **_rest(values, "a")}


@_rule("params indices", "gather", "compat.v1.gather")
def _gather(values: Values) -> Call:
    rest = _rest(values, "params", "indices", "axis")
    return "Take", [values["params"], values["indices"]], {"axis": values.get("axis") or 0, **rest}


@_rule("indices depth", "one_hot")
def _one_hot(values: Values) -> Call:
    axis = values.get("axis")
    options = {"num_classes": values["depth"], "axis": -1 if axis is None else axis}
    usual = {key for key, value in (("on_value", 1), ("off_value", 0)) if values.get(key) == value}
    rest = _rest(values, "indices", "depth", "axis", "dtype", *usual)
    return "OneHot", [values["indices"]], {**options, "dtype": values.get("dtype"), **rest}


@_rule("tensor paddings", "pad", "compat.v1.pad")
def _pad(values: Values) -> Call:
    mode = str(values.get("mode") or "constant").lower()
    options = {"pad_width": values["paddings"], "mode": mode}
    if mode == "constant" and values.get("constant_values"):
        options["constant_values"] = values["constant_values"]
    rest = _rest(values, "tensor", "paddings", "mode", "constant_values")
    return "Pad", [values["tensor"]], {**options, **rest}


@_rule("images size", "image.resize")
def _resize(values: Values) -> Call:
    method = str(values.get("method") or "bilinear").lower()
    options = {"size": values["size"], "interpolation": method}
    if values.get("antialias"):
        options["antialias"] = True
    return (
        "Resize",
        [values["images"]],
        {**options, **_rest(values, "images", "method", "size", "antialias")},
    )


@_rule("images size", "image.resize_bilinear")
def _resize_bilinear(values: Values) -> Call:
    return _centred(values, "bilinear")


@_rule("images size", "image.resize_nearest")
def _resize_nearest(values: Values) -> Call:
    return _centred(values, "nearest")


def _centred(values: Values, method: str) -> Call:
    """TensorFlow's older ways, with pixels at their corners, are no operation of Keras."""
    rest = _rest(values, "images", "size", "align_corners", "half_pixel_centers")
    if values.get("align_corners") or not values.get("half_pixel_centers"):
        return f"tf>image.resize_{method}", [values["images"], values["size"]], rest
    return "Resize", [values["images"]], {"size": values["size"], "interpolation": method, **rest}


@_rule("tensor shape", "reshape")
def _reshape(values: Values) -> Call:
    rest = _rest(values, "tensor", "shape")
    if _has_tensor(values["shape"]):
        return "tf.reshape", [values["tensor"], values["shape"]], rest
    return "Reshape", [values["tensor"]], {"newshape": values["shape"], **rest}


@_rule("input", "shape", "compat.v1.shape")
def _shape(values: Values) -> Call:
    dtype = {"dtype": values.get("out_type") or "int32"}
    return (
        "tf.shape",
        [values["input"]],
        {**dtype, **_rest(values, "input", "out_type", "optimize")},
    )


@_rule("input_ begin size", "slice")
def _part(values: Values) -> Call:
    rest = _rest(values, "input_", "begin", "size")
    return "Slice", [values["input_"], values["begin"]], {"shape": values["size"], **rest}


@_rule("values", "sort")
def _sort(values: Values) -> Call:
    upwards = values.get("direction") in (None, "ASCENDING")
    rest = _rest(values, "values", "axis", *(["direction"] if upwards else []))
    return "Sort", [values["values"]], {"axis": values.get("axis", -1), **rest}


@_rule("value num_or_size_splits", "split", "compat.v1.split")
def _split(values: Values) -> Call:
    sizes = values["num_or_size_splits"]
    if isinstance(sizes, list) and all(type(n) is int and n >= 0 for n in sizes):
        sizes = list(accumulate(sizes))[:-1]
    rest = _rest(values, "value", "num_or_size_splits", "axis", "num")
    options = {"indices_or_sections": sizes, "axis": values.get("axis") or 0}
    return "Split", [values["value"]], {**options, **rest}


@_rule("input", "squeeze", "compat.v1.squeeze")
def _squeeze(values: Values) -> Call:
    axis = values.get("axis") or values.get("squeeze_dims") or None
    return (
        "Squeeze",
        [values["input"]],
        {"axis": axis, **_rest(values, "input", "axis", "squeeze_dims")},
    )


@_rule("condition", "where", "compat.v1.where")
def _where(values: Values) -> Call:
    if (
        values.get("x") is None or values.get("y") is None
    ):  # TensorFlow stacks the places that Keras gives one by one
        return "tf>where", [values["condition"]], _rest(values, "condition")
    args = [values[name] for name in ("condition", "x", "y")]
    return "Where", args, _rest(values, "condition", "x", "y")


@_rule("x y", "math.squared_difference")
def _squared_difference(values: Values) -> Call:
    return "tf.squared_difference", [values["x"], values["y"]], _rest(values, "x", "y")


@_rule("inputs", "math.add_n", "add_n")
def _add_n(values: Values) -> Call:
    return "tf.add_n", [values["inputs"]], _rest(values, "inputs")
