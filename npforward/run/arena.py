"""Memory for the values of a forward pass, used again when nobody holds them any more.

Fresh memory costs more than most layers: the system clears each page when it is first touched.
A `Loan` is held by every array that lies in it; when the last one is gone, its memory goes back to
a pool, from where the next pass takes it.
"""

from __future__ import annotations

import mmap
import os
import threading
from typing import Any

import numpy as np

HUGE = 2**21  # bytes of a huge page
KEPT = 2**30  # bytes that a pool keeps, beside the block last returned


class Block:
    """Memory from the system, on huge pages where it gives them."""

    __slots__ = ("address", "memory", "nbytes")

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        large = nbytes >= HUGE
        size = nbytes + (HUGE if large else 0)
        if hasattr(mmap, "MAP_PRIVATE"):  # else a forked process would write to the same memory
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self.memory = mmap.mmap(-1, size, flags=flags)
        else:
            self.memory = mmap.mmap(-1, size)
        if large and hasattr(mmap, "MADV_HUGEPAGE"):
            self.memory.madvise(mmap.MADV_HUGEPAGE)
        address = np.frombuffer(self.memory, np.uint8).ctypes.data
        self.address = address + (-address % HUGE if large else 0)


class Pool:
    """Blocks that nobody uses now.

    Examples
    --------
    >>> pool = Pool()
    >>> loan = pool.lend(1000)
    >>> address = loan.address
    >>> del loan
    >>> pool.lend(900).address == address
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Block] = []  # the one last returned at the end
        self._held = 0  # bytes of all of them

    def lend(self, nbytes: int) -> Loan:
        """So many bytes; what is in them is anything."""
        nbytes = max(nbytes, 1)
        with self._lock:
            best = None
            for i, block in enumerate(self._free):
                if nbytes <= block.nbytes <= 2 * nbytes + 2**16 and (
                    best is None or block.nbytes <= self._free[best].nbytes
                ):
                    best = i
            if best is not None:
                block = self._free.pop(best)
                self._held -= block.nbytes
                return Loan(self, block)
        page = HUGE if nbytes >= HUGE else 2**12
        return Loan(self, Block(-(-nbytes // page) * page))

    def take_back(self, block: Block) -> None:
        with self._lock:
            self._free.append(block)
            self._held += block.nbytes
            while len(self._free) > 1 and self._held - self._free[-1].nbytes > KEPT:
                self._held -= self._free.pop(0).nbytes

    def clear(self) -> None:
        """Give what nobody uses back to the system."""
        with self._lock:
            self._free.clear()
            self._held = 0


class Loan:
    """A block while somebody holds it; every array in it does."""

    __slots__ = ("__weakref__", "_block", "_pool")

    def __init__(self, pool: Pool, block: Block) -> None:
        self._pool, self._block = pool, block

    @property
    def address(self) -> int:
        return self._block.address

    @property
    def __array_interface__(self) -> dict[str, Any]:
        block = self._block
        return {"version": 3, "typestr": "|u1", "shape": (block.nbytes,),
                "data": (block.address, True)}  # fmt: skip  # only kernels write there

    def __del__(self) -> None:
        self._pool.take_back(self._block)


POOL = Pool()


def _forget() -> None:
    """A forked process shares the parent's pages until it writes: it begins with a new pool."""
    POOL._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
