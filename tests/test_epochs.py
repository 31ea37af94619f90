"""Activations and weights over the checkpoints of a training: numbers, order, pictures, errors."""

import json
import re
import shutil
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import npforward as npf
from npforward import plots
from npforward.cli import main
from npforward.epochs import Epochs, Series, natural, ordered, palette_of, told_apart
from npforward.errors import (
    BadInput,
    CannotWrite,
    LimitExceeded,
    MissingFile,
    NpforwardError,
    UnknownName,
    WeightMismatch,
)
from npforward.limits import Limits

FOLDER = FIXTURES / "epochs"
MODEL, CHECKPOINTS = FOLDER / "model.keras", FOLDER / "checkpoints"
DIGIT = np.load(FOLDER / "digit.npy")
EXPECTED = np.load(FOLDER / "expected.npz")
NAMES = ("0", "1", "2", "4", "6", "8", "10")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def genuine():
    return npf.over_epochs(MODEL, CHECKPOINTS, DIGIT)


def texts(figure):
    axes = [text.get_text() for axes in figure.axes for text in axes.texts]
    return " ".join([text.get_text() for text in figure.texts] + axes)


def labels(figure, axis):
    return [text.get_text() for text in getattr(figure.axes[0], f"get_{axis}ticklabels")()]


# Numbers.


def test_every_layer_at_every_epoch_is_what_keras_computed(genuine):
    assert genuine.names == NAMES
    assert set(genuine.activations) == {key.partition("/")[2] for key in EXPECTED.files}
    for address, series in genuine.activations.items():
        want = np.stack([EXPECTED[f"{name}/{address}"][0] for name in NAMES])
        np.testing.assert_allclose(series.values, want, rtol=1e-4, atol=1e-5)
    last = npf.load_model(MODEL, CHECKPOINTS / "epoch_10.weights.h5")
    assert list(genuine.weights) == list(last.weights)
    for address, series in genuine.weights.items():
        np.testing.assert_array_equal(series.values[-1], last.weights[address])
    assert genuine.weights["conv1/kernel"].values.std(axis=0).min() > 0  # it has learned


def test_it_has_learned_to_see_a_three(genuine):
    digit = genuine.activations["digit"].values
    assert json.loads((FOLDER / "made_with.json").read_text())["digit"] == 3
    assert digit[-1].argmax() == 3 and digit[-1, 3] > 0.9 > digit[0, 3]


@pytest.mark.parametrize(
    ("layers", "values", "weights"),
    [
        ("conv1", ["conv1"], ["conv1/kernel", "conv1/bias"]),
        ("conv?", ["conv1", "conv2"], [f"conv{n}/{w}" for n in (1, 2) for w in ("kernel", "bias")]),
        ("conv1/kernel", [], ["conv1/kernel"]),
        (["pool", "digit/*"], ["pool"], ["digit/kernel", "digit/bias"]),
        ("conv1:pre", None, None),
    ],
)
def test_what_is_chosen(layers, values, weights):
    some = sorted(CHECKPOINTS.iterdir())[:2]
    if values is None:
        with pytest.raises(UnknownName, match="no layer or weight is called 'conv1:pre'"):
            npf.over_epochs(MODEL, some, DIGIT, layers)
        return
    found = npf.over_epochs(MODEL, some, DIGIT, layers)
    assert (list(found.activations), list(found.weights)) == (values, weights)
    assert [a for a, _ in found.arrays()] == values + weights


def test_without_an_input_there_are_weights_alone():
    found = npf.over_epochs(MODEL, CHECKPOINTS, layers="conv1")
    assert not found.activations and list(found.weights) == ["conv1/kernel", "conv1/bias"]


def test_the_sample_is_chosen_and_the_whole_batch_is_run():
    batch = np.concatenate([np.zeros_like(DIGIT), DIGIT])
    one, other = (npf.over_epochs(MODEL, CHECKPOINTS, batch, "digit", sample=n) for n in (0, 1))
    want = np.stack([EXPECTED[f"{name}/digit"][0] for name in NAMES])
    np.testing.assert_allclose(other.activations["digit"].values, want, rtol=1e-4, atol=1e-5)
    assert abs(one.activations["digit"].values - want).max() > 0.1
    with pytest.raises(BadInput, match="digit: no sample 2; there are 2"):
        npf.over_epochs(MODEL, CHECKPOINTS, batch, "digit", sample=2)


