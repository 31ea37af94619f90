"""Numbers moved from one layout to another: transposes, slices, joins, repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npforward.kernels.native.library import Arguments, compiled

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value

AXES = 5  # as many as the kernel loops over
SIZES = tuple(f"size{i}" for i in range(AXES))


@compiled(
    "x y each " + " ".join(f"{name}{i}" for name in ("size", "from", "to") for i in range(AXES))
)
def arrange(e: Emitter, a: Arguments, task: Value, scratch: Value) -> None:
    """Copy between any two layouts: sizes and strides in bytes; `each` of the first axis a task."""

    def axis(i: int, x: Value, y: Value) -> None:
        size, step, to = (getattr(a, f"{name}{i}") for name in ("size", "from", "to"))
        if i < AXES - 1:
            with e.loop(0, size) as n:
                axis(i + 1, x + n * step, y + n * to)
            return
        with e.either(step.equals(4) & to.equals(4)) as (rows, others):
            with rows:
                for at in e.vectors(size):
                    e.store(e.load(x, at), y, at)
            with others, e.either(step.equals(0) & to.equals(4)) as (one, numbers):
                with one:
                    number = e.load_float(x)
                    for at in e.vectors(size):
                        e.store(e.spread(number), y, at)
                with numbers, e.loop(0, size) as n:
                    e.store(e.load_float(x, n * step), y, n * to)

    first = task * a.each
    with e.loop(first, e.smaller(first + a.each, a.size0)) as n:
        axis(1, a.x + n * a.from0, a.y + n * a.to0)
