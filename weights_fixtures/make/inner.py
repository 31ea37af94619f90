"""Record what happens inside recurrent and attention layers of a genuine Keras 3 model."""

import golden
import keras
import numpy as np
from keras.src.backend import get_keras_mask


def stepped(layer, x, mask):
    """The states after each step, from the layer's cell called step by step: one array for each.

    They stand in the order in which the layer takes the steps: that of a backward layer begins
    with the last one.  A masked step keeps the states of the step before.
    """
    x, mask = np.asarray(x), np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask)
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    states, steps = layer.cell.get_initial_state(len(x)), []
    for step in range(x.shape[1]):
        _, new = layer.cell(x[:, step], states, training=False)
        here = mask[:, step, None]
        states = [np.where(here, n, s) for n, s in zip(new, states, strict=True)]
        steps.append(states)
    return [np.stack(history, axis=1) for history in zip(*steps, strict=True)]


def of_recurrent(layer, address, x):
    """`:hidden` and `:cell` of an LSTM, GRU or SimpleRNN, checked against the layer's output."""
    mask = get_keras_mask(x)
    histories = stepped(layer, x, mask)
    output = layer(x, mask=mask)
    output = output[0] if layer.return_state else output
    hidden = histories[0] if layer.return_sequences else histories[0][:, -1]
    if layer.return_sequences and layer.zero_output_for_mask and mask is not None:
        mask = np.asarray(mask)[:, ::-1] if layer.go_backwards else np.asarray(mask)
        hidden = np.where(mask[..., None], hidden, 0)  # the output's zeros are not the state's
    np.testing.assert_allclose(hidden, output, rtol=1e-4, atol=1e-6, err_msg=address)
    return {
        f"{address}:{name}": history
        for name, history in zip(("hidden", "cell"), histories, strict=False)
    }


def of_attention(layer, address, x, output):
    """`:query`, `:key`, `:value` and `:weights` of causal MultiHeadAttention of x to itself."""
    found, weights = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    # Where a query may attend to nothing, Keras gives weights of 0 if asked for weights, but
    # otherwise computes its output with equal ones.
    told = np.asarray(weights).any((1, 3))
    np.testing.assert_allclose(np.asarray(found)[told], output[told], rtol=1e-4, atol=1e-6)
    return {
        f"{address}:query": np.asarray(layer.query_dense(x)),
        f"{address}:key": np.asarray(layer.key_dense(x)),
        f"{address}:value": np.asarray(layer.value_dense(x)),
        f"{address}:weights": np.asarray(weights),
    }


def record(model, inputs, arrays):
    """Address -> array for the layers of `model` (none of a nested model) whose inside is told."""
    layers = keras.layers
    known = layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Bidirectional
    calls = [
        (address, layer, takes[0])
        for address, layer, takes, _ in golden.calls(keras, model)
        if isinstance(layer, (*known, layers.MultiHeadAttention))
    ]
    # With the masks that Keras attaches to them.
    values = keras.Model(model.inputs, [x for *_, x in calls])(list(inputs), training=False)
    values = values if isinstance(values, (list, tuple)) else [values]
    found = {}
    for (address, layer, _), x in zip(calls, values, strict=True):
        if isinstance(layer, layers.MultiHeadAttention):
            found |= of_attention(layer, address, x, arrays[address])
        elif isinstance(layer, layers.Bidirectional):
            for side in "forward_layer", "backward_layer":
                found |= of_recurrent(getattr(layer, side), f"{address}/{side}", x)
        else:
            found |= of_recurrent(layer, address, x)
    return found
