"""A pickle of plain values and arrays, read as data: nothing that it names is looked up or called.

Only what the batches of CIFAR-10 are made of is known: numbers, texts, lists, mappings, and arrays
as numpy spells them.  Whatever else a pickle asks for is an error.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
import warnings
from typing import Any

import numpy as np

from npforward.errors import BadFile
from npforward.limits import Limits

KINDS = re.compile(r"b1|[iu][1248]|f[248]")
VALUES = set(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8".split()
)
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# The functions that numpy's arrays and Python 3's bytes are spelt with; numpy 2 has moved some.
NAMES = {
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
    "numpy dtype": "dtype",
    "numpy ndarray": "ndarray",
    "_codecs encode": "encode",
}
# What `pickletools` and the steps below raise at a pickle that is damaged.
DAMAGE = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError)


class Name:
    """A function that a pickle names; it stands for no function."""

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning


class Dtype:
    """A dtype, which a pickle gives its byte order later."""

    def __init__(self, kind: str) -> None:
        if not KINDS.fullmatch(kind):
            raise ValueError(f"an array of {kind[:20]!r}, which are no numbers")
        self.value = np.dtype(kind)

    def build(self, state: tuple) -> None:
        self.value = self.value.newbyteorder(">" if state[1] == ">" else "<")


class Array:
    """An array, which a pickle gives its values later."""

    value: np.ndarray | None = None

    def build(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.value = _array(content, dtype, shape, "F" if fortran else "C")


def loads(content: bytes, where: str, limits: Limits) -> Any:
    """What a pickle says, with arrays for arrays; texts of Python 2 are read as Latin-1.

    Examples
    --------
    >>> loads(b"\\x80\\x02}U\\x06labels](K\\x07K\\x01es.", "data_batch_1", Limits())
    {'labels': [7, 1]}
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in the texts of a damaged one
            return _plain(_value(content, where, limits))
    except DAMAGE as error:
        raise BadFile(
            f"{where}: not a pickle of plain values and arrays alone ({error}), and nothing else "
            "is read: a pickle can run any program. The file is damaged, or something else."
        ) from error


def _value(content: bytes, where: str, limits: Limits) -> Any:
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks that a mark has put aside
    memo: dict[int, Any] = {}
    argument: Any
    for steps, (code, argument, _) in enumerate(pickletools.genops(content)):
        limits.check("pickle_steps", steps, where)
        name = code.name
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in TUPLES:
            items = tuple(stack[-TUPLES[name] :])
            stack[-TUPLES[name] :] = [items]
        elif name in ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS"):
            items, stack = tuple(stack), below.pop()
            if name in ("TUPLE", "LIST"):
                stack.append(items if name == "TUPLE" else list(items))
            elif name == "DICT":
                stack.append(_set({}, items))
            elif name == "APPENDS":
                _list(stack[-1]).extend(items)
            else:
                _set(stack[-1], items)
        elif name == "APPEND":
            item = stack.pop()
            _list(stack[-1]).append(item)
        elif name == "SETITEM":
            items = stack.pop(-2), stack.pop()
            _set(stack[-1], items)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(_name(argument))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [_name(" ".join(stack[-2:]))]
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_made(stack.pop(), arguments))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].build(state)
        elif name == "STOP":
            (found,) = stack
            return found
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the instruction {name}")
    raise ValueError("it ends in the middle")


def _name(name: str) -> Name:
    if name not in NAMES:
        raise ValueError(f"it names {name[:80]!r}")
    return Name(NAMES[name])


def _made(function: Any, arguments: tuple) -> Any:
    if not isinstance(function, Name):
        raise TypeError("it calls what is no function")
    if function.meaning == "reconstruct":
        return Array()
    if function.meaning == "frombuffer":
        made, (content, dtype, shape, order) = Array(), arguments
        made.value = _array(content, dtype, shape, order)
        return made
    if function.meaning == "dtype":
        return Dtype(arguments[0])
    if function.meaning == "encode" and arguments[1] == "latin1":
        return arguments[0].encode("latin1")
    raise ValueError(f"it calls {function.meaning!r}")


def _array(content: Any, dtype: Dtype, shape: tuple, order: str) -> np.ndarray:
    """The array of some bytes, which Latin-1 made a text where Python 2 wrote them."""
    data = content.encode("latin1") if isinstance(content, str) else bytes(content)
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array of shape {shape!r}"[:80])
    if math.prod(shape) * dtype.value.itemsize != len(data) or order not in ("C", "F"):
        raise ValueError(f"an array of shape {shape} that has {len(data):,} bytes")
    return np.frombuffer(data, dtype.value).reshape(shape, order=order)  # type: ignore[call-overload]


def _set(target: Any, items: tuple) -> dict[Any, Any]:
    if not isinstance(target, dict) or len(items) % 2:
        raise TypeError("it gives items to what is no mapping")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, bytes, int)):  # to hash a nest of tuples may take for ever
            raise TypeError("a key that is no text")
        target[key] = value
    return target


def _list(target: Any) -> list[Any]:
    if not isinstance(target, list):
        raise TypeError("it adds items to what is no list")
    return target


def _plain(value: Any) -> Any:
    """The value, where it is an array or a mapping of arrays, without our own classes."""
    if isinstance(value, dict):
        return {key: _plain(one) if isinstance(one, Array) else one for key, one in value.items()}
    if isinstance(value, Array):
        if value.value is None:
            raise ValueError("an array without values")
        return value.value
    return value
