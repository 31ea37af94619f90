"""A kernel is a readable numpy reference and, once it has earned it, a fast twin."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

KERNELS: dict[str, Kernel] = {}

_numpy_only = contextvars.ContextVar("numpy_only", default=False)


def _switched_off() -> bool:
    return _numpy_only.get() or os.environ.get("NPFORWARD_KERNELS", "").lower() == "numpy"


@functools.cache
def _numba_installed() -> bool:
    return importlib.util.find_spec("numba") is not None


def which() -> str:
    """The set of kernels in use: "numba" where twins may run, "numpy" where they may not.

    Examples
    --------
    >>> with numpy_only():
    ...     which()
    'numpy'
    """
    return "numba" if _numba_installed() and not _switched_off() else "numpy"


@contextlib.contextmanager
def numpy_only() -> Iterator[None]:
    """Within this context every kernel runs its numpy reference.

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


class Kernel:
    """A numpy reference, and a twin of the same signature that is compiled when first needed."""

    def __init__(self, reference: Callable[..., Any]) -> None:
        functools.update_wrapper(self, reference)
        self.reference = reference
        self.build: Callable[[Any], Callable[..., Any]] | None = None
        self.worth: Callable[..., bool] = lambda *args, **options: False
        KERNELS[reference.__name__] = self

    def twin(
        self, worth: Callable[..., bool]
    ) -> Callable[[Callable[[Any], Callable[..., Any]]], Callable[[Any], Callable[..., Any]]]:
        """Attach a builder of the fast twin.

        The builder gets the numba module, which is imported only when a twin first runs;
        ``worth(*args, **options)`` says whether a call is large enough to repay that.
        """

        def attach(build: Callable[[Any], Callable[..., Any]]) -> Callable[[Any], Any]:
            self.build, self.worth = build, worth
            return build

        return attach

    @functools.cached_property
    def fast(self) -> Callable[..., Any] | None:
        """The compiled twin, or None where there is none or numba is not installed."""
        if self.build is None or not _numba_installed():
            return None
        import numba

        return self.build(numba)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.build is not None and not _switched_off() and self.worth(*args, **options):
            fast = self.fast
            if fast is not None:
                return fast(*args, **options)
        return self.reference(*args, **options)


kernel = Kernel
