"""Keras 1's dialect: each step alone, before and after; layouts; what a file leaves unsaid."""

import json
import shutil

import h5py
import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.errors import UnsupportedLayer, WeightMismatch
from npforward.formats import keras1_dialect, keras2_dialect, keras_config, keras_dialects
from npforward.formats.keras_layouts import layout_of
from npforward.graph import Ref, Stored
from npforward.layers import LAYERS
from npforward.model import Model
from npforward.verify import difference

OLD = FIXTURES / "old"
STEPS = [
    (
        "dim_orderings",
        ("Sequential", {"layers": [
            {"class_name": "UpSampling2D", "config": {"size": [2, 2]}},
            {"class_name": "TimeDistributed", "config": {"layer": {
                "class_name": "Convolution2D", "config": {"dim_ordering": "th"}}}},
        ]}),
        ("Sequential", {"layers": [
            {"class_name": "UpSampling2D", "config": {"size": [2, 2], "dim_ordering": "th"}},
            {"class_name": "TimeDistributed", "config": {"layer": {
                "class_name": "Convolution2D", "config": {"dim_ordering": "th"}}}},
        ]}),
    ),
    (
        "dim_orderings",
        ("Model", {"layers": [{"class_name": "Cropping2D", "config": {}}]}),
        ("Model", {"layers": [{"class_name": "Cropping2D", "config": {"dim_ordering": "tf"}}]}),
    ),
    ("merge_modes", ("Merge", {"name": "m", "mode": "sum"}), ("Add", {"name": "m"})),
    ("merge_modes", ("Merge", {"mode": "mul", "dot_axes": -1}), ("Multiply", {})),
    ("merge_modes", ("Merge", {"mode": "ave"}), ("Average", {})),
    ("merge_modes", ("Merge", {"mode": "max"}), ("Maximum", {})),
    ("merge_modes", ("Merge", {"mode": "concat", "concat_axis": 2}), ("Concatenate", {"axis": 2})),
    ("merge_modes", ("Merge", {"mode": "dot", "dot_axes": [1, 2]}), ("Dot", {"axes": [1, 2]})),
    ("merge_modes", ("Merge", {"mode": "cos", "dot_axes": 1}),
     ("Merge", {"mode": "cos", "axes": 1})),
    (
        "merge_modes",
        ("Merge", {"mode": ["4wEAAA==", None, None], "mode_type": "lambda", "arguments": {"k": 2}}),
        ("Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAA=="}},
                    "arguments": {"k": 2}}),
    ),
    ("merge_modes", ("Merge", {"mode": "minus", "mode_type": "function"}),
     ("Lambda", {"function": "minus", "arguments": None})),
    ("kernel_size", ("Convolution1D", {"filter_length": 3}),
     ("Convolution1D", {"kernel_size": [3]})),
    (
        "kernel_size",
        ("Convolution3D", {"kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3}),
        ("Convolution3D", {"kernel_size": [1, 2, 3]}),
    ),
    ("kernel_size", ("mine", {"nb_row": 1, "nb_col": 2}), ("mine", {"nb_row": 1, "nb_col": 2})),
    (
        "border_widths",
        ("ZeroPadding2D", {"padding": {"top_pad": 1, "right_pad": 2}}),
        ("ZeroPadding2D", {"padding": [[1, 0], [0, 2]]}),
    ),
    ("border_widths", ("ZeroPadding2D", {"padding": [1, 2]}),
     ("ZeroPadding2D", {"padding": [1, 2]})),
    ("border_widths", ("ZeroPadding1D", {"padding": 3}), ("ZeroPadding1D", {"padding": 3})),
    (
        "output_size",
        ("Deconvolution2D", {"output_shape": [None, 3, 7, 8], "dim_ordering": "th"}),
        ("Deconvolution2D", {"output_shape": [7, 8], "dim_ordering": "th"}),
    ),
    ("normalization_mode", ("BatchNormalization", {"mode": 0}), ("BatchNormalization", {})),
    ("normalization_mode", ("BatchNormalization", {"mode": 1}), ("SamplewiseNormalization", {})),
    ("normalization_mode", ("BatchNormalization", {"mode": 2}), ("BatchwiseNormalization", {})),
    (
        "options",
        ("LSTM", {"output_dim": 2, "inner_activation": "sigmoid", "inner_init": "orthogonal",
                  "forget_bias_init": "one", "consume_less": "gpu", "dropout_W": 0.1,
                  "U_regularizer": None}),
        ("LSTM", {"units": 2, "recurrent_activation": "sigmoid",
                  "recurrent_initializer": "orthogonal", "bias_initializer": "one", "dropout": 0.1,
                  "recurrent_regularizer": None}),
    ),
    ("options", ("TimeDistributedDense", {"output_dim": 2, "bias": False}),
     ("Dense", {"units": 2, "use_bias": False})),
    ("options", ("Highway", {"transform_bias": -2, "init": "one"}),
     ("Highway", {"kernel_initializer": "one"})),
    ("options", ("MaxPooling1D", {"pool_length": 2, "stride": 1, "border_mode": "same"}),
     ("MaxPooling1D", {"pool_size": 2, "strides": 1, "padding": "same"})),
    ("options", ("UpSampling1D", {"length": 2}), ("UpSampling1D", {"size": 2})),
    ("options", ("Dropout", {"p": 0.5}), ("Dropout", {"rate": 0.5})),
    ("options", ("GaussianNoise", {"sigma": 0.5}), ("GaussianNoise", {"stddev": 0.5})),
    ("options", ("Embedding", {"output_dim": 3, "init": "uniform"}),
     ("Embedding", {"output_dim": 3, "embeddings_initializer": "uniform"})),
    ("options", ("mine", {"p": 1, "init": 2, "output_dim": 3}),
     ("mine", {"p": 1, "init": 2, "output_dim": 3})),
    ("data_format", ("Conv2D", {"data_format": "tf"}),
     ("Conv2D", {"data_format": "channels_last"})),
    ("sparse_input", ("InputLayer", {"sparse": True}), ("InputLayer", {"sparse": True})),
    ("theano_borders", ("AveragePooling2D", {"padding": "same"}),
     ("AveragePooling2D", {"padding": "theano>same"})),
    ("theano_borders", ("Conv2D", {"padding": "full"}), ("Conv2D", {"padding": "full"})),
    ("theano_borders", ("ConvLSTM2D", {"padding": "valid"}),
     ("ConvLSTM2D", {"padding": "valid", "recurrent_padding": "theano>same"})),
    ("theano_borders", ("LocallyConnected1D", {"padding": "same"}),
     ("LocallyConnected1D", {"padding": "same"})),
]  # fmt: skip


@pytest.mark.parametrize(("step", "before", "after"), STEPS)
def test_one_step(step, before, after):
    old, new = ({"class_name": kind, "config": config} for kind, config in (before, after))
    was = json.dumps(old)
    assert getattr(keras1_dialect, step)(old) == new
    assert json.dumps(old) == was  # steps are pure


KEPT = [
    ("Convolution2D", {"dim_ordering": "tf"}, None),
    ("Convolution2D", {"dim_ordering": "th"}, ["channels_first"]),
    ("AtrousConvolution1D", {}, ["conv1d"]),
    ("SeparableConvolution2D", {"dim_ordering": "th"}, ["channels_first"]),
    ("MaxPooling2D", {"dim_ordering": "th"}, None),
    ("LocallyConnected2D", {"dim_ordering": "th"}, None),
    ("LSTM", {"inner_activation": "sigmoid"}, ["lstm_gates"]),
    ("LSTM", {"inner_activation": "sigmoid", "consume_less": "gpu"}, None),
    ("LSTM", {"recurrent_activation": "sigmoid"}, None),  # of Keras 2
    ("GRU", {"inner_activation": "sigmoid", "consume_less": "mem"}, ["gru_gates"]),
    (
        "ConvLSTM2D",
        {"inner_activation": "sigmoid", "dim_ordering": "th"},
        ["channels_first", "lstm_gates"],
    ),
    ("Highway", {}, ["highway"]),
]


@pytest.mark.parametrize(("kind", "config", "layouts"), KEPT)
def test_how_arrays_were_kept(kind, config, layouts):
    found = keras1_dialect.arrays({"class_name": kind, "config": config})
    assert found.get("stored_as") == layouts


def test_every_old_class_and_option_has_one_of_today():
    for kind, names in keras1_dialect.OPTIONS.items():
        entry = {"class_name": kind, "config": {}}
        assert keras1_dialect.options(entry)["class_name"] in {*LAYERS, "InputLayer"}
        assert len(set(names)) == len(names)


def test_kernels_are_flipped_for_theano_alone():
    entry = {"class_name": "Convolution2D", "config": {"dim_ordering": "th", "border_mode": "same"}}
    tensorflow = keras_dialects.modern(entry, "1.2.2", "tensorflow")
    theano = keras_dialects.modern(entry, "1.2.2", "theano")
    assert tensorflow["stored_as"] == ["channels_first"]
    assert theano["stored_as"] == ["channels_first", "flipped"]
    assert (tensorflow["config"]["padding"], theano["config"]["padding"]) == ("same", "theano>same")


@pytest.mark.parametrize(("version", "padding"), [("1.1.1", "same"), ("1.1.2", "theano>same")])
def test_volumes_are_padded_as_by_theano_since_keras_1_1_2(version, padding):
    entry = {"class_name": "Convolution3D", "config": {"border_mode": "same"}}
    assert keras_dialects.modern(entry, version, "theano")["config"]["padding"] == padding


def test_a_file_does_not_say_how_its_arrays_are_kept():
    entry = {"class_name": "Dense", "config": {}, "stored_as": ["flipped"]}
    assert "stored_as" not in keras_dialects.modern(entry, "3.0.0")


def array(values):
    values = np.asarray(values, "float32")
    return Stored("a", values.shape, values.dtype, lambda: values)


def read(layouts, config, *arrays):
    """What a layer gets of these arrays; the shapes were known before."""
    found = layout_of(layouts, config).today([array(values) for values in arrays])
    for stored in found:
        assert stored.read().shape == stored.shape
    return [stored.read() for stored in found]


def test_layouts_move_axes_and_turn_kernels_over():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(4, 3, 2, 5)).astype("float32")
    bias = np.arange(4.0)
    moved, same = read(["channels_first", "flipped"], {}, kernel, bias)
    np.testing.assert_array_equal(moved[0, 1], kernel[:, :, 1, 3].T)
    np.testing.assert_array_equal(same, bias)
    (deconvolution,) = read(["deconvolution"], {}, kernel)
    np.testing.assert_array_equal(deconvolution, kernel.swapaxes(2, 3))


