"""A loop over time as one op: the step is recorded once, run for every time, walked backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npforward.dtypes import differentiable
from npforward.graph import leaves, map_leaves
from npforward.inner import instead
from npforward.ops.linear import dense_dw
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
    backwards: bool = False  # from the last time to the first
    length: int | None = None  # how many times, where there is nothing that goes into each

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

    def without(self, step: Step, i: int) -> str | None:
        """Why there is no gradient for argument `i`: never, but of what is in the loop."""
        dtype = step.args[i].dtype
        if differentiable(dtype):
            return None
        return f"a loop takes {dtype} numbers, which have no derivative"

    def back(
        self, step: Step, wanted: Sequence[int], gs: Sequence[Any], goals: Collection[Var]
    ) -> Iterator[tuple[Var, Any]]:
        """Record the gradients for the arguments `wanted`: a loop from the last time to the first.

        Also those of inner values among the `goals`.
        """
        program: Program = step.options["program"]
        outer, inner = step.outs[0].tape, program.x[0].tape
        n, m, count = len(program.state), len(program.y), len(inner.steps)
        ends = (*program.new_state, *program.y, *program.taps)
        # Gradients that come in: of the state, from the step after; of what is given out.
        entering = [
            inner.var(v.shape, v.dtype) if isinstance(v, Var) and (i < n or gs[i] is not None)
            else None for i, v in enumerate(ends)
        ]  # fmt: skip
        seeds: dict[Var, Any] = {}
        for end, g in zip(ends, entering, strict=True):
            if g is not None and differentiable(end.dtype):
                seeds[end] = seeds[end] + g if end in seeds else g
        asked = [(out, v) for out, v in zip(step.outs[n + m :], program.taps, strict=True)
                 if out in goals]  # fmt: skip
        goals_inside = [program.ins[i] for i in wanted] + [v for _, v in asked]
        floats = [v for v in program.state if differentiable(v.dtype)]
        found, without = backward(inner, seeds, [*goals_inside, *floats], program.steps)
        for v in program.ins:
            if v in without and differentiable(v.dtype):
                raise without[v]
        steps = _invariant(program, inner.steps[count:]) + inner.steps[count:]
        forward = tuple(inner.steps[:count])
        del inner.steps[count:]

        def gradient(v: Var) -> Any:
            return found.get(v, np.zeros(v.shape, v.dtype))

        # Sums over the time of products over the batch are one product over both.
        made = {out: s for s in steps for out in s.outs}
        captured = [i for i in wanted if i >= n + len(program.x)]
        whole = {
            i: made[g] for i in captured
            if (g := found.get(program.ins[i])) in made and made[g].op is dense_dw
        }  # fmt: skip
        added = [i for i in captured if i not in whole and program.ins[i] in found]
        sums = {i: inner.var(program.ins[i].shape, program.ins[i].dtype) for i in added}
        totals = [sums[i] + found[program.ins[i]] for i in added]
        steps += inner.steps[count:]
        del inner.steps[count:]
        of_x = [i for i in wanted if n <= i < n + len(program.x)]
        pairs = [a for i in whole for a in whole[i].args]
        ys = [gradient(program.ins[i]) for i in of_x] + [gradient(v) for _, v in asked] + pairs

        ends_read = [v for v in [*ys, *totals] if isinstance(v, Var)]
        read = dict.fromkeys([*(v for s in steps for v in s.ins), *ends_read])
        own = {out for s in steps for out in s.outs} | set(sums.values())
        own |= {g for g in entering if g is not None}
        # What a step computed is kept for the way back; what goes into the loop is there already.
        kept = [v for v in dict.fromkeys([*program.state, *(o for s in forward for o in s.outs)])
                if v in read and v not in own]  # fmt: skip
        length = next(len(a) for a in step.args[n : n + len(program.x)])
        stacked = [outer.var((length, *v.shape), v.dtype) for v in kept]
        again = replace(program, steps=forward, y=(*program.y, *kept))
        outs = (*step.outs[: n + m], *stacked, *step.outs[n + m :])
        place = next(i for i, s in enumerate(outer.steps) if s is step)
        outer.steps[place] = step._replace(out=outs, options={"program": again})

        carried = [g for g in entering[:n] if g is not None]
        given = [(g, gs[n + i]) for i, g in enumerate(entering[n:]) if g is not None]
        given += zip(kept, stacked, strict=True)
        given += [(v, a) for v, a in zip(program.x, step.args[n:], strict=False) if v in read]
        own |= {v for v, _ in given}
        used = [v for v in read if v not in own]
        back = Program(
            tuple(steps),
            (*carried, *sums.values()),
            tuple(v for v, _ in given),
            tuple(used),
            (*(gradient(v) for v, g in zip(program.state, entering[:n], strict=True)
               if g is not None), *totals),
            tuple(ys),
            (),
            backwards=True,
            length=length,
        )  # fmt: skip
        starts = [np.zeros(v.shape, v.dtype) if g is None else g
                  for v, g, e in zip(step.outs[:n], gs[:n], entering[:n], strict=True)
                  if e is not None]  # fmt: skip
        starts += [np.zeros(v.shape, v.dtype) for v in sums.values()]
        args = (*starts, *(a for _, a in given), *used)
        finals = [outer.var(v.shape, v.dtype) for v in back.state]
        over_time = [outer.var((length, *np.shape(y)), y.dtype) for y in ys]
        outer.steps.append(Step(SCAN, args, {"program": back}, (*finals, *over_time), outer.scope))

        firsts = dict(zip((v for v, g in zip(program.state, entering[:n], strict=True)
                           if g is not None), finals, strict=False))  # fmt: skip
        for i in wanted:
            if i < n and program.ins[i] in firsts:
                yield step.args[i], firsts[program.ins[i]]
        ends_of = iter(over_time)
        for i in of_x:
            yield step.args[i], next(ends_of)
        for out, _ in asked:
            yield out, next(ends_of)
        for i, s in whole.items():
            a, b = next(ends_of), next(ends_of)
            yield step.args[i], outer.record(s.op, (a, b), s.options)
        for i, total in zip(added, finals[len(carried) :], strict=True):
            yield step.args[i], total


def _invariant(program: Program, steps: Sequence[Step]) -> list[Step]:
    """The steps whose answers are the same at every time, as far as the others read them."""
    fixed = set(program.captured)
    same = []
    for step in program.steps:
        if step.ins and all(v in fixed for v in step.ins):
            fixed.update(step.outs)
            same.append(step)
    read = {v for step in steps for v in step.ins}
    found = []
    for step in reversed(same):
        if any(out in read for out in step.outs):
            read.update(step.ins)
            found.append(step)
    return found[::-1]


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
    length = next(leaves(xs)).shape[0]
    given += [_over_time(outer, address, v, length) for address, v in inner.fed.items()]
    of_each_time = (*leaves(x), *inner.fed.values())
    made = {out for s in inner.steps for out in s.outs}
    own = made | set(leaves(held)) | set(of_each_time)
    used = [a for s in inner.steps for a in s.ins]
    used += [a for a in leaves([new_state, y]) if isinstance(a, Var)]
    captured = tuple(dict.fromkeys(a for a in used if a not in own))
    taps = {name: v for name, v in inner.taps.items() if v in own}
    program = Program(
        tuple(inner.steps),
        tuple(leaves(held)),
        of_each_time,
        captured,
        tuple(leaves(new_state)),
        tuple(leaves(y)),
        tuple(taps.values()),
    )
    finals = [outer.var(v.shape, v.dtype) for v in program.state]
    stacked = [outer.var((length, *np.shape(v)), v.dtype) for v in (*program.y, *program.taps)]
    args = (*given, *captured)
    outer.steps.append(Step(SCAN, args, {"program": program}, (*finals, *stacked), outer.scope))
    for name, v in zip(taps, stacked[len(program.y) :], strict=True):
        outer.taps[name] = _turned(v)  # samples first, as the layer's own output has it
    last, ys = iter(finals), iter(stacked)
    return map_leaves(lambda _: next(last), state), map_leaves(lambda _: next(ys), y)


def _turned(v: Any) -> Any:
    """(T, N, ...) -> (N, T, ...), and back."""
    return transpose(v, axes=(1, 0, *range(2, v.ndim))) if v.ndim > 1 else v


def _over_time(outer: Tape, address: str, v: Var, length: int) -> Any:
    """What comes in for an inner value `v` at every time; it comes in as the value is shown."""
    shown = (*v.shape[:1], length, *v.shape[1:])
    return _turned(instead(address, outer.var(shown, v.dtype)))


def output_of(step: Callable[..., Any], state: Any, xs: Any) -> Any:
    """What the step's output will be: an array, or one without data, of its shape and dtype."""
    tapes = [a.tape for a in (*leaves(state), *leaves(xs)) if isinstance(a, Var)]
    if not tapes:
        return step(state, map_leaves(lambda x: x[0], xs))[1]
    _, held, x = _entered(max(tapes, key=lambda tape: tape.depth), state, xs)
    return step(held, x)[1]


def _entered(outer: Tape, state: Any, xs: Any) -> tuple[Tape, Any, Any]:
    """A tape for one step, and Vars for what goes into it."""
    inner = Tape(scope=outer.scope, depth=outer.depth + 1, stand_in=outer.stand_in)
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
    length = len(xs[0]) if xs else program.length or 0
    stacked: list[Any] = []
    kept: list[tuple[np.ndarray, int]] = []  # what is stacked over time, and from where
    for i, v in enumerate((*program.y, *program.taps)):
        wanted = program.wants(n + i)
        stacked.append(np.empty((length, *np.shape(v)), v.dtype) if wanted else None)
        if wanted:
            kept.append((stacked[-1], slot(v)))
    for t in reversed(range(length)) if program.backwards else range(length):
        slots[n : n + m] = [x[t] for x in xs]
        for function, ins, options, outs, many in code:
            found = function(*[slots[a] for a in ins], **options)
            if many:
                for out, array in zip(outs, found, strict=True):
                    slots[out] = array
            else:
                slots[outs[0]] = found
        for into, a in kept:
            into[t] = slots[a]
        slots[:n] = [slots[a] for a in new_state]
    return (*slots[:n], *stacked)
