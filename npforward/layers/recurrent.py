"""Recurrent layers: a step of the formula each, and one loop over time for all."""

from __future__ import annotations

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.graph import leaves, map_leaves
from npforward.inner import recall, remember, shown_as, tap
from npforward.layers import activations
from npforward.layers.convolutional import PADDINGS, conv
from npforward.layers.registry import Weight, keep, layer, one_of, per_axis
from npforward.layers.spatial import channels_last, channels_restored

# ---- the loop -----------------------------------------------------------------------------------


def _time_first(x):
    """(N, T, ...) -> (T, N, ...), and back."""
    return ops.transpose(x, axes=(1, 0, *range(2, x.ndim)))


def _over_time(
    step,
    xs,
    states,
    mask,
    restored=lambda y: y,
    *,
    go_backwards=False,
    return_sequences=False,
    return_state=False,
    stateful=False,
    unroll=False,
    zero_output_for_mask=False,
    time_major=False,
    state_before=False,
):
    """Keras's `backend.rnn`: where `mask` is false, states stay and the output is the one before.

    `step(states, x, keep)` gives the next states, each as ``keep(name, new, old)``, and the
    output; `restored` puts frames back into the layout of the model.  With `time_major`, as
    tf.keras had it, time is the first axis all along.  The output before the first is zeros; with
    `state_before`, as Keras up to 2.2 had it, a state.
    """
    turned = (lambda x: x) if time_major else _time_first
    layout = xs.shape[:2]
    xs = turned(xs)
    if stateful:
        names = iter(range(100))
        states = map_leaves(lambda s: recall(f"state{next(names)}", s, xs), states)
    if mask is not None:
        mask = mask if mask.ndim == 2 else ops.any(mask, axis=tuple(range(2, mask.ndim)))
        if mask.shape != layout:
            raise BadInput(f"its mask is of shape {mask.shape}, expected {layout}")
        mask = turned(mask)
    in_order = mask
    if go_backwards:
        xs = ops.flip(xs, axis=0)
        mask = None if mask is None else ops.flip(mask, axis=0)

    if mask is None:
        last, ys = ops.scan(lambda states, x: step(states, x, _named), states, xs)
    else:
        y0 = ops.output_of(lambda states, x: step(states, x, _next), states, xs)
        before = _output_state(states) if state_before else ops.full(y0.shape, 0, y0.dtype)

        def masked(held, x_and_mask):
            states, before = held
            x, m = x_and_mask
            new, y = step(states, x, lambda name, new, old: _named(name, _where(m, new, old), old))
            zeros = zero_output_for_mask and not unroll
            y = _where(m, y, ops.full(y0.shape, 0, y0.dtype) if zeros else before)
            return (new, y), y

        (last, _), ys = ops.scan(masked, (states, before), (xs, mask))
        if zero_output_for_mask and unroll:
            # Unrolled, Keras [3.15] puts the zeros in afterwards, by the mask in its own order
            # also where it goes backwards.
            ys = _where(in_order if return_sequences else mask, ys, 0.0)
    if stateful:
        names = iter(range(100))
        for state in leaves(last):
            remember(f"state{next(names)}", state)
    y = restored(turned(ys) if return_sequences else ys[-1])
    if not return_state:
        return y
    return [y, *(restored(s) for s in leaves(last))]


def _output_state(states):
    """The state that is an output too: the first one, of the last cell if there are several."""
    return states[-1][0] if isinstance(states[-1], list) else states[0]


def _next(name, new, old):
    """The state after a step."""
    return new


def _named(name, new, old):
    """The state after a step, as an inner value if it has a name."""
    return tap(name, new) if name else new


def _names(states):
    """Of the states of one layer; those of stacked cells have none."""
    single = isinstance(states, list) and len(states) <= 2 and not isinstance(states[0], list)
    return ["hidden", "cell"][: len(states)] if single else [None] * len(list(leaves(states)))


def _where(mask, a, b):
    return ops.where(ops.reshape(mask, shape=(*mask.shape, *(1,) * (a.ndim - mask.ndim))), a, b)


