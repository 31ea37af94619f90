"""Changed files in number, given to processes that are watched."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz import target
from fuzz.seeds import Seed, seeds

SECONDS = 10  # that one file may take
BATCH = 5_000  # files for one process


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
        self.warm = [(str(seed.path), seed.weights and str(seed.weights)) for seed in warm]
        self.process: Any = None
        self.done = 0

    def __call__(self, path: Path, weights: Path | None) -> dict[str, Any]:
        if self.process is None or self.done >= BATCH:
            self.close()
            context = multiprocessing.get_context("spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=target.main, args=(theirs, self.warm))
            self.process.start()
            theirs.close()
            self.done = 0
        self.done += 1
        self.pipe.send((str(path), weights and str(weights)))
        # A new process first reads the good files.
        if not self.pipe.poll(SECONDS + (120 if self.done == 1 else 0)):
            self.process.kill()
            return self._lost("hang", f"no answer within {SECONDS} s")
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            return self._lost("death", f"the process died with code {self.process.exitcode}")

    def _lost(self, outcome: str, finding: str) -> dict[str, Any]:
        self.close()
        return {
            "outcome": outcome,
            "seconds": float(SECONDS),
            "finding": finding,
            "key": outcome,
            "rss": 0,
        }

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            if self.process.is_alive():
                self.pipe.send(None)
            self.process.join()
            self.pipe.close()
            self.process = None


def run(
    chances: Any, chosen: list[Seed] | None = None, keep: Path | None = None, report: Any = None
) -> Figures:
    """One changed file for each source of chance; those with a finding are kept in `keep`."""
    figures, started = Figures(), time.perf_counter()
    chosen = chosen or seeds()
    broken = [seed for seed in chosen if seed.broken] or chosen
    good = [seed for seed in chosen if not seed.broken] or chosen
    opener = Opener(chosen)
    folder = Path(tempfile.mkdtemp(prefix="npforward_fuzz_"))
    try:
        for number, chance in enumerate(chances):
            # A new name each time: what is still mapped must not be written over.
            here = folder / str(number)
            here.mkdir()
            seed = chance.choice(broken if chance.random() < 0.1 else good)
            path = seed.changed(chance, here)
            answer = opener(path, seed.weights)
            figures.files += 1
            figures.seconds = time.perf_counter() - started
            figures.outcomes[answer["outcome"]] += 1
            figures.peak = max(figures.peak, answer["rss"])
            if answer["seconds"] > figures.slowest:
                figures.slowest, figures.slowest_file = answer["seconds"], str(seed.path.name)
            if answer["finding"] or answer["seconds"] >= SECONDS:
                key = answer["key"] or "slow"
                figures.findings[key] += 1
                figures.examples.setdefault(key, f"{seed.path.name}\n{answer['finding']}")
                if keep and figures.findings[key] <= 3:
                    _kept(keep, key, figures.findings[key], here, seed, answer["finding"])
            shutil.rmtree(here)
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


def chances(files: int, seed: int) -> Any:
    """A source of chance for each file, which its number gives again."""
    return (Random(f"{seed}/{number}") for number in range(files))
