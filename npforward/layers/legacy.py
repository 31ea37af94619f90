"""Layers of Keras 1 and 2 that Keras 3 no longer has."""

from __future__ import annotations

import itertools
import math

from npforward import ops
from npforward.errors import BadInput
from npforward.inner import tap
from npforward.layers.activations import activate
from npforward.layers.merging import dot
from npforward.layers.registry import Weight, keep, layer, one_of, per_axis
from npforward.layers.spatial import borders, channels_last, channels_restored

# ---- dense layers --------------------------------------------------------------------------------


@layer(
    "MaxoutDense",
    weights=(
        Weight("kernel", lambda c, x: (c.get("nb_feature", 4), x[-1], c["units"])),
        Weight("bias", lambda c, x: (c.get("nb_feature", 4), c["units"]), when="use_bias"),
    ),
)
def maxout_dense(inputs, kernel, bias=None, *, nb_feature=4, use_bias=True):
    """The largest of several x W + b.  (N, C) -> (N, units)

    I. Goodfellow et al., Maxout Networks (2013).
    """
    y = ops.einsum(inputs, kernel, equation="nc,kcu->nku")
    y = y if bias is None else y + bias
    return ops.max(y, axis=1)


def _square(config, shape):
    return (shape[-1], shape[-1])


def _last(config, shape):
    return (shape[-1],)


@layer(
    "Highway",
    weights=(
        Weight("kernel", _square),
        Weight("carry_kernel", _square),
        Weight("bias", _last, when="use_bias"),
        Weight("carry_bias", _last, when="use_bias"),
    ),
)
def highway(
    inputs, kernel, carry_kernel, bias=None, carry_bias=None, *, use_bias=True, activation=None
):
    """t h + (1 - t) x, with h = activation(x W + b) and t = σ(x W' + b').

    R. Srivastava, K. Greff and J. Schmidhuber, Highway Networks (2015).
    """
    z, h = ops.dense(inputs, carry_kernel), ops.dense(inputs, kernel)
    z = z if carry_bias is None else z + carry_bias
    h = h if bias is None else h + bias
    transform = tap("transform_gate", ops.sigmoid(z))
    return transform * activate(h, activation) + (1.0 - transform) * inputs


# ---- activations ---------------------------------------------------------------------------------


def _each(config, shape):
    """One for each number of a sample, or for all along the axes that share it."""
    shared = config.get("shared_axes") or ()
    return tuple(1 if i in shared else n for i, n in enumerate(shape[1:], start=1))


@layer("ParametricSoftplus", weights=(Weight("alpha", _each), Weight("beta", _each)), mask=keep)
def parametric_softplus(inputs, alpha, beta, *, shared_axes=None):
    """α log(1 + exp(β x)), with learnt α and β."""
    return alpha * ops.softplus(beta * inputs)


@layer(
    "SReLU",
    weights=tuple(Weight(name, _each) for name in ("t_left", "a_left", "t_right", "a_right")),
    mask=keep,
)
def s_relu(inputs, t_left, a_left, t_right, a_right, *, shared_axes=None, limit_left=False):
    """x between two thresholds, and lines of learnt slopes a on either side.

    X. Jin et al., Deep Learning with S-shaped Rectified Linear Activation Units (2015).  The right
    threshold is kept as its distance from the left one.  On Theano the left line too ends at the
    right threshold (`limit_left`): it may where its slope is negative.
    """
    width = ops.absolute(t_right)
    x = inputs - t_left
    left, centre = a_left * ops.relu(-x), ops.relu(x)
    centre = ops.minimum(centre - left, width) if limit_left else ops.minimum(centre, width) - left
    return t_left + centre + a_right * ops.relu(x - width)


# ---- normalisation -------------------------------------------------------------------------------


def _along_axis(config, shape):
    return (shape[config.get("axis", -1)],)


_NORMALIZED = (
    Weight("gamma", _along_axis),
    Weight("beta", _along_axis),
    Weight("moving_mean", _along_axis, trainable=False, training_only=True),
    Weight("moving_variance", _along_axis, trainable=False, training_only=True),
)


