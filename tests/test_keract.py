"""get_activations: Keract's keys and behaviours, and its traps decided on purpose."""

import functools
import inspect

import numpy as np
import pytest
from cases import FIXTURES
from test_model import chain, dense, load

import npforward as npf
from npforward import keract
from npforward.errors import NotDifferentiable
from npforward.graph import Graph, Layer, Node, Ref
from npforward.model import Model
from npforward.verify import difference

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


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("dense", {"i1": (4, 10), "fc1": (4, 16), "drop": (4, 16), "out": (4, 1)}),
        (
            "two_inputs",
            {"a": (4, 10), "b": (4, 10), "fc": (4, 10), "both": (4, 10), "last_layer": (4, 1)},
        ),
        (
            "two_outputs",
            {"a": (4, 10), "b": (4, 10), "both": (4, 10), "o1": (4, 1), "o2": (4, 2)},
        ),
        (
            "nested",
            {"net_in": (4, 16, 16, 1), "subnet": (4, 4, 4, 12), "flatten": (4, 192), "out": (4, 1)},
        ),
        (
            "wrapped",
            {"input": (4, 2, 3), "timedistributed": (4, 2, 1), "out": (4, 2, 1)},
        ),
    ],
)
def test_layers_and_shapes(name, shapes):
    found = npf.get_activations(compiled(name), golden(name)[0])
    assert [(key, value.shape) for key, value in found.items()] == list(shapes.items())


def test_a_model_in_a_model():
    model, x = compiled("nested"), golden("nested")[0]
    assert "subnet/conv2d" not in npf.get_activations(model, x)
    nested = npf.get_activations(model, x, nested=True)
    inner = ["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1"]
    assert list(nested) == ["net_in", *(f"subnet/{name}" for name in inner), "flatten", "out"]


def test_a_layer_of_several_outputs_gives_a_list():
    found = npf.get_activations(compiled("recurrent"), golden("recurrent")[0], layer_names="lstm")
    assert [array.shape for array in found["lstm"]] == [(4, 9, 5), (4, 5), (4, 5)]


def test_a_model_within_time_distributed():
    model, x = compiled("wrapped"), golden("wrapped")[0]
    found = npf.get_activations(model, x, layer_names=["timedistributed"], nested=True)
    assert list(found) == ["timedistributed"]


def test_inputs_go_in_the_order_of_the_model():
    sizes = {"i1": 10, "i4": 40, "i3": 30, "i2": 20}
    nodes = [
        Node(name, Layer(name, "InputLayer", {"batch_shape": (None, n), "dtype": "float32"}))
        for name, n in sizes.items()
    ]
    refs = [Ref(name) for name in sizes]
    nodes.append(Node("concat", Layer("concat", "Concatenate", {"axis": -1}), (refs,)))
    order = ["i4", "i3", "i2", "i1"]
    model = Model(Graph("m", "Functional", tuple(nodes), order, Ref("concat")))
    found = npf.get_activations(model, [np.ones((1, sizes[name])) for name in order])
    assert {key: value.shape[1] for key, value in found.items()} == sizes | {"concat": 100}
    assert list(found)[:4] == order


@pytest.mark.parametrize("auto_compile", [True, False])
@pytest.mark.parametrize("name", ["vgg16", "any"])
def test_nothing_needs_to_be_compiled(auto_compile, name):
    graph = nested_model().graph
    model = Model(Graph(name, graph.type, graph.nodes, graph.inputs, graph.outputs))
    assert list(npf.get_activations(model, X, auto_compile=auto_compile)) == [
        "i1", "model", "block", "fc1",
    ]  # fmt: skip


# ---- gradients: `weights_fixtures/make/keract.py` says what genuine Keras computed ------------

GOLDEN = sorted(path.stem for path in (FIXTURES / "keract").glob("*.npz"))


@functools.cache
def golden(name):
    """The inputs, the targets, and the gradients for activations and weights."""
    with np.load(FIXTURES / "keract" / f"{name}.npz") as arrays:
        found = dict(arrays)

    def part(head):
        return {k.removeprefix(head): v for k, v in found.items() if k.startswith(head)}

    x, y = list(part("x/").values()), list(part("y/").values())
    one = [a[0] if len(a) == 1 else a for a in (x, y)]
    return *one, part("activation/"), part("weight/")


def compiled(name, ending="keras"):
    return npf.load_model(FIXTURES / "keract" / f"{name}.{ending}")


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", GOLDEN)
def test_gradients_of_activations_are_keras_s(name, ending):
    x, y, expected, _ = golden(name)
    model = compiled(name, ending)
    found = npf.get_gradients_of_activations(model, x, y)
    nested = npf.get_gradients_of_activations(model, x, y, nested=True)
    assert set(found) | set(nested) == {key.split("#")[0] for key in expected}
    for key, gradient in {**found, **nested}.items():
        each = gradient if isinstance(gradient, list) else [gradient]
        for number, array in enumerate(each):
            at = key + (f"#{number}" if number else "")
            assert difference(array, expected[at]).within, at


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", GOLDEN)
def test_gradients_of_weights_are_keras_s(name, ending):
    x, y, _, expected = golden(name)
    found = npf.get_gradients_of_trainable_weights(compiled(name, ending), x, y)
    # Keras 3 puts a Sequential's own name before its weights', TensorFlow's Keras did not; neither
    # says where in a model the layers of a nested one stand.
    for (key, gradient), (path, known) in zip(found.items(), expected.items(), strict=True):
        assert f"/{key}".endswith(f"/{path.removeprefix(f'{name}/')}:0")
        assert difference(gradient, known).within


