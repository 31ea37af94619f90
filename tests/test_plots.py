"""Pictures: what is drawn for each shape, that nothing warns, and that files are whole."""

import sys
import time
import warnings

import matplotlib
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from npforward import plots
from npforward.classes import read_labels, softmax_values, top
from npforward.errors import BadFile, BadInput, CannotWrite, MissingFile, UnknownName
from npforward.graph import Graph, Layer, Node, Ref
from npforward.model import Trace

RNG = np.random.default_rng(0)


def trace(**values):
    kinds = {"input": "InputLayer", "softmax": "Softmax"}
    return Trace(values, {name: Layer(name, kinds.get(name, "Conv2D")) for name in values})


def pixels(figure, dpi=100):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def images(figure):
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


def has_colour(figure, colour):
    rgb = np.rint(np.array(matplotlib.colors.to_rgb(colour)) * 255)
    return bool((pixels(figure) == rgb).all(axis=-1).any())


VALUES = st.one_of(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=1, max_dims=6, min_side=1, max_side=4),
    ),
)


@settings(deadline=None, max_examples=40)
@given(VALUES, st.sampled_from(["channel", "layer", None]), st.booleans())
def test_any_value_is_drawn_without_a_warning(value, how, as_input):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = {"input" if as_input else "softmax": value}
        figures = list(plots.activations(trace(**values), normalize=how))
        assert figures
        for figure in figures:
            pixels(figure, dpi=30)


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]), st.tuples(st.integers(1, 4), st.integers(1, 9))
    ),
    st.sampled_from(["channel", "layer", None]),
)
def test_normalised_values_lie_between_0_and_1(x, how):
    z = plots.normalise(x, *plots.bounds(x, how))
    assert (np.isnan(z) == ~np.isfinite(x)).all()
    assert ((z >= 0) & (z <= 1) | np.isnan(z)).all()


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 20), elements=st.floats(-1e6, 1e6)))
def test_mean_is_mid_grey_and_one_deviation_a_quarter(x):
    low, high = plots.bounds(x, "channel")
    # The squares of tiny numbers underflow: what is expected is computed at a scale of 1.
    scale = np.abs(x).max(axis=1, keepdims=True)
    scale[scale == 0] = 1
    mean, std = ((x / scale).mean(axis=1), (x / scale).std(axis=1)) * scale[:, 0]
    big = std > 1e-6 * np.abs(x).max(axis=1)
    np.testing.assert_allclose((low + high)[big] / 2, mean[big], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose((high - low)[big] / 4, std[big], rtol=1e-9)


def test_constant_channel_is_flat_mid_grey():
    for constant in (0.0, 0.1, -7.0, 1e300):
        x = np.full((1, 6, 6, 4), constant)
        for how in ("channel", "layer", None):
            (figure,) = plots.activations({"x": x}, normalize=how)
            drawn = images(figure)[0].reshape(-1, 3)
            middle = plots.Look(cmap="cividis").paint(np.array(0.5))
            white = (drawn == 255).all(axis=1)
            assert (drawn[~white] == middle).all() and not white.all()


def test_nan_and_inf_are_red_and_counted():
    x = RNG.normal(size=(1, 6, 6, 4))
    x[0, 2, 2, 1], x[0, 3, 3, 2] = np.nan, np.inf
    (figure,) = plots.activations({"x": x})
    assert has_colour(figure, plots.BAD) and "2 NaN or Inf" in texts(figure)
    (clean,) = plots.activations({"x": np.nan_to_num(x, posinf=0)})
    assert not has_colour(clean, plots.BAD)
    (vector,) = plots.activations({"x": np.array([[1, np.nan]])})
    assert has_colour(vector, plots.BAD)


def test_a_marked_pixel_survives_shrinking():
    x = RNG.normal(size=(1, 900, 900, 9)).astype("f")
    x[0, 450, 450, 3] = np.nan
    (figure,) = plots.activations({"x": x})
    red = plots.Look().paint(np.array(np.nan))
    assert (images(figure)[0] == red).all(axis=-1).any()


@pytest.mark.parametrize("size", [5e-324, 1e-12, 1e299, 1.7e308])
@pytest.mark.parametrize("shape", [(1, 2), (1, 90), (1, 600), (1, 4, 3), (1, 4, 4, 2), (1, 1)])
def test_the_ends_of_float64(size, shape):
    x = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape) * size
    for value in (x, np.abs(x), np.full(shape, size), *([1 + x] if size < 1 else [])):
        for figure in plots.activations({"x": value}, normalize=None):
            pixels(figure, dpi=30)
        for figure in plots.histograms({"x": value}):
            pixels(figure, dpi=30)


