"""What a stranger's file may ask of this machine: every bound in one place."""

from __future__ import annotations

import _thread
import dataclasses
import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from npforward.errors import BadInput, LimitExceeded, nearest

MiB, GiB = 2**20, 2**30
COMMAND_LINE = {"load_seconds": 120}  # where it differs: nobody watches a script


def _physical_memory() -> float:
    """Bytes of memory that the machine has; infinite where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, a browser
        return math.inf


@dataclass(frozen=True)
class Limits:
    """Bounds on what is read from a file, and on what it computes; sizes in bytes.

    A file that exceeds one raises `LimitExceeded`, which names the limit.  Give a changed set to
    `load_model(path, limits=...)`, or `--limit name=value` on the command line.

    Examples
    --------
    >>> Limits().rank
    8
    >>> Limits(layers=10).layers
    10
    """

    load_seconds: float = math.inf  # to open a model; 120 on the command line
    file_bytes: int = 8 * GiB
    member_bytes: int = 4 * GiB  # one member of an archive, uncompressed
    archive_bytes: int = 8 * GiB  # all members that are unpacked
    zip_ratio: int = 100  # uncompressed / compressed, above 16 MiB
    zip_members: int = 10_000
    config_bytes: int = 64 * MiB
    asset_bytes: int = 16 * MiB  # a vocabulary
    depth: int = 64  # nesting of JSON and YAML
    yaml_nodes: int = 1_000_000  # values in YAML, those that aliases repeat included
    include_files: int = 100  # that a Kurfile is made of, or loads values from
    template_steps: int = 2_000_000  # of evaluating all templates of a Kurfile
    template_bytes: int = MiB // 4  # of text that a template makes on the way
    template_repeats: int = 100  # of evaluating what a template makes, until it stays the same
    pickle_steps: int = 1_000_000  # of a batch of CIFAR, which is read and not executed
    model_depth: int = 16  # models within models
    name_bytes: int = 1024  # of one layer; addresses join those of the models around it
    layers: int = 100_000
    edges: int = 1_000_000
    hdf5_depth: int = 32
    hdf5_objects: int = 200_000
    attribute_bytes: int = 64 * MiB
    # Memory of the process in which the HDF5 library runs.
    hdf5_library_bytes: int = int(min(8 * GiB, _physical_memory() / 2))
    hdf5_library_seconds: int = 60  # that it may take to answer one question
    protobuf_fields: int = 200_000  # in one message: objects of a checkpoint, nodes of a graph
    checkpoint_arrays: int = 100_000
    rank: int = 8
    tensor_elements: int = 2**31
    weights_bytes: int = 16 * GiB
    # One value that a layer computes: more than the machine has would end other programs too.
    value_bytes: int = int(min(16 * GiB, _physical_memory() * 3 / 4))
    image_pixels: int = 89_478_485  # Pillow's own default

    def check(self, name: str, found: float, where: str) -> None:
        """Raise `LimitExceeded` if `found` is above the limit called `name`.

        Examples
        --------
        >>> Limits().check("rank", 4, "model.h5")
        """
        if found > getattr(self, name):
            raise self.exceeded(name, f"{where}: {found:,} exceeds")

    def exceeded(self, name: str, what: str) -> LimitExceeded:
        """The error that `what` is more than the limit called `name`.

        Examples
        --------
        >>> str(Limits().exceeded("rank", "x has more axes than"))[:40]
        'x has more axes than the limit rank = 8.'
        """
        return LimitExceeded(
            f"{what} the limit {name} = {getattr(self, name):,}. "
            f"If you trust this file, raise it: Limits({name}=...) or --limit {name}=..."
        )

    @contextmanager
    def loading(self, where: str) -> Iterator[None]:
        """Stop what is done in this block after `load_seconds`, if Python's main thread does it.

        Examples
        --------
        >>> with Limits(load_seconds=60).loading("model.h5"):
        ...     pass
        """
        before = signal.getsignal(signal.SIGINT)
        bounded = self.load_seconds < math.inf and before is not None
        if not bounded or threading.current_thread() is not threading.main_thread():
            yield
            return
        expired = threading.Event()

        def late() -> None:
            expired.set()
            _thread.interrupt_main()

        def interrupted(number: int, frame: Any) -> None:
            if expired.is_set():
                raise self.exceeded("load_seconds", f"{where}: it takes longer to open than")
            if callable(before):
                before(number, frame)

        timer = threading.Timer(self.load_seconds, late)
        timer.daemon = True
        try:
            # Only a handler of Python's is called at all, whatever was there before.
            signal.signal(signal.SIGINT, interrupted)
            timer.start()
            yield
        finally:
            try:
                timer.cancel()
                timer.join()
            finally:
                signal.signal(signal.SIGINT, before)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have `room` go by these limits in this block."""
        token = _IN_FORCE.set(self)
        try:
            yield
        finally:
            _IN_FORCE.reset(token)

    @classmethod
    def parse(cls, settings: list[str]) -> Limits:
        """Limits from the command line's `name=value` texts.

        Examples
        --------
        >>> Limits.parse(["rank=4"]).rank
        4
        """
        known = {field.name for field in dataclasses.fields(cls)}
        changes: dict[str, Any] = dict(COMMAND_LINE)
        for setting in settings:
            name, _, value = setting.partition("=")
            if name not in known:
                raise BadInput(f"--limit {setting}: no limit {name!r}. {nearest(name, known)}")
            try:
                changes[name] = int(value)
            except ValueError:
                raise BadInput(f"--limit {setting}: {value!r} is not a whole number") from None
        return cls(**changes)


_IN_FORCE: ContextVar[Limits | None] = ContextVar("limits", default=None)


def room(*shape: int) -> None:
    """Raise `LimitExceeded` if an array of this shape is more than a value may be.

    For arrays that are made of the numbers in a config on the way to a value: tables, windows.

    Examples
    --------
    >>> room(1000, 1000)
    """
    limits = _IN_FORCE.get() or Limits()
    limits.check("value_bytes", 8 * math.prod(shape), f"bytes for {shape} numbers on the way")
