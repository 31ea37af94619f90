"""Layers that make categories of numbers and strings: by bins, by hashing, by a vocabulary.

Keras's `sparse=True` chooses how zeros are kept in memory; here arrays are always dense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import BadFile, BadInput, UnsupportedOption
from npforward.layers.registry import layer, one_of, whole
from npforward.limits import room

DROPPED = 2**63 - 1  # the index of a mask token where tokens are counted: outside any vocabulary
OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # as tf.keras called them at first


def is_text(x: Any) -> bool:
    """Whether an array holds strings."""
    return x.dtype.kind == "U"


def encoded(indices: Any, output_mode: str, depth: int, dtype: str, weights: Any = None) -> Any:
    """Indices of categories as a layer gives them out.

    "int" leaves them; "one_hot" gives each a row of zeros and a one, in place of a last axis of
    size 1; "multi_hot" and "count" gather the rows of a sample.
    """
    if output_mode == "int":
        return ops.cast(indices, dtype=dtype)
    if indices.ndim == 0:
        indices = ops.expand_dims(indices, axis=0)
    if output_mode == "one_hot":
        if indices.ndim == 1 or indices.shape[-1] != 1:
            indices = ops.expand_dims(indices, axis=-1)
        return ops.counts(indices, depth=depth, axis=-1, dtype=dtype)
    axis = 1 if indices.ndim > 1 else 0
    if weights is not None:
        return ops.counts(indices, weights, depth=depth, axis=axis)
    binary = output_mode == "multi_hot"
    return ops.counts(indices, depth=depth, axis=axis, binary=binary, dtype=dtype)


def mode(output_mode: Any, *known: str) -> str:
    """An output mode, by its present name."""
    return one_of("output_mode", OLD_MODES.get(str(output_mode), output_mode), *known)


def counted_dtype(output_dtype: Any, floatx: str) -> str:
    """The dtype of counts of tokens: Keras 3 gives whole numbers, tf.keras floats."""
    known = one_of("output_dtype", output_dtype, None, "float32", "int64")
    return floatx if known == "float32" else "int64"


def positive(name: str, value: Any) -> int:
    """`value`, which must be a whole number above 0."""
    if whole(name, value) < 1:
        raise UnsupportedOption(f"{name}={value!r}, expected a whole number above 0")
    return value


# ---- bins and numbers ---------------------------------------------------------------------------


@layer("Discretization", autocast=False)
def discretization(
    inputs,
    *,
    bin_boundaries=None,
    num_bins=None,
    epsilon=0.01,
    output_mode="int",
    output_dtype=None,
    dtype="float32",
):
    output_mode = mode(output_mode, "int", "one_hot", "multi_hot", "count")
    if bin_boundaries is None:
        raise BadFile(
            f"the file has num_bins={num_bins!r} but no bin_boundaries: call adapt() on the layer, "
            "or give it bin_boundaries, and save the model again"
        )
    numbers = isinstance(bin_boundaries, Sequence) and all(
        isinstance(b, (int, float)) and not isinstance(b, bool) for b in bin_boundaries
    )
    if not numbers or list(bin_boundaries) != sorted(bin_boundaries):
        raise UnsupportedOption(f"bin_boundaries={bin_boundaries!r}, expected rising numbers")
    if is_text(inputs):
        raise BadInput("it takes numbers, but its input holds strings")
    # Keras compares in float32, whatever the layer's dtype.
    bins = ops.digitize(ops.cast(inputs, dtype="float32"), boundaries=tuple(bin_boundaries))
    if output_mode == "int":
        known = one_of("output_dtype", output_dtype, None, "int64")
        return bins if known is None else ops.cast(bins, dtype=known)
    return encoded(bins, output_mode, len(bin_boundaries) + 1, dtype)


@layer("CategoryEncoding", autocast=False)
def category_encoding(
    inputs, count_weights=None, *, num_tokens, output_mode="multi_hot", variable_dtype="float32"
):
    output_mode = mode(output_mode, "multi_hot", "one_hot", "count")
    depth = positive("num_tokens", num_tokens)
    if is_text(inputs):
        raise BadInput("it takes whole numbers, but its input holds strings: look them up first")
    if count_weights is not None and output_mode != "count":
        raise UnsupportedOption(
            f"it is called with count_weights, but has output_mode={output_mode!r}"
        )
    if count_weights is not None:
        count_weights = ops.cast(count_weights, dtype=variable_dtype)
    return encoded(
        ops.cast(inputs, dtype="int64"), output_mode, depth, variable_dtype, count_weights
    )


# ---- hashing ------------------------------------------------------------------------------------


def salted(salt: Any) -> tuple[int, int] | None:
    """The key of a hash: two numbers, or one for both."""
    if salt is None:
        return None
    pair = tuple(salt) if isinstance(salt, (list, tuple)) else (salt, salt)
    if len(pair) != 2:
        raise UnsupportedOption(f"salt={salt!r}, expected a whole number or two")
    return whole("salt", pair[0]), whole("salt", pair[1])


@layer("Hashing", autocast=False)
def hashing(
    inputs, *, num_bins, mask_value=None, salt=None, output_mode="int", variable_dtype="float32"
):
    output_mode = mode(output_mode, "int", "one_hot", "multi_hot", "count")
    buckets = positive("num_bins", num_bins)
    if output_mode == "int" and floating(variable_dtype):
        variable_dtype = "int64"
    masks = mask_value is not None and buckets > 1  # bin 0 is kept for what is masked
    if masks and is_text(inputs) != isinstance(mask_value, str):
        raise UnsupportedOption(
            f"mask_value={mask_value!r}, but its input holds "
            f"{'strings' if is_text(inputs) else 'numbers'}"
        )
    if output_mode == "one_hot" and inputs.ndim and inputs.shape[-1] == 1:
        inputs = ops.squeeze(inputs, axis=-1)
    text = ops.cast(inputs, dtype="int64") if floating(inputs.dtype) else inputs
    bins = ops.hash_bucket(ops.as_text(text), buckets=buckets - masks, salt=salted(salt))
    if masks:
        bins = ops.where(ops.not_equal(inputs, mask_value), bins + 1, 0)
    return encoded(bins, output_mode, buckets, variable_dtype)


@layer("HashedCrossing", autocast=False)
def hashed_crossing(inputs, *, num_bins, output_mode="int", dtype="float32"):
    output_mode = mode(output_mode, "int", "one_hot")
    if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
        raise BadInput("it takes a list of two inputs or more")
    shapes = [x.shape for x in inputs]
    if len(set(shapes)) > 1 or len(shapes[0]) > 2 or shapes[0][1:] not in ((), (1,)):
        shown = ", ".join(map(str, shapes))
        raise BadInput(f"its inputs should all be (batch,) or (batch, 1), but are {shown}")
    for x in inputs:
        if x.dtype.kind not in "iuU":
            raise BadInput(f"its inputs should be whole numbers or strings, but one is {x.dtype}")
    crossed = ops.cross_hash(*inputs, buckets=positive("num_bins", num_bins))
    return encoded(crossed, output_mode, num_bins, dtype)


# ---- vocabularies -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a lookup layer, and what comes before them: a mask, and indices for others."""

    tokens: list[Any]
    mask: Any  # None: there is none
    oov: int  # so many indices for tokens out of the vocabulary
    mode: str
    whole: bool  # as the file has it, with special tokens at its head

    @property
    def oov_start(self) -> int:
        """A mask has an index of its own only where indices are what is given out."""
        return int(self.mask is not None and self.mode == "int")

    @property
    def start(self) -> int:
        return self.oov_start + self.oov

    @property
    def size(self) -> int:
        return self.start + len(self.tokens)

    @property
    def index(self) -> dict[Any, int]:
        """The index of every known token."""
        found = {token: i for i, token in enumerate(self.tokens, self.start)}
        masks = {} if self.mask is None else {self.mask: 0 if self.mode == "int" else DROPPED}
        return {**found, **masks}


