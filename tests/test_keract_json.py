"""Activations in JSON: what goes in comes out, and Keract and any JSON parser can read it too."""

import json
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import npforward as npf
from npforward.errors import BadFile, BadInput, CannotWrite, MissingFile
from npforward.keract import load_activations_from_json_file, persist_to_json_file

RNG = np.random.default_rng(0)


def by_keract(path):
    """What Keract 4.5.2 makes of a file."""
    said = json.loads(path.read_text(), object_pairs_hook=OrderedDict)
    return OrderedDict((key, np.array(value)) for key, value in said.items())


def refuse(word):
    raise AssertionError(f"{word} is not standard JSON")


def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "activations.json"


def test_round_trip_of_a_model(path):
    model = npf.load_model(FIXTURES / "keract" / "dense.keras")
    acts = npf.get_activations(model, np.ones((2, 10)))
    assert "drop" in acts
    persist_to_json_file(acts, path)
    found = load_activations_from_json_file(path)
    assert list(found) == list(acts)
    for key, array in acts.items():
        same(found[key], array)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64",
                                   ml_dtypes.bfloat16])  # fmt: skip
def test_dtypes_are_kept(path, dtype):
    array = (RNG.normal(size=(2, 3)) * 3).astype(dtype)
    persist_to_json_file({"a": array}, path)
    same(load_activations_from_json_file(path)["a"], array)


@given(array=arrays.arrays(
    st.sampled_from(["float16", "float32", "float64", "int64", "uint64", "bool"]),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)))  # fmt: skip
def test_any_array_comes_back(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "a.json"
    persist_to_json_file({"a": array}, path)
    same(load_activations_from_json_file(path)["a"], array)


def test_nan_and_infinity_are_standard_json(path):
    array = np.array([[1.5, np.nan], [np.inf, -np.inf]], "float32")
    persist_to_json_file({"NaN": array, "finite": array[:1, :1]}, path)
    json.loads(path.read_text(), parse_constant=refuse)
    same(load_activations_from_json_file(path)["NaN"], array)
    np.testing.assert_array_equal(by_keract(path)["NaN"].astype("float32"), array)


def test_several_outputs_and_numbers_as_keys(path):
    acts = {
        0: np.ones((1, 2)),
        "lstm": [np.ones((1, 3, 2)), np.zeros((1, 2))],
        "s": np.array(["é"]),
    }
    persist_to_json_file(acts, path)
    found = load_activations_from_json_file(path)
    assert list(found) == [0, "lstm", "s"]
    assert [a.shape for a in found["lstm"]] == [(1, 3, 2), (1, 2)]
    same(found["s"], acts["s"])


def test_keract_reads_what_is_written(path):
    acts = {"i": np.ones((2, 3), "float32"), "lstm": [np.ones((1, 3, 2)), np.zeros((1, 2))]}
    persist_to_json_file(acts, path)
    found = by_keract(path)
    assert list(found)[:3] == ["i", "lstm", "lstm#1"]
    np.testing.assert_array_equal(found["i"], acts["i"])


def test_what_keract_wrote_is_read(path):
    acts = {"fc1": np.array([[0.1, np.nan, np.inf]], "float32"), "n": np.array([1, 2])}
    path.write_text(json.dumps({k: v.tolist() for k, v in acts.items()}, indent=2))
    found = load_activations_from_json_file(path)
    same(found["fc1"], acts["fc1"].astype("float64"))
    assert found["n"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("acts", "said"),
    [
        ({"a": np.array([1j])}, "'a' holds complex128"),
        ({"a": np.array([None])}, "'a' holds object"),
        ({"a": [[[1], [1, 2]]]}, "'a' is no array"),
        ({0: np.ones(1), "0": np.ones(1)}, "two entries called '0'"),
        ({"a": [np.ones(1)] * 2, "a#1": np.ones(1)}, "two entries called 'a#1'"),
        ({"//arrays": np.ones(1)}, "two entries"),
    ],
)
def test_what_cannot_be_written(path, acts, said):
    path.write_text("older")
    with pytest.raises(BadInput, match=said):
        persist_to_json_file(acts, path)
    assert path.read_text() == "older" and len(list(path.parent.iterdir())) == 1


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(CannotWrite):
        persist_to_json_file({"a": np.ones(1)}, tmp_path)
    with pytest.raises(MissingFile, match="no such file"):
        load_activations_from_json_file(tmp_path / "none.json")


ENTRY = {"key": "a", "output": None, "dtype": "float32", "shape": [2]}


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[1, 2]",
        '{"a": [1], "a": [2]}',
        '{"a": [1, [2, 3]]}',
        '{"a": {"b": 1}}',
        '{"a": "x"' + "}" * 3,
        "[" * 100 + "]" * 100,
        *(
            {"a": value, "//arrays": about}
            for value, about in [
                ([1, 2], 3),
                ([1, 2], []),
                ([1, 2], [7]),
                ([1, 2], [ENTRY | {"dtype": "object"}]),
                ([1, 2], [ENTRY | {"dtype": "datetime64"}]),
                ([1, 2], [ENTRY | {"dtype": "no_dtype"}]),
                ([1, 2], [ENTRY | {"shape": [3]}]),
                ([1, 2], [ENTRY | {"shape": [10**30]}]),
                ([1, 2], [ENTRY | {"shape": ["2"]}]),
                ([1, 2], [ENTRY | {"output": 1}]),
                ([1, 300], [ENTRY | {"dtype": "uint8"}]),
                ([1, None], [ENTRY | {"dtype": "int32"}]),
                ("text", [ENTRY]),
            ]
        ),
        {"a": [1, 2], "b": [1, 2], "//arrays": [ENTRY, ENTRY]},
        {"a": [1, 2], "b": [1, 2], "//arrays": [ENTRY, ENTRY | {"output": 0}]},
    ],
)
def test_a_damaged_file_is_an_error_of_ours(path, said):
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises((BadFile, npf.errors.LimitExceeded), match=r"activations\.json"):
        load_activations_from_json_file(path)
