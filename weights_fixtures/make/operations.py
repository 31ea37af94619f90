"""Run operations of `keras.ops` on small arrays: weights_fixtures/operations/.

A case is one line of the table below: the operation's class, the arguments of its call, the options
of its constructor.  All operations of a module are recorded in one file.

    python weights_fixtures/make/operations.py [CLASS ...]
"""

import itertools

import numpy as np
from recorder import Args, case, command, integers, typed

INF, NAN = float("inf"), float("nan")


def floats(*numbers):
    return np.array(numbers, "float32")


def whole(*numbers, dtype="int32"):
    return np.array(numbers, dtype)


def uniform(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape).astype("float32")


def truths(*shape):
    return lambda rng: rng.random(shape) < 0.5


def holes(*shape):
    """Random numbers, a quarter of them NaN, never all of a row or column of a square."""

    def draw(rng):
        x = rng.standard_normal(shape).astype("float32")
        x.ravel()[1::4] = np.nan
        return x

    return draw


# ------------------------------------------------------------------------------- keras.ops.numpy

# Of each number: float32, what is not a number, and one other dtype each.
EXTREME = floats(-INF, -1e9, -1.5, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 1e9, INF, NAN)
OTHERS = itertools.cycle(
    [
        ("int32", integers(-3, 4, (2, 3), "int32")),
        ("float16", typed("float16", 2, 3)),
        ("bool", truths(2, 3)),
        ("bfloat16", typed("bfloat16", 2, 3)),
        ("uint8", integers(0, 5, (2, 3), "uint8")),
        ("int64", integers(-3, 4, (2, 3), "int64")),
        ("int8", integers(-3, 4, (2, 3), "int8")),
    ]
)
for (
    name
) in """Absolute Abs Fabs Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Copy Cos
    Cosh Deg2rad Exp Exp2 Expm1 Floor I0 Isfinite Isinf Isnan Isneginf Isposinf Isreal Log Log10
    Log1p Log2 LogicalNot NanToNum Rad2deg Real Sign Signbit Sin Sinc Sinh Sqrt Square
    Tan Tanh Trunc Negative Reciprocal Imag Conj Conjugate""".split():
    unit = name in ("Arccos", "Arcsin", "Arctanh", "I0")
    low, high = (1.1, 3) if name in ("Arccosh", "Log10") else (-0.9, 0.9) if unit else (-3, 3)
    low = 0.2 if name in ("Log", "Log2", "Log1p", "Sqrt") else low
    case(f"ops.{name}", uniform(low, high, 2, 3))
    if name in ("Abs", "Conj"):
        continue  # another name of the same
    case(f"ops.{name}", EXTREME, note="extreme")
    if name not in ("Real", "Imag", "Conj", "Conjugate", "Negative", "Reciprocal"):
        note, inputs = next(OTHERS)
        if (name, note) != ("Sign", "bool"):
            case(f"ops.{name}", inputs, note=note)
for name in ("Negative", "Sign", "Absolute", "Square", "Trunc", "Reciprocal", "Ceil", "Cbrt", "I0"):
    low = 1 if name == "Reciprocal" else -3
    case(f"ops.{name}", integers(low, 4, (5,), "int32"), note="of-integers")
for name in ("BitwiseInvert", "BitwiseNot"):
    case(f"ops.{name}", integers(-9, 9, (5,), "int32"))
    case(f"ops.{name}", integers(0, 9, (5,), "uint8"), note="uint8")
case("ops.NanToNum", EXTREME, nan=1.5, posinf=9.0, neginf=-9.0, note="extreme")
case("ops.NanToNum", floats(NAN, INF, -INF, 1).astype("float16"), note="extreme-float16")
case("ops.Round", uniform(-30, 30, 2, 3))
case("ops.Round", floats(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), note="extreme")
case("ops.Round", uniform(-3, 3, 2, 3), decimals=2)
case("ops.Round", uniform(-300, 300, 2, 3), decimals=-1)
case("ops.Round", integers(-300, 300, (5,), "int32"), decimals=-1, note="int32")
case("ops.Round", integers(-300, 300, (5,), "int32"), decimals=1, note="int32")
case("ops.Round", integers(-300, 300, (5,), "int32"), note="int32")
case("ops.Clip", (2, 3), x_min=-0.5, x_max=0.5)
case("ops.Clip", integers(-9, 9, (5,), "int32"), x_min=-2, x_max=3)
case("ops.Clip", truths(5), x_min=0, x_max=1, note="bool")
case("ops.Clip", typed("float16", 5), x_min=-0.3, x_max=0.3, note="float16")
case("ops.Clip", (2, 3), x_min=[-1.0, 0.0, -0.2], x_max=[0.0, 1.0, 0.2])
case("ops.Clip", (2, 3), x_min=1.0, x_max=-1.0)

