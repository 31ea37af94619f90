"""Record every loss of Keras with its gradient for the predictions: weights_fixtures/losses/.

A case is a loss by one of its names, with its options, on the inputs below.

    python weights_fixtures/make/losses.py
"""

import gzip
import itertools
import json
import os
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras._tf_keras.keras import losses  # with the names of Keras 2
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.trainers.compile_utils import get_loss

rng = np.random.default_rng(0)


def floats(*shape):
    return rng.standard_normal(shape).astype("float32")


def shares(*shape):
    x = np.exp(floats(*shape))
    return (x / x.sum(axis=-1, keepdims=True)).astype("float32")


def units(*shape):
    x = floats(*shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype("float32")


INPUTS = {
    "real": floats(4, 3),
    "real_too": floats(4, 3),
    "real_3d": floats(2, 3, 4),
    "real_3d_too": floats(2, 3, 4),
    "column": floats(4, 1),
    "column_too": floats(4, 1),
    "row": floats(4),
    "with_zeros": floats(4, 3) * np.array([[1], [0], [1], [0]], "float32"),
    "zeros": np.zeros((4, 3), "float32"),
    "shares": shares(4, 3),
    "shares_too": shares(4, 3),
    "shares_3d": shares(2, 3, 4),
    "chances": rng.uniform(0.01, 0.99, (4, 3)).astype("float32"),
    "chances_3d": rng.uniform(0.01, 0.99, (2, 3, 4)).astype("float32"),
    "not_shares": rng.uniform(0.1, 2, (4, 3)).astype("float32"),
    "certain": np.eye(3, dtype="float32")[[0, 1, 2, 2]],
    "certain_logits": 1000 * (2 * np.eye(3, dtype="float32")[[0, 1, 2, 2]] - 1),
    "steep": 20 * floats(4, 3),
    "far": 1000 * floats(4, 3),
    "one_hot": np.eye(3, dtype="float32")[[1, 1, 0, 2]],
    "one_hot_3d": np.eye(4, dtype="float32")[rng.integers(0, 4, (2, 3))],
    "one_hot_along_1": np.eye(3, dtype="float32")[rng.integers(0, 3, (2, 4))].swapaxes(1, 2),
    "bits": rng.integers(0, 2, (4, 3)),
    "truths": rng.integers(0, 2, (4, 3)) > 0,
    "bits_3d": rng.integers(0, 2, (2, 3, 4)),
    "bit_column": np.array([[0], [1], [1], [0]]),
    "bit_row": np.array([0, 1, 1, 0]),
    "signs": rng.choice([-1.0, 1.0], (4, 3)).astype("float32"),
    "at_the_margin": np.array([[1, -1, 0], [0.5, 1, 1], [-1, 2, 0], [0, 0, 0]], "float32"),
    "labels": np.array([1, 1, 0, 2]),
    "label_column": np.array([[1.0], [1.0], [0.0], [2.0]], "float32"),
    "labels_2d": rng.integers(0, 4, (2, 3)),
    "labels_3d": rng.integers(0, 4, (2, 3, 1)),
    "some_labels": np.array([1, 255, 0, 2]),
    "holes": np.array([[1, -1, 0], [3, 2, -1]]),
    "only_holes": np.full((2, 3), -1),
    "people": np.array([3, 5, 3, 5, 3, 9]),
    "all_alike": np.array([3, 3, 3, 3, 3, 3]),
    "people_column": np.array([[3], [5], [3], [5], [3], [9]]),
    "vectors": units(6, 4),
    "words": np.array([[1, 2, 2, 0], [3, 0, 0, 0], [0, 0, 0, 0]]),
    "long_words": np.array([[1, 1, 1, 2], [3, 1, 2, 1], [1, 2, 3, 3]]),
    "steps": floats(3, 6, 5),
    "half": floats(4, 3).astype("float16"),
    "half_shares": shares(4, 3).astype("float16"),
    "weights": np.array([0.5, 2.0, 0.0, 1.5], "float32"),
    "weight_column": np.array([[0.5], [2.0], [0.0], [1.5]], "float32"),
    "weights_2d": rng.uniform(0, 2, (2, 3)).astype("float32"),
    "weights_2": np.array([[2.0], [0.5]], "float32"),
    "weights_3": np.array([2.0, 0.5, 1.0], "float32"),
    "weights_6": np.array([2, 0, 1, 1, 3, 1]),
    "no_weights": np.zeros(4, "float32"),
    "mask": np.array([True, False, True, True]),
    "mask_2d": np.array([[True, True, False], [True, False, False]]),
    "no_mask": np.zeros((2, 3), bool),
}
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]


