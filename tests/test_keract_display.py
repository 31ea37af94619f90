"""Keract's display functions: its signatures and file names, without its traps."""

import inspect

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from npforward import plots
from npforward.errors import BadInput, CannotWrite
from npforward.keract import (
    display_activations,
    display_gradients_of_trainable_weights,
    display_heatmaps,
)

RNG = np.random.default_rng(0)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def shown(monkeypatch):
    """Figures that pyplot was asked to show."""
    figures = []
    monkeypatch.setattr(
        pyplot, "show", lambda: figures.extend(map(pyplot.figure, pyplot.get_fignums()))
    )
    yield figures
    assert not pyplot.get_fignums()


def test_signatures_are_keracts():
    defaults = {
        name: p.default for name, p in inspect.signature(display_activations).parameters.items()
    }
    assert defaults == {
        "activations": inspect.Parameter.empty, "cmap": None, "save": False, "directory": ".",
        "data_format": "channels_last", "fig_size": (24, 24), "reshape_1d_layers": False,
    }  # fmt: skip
    parameters = inspect.signature(display_heatmaps).parameters
    assert {name: p.default for name, p in list(parameters.items())[2:]} == {
        "directory": ".", "save": False, "fix": True, "merge_filters": False,
    }  # fmt: skip


def test_file_names_are_keracts(tmp_path):
    activations = {
        "conv/Relu:0": np.ones((1, 4, 4, 3)),
        "sub/conv": np.ones((1, 4, 4, 1)),
        "dense": np.ones((1, 10)),
        "lstm": [np.ones((1, 5, 3)), np.ones((1, 3))],
    }
    display_activations(activations, save=True, directory=tmp_path / "new")
    assert names(tmp_path / "new") == [
        "0_conv.png", "1_sub.png", "2_dense.png", "3_lstm.png", "4_lstm.png",
    ]  # fmt: skip


def test_hostile_names_stay_in_the_folder(tmp_path):
    activations = dict.fromkeys(["..", "a" * 400, "NUL", "a\\..\\b", 0], np.ones((1, 2)))
    display_activations(activations, save=True, directory=tmp_path)
    assert len(names(tmp_path)) == 5 and not list(tmp_path.parent.glob("*.png"))


def test_batches_and_volumes_are_drawn_too(shown):
    display_activations({"batch": RNG.normal(size=(3, 4, 4, 2)), "vol": np.ones((1, 3, 4, 4, 2))})
    assert len(shown) == 2
    assert any("sample 0 of 3" in text.get_text() for text in shown[0].texts)
    assert all(figure.axes[0].images for figure in shown)


def test_channels_first(shown):
    x = RNG.normal(size=(1, 4, 5, 6))
    display_activations({"x": x}, data_format="channels_first")
    display_activations({"x": np.moveaxis(x, 1, -1)})
    drawn = [figure.axes[0].images[0].get_array() for figure in shown]
    assert (drawn[0] == drawn[1]).all()
    with pytest.raises(BadInput, match="expected 'channels_last' or 'channels_first'"):
        display_activations({}, data_format="last")


@pytest.mark.parametrize(("units", "folded"), [(64, (8, 8)), (32, (4, 8)), (1056, (32, 33))])
def test_dense_layers_are_folded_on_request(shown, units, folded):
    display_activations({"d": RNG.normal(size=(1, units))}, reshape_1d_layers=True)
    assert shown[0].axes[0].images[0].get_array().shape[:2] == folded


def test_size_of_the_picture(tmp_path):
    display_activations({"x": np.ones((1, 9, 9, 4))}, save=True, directory=tmp_path)
    with Image.open(tmp_path / "0_x.png") as picture:
        assert picture.width == 2400 and picture.height <= 2400


