"""Recorded ops as calls of compiled kernels: what is fused with what, and what is not computed.

Each rule says for which steps of a recording it holds and which kernels they become.  What follows
from the rules together:

====================================  ============================================================
recorded                              becomes
====================================  ============================================================
reshape, cast to the same, no border  nothing: the same memory under another shape
border, then convolution or pooling   one kernel: the border is not made, unless channels are few
x + c, x - c, x * c, x / c, of        one multiply-add with numbers computed in float64 from the
constants for each channel            weights (a bias; a BatchNormalization)
product, then such a multiply-add     the weights are scaled and the bias set instead, if nobody
                                      wants the product itself
product, then relu, relu6             the tile's own bounds, likewise
convolution of 3 x 3 taps             transforms and products, unless NPFORWARD_WINOGRAD says no
any function of each number           a step of the chain of the kernel that made its last
                                      argument, applied while that is in the nearest cache
functions of rows (a softmax, a       steps of one chain over rows
LayerNormalization)
a loop over time that is an LSTM, GRU one kernel for all steps
any other loop                        a program for its step, run for every time
====================================  ============================================================

Every value that somebody wants is written to memory of its own, by whichever kernel has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npforward.kernels.native.library import Library

# Importing a module enters its rules.
from npforward.ops.scan import run as each_time
from npforward.run.lowering import derivatives, functions, loops, moves, products, windows
from npforward.run.lowering.making import RULES, Lowering, Recorded, bits, is_alias
from npforward.run.plan import leading_to
from npforward.run.program import Program
from npforward.tape import Step, Var

__all__ = ["RULES", "Recorded", "bits", "body_compiled", "is_alias", "lower", "stretches"]


def lower(
    steps: Sequence[Step],
    outside: Collection[Var],
    constants: Collection[Var],
    library: Library,
    identity: Callable[[Var], Hashable] = id,
    kept: dict[Hashable, np.ndarray] | None = None,
) -> Program:
    """The program of these steps, all of which `fits` holds for.

    `outside` are the Vars that somebody else needs; `constants` those that depend on the weights
    only.  Constants laid out for kernels are `kept` for other programs of the same model, in which
    a constant has the same `identity`.
    """
    return Lowering(steps, outside, constants, library, identity).program(kept)


def stretches(
    steps: Sequence[Step],
    constants: Collection[Var],
    wanted: Collection[Var],
    ends: Collection[int] = (),
) -> list[tuple[bool, int, int]]:
    """The steps in parts, (whether compiled, first, behind the last); parts end at `ends`."""
    makers = {out: step for step in steps for out in step.outs}
    users: dict[Var, list[Step]] = {}
    for step in steps:
        for v in step.ins:
            users.setdefault(v, []).append(step)
    recorded = Recorded(constants, makers, users, wanted)
    parts: list[tuple[bool, int, int]] = []
    for n, step in enumerate(steps):
        compiled = recorded.fits(step)
        if compiled and parts and parts[-1][0] and n - 1 not in ends:
            parts[-1] = (True, parts[-1][1], n + 1)
        else:
            parts.append((compiled, n, n + 1))
    found = []
    for compiled, first, last in parts:
        if compiled and all(is_alias(step) for step in steps[first:last]):
            found += [(False, n, n + 1) for n in range(first, last)]
        else:
            found.append((compiled, first, last))
    return found


def body_compiled(
    step: Step,
    options: Mapping[str, Any],
    constants: Collection[Var],
    library: Library,
    identity: Callable[[Var], Hashable] = id,
    kept: dict[Hashable, np.ndarray] | None = None,
) -> tuple[Callable[..., Any], dict[str, Any], tuple[tuple[Program, int], ...]]:
    """A loop whose step is compiled as far as it can be: what to call, with which options.

    Gives also the programs that its step became, and how often each runs.
    """
    body = options["program"]
    wanted = {v for v in body.outs if isinstance(v, Var)}
    live = [step for _, step in leading_to(body.steps, wanted)[0]]
    steps: list[Step] = []
    inside: list[tuple[Program, int]] = []
    times = len(step.args[len(body.state)]) if body.x else body.length
    for compiled, first, last in stretches(live, constants, wanted):
        if not compiled:
            steps.append(live[first])
            continue
        part = live[first:last]
        later = wanted | {v for step in live[last:] for v in step.ins}
        made = tuple(out for step in part for out in step.outs if out in later)
        given = tuple(dict.fromkeys(v for step in part for v in step.ins))
        program = lower(part, made, constants, library, identity, kept)
        steps.append(Step(loops.Stretch(program, given, made), given, {}, made, part[0].scope))
        inside.append((program, times))
    whole = loops.Whole.of(inside[0][0], body) if len(inside) == len(steps) == 1 else None
    options = {"program": replace(body, steps=tuple(steps))}
    return whole or each_time, options, tuple(inside)
