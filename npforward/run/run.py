"""The loop: run a plan, giving out each wanted value as soon as it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from npforward.errors import NpforwardError
from npforward.run.plan import MISFITS, Instruction, Plan, Segment, misfit
from npforward.tape import Var


def run(
    plan: Plan,
    inputs: Sequence[np.ndarray],
    weight: Callable[[Var], np.ndarray],
    states: dict[str, np.ndarray] | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (address, array) in the order of execution; nothing that is done with is kept.

    Parameters
    ----------
    plan
        What to run.
    inputs
        One array per input of the model, of the recorded shapes and dtypes.
    weight
        Gives the array of a weight.
    states
        What stateful layers begin with, by address; without it from zeros.  What they leave
        behind is put there when the plan keeps it.
    """
    slots: dict[int, Any] = dict(plan.constants)
    slots.update(plan.weights)  # each read when first needed
    for entry, array in zip(plan.inputs, inputs, strict=True):
        if entry is not None:
            slots[entry] = array
    for state in plan.states:
        start = (states or {}).get(state.address)
        fits = start is not None and start.shape == state.first.shape
        slots[state.before] = start if fits else np.zeros(state.first.shape, state.first.dtype)
    # A network may compute infinity or NaN: that is a result, not an accident of this loop.
    for instruction in plan.folded:
        if instruction.outs[0] not in plan.constants:
            with np.errstate(all="ignore"):
                _execute(instruction, slots, weight)
            plan.constants.update((out, slots[out]) for out in instruction.outs)

    def complete(emits: Iterable[tuple[str, int]]) -> Iterator[tuple[str, np.ndarray]]:
        for address, at in emits:
            yield address, _array(slots, at, weight)

    yield from complete(plan.first)
    for part in plan.instructions:
        if isinstance(part, Segment):
            _run_segment(part, plan, slots, weight)
        else:
            with np.errstate(all="ignore"):
                _execute(part, slots, weight)
        yield from complete(part.emits)
        for at in part.frees:
            slots.pop(at, None)
    if states is not None:
        states.update((s.address, slots[s.after]) for s in plan.states if s.after is not None)


def _array(slots: dict[int, Any], at: int, weight: Callable[[Var], np.ndarray]) -> Any:
    """What is in a slot; a weight is read when it is first needed."""
    if isinstance(slots[at], Var):
        slots[at] = weight(slots[at])
    return slots[at]


def _run_segment(
    segment: Segment, plan: Plan, slots: dict[int, Any], weight: Callable[[Var], np.ndarray]
) -> None:
    """Run compiled kernels; constants that they lay out for themselves are read only then."""
    given = {v: _array(slots, at, weight) for v, at in segment.ins}
    values = segment.program.run(given, lambda v: _array(slots, plan.slots[v], weight))
    for v, at in segment.outs:
        slots[at] = values[v]


def _execute(
    instruction: Instruction, slots: dict[int, Any], weight: Callable[[Var], np.ndarray]
) -> None:
    args = []
    for is_slot, a in instruction.args:
        if is_slot:
            args.append(_array(slots, a, weight))
        else:
            args.append(a)
    try:
        y = instruction.value(*args, **instruction.options)
    except NpforwardError as error:
        raise type(error)(f"layer {instruction.scope!r}: {error}") from error
    except MISFITS as error:
        raise misfit(f"layer {instruction.scope!r}", error) from error
    for out, array in zip(instruction.outs, y if instruction.many else (y,), strict=True):
        slots[out] = array
