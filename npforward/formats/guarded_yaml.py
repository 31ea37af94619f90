"""YAML from a stranger's file: plain data only, bounded in size, depth and what aliases repeat."""

from __future__ import annotations

import re
from typing import Any

from npforward.errors import BadFile, NpforwardError
from npforward.limits import Limits

YAML, PYTHON = "tag:yaml.org,2002:", "tag:yaml.org,2002:python/"
NULL, FLOAT, TEXT = f"{YAML}null", f"{YAML}float", f"{YAML}str"
# What Python's own types, and TensorFlow's in their place, are written as in Keras's `to_yaml`.
SCALARS = {
    **{f"{PYTHON}{name}": TEXT for name in ("str", "unicode")},
    **{f"{PYTHON}{name}": f"{YAML}int" for name in ("int", "long")},
    f"{PYTHON}float": FLOAT,
    f"{PYTHON}bool": f"{YAML}bool",
    f"{PYTHON}none": NULL,
}
LISTS = {f"{YAML}seq", f"{PYTHON}tuple", f"{PYTHON}list"}
DICTS = {f"{YAML}map", f"{PYTHON}dict"}
WRAPPERS = re.compile(
    f"{PYTHON}object/apply:tensorflow[a-z_.]*\\.data_structures\\.(ListWrapper|_ListWrapper)"
)


def loads(text: bytes, where: str, limits: Limits, dialect: type[Reading] | None = None) -> Any:
    """The value that a YAML text says: dicts, lists, texts, numbers, truth values and None.

    Nothing is ever made by name: a tag is either one of those that mean plain data, or an error.
    A `dialect` other than Keras's is a `Reading` of its own.

    Examples
    --------
    >>> from npforward.limits import Limits
    >>> loads(b"size: !!python/tuple [3, 1.0e-2]", "model.yaml", Limits())
    {'size': [3, 0.01]}
    """
    import yaml

    limits.check("config_bytes", len(text), where)
    dialect, reading = dialect or Reading, None
    try:
        # The pure Python parser: libyaml's is not there everywhere, and is C on a stranger's file.
        reading = dialect(yaml, text.decode("utf-8-sig"), where, limits)
        return reading.document()
    except NpforwardError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        if reading is not None and not isinstance(error, yaml.YAMLError):  # those say where
            reason = f"line {reading.line}: {reason}"
        raise BadFile(f"{where}: not {dialect.what} ({reason}). {dialect.advice}") from error


class Reading:
    """One reading of one text, from the events of a YAML parser: Keras's dialect."""

    what = "the YAML that Keras writes"
    advice = "The file is damaged, or something else."

    def __init__(self, yaml: Any, text: str, where: str, limits: Limits) -> None:
        self.yaml, self.where, self.limits = yaml, where, limits
        self.line = 1
        self.loader = yaml.SafeLoader(text)
        self.anchors: dict[str, tuple[Any, int]] = {}  # values and how many nodes they are
        self.nodes = 0

    def document(self) -> Any:
        for kind in (self.yaml.StreamStartEvent, self.yaml.DocumentStartEvent):
            if not isinstance(self.loader.get_event(), kind):
                raise ValueError("it is empty")
        value = self.value(1)
        self.loader.get_event()  # the document's end
        if not isinstance(self.loader.get_event(), self.yaml.StreamEndEvent):
            raise ValueError("it has several documents")
        return value

    def value(self, depth: int) -> Any:
        self.limits.check("depth", depth, f"{self.where}: nesting of the YAML")
        event, before = self.loader.get_event(), self.nodes
        self.line = event.start_mark.line + 1
        self.count(1)
        anchor = getattr(event, "anchor", None)
        if isinstance(event, self.yaml.AliasEvent):
            if anchor not in self.anchors:
                raise ValueError(f"*{anchor} refers to nothing before it")
            value, size = self.anchors[anchor]
            self.count(size)
            return value
        if isinstance(event, self.yaml.ScalarEvent):
            value = self.scalar(event)
        elif isinstance(event, self.yaml.SequenceStartEvent):
            value = self.list(depth)
            tag = event.tag or f"{YAML}seq"
            if WRAPPERS.fullmatch(tag) and len(value) == 1 and isinstance(value[0], list):
                value = value[0]  # the arguments that it would be made with
            elif tag not in LISTS:
                raise self.unknown(tag)
        else:
            value = self.dict(depth)
            if (event.tag or f"{YAML}map") not in DICTS:
                raise self.unknown(event.tag)
        if anchor is not None:
            self.anchors[anchor] = value, self.nodes - before
        return value

    def count(self, nodes: int) -> None:
        """What aliases repeat counts each time: it takes as long to go through as if written."""
        self.nodes += nodes
        self.limits.check("yaml_nodes", self.nodes, f"{self.where}: values in the YAML")

    def list(self, depth: int) -> list[Any]:
        values = []
        while not self.loader.check_event(self.yaml.SequenceEndEvent):
            values.append(self.value(depth + 1))
        self.loader.get_event()
        return values

    def dict(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not self.loader.check_event(self.yaml.MappingEndEvent):
            key = self.value(depth + 1)
            if type(key) is int:  # as JSON would have it
                key = str(key)
            if not isinstance(key, str):
                raise ValueError(f"the key {str(key)[:40]!r} is no text")
            if key in values:
                raise ValueError(f"the key {key!r} stands twice in one object")
            values[key] = self.value(depth + 1)
        self.loader.get_event()
        return values

    def scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.loader.resolve(self.yaml.ScalarNode, event.value, event.implicit)
        tag = SCALARS.get(tag, tag)
        node = self.yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        if tag == TEXT:
            return event.value
        if tag in (NULL, FLOAT, f"{YAML}int", f"{YAML}bool"):
            value = self.loader.construct_object(node)
            if isinstance(value, float) and value - value != 0:
                raise ValueError(f"{event.value} is no number")
            return value
        raise self.unknown(tag)

    def unknown(self, tag: str) -> BadFile:
        short = tag.replace(YAML, "!!")
        return BadFile(
            f"{self.where}: the tag {short[:80]!r} asks for an object of Python, which is never "
            "made from a file. Give the architecture as model.to_json() instead."
        )
