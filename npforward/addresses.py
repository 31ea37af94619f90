"""Addresses name every value of a model: `encoder/conv1`, `dense@2`, `lstm#1`, `conv1:pre`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MEANING = "%/@#:[]*?"  # "%" first: it is what escapes the others


def escape(name: str) -> str:
    """A Keras or Kur name as one component of an address.

    Characters that have a meaning in addresses (``/ @ # : [ ] * ? %``) are percent-escaped.

    Examples
    --------
    >>> escape("block1/conv"), escape("a layer"), escape("50%")
    ('block1%2Fconv', 'a layer', '50%25')
    """
    for character in MEANING:
        name = name.replace(character, f"%{ord(character):02X}")
    return name


def unescape(component: str) -> str:
    """The raw name behind an escaped component: the inverse of `escape`.

    Examples
    --------
    >>> unescape("block1%2Fconv")
    'block1/conv'
    """
    for character in reversed(MEANING):
        component = component.replace(f"%{ord(character):02X}", character)
    return component


def numbered(name: str, call: int) -> str:
    """The address of the `call`-th use (from 1) of a layer within its graph.

    Examples
    --------
    >>> numbered("dense", 1), numbered("dense", 2)
    ('dense', 'dense@2')
    """
    return escape(name) if call == 1 else f"{escape(name)}@{call}"


def join(*parts: str) -> str:
    """Join the addresses of nested models, outermost first; empty parts are left out.

    Examples
    --------
    >>> join("encoder", "conv1"), join("", "conv1")
    ('encoder/conv1', 'conv1')
    """
    return "/".join(part for part in parts if part)


def layer_part(address: str) -> str:
    """The address of the call that a value belongs to: without `#output` and `:inner`.

    Examples
    --------
    >>> layer_part("encoder/lstm@2#1"), layer_part("conv1:pre")
    ('encoder/lstm@2', 'conv1')
    """
    return re.split("[#:]", address, maxsplit=1)[0]


def raw_name(address: str) -> str:
    """The layer's name as the file has it: last component without call, output and inner part.

    Examples
    --------
    >>> raw_name("encoder/block1%2Fconv@2:pre")
    'block1/conv'
    """
    return unescape(layer_part(address).rsplit("/", 1)[-1].split("@")[0])


def matcher(pattern: str) -> re.Pattern[str]:
    """Compile a glob: `*` crosses `/` but never `:`; `?` is one character; `[..]` a set.

    Examples
    --------
    >>> bool(matcher("block?/conv*").fullmatch("block1/conv2/inner"))
    True
    >>> bool(matcher("*").fullmatch("conv1:pre"))
    False
    """
    out, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        end = pattern.find("]", at + 2) if character == "[" else -1
        if end > 0:
            body = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            body = "^" + body[1:] if body[0] == "!" else body.replace("^", "\\^")
            out.append(f"[{body}]")
            at = end
        else:
            out.append({"*": "[^:]*", "?": "[^:]"}.get(character, re.escape(character)))
        at += 1
    return re.compile("".join(out))


def _by_alias(name: str, aliases: Mapping[str, str]) -> str | None:
    """The address of what an alias stands for, or of a value within or beside it."""
    part = name if name in aliases else layer_part(name)
    return aliases[part] + name[len(part) :] if part in aliases else None


def match(
    pattern: str, addresses: Iterable[str], aliases: Mapping[str, str] | None = None
) -> list[str]:
    """The addresses that `pattern` names, in their own order.

    An exact address is tried before a raw name that is unique, that before one of the `aliases`
    that calls have beside their address, and that before a glob.

    Examples
    --------
    >>> match("conv*", ["conv1", "conv2", "dense"])
    ['conv1', 'conv2']
    >>> match("a/b", ["a%2Fb", "c"])
    ['a%2Fb']
    >>> match("scores:pre", ["dense", "dense:pre"], {"scores": "dense"})
    ['dense:pre']
    """
    addresses = list(addresses)
    if pattern in addresses:
        return [pattern]
    plain = [a for a in addresses if a == layer_part(a)]
    named = [a for a in plain if raw_name(a) == pattern and "@" not in a]
    outermost = [a for a in named if "/" not in a]
    if len(named) == 1 or len(outermost) == 1:
        return outermost or named
    meant = _by_alias(pattern, aliases or {})
    if meant in addresses:
        return [meant]
    try:
        return list(filter(matcher(pattern).fullmatch, addresses))
    except re.error:
        return []
