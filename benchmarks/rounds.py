"""Peers in processes of their own, of which one works at a time: A B C, A B C, ..."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import HERE, Saved
from benchmarks.peers import OURS, PEERS, environment

Row = dict[str, Any]
WRONG = 1e-2  # relative to what is in an output: what differs by more computes something else
CANCELLED = 1e-4  # of the largest gradient: a gradient below is rounding; 1% of it is 8 float32 eps
CACHES = ("XDG_CACHE_HOME", "NPFORWARD_CACHE", "NUMBA_CACHE_DIR", "LOCALAPPDATA")
PAUSE = 0.02  # seconds in which the threads of the last turn go to sleep


class Failed(Exception):
    """A peer's process could not do what it was asked to."""


@dataclass(frozen=True)
class Settings:
    """How everything is measured."""

    python: Mapping[str, Sequence[str]]  # peer -> the command of its Python
    work: str = "layers"  # one of `peers.WORK`
    rounds: int = 7
    seconds: float = 0.5  # that a turn lasts
    calls: int | None = None  # of a turn, instead of seconds
    show: Callable[[str], None] = lambda text: None  # progress


class Worker:
    """The process of one peer with so many threads; a context that ends it."""

    def __init__(
        self, peer: str, threads: int, python: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        self.peer = peer
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        with confined(threads):
            self._process = subprocess.Popen(
                [*python, "-m", "benchmarks.worker", peer],
                cwd=HERE.parent,
                env=environment(os.environ, peer, threads) | dict(env or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """The process's answer to a command of `worker.py`."""
        assert self._process.stdin
        assert self._process.stdout
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"do": do, **details}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines()
            raise Failed(said[-1] if said else f"ended with {self._process.returncode}")
        return json.loads(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
                self._process.communicate(timeout=30)
        self.kill()
        self._log.close()

    def kill(self) -> None:
        """End the process, and those that it started, now."""
        if self._process.poll() is None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


@contextlib.contextmanager
def confined(threads: int) -> Iterator[None]:
    """Processes that are started meanwhile may use that many processors, where this can be said."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def versions(peers: Sequence[str], python: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What is installed of the modules of each of these peers; a peer that lacks one is left out.

    Nothing is imported but the standard library: the answer of each Python is from its metadata.
    """
    code = (
        "import sys, importlib.metadata as m, importlib.util as u\n"
        "assert all(map(u.find_spec, sys.argv[1:]))\n"
        "names = m.packages_distributions()\n"
        "print(*[n + ' ' + m.version(names.get(n, [n])[0]) for n in sys.argv[1:]], sep=', ')"
    )
    found = {}
    for peer in peers:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            done = subprocess.run(
                [*python[peer], "-c", code, *PEERS[peer].modules],
                capture_output=True, text=True, check=True, cwd=HERE.parent,
            )  # fmt: skip
            found[peer] = done.stdout.strip()
    return found


def needed(model: Saved, batch: int) -> float:
    """About how many bytes a peer takes for every layer's output: twice those, and weights."""
    return 4.0 * (2.5 * batch * model.values + 3 * model.weights) + 4e8


def free() -> float:
    """Bytes of memory that are to be had; infinite where that is unknown."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return float("inf")


def compared(
    case: str, model: Saved, batch: int, threads: int, peers: Sequence[str], settings: Settings
) -> list[Row]:
    """A row for each peer: milliseconds, ratios, error and memory for one model.

    Every peer has a process that lives through all rounds.  In each round every one of them has
    one turn, in the same order; the time of a turn is the median of its calls.
    """
    turns: dict[str, list[float]] = {}
    rows: dict[str, Row] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers: dict[str, Worker] = {}
        for peer in peers:
            settings.show(f"{case}, {threads} threads: {peer} opens")
            rows[peer] = {
                "case": case, "threads": threads, "work": settings.work, "peer": peer
            }  # fmt: skip
            worker = stack.enter_context(Worker(peer, threads, settings.python[peer]))
            try:
                start = time.perf_counter()
                worker.ask("open", **order(model, batch, threads, settings))
                rows[peer]["seconds to open"] = time.perf_counter() - start
                worker.ask("save", path=str(folder / f"{peer}.npz"))
            except Failed as failure:
                rows[peer]["failed"] = str(failure)
                continue
            if peer != OURS and OURS in workers:
                rows[peer] |= difference(
                    folder / f"{peer}.npz", folder / f"{OURS}.npz", settings.work
                )
                (folder / f"{peer}.npz").unlink()
                if "failed" in rows[peer]:
                    continue
            workers[peer] = worker
            turns[peer] = []
        for number in range(1, settings.rounds + 1):
            for peer, worker in list(workers.items()):
                settings.show(f"{case}, {threads} threads: round {number}, {peer}")
                time.sleep(PAUSE)
                try:
                    said = worker.ask("time", seconds=settings.seconds, calls=settings.calls)
                except Failed as failure:
                    rows[peer]["failed"] = str(failure)
                    workers.pop(peer)
                    turns.pop(peer)
                    continue
                turns[peer].append(statistics.median(said["ms"]))
                rows[peer]["MB"] = said["peak"]
    for peer, ms in turns.items():
        rows[peer] |= {"ms": spread(ms), "turns": ms}
    add_ratios(rows)
    return list(rows.values())


def order(model: Saved, batch: int, threads: int, settings: Settings) -> dict[str, Any]:
    """What a worker needs to know to open a model."""
    return {
        "folder": str(model.folder),
        "x": str(model.inputs(batch)),
        "work": settings.work,
        "threads": threads,
    }


def spread(numbers: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def difference(theirs: Path, ours: Path, work: str = "layers") -> Row:
    """How far two files of outputs are apart: the worst of them, relative to what is in it.

    Values of layers are told apart by their largest difference, over their largest number.  In
    gradients rounding does two things more, to every framework and to no two in the same places:

    - Which of two almost equal numbers wins in a max pooling, or whether a unit of a ReLU is on,
      may change; then a few numbers are off by their whole size.  So it is the root mean square of
      what differs, over that of the array, that counts: it is small for a few numbers of
      thousands, and large for whatever is computed otherwise.
    - What is 0 because its terms cancel, as the gradient for the bias of keys in an attention, is
      as large as the rounding of its terms, and their size is that of the gradients around.  So an
      array counts as no smaller than `CANCELLED` of the largest one.
    """
    size = _root_mean_square if work == "gradients" else _largest
    worst, where = 0.0, ""
    with np.load(theirs) as a, np.load(ours) as b:
        sizes = {name: size(b[name]) for name in b.files}
        least = CANCELLED * max(sizes.values(), default=0.0) if work == "gradients" else 0.0
        for name in a.files:
            if name not in b.files or a[name].shape != b[name].shape:
                shape = b[name].shape if name in b.files else "nothing"
                return {"failed": f"{name}: {a[name].shape}, npforward has {shape}"}
            error = size(a[name] - b[name]) / (max(sizes[name], least) or 1)
            if not np.isfinite(error):
                return {"failed": f"{name}: {error} off"}
            if error > worst:
                worst, where = error, name
    return {"error": worst, "where": where}


def _largest(x: np.ndarray) -> float:
    return float(np.max(np.abs(x), initial=0))


def _root_mean_square(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype="float64")))) if x.size else 0.0


def is_right(row: Row) -> bool:
    """Whether a row is of a peer that computes what npforward does."""
    return "turns" in row and row.get("error", 0) <= WRONG


def add_ratios(rows: Mapping[str, Row]) -> None:
    """Add to each row npforward's time over that peer's, and to its own row over the best's."""
    ours = rows.get(OURS)
    if not ours or "turns" not in ours:
        return
    others = {peer: row for peer, row in rows.items() if peer != OURS and is_right(row)}
    for row in others.values():
        row["ratio"] = spread([a / b for a, b in zip(ours["turns"], row["turns"], strict=True)])
    rivals = {peer: row for peer, row in others.items() if PEERS[peer].rival}
    if rivals:
        best = [min(turn) for turn in zip(*(r["turns"] for r in rivals.values()), strict=True)]
        ours["ratio"] = spread([a / b for a, b in zip(ours["turns"], best, strict=True)])
        ours["best"] = min(rivals, key=lambda peer: rivals[peer]["ms"]["median"])


def cold(
    case: str, model: Saved, batch: int, threads: int, peers: Sequence[str], settings: Settings
) -> list[Row]:
    """A row for each peer: seconds from the start of a process to the outputs of its first call.

    Files were read before.  npforward has a row more: with a cache folder that is empty each time.
    """
    taken: dict[str, list[float]] = {}
    rows: dict[str, Row] = {}

    def once(peer: str, label: str, env: Mapping[str, str], number: int) -> None:
        settings.show(f"{case}, {threads} threads: start {number}, {label}")
        start = time.perf_counter()
        with Worker(peer, threads, settings.python[peer], env) as worker:
            said = worker.ask("open", **order(model, batch, threads, settings))
            seconds = time.perf_counter() - start
        rows[label]["MB"] = said["peak"]
        if number:  # the first one fills caches
            taken.setdefault(label, []).append(seconds)

    def attempt(peer: str, label: str, number: int, env: Mapping[str, str]) -> None:
        if "failed" not in rows.setdefault(
            label, {"case": case, "threads": threads, "work": settings.work, "peer": label}
        ):
            try:
                once(peer, label, env, number)
            except Failed as failure:
                rows[label]["failed"] = str(failure)

    for number in range(settings.rounds + 1):
        for peer in peers:
            attempt(peer, peer, number, {})
    if OURS in peers:
        for number in range(1, settings.rounds + 1):
            with tempfile.TemporaryDirectory() as empty:
                attempt(OURS, f"{OURS}, first ever", number, dict.fromkeys(CACHES, empty))
    for label, seconds in taken.items():
        rows[label]["seconds"] = spread(seconds)
    return list(rows.values())


def progress(text: str) -> None:
    """Show on stderr what is being done, if somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
