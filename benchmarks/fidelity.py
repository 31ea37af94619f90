"""How exact each layer is: our float32 error over that of Keras on TensorFlow, as a table.

The truth is our own float64 run of the same layer, with the same float32 inputs and weights.

    python benchmarks/fidelity.py                the recorded cases; needs no framework
    python benchmarks/fidelity.py --live         larger arrays, computed now; needs ``[bench]``

An error is the root mean square over a case of what is wrong, in units of the last place of its
largest number; a ratio is that of all cases of a class together.  Where both are below a tenth of
such a unit they are rounding's own, and count as equal.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
NEGLIGIBLE = 0.1  # units in the last place

SPACE = (8, 24, 24, 32)
STEPS = (8, 30, 32)
VIDEO = (2, 6, 10, 10, 8)
# Class -> options, and the shape of its inputs; activations have each a line of their own.
LARGE = {
    "Dense": ({"units": 128}, [(64, 256)]),
    "EinsumDense": ({"equation": "abc,cde->abde", "output_shape": (None, 8, 16)}, [STEPS]),
    "Conv1D": ({"filters": 48, "kernel_size": 5}, [(8, 100, 32)]),
    "Conv2D": ({"filters": 48, "kernel_size": 3}, [SPACE]),
    "Conv2D groups": ({"filters": 48, "kernel_size": 3, "groups": 4}, [SPACE]),
    "Conv3D": ({"filters": 16, "kernel_size": 3}, [VIDEO]),
    "Conv1DTranspose": ({"filters": 16, "kernel_size": 5, "strides": 2}, [(4, 50, 32)]),
    "Conv2DTranspose": ({"filters": 16, "kernel_size": 3, "strides": 2}, [SPACE]),
    "Conv3DTranspose": ({"filters": 8, "kernel_size": 3, "strides": 2}, [VIDEO]),
    "DepthwiseConv1D": ({"kernel_size": 7}, [(8, 100, 32)]),
    "DepthwiseConv2D": ({"kernel_size": 5}, [SPACE]),
    "SeparableConv1D": ({"filters": 32, "kernel_size": 5}, [(8, 100, 32)]),
    "SeparableConv2D": ({"filters": 32, "kernel_size": 3}, [SPACE]),
    "AveragePooling1D": ({"pool_size": 7}, [(8, 100, 32)]),
    "AveragePooling2D": ({"pool_size": 5}, [SPACE]),
    "AveragePooling3D": ({"pool_size": 3}, [VIDEO]),
    "GlobalAveragePooling1D": ({}, [(8, 2000, 32)]),
    "GlobalAveragePooling2D": ({}, [SPACE]),
    "GlobalAveragePooling3D": ({}, [VIDEO]),
    "AdaptiveAveragePooling1D": ({"output_size": 7}, [(8, 100, 32)]),
    "AdaptiveAveragePooling2D": ({"output_size": 5}, [SPACE]),
    "AdaptiveAveragePooling3D": ({"output_size": 3}, [VIDEO]),
    "UpSampling2D": ({"size": 4, "interpolation": "bilinear"}, [(2, 16, 16, 8)]),
    "UpSampling2D bicubic": ({"size": 4, "interpolation": "bicubic"}, [(2, 16, 16, 8)]),
    "UpSampling2D lanczos5": ({"size": 4, "interpolation": "lanczos5"}, [(2, 16, 16, 8)]),
    "BatchNormalization": ({}, [SPACE]),
    "LayerNormalization": ({}, [(64, 512)]),
    "LayerNormalization axes": ({"axis": [1, 2, 3]}, [SPACE]),
    "GroupNormalization": ({"groups": 4}, [SPACE]),
    "RMSNormalization": ({}, [(64, 512)]),
    "UnitNormalization": ({}, [(64, 512)]),
    "Softmax": ({}, [(64, 1000)]),
    "PReLU": ({}, [(8, 500)]),
    "ELU": ({}, [(8, 5000)]),
    "Add": ({}, [(8, 500)] * 4),
    "Average": ({}, [(8, 500)] * 5),
    "Multiply": ({}, [(8, 500)] * 4),
    "Subtract": ({}, [(8, 500)] * 2),
    "Dot": ({"axes": 2}, [STEPS, STEPS]),
    "Dot normalized": ({"axes": 2, "normalize": True}, [STEPS, STEPS]),
    "Rescaling": ({"scale": 1 / 255, "offset": -0.3}, [(8, 500)]),
    "LayerScale": ({"init_values": 1, "projection_dim": 500}, [(8, 500)]),
    "CustomScaleLayer": ({"scale": 0.17}, [(8, 500)] * 2),
    "Attention": ({"use_scale": True}, [STEPS, STEPS]),
    "Attention concat": ({"score_mode": "concat"}, [STEPS, STEPS]),
    "AdditiveAttention": ({}, [STEPS, STEPS]),
    "MultiHeadAttention": ({"num_heads": 4, "key_dim": 16}, [STEPS, STEPS]),
    "GroupQueryAttention": (
        {"head_dim": 16, "num_query_heads": 4, "num_key_value_heads": 2},
        [STEPS, STEPS],
    ),
    "LSTM": ({"units": 48, "return_sequences": True}, [STEPS]),
    "GRU": ({"units": 48, "return_sequences": True}, [STEPS]),
    "GRU reset before": ({"units": 48, "return_sequences": True, "reset_after": False}, [STEPS]),
    "SimpleRNN": ({"units": 48, "return_sequences": True}, [STEPS]),
    "ConvLSTM1D": ({"filters": 8, "kernel_size": 3, "padding": "same"}, [(4, 6, 20, 8)]),
    "ConvLSTM2D": ({"filters": 8, "kernel_size": 3, "padding": "same"}, [VIDEO]),
}
IN_A_LIST = "Add Average Multiply Subtract Dot CustomScaleLayer Attention AdditiveAttention".split()


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """The root mean square error, in units in the last place of the largest number."""
    largest = np.max(np.abs(truth), initial=0)
    unit = np.spacing(np.float32(largest)) or 1
    return float(np.sqrt(np.mean(np.square(found.astype("float64") - truth)))) / float(unit)


def recorded() -> dict[str, list[tuple[float, float]]]:
    """For each class, ours and Keras's error of each recorded case."""
    from cases import Case, case_names

    from npforward.model import Model

    found = defaultdict(list)
    for name in case_names():
        case = Case(name)
        if case._case["backend"] != "tensorflow":
            continue
        model = Model(case.graph)
        ours = model.trace(case.inputs)
        wide = [x.astype("float64") if x.dtype == "float32" else x for x in case.inputs]
        truth = Model(case.graph).astype("float64").trace(wide)
        for address, theirs in zip(case.addresses, case.outputs, strict=True):
            exact = truth[address]
            if theirs.dtype != "float32" or not exact.size:
                continue
            if np.max(np.abs(exact)) < np.finfo("float32").max:
                pair = error(ours[address], exact), error(theirs, exact)
                found[name.partition("/")[0]].append(pair)
    return found


