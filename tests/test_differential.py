"""Live against genuine Keras: random layers and small graphs of layers, saved and replayed.

    pytest -n 0 -m reference tests/test_differential.py             a fixed budget, always the same
    NPFORWARD_EXAMPLES=100000 pytest -n 2 -m reference tests/test_differential.py      for hours
    NPFORWARD_EXAMPLE='{...}' pytest -n 0 -m reference tests/test_differential.py -k again

A failure says its example as JSON, for the last of these.  With NPFORWARD_EXAMPLES every run draws
others (`--hypothesis-seed=N` repeats a run); the number is that of each class, and of the graphs.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from layer_strategies import NOT_DRAWN, STRATEGIES, WORDS, dtypes, pictures
from live import compare, randomised, values

from npforward.layers import LAYERS

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

CLASSES = sorted(n for n in LAYERS if not n.startswith("ops.") and n not in NOT_DRAWN)
BUDGET = os.environ.get("NPFORWARD_EXAMPLES")
LARGEST = 3000  # numbers in a value of a graph


def budget(usual: int) -> settings:
    """How many examples to draw: `usual` ones, always the same, or as many as are asked for."""
    return settings(
        max_examples=int(BUDGET) if BUDGET else usual,
        derandomize=not BUDGET,
        database=None,
        deadline=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


class Refused(Exception):
    """Keras itself cannot build, run or save this."""


class KnownWrong(Exception):
    """TensorFlow's answer is known to be wrong here."""


# ------------------------------------------------------------------------------ from data to Keras


