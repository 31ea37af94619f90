"""Random valid calls of every layer class, as plain data: what `test_differential` draws.

A strategy is a function of `draw`, the class and the shape of its (first) input, without the batch
axis, that gives a `Call`.  It is registered with the shapes that its classes take.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

from npforward.layers import LAYERS

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One layer and one call of it, in words that JSON knows.

    In `args` and `kwargs` an `Input` stands for an array; a layer inside is `layer(...)`.
    """

    options: dict[str, Any] = field(default_factory=dict)
    args: list[Any] = field(default_factory=list)  # the input alone, where empty
    kwargs: dict[str, Any] = field(default_factory=dict)
    kind: str = "normal"  # of the numbers of the input
    high: int = 0  # of whole numbers


class Strategy(NamedTuple):
    shapes: Callable[[str], st.SearchStrategy[Shape]]
    draws: Callable[..., Call]


STRATEGIES: dict[str, Strategy] = {}


def array(shape: Shape, kind: str = "normal", high: int = 0) -> dict[str, Any]:
    """An input of a model: normal, whole (below `high`), mask (true or false), lengths."""
    return {"input": list(shape), "kind": kind, "high": high}


THE_INPUT = {"input": "first"}


def layer(class_name: str, **options: Any) -> dict[str, Any]:
    """A layer for an option of another."""
    return {"layer": class_name, "options": options}


def strategy(classes: str, shapes: Callable[[str], st.SearchStrategy[Shape]]) -> Callable:
    """Register a function as the strategy of these classes."""

    def decorate(fn: Callable[..., Call]) -> Callable[..., Call]:
        for name in classes.split():
            STRATEGIES[name] = Strategy(shapes, fn)
        return fn

    return decorate


# ------------------------------------------------------------------------------------- the shapes


def rank(name: str) -> int:
    """How many space axes the class is for."""
    return int(re.search(r"([123])D", name)[1])


def spatial(name: str) -> st.SearchStrategy[Shape]:
    """Space axes, then channels (or channels, then space)."""
    n = rank(name)
    largest = (0, 10, 7, 4)[n]
    # TensorFlow divides by zero, and dies, where an axis of an AdaptiveMax is 1.
    least = 2 if "AdaptiveMax" in name else 1
    return st.tuples(*[st.integers(least, largest)] * n, st.integers(least, 6))


def of_axes(low: int, high: int, largest: int = 5) -> Callable[[str], st.SearchStrategy[Shape]]:
    """Any shape of `low` to `high` axes after the batch."""
    return lambda name: st.lists(st.integers(1, largest), min_size=low, max_size=high).map(tuple)


def of_steps(extra: int) -> Callable[[str], st.SearchStrategy[Shape]]:
    """Time, `extra` space axes, features."""
    return lambda name: st.tuples(
        st.integers(1, 6 if not extra else 3), *[st.integers(2, 5)] * extra, st.integers(1, 5)
    )


def sequences(name: str) -> st.SearchStrategy[Shape]:
    return of_steps(0)(name)


def videos(name: str) -> st.SearchStrategy[Shape]:
    return of_steps(rank(name))(name)


anything = of_axes(1, 4)


# --------------------------------------------------------------------------------------- options

PLAIN_ACTIVATIONS = """relu leaky_relu relu6 softmax celu elu selu softplus softsign squareplus
    soft_shrink sparse_plus silu gelu tanh tanh_shrink sigmoid sparse_sigmoid hard_sigmoid hard_silu
    hard_tanh hard_shrink mish log_softmax log_sigmoid sparsemax linear exponential swish
    hard_swish""".split()
SAFE = "relu tanh sigmoid hard_sigmoid softsign elu silu gelu hard_tanh linear".split()
booleans = st.booleans()
last_first = st.sampled_from(["channels_last", "channels_first"])
dtypes = st.sampled_from(
    ["float32"] * 12 + ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"]
)


def activations(draw, plain=True) -> Any:
    """A name, None, or a layer."""
    names = st.sampled_from(PLAIN_ACTIVATIONS if plain else SAFE)
    if not plain:
        return draw(names)
    layers = st.sampled_from(
        [
            layer("LeakyReLU", negative_slope=0.2),
            layer("ReLU", max_value=0.5, negative_slope=0.1),
            layer("ELU", alpha=0.7),
        ]
    )
    return draw(st.one_of(st.none(), names, names, names, layers))


def some(draw, **options: Any) -> dict[str, Any]:
    """A few of the options: others keep their defaults."""
    chosen = {}
    for name, values in options.items():
        if draw(st.integers(0, 2)):
            chosen[name] = draw(values) if isinstance(values, st.SearchStrategy) else values()
    return chosen


def split(shape: Shape, data_format: str) -> tuple[Shape, int]:
    """Space and channels."""
    return (shape[1:], shape[0]) if data_format == "channels_first" else (shape[:-1], shape[-1])


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def one_or_each(draw, values: list[int]) -> Any:
    """One number where they are equal and it is so drawn, else a list."""
    return values[0] if len(set(values)) == 1 and draw(booleans) else values


# ----------------------------------------------------------------------------------- convolutions


