"""Files of Keras 2 and of tf.keras 1.x and 2.x, each with every layer's output: old/<framework>/.

    python weights_fixtures/make/old_keras2.py keras [MODEL ...] [--out DIR]
    python weights_fixtures/make/old_keras2.py tf.keras [MODEL ...] [--out DIR]

Needs the framework; runs on Python 3.6 and later.  With `--out` it makes all models that the
framework can make, to verify more than the fixtures; without, those of `KEPT`.
"""

import argparse
import importlib
import inspect
import json
import os
import platform
import re
import sys
import zlib
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

OLD = Path(__file__).resolve().parents[1] / "old"
SEED = 52

# ---- what a framework computed ------------------------------------------------------------------


def nodes_of(layer):
    return getattr(layer, "_inbound_nodes", None) or getattr(layer, "inbound_nodes", [])


def flat(tensors):
    if isinstance(tensors, dict):
        return [t for key in sorted(tensors) for t in flat(tensors[key])]
    return (
        [t for x in tensors for t in flat(x)] if isinstance(tensors, (list, tuple)) else [tensors]
    )


def inner_model(model):
    """Keras 2.0 and 2.1 keep a Sequential's graph in another model, made when it is needed."""
    if getattr(model, "model", model) is None:
        model.build()
    return getattr(model, "model", None) or model


def calls(model):
    """(address, layer, input tensors, output tensors) of each call in a model."""
    graph = inner_model(model)
    mine = getattr(graph, "_network_nodes", None) or graph.container_nodes
    for layer in model.layers:
        nodes = [n for i, n in enumerate(nodes_of(layer)) if f"{layer.name}_ib-{i}" in mine]
        if not nodes:  # Keras 2.0 begins a Sequential with the tensors of a model in it
            yield layer.name, layer, flat(layer.inputs), flat(layer.outputs)
        for number, node in enumerate(nodes, 1):
            address = layer.name.replace("/", "%2F") + (f"@{number}" if number > 1 else "")
            takes = getattr(node, "keras_inputs", None) or getattr(node, "input_tensors", None)
            gives = getattr(node, "output_tensors", None)
            yield (
                address,
                layer,
                flat(node.input_tensors if takes is None else takes),
                flat(node.outputs if gives is None else gives),
            )


def array_of(value):
    value = np.asarray(value)
    return np.char.decode(value.astype(bytes), "utf-8") if value.dtype.kind == "O" else value


def values_of(k, given, asked, arrays):
    """The values of tensors at inference."""
    tf = sys.modules.get("tensorflow")
    if tf is None or k.__name__ == "keras" or not tf.executing_eagerly():
        return k.backend.function(given, asked)(arrays)
    return flat(k.Model(given, asked)(arrays, training=False))


def record(k, model, inputs, prefix=""):
    """Address -> array for every value of `model` on `inputs`, those in nested models too."""
    tensors, nested = {}, []
    for address, layer, takes, gives in calls(model):
        if type(layer).__name__ == "InputLayer":
            continue
        for number, tensor in enumerate(gives):
            tensors[prefix + address + (f"#{number}" if number else "")] = tensor
        if hasattr(layer, "layers") and not hasattr(layer, "layer"):
            nested.append((prefix + address, layer, takes))
    given = list(inner_model(model).inputs)
    wanted = list(tensors.values()) + [t for _, _, takes in nested for t in takes]
    # What is fed cannot be asked for.
    asked = [t for t in wanted if not any(t is x for x in given)]
    found = iter(values_of(k, given, asked, list(inputs)))
    fed = {id(t): value for t, value in zip(given, inputs)}
    values = [fed[id(t)] if id(t) in fed else next(found) for t in wanted]
    arrays = dict(zip(tensors, map(array_of, values)))
    at = len(tensors)
    for address, layer, takes in nested:
        arrays.update(record(k, layer, values[at : at + len(takes)], address + "/"))
        at += len(takes)
    return arrays


# ---- random weights and inputs ------------------------------------------------------------------


def draw(name, shape, rng):
    """A value for one weight, by its name, so that no activation dies or explodes."""
    name = re.sub(r"(_\d+)?(:\d+)?$", "", name.rsplit("/", 1)[-1])
    if name.endswith("kernel"):
        summed = shape[:-2] if name == "depthwise_kernel" else shape[:-1]
        return rng.standard_normal(shape) * np.sqrt(1.5 / max(np.prod(summed), 1))
    if name in ("embeddings", "mean", "vector_u"):
        return rng.standard_normal(shape)
    if name in ("moving_variance", "variance", "gamma", "attention_scale", "scale"):
        return rng.uniform(0.5, 1.5, shape)
    if name in ("alpha", "bias", "beta", "moving_mean"):
        return 0.3 * rng.standard_normal(shape)
    if name == "count":
        return np.zeros(shape)
    raise ValueError(f"no rule for a weight called {name!r}")


class Random:
    """numpy's old and new generators do not draw alike; this one draws the same in all."""

    def __init__(self, words):
        self.state = np.random.RandomState(zlib.crc32(words.encode()) ^ SEED)

    def standard_normal(self, shape):
        return self.state.standard_normal(shape).astype("float32")

    def uniform(self, low, high, shape):
        return self.state.uniform(low, high, shape).astype("float32")

    def integers(self, low, high, shape):
        return self.state.randint(low, high, shape)


