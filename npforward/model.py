"""What users hold: a Model, the Trace of one forward pass, the Summary of a model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import addresses, formats, kernels, pairing
from npforward.dtypes import floating
from npforward.errors import BadFile, BadInput, UnknownName, UnsupportedOption, nearest
from npforward.graph import Graph, Layer, Stored, leaves, map_leaves
from npforward.limits import Limits
from npforward.pairing import Mapped
from npforward.run import (
    FUNCTIONS_BY_NAME,
    Failed,
    Plan,
    Recording,
    compute_dtype,
    owner_of,
    plan,
    run,
    worth_compiling,
)
from npforward.statistics import Statistics, statistics
from npforward.summary import Summary, recordings, summary
from npforward.tape import Var
from npforward.weights import bind, parameters, parts

if TYPE_CHECKING:
    from npforward.costs import Costs
    from npforward.gradients import Gradients
    from npforward.profile import Profile

Selection = str | Iterable[str] | Callable[["SavedLayer"], bool] | None


BACKENDS = ("tensorflow", "theano", "cntk", "jax", "torch", "numpy")


def load_model(
    path: str | Path,
    weights: str | Path | Sequence[str | Path] | None = None,
    *,
    by_name: bool = False,
    mapping: Mapped | None = None,
    custom_layers: Mapping[str, Callable[..., Any]] | None = None,
    backend: str | None = None,
    limits: Limits | None = None,
) -> Model:
    """Open a saved model; its format is told from its content.

    Nothing in the file is executed, and no weights are read before they are needed.

    Parameters
    ----------
    path
        A model file or folder, or an architecture alone (JSON) with `weights` beside it; or a
        Kurfile, which says itself where its weights are.
    weights
        A file of weights for that architecture: `.h5`, `.weights.h5`, `.keras`, `.npz`, `.npy`,
        safetensors or IDX; a folder of IDX files, as Kur writes it; or a list of files with
        arrays.  An `.h5` is paired as Keras does, layer by layer in order, whatever they are
        called.  Plain arrays are called as the weights of the model (``"conv1/kernel"``), or were
        saved by ``np.savez(file, *model.get_weights())``; otherwise give a `mapping`.
    by_name
        Give each layer (or each weight, of plain arrays) what has its name in `weights`, and leave
        out what has not: layers without arrays are an error only once they are needed.
    mapping
        Which array of `weights` each weight of the model is: a dict or function from its address
        to its name in the file, or to a pair: ``("conv1.weight", (2, 3, 1, 0))`` puts the axes in
        that order, ``("conv1.weight", function)`` is what the function makes of the array, and
        ``(("b1", "b2"), function)`` of several.
    custom_layers
        Functions for layers whose code a file does not hold, by the name of the layer or of its
        class (``{"my_layer": function}``); activation functions likewise.  A function takes the
        inputs, then the layer's variables in file order, then keyword-only what it wants of the
        config.  For a Lambda it is just the function.  Made of operators and of `npforward.ops`
        it is recorded op by op, and has derivatives; anything else gets and gives numpy arrays.
    backend
        What the Keras that wrote the file ran on, if the file does not say it: "tensorflow",
        "theano" (which kept convolution kernels in another way) or "cntk".  Of a Kurfile, if the
        names of its weights do not say it: "tensorflow", "theano" or "torch".
    limits
        Bounds on what the file may ask of this machine; by default those of `Limits`.

    Raises
    ------
    MissingFile
        There is no such file.
    BadFile
        It is not a model, or is damaged.
    LimitExceeded
        It exceeds a limit; the message says which.
    UnknownName
        No layer or activation has a name in `custom_layers`.

    Examples
    --------
    >>> model = load_model("weights_fixtures/models/digits_cnn/model.keras")
    >>> model.outputs
    ('digit',)
    """
    if backend not in (None, *BACKENDS):
        known = ", ".join(map(repr, BACKENDS))
        raise BadInput(f"backend={backend!r}, expected one of {known}")
    if weights is None and (by_name or mapping is not None):
        raise BadInput(f"{path}: by_name and mapping are for weights=..., which is not given.")
    limits, backend = limits or Limits(), backend or ""
    with limits.loading(str(path)):
        if weights is None:
            graph = formats.read(path, limits=limits, backend=backend)
        elif formats.pairs(path):
            if by_name or mapping is not None:
                raise BadInput(
                    f"{path}: by_name and mapping are for architectures of Keras: a Kurfile and "
                    "the names of Kur's arrays say whose each is."
                )
            graph = formats.read(path, weights, limits, backend=backend)
        else:
            graph = pairing.read(
                path,
                weights,
                limits,
                by_name=by_name,
                mapping=mapping,
                given=custom_layers,
                backend=backend,
            )
        _check_given(graph, custom_layers or {})
        return Model(graph, custom_layers=custom_layers, limits=limits)


def _check_given(graph: Graph, given: Mapping[str, Callable[..., Any]]) -> None:
    """Every function in `given` must be one, and be meant for something in the model."""
    known: set[str] = set()
    for part in parts(graph):
        said = [part.name, part.type, *(part.config.get(option) for option in FUNCTIONS_BY_NAME)]
        for name in said:
            known |= {name, name.rpartition(">")[2]} if isinstance(name, str) else set()
    for name, function in given.items():
        if name not in known:
            raise UnknownName(
                f"custom_layers: the model has no layer, class of layers or activation {name!r}. "
                f"{nearest(str(name), known)}"
            )
        if not callable(function):
            raise BadInput(
                f"custom_layers: {name!r} is given {type(function).__name__}, expected a function"
            )


@dataclass(frozen=True)
class InputSpec:
    """What an input of a model takes: its name, shape (None: any size) and dtype."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: np.dtype
    axes: int = 0  # the fewest, of an input of any shape: numbers alone get an axis of size 1


