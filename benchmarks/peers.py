"""What is measured: how each runtime opens a saved model and gives arrays for an input.

Each function takes a model that was saved, an input, whether every layer's output is wanted or the
final one alone, and how many threads there are.  It gives the names of the outputs, and a call that
computes them all from the numpy input: float32 numpy arrays in Keras's layout.

OpenVINO has it easier than the others: the next call overwrites its arrays, for the copies of its
plain call cost more than many a network; that is the peer ``openvino-copies``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.models import Saved, computed

Call = Callable[[], list[np.ndarray]]
Opened = tuple[list[str], Call]


@dataclass(frozen=True)
class Peer:
    """One runtime, or one way to use it."""

    title: str
    open: Callable[[Saved, np.ndarray, bool, int], Opened]
    modules: tuple[str, ...]  # that must be there; the first one's version is reported
    env: Mapping[str, str] = field(default_factory=dict)
    rival: bool = True  # counts when the best peer is sought


def npforward(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    import npforward as npf

    opened = npf.load_model(model.path)
    if not every:
        return list(opened.outputs), lambda: [opened.predict(x)]
    return list(opened.trace(x)), lambda: list(opened.trace(x).values())


def onnxruntime(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("batch", len(x))
    file = str(model.onnx(every))
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return [y.name for y in session.get_outputs()], lambda: session.run(None, {"input": x})


def openvino(model: Saved, x: np.ndarray, every: bool, threads: int, copies=False) -> Opened:
    import openvino

    core = openvino.Core()
    read = core.read_model(model.onnx(every))
    read.reshape(list(x.shape))
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(read, "CPU", options)
    names = [y.any_name for y in compiled.outputs]

    def call() -> list[np.ndarray]:
        return list(compiled(x, share_inputs=True, share_outputs=not copies).values())

    return names, call


def openvino_copies(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    return openvino(model, x, every, threads, copies=True)


def functional(model: Saved, every: bool) -> tuple[list[str], Any]:
    """A Keras model whose outputs are those wanted, and their names."""
    import keras

    read = keras.models.load_model(model.path, compile=False)
    layers = computed(read)
    layers = layers if every else layers[-1:]
    return [layer.name for layer in layers], keras.Model(
        read.inputs, [layer.output for layer in layers]
    )


def tensorflow(model: Saved, x: np.ndarray, every: bool, threads: int, xla=False) -> Opened:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    names, wanted = functional(model, every)
    function = tf.function(lambda x: wanted(x, training=False), jit_compile=xla)
    function = function.get_concrete_function(tf.TensorSpec(x.shape, tf.float32))
    return names, lambda: [np.asarray(y) for y in function(tf.convert_to_tensor(x))]


def xla(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    return tensorflow(model, x, every, threads, xla=True)


def torch(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    import torch

    torch.set_num_threads(threads)
    names, wanted = functional(model, every)

    def call() -> list[np.ndarray]:
        with torch.inference_mode():
            return [y.numpy() for y in wanted(torch.from_numpy(x), training=False)]

    return names, call


def jax(model: Saved, x: np.ndarray, every: bool, threads: int) -> Opened:
    import jax

    names, wanted = functional(model, every)
    variables = [
        [v.value for v in some]
        for some in (wanted.trainable_variables, wanted.non_trainable_variables)
    ]
    function = jax.jit(lambda *given: wanted.stateless_call(*given, training=False)[0])
    return names, lambda: [np.asarray(y) for y in function(*variables, x)]


KERAS = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
OURS = "npforward"
PEERS = {
    OURS: Peer("npforward", npforward, ("npforward",), rival=False),
    "numpy": Peer(
        "npforward, numpy only",
        npforward,
        ("npforward",),
        {"NPFORWARD_KERNELS": "numpy"},
        rival=False,
    ),
    "onnxruntime": Peer("onnxruntime", onnxruntime, ("onnxruntime",)),
    "openvino": Peer("OpenVINO", openvino, ("openvino",)),
    "openvino-copies": Peer("OpenVINO, copies", openvino_copies, ("openvino",)),
    "tensorflow": Peer(
        "Keras, TensorFlow",
        tensorflow,
        ("tensorflow", "keras"),
        KERAS | {"KERAS_BACKEND": "tensorflow"},
    ),
    "xla": Peer(
        "Keras, XLA", xla, ("tensorflow", "keras"), KERAS | {"KERAS_BACKEND": "tensorflow"}
    ),
    "torch": Peer("Keras, torch", torch, ("torch", "keras"), KERAS | {"KERAS_BACKEND": "torch"}),
    "jax": Peer("Keras, JAX", jax, ("jax", "keras"), KERAS | {"KERAS_BACKEND": "jax"}),
}
DEFAULT = tuple(name for name in PEERS if name != "openvino-copies")


def environment(base: Mapping[str, str], peer: str, threads: int) -> dict[str, str]:
    """The variables of a process for this peer with so many threads."""
    env = dict(base)
    # Forced to an older processor's kernels, OpenBLAS needs twice as long.
    for chosen in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPFORWARD_KERNELS"):
        env.pop(chosen, None)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        env[f"{library}_NUM_THREADS"] = str(threads)
    env["NPFORWARD_THREADS"] = str(threads)
    env["NPROC"] = str(threads)  # XLA's pool in JAX
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return env | dict(PEERS[peer].env)
