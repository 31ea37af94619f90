"""Which channels of a network are never active over a data set, or always at their bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from npforward import tables
from npforward.errors import BadInput
from npforward.graph import leaves
from npforward.model import Model, Selection, Trace
from npforward.reports import Report
from npforward.statistics import channel_axes, chunks, is_numeric, layer_at, native, type_name

# Activations that flatten out towards bounds, and these.
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_sigmoid": (0.0, 1.0),
          "hard_tanh": (-1.0, 1.0)}  # fmt: skip
NEAR = 0.01  # of the way between the bounds: what counts as being at one


@dataclass(frozen=True)
class Units:
    """The channels of one value.

    Attributes
    ----------
    address, type : str
        Of the value, and of its layer.
    positions : int
        How many numbers each channel gave: positions of samples.
    active : tuple[float, ...]
        The share of these that were active, for each channel.
    dead : tuple[int, ...]
        Channels that were not active anywhere.
    saturated : tuple[int, ...]
        Channels that were within 1 % of a bound of their sigmoid or tanh everywhere.
    """

    address: str
    type: str
    positions: int
    active: tuple[float, ...]
    dead: tuple[int, ...]
    saturated: tuple[int, ...]


class DeadUnits(Report, Mapping[str, Units]):
    """What is known of the channels of each value: address -> Units.  Prints as a table, is data.

    Attributes
    ----------
    samples : int
        How many there were.
    threshold : float
        What a number must exceed, in absolute value, to be active.

    Examples
    --------
    >>> found = DeadUnits({"relu": Units("relu", "ReLU", 8, (0.5, 0.0, 0.0), (1, 2), ())}, 8, 0.0)
    >>> print(found)
    value  type  channels  active  dead  saturated
    ----------------------------------------------
    relu   ReLU         3   16.7%     2          0
    relu: dead: 1-2
    8 samples; dead: 0 at every position of every sample
    >>> found.dead
    {'relu': (1, 2)}
    """

    def __init__(self, rows: Mapping[str, Units], samples: int, threshold: float) -> None:
        self._rows, self.samples, self.threshold = dict(rows), samples, threshold

    def __getitem__(self, address: str) -> Units:
        return self._rows[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dead(self) -> dict[str, tuple[int, ...]]:
        """The dead channels of each value that has any."""
        return {address: row.dead for address, row in self.items() if row.dead}

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data.

        Examples
        --------
        >>> DeadUnits({}, 8, 0.0).to_dict()
        {'samples': 8, 'threshold': 0.0, 'values': {}}
        """
        rows = {address: asdict(row) for address, row in self.items()}
        return {"samples": self.samples, "threshold": self.threshold, "values": rows}

    def __str__(self) -> str:
        columns = ["value", "type", "channels", "active", "dead", "saturated"]
        rows, named = [], []
        for row in self.values():
            active = f"{100 * float(np.mean(row.active)):.1f}%" if row.active else ""
            counts = len(row.dead), len(row.saturated)
            rows.append([row.address, row.type, len(row.active), active, *counts])
            for what, channels in (("dead", row.dead), ("saturated", row.saturated)):
                if channels:
                    named.append(f"{row.address}: {what}: {spans(channels)}")
        what = f"within {self.threshold:g} of 0" if self.threshold else "0"
        many = "" if self.samples == 1 else "s"
        last = f"{self.samples} sample{many}; dead: {what} at every position of every sample"
        return "\n".join([tables.table(columns, rows, left=2), *named, last])


