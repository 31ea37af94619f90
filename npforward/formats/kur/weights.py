"""A weights folder of Kur: one array a file, by layer and tensor, and what wrote them.

============================  =====================================================
`dense+dense_W:0`             Keras 1 on TensorFlow
`dense+dense_W`               Keras 1 on Theano
`dense+dense_kernel:0`        Keras 2 on TensorFlow
`dense+dense_kernel`          Keras 2 on Theano
`layer_dense+weight`          PyTorch
============================  =====================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from npforward.errors import BadFile, BadInput, WeightMismatch
from npforward.formats.kur.backends import BACKENDS, KERAS_TENSORS, Backend
from npforward.graph import Stored

SHOWN = 12  # of each side in a message
# TensorFlow's ":0".  Windows has no colon in names: whoever copies a folder there, or unpacks one,
# has something in its place, or nothing.
NUMBERED = re.compile(
    rf"(?<=_)({'|'.join(sorted(KERAS_TENSORS))})[:_. \-\uff1a\ufe55\ua789\u2236\uf03a]?0$"
)


def spelled(name: str) -> tuple[str, str, bool]:
    """Layer and tensor that a file of weights is called by, and whether it is TensorFlow's.

    Examples
    --------
    >>> spelled("..dense.0+..dense.0_W:0"), spelled("..dense.0+..dense.0_W_0")
    (('..dense.0', '..dense.0_W', True), ('..dense.0', '..dense.0_W', True))
    >>> spelled("layer_rnn+weight_ih_l0")
    ('layer_rnn', 'weight_ih_l0', False)
    """
    layer, _, tensor = name.partition("+")
    bare = NUMBERED.sub(r"\1", tensor)
    return layer, bare, bare != tensor


@dataclass(eq=False)
class Tensors:
    """The arrays of a folder by layer and tensor, of which each layer takes its own."""

    where: str
    found: Mapping[tuple[str, str], Stored]
    backend: Backend
    taken: set[tuple[str, str]] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    def take(self, layer: str, tensors: Iterable[str]) -> tuple[Stored, ...]:
        """The tensors of a layer; what is missing is told at the end."""
        wanted = [(layer, tensor) for tensor in tensors]
        self.missing += [
            f"{layer}+{tensor}" for _, tensor in wanted if (layer, tensor) not in self.found
        ]
        self.taken.update(wanted)
        return tuple(self.found[key] for key in wanted if key in self.found)

    def also(self, layer: str) -> None:
        """What files there may be of this layer repeat those of another one."""
        self.taken.update(key for key in self.found if key[0] == layer)

    def check(self) -> None:
        """Every layer has found its arrays, and every array its layer."""
        left = [
            f"{stored.name} {stored.shape}"
            for key, stored in self.found.items()
            if key not in self.taken and not self.backend.ignored(key[1])
        ]
        if not self.missing and not left:
            return
        raise WeightMismatch(
            f"{self.where}: its arrays are not those of the model (as {self.backend.title} names "
            f"them).\n  only in the model:  {_some(self.missing)}\n  only in the folder: "
            f"{_some(left)}\nGive the weights that this Kurfile was trained to: "
            "load_model(path, weights=FOLDER); or, where another Kur wrote them, its backend=."
        )


def tensors(where: str, arrays: Mapping[str, Stored], asked: str, settings: Any) -> Tensors:
    """The arrays of a folder, and which backend wrote them.

    `asked` is what the caller says of it, and `settings` what the Kurfile does.
    """
    found: dict[tuple[str, str], Stored] = {}
    numbered: dict[tuple[str, str], bool] = {}
    for stored in arrays.values():
        layer, tensor, tensorflow = spelled(stored.name)
        if twin := found.get((layer, tensor)):
            raise BadFile(
                f"{where}: {twin.name!r} and {stored.name!r} are the same tensor of the same "
                "layer. Keep the folder of one of them apart."
            )
        found[layer, tensor], numbered[layer, tensor] = stored, tensorflow
    fitting = [b for b in BACKENDS if all(b.fits(*key, n) for key, n in numbered.items())]
    if not fitting:
        signs: dict[str, str] = {}
        for key, n in numbered.items():
            theirs = " or ".join(b.title for b in BACKENDS if b.fits(*key, n)) or "nobody"
            signs.setdefault(theirs, found[key].name)
        told = "; ".join(f"{name!r} is as {who} names it" for who, name in signs.items())
        raise BadFile(f"{where}: no weights folder of one backend of Kur's: {told}.")
    return Tensors(where, found, _chosen(where, fitting, bool(found), asked, settings))


def _chosen(where: str, fitting: list[Backend], told: bool, asked: str, settings: Any) -> Backend:
    """The one backend that the files, the caller and the Kurfile agree on."""
    if asked:
        chosen = [b for b in fitting if b.runs_on == asked]
        # Whoever says so knows better than the names, which tools change.
        chosen = chosen or [on for b in fitting if (on := b.on(asked)) is not None]
        if not chosen:
            libraries = {b.library for b in fitting}
            kin = [b for b in BACKENDS if b.library in libraries]
            raise BadInput(
                f"{where}: backend={asked!r}, but its arrays are named as {fitting[0].title} names "
                f"them. Choose one of {_choices(kin)}."
            )
        return chosen[0]
    said = _said(settings)
    agreed = [b for b in fitting if said is None or b.runs_on in said]
    if told and len(fitting) == 1 and agreed:
        return fitting[0]
    if len({b.runs_on for b in agreed}) == 1:
        return agreed[0]
    if told and not agreed:
        other = " or ".join(sorted(said or ()))
        raise BadFile(
            f"{where}: its arrays are named as {fitting[0].title} names them, but the Kurfile's "
            f"settings.backend says {other}, and each computes something else. Say which it was: "
            f"load_model(..., backend={fitting[0].runs_on!r}) or backend={other.split()[0]!r}."
        )
    names = " or ".join(dict.fromkeys(b.title for b in agreed or fitting))
    raise BadFile(
        f"{where}: nothing in it tells what wrote it: it may be {names}, which differ in what they "
        "compute, and the Kurfile's settings.backend does not say which. Choose: "
        f"load_model(..., backend=...), one of {_choices(agreed or fitting)}."
    )


def _choices(backends: Iterable[Backend]) -> str:
    return ", ".join(dict.fromkeys(repr(b.runs_on) for b in backends))


def _said(settings: Any) -> tuple[str, ...] | None:
    """What the Kurfile's `settings.backend` leaves open to run on; None: anything."""
    said = settings.get("backend") if isinstance(settings, dict) else None
    name = said.get("name") if isinstance(said, dict) else said
    inner = said.get("backend") if isinstance(said, dict) else None
    if isinstance(name, str) and name.lower() == "pytorch":
        return ("torch",)
    if isinstance(inner, str) and inner.lower() in ("tensorflow", "theano"):
        return (inner.lower(),)
    keras = isinstance(name, str) and name.lower() == "keras"
    return ("tensorflow", "theano") if keras else None


def _some(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return (", ".join(items[:SHOWN]) or "none") + more
