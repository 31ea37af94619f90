"""What Kur ran on, as far as it shows in the names of arrays and in what layers compute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_GATED = {"gru": "zrh", "lstm": "icfo"}  # the gates of Keras 1, in its order
# The tensors of each kind of layer.
KERAS1 = {
    "dense": ("W", "b"),
    "convolution": ("W", "b"),
    "embedding": ("W",),
    "batch_normalization": ("gamma", "beta", "running_mean", "running_std"),
    **{
        kind: tuple(f"{part}_{gate}" for gate in gates for part in "WUb")
        for kind, gates in _GATED.items()
    },
}
KERAS2 = {
    "dense": ("kernel", "bias"),
    "convolution": ("kernel", "bias"),
    "embedding": ("embeddings",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    **dict.fromkeys(_GATED, ("kernel", "recurrent_kernel", "bias")),
}
KERAS_TENSORS = {name for each in (KERAS1, KERAS2) for names in each.values() for name in names}
TORCH = {
    "dense": ("weight", "bias"),
    "convolution": ("weight", "bias"),
    "embedding": ("weight",),
    "batch_normalization": ("weight", "bias", "running_mean", "running_var"),
    **dict.fromkeys(_GATED, ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")),
}
REVERSE = "_reverse"  # of PyTorch: at the end of the tensors of the way back
COUNTER = "num_batches_tracked"  # of PyTorch: no one computes with it


@dataclass(frozen=True)
class Backend:
    """One of those that Kur 0.7 can run on."""

    title: str
    library: str  # "keras1", "keras2", "torch"
    runs_on: str  # "tensorflow", "theano", "torch"
    tensors: Mapping[str, tuple[str, ...]]  # by the kind of layer

    @property
    def keras(self) -> bool:
        return self.library != "torch"

    def fits(self, layer: str, tensor: str, numbered: bool) -> bool:
        """Whether it would give a tensor this name (`numbered`: with TensorFlow's `:0` behind)."""
        endings = {name for names in self.tensors.values() for name in names}
        if not self.keras:
            bare = tensor.removesuffix(REVERSE)
            return layer.startswith("layer_") and not numbered and bare in {*endings, COUNTER}
        if numbered != (self.runs_on == "tensorflow"):
            return False
        return any(tensor.endswith(f"_{ending}") for ending in endings)

    def ignored(self, tensor: str) -> bool:
        """Whether a tensor is kept that no layer computes with."""
        return not self.keras and tensor == COUNTER

    def on(self, other: str) -> Backend | None:
        """The same library on another backend of its own."""
        if not self.keras or other not in ("tensorflow", "theano"):
            return self if self.runs_on == other else None
        return next(b for b in BACKENDS if (b.library, b.runs_on) == (self.library, other))

    def layer_part(self, name: str) -> str:
        """What the files of a layer begin with.

        Examples
        --------
        >>> BACKENDS[-1].layer_part("..convolution.0"), BACKENDS[0].layer_part("..dense.0")
        ('layer___convolution_0', '..dense.0')
        """
        if self.keras:
            return name
        return "layer_" + re.sub("[^A-Za-z0-9_]", "_", re.sub("^[^A-Za-z]", "_", name))


BACKENDS = (
    Backend("Keras 1 on TensorFlow", "keras1", "tensorflow", KERAS1),
    Backend("Keras 1 on Theano", "keras1", "theano", KERAS1),
    Backend("Keras 2 on TensorFlow", "keras2", "tensorflow", KERAS2),
    Backend("Keras 2 on Theano", "keras2", "theano", KERAS2),
    Backend("PyTorch", "torch", "torch", TORCH),
)
