"""The program that reads HDF5 with h5py in a process of its own, where C code can do no harm.

`hdf5_library` starts it as a file, not as a part of npforward, and talks to it by its standard
input and output: a length and JSON, then bytes.  It gets the content of a file, never a path, and
once it is ready it may open no file, start no process and write to no disk (where the system has
`resource`, that is, not on Windows).  So a link out of the file leads nowhere, even if a check
fails.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import math
import struct
import sys
import time
from typing import Any, BinaryIO

SIZES = struct.Struct("<IQ")  # of the JSON, of the bytes after it
# gzip, shuffle, fletcher32, szip, nbit, scaleoffset, lzf: all that h5py has built in.
FILTERS = {1, 2, 3, 4, 5, 6, 32000}


class Refused(Exception):
    """What npforward does not read, whoever could."""


def send(stream: BinaryIO, said: Any, content: Any = b"") -> None:
    """Write one message."""
    text = json.dumps(said).encode()
    stream.write(SIZES.pack(len(text), len(content)))
    stream.write(text)
    stream.write(content)
    stream.flush()


def received(stream: BinaryIO) -> tuple[Any, bytes] | None:
    """The next message: what it says, and the bytes with it."""
    head = stream.read(SIZES.size)
    if len(head) < SIZES.size:
        return None
    length, size = SIZES.unpack(head)
    return json.loads(stream.read(length)), stream.read(size)


class Reader:
    """One HDF5 file in memory, and the questions that may be asked about it."""

    def __init__(self, content: bytes) -> None:
        import h5py

        self.h5py = h5py
        self.file = h5py.File(io.BytesIO(content), "r")

    def found(self, path: str) -> Any:
        """The object at `path`, reached by hard links alone, one component at a time."""
        at, walked = self.file, ""
        for part in path.split("/") if path else ():
            walked = f"{walked}/{part}".strip("/")
            if not isinstance(at, self.h5py.Group):
                raise Refused(f"there is no {walked!r} in this HDF5 file")
            link = None if part in ("", ".", "..") else at.get(part, getlink=True)
            if link is None:
                raise Refused(f"there is no {walked!r} in this HDF5 file")
            if type(link) is not self.h5py.HardLink:
                raise Refused(f"{walked!r} is a {type(link).__name__}, which is not followed")
            at = at[part]
        return at

    def members(self, path: str, most: int) -> tuple[Any, bytes]:
        """The names in a group, or null for what is none."""
        found = self.found(path)
        if not isinstance(found, self.h5py.Group):
            return None, b""
        if len(found) > most:
            raise Refused(f"{path or '/'!r} has {len(found)} members")
        return [text(name) for name in found], b""

    def attributes(self, path: str, most: int) -> tuple[Any, bytes]:
        """Texts and lists of texts; of anything else the type."""
        found, total = {}, 0
        holder = self.found(path)
        for name in holder.attrs:
            held = holder.attrs.get_id(name)
            total += held.get_space().get_simple_extent_npoints() * held.get_type().get_size()
            if total > most:
                raise Refused(f"the attributes of {path or '/'!r} have more than {most} bytes")
            found[text(name)] = said(holder.attrs[name])
        return found, b""

    def array(self, path: str) -> tuple[Any, bytes]:
        """The shape and dtype of a dataset whose values all lie in this file."""
        dataset = self.found(path)
        if not isinstance(dataset, self.h5py.Dataset):
            raise Refused(f"{path!r} is a group, expected an array")
        if dataset.shape is None:
            raise Refused(f"{path!r} has no shape (a null dataspace), expected an array")
        made = dataset.id.get_create_plist()
        if made.get_layout() == self.h5py.h5d.VIRTUAL:
            raise Refused(f"{path!r} is a virtual dataset: its values lie in other files")
        if made.get_external_count():
            raise Refused(f"{path!r} is kept in external storage, which is not opened")
        filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
        if filters - FILTERS:
            raise Refused(f"{path!r} is compressed with HDF5 filter {max(filters - FILTERS)}")
        if math.prod(dataset.shape) and not dataset.id.get_storage_size():
            raise Refused(f"the values of {path!r} are not stored in this file")
        return {"shape": dataset.shape, "dtype": self.kind(dataset, path)}, b""

    def kind(self, dataset: Any, path: str) -> str:
        """The dtype of the values; opaque pairs of bytes are bfloat16, which HDF5 lacks."""
        dtype = dataset.dtype
        opaque = dtype.kind == "V" and dtype.itemsize == 2 and not dtype.names
        if opaque and said(dataset.attrs.get("dtype", "bfloat16")) == "bfloat16":
            return "bfloat16"
        sizes = {"b": 1, "c": 16}
        if dtype.kind not in "biufc" or dtype.itemsize > sizes.get(dtype.kind, 8):
            raise Refused(f"{path!r} holds values of type {dtype}, expected numbers")
        return dtype.newbyteorder("<").str

    def values(self, path: str, shape: list[int], dtype: str) -> tuple[Any, bytes]:
        """All values of a dataset that is of this shape and dtype, in C order."""
        import numpy as np

        described, _ = self.array(path)
        if list(described["shape"]) != shape or described["dtype"] != dtype:
            raise Refused(f"{path!r} is {described}, expected {shape} of {dtype}")
        values = np.ascontiguousarray(self.found(path)[()])
        if dtype != "bfloat16":
            values = values.astype(dtype, copy=False)
        return None, values.tobytes()


def said(value: Any) -> Any:
    """An attribute as JSON: a text, a list of texts, or its kind and size as an object."""
    import numpy as np

    if isinstance(value, (bytes, str)):
        return text(value)
    if isinstance(value, np.ndarray) and (value.dtype == object or value.dtype.kind in "SU"):
        return [said(item) for item in value.reshape(-1).tolist()]
    return {"type": type(value).__name__, "size": int(getattr(value, "size", 1) or 0)}


def text(value: Any) -> str:
    """A text, which must be UTF-8: h5py keeps what is none in the form of lone surrogates."""
    value = value.decode("utf-8") if isinstance(value, bytes) else value
    value.encode("utf-8")
    return value


def restrict(memory: int) -> None:
    """Take from this process whatever it does not need, for good."""
    try:
        import resource
    except ImportError:  # Windows: the time limit of whoever asks is all there is
        return
    for name, bound in (
        ("RLIMIT_AS", memory),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_NOFILE", 0),  # what is open stays so
    ):
        try:
            resource.setrlimit(getattr(resource, name), (bound, bound))
        except (AttributeError, ValueError, OSError):  # not on this system: macOS has no RLIMIT_AS
            continue


def allow(seconds: int) -> None:
    """So much more time of the processor, then the system ends this process."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(time.process_time()) + seconds
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def warmed_up() -> None:
    """Have Python load whatever reading takes, while it still can."""
    import h5py
    import numpy as np

    for name in ("ascii", "latin-1", "utf-8", "unicode_escape"):
        codecs.lookup(name)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        file.create_dataset("a/b", data=np.arange(8.0), chunks=(4,), compression="gzip")
        file["a/c"], file["a/d"] = np.array([True]), np.zeros(1, [("x", "f4"), ("y", "V2")])
        attributes = file["a"].attrs
        attributes["texts"], attributes["bytes"] = ["a", "ü"], [b"a", b"bc"]
        attributes["text"], attributes["byte"] = "a", np.bytes_(b"a")
        attributes["old"] = np.array(["a"], h5py.string_dtype("ascii"))
        attributes["number"], attributes["none"] = 1.5, np.array([])
        attributes["null"], attributes["link"] = h5py.Empty("f4"), file["a/b"].ref
    reader = Reader(buffer.getvalue())
    reader.members("a", 9)
    reader.attributes("a", 2**20)
    for name in ("a/b", "a/c", "a/d", "a/x"):
        with contextlib.suppress(Refused):
            described, _ = reader.array(name)
            reader.values(name, list(described["shape"]), described["dtype"])
    with contextlib.suppress(OSError):
        Reader(b"not HDF5")


def main() -> None:
    memory, seconds, *folders = sys.argv[1:]
    sys.path[:0] = folders
    warmed_up()
    allow(int(seconds))
    restrict(int(memory))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    reader: Reader | None = None
    send(target, {"answer": "ready"})
    while (message := received(source)) is not None:
        (question, arguments), content = message
        allow(int(seconds))
        try:
            if question == "open":
                reader = Reader(content)
                answer, content = None, b""
            else:
                answer, content = getattr(reader, question)(*arguments)
        except Refused as error:
            send(target, {"refused": str(error)})
        # h5py and HDF5 have an error for every occasion; whoever asks is to hear of each.
        except Exception as error:
            send(target, {"failed": f"{type(error).__name__}: {error}"[:1000]})
        else:
            send(target, {"answer": answer}, content)


if __name__ == "__main__":
    main()
