"""What results have in common: they print as text, and are plain data that fits JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(data: Any) -> Any:
    """Data as JSON has it: lists for tuples and arrays, None for NaN and infinity.

    Examples
    --------
    >>> plain({"shape": (2, 3), "mean": math.nan})
    {'shape': [2, 3], 'mean': None}
    """
    if hasattr(data, "_asdict"):  # a named tuple
        data = data._asdict()
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, np.ndarray):
        return plain(data.tolist())
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


class Report:
    """A result that prints as text, a table mostly, and is data.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, repr=False)
    ... class Sizes(Report):
    ...     shape: tuple[int, ...]
    ...
    ...     def __str__(self):
    ...         return f"an array of {self.shape}"
    >>> Sizes((2, 3)), Sizes((2, 3)).to_dict(), Sizes((2, 3)).to_json(indent=None)
    (an array of (2, 3), {'shape': [2, 3]}, '{"shape": [2, 3]}')
    """

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, NaN and infinity as None: JSON has neither."""
        return plain(dataclasses.asdict(self))  # type: ignore[call-overload]

    def to_json(self, indent: int | None = 2) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        return str(self)