def vocabulary_of(
    vocabulary: Any,
    kind: type,
    output_mode: str,
    num_oov_indices: Any,
    mask_token: Any,
    oov_token: Any,
    invert: bool,
) -> Vocabulary:
    """The vocabulary that a config gives, checked as Keras does."""
    if vocabulary is None:
        raise BadFile(
            "the file has no vocabulary for it. An .h5 file cannot hold one that was learned by "
            "adapt(): save the model as .keras; and call adapt() before saving"
        )
    if isinstance(vocabulary, str):
        raise BadFile(
            f"its vocabulary is a path, {vocabulary!r}, and npforward reads only what is in the "
            "model's file. Open the model in Keras where that path exists, call "
            "layer.set_vocabulary(list of tokens), and save it again"
        )
    if not isinstance(vocabulary, (list, tuple)):
        raise BadFile(f"its vocabulary is {vocabulary!r}, expected a list")
    for token in (*vocabulary, *([] if mask_token is None else [mask_token])):
        if not isinstance(token, kind) or isinstance(token, bool):
            expected = "strings" if kind is str else "whole numbers"
            raise BadFile(f"its vocabulary has {token!r} among its tokens, expected {expected}")
    if whole("num_oov_indices", num_oov_indices) < 0:
        raise UnsupportedOption(f"num_oov_indices={num_oov_indices}, expected at least 0")
    room(num_oov_indices)
    tokens = list(vocabulary)
    found = Vocabulary(tokens, mask_token, num_oov_indices, output_mode, False)
    special = [mask_token] * found.oov_start + [oov_token] * num_oov_indices
    if tokens[: found.start] == special:
        found = replace(found, tokens=tokens[found.start :], whole=True)
    reserved = [mask_token, oov_token] if invert else [mask_token]
    known = set(found.tokens)
    if len(known) < len(found.tokens) or any(t is not None and t in known for t in reserved):
        seen: set[Any] = {t for t in reserved if t is not None}
        twice = next(t for t in found.tokens if t in seen or seen.add(t))  # type: ignore[func-returns-value]
        raise BadFile(
            f"its vocabulary has {twice!r} twice, or out of its place: mask and OOV tokens may "
            f"only come first, as {special}"
        )
    return found


