"""Gradients of whole models: those of genuine Keras, finite differences, what is refused.

pytest -s tests/test_gradients.py -k table      prints how large the differences from Keras are
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import tracemalloc

import numpy as np
import pytest
from cases import FIXTURES, description
from made import chain, layer, ones
from walking import replayed

import npforward as npf
from npforward import ops
from npforward.gradients import _parameters
from npforward.graph import Graph, Layer, Node, Ref
from npforward.verify import difference
from npforward.weights import parameters

sys.path.insert(0, str(FIXTURES / "make"))

from digests import digest, unlike

PATH = FIXTURES / "gradients" / "gradients.npz"
KINDS = ("activations", "weights", "inputs")


def digest_of(shape):
    """How many numbers the digest of an array of that shape has."""
    return len(digest(np.broadcast_to(0.0, shape)))


@functools.cache
def cases():
    """Each case with its arrays, and with digests of Keras's gradients by name."""
    with np.load(PATH) as stored:
        arrays = dict(stored)
    found, at = {}, 0
    for i, case in enumerate(description(PATH)["cases"]):
        for kind in KINDS:
            for name, shape in case[kind].items():
                if shape is not None:
                    size = digest_of(shape)
                    case[kind][name] = shape, arrays["numbers"][at : at + size].astype("float64")
                    at += size
        for key in ("y", "sample_weight"):
            case[key] = {name: arrays[f"{i}/{key}/{name}"] for name in case.get(key, ())}
        case["seed"] = arrays.get(f"{i}/seed")
        said = "+".join(told["loss"] for told in case.get("losses", {}).values())
        what = said or f"{case['of']}-{case.get('channel', 'seed')}"
        found[f"{case['model']}-{what}-{i}"] = case
    assert at == len(arrays["numbers"])
    return found


@functools.cache
def opened(name):
    folder = FIXTURES / "models" / name
    model = npf.load_model(next(folder.glob("model.keras"), folder / "model.h5"))
    with np.load(folder / "golden.npz") as stored:
        feeds = {k.removeprefix("inputs/"): unlike(v)
                 for k, v in stored.items() if "inputs/" in k}  # fmt: skip
    return model, next(iter(feeds.values())) if len(feeds) == 1 else feeds


def gradients_of(model, x, case, **more):
    """`Model.gradients` of what a case differentiates."""
    if "losses" in case:
        losses = {
            name: {"class_name": told["loss"], "config": told["options"] | {
                "reduction": told["reduction"]}}
            for name, told in case["losses"].items()
        }  # fmt: skip
        return model.gradients(x, losses, case["y"], sample_weight=case["sample_weight"] or None,
                               **more)  # fmt: skip
    what = case["seed"] if "channel" not in case else (..., case["channel"])
    return model.gradients(x, (case["of"], what), **more)


def compared(found, case):
    """((kind, name), gradient's digest, Keras's) for all that Keras has gradients for."""
    for kind in KINDS:
        got = getattr(found, kind)
        for name, want in case[kind].items():
            if want is not None:
                assert got[name].shape == tuple(want[0]), (kind, name)
                yield (kind, name), digest(got[name]), want[1]


def relative(got, want):
    """How far numbers are, for the tolerance: relative to the largest of them."""
    scale = np.abs(want).max(initial=0.0) or 1.0
    return difference(got / scale, want / scale, npf.verify.tolerance("float32"))


def wrong_in(found, case):
    """What differs from Keras's gradients, by more than rounding explains."""
    far = [row for row in compared(found, case) if not relative(*row[1:]).within]
    if not far:
        return []
    model, x = opened(case["model"])
    exact = gradients_of(model.astype("float64"), x, case)

    def error(kind, name, numbers):
        return np.abs(digest(getattr(exact, kind)[name]) - numbers).max()

    # Where terms cancel (the bias of keys in attention), all is rounding: Keras's may be as large.
    return [f"{kind} {name}: {relative(ours, theirs)}"
            for (kind, name), ours, theirs in far
            if error(kind, name, ours) > 5 * error(kind, name, theirs)]  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("name", cases())
