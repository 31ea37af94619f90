"""Bind what a file stores to what layers need: names, shapes, dtypes, order."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npforward import addresses
from npforward.dtypes import floating
from npforward.errors import BadFile, NpforwardError, WeightMismatch
from npforward.graph import Graph, Layer, Stored
from npforward.layers import LayerDef, Weight, definition
from npforward.layers.custom import Given
from npforward.layers.registry import quantization

Known = Mapping[Layer, LayerDef | None]


@dataclass(frozen=True, eq=False)
class Bound:
    """One layer's meaning and arrays: declared weight and stored array, in file order."""

    definition: LayerDef | None = None  # what the layer computes, if that is known
    pairs: tuple[tuple[Weight, Stored], ...] = ()
    unnamed: tuple[Stored, ...] = ()  # arrays whose meaning is not known
    error: NpforwardError | None = None  # why they could not be bound


@dataclass(frozen=True)
class Parameter:
    """One array of a model."""

    address: str  # "encoder/conv1/kernel"
    stored: Stored
    layer: Layer | Graph
    trainable: bool  # by training now
    learned: bool  # by training at all, frozen or not
    path: str  # what Keras calls it: "lstm/lstm_cell/kernel"


def bind(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None = None
) -> dict[Layer | Graph, Bound]:
    """The meaning and the arrays of every layer, at any depth.

    `given` holds functions of the caller's for layers, by name or class.  A file may keep one flat
    list for a nested model; it is shared out here, in Keras's order: all trainable weights, layer
    by layer, then all others.
    """
    known = _known(root, given)
    bounds: dict[Layer | Graph, Bound] = {}
    for part in parts(root):
        if part in bounds:
            continue
        if part.stored and (isinstance(part, Graph) or part.children) and _one_list(part):
            _of_one_kind(part, known, given or {})
            _share_out(part, bounds, known)
        elif isinstance(part, Layer) and _repeats(part, known):
            bounds[part] = Bound(known[part])
        elif isinstance(part, Layer):
            bounds[part] = _in_order(part, known)
    return bounds


def _known(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None
) -> dict[Layer, LayerDef | None]:
    """What each layer computes, as far as that is known."""
    return {
        part: definition(part, given or {}, part.stored)
        for part in parts(root)
        if isinstance(part, Layer)
    }


def _repeats(layer: Layer, known: Known) -> bool:
    """Whether a layer without arrays of its own keeps those of layers inside it a second time.

    tf.keras does so in .h5 for a layer that is in the model and in a wrapper, too.
    """
    kept = [stored for part in parts(layer) if part is not layer for stored in part.stored]
    found = [(stored.shape, stored.dtype) for stored in layer.stored]
    return (
        bool(found) and not _declared(layer, known) and found == [(s.shape, s.dtype) for s in kept]
    )


def _declared(layer: Layer, known: Known) -> tuple[Weight, ...] | None:
    """The weights that a layer has by its class and config; None if the class is not known."""
    meaning = known[layer]
    if layer.type == "InputLayer":
        return ()
    return None if meaning is None else meaning.declared(layer.config)


def parts(root: Graph | Layer) -> Iterator[Graph | Layer]:
    """A model or layer and everything beneath it, each once, outermost first."""
    seen: set[Graph | Layer] = set()
    stack: list[Graph | Layer] = [root]
    while stack:
        part = stack.pop()
        if part not in seen:
            seen.add(part)
            yield part
            stack.extend(reversed(children(part)))


def children(part: Graph | Layer) -> tuple[Graph | Layer, ...]:
    """What lies directly beneath a model or layer."""
    return part.layers if isinstance(part, Graph) else tuple(part.children.values())


def _one_list(part: Graph | Layer) -> bool:
    """Whether all arrays beneath `part` are kept by itself."""
    return not any(below.stored for below in parts(part) if below is not part)


