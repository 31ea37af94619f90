"""Fixtures of the whole suite; no logic."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the suite runs one process per core


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    """Doctests and README name the committed fixtures from the project's root."""
    monkeypatch.chdir(Path(__file__).parent.parent)