def randomise(k, model, rng):
    for weight in model.weights:
        # A Normalization has taken over what it was adapted to, and keeps no eye on these.
        if re.search(r"(^|/)(mean|variance|count)(:\d+)?$", weight.name):
            continue
        old = k.backend.get_value(weight)
        k.backend.set_value(weight, draw(weight.name, old.shape, rng).astype(old.dtype))


def feed(tensor, rng):
    """Numbers for an input: whole ones below 7, with zeros at the end, where it takes such."""
    shape = tuple(
        n or 2
        for n in map(
            size, tensor.shape if not hasattr(tensor, "_keras_shape") else tensor._keras_shape
        )
    )
    dtype = getattr(tensor.dtype, "name", tensor.dtype).replace("_ref", "")
    name = tensor.name
    if dtype == "string":
        words = np.array(["b", "a", "zebra", "c c", ""])
        return words[rng.integers(0, len(words), shape)]
    if dtype.startswith("int") or "ids" in name:
        ids = rng.integers(1, 7, shape)
        if len(shape) > 1 and shape[1] > 2:
            ids[0, shape[1] - 2 :] = 0
        return ids.astype(dtype)
    if "pixels" in name:
        return rng.uniform(0, 255, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def size(n):
    return getattr(n, "value", n)


# ---- models -------------------------------------------------------------------------------------


class Cannot(Exception):
    """The framework has no such thing."""


MODELS = {}


def model_of(function):
    MODELS[function.__name__] = function
    return function


def known(k, *names):
    """The layers of these names, or `Cannot`."""
    for name in names:
        if not hasattr(k.layers, name):
            raise Cannot(name)
    return [getattr(k.layers, name) for name in names]


def takes(function, argument):
    return argument in inspect.signature(function).parameters


@model_of
def plain(k):
    """A Sequential without an InputLayer, all activations by name."""
    l, model = k.layers, k.models.Sequential()
    model.add(l.Dense(7, input_shape=(5,), activation="hard_sigmoid", name="first"))
    model.add(l.BatchNormalization(name="norm"))
    model.add(l.Dropout(0.5, name="drop"))
    for name in "elu selu softplus softsign relu tanh sigmoid linear".split():
        model.add(l.Dense(6, activation=name, name=name))
    model.add(l.Activation("hard_sigmoid", name="hard"))
    model.add(l.GaussianNoise(0.3, name="noise"))
    model.add(l.Reshape((2, 3), name="reshaped"))
    model.add(l.Permute((2, 1), name="turned"))
    model.add(l.Flatten(name="flat"))
    model.add(l.RepeatVector(3, name="repeated"))
    model.add(l.Dense(4, activation="softmax", use_bias=False, name="last"))
    return model


@model_of
def small(k):
    """A Sequential as most are."""
    l = k.layers
    return k.models.Sequential(
        [
            l.Dense(4, input_dim=3, activation="relu", name="one"),
            l.BatchNormalization(name="two", scale=False),
            l.Dense(2, activation="hard_sigmoid", name="three"),
        ]
    )


@model_of
def pictures(k):
    """Two dimensions: convolutions, pools, merges."""
    l = k.layers
    x = l.Input((8, 7, 3), name="x")
    a = l.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    b = l.SeparableConv2D(4, (3, 2), padding="same", depth_multiplier=2, name="separable")(x)
    c = l.Add(name="add")([a, b])
    d = l.Multiply(name="multiply")([a, c])
    e = l.Average(name="average")([c, d])
    e = l.Maximum(name="maximum")([e, b])
    f = l.Conv2D(5, 3, strides=(2, 1), use_bias=False, name="strided")(e)
    f = l.LeakyReLU(0.2, name="leaky")(f)
    g = l.Conv2DTranspose(3, 3, strides=2, padding="same", name="transposed")(f)
    g = l.PReLU(shared_axes=[1, 2], name="prelu")(g)
    h = l.Conv2D(3, 2, dilation_rate=2, name="dilated")(g)
    h = l.ELU(0.7, name="elu")(h)
    i = l.MaxPooling2D(2, padding="same", name="max")(h)
    j = l.AveragePooling2D((2, 3), strides=1, padding="same", name="mean")(i)
    m = l.ZeroPadding2D(((1, 0), (2, 1)), name="pad")(j)
    m = l.Cropping2D(((0, 1), (1, 1)), name="crop")(m)
    m = l.UpSampling2D((2, 1), name="up")(m)
    m = l.BatchNormalization(name="norm", center=False)(m)
    m = l.SpatialDropout2D(0.2, name="drop")(m)
    n = l.Concatenate(name="joined")(
        [l.GlobalAveragePooling2D(name="gap")(m), l.GlobalMaxPooling2D(name="gmp")(i)]
    )
    o = l.Dense(3, activation="softmax", name="out")(n)
    return k.models.Model(x, [o, l.Flatten(name="flat")(j)])


@model_of
def later_pictures(k):
    """What came after Keras 2.0.8."""
    (Depthwise,) = known(k, "DepthwiseConv2D")
    l = k.layers
    x = l.Input((3, 2, 2), name="x")
    y = Depthwise(3, depth_multiplier=2, padding="same", activation="hard_sigmoid", name="depth")(x)
    if hasattr(l, "ReLU"):
        relu = l.ReLU(
            1.5,
            **(
                {"negative_slope": 0.1, "threshold": 0.2}
                if takes(l.ReLU.__init__, "threshold")
                else {}
            ),
        )
        y = relu(y)
    if hasattr(l, "Softmax"):
        y = l.Softmax(axis=1, name="soft")(y)
    y = l.Conv2DTranspose(3, 2, strides=2, name="up", use_bias=False)(y)
    if "interpolation" in l.UpSampling2D().get_config():
        y = l.UpSampling2D(2, interpolation="bilinear", name="bilinear")(y)
    z = l.Subtract(name="less")([y, l.Activation("tanh", name="tanh")(y)])
    return k.models.Model(
        x,
        [
            z,
            l.Dot(axes=(1, 1), normalize=True, name="dot")(
                [l.Flatten(name="f1")(y), l.Flatten(name="f2")(z)]
            ),
        ],
    )


@model_of
def lines(k):
    """One dimension."""
    l = k.layers
    x = l.Input((9, 3), name="x")
    y = l.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu", name="causal")(x)
    z = l.Conv1D(4, 2, strides=2, padding="same", name="strided")(y)
    if hasattr(l, "SeparableConv1D"):
        z = l.SeparableConv1D(4, 3, padding="same", name="separable")(z)
    p = l.MaxPooling1D(2, padding="same", name="max")(y)
    p = l.AveragePooling1D(2, name="mean")(l.ZeroPadding1D(1, name="pad")(p))
    p = l.UpSampling1D(2, name="up")(l.Cropping1D((1, 0), name="crop")(p))
    q = l.concatenate(
        [l.GlobalMaxPooling1D(name="gmp")(z), l.GlobalAveragePooling1D(name="gap")(p)]
    )
    return k.models.Model(x, l.Dense(2, name="out")(q))


@model_of
def volumes(k):
    """Three dimensions."""
    l = k.layers
    x = l.Input((5, 6, 4, 2), name="x")
    y = l.Conv3D(3, (2, 3, 2), padding="same", activation="tanh", name="conv")(x)
    z = l.Conv3D(3, 2, strides=(1, 2, 1), name="strided")(y)
    if hasattr(l, "Conv3DTranspose"):
        z = l.Conv3DTranspose(2, 2, strides=2, name="transposed")(z)
    z = l.MaxPooling3D((2, 1, 2), name="max")(z)
    same = "valid" if k.backend.backend() == "theano" else "same"
    z = l.AveragePooling3D(2, padding=same, name="mean")(z)
    z = l.UpSampling3D(2, name="up")(l.ZeroPadding3D(1, name="pad")(z))
    z = l.Cropping3D(1, name="crop")(z)
    return k.models.Model(
        x, [l.GlobalAveragePooling3D(name="gap")(z), l.GlobalMaxPooling3D(name="gmp")(y)]
    )


@model_of
def words(k):
    """Recurrent layers as they come, over masked words."""
    l = k.layers
    ids = l.Input((6,), dtype="int32", name="ids")
    x = l.Embedding(7, 4, mask_zero=True, name="embedding")(ids)
    a = l.LSTM(3, return_sequences=True, name="lstm")(x)
    b = l.GRU(3, return_sequences=True, name="gru")(a)
    c = l.SimpleRNN(3, return_sequences=True, activation="relu", name="simple")(b)
    d = l.Bidirectional(l.LSTM(2, return_sequences=True), name="both")(c)
    e = l.Bidirectional(l.GRU(2, name="inner"), merge_mode="sum", name="summed")(d)
    f = l.TimeDistributed(l.Dense(2), name="each")(d)
    f = l.GRU(2, go_backwards=True, unroll=True, recurrent_activation="sigmoid", name="back")(f)
    g = l.LSTM(2, implementation=2, name="two")(x)
    return k.models.Model(ids, l.Dense(2, name="out")(l.concatenate([e, f, g], name="all")))


@model_of
def sequence(k):
    """A Sequential of words, whose first layer says how long they are."""
    l = k.layers
    return k.models.Sequential(
        [
            l.Embedding(7, 3, input_length=5, name="ids"),
            l.SpatialDropout1D(0.2, name="drop"),
            l.LSTM(4, recurrent_dropout=0.1, dropout=0.1, name="lstm"),
            l.Dense(2, activation="sigmoid", name="out"),
        ]
    )


@model_of
def states(k):
    """An encoder whose states a decoder begins with; cells; a stateful layer."""
    l = k.layers
    x, y = l.Input((4, 3), name="x"), l.Input((3, 2), name="y")
    _, h, c = l.LSTM(3, return_state=True, name="encoder")(x)
    z = l.LSTM(3, return_sequences=True, name="decoder")(y, initial_state=[h, c])
    _, g = l.GRU(3, return_state=True, name="second")(x)
    w = l.GRU(3, return_sequences=True, name="third")(z, initial_state=g)
    ends = (
        l.Bidirectional(l.LSTM(2, return_state=True), name="both")(w)
        if takes(l.Bidirectional.__init__, "backward_layer") or hasattr(l, "RNN")
        else [w]
    )
    out = ends[0] if isinstance(ends, (list, tuple)) else ends
    return k.models.Model([x, y], [out, w])


@model_of
def decoder(k):
    """Steps that are masked at the beginning, while states are given."""
    l = k.layers
    x, y = l.Input((3, 2), name="x"), l.Input((5, 2), name="y")
    h, c = (
        l.Dense(3, name="h")(l.Flatten(name="flat")(x)),
        l.Dense(3, name="c")(l.Flatten(name="flat_c")(x)),
    )
    masked = l.Masking(0.0, name="masked")(l.Activation("relu", name="rare")(y))
    options = {"return_sequences": True, "go_backwards": True}
    a = l.LSTM(3, name="lstm", return_sequences=True)(masked, initial_state=[h, c])
    b = l.GRU(3, name="gru", **options)(masked, initial_state=h)
    d = l.SimpleRNN(3, name="rolled", unroll=True, **options)(masked, initial_state=c)
    return k.models.Model([x, y], [a, b, d])


@model_of
def cells(k):
    """A cell, and several, in an RNN."""
    RNN, LSTMCell, GRUCell, SimpleRNNCell = known(k, "RNN", "LSTMCell", "GRUCell", "SimpleRNNCell")
    l = k.layers
    x = l.Input((4, 3), name="x")
    y = RNN([LSTMCell(2), GRUCell(3), SimpleRNNCell(2)], return_sequences=True, name="stack")(x)
    z = RNN(GRUCell(3), name="one")(y)
    return k.models.Model(x, [z, l.Bidirectional(RNN(LSTMCell(2)), name="both")(y)])


@model_of
def films(k):
    """Recurrent convolutions, and a layer on every frame."""
    l = k.layers
    x = l.Input((3, 5, 5, 2), name="x")
    y = l.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="convlstm")(x)
    z = l.TimeDistributed(l.Conv2D(2, 2, activation="relu"), name="each")(y)
    z = l.TimeDistributed(l.MaxPooling2D(2), name="pooled")(z)
    z = l.TimeDistributed(l.Flatten(), name="flat")(z)
    size = 3 if k.backend.backend() == "theano" else 2
    w = l.ConvLSTM2D(2, size, strides=2, recurrent_activation="sigmoid", name="last")(y)
    return k.models.Model(x, [l.LSTM(2, name="lstm")(z), w])


