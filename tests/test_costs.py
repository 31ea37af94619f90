"""Costs of models: hand-counted, known of famous networks, and as TensorFlow's profiler counts."""

import json
import math

import numpy as np
import pytest
from cases import FIXTURES
from made import chain

import npforward as npf
from npforward import ops
from npforward.cli import main
from npforward.costs import count
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.model import Model
from npforward.profile import samples
from npforward.tape import Tape

MODELS = FIXTURES / "models"
DIGITS, SEVEN = MODELS / "digits_cnn" / "model.keras", MODELS / "digits_cnn" / "seven.png"


def costs_of(name, **options):
    return npf.load_model(MODELS / name / "model.keras").costs(**options)


def unread():
    raise AssertionError("a weight is read")


def unread_layer(kind, config, *weights, name=None):
    """A layer with weights of these shapes, none of which can be read."""
    stored = tuple(Stored("w", tuple(w), np.dtype("float32"), unread) for w in weights)
    return Layer(name or kind.lower(), kind, config, stored)


def vgg16():
    layers, inward = [], 3

    def add(kind, config, *weights):
        layers.append(unread_layer(kind, config, *weights, name=f"layer{len(layers)}"))

    for filters, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            config = {"filters": filters, "kernel_size": [3, 3], "padding": "same",
                      "activation": "relu"}  # fmt: skip
            add("Conv2D", config, (3, 3, inward, filters), (filters,))
            inward = filters
        add("MaxPooling2D", {"pool_size": [2, 2], "strides": [2, 2]})
    add("Flatten", {})
    inward *= 7 * 7
    for units in (4096, 4096, 1000):
        add("Dense", {"units": units}, (inward, units), (units,))
        inward = units
    return chain((224, 224, 3), *layers)


def test_vgg16_is_as_known():
    found = vgg16().costs()
    assert found.parameters == 138_357_544
    assert found.macs == 15_470_264_320  # K. Simonyan and A. Zisserman (2015): 15.5 G
    assert found.weights == 4 * found.parameters
    # The first two layers' outputs, which are the largest.
    assert found.peak == 2 * 4 * 224 * 224 * 64
    assert 2 * found.macs < found.flops < 2.01 * found.macs


N = 4  # bytes


@pytest.mark.parametrize(
    ("address", "parameters", "macs", "flops", "activations"),
    [
        ("rescaling", 0, 0, 2 * 32 * 32, N * 32 * 32),  # x scale + offset
        ("conv1", 80, 30 * 30 * 8 * 9, 2 * 30 * 30 * 8 * 9 + 2 * 30 * 30 * 8, N * 30 * 30 * 8),
        ("pool1", 0, 0, 15 * 15 * 8 * 4, N * 15 * 15 * 8),
        ("conv2", 1168, 13 * 13 * 16 * 72, 13 * 13 * 16 * (2 * 72 + 2), N * 13 * 13 * 16),
        ("flatten", 0, 0, 0, 0),
        ("dense1", 18464, 576 * 32, 2 * 576 * 32 + 2 * 32, N * 32),
        ("digit", 330, 320, 2 * 320 + 10 + 10, N * 10),  # bias and softmax
    ],
)
def test_layers_counted_by_hand(address, parameters, macs, flops, activations):
    (row,) = [row for row in costs_of("digits_cnn").rows if row.address == address]
    assert (row.parameters, row.macs, row.flops, row.activations) == (
        *(parameters, macs, flops, activations),
    )


def test_costs_grow_with_the_batch_and_weights_do_not():
    one, five = costs_of("digits_cnn"), costs_of("digits_cnn", batch=5)
    for name in ("macs", "flops", "activations", "peak"):
        assert getattr(five, name) == 5 * getattr(one, name)
    assert (five.parameters, five.weights) == (one.parameters, one.weights)
    given = npf.load_model(DIGITS).costs(np.zeros((5, 32, 32, 1)))
    assert given.to_dict() == five.to_dict()


def test_a_loop_costs_its_step_as_often_as_it_runs():
    units, features, steps = 3, 5, 7
    model = chain(
        (None, features),
        unread_layer(
            "LSTM", {"units": units}, (features, 4 * units), (units, 4 * units), (4 * units,)
        ),
    )
    row = model.costs(np.zeros((1, steps, features))).rows[-1]
    assert row.macs == steps * 4 * units * (features + units)
    assert model.costs(np.zeros((2, 2 * steps, features))).rows[-1].macs == 4 * row.macs


