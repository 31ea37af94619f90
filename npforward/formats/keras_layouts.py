"""How older Keras kept the arrays of a layer, where that is not how today's Keras does.

A dialect step marks an entry with the names of layouts (`stored_as`), and here is what each name
means.  The arrays are described anew, in today's shapes and order; none is read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npforward.errors import WeightMismatch
from npforward.graph import Layout, Stored

Maker = Callable[[Mapping[str, Any]], Layout]


def layout_of(names: Any, config: Mapping[str, Any]) -> Layout | None:
    """The layout that an entry is marked with: the first name is what the file has.

    Each further one goes on from what the one before it made.
    """
    steps = [LAYOUTS[name](config) for name in names or ()]
    if not steps:
        return None

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        for step in steps:
            stored = step.today(stored)
        return tuple(stored)

    numbers = (step.trainable for step in steps if step.trainable is not None)
    return Layout(next(numbers, None), today)


def changed(
    stored: Stored, shape: Sequence[int], change: Callable[[np.ndarray], np.ndarray]
) -> Stored:
    """An array that is made from a stored one when it is read; `change` gives one of `shape`."""
    return joined([stored], shape, lambda arrays: change(arrays[0]))


def joined(
    parts: Sequence[Stored], shape: Sequence[int], join: Callable[[list[np.ndarray]], np.ndarray]
) -> Stored:
    """As `changed`, from several of one dtype."""

    def read() -> np.ndarray:
        values = np.ascontiguousarray(join([part.read() for part in parts]))
        values.flags.writeable = False
        return values

    return Stored(parts[0].name, tuple(shape), parts[0].dtype, read)


def _each(change: Callable[[Stored], Stored]) -> Maker:
    """A layout of as many arrays as today, each of which is kept in another way."""
    layout = Layout(None, lambda stored: tuple(change(array) for array in stored))
    return lambda config: layout


def _moved(stored: Stored, axes: Sequence[int]) -> Stored:
    """The array with its axes in another order."""
    shape = [stored.shape[axis] for axis in axes]
    return changed(stored, shape, lambda array: array.transpose(axes))


def _channels_first(stored: Stored) -> Stored:
    """A kernel that was kept as (out, in, *space)."""
    n = len(stored.shape)
    return _moved(stored, (*range(2, n), 1, 0)) if n > 2 else stored


def _flipped(stored: Stored) -> Stored:
    """A kernel that was turned over before use, as a convolution in the word's own sense has it."""
    space = tuple(range(len(stored.shape) - 2))
    return changed(stored, stored.shape, lambda array: np.flip(array, space)) if space else stored


def _deconvolution(stored: Stored) -> Stored:
    """The kernel of a transposed convolution that was kept with its inputs before its outputs."""
    n = len(stored.shape)
    return _moved(stored, (*range(n - 2), n - 1, n - 2)) if n > 2 else stored


def _conv1d(config: Mapping[str, Any]) -> Layout:
    """Keras 1's Conv1D was a Conv2D over one column: its kernel was (length, 1, in, out).

    Before Keras 1.1 it was (out, in, length, 1).
    """
    size = config.get("kernel_size"), config.get("filters")

    def change(stored: Stored) -> Stored:
        if len(stored.shape) != 4:
            return stored
        if ([stored.shape[0]], stored.shape[3]) != size or stored.shape[1] != 1:
            stored = _moved(stored, (2, 3, 1, 0))
        length, column, inward, outward = stored.shape
        if column != 1:
            return stored
        return changed(stored, (length, inward, outward), lambda array: array[:, 0])

    return _each(change)(config)


def _gates(order: Sequence[int]) -> Maker:
    """Keras 1 kept kernel, recurrent kernel and bias of each gate; `order` has today's gates."""

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        return tuple(_beside([stored[3 * gate + part] for gate in order]) for part in range(3))

    layout = Layout((True,) * 3 * len(order), today)
    return lambda config: layout


def _beside(parts: list[Stored]) -> Stored:
    """Arrays joined along their last axis."""
    if len({(part.shape, part.dtype) for part in parts}) > 1 or not parts[0].shape:
        found = ", ".join(f"{part.name} {part.shape}" for part in parts)
        raise WeightMismatch(f"its gates should be alike, but the file stores {found}")
    *shape, n = parts[0].shape
    return joined(parts, (*shape, n * len(parts)), lambda arrays: np.concatenate(arrays, axis=-1))


def _rows(stored: Stored) -> Stored:
    """PyTorch multiplies from the right: a matrix has a row for each output."""
    return _moved(stored, (1, 0)) if len(stored.shape) == 2 else stored


