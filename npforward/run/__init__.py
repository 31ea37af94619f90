"""Plan a forward pass and run it."""

from npforward.run.plan import Failed, Plan, Recording, compute_dtype, owner_of, plan
from npforward.run.run import run

__all__ = ["Failed", "Plan", "Recording", "compute_dtype", "owner_of", "plan", "run"]
