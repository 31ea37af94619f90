"""Layers whose code is not in their file: what is said of them, and functions in their place."""

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward import ops
from npforward.errors import (
    BadInput,
    UnknownName,
    UnsupportedLayer,
    UnsupportedOption,
    WeightMismatch,
)
from npforward.verify import difference

FOLDER = FIXTURES / "custom"


def mix(x, kernel, bias, *, scale):
    return ops.matmul(x, kernel) * scale + bias


def mix_in_numpy(x, kernel, bias, *, scale=1.0):
    return np.tensordot(x, kernel, 1) * scale + bias


def bent(x):
    return ops.where(x > 0, x, x * x)


OURS = {
    "Mix": mix,
    "Halves": lambda x: (x[..., ::2], x[..., 1::2]),
    "bent": bent,
    "thirds": lambda x, by: x / by,
}
NUMPY = {
    "shop>Mix": mix_in_numpy,
    "halves": lambda x: [np.array(x)[..., ::2], np.array(x)[..., 1::2]],
    "shop>bent": lambda x: np.where(np.greater(x, 0), x, np.square(x)),
    "Lambda": lambda x, by=1, axis=None: np.divide(x, by) if axis is None else np.mean(x, axis),
    "positive": lambda x: np.maximum(x, 0),
}


def golden():
    with np.load(FOLDER / "golden.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("functions", [OURS, NUMPY], ids=["ours", "numpy"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_functions_stand_in_for_the_code_that_is_missing(ending, functions):
    model = npf.load_model(FOLDER / f"model.{ending}", custom_layers=functions)
    want = golden()
    trace = model.trace(want.pop("inputs/x"))
    for address, array in want.items():
        found = difference(trace[address], array)
        assert found.within, f"{address}: {found.ratio}"
    rows = {row.name: row.shape for row in model.summary().rows}
    assert rows["halves"] == ((None, 6, 4), (None, 6, 4))
    assert rows["both"] == (None, 22)


def test_without_the_function_it_is_said_what_to_give_and_the_rest_can_be_had():
    model = npf.load_model(FOLDER / "model.keras", custom_layers={"bent": bent})
    x = golden()["inputs/x"]
    with pytest.raises(
        UnsupportedLayer,
        match=r"layer 'each' \(shop>Mix\).*load_model\(path, custom_layers=.*until='bent_dense'",
    ):
        model.trace(x)
    np.testing.assert_allclose(
        model.trace(x, until="bent_dense")["bent_dense"], golden()["bent_dense"], 1e-4, 1e-5
    )
    rows = {row.name: row for row in model.summary().rows}
    assert rows["bent_dense"].shape == (None, 6, 6)
    assert rows["mix"].parameters == 48
    assert sorted(model.get_layer("mix").weights) == ["layers/mix/vars/0", "layers/mix/vars/1"]


def test_a_lambda_is_python_code_unless_it_is_a_function_of_keras():
    given = {name: function for name, function in OURS.items() if name != "thirds"}
    model = npf.load_model(FOLDER / "model.keras", custom_layers=given)
    with pytest.raises(
        UnsupportedLayer, match=r"'thirds' \(Lambda\): it holds Python code, which "
    ):
        model.predict(golden()["inputs/x"])


def test_an_activation_that_is_not_keras_own_is_said():
    model = npf.load_model(FOLDER / "model.keras")
    with pytest.raises(UnsupportedOption, match=r"'bent_dense' .*'shop>bent' is .*custom_layers="):
        model.predict(golden()["inputs/x"])


def test_variables_have_the_names_of_parameters():
    model = npf.load_model(FOLDER / "model.keras", custom_layers=OURS)
    assert {"mix/kernel", "mix/bias", "inner/deep/kernel"} <= set(model.weights)
    assert model.astype("float64").predict(golden()["inputs/x"]).dtype == np.float64


@pytest.mark.parametrize(
    ("functions", "error", "words"),
    [
        ({"Mixx": mix}, UnknownName, "no layer, class of layers or activation 'Mixx'.*'Mix'"),
        ({"Mix": 3}, BadInput, "'Mix' is given int, expected a function"),
    ],
)
def test_functions_that_cannot_be_meant(functions, error, words):
    with pytest.raises(error, match=words):
        npf.load_model(FOLDER / "model.keras", custom_layers=functions)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda kernel, bias: bias, WeightMismatch, r"'mix' .*takes 2 arguments.*input.*2 arrays"),
        (lambda x, k, b: np.linalg.inv(x), BadInput, r"'mix' .*fails with LinAlgError: Last 2"),
        (lambda x, k, b: object(), BadInput, r"'mix' .*fails with TypeError: it returns obj"),
        (lambda x, k, b, *, colour: x, UnsupportedOption, "'mix' .*wants the option colour"),
    ],
)
def test_functions_that_do_not_fit(function, error, words):
    with pytest.raises(error, match=words):
        model = npf.load_model(FOLDER / "model.keras", custom_layers={**OURS, "mix": function})
        model.predict(golden()["inputs/x"])
