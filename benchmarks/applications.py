"""Every model of keras.applications against Keras on TensorFlow: each layer's output, as a table.

Needs the extra ``[bench]``; then

    python benchmarks/applications.py [NAME ...] [--size 96] [--threads 2]

Weights are drawn such that signals neither die nor explode, pictures are small.  A float64 run of
the same file is the truth by which both float32 results are judged: "ours / Keras's" is the ratio
of the root mean square errors, at the layer in the middle of all ratios, and at the output.  Each
model has a process of its own, for the largest take 7 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MAKE = Path(__file__).parents[1] / "weights_fixtures" / "make"
COLUMNS = (
    "model",
    "values",
    "million weights",
    "worst error / tolerance",
    "where",
    "ours / Keras's error: median",
    "output",
    "s to open",
    "s a trace",
    "s Keras",
)


def measured(name: str, size: int) -> dict[str, object]:
    """One row of the table."""
    sys.path.insert(0, str(MAKE))
    import keras
    from applications import calibrated, scaled_inside
    from drawn_weights import picture
    from golden import record

    import npforward as npf
    from npforward.verify import difference

    keras.utils.set_random_seed(0)
    shape = (size, size, 3)
    model = getattr(keras.applications, name)(weights=None, input_shape=shape)
    x = picture((2, *shape), scaled_inside(model))
    more = picture((6, *shape), scaled_inside(model))
    calibrated(model, lambda layer, variable: f"{layer.name}/{variable.name}", more)
    model(x, training=False)
    start = time.perf_counter()
    theirs = record(keras, model, [x])
    row = {"model": name, "million weights": round(model.count_params() / 1e6, 1)}
    row["s Keras"] = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        del model
        keras.utils.clear_session()
        start = time.perf_counter()
        opened = npf.load_model(path)
        row["s to open"] = time.perf_counter() - start
        opened.trace(x)  # reads the weights
        start = time.perf_counter()
        ours = opened.trace(x)
        row["s a trace"] = time.perf_counter() - start
        (output,) = opened.outputs
        missing = set(theirs) - set(ours)
        if missing:
            raise SystemExit(f"{name}: no values for {sorted(missing)[:5]}")
        found = {address: difference(ours[address], theirs[address]) for address in theirs}
        worst = max(found, key=lambda address: found[address].ratio)
        ratios = {}
        for address, truth in opened.astype("float64").stream(x):
            if address in theirs:
                mine, other = (rms(a[address], truth) for a in (ours, theirs))
                if other:
                    ratios[address] = mine / other
        row |= {
            "values": len(theirs),
            "worst error / tolerance": found[worst].ratio,
            "where": f"{worst} {found[worst].reason}".strip(),
            "ours / Keras's error: median": float(np.median(list(ratios.values()))),
            "output": ratios.get(output, float("nan")),
        }
    return row


def rms(array: np.ndarray, truth: np.ndarray) -> float:
    """The root of the mean square error."""
    return float(np.sqrt(np.mean(np.square(array - truth))))


def line(row: dict[str, object]) -> str:
    cells = (row.get(column, "") for column in COLUMNS)
    shown = (f"{cell:.2g}" if isinstance(cell, float) else str(cell) for cell in cells)
    return f"| {' | '.join(shown)} |"


def names() -> list[str]:
    import keras

    return [name for name in dir(keras.applications) if name[0].isupper()]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--size", type=int, default=96)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for library in ("OMP", "OPENBLAS", "NUMBA", "TF_NUM_INTRAOP", "TF_NUM_INTEROP"):
        os.environ[f"{library}_NUM_THREADS"] = str(given.threads)
    if given.one:
        print(json.dumps(measured(given.names[0], given.size)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    failed = []
    for name in given.names or names():
        command = [sys.executable, __file__, name, "--one", "--size", str(given.size)]
        command += ["--threads", str(given.threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            failed.append(name)
            print(f"| {name} | failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]} |")
        else:
            print(line(json.loads(done.stdout.splitlines()[-1])), flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
