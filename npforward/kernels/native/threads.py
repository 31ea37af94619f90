"""Threads that carry out a list of kernels together, without Python between them.

A program is a list of kernels, each cut into tasks.  All threads walk through the list; each takes
the next task that nobody has taken, and goes on to the next kernel when the last task is done.
A kernel of one task is the caller's.  Waiting is a short spin, then giving way to whoever else
wants the processor; between programs the other threads sleep after a short while.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward.kernels.native.library import Library, called
from npforward.kernels.native.memory import LINE, aligned

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

# An entry of a program: a kernel, the table of its arguments, its tasks, and two counters: of
# tasks taken and tasks done.
ENTRY = ("kernel", "arguments", "tasks", "taken", "done")

# What the threads share: the program being run (0: none) and its length; how many threads entered
# and left it; how often there was a new one; how many sleep; whether to end; functions of the
# system; what they need.
SHARED = ("program", "length", "entered", "left", "turn", "sleeping", "ended", "yield_",
          "lock", "unlock", "wait", "wake", "mutex", "condition")  # fmt: skip
# Looks at a counter before giving way, and before going to sleep: less than a millisecond, in which
# the next of many small programs comes; to wake up takes as long as a layer.
SPINS, PATIENCE = 200, 64_000


def _at(name: str) -> int:
    return LINE * SHARED.index(name)


def _wait_until(e: Emitter, shared: Value, reached) -> None:
    looks = e.var(0)
    with e.forever() as leave_if:
        leave_if(reached())
        looks.set(looks.value + 1)
        with e.either(looks.value < SPINS) as (early, late):
            with early:
                e.pause()
            with late:
                e.call_address(e.load_int(shared, _at("yield_")), e.i64)


@called(5)
def steps(e: Emitter, program, length, scratch, shared, helper) -> None:
    """Walk through a program; `helper` is 0 for the caller, 2 if it is alone."""
    with e.loop(0, length) as i:
        entry = program + i * (8 * len(ENTRY))
        kernel, arguments, tasks = (e.load_int(entry, 8 * k) for k in range(3))
        taken, done = 24, 32
        with e.either((tasks > 1) & (helper < 2)) as (many, one):
            with many:
                mine = e.var(0)
                with e.forever() as leave_if:
                    task = e.add_atomic(1, entry, taken)
                    leave_if(task >= tasks)
                    e.call_address(kernel, e.void, arguments, task, scratch)
                    mine.set(mine.value + 1)
                e.add_atomic(mine.value, entry, done)
            with one, e.when(helper.equals(0) | helper.equals(2)):
                with e.loop(0, tasks) as task:
                    e.call_address(kernel, e.void, arguments, task, scratch)
                with e.when(helper.equals(0)):
                    e.store_atomic(tasks, entry, done)
        with e.when(helper < 2):
            _wait_until(
                e, shared, lambda entry=entry, tasks=tasks: e.load_atomic(entry, done) >= tasks
            )


@called(5)
def run(e: Emitter, program, length, scratch, shared, walk) -> None:
    """Run a program with the other threads; `walk` is the address of `steps`."""
    with e.loop(0, length) as i:
        entry = program + i * (8 * len(ENTRY))
        e.store_int(0, entry, 24)
        e.store_int(0, entry, 32)
    e.store_int(length, shared, _at("length"))
    e.store_atomic(program, shared, _at("program"))
    e.add_atomic(1, shared, _at("turn"))
    with e.when(e.load_atomic(shared, _at("sleeping")) > 0):
        mutex, condition = (e.load_int(shared, _at(name)) for name in ("mutex", "condition"))
        e.call_address(e.load_int(shared, _at("lock")), e.i64, mutex)
        e.call_address(e.load_int(shared, _at("wake")), e.i64, condition)
        e.call_address(e.load_int(shared, _at("unlock")), e.i64, mutex)
    e.call_address(walk, e.void, program, length, scratch, shared, 0)
    e.store_atomic(0, shared, _at("program"))
    # Whoever entered may still look at the program's counters.
    _wait_until(
        e,
        shared,
        lambda: e.load_atomic(shared, _at("left")) >= e.load_atomic(shared, _at("entered")),
    )


@called(4)
def serve(e: Emitter, scratch, shared, walk, patience) -> None:
    """What another thread does: help with every program, until the end."""
    seen = e.var(0)
    mutex, condition = (e.load_int(shared, _at(name)) for name in ("mutex", "condition"))
    with e.forever() as leave_if:
        looks = e.var(0)
        with e.forever() as go_on_if:
            new = e.load_atomic(shared, _at("turn"))
            go_on_if(new > seen.value)
            looks.set(looks.value + 1)
            with e.either(looks.value < patience) as (early, late):
                with early:
                    e.pause()
                    with e.when((looks.value % SPINS).equals(0)):  # whoever waits goes first
                        e.call_address(e.load_int(shared, _at("yield_")), e.i64)
                with late:
                    e.call_address(e.load_int(shared, _at("lock")), e.i64, mutex)
                    e.add_atomic(1, shared, _at("sleeping"))
                    with e.forever() as awake_if:
                        awake_if(e.load_atomic(shared, _at("turn")) > seen.value)
                        # Windows's own function has two arguments more.
                        e.call_address(
                            e.load_int(shared, _at("wait")), e.i64, condition, mutex, 0xFFFFFFFF, 0
                        )
                    e.add_atomic(-1, shared, _at("sleeping"))
                    e.call_address(e.load_int(shared, _at("unlock")), e.i64, mutex)
        seen.set(e.load_atomic(shared, _at("turn")))
        leave_if(e.load_atomic(shared, _at("ended")) > 0)
        e.add_atomic(1, shared, _at("entered"))
        program = e.load_atomic(shared, _at("program"))
        with e.when(program > 0):
            length = e.load_int(shared, _at("length"))
            e.call_address(walk, e.void, program, length, scratch, shared, 1)
        e.add_atomic(1, shared, _at("left"))


TEAM = (steps, run, serve)  # what programs are run by


# ---- the side of Python ----------------------------------------------------------------------


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


def _system() -> dict[str, Any]:
    """The system's functions by our names, and how to make a lock and a condition ready."""
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
        return {
            "yield_": kernel.SwitchToThread,
            "lock": kernel.AcquireSRWLockExclusive,
            "unlock": kernel.ReleaseSRWLockExclusive,
            "wait": kernel.SleepConditionVariableSRW,
            "wake": kernel.WakeAllConditionVariable,
            "mutex": kernel.InitializeSRWLock,
            "condition": kernel.InitializeConditionVariable,
        }
    c = ctypes.CDLL(None)
    return {
        "yield_": c.sched_yield,
        "lock": c.pthread_mutex_lock,
        "unlock": c.pthread_mutex_unlock,
        "wait": c.pthread_cond_wait,
        "wake": c.pthread_cond_broadcast,
        "mutex": c.pthread_mutex_init,
        "condition": c.pthread_cond_init,
    }


