"""What dtypes mean here: which are floats, which are computed wider, what mixtures become."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

HALF = {"float16", "bfloat16"}
NAME = re.compile(r"[a-z]+\d*(_\w+)?")


def known(dtype: Any) -> np.dtype:
    """numpy's dtype of this name, or ml_dtypes' where numpy has none: bfloat16.

    Raises
    ------
    TypeError
        Neither knows it.

    Examples
    --------
    >>> known("bfloat16").itemsize
    2
    """
    # numpy has a language of its own for records, and Python's parser looks at what is in it.
    if isinstance(dtype, str) and not NAME.fullmatch(dtype):
        raise TypeError(f"{dtype!r} is no name of a dtype")
    try:
        return np.dtype(dtype)
    except TypeError:
        import ml_dtypes  # noqa: F401  gives numpy its bfloat16

        return np.dtype(dtype)


def floating(dtype: Any) -> bool:
    """Whether a dtype is one of the floating types, bfloat16 included.

    Examples
    --------
    >>> floating("float16"), floating("int32")
    (True, False)
    """
    dtype = known(dtype)
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
    return floating(dtype) or known(dtype).kind == "c"


def promote(*args: Any, **options: Any) -> np.dtype:
    """The dtype of an op on these arguments: Keras's lattice, which is JAX's.

    Python scalars adapt to the arrays; integers adapt to floats, where numpy makes float64 of
    int32 and float32.  uint64 and complex128 never arise.

    Examples
    --------
    >>> promote(np.ones(2, "float32"), 2.0), promote(np.ones(2, "int8"), np.ones(2, "uint8"))
    (dtype('float32'), dtype('int16'))
    >>> promote(np.ones(2, "int32"), 2.0), promote(np.ones(2, "bool"), 2)
    (dtype('float32'), dtype('int32'))
    """
    kinds: list[Any] = [a.dtype if hasattr(a, "dtype") else type(a) for a in args if a is not None]
    return _promoted(*kinds)


@functools.cache  # a recorder asks the same for every op
def _promoted(*kinds: Any) -> np.dtype:
    """The same, of dtypes and the types of Python scalars."""
    strong = [k for k in kinds if isinstance(k, np.dtype)]
    if any(k.kind == "c" for k in strong):
        return np.dtype(np.complex64)
    floats = [k for k in strong if floating(k)]
    if floats:
        if {k.name for k in floats} >= HALF:  # neither holds the other
            floats = [np.dtype(np.float32), *(k for k in floats if k.name not in HALF)]
        return np.result_type(*floats)
    scalars = [k for k in kinds if not isinstance(k, np.dtype)]
    if any(issubclass(k, float) for k in scalars):
        return np.dtype(np.float32)
    weak = any(issubclass(k, int) and not issubclass(k, bool) for k in scalars)
    if weak and all(k == np.bool_ for k in strong):
        return np.dtype(np.int32)
    found = np.result_type(*strong) if strong else np.dtype(np.bool_)
    if found.kind == "f":  # uint64 with a signed type
        return np.dtype(np.float32)
    return np.dtype(np.uint32) if found == np.uint64 else found


def arithmetic(*args: Any, **options: Any) -> np.dtype:
    """As `promote`, but truth values count as int32.

    Examples
    --------
    >>> arithmetic(np.ones(1, "bool")), arithmetic(np.ones(1, "int8"))
    (dtype('int32'), dtype('int8'))
    """
    found = promote(*args)
    return np.dtype(np.int32) if found == np.bool_ else found


def summed(x: Any, **options: Any) -> np.dtype:
    """What a sum or product over axes is in: small integers become of 32 bits.

    Examples
    --------
    >>> summed(np.ones(1, "int8")), summed(np.ones(1, "uint8")), summed(np.ones(1, "float16"))
    (dtype('int32'), dtype('uint32'), dtype('float16'))
    """
    if x.dtype.kind == "b" or x.dtype.name in ("int8", "int16"):
        return np.dtype(np.int32)
    return np.dtype(np.uint32) if x.dtype.name in ("uint8", "uint16") else x.dtype


def exact(*args: Any, **options: Any) -> np.dtype:
    """As `promote`, with integers counted as float32, but those of 64 bits as float64.

    Examples
    --------
    >>> exact(np.ones(1, "int32")), exact(np.ones(1, "int64"))
    (dtype('float32'), dtype('float64'))
    """
    found = promote(*args)
    if found.kind in "fc" or floating(found):
        return found
    return np.dtype(np.float64 if found == np.int64 else np.float32)


# The rules by which arguments are brought to one dtype, that of the computation.
COMPUTED_IN = (promote, arithmetic, summed, exact)


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
