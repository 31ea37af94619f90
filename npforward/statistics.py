"""Numbers that say at a glance what a layer put out: range, mean, zeros, dead channels, NaN."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward import tables
from npforward.addresses import layer_part
from npforward.reports import Report

HEADING = (
    *("value", "type", "shape", "dtype"),
    *("min", "max", "mean", "std", "zeros", "dead", "NaN", "Inf"),
)
CHUNK = 2**20  # elements looked at together: 8 MB as float64


@dataclass(frozen=True)
class ValueStatistics:
    """What one array holds.

    `min`, `max`, `mean` and `std` are over the finite elements, and None where there are none or
    where the elements are not numbers.  `zeros` is a percentage.  A channel is dead if it is zero
    at every position of every sample.
    """

    address: str
    type: str
    shape: tuple[int, ...]
    dtype: str
    min: float | int | None = None
    max: float | int | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float | None = None
    channels: int | None = None
    dead: int | None = None
    nan: int | None = None
    inf: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return dataclasses.asdict(self) | {"shape": list(self.shape)}


class Statistics(Report, Mapping[str, ValueStatistics]):
    """The statistics of every value of a trace: address -> ValueStatistics.  Prints as a table.

    Examples
    --------
    >>> table = statistics({"dense": np.array([[0.0, 1.0, 0.0], [0.0, 3.0, 4.0]])})
    >>> print(table)
    value  type   shape    dtype  min  max   mean    std  zeros  dead  NaN  Inf
    ---------------------------------------------------------------------------
    dense        (2, 3)  float64    0    4  1.333  1.599  50.0%   1/3    0    0
    >>> table["dense"].dead
    1
    """

    def __init__(self, rows: Mapping[str, ValueStatistics]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, address: str) -> ValueStatistics:
        return self._rows[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        return tables.table(HEADING, map(cells, self.values()), left=2)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Address -> plain data, in execution order."""
        return {address: row.to_dict() for address, row in self.items()}


def statistics(trace: Mapping[str, np.ndarray]) -> Statistics:
    """The statistics of every value of a trace, or of any mapping of names to arrays.

    Examples
    --------
    >>> statistics({"relu": np.array([[0, 2], [0, 4]])})["relu"].mean
    1.5
    """
    layers = getattr(trace, "layers", {})
    axes = channel_axes(trace)
    return Statistics(
        {
            address: measure(value, address, type_name(layers, address), axes[address])
            for address, value in trace.items()
        }
    )


def measure(
    value: np.ndarray, address: str = "", type: str = "", channel_axis: int = -1
) -> ValueStatistics:
    """The statistics of one array, a chunk at a time: memory does not grow with the array.

    Examples
    --------
    >>> row = measure(np.array([1.0, 3.0, np.nan, np.inf]))
    >>> row.mean, row.std, row.nan, row.inf
    (2.0, 1.0, 1, 1)
    """
    value = np.asarray(value)
    about = (address, type, value.shape, "str" if value.dtype.kind == "U" else str(value.dtype))
    if not is_numeric(value.dtype):
        return ValueStatistics(*about)
    axis = channel_axis % value.ndim if value.ndim >= 2 else None
    alive = np.zeros(1 if axis is None else value.shape[axis], bool)
    nan = inf = nonzero = 0
    low: Any = math.inf
    high: Any = -math.inf
    for at in chunks(value.shape):
        part = native(value[at])
        set_here = part != 0
        nonzero += int(np.count_nonzero(set_here))
        others = tuple(a for a in range(value.ndim) if a != axis)
        alive[slice(None) if axis is None else at[axis]] |= set_here.any(axis=others)
        if part.dtype.kind == "f":
            nan += int(np.count_nonzero(np.isnan(part)))
            inf += int(np.count_nonzero(np.isinf(part)))
            part = part[np.isfinite(part)]
        if part.size:
            low, high = min(low, part.min().item()), max(high, part.max().item())
    finite = value.size - nan - inf
    mean, std = moments(value, finite, low, high) if finite else (None, None)
    return ValueStatistics(
        *about,
        min=low + 0 if finite else None,  # + 0: a bool becomes a number
        max=high + 0 if finite else None,
        mean=mean,
        std=std,
        zeros=100 * (value.size - nonzero) / value.size if value.size else None,
        channels=alive.size,
        dead=int(np.count_nonzero(~alive)) if value.size else 0,
        nan=nan,
        inf=inf,
    )


