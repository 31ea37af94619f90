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


def text_lstm(keras):
    """Words with padding through recurrent layers both ways; the mask travels with them."""
    layers = keras.layers
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 6, mask_zero=True, name="words")(tokens)
    both = layers.LSTM(5, return_sequences=True, name="lstm")
    x = layers.Bidirectional(both, name="both_ways")(x)
    x = layers.TimeDistributed(layers.Dense(6, activation="tanh", name="step"), name="steps")(x)
    x = layers.GRU(7, name="gru")(x)
    return keras.Model(
        tokens, layers.Dense(3, activation="softmax", name="class")(x), name="text_lstm"
    )


def seq2seq(keras):
    """An encoder hands its states to a decoder, which attends to the encoder's outputs."""
    layers = keras.layers
    source = keras.Input((7,), dtype="int32", name="source")
    target = keras.Input((5,), dtype="int32", name="target")
    x = layers.Embedding(20, 5, mask_zero=True, name="source_words")(source)
    encoder = layers.LSTM(6, return_sequences=True, return_state=True, name="encoder")
    encoded, hidden, cell = encoder(x)
    y = layers.Embedding(20, 4, mask_zero=True, name="target_words")(target)
    decoder = layers.LSTM(6, return_sequences=True, return_state=True, name="decoder")
    decoded, _, last = decoder(y, initial_state=[hidden, cell])
    context = layers.Attention(name="attention")([decoded, encoded])
    x = layers.Concatenate(name="both")([decoded, context])
    x = layers.Dense(20, activation="softmax", name="word")(x)
    return keras.Model([source, target], [x, last], name="seq2seq")


def _encoder(keras, x):
    """A Transformer's encoder layer, with a causal mask."""
    layers = keras.layers
    attention = layers.MultiHeadAttention(num_heads=2, key_dim=5, name="attention")
    y = attention(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(name="norm1")(layers.Add(name="residual1")([x, y]))
    y = layers.Dense(12, activation="gelu", name="wide")(x)
    y = layers.Dropout(0.1, name="dropout")(layers.Dense(8, name="narrow")(y))
    return layers.LayerNormalization(name="norm2")(layers.Add(name="residual2")([x, y]))


def transformer(keras):
    """A causal Transformer layer over padded words; their places, counted from 1, are an input."""
    layers = keras.layers
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    positions = keras.Input((8,), dtype="int32", name="positions")
    words = layers.Embedding(20, 8, mask_zero=True, name="words")(tokens)
    places = layers.Embedding(9, 8, mask_zero=True, name="places")(positions)
    x = _encoder(keras, layers.Add(name="embedded")([words, places]))
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(
        [tokens, positions], layers.Dense(4, activation="softmax", name="class")(x),
        name="transformer",
    )  # fmt: skip


def transformer_ops(keras):
    """The same with operations: positions are a constant, and the last step is sliced out."""
    layers, ops = keras.layers, keras.ops
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 8, mask_zero=True, name="words")(tokens) * 8**0.5
    x = x + layers.Embedding(8, 8, embeddings_initializer="random_normal")(ops.arange(8))
    x = _encoder(keras, x)
    last = ops.tanh(x[:, -1])
    x = ops.concatenate([last, ops.mean(x, axis=1), 1 - ops.max(x, axis=1)], axis=-1)
    return keras.Model(
        tokens, layers.Dense(4, activation="softmax", name="class")(x), name="transformer_ops"
    )


def rnn_zoo(keras):
    """Recurrent layers of every kind side by side, with their states."""
    layers = keras.layers
    wave = keras.Input((6, 3), name="wave")
    sequences = {"return_sequences": True}
    simple = layers.SimpleRNN(4, **sequences, name="simple")(wave)
    before = layers.GRU(5, reset_after=False, **sequences, return_state=True, name="gru_before")
    before, before_state = before(wave)
    after = layers.GRU(4, name="gru_after")(before)
    backwards = layers.LSTM(4, go_backwards=True, **sequences, name="backwards")(simple)
    cells = [layers.LSTMCell(4, name="cell1"), layers.GRUCell(3, name="cell2")]
    stacked, *states = layers.RNN(cells, **sequences, return_state=True, name="stacked")(wave)
    if isinstance(states[0], (list, tuple)):
        (hidden, cell), state = states[0], states[1]
    else:
        hidden, cell, state = states
    unrolled = layers.LSTM(3, unroll=True, return_state=True, name="unrolled")
    unrolled, _, unrolled_cell = unrolled(stacked)
    ways = layers.Bidirectional(
        layers.SimpleRNN(3, **sequences, name="way"), merge_mode="sum", name="ways"
    )(wave)
    ways = layers.GlobalMaxPooling1D(name="peak")(ways)
    steps = layers.Concatenate(name="steps")([simple, before, backwards, stacked])
    values = [before_state, after, hidden, cell, state, unrolled, unrolled_cell, ways]
    values = layers.Concatenate(name="values")(values)
    return keras.Model(
        wave,
        [
            layers.Dense(2, activation="tanh", name="step_answer")(steps),
            layers.Dense(3, name="answer")(values),
        ],
        name="rnn_zoo",
    )


