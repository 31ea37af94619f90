"""Build, weight, save and record the fixture models with genuine Keras 3: weights_fixtures/models/.

    PYTHONPATH=. python weights_fixtures/make/models.py [MODEL ...]

Afterwards run models_tf215.py, which makes the same models in tf.keras 2.15.
"""

import json
import os
import sys
import warnings
import zlib
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import architectures
import golden
import inner
import keras
import numpy as np
import sklearn
import tensorflow as tf
from PIL import Image
from random_weights import random_weight
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_sample_image,
    load_wine,
)
from sklearn.model_selection import train_test_split

OUT = Path(__file__).parents[1] / "models"
SCRIPT = "weights_fixtures/make/models.py"
SEED = 20
EXTRA = {  # what else a reader of meta.json should know
    "lenet": "Keract's network has 32, 64 and 128 units; fewer keep the file below 300 kB.",
    "cnn150": "Expects pixel values divided by 255, as such networks are usually trained: "
    "golden.npz holds photo.png / 255 (photo.png is cut from scikit-learn's china.jpg).",
    "siamese": "Two layers are called `code`: one at the top, called twice; one in the encoder.",
    "multi_io": "tf.keras 2.15 refuses these layer names: there is no model_tf215.h5.",
    "odd_names": "tf.keras 2.15 refuses these layer names: there is no model_tf215.h5.",
    "transformer": "inner.npz holds Keras's weights of 0 for padded queries; the output comes from "
    "equal weights there, because Keras takes another way if it is not asked for weights.",
}
UNREAD = {  # what Keras cannot read back from what it writes itself, and what it says then
    "text_lstm/model.h5": "Unknown layer: 'NotEqual'",
    "seq2seq/model.h5": "Unknown layer: 'NotEqual'",
    "transformer/model.h5": "Unknown layer: 'NotEqual'",
    "transformer_ops/model.h5": "Unknown layer: 'GetItem'",
    "masking/model.h5": "Unknown layer: 'NotEqual'",
    "nested_shared/model.keras": 'The name "x" is used 2 times in the model',
    "quantized/model.keras": "expected 2 variables",
    "quantized/model.h5": "Weight count mismatch for layer #1 (named attend",
    "lora/model.h5": "Arrays are not equal",
    "norms/model.h5": "Weight expects shape (8,). Received saved weight with shape (6, 5, 8)",
}
# Keras does not write two weights of one name in a nested model, nor which layers are shared.  In
# a .keras file nothing is left of LoRA; cases of layers show it.  An .h5 file holds no vocabulary.
UNWRITTEN = "nested_shared/model.h5", "lora/model.keras", "text_classifier/model.h5"
BATCHES = {"lenet": 1, "unbuilt": 1, "text_lstm": 4, "seq2seq": 4}
BATCHES |= {"transformer": 3, "transformer_ops": 3, "quantized": 3, "lora": 3}
INNER = "text_lstm", "rnn_zoo", "transformer", "transformer_ops"
PICTURES = {"seven": 7, "three": 3, "zero": 0}


def digit_pictures():
    """scikit-learn's 8x8 digits as grey 32x32 pictures with a margin, split into train and test."""
    digits = load_digits()
    pictures = np.zeros((len(digits.images), 32, 32, 1), "uint8")
    for picture, image in zip(pictures, digits.images, strict=True):
        small = Image.fromarray(np.clip(image * 16, 0, 255).astype("uint8"))
        picture[4:28, 4:28, 0] = small.resize((24, 24), Image.Resampling.BICUBIC)
    return train_test_split(
        pictures,
        digits.target,
        test_size=0.25,
        random_state=SEED,
        stratify=digits.target,
    )


def train_digits(model, folder):
    """Train `model` on handwritten digits; leave three test digits and the labels beside it."""
    x_train, x_test, y_train, y_test = digit_pictures()
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, epochs=40, batch_size=64, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    if accuracy < 0.97:
        raise SystemExit(f"digits_cnn: only {accuracy:.2%} of the test digits are read right")
    guesses = model.predict(x_test, verbose=0)
    inputs = []
    for name, digit in PICTURES.items():
        right = np.flatnonzero((y_test == digit) & (guesses.argmax(1) == digit))
        mean = x_test[right].mean(0)
        chosen = right[np.square(x_test[right] - mean).sum((1, 2, 3)).argmin()]  # the most typical
        Image.fromarray(x_test[chosen, ..., 0]).save(folder / f"{name}.png", optimize=True)
        inputs.append(x_test[chosen])
    (folder / "labels.txt").write_text("\n".join("0123456789") + "\n")
    return np.stack(inputs[:2]).astype("float32"), {
        "test_accuracy": round(float(accuracy), 4),
        "trained_on": f"{len(x_train)} of scikit-learn's digits, tested on the other {len(x_test)}",
    }


