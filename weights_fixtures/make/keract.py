"""Compiled models with the gradients that Keras computes for them: weights_fixtures/keract/.

For each model `NAME.keras` and `NAME.h5`, both of which say the loss, and `NAME.npz`: the inputs
(`x/0`, ...), the targets (`y/0`, ...), the gradient of the loss for the output of every call of a
layer (`activation/<address>`) and for every trainable weight (`weight/<Keras's path>`).

    python weights_fixtures/make/keract.py
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

FOLDER = Path(__file__).parent.parent / "keract"


def dense():
    model = keras.Sequential([
        keras.Input((10,), name="i1"),
        layers.Dense(16, activation="tanh", name="fc1"),
        layers.Dropout(0.5, name="drop"),
        layers.Dense(1, name="out"),
    ], name="dense")  # fmt: skip
    return model, "mse"


def cnn():
    model = keras.Sequential([
        keras.Input((12, 12, 1), name="image"),
        layers.Conv2D(4, 3, activation="relu", name="conv1"),
        layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(name="pool"),
        layers.Conv2D(6, 3, padding="same", activation="elu", name="conv2"),
        layers.Flatten(name="flat"),
        layers.Dense(10, activation="softmax", name="digit"),
    ], name="cnn")  # fmt: skip
    return model, "categorical_crossentropy"


def two_inputs():
    a, b = keras.Input((10,), name="a"), keras.Input((10,), name="b")
    both = layers.Add(name="both")([a, layers.Dense(10, activation="sigmoid", name="fc")(b)])
    last = layers.Dense(1, activation="sigmoid", name="last_layer")(both)
    return keras.Model([a, b], last, name="two_inputs"), keras.losses.Huber(reduction="sum")


def two_outputs():
    a, b = keras.Input((10,), name="a"), keras.Input((10,), name="b")
    both = layers.Add(name="both")([a, b])
    o1 = layers.Dense(1, activation="sigmoid", name="o1")(both)
    o2 = layers.Dense(2, activation="sigmoid", name="o2")(both)
    losses = {"o1": keras.losses.BinaryCrossentropy(label_smoothing=0.1), "o2": "mae"}
    return keras.Model([a, b], [o1, o2], name="two_outputs"), losses


def nested():
    subnet = keras.Sequential([
        keras.Input((16, 16, 1)),
        layers.Conv2D(6, 3, padding="same", name="conv2d"),
        layers.MaxPooling2D(name="max_pooling2d"),
        layers.Conv2D(12, 3, padding="same", activation="relu", name="conv2d_1"),
        layers.MaxPooling2D(name="max_pooling2d_1"),
    ], name="subnet")  # fmt: skip
    whole = keras.Input((16, 16, 1), name="net_in")
    x = layers.Flatten(name="flatten")(subnet(whole))
    out = layers.Dense(1, activation="sigmoid", name="out")(x)
    return keras.Model(whole, out, name="nested"), keras.losses.binary_crossentropy


def recurrent():
    words = keras.Input((9,), dtype="int32", name="words")
    x = layers.Embedding(20, 6, name="embedding")(words)
    x, h, c = layers.LSTM(5, return_sequences=True, return_state=True, name="lstm")(x)
    x = layers.Bidirectional(layers.GRU(4), name="both_ways")(x)
    x = layers.Concatenate(name="concat")([x, h, c])
    out = layers.Dense(3, activation="softmax", name="class")(x)
    return keras.Model(words, out, name="recurrent"), ["sparse_categorical_crossentropy"]


def wrapped():
    time = keras.Input((3,), name="input_time")
    x = layers.Embedding(10, 4, name="embedding")(time)
    x = layers.LSTM(4, name="lstm")(x)
    of_time = keras.Model(time, layers.Dense(1, name="output_time")(x), name="of_time")
    sentences = keras.Input((2, 3), name="input")
    steps = layers.TimeDistributed(of_time, name="timedistributed")(sentences)
    return keras.Model(sentences, layers.Dense(1, name="out")(steps), name="wrapped"), "mae"


TARGETS = {
    "dense": lambda rng, n: [rng.normal(size=(n, 1))],
    "cnn": lambda rng, n: [np.eye(10)[rng.integers(0, 10, n)]],
    "two_inputs": lambda rng, n: [rng.uniform(size=(n, 1))],
    "two_outputs": lambda rng, n: [rng.uniform(size=(n, 1)), rng.uniform(size=(n, 2))],
    "nested": lambda rng, n: [rng.integers(0, 2, (n, 1)).astype("float32")],
    "recurrent": lambda rng, n: [rng.integers(0, 3, n)],
    "wrapped": lambda rng, n: [rng.normal(size=(n, 2, 1))],
}


def every_layer(model, at=""):
    """(address, layer) of all layers, those of nested models below theirs."""
    for layer in model.layers:
        yield f"{at}{layer.name}", layer
        if isinstance(layer, keras.Model):
            yield from every_layer(layer, f"{at}{layer.name}/")


def watched(model):
    """Address -> what each layer gave in the last call, filled as the model runs."""
    given = {}

    def watch(address, layer):
        call = layer.call

        def watching(*args, **kwargs):
            given[address] = output = call(*args, **kwargs)
            if isinstance(output, (list, tuple)):  # an LSTM's states are among its sequence too
                given[address] = [tf.identity(tensor) for tensor in output]
            return given[address]

        layer.call = watching

    for address, layer in every_layer(model):
        if not isinstance(layer, layers.InputLayer):
            watch(address, layer)
    return given


def direct(model, tensors, targets, outputs, tensor):
    """The gradient for an output of the model by its values alone; None for another tensor."""
    with tf.GradientTape() as tape:
        found = tf.identity(tensor)  # which does not remember its logits
        tape.watch(found)
        given = tf.nest.map_structure(lambda t: found if t is tensor else tf.identity(t), outputs)
        value = model.compute_loss(tensors, targets, given, training=False)
    return tape.gradient(value, found)


def main():
    FOLDER.mkdir(exist_ok=True)
    for seed, make in enumerate([dense, cnn, two_inputs, two_outputs, nested, recurrent, wrapped]):
        name = make.__name__
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        model, loss = make()
        for weight in model.weights:  # biases and statistics are not trivial
            drawn = rng.normal(scale=0.4, size=weight.shape)
            weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.name else drawn)
        model.compile(optimizer="adam", loss=loss)
        model.save(FOLDER / f"{name}.keras")
        model.save(FOLDER / f"{name}.h5")
        words = name in ("recurrent", "wrapped")
        shapes = [tuple(x.shape[1:]) for x in model.inputs]
        x = [
            rng.integers(0, 10, (4, *shape)) if words else rng.uniform(size=(4, *shape))
            for shape in shapes
        ]
        x = [a.astype(t.dtype) for a, t in zip(x, model.inputs, strict=True)]
        y = [np.asarray(a, "float32" if a.dtype.kind == "f" else a.dtype)
             for a in TARGETS[name](rng, 4)]  # fmt: skip
        given = watched(model)
        with tf.GradientTape(persistent=True) as tape:
            tensors = [tf.constant(a) for a in x]
            tape.watch([t for t in tensors if t.dtype.is_floating])
            outputs = model(tensors if len(tensors) > 1 else tensors[0], training=False)
            targets = y[0]
            if len(y) > 1:  # a loss by name takes both by name
                targets = dict(zip(model.output_names, y, strict=True))
                outputs = dict(zip(model.output_names, outputs, strict=True))
            value = model.compute_loss(tensors, targets, outputs, training=False)
        arrays = {f"x/{i}": a for i, a in enumerate(x)} | {f"y/{i}": a for i, a in enumerate(y)}
        arrays["loss"] = value.numpy()
        for address, output in given.items():
            for number, tensor in enumerate(tf.nest.flatten(output)):
                gradient = tape.gradient(value, tensor)
                if gradient is None:  # Keras goes past a softmax or sigmoid to its logits
                    gradient = direct(model, tensors, targets, outputs, tensor)
                if gradient is not None:
                    at = address + (f"#{number}" if number else "")
                    arrays[f"activation/{at}"] = gradient.numpy()
        for variable in model.trainable_weights:
            gradient = tf.convert_to_tensor(tape.gradient(value, variable.value))
            arrays[f"weight/{variable.path}"] = gradient.numpy()
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
        print(name, value.numpy(), len(arrays))
    said = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    (FOLDER / "made_with.json").write_text(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