def depth_of(
    vocabulary: Vocabulary, max_tokens: Any, pad_to_max_tokens: bool, vocabulary_size: Any
) -> int:
    """How many categories a lookup layer counts."""
    if max_tokens is not None and vocabulary.size > whole("max_tokens", max_tokens):
        raise BadFile(
            f"its vocabulary has {vocabulary.size} tokens, special ones included, but "
            f"max_tokens={max_tokens}"
        )
    if pad_to_max_tokens:
        return whole("max_tokens", max_tokens)
    if vocabulary.mode != "int" and vocabulary_size not in (None, vocabulary.size):
        raise BadFile(
            f"its vocabulary has {vocabulary.size} tokens, special ones included, but the model "
            f"was saved with {vocabulary_size}: the file may be damaged"
        )
    return vocabulary.size


def frequencies(idf_weights: Any, vocabulary: Vocabulary, depth: int) -> list[float]:
    """Inverse document frequencies for all categories.

    A file has them so, or as they were given: for the vocabulary alone, with their mean for what
    is not in it.
    """
    numbers = isinstance(idf_weights, (list, tuple)) and all(
        isinstance(w, (int, float)) and not isinstance(w, bool) for w in idf_weights
    )
    if not numbers:
        raise BadFile(
            f"its idf_weights are {idf_weights!r}, expected a list of numbers: output_mode "
            "'tf_idf' needs them. Save the model as .keras, after adapt()"
        )
    weights = [float(w) for w in idf_weights]
    if len(weights) == len(vocabulary.tokens) and not vocabulary.whole and weights:
        weights = [sum(weights) / len(weights)] * vocabulary.start + weights
    if len(weights) not in (vocabulary.size, depth):
        raise BadFile(
            f"it has {len(weights)} idf_weights for a vocabulary of {vocabulary.size} tokens"
        )
    return weights + [0.0] * (depth - len(weights))


