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
====================================  ============================================================

Every value that somebody wants is written to memory of its own, by whichever kernel has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence

import numpy as np

from npforward.kernels.native.library import Library

# Importing a module enters its rules.
from npforward.run.lowering import derivatives, functions, loops, moves, products, windows
from npforward.run.lowering.making import RULES, Lowering, Recorded, bits, is_alias
from npforward.run.program import Program
from npforward.tape import Step, Var

__all__ = ["RULES", "Recorded", "bits", "is_alias", "lower"]


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
