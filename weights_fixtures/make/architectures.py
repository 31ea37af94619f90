"""The fixture models' architectures, for whichever Keras is passed in: Keras 3 or tf.keras 2.15."""


def digits_cnn(keras):
    """A small convolutional network that reads a handwritten digit from a grey 32x32 picture."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 1), name="picture"),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.Conv2D(8, 3, activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(16, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Dropout(0.25, name="dropout1"),
            layers.Flatten(name="flatten"),
            layers.Dense(32, activation="relu", name="dense1"),
            layers.Dropout(0.25, name="dropout2"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits_cnn",
    )


def lenet(keras):
    """The LeNet of Keract's README with 8, 16 and 16 units for 32, 64 and 128."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="picture"),
            layers.Conv2D(8, (3, 3), activation="relu", name="conv2d"),
            layers.Conv2D(16, (3, 3), activation="relu", name="conv2d_1"),
            layers.MaxPooling2D((2, 2), name="max_pooling2d"),
            layers.Dropout(0.25, name="dropout"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="dense"),
            layers.Dropout(0.5, name="dropout_1"),
            layers.Dense(10, activation="softmax", name="dense_1"),
        ],
        name="lenet",
    )


def cnn150(keras):
    """The classic cats-and-dogs network, 150x150x3, with 4, 8, 12, 16 channels and 64 units."""
    layers = keras.layers
    stack = [keras.Input((150, 150, 3), name="photo")]
    for number, filters in enumerate((4, 8, 12, 16), start=1):
        stack.append(layers.Conv2D(filters, (3, 3), activation="relu", name=f"conv{number}"))
        stack.append(layers.MaxPooling2D((2, 2), name=f"pool{number}"))
    stack += [
        layers.Flatten(name="flatten"),
        layers.Dense(64, activation="relu", name="dense"),
        layers.Dense(1, activation="sigmoid", name="dog"),
    ]
    return keras.Sequential(stack, name="cnn150")


def residual_bn(keras):
    """Convolution, BatchNormalization and ReLU in residual blocks, on pictures of odd size."""
    layers = keras.layers

    def normalised(x, name, relu=True, **options):
        x = layers.Conv2D(padding="same", use_bias=False, name=f"{name}_conv", **options)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x

    picture = keras.Input((19, 15, 3), name="picture")
    x = normalised(picture, "stem", filters=8, kernel_size=3)
    y = normalised(x, "block1_a", filters=8, kernel_size=3)
    y = normalised(y, "block1_b", filters=8, kernel_size=3, relu=False)
    x = layers.ReLU(name="block1_out")(layers.Add(name="block1_add")([x, y]))
    y = normalised(x, "block2_a", filters=12, kernel_size=3, strides=2)
    y = normalised(y, "block2_b", filters=12, kernel_size=3, relu=False)
    x = normalised(x, "block2_shortcut", filters=12, kernel_size=1, strides=2, relu=False)
    x = layers.ReLU(name="block2_out")(layers.Add(name="block2_add")([y, x]))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(
        picture, layers.Dense(5, activation="softmax", name="class")(x), name="residual_bn"
    )


def separable(keras):
    """A depthwise-separable network in the manner of MobileNet: padding, strides, ReLU(6)."""
    layers = keras.layers

    def normalised(x, name):
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    picture = keras.Input((33, 30, 3), name="picture")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="conv1_pad")(picture)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv1")(x)
    x = normalised(x, "conv1")
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="dw1")(x)
    x = normalised(x, "dw1")
    x = layers.Conv2D(12, 1, use_bias=False, name="pw1")(x)
    x = normalised(x, "pw1")
    x = layers.ZeroPadding2D(1, name="dw2_pad")(x)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, name="dw2")(x)
    x = normalised(x, "dw2")
    x = layers.Conv2D(12, 1, name="pw2")(x)
    x = layers.SeparableConv2D(16, 3, padding="same", activation="relu", name="separable")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="average")(x)
    x = layers.Dropout(0.1, name="dropout")(x)
    x = layers.Conv2D(6, 1, name="logits")(x)
    x = layers.Reshape((6,), name="reshape")(x)
    return keras.Model(picture, layers.Softmax(name="class")(x), name="separable")


