"""Pooling, depthwise convolution, reductions and resampling: windows over pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npforward import ops
from npforward.kernels.native import elementwise as chains
from npforward.kernels.native import spatial
from npforward.kernels.native.memory import aligned
from npforward.run.lowering.derivatives import row_sums
from npforward.run.lowering.making import (
    HIGH,
    LOW,
    SERIAL,
    Lowering,
    Product,
    Recorded,
    Weight,
    array_of,
    even,
    integers,
    rule,
    strides_of,
)
from npforward.run.lowering.moves import absorbs, fits_move, moved
from npforward.run.program import Constant
from npforward.tape import Step, Var

TAPS = 4096  # of a window, at most: a sum of more loses too much
NOWHERE = -(2**60)  # in tables of where taps begin: in the border


# ---- for which steps the rules hold ----------------------------------------------------------


def fits_conv(r: Recorded, step: Step) -> bool:
    x, w = step.args
    return r.constant(w) and isinstance(w, Var) and not r.constant(x) and x.ndim in (3, 4, 5)


def _fits_depthwise(r: Recorded, step: Step) -> bool:
    return fits_conv(r, step) and step.args[1].shape[-1] == 1


def _fits_pool(r: Recorded, step: Step) -> bool:
    x = step.args[0]
    if x.ndim not in (3, 4, 5) or math.prod(step.options["size"]) > TAPS:
        return False
    widths = [tuple(pair) for pair in step.options.get("widths") or ()]
    if not any(pair != (0, 0) for pair in widths):
        return True
    border = r.makers.get(x)  # the mean is of what is no border: it must be known as such
    return (
        border is not None and border.op is ops.pad and x not in r.wanted
        and [tuple(pair) for pair in border.options["widths"]] == widths
        and all(s.args[0] is x and absorbs(s, border.options.get("value", 0)) for s in r.users[x])
        and border.args[0].dtype == np.float32
    )  # fmt: skip


def _fits_reduced(r: Recorded, step: Step) -> bool:
    x, axes = step.args[0], _axes(step)
    if step.options.get("initial") is not None or not axes:
        return False
    if axes == (x.ndim - 1,) or (step.op is ops.sum and axes == _before_last(x, axes)):
        return True
    space = tuple(range(1, x.ndim - 1))
    return (
        axes == space and x.ndim in (3, 4, 5) and step.op is not ops.sum
        and math.prod(x.shape[1:-1]) <= TAPS
    )  # fmt: skip


def _fits_resample(r: Recorded, step: Step) -> bool:
    return _slices(step) is not None


# ---- rules -----------------------------------------------------------------------------------


def geometry_of(
    low: Lowering,
    x: Var,
    out: Sequence[int],
    size: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    runs: bool,
) -> tuple[Var, dict[str, Any], int]:
    """Where the taps of each row and column of the output begin; with `runs`, whole rows of
    taps at once, if they lie one after another."""
    source, widths = low.bordered(x)
    n = len(size)
    before = [widths[i + 1][0] for i in range(n)]
    joined = runs and dilation[-1] == 1 and widths[n] == (0, 0)
    begins: list[np.ndarray] = []  # for each axis: (out, taps)
    for i in range(n):
        o = np.arange(out[i])[:, None] * strides[i] - before[i]
        begins.append(o + np.arange(size[i])[None, :] * dilation[i])
    if joined:
        begins[-1] = begins[-1][:, :1]
    return source, tables_of(low, source, begins), (size[-1] if joined else 1)


def tables_of(low: Lowering, source: Var, places: Sequence[np.ndarray]) -> dict[str, Any]:
    """The tables of where taps begin, from the place of each along its axis: (out, taps)."""
    shape, rows = source.shape, np.zeros((1, 1), np.int64)
    strides = strides_of(shape)[1:-1]
    begins = [
        np.where((place >= 0) & (place < inside), place * stride, NOWHERE).astype(np.int64)
        for place, inside, stride in zip(places, shape[1:-1], strides, strict=True)
    ]
    columns = begins.pop()
    for begin in begins:  # (R, T), (r, t) -> (R r, T t)
        both = rows[:, None, :, None] + begin[None, :, None, :]
        both[(rows[:, None, :, None] < 0) | (begin[None, :, None, :] < 0)] = NOWHERE
        rows = both.reshape(rows.shape[0] * begin.shape[0], -1)
    return {
        "x": low.at(source),
        "x_image": math.prod(shape[1:]) * 4,
        "row_length": columns.shape[0],
        "rows": integers(rows),
        "row_taps": rows.shape[1],
        "columns": integers(columns),
        "column_taps": columns.shape[1],
    }


@rule(ops.depthwise_conv, fits=_fits_depthwise)
def depthwise(low: Lowering, step: Step) -> None:
    x, w = step.args
    size, channels = w.shape[:-2], w.shape[-2]
    images, space = step.out.shape[0], step.out.shape[1:-1]
    strides, dilation = step.options["strides"], step.options["dilation"]
    source, geometry, _ = geometry_of(low, x, space, size, strides, dilation, False)
    pixels = math.prod(space)
    product = Product(w, channels)
    most = max(1, 2**15 // (4 * channels))
    band = even(pixels, most, space[-1] if 2 * most >= space[-1] else 1)
    flops = 2 * images * pixels * channels * math.prod(size)
    if flops < SERIAL:
        band = pixels

    def weights(weight: Weight) -> np.ndarray:
        packed = aligned((math.prod(size), channels))
        packed[...] = array_of(weight, w).reshape(-1, channels)
        scale = product.scale(weight, channels)
        if scale is not None:
            packed[...] = packed * scale
        return packed

    bands = -(-pixels // band)
    _, widths = low.bordered(x)
    reach, before = (size[-1] - 1) * dilation[-1], widths[-2][0]
    inner_first = -(-before // strides[-1])
    inner_last = (source.shape[-2] + before - reach - 1) // strides[-1] + 1
    low.add(
        step, spatial.depthwise, images * bands, [step.out], [source],
        {
            **geometry, "weights": low.held(weights, "depthwise", product),
            "bias": low.bias(product, channels),
            "channels": channels, "images": images, "pixels": pixels, "band": band,
            "bands": bands, "inner_first": inner_first, "inner_last": inner_last,
            "pixel_step": strides[-1] * channels * 4, "tap_step": dilation[-1] * channels * 4,
            "low": LOW, "high": HIGH,
        },
        raw=step.out, columns=channels, product=product, flops=flops,
    )  # fmt: skip


def _windows(low: Lowering, step: Step, x: Var, size: Sequence[int], strides: Sequence[int],
             space: Sequence[int], mean: bool) -> None:  # fmt: skip
    source, geometry, _ = geometry_of(low, x, space, size, strides, (1,) * len(size), False)
    images, channels, pixels = source.shape[0], source.shape[-1], math.prod(space)
    taps = math.prod(size)
    work = images * pixels * taps * channels
    band = pixels if work < SERIAL else even(pixels, max(1, 2**15 // (4 * channels * taps)), 1)
    bands = -(-pixels // band)
    low.add(
        step, spatial.pool, images * bands, [step.out], [source],
        {
            **geometry, "channels": channels, "images": images, "pixels": pixels,
            "band": band, "bands": bands, "mean": int(mean),
        },
        scratch=taps * 8 + 64,
    )  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)


@rule(ops.max_pool, ops.average_pool, fits=_fits_pool)
def pool(low: Lowering, step: Step) -> None:
    o = step.options
    mean = step.op is ops.average_pool
    _windows(low, step, step.args[0], o["size"], o["strides"], step.out.shape[1:-1], mean)


@rule(ops.mean, ops.max, ops.sum, fits=_fits_reduced)
def reduced(low: Lowering, step: Step) -> None:
    x = step.args[0]
    axes = _axes(step)
    name = {ops.mean: "mean", ops.max: "max", ops.sum: "sum"}[step.op]
    if axes == (x.ndim - 1,):
        if x.shape[-1] <= chains.PIECE:
            low.link(step, f"row_{name}", [x])
        else:
            low.long_row(step, chains.reduce_row, {"function": chains.code(f"row_{name}")})
        return
    if step.op is ops.sum:
        row_sums(low, step, x, math.prod(x.shape[: axes[0]]))
        return
    size = x.shape[1:-1]
    _windows(low, step, x, size, (1,) * len(size), (1,) * len(size), name == "mean")


@rule(ops.resample, ops.interpolate, ops.take, fits=_fits_resample)
def resample(low: Lowering, step: Step) -> None:
    found = _slices(step)
    assert found is not None, "fits() lets no other pass"
    axis, kind, index, weights = found
    x = step.args[0]
    inner, (outs, taps) = math.prod(x.shape[axis + 1 :]), index.shape
    places = math.prod(x.shape[:axis])
    each = even(outs, max(1, 2**15 // (inner * taps)), 1)
    parts = -(-outs // each)
    packed = weights.astype(np.float32)
    low.add(
        step, spatial.resample, places * parts, [step.out], [x],
        {
            "x": low.at(x), "kind": kind, "index": integers(index * (inner * 4)),
            "weights": Constant(lambda weight: packed), "taps": taps, "outs": outs,
            "each": each, "parts": parts, "x_slice": x.shape[axis] * inner * 4,
            "inner": inner,
        },
    )  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)


@rule(ops.repeat, fits=lambda r, step: _fits_resample(r, step) or fits_move(r, step))
def repeat(low: Lowering, step: Step) -> None:
    (resample if _slices(step) else moved)(low, step)


# ---- what they are made of -------------------------------------------------------------------


def _slices(step: Step) -> tuple[int, int, np.ndarray, np.ndarray] | None:
    """What `resample` makes along an axis: (axis, kind, (outs, taps) slices, weights)."""
    x, o = step.args[0], step.options
    axis = o["axis"]
    if not isinstance(x, Var) or type(axis) is not int or not 0 <= axis < x.ndim:
        return None
    if step.op is ops.resample:
        kind, index, weights = spatial.SUM, o["index"], o["weight"]
    elif step.op is ops.interpolate:
        kind, weights = spatial.BETWEEN, o["share"]
        ends = o["before"], o["after"]
        if not all(isinstance(e, np.ndarray) and e.shape == np.shape(weights) for e in ends):
            return None
        index = np.stack(ends, axis=-1)
    else:
        kind, weights = spatial.TAKEN, np.zeros(0)
        if step.op is ops.take:
            index = step.args[1]
        elif isinstance(o["repeats"], tuple):
            index = np.repeat(np.arange(x.shape[axis]), o["repeats"])
        else:
            return None
        index = index.reshape(-1, 1) if isinstance(index, np.ndarray) else None
    if not isinstance(index, np.ndarray) or not isinstance(weights, np.ndarray):
        return None
    whole = index.ndim == 2 and index.size and index.dtype.kind in "iu"
    if not whole or index.min() < 0 or index.max() >= x.shape[axis]:
        return None
    wanted = {spatial.SUM: index.shape, spatial.BETWEEN: index.shape[:1], spatial.TAKEN: (0,)}
    if weights.shape != wanted[kind] or weights.dtype.kind not in "fiu":
        return None
    return axis, kind, index.astype(np.int64), weights


def _before_last(x: Var, axes: Sequence[int]) -> tuple[int, ...]:
    """All axes from the first of these on, but the last."""
    return tuple(range(min(axes), x.ndim - 1))


def _axes(step: Step) -> tuple[int, ...]:
    axis, ndim = step.options.get("axis"), step.args[0].ndim
    axes = range(ndim) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    return tuple(sorted(a % ndim if isinstance(a, (int, np.integer)) else ndim for a in axes))
