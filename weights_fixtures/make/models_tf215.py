"""The fixture models as tf.keras 2.15 builds, saves and computes them: weights_fixtures/models/.

    PYTHONPATH=. python weights_fixtures/make/models_tf215.py [MODEL ...]

Needs TensorFlow 2.15, and the files that models.py made: their weights are taken from model.h5.
"""

import json
import os
import sys
import zlib
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import architectures
import golden
import numpy as np
import tensorflow as tf
from random_weights import random_weight

OUT = Path(__file__).parents[1] / "models"
SCRIPT = "weights_fixtures/make/models_tf215.py"
SEED = 20
WITHOUT = {  # tf.keras 2.15 cannot make these
    "multi_io": "a space and a letter outside ASCII in names",
    "odd_names": "a space and a letter outside ASCII in names",
    "transformer_ops": "it has no keras.ops",
    "norms": "it has no RMSNormalization",
    "nested_shared": "its .h5 confuses the calls of a layer that several models share",
}
DIFFERENT = {  # the values that it computes otherwise than Keras 3, which ...
    # ... ignores the mask of a recurrent layer that is called with initial states
    "seq2seq": {"decoder", "decoder#1", "decoder#2", "attention", "both", "word"},
    # ... has sigmoid, and not hard_sigmoid, for ConvLSTM2D's recurrent_activation by default
    "convlstm": {"convlstm1", "norm", "convlstm2", "conv"},
    # ... takes a merged step for masked if it is so in all inputs, and not in any
    "masking": {
        "of_added", "lost", "of_lost", "average", "of_joined", "values", "answer",
    },
}  # fmt: skip


def random_model(model, folder):
    """Random weights, and inputs, for a model that Keras 3 cannot make; the folder for it."""
    rng = np.random.default_rng([SEED, zlib.crc32(model.name.encode())])
    for variable in model.weights:
        name = variable.name.rsplit("/", 1)[-1].removesuffix(":0")
        variable.assign(random_weight(name, variable.shape, rng))
    folder.mkdir(exist_ok=True)
    return {
        tensor.node.layer.name: rng.standard_normal((2, *tensor.shape[1:]), "float32")
        for tensor in model.inputs
    }


def same(name, arrays, recorded):
    """Refuse to go on unless the values that differ from Keras 3's are those that should."""
    expected = [key for key in recorded if not key.startswith("inputs/")]
    if sorted(arrays) != sorted(expected):
        raise SystemExit(f"{name}: other values than Keras 3: {set(arrays) ^ set(expected)}")
    different = {
        address
        for address, value in arrays.items()
        if not np.allclose(value, recorded[address], rtol=1e-4, atol=1e-4)
    }
    if different != DIFFERENT.get(name, set()):
        raise SystemExit(f"{name}: differs from Keras 3 in {sorted(different)}")


def same_again(model, path, feeds):
    """tf.keras itself must get the same numbers from the file, else the file is no fixture."""
    model.reset_states()
    for y, z in zip(
        *(
            tf.nest.flatten(m(tf.nest.pack_sequence_as(m._nested_inputs, list(feeds.values()))))
            for m in (model, tf.keras.models.load_model(path, compile=False))
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(y, z, err_msg=str(path))


def make(build):
    """One model's files, if tf.keras and Keras 3 agree about what the model computes."""
    keras, name = tf.keras, build.__name__
    folder = OUT / name
    model = build(keras)
    if not model.built:
        model.build((None, None, 3))
    meta = {"name": name, "description": build.__doc__.strip(), "seed": SEED, "files": {}}
    if build is architectures.slash_names:
        feeds = random_model(model, folder)
    else:
        meta = json.loads((folder / "meta.json").read_text())
        model.load_weights(folder / "model.h5", by_name=True)
    files = ["model_tf215.h5"]
    for part in "", "_second":
        if (folder / f"golden{part}.npz").exists():
            recorded = dict(np.load(folder / f"golden{part}.npz"))
            names = [tensor.node.layer.name for tensor in model.inputs]
            if build is architectures.unbuilt:  # it finds its own name for the input
                for found, to in (
                    ("input_layer", names[0]),
                    ("inputs/keras_tensor", f"inputs/{names[0]}"),
                ):
                    recorded[to] = recorded.pop(found)
            feeds = {name: recorded[f"inputs/{name}"] for name in names}
        elif part:
            continue
        arrays = golden.record(keras, model, list(feeds.values()))
        golden.check(name, arrays)
        if build is not architectures.slash_names:
            same(name, arrays, recorded)
        files.append(f"golden{part}_tf215.npz")
        golden.save(folder / files[-1], feeds, arrays)
    model.save(folder / "model_tf215.h5", save_format="h5")
    same_again(model, folder / "model_tf215.h5", feeds)
    for file in files:
        meta["files"][file] = {"framework": f"tf.keras {tf.__version__}", "script": SCRIPT}
        if name in DIFFERENT and file.startswith("golden"):
            meta["files"][file]["differs_from_keras_3"] = sorted(DIFFERENT[name])
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n")
    print(f"{name}: {model.count_params()} parameters, {len(arrays)} values")


if __name__ == "__main__":
    for build in architectures.ALL:
        wanted = build.__name__ in sys.argv[1:] or not sys.argv[1:]
        if wanted and build.__name__ not in WITHOUT:
            make(build)
