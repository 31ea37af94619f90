"""Files of Keras 2 and tf.keras in the ways that they were kept, and what may be wrong in them."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.errors import BadFile, LimitExceeded, UnsupportedLayer, WeightMismatch
from npforward.formats import (
    guarded_yaml,
    keras2_dialect,
    keras_config,
    keras_functions,
    keras_meanings,
)
from npforward.formats.keras_layouts import layout_of
from npforward.formats.keras_weights import todays_places
from npforward.graph import Stored
from npforward.layers import LAYERS
from npforward.limits import Limits
from npforward.verify import difference

OLD = FIXTURES / "old"
PARTS = OLD / "tf.keras-2.13.1" / "parts.keras"


def golden(path: Path):
    """The one input, and every value by address."""
    with np.load(path.with_suffix(".npz")) as arrays:
        want = dict(arrays)
    (name,) = [key for key in want if key.startswith("inputs/")]
    return want.pop(name), want


def agrees(path: Path, of: Path) -> bool:
    x, want = golden(of)
    trace = npf.load_model(path).trace(x)
    return all(difference(trace[address], y).within for address, y in want.items())


# How files were kept.


def on_windows(path: Path, to: Path) -> None:
    """A genuine file with its weights as Keras names them on Windows: paths in one name."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "model.weights.h5":
                buffer = io.BytesIO()
                with h5py.File(io.BytesIO(data)) as old, h5py.File(buffer, "w") as new:

                    def copy(at, found, new=new):
                        if isinstance(found, h5py.Dataset):
                            place, number = at.rsplit("/vars/", 1)
                            new.create_dataset(
                                place.replace("/", "\\") + "/vars/" + number, data=found[()]
                            )
                        elif at.endswith("/vars"):
                            new.require_group(at.removesuffix("/vars").replace("/", "\\") + "/vars")

                    old.visititems(copy)
                data = buffer.getvalue()
            target.writestr(name.replace("/", "\\"), data)


@pytest.mark.parametrize("file", ["parts.keras", "spoken.keras"])
def test_a_file_of_windows(file, tmp_path):
    path, made = PARTS.with_name(file), tmp_path / "windows.keras"
    on_windows(path, made)
    with (
        zipfile.ZipFile(made) as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights,
    ):
        assert any(name.count("\\") > 0 for name in weights)
    assert agrees(made, path)


def test_any_name_will_do(tmp_path):
    h5 = OLD / "keras-2.3.1" / "directions.h5"
    for path, name in ((h5, "model.keras"), (PARTS, "model.h5"), (h5, "model"), (PARTS, "a.bin")):
        shutil.copy(path, tmp_path / name)
        assert agrees(tmp_path / name, path)


def changed_copy(path: Path, to: Path, change) -> Path:
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        change(file)
    return to


def test_json_within_json(tmp_path):
    path = OLD / "keras-2.3.1" / "directions.h5"

    def twice(file):
        file.attrs["model_config"] = json.dumps(file.attrs["model_config"])

    def as_bytes(file):
        file.attrs["model_config"] = np.bytes_(file.attrs["model_config"].encode())

    for change in (twice, as_bytes):
        assert agrees(changed_copy(path, tmp_path / "model.h5", change), path)


def test_compressed_and_chunked(tmp_path):
    path = OLD / "keras-2.3.1" / "directions.h5"

    def compress(file):
        names: list[str] = []
        file["model_weights"].visititems(
            lambda at, found: names.append(at) if isinstance(found, h5py.Dataset) else None
        )
        for name in names:
            values = file["model_weights"][name][()]
            del file["model_weights"][name]
            file["model_weights"].create_dataset(
                name, data=values, compression="gzip", shuffle=True, chunks=True
            )

    assert agrees(changed_copy(path, tmp_path / "model.h5", compress), path)


def test_the_state_of_an_optimizer_is_passed_over(tmp_path):
    path = OLD / "keras-2.3.1" / "directions.h5"

    def add(file):
        file["optimizer_weights/Adam/iterations:0"] = 3
        file["optimizer_weights"].attrs["weight_names"] = [b"Adam/iterations:0"]

    assert agrees(changed_copy(path, tmp_path / "model.h5", add), path)


