"""The loss that a model was compiled with: all that is read of a compile configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npforward.errors import BadFile, NpforwardError, UnsupportedOption
from npforward.formats import guarded_json
from npforward.formats.keras_entry import plain
from npforward.graph import leaves
from npforward.limits import Limits

Said = Callable[[], Any]  # a configuration: an object, its JSON, or None where there is none


def loss_of(said: Said, where: str, limits: Limits) -> Callable[[], Any]:
    """What gives the loss of a compile configuration once it is asked for.

    A model can be run without it: what is wrong with it is said only then.

    Examples
    --------
    >>> from npforward.limits import Limits
    >>> loss_of(lambda: '{"loss": {"a": "mse"}, "metrics": []}', "a.h5", Limits())()
    {'a': 'mse'}
    """

    def loss() -> Any:
        try:
            return _loss(said(), where, limits)
        except NpforwardError as error:
            raise type(error)(f"{error} The model runs all the same: give a loss.") from error

    return loss


def _loss(compiled: Any, where: str, limits: Limits) -> Any:
    if isinstance(compiled, str):
        compiled = guarded_json.loads(compiled, where, limits)
    if compiled is None:
        return None
    if not isinstance(compiled, dict):
        raise BadFile(f"{where} is {type(compiled).__name__}, expected an object with a loss.")
    weights = plain(compiled.get("loss_weights"))
    if any(weight not in (None, 1) for weight in leaves(weights)):
        raise UnsupportedOption(
            f"{where}: the losses of the outputs were added with weights ({weights!r:.80}), which "
            "npforward does not follow."
        )
    return plain(compiled.get("loss"))