def convlstm(keras):
    """A short film through two ConvLSTM2D."""
    layers = keras.layers
    film = keras.Input((4, 8, 7, 2), name="film")
    x = layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True, name="convlstm1")(film)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ConvLSTM2D(3, (2, 3), strides=(1, 2), name="convlstm2")(x)
    return keras.Model(
        film, layers.Conv2D(2, 2, activation="tanh", name="conv")(x), name="convlstm"
    )


def masking(keras):
    """Two masked sequences: merged, through layers that keep the mask and one that loses it."""
    layers = keras.layers
    steps = keras.Input((None, 4), name="inner_steps")
    x = layers.Dense(4, activation="tanh", name="dense")(steps)
    nested = keras.Model(steps, layers.GRU(4, return_sequences=True, name="gru")(x), name="nested")

    left, right = keras.Input((6, 3), name="left"), keras.Input((6, 2), name="right")
    a = layers.Masking(-1.0, name="mask_left")(left)
    a = layers.LSTM(4, return_sequences=True, name="lstm_left")(a)
    b = layers.Masking(0.0, name="mask_right")(right)
    b = layers.Dense(4, use_bias=False, name="dense_right")(b)
    b = layers.Activation("tanh", name="tanh")(layers.Dropout(0.2, name="dropout")(b))
    added = layers.Add(name="added")([a, b])
    of_added = layers.LSTM(3, return_sequences=True, name="of_added")(added)
    joined = layers.Concatenate(name="joined")([a, b])
    of_joined = layers.GRU(3, name="of_joined")(joined)
    in_time = layers.Concatenate(axis=1, name="in_time")([a, b])
    of_time = layers.SimpleRNN(3, name="of_time")(in_time)
    of_nested = layers.LSTM(3, name="of_nested")(nested(a))
    lost = layers.Conv1D(3, 2, padding="same", name="lost")(of_added)
    lost = layers.GlobalAveragePooling1D(name="of_lost")(lost)
    average = layers.GlobalAveragePooling1D(name="average")(of_added)
    values = [of_joined, of_time, of_nested, lost, average]
    values = layers.Concatenate(name="values")(values)
    return keras.Model([left, right], layers.Dense(2, name="answer")(values), name="masking")


def _nested(keras, name, dense, shared):
    """Models in models, four deep; `dense` names some layers, `shared` is called in several."""
    layers = keras.layers

    x = keras.Input((4,), name="x")
    y = layers.Dense(4, activation="elu", name=dense[0])(shared(x) if shared else x)
    core = keras.Model(x, y, name="core")

    x = keras.Input((4,), name="x")
    y = layers.Dense(4, name=dense[1])(core(x))
    inner = keras.Model(x, layers.Add(name="add")([core(y), x]), name="inner")

    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    a = inner(layers.Subtract(name="apart")([x, y]))
    b = layers.Dense(4, activation="tanh", name=dense[2])(shared(y) if shared else y)
    both = [a, layers.Multiply(name="times")([inner(b), a])]
    middle = keras.Model([x, y], both, name="middle")

    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    a, b = middle([x, y])
    a, c = middle([b, a])
    # Not in alphabetical order, in which Keras takes the leaves of a dict.
    outer = keras.Model({"x": x, "y": y}, {"rest": [b, c], "first": a}, name="outer")

    each = [keras.Input((5,), name="x"), layers.Dense(4, activation="relu", name=dense[3])]
    each = keras.Sequential([*each, shared] if shared else each, name="each")
    inputs = {
        "steps": keras.Input((3, 5), name="steps"),
        "pair": [keras.Input((4,), name="left"), keras.Input((4,), name="right")],
    }
    left, right = inputs["pair"]
    made = outer({"x": left, "y": shared(right) if shared else right})
    steps = layers.TimeDistributed(each, name="each_step")(inputs["steps"])
    late = layers.GlobalAveragePooling1D(name="average")(steps)
    late = core(late) if shared else late
    late = layers.Concatenate(name="late")([made["first"], made["rest"][1], late])
    outputs = {
        "made": [made["rest"][0], (steps, left)],
        "answer": layers.Dense(2, name=dense[4])(late),
    }
    return keras.Model(inputs, outputs, name=name)


