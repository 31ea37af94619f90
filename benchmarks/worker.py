"""The process of one peer: it obeys lines of JSON on stdin, and answers each with one on stdout.

{"do": "open", "folder": ..., "x": ..., "work": "layers", "threads": 2}    opens, and calls once
{"do": "save", "path": ...}                                  the outputs, as .npz
{"do": "time", "seconds": 0.5, "calls": null}                milliseconds of each call
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.models import opened
from benchmarks.peers import PEERS, Call

FEWEST, MOST = 3, 2000  # calls of a turn that lasts so many seconds


def peak() -> float:
    """The most memory that this process had so far, in MB; 0 where that is unknown."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0.0
    # Bytes on macOS, KB elsewhere.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def timed(call: Call, seconds: float, calls: int | None) -> list[float]:
    """Milliseconds of calls one after another, with what it takes to let go of their outputs."""
    call()  # others had the caches meanwhile
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (
        len(taken) < calls
        if calls
        else len(taken) < FEWEST or (time.perf_counter() < end and len(taken) < MOST)
    ):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def obey(peer: str, lines: TextIO, answers: TextIO) -> None:
    """Answer every line until there are no more."""
    names: list[str] = []
    call: Call = list
    for line in lines:
        asked: dict[str, Any] = json.loads(line)
        answer: dict[str, Any] = {}
        match asked.pop("do"):
            case "open":
                model, x = opened(Path(asked["folder"])), np.load(asked["x"])
                names, call = PEERS[peer].open(model, x, asked["work"], asked["threads"])
                answer["bytes"] = sum(y.nbytes for y in call())
            case "save":
                np.savez(asked["path"], **dict(zip(names, call(), strict=True)))
            case "time":
                answer["ms"] = timed(call, asked["seconds"], asked["calls"])
        answer["peak"] = peak()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    # What libraries print goes elsewhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    obey(sys.argv[1], sys.stdin, answers)
