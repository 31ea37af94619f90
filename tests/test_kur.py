"""Models of Kur: what genuine Kur computed with its own weights folders, and folders gone wrong."""

import gzip
import json
import shutil

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward import addresses, cli, keract
from npforward.errors import (
    BadFile,
    BadInput,
    LimitExceeded,
    MissingFile,
    UnsupportedOption,
    WeightMismatch,
    WeightsOnly,
)
from npforward.formats import idx
from npforward.verify import difference

FOLDERS = sorted(path.parent for path in (FIXTURES / "kur").glob("*/activations.npz"))
MNIST, CIFAR, GRU = (FIXTURES / "kur" / f"shared_{name}" for name in
                     ("mnist_cnn", "cifar_loop", "lm_gru"))  # fmt: skip


def golden(folder):
    """What genuine Kur was fed, and what came out: of its nodes, and of Keras's layers."""
    found: dict[str, dict] = {"input": {}, "node": {}, "keras": {}, "torch": {}}
    with np.load(folder / "activations.npz") as arrays:
        for key in arrays.files:
            kind, _, name = key.partition(":")
            if kind in found:
                found[kind][name] = arrays[key]
        return found, json.loads(str(arrays["manifest"]))


# Genuine Kur.


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_node(folder):
    found, manifest = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    trace = model.trace(found["input"])
    assert list(trace) == [addresses.escape(node["name"]) for node in manifest["nodes"]]
    errors = {
        name: difference(trace[name], want)
        for name, want in found["node"].items()
    }  # fmt: skip
    assert {name: error for name, error in errors.items() if not error.within} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_layer_within(folder):
    """What Kur builds of one container: layers of Keras, of which one may be called several times.

    They are called as in Kur: `dense_1`, `..recurrent.0_fwd`, `each_..dense.0_1_0`.
    """
    found, _ = golden(folder)
    trace = npf.load_model(folder / "Kurfile.yml").trace(found["input"], inner=True)
    for key, want in found["keras"].items():
        at = addresses.escape(key.partition("#")[0])
        calls = [a for a in trace if a == at or a.rpartition("/")[2].partition("@")[0] == at]
        assert any(difference(trace[a], want).within for a in calls), (key, calls)
    for key, want in found["torch"].items():
        (at,) = (a for a in trace if f"layer_{a.rpartition('/')[2]}" == key)
        channels = -1 if want.shape == trace[at].shape else 1  # of a dense layer, a convolution
        assert difference(np.moveaxis(trace[at], -1, channels), want).within, key


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_aliases_outputs_and_gradients(folder):
    found, manifest = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    trace = model.trace(found["input"])
    for node in manifest["nodes"]:
        for alias in node["aliases"]:
            assert np.array_equal(trace[alias], trace[node["name"]]) or node["type"] == "output"
            assert model.get_layer(alias).address in trace
    names = manifest.get("outputs") or []
    result = model.predict(found["input"])
    for name in names:
        got = result[name] if len(names) > 1 else result
        assert difference(got, trace[name]).within  # not to the bit: what is fused is another
        assert list(model.trace(found["input"], until=name))[-1] in trace
    last = names[0]
    if all(x.dtype.kind == "f" for x in found["input"].values()):
        gradients = model.gradients(found["input"], of=last)
        assert gradients.activations[last].shape == trace[last].shape
    assert model.summary().total == sum(np.size(a) for a in model.weights.values())


def test_gradients_of_every_backend():
    """The way back runs through whatever Kur has of its own."""
    for folder in FOLDERS:
        found, manifest = golden(folder)
        model = npf.load_model(folder / "Kurfile.yml").astype("float64")
        x = {name: array.astype("float64") for name, array in found["input"].items()}
        for name in manifest["outputs"]:
            gradients = model.gradients(x, of=name)
            assert all(np.isfinite(g).all() for g in gradients.weights.values())


# Where the weights are, and what wrote them.

DENSE = """
model:
  - input: {shape: [3]}
    name: x
  - dense: [4, 2]
    name: top
"""
OLD = {"top+top_W:0": (4, 2), "top+top_b:0": (2,), "dense_3+dense_3_W:0": (3, 4),
       "dense_3+dense_3_b:0": (4,)}  # fmt: skip


