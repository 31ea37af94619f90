"""Receptive fields: against changing inputs one by one, and against published figures."""

import gzip
import json

import numpy as np
import pytest
from cases import FIXTURES, Case, case_names
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from made import chain, layer
from test_applications import opened
from test_costs import vgg16

import npforward as npf
from npforward.cli import main
from npforward.dtypes import floating
from npforward.errors import BadInput, NpforwardError, UnknownName
from npforward.model import Model
from npforward.profile import samples

MODELS = FIXTURES / "models"
DIGITS = MODELS / "digits_cnn" / "model.keras"
rng = np.random.default_rng(0)


def load(name):
    return npf.load_model(MODELS / name / "model.keras")


def changing(model, feeds, name, address, at):
    """The places of one input which change a value at one place, changed one by one."""
    x = feeds[name]
    many = {n: np.repeat(a, x.size + 1, axis=0) for n, a in feeds.items()}
    flat = many[name].reshape(x.size + 1, -1)
    flat[np.arange(1, x.size + 1), np.arange(x.size)] += 1000
    place = (slice(None), *(slice(None) if i is None else i for i in at))
    values = model.trace(many, address)[address][place].reshape(x.size + 1, -1)
    # BLAS may round the last rows of a matrix in another way than the others.
    rounding = 1e-13 * np.abs(values).max(initial=0)
    same = np.isclose(values[1:], values[0], rtol=0, atol=rounding).all(axis=1)
    changed = ~same.reshape(x.shape[1:])
    return np.argwhere(changed)


# ---- exactly, for networks of windows ----------------------------------------------------------


def weights(*shape):
    return rng.uniform(0.5, 1.5, shape).astype("float32")  # no path is cut, and none cancels


def conv(draw, d, c):
    config = {
        "filters": 2,
        "kernel_size": [draw(st.integers(1, 3)) for _ in range(d)],
        "padding": draw(st.sampled_from(["same", "valid"])),
        "use_bias": False,
    }
    if draw(st.booleans()):
        config["strides"] = [draw(st.integers(1, 3))] * d
    else:
        config["dilation_rate"] = [draw(st.integers(1, 3))] * d
    return f"Conv{d}D", config, weights(*config["kernel_size"], c, 2)


def transposed(draw, d, c):
    config = {
        "filters": 2,
        "kernel_size": [draw(st.integers(1, 4)) for _ in range(d)],
        "strides": [draw(st.integers(1, 2))] * d,
        "padding": draw(st.sampled_from(["same", "valid"])),
        "use_bias": False,
    }
    return f"Conv{d}DTranspose", config, weights(*config["kernel_size"], 2, c)


def depthwise(draw, d, c):
    config = {"kernel_size": [draw(st.integers(1, 3))] * d, "use_bias": False,
              "strides": [draw(st.integers(1, 2))] * d}  # fmt: skip
    return f"DepthwiseConv{d}D", config, weights(*config["kernel_size"], c, 1)


def pool(draw, d, c):
    kind = draw(st.sampled_from(["Max", "Average"]))
    config = {
        "pool_size": [draw(st.integers(1, 3)) for _ in range(d)],
        "strides": [draw(st.integers(1, 3))] * d,
        "padding": draw(st.sampled_from(["same", "valid"])),
    }
    return f"{kind}Pooling{d}D", config


def borders(draw, d, c):
    kind = draw(st.sampled_from(["ZeroPadding", "Cropping"]))
    key = "padding" if kind == "ZeroPadding" else "cropping"
    pairs = [[draw(st.integers(0, 2)), draw(st.integers(0, 1))] for _ in range(d)]
    return f"{kind}{d}D", {key: pairs if d > 1 else pairs[0]}


def upsampling(draw, d, c):
    size = [draw(st.integers(1, 3)) for _ in range(d)]
    return f"UpSampling{d}D", {"size": size if d > 1 else size[0]}


@st.composite
def networks(draw):
    d = draw(st.sampled_from([1, 2]))
    shape = [draw(st.integers(5, 14 if d == 1 else 8)) for _ in range(d)]
    c, layers = 1, []
    for i in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([conv, conv, transposed, depthwise, pool, borders, upsampling]))
        made = kind(draw, d, c)
        c = 2 if kind in (conv, transposed) else c
        layers.append(layer(*made, name=f"layer{i}"))
    return chain((*shape, 1), *layers), (1, *shape, 1), draw(st.integers(0, 2**16))


