"""An entry: what a config says of a layer or model, `{"class_name", "config", ...}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]
Step = Callable[[Entry], Entry]  # from what an older Keras says to what a newer one does

MODELS = ("Sequential", "Functional", "Model")
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional"}
RECURRENT |= {"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}


def with_config(entry: Entry, **config: Any) -> Entry:
    """The entry with more in its config.

    >>> with_config({"class_name": "Dense", "config": {"name": "d"}}, units=3)["config"]
    {'name': 'd', 'units': 3}
    """
    return {**entry, "config": {**entry["config"], **config}}


def name_of(entry: Entry) -> Any:
    """What a layer is called: beside its config, or in it."""
    config = entry.get("config")
    return entry.get("name") or (config.get("name") if isinstance(config, dict) else None)


def plain(tree: Any) -> Any:
    """A config without the marks of tuples and shapes, which in other files are lists.

    Examples
    --------
    >>> plain({"strides": {"class_name": "__tuple__", "items": [2, 2]}})
    {'strides': [2, 2]}
    """
    if isinstance(tree, list):
        return [plain(branch) for branch in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.get("class_name") in ("__tuple__", "TensorShape") and "items" in tree:
        return plain(tree["items"])
    return {key: plain(branch) for key, branch in tree.items()}
