"""Models of keras.applications without their weights: weights_fixtures/applications/.

A file has the architecture, of each array its place, shape and kind (which `drawn_weights` makes
into numbers), and what Keras computes with those: a summary of every layer, and the whole output.

    python weights_fixtures/make/applications.py [NAME ...]
"""

import gzip
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import golden
import keras
import numpy as np
from drawn_weights import drawn, picture, scaled, summary
from keras import layers
from keras.src.applications.convnext import ConvNeXt, LayerScale
from recorder import places

OUT = Path(__file__).parents[1] / "applications"


def small_convnext(**options):
    """All of ConvNeXt's parts, but few."""
    return ConvNeXt([1, 1, 2, 1], [16, 24, 32, 48], name="convnext_small", **options)


# Name of the file -> how it is built, and the size of its pictures.
SMALL = {
    "MobileNet": (keras.applications.MobileNet, {"alpha": 0.25}, (48, 40)),
    "MobileNetV2": (keras.applications.MobileNetV2, {"alpha": 0.35}, (40, 48)),
    "MobileNetV3Small": (keras.applications.MobileNetV3Small, {"alpha": 0.75}, (40, 48)),
    "NASNetMobile": (keras.applications.NASNetMobile, {}, (96, 64)),
    "EfficientNetB0": (keras.applications.EfficientNetB0, {}, (48, 48)),
    "EfficientNetV2B0": (keras.applications.EfficientNetV2B0, {}, (48, 48)),
    "ConvNeXt": (small_convnext, {}, (32, 40)),
}


def scaled_inside(model):
    """Whether the model takes pixel values: it scales them itself."""
    kinds = (layers.Rescaling, layers.Normalization)
    return any(isinstance(layer, kinds) for layer in model._flatten_layers())


def kind(layer, variable):
    """Which rule of `drawn_weights` an array of a layer follows."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return {"kernel": "depthwise_kernel"}.get(variable.name, variable.name)
    if isinstance(layer, LayerScale):
        return "layer_scale"
    return "gamma_of_branch" if variable.name == "gamma" and of_branch(layer) else variable.name


def of_branch(layer):
    """Whether a normalisation is the last of a branch that is added to others."""
    for node in layer._outbound_nodes:
        after = node.operation
        if isinstance(after, layers.Dropout) and of_branch(after):
            return True
        if type(after).__name__ == "Add":
            return True
    return False


def owned(model):
    """Every array of a model with the layer that holds it."""
    for layer in model._flatten_layers(include_self=False):
        if not list(layer._flatten_layers(include_self=False)):
            yield from ((layer, variable) for variable in layer.weights)


def fill(model, seeds, scales):
    """Give every array its drawn value; `seeds` are their words, `scales` those of its layer."""
    for layer, variable in owned(model):
        value = drawn(kind(layer, variable), variable.shape, seeds(layer, variable))
        if value is not None:
            variable.assign(scaled(value, variable.name, scales.get(layer.name, 1)))
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()


def calibrated(model, seeds, x):
    """Draw all arrays such that signals neither die nor explode, on pictures like `x`.

    A first run in training mode finds how large the numbers are that each BatchNormalization meets;
    its stored statistics are then drawn about that scale.  -> layer name: that scale
    """
    norms = [a for a in model._flatten_layers() if isinstance(a, layers.BatchNormalization)]
    fill(model, seeds, {})
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # the moving statistics become those of this run
    model(x, training=True)
    scales = {}
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        second = norm.moving_variance + keras.ops.square(norm.moving_mean)
        scales[norm.name] = float(f"{float(keras.ops.mean(second)):.3g}")
    fill(model, seeds, scales)
    return scales


def main(names):
    OUT.mkdir(exist_ok=True)
    for name in names:
        build, options, size = SMALL[name]
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
        model = build(weights=None, input_shape=(*size, 3), classes=10, **options)
        where = {id(v): path for v, path in reversed(places(model))}  # the first of two
        x = picture((2, *size, 3), scaled_inside(model))

        def seeds(layer, variable, where=where):
            return where[id(variable)]

        more = picture((6, *size, 3), scaled_inside(model))
        scales = calibrated(model, seeds, more)
        arrays = golden.record(keras, model, [x])
        golden.check(name, arrays)
        weights = [
            [where[id(v)], kind(layer, v), list(v.shape), scales.get(layer.name, 1)]
            for layer, v in owned(model)
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            with zipfile.ZipFile(path) as members:
                config = json.loads(members.read("config.json"))
        config.pop("compile_config", None)
        described = {
            "keras": keras.__version__,
            "scaled_inside": scaled_inside(model),
            "shape": list(x.shape),
            "weights": weights,
            "values": list(arrays),
            "config": config,
        }
        text = json.dumps(described, separators=(",", ":"))
        (OUT / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        output = np.asarray(model(x, training=False))
        summaries = np.stack([summary(value) for value in arrays.values()])
        np.savez_compressed(OUT / f"{name}.npz", output=output, summaries=summaries)
        bytes_ = sum((OUT / f"{name}{ending}").stat().st_size for ending in (".json.gz", ".npz"))
        print(f"{name}: {len(arrays)} values, {model.count_params()} parameters, {bytes_} bytes")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SMALL))