def test_two_arrays_in_one_place(tmp_path):
    made = tmp_path / "model.keras"
    with zipfile.ZipFile(PARTS) as source, zipfile.ZipFile(made, "w") as target:
        buffer = io.BytesIO(source.read("model.weights.h5"))
        with h5py.File(buffer, "r+") as file:
            file["_layer_checkpoint_dependencies\\dense/vars/0"] = np.zeros(2, "float32")
        target.writestr("config.json", source.read("config.json"))
        target.writestr("model.weights.h5", buffer.getvalue())
    with pytest.raises(BadFile, match="another array lie in the same place"):
        npf.load_model(made)


def test_numbers_of_layers_that_count_twice():
    top = "_layer_checkpoint_dependencies"
    inner = f"{top}/functional/{top}"
    groups = [f"{top}/dense{n}" for n in ("", "_2", "_4", "_10")] + [f"{top}/dropout", inner]
    groups += [f"{inner}/lstm", f"{inner}/lstm/cell", f"{inner}/lstm_2/cell"]
    places = todays_places(groups)
    assert [places[f"{top}/dense{n}"] for n in ("", "_2", "_4", "_10")] == [
        "layers/dense", "layers/dense_1", "layers/dense_2", "layers/dense_3",
    ]  # fmt: skip
    assert places[f"{inner}/lstm_2/cell"] == "layers/functional/layers/lstm_1/cell"


# Layouts.


def stored(*shapes):
    arrays = [np.arange(np.prod(shape), dtype="float32").reshape(shape) for shape in shapes]
    return [Stored(f"w{i}", a.shape, a.dtype, lambda a=a: a) for i, a in enumerate(arrays)]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("cudnn_lstm", [(3, 8), (2, 8), (16,)], [(3, 8), (2, 8), (8,)]),
        ("cudnn_gru", [(3, 6), (2, 6), (12,)], [(3, 6), (2, 6), (2, 6)]),
        ("cudnn_lstm", [(3, 8), (2, 8), (8,)], [(3, 8), (2, 8), (8,)]),
        ("cudnn_gru", [(3, 6), (2, 6), (2, 6)], [(3, 6), (2, 6), (2, 6)]),
        ("flipped", [(3, 2, 1, 4), (4,)], [(3, 2, 1, 4), (4,)]),
    ],
)
def test_layouts_say_the_shapes_that_they_give(name, before, after):
    layout = layout_of([name], {"units": 2})
    assert layout.trainable is None or len(layout.trainable) == len(before)
    made = layout.today(stored(*before))
    assert [array.shape for array in made] == after
    assert [array.read().shape for array in made] == after
    assert len(before) < 3 or before == after or not made[0].read().flags.writeable


def test_the_layouts_are_what_keras_converts():
    """The numbers of keras.engine.saving._convert_rnn_weights of Keras 2.2.4."""
    kernel, recurrent, bias = (
        array.read() for array in layout_of(["cudnn_lstm"], {}).today(stored((2, 8), (2, 8), (16,)))
    )
    assert kernel[:, :2].tolist() == [[0, 8], [1, 9]]
    assert recurrent[:, :2].tolist() == [[0, 8], [1, 9]]
    assert bias.tolist() == [8, 10, 12, 14, 16, 18, 20, 22]
    kernel, *_ = layout_of(["cudnn_lstm"], {}).today(stored((3, 8), (2, 8), (16,)))
    assert kernel.read()[:, :2].tolist() == [[0, 9], [1, 16], [8, 17]]
    flipped, same = layout_of(["flipped"], {}).today(stored((2, 2, 1, 1), (1,)))
    assert flipped.read().ravel().tolist() == [3, 2, 1, 0]
    assert same.read().tolist() == [0]


def test_gates_that_are_no_arrays_of_gates():
    with pytest.raises(WeightMismatch, match=r"its gates should be alike, but the file stores w0"):
        layout_of(["lstm_gates"], {}).today(stored(*[()] * 12))


