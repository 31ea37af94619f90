"""Matrix products."""

from __future__ import annotations

import string

import numpy as np

from npforward import ops
from npforward.ops.arithmetic import unbroadcast
from npforward.ops.registry import op


def _product(a, b):
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not multiply")
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])


def _turned(x):
    return ops.swapaxes(x, axis1=-1, axis2=-2)


def _matmul_vjp_b(g, y, a, b):
    if len(b.shape) == 2:
        return dense_dw(a, g)
    return unbroadcast(matmul(_turned(a), g), b)


@op(
    lambda g, y, a, b: unbroadcast(matmul(g, _turned(b)), a),
    _matmul_vjp_b,
    shape=_product,
    floats=True,
    wide=True,
    in_ops=True,
)
def matmul(a, b):
    """Matrix product over the last two axes, the others broadcast.  (..., I, K), (..., K, J)"""
    return np.matmul(a, b)


def einsum_parts(equation, a, b):
    """(of a, of b, of the answer) with "..." written out in letters.

    Examples
    --------
    >>> einsum_parts("...b,bc->...c", np.ones((2, 5, 3)), np.ones((3, 4)))
    ('adb', 'bc', 'adc')
    """
    ins, arrow, out = equation.replace(" ", "").partition("->")
    parts = ins.split(",")
    if len(parts) != 2 or not arrow:
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


def einsum_sizes(equation, a, b):
    """The size of each letter's axis.

    Examples
    --------
    >>> einsum_sizes("ab,bc->ac", np.ones((2, 3)), np.ones((3, 4)))
    {'a': 2, 'b': 3, 'c': 4}
    """
    of_a, of_b, _ = einsum_parts(equation, a, b)
    sizes: dict[str, int] = {}
    for part, x in ((of_a, a), (of_b, b)):
        if len(part) != len(x.shape):
            raise ValueError(f"einsum equation {equation!r} does not fit {a.shape} and {b.shape}")
        for letter, n in zip(part, x.shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(f"{equation!r}: axis {letter} is {sizes[letter]} and {n}")
    return sizes


def _einsum_shape(a, b, *, equation):
    sizes = einsum_sizes(equation, a, b)
    return tuple(sizes[letter] for letter in einsum_parts(equation, a, b)[2])


def _contracted(of_a, a, of_b, b, out):
    """The einsum of two arrays as one batched matrix product."""
    for letters in (of_a, of_b):
        if len(set(letters)) < len(letters):
            raise ValueError(f"an axis is repeated in {letters!r}")
    alone_a = tuple(i for i, c in enumerate(of_a) if c not in of_b and c not in out)
    alone_b = tuple(i for i, c in enumerate(of_b) if c not in of_a and c not in out)
    a, of_a = a.sum(axis=alone_a), "".join(c for i, c in enumerate(of_a) if i not in alone_a)
    b, of_b = b.sum(axis=alone_b), "".join(c for i, c in enumerate(of_b) if i not in alone_b)
    batch = [c for c in out if c in of_a and c in of_b]
    summed = [c for c in of_a if c in of_b and c not in out]
    rows = [c for c in out if c in of_a and c not in of_b]
    columns = [c for c in out if c in of_b and c not in of_a]
    sizes = dict(zip(of_a, a.shape, strict=True)) | dict(zip(of_b, b.shape, strict=True))

    def matrices(letters, x, first, second):
        x = x.transpose([letters.index(c) for c in (*batch, *first, *second)])
        sides = [int(np.prod([sizes[c] for c in side], dtype=np.int64)) for side in (first, second)]
        return x.reshape(*(sizes[c] for c in batch), *sides)

    y = np.matmul(matrices(of_a, a, rows, summed), matrices(of_b, b, summed, columns))
    made = [*batch, *rows, *columns]
    return y.reshape([sizes[c] for c in made]).transpose([made.index(c) for c in out])


def _einsum_vjp(i, g, y, a, b, *, equation):
    of_a, of_b, out = einsum_parts(equation, a, b)
    mine, x, other, o = (of_a, a, of_b, b) if i == 0 else (of_b, b, of_a, a)
    seen = "".join(letter for letter in mine if letter in out or letter in other)
    summed = [letter for letter in of_a if letter in of_b and letter not in out]
    rows, columns = out[: len(of_a) - len(summed)], out[len(of_a) - len(summed) :]
    if of_a == rows + "".join(summed) and sorted(of_b) == sorted([*summed, *columns]):
        # Rows times a matrix, as `dense` has it: so are its derivatives.
        if i == 1 and of_b == "".join(summed) + columns:
            flat = [(-1, int(np.prod(z.shape[len(rows) :], dtype=int))) for z in (a, g)]
            dw = dense_dw(*(ops.reshape(z, shape=s) for z, s in zip((a, g), flat, strict=True)))
            return ops.reshape(dw, shape=b.shape)
        if i == 0:
            turned = "".join([*columns, *summed])
            o, other = ops.transpose(o, axes=tuple(map(of_b.index, turned))), turned
    found = einsum(g, o, equation=f"{out},{other}->{seen}")
    if seen == mine:
        return found
    # An axis that only this argument has was summed away: its gradient is the same all along.
    shape = tuple(n if letter in seen else 1 for letter, n in zip(mine, x.shape, strict=True))
    return ops.broadcast_to(ops.reshape(found, shape=shape), shape=x.shape)


@op(each=_einsum_vjp, shape=_einsum_shape, floats=True, wide=True, in_ops=True)
def einsum(a, b, *, equation):
    """Sums of products of two arrays over the axes that the answer lacks: "abc,cd->abd"."""
    of_a, of_b, out = einsum_parts(equation, a, b)
    return np.asarray(_contracted(of_a, a, of_b, b, out), order="C")


def _dense_shape(x, w):
    if x.shape[-1] != w.shape[0]:
        raise ValueError(f"an input with {x.shape[-1]} features meets a kernel for {w.shape[0]}")
    return (*x.shape[:-1], w.shape[1])


@op(
    lambda g, y, x, w: dense(g, ops.transpose(w)),
    lambda g, y, x, w: dense_dw(x, g),
    shape=_dense_shape,
    floats=True,
    wide=True,
    in_ops=True,
)
def dense(x, w):
    """The last axis of x times a matrix.  (..., C), (C, F) -> (..., F)"""
    rows = x.reshape(-1, x.shape[-1]) if x.size else np.zeros((int(np.prod(x.shape[:-1])), len(w)))
    return np.matmul(rows.astype(x.dtype, copy=False), w).reshape(*x.shape[:-1], w.shape[1])


@op(
    lambda d, y, x, g: dense(g, ops.transpose(d)),
    lambda d, y, x, g: dense(x, d),
    shape=lambda x, g: (x.shape[-1], g.shape[-1]),
    floats=True,
    wide=True,
    in_ops=True,
)
def dense_dw(x, g):
    """The gradient of `dense` for its matrix: Σ xᵀ g.  (..., C), (..., F) -> (C, F)"""
    return x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1])


def _slogdet_vjp(g, y, x):
    return g[1][..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2)


@op(_slogdet_vjp, shape=lambda x: [x.shape[:-2]] * 2, floats=True, wide=True)
def slogdet(x):
    """The sign of a determinant, and the logarithm of its size.  (..., N, N) -> (...), (...)"""
    sign, log = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(log, x.dtype)
