"""Models converted to today's `.keras`, read back and compared; what is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from cases import FIXTURES
from test_models import FILES as MODELS

import npforward as npf
from npforward.conversion import meanings
from npforward.conversion.meanings import Part
from npforward.formats import keras_config
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.layers import LAYERS
from npforward.model import Model
from npforward.verify import difference

FILES = sorted(
    path.name
    for path in (FIXTURES / "files").iterdir()
    if path.suffix in (".h5", ".keras") and "weights" not in path.name
)
EVERY = [*(f"files/{file}" for file in FILES), *("models/" + "/".join(m) for m in MODELS)]
KEPT = "Keep this file, and open it with npforward"
QUANTIZED = (
    "layer 'attend' (MultiHeadAttention): its {} is quantised, and Keras 3.15.1 cannot load an "
    f"attention that is. {KEPT}, or convert the model before model.quantize"
)
REFUSED = {
    "files/unbuilt.keras": (
        "input 'input_layer': the file does not say its shape, without which Keras 3 makes no "
        "arrays to load. Say it: shapes={'input_layer': (28, 28, 1)}, on the command line --shape "
        "input_layer=28,28,1 (as an example)"
    ),
    "models/lora/model.h5": (
        "layer 'answer' (Dense): LoRA beside a quantised kernel. A .keras file holds both as one "
        f"kernel, which would have to be quantised anew and give other numbers. {KEPT}"
    ),
    "models/quantized/model.h5": QUANTIZED.format("query_dense"),
    "models/quantized/model.keras": QUANTIZED.format("key_dense"),
}
TAKEN = [which for which in EVERY if which not in REFUSED]


def drawn(model, seed=0):
    """An input for each of the model's, of numbers that any fixture takes."""
    rng = np.random.default_rng(seed)

    def one(spec):
        shape = [n or (4 if i == 0 else 8) for i, n in enumerate(spec.shape)]
        if spec.dtype.kind == "U":
            return rng.choice(["a great film", "dull", "oslo"], shape)
        return (rng.random(shape) * 3).astype(spec.dtype)

    return [one(spec) for spec in model.inputs]


def today(address):
    """The address of a value after conversion: Keras 3 takes no "/" in a name."""
    return address.replace("%2F", "_")


def traced(model, inputs):
    return model.trace({s.name: x for s, x in zip(model.inputs, inputs, strict=True)})


def compare(model, path, changes):
    """Hold what a converted model computes, read back, against the model itself."""
    again = npf.load_model(path)
    inputs = drawn(model)
    want, found = traced(model, inputs), traced(again, inputs)
    scaled = any("scal" in change or "merged" in change for change in changes)
    for address, value in want.items():
        got = found[today(address)]
        if scaled:
            assert difference(got, value).within, address
        else:
            np.testing.assert_array_equal(got, value, err_msg=address)
    added = set(found) - set(map(today, want))
    assert all(address.rpartition("/")[2].startswith("mask_") for address in added)


@pytest.mark.parametrize("which", TAKEN)
def test_every_layer_computes_the_same(which, tmp_path):
    model = npf.load_model(FIXTURES / which)
    done = npf.convert(model, tmp_path / "new.keras")
    compare(model, done.path, done.changes)
    assert sum(model.weights.dtypes[w].itemsize > 0 for w in model.weights) <= done.arrays


@pytest.mark.parametrize("which", REFUSED)
def test_a_refusal_says_which_layer_and_why_and_writes_nothing(which, tmp_path):
    out = tmp_path / "new.keras"
    out.write_text("older")
    with pytest.raises(npf.errors.UnsupportedLayer) as refused:
        npf.convert(FIXTURES / which, out)
    assert str(refused.value) == REFUSED[which]
    assert [file.read_text() for file in tmp_path.iterdir()] == ["older"]


@pytest.mark.parametrize("which", TAKEN[::3])
def test_a_second_conversion_changes_nothing(which, tmp_path):
    npf.convert(FIXTURES / which, tmp_path / "once.keras")
    again = npf.convert(tmp_path / "once.keras", tmp_path / "twice.keras")
    assert again.changes == ()
    assert (tmp_path / "once.keras").read_bytes() == (tmp_path / "twice.keras").read_bytes()


