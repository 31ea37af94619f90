"""Linear algebra of matrices in the last two axes."""

from __future__ import annotations

import math

import numpy as np

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import BadInput, UnsupportedOption
from npforward.ops.registry import op


def _t(a):
    return np.swapaxes(a, -1, -2)


def _square(a, **options):
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"an array of shape {a.shape} holds no square matrices")
    return a.shape


def transposed(a):
    """The last two axes exchanged."""
    return ops.transpose(a, axes=(*range(a.ndim - 2), a.ndim - 1, a.ndim - 2))


def _inv(a):
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        raise BadInput("a matrix has no inverse") from None


@op(lambda g, y, a: -_t(y) @ g @ _t(y), shape=_square, floats=True, wide=True)
def inv(a):
    """The inverse."""
    return _inv(a)


def _cofactors(a):
    """The derivative of the determinant, which exists for singular matrices too."""
    u, s, v = np.linalg.svd(a)
    others = np.stack(
        [np.prod(np.delete(s, i, axis=-1), axis=-1) for i in range(s.shape[-1])], axis=-1
    )
    sign = np.linalg.det(u) * np.linalg.det(v)
    return sign[..., None, None] * ((u * others[..., None, :]) @ v)


@op(
    lambda g, y, a: np.asarray(g)[..., None, None] * _cofactors(a),
    shape=lambda a: _square(a)[:-2],
    floats=True,
    wide=True,
)
def det(a):
    """The determinant."""
    return np.asarray(np.linalg.det(a))


def _lower_half(a):
    """The lower triangle, with half of the diagonal."""
    n = a.shape[-1]
    return np.tril(a) * (1 - 0.5 * np.eye(n, dtype=a.dtype))


def _cholesky_vjp(g, y, a):
    # I. Murray, Differentiation of the Cholesky decomposition (2016).  Only the lower triangle of
    # a is read, so that is where the gradient is; TensorFlow spreads it over both.
    try:
        inverse = np.linalg.inv(y)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan, g.dtype)
    s = _t(inverse) @ _lower_half(_t(y) @ np.tril(g)) @ inverse
    return _lower_half(s + _t(s))


@op(_cholesky_vjp, shape=_square, floats=True, wide=True)
def cholesky_or_nan(a):
    """The lower triangle L with L Lᵀ = a; NaN where there is none."""
    y = np.full(a.shape, np.nan, a.dtype)
    for at in np.ndindex(a.shape[:-2]):
        try:
            y[at] = np.linalg.cholesky(a[at])
        except np.linalg.LinAlgError:
            continue
    return y


@op(lambda g, y, a: g)
def checked(a):
    """a, in which NaN is an error."""
    if np.isnan(a).any():
        raise BadInput("a matrix has no Cholesky decomposition: it is not positive definite")
    return a


def cholesky(x, *, upper=False):
    """The triangle L with L Lᵀ = x, or its transpose."""
    y = checked(cholesky_or_nan(x))
    return transposed(y) if upper else y


def cholesky_inverse(x, *, upper=False):
    """The inverse of the matrix whose Cholesky decomposition is x."""
    half = solve_triangles(x, np.eye(x.shape[-1], dtype=x.dtype), lower=not upper)
    return ops.matmul(half, transposed(half)) if upper else ops.matmul(transposed(half), half)


@op(
    lambda g, y, x: np.expand_dims(g, -1) * np.eye(x.shape[-1], dtype=g.dtype),
    shape=lambda x: _square(x)[:-1],
)
def diagonals(x):
    """The main diagonals of the last two axes."""
    return np.diagonal(x, axis1=-2, axis2=-1).copy()


def _solved(a, b, **options):
    if _square(a)[-1] != b.shape[-2]:
        raise ValueError(f"matrices of shape {a.shape} for right sides of shape {b.shape}")
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])


def _unstretched(g, like):
    """A gradient for an array whose leading axes were broadcast."""
    g = g.sum(axis=tuple(range(g.ndim - like.ndim)))
    axes = tuple(i for i, n in enumerate(like.shape) if n == 1 != g.shape[i])
    return g.sum(axis=axes, keepdims=True)


def _solve(a, b):
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise BadInput("a matrix has no inverse, so that no equation has one solution") from None