@pytest.mark.parametrize("shape", [(3, 1, 2, 4), (4, 2, 3, 1)])
def test_kernels_of_conv1d_had_two_forms(shape):
    kernel = np.arange(24.0).reshape(shape)
    (found,) = read(["conv1d"], {"kernel_size": [3], "filters": 4}, kernel)
    want = kernel[:, 0] if shape[1] == 1 else kernel[..., 0].transpose(2, 1, 0)
    np.testing.assert_array_equal(found, want)


def test_gates_are_put_in_todays_order():
    arrays = [np.full(shape, gate) for gate in range(4) for shape in ((2, 3), (3, 3), (3,))]
    for found in read(["lstm_gates"], {}, *arrays):
        np.testing.assert_array_equal(found[..., ::3].reshape(-1, 4)[0], [0, 2, 1, 3])
    for found in read(["gru_gates"], {}, *arrays[:9]):
        np.testing.assert_array_equal(found[..., ::3].reshape(-1, 3)[0], [0, 1, 2])


def test_biases_of_highway_came_behind_their_kernels_once():
    square, line = np.eye(2), np.ones(2)
    for arrays in ([square, 2 * square, line, 2 * line], [square, line, 2 * square, 2 * line]):
        found = read(["highway"], {}, *arrays)
        assert [float(a.flat[0]) for a in found] == [1, 2, 1, 2]
        assert [a.ndim for a in found] == [2, 2, 1, 1]


