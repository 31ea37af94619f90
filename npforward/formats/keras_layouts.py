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


def _layout(*trainable: bool) -> Callable[[Any], Any]:
    """Register, under its name, what makes today's arrays out of as many as `trainable` has."""

    def decorate(today: Callable[..., tuple[Stored, ...]]) -> Any:
        def make(config: Mapping[str, Any]) -> Layout:
            return Layout(trainable, lambda stored: today(stored, config))

        LAYOUTS[today.__name__] = make
        return today

    return decorate


def changed(
    stored: Stored, shape: Sequence[int], change: Callable[[np.ndarray], np.ndarray]
) -> Stored:
    """An array that is made from a stored one when it is read; `change` gives one of `shape`."""

    def read() -> np.ndarray:
        values = np.ascontiguousarray(change(stored.read()))
        values.flags.writeable = False
        return values

    return Stored(stored.name, tuple(shape), stored.dtype, read)


def _by_gate(
    kernel: np.ndarray, gates: int, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return np.concatenate([change(part) for part in np.split(kernel, gates, axis=1)], axis=1)


def _cudnn(stored: Sequence[Stored], gates: int) -> tuple[Stored, Stored]:
    """The kernels of cuDNN: its vectors are rows, and each gate's kernel lies column by column."""
    kernel, recurrent = stored[:2]

    def by_rows(part: np.ndarray) -> np.ndarray:
        return part.T.reshape(part.shape, order="F")

    return (
        changed(kernel, kernel.shape, lambda k: _by_gate(k, gates, by_rows)),
        changed(recurrent, recurrent.shape, lambda k: _by_gate(k, gates, np.transpose)),
    )


@_layout(True, True, True)
def cudnn_lstm(stored: Sequence[Stored], config: Mapping[str, Any]) -> tuple[Stored, ...]:
    """A CuDNNLSTM has a bias for the input's product and one for the state's: their sum counts."""
    bias = stored[2]
    whole = bias.shape[0] // 2 if bias.shape else 0
    return (*_cudnn(stored, 4), changed(bias, (whole,), lambda b: b[:whole] + b[whole:]))


@_layout(True, True, True)
def cudnn_gru(stored: Sequence[Stored], config: Mapping[str, Any]) -> tuple[Stored, ...]:
    """A CuDNNGRU has both biases in a row."""
    bias = stored[2]
    whole = bias.shape[0] // 2 if bias.shape else 0
    return (*_cudnn(stored, 3), changed(bias, (2, whole), lambda b: b.reshape(2, whole)))


def _flipped(kernels: int) -> Callable[[Mapping[str, Any]], Layout]:
    """Kernels that are turned round in all their space axes, and a bias after them."""

    def turned(kernel: np.ndarray) -> np.ndarray:
        return np.flip(kernel, tuple(range(kernel.ndim - 2)))

    def make(config: Mapping[str, Any]) -> Layout:
        count = kernels + bool(config.get("use_bias", True))

        def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
            made = [changed(kernel, kernel.shape, turned) for kernel in stored[:kernels]]
            return (*made, *stored[kernels:])

        return Layout((True,) * count, today)

    return make


LAYOUTS |= {"theano_kernel": _flipped(1), "theano_kernels": _flipped(2)}
