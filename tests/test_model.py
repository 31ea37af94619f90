"""The public door: predict, trace, selections, inputs, layers, weights, summary, precision."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.errors import (
    BadFile,
    BadInput,
    LimitExceeded,
    UnknownName,
    UnsupportedLayer,
    UnsupportedOption,
    WeightMismatch,
)
from npforward.formats import keras_config
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.model import Model
from npforward.verify import difference

rng = np.random.default_rng(5)


def load(name, file="model.keras"):
    return npf.load_model(FIXTURES / "models" / name / file)


def stored(name, array):
    return Stored(name, array.shape, array.dtype, lambda: array)


def dense(name, c, units, **config):
    kernel = rng.normal(size=(c, units)).astype("float32")
    arrays = (stored(f"{name}/kernel", kernel), stored(f"{name}/bias", np.ones(units, "float32")))
    return Layer(name, "Dense", {"name": name, "units": units, **config}, arrays)


def chain(*layers, shape=(None, 4), type_="Functional"):
    """A model of layers one after another."""
    entered = Layer("x", "InputLayer", {"batch_shape": shape, "dtype": "float32"})
    nodes = [Node("x", entered)]
    for layer in layers:
        nodes.append(Node(layer.name, layer, (Ref(nodes[-1].address),)))
    return Model(Graph("chain", type_, tuple(nodes), "x", Ref(nodes[-1].address)))


X = np.ones((3, 4), "float32")


# ---- predict and trace ---------------------------------------------------------------------------


def test_batches_give_the_same():
    model, x = load("residual_bn"), rng.random((5, *load("residual_bn").inputs[0].shape[1:]))
    np.testing.assert_allclose(model.predict(x), model.predict(x, batch_size=2), rtol=1e-5)


@pytest.mark.parametrize("n", [0, 1])
def test_any_number_of_samples(n):
    model = load("lenet")
    shape = model.inputs[0].shape[1:]
    assert model.predict(np.zeros((n, *shape))).shape == (n, 10)
    assert all(len(value) == n for value in model.trace(np.zeros((n, *shape))).values())


def test_outputs_keep_their_structure():
    model = load("multi_io")
    with np.load(FIXTURES / "models" / "multi_io" / "golden.npz") as arrays:
        inputs = {k.removeprefix("inputs/"): v for k, v in arrays.items() if "inputs/" in k}
    outputs = model.predict(inputs)
    assert isinstance(outputs, dict)
    assert set(outputs) == set(model.graph.outputs)


def test_the_same_call_gives_the_same_bits():
    model = load("separable")
    x = rng.random((2, *model.inputs[0].shape[1:]), dtype="float32")
    np.testing.assert_array_equal(model.predict(x), model.predict(x))
    np.testing.assert_array_equal(model.predict(x), load("separable").predict(x))


def test_trace_is_read_only_and_predict_is_not():
    model = chain(Layer("same", "Identity"))
    trace, y = model.trace(X), model.predict(X)
    with pytest.raises(ValueError, match="read-only"):
        trace["same"][0] = 0
    y[:] = 7
    assert X.max() == 1
    assert X.flags.writeable


def test_trace_is_in_execution_order_with_inputs_and_inner_values():
    model = chain(dense("a", 4, 3, activation="relu"), dense("b", 3, 2))
    assert list(model.trace(X)) == ["x", "a", "b"]
    assert list(model.trace(X, inner=True)) == ["x", "a:pre", "a", "b"]
    trace = model.trace(X, layers="a:pre")
    assert list(trace) == ["a:pre"]
    np.testing.assert_array_equal(np.maximum(trace["a:pre"], 0), model.trace(X)["a"])


def test_selections():
    model = load("siamese")
    inputs = {s.name: rng.random((2, *s.shape[1:])) for s in model.inputs}
    every = model.trace(inputs)
    assert list(model.trace(inputs, layers="encoder/*")) == [
        a for a in every if a.startswith("encoder/")
    ]
    chosen = model.trace(inputs, layers=["encoder@2", "encoder"])
    assert list(chosen) == ["encoder", "encoder@2"]
    kinds = model.trace(inputs, layers=lambda layer: layer.type == "Dense")
    assert {kinds.layers[a].type for a in kinds} == {"Dense"}
    for address, value in kinds.items():
        np.testing.assert_array_equal(value, every[address])


def test_until_stops():
    model = chain(dense("a", 4, 3), Layer("odd", "Mystery"), dense("b", 3, 2))
    assert list(model.trace(X, until="a")) == ["x", "a"]
    with pytest.raises(UnsupportedLayer, match=r"'odd' \(Mystery\)"):
        model.trace(X)
    with pytest.raises(UnsupportedLayer, match=r"'odd' \(Mystery\)"):
        model.predict(X)
    assert "odd (Mystery)" in str(model.summary())
    assert model.summary().rows[2].shape is None


def test_stream_gives_what_trace_keeps():
    model = load("unet_small")
    x = rng.random((1, *model.inputs[0].shape[1:]), dtype="float32")
    trace = model.trace(x)
    for address, value in model.stream(x):
        np.testing.assert_array_equal(value, trace[address])


def test_predict_frees_what_it_no_longer_needs():
    import weakref

    alive = []
    model = chain(*(dense(f"d{i}", 4, 4, activation="relu") for i in range(20)))
    held = []
    for _, value in model.stream(X):
        held.append(weakref.ref(value if value.base is None else value.base))
        del value
        alive.append(sum(ref() is not None for ref in held))
    assert max(alive[1:]) <= 4


def test_a_loop_over_shapes_does_not_fill_memory():
    model = chain(dense("a", 4, 3))
    for n in range(40):
        model.predict(np.ones((n + 1, 4)))
    assert len(model._recordings) <= 16


# ---- inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((3, 5)), r"input 'x' takes the shape \(any, 4\), got \(3, 5\)"),
        (np.ones(4), "one sample: give x"),
        (np.ones((2, 2, 4)), r"got \(2, 2, 4\)"),
        (np.array([["a"] * 4]), "takes float32 numbers"),
        (np.ones((2, 4), complex), "complex"),
        ([[1, 2, 3, 4], [1]], "not an array of numbers"),
        (np.array([[object()] * 4]), "object"),
        ([X, X], "takes the inputs 'x' but got 2 arrays"),
    ],
)
def test_unsuitable_input_is_said(x, words):
    with pytest.raises(BadInput, match=words):
        chain(dense("a", 4, 3)).predict(x)


def test_inputs_by_name_and_in_order():
    model = load("siamese")
    arrays = [rng.random((2, *s.shape[1:]), dtype="float32") for s in model.inputs]
    names = [s.name for s in model.inputs]
    by_order = model.predict(arrays)
    by_name = model.predict(dict(zip(reversed(names), reversed(arrays), strict=True)))
    for a, b in zip(by_order, by_name, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(UnknownName, match="no input 'zzz'"):
        model.predict({**dict(zip(names, arrays, strict=True)), "zzz": arrays[0]})
    with pytest.raises(BadInput, match=f"no array for the input '{names[1]}'"):
        model.predict({names[0]: arrays[0]})
    with pytest.raises(BadInput, match="takes the inputs"):
        model.predict(arrays[0])
    with pytest.raises(BadInput, match="number of samples"):
        model.predict([arrays[0], arrays[1][:1]])


def test_integers_that_are_not_numbers():
    entered = Layer("ids", "InputLayer", {"batch_shape": (None, 2), "dtype": "int32"})
    nodes = (Node("ids", entered), Node("same", Layer("same", "Identity"), (Ref("ids"),)))
    model = Model(Graph("m", "Functional", nodes, "ids", Ref("same")))
    with pytest.raises(BadInput, match="'ids' takes int32 numbers, got NaN"):
        model.predict(np.array([[1.0, np.nan]]))
    assert model.predict([[1.0, 2.0]]).dtype == "int32"


@pytest.mark.parametrize("dtype", ["float64", "uint8", "int64", "bool", "float16"])
def test_any_numbers_are_taken(dtype):
    model = chain(dense("a", 4, 3))
    y = model.predict(np.ones((2, 4), dtype))
    assert y.dtype == "float32"
    np.testing.assert_array_equal(y, model.predict(np.ones((2, 4), "float32")))


def test_a_last_axis_of_one_may_be_left_out():
    model = load("lenet")
    x = rng.random((2, *model.inputs[0].shape[1:]), dtype="float32")
    np.testing.assert_array_equal(model.predict(x), model.predict(x[..., 0]))


# ---- names ---------------------------------------------------------------------------------------


def test_names_that_do_not_exist_suggest_the_nearest():
    model = load("lenet")
    with pytest.raises(UnknownName, match="Did you mean"):
        model.get_layer(model.layers[1].name + "x")
    with pytest.raises(UnknownName, match="no layer or value 'zzz'"):
        model.trace(np.zeros((1, *model.inputs[0].shape[1:])), layers="zzz")
    with pytest.raises(UnknownName, match="no layer or value 'zzz'"):
        model.trace(np.zeros((1, *model.inputs[0].shape[1:])), until="zzz")
    with pytest.raises(UnknownName, match="no weight 'zzz'"):
        model.weights["zzz"]
    with pytest.raises(KeyError):
        model.get_layer("zzz")


def test_odd_names_are_escaped_and_the_raw_name_still_found():
    model = chain(dense("a/b:c @1", 4, 3), dense("é", 3, 2))
    assert model.graph.nodes[1].address == "a/b:c @1"
    odd = load("multi_io")
    for layer in odd.layers:
        assert odd.get_layer(layer.name).name == layer.name


def test_layers_and_get_layer():
    model = load("siamese")
    encoder = model.get_layer("encoder")
    assert isinstance(encoder, Model)
    assert [layer.name for layer in model.layers].count("encoder") == 1
    inner = model.get_layer("encoder/" + encoder.layers[1].name)
    assert set(inner.config) if not isinstance(inner, Model) else inner.layers
    x = rng.random((2, *encoder.inputs[0].shape[1:]), dtype="float32")
    whole = model.trace([x] * len(model.inputs))
    np.testing.assert_array_equal(encoder.predict(x), whole["encoder"])


# ---- weights and summary -------------------------------------------------------------------------


def test_summary_reads_no_weights():
    def never():
        raise AssertionError("a weight was read")

    layer = dense("a", 4, 3)
    silent = tuple(dataclasses.replace(s, read=never) for s in layer.stored)
    model = chain(dataclasses.replace(layer, stored=silent))
    assert model.summary().total == 15
    assert [layer.name for layer in model.layers] == ["x", "a"]
    assert str(model.summary()).startswith('Model: "chain"')
    assert model.weights.shapes == {"a/kernel": (4, 3), "a/bias": (3,)}


def test_weights_are_read_only_views():
    model = load("mlp")
    for array in model.weights.values():
        assert not array.flags.writeable
    big = next(a for a in model.weights.values() if a.ndim == 2)
    assert big.base is not None


def test_open_dimensions_are_shown_as_none():
    conv = Layer(
        "c",
        "Conv2D",
        {"filters": 2, "kernel_size": [3, 3], "use_bias": False, "padding": "same"},
        (stored("c/kernel", np.ones((3, 3, 1, 2), "float32")),),
    )
    pooled = Layer("p", "GlobalAveragePooling2D", {})
    model = chain(conv, pooled, shape=(None, None, 32, 1))
    assert [row.shape for row in model.summary().rows] == [
        (None, None, 32, 1),
        (None, None, 32, 2),
        (None, 2),
    ]


def found_at():
    """A model whose outputs are as long as its input holds numbers that are not zero."""
    x = Node("x", Layer("x", "InputLayer", {"batch_shape": (None, 3)}))
    where = Node("where", Layer("where", "ops.Nonzero"), (Ref("x"),))
    joined = Node("joined", Layer("joined", "ops.Add"), (Ref("where"), Ref("where", 1)))
    return Model(Graph("m", "Functional", (x, where, joined), "x", Ref("joined")))


def test_a_shape_may_depend_on_what_the_input_holds():
    model = found_at()
    for x in [[0, 1, 0], [1, 1, 1]], [[0, 0, 0], [0, 0, 2]], [[0, 0, 0], [0, 0, 0]]:
        rows, columns = np.nonzero(x)
        np.testing.assert_array_equal(model.predict(np.array(x, "float32")), rows + columns)
    assert [row.shape for row in model.summary().rows] == [(None, 3), ((None,), (None,)), (None,)]


def test_output_sizes_of_an_einsum_count_from_the_front():
    """As Keras takes them where there is one too many."""
    kernel = rng.normal(size=(4, 2)).astype("float32")
    config = {"equation": "...b,bc->...c", "output_shape": [2, 7], "bias_axes": None}
    model = chain(Layer("e", "EinsumDense", config, (stored("e/kernel", kernel),)))
    np.testing.assert_allclose(model.predict(X), X @ kernel, 1e-6)


def test_trainable_parameters_are_counted_as_keras_does():
    frozen = dense("a", 4, 3, trainable=False)
    batch = [np.ones(3, "float32") for _ in range(4)]
    bn = Layer(
        "bn", "BatchNormalization", {}, tuple(stored(str(i), a) for i, a in enumerate(batch))
    )
    summary = chain(frozen, bn).summary()
    assert (summary.total, summary.trainable, summary.non_trainable) == (27, 6, 21)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_flat_list_is_shared_out_in_the_order_of_keras(trainable):
    """Nested models in .h5: all trainable weights first; with nothing trainable, layer order."""
    numbers = iter(range(100))
    arrays = [np.full(3, next(numbers), "float32") for _ in range(4)]
    kernel, bias = np.eye(3, dtype="float32"), np.zeros(3, "float32")
    gamma, beta, mean, variance = arrays
    flat = [gamma, beta, kernel, bias, mean, variance]
    if not trainable:
        flat = [gamma, beta, mean, variance, kernel, bias]
    config = {"trainable": trainable}
    bn = Layer("bn", "BatchNormalization", config)
    inner = (
        Node("in", Layer("in", "InputLayer", {"batch_shape": (None, 3), "dtype": "float32"})),
        Node("bn", bn, (Ref("in"),)),
        Node("d", Layer("d", "Dense", {"units": 3, **config}), (Ref("bn"),)),
    )
    kept = tuple(stored(f"w{i}", a) for i, a in enumerate(flat))
    nested = Graph("nested", "Functional", inner, "in", Ref("d"), config, kept)
    model = chain(nested, shape=(None, 3))
    held = {a: int(w.flat[0]) for a, w in model.weights.items() if "bn" in a}
    assert held == {
        "nested/bn/gamma": 0,
        "nested/bn/beta": 1,
        "nested/bn/moving_mean": 2,
        "nested/bn/moving_variance": 3,
    }


# ---- what does not fit ---------------------------------------------------------------------------


def test_an_option_that_is_not_known_is_never_ignored():
    with pytest.raises(UnsupportedOption, match=r"layer 'a' \(Dense\): option spin='up'"):
        chain(dense("a", 4, 3, spin="up")).predict(X)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"activation": "reluu"}, "activation 'reluu' is not known. Did you mean 'relu'"),
        ({"activation": {"a": 1}}, "is not known"),
        ({"dtype": "float99"}, "dtype policy 'float99' is not known"),
        ({"dtype": {"class_name": "Odd", "config": {}}}, "dtype policy"),
    ],
)
def test_values_that_are_not_known_are_said(config, words):
    with pytest.raises(UnsupportedOption, match=f"layer 'a' .*{words}"):
        chain(dense("a", 4, 3, **config)).predict(X)


@pytest.mark.parametrize("dtype", [7, "float99", {"config": {}}])
def test_an_input_of_a_dtype_that_is_not_known(dtype):
    entered = Layer("x", "InputLayer", {"batch_shape": (None, 4), "dtype": dtype})
    model = Model(Graph("m", "Functional", (Node("x", entered),), "x", Ref("x")))
    with pytest.raises(UnsupportedOption, match=r"input 'x': dtype policy .* is not known"):
        model.predict(X)


def test_an_array_is_read_once_whoever_asks():
    reads = []
    layer = dense("a", 4, 3)

    def counted(kept):
        return dataclasses.replace(kept, read=lambda: reads.append(kept.name) or kept.read())

    model = chain(dataclasses.replace(layer, stored=tuple(map(counted, layer.stored))))
    model.predict(X)
    model.astype("float32")
    assert dict(model.weights)["a/bias"] is model.get_layer("a").weights["bias"]
    model.predict(np.ones((7, 4)))
    assert sorted(reads) == ["a/bias", "a/kernel"]


def test_weights_that_do_not_fit():
    layer = dense("a", 4, 3)
    with pytest.raises(WeightMismatch, match=r"'a' \(Dense\) needs 2 arrays .* stores 1"):
        chain(dataclasses.replace(layer, stored=layer.stored[:1])).predict(X)
    with pytest.raises(WeightMismatch, match=r"'kernel' should be of shape \(5, 3\)"):
        chain(layer, shape=(None, 5)).predict(np.ones((1, 5)))
    integers = Stored("k", (4, 3), np.dtype("int8"), lambda: np.ones((4, 3), "int8"))
    with pytest.raises(WeightMismatch, match="floating type"):
        chain(dataclasses.replace(layer, stored=(integers, layer.stored[1]))).predict(X)


@pytest.mark.parametrize(
    ("type_", "config", "shape"),
    [
        ("Reshape", {"target_shape": [5]}, (None, 4)),
        ("Reshape", {"target_shape": "abc"}, (None, 4)),
        ("Permute", {"dims": [1, 1]}, (None, 4)),
        ("RepeatVector", {"n": "3"}, (None, 4)),
        ("RepeatVector", {}, (None, 4)),
        ("MaxPooling2D", {"pool_size": [9, 9]}, (None, 4, 4, 1)),
        ("MaxPooling2D", {"pool_size": [2, 2, 2]}, (None, 4, 4, 1)),
        ("MaxPooling2D", {"padding": "full"}, (None, 4, 4, 1)),
        ("MaxPooling2D", {"data_format": 7}, (None, 4, 4, 1)),
        ("Cropping2D", {"cropping": [[3, 3], [0, 0]]}, (None, 4, 4, 1)),
        ("ZeroPadding2D", {"padding": [[1, 1]]}, (None, 4, 4, 1)),
        ("UpSampling2D", {"interpolation": "magic"}, (None, 4, 4, 1)),
        ("Softmax", {"axis": 9}, (None, 4)),
        ("Softmax", {"axis": "x"}, (None, 4)),
        ("Concatenate", {"axis": 9}, (None, 4)),
        ("Dot", {"axes": 0}, (None, 4)),
        ("GlobalAveragePooling2D", {}, (None, 4)),
        ("Rescaling", {"scale": "big"}, (None, 4)),
        ("LeakyReLU", {"negative_slope": [1, 2, 3]}, (None, 4)),
        ("Resizing", {"height": "3", "width": 2}, (None, 4, 4, 1)),
        ("Resizing", {"height": -3, "width": 2}, (None, 4, 4, 1)),
        ("Resizing", {"height": 3, "width": 2, "interpolation": "magic"}, (None, 4, 4, 1)),
        ("Resizing", {"height": 3, "width": 2, "fill_mode": "wrap"}, (None, 4, 4, 1)),
        ("Resizing", {"height": 3, "width": 2}, (None, 4)),
        ("CenterCrop", {"height": 3, "width": 2.5}, (None, 4, 4, 1)),
        ("Normalization", {"mean": 1.0}, (None, 4)),
        ("Normalization", {"mean": "a", "variance": "b"}, (None, 4)),
        ("Normalization", {"mean": [1, 2], "variance": [1, 2]}, (None, 4)),
        ("Normalization", {"mean": [[1], [2, 3]], "variance": 1.0}, (None, 4)),
        ("AutoContrast", {"value_range": 5}, (None, 4, 4, 1)),
        ("AutoContrast", {"value_range": [5, "6"]}, (None, 4, 4, 1)),
        ("Equalization", {"bins": 0}, (None, 4, 4, 1)),
        ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": 0}, (None, 4, 4, 1)),
        ("MelSpectrogram", {"fft_length": 4, "window": "kaiser"}, (None, 4)),
        ("MelSpectrogram", {"fft_length": 4, "window": [1, 2]}, (None, 4)),
        ("MelSpectrogram", {"fft_length": 4, "sequence_length": 5}, (None, 4)),
        ("MelSpectrogram", {}, (None, 4)),
        ("RandomFlip", {"made_up": 3}, (None, 4, 4, 1)),
        ("Add", {}, (None, 4)),
    ],
)
def test_a_config_that_does_not_fit_names_its_layer(type_, config, shape):
    model = chain(Layer("odd", type_, config), shape=shape)
    filled = tuple(n or 2 for n in shape)
    with pytest.raises(npf.NpforwardError, match=rf"layer 'odd' \({type_}\)"):
        model.predict(np.ones(filled))


def test_a_random_crop_of_an_old_file_is_cut_and_resized():
    size = {"height": 3, "width": 2}
    crop = {"class_name": "RandomCrop", "module": "keras.layers", "config": {"name": "c", **size}}
    described = {
        "class_name": "Sequential",
        "module": "keras",
        "config": {"name": "s", "layers": [crop], "build_input_shape": [None, 4, 7, 1]},
    }
    x = np.arange(56, dtype="float32").reshape(2, 4, 7, 1)
    resizing = chain(
        Layer("r", "Resizing", {**size, "crop_to_aspect_ratio": True}), shape=(None, 4, 7, 1)
    )
    for version in "2.15.0", "3.0.5", "3.5.0":
        old = Model(keras_config.graph(described, version=version))
        np.testing.assert_array_equal(old.predict(x), resizing.predict(x))
    for version in "3.6.0", "3.15.1":
        new = Model(keras_config.graph(described, version=version))
        np.testing.assert_array_equal(new.predict(x), x)


def test_an_output_that_a_layer_does_not_have():
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": (None, 4), "dtype": "float32"})),
        Node("a", Layer("a", "Identity"), (Ref("x", 3),)),
    )
    with pytest.raises(BadFile, match="'x' has no output number 3"):
        Model(Graph("m", "Functional", nodes, "x", Ref("a"))).predict(X)


def embedding(**config):
    table = np.ones((5, 3), "float32")
    return Layer(
        "e", "Embedding", {"input_dim": 5, "output_dim": 3, **config}, (stored("e", table),)
    )


@pytest.mark.parametrize("bad", [5, -1, 7.0])
def test_ids_outside_an_embedding(bad):
    with pytest.raises(BadInput, match=rf"layer 'e'.*index {int(bad)} is not in 0 to 4"):
        chain(embedding(), shape=(None, 2)).predict(np.array([[0, bad]]))


def lstm(c=3, units=2, **config):
    rng = np.random.default_rng(2)
    shapes = [(c, 4 * units), (units, 4 * units), (4 * units,)]
    arrays = (rng.normal(size=shape).astype("float32") for shape in shapes)
    weights = tuple(stored(f"lstm/{i}", a) for i, a in enumerate(arrays))
    return Layer("lstm", "LSTM", {"units": units, **config}, weights)


def called(layer, *arrays, **kwargs):
    """The output of one call of a layer on inputs of their own."""
    nodes = []
    for i, array in enumerate(arrays):
        config = {"batch_shape": (None,) * array.ndim, "dtype": array.dtype.name}
        nodes.append(Node(f"x{i}", Layer(f"x{i}", "InputLayer", config)))
    refs = [Ref(node.address) for node in nodes]
    kwargs = {
        name: refs[i] if isinstance(i, int) else [refs[k] for k in i] for name, i in kwargs.items()
    }
    nodes.append(Node("y", layer, (refs[0],), kwargs))
    inputs = [node.address for node in nodes[:-1]]
    return Model(Graph("m", "Functional", tuple(nodes), inputs, Ref("y"))).predict(list(arrays))


SEQUENCE = np.ones((2, 4, 3), "float32")


def test_a_mask_of_the_wrong_shape():
    with pytest.raises(BadInput, match=r"'lstm' \(LSTM\): its mask is of shape \(2, 5\), expected"):
        called(lstm(), SEQUENCE, np.ones((2, 5), bool), mask=1)


@pytest.mark.parametrize("sizes", [(2,), (2, 3), (2, 2, 2)])
def test_a_state_of_the_wrong_shape(sizes):
    states = [np.ones((2, n), "float32") for n in sizes]
    with pytest.raises(BadInput, match=r"'lstm' \(LSTM\): its initial state is of shapes"):
        called(lstm(), SEQUENCE, *states, initial_state=range(1, len(states) + 1))


def test_heads_that_cannot_be_shared():
    config = {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 2, "use_bias": False}
    shapes = {"query": (3, 3, 2), "key": (3, 2, 2), "value": (3, 2, 2), "output": (3, 2, 3)}
    weights = tuple(
        stored(f"a/{name}_dense/vars/0", np.ones(shape, "float32"))
        for name, shape in shapes.items()
    )
    with pytest.raises(UnsupportedOption, match="no multiple of num_key_value_heads=2"):
        called(Layer("a", "GroupQueryAttention", config, weights), SEQUENCE, SEQUENCE, value=1)


def test_gates_of_an_lstm_are_inner_values():
    model = chain(lstm(return_sequences=True), shape=(None, None, 3))
    trace = model.trace(SEQUENCE, inner=True)
    gates = {a.split(":")[1]: v for a, v in trace.items() if ":" in a}
    assert set(gates) == {"input_gate", "forget_gate", "output_gate", "candidate", "cell", "hidden"}
    assert {v.shape for v in gates.values()} == {(2, 4, 2)}
    before = np.concatenate([np.zeros((2, 1, 2)), gates["cell"][:, :-1]], axis=1)
    cell = gates["forget_gate"] * before + gates["input_gate"] * gates["candidate"]
    np.testing.assert_allclose(gates["cell"], cell, atol=1e-6)
    np.testing.assert_allclose(gates["hidden"], gates["output_gate"] * np.tanh(cell), atol=1e-6)
    np.testing.assert_array_equal(gates["hidden"], trace["lstm"])


# ---- numbers -------------------------------------------------------------------------------------


def test_astype_runs_everything_in_another_precision():
    model = load("residual_bn")
    x = rng.random((1, *model.inputs[0].shape[1:]))
    wide = model.astype("float64").trace(x)
    assert {v.dtype.name for v in wide.values()} == {"float64"}
    for address, value in model.trace(x).items():
        assert difference(value, wide[address].astype("float32")).within
    with pytest.raises(BadInput, match="floating dtype"):
        model.astype("int32")


def test_infinite_results_are_results():
    model = chain(dense("a", 4, 3), Layer("e", "Activation", {"activation": "exponential"}))
    y = model.predict(np.full((1, 4), 1e30))
    assert np.isinf(y).any() or (y == 0).any()


def test_a_trace_of_parts_of_the_batch():
    model = npf.load_model(FIXTURES / "models" / "mlp" / "model.keras")
    x = np.random.default_rng(0).normal(size=(7, 13)).astype("float32")
    whole, parts = model.trace(x, inner=True), model.trace(x, inner=True, batch_size=3)
    assert list(parts) == list(whole) and parts.outputs == whole.outputs
    assert parts.inputs == whole.inputs and parts.kernels == whole.kernels
    for address, value in parts.items():
        np.testing.assert_allclose(value, whole[address], rtol=1e-5, atol=1e-6)
        assert not value.flags.writeable
    assert list(model.trace(x, "dense1", batch_size=7)) == ["dense1"]
    for options in ({"replace": {"dense1": 0}}, {"start": "dense1"}):
        with pytest.raises(BadInput, match="batch_size goes with arrays, and without replace"):
            model.trace(x, batch_size=3, **options)
    with pytest.raises(BadInput, match="batch_size=0, expected at least 1"):
        model.trace(x, batch_size=0)
    with pytest.raises(BadInput, match="x is a Trace in"):
        model.trace(parts, replace={"dense1": 0})
    limited = npf.load_model(
        FIXTURES / "models" / "mlp" / "model.keras", limits=npf.Limits(value_bytes=500)
    )
    with pytest.raises(LimitExceeded, match="dense1 of 7 samples: bytes"):
        limited.trace(x, "dense1", batch_size=3)
