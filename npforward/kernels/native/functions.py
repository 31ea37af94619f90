"""exp, log, tanh and their kin as vector code: within 2 ulp, NaN for NaN, exact at the ends.

Each is a polynomial on a short interval and a step that leads there.  The coefficients are minimax
fits of the float64 function, rounded to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npforward.kernels.native.emit import Emitter, Value


# ln 2 in two parts, the first of so few bits that its products with |n| < 256 are exact.
LN2, LN2_REST = 0.693359375, -2.12194440054690583e-4
LN_2 = 0.693147180559945309  # in one
LOG2_E = 1.44269504088896341
# (exp(r) - 1 - r) / r² for |r| < ln 2 / 2.
EXP = (0.5, 0.16666666, 0.04166629, 0.008333499, 0.0013944943, 0.00019790068)
# (tanh(x) - x) / x³ by x² < 0.4.
TANH = (-0.3333333, 0.1333321, -0.053947203, 0.021702966, -0.008182672, 0.0021475353)
# erf(x) / x - 1 by x² up to 0.93²; log(1 - erf(x)) by x from there to 4.
ERF_NEAR = (0.128379225730896, -0.37612634897232056, 0.11283694207668304, -0.02685927040874958,
            0.005200634244829416, -0.0008137437398545444, 8.345225069206208e-05)  # fmt: skip
ERF_FAR = (0.0001653932995395735, -1.1294604539871216, -0.6334835886955261, -0.10808801651000977,
           0.024954387918114662, -0.004082301631569862, 0.0004052957519888878,
           -1.5743131370982155e-05, -4.1974354303420114e-07)  # fmt: skip
# (log(1 + f) - f + f²/2) / f³ for √½ < 1 + f < √2.
LOG = (0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.1666799634695053,
       0.14219550788402557, -0.12405591458082199, 0.11888174712657928, -0.11675640940666199,
       0.06746601313352585)  # fmt: skip


def polynomial(e: Emitter, coefficients: Sequence[float], x: Value) -> Value:
    y = e.real(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        y = e.fma(y, x, c)
    return y


def unless_nan(e: Emitter, x: Value, y: Value) -> Value:
    """y, but x where x is NaN."""
    return e.select(x.equals(x), y, x)


def power_of_two(e: Emitter, n: Value) -> Value:
    """2^n for whole -126 <= n <= 127."""
    return e.bits(e.shifted(n + 127, 23))


def _reduced(e: Emitter, x: Value) -> tuple[Value, Value]:
    """Whole n and |r| <= ln 2 / 2 so that x = n ln 2 + r."""
    n = e.rounded(x * LOG2_E)
    whole = e.as_float(n)
    return n, e.fma(whole, -LN2_REST, e.fma(whole, -LN2, x))


def exp(e: Emitter, x: Value) -> Value:
    """eˣ; infinite above 88.7, 0 below -104."""
    within = e.larger(e.smaller(e.select(x.equals(x), x, 0.0), 89.0), -104.0)
    return unless_nan(e, x, _power(e, within))


def _power(e: Emitter, x: Value, small: bool = True) -> Value:
    """eˣ for -104 <= x <= 89; unless `small`, for x > -87, where no result is a denormal number."""
    n, r = _reduced(e, x)
    y = e.fma(r * r, polynomial(e, EXP, r), r) + 1.0
    if not small:
        return y * power_of_two(e, n)
    half = e.shifted(n, -1)  # in two factors, neither of which is a denormal number
    return y * power_of_two(e, half) * power_of_two(e, n - half)


def _above(e: Emitter, x: Value, lowest: float) -> Value:
    """max(x, lowest); `lowest` where x is NaN."""
    return e.select(x > lowest, x, lowest)


def exp2(e: Emitter, x: Value) -> Value:
    """2ˣ; infinite from 128 on, 0 below -150."""
    within = e.larger(e.smaller(e.select(x.equals(x), x, 0.0), 129.0), -151.0)
    n = e.rounded(within)
    r = (within - e.as_float(n)) * LN_2
    y = e.fma(r * r, polynomial(e, EXP, r), r) + 1.0
    half = e.shifted(n, -1)
    y = y * power_of_two(e, half) * power_of_two(e, n - half)
    return unless_nan(e, x, y)


def expm1(e: Emitter, x: Value) -> Value:
    """eˣ - 1, exact near 0."""
    within = e.larger(e.smaller(e.select(x.equals(x), x, 0.0), 88.0), -40.0)
    n, r = _reduced(e, within)
    y = e.fma(r * r, polynomial(e, EXP, r), r)
    two_n = power_of_two(e, n)
    y = e.fma(y, two_n, two_n - 1.0)
    y = e.select(x > 88.0, exp(e, x) - 1.0, y)
    return unless_nan(e, x, e.select(n.equals(0), e.fma(r * r, polynomial(e, EXP, r), r), y))


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + e⁻ˣ)"""
    small = _power(e, _above(e, -e.abs(x), -104.0))
    total = small + 1.0
    y = e.select(x >= 0.0, e.real(1.0), small) / total
    # What the sum lost would be a whole ulp of the quotient.
    lost = small - (total - 1.0)
    y = y - y * lost * e.select(x >= 0.0, y, 1.0 - y)
    return unless_nan(e, x, y)