@op(
    lambda g, y, a, b: _unstretched(-_solve(_t(a), g) @ _t(y), a),
    lambda g, y, a, b: _unstretched(_solve(_t(a), g), b),
    shape=_solved,
    floats=True,
    wide=True,
)
def solve_matrices(a, b):
    """The x with a x = b.  (..., N, N), (..., N, M) -> (..., N, M)"""
    return _solve(a, b)


def _triangle(a, lower):
    return np.tril(a) if lower else np.triu(a)


def _substituted(a, b, lower):
    """Row by row: a triangle needs no elimination.  A 0 on the diagonal gives infinity or NaN."""
    y = np.broadcast_to(b, _solved(a, b)).astype(b.dtype)
    n = a.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(n) if lower else reversed(range(n)):
            known = slice(0, i) if lower else slice(i + 1, n)
            y[..., i, :] -= (a[..., i, None, known] @ y[..., known, :])[..., 0, :]
            y[..., i, :] /= a[..., i, i, None]
    return y


@op(
    lambda g, y, a, b, *, lower: _unstretched(
        -_triangle(_substituted(_t(a), g, not lower) @ _t(y), lower), a
    ),
    lambda g, y, a, b, *, lower: _unstretched(_substituted(_t(a), g, not lower), b),
    shape=_solved,
    floats=True,
    wide=True,
)
def solve_triangles(a, b, *, lower):
    """The x with a x = b, where only one triangle of a counts."""
    return _substituted(a, b, lower)


def _of_vectors(function, a, b):
    """For right sides that are vectors."""
    if b.ndim == a.ndim - 1:
        return ops.squeeze(function(a, ops.expand_dims(b, axis=-1)), axis=-1)
    return function(a, b)


def solve(a, b):
    """The x with a x = b."""
    return _of_vectors(solve_matrices, a, b)


def solve_triangular(a, b, *, lower=False):
    """The x with a x = b, where only one triangle of a counts."""
    return _of_vectors(lambda a, b: solve_triangles(a, b, lower=lower), a, b)


def logdet(x):
    """log(det(x)) of positive definite matrices; NaN for others."""
    return 2 * ops.sum(ops.log(diagonals(cholesky_or_nan(x))), axis=-1)


def norm(x, *, ord=None, axis=None, keepdims=False):
    """The norm of vectors along an axis, or of matrices along two."""
    if not floating(x.dtype) and x.dtype.kind != "c":
        x = ops.cast(x, dtype="float32")
    axes = ops.axes_of(x, axis)
    matrices = len(axes) == 2
    if len(axes) > 2 and (axis is not None or ord is not None):
        raise UnsupportedOption(f"axis={axis} for a norm, expected one axis or two")
    if ord is None or (ord == 2 and not matrices) or (ord == "fro" and matrices):
        return ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=keepdims))
    if matrices:
        y = _matrix_norm(x, ord, axes)
    elif isinstance(ord, str):
        raise UnsupportedOption(f"ord={ord!r} for the norm of vectors, expected a number")
    elif abs(ord) == math.inf:
        y = _extreme(ord)(ops.absolute(x), axis=axes, keepdims=True)
    elif ord == 0:
        y = ops.sum(ops.cast(ops.not_equal(x, 0), dtype=x.dtype), axis=axes, keepdims=True)
    else:
        y = ops.sum(ops.power(ops.absolute(x), float(ord)), axis=axes, keepdims=True)
        y = ops.power(y, 1.0 / ord)
    return y if keepdims else ops.squeeze(y, axis=axes)


def _extreme(ord):
    return ops.max if ord > 0 else ops.min


def _matrix_norm(x, ord, axes):
    """The norm of matrices, with axes of size 1 in their place."""
    if ord in ("nuc", 2, -2):
        rest = [a for a in range(x.ndim) if a not in axes]
        s = ops.singular_values(ops.transpose(x, axes=(*rest, *axes)))
        y = ops.sum(s, axis=-1) if ord == "nuc" else _extreme(ord)(s, axis=-1)
        return ops.reshape(y, shape=tuple(1 if a in axes else n for a, n in enumerate(x.shape)))
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedOption(f"ord={ord!r} for the norm of matrices")
    summed, best = axes if abs(ord) == 1 else axes[::-1]
    y = ops.sum(ops.absolute(x), axis=summed, keepdims=True)
    return _extreme(ord)(y, axis=best, keepdims=True)