@pytest.mark.parametrize("name", GOLDEN)
def test_gradients_have_the_keys_and_shapes_of_activations(name):
    x, y, *_ = golden(name)
    model = compiled(name)
    inputs = [spec.name for spec in model.inputs]
    for nested in (False, True):
        acts = npf.get_activations(model, x, nested=nested)
        found = npf.get_gradients_of_activations(model, x, y, nested=nested)
        assert list(found) == [key for key in acts if key not in inputs]
        for key, gradient in found.items():
            shapes = [np.shape(a) for a in gradient] if isinstance(gradient, list) else 0
            known = acts[key]
            assert shapes == ([np.shape(a) for a in known] if isinstance(known, list) else 0)
            assert shapes or gradient.shape == known.shape


Y = np.ones((1, 2), "float32")


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, ["model", "block", "fc1"]),
        ({"nested": True}, ["model/fc1", "model/relu", "block/fc1", "block/relu", "fc1"]),
        ({"output_format": "full"}, ["model/relu/Relu:0", "block/relu/Relu:0", "fc1/BiasAdd:0"]),
        ({"output_format": "numbered"}, [0, 1, 2]),
        ({"output_format": "numbered", "layer_names": ["block", "fc1"]}, [0, 1]),
        ({"layer_names": "fc1"}, ["fc1"]),
        ({"layer_names": "block/fc1", "nested": True}, ["block/fc1"]),
    ],
)
def test_keys_of_gradients(options, keys):
    model = nested_model()
    assert list(npf.get_gradients_of_activations(model, X, Y, loss="mse", **options)) == keys


def test_names_of_variables():
    found = npf.get_gradients_of_trainable_weights(nested_model(), X, Y, loss="mse")
    assert list(found) == [
        f"{at}fc1/{weight}:0" for at in ("model/", "block/", "") for weight in ("kernel", "bias")
    ]


def test_a_name_is_the_whole_name():
    model = chain(dense("fc10", 4, 3), dense("fc1", 3, 2))
    found = npf.get_gradients_of_activations(model, X, Y, layer_names="fc10", loss="mse")
    assert list(found) == ["fc10"]
    with pytest.raises(KeyError, match="no layer 'fc'"):
        npf.get_gradients_of_activations(model, X, Y, layer_names="fc", loss="mse")


def test_three_levels_deep_every_key_is_another():
    def wrapped(name, inside):
        start = Layer("in", "InputLayer", {"batch_shape": (None, 4), "dtype": "float32"})
        nodes = (Node("in", start), Node(inside.name, inside, (Ref("in"),)))
        return Graph(name, "Functional", nodes, "in", Ref(inside.name))

    inner = [wrapped("block", wrapped("cell", dense("fc", 4, 4))) for _ in range(2)]
    model = chain(wrapped("left", inner[0]), wrapped("right", inner[1]))
    keys = ["left/block/cell/fc", "right/block/cell/fc"]
    assert list(npf.get_activations(model, X, nested=True)) == ["x", *keys]
    y = np.ones((1, 4))
    assert list(npf.get_gradients_of_activations(model, X, y, nested=True, loss="mse")) == keys
    weights = npf.get_gradients_of_trainable_weights(model, X, y, loss="mse")
    assert list(weights) == [f"{key}/{w}:0" for key in keys for w in ("kernel", "bias")]


def test_what_the_loss_does_not_depend_on_has_zeros():
    (a, b), (y1, _), expected, _ = golden("two_outputs")
    model = compiled("two_outputs")
    losses = {"o1": model.loss["o1"]}
    found = npf.get_gradients_of_activations(model, [a, b], {"o1": y1}, loss=losses)
    assert not found["o2"].any() and found["o2"].shape == (4, 2)
    assert difference(found["o1"], expected["o1"]).within
    weights = npf.get_gradients_of_trainable_weights(model, [a, b], {"o1": y1}, loss=losses)
    assert not weights["o2/kernel:0"].any() and weights["o1/kernel:0"].any()
    with pytest.raises(ValueError, match="path"):
        npf.get_gradients_of_activations(model, [a, b], {"o1": y1}, layer_names="o2", loss=losses)