def tanh(e: Emitter, x: Value) -> Value:
    """(eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)"""
    size = e.abs(x)
    small = _power(e, _above(e, size * -2.0, -20.0), small=False)  # tanh(10) rounds to 1
    far = e.copysign(1.0 - (small + small) / (small + 1.0), x)
    s = x * x
    near = e.fma(x * s, polynomial(e, TANH, s), x)
    return unless_nan(e, x, e.select(size < 0.625, near, far))


def erf(e: Emitter, x: Value) -> Value:
    """The error function."""
    size = e.abs(x)
    near = e.fma(x, polynomial(e, ERF_NEAR, x * x), x)
    far = _above(e, polynomial(e, ERF_FAR, e.smaller(size, 4.0)), -20.0)
    far = 1.0 - _power(e, far, small=False)
    return unless_nan(e, x, e.select(size < 0.93, near, e.copysign(far, x)))


def log(e: Emitter, x: Value) -> Value:
    """The natural logarithm; -∞ at 0, NaN below."""
    tiny = x < 1.1754944e-38
    scaled = e.select(tiny, x * 2.0**24, x)  # a denormal number has no exponent to read
    bits = e.bits(scaled)
    n = e.shifted(bits - 0x3F3504F3, -23)  # so that 1 + f lies between √½ and √2
    f = e.bits(bits - e.shifted(n, 23)) - 1.0
    n = e.as_float(n) - e.select(tiny, e.real(24.0), 0.0)
    s = f * f
    y = f * s * polynomial(e, LOG, f)
    y = e.fma(n, LN2_REST, y)
    y = e.fma(s, -0.5, y)
    y = e.fma(n, LN2, f + y)
    infinity = float("inf")
    y = e.select(x.equals(infinity), x, y)
    y = e.select(x < 0.0, e.real(float("nan")), y)
    y = e.select(x.equals(0.0), e.real(-infinity), y)
    return unless_nan(e, x, y)


def log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x), exact near 0."""
    whole = x + 1.0
    y = log(e, whole)
    lost = x - (whole - 1.0)  # by the sum: it is made good by the slope of the logarithm
    y = y + e.select(lost.equals(0.0), 0.0, lost / whole)
    return e.select(x.equals(float("inf")), x, unless_nan(e, x, y))


def softplus(e: Emitter, x: Value) -> Value:
    """log(1 + eˣ)"""
    y = e.larger(x, 0.0) + log1p(e, exp(e, -e.abs(x)))
    return unless_nan(e, x, y)