def test_a_standard_deviation_becomes_the_variance_that_gives_the_same():
    (found,) = read(["standard_deviation"], {"epsilon": 1e-3}, [0.5, 2.0])
    np.testing.assert_allclose(np.sqrt(found + 1e-3), [0.501, 2.001], rtol=1e-6)


@pytest.mark.parametrize(
    ("version", "backend", "expected"),
    [
        ("1.0.5", "tensorflow", True),
        ("1.0.6", "theano", True),
        ("1.0.6", "tensorflow", False),
        ("1.0.7", "theano", False),
        ("2.1.0", "tensorflow", False),
        ("", "", True),  # before 1.0.5 nothing said the version
    ],
)
def test_which_versions_kept_a_standard_deviation(version, backend, expected):
    steps = keras1_dialect.steps(version, backend)
    assert (keras1_dialect.standard_deviation in steps) is expected
    keras_2 = {"class_name": "BatchNormalization", "config": {"axis": -1}}
    assert keras1_dialect.standard_deviation(keras_2) == keras_2


# Models.


def dense(name, size=3, **more):
    config = {"name": name, "output_dim": size, "batch_input_shape": [None, 3], **more}
    return {"class_name": "Dense", "config": config}


def sequential(*layers):
    return {"class_name": "Sequential", "config": list(layers)}


