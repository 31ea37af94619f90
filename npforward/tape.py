"""Record ops on arrays without data, and walk the record backwards: reverse-mode differentiation.

A function written with ops is called once on `Var`s; each op appends a `Step` to the tape.  The
same list then serves to run the function, to reason about it, and to differentiate it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npforward.errors import NotDifferentiable

OPS: dict[str, Op] = {}
HALF = {"float16", "bfloat16"}


def _operator(name: str) -> Callable[[Any, Any], Any]:
    """What an operator means while recording: the op of this name."""
    return lambda a, b: OPS[name](a, b)


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    return lambda a, b: OPS[name](b, a)


class Var:
    """An array without data: what a recorded step will compute."""

    __slots__ = ("dtype", "shape", "tape")
    __array_ufunc__ = None  # makes `ndarray + var` defer to Var.__radd__

    def __init__(self, shape: Sequence[int], dtype: Any, tape: Tape) -> None:
        self.shape, self.dtype, self.tape = tuple(map(int, shape)), np.dtype(dtype), tape

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape, dtype=np.int64)))

    __add__, __radd__ = _operator("add"), _reflected("add")
    __sub__, __rsub__ = _operator("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _operator("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _operator("divide"), _reflected("divide")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")

    def __neg__(self) -> Any:
        return OPS["negative"](self)

    def __getitem__(self, key: Any) -> Any:
        return OPS["getitem"](self, key=key)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise TypeError("an array without data has no truth value; use ops.where")

    def __repr__(self) -> str:
        return f"Var({'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype})"


class Step(NamedTuple):
    """One op applied: `args` are Vars and constants, `out` a Var or a tuple of them."""

    op: Op
    args: tuple
    options: Mapping[str, Any]
    out: Any

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

    def var(self, shape: Sequence[int], dtype: Any) -> Var:
        return Var(shape, dtype, self)

    def record(self, op: Op, args: tuple, options: Mapping[str, Any]) -> Any:
        shape, dtype = op.shape(*args, **options), op.dtype(*args, **options)
        many = isinstance(shape, list)
        out = tuple(self.var(s, dtype) for s in shape) if many else self.var(shape, dtype)
        self.steps.append(Step(op, args, options, out))
        return out


def tap(name: str, y: Any) -> Any:
    """Name an inner value of the layer that is being recorded; returns it unchanged.

    Examples
    --------
    >>> tap("pre", np.float32(2.0))
    np.float32(2.0)
    """
    if isinstance(y, Var):
        y.tape.taps[f"{y.tape.scope}:{name}"] = y
    return y


def promote(*args: Any, **options: Any) -> np.dtype:
    """The dtype of an op on these arguments; Python scalars adapt to the arrays.

    Examples
    --------
    >>> promote(np.ones(2, "float32"), 2.0)
    dtype('float32')
    """
    kinds = [a if isinstance(a, (bool, int, float)) else a.dtype for a in args if a is not None]
    floats = [k for k in kinds if isinstance(k, np.dtype) and floating(k)]
    # Integers adapt to floats as in Keras; numpy would make float64 of int32 and float32.
    return np.result_type(*(floats or kinds), *(k for k in kinds if isinstance(k, float)))


def floating(dtype: Any) -> bool:
    """Whether a dtype is one of the floating types, bfloat16 included.

    Examples
    --------
    >>> floating("float16"), floating("int32")
    (True, False)
    """
    dtype = np.dtype(dtype)
    return dtype.kind == "f" or dtype.name == "bfloat16"


def broadcast(*args: Any, **options: Any) -> tuple[int, ...]:
    """The shape rule of elementwise ops.

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
    dtype: Callable[..., np.dtype]
    floats: bool  # integers count as float32
    wide: bool  # half types are computed in float32
    promotes: bool = False  # its arguments are brought to one dtype

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.fn)
        rule = self.dtype
        self.promotes = rule is promote
        if self.floats:
            self.dtype = lambda *args, **options: (
                found if floating(found := rule(*args, **options)) else np.dtype("float32")
            )

    def __call__(self, *args: Any, **options: Any) -> Any:
        for a in args:
            if isinstance(a, Var):
                return a.tape.record(self, args, options)
        args = tuple(np.asarray(a) if isinstance(a, (list, tuple)) else a for a in args)
        return self.value(*args)(*args, **options)

    def value(self, *args: Any) -> Callable[..., Any]:
        """The function to call on arrays of the dtypes that `args` have."""
        if not self.promotes:
            return self.fn
        found = promote(*args)
        if self.floats and not floating(found):
            found = np.dtype(np.float32)
        if self.wide and found.name in HALF:
            return lambda *arrays, **options: _map(
                lambda y: y.astype(found),
                self.fn(*(_cast(a, np.float32) for a in arrays), **options),
            )
        if all(getattr(a, "dtype", found) == found for a in args):
            return self.fn
        return lambda *arrays, **options: self.fn(*(_cast(a, found) for a in arrays), **options)

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
        if promote(*args).name in HALF:
            g, y = _map(_widened, g), _map(_widened, y)
            wide = tuple(map(_widened, args))
            return np.asarray(vjp(g, y, *wide, **options)).astype(args[i].dtype)
        return vjp(g, y, *args, **options)


