"""TensorFlow's checkpoints: a sorted table of entries (`*.index`) and their bytes (`*.data-...`).

The table is LevelDB's: blocks of keys, each of which says what it shares with the one before, an
index of these blocks, and a footer that says where the index is.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npforward.errors import BadFile
from npforward.formats import archive
from npforward.formats.mapping import frozen, mapped, viewed
from npforward.formats.protobuf import Message, varint
from npforward.graph import Stored
from npforward.limits import Limits, MiB

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER = 48
TRAILER = 5  # bytes after each block: how it is compressed, and its checksum
CHECKED = MiB  # the checksum in Python is slow; TensorFlow's own blocks are of 256 kB
STRING = 7
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64",
    9: "int64", 10: "bool", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16",
    22: "uint32", 23: "uint64", 24: "float8_e5m2", 25: "float8_e4m3fn",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What the index says of one tensor."""

    kind: int  # TensorFlow's number for a dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    slices: int  # in how many parts it is kept, if not as one


class Bundle:
    """A checkpoint: its `entries` by their keys, in order.

    Only files beside the index are opened, by the names that TensorFlow gives them.
    """

    def __init__(self, index: Path, limits: Limits) -> None:
        self.where, self.limits = str(index), limits
        self.folder = archive.Folder(index.parent, limits)
        self.prefix = index.name.removesuffix(".index")
        self.entries: dict[str, Entry] = {}
        self._mapped: dict[int, memoryview] = {}  # the shards that were needed
        self.shards, total = 0, 0
        limits.check("attribute_bytes", index.stat().st_size, self.where)
        for key, value in table(mapped(index, limits), self.where, limits):
            message = Message(value, f"{self.where}: {_shown(key)}", limits)
            if key == b"":
                self.shards = message.integer(1)
                if message.integer(2):
                    raise BadFile(
                        f"{self.where}: written by a big-endian machine, which npforward does not "
                        "read. Load the model on a machine of today and save it again."
                    )
            elif not key.startswith(b"\0"):  # a part of a tensor that is kept in several
                entry = self._entry(message)
                total += entry.size
                limits.check("checkpoint_arrays", len(self.entries) + 1, f"{self.where}: arrays")
                self.entries[str(key, "utf-8", "backslashreplace")] = entry
        limits.check("weights_bytes", total, f"{self.where}: all tensors together")
        if not self.shards:
            raise BadFile(
                f"{self.where}: has no header, with which TensorFlow begins the index of a "
                "checkpoint. It is damaged, or another program's."
            )

    def _entry(self, message: Message) -> Entry:
        shape = message.message(2)
        sizes = tuple(dim.signed(1) for dim in shape.messages(2))
        self.limits.check("rank", len(sizes), message.where)
        shard, offset, size = (message.signed(number) for number in (3, 4, 5))
        if shape.integer(3) or min(*sizes, shard, offset, size, 0) < 0:
            raise BadFile(
                f"{message.where} has shape {sizes} and lies at {offset} of shard {shard}, {size} "
                "bytes long, expected no negative numbers. The file is damaged: copy it again."
            )
        # An empty array may still claim axes that numpy cannot hold.
        self.limits.check("tensor_elements", math.prod(n or 1 for n in sizes), message.where)
        return Entry(message.integer(1), sizes, shard, offset, size, len(message.fields.get(7, ())))

    def arrays(self) -> dict[str, Stored]:
        """Every tensor of numbers, by its key."""
        return {key: self.stored(key) for key, e in self.entries.items() if e.kind in DTYPES}

    def stored(self, key: str, name: str = "") -> Stored:
        """A tensor as an array called `name`: it is checked now, and its values are read later."""
        entry, where = self.entries[key], f"{self.where}: {_shown(key)}"
        if entry.kind not in DTYPES:
            raise BadFile(f"{where} is of TensorFlow's type {entry.kind}, expected numbers.")
        shape, dtype = entry.shape, _dtype(DTYPES[entry.kind])
        if entry.slices:
            raise BadFile(
                f"{where} is kept in {entry.slices} parts (a partitioned variable), which "
                "npforward does not put together. Save the model again without partitions."
            )
        size = math.prod(shape) * dtype.itemsize
        if entry.size != size:
            raise BadFile(
                f"{where} has shape {shape} and type {dtype}, which take {size:,} bytes, but "
                f"{entry.size:,} are stored. The file is damaged: copy it again."
            )
        if not size:
            return Stored(name or key, shape, dtype, lambda: frozen(np.zeros(shape, dtype)))
        block = self._block(entry, where)
        return Stored(name or key, shape, dtype, lambda: viewed(block, shape, dtype))

    def strings(self, key: str) -> list[bytes]:
        """A tensor of strings: all their lengths, a checksum of these, and then all their bytes."""
        entry, where = self.entries[key], f"{self.where}: {_shown(key)}"
        if entry.kind != STRING:
            raise BadFile(f"{where} is of TensorFlow's type {entry.kind}, expected strings.")
        self.limits.check("attribute_bytes", entry.size, where)
        count = math.prod(entry.shape)
        if not count:
            return []
        block = self._block(entry, where)
        lengths: list[int] = []
        at = 0
        while len(lengths) < count:  # each takes a byte at least
            length, at = varint(block, at, where)
            lengths.append(length)
        at += 4
        if at + sum(lengths) != len(block):
            raise BadFile(
                f"{where} holds strings of {sum(lengths):,} bytes in {len(block):,}. The file is "
                "damaged: copy it again."
            )
        found = []
        for length in lengths:
            found.append(bytes(block[at : at + length]))
            at += length
        return found

    def _block(self, entry: Entry, where: str) -> memoryview:
        if entry.shard >= self.shards:
            raise BadFile(f"{where} lies in shard {entry.shard} of {self.shards}: there is none.")
        data = self._shard(entry.shard)
        if entry.offset + entry.size > len(data):
            raise BadFile(
                f"{where} ends {entry.offset + entry.size - len(data):,} bytes after the end of "
                f"{self._name(entry.shard)}. It is truncated, or belongs to another index: copy "
                "both again."
            )
        return data[entry.offset : entry.offset + entry.size]

    def _name(self, shard: int) -> str:
        return f"{self.prefix}.data-{shard:05d}-of-{self.shards:05d}"

    def _shard(self, number: int) -> memoryview:
        if number in self._mapped:
            return self._mapped[number]
        name = self._name(number)
        if name not in self.folder:
            raise BadFile(
                f"{self.where}: {name}, which holds the values, is not beside it (a symbolic link "
                "does not count: it would lead out of the folder). Copy all files of the "
                "checkpoint."
            )
        self._mapped[number] = self.folder.view(name, "file_bytes")
        return self._mapped[number]


