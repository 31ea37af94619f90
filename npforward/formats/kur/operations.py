"""The operators, methods and conversions that templates may use, none of which grows unbounded."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from npforward.formats.kur.values import (
    MOST_BITS,
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

CONVERSION = re.compile(
    r"%(?:\([^()]*\))?[#0\- +]*(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?[hlL]?(?P<kind>.)?",
    re.DOTALL,
)
LONGEST = 2 * WIDEST  # characters of a formatted number: those of 1e308 beside its precision


def add(budget: Budget, x: Any, y: Any) -> Any:
    if isinstance(x, str) and isinstance(y, str):
        budget.room(len(x) + len(y))
    elif isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
        budget.spend(len(x) + len(y))
    elif not numbers(x, y):
        raise _unfit("+", x, y)
    return attempt(lambda: x + y)


def multiply(budget: Budget, x: Any, y: Any) -> Any:
    if isinstance(x, int) and isinstance(y, (str, list, tuple)):
        x, y = y, x
    if isinstance(x, (str, list, tuple)) and isinstance(y, int):
        size = len(x) * max(0, budget.whole(y))
        budget.room(size) if isinstance(x, str) else budget.spend(size)
    elif not numbers(x, y):
        raise _unfit("*", x, y)
    return attempt(lambda: x * y)


def power(budget: Budget, x: Any, y: Any) -> Any:
    if not numbers(x, y):
        raise _unfit("**", x, y)
    whole = isinstance(x, int) and isinstance(y, int)
    if whole and abs(x) > 1 and y > 0 and (abs(x).bit_length() - 1) * y > MOST_BITS:
        raise Fault(f"a whole number of more than {MOST_BITS} bits")
    return attempt(lambda: x**y)


def remainder(budget: Budget, x: Any, y: Any) -> Any:
    if isinstance(x, str):
        return formatted(budget, x, y)
    if not numbers(x, y):
        raise _unfit("%", x, y)
    return attempt(lambda: x % y)


def _of_numbers(sign: str, function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def apply(budget: Budget, x: Any, y: Any) -> Any:
        if not numbers(x, y):
            raise _unfit(sign, x, y)
        return attempt(lambda: function(x, y))

    return apply


BINARY: dict[str, Callable[[Budget, Any, Any], Any]] = {
    "+": add,
    "-": _of_numbers("-", operator.sub),
    "*": multiply,
    "/": _of_numbers("/", operator.truediv),
    "//": _of_numbers("//", operator.floordiv),
    "%": remainder,
    "**": power,
}


def binary(budget: Budget, sign: str, x: Any, y: Any) -> Any:
    """`x + y` and its like."""
    return budget.whole(BINARY[sign](budget, x, y))


def _unfit(sign: str, x: Any, y: Any) -> Fault:
    return Fault(f"{kind(x)} and {kind(y)} do not go with {sign!r}")


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda x, y: x in y,
    "notin": lambda x, y: x not in y,
}


def compared(budget: Budget, name: str, x: Any, y: Any) -> bool:
    """`x < y` and its like, `x in y`."""
    if name in ("in", "notin") and isinstance(y, Undefined):
        return name == "notin"
    if name in ("lt", "lteq", "gt", "gteq") and Undefined in (type(x), type(y)):
        raise Fault(f"{kind(x)} and {kind(y)} cannot be compared")
    budget.weigh(x)
    budget.weigh(y)
    return attempt(lambda: bool(COMPARISONS[name](x, y)))


def item(budget: Budget, value: Any, key: Any) -> Any:
    """`value[key]`; what is not there is undefined."""
    if isinstance(value, Undefined):
        raise Fault(f"{value.name!r} is undefined")
    if isinstance(key, slice):
        if not isinstance(value, (str, list, tuple, range)):
            raise Fault(f"no part can be taken of {kind(value)}")
        budget.spend(1 + (0 if isinstance(value, range) else len(value)))
        return attempt(lambda: value[key])
    budget.weigh(key)
    try:
        return value[key]
    except (LookupError, TypeError):
        if isinstance(key, str):
            return _attribute(value, key)
        return Undefined(str(key)[:80])


def attribute(budget: Budget, value: Any, name: str) -> Any:
    """`value.name`: an item of a mapping; Python's own attributes are out of reach."""
    if isinstance(value, Undefined):
        raise Fault(f"{value.name!r} is undefined")
    if isinstance(value, dict) and name in value and not hasattr(value, name):
        return value[name]
    return _attribute(value, name)


def _attribute(value: Any, name: str) -> Any:
    if isinstance(value, Opened):
        return value.opened(name)
    if hasattr(value, name):
        raise Fault(
            f".{name} is Python's own of {kind(value)}, and not for templates. "
            f"If it is a key of a mapping, write [{name!r}]"
        )
    return Undefined(name)


class Opened:
    """A value whose attributes are for templates: a loop's counters, a namespace."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held

    def opened(self, name: str) -> Any:
        return self.held.get(name, Undefined(name))


METHODS = {
    str: set(
        "capitalize count endswith find isalnum isalpha isdigit islower isupper join lower lstrip "
        "partition replace rfind rpartition rsplit rstrip split splitlines startswith strip title "
        "upper".split()
    ),
    dict: {"get", "items", "keys", "values", "copy"},
    list: {"count", "index", "copy"},
    tuple: {"count", "index"},
}


def method(budget: Budget, value: Any, name: str, args: list, options: dict[str, Any]) -> Any:
    """`value.name(...)`, for methods that change nothing and are not for formatting."""
    if isinstance(value, Undefined):
        raise Fault(f"{value.name!r} is undefined")
    allowed = next((names for kind, names in METHODS.items() if isinstance(value, kind)), set())
    if name not in allowed:
        raise Fault(f"the method .{name}() of {kind(value)} is not for templates")
    budget.weigh([value, args, options])
    if isinstance(value, str) and name == "join":
        texts = [budget.items(one) for one in args]
        if len(texts) != 1 or options or not all(isinstance(text, str) for text in texts[0]):
            raise Fault(".join() takes one list of texts")
        return joined(budget, texts[0], str(value))
    if isinstance(value, str) and name == "replace":
        return replaced(budget, value, *args, **options)
    found = attempt(lambda: getattr(value, name)(*args, **options))
    return list(found) if name in ("items", "keys", "values") else found


def replaced(budget: Budget, text: str, old: Any, new: Any, count: Any = -1) -> str:
    if not (isinstance(old, str) and isinstance(new, str) and isinstance(count, int)):
        raise Fault("what is replaced, and by what, are texts")
    times = text.count(old) if count < 0 else min(count, text.count(old))
    budget.room(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def formatted(budget: Budget, text: str, values: Any) -> str:
    """`text % values`, with bounds on what each conversion may ask for."""
    many = 0
    for found in CONVERSION.finditer(text):
        for size in (found["width"], found["precision"]):
            if size == "*" or len(size or "") > 4 or int(size or 0) > WIDEST:
                raise Fault(f"the conversion {found[0][:40]!r} asks for more than {WIDEST} places")
        many += found["kind"] != "%"
    longest = max((length(budget.text(one)) for one in _each(values)), default=0)
    budget.room(len(text) + many * (LONGEST + longest))
    return attempt(lambda: text % values)


def _each(values: Any) -> list[Any]:
    if isinstance(values, tuple):
        return list(values)
    return [*values.values(), values] if isinstance(values, dict) else [values]
