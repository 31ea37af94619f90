"""get_activations: Keract's keys and behaviours, and its traps decided on purpose."""

import numpy as np
import pytest
from cases import FIXTURES
from test_model import chain, dense, load

import npforward as npf
from npforward.graph import Graph, Layer, Node, Ref
from npforward.model import Model

X = np.ones((1, 4), "float32")


def nested_model():
    """i1 -> model(fc1, relu) -> block(fc1, relu) -> fc1"""

    def inner(name):
        nodes = (
            Node("in", Layer("in", "InputLayer", {"batch_shape": (None, 4), "dtype": "float32"})),
            Node("fc1", dense("fc1", 4, 4, use_bias=True), (Ref("in"),)),
            Node("relu", Layer("relu", "Activation", {"activation": "relu"}), (Ref("fc1"),)),
        )
        return Graph(name, "Functional", nodes, "in", Ref("relu"))

    nodes = (
        Node("i1", Layer("i1", "InputLayer", {"batch_shape": (None, 4), "dtype": "float32"})),
        Node("model", inner("model"), (Ref("i1"),)),
        Node("block", inner("block"), (Ref("model"),)),
        Node("fc1", dense("fc1", 4, 2, use_bias=True), (Ref("block"),)),
    )
    return Model(Graph("m", "Functional", nodes, "i1", Ref("fc1")))


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, ["i1", "model", "block", "fc1"]),
        ({"nested": True}, ["i1", "model/fc1", "model/relu", "block/fc1", "block/relu", "fc1"]),
        (
            {"output_format": "full"},
            ["i1:0", "model/relu/Relu:0", "block/relu/Relu:0", "fc1/BiasAdd:0"],
        ),
        (
            {"output_format": "full", "nested": True},
            [
                "i1:0",
                "model/fc1/BiasAdd:0",
                "model/relu/Relu:0",
                "block/fc1/BiasAdd:0",
                "block/relu/Relu:0",
                "fc1/BiasAdd:0",
            ],
        ),
        ({"output_format": "numbered"}, [0, 1, 2, 3]),
        ({"layer_names": "fc1"}, ["fc1"]),
        ({"layer_names": ["block", "fc1"]}, ["block", "fc1"]),
        ({"layer_names": ["block/fc1", "block/relu"], "nested": True}, ["block/fc1", "block/relu"]),
        ({"layer_names": ["block"], "output_format": "numbered"}, [0]),
        ({"layer_names": "i1"}, ["i1"]),
    ],
)
def test_keys(options, keys):
    assert list(npf.get_activations(nested_model(), X, **options)) == keys


def test_values_are_those_of_the_trace():
    model = nested_model()
    trace = model.trace(X)
    for key, value in npf.get_activations(model, X, nested=True).items():
        np.testing.assert_array_equal(value, trace[key])


def test_what_is_not_there():
    model = nested_model()
    with pytest.raises(KeyError, match=r"no layer 'unknown'.*Layers are: i1, model, block, fc1"):
        npf.get_activations(model, X, layer_names="unknown")
    with pytest.raises(ValueError, match="not both"):
        npf.get_activations(model, X, layer_names="fc1", nodes_to_evaluate=["fc1"])
    with pytest.raises(ValueError, match="empty"):
        npf.get_activations(model, X, nodes_to_evaluate=[])
    with pytest.raises(ValueError, match="output_format"):
        npf.get_activations(model, X, output_format="odd")


def test_a_hidden_layer_called_input_is_not_lost():
    model = chain(dense("input_norm", 4, 3), dense("out", 3, 2))
    assert list(npf.get_activations(model, X)) == ["x", "input_norm", "out"]


def test_arrays_are_the_callers_own():
    model = chain(Layer("same", "Identity"), Layer("also", "Dropout", {"rate": 0.5}))
    acts = npf.get_activations(model, X)
    acts["same"][:] = 5
    assert acts["also"].max() == 1
    assert X.max() == 1


def test_weights_as_nodes():
    model = chain(dense("fc0", 4, 3), dense("fc1", 3, 2))
    acts = npf.get_activations(
        model, X, nodes_to_evaluate=["fc0", "fc1/kernel:0", "fc1/bias:0", "fc1"]
    )
    assert list(acts) == ["fc0", "fc1/kernel:0", "fc1/bias:0", "fc1"]
    by_hand = acts["fc0"] @ acts["fc1/kernel:0"] + acts["fc1/bias:0"]
    np.testing.assert_allclose(by_hand, acts["fc1"], rtol=1e-6)


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_several_inputs_in_any_container(kind):
    model = load("siamese")
    arrays = {s.name: np.ones((1, *s.shape[1:])) for s in model.inputs}
    x = arrays if kind is dict else kind(arrays.values())
    acts = npf.get_activations(model, x)
    assert list(acts)[: len(arrays)] == list(arrays)


def test_a_second_call_has_a_key_of_its_own():
    model = load("siamese")
    arrays = [np.ones((1, *s.shape[1:])) for s in model.inputs]
    acts = npf.get_activations(model, arrays)
    assert {"encoder", "encoder@2"} <= set(acts)


@pytest.mark.parametrize("file", ["model.keras", "model.h5", "model_tf215.h5"])
def test_on_every_generation_of_files(file):
    model = npf.load_model(FIXTURES / "models" / "lenet" / file)
    acts = npf.get_activations(model, np.zeros((1, 28, 28, 1)))
    assert [v.shape[0] for v in acts.values()] == [1] * len(acts)