@model_of
def nested(k):
    """Models within models; what is not trained is kept elsewhere in their lists."""
    l = k.layers
    x = l.Input((4,), name="x")
    first = l.Dense(3, name="first")
    norm = l.BatchNormalization(name="norm")
    inner = k.models.Model(x, l.Dense(2, name="second")(norm(first(x))), name="inner")
    chain = (
        k.models.Sequential(name="chain")
        if takes(k.models.Sequential.__init__, "name")
        else k.models.Sequential()
    )
    chain.add(l.Dense(4, input_shape=(2,), activation="hard_sigmoid", name="one"))
    chain.add(l.BatchNormalization(name="two"))
    chain.add(l.Dense(3, name="three"))
    frozen = k.models.Sequential(
        [l.Dense(3, input_shape=(3,), name="four"), l.BatchNormalization(name="five")]
    )
    frozen.trainable = False
    a, b = l.Input((4,), name="a"), l.Input((4,), name="b")
    c, d = inner(a), inner(b)
    e = l.Concatenate(name="joined")([c, d])
    f = frozen(chain(l.Dense(2, name="half")(e)))
    t = l.TimeDistributed(inner, name="each")(
        l.Reshape((2, 4), name="two_steps")(l.Concatenate(name="both")([a, b]))
    )
    return k.models.Model([a, b], [f, t])


