"""Models converted to today's `.keras`, read back and compared; what is refused."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from cases import FIXTURES
from test_models import FILES as MODELS

import npforward as npf

FILES = sorted(
    path.name
    for path in (FIXTURES / "files").iterdir()
    if path.suffix in (".h5", ".keras") and "weights" not in path.name
)
REFUSED = {
    "files/old_dictionaries.h5": "TFOpLambda",
    "files/old_dictionaries.keras": "TFOpLambda",
    "files/unbuilt.keras": "input 'input_layer': the file does not say its shape",
    "lora/model.h5": "layer 'answer' \\(Dense\\): LoRA beside a quantised kernel",
    "quantized/model.h5": "layer 'attend' \\(MultiHeadAttention\\): its .*_dense is quantised",
    "quantized/model.keras": "layer 'attend' \\(MultiHeadAttention\\): its .*_dense is quantised",
}
EVERY = [*(f"files/{file}" for file in FILES), *("/".join(m) for m in MODELS)]


def path_of(which):
    return FIXTURES / (which if which.startswith("files/") else f"models/{which}")


def drawn(model, seed=0):
    """An input for each of the model's, of numbers that any fixture takes."""
    rng = np.random.default_rng(seed)

    def one(spec):
        shape = [n or (4 if i == 0 else 8) for i, n in enumerate(spec.shape)]
        if spec.dtype.kind == "U":
            return rng.choice(["a great film", "dull", "oslo"], shape)
        return (rng.random(shape) * 3).astype(spec.dtype)

    return [one(spec) for spec in model.inputs]