def _in_order(layer: Layer, known: Known) -> Bound:
    needed, stored = _declared(layer, known), layer.stored
    if needed is None:
        return Bound(unnamed=stored)
    if layer.layout is not None:
        kept = needed if layer.layout.trainable is None else layer.layout.trainable
        if len(stored) != len(kept):
            error = WeightMismatch(
                f"layer {layer.name!r} ({layer.type}) was kept in {len(kept)} "
                f"arrays by the Keras that wrote the file, but it stores {len(stored)}{_DAMAGED}"
            )
            return Bound(known[layer], unnamed=stored, error=error)
        try:
            stored = layer.layout.today(stored)
        except WeightMismatch as raised:
            return Bound(known[layer], unnamed=stored, error=_of(layer, raised))
    if len(needed) != len(stored):
        mode = quantization(layer.config).get("mode")
        forgotten = mode in ("gptq", "awq") and len(stored) == len(needed) - 1
        why = _FORGOTTEN if forgotten else _advice(layer, needed[0]) if needed else ""
        names = ", ".join(w.name for w in needed) or "none"
        found = ", ".join(f"{s.name} {s.shape}" for s in stored)
        said = f"stores {len(stored)} ({found}){why or _DAMAGED}" if stored else _NONE
        error = WeightMismatch(
            f"layer {layer.name!r} ({layer.type}) needs {len(needed)} arrays ({names}) but the "
            f"file {said}"
        )
        return Bound(known[layer], unnamed=stored, error=error)
    ordered = _by_place(needed, stored) or _by_name(needed, stored)
    if ordered is None:
        needed, ordered = _as_listed(layer, needed), tuple(stored)
    return Bound(known[layer], pairs=tuple(zip(needed, ordered, strict=True)))


def _of_one_kind(part: Graph | Layer, known: dict, given: Mapping[str, Any]) -> None:
    """Where the caller's functions stand for one layer, it has what the others leave.

    That is certain only if all arrays are trainable or none is: the list has those first.
    """
    below = [below for below in parts(part) if isinstance(below, Layer)]
    own = [layer for layer in below if isinstance(known[layer], Given)]
    if len(own) != 1 or any(_declared(layer, known) is None for layer in below):
        return
    others = [w for layer in below for w in (_declared(layer, known) or ()) if not w.of_child]
    if all(w.trainable for w in others):
        count = max(len(part.stored) - len(others), 0)
        known[own[0]] = definition(own[0], given, part.stored[:count])


def _by_place(needed: Sequence[Weight], stored: Sequence[Stored]) -> tuple[Stored, ...] | None:
    """The arrays in the order of `needed` where the file names sub-layers: `query_dense/vars/0`."""
    found: dict[tuple[str, int], Stored] = {}
    for held in stored:
        place, vars_, number = ("", "", *held.name.split("/"))[-3:]
        if vars_ == "vars" and number.isdecimal():
            found[place.lstrip("_"), int(number)] = held
    paths = {w.path for w in needed if w.path}
    counts: dict[str, int] = {}
    ordered = []
    for weight in needed:
        n = counts.get(weight.path, 0)
        counts[weight.path] = n + 1
        array = found.get((weight.path, n))
        if not weight.path:
            array = next((a for (p, k), a in found.items() if p not in paths and k == n), None)
        if array is None:
            return None
        ordered.append(array)
    return tuple(ordered)


def _by_name(needed: Sequence[Weight], stored: Sequence[Stored]) -> tuple[Stored, ...] | None:
    """The arrays in the order of `needed` where the file calls them so: `dense/kernel_scale`."""
    found = {held.name.rpartition("/")[2]: held for held in stored}
    if len(found) < len(stored) or set(found) != {w.name for w in needed}:
        return None
    return tuple(found[w.name] for w in needed)


def _as_listed(layer: Layer, weights: Iterable[Weight]) -> tuple[Weight, ...]:
    """Weights in the order of Keras's lists: those of a layer that are trained, then the others.

    A layer that is not trained lists each of its sub-layers by itself.
    """
    weights = list(weights)
    trained = layer.config.get("trainable", True)
    places = [] if trained else list(dict.fromkeys(w.path for w in weights))
    if not any(w.part for w in weights):
        return tuple(weights)
    return tuple(
        sorted(weights, key=lambda w: (places.index(w.path) if places else 0, not w.trainable))
    )


