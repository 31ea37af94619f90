"""Keras's losses by name: how far predictions are from their targets, as one number to derive.

A loss is written once, in ops: on arrays it computes, on recorded `tape.Var`s it records.  The
decorated functions are the only list.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npforward import ops
from npforward.dtypes import HALF, floating
from npforward.errors import BadInput, NpforwardError, UnknownName, nearest
from npforward.ops.losses import EPSILON
from npforward.tape import Var

LOSSES: dict[str, Loss] = {}

DEFAULT = "sum_over_batch_size"
REDUCTIONS = (DEFAULT, "sum", "mean", "mean_with_sample_weight", "none", None)


@dataclass(frozen=True)
class Loss:
    """A loss function with what its signature says."""

    fn: Callable[..., Any]  # of y_true, y_pred and options: the values, or these and their mask
    options: Mapping[str, inspect.Parameter]
    of_labels: bool  # y_true holds whole numbers in a shape of their own, which `fn` checks

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse an option that the loss does not have, or whose value is of the wrong kind."""
        for key, value in options.items():
            if key not in self.options:
                raise BadInput(
                    f"it has no option {key!r}. Options that it has: "
                    f"{', '.join(self.options) or 'none'}"
                )
            fits, expected = KINDS[self.options[key].annotation]
            if not fits(value):
                raise BadInput(f"option {key}={value!r}, expected {expected}")


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def _is_whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _all(test):
    return lambda value: isinstance(value, (list, tuple)) and all(map(test, value))


# What an option's annotation means.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda v: isinstance(v, bool), "True or False"),
    "float": (_is_number, "a number"),
    "float | list": (
        lambda v: _is_number(v) or _all(_is_number)(v),
        "a number or a list of one for each class",
    ),
    "int": (_is_whole, "a whole number"),
    "int | None": (lambda v: v is None or _is_whole(v), "a whole number or None"),
    "int | list | None": (
        lambda v: v is None or _is_whole(v) or _all(_is_whole)(v),
        "a whole number, a list of them or None",
    ),
}