class Team:
    """The threads of a process that run programs; one program at a time, others run alone."""

    def __init__(self, library: Library, size: int) -> None:
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)
        self._walk = library.address(steps)
        self._steps, self._run = signature(self._walk), signature(library.address(run))
        self._serve = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(library.address(serve))
        self._busy = threading.Lock()
        self.size = size
        self._local = threading.local()
        self._words = aligned((LINE * (len(SHARED) + 8) // 8,), np.int64)  # and two objects behind
        self._words[:] = 0
        self._shared = self._words.ctypes.data
        self._threads: list[threading.Thread] = []
        self._scratch: list[np.ndarray] = []
        self._bytes = 0
        if size > 1:
            self._prepare()

    def _prepare(self) -> None:
        objects = self._shared + LINE * len(SHARED)
        system = _system()
        for name, function in system.items():
            if name in ("mutex", "condition"):
                address = objects + 256 * (name == "condition")
                function(ctypes.c_void_p(address), None)
                self._put(name, address)
            else:
                self._put(name, ctypes.cast(function, ctypes.c_void_p).value or 0)

    def _put(self, name: str, n: int) -> None:
        self._words[_at(name) // 8] = n

    def _own_scratch(self, nbytes: int) -> int:
        """Scratch memory of the calling thread."""
        held = getattr(self._local, "scratch", None)
        if held is None or held.nbytes < nbytes:
            held = self._local.scratch = aligned((nbytes,), np.uint8)
        return held.ctypes.data

    def _start(self, nbytes: int) -> None:
        """Threads whose scratch memory is large enough; earlier ones are ended."""
        if self._bytes >= nbytes and self._threads:
            return
        self.end()
        self._bytes = max(nbytes, 2**20)
        self._put("ended", 0)
        for i in range(self.size - 1):
            self._scratch.append(aligned((self._bytes,), np.uint8))
            thread = threading.Thread(
                target=self._serve,
                args=(self._scratch[-1].ctypes.data, self._shared, self._walk, PATIENCE),
                name=f"npforward-{i + 1}",
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Let the other threads end."""
        if not self._threads:
            return
        self._put("ended", 1)
        nothing = np.zeros(1, np.int64)
        self._run(nothing.ctypes.data, 0, 0, self._shared, self._walk)
        for thread in self._threads:
            thread.join()
        self._threads, self._scratch = [], []

    def run(self, program: int, length: int, nbytes: int, alone: bool) -> None:
        """Carry out a program at this address; its kernels need so much scratch memory."""
        mine = self._own_scratch(nbytes)
        if self.size == 1 or alone or not self._busy.acquire(blocking=False):
            self._steps(program, length, mine, self._shared, 2)
            return
        try:
            self._start(nbytes)
            self._run(program, length, mine, self._shared, self._walk)
        finally:
            self._busy.release()


_teams: dict[int, Team] = {}
_making = threading.Lock()


def team(library: Library) -> Team:
    """The threads of this process, as many as are wanted now."""
    size = count()
    found = _teams.get(size)
    if found is None:
        with _making:
            found = _teams.get(size) or _teams.setdefault(size, Team(library, size))
    return found


def _forget() -> None:
    """A forked process has none of its parent's threads."""
    global _making
    _teams.clear()
    _making = threading.Lock()


def _end() -> None:
    for each in list(_teams.values()):
        each.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_end)
