"""From the containers of a Kurfile to layers: what Kur builds of each, in today's Keras words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from npforward import addresses
from npforward.errors import BadFile, UnsupportedOption
from npforward.formats.keras_layouts import layout_of
from npforward.formats.kur.arguments import Arguments
from npforward.formats.kur.containers import GROUPS
from npforward.formats.kur.network import Container, Model
from npforward.formats.kur.ranks import Rank, Ranks, plus
from npforward.formats.kur.weights import Tensors
from npforward.graph import Graph, Layer, Node, Ref, map_leaves
from npforward.limits import Limits

INPUT = "inputs"  # of the layers that one container is made of
HARD_SIGMOID = "keras2>hard_sigmoid"  # what Keras 1 and 2 call hard_sigmoid
ACTIVATIONS = (
    "softmax", "elu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear",
)  # fmt: skip
MERGES = {"multiply": "Multiply", "add": "Add", "concat": "Concatenate", "average": "Average"}
COUNTING = ("expand", "squeeze", "merge", "batch_normalization")  # axes, from the end
BROKEN = ("convolution", "pool", "batch_normalization")  # on PyTorch, in `parallel`
UNNAMED = re.compile(r"dense_(\d+)")  # what Keras calls a Dense that has no name
UNKNOWN = "dense_K"  # one that is not there


@dataclass(frozen=True, eq=False)
class Step:
    """One layer of those that a container is made of."""

    name: str
    layer: Layer
    args: tuple[Any, ...] | None = None  # trees of `Ref`s to other steps; None: the one before
    alone: bool = True  # Kur's `parallel` takes only what is a layer of Keras by itself


class Layers:
    """Makes the layers of containers, with their arrays; each container's once."""

    def __init__(self, model: Model, tensors: Tensors, limits: Limits) -> None:
        self.model, self.tensors, self.backend = model, tensors, tensors.backend
        self.targets, self.limits = model.targets, limits
        self._ranks = Ranks(model.targets)
        self._steps: dict[tuple[int, Rank], list[Step]] = {}
        self._layers: dict[tuple[int, Rank], Layer] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._rank: Rank = None  # what Kur takes the input to have of the layer that is being made
        self._hidden = self._unnamed() if self.backend.keras else {}
        self._flattened = 0
        self._wrapper: str | None = None  # what Keras wraps the layer in that is being made

    def layer(self, container: Container, rank: Rank = None) -> tuple[Layer, bool]:
        """What a container computes, as one layer, and whether it takes a list of inputs."""
        reused, container = container.type == "reuse", self._target(container)
        steps = self.steps(container, rank)
        if reused:  # what is wrapped, and applied elsewhere too, is kept under its own name as well
            for step in steps:
                self.tensors.also(step.layer.name)
        key = self._key(container, rank)
        if key not in self._layers:
            single = len(steps) == 1 and steps[0].args is None
            self._layers[key] = steps[0].layer if single else self._composed(container, steps)
        return self._layers[key], container.type == "merge"

    def _composed(self, container: Container, steps: list[Step]) -> Layer:
        made = composed(container.name, steps)
        # What is reused within what is reused grows fast, and takes as long to run as if written.
        sizes = [self.size(step.layer) for step in steps]
        count, depth = sum(n for n, _ in sizes), 1 + max(d for _, d in sizes)
        self.limits.check("layers", count, f"{container.where}: layers that it is made of")
        self.limits.check("model_depth", depth, f"{container.where}: containers within containers")
        self._sizes[id(made)] = count, depth
        return made

    def size(self, layer: Layer | Graph) -> tuple[int, int]:
        """How many layers it is made of, and how deep within each other."""
        return self._sizes.get(id(layer), (1, 0))

    def _target(self, container: Container) -> Container:
        while container.type == "reuse" and container.built:
            container = self.targets[container.name]
        return container

    def steps(self, container: Container, rank: Rank = None) -> list[Step]:
        """The layers that Kur builds of a container, in its order."""
        container = self._target(container)
        key = self._key(container, rank)
        if key not in self._steps:
            before, self._rank = self._rank, rank
            self._steps[key] = list(self._made(container))
            self._rank = before
        return self._steps[key]

    def _key(self, container: Container, rank: Rank) -> tuple[int, Rank]:
        """One layer for each container, unless it counts axes."""
        counts = container.type in COUNTING or container.type in GROUPS
        return id(container), rank if counts else None

    def rank_after(self, container: Container, before: Rank) -> Rank:
        """See `npforward.formats.kur.ranks`; on Keras Kur counts the axes that there are."""
        return None if self.backend.keras else self._ranks.after(container, before)

    def _made(self, container: Container) -> Iterator[Step]:
        if container.type in GROUPS:  # reused as a whole
            rank = self._rank
            for terminal in container.layers():
                yield Step(terminal.name, self.layer(terminal, rank)[0])
                rank = self.rank_after(terminal, rank)
            return
        if not container.built or container.type == "output":
            yield Step(container.name, Layer(container.name, "Identity"))
            return
        make = MADE.get(container.type)
        if make is None:
            raise BadFile(f"{container.where}: {container.type!r} is no layer.")
        yield from make(self, container)

    def step(
        self,
        name: str,
        type_: str,
        config: Mapping[str, Any] | None = None,
        kind: str = "",
        *layouts: str,
        **more: Any,
    ) -> Step:
        """A layer with its arrays, if it is of a `kind` that has any."""
        config = config or {}
        stored = self._stored(name, kind) if kind else ()
        layout = layout_of(layouts, config) if stored else None
        return Step(name, Layer(name, type_, config, stored, layout=layout), **more)

    def _stored(self, name: str, kind: str, reverse: str = "") -> tuple[Any, ...]:
        """The arrays of a layer that Kur, or Keras, calls so."""
        tensors = self.backend.tensors[kind]
        if not self.backend.keras:
            return self.tensors.take(self.backend.layer_part(name), [t + reverse for t in tensors])
        wrapper = self._wrapper or name
        # Keras 2 calls the tensors of what is wrapped as the wrapper.
        own = wrapper if self.backend.library == "keras2" else name
        return self.tensors.take(wrapper, [f"{own}_{tensor}" for tensor in tensors])

    # ---- what has no name of its own ----------------------------------------------------------

    def _unnamed(self) -> dict[tuple[int, int], str]:
        """Keras's names of the earlier layers of a dense layer that is a list: `dense_1`.

        Keras counts on through all that it builds, so the numbers need not begin at 1: they give
        the order, and sizes tell where that is not enough.
        """
        taken = {container.name for container in self.model.nodes}
        numbers = {
            int(match[1]): match[0]
            for layer, _ in self.tensors.found
            if (match := UNNAMED.fullmatch(layer)) and match[0] not in taken
        }
        left = [numbers[n] for n in sorted(numbers)]
        names: dict[tuple[int, int], str] = {}
        for container in self.model.nodes:
            if container.type != "dense" or not container.built:
                continue
            inward: int | None = None
            for i, size in enumerate(Arguments(container, "size").several("size")[:-1]):
                fitting = [name for name in left if self._is_dense(name, inward, size)]
                name = next(iter(fitting), UNKNOWN)
                names[id(container), i] = name
                left = [other for other in left if other != name]
                inward = size
        return names

    def _unnamed_in(self, wrapper: str | None) -> str:
        """Keras's own name of a dense layer that it wraps, which only the files know."""
        for layer, tensor in self.tensors.found:
            if layer == wrapper and (match := UNNAMED.match(tensor)):
                return match[0]
        return UNKNOWN

    def _is_dense(self, name: str, inward: int | None, size: int) -> bool:
        kernel = self.backend.tensors["dense"][0]
        stored = self.tensors.found.get((name, f"{name}_{kernel}"))
        shape = stored.shape if stored is not None else ()
        return len(shape) == 2 and inward in (None, shape[0]) and shape[1] == size

    # ---- each type ----------------------------------------------------------------------------

    def convolution(self, container: Container) -> Iterator[Step]:
        args, name = Arguments(container, "size"), container.name
        size = args.several("size")
        if len(size) > 3:
            raise args.wrong(f"has a size of {len(size)} axes, expected 1 to 3")
        config = {
            "filters": args.positive("kernels"),
            "kernel_size": size,
            "strides": args.per_axis("strides", len(size)),
            "padding": self._border(args, "same", size),
        }
        kind = f"Conv{len(size)}D"
        highway, separable = args.flag("highway", False), args.flag("separable", False)
        if self.backend.keras and (highway or separable):
            raise args.wrong("is a highway, or separable, which Kur has on PyTorch only")
        if not self.backend.keras:
            layouts = ["channels_first"]
            kind = "ChannelwiseConv" if separable else kind
        else:
            old = self.backend.library == "keras1" and len(size) == 1
            layouts = ["conv1d"] if old else []
            layouts += ["flipped"] if self.backend.runs_on == "theano" else []
        make = self._highway if highway else self._one
        yield from make(name, kind, config, "convolution", *layouts)

    def _one(self, name: str, *of_step: Any) -> Iterator[Step]:
        yield self.step(name, *of_step)

    def _highway(self, name: str, *of_step: Any) -> Iterator[Step]:
        """h t + x (1 - t), with h = relu(H x) and t = σ(T x) of two layers of one kind.

        R. Srivastava, K. Greff and J. Schmidhuber, Highway Networks (2015).
        """
        x = Ref(INPUT)
        for part, gate, activation in (
            (f"{name}_H", "candidate", "relu"),
            (f"{name}_T", "transform_gate", "sigmoid"),
        ):
            yield self.step(part, *of_step, args=(x,))
            yield self.step(gate, "Activation", {"activation": activation}, args=(Ref(part),))
        h, t = Ref("candidate"), Ref("transform_gate")
        yield self.step("transformed", "Multiply", args=([h, t],))
        yield self.step("carry_gate", "ops.Subtract", args=(1.0, t))
        yield self.step("carried", "Multiply", args=([x, Ref("carry_gate")],))
        yield self.step(name, "Add", args=([Ref("transformed"), Ref("carried")],))

    def _border(self, args: Arguments, otherwise: str, size: list[int]) -> str:
        border = args.one_of("border", otherwise, "same", "valid")
        if border == "valid" or self.backend.runs_on == "tensorflow":
            return border
        if self.backend.runs_on == "torch" and not all(n % 2 for n in size):
            raise args.wrong(f"has border=same and an even size {size}, which PyTorch cannot have")
        return f"{self.backend.runs_on}>same"

    def dense(self, container: Container) -> Iterator[Step]:
        args, name = Arguments(container, "size"), container.name
        *earlier, size = args.several("size")
        config = {"units": size}
        if not self.backend.keras:
            # On PyTorch Kur looks at the last size only, and does not flatten.
            make = self._highway if args.flag("highway", False) else self._one
            yield from make(name, "Dense", config, "dense", "torch_rows")
            return
        if args.flag("highway", False):
            raise args.wrong("is a highway, which Kur has on PyTorch only")
        if args.flag("flatten", False):
            self._flattened += 1
            yield self.step(f"flatten_{self._flattened}", "Flatten")  # as Keras calls it
        for i, units in enumerate(earlier):
            hidden = self._hidden.get((id(container), i)) or self._unnamed_in(self._wrapper)
            yield self.step(hidden, "Dense", {"units": units}, "dense")
        yield self.step(name, "Dense", config, "dense")

    def activation(self, container: Container) -> Iterator[Step]:
        args, name = Arguments(container, "type"), container.name
        said = args.get("type", "linear")
        if not self.backend.keras:
            args.given = {"type": said}
            said = args.one_of("type", "", "relu", "tanh", "sigmoid", "softmax")
            if said == "softmax":
                config = {"parallel": self._wrapper is not None}
                yield self.step(name, "LegacyLogSoftmax", config)
                return
        yield self.step(name, "Activation", {"activation": self._activation(args, said)})

    def _activation(self, args: Arguments, said: Any) -> str:
        said = "linear" if said == "none" else said
        known = ACTIVATIONS if self.backend.library == "keras1" else (*ACTIVATIONS, "selu")
        if said not in known:
            raise args.wrong(f"is {said!r:.60}, expected one of {', '.join(known)}")
        return HARD_SIGMOID if said == "hard_sigmoid" else said

    def pool(self, container: Container) -> Iterator[Step]:
        args = Arguments(container, "size")
        size = args.several("size")
        if len(size) > 3:
            raise args.wrong(f"has a size of {len(size)} axes, expected 1 to 3")
        kind = {"max": "Max", "average": "Average"}[args.one_of("type", "max", "max", "average")]
        config = {
            "pool_size": size,
            "strides": args.per_axis("strides", len(size)),
            "padding": self._border(args, "valid", size),
        }
        yield self.step(container.name, f"{kind}Pooling{len(size)}D", config)

    def batch_normalization(self, container: Container) -> Iterator[Step]:
        # PyTorch normalises the second axis, where Kur does not know that there are more.
        axis, epsilon = 1 if self._rank == 1 else -1, 1e-5
        if self.backend.keras:
            axis, epsilon = Arguments(container, "axis").number("axis", -1), 1e-3
        # Kur has Keras 2 normalise by the stored moments, all others by those of the batch.
        kind = (
            "BatchNormalization" if self.backend.library == "keras2" else "BatchwiseNormalization"
        )
        config = {"axis": axis, "epsilon": epsilon}
        yield self.step(container.name, kind, config, "batch_normalization")

    def dropout(self, container: Container) -> Iterator[Step]:
        args = Arguments(container, "fraction")
        rate = args.get("fraction")
        if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise args.wrong(f"has fraction={rate!r:.60}, expected a number from 0 to below 1")
        yield self.step(container.name, "Dropout", {"rate": float(rate)})

    def flatten(self, container: Container) -> Iterator[Step]:
        yield self.step(container.name, "Flatten")

    def embedding(self, container: Container) -> Iterator[Step]:
        args = Arguments(container, "size")
        sizes = args.positive("vocab_size"), args.positive("size")
        config = dict(zip(("input_dim", "output_dim"), sizes, strict=True))
        yield self.step(container.name, "Embedding", config, "embedding")

    def recurrent(self, container: Container) -> Iterator[Step]:
        args, name = Arguments(container, "size"), container.name
        kind = args.one_of("type", "gru", "gru", "lstm", "sru")
        if kind == "sru":
            raise UnsupportedOption(
                f"{container.where}: a recurrent layer of type 'sru' needs a package beside "
                "PyTorch, and is not replayed; 'gru' and 'lstm' are"
            )
        size, sequence = args.positive("size"), args.flag("sequence", True)
        both = args.flag("bidirectional", False)
        if not both and args.get("merge") is not None:
            raise args.wrong("has a 'merge', which is for bidirectional ones")
        merge = args.one_of("merge", "average", *MERGES)
        if both and merge == "concat":
            size //= 2
            if not size:
                raise args.wrong("has a size of 1, of which no direction has a half")
        config: dict[str, Any] = {"units": size, "return_sequences": sequence}
        if not self.backend.keras:
            yield from self._torch_recurrent(args, kind, config, both, merge)
            return
        config["activation"] = self._activation(args, args.get("outer_activation", "relu"))
        config["recurrent_activation"] = HARD_SIGMOID
        if kind == "gru":
            config["reset_after"] = False
        gates = [f"{kind}_gates"] if self.backend.library == "keras1" else []
        if not both:
            yield self.step(name, kind.upper(), config, kind, *gates)
            return
        forwards, backwards = f"{name}_fwd", f"{name}_rev"
        x, turned = (Ref(INPUT),), {**config, "go_backwards": True}
        yield self.step(forwards, kind.upper(), config, kind, *gates, args=x, alone=False)
        yield self.step(backwards, kind.upper(), turned, kind, *gates, args=x, alone=False)
        # Kur leaves the steps of the way back in the order in which they were taken.
        yield self.step(name, MERGES[merge], args=([Ref(forwards), Ref(backwards)],), alone=False)

    def _torch_recurrent(
        self, args: Arguments, kind: str, config: dict[str, Any], both: bool, merge: str
    ) -> Iterator[Step]:
        name = args.container.name
        if args.get("outer_activation"):
            raise args.wrong("has an 'outer_activation', which Kur has on Keras only")
        if not both:
            yield self.step(name, kind.upper(), config, kind, f"torch_{kind}")
            return
        if merge != "concat":
            raise args.wrong(
                f"merges its directions by {merge!r}: on PyTorch Kur only has 'concat'"
            )
        last = not config["return_sequences"]
        config = {**config, "return_sequences": True}
        layout = layout_of([f"torch_{kind}"], config)
        directions = {
            role: Layer(
                f"{name}_{word}", kind.upper(), said, self._stored(name, kind, end), {}, layout
            )
            for role, word, said, end in (
                ("forward_layer", "fwd", config, ""),
                ("backward_layer", "rev", {**config, "go_backwards": True}, "_reverse"),
            )
        }
        steps = f"{name}_steps" if last else name
        yield Step(steps, Layer(steps, "Bidirectional", {"merge_mode": "concat"}, (), directions))
        if last:  # of both directions joined: of the way back that is its first step
            at = (slice(None), -1)
            yield self.step(name, "ops.GetItem", args=(Ref(steps), at))

    def merge(self, container: Container) -> Iterator[Step]:
        args = Arguments(container, "mode")
        mode = args.one_of("mode", "concat", *MERGES)
        shorthand = not isinstance(container.args, dict)
        axis = args.number("axis", -1 if shorthand else None)
        config: dict[str, Any] = {}
        if mode == "concat":
            # On PyTorch Kur does not count the axis of samples.
            axis = self._from_the_end(args, axis, 0)
            config["axis"] = axis if self.backend.keras or axis < 0 else axis + 1
        yield self.step(container.name, MERGES[mode], config, alone=False)

    def transpose(self, container: Container) -> Iterator[Step]:
        args = Arguments(container, "axes")
        axes = args.get("axes")
        if not isinstance(axes, (list, tuple)) or sorted(map(repr, axes)) != sorted(
            map(repr, range(len(axes)))
        ):
            raise args.wrong(f"has the axes {axes!r:.60}, expected each from 0 on once")
        if not args.flag("include_batch", False):
            axes = [0, *(axis + 1 for axis in axes)]
        yield self.step(container.name, "ops.Transpose", {"axes": list(axes)})

    def expand(self, container: Container) -> Iterator[Step]:
        yield self._at_axis(container, "ops.ExpandDims", 1)

    def squeeze(self, container: Container) -> Iterator[Step]:
        yield self._at_axis(container, "ops.Squeeze", 0)

    def _at_axis(self, container: Container, operation: str, more: int) -> Step:
        args = Arguments(container, "dimension")
        axis = self._from_the_end(args, args.number("dimension"), more)
        return self.step(container.name, operation, {"axis": axis + 1 if axis >= 0 else axis})

    def _from_the_end(self, args: Arguments, axis: int, more: int) -> int:
        """The axis that Kur takes a negative one for, of as many as it knows and `more`."""
        if axis >= 0 or self._rank is None:
            return axis
        if axis + self._rank + more < 0:
            raise args.wrong(f"has the axis {axis}, where Kur takes its input to have {self._rank}")
        return axis + self._rank + more

    def repeat(self, container: Container) -> Iterator[Step]:
        count = Arguments(container, "count").positive("count")
        yield self.step(container.name, "RepeatVector", {"n": count})

    def parallel(self, container: Container) -> Iterator[Step]:
        """Each layer wrapped by itself."""
        rank = plus(self._rank, -1)
        wrapped = self._wrapped_by_keras if self.backend.keras else self._wrapped_by_torch
        for i, child in enumerate(container.children):
            count = 0
            for terminal in child.layers():
                self._rank = rank
                for step in wrapped(terminal, f"{container.name}_{child.name}_{i}", count):
                    each = Layer(step.name, "TimeDistributed", children={"layer": step.layer})
                    yield Step(step.name, each)
                    count += 1
                rank = self.rank_after(terminal, rank)

    def _wrapped_by_torch(self, terminal: Container, wrapper: str, first: int) -> Iterator[Step]:
        if terminal.type in BROKEN:
            raise UnsupportedOption(
                f"{terminal.where}: of a {terminal.type!r} in 'parallel' Kur on PyTorch applies no "
                "more than the moving of axes that comes after it"
            )
        name = self._wrapper = f"{wrapper}_{first}"
        layer, takes_list = self.layer(terminal, self._rank)
        self._wrapper = None
        if takes_list:
            raise self._not_alone(terminal)
        yield Step(name, layer)

    def _wrapped_by_keras(self, terminal: Container, wrapper: str, first: int) -> Iterator[Step]:
        """What is wrapped has its arrays under the name of its outermost wrapper."""
        outermost = self._wrapper is None
        made, steps = self._wrappable(terminal), []
        for number in itertools.count(first):
            name = f"{wrapper}_{number}"
            if outermost:
                self._wrapper = name
            step = next(made, None)
            if outermost:
                self._wrapper = None
            if step is None:
                break
            if step.args is not None or not step.alone:
                raise self._not_alone(terminal)
            steps.append(step)
            yield Step(name, step.layer)
        self._steps.setdefault(self._key(terminal, None), steps)

    def _not_alone(self, terminal: Container) -> BadFile:
        return BadFile(
            f"{terminal.where}: {terminal.type!r} cannot be in 'parallel', which takes what is a "
            "layer by itself."
        )

    def _wrappable(self, terminal: Container) -> Iterator[Step]:
        """The layers of a container in `parallel`, each asked for with its wrapper set."""
        if terminal.type != "reuse":
            yield from self._made(terminal)
            return
        wrapper, self._wrapper = self._wrapper, None
        steps = [step for one in self._target(terminal).layers() for step in self.steps(one)]
        self._wrapper = wrapper
        for step in steps:
            if self._wrapper:
                self.tensors.also(self._wrapper)
            yield step