def named(*others: str, of_labels: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as the loss of its own name and of others: class names, aliases.

    Its keyword-only parameters are the options, with the defaults of the Keras class.

    Parameters
    ----------
    *others
        Further names that Keras has for it.
    of_labels
        Whether `y_true` holds whole numbers in a shape of their own.

    Examples
    --------
    >>> LOSSES["Huber"] is LOSSES["huber"], list(LOSSES["huber"].options)
    (True, ['delta'])
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(fn).parameters.values()
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
        made = Loss(fn, options, of_labels)
        LOSSES.update(dict.fromkeys((fn.__name__, *others), made))
        return fn

    return decorate


# ----------------------------------------------------------------------------------- the one door


def loss(
    name: str,
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = DEFAULT,
    **options: Any,
) -> Any:
    """A loss of Keras, as `model.compile(loss=name)` has it.

    Parameters
    ----------
    name
        A name that `keras.losses.get` takes ("mse", "Huber", "binary_crossentropy"), "logcosh" and
        other names of Keras 2, and "crossentropy" of `compile`.
    y_true
        The targets: numbers of the shape of `y_pred`, or whole numbers of the shape that the loss
        takes.  Cast to the dtype of `y_pred`.  A recorded Var is taken for one whose numbers have
        been looked at, by a call on arrays.
    y_pred
        The predictions, (N, ...): an array, or a recorded Var.  Half types are computed in
        float32, as in Keras, and whole numbers count as float32.
    sample_weight
        Factors of the losses; (N,), or whatever goes with their shape.
    mask
        Which losses count: the mask that Keras remembers of `y_pred`.
    reduction
        "sum_over_batch_size" or "mean" (the same), "sum", "mean_with_sample_weight", "none" or
        None.
    **options
        Those of the Keras class: `from_logits`, `label_smoothing`, `delta`, ...

    Returns
    -------
    array or Var
        A scalar, or without reduction what Keras leaves: mostly one number for each sample, (N,).
        In the dtype of `y_pred`.

    Raises
    ------
    UnknownName
        There is no loss of that name.
    BadInput
        An option or reduction that it does not have; a `y_true` of another shape, that is not
        numeric, or with labels that are none; weights that do not go with the losses.

    Notes
    -----
    Keras 3, `keras.losses`.  Where Keras finds the logits behind a softmax or a sigmoid, so does
    this on recorded Vars.  Keras broadcasts targets of another shape; here they are an error.

    Examples
    --------
    >>> float(loss("mse", [[1.0, 0.0]], np.array([[0.5, 0.0]])))
    0.125
    >>> loss("mae", [[1.0], [0.0]], np.array([[0.5], [3.0]]), reduction=None)
    array([0.5, 3. ])
    >>> float(loss("Huber", [[0.0]], np.array([[3.0]]), delta=2.0))
    4.0
    """
    found = _found(name)
    try:
        found.check(options)
        _check_reduction(reduction)
        y_pred, answer = _predictions(y_pred)
        _check_options(options, y_pred)
        y_true, y_pred = _same_rank(_numbers("y", y_true), y_pred)
        if not found.of_labels:
            _check_alike(y_true, y_pred)
            y_true = ops.cast(y_true, dtype=y_pred.dtype)
        if mask is not None:
            mask = _numbers("mask", mask)
        values = found.fn(y_true, y_pred, **options)
        if isinstance(values, tuple):
            values, known = values
            mask = known if mask is None else _both(mask, known)
        if sample_weight is not None:
            sample_weight = _numbers("sample_weight", sample_weight)
            sample_weight = ops.cast(sample_weight, dtype=values.dtype)
        reduced = _reduced(values, _masked(sample_weight, mask, values.dtype, reduction), reduction)
    except NpforwardError as error:
        raise type(error)(f"loss {name!r}: {error}") from error
    return reduced if reduced.dtype == answer else ops.cast(reduced, dtype=answer)


def parse(spec: Any) -> tuple[str, dict[str, Any], str | None]:
    """What a stored compile configuration says of a loss: `(name, options, reduction)`.

    Parameters
    ----------
    spec
        A name, or a loss as Keras 2 or 3 serialises it: ``{"class_name": ..., "config": ...}``.

    Raises
    ------
    UnknownName
        The loss is none of Keras's own: its code is not in the file, and nothing is executed.
    BadInput
        It is no such description, or has an option that the loss has not.

    Examples
    --------
    >>> parse({"class_name": "Huber", "config": {"name": "huber_loss", "delta": 2.0}})
    ('Huber', {'delta': 2.0}, 'sum_over_batch_size')
    >>> parse("mse")
    ('mse', {}, 'sum_over_batch_size')
    """
    name, config = (spec, None) if isinstance(spec, str) else _of_class(spec)
    if name == "function":
        name, config = config, None
    elif name == "LossFunctionWrapper":
        wrapped = config.get("fn") if isinstance(config, Mapping) else None
        name = wrapped if isinstance(wrapped, str) else _of_class(wrapped)[1]
    found = _found(name)
    if config is not None and not isinstance(config, Mapping):
        raise BadInput(f"loss {name!r}: its config is no object of options by name")
    # The name is a label; the dtype is that of the predictions; `fn` says the class again.
    options = {k: v for k, v in (config or {}).items() if k not in ("name", "dtype", "fn")}
    reduction = options.pop("reduction", DEFAULT)
    reduction = DEFAULT if reduction == "auto" else reduction  # as Keras 2 calls it
    try:
        found.check(options)
        _check_reduction(reduction)
    except BadInput as error:
        raise BadInput(f"loss {name!r}: {error}") from error
    return name, options, reduction


def _of_class(spec):
    """The class name of a serialised object of Keras, and its config."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class_name"), str):
        raise BadInput(
            f"a {type(spec).__name__} that says no loss, expected a name or an object with "
            "'class_name' and 'config'"
        )
    name, registered = spec["class_name"], spec.get("registered_name")
    module = str(spec.get("module") or "keras").partition(".")[0]
    own = module in ("keras", "tf_keras", "builtins")
    if not own or (isinstance(registered, str) and ">" in registered):
        raise UnknownName(
            f"loss {registered or name!r} of {spec.get('module')!r} is none of Keras's own, and "
            "its code is not in the file. Name one of Keras's instead"
        )
    return name, spec.get("config")


def _found(name):
    if not isinstance(name, str):
        raise BadInput(f"a loss is given by its name, not as {name!r}")
    if name not in LOSSES:
        functions = ", ".join(dict.fromkeys(known.fn.__name__ for known in LOSSES.values()))
        raise UnknownName(
            f"loss {name!r} is not known. {nearest(name, LOSSES)} By their functions, Keras's "
            f"losses are: {functions}"
        )
    return LOSSES[name]


# ------------------------------------------------------------------------- what goes in and out


def _numbers(what, given):
    """A plain array of numbers or truth values; what is recorded has been one."""
    if isinstance(given, Var):
        return given
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} is not an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf" and not floating(array.dtype):
        raise BadInput(f"{what} holds {array.dtype}, expected real numbers")
    return array


def _predictions(y_pred):
    """`y_pred` in the dtype in which it is computed, and the dtype of the answer."""
    y_pred = _numbers("the output", y_pred)
    dtype = y_pred.dtype
    if dtype.kind not in "biuf" and not floating(dtype):
        raise BadInput(f"the output holds {dtype}, expected real numbers")
    if not y_pred.ndim:
        raise BadInput("the output is a single number, expected one axis or more")
    if floating(dtype) and dtype.name not in HALF:
        return y_pred, dtype
    return ops.cast(y_pred, dtype="float32"), dtype if floating(dtype) else np.dtype(np.float32)


def _check_reduction(reduction):
    if reduction not in REDUCTIONS:
        known = ", ".join(map(repr, REDUCTIONS))
        raise BadInput(f"reduction={reduction!r}, expected one of {known}")


def _check_options(options, y_pred):
    axis = options.get("axis")
    for each in () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,):
        if not -y_pred.ndim <= each < y_pred.ndim:
            raise BadInput(f"axis={axis}, but the output of shape {y_pred.shape} has not that axis")


def _same_rank(a, b):
    """Arrays of which one has an axis of size 1 more, with as many axes: Keras's rule."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, ops.expand_dims(b, axis=-1)) if b.ndim == 1 else (ops.squeeze(a, axis=-1), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (ops.expand_dims(a, axis=-1), b) if a.ndim == 1 else (a, ops.squeeze(b, axis=-1))
    return a, b


def _check_alike(y_true, y_pred):
    if y_true.shape == y_pred.shape:
        return
    hint = ""
    if y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1)):
        hint = ". Whole numbers, one label for each, are for sparse_categorical_crossentropy"
    raise BadInput(f"y has shape {y_true.shape}, expected {y_pred.shape}, the output's{hint}")


