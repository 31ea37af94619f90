"""Arithmetic and functions of each number, or of rows: steps of chains."""

from __future__ import annotations

from typing import Any

import numpy as np

from npforward import ops
from npforward.kernels.native import elementwise as chains
from npforward.ops.activations import SELU_ALPHA, SELU_SCALE
from npforward.run.lowering.making import (
    Affine,
    Lowering,
    Recorded,
    Work,
    is_number,
    rule,
    size_of,
)
from npforward.tape import Step, Var

ARITHMETIC = (ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum)
AFFINE = (ops.add, ops.subtract, ops.multiply, ops.divide)


# ---- for which steps the rules hold ----------------------------------------------------------


def _fits_softmax(r: Recorded, step: Step) -> bool:
    x = step.args[0]
    axis = step.options.get("axis", -1)
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    return type(axis) is int and axis in (-1, x.ndim - 1)


def _fits_arithmetic(r: Recorded, step: Step) -> bool:
    out = step.out
    if not out.ndim:
        return False
    for a in step.args:
        if not isinstance(a, Var):
            if (
                not isinstance(a, (int, float, np.number, np.ndarray))
                or np.ndim(a) > 1
                or (np.size(a) > 1 and np.shape(a) != out.shape[-1:])
            ):
                return False
        elif r.constant(a):  # a row, however many axes of the output it has
            rest = a.shape[next((i for i, n in enumerate(a.shape) if n != 1), len(a.shape)) :]
            if rest and rest != out.shape[out.ndim - len(rest) :]:
                return False
        elif a.shape != out.shape and (
            a.ndim != out.ndim or out.ndim < 2 or a.shape not in (
                (*out.shape[:-1], 1), (out.shape[0], *[1] * (out.ndim - 2), out.shape[-1])
            )
        ):  # fmt: skip
            return False
    return True


def _fits_function(r: Recorded, step: Step) -> bool:
    """Whether kernels have the function of a step, with numbers that are some."""
    found = _function(step)
    return found is not None and step.out.ndim > 0 and all(map(is_number, found[1:]))


# ---- rules -----------------------------------------------------------------------------------


@rule(*ARITHMETIC, fits=_fits_arithmetic)
def arithmetic(low: Lowering, step: Step) -> None:
    a, b = step.args
    first = low.constant(a)
    x, c = (b, a) if first else (a, b)
    if low.constant(c) and _is_affine(step, first):
        _affine(low, step, x, c, first)
        return
    wide = step.out.shape[-1]
    given = [
        low.row(v, wide if size_of(v) == 1 else size_of(v)) if low.constant(v) else v
        for v in step.args
    ]
    low.link(step, step.op.fn.__name__, given)


def _affine(low: Lowering, step: Step, x: Var, c: Any, first: bool) -> None:
    x = low.root(x)
    factor = (step.op, c, first)
    before = low.affine.get(x)
    if before is not None and x not in low.maker:
        affine = Affine(before.base, [*before.factors, factor])
    else:
        affine = Affine(x, [factor])
    low.affine[step.out] = affine
    user = low.alone(step.out)
    if user is not None and _continues(low, user, step.out):
        return
    _apply(low, step, affine)


def _continues(low: Lowering, user: Step, v: Var) -> bool:
    """Whether the only user of a value makes one multiply-add more of it."""
    if user.op not in ARITHMETIC:
        return False
    a, b = user.args
    first = low.constant(a)
    return low.constant(a) != low.constant(b) and _is_affine(user, first)


def _apply(low: Lowering, step: Step, affine: Affine) -> None:
    base, out = affine.base, step.out
    work = low.maker.get(base)
    product = None if work is None else work.product
    if (
        product is not None and work is not None and work.raw is base and not work.links
        and product.affine is None and low.alone(base) is not None
        and affine.columns in (1, product.channels)
    ):  # fmt: skip
        product.affine = affine
        _renamed(low, work, base, out)
        return
    plain = affine.plain()
    columns = affine.columns if affine.columns > 1 else out.shape[-1]
    if plain is not None:
        low.link(step, "scale_shift", [base], *plain)
        return
    kinds = {op for op, _, _ in affine.factors}
    if kinds <= {ops.add, ops.subtract} and not any(f for _, _, f in affine.factors):
        low.link(step, "add", [base, low.affine_row(affine, 1, columns)])
    elif kinds <= {ops.multiply, ops.divide}:
        low.link(step, "multiply", [base, low.affine_row(affine, 0, columns)])
    else:
        rows = [low.affine_row(affine, i, columns) for i in (0, 1)]
        low.link(step, "multiply_add", [base, *rows])


def _renamed(low: Lowering, work: Work, old: Var, new: Var) -> None:
    """The kernel makes another value instead."""
    work.raw = new
    work.made = [new if v is old else v for v in work.made]
    low.maker.pop(old)
    low.maker[new] = work