def test_every_gradient_is_that_of_keras(name, compiled):
    case = cases()[name]
    model, x = opened(case["model"])
    with contextlib.nullcontext() if compiled else npf.numpy_only():
        found = gradients_of(model, x, case)
        assert math.isclose(found.value, case["value"], rel_tol=1e-4, abs_tol=1e-5)
        wrong = wrong_in(found, case)
    assert not wrong, "; ".join(wrong)


def test_table_of_the_largest_errors():
    """model: the largest error of a gradient, relative to the largest number of that gradient."""
    table = {}
    for case in cases().values():
        model, x = opened(case["model"])
        for _, ours, theirs in compared(gradients_of(model, x, case), case):
            largest = np.abs(theirs).max(initial=0.0)
            if largest > 1e-5:  # what is less is rounding where terms cancel
                far = np.abs(ours - theirs).max() / largest
                table[case["model"]] = max(far, table.get(case["model"], 0.0))
    print("", *(f"{name:20}{far:.1e}" for name, far in table.items()), sep="\n")
    assert len(cases()) >= 60


# ---- by differences, in float64 ---------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({case["model"] for case in cases().values()}))
def test_gradients_of_inputs_are_differences_of_the_value(name):
    model, x = opened(name)
    model = model.astype("float64")
    feeds = x if isinstance(x, dict) else {model.inputs[0].name: x}
    floats = {k: v.astype("float64") for k, v in feeds.items() if v.dtype.kind == "f"}
    trace = model.trace(feeds)
    of = {a: np.cos(np.arange(trace[a].size)).reshape(trace[a].shape)
          for a in model.outputs if trace[a].dtype.kind == "f"}  # fmt: skip
    found = model.gradients(feeds, of, layers=lambda address: True)
    rng = np.random.default_rng(0)

    def value(step, along):
        moved = feeds | {k: v + step * along[k] for k, v in floats.items()}
        return model.gradients(moved, of, layers=lambda address: True).value

    for _ in range(2 if floats else 0):
        along = {k: rng.standard_normal(v.shape) for k, v in floats.items()}
        told = sum((found.inputs[k] * along[k]).sum() for k in floats if k in found.inputs)
        kinks = []
        for step in (1e-5, 1e-6, 1e-7):  # a kink between the two ends is left by going nearer
            seen = (value(step, along) - value(-step, along)) / (2 * step)
            kinks.append(abs(seen - told) / max(1.0, abs(told)))
        assert min(kinks) < 1e-5, kinks


# Gradients go straight through the rounding of quantised layers, differences do not.
SMOOTH = sorted({case["model"] for case in cases().values()} - {"quantized", "lora"})


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_weights_are_differences_of_the_value(name):
    model, x = opened(name)
    model = model.astype("float64")
    feeds = model.feeds(x)
    recording = model._record(feeds)
    held = _parameters(parameters(model.graph, model._bounds), model, recording)
    values = dict(zip(recording.inputs, feeds, strict=True))
    values |= {v: model._weight(recording, v).astype(_wide(v)) for v in recording.weights}
    values |= {first: np.zeros(first.shape) for first, _ in recording.tape.states.values()}
    outputs = {a: recording.values[a] for a in model.outputs}
    seeds = {a: np.cos(np.arange(v.size)).reshape(v.shape)
             for a, v in outputs.items() if v.dtype.kind == "f"}  # fmt: skip
    given = seeds if len(outputs) > 1 else next(iter(seeds.values()))
    found = model.gradients(x, given, layers=lambda address: True).weights
    assert found
    rng = np.random.default_rng(0)

    def value(step, along):
        moved = values | {held[n]: values[held[n]] + step * along[n] for n in found}
        run = replayed(recording.tape.steps, moved)
        return sum((run[outputs[a]] * seed).sum() for a, seed in seeds.items())

    for _ in range(2):
        along = {n: rng.standard_normal(g.shape) for n, g in found.items()}
        told = sum((g * along[n]).sum() for n, g in found.items())
        far = []
        for step in (1e-5, 1e-6, 1e-7):  # a kink between the two ends is left by going nearer
            seen = (value(step, along) - value(-step, along)) / (2 * step)
            far.append(abs(seen - told) / max(1.0, abs(told)))
        assert min(far) < 1e-5, far


def _wide(v):
    """The dtype that keeps a small step: files hold float32."""
    return "float64" if v.dtype.kind == "f" else v.dtype