def _labels(y_true, *shapes, classes=None, ignored=None):
    """Whole numbers in one of these shapes, from 0 to the number of classes."""
    if y_true.shape not in shapes:
        raise BadInput(f"y has shape {y_true.shape}, expected {' or '.join(map(str, shapes))}")
    if isinstance(y_true, Var):  # what it holds was looked at before
        return y_true if classes is None else ops.cast(y_true, dtype="int64")
    if floating(y_true.dtype):
        broken = y_true[~(np.isfinite(y_true) & (y_true == np.floor(y_true)))]
        if broken.size:
            raise BadInput(f"y holds {broken[0]}, expected whole numbers: the classes' labels")
    if classes is None:
        return y_true
    wrong = y_true[(y_true < 0) | (y_true >= classes)]
    wrong = wrong if ignored is None else wrong[wrong != ignored]
    if wrong.size:
        raise BadInput(
            f"y holds the label {wrong[0]}, but the output has {classes} classes: labels go from "
            f"0 to {classes - 1}"
        )
    return y_true.astype(np.int64)


def _masked(weight, mask, dtype, reduction):
    """Weights and mask as one factor; in a mean, what is masked does not count as a sample."""
    if mask is None:
        return weight
    share = ops.cast(mask, dtype=dtype)
    if reduction in (DEFAULT, "mean"):
        share = share * ops.divide_no_nan(float(share.size), ops.sum(share))
    if weight is None:
        return share
    share, weight = _same_rank(share, weight)
    _check_fits("sample_weight", weight, share)
    return share * weight


