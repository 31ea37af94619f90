"""What is measured: how each runtime opens a saved model and gives arrays for an input.

Each function takes a model that was saved, an input, which `WORK` is wanted, and how many threads
there are.  It gives the names of the outputs, and a call that
computes them all from the numpy input: float32 numpy arrays in Keras's layout.

OpenVINO has it easier than the others: the next call overwrites its arrays, for the copies of its
plain call cost more than many a network; that is the peer ``openvino-copies``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.models import Saved, computed

Call = Callable[[], list[np.ndarray]]
Opened = tuple[list[str], Call]


# What a call computes: so it is said in tables.
WORK = {
    "layers": "every layer's output",
    "predict": "the final output",
    "gradients": "the gradient of class 0 for every layer's output and weight",
}


@dataclass(frozen=True)
class Peer:
    """One runtime, or one way to use it."""

    title: str
    open: Callable[[Saved, np.ndarray, str, int], Opened]
    modules: tuple[str, ...]  # that must be there; the first one's version is reported
    env: Mapping[str, str] = field(default_factory=dict)
    rival: bool = True  # counts when the best peer is sought
    works: tuple[str, ...] = ("layers", "predict")  # that it is asked for


def npforward(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    import npforward as npf

    opened = npf.load_model(model.path)
    if work == "predict":
        return list(opened.outputs), lambda: [opened.predict(x)]
    if work == "gradients":

        def call() -> list[np.ndarray]:
            found = opened.gradients(x, of=0)
            return [*found.activations.values(), *found.weights.values()]

        from npforward.weights import parameters

        first = opened.gradients(x, of=0)
        paths = {p.address: p.path for p in parameters(opened.graph, opened._bounds)}
        return [*first.activations, *(f"{paths[name]}:0" for name in first.weights)], call
    return list(opened.trace(x)), lambda: list(opened.trace(x).values())


def onnxruntime(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("batch", len(x))
    file = str(model.onnx(work == "layers"))
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return [y.name for y in session.get_outputs()], lambda: session.run(None, {"input": x})


def openvino(model: Saved, x: np.ndarray, work: str, threads: int, copies=False) -> Opened:
    import openvino

    core = openvino.Core()
    read = core.read_model(model.onnx(work == "layers"))
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


def openvino_copies(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    return openvino(model, x, work, threads, copies=True)


def functional(model: Saved, work: str) -> tuple[list[str], Any]:
    """A Keras model whose outputs are those wanted, and their names."""
    import keras

    read = keras.models.load_model(model.path, compile=False)
    layers = computed(read)
    inputs, outputs = read.inputs, [layer.output for layer in layers]
    if isinstance(read, keras.Sequential):  # of which a tape does not see the layers' outputs
        inputs = end = keras.Input(batch_shape=read.input_shape, name=read.inputs[0].name)
        outputs = [end := layer(end) for layer in layers]
    wanted = slice(-1, None) if work == "predict" else slice(None)
    return [layer.name for layer in layers[wanted]], keras.Model(inputs, outputs[wanted])


def tensorflow(model: Saved, x: np.ndarray, work: str, threads: int, xla=False) -> Opened:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    names, wanted = functional(model, work)
    given = [x] if x.dtype.kind == "f" else []

    def gradients(x: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x) if given else None
            ys = wanted(x, training=False)
            score = tf.reduce_sum(ys[-1][..., 0])
        found = tape.gradient(score, [*([x] if given else []), *ys, *wanted.trainable_weights])
        return [tf.convert_to_tensor(g) for g in found]

    forward = functools.partial(wanted, training=False)
    function = tf.function(gradients if work == "gradients" else forward, jit_compile=xla)
    if work == "gradients":
        paths = [f"{v.path}:0" for v in wanted.trainable_weights]
        names = [*([wanted.inputs[0].name] if given else []), *names, *paths]
    function = function.get_concrete_function(tf.TensorSpec(x.shape, tf.float32))
    return names, lambda: [np.asarray(y) for y in function(tf.convert_to_tensor(x))]


def xla(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    return tensorflow(model, x, work, threads, xla=True)


def torch(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    import torch

    torch.set_num_threads(threads)
    names, wanted = functional(model, work)

    def call() -> list[np.ndarray]:
        with torch.inference_mode():
            return [y.numpy() for y in wanted(torch.from_numpy(x), training=False)]

    return names, call


def jax(model: Saved, x: np.ndarray, work: str, threads: int) -> Opened:
    import jax

    names, wanted = functional(model, work)
    variables = [
        [v.value for v in some]
        for some in (wanted.trainable_variables, wanted.non_trainable_variables)
    ]
    function = jax.jit(lambda *given: wanted.stateless_call(*given, training=False)[0])
    return names, lambda: [np.asarray(y) for y in function(*variables, x)]


KERAS = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
OURS = "npforward"
PEERS = {
    OURS: Peer("npforward", npforward, ("npforward",), rival=False, works=tuple(WORK)),
    "numpy": Peer(
        "npforward, numpy only",
        npforward,
        ("npforward",),
        {"NPFORWARD_KERNELS": "numpy"},
        rival=False,
        works=tuple(WORK),
    ),
    "onnxruntime": Peer("onnxruntime", onnxruntime, ("onnxruntime",)),
    "openvino": Peer("OpenVINO", openvino, ("openvino",)),
    "openvino-copies": Peer("OpenVINO, copies", openvino_copies, ("openvino",)),
    "tensorflow": Peer(
        "Keras, TensorFlow",
        tensorflow,
        ("tensorflow", "keras"),
        KERAS | {"KERAS_BACKEND": "tensorflow"},
        works=tuple(WORK),
    ),
    "xla": Peer(
        "Keras, XLA",
        xla,
        ("tensorflow", "keras"),
        KERAS | {"KERAS_BACKEND": "tensorflow"},
        works=tuple(WORK),
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
