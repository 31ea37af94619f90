"""Files of Keras 1 with the output of every layer: weights_fixtures/old/keras-<version>-<backend>/.

    KERAS_BACKEND=theano python weights_fixtures/make/old_keras1.py [--out DIR] [MODEL ...]

Needs Keras 1 on TensorFlow 1.4 (1.2.2 only) or Theano 1.0.5, and Python 3.6 for these.  Whole
models were first written by 1.0.7.
"""

import argparse
import json
import os
import platform
import zlib
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# Theano's reference code, which needs no compiler and no BLAS, and takes a second for each model.
os.environ.setdefault("THEANO_FLAGS", "device=cpu,floatX=float32,optimizer=None,linker=py")
if os.environ.get("KERAS_BACKEND") == "theano":
    import theano.ifelse  # noqa: F401  Keras 1 expects it to have been imported

import h5py
import keras
import numpy as np
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

OLD = Path(__file__).resolve().parents[1] / "old"
SEED = 51
BACKEND = K._BACKEND
VERSION = tuple(int(part) for part in keras.__version__.split("."))
MODELS = {}

# ---- what the framework computes -----------------------------------------------------------------


def container(model):
    """The graph of a model: a Sequential keeps it inside."""
    if isinstance(model, Sequential):
        model.build()
        return model.model
    return model


def branches(model):
    """The models that a Sequential merges at its beginning."""
    first = model.layers[0] if isinstance(model, Sequential) else None
    return first.layers if isinstance(first, L.Merge) else []


def calls(model):
    """(address, layer, input tensors, output tensors) of each call in a model."""
    graph = container(model)
    layers = graph.layers
    if isinstance(model, Sequential) and not branches(model):
        layers = model.layers
    for layer in layers:
        mine = [
            node
            for i, node in enumerate(layer.inbound_nodes)
            if f"{layer.name}_ib-{i}" in graph.container_nodes
        ]
        if not mine:  # a Sequential begins with the tensors of a model in it
            yield layer.name, layer, layer.inputs, layer.outputs
        for number, node in enumerate(mine, 1):
            address = layer.name + (f"@{number}" if number > 1 else "")
            yield address, layer, node.input_tensors, node.output_tensors


def record(model, inputs, prefix=""):
    """Address -> array for every value of `model` on `inputs`, those in nested models too.

    Layers of merged models are at the address that they have in the list of weights: their own.
    """
    found, nested, tensors = {}, [], {}
    for address, layer, takes, gives in calls(model):
        if type(layer).__name__ == "InputLayer":
            continue
        if hasattr(layer, "container_nodes") or isinstance(layer, Sequential):
            inside = prefix if layer in branches(model) else prefix + address + "/"
            nested.append((inside, layer, takes))
            if inside == prefix:
                continue
        for i, tensor in enumerate(gives):
            tensors[address + (f"#{i}" if i else "")] = tensor
    names = sorted(tensors)
    wanted = [tensors[name] for name in names] + [t for _, _, takes in nested for t in takes]
    values = evaluated(container(model).inputs, wanted, inputs)
    found.update((prefix + name, value) for name, value in zip(names, values))
    rest = iter(values[len(names) :])
    for inside, layer, takes in nested:
        found.update(record(layer, [next(rest) for _ in takes], inside))
    return found


def evaluated(inputs, tensors, arrays):
    """The values of tensors; Theano wants no input that is not used."""
    if BACKEND == "theano":
        import theano

        function = theano.function(
            [*list(inputs), K.learning_phase()], tensors, on_unused_input="ignore"
        )
        return [np.asarray(value) for value in function(*([*list(arrays), 0]))]
    return [
        np.asarray(value)
        for value in K.get_session().run(
            list(tensors), dict([*list(zip(inputs, arrays)), (K.learning_phase(), 0)])
        )
    ]


def fill(model, rng):
    """Random weights, one by one: variances above 0, other numbers around it."""
    for weight in model.trainable_weights + model.non_trainable_weights:
        shape = K.get_value(weight).shape
        values = rng.normal(0, 0.4, shape)
        if "running_std" in weight.name:
            values = rng.uniform(0.5, 1.5, shape)
        elif "gamma" in weight.name or "alphas" in weight.name or "betas" in weight.name:
            values = rng.uniform(0.2, 1.2, shape)
        K.set_value(weight, values.astype("float32"))