def merge(*branches, **config):
    said = {"name": "m", "mode": "concat", "concat_axis": -1, "layers": list(branches), **config}
    return {"class_name": "Merge", "config": said}


def nodes(config):
    graph = keras_config.graph(config, version="1.2.2")
    return {node.address: node.args for node in graph.nodes}, graph


def test_branches_within_branches_are_side_by_side():
    inner = sequential(merge(sequential(dense("a")), sequential(dense("b"))), dense("c"))
    model = {"class_name": "Model", "config": {
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "i", "batch_input_shape": [None, 3]},
             "name": "i", "inbound_nodes": []},
            {**dense("d"), "name": "d", "inbound_nodes": [[["i", 0, 0]]]},
        ],
        "input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]],
    }}  # fmt: skip
    outer = sequential(merge({**inner, "config": [{**inner["config"][0]}, dense("c")]}, model))
    outer["config"][0]["config"]["name"] = "whole"
    found, graph = nodes(outer)
    assert found["m"] == ([Ref("a"), Ref("b")],)
    assert found["c"] == (Ref("m"),)
    assert found["d"] == (Ref("i"),)
    assert found["whole"] == ([Ref("c"), Ref("d")],)
    assert graph.inputs == ["a_input", "b_input", "i"]
    assert graph.outputs == Ref("whole")


def test_a_branch_twice_is_one_branch():
    branch = sequential(dense("a"))
    found, _ = nodes(sequential(merge(branch, branch), dense("b", 2)))
    assert found["m"] == ([Ref("a"), Ref("a")],)
    assert list(found) == ["a_input", "a", "m", "b"]


def test_a_layer_that_two_branches_share_is_called_twice():
    shared = {"class_name": "Dense", "config": {"name": "s", "output_dim": 3}}
    branches = [sequential(dense(name), shared) for name in "ab"]
    found, _ = nodes(sequential(merge(*branches)))
    assert found["m"] == ([Ref("s"), Ref("s@2")],)
    assert found["s@2"] == (Ref("b"),)


