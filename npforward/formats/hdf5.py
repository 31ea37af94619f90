"""HDF5 in pure Python, as far as weights need it: attributes as text, datasets as views.

A stranger's HDF5 file can point outside itself, describe more than it holds, and refer to itself.
So every path is walked component by component, links are refused wherever they stand, and where a
dataset's bytes are and how many they must be is settled before any of them is read.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import struct
import sys
import threading
import types
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from npforward.errors import BadFile, NotNumbers, NpforwardError, nearest
from npforward.formats import hdf5_child
from npforward.formats.hdf5_library import Library
from npforward.formats.mapping import Region, frozen, mapped, viewed
from npforward.graph import Stored
from npforward.limits import Limits

SIGNATURE = b"\x89HDF\r\n\x1a\n"
COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = range(4)  # layout classes of the HDF5 specification
EXTERNAL = 64  # a kind of link
UNDEFINED = 2**64 - 1  # the address of what was never written
HEADER_READS = 500  # parts of one object's header; genuine ones have a few
IEEE = {2: (5, 10), 4: (8, 23), 8: (11, 52)}  # bits of exponent and mantissa, by size
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}


def matches(path: Path) -> bool:
    """Whether a file is HDF5: from its beginning, or after a block of something else."""
    with path.open("rb") as file:
        return begins(file, path.stat().st_size) is not None


def begins(file: Any, size: int) -> int | None:
    """Where HDF5's signature is: at 0, 512, 1024, 2048 ... bytes.

    Examples
    --------
    >>> import io
    >>> begins(io.BytesIO(bytes(512) + SIGNATURE), 520)
    512
    """
    for start in itertools.takewhile(lambda n: n < size, (0, *(512 << n for n in range(55)))):
        file.seek(start)
        if file.read(len(SIGNATURE)) == SIGNATURE:
            return start
    return None


class File:
    """An HDF5 file, or one that is a part of another file, in memory that may be mapped.

    Every question is put to pyfive, and to the HDF5 library only where pyfive says that it does not
    read such files: never where a file is damaged, or asks for what is refused.

    Examples
    --------
    >>> from npforward.limits import Limits
    >>> import io, h5py, numpy as np
    >>> buffer = io.BytesIO()
    >>> with h5py.File(buffer, "w") as file:
    ...     file["layers/dense/vars/0"] = np.eye(2, dtype="float32")
    >>> file = File(memoryview(buffer.getvalue()), "model.weights.h5", Limits())
    >>> file.names("layers")
    ['dense']
    >>> file.stored("layers/dense/vars/0").shape
    (2, 2)
    """

    def __init__(self, data: memoryview, where: str, limits: Limits) -> None:
        self.data, self.where, self.limits = data, where, limits
        self._paths: set[str] = set()
        self._bytes = 0
        self._library = Library(data, where, limits)
        self._parsed: Parsed | None = None
        try:
            self._parsed = Parsed(data, where, limits)
        except NotParsed:
            self._library.members("")

    @classmethod
    def open(cls, path: Path, limits: Limits) -> File:
        """The HDF5 file at `path`, mapped into memory."""
        return cls(mapped(path, limits), str(path), limits)

    def _asked(self, question: str, path: str) -> Any:
        """What pyfive says of the object at `path`, or the library."""
        self._paths.add(path)
        self.limits.check("hdf5_depth", path.count("/") + 1, f"{self.where}: {path[:100]!r}")
        self.limits.check("hdf5_objects", len(self._paths), self.where)
        # An object takes a header of 16 bytes and an entry of 24 in its group, at the very least.
        if len(self._paths) > 2 + len(self.data) // 40:
            raise BadFile(
                f"{self.where}: has more paths than there is room for objects in the file: its "
                f"groups contain each other, as at {path[:100]!r}. It is damaged; copy it again."
            )
        if self._parsed is not None:
            try:
                return getattr(self._parsed, question)(path)
            except NotParsed:
                pass  # the library does
        return getattr(self._library, question)(path)

    def __contains__(self, path: str) -> bool:
        """Whether there is a group or dataset at `path`."""
        *parents, name = path.strip("/").split("/")
        at = ""
        for part in parents:
            if part not in self.names(at):
                return False
            at = f"{at}/{part}".strip("/")
        return name in self.names(at)

    def names(self, path: str = "") -> list[str]:
        """The names in the group at `path`; none if it is a dataset."""
        return self._members(path.strip("/")) or []

    def _members(self, path: str) -> list[str] | None:
        names = self._asked("members", path)
        self.limits.check("hdf5_objects", len(names or ()), f"{self.where}: {path or '/'}")
        return names

    def attributes(self, path: str = "") -> dict[str, Any]:
        """All attributes at `path`: bytes as str, arrays of them as lists of str."""
        return self._asked("attributes", path.strip("/"))

    def attribute(self, path: str, name: str) -> Any:
        """One attribute, or None.  Keras splits a long list into `name0`, `name1`, ..."""
        attributes = self.attributes(path)
        if name in attributes:
            return attributes[name]
        pieces = (attributes.get(f"{name}{i}") for i in itertools.count())
        parts = itertools.takewhile(lambda part: isinstance(part, list), pieces)
        return list(itertools.chain.from_iterable(parts)) or None  # type: ignore[arg-type]

    def text(self, path: str, name: str) -> str | None:
        """An attribute that must be one text, or None."""
        value = self.attribute(path, name)
        if value is not None and not isinstance(value, str):
            raise BadFile(
                f"{self.where}: attribute {name!r} of {path or '/'!r} is {type(value).__name__}, "
                "expected text."
            )
        return value

    def texts(self, path: str, name: str) -> list[str] | None:
        """An attribute that must be a list of texts, or None."""
        value = self.attribute(path, name)
        if value is None:
            return None
        # An empty list is stored as an empty array of numbers.
        value = [] if isinstance(value, np.ndarray) and value.size == 0 else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadFile(
                f"{self.where}: attribute {name!r} of {path or '/'!r} is not a list of names."
            )
        return value

    def arrays(
        self, path: str = "", skip: tuple[str, ...] = (), others: bool = False
    ) -> dict[str, Stored]:
        """Every dataset beneath `path` but for the groups named in `skip`, by its path.

        Those that do not hold numbers are an error; if `others`, only once they are read.
        """
        found, waiting = {}, [path.strip("/")]
        while waiting:
            at = waiting.pop()
            names = self._members(at)
            if names is None:
                try:
                    found[at] = self.stored(at)
                except NotNumbers as error:
                    if not others:
                        raise
                    found[at] = _unreadable(at, error)
            else:
                beneath = [f"{at}/{name}".strip("/") for name in names]
                waiting += [place for place in reversed(beneath) if place not in skip]
        return found

    def groups(self, path: str = "") -> list[str]:
        """Every group beneath `path`, empty ones too."""
        found, waiting = [], [path.strip("/")]
        while waiting:
            at = waiting.pop()
            names = self._members(at)
            if names is not None:
                found.append(at)
                waiting += [f"{at}/{name}".strip("/") for name in reversed(names)]
        return found

    def stored(self, path: str) -> Stored:
        """The dataset at `path`: shape, dtype and place are checked now, its values read later."""
        stored = self._asked("array", path.strip("/"))
        where = f"{self.where}: {stored.name!r}"
        self.limits.check("rank", len(stored.shape), where)
        # An empty array may still claim axes that numpy cannot hold.
        elements = math.prod(n or 1 for n in stored.shape)
        self.limits.check("tensor_elements", elements, where)
        self._bytes += math.prod(stored.shape) * stored.dtype.itemsize
        self.limits.check("weights_bytes", self._bytes, f"{where} and the arrays before it")
        return stored


class NotParsed(BadFile):
    """What the HDF5 library may read, and pyfive does not."""


class Parsed:
    """An HDF5 file as pyfive sees it, asked only for what is checked before."""

    def __init__(self, data: memoryview, where: str, limits: Limits) -> None:
        self.data, self.where, self.limits = data, where, limits
        self._objects: dict[str, Any] = {}
        self._names: dict[str, list[str] | None] = {}
        self._lock = threading.Lock()  # pyfive seeks in the one file object
        # pyfive reads most structures once, and some heaps again for each attribute in them.
        budget = min(limits.attribute_bytes, 16 * len(data) + 2**16)
        region = Region(data, where, budget)
        start = begins(region, len(data))
        if start is None:
            raise BadFile(f"{where}: not an HDF5 file (it does not begin with HDF5's signature).")
        if start:
            raise NotParsed(f"{where}: begins with a user block of {start} bytes.")
        with self._reading("/"):
            self._objects[""] = _careful_file()(region)

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """Turn whatever pyfive raises over malformed bytes into an error that names the path."""
        try:
            yield
        except NpforwardError:
            raise
        except NotImplementedError as error:
            raise NotParsed(
                f"{self.where}: pyfive does not read {path or '/'!r} ({error}). Save the model "
                "again with Keras."
            ) from error
        # The parser lets a dozen types through: struct.error, AssertionError, RecursionError ...
        except Exception as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise BadFile(
                f"{self.where}: cannot read {path or '/'!r} of this HDF5 file ({reason}). It is "
                "truncated or damaged, or uses a part of HDF5 that npforward does not read, "
                "such as an external link. Copy it again, or save it again with Keras."
            ) from error

    def _object(self, path: str) -> Any:
        """The pyfive object at `path`, which is walked one component at a time."""
        if path in self._objects:
            return self._objects[path]
        parts = path.split("/")
        parent_path, name = "/".join(parts[:-1]), parts[-1]
        parent = self._object(parent_path)
        siblings = self.members(parent_path) or []
        if name not in siblings:
            raise BadFile(
                f"{self.where}: there is no {path!r} in this HDF5 file. {nearest(name, siblings)}"
            )
        with self._reading(path):
            found = parent.get_lazy_view(name)
        # pyfive follows soft links: what comes back then has another name, or is missing.  A named
        # type, which has neither members nor values, it does not call by its whole path.
        holds = hasattr(found, "keys") or hasattr(found, "shape")
        if found is None or (holds and found.name != f"/{path}"):
            raise BadFile(
                f"{self.where}: {path!r} is a soft link, which npforward does not follow, "
                "because the file decides where it leads. Save the model again without links."
            )
        self._objects[path] = found
        return found

    def members(self, path: str) -> list[str] | None:
        """The names in the group at `path`; None if it is none."""
        if path not in self._names:
            found = self._object(path)
            with self._reading(path):
                # Neither a dataset nor a named type has members.
                names = list(found) if hasattr(found, "keys") else None
                for name in names or ():
                    if name in ("", ".", "..") or "/" in name:
                        raise ValueError(f"a member is called {name!r}")
            self._names[path] = names
        return self._names[path]

    def attributes(self, path: str) -> dict[str, Any]:
        """All attributes at `path`: bytes as str, arrays of them as lists of str."""
        found = self._object(path)
        with self._reading(path):
            values = dict(found.attrs)
            total = sum(map(_attribute_bytes, values.values()))
            self.limits.check(
                "attribute_bytes", total, f"{self.where}: attributes of {path or '/'!r}"
            )
            return {name: _text(value) for name, value in values.items()}

    def array(self, path: str) -> Stored:
        """The dataset at `path`: shape, dtype and place are checked now, its values read later."""
        dataset = self._object(path)
        if not hasattr(dataset, "shape"):
            kind = "a group" if hasattr(dataset, "keys") else "a type"
            raise BadFile(f"{self.where}: {path!r} is {kind}, expected an array.")
        with self._reading(path):
            return self._stored(path, dataset)

    def _stored(self, path: str, dataset: Any) -> Stored:
        where = f"{self.where}: {path!r}"
        shape = dataset.shape
        if shape is None:
            raise BadFile(f"{where} has no shape (a null dataspace), expected an array.")
        shape = tuple(int(n) for n in shape)
        dtype = _dtype(dataset, where)
        size = math.prod(shape)
        layout = dataset.id.layout_class
        if layout == VIRTUAL:
            raise BadFile(
                f"{where} is a virtual dataset: its values lie in other files, which npforward "
                "does not open. Save the model again in one file."
            )
        if size == 0:
            return Stored(path, shape, dtype, lambda: frozen(np.zeros(shape, dtype)))
        if layout == COMPACT:
            values = np.array(dataset[()]).view(dtype).reshape(shape)
            return Stored(path, shape, dtype, lambda: frozen(values))
        if layout == CONTIGUOUS:
            start, end = dataset.id.data_offset, dataset.id.data_offset + size * dtype.itemsize
            if dataset.id.data_offset == UNDEFINED:
                raise BadFile(_nothing_stored(where, shape))
            if end > len(self.data):
                raise BadFile(
                    f"{where} has shape {shape}, but the file ends "
                    f"{end - len(self.data):,} bytes before its values do. It is truncated: "
                    "copy it again."
                )
            block = self.data[start:end]
            return Stored(path, shape, dtype, lambda: viewed(block, shape, dtype))
        if layout == CHUNKED:
            filters = [entry["filter_id"] for entry in dataset.id.filter_pipeline or ()]
            unknown = set(filters) - hdf5_child.FILTERS
            if unknown:
                raise BadFile(
                    f"{where} is compressed with HDF5 filter {min(unknown)}, which npforward does "
                    "not read: a filter that is no part of HDF5 is code from elsewhere. Save it "
                    "again with Keras."
                )
            if len(set(filters)) < len(filters) or set(filters) - FILTERS.keys():
                raise NotParsed(f"{where} is compressed with HDF5 filters {filters}.")
            return Stored(path, shape, dtype, lambda: self._chunked(path, dataset, shape, dtype))
        raise BadFile(f"{where} has the unknown HDF5 layout {layout}.")

    def _chunked(self, path: str, dataset: Any, shape: tuple, dtype: np.dtype) -> np.ndarray:
        """All chunks put together; each is unpacked to no more than the bytes that it must have."""
        where = f"{self.where}: {path!r}"
        with self._reading(path):
            chunks = tuple(int(n) for n in dataset.chunks)
            expected = math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True))
            chunk_bytes = math.prod(chunks) * dtype.itemsize
            self.limits.check("tensor_elements", math.prod(chunks), f"{where}, one chunk")
            with self._lock:
                index = dataset.id.index
            if len(index) != expected:
                raise BadFile(_nothing_stored(where, shape))
            values = np.empty(shape, dtype)
            for place, chunk in index.items():
                start, end = chunk.byte_offset, chunk.byte_offset + chunk.size
                fits = all(
                    p % c == 0 and p < n for p, c, n in zip(place, chunks, shape, strict=True)
                )
                if end > len(self.data) or not fits:
                    raise BadFile(
                        f"{where}: a chunk lies outside the file or the array. It is truncated "
                        "or damaged: copy it again."
                    )
                block = bytes(self.data[start:end])
                pipeline = dataset.id.filter_pipeline or ()
                for number, entry in reversed(list(enumerate(pipeline))):
                    if not chunk.filter_mask >> number & 1:
                        block = _unfiltered(
                            block, entry["filter_id"], chunk_bytes, dtype.itemsize, where
                        )
                part = np.frombuffer(block, dtype, count=math.prod(chunks)).reshape(chunks)
                inside = tuple(slice(p, p + c) for p, c in zip(place, chunks, strict=True))
                target = values[inside]
                target[...] = part[tuple(slice(n) for n in target.shape)]
            return frozen(values)


def _pyfive() -> Any:
    """pyfive without what it needs for few files, which takes longer to import than all the rest.

    Of fsspec it calls one function, where it reads over a network; of numcodecs one checksum.  Both
    come when they are called.
    """
    if "pyfive" in sys.modules:
        return importlib.import_module("pyfive")

    class Fletcher32:
        def encode(self, data: bytes) -> Any:
            return importlib.import_module("numcodecs").Fletcher32().encode(data)

    def merge_offset_ranges(*args: Any, **options: Any) -> Any:
        utils = importlib.import_module("fsspec.utils")
        return utils.merge_offset_ranges(*args, **options)

    later: dict[str, dict[str, Any]] = {
        "numcodecs": {"Fletcher32": Fletcher32},
        "fsspec": {},
        "fsspec.utils": {"merge_offset_ranges": merge_offset_ranges},
    }
    later = {name: parts for name, parts in later.items() if name not in sys.modules}
    for name, parts in later.items():
        stand_in = types.ModuleType(name)
        stand_in.__dict__.update(parts)
        sys.modules[name] = stand_in
    if {"fsspec", "fsspec.utils"} <= set(later):
        sys.modules["fsspec"].utils = sys.modules["fsspec.utils"]  # type: ignore[attr-defined]
    try:
        return importlib.import_module("pyfive")
    except (ImportError, AttributeError):  # a version that needs more of them
        for name in [name for name in sys.modules if name.partition(".")[0] == "pyfive"]:
            del sys.modules[name]
    finally:
        for name in later:
            sys.modules.pop(name, None)
    return importlib.import_module("pyfive")


@functools.cache
def _careful_file() -> Any:
    """pyfive's `File`, for files that mean harm.

    Where an attribute claims many values, pyfive reserves room for them before it looks: 64 GiB for
    a file of 2 kB.  And it joins the parts of an object's header by copying all that it has so
    far: without end if a part says that it continues in itself.  It takes every float for one of
    IEEE's, and asserts that chunks lie as they did before HDF5 1.10.
    """
    pyfive = _pyfive()
    from pyfive.dataobjects import DATATYPE_MSG_TYPE, DataObjects

    class Objects(DataObjects):
        def _attr_value(self, ptype: Any, buf: bytes, count: int, offset: int) -> Any:
            if not 0 <= count <= len(buf):
                raise ValueError(f"an attribute claims {count:,} values")
            return super()._attr_value(ptype, buf, count, offset)

        @staticmethod
        def _decode_link_msg(data: Any, offset: int) -> Any:
            said = data[offset + 1] & 8  # whether it says of what kind it is
            if said and data[offset + 2] == EXTERNAL:
                raise ValueError("one of its members is an external link, which leads out of it")
            return DataObjects._decode_link_msg(data, offset)

        def _get_data_message_properties(self, msg_offset: int) -> Any:
            version, kind = self.msg_data[msg_offset : msg_offset + 2]
            if version == 5 or (version == 4 and kind == CHUNKED):
                raise NotImplementedError(f"version {version} of the layout of chunks")
            return super()._get_data_message_properties(msg_offset)

        @property
        def ptype(self) -> Any:
            for message in self.find_msg_type(DATATYPE_MSG_TYPE)[:1]:
                start = message["offset_to_message"]
                if not _plain_number(self.msg_data[start : start + 20]):
                    raise NotImplementedError("numbers laid out as no machine has them")
            return super().ptype

    class CarefulFile(pyfive.File):  # type: ignore[name-defined]
        def _get_dataobjects(self, obj_addr: int) -> Any:
            if obj_addr not in self._dataobjects_cache:
                with self._fh.at_most(HEADER_READS):
                    self._dataobjects_cache[obj_addr] = Objects(
                        self._fh, obj_addr, global_heaps=self._global_heaps
                    )
            return self._dataobjects_cache[obj_addr]

    return CarefulFile


def _plain_number(message: bytes) -> bool:
    """Whether a datatype message, if one of a number, is of what numpy has: all bits, or IEEE's."""
    kind, size, properties = message[0] & 15, *struct.unpack_from("<I", message, 4), message[8:]
    if kind == 0:
        return struct.unpack_from("<HH", properties) == (0, 8 * size)
    if kind == 1 and size in IEEE:
        exponent, mantissa = IEEE[size]
        layout = (0, 8 * size, mantissa, exponent, 0, mantissa, 2 ** (exponent - 1) - 1)
        return struct.unpack_from("<HHBBBBI", properties) == layout
    return True


