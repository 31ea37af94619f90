"""JSON from a stranger's file: bounded in size and depth, no key twice, errors that name it."""

from __future__ import annotations

import json
import re
from typing import Any

from npforward.errors import BadFile, NpforwardError
from npforward.limits import Limits

TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str | bytes | memoryview, where: str, limits: Limits, writer: str = "Keras") -> Any:
    """The value that a JSON text says, which `writer` should have written.

    Examples
    --------
    >>> from npforward.limits import Limits
    >>> loads('{"a": [1]}', "config.json", Limits())
    {'a': [1]}
    """
    limits.check("config_bytes", len(text), where)
    try:
        if not isinstance(text, str):
            text = bytes(text).decode("utf-8-sig")
        limits.check("depth", depth(text), f"{where}: nesting of the JSON")
        found = json.loads(text, object_pairs_hook=_unique)
        if SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")  # half of a pair has no UTF-8
        return found
    except NpforwardError:
        raise
    except (ValueError, RecursionError) as error:
        raise BadFile(
            f"{where}: not the JSON that {writer} writes ({error}). "
            "The file is damaged, or something else."
        ) from error


def depth(text: str) -> int:
    """How deep arrays and objects nest, without building them.

    Examples
    --------
    >>> depth('[{"[[": []}]')
    3
    """
    deepest = now = 0
    for token in TOKENS.finditer(text):
        character = text[token.start()]
        if character in "[{":
            now += 1
            deepest = max(deepest, now)
        elif character in "]}":
            now -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found
