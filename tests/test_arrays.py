"""Extracted values in files: the same back, any address, and nothing half-written."""

import gc
import json
import weakref

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npforward.addresses import escape
from npforward.arrays import FORMATS, address_of, load, member, save
from npforward.errors import BadFile, BadInput, CannotWrite, MissingFile

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(escape)
ADDRESSES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
VALUES = hnp.arrays(
    st.one_of(hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.boolean_dtypes()),
    hnp.array_shapes(min_dims=0, max_side=3),
)


def place(folder, format):
    return folder / ("out" if format == "npy" else f"out.{format}")


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(ADDRESSES, VALUES, max_size=5))
def test_what_is_written_is_read_back_in_order(tmp_path_factory, format, values):
    path = save(values.items(), place(tmp_path_factory.mktemp("arrays"), format), format)
    again = load(path)
    assert list(again) == list(values)
    for address, value in values.items():
        assert again[address].dtype.newbyteorder("=") == value.dtype.newbyteorder("=")
        np.testing.assert_array_equal(again[address], value)


@given(ADDRESSES)
def test_members_lead_back_to_addresses(address):
    inside = member(address)
    assert address_of(inside) == address
    assert not {".", "..", ""} & set(inside.split("/"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("order", [1, -1])
def test_an_address_may_be_the_beginning_of_another(tmp_path, format, order):
    values = {"a": np.zeros(1), "a/b": np.ones(2), "a/b/c": np.full(3, 2.0), "a@2": np.ones(1)}
    path = save(list(values.items())[::order], place(tmp_path, format), format)
    assert {k: v.tolist() for k, v in load(path).items()} == {
        k: v.tolist() for k, v in values.items()
    }


def test_layout_of_each_format(tmp_path):
    values = {"encoder/conv1": np.ones(2), "encoder": np.zeros(1), "out:pre": np.ones(1)}
    with np.load(save(values.items(), tmp_path / "a.npz")) as archive:
        assert archive.files == list(values)
    with h5py.File(save(values.items(), tmp_path / "a.h5")) as file:
        assert file["encoder/conv1"][()].tolist() == [1, 1]
        assert file["encoder/:output"].attrs["index"] == 1
        assert file["out:pre"].attrs["index"] == 2
    folder = save(values.items(), tmp_path / "a")
    index = json.loads((folder / "index.json").read_text())
    assert index[0] == {
        "address": "encoder/conv1", "file": "000_encoder%2Fconv1.npy", "shape": [2],
        "dtype": "float64",
    }  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_half_types_and_strings(tmp_path, format):
    values = {
        "half": np.array([1.5, -2], ml_dtypes.bfloat16),
        "words": np.array([["one", "zwölf"]]),
        "f16": np.array([1], np.float16),
    }
    again = load(save(values.items(), place(tmp_path, format), format))
    assert again["half"].dtype == np.float32 and again["half"].tolist() == [1.5, -2]
    assert again["words"].tolist() == [["one", "zwölf"]] and again["words"].dtype.kind == "U"
    assert again["f16"].dtype == np.float16


@pytest.mark.parametrize("format", FORMATS)
def test_arrays_are_let_go_one_by_one(tmp_path, format):
    class Array(np.ndarray):
        pass

    alive: list[weakref.ref] = []

    def items():
        for n in range(4):
            value = np.ones(10).view(Array)
            alive.append(weakref.ref(value))
            yield str(n), value
            del value
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 1

    save(items(), place(tmp_path, format), format)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_left_when_a_value_fails(tmp_path, format):
    path = place(tmp_path, format)
    older = save({"old": np.ones(1)}.items(), path, format)

    def items():
        yield "a", np.ones(3)
        raise BadInput("in the middle")

    with pytest.raises(BadInput, match="in the middle"):
        save(items(), path, format)
    assert list(load(older)) == ["old"]
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(BadInput, match="cannot be stored"):
        save([("a", np.array([object()]))], path, format)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for format in FORMATS:
        with pytest.raises(CannotWrite, match="Choose another place"):
            save([("a", np.ones(1))], tmp_path / "file" / "out", format)
    with pytest.raises(CannotWrite, match="not an ordinary file"):
        save([("a", np.ones(1))], "/dev/null", "npz")
    with pytest.raises(BadInput, match=r"no format '\.txt' for arrays; there are npz, h5, npy"):
        save([], tmp_path / "a.txt")


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(MissingFile):
        load(tmp_path / "none")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(BadFile, match=r"a\.npz"):
        load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", np.array([{}], object))
    with pytest.raises(BadFile, match="pickle"):
        load(tmp_path / "a.npz")
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n no")
    with pytest.raises(BadFile, match=r"a\.h5"):
        load(tmp_path / "a.h5")
    (tmp_path / "index.json").write_text('[{"address": "a", "file": "../a.npy"}]')
    with pytest.raises(BadFile, match="which is elsewhere"):
        load(tmp_path)
