"""Recorded steps run one by one, forwards and backwards."""

import numpy as np

from npforward.errors import WholeNumbers
from npforward.tape import Var, backward


def replayed(steps, values):
    """The values of all steps that are not known yet."""
    values = dict(values)
    with np.errstate(all="ignore"):
        for step in steps:
            if all(out in values for out in step.outs):
                continue
            args = [values[a] if isinstance(a, Var) else a for a in step.args]
            y = step.op.value(*args)(*args, **step.options)
            values.update(zip(step.outs, y if isinstance(step.out, tuple) else (y,), strict=True))
    return values


def walked_back(tape, values, seeds, wanted):
    """The gradients of sum(seed * value) as arrays; zeros where nothing depends on a Var."""
    before = list(tape.steps)
    try:
        found, without = backward(tape, seeds, wanted)
        for v in wanted:
            if v in without and not isinstance(without[v], WholeNumbers):
                raise without[v]
        values = replayed(tape.steps, values)
    finally:
        tape.steps[:] = before
    grads = {}
    for v in wanted:
        g = found.get(v, np.zeros(v.shape, v.dtype))
        grads[v] = values[g] if isinstance(g, Var) else g
        assert grads[v].shape == v.shape, (v, grads[v].shape)
    return grads
