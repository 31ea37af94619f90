"""Compiled kernels: emitted for the CPU at hand, kept as object files, loaded by llvmlite.

A kernel is compiled when it is first needed and kept in the user's cache folder; the next process
loads it from there in milliseconds.  The name of the folder says for which CPU, versions and
source the objects hold, so that no other is ever loaded; a file that is damaged, or that somebody
else may have written, is ignored and made anew.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KERNELS: dict[str, Compiled] = {}

_log = logging.getLogger("npforward")
listeners: list[Callable[[str], None]] = []  # who is told of long work, beside the log


def say(message: str) -> None:
    """Tell who listens that something takes its time."""
    _log.info(message)
    for listener in listeners:
        listener(message)


@dataclass(frozen=True)
class Target:
    """A CPU to compile for: float32 lanes of a vector, vector registers, LLVM's name for it."""

    cpu: str
    features: str
    width: int
    registers: int

    @classmethod
    @functools.cache
    def host(cls) -> Target | None:
        """The CPU at hand; None if it cannot multiply and add in one instruction.

        Examples
        --------
        >>> Target.host().width in (4, 8, 16)
        True
        """
        import llvmlite.binding as llvm

        found = llvm.get_host_cpu_features()
        features = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(found.items()))
        cpu, machine = llvm.get_host_cpu_name(), platform.machine().lower()
        if machine in ("aarch64", "arm64"):
            return cls(cpu, features, 4, 32)
        if not (found.get("fma") and found.get("avx2")):
            return None
        wide = all(found.get(f"avx512{part}") for part in ("f", "vl", "dq", "bw"))
        return cls(cpu, features, 16, 32) if wide else cls(cpu, features, 8, 16)


@dataclass(eq=False)
class Compiled:
    """A kernel: a function of its arguments' table, the number of a task, and scratch memory.

    One without names for its arguments takes 64-bit integers, and is called by kernels.
    """

    name: str
    arguments: tuple[str, ...]
    body: Callable[..., None]
    integers: int = 0

    def emit(self, module: Any, target: Target) -> None:
        """Add it to a module of LLVM's."""
        from llvmlite import ir

        from npforward.kernels.native.emit import I64, VOID, Emitter

        kind = ir.FunctionType(VOID, [I64] * (self.integers or 3))
        function = ir.Function(module, kind, f"npforward_{self.name}")
        e = Emitter(module, function, target.width, target.registers)
        if self.integers:
            self.body(e, *e.args)
        else:
            table, task, scratch = e.args
            self.body(e, Arguments(e, table, self.arguments), task, scratch)
        e.builder.ret_void()


class Arguments:
    """What a kernel is told, by name: 64-bit integers, loaded once."""

    def __init__(self, e: Any, table: Any, names: Sequence[str]) -> None:
        self.__dict__.update({name: e.load_int(table, 8 * i) for i, name in enumerate(names)})

    def __getattr__(self, name: str) -> Any:  # only of what is not there
        raise AttributeError(f"the kernel has no argument {name!r}")


def compiled(arguments: str) -> Callable[[Callable[..., None]], Compiled]:
    """Make a function that emits a kernel, ``body(e, arguments, task, scratch)``, one."""

    def decorate(body: Callable[..., None]) -> Compiled:
        made = Compiled(body.__name__, tuple(arguments.split()), body)
        KERNELS[made.name] = made
        return made

    return decorate


def called(integers: int) -> Callable[[Callable[..., None]], Compiled]:
    """Make a function that emits code, ``body(e, *integers)``, a part that kernels call."""

    def decorate(body: Callable[..., None]) -> Compiled:
        made = Compiled(body.__name__, (), body, integers)
        KERNELS[made.name] = made
        return made

    return decorate


