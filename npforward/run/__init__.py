"""Plan a forward pass and run it."""

from npforward.run.plan import (
    FUNCTIONS_BY_NAME,
    Failed,
    Instruction,
    Plan,
    Recording,
    Segment,
    compute_dtype,
    leading_to,
    owner_of,
    plan,
    worth_compiling,
)
from npforward.run.replacing import Replacing, dependent, fitting, needed_besides
from npforward.run.run import Weight, called, carry_out, laid_out, run, taken

__all__ = [
    "FUNCTIONS_BY_NAME",
    "Failed",
    "Instruction",
    "Plan",
    "Recording",
    "Replacing",
    "Segment",
    "Weight",
    "called",
    "carry_out",
    "compute_dtype",
    "dependent",
    "fitting",
    "laid_out",
    "leading_to",
    "needed_besides",
    "owner_of",
    "plan",
    "run",
    "taken",
    "worth_compiling",
]
