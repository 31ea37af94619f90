"""The fixture models as tf.keras 2.15 builds, saves and computes them: weights_fixtures/models/.

    PYTHONPATH=. python weights_fixtures/make/models_tf215.py [MODEL ...]

Needs TensorFlow 2.15, and the files that models.py made: their weights are taken from model.h5.
"""

import json
import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import architectures
import golden
import numpy as np
import tensorflow as tf

OUT = Path(__file__).parents[1] / "models"
SCRIPT = "weights_fixtures/make/models_tf215.py"


def make(build):
    """One model's two files, if tf.keras and Keras 3 agree about what the model computes."""
    keras, name = tf.keras, build.__name__
    folder = OUT / name
    model = build(keras)
    model.load_weights(folder / "model.h5")
    recorded = np.load(folder / "golden.npz")
    names = [tensor.node.layer.name for tensor in model.inputs]
    feeds = {name: recorded[f"inputs/{name}"] for name in names}
    arrays = golden.record(keras, model, list(feeds.values()))
    expected = [key for key in recorded.files if not key.startswith("inputs/")]
    if sorted(arrays) != sorted(expected):
        raise SystemExit(f"{name}: other values than Keras 3: {set(arrays) ^ set(expected)}")
    for address, value in arrays.items():
        np.testing.assert_allclose(
            value, recorded[address], rtol=1e-4, atol=1e-4, err_msg=f"{name}: {address}"
        )
    golden.save(folder / "golden_tf215.npz", feeds, arrays)
    model.save(folder / "model_tf215.h5", save_format="h5")
    meta = json.loads((folder / "meta.json").read_text())
    for file in "model_tf215.h5", "golden_tf215.npz":
        meta["files"][file] = {"framework": f"tf.keras {tf.__version__}", "script": SCRIPT}
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n")
    print(f"{name}: {model.count_params()} parameters, {len(arrays)} values")


if __name__ == "__main__":
    for build in architectures.ALL:
        # tf.keras refuses multi_io's layer names: a space, a letter outside ASCII.
        wanted = build.__name__ in sys.argv[1:] or not sys.argv[1:]
        if wanted and build is not architectures.multi_io:
            make(build)
