"""A model with layers whose code is not in its file: weights_fixtures/custom/.

PYTHONPATH=. python weights_fixtures/make/custom.py
"""

import os
import warnings
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import golden
import keras
import numpy as np
from random_weights import random_weight

OUT = Path(__file__).parents[1] / "custom"


@keras.saving.register_keras_serializable("shop")
class Mix(keras.layers.Layer):
    """x W scale + shift: two variables, an option, and a mask that it ignores."""

    def __init__(self, units, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.scale = units, scale

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.shift = self.add_weight(shape=(self.units,), name="bias")

    def call(self, x):
        return keras.ops.matmul(x, self.w) * self.scale + self.shift

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "scale": self.scale}


@keras.saving.register_keras_serializable("shop")
class Halves(keras.layers.Layer):
    """Two outputs, no variables."""

    def call(self, x):
        return x[..., ::2], x[..., 1::2]


@keras.saving.register_keras_serializable("shop")
def bent(x):
    return keras.ops.where(x > 0, x, x * x)


def build():
    layers = keras.layers
    x = keras.Input((6, 4), name="x")
    y = layers.Dense(6, activation=bent, name="bent_dense")(x)
    y = layers.TimeDistributed(Mix(5, name="each"), name="steps")(y)
    y = Mix(8, scale=0.5, name="mix")(y)
    a, b = Halves(name="halves")(y)
    y = layers.Lambda(lambda t, by: t / by, arguments={"by": 3.0}, name="thirds")(a)
    y = layers.Lambda(keras.ops.mean, arguments={"axis": 1}, name="mean")(y)
    inner = keras.Sequential([keras.Input((6, 4)), Mix(3, name="deep")], name="inner")
    z = layers.Lambda(keras.activations.relu, name="positive")(inner(b))
    z = layers.Activation(bent, name="bent")(z)
    z = layers.Flatten(name="flat")(z)
    return keras.Model(x, layers.Concatenate(name="both")([y, z]), name="custom")


def main():
    OUT.mkdir(exist_ok=True)
    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    model = build()
    for variable in model.variables:
        variable.assign(random_weight(variable.name, variable.shape, rng))
    x = rng.standard_normal((3, 6, 4), "float32")
    arrays = golden.record(keras, model, [x])
    golden.check("custom", arrays)
    golden.save(OUT / "golden.npz", {"x": x}, arrays)
    for ending in "keras", "h5":
        model.save(OUT / f"model.{ending}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