# Of two arrays.
for (
    name
) in """Add Subtract Multiply Divide TrueDivide DivideNoNan Maximum Minimum Fmax Fmin Mod Fmod
    Arctan2 Hypot Logaddexp Logaddexp2 Heaviside FloorDivide Power Nextafter""".split():
    low = 0.3 if name == "Power" else -3
    case(f"ops.{name}", Args([uniform(low, 3, 2, 3), uniform(-3, 3, 3)]))
    case(f"ops.{name}", Args([uniform(low, 3, 2, 3), 2]), note="by-2")
for name in """Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr
    LogicalXor""".split():
    case(f"ops.{name}", Args([integers(-1, 2, (2, 5), "int32"), integers(-1, 2, (5,), "float32")]))
    case(f"ops.{name}", Args([typed("float16", 5), 0.1]), note="float16")
for name in "Add Subtract Multiply Maximum Minimum Power Divide FloorDivide Mod Fmod".split():
    note, other = next(OTHERS)
    low = 1 if name in ("FloorDivide", "Mod", "Fmod", "Power") else -3
    case(f"ops.{name}", Args([integers(low, 4, (5,), "int32"), integers(1, 4, (5,), "int8")]))
    case(f"ops.{name}", Args([2.5, typed("float16", 5)]), note="2.5-by-float16")
for name in ("Add", "Multiply", "Maximum"):
    case(f"ops.{name}", Args([truths(5), 2]), note="bool-by-2")
    case(
        f"ops.{name}",
        Args([integers(0, 5, (5,), "int8"), integers(0, 5, (5,), "uint8")]),
        note="bytes",
    )
    case(f"ops.{name}", Args([typed("bfloat16", 5), typed("float16", 5)]), note="halves")
    case(f"ops.{name}", Args([(5,), [1, 2, 3, 4, 5]]), note="by-list")
    case(f"ops.{name}", Args([integers(0, 5, (5,), "int32"), 0.5]), note="int32-by-half")
    case(f"ops.{name}", Args([(5,), np.float64(2.0)]), note="by-float64")
case("ops.Add", Args([(2, 3), (2, 3)]))
case("ops.Add", Args([(0, 3), (3,)]))
case("ops.Divide", Args([integers(-3, 4, (5,), "int32"), 2]), note="int32-by-2")
case("ops.Divide", Args([2, floats(0, -0.0, 1, INF, NAN)]), note="extreme")
case("ops.DivideNoNan", Args([floats(1, 0, INF, NAN), floats(0, 0, 0, 0)]), note="extreme")
case("ops.Mod", Args([floats(-5, 5, -5, 5), floats(3, -3, -3, 3)]), note="extreme")
case("ops.Mod", Args([(5,), 0.5]), note="by-half")
case("ops.Mod", Args([typed("float16", 5), 0.7]), note="float16")
case("ops.Mod", Args([truths(5), np.ones(5, bool)]), note="bools")
case("ops.Fmod", Args([floats(-5, 5, -5, 5), floats(3, -3, -3, 3)]), note="extreme")
case("ops.FloorDivide", Args([floats(-5, 5, 1, 7), floats(3, -3, 0.1, 2)]), note="extreme")
case("ops.FloorDivide", Args([integers(-9, 9, (5,), "int32"), 4]), note="int32-by-4")
case("ops.Power", Args([2, integers(0, 5, (5,), "int32")]), note="2-to-int32")
case("ops.Power", Args([integers(0, 5, (5,), "uint8"), 2]), note="uint8")
case("ops.Fmax", Args([floats(1, NAN, NAN, 2), floats(NAN, 2, NAN, 3)]), note="extreme")
case("ops.Fmin", Args([floats(1, NAN, NAN, 2), floats(NAN, 2, NAN, 3)]), note="extreme")
case("ops.Maximum", Args([floats(1, NAN, 2), floats(NAN, 2, 2)]), note="extreme")
case("ops.Heaviside", Args([floats(-1, 0, 2, NAN), 0.5]), note="extreme")
case("ops.Heaviside", Args([integers(-2, 2, (5,), "int64"), 1]), note="int64")
case("ops.Hypot", Args([integers(-2, 2, (5,), "int64"), 1]), note="int64")
case("ops.Arctan2", Args([typed("float16", 5), 0.5]), note="float16")
case("ops.Logaddexp", Args([floats(INF, -INF, 1), floats(INF, -INF, NAN)]), note="extreme")
case("ops.Ldexp", Args([(2, 3), integers(-3, 4, (3,), "int32")]))
case("ops.Ldexp", Args([typed("float16", 5), 3]), note="float16")
for name in ("Gcd", "Lcm"):
    case(f"ops.{name}", Args([integers(-20, 20, (2, 5), "int32"), integers(0, 20, (5,), "int32")]))
    case(f"ops.{name}", Args([integers(0, 9, (5,), "uint8"), integers(1, 9, (5,), "uint8")]))