def _torch_gates(order: Sequence[int], biases: Callable[[Stored, Stored], Stored]) -> Maker:
    """PyTorch's recurrent layers: gate below gate, and two biases; `order` has today's gates."""

    def reordered(stored: Stored) -> Stored:
        n = len(order)
        if not stored.shape or stored.shape[0] % n:
            raise WeightMismatch(
                f"{stored.name} should have {n} gates one below the other, but is {stored.shape}"
            )
        return changed(
            stored,
            stored.shape,
            lambda array: np.concatenate([np.split(array, n)[gate] for gate in order]),
        )

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        kernel, recurrent, *both = map(reordered, stored)
        if both[0].shape != both[1].shape:
            shapes = f"{both[0].name} {both[0].shape}, {both[1].name} {both[1].shape}"
            raise WeightMismatch(f"its two biases should be alike, but are {shapes}")
        return _rows(kernel), _rows(recurrent), biases(*both)

    layout = Layout((True,) * 4, today)
    return lambda config: layout


def _above(a: Stored, b: Stored) -> Stored:
    return joined([a, b], (2, *a.shape), np.stack)


def _summed(a: Stored, b: Stored) -> Stored:
    return joined([a, b], a.shape, lambda arrays: arrays[0] + arrays[1])


def _highway(config: Mapping[str, Any]) -> Layout:
    """Until Keras 1.1 each bias came behind its kernel, since then behind both kernels."""

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        paired = len(stored) == 4 and len(stored[1].shape) == 1
        return tuple(stored[i] for i in (0, 2, 1, 3)) if paired else tuple(stored)

    return Layout(None, today)


def _standard_deviation(config: Mapping[str, Any]) -> Layout:
    """Before Keras 1.0.7: γ (x - μ) / (σ + ε) + β.  Today's √(σ² + ε) is made to be the same."""
    said = config.get("epsilon")
    epsilon = said if isinstance(said, (int, float)) else 1e-6

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        *others, deviation = stored
        return (
            *others,
            changed(deviation, deviation.shape, lambda s: (s + epsilon) ** 2 - epsilon),
        )

    return Layout(None, today)


def _cudnn(gates: int, bias_of: Callable[[Stored], Stored]) -> Maker:
    """The arrays of cuDNN: its vectors are rows, and each gate's kernel lies column by column.

    Those of a layer that does not use it are known by their bias, and left as they are: Keras loads
    the ones into the other.
    """

    def by_gate(kernel: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return np.concatenate([change(gate) for gate in np.split(kernel, gates, axis=1)], axis=1)

    def by_rows(gate: np.ndarray) -> np.ndarray:
        return gate.T.reshape(gate.shape, order="F")

    def today(stored: Sequence[Stored]) -> tuple[Stored, ...]:
        kernel, recurrent, bias = stored
        if bias.shape != (2 * kernel.shape[-1] if kernel.shape else 0,):
            return tuple(stored)
        return (
            changed(kernel, kernel.shape, lambda k: by_gate(k, by_rows)),
            changed(recurrent, recurrent.shape, lambda k: by_gate(k, np.transpose)),
            bias_of(bias),
        )

    layout = Layout((True,) * 3, today)
    return lambda config: layout


def _summed_halves(bias: Stored) -> Stored:
    """A CuDNNLSTM has a bias for the input's product and one for the state's: their sum counts."""
    n = bias.shape[0] // 2 if bias.shape else 0
    return changed(bias, (n,), lambda b: b[:n] + b[n:])


def _two_rows(bias: Stored) -> Stored:
    """A CuDNNGRU has both biases in one row."""
    n = bias.shape[0] // 2 if bias.shape else 0
    return changed(bias, (2, n), lambda b: b.reshape(2, n))


# From a layer's config in today's words to how its arrays were kept.
LAYOUTS: dict[str, Maker] = {
    "channels_first": _each(_channels_first),
    "flipped": _each(_flipped),
    "deconvolution": _each(_deconvolution),
    "conv1d": _conv1d,
    "lstm_gates": _gates((0, 2, 1, 3)),  # kept as i, c, f, o
    "gru_gates": _gates((0, 1, 2)),  # kept as z, r, h
    "highway": _highway,
    "standard_deviation": _standard_deviation,
    "cudnn_lstm": _cudnn(4, _summed_halves),
    "cudnn_gru": _cudnn(3, _two_rows),
    "torch_rows": _each(_rows),
    "torch_lstm": _torch_gates((0, 1, 2, 3), _summed),  # kept as i, f, g, o
    "torch_gru": _torch_gates((1, 0, 2), _above),  # kept as r, z, n
}