def test_kernels_and_numbers_that_old_layers_cannot_have():
    size = {"kernel_size": [0], "filters": 2}
    (kept,) = layout_of(["conv1d"], size).today(stored((0, 3, 2, 0)))
    assert kept.read().shape == kept.shape
    for epsilon in ("x", [1.0, 2.0], None, {}):
        made = layout_of(["standard_deviation"], {"epsilon": epsilon}).today(stored((2,), (2,)))
        np.testing.assert_allclose(made[1].read(), [0.0, 1.0], atol=1e-5)


def test_calls_that_say_nothing_begin_with_no_state():
    odd = [{}], [{"kwargs": 3}], [None], {"kwargs": {}}, 7, [{"args": 3}], [{"args": {"a": 1}}]
    for nodes in (*odd, [{"args": [["x", "h"]], "kwargs": 3}]):
        entry = {"class_name": "LSTM", "config": {}, "inbound_nodes": nodes}
        assert keras_meanings.state_before(entry) == entry
        assert keras2_dialect.initial_state(entry) == entry


# Functions of TensorFlow.


def functions():
    for name, (arguments, rule) in keras_functions.FUNCTIONS.items():
        values = {argument: [1] for argument in arguments}
        values |= {"num_or_size_splits": 2} if name.endswith("split") else {}
        yield name, rule(values)


def test_every_function_becomes_an_operation_that_there_is():
    made = dict(functions())
    left = {name for name, (kind, *_) in made.items() if kind.startswith("tf>")}
    assert left == {"where", "compat.v1.where", "image.resize_bilinear", "image.resize_nearest"}
    for name, (kind, args, options) in made.items():
        if name in left:
            continue
        definition = LAYERS[f"ops.{kind}"]
        assert definition.variadic or len(args) <= len(definition.arguments), name
        assert set(options) <= {*definition.options, *definition.arguments}, name


def test_every_node_becomes_a_function_that_there_is():
    for kind, (function, names, options) in keras_functions.OPERATIONS.items():
        arguments, _ = keras_functions.FUNCTIONS[function]
        given = {name.removeprefix("*") for name in names} | set(options)
        assert set(arguments) <= given, kind


def lambda_model(function, **kwargs):
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 2]},
         "name": "x", "inbound_nodes": []},
        {"class_name": "TFOpLambda", "config": {"name": "f", "function": function}, "name": "f",
         "inbound_nodes": [[["x", 0, 0, kwargs]]]},
    ]  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]],
              "output_layers": [["f", 0, 0]]}  # fmt: skip
    return {"class_name": "Functional", "config": config, "keras_version": "2.11.0"}


def loaded(config, tmp_path, **options):
    (tmp_path / "m.json").write_text(json.dumps(config))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = np.array([], "S")
    return npf.load_model(tmp_path / "m.json", tmp_path / "m.h5", **options)


def test_an_unknown_function_is_named_and_can_be_given(tmp_path):
    config, x = lambda_model("math.bessel_i0"), np.ones((1, 2), "float32")
    with pytest.raises(UnsupportedLayer, match=r"'f' \(tf>math.bessel_i0\).*custom_layers"):
        loaded(config, tmp_path).predict(x)
    for name in ("math.bessel_i0", "tf>math.bessel_i0", "f"):
        model = loaded(config, tmp_path, custom_layers={name: lambda x: x + 1})
        assert model.predict(x).tolist() == [[2, 2]]


def test_an_argument_that_is_not_known_is_an_error(tmp_path):
    config = lambda_model("math.reduce_sum", axis=1, wrong=3)
    with pytest.raises(UnsupportedLayer, match="wrong"):
        loaded(config, tmp_path).predict(np.ones((1, 2), "float32"))


