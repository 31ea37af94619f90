"""Samples shared out among threads: compiled kernels let go of Python's lock while they run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def count() -> int:
    """How many threads to use: NPFORWARD_THREADS, or what BLAS was told, or the CPUs allowed.

    Examples
    --------
    >>> count() >= 1
    True
    """
    for name in ("NPFORWARD_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        said = os.environ.get(name, "")
        if said.isdecimal() and int(said):
            return int(said)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads that wait for work; a forked process has none of its parent's."""
    return ThreadPoolExecutor(workers, thread_name_prefix="npforward")


def in_parts(work: Callable[[slice], None], n: int, step: int, least: int) -> None:
    """Call `work` on slices that make up 0 to n, at once; each begins at a multiple of `step`.

    No slice is shorter than `least`, but the only one.

    Examples
    --------
    >>> done = []
    >>> in_parts(done.append, 5, step=2, least=8)
    >>> done
    [slice(0, 5, None)]
    """
    workers = max(1, min(count(), n // least))
    size = -(-n // (workers * step)) * step
    parts = [slice(at, min(at + size, n)) for at in range(0, n, size)] if n else []
    if len(parts) > 1:
        others = [_pool(os.getpid(), count() - 1).submit(work, part) for part in parts[1:]]
        work(parts[0])
        for other in others:
            other.result()
    elif parts:
        work(parts[0])