def test_whole_models_as_checkpoints(tmp_path):
    for name in ("m_2.keras", "m_11.keras"):
        shutil.copy(MODEL, tmp_path / name)
    found = npf.over_epochs(None, tmp_path, DIGIT, "conv1")
    assert found.names == ("2", "11")
    np.testing.assert_array_equal(*found.activations["conv1"].values)
    with_model = npf.over_epochs(tmp_path / "m_2.keras", tmp_path, DIGIT, "conv1")
    assert with_model.names == ("m_11.keras",)  # the model itself is none of its checkpoints
    alone = npf.over_epochs(tmp_path / "m_2.keras", tmp_path / "m_2.keras", DIGIT, "conv1")
    assert alone.names == ("m_2.keras",)


# Order and names.


def test_epochs_are_in_the_order_of_their_numbers_whatever_the_order_given():
    shuffled = sorted(CHECKPOINTS.iterdir(), key=lambda path: path.name[::-1])
    assert npf.over_epochs(MODEL, shuffled, layers="conv1/bias").names == NAMES


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=20))
def test_numbers_sort_as_numbers(numbers):
    found = sorted((f"run/epoch_{n}.h5" for n in numbers), key=natural)
    assert found == [f"run/epoch_{n}.h5" for n in sorted(numbers)]


@given(st.lists(st.text(max_size=20), unique=True, max_size=20))
def test_any_names_can_be_sorted(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == sorted(names, key=natural)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/epoch_01-0.93.weights.h5", "a/epoch_02-0.71.weights.h5"], ("01-0.93", "02-0.71")),
        (["best.h5", "last.h5"], ("best", "last")),
        (["runs/1/weights", "runs/2/weights"], ("1", "2")),
        (["a/1/x.h5", "b/1/x.h5"], ("a", "b")),
        (["w", "w_2"], ("w", "w_2")),
        (["same.h5"], ("same.h5",)),
        (["e1.h5", "e10.h5", "e100.h5"], ("1", "10", "100")),
    ],
)
def test_names_say_what_differs(paths, names):
    assert told_apart([Path(path) for path in paths]) == names


@given(
    st.lists(
        st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True), unique=True, min_size=1, max_size=9
    )
)
def test_names_of_different_paths_differ(names):
    found = told_apart([Path("run") / name for name in names])
    assert len(set(found)) == len(names) and all(found)


def test_what_is_no_checkpoint_is_passed_over(tmp_path):
    for name in ("epoch_1.weights.h5", "epoch_10.weights.h5"):
        shutil.copy(CHECKPOINTS / name, tmp_path)
    np.save(tmp_path / "x.npy", DIGIT)
    shutil.copy(MODEL, tmp_path / "model.keras")
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2\n")
    (tmp_path / "empty.h5").write_text("")
    (tmp_path / ".hidden.h5").write_text("")
    found = ordered(tmp_path, tmp_path / "model.keras")
    assert [path.name for path in found] == ["epoch_1.weights.h5", "epoch_10.weights.h5"]


def test_folders_of_weights_as_kur_writes_them_are_checkpoints(tmp_path):
    for epoch in (9, 10):
        folder = tmp_path / f"epoch_{epoch}"
        folder.mkdir()
        npf.write_idx(folder / "..dense.0+..dense.0_W.kur", np.ones((2, 3), "f4"))
    assert [path.name for path in ordered(tmp_path)] == ["epoch_9", "epoch_10"]
    assert ordered(tmp_path / "epoch_9") == [tmp_path / "epoch_9"]


# What cannot be.