def _share_out(part: Graph | Layer, bounds: dict[Layer | Graph, Bound], known: Known) -> None:
    same: dict[Layer, Layer] = {}
    try:
        trainable, other = _slots(part, set(), same, known)
        if len(trainable) + len(other) != len(part.stored):
            # The file does not say that a layer met twice beneath here is one layer.
            same = _alike(part)
            trainable, other = _slots(part, set(), same, known)
    except BadFile as unknown:
        bounds[part] = Bound(unnamed=part.stored, error=unknown)
        for below in parts(part):
            if below is not part and isinstance(below, Layer) and _declared(below, known) != ():
                bounds.setdefault(below, Bound(known[below], error=unknown))
        return
    slots = trainable + other
    if len(slots) != len(part.stored):
        error = WeightMismatch(
            f"{part.name!r} ({part.type}) needs {len(slots)} arrays in all but the file stores "
            f"{len(part.stored)}. The file may be damaged, or belong to another model"
        )
        bounds[part] = Bound(unnamed=part.stored, error=error)
        slots = []
    found = dict(zip(slots, part.stored, strict=False))
    for below in parts(part):
        if isinstance(below, Layer) and below not in bounds:
            needed, one = _declared(below, known) or (), same.get(below, below)
            pairs = tuple((w, found[one, i]) for i, w in enumerate(needed) if (one, i) in found)
            failed = bounds[part].error if needed and not found else None
            if below.layout is not None and found:
                kept = [found[one, i] for i in range(len(below.layout.trainable or needed))]
                try:
                    pairs = tuple(zip(needed, below.layout.today(kept), strict=True))
                except WeightMismatch as raised:
                    pairs, failed = (), _of(below, raised)
            bounds[below] = Bound(known[below], pairs, error=failed)


def _of(layer: Layer, error: WeightMismatch) -> WeightMismatch:
    """An error of a layout, which does not know whose arrays it has."""
    return WeightMismatch(f"layer {layer.name!r} ({layer.type}): {error}{_DAMAGED}")


def _alike(root: Graph | Layer) -> dict[Layer, Layer]:
    """For each layer the first that has the same words said of it."""
    first: dict[str, Layer] = {}
    found = {}
    for part in parts(root):
        if isinstance(part, Layer):
            words = repr((part.name, part.type, sorted(part.config.items(), key=str)))
            found[part] = first.setdefault(words, part)
    return found


def _slots(part: Any, seen: set, same: Mapping[Layer, Layer], known: Known) -> tuple[list, list]:
    """Places (layer, number of its weight) in the order of Keras: trainable ones, others."""
    part = same.get(part, part)
    if part in seen:
        return [], []
    seen.add(part)
    trainable: list[tuple[Layer, int]] = []
    other: list[tuple[Layer, int]] = []
    if isinstance(part, Layer):
        needed = _declared(part, known)
        if needed is None:
            raise BadFile(
                f"the file keeps one list of arrays for a model with the layer {part.name!r} of "
                f"the unknown type {part.type!r}: which arrays are whose cannot be told"
            )
        if part.layout is not None and part.layout.trainable is not None:
            own = list(enumerate(part.layout.trainable))
        else:
            numbers = {w: i for i, w in enumerate(needed)}
            # What a child keeps is kept once.
            listed = (w for w in _as_listed(part, needed) if not w.of_child)
            own = [(numbers[w], w.trainable) for w in listed]
        for i, trained in own:
            (trainable if trained else other).append((part, i))
        if not part.config.get("trainable", True):
            trainable, other = [], [(part, i) for i, _ in own]
    for below in children(part):
        more, others = _slots(below, seen, same, known)
        trainable += more
        other += others
    if not part.config.get("trainable", True):
        return [], trainable + other
    return trainable, other


def _said_by_keras(kind: str, attribute: str) -> str:
    """What Keras calls a layer that a layer of this type makes for itself.

    Examples
    --------
    >>> _said_by_keras("LSTM", "cell"), _said_by_keras("MultiHeadAttention", "output_dense")
    ('lstm_cell', 'attention_output')
    """
    if attribute == "cell":
        kind = kind.rstrip("123D")
        return {"SimpleRNN": "simple_rnn", "ConvLSTM": "conv_lstm"}.get(
            kind, kind.lower()
        ) + "_cell"
    return {"output_dense": "attention_output"}.get(attribute, attribute.removesuffix("_dense"))


