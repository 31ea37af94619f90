"""Every layer against genuine Keras: forward values, and gradients against finite differences."""

import re

import numpy as np
import pytest
from cases import Case, case_names
from walking import replayed, walked_back

import npforward as npf
from npforward.addresses import layer_part
from npforward.dtypes import floating
from npforward.errors import NotDifferentiable
from npforward.model import Model
from npforward.tape import Var
from npforward.verify import difference

CASES = case_names()


@pytest.mark.parametrize("name", CASES)
def test_layer_computes_what_keras_computes(name):
    case = Case(name)
    trace = Model(case.graph).trace(case.inputs)
    assert [address for address in trace if layer_part(address) == "layer"] == case.addresses
    for address, want in zip(case.addresses, case.outputs, strict=True):
        found = difference(trace[address], want)
        assert found.within, f"{address}: {found.ratio:.3g} times the tolerance {found.reason}"


@pytest.mark.parametrize("name", CASES[::7])
def test_numpy_references_alone_compute_it_too(name):
    case = Case(name)
    with npf.numpy_only():
        trace = Model(case.graph).trace(case.inputs)
    for address, want in zip(case.addresses, case.outputs, strict=True):
        assert difference(trace[address], want).within


def _differentiable(name):
    """Whether numbers go in and come out that a gradient can be of."""
    case = Case(name)
    floats = [x for x in case.inputs if floating(x.dtype)]
    y = case.outputs[0]
    return bool(floats) and y.size > 0 and floating(y.dtype) and np.isfinite(y.astype("f8")).all()


def kinked(case):
    """A copy of the inputs a little off the grid, where max, relu and |x| have their kinks."""
    rng = np.random.default_rng(0)
    return [
        x.astype("float64") + rng.uniform(0.01, 0.02, x.shape) if floating(x.dtype) else x
        for x in case.inputs
    ]


ROUNDED = {"abs_max_scale", "quantize", "round_to_float8", "round_gradient_to_float8"}
# Differences of 1e-6 drown in half types, and in the 1e9 that attention takes from masked scores.
DROWNED = re.compile(
    "extreme|Attention/all-masked|reverse_dtype_b?float16"
    "|mode_angle"  # jumps by 2π where a sine is 0, as that of frequency 0 always is
    # Infinite, or nearly:
    "|SegmentMax/gap|Segment(Max|Min)/num_segments_6|-nothing-|Logdet/negative|Erfinv/limits"
    "|SaturateCast/dtype_float16"
    "|Pinv/one"  # its rank is another after any change
)

# What no framework differentiates: columns that a matrix leaves open, exchanged rows.
WITHOUT = re.compile("ops.(Qr/mode_complete|Qr/2x5|LuFactor)")


@pytest.mark.parametrize(
    "name", [n for n in CASES[::3] if not DROWNED.search(n) and _differentiable(n)]
)
def test_gradient_of_layer_is_that_of_finite_differences(name):
    case = Case(name)
    model = Model(case.graph).astype("float64")
    inputs = model.feeds(kinked(case))
    recording = model._record(inputs)
    y = recording.values["layer"]
    assert isinstance(y, Var)
    if any(step.op.__name__ in ROUNDED for step in recording.tape.steps):
        return  # the gradient is that of no rounding: tests/test_quantization.py
    values = _values(model, recording, inputs)
    rng = np.random.default_rng(1)
    seed = rng.normal(size=y.shape)
    wanted = [*recording.inputs, *recording.weights]
    given = [*wanted, *(first for first, _ in recording.tape.states.values())]
    if WITHOUT.search(name):
        with pytest.raises(NotDifferentiable):
            walked_back(recording.tape, values, {y: seed}, wanted)
        return
    grads = walked_back(recording.tape, values, {y: seed}, wanted)
    moving = [v for v in wanted if floating(v.dtype) and not _numbers_groups(model, recording, v)]
    along = {v: rng.normal(size=v.shape) for v in moving}

    def moved(step):
        start = {v: values[v] + step * along[v] if v in along else values[v] for v in given}
        return float(np.sum(seed * _replay(recording, start)[y]))

    h = 1e-6
    held = case.class_name == "StopGradient"
    numeric = 0.0 if held else (moved(h) - moved(-h)) / (2 * h)
    exact = sum(float(np.sum(grads[v] * d)) for v, d in along.items())
    scale = max(1.0, abs(numeric), float(np.sum(np.abs(seed))))
    assert abs(numeric - exact) < 1e-6 * scale


def _numbers_groups(model, recording, var):
    """Whether a weight holds the numbers of groups, which Keras keeps as floats."""
    if var not in recording.weights:
        return False
    layer, i = recording.weights[var]
    return model._bounds[layer].pairs[i][0].role == "g_idx"


def _values(model, recording, inputs):
    start = dict(zip(recording.inputs, inputs, strict=True))
    start |= {first: np.zeros(first.shape) for first, _ in recording.tape.states.values()}
    for var in recording.weights:
        array = model._weight(recording, var)
        start[var] = array.astype("float64") if floating(array.dtype) else array
    return _replay(recording, start)


def _replay(recording, start):
    return replayed(recording.tape.steps, start)
