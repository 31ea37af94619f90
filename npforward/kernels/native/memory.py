"""Memory where compiled code likes it: arrays that begin with a cache line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

LINE = 64  # bytes of a cache line


def aligned(shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """An array that begins where a cache line does; what is in it is anything.

    Examples
    --------
    >>> aligned((2, 3)).ctypes.data % 64
    0
    """
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(nbytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + nbytes].view(dtype).reshape(shape)
