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

    @property
    def outs(self) -> tuple[Any, ...]:
        """What each time gives, and is wanted."""
        given = (*self.y, *self.taps)
        n = len(self.state)
        return (*self.new_state, *(v for i, v in enumerate(given) if self.wants(n + i)))

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
        return _WayBack(step, wanted, gs, goals).recorded()


class _WayBack:
    """The loop that walks a loop back, in the making."""

    def __init__(
        self, step: Step, wanted: Sequence[int], gs: Sequence[Any], goals: Collection[Var]
    ) -> None:
        self.step, self.gs = step, gs
        self.program: Program = step.options["program"]
        self.outer, self.inner = step.outs[0].tape, self.program.x[0].tape
        n, m, ins = len(self.program.state), len(self.program.x), self.program.ins
        self.of_state = [i for i in wanted if i < n]
        self.of_x = [i for i in wanted if n <= i < n + m]
        self.of_captured = [i for i in wanted if i >= n + m and differentiable(ins[i].dtype)]
        taps = zip(step.outs[n + len(self.program.y) :], self.program.taps, strict=True)
        self.asked = [(out, v) for out, v in taps if out in goals]
        self.length = next(len(a) for a in step.args[n : n + m])

    def recorded(self) -> Iterator[tuple[Var, Any]]:
        """Record it, and give the gradient of each argument and inner value."""
        steps = self._of_one_time()
        steps += self._sums(steps)
        kept = self._kept(steps)
        finals, over_time = self._loop(steps, kept)
        step, ins = self.step, self.program.ins
        first = dict(zip(self.carried, finals, strict=False))
        for i in self.of_state:
            if ins[i] in first:
                yield step.args[i], first[ins[i]]
        outs = iter(over_time)
        for i in self.of_x:
            yield step.args[i], next(outs)
        for out, _ in self.asked:
            yield out, next(outs)
        for i, product in self.products.items():
            a, b = next(outs), next(outs)
            yield step.args[i], self.outer.record(product.op, (a, b), product.options)
        for i, total in zip(self.sums, finals[len(self.carried) :], strict=True):
            yield step.args[i], total

    def _of_one_time(self) -> list[Step]:
        """What gives the gradients of one time, of those that come in: of the next state from the
        time after, and of what is given out."""
        program, n, begun = self.program, len(self.program.state), len(self.inner.steps)
        # By the state that a step began with: the gradient of the one that it ended with.
        self.carried = {v: self.inner.var(v.shape, v.dtype) for v in program.state
                        if differentiable(v.dtype)}  # fmt: skip
        given = [(v, g) for v, g in zip((*program.y, *program.taps), self.gs[n:], strict=True)
                 if g is not None and isinstance(v, Var) and differentiable(v.dtype)]  # fmt: skip
        self.given = [(self.inner.var(v.shape, v.dtype), g) for v, g in given]
        pairs = [(end, self.carried.get(v)) for v, end in
                 zip(program.state, program.new_state, strict=True)]  # fmt: skip
        pairs += [(v, entered) for (v, _), (entered, _) in zip(given, self.given, strict=True)]
        seeds: dict[Var, Any] = {}
        for end, g in pairs:
            if g is not None and isinstance(end, Var):
                seeds[end] = seeds[end] + g if end in seeds else g
        goals = [program.ins[i] for i in (*self.of_x, *self.of_captured)]
        goals += [*(v for _, v in self.asked), *self.carried]
        self.found, without = backward(self.inner, seeds, goals, program.steps)
        for v in program.ins:
            if v in without and differentiable(v.dtype):
                raise without[v]
        return self._taken(begun)

    def _taken(self, begun: int) -> list[Step]:
        """The steps that were recorded since; they belong to no loop yet."""
        steps = self.inner.steps[begun:]
        del self.inner.steps[begun:]
        return steps

    def _sums(self, steps: Sequence[Step]) -> list[Step]:
        """What adds up the gradients of captured arrays over time.

        Sums over the time of products over the batch are one product over both, made afterwards.
        """
        made = {out: s for s in steps for out in s.outs}
        self.products: dict[int, Step] = {}
        self.sums: dict[int, Var] = {}
        self.totals: list[Any] = []
        begun = len(self.inner.steps)
        for i in self.of_captured:
            v = self.program.ins[i]
            g = self.found.get(v)
            if g in made and made[g].op is dense_dw:
                self.products[i] = made[g]
            elif g is not None:
                self.sums[i] = self.inner.var(v.shape, v.dtype)
                self.totals.append(self.sums[i] + g)
        return self._taken(begun)

    def _gradient(self, v: Var) -> Any:
        return self.found.get(v, np.zeros(v.shape, v.dtype))

    def _kept(self, steps: Sequence[Step]) -> list[tuple[Var, Var]]:
        """Let the loop keep what its steps computed and the way back reads, stacked over time.

        What goes into the loop is there already.
        """
        program, step, outer = self.program, self.step, self.outer
        ins = [program.ins[i] for i in self.of_x]
        self.ys = [self._gradient(v) for v in (*ins, *(v for _, v in self.asked))]
        self.ys += [a for product in self.products.values() for a in product.args]
        self.read = dict.fromkeys(v for s in steps for v in s.ins)
        self.read |= dict.fromkeys(
            v for v in (*self.ys, *self.totals, *map(self._gradient, self.carried))
            if isinstance(v, Var)
        )  # fmt: skip
        own = {out for s in steps for out in s.outs}
        forward = tuple(self.inner.steps)  # loops among them keep more than they did
        kept = [
            v for v in dict.fromkeys([*program.state, *(o for s in forward for o in s.outs)])
            if v in self.read and v not in own
        ]  # fmt: skip
        stacked = [outer.var((self.length, *v.shape), v.dtype) for v in kept]
        again = replace(program, steps=forward, y=(*program.y, *kept))
        before = len(program.state) + len(program.y)
        outs = (*step.outs[:before], *stacked, *step.outs[before:])
        place = next(i for i, s in enumerate(outer.steps) if s is step)
        outer.steps[place] = step._replace(out=outs, options={"program": again})
        return list(zip(kept, stacked, strict=True))

    def _loop(
        self, steps: Sequence[Step], kept: Sequence[tuple[Var, Var]]
    ) -> tuple[list[Var], list[Var]]:
        """Record the loop; gives its last states, and its outputs over time."""
        program, step, outer = self.program, self.step, self.outer
        n = len(program.state)
        entering = zip(program.x, step.args[n:], strict=False)
        given = [*self.given, *kept, *((v, a) for v, a in entering if v in self.read)]
        own = {out for s in steps for out in s.outs} | {v for v, _ in given}
        own |= {*self.carried.values(), *self.sums.values()}
        captured = [v for v in self.read if v not in own]
        back = Program(
            tuple(steps),
            (*self.carried.values(), *self.sums.values()),
            tuple(v for v, _ in given),
            tuple(captured),
            (*map(self._gradient, self.carried), *self.totals),
            tuple(self.ys),
            (),
            backwards=True,
            length=self.length,
        )
        at_end = dict(zip(program.state, self.gs[:n], strict=True))
        starts = [np.zeros(v.shape, v.dtype) if at_end.get(v) is None else at_end[v]
                  for v in (*self.carried, *self.sums.values())]  # fmt: skip
        args = (*starts, *(a for _, a in given), *captured)
        finals = [outer.var(v.shape, v.dtype) for v in back.state]
        over_time = [outer.var((self.length, *np.shape(y)), y.dtype) for y in self.ys]
        outer.steps.append(Step(SCAN, args, {"program": back}, (*finals, *over_time), outer.scope))
        return finals, over_time


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
