"""What was measured, as tables, JSON and pictures."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.models import title
from benchmarks.peers import OURS, PEERS, WORK
from benchmarks.rounds import Row, is_right

Results = dict[str, Any]
COLOURS = {
    "onnxruntime": "#1f77b4",
    "openvino": "#9467bd",
    "openvino-copies": "#c5b0d5",
    "tensorflow": "#ff7f0e",
    "xla": "#8c564b",
    "torch": "#d62728",
    "jax": "#2ca02c",
    "numpy": "#7f7f7f",
    OURS: "#111111",
}


def written(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def merged(files: Iterable[Path]) -> Results:
    """Several results as one; where two measured the same, the later file counts."""
    whole: Results = {}
    for file in files:
        read = json.loads(file.read_text(encoding="utf-8"))
        for part in ("speed", "cold", "scaling"):
            new = read.pop(part, [])
            again = {identity(row) for row in new}
            old = [row for row in whole.get(part, []) if identity(row) not in again]
            whole[part] = [*old, *new]
        whole |= read
    return whole


def identity(row: Row) -> tuple[object, ...]:
    return row["case"], row["threads"], row["work"], row["peer"], row.get("series")


# Tables ----------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, aligned for reading as it is; all columns but the first hold numbers."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = [
        "| "
        + " | ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (w + 1) + (":" if c else "-") for c, w in enumerate(widths)) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])


def number(value: float) -> str:
    """Three digits, and no exponent where none is needed.

    Examples
    --------
    >>> number(0.09312), number(12.345), number(1234.5)
    ('0.0931', '12.3', '1234')
    """
    if not math.isfinite(value):
        return "-"
    if value >= 100 or not value:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def ranged(spread: Mapping[str, float]) -> str:
    return f"{number(spread['median'])} ({number(spread['min'])}-{number(spread['max'])})"


def geometric_mean(numbers: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else math.nan


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by what they have in common, in the order in which that came up."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    return groups


def peers_of(rows: Iterable[Row]) -> list[str]:
    found = {row["peer"] for row in rows}
    return [peer for peer in PEERS if peer in found]


def said(work: str, threads: int) -> str:
    return f"{WORK[work]}, {threads} thread{'s' if threads > 1 else ''}"


def name_of(peer: str) -> str:
    return PEERS[peer].title if peer in PEERS else peer


def speed_tables(rows: Sequence[Row]) -> Iterable[str]:
    """For each number of threads a table of times and ratios, then everything about each peer."""
    for (work, threads), some in grouped(rows, "work", "threads").items():
        yield f"\n## Milliseconds (npforward's time / this peer's): {said(work, threads)}\n"
        yield overview(some)
    yield "\n## Each peer: medians (and the least and largest) of all rounds\n"
    head = "model,threads,outputs,peer,ms,npforward / peer,error,in,MB,s to open"
    yield table(head.split(","), map(details, rows))


def overview(rows: Sequence[Row]) -> str:
    peers = peers_of(rows)
    lines = []
    for (case,), some in grouped(rows, "case").items():
        by_peer = {row["peer"]: row for row in some}
        line = [title(case)]
        for peer in peers:
            row = by_peer.get(peer, {})
            cell = number(row["ms"]["median"]) if "ms" in row else "failed" if row else ""
            if peer == OURS:
                line.append(cell)
                ratio = row.get("ratio")
                line.append(f"{ratio['median']:.2f}" if ratio else "")
                continue
            if "ratio" in row:
                cell += f" ({row['ratio']['median']:.2f})"
            elif "ms" in row and not is_right(row):
                cell += " (differs)"
            line.append(cell)
        lines.append(line)
    last = ["geometric mean of ratios"]
    for peer in peers:
        ratios = [r["ratio"]["median"] for r in rows if r["peer"] == peer and "ratio" in r]
        mean = f"{geometric_mean(ratios):.2f}" if ratios else ""
        last += ["", mean] if peer == OURS else [f"({mean})" if mean else ""]
    head = ["model"]
    for peer in peers:
        head += [name_of(peer), "/ best"] if peer == OURS else [name_of(peer)]
    return table(head, [*lines, last])


def details(row: Row) -> list[str]:
    outputs = row["work"]
    line = [title(row["case"]), str(row["threads"]), outputs, name_of(row["peer"])]
    if "failed" in row:
        return [*line, f"failed: {row['failed'][:60]}", "", "", "", "", ""]
    ratio = ranged(row["ratio"]) if "ratio" in row else ""
    if row["peer"] == OURS and ratio:
        ratio += f" of the best ({name_of(row['best'])})"
    error = f"{row['error']:.0e}" if "error" in row else ""
    opening = number(row["seconds to open"])
    return [
        *line,
        ranged(row["ms"]),
        ratio,
        error,
        row.get("where", ""),
        number(row["MB"]),
        opening,
    ]


def cold_table(rows: Sequence[Row]) -> Iterable[str]:
    yield "\n## Seconds from the start of a process to the first outputs, and MB that it took\n"
    lines = []
    for (case, threads, work), some in grouped(rows, "case", "threads", "work").items():
        for row in some:
            name = f"{title(case)}, {said(work, threads)}"
            if "failed" in row:
                lines.append([name, name_of(row["peer"]), f"failed: {row['failed'][:60]}", ""])
            else:
                lines.append(
                    [name, name_of(row["peer"]), ranged(row["seconds"]), number(row["MB"])]
                )
    yield table(["model", "peer", "s", "MB"], lines)


def scaling_tables(rows: Sequence[Row]) -> Iterable[str]:
    for (series, work, threads), some in grouped(rows, "series", "work", "threads").items():
        yield f"\n## Milliseconds by {series}: {said(work, threads)}\n"
        yield overview(some)


def tables(results: Results) -> str:
    """Everything as text."""
    parts: list[str] = []
    for part, function in (
        ("speed", speed_tables), ("cold", cold_table), ("scaling", scaling_tables)
    ):  # fmt: skip
        if results.get(part):
            parts += function(results[part])
    return "\n".join(parts)


# Pictures --------------------------------------------------------------------------------------


def draw(results: Results, folder: Path) -> list[Path]:
    """Write a picture of the ratios, and one of how times grow, as far as there are any."""
    import matplotlib

    matplotlib.use("agg")
    made = []
    for part, function in (("speed", draw_speed), ("scaling", draw_scaling)):
        if results.get(part):
            figure = function(results[part])
            path = folder / f"{part}.png"
            with tempfile.TemporaryFile() as file:
                figure.savefig(file, format="png", dpi=130)
                file.seek(0)
                written(path, file.read())
            made.append(path)
    return made


def draw_speed(rows: Sequence[Row]) -> Any:
    """Bars from 1: to the left npforward is faster, to the right the peer is."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    rows = [row for row in rows if "ratio" in row and row["peer"] != OURS]
    panels = grouped(rows, "work", "threads")
    cases = list(dict.fromkeys(row["case"] for row in rows))
    peers = peers_of(rows)
    height = 1.6 + len(cases) * (0.25 + 0.13 * len(peers))
    figure = Figure((1.5 + 4.5 * max(1, len(panels)), height), layout="constrained")
    axes = figure.subplots(1, max(1, len(panels)), sharey=True, sharex=True, squeeze=False)[0]
    bar = 0.85 / max(1, len(peers))
    for axis, ((work, threads), some) in zip(axes, panels.items(), strict=False):
        for row in some:
            at = cases.index(row["case"]) - 0.425 + (peers.index(row["peer"]) + 0.5) * bar
            low, middle, high = (row["ratio"][key] for key in ("min", "median", "max"))
            axis.barh(at, middle - 1, bar * 0.9, left=1, color=COLOURS[row["peer"]])
            axis.plot([low, high], [at, at], color="#00000060", linewidth=0.8)
        axis.set_title(said(work, threads), fontsize=10)
        axis.set_xscale("log")
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    if rows:
        ends = [row["ratio"][key] for row in rows for key in ("min", "max")]
        axes[0].set_xlim(min(0.5, min(ends)) / 1.1, max(1.2, *ends) * 1.1)
    axes[0].set_yticks(range(len(cases)), map(title, cases))
    axes[0].set_ylim(len(cases) - 0.5, -0.5)
    figure.supxlabel("npforward's time / the peer's: left of 1 npforward is faster", fontsize=10)
    handles = [axes[0].barh(0, 0, color=COLOURS[peer]) for peer in peers]
    figure.legend(
        handles,
        map(name_of, peers),
        loc="outside upper center",
        ncols=4 if len(panels) > 1 else 2,
        frameon=False,
        fontsize=9,
    )
    return figure


