"""Normalisation by stored or by the input's own statistics."""

from __future__ import annotations

from npforward import ops
from npforward.dtypes import HALF
from npforward.errors import UnsupportedOption
from npforward.inner import tap
from npforward.layers.registry import Weight, keep, layer


def _axes(axis, ndim):
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    return sorted(a + ndim if a < 0 else a for a in axes)


def _sizes(config, shape):
    return tuple(shape[a] for a in _axes(config.get("axis", -1), len(shape)))


def _along(w, axes, ndim):
    """A weight over `axes` in a shape that broadcasts against the input."""
    if w is None or axes == list(range(ndim - w.ndim, ndim)):
        return w
    sizes = dict(zip(axes, w.shape, strict=True))
    return ops.reshape(w, shape=tuple(sizes.get(a, 1) for a in range(ndim)))


def wide(x):
    """Half types are normalised in float32, as in Keras: their squares overflow."""
    return ops.cast(x, dtype="float32") if x.dtype.name in HALF else x


def _scaled(x_hat, gamma, beta):
    y = x_hat if gamma is None else gamma * x_hat
    return y if beta is None else y + beta


def _weight(name, **rules):
    return Weight(name, _sizes, autocast=False, **rules)


@layer(
    "BatchNormalization",
    weights=(
        _weight("gamma", when="scale"),
        _weight("beta", when="center"),
        _weight("moving_mean", trainable=False),
        _weight("moving_variance", trainable=False),
        *(
            _weight(
                name, when=lambda c: c.get("renorm", False), trainable=False, training_only=True
            )
            for name in ("moving_stddev", "renorm_mean", "renorm_stddev")
        ),
    ),
    mask=keep,
)
def batch_normalization(
    inputs,
    mask=None,
    training=None,
    gamma=None,
    beta=None,
    moving_mean=None,
    moving_variance=None,
    *,
    axis=-1,
    epsilon=1e-3,
    center=True,
    scale=True,
    trainable=True,
    dtype="float32",
):
    """γ (x - μ) / √(σ² + ε) + β, with the stored moments, or the batch's own when training.

    S. Ioffe and C. Szegedy, Batch Normalization (2015).
    """
    x = wide(inputs)
    axes = _axes(axis, x.ndim)
    if training and trainable:  # a call in the file may say so
        if mask is not None:
            raise UnsupportedOption("it is called with training=True and a mask")
        others = tuple(a for a in range(x.ndim) if a not in axes)
        moving_mean, moving_variance = ops.moments(x, axes=others)
    mu, variance, gamma, beta = (
        _along(None if w is None else wide(w), axes, x.ndim)
        for w in (moving_mean, moving_variance, gamma, beta)
    )
    mu, variance = tap("mean", mu), tap("variance", variance)
    x_hat = tap("normalized", (x - mu) / ops.sqrt(variance + epsilon))
    return ops.cast(_scaled(x_hat, gamma, beta), dtype=dtype)


@layer(
    "LayerNormalization",
    weights=(
        _weight("gamma", when=lambda c: c.get("scale", True) or c.get("rms_scaling", False)),
        _weight("beta", when=lambda c: c.get("center", True) and not c.get("rms_scaling", False)),
    ),
    autocast=False,
    mask=keep,
)
def layer_normalization(
    inputs,
    gamma=None,
    beta=None,
    *,
    axis=-1,
    epsilon=1e-3,
    center=True,
    scale=True,
    rms_scaling=False,
    dtype="float32",
):
    """γ (x - μ) / √(σ² + ε) + β, with the moments of each sample.

    J. Ba, J. Kiros and G. Hinton, Layer Normalization (2016).  `rms_scaling` leaves out μ and β.
    """
    x = wide(inputs)
    axes = _axes(axis, x.ndim)
    gamma, beta = (_along(None if w is None else wide(w), axes, x.ndim) for w in (gamma, beta))
    mu = tap("mean", ops.mean(x, axis=axes, keepdims=True))
    variance = tap("variance", ops.mean(ops.square(x - mu), axis=axes, keepdims=True))
    centred = x if rms_scaling else x - mu
    x_hat = tap("normalized", centred / ops.sqrt(variance + epsilon))
    y = _scaled(x_hat, gamma, beta)
    # By way of the input's own dtype, as in Keras: integers come out rounded towards 0.
    return ops.cast(ops.cast(y, dtype=inputs.dtype), dtype=dtype)


def _one_size(config, shape):
    return (shape[config.get("axis", -1)],)


