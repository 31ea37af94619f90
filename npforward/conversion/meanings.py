"""What an older Keras meant otherwise, put into words and arrays of Keras 3.15, one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from npforward.conversion.vocabulary import keras_3
from npforward.errors import UnsupportedOption
from npforward.graph import Graph, Layer, Node, Ref, Stored
from npforward.layers import categories
from npforward.layers.registry import Weight, per_axis

KEEP = "Keep this file, and open it with npforward"
OLD_HARD_SIGMOID = "keras2>hard_sigmoid"
# Of Keras 1 and 2: clip(0.2 x + 0.5) is relu6(1.2 x + 3) / 6, today's function of 1.2 x.
STEEPER = 1.2
# What stands before an activation is a sum of products with these, and this.
LAST_KERNELS, BIAS = ("pointwise_kernel", "kernel", "depthwise_kernel"), "bias"
BORDERS = ("theano>same", "torch>same", "full")
# What Kur has, and Keras 3 has otherwise; and what it has not at all.
PUT_OTHERWISE = ("ChannelwiseConv", "LegacyLogSoftmax")
NO_EQUAL = {
    "BatchwiseNormalization": (
        "it normalises by the moments of the samples that are computed together, where Keras 3 "
        "takes stored ones"
    )
}
ARRAYS = f"{KEEP}, or write its arrays alone: give a name that ends in .npz"
OLDER = re.compile(r"(keras|tf|theano|torch)\w*>")  # words for what today's Keras has no word for
CANDIDATE = 2  # of the gates of an LSTM (i, f, c, o) and of a GRU (z, r, h): the one not a gate


@dataclass
class Part:
    """A layer on its way: each meaning changes what it must."""

    address: str
    type: str
    name: str
    config: dict[str, Any]
    children: dict[str, Layer | Graph]
    arrays: list[tuple[Weight, Stored]]
    shape: tuple[int | None, ...] | None = None  # of its input, if that is known
    masked: bool = False  # whether its input is
    gives: str = ""  # the dtype of its output, if that is known
    before: Layer | None = None  # a layer that has to come before it now
    beside: list[Stored] = field(default_factory=list)  # arrays with names of their own
    said: list[str] = field(default_factory=list)  # what changes, for the user to read

    @property
    def who(self) -> str:
        return f"layer {self.address!r} ({self.type})"

    def say(self, what: str) -> None:
        self.said.append(f"{self.address}: {what}")

    def scale(self, name: str, factor: Any) -> None:
        """Multiply an array along its last axis."""
        self.arrays = [
            (weight, _changed(stored, lambda a: a * factor) if weight.name == name else stored)
            for weight, stored in self.arrays
        ]


def _changed(stored: Stored, change: Callable[[np.ndarray], np.ndarray]) -> Stored:
    def read() -> np.ndarray:
        return change(stored.read().astype(np.float64)).astype(stored.dtype)

    return replace(stored, read=read)


def hard_sigmoid(part: Part) -> None:
    """Keras 1 and 2: the function was less steep; what goes into it is scaled instead."""
    held = {weight.name for weight, _ in part.arrays}
    if part.config.get("recurrent_activation") == OLD_HARD_SIGMOID:
        part.config["recurrent_activation"] = "hard_sigmoid"
        units = next(s.shape[-2] for w, s in part.arrays if w.name == "recurrent_kernel")
        for name in ("kernel", "recurrent_kernel", BIAS):
            gates = next((s.shape[-1] // units for w, s in part.arrays if w.name == name), 0)
            steep = [1.0 if gate == CANDIDATE else STEEPER for gate in range(gates)]
            part.scale(name, np.repeat(steep, units))
        part.say("the gates' kernels and biases are scaled by 1.2, for today's hard_sigmoid")
    if part.config.get("activation") != OLD_HARD_SIGMOID:
        return
    kernel = next((name for name in LAST_KERNELS if name in held), None)
    if kernel and "recurrent_kernel" not in held:
        part.config["activation"] = "hard_sigmoid"
        for name in (kernel, BIAS):
            part.scale(name, STEEPER)
        part.say("kernel and bias are scaled by 1.2, for today's hard_sigmoid")
        return
    del part.config["activation"]
    part.children["activation"] = _steeper_hard_sigmoid(part.config.get("dtype"))
    part.say("its activation is a small model: today's hard_sigmoid after a scaling by 1.2")


def _steeper_hard_sigmoid(dtype: Any) -> Graph:
    """A model that computes clip(0.2 x + 0.5)."""
    policy = {} if dtype is None else {"dtype": dtype}
    scaling = Layer("scaling", "Rescaling", {**policy, "scale": STEEPER, "offset": 0.0})
    today = Layer("hard_sigmoid", "Activation", {**policy, "activation": "hard_sigmoid"})
    return one_after_the_other("hard_sigmoid_of_keras_2", scaling, today, policy)


def one_after_the_other(name: str, first: Layer, then: Layer, config: Mapping[str, Any]) -> Graph:
    """A model of two layers."""
    nodes = (
        Node("x", Layer("x", "InputLayer", {"batch_shape": None})),
        Node("first", first, (Ref("x"),)),
        Node("then", then, (Ref("first"),)),
    )
    return Graph(name, "Sequential", nodes, "x", Ref("then"), config)


def resizing_crop(part: Part) -> None:
    """Before Keras 3.6 a RandomCrop resized at inference, which today's Resizing does."""
    if part.type != "RandomCrop" or not part.config.pop("resizes", False):
        return
    kept = ("height", "width", "data_format", "dtype", "trainable")
    part.type = "Resizing"
    part.config = {key: part.config[key] for key in kept if key in part.config}
    part.config["crop_to_aspect_ratio"] = True
    part.say(
        "a Resizing, as which its RandomCrop acted at inference; in training it would no longer "
        "crop at random"
    )


