"""Faster ways to run steps of a plan that give the same values; layers stay free of this.

A loop over time that is exactly one of the kernels' is one call of it: a rule records its own step
the way a layer does, and a loop that was recorded as the same ops on the same arrays is that
kernel.  Any other loop, and one whose inner values are wanted, is left to `scan`.  A bias is added
to a product where the product lies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from npforward import kernels, ops
from npforward.layers.recurrent import gru_step, lstm_step
from npforward.ops.scan import SCAN, Program
from npforward.tape import Step, Tape, Var


class Rule(NamedTuple):
    """A step, called as ``step(states, x, *captured)``, and the kernel that is its loop."""

    states: int
    captured: int
    step: Callable[..., Any]
    run: Callable[..., tuple[Any, ...]]  # of (*states, xs, *captured)


def _lstm(states, z, u):
    h, c = states
    h, c = lstm_step(z, h, c, u, "tanh", "sigmoid")
    return [h, c], h


def _gru(states, z, u, b=None):
    h = gru_step(z, states[0], u, b, "tanh", "sigmoid", reset_after=True)
    return [h], h


RULES = (
    Rule(2, 1, _lstm, lambda h, c, z, u: kernels.lstm(z, h, c, u)),
    Rule(1, 2, _gru, lambda h, z, u, b: kernels.gru(z, h, u, b)),
    Rule(1, 1, _gru, lambda h, z, u: kernels.gru(z, h, u, np.zeros(u.shape[1], u.dtype))),
)


def fused(step: Step, options: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The function to run instead of the op's own, called alike; None where no rule fits.

    Examples
    --------
    >>> fused(Step(ops.exp, (1.0,), {}, None), {}) is None
    True
    """
    rule = recurrent(step, options)
    if rule is None:
        return None
    missing = (None,) * len(options["program"].taps)
    return lambda *args, program, run=rule.run: (*run(*args), *missing)


def recurrent(step: Step, options: Mapping[str, Any]) -> Rule | None:
    """The rule whose loop a step is; None where there is none, or where inner values are wanted."""
    if step.op is not SCAN:
        return None
    program: Program = options["program"]
    n = len(program.state) + len(program.y)
    if any(program.wants(n + i) for i in range(len(program.taps))):
        return None
    if {v.dtype.name for v in program.ins} not in ({"float32"}, {"float64"}):
        return None
    counts = len(program.state), len(program.captured)
    for rule in RULES:
        if counts == (rule.states, rule.captured) and len(program.x) == 1:
            expected = _recorded(rule, program)
            if expected is not None and _written(expected) == _written(program):
                return rule
    return None


def _recorded(rule: Rule, program: Program) -> Program | None:
    """The rule's step on arrays of this program's shapes; None where they do not fit it."""
    tape = Tape()
    states = [tape.var(v.shape, v.dtype) for v in program.state]
    xs = tape.var((1, *program.x[0].shape), program.x[0].dtype)
    captured = [tape.var(v.shape, v.dtype) for v in program.captured]
    try:
        ops.scan(lambda held, x: rule.step(held, x, *captured), states, xs)
    except ValueError:  # of a rule of shapes
        return None
    return tape.steps[0].options["program"]


def _written(program: Program) -> tuple[Any, ...]:
    """What a program does, comparable: every Var by the order of its appearance."""
    at: dict[Var, int] = {v: i for i, v in enumerate(program.ins)}

    def word(a: Any) -> Any:
        return at.setdefault(a, len(at)) if isinstance(a, Var) else repr(a)

    steps = [
        (step.op, tuple(map(word, step.args)), repr(step.options), tuple(map(word, step.outs)))
        for step in program.steps
    ]
    return steps, tuple(map(word, program.new_state)), tuple(map(word, program.y))


# Ops whose answer is memory of their own, never a view of an argument.
FRESH = (ops.dense, ops.conv)


def in_passing(steps: Sequence[Step]) -> set[Var]:
    """What is made in fresh memory for one other step alone: nothing else sees that memory."""
    uses = Counter(v for step in steps for v in step.ins)
    return {step.out for step in steps if step.op in FRESH and uses[step.out] == 1}


def in_place(step: Step, passing: set[Var]) -> Callable[..., Any] | None:
    """A sum written over its first term, if that is only passing by; None for any other step.

    Fresh memory for a large array costs several times the addition itself.
    """
    if step.op is not ops.add or step.args[0] not in passing:
        return None
    a, b = step.args
    same = a.shape == step.out.shape and getattr(b, "dtype", None) == a.dtype == step.out.dtype
    # Half types are summed in float32 and rounded once.
    return _add_in_place if same and a.dtype.name in ("float32", "float64") else None


def _add_in_place(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.add(a, b, out=a)