def entry(loss, y, y_pred, **further):
    """One row; `further` are options of the loss and weight, mask, reduction and behind."""
    told = {key: further.pop(key) for key in ("weight", "mask", "reduction", "behind")
            if key in further}  # fmt: skip
    return {"loss": loss, "y": y, "y_pred": y_pred, "options": further, **told}


def every(losses, *rest, **further):
    return [entry(loss, *rest, **further) for loss in losses.split()]


REGRESSION = """mean_squared_error mean_absolute_error mean_absolute_percentage_error
    mean_squared_logarithmic_error cosine_similarity huber log_cosh poisson kl_divergence"""
HINGE = "hinge squared_hinge categorical_hinge"
BINARY = "binary_crossentropy binary_focal_crossentropy"
CATEGORICAL = "categorical_crossentropy categorical_focal_crossentropy"
OVERLAP = "dice tversky"

CASES = [
    # Every name once.
    *every("mse MSE MeanSquaredError mae MAE MeanAbsoluteError mape MAPE "
           "MeanAbsolutePercentageError msle MSLE MeanSquaredLogarithmicError CosineSimilarity "
           "Huber logcosh LogCosh", "real", "real_too"),
    *every("kld KLD KLDivergence kullback_leibler_divergence Poisson CategoricalCrossentropy "
           "CategoricalFocalCrossentropy", "shares", "shares_too"),
    *every("bce BCE BinaryCrossentropy BinaryFocalCrossentropy Dice Tversky", "bits", "chances"),
    *every("Hinge SquaredHinge CategoricalHinge", "bits", "real"),
    *every("SparseCategoricalCrossentropy CategoricalGeneralizedCrossEntropy", "labels", "shares"),
    *every("Circle", "people", "vectors"),
    *every("CTC", "words", "steps"),
    # Targets and predictions of every kind.
    *every(REGRESSION, "real", "real_too"),
    *every(REGRESSION, "bits", "chances"),
    *every(REGRESSION, "real_3d", "real_3d_too"),
    *every(REGRESSION, "row", "column"),
    *every(REGRESSION, "column", "row"),
    *every(REGRESSION, "real", "half"),
    *every(REGRESSION, "real", "real"),
    *every(REGRESSION, "zeros", "real"),
    *every(REGRESSION, "real", "far"),
    *every("kl_divergence poisson", "shares", "certain"),
    *every("cosine_similarity", "with_zeros", "real"),
    *every("cosine_similarity", "real_3d", "real_3d_too", axis=1),
    *every("huber", "real", "real_too", delta=0.3),
    *every("huber", "real", "real_too", delta=3),
    *every(HINGE, "signs", "real"),
    *every(HINGE, "bits", "real"),
    *every(HINGE, "truths", "real"),
    *every(HINGE, "real", "real_too"),
    *every(HINGE, "one_hot", "real"),
    *every(HINGE, "one_hot_3d", "real_3d"),
    *every(HINGE, "one_hot", "at_the_margin"),
    *every(HINGE, "one_hot", "far"),
    *every("hinge squared_hinge", "bit_row", "column"),
    *every(BINARY, "bits", "chances"),
    *every(BINARY, "truths", "chances"),
    *every(BINARY, "bits_3d", "chances_3d"),
    *every(BINARY, "bits_3d", "chances_3d", axis=1),
    *every(BINARY, "bit_row", "column", from_logits=True),
    *every(BINARY, "bits", "certain"),
    *every(BINARY, "one_hot", "certain"),
    *every(BINARY, "bits", "real", from_logits=True),
    *every(BINARY, "one_hot", "certain_logits", from_logits=True),
    *every(BINARY, "certain", "certain_logits", from_logits=True),
    *every(BINARY, "one_hot", "zeros", from_logits=True),
    *every(BINARY, "bits", "chances", label_smoothing=0.2),
    *every(BINARY, "bits", "real", label_smoothing=0.2, from_logits=True),
    *every(BINARY, "bits", "real", behind="sigmoid"),
    *every(BINARY, "bits", "far", behind="sigmoid"),
    *every(BINARY, "bits", "half_shares"),
    *every(BINARY, "chances", "chances"),
    *every(BINARY, "bits", "steep", from_logits=True),
    *every("binary_focal_crossentropy", "bits", "chances", apply_class_balancing=True),
    *every("binary_focal_crossentropy", "bits", "chances", apply_class_balancing=True, alpha=0.6,
           gamma=3),
    *every("binary_focal_crossentropy", "bits", "chances", gamma=0.5),
    *every(CATEGORICAL, "one_hot", "shares"),
    *every(CATEGORICAL, "one_hot", "not_shares"),
    *every(CATEGORICAL, "one_hot_3d", "shares_3d"),
    *every(CATEGORICAL, "one_hot_along_1", "chances_3d", axis=1),
    *every(CATEGORICAL, "one_hot_along_1", "real_3d", axis=1, from_logits=True),
    *every(CATEGORICAL, "one_hot", "certain"),
    *every(CATEGORICAL, "one_hot", "real", from_logits=True),
    *every(CATEGORICAL, "one_hot", "certain_logits", from_logits=True),
    *every(CATEGORICAL, "certain", "certain_logits", from_logits=True),
    *every(CATEGORICAL, "one_hot", "shares", label_smoothing=0.2),
    *every(CATEGORICAL, "one_hot", "real", label_smoothing=0.2, from_logits=True),
    *every(CATEGORICAL, "one_hot", "real", behind="softmax"),
    *every(CATEGORICAL, "one_hot", "far", behind="softmax"),
    *every(CATEGORICAL, "one_hot", "real", behind="sigmoid"),
    *every(CATEGORICAL, "one_hot", "half_shares"),
    *every("categorical_focal_crossentropy", "one_hot", "shares", alpha=[0.1, 0.5, 0.4], gamma=3),
    *every("categorical_focal_crossentropy", "one_hot", "shares", alpha=1, gamma=0),
    *every("sparse_categorical_crossentropy", "labels", "shares"),
    *every("sparse_categorical_crossentropy", "label_column", "shares"),
    *every("sparse_categorical_crossentropy", "labels_2d", "shares_3d"),
    *every("sparse_categorical_crossentropy", "labels_3d", "real_3d", from_logits=True),
    *every("sparse_categorical_crossentropy", "labels", "certain"),
    *every("sparse_categorical_crossentropy", "labels", "certain_logits", from_logits=True),
    *every("sparse_categorical_crossentropy", "labels", "half_shares"),
    *every("sparse_categorical_crossentropy", "labels", "real", behind="softmax"),
    *every("sparse_categorical_crossentropy", "labels", "far", behind="softmax"),
    *every("sparse_categorical_crossentropy", "holes", "real_3d", behind="softmax",
           ignore_class=-1),
    *every("sparse_categorical_crossentropy", "labels", "real", from_logits=True, ignore_class=1),
    *every("sparse_categorical_crossentropy", "some_labels", "shares", ignore_class=255),
    *every("sparse_categorical_crossentropy", "only_holes", "shares_3d", ignore_class=-1),
    *every("categorical_generalized_cross_entropy", "labels", "shares", q=0.7),
    *every("categorical_generalized_cross_entropy", "labels_2d", "shares_3d", q=0.2),
    *every(OVERLAP, "bits", "chances"),
    *every(OVERLAP, "bits_3d", "chances_3d", axis=[1, 2]),
    *every(OVERLAP, "bits_3d", "chances_3d", axis=-1),
    *every(OVERLAP, "zeros", "zeros"),
    *every("tversky", "bits", "chances", alpha=0.2, beta=0.9),
    *every("circle", "people", "vectors"),
    *every("circle", "people_column", "vectors", remove_diagonal=False),
    *every("circle", "people", "vectors", gamma=8, margin=0.1),
    *every("circle", "all_alike", "vectors"),
    *every("ctc", "long_words", "steps"),
    # Words of `compile` alone.
    *every("ce crossentropy", "one_hot", "shares"),
    *every("crossentropy", "labels", "shares"),
    *every("crossentropy", "label_column", "shares"),
    *every("crossentropy", "bit_column", "column", behind="sigmoid"),
]  # fmt: skip

