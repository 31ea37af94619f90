"""Matrices as products of simpler ones, and what follows from their singular values.

Where a decomposition leaves signs or phases open they are those of LAPACK, as numpy has them.
"""

from __future__ import annotations

import numpy as np

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import NotDifferentiable
from npforward.ops.linalg import _lower_half, _square, _t
from npforward.ops.registry import op


def _qr_shape(x, *, mode="reduced"):
    *batch, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    return [(*batch, m, k), (*batch, k, n)]


def _qr_vjp(g, y, x, *, mode="reduced"):
    q, r = y
    if r.shape[-1] > r.shape[-2] or q.shape[-1] > r.shape[-1]:
        raise NotDifferentiable("a QR decomposition has a derivative for tall matrices only")
    gq, gr = g
    # S. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions (2010).
    m = r @ _t(gr) - _t(gq) @ q
    low = np.tril(m, -1)
    inner = gq + q @ (low + _t(low) + np.eye(m.shape[-1], dtype=m.dtype) * m)
    return _t(np.linalg.solve(r, _t(inner)))


@op(_qr_vjp, shape=_qr_shape, floats=True, wide=True)
def qr(x, *, mode="reduced"):
    """Orthogonal columns Q and an upper triangle R with Q R = x."""
    return tuple(np.linalg.qr(x, mode))


def _svd_shape(x, *, full_matrices=True):
    *batch, m, n = x.shape
    k = min(m, n)
    u, v = (m, n) if full_matrices else (k, k)
    return [(*batch, m, u), (*batch, k), (*batch, v, n)]


def _diagonal(x):
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def _svd_vjp(g, y, x, *, full_matrices=True):
    (gu, gs, gv), (u, s, v) = g, y
    k = s.shape[-1]
    if gu[..., k:].any() or gv[..., k:, :].any():
        raise NotDifferentiable("singular vectors beyond the singular values have no derivative")
    u, gu, v, gv = u[..., :k], gu[..., :k], _t(v)[..., :k], _t(gv)[..., :k]
    # J. Townsend, Differentiating the singular value decomposition (2016).
    gap = s[..., None, :] ** 2 - s[..., :, None] ** 2
    f = np.where(gap == 0, 0, 1 / np.where(gap == 0, 1, gap))
    inner = _diagonal(gs)
    inner = inner + (f * (_t(u) @ gu - _t(gu) @ u)) * s[..., None, :]
    inner = inner + s[..., :, None] * (f * (_t(v) @ gv - _t(gv) @ v))
    dx = u @ inner @ _t(v)
    if gu.any():
        dx = dx + (gu / s[..., None, :] - u @ (_t(u) @ gu / s[..., None, :])) @ _t(v)
    if gv.any():
        rest = _t(gv / s[..., None, :])
        dx = dx + u @ (rest - (rest @ v) @ _t(v))
    return dx


@op(_svd_vjp, shape=_svd_shape, floats=True, wide=True)
def svd_parts(x, *, full_matrices=True):
    """U, s and V with U diag(s) V = x, the largest of s first."""
    return tuple(np.linalg.svd(x, full_matrices=full_matrices))


def _singular_vjp(g, y, x):
    u, _, v = np.linalg.svd(x, full_matrices=False)
    return (u * g[..., None, :]) @ v


@op(
    _singular_vjp,
    shape=lambda x: (*x.shape[:-2], min(x.shape[-2:])),
    floats=True,
    wide=True,
)
def singular_values(x):
    """The singular values, the largest first."""
    return np.linalg.svd(x, compute_uv=False)


def svd(x, *, full_matrices=True, compute_uv=True):
    """U, s and V with U diag(s) V = x, or s alone."""
    if not compute_uv:
        return singular_values(x)
    return list(svd_parts(x, full_matrices=full_matrices))


def _eigh_vjp(g, y, x):
    (gw, gv), (w, v) = g, y
    gap = w[..., None, :] - w[..., :, None]
    f = np.where(gap == 0, 0, 1 / np.where(gap == 0, 1, gap))
    s = v @ (_diagonal(gw) + f * (_t(v) @ gv)) @ _t(v)
    return _lower_half(s + _t(s))  # only the lower triangle is read


@op(
    _eigh_vjp,
    shape=lambda x: [_square(x)[:-1], x.shape],
    floats=True,
    wide=True,
)
def eigh(x):
    """Eigenvalues of symmetric matrices, the smallest first, and their vectors as columns."""
    return tuple(np.linalg.eigh(x))


def _single(x):
    """x in a dtype that linear algebra knows: float32, or float64 if it is that."""
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def _complex(x):
    return np.dtype(np.complex128 if x.dtype == np.float64 else np.complex64)


@op(None, shape=lambda x: [_square(x)[:-1], x.shape], dtype=_complex)
def eig(x):
    """Eigenvalues of matrices and their vectors as columns, both complex."""
    values, vectors = np.linalg.eig(_single(x))
    return values.astype(_complex(x)), vectors.astype(_complex(x))