def _check_fits(what, factor, values):
    try:
        fits = np.broadcast_shapes(values.shape, factor.shape) == values.shape
    except ValueError:
        fits = False
    if values.ndim and not fits:
        raise BadInput(f"{what} has shape {factor.shape}, expected one that goes with the losses "
                       f"of shape {values.shape}")  # fmt: skip


def _both(mask, known):
    _check_fits("mask", mask, known)
    return ops.logical_and(mask, known)


def _reduced(values, weight, reduction):
    if weight is not None:
        values, weight = _same_rank(values, weight)
        _check_fits("sample_weight or mask", weight, values)
        values = values * weight
    if reduction in (None, "none") or values.shape in ((), (0,)):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(total, ops.sum(weight))
    return ops.divide_no_nan(total, float(values.size))


# ------------------------------------------------------------------------------------ regression


def _positive(x):
    """max(x, 0), with the whole gradient at 0, as TensorFlow has it."""
    return ops.where(x < 0.0, 0.0, x)


@named("mse", "MSE", "MeanSquaredError")
def mean_squared_error(y_true, y_pred):
    """mean (t - y)²"""
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


@named("mae", "MAE", "MeanAbsoluteError")
def mean_absolute_error(y_true, y_pred):
    """mean |t - y|"""
    return ops.mean(ops.absolute(y_pred - y_true), axis=-1)


@named("mape", "MAPE", "MeanAbsolutePercentageError")
def mean_absolute_percentage_error(y_true, y_pred):
    """100 mean |(t - y) / t|"""
    size = ops.maximum(ops.absolute(y_true), EPSILON)
    return 100.0 * ops.mean(ops.absolute((y_true - y_pred) / size), axis=-1)


@named("msle", "MSLE", "MeanSquaredLogarithmicError")
def mean_squared_logarithmic_error(y_true, y_pred):
    """mean (log(1 + t) - log(1 + y))²"""
    of_true, of_pred = (ops.log(ops.maximum(y, EPSILON) + 1.0) for y in (y_true, y_pred))
    return ops.mean(ops.square(of_pred - of_true), axis=-1)


@named("CosineSimilarity")
def cosine_similarity(y_true, y_pred, *, axis: int = -1):
    """-cos of the angle between t and y; 0 where one of them is 0"""
    y_true, y_pred = (ops.normalize(y, axis=axis) for y in (y_true, y_pred))
    return -ops.sum(y_true * y_pred, axis=axis)


@named("Huber")
def huber(y_true, y_pred, *, delta: float = 1.0):
    """mean of e² / 2 where |e| <= delta, and else of delta |e| - delta² / 2

    P. J. Huber, Robust Estimation of a Location Parameter (1964).
    """
    error = y_pred - y_true
    size = ops.absolute(error)
    far = delta * size - 0.5 * delta**2
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(error), far), axis=-1)


@named("logcosh", "LogCosh")
def log_cosh(y_true, y_pred):
    """mean log(cosh(y - t)), in a form that does not overflow"""
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(error * -2.0) - float(np.log(2.0)), axis=-1)


# ----------------------------------------------------------------------------------------- hinge


def _signs(y_true):
    """Labels 0 and 1 as -1 and 1; others are taken as they are."""
    binary = ops.all(ops.logical_or(y_true == 0, y_true == 1))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)


@named("Hinge")
def hinge(y_true, y_pred):
    """mean max(1 - t y, 0), with t = ±1"""
    return ops.mean(_positive(1.0 - _signs(y_true) * y_pred), axis=-1)


@named("SquaredHinge")
def squared_hinge(y_true, y_pred):
    """mean max(1 - t y, 0)², with t = ±1"""
    return ops.mean(ops.square(_positive(1.0 - _signs(y_true) * y_pred)), axis=-1)


@named("CategoricalHinge")
def categorical_hinge(y_true, y_pred):
    """max(1 + max (1 - t) y - Σ t y, 0)"""
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return _positive(wrong - right + 1.0)


# --------------------------------------------------------------------------------- probabilities


def _between(x, high):
    return ops.clip(x, low=np.float64(EPSILON), high=np.float64(high))