@model_of
def in_a_row(k):
    """Sequentials in a Sequential."""
    l = k.layers
    # In Keras 2.0 a Sequential in the list of another has no name in the file: this is ours.
    parts = [l.Dense(4, input_shape=(3,), name="one"), l.BatchNormalization(name="norm")]
    one = k.models.Sequential(parts, name="sequential")
    deep = k.models.Sequential([one, l.Dense(3, activation="tanh", name="two")])
    return k.models.Sequential([deep, l.Dense(2, name="three")])


@model_of
def shared(k):
    """One layer called three times, once on its own output."""
    l = k.layers
    a, b = l.Input((3,), name="a"), l.Input((3,), name="b")
    dense = l.Dense(3, activation="relu", name="dense")
    c, d = dense(a), dense(b)
    e = dense(l.Subtract(name="less")([c, d])) if hasattr(l, "Subtract") else dense(c)
    return k.models.Model([a, b], [l.Dot(1, name="dot")([c, d]), e])


@model_of
def first_channels(k):
    """Channels first, as far as a CPU computes them."""
    l = k.layers
    x = l.Input((2, 6, 6), name="x")
    y = l.ZeroPadding2D(1, data_format="channels_first", name="pad")(x)
    y = l.UpSampling2D(2, data_format="channels_first", name="up")(y)
    y = l.BatchNormalization(axis=1, name="norm")(y)
    z = l.GlobalAveragePooling2D(data_format="channels_first", name="gap")(y)
    return k.models.Model(x, [l.Dense(2, name="out")(z), l.Flatten(name="flat")(y)])


