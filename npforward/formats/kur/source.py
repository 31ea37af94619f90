"""The files that a Kurfile is made of: YAML or JSON, and what they include, merged."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from npforward.errors import BadFile, MissingFile
from npforward.formats import guarded_json, guarded_yaml
from npforward.formats.kur.values import MOST_BITS
from npforward.limits import Limits

METHODS = ("blend", "merge", "concat")
ENDINGS = (".yml", ".yaml", ".json")
WILD = re.compile(r"[*?[]")


class Written(str):
    """A text in a Kurfile, which knows the file and line where it stands.

    Examples
    --------
    >>> text = Written("relu", "Kurfile.yml:7")
    >>> text == "relu", text.where
    (True, 'Kurfile.yml:7')
    """

    __slots__ = ("where",)
    where: str

    def __new__(cls, text: str, where: str) -> Written:
        self = super().__new__(cls, text)
        self.where = where
        return self


def place(value: Any, otherwise: str) -> str:
    """File and line of the first text in `value`, which may be a text, a mapping or a list."""
    while not isinstance(value, Written):
        if not isinstance(value, (dict, list)) or not value:
            return otherwise
        value = next(iter(value))
    return value.where


class Kurfiles:
    """The files below the folder of a Kurfile, each of which may be merged in once.

    A stranger's Kurfile says what to read, so nothing outside its folder is: no absolute path, no
    `..`, no link; and neither `~` nor `$VARS` are replaced.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.folder = path.parent
        self._merged: set[tuple[int, int]] = set()  # as Kur knows a file: device and inode
        self._read: dict[Path, Any] = {}
        self._bytes = self._seen = 0

    def merged(self) -> dict[str, Any]:
        """The Kurfile with all that it includes."""
        return self._with_includes(self.path, "blend")

    def _with_includes(self, file: Path, method: str) -> dict[str, Any]:
        """`method` is the one that the including file gave for this one.

        Kur applies it one level late: it rules how this file takes in what it includes itself.
        """
        status = file.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self._merged:
            return {}
        self._merged.add(identity)
        data = self.read(file)
        if not isinstance(data, dict):
            raise BadFile(f"{file}: a Kurfile is a mapping of sections, not {_kind(data)}.")
        data = dict(data)
        for included, how in self._includes(file, data.pop("include", [])):
            data = merged(self._with_includes(included, how), data, method)
        return data

    def _includes(self, file: Path, entries: Any) -> Iterator[tuple[Path, str]]:
        """Each file that `file` includes, and the method that goes with it."""
        for entry in entries if isinstance(entries, list) else [entries]:
            where = place(entry, str(file))
            sources, method = entry, None
            if isinstance(entry, dict):
                sources, method = entry.get("source"), entry.get("method")
            method = method or "blend"
            if method not in METHODS:
                raise BadFile(
                    f"{where}: include: there is no method {method!r}, only {', '.join(METHODS)}."
                )
            for source in sources if isinstance(sources, list) else [sources]:
                if not isinstance(source, str):
                    raise BadFile(
                        f"{where}: include: {_kind(source)} where a path is expected: write "
                        "'include: other.yml', or a list of paths or of {source, method}."
                    )
                yield from ((found, method) for found in self.found(source, file.parent, where))

    def read(self, file: Path) -> Any:
        """What a file says, whatever its sections; it is read once."""
        if file in self._read:
            return self._read[file]
        self.limits.check("include_files", len(self._read) + 1, f"{file}: number of files")
        ending = file.suffix.lower()
        if ending not in ENDINGS:
            raise BadFile(
                f"{file}: the ending of a Kurfile tells how to read it, and is one of "
                f"{', '.join(ENDINGS)}. Rename the file."
            )
        if not file.is_file():
            raise MissingFile(f"{file}: there is no such file, or it is not one.")
        self._bytes += file.stat().st_size
        self.limits.check("config_bytes", self._bytes, f"{file} and the files before it")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise MissingFile(f"{file}: cannot be read ({error.strerror}).") from error
        if ending == ".json":
            said = guarded_json.loads(content, str(file), self.limits, writer="a user of Kur")
            self._read[file] = _placed(said, str(file))
        else:
            self._read[file] = guarded_yaml.loads(content, str(file), self.limits, Kurish)
        return self._read[file]

    def found(self, pattern: str, start: Path, where: str) -> list[Path]:
        """The files that a path or pattern means, in the order of their names.

        As for Python's `glob`: `*` skips names that begin with a dot, `**` is any folders.
        """
        parts = steps_of(pattern, where)
        reached = [start]
        try:
            for number, part in enumerate(parts):
                last = number == len(parts) - 1
                steps = [entry for one in reached for entry in self._step(one, part, last)]
                reached = [entry for entry in dict.fromkeys(steps) if last or entry.is_dir()]
                if links := [entry for entry in reached if entry.is_symlink()]:
                    raise BadFile(f"{where}: {links[0]} is a link, which is not followed.")
        except OSError as error:
            raise BadFile(
                f"{where}: {pattern!r} cannot be looked for ({error.strerror})."
            ) from error
        return reached

    def _step(self, folder: Path, part: str, last: bool) -> Iterator[Path]:
        if not WILD.search(part):
            entry = folder / part
            if entry.is_symlink() or entry.exists():
                yield entry
            return
        if part == "**":
            left = [folder]
            while left:
                one = left.pop()
                if not last:
                    yield one
                for entry, inner in self._listed(one, "*"):
                    if inner:
                        left.append(entry)
                    elif last:
                        yield entry
            return
        yield from (entry for entry, inner in self._listed(folder, part) if last or inner)

    def _listed(self, folder: Path, pattern: str) -> Iterator[tuple[Path, bool]]:
        """What a pattern without folders matches, and whether it is a folder and no link."""
        for entry in sorted(folder.iterdir()):
            self._seen += 1
            self.limits.check("zip_members", self._seen, f"{folder}: files that are looked at")
            hidden = entry.name.startswith(".") and not pattern.startswith(".")
            if not hidden and fnmatch.fnmatch(entry.name, pattern):
                yield entry, entry.is_dir() and not entry.is_symlink()


