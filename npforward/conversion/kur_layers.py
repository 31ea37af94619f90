"""A layer of Keras's -> the containers of a Kurfile that compute it, or a refusal that says why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from npforward.conversion.architecture import Tensor
from npforward.conversion.meanings import ARRAYS, CANDIDATE, OLD_HARD_SIGMOID, STEEPER
from npforward.errors import UnsupportedLayer
from npforward.formats.kur.backends import Backend
from npforward.formats.kur.layers import ACTIVATIONS, MERGES
from npforward.graph import Layer
from npforward.layers.registry import NO_EFFECT, per_axis
from npforward.weights import Bound

EPSILON = 1e-3  # of every batch normalisation that Kur builds on Keras
# Both directions of a recurrent layer, as Keras says how to merge them, and as Kur does.
MERGED = {"sum": "add", "mul": "multiply", "ave": "average", "concat": "concat"}
# What says nothing where no value has a mask, and how steps are computed but not what they give.
IDLE = ("zero_output_for_mask", "masked", "unroll")
IN_PARALLEL = ("convolution", "dense", "activation", "pool", "flatten", "dropout")
Read = Callable[[], np.ndarray]


class Elsewhere(UnsupportedLayer):
    """Kur has it on another version of Keras only."""


@dataclass(frozen=True)
class Step:
    """A container: its type and arguments, and its arrays by the names of their files."""

    name: str
    type: str
    args: Any = None
    arrays: Mapping[str, Read] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        return {self.type: self.args, "name": self.name}


@dataclass
class Source:
    """A layer that is to be written for Kur on one version of Keras."""

    layer: Layer
    address: str
    given: Sequence[Tensor]  # what it is called with
    backend: Backend
    bounds: Mapping[Any, Bound]
    name: str  # of its main container
    named: Callable[[str], str]  # a name for another one

    def __post_init__(self) -> None:
        bound = self.bounds[self.layer]
        if bound.error is not None:
            raise bound.error
        if bound.definition is None:
            raise self.refused("it is not one of Keras's own layers")
        self.stored = {weight.name: stored for weight, stored in bound.pairs}
        known = bound.definition.options
        self.options = {
            **{key: default for key, default in known.items() if key != "dtype"},
            **bound.definition.chosen(self.layer.config, self.layer.children),
        }

    def refused(self, why: str, kind: type[UnsupportedLayer] = UnsupportedLayer) -> Any:
        return kind(f"layer {self.address!r} ({self.layer.type}): {why}. {ARRAYS}")

    def only_on(self, library: str, what: str) -> None:
        """Refuse on another version of Keras."""
        if self.backend.library != library:
            version = library.removeprefix("keras")
            raise self.refused(f"Kur can have {what} on Keras {version} only", Elsewhere)

    def inner(self, key: str, given: Sequence[Tensor], name: str) -> Source:
        """The layer that it has within."""
        child = self.layer.children[key]
        if not isinstance(child, Layer):
            raise self.refused(f"its {key} is a model")
        address = f"{self.address}/{key}"
        return replace(self, layer=child, address=address, given=given, name=name)

    def steps(self) -> list[Step]:
        """The containers that compute what the layer does, each of what comes before it.

        There are none for one that does nothing at evaluation.
        """
        make = MADE.get(self.layer.type)
        if make is None:
            raise self.refused("Kur has no container that computes this")
        found = list(make(self))
        # An option that no one has asked for has to be as if it were not there.
        defaults = (self.bounds[self.layer].definition or self).options
        for key, value in self.options.items():
            idle = key in NO_EFFECT or key in IDLE or key in self.layer.children
            if not idle and not _same(value, defaults.get(key)):
                raise self.refused(f"Kur has nothing for its {key}={value!r}")
        return found

    def take(self, option: str, *known: Any) -> Any:
        """An option that is seen to; one of those `known`, if any are."""
        if option in self.layer.children:
            raise self.refused(f"its {option} is a layer of its own, which Kur cannot have")
        found = self.options.pop(option)
        if known and found not in known:
            raise self.refused(f"Kur has nothing for its {option}={found!r}")
        return found

    def per_axis(self, option: str, count: int) -> list[int]:
        return list(per_axis(option, self.take(option), count))

    @property
    def shape(self) -> tuple[int | None, ...]:
        """That of what it is called with."""
        return self.given[0].shape

    def read(self, name: str, change: Callable[[np.ndarray], Any] = np.asarray) -> Read:
        """An array as it is written: Kur has numbers of 32 bits only."""
        stored = self.stored[name]
        return lambda: np.asarray(change(stored.read()), np.float32)

    def bias(self, size: int) -> Read:
        """The bias, which every layer of Kur's has."""
        self.take("use_bias")
        return self.read("bias") if "bias" in self.stored else lambda: np.zeros(size, np.float32)

    def step(self, type_: str, args: Any = None, *arrays: Read, kind: str = "") -> Step:
        """The main container; its arrays are in the order in which its Keras has them."""
        return Step(self.name, type_, args, self.tensors(self.name, kind or type_, arrays))

    def tensors(self, layer: str, kind: str, arrays: Iterable[Read]) -> dict[str, Read]:
        endings = self.backend.tensors[kind] if (arrays := tuple(arrays)) else ()
        names = (f"{layer}+{layer}_{ending}:0" for ending in endings)
        return dict(zip(names, arrays, strict=True))

    # ---- activations --------------------------------------------------------------------------

    def activated(self, rank: int) -> Iterator[Step]:
        """The activation of a layer, which Kur has as a container of its own."""
        word = self.take("activation")
        if word not in (None, "linear"):
            found = self.activation(word, rank)
            yield Step(self.named(f"{self.name}_{found}"), "activation", found)

    def activation(self, word: Any, rank: int) -> str:
        """Kur's word for one of Keras's."""
        if word == OLD_HARD_SIGMOID:
            return "hard_sigmoid"
        if word == "hard_sigmoid":
            raise self.refused("Kur's hard_sigmoid is clip(0.2 x + 0.5), today's clip(x / 6 + 0.5)")
        if word == "selu":
            self.only_on("keras2", "selu")
        elif word not in ACTIVATIONS:
            raise self.refused(f"Kur has no activation {word!r}")
        if word == "softmax" and rank > 3:
            self.only_on("keras2", f"a softmax of arrays of {rank} axes")
        return word

    def apply(self, word: str | None = None) -> Iterator[Step]:
        word = word or self.take("activation") or "linear"
        if word != "linear":
            yield self.step("activation", self.activation(word, len(self.shape)))

    def relu(self) -> Iterator[Step]:
        yield from self.apply("relu")

    def elu(self) -> Iterator[Step]:
        yield from self.apply("elu")

    def softmax(self) -> Iterator[Step]:
        self.take("axis", -1, len(self.shape) - 1)
        yield from self.apply("softmax")

    def identity(self) -> Iterator[Step]:
        """No container: what is linear right behind an input Keras 1 takes for the input."""
        self.options.pop("data_format", None)
        return iter(())

    # ---- layers with kernels ------------------------------------------------------------------

    def dense(self) -> Iterator[Step]:
        units = self.stored["kernel"].shape[-1]
        yield self.step("dense", units, self.read("kernel"), self.bias(units))
        yield from self.activated(len(self.shape))

    def rescaling(self) -> Iterator[Step]:
        """A dense layer whose kernel has nothing but one number on its diagonal."""
        size = self.known(self.shape[-1])
        scale, offset = (np.asarray(self.take(key), np.float64) for key in ("scale", "offset"))

        def kernel() -> np.ndarray:
            return np.diag(np.broadcast_to(scale, size)).astype(np.float32)

        def bias() -> np.ndarray:
            return np.broadcast_to(offset, size).astype(np.float32)

        yield self.step("dense", size, kernel, bias)

    def convolution(self) -> Iterator[Step]:
        *size, _, kernels = self.stored["kernel"].shape
        n = len(size)
        self.take("data_format", None, "channels_last")
        args = {
            "kernels": kernels,
            "size": size,
            "strides": self.per_axis("strides", n),
            "border": self.take("padding", "same", "valid"),
        }
        # Keras 1 has a line for a picture that is one high.
        line = n == 1 and self.backend.library == "keras1"
        kernel = self.read("kernel", lambda a: a[:, None] if line else a)
        if not _same(self.per_axis("dilation_rate", n), [1] * n):
            raise self.refused("Kur has no dilation_rate")
        if n + 2 != len(self.shape):
            raise self.refused(f"Kur has no convolution of arrays of {len(self.shape)} axes")
        yield self.step("convolution", args, kernel, self.bias(kernels))
        yield from self.activated(n + 2)

    def pool(self) -> Iterator[Step]:
        n = len(self.shape) - 2
        size = self.per_axis("pool_size", n)
        self.options["strides"] = self.options["strides"] or size
        self.take("data_format", None, "channels_last")
        border = self.take("padding", "same", "valid")
        yield self._pool(self.name, size, self.per_axis("strides", n), border)

    def _pool(self, name: str, size: list[int], strides: list[int], border: str) -> Step:
        if len(size) == 1:
            self.only_on("keras2", "pooling along one axis")
        kind = "max" if "Max" in self.layer.type else "average"
        args = {"size": size, "strides": strides, "type": kind, "border": border}
        return Step(name, "pool", args)

    def global_pool(self) -> Iterator[Step]:
        self.take("data_format", None, "channels_last")
        size = [self.known(n) for n in self.shape[1:-1]]
        if self.take("keepdims"):
            yield self._pool(self.name, size, [1] * len(size), "valid")
            return
        yield self._pool(self.named(f"{self.name}_pool"), size, [1] * len(size), "valid")
        yield self.step("flatten")

    def known(self, n: int | None) -> int:
        if n is None:
            raise self.refused(f"Kur needs all sizes of {self.shape} but that of the samples")
        return n

    def batch_normalization(self) -> Iterator[Step]:
        self.only_on("keras2", "a batch normalisation by stored moments")
        axis, epsilon = self.take("axis"), self.take("epsilon")
        if type(axis) is not int:
            raise self.refused(f"Kur has nothing for its axis={axis!r}")
        self.take("center"), self.take("scale")  # which the arrays say
        mean, variance = self.read("moving_mean"), self.read("moving_variance")
        size = self.stored["moving_mean"].shape

        def gamma() -> np.ndarray:
            found = self.read("gamma")() if "gamma" in self.stored else np.ones(size, np.float32)
            if epsilon == EPSILON:
                return found
            v = self.stored["moving_variance"].read().astype(np.float64)
            return (found * np.sqrt((v + EPSILON) / (v + epsilon))).astype(np.float32)

        beta = self.read("beta") if "beta" in self.stored else lambda: np.zeros(size, np.float32)
        yield self.step("batch_normalization", {"axis": axis}, gamma, beta, mean, variance)

    def embedding(self) -> Iterator[Step]:
        self.take("mask_zero"), self.take("output_dim")
        vocab_size, size = self.stored["embeddings"].shape
        args = {"vocab_size": vocab_size, "size": size}
        if len(self.shape) != 2:
            raise self.refused(f"Kur embeds arrays of 2 axes, not of {len(self.shape)}")
        yield self.step("embedding", args, self.read("embeddings"))

    # ---- recurrent layers ---------------------------------------------------------------------

    def recurrent(self) -> Iterator[Step]:
        args = self._recurrence()
        kind = args["type"]
        yield self.step("recurrent", args, *self._gates(kind), kind=kind)

    def _recurrence(self) -> dict[str, Any]:
        """What Kur says of a recurrent layer."""
        if self.layer.type == "GRU" and self.take("reset_after"):
            raise self.refused("Kur has no reset_after=True, which is what Keras does if not told")
        gates = self.take("recurrent_activation")
        if gates not in ("hard_sigmoid", OLD_HARD_SIGMOID):
            raise self.refused(
                f"the gates of Kur's recurrent layers are a hard_sigmoid, not {gates!r}"
            )
        self.steep = 1.0 if gates == OLD_HARD_SIGMOID else 1 / STEEPER
        return {
            "size": self.stored["recurrent_kernel"].shape[0],
            "type": self.layer.type.lower(),
            "sequence": bool(self.take("return_sequences")),
            "outer_activation": self.activation(self.take("activation") or "linear", 2),
        }

    def _gates(self, kind: str) -> list[Read]:
        """The arrays in the order of the backend: those of each gate, or all gates as one."""
        units = self.stored["recurrent_kernel"].shape[0]
        count = {"gru": 3, "lstm": 4}[kind]
        scale = np.repeat([1.0 if g == CANDIDATE else self.steep for g in range(count)], units)
        bias = self.bias(count * units)
        whole = [
            self.read("kernel", lambda a: a * scale),
            self.read("recurrent_kernel", lambda a: a * scale),
            lambda: np.asarray(bias() * scale, np.float32),
        ]
        if self.backend.library == "keras2":
            return whole

        def gate(array: Read, g: int) -> Read:
            return lambda: array()[..., g * units : (g + 1) * units]

        order = (0, 2, 1, 3) if kind == "lstm" else range(count)  # i, c, f, o of Keras 1
        return [gate(array, g) for g in order for array in whole]

    def bidirectional(self) -> Iterator[Step]:
        """Kur builds two layers and merges what they give."""
        merge = self.take("merge_mode", *MERGED)
        if merge != "concat":
            self.only_on("keras1", f"two directions merged by {merge!r}")
        pair = [
            self.inner(key, self.given, self.name + end)
            for key, end in (("forward_layer", "_fwd"), ("backward_layer", "_rev"))
        ]
        backwards = [way.options.pop("go_backwards", False) for way in pair]
        said = []
        arrays: dict[str, Read] = {}
        for way in pair:
            if way.layer.type not in ("GRU", "LSTM"):
                raise way.refused("Kur has recurrent layers of the types GRU and LSTM only")
            said.append(way._recurrence())
            kind = said[0]["type"]
            arrays |= way.tensors(way.name, kind, way._gates(kind))
        args = said[0]
        if backwards != [False, True] or said[0] != said[1]:
            raise self.refused("its two directions are not of one kind")
        if args["sequence"]:
            raise self.refused(
                "Kur leaves the steps of the way back in the order in which they were taken, "
                "which is not that of return_sequences=True"
            )
        args["size"] *= 2 if merge == "concat" else 1
        args |= {"bidirectional": True, "merge": MERGED[merge]}
        yield Step(self.name, "recurrent", args, arrays)

    # ---- what only moves numbers --------------------------------------------------------------

    def dropout(self) -> Iterator[Step]:
        self.options.pop("data_format", None)
        rate = self.layer.config.get("rate") or 0
        if 0 < rate < 1:
            yield self.step("dropout", float(rate))

    def flatten(self) -> Iterator[Step]:
        self.take("data_format", None, "channels_last")
        yield from self._flat()

    def _flat(self) -> Iterator[Step]:
        for n in self.shape[1:]:
            self.known(n)
        if len(self.shape) < 2:
            raise self.refused("it makes an axis, as what comes in has none but that of samples")
        if len(self.shape) > 2:  # Keras 1 flattens nothing that is flat
            yield self.step("flatten")

    def reshape(self) -> Iterator[Step]:
        target = self.take("target_shape")
        if len(target) != 1:
            raise self.refused(f"Kur has nothing for its target_shape={target!r}")
        yield from self._flat()

    def permute(self) -> Iterator[Step]:
        yield self.step("transpose", [axis - 1 for axis in self.take("dims")])

    def repeat(self) -> Iterator[Step]:
        yield self.step("repeat", self.take("n"))

    def transpose(self) -> Iterator[Step]:
        rank = len(self.shape)
        axes = [axis % rank for axis in self.take("axes") or range(rank)[::-1]]
        if axes[0] == 0:
            yield self.step("transpose", [axis - 1 for axis in axes[1:]])
        else:
            yield self.step("transpose", {"axes": axes, "include_batch": True})

    def expand(self) -> Iterator[Step]:
        yield self._at_axis("expand", len(self.shape) + 1)

    def squeeze(self) -> Iterator[Step]:
        yield self._at_axis("squeeze", len(self.shape))

    def _at_axis(self, type_: str, rank: int) -> Step:
        axis = self.take("axis")
        if type(axis) is not int or axis % rank == 0:
            raise self.refused(f"Kur has nothing for its axis={axis!r}")
        return self.step(type_, axis % rank - 1)

    # ---- several inputs, and several steps ----------------------------------------------------

    def merge(self) -> Iterator[Step]:
        mode = next(kur for kur, keras in MERGES.items() if keras == self.layer.type)
        shapes = [tensor.shape for tensor in self.given]
        if len(shapes) < 2:
            raise self.refused("Kur merges two inputs or more")
        if mode != "concat":
            self.only_on("keras1", f"merging by {mode!r}")
            if len(set(shapes)) > 1:
                raise self.refused(f"Kur merges inputs of one shape, not of {shapes}")
            yield self.step("merge", mode)
            return
        axis = self.take("axis")
        if axis % len(shapes[0]) == 0:
            raise self.refused("Kur does not join samples")
        yield self.step("merge", mode if axis == -1 else {"mode": mode, "axis": axis})

    def time_distributed(self) -> Iterator[Step]:
        """Kur wraps each layer by itself, and Keras 2 calls the arrays by the wrapper."""
        (tensor,) = self.given
        one = Tensor((tensor.shape[0], *tensor.shape[2:]), tensor.dtype)
        wrapped = self.inner("layer", [one], self.named(f"{self.name}_each"))
        entries, arrays = [], {}
        for i, step in enumerate(wrapped.steps()):
            if step.type not in IN_PARALLEL:
                raise wrapped.refused(f"Kur has no {step.type} in 'parallel'")
            entries.append(step.entry)
            layer = f"{self.name}_{step.name}_{i}_0"
            for file, array in step.arrays.items():
                tensor_name = file.partition("+")[2]
                if self.backend.library == "keras2":
                    tensor_name = layer + tensor_name.removeprefix(step.name)
                arrays[f"{layer}+{tensor_name}"] = array
        if entries:
            yield Step(self.name, "parallel", {"apply": entries}, arrays)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.all(a == b))


