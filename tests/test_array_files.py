"""Files of arrays: what numpy and others write is read as it was, and nothing else gets through."""

import copy
import functools
import gzip
import io
import itertools
import json
import operator
import os
import random
import struct
import time
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from fuzz.mutations import ODD, bytes_changed, places
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import npforward as npf
from npforward import formats
from npforward.errors import (
    BadFile,
    BadInput,
    CannotWrite,
    LimitExceeded,
    NpforwardError,
    WeightsOnly,
)
from npforward.formats import idx, safetensors
from npforward.limits import Limits

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
GENUINE = [FIXTURES / "apart" / f"{name}.safetensors" for name in ("torch", "types")]
SEEDS = [*GENUINE, FIXTURES / "files" / "expected_2.npz"]
NUMBERS = itertools.count()
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMPY = st.sampled_from(
    "b1 i1 u1 i2 >i2 u2 i4 >i4 u4 i8 u8 >u8 f2 >f2 f4 >f4 f8 >f8 c8 c16".split()
)
KUR = st.sampled_from("u1 i1 >i2 i2 >i4 i4 >f4 f4 >f8 f8".split())
ROUNDS = settings(
    max_examples=int(os.environ.get("NPFORWARD_EXAMPLES", 60)), deadline=None, derandomize=True
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


def values(kinds):
    return kinds.flatmap(lambda kind: hnp.arrays(np.dtype(kind), SHAPES))


def fresh(folder, content, ending=""):
    # A new name each time: a file that is still mapped must not be written over.
    path = folder / f"{next(NUMBERS)}{ending}"
    path.write_bytes(content)
    return path


def check(stored, want):
    got = stored.read()
    assert got.shape == stored.shape == want.shape
    assert got.dtype == want.dtype.newbyteorder("=")
    assert stored.dtype.newbyteorder("=") == got.dtype
    assert got.dtype.isnative and not got.flags.writeable and got.flags.c_contiguous
    np.testing.assert_array_equal(got, want)


# What others write.


@ROUNDS
@given(array=values(NUMPY), version=st.sampled_from([(1, 0), (2, 0), (3, 0)]), turned=st.booleans())
def test_npy_as_numpy_writes_it(array, version, turned, folder):
    array = np.asfortranarray(array) if turned else array
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version, allow_pickle=False)
    (stored,) = formats.arrays(fresh(folder, buffer.getvalue(), ".npy")).values()
    check(stored, array)


@ROUNDS
@given(found=st.lists(values(NUMPY), min_size=1, max_size=4), packed=st.booleans())
def test_npz_as_numpy_writes_it(found, packed, folder):
    buffer = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(buffer, *found, **{"a/b c": found[0]})
    read = formats.arrays(fresh(folder, buffer.getvalue()))
    assert set(read) == {*(f"arr_{i}" for i in range(len(found))), "a/b c"}
    for i, array in enumerate(found):
        check(read[f"arr_{i}"], array)


@ROUNDS
@given(array=values(KUR), packed=st.booleans())
def test_idx_comes_back(array, packed, folder):
    path = folder / f"{next(NUMBERS)}.idx"
    npf.write_idx(path, array)
    if packed:
        path = fresh(folder, gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(npf.read_idx(path), array)
    (stored,) = formats.arrays(path).values()
    check(stored, array)


SAFE = st.sampled_from([*safetensors.DTYPES.values(), *safetensors.ML_DTYPES.values()])


def as_safetensors(arrays, spaces=0):
    words = {name: word for word, name in (safetensors.DTYPES | safetensors.ML_DTYPES).items()}
    header, at = {"__metadata__": {"format": "np"}}, 0
    for name, array in arrays.items():
        end = at + array.nbytes
        header[name] = {"dtype": words[array.dtype.name], "shape": list(array.shape)}
        header[name]["data_offsets"] = [at, end]
        at = end
    text = json.dumps(header).encode() + b" " * spaces
    return struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values())


def test_as_safetensors_writes_what_safetensors_writes():
    found = {name: a.read() for name, a in formats.arrays(GENUINE[1]).items()}
    genuine, mine = GENUINE[1].read_bytes(), as_safetensors(found)
    assert mine.endswith(genuine[8 + struct.unpack("<Q", genuine[:8])[0] :])


@ROUNDS
@given(shapes=st.lists(SHAPES, max_size=4), kind=SAFE, spaces=st.integers(0, 9))
def test_safetensors_come_back(shapes, kind, spaces, folder):
    dtype = np.dtype(getattr(ml_dtypes, kind, kind))
    drawn = np.random.default_rng(0)
    arrays = {f"a.{i}": drawn.uniform(0, 2, shape).astype(dtype) for i, shape in enumerate(shapes)}
    read = formats.arrays(fresh(folder, as_safetensors(arrays, spaces)))
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        check(read[name], array)