# ---- what genuine Keras wrote for the same model ------------------------------------------------


def told(tree):
    """A config without what Keras adds for itself, or puts in two ways."""
    if isinstance(tree, dict):
        if tree.get("class_name") == "DTypePolicy":
            return tree["config"]["name"]
        if tree.get("class_name") == "__keras_tensor__":
            return tree["config"]["keras_history"]
        passing = {"build_config", "compile_config", "shared_object_id"}
        kept = {key: told(value) for key, value in tree.items() if key not in passing}
        if kept.keys() == {"args", "kwargs"}:
            kept["kwargs"] = {k: v for k, v in kept["kwargs"].items() if v is not None}
        return kept
    return [told(branch) for branch in tree] if isinstance(tree, list) else tree


def members(path):
    """The config of a .keras file, its arrays by path, and the layers' names by path."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    arrays, names = {}, {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset):
            arrays[path] = item[()]
        elif "name" in item.attrs:
            names[path] = item.attrs["name"]

    file.visititems(visit)
    return told(config), arrays, names


# Keras itself cannot open the two of these that have layers in several models.
WRITTEN_BY_KERAS_3 = sorted(
    which
    for which in TAKEN
    if which.endswith(".keras") and "old_" not in which and "shared" not in which
)


@pytest.mark.parametrize("which", WRITTEN_BY_KERAS_3)
def test_the_file_is_that_of_keras_3(which, tmp_path):
    """Config, places of arrays and the arrays, bit for bit, of what Keras 3.15 itself wrote."""
    npf.convert(FIXTURES / which, tmp_path / "new.keras")
    config, arrays, names = members(tmp_path / "new.keras")
    genuine_config, genuine_arrays, genuine_names = members(FIXTURES / which)
    if which == "models/text_classifier/model.keras":  # it has the vocabulary beside the config
        vocabulary = config["config"]["layers"][1]["config"].pop("vocabulary")
        assert genuine_config["config"]["layers"][1]["config"].pop("vocabulary") is None
        with zipfile.ZipFile(FIXTURES / which) as archive:
            lines = archive.read("assets/layers/text_vectorization/vocabulary.txt").decode()
        assert lines.split("\n") == vocabulary
    assert config == genuine_config
    genuine_arrays = {k: v for k, v in genuine_arrays.items() if not k.startswith("optimizer/")}
    assert arrays.keys() == genuine_arrays.keys()
    for path, array in genuine_arrays.items():
        assert arrays[path].dtype == array.dtype
        assert arrays[path].tobytes() == array.tobytes(), path
    assert names.items() <= genuine_names.items()  # those of cells and the like are Keras's affair


# ---- changed meanings ---------------------------------------------------------------------------

OLD = {"activation": "hard_sigmoid"}
GATES = {"recurrent_activation": "hard_sigmoid", "return_sequences": True}
LSTM = [(3, 8), (2, 8), (8,)]
# What Keras 2.2 wrote of a layer with its hard_sigmoid: input, class, config, shapes of arrays.
STEEPER = {
    "Dense": ((5,), "Dense", {"units": 3, **OLD}, [(5, 3), (3,)]),
    "Dense without bias": ((5,), "Dense", {"units": 3, "use_bias": False, **OLD}, [(5, 3)]),
    "Conv2D": (
        (5, 5, 2),
        "Conv2D",
        {"filters": 3, "kernel_size": [2, 2], **OLD},
        [(2, 2, 2, 3), (3,)],
    ),
    "DepthwiseConv2D": (
        (5, 5, 2),
        "DepthwiseConv2D",
        {"kernel_size": [2, 2], **OLD},
        [(2, 2, 2, 1), (2,)],
    ),
    "SeparableConv2D": (
        (5, 5, 2),
        "SeparableConv2D",
        {"filters": 3, "kernel_size": [2, 2], "depth_multiplier": 2, **OLD},
        [(2, 2, 2, 2), (1, 1, 4, 3), (3,)],
    ),
    "Activation": ((4, 3), "Activation", OLD, []),
    "LSTM": ((4, 3), "LSTM", {"units": 2, **GATES}, LSTM),
    "LSTM, candidates too": ((4, 3), "LSTM", {"units": 2, **GATES, **OLD}, LSTM),
    "LSTM, candidates alone": (
        (4, 3),
        "LSTM",
        {"units": 2, "recurrent_activation": "tanh", **OLD},
        LSTM,
    ),
    "GRU": ((4, 3), "GRU", {"units": 2, **GATES}, [(3, 6), (2, 6), (6,)]),
    "GRU, reset after": (
        (4, 3),
        "GRU",
        {"units": 2, "reset_after": True, **GATES, **OLD},
        [(3, 6), (2, 6), (2, 6)],
    ),
    "SimpleRNN": ((4, 3), "SimpleRNN", {"units": 2, **OLD}, [(3, 2), (2, 2), (2,)]),
    "ConvLSTM2D": (
        (3, 5, 5, 2),
        "ConvLSTM2D",
        {"filters": 2, "kernel_size": [2, 2], "padding": "same", **GATES},
        [(2, 2, 2, 8), (2, 2, 2, 8), (8,)],
    ),
    "RNN": (
        (4, 3),
        "RNN",
        {
            "cell": {
                "class_name": "LSTMCell",
                "config": {"name": "c", "units": 2, "recurrent_activation": "hard_sigmoid"},
            }
        },
        LSTM,
    ),
    "Bidirectional": (
        (4, 3),
        "Bidirectional",
        {"layer": {"class_name": "LSTM", "config": {"name": "l", "units": 2, **GATES}}},
        [*LSTM, *LSTM],
    ),
    "TimeDistributed": (
        (4, 3),
        "TimeDistributed",
        {"layer": {"class_name": "Dense", "config": {"name": "d", "units": 2, **OLD}}},
        [(3, 2), (2,)],
    ),
}


def of_keras_2(layers, arrays, version="2.2.4", **outer):
    """A model as Keras 2 wrote it, with its arrays in a list for each layer, as in .h5."""

    def weights(place, names, model):
        found = () if len(names) != 1 else arrays.get(names[0], ())
        return tuple(
            Stored(f"{names[0]}/{i}", a.shape, a.dtype, lambda a=a: a) for i, a in enumerate(found)
        )

    kind = "Model" if outer else "Sequential"
    config = {"name": "m", "layers": layers, **outer}
    entry = {"class_name": kind, "config": config}
    return Model(keras_config.graph(entry, weights, version=version))


def steeper(name):
    shape, kind, config, sizes = STEEPER[name]
    first = {"name": "layer", "batch_input_shape": [None, *shape], **config}
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 0.9, size).astype("float32") for size in sizes]
    return of_keras_2([{"class_name": kind, "config": first}], {"layer": arrays})


@pytest.mark.parametrize("name", STEEPER)
def test_the_hard_sigmoid_of_keras_2(name, tmp_path):
    model = steeper(name)
    done = npf.convert(model, tmp_path / "new.keras")
    again = npf.load_model(done.path)
    (x,) = drawn(model)
    want, got = model.predict(3 * x - 4), again.predict(3 * x - 4)
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-7)
    with zipfile.ZipFile(done.path) as archive:
        assert b"keras2" not in archive.read("config.json")
    assert len(done.changes) == {"Bidirectional": 2, "LSTM, candidates too": 2}.get(
        name, 2 if name == "GRU, reset after" else 1
    )


def test_kernels_are_scaled_and_candidates_are_not(tmp_path):
    npf.convert(steeper("LSTM"), tmp_path / "new.keras")
    before, after = steeper("LSTM").weights, npf.load_model(tmp_path / "new.keras").weights
    for name in ("kernel", "recurrent_kernel", "bias"):
        a, b = before[f"layer/cell/{name}"], after[f"layer/cell/{name}"]
        gates, candidate = np.r_[0:4, 6:8], slice(4, 6)
        np.testing.assert_array_equal(b[..., candidate], a[..., candidate])
        np.testing.assert_allclose(b[..., gates], 1.2 * a[..., gates].astype("float64"), rtol=6e-8)


def embedded(name, inputs=None, mask_zero=True):
    config = {"name": name, "input_dim": 5, "output_dim": 3, "mask_zero": mask_zero}
    return {
        "class_name": "Embedding",
        "config": config,
        "inbound_nodes": [[[inputs or f"{name}_in", 0, 0, {}]]],
    }


def entered(name, length=6):
    config = {"name": name, "batch_input_shape": [None, length], "dtype": "int32"}
    return {"class_name": "InputLayer", "config": config, "inbound_nodes": []}


def layer(kind, name, sources, nodes=1, **config):
    inbound = [[[source, 0, 0, {}] for source in sources]]
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": inbound}


def masked(*middle, last=("LSTM", {"units": 2}), sources=("joined",), second=True):
    """Two masked (or one masked) sequences of words, what joins them, and a layer that looks."""
    kind, config = last
    layers = [
        entered("a_in"),
        entered("b_in"),
        embedded("a"),
        embedded("b", mask_zero=second),
        *middle,
        layer(kind, "last", sources, **config),
    ]
    rng = np.random.default_rng(1)
    tables = {n: [rng.normal(size=(5, 3)).astype("float32")] for n in "ab"}
    width = 6 if any(m["class_name"] == "Concatenate" and m["config"]["axis"] == -1
                     for m in middle) else 3  # fmt: skip
    lstm = [rng.normal(size=s).astype("float32") for s in ((width, 8), (2, 8), (8,))]
    arrays = {**tables, "last": lstm if kind == "LSTM" else []}
    ends = {
        "input_layers": [["a_in", 0, 0], ["b_in", 0, 0]],
        "output_layers": [["last", 0, 0]],
    }
    return of_keras_2(layers, arrays, "2.9.0", **ends)


MASKED = {
    "a sum of two": lambda: masked(layer("Add", "joined", ["a", "b"])),
    "a sum of one that is masked": lambda: masked(layer("Add", "joined", ["a", "b"]), second=False),
    "joined in channels": lambda: masked(layer("Concatenate", "joined", ["a", "b"], axis=-1)),
    "joined in time": lambda: masked(layer("Concatenate", "joined", ["a", "b"], axis=1)),
    "one joined in channels": lambda: masked(
        layer("Concatenate", "joined", ["a", "b"], axis=-1), second=False
    ),
    "sums of sums": lambda: masked(
        layer("Add", "one", ["a", "b"]),
        layer("Dropout", "two", ["one"], rate=0.5),
        layer("Multiply", "joined", ["two", "a"]),
    ),
    "attention": lambda: masked(
        layer("Add", "joined", ["a", "b"]),
        last=("Attention", {}),
        sources=("joined", "a"),
    ),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks_of_keras_2(name, tmp_path):
    model = MASKED[name]()
    done = npf.convert(model, tmp_path / "new.keras")
    compare(model, done.path, done.changes)
    words = drawn(model)
    unmasked = [np.maximum(x, 1) for x in words]  # the masks must matter for this to mean anything
    assert not np.array_equal(model.predict(words), model.predict(unmasked))


def test_a_mask_that_cannot_be_said(tmp_path):
    model = masked(layer("Concatenate", "joined", ["a", "b"], axis=1), second=False)
    with pytest.raises(npf.errors.UnsupportedLayer) as refused:
        npf.convert(model, tmp_path / "new.keras")
    assert str(refused.value) == (
        f"layer 'last' (LSTM): it has a mask that cannot be said in Keras 3. {KEPT}"
    )


def test_a_crop_that_resized(tmp_path):
    config = {"name": "crop", "height": 4, "width": 6, "batch_input_shape": [None, 9, 8, 3]}
    model = of_keras_2([{"class_name": "RandomCrop", "config": config}], {}, "2.9.0")
    done = npf.convert(model, tmp_path / "new.keras")
    compare(model, done.path, done.changes)
    assert done.changes[0].startswith("crop: a Resizing, as which its RandomCrop acted")


# ---- what Keras 3 has not -----------------------------------------------------------------------


def test_a_class_that_keras_3_lacks(tmp_path, monkeypatch):
    monkeypatch.setitem(LAYERS, "OldReLU", LAYERS["ReLU"])
    entry = {"class_name": "OldReLU", "config": {"name": "bend", "batch_input_shape": [None, 3]}}
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [entry]}}
    with pytest.raises(npf.errors.UnsupportedLayer) as refused:
        npf.convert(of_keras_2([inner], {}), tmp_path / "new.keras")
    assert str(refused.value) == (
        "layer 'inner/bend' (OldReLU): Keras 3.15.1 has no layer that computes this. "
        f"{KEPT}, or write the layer as a custom one for Keras 3"
    )


def test_an_option_that_keras_3_lacks(tmp_path, monkeypatch):
    dense = LAYERS["Dense"]

    def sideways(inputs, kernel, bias=None, sideways=False, **options):
        return dense.fn(inputs, kernel, bias, **options)

    options = {**dense.options, "sideways": False}
    monkeypatch.setitem(LAYERS, "Dense", dataclasses.replace(dense, fn=sideways, options=options))
    config = {"name": "d", "units": 2, "batch_input_shape": [None, 3]}
    arrays = {"d": [np.ones((3, 2), "float32"), np.ones(2, "float32")]}

    def model(said):
        return of_keras_2([{"class_name": "Dense", "config": {**config, "sideways": said}}], arrays)

    npf.convert(model(False), tmp_path / "new.keras")  # it says nothing, and is left out
    with pytest.raises(npf.errors.UnsupportedOption) as refused:
        npf.convert(model(True), tmp_path / "new.keras")
    assert str(refused.value) == (
        f"layer 'd' (Dense): Keras 3.15.1 has no option sideways for it, which is True here. {KEPT}"
    )


def test_custom_layers_are_refused(tmp_path):
    with pytest.raises(npf.errors.UnsupportedLayer) as refused:
        npf.convert(FIXTURES / "custom" / "model.keras", tmp_path / "new.keras")
    assert str(refused.value) == (
        "layer 'bent_dense' (Dense): its activation 'shop>bent' is Python code, which is not in "
        f"the file. {KEPT} and custom_layers, or build the model with that code in Keras 3"
    )


def test_the_name_must_end_in_keras(tmp_path):
    with pytest.raises(npf.errors.BadInput, match=r"new\.h5: give a name that ends in \.keras"):
        npf.convert(FIXTURES / "models" / "mlp" / "model.h5", tmp_path / "new.h5")


# ---- layers and their order ---------------------------------------------------------------------


def test_layers_are_in_the_order_in_which_keras_looks_for_arrays(tmp_path):
    """Keras goes by how far from the output a layer is, whatever the order in the file."""
    layers = [
        entered("x", 4),
        layer("Dense", "near", ["x"], units=2),
        layer("Dense", "far", ["x"], units=2),
        layer("Dense", "middle", ["far"], units=2),
        layer("Add", "sum", ["near", "middle"]),
    ]
    rng = np.random.default_rng(0)

    def two(n):
        return [rng.normal(size=s).astype("float32") for s in ((n, 2), (2,))]

    arrays = {"near": two(4), "far": two(4), "middle": two(2)}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["sum", 0, 0]]}
    npf.convert(of_keras_2(layers, arrays, **ends), tmp_path / "new.keras")
    config, kept, names = members(tmp_path / "new.keras")
    assert [entry["name"] for entry in config["config"]["layers"]] == [
        "x", "far", "near", "middle", "sum"
    ]  # fmt: skip
    assert [names[f"layers/dense{n}/vars"] for n in ("", "_1", "_2")] == ["far", "near", "middle"]
    np.testing.assert_array_equal(kept["layers/dense/vars/0"], arrays["far"][0])


def test_what_no_output_depends_on_is_left_out(tmp_path):
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": [None, 3], "dtype": "float32"})),
        Node("idle", Layer("idle", "ReLU", {"name": "idle"}), (Ref("x"),)),
        Node("y", Layer("y", "ReLU", {"name": "y"}), (Ref("x"),)),
    )
    graph = Graph("m", "Functional", nodes, "x", Ref("y"))
    done = npf.convert(Model(graph), tmp_path / "new.keras")
    assert done.changes == ("idle: left out, as no output depends on it",)
    assert list(npf.load_model(done.path).trace(np.ones((1, 3)))) == ["x", "y"]


# ---- meanings, each alone -----------------------------------------------------------------------


def changed(meaning, kind, config, children=None, **known):
    """The config that a meaning makes of a layer's."""
    part = Part("at", kind, "at", dict(config), children or {}, [], **known)
    meaning(part)
    return part


