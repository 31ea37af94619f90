"""Weights that lie apart from their architecture: which array is whose, by order, name or mapping.

================  ==============================================================================
`.h5`             by order, as Keras does: layers that need arrays and layers in the file that
                  have some; with `by_name=True` those of the same name
`.weights.h5`     by their place in the file
plain arrays      by names that are the addresses of the model's weights (`conv1/kernel`,
                  `conv1.kernel`, `conv1/kernel:0`), or as `np.savez(file, *model.get_weights())`
all of them       by a `mapping` from addresses to names in the file
================  ==============================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npforward import addresses, formats
from npforward.errors import BadFile, BadInput, NpforwardError, UnknownName, WeightMismatch, nearest
from npforward.formats.keras_config import no_weights
from npforward.formats.keras_weights import ByName, Held
from npforward.formats.loose import Loose
from npforward.graph import Graph, Layer, Stored, leaves
from npforward.limits import Limits
from npforward.run import Failed, Recording, compute_dtype
from npforward.weights import Bound, Wanted, absent, bind, counts, listed, placed, wanted

Functions = Mapping[str, Callable[..., Any]]
# An array's name in the file; or (name, order of its axes); or (name or names, function).
Source = str | tuple[Any, Any]
Mapped = Mapping[str, Source] | Callable[[str], Source | None]

SHOWN = 8  # of each side in a message
OPEN = 256  # an axis of any length: no layer can have weights that depend on it


def read(
    path: str | Path,
    weights: str | Path | Sequence[str | Path],
    limits: Limits,
    *,
    by_name: bool = False,
    mapping: Mapped | None = None,
    given: Functions | None = None,
    backend: str = "",
) -> Graph:
    """The model whose architecture is at `path`, with the arrays at `weights`.

    Examples
    --------
    >>> graph = read("weights_fixtures/files/sequential.json",
    ...              "weights_fixtures/files/sequential.h5", Limits())
    >>> [len(layer.stored) for layer in graph.layers]
    [0, 2, 0, 2]
    """
    build, held = formats.apart(path, weights, limits, backend=backend)
    if mapping is not None:
        architecture = build(no_weights)
        needed, _ = wanted(architecture, given)
        found = _by_mapping(needed, held, mapping, by_name)
        graph = placed(architecture, found, given)
    elif isinstance(held, Loose):
        architecture = build(no_weights)
        found = _plain(architecture, held, by_name, given, limits)
        graph = placed(architecture, found, given)
    elif isinstance(held, ByName):
        paired = held.of_some() if by_name else _by_order(build(no_weights), held, given)
        graph = build(paired)
        paired.check()
    else:
        if by_name:
            raise BadInput(
                f"{held.where}: by_name=True is for files that keep arrays by the names of layers "
                "(a .h5 of Keras 1, 2 or 3) or of weights. This one keeps them by place, as Keras "
                "3 does, which needs no names: leave by_name away."
            )
        graph = build(held)
        held.check()
    _check_fit(graph, given, limits, by_name)
    return graph


def _check_fit(graph: Graph, given: Functions | None, limits: Limits, by_name: bool) -> None:
    """The arrays of each layer must be as many, and of the shapes, that it needs."""
    bounds = bind(graph, given)
    errors = [bound.error for part, bound in bounds.items() if part.stored]
    if not by_name:  # otherwise layers without arrays are in the way
        values = _recorded(graph, bounds, given, limits).values.values()
        errors += [value.error for value in values if isinstance(value, Failed)]
    for error in errors:
        if isinstance(error, WeightMismatch):
            raise WeightMismatch(f"{graph.source}: {error}")


def _recorded(
    graph: Graph,
    bounds: Mapping[Layer | Graph, Bound],
    given: Functions | None,
    limits: Limits,
    absent: bool = False,
) -> Recording:
    """The model on inputs of the sizes that it says, and of some where it leaves them open."""
    layers = {node.address: node.layer for node in graph.nodes}
    inputs = []
    for at in leaves(graph.inputs):
        config = layers[at].config
        if config.get("batch_shape") is None:
            return Recording(graph, bounds)  # of a Sequential that was never called: nothing to see
        sizes = enumerate(config["batch_shape"])
        shape = tuple((OPEN if i else 2) if n is None else n for i, n in sizes)
        inputs.append((shape, np.dtype(compute_dtype(config, None))))
    return Recording.of(graph, bounds, inputs, None, given, None, limits, absent)


def _by_order(graph: Graph, held: ByName, given: Functions | None) -> ByName:
    """The arrays of each layer in the file for the layer of the model that has its turn."""
    groups, needs = held.groups, counts(graph, given)
    # What is not known to need arrays has them if the file has some by its name.
    having = [name for name, n in needs.items() if n or (n is None and name in groups)]
    same = [name for name in needs if name in groups]
    if same == list(groups) and groups.keys() >= set(having):
        return held
    if len(having) != len(groups):
        here = [
            f"{name!r} ({', '.join(str(array.shape) for array in arrays)})"
            for name, arrays in groups.items()
        ]
        there = [f"{name!r} ({needs[name] or 'any number of'} arrays)" for name in having]
        raise WeightMismatch(
            f"{held.where}: {len(groups)} layers in it have arrays, but {len(having)} layers of "
            f"the model need some.\n  in the file:  {_some(here)}\n  in the model: {_some(there)}\n"
            "Layers are paired in this order whatever they are called, as Keras does; by_name=True "
            "pairs those that are called the same."
        )
    return held.renamed(dict(zip(having, groups, strict=True)))


def _plain(
    graph: Graph, held: Loose, by_name: bool, given: Functions | None, limits: Limits
) -> dict[tuple[Layer, int], Stored]:
    """Plain arrays by the names of the model's weights, or in the order of `get_weights()`."""
    needed, others = wanted(graph, given)
    names = {spelled(name): name for name in held.arrays}
    prefix = f"{spelled(graph.name)}/"  # Keras puts a Sequential's name before its weights'
    if all(name.startswith(prefix) for name in names):
        names = {name.removeprefix(prefix): whole for name, whole in names.items()}
    sources = {w.address: names[at] for w in needed if (at := spelled(w.address)) in names}
    unnamed = {f"arr_{i}" for i in range(len(held.arrays))}  # as np.savez calls them
    if not sources and held.arrays.keys() == unnamed:
        try:
            places = listed(graph, given)
        except BadFile as unknown:
            raise BadFile(f"{held.where}: {unknown}.") from None
        if len(places) == len(held.arrays):
            return _in_a_list(places, needed, held)
    found = {
        (w.layer, w.number): _called(held.arrays[sources[w.address]], w.address)
        for w in needed
        if w.address in sources
    }
    for w in others:  # what is in a layer that npforward does not know has its name before it
        beneath = [name for at, name in names.items() if at.startswith(f"{spelled(w.address)}/")]
        sources |= {name: name for name in beneath}
        found |= {(w.layer, i): held.arrays[name] for i, name in enumerate(beneath)}
    left = held.arrays.keys() - sources.values()
    missing = [w for w in needed if w.address not in sources]
    if not by_name and (left or missing):
        shapes = _needed_shapes(graph, given, limits)
        there = [f"{w.address} {shapes.get((w.layer, w.number), '')}".rstrip() for w in missing]
        raise _no_names(held, len(needed), sources, there)
    return found