def matches(path: Path) -> bool:
    """Whether a file is a table of this kind, which its last bytes say."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(end - len(MAGIC), 0))
        return end >= FOOTER and file.read() == MAGIC


def table(data: memoryview, where: str, limits: Limits) -> Iterator[tuple[bytes, memoryview]]:
    """The keys of a table, which must be in order, and the value of each."""
    if len(data) < FOOTER or bytes(data[-len(MAGIC) :]) != MAGIC:
        raise BadFile(
            f"{where}: not the index of a TensorFlow checkpoint, which ends in {MAGIC!r}. It is "
            "truncated, or something else: copy it again."
        )
    footer = data[-FOOTER:]
    at = 0
    for _ in range(2):  # a handle of what TensorFlow does not use
        _, at = varint(footer, at, where)
    last, keys, left = b"", 0, len(data)
    for _, handle in _items(_at_handle(data, footer[at:], where), where):
        block = _at_handle(data, handle, where)
        left -= len(block)
        if left < 0:
            raise BadFile(f"{where}: a block stands twice in its index. It is damaged.")
        for key, value in _items(block, where):
            if keys and key <= last:
                raise BadFile(
                    f"{where}: {_shown(key)} comes after {_shown(last)}, which is not the order of "
                    "a table. It is damaged: copy it again."
                )
            last, keys = key, keys + len(key) + 1
            if keys > limits.attribute_bytes:
                limits.check("attribute_bytes", keys, f"{where}: all keys together")
            yield key, value


def _at_handle(data: memoryview, handle: memoryview, where: str) -> memoryview:
    """The block that a handle (offset, size) tells of."""
    start, at = varint(handle, 0, where)
    size, _ = varint(handle, at, where)
    end = start + size
    if end + TRAILER > len(data):
        raise BadFile(
            f"{where}: a block at {start} of {size} bytes lies outside the file. It is truncated "
            "or damaged: copy it again."
        )
    compression, checksum = data[end], struct.unpack_from("<I", data, end + 1)[0]
    if size < CHECKED and masked_crc32c(data[start : end + 1]) != checksum:
        raise BadFile(f"{where}: the checksum of the block at {start} is wrong. Copy it again.")
    if compression:
        kind = "Snappy" if compression == 1 else f"method {compression}"
        raise BadFile(
            f"{where}: is compressed ({kind}), as TensorFlow's own checkpoints are not, and "
            "npforward does not unpack it. Save the model again with TensorFlow."
        )
    return data[start:end]


def _items(block: memoryview, where: str) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of one block; behind them stand the places where keys are not shortened."""
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0] if len(block) >= 4 else 0
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise BadFile(f"{where}: a block is shorter than it says. It is damaged: copy it again.")
    entries, at, key = block[:end], 0, b""
    while at < end:
        shared, at = varint(entries, at, where)
        own, at = varint(entries, at, where)
        size, at = varint(entries, at, where)
        if shared > len(key) or at + own + size > end:
            raise BadFile(f"{where}: a key or value ends outside its block. It is damaged.")
        key = key[:shared] + bytes(entries[at : at + own])
        at += own
        yield key, entries[at : at + size]
        at += size


@functools.cache
def _crc_table() -> tuple[int, ...]:
    def remainder(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return tuple(map(remainder, range(256)))


def masked_crc32c(data: bytes | memoryview) -> int:
    """LevelDB's checksum: CRC-32C, turned and shifted so that sums of sums are no weaker.

    Examples
    --------
    >>> hex(masked_crc32c(b"123456789"))  # CRC-32C is 0xe3069283
    '0xc78ab0e5'
    """
    crc, remainders = 0xFFFFFFFF, _crc_table()
    for byte in bytes(data):
        crc = remainders[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


def _dtype(name: str) -> np.dtype:
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def _shown(key: str | bytes) -> str:
    text = str(key, "utf-8", "backslashreplace") if isinstance(key, bytes) else key
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
