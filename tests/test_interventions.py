"""Values replaced while a model runs, runs that begin in its middle, and channels set to zero."""

import contextlib
import functools
import json
import re

import numpy as np
import pytest
from cases import FIXTURES
from made import chain, layer, ones
from test_models import FILES, MODELS, golden

import npforward as npf
from npforward import ops
from npforward.cli import main
from npforward.errors import BadInput, NpforwardError, UnknownName
from npforward.graph import Graph, Layer, Node, Ref
from npforward.model import Model
from npforward.verify import difference

DIGITS = FIXTURES / "models" / "digits_cnn" / "model.keras"
KERNELS = {"compiled": contextlib.nullcontext, "numpy": npf.numpy_only}
rng = np.random.default_rng(0)


@functools.cache
def opened(name, kernels="compiled"):
    """A model that is of these kernels, and inputs for it: one for all tests."""
    file = next(file for model, file in FILES if model == name)
    return npf.load_model(FIXTURES / "models" / name / file), golden(name, file)[0]


def same(a, b):
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def some(items, most=10):
    items = list(items)
    return items[:: -(-len(items) // most)]


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


# Replaced by itself, or by the same in other words.


@pytest.mark.parametrize("name", MODELS)
def test_a_value_in_its_own_place_changes_no_bit(name):
    model, inputs = opened(name, "numpy")
    with npf.numpy_only():
        trace = model.trace(inputs, inner=True)
        for n, address in enumerate(some(a for a in trace if trace[a].dtype.kind == "f")):
            for given in (trace[address], lambda y: y):
                try:
                    found = model.trace(
                        inputs if n == 0 else trace, inner=True, replace={address: given}
                    )
                except BadInput as error:
                    assert "several values within its layer are called so" in str(error)
                    continue
                wrong = [a for a in trace if not same(trace[a], found[a])]
                assert not wrong, f"{address} replaced: {wrong}"


@pytest.mark.parametrize("name", MODELS)
def test_compiled_kernels_compute_from_it_as_well(name):
    model, inputs = opened(name)
    trace = model.trace(inputs)
    inner = [a for a in model.trace(inputs, inner=True) if ":" in a]
    for address in some(a for a in [*trace, *inner] if "candidate" not in a):
        value = model.trace(inputs, layers=address)[address]
        if value.dtype.kind != "f":
            continue
        found = model.trace(trace, replace={address: value})
        wrong = [a for a in trace if not difference(found[a], trace[a]).within]
        assert not wrong, f"{address} replaced: {wrong}"


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    "name", ["siamese", "nested_shared", "rnn_zoo", "text_lstm", "transformer", "masking", "norms"]
)
def test_numbers_arrays_and_functions_agree(name, kernels):
    with KERNELS[kernels]():
        model, inputs = opened(name, kernels)
        trace = model.trace(inputs, inner=True)
        changed = 0
        for address in some((a for a in trace if trace[a].dtype.kind == "f"), 14):
            others = 0.5, np.full_like(trace[address], 0.5), lambda y: np.full_like(y, 0.5)
            try:
                first, *rest = (
                    model.trace(trace, inner=True, replace={address: other}) for other in others
                )
            except BadInput as error:
                assert "several values within its layer are called so" in str(error)
                continue
            assert (first[address] == 0.5).all(), address
            for found in rest:
                wrong = [a for a in trace if not difference(found[a], first[a]).within]
                assert not wrong, f"{address} replaced: {wrong}"
            changed += any(not same(first[a], trace[a]) for a in model.outputs)
        assert changed > 3


# Against formulas.


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


UNITS = 3
WEIGHTS = normal(2, 4 * UNITS), normal(UNITS, 4 * UNITS), normal(4 * UNITS)
SEQUENCE = normal(5, 6, 2)


def lstm_by_hand(x, change=lambda name, value, t: value, mask=None):
    kernel, recurrent, bias = WEIGHTS
    h = c = np.zeros((len(x), UNITS))
    hs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        i, f, o = (change(n, sigmoid(z), t) for n, z in zip("ifo", (i, f, o), strict=True))
        new = change("c", f * c + i * np.tanh(g), t)
        seen = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        c = np.where(seen, new, c)
        h = np.where(seen, change("h", o * np.tanh(c), t), h)
        hs.append(h)
    return np.stack(hs, 1).astype("float32")


NAMES = {"i": "input_gate", "f": "forget_gate", "o": "output_gate", "c": "cell", "h": "hidden"}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("gate", NAMES)
def test_an_lstm_without_a_gate_or_with_another_state_is_that_of_the_formula(gate, kernels):
    lstm = layer("LSTM", {"units": UNITS, "return_sequences": True}, *WEIGHTS)
    array = rng.uniform(size=(5, 6, UNITS)).astype("float32")
    formulas = {
        "number": (0.0, lambda y, t: 0 * y),
        "array": (array, lambda y, t: array[:, t]),
        "function": (lambda y: y * y, lambda y, t: y * y),
        "numpy": (lambda y: np.maximum(y, 0.25), lambda y, t: np.maximum(y, 0.25)),
        "ops": (ops.tanh, lambda y, t: np.tanh(y)),
    }
    with KERNELS[kernels]():
        model = chain((6, 2), lstm)
        trace = model.trace(SEQUENCE)
        assert difference(trace["lstm"], lstm_by_hand(SEQUENCE)).within
        for how, (given, formula) in formulas.items():
            found = model.trace(trace, inner=True, replace={f"lstm:{NAMES[gate]}": given})
            want = lstm_by_hand(
                SEQUENCE, lambda n, y, t, formula=formula: formula(y, t) if n == gate else y
            )
            assert difference(found["lstm"], want).within, how
            if how == "array":
                assert same(found[f"lstm:{NAMES[gate]}"], array)


def test_in_a_masked_loop_the_states_that_stay_are_replaced_too():
    x = SEQUENCE.copy()
    mask = rng.random((5, 6)) > 0.4
    x[~mask] = 0
    lstm = layer("LSTM", {"units": UNITS, "return_sequences": True}, *WEIGHTS)
    model = chain((6, 2), layer("Masking", {"mask_value": 0.0}), lstm)
    gates = model.trace(x, replace={"lstm:forget_gate": 0.0})
    want = lstm_by_hand(x, lambda name, y, t: 0 * y if name == "f" else y, mask)
    # Masked from the first step on, the output is zeros, as the state is.
    assert difference(gates["lstm"], want).within
    array = normal(5, 6, UNITS)
    found = model.trace(x, inner=True, replace={"lstm:cell": array})
    assert same(found["lstm:cell"], array)
    np.testing.assert_allclose(
        found["lstm:hidden"][mask],
        (found["lstm:output_gate"] * np.tanh(array))[mask],
        rtol=1e-5,
    )


def test_a_loop_backwards_takes_arrays_as_they_are_shown():
    lstm = layer("LSTM", {"units": UNITS, "go_backwards": True, "return_sequences": True}, *WEIGHTS)
    model = chain((6, 2), lstm)
    array = rng.uniform(size=(5, 6, UNITS)).astype("float32")
    found = model.trace(SEQUENCE, replace={"lstm:forget_gate": array})
    want = lstm_by_hand(SEQUENCE[:, ::-1], lambda n, y, t: array[:, t] if n == "f" else y)
    assert difference(found["lstm"], want).within


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_gru_that_only_updates_keeps_its_first_state(kernels):
    with KERNELS[kernels]():
        gru = layer("GRU", {"units": 3}, normal(2, 9), normal(3, 9), normal(2, 9))
        model = chain((6, 2), gru)
        trace = model.trace(SEQUENCE)
        kept = model.trace(trace, replace={"gru:update_gate": 1.0})["gru"]
        assert (kept == 0).all() and (trace["gru"] != 0).all()
        new = model.trace(trace, inner=True, replace={"gru:update_gate": 0.0})
        np.testing.assert_allclose(new["gru"], new["gru:candidate"][:, -1], rtol=1e-6)


def test_one_direction_of_two():
    model, inputs = opened("text_lstm")
    trace = model.trace(inputs, inner=True)
    gate = next(a for a in trace if a.startswith("both_ways/forward") and a.endswith("output_gate"))
    found = model.trace(trace, replace={gate: 0.0})["both_ways"]
    half = found.shape[-1] // 2
    assert not found[..., :half].any()
    assert same(found[..., half:], trace["both_ways"][..., half:])


@pytest.mark.parametrize("address", ["dense:pre", "time_distributed/dense:pre"])
def test_a_layer_on_every_time_step_takes_values_as_they_are_shown(address):
    dense = layer("Dense", {"units": 4, "activation": "relu"}, normal(2, 4), normal(4))
    wrapped = layer("TimeDistributed")
    wrapped = Layer("time_distributed", "TimeDistributed", wrapped.config, (), {"layer": dense})
    model = chain((6, 2), wrapped)
    trace = model.trace(SEQUENCE, inner=True)
    (address,) = (a for a in trace if a.endswith(":pre"))
    array = normal(5, 6, 4)
    seen = []
    found = model.trace(trace, inner=True, replace={address: array})
    assert same(found["time_distributed"], np.maximum(array, 0)) and same(found[address], array)
    model.trace(trace, replace={address: lambda y: seen.append(y.shape) or y})
    assert seen == [(5, 6, 4)]


def test_one_call_of_a_shared_model_is_replaced_alone():
    model, inputs = opened("siamese")
    trace = model.trace(inputs)
    calls = [a for a in trace if a.startswith("encoder@2/")]
    inside = calls[-2]
    found = model.trace(trace, replace={inside: 0.0})
    assert not found[inside].any()
    first = inside.replace("@2", "")
    assert same(found[first], trace[first]) and same(found["encoder"], trace["encoder"])
    assert not same(found["encoder@2"], trace["encoder@2"])


def test_a_further_output_is_replaced_alone():
    lstm = layer("LSTM", {"units": 3, "return_state": True}, *WEIGHTS)
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": (None, 6, 2), "dtype": "float32"})),
        Node("lstm", lstm, (Ref("x"),)),
        Node("sum", layer("Add", name="sum"), ([Ref("lstm", 1), Ref("lstm", 2)],)),
    )
    model = Model(Graph("made", "Functional", nodes, "x", Ref("sum")))
    trace = model.trace(SEQUENCE)
    found = model.trace(trace, replace={"lstm#1": 0.0})
    assert same(found["sum"], trace["lstm#2"]) and same(found["lstm"], trace["lstm"])
    both = {"lstm#1": ones(5, 3), "lstm#2": ones(5, 3)}
    assert (model.trace(both, start=list(both))["sum"] == 2).all()