def test_no_checkpoint(tmp_path):
    with pytest.raises(MissingFile, match=f"{re.escape(str(tmp_path))}: there is no checkpoint in"):
        npf.over_epochs(MODEL, tmp_path)
    with pytest.raises(MissingFile, match=r"none\.h5: no such file or folder"):
        npf.over_epochs(MODEL, [tmp_path / "none.h5"])
    with pytest.raises(MissingFile, match=r"checkpoints=\[\]"):
        npf.over_epochs(MODEL, [])


def test_a_checkpoint_of_another_network_is_named(tmp_path):
    other = FIXTURES / "models" / "digits_cnn" / "model.keras"
    with pytest.raises(NpforwardError, match=r"digits_cnn.model\.keras: ") as caught:
        npf.over_epochs(MODEL, [CHECKPOINTS / "epoch_1.weights.h5", other], DIGIT)
    assert isinstance(caught.value, WeightMismatch | npf.errors.BadFile)
    for n, shape in ((1, (1, 3)), (2, (1, 4))):
        np.savez(tmp_path / f"{n}.npz", **{"digit/bias": np.zeros(shape[1])})
    with pytest.raises(NpforwardError, match=r"1\.npz"):
        npf.over_epochs(MODEL, tmp_path, DIGIT)


def test_checkpoints_that_are_whole_models_of_two_kinds(tmp_path):
    shutil.copy(MODEL, tmp_path / "1.keras")
    shutil.copy(FIXTURES / "files" / "sequential.keras", tmp_path / "2.keras")
    with pytest.raises(BadInput, match=r"2\.keras: has no such array for 'conv1/kernel'"):
        npf.over_epochs(None, tmp_path)


def test_too_much_for_memory():
    with pytest.raises(LimitExceeded, match=r"conv1 at all checkpoints: bytes: 10,752 exceeds"):
        npf.over_epochs(MODEL, CHECKPOINTS, DIGIT, "conv1", limits=Limits(value_bytes=9000))


@pytest.mark.parametrize(
    "asked", [{"channels": 0}, {"normalize": "rows"}, {"cmap": "cividi"}], ids=str
)
def test_what_cannot_be_drawn_so(asked, genuine, tmp_path):
    with pytest.raises(BadInput, match=r"0: give 1|'rows': give|'cividi'"):
        genuine.save(tmp_path, **asked)
    assert not list(tmp_path.iterdir())


# Pictures.


