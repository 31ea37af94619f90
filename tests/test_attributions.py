"""What in an input speaks for a class: against formulas, and for inputs of every kind."""

import json
from pathlib import Path

import numpy as np
import pytest
from cases import FIXTURES
from made import chain, layer, ones
from PIL import Image

import npforward as npf
from npforward.cli import main
from npforward.errors import BadInput, NotDifferentiable, UnknownName

MODELS = FIXTURES / "models"
DIGITS = MODELS / "digits_cnn"


def picture(path):
    with Image.open(path) as opened:
        return np.asarray(opened, "float32")


SEVENS = np.repeat(picture(DIGITS / "seven.png")[None, ..., None], 3, axis=0)
METHODS = {
    "saliency": npf.saliency,
    "gradient-x-input": npf.gradient_times_input,
    "integrated-gradients": npf.integrated_gradients,
    "smoothgrad": npf.smoothgrad,
    "grad-cam": npf.grad_cam,
    "grad-cam++": npf.grad_cam_plus_plus,
    "occlusion": npf.occlusion,
}
rng = np.random.default_rng(0)


def load(name):
    return npf.load_model(MODELS / name / "model.keras")


def close(found, want, share=1e-3):
    """Within a share of the largest number."""
    assert np.abs(found - want).max() <= share * np.abs(want).max()


def linear(weights, bias=0.0):
    w = np.asarray(weights, "float32")
    b = np.full(w.shape[1], bias, "float32")
    return chain((len(w),), layer("Dense", {"units": w.shape[1]}, w, b, name="dense"))


# By formula.


def test_of_a_linear_model_all_methods_are_its_weights():
    w, x = rng.normal(size=(5, 3)).astype("float32"), rng.normal(size=(4, 5)).astype("float32")
    model, of = linear(w, 2.0), np.array([0, 2, 1, 2])
    product = x * w.T[of]
    np.testing.assert_allclose(npf.saliency(model, x, of).map, np.abs(w.T[of]), rtol=1e-6)
    np.testing.assert_allclose(npf.gradient_times_input(model, x, of).map, product, rtol=1e-6)
    np.testing.assert_allclose(npf.smoothgrad(model, x, of).map, np.abs(w.T[of]), rtol=1e-5)
    for rule in ("riemann", "gauss-legendre"):
        found = npf.integrated_gradients(model, x, of, baseline=1, steps=3, rule=rule)
        np.testing.assert_allclose(found.map, (x - 1) * w.T[of], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.gap, 0, atol=1e-5)
    found = npf.occlusion(model, x, of, window=1)
    np.testing.assert_allclose(found.map, product, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.score, (x @ w + 2)[np.arange(4), of], rtol=1e-5)
    assert found.of == "dense[0, 2, 1, 2]" and found.classes == (0, 2, 1, 2)


def test_without_a_class_it_is_that_of_the_highest_score():
    model, x = load("mlp"), rng.normal(size=(6, 13)).astype("float32")
    best = model.predict(x).argmax(axis=1)
    found = npf.saliency(model, x)
    assert found.classes == tuple(best)
    np.testing.assert_array_equal(found.map, npf.saliency(model, x, best).map)
    np.testing.assert_allclose(found.score, model.predict(x).max(axis=1), rtol=1e-6)


def test_a_saliency_is_a_finite_difference():
    model = load("digits_cnn").astype("float64")
    x = picture(DIGITS / "seven.png").astype("float64")[None, ..., None]
    found = npf.saliency(model, x, 7, logits=True)
    assert found.of == "digit:pre[7]"
    for at in [(0, 10, 12), (0, 16, 16), (0, 3, 30)]:
        up, down = x.copy(), x.copy()
        up[at], down[at] = up[at] + 1e-4, down[at] - 1e-4
        scores = [model.trace(z, "digit:pre")["digit:pre"][0, 7] for z in (up, down)]
        assert found.map[at] == pytest.approx(abs(scores[0] - scores[1]) / 2e-4, rel=1e-4)


def test_integrated_gradients_sum_to_the_difference():
    model, x = load("digits_cnn"), SEVENS[:2]
    found = npf.integrated_gradients(model, x, baseline=20, steps=64, logits=True)
    base = npf.saliency(model, np.full_like(x, 20), np.array(found.classes), logits=True).score
    total = found.map.reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(total + found.gap, found.score - base, rtol=1e-4)
    assert (np.abs(found.gap) < 0.05 * np.abs(found.score - base)).all()


