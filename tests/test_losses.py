"""Losses: values and gradients of genuine Keras, of finite differences, and what is refused."""

import json

import numpy as np
import pytest
from cases import FIXTURES, description
from walking import replayed, walked_back

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import BadInput, UnknownName, UnsupportedOption
from npforward.losses import LOSSES, REDUCTIONS, loss, parse
from npforward.tape import Tape
from npforward.verify import difference

GENUINE = FIXTURES / "losses" / "losses.npz"
CASES = description(GENUINE)["cases"]


def title(case):
    options = [f"{k}={v}" for k, v in case["options"].items()]
    told = [str(case[k]) for k in ("weight", "mask", "reduction", "behind") if k in case]
    return "-".join([case["loss"], case["y"], case["y_pred"], *options, *told])


@pytest.fixture(scope="module")
def genuine():
    with np.load(GENUINE) as arrays:
        held = dict(arrays)
    sizes = [int(np.prod(case["shape"])) for case in CASES]
    preds = [held[f"inputs/{case['y_pred']}"].size for case in CASES]
    values = np.split(held["values"], np.cumsum(sizes)[:-1])
    gradients = np.split(held["gradients"], np.cumsum(preds)[:-1])
    return held, values, gradients


def called(case, held):
    """The loss of a case as a function of the predictions."""
    arrays = {
        key: held[f"inputs/{case[key]}"]
        for key in ("y", "weight", "mask")
        if case.get(key) is not None
    }
    reduction = case.get("reduction", "sum_over_batch_size")

    def of(y_pred):
        if case.get("behind"):
            y_pred = getattr(ops, case["behind"])(y_pred)
        weights = {"sample_weight": arrays.get("weight"), "mask": arrays.get("mask")}
        return loss(
            case["loss"], arrays["y"], y_pred, **weights, reduction=reduction, **case["options"]
        )

    return of


def recorded(of, y_pred):
    """The value of a recorded function, and its gradient for its argument."""
    tape = Tape()
    var = tape.var(y_pred.shape, y_pred.dtype)
    out = of(var)
    values = replayed(tape.steps, {var: y_pred})
    assert (out.shape, out.dtype) == (values[out].shape, values[out].dtype)
    seed = np.ones(out.shape, out.dtype)
    return values[out], walked_back(tape, values, {out: seed}, [var])[var]


@pytest.mark.parametrize("i", range(len(CASES)), ids=lambda i: title(CASES[i]))
def test_values_and_gradients_are_those_of_keras(i, genuine):
    held, values, gradients = genuine
    case, y_pred = CASES[i], held[f"inputs/{CASES[i]['y_pred']}"]
    of, dtype = called(case, held), y_pred.dtype
    want = values[i].reshape(case["shape"]).astype(dtype)
    value, gradient = recorded(of, y_pred)
    # Arrays do not say what they were made by; the logits behind them are found on a record only.
    for got in [value] if case.get("behind") else [value, of(y_pred)]:
        assert difference(np.asarray(got), want).within, difference(np.asarray(got), want)
    want = gradients[i].reshape(y_pred.shape).astype(dtype)
    assert difference(gradient, want).within, difference(gradient, want)


# Where no number is at a kink, by the inputs that the cases have.
SMOOTH = {"real_too", "real_3d_too", "chances", "chances_3d", "shares", "shares_too", "shares_3d",
          "vectors", "steps"}  # fmt: skip
DERIVED = [
    i
    for i, case in enumerate(CASES)
    if case["y_pred"] in SMOOTH
    and case["options"].get("remove_diagonal", True)
    and not (case["loss"] == "poisson" and "real" in case["y_pred"])  # NaN below 0
]


