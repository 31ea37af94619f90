"""Where a Keras file keeps the arrays of each layer: by place (`layers/...`) or by name."""

from __future__ import annotations

import bisect
import copy
import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from npforward.errors import BadFile, WeightMismatch
from npforward.formats import hdf5, object_graph, tensor_bundle
from npforward.graph import Stored

# The optimizer's state and that of compiled metrics are beside the weights, and are none.
BESIDE = ("optimizer", "compile_metrics", "metrics", "_metrics")


# Where Keras 2.12 to 2.14 keep the layers of a model, which are in `layers` since.
CONTAINER = "_layer_checkpoint_dependencies"


def are_by_place(names: Iterable[str]) -> bool:
    """Whether the groups at the top of an HDF5 file are such as a `ByPlace` has.

    Examples
    --------
    >>> are_by_place(["layers\\\\dense"]), are_by_place(["dense"])
    (True, False)
    """
    return any(re.split(r"[/\\]", name)[0] in ("layers", CONTAINER) for name in names)


def todays_places(groups: Iterable[str]) -> dict[str, str]:
    """Where each group of a file of Keras 2.12 to 2.15 would lie in today's.

    On Windows these joined the parts of a path by backslashes.  2.12 and 2.13 count a layer that
    has weights twice: `dense`, `dense_2`, `dense_4`.  Each layer has a group, if an empty one, so
    those of one class are numbered anew in their order.

    Examples
    --------
    >>> layers = "_layer_checkpoint_dependencies"
    >>> todays_places([f"{layers}/dense_2", f"{layers}/dense"])[f"{layers}/dense_2"]
    'layers/dense_1'
    """
    parts = {group: re.split(r"[/\\]", group) for group in groups}
    within: dict[tuple[str, ...], set[str]] = {}
    for path in parts.values():
        for i, part in enumerate(path[:-1]):
            if part == CONTAINER:
                within.setdefault(tuple(path[: i + 1]), set()).add(path[i + 1])
    today: dict[tuple[str, ...], str] = {}
    for container, names in within.items():
        counts: dict[str, int] = {}
        for name in sorted(names, key=natural):
            kind = re.sub(r"_\d+$", "", name)
            number = counts[kind] = counts.get(kind, -1) + 1
            today[(*container, name)] = f"{kind}_{number}" if number else kind

    def place(path: list[str]) -> str:
        renamed = (today.get(tuple(path[: i + 1]), part) for i, part in enumerate(path))
        return "/".join("layers" if part == CONTAINER else part for part in renamed)

    return {group: place(path) for group, path in parts.items()}


