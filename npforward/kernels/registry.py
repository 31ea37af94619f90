"""The numpy references by name, and whether compiled kernels may run instead of them."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npforward.kernels.native.library import Library

KERNELS: dict[str, Callable[..., Any]] = {}

_numpy_only = contextvars.ContextVar("numpy_only", default=False)


def kernel(reference: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a numpy reference by its name."""
    KERNELS[reference.__name__] = reference
    return reference


def _switched_off() -> bool:
    return _numpy_only.get() or os.environ.get("NPFORWARD_KERNELS", "").lower() == "numpy"


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("llvmlite") is not None


def compiled() -> Library | None:
    """The compiled kernels for this CPU; None where there are none, or where they are off.

    Examples
    --------
    >>> with numpy_only():
    ...     compiled() is None
    True
    """
    if _switched_off() or not _installed():
        return None
    from npforward.kernels.native.library import library

    return library()


def absent() -> str:
    """Why there are no compiled kernels here; empty if there are.

    Examples
    --------
    >>> with numpy_only():
    ...     absent()
    'compiled kernels are switched off here'
    """
    if _switched_off():
        return "compiled kernels are switched off here"
    if not _installed():
        return "llvmlite, which compiles kernels, is not installed"
    return (
        "" if compiled() else "compiled kernels need a CPU with AVX2 and FMA, or an ARM of 64 bits"
    )


def which() -> str:
    """The kernels that may run: "compiled", or "numpy" where there are no others.

    Examples
    --------
    >>> with numpy_only():
    ...     which()
    'numpy'
    """
    return "numpy" if compiled() is None else "compiled"


def winograd() -> int:
    """The size of the squares of outputs that convolutions of 3 x 3 taps are computed by; 0 for
    none.

    It is 2, or what ``NPFORWARD_WINOGRAD`` says: 0, 2 or 4.  With 2 a convolution takes about two
    thirds of the time and loses no more than Keras on TensorFlow does, unless more than two thirds
    of its inputs are 0 (at most 1.6 times as much then); with 4 half of the time, and several times
    as much is lost.

    Examples
    --------
    >>> winograd()
    2
    """
    said = os.environ.get("NPFORWARD_WINOGRAD", "")
    return int(said) if said in ("0", "2", "4") else 2


@contextlib.contextmanager
def numpy_only() -> Iterator[None]:
    """Within this context only the numpy references run.

    The environment variable ``NPFORWARD_KERNELS=numpy`` does the same for a whole process.

    Examples
    --------
    >>> import numpy as np
    >>> with numpy_only():
    ...     sorted(KERNELS)[0]
    'conv'
    """
    token = _numpy_only.set(True)
    try:
        yield
    finally:
        _numpy_only.reset(token)
