"""The command that compares with peers, as far as that needs none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def row(peer, *turns, error=0.0):
    return {
        "case": "lenet:128", "threads": 2, "work": "layers", "peer": peer, "turns": list(turns),
        "ms": {"median": 2.0, "min": 1.0, "max": 3.0}, "error": error, "where": "dense",
        "MB": 60.0, "seconds to open": 0.5,
    }  # fmt: skip


def test_ratios_are_of_the_same_round_and_of_right_peers_alone():
    from benchmarks.rounds import add_ratios

    rows = {
        "npforward": row("npforward", 2.0, 4.0, 6.0),
        "onnxruntime": row("onnxruntime", 1.0, 4.0, 12.0),
        "openvino": row("openvino", 4.0, 2.0, 12.0),
        "torch": row("torch", 0.1, 0.1, 0.1, error=0.5),  # computes something else
        "numpy": row("numpy", 0.1, 0.1, 0.1),  # is no rival
    }
    add_ratios(rows)
    assert rows["onnxruntime"]["ratio"] == {"median": 1.0, "min": 0.5, "max": 2.0}
    assert rows["npforward"]["ratio"] == {"median": 2.0, "min": 0.5, "max": 2.0}
    assert "ratio" not in rows["torch"]


def test_difference_says_where_it_is_largest(tmp_path):
    from benchmarks.rounds import difference

    ours = {"a": np.array([1.0, 2.0]), "b": np.array([[4.0]])}
    np.savez(tmp_path / "ours.npz", **ours)
    for theirs, expected in (
        (ours | {"b": np.array([[3.0]])}, {"error": 0.25, "where": "b"}),
        (ours | {"a": np.array([np.nan, 2])}, {"failed": "a: nan off"}),
        (ours | {"b": np.array([4.0])}, {"failed": "b: (1,), npforward has (1, 1)"}),
        ({"c": np.array(1.0)}, {"failed": "c: (), npforward has nothing"}),
    ):
        np.savez(tmp_path / "theirs.npz", **theirs)
        assert difference(tmp_path / "theirs.npz", tmp_path / "ours.npz") == expected


def test_gradients_are_told_apart_by_more_than_rounding_does(tmp_path):
    from benchmarks.rounds import WRONG, difference

    rng = np.random.default_rng(0)
    ours = {"conv": rng.standard_normal(10000), "key/bias": np.full(4, 1e-8)}
    flipped = ours["conv"].copy()
    flipped[7] = 0.0  # a unit that rounding switched off
    np.savez(tmp_path / "ours.npz", **ours)
    for theirs, right in (
        (ours | {"conv": flipped}, True),
        (ours | {"key/bias": np.full(4, -1e-7)}, True),
        (ours | {"key/bias": np.full(4, 1e-4)}, False),
        (ours | {"conv": np.where(np.arange(10000) % 100, ours["conv"], 0)}, False),
    ):
        np.savez(tmp_path / "theirs.npz", **theirs)
        found = difference(tmp_path / "theirs.npz", tmp_path / "ours.npz", "gradients")
        assert (found["error"] <= WRONG) is right, found


def test_help_shows_an_example():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "python -m benchmarks speed --models lenet:1" in done.stdout


def test_results_are_drawn_anew(tmp_path):
    ours, theirs = row("npforward", 2.0), row("onnxruntime", 4.0)
    theirs["ratio"] = {"median": 0.5, "min": 0.25, "max": 1.0}
    growing = [{**ours, "series": "lenet, batch", "at": 128}]
    cold = {**ours, "seconds": {"median": 0.3, "min": 0.2, "max": 0.4}}
    results = {"speed": [ours, theirs], "scaling": growing, "cold": [cold]}
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--redraw", tmp_path / "results.json",
         "--out", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "LeNet b128" in done.stdout
    assert "0.50" in done.stdout
    assert (tmp_path / "speed.png").stat().st_size
    assert (tmp_path / "scaling.png").stat().st_size
