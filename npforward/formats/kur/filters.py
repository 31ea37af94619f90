"""The filters and tests that templates may use: Jinja2's for plain values, and Kur's own."""

from __future__ import annotations

import itertools
import math
import posixpath
import re
from collections.abc import Callable
from typing import Any

from npforward.errors import nearest
from npforward.formats.kur.operations import (
    add,
    compared,
    formatted,
    item,
    remainder,
    replaced,
)
from npforward.formats.kur.values import (
    SIZED,
    WIDEST,
    Budget,
    Fault,
    Undefined,
    attempt,
    joined,
    kind,
    length,
    numbers,
)

FILTERS: dict[str, Callable[..., Any]] = {}
TESTS: dict[str, Callable[..., Any]] = {}


def named(table: dict[str, Callable[..., Any]], *names: str) -> Callable[..., Any]:
    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        table.update(dict.fromkeys(names, function))
        return function

    return put


def filtered(budget: Budget, name: str, value: Any, args: list, options: dict[str, Any]) -> Any:
    """`value | name(...)`."""
    if name not in FILTERS:
        raise Fault(f"there is no filter {name!r} for Kurfiles. {nearest(name, FILTERS)}")
    return budget.whole(attempt(lambda: FILTERS[name](budget, value, *args, **options)))


def tested(budget: Budget, name: str, value: Any, args: list, options: dict[str, Any]) -> bool:
    """`value is name(...)`."""
    if name not in TESTS:
        raise Fault(f"there is no test {name!r} for Kurfiles. {nearest(name, TESTS)}")
    return attempt(lambda: bool(TESTS[name](budget, value, *args, **options)))


# Texts.


def _text_filter(name: str) -> None:
    def apply(budget: Budget, value: Any) -> str:
        text = budget.text(value)
        budget.room(len(text))
        return getattr(text, name)()

    FILTERS[name] = apply


for _name in ("capitalize", "lower", "upper"):
    _text_filter(_name)


@named(FILTERS, "title")
def title(budget: Budget, value: Any) -> str:
    text = budget.text(value)
    budget.room(len(text))
    # As Jinja2 does it: what follows a blank, a hyphen or a bracket.
    words = re.split(r"([-\s({\[<]+)", text)
    return "".join(word[:1].upper() + word[1:].lower() for word in words if word)


@named(FILTERS, "trim")
def trim(budget: Budget, value: Any, chars: str | None = None) -> str:
    text = budget.text(value)
    budget.room(len(text))
    return text.strip(chars)


@named(FILTERS, "center")
def center(budget: Budget, value: Any, width: int = 80) -> str:
    text = budget.text(value)
    budget.room(max(len(text), width))
    return text.center(width)


@named(FILTERS, "replace")
def replace(budget: Budget, value: Any, old: str, new: str, count: int | None = None) -> str:
    return replaced(budget, budget.text(value), old, new, -1 if count is None else count)


@named(FILTERS, "format")
def format_(budget: Budget, value: Any, *args: Any, **options: Any) -> str:
    if args and options:
        raise Fault("'format' takes values by place or by name, not both")
    return formatted(budget, budget.text(value), options or args)


@named(FILTERS, "join")
def join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> str:
    items = map(_getter(budget, attribute), budget.items(value))
    return joined(budget, [budget.text(one) for one in items], budget.text(d))


@named(FILTERS, "string")
def string(budget: Budget, value: Any) -> str:
    return budget.text(value)


@named(FILTERS, "wordcount")
def wordcount(budget: Budget, value: Any) -> int:
    text = budget.text(value)
    budget.room(len(text))
    return len(re.findall(r"\w+", text))


# Numbers.


@named(FILTERS, "abs")
def abs_(budget: Budget, value: Any) -> Any:
    if not numbers(value):
        raise Fault(f"{kind(value)} has no absolute value")
    return abs(value)


