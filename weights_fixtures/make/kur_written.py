"""Models of Keras 3 that npforward wrote for Kur, as genuine Kur 0.7.0 evaluates them.

    python weights_fixtures/make/kur_written.py PYTHON_WITH_KERAS_1 PYTHON_WITH_KERAS_2

Runs under Keras 3.15.1 with npforward.  The two other Pythons are 3.6 with Kur 0.7.0 and TensorFlow
1.15.5, one with Keras 1.2.2 and one with Keras 2.0.8.  Of each model: what Keras 3 saved, the
Kurfile that npforward made of it, and in `evaluated.npz` what went in and what `kur evaluate` gave.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras import layers, ops

import npforward as npf

ROOT = Path(__file__).resolve().parents[1] / "kur_written"
GATES = {"recurrent_activation": "hard_sigmoid"}
READ = """
import numpy, pickle, sys
found = pickle.load(open("result.pkl", "rb"))["result"]
numpy.savez("result.npz", **{name: numpy.array(rows, "float32") for name, rows in found.items()})
"""
PACK = """
import numpy
numpy.save("data.npy", dict(numpy.load("fed.npz")))
"""


def of_keras_1():
    """Every container that Kur has on Keras 1, but batch normalisation and pooling of lines."""
    picture = keras.Input((8, 9, 2), name="picture")
    words = keras.Input((6,), dtype="int32", name="words")
    rows = keras.Input((5, 3), name="rows")
    x = layers.Rescaling(0.5, offset=[0.1, -0.2], name="scaled")(picture)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="strided")(x)
    x = layers.SpatialDropout2D(0.3, name="spatial")(x)
    x = layers.MaxPooling2D((2, 3), strides=1, name="largest")(x)
    x = layers.Conv2D(3, (2, 2), use_bias=False, activation="elu", name="valid")(x)
    seen = layers.AveragePooling2D(2, padding="same", name="mean")(x)
    flat = layers.Flatten(name="flat")(seen)
    whole = layers.GlobalAveragePooling2D(name="whole")(x)
    largest = layers.GlobalMaxPooling2D(name="whole_largest")(x)
    cube = ops.expand_dims(picture, axis=-1)
    cube = layers.Conv3D(2, 2, padding="same", activation="softsign", name="cube")(cube)
    cube = layers.AveragePooling3D((2, 3, 2), name="cube_mean")(cube)
    cube = layers.Reshape((-1,), name="cube_flat")(cube)

    x = layers.Embedding(11, 4, name="table")(words)
    x = layers.GRU(5, return_sequences=True, reset_after=False, **GATES, name="gru")(x)
    x = layers.LSTM(4, use_bias=False, **GATES, name="lstm")(x)
    both = {}
    for mode in ("concat", "sum", "mul", "ave"):
        gru, lstm = layers.GRU(3, reset_after=False, **GATES), layers.LSTM(3, **GATES)
        one = gru if mode == "sum" else lstm
        both[mode] = layers.Bidirectional(one, merge_mode=mode, name=f"both_{mode}")(rows)
    said = layers.Concatenate(name="said")([x, both["concat"]])
    known = layers.Add(name="added")([both["sum"], both["mul"], both["ave"]])

    x = layers.Conv1D(3, 2, padding="same", activation="softplus", name="line")(rows)
    x = layers.TimeDistributed(layers.Dense(4, activation="tanh"), name="each")(x)
    x = layers.Permute((2, 1), name="turned")(x)
    x = ops.squeeze(ops.expand_dims(x, axis=2), axis=-2)
    steps = layers.Activation("softmax", name="steps")(x)
    twice = layers.Dense(5, activation="sigmoid", name="twice")
    a, b = twice(steps), twice(layers.Dropout(0.4, name="drop")(x))
    x = layers.Average(name="averaged")([a, b])
    x = layers.Multiply(name="product")([x, a])
    x = layers.Flatten(name="product_flat")(x)
    repeated = layers.RepeatVector(3, name="repeated")(known)
    frames = layers.TimeDistributed(layers.Conv2D(2, 2, activation="relu"), name="frames")(
        ops.expand_dims(picture, axis=1)
    )
    frames = layers.TimeDistributed(layers.Flatten(), name="frames_flat")(frames)
    x = layers.Concatenate(axis=1, name="joined")([flat, whole, largest, cube, said, known, x])
    entry = keras.Input((x.shape[-1],))
    inner = keras.Sequential([entry, layers.Dense(4), layers.ReLU()], name="inner")
    y = layers.Dense(6, activation="softmax", name="labels")(inner(x))
    return keras.Model([picture, words, rows], [y, steps, repeated, frames], name="of_keras_1")


def of_keras_2():
    """What Kur has on Keras 2 only, with whatever else works there."""
    picture = keras.Input((7, 6, 3), name="picture")
    line = keras.Input((12, 2), name="line")
    x = layers.Conv2D(4, 3, padding="same", name="first")(picture)
    x = layers.BatchNormalization(name="normed")(x)
    x = layers.Activation("selu", name="selu")(x)
    x = layers.BatchNormalization(axis=1, epsilon=1e-5, scale=False, name="by_rows")(x)
    soft = layers.Softmax(name="soft")(x)
    x = layers.Flatten(name="flat")(soft)
    y = layers.Conv1D(4, 3, activation="tanh", name="of_line")(line)
    y = layers.BatchNormalization(center=False, epsilon=0.1, name="line_normed")(y)
    y = layers.MaxPooling1D(2, name="line_largest")(y)
    z = layers.AveragePooling1D(3, strides=1, padding="same", name="line_mean")(y)
    z = layers.TimeDistributed(layers.Dense(3, activation="relu"), name="each")(z)
    z = layers.GlobalAveragePooling1D(name="line_whole")(z)
    w = layers.Bidirectional(layers.GRU(3, reset_after=False, **GATES), name="both")(y)
    v = layers.LSTM(4, activation="relu", **GATES, name="lstm")(y)
    x = layers.Concatenate(name="joined")([x, z, w, v])
    labels = layers.Dense(5, activation="softmax", name="labels")(x)
    return keras.Model([picture, line], [labels, soft], name="of_keras_2")


def randomised(model, rng):
    for variable in model.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        else:
            variable.assign(rng.normal(0, 0.4, variable.shape))


def packed(saved, path):
    """The same file, compressed: HDF5 is mostly room for more."""
    with zipfile.ZipFile(saved) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(zipfile.ZipInfo(name), whole.read(name), zipfile.ZIP_DEFLATED)
    saved.unlink()


def make(build, python, seed):
    rng = np.random.default_rng(seed)
    model = build()
    randomised(model, rng)
    folder = ROOT / build.__name__
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save(folder / "saved.keras")
    packed(folder / "saved.keras", folder / "model.keras")
    fed = {}
    for tensor in model.inputs:
        shape = (3, *tensor.shape[1:])
        whole = tensor.dtype == "int32"
        fed[tensor.name] = rng.integers(0, 11, shape) if whole else rng.normal(size=shape)
        fed[tensor.name] = fed[tensor.name].astype(tensor.dtype)
    with tempfile.TemporaryDirectory() as scratch:
        kurfile = Path(scratch) / "kur" / "Kurfile.yml"
        npf.convert(folder / "model.keras", kurfile)
        mine = npf.load_model(kurfile).predict(fed)
        shutil.copy(kurfile, folder)
        found = evaluated(kurfile.parent, fed, python)
    np.savez_compressed(
        folder / "evaluated.npz",
        **{f"input:{name}": array for name, array in fed.items()},
        **{f"output:{name}": array for name, array in found.items()},
    )
    theirs = [np.asarray(y) for y in model([fed[t.name] for t in model.inputs], training=False)]
    for name, array in found.items():
        of_keras = min(np.abs(y - array).max() for y in theirs if y.shape == array.shape)
        worst = max(of_keras, np.abs(mine[name] - array).max())
        assert worst < 1e-6, (name, worst)
        print(f"{build.__name__}: {name} {array.shape}, as Keras 3 and npforward to {worst:.0e}")


def evaluated(folder, fed, python):
    """What `kur evaluate` gives for a folder as it was written, once it says where the data are."""
    text = (folder / "Kurfile.yml").read_text()
    before, data = "evaluate: {weights: weights}", "data: [{numpy_dict: data.npy}]"
    assert before in text
    after = f"evaluate:\n  weights: weights\n  {data}\n  destination: result.pkl"
    (folder / "Kurfile.yml").write_text(text.replace(before, after))
    np.savez(folder / "fed.npz", **fed)
    # TensorFlow 2 tells those that it starts that they are of its kind.
    alone = {k: v for k, v in os.environ.items() if not k.startswith(("TF", "PYTHON"))}
    for command in (["-c", PACK], ["-m", "kur", "evaluate", "Kurfile.yml"], ["-c", READ]):
        done = subprocess.run(
            [python, *command], cwd=folder, capture_output=True, text=True, env=alone
        )
        if done.returncode:
            raise SystemExit(done.stderr)
    with np.load(folder / "result.npz") as found:
        return dict(found)


if __name__ == "__main__":
    make(of_keras_1, sys.argv[1], 1)
    make(of_keras_2, sys.argv[2], 2)
