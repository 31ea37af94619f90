"""Dense, and the layers that do nothing at inference."""

from __future__ import annotations

from npforward import ops
from npforward.errors import UnsupportedOption
from npforward.layers.activations import activate
from npforward.layers.quantization import (
    Layout,
    affine,
    beside,
    kernel_weights,
    likeness,
    merged,
    reverse_weights,
    rows,
    rows_of,
    table_weights,
)
from npforward.layers.registry import HOW, Packed, keep, layer


def _biased(config):
    return config.get("use_bias", True)


@layer(
    "Dense",
    weights=kernel_weights(
        lambda c, x: Layout((x[-1], c["units"]), x[-1], (c["units"],)),
        lambda c, x: (c["units"],),
        _biased,
    ),
    mask=keep,
)
def dense(inputs, kernel, bias=None, *, use_bias=True, activation=None):
    """x W + b over the last axis.  (..., C) -> (..., units)"""
    return activate(affine(inputs, kernel, bias), activation)


def _einsum_letters(config, shape):
    """The letters of kernel and output, and the size of each that is known.

    Letters that "..." stands for are left out: a kernel has none.
    """
    given, _, out = config["equation"].replace(" ", "").partition("->")
    of_x, _, of_w = given.partition(",")
    sizes: dict[str, int] = {}
    if of_x.startswith("..."):
        sizes |= dict(zip(reversed(of_x[3:]), reversed(shape), strict=False))
    else:
        sizes |= dict(zip(of_x.replace("...", ""), shape, strict=False))
    made = config["output_shape"]
    made = [made] if isinstance(made, int) else list(made)
    y = out.replace("...", "")
    # Without "..." in front, the first letter is the batch, of which output_shape does not speak.
    for letter, n in zip(y if out.startswith("...") else y[1:], made, strict=False):
        if n is not None:
            sizes.setdefault(letter, n)
    return of_w, y, sizes


def _einsum_kernel(config, shape):
    of_w, _, sizes = _einsum_letters(config, shape)
    kernel = tuple(sizes[letter] for letter in of_w)
    equation = config["equation"]
    return Layout(kernel, rows_of(equation, kernel), beside(equation, len(shape), kernel))


def _einsum_bias(config, shape):
    """Of the axes of the output from the first that has a bias on."""
    _, y, sizes = _einsum_letters(config, shape)
    axes = config["bias_axes"]
    first = min(y.find(letter) for letter in axes)
    found = [sizes[letter] if letter in axes else 1 for letter in y[first:]]
    of_x = config["equation"].partition(",")[0]
    elided = len(shape) - len(of_x.replace("...", "")) if of_x.endswith("...") else 0
    return (*found, *(1,) * elided)


@layer(
    "EinsumDense",
    weights=kernel_weights(_einsum_kernel, _einsum_bias, lambda c: bool(c.get("bias_axes"))),
)
def einsum_dense(
    inputs, kernel, bias=None, *, equation, output_shape=None, activation=None, bias_axes=None
):
    """A dense layer over the axes that `equation` says: "abc,cd->abd"."""
    return activate(affine(inputs, kernel, bias, equation), activation)


def _ids(inputs):
    """Indices are whole numbers; Keras cuts floats off."""
    return inputs if inputs.dtype.kind in "iu" else ops.cast(inputs, dtype="int32")


def _nonzero(config, inputs, mask):
    return ops.not_equal(inputs, 0) if config.get("mask_zero") else None


@layer(
    "Embedding",
    weights=table_weights(),
    autocast=False,
    mask=_nonzero,
)
def embedding(inputs, embeddings, *, output_dim=None, mask_zero=False):
    """The row of a table for each index.  (...) -> (..., output_dim)"""
    return rows(embeddings, _ids(inputs))


def _untied(config):
    return not config.get("tie_weights", True)


@layer(
    "ReversibleEmbedding",
    weights=table_weights() + reverse_weights(_untied),
    autocast=False,
    mask=_nonzero,
)
def reversible_embedding(
    inputs,
    reverse=False,
    embeddings=None,
    reverse_embeddings=None,
    *,
    output_dim=None,
    mask_zero=False,
    tie_weights=True,
    reverse_dtype=None,
    logit_soft_cap=None,
):
    """The row of a table for each index; or, `reverse`, how much a vector is like each row."""
    if not reverse:
        return rows(embeddings, _ids(inputs))
    if isinstance(embeddings, Packed) and embeddings.said["quantization"]:
        logits = likeness(inputs, embeddings, reverse_embeddings)
    else:
        kernel = reverse_embeddings
        if tie_weights:
            kernel = ops.transpose(merged(embeddings), axes=(1, 0))
        if reverse_dtype is not None:
            inputs, kernel = (ops.cast(a, dtype=reverse_dtype) for a in (inputs, kernel))
        logits = ops.dense(inputs, kernel)
    if logit_soft_cap is None:
        return logits
    return ops.tanh(logits / float(logit_soft_cap)) * float(logit_soft_cap)


def _differs(config, inputs, mask):
    return ops.any(ops.not_equal(inputs, config.get("mask_value", 0.0)), axis=-1)


@layer("Masking", mask=_differs)
def masking(inputs, *, mask_value=0.0):
    """x, but zeros at every step that is nothing but `mask_value`."""
    seen = ops.any(ops.not_equal(inputs, mask_value), axis=-1, keepdims=True)
    return ops.where(seen, inputs, 0)


@layer(
    "Identity",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    mask=keep,
)
def identity(inputs, training=None, *, data_format=None):
    """x itself: these layers act in training only."""
    if training:
        raise UnsupportedOption(
            f"it is called with training=True, and then draws random numbers. {HOW}"
        )
    return inputs


@layer("ActivityRegularization", mask=keep)
def activity_regularization(inputs, *, l1=0.0, l2=0.0):
    """x itself: a penalty is counted in training only."""
    return inputs


@layer("Rescaling", mask=keep)
def rescaling(inputs, *, scale, offset=0, dtype="float32"):
    """x scale + offset"""
    scale, offset = ops.cast(scale, dtype=dtype), ops.cast(offset, dtype=dtype)
    return ops.cast(inputs, dtype=dtype) * scale + offset