def _initial(given, shapes, dtype):
    """The states to begin with: those given to the call, or zeros."""
    zeros = map_leaves(lambda shape: ops.full(tuple(shape.shape), 0, dtype), shapes)
    if given is None:
        return zeros
    found, needed = list(leaves(given)), list(leaves(shapes))
    if len(found) != len(needed) or any(
        a.shape != b.shape for a, b in zip(found, needed, strict=True)
    ):
        raise BadInput(
            f"its initial state is of shapes {[a.shape for a in found]}, expected "
            f"{[b.shape for b in needed]}"
        )
    flat = iter(found)
    return map_leaves(lambda _: next(flat), shapes)


def _samples(sequences, loop):
    """How many there are."""
    return sequences.shape[1 if loop.get("time_major") else 0]


class _Shape:
    """The shape of a state: a leaf in trees of states."""

    def __init__(self, *shape):
        self.shape = shape


def _sequence_mask(config, inputs, mask):
    """A sequence keeps the mask of its input; a last output has none."""
    mask = next(leaves(mask)) if isinstance(mask, (list, tuple)) else mask
    return mask if config.get("return_sequences") else None


def _split(z, n):
    size = z.shape[-1] // n
    return [z[..., i * size : (i + 1) * size] for i in range(n)]


# ---- cells --------------------------------------------------------------------------------------


def _cell_weights(gates, bias=lambda c: (1,), path="", prefix=""):
    units = lambda c: c["units"]  # noqa: E731
    return (
        Weight("kernel", lambda c, x: (x[-1], gates * units(c)), path=path),
        Weight("recurrent_kernel", lambda c, x: (units(c), gates * units(c)), path=path),
        Weight(
            "bias",
            lambda c, x: (*bias(c), gates * units(c)),
            when="use_bias",
            path=path,
        ),
    )


def _no_rows(config):
    return ()


def _rows_of_reset_after(config):
    return (2,) if config.get("reset_after", True) else ()


def _act(name, x, activation):
    """An activation of a gate, named as an inner value."""
    return tap(name, activations.get(activation)(x))


def simple_step(z, h, recurrent_kernel, activation):
    """h = activation(x W + b + h U), with z = x W + b."""
    return activations.get(activation)(z + ops.matmul(h, recurrent_kernel))


def lstm_step(z, h, c, recurrent_kernel, activation, recurrent_activation, keep=_next):
    """One step of S. Hochreiter and J. Schmidhuber's LSTM (1997), with z = x W + b.

    i, f, o = σ(z + h U),  c = f c + i tanh(z + h U),  h = o tanh(c)
    """
    i, f, g, o = _split(z + ops.matmul(h, recurrent_kernel), 4)
    i = _act("input_gate", i, recurrent_activation)
    f = _act("forget_gate", f, recurrent_activation)
    g = _act("candidate", g, activation)
    c = keep("cell", f * c + i * g, c)
    o = _act("output_gate", o, recurrent_activation)
    return keep("hidden", o * activations.get(activation)(c), h), c


def gru_step(z, h, recurrent_kernel, recurrent_bias, activation, recurrent_activation, reset_after):
    """One step of K. Cho's GRU (2014), with z = x W + b; `reset_after` is the form of cuDNN.

    u, r = σ(z + h U),  g = tanh(z + r (h U)) or tanh(z + (r h) U),  h = u h + (1 - u) g
    """
    z_u, z_r, z_g = _split(z, 3)
    units = h.shape[-1]
    if reset_after:
        inner = ops.matmul(h, recurrent_kernel)
        inner = inner if recurrent_bias is None else inner + recurrent_bias
    else:
        inner = ops.matmul(h, recurrent_kernel[:, : 2 * units])
    u = _act("update_gate", z_u + inner[..., :units], recurrent_activation)
    r = _act("reset_gate", z_r + inner[..., units : 2 * units], recurrent_activation)
    if reset_after:
        h_g = r * inner[..., 2 * units :]
    else:
        h_g = ops.matmul(r * h, recurrent_kernel[:, 2 * units :])
    g = _act("candidate", z_g + h_g, activation)
    return u * h + (1.0 - u) * g


def _projected(x, kernel, bias):
    """x W + b: one matrix product for all times."""
    z = ops.dense(x, kernel)
    return z if bias is None else z + bias


def _gru_biases(bias, reset_after):
    if bias is None or not reset_after:
        return bias, None
    return bias[0], bias[1]


def _listed(states):
    return list(states) if isinstance(states, (list, tuple)) else [states]


