"""Arrays without a model around them: all that such files have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from npforward.errors import WeightMismatch, WeightsOnly
from npforward.graph import Stored

SHOWN = 6  # arrays in a message
ENDINGS = (".gz", ".npy", ".kur", ".idx")


class Loose:
    """Arrays by names of the file's own; whose they are is for `npforward.pairing` to say.

    Examples
    --------
    >>> import numpy as np
    >>> stored = Stored("conv1.weight", (8, 3), np.dtype("float32"), lambda: np.zeros((8, 3)))
    >>> Loose("weights.npz", {"conv1.weight": stored})("layers/conv2d", ("conv1",), False)
    ()
    """

    backend = ""  # what wrote them, no one says

    def __init__(self, where: str, arrays: Mapping[str, Stored]) -> None:
        self.where, self.arrays = where, dict(arrays)

    def __call__(self, place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
        return ()

    def check(self) -> None:
        """None of them has found its layer."""
        if self.arrays:
            raise WeightMismatch(
                f"{self.where}: its {len(self.arrays)} arrays ({listed(self.arrays.values())}) do "
                "not lie as those of a Keras model. Say whose they are: load_model(architecture, "
                "weights=..., mapping={'layer/kernel': 'name in the file', ...})."
            )


def weights_only(path: Path, arrays: Mapping[str, Stored]) -> WeightsOnly:
    """The error for a file of arrays that was given as a model."""
    count = f"{len(arrays)} array{'' if len(arrays) == 1 else 's'}"
    what = f"{count}: {listed(arrays.values())}" if arrays else "no arrays at all"
    return WeightsOnly(
        f"{path}: holds weights only ({what}), not the layers that they belong to. Give the "
        f"architecture as well: load_model(architecture, weights={path.name!r}), where "
        "architecture is a whole model file, what model.to_json() gives, or a Kurfile. "
        f"`npforward weights {path.name}` lists all arrays."
    )


def listed(arrays: Iterable[Stored], count: int = SHOWN) -> str:
    """The first few arrays with their shapes, for a message."""
    several = list(arrays)
    more = f" and {len(several) - count} more" if len(several) > count else ""
    return ", ".join(f"{array.name} {array.shape}" for array in several[:count]) + more


def file_stem(path: Path) -> str:
    """What the one array in a file is called: as the file, without the format's ending.

    Examples
    --------
    >>> file_stem(Path("conv.1+kernel:0.kur")), file_stem(Path("train-images.idx.gz"))
    ('conv.1+kernel:0', 'train-images')
    """
    name = path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name
