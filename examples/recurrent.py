"""Activations and gradients of an LSTM with its states.

python examples/recurrent.py
"""

import numpy as np
import utils

import npforward as keract


def main():
    model = keract.load_model(utils.MODELS / "keract" / "recurrent.keras")
    rng = np.random.default_rng(123)
    x = rng.integers(0, 20, size=(128, 9))
    y = rng.integers(0, 3, size=128)

    utils.print_names_and_shapes(keract.get_activations(model, x))
    utils.print_names_and_shapes(keract.get_gradients_of_trainable_weights(model, x, y))
    utils.print_names_and_shapes(keract.get_gradients_of_activations(model, x, y))

    # Beyond Keract: every gate of the LSTM at every step.
    gates = model.trace(x, layers=["lstm:*_gate", "lstm:cell"])
    utils.print_names_and_shapes(dict(gates))


if __name__ == "__main__":
    main()
