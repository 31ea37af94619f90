"""Where `keras.ops.nn` puts otherwise what `npforward.ops` and the layers have."""

from __future__ import annotations

from npforward import ops
from npforward.errors import BadInput
from npforward.layers import convolutional, normalization, spatial
from npforward.layers.registry import per_axis


def conv(inputs, kernel, *, strides=1, padding="valid", data_format=None, dilation_rate=1):
    channels = inputs.shape[1 if data_format == "channels_first" else -1]
    if not kernel.shape[-2] or channels % kernel.shape[-2]:
        raise BadInput(f"{channels} channels do not fit a kernel of {kernel.shape}")
    return convolutional.conv(
        inputs,
        kernel,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        groups=channels // kernel.shape[-2],
    )


def ctc_loss(target, output, target_length, output_length, *, mask_index=0):
    return ops.ctc_loss(output, target, target_length, output_length, blank=mask_index)


def gelu(x, *, approximate=True):
    return ops.gelu(x, approximate=approximate)


def moments(x, *, axes, keepdims=False, synchronized=False):
    return ops.moments(x, axes=axes, keepdims=keepdims)


def one_hot(x, *, num_classes, axis=-1, dtype=None, sparse=False):
    x = ops.cast(x, dtype="int64")
    return ops.one_hot(x, num_classes=num_classes, axis=axis, dtype=dtype or "float32")


def multi_hot(inputs, *, num_classes, axis=-1, dtype=None, sparse=False):
    hot = one_hot(inputs, num_classes=num_classes, axis=axis, dtype=dtype)
    over = 1 if inputs.ndim > 1 else 0
    return ops.any(hot, axis=over) if hot.dtype == bool else ops.max(hot, axis=over)


def batch_norm(x, mean, variance, offset=None, scale=None, *, axis, epsilon=1e-3):
    return normalization.batch_normalization(
        x, None, None, scale, offset, mean, variance, axis=axis, epsilon=epsilon, dtype=x.dtype
    )


def layer_norm(x, gamma=None, beta=None, *, axis=-1, epsilon=None, rms_scaling=False):
    return normalization.layer_normalization(
        x,
        gamma,
        beta,
        axis=axis,
        epsilon=1e-7 if epsilon is None else epsilon,
        rms_scaling=rms_scaling,
        dtype=x.dtype,
    )


def rms_norm(x, scale=None, *, axis=-1, epsilon=None):
    return normalization.rms_normalization(
        x, scale, axis=axis, epsilon=1e-7 if epsilon is None else epsilon
    )


def over_space(function):
    """For functions of channels last."""

    def operation(x, *, block_size, data_format="channels_last"):
        y = function(spatial.channels_last(x, data_format), block_size=block_size)
        return spatial.channels_restored(y, data_format)

    return operation


def unfold(x, *, kernel_size, dilation=1, padding=0, stride=1):
    size, dilation, padding, stride = (
        per_axis("kernel_size", kernel_size, 2),
        per_axis("dilation", dilation, 2),
        per_axis("padding", padding, 2),
        per_axis("stride", stride, 2),
    )
    x = ops.pad(x, widths=((0, 0), (0, 0), *((p, p) for p in padding)))
    x = spatial.channels_last(x, "channels_first")
    y = ops.windows(x, size=size, strides=stride, dilation=dilation)
    y = ops.transpose(y, axes=(0, 5, 3, 4, 1, 2))  # (N, C, kH, kW, H, W)
    n, c, kh, kw, h, w = y.shape
    return ops.reshape(y, shape=(n, c * kh * kw, h * w))


def fold(x, *, output_size, kernel_size, dilation=1, padding=0, stride=1):
    space, size, dilation, padding, stride = (
        per_axis("output_size", output_size, 2),
        per_axis("kernel_size", kernel_size, 2),
        per_axis("dilation", dilation, 2),
        per_axis("padding", padding, 2),
        per_axis("stride", stride, 2),
    )
    space = tuple(n + 2 * p for n, p in zip(space, padding, strict=True))
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, d, s in zip(space, size, dilation, stride, strict=True)
    ]
    n, c = x.shape[0], x.shape[1] // (size[0] * size[1])
    y = ops.transpose(ops.reshape(x, shape=(n, c, *size, *out)), axes=(0, 4, 5, 2, 3, 1))
    y = ops.overlay(y, space=space, size=size, strides=stride, dilation=dilation)
    y = spatial.channels_restored(y, "channels_first")
    inner = (slice(p, p + n - 2 * p) for n, p in zip(space, padding, strict=True))
    return y[(slice(None), slice(None), *inner)]