def written(folder, shapes, seed=0):
    """A folder of weights: name -> shape, or the array itself."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for name, shape in shapes.items():
        made = isinstance(shape, np.ndarray)
        array = shape if made else rng.normal(size=shape).astype("float32")
        idx.write_idx(folder / f"{name}.kur", array)
    return folder


def kurfile(folder, text, **sections):
    path = folder / "Kurfile.yml"
    more = "".join(f"{key}: {value}\n" for key, value in sections.items())
    path.write_text(text + more)
    return path


def two_layers(folder, colon=":"):
    x = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    names = [name.replace(":", colon) for name in OLD]
    w, b, w1, b1 = (idx.read_idx(folder / f"{name}.kur") for name in names)
    return x, (x @ w1 + b1) @ w + b


COLONS = [":", "", "_", "%3A", "\uff1a", "\uf03a", "-", "."]


@pytest.mark.parametrize("colon", COLONS)
def test_names_without_a_colon(tmp_path, colon):
    names = {name.replace(":", colon): shape for name, shape in OLD.items()}
    folder = written(tmp_path / "w", names)
    x, want = two_layers(folder, colon)
    model = npf.load_model(kurfile(tmp_path, DENSE), weights=folder)
    assert difference(model.predict(x), want).within
    assert "Keras 1 on TensorFlow" in model.graph.source
    assert list(model.trace(x, layers="top", inner=True)) == [
        "top/parts/inputs", "top/parts/dense_3", "top/parts/top", "top"
    ]  # fmt: skip


def test_weights_are_looked_for_in_order(tmp_path):
    path = kurfile(
        tmp_path, DENSE, evaluate="{weights: none}", test="{weights: /etc}",
        validate="{weights: best}", train="{weights: {initial: start}}",
    )  # fmt: skip
    with pytest.raises(MissingFile, match=r"evaluate.weights(.|\n)*test.weights(.|\n)*weights="):
        npf.load_model(path)
    x = np.ones((1, 3), "float32")
    start = npf.load_model(path, weights=written(tmp_path / "start", OLD, 1)).predict(x)
    assert np.array_equal(npf.load_model(path).predict(x), start)
    best = written(tmp_path / "best", OLD, 2)
    assert not np.array_equal(npf.load_model(path).predict(x), start)
    assert str(best) in npf.load_model(path).graph.source


def test_packed_hidden_and_nested_files(tmp_path):
    folder = written(tmp_path / "w", OLD)
    x, want = two_layers(folder)
    one, other = (folder / f"{name}.kur" for name in ("top+top_W:0", "dense_3+dense_3_b:0"))
    one.write_bytes(gzip.compress(one.read_bytes()))
    (folder / "below").mkdir()
    shutil.move(other, folder / "below" / other.name)
    # What lies further down is not looked at.
    written(folder / "below", {"top+top_b:0": (7, 7)})
    model = npf.load_model(kurfile(tmp_path, DENSE), weights=folder)
    assert difference(model.predict(x), want).within


def test_missing_and_surplus_arrays_are_told_together(tmp_path):
    shapes = {name: shape for name, shape in OLD.items() if "top_W" not in name}
    folder = written(tmp_path / "w", shapes | {"more+more_W:0": (3, 3)})
    with pytest.raises(
        WeightMismatch, match=r"model: +top\+top_W\n.*folder: more\+more_W:0 \(3, 3"
    ):
        npf.load_model(kurfile(tmp_path, DENSE), weights=folder)


def test_a_hidden_dense_layer_that_is_not_there(tmp_path):
    folder = written(tmp_path / "w", {k: v for k, v in OLD.items() if "dense_3" not in k})
    with pytest.raises(WeightMismatch, match=r"only in the model: .*dense_K"):
        npf.load_model(kurfile(tmp_path, DENSE), weights=folder)


def test_hidden_dense_layers_by_size_where_order_is_not_enough(tmp_path):
    text = DENSE + "  - dense: [5, 3]\n    name: end\n"
    shapes = OLD | {"dense_1+dense_1_W:0": (2, 5), "dense_1+dense_1_b:0": (5,),
                    "end+end_W:0": (5, 3), "end+end_b:0": (3,)}  # fmt: skip
    model = npf.load_model(kurfile(tmp_path, text), weights=written(tmp_path / "w", shapes))
    names = [a for a in model.trace(np.ones((1, 3)), inner=True) if "/dense_" in a]
    assert names == ["top/parts/dense_3", "end/parts/dense_1"]


def test_a_wrong_shape_is_told_before_it_is_read(tmp_path):
    folder = written(tmp_path / "w", OLD | {"top+top_W:0": (4, 3)})
    model = npf.load_model(kurfile(tmp_path, DENSE), weights=folder)
    with pytest.raises(WeightMismatch, match=r"\(4, 2\) .*\(4, 3\) \(top\+top_W:0\)"):
        model.predict(np.ones((1, 3)))


def test_two_files_for_one_tensor(tmp_path):
    folder = written(tmp_path / "w", OLD | {"top+top_W_0": (4, 2)})
    with pytest.raises(BadFile, match=r"'top\+top_W:0' and 'top\+top_W_0' are the same"):
        npf.load_model(kurfile(tmp_path, DENSE), weights=folder)


def test_files_of_different_backends(tmp_path):
    folder = written(tmp_path / "w", OLD | {"layer_x+weight": (4, 2)})
    with pytest.raises(BadFile, match=r"Keras 1 on TensorFlow names it.*PyTorch names it"):
        npf.load_model(kurfile(tmp_path, DENSE), weights=folder)


def test_the_kurfile_speaks_against_the_files(tmp_path):
    path = kurfile(tmp_path, DENSE, settings="{backend: {name: keras, backend: theano}}")
    folder = written(tmp_path / "w", OLD)
    with pytest.raises(BadFile, match=r"backend='tensorflow'.*or backend='theano'"):
        npf.load_model(path, weights=folder)
    for backend in ("tensorflow", "theano"):
        assert backend in npf.load_model(path, weights=folder, backend=backend).graph.source.lower()
    with pytest.raises(BadInput, match="backend='torch', but"):
        npf.load_model(path, weights=folder, backend="torch")


def test_a_folder_of_weights_alone():
    found = npf.formats.arrays(GRU / "weights")
    assert found["..dense.0+..dense.0_W"].shape == (14, 30)
    with pytest.raises(WeightsOnly, match="holds weights only"):
        npf.load_model(GRU / "weights")


def test_the_command_line(tmp_path, capsys):
    for words in (["summary"], ["weights"]):
        assert cli.main([*words, str(CIFAR / "Kurfile.yml")]) == 0
        assert "hidden" in capsys.readouterr().out
    np.save(tmp_path / "x.npy", golden(CIFAR)[0]["input"]["images"])
    out = tmp_path / "out"
    words = ["activations", str(CIFAR / "Kurfile.yml"), str(tmp_path / "x.npy"), "--out", str(out)]
    assert cli.main(words) == 0
    assert "..batch_normalization.2" in capsys.readouterr().out
    assert any(out.rglob("*.npy")) or any(out.rglob("*.npz"))
    folder = str(CIFAR / "weights")
    assert cli.main(["weights", folder]) == 0
    assert "..dense.0+..dense.0_W:0" in capsys.readouterr().out
    kur = str(CIFAR / "Kurfile.yml")
    assert cli.main(["summary", kur, "--weights-from", folder, "--backend", "theano"]) == 0
    assert cli.main(["summary", kur, "--weights-from", folder, "--backend", "torch"]) == 2
    assert "Choose one of 'tensorflow', 'theano'" in capsys.readouterr().err


# Names.


def test_a_group_is_called_as_its_last_layer():
    x = golden(CIFAR)[0]["input"]["images"]
    model = npf.load_model(CIFAR / "Kurfile.yml")
    trace = model.trace(x, inner=True)
    last = "..batch_normalization.2"
    assert np.array_equal(trace["stack"], trace[last])
    assert np.array_equal(trace["stack:mean"], trace[f"{last}:mean"])
    assert list(model.trace(x, layers="stack")) == [last]
    assert list(model.trace(x, until="stack"))[-1] == last
    assert model.get_layer("stack").address == last
    assert np.array_equal(model.gradients(x, of="stack").value, model.gradients(x, of=last).value)
    assert model.gradients(x, of=0, layers="stack").activations["stack"].shape == trace[last].shape
    zeros = model.trace(x, replace={"stack": 0.0})
    assert not zeros[last].any()
    begun = model.trace(trace["stack"], start="stack")
    assert np.array_equal(begun["labels"], trace["labels"])
    assert list(keract.get_activations(model, x, "stack")) == [last]
    assert npf.receptive_field(model, "stack", (1, 1)).box("images") == (
        npf.receptive_field(model, last, (1, 1)).box("images")
    )
    assert npf.plots.choose(trace, "stack") == [last]


def test_inputs_by_another_name(tmp_path):
    text = DENSE.replace(
        "name: x", "name: x\n  - output: twin\n  - input: {shape: [3]}\n    name: y"
    )
    model = npf.load_model(kurfile(tmp_path, text), weights=written(tmp_path / "w", OLD))
    assert sorted(model.predict({"x": np.ones((1, 3)), "y": np.zeros((1, 3))})) == ["top", "twin"]
    with pytest.raises(npf.errors.UnknownName, match="no input 'z'"):
        model.predict({"x": np.ones((1, 3)), "z": np.zeros((1, 3))})


# What cannot be built.

BAD = {
    "recurrent: {size: 3, type: sru}": (UnsupportedOption, "sru"),
    "convolution: {kernels: 2, size: [1, 1, 1, 1]}": (BadFile, "4 axes"),
    "convolution: {size: 3}": (BadFile, "'kernels'"),
    "convolution: {kernels: 2, size: 3, highway: yes}": (BadFile, "PyTorch only"),
    "convolution: {kernels: 2, size: 3, border: full}": (BadFile, "border='full'"),
    "convolution: {kernels: 2, size: 3, strides: [1, 1]}": (BadFile, "2 strides"),
    "dense: none": (BadFile, "whole number"),
    "dense: []": (BadFile, "empty list"),
    "dense: -1": (BadFile, "1 or more"),
    "dense: {size: 3, flatten: 7}": (BadFile, "yes or no"),
    "activation: leakyrelu": (BadFile, "leakyrelu"),
    "activation: [relu]": (BadFile, "expected one of"),
    "recurrent: {size: 3, merge: add}": (BadFile, "bidirectional"),
    "recurrent: {size: 1, bidirectional: yes, merge: concat}": (BadFile, "half"),
    "merge: {mode: add}": (BadFile, "'axis'"),
    "merge: subtract": (BadFile, "subtract"),
    "transpose: [1, 1]": (BadFile, "axes"),
    "expand: {}": (BadFile, "'dimension'"),
    "repeat: 0": (BadFile, "1 or more"),
    "parallel: {apply: [{merge: add}]}": (BadFile, "cannot be in 'parallel'"),
}


@pytest.mark.parametrize("entry", BAD)
def test_what_cannot_be_built(tmp_path, entry):
    error, says = BAD[entry]
    path = kurfile(tmp_path, DENSE + f"  - {entry}\n")
    with pytest.raises(error, match=says) as raised:
        npf.load_model(path, weights=written(tmp_path / "w", OLD))
    assert "Kurfile.yml:" in str(raised.value)


NO_ARRAYS = """
model:
  - input: {shape: [4, 4, 2]}
    name: x
  - pool: {size: [2, 2], border: same}
  - activation: softmax
