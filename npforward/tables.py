"""Tables as text: columns as wide as their content, the same on every terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: str) -> str:
    """`text` with what a terminal would obey or drop written as an escape.

    Names come from strangers' files: a layer called ``\\x1b[2J`` must not clear the screen.

    Examples
    --------
    >>> printable("conv1"), printable("a\\x1b[2J")
    ('conv1', 'a\\\\x1b[2J')
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """Rows under a heading: the first `left` columns flush left, the others flush right.

    Examples
    --------
    >>> print(table(["layer", "size"], [["conv1", 12], ["dense", 3456]]))
    layer  size
    -----------
    conv1    12
    dense  3456
    """
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table

    # Only the rule under the heading, in ASCII: what every terminal and doctest can show.
    rule = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    grid = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        grid.add_column(column, justify="left" if number < left else "right", no_wrap=True)
    for row in rows:
        grid.add_row(*(printable(str(cell)) for cell in row))
    # A width that no table reaches: a line that the terminal wraps can still be searched and cut.
    page = Console(
        file=io.StringIO(),
        width=100_000,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    with page.capture() as text:
        page.print(grid, soft_wrap=True)
    return "\n".join(line.rstrip() for line in text.get().splitlines())
