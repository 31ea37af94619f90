"""How older Keras kept the arrays of a layer, where that is not how today's Keras does.

A dialect step marks an entry with the names of layouts (`stored_as`), and here is what each name
means.  The arrays are described anew, in today's shapes and order; none is read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npforward.graph import Layout, Stored

# From a layer's config in today's words to how its arrays were kept.
LAYOUTS: dict[str, Callable[[Mapping[str, Any]], Layout]] = {}


def layout_of(names: Any, config: Mapping[str, Any]) -> Layout | None:
    """The layout that an entry is marked with: the first name is what the file has.

    Each further one goes on from what the one before it made.
    """
    known = [LAYOUTS[name] for name in names or () if isinstance(name, str) and name in LAYOUTS]
    if not known:
        return None
    steps = [make(config) for make in known]

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        for step in steps:
            stored = step.today(stored)
        return tuple(stored)

    return Layout(steps[0].trainable, today)


def changed(
    stored: Stored, shape: Sequence[int], change: Callable[[np.ndarray], np.ndarray]
) -> Stored:
    """An array that is made from a stored one when it is read; `change` gives one of `shape`."""

    def read() -> np.ndarray:
        values = np.ascontiguousarray(change(stored.read()))
        values.flags.writeable = False
        return values

    return Stored(stored.name, tuple(shape), stored.dtype, read)