def _attribute_bytes(value: Any) -> int:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return sum(len(item) for item in value.flat if isinstance(item, (bytes, str)))
    return getattr(value, "nbytes", 0) or (len(value) if isinstance(value, (bytes, str)) else 0)


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, np.ndarray) and (value.dtype == object or value.dtype.kind in "SU"):
        return [_text(item) for item in value.reshape(-1).tolist()]
    return value


def _dtype(dataset: Any, where: str) -> np.dtype:
    """The numpy dtype of the values; opaque pairs of bytes are bfloat16, which HDF5 lacks."""
    dtype = np.dtype(dataset.dtype)
    if dtype.kind == "V" and dtype.itemsize == 2 and not dtype.names:
        # Keras marks them with this attribute in .keras, and not at all in .h5.
        if _text(dict(dataset.attrs).get("dtype", "bfloat16")) == "bfloat16":
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
    elif dtype.kind in "biufc":
        # h5py stores bool as an enumeration over int8.
        members = (dtype.metadata or {}).get("enum", {})
        return np.dtype(bool) if set(members) == {"FALSE", "TRUE"} else np.dtype(dtype.str)
    raise NotNumbers(
        f"{where} holds values of type {dtype}, expected numbers. npforward reads no objects, "
        "references, texts or records as weights.",
        tuple(map(int, dataset.shape)),
        dtype,
    )