@pytest.mark.parametrize(
    "node",
    [{}, [], "Mul", {"op": "Mul"}, {"op": "Mul", "input": 3, "attr": []},
     {"op": "StridedSlice", "input": ["x"] * 4, "attr": {"begin_mask": {"i": "x"}}},
     {"op": "Cast", "input": ["x"], "attr": {"DstT": {"s": "!"}}}],
)  # fmt: skip
def test_damaged_nodes_are_errors_of_ours(node, tmp_path):
    config = lambda_model("x")
    config["config"]["layers"][1] |= {"class_name": "TensorFlowOpLayer"}
    config["config"]["layers"][1]["config"] = {"name": "f", "node_def": node, "constants": 3}
    with pytest.raises(npf.NpforwardError):
        loaded(config, tmp_path).predict(np.ones((1, 2), "float32"))


# Versions.


def cell(**config):
    inner = {"class_name": "LSTM", "config": {"name": "l", "units": 2, **config}}
    layer = {"class_name": "Bidirectional", "config": {"name": "b", "layer": inner}}
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3, 2]}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, layer]}}


@pytest.mark.parametrize(
    ("version", "inner", "zero"),
    [
        ("2.0.8", {}, False),
        ("2.3.1", {}, False),
        ("2.2.4-tf", {}, None),
        ("2.2.4-tf", {"zero_output_for_mask": True}, True),  # TensorFlow 1.13
        ("2.4.0", {}, None),
        ("2.15.0", {"zero_output_for_mask": True}, None),
    ],
)
def test_who_gives_zeros_for_masked_steps(version, inner, zero):
    graph = keras_config.graph(cell(**inner), version=version)
    assert graph.layers[1].config.get("zero_output_for_mask") is zero


def test_pixels_at_their_corners_in_keras_2_alone():
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [1, 2, 2, 1]}},
        {"class_name": "UpSampling2D", "config": {"name": "u", "interpolation": "bilinear"}},
    ]
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    for version, found in (("2.3.1", "keras2>bilinear"), ("2.2.4-tf", "bilinear")):
        graph = keras_config.graph(model, version=version)
        assert graph.layers[1].config["interpolation"] == found


# YAML.


def read(text, **limits):
    return guarded_yaml.loads(text.encode(), "m.yaml", Limits(**limits))


def test_yaml_as_keras_writes_it():
    text = """
axis: !!python/object/apply:tensorflow.python.training.tracking.data_structures.ListWrapper
- - 1
batch: !!python/tuple
- null
- 6
epsilon: 1.0e-05
name: !!python/unicode 'on'
other: &id001 {}
same: *id001
quoted: '1'
use: true
1: 2.0
"""
    assert read(text) == {
        "axis": [1], "batch": [None, 6], "epsilon": 1e-05, "name": "on", "other": {}, "same": {},
        "quoted": "1", "use": True, "1": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "object of Python"),
        ("a: !!python/object:os.path {}", "object of Python"),
        ("a: !!python/name:os.system ''", "object of Python"),
        ("a: !!python/object/apply:tensorflow.data_structures.ListWrapper [1, 2]", "object of"),
        ("a: !!set {b}", "object of Python"),
        ("a: 2001-01-01", "object of Python"),
        ("a: 1\na: 2", "stands twice"),
        ("a: *b", "refers to nothing"),
        ("a: &a [*a]", "refers to nothing"),
        ("? [1]\n: 2", "is no text"),
        ("a: .inf", "is no number"),
        ("a: 1\n---\nb: 2", "several documents"),
        ("", "is empty"),
        ("a: [", "not the YAML"),
        ("a: !!int x", "not the YAML"),
        ("a: !!binary eA==", "object of Python"),
    ],
)
def test_yaml_that_is_refused(text, message):
    with pytest.raises(BadFile, match=message):
        read(text)


