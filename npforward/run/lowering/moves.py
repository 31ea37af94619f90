"""Views, borders, and what but moves numbers about."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npforward import ops
from npforward.kernels.native import arrange as arranging
from npforward.kernels.native import spatial
from npforward.ops.scan import SCAN
from npforward.run.lowering.making import (
    Lowering,
    Recorded,
    Work,
    bits,
    is_number,
    rule,
    strides_of,
)
from npforward.run.program import At, Call, Constant
from npforward.tape import Step, Var

MOVED = 2**13  # numbers that a task moves
# Channels: of fewer, all taps of a row are read as one, for which the border must be there.
THIN = 24


class Part(NamedTuple):
    """Numbers that move together: from where, to where in the output, in bytes."""

    x: Any  # a Var or a Constant
    start: int
    to: int
    sizes: Sequence[int]
    froms: Sequence[int]
    tos: Sequence[int]


# ---- for which steps the rules hold ----------------------------------------------------------


def _fits_pad(r: Recorded, step: Step) -> bool:
    widths = [tuple(pair) for pair in step.options["widths"]]
    value = step.options.get("value", 0)
    if not is_number(value):
        return False
    names = r.names(step.out)
    users = [s for name in names for s in r.users.get(name, []) if s.out not in names]
    absorbed = (
        names.isdisjoint(r.wanted) and bool(users)
        and step.args[0].ndim in (3, 4, 5) and widths[0] == widths[-1] == (0, 0)
        and all(absorbs(s, value) and s.args[0] in names and r.holds(s) for s in users)
    )  # fmt: skip
    return absorbed or _in_space(widths, step.args[0].ndim) or fits_move(r, step)


def fits_move(r: Recorded, step: Step) -> bool:
    parts = MOVES[step.op](step)
    return parts is not None and all(
        len(merged(list(zip(p.sizes, p.froms, p.tos, strict=True)))) <= arranging.AXES
        for p in parts
    )


def _fits_getitem(r: Recorded, step: Step) -> bool:
    key = step.options["key"]
    key = key if isinstance(key, tuple) else (key,)
    basic = all(
        k is None or k is Ellipsis or isinstance(k, (slice, int, np.integer)) for k in key
    ) and not any(isinstance(k, bool) for k in key)
    return basic and len(step.args) == 1 and fits_move(r, step)


def _fits_concatenate(r: Recorded, step: Step) -> bool:
    given = all(isinstance(a, Var) and not r.constant(a) for a in step.args)
    return given and fits_move(r, step)


# ---- rules -----------------------------------------------------------------------------------


@rule(ops.transpose, fits=fits_move)
def transpose(low: Lowering, step: Step) -> None:
    x = step.args[0]
    strides = _strides_of_transposed(step)
    users = [s.op for s in low.users.get(step.out, [])]
    if step.out not in low.outside and users == [SCAN]:
        low.strided[step.out] = (low.root(x), strides)
        return
    moved(low, step)


@rule(ops.flip, ops.roll, ops.broadcast_to, fits=fits_move)
@rule(ops.concatenate, fits=_fits_concatenate)
@rule(ops.put_back, fits=_fits_getitem)
def moved(low: Lowering, step: Step) -> None:
    parts = MOVES[step.op](step)
    assert parts is not None, "fits() lets no other pass"
    arranged(low, step, parts)


def arranged(low: Lowering, step: Step, parts: Sequence[Part]) -> None:
    """The output put together from parts."""
    out = step.out
    first = True
    for x, x_offset, offset, sizes, froms, tos in parts:
        axes = merged(list(zip(sizes, froms, tos, strict=True)))
        missing = arranging.AXES - len(axes)
        if len(axes) > 1:
            axes = axes[:1] + [(1, 0, 0)] * missing + axes[1:]
        else:
            axes = [(1, 0, 0)] * missing + axes
        each = max(1, MOVED // math.prod(size for size, _, _ in axes[1:]))
        arguments: dict[str, Any] = {
            "each": each,
            "x": At(low.buffer(x), x_offset) if isinstance(x, Var) else x,
        }
        for i, (size, a, b) in enumerate(axes):
            arguments |= {f"size{i}": size, f"from{i}": a, f"to{i}": b}
        made = [out] if first else []
        call = Call(arranging.arrange, arguments, -(-axes[0][0] // each), scope=step.scope)
        reads = [low.root(x)] if isinstance(x, Var) else []
        work = Work(call, out.size, None, made, reads)
        low.works.append(work)
        if first:
            low.maker[out] = work
            first = False
        call.arguments["y"] = At(low.buffer(out), offset)


@rule(ops.getitem, fits=_fits_getitem)
def getitem(low: Lowering, step: Step) -> None:
    x = step.args[0]
    if x in low.uncropped:
        crop = crop_of(step)
        assert crop is not None
        low.uncropped[x](step, crop)
        return
    moved(low, step)


@rule(ops.pad, fits=_fits_pad)
def pad(low: Lowering, step: Step) -> None:
    out, x, widths = step.out, step.args[0], step.options["widths"]
    value = step.options.get("value", 0)
    users = low.users.get(out, [])
    if out not in low.outside and users and all(
        absorbs(s, value) and low.root(s.args[0]) is out and s.args[0].shape == out.shape
        for s in users
    ):  # fmt: skip
        low.borders[out] = (x, widths)
        return
    if not _in_space(widths, x.ndim):
        moved(low, step)
        return
    shape = x.shape if x.ndim == 4 else (x.shape[0], 1, *x.shape[1:])
    (top, bottom), (left, right) = widths[1:3] if x.ndim == 4 else ((0, 0), widths[1])
    work = low.add(
        step, spatial.border, shape[0] * (shape[1] + top + bottom), [out], [x],
        {
            "x": low.at(x), "images": shape[0], "rows": shape[1], "columns": shape[2],
            "before_rows": top, "after_rows": bottom, "before_columns": left,
            "after_columns": right, "pixel": shape[3] * 4, "value": bits(value),
        },
    )  # fmt: skip
    work.call.arguments["y"] = low.at(out)


# ---- what they are made of -------------------------------------------------------------------


def merged(axes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(size, from, to) of axes that can be walked as one, joined; none of size 1."""
    found: list[tuple[int, int, int]] = []
    for size, a, b in axes:
        if size == 1:
            continue
        if found and found[-1][1:] == (size * a, size * b):
            found[-1] = (found[-1][0] * size, a, b)
        else:
            found.append((size, a, b))
    return found or [(1, 4, 4)]