@rule(
    ops.relu,
    ops.relu6,
    ops.leaky_relu,
    ops.hard_tanh,
    ops.elu,
    ops.selu,
    ops.gelu,
    ops.sigmoid,
    ops.tanh,
    ops.erf,
    ops.silu,
    ops.softplus,
    ops.hard_sigmoid,
    ops.hard_sigmoid_keras2,
    ops.hard_silu,
    ops.exp,
    ops.log,
    ops.sqrt,
    ops.square,
    ops.negative,
    ops.absolute,
    ops.softsign,
    ops.squareplus,
    ops.log_sigmoid,
    ops.tanh_shrink,
    ops.celu,
    ops.soft_shrink,
    ops.hard_shrink,
    ops.threshold,
    ops.sparse_plus,
    ops.sparse_sigmoid,
    ops.mish,
    ops.exp2,
    ops.expm1,
    ops.log1p,
    ops.reciprocal,
    ops.floor,
    ops.ceil,
    ops.trunc,
    ops.round,
    ops.clip,
    fits=_fits_function,
)
def activation(low: Lowering, step: Step) -> None:
    found = _function(step)
    assert found is not None, "fits() lets no other pass"
    name, p, q = found
    low.link(step, name, [step.args[0]], p, q)


@rule(ops.softmax, ops.log_softmax, fits=_fits_softmax)
def softmax(low: Lowering, step: Step) -> None:
    x, tape, log = step.args[0], step.out.tape, step.op is ops.log_softmax
    if x.shape[-1] > chains.PIECE:
        low.long_row(step, chains.softmax_row, {"log": int(log)})
        return

    def part(out: Var) -> Step:
        return step._replace(out=out)

    row = (*x.shape[:-1], 1)
    highest, total, logs = (Var(row, np.float32, tape) for _ in range(3))
    apart, powers = (Var(x.shape, np.float32, tape) for _ in range(2))
    links: list[tuple[str, list[Var], Var]] = [
        ("row_max", [x], highest), ("subtract", [x, highest], apart), ("exp", [apart], powers),
        ("row_sum", [powers], total),
    ]  # fmt: skip
    if log:
        links += [("log", [total], logs), ("subtract", [apart, logs], step.out)]
    else:
        links += [("divide", [powers, total], step.out)]
    for function, arguments, out in links:
        for a in arguments:
            low.users.setdefault(low.root(a), []).append(part(out))
        low.link(part(out), function, arguments)


# ---- what they are made of -------------------------------------------------------------------


def _function(step: Step) -> tuple[str, float, float] | None:
    """A function of each number as kernels have it, with its two numbers."""
    o, infinity = step.options, float("inf")
    if step.op is ops.relu:
        slope, cap = o.get("negative_slope", 0.0), o.get("max_value")
        threshold, top = o.get("threshold", 0.0), infinity if cap is None else cap
        if threshold:
            if slope and cap is not None:
                return None
            return ("leaky_above", threshold, slope) if slope else ("above", threshold, top)
        if slope:
            return ("leaky", slope, 0.0) if cap is None else ("leaky_capped", slope, cap)
        return "clamp", 0.0, top
    if step.op is ops.clip:
        low, high = (_one(o[name], step) for name in ("low", "high"))
        return None if low is None or high is None or not low <= high else ("clamp", low, high)
    if step.op is ops.threshold:
        return "threshold", o["threshold"], o["default_value"]
    if step.op in (ops.soft_shrink, ops.hard_shrink):
        return step.op.fn.__name__, o.get("threshold", 0.5), 0.0
    if step.op is ops.squareplus:
        return "squareplus", o.get("b", 4), 0.0
    if step.op is ops.celu:
        alpha = o.get("alpha", 1.0)
        return ("celu", alpha, 0.0) if alpha else None
    if step.op is ops.round:
        return None if o.get("decimals", 0) != 0 else ("round", 0.0, 0.0)
    if step.op is ops.relu6:
        return "clamp", 0.0, 6.0
    if step.op is ops.hard_tanh:
        return "clamp", -1.0, 1.0
    if step.op is ops.leaky_relu:
        return "leaky", o.get("negative_slope", 0.2), 0.0
    if step.op is ops.elu:
        return "elu", o.get("alpha", 1.0), 1.0
    if step.op is ops.selu:
        return "elu", SELU_SCALE * SELU_ALPHA, SELU_SCALE
    if step.op is ops.gelu:
        return "gelu_tanh" if o.get("approximate") else "gelu", 0.0, 0.0
    name = step.op.fn.__name__
    return (name, 0.0, 0.0) if not o and chains.FUNCTIONS.get(name, (0,))[0] == 1 else None


def _one(bound: Any, step: Step) -> float | None:
    """A bound of all numbers as a number, if it is one."""
    one = isinstance(bound, (np.ndarray, np.generic)) and bound.size == 1
    if not one or bound.dtype.kind not in "fiu" or bound.ndim > step.args[0].ndim:
        return None
    return float(np.asarray(bound).reshape(()))


def _is_affine(step: Step, first: bool) -> bool:
    """Whether arithmetic with a constant is a multiply-add."""
    x = step.args[1] if first else step.args[0]
    return x.shape == step.out.shape and not (step.op is ops.divide and first) and (
        step.op in AFFINE
    )  # fmt: skip