def _unreadable(path: str, error: NotNumbers) -> Stored:
    def read() -> np.ndarray:
        raise error

    return Stored(path, error.shape, error.dtype, read)


def _nothing_stored(where: str, shape: tuple[int, ...]) -> str:
    return (
        f"{where} has shape {shape}, but its values are not (all) stored in this file: they were "
        "never written, or lie in external storage, which npforward does not open. "
        "Save the model again."
    )


def _unfiltered(block: bytes, number: int, size: int, itemsize: int, where: str) -> bytes:
    """Undo one HDF5 filter; `size` is what a whole chunk has, and a checksum four more."""
    match FILTERS[number]:
        case "gzip":
            inflate = zlib.decompressobj()
            block = inflate.decompress(block, size + 4)
            if inflate.unconsumed_tail:
                raise BadFile(f"{where}: a chunk unpacks to more than its shape needs.")
        case "shuffle":
            whole = len(block) - len(block) % itemsize
            planes = np.frombuffer(block[:whole], np.uint8).reshape(itemsize, -1)
            block = planes.T.tobytes() + block[whole:]
        case "fletcher32":
            if _fletcher32(block[:-4]) != struct.unpack("<I", block[-4:])[0]:
                raise BadFile(f"{where}: a checksum is wrong; the file is damaged. Copy it again.")
            block = block[:-4]
        case "lzf":
            block = _unpacked_lzf(block, size + 4)
    return block


