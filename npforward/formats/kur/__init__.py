"""Kurfiles: models that Kur 0.7 describes in YAML or JSON, read as plain data.

Nothing in a Kurfile executes.  Templates may compute plain values by a list of operations, each
bounded; files are read only where they lie below the Kurfile's own folder.
"""

from __future__ import annotations

import os

from npforward.formats.kur.kurfile import Kurfile, WeightsPlace, dumped, merged
from npforward.formats.kur.suppliers import Data, data
from npforward.limits import Limits

__all__ = ["Data", "Kurfile", "WeightsPlace", "data", "dumped", "merged", "read"]


def read(path: str | os.PathLike[str], limits: Limits | None = None) -> Kurfile:
    """A Kurfile with everything it includes, evaluated.

    Parameters
    ----------
    path
        The Kurfile, which ends in .yml, .yaml or .json.
    limits
        What it may ask of this machine.

    Raises
    ------
    BadFile
        It is no Kurfile, or its model cannot be made; the message has the file, line and key.
    LimitExceeded
        It asks for more than it may.

    Examples
    --------
    >>> kurfile = read("weights_fixtures/kur/shared_cifar_loop/Kurfile.yml")
    >>> kurfile.data["settings"]["cnn"]["kernels"]
    [6, 10, 12]
    """
    return Kurfile.read(path, limits or Limits())