def nested_deep(keras):
    """Models four deep, called twice; trees of inputs and outputs; names that occur again."""
    # Within `outer` they must differ, or .h5 cannot hold its weights.
    return _nested(keras, "nested_deep", ["dense", "dense_a", "dense_b", "dense", "dense_a"], None)


def nested_shared(keras):
    """As nested_deep, with a layer and a model that several models share at several depths."""
    shared = keras.layers.Dense(4, activation="tanh", name="shared")
    return _nested(keras, "nested_shared", ["dense"] * 5, shared)


def odd_names(keras):
    """Names that mean something elsewhere, or that few programs expect."""
    layers = keras.layers
    x = keras.Input((4,), name="layers")
    inner = [keras.Input((4,), name="0"), layers.Dense(3, name="vars"), layers.ReLU(name="layers")]
    y = keras.Sequential(inner, name="cell")(x)
    for name in ("vars", "0", "a b", " c.d ", "größe", "最大", "50%", "e:f#1", "[g]@2*?"):
        y = layers.Dense(3, activation="elu", name=name)(y)
    y = layers.BatchNormalization(name="kernel")(y)
    y = layers.Dense(4, name="model_weights")(y)
    return keras.Model(x, layers.Add(name="weights")([x, y]), name="odd_names")


def slash_names(keras):
    """Names with slashes, which Keras 3 refuses and older Keras did not."""
    layers = keras.layers
    x = keras.Input((6, 2), name="in/x")
    y = layers.Conv1D(3, 2, activation="relu", name="block1/conv")(x)
    y = layers.BatchNormalization(name="block1/bn")(y)
    inner = [keras.Input((5, 3), name="in/x"), layers.Dense(3, name="block1/conv")]
    y = keras.Sequential(inner, name="block1/inner")(y)
    y = layers.LSTM(3, return_sequences=True, name="block1/conv/lstm")(y)
    y = layers.GlobalAveragePooling1D(name="block1")(y)
    return keras.Model(x, layers.Dense(2, name="out/dense")(y), name="slash_names")


def unbuilt(keras):
    """A Sequential without an InputLayer, for sequences of any length."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv1D(4, 3, padding="same", activation="relu", name="conv"),
            layers.GRU(5, return_sequences=True, name="gru"),
            layers.LayerNormalization(name="norm"),
            layers.Dense(2, name="answer"),
        ],
        name="unbuilt",
    )


def norms(keras):
    """Every normalisation beside BatchNormalization, and EinsumDense."""
    layers = keras.layers
    picture = keras.Input((6, 5, 4), name="picture")
    conv = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")
    x = layers.SpectralNormalization(conv, power_iterations=2, name="spectral")(picture)
    x = layers.GroupNormalization(4, name="group")(x)
    x = layers.LayerNormalization(axis=[1, 2, 3], name="layer")(x)
    x = layers.EinsumDense(
        "abcd,de->abce", (6, 5, 6), bias_axes="e", activation="tanh", name="einsum"
    )(x)
    x = layers.RMSNormalization(name="rms")(x)
    x = layers.LayerNormalization(axis=-2, epsilon=1e-2, center=False, name="across")(x)
    x = layers.EinsumDense("abcd,bde->ace", (5, 3), name="rows")(x)
    x = layers.GroupNormalization(-1, axis=1, scale=False, name="instance")(x)
    return keras.Model(picture, layers.UnitNormalization(name="unit")(x), name="norms")


def stateful_lstm(keras):
    """Recurrent layers that go on where the call before stopped."""
    layers = keras.layers
    wave = keras.Input((5, 3), batch_size=2, name="wave")
    x = layers.LSTM(4, stateful=True, return_sequences=True, name="lstm")(wave)
    x = layers.Bidirectional(
        layers.SimpleRNN(2, stateful=True, return_sequences=True, name="simple"), name="ways"
    )(x)
    x = layers.GRU(3, stateful=True, name="gru")(x)
    return keras.Model(wave, layers.Dense(2, name="answer")(x), name="stateful_lstm")


def quantized(keras):
    """Quantised layers: whole numbers of 8 and 4 bits, float8, in an attention, in a model."""
    layers = keras.layers
    words = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(20, 8, name="embed")(words)
    y = layers.MultiHeadAttention(2, 3, name="attend")(x, x)
    y = layers.LayerNormalization(name="norm")(layers.Add(name="sum")([x, y]))
    inner = [layers.Dense(7, activation="gelu", name="up"), layers.Dense(8, name="down")]
    y = keras.Sequential([keras.Input((6, 8)), *inner], name="forward")(y)
    y = layers.EinsumDense("abc,cd->abd", (6, 5), bias_axes="d", name="project")(y)
    y = layers.TimeDistributed(layers.Dense(4, name="code"), name="each")(y)
    y = layers.Flatten(name="flat")(y)
    return keras.Model(words, layers.Dense(3, name="answer")(y), name="quantized")


def lora(keras):
    """Layers with LoRA, which .h5 keeps beside their kernels; one of them is quantised as well."""
    layers = keras.layers
    words = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(20, 8, name="embed")(words)
    x = layers.Conv1D(5, 3, activation="relu", name="conv")(x)
    x = layers.EinsumDense("abc,cde->abde", (4, 2, 3), bias_axes="de", name="split")(x)
    x = layers.Dense(4, name="dense")(layers.Flatten(name="flat")(x))
    x = layers.Dense(4, activation="tanh", name="frozen", trainable=False)(x)
    return keras.Model(words, layers.Dense(3, name="answer")(x), name="lora")


def text_classifier(keras):
    """Tells from which of scikit-learn's data sets a line of a description is, by its words."""
    layers = keras.layers
    words = layers.TextVectorization(max_tokens=250, output_sequence_length=12, name="words")
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string", name="line"),
            words,
            layers.Embedding(250, 6, name="embedding"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(4, activation="softmax", name="data_set"),
        ],
        name="text_classifier",
    )