def mlp(keras):
    """A perceptron for tabular data, with activations as layers of their own."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((13,), name="row"),
            layers.Dense(32, name="dense1"),
            layers.LeakyReLU(0.2, name="leaky"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(16, use_bias=False, name="dense2"),
            layers.PReLU(name="prelu"),
            layers.Dense(12, activation="tanh", name="dense3"),
            layers.ELU(0.7, name="elu"),
            layers.Dense(3, activation="softmax", name="class"),
        ],
        name="mlp",
    )


def siamese(keras):
    """Two pictures through one encoder, which holds a Sequential; a shared Dense; two outputs."""
    layers = keras.layers
    features = keras.Sequential(
        [
            keras.Input((10, 10, 4), name="maps"),
            layers.Conv2D(6, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(name="pool"),
        ],
        name="features",
    )
    picture = keras.Input((12, 12, 1), name="picture")
    x = layers.Conv2D(4, 3, activation="relu", name="edges")(picture)
    x = features(x)
    x = layers.Flatten(name="flatten")(x)
    encoder = keras.Model(picture, layers.Dense(10, name="code")(x), name="encoder")

    left, right = keras.Input((12, 12, 1), name="left"), keras.Input((12, 12, 1), name="right")
    shared = layers.Dense(8, activation="tanh", name="code")
    a, b = shared(encoder(left)), shared(encoder(right))
    both = layers.Concatenate(name="both")([a, b, layers.Subtract(name="apart")([a, b])])
    same = layers.Dense(1, activation="sigmoid", name="same")(both)
    cosine = layers.Dot(1, normalize=True, name="cosine")([a, b])
    return keras.Model([left, right], [same, cosine], name="siamese")


def multi_io(keras):
    """Inputs and outputs as dicts, and names with a space, a dot and letters outside ASCII."""
    layers = keras.layers
    inputs = {
        "picture": keras.Input((9, 8, 1), name="picture"),
        "table": keras.Input((5,), name="table"),
        "größe": keras.Input((1,), name="größe"),
    }
    x = layers.Conv2D(4, 3, activation="relu", name="conv 1.a")(inputs["picture"])
    x = layers.GlobalMaxPooling2D(name="最大")(x)
    y = layers.Dense(4, activation="selu", name="dense")(inputs["table"])
    z = layers.RepeatVector(1, name="repeat")(inputs["größe"])
    z = layers.Flatten(name="flat")(z)
    y = layers.Multiply(name="scaled")([y, z])
    x = layers.Maximum(name="maximum")([x, y])
    x = layers.Average(name="average")([x, y])
    outputs = {
        "class": layers.Dense(3, activation="softmax", name="class")(x),
        "score": layers.Dense(1, name="score")(x),
    }
    return keras.Model(inputs, outputs, name="multi_io")


def unet_small(keras):
    """Down and up again with skips: Conv2DTranspose, bilinear UpSampling2D, Cropping2D."""
    layers = keras.layers
    picture = keras.Input((22, 18, 1), name="picture")
    wide = layers.Conv2D(4, 3, padding="same", activation="relu", name="down1")(picture)
    x = layers.MaxPooling2D(name="pool1")(wide)
    middle = layers.Conv2D(8, 3, padding="same", activation="relu", name="down2")(x)
    x = layers.AveragePooling2D(2, name="pool2")(middle)
    x = layers.Conv2D(12, 3, padding="same", dilation_rate=2, activation="relu", name="bottom")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", name="up2")(x)
    skip = layers.Cropping2D(((0, 1), (1, 0)), name="crop2")(middle)
    x = layers.Concatenate(name="skip2")([x, skip])
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="join2")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="up1")(x)
    skip = layers.Cropping2D(1, name="crop1")(wide)
    x = layers.Concatenate(name="skip1")([skip, x])
    return keras.Model(
        picture, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x), name="unet_small"
    )


def volume(keras):
    """Three dimensions: Conv3D, pooling, and back up by Conv3DTranspose."""
    layers = keras.layers
    scan = keras.Input((9, 8, 7, 2), name="scan")
    x = layers.Conv3D(4, 3, padding="same", activation="relu", name="conv1")(scan)
    x = layers.MaxPooling3D(2, name="max")(x)
    x = layers.Conv3D(6, (2, 1, 2), activation="relu", name="conv2")(x)
    x = layers.Conv3DTranspose(3, 3, strides=2, padding="same", name="up")(x)
    x = layers.AveragePooling3D((3, 2, 2), padding="same", name="average")(x)
    x = layers.ZeroPadding3D((0, 1, 0), name="pad")(x)
    x = layers.SpatialDropout3D(0.2, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(scan, layers.Dense(4, name="answer")(x), name="volume")


def signal(keras):
    """One dimension: causal and dilated Conv1D, SeparableConv1D and all kinds of pooling."""
    layers = keras.layers
    wave = keras.Input((50, 3), name="wave")
    x = wave
    for dilation in 1, 2, 4:
        x = layers.Conv1D(
            8,
            3,
            padding="causal",
            dilation_rate=dilation,
            activation="relu",
            name=f"causal{dilation}",
        )(x)
    x = layers.MaxPooling1D(2, name="max")(x)
    x = layers.SeparableConv1D(12, 3, padding="same", activation="elu", name="separable")(x)
    x = layers.AveragePooling1D(3, strides=2, padding="same", name="average")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Conv1D(6, 4, strides=2, name="conv")(x)
    x = layers.GlobalMaxPooling1D(name="peak")(x)
    return keras.Model(wave, layers.Dense(2, name="answer")(x), name="signal")


ALL = [
    digits_cnn, lenet, cnn150, residual_bn, separable, mlp, siamese, multi_io, unet_small, volume,
    signal,
]  # fmt: skip
