"""Products of arrays, as numpy names them: compositions of other ops.

They are computed as floats; what is made of integers alone is an integer again.
"""

from __future__ import annotations

import re
import string

import numpy as np

from npforward.dtypes import floating, promote
from npforward.ops.arithmetic import cast, multiply
from npforward.ops.arranging import moveaxis
from npforward.ops.indexing import diagonal, take
from npforward.ops.linear import einsum, matmul
from npforward.ops.reduction import axes_of
from npforward.ops.reduction import sum as sum_of
from npforward.ops.shaping import concatenate, expand_dims, pad, reshape, squeeze, transpose


def _whole_again(y, *arrays, eighths=False):
    """A product computed in floats, in the dtype that Keras gives it."""
    dtype = promote(*arrays)
    if eighths and all(x.dtype == np.int8 for x in arrays):
        dtype = np.dtype(np.int32)
    return y if y.dtype == dtype else cast(y, dtype=dtype)


def product(a, b):
    """a @ b: the last axis of a with the last but one of b, or with its only one."""
    one, other = len(a.shape) == 1, len(b.shape) == 1
    y = matmul(expand_dims(a, axis=0) if one else a, expand_dims(b, axis=1) if other else b)
    y = squeeze(y, axis=-1) if other else y
    y = squeeze(y, axis=-1 if other else -2) if one else y
    return _whole_again(y, a, b, eighths=not one and not other)


