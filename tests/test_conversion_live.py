"""Converted models in genuine Keras: it opens them all, and every layer computes what it did.

pytest -m reference tests/test_conversion_live.py        (needs the extra `reference`)
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cases import FIXTURES, Case, case_names
from live import array_of
from test_conversion import MASKED, REFUSED, STEEPER, TAKEN, drawn, of_keras_2, steeper, traced
from test_models import golden

import npforward as npf
from npforward.conversion.vocabulary import keras_3
from npforward.errors import UnsupportedLayer
from npforward.model import Model
from npforward.verify import difference

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


def opened_values(path, inputs):
    """Every value of the top level of a file that Keras opens, by npforward's address."""
    import keras
    from keras.src.ops.function import make_node_key

    model = keras.saving.load_model(path)  # in safe mode, without custom objects
    model = getattr(model, "_functional", None) or model
    tensors = {}
    for layer in model.layers:
        nodes = enumerate(layer._inbound_nodes)
        own = [node for i, node in nodes if make_node_key(layer, i) in model._nodes]
        for call, node in enumerate(own, 1):
            for i, tensor in enumerate(node.output_tensors):
                name = npf.addresses.numbered(layer.name, call)
                tensors[f"{name}#{i}" if i else name] = tensor
    for output in model.outputs:  # operations are no layers
        operation = output._keras_history.operation
        if operation not in model.layers:
            name, i = npf.addresses.escape(operation.name), output._keras_history.tensor_index
            tensors[f"{name}#{i}" if i else name] = output
    asked = keras.Model(model.inputs, tensors)
    if any(tensor.dtype in ("float16", "bfloat16") for tensor in tensors.values()):
        # Without XLA, TensorFlow sums half types in themselves on CPUs that have nothing for them.
        asked = jitted(asked)
    fed = [keras.ops.convert_to_tensor(x) if x.dtype.kind != "U" else text(x) for x in inputs]
    return {at: array_of(y) for at, y in asked(fed, training=False).items()}


def jitted(model):
    import tensorflow as tf

    return tf.function(model, jit_compile=True)


def text(array):
    import tensorflow as tf

    return tf.constant(array.tolist())


