"""Derivatives: what kernels of convolutions, biases and windows get of a gradient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npforward import ops
from npforward.kernels.native import backward
from npforward.run.lowering.making import (
    SERIAL,
    TASKS,
    Lowering,
    Recorded,
    even,
    integers,
    is_number,
    rule,
    strides_of,
)
from npforward.tape import Step, Var

NEAR = 256  # pixels whose numbers for a tile of the result stay in the nearest cache
PART = 32  # channels that are passed through together

# ---- for which steps the rules hold ----------------------------------------------------------


def _fits_conv_dw(r: Recorded, step: Step) -> bool:
    x, g = step.args
    groups = step.options.get("groups", 1)
    alone = groups == x.shape[-1] == g.shape[-1]
    return not r.constant(x) and not r.constant(g) and x.ndim in (3, 4) and (groups == 1 or alone)


def _fits_dense_dw(r: Recorded, step: Step) -> bool:
    return not any(map(r.constant, step.args)) and all(a.ndim > 1 for a in step.args)


def _fits_relu_dx(r: Recorded, step: Step) -> bool:
    g, x = step.args
    o = step.options
    numbers = [o.get("negative_slope", 0.0), _cap(o)]
    return (
        not r.constant(g) and not r.constant(x) and step.out.ndim > 0
        and g.shape == x.shape == step.out.shape
        and not o.get("threshold") and all(map(is_number, numbers))
    )  # fmt: skip


def _fits_max_pool_dx(r: Recorded, step: Step) -> bool:
    o = step.options
    return (
        not any(map(r.constant, step.args)) and step.out.ndim in (3, 4)
        and tuple(o["size"]) == tuple(o["strides"])
    )  # fmt: skip


# ---- rules -----------------------------------------------------------------------------------


@rule(ops.relu_dx, fits=_fits_relu_dx)
def relu_dx(low: Lowering, step: Step) -> None:
    slope = step.options.get("negative_slope", 0.0)
    low.link(step, "relu_dx", list(step.args), slope, _cap(step.options))


@rule(ops.conv_dw, fits=_fits_conv_dw)
def conv_dw(low: Lowering, step: Step) -> None:
    x, g = step.args
    o = step.options
    _windows_dw(low, step, x, g, o["size"], o["strides"], o["dilation"], o.get("groups", 1))


@rule(ops.dense_dw, fits=_fits_dense_dw)
def dense_dw(low: Lowering, step: Step) -> None:
    x, g = (_rows(low, v) for v in step.args)
    _windows_dw(low, step, x, g, (1,), (1,), (1,), 1)


@rule(ops.max_pool_dx, fits=_fits_max_pool_dx)
def max_pool_dx(low: Lowering, step: Step) -> None:
    g, y, x = step.args
    (n, h, w, c), (_, rows, columns, _) = (_image(v.shape) for v in (x, y))
    high, wide = (1, *step.options["size"])[-2:]
    low.add(
        step, backward.max_pool_dx, n * rows, [step.out], [g, y, x],
        {
            "x": low.at(x), "y": low.at(y), "g": low.at(g), "x_rows": h, "x_columns": w,
            "rows": rows, "columns": columns, "channels": c, "high": high, "wide": wide,
        },
    )  # fmt: skip
    low.works[-1].call.arguments["dx"] = low.at(step.out)


def row_sums(low: Lowering, step: Step, x: Var, places: int) -> None:
    """The sums of rows of channels at so many places."""
    channels = x.shape[-1]
    each = even(channels, PART, low.width)
    parts = -(-channels // each)
    low.add(
        step, backward.row_sums, places * parts, [step.out], [x],
        {
            "x": low.at(x), "rows": x.size // (places * channels), "channels": channels,
            "parts": parts, "each": each,
        },
    )  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)


# ---- what they are made of -------------------------------------------------------------------


def _cap(options: dict[str, Any]) -> float:
    cap = options.get("max_value")
    return math.inf if cap is None else cap


def _rows(low: Lowering, v: Var) -> Var:
    """The rows of numbers that a value consists of, as pixels of one image."""
    flat = Var((1, v.size // v.shape[-1], v.shape[-1]), np.float32, v.tape)
    low.roots[flat] = low.root(v)
    return flat


def _image(shape: Sequence[int]) -> tuple[int, ...]:
    """(N, height, width, channels), of rows of pixels too."""
    return tuple(shape) if len(shape) == 4 else (shape[0], 1, *shape[1:])


def _windows_dw(low: Lowering, step: Step, x: Var, g: Var, size: Sequence[int],
                strides: Sequence[int], dilation: Sequence[int], groups: int) -> None:  # fmt: skip
    source, widths = low.bordered(x)
    n, _, _, inward = _image(source.shape)
    _, rows, columns, channels = _image(g.shape)
    x_strides, g_strides = (strides_of(_image(v.shape)) for v in (source, g))
    taps = []
    for tap in itertools.product(*map(range, size)):
        begin, ranges = 0, []
        for i, (k, s, d) in enumerate(zip(tap, strides, dilation, strict=True)):
            first = k * d - widths[i + 1][0]  # where it meets the first pixel of the output
            inside, out = source.shape[i + 1], g.shape[i + 1]
            low_, high = -(-max(-first, 0) // s), min(out, -(-max(inside - first, 0) // s))
            begin += first * strides_of(source.shape)[i + 1]
            ranges += [low_, max(high, low_)]
        taps.append([begin, *([0, 1] if len(size) == 1 else []), *ranges])
    arguments = {
        "x_image": x_strides[0], "x_row": x_strides[1] * (strides[0] if len(size) == 2 else 1),
        "x_column": x_strides[2] * strides[-1], "g_image": g_strides[0], "g_row": g_strides[1],
        "taps": integers(taps), "images": n, "channels": channels,
    }  # fmt: skip
    flops = 2 * len(taps) * n * rows * columns * channels * (inward if groups == 1 else 1)
    if groups == 1:
        kernel = backward.conv_dw
        tasks = 1 if flops < SERIAL else -(-TASKS // len(taps))
        each = even(inward, -(-inward // tasks), low.pixels)
        arguments |= {"inward": inward, "rows_each": max(1, NEAR // columns)}
        parts = -(-inward // each)
    else:
        kernel = backward.depthwise_dw
        each = even(channels, PART, low.width)
        parts = -(-channels // each)
    arguments |= {"parts": parts, "each": each}
    low.add(step, kernel, len(taps) * parts, [step.out], [source, g],
            {"x": low.at(source), "g": low.at(g), **arguments}, flops=flops)  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)
