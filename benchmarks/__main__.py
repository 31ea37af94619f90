"""npforward beside its peers: the same work, the same threads, in processes that take turns."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import models, report
from benchmarks.peers import DEFAULT, OURS, PEERS, WORK, environment
from benchmarks.rounds import Row, Settings, cold, compared, free, needed, progress, versions

EXAMPLES = """\
examples:
  python -m benchmarks                                   every model and peer; some hours
  python -m benchmarks speed --models lenet:1 resnet50:1 --peers onnxruntime --threads 1,2
  python -m benchmarks cold --peers onnxruntime tensorflow
  python -m benchmarks scaling --threads 2 --rounds 3
  python -m benchmarks --redraw a.json b.json --out docs

Each peer computes every layer's output (with --predict the final one, with --gradients those of a
class for everything), as float32 numpy arrays in Keras's layout.  Peers are processes that take
turns; a turn's time is the median of its calls, and what is reported are medians of rounds, in
brackets the least and the largest.
Peers: pip install '.[bench]'.  Nothing else should run meanwhile.
"""
COLD = ("lenet:1", "resnet50:1")
FEW = (OURS, "onnxruntime", "openvino", "tensorflow")  # whose growth is looked at


def threads(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def case(text: str) -> str:
    """A model and its batch; a batch that is not said is the first one that `CASES` has."""
    if ":" not in text:
        text = next((known for known in models.CASES if known.startswith(f"{text}:")), f"{text}:1")
    try:
        models.parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def parser() -> argparse.ArgumentParser:
    grammar = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = grammar.add_argument
    parts = ("speed", "cold", "scaling")
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all if none is said")
    add("--models", nargs="+", type=case, metavar="MODEL[:BATCH]",
        help=f"default: {' '.join(models.CASES)}; also stack-DEPTH, pictures-SIZE")  # fmt: skip
    add("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)}")
    add("--threads", type=threads, default=[1, 2], metavar="N,N", help="default: 1,2")
    add("--rounds", type=int, default=7, help="turns of every peer (default 7)")
    add("--seconds", type=float, default=0.5, help="that a turn lasts (default 0.5)")
    add("--calls", type=int, help="that a turn has, instead of --seconds")
    what = grammar.add_mutually_exclusive_group()
    for name in ("predict", "gradients"):
        what.add_argument(f"--{name}", dest="work", action="store_const", const=name,
                          default="layers", help=WORK[name])  # fmt: skip
    add("--python", action="append", default=[], metavar="PEER=COMMAND",
        help="a Python for this peer, where another than this one has it")  # fmt: skip
    add("--cache", type=Path, default=Path(tempfile.gettempdir()) / "npforward-benchmarks",
        metavar="DIR", help="where models are kept (default %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="for JSON and pictures (default CACHE/results)")
    add("--redraw", nargs="+", type=Path, metavar="JSON",
        help="measure nothing: tables and pictures of what these files hold")  # fmt: skip
    return grammar


def measured(
    asked: argparse.Namespace, settings: Settings, peers: Sequence[str], builder: Sequence[str]
) -> Iterator[tuple[str, list[Row]]]:
    """The rows of one model after another, each with the part that it is for."""

    def each(
        part: str, cases: Sequence[str], who: Sequence[str], function: Callable[..., list[Row]]
    ) -> Iterator[tuple[str, list[Row]]]:
        for case in cases:
            name, batch = models.parsed(case)
            settings.show(f"{name} is made")
            env = environment(os.environ, "tensorflow", 2)
            model = models.saved(name, asked.cache, builder, env)
            alone = 1 if part == "cold" else len(who)
            if alone * needed(model, batch) > free():
                say(f"{case}: left out, not enough memory for {alone} processes")
                continue
            for count in asked.threads:
                yield part, function(case, model, batch, count, who, settings)

    parts = asked.parts or ["speed", "cold", "scaling"]
    if "speed" in parts:
        yield from each("speed", asked.models or models.CASES, peers, compared)
    if "cold" in parts:
        yield from each("cold", asked.models or COLD, [p for p in peers if p != "numpy"], cold)
    if "scaling" in parts:
        who = peers if asked.peers else [peer for peer in peers if peer in FEW]
        for series, cases in models.SCALING.items():
            for part, rows in each("scaling", cases, who, compared):
                for row in rows:
                    name, batch = models.parsed(row["case"])
                    size = name.partition("-")[2]
                    row |= {"series": series, "at": int(size) if size else batch}
                yield part, rows


def say(text: str) -> None:
    """Print a line on stderr, over the progress."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(text, file=sys.stderr, flush=True)


def put(results: report.Results, folder: Path) -> None:
    """Write everything, so that what was measured until now is safe."""
    text = json.dumps(results, indent=1)
    report.written(folder / "results.json", text.encode())
    report.draw(results, folder)


def main() -> None:
    grammar = parser()
    asked = grammar.parse_args()
    if unknown := set(asked.parts) - {"speed", "cold", "scaling"}:
        grammar.error(f"no part {', '.join(sorted(unknown))}: expected speed, cold or scaling")
    folder = asked.out or asked.cache / "results"
    if asked.redraw:
        results = report.merged(asked.redraw)
        print(report.tables(results))
        say("\n".join(map(str, report.draw(results, folder))))
        return
    python = {peer: [sys.executable] for peer in PEERS}
    for word in asked.python:
        peer, _, command = word.partition("=")
        if peer not in PEERS or not command:
            grammar.error(f"--python {word}: expected PEER=COMMAND, PEER of {', '.join(PEERS)}")
        python[peer] = shlex.split(command)
    wanted = list(dict.fromkeys((OURS, *(asked.peers or DEFAULT))))
    found = versions(wanted, python)
    for peer in wanted:
        if peer not in found:
            needs = " and ".join(PEERS[peer].modules)
            say(f"{peer}: left out, {' '.join(python[peer])} has no {needs}")
    peers = [peer for peer in wanted if peer in found and asked.work in PEERS[peer].works]
    settings = Settings(python, asked.work, asked.rounds, asked.seconds, asked.calls, progress)
    results: report.Results = {
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": report.machine(),
        "versions": found,
        "settings": {
            key: value
            for key, value in dataclasses.asdict(settings).items()
            if key in ("work", "rounds", "seconds", "calls")
        },
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for part, rows in measured(asked, settings, peers, python["tensorflow"]):
            results.setdefault(part, []).extend(rows)
            put(results, folder)
            say(brief(rows))
    except (KeyboardInterrupt, SystemExit) as stop:
        say(f"stopped; what was measured until now is in {folder}")
        sys.exit(130 if isinstance(stop, KeyboardInterrupt) else stop.code)
    print(report.tables(results))
    say(f"written: {folder}")


def brief(rows: Sequence[Row]) -> str:
    """One line about one model."""
    times: list[Any] = []
    for row in rows:
        spread = row.get("ms") or row.get("seconds")
        times.append(f"{row['peer']} {report.number(spread['median']) if spread else 'failed'}")
    return f"{rows[0]['case']}, {rows[0]['threads']} threads: {', '.join(times)}"


if __name__ == "__main__":
    main()