def op(
    *vjps: Callable[..., Any] | None,
    shape: Callable[..., Any] = broadcast,
    dtype: Callable[..., np.dtype] = promote,
    floats: bool = False,
    wide: bool = False,
    each: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Make a numpy function an op: recordable and differentiable.

    Parameters
    ----------
    *vjps
        One vector-Jacobian product per array argument, called as ``vjp(g, y, *args, **options)``
        with the gradient ``g`` of the answer ``y``; None where there is no derivative.
    shape, dtype
        Rules called like the op itself; a list of shapes says that the op has several outputs.
    floats
        Integer arguments count as float32, as Keras has it.
    wide
        Half types are computed in float32 and rounded once.
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
        made = Op(fn, each or vjps, shape, dtype, floats, wide)
        OPS[fn.__name__] = made
        return made

    return decorate


def backward(
    steps: Sequence[Step],
    values: Mapping[Var, np.ndarray],
    seeds: Mapping[Var, np.ndarray],
    wanted: Iterable[Var],
) -> dict[Var, np.ndarray]:
    """The gradients of sum(seed * value) for the `wanted` Vars, by walking `steps` backwards.

    Parameters
    ----------
    steps
        What was recorded, in order.
    values
        The value of every Var in those steps.
    seeds
        Where the walk starts: the gradient of the result for these Vars.
    wanted
        The Vars to differentiate for; only the paths to them are walked.

    Returns
    -------
    dict
        Var -> gradient, of the Var's shape and dtype.  A wanted Var that the seeds do not depend
        on gets zeros.

    Examples
    --------
    >>> from npforward import ops
    >>> tape = Tape()
    >>> x = tape.var((2,), "float64")
    >>> y = ops.square(x)
    >>> a = np.array([1.0, 3.0])
    >>> backward(tape.steps, {x: a, y: a * a}, {y: np.ones(2)}, [x])[x]
    array([2., 6.])
    """
    wanted = list(wanted)
    leads = set(wanted)  # Vars that depend on a wanted one
    for step in steps:
        if any(a in leads for a in step.ins):
            leads.update(step.outs)
    grads = dict(seeds)
    for step in reversed(steps):
        gs = [grads.get(out) for out in step.outs]
        if all(g is None for g in gs) or not any(a in leads for a in step.ins):
            continue
        filled = tuple(
            np.zeros(o.shape, o.dtype) if g is None else g
            for g, o in zip(gs, step.outs, strict=True)
        )
        many = isinstance(step.out, tuple)
        g = filled if many else filled[0]
        y = tuple(values[o] for o in step.outs) if many else values[step.out]
        args = tuple(values[a] if isinstance(a, Var) else a for a in step.args)
        for i, a in enumerate(step.args):
            if isinstance(a, Var) and a in leads and floating(a.dtype):
                part = step.op.pull(i, g, y, args, step.options)
                grads[a] = grads[a] + part if a in grads else part
    return {v: grads[v] if v in grads else np.zeros(v.shape, v.dtype) for v in wanted}


def _cast(a: Any, dtype: Any) -> Any:
    """An array in a dtype; Python numbers adapt by themselves."""
    return a.astype(dtype, copy=False) if hasattr(a, "astype") else a


def _widened(a: Any) -> Any:
    """A half-precision array in float32."""
    half = getattr(getattr(a, "dtype", None), "name", None) in HALF
    return a.astype(np.float32) if half else a


def _map(function: Callable[[Any], Any], y: Any) -> Any:
    return tuple(map(function, y)) if isinstance(y, tuple) else function(y)