def spans(numbers: Iterable[int], most: int = 12) -> str:
    """Rising numbers in few words; at most so many pieces.

    Examples
    --------
    >>> spans([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs[:most]]
    return ", ".join(shown + (["..."] if len(runs) > most else []))


def dead_units(
    model: Model,
    batches: Any,
    layers: Selection = None,
    *,
    threshold: float = 0.0,
    batch_size: int = 32,
    progress: Callable[[int], None] | None = None,
) -> DeadUnits:
    """Which channels are never active over a data set; how often each is.

    Memory is that of one batch, however many there are.

    Parameters
    ----------
    model
        What `load_model` gives.
    batches
        One array, or a dict of arrays by input name: a whole data set, taken `batch_size` samples
        at a time.  Anything else is gone through for batches, each as for `Model.predict`.
    layers
        Of which values, as for `Model.trace`; by default of every layer.
    threshold
        A number is active if its absolute value is above this.
    batch_size
        How many samples of an array to take at a time.
    progress
        Is called after each batch with the number of samples so far.

    Returns
    -------
    DeadUnits
        For each value its channels (axis 1 where the layers are channels_first, else the last).

    Raises
    ------
    BadInput
        A batch does not fit the model, there is none, or channels differ in number between two.
    UnknownName
        A name in `layers` that is no value of the model.

    Examples
    --------
    >>> import npforward as npf
    >>> model = npf.load_model("weights_fixtures/models/mlp/model.keras")
    >>> rows = np.random.default_rng(0).normal(size=(100, 13))
    >>> npf.dead_units(model, rows, "dense1")["dense1"].positions
    100
    """
    if not threshold >= 0:
        raise BadInput(f"threshold={threshold}, expected a number from 0 up")
    if batch_size < 1:
        raise BadInput(f"batch_size={batch_size}, expected at least 1")
    tallies: dict[str, Tally] = {}
    samples = 0
    entered = set(leaves(model.graph.inputs)) if layers is None else set()
    for batch in _batches(batches, batch_size):
        feeds = model.feeds(batch)
        recording = model.recording(batch)
        # All values without data: what one is, those before it tell.
        known = {**recording.values, **recording.tape.taps}
        axes = channel_axes(Trace(known, recording.layers))  # type: ignore[arg-type]
        for address, value in model.stream(batch, layers):
            if address in entered or not is_numeric(value.dtype):
                continue
            axis = axes[address] % value.ndim if value.ndim >= 2 else None
            if address not in tallies:
                tallies[address] = Tally.of(address, recording.layers, value, axis)
            tallies[address].add(value, axis, threshold)
        samples += len(feeds[0]) if feeds and feeds[0].ndim else 1
        if progress is not None:
            progress(samples)
    if not samples:
        raise BadInput("there is no sample in batches: give an array, or batches of them")
    rows = {address: tally.units(address) for address, tally in tallies.items()}
    return DeadUnits(rows, samples, threshold)


def _batches(batches: Any, size: int) -> Iterator[Any]:
    if isinstance(batches, np.ndarray):
        for i in range(0, len(batches) if batches.ndim else 0, size):
            yield batches[i : i + size]
    elif isinstance(batches, Mapping):
        arrays = {name: np.asarray(array) for name, array in batches.items()}
        count = max((len(array) for array in arrays.values() if array.ndim), default=0)
        for i in range(0, count, size):
            yield {name: array[i : i + size] for name, array in arrays.items()}
    elif isinstance(batches, Iterable) and not isinstance(batches, (str, bytes)):
        yield from batches
    else:
        raise BadInput(
            f"batches is {type(batches).__name__}, expected an array, a dict of arrays, or batches"
        )


@dataclass
class Tally:
    """What has been counted of one value so far, for each channel."""

    type: str
    bounds: tuple[float, float] | None
    active: np.ndarray
    bound: np.ndarray  # how many numbers were at a bound
    positions: int = 0

    @classmethod
    def of(
        cls, address: str, layers: Mapping[str, Any], value: np.ndarray, axis: int | None
    ) -> Tally:
        config = getattr(layer_at(layers, address), "config", {})
        activation = config.get("activation")
        bounds = (
            None if ":" in address or not isinstance(activation, str) else BOUNDS.get(activation)
        )
        zeros = np.zeros(1 if axis is None else value.shape[axis], np.int64)
        return cls(type_name(layers, address), bounds, zeros, zeros.copy())

    def add(self, value: np.ndarray, axis: int | None, threshold: float) -> None:
        """Count the numbers of one batch."""
        channels = 1 if axis is None else value.shape[axis]
        if channels != len(self.active):
            raise BadInput(
                f"a value of type {self.type!r} has {len(self.active)} channels for one batch and "
                f"{channels} for another: leave it out with layers=..., or give batches alike"
            )
        others = tuple(a for a in range(value.ndim) if a != axis)
        for at in chunks(value.shape):
            part = native(value[at])
            here = slice(None) if axis is None else at[axis]
            # NaN is active, as in statistics: it is not 0.
            self.active[here] += np.count_nonzero(~(np.abs(part) <= threshold), axis=others)
            if self.bounds is not None:
                low, high = self.bounds
                near = NEAR * (high - low)
                ends = (part <= low + near) | (part >= high - near)
                self.bound[here] += np.count_nonzero(ends, axis=others)
        self.positions += value.size // channels if channels else 0

    def units(self, address: str) -> Units:
        count = max(self.positions, 1)
        seen = self.positions > 0
        saturated = seen & (self.bounds is not None) & (self.bound == self.positions)
        return Units(
            address,
            self.type,
            self.positions,
            tuple(float(n) / count for n in self.active),
            tuple(map(int, np.flatnonzero(seen & (self.active == 0)))),
            tuple(map(int, np.flatnonzero(saturated))),
        )