def live() -> dict[str, list[tuple[float, float]]]:
    """The same of larger arrays, which Keras computes now."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    from npforward.layers.activations import ACTIVATIONS

    for name in sorted(ACTIVATIONS):
        if ">" not in name:
            LARGE[f"Activation {name}"] = ({"activation": name}, [(16, 5000)])
    return {
        name: [pair for seed in range(4) for pair in one(name.split()[0], *LARGE[name], seed)]
        for name in LARGE
    }


def one(class_name, options, shapes, seed):
    import keras
    from live import randomised
    from test_differential import layer_class

    import npforward as npf

    rng = np.random.default_rng(seed)
    arrays = [2 * rng.standard_normal(shape).astype("float32") for shape in shapes]
    inputs = [keras.Input(shape[1:]) for shape in shapes]
    layer = layer_class(class_name)(**options)
    y = layer(inputs) if class_name in IN_A_LIST else layer(*inputs)
    model = randomised(keras.Model(inputs, y), seed)
    theirs = np.asarray(model(arrays, training=False))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        opened = npf.load_model(f"{folder}/model.keras")
        ours, exact = opened.predict(arrays), opened.astype("float64").predict(arrays)
    yield error(ours, exact), error(theirs, exact)


def together(errors: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else 0.0


def table(found: dict[str, list[tuple[float, float]]]) -> str:
    rows, ratios = [], []
    for name, pairs in found.items():
        ours, theirs = (together([pair[i] for pair in pairs]) for i in (0, 1))
        same = max(ours, theirs) < NEGLIGIBLE
        ratios.append(1.0 if same else ours / theirs if theirs else np.inf)
        rows.append(f"| {name} | {len(pairs)} | {ours:.2g} | {theirs:.2g} | {ratios[-1]:.2g} |")
    rows.append(f"| median of {len(rows)} | | | | {np.median(ratios):.2g} |")
    head = "| class | arrays | our error, ulp | Keras's | ratio |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--live", action="store_true")
    print(table(live() if arguments.parse_args().live else recorded()))