@pytest.mark.parametrize("i", DERIVED, ids=lambda i: title(CASES[i]))
def test_gradients_agree_with_finite_differences(i, genuine):
    held, _, _ = genuine
    y_pred = held[f"inputs/{CASES[i]['y_pred']}"].astype("float64")
    of = called(CASES[i], held)
    value, gradient = recorded(of, y_pred)
    assert value.dtype == gradient.dtype == "float64"
    along, h = np.random.default_rng(i).normal(size=y_pred.shape), 1e-6
    numeric = (np.sum(of(y_pred + h * along)) - np.sum(of(y_pred - h * along))) / (2 * h)
    assert abs(np.sum(gradient * along) - numeric) < 1e-6 * max(1, abs(numeric))


def test_every_name_has_a_genuine_case():
    assert {case["loss"] for case in CASES} == set(LOSSES)


def test_every_option_of_every_loss_has_a_genuine_case_without_its_default():
    varied = {(LOSSES[c["loss"]].fn, k) for c in CASES for k, v in c["options"].items()
              if v != LOSSES[c["loss"]].options[k].default}  # fmt: skip
    missing = {f"{known.fn.__name__} {key}" for known in LOSSES.values() for key in known.options
               if (known.fn, key) not in varied}  # fmt: skip
    assert missing == {"sparse_categorical_crossentropy axis"}  # the last one alone is possible


def test_every_reduction_has_genuine_cases():
    assert {case["reduction"] for case in CASES if "reduction" in case} == set(REDUCTIONS)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("reduction", [None, "mean"])
def test_the_dtype_is_that_of_the_predictions(dtype, reduction):
    y_pred = ops.cast(np.ones((2, 3)), dtype=dtype)
    found = loss("mse", np.zeros((2, 3)), y_pred, sample_weight=[1, 2], reduction=reduction)
    assert found.dtype == (y_pred.dtype if floating(y_pred.dtype) else "float32")


def test_half_types_are_rounded_once():
    """Sums of 4096 squares in float16 itself would overflow."""
    y_pred = np.full((8, 512), 40.0, "float16")
    assert loss("mse", np.zeros((8, 512)), y_pred) == np.float16(1600)


def test_a_small_loss_of_a_large_logit_is_not_lost():
    found = loss("bce", [[1.0, 0.0]], np.array([[25.0, -25.0]], "float32"), from_logits=True)
    assert found == pytest.approx(np.exp(-25.0), rel=1e-6)


def test_an_empty_batch_has_no_losses():
    """As in Keras, whose reductions leave nothing as it is."""
    assert loss("mse", np.zeros((0, 3)), np.zeros((0, 3), "float32")).shape == (0,)


