"""Functions of the caller's own: recorded as the ops they are made of, or else as a single step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npforward.errors import BadInput, NpforwardError
from npforward.graph import leaves, map_leaves
from npforward.ops.registry import Op
from npforward.tape import Var


def own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays that may be called on recorded arrays as well.

    One made of operators and of `npforward.ops` is recorded op by op, and has derivatives.
    Anything else is recorded as one step without derivatives, which gets and gives numpy arrays.

    Examples
    --------
    >>> own(np.cumsum)(np.ones(3))
    array([1., 2., 3.])
    """

    def recordable(*args: Any, **kwargs: Any) -> Any:
        held = [leaf for leaf in leaves([args, kwargs]) if isinstance(leaf, Var)]
        if not held:
            return _called(function, args, kwargs)
        tape = max((var.tape for var in held), key=lambda tape: tape.depth)
        steps, taps = len(tape.steps), len(tape.taps)
        try:
            y = function(*args, **kwargs)
            if any(isinstance(leaf, Var) for leaf in leaves(y)):
                return y
        except NpforwardError:
            raise
        except Exception:  # an array without data is not for every function
            pass
        tape.cut(steps, taps)
        y = tape.record(_opaque(function, args, kwargs), tuple(held), {})
        return list(y) if len(y) > 1 else y[0]

    return recordable


def _opaque(function: Callable[..., Any], args: Any, kwargs: Any) -> Op:
    """A step that calls `function` with arrays in place of the Vars in its arguments."""

    def step(*arrays: Any) -> tuple[np.ndarray, ...]:
        rest = iter(arrays)
        filled, named = map_leaves(
            lambda a: next(rest) if isinstance(a, Var) else a, [args, kwargs]
        )
        return tuple(map(np.asarray, leaves(_called(function, filled, named))))

    def shape(*arrays: Any) -> list[tuple[int, ...]]:
        return [y.shape for y in step(*arrays)]

    def dtype(*arrays: Any) -> list[np.dtype]:
        return [y.dtype for y in step(*arrays)]

    step.__name__ = getattr(function, "__name__", "function")
    return Op(step, (), shape, dtype, floats=False, wide=False, by_value=True)


def _called(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        y = function(*args, **kwargs)
        if any(np.asarray(leaf).dtype == object for leaf in leaves(y)):
            raise TypeError(f"it returns {type(y).__name__}, expected arrays of numbers")
    except NpforwardError:
        raise
    except Exception as error:
        shapes = " and ".join(str(np.shape(a)) for a in leaves([args, kwargs]) if np.ndim(a))
        raise BadInput(
            f"the function given for it, called with {shapes or 'numbers'}, fails with "
            f"{type(error).__name__}: {error}"
        ) from error
    return y