def test_the_inputs_and_several_values_at_once():
    model, x = opened("digits_cnn")
    entered, *others = model.trace(x)
    found = model.trace(x, replace={entered: lambda y: y / 2, model.outputs[0]: 0.0})
    halved = model.trace(x / 2)
    assert all(same(found[a], halved[a]) for a in others[:-1])
    assert not found[model.outputs[0]].any()


# What is run.


def counted(calls, name):
    def function(x):
        if isinstance(x, np.ndarray):
            calls.append(name)
        return np.asarray(x) * 2  # fails while recording: it is called with arrays alone

    return function


def with_functions(calls):
    """x -> before -> middle -> after -> sum of before and after; aside: a branch of its own."""
    functions = {name: counted(calls, name) for name in ("before", "middle", "aside", "after")}
    nodes = [Node("x", Layer("x", "InputLayer", {"batch_shape": (None, 3), "dtype": "float32"}))]
    sources = {"before": "x", "middle": "before", "aside": "before", "after": "middle"}
    nodes += [
        Node(name, Layer(name, name, {"name": name}), (Ref(source),))
        for name, source in sources.items()
    ]
    added = [Ref("before"), Ref("after")]
    nodes.append(Node("sum", layer("Add", name="sum"), (added,)))
    graph = Graph("made", "Functional", tuple(nodes), "x", [Ref("sum"), Ref("aside")])
    return Model(graph, custom_layers=functions)