for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    case(f"ops.{name}", Args([integers(-9, 9, (2, 5), "int32"), integers(-9, 9, (5,), "int8")]))
    case(f"ops.{name}", Args([integers(0, 9, (5,), "uint8"), 3]), note="uint8")
for name in ("BitwiseLeftShift", "LeftShift", "BitwiseRightShift", "RightShift"):
    case(f"ops.{name}", Args([integers(-9, 9, (2, 5), "int32"), integers(0, 4, (5,), "int32")]))
    case(f"ops.{name}", Args([integers(-9, 9, (5,), "int8"), 2]), note="by-2")
near = Args([floats(1, 1, INF, NAN, -INF), floats(1.00001, 1.1, INF, NAN, INF)])
case("ops.Isclose", near)
case("ops.Isclose", near, equal_nan=True)
case("ops.Isclose", Args([(5,), (5,), 0.5, 0.5]))
case("ops.Isclose", Args([integers(0, 3, (5,), "int32"), 1]), note="int32")
case("ops.AllClose", Args([(5,), (5,)]))
case("ops.AllClose", Args([(2, 3), (3,)]), rtol=10.0, atol=10.0)
case("ops.AllClose", Args([floats(INF, NAN), floats(INF, NAN)]), equal_nan=True)
case("ops.IsIn", Args([integers(0, 9, (2, 5), "int32"), [1, 2, 3]]))
case("ops.IsIn", Args([integers(0, 9, (2, 5), "float32"), whole(1, 2)]), invert=True)
case("ops.IsIn", Args([(0, 3), whole(1, 2)]), assume_unique=True, invert=True)
case("ops.Where", Args([truths(2, 5), (2, 5), (5,)]))
case("ops.Where", Args([truths(5), 1, 0]), note="integers")
case("ops.Where", Args([truths(5), integers(0, 9, (5,), "int32"), 0.5]), note="half")
case("ops.Where", Args([integers(0, 2, (5,), "int32"), typed("float16", 5), 0.0]), note="float16")
case("ops.Nonzero", integers(0, 2, (2, 5), "float32"))
case("ops.Nonzero", truths(5))
case("ops.Select", Args([[truths(5), truths(5)], [(5,), (5,)]]))
case("ops.Select", Args([[truths(5), truths(5)], [(5,), (5,)], 2.5]), note="default")

# Over axes.
for name in "Sum Prod Mean Std Var".split():
    case(f"ops.{name}", (2, 3, 2))
    case(f"ops.{name}", (2, 3, 2), axis=[0, -1])
    case(f"ops.{name}", (2, 3), axis=1, keepdims=True)
    case(f"ops.{name}", integers(-5, 9, (2, 3), "int32"), axis=1, note="int32")
    case(f"ops.{name}", truths(2, 3), axis=0, note="bool")
    case(f"ops.{name}", typed("bfloat16", 2, 3), axis=-1, note="bfloat16")
    case(f"ops.{name}", integers(1, 9, (2, 3), "uint8"), axis=-1, note="uint8")
for name in "Sum Prod".split():
    case(f"ops.{name}", (0, 3), axis=0)
case("ops.Sum", integers(-9, 9, (2, 3), "int8"), axis=1, note="int8")
case("ops.Sum", integers(-9, 9, (2, 3), "int64"), axis=1, note="int64")
case("ops.Sum", (2, 3), axis=[])
case("ops.Prod", floats(1, 0, 3, 0), note="extreme")
case("ops.Mean", (0, 3), axis=0)
case("ops.Mean", integers(-9, 9, (2, 3), "int64"), axis=1, note="int64")
case("ops.Mean", typed("float16", 2, 3), note="float16")
for name in "Max Min Amax Amin".split():
    case(f"ops.{name}", (2, 3, 2), axis=[0, -1])
    if name in ("Amax", "Amin"):
        continue  # another name of the same
    case(f"ops.{name}", (2, 3), axis=1, keepdims=True)
    case(f"ops.{name}", integers(-9, 9, (2, 3), "int32"), note="int32")
    case(f"ops.{name}", truths(2, 3), axis=0, note="bool")
    case(f"ops.{name}", floats(1, NAN, 2), note="extreme")