@layer(
    "GroupNormalization",
    weights=(
        Weight("gamma", _one_size, when="scale", autocast=False),
        Weight("beta", _one_size, when="center", autocast=False),
    ),
    mask=keep,
)
def group_normalization(
    inputs,
    gamma=None,
    beta=None,
    *,
    groups=32,
    axis=-1,
    epsilon=1e-3,
    center=True,
    scale=True,
    dtype="float32",
):
    """γ (x - μ) / √(σ² + ε) + β, with the moments of each group of channels of each sample.

    Y. Wu and K. He, Group Normalization (2018).
    """
    at = axis % inputs.ndim
    channels = inputs.shape[at]
    groups = channels if groups == -1 else groups
    if not groups or channels % groups:
        raise UnsupportedOption(f"{channels} channels cannot be divided into {groups} groups")
    split = (*inputs.shape[:at], groups, channels // groups, *inputs.shape[at + 1 :])
    x = wide(ops.reshape(inputs, shape=split))
    axes = [a for a in range(1, x.ndim) if a != at]
    mu = tap("mean", ops.mean(x, axis=axes, keepdims=True))
    variance = tap("variance", ops.mean(ops.square(x - mu), axis=axes, keepdims=True))
    x_hat = tap("normalized", (x - mu) / ops.sqrt(variance + epsilon))
    shape = [1] * x.ndim
    shape[at], shape[at + 1] = groups, channels // groups
    gamma, beta = (
        None if w is None else ops.reshape(wide(w), shape=tuple(shape)) for w in (gamma, beta)
    )
    y = ops.reshape(_scaled(x_hat, gamma, beta), shape=inputs.shape)
    return ops.cast(ops.cast(y, dtype=inputs.dtype), dtype=dtype)


@layer("RMSNormalization", weights=(Weight("scale", _sizes),))
def rms_normalization(inputs, scale, *, axis=-1, epsilon=1e-6):
    """scale x / √(mean(x²) + ε)

    B. Zhang and R. Sennrich, Root Mean Square Layer Normalization (2019).
    """
    x = wide(inputs)
    axes = _axes(axis, x.ndim)
    square = tap("mean_square", ops.mean(ops.square(x), axis=axes, keepdims=True))
    x_hat = tap("normalized", x / ops.sqrt(square + epsilon))
    # Keras multiplies along the last axes whatever `axis` is (seen in 3.15).
    return ops.cast(
        _scaled(x_hat, None if scale is None else wide(scale), None), dtype=inputs.dtype
    )


@layer("UnitNormalization", mask=keep)
def unit_normalization(inputs, *, axis=-1):
    """x scaled to length 1 along axes."""
    return ops.normalize(inputs, axis=axis, epsilon=1e-12)


@layer(
    "SpectralNormalization",
    weights=(
        Weight("kernel", _sizes, training_only=True, of_child=True),
        Weight("vector_u", _sizes, trainable=False, training_only=True),
    ),
)
def spectral_normalization(inputs, *, layer):
    """The layer inside: its kernel was divided by its spectral norm in training."""
    return ops.cast(layer(inputs), dtype=inputs.dtype)


def _learned(config):
    """Whether the moments are in the file: otherwise they are in the config."""
    return config.get("mean") is None


@layer(
    "Normalization",
    weights=(
        Weight("mean", _sizes, when=_learned, trainable=False),
        Weight("variance", _sizes, when=_learned, trainable=False),
        Weight("count", lambda c, x: (), when=_learned, trainable=False, training_only=True),
    ),
    mask=keep,
)
def normalization(inputs, *, axis=-1, mean=None, variance=None, invert=False, dtype="float32"):
    """(x - μ) / σ, or its inverse x σ + μ, with moments from the config or the file."""
    if (mean is None) != (variance is None):
        raise UnsupportedOption("mean and variance can only be given together")
    x = ops.cast(inputs, dtype=dtype)
    mu, square = (
        w if hasattr(w, "dtype") else ops.constant(w, "float32") for w in (mean, variance)
    )
    axes = _axes(axis, x.ndim)
    # Fewer moments than axes are those of the last axes.
    axes = axes[len(axes) - mu.ndim :]
    mu, square = (ops.cast(_along(w, axes, x.ndim), dtype=dtype) for w in (mu, square))
    sigma = ops.maximum(ops.sqrt(square), 1e-7)
    return x * sigma + mu if invert else (x - mu) / sigma
