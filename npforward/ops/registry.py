"""What an op is: a function of arrays, recordable and differentiable."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward.dtypes import (
    COMPUTED_IN,
    HALF,
    cast,
    differentiable,
    floating,
    promote,
    widened,
)
from npforward.errors import NotDifferentiable
from npforward.tape import OPS, Step, Var


def broadcast(*args: Any, **options: Any) -> tuple[int, ...]:
    """The shape rule of elementwise ops, and of these alone.

    Examples
    --------
    >>> broadcast(np.ones((3, 1)), np.ones(4), 2.0)
    (3, 4)
    """
    return np.broadcast_shapes(*(np.shape(a) if not isinstance(a, Var) else a.shape for a in args))


@dataclass(eq=False)
class Op:
    """A function of arrays with the rules that belong to it: shape, dtype and one vjp per array."""

    fn: Callable[..., Any]
    vjps: tuple[Callable[..., Any] | None, ...] | Callable[..., Any]
    shape: Callable[..., Any]
    dtype: Callable[..., Any]
    floats: bool  # integers count as float32
    wide: bool  # half types are computed in float32
    by_value: bool = False  # the shape rule needs arrays with data
    answer: str | None = None  # the dtype of the answer, where it is not that of the computation
    in_ops: bool = False  # its vjps are made of ops, and recorded as those

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.fn)
        # Its arguments are brought to one dtype.
        self.promotes = self.dtype in COMPUTED_IN
        self.computed_in = functools.partial(_floats, self.dtype) if self.floats else self.dtype
        of_computation = self.computed_in
        answer = None if self.answer is None else np.dtype(self.answer)
        self.dtype = of_computation if answer is None else lambda *args, **options: answer

    def __call__(self, *args: Any, **options: Any) -> Any:
        tapes = [a.tape for a in args if isinstance(a, Var)]
        if tapes:  # within a loop, what the step captured is of an outer tape
            innermost = tapes[0] if len(tapes) == 1 else max(tapes, key=lambda tape: tape.depth)
            return innermost.record(self, args, options)
        args = tuple(np.asarray(a) if isinstance(a, (list, tuple)) else a for a in args)
        return self.value(*args)(*args, **options)

    @property
    def elementwise(self) -> bool:
        """Whether each number of the answer depends on the arguments at its own place alone."""
        return self.shape is broadcast

    def value(self, *args: Any) -> Callable[..., Any]:
        """The function to call on arrays of the dtypes that `args` have."""
        if not self.promotes:
            return self.fn
        found = self.computed_in(*args)
        if self.wide and found.name in HALF:
            return lambda *arrays, **options: _map(
                lambda y: np.asarray(y).astype(self.answer or found),
                self.fn(*(cast(a, np.float32) for a in arrays), **options),
            )
        whole = found.name != "bfloat16" or all(hasattr(a, "dtype") for a in args)
        if whole and all(getattr(a, "dtype", found) == found for a in args):
            return self.fn
        return lambda *arrays, **options: self.fn(*(cast(a, found) for a in arrays), **options)

    def without(self, step: Step, i: int) -> str | None:
        """Why there is no gradient for argument `i` of a step; None where there is one."""
        name = self.fn.__name__
        if not any(differentiable(out.dtype) for out in step.outs):
            return f"op {name} gives {step.outs[0].dtype} numbers, which have no derivative"
        if not differentiable(step.args[i].dtype):
            return f"op {name} takes {step.args[i].dtype} numbers, which have no derivative"
        if not callable(self.vjps) and (i >= len(self.vjps) or self.vjps[i] is None):
            return f"op {name} has no derivative for its argument number {i}"
        return None

    def back(
        self, step: Step, wanted: Sequence[int], gs: Sequence[Any], goals: Collection[Var]
    ) -> Iterator[tuple[Var, Any]]:
        """Record the gradients for the arguments `wanted` of a step, given those of its answers."""
        tape, many = step.outs[0].tape, isinstance(step.out, tuple)
        found = self.computed_in(*step.args) if self.promotes else promote(*step.args)
        if self.in_ops and found.name not in HALF:
            for i in wanted:
                vjp: Any = functools.partial(self.vjps, i) if callable(self.vjps) else self.vjps[i]
                part = vjp(gs if many else gs[0], step.out, *step.args, **step.options)
                if part.dtype != step.args[i].dtype:
                    part = OPS["cast"](part, dtype=step.args[i].dtype)
                yield step.args[i], part
            return
        filled = [
            np.zeros(out.shape, out.dtype) if g is None else g
            for g, out in zip(gs, step.outs, strict=True)
        ]
        for i in wanted:
            op = Derivative(self, i, len(filled), many)
            args = (*filled, *step.outs, *step.args)
            yield step.args[i], tape.record(op, args, step.options)

    def pulls(
        self, wanted: Sequence[int], g: Any, y: Any, args: tuple, options: Mapping[str, Any]
    ) -> list[np.ndarray]:
        """The gradients for the arguments `wanted`, given that of the answer `y`."""
        return [self.pull(i, g, y, args, options) for i in wanted]

    def pull(self, i: int, g: Any, y: Any, args: tuple, options: Mapping[str, Any]) -> np.ndarray:
        """The gradient for argument `i`, given that of the answer `y`."""
        if callable(self.vjps):
            vjp: Any = functools.partial(self.vjps, i)
        else:
            vjp = self.vjps[i] if i < len(self.vjps) else None
        if vjp is None:
            raise NotDifferentiable(
                f"op {self.fn.__name__} has no derivative for its argument number {i}"
            )
        arrays = args
        found = self.computed_in(*args) if self.promotes else promote(*args)
        if self.promotes:
            arrays = tuple(cast(a, found) for a in args)
        if found.name in HALF:
            g, y, arrays = _map(widened, g), _map(widened, y), tuple(map(widened, arrays))
        with np.errstate(all="ignore"):  # 0 / 0 is NaN, as in the value; a later `where` drops it
            return np.asarray(vjp(g, y, *arrays, **options)).astype(args[i].dtype, copy=False)


@dataclass(frozen=True)
class Derivative:
    """The vjp of an op for one argument, as an op of gradients, answers and arguments."""

    of: Op
    i: int
    outs: int
    many: bool
    by_value = False

    @property
    def __name__(self) -> str:
        return f"derivative of {self.of.fn.__name__}"

    def _argument(self, args: tuple) -> Any:
        return args[2 * self.outs + self.i]

    def shape(self, *args: Any, **options: Any) -> tuple[int, ...]:
        return self._argument(args).shape

    def dtype(self, *args: Any, **options: Any) -> np.dtype:
        return self._argument(args).dtype

    def value(self, *args: Any) -> Callable[..., Any]:
        """The function to call on arrays of the dtypes that `args` have."""
        return self._run

    def _run(self, *args: Any, **options: Any) -> np.ndarray:
        n = self.outs
        g, y, arrays = args[:n], args[n : 2 * n], args[2 * n :]
        if not self.many:
            g, y = g[0], y[0]
        return self.of.pull(self.i, g, y, arrays, options)

    def without(self, step: Step, i: int) -> str | None:
        """Why there is no gradient of this gradient."""
        return f"the {self.__name__} has no derivative of its own"


def op(
    *vjps: Callable[..., Any] | None,
    shape: Callable[..., Any] = broadcast,
    dtype: Callable[..., Any] = promote,
    floats: bool = False,
    wide: bool = False,
    by_value: bool = False,
    answer: str | None = None,
    in_ops: bool = False,
    each: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Make a numpy function an op: recordable and differentiable.

    Parameters
    ----------
    *vjps
        One vector-Jacobian product per array argument, called as ``vjp(g, y, *args, **options)``
        with the gradient ``g`` of the answer ``y``; None where there is no derivative.
    shape, dtype
        Rules called like the op itself; a list of shapes says that the op has several outputs,
        and a list of dtypes that these differ in it.
    floats
        Integer arguments count as float32, as Keras has it.
    wide
        Half types are computed in float32 and rounded once.
    by_value
        The answer's shape depends on what the arrays hold: the shape rule is called with data.
    answer
        The dtype of the answer, where it is not the one in which it is computed.
    in_ops
        The vjps are made of ops and Python's operators alone: they are recorded as such, so that
        they are compiled and fused like those, and nothing is kept for them that they do not read.
    each
        Instead of `vjps` for ops of any number of arrays: ``each(i, g, y, *args, **options)``.

    Examples
    --------
    >>> @op(lambda g, y, x: 2 * g * x)
    ... def doctest_square(x):
    ...     return x * x
    >>> doctest_square(np.array([1.0, 3.0]))
    array([1., 9.])
    >>> del OPS["doctest_square"]
    """

    def decorate(fn: Callable[..., Any]) -> Op:
        made = Op(fn, each or vjps, shape, dtype, floats, wide, by_value, answer, in_ops)
        OPS[fn.__name__] = made
        return made

    return decorate


def _floats(rule: Callable[..., np.dtype], *args: Any, **options: Any) -> np.dtype:
    """What a rule says, integers counted as float32."""
    found = rule(*args, **options)
    return found if found.kind == "c" or floating(found) else np.dtype(np.float32)


def _map(function: Callable[[Any], Any], y: Any) -> Any:
    return tuple(map(function, y)) if isinstance(y, tuple) else function(y)
