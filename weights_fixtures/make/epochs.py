"""A small CNN on scikit-learn's digits, saved after each epoch: weights_fixtures/epochs.

    python weights_fixtures/make/epochs.py

`model.keras` is the network as it was before it was trained, `checkpoints/epoch_N.weights.h5` what
it had learned after N epochs, `digit.npy` one picture of the data, and `expected.npz` what every
layer made of it after each epoch.
"""

import json
import os
import shutil
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
from sklearn.datasets import load_digits

OUT = Path(__file__).resolve().parents[1] / "epochs"
EPOCHS = (0, 1, 2, 4, 6, 8, 10)  # that are kept


def network():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="picture"),
            layers.Conv2D(6, 3, activation="relu", padding="same", name="conv1"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(8, 3, activation="relu", name="conv2"),
            layers.Flatten(name="flat"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="learning",
    )


def main():
    keras.utils.set_random_seed(5)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype("float32"), digits.target
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "checkpoints").mkdir(parents=True)
    model = network()
    model.save(OUT / "model.keras")
    model.compile(
        keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    every = keras.Model(model.inputs, [layer.output for layer in model.layers])
    sample = x[3:4]
    np.save(OUT / "digit.npy", sample)
    expected, accuracies = {}, []
    plain = network()  # a compiled model's files also hold what the optimizer knows
    for epoch in range(EPOCHS[-1] + 1):
        if epoch:
            found = model.fit(x, y, batch_size=64, epochs=1, verbose=0)
            accuracies.append(round(found.history["accuracy"][0], 4))
        if epoch not in EPOCHS:
            continue
        plain.set_weights(model.get_weights())
        plain.save_weights(OUT / "checkpoints" / f"epoch_{epoch}.weights.h5")
        for layer, value in zip(model.layers, every(sample, training=False), strict=True):
            expected[f"{epoch}/{layer.name}"] = np.asarray(value)
    np.savez_compressed(OUT / "expected.npz", **expected)
    made = {"keras": keras.__version__, "accuracy": accuracies, "digit": int(y[3])}
    (OUT / "made_with.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
