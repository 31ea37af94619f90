"""Matrix products."""

from __future__ import annotations

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