def _lu_dtype(x):
    return x.dtype if floating(x.dtype) else np.dtype(np.float32)


@op(
    None,
    shape=lambda x: [_square(x), x.shape[:-1]],
    dtype=lambda x: [_lu_dtype(x), np.dtype(np.int32)],
)
def lu_factor(x):
    """Both triangles of L U = x with its rows exchanged, in one; and where each row of x went."""
    lu = np.array(_single(x))
    n = x.shape[-1]
    rows = np.broadcast_to(np.arange(n, dtype=np.int32), x.shape[:-1]).copy()
    for at in np.ndindex(x.shape[:-2]):
        a, row = lu[at], rows[at]
        for i in range(n):
            best = i + int(np.argmax(np.abs(a[i:, i])))
            if a[best, i] == 0:
                continue
            a[[i, best]], row[[i, best]] = a[[best, i]], row[[best, i]]
            a[i + 1 :, i] /= a[i, i]
            a[i + 1 :, i + 1 :] -= np.outer(a[i + 1 :, i], a[i, i + 1 :])
    return lu.astype(_lu_dtype(x), copy=False), np.argsort(rows, axis=-1).astype(np.int32)


# ---- by singular values -----------------------------------------------------------------------


def _inverted(s, x, rcond, strict):
    """1 / s, but 0 for what counts as 0."""
    least = x.dtype.type(rcond) * s.max(axis=-1, keepdims=True, initial=0)
    kept = s > least if strict else s >= least
    return np.where(kept, 1 / np.where(kept, s, 1), 0).astype(x.dtype)


def _pinv_vjp(g, y, x, *, rcond, strict=True):
    # The derivative of a function of singular values (Yu. Daleckii and S. Krein, 1965), on a
    # square matrix: x with zeros beside it or below.
    m, n = x.shape[-2:]
    size = max(m, n)
    u, s, v = np.linalg.svd(x)
    zeros = [(0, 0)] * (s.ndim - 1) + [(0, size - s.shape[-1])]
    f, s = (np.pad(a, zeros) for a in (_inverted(s, x, rcond, strict), s))
    q = _t(u) @ _t(g) @ _t(v)
    q = np.pad(q, [(0, 0)] * (q.ndim - 2) + [(0, size - m), (0, size - n)])
    column, row = (np.expand_dims(np.stack([s, f]), axis) for axis in (-1, -2))
    (less, rise), (more, total) = column - row, column + row
    same = np.abs(less) <= 1e-6 * more
    slope = np.where(same, -(f * f)[..., None], rise / np.where(same, 1, less))
    mean = np.where(more == 0, 0, total / np.where(more == 0, 1, more))
    inner = slope * (q + _t(q)) / 2 + mean * (q - _t(q)) / 2
    return u @ inner[..., :m, :n] @ v


@op(
    _pinv_vjp,
    shape=lambda x, *, rcond, strict=True: (*x.shape[:-2], x.shape[-1], x.shape[-2]),
    floats=True,
    wide=True,
)
def pseudo_inverse(x, *, rcond, strict=True):
    """The inverse on what x reaches: singular values up to rcond times the largest count as 0."""
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return (_t(v) * _inverted(s, x, rcond, strict)[..., None, :]) @ _t(u)


def _rounding(x):
    """The rounding of x's dtype, as far as that is one of linear algebra."""
    return float(np.finfo(np.float64 if x.dtype == np.float64 else np.float32).eps)


def pinv(x, *, rcond=None):
    """The inverse on what x reaches; what is nearly 0 counts as 0."""
    rcond = 10 * max(x.shape[-2:]) * _rounding(x) if rcond is None else rcond
    return pseudo_inverse(x, rcond=rcond)


def lstsq(a, b, *, rcond=None):
    """The smallest x for which a x is nearest to b."""
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(f"matrices of shape {a.shape} for right sides of shape {b.shape}")
    if rcond is None:
        rcond = _rounding(a) * max(a.shape)
    inverse = pseudo_inverse(a, rcond=_rounding(a) if rcond < 0 else rcond, strict=False)
    return (
        ops.matmul(inverse, b)
        if b.ndim == 2
        else ops.squeeze(ops.matmul(inverse, ops.expand_dims(b, axis=-1)), axis=-1)
    )


@op(None, shape=lambda x, *, tol=None: x.shape[:-2], dtype=lambda x, *, tol=None: np.dtype("int32"))
def matrix_rank(x, *, tol=None):
    """How many singular values are above `tol`."""
    s = np.linalg.svd(_single(x), compute_uv=False)
    if tol is None:
        tol = s.max(axis=-1, keepdims=True, initial=0) * (_rounding(x) * max(x.shape[-2:]))
    return np.asarray((s > tol).sum(axis=-1), np.int32)
