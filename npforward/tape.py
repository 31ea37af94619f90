"""Record ops on arrays without data, and walk the record backwards: reverse-mode differentiation.

A function is called once on `Var`s; each of its ops appends a `Step`.  The same list then serves
to run the function, to reason about it, and to differentiate it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npforward.dtypes import differentiable
from npforward.errors import NotDifferentiable, UnsupportedOption, WholeNumbers
from npforward.limits import Limits

OPS: dict[str, Any] = {}  # by name; an Op is made and entered by `ops.registry`


# Python's operators, by the ops that they mean while recording; Keras has & as "logical and".
BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
          "floordiv": "floor_divide", "mod": "mod", "matmul": "matmul", "and": "logical_and",
          "or": "logical_or", "xor": "logical_xor"}  # fmt: skip
COMPARING = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
             "eq": "equal", "ne": "not_equal"}  # fmt: skip
UNARY = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}


class Var:
    """An array without data: what a recorded step will compute."""

    __slots__ = ("dtype", "shape", "tape")
    __array_ufunc__ = None  # makes `ndarray + var` defer to Var.__radd__

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("an array without data is none of numpy's; use npforward.ops")

    def __init__(self, shape: Sequence[int], dtype: Any, tape: Tape) -> None:
        self.shape, self.dtype, self.tape = tuple(map(int, shape)), np.dtype(dtype), tape

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    def __getitem__(self, key: Any) -> Any:
        return OPS["getitem"](self, key=key)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise TypeError("an array without data has no truth value; use ops.where")

    def __repr__(self) -> str:
        return f"Var({'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype})"


for _name, _op in {**BINARY, **COMPARING, **UNARY}.items():
    setattr(Var, f"__{_name}__", lambda *args, op=_op: OPS[op](*args))  # hashed by identity still
for _name, _op in BINARY.items():
    setattr(Var, f"__r{_name}__", lambda b, a, op=_op: OPS[op](a, b))


class Step(NamedTuple):
    """One op applied: `args` are Vars and constants, `out` a Var or a tuple of them."""

    op: Any
    args: tuple
    options: Mapping[str, Any]
    out: Any
    scope: str = ""  # address of the layer that took it

    @property
    def outs(self) -> tuple[Var, ...]:
        return self.out if isinstance(self.out, tuple) else (self.out,)

    @property
    def ins(self) -> tuple[Var, ...]:
        return tuple(a for a in self.args if isinstance(a, Var))


@dataclass
class Tape:
    """The steps of a function in the order it took them, and the inner values it named."""

    steps: list[Step] = field(default_factory=list)
    taps: dict[str, Var] = field(default_factory=dict)
    scope: str = ""  # address of the layer call that is being recorded
    states: dict[str, list[Any]] = field(default_factory=dict)  # kept between calls: first, last
    depth: int = 0  # of loops
    evaluate: Callable[[list[Var]], list[Any]] | None = (
        None  # the data that recorded Vars will have
    )
    limits: Limits = field(default_factory=Limits)
    by_value: bool = False  # the record holds for one set of data only
    shows: list[Callable[[Any], Any]] = field(default_factory=list)  # see `inner.shown_as`
    stand_in: Callable[[str, Any], Any] | None = None  # see `inner.instead`
    fed: dict[str, Var] = field(default_factory=dict)  # arrays that come in for values

    def var(self, shape: Sequence[int], dtype: Any) -> Var:
        return Var(shape, dtype, self)

    def record(self, op: Any, args: tuple, options: Mapping[str, Any]) -> Any:
        known = self.with_data(args) if op.by_value else args
        shape, dtype = op.shape(*known, **options), op.dtype(*known, **options)
        many = isinstance(shape, list)
        dtypes = dtype if isinstance(dtype, list) else itertools.repeat(dtype)
        made = [self.var(*each) for each in zip(shape, dtypes, strict=False)] if many else []
        out = tuple(made) if many else self.var(shape, dtype)
        step = Step(op, args, options, out, self.scope)
        for var in step.outs:
            size = var.size * var.dtype.itemsize
            self.limits.check("value_bytes", size, f"an array of shape {var.shape}")
        self.steps.append(step)
        return out

    def cut(self, steps: int, taps: int) -> None:
        """Forget all but the first so many steps and taps: what a failed call recorded."""
        del self.steps[steps:]
        for name in list(self.taps)[taps:]:
            del self.taps[name]

    def with_data(self, args: tuple) -> tuple:
        """The arguments with arrays in place of Vars."""
        if self.evaluate is None:
            raise UnsupportedOption("the shape of its output depends on what its input holds")
        self.by_value, wanted = True, [a for a in args if isinstance(a, Var)]
        arrays = iter(self.evaluate(wanted))
        return tuple(next(arrays) if isinstance(a, Var) else a for a in args)


def backward(
    tape: Tape,
    seeds: Mapping[Var, Any],
    wanted: Iterable[Var],
    steps: Sequence[Step] | None = None,
) -> tuple[dict[Var, Any], dict[Var, NotDifferentiable]]:
    """Record the gradients of sum(seed * value), by walking what was recorded backwards.

    What comes of it are more steps of the same tape: they are run, fused and freed like others.

    Parameters
    ----------
    tape
        What they are recorded on.
    seeds, wanted
        Where the walk starts, with the gradient of the result for these Vars; and where to: only
        the paths to these are walked.
    steps
        What is walked; without it all steps of the tape.

    Returns
    -------
    dict, dict
        Var -> gradient, of the Var's shape and dtype, for all Vars on the paths; and Var -> why it
        has none though the result depends on it: whole numbers lie between, or an op without.

    Examples
    --------
    >>> from npforward import ops
    >>> tape = Tape()
    >>> x = tape.var((2,), "float64")
    >>> y = ops.square(x)
    >>> gradients, without = backward(tape, {y: np.ones(2)}, [x])
    >>> gradients[x], [step.op.__name__ for step in tape.steps]
    (Var(2 float64), ['square', 'multiply', 'multiply'])
    """
    steps = tuple(tape.steps if steps is None else steps)
    goals = set(wanted)
    leads = set(goals)  # Vars that depend on a wanted one
    for step in steps:
        if any(a in leads for a in step.ins):
            leads.update(step.outs)
    grads, without, scope = dict(seeds), dict[Var, NotDifferentiable](), tape.scope
    broken: set[Var] = set()  # what a path to has no derivative, though there should be one
    for step in reversed(steps):
        gs = [grads.get(out) for out in step.outs]
        cut_off = next((without[out] for out in step.outs if out in without), None)
        if cut_off is None and all(g is None for g in gs):
            continue
        tape.scope, paths = step.scope, []
        smooth = any(differentiable(out.dtype) for out in step.outs)
        for i, a in enumerate(step.args):
            if not (isinstance(a, Var) and a in leads):
                continue
            why = step.op.without(step, i)
            if why is None:
                paths.append(i)
            if why is not None and (cut_off is None or differentiable(a.dtype)):
                where = f"layer {step.scope!r}: " if step.scope else ""
                kind = NotDifferentiable if smooth and differentiable(a.dtype) else WholeNumbers
                without.setdefault(a, kind(where + why))
            elif cut_off is not None:
                without.setdefault(a, cut_off)
            if differentiable(a.dtype) and (broken & set(step.outs) or (why and smooth)):
                broken.add(a)
        if any(g is not None for g in gs):
            for a, part in step.op.back(step, paths, gs, goals):
                whole = a in {*step.outs} or a not in grads  # of an inner value, or a first part
                grads[a] = part if whole else grads[a] + part
    tape.scope = scope
    found = {v: g for v, g in grads.items() if v not in broken}
    return found, {v: why for v, why in without.items() if v not in found}
