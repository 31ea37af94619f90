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
import keras
import numpy as np
import sklearn
import tensorflow as tf
from PIL import Image
from random_weights import random_weight
from sklearn.datasets import load_digits, load_sample_image
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
}
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


def photo(folder):
    """A square of scikit-learn's photograph, kept as a PNG and given as the network expects it."""
    picture = Image.fromarray(load_sample_image("china.jpg")[60:360, 240:540])
    picture = picture.resize((150, 150), Image.Resampling.LANCZOS)
    picture.save(folder / "photo.png", optimize=True)
    return np.asarray(picture, "float32")[None] / np.float32(255)


def random_model(build, rng):
    """The model with random weights, and random inputs for it."""
    model = build(keras)
    for variable in model.weights:
        variable.assign(random_weight(variable.name, variable.shape, rng))
    batch = 1 if build is architectures.lenet else 2
    return model, [rng.standard_normal((batch, *t.shape[1:]), "float32") for t in model.inputs]


def same_again(model, path, feeds):
    """Keras itself must get the same numbers from the file, else the file is no fixture."""
    again = keras.models.load_model(path)
    for y, z in zip(*(keras.tree.flatten(m(feeds)) for m in (model, again)), strict=True):
        np.testing.assert_array_equal(y, z, err_msg=str(path))


def make(build):
    """One model's folder."""
    name, facts = build.__name__, {}
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    if build is architectures.digits_cnn:
        model = build(keras)
        pictures, facts = train_digits(model, folder)
        inputs = [pictures]
    else:
        model, inputs = random_model(build, rng)
        if build is architectures.cnn150:
            inputs = [photo(folder)]
    names = [tensor.name for tensor in model.inputs]
    arrays = golden.record(keras, model, inputs)
    golden.check(name, arrays)
    golden.save(folder / "golden.npz", dict(zip(names, inputs, strict=True)), arrays)
    feeds = dict(zip(names, inputs, strict=True)) if len(names) > 1 else inputs[0]
    for file in "model.keras", "model.h5":
        model.save(folder / file)
        same_again(model, folder / file, feeds if name == "multi_io" else inputs)
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
            for file in ("model.keras", "model.h5", "golden.npz")
        }
        | {
            picture.name: {"source": f"scikit-learn {sklearn.__version__}", "script": SCRIPT}
            for picture in sorted(folder.glob("*.png"))
        },
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n")
    print(f"{name}: {model.count_params()} parameters, {len(arrays)} values", facts or "")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    keras.config.disable_traceback_filtering()
    for build in architectures.ALL:
        if build.__name__ in sys.argv[1:] or not sys.argv[1:]:
            make(build)
