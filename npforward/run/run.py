"""The loop: run a plan, giving out each wanted value as soon as it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npforward.errors import NpforwardError
from npforward.run.plan import MISFITS, Instruction, Plan, Segment, misfit
from npforward.tape import Var

Slots = dict[int, Any]  # the arrays that there are now, and the Vars of weights not yet read
Weight = Callable[[Var], np.ndarray]
Watch = Callable[[Instruction | Segment, Plan, Slots, Weight], None]


def run(
    plan: Plan,
    inputs: Sequence[np.ndarray],
    weight: Weight,
    states: dict[str, np.ndarray] | None = None,
    watched: Watch | None = None,
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
    watched
        What is called to `carry_out` each part, by whoever wants to see it happen.
    """
    act = watched or carry_out
    slots: Slots = dict(plan.constants)
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
        act(part, plan, slots, weight)
        yield from complete(part.emits)
        for at in part.frees:
            slots.pop(at, None)
    if states is not None:
        states.update((s.address, slots[s.after]) for s in plan.states if s.after is not None)


def carry_out(part: Instruction | Segment, plan: Plan, slots: Slots, weight: Weight) -> None:
    """Run one part of a plan: what it takes is in `slots`, where what it gives is put."""
    if isinstance(part, Segment):
        values = part.program.run(taken(part, slots, weight), laid_out(plan, slots, weight))
        for v, at in part.outs:
            slots[at] = values[v]
    else:
        with np.errstate(all="ignore"):
            _execute(part, slots, weight)


def taken(segment: Segment, slots: Slots, weight: Weight) -> dict[Var, np.ndarray]:
    """The arrays that compiled kernels read."""
    return {v: _array(slots, at, weight) for v, at in segment.ins}


def laid_out(plan: Plan, slots: Slots, weight: Weight) -> Weight:
    """What gives the constants that kernels lay out for themselves, read only then."""
    return lambda v: _array(slots, plan.slots[v], weight)


def _array(slots: Slots, at: int, weight: Weight) -> Any:
    """What is in a slot; a weight is read when it is first needed."""
    if isinstance(slots[at], Var):
        slots[at] = weight(slots[at])
    return slots[at]


def _execute(instruction: Instruction, slots: Slots, weight: Weight) -> None:
    args = []
    for is_slot, a in instruction.args:
        if is_slot:
            args.append(_array(slots, a, weight))
        else:
            args.append(a)
    y = called(instruction.value, args, instruction.options, instruction.scope)
    for out, array in zip(instruction.outs, y if instruction.many else (y,), strict=True):
        slots[out] = array


def called(
    value: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any], scope: str
) -> Any:
    """What an op's function gives; an error of it names the layer at `scope`."""
    try:
        return value(*args, **options)
    except NpforwardError as error:
        raise type(error)(f"layer {scope!r}: {error}") from error
    except MISFITS as error:
        raise misfit(f"layer {scope!r}", error) from error
