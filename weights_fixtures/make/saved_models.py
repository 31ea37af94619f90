"""SavedModel folders and checkpoints of tf.keras: weights_fixtures/saved_models/tf<version>/.

    PYTHONPATH=. python weights_fixtures/make/saved_models.py [MODEL ...]

Run it with TensorFlow 1.15, 2.4, 2.10 and 2.15.  Each model is packed into one zip, with what
TensorFlow wrote unchanged (compiled functions are most of it, and pack well):

    model/                      the SavedModel; without traces (`save_traces=False`) but for the cnn
                                of 2.4 and 2.15: recurrent layers would add megabytes of functions;
                                by TensorFlow 1.15's export_saved_model, of the cnn only
    checkpoint/ckpt.*           model.save_weights(); TensorFlow 1.15 splits it into two shards
    checkpoint/training-1.*     TensorFlow 2's Checkpoint of a model and its optimizer
    checkpoint/named.*          TensorFlow 1.15 only: the same arrays by the names of variables
    architecture.json           model.to_json()
    kinds/all-1.*               a checkpoint of a variable of each type, with golden.npz
    golden.npz                  inputs, and the output of every call of every layer
    meta.json                   who wrote it
"""

import json
import os
import shutil
import sys
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

warnings.simplefilter("ignore")
tf.compat.v1.logging.set_verbosity("ERROR")
keras, layers = tf.keras, tf.keras.layers
VERSION = tuple(int(part) for part in tf.__version__.split(".")[:2])
OUT = Path(__file__).resolve().parents[1] / "saved_models" / "tf{}{}".format(*VERSION)
SEED = 50


def cnn():
    """A Sequential, trained for a step: the optimizer's state lies beside the weights."""
    return keras.Sequential(
        [
            layers.Conv2D(3, 3, activation="relu", input_shape=(8, 7, 2), name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.2, name="drop"),
            layers.Dense(2, activation="softmax", name="class"),
        ],
        name="cnn",
    )


def sequence():
    """Layers within layers, a nested model called twice, a layer that two models share."""
    words = keras.Input((5,), name="words")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(words)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(x)
    shared = layers.Dense(4, activation="tanh", name="shared")
    # TensorFlow 1.15 loses weights of a layer that is also called without its wrapper.
    y = layers.TimeDistributed(shared if VERSION >= (2, 4) else layers.Dense(4), name="each")(x)
    y = layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)], name="stack")(y)
    inner = keras.Sequential([layers.Dense(3, input_shape=(4,), name="dense"),
                              layers.BatchNormalization(name="norm")], name="inner")  # fmt: skip
    first, second = inner(y), inner(shared(y))
    if VERSION >= (2, 4):
        twice = layers.Reshape((3, 1), name="column")(first)
        twice = layers.MultiHeadAttention(2, 3, name="attention")(twice, twice)
        first = layers.Flatten(name="row")(twice)
    answer = layers.Dense(1, name="answer")(layers.Add(name="add")([first, second]))
    return keras.Model(words, answer, name="sequence")


def lookups():
    """Vocabularies: learned, given as a list, given as a file."""
    library = layers if VERSION >= (2, 6) else layers.experimental.preprocessing
    text = keras.Input((1,), dtype="string", name="text")
    vector = library.TextVectorization(output_sequence_length=3, name="vector")
    vector.adapt(np.array([["b a c"], ["b, C?"], ["b"]]))
    word = keras.Input((2,), dtype="string", name="word")
    listed = library.StringLookup(vocabulary=["u", "v"], name="listed")
    Path("words.txt").write_text("w\nu\n")
    filed = library.StringLookup(vocabulary="words.txt", name="filed")
    number = keras.Input((2,), name="number")
    normal = library.Normalization(name="normal")
    normal.adapt(np.array([[1, 2], [3, 6], [4, 2.5]], "float32"))
    # Before TensorFlow 2.6 IntegerLookup speaks of values, and bins are given.
    numbered = library.IntegerLookup(name="numbered")
    numbered.adapt(np.array([[7], [5], [7]]))
    bins = {"num_bins": 3} if VERSION >= (2, 6) else {"bins": [0.5, 2.0]}
    binned = library.Discretization(name="binned", **bins)
    if VERSION >= (2, 6):
        binned.adapt(np.linspace(-2, 2, 9).reshape(9, 1))
    whole = keras.Input((2,), dtype="int64", name="whole")
    ends = [vector(text), listed(word), filed(word), normal(number), binned(number)]
    ends.append(numbered(whole))
    return keras.Model([text, word, number, whole], ends, name="lookups")


