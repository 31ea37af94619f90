"""Layers whose code a file does not hold: functions that the caller gives in their place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from npforward import ops
from npforward.errors import UnsupportedLayer, UnsupportedOption, WeightMismatch
from npforward.graph import Layer, Stored
from npforward.layers.activations import ACTIVATIONS
from npforward.layers.operations import FUNCTIONS
from npforward.layers.registry import HOW, LAYERS, LayerDef, Weight, drop, layer

# Inputs may be passed to these by place; what is behind is variables, or keyword-only the config.
PLACES = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD


class Given(LayerDef):
    """A function of the caller's: of the config it gets the keys that it names."""

    def chosen(self, config: Mapping[str, Any], children: Collection[str] = ()) -> dict[str, Any]:
        found = {key: config[key] for key in self.options if key in config and key not in children}
        for key, default in self.options.items():
            if default is inspect.Parameter.empty and key not in found and key not in children:
                raise UnsupportedOption(
                    f"the function given for it wants the option {key}, which its config lacks. "
                    f"It has {', '.join(config) or 'none'}"
                )
        return found


def definition(
    layer: Layer, given: Mapping[str, Callable[..., Any]], stored: Sequence[Stored]
) -> LayerDef | None:
    """What a layer computes: the caller's function for its name or class, or else Keras's own.

    Parameters
    ----------
    layer
        A layer of a file.
    given
        The caller's functions, by name.
    stored
        The layer's arrays, for which the caller's function has as many parameters.

    Examples
    --------
    >>> definition(Layer("d", "Dense"), {}, ()) is LAYERS["Dense"]
    True
    >>> definition(Layer("d", "pkg>Double"), {"Double": lambda x: 2 * x}, ()).arguments
    ('x',)
    """
    for key in (layer.name, layer.type):
        function = given_for(key, given)
        if function is not None:
            return _defined(function, layer, stored)
    return LAYERS.get(layer.type)


def given_for(name: str, given: Mapping[str, Callable[..., Any]]) -> Callable[..., Any] | None:
    """The caller's function for a name in a file, with its package before it or without.

    Examples
    --------
    >>> given_for("pkg>Double", {"Double": abs})
    <built-in function abs>
    """
    return given.get(name, given.get(name.rpartition(">")[2]))


def _defined(function: Callable[..., Any], layer: Layer, stored: Sequence[Stored]) -> LayerDef:
    """The function's parameters: inputs, then variables in file order, then keyword-only config."""
    said = layer.config.get("arguments") if layer.type == "Lambda" else None
    if isinstance(said, Mapping):
        function = functools.partial(function, **said)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some of numpy's own do not tell
        parameters = [inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_ONLY)]
    placed = tuple(p.name for p in parameters if p.kind in PLACES)
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    count = len(stored)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        placed += tuple(f"variable_{i}" for i in range(count))
    inputs, variables = placed[: len(placed) - count], placed[len(placed) - count :]
    if not inputs:
        shapes = ", ".join(str(array.shape) for array in stored)
        raise WeightMismatch(
            f"layer {layer.name!r} ({layer.type}): the function given for it takes {len(placed)} "
            f"arguments, expected its input and its {count} arrays ({shapes})"
        )
    return Given(
        fn=_by_place(ops.own(function), placed),
        weights=tuple(Weight(name, shape=None) for name in variables),
        arguments=inputs,
        variadic=False,
        options={} if layer.type == "Lambda" else options,
        policy=True,
        autocast=not layer.type.startswith("ops."),
        ndim=None,
        mask=drop,
        implicit=(),
    )


def _by_place(function: Callable[..., Any], placed: tuple[str, ...]) -> Callable[..., Any]:
    """The function, for callers that know its inputs and variables by name."""

    def call(*args: Any, **named: Any) -> Any:
        rest = [named.pop(name) for name in placed[len(args) :] if name in named]
        return function(*args, *rest, **named)

    return call


def _constant(config, inputs, mask):
    """The mask that the layer was made with."""
    found = config.get("mask")
    if isinstance(found, (str, Mapping)):
        raise UnsupportedLayer(f"its mask is Python code, which is never taken from a file. {HOW}")
    return found


@layer("Lambda", mask=_constant)
def lambda_(inputs, *, function, arguments=None, output_shape=None, mask=None):
    """A function of Keras's own; any other is Python code, which has to be given."""
    known = {**FUNCTIONS, **ACTIVATIONS}  # as Keras looks: gelu of both differs by a default
    if not isinstance(function, str) or function not in known:
        named = isinstance(function, str) and function != "<lambda>"
        code = f"the function {function!r}, Python code" if named else "Python code"
        raise UnsupportedLayer(f"it holds {code}, which is never taken from a file. {HOW}")
    return known[function](inputs, **(arguments or {}))
