"""What statistics say of ordinary, odd and broken arrays."""

import json
import math
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npforward import statistics as module
from npforward.graph import Layer
from npforward.model import Trace
from npforward.statistics import channel_axes, chunks, measure, statistics

NUMERIC = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.boolean_dtypes(),
)
ARRAYS = hnp.arrays(NUMERIC, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@settings(deadline=None, max_examples=300)
@given(ARRAYS)
@example(np.array([2**53 + 1]))
@example(np.array([2**53 + 1, 2**53 + 3]))
def test_statistics_agree_with_numpy(x):
    row = measure(x)
    wide = x.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert (row.nan, row.inf) == (np.isnan(wide).sum(), np.isinf(wide).sum())
    if x.size:
        assert row.zeros == pytest.approx(100 * np.mean(wide == 0))
    if not finite.size:
        assert row.min is row.max is row.mean is row.std is None
        return
    assert (row.min, row.max) == (finite.min(), finite.max())
    assert float(row.min) <= row.mean <= float(row.max)  # the mean is a float
    largest = np.abs(finite).max()
    if (
        largest and 1e-100 < largest < 1e100
    ):  # where numpy's own formula neither over- nor underflows
        assert row.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-9 * largest)
        assert row.std == pytest.approx(finite.std(), rel=1e-9, abs=1e-9 * largest)


@settings(deadline=None)
@given(ARRAYS)
def test_json_is_standard_json(x):
    text = statistics({"x": x}).to_json()
    loaded = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert loaded["x"]["shape"] == list(x.shape)


@settings(deadline=None)
@given(
    hnp.arrays(np.int8, hnp.array_shapes(min_dims=2, max_dims=4), elements=st.integers(0, 1)),
    st.booleans(),
    st.integers(1, 9),
)
def test_dead_channels_are_those_all_zero(x, first, size):
    axis = 1 if first else x.ndim - 1
    others = tuple(a for a in range(x.ndim) if a != axis)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.chunks, "__defaults__", (size,))  # so that small arrays are cut too
        row = measure(x, channel_axis=axis)
    assert row.dead == np.sum(~x.any(axis=others))
    assert row.channels == x.shape[axis]


@given(hnp.array_shapes(min_dims=0, max_dims=4), st.integers(1, 20))
def test_chunks_cover_each_element_once(shape, size):
    seen = np.zeros(shape, int)
    for at in chunks(shape, size):
        assert seen[at].size <= size
        seen[at] += 1
    assert (seen == 1).all()


def test_extremes_neither_overflow_nor_vanish():
    huge = measure(np.array([-1.7e308, 1.7e308]))
    assert huge.mean == 0 and huge.std == pytest.approx(1.7e308)
    tiny = measure(np.array([-5e-324, 5e-324]))
    assert tiny.std == 5e-324
    assert measure(np.full(1000, 0.1)).std == 0
    half = measure(np.full((4, 1000), 60000, np.float16))
    assert half.mean == 60000
    assert measure(np.array([2**63 - 1], np.int64)).max == 2**63 - 1


def test_bfloat16_bool_and_strings():
    x = np.array([[1.5, 0, np.nan]], ml_dtypes.bfloat16)
    row = measure(x)
    assert (row.dtype, row.max, row.nan, row.dead) == ("bfloat16", 1.5, 1, 1)
    assert type(measure(np.array([True, False])).max) is int
    words = measure(np.array([["a", "b"]]))
    assert (words.shape, words.dtype, words.mean, words.dead) == ((1, 2), "str", None, None)


def test_nothing_finite_and_nothing_at_all():
    row = measure(np.full((2, 2), np.nan))
    assert (row.min, row.mean, row.std, row.nan, row.zeros) == (None, None, None, 4, 0)
    empty = measure(np.zeros((0, 3)))
    assert (empty.mean, empty.zeros, empty.dead, empty.channels) == (None, None, 0, 3)
    assert "(0, 3)" in str(statistics({"x": np.zeros((0, 3))}))


def test_memory_is_bounded_by_the_chunk():
    x = np.ones((1, 400, 400, 64), np.float32)[:, ::-1].transpose(0, 3, 2, 1)  # 41 MB, strided
    tracemalloc.start()
    measure(x, channel_axis=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_channel_axis_is_inherited_and_ended_by_permute():
    maps, rows = np.zeros((1, 2, 4, 4)), np.zeros((1, 8))
    first, last = {"data_format": "channels_first"}, {"data_format": "channels_last"}
    layers = {
        "input": Layer("input", "InputLayer"),
        "conv": Layer("conv", "Conv2D", first),
        "relu": Layer("relu", "ReLU"),
        "permute": Layer("permute", "Permute"),
        "conv2": Layer("conv2", "Conv2D", last),
        "dense": Layer("dense", "Dense"),
    }
    values = dict.fromkeys(layers, maps) | {"conv:pre": maps, "dense": rows}
    axes = channel_axes(Trace(values, layers))
    assert axes == {
        "input": 1, "conv": 1, "conv:pre": -1, "relu": 1, "permute": -1, "conv2": -1, "dense": -1,
    } | {"conv:pre": axes["conv:pre"]}  # fmt: skip
    assert list(channel_axes(Trace({"conv:pre": maps}, layers)).values()) == [1]


def test_table_shows_types_and_hides_escapes():
    trace = Trace({"a\x1b[2J": np.zeros((1, 2))}, {"a\x1b[2J": Layer("a", "Dense")})
    text = str(statistics(trace))
    assert "\x1b" not in text and "Dense" in text and "2/2" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_mapping_of_rows():
    table = statistics({"a": np.zeros((1, 2)), "b": np.ones((1, 2))})
    assert list(table) == ["a", "b"] and len(table) == 2
    assert table["b"].mean == 1 and math.isclose(table["a"].zeros, 100)