def made(tree):
    """An option, with the layers in it built."""
    import keras

    if isinstance(tree, dict) and "layer" in tree:
        return getattr(keras.layers, tree["layer"])(**made(tree["options"]))
    if isinstance(tree, dict):
        return {key: made(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [made(value) for value in tree]
    return tree


def layer_class(name):
    import keras
    from keras.src.applications import convnext, inception_resnet_v2
    from keras.src.layers.preprocessing import feature_space

    for place in (keras.layers, convnext, inception_resnet_v2, feature_space):
        if hasattr(place, name):
            return getattr(place, name)
    raise LookupError(name)


def drawn(shape, kind, high, rng):
    """The numbers of an input."""
    if kind == "mask":
        keep = rng.random(shape) < 0.6
        keep[..., :1] = True  # nothing is masked altogether
        return keep
    if kind == "whole":
        return rng.integers(0, high, shape).astype("int32")
    if kind == "text":
        return rng.choice(WORDS, shape)
    if kind == "bytes":  # pixels
        return rng.integers(0, 256, shape).astype("float32")
    if kind == "halves":  # where equal numbers matter
        return rng.integers(0, 2, shape).astype("float32")
    return rng.standard_normal(shape).astype("float32")


class Built:
    """The Keras model of an example, step by step, and the arrays to feed it."""

    def __init__(self, example):
        import keras

        self.batch, self.fixed = example["batch"], example["fixed"]
        self.rng = np.random.default_rng(example["seed"])
        self.inputs, self.arrays, self.layers = [], [], []
        self.tensors = [self.input(example["shape"], example["kind"], example["high"])]
        keras.utils.set_random_seed(example["seed"] % 2**31)

    def input(self, shape, kind, high=0):
        import keras

        array = drawn((self.batch, *shape), kind, high, self.rng)
        name, batch = f"x{len(self.inputs)}", self.batch if self.fixed else None
        dtype = "string" if array.dtype.kind == "U" else array.dtype.name
        made = keras.Input(batch_shape=(batch, *shape), dtype=dtype, name=name)
        self.arrays.append(array)
        self.inputs.append(made)
        return made

    def argument(self, tree, first):
        """A tree of arguments with its inputs, and values that were computed before."""
        if isinstance(tree, dict) and "input" in tree:
            if tree["input"] == "first":
                return first
            return self.input(tree["input"], tree["kind"], tree["high"])
        if isinstance(tree, dict):
            return {key: self.argument(value, first) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self.argument(value, first) for value in tree]
        return tree

    def step(self, step):
        """One layer more; its outputs are new tensors to go on from."""
        import keras

        first = self.tensors[step["of"]]
        given = len(self.inputs)
        try:
            if "again" in step:
                y = self.layers[step["again"]](first)
                self.layers.append(self.layers[step["again"]])
            elif "model" in step:
                inner = Built(step["model"])
                for below in step["model"]["steps"]:
                    inner.step(below)
                self.layers.append(keras.Model(inner.inputs, inner.tensors[-1]))
                y = self.layers[-1](first)
            elif "sum" in step:
                self.layers.append(keras.layers.Add())
                y = self.layers[-1]([first, self.tensors[step["sum"]]])
            else:
                call = step["call"]
                options = {key: made(value) for key, value in call["options"].items()}
                dtype = {} if step["dtype"] == "float32" else {"dtype": step["dtype"]}
                layer = layer_class(step["class"])(**options, **dtype)
                args = [self.argument(a, first) for a in call["args"]] or [first]
                y = layer(*args, **{k: self.argument(a, first) for k, a in call["kwargs"].items()})
                self.layers.append(layer)
        except Exception as refusal:  # whatever Keras may raise for what it cannot build
            del self.inputs[given:], self.arrays[given:]
            raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal
        flat = keras.tree.flatten(y)
        self.tensors += flat
        return flat

    def model(self):
        import keras

        used = set()
        for tensor in self.tensors:
            used |= {id(t) for node in _history(tensor) for t in node.input_tensors}
        last = [t for t in self.tensors[1:] if id(t) not in used]
        return keras.Model(self.inputs, last)


def _history(tensor):
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return []
    return [history.operation._inbound_nodes[history.node_index]]


def stateful(tree):
    """Whether something in an example is a stateful layer: its batch must be fixed."""
    if isinstance(tree, dict):
        return tree.get("stateful") is True or any(map(stateful, tree.values()))
    return isinstance(tree, list) and any(map(stateful, tree))


# ------------------------------------------------------------------- what TensorFlow does wrongly


@pytest.fixture(scope="module", autouse=True)
def noticed():
    """Notice where keras.ops.add of 3.15 adds a bias to another axis than broadcasting says.

    It hands anything that looks like a bias to tf.nn.bias_add, and takes a bias of shape
    (1, C, 1, 1) for one over the last axis when that happens to have C elements too.
    """
    from keras.src.backend.tensorflow import numpy as functions

    genuine = functions.add

    def add(x1, x2):
        shape1, shape2 = (tuple(getattr(x, "shape", ())) for x in (x1, x2))
        long = [i for i, n in enumerate(shape2, start=-len(shape2)) if n != 1]
        if len(long) == 1 and len(shape1) > 1 and shape2[long[0]] in (shape1[1], shape1[-1]):
            axis = -1 if shape1[-1] == shape2[long[0]] else 1 - len(shape1)
            if axis != long[0] or len(shape2) > len(shape1):
                raise KnownWrong("a bias on the wrong axis")
        return genuine(x1, x2)

    functions.add = add
    yield
    functions.add = genuine


def known_wrong(error):
    while error is not None:
        if isinstance(error, KnownWrong):
            return True
        error = error.__cause__ or error.__context__
    return False


# ------------------------------------------------------------------------------------ the checking

COUNTS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
REASONS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


def checked(built, example, folder, counts):
    """Hold one built example against npforward, from a .keras and from a .h5 file."""
    try:
        model = randomised(built.model(), example["seed"])
        model.save(folder / "model.keras")
        want = values(model, built.arrays, eager=True)
    except Exception as refusal:  # whatever Keras may raise for what it cannot run or save
        raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal
    counts["ran"] += 1
    compare(want, folder / "model.keras", built.arrays)
    try:
        model.save(folder / "model.h5")
    except Exception:  # whatever Keras may raise for what this old format cannot hold
        counts["not as .h5"] += 1
        return
    compare(want, folder / "model.h5", built.arrays)


def rejected(name, refusal):
    """Count an example that Keras does not compute."""
    why = "known wrong" if known_wrong(refusal) else "refused"
    COUNTS[name][why] += 1
    if why == "refused":
        REASONS[name][" ".join(str(refusal).split())[:300]] += 1


def again(example):
    """How to repeat a failure."""
    return f"repeat with NPFORWARD_EXAMPLE={json.dumps(json.dumps(example))} -k again"


def minority(name):
    """What Keras refuses must not be most of what is drawn."""
    counts = COUNTS[name]
    print(f"{name}: {dict(counts)}")
    for reason, n in REASONS[name].most_common(3):
        print(f"    {n} refused: {reason}")
    assert counts["refused"] + counts["known wrong"] < 0.4 * sum(counts.values()) + 2, (
        counts,
        REASONS[name],
    )


def single(draw, name):
    """An example of one layer."""
    shapes, draws = STRATEGIES[name]
    shape = draw(shapes(name))
    call = draws(draw, name, shape)
    step = {"of": 0, "class": name, "call": dataclasses.asdict(call), "dtype": draw(dtypes)}
    if name.startswith(("SpatialDropout", "Discretization", "HashedCrossing")) and step[
        "dtype"
    ].startswith("mixed"):
        step["dtype"] = "float16"  # of a policy, Keras 3.15 saves the dtype of variables alone
    if step["dtype"] == "float64" and "'layer':" in str(call):
        step["dtype"] = "float32"  # the layer inside computes in float32, as exactly as that is
    return {
        "shape": shape,
        "kind": call.kind,
        "high": call.high,
        "batch": draw(st.integers(1, 3)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "fixed": stateful(step["call"]),
        "steps": [step],
    }


@st.composite
def singles(draw, name):
    return single(draw, name)


@pytest.mark.parametrize("name", CLASSES)
def test_layer(name, tmp_path):
    """One layer with any of its options."""
    assert name in STRATEGIES, f"layer_strategies.py lacks a strategy for {name}"

    @budget(12)
    @given(singles(name))
    def run(example):
        example = json.loads(json.dumps(example))
        replayed(example, name, tmp_path)

    run()
    minority(name)


def replayed(example, name, folder):
    import keras

    keras.utils.clear_session(free_memory=False)
    try:
        built = Built(example)
        for step in example["steps"]:
            built.step(step)
        checked(built, example, folder, COUNTS[name])
    except Refused as refusal:
        rejected(name, refusal)
        assume(False)
    except Exception as error:
        error.add_note(again(example))
        raise


SINGLE_INPUT = sorted(
    set(STRATEGIES)
    - set(NOT_DRAWN)
    - set("Masking Embedding ReversibleEmbedding Dot LSTMCell GRUCell SimpleRNNCell".split())
    - {"StackedRNNCells", "RepeatVector", "STFTSpectrogram", "MelSpectrogram"}
)


def fits(name, shape):
    """Whether a shape is one that a class takes."""
    floor = {"Attention": 2, "AdditiveAttention": 2, "MultiHeadAttention": 2, "Bidirectional": 2}
    floor |= dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "GroupQueryAttention"), 2)
    if name.startswith("ConvLSTM"):
        return len(shape) == int(name[8]) + 2 and min(shape[1:-1]) > 1
    if "AdaptiveMax" in name and min(shape) < 2:  # see `spatial`
        return False
    for n in "123":
        if f"{n}D" in name:
            return len(shape) == int(n) + 1
    if name in floor:
        return len(shape) == floor[name]
    if STRATEGIES[name].shapes is pictures:
        return len(shape) == 3 and shape[-1] == 3 and min(shape) > 1
    if name == "TimeDistributed":
        return 2 <= len(shape) <= 4
    if name in ("EinsumDense", "SpectralNormalization"):
        return 1 <= len(shape) <= 3
    return 1 <= len(shape) <= 4


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
def test_graph(tmp_path, masks):
    """Layers after layers, joined by shortcuts, called twice, and models within models."""
    name = f"graph of layers, {'masked' if masks else 'plain'}"

    @budget(25)
    @given(st.data())
    def run(data):
        draw = data.draw
        import keras

        keras.utils.clear_session(free_memory=False)
        example = start(draw, masks)
        built = Built(example)
        try:
            grown(draw, built, example, draw(st.integers(2, 6)))
            example = json.loads(json.dumps(example))
            checked(built, example, tmp_path, COUNTS[name])
        except Refused as refusal:
            rejected(name, refusal)
            assume(False)
        except Exception as error:
            error.add_note(again(example))
            raise

    run()
    minority(name)


def start(draw, masks):
    """An example with its input, and with masks the layer that makes one."""
    example = {"kind": "normal", "high": 0, "batch": draw(st.integers(1, 3)), "fixed": False}
    example |= {"seed": draw(st.integers(0, 2**32 - 1)), "steps": []}
    if not masks:
        return example | {"shape": draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))}
    example["shape"] = [draw(st.integers(1, 6))]
    return example | {"kind": "whole", "high": 4, "embedded": True}