@pytest.mark.parametrize(
    ("op", "arrays", "options", "macs", "flops"),
    [
        ("exp", [(3, 4)], {}, 0, 12),
        ("add", [(3, 1), (1, 4)], {}, 0, 12),
        ("sum", [(3, 4)], {"axis": 0}, 0, 12),
        ("reshape", [(3, 4)], {"shape": (12,)}, 0, 0),
        ("pad", [(3, 4)], {"widths": ((1, 1), (0, 0))}, 0, 0),
        ("matmul", [(6, 2, 5), (5, 3)], {}, 6 * 2 * 5 * 3, 2 * 6 * 2 * 5 * 3),
        ("einsum", [(2, 3, 4), (4, 5)], {"equation": "abc,cd->abd"}, 120, 240),
        ("conv", [(1, 6, 4), (3, 2, 8)], {"strides": (1,), "dilation": (1,), "groups": 2},
         4 * 8 * 3 * 2, 2 * 4 * 8 * 3 * 2),
        ("depthwise_conv", [(1, 6, 4), (3, 4, 2)], {"strides": (1,), "dilation": (1,)},
         4 * 8 * 3, 2 * 4 * 8 * 3),
        ("conv_transpose", [(1, 4, 2), (3, 5, 2)],
         {"shape": (1, 6, 5), "strides": (1,), "dilation": (1,)}, 4 * 2 * 3 * 5, 8 * 2 * 3 * 5),
        ("max_pool", [(1, 6, 2)], {"size": (2,), "strides": (2,)}, 0, 3 * 2 * 2),
    ],
)  # fmt: skip
def test_ops_counted_by_hand(op, arrays, options, macs, flops):
    tape = Tape()
    getattr(ops, op)(*(tape.var(shape, "float32") for shape in arrays), **options)
    assert count(tape.steps[0]) == (macs, flops)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/model.keras")), ids=lambda p: p.parent.name)
def test_totals_are_those_of_the_summary_and_of_a_trace(path):
    model = npf.load_model(path)
    summary, found = model.summary(), model.costs()
    assert (found.parameters, found.weights) == (summary.total, summary.nbytes)
    assert 0 < found.peak <= found.activations
    recording = model.recording(samples(model.inputs, 1))
    for row in found.rows:
        assert recording.values[row.address].shape == row.shape
        assert row.flops >= 2 * row.macs >= 0


def test_a_shortcut_is_kept_until_it_is_added():
    """x -> a -> b -> add(x, b): x, a and b are there together."""
    x = Node("x", Layer("x", "InputLayer", {"batch_shape": [None, 10]}))
    a = Node("a", Layer("a", "Activation", {"activation": "relu"}), (Ref("x"),))
    b = Node("b", Layer("b", "Activation", {"activation": "tanh"}), (Ref("a"),))
    both = Node("both", Layer("both", "Add"), ([Ref("x"), Ref("b")],))
    assert Model(Graph("m", "Functional", (x, a, b, both), "x", Ref("both"))).costs().peak == 120
    assert Model(Graph("m", "Functional", (x, a, b), "x", Ref("b"))).costs().peak == 80


def test_command_line(capsys):
    assert main(["costs", str(DIGITS), str(SEVEN), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["macs"] == sum(row["macs"] for row in told["rows"]) == 278_240
    assert told["files"][0].startswith("seven.png")
    assert main(["costs", str(DIGITS), "--batch", "2"]) == 0
    assert "total" in capsys.readouterr().out
    assert main(["costs", str(DIGITS), "--batch", "0"]) == 2
    assert main(["costs", str(DIGITS), str(SEVEN), "--batch", "2"]) == 2


def tensorflow_counts(model, shape):
    """Operations that TensorFlow's profiler finds in a Keras model."""
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    called = tf.function(lambda x: model(x, training=False))
    function = called.get_concrete_function(tf.TensorSpec(shape, "float32"))
    _, graph = convert_to_constants.convert_variables_to_constants_v2_as_graph(function)
    with tf.Graph().as_default() as whole:
        tf.graph_util.import_graph_def(graph, name="")
        v1 = tf.compat.v1
        options = v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
        found = v1.profiler.profile(whole, v1.RunMetadata(), cmd="op", options=options)
    return found.total_float_ops


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "macs"), [("MobileNetV2", 0.30e9), ("ResNet50", 3.9e9), ("DenseNet121", 2.85e9)]
)
def test_famous_networks_are_as_published_and_as_tensorflow_counts(name, macs, tmp_path):
    import keras

    model = getattr(keras.applications, name)(weights=None)
    model.save(tmp_path / "model.keras")
    found = npf.load_model(tmp_path / "model.keras").costs()
    assert found.parameters == model.count_params()
    assert math.isclose(found.macs, macs, rel_tol=0.02)
    # It counts products, biases and pools, but no relu.
    theirs = tensorflow_counts(model, (1, 224, 224, 3))
    assert 2 * found.macs < theirs < found.flops < 1.04 * theirs