@named(FILTERS, "float")
def float_(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    budget.weigh(value)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


@named(FILTERS, "int")
def int_(budget: Budget, value: Any, default: Any = 0, base: int = 10) -> Any:
    budget.weigh(value)
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return default


@named(FILTERS, "round")
def round_(budget: Budget, value: Any, precision: int = 0, method: str = "common") -> Any:
    if method not in ("common", "ceil", "floor"):
        raise Fault(f"'round' has no method {method!r}, only common, ceil and floor")
    if not numbers(value, precision) or abs(precision) > WIDEST:
        raise Fault("'round' takes a number, and how many places")
    if method == "common":
        return round(value, precision)
    return getattr(math, method)(value * 10**precision) / 10**precision


# Lists and mappings.


@named(FILTERS, "count", "length")
def length_(budget: Budget, value: Any) -> int:
    return length(value)


@named(FILTERS, "list")
def list_(budget: Budget, value: Any) -> list[Any]:
    return budget.items(value)


@named(FILTERS, "first")
def first(budget: Budget, value: Any) -> Any:
    items = value if isinstance(value, range) else budget.items(value)
    return next(iter(items), Undefined("the first of nothing"))


@named(FILTERS, "last")
def last(budget: Budget, value: Any) -> Any:
    items = budget.items(value)
    return items[-1] if items else Undefined("the last of nothing")


@named(FILTERS, "reverse")
def reverse(budget: Budget, value: Any) -> Any:
    items = budget.items(value)[::-1]
    return "".join(items) if isinstance(value, str) else items


@named(FILTERS, "sum")
def sum_(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    get, total = _getter(budget, attribute), start
    for one in budget.items(value):
        total = budget.whole(add(budget, total, get(one)))
    return total


def _extreme(name: str, function: Callable[..., Any]) -> None:
    def apply(
        budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None
    ) -> Any:
        items = budget.items(budget.weigh(value))
        key = _key(budget, attribute, case_sensitive)
        return function(items, key=key) if items else Undefined(f"the {name} of nothing")

    FILTERS[name] = apply


for _name, _function in (("max", max), ("min", min)):
    _extreme(_name, _function)


@named(FILTERS, "sort")
def sort(
    budget: Budget,
    value: Any,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    items = budget.items(budget.weigh(value))
    _for_sorting(budget, items)
    return sorted(items, key=_key(budget, attribute, case_sensitive), reverse=reverse)


@named(FILTERS, "dictsort")
def dictsort(
    budget: Budget,
    value: Any,
    case_sensitive: bool = False,
    by: str = "key",
    reverse: bool = False,
) -> list[Any]:
    if by not in ("key", "value") or not isinstance(value, dict):
        raise Fault("'dictsort' takes a mapping, and by='key' or 'value'")
    pairs = list(budget.weigh(value).items())
    _for_sorting(budget, pairs)
    fold = _key(budget, None, case_sensitive)
    return sorted(pairs, key=lambda pair: fold(pair[by == "value"]), reverse=reverse)


@named(FILTERS, "unique")
def unique(
    budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    key = _key(budget, attribute, case_sensitive)
    seen: dict[Any, Any] = {}
    for one in budget.items(budget.weigh(value)):
        seen.setdefault(key(one), one)
    return list(seen.values())


@named(FILTERS, "batch")
def batch(budget: Budget, value: Any, linecount: int, fill_with: Any = None) -> list[Any]:
    items = budget.items(value)
    rows = [items[start : start + linecount] for start in range(0, len(items), linecount)]
    if rows and fill_with is not None:
        budget.spend(linecount)
        rows[-1] += [fill_with] * (linecount - len(rows[-1]))
    return rows


@named(FILTERS, "slice")
def slice_(budget: Budget, value: Any, slices: int, fill_with: Any = None) -> list[Any]:
    items = budget.items(value)
    budget.spend(max(0, slices))
    each, more = divmod(len(items), slices)
    bounds = [n * each + min(n, more) for n in range(slices + 1)]
    rows = [items[start:end] for start, end in itertools.pairwise(bounds)]
    if fill_with is not None:
        rows = [row + [fill_with] * (n >= more) for n, row in enumerate(rows)]
    return rows


@named(FILTERS, "items")
def items_(budget: Budget, value: Any) -> list[Any]:
    if isinstance(value, Undefined):
        return []
    if not isinstance(value, dict):
        raise Fault(f"{kind(value)} has no pairs of keys and values")
    budget.spend(len(value))
    return list(value.items())


@named(FILTERS, "map")
def map_(budget: Budget, value: Any, *args: Any, **options: Any) -> list[Any]:
    if not args and "attribute" in options:
        default = options.get("default")
        found = map(_getter(budget, options["attribute"]), budget.items(value))
        return [default if isinstance(one, Undefined) and default is not None else one
                for one in found]  # fmt: skip
    if not args:
        raise Fault("'map' takes the name of a filter, or attribute=...")
    name, *rest = args
    return [filtered(budget, name, one, rest, options) for one in budget.items(value)]


def _selection(name: str, by_attribute: bool, wanted: bool) -> None:
    def apply(budget: Budget, value: Any, *args: Any, **options: Any) -> list[Any]:
        get = _getter(budget, args[0] if by_attribute else None)
        test, *rest = args[by_attribute:] or (None,)
        return [
            one
            for one in budget.items(value)
            if (tested(budget, test, get(one), rest, options) if test else bool(get(one)))
            is wanted
        ]  # fmt: skip

    FILTERS[name] = apply


for _name, _by_attribute, _wanted in (
    ("select", False, True),
    ("reject", False, False),
    ("selectattr", True, True),
    ("rejectattr", True, False),
):
    _selection(_name, _by_attribute, _wanted)


@named(FILTERS, "default", "d")
def default(budget: Budget, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _getter(budget: Budget, path: Any) -> Callable[[Any], Any]:
    if path is None:
        return lambda value: value
    keys = path.split(".") if isinstance(path, str) else [path]
    keys = [int(key) if isinstance(key, str) and key.isdecimal() else key for key in keys]

    def get(value: Any) -> Any:
        for key in keys:
            value = item(budget, value, key)
        return value

    return get


def _key(budget: Budget, path: Any, case_sensitive: bool) -> Callable[[Any], Any]:
    get = _getter(budget, path)

    def key(value: Any) -> Any:
        found = get(value)
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return key


def _for_sorting(budget: Budget, items: list[Any]) -> None:
    """Each item, weighed once already, is compared as often as its number has bits."""
    for _ in range(len(items).bit_length()):
        budget.weigh(items)


# Kur's own.


@named(FILTERS, "basename")
def basename(budget: Budget, value: Any) -> str:
    return posixpath.basename(value)


@named(FILTERS, "dirname")
def dirname(budget: Budget, value: Any) -> str:
    return posixpath.dirname(value)


@named(FILTERS, "splitext")
def splitext(budget: Budget, value: Any) -> tuple[str, str]:
    return posixpath.splitext(value)


@named(FILTERS, "combine")
def combine(budget: Budget, value: Any, new: Any = None) -> dict[Any, Any]:
    budget.weigh([value, new])
    return {**dict(value), **dict(new or {})}


@named(FILTERS, "as_dict")
def as_dict(budget: Budget, value: Any, key: Any) -> dict[Any, Any]:
    return {key: value}


@named(FILTERS, "ternary")
def ternary(budget: Budget, value: Any, result_true: Any, result_false: Any) -> Any:
    return result_true if value else result_false


# Tests.


def _kinds(*kinds: type) -> Callable[..., bool]:
    return lambda budget, value: isinstance(value, kinds)


TESTS |= {
    "defined": lambda budget, value: not isinstance(value, Undefined),
    "undefined": _kinds(Undefined),
    "none": _kinds(type(None)),
    "boolean": _kinds(bool),
    "number": _kinds(int, float, complex),
    "float": _kinds(float),
    "string": _kinds(str),
    "mapping": _kinds(dict),
    "sequence": _kinds(*SIZED, Undefined),
    "iterable": _kinds(*SIZED, Undefined),
    "true": lambda budget, value: value is True,
    "false": lambda budget, value: value is False,
    "integer": lambda budget, value: isinstance(value, int) and not isinstance(value, bool),
    "odd": lambda budget, value: remainder(budget, value, 2) == 1,
    "even": lambda budget, value: remainder(budget, value, 2) == 0,
    "divisibleby": lambda budget, value, num: remainder(budget, value, num) == 0,
    "lower": lambda budget, value: budget.text(value).islower(),
    "upper": lambda budget, value: budget.text(value).isupper(),
    "in": lambda budget, value, seq: compared(budget, "in", value, seq),
}


def _comparison(name: str, *names: str) -> None:
    named(TESTS, *names)(lambda budget, value, other: compared(budget, name, value, other))


for _name, _names in {
    "eq": ("eq", "equalto", "=="),
    "ne": ("ne", "!="),
    "lt": ("lt", "lessthan", "<"),
    "lteq": ("le", "<="),
    "gt": ("gt", "greaterthan", ">"),
    "gteq": ("ge", ">="),
}.items():
    _comparison(_name, *_names)