@model_of
def flipped(k):
    """All kernels that Theano turns round."""
    if k.backend.backend() != "theano":
        raise Cannot("Theano")
    l = k.layers
    x = l.Input((4, 5, 2), name="x")
    y = l.Conv2D(3, (3, 2), padding="same", activation="relu", name="conv")(x)
    y = l.Conv2D(3, (2, 3), strides=2, padding="same", name="strided")(
        l.ZeroPadding2D(2, name="pad")(y)
    )
    y = l.MaxPooling2D((3, 2), strides=(2, 1), padding="same", name="max")(
        l.UpSampling2D(2, name="up")(y)
    )
    y = l.Conv2DTranspose(3, 3, strides=(2, 1), padding="same", name="transposed")(y)
    y = l.Conv2DTranspose(2, (3, 2), name="transposed2")(y)
    s = l.Input((5, 3), name="s")
    t = l.Conv1D(3, 3, padding="causal", name="line")(s)
    if hasattr(l, "DepthwiseConv2D"):  # before, Keras had none on Theano
        y = l.SeparableConv2D(3, (3, 2), depth_multiplier=2, name="separable")(y)
        y = l.DepthwiseConv2D((3, 2), name="depth")(y)
        t = l.SeparableConv1D(3, 2, name="line2")(t)
    v = l.Input((4, 4, 5, 2), name="v")
    w = l.Conv3D(2, (2, 3, 2), name="volume")(v)
    f = l.Input((3, 4, 4, 2), name="f")
    g = l.ConvLSTM2D(2, (3, 1), padding="same", name="film")(f)
    h = l.TimeDistributed(l.Conv2D(2, (2, 3)), name="each")(f)
    inner = k.models.Model(x, l.Conv2D(2, 2, name="within")(x), name="inner")
    return k.models.Model([x, s, v, f], [y, t, w, g, h, inner(x)])


@model_of
def cudnn(k):
    """Layers for the cards of one maker: what they compute is that of plain ones."""
    if k.backend.backend() != "tensorflow":
        raise Cannot("cuDNN")
    if not hasattr(k.layers, "CuDNNLSTM") and k.__name__ != "keras":
        return __import__("tensorflow").compat.v1.keras.layers
    known(k, "CuDNNLSTM", "CuDNNGRU")
    return k.layers


def cudnn_with(k, lstm, gru, of_lstm, of_gru):
    l = k.layers
    x = l.Input((5, 3), name="x")
    y = lstm(4, return_sequences=True, name="lstm", **of_lstm)(x)
    y = l.Bidirectional(gru(3, return_sequences=True, **of_gru), name="both")(y)
    i = l.Input((5, 6), name="i")
    within = gru(2, return_sequences=True, name="within", **of_gru)(i)
    y = k.models.Model(i, l.BatchNormalization(name="norm")(within), name="inner")(y)
    y = lstm(3, name="last", **of_lstm)(y)
    return k.models.Model(x, l.Dense(2, name="out")(y))


@model_of
def time_major(k):
    """Time before batch."""
    l = k.layers
    if "time_major" not in inspect.getfullargspec(l.LSTM.__init__).args:
        raise Cannot("time_major")
    x = l.Input(batch_shape=(4, 2, 3), name="x")
    y = l.LSTM(3, time_major=True, return_sequences=True, name="lstm")(x)
    y = l.GRU(3, time_major=True, return_sequences=True, go_backwards=True, name="gru")(y)
    y = l.Bidirectional(l.LSTM(2, time_major=True, return_sequences=True), name="both")(y)
    z = (
        l.SimpleRNN(2, time_major=True, name="last")(y)
        if takes(l.SimpleRNN.__init__, "time_major")
        else l.LSTM(2, time_major=True, name="last")(y)
    )
    return k.models.Model(x, [y, z])


@model_of
def slashes(k):
    """Names as scopes make them."""
    l = k.layers
    x = l.Input((3,), name="x")
    y = l.Dense(4, name="block1/dense")(x)
    y = l.BatchNormalization(name="block1/norm")(y)
    return k.models.Model(x, l.Dense(2, name="block2/dense")(y))


@model_of
def constants(k):
    """A model that is in use with options that say nothing to its values."""
    l = k.layers
    x = l.Input((4,), name="x")
    y = l.Dense(
        3,
        kernel_regularizer=k.regularizers.l2(0.01),
        bias_initializer=k.initializers.Constant(0.2),
        kernel_constraint=k.constraints.max_norm(2.0),
        activity_regularizer=k.regularizers.l1(0.01),
        name="dense",
    )(x)
    y = l.ActivityRegularization(0.1, name="activity")(l.AlphaDropout(0.1, name="alpha")(y))
    z = l.GaussianDropout(0.1, name="gauss")(
        l.Masking(0.0, name="masking")(l.RepeatVector(2, name="rep")(y))
    )
    model = k.models.Model(x, l.LSTM(2, name="lstm")(z))
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    return model


# ---- models of tf.keras alone -------------------------------------------------------------------


@model_of
def attention(k):
    """Attentions and norms of tf.keras."""
    Attention, Additive, Norm = known(k, "Attention", "AdditiveAttention", "LayerNormalization")
    l = k.layers
    x, y = l.Input((4, 3), name="x"), l.Input((5, 3), name="y")
    a = Attention(use_scale=True, name="attention")([x, y])
    b = Additive(name="additive")([x, y, y])
    c = Norm(axis=[1, 2], name="norm")(l.Add(name="add")([a, b]))
    if hasattr(l, "MultiHeadAttention"):
        c = l.MultiHeadAttention(2, 3, value_dim=2, name="heads")(c, y)
    if hasattr(l, "EinsumDense"):
        c = l.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d", name="einsum")(c)
    for name in ("GroupNormalization", "UnitNormalization"):
        if hasattr(l, name):
            c = getattr(l, name)(**({"groups": 1} if name[0] == "G" else {}))(c)
    return k.models.Model([x, y], c)


