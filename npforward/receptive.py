"""Which positions of a network's inputs can influence a position of one of its values.

The recorded steps are walked backwards with a set of indices for each axis.  A rule for each kind
of op says which numbers of its arguments given numbers of its answer are made of; it may meet
indices outside of an array, and gives such: how far a kernel reaches does not end with the border.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npforward.addresses import match
from npforward.errors import BadInput, UnknownName, nearest
from npforward.model import Model, Trace
from npforward.ops.linear import einsum_parts
from npforward.ops.reduction import axes_of
from npforward.profile import samples
from npforward.reports import Report
from npforward.run import Failed
from npforward.statistics import channel_axes
from npforward.tables import table
from npforward.tape import Step, Var

Region = tuple[np.ndarray, ...]  # for each axis the indices that count
Regions = Sequence[Region | None]  # None: nothing of it
Rule = Callable[[Region, Step], Regions]


@dataclass(frozen=True)
class Axis:
    """What counts along one axis of an input.

    Attributes
    ----------
    length : int
        Of the axis.
    start, stop : int
        The box: from, and up to but without.
    size, stride, padding : int or None
        Of the field without borders: that of position p is from p stride - padding on, so many
        numbers.  None where it is not like that (after a global pooling, or an upsampling).
    """

    length: int
    start: int
    stop: int
    size: int | None = None
    stride: int | None = None
    padding: int | None = None


@dataclass(frozen=True, repr=False)
class ReceptiveField(Report):
    """What of the inputs can influence one position of a value: prints as a table, is data.

    Attributes
    ----------
    address : str
        Of the value.
    position : tuple[int or None, ...]
        For each of its axes after the samples; None: all of the axis.
    inputs : dict[str, tuple[Axis, ...] or None]
        For each input its axes after the samples; None where nothing of it counts.
    exact : bool
        Whether each op on the way has a rule.
    guessed : tuple[str, ...]
        The ops without, of which everything is taken to count.

    Examples
    --------
    >>> axes = (Axis(32, 10, 16, 6, 2, 0), Axis(1, 0, 1))
    >>> found = ReceptiveField("pool1", (5, None), {"x": axes}, True)
    >>> print(found)
    pool1 at (5, all) depends on
    input  axis  length  from  up to  size  stride  padding
    -------------------------------------------------------
    x         1      32    10     16     6       2        0
    x         2       1     0      1     -       -        -
    >>> found.box("x")
    (slice(10, 16, None), slice(0, 1, None))
    """

    address: str
    position: tuple[int | None, ...]
    inputs: dict[str, tuple[Axis, ...] | None]
    exact: bool
    guessed: tuple[str, ...] = ()

    def box(self, name: str) -> tuple[slice, ...]:
        """The box in an input, as an index into one sample of it; empty where nothing counts.

        Examples
        --------
        >>> ReceptiveField("y", (), {"x": None}, True).box("x")
        (slice(0, 0, None),)
        """
        if name not in self.inputs:
            raise UnknownName(f"the model has no input {name!r}. {nearest(name, self.inputs)}")
        axes = self.inputs[name]
        return (slice(0, 0),) if axes is None else tuple(slice(a.start, a.stop) for a in axes)

    def __str__(self) -> str:
        columns = ["input", "axis", "length", "from", "up to", "size", "stride", "padding"]
        rows, lines = [], []
        for name, axes in self.inputs.items():
            for number, axis in enumerate(axes or (), 1):
                told = (axis.size, axis.stride, axis.padding)
                shown = ["-" if n is None else n for n in told]
                rows.append([name, number, axis.length, axis.start, axis.stop, *shown])
            if axes is None:
                lines.append(f"on nothing of {name}")
        at = ", ".join("all" if n is None else str(n) for n in self.position)
        if not self.exact:
            lines.append(f"or on less: everything is taken of {', '.join(self.guessed)}")
        return "\n".join(
            [f"{self.address} at ({at}) depends on", table(columns, rows, left=1), *lines]
        )


def receptive_field(
    model: Model, address: str, position: Sequence[int | None] | None = None, *, x: Any = None
) -> ReceptiveField:
    """Which positions of the inputs can influence a value at one position.

    Nothing is run.  What weights are does not count: a kernel reaches as far as it is large.

    Parameters
    ----------
    model
        What `load_model` gives.
    address
        Of a value: a layer's output, or an inner value such as ``lstm:cell``.
    position
        An index for each axis after the samples, or for each but that of the channels; None for a
        whole axis.  By default the centre, and all channels.
    x
        An input, as for `Model.predict`, whose shape counts; without it axes that may have any
        size have 224.

    Returns
    -------
    ReceptiveField
        For each input a box; and for each axis size, stride and padding as in A. Araujo, W.
        Norris and J. Sim, Computing Receptive Fields of Convolutional Neural Networks (Distill,
        2019), where these say it.

    Raises
    ------
    UnknownName
        The model has no such value.
    BadInput
        There is no such position, or the file does not say the shape of an input.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> field = npf.receptive_field(model, "pool2", (2, 3))
    >>> field.box("picture")
    (slice(8, 18, None), slice(12, 22, None), slice(0, 1, None))
    >>> field.inputs["picture"][0].size, field.inputs["picture"][0].stride
    (10, 4)
    """
    recording = model.recording(samples(model.inputs, 1) if x is None else x)
    known = {**recording.values, **recording.tape.taps}
    found = match(address, known, recording.graph.aliases)
    if len(found) != 1:
        few = "is several values" if found else "no layer or value"
        raise UnknownName(f"{few}: {address!r}. {nearest(address, found or known)}")
    value = known[found[0]]
    if isinstance(value, Failed):
        raise value.error
    # All values without data: where the channels of one are, those before it tell.
    axes = channel_axes(Trace(known, recording.layers))  # type: ignore[arg-type]
    channel = axes[found[0]] % value.ndim if value.ndim >= 2 else None
    at = _position(position, value.shape, channel, found[0])
    names = [spec.name for spec in model.inputs]

    def walk(places: Sequence[int | None], bounded: bool) -> tuple[Walk, list[Region | None]]:
        region = [np.arange(n) if i is None else np.array([i]) for i, n in zip(
            (0, *places), value.shape, strict=False)]  # fmt: skip
        walk = Walk(bounded, set(recording.inputs))
        regions = walk.back(recording.tape.steps, {value: tuple(region)})
        return walk, [regions.get(v) for v in recording.inputs]

    walked, boxes = walk(at, bounded=True)
    spatial = [i + 1 != channel for i in range(len(at))]
    ends = [
        walk([p if free else i for free, i in zip(spatial, at, strict=True)], bounded=False)[1]
        for p in range(4)
    ]
    inputs: dict[str, tuple[Axis, ...] | None] = {}
    for number, (name, var) in enumerate(zip(names, recording.inputs, strict=True)):
        box = boxes[number]
        if box is None:
            inputs[name] = None
            continue
        each = [end[number] for end in ends]
        lines = [
            _line([None if region is None else region[i] for region in each])
            for i in range(1, var.ndim)
        ]
        inputs[name] = tuple(
            Axis(n, int(seen.min()), int(seen.max()) + 1, *line)
            for n, seen, line in zip(var.shape[1:], box[1:], lines, strict=True)
        )
    return ReceptiveField(found[0], at, inputs, not walked.guessed, tuple(walked.guessed))


def _position(
    position: Any, shape: tuple[int, ...], channel: int | None, address: str
) -> tuple[int | None, ...]:
    """An index, from 0, for each axis after the samples; None for a whole axis."""
    sizes = shape[1:]
    if position is None:
        return tuple(None if i == channel or not n else n // 2 for i, n in enumerate(sizes, 1))
    wanted = list(position) if isinstance(position, Iterable) else [position]
    if channel is not None and len(wanted) == len(sizes) - 1:
        wanted.insert(channel - 1, None)
    if len(wanted) != len(sizes):
        raise BadInput(
            f"position={position!r}: a value of shape {shape} has {len(sizes)} axes after the "
            f"samples; give {address!r} an index for each, or for each but the channels"
        )
    at: list[int | None] = []
    for i, n in zip(wanted, sizes, strict=True):
        if i is not None and not (isinstance(i, (int, np.integer)) and -n <= i < n):
            raise BadInput(
                f"position={position!r}: {i!r} is no index into an axis of {n} of {address!r}, "
                f"which has the shape {shape}"
            )
        at.append(None if i is None else int(i) % n)
    return tuple(at)


def _line(found: Sequence[np.ndarray | None]) -> tuple[int | None, int | None, int | None]:
    """Size, stride and padding, if the fields of positions 0, 1, ... are on a line."""
    if any(indices is None or not len(indices) for indices in found):
        return None, None, None
    starts = [int(indices.min()) for indices in found if indices is not None]
    sizes = {int(np.ptp(indices)) + 1 for indices in found if indices is not None}
    strides = {b - a for a, b in itertools.pairwise(starts)}
    if len(sizes) > 1 or len(strides) > 1 or min(strides) < 1:
        return None, None, None
    return sizes.pop(), strides.pop(), -starts[0]


# The walk --------------------------------------------------------------------------------------

RULES: dict[str, Rule] = {}


@dataclass
class Walk:
    """One walk backwards over recorded steps."""

    bounded: bool  # whether indices outside of an array are dropped
    leads: set[Var]  # what depends on the inputs of the model
    guessed: dict[str, None] = field(default_factory=dict)  # ops without a rule, in order

    def back(self, steps: Sequence[Step], seeds: Mapping[Var, Region]) -> dict[Var, Region]:
        """What counts of each Var, for what the `seeds` say of some."""
        for step in steps:
            if any(v in self.leads for v in step.ins):
                self.leads.update(step.outs)
        regions = dict(seeds)
        for step in reversed(steps):
            given = [regions.get(out) for out in step.outs]
            if all(y is None for y in given) or not any(v in self.leads for v in step.ins):
                continue
            for a, region in zip(step.args, self._of(step, given), strict=True):
                if isinstance(a, Var) and a in self.leads:
                    self.add(regions, a, region)
        return regions

    def add(self, regions: dict[Any, Region], key: Any, region: Region | None) -> None:
        """Let a region of an array count too."""
        shape = key.shape
        if region is not None and self.bounded:
            region = tuple(_within(i, n) for i, n in zip(region, shape, strict=True))
        if region is None or not all(len(indices) for indices in region):
            return
        held = regions.get(key)
        regions[key] = region if held is None else tuple(map(np.union1d, held, region))

    def _of(self, step: Step, given: Regions) -> Regions:
        """What counts of each argument of a step."""
        name = step.op.__name__
        if name == "scan":
            return self._of_loop(step, given)
        rule = RULES.get(name, _elementwise if getattr(step.op, "elementwise", False) else None)
        alike = len({out.shape for out in step.outs}) == 1
        if rule is None or not alike:
            where = f"{name} in {step.scope!r}" if step.scope else name
            self.guessed[where] = None
            return [_whole(a) if isinstance(a, Var) else None for a in step.args]
        there = [y for y in given if y is not None]
        together = there[0] if len(there) == 1 else tuple(
            np.unique(np.concatenate(indices)) for indices in zip(*there, strict=True)
        )  # fmt: skip
        return rule(together, step)

    def _of_loop(self, step: Step, given: Regions) -> Regions:
        """Round after round, from the last: a state is wanted of the round before."""
        program = step.options["program"]
        n = len(program.state)
        inside = (*program.state, *program.x, *program.captured)
        for v, a in zip(inside, step.args, strict=True):
            if not isinstance(a, Var) or a in self.leads:
                self.leads.add(v)
        self.leads.update(program.state)
        ends = (*program.y, *program.taps)
        wanted = list(given[:n])
        found: dict[Var, Region] = {}
        for t in reversed(range(step.args[n].shape[0])):
            seeds: dict[Var, Region] = {}
            for v, region in zip(program.new_state, wanted, strict=True):
                if isinstance(v, Var):
                    self.add(seeds, v, region)
            for v, y in zip(ends, given[n:], strict=True):
                if isinstance(v, Var) and y is not None and np.any(y[0] == t):
                    self.add(seeds, v, y[1:])
            regions = self.back(program.steps, seeds) if seeds else {}
            wanted = [regions.get(v) for v in program.state]
            for v in program.x:
                if v in regions:
                    here = (np.array([t]), *regions[v])
                    held = found.get(v)
                    found[v] = here if held is None else tuple(map(np.union1d, held, here))
            for v in program.captured:
                self.add(found, v, regions.get(v))
        return [*wanted, *(found.get(v) for v in (*program.x, *program.captured))]


def _within(indices: np.ndarray, n: int) -> np.ndarray:
    """Those of the indices that an axis of n has."""
    return indices[(indices >= 0) & (indices < n)]


def _whole(a: Any) -> Region:
    return tuple(map(np.arange, a.shape))


# The rules -------------------------------------------------------------------------------------


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter the rule of these ops: what of each argument a region of the answer is made of."""

    def decorate(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return decorate


def _spread(y: Region, out: Sequence[int], shape: Sequence[int]) -> Region:
    """A region of an array of `shape` that was broadcast to `out`."""
    missing = len(out) - len(shape)
    return tuple(
        np.zeros(1, np.intp) if n == 1 and wide != 1 else indices
        for indices, wide, n in zip(y[missing:], out[missing:], shape, strict=True)
    )


def _window(y: np.ndarray, size: int, stride: int, dilation: int = 1) -> np.ndarray:
    """Where the windows at the places y look."""
    return np.unique(y[:, None] * stride + np.arange(size) * dilation)


def _windows_at(x: np.ndarray, size: int, stride: int, dilation: int = 1) -> np.ndarray:
    """The places of the windows that look at x."""
    starts = x[:, None] - np.arange(size) * dilation
    return np.unique(starts[starts % stride == 0] // stride)


@rule("clip", "broadcast_to", "lookup", "digitize", "hash_bucket", "residue", "cross_hash",
      "as_text", "lower", "strip_punctuation", "round_to_float8",
      "round_gradient_to_float8")  # fmt: skip
def _elementwise(y: Region, step: Step) -> Regions:
    """Each number is made of those at its own place."""
    out = step.outs[0].shape
    return [_spread(y, out, a.shape) if isinstance(a, Var) else None for a in step.args]


@rule("sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin", "abs_max_scale")
def _reduced(y: Region, step: Step) -> Regions:
    x = step.args[0]
    axes = axes_of(x, step.options.get("axis"))
    kept = iter(y)
    if len(y) == x.ndim:  # axes of size 1 are left
        kept = iter([indices for i, indices in enumerate(y) if i not in axes])
    return [tuple(np.arange(n) if i in axes else next(kept) for i, n in enumerate(x.shape))]


@rule("softmax", "log_softmax", "sparsemax", "sort", "argsort", "argpartition")
def _along(y: Region, step: Step) -> Regions:
    x = step.args[0]
    axes = axes_of(x, step.options.get("axis", -1))
    return [tuple(np.arange(n) if i in axes else y[i] for i, n in enumerate(x.shape))]


@rule("rfft", "irfft", "top_k_indices")
def _last(y: Region, step: Step) -> Regions:
    return [(*y[:-1], np.arange(a.shape[-1])) for a in step.args]


@rule("cumsum", "cumprod")
def _running(y: Region, step: Step) -> Regions:
    x, axis = step.args[0], step.options.get("axis")
    if axis is None:
        return [_whole(x)]
    (at,) = axes_of(x, axis)
    upto = np.arange(max(int(y[at].max()) + 1, 0))
    return [(*y[:at], upto, *y[at + 1 :])]


@rule("glu")
def _halves(y: Region, step: Step) -> Regions:
    x = step.args[0]
    (at,) = axes_of(x, step.options.get("axis", -1))
    return [(*y[:at], np.union1d(y[at], y[at] + x.shape[at] // 2), *y[at + 1 :])]


@rule("conv")
def _conv(y: Region, step: Step) -> Regions:
    w = step.args[1]
    strides, dilation = step.options["strides"], step.options["dilation"]
    space = map(_window, y[1:-1], w.shape[:-2], strides, dilation)
    each = w.shape[-1] // step.options.get("groups", 1)
    group = np.unique(_within(y[-1], w.shape[-1]) // each)
    inward = _window(group, w.shape[-2], w.shape[-2])
    return [(y[0], *space, inward), (*map(np.arange, w.shape[:-1]), y[-1])]


@rule("depthwise_conv")
def _depthwise(y: Region, step: Step) -> Regions:
    w = step.args[1]
    space = map(_window, y[1:-1], w.shape[:-2], step.options["strides"], step.options["dilation"])
    return [(y[0], *space, np.unique(y[-1] // w.shape[-1])), _whole(w)]


@rule("conv_transpose")
def _conv_transpose(y: Region, step: Step) -> Regions:
    x, w = step.args
    strides, dilation = step.options["strides"], step.options["dilation"]
    space = map(_windows_at, y[1:-1], w.shape[:-2], strides, dilation)
    return [
        (y[0], *space, np.arange(x.shape[-1])),
        (*map(np.arange, w.shape[:-2]), y[-1], np.arange(w.shape[-1])),
    ]


@rule("max_pool", "average_pool")
def _pool(y: Region, step: Step) -> Regions:
    space = map(_window, y[1:-1], step.options["size"], step.options["strides"])
    return [(y[0], *space, y[-1])]


@rule("windows")
def _windows(y: Region, step: Step) -> Regions:
    strides, dilation = step.options["strides"], step.options["dilation"]
    k = len(strides)
    space = (
        np.unique(out[:, None] * s + tap * d)
        for out, tap, s, d in zip(y[1 : k + 1], y[k + 1 : -1], strides, dilation, strict=True)
    )
    return [(y[0], *space, y[-1])]


@rule("overlay")
def _overlay(y: Region, step: Step) -> Regions:
    size, strides = step.options["size"], step.options["strides"]
    space = map(_windows_at, y[1:-1], size, strides, step.options["dilation"])
    return [(y[0], *space, *map(np.arange, size), y[-1])]


@rule("frames")
def _frames(y: Region, step: Step) -> Regions:
    return [(*y[:-2], np.unique(y[-2][:, None] * step.options["step"] + y[-1]))]


@rule("dense")
def _dense(y: Region, step: Step) -> Regions:
    x, w = step.args
    return [(*y[:-1], np.arange(x.shape[-1])), (np.arange(w.shape[0]), y[-1])]


@rule("matmul")
def _matmul(y: Region, step: Step) -> Regions:
    a, b = step.args
    inner = np.arange(a.shape[-1])
    lead = step.outs[0].shape[:-2]
    return [
        (*_spread(y[:-2], lead, a.shape[:-2]), y[-2], inner),
        (*_spread(y[:-2], lead, b.shape[:-2]), inner, y[-1]),
    ]


@rule("einsum")
def _einsum(y: Region, step: Step) -> Regions:
    *parts, out = einsum_parts(step.options["equation"], *step.args)
    known = dict(zip(out, y, strict=True))
    return [
        tuple(known.get(letter, np.arange(n)) for letter, n in zip(part, a.shape, strict=True))
        for part, a in zip(parts, step.args, strict=True)
    ]


@rule("pad")
def _pad(y: Region, step: Step) -> Regions:
    pairs = zip(y, step.options["widths"], strict=True)
    return [tuple(indices - before for indices, (before, _) in pairs)]


@rule("transpose")
def _transpose(y: Region, step: Step) -> Regions:
    x, axes = step.args[0], step.options.get("axes")
    order = list(reversed(range(x.ndim))) if axes is None else axes_of(x, axes)
    return [tuple(y[order.index(i)] for i in range(x.ndim))]


@rule("expand_dims")
def _expand_dims(y: Region, step: Step) -> Regions:
    at = step.options["axis"] % len(y)
    return [(*y[:at], *y[at + 1 :])]


@rule("one_hot")
def _one_hot(y: Region, step: Step) -> Regions:
    at = step.options.get("axis", -1) % len(y)
    return [(*y[:at], *y[at + 1 :])]


@rule("squeeze")
def _squeeze(y: Region, step: Step) -> Regions:
    x, axis = step.args[0], step.options.get("axis")
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(x, axis)
    kept = iter(y)
    return [tuple(np.zeros(1, np.intp) if i in gone else next(kept) for i in range(x.ndim))]


@rule("reshape", "reshape_to")
def _reshape(y: Region, step: Step) -> Regions:
    """Axes that stay as they are, and groups of axes that are counted through anew."""
    x, out = step.args[0], step.outs[0]
    sizes_too = map(_whole, step.args[1:])  # an array that says the shape
    if not x.size:
        return [_whole(x), *sizes_too]
    found: list[np.ndarray] = [np.zeros(1, np.intp)] * x.ndim
    old = [i for i, n in enumerate(x.shape) if n != 1]
    new = [i for i, n in enumerate(out.shape) if n != 1]
    while old:
        mine, theirs = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(x.shape[i] for i in mine)) != (
            b := math.prod(out.shape[i] for i in theirs)
        ):
            if a < b:
                mine.append(old.pop(0))
            else:
                theirs.append(new.pop(0))
        if len(mine) == len(theirs) == 1:
            found[mine[0]] = y[theirs[0]]
            continue
        sizes = [out.shape[i] for i in theirs]
        places = np.ix_(*(_within(y[i], n) for i, n in zip(theirs, sizes, strict=True)))
        flat = np.ravel_multi_index(places, sizes).ravel()
        back = np.unravel_index(flat, [x.shape[i] for i in mine])
        for i, indices in zip(mine, back, strict=True):
            found[i] = np.unique(indices)
    return [tuple(found), *sizes_too]


@rule("concatenate")
def _concatenate(y: Region, step: Step) -> Regions:
    at = step.options["axis"] % len(y)
    regions, offset = [], 0
    for a in step.args:
        n = a.shape[at]
        regions.append((*y[:at], _within(y[at] - offset, n), *y[at + 1 :]))
        offset += n
    return regions


@rule("flip")
def _flip(y: Region, step: Step) -> Regions:
    x = step.args[0]
    axes = axes_of(x, step.options.get("axis"))
    return [tuple(n - 1 - y[i] if i in axes else y[i] for i, n in enumerate(x.shape))]


@rule("repeat")
def _repeat(y: Region, step: Step) -> Regions:
    at, repeats = step.options["axis"], step.options["repeats"]
    if isinstance(repeats, tuple):
        source = np.repeat(np.arange(len(repeats)), repeats)
        here = source[_within(y[at], len(source))]
    else:
        here = y[at] // repeats
    return [(*y[:at], np.unique(here), *y[at + 1 :])]


@rule("resample")
def _resample(y: Region, step: Step) -> Regions:
    at, index = step.options["axis"], step.options["index"]
    rows = _within(y[at], len(index))
    seen = index[rows][step.options["weight"][rows] != 0]
    return [(*y[:at], np.unique(seen), *y[at + 1 :])]


@rule("interpolate")
def _interpolate(y: Region, step: Step) -> Regions:
    at, share = step.options["axis"], step.options["share"]
    rows = _within(y[at], len(share))
    after = step.options["after"][rows[share[rows] != 0]]
    seen = np.union1d(step.options["before"][rows], after)
    return [(*y[:at], seen, *y[at + 1 :])]


@rule("unpack_int4")
def _unpacked(y: Region, step: Step) -> Regions:
    """Two numbers to a byte."""
    at = step.options["axis"] % len(y)
    return [(*y[:at], np.unique(y[at] // 2), *y[at + 1 :])]


@rule("getitem")
def _getitem(y: Region, step: Step) -> Regions:
    x, key = step.args[0], step.options["key"]
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(k is None or k is Ellipsis or isinstance(k, (int, np.integer, slice)) for k in keys):
        return _by_numbers(y, step)
    taking = sum(k is not None and k is not Ellipsis for k in keys)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[at : at + 1] = [slice(None)] * (x.ndim - taking)
    kept, sizes = iter(y), iter(x.shape)
    found = []
    for k in keys:
        if k is None:
            next(kept)
        elif isinstance(k, slice):
            start, _, stride = k.indices(next(sizes))
            found.append(np.sort(start + stride * next(kept)))
        else:
            found.append(np.array([k % next(sizes)]))
    return [tuple(found)]


@rule("roll", "diagonal")
def _by_numbers(y: Region, step: Step) -> Regions:
    """For what only moves numbers: move numbers that say where they were."""
    x, out = step.args[0], step.outs[0]
    numbers = np.arange(x.size).reshape(x.shape)
    moved = step.op.fn(numbers, *step.args[1:], **step.options)
    places = np.ix_(*(_within(i, n) for i, n in zip(y, out.shape, strict=True)))
    return [tuple(map(np.unique, np.unravel_index(moved[places].ravel(), x.shape)))]


@rule("take")
def _take(y: Region, step: Step) -> Regions:
    x, index = step.args
    at = step.options["axis"]
    rest = at + index.ndim
    if isinstance(index, Var):
        seen = np.arange(x.shape[at])
    else:
        pairs = zip(y[at:rest], index.shape, strict=True)
        seen = np.unique(index[np.ix_(*(_within(i, n) for i, n in pairs))])
    return [(*y[:at], seen, *y[rest:]), y[at:rest]]


@rule("take_along_axis")
def _take_along_axis(y: Region, step: Step) -> Regions:
    x, index = step.args
    (at,) = axes_of(x, step.options["axis"])
    out = step.outs[0].shape
    of_x, of_index = _spread(y, out, x.shape), _spread(y, out, index.shape)
    return [
        (*of_x[:at], np.arange(x.shape[at]), *of_x[at + 1 :]),
        (*of_index[:at], y[at], *of_index[at + 1 :]),
    ]