def test_bfloat16_that_numpy_saved(folder):
    array = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    (stored,) = formats.arrays(fresh(folder, buffer.getvalue())).values()
    check(stored, array)


def test_headers_that_other_libraries_write(folder):
    rest = np.arange(6, dtype="f4").tobytes()
    for text in (
        '{"descr":"<f4","fortran_order":False,"shape":(2,3)}',
        "{'shape': (2L, 3L), 'fortran_order': False, 'descr': '<f4'}",
        "{'descr' : '<f4' , 'fortran_order' : False , 'shape' : (2,3,) , }  \n",
    ):
        content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + rest
        (stored,) = formats.arrays(fresh(folder, content)).values()
        check(stored, np.arange(6, dtype="f4").reshape(2, 3))


def test_shards_are_one_set_of_arrays(tmp_path):
    first, second = {"a": np.ones(2, "f4"), "b": np.zeros(3, "f4")}, {"c": np.ones((1, 2), "f4")}
    (tmp_path / "m-1.safetensors").write_bytes(as_safetensors(first))
    (tmp_path / "m-2.safetensors").write_bytes(as_safetensors(second))
    index = {"metadata": {"total_size": 28}, "weight_map": dict.fromkeys(first, "m-1.safetensors")}
    index["weight_map"]["c"] = "m-2.safetensors"
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    read = formats.arrays(path)
    assert {name: stored.shape for name, stored in read.items()} == {
        "a": (2,),
        "b": (3,),
        "c": (1, 2),
    }
    index["weight_map"]["d"] = "m-2.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(BadFile, match=r"'d' should be in 'm-2\.safetensors', but is not there"):
        formats.arrays(path)


def test_large_arrays_are_views_of_the_file(tmp_path):
    array = np.arange(64, dtype="float32")
    np.savez(tmp_path / "a.npz", a=array)
    np.save(tmp_path / "a.npy", array)
    (tmp_path / "a.safetensors").write_bytes(as_safetensors({"a": array}, spaces=3))
    npf.write_idx(tmp_path / "a.idx", array.astype("uint8"))
    for path in sorted(tmp_path.iterdir()):
        (stored,) = formats.arrays(path).values()
        assert not stored.read().flags.owndata or not stored.read().flags.aligned, path


def test_any_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["net/fc.weight"] = np.ones((2, 3), "f4")
        file["deep/er/still"] = np.arange(3)
        file["names"] = ["a", "b"]
        file.create_dataset("records", data=np.zeros(2, [("a", "f4")]))
        file["pairs/refers"] = file.ref
    found = formats.arrays(tmp_path / "any.h5")
    listed = {"net/fc.weight", "deep/er/still", "names", "records", "pairs/refers"}
    assert set(found) == listed
    np.testing.assert_array_equal(found["deep/er/still"].read(), np.arange(3))
    with pytest.raises(BadFile, match="'names' holds values of type object, expected numbers"):
        found["names"].read()
    with pytest.raises(WeightsOnly, match=r"5 arrays: .*net/fc.weight \(2, 3\)"):
        formats.read(tmp_path / "any.h5")


# IDX by hand.


def test_idx_of_mnist(folder):
    images = np.arange(2 * 3 * 4, dtype="uint8").reshape(2, 3, 4)
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + images.tobytes()
    np.testing.assert_array_equal(npf.read_idx(fresh(folder, content)), images)
    np.testing.assert_array_equal(npf.read_idx(fresh(folder, gzip.compress(content))), images)


def test_idx_of_no_axes_and_of_none(folder):
    assert npf.read_idx(fresh(folder, bytes([0, 0, 12, 0, 0, 0, 0, 7]))) == 7
    assert npf.read_idx(fresh(folder, bytes([0, 0, 8, 1]) + bytes(4))).shape == (0,)


@pytest.mark.parametrize("array", [np.ones(2, "int64"), np.ones(2, bool), np.array(["a"])], ids=str)
def test_idx_has_six_types(array, tmp_path):
    with pytest.raises(BadInput, match=r"IDX has no type .*, only uint8, int8, int16, int32, fl"):
        npf.write_idx(tmp_path / "a.idx", array)
    assert not list(tmp_path.iterdir())