@layer("SimpleRNNCell", weights=_cell_weights(1, _no_rows))
def simple_rnn_cell(
    inputs, states, kernel, recurrent_kernel, bias=None, *, activation="tanh", use_bias=True
):
    """One step of a fully connected recurrent layer: (output, [h])."""
    (h,) = _listed(states)
    h = simple_step(_projected(inputs, kernel, bias), h, recurrent_kernel, activation)
    return [h, [h]]


@layer("LSTMCell", weights=_cell_weights(4, _no_rows))
def lstm_cell(
    inputs,
    states,
    kernel,
    recurrent_kernel,
    bias=None,
    *,
    activation="tanh",
    recurrent_activation="sigmoid",
    use_bias=True,
):
    """One step of an LSTM: (output, [h, c])."""
    h, c = states
    z = _projected(inputs, kernel, bias)
    h, c = lstm_step(z, h, c, recurrent_kernel, activation, recurrent_activation)
    return [h, [h, c]]


@layer("GRUCell", weights=_cell_weights(3, _rows_of_reset_after))
def gru_cell(
    inputs,
    states,
    kernel,
    recurrent_kernel,
    bias=None,
    *,
    activation="tanh",
    recurrent_activation="sigmoid",
    use_bias=True,
    reset_after=True,
):
    """One step of a GRU: (output, [h])."""
    (h,) = _listed(states)
    bias, recurrent_bias = _gru_biases(bias, reset_after)
    z = _projected(inputs, kernel, bias)
    h = gru_step(
        z, h, recurrent_kernel, recurrent_bias, activation, recurrent_activation, reset_after
    )
    return [h, [h]]


@layer("StackedRNNCells")
def stacked_rnn_cells(inputs, states, *, cells):
    """Cells one above the other: (output of the last, states of all)."""
    new = []
    for cell, state in zip(cells, _states_by_cell(states, cells), strict=True):
        inputs, *state = leaves(cell(inputs, state))
        new.append(state)
    return [inputs, new]


def _states_by_cell(states, cells):
    flat = iter(list(leaves(states)))
    return [[next(flat) for _ in leaves(_state_shapes(cell, 1))] for cell in cells]


def _state_shapes(cell, n):
    """The tree of shapes of a cell's states for n samples."""
    if "cells" in cell.children:
        return [_state_shapes(c, n) for c in cell.children["cells"]]
    if cell.type not in ("SimpleRNNCell", "GRUCell", "LSTMCell"):
        raise UnsupportedOption(f"its cell is a {cell.type}, whose states are not known")
    return [_Shape(n, cell.config["units"]) for _ in range(2 if cell.type == "LSTMCell" else 1)]


# ---- layers -------------------------------------------------------------------------------------


@layer("RNN", mask=_sequence_mask, also=_over_time)
def rnn(
    sequences,
    initial_state=None,
    mask=None,
    *,
    cell,
    dtype="float32",
    **loop,
):
    """A cell, or several one above the other, over time."""
    shapes = _state_shapes(cell, _samples(sequences, loop))
    # The states are the cell's, in its precision; what comes out is in that of the layer.
    states = map_leaves(
        lambda state: ops.cast(state, dtype=cell.dtype), _initial(initial_state, shapes, cell.dtype)
    )

    def step(states, x, keep):
        y, *new = leaves(cell(x, states))
        kept = [keep(*each) for each in zip(_names(states), new, leaves(states), strict=True)]
        flat = iter(kept)
        return map_leaves(lambda _: next(flat), states), kept[0] if y is new[0] else y

    found = _over_time(step, sequences, states, mask, **loop)
    return map_leaves(lambda y: ops.cast(y, dtype=dtype), found)


@layer(
    "SimpleRNN",
    weights=_cell_weights(1, _no_rows, path="cell"),
    mask=_sequence_mask,
    also=_over_time,
)
def simple_rnn(
    sequences,
    initial_state=None,
    mask=None,
    kernel=None,
    recurrent_kernel=None,
    bias=None,
    *,
    activation="tanh",
    use_bias=True,
    dtype="float32",
    **loop,
):
    """A fully connected recurrent layer."""
    z = _projected(sequences, kernel, bias)
    states = _initial(initial_state, [_Shape(_samples(z, loop), z.shape[-1])], dtype)

    def step(states, z, keep):
        h = keep("hidden", simple_step(z, states[0], recurrent_kernel, activation), states[0])
        return [h], h

    return _over_time(step, z, states, mask, **loop)


