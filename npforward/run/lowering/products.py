"""Convolutions and products with matrices."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward import kernels, ops
from npforward.kernels.native import conv as products
from npforward.kernels.native import tile, winograd
from npforward.kernels.native.memory import aligned
from npforward.run.lowering.derivatives import outer, outer_of
from npforward.run.lowering.making import (
    HIGH,
    LOW,
    SERIAL,
    TASKS,
    Lowering,
    Product,
    Recorded,
    Weight,
    Work,
    array_of,
    even,
    integers,
    rule,
    strides_of,
    zeros_for,
)
from npforward.run.lowering.moves import Part, arranged, crop_of, merged
from npforward.run.lowering.windows import NOWHERE, fits_conv, geometry_of, tables_of
from npforward.run.program import At, Call
from npforward.tape import Step, Var

FEW = 8  # rows: so few are multiplied by a matrix as it lies in memory
PART = 2**18  # numbers of a matrix that a task sums over
BAND = 96  # pixels that a task takes, about
COPIED = 2**25  # bytes: smaller matrices are copied to where vectors begin with cache lines
SUMMED = products.SUMMED
DEEP, WIDE = 32, 64  # channels, pixels: fewer are not worth being transformed
SQUARES = 64  # of outputs that a task takes, about: enough for weights to be read seldom
PHASES = 4096  # of a transposed convolution, at most
EACH_ALONE = -1  # instead of columns: of functions, only those of each number by itself


@dataclass(frozen=True)
class Block:
    """Some channels of a product: which columns of its matrix, and where they go."""

    column: int
    count: int
    to: int  # bytes into a pixel of the output
    inward: int  # bytes into a pixel of the input
    first: int  # of the runs of memory that the receptive field consists of
    runs: int


@dataclass(frozen=True)
class Matrices:
    """A product of many matrices: how many, their sizes, and where they lie, in bytes."""

    swapped: bool
    count: int
    rows: int
    columns: int
    depth: int
    a_offsets: np.ndarray
    b_offsets: np.ndarray
    y_offsets: np.ndarray
    a_row: int
    b_row: int
    b_column: int
    y_row: int


# ---- for which steps the rules hold ----------------------------------------------------------


def _fits_conv_transpose(r: Recorded, step: Step) -> bool:
    o, (x, w) = step.options, step.args
    if not fits_conv(r, step) or w.ndim != x.ndim or x.shape[-1] != w.shape[-1]:
        return False
    strides, dilation = o["strides"], o["dilation"]
    n = x.ndim - 2
    if not all(_counts(each, n) for each in (strides, dilation)):
        return False
    reach = [
        (m - 1) * s + (k - 1) * d + 1
        for m, k, s, d in zip(x.shape[1:-1], w.shape, strides, dilation, strict=False)
    ]
    space = step.out.shape[1:-1]
    return (
        (step.out.shape[0], step.out.shape[-1]) == (x.shape[0], w.shape[-2])
        and len(space) == n
        and all(a <= b for a, b in zip(reach, space, strict=True))
        and math.prod(strides) <= PHASES
    )


def _fits_matrices(r: Recorded, step: Step) -> bool:
    a, b = step.args
    if not isinstance(a, Var) or not isinstance(b, Var):
        return False
    if r.constant(a) or r.constant(b):
        return r.constant(b) and bool(_dense_depth(step))
    of_a, of_b, out = _equation(step)
    if not of_a:
        return False
    plan = _as_matrices(of_a, a.shape, of_b, b.shape, out, step.out.shape)
    if plan is None:
        return outer_of(of_a, a.shape, of_b, b.shape, out) is not None
    return plan.depth <= 2**14


def _fits_dense(r: Recorded, step: Step) -> bool:
    return r.constant(step.args[1]) and not r.constant(step.args[0])


# ---- rules -----------------------------------------------------------------------------------


@rule(ops.conv, fits=fits_conv)
def conv(low: Lowering, step: Step) -> None:
    x, w = step.args
    o = step.options
    m = kernels.winograd()
    if m and _suits_winograd(step, step.out):
        _winograd(low, step, step, m, [before for before, _ in low.bordered(x)[1][1:-1]])
        return
    _product(
        low, step, x, w, step.out.shape[0], step.out.shape[1:-1], w.shape[:-2], o["strides"],
        o["dilation"], o.get("groups", 1), w.shape[-2], w.shape[-1],
    )  # fmt: skip


@rule(ops.conv_transpose, fits=_fits_conv_transpose)
def conv_transpose(low: Lowering, step: Step) -> None:
    """Left to the step that crops it, if that is all that becomes of it."""
    out = step.out
    user = low.alone(out)
    crop = None if user is None or user.args[0] is not out else crop_of(user)
    if crop is not None:
        low.uncropped[out] = functools.partial(_transposed, low, step)
        return
    _transposed(low, step, step, [0] * (out.ndim - 2))


def _transposed(low: Lowering, conv: Step, step: Step, before: Sequence[int]) -> None:
    """The output of `step` from a transposed convolution, without so many first pixels.

    Pixels of the output that are the stride apart, a phase, are a convolution of the input
    with some of the taps.  Phases are written side by side, as channels are; those of all but
    the last axis to other rows.
    """
    (x, w), out = conv.args, step.out
    m = kernels.winograd()
    if m and _suits_winograd(conv, out):
        _winograd(low, conv, step, m, [2 - b for b in before])
        return
    strides, dilation = conv.options["strides"], conv.options["dilation"]
    space, size, (channels, inward) = out.shape[1:-1], w.shape[:-2], w.shape[-2:]
    axes = [
        _phases(k, s, d, b)
        for k, s, d, b in zip(size, strides, dilation, before, strict=True)
    ]  # fmt: skip
    # Neighbours along the last axis that have taps at the same places are made together.
    last: list[list[int]] = []
    for r, phase in enumerate(axes[-1]):
        if last and [*axes[-1][last[-1][0]]] == [*phase]:
            last[-1].append(r)
        else:
            last.append([r])
    shifts = [[shift for phase in axis for shift in phase] for axis in axes[:-1]]
    shifts.append([shift for together in last for shift in axes[-1][together[0]]])
    many = [-(-o // s) for o, s in zip(space, strides, strict=True)]
    places = [
        np.arange(m)[:, None] + np.array(shift)[None, :]
        for m, shift in zip(many, shifts, strict=True)
    ]
    numbers = np.arange(math.prod(map(len, shifts))).reshape([len(each) for each in shifts])

    whole = [m * s for m, s in zip(many, strides, strict=True)]
    lines = math.prod(strides[:-1])
    product = Product(w, channels, lines * strides[-1], lines)
    pixel = strides[-1] * channels
    to_rows = [r // 4 for r in strides_of((*whole[:-1], many[-1]))[:-1]]
    wide, blocks = low.vectors * low.width, []
    order: list[int] = []  # in which the taps are summed: each block's one after another
    taps: dict[int, list[tuple[int, list[tuple[int, ...]]]]] = {}  # of blocks, by their columns
    starts = [np.cumsum([0, *map(len, axis)]) for axis in axes[:-1]]
    starts.append(np.cumsum([0, *(len(axes[-1][together[0]]) for together in last)]))
    for i, at_phase in enumerate(np.ndindex(*strides[:-1])):
        row = sum(p * r for p, r in zip(at_phase, to_rows, strict=True))
        for g, together in enumerate(last):
            own = [slice(at[p], at[p + 1]) for at, p in zip(starts, (*at_phase, g), strict=True)]
            runs = numbers[tuple(own)].reshape(-1).tolist()
            leading = [axis[p].values() for axis, p in zip(axes, at_phase, strict=False)]
            made = [(r, list(itertools.product(*leading, axes[-1][r].values()))) for r in together]
            first, wanted = together[0] * channels, len(together) * channels
            for c in range(0, wanted, wide):
                column = i * pixel + first + c
                taps[column] = made
                blocks.append(
                    Block(
                        column, min(wide, wanted - c), (row * pixel + first + c) * 4, 0,
                        len(order), len(runs),
                    )
                )  # fmt: skip
            order += runs

    def part(w: np.ndarray, block: Block) -> np.ndarray:
        columns = np.concatenate(
            [
                np.array([w[t].T for t in own]).reshape(-1, inward, channels)
                for _, own in taps[block.column]
            ],
            axis=-1,
        )
        start = block.column % pixel - taps[block.column][0][0] * channels
        return columns.reshape(-1, columns.shape[-1])[:, start : start + block.count]

    strips = [0]
    if lines > 1:
        steps = [r * s for r, s in zip(to_rows, strides[:-1], strict=True)]
        strips = [int(np.dot(q, steps)) for q in np.ndindex(*many[:-1])]
    target = step
    if tuple(whole) != tuple(space):
        target = step._replace(out=Var((out.shape[0], *whole, channels), np.float32, out.tape))
        low.users[target.out] = [step]
    source = low.root(x)
    _tiled(
        low, target, source, tables_of(low, x, places), product, part, blocks, x.shape[0],
        math.prod(many), inward, _pieces(inward), 2 * x.size * math.prod(size) * channels,
        strips, np.argsort(order).tolist(),
    )  # fmt: skip
    if target is not step:
        froms = strides_of(target.out.shape)
        arranged(low, step, [Part(target.out, 0, 0, out.shape, froms, strides_of(out.shape))])


@rule(ops.dense, fits=_fits_dense)
def dense(low: Lowering, step: Step) -> None:
    x, w = step.args
    depth, channels = w.shape[0], math.prod(w.shape[1:])
    _rows_times(low, step, x, w, depth, channels)


def _rows_times(low: Lowering, step: Step, x: Var, w: Var, depth: int, channels: int) -> None:
    rows = x.size // depth
    if rows <= FEW:
        _few_rows(low, step, x, w, rows, depth, channels)
        return
    flat = Var((1, 1, rows, depth), np.float32, x.tape)
    low.roots[flat] = low.root(x)
    _product(low, step, flat, w, 1, (1, rows), (1, 1), (1, 1), (1, 1), 1, depth, channels)


def _product(low: Lowering, step, x, w, images, space, size, strides, dilation, groups, inward,
             channels) -> None:  # fmt: skip
    source, geometry, joined = geometry_of(low, x, space, size, strides, dilation, groups == 1)
    depth, each = math.prod(size) * inward, channels // groups
    product = Product(w, channels)
    wide = low.vectors * low.width
    runs = geometry["row_taps"] * geometry["column_taps"]
    blocks = [
        Block(
            g * each + i, min(wide, each - i), (g * each + i) * 4, g * inward * 4, 0, runs
        )
        for g in range(groups)
        for i in range(0, each, wide)
    ]  # fmt: skip
    pieces = _pieces(joined * inward) if groups == 1 else 1

    def part(w: np.ndarray, block: Block) -> np.ndarray:
        return w.reshape(depth, channels)[:, block.column : block.column + block.count]

    _tiled(
        low, step, source, geometry, product, part, blocks, images, math.prod(space),
        joined * inward, pieces, 2 * images * math.prod(space) * depth * channels,
    )  # fmt: skip


def _tiled(
    low: Lowering,
    step: Step,
    source: Var,
    geometry: Mapping[str, Any],
    product: Product,
    part: Callable[[np.ndarray, Block], np.ndarray],
    blocks: Sequence[Block],
    images: int,
    pixels: int,
    run: int,
    pieces: int,
    flops: int,
    strips: Sequence[int] = (0,),
    order: Sequence[int] | None = None,
) -> Work:
    """A product on tiles, `part` of whose weights is each block's.

    A `run` of the receptive field is cut into pieces.
    """
    width, most = low.width, low.vectors
    columns = product.channels * product.phases
    packed = low.held(
        lambda weight: _packed(product, weight, part, blocks, pieces, width),
        "blocks", step.op.__name__, repr(step.options), product, tuple(blocks), pieces, width,
    )  # fmt: skip
    band = even(pixels, BAND, low.pixels)
    bands = -(-pixels // band)
    groups_of_blocks = min(len(blocks), max(1, -(-TASKS // (images * bands))))
    blocks_each = -(-len(blocks) // groups_of_blocks)
    tasks = -(-len(blocks) // blocks_each) * images * bands
    if flops < SERIAL:
        band, bands, blocks_each, tasks = pixels, 1, len(blocks), images
    taps = geometry["row_taps"] * geometry["column_taps"]
    out = step.out
    work = low.add(
        step, products.conv, tasks, [out], [source],
        {
            **geometry, "y_pixel": columns * 4 // product.lines,
            "blocks": packed, "block_count": len(blocks), "blocks_each": blocks_each,
            "images": images, "pixels": pixels, "band": band, "bands": bands,
            "strip": pixels // len(strips), "strips": integers(strips),
            "image_rows": pixels * product.lines,
            "order": integers(range(taps) if order is None else order),
            "zeros": zeros_for(run), "run": run // pieces, "pieces": pieces,
            "runs_each": max(1, SUMMED // (run // pieces)),
            "low": LOW, "high": HIGH,
        },
        raw=out, columns=columns if product.phases == 1 else EACH_ALONE, product=product,
        flops=flops, scratch=band * (taps * pieces * 8 + most * width * 4) + 64,
    )  # fmt: skip
    work.call.nbytes = 4 * product.weights.size
    return work


def _suits_winograd(conv: Step, out: Var) -> bool:
    (x, w), o = conv.args, conv.options
    return (
        w.shape[:-2] == (3, 3) and x.shape[-1] >= DEEP and o.get("groups", 1) == 1
        and math.prod(out.shape[1:-1]) >= WIDE
        and tuple(o["strides"]) == tuple(o["dilation"]) == (1, 1)
    )  # fmt: skip


def _winograd(low: Lowering, conv: Step, step: Step, m: int, border: Sequence[int]) -> None:
    """A convolution by squares of m x m outputs, with so many zeros before each axis.

    A transposed one is a convolution by the kernels turned round.
    """
    (x, w), out = conv.args, step.out
    turned = conv.op is ops.conv_transpose
    inward, channels = x.shape[-1], out.shape[-1]
    images, high, long = out.shape[:-1]
    source, _ = low.bordered(x)
    down, across = -(-high // m), -(-long // m)
    begins = []
    for axis, count in ((1, down), (2, across)):
        where = np.arange(count * m + 2) - border[axis - 1]
        inside = (where >= 0) & (where < source.shape[axis])
        begins.append(np.where(inside, where * strides_of(source.shape)[axis], NOWHERE))
    product = Product(w, channels)
    wide = low.vectors * low.width
    shape = [(i, min(wide, channels - i)) for i in range(0, channels, wide)]
    depth = -(-inward // tile.UNROLL) * tile.UNROLL
    squares = down * across
    each = even(squares, SQUARES, low.pixels)
    chunks = -(-squares // each)
    # Each group transforms the same inputs: fewer of them than of other tasks.
    groups = min(len(shape), -(-TASKS // (2 * images * chunks)))
    blocks_each = -(-len(shape) // groups)

    blocks = low.held(
        lambda weight: _transformed(product, turned, weight, shape, depth, m, low.width),
        "squares", product, turned, tuple(shape), depth, m, low.width,
    )  # fmt: skip
    work = low.add(
        step, winograd.KERNELS[m], -(-len(shape) // blocks_each) * images * chunks, [out],
        [source],
        {
            "x": low.at(source), "x_image": math.prod(source.shape[1:]) * 4,
            "y_pixel": channels * 4, "blocks": blocks, "block_count": len(shape),
            "blocks_each": blocks_each, "images": images, "squares": squares,
            "across": across, "each": each, "chunks": chunks, "channels": inward,
            "depth": depth, "rows": integers(begins[0]), "columns": integers(begins[1]),
            "column_length": high, "row_length": long, "pixels": high * long,
            "zeros": zeros_for(inward), "low": LOW, "high": HIGH,
        },
        raw=out, columns=channels, product=product,
        flops=2 * images * squares * (m + 2) ** 2 * inward * channels,
        scratch=winograd.scratch_bytes(m, each, depth, wide, blocks_each * wide),
    )  # fmt: skip
    work.call.nbytes = 4 * (m + 2) ** 2 * inward * channels


def _few_rows(
    low: Lowering, step: Step, x: Var, w: Var, rows: int, depth: int, channels: int
) -> None:
    """Each part of the depth has a sum of its own: the same sums for any number of threads."""
    parts = max(1, min(8, depth * channels // PART))
    part = -(-depth // (parts * products.ROWS)) * products.ROWS
    parts = -(-depth // part)
    product = Product(w, channels)

    def matrix(weight: Weight) -> np.ndarray:
        found = array_of(weight, w).astype(np.float32, copy=False).reshape(depth, channels)
        scale = product.scale(weight, channels)
        if scale is None and found.nbytes > COPIED:
            return np.ascontiguousarray(found)  # read where the file has it
        matrix = aligned((depth, channels))
        matrix[...] = found if scale is None else found * scale
        return matrix

    sums = low.spare(parts * rows * channels * 4)
    partial = Call(
        products.few_rows,
        {
            "x": low.at(x), "x_row": depth * 4, "w": low.held(matrix, "matrix", product),
            "bias": low.bias(product, channels), "y": At(sums),
            "y_row": channels * 4, "rows": rows,
            "depth": depth, "columns": channels, "part": part, "parts": parts,
        },
        parts, scope=step.scope, flops=2 * rows * depth * channels,
        nbytes=4 * depth * channels,
    )  # fmt: skip
    low.works.append(Work(partial, step.out.size, None, [], [low.root(x)]))
    low.add(
        step, products.add_parts, 1, [step.out], [],
        {"x": At(sums), "parts": parts, "rows": rows, "columns": channels,
         "low": LOW, "high": HIGH},
        raw=step.out, columns=channels, product=product,
    )  # fmt: skip


@rule(ops.matmul, ops.einsum, fits=_fits_matrices)
def matrices(low: Lowering, step: Step) -> None:
    """Rows times a constant matrix, or products of many matrices."""
    a, b = step.args
    depth = _dense_depth(step) if low.constant(b) else None
    if depth:
        _rows_times(low, step, a, b, depth, b.size // depth)
        return
    of_a, of_b, out = _equation(step)
    plan = _as_matrices(of_a, a.shape, of_b, b.shape, out, step.out.shape)
    if plan is None:
        found = outer_of(of_a, a.shape, of_b, b.shape, out)
        assert found is not None, "fits() lets no other pass"
        outer(low, step, found)
        return
    if plan.swapped:
        a, b = b, a
    rows, columns, depth = plan.rows, plan.columns, plan.depth
    # Each band lays out the second matrix anew: long bands where there are enough of them.
    band = even(rows, (8 if plan.count < TASKS else 32) * low.pixels, low.pixels)
    bands = -(-rows // band)
    wide = low.vectors * low.width
    low.add(
        step, products.matmul, plan.count * bands, [step.out], [a, b],
        {
            "a": low.at(a), "b": low.at(b), "a_offsets": integers(plan.a_offsets),
            "b_offsets": integers(plan.b_offsets), "y_offsets": integers(plan.y_offsets),
            "a_row": plan.a_row, "b_row": plan.b_row, "b_column": plan.b_column,
            "y_row": plan.y_row, "rows": rows, "columns": columns, "depth": depth,
            "band": band, "bands": bands,
        },
        flops=2 * plan.count * rows * columns * depth,
        scratch=band * (8 + wide * 4) + wide * 4 * (depth + 1) + 64,
    )  # fmt: skip
    low.works[-1].call.arguments["y"] = low.at(step.out)


# ---- what they are made of -------------------------------------------------------------------


def _packed(
    product: Product,
    weight: Weight,
    part: Callable[[np.ndarray, Block], np.ndarray],
    blocks: Sequence[Block],
    pieces: int,
    width: int,
) -> np.ndarray:
    """The table of blocks of a product, its weights laid out for the tiles."""
    channels = product.channels * product.phases
    w = array_of(weight, product.weights).astype(np.float32, copy=False)
    scale, shift = product.scale(weight, channels), product.shift(weight, channels)
    shift = np.broadcast_to(np.asarray(shift), channels)
    parts = [part(w, block) for block in blocks]
    wide = [-(-block.count // width) * width for block in blocks]
    sizes = [n * (len(rows) + 1) for n, rows in zip(wide, parts, strict=True)]
    memory = aligned((sum(sizes),))
    memory[:] = 0
    entries, at = [], 0
    for block, rows, columns, size in zip(blocks, parts, wide, sizes, strict=True):
        here = slice(block.column, block.column + block.count)
        laid = memory[at : at + size].reshape(-1, columns)
        laid[0, : block.count] = shift[here]
        laid[1:, : block.count] = rows if scale is None else rows * scale[here]
        address = laid.ctypes.data
        entries.append(
            (address + columns * 4, address, block.to, block.count, block.inward,
             columns // width, block.first * pieces, block.runs * pieces)
        )  # fmt: skip
        at += size
    return _Holding.of(entries, memory)


def _transformed(product: Product, turned: bool, weight: Weight, shape: Sequence[tuple[int, int]],
                 depth: int, m: int, width: int) -> np.ndarray:  # fmt: skip
    """The table of blocks of a convolution by squares, its weights transformed in float64."""
    w = array_of(weight, product.weights).astype(np.float64)
    w = w[::-1, ::-1].swapaxes(-1, -2) if turned else w
    inward, channels = w.shape[-2:]
    scale, shift = product.scale(weight, channels), product.shift(weight, channels)
    shift = np.broadcast_to(np.asarray(shift), channels)
    g = winograd.matrices(m)[1]
    w = w if scale is None else w * scale
    with np.errstate(all="ignore"):
        u = np.einsum("ia,jb,abcf->ijcf", g, g, w, optimize=True).astype(np.float32)
    lost = ~np.isfinite(u).all(axis=(0, 1, 2))
    if lost.any():  # not with numbers: what gives the weights back
        places, factors = winograd.corners(m)
        u[..., lost] = 0
        for i, j in itertools.product(range(3), repeat=2):
            u[places[i], places[j]][:, lost] = w[i, j][:, lost] / (factors[i] * factors[j])
    u = u.reshape(-1, inward, channels)
    wide = [-(-count // width) * width for _, count in shape]
    rows = len(u) * depth + 2
    memory = aligned((sum(wide) * rows,))
    memory[:] = 0
    entries, at = [], 0
    for (first, count), columns in zip(shape, wide, strict=True):
        block = memory[at : at + columns * rows].reshape(rows, columns)
        here = slice(first, first + count)
        block[-2, :count], block[-1, :count] = shift[here], np.where(lost[here], np.nan, 0)
        block[:-2].reshape(len(u), depth, columns)[:, :inward, :count] = u[:, :, here]
        address = block.ctypes.data
        entries.append(
            (address, address + (rows - 2) * columns * 4, first * 4, count, columns // width)
        )
        at += columns * rows
    return _Holding.of(entries, memory)


class _Holding(np.ndarray):
    """An array of addresses, which keeps what they point to."""

    holds: Any = None

    @classmethod
    def of(cls, entries: Sequence[Sequence[int]], memory: np.ndarray) -> np.ndarray:
        table = np.array(entries, np.int64).view(cls)
        table.holds = memory
        return table


def _phases(taps: int, stride: int, dilation: int, before: int) -> list[dict[int, int]]:
    """For each phase of a transposed convolution along an axis: how far from a pixel of it the
    input is that each tap takes, {how far: tap}.

    Examples
    --------
    >>> _phases(3, 2, 1, 0)
    [{-1: 2, 0: 0}, {0: 1}]
    """
    found: list[dict[int, int]] = [{} for _ in range(stride)]
    for tap in reversed(range(taps)):
        at = tap * dilation - before
        found[at % stride][(at % stride - at) // stride] = tap
    return found


def _pieces(run: int) -> int:
    """Into how many equal parts to cut a run, so that each is about `SUMMED` at most."""
    least = math.ceil(run / SUMMED)
    return next((n for n in range(least, 2 * least) if run % n == 0), 1)


def _as_matrices(of_a: str, a_shape: Sequence[int], of_b: str, b_shape: Sequence[int], out: str,
                 out_shape: Sequence[int], swapped: bool = False) -> Matrices | None:  # fmt: skip
    """A sum over shared letters as products of matrices, if it is one that kernels know."""
    if any(len(set(letters)) < len(letters) for letters in (of_a, of_b, out)):
        return None
    if set(of_a) - set(of_b) - set(out) or set(of_b) - set(of_a) - set(out):
        return None
    columns = [c for c in out if c not in of_a]
    if not swapped and out[-1:] not in columns:
        return _as_matrices(of_b, b_shape, of_a, a_shape, out, out_shape, swapped=True)
    rows = [c for c in out if c not in of_b]
    batch = [c for c in out if c in of_a and c in of_b]
    depth = [c for c in of_a if c in of_b and c not in out]
    sizes = dict(zip(out, out_shape, strict=True))
    strides = []
    for letters, shape in ((of_a, a_shape), (of_b, b_shape), (out, out_shape)):
        steps = dict(zip(letters, strides_of(shape), strict=True))
        for letter, n in zip(letters, shape, strict=True):
            if n != sizes.setdefault(letter, n):
                if n != 1:
                    return None
                steps[letter] = 0  # broadcast
        strides.append(steps)
    a, b, y = strides

    def step(letters: Sequence[str], steps: Mapping[str, int]) -> int | None:
        """How far it is from one to the next of several axes that are walked as one."""
        found = merged([(sizes[c], steps[c], 0) for c in letters])
        if len(found) > 1:
            return None
        return found[0][1] if any(sizes[c] > 1 for c in letters) else 4

    found = [step(rows, a), step(depth, a), step(depth, b), step(columns, b), step(rows, y),
             step(columns, y)]  # fmt: skip
    if None in found or found[1] != 4 or found[5] != 4 or not columns:
        return None

    def offsets(steps: Mapping[str, int]) -> np.ndarray:
        total = np.zeros((1,), np.int64)
        for c in batch:
            total = (total[:, None] + np.arange(sizes[c]) * steps[c]).reshape(-1)
        return total

    def count(letters: Sequence[str]) -> int:
        return math.prod(sizes[c] for c in letters)

    return Matrices(
        swapped, count(batch), count(rows), count(columns), count(depth), offsets(a), offsets(b),
        offsets(y), found[0] or 0, found[2] or 0, found[3] or 0, found[4] or 0,
    )  # fmt: skip


def _equation(step: Step) -> tuple[str, str, str]:
    """The letters of an einsum's arguments and answer; empty where it has an ellipsis."""
    if step.op is ops.matmul:
        return _matmul_letters(step)
    equation = step.options["equation"].replace(" ", "")
    ins, _, out = equation.partition("->")
    parts = ins.split(",")
    if "..." in equation or len(parts) != 2:
        return "", "", ""
    return parts[0], parts[1], out


