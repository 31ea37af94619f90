"""Strings: numbers as text, letters, words."""

from __future__ import annotations

import re

import numpy as np

from npforward.ops.registry import op

TEXT = np.dtype(str)
# TensorFlow goes by bytes: it knows the letters, spaces and punctuation of ASCII alone.
LOWER = {ord(c): ord(c) + 32 for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
PUNCTUATION = {ord(c): None for c in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"}
WORD = re.compile(r"[^ \t\n\v\f\r]+")


def _text(x, **options):
    return TEXT


def _translated(x, letters):
    return np.array([s.translate(letters) for s in x.reshape(-1).tolist()], str).reshape(x.shape)


@op(None, shape=lambda x: x.shape, dtype=_text)
def as_text(x):
    """Whole numbers in decimal, truth values as words, text as it is."""
    if x.dtype.kind == "b":
        return np.where(x, "true", "false")
    return x.astype(str)


@op(None, shape=lambda x: x.shape, dtype=_text)
def lower(x):
    """The letters A to Z as a to z."""
    return _translated(x, LOWER)


@op(None, shape=lambda x: x.shape, dtype=_text)
def strip_punctuation(x):
    """Text without the punctuation of ASCII."""
    return _translated(x, PUNCTUATION)


# ---- words ------------------------------------------------------------------------------------


def sentences(x, split, ngrams):
    """The words of each string, or of each row where they need no splitting: a list of lists.

    `ngrams` says how many neighbours make a word of the result; those of one length come together.
    """
    if split is None:
        rows = x.reshape(-1, x.shape[-1]).tolist() if x.size else [[]] * int(np.prod(x.shape[:-1]))
    else:
        parts = WORD.findall if split == "whitespace" else list
        rows = [parts(string) for string in x.reshape(-1).tolist()]
    return rows if ngrams is None else [_joined(row, ngrams) for row in rows]


def _joined(words, ngrams):
    # All from one word on may be more than there are words.
    lengths = ngrams[: len(words)] if isinstance(ngrams, range) else ngrams
    return [" ".join(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)]


def _lead(x, split):
    return x.shape if split is not None else x.shape[:-1]


def _padded(rows, lead, width):
    """(*lead, width) of words, filled up with empty ones."""
    longest = max((len(word) for row in rows for word in row[:width]), default=0)
    y = np.full((len(rows), width), "", f"<U{max(longest, 1)}")
    for i, row in enumerate(rows):
        y[i, : len(row)] = row[:width]
    return y.reshape(*lead, width)


def _words_shape(x, *, split, ngrams=None):
    return (*_lead(x, split), max(map(len, sentences(x, split, ngrams)), default=0))


@op(None, shape=_words_shape, dtype=_text, by_value=True)
def words(x, *, split, ngrams=None):
    """The words of each string, shorter sentences filled up with empty ones.  (...) -> (..., T)

    `split` is "whitespace", "character", or None where a row holds words already.
    """
    rows = sentences(x, split, ngrams)
    return _padded(rows, _lead(x, split), max(map(len, rows), default=0))


@op(
    None,
    shape=lambda x, *, width, split, ngrams=None: (*_lead(x, split), width),
    dtype=_text,
)
def words_up_to(x, *, width, split, ngrams=None):
    """The first `width` words of each string, filled up with empty ones.  (...) -> (..., width)"""
    return _padded(sentences(x, split, ngrams), _lead(x, split), width)
