"""Run genuine Keras layers on small arrays and record what they compute: weights_fixtures/layers/.

A case is one line of the table below: class, input shape(s), constructor options.

    python weights_fixtures/make/layers.py [CLASS ...]
"""

import numpy as np
from quantizing import Lora, quantized
from recorder import (
    Args,
    case,
    channels_first,
    command,
    inner,
    integers,
    keras,
    mask,
    negative,
    padded,
    typed,
)  # fmt: skip

# keras.ops.add of 3.15 hands anything that looks like a bias to tf.nn.bias_add, and takes a bias of
# shape (1, C, 1, 1) for one over the last axis when that happens to have C elements too.
BIAS = "TensorFlow adds a bias to the wrong axis where the width equals the number of channels"

# Dense
for shape in (3, 5), (1, 5), (2, 3, 5), (2, 3, 2, 5), (0, 5), (2, 1):
    case("Dense", shape, units=4)
case("Dense", (2, 5), units=1)
case("Dense", (2, 5), units=4, use_bias=False)
case("Dense", (2, 3, 5), units=4, use_bias=False, activation="relu")
for activation in "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "hard_sigmoid", "linear":
    case("Dense", (3, 5), units=4, activation=activation)
case("Dense", (3, 5), units=4, activation=keras.layers.LeakyReLU(0.2))
case("Dense", (3, 5), units=4, activation=keras.layers.ReLU(max_value=0.5, negative_slope=0.1))
case("Dense", (2, 3, 5), units=4, activation=keras.layers.Softmax(axis=1))
case("Dense", (3, 5), units=4, kernel_regularizer="l2", bias_constraint="non_neg")
case("Dense", (3, 5), units=4, trainable=False)
case("Dense", integers(-9, 9, (3, 5), "int32"), units=4, note="int32")
case("Dense", integers(0, 256, (3, 5), "uint8"), units=4, note="uint8")
case("Dense", typed("float64", 3, 5), units=4, note="float64-in")

# Conv1D
for padding in "valid", "same", "causal":
    for kernel_size in 1, 2, 3, 4:
        case("Conv1D", (2, 9, 3), filters=4, kernel_size=kernel_size, padding=padding)
    for strides in 2, 3:
        case("Conv1D", (1, 10, 2), filters=3, kernel_size=3, strides=strides, padding=padding)
        case("Conv1D", (1, 9, 2), filters=3, kernel_size=2, strides=strides, padding=padding)
    for dilation_rate in 2, 3:
        case(
            "Conv1D",
            (2, 11, 2),
            filters=3,
            kernel_size=3,
            dilation_rate=dilation_rate,
            padding=padding,
        )
    case("Conv1D", (2, 8, 4), filters=6, kernel_size=3, groups=2, padding=padding)
for padding in "valid", "same":
    channels_first(
        "Conv1D", (2, 9, 3), filters=2, kernel_size=3, strides=2, padding=padding, activation="relu"
    )
channels_first("Conv1D", (2, 10, 3), filters=4, kernel_size=3, padding="causal", dilation_rate=2)
case("Conv1D", (2, 9, 3), filters=4, kernel_size=3, use_bias=False)
case("Conv1D", (2, 4, 4), filters=4, kernel_size=1, groups=4)
case("Conv1D", (2, 3, 2), filters=3, kernel_size=5, padding="same")
case("Conv1D", (2, 9, 2), filters=2, kernel_size=2, strides=3, note="skips-input")

# Conv2D
for padding in "valid", "same":
    for kernel_size in 1, 2, 3, (4, 1), (2, 3), 5:
        case("Conv2D", (2, 7, 6, 2), filters=3, kernel_size=kernel_size, padding=padding)
    for strides in 2, (1, 2), (3, 2):
        case("Conv2D", (1, 7, 8, 2), filters=3, kernel_size=3, strides=strides, padding=padding)
        case("Conv2D", (1, 8, 9, 2), filters=3, kernel_size=2, strides=strides, padding=padding)
    for dilation_rate in 2, (1, 3), (3, 2):
        case(
            "Conv2D",
            (1, 9, 8, 2),
            filters=3,
            kernel_size=(3, 2),
            dilation_rate=dilation_rate,
            padding=padding,
        )
    case("Conv2D", (2, 5, 6, 4), filters=6, kernel_size=3, groups=2, padding=padding)
    case("Conv2D", (1, 7, 6, 4), filters=4, kernel_size=3, groups=4, strides=2, padding=padding)
    case(
        "Conv2D", (1, 8, 7, 4), filters=2, kernel_size=2, groups=2, dilation_rate=2, padding=padding
    )
    channels_first("Conv2D", (2, 6, 5, 3), filters=3, kernel_size=(3, 2), padding=padding)
    channels_first("Conv2D", (1, 6, 7, 2), filters=2, kernel_size=3, strides=2, padding=padding)
    channels_first("Conv2D", (1, 7, 6, 4), filters=2, kernel_size=2, groups=2, padding=padding)
for activation in "relu", "sigmoid", "softmax", "swish", "relu6":
    case("Conv2D", (1, 4, 5, 2), filters=3, kernel_size=3, activation=activation)
case("Conv2D", (1, 4, 5, 2), filters=3, kernel_size=3, activation=keras.layers.LeakyReLU(0.2))
case("Conv2D", (1, 4, 5, 2), filters=3, kernel_size=3, use_bias=False)
case("Conv2D", (3, 3, 3, 1), filters=2, kernel_size=3)
case("Conv2D", (1, 2, 2, 2), filters=2, kernel_size=5, padding="same")
case("Conv2D", (1, 7, 7, 2), filters=2, kernel_size=1, strides=2, note="skips-input")
case("Conv2D", (1, 8, 8, 1), filters=2, kernel_size=1, strides=3, padding="same")
for name in "Conv2D", "Conv2DTranspose", "SeparableConv2D":
    case(name, (1, 2, 5, 3), filters=3, kernel_size=1, data_format="channels_first", jax=BIAS)
case("DepthwiseConv2D", (1, 3, 5, 3), kernel_size=1, data_format="channels_first", jax=BIAS)
case("Conv2D", (0, 5, 5, 2), filters=3, kernel_size=3)

# Conv3D
for padding in "valid", "same":
    for kernel_size in 1, 2, (3, 2, 1):
        case("Conv3D", (1, 4, 5, 3, 2), filters=3, kernel_size=kernel_size, padding=padding)
    for strides in 2, (1, 2, 3):
        case("Conv3D", (1, 5, 4, 6, 2), filters=2, kernel_size=3, strides=strides, padding=padding)
    case("Conv3D", (1, 5, 6, 5, 2), filters=2, kernel_size=2, dilation_rate=2, padding=padding)
    case(
        "Conv3D",
        (1, 6, 4, 5, 2),
        filters=2,
        kernel_size=2,
        dilation_rate=(2, 1, 3),
        padding=padding,
    )
    case("Conv3D", (1, 3, 4, 3, 4), filters=2, kernel_size=2, groups=2, padding=padding)
channels_first("Conv3D", (2, 3, 4, 3, 2), filters=3, kernel_size=2, activation="relu")
case("Conv3D", (1, 3, 3, 3, 2), filters=2, kernel_size=2, use_bias=False)

# DepthwiseConv1D, DepthwiseConv2D
for padding in "valid", "same":
    for depth_multiplier in 1, 2:
        case(
            "DepthwiseConv1D",
            (2, 9, 3),
            kernel_size=3,
            depth_multiplier=depth_multiplier,
            padding=padding,
        )
        case(
            "DepthwiseConv2D",
            (2, 6, 5, 3),
            kernel_size=(3, 2),
            depth_multiplier=depth_multiplier,
            padding=padding,
        )
    channels_first("DepthwiseConv1D", (2, 10, 2), kernel_size=4, strides=3, padding=padding)
    channels_first("DepthwiseConv2D", (1, 7, 8, 2), kernel_size=3, strides=2, padding=padding)
    channels_first(
        "DepthwiseConv2D", (1, 6, 5, 2), kernel_size=2, depth_multiplier=3, padding=padding
    )
    case("DepthwiseConv1D", (2, 9, 2), kernel_size=3, dilation_rate=2, padding=padding)
    case("DepthwiseConv2D", (1, 8, 7, 2), kernel_size=3, dilation_rate=2, padding=padding)
    case("DepthwiseConv2D", (1, 8, 9, 2), kernel_size=(2, 3), dilation_rate=(3, 2), padding=padding)
    case("DepthwiseConv2D", (1, 8, 7, 2), kernel_size=2, strides=3, padding=padding)
    case("DepthwiseConv2D", (1, 8, 7, 2), kernel_size=3, strides=(2, 1), padding=padding)
case("DepthwiseConv1D", (2, 6, 2), kernel_size=2, use_bias=False, activation="tanh")
case("DepthwiseConv2D", (2, 4, 4, 2), kernel_size=2, use_bias=False, activation="relu6")
case("DepthwiseConv2D", (1, 5, 5, 1), kernel_size=3, depth_multiplier=4)

# SeparableConv1D, SeparableConv2D
for padding in "valid", "same":  # Keras builds it with "causal" and then refuses to call it
    case("SeparableConv1D", (2, 9, 3), filters=4, kernel_size=3, padding=padding)
    case("SeparableConv1D", (2, 9, 3), filters=4, kernel_size=2, dilation_rate=2, padding=padding)
    case("SeparableConv1D", (2, 10, 2), filters=3, kernel_size=4, strides=3, padding=padding)
    case(
        "SeparableConv1D", (2, 6, 2), filters=3, kernel_size=2, depth_multiplier=2, padding=padding
    )
for padding in "valid", "same":
    channels_first("SeparableConv1D", (1, 8, 2), filters=3, kernel_size=3, padding=padding)
    case("SeparableConv2D", (2, 6, 5, 3), filters=4, kernel_size=(3, 2), padding=padding)
    case(
        "SeparableConv2D", (1, 8, 7, 2), filters=3, kernel_size=3, dilation_rate=2, padding=padding
    )
    case("SeparableConv2D", (1, 8, 9, 2), filters=3, kernel_size=3, strides=2, padding=padding)
    case(
        "SeparableConv2D",
        (1, 5, 5, 2),
        filters=3,
        kernel_size=2,
        depth_multiplier=2,
        padding=padding,
    )
    channels_first("SeparableConv2D", (1, 6, 5, 2), filters=4, kernel_size=3, padding=padding)
case("SeparableConv1D", (2, 6, 2), filters=3, kernel_size=2, use_bias=False, activation="relu")
case("SeparableConv2D", (1, 5, 5, 2), filters=3, kernel_size=2, use_bias=False, activation="relu")

# Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
for padding in "valid", "same":
    for kernel_size in 1, 2, 3, 4:
        for strides in 1, 2, 3:
            case(
                "Conv1DTranspose",
                (2, 5, 2),
                filters=3,
                kernel_size=kernel_size,
                strides=strides,
                padding=padding,
            )
    for output_padding in 0, 1:
        case(
            "Conv1DTranspose",
            (2, 5, 2),
            filters=3,
            kernel_size=3,
            strides=2,
            padding=padding,
            output_padding=output_padding,
        )
        case(
            "Conv2DTranspose",
            (1, 3, 4, 2),
            filters=3,
            kernel_size=(3, 4),
            strides=2,
            padding=padding,
            output_padding=output_padding,
        )
        case(
            "Conv3DTranspose",
            (1, 2, 3, 2, 2),
            filters=2,
            kernel_size=3,
            strides=2,
            padding=padding,
            output_padding=output_padding,
        )
    case(
        "Conv2DTranspose",
        (1, 4, 3, 2),
        filters=2,
        kernel_size=5,
        strides=(3, 2),
        padding=padding,
        output_padding=(2, 1),
    )
    for kernel_size in 1, 2, 3, (4, 3), 5:
        for strides in 1, 2, (3, 1):
            case(
                "Conv2DTranspose",
                (1, 3, 4, 2),
                filters=3,
                kernel_size=kernel_size,
                strides=strides,
                padding=padding,
            )
    for kernel_size in 1, 2, (3, 2, 4):
        for strides in 1, 2, (1, 3, 2):
            case(
                "Conv3DTranspose",
                (1, 2, 3, 2, 2),
                filters=2,
                kernel_size=kernel_size,
                strides=strides,
                padding=padding,
            )
    for kernel_size in 2, 3:
        case(
            "Conv1DTranspose",
            (2, 6, 2),
            filters=3,
            kernel_size=kernel_size,
            dilation_rate=2,
            padding=padding,
        )
        case(
            "Conv2DTranspose",
            (1, 4, 5, 2),
            filters=2,
            kernel_size=kernel_size,
            dilation_rate=(2, 3),
            padding=padding,
        )
    case(
        "Conv3DTranspose",
        (1, 3, 2, 3, 2),
        filters=2,
        kernel_size=2,
        dilation_rate=2,
        padding=padding,
    )
    channels_first(
        "Conv1DTranspose", (1, 4, 2), filters=3, kernel_size=3, strides=2, padding=padding
    )
    channels_first(
        "Conv2DTranspose", (2, 4, 3, 2), filters=3, kernel_size=3, strides=2, padding=padding
    )
    channels_first(
        "Conv3DTranspose", (1, 2, 3, 2, 2), filters=2, kernel_size=3, strides=2, padding=padding
    )
