"""A loop over time as one op: the step is recorded once, run for every time, walked backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npforward.graph import leaves, map_leaves
from npforward.ops.shaping import transpose
from npforward.tape import Step, Tape, Var, backward


@dataclass(frozen=True, eq=False)
class Program:
    """One recorded step: Vars of the state, of this time's input, and of what the step captured."""

    steps: tuple[Step, ...]
    state: tuple[Var, ...]
    x: tuple[Var, ...]
    captured: tuple[Var, ...]
    new_state: tuple[Any, ...]  # Vars, or constants
    y: tuple[Any, ...]
    taps: tuple[Var, ...]
    keep: tuple[bool, ...] | None = None  # which of (final states, ys, taps) are wanted

    @property
    def ins(self) -> tuple[Var, ...]:
        return (*self.state, *self.x, *self.captured)

    def wants(self, n: int) -> bool:
        return self.keep is None or self.keep[n]


class Scan:
    """The op behind `scan`; its arguments are (states, xs, captured) and its option the program."""

    __name__ = "scan"

    def value(self, *args: Any) -> Callable[..., Any]:
        return run

    def keeping(self, options: Mapping[str, Any], keep: Sequence[bool]) -> dict[str, Any]:
        """The same options for a caller who wants some of the outputs only."""
        return {"program": replace(options["program"], keep=tuple(keep))}

    def pulls(
        self, wanted: Sequence[int], g: Any, y: Any, args: tuple, options: Mapping[str, Any]
    ) -> list[np.ndarray]:
        """The gradients for the arguments `wanted`, walking through time from the last step."""
        program: Program = options["program"]
        n, m = len(program.state), len(program.x)
        states, xs, captured = args[:n], args[n : n + m], args[n + m :]
        length = len(xs[0])
        histories = []  # the values of every step
        state = states
        for t in range(length):
            values = dict(zip(program.ins, (*state, *(x[t] for x in xs), *captured), strict=True))
            state, _, _ = _step(program, values)
            histories.append(values)
        g_state, g_y, g_taps = g[:n], g[n : n + len(program.y)], g[n + len(program.y) :]
        grads = [np.zeros(np.shape(a), getattr(a, "dtype", None)) for a in args]
        carried = list(g_state)
        for t in reversed(range(length)):
            seeds: dict[Var, np.ndarray] = {}
            ends = [*program.new_state, *program.y, *program.taps]
            parts = [*carried, *(part[t] for part in (*g_y, *g_taps))]
            for end, part in zip(ends, parts, strict=True):
                if isinstance(end, Var):
                    seeds[end] = seeds[end] + part if end in seeds else part
            found = backward(program.steps, histories[t], seeds, program.ins)
            carried = [found[v] for v in program.state]
            for i, v in enumerate(program.x):
                grads[n + i][t] = found[v]
            for i, v in enumerate(program.captured):
                grads[n + m + i] = grads[n + m + i] + found[v]
        grads[:n] = carried
        return [grads[i] for i in wanted]


SCAN = Scan()


def scan(step: Callable[..., Any], state: Any, xs: Any) -> tuple[Any, Any]:
    """Call ``step(state, x)`` for every x along the first axis of `xs`.

    Parameters
    ----------
    step
        Gives the next state and this time's output.
    state, xs
        Arrays, or trees of them; `xs` has time first.

    Returns
    -------
    tuple
        The last state, and the outputs stacked over time.

    Examples
    --------
    >>> total, sums = scan(lambda s, x: (s + x, s + x), np.float64(0), np.array([1.0, 2.0, 3.0]))
    >>> total, sums
    (np.float64(6.0), array([1., 3., 6.]))
    """
    given = [*leaves(state), *leaves(xs)]
    tapes = [a.tape for a in given if isinstance(a, Var)]
    if not tapes:
        return _plain(step, state, xs)
    outer = max(tapes, key=lambda tape: tape.depth)
    inner, held, x = _entered(outer, state, xs)
    new_state, y = step(held, x)
    made = {out for s in inner.steps for out in s.outs}
    own = made | set(leaves(held)) | set(leaves(x))
    used = [a for s in inner.steps for a in s.ins]
    used += [a for a in leaves([new_state, y]) if isinstance(a, Var)]
    captured = tuple(dict.fromkeys(a for a in used if a not in own))
    taps = {name: v for name, v in inner.taps.items() if v in own}
    program = Program(
        tuple(inner.steps),
        tuple(leaves(held)),
        tuple(leaves(x)),
        captured,
        tuple(leaves(new_state)),
        tuple(leaves(y)),
        tuple(taps.values()),
    )
    length = next(leaves(xs)).shape[0]
    finals = [outer.var(v.shape, v.dtype) for v in program.state]
    stacked = [outer.var((length, *np.shape(v)), v.dtype) for v in (*program.y, *program.taps)]
    args = (*given, *captured)
    outer.steps.append(Step(SCAN, args, {"program": program}, (*finals, *stacked), outer.scope))
    for name, v in zip(taps, stacked[len(program.y) :], strict=True):
        # (T, N, ...) -> (N, T, ...): as the layer's own output has it
        outer.taps[name] = transpose(v, axes=(1, 0, *range(2, v.ndim))) if v.ndim > 1 else v
    last, ys = iter(finals), iter(stacked)
    return map_leaves(lambda _: next(last), state), map_leaves(lambda _: next(ys), y)