def drawn(model, rng, words=()):
    """An input for each of the model's: whole numbers for the names in `words`."""
    found = []
    for tensor in container(model).inputs:
        shape = (2, *tuple(tensor._keras_shape[1:]))
        layer = tensor._keras_history[0]
        whole = layer.name in words or layer.input_dtype == "int32"
        values = rng.randint(0, 5, shape) if whole else rng.normal(size=shape)
        found.append(values.astype("int32" if whole else "float32"))
    return found


def input_name(model, tensor):
    """The name of an input: of one that a Sequential made for its first layer, `<layer>_input`."""
    made = tensor._keras_history[0]
    taker = next(iter(taking(model, tensor)), None)
    prefix = type(taker).__name__.lower() + "_input_"
    return taker.name + "_input" if made.name.startswith(prefix) else made.name


def taking(model, tensor):
    """The layers at any depth that take a tensor."""
    for layer in list(model.layers) + list(branches(model)):
        if isinstance(layer, Model):
            yield from taking(layer, tensor)
        elif type(layer).__name__ != "InputLayer" and any(
            tensor is t for node in layer.inbound_nodes for t in node.input_tensors
        ):
            yield layer


def save(model, folder, name, form="h5"):
    """The model's file or files, and its golden."""
    rng = np.random.RandomState([SEED, zlib.crc32(name.encode()) & 0x7FFFFFFF])
    fill(model, rng)
    inputs = drawn(model, rng)
    golden = record(model, inputs)
    for address, value in golden.items():
        assert np.isfinite(value).all(), (name, address)
    for tensor, array in zip(container(model).inputs, inputs):
        golden["inputs/" + input_name(model, tensor)] = array
    if form == "h5":
        model.save(str(folder / f"{name}.h5"))
    else:
        (folder / f"{name}.json").write_text(model.to_json())
        model.save_weights(str(folder / f"{name}.weights.h5"), overwrite=True)
    np.savez_compressed(str(folder / f"{name}.npz"), **golden)
    return golden


# ---- the models ----------------------------------------------------------------------------------


def model(make):
    """One of the models that are made."""
    MODELS[make.__name__] = make
    return make


def image(order, rows, columns, channels):
    """The shape of an image with its channels where they belong."""
    return (channels, rows, columns) if order == "th" else (rows, columns, channels)


def axis(order):
    """The axis of channels."""
    return 1 if order == "th" else -1


def convnet(order):
    """A network of images with what Keras 1 had for these, in one row."""
    at = {"dim_ordering": order}
    net = [
        L.Convolution2D(
            3, 2, 4, border_mode="same", subsample=(2, 1), activation="relu",
            input_shape=image(order, 7, 6, 2), **at
        ),
        L.ZeroPadding2D({"top_pad": 1, "left_pad": 2} if VERSION >= (1, 2) else (1, 2), **at),
        L.BatchNormalization(axis=axis(order)),
        L.MaxPooling2D((3, 2), strides=(2, 1), border_mode="same", **at),
        L.PReLU(),
        L.SpatialDropout2D(0.3, **at),
        L.AtrousConvolution2D(4, 3, 2, atrous_rate=(2, 2), border_mode="same", bias=False, **at),
        L.UpSampling2D((2, 1), **at),
        L.Cropping2D(((1, 0), (1, 2)), **at),
        L.AveragePooling2D((3, 2), strides=(2, 2), border_mode="same", **at),
        L.Flatten(),
        L.Dense(5, activation="tanh"),
        L.MaxoutDense(4, nb_feature=3),
        L.Highway(activation="relu"),
        L.BatchNormalization(mode=1),
        L.Dense(3, bias=False, activation="softmax"),
    ]  # fmt: skip
    return Sequential(net)