def test_a_merge_by_a_function_is_an_error_until_it_is_given():
    branches = [
        sequential({"class_name": "Dropout", "config": {"name": n, "batch_input_shape": [None, 3]}})
        for n in "ab"
    ]
    _, graph = nodes(sequential(merge(*branches, mode=["4w=="], mode_type="lambda")))
    x = [np.full((2, 3), n, "float32") for n in (5, 2)]
    with pytest.raises(UnsupportedLayer, match=r"'m'.*never taken from a file.*custom_layers"):
        Model(graph).trace(x)
    given = Model(graph, custom_layers={"m": lambda inputs: inputs[0] - inputs[1]})
    np.testing.assert_array_equal(given.predict(x), np.full((2, 3), 3))


def test_directions_repeat_masked_steps_in_keras_1():
    entry = {"class_name": "Bidirectional", "config": {}}
    for version, repeats in (("1.2.2", True), ("2.2.4-tf", False), ("2.15", False)):
        config = keras_dialects.modern(entry, version)["config"]
        assert (config.get("zero_output_for_mask") is False) is repeats


# Files.


def test_names_without_a_number_are_of_theano(tmp_path):
    folder = OLD / "keras-1.2.2-theano"
    with h5py.File(folder / "convnet_tf.h5") as file:
        assert "backend" not in file.attrs
    with np.load(folder / "convnet_tf.npz") as golden:
        x, want = next(golden[k] for k in golden if "inputs/" in k), golden["convolution2d_1"]
    model = npf.load_model(folder / "convnet_tf.h5")
    assert difference(model.trace(x)["convolution2d_1"], want).within
    other = npf.load_model(folder / "convnet_tf.h5", backend="tensorflow")
    assert not difference(other.trace(x)["convolution2d_1"], want).within


def test_gates_of_other_shapes_are_an_error_that_names_the_layer(tmp_path):
    path = tmp_path / "text.h5"
    shutil.copy(OLD / "keras-1.2.2-tensorflow" / "text.h5", path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/bidirectional_1"]
        name = group.attrs["weight_names"][3].decode()
        del group[name]
        group[name] = np.zeros((3, 5), "float32")
    with pytest.raises(WeightMismatch, match=r"forward_lstm_1.*gates should be alike"):
        npf.load_model(path).predict(np.zeros((2, 6), "int32"))


def test_too_few_arrays_are_an_error_that_names_the_layer(tmp_path):
    path = tmp_path / "frames.h5"
    shutil.copy(OLD / "keras-1.2.2-theano" / "frames.h5", path)
    with h5py.File(path, "a") as file:
        attributes = file["model_weights/convlstm2d_1"].attrs
        attributes["weight_names"] = attributes["weight_names"][:11]
    with pytest.raises(WeightMismatch, match=r"convlstm2d_1.*kept in 12 arrays.*stores 11"):
        npf.load_model(path).predict(np.zeros((2, 3, 2, 5, 4), "float32"))


def test_a_sequential_inside_has_the_name_that_the_weights_have():
    config = {"class_name": "Sequential", "config": [sequential(dense("a")), dense("b")]}
    named = keras2_dialect.named_layers(config, ["inner", "b"])
    assert [layer.get("name") for layer in named["config"]] == ["inner", None]
    assert keras2_dialect.named_layers(config, ["b"]) == config
    assert list(nodes(named)[0])[1:] == ["inner", "b"]
    assert list(nodes(config)[0])[1:] == ["sequential", "b"]


def test_a_sequential_behind_a_merge_has_the_name_that_the_weights_have():
    branches = [sequential(dense("a"), dense("b")), sequential(dense("c"))]
    config = sequential(merge(*branches), sequential(dense("d")), dense("e"))
    named = keras2_dialect.named_layers(config, ["a", "b", "c", "inner", "e"])
    assert list(nodes(named)[0])[-2:] == ["inner", "e"]


def test_a_layer_that_is_met_before_its_calls():
    dense = {"class_name": "Dense", "name": "a", "config": {}}
    for before in ({}, {"inbound_nodes": 3}):
        layers = {"a": {**dense, **before}}
        assert keras1_dialect._call(dense, ["x", 0, 0], layers) == ["a", 0, 0]
        assert layers["a"]["inbound_nodes"] == [["x", 0, 0]]