for name in "Max Min".split():
    case(f"ops.{name}", (2, 3), axis=1, initial=0.1)
    case(f"ops.{name}", (2, 0), axis=1, initial=0.5)
    case(f"ops.{name}", integers(-9, 9, (2, 3), "int32"), axis=1, initial=1, note="int32")
    case(f"ops.{name}", truths(2, 3), axis=1, initial=1, note="bool")
for name in "All Any".split():
    case(f"ops.{name}", truths(2, 3, 2), axis=[0, -1])
    case(f"ops.{name}", integers(0, 2, (2, 3), "float32"), axis=1, keepdims=True)
    case(f"ops.{name}", integers(0, 2, (2, 3), "int32"), note="int32")
for name in "Argmax Argmin".split():
    case(f"ops.{name}", integers(0, 4, (3, 5), "float32"), axis=1)
    case(f"ops.{name}", (3, 4))
    case(f"ops.{name}", (3, 4), keepdims=True)
    case(f"ops.{name}", (3, 4), axis=0, keepdims=True)
    case(f"ops.{name}", integers(0, 4, (3, 5), "int32"), axis=-1, note="int32")
    case(f"ops.{name}", floats(0, -0.0, 0, -0.0), note="extreme")
    case(f"ops.{name}", typed("bfloat16", 3, 4), axis=1, note="bfloat16")
case("ops.CountNonzero", integers(0, 2, (2, 3), "float32"))
case("ops.CountNonzero", integers(0, 2, (2, 3, 2), "int32"), axis=[0, 1])
case("ops.CountNonzero", truths(2, 3), axis=1)
case("ops.Ptp", (2, 3))
case("ops.Ptp", (2, 3, 2), axis=[0, 2], keepdims=True)
case("ops.Ptp", integers(0, 9, (2, 3), "int32"), axis=1)
case("ops.Average", (2, 3))
case("ops.Average", integers(0, 9, (2, 3), "int32"), axis=1)
case("ops.Average", Args([(2, 3), uniform(0.1, 1, 2, 3)]), axis=1)
case("ops.Average", Args([(2, 3), uniform(0.1, 1, 2, 3)]))
case("ops.Average", Args([(2, 3), [1, 2, 3]]), axis=1, note="row")
case("ops.Average", Args([typed("float16", 2, 3), uniform(0.1, 1, 2)]), axis=0, note="float16")
for name in "Cumsum Cumprod Nancumsum Nancumprod".split():
    case(f"ops.{name}", (2, 3))
    case(f"ops.{name}", (2, 3), axis=1)
    case(f"ops.{name}", integers(-3, 4, (2, 3), "int32"), axis=-2)
    case(f"ops.{name}", truths(2, 3), axis=0, note="bool")
    case(f"ops.{name}", integers(-3, 4, (2, 3), "int32"), axis=0, dtype="float32")
for name in "Nancumsum Nancumprod".split():
    case(f"ops.{name}", holes(3, 3), axis=1, note="extreme")
for name in "Nansum Nanprod Nanmax Nanmin Nanmean Nanvar Nanstd".split():
    case(f"ops.{name}", holes(3, 3), axis=1, note="extreme")
    case(f"ops.{name}", holes(2, 3, 3), axis=[0, -1], keepdims=True, note="extreme")
    case(f"ops.{name}", floats(NAN, NAN), note="extreme-none")
    case(f"ops.{name}", (2, 3))
    case(f"ops.{name}", integers(-3, 4, (2, 3), "int32"), axis=1)
    case(f"ops.{name}", typed("float16", 2, 3), axis=0, note="float16")
for name in "Nanargmax Nanargmin".split():
    case(f"ops.{name}", holes(3, 3), axis=1, note="extreme")
    case(f"ops.{name}", floats(NAN, NAN), keepdims=True, note="extreme-none")
    case(f"ops.{name}", integers(-3, 4, (2, 3), "int32"), axis=0)
for name in "Median Nanmedian".split():
    case(f"ops.{name}", (3, 4))
    case(f"ops.{name}", (3, 4, 2), axis=[0, 2], keepdims=True)
    case(f"ops.{name}", holes(3, 3), axis=1, note="extreme")
    case(f"ops.{name}", integers(0, 9, (3, 4), "int32"), axis=1)
    case(f"ops.{name}", typed("float16", 3, 4), axis=-1, note="float16")