@settings(max_examples=60, deadline=None)
@given(networks())
def test_the_box_is_the_hull_of_what_changes(network):
    model, shape, where = network
    model = model.astype("float64")
    address = model.outputs[0]
    x = np.random.default_rng(1).random(shape)
    try:
        value = model.trace(x)[address]
    except NpforwardError:  # a kernel that does not fit
        reject()
    if not value.size:
        reject()
    at = [where % n for n in value.shape[1:-1]]
    found = npf.receptive_field(model, address, at)
    assert found.exact and found.position == (*at, None)
    changed = changing(model, {"x": x}, "x", address, at)
    if not len(changed):
        assert found.inputs["x"] is None
        return
    axes = found.inputs["x"]
    assert [a.start for a in axes] == list(changed.min(axis=0))
    assert [a.stop for a in axes] == list(changed.max(axis=0) + 1)
    for axis, p in zip(axes, at, strict=False):
        if axis.size is not None and axis.stride is not None and axis.padding is not None:
            first = p * axis.stride - axis.padding
            assert first <= axis.start and axis.stop <= first + axis.size


# ---- no less, for any network ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("residual_bn", None),
        ("residual_bn", "stem_conv"),
        ("separable", None),
        ("signal", "causal1"),
        ("signal", None),
        ("volume", "conv1"),
        ("unet_small", "down1"),
        ("siamese", "encoder/features/pool"),
        ("siamese", "encoder@2/edges"),
        ("norms", None),
        ("convlstm", "convlstm1"),
        ("rnn_zoo", "simple"),
        ("masking", None),
        ("multi_io", None),
        ("nested_deep", None),
    ],
)
def test_nothing_outside_of_the_box_changes_a_value(name, address):
    model = load(name).astype("float64")
    address = address or model.outputs[0]
    feeds = samples(model.inputs, 1)
    found = npf.receptive_field(model, address, x=feeds)
    for name, array in feeds.items():
        changed = changing(model, feeds, name, address, found.position)
        if len(changed):
            assert found.inputs[name] is not None
            box = found.box(name)
            low, high = changed.min(axis=0), changed.max(axis=0)
            assert all(b.start <= a for a, b in zip(low, box, strict=True)), array.shape
            assert all(a < b.stop for a, b in zip(high, box, strict=True)), array.shape


@pytest.mark.parametrize("name", case_names()[::17])
def test_nothing_outside_of_the_box_changes_what_a_layer_gives(name):
    case = Case(name)
    model = Model(case.graph)
    feeds = model.feeds(case.inputs)
    before = model.trace(case.inputs)
    for address in case.addresses:
        value = before[address]
        whole = value.ndim and value.size and feeds and all(x.ndim > 1 and x.size for x in feeds)
        if not whole or value.shape[0] != feeds[0].shape[0]:
            continue
        found = npf.receptive_field(model, address, x=feeds)
        at = (0, *(slice(None) if i is None else i for i in found.position))
        for number, (spec, x) in enumerate(zip(model.inputs, feeds, strict=True)):
            if not floating(x.dtype):  # whole numbers may be indices
                continue
            changed = [a.copy() for a in feeds]
            inside = np.zeros(x.shape[1:], bool)
            inside[found.box(spec.name)] = found.inputs[spec.name] is not None
            changed[number][0][~inside] += np.asarray(3.5, x.dtype)
            after = model.trace(changed, address)[address]
            assert after[at].tobytes() == value[at].tobytes()  # NaN too


# ---- published and plain figures ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "size", "stride", "padding"),
    [("layer17", 212, 32, 90), ("layer16", 196, 16, 90), ("layer2", 6, 2, 2), ("layer1", 5, 1, 2)],
)
def test_vgg16_is_as_published(address, size, stride, padding):
    """A. Araujo, W. Norris and J. Sim (2019)."""
    for axis in npf.receptive_field(vgg16(), address).inputs["x"][:2]:
        assert (axis.size, axis.stride, axis.padding) == (size, stride, padding)


