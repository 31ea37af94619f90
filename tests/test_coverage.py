"""Every layer has genuine cases, and every option of its class that matters occurs in one."""

import json

import pytest
from cases import FIXTURES, configs

from npforward.layers import LAYERS
from npforward.layers.registry import NO_EFFECT, NO_EFFECT_ENDINGS

CONSTRUCTORS = json.loads((FIXTURES / "layers" / "constructors.json").read_text())
CLASSES = sorted(name for name in LAYERS if "." not in name)  # "ops.Add" is no class of layers


@pytest.mark.parametrize("class_name", CLASSES)
def test_every_class_of_the_registry_has_cases(class_name):
    assert configs(class_name)


def test_constructors_are_listed_of_all_classes_that_have_cases():
    assert set(CONSTRUCTORS) == {path.stem for path in (FIXTURES / "layers").glob("*.npz")}


@pytest.mark.parametrize("class_name", CONSTRUCTORS)
def test_every_option_that_matters_differs_from_its_default_in_some_case(class_name):
    found = configs(class_name)
    same = [
        name
        for name, default in CONSTRUCTORS[class_name]["optional"].items()
        if name not in NO_EFFECT
        and not name.endswith(NO_EFFECT_ENDINGS)
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