def moments(value: np.ndarray, finite: int, low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of the finite elements, which lie between `low` and `high`."""
    if low == high:
        return float(low), 0.0
    # Scaled by a power of two to below 1, so that no square overflows or vanishes.
    exponent = math.frexp(max(abs(low), abs(high)))[1]

    def scaled() -> Iterator[np.ndarray]:
        for at in chunks(value.shape):
            part = native(value[at]).astype(np.float64)
            yield np.ldexp(part[np.isfinite(part)], -exponent)

    mean = math.fsum(float(part.sum()) for part in scaled()) / finite
    spread = math.fsum(float(np.square(part - mean).sum()) for part in scaled()) / finite
    std = min(math.sqrt(spread), 0.999_999_999_999)  # rounding must not take it out of range
    return float(min(max(math.ldexp(mean, exponent), low), high)), math.ldexp(std, exponent)


def is_numeric(dtype: np.dtype) -> bool:
    """Whether elements are real numbers: ints, bools, floats, and ml_dtypes' bfloat16 and kin.

    Examples
    --------
    >>> is_numeric(np.dtype("float16")), is_numeric(np.dtype("<U3"))
    (True, False)
    """
    return dtype.kind in "biuf" or dtype.type.__module__.startswith("ml_dtypes")


def native(part: np.ndarray) -> np.ndarray:
    """The array with types that numpy does not know itself (bfloat16) widened to float32."""
    return part if part.dtype.kind in "biuf" else part.astype(np.float32)


def chunks(shape: tuple[int, ...], size: int = CHUNK) -> Iterator[tuple[slice, ...]]:
    """Index expressions that cut an array into parts of at most `size` elements.

    Examples
    --------
    >>> list(chunks((4, 3), 6))
    [(slice(0, 2, None), slice(0, 3, None)), (slice(2, 4, None), slice(0, 3, None))]
    """
    pending = [tuple(slice(0, n) for n in shape)]
    while pending:
        part = pending.pop()
        lengths = [s.stop - s.start for s in part]
        if math.prod(lengths) <= size:
            yield part
            continue
        axis = next(a for a, n in enumerate(lengths) if n > 1)  # the first: best for memory order
        start, stop = part[axis].start, part[axis].stop
        middle = (start + stop) // 2
        for half in (slice(middle, stop), slice(start, middle)):
            pending.append((*part[:axis], half, *part[axis + 1 :]))


def channel_axes(trace: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Where the channels of each value of a trace are: last, or axis 1 for channels_first.

    Layers that have no `data_format` (Activation, Add, BatchNormalization ...) pass on what is
    known of the values before them, or after them for the first; a Permute or Reshape ends that.

    Examples
    --------
    >>> from npforward.graph import Layer
    >>> from npforward.model import Trace
    >>> maps = np.zeros((1, 8, 5, 5))
    >>> layers = {
    ...     "conv": Layer("conv", "Conv2D", {"data_format": "channels_first"}),
    ...     "relu": Layer("relu", "ReLU"),
    ... }
    >>> channel_axes(Trace({"conv": maps, "relu": maps}, layers))
    {'conv': 1, 'relu': 1}
    """
    layers = getattr(trace, "layers", {})
    axes: dict[str, int] = {}
    known: dict[int, int] = {}  # rank -> axis
    waiting: dict[int, list[str]] = {}
    for address, value in trace.items():
        config = getattr(layer_at(layers, address), "config", {})
        if type_name(layers, address) in ("Permute", "Reshape", "ops.Transpose", "ops.Reshape"):
            known, waiting = {}, {}
        rank = np.ndim(value)
        stated = config.get("data_format")
        if rank >= 3 and stated in ("channels_first", "channels_last"):
            known[rank] = 1 if stated == "channels_first" else -1
            for earlier in waiting.pop(rank, []):
                axes[earlier] = known[rank]
        elif rank >= 3 and rank not in known:
            waiting.setdefault(rank, []).append(address)
        axes[address] = known.get(rank, -1) if rank >= 3 else -1
    return axes


def layer_at(layers: Mapping[str, Any], address: str) -> Any:
    """The layer behind an address, also of its outputs and inner values; None if not known."""
    return layers.get(address) or layers.get(layer_part(address))


def type_name(layers: Mapping[str, Any], address: str) -> str:
    """`Conv2D`, `Functional` ...; empty if not known."""
    return getattr(layer_at(layers, address), "type", "")


def cells(row: ValueStatistics) -> list[str]:
    """One line of the table."""

    def number(x: float | None) -> str:
        return "" if x is None else f"{x:.4g}"

    return [
        row.address,
        row.type,
        str(row.shape),
        row.dtype,
        *map(number, (row.min, row.max, row.mean, row.std)),
        "" if row.zeros is None else f"{row.zeros:.1f}%",
        "" if row.dead is None else f"{row.dead}/{row.channels}",
        *("" if count is None else str(count) for count in (row.nan, row.inf)),
    ]