def unet(order):
    """Convolutions down and up again, joined by `merge`, and some that share no weights."""
    at = {"dim_ordering": order}
    picture = L.Input(image(order, 5, 6, 2), name="picture")
    down = L.Convolution2D(3, 3, 3, border_mode="same", activation="relu", **at)(picture)
    low = L.Convolution2D(4, 3, 3, subsample=(2, 2), border_mode="same", **at)(down)
    low = L.LeakyReLU(0.2)(low)
    shape = (None, *image(order, 5, 6, 3))
    up = L.Deconvolution2D(3, 3, 3, output_shape=shape, subsample=(2, 2), border_mode="same", **at)(
        low
    )
    both = L.merge([down, up], mode="concat", concat_axis=axis(order))
    if BACKEND == "tensorflow":
        both = L.SeparableConvolution2D(3, 3, 2, depth_multiplier=2, border_mode="same", **at)(both)
    local = L.LocallyConnected2D(2, 3, 2, subsample=(2, 2), activation="sigmoid", **at)(both)
    shape = (None, *image(order, 5, 6, 2))
    up = L.Deconvolution2D(2, 2, 2, output_shape=shape, subsample=(3, 2), **at)(local)
    found = L.merge([L.GlobalAveragePooling2D(**at)(up), L.GlobalMaxPooling2D(**at)(both)],
                    mode="concat")  # fmt: skip
    return Model(picture, [up, L.Dense(2, activation="hard_sigmoid")(found)])


@model
def convnet_tf():
    return convnet("tf")


@model
def convnet_th():
    return convnet("th")


@model
def unet_tf():
    return unet("tf")


@model
def unet_th():
    return unet("th")


@model
def volume():
    at = {"dim_ordering": "th"}
    return Sequential(
        [
            L.Convolution3D(
                2, 2, 3, 2, border_mode="same", activation="relu", input_shape=(2, 5, 4, 5), **at
            ),
            L.ZeroPadding3D((1, 0, 1), **at),
            L.AveragePooling3D((2, 2, 3), strides=(1, 2, 2), border_mode="same", **at),
            L.Convolution3D(3, 1, 2, 3, subsample=(2, 1, 1), bias=False, **at),
            L.MaxPooling3D((2, 1, 2), **at),
            L.UpSampling3D((1, 2, 1), **at),
            L.GlobalMaxPooling3D(**at),
        ]
    )


@model
def signal():
    return Sequential(
        [
            L.Convolution1D(4, 4, border_mode="same", subsample_length=2, input_shape=(15, 3)),
            L.SReLU(),
            L.AtrousConvolution1D(3, 2, atrous_rate=2, border_mode="same"),
            L.ParametricSoftplus(),
            L.LocallyConnected1D(4, 3, activation="tanh"),
            L.BatchNormalization(mode=2),
            L.AveragePooling1D(3, stride=2, border_mode="same"),
            L.ELU(0.6),
            L.ZeroPadding1D((2, 1) if VERSION >= (1, 2) else 1),
            L.Cropping1D((1, 0)),
            L.MaxPooling1D(2, border_mode="same"),
            L.UpSampling1D(3),
            L.ThresholdedReLU(0.1),
            L.Permute((2, 1)),
            L.Reshape((2, -1)),
            L.Activation("softmax"),
        ]
    )


@model
def text():
    words = L.Input((6,), dtype="int32", name="words")
    seen = L.Embedding(5, 4, mask_zero=True, dropout=0.2)(words)
    seen = L.TimeDistributed(L.Dense(3, activation="tanh"))(seen)
    both = L.Bidirectional(L.LSTM(2, return_sequences=True, consume_less="mem"))(seen)
    split = L.Bidirectional(L.GRU(2, return_sequences=True, go_backwards=True), merge_mode="sum")(
        seen
    )
    simple = L.SimpleRNN(3, return_sequences=True)(seen)
    all_ = L.merge([both, split, simple], mode="concat")
    all_ = L.TimeDistributedDense(3, activation="softmax")(all_)
    gates = L.GRU(3, consume_less="gpu", return_sequences=True, inner_activation="sigmoid")(all_)
    last = L.LSTM(2, consume_less="gpu", go_backwards=True, dropout_W=0.1)(gates)
    return Model(words, last)


@model
def merged():
    """Sequentials inside a Sequential: one with a merge of its own, and a functional model."""
    first, second, third = Sequential(name="a"), Sequential(name="b"), Sequential(name="c")
    first.add(L.Dense(3, input_dim=4))
    first.add(L.BatchNormalization())
    second.add(L.Dense(3, input_dim=2, activation="relu"))
    third.add(L.Merge([first, second], mode="mul"))
    third.add(L.Dense(4))
    taken = L.Input((5,), name="taken")
    fourth = Model(taken, L.Dense(4)(L.Dropout(0.5)(taken)))
    whole = Sequential()
    whole.add(L.Merge([third, fourth], mode="concat", concat_axis=1))
    whole.add(L.Highway())
    whole.add(Sequential([L.Dense(3, input_dim=8, name="inside"), L.Activation("softmax")],
                         name="sequential"))  # fmt: skip
    return whole