@named("kld", "KLD", "KLDivergence", "kullback_leibler_divergence")
def kl_divergence(y_true, y_pred):
    """Σ t log(t / y)"""
    y_true, y_pred = _between(y_true, 1), _between(y_pred, 1)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


@named("Poisson")
def poisson(y_true, y_pred):
    """mean y - t log y"""
    return ops.mean(y_pred - y_true * ops.log(y_pred + EPSILON), axis=-1)


def _smoothed(y_true, label_smoothing, share):
    """Targets that are drawn towards `share`."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing * share


@named("bce", "BCE", "BinaryCrossentropy")
def binary_crossentropy(
    y_true, y_pred, *, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
):
    """mean -t log p - (1 - t) log(1 - p)"""
    y_true = _smoothed(y_true, label_smoothing, 0.5)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


@named("BinaryFocalCrossentropy")
def binary_focal_crossentropy(
    y_true,
    y_pred,
    *,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
):
    """mean of the binary crossentropy times (1 - p of the right class) to the power of gamma

    T.-Y. Lin et al., Focal Loss for Dense Object Detection (2018).
    """
    y_true = _smoothed(y_true, label_smoothing, 0.5)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    # Recorded, the logits are found behind p, and none behind those.
    recorded = isinstance(y_pred, Var)
    error = (
        ops.binary_crossentropy(y_true, p)
        if recorded
        else ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    )
    right = y_true * p + (1 - y_true) * (1 - p)
    error = ops.power(1.0 - right, gamma) * error
    if apply_class_balancing:
        error = (y_true * alpha + (1 - y_true) * (1 - alpha)) * error
    return ops.mean(error, axis=axis)


@named("CategoricalCrossentropy")
def categorical_crossentropy(
    y_true, y_pred, *, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
):
    """-Σ t log p over the classes"""
    y_true = _smoothed(y_true, label_smoothing, 1 / max(1, y_true.shape[-1]))
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


@named("CategoricalFocalCrossentropy")
def categorical_focal_crossentropy(
    y_true,
    y_pred,
    *,
    alpha: float | list = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
):
    """-Σ alpha (1 - p) to the power of gamma · t log p over the classes

    T.-Y. Lin et al., Focal Loss for Dense Object Detection (2018).
    """
    if isinstance(alpha, (list, tuple)) and len(alpha) not in (1, y_pred.shape[-1]):
        raise BadInput(f"alpha has {len(alpha)} numbers, but there are {y_pred.shape[-1]} "
                       "classes")  # fmt: skip
    weight = np.asarray(alpha, y_pred.dtype)
    y_true = _smoothed(y_true, label_smoothing, 1 / max(1, y_true.shape[-1]))
    p = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    p = _between(p / ops.sum(p, axis=axis, keepdims=True), 1 - EPSILON)
    return ops.sum(ops.power(1.0 - p, gamma) * weight * (-y_true * ops.log(p)), axis=axis)


@named("SparseCategoricalCrossentropy", of_labels=True)
def sparse_categorical_crossentropy(
    y_true, y_pred, *, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
):
    """-log p of the class that the label says; labels of `ignore_class` are masked."""
    *places, classes = y_pred.shape
    if y_true.shape == y_pred.shape and classes > 1:
        raise BadInput(f"y has shape {y_true.shape}, expected {tuple(places)}: a label for each. "
                       "One number for each class is for categorical_crossentropy")  # fmt: skip
    shapes = dict.fromkeys([tuple(places), (*places, 1)])
    labels = _labels(y_true, *shapes, classes=classes, ignored=ignore_class)
    labels = ops.reshape(labels, shape=tuple(places))
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(
            labels, y_pred, from_logits=from_logits, axis=axis
        )
    known = labels != ignore_class
    labels, y_pred = ops.where(known, labels, 0), ops.where(known[..., None], y_pred, 0.0)
    found = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=from_logits, axis=axis)
    return ops.where(known, found, 0.0), known


@named("CategoricalGeneralizedCrossEntropy", of_labels=True)
def categorical_generalized_cross_entropy(y_true, y_pred, *, q: float = 0.5):
    """(1 - p to the power of q) / q, with p of the class that the label says

    Z. Zhang and M. Sabuncu, Generalized Cross Entropy Loss (2018).
    """
    if not 0 < q < 1:
        raise BadInput(f"q={q}, expected a number between 0 and 1")
    labels = _labels(y_true, y_pred.shape[:-1], classes=y_pred.shape[-1])
    p = ops.take_along_axis(y_pred, labels[..., None], axis=-1)
    return (1 - ops.power(ops.squeeze(p, axis=-1), q)) / q


@named("ce", of_labels=True)
def crossentropy(y_true, y_pred):
    """The crossentropy that the shapes ask for: binary, of labels, or of a number for each class.

    `compile_utils.get_loss` in Keras: a word of `compile` alone.
    """
    if y_pred.shape[-1] == 1:
        chosen = binary_crossentropy
    elif y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_crossentropy(y_true, y_pred)
    else:
        chosen = categorical_crossentropy
    _check_alike(y_true, y_pred)
    return chosen(ops.cast(y_true, dtype=y_pred.dtype), y_pred)


# ------------------------------------------------------------------ segments, pairs and sequences


@named("Dice")
def dice(y_true, y_pred, *, axis: int | list | None = None):
    """1 - 2 Σ t y / (Σ t + Σ y)"""
    both = ops.sum(y_true * y_pred, axis=axis)
    either = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1 - 2.0 * both / (either + EPSILON)


@named("Tversky")
def tversky(
    y_true, y_pred, *, alpha: float = 0.5, beta: float = 0.5, axis: int | list | None = None
):
    """1 - Σ t y / (Σ t y + alpha Σ t (1 - y) + beta Σ (1 - t) y)

    S. Salehi et al., Tversky loss function for image segmentation (2017); which of the two
    errors alpha is of is as in Keras.
    """
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum((1 - y_pred) * y_true, axis=axis)
    wrong = ops.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - both / (both + missed * alpha + wrong * beta + EPSILON)


@named("Circle", of_labels=True)
def circle(
    y_true, y_pred, *, gamma: float = 80.0, margin: float = 0.4, remove_diagonal: bool = True
):
    """How much nearer vectors of other labels are than those of the same: (N,), (N, D) -> (N,)

    Y. Sun et al., Circle Loss (2020).  A sample without both sorts of partners is masked.
    """
    if y_pred.ndim != 2:
        raise BadInput(f"the output has shape {y_pred.shape}, expected (N, D): vectors of norm 1")
    n = y_pred.shape[0]
    labels = ops.reshape(_labels(y_true, (n,), (n, 1)), shape=(n, 1))
    same = labels == ops.transpose(labels)
    other = ~same
    if remove_diagonal:
        same = ops.logical_and(same, ~np.eye(n, dtype=bool))
    distance = _positive(1 - ops.matmul(y_pred, ops.transpose(y_pred)))

    def score(partners, weight, towards):
        scores = gamma * _positive(weight * ops.cast(partners, dtype=distance.dtype)) * towards
        return ops.logsumexp(ops.where(partners, scores, float("-inf")), axis=1)

    near = score(same, margin + distance, distance - margin)
    far = score(other, 1 + margin - distance, 1 - margin - distance)
    found = ops.softplus(near + far)
    return found, found > 0.0


@named("CTC", of_labels=True)
def ctc(y_true, y_pred):
    """-log of the probability of the labels, 0 being the blank and what a sequence is filled with

    A. Graves et al., Connectionist temporal classification (2006).  (N, L), (N, T, C) -> (N,)
    """
    if y_pred.ndim != 3:
        raise BadInput(f"the output has shape {y_pred.shape}, expected (N, T, C): logits of steps")
    n, steps, classes = y_pred.shape
    if y_true.ndim != 2 or len(y_true) != n:
        raise BadInput(f"y has shape {y_true.shape}, expected ({n}, L): labels of each sequence")
    labels = _labels(y_true, y_true.shape, classes=classes)
    lengths = ops.sum(ops.cast(labels != 0, dtype="int64"), axis=-1)
    return ops.ctc_loss(y_pred, labels, lengths, np.full(n, steps), blank=0)