def lstm_chain(steps=6, masked=False, **options):
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(s).astype("float32") * 0.3 for s in ((3, 16), (4, 16), (16,))]
    lstm = layer("LSTM", {"units": 4, "return_sequences": True, **options}, *weights, name="lstm")
    return chain((steps, 3), *([layer("Masking")] if masked else []), lstm)


def test_gradients_of_inner_values_are_those_of_the_states():
    model = lstm_chain().astype("float64")
    x = np.random.default_rng(2).standard_normal((2, 6, 3))
    found = model.gradients(x, of="lstm", inner=True).activations
    assert {"lstm:cell", "lstm:hidden"} <= set(found)
    trace = model.trace(x, inner=True)
    for address in (a for a in found if a.startswith("lstm:")):
        assert found[address].shape == trace[address].shape, address
    # The last step's: of the sum over the outputs, h = o tanh(c).
    cell, gate = trace["lstm:cell"][:, -1], trace["lstm:output_gate"][:, -1]
    np.testing.assert_allclose(found["lstm:output_gate"][:, -1], np.tanh(cell))
    np.testing.assert_allclose(found["lstm:cell"][:, -1], gate * (1 - np.tanh(cell) ** 2))


def test_masked_steps_do_not_count_in_a_loss():
    model = lstm_chain(masked=True)
    x = np.random.default_rng(2).standard_normal((2, 6, 3)).astype("float32")
    x[0, 4:] = 0
    y = np.zeros((2, 6, 4), "float32")
    found = model.gradients(x, "mse", y)
    assert not found.activations["lstm"][0, 4:].any()
    assert found.activations["lstm"][0, :4].all()
    squares = (model.predict(x) ** 2).mean(axis=-1)
    kept = np.array([[1, 1, 1, 1, 0, 0], [1] * 6])
    assert found.value == pytest.approx((squares * kept).sum() / kept.sum(), rel=1e-5)


def test_a_long_sequence_needs_no_recursion():
    model = lstm_chain(5000)
    x = np.random.default_rng(2).standard_normal((1, 5000, 3)).astype("float32")
    found = model.gradients(x, of="lstm")
    assert found.inputs["x"].shape == x.shape
    assert np.isfinite(found.weights["lstm/lstm_cell/recurrent_kernel"]).all()


def test_a_deep_network_needs_no_recursion():
    eye, zeros = np.eye(3, dtype="float32"), np.zeros(3, "float32")
    layers = [layer("Dense", {"units": 3}, eye, zeros, name=f"d{i}") for i in range(1200)]
    model = chain((3,), *layers)
    found = model.gradients(np.ones((2, 3), "float32"), of=1)
    assert found.inputs["x"].tolist() == [[0, 1, 0]] * 2
    assert len(found.activations) == 1201


