"""The networks that are measured, and their files in a cache folder.

Run as a script, in a Python that has Keras, it saves one of them:

    python -m benchmarks.models resnet50 FOLDER
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
MAKE = HERE.parent / "weights_fixtures" / "make"
DIGITS = 12  # of the digest of its sources in the name of a model's folder


def lenet(keras: Any) -> Any:
    """The LeNet of Keract's README."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn150(keras: Any) -> Any:
    """The classic network that tells cats from dogs."""
    layers = keras.layers
    stack = [keras.Input((150, 150, 3))]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
    stack += [layers.Flatten(), layers.Dense(512, activation="relu")]
    return keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])


def lstm(keras: Any) -> Any:
    """Two LSTM layers over 100 steps."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((100, 64)), layers.LSTM(128, return_sequences=True), layers.LSTM(128)]
    )


def transformer(keras: Any) -> Any:
    """Four encoder layers, normalised after each sum, over 128 tokens."""
    layers = keras.layers
    x = tokens = keras.Input((128, 256))
    for _ in range(4):
        attended = layers.MultiHeadAttention(4, 64)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        y = layers.Dense(256)(layers.Dense(1024, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(tokens, x)


def stack(keras: Any, depth: int) -> Any:
    """So many convolutions of 64 channels, one after another."""
    convolutions = (
        keras.layers.Conv2D(64, 3, padding="same", activation="relu") for _ in range(depth)
    )
    return keras.Sequential([keras.Input((56, 56, 64)), *convolutions])


def pictures(keras: Any, size: int) -> Any:
    """Convolutions and poolings of square pictures of one size."""
    layers = keras.layers
    net = [keras.Input((size, size, 3))]
    for filters in (32, 64, 128):
        net += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
        ]
    return keras.Sequential([*net, layers.GlobalAveragePooling2D(), layers.Dense(10)])


SMALL = {function.__name__: function for function in (lenet, cnn150, lstm, transformer)}
GROWING: Mapping[str, Callable[[Any, int], Any]] = {"stack": stack, "pictures": pictures}
APPLICATIONS = {
    name.lower(): name for name in ("VGG16", "ResNet50", "MobileNetV2", "EfficientNetV2B0")
}
# What is measured when nothing else is asked for: the model, and its batch.
CASES = tuple(
    "lenet:1 lenet:128 cnn150:1 vgg16:1 resnet50:1 mobilenetv2:1 efficientnetv2b0:1 lstm:32 "
    "transformer:8".split()
)
# What grows -> the cases along which it does.
SCALING = {
    "lenet, batch": tuple(f"lenet:{2**n}" for n in range(9)),
    "resnet50, batch": tuple(f"resnet50:{2**n}" for n in range(9)),
    "convolutions": tuple(f"stack-{2**n}:1" for n in range(6)),
    "picture size": tuple(f"pictures-{size}:1" for size in (32, 64, 128, 256, 512)),
}
TITLES = {
    "lenet": "LeNet",
    "cnn150": "150x150 CNN",
    "lstm": "2xLSTM",
    "transformer": "Transformer",
    **APPLICATIONS,
}


@dataclass(frozen=True)
class Saved:
    """A model in the cache folder."""

    folder: Path
    shape: tuple[int, ...]  # of one sample
    low: float  # inputs are drawn between these two
    high: float
    values: int  # numbers that all layers give for one sample
    layers: int
    weights: int

    @property
    def path(self) -> Path:
        """The file that Keras saved."""
        return self.folder / "model.keras"

    def onnx(self, every: bool) -> Path:
        """The same as ONNX, with every layer's output or the final one alone."""
        return self.folder / ("every.onnx" if every else "predict.onnx")

    def inputs(self, batch: int) -> Path:
        """A file with that many samples, the same every time."""
        path = self.folder / f"x{batch}.npy"
        if not path.exists():
            x = np.random.default_rng(0).random((batch, *self.shape), dtype="float32")
            x *= np.float32(self.high - self.low)
            x += np.float32(self.low)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".npy", delete=False) as file:
                np.save(file, x)
            Path(file.name).replace(path)
        return path


