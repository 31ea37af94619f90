"""Values that are replaced while a model runs: what stands in for them, and what depends on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npforward import ops
from npforward.addresses import layer_part
from npforward.dtypes import floating
from npforward.errors import BadInput, NpforwardError
from npforward.ops.registry import Op
from npforward.ops.scan import SCAN
from npforward.run.plan import Recording, leading_to
from npforward.tape import Step, Tape, Var


@dataclass(eq=False)
class Replacing:
    """The stand-in of a tape: which values, by address, are something else from there on.

    Attributes
    ----------
    functions
        What is made of values.
    arrays
        Values that come in from outside, with the shape and dtype of what comes; None where it has
        those of the value.
    """

    functions: Mapping[str, Callable[[np.ndarray], Any]] = field(default_factory=dict)
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype] | None] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)  # which of them there were
    before: dict[str, Var] = field(default_factory=dict)  # what functions are called with
    _steps: set[Op] = field(default_factory=set)  # ops that call the functions

    def __call__(self, address: str, y: Var) -> Var:
        if address not in self.functions and address not in self.arrays:
            return y
        self.met.add(address)
        if address in y.tape.taps:
            raise BadInput(
                f"{address!r} cannot be replaced: several values within its layer are called so"
            )
        return self._made(address, y) if address in self.functions else self._given(address, y)

    def _made(self, address: str, y: Var) -> Var:
        tape, scope = y.tape, y.tape.scope
        op = _calling(self.functions[address], address)
        self._steps.add(op)
        tape.scope = layer_part(address)
        shown = _shown(tape, y)
        made = ops.reshape(op(shown), shape=y.shape) if tape.shows else op(y)
        tape.scope = scope
        if not tape.depth:
            self.before[address] = shown
        return made

    def _given(self, address: str, y: Var) -> Var:
        tape, said = y.tape, self.arrays[address]
        shape, dtype = said or (_shown(Tape(), y, tape.shows).shape, y.dtype)
        given = tape.fed.setdefault(address, tape.var(shape, dtype))
        return given if said or not tape.shows else ops.reshape(given, shape=y.shape)

    def concerns(self, address: str) -> bool:
        """Whether anything within this call is replaced, beside its outputs."""
        inside = f"{address}:", f"{address}/"
        return any(other.startswith(inside) for other in (*self.functions, *self.arrays))

    def changed(self, recording: Recording) -> set[Var]:
        """All values that depend on what was replaced."""
        steps = recording.tape.steps
        made = {out for step in steps if self._calls(step) for out in step.outs}
        return dependent(steps, made | set(recording.tape.fed.values()))

    def _calls(self, step: Step) -> bool:
        inside = step.options["program"].steps if step.op is SCAN else ()
        return step.op in self._steps or any(map(self._calls, inside))


def _shown(tape: Tape, y: Var, shows: Sequence[Callable[[Any], Any]] | None = None) -> Any:
    """A value as its trace shows it; recorded on another tape, it is only its shape."""
    shown: Any = y if y.tape is tape else tape.var(y.shape, y.dtype)
    for show in reversed(tape.shows if shows is None else shows):
        shown = show(shown)
    return shown


def _calling(function: Callable[[np.ndarray], Any], address: str) -> Op:
    """A step that calls a function of the caller's, which may write into what it gets."""

    def replaced(y: np.ndarray) -> np.ndarray:
        try:
            found = np.asarray(function(np.array(y)))
        except NpforwardError as error:
            raise type(error)(f"replace: the function for {address!r}: {error}") from error
        except Exception as error:
            raise BadInput(
                f"replace: the function for {address!r}, called with an array of shape {y.shape}, "
                f"fails with {type(error).__name__}: {error}"
            ) from error
        if found.shape != y.shape:
            raise BadInput(
                f"replace: the function for {address!r} gives the shape {found.shape}, expected "
                f"that of what it is called with, {y.shape}"
            )
        return of_dtype(found, y.dtype, f"replace: the function for {address!r} gives")

    return Op(replaced, (), lambda y: y.shape, lambda y: y.dtype, floats=False, wide=False)


def of_dtype(array: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    """An array in the dtype of what it replaces, unless that would change what it says.

    Examples
    --------
    >>> of_dtype(np.array([1, 2]), np.dtype("float32"), "it is")
    array([1., 2.], dtype=float32)
    """
    if dtype.kind == "U":
        fits = array.dtype.kind == "U"
    else:
        fits = array.dtype.kind in "biuf" + dtype.kind or floating(array.dtype)
    if not fits:
        kind = "strings" if dtype.kind == "U" else f"{dtype} numbers"
        raise BadInput(f"{where} {array.dtype}, expected {kind}")
    if array.dtype == dtype or dtype.kind == "U":
        return array
    with np.errstate(all="ignore"):
        found = array.astype(dtype)
    if dtype.kind in "biu" and not np.array_equal(found, array):
        raise BadInput(f"{where} {array.dtype}, some of which are no {dtype} numbers")
    return found


def fitting(given: Any, var: Var, where: str) -> np.ndarray:
    """What the caller gives for a value, as an array of its shape and dtype.

    Examples
    --------
    >>> fitting(1, Tape().var((2,), "float32"), "it is")
    array([1., 1.], dtype=float32)
    """
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{where} no array of numbers: {error}") from None
    try:
        whole = np.broadcast_to(array, var.shape)
    except ValueError:
        raise BadInput(f"{where} the shape {array.shape}, expected {var.shape}") from None
    return of_dtype(whole, var.dtype, where)


def dependent(steps: Iterable[Step], sources: Collection[Var]) -> set[Var]:
    """The `sources`, and all that is computed from them.

    Examples
    --------
    >>> tape = Tape()
    >>> x = tape.var((2,), "float32")
    >>> y = ops.exp(x)
    >>> dependent(tape.steps, [x]) == {x, y}
    True
    """
    found = set(sources)
    for step in steps:
        if any(v in found for v in step.ins):
            found.update(step.outs)
    return found


def needed_besides(
    recording: Recording, wanted: Collection[Var], known: Collection[Var]
) -> list[str]:
    """The values that the `wanted` ones need and that nothing `known` leads to, by address.

    Where there are several on a path, the last of them.

    Examples
    --------
    >>> from npforward.graph import Graph
    >>> recording = Recording(Graph("g", "Functional", {}, (), (), ()), {})
    >>> x, y = recording.tape.var((2,), "float32"), recording.tape.var((2,), "float32")
    >>> recording.inputs, recording.values = [x, y], {"x": x, "y": y}
    >>> needed_besides(recording, [x + y], [y])
    ['x']
    """
    kept, needed = leading_to(recording.tape.steps, wanted, known)
    steps = [step for _, step in kept]
    after = dependent(steps, known)
    before = dependent(steps, needed & set(recording.inputs)) - after
    addresses: dict[Var, str] = {}
    for address, value in recording.values.items():
        if isinstance(value, Var):
            addresses.setdefault(value, address)
    makers = {out: step for step in steps for out in step.outs}
    pending = [v for v in wanted if v in before]
    pending += [v for s in steps if not after.isdisjoint(s.outs) for v in s.ins if v in before]
    found: dict[str, None] = {}
    while pending:
        v = pending.pop(0)
        if v in addresses:
            found[addresses[v]] = None
        elif v in makers:  # a mask, or a step within a layer
            pending += [a for a in makers[v].ins if a in before]
    return list(found)
