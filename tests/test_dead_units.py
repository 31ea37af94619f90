"""Channels that are never active over a data set, and those always at their bounds."""

import json

import numpy as np
import pytest
from cases import FIXTURES
from made import chain, layer, ones

import npforward as npf
from npforward.cli import main
from npforward.errors import BadInput, UnknownName

DIGITS = FIXTURES / "models" / "digits_cnn" / "model.keras"
rng = np.random.default_rng(0)


def dense(bias, **config):
    """Four units that each take one of four numbers, and this bias."""
    bias = np.array(bias, "float32")
    config = {"units": 4, "activation": "relu", **config}
    return layer("Dense", config, np.eye(4, dtype="float32"), bias, name="dense")


def test_dead_channels_and_how_often_others_are_active():
    x = np.array([[1, 1, 1, 1], [-1, 1, 1, -1], [1, -1, 1, -1], [-1, 1, 1, -1]], "float32")
    found = npf.dead_units(chain((4,), dense([0, 0, 0, -1])), x)
    assert list(found) == ["dense"]
    assert found["dense"].active == (0.5, 0.75, 1.0, 0.0)
    assert found.dead == {"dense": (3,)} and found["dense"].positions == 4
    assert "dense: dead: 3" in str(found)
    assert json.loads(found.to_json())["values"]["dense"]["dead"] == [3]
    assert npf.dead_units(chain((4,), dense([0] * 4)), x, threshold=1.0).dead == {
        "dense": (0, 1, 2, 3)
    }


@pytest.mark.parametrize(("activation", "low"), [("sigmoid", 0), ("tanh", -1)])
def test_saturated_channels(activation, low):
    model = chain((4,), dense([-90, 0, 90, 0], activation=activation))
    x = rng.uniform(-1, 1, (50, 4))
    found = npf.dead_units(model, x)["dense"]
    assert found.saturated == (0, 2)
    assert found.dead == ()
    assert model.predict(x)[:, 0] == pytest.approx(low)


@pytest.mark.parametrize("given", ["array", "dict", "list", "generator"])
def test_any_batches_give_the_same(given):
    model = npf.load_model(DIGITS)
    x = rng.uniform(0, 255, (11, 32, 32, 1)).astype("float32")
    parts = [x[:4], x[4:5], x[5:]]
    seen = []
    found = npf.dead_units(
        model,
        {"array": x, "dict": {"picture": x}, "list": parts, "generator": iter(parts)}[given],
        batch_size=3,
        progress=seen.append,
    )
    trace = model.trace(x)
    assert found.samples == 11 == seen[-1] and len(seen) == (4 if given in ("array", "dict") else 3)
    assert list(found) == [address for address in trace if address != "picture"]
    for address, row in found.items():
        value = trace[address].reshape(-1, trace[address].shape[-1])
        assert len(row.dead) == trace.statistics[address].dead
        np.testing.assert_allclose(row.active, (value != 0).mean(axis=0), atol=1e-3)
        assert row.positions == len(value)


def test_channels_first():
    kernel = np.zeros((1, 1, 1, 3), "float32")
    kernel[..., 1] = 1
    config = {"filters": 3, "kernel_size": [1, 1], "data_format": "channels_first"}
    model = chain(
        (1, 5, 6), layer("Conv2D", config, kernel, ones(3) * 0), layer("ReLU", name="relu")
    )
    found = npf.dead_units(model, np.ones((2, 1, 5, 6)), "relu")
    assert found.dead == {"relu": (0, 2)} and found["relu"].positions == 60


def test_inner_values_and_selections():
    model = npf.load_model(FIXTURES / "models" / "rnn_zoo" / "model.keras")
    x = [rng.normal(size=(3, *(n or 5 for n in spec.shape[1:]))) for spec in model.inputs]
    names = [a for a in model.trace(x, inner=True) if a.endswith("gate")]
    found = npf.dead_units(model, [x, x], names)
    assert list(found) == names and found.samples == 6


@pytest.mark.parametrize(
    ("batches", "options", "error", "says"),
    [
        (np.ones((0, 4)), {}, BadInput, "there is no sample"),
        ([], {}, BadInput, "there is no sample"),
        (7, {}, BadInput, "batches is int"),
        (np.ones((2, 5)), {}, BadInput, "takes the shape"),
        (np.ones((2, 4)), {"threshold": -1}, BadInput, "threshold=-1"),
        (np.ones((2, 4)), {"threshold": np.nan}, BadInput, "threshold=nan"),
        (np.ones((2, 4)), {"batch_size": 0}, BadInput, "batch_size=0"),
        (np.ones((2, 4)), {"layers": "dnese"}, UnknownName, "dense"),
    ],
)
def test_mistakes(batches, options, error, says):
    with pytest.raises(error, match=says):
        npf.dead_units(chain((4,), dense([0] * 4)), batches, **options)


def test_channels_that_differ_between_batches():
    model = chain((None,), layer("ReLU", name="relu"))
    with pytest.raises(BadInput, match="4 channels for one batch and 5 for another"):
        npf.dead_units(model, [np.ones((2, 4)), np.ones((2, 5))])


def test_command_line(capsys):
    pictures = [str(DIGITS.parent / f"{name}.png") for name in ("seven", "three", "zero")]
    assert main(["dead", str(DIGITS), *pictures, "--layers", "conv*", "--batch", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("seven.png: 32x32") and "conv2" in out and "3 samples" in out
    assert main(["dead", str(DIGITS), *pictures, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["samples"] == 3 and len(told["values"]["digit"]["active"]) == 10
    assert main(["dead", str(DIGITS), *pictures, "--batch", "0"]) == 2
    assert main(["dead", str(DIGITS)]) == 2
    assert main(["dead", str(DIGITS), *pictures, "--layers", "nothing"]) == 2