def _sliced(shape: Sequence[int], key: Any) -> tuple[int, list[int], list[int]]:
    """Where a basic index begins in memory, and the strides and sizes of what it takes."""
    key = key if isinstance(key, tuple) else (key,)
    if Ellipsis in [k for k in key if k is Ellipsis]:
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        named = sum(1 for k in key if k is not None and k is not Ellipsis)
        key = (*key[:at], *[slice(None)] * (len(shape) - named), *key[at + 1 :])
    strides = strides_of(shape)
    start, froms, sizes, axis = 0, [], [], 0
    for k in key:
        if k is None:
            froms.append(0)
            sizes.append(1)
            continue
        n = shape[axis]
        if isinstance(k, slice):
            first, stop, step = k.indices(n)
            sizes.append(len(range(first, stop, step)))
            froms.append(strides[axis] * step)
            start += first * strides[axis]
        else:
            start += (int(k) + n if k < 0 else int(k)) * strides[axis]
        axis += 1
    for i in range(axis, len(shape)):
        froms.append(strides[i])
        sizes.append(shape[i])
    return start, froms, sizes


def _strides_of_transposed(step: Step) -> list[int]:
    x, axes = step.args[0], step.options.get("axes")
    axes = range(x.ndim)[::-1] if axes is None else axes
    return [strides_of(x.shape)[a] for a in axes]


def _transposed_parts(step: Step) -> list[Part]:
    out = step.out.shape
    return [Part(step.args[0], 0, 0, out, _strides_of_transposed(step), strides_of(out))]


def _parts_of_slices(step: Step) -> list[Part]:
    x = step.args[0]
    start, froms, sizes = _sliced(x.shape, step.options["key"])
    return [Part(x, start, 0, sizes, froms, strides_of(sizes))]


def _parts_put_back(step: Step) -> list[Part]:
    """Zeros, and over them what is put back."""
    g, out = step.args[0], step.out.shape
    start, tos, sizes = _sliced(out, step.options["key"])
    zero = Constant(lambda weight: np.zeros(1, np.float32))
    return [
        Part(zero, 0, 0, out, [0] * len(out), strides_of(out)),
        Part(g, 0, start, sizes, strides_of(sizes), tos),
    ]


def _joined_parts(step: Step) -> list[Part]:
    axis = step.options["axis"] % step.out.ndim
    strides = strides_of(step.out.shape)
    parts, at = [], 0
    for x in step.args:
        parts.append(Part(x, 0, at * strides[axis], x.shape, strides_of(x.shape), strides))
        at += x.shape[axis]
    return parts


def _along(axis: Any, ndim: int) -> list[int] | None:
    """Different axes, counted from 0; None if they are no such thing."""
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    if not all(isinstance(a, (int, np.integer)) and -ndim <= a < ndim for a in axes):
        return None
    found = [int(a) % ndim for a in axes]
    return found if len(set(found)) == len(found) else None


def _flipped_parts(step: Step) -> list[Part] | None:
    x, axis = step.args[0], step.options.get("axis")
    axes = list(range(x.ndim)) if axis is None else _along(axis, x.ndim)
    if axes is None:
        return None
    strides = strides_of(x.shape)
    froms = [-s if a in axes else s for a, s in enumerate(strides)]
    start = sum((x.shape[a] - 1) * strides[a] for a in axes)
    return [Part(x, start, 0, x.shape, froms, strides)]


