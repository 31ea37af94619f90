"""Fixtures of the whole suite; no logic."""

import gc
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the suite runs one process per core


def pytest_configure(config):
    """Compile the kernels before the processes of the suite begin, each of which needs them."""
    if not hasattr(config, "workerinput"):
        from npforward import kernels

        kernels.warm_up()


def pytest_collection_finish():
    """Python's collector need not look through the thousands of tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    """Doctests and README name the committed fixtures from the project's root."""
    monkeypatch.chdir(Path(__file__).parent.parent)
