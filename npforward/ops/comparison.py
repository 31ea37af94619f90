"""Questions about two arrays; the answers are truth values."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import floating, promote
from npforward.ops.registry import op

_question = op(None, None, answer="bool")


@_question
def equal(a, b):
    """a == b"""
    return np.equal(a, b)


@_question
def not_equal(a, b):
    """a != b"""
    return np.not_equal(a, b)


@_question
def greater(a, b):
    """a > b"""
    return np.greater(a, b)


@_question
def greater_equal(a, b):
    """a >= b"""
    return np.greater_equal(a, b)


@_question
def less(a, b):
    """a < b"""
    return np.less(a, b)


@_question
def less_equal(a, b):
    """a <= b"""
    return np.less_equal(a, b)


@_question
def logical_and(a, b):
    """a and b"""
    return np.logical_and(a, b)


@_question
def logical_or(a, b):
    """a or b"""
    return np.logical_or(a, b)


@_question
def logical_xor(a, b):
    """One of a and b, not both"""
    return np.logical_xor(a, b)


def _close(a, b, rtol, atol, equal_nan):
    if not floating(promote(a, b)):
        return np.equal(a, b)
    with np.errstate(all="ignore"):
        close = np.abs(a - b) <= atol + rtol * np.abs(b)
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


@op(None, None, answer="bool")
def isclose(a, b, *, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether a and b differ by no more than atol + rtol · |b|"""
    return _close(a, b, rtol, atol, equal_nan)


@op(None, None, answer="bool", shape=lambda a, b, **options: ())
def allclose(a, b, *, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether no pair differs by more than atol + rtol · |b|; infinities must be the same"""
    return np.all(_close(a, b, rtol, atol, equal_nan) | np.equal(a, b))


@op(None, None, answer="bool", shape=lambda a, b, **options: np.shape(a))
def isin(a, b, *, assume_unique=False, invert=False):
    """Whether each number of a is in b, with `invert` whether it is not"""
    if not np.size(a) or not np.size(b):
        return np.zeros(np.shape(a), bool)  # as Keras has it, inverted or not
    if floating(promote(a, b)):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.isin(a, b, invert=invert)
