"""From the entries of a Kurfile's model to containers: their types, names and arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from npforward.errors import BadFile, nearest
from npforward.formats.kur.engine import Engine
from npforward.formats.kur.source import place

# In Kur's order: an entry is of the first type whose name is among its keys.  Beside each, the
# arguments that are evaluated when they are given in a mapping; Kur ignores all others.
TYPES = {
    "layer": "",
    "operator": "",
    "input": "shape type",
    "parallel": "apply",
    "expand": "dimension",
    "convolution": "kernels size strides border separable highway bias",
    "reuse": "target",
    "flatten": "",
    "dense": "size flatten highway bias",
    "activation": "",
    "pool": "size strides type border",
    "recurrent": "size type sequence bidirectional merge outer_activation",
    "batch_normalization": "axis momentum",
    "output": "",
    "transpose": "axes include_batch",
    "merge": "mode axis",
    "dropout": "fraction independent",
    "repeat": "count",
    "embedding": "vocab_size size",
    "squeeze": "dimension",
    "containergroup": "",
    "debug": "",
    "for": "range with_index iterate",
    "for_each": "items loop_var iterate",
    "assert": "",
    "meta": "",
}
UNUSABLE = ("layer", "operator", "containergroup", "meta")  # Kur's own, for no file
# Operators: they make no layer of their own, and are no node of the graph.
GROUPS = ("for", "for_each", "meta")
SILENT = ("debug", "assert")
BARE = ("flatten", "activation", "batch_normalization", "output", "merge", "debug")
ATTRIBUTES = ("name", "inputs", "sink", "tag", "oldest", "freeze", "when")
SWITCHES = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(eq=False)
class Parsed:
    """A container while the model is read."""

    type: str
    name: str
    key: str  # its place in the file: "model[3].for.iterate[0]"
    where: str  # "Kurfile.yml:12"
    word: str  # what the file calls it: its type, or the name of a template
    args: Any = None
    inputs: list[str] = field(default_factory=list)  # as written
    sink: bool = False
    when: bool = True
    children: list[Parsed] = field(default_factory=list)

    @property
    def terminal(self) -> bool:
        """Whether it is a node of the graph."""
        return self.type not in GROUPS + SILENT

    def __str__(self) -> str:
        return f"{self.where}: {self.key}"


class Parser:
    """Reads the entries of a model in Kur's order, on which names and scopes depend."""

    def __init__(self, engine: Engine, templates: dict[str, list[Any]]) -> None:
        self.engine, self.templates = engine, templates
        self.counters: dict[str, int] = {}
        self.count = 0

    def model(self, entries: list[Any]) -> list[Parsed]:
        """The containers of the section `model`.

        All entries that are texts are evaluated before any container is read, as by Kur.
        """
        found = [
            self.engine.evaluate(entry, f"model[{n}]", recursive=False)
            for n, entry in enumerate(entries)
        ]
        where = [place(entry, str(self.engine.files.path)) for entry in entries]
        return [self.container(entry, f"model[{n}]", where[n], 0) for n, entry in enumerate(found)]

    def container(self, entry: Any, key: str, where: str, depth: int) -> Parsed:
        """One entry, and all containers within."""
        where = place(entry, where)
        limits, engine = self.engine.limits, self.engine
        self.count += 1
        limits.check("layers", self.count, f"{where}: {key}: number of containers")
        limits.check("depth", depth, f"{where}: {key}: containers in containers")
        if isinstance(entry, str):
            entry = engine.evaluate(entry, key, recursive=False)
        if isinstance(entry, str):
            entry = {self.bare(entry, key, where): None} if entry else entry
        if not isinstance(entry, dict) or not entry:
            raise BadFile(
                f"{where}: {key}: {entry!r:.80} where a container is expected: write a mapping "
                "like 'dense: 10', or a name alone."
            )
        kind = next((kind for kind in TYPES if kind in entry), "")
        word = kind or self.template(entry, key, where)
        kind = kind or "meta"
        if word in UNUSABLE:
            raise BadFile(f"{where}: {key}: {word!r} is no container of Kurfiles. {self.known()}")
        at = f"{key}.{word}"
        args = self.evaluated(entry, word, at, recursive=False)
        tags = self.listed(entry, "tag", key)
        name = self.name(entry, kind, args, key, where)
        oldest = self.listed(entry, "oldest", key)
        made = Parsed(kind, name, key, where, word, args)
        made.inputs = self.inputs(entry, made)
        made.sink = kind == "output" or self.sink(entry, made)
        made.when = bool(self.evaluated(entry, "when", f"{key}.when", recursive=True, missing=True))
        if kind in READ:
            READ[kind](self, made, at, depth)
        else:
            made.args = self.arguments(kind, args, at)
        for tag in tags:
            self.engine.tags[self.hashable(tag, made)] = name
        for one in oldest:
            if not isinstance(one, str):
                raise BadFile(f"{made}.oldest: {one!r:.80} is no tag. Write a text.")
            if one not in self.engine.oldest:
                self.engine.oldest = one  # Kur's mistake: it forgets the others, and the name
        self.engine.layers.append(name)
        return made

    # What an entry is.

    def bare(self, text: str, key: str, where: str) -> str:
        """The type or template that a text alone means.

        Kur looks for the name of a type anywhere in the text: `my_flatten` is a flatten to it.
        That is kept where it worked.  Where it then failed for lack of arguments, as for a
        template called `conv_pool`, the template is meant.
        """
        if text in TYPES:
            return text
        part = next((kind for kind in TYPES if kind in text), "")
        if part in BARE:
            return part
        if text in self.templates:
            return text
        raise BadFile(
            f"{where}: {key}: there is no container {text!r}. {nearest(text, self.words())}"
        )

    def template(self, entry: dict[Any, Any], key: str, where: str) -> str:
        """The template that an entry of no type calls."""
        called = [word for word in entry if word in self.templates]
        if len(called) == 1:
            return called[0]
        if called:
            raise BadFile(
                f"{where}: {key}: it could be either of the templates {called[0]!r} and "
                f"{called[1]!r}. Make it two entries."
            )
        others = [word for word in entry if word not in ATTRIBUTES]
        said = others[0] if others else next(iter(entry))
        raise BadFile(
            f"{where}: {key}: there is no container {said!r}. {nearest(said, self.words())}"
        )

    def words(self) -> list[str]:
        return [kind for kind in TYPES if kind not in UNUSABLE] + list(self.templates)

    def known(self) -> str:
        return f"There are: {', '.join(self.words())}."

    # What all containers have.

    def evaluated(
        self, entry: dict, word: str, key: str, *, recursive: bool, missing: Any = None
    ) -> Any:
        if word not in entry:
            return missing
        return self.engine.evaluate(entry[word], key, recursive=recursive)

    def listed(self, entry: dict, word: str, key: str) -> list[Any]:
        found = self.evaluated(entry, word, f"{key}.{word}", recursive=True, missing=[])
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def name(self, entry: dict, kind: str, args: Any, key: str, where: str) -> str:
        if "name" in entry:
            name = self.engine.evaluate(entry["name"], f"{key}.name", recursive=False)
        elif kind in ("input", "output") and isinstance(args, str):
            name = args
        else:
            number = self.counters.get(kind, 0)
            self.counters[kind] = number + 1
            return f"..{kind}.{number}"
        if not isinstance(name, str) or not name:
            raise BadFile(f"{where}: {key}.name: it is {name!r}, and has to be a text.")
        self.engine.limits.check(
            "name_bytes", len(name.encode("utf-8", "surrogatepass")), f"{where}: {key}.name"
        )
        return name

    def inputs(self, entry: dict, made: Parsed) -> list[str]:
        names = self.listed(entry, "inputs", made.key)
        for name in names:
            if not isinstance(name, str):
                raise BadFile(
                    f"{made}.inputs: it has {name!r:.80} where the name of a container is expected."
                )
        return names

    def sink(self, entry: dict, made: Parsed) -> bool:
        found = self.evaluated(entry, "sink", f"{made.key}.sink", recursive=False, missing=False)
        found = SWITCHES.get(found.lower(), found) if isinstance(found, str) else found
        if not isinstance(found, bool):
            raise BadFile(f"{made}.sink: it is {found!r:.80}, and has to be yes or no.")
        return found

    def hashable(self, tag: Any, made: Parsed) -> Any:
        if not isinstance(tag, (str, int, float, type(None))):
            raise BadFile(f"{made}: {tag!r:.80} is no tag. Write a text.")
        return tag

    def arguments(self, kind: str, args: Any, key: str) -> Any:
        """The arguments of a layer, evaluated: those that Kur looks at."""
        if not isinstance(args, dict):
            return self.engine.evaluate(args, key)
        known = TYPES[kind].split()
        return {
            word: self.engine.evaluate(value, f"{key}.{word}") if word in known else value
            for word, value in args.items()
        }

    # What some types of container do when they are read.

    def children(self, made: Parsed, entries: Any, key: str, depth: int, word: str) -> None:
        if not isinstance(entries, (list, tuple)):
            raise BadFile(f"{made}.{word}: {entries!r:.80} where a list of containers is expected.")
        for n, entry in enumerate(entries):
            where = place(entry, made.where)
            made.children.append(self.container(entry, f"{key}[{n}]", where, depth + 1))

    def field(self, made: Parsed, word: str, key: str, missing: Any = None) -> Any:
        """One of the arguments of a group, whose containers are evaluated only later."""
        if not isinstance(made.args, dict) or (word not in made.args and missing is None):
            raise BadFile(
                f"{made}: {made.type!r} takes a mapping of {', '.join(TYPES[made.type].split())}, "
                f"and has no {word!r}."
            )
        return self.evaluated(made.args, word, f"{key}.{word}", recursive=False, missing=missing)

    def read_parallel(self, made: Parsed, key: str, depth: int) -> None:
        entries, made.args = self.field(made, "apply", key), {}
        self.children(made, entries, f"{key}.apply", depth, "apply")

    def read_for(self, made: Parsed, key: str, depth: int) -> None:
        times = self.field(made, "range", key)
        try:
            times = int(times)
        except (TypeError, ValueError, OverflowError):
            raise BadFile(f"{made}.range: it is {times!r:.80}, and no whole number.") from None
        self.iterate(
            made, key, depth, self.variable(made, "with_index", key, "index"), range(times)
        )

    def read_for_each(self, made: Parsed, key: str, depth: int) -> None:
        items = self.field(made, "items", key)
        if not isinstance(items, (list, tuple, dict, str, set)):
            raise BadFile(f"{made}.items: it is {items!r:.80}, and no list.")
        self.iterate(made, key, depth, self.variable(made, "loop_var", key, "item"), items)

    def variable(self, made: Parsed, word: str, key: str, usual: str) -> str:
        name = self.field(made, word, key, usual)
        if not isinstance(name, str):
            raise BadFile(f"{made}.{word}: it is {name!r:.80}, and has to be a text.")
        return name

    def iterate(self, made: Parsed, key: str, depth: int, variable: str, items: Any) -> None:
        entries = self.field(made, "iterate", key)
        for item in items:
            self.engine.budget.where = f"{made}"
            self.engine.budget.spend()
            item = self.engine.evaluate(item, f"{key}.items")
            with self.engine.scope({variable: item}):
                self.children(made, entries, f"{key}.iterate", depth, "iterate")
        made.args = {}

    def read_template(self, made: Parsed, key: str, depth: int) -> None:
        args = {} if made.args is None else made.args  # a bare call, at which Kur fails
        if not isinstance(args, dict):
            raise BadFile(
                f"{made}: the arguments of a template are a mapping, not {made.args!r:.80}."
            )
        inputs = made.inputs or self.engine.layers[-1:]
        with self.engine.scope({"args": args, "inputs": inputs}, args):
            for n, entry in enumerate(self.templates[made.word]):
                at = f"templates.{made.word}[{n}]"
                where = place(entry, made.where)
                entry = self.engine.evaluate(entry, at, recursive=False)
                made.children.append(self.container(entry, at, where, depth + 1))
        made.args = {}

    def read_assert(self, made: Parsed, key: str, depth: int) -> None:
        made.args = self.engine.evaluate(made.args, key)
        if not made.args:
            raise BadFile(
                f"{made}: the model's own assertion does not hold: it comes to {made.args!r:.80}."
            )

    def read_input(self, made: Parsed, key: str, depth: int) -> None:
        if isinstance(made.args, dict):
            made.args = self.arguments("input", made.args, key)
        elif made.args is None or isinstance(made.args, str):
            made.args = {}
        else:
            raise BadFile(
                f"{made}: an input takes a name, or a mapping of shape and type, not "
                f"{made.args!r:.80}."
            )

    def read_output(self, made: Parsed, key: str, depth: int) -> None:
        made.args = {}

    def read_reuse(self, made: Parsed, key: str, depth: int) -> None:
        target = made.args.get("target") if isinstance(made.args, dict) else made.args
        target = self.engine.evaluate(target, key, recursive=False)
        if not isinstance(target, str):
            raise BadFile(f"{made}: {target!r:.80} where the name of a container is expected.")
        made.args = {"target": target}


READ: dict[str, Callable[[Parser, Parsed, str, int], None]] = {
    "parallel": Parser.read_parallel,
    "for": Parser.read_for,
    "for_each": Parser.read_for_each,
    "meta": Parser.read_template,
    "assert": Parser.read_assert,
    "input": Parser.read_input,
    "output": Parser.read_output,
    "reuse": Parser.read_reuse,
}


def walk(containers: list[Parsed]) -> Iterator[Parsed]:
    """Each container before those within it, in the order of the file."""
    left = containers[::-1]
    while left:
        one = left.pop()
        yield one
        left += reversed(one.children)
