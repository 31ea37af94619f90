"""Loops that run as one kernel, and sums in place: the same values as step by step."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Case, case_names

from npforward import kernels, ops
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.model import Model
from npforward.run.fusion import in_passing, in_place
from npforward.tape import Tape

rng = np.random.default_rng(11)
GATES = {"LSTM": 4, "GRU": 3}


def weight(name, *shape):
    array = rng.normal(size=shape).astype("float32")
    return Stored(name, shape, array.dtype, lambda: array)


def recurrent(type_, units=5, features=3, **config):
    wide = GATES[type_] * units
    arrays = [weight("kernel", features, wide), weight("recurrent_kernel", units, wide)]
    if config.get("use_bias", True):
        arrays.append(weight("bias", *((2,) if type_ == "GRU" else ()), wide))
    config = {"name": "rnn", "units": units, "return_sequences": True, **config}
    return Layer("rnn", type_, config, tuple(arrays))


def model(layer, *before):
    entered = Layer("x", "InputLayer", {"batch_shape": (None, None, 3), "dtype": "float32"})
    nodes = [Node("x", entered)]
    for one in (*before, layer):
        nodes.append(Node(one.name, one, (Ref(nodes[-1].address),)))
    return Model(Graph("made", "Functional", tuple(nodes), "x", Ref(nodes[-1].address)))


X = rng.normal(size=(4, 6, 3)).astype("float32")
X[2, 4:] = 0


@pytest.fixture
def calls(monkeypatch):
    """The names of the whole loops that ran, of the numpy references."""
    monkeypatch.setenv("NPFORWARD_KERNELS", "numpy")
    found = []
    for name in ("lstm", "gru"):
        kernel = getattr(kernels, name)

        def spy(*args, name=name, kernel=kernel):
            found.append(name)
            return kernel(*args)

        monkeypatch.setattr(kernels, name, spy)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"use_bias": False}, {"go_backwards": True}, {"return_sequences": False}],
    ids=str,
)
@pytest.mark.parametrize("type_", GATES)
def test_a_loop_as_one_call_gives_what_its_steps_give(type_, options, dtype, calls):
    made = model(recurrent(type_, **options)).astype(dtype)
    whole = made.trace(X)["rnn"]
    assert calls == [type_.lower()]
    by_step = made.trace(X, inner=True)
    assert len(calls) == 1, "inner values need the steps"
    assert "rnn:hidden" in by_step
    np.testing.assert_allclose(whole, by_step["rnn"], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("type_", "options"),
    [
        ("LSTM", {"activation": "relu"}),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("GRU", {"activation": "sigmoid"}),
        ("GRU", {"reset_after": False, "use_bias": False}),
    ],
    ids=str,
)
def test_other_loops_stay_with_their_steps(type_, options, calls):
    made = model(recurrent(type_, **options))
    y = made.trace(X)["rnn"]
    assert calls == []
    np.testing.assert_array_equal(y, made.trace(X, inner=True)["rnn"])


@pytest.mark.parametrize("type_", GATES)
def test_a_masked_loop_stays_with_its_steps(type_, calls):
    masking = Layer("masking", "Masking", {"name": "masking", "mask_value": 0.0})
    layer = recurrent(type_)
    y = model(layer, masking).trace(X)["rnn"]
    assert calls == []
    np.testing.assert_array_equal(y[2, 4], y[2, 3])
    np.testing.assert_allclose(y[[0, 1, 3]], model(layer).trace(X[[0, 1, 3]])["rnn"], rtol=1e-5)


def test_genuine_cases_run_as_one_call(calls):
    case = Case(next(name for name in case_names() if name.startswith("LSTM/")))
    Model(case.graph).trace(case.inputs)
    assert calls == ["lstm"]


def test_only_what_nothing_else_sees_is_written_over():
    tape = Tape()
    x, w, b = tape.var((2, 3), "float32"), tape.var((3, 4), "float32"), tape.var((4,), "float32")
    alone, shared = ops.dense(x, w), ops.dense(x, w)
    view = ops.reshape(shared, shape=(4, 2))
    y, z = alone + b, shared + b
    passing = in_passing(tape.steps)
    assert passing == {alone}
    chosen = {s.out: in_place(s, passing) for s in tape.steps}
    assert [out for out, function in chosen.items() if function] == [y]
    assert view not in passing
    assert z not in passing


def test_a_product_that_grows_is_not_written_over():
    tape = Tape()
    x, w, b = tape.var((1, 3), "float32"), tape.var((3, 4), "float32"), tape.var((2, 4), "float32")
    ops.dense(x, w) + b
    assert in_place(tape.steps[-1], in_passing(tape.steps)) is None
