"""Functions of each number of one array, as a table: value, derivative, what it is."""

from __future__ import annotations

import numpy as np

from npforward.dtypes import arithmetic, exact, floating, promote
from npforward.ops.registry import op


def _unary(value, vjp, doc, *, name="", floats=True, wide=True, **rules):
    """An op that applies `value` to each number; integers count as floats, nothing warns."""

    def fn(x):
        with np.errstate(all="ignore"):
            return value(x)

    fn.__name__, fn.__doc__ = name or value.__name__, doc
    return op(vjp, floats=floats, wide=wide, **rules)(fn)


def _flat(g, y, x):
    return np.zeros_like(g)


def _keeping(value, vjp, doc, name="", **rules):
    """An op that leaves integers integers."""
    return _unary(value, vjp, doc, name=name, floats=False, **rules)


def _asking(value, doc, name=""):
    """An op whose answer is yes or no."""
    return _unary(value, None, doc, name=name, floats=False, wide=False, answer="bool")


def if_asked(g, slope):
    """g times a slope; where g is 0 nothing comes, as in TensorFlow, if the slope is infinite."""
    return np.where(g == 0, 0, g * slope)


def _real(x):
    """The dtype of the parts of complex numbers."""
    return np.zeros(0, x.dtype).real.dtype


# ------------------------------------------------------------------------ exponentials and roots

exp = _unary(np.exp, lambda g, y, x: g * y, "eˣ; infinite where that overflows", in_ops=True)
exp2 = _unary(np.exp2, lambda g, y, x: g * y * np.log(2).astype(g.dtype), "2ˣ")
expm1 = _unary(np.expm1, lambda g, y, x: g * (y + 1), "eˣ - 1, exact near 0", in_ops=True)
log = _unary(
    np.log, lambda g, y, x: g / x, "The natural logarithm; -inf at 0, NaN below", in_ops=True
)
log2 = _unary(np.log2, lambda g, y, x: g / (x * np.log(2).astype(x.dtype)), "log₂ x")
log10 = _unary(np.log10, lambda g, y, x: g / (x * np.log(10).astype(x.dtype)), "log₁₀ x")
log1p = _unary(np.log1p, lambda g, y, x: g / (1 + x), "log(1 + x), exact near 0", in_ops=True)
sqrt = _unary(np.sqrt, lambda g, y, x: if_asked(g, 1 / (2 * y)), "√x; NaN for negative numbers")
cbrt = _unary(np.cbrt, lambda g, y, x: g / (3 * y * y), "The cube root", floats=False, dtype=exact)
square = _unary(
    np.square, lambda g, y, x: g * (2 * x), "x²", floats=False, wide=False, dtype=arithmetic,
    in_ops=True)  # fmt: skip
reciprocal = _unary(np.reciprocal, lambda g, y, x: if_asked(g, -y * y), "1 / x")
i0 = _unary(
    lambda x: np.i0(x).astype(x.dtype),
    lambda g, y, x: g * _i1(x),
    "The modified Bessel function of order 0",
    name="i0",
    floats=False,
    dtype=exact,
)


def _i1(x):
    """The derivative of i0: (1/π) ∫ e^(x cos t) cos t dt over half a turn."""
    # Over a whole period the midpoint rule converges faster than any power of its step.
    t = (np.arange(128) + 0.5) * (np.pi / 128)
    return np.mean(np.exp(x[..., None] * np.cos(t)) * np.cos(t), axis=-1).astype(x.dtype)


# --------------------------------------------------------------------------------- trigonometry

sin = _unary(np.sin, lambda g, y, x: g * np.cos(x), "The sine")
cos = _unary(np.cos, lambda g, y, x: -g * np.sin(x), "The cosine")
tan = _unary(np.tan, lambda g, y, x: g * (1 + y * y), "The tangent")
arcsin = _unary(np.arcsin, lambda g, y, x: g / np.sqrt(1 - x * x), "The angle of a sine")
arccos = _unary(np.arccos, lambda g, y, x: -g / np.sqrt(1 - x * x), "The angle of a cosine")
arctan = _unary(np.arctan, lambda g, y, x: g / (1 + x * x), "The angle of a tangent")
sinh = _unary(np.sinh, lambda g, y, x: g * np.cosh(x), "The hyperbolic sine")
cosh = _unary(np.cosh, lambda g, y, x: g * np.sinh(x), "The hyperbolic cosine")
arcsinh = _unary(np.arcsinh, lambda g, y, x: g / np.sqrt(x * x + 1), "What has this sinh")
arccosh = _unary(np.arccosh, lambda g, y, x: g / np.sinh(y), "What has this cosh")
arctanh = _unary(np.arctanh, lambda g, y, x: g / (1 - x * x), "What has this tanh")
deg2rad = _unary(
    np.deg2rad, lambda g, y, x: np.deg2rad(g), "Degrees in radians", floats=False, dtype=exact
)
rad2deg = _unary(
    np.rad2deg, lambda g, y, x: np.rad2deg(g), "Radians in degrees", floats=False, dtype=exact
)


