"""Where the first NaN or infinity arises: by op, place, operands, and in loops by time."""

import json

import numpy as np
import pytest
from cases import FIXTURES
from made import chain, layer, ones

import npforward as npf
from npforward import ops
from npforward.cli import main
from npforward.graph import Graph, Layer, Node, Ref
from npforward.model import Model
from npforward.profile import samples
from npforward.run import owner_of

MODELS = FIXTURES / "models"
DIGITS = MODELS / "digits_cnn" / "model.keras"


def operation(kind, **config):
    return layer(f"ops.{kind}", config, name=kind.lower())


X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], "float32")


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("Log", 0, "layer 'log' gives the first -Inf: log of 0 at [1, 2] (1 of 8 numbers)"),
        ("Log", -2, "layer 'log' gives the first NaN: log of -2 at [1, 2] (1 of 8 numbers)"),
        ("Sqrt", -4, "layer 'sqrt' gives the first NaN: sqrt of -4 at [1, 2]"),
        ("Exp", 120.5, "layer 'exp' gives the first Inf: exp of 120.5 at [1, 2]"),
        ("Reciprocal", 0, "layer 'reciprocal' gives the first Inf: reciprocal of 0 at [1, 2]"),
        ("Square", -1e30, "layer 'square' gives the first Inf: square of -1e+30 at [1, 2]"),
    ],
)
def test_functions_of_each_number_name_their_operand(kind, value, told):
    x = X.copy()
    x[1, 2] = value
    found = npf.first_nonfinite(chain((4,), operation(kind)), x)
    assert str(found).startswith(told)
    assert found.op == kind.lower() and found.index == (1, 2) and found.affected == 1 / 8
    assert found.operands[0].value == np.float32(value)
    assert (found.operands[0].min, found.operands[0].max) == (min(1, np.float32(value)), x.max())
    assert npf.first_nonfinite(chain((4,), operation(kind)), X) is None


def test_it_is_the_first_op_and_not_what_comes_of_it():
    model = chain((4,), layer("ReLU"), operation("Log"), operation("Exp"), operation("Sqrt"))
    found = npf.first_nonfinite(model, X - 3)
    assert (found.address, found.op, found.kind, found.index) == ("log", "log", "-Inf", (0, 0))
    assert found.count == 3 and found.affected == 0  # exp brings them back
    assert "0.0 % of the output" in str(found)


def test_a_product_says_what_it_took():
    wide = layer("Dense", {"units": 2}, 1e20 * ones(4, 2), ones(2))
    found = npf.first_nonfinite(chain((4,), wide), X * np.float32(1e19))
    assert (found.address, found.op, found.kind) == ("dense", "dense", "Inf")
    assert [o.shape for o in found.operands] == [(2, 4), (4, 2)]
    assert found.operands[0].max == np.float32(8e19) and found.operands[0].value is None
    assert "it took (2, 4) from 1e+19 to 8e+19" in str(found)


def test_an_input_or_a_weight_that_holds_it_is_named():
    kernel = ones(4, 2)
    model = chain((4,), layer("Dense", {"units": 2}, kernel, ones(2)))
    x = X.copy()
    x[1, 3] = np.inf
    found = npf.first_nonfinite(model, x)
    assert (found.source, found.address, found.kind, found.index) == ("input", "x", "Inf", (1, 3))
    assert found.affected == 0.5
    kernel[3, 1] = np.nan
    found = npf.first_nonfinite(model, X)
    assert (found.source, found.address, found.index) == ("weight", "dense/kernel", (3, 1))
    assert str(found).startswith("weight 'dense/kernel' itself holds NaN at [3, 1] (1 of 8")
    assert found.affected == 0.5


