"""A config with a wrong type or size in any field: an error of ours that names the layer."""

import time

import pytest
from cases import Case, case_names
from fuzz.mutations import tree_changed
from hypothesis import given, settings
from hypothesis import strategies as st

from npforward.errors import NpforwardError
from npforward.layers.registry import NO_EFFECT, NO_EFFECT_ENDINGS
from npforward.limits import Limits
from npforward.model import Model

WRONG = [
    "x", "", -1, 0, 10**12, 1.5, float("nan"), True, None, [], [1, "a"], [[1]], [1] * 6, {},
    {"class_name": "Foo", "config": {}},
]  # fmt: skip
FIRST: dict[str, str] = {}
for _name in case_names():
    FIRST.setdefault(_name.split("/")[0], _name)


TURN = {class_name: turn for turn, class_name in enumerate(FIRST)}


def read_by_layers(key):
    """Whether what a config has there is a layer's own affair."""
    return key == "dtype" or not (key in NO_EFFECT or key.endswith(NO_EFFECT_ENDINGS))


@pytest.mark.parametrize("class_name", FIRST)
def test_any_wrong_field_is_an_error_that_names_the_layer(class_name):
    right = Case(FIRST[class_name]).config
    for number, key in enumerate(right):
        # What is the same for all layers meets another of these in each.
        turn = (TURN[class_name] + number) % len(WRONG)
        for wrong in WRONG if read_by_layers(key) else WRONG[turn : turn + 1]:
            try:
                case = Case(FIRST[class_name], {**right, key: wrong})
                model = Model(case.graph, limits=Limits(value_bytes=2**28))
                model.summary()
                model.trace(case.inputs)  # some fields are free, and some values only odd
            except NpforwardError as error:
                assert "layer" in str(error), (key, wrong, error)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(name=st.sampled_from(case_names()), chance=st.randoms(use_true_random=False))
def test_a_change_anywhere_in_a_config_gives_results_or_our_own_error(name, chance):
    config = tree_changed(Case(name).config, chance)
    try:
        case = Case(name, config)
        model = Model(case.graph, limits=Limits(value_bytes=2**26))
        model.summary()
        model.trace(case.inputs)
    except NpforwardError as error:
        assert str(error)


BOMBS = [
    ("AdaptiveAveragePooling1D", "output_size"),
    ("AdaptiveMaxPooling2D", "output_size"),
    ("CenterCrop", "height"),
    ("Resizing", "width"),
    ("UpSampling2D", "size"),
    ("ZeroPadding2D", "padding"),
    ("RepeatVector", "n"),
    ("Equalization", "bins"),
    ("ContrastLimitedAdaptiveHistogramEqualization", "tile_grid_size"),
    ("IntegerLookup", "num_oov_indices"),
    ("CategoryEncoding", "num_tokens"),
    ("MelSpectrogram", "num_mel_bins"),
    ("MelSpectrogram", "fft_length"),
]


def test_neighbours_without_end():
    name = next(n for n in case_names() if n.startswith("TextVectorization/ngrams_2"))
    started = time.perf_counter()
    case = Case(name, {**Case(name).config, "ngrams": 2**60})
    Model(case.graph).trace(case.inputs)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(("class_name", "key"), BOMBS)
@pytest.mark.parametrize("size", [2**27, 2**31, 2**60])
def test_a_few_bytes_of_config_cannot_ask_for_all_memory(class_name, key, size):
    right = Case(FIRST[class_name]).config

    def grown(value):
        return [grown(v) for v in value] if isinstance(value, (list, tuple)) else size

    case = Case(FIRST[class_name], {**right, key: grown(right[key])})
    model = Model(case.graph, limits=Limits(value_bytes=2**26))
    started = time.perf_counter()
    with pytest.raises(NpforwardError):
        model.trace(case.inputs)
    assert time.perf_counter() - started < 2
