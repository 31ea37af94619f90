"""Models of Kur converted to Keras 3 and to arrays, and models of Keras to Kurfiles."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_conversion import drawn, of_keras_2
from test_kur import FOLDERS, golden

import npforward as npf
from npforward import cli
from npforward.conversion.kurfile import LONGEST
from npforward.errors import BadInput, CannotWrite, UnsupportedLayer
from npforward.formats.kur.literals import literal
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.model import Model
from npforward.verify import difference
from npforward.weights import parts

MNIST = FIXTURES / "kur" / "shared_mnist_cnn" / "Kurfile.yml"
WRITTEN = sorted(path.parent for path in (FIXTURES / "kur_written").glob("*/evaluated.npz"))


POOLS = ("keras1_theano_pools", "pytorch_pools")  # with borders that Keras 3 has not


def types(folder):
    return {part.type for part in parts(npf.load_model(folder / "Kurfile.yml").graph)}


BATCHWISE = [folder for folder in FOLDERS if "BatchwiseNormalization" in types(folder)]
EXPRESSIBLE = [f for f in FOLDERS if f not in BATCHWISE and f.name not in POOLS]


def keras_names(model):
    """What a node is called in Keras: as its layer, and a further call of that `name@2`."""
    calls, found = Counter(), {}
    for node in model.graph.nodes:
        calls[node.layer] += 1
        found[node.address] = npf.addresses.numbered(node.layer.name, calls[node.layer])
    return found


def fed(model, found):
    """Inputs as Keras takes them: rows, where Kur takes numbers alone."""
    given = {spec.name: found["input"][spec.name] for spec in model.inputs}
    return {name: x[:, None] if x.ndim == 1 else x for name, x in given.items()}


def shapes_of(found):
    return {name: array.shape[1:] for name, array in found["input"].items()}


# ---- Kur -> Keras 3 -----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", EXPRESSIBLE, ids=lambda path: path.name)
def test_every_node_of_kur_in_keras(folder, tmp_path):
    found, _ = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    done = npf.convert(model, tmp_path / "new.keras", shapes=shapes_of(found))
    again, names = npf.load_model(done.path), keras_names(model)
    trace = again.trace(fed(model, found))
    assert len(found["node"]) > 3
    for name, want in found["node"].items():
        got = trace[names[npf.addresses.escape(name)]]
        assert difference(got, want if want.ndim == got.ndim else want[:, None]).within, name


@pytest.mark.parametrize("name", POOLS)
def test_borders_of_pools_that_are_refused(name, tmp_path):
    folder = FIXTURES / "kur" / name
    with pytest.raises(UnsupportedLayer, match=r"has nothing that acts as its padding='\w+>same'"):
        npf.convert(
            folder / "Kurfile.yml", tmp_path / "new.keras", shapes=shapes_of(golden(folder)[0])
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", BATCHWISE, ids=lambda path: path.name)
def test_moments_of_a_batch_are_refused_and_nothing_is_written(folder, tmp_path):
    found, _ = golden(folder)
    with pytest.raises(UnsupportedLayer) as refused:
        npf.convert(folder / "Kurfile.yml", tmp_path / "new.keras", shapes=shapes_of(found))
    assert "(BatchwiseNormalization): it normalises by the moments of the samples" in str(
        refused.value
    )
    assert "give a name that ends in .npz" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_arrays_by_address(folder, tmp_path):
    model = npf.load_model(folder / "Kurfile.yml")
    done = npf.convert(folder / "Kurfile.yml", tmp_path / "arrays.npz")
    assert done.arrays == len(model.weights)
    with np.load(done.path) as arrays:
        assert list(arrays.files) == list(model.weights)
        assert all(np.array_equal(arrays[at], model.weights[at]) for at in arrays.files)


def test_shapes_that_the_data_would_tell(tmp_path):
    out = tmp_path / "new.keras"
    with pytest.raises(UnsupportedLayer, match=r"input 'images': .* --shape images=28,28,1"):
        npf.convert(MNIST, out)
    with pytest.raises(BadInput, match=r"no input 'image'\. Did you mean 'images'"):
        npf.convert(MNIST, out, shapes={"image": (28, 28, 1)})
    npf.convert(MNIST, out, shapes={"images": (28, 28, 1)})
    with pytest.raises(BadInput, match=r"of the shape \(28, 28, 1\) in the file, not of \(5, 5, 1"):
        npf.convert(out, tmp_path / "again.keras", shapes={"images": (5, 5, 1)})
    assert npf.load_model(out).inputs[0].shape == (None, 28, 28, 1)


def test_on_the_command_line(tmp_path, capsys):
    out, kurfile = tmp_path / "new.keras", tmp_path / "kur" / "Kurfile.yml"
    assert cli.main(["convert", str(MNIST), str(out)]) == 3
    assert cli.main(["convert", str(MNIST), str(out), "--shape", "28,28"]) == 2
    assert "should be of shape (3, 3, 28, 8) for an input of shape" in capsys.readouterr().err
    assert cli.main(["convert", str(MNIST), str(out), "--shape", "28,x"]) == 2
    assert "'28,x' are no sizes, like 28,28,1" in capsys.readouterr().err
    assert cli.main(["convert", str(MNIST), str(out), "--shape", "28,28,1"]) == 0
    assert capsys.readouterr().out == f"written: {out} (4 arrays)\n"
    assert cli.main(["convert", str(out), str(kurfile), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(kurfile), "arrays": 4, "changes": []
    }  # fmt: skip
    assert cli.main(["convert", str(out), str(kurfile)]) == 2
    assert "it is there already" in capsys.readouterr().err
    two = FIXTURES / "models" / "multi_io" / "model.keras"
    assert cli.main(["convert", str(two), str(out), "--shape", "3"]) == 2
    assert "say of which input, as NAME=3" in capsys.readouterr().err


# ---- Keras -> Kur, which genuine Kur has evaluated ----------------------------------------------


def kur(model, folder, **more):
    """A model written for Kur and opened again."""
    return npf.load_model(npf.convert(model, folder / "kur" / "Kurfile.yml", **more).path)


@pytest.mark.parametrize("folder", WRITTEN, ids=lambda path: path.name)
def test_genuine_kur_evaluates_what_was_written(folder, tmp_path):
    again = kur(folder / "model.keras", tmp_path)
    text = (tmp_path / "kur" / "Kurfile.yml").read_text()
    assert text == (folder / "Kurfile.yml").read_text()
    with np.load(folder / "evaluated.npz") as arrays:
        found = {key: arrays[key] for key in arrays.files}
    given = {k.partition(":")[2]: a for k, a in found.items() if k.startswith("input:")}
    want = {k.partition(":")[2]: a for k, a in found.items() if k.startswith("output:")}
    result, before = again.predict(given), npf.load_model(folder / "model.keras").predict(given)
    assert result.keys() == want.keys()
    for name, array in want.items():
        assert difference(result[name], array).within, name
        assert any(y.shape == array.shape and difference(y, array).within for y in before), name


@pytest.mark.parametrize("folder", WRITTEN, ids=lambda path: path.name)
def test_there_and_back(folder, tmp_path):
    again = kur(folder / "model.keras", tmp_path)
    with np.load(folder / "evaluated.npz") as arrays:
        given = {k[6:]: arrays[k] for k in arrays.files if k.startswith("input:")}
    back = npf.load_model(npf.convert(again, tmp_path / "back.keras").path)
    for name, array in again.predict(given).items():
        assert difference(back.predict(given)[name], array).within, name


# ---- random networks ----------------------------------------------------------------------------

WORDS = ("relu", "tanh", "sigmoid", "elu", "softplus", "softsign", "hard_sigmoid", "linear")
GATED = {"recurrent_activation": "hard_sigmoid", "reset_after": False}


def options(draw, kind, shape):
    """The config of a layer of a kind, or None where it cannot come after this shape."""
    rank = len(shape)
    some = st.integers(1, 4)
    if kind == "Dense":
        return {
            "units": draw(some),
            "activation": draw(st.sampled_from(WORDS)),
            "use_bias": draw(st.booleans()),
        }
    if kind.startswith("Conv"):
        n = rank - 1
        size = [draw(st.integers(1, 3)) for _ in range(n)]
        padding = draw(st.sampled_from(["same", "valid"]))
        if padding == "valid" and any(k > s for k, s in zip(size, shape, strict=False)):
            return None
        return {"filters": draw(some), "kernel_size": size, "padding": padding,
                "strides": [draw(st.integers(1, 2))] * n,
                "activation": draw(st.sampled_from(WORDS))}  # fmt: skip
    if "Pooling" in kind and "Global" not in kind:
        size = [draw(st.integers(1, 3)) for _ in range(rank - 1)]
        if any(k > s for k, s in zip(size, shape, strict=False)):
            return None
        strides = draw(st.sampled_from([None, [1] * (rank - 1)]))
        return {"pool_size": size, "strides": strides,
                "padding": draw(st.sampled_from(["same", "valid"]))}  # fmt: skip
    if kind in ("GRU", "LSTM"):
        gated = GATED if kind == "GRU" else {"recurrent_activation": "hard_sigmoid"}
        return {
            "units": draw(some),
            "return_sequences": draw(st.booleans()),
            "activation": draw(st.sampled_from(WORDS)),
            "use_bias": draw(st.booleans()),
            **gated,
        }
    if kind == "Permute":
        return {"dims": list(draw(st.permutations(range(1, rank + 1))))}
    return {"RepeatVector": {"n": draw(some)}, "Dropout": {"rate": 0.25}}.get(kind, {})


ANY = ["Dense", "Flatten", "Dropout", "Permute"]
AFTER = {  # kinds of layers, by the number of axes of a sample
    1: ["Dense", "RepeatVector", "Flatten", "Dropout"],
    2: [*ANY, "Conv1D", "GRU", "LSTM", "MaxPooling1D", "GlobalAveragePooling1D"],
    3: [*ANY, "Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D"],
    4: [*ANY, "Conv3D", "MaxPooling3D", "GlobalAveragePooling3D"],
}


def array_shapes(kind, config, shape):
    bias = [(config.get("units") or config.get("filters"),)] if config.get("use_bias", True) else []
    if kind == "Dense":
        return [(shape[-1], config["units"]), *bias]
    if kind.startswith("Conv"):
        return [(*config["kernel_size"], shape[-1], config["filters"]), *bias]
    if kind in ("GRU", "LSTM"):
        n, units = {"GRU": 3, "LSTM": 4}[kind], config["units"]
        return [(shape[-1], n * units), (units, n * units), *([(n * units,)] if bias else [])]
    return []


@st.composite
def networks(draw):
    """A model of Keras 2 of up to six layers, of which some are called twice or are merged."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    layers = [{"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
               "config": {"name": "x", "batch_input_shape": [None, *shape]}}]  # fmt: skip
    arrays, at = {}, "x"
    for i in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(AFTER[len(shape)]))
        config = options(draw, kind, shape)
        if config is None:
            continue
        name = f"l{i}"
        calls = [[[at, 0, 0, {}]]]
        layers.append({"class_name": kind, "name": name, "config": {"name": name, **config},
                       "inbound_nodes": calls})  # fmt: skip
        arrays[name] = [
            rng.normal(0, 0.7, size).astype("float32") for size in array_shapes(kind, config, shape)
        ]
        at = name
        now = of_keras_2(layers, arrays, input_layers=[["x", 0, 0]], output_layers=[[at, 0, 0]])
        shape = list(now.predict(np.zeros((1, *now.inputs[0].shape[1:]))).shape[1:])
        if draw(st.integers(0, 4)) == 0:  # the value merged with what the layer gives of it
            mode = draw(st.sampled_from(["Add", "Multiply", "Average", "Concatenate"]))
            layers.append({"class_name": mode, "name": f"m{i}", "config": {"name": f"m{i}"},
                           "inbound_nodes": [[[at, 0, 0, {}], [at, 0, 0, {}]]]})  # fmt: skip
            at = f"m{i}"
            shape = [*shape[:-1], shape[-1] * (1 + (mode == "Concatenate"))]
    assume(any(arrays.values()))
    return of_keras_2(layers, arrays, input_layers=[["x", 0, 0]], output_layers=[[at, 0, 0]])


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(model=networks())
def test_random_networks_are_read_back_to_the_same(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("random")
    (x,) = drawn(model)
    try:
        again = kur(model, folder)
    except UnsupportedLayer as refused:  # Keras 1 pools no lines, and Keras 2 merges by `concat`
        assert "on Keras 2 only" in str(refused) and "on Keras 1 only" in str(refused)
        assert list(folder.iterdir()) == []
        return
    np.testing.assert_array_equal(again.predict(x - 1), model.predict(x - 1))


# ---- what Kur cannot have -----------------------------------------------------------------------


def alone(kind, config, shape, arrays=(), *constants):
    """A model of one layer."""
    stored = tuple(Stored(str(i), a.shape, a.dtype, lambda a=a: a) for i, a in enumerate(arrays))
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": [None, *shape], "dtype": "float32"})),
        Node("y", Layer("y", kind, config, stored), (Ref("x"), *constants)),
    )
    return Model(Graph("m", "Functional", nodes, "x", Ref("y")))


