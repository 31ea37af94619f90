"""Kernels and tables in few bits, and kernels with LoRA beside them: what they stand for."""

from __future__ import annotations

import functools
import math
import string
from typing import NamedTuple

from npforward import ops
from npforward.errors import UnsupportedOption
from npforward.layers.registry import Packed, Weight, quantization

# ---- what a file keeps ---------------------------------------------------------------------------


class Layout(NamedTuple):
    """A kernel (rows, columns) that sums over its rows, if its axes were only two."""

    shape: tuple[int, ...]  # with all its axes
    rows: int
    beside: tuple[int, ...]  # one number for each column, as it broadcasts to the layer's output

    @property
    def columns(self):
        return math.prod(self.shape) // max(self.rows, 1)


def _groups(said, rows):
    """How many groups of rows have scales of their own; None if all rows have the same."""
    size = said.get("group_size")
    return said.get("groups") or (None if size is None else -(-rows // size))


def _split(shape):
    """Rows and columns as Keras's GPTQ and AWQ guess them: the largest axis is the model's."""
    if len(shape) == 2:
        return shape
    if len(shape) != 3:
        raise UnsupportedOption(f"a kernel of shape {shape} quantised by GPTQ or AWQ")
    first = shape.index(max(shape)) == 0
    a, b, c = shape
    return (a, b * c) if first else (a * b, c)


def _has_lora(config):
    return bool(config.get("lora_apart") and config.get("lora_rank"))


def lora_weights(part, shape, there=lambda c: True, plain=lambda c: True):
    """A weight by itself, or with what LoRA adds to it: four declarations, which exist if `there`.

    The first two are those of the weight in numbers of full precision, if `plain`.
    """

    def lora(c):
        return there(c) and _has_lora(c)

    def array(role, shape_, name, when=lora, **more):
        return Weight(name, shape_, when, part=part, role=role, **more)

    return (
        Weight(part, shape, lambda c: there(c) and plain(c) and not lora(c)),
        array("values", shape, part, lambda c: lora(c) and plain(c), trainable=False, whole=shape),
        array("lora_a", lambda c, x: (*shape(c, x)[:-1], c["lora_rank"]), f"lora_{part}_a"),
        array("lora_b", lambda c, x: (c["lora_rank"], shape(c, x)[-1]), f"lora_{part}_b"),
    )


def kernel_weights(layout, bias, biased, *, name="", path="", of=(), when=None):
    """The arrays of x W + b in every mode of quantisation, in the order of Keras's files.

    `layout` and `bias` are rules of config and input's shape, `biased` and `when` of the config.
    """
    there = when or (lambda c: True)
    part = f"{name}kernel"

    def said(c):
        return quantization(c, path)

    def rows(c, x):
        return _split(layout(c, x).shape)

    def grouped(c, x):
        kernel = layout(c, x)
        n = _groups(said(c), kernel.rows)
        return (kernel.columns,) if n is None else (n, kernel.columns)

    def guessed(c, x):
        n, columns = rows(c, x)
        return columns, _groups(said(c), n) or 1

    def bytes_of(c, x):
        n, columns = rows(c, x)
        return -(-columns // 2) if said(c).get("bits", 4) == 4 else columns, n

    def whole(c, x):
        return tuple(layout(c, x).shape)

    def of_mode(*modes, only=lambda c: True):
        return lambda c: there(c) and said(c).get("mode") in modes and only(c)

    def array(role, shape, when, written=None, **more):
        called = written or f"{part}_{role}"
        return Weight(called, shape, when, path=path, of=of, part=part, role=role, **more)

    def values(shape, when, **more):
        return array("values", shape, when, part, trainable=False, whole=whole, **more)

    def for_float8(role, shape=lambda c, x: ()):
        when, fixed = of_mode("float8"), role.endswith("history")
        return array(role, shape, when, name + role, autocast=False, training_only=fixed)

    def history(c, x):
        return (said(c).get("amax_history_length", 1024),)

    sub_channel = of_mode("int4", only=lambda c: _groups(said(c), 1) is not None)
    hessian = of_mode("gptq", "awq")
    plain, full, *added = (
        w._replace(path=path, of=of) for w in lora_weights(part, whole, there, of_mode(None))
    )
    return (
        plain,
        full,
        values(whole, of_mode("int8"), kind="int8"),
        values(
            lambda c, x: (layout(c, x).rows, -(-layout(c, x).columns // 2)),
            of_mode("int4"),
            kind="int8",
        ),
        values(whole, of_mode("float8"))._replace(trainable=True),
        Weight(f"{name}bias", bias, lambda c: there(c) and biased(c), path=path),
        values(bytes_of, hessian, kind="uint8"),
        for_float8("inputs_scale"),
        for_float8("inputs_amax_history", history),
        array("scale", lambda c, x: layout(c, x).beside, of_mode("int8"), trainable=False),
        array("scale", grouped, of_mode("int4"), trainable=False),
        array("scale", guessed, hessian, trainable=False),
        for_float8("kernel_scale"),
        for_float8("kernel_amax_history", history),
        for_float8("outputs_grad_scale"),
        for_float8("outputs_grad_amax_history", history),
        array("zero", grouped, sub_channel, kind="int8", trainable=False),
        array("zero", guessed, hessian, kind="uint8", trainable=False),
        array(
            "awq_scales",
            lambda c, x: (rows(c, x)[0],),
            of_mode("awq"),
            f"{name}awq_scales",
            trainable=False,
        ),
        array(
            "g_idx",
            lambda c, x: (layout(c, x).rows,),
            sub_channel,
            f"{name}g_idx",
            trainable=False,
        ),
        array("g_idx", lambda c, x: (rows(c, x)[0],), hessian, f"{name}g_idx", trainable=False),
        *added,
    )


def table_weights():
    """The arrays of a table of rows in every mode of quantisation."""

    def shape(c, x):
        return c["input_dim"], c["output_dim"]

    def grouped(c, x):
        n = _groups(quantization(c), c["output_dim"])
        return (c["input_dim"],) if n is None else (c["input_dim"], n)

    def of_mode(*modes):
        return lambda c: quantization(c).get("mode") in modes

    def sub_channel(c):
        return of_mode("int4")(c) and _groups(quantization(c), 1) is not None

    def array(role, shape, when, written="", **more):
        called = written or f"embeddings_{role}"
        return Weight(called, shape, when, part="embeddings", role=role, trainable=False, **more)

    def values(shape_, when, **more):
        return array("values", shape_, when, "embeddings", whole=shape, **more)

    plain, full, *added = lora_weights("embeddings", shape, plain=of_mode(None))
    return (
        plain,
        full,
        values(shape, of_mode("int8"), kind="int8"),
        values(
            lambda c, x: (c["input_dim"], -(-c["output_dim"] // 2)), of_mode("int4"), kind="int8"
        ),
        array("scale", grouped, of_mode("int8", "int4")),
        array("zero", grouped, sub_channel, kind="int8"),
        array("g_idx", lambda c, x: (c["output_dim"],), sub_channel, "g_idx"),
        *added,
    )


def reverse_weights(untied):
    """The arrays of a table (vectors, rows) that turns vectors back to rows, if it is its own."""

    def of_mode(*modes):
        return lambda c: untied(c) and quantization(c).get("mode") in modes

    def shape(c, x):
        return c["output_dim"], c["input_dim"]

    def grouped(c, x):
        n = _groups(quantization(c), c["output_dim"])
        return (c["input_dim"],) if n is None else (n, c["input_dim"])

    def array(role, shape, when, called=None, **more):
        called = called or f"reverse_embeddings_{role}"
        return Weight(
            called, shape, when, part="reverse_embeddings", role=role, trainable=False, **more
        )

    def values(shape_, when):
        return array("values", shape_, when, "reverse_embeddings", kind="int8", whole=shape)

    return (
        Weight("reverse_embeddings", shape, of_mode(None)),
        values(shape, of_mode("int8")),
        values(lambda c, x: (-(-c["output_dim"] // 2), c["input_dim"]), of_mode("int4")),
        array("scale", grouped, of_mode("int8", "int4")),
        array(
            "zero",
            grouped,
            lambda c: of_mode("int4")(c) and _groups(quantization(c), 1) is not None,
        ),
    )


# ---- what it means -------------------------------------------------------------------------------


def affine(x, kernel, bias=None, equation=None):
    """x W + b, over the last axis or by an einsum equation."""
    y = product(x, kernel, equation)
    if bias is None:
        return y
    if _mode(kernel) == "float8" and y.dtype == "float32":
        bias = ops.cast(ops.cast(bias, dtype="bfloat16"), dtype="float32")
    return y + bias


def product(x, kernel, equation=None):
    """x W, over the last axis or by an einsum equation; W as it is or `Packed`."""
    times = ops.dense if equation is None else functools.partial(ops.einsum, equation=equation)
    if not isinstance(kernel, Packed):
        return times(x, kernel)
    mode, arrays = _mode(kernel), kernel.arrays
    if mode is None:
        return times(x, merged(kernel))
    if mode in ("gptq", "awq"):
        return times(x, _of_gptq(kernel))
    if mode == "float8":
        values = ops.round_to_float8(arrays["values"], arrays["kernel_scale"])
        x = ops.round_to_float8(ops.cast(x, dtype=values.dtype), arrays["inputs_scale"])
        return ops.round_gradient_to_float8(times(x, values), arrays["outputs_grad_scale"])
    y = _of_integers(x, kernel, times, equation)
    if "lora_a" in arrays:
        y = y + ops.dense(times(x, arrays["lora_a"]), arrays["lora_b"]) * _lora_scale(kernel)
    return y


def _mode(kernel):
    return kernel.said["quantization"].get("mode") if isinstance(kernel, Packed) else None


def _of_integers(x, kernel, times, equation):
    """The product of x, itself rounded to whole numbers or not, with a kernel of such."""
    arrays, scale = kernel.arrays, kernel.arrays["scale"]
    if _mode(kernel) == "int8":
        values = ops.cast(arrays["values"], dtype=scale.dtype)
        q, s = _whole_numbers(x, kernel, {}, equation)
        y = times(q, values)
        return y / (scale if s is None else scale * s)
    columns = math.prod(kernel.shape) // max(arrays["values"].shape[0], 1)
    values = ops.unpack_int4(arrays["values"], length=columns, axis=-1)  # (rows, columns)
    values = ops.cast(values, dtype=scale.dtype)
    if "zero" in arrays:
        values = _by_groups(values, scale, arrays["zero"], arrays["g_idx"], axis=0)
        return times(x, ops.reshape(values, shape=kernel.shape))
    q, s = _whole_numbers(x, kernel, None, equation)
    if equation is None:
        return times(q, values) / (scale if s is None else scale * s)
    y = times(q, ops.reshape(values / scale, shape=kernel.shape))
    return y if s is None else y / s


def _by_groups(values, scale, zero, g_idx, axis):
    """(values - zero) scale, where every row takes the scale and zero of its group."""
    group = ops.cast(g_idx, dtype="int32")
    scale = ops.take(scale, group, axis=axis)
    return (values - ops.cast(ops.take(zero, group, axis=axis), dtype=scale.dtype)) * scale


def _of_gptq(kernel):
    """The kernel that GPTQ or AWQ packed: (columns, rows) in 2, 3, 4 or 8 bits."""
    arrays, scale = kernel.arrays, kernel.arrays["scale"]
    _, columns = _split(kernel.shape)
    values = arrays["values"]
    if kernel.said["quantization"].get("bits", 4) == 4:
        values = ops.unpack_int4(values, length=columns, axis=0)
    values = ops.cast(values, dtype=scale.dtype)
    values = _by_groups(values, scale, arrays["zero"], arrays["g_idx"], axis=1)
    values = ops.transpose(values, axes=(1, 0))
    if "awq_scales" in arrays:
        values = values / ops.expand_dims(arrays["awq_scales"], axis=-1)
    return ops.reshape(values, shape=kernel.shape)


def _lora_scale(kernel):
    rank = kernel.said["lora_rank"]
    return (kernel.said.get("lora_alpha") or rank) / rank


def merged(kernel):
    """A kernel with what LoRA adds to it."""
    if not isinstance(kernel, Packed):
        return kernel
    arrays = kernel.arrays
    return arrays["values"] + ops.dense(arrays["lora_a"], arrays["lora_b"]) * _lora_scale(kernel)


# ---- x in whole numbers --------------------------------------------------------------------------


def _spelled(equation, rank):
    """The letters of x, of the kernel and of the answer, those for "..." written out."""
    given, _, out = equation.replace(" ", "").partition("->")
    of_x, _, of_w = given.partition(",")
    spare = [letter for letter in string.ascii_letters if letter not in equation]
    elided = "".join(spare[: rank - len(of_x.replace("...", ""))])
    return of_x.replace("...", elided), of_w, out.replace("...", elided)


def beside(equation, rank, shape):
    """How one number for each output of an einsum kernel of this shape broadcasts to the output."""
    _, of_w, out = _spelled(equation, rank)
    sizes = dict(zip(of_w, shape, strict=True))
    return tuple(sizes.get(letter, 1) for letter in out)


def rows_of(equation, shape):
    """How many numbers an einsum kernel sums for one output."""
    given, _, out = equation.replace(" ", "").partition("->")
    of_w = given.partition(",")[2]
    return math.prod(n for letter, n in zip(of_w, shape, strict=True) if letter not in out)


def _whole_numbers(x, kernel, default, equation=None, axis=-1):
    """x in whole numbers, and by what it was multiplied, beside the output; or x and None.

    `default` are the options of the quantiser where the config has none; None is no quantiser.
    """
    said = kernel.said["quantization"].get("inputs", default)
    dtype = kernel.arrays["scale"].dtype
    if said is None:
        return x, None
    if said.get("class_name", "AbsMaxQuantizer") != "AbsMaxQuantizer":
        raise UnsupportedOption(
            f"inputs are quantised by {said['class_name']!r}, whose code the file does not hold"
        )
    low, high = said.get("value_range", (-127, 127))
    if equation is not None:
        of_x, _, out = _spelled(equation, x.ndim)
        axis = tuple(i for i, letter in enumerate(of_x) if letter not in out)
    scale = ops.abs_max_scale(x, axis=axis, high=high, epsilon=said.get("epsilon", 1e-7))
    if x.dtype.kind in "iu":
        scale = ops.cast(ops.cast(scale, dtype=x.dtype), dtype=dtype)  # cut off, as in Keras
    q = ops.quantize(x, scale, low=low, high=high)
    if equation is not None:
        sizes = dict(zip(of_x, scale.shape, strict=True))
        kept = [letter for letter in of_x if letter in out]
        scale = ops.reshape(scale, shape=tuple(sizes[letter] for letter in kept))
        turned = [letter for letter in out if letter in of_x]
        scale = ops.transpose(scale, axes=tuple(kept.index(letter) for letter in turned))
        scale = ops.reshape(scale, shape=tuple(sizes.get(letter, 1) for letter in out))
    return q, scale


# ---- tables --------------------------------------------------------------------------------------


def rows(table, ids):
    """The row of a table for each index.  (...) -> (..., output_dim)"""
    if not isinstance(table, Packed):
        return ops.take(table, ids, axis=0)
    arrays = table.arrays
    y = ops.take(arrays["values"], ids, axis=0)
    if _mode(table) is not None:
        scale = ops.take(arrays["scale"], ids, axis=0)
        if _mode(table) == "int4":
            y = ops.unpack_int4(y, length=table.shape[-1], axis=-1)
        y = ops.cast(y, dtype=scale.dtype)
        if "zero" in arrays:
            zero = ops.take(arrays["zero"], ids, axis=0)
            y = _by_groups(y, scale, zero, arrays["g_idx"], axis=y.ndim - 1)
        else:
            y = y / ops.expand_dims(scale, axis=-1)
    if "lora_a" in arrays:
        more = ops.dense(ops.take(arrays["lora_a"], ids, axis=0), arrays["lora_b"])
        y = y + more * _lora_scale(table)
    return y


def likeness(x, table, reverse=None):
    """How much vectors are like each row of a quantised table.  (..., D) -> (..., rows)

    `reverse` is the table to use instead, (D, rows), which has no `g_idx` of its own.
    """
    arrays = (reverse or table).arrays
    scale, zero, values = arrays["scale"], arrays.get("zero"), arrays["values"]
    if _mode(table) == "int4":
        length, axis = table.shape[-1], -1 if reverse is None else 0
        values = ops.unpack_int4(values, length=length, axis=axis)
    if reverse is None:
        values = ops.transpose(values, axes=(1, 0))
        if zero is not None:
            scale, zero = ops.transpose(scale, axes=(1, 0)), ops.transpose(zero, axes=(1, 0))
    values = ops.cast(values, dtype=scale.dtype)
    said = table.said["quantization"].get("inputs") or {}
    q, s = _whole_numbers(x, table, {}, axis=said.get("axis", -1))
    if zero is None:
        y = ops.cast(ops.dense(q, values), dtype=scale.dtype)  # what Keras rounds, it rounds here
        return y / (scale if s is None else scale * s)
    y = ops.dense(q, _by_groups(values, scale, zero, table.arrays["g_idx"], axis=0))
    return y if s is None else y / s