@layer(
    "LSTM", weights=_cell_weights(4, _no_rows, path="cell"), mask=_sequence_mask, also=_over_time
)
def lstm(
    sequences,
    initial_state=None,
    mask=None,
    kernel=None,
    recurrent_kernel=None,
    bias=None,
    *,
    activation="tanh",
    recurrent_activation="sigmoid",
    use_bias=True,
    dtype="float32",
    **loop,
):
    """Long short-term memory."""
    z = _projected(sequences, kernel, bias)
    shape = _Shape(_samples(z, loop), z.shape[-1] // 4)
    states = _initial(initial_state, [shape, shape], dtype)

    def step(states, z, keep):
        h, c = states
        h, c = lstm_step(z, h, c, recurrent_kernel, activation, recurrent_activation, keep)
        return [h, c], h

    return _over_time(step, z, states, mask, **loop)


@layer(
    "GRU",
    weights=_cell_weights(3, _rows_of_reset_after, path="cell"),
    mask=_sequence_mask,
    also=_over_time,
)
def gru(
    sequences,
    initial_state=None,
    mask=None,
    kernel=None,
    recurrent_kernel=None,
    bias=None,
    *,
    activation="tanh",
    recurrent_activation="sigmoid",
    use_bias=True,
    reset_after=True,
    dtype="float32",
    **loop,
):
    """Gated recurrent units."""
    bias, recurrent_bias = _gru_biases(bias, reset_after)
    z = _projected(sequences, kernel, bias)
    states = _initial(initial_state, [_Shape(_samples(z, loop), z.shape[-1] // 3)], dtype)

    def step(states, z, keep):
        h = gru_step(
            z,
            states[0],
            recurrent_kernel,
            recurrent_bias,
            activation,
            recurrent_activation,
            reset_after,
        )
        h = keep("hidden", h, states[0])
        return [h], h

    return _over_time(step, z, states, mask, **loop)


def _frame_channels(config, shape):
    return shape[2] if config.get("data_format") == "channels_first" else shape[-1]


@layer(
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    weights=(
        Weight(
            "kernel",
            lambda c, x: (*c["kernel_size"], _frame_channels(c, x), 4 * c["filters"]),
            path="cell",
        ),
        Weight(
            "recurrent_kernel",
            lambda c, x: (*c["kernel_size"], c["filters"], 4 * c["filters"]),
            path="cell",
        ),
        Weight("bias", lambda c, x: (4 * c["filters"],), when="use_bias", path="cell"),
    ),
    batch_axes=True,
    mask=_sequence_mask,
    also=_over_time,
)
def conv_lstm(
    sequences,
    initial_state=None,
    mask=None,
    kernel=None,
    recurrent_kernel=None,
    bias=None,
    *,
    strides=1,
    padding="valid",
    data_format=None,
    recurrent_padding="same",
    dilation_rate=1,
    activation="tanh",
    recurrent_activation="sigmoid",
    use_bias=True,
    dtype="float32",
    **loop,
):
    """An LSTM whose products are convolutions (X. Shi et al., 2015).

    `recurrent_padding` is "theano>same" where Theano convolved the states.
    """
    n, t, *frame = sequences.shape
    if len(frame) != kernel.ndim - 1:
        raise BadInput(f"it takes {kernel.ndim + 1} axes, but its input has {sequences.shape}")
    one_of("padding", padding, *PADDINGS)
    ones = per_axis("strides", 1, kernel.ndim - 2)
    # All times at once: (N, T, *frame) -> (N T, *frame)
    frames = channels_last(ops.reshape(sequences, shape=(n * t, *frame)), data_format)
    z = conv(frames, kernel, bias, strides=strides, padding=padding, dilation_rate=dilation_rate)
    z = ops.reshape(z, shape=(n, t, *z.shape[1:]))
    shape = _Shape(n, *z.shape[2:-1], z.shape[-1] // 4)
    if initial_state is not None:
        initial_state = map_leaves(lambda s: channels_last(s, data_format), initial_state)
    states = _initial(initial_state, [shape, shape], dtype)

    def step(states, z, keep):
        h, c = states
        zs = z + conv(h, recurrent_kernel, strides=ones, padding=recurrent_padding)
        i, f, g, o = _split(zs, 4)
        i = _act("input_gate", i, recurrent_activation)
        f = _act("forget_gate", f, recurrent_activation)
        c = keep("cell", f * c + i * _act("candidate", g, activation), c)
        o = _act("output_gate", o, recurrent_activation)
        h = keep("hidden", o * activations.get(activation)(c), h)
        return [h, c], h

    def restored(y):
        if data_format != "channels_first":
            return y
        if y.ndim == kernel.ndim:  # a frame, (N, *space, C)
            return channels_restored(y, data_format)
        return ops.transpose(y, axes=(0, 1, y.ndim - 1, *range(2, y.ndim - 1)))

    return _over_time(step, z, states, mask, restored, **loop)


# ---- wrappers -----------------------------------------------------------------------------------


def _both_masks(config, inputs, mask):
    """As the layer inside: a sequence keeps the mask, twice if directions are not merged."""
    mask = _sequence_mask(config["forward_layer"].config, inputs, mask)
    return [mask, mask] if config.get("merge_mode", "concat") is None else mask


@layer("Bidirectional", mask=_both_masks)
def bidirectional(
    sequences,
    initial_state=None,
    mask=None,
    *,
    forward_layer,
    backward_layer,
    merge_mode="concat",
    zero_output_for_mask=None,
    reversed_axis=None,
    dtype="float32",
):
    """One layer forwards, one backwards over time, and their outputs merged.

    `zero_output_for_mask` is false in Keras before it was tf.keras: a masked step repeats the
    output before it.
    """
    sequence, state = (
        forward_layer.config.get(key, False) for key in ("return_sequences", "return_state")
    )
    given = list(leaves(initial_state)) if initial_state is not None else []
    half = len(given) // 2
    outputs = []
    for direction, start in ((forward_layer, given[:half]), (backward_layer, given[half:])):
        # So Keras sets both, whatever their config says; older ones set them otherwise.
        zero = sequence if zero_output_for_mask is None else zero_output_for_mask
        direction = direction.changed(zero_output_for_mask=zero)
        outputs.append(direction(sequences, initial_state=start or None, mask=mask))
    (y, *states), (y_rev, *states_rev) = outputs if state else ([y] for y in outputs)
    y, y_rev = ops.cast(y, dtype=dtype), ops.cast(y_rev, dtype=dtype)
    if sequence:
        time = 0 if forward_layer.config.get("time_major") else 1
        y_rev = ops.flip(y_rev, axis=time if reversed_axis is None else reversed_axis)
    one_of("merge_mode", merge_mode, "concat", "sum", "ave", "mul", None)
    merged = {
        "concat": lambda: [ops.concatenate(y, y_rev, axis=-1)],
        "sum": lambda: [y + y_rev],
        "ave": lambda: [(y + y_rev) / 2.0],
        "mul": lambda: [y * y_rev],
        None: lambda: [y, y_rev],
    }[merge_mode]()
    found = [*merged, *states, *states_rev]
    return found if len(found) > 1 else found[0]


@layer("TimeDistributed", mask=keep)
def time_distributed(inputs, mask=None, *, layer):
    """A layer on every time step: the steps are so many more samples."""
    if layer.config.get("quantization"):
        raise UnsupportedOption(
            f"its inner layer {layer.config.get('name')!r} is quantised, which Keras forgets in a "
            "TimeDistributed: it takes the packed numbers for the kernel.  Quantise a Dense "
            "without TimeDistributed around it: that takes any number of axes"
        )
    n, t, *rest = inputs.shape
    if mask is not None:
        if mask.shape[:2] != (n, t):
            raise BadInput(f"its mask is of shape {mask.shape}, expected {(n, t)} first")
        mask = ops.reshape(mask, shape=(n * t, *mask.shape[2:])) if layer.takes("mask") else None
    x = ops.reshape(inputs, shape=(n * t, *rest))
    # A mask of one number a step says nothing to a layer that sees one step.
    kwargs = {} if mask is None else {"mask": mask}

    def unfolded(y):
        return ops.reshape(y, shape=(n, t, *y.shape[1:]))  # (N T, ...) -> (N, T, ...)

    def shown(inner):
        return unfolded(inner) if inner.ndim > 1 and inner.shape[0] == n * t else inner

    with shown_as(shown, x):
        y = layer.past_policy()(x, **kwargs)
    if isinstance(y, list):
        raise UnsupportedOption("its inner layer has several outputs")
    return unfolded(y)