def test_in_a_loop_the_round_is_named():
    """h = 4 x + 1e10 h: the state grows beyond float32 in the fourth round after x came."""
    config = {"units": 1, "activation": "linear", "return_sequences": True, "use_bias": False}
    rnn = layer("SimpleRNN", config, 4 * ones(1, 1), 1e10 * ones(1, 1), name="rnn")
    x = np.zeros((2, 9, 1), "float32")
    x[1, 2] = 1
    found = npf.first_nonfinite(chain((None, 1), rnn), x)
    assert (found.address, found.time, found.index, found.kind) == ("rnn", 6, (1, 0), "Inf")
    assert "gives the first Inf in round 6 of its loop" in str(found)
    assert found.affected == 3 / 18


def test_a_border_of_infinities_is_not_told():
    pool = layer("MaxPooling1D", {"pool_size": [3], "strides": [1], "padding": "same"})
    model = chain((4, 1), pool)
    assert npf.first_nonfinite(model, X[..., None]) is None
    assert np.isfinite(model.predict(X[..., None])).all()


def lambdas(function):
    entered = Node("x", Layer("x", "InputLayer", {"batch_shape": [None, 4]}))
    own = Node("own", Layer("own", "Lambda", {"name": "own"}), (Ref("x"),))
    graph = Graph("m", "Functional", (entered, own), "x", Ref("own"))
    return Model(graph, custom_layers={"own": function})


@pytest.mark.parametrize(
    ("function", "op", "kind"),
    [
        (lambda x: ops.where(x > 2, x, -np.inf), "where", "-Inf"),  # gets into the output
        (lambda x: ops.exp(ops.where(x > 2, x, -np.inf)), None, None),
        (lambda x: ops.where(x > 2, x, -np.inf) * 0.0, "multiply", "NaN"),
        (lambda x: np.log(np.asarray(x) - 1), "step", "-Inf"),  # numpy's: one step
    ],
)
def test_infinities_of_a_layers_own(function, op, kind):
    with np.errstate(all="ignore"):
        found = npf.first_nonfinite(lambdas(function), X)
    if op is None:
        assert found is None
    else:
        assert found.kind == kind and found.address == "own"
        assert op in (found.op, "step")


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/model.keras")), ids=lambda p: p.parent.name)
def test_it_agrees_with_a_trace(path):
    """Of numbers too large for float32 it finds an infinity no later than a trace has one."""
    model = npf.load_model(path)
    x = samples(model.inputs, 2)
    assert npf.first_nonfinite(model, x) is None
    for name, array in x.items():
        if array.dtype.kind == "f":
            x[name] = array * np.float32(3e38)
    with npf.numpy_only():
        trace = npf.load_model(path).trace(x)
    wrong = [a for a, v in trace.items() if v.dtype.kind == "f" and not np.isfinite(v).all()]
    found = npf.first_nonfinite(model, x)
    if wrong:
        assert found is not None and found.source == "layer"
        order = list(trace)
        assert order.index(owner_of(found.address, order)) <= order.index(wrong[0])
    share = [np.isfinite(trace[a]).mean() < 1 for a in model.outputs if trace[a].dtype.kind == "f"]
    assert any(share) == (found is not None and found.affected > 0)


def test_command_line(tmp_path, capsys):
    x = np.zeros((2, 32, 32, 1), "float32")
    np.save(tmp_path / "fine.npy", x)
    x[1, 4, 5, 0] = np.nan
    np.save(tmp_path / "bad.npy", x)
    assert main(["nonfinite", str(DIGITS), str(tmp_path / "fine.npy")]) == 0
    assert "no NaN and no infinity" in capsys.readouterr().out
    assert main(["nonfinite", str(DIGITS), str(tmp_path / "bad.npy")]) == 1
    assert "input 'picture' itself holds NaN at [1, 4, 5, 0]" in capsys.readouterr().out
    assert main(["nonfinite", str(DIGITS), str(tmp_path / "bad.npy"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["first"]["address"] == "picture" and told["first"]["affected"] == 0.5
    assert main(["nonfinite", str(DIGITS), str(tmp_path / "fine.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first"] is None
    assert main(["nonfinite", str(DIGITS), str(tmp_path / "none.npy")]) == 2
