"""Tables and lines of JSON, as Kur reads them: a source for each column or key."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from npforward.errors import BadFile
from npforward.formats import guarded_json
from npforward.limits import Limits

SNIFFED = 1024  # characters from which Kur guesses how a table is written
# A guess is taken if it can stand between numbers: of one column Python takes a digit for it.
DELIMITER = re.compile(r"[^\w.+\-\"']")


@dataclass(frozen=True)
class Part:
    """The samples of one source in one file: how many, and their array once it is wanted."""

    samples: int
    array: Callable[[], np.ndarray]  # (samples, ...)

    def __len__(self) -> int:
        return self.samples


def json_lines(path: Path, limits: Limits) -> dict[str, Part]:
    """Every key of the first line; the array of one whose values differ in shape cannot be had."""
    columns: dict[str, list[Any]] = {}
    for number, line in enumerate(_text(path, limits).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = guarded_json.loads(line, where, limits, writer="a user of Kur")
        if not isinstance(row, dict):
            raise BadFile(f"{where}: a JSON object is expected on each line: {line!r:.80}.")
        if not columns:
            columns = {name: [] for name in row}
        for name, values in columns.items():
            if name not in row:
                raise BadFile(f"{where}: there is no {name!r}, which the first line has.")
            values.append(_array(row[name]))
    if not columns:
        raise BadFile(f"{path}: is empty; a JSON object is expected on each line.")
    return {
        name: Part(len(values), partial(_stacked, values, f"{path}: {name!r}"))
        for name, values in columns.items()
    }


def _array(value: Any) -> np.ndarray | None:
    """The array of nested lists of numbers; None if it is none."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):  # rows of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def _stacked(values: list[np.ndarray | None], where: str) -> np.ndarray:
    for number, value in enumerate(values, 1):
        first = values[0]
        if value is None or first is None or value.shape != first.shape:
            found = "no array of numbers" if value is None else f"of shape {value.shape}"
            wanted = "numbers" if first is None else f"shape {first.shape}, as the first,"
            raise BadFile(f"{where}: the value of sample {number} is {found}; {wanted} expected.")
    return np.stack(values)  # type: ignore[arg-type]


def table(
    path: Path,
    limits: Limits,
    *,
    header: bool = True,
    delimiter: str | None = None,
    quote: str | None = None,
) -> dict[str, Part]:
    """Each column of a CSV file by its heading, or as `column_0`, `column_1`, ... without any."""
    text = _text(path, limits)
    options: dict[str, Any] = {"dialect": _guessed(text[:SNIFFED])}
    options |= {"delimiter": delimiter} if delimiter else {}
    options |= {"quotechar": quote} if quote else {}
    names: list[str] | None = None
    cells = array("f")
    reader = csv.reader(io.StringIO(text, newline=""), **options)
    try:
        for row in filter(None, reader):
            if names is None:
                names = row if header else [f"column_{n}" for n in range(len(row))]
                if header:
                    continue
            cells.extend(_numbers(row, names, f"{path}:{reader.line_num}"))
    except csv.Error as error:
        raise BadFile(f"{path}:{reader.line_num}: not a table ({error}).") from error
    if names is None or not cells:
        raise BadFile(f"{path}: has no rows of numbers.")
    columns = np.array(cells, np.float32).reshape(-1, len(names)).T
    return {name: Part(len(x), partial(_same, x)) for name, x in zip(names, columns, strict=True)}


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _numbers(row: list[str], names: list[str], where: str) -> list[float]:
    if len(row) != len(names):
        raise BadFile(f"{where}: has {len(row)} columns, the rows before it {len(names)}.")
    try:
        return [float(cell) for cell in row]
    except ValueError as error:
        raise BadFile(
            f"{where}: {error}. Kur reads numbers alone; a table without a heading has to say "
            "`header: no`."
        ) from None


def _guessed(sample: str) -> Any:
    """How the table seems to be written; Python's guess, but without its search for quotes.

    That one takes hours over some texts.
    """
    try:
        guess = csv.Sniffer().sniff(re.sub("[\"']", "", sample))
    except csv.Error:
        return csv.excel
    return guess if DELIMITER.fullmatch(guess.delimiter) else csv.excel


def _text(path: Path, limits: Limits) -> str:
    limits.check("config_bytes", path.stat().st_size, str(path))
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}.") from None
