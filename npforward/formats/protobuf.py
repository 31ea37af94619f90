"""Protocol buffers as bytes: the fields of one message at a time, without a schema.

A message inside another is a run of bytes until it is asked for, so that nothing recurses and a
part which nobody needs (the functions of a TensorFlow graph are most of its bytes) costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from npforward.errors import BadFile
from npforward.limits import Limits

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 are groups, long abandoned


class Message:
    """One message: its fields by number, each a list of what stands there, in order.

    Asking for a field as the wrong kind is an error that names the file, as is whatever is
    malformed.

    Examples
    --------
    >>> from npforward.limits import Limits
    >>> message = Message(b"\\x08\\x96\\x01\\x12\\x02hi", "a.pb", Limits())
    >>> message.integer(1), message.text(2), message.integer(3)
    (150, 'hi', 0)
    """

    def __init__(self, data: bytes | memoryview, where: str, limits: Limits) -> None:
        self.where, self.limits = where, limits
        self.fields: dict[int, list[int | memoryview]] = {}
        for count, (number, value) in enumerate(_fields(memoryview(data), where), 1):
            if count > limits.protobuf_fields:
                limits.check("protobuf_fields", count, f"{where}: fields in one message")
            self.fields.setdefault(number, []).append(value)

    def integer(self, number: int) -> int:
        """A whole number; the last one counts, and 0 is what is not written."""
        value = self.fields.get(number, [0])[-1]
        if isinstance(value, memoryview):
            raise self._wrong(number, "a number")
        return value

    def signed(self, number: int) -> int:
        """A whole number that may be negative: an int32 or int64."""
        value = self.integer(number)
        return value - 2**64 if value >= 2**63 else value

    def bytes(self, number: int) -> memoryview:
        """A run of bytes; empty if it is not written."""
        value = self.fields.get(number, [memoryview(b"")])[-1]
        if isinstance(value, int):
            raise self._wrong(number, "bytes")
        return value

    def text(self, number: int) -> str:
        """A text, which must be UTF-8."""
        try:
            return str(self.bytes(number), "utf-8")
        except UnicodeDecodeError:
            raise self._wrong(number, "UTF-8 text") from None

    def message(self, number: int) -> Message:
        """A message inside this one; empty if it is not written."""
        return Message(self.bytes(number), self.where, self.limits)

    def messages(self, number: int) -> Iterator[Message]:
        """The messages of a repeated field."""
        for value in self.fields.get(number, []):
            if isinstance(value, int):
                raise self._wrong(number, "messages")
            yield Message(value, self.where, self.limits)

    def integers(self, number: int) -> list[int]:
        """The whole numbers of a repeated field, packed into bytes or not."""
        found: list[int] = []
        for value in self.fields.get(number, []):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                item, at = varint(value, at, self.where)
                found.append(item)
        return found

    def __contains__(self, number: int) -> bool:
        return number in self.fields

    def _wrong(self, number: int, expected: str) -> BadFile:
        return BadFile(
            f"{self.where}: field {number} of a message is not {expected}. The file is damaged, or "
            "something else: copy it again."
        )


def varint(data: memoryview, at: int, where: str) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends.

    Examples
    --------
    >>> varint(memoryview(b"\\x96\\x01"), 0, "a.pb")
    (150, 2)
    """
    if at < len(data) and data[at] < 128:  # as most are
        return data[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise BadFile(f"{where}: ends within a number. It is truncated: copy it again.")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
    raise BadFile(f"{where}: has a number of more than ten bytes. It is damaged: copy it again.")


def _fields(data: memoryview, where: str) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at, where)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BadFile(f"{where}: has a field without a number. It is damaged: copy it again.")
        if kind == VARINT:
            value, at = varint(data, at, where)
            yield number, value
            continue
        if kind == BYTES:
            size, at = varint(data, at, where)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise BadFile(
                f"{where}: has a field of wire type {kind}, which TensorFlow does not write. The "
                "file is damaged, or something else: copy it again."
            )
        if size > len(data) - at:
            raise BadFile(
                f"{where}: ends {size - (len(data) - at):,} bytes before a field of it does. It is "
                "truncated or damaged: copy it again."
            )
        block = data[at : at + size]
        at += size
        if kind == BYTES:
            yield number, block
        else:
            yield number, struct.unpack("<I" if kind == FIXED32 else "<Q", block)[0]