def tensordot(a, b, *, axes=2):
    """The products over these axes of a and of b, or over the last of a and the first of b."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(a.shape), len(b.shape)):
            raise ValueError(f"{axes} axes of shapes {a.shape} and {b.shape}")
        of_a, of_b = tuple(range(len(a.shape) - axes, len(a.shape))), tuple(range(axes))
    else:
        of_a, of_b = (axes_of(x, on) for x, on in zip((a, b), axes, strict=True))
    rest_a = [i for i in range(len(a.shape)) if i not in of_a]
    rest_b = [i for i in range(len(b.shape)) if i not in of_b]
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(f"axes {axes} of shapes {a.shape} and {b.shape} differ in size")
    n = int(np.prod([a.shape[i] for i in of_a], dtype=np.int64))
    rows = int(np.prod([a.shape[i] for i in rest_a], dtype=np.int64))
    columns = int(np.prod([b.shape[i] for i in rest_b], dtype=np.int64))
    x = reshape(transpose(a, axes=(*rest_a, *of_a)), shape=(rows, n))
    w = reshape(transpose(b, axes=(*of_b, *rest_b)), shape=(n, columns))
    shape = (*(a.shape[i] for i in rest_a), *(b.shape[i] for i in rest_b))
    return _whole_again(reshape(matmul(x, w), shape=shape), a, b)


def dot(a, b):
    """The products over the last axis of a and the last but one of b, or its only one."""
    if not a.shape or not b.shape:
        return multiply(a, b)
    return tensordot(a, b, axes=([-1], [max(len(b.shape) - 2, 0)]))


def inner(a, b):
    """The products over the last axes of both."""
    return tensordot(a, b, axes=([-1], [-1])) if a.shape and b.shape else multiply(a, b)


def vdot(a, b):
    """The sum of the products of all numbers."""
    return tensordot(reshape(a, shape=(-1,)), reshape(b, shape=(-1,)), axes=1)


def outer(a, b):
    """Each number of a with each of b.  -> (N, M)"""
    return multiply(reshape(a, shape=(-1, 1)), reshape(b, shape=(-1,)))


def kron(a, b):
    """Each number of a times the whole of b, as blocks."""
    n = max(len(a.shape), len(b.shape))
    a, b = (reshape(x, shape=(1,) * (n - len(x.shape)) + tuple(x.shape)) for x in (a, b))
    x = reshape(a, shape=[k for size in a.shape for k in (size, 1)])
    w = reshape(b, shape=[k for size in b.shape for k in (1, size)])
    return reshape(multiply(x, w), shape=[i * j for i, j in zip(a.shape, b.shape, strict=True)])


def cross(a, b, *, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector at right angles to both; of two plane vectors, its height alone."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    plane = a.shape[-1] == b.shape[-1] == 2
    if not {a.shape[-1], b.shape[-1]} <= {2, 3}:
        raise ValueError(
            f"vectors of {a.shape[-1]} and {b.shape[-1]} numbers have no cross product"
        )

    def solid(x):
        widths = ((0, 0),) * (len(x.shape) - 1) + ((0, 3 - x.shape[-1]),)
        return [pad(x, widths=widths)[..., i] for i in range(3)]

    (a0, a1, a2), (b0, b1, b2) = solid(a), solid(b)
    dtype = promote(a, b)

    def less(p, q, r, s):
        return cast(multiply(p, q) - multiply(r, s), dtype=dtype)

    if plane:
        return less(a0, b1, a1, b0)
    parts = [less(a1, b2, a2, b1), less(a2, b0, a0, b2), less(a0, b1, a1, b0)]
    return moveaxis(concatenate(*(expand_dims(p, axis=-1) for p in parts), axis=-1), -1, axisc)


def correlate(a, b, *, mode="valid"):
    """The sums of products of b laid at each place of a."""
    n, m = a.shape[0], b.shape[0]
    dtype = promote(a, b)
    if not floating(dtype):
        dtype = np.dtype(np.float64 if dtype == np.int64 else np.float32)
    a, b = cast(a, dtype=dtype), cast(b, dtype=dtype)
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"mode={mode!r} is not one of valid, same, full")
    if mode != "valid":
        a = pad(a, widths=((m - 1, m - 1),))
    places = np.arange(a.shape[0] - m + 1)[:, None] + np.arange(m)
    y = tensordot(take(a, places, axis=0), b, axes=1)
    if mode == "same":
        start = (n + m - 1 - max(n, m)) // 2
        y = y[start : start + max(n, m)]
    return y


# ---------------------------------------------------------------------------------------- einsum


def _letters(subscripts, operands):
    """The letters of each operand and of the answer, with "..." written out."""
    ins, arrow, out = subscripts.replace(" ", "").partition("->")
    parts = ins.split(",")
    if len(parts) != len(operands):
        raise ValueError(f"einsum {subscripts!r} is of {len(parts)} arrays, not {len(operands)}")
    spare = [c for c in string.ascii_letters if c not in subscripts]
    elided = [
        len(x.shape) - len(part.replace("...", "")) if "..." in part else 0
        for part, x in zip(parts, operands, strict=True)
    ]
    if min(elided) < 0:
        raise ValueError(f"einsum {subscripts!r} does not fit {[x.shape for x in operands]}")
    dots = "".join(spare[: max(elided)])
    if not arrow:  # what occurs once, in alphabetical order
        once = re.sub(r"[,.]", "", ins)
        out = ("..." if "..." in ins else "") + "".join(
            sorted(c for c in once if once.count(c) == 1)
        )
    written = [
        part.replace("...", dots[len(dots) - n :]) for part, n in zip(parts, elided, strict=True)
    ]
    for part, x in zip(written, operands, strict=True):
        if len(part) != len(x.shape):
            raise ValueError(f"einsum {subscripts!r} does not fit {[x.shape for x in operands]}")
    return written, out.replace("...", dots)


def _simplified(letters, x, wide):
    """An operand with no letter twice, and none whose single place stands for several."""
    while double := [c for c in letters if letters.count(c) > 1]:
        i, j = (k for k, c in enumerate(letters) if c == double[0])
        x = diagonal(x, axis1=i, axis2=j)
        letters = "".join(c for c in letters if c != double[0]) + double[0]
    alone = [i for i, c in enumerate(letters) if x.shape[i] == 1 and c in wide]
    x = reshape(x, shape=[n for i, n in enumerate(x.shape) if i not in alone])
    return "".join(c for i, c in enumerate(letters) if i not in alone), x


def sum_of_products(*operands, subscripts):
    """Sums of products over the axes that the answer lacks, of any number of arrays."""
    written, out = _letters(subscripts, operands)
    sizes: dict[str, int] = {}
    for letters, x in zip(written, operands, strict=True):
        for c, n in zip(letters, x.shape, strict=True):
            if n != 1 and sizes.setdefault(c, n) != n:
                raise ValueError(f"einsum {subscripts!r}: axis {c} is {sizes[c]} and {n}")
    floats = [x if floating(x.dtype) else cast(x, dtype="float32") for x in operands]
    pairs = [_simplified(l, x, sizes) for l, x in zip(written, floats, strict=True)]
    while len(pairs) > 1:
        (of_a, a), (of_b, b), *rest = pairs
        needed = {*out, *(c for letters, _ in rest for c in letters)}
        both = "".join(dict.fromkeys(c for c in of_a + of_b if c in needed))
        y = einsum(a, b, equation=f"{of_a},{of_b}->{both}")
        pairs = [(both, y), *rest]
    ((letters, y),) = pairs
    y = sum_of(y, axis=[i for i, c in enumerate(letters) if c not in out])
    letters = "".join(c for c in letters if c in out)
    if len(letters) > 1:
        y = transpose(y, axes=tuple(letters.index(c) for c in out))
    return _whole_again(y, *operands, eighths=True)
