"""The compiled loops behind `kernels.recurrent`; importing this imports numba.

They are functions of a module, not of a builder: numba's cache does not recognise a closure over
compiled functions from one process to the next.  Two samples at a time go through all the steps,
so that their states and sums stay in the nearest cache and a row of U is fetched once for both.
That is as fast as one BLAS product per step, and does not stall where BLAS's threads have to
share cores.  LLVM makes vector code of the loops over units, exp and tanh included: those are
polynomials, of which it understands every operation.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

inner = njit(error_model="numpy")  # where dividing by zero is no exception, LLVM may vectorise
compiled = njit(cache=True, nogil=True, error_model="numpy")


@intrinsic
def _as_float(typingctx, bits):
    """The float32 of these bits."""

    def build(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


# ln 2 in two parts, the first of so few bits that its products with |n| < 256 are exact.
LN2 = np.float32(0.693359375)
LN2_REST = np.float32(-2.12194440054690583e-4)
LOG2_E = np.float32(1.44269504088896341)
LOWEST = np.float32(-104)  # where exp rounds to zero in float32
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
ROUNDED = np.float32(0.5)
# Minimax polynomials: (exp(r) - 1 - r) / r² for |r| < ln 2 / 2, (tanh(x) - x) / x³ by x² < 0.4.
E0, E1, E2, E3, E4, E5 = (
    np.float32(v) for v in (0.5, 0.16666666, 0.04166629, 0.008333499, 0.0013944943, 0.00019790068)
)
T0, T1, T2, T3, T4, T5 = (
    np.float32(v)
    for v in (-0.3333333, 0.1333321, -0.053947203, 0.021702966, -0.008182672, 0.0021475353)
)
SMALL = np.float32(0.625)


@inner
def _power_of_two(n):
    """2^n as a float32, for an int32 n from -126 to 127."""
    bits = np.int32((n + np.int32(127)) << np.int32(23))
    return _as_float(bits)  # type: ignore[call-arg]  # the context comes from numba


@inner
def _exp_below_zero(a):
    """exp(a) of a float32 a <= 0; of NaN, that of the lowest."""
    a = a if a > LOWEST else LOWEST
    n = np.int32(a * LOG2_E - ROUNDED)  # to the nearest, as a is negative
    m = np.float32(n)
    r = (a - m * LN2) - m * LN2_REST
    p = E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * E5))))
    y = ONE + (r + (r * r) * p)
    # 2^n in two factors: the result may be a denormal number, 2^n is none then
    half = n >> np.int32(1)
    return (y * _power_of_two(half)) * _power_of_two(np.int32(n - half))


def sigmoid(x):
    """1 / (1 + exp(-x)), of float32 within 2 ulp."""


@overload(sigmoid, jit_options={"error_model": "numpy"})
def _(x):
    def single(x):
        e = _exp_below_zero(-abs(x))
        s = ONE + e
        y = (ONE if x >= ZERO else e) / s
        # what the sum lost would be a whole ulp of the quotient
        y -= y * (e - (s - ONE)) * (y if x >= ZERO else ONE - y)
        return y if x == x else x

    def double(x):
        e = math.exp(-abs(x))
        return (1.0 if x >= 0 else e) / (1.0 + e)

    return single if x == types.float32 else double


def tanh(x):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), of float32 within 2 ulp."""


@overload(tanh, jit_options={"error_model": "numpy"})
def _(x):
    def single(x):
        a = abs(x)
        e = _exp_below_zero(-TWO * a)
        far = ONE - (TWO * e) / (ONE + e)
        far = far if x >= ZERO else -far
        s = a if a < SMALL else SMALL
        s = s * s
        near = x + x * (s * (T0 + s * (T1 + s * (T2 + s * (T3 + s * (T4 + s * T5))))))
        y = near if a < SMALL else far
        return y if x == x else x

    def double(x):
        return math.tanh(x)

    return single if x == types.float32 else double


@inner
def _add_product(y, x, u):
    """y += x U, of one sample."""
    count = len(x)
    whole = count - count % 4
    for k in range(0, whole, 4):
        u0, u1, u2, u3 = u[k], u[k + 1], u[k + 2], u[k + 3]
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        for j in range(len(y)):
            y[j] += (x0 * u0[j] + x1 * u1[j]) + (x2 * u2[j] + x3 * u3[j])
    for k in range(whole, count):
        u0, x0 = u[k], x[k]
        for j in range(len(y)):
            y[j] += x0 * u0[j]


@inner
def _add_products(y, z, x, w, u):
    """y += x U and z += w U: two samples, in one pass over U."""
    count = len(x)
    whole = count - count % 4
    for k in range(0, whole, 4):
        u0, u1, u2, u3 = u[k], u[k + 1], u[k + 2], u[k + 3]
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        for j in range(len(y)):
            y[j] += (x0 * u0[j] + x1 * u1[j]) + (x2 * u2[j] + x3 * u3[j])
            z[j] += (w0 * u0[j] + w1 * u1[j]) + (w2 * u2[j] + w3 * u3[j])
    for k in range(whole, count):
        u0, x0, w0 = u[k], x[k], w[k]
        for j in range(len(y)):
            y[j] += x0 * u0[j]
            z[j] += w0 * u0[j]


@inner
def _lstm_gates(a, c, h):
    """The gates of one sample, given its sums; c and h become the next."""
    n = len(h)
    i, f, g, o = a[:n], a[n : 2 * n], a[2 * n : 3 * n], a[3 * n :]
    for j in range(n):
        cell = sigmoid(f[j]) * c[j] + sigmoid(i[j]) * tanh(g[j])
        c[j] = cell
        h[j] = sigmoid(o[j]) * tanh(cell)


@inner
def _gru_gates(z, a, h):
    """The gates of one sample; h becomes the next."""
    n = len(h)
    z_u, z_r, z_g = z[:n], z[n : 2 * n], z[2 * n :]
    a_u, a_r, a_g = a[:n], a[n : 2 * n], a[2 * n :]
    one = h.dtype.type(1)
    for j in range(n):
        update = sigmoid(z_u[j] + a_u[j])
        g = tanh(z_g[j] + sigmoid(z_r[j] + a_r[j]) * a_g[j])
        h[j] = update * h[j] + (one - update) * g


@compiled
def lstm(z, h, c, u, a, hs):
    """(N, T, 4U), ...: steps from h and c, which become the last; a (2, 4U) is
    scratch, hs (N, T, U) is filled.
    """
    for b in range(0, len(z), 2):
        many = min(2, len(z) - b)
        for t in range(z.shape[1]):
            for s in range(many):
                a[s, :] = z[b + s, t]
            if many == 2:
                _add_products(a[0], a[1], h[b], h[b + 1], u)
            else:
                _add_product(a[0], h[b], u)
            for s in range(many):
                _lstm_gates(a[s], c[b + s], h[b + s])
                hs[b + s, t, :] = h[b + s]


@compiled
def gru(z, h, u, a, bias, hs):
    """(N, T, 3U), ...: steps from h, which becomes the last; a (2, 3U) is
    scratch, hs (N, T, U) is filled.
    """
    for b in range(0, len(z), 2):
        many = min(2, len(z) - b)
        for t in range(z.shape[1]):
            for s in range(many):
                a[s, :] = bias
            if many == 2:
                _add_products(a[0], a[1], h[b], h[b + 1], u)
            else:
                _add_product(a[0], h[b], u)
            for s in range(many):
                _gru_gates(z[b + s, t], a[s], h[b + s])
                hs[b + s, t, :] = h[b + s]
