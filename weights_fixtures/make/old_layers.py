"""Cases of layers that Keras 3 no longer has: weights_fixtures/layers/, as old Keras computes them.

    KERAS_BACKEND=tensorflow python weights_fixtures/make/old_layers.py

With Keras 1.2.2 it makes the classes that only Keras 1 had, with Keras 2.15 those that Keras 2 had
as well.  A case's config is what that Keras writes; the file says which it is.
"""

import gzip
import importlib
import inspect
import io
import json
import os
import zlib
from pathlib import Path

import numpy as np

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

OUT = Path(__file__).resolve().parents[1] / "layers"
SEED = 53
# What says nothing of what a layer computes.
IGNORED = ("weights", "input_dim", "input_length", "momentum", "node_indices", "tensor_indices")
# Of a Merge by other modes, which have other classes today.
IGNORED += ("concat_axis", "output_shape", "output_mask", "arguments", "layers")
IGNORED_ENDINGS = ("init", "_initializer", "_regularizer", "_constraint")

# Key in npforward's registry -> (class of the time, [(input shapes, options), ...]).
KERAS_1 = {
    "MaxoutDense": (
        "MaxoutDense",
        [
            ([(3, 4)], {"output_dim": 2}),
            ([(2, 3)], {"output_dim": 4, "nb_feature": 3, "bias": False}),
        ],
    ),
    "Highway": (
        "Highway",
        [
            ([(3, 4)], {}),
            ([(2, 3)], {"activation": "relu", "bias": False}),
            ([(2, 5)], {"activation": "hard_sigmoid"}),
        ],
    ),
    "ParametricSoftplus": ("ParametricSoftplus", [([(3, 4)], {}), ([(2, 3, 2, 2)], {})]),
    "SReLU": ("SReLU", [([(4, 5)], {}), ([(2, 3, 2, 2)], {})]),
    "SamplewiseNormalization": (
        "BatchNormalization",
        [
            ([(3, 4)], {"mode": 1}),
            ([(2, 3, 4)], {"mode": 1, "epsilon": 0.1}),
            ([(2, 4, 3, 4)], {"mode": 1, "axis": 1}),
        ],
    ),
    "BatchwiseNormalization": (
        "BatchNormalization",
        [
            ([(4, 3)], {"mode": 2}),
            ([(2, 3, 4)], {"mode": 2, "axis": 1, "epsilon": 0.1}),
            ([(2, 2, 3, 2)], {"mode": 2, "axis": -1}),
        ],
    ),
    "Merge": (
        "Merge",
        [
            ([(3, 4), (3, 4)], {"mode": "cos", "dot_axes": 1}),
            ([(2, 3, 4), (2, 3, 4)], {"mode": "cos", "dot_axes": [2, 2]}),
        ],
    ),
}
FIRST = {"data_format": "channels_first"}
SAME = {"padding": "same"}
APART = [{"implementation": 2}, dict(SAME, implementation=2), dict(SAME, **FIRST, implementation=2)]
APART += [dict(FIRST, implementation=3), dict(SAME, implementation=3)]
APART += [dict(SAME, **FIRST, implementation=3)]


def local(options, *space):
    """A case of a layer over an input of two channels."""
    first = "data_format" in options
    return ([(2, 2, *space) if first else (2, *space, 2)], dict(options, filters=2))


KERAS_2 = {
    "LocallyConnected1D": (
        "LocallyConnected1D",
        [
            local({"kernel_size": 3}, 6),
            local({"kernel_size": 2, "strides": 2, "use_bias": False}, 7),
            local(dict(FIRST, kernel_size=2, activation="relu"), 4),
            *(local(dict(more, kernel_size=3, strides=2), 6) for more in APART),
        ],
    ),
    "LocallyConnected2D": (
        "LocallyConnected2D",
        [
            local({"kernel_size": (2, 3)}, 3, 4),
            local({"kernel_size": 2, "strides": (2, 1), "use_bias": False}, 4, 3),
            local(dict(FIRST, kernel_size=2, activation="tanh"), 3, 4),
            *(local(dict(more, kernel_size=(3, 2), strides=(1, 2)), 3, 4) for more in APART),
        ],
    ),
}


def random_weight(name, shape, rng):
    """Some SReLU slopes are below 0: there Theano and TensorFlow part."""
    positive = "std" in name or "gamma" in name or "variance" in name
    return rng.uniform(0.4, 1.4, shape) if positive else rng.normal(0, 0.6, shape)