def test_colour_map_is_used(shown):
    x = RNG.normal(size=(1, 9, 9, 4))
    display_activations({"x": x}, cmap="gray")
    drawn = shown[0].axes[0].images[0].get_array()
    assert (drawn[..., 0] == drawn[..., 2]).all()


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        *(("uint8", (12, 16)), ("uint8", (1, 12, 16, 3))),
        *(("float32", (12, 16, 3)), ("float64", (12, 16, 1))),
    ],
)
def test_heatmaps_change_neither_picture_nor_activations(tmp_path, dtype, shape):
    image = (RNG.random(shape) * 255).astype(dtype)
    maps = {
        "conv": RNG.normal(size=(1, 5, 6, 3)).astype("f"),
        "flat": np.zeros((1, 5, 6, 2), "f"),
        "dense": np.ones((1, 9)),
        "sequence": RNG.normal(size=(1, 7, 2)),
        "volume": RNG.normal(size=(1, 2, 5, 6, 2)),
    }
    before = image.copy(), {k: v.copy() for k, v in maps.items()}
    for merge in (False, True):
        display_heatmaps(maps, image, tmp_path, save=True, merge_filters=merge)
    assert (image == before[0]).all()
    assert all((maps[k] == before[1][k]).all() for k in maps)
    assert names(tmp_path) == ["0_conv.png", "1_flat.png", "2_sequence.png", "3_volume.png"]


def test_a_constant_layer_gives_no_nan(shown):
    display_heatmaps({"conv": np.full((1, 4, 4, 2), 3.0)}, np.zeros((8, 8)))
    drawn = shown[0].axes[0].images[0].get_array()
    red = plots.Look().paint(np.array(np.nan))
    assert not (drawn == red).all(axis=-1).any()


def test_merging_draws_one_map(shown):
    maps = RNG.normal(size=(1, 4, 4, 9)) * 10.0 ** np.arange(9)
    maps[..., 4] = 3.0  # it has nothing to add
    others = np.delete(maps, 4, axis=-1)
    low, high = (f(others, axis=(0, 1, 2)) for f in (np.min, np.max))
    merged = ((others - low) / (high - low)).sum(axis=-1, keepdims=True)  # as Keract does it
    display_heatmaps({"conv": maps}, np.zeros((8, 8)), merge_filters=True)
    display_heatmaps({"conv": merged}, np.zeros((8, 8)))
    a, b = (figure.axes[0].images[0].get_array() for figure in shown)
    assert np.abs(a.astype(int) - b).max() <= 1


def test_what_cannot_be_done_is_said(tmp_path):
    with pytest.raises(BadInput, match=r"input_image has shape \(2, 8, 8, 3\)"):
        display_heatmaps({}, np.zeros((2, 8, 8, 3)), fix=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        display_activations({"a": np.ones((1, 2))}, save=True, directory=tmp_path / "file")
    with pytest.raises(BadInput, match="the batch is empty"):
        display_activations({"a": np.ones((0, 2))}, save=True, directory=tmp_path)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [((3, 3, 1, 4), 4, 1), ((3, 3, 4, 1), 1, 4), ((3, 3, 3, 5), 5, 3), ((5, 3, 1, 1), 1, 1),
     ((2, 2, 2, 2), 2, 2)],
)  # fmt: skip
def test_gradients_of_kernels_have_a_tile_for_each_pair_of_channels(shown, shape, rows, columns):
    display_gradients_of_trainable_weights({"conv/kernel:0": RNG.normal(size=shape)})
    (figure,) = shown
    height, width = figure.axes[0].images[0].get_array().shape[:2]
    tall, wide = height / (rows * shape[0]), width / (columns * shape[1])
    assert tall >= 1 and wide >= 1
    assert any("gradient" in text.get_text() for text in figure.texts)


def test_gradients_of_other_shapes_are_left_out(tmp_path):
    gradients = {
        "fc/kernel:0": np.ones((4, 5)),
        "conv1/kernel:0": np.ones((3, 3, 1, 2), "f"),
        "conv1/bias:0": np.ones(2),
        "sub/conv2/kernel:0": np.full((3, 3, 2, 2), np.nan),
        "pointwise/kernel:0": np.zeros((1, 1, 3, 2)),
    }
    display_gradients_of_trainable_weights(gradients, tmp_path, save=True)
    assert names(tmp_path) == ["0_conv1.png", "1_sub.png", "2_pointwise.png"]
    display_gradients_of_trainable_weights(gradients, tmp_path / "safe", True)
    display_gradients_of_trainable_weights({"..": np.ones((3, 3, 1, 1))}, tmp_path / "up", True)
    assert len(names(tmp_path / "up")) == 1
