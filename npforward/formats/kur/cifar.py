"""The archive of CIFAR-10 for Python: a tar of batches, each a pickle, which is not unpickled."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from npforward.errors import BadFile
from npforward.formats.kur import pickled
from npforward.limits import Limits, MiB

BATCH = re.compile(r"data_batch_(\d+)|(test)_batch")
PIXELS = 3 * 32 * 32
GZIP = b"\x1f\x8b"
DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error)


def read(path: Path, parts: Sequence[str], limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) and classes (N,) of the parts "1", "2", ... and "test", in this order."""
    batches: dict[str, dict[Any, Any]] = {}
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
            raw.seek(0)
            unpacked: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            most = max(16 * MiB, limits.zip_ratio * path.stat().st_size)
            stream: Any = _Bounded(unpacked, most, str(path), limits)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive, 1):
                    limits.check("zip_members", number, str(path))
                    named = BATCH.fullmatch(member.name.rsplit("/", 1)[-1])
                    part = (named[1] or named[2]) if named else ""
                    if part not in parts or not member.isreg() or member.sparse is not None:
                        continue
                    if part in batches:
                        raise BadFile(f"{path}: holds the batch {part!r} twice.")
                    limits.check("member_bytes", member.size, f"{path}: {member.name}")
                    file = archive.extractfile(member)
                    content = file.read() if file else b""
                    batches[part] = pickled.loads(content, f"{path}: {member.name}", limits)
    except DAMAGE as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(
            f"{path}: not a tar archive, gzipped or not, or a damaged one ({error}). CIFAR-10 for "
            "Python comes as cifar-10-python.tar.gz."
        ) from error
    if missing := [part for part in parts if part not in batches]:
        raise BadFile(
            f"{path}: has no batch {missing[0]!r}; CIFAR-10 has data_batch_1 to 5 and test_batch."
        )
    found = [_checked(batches[part], f"{path}: the batch {part!r}") for part in parts]
    return np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found])


def _checked(batch: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    held: dict[Any, Any] = batch if isinstance(batch, dict) else {}
    pixels: Any = held.get("data")
    classes: Any = held.get("labels")
    if isinstance(classes, list) and all(type(one) is int and abs(one) < 256 for one in classes):
        classes = np.array(classes, np.int64)
    arrays = isinstance(pixels, np.ndarray) and isinstance(classes, np.ndarray)
    if arrays and classes.ndim == 1 and pixels.shape == (len(classes), PIXELS):
        return pixels, classes
    raise BadFile(
        f"{where} should have 'data' of shape (N, {PIXELS}) and N 'labels', as CIFAR-10 has; "
        f"it has {_shown(held)}."
    )


def _shown(held: dict[Any, Any]) -> str:
    kinds = [
        f"{key!r:.40} ({getattr(one, 'shape', None) or type(one).__name__})"
        for key, one in held.items()
    ]
    return ", ".join(kinds[:6]) or "none"


class _Bounded:
    """A stream that gives so many bytes and no more: a few can unpack to any number."""

    def __init__(self, stream: BinaryIO, most: int, where: str, limits: Limits) -> None:
        self.stream, self.most, self.where, self.limits = stream, most, where, limits
        self.given = 0

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.given += len(block)
        if self.given > self.most:
            raise self.limits.exceeded("zip_ratio", f"{self.where}: it unpacks to more than")
        self.limits.check("archive_bytes", self.given, f"{self.where}: bytes unpacked")
        return block