@layer("SamplewiseNormalization", weights=_NORMALIZED, mask=keep)
def samplewise_normalization(inputs, gamma, beta, *, axis=-1, epsilon=1e-3):
    """γ (x - μ) / (√(σ² + ε) + ε) + β, with the moments of each vector along the last axis.

    BatchNormalization of Keras 1 with mode 1.
    """
    mu = tap("mean", ops.mean(inputs, axis=-1, keepdims=True))
    variance = tap("variance", ops.var(inputs, axis=-1, keepdims=True))
    x_hat = (inputs - mu) / (ops.sqrt(variance + epsilon) + epsilon)
    return gamma * tap("normalized", x_hat) + beta


@layer("BatchwiseNormalization", weights=_NORMALIZED, mask=keep)
def batchwise_normalization(inputs, gamma, beta, *, axis=-1, epsilon=1e-3):
    """γ (x - μ) / √(σ² + ε) + β, with the moments of the samples that are given together.

    BatchNormalization of Keras 1 with mode 2.
    """
    axis = axis % inputs.ndim
    others = [a for a in range(inputs.ndim) if a != axis]
    shape = tuple(inputs.shape[a] if a == axis else 1 for a in range(inputs.ndim))
    gamma, beta = (ops.reshape(w, shape=shape) for w in (gamma, beta))
    mu = tap("mean", ops.mean(inputs, axis=others, keepdims=True))
    variance = tap("variance", ops.var(inputs, axis=others, keepdims=True))
    return gamma * tap("normalized", (inputs - mu) / ops.sqrt(variance + epsilon)) + beta


# ---- merging -------------------------------------------------------------------------------------


@layer("Merge")
def merge(inputs, *, mode, axes=-1):
    """The cosine of two inputs, with an axis more than Dot gives: Keras 1's Merge of mode "cos"."""
    one_of("mode", mode, "cos")
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        raise BadInput("expected a list of 2 inputs")
    a, b = inputs
    squares = dot([a, a], axes=axes) * dot([b, b], axes=axes)
    lengths = ops.maximum(ops.sqrt(ops.maximum(squares, 0.0)), 1e-7)
    return ops.expand_dims(dot([a, b], axes=axes) / lengths, axis=1)


# ---- convolutions that share nothing -------------------------------------------------------------


