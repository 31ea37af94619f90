"""HDF5 by the HDF5 library (h5py), which runs in one process of its own for all files.

pyfive reads what Keras writes.  For the rest of HDF5, which a file that other programs have touched
may use, there is only the library; in C, it crashes or hangs over some malformed files.  So
`hdf5_child` runs it, with bounds on time and memory, and a file that kills it is a `BadFile`.
Windows has no bound on memory; there, as everywhere, whoever asks waits for so long and no longer.

Read by h5py 3.16 and not by pyfive 1.3 (found by trying):

- a user block before the signature, superblocks of version 1, and lengths or addresses that are not
  of 64 bits;
- chunks as HDF5 1.10 and later lay them out (`libver="v110"` or later, also `"latest"`);
- the filters szip, nbit and scaleoffset, and any filter that is used twice;
- floats whose bits are not laid out as IEEE's (bfloat16 as a float, of which pyfive makes float16
  without a word), and integers with fewer bits than their bytes have.

Neither reads what lies outside the file, and nothing of that kind is asked of the library.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import re
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from npforward.errors import BadFile
from npforward.formats import guarded_json, hdf5_child
from npforward.graph import Stored
from npforward.limits import Limits


class Library:
    """An HDF5 file as the library in the other process sees it.

    Examples
    --------
    >>> import io, h5py, numpy as np
    >>> from npforward.limits import Limits
    >>> buffer = io.BytesIO()
    >>> with h5py.File(buffer, "w", userblock_size=512) as file:
    ...     file["a/b"] = np.eye(2)
    >>> library = Library(memoryview(buffer.getvalue()), "a.h5", Limits())
    >>> library.members(""), library.members("a/b")
    (['a'], None)
    """

    def __init__(self, data: memoryview, where: str, limits: Limits) -> None:
        self.data, self.where, self.limits = data, where, limits

    def members(self, path: str) -> list[str] | None:
        """The names in the group at `path`; None if it is none."""
        names = self._ask("members", path, self.limits.hdf5_objects)
        if names is not None and not _all_texts(names):
            raise self._nonsense(names)
        return names

    def attributes(self, path: str) -> dict[str, Any]:
        """All attributes at `path`: texts and lists of texts; others as an array without values."""
        found = self._ask("attributes", path, self.limits.attribute_bytes)
        if not isinstance(found, dict):
            raise self._nonsense(found)
        return {
            name: value if isinstance(value, str) or _all_texts(value) else np.zeros(_size(value))
            for name, value in found.items()
        }

    def array(self, path: str) -> Stored:
        """The dataset at `path`."""
        found = self._ask("array", path)
        said = found if isinstance(found, dict) else {}
        shape: Any = said.get("shape")
        kind = str(said.get("dtype"))
        sizes = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if not sizes or not re.fullmatch(r"[<|][biufc]\d{1,2}|bfloat16", kind):
            raise self._nonsense(found)
        stored = _bfloat16() if kind == "bfloat16" else np.dtype(kind)
        dtype = stored.newbyteorder("=")

        def read() -> np.ndarray:
            values = np.empty(shape, stored)
            self._ask("values", path, shape, kind, into=values)
            values = values.astype(dtype, copy=False)
            values.flags.writeable = False
            return values

        return Stored(path, tuple(shape), dtype, read)

    def _ask(self, question: str, path: str, *more: Any, into: np.ndarray | None = None) -> Any:
        said = the_process(os.getpid()).ask(self, [question, [path, *more]], into)
        if "answer" in said:
            return said["answer"]
        where = f"{self.where}: {path or '/'!r}"
        if str(said.get("failed", "")).startswith("MemoryError"):
            what = f"{where}: to read it, the HDF5 library takes more memory than"
            raise self.limits.exceeded("hdf5_library_bytes", what)
        if "refused" in said:
            raise BadFile(
                f"{self.where}: {said['refused']}. npforward reads arrays of numbers that lie in "
                "the file itself. Save the model again with Keras."
            )
        raise BadFile(
            f"{where}: neither pyfive nor the HDF5 library can read this ({said.get('failed')}). "
            "The file is damaged: copy it again, or save it again with Keras."
        )

    def _nonsense(self, answer: Any) -> BadFile:
        return BadFile(
            f"{self.where}: the HDF5 library answers {str(answer)[:80]!r}. It is damaged."
        )


class Process:
    """Where the library runs: started when it is needed, and again when a file has killed it."""

    def __init__(self) -> None:
        self.process: Any = None  # of `subprocess`, which few files need
        self.bounds: tuple[int, int] = (0, 0)  # bytes of memory, seconds for each question
        self.holds: Callable[[], Library | None] = _nothing  # the file that it has, if still used
        self.lock = threading.Lock()

    def ask(self, library: Library, question: list, into: np.ndarray | None) -> dict[str, Any]:
        """What it says to one question about a file, whose values go to `into`."""
        limits, size = library.limits, len(library.data)
        limits.check("hdf5_library_bytes", size, f"{library.where}: bytes for the HDF5 library")
        with self.lock:
            bounds = limits.hdf5_library_bytes, limits.hdf5_library_seconds
            if self.process is None or self.process.poll() is not None or self.bounds != bounds:
                self.stop()
                self._start(bounds, library)
            if self.holds() is not library:
                said = self._exchange(library, ["open", []], library.data, None)
                if "answer" not in said:
                    return said
                self.holds = weakref.ref(library)
            return self._exchange(library, question, b"", into)

    def _start(self, bounds: tuple[int, int], library: Library) -> None:
        import subprocess

        kept = {key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}
        try:
            # The other process is isolated (-I) and has no other way to find them.
            folders = [_folder(name) for name in ("numpy", "h5py")]
            self.process = subprocess.Popen(
                [sys.executable, "-I", hdf5_child.__file__, *map(str, bounds), *folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=kept | {"HDF5_PLUGIN_PRELOAD": "::"},  # no plug-ins
            )
        except (OSError, ValueError, TypeError) as error:  # no Python, no h5py, a browser ...
            raise BadFile(
                f"{library.where}: uses a part of HDF5 that only h5py reads, and npforward runs "
                f"h5py in a process of its own, which cannot be started here ({error}). Save the "
                "model again with Keras."
            ) from error
        self.bounds, self.holds = bounds, _nothing
        self._exchange(library, None, b"", None)

    def _exchange(
        self, library: Library, question: Any, content: Any, into: np.ndarray | None
    ) -> dict[str, Any]:
        process = self.process
        assert process is not None
        seconds = self.bounds[1]
        expired = threading.Event()

        def end() -> None:
            expired.set()
            process.kill()

        late = threading.Timer(seconds, end)
        late.daemon = True
        late.start()
        try:
            if question is not None:
                hdf5_child.send(process.stdin, question, content)  # type: ignore[arg-type]
            return _answer(process.stdout, library, into)  # type: ignore[arg-type]
        except (OSError, EOFError):
            _close(process.stdin)
            code = process.wait()  # it is dead, or ends without its input
        except BaseException:
            self.stop()  # its answer would be taken for that to the next question
            raise
        finally:
            late.cancel()
        self.stop()
        if expired.is_set() or -code == getattr(signal, "SIGXCPU", None):
            what = f"{library.where}: to read it, the HDF5 library takes longer than"
            raise library.limits.exceeded("hdf5_library_seconds", what)
        raise BadFile(
            f"{library.where}: the HDF5 library crashed over this file (code {code}), in a process "
            "of its own. The file is damaged or made to do so: do not open it with other programs."
        )

    @property
    def pid(self) -> int | None:
        """Its number, if it runs."""
        return None if self.process is None else self.process.pid

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            _close(self.process.stdin)
            _close(self.process.stdout)
        self.process, self.holds = None, _nothing


@functools.cache
def the_process(pid: int) -> Process:
    """The one that belongs to the process `pid`: after a fork there is another."""
    found = Process()

    def end() -> None:
        if os.getpid() == pid:
            found.stop()

    atexit.register(end)
    return found


def _nothing() -> None:
    return None


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):  # what could no longer be written
            stream.close()


def _answer(stream: BinaryIO, library: Library, into: np.ndarray | None) -> dict[str, Any]:
    """One message, of which nothing is taken on trust: the library may have been taken over."""
    length, size = hdf5_child.SIZES.unpack(_exactly(stream, hdf5_child.SIZES.size))
    library.limits.check("config_bytes", length, f"{library.where}: the HDF5 library's answer")
    text = _exactly(stream, length)
    said = guarded_json.loads(text, f"{library.where}: the HDF5 library's answer", library.limits)
    if not isinstance(said, dict) or size != (
        into.nbytes if into is not None and "answer" in said else 0
    ):
        raise EOFError
    if into is not None and size:
        view = into.reshape(-1).view(np.uint8).data
        while len(view):
            count = stream.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]
    return said


def _exactly(stream: BinaryIO, size: int) -> bytes:
    block = stream.read(size)
    if len(block) < size:
        raise EOFError
    return block


def _folder(package: str) -> str:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ValueError(f"there is no {package}")
    return str(Path(found.origin).parents[1])


def _all_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _size(value: Any) -> int:
    """Of an array 0 or 1: whether it is empty is all that matters of what is no text."""
    return int(isinstance(value, dict) and value.get("size") != 0)


def _bfloat16() -> np.dtype:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)
