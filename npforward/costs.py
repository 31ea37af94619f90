"""What a forward pass costs, layer by layer, counted from what is recorded: nothing is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from npforward.addresses import layer_part
from npforward.graph import Graph
from npforward.ops.linear import einsum_sizes
from npforward.reports import Report
from npforward.run import Failed, Recording, leading_to, owner_of
from npforward.tables import table
from npforward.tape import Step, Var
from npforward.weights import parameters, parts


@dataclass(frozen=True)
class Row:
    """One call of a layer.

    Attributes
    ----------
    address, type : str
        Which layer.
    shape : tuple[int, ...]
        Of its first output.
    parameters, weights : int
        How many numbers it holds, and their bytes in the file; 0 for a further call of a layer.
    macs : int
        Multiply-adds of its products of arrays (convolutions, dense layers, attention).
    flops : int
        Operations on numbers: two for each multiply-add, and all others.
    activations : int
        Bytes of its outputs; 0 where they are those of a layer before, as a Flatten's are.
    """

    address: str
    type: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    flops: int
    activations: int
    weights: int


@dataclass(frozen=True, repr=False)
class Costs(Report):
    """What a forward pass costs: prints as a table, is data.

    Attributes
    ----------
    rows : tuple[Row, ...]
        The calls of layers in the order of execution, those of nested models too.
    inputs : dict[str, tuple[int, ...]]
        Shapes of what goes in.
    peak : int
        The most bytes of inputs and outputs of layers that must be there at the same time: each
        from the layer that gives it to the last that takes it.  What layers need within comes to
        it.

    Examples
    --------
    >>> row = Row("dense", "Dense", (1, 3), 15, 12, 27, 12, 60)
    >>> print(Costs("m", (row,), {"x": (1, 4)}, 28))
    layer  type    shape  parameters  multiply-adds  FLOPs  activations  weights
    ----------------------------------------------------------------------------
    dense  Dense  (1, 3)          15             12     27         12 B     60 B
    total                         15             12     27         12 B     60 B
    for x (1, 4); activations at the same time: 28 B at most
    """

    name: str
    rows: tuple[Row, ...]
    inputs: dict[str, tuple[int, ...]]
    peak: int

    @property
    def parameters(self) -> int:
        """Numbers that the model holds."""
        return sum(row.parameters for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of all layers."""
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        """Operations of all layers."""
        return sum(row.flops for row in self.rows)

    @property
    def activations(self) -> int:
        """Bytes of all outputs of layers."""
        return sum(row.activations for row in self.rows)

    @property
    def weights(self) -> int:
        """Bytes of what the model holds, in its file."""
        return sum(row.weights for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, with the totals.

        Examples
        --------
        >>> Costs("m", (), {}, 0).to_dict()["total"]["flops"]
        0
        """
        names = ("parameters", "macs", "flops", "activations", "weights")
        return {**super().to_dict(), "total": {name: getattr(self, name) for name in names}}

    def __str__(self) -> str:
        columns = ["layer", "type", "shape", "parameters", "multiply-adds", "FLOPs"]
        columns += ["activations", "weights"]
        found: list[Row | Costs] = [*self.rows, self]
        lines = [
            [
                *((f.address, f.type, str(f.shape)) if isinstance(f, Row) else ("total", "", "")),
                *(f"{n:,}" for n in (f.parameters, f.macs, f.flops)),
                *map(readable, (f.activations, f.weights)),
            ]
            for f in found
        ]
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        peak = f"for {shapes}; activations at the same time: {readable(self.peak)} at most"
        return "\n".join([table(columns, lines, left=2), peak])


def readable(nbytes: int) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> readable(12), readable(3_400_000)
    ('12 B', '3.40 MB')
    """
    size, unit = float(nbytes), 0
    while size >= 1000 and unit < 4:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {'B'}" if not unit else f"{size:.2f} {('kB', 'MB', 'GB', 'TB')[unit - 1]}"


# How much one op is ----------------------------------------------------------------------------


def _halvings(n: int) -> int:
    return max(n - 1, 0).bit_length()


# Multiply-adds of products of arrays: one for each number of the answer and each term of its sum.
PRODUCTS: dict[str, Callable[..., int]] = {
    "conv": lambda y, x, w, **_: y.size * math.prod(w.shape[:-1]),
    "depthwise_conv": lambda y, x, w, **_: y.size * math.prod(w.shape[:-2]),
    "conv_transpose": lambda y, x, w, **_: x.size * math.prod(w.shape[:-1]),
    "dense": lambda y, x, w: y.size * w.shape[0],
    "matmul": lambda y, a, b: y.size * a.shape[-1],
    "einsum": lambda y, a, b, *, equation: math.prod(einsum_sizes(equation, a, b).values()),
    "resample": lambda y, x, *, index, **_: y.size * index.shape[1],
}

# Operations of others that are not one for each number.  Those on matrices are of the order of
# N³ (G. Golub and C. Van Loan, Matrix Computations); a Fourier transform is 5 N log₂ N real ones.
OTHERS: dict[str, Callable[..., int]] = {
    "max_pool": lambda y, x, *, size, **_: y.size * math.prod(size),
    "average_pool": lambda y, x, *, size, **_: y.size * math.prod(size),
    "interpolate": lambda y, *_, **__: 3 * y.size,
    **dict.fromkeys(
        ("rfft", "irfft", "fourier"),
        lambda y, x, *_, **__: 5 * x.size * _halvings(x.shape[-1]),
    ),
    **dict.fromkeys(
        ("sort", "argsort", "argpartition", "top_k_indices"),
        lambda y, x, *_, **__: x.size * _halvings(x.shape[-1]),
    ),
    **dict.fromkeys(
        ("inv", "det", "slogdet", "cholesky_or_nan", "solve_matrices", "solve_triangles", "qr",
         "svd_parts", "singular_values", "eigh", "eig", "lu_factor", "pseudo_inverse"),
        lambda y, x, *_, **__: 2 * x.size * x.shape[-1],
    ),
}  # fmt: skip

# What only moves numbers, or says them in another dtype.
MOVES = {"npforward.ops.shaping", "npforward.ops.indexing"}
MOVING = {"cast", "copy", "stop_gradient", "windows", "frames", "one_hot", "slice_at",
          "complex_number", "complex_parts", "real", "imag"}  # fmt: skip
SAME_MEMORY = {"reshape", "expand_dims", "squeeze"}


class Count(NamedTuple):
    """Multiply-adds of products, and all operations."""

    macs: int
    flops: int


def count(step: Step) -> Count:
    """What one recorded op takes.

    A loop is its step, as often as it runs.  An op without a rule takes one operation for each
    number of the largest array that it reads or gives: right for functions of each number, and for
    sums over axes.

    Examples
    --------
    >>> from npforward import ops
    >>> from npforward.tape import Tape
    >>> tape = Tape()
    >>> y = ops.dense(tape.var((2, 5), "float32"), tape.var((5, 3), "float32"))
    >>> _ = ops.relu(y)
    >>> [count(step) for step in tape.steps]
    [Count(macs=30, flops=60), Count(macs=0, flops=6)]
    """
    name = step.op.__name__
    if name == "scan":
        program = step.options["program"]
        inside = [count(each) for each in program.steps]
        times = step.args[len(program.state)].shape[0]
        return Count(times * sum(c.macs for c in inside), times * sum(c.flops for c in inside))
    if name in PRODUCTS:
        macs = PRODUCTS[name](step.outs[0], *step.args, **step.options)
        return Count(macs, 2 * macs)
    if name in OTHERS:
        return Count(0, OTHERS[name](step.outs[0], *step.args, **step.options))
    if name in MOVING or step.op.__module__ in MOVES:
        return Count(0, 0)
    return Count(0, max(v.size for v in (*step.ins, *step.outs)))


# A whole model --------------------------------------------------------------------------------


def costs(recording: Recording, names: Sequence[str], outputs: Sequence[str]) -> Costs:
    """The costs of a recorded model, whose inputs have these names and outputs these addresses."""
    values: dict[str, list[Var]] = {}
    for address, value in recording.values.items():
        if isinstance(value, Failed):
            raise value.error
        layer = recording.layers[address]
        entered = layer.type == "InputLayer" and "/" in address  # of a nested model: no new array
        if not isinstance(layer, Graph) and not entered:  # layers of a model have their own rows
            values.setdefault(layer_part(address), []).append(value)
    place = {address: i for i, address in enumerate(values)}
    goals = {v for v in recording.values.values() if isinstance(v, Var)}
    steps = [step for _, step in leading_to(recording.tape.steps, goals)[0]]

    same: dict[Var, Var] = {}  # the array whose memory another one is
    maker: dict[Var, int] = {}  # the row that gives an array
    sizes = [0] * len(values)
    for step in steps:
        if step.op.__name__ in SAME_MEMORY:
            same[step.out] = same.get(step.args[0], step.args[0])
    for row, given in enumerate(values.values()):
        for v in dict.fromkeys(same.get(v, v) for v in given):
            if v not in maker:
                maker[v] = row
                sizes[row] += _nbytes(v)

    counts = [Count(0, 0)] * len(values)
    last = dict(maker)
    leads = {*recording.inputs, *(first for first, _ in recording.tape.states.values())}
    for step in steps:
        if not any(v in leads for v in step.ins):
            continue  # of weights alone: the same for every input
        leads.update(step.outs)
        owner = owner_of(step.scope, place)
        if owner is None:  # an input that is brought to its dtype
            continue
        row = place[owner]
        counts[row] = Count(*map(sum, zip(counts[row], count(step), strict=True)))
        for v in step.ins:
            v = same.get(v, v)
            if v in last:
                last[v] = max(last[v], row)
    for address in outputs:
        end = recording.values[address]
        assert isinstance(end, Var)
        last[same.get(end, end)] = len(values)
    there = [0] * (len(values) + 1)
    for v, first in maker.items():
        there[first] += _nbytes(v)
        if last[v] < len(values):
            there[last[v] + 1] -= _nbytes(v)
    peak, now = 0, 0
    for change in there:
        now += change
        peak = max(peak, now)

    held: dict[Any, list[Any]] = {}
    for parameter in parameters(recording.graph, recording.bounds):
        held.setdefault(parameter.layer, []).append(parameter.stored)
    rows = []
    for (address, given), (macs, flops), nbytes in zip(values.items(), counts, sizes, strict=True):
        layer = recording.layers[address]
        stored = [s for part in parts(layer) for s in held.pop(part, [])]
        rows.append(
            Row(
                address,
                layer.type,
                given[0].shape,
                sum(math.prod(s.shape) for s in stored),
                macs,
                flops,
                nbytes,
                sum(s.nbytes for s in stored),
            )
        )
    shapes = {name: v.shape for name, v in zip(names, recording.inputs, strict=True)}
    return Costs(recording.graph.name, tuple(rows), shapes, peak)


def _nbytes(v: Var) -> int:
    return v.size * v.dtype.itemsize