def composed(name: str, steps: list[Step]) -> Layer:
    """One layer of several, whose values are inner ones: `name/parts/step`."""
    counts: dict[str, int] = {INPUT: 1}
    at = {INPUT: INPUT}  # the address of each step, by its name
    before = Ref(INPUT)
    nodes = [Node(INPUT, Layer(INPUT, "InputLayer"))]
    for step in steps:
        args = (before,)
        if step.args is not None:
            args = map_leaves(
                lambda leaf: Ref(at[leaf.node]) if isinstance(leaf, Ref) else leaf, step.args
            )
        counts[step.name] = counts.get(step.name, 0) + 1
        address = at[step.name] = addresses.numbered(step.name, counts[step.name])
        nodes.append(Node(address, step.layer, args))
        before = Ref(address)
    graph = Graph(name, "Functional", tuple(nodes), INPUT, before)
    return Layer(name, "Container", children={"parts": graph})


MADE: dict[str, Callable[[Layers, Container], Iterator[Step]]] = {
    type_: getattr(Layers, type_)
    for type_ in (
        "convolution", "dense", "activation", "pool", "batch_normalization", "dropout", "flatten",
        "embedding", "recurrent", "merge", "transpose", "expand", "squeeze", "repeat", "parallel",
    )
}  # fmt: skip
