"""The loss that a file says a model was compiled with: every form of it, and damage to it."""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.errors import BadFile, LimitExceeded, NpforwardError, UnsupportedOption

HUBER = {"module": "keras.losses", "class_name": "Huber", "config": {"name": "h", "delta": 2.0},
         "registered_name": None}  # fmt: skip
BINARY = {"class_name": "BinaryCrossentropy", "config": {
    "reduction": "auto", "name": "binary_crossentropy", "from_logits": False,
    "label_smoothing": 0.0, "axis": -1, "fn": "binary_crossentropy"}}  # fmt: skip
FUNCTION = {"module": "builtins", "class_name": "function", "config": "mean_squared_error",
            "registered_name": "mean_squared_error"}  # fmt: skip


def in_h5(folder, compiled):
    """A model in HDF5 that says `compiled`: an object, a text, or anything as the attribute."""
    path = folder / "model.h5"
    shutil.copy(FIXTURES / "models" / "multi_io" / "model.h5", path)
    text = json.dumps(compiled) if isinstance(compiled, (dict, list)) else compiled
    with h5py.File(path, "r+") as file:
        file.attrs["training_config"] = text
    return path


def in_keras(folder, compiled):
    path = folder / "model.keras"
    with (
        zipfile.ZipFile(FIXTURES / "models" / "multi_io" / "model.keras") as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = json.dumps(json.loads(data) | {"compile_config": compiled})
            new.writestr(name, data)
    return path


@pytest.mark.parametrize("write", [in_h5, in_keras])
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", "mse"),
        (HUBER, HUBER),
        (BINARY, BINARY),
        (FUNCTION, FUNCTION),
        (["mse", None], ["mse", None]),
        ({"class_name": "__tuple__", "items": ["mse", HUBER]}, ["mse", HUBER]),
        ({"a": "mse", "b": BINARY}, {"a": "mse", "b": BINARY}),
        (None, None),
    ],
)
def test_every_form(tmp_path, write, loss, expected):
    rest = {"loss_weights": None, "metrics": ["accuracy"], "optimizer_config": {"class_name": "?"}}
    assert npf.load_model(write(tmp_path, {"loss": loss, **rest})).loss == expected


@pytest.mark.parametrize(
    ("compiled", "error", "said"),
    [
        ("{", BadFile, "training_config"),
        ("[1]", BadFile, "list, expected an object with a loss"),
        ("[" * 5000, LimitExceeded, "depth"),
        ('{"loss": "mse", "loss": "mae"}', BadFile, "training_config"),
        (7, BadFile, "expected text"),
        (np.arange(3.0), BadFile, "expected text"),
        ({"loss": "mse", "loss_weights": [1.0, 0.5]}, UnsupportedOption, r"\[1.0, 0.5\]"),
        ({"loss": "mse", "loss_weights": {"a": 1.0, "b": 2}}, UnsupportedOption, "give a loss"),
    ],
)
def test_damage_hides_nothing_but_the_loss(tmp_path, compiled, error, said):
    model = npf.load_model(in_h5(tmp_path, compiled))
    assert model.summary().rows and model.weights
    with pytest.raises(error, match=said):
        _ = model.loss


@pytest.mark.parametrize("loss", [3, True, [[["mse"]]], {"class_name": 3}, {"odd": 1}, "", {}])
def test_what_is_no_loss_is_said_when_it_is_used(tmp_path, loss):
    model = npf.load_model(in_keras(tmp_path, {"loss": loss}))
    x = [np.zeros((1, *spec.shape[1:]), spec.dtype) for spec in model.inputs]
    y = model.predict(x)
    with pytest.raises(NpforwardError, match="loss"):
        npf.get_gradients_of_trainable_weights(model, x, y)


def test_weights_of_one_change_nothing(tmp_path):
    model = npf.load_model(in_h5(tmp_path, {"loss": "mse", "loss_weights": [1, 1.0]}))
    assert model.loss == "mse"


def test_an_architecture_apart_says_it_too(tmp_path):
    path = in_keras(tmp_path, {"loss": "mae"})
    with zipfile.ZipFile(path) as file:
        file.extract("config.json", tmp_path)
    assert npf.load_model(tmp_path / "config.json", weights=path).loss == "mae"


@pytest.mark.parametrize(
    ("name", "loss"),
    [("tf115/cnn", None), ("tf210/cnn", "mse"), ("tf24/cnn", "mse"), ("tf215/cnn", "mse")],
)
def test_a_saved_model_says_it_too(tmp_path, name, loss):
    with zipfile.ZipFile(FIXTURES / "saved_models" / f"{name}.zip") as file:
        file.extractall(tmp_path)
    folder = next(path.parent for path in tmp_path.rglob("saved_model.pb"))
    assert npf.load_model(folder).loss == loss