class Held(Protocol):
    """The arrays in a file, as they are given to the layers of an architecture."""

    where: str

    @property
    def backend(self) -> str:
        """What the Keras ran on that wrote it, as far as that can be told from the arrays."""

    @property
    def arrays(self) -> Mapping[str, Stored]:
        """All of them, by their paths in the file."""

    def __call__(self, place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
        """Those of one layer: see `keras_config.Weights`."""

    def check(self) -> None:
        """Raise an error if some have not found their layer."""


class ByPlace:
    """Keras 3: `layers/<snake_case class>[_k]/vars/<n>`; nested, `layers/functional/layers/...`.

    A layer owns what lies beneath its place, save what the layers inside it have taken before.
    """

    backend = ""  # what Keras ran on, which these files do not tell

    def __init__(
        self, found: Mapping[str, Stored], where: str, former: Mapping[str, str] | None = None
    ) -> None:
        self.where = where
        self.former = former or {}  # where what is in a place lies in the file, if elsewhere
        # A seed generator's state is of no use for inference, and no weight to Keras either.
        self.arrays = {p: a for p, a in found.items() if "seed_generator" not in p.split("/")}
        self.paths = sorted(self.arrays)
        self.taken: set[str] = set()

    @classmethod
    def of(cls, file: hdf5.File) -> ByPlace:
        """The weights in an HDF5 file."""
        found = file.arrays(skip=BESIDE)
        if all("\\" not in path and CONTAINER not in path for path in found):
            return cls(found, file.where)
        places = todays_places(file.groups())
        renamed: dict[str, Stored] = {}
        for path, array in found.items():
            group, vars_, name = path.rpartition("/vars/")
            place = places.get(group, group) + vars_ + name
            if place in renamed:
                raise BadFile(f"{file.where}: {path!r} and another array lie in the same place.")
            if place.split("/")[0] not in BESIDE:
                renamed[place] = dataclasses.replace(array, name=place)
        return cls(renamed, file.where, {place: group for group, place in places.items()})

    def __call__(self, place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
        if model:  # all that is in it belongs to its layers
            return ()
        start = bisect.bisect_left(self.paths, f"{place}/")
        beneath = itertools.takewhile(
            lambda path: path.startswith(f"{place}/"), itertools.islice(self.paths, start, None)
        )
        own = sorted((path for path in beneath if path not in self.taken), key=natural)
        self.taken.update(own)
        return tuple(self.arrays[path] for path in own)

    def check(self) -> None:
        """Every array must have found its layer: otherwise others may be misplaced too."""
        _check_all_taken(self.where, [path for path in self.paths if path not in self.taken])


class ByName:
    """Keras 1 to 3 in `.h5`: one list of arrays for each layer of the outermost model."""

    lora_apart = True  # the arrays of LoRA are beside the kernel that they change

    def __init__(self, file: hdf5.File, top: str = "") -> None:
        self.where = file.where
        self.lists: dict[str, tuple[Stored, ...]] = {}
        names = file.texts(top, "layer_names")
        if names is None:
            raise BadFile(f"{file.where}: {top or '/'!r} has no list layer_names of its layers.")
        if len(set(names)) != len(names):
            raise BadFile(f"{file.where}: layer_names lists a layer twice.")
        file.limits.check("layers", len(names), f"{file.where}: layer_names")
        for name in names:
            group = f"{top}/{name}".strip("/")
            weights = file.texts(group, "weight_names") or []
            self.lists[name] = tuple(file.stored(f"{group}/{weight}") for weight in weights)
        self.taken: set[str] = set()
        self.complete = True  # every layer that has arrays must be in the model

    @property
    def backend(self) -> str:
        """What the Keras 1 ran on that wrote this: TensorFlow's names end with `:0`, as it does."""
        if not self.arrays:
            return ""
        numbered = any(re.search(r":\d+$", name) for name in self.arrays)
        return "tensorflow" if numbered else "theano"

    @property
    def arrays(self) -> dict[str, Stored]:
        return {stored.name: stored for owned in self.lists.values() for stored in owned}

    def __call__(self, place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
        if len(names) != 1 or names[0] not in self.lists:
            return ()
        self.taken.add(names[0])
        return self.lists[names[0]]

    @property
    def groups(self) -> dict[str, tuple[Stored, ...]]:
        """The layers that have arrays, in the file's order."""
        return {name: owned for name, owned in self.lists.items() if owned}

    def renamed(self, names: Mapping[str, str]) -> ByName:
        """The same arrays for a model whose layers have other names: name there -> name here."""
        other = copy.copy(self)
        other.lists, other.taken = {name: self.lists[here] for name, here in names.items()}, set()
        return other

    def of_some(self) -> ByName:
        """The same arrays for a model that has only some of these layers."""
        other = copy.copy(self)
        other.complete, other.taken = False, set()
        return other

    def check(self) -> None:
        """Every layer that has arrays must be in the model, unless that was not asked for."""
        left = [name for name in self.groups if name not in self.taken]
        _check_all_taken(self.where, left if self.complete else [])


class ByObject:
    """TensorFlow: the objects of a checkpoint, `layer-3/forward_layer/cell/kernel`.

    A layer owns the variables beneath it, save those of the layers inside it.
    """

    backend = "tensorflow"

    def __init__(self, bundle: tensor_bundle.Bundle) -> None:
        self.bundle, self.where = bundle, bundle.where
        self.objects = object_graph.Objects.of(bundle)
        self.layers: set[int] = set()  # the objects that were asked for as layers or models
        self.taken: set[int] = set()  # the variables that were given

    @staticmethod
    def in_list(class_names: list[str]) -> list[str]:
        """Layers are numbered, whatever their class: from the last, which is -1.

        Up to TensorFlow 2.1 the first in a Sequential is an InputLayer that its config lacks.
        """
        return [str(number) for number in range(-len(class_names), 0)]

    @property
    def arrays(self) -> dict[str, Stored]:
        """All by the attributes that lead to them, where it is said, but for the optimizer's."""
        nodes, named = self.objects.nodes, {}
        if nodes:
            for path, number in self.objects.beneath(0):
                named[nodes[number].keys[object_graph.VALUE]] = path
        return {
            name: Stored(name, stored.shape, stored.dtype, stored.read)
            for key, stored in self.bundle.arrays().items()
            if not (nodes and object_graph.TRAINING.intersection(key.split("/")))
            for name in [named.get(key, key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"))]
        }

    def __call__(self, place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
        layer = self.objects.layer(place)
        if layer is None:
            return ()
        found = [] if model else list(self.objects.beneath(layer, self.layers))
        self.layers.add(layer)
        self.taken.update(number for _, number in found)
        name = "/".join(names)
        return tuple(self._stored(number, f"{name}/{path}") for path, number in found)

    def _stored(self, number: int, name: str) -> Stored:
        key = self.objects.nodes[number].keys[object_graph.VALUE]
        if key not in self.bundle.entries:
            raise BadFile(
                f"{self.where}: has no array {key!r} for {name!r}. The file is damaged: copy it "
                "again."
            )
        return self.bundle.stored(key, name)

    def check(self) -> None:
        """Every variable of the model must have found its layer."""
        model = self.objects.model
        if model is None:
            raise BadFile(
                f"{self.where}: its arrays ({some(self.arrays) or 'none'}) are not those of a "
                "Keras model alone: which of them are whose cannot be told. Save the weights with "
                "model.save_weights."
            )
        held = {
            number: f"{name}/{path}"
            for name, layer in self.objects.nodes[model].children.items()
            if name.startswith("layer-")
            for path, number in self.objects.beneath(layer)
        }
        left = [path for number, path in held.items() if number not in self.taken]
        _check_all_taken(self.where, left)


def _check_all_taken(where: str, left: list[str]) -> None:
    if left:
        raise WeightMismatch(
            f"{where}: the architecture has no layer for {some(left)}. The weights belong to "
            "another model, or another version of it: give the architecture that they were saved "
            "with."
        )


def natural(path: str) -> list[tuple[int, list[tuple[str, int]]]]:
    """A sort key that puts paths in the order in which Keras writes them.

    `vars` come first, `_private` last, and 10 after 9.

    Examples
    --------
    >>> sorted(["a/vars/10", "a/b/vars/0", "a/vars/9", "a/_c/vars/0"], key=natural)
    ['a/vars/9', 'a/vars/10', 'a/b/vars/0', 'a/_c/vars/0']
    """

    def rank(part: str) -> int:
        return 0 if part == "vars" else 2 if part.startswith("_") else 1

    def pieces(part: str) -> list[tuple[str, int]]:
        return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", part)]

    return [(rank(part), pieces(part)) for part in path.split("/")]


def some(names: Iterable[str], count: int = 4) -> str:
    """The first few names, for a message.

    Examples
    --------
    >>> some("abcdef")
    "'a', 'b', 'c', 'd' and 2 more"
    """
    names = list(names)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(map(repr, names[:count])) + more