"""


def test_nothing_says_which_backend(tmp_path):
    """A model without arrays needs no folder; but borders and softmax differ."""
    path = kurfile(tmp_path, NO_ARRAYS)
    with pytest.raises(BadFile, match=r"one of 'tensorflow', 'theano', 'torch'"):
        npf.load_model(path)
    x = np.random.default_rng(2).normal(size=(1, 4, 4, 2)).astype("float32")
    first, second = (npf.load_model(path, backend=b).predict(x) for b in ("tensorflow", "theano"))
    assert first.shape == second.shape and not np.allclose(first, second)
    said = kurfile(tmp_path, NO_ARRAYS, settings="{backend: {backend: theano}}")
    assert np.array_equal(npf.load_model(said).predict(x), second)
    said = kurfile(tmp_path, NO_ARRAYS, settings="{backend: keras}")
    with pytest.raises(BadFile, match=r"one of 'tensorflow', 'theano'\."):
        npf.load_model(said)
    said = kurfile(tmp_path, NO_ARRAYS, settings="{backend: pytorch}")
    with pytest.raises(BadFile, match="an even size"):
        npf.load_model(said)


WRAPPED = """
model:
  - input: {shape: [3, 4]}
    name: x
  - {parallel: {apply: [{dense: 4, name: inner}, {activation: tanh}]}, name: each}
  - {reuse: inner, inputs: x, name: again}
  - {parallel: {apply: [{reuse: again, name: more}, {dense: [3, 2]}]}, name: last}
  - input: {shape: [2, 3, 4]}
    name: deep
  - parallel: {apply: [{parallel: {apply: [{dense: [5, 3], name: low}]}, name: within}]}
    name: all
