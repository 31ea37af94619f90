"""numpy's own files: `.npy`, one array, and `.npz`, a zip of those.  Nothing is ever unpickled."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from npforward.errors import BadFile
from npforward.formats import archive
from npforward.formats.loose import file_stem
from npforward.formats.mapping import frozen, mapped, viewed
from npforward.graph import Stored
from npforward.limits import Limits

MAGIC, MEMBER = b"\x93NUMPY", ".npy"
HEADER = 2**16  # bytes; those of numbers take a few hundred at most
# The header is a Python literal.  Of those only what describes an array of numbers is read.
KEY = r"\s*(?:'{0}'|\"{0}\")\s*:\s*"
PARTS = {
    "descr": re.compile(KEY.format("descr") + r"(?:'([^'\\]*)'|\"([^\"\\]*)\"|(\[))"),
    "fortran_order": re.compile(KEY.format("fortran_order") + "(True|False)"),
    "shape": re.compile(KEY.format("shape") + r"\(([\d\sL,]*)\)"),
}
# Those that every numpy has; a long double, say, is another thing on each machine.
KINDS = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9})")
PICKLED = (
    " holds Python objects, which only pickle can read, and reading a pickle can run any program. "
    "Save plain arrays: np.savez('weights.npz', *model.get_weights()), not one list of them."
)


def matches(path: Path) -> bool:
    """Whether `path` is a `.npy` file, or a zip that begins with one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(30)
        if head[:4] != archive.SIGNATURE or len(head) < 30:
            return head.startswith(MAGIC)
        return file.read(int.from_bytes(head[26:28], "little")).endswith(MEMBER.encode())


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """Every array by its name; that in a `.npy` file is called as the file."""
    if archive.begins(path, archive.SIGNATURE):
        members = archive.Zip(path, limits)
        names = [name for name in members.names if name.endswith(MEMBER)]
        found = [_member(members, name) for name in names]
    else:
        data = mapped(path, limits)
        name = file_stem(path)
        found = [_array(name, data[:HEADER], len(data), lambda: data, str(path), limits)]
    total = 0
    for stored in found:
        total += stored.nbytes
        limits.check("weights_bytes", total, f"{path}: {stored.name!r} and the arrays before it")
    return {stored.name: stored for stored in found}


def _member(members: archive.Zip, name: str) -> Stored:
    where = f"{members.path}: {name!r}"
    head, size = members.head(name, HEADER), members.members[name].file_size
    return _array(
        name.removesuffix(MEMBER), head, size, lambda: members.view(name), where, members.limits
    )


def _array(
    name: str,
    head: memoryview,
    size: int,
    data: Callable[[], memoryview],
    where: str,
    limits: Limits,
) -> Stored:
    """The array whose file is `size` bytes long, begins with `head`, and is what `data` gives."""
    shape, dtype, fortran, start = _header(bytes(head), where)
    limits.check("rank", len(shape), where)
    limits.check("tensor_elements", math.prod(n or 1 for n in shape), where)
    end = start + math.prod(shape) * dtype.itemsize
    if end > size:
        raise BadFile(
            f"{where} has shape {shape} of {dtype}, which takes {end - start:,} bytes, but only "
            f"{size - start:,} follow. It is truncated or damaged: copy it again."
        )

    def read() -> np.ndarray:
        block = data()[start:end]
        if not fortran:
            return viewed(block, shape, dtype)
        return frozen(np.frombuffer(block, dtype).reshape(shape, order="F"))

    return Stored(name, shape, dtype, read)


def _header(head: bytes, where: str) -> tuple[tuple[int, ...], np.dtype, bool, int]:
    """Shape, dtype, whether the first axis varies fastest, and where the values begin."""
    if not head.startswith(MAGIC) or len(head) < 12:
        raise BadFile(f"{where} is not a .npy file (it begins with {head[:8]!r}).")
    if head[6:8] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise BadFile(f"{where} is of .npy version {head[6]}.{head[7]}; there are 1.0 to 3.0.")
    start = 10 if head[6] == 1 else 12
    (length,) = struct.unpack_from("<H" if head[6] == 1 else "<I", head, 8)
    text = head[start : start + length].decode("latin1")
    said = {key: part.search(text) for key, part in PARTS.items()}
    if length > len(head) - start or not text.startswith("{"):
        raise BadFile(f"{where}: its header is cut off or is none. Copy it again.")
    if said["descr"] and ("O" in (said["descr"][1] or said["descr"][2] or "")):
        raise BadFile(f"{where}{PICKLED}")
    missing = [key for key, found in said.items() if found is None]
    if missing:
        raise BadFile(f"{where}: its header says no {missing[0]} of an array: {text[:80]!r}.")
    descr, fortran, shape = (found for found in said.values() if found)
    sizes = tuple(int(n.rstrip("L")) for n in re.findall(r"\d{1,20}L?", shape[1]))
    dtype = _dtype(descr[1] or descr[2] or "", where)
    return sizes, dtype, fortran[1] == "True", start + length


def _dtype(descr: str, where: str) -> np.dtype:
    if descr[-2:] == "V2":  # numpy has no name for bfloat16 and writes what it can
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    if KINDS.fullmatch(descr):
        return np.dtype(descr)
    raise BadFile(
        f"{where} holds {f'values of type {descr}' if descr else 'records'}, expected numbers. "
        "Save each as an array of numbers of its own."
    )