def test_a_strip_has_a_row_for_each_checkpoint_and_one_scale(genuine):
    figures = {figure.get_label(): figure for figure in genuine.strips()}
    assert list(figures) == [address for address, _ in genuine.arrays()]
    conv = figures["conv1"]
    assert labels(conv, "y") == list(NAMES) and labels(conv, "x") == [str(n) for n in range(6)]
    values = genuine.activations["conv1"].values
    low, high = conv.axes[1].get_ylim()  # the colour bar
    assert (low, high) == (values.min(), values.max())
    picture = np.asarray(conv.axes[0].images[0].get_array())
    look = plots.Look()
    brightest = np.unravel_index(values.argmax(), values.shape)
    tall, wide = ((n + 6) // count for n, count in zip(picture.shape, (7, 6), strict=False))
    where = brightest[0] * tall + (brightest[1] * (tall - 6)) // 8 + 1
    across = brightest[3] * wide + (brightest[2] * (wide - 6)) // 8 + 1
    assert (picture[where, across] == look.paint(np.array(1.0))).all()


def test_weights_have_zero_in_mid_grey(genuine):
    (figure,) = Epochs(NAMES, {}, {"conv1/kernel": genuine.weights["conv1/kernel"]}).strips()
    low, high = figure.axes[1].get_ylim()
    assert low == -high == -abs(genuine.weights["conv1/kernel"].values).max()


def test_single_maps_are_named_where_they_stand(genuine):
    (figure,) = Epochs(NAMES, {}, {"digit/kernel": genuine.weights["digit/kernel"]}).strips()
    assert all(name in texts(figure).split() for name in NAMES)


def test_channels_of_their_own_scale(genuine):
    one = Epochs(NAMES, {"conv1": genuine.activations["conv1"]})
    (figure,) = one.strips(normalize="channel")
    assert len(figure.axes) == 1 and "each channel on one scale over time" in texts(figure)
    (layer,) = one.strips(normalize="layer")
    assert len(layer.axes) == 2


def test_more_channels_and_checkpoints_than_are_drawn_are_counted():
    series = Series(RNG.normal(size=(100, 4, 4, 40)), "Conv2D")
    found = Epochs(tuple(map(str, range(100))), {"conv": series})
    (figure,) = found.strips()
    assert "24 of 100 checkpoints" in texts(figure) and "the first 16 of 40" in texts(figure)
    assert labels(figure, "y")[0] == "0" and labels(figure, "y")[-1] == "99"
    (all_of_them,) = found.strips(channels=40)
    assert len(labels(all_of_them, "x")) == 40


def test_channels_first():
    x = RNG.normal(size=(3, 5, 7, 4))
    last, first = (
        next(Epochs(("1", "2", "3"), {"conv": series}).strips())
        for series in (Series(x), Series(np.moveaxis(x, -1, 1), channel_axis=1))
    )
    a, b = (np.asarray(figure.axes[0].images[0].get_array()) for figure in (last, first))
    assert (a == b).all()


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=1, max_dims=6, min_side=1, max_side=4),
    ),
    st.sampled_from(["channel", "layer", None]),
    st.booleans(),
)
def test_any_series_is_drawn_without_a_warning(values, how, weight):
    series = {"a": Series(values)}
    names = tuple(map(str, range(len(values))))
    found = Epochs(names, *([{}, series] if weight else [series]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (figure,) = found.strips(normalize=how)
        figure.set_dpi(20)
        figure.canvas.draw()


def test_what_has_no_numbers():
    for values, what in ((np.zeros((2, 0, 3)), "no elements"), (np.array([["a"]]), "holds <U1")):
        with pytest.raises(BadInput, match=what):
            list(Epochs(("1", "2"), {"x": Series(values)}).strips())


def test_an_animation_has_a_frame_for_each_checkpoint(tmp_path):
    values = np.zeros((4, 6, 6, 2), "f")
    for n in range(4):
        values[n, n, n] = n
    values[2, 5, 5, 1] = np.nan
    series = {"a/b": Series(values), "c": Series(RNG.normal(size=(4, 5))), "d": Series(np.ones(4))}
    calls = []
    found = Epochs(("1", "2", "3", "4"), series)
    paths = found.save(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert [p.name for p in paths] == ["a%2Fb.png", "a%2Fb.gif", "c.png", "c.gif", "d.png", "d.gif"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert calls == [(n, 15) for n in range(1, 16)]
    for path in paths[1::2]:
        with Image.open(path) as gif:
            assert gif.n_frames == 4 and gif.info["loop"] == 0
            pauses = []
            for n in range(4):
                gif.seek(n)
                pauses.append(gif.info["duration"])
                frame = np.asarray(gif.convert("RGB"))
                red = (frame == palette_of(plots.Look())[180]).all(axis=-1).any()
                assert red == (path.name == "a%2Fb.gif" and n == 2)
                assert (frame[0] == 255).all()
            # Frames that are alike are joined, and shown as long as both.
            assert pauses[-1] == 1600 and set(pauses[:-1]) == {400}


def test_the_same_numbers_give_the_same_bytes(genuine, tmp_path):
    one = Epochs(NAMES, {"digit": genuine.activations["digit"]})
    for folder in ("a", "b"):
        one.save(tmp_path / folder)
    for name in ("digit.png", "digit.gif"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_left_when_drawing_fails(tmp_path):
    series = {"fine": Series(np.ones((2, 3))), "words": Series(np.array([["a"], ["b"]]))}
    with pytest.raises(BadInput, match="words: holds"):
        Epochs(("1", "2"), series).save(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        Epochs(("1", "2"), {}).save(tmp_path / "file")


def test_pyplot_is_not_touched():
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
    assert matplotlib.rcParams["figure.dpi"] == matplotlib.rcParamsDefault["figure.dpi"]


# The command line.


def test_the_verb(tmp_path, capsys):
    arguments = ["--checkpoints", str(CHECKPOINTS), "--out", str(tmp_path), "--layers", "conv1"]
    assert main(["epochs", str(MODEL), str(FOLDER / "digit.npy"), *arguments]) == 0
    said = capsys.readouterr().out
    assert "digit.npy: (1, 8, 8, 1) float32" in said
    assert "7 checkpoints: 0, 1, 2, 4, 6, 8, 10" in said
    names = ["conv1", "conv1%2Fkernel", "conv1%2Fbias"]
    files = [f"{name}.{kind}" for name in names for kind in ("png", "gif")] + ["epochs.npz"]
    assert [line.rpartition(" ")[2] for line in said.splitlines() if "written" in line] == [
        str(tmp_path / file) for file in files
    ]
    with np.load(tmp_path / "epochs.npz") as arrays:
        assert arrays["conv1"].shape == (7, 8, 8, 6)
        assert arrays["conv1/kernel"].shape == (7, 3, 3, 1, 6)


def test_the_verb_as_json_without_an_input(tmp_path, capsys):
    some = [str(CHECKPOINTS / f"epoch_{n}.weights.h5") for n in (10, 2)]
    arguments = ["--checkpoints", *some, "--out", str(tmp_path), "--layers", "digit/bias", "--json"]
    assert main(["epochs", str(MODEL), *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["checkpoints"] == ["2", "10"] and said["paths"] == some[::-1]
    assert [Path(file).name for file in said["files"]] == [
        "digit%2Fbias.png", "digit%2Fbias.gif", "epochs.npz",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        (["--weights-from", "x.h5"], "--weights-from: the weights are those of --checkpoints"),
        (["--most", "0"], "channels=0: give 1 or more"),
        (["--layers", "conf1"], "Did you mean 'conv1'"),
        (["--sample", "9"], "no sample 9; there are 1"),
    ],
)
def test_the_verb_says_what_is_wrong(extra, what, tmp_path, capsys):
    arguments = ["--checkpoints", str(CHECKPOINTS), "--out", str(tmp_path), *extra]
    assert main(["epochs", str(MODEL), str(FOLDER / "digit.npy"), *arguments]) == 2
    assert what in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# Models of Kur.

KUR = FIXTURES / "kur" / "shared_mnist_cnn"


@pytest.fixture
def kur_run(tmp_path):
    """A folder of weights for each of three epochs, the last of which is genuine."""
    for epoch, factor in ((2, 0.5), (9, 0.75), (10, 1.0)):
        folder = tmp_path / "runs" / f"epoch_{epoch}"
        folder.mkdir(parents=True)
        for file in (KUR / "weights").iterdir():
            npf.write_idx(folder / file.name, npf.read_idx(file) * np.float32(factor))
    return tmp_path / "runs"


def test_folders_of_kur(kur_run):
    genuine = np.load(KUR / "activations.npz")
    x = genuine["input:images"]
    found = npf.over_epochs(KUR / "Kurfile.yml", kur_run, x, ["..convolution.0", "labels"])
    assert found.names == ("2", "9", "10")
    for address in found.activations:
        want = genuine[f"node:{address}"][0]
        last = found.activations[address].values[-1]
        np.testing.assert_allclose(last, want, rtol=1e-4, atol=1e-5)
    first, _, last = found.activations["..convolution.0"].values
    np.testing.assert_allclose(first, last / 2, rtol=1e-5, atol=1e-6)
    assert list(found.weights) == ["..convolution.0/kernel", "..convolution.0/bias"]


def test_the_verb_takes_the_data_of_a_kurfile(kur_run, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--data", "evaluate:1", "--checkpoints", str(kur_run), "--sample", "2"]
    arguments += ["--layers", "labels", "--out", str(out)]
    assert main(["epochs", str(KUR / "Kurfile.yml"), *arguments]) == 0
    assert "of these samples 32 to 63" in capsys.readouterr().out
    want = np.load(KUR / "evaluate.npz")["result_labels"][34]
    with np.load(out / "epochs.npz") as arrays:
        np.testing.assert_allclose(arrays["labels"][-1], want, rtol=1e-4, atol=1e-5)
