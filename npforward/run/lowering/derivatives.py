"""Derivatives: what kernels of convolutions, biases and windows get of a gradient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from npforward.run.lowering.moves import merged
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
    _windows_dw(low, step, x, g, (1, 1), (1, 1), (1, 1), 1)


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


def _cap(options: Mapping[str, Any]) -> float:
    cap = options.get("max_value")
    return math.inf if cap is None else cap


def _rows(low: Lowering, v: Var) -> Var:
    """The rows of numbers that a value consists of, as pixels of one image."""
    flat = Var((1, *_folded(v.size // v.shape[-1]), v.shape[-1]), np.float32, v.tape)
    low.roots[flat] = low.root(v)
    return flat


def _folded(count: int) -> tuple[int, int]:
    """Pixels in a row as an image, whose rows stay in the nearest cache."""
    columns = next(n for n in range(min(count, NEAR), 0, -1) if count % n == 0)
    return (count // columns, columns) if columns >= min(count, NEAR) // 8 else (1, count)


def _image(shape: Sequence[int]) -> tuple[int, ...]:
    """(N, height, width, channels), of rows of pixels too."""
    return tuple(shape) if len(shape) == 4 else (shape[0], 1, *shape[1:])


def _windows_dw(low: Lowering, step: Step, x: Var, g: Var, size: Sequence[int],
                strides: Sequence[int], dilation: Sequence[int], groups: int) -> None:  # fmt: skip
    source, widths = low.bordered(x)
    n, _, _, inward = _image(source.shape)
    _, rows, columns, channels = _image(g.shape)
    x_strides, g_strides = (strides_of(_image(v.shape)) for v in (source, g))
    taps: list[list[int]] = []
    for tap in itertools.product(*map(range, size)):
        begin, ranges = 0, []
        for i, (k, s, d) in enumerate(zip(tap, strides, dilation, strict=True)):
            first = k * d - widths[i + 1][0]  # where it meets the first pixel of the output
            inside, out = source.shape[i + 1], g.shape[i + 1]
            low_, high = -(-max(-first, 0) // s), min(out, -(-max(inside - first, 0) // s))
            begin += first * strides_of(source.shape)[i + 1]
            ranges += [low_, max(high, low_)]
        at = len(taps) * channels * 4 * (inward if groups == 1 else 1)
        taps.append([begin, 0, at, *([0, 1] if len(size) == 1 else []), *ranges])
    arguments = {
        "x_image": x_strides[0], "x_row": x_strides[1] * (strides[0] if len(size) == 2 else 1),
        "x_column": x_strides[2] * strides[-1], "g_image": g_strides[0], "g_row": g_strides[1],
        "g_column": g_strides[2], "images": n, "channels": channels,
    }  # fmt: skip
    flops = 2 * len(taps) * n * rows * columns * channels * (inward if groups == 1 else 1)
    if groups == 1:
        arguments |= {"y_row": channels * 4, "inward": inward, "rows_each": max(1, NEAR // columns)}
        _outer(low, step, source, g, taps, arguments, flops, together=size[-1])
    else:
        each = even(channels, PART, low.width)
        parts = -(-channels // each)
        _summed(low, step, backward.depthwise_dw, source, g, taps,
                arguments | {"parts": parts, "each": each}, len(taps) * parts, flops)  # fmt: skip


def _outer(low: Lowering, step: Step, x: Var, g: Var, table: Sequence[Sequence[int]],
           arguments: dict[str, Any], flops: int, together: int = 1) -> None:  # fmt: skip
    inward, groups = arguments["inward"], -(-len(table) // together)
    tasks = 1 if flops < SERIAL else -(-TASKS // groups)
    each = even(inward, -(-inward // tasks), low.pixels)
    parts = -(-inward // each)
    arguments |= {
        "parts": parts, "each": each, "rows": max(entry[4] for entry in table),
        "taps": len(table), "together": together,
    }  # fmt: skip
    _summed(low, step, backward.outer, x, g, table, arguments, groups * parts, flops)


def _summed(low: Lowering, step: Step, kernel: Any, x: Var, g: Var, table: Sequence[Sequence[int]],
            arguments: dict[str, Any], tasks: int, flops: int) -> None:  # fmt: skip
    low.add(
        step, kernel, tasks, [step.out], [x, g],
        {"x": low.at(x), "g": low.at(g), "table": integers(table), **arguments}, flops=flops,
    )  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)


class Outer(NamedTuple):
    """A sum over shared letters as products Σ xᵀ g of rows that lie in memory one by one."""

    swapped: bool  # x is the second argument
    rows: int  # of the answer, one after another in x
    columns: int  # one after another in g
    depth: int
    x_row: int
    g_row: int
    y_row: int
    offsets: Sequence[Sequence[int]]  # of each product: of x, g and the answer


def outer_of(of_a: str, a_shape: Sequence[int], of_b: str, b_shape: Sequence[int], out: str,
             swapped: bool = False) -> Outer | None:  # fmt: skip
    """An einsum as such products, if it is that; its letters as `_as_matrices` has them."""
    sizes = dict(zip(of_a, a_shape, strict=True)) | dict(zip(of_b, b_shape, strict=True))
    whole = all(
        sizes[c] == n for s, shape in ((of_a, a_shape), (of_b, b_shape)) for c, n in
        zip(s, shape, strict=True)
    )  # fmt: skip
    rows = [c for c in out if c not in of_b]
    columns = [c for c in out if c not in of_a]
    batch = [c for c in out if c in of_a and c in of_b]
    depth = [c for c in of_a if c in of_b and c not in out]
    every = len(rows + batch + depth) == len(of_a) and len(columns + batch + depth) == len(of_b)
    if not (whole and every and rows and columns and depth):
        return None
    if out[-1] in rows and not swapped:
        return outer_of(of_b, b_shape, of_a, a_shape, out, swapped=True)
    steps = [
        dict(zip(letters, strides_of([sizes[c] for c in letters]), strict=True))
        for letters in (of_a, of_b, out)
    ]

    def step(letters: Sequence[str], along: Mapping[str, int]) -> int:
        found = merged([(sizes[c], along[c], 0) for c in letters])
        return found[0][1] if len(found) == 1 else -1

    a, b, y = steps
    lying = step(rows, a) == step(columns, b) == step(columns, y) == 4
    strides = step(depth, a), step(depth, b), step(rows, y)
    if not lying or -1 in strides:
        return None
    offsets: list[Sequence[int]] = [
        [sum(i * along[c] for i, c in zip(place, batch, strict=True)) for along in steps]
        for place in itertools.product(*(range(sizes[c]) for c in batch))
    ]
    counts = [math.prod(sizes[c] for c in letters) for letters in (rows, columns, depth)]
    return Outer(swapped, counts[0], counts[1], counts[2], *strides, offsets)


def outer(low: Lowering, step: Step, found: Outer) -> None:
    """Products that sum over what lies apart in both arguments."""
    x, g = step.args[::-1] if found.swapped else step.args
    rows, columns = _folded(found.depth)
    table = [[*at, 0, rows, 0, columns] for at in found.offsets]
    arguments = {
        "x_image": 0, "x_row": columns * found.x_row, "x_column": found.x_row, "g_image": 0,
        "g_row": columns * found.g_row, "g_column": found.g_row, "y_row": found.y_row, "images": 1,
        "inward": found.rows, "channels": found.columns, "rows_each": max(1, NEAR // columns),
    }  # fmt: skip
    flops = 2 * len(table) * found.rows * found.columns * found.depth
    _outer(low, step, x, g, table, arguments, flops)