def _sinc_vjp(g, y, x):
    at = np.where(x == 0, 1, x)
    return np.where(x == 0, 0, g * (np.cos(np.pi * at) - y) / at).astype(g.dtype)


sinc = _unary(lambda x: np.sinc(x).astype(x.dtype), _sinc_vjp, "sin(πx) / (πx)", name="sinc")

# ----------------------------------------------------------------------------- signs and rounding

negative = _keeping(np.negative, lambda g, y, x: -g, "-x", in_ops=True)
absolute = _unary(
    np.absolute, lambda g, y, x: g * np.sign(x), "|x|", floats=False, wide=False, dtype=_real
)
sign = _keeping(np.sign, _flat, "-1, 0 or 1")
floor = _unary(np.floor, _flat, "The next whole number below")
ceil = _unary(np.ceil, _flat, "The next whole number above")
trunc = _keeping(lambda x: np.trunc(x) if floating(x.dtype) else x, _flat, "x without what follows "
                 "the point", name="trunc")  # fmt: skip


def _rounded(x, decimals):
    if decimals == 0:
        return np.rint(x) if floating(x.dtype) else x
    if floating(x.dtype):
        factor = x.dtype.type(10.0**decimals)
        return np.rint(x * factor) / factor
    if decimals > 0:
        return x
    factor = np.float32(10.0**decimals)
    return np.trunc(np.rint(x.astype(np.float32) * factor) / factor).astype(x.dtype)


@op(lambda g, y, x, *, decimals=0: np.zeros_like(g), wide=True)
def round(x, *, decimals=0):
    """The nearest multiple of 10 to the power of -decimals; of two, that with an even digit."""
    with np.errstate(all="ignore"):
        return _rounded(x, decimals)


@op(
    lambda g, y, x, *, low, high: g * ((x >= low) & (x <= high)),
    shape=lambda x, *, low, high: np.broadcast_shapes(x.shape, low.shape, high.shape),
    dtype=arithmetic,
)
def clip(x, *, low, high):
    """max(low, min(x, high))"""
    return np.maximum(np.minimum(x, high.astype(x.dtype)), low.astype(x.dtype))


# -------------------------------------------------------------------------------------- questions

isnan = _asking(np.isnan, "Whether x is NaN")
isfinite = _asking(np.isfinite, "Whether x is a number, not infinite and not NaN")
isinf = _asking(np.isinf, "Whether x is infinite")
isposinf = _asking(lambda x: x == np.inf, "Whether x is ∞", name="isposinf")
isneginf = _asking(lambda x: x == -np.inf, "Whether x is -∞", name="isneginf")
isreal = _asking(np.isreal, "Whether x has no imaginary part")
signbit = _asking(
    lambda x: np.signbit(x) if floating(x.dtype) else x < 0, "Whether x or -0 is negative",
    name="signbit")  # fmt: skip
logical_not = _asking(np.logical_not, "not x")

# ------------------------------------------------------------------------------ bits and the parts

bitwise_invert = _unary(
    np.invert, None, "Each bit turned", name="bitwise_invert", floats=False, wide=False
)
conjugate = _keeping(np.conjugate, lambda g, y, x: np.conjugate(g), "x with -i for i")
copy = _keeping(np.array, lambda g, y, x: g, "x", name="copy")
real = _unary(
    lambda x: x.real, lambda g, y, x: g, "The real part", name="real", floats=False, wide=False,
    dtype=_real)  # fmt: skip
imag = _unary(
    lambda x: x.imag if x.dtype.kind == "c" else np.zeros_like(x), _flat, "The imaginary part",
    name="imag", floats=False, wide=False, dtype=_real)  # fmt: skip


def _angle(x):
    if x.dtype.kind == "c":
        return np.angle(x)
    dtype = x.dtype if floating(x.dtype) else np.float32
    return np.where(x < 0, np.pi, 0).astype(dtype)  # 0 for -0 and NaN: as TensorFlow has it


def _angle_dtype(x):
    found = promote(x)
    return _real(x) if found.kind == "c" else found


angle = _unary(
    _angle, _flat, "The angle of a complex number", name="angle", dtype=_angle_dtype, wide=False
)