class Weights(Mapping[str, np.ndarray]):
    """The arrays of a model by address, read when first asked for, read-only.

    Examples
    --------
    >>> model = load_model("weights_fixtures/models/mlp/model.keras")
    >>> list(model.weights)[0], model.weights.shapes[list(model.weights)[0]]
    ('dense1/kernel', (13, 32))
    """

    def __init__(
        self,
        arrays: Mapping[str, Stored],
        read: Callable[[Stored], np.ndarray] = lambda a: a.read(),
    ) -> None:
        self._arrays = dict(arrays)
        self._read = read

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array, without reading it."""
        return {address: a.shape for address, a in self._arrays.items()}

    @property
    def dtypes(self) -> dict[str, np.dtype]:
        """The dtype of each array, without reading it."""
        return {address: a.dtype for address, a in self._arrays.items()}

    @property
    def nbytes(self) -> dict[str, int]:
        """The bytes that each array takes, without reading it."""
        return {address: a.nbytes for address, a in self._arrays.items()}

    def __getitem__(self, address: str) -> np.ndarray:
        if address not in self._arrays:
            raise UnknownName(f"no weight {address!r}. {nearest(address, self._arrays)}")
        return self._read(self._arrays[address])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


@dataclass(frozen=True)
class SavedLayer:
    """One layer of a model, as its file describes it.

    Examples
    --------
    >>> layer = load_model("weights_fixtures/models/mlp/model.keras").get_layer("dense1")
    >>> layer.type, layer.config["units"], list(layer.weights)
    ('Dense', 32, ['kernel', 'bias'])
    """

    name: str
    type: str
    address: str
    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]


class Trace(Mapping[str, np.ndarray]):
    """Every value that was asked for in one forward pass: address -> array, in execution order.

    The arrays are read-only views: some layers share memory with their input.

    Attributes
    ----------
    layers : Mapping[str, Layer | Graph]
        The saved layer behind each address (its name, type and config).
    inputs, outputs : tuple[str, ...]
        Addresses of the model's inputs and outputs, in the model's order.
    kernels : str
        Which kernels computed it: "compiled" or "numpy".
    aliases : Mapping[str, str]
        Other names by which values are found, of a model that has such: name -> address.

    Examples
    --------
    >>> trace = Trace({"dense": np.zeros((1, 3))}, {"dense": Layer("dense", "Dense")})
    >>> trace["dense"].shape
    (1, 3)
    >>> trace.layers["dense"].type
    'Dense'
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        layers: Mapping[str, Layer | Graph],
        inputs: tuple[str, ...] = (),
        outputs: tuple[str, ...] = (),
        kernels: str = "numpy",
        origin: tuple[Recording, list[np.ndarray]] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._values = values
        self._origin = origin  # of a whole pass: what was run on which inputs
        self.layers = layers
        self.inputs = inputs
        self.outputs = outputs
        self.kernels = kernels
        self.aliases = aliases or {}

    @functools.cached_property
    def statistics(self) -> Statistics:
        """Shape, moments, zeros, dead channels, NaN and Inf of every value."""
        return statistics(self)

    def __getitem__(self, address: str) -> np.ndarray:
        if address in self._values:
            return self._values[address]
        found = addresses.match(address, self._values, self.aliases)
        if len(found) == 1:
            return self._values[found[0]]
        raise UnknownName(f"the trace has no value {address!r}. {nearest(address, self._values)}")

    def __contains__(self, address: object) -> bool:
        return address in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Trace of {len(self)} values: {', '.join(list(self)[:4])}, ..."