def reach(draw, space: Shape, padding: str, equal: bool):
    """A kernel, strides and dilation that fit: not both of the last above 1."""
    kernel, strides, dilation = [], [], []
    mode = draw(st.sampled_from(["plain", "strides", "dilation"]))
    step = draw(st.integers(1, 3))
    for n in space:
        k = draw(st.integers(1, 4 if padding != "valid" else min(4, n)))
        d = 1
        if mode == "dilation":
            most = 3 if padding != "valid" or k == 1 else max(1, min(3, (n - 1) // (k - 1)))
            d = draw(st.integers(1, most))
        kernel.append(k)
        dilation.append(d)
        strides.append((step if equal else draw(st.integers(1, 3))) if mode == "strides" else 1)
    return (one_or_each(draw, values) for values in (kernel, strides, dilation))


def convolution(draw, name, shape, paddings=("valid", "same")):
    data_format = draw(last_first)
    space, channels = split(shape, data_format)
    padding = draw(st.sampled_from(paddings))
    if padding == "causal":
        data_format, (space, channels) = "channels_last", split(shape, "channels_last")
    of_channels = "Depthwise" in name or "Separable" in name
    kernel, strides, dilation = reach(draw, space, padding, of_channels)
    options = {"kernel_size": kernel, "data_format": data_format, "padding": padding}
    options["strides"] = strides
    if dilation != 1:
        options["dilation_rate"] = dilation
    options |= some(draw, use_bias=booleans, activation=lambda: activations(draw))
    return options, channels


@strategy("Conv1D Conv2D Conv3D", spatial)
def conv(draw, name, shape):
    paddings = ("valid", "same", "causal") if name == "Conv1D" else ("valid", "same")
    options, channels = convolution(draw, name, shape, paddings)
    groups = draw(st.sampled_from(divisors(channels)))
    options["groups"] = groups
    return Call({"filters": groups * draw(st.integers(1, 3)), **options})


@strategy("DepthwiseConv1D DepthwiseConv2D", spatial)
def depthwise(draw, name, shape):
    options, _ = convolution(draw, name, shape)
    return Call(options | some(draw, depth_multiplier=st.integers(1, 3)))


@strategy("SeparableConv1D SeparableConv2D", spatial)
def separable(draw, name, shape):
    options, _ = convolution(draw, name, shape)
    filters = draw(st.integers(1, 5))
    return Call({"filters": filters, **options, **some(draw, depth_multiplier=st.integers(1, 3))})


@strategy("Conv1DTranspose Conv2DTranspose Conv3DTranspose", spatial)
def conv_transpose(draw, name, shape):
    data_format = draw(last_first)
    n = len(shape) - 1
    kernel = [draw(st.integers(1, 4)) for _ in range(n)]
    options = {
        "filters": draw(st.integers(1, 4)),
        "kernel_size": one_or_each(draw, kernel),
        "data_format": data_format,
        "padding": draw(st.sampled_from(["valid", "same"])),
    }
    mode = draw(st.sampled_from(["plain", "strides", "dilation"]))
    if mode == "strides":
        strides = [draw(st.integers(1, 3)) for _ in range(n)]
        options["strides"] = one_or_each(draw, strides)
        if draw(booleans):
            beyond = [draw(st.integers(0, s - 1)) for s in strides]
            options["output_padding"] = one_or_each(draw, beyond)
    elif mode == "dilation":
        options["dilation_rate"] = one_or_each(draw, [draw(st.integers(1, 3))] * n)
    return Call(options | some(draw, use_bias=booleans, activation=lambda: activations(draw)))


# ---------------------------------------------------------------------------- pooling and shaping


@strategy(
    """MaxPooling1D MaxPooling2D MaxPooling3D
    AveragePooling1D AveragePooling2D AveragePooling3D""",
    spatial,
)
def pooling(draw, name, shape):
    data_format, padding = draw(last_first), draw(st.sampled_from(["valid", "same"]))
    space, _ = split(shape, data_format)
    size = [draw(st.integers(1, min(4, n) if padding == "valid" else 4)) for n in space]
    options = {"pool_size": one_or_each(draw, size), "data_format": data_format, "padding": padding}
    strides = [draw(st.integers(1, 3)) for _ in space]
    return Call(options | some(draw, strides=lambda: one_or_each(draw, strides)))


@strategy(
    """GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D""",
    spatial,
)
def global_pooling(draw, name, shape):
    options = some(draw, data_format=last_first, keepdims=booleans)
    kwargs = {}
    if name == "GlobalAveragePooling1D" and draw(booleans):
        first = options.get("data_format") == "channels_first"
        kwargs["mask"] = array((shape[1] if first else shape[0],), "mask")
    return Call(options, kwargs=kwargs)


@strategy(
    """AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D""",
    spatial,
)
def adaptive_pooling(draw, name, shape):
    # As in `spatial`: an output size of 1, too.
    least = 2 if "Max" in name else 1
    size = [draw(st.integers(least, 5)) for _ in shape[1:]]
    return Call({"output_size": one_or_each(draw, size)} | some(draw, data_format=last_first))


@strategy("ZeroPadding1D ZeroPadding2D ZeroPadding3D", spatial)
def zero_padding(draw, name, shape):
    return Call(some(draw, padding=lambda: pairs(draw, [3] * (len(shape) - 1)), **formats(name)))


@strategy("Cropping1D Cropping2D Cropping3D", spatial)
def cropping(draw, name, shape):
    options = some(draw, **({} if name == "Cropping1D" else {"data_format": last_first}))
    space, _ = split(shape, options.get("data_format", "channels_last"))
    return Call({"cropping": pairs(draw, [(n - 1) // 2 for n in space]), **options})


def formats(name):
    return {"data_format": last_first}


def pairs(draw, most):
    """One number, one for each axis, or before and after for each."""
    form = draw(st.sampled_from(["one", "each", "pairs"]))
    if form == "one" or (len(most) == 1 and form == "each"):
        return draw(st.integers(0, min(most)))
    if form == "each":
        return [draw(st.integers(0, m)) for m in most]
    found = [[draw(st.integers(0, m)), draw(st.integers(0, m))] for m in most]
    return found[0] if len(most) == 1 else found


@strategy("UpSampling1D UpSampling2D UpSampling3D", spatial)
def up_sampling(draw, name, shape):
    n = rank(name)
    size = [draw(st.integers(1, 3)) for _ in range(n)]
    options = {"size": size[0] if n == 1 else one_or_each(draw, size)}
    if n > 1:
        options |= some(draw, data_format=last_first)
    if n == 2:
        kinds = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]
        options |= some(draw, interpolation=st.sampled_from(kinds))
    return Call(options)


@strategy("Flatten", of_axes(0, 4))
def flatten(draw, name, shape):
    return Call(some(draw, data_format=last_first))


@strategy("Reshape", anything)
def reshape(draw, name, shape):
    left, target = 1, []
    for n in shape:
        left *= n
    for _ in range(draw(st.integers(0, 3))):
        target.append(draw(st.sampled_from(divisors(left))))
        left //= target[-1]
    target.insert(draw(st.integers(0, len(target))), draw(st.sampled_from([left, -1])))
    return Call({"target_shape": target})


@strategy("Permute", anything)
def permute(draw, name, shape):
    return Call({"dims": draw(st.permutations(range(1, len(shape) + 1)))})


@strategy("RepeatVector", of_axes(1, 1))
def repeat_vector(draw, name, shape):
    return Call({"n": draw(st.integers(1, 4))})


# ------------------------------------------------------------------- dense, lookups, those at rest


@strategy("Dense", anything)
def dense(draw, name, shape):
    return Call(
        {"units": draw(st.integers(1, 6))}
        | some(draw, use_bias=booleans, activation=lambda: activations(draw))
    )


EQUATIONS = [  # equation, letters of the output after the batch, axes for a bias
    ("ab,bc->ac", "c", ["c"]),
    ("abc,cd->abd", "bd", ["d", "b", "bd"]),
    ("...x,xy->...y", "y", ["y"]),
    ("abc,cde->abde", "bde", ["de", "e", "d", "bde"]),
    ("abc,bcd->ad", "d", ["d"]),
    ("abc,cd->adb", "db", ["d", "b", "db"]),
    ("abcd,cde->abe", "be", ["e"]),
    ("abc,bcd->abd", "bd", ["d", "bd"]),
    ("ab...,bc->ac...", "c", ["c"]),
    ("...xy,xyz->...z", "z", ["z"]),
]


@strategy("EinsumDense", of_axes(1, 3))
def einsum_dense(draw, name, shape):
    fits = []
    for equation, out, biases in EQUATIONS:
        x = equation.partition(",")[0]
        letters = x.replace("...", "")
        if len(letters) == len(shape) + 1 or ("..." in x and len(letters) <= len(shape) + 1):
            fits.append((equation, out, biases))
    equation, out, biases = draw(st.sampled_from(fits))
    x = equation.partition(",")[0]
    sizes = dict(zip(x, (None, *shape), strict=False)) if "..." not in x else {}
    if x.startswith("..."):
        sizes = dict(zip(reversed(x[3:]), reversed(shape), strict=False))
    elif x.endswith("..."):
        sizes = dict(zip(x[:-3], (None, *shape), strict=False))
    made = [sizes.get(letter) or draw(st.integers(1, 4)) for letter in out]
    if "->..." in equation:
        made = [None] * (len(shape) - len(x) + 3) + made
        made = made if len(made) > 1 or draw(booleans) else made[0]
    elif equation.endswith("..."):
        made = made + [None] * (len(shape) + 1 - len(x) + 3)
    options = {"equation": equation, "output_shape": made if made != [] else 1}
    return Call(
        options
        | some(draw, bias_axes=st.sampled_from(biases), activation=lambda: activations(draw))
    )


@strategy("Embedding", of_axes(0, 3))
def embedding(draw, name, shape):
    options = {"input_dim": draw(st.integers(1, 7)), "output_dim": draw(st.integers(1, 5))}
    call = options | some(draw, mask_zero=booleans)
    return Call(call, kind="whole", high=options["input_dim"])


@strategy("ReversibleEmbedding", of_axes(1, 3))
def reversible_embedding(draw, name, shape):
    options = {
        "input_dim": draw(st.integers(1, 7)),
        "output_dim": draw(st.integers(1, 5)),
        **some(
            draw,
            tie_weights=booleans,
            mask_zero=booleans,
            reverse_dtype=st.sampled_from(["float32", "float16"]),
            logit_soft_cap=st.sampled_from([0.5, 30.0]),
        ),
    }
    if draw(booleans):
        options["output_dim"] = shape[-1]
        return Call(options, kwargs={"reverse": True})
    return Call(options, kind="whole", high=options["input_dim"])


@strategy("Masking", of_axes(2, 3))
def masking(draw, name, shape):
    return Call(some(draw, mask_value=st.sampled_from([0.0, 1.0, -2])), kind="halves")


@strategy("Identity ActivityRegularization", anything)
def identity(draw, name, shape):
    rates = {"l1": st.floats(0, 1, width=16), "l2": st.floats(0, 1, width=16)}
    return Call(some(draw, **(rates if name == "ActivityRegularization" else {})))


@strategy("Dropout GaussianDropout AlphaDropout", anything)
def dropout(draw, name, shape):
    noise = {} if name == "GaussianDropout" else {"noise_shape": st.just([None] + [1] * len(shape))}
    return Call({"rate": draw(st.sampled_from([0, 0.3, 0.9]))} | some(draw, **noise))


@strategy("SpatialDropout1D SpatialDropout2D SpatialDropout3D", spatial)
def spatial_dropout(draw, name, shape):
    form = {} if name == "SpatialDropout1D" else {"data_format": last_first}
    return Call({"rate": 0.4} | some(draw, **form))


@strategy("GaussianNoise", anything)
def noise(draw, name, shape):
    return Call({"stddev": draw(st.sampled_from([0.1, 1.0]))})


@strategy("Rescaling", anything)
def rescaling(draw, name, shape):
    numbers = st.sampled_from([2, -0.3, 1 / 255, 0.0])
    each = st.lists(numbers, min_size=shape[-1], max_size=shape[-1])
    return Call(
        {"scale": draw(st.one_of(numbers, each))} | some(draw, offset=st.one_of(numbers, each))
    )


@strategy("LayerScale", anything)
def layer_scale(draw, name, shape):
    return Call({"init_values": 1e-6, "projection_dim": shape[-1]})


# -------------------------------------------------------------------------------- activation layers


@strategy("Activation", anything)
def activation(draw, name, shape):
    found = activations(draw)
    return Call({"activation": "glu" if shape[-1] % 2 == 0 and draw(booleans) else found or "relu"})


@strategy("ReLU", anything)
def relu(draw, name, shape):
    return Call(
        some(
            draw,
            max_value=st.sampled_from([None, 6, 0.5, 0]),
            negative_slope=st.sampled_from([0.1, 1.0]),
            threshold=st.sampled_from([0.3, 1.0]),
        )
    )


@strategy("LeakyReLU", anything)
def leaky_relu(draw, name, shape):
    return Call(some(draw, negative_slope=st.sampled_from([0.0, 0.1, 1.5])))


@strategy("ELU", anything)
def elu(draw, name, shape):
    return Call(some(draw, alpha=st.sampled_from([0.5, 2.0])))


@strategy("PReLU", anything)
def prelu(draw, name, shape):
    axes = st.lists(st.integers(1, len(shape)), unique=True, max_size=len(shape))
    return Call(some(draw, shared_axes=axes))


@strategy("Softmax", anything)
def softmax(draw, name, shape):
    n = len(shape)
    axes = st.lists(st.integers(1, n), unique=True, min_size=1, max_size=n)
    options = some(draw, axis=st.one_of(st.integers(1, n), st.integers(-n, -1), axes))
    return Call(options, kwargs={"mask": array(shape, "mask")} if draw(booleans) else {})


# ------------------------------------------------------------------------------------ normalising

epsilons = st.sampled_from([1e-3, 1e-5, 0.1])


def an_axis(n):
    """An axis of a shape with a batch: counted from either end."""
    return st.one_of(st.integers(1, n), st.integers(-n, -1))


def some_axes(n):
    return st.lists(st.integers(1, n), unique=True, min_size=1, max_size=n)


@strategy("BatchNormalization", anything)
def batch_normalization(draw, name, shape):
    options = {"axis": an_axis(len(shape)), "epsilon": epsilons}
    found = some(draw, **options, center=booleans, scale=booleans, renorm=booleans)
    return Call(found | some(draw, momentum=st.just(0.5), synchronized=st.just(False)))


@strategy("LayerNormalization", anything)
def layer_normalization(draw, name, shape):
    axis = st.one_of(an_axis(len(shape)), some_axes(len(shape)).map(sorted))
    return Call(some(draw, axis=axis, epsilon=epsilons, center=booleans, scale=booleans))


@strategy("GroupNormalization", of_axes(1, 4, 6))
def group_normalization(draw, name, shape):
    axis = draw(an_axis(len(shape)))
    channels = shape[axis - 1 if axis > 0 else axis]
    groups = draw(st.sampled_from([*divisors(channels), -1]))
    options = {"axis": axis, "groups": groups}
    return Call(options | some(draw, epsilon=epsilons, center=booleans, scale=booleans))


@strategy("RMSNormalization", anything)
def rms_normalization(draw, name, shape):
    n = len(shape)
    # Keras multiplies by the scale along the last axes, whichever were normalised.
    last = st.integers(1, n).map(lambda k: list(range(n - k + 1, n + 1)))
    return Call(some(draw, axis=st.one_of(st.just(-1), last), epsilon=epsilons))


@strategy("UnitNormalization", anything)
def unit_normalization(draw, name, shape):
    return Call(some(draw, axis=st.one_of(an_axis(len(shape)), some_axes(len(shape)))))


@strategy("SpectralNormalization", of_axes(1, 3, 4))
def spectral_normalization(draw, name, shape):
    inside = [layer("Dense", units=3, activation="tanh")]
    if len(shape) == 3:
        inside.append(layer("Conv2D", filters=2, kernel_size=1))
        inside.append(layer("Conv2DTranspose", filters=2, kernel_size=2))
    if len(shape) == 2:
        inside.append(layer("Conv1D", filters=2, kernel_size=2, padding="same"))
    return Call(
        {"layer": draw(st.sampled_from(inside))} | some(draw, power_iterations=st.integers(1, 3))
    )


# ---------------------------------------------------------------------------------------- merging


def broadcastable(draw, shape):
    """A shape that spreads over `shape`; or its last axes."""
    axes = [n if draw(st.integers(0, 2)) else 1 for n in shape]
    return tuple(shape if draw(booleans) else axes)


@strategy("Add Average Multiply Maximum Minimum", anything)
def merging(draw, name, shape):
    others = [array(broadcastable(draw, shape)) for _ in range(draw(st.integers(1, 3)))]
    return Call(args=[[THE_INPUT, *others]])


@strategy("Subtract", anything)
def subtract(draw, name, shape):
    return Call(args=[[THE_INPUT, array(broadcastable(draw, shape))]])


@strategy("CustomScaleLayer", anything)
def custom_scale(draw, name, shape):
    scale = draw(st.sampled_from([0.17, -1.0, 2]))
    return Call({"scale": scale}, [[THE_INPUT, array(shape)]])


@strategy("Concatenate", anything)
def concatenate(draw, name, shape):
    options = some(draw, axis=an_axis(len(shape)))
    axis = options.get("axis", -1)
    at = axis - 1 if axis > 0 else axis % len(shape)
    others = []
    for _ in range(draw(st.integers(1, 3))):
        other = list(shape)
        other[at] = draw(st.integers(1, 4))
        others.append(array(tuple(other)))
    return Call(options, [[THE_INPUT, *others]])


@strategy("Dot", of_axes(1, 3, 4))
def dot(draw, name, shape):
    i = draw(st.integers(1, len(shape)))
    other = list(draw(of_axes(1, 3, 4)(name)))
    j = draw(st.integers(1, len(other)))
    other[j - 1] = shape[i - 1]
    axes = i if i == j and draw(booleans) else [i, j]
    return Call({"axes": axes} | some(draw, normalize=booleans), [[THE_INPUT, array(tuple(other))]])


# -------------------------------------------------------------------------------------- recurrent


def masked(draw, shape):
    return {"mask": array((shape[0],), "mask")} if draw(booleans) else {}


def cell_options(draw, kind):
    """Options of a cell, which its layer has too."""
    options = some(draw, activation=lambda: activations(draw, False), use_bias=booleans)
    if kind != "SimpleRNN":
        options |= some(draw, recurrent_activation=lambda: activations(draw, False))
    if kind == "GRU":
        options |= some(draw, reset_after=booleans)
    if kind == "LSTM":
        options |= some(draw, unit_forget_bias=booleans)
    return options


def loop_options(draw, states=True):
    options = some(
        draw,
        return_sequences=booleans,
        go_backwards=booleans,
        unroll=booleans,
        zero_output_for_mask=booleans,
    )
    if states:
        options |= some(draw, return_state=booleans)
    if options.get("unroll") and options.get("go_backwards"):
        # TensorFlow takes the mask the wrong way round here.
        options["zero_output_for_mask"] = False
    return options


STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}


@strategy("LSTM GRU SimpleRNN", sequences)
def recurrent(draw, name, shape):
    units = draw(st.integers(1, 5))
    options = {"units": units} | cell_options(draw, name) | loop_options(draw)
    kwargs = masked(draw, shape)
    if draw(booleans):
        kwargs["initial_state"] = [array((units,)) for _ in range(STATES[name])]
    else:
        options |= some(draw, stateful=booleans)
    return Call(options, kwargs=kwargs)


@strategy("LSTMCell GRUCell SimpleRNNCell", of_axes(1, 1))
def cell(draw, name, shape):
    units, kind = draw(st.integers(1, 5)), name.removesuffix("Cell")
    states = [array((units,)) for _ in range(STATES[kind])]
    return Call({"units": units} | cell_options(draw, kind), [THE_INPUT, states])


def some_cell(draw):
    """A cell, and the sizes of its states."""
    kind, units = draw(st.sampled_from(list(STATES))), draw(st.integers(1, 4))
    return layer(f"{kind}Cell", units=units, **cell_options(draw, kind)), [units] * STATES[kind]


@strategy("StackedRNNCells", of_axes(1, 1))
def stacked_cells(draw, name, shape):
    found = [some_cell(draw) for _ in range(draw(st.integers(1, 3)))]
    # A cell of one state is given that state, others the list of theirs.
    states = [[array((n,)) for n in sizes] for _, sizes in found]
    return Call({"cells": [made for made, _ in found]}, [THE_INPUT, states])


@strategy("RNN", sequences)
def rnn(draw, name, shape):
    made = some_cell(draw)[0] if draw(booleans) else None
    cells = made or [some_cell(draw)[0] for _ in range(draw(st.integers(1, 3)))]
    options = {"cell": cells} | loop_options(draw) | some(draw, stateful=booleans)
    return Call(options, kwargs=masked(draw, shape))


@strategy("Bidirectional", sequences)
def bidirectional(draw, name, shape):
    kind, units = draw(st.sampled_from(list(STATES))), draw(st.integers(1, 4))
    loop = loop_options(draw)
    if loop.get("unroll"):  # one of the directions goes backwards
        loop["zero_output_for_mask"] = False
    inside = layer(kind, units=units, **cell_options(draw, kind), **loop)
    merge = ["concat", "sum", "ave", "mul"] + ([] if loop.get("return_state") else [None])
    options = {"layer": inside} | some(draw, merge_mode=st.sampled_from(merge))
    if draw(st.integers(0, 3)) == 0:
        backwards = {**loop, "go_backwards": not loop.get("go_backwards", False)}
        other = draw(st.sampled_from(list(STATES))) if not loop.get("return_state") else kind
        options["backward_layer"] = layer(
            other, units=units, **cell_options(draw, other), **backwards
        )
    return Call(options, kwargs=masked(draw, shape))


@strategy("TimeDistributed", of_axes(2, 4, 4))
def time_distributed(draw, name, shape):
    inside = [layer("Dense", units=3, activation="relu"), layer("LayerNormalization")]
    inside += [layer("BatchNormalization"), layer("Flatten"), layer("Dropout", rate=0.5)]
    if len(shape) == 4:
        inside.append(layer("Conv2D", filters=2, kernel_size=2, padding="same"))
        inside.append(layer("GlobalAveragePooling2D"))
    if len(shape) == 3:
        inside.append(layer("LSTM", units=2))
        inside.append(layer("Conv1D", filters=2, kernel_size=2, padding="same"))
        inside.append(layer("MaxPooling1D", pool_size=2, padding="same"))
    return Call({"layer": draw(st.sampled_from(inside))}, kwargs=masked(draw, shape))


@strategy("ConvLSTM1D ConvLSTM2D ConvLSTM3D", videos)
def conv_lstm(draw, name, shape):
    data_format, padding = draw(last_first), draw(st.sampled_from(["valid", "same"]))
    space, _ = split(shape[1:], data_format)
    kernel, strides, dilation = reach(draw, space, padding, False)
    options = {"filters": draw(st.integers(1, 3)), "kernel_size": kernel, "strides": strides}
    options |= {"data_format": data_format, "padding": padding}
    if dilation != 1:
        options["dilation_rate"] = dilation
    options |= cell_options(draw, "LSTM") | loop_options(draw) | some(draw, stateful=booleans)
    return Call(options, kwargs=masked(draw, shape))


# -------------------------------------------------------------------------------------- attention


@strategy("Attention AdditiveAttention", sequences)
def attention(draw, name, shape):
    steps, features = draw(st.integers(1, 5)), shape[-1]
    width = features if name == "AdditiveAttention" or draw(booleans) else draw(st.integers(1, 4))
    keys = draw(booleans) or width != features
    inputs = [THE_INPUT, array((steps, width))]
    if keys:
        inputs.append(array((steps, features)))
    options = some(draw, use_scale=booleans, dropout=st.just(0.3))
    if name == "Attention":
        options |= some(draw, score_mode=st.sampled_from(["dot", "concat"]))
    kwargs = some(draw, return_attention_scores=booleans, use_causal_mask=booleans)
    if draw(booleans):
        kwargs["mask"] = [array((shape[0],), "mask"), array((steps,), "mask")]
        if keys:
            kwargs["mask"].append(array((steps,), "mask"))
    return Call(options, [inputs], kwargs)


def given_masks(draw, query, steps):
    """Arguments of the call of an attention with heads."""
    kwargs = some(draw, return_attention_scores=booleans, use_causal_mask=booleans)
    if draw(booleans):
        kwargs["query_mask"] = array((query,), "mask")
    if draw(booleans):
        kwargs["value_mask"] = array((steps,), "mask")
    if draw(booleans):
        kwargs["attention_mask"] = array((query, steps), "mask")
    return kwargs


@strategy("MultiHeadAttention", of_axes(2, 3, 4))
def multi_head_attention(draw, name, shape):
    options = {"num_heads": draw(st.integers(1, 3)), "key_dim": draw(st.integers(1, 4))}
    options |= some(
        draw,
        value_dim=st.integers(1, 4),
        use_bias=booleans,
        output_shape=st.one_of(st.integers(1, 4), st.just([3])),
        use_gate=booleans,
        dropout=st.just(0.2),
    )
    if len(shape) == 3:
        axes = st.sampled_from([1, 2, [1, 2], None])
        options |= some(draw, attention_axes=axes)
        kwargs = some(draw, return_attention_scores=booleans)
        return Call(options, [THE_INPUT, array(shape)], kwargs)
    options |= some(draw, sliding_window=st.integers(1, 4), attention_axes=st.just([1]))
    steps = draw(st.integers(1, 5))
    args = [THE_INPUT, array((steps, draw(st.integers(1, 4))))]
    kwargs = given_masks(draw, shape[0], steps)
    if draw(booleans):
        args.append(array((steps, draw(st.integers(1, 4)))))
        if draw(booleans):
            kwargs["key_mask"] = array((steps,), "mask")
    return Call(options, args, kwargs)


@strategy("GroupQueryAttention", sequences)
def group_query_attention(draw, name, shape):
    groups = draw(st.integers(1, 2))
    options = {
        "head_dim": draw(st.integers(1, 4)),
        "num_query_heads": groups * draw(st.integers(1, 3)),
        "num_key_value_heads": groups,
        **some(draw, use_bias=booleans, use_gate=booleans, sliding_window=st.integers(1, 4)),
        **some(draw, dropout=st.just(0.2)),
    }
    steps = draw(st.integers(1, 5))
    args = [THE_INPUT, array((steps, shape[-1]))]
    kwargs = given_masks(draw, shape[0], steps)
    if draw(booleans):
        args.append(array((steps, shape[-1])))
    return Call(options, args, kwargs)


# ------------------------------------------------------------------------------- images and sounds

NOT_OF_KERAS_3 = {
    "npforward.layers.legacy": "Keras 3 has it no longer",
    "npforward.layers.kur": "Keras never had it",
}
# Classes of the registry that are not drawn, and why.
NOT_DRAWN = {
    "Lambda": "a file does not hold its function",
    "Equalization": "Keras 3.15 gives out its very input, so no Functional model can hold it",
    "MaxNumBoundingBoxes": "it takes no arrays, but a dictionary of boxes",
    **{
        name: NOT_OF_KERAS_3[definition.fn.__module__]
        for name, definition in LAYERS.items()
        if definition.fn.__module__ in NOT_OF_KERAS_3
    },
}


def pictures(name: str) -> st.SearchStrategy[Shape]:
    return st.tuples(st.integers(2, 8), st.integers(2, 8), st.just(3))


CHANCES = st.sampled_from([0.1, 0.4])
IN_TRAINING = {  # what varies pictures in training only: option -> values
    "factor": CHANCES,
    "alpha": CHANCES,
    "value_range": st.sampled_from([[0, 255], [0, 1]]),
    "data_format": last_first,
    "bounding_box_format": st.just("xyxy"),
    "interpolation": st.sampled_from(["nearest", "bilinear"]),
    "fill_mode": st.sampled_from(["constant", "nearest", "wrap", "reflect"]),
    "fill_value": CHANCES,
    "scale": CHANCES,
    "num_chains": st.just(2),
    "chain_depth": st.just(2),
    "all_ops": booleans,
    "num_ops": st.just(1),
    "kernel_size": st.just(3),
    "sigma": CHANCES,
    "mode": st.sampled_from(["horizontal", "vertical"]),
    **{f"{of}_factor": CHANCES for of in ("brightness", "contrast", "saturation", "hue")},
    **{f"{of}_factor": CHANCES for of in ("x", "y", "width", "height", "addition", "threshold")},
}
REQUIRED = {
    "RandomZoom": ["height_factor"],
    "RandomTranslation": ["height_factor", "width_factor"],
}
VARY = {
    "MixUp": "alpha bounding_box_format",
    "CutMix": "factor",
    "RandomBrightness": "factor value_range bounding_box_format",
    "RandomColorDegeneration": "factor value_range bounding_box_format",
    "RandomColorJitter": """brightness_factor contrast_factor saturation_factor hue_factor
        value_range bounding_box_format""",
    "RandomContrast": "factor value_range bounding_box_format",
    "RandomGrayscale": "factor",
    "RandomHue": "factor value_range bounding_box_format",
    "RandomInvert": "factor value_range bounding_box_format",
    "RandomPosterization": "factor value_range bounding_box_format",
    "RandomSaturation": "factor value_range bounding_box_format",
    "AugMix": """num_chains chain_depth factor alpha all_ops interpolation value_range
        bounding_box_format""",
    "RandAugment": "num_ops factor interpolation value_range bounding_box_format",
    "RandomElasticTransform": "factor scale interpolation fill_mode fill_value value_range",
    "RandomErasing": "factor scale fill_value value_range bounding_box_format",
    "RandomGaussianBlur": "factor kernel_size sigma value_range bounding_box_format",
    "RandomPerspective": "factor scale interpolation fill_value bounding_box_format",
    "RandomRotation": "factor fill_mode interpolation fill_value bounding_box_format",
    "RandomSharpness": "factor value_range bounding_box_format",
    "RandomShear": """x_factor y_factor interpolation fill_mode fill_value
        bounding_box_format""",
    "RandomTranslation": """height_factor width_factor fill_mode interpolation fill_value
        bounding_box_format""",
    "RandomZoom": """height_factor width_factor fill_mode interpolation fill_value
        bounding_box_format""",
    "RandomFlip": "mode bounding_box_format",
}


@strategy(" ".join(VARY), pictures)
def varied_in_training(draw, name, shape):
    names = [*VARY[name].split(), "data_format"]
    needed = REQUIRED.get(name, ["factor"] if "factor" in names else [])
    options = {option: draw(IN_TRAINING[option]) for option in needed}
    if "factor" in options and name == "RandomPosterization":
        options["factor"] = 4
    if name == "RandomErasing":
        options["scale"] = [0.1, 0.3]
    return Call(some(draw, **{o: IN_TRAINING[o] for o in names if o not in options}) | options)


@strategy("Solarization", pictures)
def solarization(draw, name, shape):
    names = "addition_factor threshold_factor value_range bounding_box_format data_format".split()
    return Call(some(draw, **{option: IN_TRAINING[option] for option in names}))


@strategy("AutoContrast Equalization", pictures)
def histogram(draw, name, shape):
    options = {"value_range": IN_TRAINING["value_range"], "data_format": last_first}
    if name == "Equalization":
        options["bins"] = st.sampled_from([16, 256])
    return Call(some(draw, **options), kind="bytes")


@strategy("ContrastLimitedAdaptiveHistogramEqualization", pictures)
def in_tiles(draw, name, shape):
    return Call(
        some(
            draw,
            value_range=st.just([0, 255]),
            clip_limit=st.sampled_from([2.0, 8.0]),
            tile_grid_size=st.sampled_from([[2, 2], [1, 3]]),
            data_format=last_first,
        ),
        kind="bytes",
    )


def any_size(draw):
    return {"height": draw(st.integers(1, 9)), "width": draw(st.integers(1, 9))}


@strategy("CenterCrop RandomCrop", pictures)
def cropped(draw, name, shape):
    return Call(any_size(draw) | some(draw, data_format=last_first))


@strategy("Resizing", pictures)
def resizing(draw, name, shape):
    kinds = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]
    aspect = draw(st.sampled_from(["", "", "crop_to_aspect_ratio", "pad_to_aspect_ratio"]))
    options = {aspect: True} if aspect else {}
    options |= some(
        draw,
        interpolation=st.sampled_from(kinds),
        antialias=booleans,
        fill_value=st.sampled_from([0.5, 3.0]),
        fill_mode=st.just("constant"),
        data_format=last_first,
    )
    return Call(any_size(draw) | options)


@strategy("Normalization", of_axes(1, 3))
def normalization(draw, name, shape):
    n = len(shape)
    options = some(draw, axis=st.one_of(an_axis(n), st.none()), invert=booleans)
    if draw(booleans):
        options |= {"mean": draw(st.sampled_from([0.5, -1.0])), "variance": 2.0}
    return Call(options)


@strategy("STFTSpectrogram", lambda name: st.tuples(st.integers(20, 60), st.integers(1, 2)))
def stft(draw, name, shape):
    length = draw(st.sampled_from([8, 13, 16]))
    modes = st.sampled_from(["log", "magnitude", "psd", "real", "imag", "stft"])
    return Call(
        {"frame_length": length}
        | some(
            draw,
            mode=modes,
            frame_step=st.integers(1, length),
            fft_length=st.sampled_from([length, 2 * length, 32]),
            window=st.sampled_from(["hann", "hamming", None]),
            periodic=booleans,
            scaling=st.sampled_from(["density", "spectrum", None]),
            padding=st.sampled_from(["valid", "same"]),
            expand_dims=booleans,
            data_format=st.sampled_from(["channels_last"]),
        )
    )


@strategy("MelSpectrogram", lambda name: st.tuples(st.integers(200, 400)))
def mel(draw, name, shape):
    length = draw(st.sampled_from([32, 64]))
    return Call(
        {"fft_length": length, "sequence_length": length, "sequence_stride": length // 2}
        | {"num_mel_bins": draw(st.integers(2, 8)), "sampling_rate": 8000}
        | some(
            draw,
            window=st.sampled_from(["hann", "hamming"]),
            min_freq=st.sampled_from([20.0, 300.0]),
            max_freq=st.sampled_from([2000, 3999]),
            power_to_db=booleans,
            top_db=st.sampled_from([20.0, 80.0]),
            mag_exp=st.sampled_from([1.0, 2.0]),
            min_power=st.sampled_from([1e-10, 1e-3]),
            ref_power=st.sampled_from([0.5, 1.0]),
        )
    )


@strategy("Pipeline", pictures)
def pipeline(draw, name, shape):
    kinds = [layer("Rescaling", scale=0.1), layer("CenterCrop", height=2, width=2)]
    kinds += [layer("Resizing", height=3, width=5), layer("RandomFlip"), layer("Dropout", rate=0.5)]
    return Call({"layers": draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))})


# ---------------------------------------------------------------------------- categories and text

# What an input of kind "text" holds.
WORDS = ["a", "b", "The cat", "the cat, sat", "", " a  b\t", "ß 日本", "x" * 70, "12"]
ENCODED = st.sampled_from(["one_hot", "multi_hot", "count"])
SALTS = st.sampled_from([None, 7, [1, 2]])


@strategy("Discretization", of_axes(1, 3))
def discretization(draw, name, shape):
    options = some(draw, output_mode=st.one_of(st.just("int"), ENCODED), epsilon=st.just(0.1))
    if not draw(st.integers(0, 9)):  # refused: it has not been adapted
        return Call(options | {"num_bins": 3})
    bounds = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.1, 0.7, 2.0]), min_size=1, max_size=4)
    return Call(options | {"bin_boundaries": sorted(draw(bounds))})


