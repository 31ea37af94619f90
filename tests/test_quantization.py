"""Quantised layers beyond their values: what files say of them, gradients, and what is wrong."""

import dataclasses

import numpy as np
import pytest
from cases import Case, case_names
from walking import walked_back

from npforward.errors import BadFile, UnsupportedOption, WeightMismatch
from npforward.formats import keras_config, keras_policies
from npforward.model import Model

QUANTIZED = [name for name in case_names() if "-int8-" in name or "-int4-" in name]


def policy(kind, **config):
    return {"module": "keras.dtype_policies", "class_name": kind, "config": config}


@pytest.mark.parametrize(
    ("said", "dtype", "quantization"),
    [
        ("mixed_bfloat16", "mixed_bfloat16", {}),
        (None, "float32", {}),
        ("int8_from_mixed_bfloat16", "mixed_bfloat16", {"mode": "int8"}),
        (policy("DTypePolicy", name="float64"), "float64", {}),
        (policy("QuantizedDTypePolicy", name="int8_from_float32"), "float32", {"mode": "int8"}),
        (
            policy("QuantizedDTypePolicy", mode="int8", source_name=None),
            "float32",
            {"mode": "int8"},
        ),
        (
            policy("Int4DTypePolicy", mode="int4/-1", source_name="bfloat16"),
            "bfloat16",
            {"mode": "int4", "group_size": None},
        ),
        (
            policy("GPTQDTypePolicy", mode="gptq/8/32", source_name="float32"),
            "float32",
            {"mode": "gptq", "bits": 8, "group_size": 32},
        ),
        (
            policy("QuantizedFloat8DTypePolicy", mode="float8", amax_history_length=4),
            "float32",
            {"mode": "float8", "amax_history_length": 4},
        ),
        (
            policy(
                "DTypePolicyMap",
                default_policy="float16",
                policy_map={
                    "other": policy("DTypePolicy", name="float64"),
                    "d": "int8_from_float32",
                },
            ),
            "float32",
            {"mode": "int8"},
        ),
        (policy("DTypePolicyMap", default_policy="float16", policy_map={}), "float16", {}),
        (
            policy("DTypePolicyMap", default_policy=None, policy_map={".*": "bfloat16"}),
            "bfloat16",
            {},
        ),
    ],
)
def test_a_policy_is_a_dtype_and_a_quantisation(said, dtype, quantization):
    assert keras_policies.read(said, "d") == (dtype, quantization)


@pytest.mark.parametrize(
    "said",
    [
        policy("QuantizedDTypePolicy", mode="int9", source_name="float32"),
        policy("QuantizedDTypePolicy", mode=8, source_name="float32"),
        policy("Int4DTypePolicy", mode="int4/0", source_name="float32"),
        policy("Int4DTypePolicy", mode="int4/x", source_name="float32"),
        policy("GPTQDTypePolicy", mode="gptq/5/32", source_name="float32"),
        policy("QuantizedFloat8DTypePolicy", mode="float8", amax_history_length="4"),
        policy("DTypePolicyMap", default_policy=None, policy_map=[1]),
        policy("DTypePolicyMap", default_policy=None, policy_map={"d.*": "a", ".*d": "b"}),
    ],
)
def test_a_policy_that_keras_does_not_write_names_the_layer(said):
    dense = {"module": "keras.layers", "class_name": "Dense"}
    dense["config"] = {"name": "d", "units": 2, "dtype": said}
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "s"}}
    model["config"] |= {"layers": [dense], "build_input_shape": [None, 4]}
    with pytest.raises(BadFile, match="layer 'd'"):
        keras_config.graph(model)


def changed(name, number, **changes):
    """A case one of whose stored arrays is not what it was; without it if nothing is said."""
    case = Case(name)
    stored = list(case.layer.stored)
    if changes:
        stored[number] = dataclasses.replace(stored[number], **changes)
    else:
        del stored[number]
    layer = dataclasses.replace(case.layer, stored=tuple(stored))
    nodes = (*case.graph.nodes[:-1], dataclasses.replace(case.graph.nodes[-1], layer=layer))
    return Model(dataclasses.replace(case.graph, nodes=nodes)), case.inputs


@pytest.mark.parametrize(
    ("name", "number", "changes", "words"),
    [
        ("int4-3x7", 0, {"shape": (4, 5)}, r"\(7, 3\).*stores \(4, 5\).*4 bits in each byte"),
        ("int8-3x7", 0, {"dtype": np.dtype("float32")}, "should be of type int8.*model.quantize"),
        ("int8-3x7", 2, {"shape": (7,)}, r"kernel_scale.*\(5,\).*mode 'int8'"),
        ("int8-3x7", 2, {}, "needs 3 arrays.*model.quantize"),
        ("gptq-3x7", 3, {}, "forgets kernel_zero.*Save the model as .h5"),
    ],
)
def test_wrong_packing_names_the_layer_and_what_to_do(name, number, changes, words):
    model, inputs = changed(f"Dense/units_5-activation_relu-{name}", number, **changes)
    with pytest.raises(WeightMismatch, match=f"layer 'layer'.*{words}"):
        model.predict(inputs)


def test_a_quantiser_that_is_code_is_said():
    case = Case("Dense/units_5-activation_relu-int8-3x7")
    said = {"mode": "int8", "inputs": {"class_name": "Mine"}}
    layer = dataclasses.replace(case.layer, config={**case.layer.config, "quantization": said})
    nodes = (*case.graph.nodes[:-1], dataclasses.replace(case.graph.nodes[-1], layer=layer))
    with pytest.raises(UnsupportedOption, match=r"layer .layer.*Mine"):
        Model(dataclasses.replace(case.graph, nodes=nodes)).predict(case.inputs)


def test_quantised_layers_pass_gradients_through_the_kernel_they_stand_for():
    case = Case("Dense/units_1-use_bias_False-int8-2x3x7")
    model = Model(case.graph)
    recording = model._record(case.inputs)
    y = recording.values["layer"]
    values = dict(zip(recording.inputs, case.inputs, strict=True))
    values |= {var: model._weight(recording, var) for var in recording.weights}
    for step in recording.tape.steps:
        args = [values.get(a, a) if not isinstance(a, np.ndarray) else a for a in step.args]
        values[step.out] = step.op.value(*args)(*args, **step.options)
    seed = np.random.default_rng(0).standard_normal(y.shape, "float32")
    (found,) = walked_back(recording.tape, values, {y: seed}, [recording.inputs[0]]).values()
    kernel, scale = (model.weights[f"layer/{name}"] for name in ("kernel", "kernel_scale"))
    np.testing.assert_allclose(found, seed @ (kernel / scale).T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", QUANTIZED[::5])
def test_quantised_layers_run_in_float64_too(name):
    case = Case(name)
    y = Model(case.graph).astype("float64").predict(case.inputs)
    want = case.outputs[0]
    # A number between two whole ones may be rounded to the other one.
    assert np.abs(y - want.astype("float64")).max(initial=0) < 0.05 * np.abs(want).max(initial=1)
