"""Convolutions.  One function serves one, two and three space dimensions."""

from __future__ import annotations

from npforward import ops
from npforward.errors import BadInput
from npforward.layers.activations import activate
from npforward.layers.quantization import lora_weights, merged
from npforward.layers.registry import Weight, layer, one_of, per_axis
from npforward.layers.spatial import borders, channels_last, channels_restored

# Keras on Theano: what it called "same", and "full", where kernels reach over the edge.
PADDINGS = ("valid", "same", "theano>same", "full")


def _channels(config, shape):
    return shape[1] if config.get("data_format") == "channels_first" else shape[-1]


def _bias(size):
    return Weight("bias", size, when="use_bias")


_FILTERS = _bias(lambda c, x: (c["filters"],))


def _kernel(config, shape):
    inward = _channels(config, shape) // config.get("groups", 1)
    return (*config["kernel_size"], inward, config["filters"])


_KERNEL = lora_weights("kernel", _kernel)


@layer(
    "Conv1D",
    "Conv2D",
    "Conv3D",
    weights=(*_KERNEL[:2], _FILTERS, *_KERNEL[2:]),
    batch_axes=True,
)
def conv(
    inputs,
    kernel,
    bias=None,
    *,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
    groups=1,
    use_bias=True,
    activation=None,
):
    """Slide `kernel` over the input, add `bias`, apply `activation`."""
    if inputs.ndim < kernel.ndim:
        raise BadInput(f"it takes {kernel.ndim} axes, but its input has {inputs.shape}")
    extra = inputs.shape[: inputs.ndim - kernel.ndim]  # tf.keras takes several batch axes
    if extra:
        inputs = ops.reshape(inputs, shape=(-1, *inputs.shape[len(extra) + 1 :]))
    one_of("padding", padding, *PADDINGS, "causal", "torch>same")
    kernel = merged(kernel)
    x, strides, dilation = _padded(inputs, kernel, strides, padding, data_format, dilation_rate)
    y = ops.conv(x, kernel, strides=strides, dilation=dilation, groups=groups)
    y = y if bias is None else y + bias
    y = _activated(y, data_format, activation)
    return ops.reshape(y, shape=(*extra, -1, *y.shape[1:])) if extra else y


@layer(
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    weights=(
        Weight(
            "kernel",
            lambda c, x: (*c["kernel_size"], _channels(c, x), c.get("depth_multiplier", 1)),
        ),
        _bias(lambda c, x: (_channels(c, x) * c.get("depth_multiplier", 1),)),
    ),
)
def depthwise_conv(
    inputs,
    kernel,
    bias=None,
    *,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
    use_bias=True,
    activation=None,
):
    """Convolve each channel with its own kernels, add `bias`, apply `activation`."""
    y = _depthwise(inputs, kernel, strides, padding, data_format, dilation_rate)
    y = y if bias is None else y + bias
    return _activated(y, data_format, activation)


@layer(
    "SeparableConv1D",
    "SeparableConv2D",
    weights=(
        Weight(
            "depthwise_kernel",
            lambda c, x: (*c["kernel_size"], _channels(c, x), c.get("depth_multiplier", 1)),
        ),
        Weight(
            "pointwise_kernel",
            lambda c, x: (
                *(1 for _ in c["kernel_size"]),
                _channels(c, x) * c.get("depth_multiplier", 1),
                c["filters"],
            ),
        ),
        _FILTERS,
    ),
)
def separable_conv(
    inputs,
    depthwise_kernel,
    pointwise_kernel,
    bias=None,
    *,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
    use_bias=True,
    activation=None,
):
    """A depthwise convolution, then one with a kernel of one pixel across channels."""
    y = _depthwise(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    ones = (1,) * (pointwise_kernel.ndim - 2)
    y = ops.conv(y, pointwise_kernel, strides=ones, dilation=ones)
    y = y if bias is None else y + bias
    return _activated(y, data_format, activation)


@layer(
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    weights=(
        Weight("kernel", lambda c, x: (*c["kernel_size"], c["filters"], _channels(c, x))),
        _FILTERS,
    ),
)
def conv_transpose(
    inputs,
    kernel,
    bias=None,
    *,
    strides=1,
    padding="valid",
    output_padding=None,
    output_shape=None,
    data_format=None,
    dilation_rate=1,
    use_bias=True,
    activation=None,
):
    """The gradient of a convolution as a layer: each input value puts down a scaled kernel.

    V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning (2016).
    `output_shape` is the space of the output, which Keras 1 was told.
    """
    x = channels_last(inputs, data_format)
    n = kernel.ndim - 2
    size = kernel.shape[:-2]
    strides = per_axis("strides", strides, n)
    dilation = per_axis("dilation_rate", dilation_rate, n)
    one_of("padding", padding, *PADDINGS)
    extra = (None,) * n if output_padding is None else per_axis("output_padding", output_padding, n)
    given = (None,) * n if output_shape is None else per_axis("output_shape", output_shape, n)

    whole, crop = [], []  # per axis: the space that kernels reach, and the part to keep
    axes = zip(x.shape[1:-1], size, strides, dilation, extra, given, strict=True)
    for m, k, s, d, e, out in axes:
        k = (k - 1) * d + 1
        reach = (m - 1) * s + k
        if out is None and padding == "valid":
            out = reach + (max(s - k, 0) if e is None else e)
        elif out is None and padding == "full":
            out = m * s - (s + k - 2)
        elif out is None:
            out = m * s if e is None else (m - 1) * s + k % 2 + e
        same = max(reach - out, 0) // 2
        before = {"valid": 0, "same": same, "theano>same": k // 2, "full": k - 1}[padding]
        whole.append(max(reach, before + out))
        crop.append(slice(before, before + out))
    shape = (x.shape[0], *whole, kernel.shape[-2])
    y = ops.conv_transpose(x, kernel, shape=shape, strides=strides, dilation=dilation)
    y = y[(slice(None), *crop)]
    y = y if bias is None else y + bias
    return _activated(y, data_format, activation)


def _depthwise(inputs, kernel, strides, padding, data_format, dilation_rate):
    one_of("padding", padding, *PADDINGS)
    x, strides, dilation = _padded(inputs, kernel, strides, padding, data_format, dilation_rate)
    return ops.depthwise_conv(x, kernel, strides=strides, dilation=dilation)


def _padded(inputs, kernel, strides, padding, data_format, dilation_rate):
    """The input with channels last and its border; strides and dilation for each axis."""
    x = channels_last(inputs, data_format)
    size = kernel.shape[:-2]
    strides = per_axis("strides", strides, len(size))
    dilation = per_axis("dilation_rate", dilation_rate, len(size))
    return ops.pad(x, widths=borders(x, size, strides, dilation, padding)), strides, dilation


def _activated(y, data_format, activation):
    """Activations see the layout that the model has: softmax takes its last axis."""
    return activate(channels_restored(y, data_format), activation)
