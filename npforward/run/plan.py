"""What runs, in what order, what is freed when: layer functions recorded on arrays without data."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npforward import addresses, ops
from npforward.dtypes import floating, known
from npforward.errors import (
    BadFile,
    BadInput,
    LimitExceeded,
    NpforwardError,
    UnsupportedLayer,
    UnsupportedOption,
)
from npforward.graph import Graph, Layer, Node, Ref, leaves, map_leaves
from npforward.inner import instead
from npforward.layers import LayerDef, custom, operations
from npforward.layers.registry import CALL_NO_EFFECT, HOW, Packed, quantization
from npforward.limits import Limits
from npforward.ops.scan import SCAN
from npforward.run.fusion import fused, in_passing, in_place

if TYPE_CHECKING:
    from npforward.kernels.native.library import Library
    from npforward.run.program import Program
from npforward.tape import Step, Tape, Var
from npforward.weights import Bound, check, needed_shape, parts

FUNCTIONS_BY_NAME = {"activation", "recurrent_activation", "function"}  # options of layers
FOLDED = 2**16  # bytes: what depends on weights only and is no larger is computed once
TURNED = 2**24  # bytes: likewise what is the weights' own memory, seen another way
VIEWS = (ops.transpose, ops.flip)


class Value(NamedTuple):
    """What goes along an edge of the graph: an array, and the mask that Keras attaches to it."""

    array: Any
    mask: Any = None


def _values(tree: Any) -> Iterator[Value]:
    """The Values of a tree of lists, tuples and dicts, in order."""
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, Mapping):
        for branch in tree.values():
            yield from _values(branch)
    elif isinstance(tree, (list, tuple)):
        for branch in tree:
            yield from _values(branch)


def _map_values(function: Callable[[Value], Any], tree: Any) -> Any:
    """The tree with `function` applied to each Value."""
    if isinstance(tree, Value):
        return function(tree)
    if isinstance(tree, Mapping):
        return {key: _map_values(function, branch) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map_values(function, branch) for branch in tree)
    return tree


def _absent(tree: Any) -> bool:
    """Whether an argument was not given, or given as None."""
    return tree is None or (isinstance(tree, Value) and tree.array is None)


# What Python and numpy raise for a stranger's config, which can be wrong in any way.
MISFITS = ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError


def misfit(who: str, error: Exception) -> NpforwardError:
    """An error of ours for one of `MISFITS`, whose own words come last."""
    kind = LimitExceeded if isinstance(error, MemoryError) else BadFile
    ours = kind(f"{who}: its config and its inputs do not fit: {error}")
    ours.__cause__ = error
    return ours


@dataclass(frozen=True)
class Failed:
    """A value that cannot be computed, and why."""

    error: NpforwardError


def compute_dtype(config: Mapping[str, Any], precision: str | None) -> str:
    """The dtype that a layer computes in: its policy, unless the whole model runs in another."""
    policy = config.get("dtype") or "float32"
    if isinstance(policy, Mapping):
        policy = policy.get("config", {}).get("name", policy)
    if not isinstance(policy, str):
        raise UnsupportedOption(f"dtype policy {policy!r} is not known")
    if policy == "string":
        return "str"  # as numpy calls it
    name = policy.removeprefix("mixed_")
    try:
        dtype = known(name)
    except TypeError:
        raise UnsupportedOption(f"dtype policy {policy!r} is not known") from None
    return precision if precision and floating(dtype) else name


def variable_dtype(config: Mapping[str, Any], precision: str | None) -> str:
    """The dtype of a layer's weights, in which some layers without any give their output."""
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        policy = policy.get("config", {}).get("name")
    mixed = str(policy).startswith("mixed_")
    return precision or "float32" if mixed else compute_dtype(config, precision)


