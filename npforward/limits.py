"""What a stranger's file may ask of this machine: every bound in one place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from npforward.errors import BadInput, LimitExceeded, nearest

MiB, GiB = 2**20, 2**30


@dataclass(frozen=True)
class Limits:
    """Bounds on what is read from a file, and on what it computes; sizes in bytes.

    A file that exceeds one raises `LimitExceeded`, which names the limit.  Give a changed set to
    `load_model(path, limits=...)`, or `--limit name=value` on the command line.

    Examples
    --------
    >>> Limits().rank
    8
    >>> Limits(layers=10).layers
    10
    """

    file_bytes: int = 8 * GiB
    member_bytes: int = 4 * GiB  # one member of an archive, uncompressed
    zip_ratio: int = 100  # uncompressed / compressed, above 16 MiB
    zip_members: int = 10_000
    config_bytes: int = 64 * MiB
    asset_bytes: int = 16 * MiB  # a vocabulary
    depth: int = 64  # nesting of JSON and YAML
    yaml_nodes: int = 1_000_000  # values in YAML, those that aliases repeat included
    model_depth: int = 16  # models within models
    layers: int = 100_000
    edges: int = 1_000_000
    hdf5_depth: int = 32
    hdf5_objects: int = 200_000
    attribute_bytes: int = 64 * MiB
    rank: int = 8
    tensor_elements: int = 2**31
    weights_bytes: int = 16 * GiB
    value_bytes: int = 16 * GiB  # one value that a layer computes
    image_pixels: int = 89_478_485  # Pillow's own default

    def check(self, name: str, found: float, where: str) -> None:
        """Raise `LimitExceeded` if `found` is above the limit called `name`.

        Examples
        --------
        >>> Limits().check("rank", 4, "model.h5")
        """
        allowed = getattr(self, name)
        if found > allowed:
            raise LimitExceeded(
                f"{where}: {found:,} exceeds the limit {name} = {allowed:,}. "
                f"If you trust this file, raise it: Limits({name}=...) or --limit {name}=..."
            )

    @classmethod
    def parse(cls, settings: list[str]) -> Limits:
        """Limits from the command line's `name=value` texts.

        Examples
        --------
        >>> Limits.parse(["rank=4"]).rank
        4
        """
        known = {field.name for field in dataclasses.fields(cls)}
        changes = {}
        for setting in settings:
            name, _, value = setting.partition("=")
            if name not in known:
                raise BadInput(f"--limit {setting}: no limit {name!r}. {nearest(name, known)}")
            try:
                changes[name] = int(value)
            except ValueError:
                raise BadInput(f"--limit {setting}: {value!r} is not a whole number") from None
        return cls(**changes)
