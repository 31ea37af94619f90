"""Where `keras.ops.core` and `keras.ops.einops` put otherwise what `npforward.ops` has."""

from __future__ import annotations

import math
import re

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers.registry import one_of


def _scattered(function, indices, values, shape):
    """The rows that `function` makes of values in the same place, as an array of `shape`."""
    depth = indices.shape[-1]
    places = ops.flat_indices(indices, shape=tuple(shape))
    y = function(values, places, num=math.prod(shape[:depth]))
    return ops.reshape(y, shape=tuple(shape))


def scatter(indices, values, *, shape):
    return _scattered(ops.segment_sum, indices, values, shape)


def scatter_update(inputs, indices, updates, *, reduction=None):
    one_of("reduction", reduction, None, "add", "max", "min", "mul")
    if reduction is None:
        depth, shape = indices.shape[-1], inputs.shape
        rows = ops.reshape(inputs, shape=(math.prod(shape[:depth]), *shape[depth:]))
        y = ops.replace_rows(rows, updates, ops.flat_indices(indices, shape=shape))
        return ops.reshape(y, shape=shape)
    gather, join = {
        "add": (ops.segment_sum, ops.add),
        "max": (ops.segment_max, ops.maximum),
        "min": (ops.segment_min, ops.minimum),
        "mul": (ops.segment_prod, ops.multiply),
    }[reduction]
    return join(inputs, _scattered(gather, indices, updates, inputs.shape))


def _starts(start_indices):
    """Where a slice begins, as one array."""
    if not isinstance(start_indices, (list, tuple)):
        return start_indices
    if not any(hasattr(s, "dtype") for s in start_indices):
        return ops.constant(start_indices, "int64")
    parts = [
        ops.reshape(ops.cast(s, dtype="int64"), shape=(1,))
        if hasattr(s, "dtype")
        else ops.constant([s], "int64")
        for s in start_indices
    ]
    return ops.concatenate(*parts, axis=0)


def slice_(inputs, start_indices, *, shape):
    start = _starts(start_indices)
    if len(shape) != inputs.ndim or start.shape != (inputs.ndim,):
        raise BadInput(f"a slice of shape {shape} of an array of shape {inputs.shape}")
    if -1 in shape:
        if not hasattr(start, "tolist"):
            raise UnsupportedOption("a shape with -1 depends on the values of start_indices")
        rest = zip(shape, inputs.shape, start.tolist(), strict=True)
        shape = [n - s if size == -1 else size for size, n, s in rest]
    return ops.slice_at(inputs, start, shape=tuple(shape))


def slice_update(inputs, start_indices, updates):
    return ops.slice_update(inputs, _starts(start_indices), updates)


def unstack(x, *, num=None, axis=0):
    (at,) = ops.axes_of(x, axis)
    return [x[(slice(None),) * at + (i,)] for i in range(x.shape[at])]


def convert_to_tensor(x, *, dtype=None, sparse=None, ragged=None):
    return x if dtype is None else ops.cast(x, dtype=dtype)


def _axes(side):
    """The axes of one side of a pattern, each a list of names: "b (h w)" is [[b], [h, w]]."""
    return [found.strip("()").split() for found in re.findall(r"\w+|\(.*?\)", side)]


def rearrange(tensor, pattern, **axes_lengths):
    before, _, after = pattern.partition("->")
    groups, made = _axes(before), _axes(after)
    names = [name for group in groups for name in group]
    wanted = [name for group in made for name in group]
    if len(groups) != tensor.ndim or sorted(names) != sorted(wanted) or len({*names}) < len(names):
        raise BadInput(f"pattern {pattern!r} does not fit an array of shape {tensor.shape}")
    sizes: dict[str, int] = {}
    for group, n in zip(groups, tensor.shape, strict=True):
        free = [name for name in group if len(group) == 1 or name not in axes_lengths]
        known = math.prod(axes_lengths[name] for name in group if name not in free)
        if len(free) > 1 or (not free and known != n) or (free and (not known or n % known)):
            raise BadInput(f"pattern {pattern!r} with {axes_lengths} does not divide {n}")
        sizes |= {name: n // known if name in free else axes_lengths[name] for name in group}
    y = ops.reshape(tensor, shape=tuple(sizes[name] for name in names))
    y = ops.transpose(y, axes=tuple(names.index(name) for name in wanted))
    return ops.reshape(y, shape=tuple(math.prod(sizes[n] for n in group) for group in made))
