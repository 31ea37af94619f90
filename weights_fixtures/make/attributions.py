"""Train a small CNN that finds a digit in a cluttered picture, and record what explains it.

The digits are scikit-learn's, in bright colours at random places of crops of its two photographs.
Neither the digits nor the parts of the photographs that are held out were trained on.

    python weights_fixtures/make/attributions.py

Writes `weights_fixtures/attributions/`: the model, twenty held-out pictures (`<n>_<digit>.png`),
the box of the digit in each (`meta.json`: top, left, height, width), and `golden.npz`: gradients
and maps that genuine Keras and `tf.GradientTape` give for the first three.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import sklearn
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

FOLDER = Path(__file__).parents[1] / "attributions"
SEED, SIDE, HELD_OUT, EPOCHS = 0, 48, 20, 10
STEPS = 16  # of integrated gradients

keras.utils.set_random_seed(SEED)
digits = load_digits()
# Half their size: more goes on in a crop.
photographs = [
    np.asarray(Image.fromarray(p).reduce(2), "float32") for p in load_sample_images().images
]


def composed(count, images, labels, columns, rng, contrast=1):
    """`count` pictures, what is in them, and where: crops from a range of columns (0 to 1)."""
    pictures, what, boxes = [], [], []
    for _ in range(count):
        photograph = photographs[rng.integers(len(photographs))]
        h, w, _ = photograph.shape
        top = rng.integers(h - SIDE + 1)
        left = rng.integers(int(w * columns[0]), int(w * columns[1]) - SIDE + 1)
        picture = photograph[top : top + SIDE, left : left + SIDE] * contrast
        # Turned over in all ways: two photographs have few patterns.
        picture = np.rot90(picture, rng.integers(4))[:, :: rng.choice([-1, 1])].copy()
        n, side = rng.integers(len(images)), rng.integers(18, 23)
        drawn = Image.fromarray(np.clip(images[n] * 16, 0, 255).astype("uint8"))
        ink = np.asarray(drawn.resize((side, side), Image.Resampling.BICUBIC), "float32") / 255
        top, left = rng.integers(SIDE - side + 1, size=2)
        colour = np.array([255, rng.uniform(180, 255), rng.uniform(0, 255)], "float32")
        under = picture[top : top + side, left : left + side]
        under += ink[..., None] * (colour - under)
        pictures.append(np.rint(picture).astype("uint8"))
        what.append(int(labels[n]))
        boxes.append([int(top), int(left), int(side), int(side)])
    return np.array(pictures), np.array(what), boxes


def built():
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3), name="picture"),
            keras.layers.Rescaling(1 / 127.5, -1, name="scaled"),
        ],
        name="digit_in_clutter",
    )
    for n, filters in enumerate((12, 24, 36), start=1):
        strides = 2 if n == 1 else 1
        model.add(keras.layers.Conv2D(filters, 3, strides, padding="same", name=f"conv{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, name=f"norm{n}"))
        model.add(keras.layers.ReLU(name=f"relu{n}"))
        if n == 2:
            model.add(keras.layers.MaxPooling2D(name="pool"))
    model.add(keras.layers.Conv2D(40, 3, padding="same", activation="relu", name="conv4"))
    model.add(keras.layers.GlobalAveragePooling2D(name="mean"))
    model.add(keras.layers.Dense(10, activation="softmax", name="digit"))
    return model


def trained():
    rng = np.random.default_rng(SEED)
    test = np.arange(len(digits.images)) % 5 == 4
    model = built()
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(EPOCHS):
        # It learns what digits are on black first, which takes far fewer pictures.
        contrast = min(epoch / 3, 1)
        known = digits.images[~test], digits.target[~test], (0, 0.7)
        x, y, _ = composed(5000, *known, rng, contrast)
        model.optimizer.learning_rate = 4e-3 * (1 - epoch / EPOCHS) + 1e-4
        history = model.fit(x, y, batch_size=64, verbose=0).history
        print(epoch, history["accuracy"], flush=True)
    held = digits.images[test], digits.target[test], (0.7, 1)
    x, y, _ = composed(1000, *held, rng)
    accuracy = float(model.evaluate(x, y, verbose=0)[1])
    if accuracy < 0.7:
        raise SystemExit(f"only {accuracy:.2%} of the held-out pictures are read right")
    plain = built()  # without what the optimizer keeps
    plain.set_weights(model.get_weights())
    return plain, composed(HELD_OUT, *held, rng), round(accuracy, 4)


def resized(maps, size):
    return tf.image.resize(maps[..., None], size, "bilinear")[..., 0]


def recorded(model, pictures):
    """The gradients and maps of the class that each picture has the highest score of."""
    x = tf.constant(pictures, tf.float32)
    values_of = keras.Model(
        model.inputs, [model.get_layer(name).output for name in ("conv4", "relu2", "mean")]
    )
    kernel, bias = (tf.constant(w) for w in model.get_layer("digit").get_weights())
    classes = model.predict(pictures, verbose=0).argmax(1)
    rows = tf.stack([tf.range(len(x)), tf.constant(classes, tf.int32)], axis=1)
    found = {"classes": classes}

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.gather_nd(model(x), rows)
        return tape.gradient(score, x), score

    found["gradient"], found["score"] = gradient(x)
    total = sum(gradient(x * (i + 0.5) / STEPS)[0] for i in range(STEPS))
    found["integrated"] = x * total / STEPS
    for name in ("conv4", "relu2"):
        with tf.GradientTape(persistent=True) as tape:
            values = dict(zip(("conv4", "relu2", "mean"), values_of(x), strict=True))
            held = model.layers.index(model.get_layer(name))
            a = tf.identity(values[name])
            tape.watch(a)
            y = a
            for layer in model.layers[held + 1 : -1]:
                y = layer(y)
            z = y @ kernel + bias
            scores = {"": tf.gather_nd(tf.nn.softmax(z), rows), "_logit": tf.gather_nd(z, rows)}
        for ending, score in scores.items():
            g = tape.gradient(score, a)
            weights = tf.reduce_mean(g, axis=(1, 2), keepdims=True)
            cam = tf.nn.relu(tf.reduce_sum(weights * a, axis=-1))
            found[f"grad_cam/{name}{ending}"] = cam
            found[f"grad_cam_upsampled/{name}{ending}"] = resized(cam, (SIDE, SIDE))
            below = 2 * g**2 + tf.reduce_sum(a, axis=(1, 2), keepdims=True) * g**3
            alpha = tf.math.divide_no_nan(g**2, below)
            weights = tf.reduce_sum(alpha * tf.nn.relu(g), axis=(1, 2), keepdims=True)
            found[f"grad_cam++/{name}{ending}"] = tf.nn.relu(tf.reduce_sum(weights * a, axis=-1))
    return {name: np.asarray(value) for name, value in found.items()}


model, (pictures, what, boxes), accuracy = trained()
FOLDER.mkdir(exist_ok=True)
model.save(FOLDER / "model.keras")
names = [f"{n:02d}_{digit}.png" for n, digit in enumerate(what)]
for name, picture in zip(names, pictures, strict=True):
    Image.fromarray(picture).save(FOLDER / name, optimize=True)
np.savez_compressed(FOLDER / "golden.npz", **recorded(model, pictures[:3]))
meta = {
    "keras": keras.__version__,
    "tensorflow": tf.__version__,
    "sklearn": sklearn.__version__,
    "test_accuracy": accuracy,
    "boxes": dict(zip(names, boxes, strict=True)),
}
(FOLDER / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
print(accuracy, (FOLDER / "model.keras").stat().st_size)