def _fletcher32(block: bytes) -> int:
    """HDF5's checksum: sums modulo 65535 over big-endian 16-bit words."""
    words = np.frombuffer(block + b"\0" * (len(block) % 2), ">u2").astype(np.uint64)
    count = len(words)
    first = int(words.sum()) % 65535
    # Each word counts once for itself and once for every word after it.
    second = int((words * (np.arange(count, 0, -1, dtype=np.uint64) % 65535)).sum()) % 65535
    # HDF5 folds rather than divides, which leaves 65535 where division gives 0.
    first, second = (total or (65535 if words.any() else 0) for total in (first, second))
    return second << 16 | first


def _unpacked_lzf(block: bytes, size: int) -> bytes:
    """LibLZF: runs of literal bytes, and copies of what came before."""
    out, at = bytearray(), 0
    while at < len(block) and len(out) <= size:
        control = block[at]
        at += 1
        if control < 32:
            out += block[at : at + control + 1]
            at += control + 1
            continue
        length, offset = control >> 5, (control & 31) << 8
        if length == 7:
            length += block[at]
            at += 1
        offset += block[at] + 1
        at += 1
        if offset > len(out):
            raise ValueError("LZF data refer to before their beginning")
        for _ in range(length + 2):
            out.append(out[-offset])
    return bytes(out)
