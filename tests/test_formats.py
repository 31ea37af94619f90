"""Readers: genuine files against what Keras says of them, broken ones against the error's words."""

import copy
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest

import npforward as npf
from npforward import formats
from npforward.errors import (
    BadFile,
    LimitExceeded,
    MissingFile,
    NpforwardError,
    UnsupportedLayer,
    WeightMismatch,
)
from npforward.formats import (
    archive,
    guarded_json,
    hdf5,
    keras1_dialect,
    keras2_dialect,
    keras_config,
    keras_dialects,
    keras_meanings,
    python_code,
)
from npforward.graph import Graph, Ref
from npforward.limits import Limits

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
FILES, BROKEN = FIXTURES / "files", FIXTURES / "broken"
EXPECTED = {
    key: value
    for major in (2, 3)
    for key, value in np.load(FILES / f"expected_{major}.npz").items()
}
MODELS = sorted({key.split("/")[0] for key in EXPECTED})
SAVED = [path.name for path in sorted(FILES.iterdir()) if path.suffix in (".keras", ".h5")]
WHOLE = [name for name in SAVED if "weights" not in name]


def all_stored(thing, seen=None):
    """All arrays of a graph or layer, those of what it contains included, each object once."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield from thing.stored
    for inner in thing.layers if isinstance(thing, Graph) else thing.children.values():
        yield from all_stored(inner, seen)


def calls(graph):
    """`{address: (type, args, kwargs)}`, without what says nothing."""
    return {
        node.address: (
            node.layer.type,
            node.args,
            {k: v for k, v in node.kwargs.items() if v is not None},
        )
        for node in graph.nodes
    }


def by_value(arrays):
    return sorted(arrays, key=lambda a: (a.shape, a.tobytes()))


def check_weights(graph, name):
    """Each layer of the outermost model holds the arrays that `layer.get_weights()` gave."""
    for layer in graph.layers:
        of_layer = (key for key in EXPECTED if key.rpartition("/")[0] == f"{name}/{layer.name}")
        want = [EXPECTED[key] for key in sorted(of_layer, key=lambda key: int(key.split("/")[-1]))]
        found = list(all_stored(layer))
        got = [stored.read().astype("float32") for stored in found]
        assert [stored.shape for stored in found] == [array.shape for array in got]
        # Inside a layer with sublayers the file's order is not that of get_weights(): the binding
        # of names is for another module.  All other layers keep their order.
        if not (isinstance(layer, Graph) or layer.type in ("MultiHeadAttention", "RNN")):
            assert len(got) == len(want), layer.name
        else:
            got, want = by_value(got), by_value(want)
        assert len(got) == len(want), layer.name
        for mine, genuine in zip(got, want, strict=True):
            np.testing.assert_array_equal(mine, genuine)


# Genuine files.


@pytest.mark.parametrize("file", [name for name in WHOLE if name.split(".")[0] in MODELS])
def test_every_layer_gets_the_weights_that_keras_gave_it(file):
    name = file.split(".")[0]
    graph = formats.read(FILES / file)
    check_weights(graph, name)
    version = "2.15" if file.startswith("old_") else "3."
    assert graph.source.startswith(f"{file} (Keras {version}")


@pytest.mark.parametrize("file", WHOLE)
def test_every_node_comes_after_what_it_takes(file):
    def check(graph):
        known = set()
        for node in graph.nodes:
            taken = {leaf.node for leaf in refs([node.args, node.kwargs])}
            assert taken <= known, node.address
            known.add(node.address)
            if isinstance(node.layer, Graph):
                check(node.layer)
        assert {leaf.node for leaf in refs(graph.outputs)} <= known

    check(formats.read(FILES / file))


def refs(tree):
    if isinstance(tree, Ref):
        yield tree
    elif isinstance(tree, dict):
        for branch in tree.values():
            yield from refs(branch)
    elif isinstance(tree, (list, tuple)):
        for branch in tree:
            yield from refs(branch)


NESTED = {
    "encoder": Ref("y"),
    "widen": Ref("encoder"),
    "encoder@2": Ref("widen"),
    "encoder@3": Ref("x"),
    "frozen": Ref("x"),
    "frozen@2": Ref("y"),
    "head": Ref("encoder@3"),
    "head@2": Ref("encoder@2"),
    "head@3": Ref("frozen@2"),
    "join": [Ref("head"), Ref("head@2"), Ref("frozen")],
}


@pytest.mark.parametrize("name", ["nested", "old_nested"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_nested_models_and_their_calls(name, ending):
    graph = formats.read(FILES / f"{name}.{ending}")
    found = {address: args for address, (_, args, _) in calls(graph).items()}
    # In the file's order, which is that in which the model was built.
    for address, taken in NESTED.items():
        assert found[address] == (taken,), address
    assert set(found) == {"x", "y", *NESTED}
    assert graph.outputs == [Ref("join"), Ref("head@3")]
    assert graph.inputs == ["x", "y"]
    layers = {layer.name: layer for layer in graph.layers}
    assert isinstance(layers["head"], Graph)
    assert layers["head"].type == "Sequential"
    assert layers["frozen"].config["trainable"] is False
    assert layers["encoder"].config["trainable"] is True
    # One list in .h5, which only the layers can split; each layer's own in .keras.
    assert len(layers["encoder"].stored) == (8 if ending == "h5" else 0)
    assert [inner.name for inner in layers["encoder"].layers[1:]] == ["deeper", "norm", "deep"]


def test_h5_and_keras_say_the_same():
    for file in SAVED:
        if file.endswith(".h5") and f"{file[:-3]}.keras" in SAVED:
            one, other = (
                formats.read(FILES / f"{file[:-3]}.{ending}") for ending in ("h5", "keras")
            )
            assert list(calls(one).items()) == list(calls(other).items()), file
            assert (one.inputs, one.outputs) == (other.inputs, other.outputs), file


def test_sequential_is_a_chain_and_keeps_its_config():
    graph = formats.read(FILES / "sequential.keras")
    assert calls(graph) == {
        "image": ("InputLayer", (), {}),
        "conv": ("Conv2D", (Ref("image"),), {}),
        "flat": ("Flatten", (Ref("conv"),), {}),
        "top": ("Dense", (Ref("flat"),), {}),
    }
    image, conv, _, _ = graph.layers
    assert image.config["batch_shape"] == [None, 6, 6, 1]
    assert image.config["dtype"] == "float32"
    assert conv.config["dtype"] == "float32"
    assert conv.config["trainable"] is True
    assert conv.config["kernel_size"] == [3, 3]
    assert conv.config["activation"] == "relu"
    assert [stored.name for stored in conv.stored] == [
        "layers/conv2d/vars/0",
        "layers/conv2d/vars/1",
    ]
    assert graph.config["keras_version"].startswith("3.")
    assert graph.config["trainable"] is True
    assert (graph.name, graph.type) == ("sequential", "Sequential")


def test_an_unbuilt_sequential_gets_an_input_of_unknown_shape():
    graph = formats.read(FILES / "unbuilt.keras")
    assert list(calls(graph)) == ["input_layer", "first", "second"]
    assert graph.layers[0].config["batch_shape"] is None


def test_a_layer_called_three_times_is_one_object():
    for file in ("reused.keras", "reused.h5", "old_reused.keras", "old_reused.h5"):
        graph = formats.read(FILES / file)
        assert calls(graph) == {
            "x": ("InputLayer", (), {}),
            "same": ("Dense", (Ref("x"),), {}),
            "same@2": ("Dense", (Ref("same"),), {}),
            "same@3": ("Dense", (Ref("same@2"),), {}),
        }
        assert len({id(node.layer) for node in graph.nodes}) == 2
        assert graph.outputs == [Ref("same@3"), Ref("x")]
        assert graph.inputs == "x"


def test_what_is_reached_by_two_paths_is_one_object_stored_once():
    graph = formats.read(FILES / "shared.keras")
    layers = {layer.name: layer for layer in graph.layers}
    inner = {layer.name: layer for layer in layers["outer"].layers}["encoder"]
    assert inner is layers["encoder"]
    assert {layer.name: layer for layer in inner.layers}["deeper"] is layers["deeper"]
    assert len(list(all_stored(graph))) == 8


def test_masks_are_arguments():
    graph = formats.read(FILES / "recurrent.keras")
    found = calls(graph)
    assert found["not_equal"] == ("ops.NotEqual", (Ref("words"), 0), {})
    assert found["both"][2]["mask"] == Ref("not_equal")
    both = {layer.name: layer for layer in graph.layers}["both"]
    assert list(both.children) == ["forward_layer", "backward_layer"]
    forward, backward = both.children.values()
    assert (forward.name, backward.name) == ("forward_lstm", "backward_lstm")
    assert (forward.config["go_backwards"], backward.config["go_backwards"]) == (False, True)
    assert [stored.name for stored in backward.stored] == [
        f"layers/bidirectional/backward_layer/cell/vars/{i}" for i in range(3)
    ]
    each = {layer.name: layer for layer in graph.layers}["each"]
    assert each.children["layer"].type == "Dense"
    assert len(each.children["layer"].stored) == 2
    assert each.stored == ()


def test_initial_states_are_a_keyword_in_every_version():
    for file in ("states.keras", "old_states.keras"):
        found = calls(formats.read(FILES / file))["second"]
        states = found[2]["initial_state"]
        assert (found[1], states) == ((Ref("x"),), [Ref("first", 1), Ref("first", 2)]), file


def test_layers_inside_layers_are_children():
    for file in ("inside.keras", "old_inside.keras"):
        graph = formats.read(FILES / file)
        leaky, attend, stack = graph.layers[1:]
        assert "activation" not in leaky.config
        assert leaky.children["activation"].type == "LeakyReLU"
        assert leaky.children["activation"].config["negative_slope"] == 0.25
        parts = {stored.name.split("/")[2].lstrip("_") for stored in attend.stored}
        assert parts == {"query_dense", "key_dense", "value_dense", "output_dense"}
        cells = stack.children["cell"].children
        assert [cell.type for cell in cells.values()] == ["LSTMCell", "LSTMCell", "GRUCell"]
        assert list(cells) == ["cells/0", "cells/1", "cells/2"]
        assert [cell.stored[0].shape for cell in cells.values()] == [(4, 8), (2, 12), (3, 6)]


def test_hard_sigmoid_means_two_functions():
    for file, name in (
        ("curved.keras", "hard_sigmoid"),
        ("curved.h5", "hard_sigmoid"),
        ("old_curved.keras", "keras2>hard_sigmoid"),
        ("old_curved.h5", "keras2>hard_sigmoid"),
    ):
        layers = formats.read(FILES / file).layers[1:]
        assert [layer.config["activation"] for layer in layers] == [name, name], file


def test_trees_of_inputs_and_outputs_are_kept():
    for file in ("dictionaries.keras", "dictionaries.h5"):
        graph = formats.read(FILES / file)
        assert graph.inputs == {"u": "u", "v": "v"}
        assert graph.outputs == {"total": Ref("total"), "twice": Ref("add")}
        found = calls(graph)
        assert found["add"] == ("ops.Add", (Ref("multiply"), 1), {})
        assert found["total"] == ("Add", ([Ref("u"), Ref("v")],), {})
    old = formats.read(FILES / "old_dictionaries.h5")
    assert old.outputs["twice"].node == "tf.__operators__.add"
    assert calls(old)["tf.math.multiply"] == ("ops.Multiply", (Ref("u"), 2), {})


def test_operations_and_their_constants():
    for file in ("operations.keras", "operations.h5"):
        graph = formats.read(FILES / file)
        found = calls(graph)
        x = Ref("x")
        assert found["add"][:2] == ("ops.Add", (x, 1))
        assert found["multiply"][:2] == ("ops.Multiply", (2, x))
        assert found["get_item"][:2] == ("ops.GetItem", (x, [slice(None), 0]))
        assert found["get_item_1"][:2] == ("ops.GetItem", (x, [..., slice(1, 3)]))
        joined = [Ref("split"), Ref("split", 1)]
        assert found["concatenate"][:2] == ("ops.Concatenate", (joined,))
        assert graph.outputs[-1] == Ref("split", 1)
        layers = {layer.name: layer for layer in graph.layers}
        assert layers["split"].config["indices_or_sections"] == 2


def test_any_name_is_a_good_name():
    for file in ("names.keras", "names.h5"):
        graph = formats.read(FILES / file)
        names = ["an input", "a b", "c.d", "ünï", "layers", "vars", "0", "dense_1", "dense"]
        assert [layer.name for layer in graph.layers] == [*names, "per%cent"]
        assert graph.nodes[-1].address == "per%25cent"


def test_half_precision():
    for file in ("half.keras", "half.h5"):
        brain, half, mixed = formats.read(FILES / file).layers[1:]
        assert brain.stored[0].dtype == ml_dtypes.bfloat16
        assert brain.stored[0].read().dtype == ml_dtypes.bfloat16
        assert half.stored[0].dtype == np.float16
        assert mixed.stored[0].dtype == np.float32
        assert [l.config["dtype"] for l in (brain, half, mixed)] == [
            "bfloat16",
            "float16",
            "mixed_float16",
        ]


def test_a_folder_reads_like_the_file():
    folder, file = formats.read(FILES / "folder"), formats.read(FILES / "sequential.keras")
    assert calls(folder) == calls(file)
    for mine, other in zip(all_stored(folder), all_stored(file), strict=True):
        assert mine.name == other.name
        np.testing.assert_array_equal(mine.read(), other.read())


@pytest.mark.parametrize("name", ["sequential", "nested", "old_sequential", "old_nested"])
def test_an_architecture_takes_weights_from_any_file_that_has_them(name, tmp_path):
    ending = "_weights.h5" if name.startswith("old_") else ".weights.h5"
    plain = tmp_path / "config.json"
    plain.write_bytes(bytes(archive.Zip(FILES / f"{name}.keras", Limits()).view("config.json")))
    twice = tmp_path / "twice.json"
    twice.write_text(json.dumps((FILES / f"{name}.json").read_text()))
    for architecture in (FILES / f"{name}.json", FILES / f"{name}.h5", plain, twice):
        for weights in (FILES / f"{name}{ending}", FILES / f"{name}.keras", FILES / f"{name}.h5"):
            graph = formats.read(architecture, weights)
            check_weights(graph, name)
            assert graph.source.startswith(f"{architecture.name} + {weights.name}")


def test_weights_of_another_model_are_refused():
    with pytest.raises(WeightMismatch, match=r"no layer for 'layers/.* another model"):
        formats.read(FILES / "sequential.json", FILES / "nested.weights.h5")
    with pytest.raises(WeightMismatch, match="no layer for 'same'"):
        formats.read(FILES / "sequential.json", FILES / "reused.h5")
    with pytest.raises(BadFile, match="no weights"):
        formats.read(FILES / "sequential.json", FILES / "nested.json")


def test_the_content_tells_the_format(tmp_path):
    shutil.copy(FILES / "sequential.h5", tmp_path / "a.keras")
    shutil.copy(FILES / "sequential.keras", tmp_path / "b.h5")
    shutil.copy(FILES / "sequential.keras", tmp_path / "no_ending")
    for name in ("a.keras", "b.h5", "no_ending"):
        assert len(formats.read(tmp_path / name).nodes) == 4


@pytest.mark.parametrize("file", SAVED)
def test_arrays_lists_what_h5py_finds(file):
    found = formats.arrays(FILES / file)
    path = FILES / file
    if path.suffix == ".keras":
        path = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))
    with h5py.File(path) as genuine:
        paths = []
        genuine.visititems(lambda p, o: paths.append(p) if isinstance(o, h5py.Dataset) else None)
        beside = ("optimizer", "model_weights/top_level_model_weights", "top_level_model_weights")
        own = {p for p in paths if not p.startswith(beside) and "seed_generator" not in p}
        assert own == set(found)
        for name, stored in found.items():
            want = genuine[name][()]
            got = stored.read()
            assert got.shape == want.shape == stored.shape
            assert got.dtype == stored.dtype
            np.testing.assert_array_equal(got.view(want.dtype), want)


def test_genuine_models_beside_these():
    """The models that other tests run are read as well."""
    for path in sorted((FIXTURES / "models").glob("*/*")):
        if path.suffix in (".keras", ".h5"):
            assert list(all_stored(formats.read(path)))


# Memory.


def test_weights_are_views_of_the_file_and_cannot_be_written():
    for file in ("sequential.keras", "sequential.h5"):
        for stored in all_stored(formats.read(FILES / file)):
            array = stored.read()
            if array.flags.aligned and array.base is not None:
                assert not array.flags.owndata
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_a_deflated_archive_reads_the_same(tmp_path):
    source = zipfile.ZipFile(FILES / "sequential.keras")
    with zipfile.ZipFile(tmp_path / "deflated.keras", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    check_weights(formats.read(tmp_path / "deflated.keras"), "sequential")


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import sys, npforward.formats\n"
        "heavy = {'pyfive', 'h5py', 'zipfile', 'ml_dtypes', 'fsspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FIXTURES.parent)


# HDF5.


def written(write, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return hdf5.File(memoryview(buffer.getvalue()), "made.h5", Limits())


VALUES = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (3, 2)},
        {"chunks": (3, 2), "compression": "gzip"},
        {"chunks": (7, 5), "compression": "gzip", "shuffle": True},
        {"chunks": (3, 2), "fletcher32": True},
        {"chunks": (3, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (4, 4), "compression": "lzf"},
        {"chunks": (4, 4), "compression": "lzf", "shuffle": True},
        {"chunks": (3, 2), "maxshape": (None, None)},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "values", [VALUES, np.zeros((9, 9), "float64"), np.arange(300, dtype=">i2")]
)
def test_every_storage_that_hdf5_may_use(options, values):
    if values.ndim == 1:
        options = {k: v[:1] if isinstance(v, tuple) else v for k, v in options.items()}
    stored = written(lambda f: f.create_dataset("x", data=values, **options)).stored("x")
    np.testing.assert_array_equal(stored.read(), values)
    assert stored.read().dtype.isnative
    assert not stored.read().flags.writeable


@pytest.mark.parametrize(
    "value",
    [
        np.float32(3),
        np.zeros((0, 3), "float32"),
        np.array([True, False]),
        np.arange(5, dtype="uint8"),
        np.arange(3, dtype="int64") - 1,
        np.array([1 + 2j], "complex64"),
        np.ones((1,) * 8, "float16"),
    ],
    ids=repr,
)
def test_every_kind_of_array(value):
    stored = written(lambda f: f.create_dataset("x", data=value)).stored("x")
    assert stored.shape == value.shape
    assert stored.read().dtype == value.dtype == stored.dtype
    np.testing.assert_array_equal(stored.read(), value)


def test_compact_storage():
    def write(file):
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(VALUES.shape)
        kind = h5py.h5t.IEEE_F32LE
        h5py.h5d.create(file.id, b"x", kind, space, create).write(space, space, VALUES)

    np.testing.assert_array_equal(written(write).stored("x").read(), VALUES)


def test_a_wrong_checksum_is_noticed():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(7, 5), fletcher32=True)
    content = buffer.getvalue().replace(VALUES[0].tobytes(), VALUES[1].tobytes())
    with pytest.raises(BadFile, match=r"'x': a checksum is wrong"):
        hdf5.File(memoryview(content), "made.h5", Limits()).stored("x").read()


def test_attributes_are_text():
    def write(file):
        file.attrs["str"], file.attrs["bytes"] = "ü", "ü".encode()
        file.attrs["fixed"] = np.bytes_(b"abc")
        file.attrs["strings"] = ["a", "ü"]
        file.attrs["fixed_list"] = np.array([b"a", b"bc"])
        file.attrs["none"] = np.array([])
        file.attrs["names0"], file.attrs["names1"] = ["a", "b"], [b"c"]
        file.attrs["number"] = 3

    file = written(write)
    assert [file.text("", name) for name in ("str", "bytes", "fixed")] == ["ü", "ü", "abc"]
    assert file.texts("", "strings") == ["a", "ü"]
    assert file.texts("", "fixed_list") == ["a", "bc"]
    assert file.texts("", "none") == []
    assert file.texts("", "names") == ["a", "b", "c"]
    assert file.texts("", "absent") is None
    with pytest.raises(BadFile, match="attribute 'number' of '/' is int64, expected text"):
        file.text("", "number")
    with pytest.raises(BadFile, match="attribute 'number' of '/' is not a list of names"):
        file.texts("", "number")


def test_new_style_groups_with_many_members():
    names = [f"n{i}" for i in range(300)]
    file = written(lambda f: [f.create_dataset(n, data=VALUES) for n in names], libver="latest")
    assert file.names() == sorted(names)
    assert set(file.arrays()) == set(names)


def test_a_wrong_path_suggests_the_right_one():
    file = written(lambda f: f.create_dataset("a/kernel", data=VALUES))
    assert "a/kernel" in file
    assert "a/bias" not in file
    assert "b/kernel" not in file
    with pytest.raises(
        BadFile, match=r"there is no 'a/kernal' in this HDF5 file\. Did you mean 'kernel'"
    ):
        file.stored("a/kernal")
    with pytest.raises(BadFile, match="'a' is a group, expected an array"):
        file.stored("a")


# Dialects: a config before and after each step.


def entry(class_name, **config):
    return {"class_name": class_name, "config": config}


def tensor(name, call=0, output=0):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, output]}}


DENSE = entry("Dense", name="d", batch_input_shape=[None, 4])
STEPS = [
    (
        "named_config",
        entry("Sequential") | {"config": [DENSE]},
        entry("Sequential", name="sequential", layers=[DENSE]),
    ),
    ("named_config", DENSE, DENSE),
    ("functional_class", entry("Model", input_layers=[]), entry("Functional", input_layers=[])),
    ("functional_class", entry("Model", name="mine"), entry("Model", name="mine")),
    (
        "batch_shape",
        entry("InputLayer", batch_input_shape=[None, 4]),
        entry("InputLayer", batch_shape=[None, 4]),
    ),
    ("negative_slope", entry("LeakyReLU", alpha=0.3), entry("LeakyReLU", negative_slope=0.3)),
    ("negative_slope", entry("ELU", alpha=0.3), entry("ELU", alpha=0.3)),
    (
        "hard_sigmoid",
        entry("LSTM", recurrent_activation="hard_sigmoid"),
        entry("LSTM", recurrent_activation="keras2>hard_sigmoid"),
    ),
    ("hard_sigmoid", entry("Dense", name="hard_sigmoid"), entry("Dense", name="hard_sigmoid")),
    ("single_axis", entry("BatchNormalization", axis=[3]), entry("BatchNormalization", axis=3)),
    ("single_axis", entry("LayerNormalization", axis=[3]), entry("LayerNormalization", axis=[3])),
    ("reset_after", entry("GRU", units=2), entry("GRU", units=2, reset_after=False)),
    ("reset_after", entry("GRU", reset_after=True), entry("GRU", reset_after=True)),
    (
        "plain_values",
        entry("ReLU", max_value={"type": "ndarray", "value": 6.0}),
        entry("ReLU", max_value=6.0),
    ),
    (
        "without_obsolete",
        entry("LSTM", implementation=1, units=2),
        entry("LSTM", units=2),
    ),
    ("without_obsolete", entry("LSTM", time_major=True), entry("LSTM", time_major=True)),
    (
        "explicit_input",
        entry("Sequential", layers=[DENSE]),
        entry(
            "Sequential",
            layers=[
                entry("InputLayer", name="d_input", batch_shape=[None, 4], dtype="float32"),
                DENSE,
            ],
        ),
    ),
    (
        "explicit_input",
        entry("Sequential", layers=[entry("Sequential", name="s", layers=[DENSE])]),
        entry(
            "Sequential",
            layers=[
                entry("InputLayer", name="s_input", batch_shape=[None, 4], dtype="float32"),
                entry("Sequential", name="s", layers=[DENSE]),
            ],
        ),
    ),
    (
        "explicit_input",
        entry("Sequential", layers=[entry("Dense")]),
        entry("Sequential", layers=[entry("Dense")]),
    ),
    (
        "initial_state",
        entry("LSTM")
        | {"inbound_nodes": [{"args": [[tensor("x"), tensor("h"), tensor("c")]], "kwargs": {}}]},
        entry("LSTM")
        | {
            "inbound_nodes": [
                {"args": [tensor("x")], "kwargs": {"initial_state": [tensor("h"), tensor("c")]}}
            ]
        },
    ),
    (
        "initial_state",
        entry("Add") | {"inbound_nodes": [{"args": [[tensor("x"), tensor("h")]], "kwargs": {}}]},
        entry("Add") | {"inbound_nodes": [{"args": [[tensor("x"), tensor("h")]], "kwargs": {}}]},
    ),
    (
        "categories",
        entry("StringLookup", output_mode="count"),
        entry("StringLookup", output_mode="count", output_dtype="float32"),
    ),
    ("categories", entry("StringLookup"), entry("StringLookup")),
    (
        "lambda_code",
        entry("Lambda", function=["4wEA", None, None], function_type="lambda", module="a"),
        entry("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}}),
    ),
    (
        "lambda_code",
        entry("Lambda", function="relu", function_type="function", output_shape_type="raw"),
        entry("Lambda", function={"class_name": "function", "config": "relu", "module": None}),
    ),
    ("lambda_code", entry("Lambda", function="relu"), entry("Lambda", function="relu")),
    (
        "operations",
        entry("Add", name="add") | {"inbound_nodes": []},
        entry("Add", name="add") | {"inbound_nodes": [], "module": "keras.ops"},
    ),
    (
        "operations",
        entry("SpatialDropout2D", name="a", rate=0.5) | {"inbound_nodes": []},
        entry("SpatialDropout2D", name="a", rate=0.5) | {"inbound_nodes": []},
    ),
    (
        "operations",
        entry("Add", name="a", trainable=True) | {"inbound_nodes": []},
        entry("Add", name="a", trainable=True) | {"inbound_nodes": []},
    ),
]


@pytest.mark.parametrize(("step", "before", "after"), STEPS)
def test_dialect_step(step, before, after):
    given = copy.deepcopy(before)
    modules = (keras_dialects, keras2_dialect, keras_meanings)
    (found,) = {getattr(module, step) for module in modules if hasattr(module, step)}
    assert found(given) == after
    assert given == before, "a step must not change what it is given"


def test_every_step_is_tested_alone():
    """By a row above, or by the before and after in its own docstring."""
    steps = [
        *keras1_dialect.steps("1.0.5", "theano"),
        *(keras2_dialect.named_config, keras2_dialect.weights_of_cudnn),
        *(*keras2_dialect.STEPS, *keras_dialects.KERAS_3),
        *keras_meanings.steps((2, 2), own=True, theano=True),
        *keras_meanings.steps((2, 2), own=True, theano=False),
        *keras_meanings.steps((2, 2), own=False, theano=False),
    ]
    functions = {getattr(step, "func", step) for step in steps}
    rows = {name for name, *_ in STEPS}
    assert {f.__name__ for f in functions if ">>>" not in f.__doc__} <= rows
    assert len(functions) > 50


BUILT = entry("Sequential", name="s", layers=[entry("InputLayer", batch_shape=[None, 4])])
DEFERRED = entry("Sequential", name="t", layers=[entry("Dense", name="d")])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([["x", 0, 0]], {"args": [tensor("x")], "kwargs": {}}),
        ([["x", 0, 0, {}]], {"args": [tensor("x")], "kwargs": {}}),
        (
            [["x", 0, 0, {}], ["y", 1, 2, {}]],
            {"args": [[tensor("x"), tensor("y", 1, 2)]], "kwargs": {}},
        ),
        (["x", 0, 0, {}], {"args": [tensor("x")], "kwargs": {}}),
        (
            [["x", 0, 0, {"mask": ["y", 0, 1], "n": [3, 0, 0]}]],
            {"args": [tensor("x")], "kwargs": {"mask": tensor("y", 0, 1), "n": [3, 0, 0]}},
        ),
        (
            ["_CONSTANT_VALUE", -1, 2.0, {"y": ["x", 0, 0]}],
            {"args": [2.0], "kwargs": {"y": tensor("x")}},
        ),
        (
            [["x", 0, 0, {"slice_spec": [{"start": 1, "stop": None, "step": None}, 0]}]],
            {
                "args": [tensor("x")],
                "kwargs": {
                    "slice_spec": [
                        {
                            "class_name": "__slice__",
                            "config": {"start": 1, "stop": None, "step": None},
                        },
                        0,
                    ]
                },
            },
        ),
        (
            {"a": ["x", 0, 0, {}], "b": ["y", 0, 0, {}]},
            {"args": [{"a": tensor("x"), "b": tensor("y")}], "kwargs": {}},
        ),
        ([["s", 1, 0, {}]], {"args": [tensor("s", 0)], "kwargs": {}}),
        ([["t", 0, 0, {}]], {"args": [tensor("t", 0)], "kwargs": {}}),
        ({"args": [tensor("x")], "kwargs": {}}, {"args": [tensor("x")], "kwargs": {}}),
    ],
)
def test_old_calls_become_new_ones(before, after):
    layers = [entry("InputLayer", name="x"), entry("InputLayer", name="y"), BUILT, DEFERRED]
    called = entry("Layer", name="z") | {"inbound_nodes": [before]}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["s", 1, 0], ["z", 0, 0]]}
    old = entry("Functional", layers=[*layers, called], **ends)
    new = keras2_dialect.explicit_calls(old)["config"]
    assert new["layers"][-1]["inbound_nodes"] == [after]
    assert new["input_layers"] == ["x", 0, 0]
    assert new["output_layers"] == [["s", 0, 0], ["z", 0, 0]]


def test_the_version_decides_the_dialect():
    for version, expected in (("2.15.0", "keras2>hard_sigmoid"), ("3.0.5", "hard_sigmoid")):
        old = entry(
            "Sequential", name="s", layers=[entry("Dense", name="d", activation="hard_sigmoid")]
        )
        assert keras_config.graph(old, version=version).layers[1].config["activation"] == expected
    without = {"module": "keras.src.engine.sequential", **old}
    assert keras_config.graph(without).layers[1].config["activation"] == "keras2>hard_sigmoid"
    assert (
        keras_config.graph({**old, "module": "keras"}).layers[1].config["activation"]
        == "hard_sigmoid"
    )


def test_a_keras_2_sequential_without_an_input_layer():
    old = {
        "class_name": "Sequential",
        "config": [entry("Sequential", name="inner", layers=[DENSE]), entry("Dense", name="e")],
    }
    graph = keras_config.graph(old, version="2.1.6")
    assert [node.address for node in graph.nodes] == ["inner_input", "inner", "e"]
    assert [node.address for node in graph.layers[1].nodes] == ["d_input", "d"]
    assert graph.layers[0].config["batch_shape"] == [None, 4]


# Configs.


def functional(*layers, output):
    ends = {"input_layers": ["x", 0, 0], "output_layers": output}
    first = entry("InputLayer", name="x", batch_shape=[None, 4])
    layers = [first | {"inbound_nodes": []}, *layers]
    named = [
        {"module": "keras.layers", "name": layer["config"]["name"], **layer} for layer in layers
    ]
    return {
        "module": "keras.src.models.functional",
        **entry("Functional", name="m", layers=named, **ends),
    }


def one(class_name, module="keras.layers", registered=None, **config):
    made = entry(class_name, name="a", **config)
    return {
        **made,
        "module": module,
        "registered_name": registered,
        "inbound_nodes": [{"args": [tensor("x")], "kwargs": {}}],
    }


@pytest.mark.parametrize(
    ("layer", "type_"),
    [
        (one("Dense"), "Dense"),
        (one("Dense", "keras.src.layers.core.dense", "Dense"), "Dense"),
        (one("LayerScale", "keras.src.applications.convnext", "LayerScale"), "LayerScale"),
        (one("Add", "keras.src.ops.numpy", "Add"), "ops.Add"),
        (one("Relu", "keras.ops"), "ops.Relu"),
        (one("Dense", "mine", "pkg>Dense"), "pkg>Dense"),
        (one("Dense", "keras.layers", "pkg>Dense"), "pkg>Dense"),
        (one("Dense", "keras.layers", "keras>Dense"), "Dense"),
        (one("Dense", "os", "Dense"), "os>Dense"),
        (one("Dense", None, "Dense"), "Custom>Dense"),
        (one("Dense", "keras_hub.src.layers", "Dense"), "keras_hub.src.layers>Dense"),
    ],
)
def test_a_class_that_is_not_keras_own_is_never_taken_for_one(layer, type_):
    modules = set(sys.modules)
    graph = keras_config.graph(functional(layer, output=["a", 0, 0]))
    assert graph.layers[1].type == type_
    assert set(sys.modules) == modules


def test_values_in_a_config_become_what_they_mean():
    layer = one(
        "Thing",
        activation={"module": "keras.activations", "class_name": "function", "config": "relu"},
        mine={"module": "builtins", "class_name": "function", "config": "pkg>f"},
        unregistered={
            "module": "pkg",
            "class_name": "function",
            "config": "f",
            "registered_name": "f",
        },
        code={"class_name": "__lambda__", "config": {"value": ["4wE="]}},
        dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
        other={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}},
        shape={"class_name": "TensorShape", "items": [None, 3]},
        pair={"class_name": "__tuple__", "items": [1, 2]},
        cut={"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 2}},
        table={"class_name": "__numpy__", "config": {"value": [[1, 2]], "dtype": "int32"}},
        raw={"class_name": "__bytes__", "config": {"value": "ab"}},
        kernel_initializer={"module": "keras.initializers", "class_name": "Zeros", "config": {}},
        inner={"module": "keras.layers", "class_name": "ReLU", "config": {"name": "r"}},
    )
    found = keras_config.graph(functional(layer, output=["a", 0, 0])).layers[1]
    config = dict(found.config)
    table = config.pop("table")
    assert table.dtype == np.int32
    assert table.tolist() == [[1, 2]]
    assert config == {
        "name": "a",
        "activation": "relu",
        "mine": "pkg>f",
        "unregistered": "pkg>f",
        "code": "<lambda>",
        "dtype": "mixed_float16",
        "other": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}},
        "shape": [None, 3],
        "pair": (1, 2),
        "cut": slice(1, None, 2),
        "raw": b"ab",
        "kernel_initializer": {"module": "keras.initializers", "class_name": "Zeros", "config": {}},
    }
    assert found.children["inner"].type == "ReLU"


def test_nodes_keep_the_order_of_the_file_where_they_can():
    late = one("Add") | {
        "name": "late",
        "inbound_nodes": [{"args": [[tensor("p"), tensor("q")]], "kwargs": {}}],
    }
    p, q = (one("Dense") | {"name": n, "config": {"name": n}} for n in "pq")
    late["config"] = {"name": "late"}
    graph = keras_config.graph(functional(late, q, p, output=["late", 0, 0]))
    assert [node.address for node in graph.nodes] == ["x", "q", "p", "late"]


def test_a_long_model_needs_no_deep_stack():
    chain, before = [], "x"
    for i in range(5000):
        node = [{"args": [tensor(before)], "kwargs": {}}]
        chain.append({**entry("Dense", name=f"d{i}"), "inbound_nodes": node})
        before = f"d{i}"
    started = time.perf_counter()
    graph = keras_config.graph(functional(*reversed(chain), output=[before, 0, 0]))
    assert [node.address for node in graph.nodes[:2]] == ["x", "d0"]
    assert graph.nodes[-1].address == "d4999"
    assert time.perf_counter() - started < 10


def test_models_that_call_models_that_call_models_are_bounded():
    """Ten calls of a model that makes ten calls, and so on: a short config, a billion calls."""
    model = functional(one("Dense"), output=["a", 0, 0])
    for depth in range(9):
        nodes = [{"args": [tensor("x")], "kwargs": {}}] * 10
        config = {**model["config"], "name": f"m{depth}"}
        inner = {**model, "config": config, "inbound_nodes": nodes}
        model = functional(inner, output=[f"m{depth}", 1, 0])
    with pytest.raises(LimitExceeded, match=r"calls in model 'm8/.*exceeds the limit layers"):
        keras_config.graph(model)


def test_snake_case():
    names = {
        "Dense": "dense",
        "Conv1D": "conv1d",
        "ReLU": "re_lu",
        "ELU": "elu",
        "GRU": "gru",
        "SpatialDropout1D": "spatial_dropout1d",
        "RMSNormalization": "rms_normalization",
        "LeakyReLU": "leaky_re_lu",
        "GroupQueryAttention": "grouped_query_attention",
        "RandomRGBShift": "random_rgb_shift",
        "STFTSpectrogram": "stft_spectrogram",
        "MelSpectrogram": "mel_spectrogram",
        "ConvLSTM2D": "conv_lstm2d",
    }
    assert {name: keras_config.snake(name) for name in names} == names


# Files that are none.


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(MissingFile, match=r"pipe\.keras: neither a file nor a folder"):
        formats.read(tmp_path / "pipe.keras")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' * 500, "1" * 5000, "\ufeff{]", '"\\ud800']
)
def test_hostile_json(text):
    with pytest.raises(NpforwardError, match=r"config\.json"):
        guarded_json.loads(text, "config.json", Limits())


def test_a_class_under_its_python_name_is_the_public_one():
    """As Keras 3.15 writes a GroupQueryAttention into .h5."""
    layer = {"module": "keras.layers", "class_name": "GroupedQueryAttention"}
    layer |= {"registered_name": "GroupedQueryAttention", "config": {"name": "a"}}
    config = {"name": "m", "layers": [layer], "build_input_shape": [None, 4, 2]}
    model = {"module": "keras", "class_name": "Sequential", "config": config}
    assert keras_config.graph(model).nodes[-1].layer.type == "GroupQueryAttention"


# Byte code of a function `preprocess` and of a lambda, as tf.keras 2.15 (Python 3.10) and
# Keras 2.2.4 (Python 3.6) wrote them.
CODE = {
    "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMIAAAAfABkARQAUwApAk7pAgAAAKkAKQHaAXhyAgAA\nAHICAAAA+g0v"
    "dG1wL2xhbS9hLnB52gpwcmVwcm9jZXNzBgAAAHMCAAAACAA=\n": "preprocess",
    "4wIAAAAAAAAAAgAAAAIAAABDAAAAcwwAAAB8AGQBGwB8ARgAUwApAk7nAAAAAADgX0CpACkC2gF4\n2gFmcgIAAAByAg"
    "AAAPoEYS5wedoIPGxhbWJkYT4HAAAAcwAAAAA=\n": "",
}


@pytest.mark.parametrize(("code", "name"), CODE.items())
def test_a_function_is_called_by_its_name_without_running_its_code(code, name):
    assert python_code.name_of(code) == name


def test_the_code_of_a_lambda_is_not_run_but_its_name_is_told(tmp_path):
    (code, name) = next(iter(CODE.items()))
    config = {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "Lambda",
                "config": {
                    "name": "pre",
                    "batch_input_shape": [None, 4],
                    "function": [code, None, None],
                    "function_type": "lambda",
                    "module": "__main__",
                    "output_shape_type": "raw",
                    "output_shape_module": None,
                    "arguments": {},
                },
            }
        ],
    }
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["model_config"] = "2.1.6", json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = ["pre"]
        file["model_weights"].create_group("pre").attrs["weight_names"] = np.array([])
    x = np.ones((1, 4), "float32")
    with pytest.raises(UnsupportedLayer, match=r"'pre' \(Lambda\).*the function 'preprocess'\)"):
        npf.load_model(path).predict(x)
    for key in (name, "pre", "Lambda"):
        model = npf.load_model(path, custom_layers={key: lambda x: x * 2})
        np.testing.assert_array_equal(model.predict(x), x * 2)