P = np.full((3, 4), 0.25, "float32")
S = "sparse_categorical_crossentropy"
BAD = [
    (("mean_square_error", P, P), {}, UnknownName, "Did you mean 'mean_squared_error'.*, ctc"),
    ((np.mean, P, P), {}, BadInput, "given by its name"),
    (("mse", P, P), {"delta": 1}, BadInput, "'mse': it has no option 'delta'.* none"),
    (("Huber", P, P), {"gamma": 1}, BadInput, "no option 'gamma'. Options that it has: delta"),
    (("Huber", P, P), {"delta": "1"}, BadInput, "option delta='1', expected a number"),
    (("bce", P, P), {"from_logits": 1}, BadInput, "from_logits=1, expected True or False"),
    (("bce", P, P), {"axis": 2}, BadInput, r"axis=2, but the output of shape \(3, 4\)"),
    (("bce", P, P), {"axis": True}, BadInput, "axis=True, expected a whole number"),
    (("dice", P, P), {"axis": [0, 5]}, BadInput, r"axis=\[0, 5\]"),
    (("mse", P, P), {"reduction": "average"}, BadInput, "reduction='average', expected one of 's"),
    (("mse", P, P), {"reduction": ["sum"]}, BadInput, "reduction="),
    (("mse", P[:2], P), {}, BadInput, r"y has shape \(2, 4\), expected \(3, 4\)"),
    (("mse", P[:, :1], P), {}, BadInput, r"y has shape \(3, 1\), expected \(3, 4\)"),
    (("CategoricalCrossentropy", [1, 2, 0], P), {}, BadInput, "are for sparse_categorical_cross"),
    ((S, P, P), {}, BadInput, r"expected \(3,\): .* is for categorical_crossentropy"),
    ((S, [1, 2], P), {}, BadInput, r"y has shape \(2,\), expected \(3,\) or \(3, 1\)"),
    ((S, [1, 4, 2], P), {}, BadInput, "label 4, but the output has 4 classes: .* from 0 to 3"),
    ((S, [1, -1, 2], P), {}, BadInput, "label -1"),
    ((S, [1, -1, 7], P), {"ignore_class": -1}, BadInput, "label 7"),
    ((S, [1, 0, 7], P), {"ignore_class": 1.5}, BadInput, "ignore_class=1.5, expected a whole"),
    ((S, [1.0, np.nan, 2.0], P), {}, BadInput, "y holds nan, expected whole numbers"),
    ((S, [1.0, 1e30, 2.0], P), {}, BadInput, "label 1e.30"),
    ((S, [1.0, 0.5, 2.0], P), {}, BadInput, "y holds 0.5, expected whole numbers"),
    ((S, [1, 0, 2], P), {"axis": 0}, UnsupportedOption, "axis=0"),
    (("mse", [["a"] * 4] * 3, P), {}, BadInput, "y holds <U1, expected real numbers"),
    (("mse", [[1, 2], [3]], P), {}, BadInput, "y is not an array of numbers"),
    (("mse", P * 1j, P), {}, BadInput, "y holds complex64"),
    (("mse", P, P * 1j), {}, BadInput, "the output holds complex64"),
    (("mse", 1.0, 1.0), {}, BadInput, "a single number, expected one axis or more"),
    (("mse", P, P), {"sample_weight": [1, 2]}, BadInput, r"weight.* has shape \(2,\).* of .*\(3,"),
    (("mse", P, P), {"sample_weight": ["a"] * 3}, BadInput, "sample_weight holds <U1"),
    (("mse", P, P), {"mask": [True]*2, "sample_weight": [1]*3}, BadInput, r"shape \(3,\)"),
    (("mse", P, P), {"mask": [True] * 2}, BadInput, r"mask has shape \(2,\)"),
    ((S, [0] * 3, P), {"mask": [True] * 2, "ignore_class": 1}, BadInput, r"mask has shape \(2,\)"),
    (("circle", [0] * 3, P[0]), {}, BadInput, r"expected \(N, D\)"),
    (("circle", [0] * 2, P), {}, BadInput, r"y has shape \(2,\), expected \(3,\) or \(3, 1\)"),
    (("ctc", [[1]] * 3, P), {}, BadInput, r"the output has shape \(3, 4\), expected \(N, T, C\)"),
    (("ctc", [[1]] * 2, P[None]), {}, BadInput, r"y has shape \(2, 1\), expected \(1, L\)"),
    (("ctc", [[4]], P[None]), {}, BadInput, "label 4, but the output has 4 classes"),
    (("CategoricalGeneralizedCrossEntropy", [0] * 3, P), {"q": 1.5}, BadInput, "q=1.5"),
    (("CategoricalFocalCrossentropy", P, P), {"alpha": [1, 2]}, BadInput, "2 numbers, but .* 4"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "options", "kind", "words"), BAD, ids=lambda v: "")
def test_what_does_not_fit_is_said(args, options, kind, words):
    with pytest.raises(kind, match=words):
        loss(*args, **options)


