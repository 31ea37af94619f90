"""Any model -> a `.keras` file that Keras 3.15 opens and computes the same, or one for Kur."""

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

from npforward.arrays import save
from npforward.conversion import architecture
from npforward.conversion.architecture import Place
from npforward.conversion.containers import Shapes, opened, with_shapes
from npforward.conversion.masks import outright
from npforward.conversion.recorded import recorded, tensors
from npforward.conversion.today import Today, check_classes
from npforward.conversion.vocabulary import keras_3
from npforward.errors import BadInput, UnsupportedLayer
from npforward.formats.keras_zip import CONFIG, METADATA, WEIGHTS
from npforward.limits import Limits
from npforward.model import Model, load_model
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
    shapes: Shapes | None = None,
    limits: Limits | None = None,
) -> Conversion:
    """Write a model as a `.keras` file, as a Kurfile with its weights, or its arrays alone.

    Arrays are written as they are, bit for bit, unless a change says otherwise.  What serves
    training alone is carried over as far as Keras 3 has it; optimizers and losses are not.

    Parameters
    ----------
    model
        A model, or the path of any file that `load_model` takes.
    out
        Where to write, and what:

        ``NAME.keras``
            a file that Keras 3.15 opens, and that computes the same there
        ``FOLDER/NAME.yml``
            a Kurfile and a folder of weights beside it, which Kur 0.7 evaluates to the same; there
            is no `FOLDER` yet, or it is empty
        ``NAME.npz``
            every array by its address
    weights
        A file of weights, if `model` is that of an architecture alone.
    shapes
        The shapes of samples, by the names of inputs, where the file leaves them open.
    limits
        Bounds on what the file may ask of this machine.

    Returns
    -------
    Conversion
        Its `changes` say what had to be put otherwise to mean the same.

    Raises
    ------
    UnsupportedLayer
        A layer has no equal in Keras 3, or in Kur; the message names it, and says what to do.
    CannotWrite
        `out` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> out = folder / "new.keras"
    >>> convert("weights_fixtures/models/mlp/model_tf215.h5", out).arrays
    12
    >>> load_model(out).predict(np.zeros((1, 13), "float32")).shape
    (1, 3)

    A model of Kur, whose Kurfile leaves it to the data how large pictures are:

    >>> kurfile = "weights_fixtures/kur/shared_mnist_cnn/Kurfile.yml"
    >>> done = convert(kurfile, folder / "mnist.keras", shapes={"images": (28, 28, 1)})
    >>> load_model(done.path).inputs[0].shape
    (None, 28, 28, 1)
    """
    out = Path(out)
    write = WRITERS.get(out.suffix.lower())
    if write is None:
        raise BadInput(
            f"{out}: give a name that ends in .keras, as only such files are opened by Keras 3, in "
            ".yml for a Kurfile, or in .npz for the arrays alone."
        )
    if not isinstance(model, Model):
        model = load_model(Path(model), None if weights is None else Path(weights), limits=limits)
    elif weights is not None:
        raise BadInput(f"weights={str(weights)!r} beside a model that is open: it has its own.")
    if shapes is not None:
        model = Model(with_shapes(model.graph, shapes), limits=limits)
    return write(model, out, limits)


def _keras(model: Model, out: Path, limits: Limits | None) -> Conversion:
    model = Model(opened(model.graph), limits=limits)
    _check(model)
    graph, said = outright(model.graph, lambda graph: recorded(graph, limits)[0])
    small, large = recorded(graph, limits)
    masked = [at for at, masks in small.masks.items() if masks]
    known = tensors(small, large)
    today = Today(bind(graph), known, masked)
    graph = today.graph(graph, "")
    config = architecture.entry(graph, "", known)
    places = list(architecture.places(graph))
    with whole_file(out) as temporary:
        _write(temporary, config, places)
    arrays = sum(len(place.arrays) for place in places)
    return Conversion(out, arrays, tuple(dict.fromkeys([*said, *today.said])))


def _npz(model: Model, out: Path, limits: Limits | None) -> Conversion:
    save(model.weights.items(), out)
    return Conversion(out, len(model.weights), ())


def _kur(model: Model, out: Path, limits: Limits | None) -> Conversion:
    from npforward.conversion.kurfile import written

    return Conversion(out, *written(model, out, limits))


WRITERS = {".keras": _keras, ".npz": _npz, ".yml": _kur, ".yaml": _kur}


def _check(model: Model) -> None:
    """Refuse what Keras 3 cannot have, before anything is computed."""
    for spec in model.inputs:
        if spec.shape is None:
            raise UnsupportedLayer(
                f"input {spec.name!r}: the file does not say its shape, without which Keras 3 "
                f"makes no arrays to load. Say it: shapes={{{spec.name!r}: (28, 28, 1)}}, on the "
                f"command line --shape {spec.name}=28,28,1 (as an example)"
            )
    check_classes(model.graph, bind(model.graph), "")


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
            name = str(place.name)  # which a Kurfile gives as a text that knows its line
            file.require_group(f"{place.path}/vars").attrs["name"] = name
            for stored in place.arrays:
                array = stored.read()
                made = file.create_dataset(f"{place.path}/{stored.name}", data=array)
                if array.dtype.name == "bfloat16":  # which HDF5 lacks
                    made.attrs["dtype"] = "bfloat16"