def _types(pattern: str) -> list[str]:
    """Several types at once: "Conv(1|2|3)D"."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    return [found[1] + part + found[3] for part in found[2].split(",")] if found else [pattern]


MADE: dict[str, Callable[[Source], Iterator[Step]]] = {
    type_: make
    for pattern, make in {
        "Activation": Source.apply,
        "ReLU": Source.relu,
        "ELU": Source.elu,
        "Softmax": Source.softmax,
        "Dense": Source.dense,
        "Rescaling": Source.rescaling,
        "Conv{1,2,3}D": Source.convolution,
        "MaxPooling{1,2,3}D": Source.pool,
        "AveragePooling{1,2,3}D": Source.pool,
        "GlobalMaxPooling{1,2,3}D": Source.global_pool,
        "GlobalAveragePooling{1,2,3}D": Source.global_pool,
        "BatchNormalization": Source.batch_normalization,
        "Embedding": Source.embedding,
        "GRU": Source.recurrent,
        "LSTM": Source.recurrent,
        "Bidirectional": Source.bidirectional,
        "Dropout": Source.dropout,
        "SpatialDropout{1,2,3}D": Source.identity,
        "Gaussian{Dropout,Noise}": Source.identity,
        "AlphaDropout": Source.identity,
        "Identity": Source.identity,
        "Flatten": Source.flatten,
        "Reshape": Source.reshape,
        "Permute": Source.permute,
        "RepeatVector": Source.repeat,
        "TimeDistributed": Source.time_distributed,
        "ops.Transpose": Source.transpose,
        "ops.ExpandDims": Source.expand,
        "ops.Squeeze": Source.squeeze,
        **dict.fromkeys(MERGES.values(), Source.merge),
    }.items()
    for type_ in _types(pattern)
}