@strategy("CategoryEncoding", of_axes(1, 3))
def category_encoding(draw, name, shape):
    options = {"num_tokens": draw(st.integers(1, 7)), **some(draw, output_mode=ENCODED)}
    return Call(options, kind="whole", high=draw(st.integers(1, 8)))


@strategy("Hashing", of_axes(1, 3))
def hashing(draw, name, shape):
    kind = draw(st.sampled_from(["text", "whole"]))
    masks = st.sampled_from([None, "a"] if kind == "text" else [None, 2])
    options = some(draw, mask_value=masks, salt=SALTS, output_mode=ENCODED)
    return Call({"num_bins": draw(st.integers(1, 9)), **options}, kind=kind, high=5)


@strategy("HashedCrossing", lambda name: st.just((1,)))
def hashed_crossing(draw, name, shape):
    kinds = st.lists(st.sampled_from(["text", "whole"]), min_size=1, max_size=2)
    others = [array(shape, kind, 5) for kind in draw(kinds)]
    options = {"num_bins": draw(st.integers(1, 9)), "output_mode": "one_hot"}
    if not draw(st.integers(0, 2)):
        options["output_mode"] = "int"
    kind = draw(st.sampled_from(["text", "whole"]))
    return Call(options, args=[[THE_INPUT, *others]], kind=kind, high=5)