def grown(draw, built, example, steps):
    """Add steps that Keras accepts, one by one."""
    if example.get("embedded"):
        options = {"input_dim": 4, "output_dim": draw(st.integers(1, 5)), "mask_zero": True}
        call = {"options": options, "args": [], "kwargs": {}}
        tried(built, example, {"of": 0, "class": "Embedding", "call": call, "dtype": "float32"})
    for _ in range(steps):
        at = len(built.tensors) - 1 - draw(st.sampled_from([0, 0, 0, 1]))
        at = max(at, int("embedded" in example))
        tensor = built.tensors[at]
        shape = tuple(tensor.shape[1:])
        if not (shape and None not in shape and tensor.dtype == "float32"):
            continue
        form = draw(st.sampled_from(["layer"] * 6 + ["sum", "again", "model"]))
        alike = [
            i for i, t in enumerate(built.tensors) if t.shape == tensor.shape and i != at and i
        ]
        step = {"of": at}
        if form == "sum" and alike:
            step["sum"] = draw(st.sampled_from(alike))
        elif form == "again" and alike and example["steps"]:
            step["again"] = draw(st.integers(0, len(built.layers) - 1))
        elif form == "model":
            inner = start(draw, False) | {"shape": list(shape)}
            grown(draw, Built(inner), inner, draw(st.integers(1, 3)))
            if not inner["steps"]:
                continue
            step["model"] = inner
        else:
            names = [name for name in SINGLE_INPUT if fits(name, shape)]
            step["class"] = draw(st.sampled_from(names))
            call = STRATEGIES[step["class"]].draws(draw, step["class"], shape)
            step |= {"call": dataclasses.asdict(call), "dtype": "float32"}
            if stateful(step["call"]) or call.kind != "normal" or "model" in str(step["call"]):
                continue
            if "depth" in example and _inputs(step["call"]):
                continue
        tried(built, example, step)


def tried(built, example, step):
    """Take a step, unless Keras refuses it or its values would be large."""
    step = json.loads(json.dumps(step))
    if step.get("call", {}).get("options", {}).get("activation") == "glu":
        return  # Keras builds what follows for twice the numbers that it gets
    try:
        outputs = built.step(step)
    except Refused as refusal:
        if known_wrong(refusal):
            raise
        return
    example["steps"].append(step)
    if any(math.prod(n or 1 for n in t.shape[1:]) > LARGEST for t in outputs):
        raise Refused("a large value")


def _inputs(tree):
    if isinstance(tree, dict):
        return isinstance(tree.get("input"), list) or any(map(_inputs, tree.values()))
    return isinstance(tree, list) and any(map(_inputs, tree))


@pytest.mark.skipif("NPFORWARD_EXAMPLE" not in os.environ, reason="repeats a failure")
def test_again(tmp_path):
    example = json.loads(os.environ["NPFORWARD_EXAMPLE"])
    built = Built(example)
    for step in example["steps"]:
        built.step(step)
    checked(built, example, tmp_path, collections.Counter())
