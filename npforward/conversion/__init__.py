"""Any model -> a `.keras` file that Keras 3.15 opens, and that computes the same there."""

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
from npforward.conversion.architecture import Place, Tensor
from npforward.conversion.masks import outright
from npforward.conversion.today import Today, check_classes
from npforward.conversion.vocabulary import keras_3
from npforward.errors import BadInput, UnsupportedLayer
from npforward.formats.keras_zip import CONFIG, METADATA, WEIGHTS
from npforward.graph import Graph
from npforward.limits import Limits
from npforward.model import Model, load_model
from npforward.run import Failed, Recording
from npforward.summary import open_shape
from npforward.weights import bind
from npforward.writing import whole_file

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True)
class Conversion:
    """A model that was written anew: where, how many arrays, and what had to be put otherwise."""

    path: Path
    arrays: int
    changes: tuple[str, ...]


def convert(
    model: Model | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
) -> Conversion:
    """Write a model as a `.keras` file that Keras 3.15 opens, and that computes the same there.

    Arrays are written as they are, bit for bit, unless a change says otherwise.  What serves
    training alone is carried over as far as Keras 3 has it; optimizers and losses are not.

    Parameters
    ----------
    model
        A model, or the path of any file that `load_model` takes.
    out
        Where to write: a name that ends in `.keras`.
    weights
        A file of weights, if `model` is that of an architecture alone.
    limits
        Bounds on what the file may ask of this machine.

    Returns
    -------
    Conversion
        Its `changes` say what had to be put otherwise to mean the same.

    Raises
    ------
    UnsupportedLayer
        A layer has no equal in Keras 3; the message names it, and says what to do.
    CannotWrite
        `out` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "new.keras"
    >>> convert("weights_fixtures/models/mlp/model_tf215.h5", out).arrays
    12
    >>> load_model(out).predict(np.zeros((1, 13), "float32")).shape
    (1, 3)
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise BadInput(f"{out}: give a name that ends in .keras: Keras 3 opens no other.")
    if not isinstance(model, Model):
        model = load_model(Path(model), None if weights is None else Path(weights), limits=limits)
    elif weights is not None:
        raise BadInput(f"weights={str(weights)!r} beside a model that is open: it has its own.")
    _check(model)

    def recorded(graph: Graph) -> tuple[Recording, Recording]:
        found = Model(graph, limits=limits).recorded()
        for value in found[0].values.values():
            if isinstance(value, Failed):
                raise value.error
        return found

    graph, said = outright(model.graph, lambda graph: recorded(graph)[0])
    small, large = recorded(graph)
    masked = [at for at, masks in small.masks.items() if masks]
    tensors = _tensors(small, large)
    today = Today(bind(graph), tensors, masked)
    graph = today.graph(graph, "")
    config = architecture.entry(graph, "", tensors)
    places = list(architecture.places(graph))
    with whole_file(out) as temporary:
        _write(temporary, config, places)
    arrays = sum(len(place.arrays) for place in places)
    return Conversion(out, arrays, tuple(dict.fromkeys([*said, *today.said])))


def _check(model: Model) -> None:
    """Refuse what Keras 3 cannot have, before anything is computed."""
    for spec in model.inputs:
        if spec.shape is None:
            raise UnsupportedLayer(
                f"input {spec.name!r}: the file does not say its shape, without which Keras 3 "
                "makes no arrays to load. Give the model an Input in the Keras that wrote it, and "
                "save it again"
            )
    check_classes(model.graph, bind(model.graph), "")


def _tensors(small: Recording, large: Recording) -> dict[str, Tensor]:
    """The shape and dtype of every value, open where both sizes of the input differ in it."""
    found = {}
    for address, a in {**small.tape.taps, **small.values}.items():
        b = large.values.get(address, large.tape.taps.get(address))
        if not isinstance(a, Failed) and not isinstance(b, Failed | None) and a.ndim == b.ndim:
            dtype = "string" if a.dtype.kind == "U" else a.dtype.name
            found[address] = Tensor(open_shape(a, b), dtype)
    return found


def _write(path: Path, config: dict[str, Any], places: Sequence[Place]) -> None:
    """The members of a `.keras` file, with no date: the same model gives the same bytes."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        held = Path(folder) / WEIGHTS
        _write_arrays(held, places)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in ((METADATA, {"keras_version": keras_3().keras}), (CONFIG, config)):
                archive.writestr(zipfile.ZipInfo(name), json.dumps(content))
            member = zipfile.ZipInfo(WEIGHTS)
            with held.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                while block := source.read(2**20):
                    target.write(block)


def _write_arrays(path: Path, places: Sequence[Place]) -> None:
    """HDF5 as Keras writes it: a group `vars` for each layer, which has its name."""
    import h5py

    with h5py.File(path, "w") as file:
        for place in places:
            file.require_group(f"{place.path}/vars").attrs["name"] = place.name
            for stored in place.arrays:
                array = stored.read()
                made = file.create_dataset(f"{place.path}/{stored.name}", data=array)
                if array.dtype.name == "bfloat16":  # which HDF5 lacks
                    made.attrs["dtype"] = "bfloat16"