def ones(*shapes):
    return [np.ones(shape, "float32") for shape in shapes]


GRU = ones((3, 6), (2, 6), (6,))
REFUSED = {
    "no container": (alone("LeakyReLU", {}, [3]), "Kur has no container that computes this"),
    "an option": (
        alone("ReLU", {"max_value": 6.0}, [3]), "Kur has nothing for its max_value=6.0"
    ),
    "an activation": (
        alone("Activation", {"activation": "gelu"}, [3]), "Kur has no activation 'gelu'"
    ),
    "today's function": (
        alone("Activation", {"activation": "hard_sigmoid"}, [3]),
        "Kur's hard_sigmoid is clip(0.2 x + 0.5), today's clip(x / 6 + 0.5)",
    ),
    "an axis": (alone("Softmax", {"axis": 1}, [3, 2]), "Kur has nothing for its axis=1"),
    "gates": (
        alone("GRU", {"units": 2, "reset_after": False}, [4, 3], GRU),
        "the gates of Kur's recurrent layers are a hard_sigmoid, not 'sigmoid'",
    ),
    "the form of cuDNN": (
        alone("GRU", {"units": 2}, [4, 3], ones((3, 6), (2, 6), (2, 6))),
        "Kur has no reset_after=True, which is what Keras does if not told",
    ),
    "backwards": (
        alone("GRU", {"units": 2, "go_backwards": True, **GATED}, [4, 3], GRU),
        "Kur has nothing for its go_backwards=True",
    ),
    "dilation": (
        alone("Conv1D", {"filters": 1, "kernel_size": [2], "dilation_rate": 2}, [4, 1],
              ones((2, 1, 1), (1,))),
        "Kur has no dilation_rate",
    ),
    "groups": (
        alone("Conv1D", {"filters": 2, "kernel_size": [2], "groups": 2}, [4, 2],
              ones((2, 1, 2), (2,))),
        "Kur has nothing for its groups=2",
    ),
    "a causal border": (
        alone("Conv1D", {"filters": 1, "kernel_size": [2], "padding": "causal"}, [4, 1],
              ones((2, 1, 1), (1,))),
        "Kur has nothing for its padding='causal'",
    ),
    "channels first": (
        alone("MaxPooling2D", {"data_format": "channels_first"}, [1, 4, 4]),
        "Kur has nothing for its data_format='channels_first'",
    ),
    "a shape": (
        alone("Reshape", {"target_shape": [2, 3]}, [6]),
        "Kur has nothing for its target_shape=[2, 3]",
    ),
    "open sizes": (
        alone("Flatten", {}, [None, 3]),
        "Kur needs all sizes of (None, None, 3) but that of the samples",
    ),
    "half precision": (
        alone("Dense", {"units": 1, "dtype": "bfloat16"}, [2], ones((2, 1), (1,))),
        "it has to do with bfloat16, and Kur with float32",
    ),
    "constants": (
        alone("ops.Add", {}, [2], (), 1.0), "it is called with 1.0 as well, which Kur cannot say"
    ),
    "a mask": (
        of_keras_2(
            [{"class_name": "Masking", "config": {"name": "m", "batch_input_shape": [None, 4, 3]}},
             {"class_name": "GRU", "config": {"name": "y", "units": 2, **GATED}}],
            {"y": GRU},
        ),
        "it has a mask, of which Kur has none",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_kur_cannot_have_is_named(name, tmp_path):
    model, why = REFUSED[name]
    with pytest.raises(UnsupportedLayer) as refused:
        npf.convert(model, tmp_path / "kur" / "Kurfile.yml")
    assert str(refused.value).startswith("layer 'y'")
    assert f": {why}. Keep this file, and open it with npforward" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_what_no_one_keras_has(tmp_path):
    """Keras 2 pools along one axis, Keras 1 adds."""
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": [None, 4, 2], "dtype": "float32"})),
        Node("p", Layer("p", "MaxPooling1D", {"pool_size": 2}), (Ref("x"),)),
        Node("s", Layer("s", "Add"), ([Ref("p"), Ref("p")],)),
    )
    with pytest.raises(UnsupportedLayer) as refused:
        kur(Model(Graph("m", "Functional", nodes, "x", Ref("s"))), tmp_path)
    first, second = str(refused.value).split("; and\n")
    assert first.startswith("layer 'p' (MaxPooling1D): Kur can have pooling along one axis on Ker")
    assert second.startswith("layer 's' (Add): Kur can have merging by 'add' on Keras 1 only")


def test_what_does_nothing_is_left_out(tmp_path):
    """A linear activation behind an input is one of Keras 1's own inputs to it."""
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": [None, 2], "dtype": "float32"})),
        Node("n", Layer("n", "GaussianNoise", {"stddev": 0.1}), (Ref("x"),)),
        Node("f", Layer("f", "Flatten"), (Ref("n"),)),
        Node("d", Layer("d", "Dense", {"units": 2}, alone("Dense", {}, [2], ones((2, 2), (2,)))
                        .graph.nodes[1].layer.stored), (Ref("f"),)),
        Node("a", Layer("a", "Activation", {"activation": "linear"}), (Ref("d"),)),
    )  # fmt: skip
    model = Model(Graph("m", "Functional", nodes, "x", Ref("a")))
    done = npf.convert(model, tmp_path / "kur" / "Kurfile.yml")
    assert done.changes == tuple(f"{n}: left out, as it changes nothing" for n in "nfa")
    again = npf.load_model(done.path)
    assert again.outputs == ("d",)
    np.testing.assert_array_equal(again.predict(np.eye(2)), model.predict(np.eye(2)))


