"""Plan a forward pass and run it."""

from npforward.run.plan import (
    FUNCTIONS_BY_NAME,
    Failed,
    Plan,
    Recording,
    compute_dtype,
    owner_of,
    plan,
    worth_compiling,
)
from npforward.run.run import run

__all__ = [
    "FUNCTIONS_BY_NAME",
    "Failed",
    "Plan",
    "Recording",
    "compute_dtype",
    "owner_of",
    "plan",
    "run",
    "worth_compiling",
]