for name, q in {"Quantile": 0.3, "Percentile": 30, "Nanquantile": 0.3, "Nanpercentile": 30}.items():
    case(f"ops.{name}", Args([(3, 4), q]))
    for method in ("lower", "higher", "nearest", "midpoint"):
        case(f"ops.{name}", Args([(3, 4), q]), axis=1, method=method)
    three = floats(0.0, 0.3, 1.0) * (100 if "cent" in name else 1)
    case(f"ops.{name}", Args([(2, 4, 2), three]), axis=1, keepdims=True)
    case(f"ops.{name}", Args([(3, 4), three]))
    case(f"ops.{name}", Args([(3, 4), three]), keepdims=True)
    case(f"ops.{name}", Args([holes(3, 3), q]), axis=1, note="extreme")
    case(f"ops.{name}", Args([integers(0, 9, (3, 4), "int32"), q]), axis=1)
case("ops.Trace", (3, 4))
case("ops.Trace", (2, 3, 4), offset=1, axis1=2, axis2=0)
case("ops.Trace", integers(0, 9, (3, 3), "int8"), offset=-1)
case("ops.Trapezoid", (2, 5))
case("ops.Trapezoid", (5, 2), dx=0.5, axis=0)
case("ops.Trapezoid", (2, 4), x=[0.0, 1.0, 3.0, 4.0])
case("ops.Trapezoid", integers(0, 9, (5,), "int32"))

# Products.
case("ops.Matmul", Args([(2, 3, 4), (2, 4, 2)]))
case("ops.Matmul", Args([(2, 3, 4), (4, 2)]))
case("ops.Matmul", Args([(2, 3), (3,)]))
case("ops.Matmul", Args([(3,), (2, 3, 2)]))
case("ops.Matmul", Args([(3,), (3,)]))
case("ops.Matmul", Args([typed("float16", 2, 3), (3, 2)]), note="float16")
case("ops.Matmul", Args([(2, 1, 2, 3), (3, 3, 2)]))
case("ops.Dot", Args([(2, 3), (3, 2)]))
case("ops.Dot", Args([(2, 3), (2, 3, 2)]))
case("ops.Dot", Args([(2, 3), (3,)]))
case("ops.Dot", Args([(2, 3), 2.0]), note="number")
case("ops.Dot", Args([integers(-9, 9, (3,), "int32"), integers(-9, 9, (3,), "int32")]))
case("ops.Inner", Args([(2, 3), (4, 3)]))
case("ops.Inner", Args([(3,), (3,)]))
case("ops.Inner", Args([(2, 3), 2.0]), note="number")
case("ops.Vdot", Args([(2, 3), (2, 3)]))
case("ops.Vdot", Args([integers(-9, 9, (3,), "int32"), typed("float16", 3)]))
case("ops.Outer", Args([(2, 3), (2,)]))
case("ops.Outer", Args([integers(-9, 9, (3,), "int32"), (3,)]))
case("ops.Kron", Args([(2, 3), (2, 2)]))
case("ops.Kron", Args([(2, 3), (2,)]))
case("ops.Tensordot", Args([(2, 3, 4), (3, 4, 2)]))
case("ops.Tensordot", Args([(2, 3), (2, 2)]), axes=0)
case("ops.Tensordot", Args([(2, 3, 4), (2, 4, 3)]), axes=[[1, 2], [2, 1]])
case("ops.Cross", Args([(2, 3), (2, 3)]))
case("ops.Cross", Args([(2, 2), (2, 2)]))
case("ops.Cross", Args([(2, 2), (2, 3)]))
case("ops.Cross", Args([(3, 2), (3, 2)]), axis=0)
case("ops.Cross", Args([(3, 2), (2, 3)]), axisa=0, axisb=1, axisc=0)
for mode in ("valid", "same", "full"):
    case("ops.Correlate", Args([(6,), (3,)]), mode=mode)
