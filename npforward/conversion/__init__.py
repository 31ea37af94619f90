"""Any model that npforward reads -> a `.keras` file that Keras 3.15 opens and that computes the same."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npforward.conversion import architecture
from npforward.conversion.architecture import Tensor
from npforward.conversion.masks import outright
from npforward.conversion.meanings import Today
from npforward.conversion.vocabulary import keras_3
from npforward.errors import BadInput, UnsupportedLayer
from npforward.formats.keras_zip import CONFIG, METADATA, WEIGHTS
from npforward.graph import Graph, Stored
from npforward.limits import Limits
from npforward.model import Model, load_model
from npforward.run import Failed, Recording
from npforward.summary import open_shape, recordings
from npforward.weights import bind
from npforward.writing import whole_file

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True)
class Conversion:
    """A model that was written anew: where, how much, and what had to be put otherwise."""

    path: Path
    layers: int
    arrays: int
    changes: tuple[str, ...]


def convert(
    model: Model | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
) -> Conversion:
    """Write a model as a `.keras` file that Keras 3.15 opens, and that computes the same.

    Parameters
    ----------
    model
        A `Model`, or the path of any file that `load_model` takes.
    out
        Where to write: a path that ends in `.keras`.
    weights
        A file of weights, if the model is an architecture alone.
    limits
        Bounds on what the file may ask of this machine.

    Returns
    -------
    Conversion
        What was written, and what had to be put otherwise to mean the same.

    Raises
    ------
    UnsupportedLayer
        A layer has no equal in Keras 3; the message names it, and says what to do.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "new.keras"
    >>> convert("weights_fixtures/models/mlp/model_tf215.h5", out).arrays
    6
    >>> load_model(out).predict(np.zeros((1, 13), "float32")).shape
    (1, 3)
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise BadInput(f"{out}: give a name that ends in .keras: Keras 3 opens no other.")
    if not isinstance(model, Model):
        model = load_model(Path(model), weights, limits=limits)
    _check(model)
    graph, said = outright(model.graph, lambda graph: _recorded(graph, model, limits)[0])
    tensors = _tensors(*_recorded(graph, model, limits))
    today = Today(bind(graph, model._given))
    graph = today.graph(graph, "")
    config = architecture.entry(graph, "", tensors)
    listed = list(architecture.places(graph))
    with whole_file(out) as temporary:
        _write(temporary, config, listed)
    arrays = sum(len(stored) for _, _, stored in listed)
    return Conversion(out, len(listed) - 1, arrays, tuple(dict.fromkeys([*said, *today.said])))


def _check(model: Model) -> None:
    """The shapes of all inputs must be known, and every value must be one that can be computed."""
    for spec in model.inputs:
        if spec.shape is None:
            raise UnsupportedLayer(
                f"input {spec.name!r}: the file does not say its shape, without which Keras 3 "
                "makes no arrays to load. Build the model with an Input in the Keras that wrote it"
            )


def _recorded(graph: Graph, model: Model, limits: Limits | None) -> tuple[Recording, ...]:
    like = Model(graph, custom_layers=model._given, limits=limits)
    found = recordings(like.inputs, like._record)
    for value in found[0].values.values():
        if isinstance(value, Failed):
            raise value.error
    return found


def _tensors(small: Recording, large: Recording) -> dict[str, Tensor]:
    """The shape and dtype of every value."""
    found = {}
    for address, a in {**small.tape.taps, **small.values}.items():
        b = large.values.get(address, large.tape.taps.get(address))
        if not isinstance(a, Failed) and not isinstance(b, Failed | None) and a.ndim == b.ndim:
            dtype = "string" if a.dtype.kind == "U" else a.dtype.name
            found[address] = Tensor(open_shape(a, b), dtype)
    return found


def _write(path: Path, config: dict[str, Any], listed: Sequence[tuple[str, str, tuple[Stored, ...]]]) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        held = Path(folder) / WEIGHTS
        _write_arrays(held, listed)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in ((METADATA, {"keras_version": keras_3().keras}), (CONFIG, config)):
                archive.writestr(zipfile.ZipInfo(name), json.dumps(content))
            with held.open("rb") as source, archive.open(zipfile.ZipInfo(WEIGHTS), "w", force_zip64=True) as target:
                while block := source.read(2**20):
                    target.write(block)


def _write_arrays(path: Path, listed: Sequence[tuple[str, str, tuple[Stored, ...]]]) -> None:
    """`layers/dense/vars/0`: HDF5 as Keras writes it."""
    import h5py

    with h5py.File(path, "w") as file:
        for place, name, stored in listed:
            file.require_group(f"{place}/vars").attrs["name"] = name
            for array in stored:
                numbers = array.read()
                made = file.create_dataset(f"{place}/{array.name}", data=numbers)
                if numbers.dtype.name == "bfloat16":
                    made.attrs["dtype"] = "bfloat16"