class _Windows:
    """Where the windows of a layer lie over its input; places and taps are numbered in a row."""

    def __init__(self, config, space):
        n = len(space)
        self.size = per_axis("kernel_size", config["kernel_size"], n)
        self.strides = per_axis("strides", config.get("strides", 1), n)
        padding = one_of("padding", config.get("padding", "valid"), "valid", "same")
        same = padding == "same"
        # Other convolutions put the odd one of "same" after, these put k // 2 before, as Theano.
        self.padding = "theano>same" if same else "valid"
        self.space = tuple(space)
        axes = tuple(zip(space, self.size, self.strides, strict=True))
        self.out = tuple(-(-m // s) if same else (m - k) // s + 1 for m, k, s in axes)
        if min(self.out) < 1:
            raise BadInput(f"a kernel of {self.size} does not fit into {self.space}")
        self._before = [k // 2 if same else 0 for k in self.size]
        self.places, self.taps = math.prod(self.out), math.prod(self.size)

    def met(self):
        """For each place and each tap, the number of the input that it meets; None: the border."""
        for place in itertools.product(*map(range, self.out)):
            yield [self._number(place, tap) for tap in itertools.product(*map(range, self.size))]

    def _number(self, place, tap):
        number = 0
        for o, t, s, before, m in zip(
            place, tap, self.strides, self._before, self.space, strict=True
        ):
            at = o * s + t - before
            if not 0 <= at < m:
                return None
            number = number * m + at
        return number


def _space_of(config, shape):
    first = config.get("data_format") == "channels_first"
    return (shape[2:], shape[1]) if first else (shape[1:-1], shape[-1])


def _local_kernel(config, shape):
    space, channels = _space_of(config, shape)
    first = config.get("data_format") == "channels_first"
    windows, filters = _Windows(config, space), config["filters"]
    kind = one_of("implementation", config.get("implementation", 1), 1, 2, 3)
    if kind == 1:
        return (windows.places, windows.taps * channels, filters)
    if kind == 2 and first:
        return (channels, *space, filters, *windows.out)
    if kind == 2:
        return (*space, channels, *windows.out, filters)
    inside = sum(number is not None for numbers in windows.met() for number in numbers)
    return (inside * channels * filters,)


def _local_bias(config, shape):
    return (*_Windows(config, _space_of(config, shape)[0]).out, config["filters"])


@layer(
    "LocallyConnected1D",
    "LocallyConnected2D",
    weights=(
        Weight("kernel", _local_kernel),
        Weight("bias", _local_bias, when="use_bias"),
    ),
)
def locally_connected(
    inputs,
    kernel,
    bias=None,
    *,
    filters,
    kernel_size,
    strides=1,
    padding="valid",
    data_format=None,
    implementation=1,
    use_bias=True,
    activation=None,
):
    """A convolution that has another kernel at every place.

    The kernels are kept in one of three ways (`implementation`): a matrix for each place; all
    inputs with all outputs, most of which do not meet; or a list of those that meet.
    """
    x = channels_last(inputs, data_format)
    channels, first = x.shape[-1], data_format == "channels_first"
    config = {"kernel_size": kernel_size, "strides": strides, "padding": padding}
    windows = _Windows(config, x.shape[1:-1])
    apart = {1: _of_places, 2: _of_pairs, 3: _of_list}
    one_of("implementation", implementation, *apart)
    w = apart[implementation](kernel, windows, channels, filters, first)

    ones = (1,) * len(windows.size)
    x = ops.pad(x, widths=borders(x, windows.size, windows.strides, ones, windows.padding))
    x = ops.windows(x, size=windows.size, strides=windows.strides, dilation=ones)
    x = ops.reshape(x, shape=(x.shape[0], windows.places, windows.taps * channels))
    w = ops.reshape(w, shape=(windows.places, windows.taps * channels, filters))
    y = ops.transpose(ops.matmul(ops.transpose(x, axes=(1, 0, 2)), w), axes=(1, 0, 2))
    y = channels_restored(ops.reshape(y, shape=(x.shape[0], *windows.out, filters)), data_format)
    if bias is not None:
        # Channels first, Keras reads the bias in the order of its numbers, not of its axes.
        y = y + (ops.reshape(bias, shape=(filters, *windows.out)) if first else bias)
    return activate(y, activation)


def _of_places(kernel, windows, channels, filters, first):
    """(places, taps channels, filters) -> (places, taps, channels, filters)"""
    if not first:
        return kernel
    w = ops.reshape(kernel, shape=(windows.places, channels, windows.taps, filters))
    return ops.transpose(w, axes=(0, 2, 1, 3))


def _of_pairs(kernel, windows, channels, filters, first):
    """(*in, channels, *out, filters) -> (places, taps, channels, filters)"""
    inward, places = math.prod(windows.space), windows.places
    if first:
        w = ops.reshape(kernel, shape=(channels, inward, filters, places))
        w = ops.transpose(w, axes=(1, 3, 0, 2))
    else:
        w = ops.reshape(kernel, shape=(inward, channels, places, filters))
        w = ops.transpose(w, axes=(0, 2, 1, 3))
    w = ops.reshape(w, shape=(inward * places, channels, filters))
    met = list(windows.met())
    index = [[(n or 0) * places + place for n in numbers] for place, numbers in enumerate(met)]
    inside = [[[[n is not None]] for n in numbers] for numbers in met]
    taken = ops.take(w, ops.constant(index, "int64"), axis=0)
    return ops.where(ops.constant(inside, "bool"), taken, 0.0)


def _of_list(kernel, windows, channels, filters, first):
    """(all that meet,) -> (places, taps, channels, filters)

    They are listed by output, and for each output by input.
    """
    met = ops.constant([[n is not None for n in numbers] for numbers in windows.met()], "bool")
    if first:
        order = (filters, windows.places, channels, windows.taps)
        inside = ops.reshape(met, shape=(1, windows.places, 1, windows.taps))
    else:
        order = (windows.places, filters, windows.taps, channels)
        inside = ops.reshape(met, shape=(windows.places, 1, windows.taps, 1))
    inside = ops.logical_and(inside, ops.full(order, True, "bool"))
    number = ops.cumsum(ops.cast(ops.ravel(inside), dtype="int64")) - 1
    index = ops.reshape(ops.maximum(number, 0), shape=order)
    w = ops.where(inside, ops.take(kernel, index, axis=0), 0.0)
    return ops.transpose(w, axes=(1, 3, 2, 0) if first else (0, 2, 3, 1))