def test_channels_first_draws_the_same_picture():
    x = RNG.normal(size=(1, 5, 7, 3))
    first = Layer("conv", "Conv2D", {"data_format": "channels_first"})
    last = Layer("conv", "Conv2D", {"data_format": "channels_last"})
    (a,) = plots.activations(Trace({"conv": x}, {"conv": last}))
    (b,) = plots.activations(Trace({"conv": np.moveaxis(x, -1, 1)}, {"conv": first}))
    assert (images(a)[0] == images(b)[0]).all()


def test_input_is_a_picture_in_its_colours():
    x = np.zeros((1, 8, 8, 3), np.float32)
    x[..., 0] = 255
    (figure,) = plots.activations(trace(input=x))
    assert has_colour(figure, "red")
    (unit,) = plots.activations(trace(input=x / 255))
    assert has_colour(unit, "red")
    (grey,) = plots.activations(trace(input=x[..., :1]))
    assert has_colour(grey, "white") and images(grey)[0].shape == (8, 8, 3)
    (standardised,) = plots.activations(trace(input=x - 100))
    assert "stretched" in texts(standardised)


def test_sample_is_chosen_and_checked():
    x = np.stack([np.zeros((4, 4, 1)), np.eye(4)[..., None]])
    a, b = (next(plots.activations({"x": x}, sample=n)) for n in (0, 1))
    assert (images(a)[0] != images(b)[0]).any() and "sample 1 of 2" in texts(b)
    with pytest.raises(BadInput, match="x: no sample 2; there are 2"):
        plots.activations({"x": x}, sample=2)
    with pytest.raises(BadInput, match="the batch is empty"):
        plots.activations({"x": x[:0]})


def test_a_thousand_channels_take_less_than_a_second(tmp_path):
    x = RNG.normal(size=(1, 14, 14, 1000)).astype("f")
    plots.save(plots.activations({"warm": x[..., :1]}), tmp_path, "png")
    start = time.process_time()
    (figure,) = plots.activations({"x": x})
    plots.save([figure], tmp_path, "png")
    assert time.process_time() - start < 1
    assert sum(len(axes.images) for axes in figure.axes) == 1


def test_more_channels_than_a_page_holds_are_paged(tmp_path):
    figures = list(plots.activations({"x": np.zeros((1, 2, 2, 2100), "f"), "y": np.ones((1, 2))}))
    assert "channels 0 to 699" in texts(figures[0])
    paths = plots.save(figures, tmp_path, "png")
    assert [p.name for p in paths] == [
        "000_x.png", "000_x_page2.png", "000_x_page3.png", "001_y.png",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 64, 65, 512, 513, 1009])
def test_vectors_of_any_length(size):
    (figure,) = plots.activations({"x": RNG.normal(size=(1, size)).astype("f")})
    pixels(figure)


def test_half_types_ints_and_strings():
    values = {
        "half": RNG.normal(size=(1, 4, 4, 2)).astype(ml_dtypes.bfloat16),
        "int": np.arange(32).reshape(1, 4, 4, 2),
        "words": np.array([["a $x^2$", "\u65e5\x1b[2J"]]),
    }
    figures = list(plots.activations(values))
    pixels(figures[2])
    assert "\\u65e5" in texts(figures[2]) and "\x1b" not in texts(figures[2])


def test_softmax_names_the_top_classes():
    p = np.zeros((1, 30))
    p[0, 7], p[0, 3] = 0.75, 0.25
    labels = [f"class {n}" for n in range(30)]
    (figure,) = plots.activations(trace(softmax=p), labels=labels)
    ticks = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert ticks[:2] == ["class 7", "class 3"]
    assert "75.0%" in [t.get_text() for t in figure.axes[0].texts]
    with pytest.raises(BadInput, match="2 labels, but 'softmax' has 30 classes"):
        list(plots.activations(trace(softmax=p), labels=labels[:2]))


def test_a_nested_model_that_ends_in_a_softmax():
    head = Graph(
        "head",
        "Sequential",
        (Node("out", Layer("out", "Softmax"), (Ref("in"),)),),
        ["in"],
        Ref("out"),
    )
    found = softmax_values(Trace({"head": np.ones((1, 4)) / 4}, {"head": head}))
    assert found == {"head": 4}


def test_top_is_stable_and_never_nan():
    assert [c.index for c in top(np.array([0.2, np.nan, 0.2, 0.6]), 4)] == [3, 0, 2, 1]


def test_labels_from_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\ufeffcat\n\ndog\n\n", encoding="utf-8")
    assert read_labels(path) == ["cat", "", "dog"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="UTF-8"):
        read_labels(path)
    with pytest.raises(MissingFile, match="labels cannot be read"):
        read_labels(tmp_path / "none")


