"""Every layer has genuine cases, and every option of its class that matters occurs in one."""

import json

import pytest
from cases import FIXTURES, configs
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_strategies import NOT_DRAWN, STRATEGIES

from npforward.formats import read
from npforward.graph import Graph
from npforward.layers import LAYERS
from npforward.layers.registry import NO_EFFECT, NO_EFFECT_ENDINGS

CONSTRUCTORS = json.loads((FIXTURES / "layers" / "constructors.json").read_text())

ONLY_DEFAULT = {
    ("Resizing", "fill_mode"),  # Keras refuses any but "constant"
    ("IntegerLookup", "vocabulary_dtype"),  # any but "int64"
    ("TextVectorization", "ragged"),  # what it gives then is no array: an error here
}


def test_every_class_of_the_registry_has_cases_and_its_constructor_listed():
    classes = {name for name in LAYERS if not name.startswith("ops.")}  # operations: in models
    with_cases = {path.stem for path in (FIXTURES / "layers").glob("*.npz")}
    assert classes - with_cases - of_kur() == set()
    assert set(CONSTRUCTORS) == with_cases


def of_kur():
    """The classes in models of genuine Kur, whose every node's output is recorded."""
    found = set()

    def collect(layer):
        found.add(layer.type)
        of_graph = layer.layers if isinstance(layer, Graph) else ()
        for each in (*of_graph, *getattr(layer, "children", {}).values()):
            collect(each)

    for folder in (FIXTURES / "kur").glob("*/activations.npz"):
        collect(read(folder.parent / "Kurfile.yml"))
    return found


@pytest.mark.parametrize("class_name", CONSTRUCTORS)
def test_every_option_that_matters_differs_from_its_default_in_some_case(class_name):
    found = configs(class_name)
    same = [
        name
        for name, default in CONSTRUCTORS[class_name]["optional"].items()
        if name not in NO_EFFECT
        and not name.endswith(NO_EFFECT_ENDINGS)
        and (class_name, name) not in ONLY_DEFAULT
        and all(config.get(name, default) == default for config in found)
    ]
    assert not same, f"add cases to weights_fixtures/make/layers.py with other values of {same}"


@pytest.mark.parametrize("class_name", CONSTRUCTORS)
def test_every_argument_of_the_constructor_is_in_the_cases(class_name):
    found = configs(class_name)
    for name in CONSTRUCTORS[class_name]["required"]:
        assert all(name in config for config in found), name
    for name in CONSTRUCTORS[class_name]["not_saved"]:
        assert not any(name in config for config in found), name


@pytest.mark.parametrize("class_name", CONSTRUCTORS)
def test_every_argument_of_the_constructor_is_drawn_by_the_differential_test(class_name):
    if class_name in NOT_DRAWN:
        return
    assert class_name in STRATEGIES, f"layer_strategies.py lacks a strategy for {class_name}"
    shapes, draws = STRATEGIES[class_name]
    told = CONSTRUCTORS[class_name]
    missing = {
        name
        for name in told["optional"]
        if name not in NO_EFFECT and not name.endswith(NO_EFFECT_ENDINGS)
    }
    missing |= set(told["required"])

    @settings(max_examples=40, derandomize=True, database=None, deadline=None)
    @given(st.data())
    def draw(data):
        call = draws(data.draw, class_name, data.draw(shapes(class_name)))
        missing.difference_update(call.options)

    draw()
    assert not missing