@pytest.mark.parametrize("given", [1.0, lambda y: y * 0 + 1])
def test_only_what_depends_on_it_is_run_again(given):
    calls = []
    model = with_functions(calls)
    x = normal(2, 3)
    trace = model.trace(x)
    calls.clear()
    found = model.trace(trace, replace={"middle": given})
    assert set(calls) == {"after"}
    assert same(found["sum"], trace["before"] + 2) and same(found["aside"], trace["aside"])
    assert list(found) == list(trace)
    calls.clear()
    model.trace(trace, replace={"after": given})
    assert calls == []


def test_only_what_depends_on_it_is_in_the_plan():
    model, x = opened("residual_bn")
    with npf.numpy_only():
        trace = model.trace(x)
        ran = []
        after = list(trace)[-3]
        scopes = set(list(trace)[-3:])

        def watch(chosen, *args):
            ran.extend(i.scope for i in chosen.instructions)
            return run(chosen, *args)

        run, model._run = model._run, watch
        model.trace(trace, replace={after: 0.0})
    assert ran and set(ran) <= scopes


def test_a_trace_of_some_values_is_enough():
    model, x = opened("unet_small")
    whole = model.trace(x)
    address = list(whole)[4]
    part = model.trace(x, layers=[address])
    found = model.trace(part, replace={address: 0.25})
    want = model.trace(x, replace={address: 0.25})
    assert all(same(found[a], want[a]) for a in want)
    assert all(same(model.trace(part)[a], whole[a]) for a in whole)


