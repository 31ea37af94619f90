"""A zip file, or a folder with the same members, behind one small interface: `names` and `view`."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from npforward.errors import BadFile, NpforwardError
from npforward.formats.mapping import Region, mapped
from npforward.limits import Limits, MiB

SIGNATURE = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"  # a zip without members begins with its end
STORED, DEFLATED = 0, 8  # compression methods


class Zip:
    """Members of a zip: stored ones are views of the file, others are unpacked within limits.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> from pathlib import Path
    >>> from npforward.limits import Limits
    >>> path = Path(tempfile.mkdtemp(), "a.zip")
    >>> with zipfile.ZipFile(path, "w") as file:
    ...     file.writestr("config.json", "{}")
    >>> archive = Zip(path, Limits())
    >>> archive.names, bytes(archive.view("config.json"))
    (['config.json'], b'{}')
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        import zipfile

        self.path, self.limits = path, limits
        self.unpacked = 0  # bytes
        self.data = mapped(path, limits)
        with self._reading():
            budget = 2 * len(self.data) + 2**17
            region: Any = Region(self.data, str(path), budget)
            with zipfile.ZipFile(region) as archive:
                infos = archive.infolist()
        limits.check("zip_members", len(infos), str(path))
        # Some programs on Windows part the components of a name by backslashes.
        names = [info.filename.replace("\\", "/") for info in infos]
        self.members = dict(zip(names, infos, strict=True))
        if len(self.members) != len(infos):
            twice = next(name for name in names if names.count(name) > 1)
            raise BadFile(
                f"{path}: the archive has two members called {twice!r}, so that different programs "
                "would read different models. Save the model again."
            )
        for info in infos:
            self._check(info)

    @contextmanager
    def _reading(self) -> Any:
        try:
            yield
        except NpforwardError:
            raise
        # zipfile raises struct.error, ValueError, NotImplementedError ... over malformed bytes.
        except Exception as error:
            raise BadFile(
                f"{self.path}: cannot read this zip archive ({type(error).__name__}: {error}). "
                "It is truncated or damaged: copy or download it again."
            ) from error

    def _check(self, info: Any) -> None:
        where = f"{self.path}: member {info.filename!r}"
        parts = info.filename.replace("\\", "/").split("/")
        if parts[0] == "" or ".." in parts or ":" in parts[0]:
            raise BadFile(f"{where} has a path that leads out of the archive. Do not unpack it.")
        if info.flag_bits & 1:
            raise BadFile(f"{where} is encrypted. Decrypt the archive first.")
        if info.external_attr >> 28 == 0o12:
            raise BadFile(f"{where} is a symbolic link, which npforward does not follow.")

    @property
    def names(self) -> list[str]:
        """All members, in the archive's order."""
        return list(self.members)

    def __contains__(self, name: object) -> bool:
        return name in self.members

    def view(self, name: str, limit: str = "member_bytes") -> memoryview:
        """The bytes of one member, no more of them than the limit called `limit`."""
        where = f"{self.path}: member {name!r}"
        info = self.members[name]
        self.limits.check(limit, info.file_size, where)
        block = self._block(name)
        if info.compress_type == STORED:
            return block
        self.unpacked += info.file_size
        self.limits.check("archive_bytes", self.unpacked, f"{where} and those before it")
        with self._reading():
            content = zlib.decompressobj(-15).decompress(block, info.file_size + 1)
            if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
                raise BadFile(
                    f"{where} does not unpack to the {info.file_size:,} bytes or the checksum "
                    "that it declares. The archive is damaged: copy it again."
                )
            return memoryview(content)

    def head(self, name: str, size: int) -> memoryview:
        """The first `size` bytes of one member, without unpacking what comes after them."""
        block = self._block(name)
        if self.members[name].compress_type == STORED:
            return block[:size]
        with self._reading():
            return memoryview(zlib.decompressobj(-15).decompress(block, size))

    def _block(self, name: str) -> memoryview:
        """The bytes of one member as they lie in the archive, stored or deflated."""
        where = f"{self.path}: member {name!r}"
        info = self.members[name]
        with self._reading():
            signature, *_, name_size, extra_size = struct.unpack_from(
                "<4s5H3I2H", self.data, info.header_offset
            )
        start = info.header_offset + 30 + name_size + extra_size
        end = start + info.compress_size
        if signature != SIGNATURE or end > len(self.data):
            raise BadFile(f"{where} lies outside the archive. It is truncated or damaged.")
        if info.compress_type not in (STORED, DEFLATED):
            raise BadFile(
                f"{where} uses zip compression method {info.compress_type}; npforward reads stored "
                "and deflated members. Save it again without that."
            )
        if info.compress_type == STORED and info.file_size != info.compress_size:
            raise BadFile(f"{where} is stored, but with two different sizes.")
        if info.file_size > 16 * MiB:
            ratio = info.file_size // max(info.compress_size, 1)
            self.limits.check("zip_ratio", ratio, f"{where}, bytes per compressed byte")
        return self.data[start:end]


class Folder:
    """A folder that holds what a `.keras` archive holds: `model.save(path, zipped=False)`."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits

    @property
    def names(self) -> list[str]:
        """All files directly in the folder."""
        return sorted(entry.name for entry in self.path.iterdir() if entry.is_file())

    def __contains__(self, name: object) -> bool:
        """Whether there is such a file, reached by names alone: no link and no way out."""
        file = self.path
        for part in str(name).split("/"):
            file /= part
            if part in ("", ".", "..") or "\\" in part or ":" in part or file.is_symlink():
                return False
        return file.is_file()

    def view(self, name: str, limit: str = "member_bytes") -> memoryview:
        """The bytes of one file, no more of them than the limit called `limit`."""
        file = self.path / name
        self.limits.check(limit, file.stat().st_size, str(file))
        return mapped(file, self.limits)


def begins(path: Path, *signatures: bytes) -> bool:
    """Whether the file at `path` begins with one of `signatures`."""
    with path.open("rb") as file:
        return file.read(8).startswith(signatures)
