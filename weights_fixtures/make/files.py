"""Make `weights_fixtures/files/`: tiny genuine models, one for each thing to get right.

Run it once with Keras 3 (it writes everything but `old_*`) and once with tf.keras 2.15 (`old_*`):

    python weights_fixtures/make/files.py

`expected_<major>.npz` holds, for each model, what `layer.get_weights()` gives for each layer.
"""

import json
from pathlib import Path

import keras
import numpy as np

L = keras.layers
FILES = Path(__file__).parents[1] / "files"
MAJOR = int(keras.__version__.split(".")[0])


def encoder(name):
    """A model with trained and with moving weights, so that their order matters."""
    x = L.Input((4,))
    y = L.Dense(3, name="deep")(L.BatchNormalization(name="norm")(L.Dense(3, name="deeper")(x)))
    return keras.Model(x, y, name=name)


def nested():
    """One model called on two inputs and on its own output, a Sequential on two of its results."""
    encode = encoder("encoder")
    frozen = encoder("frozen")
    frozen.trainable = False
    head = keras.Sequential([L.Dense(4, name="deep"), L.Dense(2, name="out")], name="head")
    x, y = L.Input((4,), name="x"), L.Input((4,), name="y")
    again = encode(L.Dense(4, name="widen")(encode(y)))
    joined = L.Concatenate(name="join")([head(encode(x)), head(again), frozen(x)])
    return keras.Model([x, y], [joined, head(frozen(y))])


def sequential():
    return keras.Sequential(
        [
            L.Input((6, 6, 1), name="image"),
            L.Conv2D(2, 3, activation="relu", name="conv"),
            L.Flatten(name="flat"),
            L.Dense(2, activation="softmax", name="top"),
        ],
        name="sequential",
    )


def reused():
    """A layer called three times; the input is an output as well."""
    x, layer = L.Input((4,), name="x"), L.Dense(4, name="same")
    return keras.Model(x, [layer(layer(layer(x))), x])


def recurrent():
    x = L.Input((5,), name="words")
    y = L.Embedding(7, 4, mask_zero=True, name="embed")(x)
    y = L.Bidirectional(L.LSTM(2, return_sequences=True), name="both")(y)
    y = L.TimeDistributed(L.Dense(3), name="each")(y)
    return keras.Model(x, L.GRU(2, name="gru")(y))


def states():
    x = L.Input((5, 4), name="x")
    _, h, c = L.LSTM(2, return_state=True, name="first")(x)
    return keras.Model(x, L.LSTM(2, name="second")(x, initial_state=[h, c]))


def inside():
    """Layers inside layers: an activation, attention, a stack of cells."""
    x = L.Input((3, 4), name="x")
    slope = {"negative_slope": 0.25} if MAJOR == 3 else {"alpha": 0.25}
    y = L.Dense(4, activation=L.LeakyReLU(**slope), name="leaky")(x)
    y = L.MultiHeadAttention(2, 2, name="attend")(y, y)
    return keras.Model(x, L.RNN([L.LSTMCell(2), L.LSTMCell(3), L.GRUCell(2)], name="stack")(y))


def curved():
    x = L.Input((4,), name="x")
    y = L.Dense(3, activation="hard_sigmoid", name="bend")(x)
    return keras.Model(x, L.Activation("hard_sigmoid", name="bend_again")(y))


def shared():
    """A model, and one of its layers, reached by two paths."""
    encode = encoder("encoder")
    x = L.Input((4,), name="inner")
    outer = keras.Model(x, encode(x), name="outer")
    y = L.Input((4,), name="x")
    return keras.Model(y, [outer(y), encode(y), encode.get_layer("deeper")(y)])


def dictionaries():
    inputs = {"u": L.Input((4,), name="u"), "v": L.Input((4,), name="v")}
    total = L.Add(name="total")([inputs["u"], inputs["v"]])
    return keras.Model(inputs, {"total": total, "twice": inputs["u"] * 2 + 1})


def operations():
    x = L.Input((5, 4), name="x")
    ops = keras.ops
    parts = ops.split(x, 2, axis=-1)
    return keras.Model(
        x, [x + 1, 2 * x - x, x[:, 0], x[..., 1:3], ops.concatenate(parts, axis=1), parts[1]]
    )


def names():
    x = y = L.Input((4,), name="an input")
    for name in ("a b", "c.d", "ünï", "layers", "vars", "0", "dense_1", "dense", "per%cent"):
        y = L.Dense(4, name=name)(y)
    return keras.Model(x, y)


def half():
    x = L.Input((4,), name="x")
    y = L.Dense(3, dtype="bfloat16", name="brain")(x)
    return keras.Model(
        x,
        L.Dense(2, dtype="mixed_float16", name="mixed")(
            L.Dense(2, dtype="float16", name="half")(y)
        ),
    )


def unbuilt():
    return keras.Sequential([L.Dense(3, name="first"), L.Dense(2, name="second")], name="unbuilt")


def fill(model, seed):
    """Weights that all differ, so that one in the wrong place shows."""
    rng = np.random.default_rng(seed)
    weights = model.get_weights()
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in weights])


def expected(name, model):
    """What each layer's `get_weights()` gives, as float32."""
    return {
        f"{name}/{layer.name}/{i}": np.asarray(w).astype("float32")
        for layer in model.layers
        for i, w in enumerate(layer.get_weights())
    }


BOTH = [sequential, nested, reused, recurrent, states, inside, curved, dictionaries]
KERAS_3 = [shared, operations, names, half]


def main():
    FILES.mkdir(exist_ok=True)
    prefix = "" if MAJOR == 3 else "old_"
    found = {}
    for seed, make in enumerate(BOTH + (KERAS_3 if MAJOR == 3 else [])):
        keras.backend.clear_session()
        name, model = prefix + make.__name__, make()
        fill(model, seed)
        found |= expected(name, model)
        model.save(FILES / f"{name}.keras")
        if make in (sequential, nested, reused, curved, dictionaries, operations, names, half):
            model.save(FILES / f"{name}.h5")
        if make in (sequential, nested):
            (FILES / f"{name}.json").write_text(model.to_json())
            ending = ".weights.h5" if MAJOR == 3 else "_weights.h5"
            model.save_weights(FILES / f"{name}{ending}")
        if make is sequential and MAJOR == 3:
            model.save(FILES / "folder", zipped=False)
    if MAJOR == 3:
        unbuilt().save(FILES / "unbuilt.keras")
    np.savez_compressed(FILES / f"expected_{MAJOR}.npz", **found)
    versions = FILES / "made_with.json"
    said = json.loads(versions.read_text()) if versions.exists() else {}
    said[prefix or "keras"] = keras.__version__
    versions.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