@model_of
def masked_attention(k):
    """A MultiHeadAttention of words, some of which are masked, and what follows it."""
    (Heads,) = known(k, "MultiHeadAttention")
    l = k.layers
    x = l.Input((6,), name="ids")
    e = l.Embedding(7, 4, mask_zero=True, name="embed")(x)
    a = Heads(2, 3, name="heads")(e, e)
    return k.models.Model(x, [l.LSTM(3, name="of_heads")(a), l.GRU(2, name="sum")(l.Add()([a, e]))])


@model_of
def operations_more(k):
    """More functions of TensorFlow."""
    import tensorflow as tf

    if k.__name__ == "keras" or tf.__version__ < "2":
        raise Cannot("operations")
    l = k.layers
    x, y = l.Input((4, 3), name="x"), l.Input((4, 3), name="y")
    return k.models.Model(
        [x, y],
        [
            tf.reshape(x, (-1, 12)),
            x[:, :, 0],
            tf.unstack(tf.stack([x, y], axis=1), axis=1)[0],
            tf.clip_by_value(x, -0.5, 0.5),
            tf.squeeze(tf.expand_dims(x, 1), [1]),
            tf.exp(-tf.abs(x)) ** 2.0,
            tf.maximum(1.0 - tf.square(x), tf.zeros_like(y)),
            tf.nn.leaky_relu(x, 0.1),
            tf.math.l2_normalize(x, axis=-1),
            tf.norm(x, axis=-1),
            tf.argmax(x, axis=-1),
            tf.cumsum(x, axis=1),
            tf.tile(x, [1, 2, 1]),
            tf.reverse(x, [1]),
            tf.one_hot(tf.argmax(y, axis=-1), 3),
            tf.math.squared_difference(x, y),
            tf.reduce_max(x, axis=-1) - tf.reduce_min(y, axis=[2]),
            tf.reduce_sum(tf.sigmoid(x)) + tf.reduce_mean(y, axis=(1, 2)),
            tf.split(x, [1, 3], axis=1)[1],
            tf.image.resize(tf.expand_dims(x, -1), (6, 5)),
            tf.image.resize(tf.expand_dims(x, -1), (2, 5), method="nearest"),
            x[..., 1:, tf.newaxis],
            -x / (1.0 + tf.abs(y)) + 2.0**x,
            tf.logical_and(x > 0.1, tf.less_equal(y, 0.2)),
            tf.math.floormod(x, 0.3) + x // 0.4,
            tf.add_n([x, y, x]),
            tf.nn.gelu(x) if hasattr(tf.nn, "gelu") else tf.nn.elu(x),
            tf.roll(x, 1, axis=1),
            tf.pad(x, [[0, 0], [2, 1], [0, 0]], mode="REFLECT"),
            tf.reshape(x, [tf.shape(x)[0], 12]),
            tf.matmul(x, y, transpose_b=True),
            tf.math.top_k(x, 2)[0],
            tf.matmul(x, np.eye(3, 2, dtype="float32")),
            x * np.arange(3, dtype="float32"),
        ],
    )


@model_of
def half(k):
    """Mixed precision."""
    import tensorflow as tf

    if tf.__version__ < "2":
        raise Cannot("policies in its files")
    policy = getattr(tf.keras, "mixed_precision", None)
    policy = getattr(policy, "experimental", policy)
    if policy is None or not hasattr(policy, "Policy"):
        raise Cannot("policies")
    l = k.layers
    dtype = policy.Policy("mixed_float16")
    x = l.Input((4,), name="x")
    y = l.Dense(3, activation="relu", dtype=dtype, name="dense")(x)
    y = l.BatchNormalization(dtype=dtype, name="norm")(y)
    return k.models.Model(x, l.Dense(2, dtype="float32", name="out")(y))


@model_of
def preprocessing(k):
    """Layers that prepare pictures and categories."""
    l = k.layers
    p = getattr(getattr(l, "experimental", None), "preprocessing", None) or l
    p = l if hasattr(l, "Rescaling") else p
    if not hasattr(p, "Rescaling"):
        raise Cannot("Rescaling")
    x = l.Input((6, 6, 3), name="pixels")
    y = p.Rescaling(1 / 127.5, -1, name="rescaled")(x)
    y = p.Resizing(5, 4, name="resized")(y)
    y = p.CenterCrop(4, 4, name="cropped")(y)
    for name in ("RandomFlip", "RandomRotation", "RandomZoom"):
        if hasattr(p, name):
            y = getattr(p, name)(*(() if name == "RandomFlip" else (0.1,)))(y)
    norm = p.Normalization(axis=-1, name="normalized")
    norm.adapt(Random("norm").standard_normal((8, 4, 4, 3)))
    y = norm(y)
    return k.models.Model(x, y)