for class_name, shape in (
    ("Conv1DTranspose", (2, 4, 2)),
    ("Conv2DTranspose", (2, 3, 2, 2)),
    ("Conv3DTranspose", (2, 2, 3, 2, 2)),
):
    case(class_name, shape, filters=2, kernel_size=3, use_bias=False, activation="relu")

# Pooling
for kind in "Max", "Average":
    for rank, shape in (1, (2, 9, 3)), (2, (2, 7, 6, 2)), (3, (1, 5, 4, 6, 2)):
        name = f"{kind}Pooling{rank}D"
        for padding in "valid", "same":
            for pool_size in 2, 3:
                case(name, shape, pool_size=pool_size, padding=padding)
            for strides in 1, 2, 3:
                case(name, shape, pool_size=2, strides=strides, padding=padding)
            channels_first(name, shape, pool_size=3, strides=2, padding=padding)
        case(name, shape, pool_size=1, strides=2)
        case(name, shape, pool_size=shape[1 : 1 + rank] if rank > 1 else shape[1])
    for padding in "valid", "same":
        name = f"{kind}Pooling2D"
        case(name, (1, 7, 8, 2), pool_size=(3, 1), strides=(2, 3), padding=padding)
        case(name, (1, 6, 5, 2), pool_size=(2, 3), strides=None, padding=padding)
        case(name, (1, 3, 3, 1), pool_size=4, padding="same", strides=1, note=padding)
        case(
            f"{kind}Pooling3D",
            (1, 4, 5, 3, 2),
            pool_size=(2, 3, 1),
            strides=(1, 2, 2),
            padding=padding,
        )
    case(f"{kind}Pooling2D", negative(1, 5, 5, 2), pool_size=2, padding="same", note="negative")
    case(f"{kind}Pooling2D", (0, 4, 4, 2), pool_size=2)
case("MaxPooling2D", integers(-9, 9, (1, 5, 4, 2), "int32"), pool_size=2, note="int32")
case("MaxPooling1D", integers(0, 256, (2, 5, 2), "uint8"), pool_size=2, note="uint8")

# Global pooling
for kind in "Max", "Average":
    for rank, shape in (1, (2, 5, 3)), (2, (2, 4, 3, 3)), (3, (2, 3, 2, 4, 2)):
        for keepdims in False, True:
            channels_first(f"Global{kind}Pooling{rank}D", shape, keepdims=keepdims)
    case(f"Global{kind}Pooling2D", (0, 4, 4, 2))
    case(f"Global{kind}Pooling1D", integers(-9, 9, (2, 5, 2), "int32"), note="int32")
for keepdims in False, True:
    case("GlobalAveragePooling1D", (3, 5, 2), call={"mask": mask(3, 5)}, keepdims=keepdims)
case("GlobalAveragePooling1D", (3, 2, 5), call={"mask": mask(3, 5)}, data_format="channels_first")

# Normalisation
for shape in (3, 4), (2, 5, 3), (2, 4, 3, 3), (1, 2, 3, 2, 3):
    case("BatchNormalization", shape)
    case("LayerNormalization", shape)
for axis in 1, 2, -2, 3:
    case("BatchNormalization", (2, 4, 3, 5), axis=axis)
case("BatchNormalization", (2, 4, 3, 5), axis=1, scale=False, center=False)
for scale, center in (False, True), (True, False), (False, False):
    case("BatchNormalization", (2, 3, 4), scale=scale, center=center)
    case("LayerNormalization", (2, 3, 4), scale=scale, center=center)
for epsilon in 1e-5, 0.1:
    case("BatchNormalization", (2, 3, 4), epsilon=epsilon, momentum=0.5)
    case("LayerNormalization", (2, 3, 4), epsilon=epsilon)
case("BatchNormalization", (2, 3, 4), call={"mask": mask(2, 3)})
case("BatchNormalization", (2, 3, 4), renorm=True)
case("BatchNormalization", (2, 3, 4), trainable=False)
case("BatchNormalization", (1, 3))
case("BatchNormalization", (0, 3))
case("BatchNormalization", integers(-9, 9, (2, 3), "int32"), note="int32")
case("LayerNormalization", integers(-9, 9, (2, 3), "int32"), note="int32")
case("Activation", integers(-9, 9, (2, 3), "int32"), activation="relu", note="int32")
for axis in 1, -2, [1, 2], [-1, -2], [2, 1], [1, 3], [1, 2, 3], [-1]:
    case("LayerNormalization", (2, 4, 3, 5), axis=axis)
case("LayerNormalization", (2, 4, 3, 5), axis=[1, 3], scale=False)
case("LayerNormalization", (2, 3, 4), rms_scaling=True)
case("LayerNormalization", (2, 3, 4, 2), rms_scaling=True, axis=[1, 2])
case("LayerNormalization", (2, 3, 4), rms_scaling=True, center=False, scale=False)
case("LayerNormalization", lambda rng: np.full((2, 4), 3, "float32"), note="constant")
case("LayerNormalization", lambda rng: (20 + rng.random((2, 8))).astype("float32"), note="far")

# Activation functions
GRID = np.concatenate([np.arange(-24, 25) / 8, [-20, -9.5, -6, -4.25, 4.25, 6, 9.5, 20, 0.001]])
EXTREME = np.array([[-1e4, -745, -104, -88, -40, -0.0], [0, 1e-30, 40, 88.5, 104, 1e4]])
ACTIVATIONS = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus
    softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink
"""  # not "threshold": it needs arguments, which a file cannot say
for activation in ACTIVATIONS.split():
    case(
        "Activation",
        GRID.reshape(2, 29)[:, :28].astype("float32"),
        activation=activation,
        note="grid",
    )
    case("Activation", EXTREME.astype("float32"), activation=activation, note="extreme")
    case("Activation", (2, 3, 2, 4), activation=activation)
    case("Activation", (1, 6), activation=activation)
case("Activation", (2, 3), activation=keras.layers.LeakyReLU(0.2))

# Activation layers
for max_value in None, 1.0, 6.0:
    for negative_slope in 0.0, 0.25:
        for threshold in 0.0, 0.5:
            case(
                "ReLU",
                lambda rng: 3 * rng.standard_normal((2, 9), "float32"),
                max_value=max_value,
                negative_slope=negative_slope,
                threshold=threshold,
            )
case("ReLU", np.array([[-1, -0.5, -0.0, 0, 0.5, 1, 6, 7]], "float32"), max_value=6, threshold=0.5)
case("ReLU", (1, 3, 2, 2), max_value=0.0)
for negative_slope in 0.3, 0.0, 0.01, 1.5:
    case("LeakyReLU", (2, 3, 4), negative_slope=negative_slope)
for shape, shared_axes in (
    ((2, 4), None),
    ((2, 3, 4), None),
    ((2, 3, 4), [1]),
    ((2, 3, 2, 4), [1, 2]),
    ((2, 3, 2, 4), [3]),
    ((2, 3, 2, 4), [1, 2, 3]),
):
    case("PReLU", shape, shared_axes=shared_axes)
for alpha in 1.0, 0.3, 2.0:
    case("ELU", (2, 3, 4), alpha=alpha)
for shape, axis in (
    ((2, 5), -1),
    ((2, 3, 4), -1),
    ((2, 3, 4), 1),
    ((2, 3, 2, 3), 2),
    ((2, 3, 4), [1, 2]),
    ((2, 3, 4), [-1]),
    ((2, 3, 2, 3), [1, 3]),
):
    case("Softmax", shape, axis=axis, note="list" if isinstance(axis, list) else "")
case("Softmax", (3, 5), call={"mask": mask(3, 5)})
case("Softmax", (3, 2, 5), call={"mask": mask(3, 2, 5)}, axis=[1, 2])
case("Softmax", (3, 2, 5), call={"mask": mask(3, 1, 5)}, note="broadcast")
case("Softmax", (3, 2, 5), call={"mask": mask(2, 5)}, note="broadcast-batch")
case(
    "Softmax",
    (2, 4),
    call={"mask": np.array([[1, 0, 1, 0], [0, 0, 0, 0]], bool)},
    note="all-masked",
)
case("Softmax", (2, 4), call={"mask": np.array([[1, 0, 1, 0], [0, 0, 0.4, 2]], "float32")})
case("Softmax", np.array([[1e4, 1e4 - 1, -1e4], [-1e30, -1e30, -1e30]], "float32"), note="extreme")

# Merging
for name in "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum":
    case(name, [(2, 3), (2, 3)])
    case(name, [(1, 3, 2, 4), (1, 3, 2, 4)])
    case(name, [(2, 3, 4), (2, 1, 4)], note="broadcast")
    case(name, [(2, 3, 1), (2, 1, 4)], note="broadcast-both")
    case(name, [(2, 3, 4), (2, 4)], note="rank")
    case(name, [(2, 4), (2, 3, 2, 4)], note="rank")
    case(
        name,
        [(1, 4, 4), (1, 4, 1)],
        note="like-a-bias",
        jax=BIAS if name in ("Add", "Average") else "",
    )
    case(name, [(2, 3), integers(-9, 9, (2, 3), "int32")], note="mixed")
    if name != "Average":  # of which TensorFlow makes float64, and JAX float32
        case(name, [integers(-9, 9, (2, 3), "int32")] * 2, note="int32")
    if name != "Subtract":
        case(name, [(2, 3), (2, 3), (2, 3)], note="three")
        case(name, [(2, 3, 4), (2, 4), (2, 1, 1), (2, 3, 4)], note="four")
case("Concatenate", [(2, 3), (2, 4)])
case("Concatenate", [(2, 3), (2, 1), (2, 4)])
for axis in 1, 2, 3, -1, -2:
    shapes = [[2, 3, 2, 4], [2, 3, 2, 4]]
    shapes[1][axis] += 2
    case("Concatenate", [tuple(s) for s in shapes], axis=axis)
case("Concatenate", [(2, 3), integers(-9, 9, (2, 2), "int32")], note="mixed")
for shapes, axes in (
    ([(3, 4), (3, 4)], 1),
    ([(3, 4), (3, 4)], -1),
    ([(3, 4), (3, 4)], (1, 1)),
    ([(2, 3, 4), (2, 5, 4)], 2),
    ([(2, 3, 4), (2, 3, 5)], 1),
    ([(2, 3, 4), (2, 4, 5)], (2, 1)),
    ([(2, 4, 3), (2, 5, 4)], (1, 2)),
    ([(2, 3, 4), (2, 5, 4)], (-1, -1)),
    ([(2, 4), (2, 3, 4)], (1, 2)),
    ([(2, 3, 4), (2, 3)], (1, 1)),
    ([(2, 2, 3, 4), (2, 4, 5)], (3, 1)),
    ([(2, 3, 4), (2, 2, 4, 3)], (2, 2)),
    ([(2, 2, 3, 4), (2, 4, 2, 3)], (3, 1)),
    ([(2, 2, 3, 4), (2, 3, 2, 5)], (2, 1)),
    ([(2, 4), (2, 2, 4, 3)], (1, 2)),
):
    case("Dot", shapes, axes=axes)
    if len(shapes[0]) <= 3 and len(shapes[1]) <= 3:
        case("Dot", shapes, axes=axes, normalize=True)

# Reshaping
for shape in (2, 3), (2, 3, 4), (2, 3, 2, 4), (1, 2, 3, 2, 2), (3,):
    case("Flatten", shape)
    case("Flatten", shape, data_format="channels_first")
case("Flatten", integers(0, 256, (2, 3, 3, 1), "uint8"), note="uint8")
case("Flatten", integers(-9, 9, (2, 3, 2), "int32"), note="int32")
case("Flatten", (0, 3, 2))
for shape, target in (
    ((2, 12), (3, 4)),
    ((2, 12), (-1, 2)),
    ((2, 3, 4), (12,)),
    ((2, 3, 4), (-1,)),
    ((2, 3, 4), (2, -1, 3)),
    ((2, 3, 4), (1, 3, 4, 1)),
    ((2, 1), ()),
    ((1, 6), (6,)),
):
    case("Reshape", shape, target_shape=target)
case("Permute", (2, 3, 4), dims=(2, 1))
case("Permute", (2, 3, 2, 4), dims=(3, 1, 2))
case("Permute", (2, 3, 2, 4), dims=(1, 3, 2))
case("Permute", (2, 2, 3, 2, 4), dims=(4, 2, 1, 3))
case("Permute", (2, 3), dims=(1,))
for n in 1, 3:
    case("RepeatVector", (2, 4), n=n)
for padding in 1, 2, (0, 2), (3, 1):
    channels_first("ZeroPadding1D", (2, 4, 3), padding=padding)
for padding in 1, (1, 2), ((0, 1), (2, 3)), ((0, 0), (0, 0)):
    channels_first("ZeroPadding2D", (1, 3, 4, 2), padding=padding)
for padding in 1, (1, 0, 2), ((0, 1), (2, 0), (1, 3)):
    channels_first("ZeroPadding3D", (1, 2, 3, 2, 2), padding=padding)
for cropping in 1, (0, 2), (2, 1), (0, 0):
    case("Cropping1D", (2, 6, 3), cropping=cropping)
for cropping in 1, (1, 2), ((0, 1), (2, 0)), ((1, 2), (0, 3)), ((0, 0), (0, 0)):
    channels_first("Cropping2D", (1, 5, 6, 2), cropping=cropping)
for cropping in 1, (1, 0, 2), ((0, 1), (2, 0), (1, 3)):
    channels_first("Cropping3D", (1, 4, 4, 6, 2), cropping=cropping)
for size in 1, 2, 3:
    case("UpSampling1D", (2, 3, 2), size=size)
for interpolation in "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5":
    for size in 2, (1, 4):
        case("UpSampling2D", (1, 3, 4, 2), size=size, interpolation=interpolation)
    # TensorFlow reads the weights of thirds from a table of 1024 entries; JAX computes them.
    case("UpSampling2D", (1, 3, 4, 2), size=(3, 2), interpolation=interpolation)
    case("UpSampling2D", (1, 1, 2, 1), size=3, interpolation=interpolation)
    channels_first("UpSampling2D", (2, 5, 3, 2), size=2, interpolation=interpolation)
for size in 2, (1, 3, 2):
    channels_first("UpSampling3D", (1, 2, 2, 3, 2), size=size)

# Layers that only act in training
for name, shape in (
    ("Dropout", (2, 5)),
    ("SpatialDropout1D", (2, 4, 3)),
    ("SpatialDropout2D", (1, 3, 4, 2)),
    ("SpatialDropout3D", (1, 2, 3, 2, 2)),
    ("GaussianDropout", (2, 5)),
    ("AlphaDropout", (2, 5)),
):
    case(name, shape, rate=0.5)
    case(name, shape, rate=0.25, seed=7)
case("Dropout", (2, 3, 4), rate=0.5, noise_shape=(None, 1, 4))
case("AlphaDropout", (2, 3, 4), rate=0.5, noise_shape=(2, 1, 4))
case("SpatialDropout2D", (1, 2, 3, 4), rate=0.5, data_format="channels_first")
case("SpatialDropout3D", (1, 2, 3, 2, 2), rate=0.5, data_format="channels_first")
case("GaussianNoise", (2, 5), stddev=0.5)
case("GaussianNoise", (2, 3, 4), stddev=1.0, seed=7)
case("ActivityRegularization", (2, 5), l1=0.1, l2=0.2)
case("Identity", (2, 5))
case("Identity", integers(-9, 9, (2, 3), "int32"), note="int32")

# Rescaling
case("Rescaling", (2, 3, 3, 3), scale=1 / 255)
case("Rescaling", (2, 5), scale=2.0, offset=-1.0)
case("Rescaling", (2, 3, 3, 3), scale=[0.1, 0.2, 0.3])
case("Rescaling", (2, 3, 3, 3), scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])
case("Rescaling", (2, 3, 3, 3), scale=0.5, offset=[1.0, 2.0, 3.0])
case("Rescaling", integers(0, 256, (2, 4, 3), "uint8"), scale=1 / 255, note="uint8")
case("Rescaling", integers(-9, 9, (2, 3), "int32"), scale=1 / 127.5, offset=-1.0, note="int32")

# SimpleRNN, LSTM, GRU
STATES = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}
KEPT = {  # masks over 5 steps of 4 samples
    "right": padded(5, 5, 3, 1, 4),
    "left": padded(5, 5, 3, 1, 4, left=True),
    "holes": np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1]], bool),
    "some-all-masked": padded(5, 0, 5, 0, 2),
    "all-masked": padded(5, 0, 0, 0, 0),
}
for name, states in STATES.items():
    for shape in (2, 5, 3), (1, 4, 3), (3, 1, 3), (2, 5, 1), (0, 4, 3), (1, 1, 1):
        case(name, shape, units=4)
        case(name, shape, units=2, return_sequences=True, return_state=True)
    case(name, (2, 4, 3), units=1)
    for return_sequences in False, True:
        for go_backwards in False, True:
            case(
                name,
                (2, 5, 3),
                units=3,
                return_sequences=return_sequences,
                return_state=True,
                go_backwards=go_backwards,
            )
        case(name, (2, 4, 3), units=3, return_sequences=return_sequences, unroll=True)
        case(name, (2, 4, 3), units=3, return_sequences=return_sequences, stateful=True)
        given = [(2, 3)] * states
        case(
            name,
            (2, 4, 2),
            units=3,
            return_sequences=return_sequences,
            return_state=True,
            call={"initial_state": given},
        )
    if states == 1:
        case(name, (2, 4, 2), units=3, call={"initial_state": (2, 3)}, note="one-state")
    case(name, (2, 4, 3), units=3, go_backwards=True, unroll=True, return_sequences=True)
    case(name, (2, 4, 3), units=3, use_bias=False)
    case(name, (2, 4, 3), units=3, use_bias=False, return_sequences=True, go_backwards=True)
    for activation in "relu", "hard_sigmoid", "linear", "softsign", "sigmoid", "softmax":
        case(name, (2, 4, 3), units=3, activation=activation, return_sequences=True)
    case(name, (2, 4, 3), units=3, activation=inner("LeakyReLU", negative_slope=0.2))
    case(name, (2, 4, 3), units=3, activation=None, return_sequences=True)
    if name != "SimpleRNN":
        for activation in "hard_sigmoid", "relu", "tanh", "linear", None, "softmax":
            case(name, (2, 4, 3), units=3, recurrent_activation=activation, return_sequences=True)
        case(name, (2, 4, 3), units=3, recurrent_activation="hard_sigmoid", activation="relu")
        case(name, (2, 4, 3), units=3, use_cudnn=False)
    case(name, (2, 4, 3), units=3, dropout=0.5, recurrent_dropout=0.25, seed=7)
    case(name, (2, 4, 3), units=3, trainable=False, kernel_regularizer="l2")
    for kind, keep in KEPT.items():
        for zero_output_for_mask in False, True:
            case(
                name,
                (4, 5, 2),
                units=3,
                return_sequences=True,
                return_state=True,
                zero_output_for_mask=zero_output_for_mask,
                call={"mask": keep},
                note=kind,
            )
        case(name, (4, 5, 2), units=3, call={"mask": keep}, note=kind)
        case(name, (4, 5, 2), units=3, go_backwards=True, call={"mask": keep}, note=kind)
    keep = KEPT["holes"]
    case(
        name,
        (4, 5, 2),
        units=3,
        go_backwards=True,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        call={"mask": keep},
    )
    for zero_output_for_mask in False, True:
        case(
            name,
            (4, 5, 2),
            units=3,
            return_sequences=True,
            unroll=True,
            zero_output_for_mask=zero_output_for_mask,
            call={"mask": keep},
        )
    case(
        name,
        (4, 5, 2),
        units=3,
        return_sequences=True,
        return_state=True,
        call={"mask": keep, "initial_state": [(4, 3)] * states},
    )
    case(name, (1, 1, 2), units=3, return_state=True, call={"mask": padded(1, 0)}, note="masked")
    case(name, integers(-3, 4, (2, 4, 3), "int32"), units=3, note="int32")
for reset_after in False, True:
    for use_bias in False, True:
        for unroll in False, True:
            case(
                "GRU",
                (2, 4, 3),
                units=3,
                reset_after=reset_after,
                use_bias=use_bias,
                unroll=unroll,
                return_sequences=True,
            )
    case("GRU", (2, 4, 3), units=3, reset_after=reset_after, activation="relu")
    case("GRU", (2, 4, 3), units=3, reset_after=reset_after, recurrent_activation="hard_sigmoid")
    case("GRU", (2, 4, 3), units=3, reset_after=reset_after, go_backwards=True, return_state=True)
    case("GRU", (4, 5, 2), units=3, reset_after=reset_after, call={"mask": KEPT["holes"]})
    case("GRU", (2, 4, 2), units=3, reset_after=reset_after, call={"initial_state": [(2, 3)]})
case("LSTM", (2, 4, 3), units=3, unit_forget_bias=False)

# Their cells
for name, states in STATES.items():
    cell = f"{name}Cell"
    for shape in (2, 3), (1, 3), (3, 1), (0, 3):
        case(cell, shape, units=2, call={"states": [(shape[0], 2)] * states})
    case(cell, Args([(2, 3), [(2, 2)] * states]), units=2, note="positional")
    if states == 1:
        case(cell, Args([(2, 3), (2, 2)]), units=2, note="one-state")
    given = {"states": [(2, 4)] * states}
    case(cell, (2, 3), units=4, use_bias=False, call=given)
    case(cell, (2, 3), units=4, activation="relu", call=given)
    case(cell, (2, 3), units=4, dropout=0.5, recurrent_dropout=0.5, seed=3, call=given)
    if name != "SimpleRNN":
        case(cell, (2, 3), units=4, recurrent_activation="hard_sigmoid", call=given)
        case(cell, (2, 3), units=4, recurrent_activation=None, activation=None, call=given)
for use_bias in False, True:
    case(
        "GRUCell",
        (2, 3),
        units=4,
        reset_after=False,
        use_bias=use_bias,
        call={"states": [(2, 4)]},
    )
case("LSTMCell", (2, 3), units=4, unit_forget_bias=False, call=given | {"states": [(2, 4)] * 2})

# RNN and StackedRNNCells
lstm, gru, simple = (
    inner("LSTMCell", units=3),
    inner("GRUCell", units=2),
    inner("SimpleRNNCell", units=4),
)
old_gru = inner("GRUCell", units=3, reset_after=False, activation="relu")
for cell in lstm, gru, simple, old_gru, [lstm], [gru, lstm], [simple, gru, lstm], [lstm, lstm]:
    for returned in False, True:
        for shape in (2, 4, 3), (1, 1, 3):
            case("RNN", shape, cell=cell, return_sequences=returned, return_state=returned)
    case("RNN", (2, 4, 3), cell=cell, go_backwards=True, return_sequences=True)
    if cell != [lstm]:  # with which Keras cannot unroll
        case("RNN", (2, 4, 3), cell=cell, unroll=True, return_sequences=True)
for cell in lstm, gru, [gru, lstm]:
    for zero_output_for_mask in False, True:
        case(
            "RNN",
            (4, 5, 2),
            cell=cell,
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=zero_output_for_mask,
            call={"mask": KEPT["holes"]},
        )
    case("RNN", (4, 5, 2), cell=cell, call={"mask": KEPT["right"]}, note="right")
case("RNN", (2, 4, 3), cell=lstm, call={"initial_state": [(2, 3), (2, 3)]}, return_state=True)
case("RNN", (2, 4, 3), cell=gru, call={"initial_state": [(2, 2)]})
case(
    "RNN",
    (2, 4, 3),
    cell=[gru, lstm],
    call={"initial_state": [(2, 2), [(2, 3), (2, 3)]]},
    return_state=True,
)
case("RNN", (2, 4, 3), cell=lstm, stateful=True, return_sequences=True)
case("RNN", (2, 4, 3), cell=inner("StackedRNNCells", cells=[gru, lstm]), return_sequences=True)
case("RNN", (2, 4, 3), cell=inner("LSTMCell", units=3, dropout=0.5, recurrent_dropout=0.5))
case("RNN", (0, 4, 3), cell=simple, return_state=True)
for dtype in "float16", "mixed_float16":  # another than that of the cell
    case("RNN", (2, 4, 3), cell=lstm, return_state=True, dtype=dtype)
case("RNN", (2, 4, 3), cell=gru, call={"initial_state": [typed("float16", 2, 2)]}, dtype="float16")
case("StackedRNNCells", (2, 3), cells=[gru, simple], call={"states": [(2, 2), (2, 4)]})
case(
    "StackedRNNCells",
    (2, 3),
    cells=[gru, simple],
    call={"states": [[(2, 2)], [(2, 4)]]},
    note="lists",
)
case("StackedRNNCells", (2, 3), cells=[gru, lstm], call={"states": [(2, 2), [(2, 3), (2, 3)]]})
case("StackedRNNCells", (1, 3), cells=[lstm], call={"states": [[(1, 3), (1, 3)]]})
case("StackedRNNCells", Args([(2, 3), [[(2, 3), (2, 3)], [(2, 3), (2, 3)]]]), cells=[lstm, lstm])

# Bidirectional
for merge_mode in "concat", "sum", "mul", "ave", None:
    for name in STATES:
        for returned in False, True:
            layer = inner(name, units=2, return_sequences=returned, return_state=returned)
            case("Bidirectional", (2, 4, 3), layer=layer, merge_mode=merge_mode)
    for kind in KEPT if merge_mode in ("concat", None) else ["holes"]:
        layer = inner("LSTM", units=2, return_sequences=True)
        case(
            "Bidirectional",
            (4, 5, 2),
            layer=layer,
            merge_mode=merge_mode,
            call={"mask": KEPT[kind]},
            note=kind,
        )
for name, states in STATES.items():
    for shape in (1, 1, 3), (1, 4, 3), (0, 4, 3):
        case("Bidirectional", shape, layer=inner(name, units=3))
    for returned in False, True:  # Keras refuses a forward layer that goes backwards alone
        case(
            "Bidirectional",
            (2, 4, 3),
            layer=inner(name, units=3, return_sequences=returned, go_backwards=True),
            backward_layer=inner(name, units=3, return_sequences=returned),
        )
    for kind in "right", "left", "holes":
        layer = inner(name, units=3, return_state=True)
        case("Bidirectional", (4, 5, 2), layer=layer, call={"mask": KEPT[kind]}, note=kind)
        layer = inner(name, units=3, return_sequences=True, zero_output_for_mask=True)
        case("Bidirectional", (4, 5, 2), layer=layer, call={"mask": KEPT[kind]}, note=kind)
    case(
        "Bidirectional",
        (2, 4, 3),
        layer=inner(name, units=2, return_state=True),
        call={"initial_state": [(2, 2)] * (2 * states)},
    )
    case("Bidirectional", (2, 4, 3), layer=inner(name, units=3, unroll=True))
    case("Bidirectional", (2, 4, 3), layer=inner(name, units=3, stateful=True))
    case("Bidirectional", (2, 4, 3), layer=inner(name, units=3, use_bias=False, activation="relu"))
case("Bidirectional", (2, 4, 3), layer=inner("GRU", units=3, reset_after=False))
case("Bidirectional", (2, 4, 3), layer=inner("RNN", cell=[gru, lstm], return_sequences=True))
for merge_mode in "concat", "ave", None:  # another precision than that of the layer inside
    turned = inner("LSTM", units=2, return_state=True)
    case("Bidirectional", (2, 4, 3), layer=turned, merge_mode=merge_mode, dtype="float16")
case(
    "Bidirectional",
    (2, 4, 3),
    layer=inner("LSTM", units=3, return_sequences=True),
    backward_layer=inner(
        "LSTM", units=2, return_sequences=True, go_backwards=True, activation="relu"
    ),
)
case(
    "Bidirectional",
    (2, 4, 3),
    layer=inner("LSTM", units=3),
    backward_layer=inner("GRU", units=3, go_backwards=True),
    merge_mode="sum",
)
case("Bidirectional", (2, 3, 4, 2), layer=inner("ConvLSTM1D", filters=2, kernel_size=2))

# TimeDistributed
sequential = inner(
    "Sequential",
    layers=[
        inner("Conv1D", filters=3, kernel_size=2, activation="relu"),
        inner("Flatten"),
        inner("Dense", units=2),
    ],
)
for layer, shapes in (
    (inner("Dense", units=4), [(2, 3, 5), (2, 3, 2, 5), (1, 2, 3, 2, 4), (1, 1, 3), (0, 3, 5)]),
    (inner("Dense", units=4, activation="softmax", use_bias=False), [(2, 3, 5)]),
    (inner("Conv1D", filters=3, kernel_size=2), [(2, 3, 4, 2)]),
    (inner("Conv2D", filters=3, kernel_size=2, strides=2), [(2, 3, 5, 4, 2), (1, 1, 3, 3, 1)]),
    (inner("MaxPooling2D"), [(2, 3, 4, 4, 2)]),
    (inner("GlobalAveragePooling1D"), [(2, 3, 4, 2)]),
    (inner("BatchNormalization"), [(2, 3, 4), (2, 3, 2, 4)]),
    (inner("LayerNormalization"), [(2, 3, 4)]),
    (inner("Flatten"), [(2, 3, 2, 4)]),
    (inner("Activation", activation="softmax"), [(2, 3, 2, 4)]),
    (inner("Dropout", rate=0.5), [(2, 3, 4)]),
    (inner("LSTM", units=2), [(2, 3, 4, 2)]),
    (inner("GRU", units=2, return_sequences=True), [(2, 3, 4, 2)]),
    (inner("Bidirectional", layer=inner("LSTM", units=2)), [(2, 3, 4, 2)]),
    (inner("TimeDistributed", layer=inner("Dense", units=2)), [(2, 3, 4, 2)]),
    (sequential, [(2, 3, 4, 2)]),
):
    for shape in shapes:
        case("TimeDistributed", shape, layer=layer)
case("TimeDistributed", (4, 5, 3), layer=inner("Dense", units=2), call={"mask": KEPT["holes"]})
for name in "GlobalAveragePooling2D", "GlobalMaxPooling2D":  # which take no mask
    case("TimeDistributed", (4, 5, 3, 2, 2), layer=inner(name), call={"mask": KEPT["holes"]})
case("TimeDistributed", (2, 4, 3), layer=inner("Dense", units=2), dtype="float16")
case("TimeDistributed", (2, 4, 3), layer=inner("Dense", units=2, dtype="float16"))
for dtype in "mixed_float16", "mixed_bfloat16":  # in which the weights of the inner layer are too
    case("TimeDistributed", (2, 4, 3), layer=inner("Dense", units=2), dtype=dtype)
    case("TimeDistributed", (2, 4, 3), layer=inner("Activation", activation="tanh"), dtype=dtype)
    case("TimeDistributed", (2, 4, 3), layer=inner("LayerNormalization", dtype=dtype))
case(
    "TimeDistributed",
    (2, 3, 4, 2),
    layer=inner("TimeDistributed", layer=inner("Dense", units=2)),
    dtype="mixed_float16",
)
case("TimeDistributed", (2, 3, 4, 2), layer=inner("LSTM", units=2), call={"mask": mask(2, 3, 4)})
case(
    "TimeDistributed",
    integers(0, 5, (2, 3, 4), "int32"),
    layer=inner("Embedding", input_dim=5, output_dim=2),
)

# ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
for rank, shape in (1, (2, 3, 6, 2)), (2, (2, 3, 5, 4, 2)), (3, (1, 2, 3, 4, 3, 1)):
    name, filters = f"ConvLSTM{rank}D", 3 if rank < 3 else 2
    first = (*shape[:2], shape[-1], *shape[2:-1])
    size = (3, 2, 2)[:rank] if rank > 1 else 3
    for padding in "valid", "same":
        for returned in False, True:
            case(
                name,
                shape,
                filters=filters,
                kernel_size=size,
                padding=padding,
                return_sequences=returned,
                return_state=returned,
            )
        case(name, shape, filters=filters, kernel_size=2, strides=2, padding=padding)
        case(name, shape, filters=filters, kernel_size=2, dilation_rate=2, padding=padding)
        case(
            name,
            first,
            filters=filters,
            kernel_size=2,
            padding=padding,
            data_format="channels_first",
            return_state=True,
        )
    case(name, first, filters=2, kernel_size=2, strides=2, data_format="channels_first")
    for options in (
        {"use_bias": False},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"recurrent_activation": "linear", "activation": None},
        {"go_backwards": True, "return_sequences": True},
        {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1},
        {"stateful": True},
        {"unit_forget_bias": False},
        {"unroll": True, "return_sequences": True},
    ):
        case(name, shape, filters=2, kernel_size=2, **options)
    space = [n - 1 for n in shape[2:-1]]
    case(
        name,
        shape,
        filters=2,
        kernel_size=2,
        return_state=True,
        call={"initial_state": [(shape[0], *space, 2)] * 2},
    )
    case(name, (1, 1, *shape[2:]), filters=2, kernel_size=2)
    for zero_output_for_mask in False, True:
        case(
            name,
            (4, 5, *[3] * rank, 1),
            filters=1,
            kernel_size=2,
            return_sequences=True,
            zero_output_for_mask=zero_output_for_mask,
            call={"mask": KEPT["holes"]},
        )
case("ConvLSTM2D", (2, 3, 5, 6, 2), filters=2, kernel_size=(2, 3), strides=(2, 1))
case("ConvLSTM2D", (2, 3, 5, 6, 2), filters=2, kernel_size=(2, 3), dilation_rate=(1, 2))

# Attention, AdditiveAttention
for name, options in (
    ("Attention", {}),
    ("Attention", {"use_scale": True}),
    ("Attention", {"score_mode": "concat"}),
    ("Attention", {"score_mode": "concat", "use_scale": True}),
    ("Attention", {"dropout": 0.5, "seed": 2}),
    ("AdditiveAttention", {}),
    ("AdditiveAttention", {"use_scale": False}),
    ("AdditiveAttention", {"dropout": 0.5}),
):
    pair, triple = [(2, 5, 3), (2, 4, 3)], [(2, 5, 3), (2, 4, 6), (2, 4, 3)]
    case(name, pair, **options)
    case(name, triple, **options)
    case(name, [(1, 1, 3), (1, 1, 3)], **options)
    case(name, pair, call={"return_attention_scores": True}, **options)
    case(name, pair, call={"use_causal_mask": True, "return_attention_scores": True}, **options)
    both = {"mask": [mask(2, 5), mask(2, 4)], "return_attention_scores": True}
    case(name, pair, call=both, note="both", **options)
    case(name, triple, call=both | {"use_causal_mask": True}, note="both", **options)
    case(name, pair, call={"mask": [mask(2, 5), None]}, note="query", **options)
    case(name, pair, call={"mask": [None, mask(2, 4)]}, note="value", **options)
for name in "Attention", "AdditiveAttention":
    case(name, [(0, 5, 3), (0, 4, 3)])
    nothing = [None, np.zeros((2, 4), bool)]
    case(name, pair, call={"mask": nothing, "return_attention_scores": True}, note="all-masked")
    case(name, triple, call={"mask": [mask(2, 5), mask(2, 4), mask(2, 4)]}, note="three")
    case(name, [(2, 4, 3), (2, 4, 3)], call={"use_causal_mask": True})
case("Attention", [(2, 3, 5, 4), (2, 3, 2, 4)])

# MultiHeadAttention
q, v, k = (2, 5, 6), (2, 4, 3), (2, 4, 7)
scores = {"return_attention_scores": True}
heads = {"num_heads": 2, "key_dim": 3}
for name, few in (
    ("MultiHeadAttention", heads),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
):
    case(name, Args([q, q]), **few)
    case(name, Args([q, v]), **few)
    case(name, Args([q, v, k]), **few)
    case(name, q, call={"value": v, "key": k} | scores, **few)
    case(name, Args([(1, 1, 4), (1, 1, 4)]), call=scores, **few)
    case(name, Args([(0, 3, 4), (0, 3, 4)]), **few)
    case(name, Args([q, v]), use_bias=False, **few)
    case(name, Args([q, v]), use_gate=True, **few)
    case(name, Args([q, v]), use_gate=True, use_bias=False, call=scores, **few)
    case(name, Args([q, v]), dropout=0.5, seed=1, **few)
    for sliding_window in 1, 2, 10:
        case(name, Args([q, q]), sliding_window=sliding_window, call=scores, **few)
    case(name, Args([q, q]), sliding_window=2, call={"use_causal_mask": True}, **few)
    for shown in {}, scores:
        case(name, Args([q, q]), call={"use_causal_mask": True} | shown, **few)
        case(name, Args([q, v]), call={"use_causal_mask": True} | shown, **few)
        case(name, Args([q, v]), call={"attention_mask": mask(2, 5, 4)} | shown, **few)
        case(name, Args([q, v]), call={"query_mask": mask(2, 5)} | shown, **few)
        case(name, Args([q, v]), call={"value_mask": mask(2, 4)} | shown, **few)
        case(name, Args([q, v, k]), call={"key_mask": mask(2, 4)} | shown, **few)
        every = {
            "query_mask": mask(2, 5),
            "value_mask": mask(2, 4),
            "key_mask": mask(2, 4),
            "attention_mask": mask(2, 5, 4),
            "use_causal_mask": True,
        }
        case(name, Args([q, v, k]), call=every | shown, **few)
    case(name, Args([q, v]), call={"attention_mask": mask(1, 5, 4)}, note="one-for-all", **few)
    nothing = np.ones((2, 5, 4), bool)
    nothing[0, 2] = False
    case(name, Args([q, v]), call={"attention_mask": nothing} | scores, note="row-masked", **few)
case("MultiHeadAttention", Args([q, v]), num_heads=1, key_dim=4)
case("MultiHeadAttention", Args([q, v]), num_heads=3, key_dim=2, value_dim=5)
case("MultiHeadAttention", Args([q, v, k]), num_heads=3, key_dim=2, value_dim=5, call=scores)
case("MultiHeadAttention", Args([q, v]), num_heads=3, key_dim=2, value_dim=5, use_gate=True)
for output_shape in 4, (2, 3):
    case("MultiHeadAttention", Args([q, v]), output_shape=output_shape, **heads)
    case("MultiHeadAttention", Args([q, v]), output_shape=output_shape, use_bias=False, **heads)
for attention_axes in 1, 2, (1, 2), None:
    grid = Args([(2, 3, 4, 5), (2, 3, 4, 5)])
    case("MultiHeadAttention", grid, attention_axes=attention_axes, call=scores, **heads)
    case("MultiHeadAttention", grid, attention_axes=attention_axes, **heads)
case("MultiHeadAttention", Args([(2, 3, 5, 4), (2, 3, 2, 4)]), attention_axes=2, **heads)
case("MultiHeadAttention", Args([(1, 2, 3, 2, 4)] * 2), attention_axes=(1, 3), call=scores, **heads)
case("MultiHeadAttention", Args([(1, 2, 3, 2, 4)] * 2), attention_axes=(2, 3), **heads)
for counts in (2, 2), (4, 1), (6, 3), (1, 1):
    case(
        "GroupQueryAttention",
        Args([q, v]),
        head_dim=2,
        num_query_heads=counts[0],
        num_key_value_heads=counts[1],
        call=scores,
    )

# EinsumDense
for equation, shape, output_shape, axes in (
    ("ab,bc->ac", (3, 4), 5, ("c",)),
    ("ab,bc->ac", (0, 4), 5, ("c",)),
    ("abc,cd->abd", (2, 3, 4), (None, 5), ("d",)),
    ("abc,cd->abd", (2, 3, 4), (3, 5), ("bd", "b")),
    ("abc,cde->abde", (2, 3, 4), (None, 2, 5), ("de", "e", "d")),
    ("abcd,cde->abe", (2, 3, 2, 4), (None, 5), ("e",)),
    ("abc,bd->adc", (2, 3, 4), (5, 4), ("d", "dc")),
    ("abc,dc->abd", (2, 3, 4), (3, 5), ("d",)),
    ("abc,bcd->ad", (2, 3, 4), 5, ("d",)),
    ("abc,bc->abc", (2, 3, 4), (3, 4), ("c", "bc")),
    ("...x,xy->...y", (2, 3, 4), 5, ("y",)),
    ("...x,xy->...y", (2, 4), 5, ("y",)),
    ("...x,xy->...y", (2, 3, 2, 4), 5, ("y",)),
    ("...ab,bc->...ac", (2, 3, 4), (3, 5), ("c", "ac")),
    ("ab...,bc->ac...", (2, 3, 4), 5, ("c",)),
    ("ab...,bc->ac...", (2, 3, 2, 4), (5, 2, 4), ("c",)),
):
    case("EinsumDense", shape, equation=equation, output_shape=output_shape)
    for bias_axes in axes:
        case(
            "EinsumDense", shape, equation=equation, output_shape=output_shape, bias_axes=bias_axes
        )
for activation in "relu", "softmax", inner("LeakyReLU", negative_slope=0.3):
    case(
        "EinsumDense",
        (2, 3, 4),
        equation="abc,cd->abd",
        output_shape=(None, 5),
        bias_axes="d",
        activation=activation,
    )
case(
    "EinsumDense",
    integers(-9, 9, (2, 3), "int32"),
    equation="ab,bc->ac",
    output_shape=2,
    note="int32",
)

# GroupNormalization, RMSNormalization, UnitNormalization
for shape in (2, 6), (2, 3, 6), (2, 3, 2, 6), (1, 2, 3, 2, 6), (0, 3, 6):
    for groups in 1, 2, 3, 6, -1:
        case("GroupNormalization", shape, groups=groups)
    case("RMSNormalization", shape)
    case("UnitNormalization", shape)
case("GroupNormalization", (1, 2, 64), note="default")
for axis in 1, 2, 3, -2, -3:
    case("GroupNormalization", (2, 4, 6, 2), groups=2, axis=axis)
    case("GroupNormalization", (2, 4, 6, 2), groups=-1, axis=axis)
for scale, center in (False, True), (True, False), (False, False):
    case("GroupNormalization", (2, 3, 4), groups=2, scale=scale, center=center)
    case("GroupNormalization", (2, 4, 3), groups=2, axis=1, scale=scale, center=center)
for epsilon in 1e-5, 0.1:
    case("GroupNormalization", (2, 3, 4), groups=2, epsilon=epsilon)
    case("RMSNormalization", (2, 3, 4), epsilon=epsilon)
for axis in 1, 2, -2, [1, 2], [2, 1], [-1], [-1, -2], [1, 3], [1, 2, 3]:
    note = "list" if isinstance(axis, list) else ""
    case("UnitNormalization", (2, 4, 3, 5), axis=axis, note=note)
for axis in 3, [3, 2], [-1], [-1, -2], [1, 2, 3]:
    case("RMSNormalization", (2, 4, 3, 5), axis=axis, note="list" if axis != 3 else "")
# Keras multiplies by the scale along the last axes, whichever were normalised.
for axis in 1, -2:
    case("RMSNormalization", (2, 4, 4), axis=axis, note="square")
case("RMSNormalization", (2, 3, 4, 3, 4), axis=[1, 2], note="square")
case("RMSNormalization", (2, 1, 4), axis=1)
for name, options in (
    ("GroupNormalization", {"groups": 2}),
    ("RMSNormalization", {}),
    ("UnitNormalization", {}),
):
    if name != "UnitNormalization":  # which refuses integers
        case(name, integers(-9, 9, (2, 3, 4), "int32"), note="int32", **options)
    case(name, lambda rng: np.zeros((2, 3, 4), "float32"), note="zeros", **options)
    case(name, lambda rng: (20 + rng.random((2, 3, 8))).astype("float32"), note="far", **options)

# SpectralNormalization
for layer, shape in (
    (inner("Dense", units=4), (2, 3)),
    (inner("Dense", units=4, use_bias=False, activation="relu"), (2, 3, 2)),
    (inner("Conv1D", filters=3, kernel_size=2), (2, 5, 2)),
    (inner("Conv2D", filters=3, kernel_size=2, strides=2, padding="same"), (1, 5, 4, 2)),
    (inner("EinsumDense", equation="ab,bc->ac", output_shape=3, bias_axes="c"), (2, 4)),
    (inner("Embedding", input_dim=5, output_dim=3), integers(0, 5, (2, 3), "int32")),
):
    case("SpectralNormalization", shape, layer=layer)
case("SpectralNormalization", (2, 3), layer=inner("Dense", units=4), power_iterations=3)

# Embedding, ReversibleEmbedding, Masking
for shape in (2, 3), (4,), (2, 3, 2), (1, 1), (0, 3), (2, 1):
    for mask_zero in False, True:
        case(
            "Embedding",
            integers(0, 5, shape, "int32"),
            input_dim=5,
            output_dim=4,
            mask_zero=mask_zero,
        )
for dtype in "int8", "uint8", "int16", "int64", "uint32", "float32", "float64", "bool":
    for name in "Embedding", "ReversibleEmbedding":
        case(name, integers(0, 2, (2, 3), dtype), input_dim=5, output_dim=4, note=dtype)
case(
    "Embedding",
    np.array([[0.2, 1.9, 2.5], [3.999, 4, 0.999]], "float32"),
    input_dim=5,
    output_dim=3,
    note="fractions",
)
case("Embedding", integers(0, 1, (2, 3), "int32"), input_dim=1, output_dim=1)
case("Embedding", integers(0, 300, (2, 3), "int32"), input_dim=300, output_dim=2)
for tie_weights in False, True:
    embedding = {"input_dim": 5, "output_dim": 4, "tie_weights": tie_weights}
    case("ReversibleEmbedding", integers(0, 5, (2, 3), "int32"), **embedding)
    case("ReversibleEmbedding", integers(0, 5, (2, 3), "int32"), mask_zero=True, **embedding)
    for shape in (2, 3, 4), (2, 4), (1, 1, 4), (0, 3, 4):
        case("ReversibleEmbedding", shape, call={"reverse": True}, **embedding)
    for options in (
        {"logit_soft_cap": 0.5},
        {"reverse_dtype": "float16"},
        {"reverse_dtype": "float64"},
        {"reverse_dtype": "bfloat16", "logit_soft_cap": 1.0},
    ):
        case("ReversibleEmbedding", (2, 3, 4), call={"reverse": True}, **options, **embedding)
        case("ReversibleEmbedding", integers(0, 5, (2, 3), "int32"), **options, **embedding)


def blanked(value, *shape):
    """Some steps hold `value` alone, others in some places only."""

    def draw(rng):
        x = rng.standard_normal(shape, "float32")
        x[rng.random(shape[:2]) < 0.4] = value
        x[..., 0][rng.random(shape[:-1]) < 0.4] = value
        return x

    return draw


for mask_value in 0.0, 1.5, -1:
    for shape in (3, 4, 2), (2, 3, 1), (1, 1, 2):
        case("Masking", blanked(mask_value, *shape), mask_value=mask_value)
case("Masking", blanked(0, 2, 3, 2, 2))
case("Masking", (0, 3, 2))
case("Masking", integers(0, 2, (3, 4, 2), "int32"), note="int32")
case(
    "Masking", lambda rng: np.array([[[np.nan, 0], [0, -0.0], [np.inf, 0]]], "float32"), note="nan"
)

# Adaptive pooling
DIES = {"Max": "TensorFlow divides by zero, and dies, where an output size is 1", "Average": ""}
for kind in "Max", "Average":
    for rank, shape in (1, (2, 6, 3)), (2, (2, 6, 4, 2)), (3, (1, 4, 6, 4, 2)):
        name = f"Adaptive{kind}Pooling{rank}D"
        channels_first(name, shape, output_size=1, jax=DIES[kind])
        for output_size in 2, 3, 4, 5, 7:
            channels_first(name, shape, output_size=output_size)
    name = f"Adaptive{kind}Pooling2D"
    channels_first(name, (1, 6, 5, 2), output_size=(3, 1), jax=DIES[kind])
    for output_size in (2, 5), (4, 4):
        channels_first(name, (1, 6, 5, 2), output_size=output_size)
    name = f"Adaptive{kind}Pooling3D"
    channels_first(name, (1, 5, 6, 4, 2), output_size=(2, 3, 1), jax=DIES[kind])
    channels_first(name, (1, 5, 6, 4, 2), output_size=(3, 2, 5))
    case(f"Adaptive{kind}Pooling2D", negative(1, 5, 5, 2), output_size=3, note="negative")
    case(f"Adaptive{kind}Pooling2D", (0, 5, 5, 2), output_size=2)
    case(f"Adaptive{kind}Pooling1D", (2, 7, 2), output_size=(3,), note="tuple")
    case(
        f"Adaptive{kind}Pooling1D", integers(-9, 9, (2, 6, 2), "int32"), output_size=2, note="int32"
    )

# Precisions
for dtype in "float64", "float16", "mixed_float16", "bfloat16", "mixed_bfloat16":
    array_dtype = "float64" if dtype == "float64" else "float32"
    case("Dense", typed(array_dtype, 3, 5), units=4, activation="relu", dtype=dtype)
    case("Dense", typed(array_dtype, 2, 40), units=3, activation="softmax", dtype=dtype)
    case("Conv2D", typed(array_dtype, 1, 6, 5, 3), filters=4, kernel_size=3, dtype=dtype)
    case("BatchNormalization", typed(array_dtype, 2, 3, 4), dtype=dtype)
    case("LayerNormalization", typed(array_dtype, 2, 3, 4), dtype=dtype)
    case("MaxPooling2D", typed(array_dtype, 1, 5, 4, 2), pool_size=2, dtype=dtype)
    case(
        "AveragePooling2D", typed(array_dtype, 1, 5, 4, 2), pool_size=2, padding="same", dtype=dtype
    )
    case("GlobalAveragePooling2D", typed(array_dtype, 2, 4, 3, 3), dtype=dtype)
    case("Add", [typed(array_dtype, 2, 3), typed(array_dtype, 2, 3)], dtype=dtype)
    case("Flatten", typed(array_dtype, 2, 3, 2), dtype=dtype)
    case("Rescaling", typed(array_dtype, 2, 3), scale=1 / 255, offset=0.1, dtype=dtype)
    for name in "SimpleRNN", "LSTM", "GRU":
        case(
            name,
            typed(array_dtype, 2, 4, 3),
            units=3,
            return_state=True,
            recurrent_initializer="zeros",  # an orthogonal one cannot be bfloat16
            dtype=dtype,
        )
    x = typed(array_dtype, 2, 3, 4)
    case("Attention", [x, x], use_scale=True, call=scores, dtype=dtype)
    case("AdditiveAttention", [x, x], dtype=dtype)
    for shown in {}, scores:
        call = {"use_causal_mask": True} | shown
        case("MultiHeadAttention", Args([x, x]), num_heads=2, key_dim=3, call=call, dtype=dtype)
        case(
            "GroupQueryAttention",
            Args([x, x]),
            head_dim=3,
            num_query_heads=2,
            num_key_value_heads=1,
            call=call,
            dtype=dtype,
        )
    case(
        "EinsumDense", x, equation="abc,cd->abd", output_shape=(None, 2), bias_axes="d", dtype=dtype
    )
    case("GroupNormalization", x, groups=2, dtype=dtype)
    case("RMSNormalization", x, dtype=dtype)
    case("UnitNormalization", x, dtype=dtype)
    ids = integers(0, 5, (2, 3), "int32")
    case("Embedding", ids, input_dim=5, output_dim=4, dtype=dtype)
    case("ReversibleEmbedding", x, input_dim=5, output_dim=4, call={"reverse": True}, dtype=dtype)
    case("Masking", x, dtype=dtype)
    case("AdaptiveAveragePooling1D", x, output_size=2, dtype=dtype)
    case("AdaptiveMaxPooling1D", x, output_size=2, dtype=dtype)
    for activation in "relu", "softmax", "gelu", "sigmoid", "tanh":
        case("Activation", typed(array_dtype, 3, 6), activation=activation, dtype=dtype)
case("Dense", (3, 5), units=4, dtype="float64", note="float32-in")
case("Dense", integers(-9, 9, (3, 5), "int32"), units=4, dtype="mixed_float16", note="int32")

# Normalization
for shape in (3, 4), (2, 3, 2, 4), (5,), (0, 4):
    case("Normalization", shape)
    case("Normalization", shape, invert=True)
case("Normalization", (2, 3, 4), axis=None)
case("Normalization", (2, 3, 4), axis=1)
case("Normalization", (2, 3, 4), axis=(1, 2))
case("Normalization", (2, 3, 4), axis=[-1, 1], note="other-order")
case("Normalization", (3, 4), axis=(), note="no-axis", invert=True)
case("Normalization", integers(0, 256, (2, 3, 3), "uint8"), note="uint8")
case("Normalization", typed("float64", 2, 3), note="float64-in")
moments = {"mean": 0.5, "variance": 2.0}
for axis in -1, None, 1, [1, 2]:
    case("Normalization", (2, 3, 4), axis=axis, **moments)
case("Normalization", (2, 3), mean=[0.1, 0.2, 0.3], variance=[1.0, 0.0, 4.0])
case("Normalization", (2, 3, 2), mean=[0.1, 0.2], variance=[1.0, 3.0], invert=True)
case("Normalization", (2, 3, 2), mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 4.0], axis=1)
case("Normalization", (2, 3, 2), mean=[0.1, 0.2], variance=[1.0, 3.0], axis=(1, 2))
case("Normalization", (2, 2, 2), mean=[[0, 1], [2, 3]], variance=[[1, 4], [2, 3]], axis=(1, 2))
case("Normalization", (2, 3, 2), mean=[1.0], variance=[3.0], axis=(1, 2), note="stretched")
for dtype in "float64", "float16", "mixed_bfloat16":
    case("Normalization", (2, 3), dtype=dtype)
    case("Normalization", integers(0, 256, (2, 3), "uint8"), dtype=dtype, note="uint8", **moments)
    case("Rescaling", integers(0, 256, (2, 3), "uint8"), scale=1 / 255, dtype=dtype, note="uint8")
    case("Rescaling", (2, 3), scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0], dtype=dtype)
case("Rescaling", (2, 3), scale=[[0.5], [2.0]], offset=-1, note="two-axes")


def pixels(*shape, dtype="float32"):
    """An image of whole numbers, of which some are the same."""
    return integers(0, 256, shape, dtype)


# Resizing, CenterCrop
for interpolation in "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5":
    for height, width in (3, 4), (9, 5), (5, 6), (1, 13):
        size = {"height": height, "width": width, "interpolation": interpolation}
        case("Resizing", pixels(2, 5, 6, 2), **size)
        case("Resizing", pixels(1, 11, 9, 1), antialias=True, **size)
    size = {"height": 3, "width": 5, "interpolation": interpolation}
    case("Resizing", pixels(2, 3, 5, 6), data_format="channels_first", **size)
    case("Resizing", pixels(5, 7, 2), note="one-image", **size)
    case("Resizing", pixels(2, 5, 7), data_format="channels_first", note="one-image", **size)
    for dtype in "uint8", "int32", "int16":
        case("Resizing", pixels(1, 7, 4, 2, dtype=dtype), note=dtype, **size)
    case("Resizing", pixels(1, 7, 4, 2, dtype="uint8"), antialias=True, note="uint8", **size)
    for dtype in "float16", "mixed_bfloat16":  # TensorFlow computes float64 in float32
        case("Resizing", (1, 4, 7, 2), dtype=dtype, **size)
AREA = {"interpolation": "area", "height": 3}  # TensorFlow alone has it
for width in 2, 4, 9:
    case("Resizing", pixels(2, 7, 4, 2), width=width, **AREA)
case("Resizing", pixels(1, 7, 4, 1, dtype="uint8"), width=3, note="uint8", **AREA)
for shape in (1, 6, 9, 2), (2, 9, 4, 1), (1, 5, 5, 1), (1, 7, 3, 2):
    for height, width in (4, 4), (3, 7), (8, 5):
        size = {"height": height, "width": width}
        case("Resizing", shape, crop_to_aspect_ratio=True, **size)
        case("Resizing", shape, pad_to_aspect_ratio=True, **size)
    case("Resizing", shape, height=3, width=2, pad_to_aspect_ratio=True, fill_value=1.5)
size = {"height": 3, "width": 4}
for option in "crop_to_aspect_ratio", "pad_to_aspect_ratio":
    first = {"data_format": "channels_first", option: True}
    case("Resizing", (1, 2, 6, 4), **first, **size)
    case("Resizing", (2, 6, 4), note="one-image", **first, **size)
    x = pixels(1, 8, 4, 2, dtype="uint8")
    case("Resizing", x, note="uint8", fill_value=3, **{option: True}, **size)
    case("Resizing", (8, 4, 2), interpolation="bicubic", antialias=True, **{option: True}, **size)
    case("Resizing", (1, 8, 4, 2), interpolation="nearest", **{option: True}, **size)
case("Resizing", (0, 5, 4, 2), **size)
for shape in (2, 7, 6, 2), (1, 4, 9, 2), (1, 9, 3, 2), (2, 3, 2, 1), (1, 4, 5, 1):
    channels_first("CenterCrop", shape, height=4, width=5)
case("CenterCrop", (6, 7, 2), height=3, width=4, note="one-image")
case("CenterCrop", (3, 7, 2), height=5, width=4, note="one-image")
case("CenterCrop", (2, 3, 7), height=2, width=4, data_format="channels_first", note="one-image")
case("CenterCrop", pixels(1, 5, 5, 3, dtype="uint8"), height=3, width=3, note="uint8")
case("CenterCrop", pixels(1, 5, 2, 3, dtype="uint8"), height=3, width=3, note="uint8")
for dtype in "float64", "float16", "mixed_bfloat16":
    case("CenterCrop", (1, 5, 6, 2), height=3, width=3, dtype=dtype)
for dtype in "float64", "float16", "mixed_bfloat16":  # resized, TensorFlow's are float32
    case("CenterCrop", (1, 2, 6, 2), height=3, width=3, dtype=dtype)

# Layers that vary images in training only
INFERENCE = {"training": False}
REFLECTED = {"fill_mode": "constant", "interpolation": "nearest", "fill_value": 1.0}
RANGE = {"value_range": (0, 1)}
VARIED = {
    "AugMix": {
        "num_chains": 2,
        "chain_depth": 2,
        "factor": 0.2,
        "alpha": 0.5,
        "all_ops": False,
        "interpolation": "nearest",
    }
    | RANGE,
    "CutMix": {"factor": 0.3},
    "MixUp": {"alpha": 0.4},
    "RandAugment": {"num_ops": 1, "factor": 0.3, "interpolation": "nearest"} | RANGE,
    "RandomBrightness": {"factor": 0.3} | RANGE,
    "RandomColorDegeneration": {"factor": 0.3} | RANGE,
    "RandomColorJitter": {
        "brightness_factor": 0.1,
        "contrast_factor": 0.2,
        "saturation_factor": 0.3,
        "hue_factor": 0.4,
    }
    | RANGE,
    "RandomContrast": {"factor": 0.3} | RANGE,
    "RandomCrop": {"height": 3, "width": 2},
    "RandomElasticTransform": {"factor": 0.5, "scale": 0.5} | RANGE | REFLECTED,
    "RandomErasing": {"factor": 0.5, "scale": (0.1, 0.2), "fill_value": 0.5} | RANGE,
    "RandomFlip": {"mode": "vertical"},
    "RandomGaussianBlur": {"factor": 0.5, "kernel_size": 5, "sigma": 0.5} | RANGE,
    "RandomGrayscale": {"factor": 0.9},
    "RandomHue": {"factor": 0.3} | RANGE,
    "RandomInvert": {"factor": 0.3} | RANGE,
    "RandomPerspective": {
        "factor": 0.3,
        "scale": 0.5,
        "interpolation": "nearest",
        "fill_value": 1.0,
    },
    "RandomPosterization": {"factor": 3} | RANGE,
    "RandomRotation": {"factor": 0.3} | REFLECTED,
    "RandomSaturation": {"factor": 0.3} | RANGE,
    "RandomSharpness": {"factor": 0.3} | RANGE,
    "RandomShear": {"x_factor": 0.3, "y_factor": 0.2} | REFLECTED,
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.2} | REFLECTED,
    "RandomZoom": {"height_factor": 0.3, "width_factor": 0.2} | REFLECTED,
    "Solarization": {"addition_factor": 0.3, "threshold_factor": 0.2} | RANGE,
}
BOXES = {"boxes": lambda rng: rng.random((2, 3, 4), "float32"), "labels": (2, 3)}
for name, options in VARIED.items():
    case(name, pixels(2, 4, 5, 3), call=INFERENCE, **options)
    case(name, pixels(4, 5, 3), call=INFERENCE, note="one-image", **options)
    first = {"data_format": "channels_first"}
    case(name, pixels(2, 3, 4, 5), call=INFERENCE, note="first", **first, **options)
    for dtype in "uint8", "int32", "float64":
        x = pixels(2, 4, 5, 3, dtype=dtype)
        case(name, x, call=INFERENCE, note=dtype, **options)
    x = pixels(2, 4, 5, 3, dtype="uint8")
    case(name, x, call=INFERENCE, note="uint8", dtype="mixed_float16", **options)
    case(name, pixels(2, 4, 5, 3), call=INFERENCE, dtype="mixed_bfloat16", **options)
    if name in ("RandomCrop", "CutMix"):
        continue  # the former cuts masks but not images (3.15), the latter takes no boxes
    x = {"images": pixels(2, 4, 5, 3), "labels": (2, 4), "bounding_boxes": BOXES}
    x["segmentation_masks"] = pixels(2, 4, 5, 1, dtype="int32")
    case(name, x, call=INFERENCE, note="all", bounding_box_format="xyxy", **options)
case("RandomFlip", pixels(1, 2, 2, 1), call=INFERENCE, mode="horizontal")
case("RandomZoom", pixels(1, 2, 2, 1), call=INFERENCE, height_factor=0.2)
for seed, name in enumerate(("RandomCrop", "RandomContrast")):
    case(name, pixels(1, 2, 2, 1), call=INFERENCE, seed=seed, note="seed", **VARIED[name])

# Layers that change images at inference too
FLAT = np.full((1, 3, 4, 2), 7, "float32")


def flat_channel(*shape):
    """Images of which the first channel has one value alone."""

    def draw(rng):
        x = rng.integers(0, 256, shape).astype("float32")
        x[..., 0] = 9
        return x

    return draw


for name, options in {
    "AutoContrast": {},
    "Equalization": {},
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 3)},
}.items():
    first = {"data_format": "channels_first"}
    for shape in (2, 4, 6, 3), (1, 5, 7, 1), (4, 6, 2):
        case(name, pixels(*shape), **options)
    for shape in (2, 3, 4, 6), (3, 4, 6):
        case(name, pixels(*shape), **first, **options)
    case(name, flat_channel(2, 4, 6, 3), note="flat", **options)
    case(name, FLAT, note="one-value", **options)
    for dtype in "uint8", "int32", "float64":
        case(name, pixels(1, 4, 6, 2, dtype=dtype), note=dtype, **options)
    for value_range in (0, 1), (-1, 1), [5.0, 250.0]:
        low, high = value_range
        x = low + (high - low) * np.linspace(0, 1, 48, dtype="float32").reshape(1, 4, 6, 2) ** 3
        case(name, x, value_range=value_range, **options)
    x = {"images": pixels(2, 4, 6, 3), "labels": (2, 4)}
    case(name, x, note="labels", **options)
    for dtype in "float64", "float16", "mixed_bfloat16":
        case(name, pixels(1, 4, 6, 2), dtype=dtype, **options)
        case(name, pixels(1, 4, 6, 2, dtype="uint8"), dtype=dtype, note="uint8", **options)
for bins in 2, 16, 100, 300:
    case("Equalization", pixels(2, 4, 6, 2), bins=bins)
case("Equalization", pixels(2, 4, 6, 2), call=INFERENCE)
case("Equalization", pixels(2, 4, 6, 2, dtype="uint8"), call=INFERENCE, note="uint8")
CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"
for clip_limit in 0.0, 1.0, 40.0:
    case(CLAHE, pixels(1, 8, 8, 2), clip_limit=clip_limit, tile_grid_size=(2, 2))
case(CLAHE, pixels(1, 16, 17, 1))
case(CLAHE, pixels(2, 9, 6, 1), tile_grid_size=[3, 1])
case(CLAHE, pixels(1, 5, 7, 1), tile_grid_size=(4, 2))
BOXES = {"boxes": (2, 3, 4), "labels": (2, 3)}
for max_number in 2, 3, 5:
    x = {"images": pixels(2, 4, 5, 3), "labels": (2, 4), "bounding_boxes": BOXES}
    options = {"max_number": max_number, "bounding_box_format": "xyxy"}
    case("MaxNumBoundingBoxes", x, **options)
    case("MaxNumBoundingBoxes", pixels(2, 4, 5, 3), note="alone", **options)
x = pixels(2, 3, 4, 5, dtype="uint8")
case("MaxNumBoundingBoxes", x, max_number=1, data_format="channels_first", note="uint8")

# Pipeline
for layers in (
    [inner("Rescaling", scale=0.5), inner("RandomFlip"), inner("Resizing", height=3, width=2)],
    [inner("Normalization", mean=1.0, variance=4.0), inner("Dense", units=3)],
    [inner("Dense", units=3), inner("Pipeline", layers=[inner("ReLU"), inner("Dense", units=2)])],
    [inner("Equalization"), inner("CenterCrop", height=2, width=2)],
):
    case("Pipeline", pixels(2, 4, 5, 3), layers=layers, call=INFERENCE)

# MelSpectrogram, STFTSpectrogram
short = {"fft_length": 16, "sequence_stride": 4, "num_mel_bins": 5, "sampling_rate": 1000}
for shape in (2, 50), (40,), (1, 9), (2, 2, 30), (1, 400):
    case("MelSpectrogram", shape, **short)
for options in (
    {"sequence_length": 12},
    {"sequence_length": 11},
    {"sequence_length": 1},
    {"fft_length": 15},
    {"fft_length": 64, "sequence_stride": 100},
    {"window": "hamming"},
    {"window": "hamming", "sequence_length": 9},
    {"window": None},
    {"window": [float(i % 3) for i in range(16)]},
    {"sampling_rate": 8000},
    {"num_mel_bins": 1},
    {"num_mel_bins": 20},
    {"min_freq": 100.0, "max_freq": 300},
    {"power_to_db": False},
    {"power_to_db": False, "mag_exp": 1.0},
    {"mag_exp": 0.7},
    {"top_db": 25.0},
    {"min_power": 0.1, "ref_power": 7.0},
    {"ref_power": -0.01},
    {"dtype": "float16"},
    {"dtype": "mixed_bfloat16"},
):
    case("MelSpectrogram", (2, 80), **{**short, **options})
case("MelSpectrogram", (1, 1100), note="defaults")
case("MelSpectrogram", integers(-9, 9, (2, 40), "int16"), note="int16", **short)
case("MelSpectrogram", np.zeros((1, 40), "float32"), note="silence", **short)
short = {"frame_length": 8}
for mode in "log", "magnitude", "psd", "real", "imag", "angle", "stft":
    for padding in "valid", "same":
        for expand_dims in False, True:
            options = {"padding": padding, "expand_dims": expand_dims, **short}
            channels_first("STFTSpectrogram", (1, 13, 2), mode=mode, **options)
    case("STFTSpectrogram", (1, 30, 1), mode=mode, frame_length=5, frame_step=2, fft_length=16)
for scaling in "density", "spectrum", None:
    case("STFTSpectrogram", (1, 20, 1), scaling=scaling, window="hamming", periodic=True, **short)
case("STFTSpectrogram", (1, 20, 1), window=None, note="no-window", **short)
for dtype in "float64", "float16":
    case("STFTSpectrogram", (1, 20, 2), dtype=dtype, **short)

# Lambda: with functions of Keras's own, which a file can name
for function in keras.ops.tanh, keras.ops.logical_not, keras.activations.gelu, keras.ops.squeeze:
    case("Lambda", (2, 3, 1), function=function)
case("Lambda", (2, 3), function=keras.ops.mean, arguments={"axis": 1, "keepdims": True})
case("Lambda", (2, 3), function=keras.ops.expand_dims, arguments={"axis": -1}, output_shape=(3, 1))
case("Lambda", (2, 3), function=keras.activations.relu, mask=np.array([[True, False, True]]))
# LayerScale and CustomScaleLayer
for shape in (2, 3, 4, 5), (1, 5), (0, 2, 5):
    case("LayerScale", shape, init_values=1e-6, projection_dim=5)
case("LayerScale", (2, 1), init_values=0.5, projection_dim=1)
case("LayerScale", (2, 3, 5), init_values=0.5, projection_dim=5, dtype="float16")
for shape in (2, 3, 4, 5), (1, 5), (0, 2, 5):
    case("CustomScaleLayer", [shape, shape], scale=0.17)
case("CustomScaleLayer", [(2, 3, 5), (2, 1, 5)], scale=-2)
case("CustomScaleLayer", [(2, 5), (2, 5)], scale=1.0, dtype="mixed_float16")

# Quantised and with LoRA, as a `.keras` file keeps them
in_tens = keras.quantizers.AbsMaxQuantizer(value_range=(-10, 10), epsilon=0.1)
by_columns = keras.quantizers.AbsMaxQuantizer(axis=0, value_range=(-8, 7))
MODES = (
    quantized("int8"),
    quantized("int8", "weights-only", activation_quantizer=None),
    quantized("int8", "in-tens", activation_quantizer=in_tens),
    quantized("int4"),
    quantized("int4", "groups-of-2", block_size=2),
    quantized("int4", "channels", block_size=None),
    quantized(
        "int4", "inputs", block_size=-1, activation_quantizer=keras.quantizers.AbsMaxQuantizer()
    ),
)
FLOAT8 = quantized("float8")
HESSIAN = (
    quantized("gptq", group_size=-1),
    quantized("gptq", "groups-of-2-ordered", group_size=2, activation_order=True),
    quantized("gptq", "symmetric", group_size=4, symmetric=True),
    quantized("gptq", "tensor", group_size=-1, per_channel=False),
    quantized("gptq", "8-bits", group_size=3, weight_bits=8),
    quantized("gptq", "3-bits", group_size=-1, weight_bits=3),
    quantized("gptq", "2-bits", group_size=-1, weight_bits=2),
    quantized("awq", group_size=-1, num_grid_points=4),
    quantized("awq", "groups-of-2", group_size=2, num_grid_points=4),
)
for then in *MODES, FLOAT8, *HESSIAN:
    case("Dense", (3, 7), units=5, activation="relu", then=then)
for then in *MODES, FLOAT8, HESSIAN[1]:
    case("EinsumDense", (2, 4, 6), equation="abc,cd->abd", output_shape=(None, 5), then=then)
for then in *MODES, FLOAT8, HESSIAN[4], HESSIAN[8]:
    heads = {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"}
    case("EinsumDense", (2, 4, 7), **heads, then=then)
    case("EinsumDense", (2, 4, 2, 3), equation="abcd,cde->abe", output_shape=(None, 7), then=then)
# A file of an attention says nothing of the quantizers inside: those that Keras takes by itself.
for then in *(MODES[i] for i in (0, 3, 4, 5)), FLOAT8, HESSIAN[4], HESSIAN[8]:
    case("MultiHeadAttention", Args([(2, 4, 7), (2, 3, 7)]), num_heads=2, key_dim=3, then=then)
for then in quantized("int8"), quantized("int4", "groups-of-3", block_size=3), FLOAT8:
    case("Dense", (2, 3, 7), units=1, use_bias=False, then=then)
    case("Dense", (1, 1), units=4, then=then)
    case("Dense", (0, 7), units=4, then=then)
    case("Dense", (3, 7), units=4, trainable=False, then=then)
    for dtype in "bfloat16", "mixed_bfloat16", "float64":
        case("Dense", (3, 7), units=5, dtype=dtype, then=then)
        x = (2, 3, 7)
        case(
            "EinsumDense", x, equation="abc,cd->abd", output_shape=(None, 5), dtype=dtype, then=then
        )
    for equation, output_shape in {
        "abc,dc->adb": (5, 4),
        "abc,bd->adc": (5, 6),
        "abc,cde->aebd": (3, 4, 2),
        "abc,bcd->ad": 5,
    }.items():
        case("EinsumDense", (2, 4, 6), equation=equation, output_shape=output_shape, then=then)
    x = Args([(2, 4, 7), (2, 3, 7)])
    case("MultiHeadAttention", x, num_heads=2, key_dim=3, use_bias=False, then=then)
    case("MultiHeadAttention", x, num_heads=2, key_dim=3, output_shape=(2, 3), then=then)
    case("MultiHeadAttention", x, num_heads=1, key_dim=3, value_dim=1, use_gate=True, then=then)
    case("GroupQueryAttention", x, head_dim=3, num_query_heads=4, num_key_value_heads=2, then=then)
for dtype in "float16", "mixed_float16":
    for then in quantized("int4"), quantized("int4", "channels", block_size=None), FLOAT8:
        case("Dense", (3, 7), units=5, dtype=dtype, then=then)
case("Dense", (3, 7), units=5, dtype="mixed_bfloat16", then=quantized("gptq", group_size=2))
case("Dense", (3, 7), units=5, dtype="mixed_bfloat16", then=quantized("awq", group_size=2))
short = keras.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32", 4)
case("Dense", (3, 7), units=5, dtype=short, note="short-history")
case("Dense", (3, 7), units=5, dtype="int8_from_mixed_bfloat16")
case("Dense", (3, 7), units=5, dtype="int4_from_float32", note="without-groups")
case("Dense", integers(-9, 9, (3, 7), "int32"), units=5, note="int32", then=MODES[0])
case("Dense", integers(-9, 9, (3, 7), "int32"), units=5, note="int32", then=MODES[1])
case("Dense", integers(-9, 9, (3, 7), "int32"), units=5, note="int32", then=FLOAT8)
scaled = quantized("int8", "scaled-otherwise", weight_quantizer=by_columns)
case("Dense", (3, 7), units=5, then=scaled)
ids = integers(0, 9, (2, 3), "int32")
for then in MODES:
    case("Embedding", ids, input_dim=9, output_dim=5, then=then)
    for call in {}, {"reverse": True}:
        for tie_weights in True, False:
            case(
                "ReversibleEmbedding",
                (2, 3, 5) if call else ids,
                input_dim=9,
                output_dim=5,
                tie_weights=tie_weights,
                call=call,
                then=then,
            )
case("Embedding", ids, input_dim=9, output_dim=5, dtype="mixed_bfloat16", then=MODES[0])
case("Embedding", ids, input_dim=9, output_dim=5, dtype="mixed_bfloat16", then=MODES[4])
case("Embedding", ids, input_dim=9, output_dim=1, mask_zero=True, then=MODES[3])
for then in MODES[0], MODES[4]:
    soft = {"input_dim": 9, "output_dim": 5, "call": {"reverse": True}, "then": then}
    case("ReversibleEmbedding", (2, 3, 5), **soft, logit_soft_cap=2.0, tie_weights=False)
    case("ReversibleEmbedding", (2, 3, 5), **soft, dtype="mixed_bfloat16")
    case("ReversibleEmbedding", (2, 3, 5), **soft, reverse_dtype="float64")
for after in None, MODES[0], MODES[4], MODES[5]:
    then = Lora(2, 8, after)
    case("Dense", (3, 7), units=5, then=then)
    case("EinsumDense", (2, 4, 7), **heads, then=then)
    case("Embedding", ids, input_dim=9, output_dim=5, then=then)
case("ReversibleEmbedding", ids, input_dim=9, output_dim=5, then=Lora(2, 8))
case("Conv1D", (1, 5, 3), filters=2, kernel_size=2, then=Lora(2, 8))
case("Conv2D", (1, 4, 4, 2), filters=3, kernel_size=2, dtype="mixed_bfloat16", then=Lora(2, 8))
case("Conv3D", (1, 3, 3, 3, 2), filters=2, kernel_size=2, then=Lora(1, 2))

# ---- categories and text: strings run in TensorFlow alone ------------------------------------

LETTERS = np.array([["a", "b", "zz"], ["", "ß日本", "b"]])
MANY = np.array([[["a"], ["b"], ["c"]], [["longer than eight"], [""], ["a" * 40]]])
CODES = np.array([[0, 3, 1], [2, 2, 7]], "int32")
CUBE = np.array([[[0, 1, 1], [3, 2, 9]], [[1, 1, 0], [2, 0, 2]]], "int64")
DTYPES = "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"
MODES = "one_hot", "multi_hot", "count"


def everywhere(class_name, array, **options):
    """The same for an array, a row, a column, one axis more, no samples and no columns."""
    for note, x in {
        "": array,
        "row": array[0],
        "column": array[..., :1],
        "cube": np.stack([array, array[::-1]], 1),
        "empty": array[:0],
        "narrow": array[:, :0],
    }.items():
        case(class_name, x, note=note, **options)


case("Discretization", (3, 4), bin_boundaries=[-1.0, 0.0, 0.5])
case("Discretization", (3, 4), bin_boundaries=[0.1])
case("Discretization", (2, 3), bin_boundaries=[-1, 2], output_mode="count")
case("Discretization", (2, 3), bin_boundaries=[0.0, 0.0, 0.5], note="equal")
case("Discretization", (2, 3), num_bins=3, epsilon=0.1, adapt=np.arange(9.0) ** 2 / 9 - 1)
EDGES = np.array([[np.nan, np.inf, -np.inf], [0.5, 0.1, np.nextafter(np.float32(0.1), 1)]], "f4")
for output_mode in "int", *MODES:
    options = {"bin_boundaries": [-0.5, 0.1, 0.5], "output_mode": output_mode}
    everywhere("Discretization", EDGES, **options)
    case("Discretization", np.array(0.3, "float32"), note="scalar", **options)
    case("Discretization", (2, 3, 2, 2), **options)
    case("Discretization", (2, 3), sparse=output_mode != "int", note="sparse", **options)
for dtype in "float16", "bfloat16", "float64":
    for output_mode in "int", "one_hot":
        options = {"bin_boundaries": [0.1, 0.5], "output_mode": output_mode, "dtype": dtype}
        case("Discretization", EDGES.astype("float64"), note="float64-in", **options)
        case("Discretization", EDGES, **options)
for dtype in "int32", "int64", "uint8", "float16":
    case("Discretization", CODES.astype(dtype), bin_boundaries=[1.0, 2.5], note=dtype)
case("Discretization", CODES > 1, bin_boundaries=[0.5], note="bool")

for output_mode in MODES:
    everywhere("CategoryEncoding", CODES, num_tokens=4, output_mode=output_mode)
    case("CategoryEncoding", np.array(2), num_tokens=4, output_mode=output_mode, note="scalar")
    case("CategoryEncoding", CUBE, num_tokens=3, output_mode=output_mode)
    case("CategoryEncoding", CODES - 1, num_tokens=4, output_mode=output_mode, note="negative")
    case("CategoryEncoding", CODES, num_tokens=1, output_mode=output_mode)
    for dtype in (*DTYPES, "float32", "bool") if output_mode == "count" else ("uint8", "float64"):
        x = CODES.astype(dtype)
        case("CategoryEncoding", x, num_tokens=4, output_mode=output_mode, note=dtype)
    for dtype in "float16", "bfloat16", "float64", "int64", "mixed_float16":
        case("CategoryEncoding", CODES, num_tokens=4, output_mode=output_mode, dtype=dtype)
case("CategoryEncoding", CODES + np.float32(0.7), num_tokens=4, note="between")
for x, weights in (CODES, (2, 3)), (CUBE, (2, 2, 3)), (CODES[0], (3,)), (CODES[:, :1], (2, 1)):
    options = {"num_tokens": 4, "output_mode": "count", "call": {"count_weights": weights}}
    case("CategoryEncoding", x, **options)
case(
    "CategoryEncoding",
    CODES,
    num_tokens=4,
    output_mode="count",
    call={"count_weights": CODES},
    note="whole-weights",
)

for salt in None, 133, [133, 137]:
    case("Hashing", LETTERS, num_bins=7, salt=salt)
    case("Hashing", LETTERS, num_bins=7, salt=salt, mask_value="")
    case("Hashing", CODES, num_bins=5, salt=salt, note="int32")
    case("Hashing", CODES, num_bins=5, salt=salt, mask_value=2, note="int32")
    case("Hashing", MANY, num_bins=1000003, salt=salt)
    case("Hashing", lambda rng: rng.integers(-(2**62), 2**62, (3, 5)), num_bins=997, salt=salt)
for output_mode in "int", *MODES:
    everywhere("Hashing", LETTERS, num_bins=5, output_mode=output_mode)
    case("Hashing", LETTERS, num_bins=5, output_mode=output_mode, mask_value="b", salt=3)
    case("Hashing", CUBE, num_bins=4, output_mode=output_mode)
    case("Hashing", (2, 3), num_bins=4, output_mode=output_mode, note="float32")
    sparse = output_mode != "int"
    case("Hashing", LETTERS, num_bins=5, output_mode=output_mode, sparse=sparse, note="sparse")
for output_mode in "multi_hot", "count":
    case("Hashing", np.array("a"), num_bins=5, output_mode=output_mode, note="scalar")
for dtype in *DTYPES, "uint64", "bool", "float64", "float16":
    case("Hashing", CODES.astype(dtype), num_bins=6, note=dtype)
for dtype in "int32", "int64":
    case("Hashing", LETTERS, num_bins=6, dtype=dtype)
for dtype in "float16", "float64", "mixed_float16", "int32":
    case("Hashing", LETTERS, num_bins=6, dtype=dtype, output_mode="one_hot")
case("Hashing", LETTERS, num_bins=1)
case("Hashing", LETTERS, num_bins=1, mask_value="")
case("Hashing", LETTERS, num_bins=2, mask_value="")
case("Hashing", np.array([[2.0, 2.5, -2.5]], "float32"), num_bins=6, mask_value=2)

CROSSED = np.array(["a", "b", "", "ß日本"])
for output_mode in "int", "one_hot":
    for x, y in (CROSSED, np.arange(4)), (CROSSED, CROSSED[::-1]), (np.arange(4), -np.arange(4)):
        kinds = f"{x.dtype.kind}{y.dtype.kind}"
        case("HashedCrossing", [x, y], num_bins=11, output_mode=output_mode, note=kinds)
        x, y = x[:, None], y[:, None]
        case("HashedCrossing", [x, y], num_bins=11, output_mode=output_mode, note=kinds)
    three = [CROSSED, np.arange(4, dtype="int32"), np.arange(4, dtype="uint8")]
    case(
        "HashedCrossing",
        three,
        num_bins=2**30 if output_mode == "int" else 40,
        output_mode=output_mode,
    )
    case("HashedCrossing", [np.array("a"), np.array(2)], num_bins=9, output_mode=output_mode)
    case("HashedCrossing", [CROSSED] * 2, num_bins=1, output_mode=output_mode)
case("HashedCrossing", [CROSSED] * 2, num_bins=5, output_mode="one_hot", sparse=True)
for dtype in "float16", "float64", "int32":
    case("HashedCrossing", [CROSSED] * 2, num_bins=5, output_mode="one_hot", dtype=dtype)
case("HashedCrossing", [CROSSED] * 2, num_bins=5, dtype="int32")

for axis in -1, 0, 1:
    case("TFDConcat", [(2, 3), (2, 3)], axis=axis)
case("TFDConcat", [(2, 3), CODES, CODES[:, :1] > 1], axis=-1, note="mixed")
case("TFDIdentity", (2, 3))
case("TFDIdentity", CODES, note="int32")

WORDS = ["a", "b", "ß日本"]
IDF = [0.5, 1.25, 2.0]
for output_mode in "int", *MODES, "tf_idf":
    options = {"output_mode": output_mode, "vocabulary": WORDS}
    options |= {"idf_weights": IDF} if output_mode == "tf_idf" else {}
    if output_mode in ("int", "one_hot", "tf_idf"):
        everywhere("StringLookup", LETTERS, **options)
    case("StringLookup", np.array("b"), note="scalar", **options)
    case("StringLookup", LETTERS, mask_token="", **options)
    case("StringLookup", LETTERS, mask_token="a", **options | {"vocabulary": ["x", "b", "c"]})
    for count in 2, 3:
        case("StringLookup", LETTERS, num_oov_indices=count, mask_token="", **options)
        case("StringLookup", MANY, num_oov_indices=count, salt=[5, 9], **options)
    known = np.array([["a", "b"], ["b", "b"]])
    case("StringLookup", known, num_oov_indices=0, **options)
    case("StringLookup", np.array([["a", "M"]]), num_oov_indices=0, mask_token="M", **options)
    case("StringLookup", LETTERS, max_tokens=7, pad_to_max_tokens=True, **options)
    case("StringLookup", LETTERS, max_tokens=7, **options)
    head = ["", "[UNK]"] if output_mode == "int" else ["[UNK]"]
    full = {"vocabulary": [*head, *WORDS]}
    full |= {"idf_weights": [0.25, *IDF]} if output_mode == "tf_idf" else {}
    case("StringLookup", LETTERS, mask_token="", **options | full)
    if output_mode not in ("int", "tf_idf"):
        case("StringLookup", LETTERS, sparse=True, **options)
case("StringLookup", LETTERS, vocabulary=WORDS, encoding="utf-16")
case("StringLookup", LETTERS, vocabulary=["[UNK]", *WORDS], oov_token="other")
case("StringLookup", LETTERS, vocabulary=["other", *WORDS], oov_token="other")
case("StringLookup", LETTERS, vocabulary=WORDS, num_oov_indices=2, oov_method="farmhash")
case("StringLookup", LETTERS, vocabulary=WORDS, num_oov_indices=2, salt=7)
INDICES = np.array([[-7, 0, 1, 2], [3, 4, 5, 99]])
for x in INDICES, INDICES[0], INDICES.astype("int32"), INDICES[:0]:
    note = f"{x.dtype}-{len(x)}"
    case("StringLookup", x, vocabulary=WORDS, invert=True, note=note)
    case("IntegerLookup", x, vocabulary=[10, 20, -30], invert=True, note=note)
case("StringLookup", INDICES, vocabulary=WORDS, invert=True, mask_token="", num_oov_indices=2)
case("StringLookup", INDICES, vocabulary=WORDS, invert=True, oov_token="日", mask_token="M")
case("StringLookup", INDICES, vocabulary=WORDS, invert=True, num_oov_indices=0)
case("IntegerLookup", INDICES, vocabulary=[10, 20], invert=True, mask_token=0, oov_token=-9)

NUMBERS = [5, -3, 2**40]
SOME = np.array([[5, 6, 0, -3], [2**40, -7, 5, 1]])
for output_mode in "int", *MODES, "tf_idf":
    options = {"output_mode": output_mode, "vocabulary": NUMBERS}
    options |= {"idf_weights": IDF} if output_mode == "tf_idf" else {}
    if output_mode in ("int", "multi_hot"):
        everywhere("IntegerLookup", SOME, **options)
    case("IntegerLookup", np.array(5), note="scalar", **options)
    case("IntegerLookup", SOME, mask_token=0, **options)
    case("IntegerLookup", SOME, mask_token=-3, **options | {"vocabulary": [5, 7, 9]})
    case("IntegerLookup", SOME, num_oov_indices=3, mask_token=0, **options)
    hashed = {"num_oov_indices": 3, "oov_method": "farmhash"}
    case("IntegerLookup", SOME, **hashed, **options)
    case("IntegerLookup", SOME, **hashed, salt=[1, 2], **options)
    case("IntegerLookup", SOME[:1, :1], num_oov_indices=0, **options)
    case("IntegerLookup", SOME, max_tokens=9, pad_to_max_tokens=True, **options)
    if output_mode not in ("int", "tf_idf"):
        case("IntegerLookup", SOME, sparse=True, **options)
case("IntegerLookup", SOME, vocabulary=[0, -1, *NUMBERS], mask_token=0)
case("IntegerLookup", SOME, vocabulary=[-2, *NUMBERS], oov_token=-2)
for dtype in *DTYPES, "float32", "bool":
    case("IntegerLookup", CODES.astype(dtype), vocabulary=[1, 2, 7], num_oov_indices=2, note=dtype)

TEXTS = np.array([["The cat, SAT!"], ["on the   Mat\u00a0the \t\n cat's"], [""]])
CHAPTERS = np.array([[["the cat"], ["Sat"]], [["a. b"], ["c ÀÉ the"]]])
TOKENS = np.array([["the", "", "cat"], ["sat", "zz", "the cat"]])
WORDS = ["the", "cat", "sat", "the cat", "t", "é"]
IDF = [0.5, 1.25, 2.0, 3.0, 0.75, 1.0]
for output_mode in "int", *MODES, "tf_idf":
    options = {"output_mode": output_mode, "vocabulary": WORDS}
    options |= {"idf_weights": IDF} if output_mode == "tf_idf" else {}
    case("TextVectorization", TEXTS, **options)
    case("TextVectorization", TEXTS[:, 0], **options)
    case("TextVectorization", CHAPTERS, **options)
    case("TextVectorization", TEXTS[2:], note="wordless", **options)
    case("TextVectorization", TEXTS[:0], note="empty", **options)
    for ngrams in 2, (1, 3):
        case("TextVectorization", TEXTS, ngrams=ngrams, **options)
    case("TextVectorization", TEXTS, split="character", **options)
    case("TextVectorization", TEXTS, split="character", ngrams=(2, 3), **options)
    case("TextVectorization", TOKENS, split=None, **options)
    case("TextVectorization", TOKENS[0], split=None, note="row", **options)
    case("TextVectorization", TOKENS, split=None, ngrams=2, **options)
    case("TextVectorization", TEXTS, max_tokens=11, pad_to_max_tokens=True, **options)
    if output_mode in ("multi_hot", "count"):
        case("TextVectorization", TEXTS, sparse=True, **options)
for length in 0, 1, 4, 9:
    options = {"vocabulary": WORDS, "output_sequence_length": length}
    case("TextVectorization", TEXTS, **options)
    case("TextVectorization", CHAPTERS, **options)
    case("TextVectorization", TEXTS, ngrams=2, **options)
    case("TextVectorization", TEXTS, split="character", **options)
    case("TextVectorization", TOKENS, split=None, **options)
    case("TextVectorization", TOKENS, split=None, ngrams=(1, 2), **options)
    case("TextVectorization", TEXTS[:0], note="empty", **options)
case("TextVectorization", TEXTS, vocabulary=["", "[UNK]", *WORDS])
case("TextVectorization", TEXTS, vocabulary=WORDS, max_tokens=11)
for standardize in None, "lower", "strip_punctuation":
    case("TextVectorization", TEXTS, vocabulary=WORDS, standardize=standardize)
case("TextVectorization", TEXTS, vocabulary=["[UNK]", *WORDS], output_mode="count")
case("TextVectorization", TEXTS, vocabulary=WORDS, encoding="latin-1")
SCRIPTS = {
    "capitals": "ÀÉÎ Straße İ ǅ x\u2003y\x1cz\x85w",
    "punctuation": "'\u2019“”—¿ AB_C-d.e,f/g\\h",
    "signs": "a🙂e\u0301",
}
vocabulary = ["Àéî", "straße", "À", "🙂", "é", "e", "x", "\u2019“”—¿", "abcdefgh", "\u2019"]
for note, text in SCRIPTS.items():
    for split in "whitespace", "character":
        case("TextVectorization", np.array([text]), vocabulary=vocabulary, split=split, note=note)


if __name__ == "__main__":
    command()
