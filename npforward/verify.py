"""How close is close enough: the one tolerance of the project, by dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Tolerance(NamedTuple):
    """|got - want| <= atol * max(1, max|want|) + rtol * |want|"""

    rtol: float
    atol: float


# float32 sums of a few thousand products differ in their order by about 1e-6 of the largest; 1e-4
# leaves room for depth.  Half types round to 2^-11 and 2^-8 at every layer.  In float64, Keras
# rounds Python constants to float32 (6e-8) before it widens them.
TOLERANCES = {
    "float16": Tolerance(4e-3, 1e-3),
    "bfloat16": Tolerance(3e-2, 1e-2),
    "float32": Tolerance(1e-4, 1e-5),
    "float64": Tolerance(1e-7, 1e-8),
}


def tolerance(dtype: object) -> Tolerance:
    """The tolerance for values of a dtype; integers, booleans and strings must be equal.

    Examples
    --------
    >>> tolerance("float32")
    Tolerance(rtol=0.0001, atol=1e-05)
    >>> tolerance("int32")
    Tolerance(rtol=0.0, atol=0.0)
    """
    return TOLERANCES.get(np.dtype(dtype).name, Tolerance(0.0, 0.0))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Difference:
    """How far an array is from what is wanted: `ratio` is its error over what is allowed."""

    ratio: float
    reason: str = ""

    @property
    def within(self) -> bool:
        """Whether the array passes."""
        return self.ratio <= 1


def difference(got: np.ndarray, want: np.ndarray, allowed: Tolerance | None = None) -> Difference:
    """Compare shape, dtype, NaN, infinities and values.

    Parameters
    ----------
    got, want
        Arrays of any shape and dtype.
    allowed
        By default the tolerance of the dtype of `want`.

    Examples
    --------
    >>> difference(np.array([1.0]), np.array([1.0])).within
    True
    >>> difference(np.zeros(2), np.zeros(3)).reason
    'shape (2,), expected (3,)'
    """
    if got.shape != want.shape:
        return Difference(np.inf, f"shape {got.shape}, expected {want.shape}")
    text = got.dtype.kind == want.dtype.kind == "U"  # of any length
    if got.dtype != want.dtype and not text:
        return Difference(np.inf, f"dtype {got.dtype}, expected {want.dtype}")
    if want.dtype.kind == "c":
        got, want = (np.stack([x.real, x.imag]) for x in (got, want))
    rtol, atol = allowed or tolerance(want.dtype)
    if not rtol and not atol:
        unequal = int(np.sum(got != want))
        return Difference(np.inf if unequal else 0.0, f"{unequal} differ" if unequal else "")
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    if (
        not np.array_equal(a[~finite], b[~finite], equal_nan=True)
        or not np.isfinite(a[finite]).all()
    ):
        return Difference(np.inf, "NaN or infinity in other places")
    a, b = a[finite], b[finite]
    if not b.size:
        return Difference(0.0)
    largest = max(1.0, float(np.max(np.abs(b))))
    return Difference(float(np.max(np.abs(a - b) / (atol * largest + rtol * np.abs(b)))))
