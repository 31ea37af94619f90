"""safetensors: a header in JSON that says where each array lies, then all their bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npforward.errors import BadFile
from npforward.formats import guarded_json
from npforward.formats.mapping import mapped, viewed
from npforward.graph import Stored
from npforward.limits import Limits

# The format's names of types; those that numpy lacks are ml_dtypes's.
DTYPES = {"BOOL": "bool", "F64": "float64", "F32": "float32", "F16": "float16", "C64": "complex64"}
DTYPES |= {
    f"{kind[0]}{bits}": f"{kind[1:]}{bits}"
    for kind in ("Iint", "Uuint")
    for bits in (8, 16, 32, 64)
}
ML_DTYPES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
ML_DTYPES |= {"F8_E8M0": "float8_e8m0fnu"}


def matches(path: Path) -> bool:
    """Whether `path` begins with the length of a header, and a header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(9)[4:] == b"\0\0\0\0{"  # 4 GiB of header there is not


def arrays(path: Path, limits: Limits) -> dict[str, Stored]:
    """Every array by its name, in the order in which they lie."""
    data = mapped(path, limits)
    length = int.from_bytes(data[:8], "little")
    start = 8 + length
    if start > len(data):
        raise BadFile(
            f"{path}: a safetensors file whose header should have {length:,} bytes, but the file "
            f"has only {len(data):,}. It is truncated: copy or download it again."
        )
    header = guarded_json.loads(data[8:start], f"{path}: its header", limits)
    if not isinstance(header, dict):
        raise BadFile(f"{path}: its header is {type(header).__name__}, expected an object.")
    entries = {name: said for name, said in header.items() if name != "__metadata__"}
    spans = {name: _span(said, f"{path}: {name!r}") for name, said in entries.items()}
    found: dict[str, Stored] = {}
    at = 0
    for name in sorted(spans, key=spans.__getitem__):
        begin, end = spans[name]
        if begin != at:
            raise BadFile(
                f"{path}: {name!r} begins at byte {begin:,} of the values, but what is before it "
                f"ends at {at:,}: arrays overlap or leave holes. The file is damaged or made to "
                "deceive: download it again."
            )
        at = end
        found[name] = _array(name, entries[name], data[start + begin : start + end], path, limits)
    if at != len(data) - start:
        raise BadFile(
            f"{path}: its arrays take {at:,} bytes, but {len(data) - start:,} follow the header. "
            "It is truncated or damaged: copy or download it again."
        )
    limits.check("weights_bytes", at, str(path))
    return found


def _span(said: Any, where: str) -> tuple[int, int]:
    """The bytes from the first to before the last that an array takes."""
    offsets = said.get("data_offsets") if isinstance(said, dict) else None
    if (
        not isinstance(offsets, list)
        or [type(n) for n in offsets] != [int, int]
        or not 0 <= offsets[0] <= offsets[1]
    ):
        raise BadFile(
            f"{where}: its entry in the header is {str(said)[:80]}, expected a dtype, a shape and "
            "data_offsets from a byte to a byte."
        )
    return offsets[0], offsets[1]


def _array(
    name: str, said: Mapping[str, Any], block: memoryview, path: Path, limits: Limits
) -> Stored:
    where = f"{path}: {name!r}"
    shape = said.get("shape")
    if not isinstance(shape, list) or any(type(n) is not int or n < 0 for n in shape):
        raise BadFile(f"{where} has the shape {str(shape)[:80]}, expected a list of sizes.")
    dtype = _dtype(said.get("dtype"), where)
    limits.check("rank", len(shape), where)
    limits.check("tensor_elements", math.prod(n or 1 for n in shape), where)
    size = math.prod(shape) * dtype.itemsize
    if size != len(block):
        raise BadFile(
            f"{where} has shape {tuple(shape)} of {dtype}, which takes {size:,} bytes, but lies in "
            f"{len(block):,}. The file is damaged: copy or download it again."
        )
    return Stored(name, tuple(shape), dtype, lambda: viewed(block, tuple(shape), dtype))


def _dtype(word: Any, where: str) -> np.dtype:
    if isinstance(word, str) and word in DTYPES:
        return np.dtype(DTYPES[word])
    if isinstance(word, str) and word in ML_DTYPES:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, ML_DTYPES[word]))
    known = ", ".join([*DTYPES, *ML_DTYPES])
    raise BadFile(f"{where} is of type {str(word)[:40]!r}; npforward reads {known}.")