def draw_scaling(rows: Sequence[Row]) -> Any:
    """A panel for each thing that grows, a line for each peer."""
    from matplotlib.figure import Figure

    panels = grouped((row for row in rows if "ms" in row), "series", "work", "threads")
    across = min(4, max(1, len(panels)))
    down = -(-max(1, len(panels)) // across)
    figure = Figure((3.6 * across, 3.2 * down + 0.4), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    lines: dict[str, Any] = {}
    for axis, ((series, work, threads), some) in zip(axes, panels.items(), strict=False):
        for peer in peers_of(some):
            mine = [row for row in some if row["peer"] == peer]
            at = [row["at"] for row in mine]
            ms = [row["ms"]["median"] for row in mine]
            (lines[peer],) = axis.plot(at, ms, marker=".", color=COLOURS[peer])
        axis.set(xscale="log", yscale="log", ylabel="ms", xlabel=series)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axis.set_title(said(work, threads), fontsize=9)
        axis.grid(color="#dddddd", linewidth=0.6)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    names = map(name_of, lines)
    figure.legend(lines.values(), names, loc="outside upper center", ncols=5, frameon=False)
    return figure


def processor() -> str:
    """What this machine calls its processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What a reader of the numbers wants to know of where they are from."""
    import platform

    loads = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load before": loads,
    }