def test_a_model_without_arrays(tmp_path):
    with pytest.raises(BadInput, match="no arrays, and a Kurfile without a folder of them is none"):
        kur(alone("ReLU", {}, [3]), tmp_path)


def test_both_ways_with_all_steps(tmp_path):
    config = {"units": 2, "return_sequences": True, **GATED}
    way = {"class_name": "GRU", "config": {"name": "g", **config}}
    first = {"name": "y", "batch_input_shape": [None, 4, 3], "layer": way}
    model = of_keras_2([{"class_name": "Bidirectional", "config": first}], {"y": [*GRU, *GRU]})
    with pytest.raises(UnsupportedLayer, match="in the order in which they were taken"):
        kur(model, tmp_path)


# ---- names, folders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("conv 1/a", "conv_1_a"), ("1e5", "layer_1e5"), ("None", "layer_None"), ("...", "..."),
        ("_x", "layer__x"), ("{{ y }}", "layer____y___"), ("X", "X_2"), ("..dense.0", "..dense.0"),
        ("é", "layer__"), ("a+b", "a_b"), ("yes", "yes"), ("dense", "dense"), ("shape", "shape"),
    ],
)  # fmt: skip
def test_names_that_kur_takes(name, written, tmp_path):
    model = alone("Dense", {"units": 2}, [2], ones((2, 2), (2,)))
    x, y = model.graph.nodes
    address = npf.addresses.escape(name)
    layer = Layer(name, y.layer.type, y.layer.config, y.layer.stored)
    nodes = (x, Node(address, layer, y.args))
    again = kur(Model(Graph("m", "Functional", nodes, "x", Ref(address))), tmp_path)
    assert again.outputs == (npf.addresses.escape(written),)
    np.testing.assert_array_equal(again.predict(np.eye(2)), model.predict(np.eye(2)))
    assert literal(written) == written