def parameters(root: Graph, bounds: Mapping[Layer | Graph, Bound]) -> list[Parameter]:
    """Every array of a model, each once, under its address, in the order of the layers."""
    found: list[Parameter] = []
    seen: set[Layer | Graph] = set()
    taken: set[str] = set()

    def add(
        at: str, path: str, names: Sequence[str], stored: Stored, owner: Any, now: bool, ever: bool
    ) -> None:
        address, n = addresses.join(at, *names), 1
        while address in taken:
            n += 1
            address = addresses.join(at, *names) + f"@{n}"
        taken.add(address)
        said = [*(_said_by_keras(owner.type, name) for name in names[:-1]), names[-1]]
        path = addresses.join(path, *map(addresses.unescape, said))
        found.append(Parameter(address, stored, owner, now and ever, ever, path))

    def visit(part: Layer | Graph, at: str, path: str, trainable: bool) -> None:
        if part in seen:
            return
        seen.add(part)
        trainable = trainable and part.config.get("trainable", True)
        bound = bounds.get(part, Bound())
        for weight, stored in bound.pairs:
            if weight.of_child:
                continue
            names = [*([weight.path] if weight.path else []), weight.name]
            add(at, path, names, stored, part, trainable, weight.trainable)
        for stored in bound.unnamed:
            add(at, path, [addresses.escape(stored.name)], stored, part, trainable, True)
        if isinstance(part, Graph):
            for node in part.nodes:
                below = addresses.join(path, node.layer.name)
                visit(node.layer, addresses.join(at, node.address), below, trainable)
        else:
            for name, child in part.children.items():
                below = addresses.join(path, child.name)
                visit(child, addresses.join(at, name), below, trainable)

    visit(root, "", "", True)
    return found


class Wanted(NamedTuple):
    """An array that a layer needs: the address that it has in the model, and whose it is."""

    address: str
    layer: Layer
    number: int  # among those that the layer declares


def absent(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None = None
) -> dict[Layer | Graph, Bound]:
    """The meaning of every layer of an architecture, and arrays that only have a name.

    A layer whose arrays are not known has one without even that.
    """

    def unread(name: str) -> Stored:
        return Stored(name, (), np.dtype("float32"), lambda: np.zeros((), "float32"))

    known = _known(root, given)
    bounds: dict[Layer | Graph, Bound] = {}
    for layer, meaning in known.items():
        needed = _declared(layer, known)
        if needed is None or isinstance(meaning, Given):
            bounds[layer] = Bound(meaning, unnamed=(unread(""),))
        else:
            bounds[layer] = Bound(meaning, tuple((w, unread(w.name)) for w in needed))
    return bounds


def wanted(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None = None
) -> tuple[list[Wanted], list[Wanted]]:
    """Every array that an architecture needs; and layers that may have any, by their address."""
    bounds = absent(root, given)
    numbers = {stored: i for b in bounds.values() for i, (_, stored) in enumerate(b.pairs)}
    found: tuple[list[Wanted], list[Wanted]] = [], []
    for p in parameters(root, bounds):
        if isinstance(p.layer, Layer):
            found[p.stored not in numbers].append(
                Wanted(p.address, p.layer, numbers.get(p.stored, 0))
            )
    return found


def counts(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None = None
) -> dict[str, int | None]:
    """How many arrays each layer of an architecture needs with all that is in it; None: unknown."""
    known = _known(root, given)
    found: dict[str, int | None] = {}
    for part in root.layers:
        below = [layer for layer in parts(part) if isinstance(layer, Layer)]
        told = not any(_declared(b, known) is None or isinstance(known[b], Given) for b in below)
        found[part.name] = sum(map(len, _slots(part, set(), {}, known))) if told else None
    return found


def listed(
    root: Graph, given: Mapping[str, Callable[..., Any]] | None = None
) -> list[tuple[Layer, int]]:
    """Whose arrays `model.get_weights()` gives: layers, and numbers of their arrays, in order.

    Keras 3 takes what a layer holds itself before what is inside it.  tf.keras 2 goes through
    models likewise, but of any other layer has the trainable arrays first; Keras 1 and 2 had those
    first of all that is in a layer of the outermost model, as `.h5` files still have.
    """
    known = _known(root, given)
    _slots(root, set(), {}, known)  # an error, if a layer is not known
    version = str(root.config.get("keras_version", ""))
    major, minor = (int(n) for n in [*re.findall(r"\d+", version), "3", "0"][:2])
    seen: set[Graph | Layer] = set()

    def in_keras_3(part: Graph | Layer) -> Iterator[tuple[Layer, int]]:
        if isinstance(part, Layer):
            needed = _declared(part, known) or ()
            paths = list(dict.fromkeys(weight.path for weight in needed))
            ranks = [(paths.index(weight.path), not weight.trainable) for weight in needed]
            for number in sorted(range(len(needed)), key=ranks.__getitem__):
                yield holder(part, number, needed)
        for below in children(part):
            yield from in_keras_3(below)

    def in_tf_keras(part: Graph | Layer) -> Iterator[tuple[Layer, int]]:
        if isinstance(part, Graph):
            for below in children(part):
                yield from in_tf_keras(below)
        else:
            yield from itertools.chain(*_slots(part, seen, {}, known))

    if major > 2:
        found = list(in_keras_3(root))
    elif version.endswith("-tf") or (major, minor) >= (2, 4):
        found = list(in_tf_keras(root))
    else:
        found = [slot for p in root.layers for slot in itertools.chain(*_slots(p, seen, {}, known))]
    return list(dict.fromkeys(found))  # what two layers share is listed once