def steps_of(path: str, where: str) -> list[str]:
    """The folders and the file that a path leads through, which may only lead downwards.

    Examples
    --------
    >>> steps_of("./data/images.gz", "Kurfile.yml:7")
    ['data', 'images.gz']
    """
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    rooted = path[:1] in ("/", "\\") or bool(PureWindowsPath(path).drive)
    if rooted or ".." in parts or "\0" in path or not parts:
        raise BadFile(
            f"{where}: {path!r} is not the path of a file below the folder of the Kurfile, "
            "and no other is read. Copy the file there."
        )
    return parts


def below(folder: Path, path: str, where: str) -> Path:
    """The path of a file below `folder`, which need not be there; no step to it is a link."""
    found = folder
    for part in steps_of(path, where):
        found /= part
        if found.is_symlink():
            raise BadFile(f"{where}: {found} is a link, which is not followed.")
    return found


def merged(included: Any, own: Any, method: str) -> Any:
    """What a file says with what it includes; where both say something, the file wins.

    Mappings are always merged key by key.  Lists are, by `method`, replaced (`merge`), merged item
    by item (`blend`) or joined (`concat`).

    Examples
    --------
    >>> merged({"a": [1, 2, 3], "b": 0}, {"a": [9]}, "blend")
    {'a': [9, 2, 3], 'b': 0}
    >>> merged([1, 2], [9], "concat"), merged([1, 2], [9], "merge"), merged([1], {}, "blend")
    ([1, 2, 9], [9], {})
    """
    if isinstance(included, dict) and isinstance(own, dict):
        both = {k: merged(v, own[k], method) if k in own else v for k, v in included.items()}
        return both | {k: v for k, v in own.items() if k not in both}
    if isinstance(included, list) and isinstance(own, list):
        if method == "concat":
            return included + own
        if method == "blend":
            common = min(len(included), len(own))
            both_lists = [merged(x, y, method) for x, y in zip(included, own, strict=False)]
            return both_lists + included[common:] + own[common:]
    return own


class Kurish(guarded_yaml.Reading):
    """YAML 1.1 as Kur reads it: merge keys, keys of any scalar type, dates."""

    what = "the YAML of a Kurfile"
    advice = "Correct that line."

    def dict(self, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        inherited: dict[Any, Any] = {}
        while not self.loader.check_event(self.yaml.MappingEndEvent):
            if self._merge_key():
                inherited |= self._inherited(self.value(depth + 1))
                continue
            key = self.value(depth + 1)
            if isinstance(key, (list, dict)):
                raise ValueError("a list or mapping cannot be a key")
            if key in own:
                raise ValueError(f"the key {str(key)[:80]!r} stands twice in one mapping")
            own[key] = self.value(depth + 1)
        self.loader.get_event()
        return inherited | own

    def _merge_key(self) -> bool:
        """Whether `<<` comes next, which is then gone past."""
        event = self.loader.peek_event()
        found = isinstance(event, self.yaml.ScalarEvent) and event.value == "<<"
        if not found or event.tag is not None or not event.implicit[0]:
            return False
        self.loader.get_event()
        self.line = event.start_mark.line + 1
        self.count(1)
        return True

    def _inherited(self, value: Any) -> Mapping[Any, Any]:
        """The first of several mappings wins."""
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in values):
            raise ValueError("<< takes a mapping, or a list of mappings")
        found: Any = {}
        for one in reversed(values):
            found |= one
        return found

    def scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.loader.resolve(self.yaml.ScalarNode, event.value, event.implicit)
        if tag in (guarded_yaml.FLOAT, f"{guarded_yaml.YAML}timestamp"):  # infinities, dates
            node = self.yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
            return self.loader.construct_object(node)
        value = super().scalar(event)
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError(f"a whole number of more than {MOST_BITS} bits")
        return Written(value, f"{self.where}:{self.line}") if isinstance(value, str) else value

    def unknown(self, tag: str) -> BadFile:
        short = tag.replace(guarded_yaml.YAML, "!!")
        return BadFile(
            f"{self.where}:{self.line}: the tag {short[:80]!r} asks for an object of Python, which "
            "is never made from a file. Write plain values instead."
        )


def _placed(value: Any, where: str) -> Any:
    """JSON's texts with the file where they stand; its parser does not tell the line."""
    if isinstance(value, dict):
        return {Written(k, where): _placed(v, where) for k, v in value.items()}
    if isinstance(value, list):
        return [_placed(item, where) for item in value]
    return Written(value, where) if isinstance(value, str) else value


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value)[:80]