def test_borders_of_theano():
    odd = {"kernel_size": [3, 5], "padding": "theano>same"}
    assert changed(meanings.padding, "Conv2D", odd).config["padding"] == "same"
    for config, widths in (
        ({**odd, "strides": 2}, [[1, 1], [2, 2]]),
        ({**odd, "kernel_size": [2, 4]}, [[1, 0], [2, 1]]),
        ({**odd, "dilation_rate": [1, 2], "strides": [2, 1]}, [[1, 1], [4, 4]]),
        ({**odd, "padding": "full"}, [[2, 2], [4, 4]]),
    ):
        part = changed(meanings.padding, "Conv2D", config)
        assert part.config["padding"] == "valid"
        assert (part.before.type, part.before.config["padding"]) == ("ZeroPadding2D", widths)
    line = changed(meanings.padding, "Conv1D", {"kernel_size": [4], "padding": "theano>same"})
    assert (line.before.type, line.before.config["padding"]) == ("ZeroPadding1D", [2, 1])
    states = {"kernel_size": [3, 3], "padding": "valid", "recurrent_padding": "theano>same"}
    assert "recurrent_padding" not in changed(meanings.padding, "ConvLSTM2D", states).config
    even = {**states, "kernel_size": [2, 3]}
    assert changed(meanings.padding, "ConvLSTM2D", even).config == even  # and is refused later


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "output", "extra"),
    [
        ([3, 3], [2, 2], "valid", [15, 17], None),
        ([3, 3], [2, 2], "valid", [16, 18], [1, 1]),
        ([2, 2], [3, 3], "valid", [20, 23], [0, 0]),
        ([3, 3], [2, 2], "same", [13, 16], [0, 1]),
        ([2, 2], [2, 2], "same", [14, 16], None),
    ],
)
def test_the_output_size_of_a_deconvolution(kernel, strides, padding, output, extra):
    """As genuine Keras 3.15 gives it, for an input of 7 x 8."""
    config = {"kernel_size": kernel, "strides": strides, "padding": padding}
    said = {**config, "output_shape": output}
    part = changed(meanings.output_size, "Conv2DTranspose", said, shape=(None, 7, 8, 2))
    assert part.config == (config if extra is None else {**config, "output_padding": extra})