def _rolled_parts(step: Step) -> list[Part] | None:
    x, shift, axis = step.args[0], step.options["shift"], step.options.get("axis")
    shape = (x.size,) if axis is None else x.shape
    axes = [0] if axis is None else _along(axis, x.ndim)
    shifts = shift if isinstance(shift, (list, tuple)) else [shift]
    if axes is None or len(axes) != len(shifts) or len(axes) > 3:
        return None
    if not all(isinstance(n, (int, np.integer)) for n in shifts):
        return None
    strides = strides_of(shape)
    cuts = []  # along each axis: (from, to, how many)
    for a, by in zip(axes, shifts, strict=True):
        n = shape[a]
        k = int(by) % n
        cuts.append([(0, k, n - k), (n - k, 0, k)] if k else [(0, 0, n)])
    parts = []
    for chosen in itertools.product(*cuts):
        sizes, start, to = list(shape), 0, 0
        for a, (source, target, many) in zip(axes, chosen, strict=True):
            sizes[a] = many
            start, to = start + source * strides[a], to + target * strides[a]
        parts.append(Part(x, start, to, sizes, strides, strides))
    return parts


def _repeated_parts(step: Step) -> list[Part] | None:
    x, repeats, axis = step.args[0], step.options["repeats"], step.options["axis"]
    if not isinstance(repeats, (int, np.integer)) or not 0 <= axis < x.ndim:
        return None
    cut = axis + 1
    sizes = (*x.shape[:cut], int(repeats), *x.shape[cut:])
    strides = strides_of(x.shape)
    return [Part(x, 0, 0, sizes, (*strides[:cut], 0, *strides[cut:]), strides_of(sizes))]


def _broadcast_parts(step: Step) -> list[Part]:
    x, out = step.args[0], step.out.shape
    shape = (*[1] * (len(out) - x.ndim), *x.shape)
    steps = [0 if n == 1 else s for n, s in zip(shape, strides_of(shape), strict=True)]
    return [Part(x, 0, 0, out, steps, strides_of(out))]


def _parts_of_border(step: Step) -> list[Part]:
    """The numbers within, and along each axis what lies before and behind all that is narrower."""
    x, widths, out = step.args[0], step.options["widths"], step.out.shape
    strides, value = strides_of(out), np.float32(step.options.get("value", 0))
    one = Constant(lambda weight: np.full(1, value, np.float32))
    within = sum(a * s for (a, _), s in zip(widths, strides, strict=True))
    parts = [Part(x, 0, within, x.shape, strides_of(x.shape), strides)]
    sizes, start = list(out), 0
    for axis, ((before, after), n) in enumerate(zip(widths, x.shape, strict=True)):
        for at, many in ((0, before), (before + n, after)):
            if many:
                slab = [*sizes[:axis], many, *sizes[axis + 1 :]]
                to = start + at * strides[axis]
                parts.append(Part(one, 0, to, slab, [0] * len(slab), strides))
        sizes[axis], start = n, start + before * strides[axis]
    return parts


def _in_space(widths: Sequence[tuple[int, int]], ndim: int) -> bool:
    """Whether a border is one of images or rows of them, which have a kernel of their own."""
    return ndim in (3, 4) and tuple(widths[0]) == tuple(widths[-1]) == (0, 0)


def absorbs(step: Step, value: float) -> bool:
    """Whether a step can read past the edge of its input instead of a border of `value`."""
    if not isinstance(step.args[0], Var):
        return False
    if step.op is ops.conv and step.options.get("groups", 1) == 1:
        *_, taps, inward, _ = step.args[1].shape
        if taps > 1 and inward < THIN:
            return False
    if step.op in (ops.conv, ops.depthwise_conv, ops.average_pool, ops.conv_dw):
        return value == 0
    return step.op is ops.max_pool and bool(value <= np.finfo(np.float32).min)


def crop_of(step: Step) -> list[int] | None:
    """How many pixels are left out along each space axis, if a step does but crop an image."""
    if step.op is not ops.getitem or step.args[0].ndim != step.out.ndim:
        return None
    shape, key = step.args[0].shape, step.options["key"]
    key = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(k, slice) for k in key):
        return None
    ranges = [range(*k.indices(n)) for k, n in zip(key, shape, strict=False)]
    ranges += [range(n) for n in shape[len(key) :]]
    whole = len(ranges[0]) == shape[0] and len(ranges[-1]) == shape[-1]
    if not whole or any(r.step != 1 for r in ranges):
        return None
    return [r.start for r in ranges[1:-1]]


# What moves numbers about, each as the parts of its output.
MOVES: dict[Any, Callable[[Step], list[Part] | None]] = {
    ops.transpose: _transposed_parts,
    ops.getitem: _parts_of_slices,
    ops.put_back: _parts_put_back,
    ops.concatenate: _joined_parts,
    ops.flip: _flipped_parts,
    ops.roll: _rolled_parts,
    ops.repeat: _repeated_parts,
    ops.broadcast_to: _broadcast_parts,
    ops.pad: _parts_of_border,
}
