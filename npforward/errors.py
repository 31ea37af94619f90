"""Every error that npforward raises on purpose, and the command line's exit code beside each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class NpforwardError(Exception):
    """Base class of all errors raised by npforward.

    Its message names the file, layer or input, what was found, what was expected and what to do.

    Examples
    --------
    >>> import npforward as npf
    >>> try:
    ...     npf.load_model("no_such_model.keras")
    ... except npf.NpforwardError as error:
    ...     print(type(error).__name__, error.exit_code)
    MissingFile 2
    """

    exit_code = 2

    def __str__(self) -> str:
        # KeyError would print the message in quotes.
        return str(self.args[0]) if self.args else ""


class MissingFile(NpforwardError, FileNotFoundError):
    """A path that does not exist, or is of the wrong kind."""


class BadFile(NpforwardError, ValueError):
    """A file that is not what it claims to be: truncated, malformed, inconsistent."""


class NotNumbers(BadFile):
    """A stored array of texts, records or references, where numbers are expected."""

    def __init__(self, message: str, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__(message)
        self.shape, self.dtype = shape, dtype


class UnknownFormat(BadFile):
    """A file whose content no reader recognises."""


class WeightsOnly(BadFile):
    """A file of arrays, without the layers that they belong to."""


class WeightMismatch(BadFile):
    """Stored weights whose number, shape or dtype does not fit the layer that they belong to."""


class BadInput(NpforwardError, ValueError):
    """An argument or input array that does not fit the model."""


class UnknownName(NpforwardError, KeyError):
    """A layer, address or input name that the model does not have."""


class CannotWrite(NpforwardError, OSError):
    """An output file or folder that cannot be written."""


class UnsupportedLayer(NpforwardError):
    """A layer that cannot be replayed."""

    exit_code = 3


class UnsupportedOption(UnsupportedLayer):
    """An option in a layer's config that would change the result and is not implemented."""


class NotDifferentiable(NpforwardError):
    """A gradient was asked for through an op that has none."""

    exit_code = 3


class WholeNumbers(NotDifferentiable):
    """A gradient was asked for through whole numbers, which cannot change by a little."""


class LimitExceeded(NpforwardError):
    """One of `Limits` was hit; the message says which and how to raise it."""

    exit_code = 4


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests names close to `name`, or lists what there is.

    Examples
    --------
    >>> nearest("conv_1", ["conv1", "dense"])
    "Did you mean 'conv1'?"
    >>> nearest("zzz", ["conv1", "dense"])
    "There are: 'conv1', 'dense'."
    """
    import difflib  # late: it is wanted for misspelt names alone

    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
    return f"There are: {shown}." if known else "There are none."
