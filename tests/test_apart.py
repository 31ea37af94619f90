"""Weights apart from their architecture: paired as genuine Keras pairs them, or by the caller."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from test_custom import OURS

import npforward as npf
from npforward import arrays, formats
from npforward.errors import BadFile, BadInput, UnknownName, WeightMismatch, WeightsOnly
from npforward.pairing import spelled
from npforward.verify import difference

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
FILES, APART = FIXTURES / "files", FIXTURES / "apart"
KERAS = sorted(path.stem for path in APART.glob("*.zip"))
UNBUILT = FILES / "unbuilt.keras"


def arrays_of(path):
    with np.load(path) as held:
        return dict(held)


EXPECTED = arrays_of(FILES / "expected_3.npz")
SEQUENTIAL = {
    "conv/kernel": "features.0.weight",
    "conv/bias": "features.0.bias",
    "top/kernel": "classifier.weight",
    "top/bias": "classifier.bias",
}
AXES = {"conv/kernel": (2, 3, 1, 0), "top/kernel": (1, 0)}
TORCH = {at: (name, AXES[at]) if at in AXES else name for at, name in SEQUENTIAL.items()}


@pytest.fixture(params=KERAS)
def genuine(request, tmp_path):
    """The files of one Keras, and what it computes."""
    with zipfile.ZipFile(APART / f"{request.param}.zip") as file:
        file.extractall(tmp_path)
    golden = arrays_of(tmp_path / "golden.npz")
    return tmp_path, golden


def check(trace, golden, how):
    found = {key.split("/")[1]: value for key, value in golden.items() if key.startswith(how)}
    assert found
    for name, want in found.items():
        value = trace[f"{name}@2" if f"{name}@2" in trace else name]
        assert difference(value, want).within, name


def same_weights(model):
    for address in SEQUENTIAL:
        layer, name = address.split("/")
        want = EXPECTED[f"sequential/{layer}/{['kernel', 'bias'].index(name)}"]
        np.testing.assert_array_equal(model.weights[address], want)


# As Keras does.


@pytest.mark.parametrize("weights", ["other.h5", "list.npz"])
def test_layers_are_paired_in_order_whatever_they_are_called(genuine, weights):
    folder, golden = genuine
    model = npf.load_model(folder / "model.json", weights=folder / weights)
    check(model.trace(golden["x"]), golden, "by_order")


def test_weights_in_several_files(tmp_path):
    (made,) = (path for path in APART.glob("keras_3*.zip"))
    zipfile.ZipFile(made).extractall(tmp_path)
    golden = arrays_of(tmp_path / "golden.npz")
    model = npf.load_model(tmp_path / "model.json", weights=tmp_path / "apart.weights.json")
    check(model.trace(golden["x"]), golden, "by_order")
    (tmp_path / "apart_00001.weights.h5").unlink()
    with pytest.raises(BadFile, match=r"'apart_00001\.weights\.h5', which is no file beside it"):
        npf.load_model(tmp_path / "model.json", weights=tmp_path / "apart.weights.json")


def legacy():
    files = ("model.h5", "model_tf215.h5")
    return [p for p in sorted((FIXTURES / "models").glob("*/*.h5")) if p.name in files]


@pytest.mark.parametrize("path", legacy(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_only_the_order_of_layers_counts(path, tmp_path):
    """The same file with all layers renamed gives the same weights."""
    shutil.copy(path, tmp_path / "renamed.h5")
    with h5py.File(tmp_path / "renamed.h5", "r+") as file:
        held = file["model_weights"]
        names = list(held.attrs["layer_names"])
        for i, name in enumerate(names):
            held.copy(name, f"renamed {i}")
        held.attrs["layer_names"] = [f"renamed {i}" for i in range(len(names))]
    model, again = npf.load_model(path), npf.load_model(path, tmp_path / "renamed.h5")
    assert list(again.weights) == list(model.weights)
    for address, array in model.weights.items():
        np.testing.assert_array_equal(again.weights[address], array)


def test_by_name_gives_the_layers_that_are_there(genuine):
    folder, golden = genuine
    model = npf.load_model(folder / "model.json", weights=folder / "some.h5", by_name=True)
    check(model.trace(golden["x"], until="each"), golden, "by_name")
    with pytest.raises(WeightMismatch, match=r"'wide' .Dense. needs 2 arrays .* has none for it"):
        model.predict(golden["x"])


def test_another_number_of_layers_lists_both_sides(genuine):
    folder, _ = genuine
    with pytest.raises(WeightMismatch) as caught:
        npf.load_model(folder / "model.json", weights=folder / "some.h5")
    words = str(caught.value)
    assert "3 layers in it have arrays, but 7 layers of the model need some" in words
    assert re.search(r"in the file: .*'another' \(\(3, 2\), \(2,\)\)", words)
    assert re.search(r"in the model: .*'top' \(2 arrays\)", words)


def test_a_whole_model_takes_other_weights(genuine):
    folder, _ = genuine
    with h5py.File(folder / "other.h5") as file:
        whole = "model_config" in file.attrs
    if whole:
        model = npf.load_model(folder / "other.h5", weights=folder / "list.npz")
        theirs = npf.load_model(folder / "other.h5")
        assert list(model.weights) == list(theirs.weights)
        for address, array in theirs.weights.items():
            np.testing.assert_array_equal(model.weights[address], array)
    model = npf.load_model(folder / "model.json", weights=folder / "other.h5")
    assert model.graph.source.startswith("model.json + other.h5")


def test_a_file_of_places_takes_no_names():
    with pytest.raises(BadInput, match="keeps them by place"):
        npf.load_model(FILES / "nested.json", FILES / "nested.weights.h5", by_name=True)


def test_how_to_pair_needs_something_to_pair():
    for option in ({"by_name": True}, {"mapping": {}}):
        with pytest.raises(BadInput, match="by_name and mapping are for weights"):
            npf.load_model(FILES / "sequential.keras", **option)


def test_a_layer_with_another_number_of_arrays_is_an_error_at_once(tmp_path):
    with h5py.File(FILES / "old_sequential_weights.h5") as file:
        names = list(file.attrs["layer_names"])
        held = {n: list(file[n].attrs["weight_names"]) for n in names}
        values = {n: [file[n][w][()] for w in held[n]] for n in names}
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file.attrs["layer_names"] = [f"other_{name}" for name in names]
        for name in names:
            group = file.create_group(f"other_{name}")
            group.attrs["weight_names"] = held[name][:1]
            for weight, value in zip(held[name][:1], values[name], strict=False):
                group[weight] = value
    with pytest.raises(WeightMismatch, match=r"'conv' .* needs 2 arrays .*other_conv/conv/kernel"):
        npf.load_model(FILES / "old_sequential.json", tmp_path / "short.h5")


# Plain arrays by name.


SPELLINGS = {
    "address": lambda at: at,
    "tensorflow": lambda at: f"{at}:0",
    "dots": lambda at: at.replace("/", "."),
    "under the model": lambda at: f"sequential/{at}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_that_are_addresses_in_some_spelling(spelling, tmp_path):
    weights = npf.load_model(FILES / "sequential.keras").weights
    np.savez(tmp_path / "w.npz", **{SPELLINGS[spelling](at): weights[at] for at in weights})
    same_weights(npf.load_model(FILES / "sequential.json", tmp_path / "w.npz"))


def rich():
    return [p for p in sorted((FIXTURES / "models").glob("*/model.keras")) if "quant" not in str(p)]


@pytest.mark.parametrize("path", rich(), ids=lambda path: path.parent.name)
def test_saved_arrays_of_any_model_come_back_by_name(path, tmp_path):
    model = npf.load_model(path)
    if len(model.weights) == 0:
        return
    for name in ("w.npz", "w.h5"):
        arrays.save(model.weights.items(), tmp_path / name)
        again = npf.load_model(path, tmp_path / name)
        assert list(again.weights) == list(model.weights)
        for address, array in model.weights.items():
            np.testing.assert_array_equal(again.weights[address], array)


def test_layers_of_the_caller_take_arrays_by_name(tmp_path):
    path = FIXTURES / "custom" / "model.keras"
    for given in (OURS, None):
        model = npf.load_model(path, custom_layers=given)
        for name in ("w.npz", "w.h5"):
            arrays.save(model.weights.items(), tmp_path / name)
            again = npf.load_model(path, tmp_path / name, custom_layers=given)
            assert len(again.weights) == len(model.weights)
            mine, theirs = (sorted(a.tobytes() for a in m.weights.values()) for m in (again, model))
            assert mine == theirs
    np.savez(tmp_path / "list.npz", *model.weights.values())
    with pytest.raises(BadFile, match=r"list\.npz: .*layer 'each' of the unknown type 'shop>Mix'"):
        npf.load_model(path, tmp_path / "list.npz")


def test_names_that_do_not_fit_list_both_sides(tmp_path):
    with pytest.raises(WeightMismatch) as caught:
        npf.load_model(FILES / "sequential.json", APART / "torch.safetensors")
    words = str(caught.value)
    assert "in the file:  classifier.bias (2,), classifier.weight (2, 32), features.0.bias" in words
    needed = "conv/kernel (3, 3, 1, 2), conv/bias (2,), top/kernel (32, 2), top/bias (2,)"
    assert f"in the model: {needed}" in words
    assert "mapping={'conv/kernel': 'classifier.bias', ...}" in words


def test_some_names_are_enough_by_name(tmp_path):
    weights = npf.load_model(FILES / "sequential.keras").weights
    some = {at: weights[at] for at in weights if at.startswith("conv/")}
    np.savez(tmp_path / "some.npz", step=np.int64(3), **some)
    with pytest.raises(WeightMismatch, match=r"Left over are\n  in the file:  step \(\)\n"):
        npf.load_model(FILES / "sequential.json", tmp_path / "some.npz")
    model = npf.load_model(FILES / "sequential.json", tmp_path / "some.npz", by_name=True)
    x = np.ones((1, 6, 6, 1), "float32")
    whole = npf.load_model(FILES / "sequential.keras")
    np.testing.assert_array_equal(
        model.trace(x, until="conv")["conv"], whole.trace(x, until="conv")["conv"]
    )
    with pytest.raises(WeightMismatch, match=r"layer 'top' .* needs 2 arrays"):
        model.predict(x)


@pytest.mark.parametrize(
    ("count", "words"), [(3, "4 weights .* 0 .* 3 arrays"), (5, "among 5 arrays")]
)
def test_a_list_of_another_length(count, words, tmp_path):
    np.savez(tmp_path / "list.npz", *[np.zeros(2, "float32")] * count)
    with pytest.raises(WeightMismatch, match=words):
        npf.load_model(FILES / "sequential.json", tmp_path / "list.npz")


def test_spelled_alike():
    assert (
        spelled("block1%2Fconv/kernel") == spelled("block1/conv/kernel:0") == "block1/conv/kernel"
    )


# Plain arrays by a mapping.


@pytest.mark.parametrize("mapping", [TORCH, TORCH.get], ids=["dict", "function"])
def test_a_mapping_says_whose_and_in_which_axes(mapping):
    model = npf.load_model(FILES / "sequential.json", APART / "torch.safetensors", mapping=mapping)
    same_weights(model)
    assert not model.weights["conv/kernel"].flags.writeable
    assert model.predict(np.ones((1, 6, 6, 1))).shape == (1, 2)


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        ("sequential.h5", "model_weights/{0}/sequential/{0}/{1}"),
        ("sequential.weights.h5", "layers/{2}/vars/{3}"),
        ("sequential.keras", "layers/{2}/vars/{3}"),
    ],
)
def test_a_mapping_names_what_the_file_names(weights, names):
    places = {"conv": "conv2d", "top": "dense"}
    number = ["kernel", "bias"].index

    def name(address):
        layer, weight = address.split("/")
        return names.format(layer, weight, places[layer], number(weight))

    same_weights(npf.load_model(FILES / "sequential.json", FILES / weights, mapping=name))


def test_a_function_makes_an_array_of_several(tmp_path):
    model = npf.load_model(FILES / "sequential.keras")
    bias = model.weights["conv/bias"]
    held = {at: model.weights[at] for at in model.weights if at != "conv/bias"}
    np.savez(tmp_path / "w.npz", one=bias / 2, other=bias / 2, **held)
    mapping = {at: at for at in held} | {"conv/bias": (("one", "other"), np.add)}
    same_weights(npf.load_model(FILES / "sequential.json", tmp_path / "w.npz", mapping=mapping))


@pytest.mark.parametrize(
    ("mapping", "kind", "words"),
    [
        (
            TORCH | {"conv/kernal": "x"},
            UnknownName,
            "no weight 'conv/kernal'. Did you mean 'conv/k",
        ),
        (
            TORCH | {"top/bias": "bias"},
            UnknownName,
            "'top/bias' is given 'bias', which .* There are",
        ),
        ({"conv/bias": "features.0.bias"}, UnknownName, "nothing is given for 'conv/kernel', 'top"),
        (TORCH | {"top/bias": 3}, BadInput, "'top/bias' is given 3, expected a name in the file"),
        (TORCH | {"top/bias": ("a", "b", "c")}, BadInput, "expected a name in the file, .name, ax"),
        (
            TORCH | {"top/bias": ("classifier.bias", (1,))},
            BadInput,
            r"axes \(1,\) of .* 1 axes once",
        ),
        ([], BadInput, "mapping is list, expected a dict"),
    ],
)
def test_a_mapping_that_cannot_be(mapping, kind, words):
    with pytest.raises(kind, match=words):
        npf.load_model(FILES / "sequential.json", APART / "torch.safetensors", mapping=mapping)


def test_a_mapping_without_axes_says_which_axes_there_are():
    words = (
        r"shape \(3, 3, 1, 2\) .* stores \(2, 1, 3, 3\) .features.0.weight as conv/kernel.*turns"
    )
    with pytest.raises(WeightMismatch, match=words):
        npf.load_model(FILES / "sequential.json", APART / "torch.safetensors", mapping=SEQUENTIAL)


def test_shapes_of_another_model_are_an_error_at_once(tmp_path):
    held = npf.load_model(FILES / "sequential.keras").weights
    np.savez(tmp_path / "list.npz", *[np.ones((*a.shape, 2)[1:], a.dtype) for a in held.values()])
    with pytest.raises(WeightMismatch, match=r"list\.npz: layer 'conv' .*arr_0 as conv/kernel"):
        npf.load_model(FILES / "sequential.json", tmp_path / "list.npz")


def test_an_unbuilt_model_takes_weights_whose_shapes_are_not_known_yet(tmp_path):
    first, second = (layer.config["units"] for layer in npf.load_model(UNBUILT).layers[1:])
    arrays = [np.ones(shape) for shape in ((5, first), (first,), (first, second), (second,))]
    np.savez(tmp_path / "list.npz", *arrays)
    model = npf.load_model(UNBUILT, tmp_path / "list.npz")
    assert model.predict(np.ones((1, 5))).shape == (1, second)
    with pytest.raises(WeightMismatch, match=r"should be of shape \(4, "):
        model.predict(np.ones((1, 4)))


def test_a_list_or_a_folder_of_files(tmp_path):
    weights = npf.load_model(FILES / "sequential.keras").weights
    for address, array in weights.items():
        npf.write_idx(tmp_path / f"{address.replace('/', '.')}.kur", array)
    files = sorted(tmp_path.iterdir())
    same_weights(npf.load_model(FILES / "sequential.json", tmp_path))
    same_weights(npf.load_model(FILES / "sequential.json", files))
    with pytest.raises(BadFile, match=r"'conv.bias' is in another of the given files as well"):
        npf.load_model(FILES / "sequential.json", [*files, files[0]])
    with pytest.raises(BadFile, match="no file of weights was given"):
        npf.load_model(FILES / "sequential.json", [])


# Alone.


@pytest.mark.parametrize("file", [APART / "torch.safetensors", FILES / "expected_2.npz"])
def test_arrays_alone_say_what_they_are_and_what_to_do(file):
    with pytest.raises(WeightsOnly) as caught:
        npf.load_model(file)
    words = str(caught.value)
    assert f"load_model(architecture, weights={file.name!r})" in words
    assert f"{len(formats.arrays(file))} arrays: " in words
    assert len(words) < 1000


def test_every_type_of_safetensors():
    found = formats.arrays(APART / "types.safetensors")
    assert len(found) == 16
    for name, stored in found.items():
        kind = np.dtype(getattr(ml_dtypes, name, name))
        array = stored.read()
        assert array.dtype == stored.dtype == kind
        np.testing.assert_array_equal(array, np.array([[0, 1, 2], [4, 8, 16]]).astype(kind))


def test_versions_are_recorded():
    said = json.loads((APART / "made_with.json").read_text())
    assert {key.replace(" ", "_") for key in said} >= set(KERAS)