def looking_up(draw, vocabulary, masks, oov_tokens) -> dict[str, Any]:
    """Options of a lookup layer that go together."""
    options = some(draw, num_oov_indices=st.integers(1, 3), oov_token=oov_tokens)
    mode = draw(st.one_of(st.just("int"), ENCODED, st.just("tf_idf")))
    options |= {"vocabulary": vocabulary, "output_mode": mode, **some(draw, mask_token=masks)}
    if mode == "tf_idf":
        options["idf_weights"] = [0.5 + i for i in range(len(vocabulary))]
    if draw(booleans):
        options |= {"max_tokens": 12, **some(draw, pad_to_max_tokens=booleans)}
    if mode == "int" and not draw(st.integers(0, 3)):
        options["invert"] = True
    return options


def some_of(draw, values):
    return draw(st.lists(st.sampled_from(values), min_size=1, max_size=5, unique=True))


@strategy("StringLookup", of_axes(1, 3))
def string_lookup(draw, name, shape):
    known = some_of(draw, [word for word in WORDS if word])
    options = looking_up(draw, known, st.sampled_from([None, ""]), st.sampled_from(["[UNK]", "?"]))
    options |= some(draw, salt=SALTS, oov_method=st.just("farmhash"))
    return Call(options, kind="whole" if "invert" in options else "text", high=9)