def opened(folder: Path) -> Saved:
    """The model that was saved in this folder."""
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    return Saved(folder, tuple(info.pop("shape")), **info)


def parsed(case: str) -> tuple[str, int]:
    """``"lenet:128"`` -> ``("lenet", 128)``.

    Raises
    ------
    ValueError
        There is no such model, or the batch is no positive number.
    """
    name, _, batch = case.partition(":")
    kind, _, size = name.partition("-")
    known = name in SMALL or name in APPLICATIONS or (kind in GROWING and size.isdecimal())
    if not known or not (batch.isdecimal() and int(batch)):
        raise ValueError(f"{case!r}, expected MODEL:BATCH, such as lenet:128")
    return name, int(batch)


def title(case: str) -> str:
    """``"lenet:128"`` -> ``"LeNet b128"``."""
    name, batch = parsed(case)
    return f"{TITLES.get(name, name)} b{batch}"


def saved(name: str, cache: Path, python: Sequence[str], env: Mapping[str, str]) -> Saved:
    """The model of this name, made by `python` (a command with Keras) if the cache lacks it."""
    sources = [HERE / "models.py", HERE / "onnx_export.py"]
    if name in APPLICATIONS:
        sources += [MAKE / "applications.py", MAKE / "drawn_weights.py"]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = cache / f"{name}-{digest[:DIGITS]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            made = Path(unfinished) / "made"
            made.mkdir()
            command = [*python, "-m", "benchmarks.models", name, str(made)]
            done = subprocess.run(
                command, cwd=HERE.parent, env=dict(env), capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(f"{name} could not be made:\n{done.stderr[-2000:]}")
            for old in cache.glob(f"{name}-{'?' * DIGITS}"):  # of other sources
                shutil.rmtree(old, ignore_errors=True)
            shutil.move(made, folder)
    return opened(folder)


def randomised(model: Any) -> None:
    """Give whatever starts as nothing but zeros or ones a value that shows in the outputs."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        match variable.name:
            case "bias" | "beta":
                variable.assign(variable + rng.normal(0, 0.1, variable.shape))
            case "gamma":
                variable.assign(rng.uniform(0.8, 1.2, variable.shape))


def build(name: str) -> tuple[Any, float, float]:
    """A Keras model, and the range of its inputs."""
    import keras

    keras.utils.set_random_seed(0)
    if name in APPLICATIONS:
        sys.path.insert(0, str(MAKE))
        from applications import calibrated, scaled_inside
        from drawn_weights import picture

        model = getattr(keras.applications, APPLICATIONS[name])(weights=None)
        inside = scaled_inside(model)
        some = picture((6, *model.input_shape[1:]), inside)
        calibrated(model, lambda layer, variable: f"{layer.name}/{variable.name}", some)
        return model, *((0.0, 255.0) if inside else (-2.0, 2.0))
    kind, _, size = name.partition("-")
    model = GROWING[kind](keras, int(size)) if size else SMALL[name](keras)
    randomised(model)
    return model, *((-1.0, 1.0) if name in ("lstm", "transformer") else (0.0, 1.0))


def save(name: str, folder: Path) -> None:
    """Put the model of this name into `folder`, for Keras and as ONNX where that can be."""
    model, low, high = build(name)
    model.save(folder / "model.keras")
    shapes = [layer.output.shape[1:] for layer in computed(model)]
    info = {
        "shape": model.input_shape[1:],
        "low": low,
        "high": high,
        "values": sum(int(np.prod(shape)) for shape in shapes),
        "layers": len(shapes),
        "weights": model.count_params(),
    }
    (folder / "info.json").write_text(json.dumps(info), encoding="utf-8")
    try:
        from benchmarks.onnx_export import exported
    except ModuleNotFoundError as missing:
        print(f"no ONNX file: {missing}", file=sys.stderr)
        return
    for file, every in (("every.onnx", True), ("predict.onnx", False)):
        (folder / file).write_bytes(exported(model, every).SerializeToString())


def computed(model: Any) -> list[Any]:
    """Every layer of a Keras model but its inputs."""
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    save(sys.argv[1], Path(sys.argv[2]))
