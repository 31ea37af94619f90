"""Text as numbers: standardized, split into words, looked up."""

from __future__ import annotations

from typing import Any

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers.categories import (
    counted_dtype,
    depth_of,
    encoded,
    frequencies,
    is_text,
    looked_up,
    mode,
    vocabulary_of,
    weighted,
)
from npforward.layers.registry import layer, whole


def _named(name: str, value: Any, *known: str | None) -> Any:
    """An option that Keras also takes a function for, which a file cannot hold."""
    if value not in known:
        raise UnsupportedOption(
            f"{name}={value!r} is Python code, which the file does not hold. Do that step before "
            f"the model, or save it with one of {', '.join(map(repr, known))}"
        )
    return value


def standardized(text: Any, standardize: str | None) -> Any:
    """Text in small letters, without punctuation, or both."""
    if standardize in ("lower", "lower_and_strip_punctuation"):
        text = ops.lower(text)
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        text = ops.strip_punctuation(text)
    return text


def neighbours(ngrams: Any) -> tuple[int, ...] | range | None:
    """How many words in a row make a token: 2 stands for one and two."""
    if ngrams is None:
        return None
    several = isinstance(ngrams, (list, tuple))
    numbers = tuple(whole("ngrams", n) for n in (ngrams if several else [ngrams]))
    if not numbers or min(numbers) < 1:
        raise UnsupportedOption(f"ngrams={ngrams!r}, expected numbers above 0")
    return numbers if several else range(1, numbers[0] + 1)


@layer("TextVectorization", autocast=False)
def text_vectorization(
    inputs,
    *,
    max_tokens=None,
    standardize="lower_and_strip_punctuation",
    split="whitespace",
    ngrams=None,
    output_mode="int",
    output_sequence_length=None,
    pad_to_max_tokens=False,
    vocabulary=None,
    idf_weights=None,
    ragged=False,
    vocabulary_size=None,
    output_dtype=None,
    floatx="float32",
):
    standardize = _named(
        "standardize",
        standardize,
        *("lower_and_strip_punctuation", "lower", "strip_punctuation", None),
    )
    split = _named("split", split, "whitespace", "character", None)
    output_mode = mode(output_mode, "int", "one_hot", "multi_hot", "count", "tf_idf")
    if ragged:
        raise UnsupportedOption(
            "ragged=True gives rows of different lengths, which no array has. Save the model with "
            "ragged=False: shorter rows are then filled up with zeros"
        )
    if not is_text(inputs):
        raise BadInput(f"it takes strings, but its input holds {inputs.dtype} numbers")
    vocabulary = vocabulary_of(vocabulary, str, output_mode, 1, "", "[UNK]", False)
    depth = depth_of(vocabulary, max_tokens, pad_to_max_tokens, vocabulary_size)
    ngrams = neighbours(ngrams)

    text = standardized(inputs, standardize)
    if split is not None and text.ndim > 1:
        if text.shape[-1] != 1:
            raise BadInput(
                f"it splits texts of shape (batch,) or (batch, 1), but its input is {text.shape}"
            )
        text = ops.squeeze(text, axis=-1)  # (N, 1) -> (N,)

    if output_mode == "int":
        if output_sequence_length is not None:
            width = whole("output_sequence_length", output_sequence_length)
            words = ops.words_up_to(text, width=width, split=split, ngrams=ngrams)
        elif split is None and ngrams is None:
            words = text
        else:
            words = ops.words(text, split=split, ngrams=ngrams)
        return looked_up(words, vocabulary, "farmhash", None)  # (N, T)

    if split is not None and text.ndim == 1 and output_mode != "one_hot":
        counted = ops.word_counts(
            text,
            index=vocabulary.index,
            unknown=vocabulary.oov_start,
            depth=depth,
            split=split,
            ngrams=ngrams,
            binary=output_mode == "multi_hot",
        )  # (N, depth)
    else:
        words = (
            text
            if split is None and ngrams is None
            else ops.words(text, split=split, ngrams=ngrams)
        )
        indices = looked_up(words, vocabulary, "farmhash", None)
        counted = encoded(
            indices, "count" if output_mode == "tf_idf" else output_mode, depth, "int64"
        )
    if output_mode != "tf_idf":
        return ops.cast(counted, dtype=counted_dtype(output_dtype, floatx))
    return weighted(counted, frequencies(idf_weights, vocabulary, depth), floatx)