case("ops.Correlate", Args([(6,), (2,)]), mode="same")
case("ops.Correlate", Args([integers(0, 9, (4,), "int32"), integers(0, 9, (2,), "int32")]))
case("ops.Corrcoef", (3, 5))
case("ops.Corrcoef", integers(0, 9, (2, 5), "int32"))
case("ops.Slogdet", (3, 3))
case("ops.Slogdet", (2, 2, 2))
case("ops.Einsum", Args([(2, 3), (3, 4)]), subscripts="ij,jk->ik")
case("ops.Einsum", Args([(2, 3), (3, 4), (4, 2)]), subscripts="ij,jk,kl->il")
case("ops.Einsum", Args([(2, 3), (2, 3)]), subscripts="ij,ij->")
case("ops.Einsum", Args([(2, 3, 4)]), subscripts="ijk->kj")
case("ops.Einsum", Args([(3, 3)]), subscripts="ii")
case("ops.Einsum", Args([(2, 3, 3)]), subscripts="bii->bi")
case("ops.Einsum", Args([(2, 3), (3, 4)]), subscripts="ij,jk")
case("ops.Einsum", Args([(2, 3, 4), (4, 2)]), subscripts="...j,jk->...k")
case("ops.Einsum", Args([(2, 1, 3, 4), (5, 4, 2)]), subscripts="...ij,...jk->...ik")
case("ops.Einsum", Args([(3,), (4,)]), subscripts="i,j->ij")
for dtype in ("int32", "int8"):
    matrices = Args([integers(-9, 9, (2, 3), dtype), integers(-9, 9, (3, 2), dtype)])
    case("ops.Matmul", matrices, note=dtype)
    case("ops.Tensordot", matrices, axes=1, note=dtype)
    case("ops.Einsum", matrices, subscripts="ij,jk->ik", note=dtype)

# Order.
case("ops.Sort", (3, 4))
case("ops.Sort", (3, 4), axis=0)
case("ops.Sort", (3, 4), axis=None)
case("ops.Sort", integers(-9, 9, (3, 4), "int32"), note="int32")
case("ops.Sort", truths(5), note="bool")
case("ops.Argsort", (3, 4))
case("ops.Argsort", integers(0, 3, (3, 5), "int32"), axis=0)
case("ops.Argsort", integers(0, 3, (3, 5), "float32"), axis=None)
case("ops.Argsort", truths(5), note="bool")
case("ops.Argpartition", integers(1, 50, (7,), "int32"), kth=2)
case("ops.Argpartition", integers(1, 50, (7,), "int32"), kth=0, axis=None)
case("ops.SearchSorted", Args([floats(0, 1, 2, 2, 3), floats(-1, 1, 2, 2.5, 9)]))
case("ops.SearchSorted", Args([floats(0, 1, 2, 2, 3), floats(-1, 1, 2, 2.5, 9)]), side="right")
case("ops.SearchSorted", Args([whole(0, 1, 2, 2, 3), whole(2, 2, 9)]))
case("ops.Digitize", Args([(2, 5), [-1.0, 0.0, 1.0]]))
case("ops.Digitize", Args([integers(0, 9, (5,), "int32"), floats(1, 3, 5)]))
case("ops.Digitize", Args([typed("float16", 5), floats(-1, 0, 1)]), note="float16")

few = integers(0, 5, (7,), "int32")
case("ops.Bincount", few)
case("ops.Bincount", few, minlength=9)
case("ops.Bincount", integers(0, 5, (2, 4), "int32"), minlength=3)
case("ops.Bincount", few, weights=[0.5, 1.0, 2.0, 0.0, 1.0, 1.5, 3.0])
case("ops.Where", Args([integers(0, 2, (2, 5), "int32")]))
case("ops.Unique", few)
case("ops.Unique", few, sorted=False, return_index=True, return_inverse=True, return_counts=True)
case("ops.Unique", integers(0, 3, (2, 4), "float32"), return_inverse=True, return_counts=True)
case("ops.Unique", integers(0, 2, (5, 2), "int32"), axis=0, return_index=True, return_inverse=True)
case("ops.Unique", few, size=3, return_counts=True)
case("ops.Unique", few, size=9, fill_value=-1, return_index=True, return_counts=True)