def test_occlusion_by_hand():
    # Windows 0 to 3 and 2 to 5 take away 0 + 1 + 2 + 3 and 2 + 3 + 4 + 5 times one.
    model = linear(np.arange(6)[:, None], 1.0)
    want = [6, 6, 10, 10, 14, 14]
    found = npf.occlusion(model, ones(1, 6), 0, window=4)
    np.testing.assert_allclose(found.map, [want], rtol=1e-6)
    seen = []
    npf.occlusion(model, ones(1, 6), 0, window=4, stride=1, progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("axis", [-1, 1])
def test_grad_cam_by_hand(axis):
    """A convolution of one position; the class weighs the means of its channels."""
    kernel, top = rng.normal(size=(1, 1, 2, 3)), rng.normal(size=(3, 4))
    kernel, top = kernel.astype("float32"), top.astype("float32")
    said = {"data_format": "channels_last" if axis == -1 else "channels_first"}
    conv = layer("Conv2D", {"filters": 3, "kernel_size": [1, 1], **said}, kernel, np.zeros(3, "f4"))
    pooling = layer("GlobalAveragePooling2D", said)
    shape = (4, 6, 2) if axis == -1 else (2, 4, 6)
    model = chain(shape, conv, pooling, layer("Dense", {"units": 4}, top, np.zeros(4, "f4")))
    x = rng.normal(size=(2, 4, 6, 2)).astype("float32")
    a = x @ kernel[0, 0]
    want = np.maximum((a * top[:, 2] / 24).sum(axis=-1), 0)
    found = npf.grad_cam(model, np.moveaxis(x, -1, axis), 2)
    assert found.layer == "conv2d"
    np.testing.assert_allclose(found.map, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.x, x)
    g = np.broadcast_to(top[:, 2] / 24, a.shape)
    alpha = g**2 / (2 * g**2 + a.sum(axis=(1, 2), keepdims=True) * g**3)
    weights = (alpha * np.maximum(g, 0)).sum(axis=(1, 2), keepdims=True)
    found = npf.grad_cam_plus_plus(model, np.moveaxis(x, -1, axis), 2)
    close(found.map, np.maximum((a * weights).sum(axis=-1), 0))
    close(npf.saliency(model, np.moveaxis(x, -1, axis), 2).map,
          np.broadcast_to(np.abs(kernel[0, 0] @ top[:, 2] / 24).max(), (2, 4, 6)))  # fmt: skip
    covered = npf.occlusion(model, np.moveaxis(x, -1, axis), 2, window=(2, 6)).map
    half = (x @ kernel[0, 0] @ top[:, 2] / 24)[:, :2].sum(axis=(1, 2))
    np.testing.assert_allclose(covered[:, 0, 0], half, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_any_number_of_axes(rank):
    kernel = rng.normal(size=(*[3] * rank, 2, 4)).astype("float32")
    conv = layer(
        f"Conv{rank}D", {"filters": 4, "kernel_size": [3] * rank}, kernel, np.zeros(4, "f4")
    )
    model = chain((*[7] * rank, 2), conv, layer(f"GlobalMaxPooling{rank}D"))
    x = rng.normal(size=(3, *[7] * rank, 2)).astype("float32")
    for name, method in METHODS.items():
        found = method(model, x, 1, batch_size=2)
        whole = found.heat.shape
        assert whole == (3, *[7] * rank), name
        np.testing.assert_allclose(method(model, x, 1).map, found.map, rtol=1e-4, atol=1e-6)
        assert found.overlay(sample=2).get_label() == f"{name}_2"


# Inputs of every kind.


def test_several_inputs_are_a_dict_by_name():
    model = load("siamese")
    names = [spec.name for spec in model.inputs]
    x = {s.name: rng.random((2, *s.shape[1:])).astype("float32") for s in model.inputs}
    of = (model.outputs[0], 0)
    found = npf.integrated_gradients(model, x, of)
    assert list(found) == names
    np.testing.assert_array_equal(found[names[0]].gap, found[names[1]].gap)
    one = npf.saliency(model, x, of, input=names[1])
    np.testing.assert_array_equal(one.map, npf.saliency(model, x, of)[names[1]].map)
    assert one.input == names[1]
    twins = [npf.grad_cam(model, x, of, input=name).layer for name in names]
    assert twins[1] == twins[0].replace("encoder", "encoder@2") != twins[0]
    with pytest.raises(UnknownName, match="no input 'other'"):
        npf.saliency(model, x, of, input="other")


def test_words_are_asked_about_by_their_embedding():
    model = load("text_lstm")
    (spec,) = model.inputs
    x = rng.integers(1, 20, (3, spec.shape[1] or 12))
    embedding = next(s.address for s in model.layers if s.type == "Embedding")
    with pytest.raises(NotDifferentiable, match=f"ask for layer='{embedding}"):
        npf.saliency(model, x)
    found = npf.saliency(model, x, layer=embedding)
    assert found.map.shape == x.shape and found.layer == embedding
    assert npf.occlusion(model, x, window=1).map.shape == x.shape


def embedded(table, weights):
    """Whole numbers to rows of a table, whose numbers are weighed and summed."""
    rows, width = table.shape
    return chain(
        (3,),
        layer("Embedding", {"input_dim": rows, "output_dim": width}, table, name="embedding"),
        layer("Flatten", {}, name="flatten"),
        layer("Dense", {"units": weights.shape[1]}, weights, np.zeros(weights.shape[1], "f")),
        dtype="int32",
    )


def test_what_a_layer_gives_is_moved_instead_of_the_input():
    table, w = rng.normal(size=(9, 2)).astype("f"), rng.normal(size=(6, 4)).astype("f")
    x, of = np.array([[1, 8, 3], [0, 0, 5]]), 2
    model, slopes = embedded(table, w), w[:, 2].reshape(3, 2)
    for baseline in (0.0, [0.5, -1], rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 2))):
        found = npf.integrated_gradients(model, x, of, baseline=baseline, layer="embedding")
        b = np.broadcast_to(baseline, (2, 3, 2))
        np.testing.assert_allclose(found.map, (table[x] - b) * slopes, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.gap, 0, atol=1e-5)
        assert found.layer == "embedding" and found.heat.shape == x.shape
    found = npf.smoothgrad(model, x, of, samples=3, layer="embedding", channels=None)
    np.testing.assert_allclose(found.map, np.broadcast_to(np.abs(slopes), (2, 3, 2)), rtol=1e-5)
    found = npf.occlusion(model, x, of, window=1, value=[1, 2], layer="embedding", batch_size=1)
    want = ((table[x] - [1, 2]) * slopes).sum(axis=-1)
    np.testing.assert_allclose(found.map, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.words, x)
    with pytest.raises(BadInput, match=r"baseline: for the layer 'embedding' of shape \(2, 3, 2\)"):
        npf.integrated_gradients(model, x, of, baseline=[1, 2, 3], layer="embedding")


