"""The arguments of a container of a Kurfile, each checked where it is asked for."""

from __future__ import annotations

from typing import Any

from npforward.errors import BadFile
from npforward.formats.kur.network import Container


class Arguments:
    """What a container was given, word by word; `shorthand` is the word for a value alone."""

    def __init__(self, container: Container, shorthand: str) -> None:
        self.container, given = container, container.args
        self.given = given if isinstance(given, dict) else {shorthand: given}

    def wrong(self, what: str) -> BadFile:
        return BadFile(f"{self.container.where}: {self.container.type} {what}.")

    def get(self, word: str, otherwise: Any = None) -> Any:
        found = self.given.get(word)
        return otherwise if found is None else found

    def number(self, word: str, otherwise: int | None = None) -> int:
        """A whole number, which Kur makes of texts and fractions too."""
        return self._number(word, self.get(word, otherwise))

    def _number(self, word: str, found: Any) -> int:
        if found is None:
            raise self.wrong(f"has no {word!r}, which is a whole number")
        try:
            return int(found)
        except (TypeError, ValueError, OverflowError):
            raise self.wrong(f"has {word}={found!r:.60}, expected a whole number") from None

    def positive(self, word: str, otherwise: int | None = None) -> int:
        (found,) = self._positive(word, [self.number(word, otherwise)])
        return found

    def several(self, word: str) -> list[int]:
        """One whole number of at least 1, or a list of such."""
        found = self.get(word)
        listed = list(found) if isinstance(found, (list, tuple)) else [found]
        if not listed:
            raise self.wrong(f"has an empty list as {word!r}")
        return self._positive(word, [self._number(word, one) for one in listed])

    def _positive(self, word: str, found: list[int]) -> list[int]:
        if min(found) < 1:
            raise self.wrong(f"has {word}={min(found)}, expected 1 or more")
        return found

    def per_axis(self, word: str, count: int) -> list[int]:
        """One for each axis; 1 where nothing is said."""
        found = self.get(word, 1)
        if not isinstance(found, (list, tuple)):
            return self._positive(word, [self._number(word, found)]) * count
        if len(found) != count:
            raise self.wrong(f"has {len(found)} {word} and a size of {count} axes")
        return self._positive(word, [self._number(word, one) for one in found])

    def flag(self, word: str, otherwise: bool) -> bool:
        found = self.get(word, otherwise)
        if not isinstance(found, bool):
            raise self.wrong(f"has {word}={found!r:.60}, expected yes or no")
        return found

    def one_of(self, word: str, otherwise: str, *known: str) -> str:
        found = self.get(word, otherwise)
        found = found.lower() if isinstance(found, str) else found
        if found not in known:
            raise self.wrong(f"has {word}={found!r:.60}, expected one of {', '.join(known)}")
        return found
