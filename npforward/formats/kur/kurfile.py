"""The sections of a Kurfile, evaluated in Kur's order."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from npforward.errors import BadFile, MissingFile
from npforward.formats.kur.source import Kurfiles, Written, place
from npforward.limits import Limits

if TYPE_CHECKING:
    from npforward.formats.kur.engine import Engine
    from npforward.formats.kur.network import Model

# Both spellings hold the same once a section is evaluated.
SPELLINGS = {
    "train": ("train", "training"),
    "validate": ("validate", "validation"),
    "test": ("test", "testing"),
    "evaluate": ("evaluate", "evaluation"),
}
# Where weights are named, in the order in which a replay looks for them: what was evaluated, then
# what was best, then what was last.
WEIGHTS = (
    ("evaluate", "initial"),
    ("test", "initial"),
    ("validate", "best"),
    ("train", "best"),
    ("train", "last"),
    ("train", "initial"),
)
ALONE = {"evaluate": "initial", "test": "initial", "validate": "best", "train": "best"}


@dataclass(frozen=True)
class WeightsPlace:
    """A folder of weights that a Kurfile names, and where to look for it."""

    key: str  # "evaluate.weights", "train.weights.best"
    text: str  # as the file has it
    paths: tuple[Path, ...]  # first beside the Kurfile, then in the working directory
    refused: str = ""  # why there are none


@dataclass(frozen=True)
class Kurfile:
    """A Kurfile as plain data: what its files say, and what that comes to.

    Examples
    --------
    >>> from npforward.formats import kur
    >>> kurfile = kur.read("weights_fixtures/kur/shared_mnist_cnn/Kurfile.yml")
    >>> [place.key for place in kurfile.weights()]
    ['evaluate.weights', 'test.weights', 'validate.weights', 'train.weights.last']
    """

    path: Path
    raw: dict[str, Any]  # all files merged, nothing evaluated
    data: dict[str, Any]  # the same with all sections evaluated but `model` and `templates`
    model: Model

    @classmethod
    def read(cls, path: str | os.PathLike[str], limits: Limits) -> Kurfile:
        raw, files = _merged(path, limits)
        from npforward.formats.kur.engine import Engine  # late: it needs Jinja2

        data = dict(raw)
        return cls(files.path, raw, data, _evaluated(data, raw, Engine(files)))

    def weights(self) -> tuple[WeightsPlace, ...]:
        """Where weights may be, in the order in which to look.

        Kur takes a path to be relative to the working directory.  Here it is first taken to be
        relative to the Kurfile's folder, so that a folder that was moved as a whole still works.
        As what a stranger's file names is read without asking, only a path that leads downwards is
        followed: `~` and `$VARS` stay as they are, and a path that is absolute or has `..` in it
        is refused, as is one that Kur fills in while it trains, like `best.${EPOCH}`.
        """
        return tuple(self._named_weights())

    def _named_weights(self) -> Iterator[WeightsPlace]:
        for section, role in WEIGHTS:
            found = self.data.get(section)
            found = found.get("weights") if isinstance(found, dict) else None
            key = f"{section}.weights"
            if isinstance(found, dict):
                found, key = found.get(role), f"{key}.{role}"
            elif ALONE[section] != role:
                continue
            if found is not None:
                yield self._place(key, found)

    def _place(self, key: str, found: Any) -> WeightsPlace:
        refused = _refusal(found)
        places = (self.path.parent, Path()) if not refused else ()
        paths = dict.fromkeys(Path(os.path.normpath(place / found)) for place in places)
        if len({path.absolute() for path in paths}) == 1:
            paths = dict.fromkeys(list(paths)[:1])
        return WeightsPlace(key, str(found), tuple(paths), refused)

    def dump(self) -> str:
        """The text that `kur dump` prints: everything evaluated but the model and its templates.

        Examples
        --------
        >>> from npforward.formats import kur
        >>> kurfile = kur.read("weights_fixtures/kur/shared_lm_gru/Kurfile.yml")
        >>> kurfile.dump() + "\\n" == Path(kurfile.path.parent, "dump.json").read_text()
        True
        """
        return dumped(self.data)


def merged(path: str | os.PathLike[str], limits: Limits) -> dict[str, Any]:
    """What a Kurfile and its includes say, merged; `kur dump -p`."""
    return _merged(path, limits)[0]


def dumped(data: dict[str, Any]) -> str:
    """JSON as `kur dump` writes it, which fails at dates and at keys of different types."""
    try:
        return json.dumps(data, sort_keys=True, indent=4, default=_shown)
    except TypeError:
        return json.dumps(_by_text(data), sort_keys=True, indent=4, default=_shown)


def _shown(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, set) else str(value)


def _by_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {json.dumps(k, default=str).strip('"'): _by_text(v) for k, v in value.items()}
    return [_by_text(item) for item in value] if isinstance(value, (list, tuple)) else value


def _merged(path: str | os.PathLike[str], limits: Limits) -> tuple[dict[str, Any], Kurfiles]:
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"{path}: no such file (looked in {Path.cwd()}).")
    files = Kurfiles(path, limits)
    return files.merged(), files


def _evaluated(data: dict[str, Any], raw: dict[str, Any], engine: Engine) -> Model:
    """Evaluate the sections of `data` in place, and read its model."""
    from npforward.formats.kur.containers import Parser
    from npforward.formats.kur.network import network

    path = engine.files.path
    scopes: list[Any] = [
        {"filename": str(path), "raw": raw, "parsed": data, "host": platform.node()}
    ]
    if "settings" in data:
        with engine.scope(*scopes, {"settings": data["settings"]}, data["settings"]):
            settings = engine.evaluate(data["settings"], "settings")
        if not isinstance(settings, (dict, type(None))):
            raise _bad_section(raw, path, "settings", "a mapping of names to values")
        data["settings"] = settings
        scopes += [settings, {"settings": settings}]
    for spellings in SPELLINGS.values():
        _section(data, spellings, scopes, engine)
    templates = _templates(data, path)
    if not isinstance(data.get("model"), list):
        raise _bad_section(raw, path, "model", "a list of containers")
    with engine.scope(*scopes):
        parsed = Parser(engine, templates).model(data["model"])
    _section(data, ("loss",), scopes, engine)
    return network(parsed, engine.limits, str(path))


def _section(
    data: dict[str, Any], spellings: tuple[str, ...], scopes: list[Any], engine: Engine
) -> None:
    """Evaluate a section, which others then know by the spelling that the file has."""
    used = next((name for name in spellings if name in data), None)
    if used is None:
        return
    with engine.scope(*scopes, {used: data[used]}):
        value = engine.evaluate(data[used], used)
    scopes.append({used: value})
    data.update(dict.fromkeys(spellings, value))


def _templates(data: dict[str, Any], path: Path) -> dict[str, list[Any]]:
    from npforward.formats.kur.containers import TYPES

    found = data.get("templates") or {}
    if not isinstance(found, dict):
        raise _bad_section(data, path, "templates", "a mapping of names to lists of containers")
    for name in found:
        if not isinstance(name, str) or name.lower() in TYPES:
            raise BadFile(
                f"{place(name, str(path))}: templates: a template cannot be called {name!r}: "
                "it is a container of Kur's, or no text. Give it another name."
            )
    return {name: body if isinstance(body, list) else [body] for name, body in found.items()}


def _bad_section(data: dict[str, Any], path: Path, name: str, wanted: str) -> BadFile:
    where = next((key.where for key in data if key == name and isinstance(key, Written)), path)
    if name not in data:
        return BadFile(f"{where}: there is no section {name!r}, which is {wanted}.")
    return BadFile(f"{where}: the section {name!r} has to be {wanted}.")


def _refusal(text: Any) -> str:
    """Why the weights at a path are not looked for by themselves."""
    if not isinstance(text, str) or not text or "\0" in text:
        return "it is no path"
    parts = re.split(r"[/\\]", text)
    if "$" in text or text.startswith("~"):
        return "variables and ~ are not filled in for a file that may be a stranger's"
    if parts[0] == "" or PureWindowsPath(text).drive or ".." in parts:
        return "it leads out of the folder of the Kurfile, which may be a stranger's"
    return ""