def padding(part: Part) -> None:
    """Theano and PyTorch put borders otherwise than today's `same`: they are a layer before it."""
    said = [key for key in ("padding", "recurrent_padding") if part.config.get(key) in BORDERS]
    space = re.fullmatch(r"(?:|Depthwise|Separable)Conv(?:LSTM)?([123])D", part.type)
    if not said or space is None:
        return
    n = int(space[1])
    size, strides, dilation = (
        per_axis(key, part.config.get(key, 1), n)
        for key in ("kernel_size", "strides", "dilation_rate")
    )
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    same = set(strides) == {1} and all(k % 2 for k in reach)
    for key in said:
        word = part.config[key]
        if word != "full" and (same or (key != "padding" and all(k % 2 for k in size))):
            part.config[key] = "same"
        elif key == "padding" and "LSTM" not in part.type:
            part.config[key] = "valid"
            widths = [[k // 2, k - 1 - k // 2] if word != "full" else [k - 1] * 2 for k in reach]
            kept = {k: v for k, v in part.config.items() if k in ("data_format", "dtype")}
            config = {**kept, "padding": widths if n > 1 else widths[0]}
            part.before = Layer(f"border_of_{part.name}", f"ZeroPadding{n}D", config)
            who = "PyTorch" if word == "torch>same" else "Theano"
            part.say(f"a model of two layers: zeros at the border, as {who} put them, come first")
        if part.config[key] == "same" and key == "recurrent_padding":
            del part.config[key]


def pooled_padding(part: Part) -> None:
    """At a stride of 1 the borders of other backends are today's, for some sizes of windows."""
    space, word = re.fullmatch(r"(?:Max|Average)Pooling([123])D", part.type), "padding"
    if space is None or part.config.get(word) not in BORDERS:
        return
    n = int(space[1])
    size = per_axis("pool_size", part.config["pool_size"], n)
    strides = per_axis("strides", part.config.get("strides") or size, n)
    centred = all(k in (1, 3) or (k % 2 and part.config[word] == "torch>same") for k in size)
    if set(strides) == {1} and centred:
        part.config[word] = "same"


def inputs(part: Part) -> None:
    """What an input takes is a shape today, of nested models too."""
    if part.type != "InputLayer":
        return
    part.config.pop("fewest_axes", None)
    if part.config.get("batch_shape") is None and part.shape is not None:
        part.config["batch_shape"] = list(part.shape)


def channelwise(part: Part) -> None:
    """A convolution of a group for each channel."""
    if part.type != "ChannelwiseConv" or part.shape is None:
        return
    part.type = f"Conv{len(part.shape) - 2}D"
    part.config["groups"] = part.shape[-1]


def log_softmax(part: Part) -> None:
    """The axis that PyTorch took is said."""
    if part.type != "LegacyLogSoftmax":
        return
    part.config.pop("parallel", None)
    rank = 0 if part.shape is None else len(part.shape)
    if rank == 2:
        part.type, part.config["activation"] = "Activation", "log_softmax"
    elif rank:
        part.type, part.config["axis"] = "ops.LogSoftmax", 0 if rank in (1, 3) else 1
    else:
        raise UnsupportedOption(
            f"{part.who}: the log-softmax that PyTorch took of slices has an axis that no "
            f"activation of Keras 3's has. {ARRAYS}"
        )


def output_size(part: Part) -> None:
    """Keras 1 was told the size of what a Deconvolution2D gives; today it follows from padding."""
    space = re.fullmatch(r"Conv([123])DTranspose", part.type)
    if space is None or part.config.get("output_shape") is None or part.shape is None:
        return
    wanted = part.config.pop("output_shape")
    n = int(space[1])
    first = 2 if part.config.get("data_format") == "channels_first" else 1
    size, strides, dilation, outs = (
        per_axis(key, value, n)
        for key, value in (
            *(
                (key, part.config.get(key, 1))
                for key in ("kernel_size", "strides", "dilation_rate")
            ),
            ("output_shape", wanted),
        )
    )
    word, sizes = part.config.get("padding", "valid"), part.shape[first : first + n]
    if None in sizes or word not in ("valid", "same"):
        raise _no_such_output(part, wanted)
    extra, by_itself = [], True
    for m, k, s, d, out in zip(sizes, size, strides, dilation, outs, strict=True):
        k, m = (k - 1) * d + 1, m or 0
        by_itself &= out == m * s + (max(k - s, 0) if word == "valid" else 0)
        extra.append(out - (m - 1) * s - (k if word == "valid" else k % 2))
    if by_itself:
        return
    if any(not 0 <= e < s for e, s in zip(extra, strides, strict=True)):
        raise _no_such_output(part, wanted)
    part.config["output_padding"] = extra
    part.say(f"its output_shape={wanted!r} is output_padding={extra!r} now")


def _no_such_output(part: Part, wanted: Any) -> UnsupportedOption:
    return UnsupportedOption(
        f"{part.who}: its output_shape={wanted!r} is not one that Keras {keras_3().keras} gives "
        f"for an input of shape {part.shape}. {KEEP}"
    )


def masked_places(part: Part) -> None:
    """What older versions gave for masked places, if there are any and it is not that of today."""
    if part.type == "Bidirectional":
        today = part.children["forward_layer"].config.get("return_sequences", False)
        if not part.masked or part.config.get("zero_output_for_mask") == today:
            part.config.pop("zero_output_for_mask", None)
    if not part.masked:
        part.config.pop("masked", None)
        part.config.pop("state_before", None)


def buckets(part: Part) -> None:
    """tf.keras numbers buckets in whole numbers whatever the dtype; today that says which."""
    if part.type in ("Hashing", "HashedCrossing") and part.gives in ("int32", "int64"):
        part.config["dtype"] = part.gives


def counts(part: Part) -> None:
    """Keras 2 counted tokens in floats and numbered bins in int64."""
    before = part.config.pop("output_dtype", None)
    if before is not None:
        part.say(f"gives the same numbers as whole ones of Keras 3's dtype, no longer {before}")


def frequencies(part: Part) -> None:
    """Frequencies of tokens are given to Keras for the vocabulary, and in an array for all."""
    if "output_mode" in part.config:
        said = part.config["output_mode"]
        part.config["output_mode"] = categories.OLD_MODES.get(str(said), said)
    config = part.config
    if config.get("output_mode") != "tf_idf" or config.get("vocabulary") is None:
        return
    text = part.type == "TextVectorization"
    known = categories.vocabulary_of(
        config["vocabulary"],
        int if part.type == "IntegerLookup" else str,
        "tf_idf",
        1 if text else config.get("num_oov_indices", 1),
        "" if text else config.get("mask_token"),
        config.get("oov_token", "[UNK]"),
        False,
    )
    depth = config["max_tokens"] if config.get("pad_to_max_tokens") else known.size
    weights = categories.frequencies(config.get("idf_weights"), known, depth)
    config["vocabulary"] = list(known.tokens)
    config["idf_weights"] = weights[known.start :][: len(known.tokens)]
    array = np.array(weights, np.float32)
    for place in ("", "_lookup_layer/") if text else ("",):
        name = f"{place}vars/idf_weights"
        part.beside.append(Stored(name, array.shape, array.dtype, lambda: array))


def lora(part: Part) -> None:
    """In .h5 the arrays of LoRA are beside the kernel; `.keras` has them merged into it."""
    if not part.config.pop("lora_apart", False):
        return
    rank = part.config.pop("lora_rank", None)
    alpha = part.config.pop("lora_alpha", None) or rank
    beside = {weight.role: stored for weight, stored in part.arrays}
    if "lora_a" not in beside:
        return
    if part.config.get("quantization"):
        raise UnsupportedOption(
            f"{part.who}: LoRA beside a quantised kernel. A .keras file holds both as one kernel, "
            f"which would have to be quantised anew and give other numbers. {KEEP}"
        )
    arrays: list[tuple[Weight, Stored]] = []
    for weight, stored in part.arrays:
        if weight.role in ("lora_a", "lora_b"):
            continue
        if weight.role == "values":
            stored = _merged(stored, beside["lora_a"], beside["lora_b"], alpha / rank)
        arrays.append((weight, stored))
    part.say("LoRA is merged into the kernel")
    part.arrays = arrays


def _merged(stored: Stored, a: Stored, b: Stored, scale: float) -> Stored:
    def added(kernel: np.ndarray) -> np.ndarray:
        return kernel + a.read().astype(np.float64) @ b.read().astype(np.float64) * scale

    return _changed(stored, added)


def function(part: Part) -> None:
    """A Lambda of a function of Keras's own, which is all that it is in npforward."""
    if part.type != "Lambda":
        return
    if part.config.get("mask") is not None:
        raise UnsupportedOption(f"{part.who}: Keras 3 cannot load its mask. {KEEP}")
    name = part.config["function"]
    part.config["function"] = {
        "module": "builtins" if name in keras_3().activations else "keras.ops",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def quantized_attention(part: Part) -> None:
    """Keras 3.15 quantises the layers in an attention, but does not load what it saves of them."""
    said = part.config.get("quantization") or {}
    if said and "mode" not in said:
        raise UnsupportedOption(
            f"{part.who}: its {next(iter(said))} is quantised, and Keras {keras_3().keras} cannot "
            f"load an attention that is. {KEEP}, or convert the model before model.quantize"
        )


MEANINGS = (
    hard_sigmoid,
    resizing_crop,
    inputs,
    channelwise,
    log_softmax,
    padding,
    pooled_padding,
    output_size,
    masked_places,
    buckets,
    counts,
    frequencies,
    lora,
    function,
    quantized_attention,
)