@pytest.mark.parametrize("made_by", ["softmax", "sigmoid"])
def test_of_probabilities_called_logits_keras_takes_the_logits(made_by):
    def of(wrong):
        return lambda x: loss("bce", P, getattr(ops, made_by)(x), from_logits=wrong)

    x = np.array(P, "float32") * 3
    for ours, right in zip(recorded(of(True), x), recorded(of(False), x), strict=True):
        np.testing.assert_array_equal(ours, right)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("KLD", ("KLD", {}, "sum_over_batch_size")),
        ({"class_name": "Dice", "config": {"axis": [1, 2], "reduction": None}},
         ("Dice", {"axis": [1, 2]}, None)),
        ({"module": "builtins", "class_name": "function", "config": "huber",
          "registered_name": "function"}, ("huber", {}, "sum_over_batch_size")),
        ({"class_name": "LossFunctionWrapper", "registered_name": "LossFunctionWrapper",
          "module": "keras.src.losses.losses",
          "config": {"fn": {"class_name": "function", "config": "huber"}, "name": "mine",
                     "delta": 2.0, "reduction": "sum"}}, ("huber", {"delta": 2.0}, "sum")),
        # tf.keras 2.
        ({"class_name": "CategoricalCrossentropy", "module": "keras.losses",
          "config": {"reduction": "auto", "name": "c", "from_logits": True, "axis": -1,
                     "fn": "categorical_crossentropy"}},
         ("CategoricalCrossentropy", {"from_logits": True, "axis": -1}, "sum_over_batch_size")),
    ],
)  # fmt: skip
def test_what_a_file_says_of_a_loss(spec, found):
    assert parse(spec) == found


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("huberr", UnknownName, "Did you mean 'huber'"),
        (None, BadInput, "NoneType that says no loss"),
        ({"out": "mse"}, BadInput, "dict that says no loss"),
        ({"class_name": ["Huber"]}, BadInput, "says no loss"),
        ({"class_name": "Huber", "config": "x"}, BadInput, "'Huber': its config is no object"),
        ({"class_name": "Huber", "config": {"b": 1}}, BadInput, "no option 'b'"),
        ({"class_name": "Huber", "config": {"reduction": "x"}}, BadInput, "reduction='x'"),
        ({"class_name": "Huber", "config": {"reduction": {}}}, BadInput, "reduction={}"),
        ({"class_name": "Mine", "config": {}}, UnknownName, "'Mine' is not known"),
        ({"class_name": "Huber", "registered_name": "shop>Huber"}, UnknownName, "none of Keras's"),
        ({"class_name": "Huber", "module": "shop.losses"}, UnknownName, "'shop.losses' is none"),
        ({"class_name": "function", "config": {"a": 1}}, BadInput, "by its name"),
        ({"class_name": "function", "config": "mine"}, UnknownName, "'mine' is not known"),
        ({"class_name": "LossFunctionWrapper", "config": {}}, BadInput, "says no loss"),
    ],
)
def test_what_is_no_loss_of_keras(spec, kind, words):
    with pytest.raises(kind, match=words):
        parse(spec)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_names_and_options_are_those_of_keras():
    """Those that it is asked for by name or has in `keras.losses`, and two words of `compile`."""
    import inspect

    from keras._tf_keras.keras import losses as with_old_names
    from keras.src import losses

    objects = {**vars(with_old_names), **losses.ALL_OBJECTS_DICT}
    objects |= {name: getattr(losses.losses, name) for name in losses.losses.__dict__
                if name == "categorical_generalized_cross_entropy"}  # fmt: skip
    for name in ("Loss", "LossFunctionWrapper", "Reduction", "serialize", "deserialize", "get"):
        objects.pop(name, None)
    objects = {name: found for name, found in objects.items() if name[0] != "_"}
    assert set(objects) == set(LOSSES) - {"ce", "crossentropy"}
    own = {"self", "y_true", "y_pred", "reduction", "name", "dtype"}
    for name, found in objects.items():
        if isinstance(found, type):
            parameters = inspect.signature(found).parameters
            want = {k: p.default for k, p in parameters.items() if k not in own}
            assert want == {k: p.default for k, p in LOSSES[name].options.items()}, name


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"ce", "crossentropy"}))
def test_what_keras_serialises_is_read(name):
    from keras._tf_keras.keras import losses

    found = losses.get(getattr(losses, name, name))
    got, options, reduction = parse(json.loads(json.dumps(losses.serialize(found))))
    assert LOSSES[got] is LOSSES[name]
    assert reduction == "sum_over_batch_size"
    assert {k: LOSSES[name].options[k].default for k in options} == options
