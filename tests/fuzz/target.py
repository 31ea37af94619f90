"""The process that opens changed files, watched for anything that a file must not cause.

oracle: only errors of our own; nothing imported, executed, started, written, sent, or opened
but the file itself.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  which npforward loads when it meets bfloat16
import numpy as np

import npforward as npf
from npforward import formats
from npforward.formats import hdf5_library
from npforward.limits import Limits

MEMORY = 3 << 30  # bytes of address space
LIMITS = Limits(
    value_bytes=2**26, weights_bytes=2**28, tensor_elements=2**26, hdf5_library_seconds=3
)
LARGEST_INPUT = 20_000  # numbers

# Audit events of what no file may cause.  https://docs.python.org/3/library/audit_events.html
FORBIDDEN = (
    "import", "exec", "compile", "marshal.", "pickle.", "code.", "ctypes.", "socket.", "urllib.",
    "http.", "ftplib.", "smtplib.", "subprocess.", "os.", "pty.", "shutil.", "tempfile.", "glob.",
    "webbrowser.", "signal.", "syslog.", "winreg.", "msvcrt.",
)  # fmt: skip
HARMLESS = ("os.listdir", "os.scandir")  # of the path that was given, which is checked
# pyfive looks for its own version, wherever packages may be, each time that it reads an array of
# many pieces.
OURS = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
OURS += tuple(path for path in sys.path if path.endswith(".zip"))
READER = "hdf5_child.py"  # the one process that may be started


class Watch:
    """Collects what happens while a file is open, and must not."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None  # while a file is open
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if self.allowed is None:
            return
        if self._of_the_reader(event, args):
            return
        if event == "open":
            path, mode, flags = (*args, None, None, None)[:3]
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            writes = writes or (isinstance(flags, int) and flags & 0x3)
            if writes or not self._given(path, OURS):
                self.seen.append(f"open {path!r} {mode!r}")
        elif event in HARMLESS:
            if not self._given(args[0], (*OURS, *sys.path)):
                self.seen.append(f"{event} {args[0]!r}")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {str(args)[:200]}")

    @staticmethod
    def _of_the_reader(event: str, args: tuple) -> bool:
        """Whether it is the one process that may be started, or its end; or a literal read.

        Python's own parser reads what templates of a Kurfile give: `ast.parse` makes a tree, which
        nothing can execute.  What were to execute code would do so by an "exec".
        """
        if event == "compile":
            return args[1] == "<unknown>"  # as `ast.parse` calls it
        if event == "open":
            return args[0] == os.devnull or isinstance(args[0], int)  # a pipe to it
        if event == "subprocess.Popen":
            return READER in str(args[1])
        return event == "os.kill" and args[0] == hdf5_library.the_process(os.getpid()).pid

    def _given(self, path: Any, others: tuple[str, ...]) -> bool:
        return isinstance(path, (str, Path)) and str(path).startswith((*self.allowed, *others))


def listed(path: str, weights: str | None) -> None:
    """Every array of a file, read."""
    for stored in formats.arrays(weights or path, LIMITS).values():
        stored.read()


def opened(path: str, weights: str | None) -> None:
    """A model, its summary, its weights, and what it computes."""
    model = npf.load_model(path, weights, limits=LIMITS)
    str(model.summary(nested=True))
    for array in model.weights.values():
        assert isinstance(array, np.ndarray)
    feeds = [_feed(spec) for spec in model.inputs]
    if sum(feed.size for feed in feeds) <= LARGEST_INPUT:
        model.trace(feeds)


def _feed(spec: npf.model.InputSpec) -> np.ndarray:
    shape = [2 if n is None else n for n in (spec.shape or (2, 8))]
    if np.prod(shape, dtype=float) > LARGEST_INPUT:
        return np.zeros(LARGEST_INPUT + 1)
    return (np.arange(np.prod(shape, dtype=int)) % 3).reshape(shape).astype(spec.dtype)


def tried(watch: Watch, path: str, weights: str | None) -> dict[str, Any]:
    """What came of one file: the kind of error or "read", and what should not have been."""
    started = time.perf_counter()
    outcome = finding = key = None
    for door in (listed, opened):
        watch.allowed, watch.seen = tuple(p for p in (path, weights) if p), []
        try:
            door(path, weights)
            outcome = "read"
        except npf.NpforwardError as error:
            outcome = type(error).__name__
            if not str(error):
                finding, key = "an error without words", "no words"
        except BaseException as error:  # the very thing that is looked for
            outcome = type(error).__name__
            watch.allowed = None
            last = traceback.extract_tb(error.__traceback__)[-1]
            finding = traceback.format_exc()
            key = f"{outcome} at {Path(last.filename).name}:{last.lineno}"
        finally:
            watch.allowed = None
        if watch.seen:
            finding, key = "\n".join(watch.seen), watch.seen[0][:60]
    seconds = time.perf_counter() - started
    return {"outcome": outcome, "seconds": seconds, "finding": finding, "key": key}


def main(pipe: Any, warm: list[tuple[str, str | None]]) -> None:
    """Answer for one file after another; `warm` are good ones, which bring in what is needed."""
    warnings.simplefilter("ignore")  # Python would open its own source to show one
    watch = Watch()
    with npf.numpy_only():
        for path, weights in warm:
            tried(watch, path, weights)
        _limited()
        while (tasks := pipe.recv()) is not None:
            for path, weights in tasks:
                pipe.send({**tried(watch, path, weights), "rss": _peak()})


def _limited() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _peak() -> int:
    """The most memory that this process or a reader has had; 0 where that is not known."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN  # those that have ended
    return max(resource.getrusage(who).ru_maxrss for who in whose) * unit