def spelled(name: str) -> str:
    """What the usual spellings of a weight's address have in common.

    Examples
    --------
    >>> [spelled(name) for name in ("conv1/kernel", "conv1/kernel:0", "conv1.kernel")]
    ['conv1/kernel', 'conv1/kernel', 'conv1/kernel']
    """
    return re.sub(":0$", "", addresses.unescape(name)).replace(".", "/")


def _needed_shapes(
    graph: Graph, given: Functions | None, limits: Limits
) -> dict[tuple[Layer, int], tuple[int, ...]]:
    """The shapes that the arrays of an architecture must have, as far as it can be recorded."""
    recording = _recorded(graph, absent(graph, given), given, limits, absent=True)
    return {place: var.shape for var, place in recording.weights.items()}


def _in_a_list(
    places: Sequence[tuple[Layer, int]], needed: Sequence[Wanted], held: Loose
) -> dict[tuple[Layer, int], Stored]:
    """`arr_0`, `arr_1`, ...: the list that `model.get_weights()` gave."""
    arrays = [held.arrays[f"arr_{i}"] for i in range(len(places))]
    found = dict(zip(places, arrays, strict=True))
    for layer, layout in {layer: layer.layout for layer, _ in places}.items():
        if layout is not None:
            numbers = [number for owner, number in places if owner is layer]
            kept = [found.pop((layer, number)) for number in sorted(numbers)]
            found |= {(layer, i): array for i, array in enumerate(layout.today(kept))}
    called = {(w.layer, w.number): w.address for w in needed}
    return {place: _called(array, called[place]) for place, array in found.items()}


