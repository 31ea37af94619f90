"""The tape: fan-out, sharing, long chains, several outputs, what is not walked."""

import numpy as np
import pytest
from walking import replayed, walked_back

from npforward import ops
from npforward.errors import NotDifferentiable
from npforward.inner import tap
from npforward.ops.registry import op
from npforward.tape import OPS, Tape


def replay(tape, start):
    return replayed(tape.steps, start)


def test_fan_out_sums_gradients():
    tape = Tape()
    x = tape.var((), "float64")
    y = x * x + x * 3.0
    values = replay(tape, {x: np.float64(2.0)})
    assert walked_back(tape, values, {y: np.float64(1.0)}, [x])[x] == 7.0


def test_long_chain_does_not_recurse():
    tape = Tape()
    x = tape.var((), "float64")
    y = x
    for _ in range(5000):
        y = y * 1.0001
    values = replay(tape, {x: np.float64(1.0)})
    grad = walked_back(tape, values, {y: np.float64(1.0)}, [x])[x]
    assert grad == pytest.approx(1.0001**5000)


def test_gradients_of_inner_values_come_from_the_same_walk():
    tape = Tape()
    x = tape.var((2,), "float64")
    h = ops.square(x)
    y = ops.exp(h)
    values = replay(tape, {x: np.array([0.5, 1.0])})
    grads = walked_back(tape, values, {y: np.ones(2)}, [x, h])
    np.testing.assert_allclose(grads[h], np.exp([0.25, 1.0]))
    np.testing.assert_allclose(grads[x], grads[h] * [1.0, 2.0])


def test_what_the_result_does_not_depend_on_gets_zeros():
    tape = Tape()
    x, z = tape.var((2,), "float32"), tape.var((3,), "float32")
    y = x * 2.0
    values = replay(tape, {x: np.ones(2, "float32"), z: np.ones(3, "float32")})
    grads = walked_back(tape, values, {y: np.ones(2, "float32")}, [z])
    assert grads[z].dtype == "float32"
    assert not grads[z].any()


def test_only_a_path_that_is_wanted_must_be_differentiable():
    tape = Tape()
    x, z = tape.var((2,), "float64"), tape.var((2,), "float64")
    mask = z > 0.0
    y = ops.where(mask, x, 0.0)
    values = replay(tape, {x: np.ones(2), z: np.array([1.0, -1.0])})
    grads = walked_back(tape, values, {y: np.ones(2)}, [x])
    assert grads[x].tolist() == [1.0, 0.0]


def test_an_op_without_derivative_is_named():
    @op(None)
    def round_in_test(x):
        return np.round(x)

    del OPS["round_in_test"]
    tape = Tape()
    x = tape.var((2,), "float64")
    y = round_in_test(x)
    values = replay(tape, {x: np.ones(2)})
    with pytest.raises(NotDifferentiable, match="round_in_test"):
        walked_back(tape, values, {y: np.ones(2)}, [x])


def test_several_outputs():
    @op(
        lambda g, y, x: np.concatenate(g),
        shape=lambda x: [(x.shape[0] // 2,), (x.shape[0] // 2,)],
    )
    def halves_in_test(x):
        return tuple(np.split(x, 2))

    del OPS["halves_in_test"]
    tape = Tape()
    x = tape.var((4,), "float64")
    a, _ = halves_in_test(x)
    y = a * 3.0
    values = replay(tape, {x: np.arange(4.0)})
    grads = walked_back(tape, values, {y: np.ones(2)}, [x])
    assert grads[x].tolist() == [3.0, 3.0, 0.0, 0.0]


def test_an_array_without_data_has_no_truth():
    with pytest.raises(TypeError, match="truth"):
        bool(Tape().var((), "float32"))


def test_taps_are_named_in_the_scope_of_their_layer():
    tape = Tape(scope="conv1")
    x = tape.var((2,), "float32")
    assert tap("pre", x) is x
    assert tape.taps == {"conv1:pre": x}


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b - a * b / b,
        lambda a, b: a**2.0 // b + 7.0 % b + 2.0**a,
        lambda a, b: (a @ b) @ np.ones((2, 2)) + np.ones((2, 2)) @ a,
        lambda a, b: (a < b) & (a <= 1.0) | ~(a > b) ^ (a >= b),
        lambda a, b: (a == b) | (a != 1.0),
        lambda a, b: abs(-a),
    ],
)
def test_operators_mean_what_they_mean_on_arrays(f):
    a, b = np.array([[1.0, 2.5], [-1.0, 3.0]]), np.array([[2.0, 2.5], [1.0, 4.0]])
    tape = Tape()
    x, z = tape.var((2, 2), "float64"), tape.var((2, 2), "float64")
    y = f(x, z)
    np.testing.assert_allclose(replay(tape, {x: a, z: b})[y], f(a, b))
    assert {x: 1}[x] == 1