def test_idx_is_written_whole_or_not_at_all(tmp_path):
    npf.write_idx(tmp_path / "a.idx", np.ones(3, "float32"))
    with pytest.raises(CannotWrite, match="not an ordinary file"):
        npf.write_idx(tmp_path, np.ones(3, "float32"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.idx"]


def test_kur_names_its_files_after_layers(tmp_path):
    names = ["..dense.0+..dense.0_W:0", "hidden+hidden_b"]
    for name in names:  # Windows has no colons in names: there it is escaped
        npf.write_idx(tmp_path / f"{name.replace(':', '%3A')}.kur", np.ones(2, "float32"))
    (tmp_path / "notes.txt").write_text("not a weight")
    assert sorted(formats.arrays(tmp_path)) == names


def test_what_is_not_idx(folder):
    with pytest.raises(BadFile, match="not an IDX file, which begins with two zero bytes"):
        npf.read_idx(FIXTURES / "files" / "sequential.keras")
    with pytest.raises(NpforwardError, match="there is no such file"):
        npf.read_idx(folder / "absent.idx")


# Bombs, limits, and files that chance has changed.


def test_a_gzip_of_more_than_it_says(folder):
    content = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 10) + bytes(10**6))
    (stored,) = formats.arrays(fresh(folder, content)).values()
    with pytest.raises(BadFile, match=r"shape \(10,\) of uint8, which takes 18 bytes.*are more"):
        stored.read()


def test_bombs_are_not_unpacked(folder):
    zeros = np.zeros(2**25, "uint8")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, zeros)
    packed = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 2**25) + bytes(2**25))
    for content in (buffer.getvalue(), packed):
        with pytest.raises(LimitExceeded, match="zip_ratio"):
            formats.arrays(fresh(folder, content))


@pytest.mark.parametrize(
    ("limit", "value", "file"),
    [
        ("config_bytes", 100, GENUINE[0]),
        ("depth", 1, GENUINE[0]),
        ("rank", 3, GENUINE[0]),
        ("tensor_elements", 10, GENUINE[0]),
        ("weights_bytes", 100, GENUINE[0]),
        ("file_bytes", 100, GENUINE[0]),
        ("zip_members", 3, SEEDS[-1]),
        ("rank", 3, SEEDS[-1]),
        ("tensor_elements", 10, SEEDS[-1]),
        ("weights_bytes", 100, SEEDS[-1]),
    ],
)
def test_limits_hold_for_arrays(limit, value, file):
    with pytest.raises(LimitExceeded, match=limit):
        formats.arrays(file, Limits(**{limit: value}))


@settings(parent=ROUNDS, max_examples=int(os.environ.get("NPFORWARD_EXAMPLES", 200)))
@given(seed=st.integers(0, 2**32), count=st.integers(1, 3))
def test_a_changed_header_gives_arrays_or_our_own_error(seed, count, folder):
    chance, content = random.Random(seed), GENUINE[0].read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:end])
    for _ in range(count):
        *way, last = chance.choice(list(places(header))[1:] or [("a",)])
        at = functools.reduce(operator.getitem, way, header)
        at[last] = copy.deepcopy(
            chance.choice([*ODD, [0, 8], [8, 0], "F64", "BF16", [2**63], [0, 2**70], [2, 1]])
        )
    text = json.dumps(header).encode()
    path = fresh(folder, struct.pack("<Q", len(text)) + text + content[end:])
    try:
        for stored in formats.arrays(path).values():
            assert stored.read().shape == stored.shape
    except NpforwardError as error:
        assert str(path) in str(error)


def seeds():
    """Small files of every format, made here and by others."""
    array = np.random.default_rng(0).normal(size=(30, 20)).astype(">f4")
    plain, zipped, packed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(plain, np.asfortranarray(array))
    np.savez(zipped, array, array.astype("i8"))
    np.savez_compressed(packed, array)
    raw = bytes([0, 0, 13, 2]) + struct.pack(">2I", 30, 20) + array.tobytes()
    return [
        *(buffer.getvalue() for buffer in (plain, zipped, packed)),
        raw,
        gzip.compress(raw),
        *(path.read_bytes() for path in GENUINE),
    ]


@settings(parent=ROUNDS, max_examples=int(os.environ.get("NPFORWARD_EXAMPLES", 400)))
@given(which=st.integers(0, len(seeds()) - 1), seed=st.integers(0, 2**32))
def test_changed_bytes_give_arrays_or_our_own_error(which, seed, folder):
    path = fresh(folder, bytes_changed(seeds()[which], random.Random(seed)))
    started = time.perf_counter()
    try:
        for stored in formats.arrays(path).values():
            array = stored.read()
            assert (array.shape, array.dtype) == (stored.shape, stored.dtype.newbyteorder("="))
    except NpforwardError as error:
        assert str(path) in str(error)
    assert time.perf_counter() - started < 5


def test_the_content_tells_the_format(folder):
    for content in seeds():
        path = fresh(folder, content, ".keras")
        assert formats.arrays(path)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(BadFile, match=r"no config\.json"):
        formats.read(folder / "a.zip")


def test_idx_header_is_needed_whole():
    assert not idx.matches(FIXTURES / "README.md")