def test_yaml_is_bounded():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(
        f"{n}: &{n} [{', '.join([f'*{b}'] * 9)}]\n"
        for b, n in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises(LimitExceeded, match="yaml_nodes"):
        read(bomb)
    with pytest.raises(LimitExceeded, match="depth"):
        read("[" * 3000)
    with pytest.raises(LimitExceeded, match="config_bytes"):
        read("a: 1", config_bytes=3)


def test_an_architecture_alone_is_no_model():
    path = OLD / "keras-2.0.8" / "small.yaml"
    with pytest.raises(BadFile, match="an architecture only"):
        npf.load_model(path)
    with pytest.raises(BadFile, match="no weights"):
        npf.load_model(path, path)


def test_yaml_of_something_else(tmp_path):
    (tmp_path / "a.yaml").write_text("backend: tensorflow\n")
    with pytest.raises(BadFile, match=r"not a Keras architecture.*to_yaml"):
        npf.load_model(tmp_path / "a.yaml", PARTS)


# Calls and classes.


def layer_model(entry, shape, **kwargs):
    """A functional model of one layer that is called with `kwargs`."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *shape]},
         "name": "x", "inbound_nodes": []},
        {**entry, "name": "f", "inbound_nodes": [[["x", 0, 0, kwargs]]]},
    ]  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]],
              "output_layers": [["f", 0, 0]]}  # fmt: skip
    return {"class_name": "Model", "config": config, "keras_version": "2.3.1"}


def test_a_batch_normalization_that_is_called_as_in_training(tmp_path):
    config = {"name": "f", "center": False, "scale": False}
    model = layer_model({"class_name": "BatchNormalization", "config": config}, [2], training=True)
    (tmp_path / "m.json").write_text(json.dumps(model))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = [b"f"]
        file["f/mean:0"], file["f/variance:0"] = np.zeros((2, 2), "float32")
        file["f"].attrs["weight_names"] = [b"mean:0", b"variance:0"]
    x = np.array([[1, 2], [3, 6]], "float32")
    # BatchNormalization()(x, training=True) of Keras 3.15.1
    want = [[-0.9995003938674927, -0.9998750686645508], [0.9995003938674927, 0.9998750686645508]]
    got = npf.load_model(tmp_path / "m.json", tmp_path / "m.h5").predict(x)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_random_numbers_that_a_call_asks_for_are_an_error(tmp_path):
    dropout = {"class_name": "Dropout", "config": {"name": "f", "rate": 0.5}}
    x = np.ones((1, 2), "float32")
    with pytest.raises(UnsupportedLayer, match=r"'f' \(Dropout\).*training=True.*custom_layers"):
        loaded(layer_model(dropout, [2], training=True), tmp_path).predict(x)
    for training in (False, None):
        model = loaded(layer_model(dropout, [2], training=training), tmp_path)
        assert model.predict(x).tolist() == [[1, 1]]


@pytest.mark.parametrize(("name", "want"), [("relu6", 6), ("swish", 8 / (1 + np.exp(-8)))])
def test_activations_that_were_custom_once(name, want, tmp_path):
    entry = {"class_name": "Activation", "config": {"name": "f", "activation": name}}
    got = loaded(layer_model(entry, [1]), tmp_path).predict(np.array([[8.0]], "float32"))
    np.testing.assert_allclose(got, [[want]], rtol=1e-6)


def test_a_layer_of_an_add_on_is_named(tmp_path):
    entry = {"class_name": "Addons>InstanceNormalization", "config": {"name": "f"}}
    with pytest.raises(UnsupportedLayer, match=r"Addons>InstanceNormalization.*custom_layers"):
        loaded(layer_model(entry, [1]), tmp_path).predict(np.ones((1, 1), "float32"))


def test_an_initializer_of_no_name_says_nothing(tmp_path):
    config = {"name": "f", "alpha_initializer": "<lambda>", "max_value": 2.0}
    model = loaded(layer_model({"class_name": "ReLU", "config": config}, [1]), tmp_path)
    assert model.predict(np.array([[3.0]], "float32")).tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("UpSampling2D", {"interpolation": "bilinear"}, "theano>bilinear"),
        ("DepthwiseConv2D", {"kernel_size": [2, 2], "padding": "same"}, "even kernel"),
    ],
)
def test_what_theano_did_otherwise_is_an_error(kind, options, message, tmp_path):
    shape = [4, 4, 1]
    model = layer_model({"class_name": kind, "config": {"name": "f", **options}}, shape)
    x = np.ones((1, *shape), "float32")
    with pytest.raises(UnsupportedLayer, match=message):
        loaded({**model, "backend": "theano"}, tmp_path).predict(x)
