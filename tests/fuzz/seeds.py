"""The files that the fuzzer starts from: every small fixture that npforward reads."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzz.mutations import mutated
from npforward import formats
from npforward.errors import NpforwardError

FIXTURES = Path(__file__).parents[2] / "weights_fixtures"
FOLDERS = [path for path in FIXTURES.iterdir() if path.is_dir() and path.name != "make"]
PACKED = [path for name in ("apart", "saved_models") for path in (FIXTURES / name).rglob("*.zip")]
LARGEST = 30_000  # bytes; a small file says as much of its format as a large one
LARGEST_FOLDER = 100_000


@dataclass(frozen=True)
class Seed:
    """A file or folder that can be read, alone or with weights beside it."""

    path: Path
    weights: Path | None = None

    @property
    def broken(self) -> bool:
        """Whether it is one of those that must fail."""
        return "broken" in self.path.parts

    @functools.cached_property
    def whole(self) -> bool:
        """Whether it is a model, and not arrays alone."""
        return reads(formats.read, *filter(None, (self.path, self.weights)))

    @functools.cached_property
    def files(self) -> dict[str, bytes]:
        """The content by name: one file under its own name, or all those of a folder."""
        if self.path.is_file():
            return {self.path.name: self.path.read_bytes()}
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }

    def changed(self, chance: Random, folder: Path) -> Path:
        """Write the seed to a new place in `folder`, with a change in one of its files."""
        files = dict(self.files)
        name = chance.choice(list(files))
        files[name] = mutated(files[name], chance)
        self._write(files, folder)
        return folder / self.path.name

    def _write(self, files: dict[str, bytes], folder: Path) -> None:
        root = folder / self.path.name if self.path.is_dir() else folder
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)


@functools.cache
def seeds(largest: int = LARGEST) -> list[Seed]:
    """Every small model among the fixtures, broken ones included, and what has arrays to list."""
    found = []
    for path in sorted(_candidates(largest)):
        seed, beside = Seed(path), _beside(path)
        if path.stem == "Kurfile" and beside:  # alone, its copy would lack what it is read with
            found += [Seed(path, other) for other in beside]
            continue
        if seed.broken or reads(formats.read, path) or reads(formats.arrays, path):
            found.append(seed)
        found += [Seed(path, other) for other in beside if reads(formats.read, path, other)]
    return found


def _candidates(largest: int) -> Iterator[Path]:
    for folder in (*FOLDERS, _unpacked()):
        for path in folder.rglob("*"):
            # Hundreds, of which the folder in which they lie is one; and Kurfiles over again.
            if path.suffix == ".kur" or path.name == "dump.json":
                continue
            most = LARGEST_FOLDER if path.is_dir() else largest
            inside = path.rglob("*") if path.is_dir() else [path]
            if sum(file.stat().st_size for file in inside) < most:
                yield path


@functools.cache
def _unpacked() -> Path:
    """A folder of the fixtures that are kept packed; it lives as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="seeds"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in PACKED:
        with zipfile.ZipFile(path) as file:
            file.extractall(folder / path.parent.name / path.stem)
    return folder


def _beside(path: Path) -> list[Path]:
    """Files that may hold the weights of this architecture: `a.json` and `a.weights.h5`."""
    stem = path.name.partition(".")[0]
    names = [*path.parent.glob(f"{stem}[._]weights*")]
    if stem == "Kurfile":
        names += [folder for folder in (path.parent / "weights",) if folder.is_dir()]
    return [] if "weights" in path.name else sorted(names)


def reads(read: Callable[..., Any], *paths: Path) -> bool:
    """Whether something can be read, and is not empty."""
    try:
        return bool(read(*paths))
    except NpforwardError:
        return False
