"""npforward against Keras on TensorFlow: two LSTM layers, and one Transformer encoder layer.

Both give every layer's output of the same file for the same input, with the same number of
threads, in processes that alternate.  Needs the extra ``[bench]``; then

    python benchmarks/recurrent.py --threads 1 2

Nothing else should run meanwhile.  The median of the ratios is what to quote: a machine that is
shared slows both sides of a pair alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPES = {"lstm": (32, 100, 128), "transformer": (8, 128, 256)}
SIDES = ("npforward", "keras")
CALLS = 20  # that are timed in each process, after as many seconds of warming up as WARM
WARM = 1.0


def build(name: str, path: str) -> None:
    """Save the model of this name, and what Keras computes, to `path` and beside it."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input(SHAPES[name][1:])
    if name == "lstm":
        x = layers.LSTM(128, return_sequences=True)(x)
        x = layers.LSTM(128, return_sequences=True)(x)
    else:
        x = layers.Add()([x, layers.MultiHeadAttention(8, 32)(x, x)])
        x = layers.LayerNormalization()(x)
        y = layers.Dense(256)(layers.Dense(1024, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    model = keras.Model(inputs, x)
    model.save(path)
    np.save(f"{path}.npy", model.predict(data(name), verbose=0))


def data(name: str) -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPES[name]).astype("float32")


def measure(side: str, name: str, path: str, threads: int) -> dict[str, float]:
    """Median milliseconds of a call in this process, and how far the output is from Keras's."""
    x = data(name)
    if side == "npforward":
        import npforward as npf

        loaded = npf.load_model(path)
        last = list(loaded.trace(x))[-1]
        call = lambda: loaded.trace(x)[last]  # noqa: E731
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        import keras

        model = keras.models.load_model(path)
        every = keras.Model(model.input, [layer.output for layer in model.layers])
        function, given = tf.function(lambda x: every(x, training=False)), tf.constant(x)
        call = lambda: [y.numpy() for y in function(given)][-1]  # noqa: E731
    end = time.perf_counter() + WARM
    while time.perf_counter() < end:
        y = call()
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    error = np.abs(y - np.load(f"{path}.npy")).max()
    return {"ms": 1000 * statistics.median(taken), "error": float(error)}


def child(*words: object, threads: int = 1) -> str:
    """What this script says when run with these words in a process of its own."""
    env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    for chosen in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # would slow OpenBLAS down
        env.pop(chosen, None)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        env[f"{library}_NUM_THREADS"] = str(threads)
    command = [sys.executable, __file__, "--child", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def compare(name: str, path: str, threads: int, rounds: int) -> str:
    """A line of the table."""
    found = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in SIDES:
            said = child("measure", side, name, path, threads, threads=threads)
            found[side].append(json.loads(said.splitlines()[-1]))
    ours, theirs = ([run["ms"] for run in found[side]] for side in SIDES)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    error = max(run["error"] for run in found["npforward"])
    return (
        f"{name:12} {threads:7} {statistics.median(ours):10.2f} {statistics.median(theirs):9.2f} "
        f"{ratio:6.2f} {min(ours):10.2f} {min(theirs):9.2f} {error:9.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    asked = parser.parse_args()
    loads = os.getloadavg() if hasattr(os, "getloadavg") else ("unknown",)
    print("load of the machine before:", *loads)
    print("milliseconds; medians, the median of the ratios, then the best")
    print("model        threads  npforward     keras  ratio  npforward     keras     error")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.models:
            path = str(Path(folder) / f"{name}.keras")
            child("build", name, path)
            for threads in asked.threads:
                print(compare(name, path, threads, asked.rounds), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--child", "build", name, path]:
            build(name, path)
        case ["--child", "measure", side, name, path, threads]:
            print(json.dumps(measure(side, name, path, int(threads))))
        case _:
            main()
