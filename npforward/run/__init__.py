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
from npforward.run.run import Weight, called, carry_out, laid_out, run, taken

__all__ = [
    "FUNCTIONS_BY_NAME",
    "Failed",
    "Instruction",
    "Plan",
    "Recording",
    "Segment",
    "Weight",
    "called",
    "carry_out",
    "compute_dtype",
    "laid_out",
    "leading_to",
    "owner_of",
    "plan",
    "run",
    "taken",
    "worth_compiling",
]