@pytest.mark.parametrize(
    ("name", "address", "size"),
    [("MobileNet", "conv_pw_13_relu", 315), ("MobileNetV2", "out_relu", 491)],
)
def test_mobilenets_reach_further_than_the_picture(name, address, size):
    path = FIXTURES / "applications" / f"{name}.json.gz"
    model = opened(json.loads(gzip.decompress(path.read_bytes())), name)
    found = npf.receptive_field(model, address)
    for axis in found.inputs[model.inputs[0].name][:2]:
        assert (axis.size, axis.stride) == (size, 32)
        assert (axis.start, axis.stop) == (0, axis.length)


def test_a_dense_layer_and_a_global_pooling_see_everything():
    found = npf.receptive_field(load("digits_cnn"), "dense1")
    assert found.position == (None,)
    # The last two rows and columns are lost to pooling.
    assert found.box("picture") == (slice(0, 30), slice(0, 30), slice(0, 1))
    assert found.inputs["picture"][0].size is None


def rnn(**config):
    kernels = [weights(1, 2), weights(2, 2)]
    config = {"units": 2, "return_sequences": True, "use_bias": False, **config}
    return layer("SimpleRNN", config, *kernels, name="rnn")


@pytest.mark.parametrize(("config", "start", "stop"), [({}, 0, 5), ({"go_backwards": True}, 5, 10)])
def test_a_recurrent_layer_sees_the_past(config, start, stop):
    model = chain((10, 1), rnn(**config))
    assert npf.receptive_field(model, "rnn", (4,)).box("x")[0] == slice(start, stop)
    last = chain((10, 1), rnn(**config, return_sequences=False))
    assert npf.receptive_field(last, "rnn").box("x")[0] == slice(0, 10)


def test_both_directions_see_all_and_inner_values_their_own():
    model = load("rnn_zoo")
    found = npf.receptive_field(model, "simple", (2,))
    (axes,) = [axes for axes in found.inputs.values() if axes is not None]
    assert (axes[0].start, axes[0].stop) == (0, 3)
    both = next(a.address for a in model.layers if a.type == "Bidirectional")
    (seen,) = [axes for axes in npf.receptive_field(model, both).inputs.values() if axes]
    assert (seen[0].start, seen[0].stop) == (0, seen[0].length)


def test_channels_first():
    config = {"filters": 2, "kernel_size": [3, 3], "data_format": "channels_first"}
    model = chain(
        (3, 8, 9), layer("Conv2D", config, weights(3, 3, 3, 2), weights(2), name="conv"),
        layer("ReLU", name="relu"),
    )  # fmt: skip
    found = npf.receptive_field(model, "relu", (1, 2))
    assert found.position == (None, 1, 2)
    assert found.box("x") == (slice(0, 3), slice(1, 4), slice(2, 5))


def test_an_op_without_a_rule_takes_all_and_says_so():
    graph = chain((6,), layer("Lambda", name="own")).graph
    model = Model(graph, custom_layers={"own": lambda x: np.sort(np.asarray(x), axis=1)})
    found = npf.receptive_field(model, "own", (2,))
    assert not found.exact and found.box("x") == (slice(0, 6),)
    assert "or on less: everything is taken of" in str(found) and "'own'" in found.guessed[0]


@pytest.mark.parametrize(
    ("address", "position", "error", "says"),
    [
        ("conv9", None, UnknownName, "conv"),
        ("conv*", None, UnknownName, "several"),
        ("conv1", (1,), BadInput, "3 axes"),
        ("conv1", (1, 99), BadInput, "99 is no index into an axis of 30"),
        ("conv1", (1, 1.5), BadInput, "1.5 is no index"),
        ("conv1", (-31, 0), BadInput, "-31 is no index"),
    ],
)
def test_mistakes(address, position, error, says):
    with pytest.raises(error, match=says):
        npf.receptive_field(load("digits_cnn"), address, position)


def test_command_line(capsys):
    assert main(["receptive-field", str(DIGITS), "conv2", "--position", "3,-1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["position"] == [3, 12, None]
    first = told["inputs"]["picture"][0]
    assert (first["start"], first["stop"], first["size"], first["stride"]) == (6, 14, 8, 2)
    assert main(["receptive-field", str(DIGITS), "conv2"]) == 0
    assert "conv2 at (6, 6, all) depends on" in capsys.readouterr().out
    assert main(["receptive-field", str(DIGITS), "conv2", "--position", "a,b"]) == 2
    assert "--position a,b" in capsys.readouterr().err
    assert main(["receptive-field", str(DIGITS), "conv7"]) == 2
