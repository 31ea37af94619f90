"""Kur's engine: each text of a Kurfile is a template, evaluated in the scope where it stands."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from npforward.errors import BadFile
from npforward.formats.kur import templates
from npforward.formats.kur.literals import literal
from npforward.formats.kur.source import Kurfiles, place
from npforward.formats.kur.values import Budget, Fault


class Engine:
    """Scopes of variables, innermost first, over what the parsed containers have told."""

    def __init__(self, files: Kurfiles) -> None:
        self.files = files
        self.limits = files.limits
        self.budget = Budget(files.limits)
        self.tags: dict[Any, str] = {}
        self.layers: list[str] = []
        self.oldest: Any = {}
        self._scopes: list[dict[str, Any]] = []
        self._functions: dict[str, templates.Function] = {
            **templates.FUNCTIONS,
            "gpu_count": lambda budget: 0,  # what a replay computes on
            "load_json": self._load,
            "load_yaml": self._load,
        }

    @contextmanager
    def scope(self, *scopes: Any) -> Iterator[None]:
        """Have these in scope, the last of them innermost; what is no mapping has no variables."""
        before = len(self._scopes)
        self._scopes += [one for one in scopes if isinstance(one, dict)]
        try:
            yield
        finally:
            del self._scopes[before:]

    def evaluate(self, value: Any, key: str, *, recursive: bool = True) -> Any:
        """A value of the file, without its templates.

        A text is rendered and read as a literal until it stays the same.  Items of lists and
        values of mappings follow if `recursive`; keys never do.

        Parameters
        ----------
        value
            What the file says.
        key
            Where it says so, for messages: "model[3].dense.size".
        """
        return self._evaluated(value, key, place(value, str(self.files.path)), recursive, 0)

    def _evaluated(self, value: Any, key: str, where: str, recursive: bool, depth: int) -> Any:
        where = place(value, where)
        self.budget.where = f"{where}: {key}"
        self.limits.check("depth", depth, f"{where}: {key}: nesting of what templates make")
        if isinstance(value, str):
            value = self._settled(value)
        self.budget.spend()
        if not recursive:
            return value
        if isinstance(value, dict):
            return {
                k: self._evaluated(v, f"{key}.{k}", place(k, where), True, depth + 1)
                for k, v in value.items()
            }
        if isinstance(value, (list, tuple)):
            items = (
                self._evaluated(item, f"{key}[{n}]", where, True, depth + 1)
                for n, item in enumerate(value)
            )
            return type(value)(items)
        return value

    def _settled(self, text: str) -> Any:
        for _ in range(self.limits.template_repeats):
            found = self._once(text)
            if not isinstance(found, str) or found == text:
                return found if not isinstance(found, str) else text
            text = found
        raise self.budget.exceeded(
            "template_repeats",
            f"the template makes another text each time it is evaluated, now {text[:80]!r}, for "
            "more times than",
        )

    def _once(self, text: str) -> Any:
        state = {"tags": self.tags, "oldest": self.oldest, "layers": self.layers}
        variables = ChainMap(*reversed(self._scopes), state)
        try:
            return literal(templates.render(text, variables, self._functions, self.budget))
        except Fault as fault:
            raise BadFile(f"{self.budget.where}: the template {text[:200]!r}: {fault}.") from fault

    def _load(self, budget: Budget, filename: Any, use_cache: bool = True) -> Any:
        if not isinstance(filename, str):
            raise Fault("a path is a text")
        found = self.files.found(filename, self.files.folder, budget.where)
        if len(found) != 1:
            raise Fault(f"there is no file {filename!r} in {self.files.folder}")
        return self.files.read(found[0])