def train_text(model, folder):
    """Train `model` on lines of the descriptions that scikit-learn has of its data sets."""
    sets = {"breast cancer": load_breast_cancer, "digits": load_digits, "iris": load_iris}
    sets["wine"] = load_wine
    lines, labels = [], []
    for label, load in enumerate(sets.values()):
        found = [line.strip() for line in load().DESCR.splitlines() if len(line.split()) > 3]
        lines += found
        labels += [label] * len(found)
    model.get_layer("words").adapt(lines)
    x, y = tf.constant(lines)[:, None], np.array(labels)
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, epochs=40, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(x, y, verbose=0)
    model.optimizer = None  # what it keeps is no part of the fixture
    (folder / "labels.txt").write_text("\n".join(sets) + "\n")
    chosen = [lines[labels.index(label) + 4] for label in range(len(sets))]
    facts = {"train_accuracy": round(float(accuracy), 4), "trained_on": f"{len(lines)} lines"}
    return np.array([*chosen, "Nothing of the kind: žluťoučký kůň"])[:, None], facts


def table_rows():
    """Rows for `tabular` in the order of its inputs, with what no vocabulary knows among them."""
    return [
        np.array([[17.5], [38.0], [62.0], [90.0]], "float32"),
        np.array([["Brno"], ["Zürich"], [""], ["Ostrava"]]),
        np.array([[0, 1, 1], [6, 6, 6], [2, 3, 4], [5, 0, 2]], "int32"),
        np.array([["baker"], ["smith"], ["baker"], [""]]),
        np.array([[1], [5], [7], [2]], "int64"),
    ]


def photo(folder):
    """A square of scikit-learn's photograph, kept as a PNG and given as the network expects it."""
    picture = Image.fromarray(load_sample_image("china.jpg")[60:360, 240:540])
    picture = picture.resize((150, 150), Image.Resampling.LANCZOS)
    picture.save(folder / "photo.png", optimize=True)
    return np.asarray(picture, "float32")[None] / np.float32(255)


def random_model(build, rng):
    """The model with random weights, and random inputs for it."""
    model = build(keras)
    if not model.built:
        model.build((None, None, 3))
    for variable in model.weights:
        variable.assign(random_weight(variable.name, variable.shape, rng))
    return model, random_inputs(model, rng)


def random_inputs(model, rng):
    """Random inputs, with padding for models that mask it."""
    if model.name == "tabular":
        return table_rows()
    if model.name == "masking":
        left, right = (rng.standard_normal((3, 6, n), "float32") for n in (3, 2))
        left[0, 4:] = left[1, 2:4] = -1
        left[2, :2, :2] = -1  # not all of a step: no mask
        right[0, :2] = right[1, 1:5] = right[2, 1:] = 0
        return [left, right]
    inputs = []
    for tensor in model.inputs:
        batch, *shape = (n or 7 for n in tensor.shape)
        batch = tensor.shape[0] or BATCHES.get(model.name, 2)
        if tensor.name == "positions":
            inputs.append(np.where(inputs[0], np.arange(1, 9, dtype="int32"), 0))
        elif "int" in tensor.dtype:
            ids = rng.integers(1, 20, (batch, *shape), "int32")
            ids[1, -3:] = ids[2, 1:3] = 0
            ids[3:] = 0
            inputs.append(ids)
        else:
            inputs.append(rng.standard_normal((batch, *shape), "float32"))
    return inputs


def feeds_of(model, inputs):
    """The inputs in the structure in which the model takes them."""
    if any(x.dtype.kind == "U" for x in inputs):  # Keras takes strings as tensors only
        inputs = [tf.constant(x) for x in inputs]
    return keras.tree.pack_sequence_as(golden.graph_of(model)._inputs_struct, inputs)


def quantize(model, rng):
    """By modes that take turns; a config of Keras does not say that those in an attention are."""
    int4 = keras.quantizers.Int4QuantizationConfig(block_size=3)
    channels = keras.quantizers.Int4QuantizationConfig(block_size=None)
    model.quantize("int8", filters="embed|query|key|output|down")
    model.quantize(config=int4, filters="project|up|value")
    model.quantize(config=channels, filters="answer")


def enable_lora(model, rng):
    model.get_layer("answer").quantize("int8")
    for name in "embed", "conv", "split", "dense", "frozen", "answer":
        layer = model.get_layer(name)
        layer.enable_lora(2, lora_alpha=6)
        for variable in layer.weights:
            if variable.name.startswith("lora_"):
                variable.assign(0.3 * rng.standard_normal(variable.shape))
    model.get_layer("frozen").trainable = False