# Places and shapes.
case("ops.Append", Args([(2, 3), (1, 3)]), axis=0)
case("ops.Append", Args([(2, 3), integers(0, 9, (2,), "int32")]))
case("ops.Array", (2, 3))
case("ops.Array", (2, 3), dtype="float16")
case("ops.ArraySplit", (2, 7), indices_or_sections=3, axis=1)
case("ops.ArraySplit", (5, 2), indices_or_sections=2)
case("ops.BroadcastTo", (3, 1), shape=(2, 3, 4))
case("ops.Concatenate", [(2, 3), (2, 1)], axis=-1)
case("ops.Concatenate", [(2, 3), (2, 3)])
case("ops.Concatenate", [(2, 3), integers(0, 9, (2, 3), "int32")], axis=1)
case("ops.Concatenate", [typed("bfloat16", 2, 3), typed("float16", 2, 3)], axis=1, note="halves")
case("ops.Diag", (3,))
case("ops.Diag", (3,), k=-1)
case("ops.Diag", (3, 4), k=1)
case("ops.Diagflat", (2, 2))
case("ops.Diagflat", (2, 2), k=1)
case("ops.Diagonal", (3, 4))
case("ops.Diagonal", (2, 3, 4), offset=-1, axis1=2, axis2=1)
case("ops.Diagonal", (2, 3), offset=5)
case("ops.Diff", (2, 5))
case("ops.Diff", (4, 3), n=2, axis=0)
case("ops.Diff", (4, 3), n=0)
case("ops.Diff", truths(2, 5), note="bool")
for name in ("Hsplit", "Vsplit", "Dsplit"):
    case(f"ops.{name}", (4, 4, 4), indices_or_sections=2)
    case(f"ops.{name}", (3, 4, 4), indices_or_sections=[1, 3])
case("ops.Hsplit", (4,), indices_or_sections=2)
case("ops.Dstack", [(2, 3), (2, 3)])
case("ops.Dstack", [(3,), integers(0, 9, (3,), "int32")])
for name in ("EmptyLike", "OnesLike", "ZerosLike"):
    case(f"ops.{name}", (2, 3))
    case(f"ops.{name}", (2, 3), dtype="int32")
    case(f"ops.{name}", truths(2, 3), note="bool")
case("ops.ExpandDims", (2, 3), axis=1)
case("ops.ExpandDims", (2, 3), axis=[0, -1])
case("ops.Flip", (2, 3))
case("ops.Flip", (2, 3, 2), axis=[0, -1])
case("ops.Fliplr", (2, 3))
case("ops.Flipud", (2, 3))
case("ops.Full", (3,), shape=(2, 3))
case("ops.Full", (3,), shape=(2, 3), dtype="float16")
case("ops.FullLike", Args([(2, 3), 2]))
case("ops.FullLike", Args([integers(0, 9, (2, 3), "int32"), 2.7]))
case("ops.FullLike", Args([(2, 3), (3,)]), dtype="float16")
for at, key in enumerate(
    [
        0,
        (slice(None), 0),
        (slice(None), -1),
        (..., None, slice(1, None, 2)),
        (slice(None), slice(None, None, -1), None),
        (slice(1, -1), ..., 2),
        [slice(None), 1],
        (slice(None), slice(5, 2)),
    ]
):
    case("ops.GetItem", Args([(3, 4, 5), lambda rng, key=key: key]), note=f"key-{at}")
case("ops.Hstack", [(2, 3), (2, 1)])
case("ops.Hstack", [(3,), integers(0, 9, (3,), "int32")])
case("ops.Vstack", [(2, 3), (2, 3)])
case("ops.Vstack", [(2, 3), integers(0, 9, (2, 3), "int32")], note="int32")
for name in ("Linspace", "Logspace", "Geomspace"):
    case(f"ops.{name}", Args([uniform(0.1, 1, 3), uniform(1, 2, 3)]), num=5)
    case(f"ops.{name}", Args([uniform(0.1, 1, 2, 3), 2.0]), num=4, endpoint=False, axis=-1)
    wrong = "TensorFlow gives signs along the wrong axis" if name == "Geomspace" else ""
    case(f"ops.{name}", Args([uniform(0.1, 1, 3), 4]), num=1, axis=1, jax=wrong)