@pytest.mark.parametrize(
    ("name", "address", "share"),
    [
        ("text_lstm", "words", 0.01),
        ("digits_cnn", "pool2", 0.02),
        ("siamese", "encoder@2/features/pool", 0.05),
        ("transformer", "words", 0.05),
        ("rnn_zoo", "simple", 0.05),
    ],
)
def test_what_layers_count_sums_to_the_difference(name, address, share):
    """f(x) - f with the baseline in the place of the layer, as `trace` replaces it."""
    model = load(name)
    x = {
        s.name: rng.integers(1, 9, (2, *(n or 12 for n in s.shape[1:]))).astype(s.dtype)
        for s in model.inputs
    }
    trace = model.trace(x)
    output = model.outputs[0]
    score = (output, 0)
    found = npf.integrated_gradients(model, x, score, layer=address, baseline=0.1, steps=100)
    without = model.trace(trace, replace={address: 0.1})
    want = [t[output].reshape(2, -1, t[output].shape[-1])[..., 0].sum(axis=1) for t in
            (trace, without)]  # fmt: skip
    total = found.map.reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(total + found.gap, want[0] - want[1], rtol=1e-3, atol=1e-5)
    assert (np.abs(found.gap) <= share * np.abs(want[0] - want[1]) + 1e-5).all()
    quiet = npf.smoothgrad(model, x, score, samples=1, noise=0, layer=address)
    close(quiet.map, npf.saliency(model, x, score, layer=address).map)


def test_values_within_a_layer_cannot_be_moved():
    with pytest.raises(BadInput, match="layer='conv1:pre' is within a layer"):
        npf.integrated_gradients(load("digits_cnn"), SEVENS, layer="conv1:pre")