def test_layers_are_chosen_by_glob():
    values = {"conv1": np.ones((1, 2)), "conv2": np.ones((1, 2)), "dense": np.ones((1, 2))}
    labels = [f.get_label() for f in plots.activations(values, layers=["dense", "conv*"])]
    assert labels == ["conv1", "conv2", "dense"]
    with pytest.raises(UnknownName, match="Did you mean 'dense'"):
        plots.activations(values, layers="dens")


def test_unknown_settings_say_what_there_is():
    with pytest.raises(BadInput, match="'viridis'"):
        plots.activations({}, cmap="viridi")
    with pytest.raises(BadInput, match="'channel', 'layer' or None"):
        plots.activations({}, normalize="batch")
    with pytest.raises(BadInput, match="'pdf' or 'png'"):
        plots.save([], "x", "svg")


def test_colour_map_is_monotone_in_lightness():
    rgb = matplotlib.colormaps[plots.CMAP](np.linspace(0, 1, 50))[:, :3]
    lightness = rgb @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_histograms_count_zeros_in_words():
    values = {"relu": np.array([0, 0, 0, 1.0, 2.0, np.nan]), "zero": np.zeros(4)}
    values |= {"huge": np.array([-1.7e308, 1.7e308]), "same": np.full(3, 5.0)}
    values |= {"near": np.array([1.0, np.nextafter(1.0, 2)]), "empty": np.zeros((0, 2))}
    (figure,) = plots.histograms(values | {"words": np.array(["a"])})
    pixels(figure)
    assert "50% zeros" in texts(figure) and "1 NaN or Inf" in texts(figure)
    assert "words" not in texts(figure)
    stairs = figure.axes[0].patches[0]
    assert stairs.get_data().values.sum() == 2


@pytest.mark.parametrize(
    "shape",
    [
        *((5, 5, 3, 8), (3, 3, 1, 16), (3, 3, 16, 4), (3, 3, 80, 70), (1, 1, 8, 9), (7, 4, 6)),
        *((3, 3, 3, 2, 4), (3, 3, 12, 1), (40, 10), (1, 1)),
    ],
)
def test_filters_of_any_shape(shape):
    weights = {"a/kernel": RNG.normal(size=shape).astype("f"), "a/bias": np.ones(3)}
    for figure in plots.filters(weights):
        assert figure.get_label() == "a/kernel"
        pixels(figure)
    zero = {"a/kernel": np.zeros(shape)}
    for figure in plots.filters(zero):
        pixels(figure)


def test_no_filters_is_said():
    with pytest.raises(BadInput, match="no kernels to draw"):
        plots.filters({"bn/gamma": np.ones(3)})


def test_pdf_has_a_page_for_each_figure_and_the_same_bytes(tmp_path):
    values = {"a": RNG.normal(size=(1, 4, 4, 2)), "b": np.ones((1, 5))}
    one, two = (tmp_path / name for name in ("one.pdf", "two.pdf"))
    for path in (one, two):
        assert plots.save(plots.activations(values), path) == [path]
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().count(b"/Type /Page\n") == 2 or b"/Count 2" in one.read_bytes()


@pytest.mark.parametrize("format", ["pdf", "png"])
def test_nothing_is_left_when_drawing_fails(tmp_path, format):
    def figures():
        yield from plots.activations({"a": np.ones((1, 5))})
        raise BadInput("in the middle")

    with pytest.raises(BadInput, match="in the middle"):
        plots.save(figures(), tmp_path / "out", format)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("format", ["pdf", "png"])
def test_nothing_to_draw_is_an_error(tmp_path, format):
    with pytest.raises(BadInput, match="nothing to draw"):
        plots.save(plots.histograms({"words": np.array(["a"])}), tmp_path / "out", format)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_hostile_names_become_safe_files(tmp_path):
    names = ["../../etc", "NUL", "a" * 999, "x:pre", "\ud800", "$\\frac$", "."]
    paths = plots.save(plots.activations({n: np.ones((1, 2)) for n in names}), tmp_path, "png")
    assert {p.parent for p in paths} == {tmp_path}
    assert sorted(tmp_path.iterdir()) == sorted(paths) and len(set(paths)) == len(names)
    for path in paths:
        assert len(path.name.encode()) <= 255
        with Image.open(path) as picture:
            picture.verify()


def test_a_folder_in_the_way_is_an_error(tmp_path):
    figures = list(plots.activations({"a": np.ones((1, 5))}))
    with pytest.raises(CannotWrite, match="not an ordinary file"):
        plots.save(figures, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        plots.save(figures, tmp_path / "file" / "sub", "png")


def test_pyplot_is_not_touched():
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
