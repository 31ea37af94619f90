"""What templates compute with: plain values, and a budget for every step on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from npforward.errors import LimitExceeded
from npforward.limits import Limits

MOST_BITS = 4096  # of a whole number: as text, still within what Python converts
WIDEST = 1000  # digits or blanks that a conversion like "%9d" may ask for
TEXT_PER_STEP = 64  # characters that take about as long as a step
SIZED = (str, list, tuple, dict, set, range)


class Fault(Exception):
    """Something that a template does wrong; whoever knows which template it is says so."""


class Undefined:
    """A variable that there is not: empty text, no items, false."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __str__(self) -> str:
        return ""

    def __repr__(self) -> str:
        return "Undefined"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Undefined)

    def __hash__(self) -> int:
        return hash(Undefined)


class Budget:
    """What all templates of one Kurfile may do together, and each of them may make."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = 0
        self.where = ""  # of the template that is evaluated now

    def spend(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > self.limits.template_steps:
            raise self.exceeded("template_steps", "evaluating templates takes more steps than")

    def exceeded(self, limit: str, what: str) -> LimitExceeded:
        return self.limits.exceeded(limit, f"{self.where}: {what}")

    def room(self, characters: int) -> None:
        """Make sure that a text of this length may be made."""
        if characters > self.limits.template_bytes:
            raise self.exceeded("template_bytes", f"a text of {characters:,} characters exceeds")
        self.spend(1 + characters // TEXT_PER_STEP)

    def whole(self, value: Any) -> Any:
        """The same value, unless it is a whole number of too many digits."""
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise Fault(f"a whole number of more than {MOST_BITS} bits")
        return value

    def weigh(self, value: Any) -> Any:
        """The same value, after its whole tree was counted: something is going to walk it.

        Lists may hold one list many times, so that a few lines make a tree of billions.
        """
        left = [value]
        while left:
            one = left.pop()
            if isinstance(one, str):
                self.spend(1 + len(one) // TEXT_PER_STEP)
            elif isinstance(one, dict):
                self.spend(1 + len(one))
                left += one.keys()
                left += one.values()
            elif isinstance(one, (list, tuple, set)):
                self.spend(1 + len(one))
                left += one
            elif isinstance(one, range):
                self.spend(1 + length(one))
            else:
                self.spend()
        return value

    def items(self, value: Any) -> list[Any]:
        """What a loop goes through."""
        if not isinstance(value, (*SIZED, Undefined)):
            raise Fault(f"{kind(value)} has no items to go through")
        if isinstance(value, Undefined):
            return []
        self.spend(1 + length(value))
        return list(value)

    def text(self, value: Any) -> str:
        """What a value looks like in a rendered template."""
        if isinstance(value, str):
            return value
        if isinstance(value, (dict, list, tuple, set)):
            self.weigh(value)
            self.room(_characters(value))
        elif not isinstance(value, PLAIN):
            raise Fault(f"{kind(value)} has no text")
        return attempt(lambda: str(value))


PLAIN = (str, int, float, complex, type(None), list, tuple, dict, set, range, date, Undefined)


def length(value: Any) -> int:
    """Like `len`, which has no answer for a range of more items than memory could hold."""
    if isinstance(value, range):
        return max(0, math.ceil((value.stop - value.start) / value.step)) if value else 0
    return len(value)


def _characters(value: Any) -> int:
    """About how long the text of a weighed tree is."""
    total, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += one.keys()
            left += one.values()
            total += 4 * len(one)
        elif isinstance(one, (list, tuple, set)):
            left += one
            total += 2 * len(one)
        else:
            total += len(one) + 2 if isinstance(one, str) else 8
    return total


def kind(value: Any) -> str:
    """What a value is, for a message."""
    if isinstance(value, Undefined):
        return f"{value.name!r}, which is undefined,"
    return "a text" if isinstance(value, str) else f"a value of type {type(value).__name__!r}"


def numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float, complex)) for value in values)


def attempt(doing: Callable[[], Any]) -> Any:
    """What a step gives; what Python has against it, as a fault of the template."""
    try:
        return doing()
    except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise Fault(str(error) or type(error).__name__) from error


def joined(budget: Budget, texts: Iterable[str], between: str = "") -> str:
    texts = list(texts)
    budget.room(sum(map(len, texts)) + len(between) * max(0, len(texts) - 1))
    return between.join(texts)
