"""Matrix products."""

from __future__ import annotations

import string

import numpy as np

from npforward.ops.arithmetic import unbroadcast
from npforward.ops.registry import op


def _product(a, b):
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not multiply")
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])


@op(
    lambda g, y, a, b: unbroadcast(g @ np.swapaxes(b, -1, -2), a),
    lambda g, y, a, b: unbroadcast(np.swapaxes(a, -1, -2) @ g, b),
    shape=_product,
    floats=True,
    wide=True,
)
def matmul(a, b):
    """Matrix product over the last two axes, the others broadcast.  (..., I, K), (..., K, J)"""
    return np.matmul(a, b)


def _einsum_parts(equation, a, b):
    """(of a, of b, of the answer) with "..." written out in letters."""
    ins, _, out = equation.replace(" ", "").partition("->")
    parts = ins.split(",")
    if len(parts) != 2 or not out:
        raise ValueError(f"einsum equation {equation!r}: expected 'ab,bc->ac' with two inputs")
    spare = [c for c in string.ascii_letters if c not in equation]
    elided = (
        max(
            len(x.shape) - len(part.replace("...", ""))
            for part, x in zip(parts, (a, b), strict=True)
            if "..." in part
        )
        if "..." in ins
        else 0
    )
    if elided < 0:
        raise ValueError(f"einsum equation {equation!r} does not fit {a.shape} and {b.shape}")
    letters = "".join(spare[:elided])
    return (*(part.replace("...", letters) for part in parts), out.replace("...", letters))


def _einsum_shape(a, b, *, equation):
    of_a, of_b, out = _einsum_parts(equation, a, b)
    sizes: dict[str, int] = {}
    for part, x in ((of_a, a), (of_b, b)):
        if len(part) != len(x.shape):
            raise ValueError(f"einsum equation {equation!r} does not fit {a.shape} and {b.shape}")
        for letter, n in zip(part, x.shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(f"{equation!r}: axis {letter} is {sizes[letter]} and {n}")
    return tuple(sizes[letter] for letter in out)


def _einsum_vjp(i, g, y, a, b, *, equation):
    of_a, of_b, out = _einsum_parts(equation, a, b)
    mine, x, other, o = (of_a, a, of_b, b) if i == 0 else (of_b, b, of_a, a)
    seen = "".join(letter for letter in mine if letter in out or letter in other)
    found = np.einsum(f"{out},{other}->{seen}", g, o, optimize=True)
    # An axis that only this argument has was summed away: its gradient is the same all along.
    missing = tuple(k for k, letter in enumerate(mine) if letter not in seen)
    return np.broadcast_to(np.expand_dims(found, missing), x.shape).astype(x.dtype)


@op(each=_einsum_vjp, shape=_einsum_shape, floats=True, wide=True)
def einsum(a, b, *, equation):
    """Sums of products of two arrays over the axes that the answer lacks: "abc,cd->abd"."""
    of_a, of_b, out = _einsum_parts(equation, a, b)
    # optimize=True lets numpy turn it into a matrix product.
    return np.ascontiguousarray(np.einsum(f"{of_a},{of_b}->{out}", a, b, optimize=True))


def _dense_vjp_w(g, y, x, w):
    return x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1])


def _dense_shape(x, w):
    if x.shape[-1] != w.shape[0]:
        raise ValueError(f"an input with {x.shape[-1]} features meets a kernel for {w.shape[0]}")
    return (*x.shape[:-1], w.shape[1])


@op(
    lambda g, y, x, w: g @ w.T,
    _dense_vjp_w,
    shape=_dense_shape,
    floats=True,
    wide=True,
)
def dense(x, w):
    """The last axis of x times a matrix.  (..., C), (C, F) -> (..., F)"""
    rows = x.reshape(-1, x.shape[-1]) if x.size else np.zeros((int(np.prod(x.shape[:-1])), len(w)))
    return np.matmul(rows.astype(x.dtype, copy=False), w).reshape(*x.shape[:-1], w.shape[1])