def by_keras_1(class_name, options, inputs, rng):
    """Config, weights and output of a layer of Keras 1."""
    import old_keras1 as old

    taken = [old.L.Input(x.shape[1:]) for x in inputs]
    layer = getattr(old.L, class_name)(name="layer", **options)
    y = layer(taken if len(taken) > 1 else taken[0])
    arrays = []
    for weight in layer.weights:
        shape = old.K.get_value(weight).shape
        old.K.set_value(weight, random_weight(weight.name, shape, rng).astype("float32"))
        arrays.append((weight.name.split(":")[0].replace("layer_", ""), old.K.get_value(weight)))
    (output,) = old.evaluated(taken, [y], inputs)
    return layer.get_config(), arrays, output


def by_keras_2(class_name, options, inputs, rng):
    """The same of one of Keras 2."""
    import keras

    layer = getattr(keras.layers, class_name)(name="layer", **options)
    layer(inputs[0])
    for weight in layer.weights:
        weight.assign(random_weight(weight.name, weight.shape, rng))
    arrays = [(w.name.split("/")[-1].split(":")[0], w.numpy()) for w in layer.weights]
    return layer.get_config(), arrays, layer(inputs[0]).numpy()


def text(value):
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def recorded(class_name, lines, compute, backend):
    """The cases of one class, and their arrays."""
    cases, arrays = [], {}
    for at, (shapes, options) in enumerate(lines):
        said = [f"{key}_{text(options[key])}" for key in sorted(options)]
        name = "-".join(said + [text(shape) for shape in shapes])
        rng = np.random.RandomState([SEED, zlib.crc32((class_name + name).encode()) & 0x7FFFFFFF])
        inputs = [rng.normal(size=shape).astype("float32") for shape in shapes]
        config, weights, output = compute(class_name, options, inputs, rng)
        arrays[f"{at}.out"] = output
        leaves = []
        for i, x in enumerate(inputs):
            arrays[f"{at}.in{i or ''}"] = x
            leaves.append({"array": f"{at}.in{i or ''}"})
        held = []
        for i, (weight, array) in enumerate(weights):
            key = f"{at}.{i}.{weight}"
            arrays[key] = array
            held.append({"name": weight, "path": f"vars/{i}", "array": key})
        cases.append(
            {
                "id": name,
                "backend": backend,
                "class_name": class_name,
                "config": config,
                "args": leaves if len(leaves) == 1 else [leaves],
                "kwargs": {},
                "weights": held,
                "outputs": {"array": f"{at}.out"},
            }
        )
    return cases, arrays


def constructor(cls, cases):
    """The arguments of a class, as constructors.json lists them; not those for training alone."""
    kinds = {"required": [], "optional": {}, "not_saved": []}
    for name, argument in inspect.signature(cls.__init__).parameters.items():
        if name in ("self", *IGNORED) or name.endswith(IGNORED_ENDINGS):
            continue
        if argument.kind is argument.VAR_KEYWORD:
            continue
        if not any(name in case["config"] for case in cases):
            kinds["not_saved"].append(name)
        elif argument.default is argument.empty:
            kinds["required"].append(name)
        else:
            kinds["optional"][name] = argument.default
    return kinds


def main():
    keras = importlib.import_module("keras")
    version, backend, layers = keras.__version__, "tensorflow", keras.layers
    if version.startswith("1."):
        table, compute, backend = KERAS_1, by_keras_1, keras.backend._BACKEND
    else:
        table, compute = KERAS_2, by_keras_2
    listed = OUT / "constructors.json"
    known = json.loads(listed.read_text())
    for key, (class_name, lines) in table.items():
        cases, arrays = recorded(class_name, lines, compute, backend)
        head = json.dumps({"class_name": class_name, "keras": version})[:-1]
        body = ",\n".join(json.dumps(case) for case in cases)
        told = f'{head}, "cases": [\n{body}\n]}}\n'
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", 9, packed, 0) as file:  # without a date
            file.write(told.encode())
        (OUT / f"{key}.json.gz").write_bytes(packed.getvalue())
        np.savez_compressed(str(OUT / f"{key}.npz"), **arrays)
        known[key] = constructor(getattr(layers, class_name), cases)
        print(f"{key}: {len(cases)} cases")
    rows = ",\n".join(f'"{name}": {json.dumps(known[name])}' for name in sorted(known))
    listed.write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
