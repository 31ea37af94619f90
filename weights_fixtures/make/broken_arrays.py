"""Files of arrays that must fail, one for each fault: `broken.py` writes them with its own."""

import io
import json
import struct
import zipfile

import numpy as np

VALUES = np.arange(6, dtype="float32").reshape(2, 3)
BYTES = VALUES.tobytes()


class Harmless:
    """What a pickle of this does when it is loaded is only to fail."""

    def __reduce__(self):
        return int, ("no pickle was loaded by npforward",)


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def with_header(text, values=BYTES, version=1):
    header = text.encode("latin1").ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + values


def header(descr="'<f4'", order="False", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)
    return buffer.getvalue()


def entry(start, end, dtype="F32", shape=(2, 3)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def safetensors(values=BYTES, **entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + values


def idx(kind, *sizes, values=b""):
    return struct.pack(f">2xBB{len(sizes)}I", kind, len(sizes), *sizes) + values


def files():
    """(name, content) of each."""
    objects = np.array([Harmless()], object)
    yield "pickled.npy", npy(objects)
    yield "pickled.npz", npz(fine=npy(VALUES), objects=npy(objects))
    yield "fields.npy", npy(np.zeros(2, [("a", "f4"), ("b", "i4")]))
    yield "dates.npy", npy(np.zeros(2, "M8[s]"))
    yield "claims_more.npy", with_header(header(shape="(2, 300)"))
    yield "claims_most.npy", with_header(header(shape=f"({2**40}, {2**40})"))
    yield "many_axes.npy", with_header(header(shape=f"({'1, ' * 9})"))
    yield "negative.npy", with_header(header(shape="(-2, 3)"))
    yield "code.npy", with_header("{'descr': open('code.npy'), 'shape': exit()}")
    yield "header.npy", b"\x93NUMPY\1\0\xff\xff{'descr'"
    yield "version.npy", with_header(header(), version=9)
    yield "other_member.npz", npz(fine=npy(VALUES), other=b"not an array")

    size = VALUES.nbytes
    yield "overlap.safetensors", safetensors(a=entry(0, size), b=entry(size // 2, size * 3 // 2))
    yield "hole.safetensors", safetensors(BYTES * 3, a=entry(0, size), b=entry(size * 2, size * 3))
    yield "more.safetensors", safetensors(BYTES * 2, a=entry(0, size))
    yield "less.safetensors", safetensors(b"", a=entry(0, size))
    yield "long_header.safetensors", struct.pack("<Q", 10**6) + b'{"a": {}}'
    yield "no_json.safetensors", struct.pack("<Q", 9) + b"{'a': 1}\n"
    yield "no_entry.safetensors", safetensors(a="here")
    yield "wrong_offsets.safetensors", safetensors(a=entry(size, 0))
    yield "wrong_type.safetensors", safetensors(a=entry(0, size, dtype="PICKLE"))
    yield "wrong_size.safetensors", safetensors(a=entry(0, size, shape=(2, 4)))
    yield "wrong_sizes.safetensors", safetensors(a=entry(0, size, shape=("2", 3)))
    yield "huge.safetensors", safetensors(b"", a=entry(0, 0, shape=(2**40, 0)))
    index = {"weight_map": {"a": "../wrong_type.safetensors"}}
    yield "elsewhere.safetensors.index.json", json.dumps(index).encode()
    index = {"weight_map": {"a": "not_here.safetensors"}}
    yield "absent.safetensors.index.json", json.dumps(index).encode()

    yield "huge.idx", idx(0x0D, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    yield "short.idx", idx(0x0D, 2, 3, values=VALUES.astype(">f4").tobytes()[:-1])
    yield "long.idx", idx(0x0D, 2, 3, values=VALUES.astype(">f4").tobytes() + b"\0")