def output_of(step: Callable[..., Any], state: Any, xs: Any) -> Any:
    """What the step's output will be: an array, or one without data, of its shape and dtype."""
    tapes = [a.tape for a in (*leaves(state), *leaves(xs)) if isinstance(a, Var)]
    if not tapes:
        return step(state, map_leaves(lambda x: x[0], xs))[1]
    _, held, x = _entered(max(tapes, key=lambda tape: tape.depth), state, xs)
    return step(held, x)[1]


def _entered(outer: Tape, state: Any, xs: Any) -> tuple[Tape, Any, Any]:
    """A tape for one step, and Vars for what goes into it."""
    inner = Tape(scope=outer.scope, depth=outer.depth + 1)
    held = map_leaves(lambda s: inner.var(s.shape, s.dtype), state)
    return inner, held, map_leaves(lambda x: inner.var(x.shape[1:], x.dtype), xs)


def _plain(step: Callable[..., Any], state: Any, xs: Any) -> tuple[Any, Any]:
    outputs = []
    for t in range(len(next(leaves(xs)))):
        state, y = step(state, map_leaves(functools.partial(_at, t), xs))
        outputs.append(list(leaves(y)))
    stacked = iter([np.stack(column) for column in zip(*outputs, strict=True)])
    return state, map_leaves(lambda _: next(stacked), y)


def _at(t: int, x: Any) -> Any:
    return x[t]


def _step(program: Program, values: dict[Var, Any]) -> tuple[tuple, tuple, tuple]:
    """Run one step on `values` of what goes into it; they are added to."""
    for step in program.steps:
        args = [values[a] if isinstance(a, Var) else a for a in step.args]
        found = step.op.value(*args)(*args, **step.options)
        if isinstance(step.out, tuple):
            values.update(zip(step.out, found, strict=True))
        else:
            values[step.out] = found

    def ends(vars_: tuple) -> tuple:
        return tuple(values[v] if isinstance(v, Var) else v for v in vars_)

    return ends(program.new_state), ends(program.y), ends(program.taps)


def run(*args: Any, program: Program) -> tuple[Any, ...]:
    """The loop itself; outputs that are not wanted come out as None."""
    n, m = len(program.state), len(program.x)
    state, xs, captured = args[:n], args[n : n + m], args[n + m :]
    at: dict[Var, int] = {v: i for i, v in enumerate(program.ins)}
    slots: list[Any] = [*state, *xs, *captured]

    def slot(a: Any) -> int:
        """Where a value is in `slots`; constants have their place there too."""
        if isinstance(a, Var) and a in at:
            return at[a]
        slots.append(None if isinstance(a, Var) else a)
        if isinstance(a, Var):
            at[a] = len(slots) - 1
        return len(slots) - 1

    code = [
        (
            step.op.value(*step.args),
            [slot(a) for a in step.args],
            step.options,
            [slot(out) for out in step.outs],
            isinstance(step.out, tuple),
        )
        for step in program.steps
    ]
    new_state = [slot(v) for v in program.new_state]
    length = len(xs[0])
    stacked: list[Any] = []
    kept: list[tuple[np.ndarray, int]] = []  # what is stacked over time, and from where
    for i, v in enumerate((*program.y, *program.taps)):
        wanted = program.wants(n + i)
        stacked.append(np.empty((length, *np.shape(v)), v.dtype) if wanted else None)
        if wanted:
            kept.append((stacked[-1], slot(v)))
    for t in range(length):
        slots[n : n + m] = [x[t] for x in xs]
        for function, ins, options, outs, many in code:
            found = function(*[slots[a] for a in ins], **options)
            if many:
                for out, array in zip(outs, found, strict=True):
                    slots[out] = array
            else:
                slots[outs[0]] = found
        slots[:n] = [slots[a] for a in new_state]
        for into, a in kept:
            into[t] = slots[a]
    return (*slots[:n], *stacked)