case("ops.Linspace", Args([(3,), (3,)]), num=5, retstep=True)
case("ops.Linspace", Args([integers(0, 5, (3,), "int32"), 9]), num=4)
case("ops.Linspace", Args([integers(0, 5, (3,), "int32"), 9]), num=4, dtype="int32")
case("ops.Linspace", Args([(3,), (3,)]), num=0)
case("ops.Logspace", Args([uniform(0, 1, 3), 2.0]), num=3, base=2)
case("ops.Geomspace", Args([floats(-1, -2), floats(-9, -8)]), num=3)
case("ops.Meshgrid", Args([(2,), (3,)]))
case("ops.Meshgrid", Args([(2,), (3,), (2,)]), indexing="ij")
case("ops.Meshgrid", Args([(2,), integers(0, 9, (3,), "int32")]), note="int32")
case("ops.Moveaxis", (2, 3, 4), source=0, destination=-1)
case("ops.Moveaxis", (2, 3, 4), source=[0, 1], destination=[2, 0])
case("ops.Ndim", (2, 3, 4))
case("ops.Pad", (2, 3), pad_width=1)
case("ops.Pad", (2, 3), pad_width=[[1, 0], [0, 2]], call={"constant_values": 2.5})
case("ops.Pad", (2, 3), pad_width=[1, 2])
case("ops.Pad", (3, 4), pad_width=[[1, 2], [3, 0]], mode="reflect")
case("ops.Pad", (3, 4), pad_width=[[1, 3], [4, 0]], mode="symmetric")
case("ops.Pad", integers(0, 9, (2, 3), "int32"), pad_width=[[1, 1]])
case("ops.Ravel", (2, 3))
case("ops.Repeat", (2, 3), repeats=2)
case("ops.Repeat", (2, 3), repeats=2, axis=-1)
case("ops.Repeat", (2, 3), repeats=[1, 0, 2], axis=1)
case("ops.Reshape", (2, 6), newshape=(3, -1))
case("ops.Reshape", (2, 6), newshape=-1)
case("ops.Reshape", (0, 6), newshape=(0, 3, 2))
case("ops.Roll", (2, 3), shift=1)
case("ops.Roll", (2, 3), shift=-2, axis=1)
case("ops.Roll", (2, 3), shift=[1, 2], axis=[0, 1])
for k in (0, 1, 2, 3, -1):
    wrong = "TensorFlow's half turn of what is not square is wrong: it reshapes" if k == 2 else ""
    case("ops.Rot90", (2, 3, 2), k=k, jax=wrong)
case("ops.Rot90", (2, 3, 2), axes=(1, 2))
case("ops.Size", (2, 3))
case("ops.Split", (4, 6), indices_or_sections=3, axis=1)
case("ops.Split", (4, 6), indices_or_sections=2)
case("ops.Split", (4, 6), indices_or_sections=[1, 3], axis=-1)
case("ops.Squeeze", (2, 1, 3, 1), axis=-1)
case("ops.Squeeze", (2, 1, 3, 1), axis=[1, 3])
case("ops.Squeeze", (2, 1, 3, 1))
case("ops.Stack", [(2, 3), (2, 3)])
case("ops.Stack", [(2, 3), integers(0, 9, (2, 3), "int32")], axis=-1)
case("ops.Swapaxes", (2, 3, 4), axis1=0, axis2=-1)
case("ops.Take", Args([(4, 3), whole(0, -1, 2)]))
case("ops.Take", Args([(4, 3), integers(-3, 3, (4, 2), "int32")]), axis=1)
case("ops.Take", Args([(4, 3), [0, 2]]), axis=-2, note="list")
case("ops.Take", Args([(4, 3), 1]), axis=0, note="number")
case("ops.TakeAlongAxis", Args([(3, 4), integers(-4, 4, (3, 2), "int32")]), axis=1)
case("ops.TakeAlongAxis", Args([(3, 4), integers(0, 3, (1, 4), "int32")]), axis=0)
case("ops.TakeAlongAxis", Args([(3, 4), integers(0, 12, (3,), "int32")]))
case("ops.Tile", (2, 3), repeats=2)
case("ops.Tile", (2, 3), repeats=[2, 1])
case("ops.Tile", (2, 3), repeats=[2, 1, 3])
case("ops.Transpose", (2, 3, 4))
case("ops.Transpose", (2, 3, 4), axes=[1, -1, 0])
for name in ("Tril", "Triu"):
    case(f"ops.{name}", (3, 4))
    case(f"ops.{name}", (2, 3, 4), k=1)
    case(f"ops.{name}", integers(0, 9, (3, 3), "int32"), k=-1)
    case(f"ops.{name}", np.ones((3, 3), bool), note="bool")
case("ops.UnravelIndex", integers(0, 24, (5,), "int32"), shape=(2, 3, 4))
case(
    "ops.UnravelIndex",
    integers(0, 24, (2, 5), "int32"),
    shape=(2, 3, 4),
    jax="TensorFlow takes the axes in the wrong order where places are not in one row",
)
case("ops.Vander", (4,))
case("ops.Vander", (4,), N=2, increasing=True)
case("ops.Vander", integers(0, 4, (3,), "int32"), N=4)
case("ops.View", (2, 4), dtype="int32")
case("ops.View", (2, 4), dtype="uint8")
case("ops.View", integers(0, 9, (2, 4), "uint8"), dtype="int32", note="uint8")

if __name__ == "__main__":
    command()