# How the losses of samples become one.
FEW = ["sum_over_batch_size", "sum", "mean_with_sample_weight", None]
for (rest, weights, options), reduction in itertools.chain(
    itertools.product(
        [
            (("mse", "real", "real_too"), [None, "weights", "weight_column", "no_weights"], {}),
            (("mse", "real", "real_too"), [None, "weights"], {"mask": "mask"}),
            (("mae", "real_3d", "real_3d_too"), [None, "weights_2d", "weights_2", "weights_3"], {}),
            (("mae", "real_3d", "real_3d_too"), [None, "weights_2d"], {"mask": "mask_2d"}),
            (("mae", "real_3d", "real_3d_too"), [None], {"mask": "no_mask"}),
        ],
        REDUCTIONS,
    ),
    itertools.product(
        [
            (("sparse_categorical_crossentropy", "holes", "shares_3d"),
             [None, "weights_2d"], {"ignore_class": -1}),
            (("sparse_categorical_crossentropy", "holes", "shares_3d"),
             [None, "weights_2d"], {"ignore_class": -1, "mask": "mask_2d"}),
            (("circle", "people", "vectors"), [None, "weights_6"], {}),
            (("dice", "bits", "chances"), [None, "weights"], {}),
            (("ctc", "words", "steps"), [None, "weights_3"], {}),
        ],
        FEW,
    ),
):  # fmt: skip
    for weight in weights:
        CASES += [entry(*rest, weight=weight, reduction=reduction, **options)]