"""
# As genuine Kur calls them on Keras 1: in a wrapper, and alone where it is applied alone too.
WRAPPED_ARRAYS = {
    "each_inner_0_0+inner": (4, 4), "inner+inner": (4, 4), "last_more_0_0+inner": (4, 4),
    "last_..dense.0_1_0+dense_1": (4, 3), "last_..dense.0_1_1+..dense.0": (3, 2),
    "all_within_0_0+dense_2": (4, 5), "all_within_0_1+low": (5, 3),
}  # fmt: skip


def test_layers_that_are_wrapped_and_reused(tmp_path):
    arrays = {f"{name}_W:0": shape for name, shape in WRAPPED_ARRAYS.items()}
    arrays |= {f"{name}_b:0": shape[1:] for name, shape in WRAPPED_ARRAYS.items()}
    folder = written(tmp_path / "w", arrays)
    model = npf.load_model(kurfile(tmp_path, WRAPPED), weights=folder)
    rng = np.random.default_rng(3)
    x, deep = (rng.normal(size=shape).astype("float32") for shape in ((2, 3, 4), (2, 2, 3, 4)))
    trace = model.trace({"x": x, "deep": deep}, inner=True)

    def dense(x, name):
        w, b = (idx.read_idx(folder / f"{name}_{part}:0.kur") for part in "Wb")
        return x @ w + b

    inner = "each_inner_0_0+inner"
    again = dense(x, inner)
    last = dense(dense(dense(again, inner), "last_..dense.0_1_0+dense_1"),
                 "last_..dense.0_1_1+..dense.0")  # fmt: skip
    for name, want in {
        "each": np.tanh(again),
        "again": again,
        "each/parts/each_inner_0_0": again,
        "last": last,
        "all": dense(dense(deep, "all_within_0_0+dense_2"), "all_within_0_1+low"),
    }.items():
        assert difference(trace[name], want).within, name


def test_reuse_within_reuse_is_bounded(tmp_path):
    """Ten lines say ten thousand million layers."""
    group = "  - for: {{range: 1, iterate: [{}]}}\n    name: g{}\n"
    text = "model:\n  - input: {shape: [3]}\n    name: x\n"
    for i in range(11):
        inside = ["{activation: relu}"] * 10 if not i else [f"{{reuse: g{i - 1}}}"] * 10
        text += group.format(", ".join(inside), i)
    with pytest.raises(LimitExceeded, match="limit layers"):
        npf.load_model(kurfile(tmp_path, text, settings="{backend: {backend: theano}}"))


def test_names_that_need_escapes(tmp_path):
    text = DENSE.replace("name: top", "name: a/b:c") + (
        "  - recurrent: {size: 2, bidirectional: yes}\n    name: inputs/r\n    inputs: y\n"
    )
    text = text.replace("model:", "model:\n  - input: {shape: [4, 3]}\n    name: y")
    shapes = {name.replace("top", "a/b:c"): shape for name, shape in OLD.items()}
    gates = {"W": (3, 2), "U": (2, 2), "b": (2,)}
    for way in ("fwd", "rev"):
        for part, shape in gates.items():
            for gate in "zrh":
                name = f"inputs/r_{way}"
                shapes[f"{name}+{name}_{part}_{gate}:0"] = shape
    folder = written(tmp_path / "w", {name.replace("/", "%2F"): s for name, s in shapes.items()})
    model = npf.load_model(kurfile(tmp_path, text), weights=folder)
    trace = model.trace({"x": np.ones((1, 3)), "y": np.ones((1, 4, 3))}, inner=True)
    assert trace["a/b:c"].shape == (1, 2)
    forwards, backwards = (trace[f"inputs%2Fr/parts/inputs%2Fr_{way}"] for way in ("fwd", "rev"))
    # Of the same numbers at all times both ways are alike, but for their weights.
    assert np.allclose(trace["inputs/r"], (forwards + backwards) / 2)