def check(path, want, inputs):
    found = opened_values(path, inputs)
    shown = {at.replace("%2F", "_"): y for at, y in want.items()}  # Keras 3 takes no "/" in a name
    assert not [at for at in found if at not in shown and not at.startswith("mask_")]
    both = [at for at in shown if at in found]
    assert both
    wrong = {at: d for at in both if not (d := difference(found[at], shown[at])).within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize("which", TAKEN)
def test_keras_computes_the_same(which, tmp_path):
    """As the framework did that saved the model, at which time it recorded its values."""
    model = npf.load_model(FIXTURES / which)
    folder, *name = which.split("/")
    if folder == "models":
        given, want = golden(*name)
        inputs = model.feeds(given)
    else:
        inputs = drawn(model)
        trace = traced(model, inputs)
        want = {at: y for at, y in trace.items() if "/" not in at}
    npf.convert(model, tmp_path / "new.keras")
    check(tmp_path / "new.keras", want, inputs)


@pytest.mark.parametrize("which", [w for w in REFUSED if w.endswith("quantized/model.keras")])
def test_keras_cannot_open_what_is_refused(which):
    import keras

    with pytest.raises(ValueError, match="expected 2 variables"):
        keras.saving.load_model(FIXTURES / which)


@pytest.mark.parametrize("name", [*STEEPER, *MASKED])
def test_meanings_of_keras_2(name, tmp_path):
    model = steeper(name) if name in STEEPER else MASKED[name]()
    inputs = drawn(model) if name in MASKED else [3 * x - 4 for x in drawn(model)]
    npf.convert(model, tmp_path / "new.keras")
    check(tmp_path / "new.keras", traced(model, inputs), inputs)


@pytest.mark.parametrize("seed", range(12))
def test_arrays_find_their_layers_whatever_the_order(seed, tmp_path):
    """Random nets of layers that are all alike, listed in the order in which they were made."""
    rng = np.random.default_rng(seed)
    config = {"name": "x", "batch_input_shape": [None, 3]}
    layers = [{"class_name": "InputLayer", "config": config, "inbound_nodes": []}]
    arrays, calls = {}, {"x": 1}

    def source():
        name = list(calls)[rng.integers(len(calls))]
        return [name, int(rng.integers(calls[name])), 0, {}]

    for i in range(14):
        name, kind = f"l{i}", rng.choice(["Dense", "Dense", "Dense", "Add", "Masking"])
        several = rng.integers(1, 3) if kind == "Dense" else 1
        sources = [[source() for _ in range(2 if kind == "Add" else 1)] for _ in range(several)]
        options = {"units": 3, "activation": "tanh"} if kind == "Dense" else {}
        layers.append(
            {
                "class_name": str(kind),
                "config": {"name": name, **options},
                "inbound_nodes": sources,
            }
        )
        arrays[name] = [rng.normal(size=s).astype("float32") for s in ((3, 3), (3,))]
        calls[name] = int(several)
        if kind != "Dense":
            arrays.pop(name)
    taken = {tuple(end[:2]) for layer in layers for call in layer["inbound_nodes"] for end in call}
    made = [(name, call) for name, count in calls.items() for call in range(count)]
    outputs = [[*call, 0] for call in made if call not in taken]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": outputs}
    model = of_keras_2(layers, arrays, "2.9.0", **ends)
    npf.convert(model, tmp_path / "new.keras")
    inputs = drawn(model)
    check(tmp_path / "new.keras", traced(model, inputs), inputs)


# What Keras itself does not make anew from the config that it writes, or TensorFlow cannot compute
# on a CPU, or is no layer of Keras's.
LEFT_OUT = set(
    """CustomScaleLayer Equalization Pipeline RandomShear AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    AdaptiveMaxPooling3D ops.AdaptiveMaxPool ops.AdaptiveAveragePool ops.BatchNorm ops.LayerNorm
    ops.RMSNorm ops.Pad ops.Norm ops.Digitize ops.ViewAsComplex""".split()
)
FIRST = {
    name.partition("/")[0]: name
    for name in reversed(case_names())
    if name.partition("/")[0] not in LEFT_OUT and "channels_first" not in name
}


@pytest.mark.parametrize("kind", FIRST)
def test_a_layer_of_each_class(kind, tmp_path):
    case = Case(FIRST[kind])
    if kind not in keras_3().layers:  # an older Keras had it
        reason = "Keras 3.15.1 has no layer that|it normalises by the moments of the samples"
        with pytest.raises(UnsupportedLayer, match=rf"\({kind}\): ({reason})"):
            npf.convert(Model(case.graph), tmp_path / "new.keras")
        return
    if not case.inputs or any(x.ndim == 0 for x in case.inputs):
        return  # Keras makes no model of these
    arrays = iter(case.inputs)
    nodes = []
    for node in case.graph.nodes:
        if node.layer.type == "InputLayer":
            config = {**node.layer.config, "batch_shape": next(arrays).shape}
            node = replace(node, layer=replace(node.layer, config=config))
        nodes.append(node)
    model = Model(replace(case.graph, nodes=tuple(nodes)))
    npf.convert(model, tmp_path / "new.keras")
    found = opened_values(tmp_path / "new.keras", case.inputs)
    pairs = zip(case.addresses, case.outputs, strict=True)
    wanted = {at: np.asarray(y) for at, y in pairs if at in found}  # of operations, the first
    assert wanted
    assert all(difference(found[at], y).within for at, y in wanted.items())


def test_the_vocabulary_is_that_of_genuine_keras(tmp_path):
    root = FIXTURES.parent
    made = tmp_path / "keras_3.json"
    script = root / "weights_fixtures" / "make" / "vocabulary.py"
    subprocess.run([sys.executable, str(script), str(made)], check=True)
    assert made.read_text() == (root / "npforward" / "conversion" / "keras_3.json").read_text()


def test_products_of_what_is_masked(tmp_path):
    """Keras 3 lets masked places of an input count as 1, and as 0 where all inputs are masked."""
    import keras

    words = [keras.Input((6,), dtype="int32", name=name) for name in "ab"]
    masked = [keras.layers.Embedding(5, 3, mask_zero=True, name=f"of_{x.name}")(x) for x in words]
    plain = keras.layers.Embedding(5, 3, name="plain")(words[1])
    products = [
        keras.layers.Multiply(name="both")(masked),
        keras.layers.Multiply(name="one")([masked[0], plain]),
    ]
    model = keras.Model(words, [keras.layers.LSTM(2)(y) for y in products])
    model.save(tmp_path / "model.keras")
    opened = npf.load_model(tmp_path / "model.keras")
    inputs = drawn(opened)
    npf.convert(opened, tmp_path / "new.keras")
    for path in (tmp_path / "model.keras", tmp_path / "new.keras"):
        check(path, traced(opened, inputs), inputs)
