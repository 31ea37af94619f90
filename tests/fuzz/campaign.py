"""Changed files in number, given to processes that are watched."""

from __future__ import annotations

import itertools
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz import target
from fuzz.seeds import Seed, seeds

SECONDS = 10  # that one file may take
WARM_UP = 120  # seconds that a new process may take to read good files
SHARE = 5_000  # files for one process
BATCH = 50  # files made before they are opened: two processes that take turns wait for each other

Task = tuple[str, str | None]  # a file, and one of weights


@dataclass
class Figures:
    """What came of all the files."""

    files: int = 0
    seconds: float = 0
    slowest: float = 0
    slowest_file: str = ""
    peak: int = 0  # bytes of memory
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, seed: Seed, answer: dict[str, Any]) -> None:
        """Count one file."""
        self.files += 1
        self.outcomes[answer["outcome"]] += 1
        self.peak = max(self.peak, answer["rss"])
        if answer["seconds"] > self.slowest:
            self.slowest, self.slowest_file = answer["seconds"], seed.path.name
        if answer["seconds"] >= SECONDS:
            answer["key"] = answer["key"] or "slow"
        if answer["key"]:
            self.findings[answer["key"]] += 1
            self.examples.setdefault(answer["key"], f"{seed.path.name}\n{answer['finding']}")

    def __str__(self) -> str:
        lines = [
            f"{self.files:,} files in {self.seconds:,.0f} s "
            f"({1000 * self.seconds / max(self.files, 1):.1f} ms a file); slowest "
            f"{self.slowest:.2f} s ({self.slowest_file}); peak memory {self.peak / 2**20:,.0f} MiB",
            *(f"  {count:>9,} {name}" for name, count in self.outcomes.most_common()),
            f"{sum(self.findings.values()):,} findings of {len(self.findings)} kinds",
            *(f"  {count:>9,} {key}" for key, count in self.findings.most_common()),
        ]
        return "\n".join(lines)


class Opener:
    """The watched process, and a new one when it has died, hung or done its share."""

    def __init__(self, warm: list[Seed]) -> None:
        self.warm = [task(seed.path, seed) for seed in warm]
        self.process: Any = None
        self.done = 0

    def __call__(self, tasks: list[Task]) -> Iterator[dict[str, Any]]:
        """What comes of each file, in order."""
        waiting = list(tasks)
        while waiting:
            if self.process is None or self.done >= SHARE:
                self._start()
            self.pipe.send(waiting)
            while waiting and self.process is not None:
                waiting.pop(0)
                yield self._answer()

    def _start(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=target.main, args=(theirs, self.warm))
        self.process.start()
        theirs.close()
        self.done = 0

    def _answer(self) -> dict[str, Any]:
        seconds = SECONDS + (0 if self.done else WARM_UP)
        self.done += 1
        if not self.pipe.poll(seconds):
            self.process.kill()
            return self._lost("hang", f"no answer within {seconds} s")
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            return self._lost("death", f"the process died with code {self.process.exitcode}")

    def _lost(self, outcome: str, finding: str) -> dict[str, Any]:
        self.close()
        what = {"outcome": outcome, "key": outcome, "finding": finding}
        return {**what, "seconds": float(SECONDS), "rss": 0}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            if self.process.is_alive():
                self.pipe.send(None)
            self.process.join()
            self.pipe.close()
            self.process = None


def task(path: Path, seed: Seed) -> Task:
    """What the process is told of a file."""
    return str(path), None if seed.weights is None else str(seed.weights)


def run(
    chances: Iterable[Random],
    chosen: list[Seed] | None = None,
    keep: Path | None = None,
    report: Callable[[Figures], None] | None = None,
) -> Figures:
    """One changed file for each source of chance; those with a finding are kept in `keep`."""
    figures, started = Figures(), time.perf_counter()
    chosen = chosen or seeds()
    broken = [seed for seed in chosen if seed.broken] or chosen
    good = [seed for seed in chosen if not seed.broken] or chosen
    models = [seed for seed in good if seed.whole] or chosen
    opener = Opener(chosen)
    folder = Path(tempfile.mkdtemp(prefix="npforward_fuzz_"))
    numbered = enumerate(chances)
    try:
        while batch := list(itertools.islice(numbered, BATCH)):
            made: list[tuple[Path, Seed]] = []
            for number, chance in batch:
                (of,) = chance.choices((broken, good, models), (1, 3, 6))
                seed = chance.choice(of)
                # A new name each time: what is still mapped must not be written over.
                made.append((seed.changed(chance, folder / str(number)), seed))
            answers = opener([task(path, seed) for path, seed in made])
            for (path, seed), answer in zip(made, answers, strict=True):
                figures.add(seed, answer)
                key = answer["key"]
                if keep and key and figures.findings[key] <= 3:
                    _kept(keep, key, figures.findings[key], path.parent, seed, answer["finding"])
                shutil.rmtree(path.parent)
            figures.seconds = time.perf_counter() - started
            if report:
                report(figures)
    finally:
        opener.close()
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def _kept(keep: Path, key: str, count: int, here: Path, seed: Seed, finding: str) -> None:
    name = "".join(c if c.isalnum() else "_" for c in key)
    place = keep / name / str(count)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(here, place)
    (place / "finding.txt").write_text(
        f"from {seed.path}\nwith {seed.weights}\n\n{finding}\n", encoding="utf-8"
    )


def chances(files: int, seed: int) -> Iterator[Random]:
    """A source of chance for each file, which its number gives again."""
    return (Random(f"{seed}/{number}") for number in range(files))