class Subclassed(keras.Model):
    """A model whose layers and calls are Python code, which no file holds."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.dense = layers.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


def draw(variable, rng):
    """Random values such that statistics are no longer those of a fresh layer."""
    positive = "variance" in variable.name or "gamma" in variable.name
    shape = variable.shape.as_list()
    return rng.uniform(0.3, 2, shape) if positive else 0.5 * rng.standard_normal(shape)


def feeds_of(model, rng):
    """An input for each InputLayer."""
    made = {
        "words": lambda: rng.randint(0, 9, (3, 5)).astype("float32"),
        "text": lambda: np.array([["c b b"], ["x a"], ["B. a"]]),
        "whole": lambda: np.array([[7, 5], [9, 0], [5, -1]]),
        "word": lambda: np.array([["u", "x"], ["v", "w"], ["w", ""]]),
    }
    found = {}
    for tensor, name in zip(model.inputs, model.input_names):  # noqa: B905 - Python 3.7
        shape = [3, *tensor.shape.as_list()[1:]]
        draws = made.get(name, lambda shape=shape: rng.standard_normal(shape).astype("float32"))
        found[name] = draws()
    return found


def outputs_of(model, feeds):
    """Every value of the model by its address in npforward."""
    if VERSION >= (2, 0):
        import golden

        arrays = golden.record(keras, model, [tf.constant(feed) for feed in feeds.values()])
        golden.check(model.name, arrays)
        return arrays
    called = [x for x in model.layers if len(x.inbound_nodes) == 1 and x.input is not x.output]
    values = keras.Model(model.inputs, [layer.output for layer in called])
    return {
        layer.name: value
        for layer, value in zip(called, values.predict(list(feeds.values())))  # noqa: B905
    }


def save(model, folder):
    """All forms in which this TensorFlow saves a model."""
    if VERSION >= (2, 0):
        traces = model.name == "cnn" and VERSION != (2, 10)  # to have both
        model.save(str(folder / "model"), save_format="tf", save_traces=traces)
    elif model.name == "cnn":
        keras.experimental.export_saved_model(model, str(folder / "model"))
    else:  # its functions take a quarter of a megabyte
        saver = tf.compat.v1.train.Saver({v.op.name: v for v in model.weights})
        path = str(folder / "checkpoint" / "named")
        saver.save(keras.backend.get_session(), path, write_meta_graph=False)
    if VERSION >= (2, 0) and model.name == "cnn":
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        checkpoint.save(str(folder / "checkpoint" / "training"))
    if model.name != "subclassed":
        model.save_weights(str(folder / "checkpoint" / "ckpt"))
        (folder / "architecture.json").write_text(model.to_json())


KINDS = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 bfloat16"
KINDS += " complex64 complex128"


def kinds():
    """A variable of each type, and ones of no axes, of no values and of strings."""
    folder, rng = Path(tempfile.mkdtemp()), np.random.RandomState(SEED)
    arrays = {}
    for kind in KINDS.split():
        values = tf.cast(tf.constant(rng.randint(0, 2, (2, 3))), kind)
        arrays[kind] = values
    arrays.update(scalar=tf.constant(2.5), none=tf.zeros((0, 3)), words=tf.constant(["a", "", "b"]))
    checkpoint = tf.train.Checkpoint(**{name: tf.Variable(v) for name, v in arrays.items()})
    checkpoint.save(str(folder / "kinds" / "all"))
    del arrays["words"]  # it is no array of numbers
    arrays["bfloat16"] = tf.cast(arrays["bfloat16"], "float32")
    np.savez_compressed(str(folder / "golden.npz"), **{k: v.numpy() for k, v in arrays.items()})
    pack(folder, "kinds", kinds.__doc__)


def make(build):
    """One model, packed."""
    name = build.__name__.lower()
    rng = np.random.RandomState(zlib.crc32(name.encode()) + SEED)
    model = build()
    arrays, feeds = {}, {}
    if build is Subclassed:
        model(np.zeros((1, 3), "float32"))
    else:
        if build is not lookups:
            model.set_weights([draw(variable, rng) for variable in model.weights])
        feeds = feeds_of(model, rng)
    if build is cnn:
        model.compile("adam", "mse")
        model.fit(feeds["conv_input"], np.eye(3, 2), verbose=0)
    if feeds:
        arrays = outputs_of(model, feeds)
    folder = Path(tempfile.mkdtemp())
    save(model, folder)
    inputs = {f"inputs/{key}": value for key, value in feeds.items()}
    np.savez_compressed(str(folder / "golden.npz"), **inputs, **arrays)
    pack(folder, name, build.__doc__)


def pack(folder, name, description):
    """Put what a folder has into one zip."""
    meta = {
        "name": name,
        "description": description.strip(),
        "seed": SEED,
        "framework": f"tf.keras of TensorFlow {tf.__version__}",
        "script": "weights_fixtures/make/saved_models.py",
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
    OUT.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(str(OUT / f"{name}.zip"), "w", zipfile.ZIP_LZMA) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(str(path), str(path.relative_to(folder)))
    shutil.rmtree(str(folder))
    print(f"{VERSION} {name}: {(OUT / (name + '.zip')).stat().st_size} bytes")


MODELS = {(1, 15): [cnn, sequence], (2, 15): [cnn, sequence, lookups, Subclassed]}

if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())  # for the vocabulary's file, whose path is in the config
    for build in MODELS.get(VERSION, [cnn, sequence, lookups]):
        if build.__name__.lower() in sys.argv[1:] or not sys.argv[1:]:
            make(build)
    if VERSION == (2, 15):
        kinds()
