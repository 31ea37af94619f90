"""IDX, the format of MNIST and of Kur's weights: a type, sizes, then big-endian values.

A folder of such files (`*.kur`) is one set of weights, each array named as its file.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from npforward.addresses import unescape
from npforward.errors import BadFile, BadInput, LimitExceeded, MissingFile
from npforward.formats.loose import file_stem
from npforward.formats.mapping import mapped, viewed
from npforward.graph import Stored
from npforward.limits import Limits, MiB
from npforward.writing import whole_file

KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
KUR = ".kur"  # what Kur calls the files in a folder of weights
MOST = 4 + 4 * 255  # bytes of the longest header


def read_idx(path: str | Path, limits: Limits | None = None) -> np.ndarray:
    """The array in an IDX file, gzipped or not: MNIST's images, a weight that Kur saved.

    Parameters
    ----------
    path
        The file; its format is told from its content.
    limits
        What it may ask of this machine.

    Returns
    -------
    ndarray
        Read-only; bytes are a view of the file.

    Raises
    ------
    BadFile
        It is not IDX, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.idx")
    >>> write_idx(path, np.eye(2, dtype="float32"))
    >>> read_idx(path)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"{path}: there is no such file.")
    return _stored(path, limits or Limits()).read()


def write_idx(path: str | Path, array: np.ndarray) -> None:
    """Write an array as an IDX file, whole or not at all.

    Parameters
    ----------
    path
        The file; one that is there is replaced.
    array
        Of one of the types that IDX has: uint8, int8, int16, int32, float32 and float64.

    Raises
    ------
    BadInput
        IDX has no such type.
    CannotWrite
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.idx")
    >>> write_idx(path, np.array([1, 2], "uint8"))
    >>> path.read_bytes()
    b'\\x00\\x00\\x08\\x01\\x00\\x00\\x00\\x02\\x01\\x02'
    """
    array = np.asarray(array)
    kinds = {np.dtype(kind).newbyteorder("="): code for code, kind in KINDS.items()}
    code = kinds.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(kind.name for kind in kinds)
        raise BadInput(
            f"{path}: IDX has no type {array.dtype}, only {known}. Cast the array to one of these."
        )
    if any(n >= 2**32 for n in array.shape):
        raise BadInput(f"{path}: IDX has no room for an axis of the shape {array.shape}.")
    header = struct.pack(f">2xBB{array.ndim}I", code, array.ndim, *array.shape)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(array, KINDS[code]).data)


def matches(path: Path) -> bool:
    """Whether `path` begins with an IDX header, gzipped or not, or is a folder of Kur's weights."""
    if path.is_dir():
        try:
            return next(_files(path, Limits()), None) is not None
        except LimitExceeded:  # a folder of much else
            return False
    with path.open("rb") as file:
        head = _head(file)
    # Two zeros and two small numbers are easily met: sizes must follow, no more than there can be.
    kind, ndim = (head[2], head[3]) if head[:2] == b"\0\0" and len(head) >= 4 else (0, 0)
    return kind in KINDS and ndim <= Limits.rank and len(head) >= 4 + 4 * ndim


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """The array in a file, or those of all files in a folder, by their names without ending.

    Of files of one name in a folder and those below it the first counts, as it does for Kur.
    """
    files = list(_files(path, limits)) if path.is_dir() else [path]
    found: dict[str, Stored] = {}
    total = 0
    for file in files:
        if unescape(file_stem(file)) in found:
            continue
        stored = _stored(file, limits)
        total += stored.nbytes
        limits.check("weights_bytes", total, f"{file} and the arrays before it")
        found[stored.name] = stored
    return found


def _files(folder: Path, limits: Limits) -> Iterator[Path]:
    """Kur's files in a folder, then those in folders below it, outermost first.

    The names that it makes up begin with dots, which hide them.  Links are not followed.
    """
    seen, level = 0, [folder]
    while level:
        below: list[Path] = []
        for place in level:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            seen += len(entries)
            limits.check("zip_members", seen, f"{folder}: files")
            below += (Path(e) for e in entries if e.is_dir(follow_symlinks=False))
            for entry in entries:
                if entry.name.endswith(KUR) and entry.is_file(follow_symlinks=False):
                    yield Path(entry)
        level = below


def _head(file: BinaryIO) -> bytes:
    """The first bytes, unpacked: enough for any header."""
    head = file.read(4096)
    if not head.startswith(GZIP):
        return head
    try:
        return zlib.decompressobj(31).decompress(head, MOST)
    except zlib.error:
        return b""


def _stored(path: Path, limits: Limits) -> Stored:
    data = mapped(path, limits)
    with path.open("rb") as file:
        head = _head(file)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in KINDS:
        raise BadFile(
            f"{path}: not an IDX file, which begins with two zero bytes, a type "
            f"({', '.join(f'{kind:02x}' for kind in KINDS)}) and the number of its axes "
            f"(this begins with {head[:4]!r})."
        )
    dtype, ndim = np.dtype(KINDS[head[2]]), head[3]
    start = 4 + 4 * ndim
    limits.check("rank", ndim, str(path))
    if len(head) < start:
        raise BadFile(f"{path}: an IDX file of {ndim} axes that ends before their sizes.")
    shape = struct.unpack_from(f">{ndim}I", head, 4)
    limits.check("tensor_elements", math.prod(n or 1 for n in shape), str(path))
    size = start + math.prod(shape) * dtype.itemsize
    packed = bytes(data[:2]) == GZIP
    if not packed and len(data) != size:
        raise BadFile(_wrong_size(path, shape, dtype, size, len(data)))
    if packed and size > 16 * MiB:
        limits.check("zip_ratio", size // len(data), f"{path}, bytes per compressed byte")
    limits.check("member_bytes", size, str(path))

    def read() -> np.ndarray:
        block = _unpacked(path, data, shape, dtype, size) if packed else data
        return viewed(block[start:], shape, dtype)

    # Windows takes no colon in a name, so there it is escaped.
    return Stored(unescape(file_stem(path)), shape, dtype.newbyteorder("="), read)


def _unpacked(
    path: Path, data: memoryview, shape: tuple[int, ...], dtype: np.dtype, size: int
) -> memoryview:
    inflate = zlib.decompressobj(31)
    try:
        content = inflate.decompress(data, size + 1)
    except zlib.error as error:
        raise BadFile(f"{path}: its gzip is damaged ({error}). Copy it again.") from error
    if len(content) != size:
        raise BadFile(_wrong_size(path, shape, dtype, size, len(content)))
    return memoryview(content)


def _wrong_size(path: Path, shape: tuple[int, ...], dtype: np.dtype, size: int, found: int) -> str:
    return (
        f"{path}: begins as an IDX file of shape {shape} of {dtype.name}, which takes {size:,} "
        f"bytes, but there are {'more' if found > size else f'only {found:,}'}. It is truncated, "
        "or something else: copy it again."
    )
