"""What dtypes mean here: which are floats, which are computed wider, what mixtures become."""

from __future__ import annotations

from typing import Any

import numpy as np

HALF = {"float16", "bfloat16"}


def floating(dtype: Any) -> bool:
    """Whether a dtype is one of the floating types, bfloat16 included.

    Examples
    --------
    >>> floating("float16"), floating("int32")
    (True, False)
    """
    dtype = np.dtype(dtype)
    return dtype.kind == "f" or dtype.name == "bfloat16"


def differentiable(dtype: Any) -> bool:
    """Whether numbers of a dtype can have a gradient: floating ones, and complex ones.

    A complex gradient has that for the real part as its real, that for the imaginary as its
    imaginary part.

    Examples
    --------
    >>> differentiable("complex64"), differentiable("int32")
    (True, False)
    """
    return floating(dtype) or np.dtype(dtype).kind == "c"


def promote(*args: Any, **options: Any) -> np.dtype:
    """The dtype of an op on these arguments; Python scalars adapt to the arrays.

    Examples
    --------
    >>> promote(np.ones(2, "float32"), 2.0)
    dtype('float32')
    """
    # Numpy's own float64 is a Python float too: what has a dtype has it.
    kinds = [getattr(a, "dtype", a) for a in args if a is not None]
    floats = [k for k in kinds if isinstance(k, np.dtype) and floating(k)]
    # As in Keras: integers adapt to floats, where numpy makes float64 of int32 and float32; and a
    # Python float makes float32 of integers.
    if floats:
        return np.result_type(*floats)
    if any(isinstance(k, float) for k in kinds):
        return np.dtype(np.float32)
    return np.result_type(*kinds)


def cast(a: Any, dtype: Any) -> Any:
    """An array in a dtype; Python numbers adapt by themselves, but to bfloat16, which numpy lacks.

    Examples
    --------
    >>> cast(np.ones(1), "float32").dtype, cast(2.0, "float32")
    (dtype('float32'), 2.0)
    """
    if hasattr(a, "astype"):
        return a.astype(dtype, copy=False)
    number = isinstance(a, (int, float)) and np.dtype(dtype).name == "bfloat16"
    return np.asarray(a, dtype) if number else a


def widened(a: Any) -> Any:
    """A half-precision array in float32; anything else as it is.

    Examples
    --------
    >>> widened(np.ones(1, "float16")).dtype
    dtype('float32')
    """
    half = getattr(getattr(a, "dtype", None), "name", None) in HALF
    return a.astype(np.float32) if half else a