def holder(layer: Layer, number: int, needed: Sequence[Weight]) -> tuple[Layer, int]:
    """The layer that holds an array itself: a wrapper may have that of what it wraps."""
    inside = [child for child in layer.children.values() if isinstance(child, Layer)]
    return (inside[0], 0) if needed[number].of_child and inside else (layer, number)


def placed(
    root: Graph,
    arrays: Mapping[tuple[Layer, int], Stored],
    given: Mapping[str, Callable[..., Any]] | None = None,
) -> Graph:
    """An architecture with arrays: those that a layer has been given, in the order it declares."""
    known = _known(root, given)
    done: dict[Graph | Layer, Graph | Layer] = {}

    def own(layer: Layer) -> Iterator[Stored]:
        needed = _declared(layer, known)
        if not needed:  # any number
            numbers = itertools.takewhile(lambda i: (layer, i) in arrays, itertools.count())
            return (arrays[layer, number] for number in numbers)
        places = (holder(layer, number, needed) for number in range(len(needed)))
        return (arrays[place] for place in places if place in arrays)

    def visit(part: Any) -> Any:
        if part not in done and isinstance(part, Graph):
            nodes = tuple(dataclasses.replace(n, layer=visit(n.layer)) for n in part.nodes)
            done[part] = dataclasses.replace(part, nodes=nodes)
        elif part not in done:
            inside = {name: visit(child) for name, child in part.children.items()}
            done[part] = dataclasses.replace(
                part, stored=tuple(own(part)), children=inside, layout=None
            )
        return done[part]

    return visit(root)


_FORGOTTEN = (
    ". Keras 3.15.1 forgets kernel_zero when it writes a model quantised by GPTQ or AWQ as .keras: "
    "without it the kernel is lost. Save the model as .h5"
)
_NONE = (
    "has none for it. It belongs to another model, or was saved before the model was built (one "
    "without an input shape has no weights until it is called), or with by_name=True has no layer "
    "of this name"
)
_TURNED = (
    ". Its axes stand in another order, as other libraries have them: where weights are given "
    "apart, mapping={address: (name, axes)} turns them"
)
_DAMAGED = ". The file may be damaged, or belong to another model"


def _advice(layer: Layer, weight: Weight) -> str:
    """What to do about an array that is not packed as the config says."""
    said = quantization(layer.config, weight.path)
    if not said:
        return ""
    four = said["mode"] == "int4" or (said["mode"] in ("gptq", "awq") and said.get("bits", 4) == 4)
    packing = ", two numbers of 4 bits in each byte" if four else ""
    return (
        f". The layer is quantised by mode {said['mode']!r}{packing}, and its arrays are packed "
        "in another way: they belong to another model, or to another version of Keras. Load the "
        "model that was not quantised in Keras 3.15, call model.quantize there and save it again"
    )


def needed_shape(layer: Layer, weight: Weight, input_shape: Any) -> tuple[int, ...] | None:
    """The shape that an array of a layer must have; None is whatever the file has."""
    if weight.shape is None:
        return None
    try:
        return tuple(weight.shape(layer.config, input_shape))
    except KeyError as missing:
        raise BadFile(f"its config lacks {missing}") from None


def check(layer: Layer, weight: Weight, stored: Stored, input_shape: Any) -> None:
    """Raise `WeightMismatch` unless a stored array is of the shape and kind that a layer needs."""
    expected = needed_shape(layer, weight, input_shape)
    if expected is None:
        return
    if expected != stored.shape:
        turned = _TURNED if sorted(expected) == sorted(stored.shape) else _DAMAGED
        raise WeightMismatch(
            f"weight {weight.name!r} should be of shape {expected} for an input of shape "
            f"{input_shape}, but the file stores {stored.shape} ({stored.name})"
            f"{_advice(layer, weight) or turned}"
        )
    fits = floating(stored.dtype) if weight.kind == "float" else stored.dtype == weight.kind
    if not fits:
        kind = "a floating type" if weight.kind == "float" else f"type {weight.kind}"
        raise WeightMismatch(
            f"weight {weight.name!r} should be of {kind}, but the file stores "
            f"{stored.dtype} ({stored.name}){_advice(layer, weight)}"
        )