def test_nothing_of_the_callers_is_changed():
    model, x = opened("digits_cnn")
    trace = model.trace(x)
    address = "conv1"
    before, array = trace[address].copy(), normal(*trace[address].shape)
    kept = array.copy()

    def emptied(y):
        y[...] = 0
        return y

    assert not model.trace(trace, replace={address: emptied})[address].any()
    found = model.trace(trace, replace={address: array})
    assert same(trace[address], before) and same(array, kept)
    assert not found[address].flags.writeable
    with pytest.raises(BadInput, match="in which values were replaced"):
        model.trace(found)
    assert same(model.predict(x), trace[model.outputs[0]])


def test_one_recording_and_plan_serve_all_arrays_and_none_keeps_a_function():
    model, x = opened("digits_cnn")
    trace = model.trace(x)
    model.trace(trace, replace={"conv1": 0.0})
    counts = len(model._recordings), len(model._plans)
    for given in (1.0, trace["conv1"], trace["conv1"][:1], lambda y: y, lambda y: y + 1):
        model.trace(trace, replace={"conv1": given})
    assert counts == (len(model._recordings), len(model._plans))


def test_layers_until_and_inner_say_what_is_computed():
    model, x = opened("digits_cnn")
    trace = model.trace(x)
    names = list(trace)
    found = model.trace(trace, until=names[4], inner=True, replace={names[2]: 0.0})
    assert [a for a in found if ":" not in a] == names[:5] and any(":" in a for a in found)
    assert list(model.trace(trace, layers=names[-1], replace={names[2]: 0.0})) == names[-1:]
    assert list(model.trace(trace[names[3]], start=names[3], until=names[5])) == names[3:6]


# Runs that begin in the middle.


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", MODELS)
def test_a_run_from_any_layer_on_ends_as_the_whole_does(name, kernels):
    """What else is needed is named; with all that, the rest is as in the whole run."""
    with KERNELS[kernels]():
        model, inputs = opened(name, kernels)
        trace = model.trace(inputs)
        for address in some(trace, 8):
            start = [address]
            for _ in range(len(trace)):
                try:
                    found = model.trace({a: trace[a] for a in start}, start=start)
                except BadInput as error:
                    more = json.loads(
                        re.search(r"also needs.* start=(\[.*?\])", str(error))[1].replace("'", '"')
                    )
                    assert set(start) < set(more), error
                    start = more
                else:
                    break
            wrong = [a for a in found if not difference(found[a], trace[a]).within]
            assert not wrong, f"from {start}: {wrong}"
            if name in ("digits_cnn", "lenet"):  # a chain
                assert list(found) == list(trace)[list(trace).index(address) :]


def test_what_a_run_needs_besides_is_named():
    calls = []
    model = with_functions(calls)
    with pytest.raises(BadInput, match=r"from 'middle' also needs 'before' from before: .*dict"):
        model.trace(ones(2, 3), start="middle")
    assert not {"before", "middle", "aside"} & set(calls)
    found = model.trace({"middle": ones(2, 3), "before": ones(2, 3)}, start=["middle", "before"])
    assert (found["sum"] == 3).all()
    assert list(found) == ["before", "middle", "aside", "after", "sum"]
    assert list(model.trace(ones(2, 3), start="middle", until="after")) == ["middle", "after"]
    assert list(model.trace(ones(2, 3), start="middle", layers=["after"])) == ["after"]


def test_a_run_begins_after_a_layer_that_is_not_supported_and_takes_replacements():
    unknown = Layer("odd", "NoSuchLayer", {"name": "odd"})
    model = chain((4,), unknown, layer("ReLU"), layer("Softmax"))
    found = model.trace(-ones(2, 3), start="odd")
    assert not found["relu"].any()
    assert (model.trace(-ones(2, 3), start="odd", replace={"relu": 1})["relu"] == 1).all()