def test_before_what_has_no_derivative_there_is_nothing():
    model = chain(
        dense("fc", 4, 3),
        Layer("whole", "ops.Argmax", {"axis": -1, "keepdims": True}),
        Layer("half", "Rescaling", {"scale": 0.5, "offset": 0.0}),
    )
    y = np.ones((1, 1))
    assert list(npf.get_gradients_of_activations(model, X, y, loss="mse")) == ["half"]
    assert list(npf.get_gradients_of_trainable_weights(model, X, y, loss="mse")) == []
    with pytest.raises(NotDifferentiable):
        npf.get_gradients_of_activations(model, X, y, layer_names="fc", loss="mse")


def test_frozen_weights_are_left_out():
    model = chain(dense("fc0", 4, 3, trainable=False), dense("fc1", 3, 2))
    found = npf.get_gradients_of_trainable_weights(model, X, Y, loss="mse")
    assert list(found) == ["fc1/kernel:0", "fc1/bias:0"]


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_gradients_of_several_inputs_in_any_container(kind):
    arrays, y, _, expected = golden("two_inputs")
    x = dict(zip("ab", arrays, strict=True)) if kind is dict else kind(arrays)
    found = npf.get_gradients_of_trainable_weights(compiled("two_inputs"), x, y)
    assert difference(found["fc/kernel:0"], expected["fc/kernel"]).within


def test_gradients_are_the_callers_own():
    x, y, *_ = golden("dense")
    before = x.copy(), y.copy()
    model = compiled("dense")
    for get in (npf.get_gradients_of_activations, npf.get_gradients_of_trainable_weights):
        first = get(model, x, y)
        for array in first.values():
            array[...] = 7
        assert not any((array == 7).all() for array in get(model, x, y).values())
    assert (x == before[0]).all() and (y == before[1]).all()


def test_an_input_has_no_gradient_here():
    with pytest.raises(ValueError, match="'i1' is an input"):
        npf.get_gradients_of_activations(nested_model(), X, Y, layer_names="i1", loss="mse")


def test_without_a_loss_it_must_be_given():
    for get in (npf.get_gradients_of_activations, npf.get_gradients_of_trainable_weights):
        with pytest.raises(ValueError, match="give loss='mse'"):
            get(nested_model(), X, Y)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("my_loss", "my_loss"),
        ({"module": "train", "class_name": "Mine", "config": {}}, "Mine"),
        ({"class_name": "__lambda__", "config": {"code": "4wEA"}}, "__lambda__"),
        ({"fc1": {"class_name": "function", "config": "theirs"}}, "theirs"),
    ],
)
def test_a_loss_of_the_users_is_named(said, name):
    graph = nested_model().graph
    model = Model(
        Graph(graph.name, graph.type, graph.nodes, graph.inputs, graph.outputs, loss=lambda: said)
    )
    with pytest.raises(KeyError, match=rf"{name}.*Give loss=\.\.\."):
        npf.get_gradients_of_trainable_weights(model, X, Y)
    given = npf.get_gradients_of_trainable_weights(model, X, Y, loss=lambda t, p: (t - p) ** 2)
    assert len(given) == 6


def test_signatures_are_keracts():
    defaults = {"layer_names": None, "output_format": "simple", "nested": False}
    known = {
        "get_activations": {"model": ..., "x": ..., "layer_names": None, "nodes_to_evaluate": None,
                            "output_format": "simple", "nested": False, "auto_compile": True},
        "get_gradients_of_activations": {"model": ..., "x": ..., "y": ..., **defaults},
        "get_gradients_of_trainable_weights": {"model": ..., "x": ..., "y": ...},
        "display_gradients_of_trainable_weights": {"gradients": ..., "directory": ".",
                                                   "save": False},
        "persist_to_json_file": {"activations": ..., "filename": ...},
        "load_activations_from_json_file": {"filename": ...},
    }  # fmt: skip
    for name, expected in known.items():
        found = inspect.signature(getattr(keract, name)).parameters
        assert getattr(npf, name) is getattr(keract, name)
        stated = {k: ... if p.default is p.empty else p.default for k, p in found.items()}
        stated.pop("loss", None)  # ours, and last
        assert list(stated.items()) == list(expected.items())


def test_a_loss_with_options_as_keras_writes_it():
    x, y, *_ = golden("two_inputs")
    model = compiled("two_inputs")
    spec = {"class_name": "Huber", "config": {"delta": 0.2, "reduction": "sum"}}
    found = npf.get_gradients_of_trainable_weights(model, x, y, loss=spec)
    assert npf.get_gradients_of_trainable_weights(model, x, y)["fc/bias:0"].shape == (10,)
    y_pred = model.predict(x)
    slope = np.clip(y_pred - y, -0.2, 0.2) * y_pred * (1 - y_pred)
    np.testing.assert_allclose(found["last_layer/bias:0"], slope.sum(axis=0), rtol=1e-5)


def test_values_inside_layers_as_nodes():
    model, x = compiled("recurrent"), golden("recurrent")[0]
    found = npf.get_activations(model, x, nodes_to_evaluate=["lstm:forget_gate", "class/kernel:0"])
    assert [array.shape for array in found.values()] == [(4, 9, 5), (18, 3)]