class Model:
    """A saved network, ready to be run and looked into.

    Made by `load_model`.  It never changes: `astype` gives another model.

    Examples
    --------
    >>> model = load_model("weights_fixtures/models/mlp/model.keras")
    >>> model.predict(np.zeros((2, 13), "float32")).shape
    (2, 3)
    """

    def __init__(
        self,
        graph: Graph,
        *,
        precision: str | None = None,
        custom_layers: Mapping[str, Callable[..., Any]] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.graph = graph
        self._precision = precision
        self._limits = limits or Limits()
        self._given = dict(custom_layers or {})
        self._bounds = bind(graph, self._given)
        self._read = functools.cache(lambda stored: stored.read())  # each array once, whoever asks
        self._recordings: dict[Any, Recording] = {}
        self._plans: dict[Any, Plan] = {}
        self._fitting: set[tuple[Any, Any]] = set()  # (shape, dtype) of arrays known to fit
        self._laid_out: dict[Any, np.ndarray] = {}  # weights as kernels want them
        self._compiled: bool | None = None  # whether its kernels are; None while it is open
        self._states: dict[str, np.ndarray] = {}  # of stateful layers, between calls of predict

    name = property(lambda self: self.graph.name, doc="The model's name in its file.")
    type = property(lambda self: self.graph.type, doc='"Sequential" or "Functional".')
    config = property(lambda self: self.graph.config, doc="What the file says of the whole model.")

    def __repr__(self) -> str:
        return f"<Model {self.name!r} from {self.graph.source or 'memory'}>"

    # ---- what it is ---------------------------------------------------------------------------

    @functools.cached_property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model takes, in its order."""
        nodes = {node.address: node for node in self.graph.nodes}
        return tuple(self._input(nodes[at].layer) for at in leaves(self.graph.inputs))

    @property
    def loss(self) -> Any:
        """What the file says that the model was compiled with, None if it does not say it.

        A name, or an object as Keras writes it; a list or a dict of these for several outputs.
        Of a loss that is not Keras's own a file holds no more than the name.

        Raises
        ------
        BadFile
            What the file says of it is damaged.
        UnsupportedOption
            The losses of the outputs were weighed.

        Examples
        --------
        >>> load_model("weights_fixtures/models/digits_cnn/model.h5").loss
        'sparse_categorical_crossentropy'
        """
        return self.graph.loss()

    def _input(self, layer: Layer | Graph) -> InputSpec:
        try:
            dtype = np.dtype(compute_dtype(layer.config, self._precision))
        except UnsupportedOption as error:
            raise UnsupportedOption(f"input {layer.name!r}: {error}") from None
        shape = layer.config.get("batch_shape")
        fewest = layer.config.get("fewest_axes", 0) if shape is None else 0
        return InputSpec(layer.name, None if shape is None else tuple(shape), dtype, fewest)

    @functools.cached_property
    def outputs(self) -> tuple[str, ...]:
        """Addresses of the model's outputs, in its order."""
        return tuple(
            ref.node if not ref.output else f"{ref.node}#{ref.output}"
            for ref in leaves(self.graph.outputs)
        )

    @functools.cached_property
    def weights(self) -> Weights:
        """Every array of the model by address (`conv1/kernel`), read when first asked for."""
        found = parameters(self.graph, self._bounds)
        return Weights({p.address: p.stored for p in found}, self._read)

    @functools.cached_property
    def layers(self) -> tuple[SavedLayer | Model, ...]:
        """The layers of the model, each once, in the order of the file; nested models as models."""
        first = {id(node.layer): node for node in reversed(self.graph.nodes)}
        return tuple(self.get_layer(first[id(layer)].address) for layer in self.graph.layers)

    def get_layer(self, name: str) -> SavedLayer | Model:
        """The layer, or nested model, of this name or address.

        Raises
        ------
        UnknownName
            There is none; the nearest names are suggested.

        Examples
        --------
        >>> load_model("weights_fixtures/models/mlp/model.keras").get_layer("dense1").type
        'Dense'
        """
        known = dict(self._calls(self.graph, ""))
        found = addresses.match(name, known, self.graph.aliases) if name not in known else [name]
        if len(found) != 1:
            raise UnknownName(f"no layer {name!r}. {nearest(name, known)}")
        layer = known[found[0]]
        if isinstance(layer, Graph):
            return self._like(layer, self._precision)
        bound = self._bounds[layer]
        held = {weight.name: stored for weight, stored in bound.pairs}
        held |= {stored.name: stored for stored in bound.unnamed}
        arrays = Weights(held, self._read)
        return SavedLayer(layer.name, layer.type, found[0], layer.config, arrays)

    def _like(self, graph: Graph, precision: str | None) -> Model:
        """Another model, with the caller's functions and limits."""
        return Model(graph, precision=precision, custom_layers=self._given, limits=self._limits)

    def _calls(self, graph: Graph, at: str) -> Iterator[tuple[str, Layer | Graph]]:
        for node in graph.nodes:
            address = addresses.join(at, node.address)
            yield address, node.layer
            if isinstance(node.layer, Graph):
                yield from self._calls(node.layer, address)

    def summary(self, nested: bool = False) -> Summary:
        """Keras's table of layers, output shapes and parameters, without running anything.

        Parameters
        ----------
        nested
            Also list the layers of nested models.

        Examples
        --------
        >>> load_model("weights_fixtures/models/mlp/model.keras").summary().total > 0
        True
        """
        return summary(self.graph, self._bounds, self.inputs, self._record, nested=nested)

    def recorded(self) -> tuple[Recording, Recording]:
        """The model recorded for two sizes of every open dimension of its inputs.

        Raises
        ------
        BadFile
            The file says of an input a shape that no array can have.

        Examples
        --------
        >>> small, large = load_model("weights_fixtures/models/mlp/model.keras").recorded()
        >>> small.values["dense1"].shape, large.values["dense1"].shape
        ((2, 32), (3, 32))
        """
        both = recordings(self.inputs, self._record)
        if both is None:
            shapes = ", ".join(f"{spec.name} {spec.shape}" for spec in self.inputs)
            raise BadFile(
                f"{self.graph.source}: no array can have the shapes of its inputs ({shapes}). The "
                "file is damaged: save the model again."
            )
        return both

    def astype(self, dtype: str) -> Model:
        """The same model computing in another precision.

        Parameters
        ----------
        dtype
            "float32", "float64", ...: replaces every floating dtype of the model.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras").astype("float64")
        >>> model.predict(np.zeros((1, 13))).dtype
        dtype('float64')
        """
        if not floating(dtype):
            raise BadInput(f"astype({dtype!r}): expected a floating dtype such as 'float64'")
        return self._like(self.graph, np.dtype(dtype).name)

    # ---- running ------------------------------------------------------------------------------

    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """The model's output.

        Parameters
        ----------
        x
            One array (batch, ...); a list in the order of `inputs`; or a dict by input name.
        batch_size
            Run so many samples at a time: less memory, the same result.

        Returns
        -------
        ndarray or tree of ndarray
            In the structure that the model was saved with.

        Raises
        ------
        BadInput
            `x` does not fit the model; the message names the input and what it takes.
        UnsupportedLayer
            A layer cannot be replayed.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras")
        >>> model.predict(np.ones((3, 13)), batch_size=2).shape
        (3, 3)
        """
        feeds = self.feeds(x)
        n = len(feeds[0]) if feeds and feeds[0].ndim else 1
        if batch_size is not None and batch_size < 1:
            raise BadInput(f"batch_size={batch_size}, expected at least 1")
        size = batch_size or max(n, 1)
        chunks = []
        for i in range(0, max(n, 1), size):
            part = [feed[i : i + size] for feed in feeds]
            recording = self._record(part)
            chosen = self._plan(recording, self.outputs, keep_states=True)
            values = dict(self._run(chosen, part, self._states))
            chunks.append([values[address] for address in self.outputs])
        joined = [_joined(c, feeds) for c in zip(*chunks, strict=True)]
        results = iter(joined)
        return _rebuilt(self.graph.outputs, results)

    def trace(
        self,
        x: Any,
        layers: Selection = None,
        *,
        until: str | None = None,
        inner: bool = False,
        replace: Mapping[str, Any] | None = None,
        start: str | Sequence[str] | None = None,
        batch_size: int | None = None,
    ) -> Trace:
        """Every value of one forward pass, inputs included, in execution order.

        Parameters
        ----------
        x
            As for `predict`.  Or a `Trace` of this model: its values are taken, and only what they
            do not hold or what depends on replaced values is computed.
        layers
            Only these: a glob over addresses (``"block?/conv*"``), a list of globs or addresses,
            or a function of a `SavedLayer` that says which.
        until
            Stop after this layer; what comes later need not even be supported.
        inner
            Also the values inside layers, such as ``conv1:pre`` before the activation.
        replace
            Other values in the place of some, by address (inner ones too): an array that
            broadcasts to the value's shape, as the trace shows it; a number; or a function, called
            with a copy of the value, that gives an array of the same shape.  Everything that
            depends on them is computed from these.  In a loop over time a function is called at
            each time, with the samples of that time.
        start
            Begin at the value of this address, or of several: `x` is the array for it, or a dict
            or Trace that has one for each.  Only what follows from them is computed.
        batch_size
            Run so many samples at a time.  The result is the same, but for layers that normalise
            by the batch at hand, as some of Kur's do: they want the size that Kur had.  It goes
            without `replace` and `start`, and with arrays as `x`.

        Raises
        ------
        UnknownName
            A name that is no value of the model; the nearest are suggested.
        BadInput
            `x`, or an array or function in `replace`, does not fit the model; or more than the
            values at `start` is needed: the message names what.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras")
        >>> trace = model.trace(np.ones((1, 13)))
        >>> list(model.trace(np.ones((1, 13)), layers="dense1*"))
        ['dense1']
        >>> model.trace(trace, replace={"dense1": 0.0})["dense1"].max()
        np.float32(0.0)
        >>> list(model.trace(trace["dense3"], start="dense3"))
        ['dense3', 'elu', 'class']
        """
        if batch_size is not None:
            if replace is not None or start is not None or isinstance(x, Trace):
                raise BadInput("batch_size goes with arrays, and without replace and start")
            return self._traced_in_parts(x, batch_size, layers, until=until, inner=inner)
        origin, given, reached = None, dict[Var, np.ndarray](), None
        feeds: Sequence[Any]
        if replace is None and start is None and not isinstance(x, Trace):
            feeds = inputs = self.feeds(x)
            recording = self._record(inputs)
            origin = recording, inputs
        else:
            from npforward.interventions import changed

            recording, feeds, given, reached = changed(self, x, replace or {}, start)
        wanted = self._selected(recording, layers, until, inner, reached)
        chosen = self._plan(recording, wanted, given=tuple(given))
        if start is not None:
            from npforward.interventions import check_needed

            check_needed(chosen, given)
        values = {}
        for address, array in self._run(chosen, [*feeds, *given.values()]):
            if array.flags.writeable:
                array = array.view()
                array.flags.writeable = False
            values[address] = array
        entered = [a for a in leaves(self.graph.inputs) if a in values]
        left = [a for a in self.outputs if a in values]
        which = "compiled" if chosen.programs else "numpy"
        return Trace(
            values,
            chosen.layers,
            tuple(entered),
            tuple(left),
            which,
            origin,
            self.graph.aliases,
        )

    def _traced_in_parts(self, x: Any, size: int, layers: Selection, **options: Any) -> Trace:
        if size < 1:
            raise BadInput(f"batch_size={size}, expected at least 1")
        feeds = self.feeds(x)
        n = len(feeds[0]) if feeds and feeds[0].ndim else 1
        names = [spec.name for spec in self.inputs]
        values: dict[str, list[np.ndarray]] = {}
        for i in range(0, max(n, 1), size):
            part = {name: feed[i : i + size] for name, feed in zip(names, feeds, strict=True)}
            trace = self.trace(part, layers, **options)
            for address, array in trace.items():
                room = f"{address} of {n} samples: bytes"
                self._limits.check("value_bytes", array.nbytes * math.ceil(n / size), room)
                values.setdefault(address, []).append(array)
        joined = {address: _joined_values(address, parts, n) for address, parts in values.items()}
        told = trace.layers, trace.inputs, trace.outputs, trace.kernels, None, trace.aliases
        return Trace(joined, *told)

    def stream(
        self,
        x: Any,
        layers: Selection = None,
        *,
        until: str | None = None,
        inner: bool = False,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Like `trace`, but gives out one value after another and keeps none of them.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras")
        >>> next(model.stream(np.ones((1, 13))))[0]
        'row'
        """
        feeds = self.feeds(x)
        recording = self._record(feeds)
        wanted = self._selected(recording, layers, until, inner)
        yield from self._run(self._plan(recording, wanted, apart=True), feeds)

    def gradients(
        self,
        x: Any,
        of: Any = None,
        y: Any = None,
        *,
        layers: Selection = None,
        inner: bool = False,
        sample_weight: Any = None,
        **options: Any,
    ) -> Gradients:
        """The gradient of one number for every value, weight and input: one walk backwards.

        Parameters
        ----------
        x
            As for `predict`.
        of
            What to differentiate, summed over the samples, each of which depends on itself alone:
            a loss with `y` (any name in `keras.losses`, one for each output as a list or dict, a
            function of (y_true, y_pred), or a loss as Keras writes it into files; without it the
            one that the file was compiled with);
            a class (``of=3``, or an integer for each sample): that entry of the only output;
            a value by its address (``of="conv1"``, inner ones too), or with a channel, a place in
            a sample or a function made of `npforward.ops`: ``of=("conv1", 5)``,
            ``of=("conv1", (2, 3, 5))``, ``of=("conv1", lambda a: ops.sum(a * a))``;
            or the gradient to begin with: an array like the output, a list or dict of them, or
            ``of=("conv1", array)``.
        y
            The targets of a loss, as Keras's `fit` takes them.
        layers
            As for `trace`: only the gradients of these values.  One that is not on the path is an
            error.
        inner
            Also those of the values inside layers, such as ``lstm:cell``.
        sample_weight
            Of a loss: a weight for each sample.
        **options
            Of a loss, by Keras's names: ``from_logits=True``, ``reduction="sum"``, ``delta=2.0``.

        Returns
        -------
        Gradients
            `.value`, and by address `.activations`, `.weights`; `.inputs` by name.  The gradients
            have the shapes and dtypes of what they belong to.

        Raises
        ------
        BadInput
            `x`, `y` or `of` does not fit the model.
        UnknownName
            There is no such layer, value or loss.
        NotDifferentiable
            Something on the path has no derivative; the message names it.

        Notes
        -----
        What `tf.GradientTape` gives in Keras with ``training=False``: losses of a softmax or
        sigmoid go by way of its logits, as there; the gradient for that output itself, which the
        tape leaves out, is that of the loss as a function of the probabilities.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras")
        >>> gradients = model.gradients(np.ones((1, 13)), of=2)
        >>> gradients.inputs["row"].shape, gradients.weights["dense1/kernel"].shape
        ((1, 13), (13, 32))
        """
        from npforward.gradients import gradients

        return gradients(
            self, x, of, y, layers=layers, inner=inner, sample_weight=sample_weight, **options
        )

    def profile(self, x: Any = None, repeats: int = 5, *, batch: int = 1) -> Profile:
        """Where the time of a forward pass goes, kernel by kernel, and how near to the limits.

        Parameters
        ----------
        x
            As for `predict`; without it random numbers, of which `batch` samples.
        repeats
            How often each step is timed; the median counts.
        batch
            How many random samples.

        Returns
        -------
        Profile
            One row for each step: the layers it computes, its kernel, time, share of the whole,
            operations and bytes for each second, and its efficiency: the nearer of the two to
            what this CPU was measured to do just then.

        Raises
        ------
        BadInput
            `x` does not fit the model, or the file does not say the shape of an input.

        Examples
        --------
        >>> with kernels.numpy_only():
        ...     load_model("weights_fixtures/models/mlp/model.keras").profile().rows[0].kernel
        'dense'
        """
        from npforward.profile import profile, samples

        feeds = self.feeds(samples(self.inputs, batch) if x is None else x)
        recording = self._record(feeds)
        chosen = plan(recording, self.outputs, library=kernels.compiled())
        weight = functools.partial(self._weight, recording)
        names = [spec.name for spec in self.inputs]
        return profile(self.name, chosen, feeds, names, weight, repeats)

    def costs(self, x: Any = None, *, batch: int = 1) -> Costs:
        """Parameters, operations and bytes of every layer, without running or reading weights.

        Parameters
        ----------
        x
            As for `predict`: its shape counts; without it that of the inputs, with `batch`
            samples, and 224 for every axis that may have any size.
        batch
            How many samples.

        Returns
        -------
        Costs
            One row for each call of a layer, and the totals.  A multiply-add of a product is two
            operations, any function of a number one, a sum one for each of its numbers; moves
            are none.  Padding counts as it is computed, and what depends on weights alone does not.

        Raises
        ------
        BadInput
            `x` does not fit the model, or the file does not say the shape of an input.
        UnsupportedLayer
            A layer cannot be replayed.

        Examples
        --------
        >>> found = load_model("weights_fixtures/models/mlp/model.keras").costs()
        >>> found.rows[1].address, found.rows[1].macs == 13 * 32
        ('dense1', True)
        """
        from npforward.costs import costs
        from npforward.profile import samples

        recording = self.recording(samples(self.inputs, batch) if x is None else x)
        return costs(recording, [spec.name for spec in self.inputs], self.outputs)

    def recording(self, x: Any) -> Recording:
        """Every op of a forward pass on an input like `x`, recorded: nothing is run.

        Examples
        --------
        >>> recording = load_model("weights_fixtures/models/mlp/model.keras").recording(
        ...     np.ones((1, 13))
        ... )
        >>> recording.values["dense1"]
        Var(1x32 float32)
        """
        return self._record(self.feeds(x))

    def feeds(self, x: Any) -> list[np.ndarray]:
        """`x` as one checked array for each input, in the model's order and dtypes.

        Examples
        --------
        >>> model = load_model("weights_fixtures/models/mlp/model.keras")
        >>> model.feeds(np.zeros((1, 13), "int64"))[0].dtype
        dtype('float32')
        """
        specs = self.inputs
        if type(x) is np.ndarray and (x.shape, x.dtype) in self._fitting:
            return [x]
        if isinstance(x, Mapping):
            arrays = self._by_name(x)
        elif len(specs) > 1 or _is_list_of_inputs(x, specs):
            if not isinstance(x, (list, tuple)) or len(x) != len(specs):
                names = ", ".join(repr(s.name) for s in specs)
                given = f"{len(x)} arrays" if isinstance(x, (list, tuple)) else "one array"
                raise BadInput(
                    f"the model takes the inputs {names} but got {given}: give a list in this "
                    "order, or a dict by name"
                )
            arrays = list(x)
        else:
            arrays = [x]
        found = [_fitted(spec, a) for spec, a in zip(specs, arrays, strict=True)]
        if len(found) == 1 and found[0] is x and x.dtype.kind == "f":
            self._fitting.add((x.shape, x.dtype))
        sizes = {a.shape[0] for a in found if a.ndim}
        if len(sizes) > 1:
            shapes = [f"{s.name!r} {a.shape}" for s, a in zip(specs, found, strict=True)]
            raise BadInput(f"the inputs differ in their number of samples: {', '.join(shapes)}")
        return found

    def _by_name(self, x: Mapping[str, Any]) -> list[Any]:
        names = [spec.name for spec in self.inputs]
        known = {addresses.escape(name): name for name in names}
        meant = {alias: known.get(at, alias) for alias, at in self.graph.aliases.items()}
        x = {meant.get(name, name): array for name, array in x.items()}
        if isinstance(self.graph.inputs, Mapping) and set(x) == set(self.graph.inputs):
            names = sorted(x, key=str)  # a model built on a dict goes by its keys as well
        for name in x:
            if name not in names:
                raise UnknownName(f"the model has no input {name!r}. {nearest(name, names)}")
        missing = [name for name in names if name not in x]
        if missing:
            raise BadInput(f"no array for the input {missing[0]!r}; the model takes {names}")
        return [x[name] for name in names]

    def _record(
        self,
        feeds: list[np.ndarray],
        more: Hashable = (),
        extend: Callable[[Recording], Any] | None = None,
        blind: bool = False,
    ) -> Recording:
        """The model recorded on inputs of these shapes; kept, unless it hangs on what they hold.

        `extend` records `more` behind it: what it gives is `beside` the recording.  Without a name
        (None) it is not kept.  If `blind`, only the shapes of `feeds` mean anything.
        """
        # Strings of any length are of one dtype.
        shapes = [(x.shape, np.dtype(str) if x.dtype.kind == "U" else x.dtype) for x in feeds]
        key = (tuple((shape, dtype.str) for shape, dtype in shapes), more)
        if more is not None and key in self._recordings:
            return self._recordings[key]

        def evaluate(recording: Recording, wanted: list[Var]) -> list[Any]:
            known = {str(i): var for i, var in enumerate(wanted)}
            weight = functools.partial(self._weight, recording)
            return [array for _, array in run(plan(recording, known), feeds, weight)]

        recording = Recording.of(
            self.graph,
            self._bounds,
            shapes,
            self._precision,
            self._given,
            None if blind else evaluate,
            self._limits,
        )
        if extend is not None:
            recording.beside = extend(recording)
        return self._kept(recording, None if more is None else key)

    def _kept(self, recording: Recording, key: Hashable) -> Recording:
        """The same recording, kept under its key if it is for more than one set of data."""
        recording.tape.evaluate = None  # it holds the inputs, which may be large
        if not recording.tape.by_value and key is not None:
            while len(self._recordings) >= 16:  # many shapes in a loop must not fill memory
                self._recordings.pop(next(iter(self._recordings)))
            self._recordings[key] = recording
        return recording

    def _plan(
        self,
        recording: Recording,
        wanted: tuple[str, ...] | tuple[tuple[Any, Var], ...],
        keep_states: bool = False,
        apart: bool = False,
        given: tuple[Var, ...] = (),
    ) -> Plan:
        """What to run for these values, by address or under names of their own; kept, unless it
        hangs on what the inputs hold.  What is `given` comes in behind the inputs.

        The kernels that a model began with stay its own: they are chosen once.
        """
        library = kernels.compiled() if self._compiled is not False else None
        told = tuple(map(id, given))  # to compare Vars would be recorded
        key = (recording, wanted, keep_states, apart, library, kernels.winograd(), told)
        chosen = self._plans.get(key)
        if chosen is None:
            goals: Any = wanted
            if wanted and isinstance(wanted[0], tuple):
                goals = dict(wanted)  # type: ignore[arg-type]
            chosen = plan(recording, goals, keep_states, library, apart, self._laid_out, given)
            if library is not None and self._compiled is None and chosen.programs:
                self._compiled = worth_compiling(chosen, library)
                if not self._compiled:
                    return self._plan(recording, wanted, keep_states, apart, given)
            if not recording.tape.by_value:
                while len(self._plans) >= 64:
                    self._plans.pop(next(iter(self._plans)))
                self._plans[key] = chosen
        return chosen

    def _run(
        self,
        chosen: Plan,
        feeds: list[np.ndarray],
        states: dict[str, np.ndarray] | None = None,
    ) -> Iterator[tuple[str, np.ndarray]]:
        return run(chosen, feeds, functools.partial(self._weight, chosen.recording), states)

    def reset_states(self) -> None:
        """Let stateful layers begin from zeros again.

        `predict` alone keeps their states from call to call; everything else begins from zeros.

        Examples
        --------
        >>> load_model("weights_fixtures/models/mlp/model.keras").reset_states()
        """
        self._states.clear()

    def _weight(self, recording: Recording, var: Var) -> np.ndarray:
        layer, i = recording.weights[var]
        return self._read(self._bounds[layer].pairs[i][1])

    def _selected(
        self,
        recording: Recording,
        layers: Selection,
        until: str | None,
        inner: bool,
        reached: Collection[str] | None = None,
    ) -> tuple[str, ...]:
        """The addresses to compute, of those that are `reached` (None: all)."""
        if layers is None and until is None and not inner and recording.sound and reached is None:
            return recording.addresses
        everything = [*recording.values, *recording.tape.taps]
        outer = [a for a in recording.values if reached is None or a in reached]
        if until is not None:
            last = self._within_reach(until, list(recording.values), reached)[-1]
            outer = outer[: outer.index(last) + 1]
        known = set(outer)
        taps = [t for t in recording.tape.taps if reached is None or t in reached]
        within = [*outer, *(t for t in taps if owner_of(t, known))]
        if layers is None:
            wanted = within if inner else outer
        elif callable(layers):
            wanted = [a for a in (within if inner else outer) if layers(self._saved(recording, a))]
        else:
            patterns = [layers] if isinstance(layers, str) else list(layers)
            chosen = {a for p in patterns for a in self._within_reach(p, everything, reached)}
            if inner:
                chosen |= {t for t in recording.tape.taps if owner_of(t, chosen)}
            wanted = [a for a in within if a in chosen]
        if until is None and layers is None:
            for value in map(recording.values.get, outer):
                if isinstance(value, Failed):
                    raise value.error
        return tuple(wanted)

    def _saved(self, recording: Recording, address: str) -> SavedLayer:
        layer = recording.layer_of(address)
        return SavedLayer(layer.name, layer.type, address, layer.config, {})

    def _within_reach(
        self, pattern: str, known: list[str], reached: Collection[str] | None
    ) -> list[str]:
        """What a pattern names, as far as it follows from where a run begins."""
        found = self._named(pattern, known)
        left = [a for a in found if reached is None or a in reached]
        if not left:
            raise BadInput(f"{found[0]!r} is not computed: it does not follow from start=...")
        return left

    def _named(self, pattern: str, known: list[str]) -> list[str]:
        found = addresses.match(pattern, known, self.graph.aliases)
        if not found:
            raise UnknownName(f"no layer or value {pattern!r}. {nearest(pattern, known)}")
        return found


def _is_list_of_inputs(x: Any, specs: tuple[InputSpec, ...]) -> bool:
    """Whether a list for a model of one input holds that input, and not its samples."""
    if not isinstance(x, (list, tuple)) or not x or not isinstance(x[0], np.ndarray):
        return False
    shape = specs[0].shape if specs else None
    return len(x) == 1 if shape is None else x[0].ndim >= len(shape)


def _joined(chunks: Sequence[np.ndarray], feeds: list[np.ndarray]) -> np.ndarray:
    """The outputs for parts of a batch as one array, which is nobody else's."""
    if len(chunks) == 1:
        return _own(chunks[0], feeds)
    if len({chunk.shape[1:] for chunk in chunks}) > 1:
        shapes = ", ".join(str(chunk.shape) for chunk in chunks[:3])
        raise BadInput(
            f"parts of the batch give outputs of different shapes ({shapes}), which depend on what "
            "the samples hold: leave batch_size out"
        )
    return np.concatenate(chunks)


def _joined_values(address: str, parts: list[np.ndarray], samples: int) -> np.ndarray:
    """One value of parts of a batch as that of the whole; what has no samples is the same in all.

    A view of memory that nobody else writes to.
    """
    rows = [len(part) if part.ndim else 0 for part in parts]
    if sum(rows) != samples:
        if any(not np.array_equal(part, parts[0]) for part in parts):
            raise BadInput(
                f"{address}: parts of the batch give values that cannot be joined (of shapes "
                f"{', '.join(str(part.shape) for part in parts[:3])}): leave batch_size out"
            )
        return parts[0]
    joined = _joined(parts, parts).view() if len(parts) > 1 else parts[0]
    joined.flags.writeable = False
    return joined


def _own(array: np.ndarray, feeds: list[np.ndarray]) -> np.ndarray:
    """The array, or a copy where it is a view of something else."""
    fresh = array.base is None and array.flags.writeable
    return array if fresh and not any(array is f for f in feeds) else array.copy()


def _rebuilt(tree: Any, results: Iterator[np.ndarray]) -> Any:
    """A tree of outputs with each Ref replaced by its array."""
    return map_leaves(lambda _: next(results), tree)


def _fitted(spec: InputSpec, x: Any) -> np.ndarray:
    """`x` as an array that the input takes, or an error that says what is wrong."""
    where = f"input {spec.name!r}"
    shown = "any shape" if spec.shape is None else f"({', '.join(map(_size, spec.shape))})"
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{where}: not an array of numbers: {error}") from None
    if spec.dtype.kind == "U":
        array = _strings(array, where)
    elif array.dtype.kind in "UST":
        raise BadInput(f"{where} takes {spec.dtype} numbers of shape {shown}, got strings")
    elif array.dtype.kind not in "biuf" + spec.dtype.kind and not floating(array.dtype):
        raise BadInput(f"{where} takes {spec.dtype} numbers of shape {shown}, got {array.dtype}")
    if array.ndim == spec.axes - 1:
        array = array[..., None]
    if spec.shape is not None:
        rank = len(spec.shape)
        # As Keras does it: a last axis of size 1 may be left out or added.
        if array.ndim == rank - 1 and spec.shape[-1] == 1 and rank > 1:
            array = array[..., None]
        elif array.ndim == rank + 1 and array.shape[-1] == 1:
            array = array[..., 0]
        hint = ""
        if array.ndim == rank - 1 and _agrees(spec.shape[1:], array.shape):
            hint = ". It seems to be one sample: give x[None], a batch of one"
        if array.ndim != rank or not _agrees(spec.shape, array.shape):
            raise BadInput(f"{where} takes the shape {shown}, got {np.shape(x)}{hint}")
    if spec.dtype.kind in "iub" and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadInput(f"{where} takes {spec.dtype} numbers, got NaN or infinity among them")
    return array.astype(spec.dtype, copy=False)


def _strings(array: np.ndarray, where: str) -> np.ndarray:
    """An array of text: bytes are read as UTF-8."""
    if array.dtype.kind == "O" and all(isinstance(item, (str, bytes)) for item in array.flat):
        items = [item.encode() if isinstance(item, str) else item for item in array.flat]
        array = np.array(items, np.bytes_).reshape(array.shape)
    if array.dtype.kind not in "UST":
        raise BadInput(f"{where} takes strings, got {array.dtype}")
    try:
        if array.dtype.kind == "S":
            return np.char.decode(array, "utf-8")
        np.char.encode(array.astype(str), "utf-8")  # half of a pair of code units is no text
        return array.astype(str)
    except UnicodeError as error:
        raise BadInput(f"{where} takes text, got what is not Unicode: {error}") from None


def _agrees(expected: tuple[int | None, ...], found: tuple[int, ...]) -> bool:
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(e is None or e == f for e, f in pairs)


def _size(n: int | None) -> str:
    return "any" if n is None else str(n)