def test_sizes_that_are_open_are_those_of_the_array():
    conv = layer("Conv2D", {"filters": 2, "kernel_size": [1, 1]}, ones(1, 1, 3, 2), ones(2))
    model = chain((None, None, 3), conv, layer("MaxPooling2D"))
    assert model.trace(ones(2, 8, 4, 2), start="conv2d")["maxpooling2d"].shape == (2, 4, 2, 2)


# What cannot be.


def failing(y):
    raise ZeroDivisionError("by me")


WRONG = {
    "a misspelt name": ({"conv_1": 0.0}, UnknownName, "replace: no layer .*'conv_1'.*'conv1'"),
    "several": ({"conv*": 0.0}, BadInput, "'conv\\*' is several values .*'conv1'"),
    "a shape": ({"conv1": np.ones(99)}, BadInput, r"'conv1' is given the shape \(99,\), expected"),
    "strings": ({"conv1": "no"}, BadInput, "'conv1' is given <U2, expected float32 numbers"),
    "nothing": ({"conv1": None}, BadInput, "'conv1' is given object, expected float32"),
    "ragged": ({"conv1": [[1], [1, 2]]}, BadInput, "'conv1' is given no array of numbers"),
    "a failure": ({"conv1": failing}, BadInput, "function for 'conv1', .* ZeroDivisionError: by"),
    "its shape": ({"conv1": lambda y: y[:1]}, BadInput, "'conv1' gives the shape .* expected"),
    "its kind": ({"conv1": lambda y: "x"}, BadInput, "'conv1' gives the shape"),
    "no dict": (["conv1"], BadInput, "replace is list, expected a dict"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_replacement_that_does_not_fit_is_named(what):
    replace, kind, words = WRONG[what]
    model, x = opened("digits_cnn")
    for given in (np.concatenate([x, x]), model.trace(np.concatenate([x, x]))):
        with pytest.raises(kind, match=words):
            model.trace(given, replace=replace)


def test_numbers_of_another_kind():
    model = chain((3,), layer("Embedding", {"input_dim": 5, "output_dim": 2}, ones(5, 2)),
                  dtype="int32")  # fmt: skip
    x = np.ones((2, 3), "int32")
    assert model.trace(x, replace={"x": 2.0})["x"].dtype == "int32"
    with pytest.raises(BadInput, match="'x' is given float64, some of which are no int32 numbers"):
        model.trace(x, replace={"x": 0.5})
    assert model.trace(x, replace={"embedding": np.float64(3)})["embedding"].dtype == "float32"


BEGUN = {
    "a shape": (ones(2, 5), "conv1", BadInput, r"'conv1' takes the shape \(any, .*got \(2, 5\)"),
    "a misspelt name": (ones(2, 5), "conv_1", UnknownName, "start: no layer .*Did you mean"),
    "within": (ones(2, 5), "conv1:pre", BadInput, "'conv1:pre' is within a layer"),
    "one of two": (ones(2, 5), ["conv1", "pool1"], BadInput, "give a dict or Trace as x"),
    "none": (ones(2, 5), [], BadInput, "give a dict or Trace as x"),
    "more": ({"conv1": ones(1), "a": ones(1)}, "conv1", BadInput, "'a', which is not in start="),
}


@pytest.mark.parametrize("what", BEGUN)
def test_a_start_that_does_not_fit_is_named(what):
    x, start, kind, words = BEGUN[what]
    model, _ = opened("digits_cnn")
    with pytest.raises(kind, match=words):
        model.trace(x, start=start)


def test_a_start_that_leads_nowhere_and_traces_of_others():
    model, x = opened("digits_cnn")
    trace = model.trace(x)
    with pytest.raises(NpforwardError, match="conv1"):
        model.trace(trace, start="dense1" if "dense1" in trace else list(trace)[-2], layers="conv1")
    with pytest.raises(BadInput, match="a Trace of another model"):
        model.astype("float64").trace(trace, replace={"conv1": 0.0})
    with pytest.raises(BadInput, match="is where the run starts"):
        model.trace(trace, start="conv1", replace={"conv1": 0.0})


# Channels set to something else, one at a time.

KERNEL, OUT = normal(3, 6), normal(6, 2)


def two_layers():
    hidden = layer("Dense", {"units": 6, "use_bias": False}, KERNEL, name="hidden")
    return chain((3,), hidden, layer("Dense", {"units": 2, "use_bias": False}, OUT, name="out"))


@pytest.mark.parametrize("value", [0.0, 2.0, "mean"])
def test_ablation_is_what_the_formula_says(value):
    x = normal(7, 3)
    seen = []
    found = npf.ablation(
        two_layers(), x, "hidden", of=1, value=value, progress=lambda *done: seen.append(done)
    )
    hidden = x.astype("float64") @ KERNEL
    to = hidden.mean(0) if value == "mean" else value
    change = ((to - hidden) * OUT[:, 1]).mean(0)
    order = [row.channel for row in found.rows]
    np.testing.assert_allclose([row.change for row in found.rows], change[order], atol=1e-5)
    sizes = [abs(row.change) for row in found.rows]
    assert sizes == sorted(sizes, reverse=True) and sorted(order) == list(range(6))
    assert found.score == pytest.approx((hidden @ OUT)[:, 1].mean(), abs=1e-5)
    assert seen == [(n, 6) for n in range(1, 7)]
    assert json.loads(found.to_json())["channels"][0]["channel"] == order[0]
    assert str(found).splitlines()[2].split()[0] == str(order[0])


def test_ablation_of_a_function_of_some_channels_from_a_trace():
    model, x = two_layers(), normal(7, 3)
    by_class = npf.ablation(model, x, "hidden", of=0, channels=[4, 2])
    by_function = npf.ablation(
        model, model.trace(x), "hidden", of=lambda y: y[:, 0].mean(), channels=[4, 2]
    )
    assert by_class.rows == by_function.rows or [r.channel for r in by_class.rows] == [
        r.channel for r in by_function.rows
    ]
    with pytest.raises(BadInput, match="channel 6: 'hidden' has the channels 0 to 5"):
        npf.ablation(model, x, "hidden", of=0, channels=[6])
    with pytest.raises(BadInput, match="of=2: the output 'out' has the classes 0 to 1"):
        npf.ablation(model, x, "hidden", of=2)
    with pytest.raises(BadInput, match=r"gives float32 of shape \(7, 2\), expected a number"):
        npf.ablation(model, x, "hidden", of=lambda y: y)
    with pytest.raises(BadInput, match="value='median', expected a number or 'mean'"):
        npf.ablation(model, x, "hidden", of=0, value="median")
    with pytest.raises(UnknownName, match=r"'hiden'.*'hidden'"):
        npf.ablation(model, x, "hiden", of=0)


def test_ablation_goes_by_channels_first_and_inside_layers():
    config = {"filters": 5, "kernel_size": [1, 1], "data_format": "channels_first"}
    config |= {"use_bias": False}
    conv = layer("Conv2D", {**config, "activation": "relu"}, normal(1, 1, 3, 5))
    model = chain((3, 4, 6), conv, layer("Flatten"))
    x = normal(2, 3, 4, 6)
    for address in ("conv2d", "conv2d:pre"):
        assert len(npf.ablation(model, x, address, of=0).rows) == 5
    found = npf.ablation(model, x, "conv2d", of=0)
    assert found.rows[0].channel == 0 or found.rows[0].change == 0


def test_what_comes_before_is_computed_once():
    calls = []
    model = with_functions(calls)
    trace = model.trace(normal(2, 3))
    calls.clear()
    npf.ablation(model, trace, "middle", of=lambda outputs: outputs[0].mean())
    assert set(calls) == {"after"}
    with pytest.raises(BadInput, match="has the outputs 'sum', 'aside'; give a function"):
        npf.ablation(model, normal(2, 3), "middle", of=0)


def test_the_command_line_prints_the_same(capsys):
    picture = DIGITS.parent / "seven.png"
    arguments = ["ablate", str(DIGITS), str(picture), "--layer", "conv1", "--class", "7"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["layer"] == "conv1" and said["of"] == "class 7" and said["samples"] == 1
    assert main([*arguments, "--value", "mean"]) == 0
    assert "each channel set to its mean" in capsys.readouterr().out
    for more, words in (("--value=x", "--value x"), ("--class=99", "the classes 0 to 9")):
        assert main([*arguments, more]) == 2
        assert words in capsys.readouterr().err


def test_ablation_can_be_interrupted(monkeypatch):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        npf.ablation(two_layers(), normal(7, 3), "hidden", of=0, progress=stop)