@dataclass(eq=False)
class Recording:
    """A model recorded on inputs of given shapes: every op, and every value by its address."""

    graph: Graph
    bounds: Mapping[Layer | Graph, Bound]
    precision: str | None = None
    given: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # the caller's functions
    tape: Tape = field(default_factory=Tape)
    inputs: list[Var] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)  # with their masks
    values: dict[str, Var | Failed] = field(default_factory=dict)  # in execution order
    layers: dict[str, Layer | Graph] = field(default_factory=dict)
    weights: dict[Var, tuple[Layer, int]] = field(default_factory=dict)
    absent: bool = False  # whether there are no arrays yet: each is as its layer needs it
    masks: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each call
    beside: Any = None  # what was recorded behind it, for whoever did
    _before: list[tuple[int, ...]] = field(default_factory=list)  # what there was before each call
    _results: dict[Ref, Value] = field(default_factory=dict)  # of the calls of the whole model
    _vars: dict[tuple[Layer, int], Var] = field(default_factory=dict)
    _within: int = 0  # layers that are being called by layers
    _scope: str | None = None  # what a layer of a mixed policy has its weights cast to, if in one

    @classmethod
    def of(
        cls,
        graph: Graph,
        bounds: Mapping[Layer | Graph, Bound],
        shapes: Sequence[tuple[tuple[int, ...], Any]],
        precision: str | None = None,
        given: Mapping[str, Callable[..., Any]] | None = None,
        evaluate: Callable[[Recording, list[Var]], list[Any]] | None = None,
        limits: Limits | None = None,
        absent: bool = False,
    ) -> Recording:
        """Record `graph` on inputs of these shapes and dtypes, in the order of its inputs.

        `given` are functions of the caller's, by name.  `evaluate` gives the arrays of what is
        recorded so far, where a shape depends on them.
        """
        tape = Tape(limits=limits or Limits())
        self = cls(graph, bounds, precision, given or {}, tape, absent=absent)
        if evaluate is not None:
            self.tape.evaluate = functools.partial(evaluate, self)
        self.inputs = [self.tape.var(shape, dtype) for shape, dtype in shapes]
        with self.tape.limits.in_force():
            self.outputs = self._graph(graph, "", [Value(x) for x in self.inputs])
        return self

    def resumed(
        self,
        concerned: Callable[[str], bool],
        stand_in: Callable[[str, Any], Any],
        begun: Mapping[str, tuple[tuple[int, ...], Any]],
        evaluate: Callable[[Recording, list[Var]], list[Any]] | None = None,
    ) -> Recording:
        """The same model on the same inputs with other values in the place of some.

        Calls that get what they got are as they were; others, and those within which something is
        `concerned`, by their address, are recorded anew.  Values that are `begun` with come in, of
        these shapes and dtypes, even if they could not be computed.
        """
        new = Recording(self.graph, self.bounds, self.precision, self.given)
        tape = new.tape = Tape(limits=self.tape.limits, stand_in=stand_in)
        tape.by_value = self.tape.by_value
        tape.fed = {address: tape.var(*said) for address, said in begun.items()}
        if evaluate is not None:
            tape.evaluate = functools.partial(evaluate, new)
        renewed: dict[Var, Var] = {}

        def again(a: Any) -> Any:
            if isinstance(a, Var) and a not in renewed:
                renewed[a] = tape.var(a.shape, a.dtype)
            return renewed[a] if isinstance(a, Var) else a

        def renew(value: Value) -> Value:
            return Value(again(value.array), map_leaves(again, value.mask))

        def as_before(i: int, node: Node) -> list[Value] | None:
            """The outputs of a call that gets what it got, and its steps."""
            for ref in leaves([node.args, dict(node.kwargs)]):
                if isinstance(ref, Ref) and ref in self._results:
                    old, now = renew(self._results[ref]), new._results[ref]
                    pairs = zip(leaves([*old]), leaves([*now]), strict=True)
                    if any(a is not b for a, b in pairs):
                        return None
            if concerned(node.address):
                return None
            counts = zip(
                self._before[i], self._before[i + 1], self._told(), new._told(), strict=True
            )
            for first, last, old, now in counts:
                if isinstance(now, dict):
                    items = itertools.islice(old.items(), first, last)
                    now.update((key, map_leaves(again, value)) for key, value in items)
                else:
                    for s in old[first:last]:
                        out = [again(v) for v in s.outs]
                        one = tuple(out) if isinstance(s.out, tuple) else out[0]
                        now.append(s._replace(args=tuple(map(again, s.args)), out=one))
            found = itertools.takewhile(
                lambda ref: ref in self._results, (Ref(node.address, k) for k in itertools.count())
            )
            return [renew(self._results[ref]) for ref in found]

        new.inputs = [again(v) for v in self.inputs]
        new.layers = dict(self.layers)
        new.weights = {again(v): place for v, place in self.weights.items()}
        new._vars = {place: v for v, place in new.weights.items()}
        with tape.limits.in_force():
            new.outputs = new._graph(self.graph, "", [Value(x) for x in new.inputs], as_before)
        return new

    def _told(self) -> tuple[Any, ...]:
        """What a call adds to."""
        return self.tape.steps, self.tape.taps, self.tape.states, self.values, self.masks

    @functools.cached_property
    def addresses(self) -> tuple[str, ...]:
        """Of all values, in the order of execution."""
        return tuple(self.values)

    @functools.cached_property
    def sound(self) -> bool:
        """Whether all values can be computed."""
        return not any(isinstance(value, Failed) for value in self.values.values())

    def layer_of(self, address: str) -> Layer | Graph:
        """The layer whose call gave a value, or within which an inner value arose."""
        part = addresses.layer_part(address)
        return self.layers[address if address in self.layers else owner_of(part, self.layers) or ""]

    def _graph(
        self,
        graph: Graph,
        at: str,
        inputs: Sequence[Value],
        as_before: Callable[[int, Node], list[Value] | None] = lambda i, node: None,
    ) -> list[Value]:
        """Record the calls of a graph, but for those that are `as_before`."""
        names = list(leaves(graph.inputs))
        if len(names) != len(inputs):
            raise BadFile(
                f"model {graph.name!r} has {len(names)} inputs but is called with {len(inputs)}"
            )
        given = dict(zip(names, inputs, strict=True))
        whole = graph is self.graph and not at
        results = self._results if whole else {}
        for n, node in enumerate(graph.nodes):
            if whole:
                self._before.append(tuple(map(len, self._told())))
            address = addresses.join(at, node.address)
            outputs = as_before(n, node)
            if outputs is None and node.address in given:
                outputs = [self._entered(given[node.address], node.layer)]
            elif outputs is None:
                outputs = self._node(node, address, results)
            for i, value in enumerate(outputs):
                kept = self._keep(address, i, value.array, node.layer)
                results[Ref(node.address, i)] = value._replace(array=kept)
        if whole:
            self._before.append(tuple(map(len, self._told())))
        return [results.get(ref, _no_output(ref)) for ref in leaves(graph.outputs)]

    def _entered(self, value: Value, layer: Layer | Graph) -> Value:
        """A value as an InputLayer lets it in: in the layer's dtype."""
        if isinstance(value.array, Failed):
            return value
        try:
            dtype = compute_dtype(layer.config, self.precision)
        except NpforwardError as error:
            return Value(Failed(_located(error, layer)))
        if value.array.dtype == np.dtype(dtype):
            return value
        return Value(ops.cast(value.array, dtype=dtype), value.mask)

    def _keep(self, address: str, output: int, value: Any, layer: Layer | Graph) -> Any:
        """Enter an output under its address; gives it, or what replaces it."""
        if output:
            address = f"{address}#{output}"
        self.layers[address] = layer
        if isinstance(value, Failed):
            value = self.tape.fed.get(address, value)
        value = instead(address, value)
        if not self._within:
            self.values[address] = value
        elif isinstance(value, Var):  # a model inside a layer: what it computes is inner
            self.tape.taps[address] = value
        return value

    def _node(self, node: Node, address: str, results: Mapping[Ref, Value]) -> list[Value]:
        """The outputs of one call; where it cannot be made, one that says why."""

        def resolve(leaf: Any) -> Value:
            return results.get(leaf, _no_output(leaf)) if isinstance(leaf, Ref) else Value(leaf)

        args = map_leaves(resolve, node.args)
        kwargs = map_leaves(resolve, dict(node.kwargs))
        for value in _values([args, kwargs]):
            if isinstance(value.array, Failed):
                return [value]
        taken, taps = len(self.tape.steps), len(self.tape.taps)
        try:
            return self.call(node.layer, address, args, kwargs)
        except NpforwardError as error:
            failure = _located(error, node.layer)
            before = next((leaf.node for leaf in leaves(node.args) if isinstance(leaf, Ref)), None)
            if isinstance(error, UnsupportedLayer) and before is not None:
                last = address.removesuffix(node.address) + before
                more = f" What comes before it can be had: trace(x, until={last!r})"
                failure = type(failure)(f"{failure}.{more}")
        except MISFITS as error:
            failure = misfit(_describe(node.layer), error)
        self.tape.cut(taken, taps)
        return [Value(Failed(failure))]

    def call(
        self,
        layer: Layer | Graph,
        address: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
        uncast: bool = False,
    ) -> list[Value]:
        """Record one call of a layer on trees of Values; `changes` go before its config.

        If `uncast`, the arguments and weights meet as they are, past the layer's policy.
        """
        if isinstance(layer, Graph):
            return self._model(layer, address, args, kwargs)
        definition = self.bounds[layer].definition
        if definition is None:
            why = operations.WITHOUT.get(layer.type, "it is not one of Keras's own layers")
            raise UnsupportedLayer(f"{why}. {HOW}")
        config = {k: v for k, v in layer.config.items() if k not in layer.children}
        config = {**config, **(changes or {})}
        children = self._children(layer, address)
        dtype = compute_dtype(config, self.precision)
        options = self._options(definition, config, children, dtype)
        named = _arguments(definition, config, args, kwargs, options)
        previous = self._with_masks(definition, named, config.get("masks") == "as given")
        self.masks[address] = {
            name: _map_values(lambda v: v.array, tree)
            for name, tree in named.items()
            if name.endswith("mask") and any(isinstance(v.array, Var) for v in _values(tree))
        }
        arrays = {
            name: _map_values(lambda v: v.array, named[name])
            for name in definition.arguments
            if name in named
        }
        first = next(iter(arrays.values()), None)
        lead = next((x for x in leaves(first) if isinstance(x, Var)), None)
        if definition.ndim is not None and lead is not None and lead.ndim != definition.ndim:
            raise BadInput(f"it takes {definition.ndim} axes, but its input has {lead.shape}")
        # Arrays of layers within, such as the cell of an LSTM, are cast by those layers.
        uncast = uncast and not any(w.path for w, _ in self.bounds[layer].pairs)
        if definition.autocast and not uncast:
            arrays = map_leaves(lambda x: _autocast(x, dtype), arrays)
        shapes = map_leaves(lambda x: getattr(x, "shape", None), arrays)
        stored = variable_dtype(config, self.precision)
        weights = self._weights(layer, shapes, (self._scope or stored) if uncast else dtype)
        outer, before, self.tape.scope = self._scope, self.tape.scope, address
        if not uncast:
            cast = dtype != stored if outer is None else definition.autocast
            self._scope = dtype if cast and floating(dtype) else None
        try:
            y = definition.apply(arrays, weights, options)
            first = next(iter(arrays.values()), None)
            mask = definition.mask({**config, **children}, first, previous)
        finally:
            self.tape.scope, self._scope = before, outer
        outputs = [self._recorded(leaf) for leaf in leaves(y)]
        masks = list(mask) if isinstance(mask, (list, tuple)) else [mask]
        return [Value(a, m) for a, m in itertools.zip_longest(outputs, masks[: len(outputs)])]

    def _model(
        self, graph: Graph, address: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Value]:
        """Record a call of a nested model."""
        training = kwargs.get("training")
        if isinstance(training, Value) and training.array is True:
            self._without_training(graph)
        inputs = list(_values(args))
        masks = list(_values(kwargs.get("mask")))
        for i, mask in enumerate(masks[: len(inputs)]):
            if mask.array is not None:
                inputs[i] = Value(inputs[i].array, mask.array)
        if any(value.mask is not None for value in inputs):
            self.masks[address] = {"mask": [value.mask for value in inputs]}
        return self._graph(graph, address, inputs)

    def _without_training(self, graph: Graph) -> None:
        """Raise if a layer in a model that is called with `training=True` acts otherwise then."""
        for part in parts(graph):
            definition = self.bounds[part].definition if isinstance(part, Layer) else None
            if definition is not None and "training" in definition.arguments:
                raise UnsupportedOption(
                    f"it is called with training=True, which changes what {part.name!r} "
                    f"({part.type}) in it gives. Save the model with training=False"
                )

    def _options(
        self,
        definition: LayerDef,
        config: Mapping[str, Any],
        children: Mapping[str, Any],
        dtype: str,
    ) -> dict[str, Any]:
        """What a layer function is told: its config, its children, and what it computes in."""
        options = definition.chosen(config, children)
        for name, child in children.items():
            if name not in definition.options:
                raise UnsupportedOption(f"option {name} holds a layer, which is not supported")
            options[name] = child
        for key, value in options.items():
            if key in FUNCTIONS_BY_NAME and isinstance(value, str):
                function = custom.given_for(value, self.given)
                options[key] = value if function is None else ops.own(function)
        if "dtype" in definition.options and (definition.policy or config.get("dtype")):
            options["dtype"] = dtype
        if "variable_dtype" in definition.options:
            options["variable_dtype"] = variable_dtype(config, self.precision)
        if "floatx" in definition.options:  # what Keras computes in where no policy says
            options["floatx"] = self.precision or "float32"
        return options

    def _recorded(self, output: Any) -> Any:
        """An output that depends on no input (`ones_like`) as a step of its own."""
        if isinstance(output, Var):
            return output
        array = np.asarray(output)
        return self.tape.record(ops.cast, (array,), {"dtype": array.dtype})

    def _with_masks(self, definition: LayerDef, named: dict[str, Any], as_given: bool) -> Any:
        """Fill in the masks that the inputs carry, as Keras does; gives that of the first input.

        Where masks are `as_given`, those that the call does not name are none.
        """
        tensors = {
            name: tree
            for name, tree in named.items()
            if any(isinstance(v.array, Var) for v in _values(tree))
        }
        carried = {name: _map_values(lambda v: v.mask, tree) for name, tree in tensors.items()}
        if as_given:
            carried = {}

        for argument in definition.implicit:
            named.pop(argument, None)

        def fill(argument: str, mask: Any) -> None:
            known = any(m is not None for m in leaves(mask))
            if argument in definition.arguments and known and _absent(named.get(argument)):
                named[argument] = map_leaves(Value, mask)

        first_alone = self.graph.config.get("masks") == "of the first input"
        if len(tensors) == 1 or (tensors and first_alone and "mask" in definition.arguments):
            fill("mask", next(iter(carried.values())))
        else:
            for name, mask in carried.items():
                fill(f"{name}_mask", mask)
        explicit = named.get("mask")
        if not _absent(explicit):
            return _map_values(lambda v: v.array, explicit)
        return next(iter(carried.values()), None)

    def _children(self, layer: Layer, address: str) -> dict[str, Any]:
        """The layers inside a layer, bound: `cells/0` and `cells/1` are the list `cells`."""
        found: dict[str, Any] = {}
        for name, child in layer.children.items():
            bound = Child(self, child, addresses.join(address, name))
            base, _, item = name.partition("/")
            if item:
                found.setdefault(base, []).append(bound)
            else:
                found[name] = bound
        return found

    def _weights(self, layer: Layer, shapes: Mapping[str, Any], dtype: str) -> dict[str, Any]:
        bound = self.bounds[layer]
        if bound.error is not None:
            raise bound.error
        found: dict[str, Any] = {}
        arrays: dict[str, dict[str, Any]] = {}
        for i, (weight, stored) in enumerate(bound.pairs):
            if weight.training_only:
                continue
            given = [shapes[name] for name in weight.of if shapes.get(name) is not None]
            shape = given[0] if given else next(iter(shapes.values()), None)
            if self.absent:
                stored = replace(stored, shape=needed_shape(layer, weight, shape) or ())
            else:
                check(layer, weight, stored, shape)
            if (layer, i) not in self._vars:
                var = self.tape.var(stored.shape, stored.dtype)
                self._vars[layer, i], self.weights[var] = var, (layer, i)
            value = self._vars[layer, i]
            wanted = dtype if weight.autocast else self.precision or value.dtype
            array = _autocast(value, wanted)
            if not weight.part:
                found[weight.name] = array
                continue
            arrays.setdefault(weight.part, {})[weight.role] = array
            if weight.whole is not None:
                said = {**layer.config, "quantization": quantization(layer.config, weight.path)}
                whole = weight.whole(layer.config, shape)
                found[weight.part] = Packed(said, arrays[weight.part], whole)
        return found


