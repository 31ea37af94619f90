"""What users hold: a Model, the Trace of one forward pass, the Summary of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npforward import addresses
from npforward.graph import Graph, Layer


class Trace(Mapping[str, np.ndarray]):
    """Every value that was asked for in one forward pass: address -> array, in execution order.

    The arrays are read-only views: some layers share memory with their input.

    Attributes
    ----------
    layers : Mapping[str, Layer | Graph]
        The saved layer behind each address (its name, type and config).
    inputs, outputs : tuple[str, ...]
        Addresses of the model's inputs and outputs, in the model's order.
    kernels : str
        Which kernels computed it: "numba" or "numpy".

    Examples
    --------
    >>> trace = Trace({"dense": np.zeros((1, 3))}, {"dense": Layer("dense", "Dense")})
    >>> trace["dense"].shape
    (1, 3)
    >>> trace.layers["dense"].type
    'Dense'
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        layers: Mapping[str, Layer | Graph],
        inputs: tuple[str, ...] = (),
        outputs: tuple[str, ...] = (),
        kernels: str = "numpy",
    ) -> None:
        self._values = dict(values)
        self.layers = layers
        self.inputs = inputs
        self.outputs = outputs
        self.kernels = kernels

    def __getitem__(self, address: str) -> np.ndarray:
        return self._values[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