class Library:
    """The kernels for one target, each compiled or loaded when it is first asked for."""

    def __init__(self, target: Target, folder: Path | None = None) -> None:
        self.target, self.folder = target, folder
        self._addresses: dict[str, int] = {}
        self._read: dict[str, bytes] = {}  # objects that are not loaded yet
        self._kept: list[Any] = []  # what owns the code
        self._lock = threading.Lock()

    def address(self, kernel: Compiled) -> int:
        """Where the compiled kernel is in memory."""
        if kernel.name not in self._addresses:
            with self._lock:
                if kernel.name not in self._addresses:
                    self._addresses[kernel.name] = self._load(kernel)
        return self._addresses[kernel.name]

    def missing(self, kernels: Iterable[Compiled]) -> list[Compiled]:
        """Those of the kernels that must be compiled: neither loaded, nor kept in the folder."""
        return [
            kernel
            for kernel in kernels
            if kernel.name not in self._addresses and self._code(kernel) is None
        ]

    def keeps(self, kernel: Compiled) -> bool:
        """Whether the compiled kernel is in the folder, for the next process."""
        return _read(self._path(kernel)) is not None

    def prepare(self, kernels: Iterable[Compiled]) -> None:
        """Compile what is missing of the kernels, saying so."""
        missing = self.missing(kernels)
        for i, kernel in enumerate(missing):
            say(f"compiling for this CPU, once: {kernel.name} ({i + 1} of {len(missing)})")
            self.address(kernel)

    def _path(self, kernel: Compiled) -> Path | None:
        return None if self.folder is None else self.folder / f"{kernel.name}.o"

    def _code(self, kernel: Compiled) -> bytes | None:
        """The object in the folder, read once until it is loaded."""
        if kernel.name not in self._read:
            code = _read(self._path(kernel))
            if code is None:
                return None
            self._read[kernel.name] = code
        return self._read[kernel.name]

    def _load(self, kernel: Compiled) -> int:
        code = self._code(kernel)
        self._read.pop(kernel.name, None)
        if code is None:
            code = self._compile(kernel)
            _write(self._path(kernel), code)
        import llvmlite.binding as llvm

        name = f"npforward_{kernel.name}"
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        tracker = builder.export_symbol(name).link(self._linker, kernel.name)
        self._kept.append(tracker)
        return tracker[name]

    @functools.cached_property
    def _machine(self) -> Any:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        found = llvm.Target.from_triple(llvm.get_process_triple())
        return found.create_target_machine(
            cpu=self.target.cpu, features=self.target.features, opt=3, reloc="pic", jit=True
        )

    @functools.cached_property
    def _linker(self) -> Any:
        import llvmlite.binding as llvm

        return llvm.create_lljit_compiler(self._machine)

    def _compile(self, kernel: Compiled, text: bool = False) -> Any:
        import llvmlite.binding as llvm
        from llvmlite import ir

        source = ir.Module(kernel.name)
        kernel.emit(source, self.target)
        module = llvm.parse_assembly(str(source))
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = False  # vectors are written out
        builder = llvm.create_pass_builder(self._machine, options)
        builder.getModulePassManager().run(module, builder)
        return self._machine.emit_assembly(module) if text else self._machine.emit_object(module)


# ---- the cache folder ------------------------------------------------------------------------

_MARK = b"npforward object\n"


def _read(path: Path | None) -> bytes | None:
    """The object in a file that is whole and that only this user could write."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            said = os.fstat(file.fileno())
            content = file.read()
    except OSError:
        return None
    if hasattr(os, "getuid") and (said.st_uid != os.getuid() or said.st_mode & 0o022):
        return None
    head, digest, code = content[:17], content[17:49], content[49:]
    whole = head == _MARK and digest == hashlib.sha256(code).digest()
    return code if whole else None


def _write(path: Path | None, code: bytes) -> None:
    """Keep an object, whole or not at all; a folder that cannot be written does without."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK + hashlib.sha256(code).digest() + code)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)


def cache_root() -> Path:
    """Where this user's compiled kernels belong."""
    said = os.environ.get("NPFORWARD_CACHE")
    if said:
        return Path(said)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "npforward"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "npforward"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "npforward"


def cache_folder() -> Path | None:
    """Where this user's compiled kernels are kept; None if it would be another's to write to."""
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        said_of = root.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (said_of.st_uid != os.getuid() or said_of.st_mode & stat.S_IWOTH):
        return None
    return root


@functools.cache
def fingerprint(target: Target) -> str:
    """What objects depend on: the CPU, its features, the versions, the source of the kernels."""
    import llvmlite
    import llvmlite.binding as llvm

    digest = hashlib.sha256()
    for part in (target, llvmlite.__version__, llvm.llvm_version_info, platform.machine()):
        digest.update(repr(part).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


@functools.cache
def library() -> Library | None:
    """The kernels for this CPU; None where there are none."""
    target = Target.host()
    if target is None:
        return None
    folder = cache_folder()
    return Library(target, folder and folder / fingerprint(target))