def _by_mapping(
    needed: Sequence[Wanted], held: Held, mapping: Mapped, by_name: bool
) -> dict[tuple[Layer, int], Stored]:
    """The arrays that the caller gives to addresses."""
    known = {w.address: w for w in needed}
    if isinstance(mapping, Mapping):
        for address in mapping:
            if address not in known:
                raise UnknownName(
                    f"mapping: the model has no weight {address!r}. {nearest(str(address), known)}"
                )
        source_of: Callable[[str], Any] = mapping.get
    elif callable(mapping):
        source_of = mapping
    else:
        raise BadInput(
            f"mapping is {type(mapping).__name__}, expected a dict from addresses of weights to "
            "names in the file, or a function from the one to the other."
        )
    found, missing = {}, []
    for address, w in known.items():
        source = source_of(address)
        if source is None:
            missing.append(address)
        else:
            found[w.layer, w.number] = _source(source, address, held)
    if missing and not by_name:
        raise UnknownName(
            f"mapping: nothing is given for {_some(map(repr, missing))} of the model. Give names "
            f"of arrays in {held.where}, or by_name=True to leave these weights out."
        )
    return found


def _source(source: Source, address: str, held: Held) -> Stored:
    """What one value of a mapping stands for."""
    names, change = (source, None) if isinstance(source, str) else _pair(source, address)
    several = (names,) if isinstance(names, str) else tuple(names)
    for name in several:
        if name not in held.arrays:
            raise UnknownName(
                f"mapping: {address!r} is given {name!r}, which {held.where} does not have. "
                f"{nearest(str(name), held.arrays)}"
            )
    arrays = [held.arrays[name] for name in several]
    if callable(change):
        values = np.array(change(*(array.read() for array in arrays)))
        values.flags.writeable = False
        made = Stored(", ".join(several), values.shape, values.dtype, lambda: values)
        return _called(made, address)
    (array,) = arrays
    if change is None:
        return _called(array, address)
    if sorted(change) != list(range(len(array.shape))):
        raise BadInput(
            f"mapping: {address!r} is given the axes {tuple(change)} of {names!r}, whose shape is "
            f"{array.shape}; expected each of its {len(array.shape)} axes once."
        )
    shape = tuple(array.shape[axis] for axis in change)
    turned = Stored(array.name, shape, array.dtype, lambda: array.read().transpose(change))
    return _called(turned, address)


def _pair(source: Any, address: str) -> tuple[Any, Any]:
    """`(name, axes)`, `(name, function)` or `(names, function)`."""
    if isinstance(source, (tuple, list)) and len(source) == 2:
        names, change = source
        one = isinstance(names, str)
        several = isinstance(names, (tuple, list)) and all(isinstance(n, str) for n in names)
        axes = isinstance(change, (tuple, list)) and all(isinstance(n, int) for n in change)
        if (one and (axes or callable(change))) or (several and callable(change)):
            return names, change
    raise BadInput(
        f"mapping: {address!r} is given {source!r}, expected a name in the file, (name, axes) such "
        "as ('conv1.weight', (2, 3, 1, 0)), or (name or names, function)."
    )


def _called(array: Stored, address: str) -> Stored:
    """The same array under its address, by which its layer knows it, and its name for messages."""
    return Stored(f"{array.name} as {address}", array.shape, array.dtype, array.read)


def _no_names(
    held: Held, needed: int, sources: Mapping[str, str], there: Sequence[str]
) -> NpforwardError:
    """The error for plain arrays that do not say whose they are."""
    used = set(sources.values())
    here = [f"{name} {a.shape}" for name, a in held.arrays.items() if name not in used]
    address = there[0].partition(" ")[0] if there else "layer/kernel"
    name = here[0].partition(" ")[0] if here else "name"
    return WeightMismatch(
        f"{held.where}: its arrays are not those of the model by their names: of {needed} weights "
        f"of the model {len(sources)} are found among {len(held.arrays)} arrays. Left over are\n"
        f"  in the file:  {_some(here)}\n  in the model: {_some(there)}\n"
        f"Say whose they are: load_model(..., mapping={{{address!r}: {name!r}, ...}}); where the "
        "file has the axes in another order, ('name', (2, 3, 1, 0)). by_name=True takes what fits."
    )


def _some(items: Iterable[str]) -> str:
    items = list(items)
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return (", ".join(items[:SHOWN]) or "none") + more