@strategy("IntegerLookup", of_axes(1, 3))
def integer_lookup(draw, name, shape):
    known = some_of(draw, [1, 2, 3, 5, 70])
    options = looking_up(draw, known, st.sampled_from([None, 0]), st.sampled_from([-1, -7]))
    if draw(booleans):
        options |= {"oov_method": "farmhash", **some(draw, salt=SALTS)}
    return Call(options | some(draw, vocabulary_dtype=st.just("int64")), kind="whole", high=9)


@strategy("TextVectorization", lambda name: st.just((1,)))
def text_vectorization(draw, name, shape):
    known = some_of(draw, ["a", "b", "the", "cat", "the cat", "sat", "日本", "t"])
    mode = draw(st.one_of(st.just("int"), ENCODED, st.just("tf_idf")))
    options = {"vocabulary": known, "output_mode": mode} | some(
        draw,
        standardize=st.sampled_from([None, "lower", "strip_punctuation"]),
        split=st.sampled_from([None, "character"]),
        ngrams=st.integers(1, 3),
        ragged=st.just(False),
    )
    if mode == "tf_idf":
        options["idf_weights"] = [0.5 + i for i in range(len(known))]
    if mode == "int":
        options |= some(draw, output_sequence_length=st.integers(0, 5))
    if draw(booleans):
        options |= {"max_tokens": 12, **some(draw, pad_to_max_tokens=booleans)}
    return Call(options, kind="text")


@strategy("TFDConcat", of_axes(1, 3))
def tfd_concat(draw, name, shape):
    return Call({"axis": draw(st.sampled_from([-1, 1]))}, args=[[THE_INPUT, array(shape)]])


@strategy("TFDIdentity", anything)
def tfd_identity(draw, name, shape):
    return Call()