def test_a_text_is_explained_by_its_words(tmp_path, capsys):
    model = load("text_classifier")
    text = "The red WINE, and an odd flower."
    found = npf.integrated_gradients(model, np.array([text]), layer="embedding")
    said = [word for word in found.words[0] if word]
    assert said == ["the", "red", "wine", "and", "an", "odd", "flower"]
    assert found.words.shape == found.heat.shape and found.map.ndim == 3
    rows = [line.split() for line in found.table().splitlines()[2:-1]]
    assert [row[1] for row in rows] == said
    np.testing.assert_allclose([float(r[2]) for r in rows], found.heat[0, :7], rtol=1e-3)
    assert found.table().splitlines()[-1].startswith(f"{found.words.shape[1] - 7} positions")
    with pytest.raises(BadInput, match="no words"):
        npf.saliency(load("mlp"), np.ones((1, 13))).table()
    (axes,) = found.overlay().axes
    assert [label.get_text() for label in axes.get_yticklabels()][:7] == said
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, found.heat[0] / np.abs(found.heat[0]).max(), rtol=1e-5)
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{text}\nSepals and petals\n")
    command = ["attribute", str(MODELS / "text_classifier" / "model.keras"), str(lines)]
    command += ["--method", "integrated-gradients", "--layer", "embedding"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert found.table() in shown and "petals" in shown
    assert main([*command, "--out", str(tmp_path / "out"), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["samples"]
    assert first["words"][:7] == said and second["words"][:3] == ["sepals", "and", "petals"]
    np.testing.assert_allclose(first["map"], found.heat[0], rtol=1e-4, atol=1e-6)
    with np.load(tmp_path / "out" / "integrated-gradients.npz") as held:
        assert held["words"][0, 2] == "wine"


def test_a_function_of_a_value():
    model, x = load("mlp"), rng.normal(size=(3, 13)).astype("float32")
    found = npf.saliency(model, x, ("dense1", lambda a: npf.ops.sum(a * a)))
    each = model.trace(x)["dense1"]
    np.testing.assert_allclose(found.score, np.square(each).sum(axis=1), rtol=1e-5)


def test_noise_is_seeded_and_does_not_hang_on_the_batch():
    model, x = load("digits_cnn"), SEVENS
    found = npf.smoothgrad(model, x, 3, samples=4, seed=1)
    again = npf.smoothgrad(model, x, 3, samples=4, seed=1, batch_size=2)
    close(again.map, found.map)
    assert np.abs(npf.smoothgrad(model, x, 3, samples=4, seed=2).map - found.map).max() > 0
    close(npf.smoothgrad(model, x, 3, samples=1, noise=0).map, npf.saliency(model, x, 3).map)


def test_an_input_made_for_a_class():
    model = load("digits_cnn")
    made = npf.activation_maximisation(model, 3, steps=40, logits=True)
    again = npf.activation_maximisation(model, 3, steps=40, logits=True)
    np.testing.assert_array_equal(made.x, again.x)
    assert model.predict(made.x).argmax() == 3 and made.score > made.history[0] + 5
    assert made.x.min() >= 0 and made.x.max() <= 255 and len(made.history) == 40
    smooth = npf.activation_maximisation(model, 3, steps=40, logits=True, total_variation=1.0)
    rough = npf.activation_maximisation(model, 3, steps=40, logits=True, total_variation=0.0)
    assert np.abs(np.diff(smooth.x, axis=1)).mean() < np.abs(np.diff(rough.x, axis=1)).mean()


# Errors, files, the command line.

PICTURE = np.ones((1, 32, 32, 1), "float32")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: npf.saliency(m, PICTURE, 10), BadInput, "no channel 10"),
        (lambda m: npf.saliency(m, PICTURE, np.array([1, 2])), BadInput, "2 rows for 1 samples"),
        (lambda m: npf.saliency(m, PICTURE[0]), BadInput, "takes the shape"),
        (lambda m: npf.saliency(m, PICTURE[:0]), BadInput, "no sample"),
        (lambda m: npf.saliency(m, PICTURE, channels="all"), BadInput, "channels='all'"),
        (lambda m: npf.saliency(m, PICTURE, ("conv1", 1), layer="conv2"), BadInput, "on the path"),
        (lambda m: npf.saliency(m, PICTURE, "conv1", logits=True), BadInput, "logits=True"),
        (lambda m: npf.grad_cam(m, PICTURE, layer="dense1"), BadInput, "no positions"),
        (lambda m: npf.grad_cam(m, PICTURE, layer="conv9"), UnknownName, "Did you mean"),
        (lambda m: npf.grad_cam(m, PICTURE, ("rescaling", 0)), BadInput, "no layer with 2 axes"),
        (lambda m: npf.occlusion(m, PICTURE, window=0), BadInput, "window=0"),
        (lambda m: npf.occlusion(m, PICTURE, window=(2, 2, 2)), BadInput, "the 2 axes"),
        (lambda m: npf.occlusion(m, PICTURE, value=[1, 2, 3]), BadInput, "value: for the input"),
        (lambda m: npf.integrated_gradients(m, PICTURE, steps=0), BadInput, "steps=0"),
        (lambda m: npf.integrated_gradients(m, PICTURE, rule="x"), BadInput, "rule='x'"),
        (lambda m: npf.smoothgrad(m, PICTURE, noise=-1), BadInput, "noise=-1"),
        (lambda m: npf.activation_maximisation(m, None), BadInput, "what to maximise"),
        (lambda m: npf.activation_maximisation(m, 3, bounds=(1, 0)), BadInput, "bounds"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(load("digits_cnn"))


def test_files(tmp_path):
    model = load("digits_cnn")
    found = npf.grad_cam(model, np.repeat(PICTURE, 2, axis=0), 3)
    assert [p.name for p in found.save(tmp_path / "all")] == [
        "000_grad-cam_0.png", "001_grad-cam_1.png"]  # fmt: skip
    found.save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as held:
        np.testing.assert_array_equal(held["map"], found.map)
    with pytest.raises(BadInput, match="2 samples"):
        found.save(tmp_path / "one.png")
    with pytest.raises(BadInput, match="2 labels"):
        found.overlay(labels=["a", "b"])
    with pytest.raises(BadInput, match="no sample 2"):
        found.overlay(sample=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all", "map.npz"]


@pytest.mark.parametrize("method", METHODS)
def test_attribute_on_the_command_line(method, tmp_path, capsys):
    seven = str(DIGITS / "seven.png")
    command = ["attribute", str(DIGITS / "model.keras"), seven, "--method", method, "--json"]
    assert main([*command, "--class", "7", "--out", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["samples"][0]["class"] == 7 and said["of"] == "digit[7]"
    assert sorted(map(Path, said["files"])) == sorted(tmp_path.iterdir())
    assert len(said["files"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--class", "70"], "no channel 70"),
        (["--class", "conv1[x]"], "give a class, an address"),
        (["--steps", "3"], "--method grad-cam does not take it"),
        (["--layer", "conv9"], "no single layer or value"),
    ],
)
def test_what_attribute_refuses(arguments, words, tmp_path, capsys):
    command = ["attribute", str(DIGITS / "model.keras"), str(DIGITS / "seven.png")]
    assert main([*command, *arguments, "--out", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_gradients_on_the_command_line(tmp_path, capsys):
    model, seven = DIGITS / "model.keras", DIGITS / "seven.png"
    command = ["gradients", str(model), str(seven), "--out", str(tmp_path)]
    assert main([*command, "--of", "7", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["of"] == "digit[7]" and "conv1" in said["activations"]
    x = picture(seven)[None, ..., None]
    want = npf.load_model(model).gradients(x, 7)
    for name, arrays in (("activations", want.activations), ("weights", want.weights)):
        with np.load(tmp_path / f"{name}.npz") as held:
            assert set(held) == set(arrays)
            for address in held:
                np.testing.assert_array_equal(held[address], arrays[address])
    np.save(tmp_path / "y.npy", np.array([7]))
    for y in ("7", str(tmp_path / "y.npy")):
        loss = ["--of", "sparse_categorical_crossentropy", "--y", y, "--layers", "conv*"]
        assert main([*command[:3], *loss]) == 0
        assert "sparse_categorical_crossentropy of digit" in capsys.readouterr().out
    assert main([*command[:3], "--of", "mse", "--y", "[1,2"]) == 2
    assert "give a file, or numbers" in capsys.readouterr().err


def test_maximise_on_the_command_line(tmp_path, capsys):
    command = ["maximise", str(DIGITS / "model.keras"), "--of", "conv1[5]", "--steps", "3"]
    assert main([*command, "--out", str(tmp_path / "five.png")]) == 0
    assert "after 3 steps" in capsys.readouterr().out
    assert picture(tmp_path / "five.png").shape == (32, 32, 3)
    assert main([*command, "--out", str(tmp_path / "five.txt")]) == 2
    assert main([*command, "--range", "1", "--out", str(tmp_path / "five.png")]) == 2