def _dense_depth(step: Step) -> int | None:
    """The size summed over, if an einsum is rows times one matrix."""
    of_a, of_b, out = _equation(step)
    for k in range(1, min(len(of_a), len(of_b))):
        if of_a[-k:] == of_b[:k] and out == of_a[:-k] + of_b[k:] and len(set(of_a + of_b)) == (
            len(of_a) + len(of_b) - k
        ):  # fmt: skip
            return math.prod(step.args[1].shape[:k])
    return None


def _counts(values: Any, n: int) -> bool:
    """Whether these are n whole numbers from 1 on."""
    return isinstance(values, (list, tuple)) and len(values) == n and all(
        isinstance(v, (int, np.integer)) and v > 0 for v in values
    )  # fmt: skip


def _matmul_letters(step: Step) -> tuple[str, str, str]:
    """A matrix product as an einsum; empty where it is of vectors."""
    a, b = step.args
    if a.ndim < 2 or b.ndim < 2:
        return "", "", ""
    out = "".join(chr(97 + i) for i in range(step.out.ndim))
    lead_a, lead_b = out[:-2][-(a.ndim - 2) or 99 :], out[:-2][-(b.ndim - 2) or 99 :]
    return f"{lead_a}{out[-2]}z", f"{lead_b}z{out[-1]}", out
