"""What Kur takes a rendered template for: the value of a Python literal, or the text itself."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from npforward.formats.kur.values import MOST_BITS

# What a literal can begin with, after lines that are empty or comments.
BEGINS = re.compile(
    r"(?:[ \t\f]*(?:\#[^\n]*)?\n)*(?:[-+(\[{'\"0-9.]|[bBuUrR]{1,2}['\"]|(?:True|False|None)\b)"
)
SIGNS = re.compile(r"(?:[-+]\s*){50}")  # each is a level of nesting in the parser


def literal(text: str) -> Any:
    """The value of `text` if it is a literal by the rules of Python 3.6, on which Kur ran.

    There, numbers may be added and subtracted, and a leading blank makes it a text.

    Examples
    --------
    >>> [literal(text) for text in ("[3, 3]", "2e-4", "None", "relu", "1 + 2", " 1")]
    [[3, 3], 0.0002, None, 'relu', 3, ' 1']
    """
    if not BEGINS.match(text) or SIGNS.search(text):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes like "\d", which are legal
            tree = ast.parse(text, mode="eval")
        return _value(tree.body)
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
        return text


def _value(node: ast.AST | None) -> Any:
    match node:
        case ast.Constant(value=int() as whole) if whole.bit_length() > MOST_BITS:
            raise ValueError("too many digits")
        case ast.Constant(value=None | bool() | int() | float() | complex() | str() as value):
            return value
        case ast.Tuple(elts=items):
            return tuple(map(_value, items))
        case ast.List(elts=items):
            return list(map(_value, items))
        case ast.Set(elts=items):
            return set(map(_value, items))
        case ast.Dict(keys=keys, values=values):
            return {_value(k): _value(v) for k, v in zip(keys, values, strict=True)}
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
            number = _number(operand)
            return +number if isinstance(sign, ast.UAdd) else -number
        case ast.BinOp(op=ast.Add() | ast.Sub() as sign, left=left, right=right):
            x, y = _number(left), _number(right)
            return x + y if isinstance(sign, ast.Add) else x - y
    raise ValueError("no literal")


def _number(node: ast.AST) -> Any:
    value = _value(node)
    if not isinstance(value, (bool, int, float, complex)):
        raise ValueError("no number")
    return value