def tabular(keras):
    """Rows of a table as a dict: numbers, categories as strings and integers, and their crosses."""
    layers = keras.layers
    inputs = {
        "age": keras.Input((1,), name="age"),
        "city": keras.Input((1,), dtype="string", name="city"),
        "days": keras.Input((3,), dtype="int32", name="days"),
        "job": keras.Input((1,), dtype="string", name="job"),
        "visits": keras.Input((1,), dtype="int64", name="visits"),
    }
    ages = layers.Discretization(num_bins=4, output_mode="one_hot", name="ages")
    ages.adapt(keras.ops.convert_to_numpy([18, 22, 25, 31, 38, 44, 57, 63, 80]))
    scaled = layers.Normalization(mean=42.0, variance=400.0, name="scaled")
    cities = ["Praha", "Brno", "Plzeň", "Zürich"]
    city = layers.StringLookup(
        vocabulary=cities, mask_token="", num_oov_indices=2, name="city_index"
    )
    names = layers.StringLookup(
        vocabulary=["", "[UNK]", "[UNK]", *cities],
        mask_token="",
        num_oov_indices=2,
        invert=True,
        name="city_name",
    )
    hashed = layers.Hashing(5, salt=[3, 4], output_mode="one_hot", name="job_hash")
    crossed = layers.HashedCrossing(6, output_mode="one_hot", name="city_job")
    visits = layers.IntegerLookup(
        vocabulary=[1, 2, 5], output_mode="tf_idf", idf_weights=[0.5, 1.0, 2.0], name="visits_idf"
    )
    week = layers.CategoryEncoding(7, output_mode="count", name="week")
    index = city(inputs["city"])
    name = names(index)
    parts = [
        ages(inputs["age"]),
        scaled(inputs["age"]),
        hashed(inputs["job"]),
        crossed([name, inputs["job"]]),
        visits(inputs["visits"]),
        week(inputs["days"]),
        layers.Flatten(name="flat")(layers.Embedding(7, 3, name="place")(index)),
    ]
    x = layers.Concatenate(name="row")(parts)
    x = layers.Dense(8, activation="tanh", name="hidden")(x)
    outputs = {"buys": layers.Dense(1, activation="sigmoid", name="buys")(x)}
    return keras.Model(inputs, outputs, name="tabular")


ALL = [
    digits_cnn, lenet, cnn150, residual_bn, separable, mlp, siamese, multi_io, unet_small, volume,
    signal, text_lstm, seq2seq, transformer, transformer_ops, rnn_zoo, convlstm, masking,
    nested_deep, nested_shared, odd_names, slash_names, unbuilt, norms, stateful_lstm,
    quantized, lora,
]  # fmt: skip
KERAS3 = [text_classifier, tabular]  # their lookups are not those of tf.keras
