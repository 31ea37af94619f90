"""What preprocessing layers learned from data, wherever a file keeps it, as plain config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npforward.dtypes import floating
from npforward.errors import BadFile
from npforward.formats import archive
from npforward.graph import Stored
from npforward.limits import Limits

LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
# From where a layer's weights lie (`layers/string_lookup`) to the lines of its vocabulary.
Vocabularies = Callable[[str], list[str] | None]


def no_vocabularies(place: str) -> list[str] | None:
    """A file that has no place for them."""
    return None


class InArchive:
    """Vocabularies among a `.keras` archive's assets: never from anywhere else."""

    def __init__(
        self, members: archive.Zip | archive.Folder, former: Mapping[str, str] | None = None
    ) -> None:
        self.members = members
        self.former = former or {}  # where what is in a place lies in the file, if elsewhere

    def __call__(self, place: str) -> list[str] | None:
        place = self.former.get(place, place).replace("\\", "/")
        # Keras writes that of TextVectorization twice, and goes by the one it reads last.
        for folder in (f"assets/{place}/_lookup_layer", f"assets/{place}"):
            name = f"{folder}/vocabulary.txt"
            if name in self.members:
                return self.lines(name)
        return None

    def lines(self, name: str) -> list[str]:
        where = f"{self.members.path}: {name}"
        try:
            text = bytes(self.members.view(name, "asset_bytes")).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFile(
                f"{where}: is not UTF-8 text ({error.reason} at byte {error.start}). It may have "
                "been saved on Windows in that machine's own encoding: save the model again with "
                "PYTHONUTF8=1 set."
            ) from error
        # One token a line.  A token may hold what `splitlines` takes for the end of one (U+2028),
        # at which Keras 3.15 cuts it in two and then cannot load its own file.
        lines = text.replace("\r\n", "\n").split("\n")
        while lines and lines[-1] == "":
            lines.pop()
        return lines


def settled(
    kind: str,
    config: dict[str, Any],
    stored: tuple[Stored, ...],
    vocabulary: Callable[[], list[str] | None],
    where: str,
    limits: Limits,
) -> tuple[dict[str, Any], tuple[Stored, ...]]:
    """A layer's config with what is beside it in the file, and the arrays that are left.

    Examples
    --------
    >>> settled("IntegerLookup", {"vocabulary": None}, (), lambda: ["7", "5"], "x", Limits())
    ({'vocabulary': [7, 5]}, ())
    """
    if kind in LOOKUPS:
        # A path in the config is never followed; what the file itself has may be its content.
        named = config.get("vocabulary")
        if (named is None or isinstance(named, str)) and (lines := vocabulary()) is not None:
            words: list[Any] = lines
            if kind == "IntegerLookup":
                words = [_whole(line, where) for line in lines]
            config = {**config, "vocabulary": words}
        if stored and config.get("output_mode") in ("tf_idf", "tf-idf"):
            weights = _read(stored[0], 1, where, limits)
            return {**config, "idf_weights": weights.tolist()}, ()
    if kind == "Discretization" and stored:
        bins = config.get("num_bins")
        if config.get("bin_boundaries") is None and type(bins) is int and bins > 0:
            summary = _read(stored[0], 2, where, limits)
            if len(summary) == 2 and summary.size:
                config = {**config, "bin_boundaries": _boundaries(summary, bins)}
        return config, ()
    return config, stored


def _whole(line: str, where: str) -> int:
    try:
        return int(line)
    except ValueError:
        raise BadFile(
            f"{where}: its vocabulary has {line[:40]!r}, expected whole numbers, one a line."
        ) from None


def _read(stored: Stored, ndim: int, where: str, limits: Limits) -> np.ndarray:
    if len(stored.shape) != ndim or not floating(stored.dtype):
        raise BadFile(
            f"{where}: {stored.name} has shape {stored.shape} and dtype {stored.dtype}, expected "
            f"{ndim} axes of a floating type. The file may be damaged."
        )
    limits.check("asset_bytes", stored.nbytes, f"{where}: {stored.name}")
    return stored.read()


def _boundaries(summary: np.ndarray, bins: int) -> list[float]:
    """The quantiles of a sample, (values, weights) -> numbers between bins.

    tf.keras stores the sample and finds them when it loads the model.
    """
    values, weights = summary
    if values.size * (1 / bins) < 1:
        return values[:-1].tolist()
    reached = weights.cumsum()
    shares = 1 / bins + np.arange(0.0, 1.0, 1 / bins)
    found = np.interp(shares, reached / reached[-1], values)
    return found.astype(np.float32)[:-1].tolist()
