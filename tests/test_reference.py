"""Live against genuine Keras: every layer of models that Keras builds, saves and runs here.

pytest -m reference tests/test_reference.py        (needs the extra `reference`)
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from cases import FIXTURES
from live import compare, randomised, values

import npforward as npf
from npforward.verify import difference

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


def check(model, path, inputs):
    model.save(path)
    compare(values(model, inputs), path, inputs)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    ("name", "size"),
    [("MobileNetV2", 96), ("VGG16", 32), ("DenseNet121", 32), ("Xception", 71)],
)
def test_applications(name, size, ending, tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(size, size, 3), classes=10)
    x = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype("float32")
    check(randomised(model, 2), tmp_path / f"model.{ending}", [x])


def random_layer(x, rng, layers):
    """One layer of random options after `x`, or several and a shortcut around them."""

    def pick(*options):
        return options[rng.integers(len(options))]

    roomy = min(x.shape[1:3]) > 4
    common = {
        "padding": pick("same", "same", "valid") if roomy else "same",
        "activation": pick("relu", "gelu", "tanh", "elu", "silu", "hard_sigmoid", "softplus", None),
    }
    size = tuple(int(n) for n in rng.integers(1, 4, 2))
    strides = pick(1, 2) if roomy else 1
    return pick(
        lambda: layers.Conv2D(6, size, strides=strides, **common)(x),
        lambda: layers.Conv2D(6, size, dilation_rate=2, padding="same")(x),
        lambda: layers.DepthwiseConv2D(size, depth_multiplier=2, **common)(x),
        lambda: layers.SeparableConv2D(5, size, **common)(x),
        lambda: layers.Conv2DTranspose(4, size, strides=strides, **common)(x),
        lambda: layers.BatchNormalization()(x),
        lambda: layers.LayerNormalization(axis=pick(-1, [2, 3]))(x),
        lambda: layers.MaxPooling2D(2, strides=1, padding="same")(x),
        lambda: layers.AveragePooling2D(3, strides=2, padding="same")(x),
        lambda: layers.UpSampling2D(2, interpolation=pick("nearest", "bilinear"))(x),
        lambda: layers.PReLU(shared_axes=[1, 2])(x),
        lambda: layers.Add()([x, layers.Conv2D(x.shape[-1], 1)(x)]),
        lambda: layers.Concatenate()([x, layers.Dropout(0.5)(x)]),
    )()


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed, tmp_path):
    """Chains of layers with random options, joined by shortcuts."""
    import keras
    from keras import layers

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)

    x = start = keras.Input((int(rng.integers(9, 17)), int(rng.integers(9, 17)), 3), name="x")
    for _ in range(8):
        x = random_layer(x, rng, layers)
    y = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    z = layers.GlobalMaxPooling2D(keepdims=True)(x)
    model = randomised(keras.Model(start, [y, z]), seed)
    picture = rng.normal(size=(2, *start.shape[1:])).astype("float32")
    check(model, tmp_path / "model.keras", [picture])
    check(model, tmp_path / "model.h5", [picture])


def sequence_layer(x, rng, layers):
    """One layer of random options over a sequence."""

    def pick(*options):
        return options[rng.integers(len(options))]

    def recurrent():
        kind = pick(layers.LSTM, layers.GRU, layers.SimpleRNN)
        return kind(4, return_sequences=True, activation=pick("tanh", "relu", "sigmoid"))

    return pick(
        lambda: recurrent()(x),
        lambda: layers.Bidirectional(recurrent(), merge_mode=pick("concat", "sum", "ave"))(x),
        lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(5)], return_sequences=True)(x),
        lambda: layers.TimeDistributed(layers.Dense(5, activation="gelu"))(x),
        lambda: layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=pick(True, False)),
        lambda: layers.GroupQueryAttention(2, 4, 2)(x, x),
        lambda: layers.Add()([x, layers.Dense(x.shape[-1])(x)]),
        lambda: layers.Concatenate()([x, layers.Dropout(0.3)(x)]),
        lambda: layers.LayerNormalization()(x),
        lambda: layers.RMSNormalization()(x),
        lambda: layers.GroupNormalization(-1)(x),
        lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")(x),
    )()


@pytest.mark.parametrize("seed", range(6))
def test_random_sequence_networks(seed, tmp_path):
    """Recurrent layers, attention and normalisations on masked words."""
    import keras
    from keras import layers

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    start = keras.Input((int(rng.integers(3, 9)),), dtype="int32", name="words")
    x = layers.Embedding(7, 6, mask_zero=bool(rng.integers(2)))(start)
    for _ in range(5):
        x = sequence_layer(x, rng, layers)
    last = layers.LSTM(3) if rng.integers(2) else layers.GlobalAveragePooling1D()
    y = last(x)
    model = randomised(keras.Model(start, layers.Dense(2, activation="softmax")(y)), seed)
    words = rng.integers(0, 7, (4, *start.shape[1:]))
    words[0, -2:] = 0
    check(model, tmp_path / "model.keras", [words])


# Keras cannot open every file that it writes; where it cannot, the fixture says so.
OPENED = [
    path
    for path in sorted((FIXTURES / "models").glob("*/model.keras"))
    if "refused_by_keras"
    not in json.loads((path.parent / "meta.json").read_text())["files"][path.name]
]


@pytest.mark.parametrize("path", OPENED, ids=str)
def test_fixtures_on_new_inputs(path):
    import keras

    model = keras.models.load_model(path)
    rng = np.random.default_rng(3)
    opened = npf.load_model(path)
    inputs = {
        s.name: rng.random(
            (s.shape[0] or 3, *(n or 7 for n in s.shape[1:])), dtype="float32"
        ).astype(s.dtype)
        for s in opened.inputs
    }
    got = opened.predict(inputs)
    if len(inputs) == 1:
        (inputs,) = inputs.values()
    else:  # in the structure that this model takes
        inputs = keras.tree.map_structure(
            lambda t: inputs[t._keras_history.operation.name], model._inputs_struct
        )
    want = model(inputs, training=False)  # eagerly: graphs refuse some of the names
    for a, b in zip(_flat(got), _flat(want), strict=True):
        assert difference(a, np.asarray(b)).within


def _flat(tree):
    if isinstance(tree, dict):
        return [a for key in sorted(tree) for a in _flat(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [a for branch in tree for a in _flat(branch)]
    return [tree]
