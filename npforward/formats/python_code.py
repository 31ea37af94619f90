"""What a function is called whose byte code a file holds.  The code is looked at, never loaded."""

from __future__ import annotations

import base64
import binascii
import re

# In a code object, the name of its file stands right before its own; texts have a letter for their
# kind (its top bit may be set) and their length in one byte or in four.
TEXT = re.compile(
    rb"[zZ\xfa\xda](?P<short>.)|[stuaA\xf3\xf4\xf5\xe1\xc1](?P<long>.{3}\0)", re.DOTALL
)
FILE = re.compile(r"\.py$|^<.*>$|ipykernel")


def name_of(code: str) -> str:
    """The name of a function in what Keras writes of it: base64 of marshalled byte code.

    A lambda has none, and then this is "".

    Examples
    --------
    >>> name_of(base64.b64encode(b"\\xe3... \\xfa\\x06net.py\\xda\\x05scale\\x01").decode())
    'scale'
    >>> name_of("no code at all")
    ''
    """
    try:
        dumped = base64.b64decode(code)
    except (binascii.Error, ValueError):
        # Keras before 2.1 wrote the bytes themselves.
        dumped = code.encode("latin-1", "replace")
    for match in TEXT.finditer(dumped):
        file, end = _text(dumped, match)
        after = TEXT.match(dumped, end) if file and FILE.search(file) else None
        name = _text(dumped, after)[0] if after else ""
        if name.isidentifier():
            return name
    return ""


def _text(dumped: bytes, match: re.Match[bytes]) -> tuple[str, int]:
    """The text at a match, "" if there is none, and where it ends."""
    length = int.from_bytes(match["short"] or match["long"], "little")
    end = match.end() + length
    if end > len(dumped):
        return "", end
    return dumped[match.end() : end].decode("utf-8", "replace"), end