def test_long_names(tmp_path):
    name = "n" * 300
    model = alone("Dense", {"units": 2}, [2], ones((2, 2), (2,)))
    x, y = model.graph.nodes
    nodes = (x, Node(name, Layer(name, "Dense", y.layer.config, y.layer.stored), y.args))
    (out,) = kur(Model(Graph("m", "Functional", nodes, "x", Ref(name))), tmp_path).outputs
    assert len(out) == LONGEST


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    from npforward.formats import idx

    model = alone("Dense", {"units": 2}, [2], ones((2, 2), (2,)))
    out = tmp_path / "kur" / "Kurfile.yml"
    write, written = idx.write_idx, []

    def failing(path, array):
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, array)

    monkeypatch.setattr(idx, "write_idx", failing)
    with pytest.raises(CannotWrite, match="No space left"):
        npf.convert(model, out)
    assert written and list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    out.parent.mkdir()  # an empty folder is as good as none
    npf.convert(model, out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["Kurfile.yml", "weights"]
    with pytest.raises(CannotWrite, match="it is there already"):
        npf.convert(model, out)
    (tmp_path / "file").write_text("here")
    with pytest.raises(CannotWrite, match="it is there already"):
        npf.convert(model, tmp_path / "file" / "Kurfile.yml")
    with pytest.raises(BadInput, match="Give both a folder that is not there yet"):
        npf.convert(model, "Kurfile.yml")
    with pytest.raises(BadInput, match=r"a name that ends in \.keras"):
        npf.convert(model, tmp_path / "model.h5")


def test_windows_has_no_colon_in_names(tmp_path, monkeypatch):
    from npforward.conversion import kurfile

    model = alone("Dense", {"units": 2}, [2], ones((2, 2), (2,)))
    monkeypatch.setattr(kurfile, "COLON", "%3A")
    again = kur(model, tmp_path)
    names = sorted(path.name for path in (tmp_path / "kur" / "weights").iterdir())
    assert names == ["y+y_W%3A0.kur", "y+y_b%3A0.kur"]
    np.testing.assert_array_equal(again.predict(np.eye(2)), model.predict(np.eye(2)))