AFTERWARDS = {"quantized": quantize, "lora": enable_lora}


def reset(model):
    """Back to zero states."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):
            layer.reset_states()


def same_again(model, path, inputs):
    """Keras itself must get the same numbers from the file, else the file is no fixture."""
    again = keras.models.load_model(path)
    reset(model)
    made = (keras.tree.flatten(m(feeds_of(m, inputs))) for m in (model, again))
    for y, z in zip(*made, strict=True):
        np.testing.assert_array_equal(y, z, err_msg=str(path))


def as_predicted(model, inputs, arrays):
    """The golden's outputs must be those of an ordinary predict."""
    reset(model)
    # TensorFlow compiles no function of a layer that has a space in its name.
    model.run_eagerly = model.name in ("multi_io", "odd_names")
    predicted = keras.tree.flatten(model.predict(feeds_of(model, inputs), verbose=0))
    addresses = {id(tensor): address for address, tensor in golden.outputs(keras, model)}
    for tensor, y in zip(golden.graph_of(model).outputs, predicted, strict=True):
        address = addresses[id(tensor)]
        np.testing.assert_allclose(arrays[address], y, rtol=1e-4, atol=1e-5, err_msg=address)


def generator(build):
    """Where the random numbers of a model come from: always the same."""
    keras.utils.set_random_seed(SEED)
    return np.random.default_rng([SEED, zlib.crc32(build.__name__.encode())])


def drawn(build, rng):
    """The model with random weights, quantised if it is to be, and its inputs."""
    model, inputs = random_model(build, rng)
    if build.__name__ in AFTERWARDS:
        AFTERWARDS[build.__name__](model, rng)
    return model, inputs


def make(build):
    """One model's folder."""
    name, facts = build.__name__, {}
    keras.backend.clear_session()
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    rng = generator(build)
    if build is architectures.digits_cnn:
        model = build(keras)
        pictures, facts = train_digits(model, folder)
        inputs = [pictures]
    elif build is architectures.text_classifier:
        model = build(keras)
        lines, facts = train_text(model, folder)
        inputs = [lines]
    else:
        model, inputs = drawn(build, rng)
        if build is architectures.cnn150:
            inputs = [photo(folder)]
    names = [tensor.name for tensor in model.inputs]
    saved = [file for file in ("model.keras", "model.h5") if f"{name}/{file}" not in UNWRITTEN]
    files = [*saved, "golden.npz"]

    def record(file, inputs):
        arrays = golden.record(keras, model, inputs)
        golden.check(name, arrays)
        golden.save(folder / file, dict(zip(names, inputs, strict=True)), arrays)
        return arrays

    arrays = record("golden.npz", inputs)
    if name == "stateful_lstm":
        record("golden_second.npz", random_inputs(model, rng))
        files.append("golden_second.npz")
    if name in INNER:
        np.savez_compressed(folder / "inner.npz", **inner.record(model, inputs, arrays))
        files.append("inner.npz")
    as_predicted(model, inputs, arrays)
    reset(model)
    for file in saved:
        model.save(folder / file)
        try:
            same_again(model, folder / file, inputs)
            refusal = ""
        except (ValueError, AssertionError) as error:
            refusal = str(error)
        expected = UNREAD.get(f"{name}/{file}", "")
        if expected not in refusal or bool(expected) != bool(refusal):
            raise SystemExit(f"{name}/{file}: {refusal or 'Keras reads it after all'}")
    meta = {
        "name": name,
        "description": build.__doc__.strip(),
        **({"note": EXTRA[name]} if name in EXTRA else {}),
        **facts,
        "seed": SEED,
        "files": {
            file: {
                "framework": f"Keras {keras.__version__} on TensorFlow {tf.__version__}",
                "script": SCRIPT,
            }
            for file in files
        }
        | {
            picture.name: {"source": f"scikit-learn {sklearn.__version__}", "script": SCRIPT}
            for picture in sorted(folder.glob("*.png"))
        },
    }
    for file in files:
        if refusal := UNREAD.get(f"{name}/{file}"):
            meta["files"][file]["refused_by_keras"] = refusal
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n")
    print(f"{name}: {model.count_params()} parameters, {len(arrays)} values", facts or "")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    keras.config.disable_traceback_filtering()
    for build in [*architectures.ALL, *architectures.KERAS3]:
        # Keras 3 refuses slash_names's.
        wanted = build.__name__ in sys.argv[1:] or not sys.argv[1:]
        if wanted and build is not architectures.slash_names:
            make(build)
