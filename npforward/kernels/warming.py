"""Compile every kernel ahead of time, and say where they are kept."""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from npforward.errors import CannotWrite
from npforward.kernels import native
from npforward.kernels.registry import absent, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.library import Library


@dataclass(frozen=True)
class Warmed:
    """What `warm_up` did.

    Attributes
    ----------
    kernels : int
        How many there are.
    compiled : tuple[str, ...]
        Those that had to be compiled; the others were there.
    folder : str or None
        Where they are kept; None where numpy is used alone.
    cpu : str or None
        What they are compiled for, by LLVM's name.
    seconds : float
        How long it took.
    without : str
        Why there are no compiled kernels here; empty if there are.
    """

    kernels: int
    compiled: tuple[str, ...]
    folder: str | None
    cpu: str | None
    seconds: float
    without: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data.

        Examples
        --------
        >>> Warmed(15, (), "kept", "znver4", 0.0).to_dict()["kernels"]
        15
        """
        return {**asdict(self), "compiled": list(self.compiled)}


def warm_up(library: Library | None = None) -> Warmed:
    """Compile every kernel that is not kept yet, so that no first run has to wait for it.

    Parameters
    ----------
    library
        The kernels to compile; by default those for the CPU at hand.

    Raises
    ------
    CannotWrite
        The folder that they would be kept in cannot be written.

    Examples
    --------
    >>> from npforward.kernels import numpy_only
    >>> with numpy_only():
    ...     warm_up().without
    'compiled kernels are switched off here'
    """
    library = library or compiled()
    if library is None:
        return Warmed(0, (), None, None, 0.0, absent())
    from npforward.kernels.native.library import KERNELS

    start = time.perf_counter()
    for module in pkgutil.iter_modules(native.__path__):
        importlib.import_module(f"{native.__name__}.{module.name}")  # enters its kernels
    _check_folder(library)
    kernels = list(KERNELS.values())
    missing = [kernel.name for kernel in library.missing(kernels)]
    library.prepare(kernels)
    lost = [kernel.name for kernel in kernels if not library.keeps(kernel)]
    if lost:
        raise CannotWrite(
            f"{library.folder}: {lost[0]} was compiled but could not be kept there: "
            "is there space left?"
        )
    seconds = time.perf_counter() - start
    return Warmed(len(kernels), tuple(missing), str(library.folder), library.target.cpu, seconds)


def _check_folder(library: Library) -> None:
    """Raise, rather before the work than after it, if what is compiled would not be kept."""
    from npforward.kernels.native.library import cache_root

    say = "Let NPFORWARD_CACHE name a folder that is yours alone to write to."
    if library.folder is None:
        raise CannotWrite(
            f"{cache_root()}: compiled kernels cannot be kept there: it cannot be made or read, "
            f"or others can write to it. {say}"
        )
    try:
        library.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=library.folder):
            pass
    except OSError as error:
        raise CannotWrite(
            f"{library.folder}: compiled kernels cannot be kept there: {error.strerror}. {say}"
        ) from None