def traced_peak(run):
    """The most memory, in bytes, that numpy's arrays took at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_a_long_sequence_is_that_of_its_states():
    taken = []
    for steps in (500, 1000):
        model = lstm_chain(steps)
        x = np.random.default_rng(2).standard_normal((16, steps, 3)).astype("float32")
        model.gradients(x, of="lstm", layers="x")  # recorded and planned
        with npf.numpy_only():
            model.gradients(x, of="lstm", layers="x")
            taken.append(traced_peak(lambda m=model, x=x: m.gradients(x, of="lstm", layers="x")))
    states = 16 * 1000 * 4 * 4  # bytes of one state over all steps
    assert taken[1] < 24 * states  # four gates, cell and hidden, their derivatives, those before
    assert taken[1] < 2.2 * taken[0]


def test_memory_is_freed_on_the_way_back():
    model = chain((1000, 100), *(layer("Activation", {"activation": "tanh"}, name=f"t{i}")
                                 for i in range(50)))  # fmt: skip
    x = np.ones((1, 1000, 100), "float32")

    with npf.numpy_only():
        found = traced_peak(lambda: model.gradients(x, of="t49", layers="x"))
    assert found < 60 * x.nbytes  # the 50 values that derivatives read, and a few


def test_what_several_calls_share_is_summed():
    x = np.array([[1.0, 2.0]], "float32")
    shared = layer("Dense", {"units": 2}, np.eye(2, dtype="float32") * 2, np.zeros(2, "float32"))
    entered = Layer("x", "InputLayer", {"batch_shape": (None, 2), "dtype": "float32"})
    nodes = (Node("x", entered), Node("dense", shared, (Ref("x"),)),
             Node("dense@2", shared, (Ref("dense"),)))  # fmt: skip
    model = npf.model.Model(Graph("made", "Functional", nodes, "x", Ref("dense@2")))
    found = model.gradients(x, of="dense@2")
    np.testing.assert_allclose(found.weights["dense/kernel"], [[4, 4], [8, 8]])
    np.testing.assert_allclose(found.activations["dense"], [[2, 2]])


# ---- what is refused, and what is not there ---------------------------------------------------


def test_what_is_not_on_the_path_is_told():
    model, x = opened("mlp")
    found = model.gradients(x, of="dense1")
    (last,) = model.outputs
    assert last not in found.activations
    with pytest.raises(npf.errors.BadInput, match=f"{last!r} is not on the path"):
        found.activations[last]
    kernel = next(a for a in model.weights if a.startswith(f"{last}/") or "dense3" in a)
    assert kernel not in found.weights
    with pytest.raises(npf.errors.BadInput, match="not on the path"):
        found.weights[kernel]
    with pytest.raises(npf.errors.BadInput, match=last):
        model.gradients(x, of="dense1", layers=last)


def test_layers_chosen():
    model, x = opened("mlp")
    assert list(model.gradients(x, of=0, layers="dense1").activations) == ["dense1"]
    chosen = model.gradients(x, of=0, layers="dense*").activations
    assert list(chosen) == [a for a in model.gradients(x, of=0).activations if "dense" in a]
    with pytest.raises(npf.errors.BadInput, match="was not asked for"):
        chosen["row"]
    with pytest.raises(npf.errors.UnknownName, match="dense1"):
        model.gradients(x, of=0, layers="denze1")


@pytest.mark.parametrize(
    "blunt",
    [
        layer("Discretization", {"bin_boundaries": [0.0, 1.0], "output_mode": "int"}, name="blunt"),
        layer("ops.Argmax", {"axis": -1}, name="blunt"),
    ],
    ids=lambda blunt: blunt.type,
)
def test_a_layer_without_derivative_is_named(blunt):
    model = chain((3,), blunt)
    x = np.ones((2, 3), "float32")
    with pytest.raises(npf.errors.NotDifferentiable, match="blunt"):
        model.gradients(x, of="blunt")


def test_whole_numbers_have_no_gradient():
    model, x = opened("text_lstm")
    found = model.gradients(x, of=0)
    (name,) = [spec.name for spec in model.inputs]
    assert name not in found.inputs
    assert name not in found.activations
    with pytest.raises(npf.errors.NotDifferentiable, match=f"{name!r} holds int"):
        found.inputs[name]
    assert any("embeddings" in weight for weight in found.weights)


def test_ids_of_words_may_come_as_floating_numbers():
    words = layer("Embedding", {"input_dim": 5, "output_dim": 2, "mask_zero": True}, ones(5, 2))
    model = chain((4,), words, layer("LSTM", {"units": 1}, ones(2, 4), ones(1, 4), ones(4)))
    found = model.gradients(np.array([[1, 4, 2, 0]], "float32"), of=0)
    assert list(found.activations) == ["embedding", "lstm"]
    assert not found.weights["embedding/embeddings"][[0, 3]].any()
    assert found.weights["embedding/embeddings"][[1, 2, 4]].all()
    with pytest.raises(npf.errors.NotDifferentiable, match=r"'embedding'.*'x' comes before it"):
        found.inputs["x"]


def test_whole_numbers_behind_what_is_learned_are_named():
    cut = layer("Discretization", {"bin_boundaries": [0.0], "output_mode": "int"}, name="cut")
    dense = [layer("Dense", {"units": 3}, ones(3, 3), ones(3), name=name) for name in "ab"]
    model = chain((3,), dense[0], cut, dense[1])
    with pytest.raises(npf.errors.NotDifferentiable, match=r"'cut'.*layers='b'"):
        model.gradients(ones(2, 3), of=0)
    assert list(model.gradients(ones(2, 3), of=0, layers="b").activations) == ["b"]


def test_no_samples():
    model, x = opened("mlp")
    found = model.gradients(x[:0], of=0)
    assert found.value == 0
    assert found.inputs["row"].shape == x[:0].shape
    assert not any(g.any() for g in found.weights.values())


@pytest.mark.parametrize(
    ("of", "y", "more", "said"),
    [
        ("mse", np.zeros((2, 5)), {}, "y has shape"),
        ("mse", None, {}, "needs the targets"),
        ("no_loss", np.zeros((2, 4)), {}, "no_loss"),
        ("mse", np.array([["a"]]), {}, "numbers"),
        ("sparse_categorical_crossentropy", np.full(2, 99), {}, "99"),
        ("mse", np.zeros((2, 4)), {"delta": 2.0}, "delta"),
        ("mse", np.zeros((2, 4)), {"sample_weight": np.ones(7)}, "sample_weight"),
        (99, None, {}, "no channel 99"),
        (None, None, {}, "say what to differentiate"),
        (np.zeros((1, 1, 1)), None, {}, "gradient of shape"),
    ],
    ids=str,
)
def test_what_does_not_fit(of, y, more, said):
    model = chain((3,), layer("Dense", {"units": 4}, ones(3, 4), ones(4)))
    with pytest.raises(npf.NpforwardError, match=said):
        model.gradients(np.ones((2, 3), "float32"), of, y, **more)


def test_weights_are_found_by_the_names_that_keras_has():
    model, x = opened("masking")
    found = model.gradients(x, of=0).weights
    assert found["lstm_left/lstm_cell/kernel:0"] is found["lstm_left/cell/kernel"]
    assert found["gru/gru_cell/bias"] is found["nested/gru/cell/bias"]
    model, x = opened("nested_deep")
    found = model.gradients(x, of=("outer", None)).weights
    with pytest.raises(npf.errors.UnknownName, match="say which"):
        found["dense/kernel"]
    assert "dense/kernel" not in found


def test_weights_of_samples_by_the_name_of_the_only_output():
    model = chain((3,), layer("Dense", {"units": 1}, ones(3, 1), ones(1)))
    x, y = np.ones((2, 3), "float32"), np.zeros((2, 1), "float32")
    named = model.gradients(x, "mse", y, sample_weight={"dense": np.array([2.0, 0.0])})
    plain = model.gradients(x, "mse", y, sample_weight=np.array([2.0, 0.0]))
    assert named.value == plain.value == 16


def test_numbers_alone_reach_compiled_kernels():
    """The loss is one number, of which both scalars that it is a quotient of are made."""
    model = chain((3,), layer("Dense", {"units": 1}, ones(3, 1), ones(1)))
    x = np.array([[1, 2, 0.5], [0.3, 0.1, 1]], "float32")
    p = model.predict(x)
    found = model.gradients(x, ("dense", lambda v: ops.sum(v) / ops.sum(v * v)))
    want = 1 / (p * p).sum() - 2 * p * p.sum() / (p * p).sum() ** 2
    np.testing.assert_allclose(found.activations["dense"], want, rtol=1e-5)
    inverse = model.gradients(x, ("dense", lambda v: 1.0 / ops.sum(v))).activations["dense"]
    np.testing.assert_allclose(inverse, np.full((2, 1), -1 / p.sum() ** 2), rtol=1e-5)


def test_pooling_in_three_dimensions_gives_to_all_that_are_equal():
    flat = chain((4, 4, 1), layer("MaxPooling2D", {"pool_size": 2}))
    deep = chain((2, 2, 2, 1), layer("MaxPooling3D", {"pool_size": 2}))
    assert flat.gradients(np.zeros((1, 4, 4, 1), "float32"), of=0).inputs["x"].sum() == 4
    assert deep.gradients(np.zeros((1, 2, 2, 2, 1), "float32"), of=0).inputs["x"].all()


def test_focal_losses_of_logits_look_behind_the_logits_never():
    model = chain((3,), layer("Dense", {"units": 3, "activation": "softmax"}, ones(3, 3), ones(3)))
    x, y = np.ones((2, 3), "float32"), np.eye(3, dtype="float32")[:2]
    found = model.gradients(x, "binary_focal_crossentropy", y, from_logits=True)
    want = npf.losses.loss("binary_focal_crossentropy", y, model.predict(x), from_logits=True)
    assert found.value == pytest.approx(float(want), rel=1e-5)