def test_an_output_size_that_cannot_be():
    config = {"kernel_size": [3, 3], "strides": [2, 2], "output_shape": [19, 17]}
    with pytest.raises(npf.errors.UnsupportedOption) as refused:
        changed(meanings.output_size, "Conv2DTranspose", config, shape=(None, 7, 8, 2))
    assert str(refused.value) == (
        "layer 'at' (Conv2DTranspose): its output_shape=[19, 17] is not one that Keras 3.15.1 "
        f"gives for an input of shape (None, 7, 8, 2). {KEPT}"
    )


@pytest.mark.parametrize(
    ("masked", "sequence", "zeros", "left"),
    [
        (False, True, False, False),  # no place is masked
        (True, True, True, False),  # what Keras 3 does
        (True, False, False, False),
        (True, True, False, True),
        (True, False, True, True),
    ],
)
def test_masked_places_of_both_directions(masked, sequence, zeros, left):
    forward = Layer("f", "LSTM", {"return_sequences": sequence})
    config, children = {"zero_output_for_mask": zeros}, {"forward_layer": forward}
    part = changed(meanings.masked_places, "Bidirectional", config, children, masked=masked)
    assert bool(part.config) == left


def test_whole_numbers_of_tf_keras():
    assert changed(meanings.buckets, "Hashing", {"dtype": "float32"}, gives="int64").config == {
        "dtype": "int64"
    }
    part = changed(meanings.counts, "StringLookup", {"output_dtype": "float32"})
    assert part.config == {}
    assert part.said == [
        "at: gives the same numbers as whole ones of Keras 3's dtype, no longer float32"
    ]


def test_functions_of_lambdas():
    said = changed(meanings.function, "Lambda", {"function": "relu"}).config["function"]
    assert (said["module"], said["config"]) == ("builtins", "relu")
    said = changed(meanings.function, "Lambda", {"function": "expand_dims"}).config["function"]
    assert (said["module"], said["config"]) == ("keras.ops", "expand_dims")