def _arguments(
    definition: LayerDef,
    config: Mapping[str, Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    """The arguments of a call by name; those of an operation that are its options go there."""
    if definition.variadic:
        args = [args]
    if len(args) > len(definition.arguments):
        raise UnsupportedOption(f"it is called with {len(args)} arguments")
    named = dict(zip(definition.arguments, args, strict=False))
    for name in definition.arguments:
        if name in config:  # versions of Keras differ in what the constructor takes
            named.setdefault(name, Value(config[name]))
    for name, value in kwargs.items():
        if name in definition.arguments:
            named[name] = value
        elif definition.further or (name in definition.options and not definition.policy):
            if not _absent(value):
                options[name] = _map_values(lambda v: v.array, value)
        elif name not in CALL_NO_EFFECT and name != "mask" and not _absent(value):
            raise UnsupportedOption(f"argument {name} of its call is not supported")
    return named


def _autocast(x: Any, dtype: Any) -> Any:
    """A floating array in the dtype that a layer computes in; anything else as it is."""
    if not isinstance(x, (Var, np.ndarray)) or not floating(x.dtype) or x.dtype == np.dtype(dtype):
        return x
    return ops.cast(x, dtype=dtype)


def _no_output(ref: Ref) -> Value:
    return Value(Failed(BadFile(f"layer {ref.node!r} has no output number {ref.output}")))


def _describe(layer: Layer | Graph) -> str:
    return f"layer {layer.name!r} ({layer.type})"


def _located(error: NpforwardError, layer: Layer | Graph) -> NpforwardError:
    """The same error with the layer named, unless an inner one has been."""
    if str(error).startswith("layer "):
        return error
    located = type(error)(f"{_describe(layer)}: {error}")
    located.__cause__ = error
    return located


@dataclass(frozen=True, eq=False)
class Child:
    """A layer inside a layer, for its parent to call like a function."""

    recording: Recording
    layer: Layer | Graph
    address: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    uncast: bool = False  # called past its dtype policy

    @property
    def type(self) -> str:
        return self.layer.type

    @property
    def config(self) -> Mapping[str, Any]:
        return {**self.layer.config, **self.changes}

    @property
    def dtype(self) -> np.dtype:
        """What it computes in."""
        return np.dtype(compute_dtype(self.config, self.recording.precision))

    @property
    def children(self) -> dict[str, Any]:
        layer = self.layer
        return self.recording._children(layer, self.address) if isinstance(layer, Layer) else {}

    def changed(self, **options: Any) -> Child:
        """The same layer with other options in its config."""
        return replace(self, changes={**self.changes, **options})

    def past_policy(self) -> Child:
        """The same layer without its casts, as Keras calls one by `layer.call()`."""
        return replace(self, uncast=True)

    def takes(self, argument: str) -> bool:
        """Whether its `call()` has this argument."""
        bound = self.recording.bounds.get(self.layer)
        definition = bound.definition if bound else None
        return argument == "mask" if definition is None else argument in definition.arguments

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Its output; a list of them if there are several."""
        wrapped = map_leaves(Value, args)
        if self.takes("training"):
            kwargs = {"training": False, **kwargs}
        self.recording._within += 1
        try:
            outputs = self.recording.call(
                self.layer,
                self.address,
                wrapped,
                map_leaves(Value, kwargs),
                self.changes,
                self.uncast,
            )
        except NpforwardError as error:
            raise _located(error, self.layer) from error
        finally:
            self.recording._within -= 1
        arrays = [value.array for value in outputs]
        for array in arrays:
            if isinstance(array, Failed):
                raise array.error
        return arrays[0] if len(arrays) == 1 else arrays


@dataclass(frozen=True)
class Instruction:
    """One op to run: arguments are slots (int in `slots`) or constants."""

    value: Callable[..., Any]  # the op's function for these dtypes
    args: tuple[tuple[bool, Any], ...]  # (is it a slot?, slot or constant)
    options: Mapping[str, Any]
    outs: tuple[int, ...]
    many: bool
    frees: tuple[int, ...]  # slots that nobody needs after this
    emits: tuple[tuple[str, int], ...]  # (address, slot) complete after this
    scope: str  # address of the layer
    op: str  # its name
    # Of a loop: what is compiled, and how often it runs.
    inside: tuple[tuple[Program, int], ...] = ()


@dataclass(frozen=True)
class Segment:
    """Many ops in compiled code: what it takes from slots, what it gives to them."""

    program: Program
    ins: tuple[tuple[Var, int], ...]
    outs: tuple[tuple[Var, int], ...]
    frees: tuple[int, ...]
    emits: tuple[tuple[str, int], ...]
    scope: str


class State(NamedTuple):
    """What a stateful layer begins with and leaves behind."""

    address: str
    first: Var
    before: int
    after: int | None  # where nobody keeps it


@dataclass(eq=False)
class Plan:
    """The instructions that give the wanted values of a recording, and nothing else."""

    recording: Recording
    wanted: tuple[str, ...]  # in execution order
    instructions: list[Instruction | Segment]
    slots: dict[Var, int]
    inputs: list[int | None]  # slot of each input and of what is given; None: it is not needed
    weights: dict[int, Var]  # slots to fill from the file
    first: tuple[tuple[str, int], ...]  # what is complete before any instruction: inputs
    folded: list[Instruction]  # depend on weights only: run once, kept in `constants`
    states: tuple[State, ...]  # of stateful layers
    goals: tuple[Var, ...]  # what is wanted
    constants: dict[int, Any] = field(default_factory=dict)

    @functools.cached_property
    def programs(self) -> list[Program]:
        """What of it is compiled."""
        return [program for program, _ in self.compiled]

    @property
    def compiled(self) -> Iterator[tuple[Program, int]]:
        """What of it is compiled, and how often it runs."""
        for part in self.instructions:
            if isinstance(part, Segment):
                yield part.program, 1
            else:
                yield from part.inside

    @functools.cached_property
    def layers(self) -> dict[str, Layer | Graph]:
        """The saved layer behind each wanted address."""
        return {address: self.recording.layer_of(address) for address in self.wanted}


QUICK = 0.5  # seconds: what numpy does in less is not worth waiting for a compiler


def worth_compiling(chosen: Plan, library: Library) -> bool:
    """Whether to run a plan's compiled parts: they are compiled already, or numpy would be slow."""
    missing = [k for program in chosen.programs for k in library.missing(program.kernels)]
    return not missing or sum(program.seconds * n for program, n in chosen.compiled) > QUICK


def plan(
    recording: Recording,
    wanted: Iterable[str] | Mapping[str, Var],
    keep_states: bool = False,
    library: Library | None = None,
    apart: bool = False,
    laid_out: dict[Hashable, np.ndarray] | None = None,
    given: Sequence[Var] = (),
) -> Plan:
    """What to run for these addresses: no dead steps, every array freed after its last use.

    `wanted` may also name recorded Vars anew.  `keep_states` adds what stateful layers leave
    behind.  With a `library` of compiled kernels, what they can do is theirs; `apart` gives out
    each value before the next is computed; what is `laid_out` of the weights is there for all
    plans of the model; what is `given` comes in behind the inputs, and is not computed.
    """
    goals = dict(wanted) if isinstance(wanted, Mapping) else _goals(recording, wanted)
    states = recording.tape.states.values()
    # Vars are kept in sets: to look for one in a list would record comparisons.
    kept_states = {last for _, last in states} if keep_states else set()
    kept, needed = leading_to(recording.tape.steps, {*goals.values(), *kept_states}, given)

    slots: dict[Var, int] = {}

    def slot(var: Var) -> int:
        return slots.setdefault(var, len(slots))

    fixed = {var for var in recording.weights if var in needed}
    folded, live = [], []
    for i, step in kept:
        most = TURNED if step.op in VIEWS else FOLDED
        small = sum(out.size * out.dtype.itemsize for out in step.outs) <= most
        if small and step.ins and all(v in fixed for v in step.ins):
            fixed.update(step.outs)
            folded.append(step)
        else:
            live.append((i, step))

    emitted = _emissions(recording, goals, [i for i, _ in live])
    last_use: dict[Var, int] = {}
    for n, (_, step) in enumerate(live):
        for var in (*step.ins, *step.outs):
            last_use[var] = n
    for n, addresses_ in emitted.items():
        for address in addresses_:
            last_use[goals[address]] = max(last_use.get(goals[address], n), n)
    dying: dict[int, list[Var]] = {}
    for var, n in last_use.items():
        if var not in fixed and var not in kept_states:
            dying.setdefault(n, []).append(var)

    seen_outside = {*goals.values(), *kept_states}
    passing = in_passing([step for _, step in live]) - seen_outside

    def instruction(step: Step, n: int | None) -> Instruction:
        args = tuple((True, slot(a)) if isinstance(a, Var) else (False, a) for a in step.args)
        outs = tuple(slot(out) for out in step.outs)
        frees = () if n is None else tuple(slot(v) for v in dying.get(n, ()))
        emits = () if n is None else tuple((a, slot(goals[a])) for a in emitted.get(n, ()))
        many = isinstance(step.out, tuple)
        options, name = step.options, step.op.__name__
        if hasattr(step.op, "keeping"):  # a loop stacks over time only what is wanted
            options = step.op.keeping(options, [out in needed for out in step.outs])
        value = fused(step, options) or in_place(step, passing)
        inside: tuple[tuple[Program, int], ...] = ()
        if value is None and step.op is SCAN and library is not None:
            from npforward.run.lowering import body_compiled

            value, options, inside = body_compiled(
                step, options, fixed, library, identity, laid_out
            )
        value = value or step.op.value(*step.args)
        return Instruction(value, args, options, outs, many, frees, emits, step.scope, name, inside)

    computed = {out: step for step in folded for out in step.outs}

    def identity(v: Var) -> Hashable:
        """What a constant is, in any recording of the model."""
        if v in recording.weights:
            layer, i = recording.weights[v]
            return id(layer), i
        step = computed[v]
        args = tuple(identity(a) if isinstance(a, Var) else repr(a) for a in step.args)
        return step.op.__name__, args, repr(step.options), [o is v for o in step.outs].index(True)

    def segment(first: int, last: int) -> Segment:

        from npforward.run.lowering import lower

        assert library is not None
        inside = [step for _, step in live[first:last]]
        made = {out for step in inside for out in step.outs}
        later = {v for _, step in live[last:] for v in step.ins}
        outside = {v for v in made if v in later or v in seen_outside}
        program = lower(inside, outside, fixed, library, identity, laid_out)
        taken = [b.outside for b in program.buffers if b.outside is not None]
        span = range(first, last)
        frees = (slot(v) for n in span for v in dying.get(n, ()) if v in outside or v not in made)
        return Segment(
            program,
            tuple((v, slot(v)) for v in taken),
            tuple((v, slot(v)) for v in program.given_out),
            tuple(frees),
            tuple((a, slot(goals[a])) for n in span for a in emitted.get(n, ())),
            inside[0].scope,
        )

    parts = [(False, n, n + 1) for n in range(len(live))]
    if library is not None:
        from npforward.run.lowering import stretches

        steps = [step for _, step in live]
        parts = stretches(steps, fixed, seen_outside, emitted if apart else {})
    return Plan(
        recording,
        tuple(goals),
        [
            segment(first, last) if compiled else instruction(live[first][1], first)
            for compiled, first, last in parts
        ],
        slots,
        [slot(v) if v in needed else None for v in (*recording.inputs, *given)],
        {slot(v): v for v in recording.weights if v in needed},
        tuple((a, slot(goals[a])) for a in emitted.get(-1, ())),
        [instruction(step, None) for step in folded],
        tuple(
            State(address, first, slot(first), slot(last) if keep_states else None)
            for address, (first, last) in recording.tape.states.items()
            if first in needed
        ),
        tuple(goals.values()),
    )


def leading_to(
    steps: Sequence[Step], wanted: Collection[Var], given: Collection[Var] = ()
) -> tuple[list[tuple[int, Step]], set[Var]]:
    """The steps that give the `wanted` Vars, numbered and in order, and all Vars that they need.

    What is `given` needs no steps.

    Examples
    --------
    >>> tape = Tape()
    >>> x = tape.var((2,), "float32")
    >>> y, z = ops.exp(x), ops.log(x)
    >>> kept, needed = leading_to(tape.steps, [z])
    >>> [(i, step.op.__name__) for i, step in kept], needed == {x, z}
    ([(1, 'log')], True)
    """
    needed, given = set(wanted), set(given)
    kept: list[tuple[int, Step]] = []
    for i in range(len(steps) - 1, -1, -1):
        if any(out in needed and out not in given for out in steps[i].outs):
            needed.update(steps[i].ins)
            kept.append((i, steps[i]))
    return kept[::-1], needed


def _goals(recording: Recording, wanted: Iterable[str]) -> dict[str, Var]:
    """The Vars behind addresses, in the order of execution."""
    goals: dict[str, Var] = {}
    for address in sorted(set(wanted), key=_position(recording)):
        value = recording.values.get(address, recording.tape.taps.get(address))
        if value is None:  # a call that failed has one value for all of its outputs
            value = recording.values.get(address.partition("#")[0])
        if isinstance(value, Failed):
            raise value.error
        if value is None:
            raise BadInput(f"no value {address!r}")
        goals[address] = value
    return goals


def owner_of(address: str, outer: Collection[str]) -> str | None:
    """The value in whose computation an inner value arises, as far as `outer` has it.

    Examples
    --------
    >>> owner_of("both/forward_layer:cell", ["x", "both"])
    'both'
    """
    owner = addresses.layer_part(address)
    while owner and owner not in outer:
        owner = owner.rpartition("/")[0]
    return owner or None


def _position(recording: Recording) -> Callable[[str], tuple[int, int]]:
    """Where an address comes in the order of execution; inner values just before their layer."""
    at = {address: i for i, address in enumerate(recording.values)}
    taps = {address: i for i, address in enumerate(recording.tape.taps)}

    def position(address: str) -> tuple[int, int]:
        if address in at:
            return at[address], len(taps)
        return at.get(owner_of(address, at) or "", len(at)), taps.get(address, -1)

    return position


def _emissions(
    recording: Recording, goals: Mapping[str, Var], steps: Sequence[int]
) -> dict[int, list[str]]:
    """After which of the live steps (-1: before all) each goal is given out, in their order."""
    made = {}
    for n, i in enumerate(steps):
        for out in recording.tape.steps[i].outs:
            made[out] = n
    emitted: dict[int, list[str]] = {}
    latest = -1
    for address, var in goals.items():
        latest = max(latest, made.get(var, -1))
        emitted.setdefault(latest, []).append(address)
    return emitted
