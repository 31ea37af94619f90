"""A file's bytes without reading them: memory maps, and file objects over a part of one."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from npforward.errors import BadFile, LimitExceeded, MissingFile, NpforwardError
from npforward.limits import Limits


def mapped(path: Path, limits: Limits) -> memoryview:
    """The whole file as read-only memory; pages are read when they are touched.

    The mapping lives as long as any array made over it, and the file must not be shortened in
    that time: replace it by another file rather than write over it.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            limits.check("file_bytes", size, str(path))
            if size == 0:
                raise BadFile(f"{path}: the file is empty. Copy or download it again.")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except NpforwardError:
        raise
    except OSError as error:
        raise MissingFile(f"{path}: cannot be opened ({error.strerror}).") from error


def viewed(block: memoryview, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array over a block of bytes; a copy where they do not lie as a machine wants them.

    Examples
    --------
    >>> viewed(memoryview(b"\\0\\1\\0\\2"), (2,), np.dtype(">i2")).tolist()
    [1, 2]
    """
    values = np.frombuffer(block, dtype).reshape(shape)
    if values.flags.aligned and dtype.isnative:
        return values
    return frozen(values.copy())


def frozen(values: np.ndarray) -> np.ndarray:
    """`values` in the machine's own byte order, which kernels and BLAS want, and read-only."""
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).reshape(values.shape)
    values.flags.writeable = False
    return values


class Region:
    """A seekable, read-only file object over memory, which stops a reader that goes in circles.

    A malformed file can send a parser back to the same bytes for ever.  A genuine one needs each
    byte of its structure a few times at most, so the sum of all reads is bounded by `budget`.
    """

    closed = False

    def __init__(self, data: memoryview, where: str, budget: int) -> None:
        self.data, self.where = data, where
        self.position, self.left = 0, budget
        self.reads_left = float("inf")

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: len(self.data)}[whence]
        if start + offset < 0:
            raise OSError(f"seek to {start + offset}")
        self.position = start + offset
        return self.position

    @contextmanager
    def at_most(self, reads: int) -> Iterator[None]:
        """Allow only so many reads: for a parser that copies all it has so far at each one."""
        self.reads_left = reads
        try:
            yield
        finally:
            self.reads_left = float("inf")

    def read(self, size: int | None = -1) -> bytes:
        end = len(self.data) if size is None or size < 0 else self.position + size
        block = bytes(self.data[self.position : end])
        self.position += len(block)
        self.left -= len(block)
        self.reads_left -= 1
        if self.left < 0 or self.reads_left < 0:
            raise LimitExceeded(
                f"{self.where}: its structure refers to itself, or takes more than the limit "
                "attribute_bytes to read. If you trust this file, raise it: "
                "Limits(attribute_bytes=...) or --limit attribute_bytes=..."
            )
        return block
