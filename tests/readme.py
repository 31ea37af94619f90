"""Writes the generated part of README: the table of layers, from the registry."""

import re
from pathlib import Path

from npforward.layers import LAYERS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- layers: made by tests/readme.py -->", "<!-- /layers -->"


def layers_table() -> str:
    families: dict[str, list[str]] = {}
    for name, definition in LAYERS.items():
        family = definition.fn.__module__.rsplit(".", 1)[-1]
        if name.startswith("ops."):
            family, name = "operations of `keras.ops`", name.removeprefix("ops.")
        families.setdefault(family, []).append(name)
    rows = [
        f"| {family} | {', '.join(f'`{name}`' for name in sorted(names))} |"
        for family, names in sorted(families.items())
    ]
    return "\n".join(["| family | layers |", "|---|---|", *rows])


if __name__ == "__main__":
    text = README.read_text()
    new = f"{BEGIN}\n{layers_table()}\n{END}"
    README.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: new, text, flags=re.S))
