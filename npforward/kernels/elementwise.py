"""Functions of one number that numpy lacks, or computes in several passes over memory."""

from __future__ import annotations

import numpy as np

from npforward.kernels.registry import kernel

# W. J. Cody, Rational Chebyshev Approximations for the Error Function, Math. Comp. 23 (1969):
# erf(x) = x P(x^2) / Q(x^2) up to 0.5, erfc(x) = exp(-x^2) R(x) up to 4.
_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
      3.77485237685302021e2, 3.20937758913846947e3)  # fmt: skip
_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2,
      1.28261652607737228e3, 2.84423683343917062e3)  # fmt: skip
_R = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
      2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
      1.23033935479799725e3)  # fmt: skip
_S = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
      1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
      1.23033935480374942e3)  # fmt: skip


def _polynomial(coefficients, x):
    """As np.polyval, but without a new array for every coefficient."""
    y = coefficients[0] * x
    y += coefficients[1]
    for coefficient in coefficients[2:]:
        y *= x
        y += coefficient
    return y


def _erf(x):
    """The error function of float64 numbers."""
    a = np.minimum(np.abs(x), 6.0)  # erf(6) rounds to 1
    small = a <= 0.5
    y = np.empty_like(a)
    b = a[small]
    s = b * b
    y[small] = b * _polynomial(_P, s) / _polynomial(_Q, s)
    b = a[~small]  # with every NaN
    y[~small] = 1 - np.exp(-b * b) * _polynomial(_R, b) / _polynomial(_S, b)
    return np.copysign(y, x)


@kernel
def erf(x):
    """The error function, rounded once from float64."""
    y = np.empty(x.shape, x.dtype)
    flat, out = x.reshape(-1), y.reshape(-1)
    step = 2**14  # the float64 temporaries of a block stay in the cache
    for i in range(0, flat.size, step):
        out[i : i + step] = _erf(flat[i : i + step].astype(np.float64))
    return y


@kernel
def sigmoid(x):
    """1 / (1 + exp(-x)), written so that exp never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@kernel
def softplus(x):
    """log(1 + exp(x)), written so that exp never overflows."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