@model_of
def categories(k):
    """Layers that know words and bins."""
    l = k.layers
    p = (
        l
        if hasattr(l, "CategoryEncoding")
        else getattr(getattr(l, "experimental", None), "preprocessing", None)
    )
    if not hasattr(p, "CategoryEncoding"):
        raise Cannot("CategoryEncoding")
    ids = l.Input((3,), dtype="int32", name="ids")
    outs = []
    encode = p.CategoryEncoding
    for mode in (
        ("binary", "count") if not hasattr(l, "CategoryEncoding") else ("multi_hot", "count")
    ):
        size = {"max_tokens": 8} if takes(encode.__init__, "max_tokens") else {"num_tokens": 8}
        outs.append(encode(output_mode=mode, name=mode, **size)(ids))
    if hasattr(p, "Hashing"):
        outs.append(p.Hashing(5, name="hashed")(ids))
    return k.models.Model(ids, outs)


@model_of
def row(k):
    """Several layers of a kind, and some without weights between them."""
    l = k.layers
    return k.models.Sequential(
        [
            l.Dense(3, input_shape=(2,), activation="relu", name="d1"),
            l.Dropout(0.1, name="drop"),
            l.Dense(3, name="d2"),
            l.BatchNormalization(name="norm"),
            l.Dense(2, activation="softmax", name="d3"),
        ]
    )


@model_of
def parts(k):
    """Several layers of a kind in models and wrappers."""
    l = k.layers
    chain = k.models.Sequential(
        [
            l.Dense(3, input_shape=(2,), activation="relu", name="c1"),
            l.Dropout(0.1, name="drop1"),
            l.Dense(3, name="c2"),
        ],
        name="chain",
    )
    x = l.Input((3, 2), name="x")
    y = l.Bidirectional(l.LSTM(2), merge_mode="sum", name="both")(x)
    y = chain(y)
    for i in range(1, 7):  # numbers of two digits where each counts twice
        y = l.Dense(2, activation="tanh", name=f"d{i}")(y)
    return k.models.Model(x, y)


@model_of
def directions(k):
    """Both directions over masked words."""
    l = k.layers
    ids = l.Input((6,), dtype="int32", name="ids")
    x = l.Embedding(7, 3, mask_zero=True, name="embedding")(ids)
    x = l.Bidirectional(l.LSTM(2, return_sequences=True), name="sequence")(x)
    x = l.Bidirectional(l.SimpleRNN(2), merge_mode="sum", name="last")(x)
    return k.models.Model(ids, x)


@model_of
def spoken(k):
    """Lookups of words."""
    l = k.layers
    p = (
        l
        if hasattr(l, "StringLookup")
        else getattr(getattr(l, "experimental", None), "preprocessing", None)
    )
    if not hasattr(p, "StringLookup"):
        raise Cannot("StringLookup")
    s = l.Input((3,), dtype="string", name="s")
    y = p.StringLookup(vocabulary=["a", "b", "zebra"], name="words")(s)
    return k.models.Model(s, l.Embedding(6, 2, name="embedding")(y))


@model_of
def operations(k):
    """Functions of TensorFlow in a functional model."""
    import tensorflow as tf

    if k.__name__ == "keras" or tf.__version__ < "1.14":
        raise Cannot("operations")
    l = k.layers
    x, y = l.Input((4, 3), name="x"), l.Input((4, 3), name="y")
    a = x + y * 2.0 - 1.0
    b = tf.nn.relu(tf.matmul(a, y, transpose_b=True))
    c = tf.concat([x, y], axis=-1)
    d = tf.reduce_mean(c, axis=[1], keepdims=True)
    f = tf.transpose(x, perm=[0, 2, 1])
    g = x[:, 1:3, ::2]
    m = tf.cast(x > 0, "float32")
    n = tf.where(x > y, x, y) if tf.__version__ >= "2" else tf.compat.v2.where(x > y, x, y)
    r = tf.nn.softmax(x / 2.0)
    s = tf.split(c, 2, axis=2)[1]
    u = tf.pad(x, [[0, 0], [1, 1], [0, 2]])
    v = tf.gather(x, [1, 0], axis=1)
    return k.models.Model([x, y], [b, d, f, g, m, n, r, s, u, v])


@model_of
def many(k):
    """A list of layers that does not fit into one attribute (whose limit is lowered for it)."""
    if k.__name__ == "keras" or "tensorflow" not in sys.modules:
        raise Cannot("this script's way to the limit")
    tf = sys.modules["tensorflow"]
    if not tf.__version__.startswith("2.4"):
        raise Cannot("this script's way to the limit")
    importlib.import_module(
        "tensorflow.python.keras.saving.hdf5_format"
    ).HDF5_OBJECT_HEADER_LIMIT = 35
    l, model = k.layers, k.models.Sequential()
    for i, n in enumerate((3, 2)):
        model.add(
            l.Dense(n, activation="tanh", name=f"layer_{i}", **({} if i else {"input_shape": (2,)}))
        )
    model.add(l.BatchNormalization(name="normalization"))
    return model


# ---- files --------------------------------------------------------------------------------------

# What is kept of all that, by framework.
KEPT = {
    "keras-2.0.8": {"in_a_row": (".h5",), "small": (".json", ".yaml")},
    "keras-2.0.8-theano": {"flipped": (".h5",)},
    "keras-2.2.4": dict.fromkeys(("cudnn", "later_pictures", "decoder"), (".h5",)),
    "keras-2.3.1": dict.fromkeys(("nested", "directions", "decoder"), (".h5",)),
    "tf.keras-1.13.1": {"directions": (".h5",)},
    "tf.keras-1.15.0": {"attention": (".h5",)},
    "tf.keras-2.2.3": {"operations": (".h5",)},
    "tf.keras-2.4.4": dict.fromkeys(
        "operations time_major preprocessing categories many masked_attention".split(), (".h5",)
    ),
    "tf.keras-2.13.1": dict.fromkeys(("parts", "spoken"), (".keras",)),
    "tf.keras-2.14.0": {"row": (".keras",)},
}