@model
def modes():
    """Every mode of `merge`, and a model that is called twice."""
    one, two = L.Input((4, 3), name="one"), L.Input((4, 3), name="two")
    shared = Sequential(
        [L.TimeDistributed(L.Dense(3), input_shape=(4, 3)), L.BatchNormalization(), L.ELU()],
        name="shared",
    )
    a, b = shared(one), shared(two)
    outputs = [
        L.merge([a, b, one], mode="sum", name="sum"),
        L.merge([a, b], mode="mul", name="mul"),
        L.merge([a, b], mode="ave", name="ave"),
        L.merge([a, b], mode="max", name="max"),
        L.merge([a, b], mode="concat", concat_axis=1, name="concat"),
        L.merge([a, b], mode="dot", dot_axes=2, name="dot"),
        L.merge([L.Flatten()(a), L.Flatten()(b)], mode="cos", dot_axes=1, name="cos"),
        L.merge([L.Flatten()(a), L.Flatten()(b)], mode="dot", dot_axes=1, name="flat_dot"),
    ]
    return Model([one, two], outputs)


@model
def frames():
    order = "th" if BACKEND == "theano" else "tf"
    inner = Sequential(
        [
            L.Convolution2D(
                2, 3, 2, activation="relu", dim_ordering=order, input_shape=image(order, 5, 4, 2)
            ),
            L.BatchNormalization(axis=axis(order)),
            L.Flatten(),
            L.Dense(3),
        ]
    )
    return Sequential(
        [
            L.ConvLSTM2D(
                2, 2, 3, border_mode="same", return_sequences=True, dim_ordering=order,
                inner_activation="hard_sigmoid", input_shape=(3, *image(order, 5, 4, 2)),
            ),
            L.TimeDistributed(inner),
            L.LSTM(2),
        ]
    )  # fmt: skip


@model
def early():
    """What an architecture of Keras 1.0 says, channels first: no bias, no version."""
    at = {"dim_ordering": "th"}
    picture = L.Input((1, 6, 6), name="picture")
    x = L.Convolution2D(2, 3, 3, border_mode="same", activation="relu", **at)(picture)
    x = L.BatchNormalization(axis=1)(x)
    small = L.MaxPooling2D((2, 2), **at)(x)
    up = L.UpSampling2D((2, 2), **at)(small)
    x = L.merge([L.ZeroPadding2D((1, 1), **at)(up), L.ZeroPadding2D((1, 1), **at)(x)],
                mode="concat", concat_axis=1)  # fmt: skip
    x = L.Convolution2D(3, 2, 2, activation="sigmoid", **at)(x)
    steps = L.Permute((2, 1))(L.Reshape((3, 49))(x))
    steps = L.Convolution1D(3, 2, border_mode="same", subsample_length=3)(steps)
    return Model(picture, L.Highway()(L.GRU(3)(steps)))


# Files of an architecture and of its weights; the others are whole models.
APART = ["merged", "early"]
# What is kept: each model of one backend at least, and what only the first versions did.
KEPT = {
    "tensorflow": ["convnet_th", "unet_tf", "text", "merged", "modes"],
    "theano": ["convnet_tf", "unet_th", "volume", "signal", "frames"],
}[BACKEND] if VERSION >= (1, 2) else ["early"]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    parser.add_argument("models", nargs="*")
    asked = parser.parse_args()
    folder = Path(asked.out or OLD / f"keras-{keras.__version__}-{BACKEND}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in asked.models or KEPT:
        found = save(MODELS[name](), folder, name, "json" if name in APART else "h5")
        print(f"{name}: {len(found)} arrays")
    made = {"keras": keras.__version__, "backend": BACKEND, "python": platform.python_version()}
    made[BACKEND] = __import__(BACKEND).__version__
    made.update(numpy=np.__version__, h5py=h5py.__version__)
    made["script"] = "weights_fixtures/make/old_keras1.py"
    text = json.dumps(made, indent=1, sort_keys=True)
    (folder / "made_with.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
