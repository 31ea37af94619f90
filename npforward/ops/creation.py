"""Constants that layers need: they depend on shapes only."""

from __future__ import annotations

from typing import Any

import numpy as np

from npforward.dtypes import known
from npforward.errors import UnsupportedOption
from npforward.limits import room


def full(shape, value, dtype):
    """An array of one value.

    Examples
    --------
    >>> full((2,), 0, "float32")
    array([0., 0.], dtype=float32)
    """
    room(*np.atleast_1d(shape).tolist())
    return np.full(shape, value, known(dtype))


def as_array(x):
    """Numbers and lists of them as Keras makes arrays of them; arrays as they are.

    Examples
    --------
    >>> as_array([1, 2]).dtype, as_array(0.5).dtype, as_array(True).dtype
    (dtype('int32'), dtype('float32'), dtype('bool'))
    """
    if hasattr(x, "dtype"):
        return x
    array = np.asarray(x)
    return array.astype({"i": np.int32, "f": np.float32}.get(array.dtype.kind, array.dtype))


def causal_mask(queries, keys):
    """Which keys each query may see: those not after it.  -> (queries, keys) bool

    Examples
    --------
    >>> causal_mask(2, 3)
    array([[ True, False, False],
           [ True,  True, False]])
    """
    return np.tri(queries, keys, dtype=bool)


def sliding_window_mask(queries, keys, window):
    """Which keys each query may see: those less than `window` away.  -> (queries, keys) bool

    Examples
    --------
    >>> sliding_window_mask(2, 3, 1)
    array([[ True, False, False],
           [False,  True, False]])
    """
    return np.abs(np.arange(queries)[:, None] - np.arange(keys)[None]) < window


def constant(values: Any, dtype: Any) -> np.ndarray:
    """The array that a config holds as a number or as lists of them.

    Examples
    --------
    >>> constant([1, 2], "float32")
    array([1., 2.], dtype=float32)
    """
    try:
        return np.array(values, known(dtype))
    except (ValueError, TypeError):
        raise UnsupportedOption(f"{values!r} are no numbers in rows of one length") from None