def looked_up(inputs: Any, vocabulary: Vocabulary, oov_method: str, salt: Any) -> Any:
    """The index of each token; what the vocabulary has not is hashed into the indices before it."""
    index, oov = vocabulary.index, vocabulary.oov
    if oov < 2:
        unknown = vocabulary.oov_start if oov else None
        return ops.lookup(inputs, index=index, unknown=unknown)
    found = ops.lookup(inputs, index=index, unknown=-1)
    if is_text(inputs) or oov_method == "farmhash":
        other = ops.hash_bucket(ops.as_text(inputs), buckets=oov, salt=salted(salt))
    else:
        other = ops.residue(inputs, buckets=oov)
    return ops.where(ops.not_equal(found, -1), found, other + vocabulary.oov_start)


def weighted(counted: Any, idf_weights: Any, floatx: str) -> Any:
    """tf-idf of counts.  (..., depth) -> (..., depth)"""
    return ops.cast(counted, dtype=floatx) * ops.full((len(idf_weights),), idf_weights, floatx)


def index_lookup(
    inputs,
    kind,
    oov_token,
    *,
    max_tokens=None,
    num_oov_indices=1,
    mask_token=None,
    vocabulary=None,
    idf_weights=None,
    invert=False,
    output_mode="int",
    pad_to_max_tokens=False,
    oov_method="floormod",
    salt=None,
    vocabulary_size=None,
    output_dtype=None,
    floatx="float32",
):
    output_mode = mode(output_mode, "int", "one_hot", "multi_hot", "count", "tf_idf")
    one_of("oov_method", oov_method, "floormod", "farmhash")
    vocabulary = vocabulary_of(
        vocabulary, kind, output_mode, num_oov_indices, mask_token, oov_token, invert
    )
    depth = depth_of(vocabulary, max_tokens, pad_to_max_tokens, vocabulary_size)
    if invert:
        return tokens_of(inputs, vocabulary, kind, oov_token)
    if is_text(inputs) != (kind is str):
        expected = "strings" if kind is str else "whole numbers"
        found = "strings" if is_text(inputs) else f"{inputs.dtype} numbers"
        raise BadInput(f"it takes {expected}, but its input holds {found}")
    if kind is int:
        inputs = ops.cast(inputs, dtype="int64")
    indices = looked_up(inputs, vocabulary, oov_method, salt)
    if output_mode != "tf_idf":
        dtype = "int64" if output_mode == "int" else counted_dtype(output_dtype, floatx)
        return encoded(indices, output_mode, depth, dtype)
    counted = encoded(indices, "count", depth, "int64")
    return weighted(counted, frequencies(idf_weights, vocabulary, depth), floatx)


def tokens_of(inputs, vocabulary, kind, oov_token):
    """The token of each index."""
    if vocabulary.mode != "int" or not isinstance(oov_token, kind):
        raise UnsupportedOption(
            f"invert=True with output_mode={vocabulary.mode!r} and oov_token={oov_token!r}"
        )
    if is_text(inputs):
        raise BadInput("it takes whole numbers (invert=True), but its input holds strings")
    index: Mapping[int, Any] = dict(enumerate(vocabulary.tokens, vocabulary.start))
    if vocabulary.mask is not None:
        index = {**index, 0: vocabulary.mask}
    indices = ops.cast(inputs, dtype="int64")
    return ops.lookup(
        indices, index=index, unknown=oov_token, dtype="str" if kind is str else "int64"
    )


@layer("StringLookup", autocast=False, also=index_lookup)
def string_lookup(inputs, *, oov_token="[UNK]", **options):
    return index_lookup(inputs, str, oov_token, **options)


@layer("IntegerLookup", autocast=False, also=index_lookup)
def integer_lookup(inputs, *, oov_token=-1, vocabulary_dtype="int64", **options):
    one_of("vocabulary_dtype", vocabulary_dtype, "int64")
    return index_lookup(inputs, int, oov_token, **options)


# ---- what joins the features of a keras.utils.FeatureSpace --------------------------------------


@layer("TFDConcat")
def tfd_concat(xs, *, axis=-1):
    return ops.concatenate(*xs, axis=axis)


@layer("TFDIdentity")
def tfd_identity(x):
    return x