def built(k, name, rng):
    """The model to be saved, with random weights, and the one that tells its values."""
    if name != "cudnn":
        model = MODELS[name](k)
        if not model.built:
            model.build((None, 3))
        randomise(k, model, rng)
        return model, model
    for kind in (cudnn(k).CuDNNLSTM, cudnn(k).CuDNNGRU):
        kind._process_batch = untold
    fast = cudnn_with(k, cudnn(k).CuDNNLSTM, cudnn(k).CuDNNGRU, {}, {})
    randomise(k, fast, rng)
    sigmoid = {"recurrent_activation": "sigmoid"}
    plain = cudnn_with(k, k.layers.LSTM, k.layers.GRU, sigmoid, dict(sigmoid, reset_after=True))
    convert(fast, plain)
    return fast, plain


def untold(layer, inputs, states):
    """In the place of what only runs on a card: something of the right shape."""
    backend = __import__("tensorflow")
    dot = backend.reshape(inputs[..., :1], (-1, 1)) * backend.zeros((1, layer.units))
    out = backend.reshape(dot, (-1, inputs.shape[1], layer.units))
    return out if layer.return_sequences else out[:, -1], states


def convert(fast, plain):
    """Keras's own conversion of cuDNN's weights into those of plain layers."""
    for module in (
        "keras.engine.saving",
        "tensorflow.python.keras.engine.saving",
        "tensorflow.python.keras.saving.hdf5_format",
        "keras.saving.hdf5_format",
        "keras.saving.legacy.hdf5_format",
        "keras.src.saving.legacy.hdf5_format",
    ):
        if module.startswith("keras") == fast.__class__.__module__.startswith("keras"):
            try:
                saving = importlib.import_module(module)
            except ImportError:
                continue
            if hasattr(saving, "preprocess_weights_for_loading"):
                break
    for one, other in zip(fast.layers, plain.layers):
        if hasattr(one, "layers"):
            convert(one, other)
        else:
            other.set_weights(saving.preprocess_weights_for_loading(other, one.get_weights(), "2"))


def make(k, name, folder, endings):
    rng = Random(name)
    model, telling = built(k, name, rng)
    feeds = [feed(tensor, rng) for tensor in inner_model(model).inputs]
    names = [re.sub(r":\d+$", "", t.name).split("/")[-1] for t in inner_model(model).inputs]
    arrays = record(k, telling, feeds)
    for address, value in arrays.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"{name}: {address} is not finite")
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {f"inputs/{n}": x for n, x in zip(names, feeds)}
    np.savez_compressed(str(folder / f"{name}.npz"), **dict(inputs, **arrays))
    made = []
    for ending in endings:
        path = folder / (name + ending)
        try:
            if ending in (".json", ".yaml"):
                path.write_text(model.to_json() if ending == ".json" else model.to_yaml())
                model.save_weights(str(folder / f"{name}.weights.h5"))
            else:
                model.save(str(path))
        except (AttributeError, NotImplementedError, RuntimeError, ValueError, TypeError) as error:
            print(f"  no {path.name}: {str(error)[:200]!r}")
            if path.exists():
                path.unlink()
            continue
        made.append(ending)
    print(f"{name}: {len(arrays)} values, {' '.join(made)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=["keras", "tf.keras"])
    parser.add_argument("--out")
    parser.add_argument("models", nargs="*")
    given = parser.parse_args()
    if given.framework == "keras":
        import keras as k

        title = "keras-" + k.__version__
        if k.backend.backend() == "theano":
            title += "-theano"
            k.backend.set_image_data_format("channels_last")
    else:
        import tensorflow as tf

        k, title = tf.keras, "tf.keras-" + tf.__version__
    folder = Path(given.out or OLD, title)
    version = [int(n) for n in title.split("-")[1].split(".")[:2]]
    for name in MODELS:
        endings = KEPT.get(title, {}).get(name, ())
        if given.out:
            endings = (".h5",) if "tf" not in title or version < [2, 12] else (".h5", ".keras")
            if name in ("small", "words", "nested", "operations", "operations_more"):
                endings += (".json", ".yaml") if version < [2, 6] else (".json",)
        if not endings or (given.models and name not in given.models):
            continue
        if k.backend.backend() == "tensorflow":
            k.backend.clear_session()
        if title.startswith("keras-2.0") or "theano" in title:
            k.backend.set_learning_phase(0)
        try:
            make(k, name, folder, endings)
        except Cannot as what:
            print(f"{name}: {title} has no {what}")
        except Exception as error:
            if not given.out:
                raise
            print(f"{name}: {title} cannot: {str(error)[:300]!r}")
    made = {"framework": title, "python": platform.python_version(), "numpy": np.__version__,
            "script": "weights_fixtures/make/old_keras2.py", "seed": SEED}  # fmt: skip
    for library in ("tensorflow", "theano", "h5py"):
        if library in sys.modules:
            made[library] = sys.modules[library].__version__
    text = json.dumps(made, indent=2, sort_keys=True)
    (folder / "made_with.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