def made(name, y, y_pred, reduction, options):
    """The loss as `compile` makes it, with the options and the reduction that it is given."""
    if name in ("ce", "crossentropy"):
        return get_loss(name, y, y_pred)
    found = getattr(losses, name, None) or losses.get(name)
    if isinstance(found, type):
        return found(reduction=reduction, **options)
    if isinstance(found, losses.Loss):
        return type(found)(reduction=reduction, **options)
    return LossFunctionWrapper(found, reduction=reduction, **options)


def run(case):
    y, y_pred = INPUTS[case["y"]], tf.constant(INPUTS[case["y_pred"]])
    weight, mask = (None if case.get(k) is None else INPUTS[case[k]] for k in ("weight", "mask"))
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        given = y_pred
        if case.get("behind"):
            given = getattr(keras.activations, case["behind"])(given)
        if mask is not None:
            given = tf.identity(given)
            keras.src.backend.set_keras_mask(given, tf.constant(mask))
        reduction = case.get("reduction", "sum_over_batch_size")
        loss = made(case["loss"], y, given, reduction, case["options"])
        value = loss(y, given, sample_weight=weight)
    return value.numpy(), tape.gradient(value, y_pred).numpy()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    folder = Path(__file__).parents[1] / "losses"
    folder.mkdir(exist_ok=True)
    used = {case[key] for case in CASES for key in ("y", "y_pred", "weight", "mask")
            if case.get(key)}  # fmt: skip
    arrays = {f"inputs/{name}": INPUTS[name] for name in sorted(used)}
    # One array each for all values and all gradients: a member of an archive costs 200 bytes.
    found = [run(case) for case in CASES]
    for case, (value, _) in zip(CASES, found, strict=True):
        case["shape"] = value.shape
    arrays["values"] = np.concatenate([value.ravel() for value, _ in found])
    arrays["gradients"] = np.concatenate([g.ravel().astype("float32") for _, g in found])
    np.savez_compressed(folder / "losses.npz", **arrays)
    told = {"keras": keras.__version__, "tensorflow": tf.__version__, "cases": CASES}
    rows = gzip.compress(json.dumps(told).encode(), mtime=0)
    (folder / "losses.json.gz").write_bytes(rows)
    strange = [c for c, (v, g) in zip(CASES, found, strict=True)
               if not (np.isfinite(v).all() and np.isfinite(g).all())]  # fmt: skip
    print(len(CASES), "cases; not finite:", *strange, sep="\n")
