"""Vocabularies of lookup layers in TensorFlow's files, which keep them in tables."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npforward.errors import BadFile
from npforward.formats.archive import Folder
from npforward.formats.keras_preprocessing import InArchive
from npforward.formats.object_graph import Objects
from npforward.formats.protobuf import Message
from npforward.formats.tensor_bundle import STRING, Bundle

# Where a lookup layer keeps its table, and TextVectorization that of the layer inside it: the last
# two up to TensorFlow 2.5.
PATHS = ("lookup_table", "_lookup_layer/lookup_table", "_table", "_index_lookup_layer/_table")
TABLE = "table"  # what a table calls its keys and values in a checkpoint


class InCheckpoint:
    """Vocabularies that are stored with the weights: those of tables that may still change."""

    def __init__(self, bundle: Bundle, objects: Objects) -> None:
        self.bundle, self.objects = bundle, objects

    def __call__(self, place: str) -> list[str] | None:
        layer = self.objects.layer(place)
        for path in PATHS:
            table = self.objects.at(layer, path)
            key = None if table is None else self.objects.nodes[table].keys.get(TABLE)
            if key is not None:
                where = f"{self.bundle.where}: {key!r}"
                return in_order(self._column(f"{key}-keys"), self._column(f"{key}-values"), where)
        return None

    def _column(self, key: str) -> list[Any]:
        if key not in self.bundle.entries:
            raise BadFile(f"{self.bundle.where}: has no array {key!r}. It is damaged.")
        if self.bundle.entries[key].kind == STRING:
            return self.bundle.strings(key)
        stored = self.bundle.stored(key)
        self.bundle.limits.check("asset_bytes", stored.nbytes, f"{self.bundle.where}: {key!r}")
        return stored.read().reshape(-1).tolist()


class InSavedModel:
    """Vocabularies of a SavedModel: with the weights, in constants, or in an asset.

    `graph` gives what `saved_model.pb` says; it is read if a layer has nothing with the weights.
    """

    def __init__(
        self, folder: Folder, bundle: Bundle, objects: Objects, graph: Callable[[], Message]
    ) -> None:
        self.folder, self.graph = folder, graph
        self.with_weights = InCheckpoint(bundle, objects)

    def __call__(self, place: str) -> list[str] | None:
        found = self.with_weights(place)
        if found is not None:
            return found
        layer = self._tables.objects.layer(place)
        for path in PATHS:
            fills = self._tables.objects.at(layer, f"{path}/_initialize")
            if fills is not None:
                return self._tables.lines(fills, self.folder)
        return None

    @functools.cached_property
    def _tables(self) -> _Tables:
        return _Tables(self.graph())


class _Tables:
    """What fills the tables of a graph.

    That is a function, which is not run: it is bound to the table itself, and to either a constant
    of keys and one of values, or a file.
    """

    def __init__(self, graph: Message) -> None:
        self.where, said = graph.where, graph.message(7)
        self.nodes = list(said.messages(1))
        self.objects = Objects(self.nodes, graph.where, graph.limits)
        self.bound = {entry.text(1): entry.message(2) for entry in said.messages(2)}
        self.constants = {
            node.text(1): node for node in graph.message(2).messages(1) if node.text(2) == "Const"
        }
        self.files = [file.text(2) for file in graph.messages(6)]

    def lines(self, number: int, folder: Folder) -> list[str] | None:
        """The vocabulary of the table that the function of this number fills."""
        name = self.nodes[number].message(6).text(1)
        bound = self.bound[name].integers(2) if name in self.bound else []
        sources = [self.nodes[i] for i in bound if i < len(self.nodes)]
        files = [node.message(5).integer(1) for node in sources if 5 in node]
        if files:
            return self._in_file(files[0], folder)
        names = [node.message(9).text(1) for node in sources if 9 in node]
        if len(names) != 2:
            return None
        keys, values = (self._constant(name) for name in names)
        return in_order(keys, values, f"{self.where}: constants {names}")

    def _in_file(self, number: int, folder: Folder) -> list[str]:
        name = f"assets/{self.files[number]}" if number < len(self.files) else ""
        if name not in folder:
            raise BadFile(
                f"{self.where}: a vocabulary is in {name or f'asset {number}'}, which this "
                "SavedModel does not have. Copy the whole folder."
            )
        return InArchive(folder).lines(name)

    def _constant(self, name: str) -> list[Any]:
        node = self.constants.get(name)
        for attribute in node.messages(5) if node else ():
            if attribute.text(1) == "value":
                return _values(attribute.message(2).message(8), f"{self.where}: constant {name!r}")
        raise BadFile(f"{self.where}: has no constant {name!r}. It is damaged: copy it again.")


def _values(tensor: Message, where: str) -> list[Any]:
    """The strings or whole numbers of a constant."""
    kind, count = tensor.integer(1), math.prod(d.signed(1) for d in tensor.message(2).messages(2))
    texts = [bytes(value) for value in tensor.fields.get(8, []) if not isinstance(value, int)]
    content, numbers = tensor.bytes(4), tensor.integers(10)
    if kind == STRING and len(texts) == count:
        return texts
    if kind == 9 and len(content) == 8 * count:
        return np.frombuffer(content, "<i8").tolist()
    if kind == 9 and len(numbers) == count:
        return [number - 2**64 if number >= 2**63 else number for number in numbers]
    raise BadFile(
        f"{where}: {count} values of TensorFlow's type {kind} in {len(texts)} strings, "
        f"{len(numbers)} numbers and {len(content)} bytes. The file is damaged: copy it again."
    )


def in_order(keys: list[Any], values: list[Any], where: str) -> list[str]:
    """The tokens of a table by their indices; of a table that inverts another, too.

    Tokens before the last gap in the indices are special ones, of which the config speaks.

    Examples
    --------
    >>> in_order([b"b", b"a"], [3, 2], "vocab"), in_order([0, 1], [b"a", b"b"], "vocab")
    (['a', 'b'], ['a', 'b'])
    """
    if values and isinstance(values[0], bytes):
        keys, values = values, keys
    numbers = all(isinstance(value, int) for value in values)
    if len(keys) != len(values) or not numbers or len(set(values)) != len(values):
        raise BadFile(
            f"{where}: a vocabulary of {len(keys)} tokens has {len(set(values))} indices for them. "
            "The file is damaged: copy it again."
        )
    pairs = sorted(zip(values, keys, strict=True), key=lambda pair: pair[0])
    start = max((i for i in range(1, len(pairs)) if pairs[i][0] != pairs[i - 1][0] + 1), default=0)
    return [_text(key, where) for _, key in pairs[start:]]


def _text(token: Any, where: str) -> str:
    try:
        return token.decode("utf-8") if isinstance(token, bytes) else str(token)
    except UnicodeDecodeError:
        raise BadFile(f"{where}: has the token {token!r}, which is not UTF-8 text.") from None
