"""A model of two inputs, and a model of one.

python examples/multi_inputs.py
"""

import numpy as np
import utils

import npforward as keract


def main():
    np.set_printoptions(precision=2)
    rng = np.random.default_rng(123)
    inp_a = rng.uniform(size=(5, 10))
    inp_b = rng.uniform(size=(5, 10))
    out_c = rng.uniform(size=(5, 1))

    print("MULTI-INPUT MODEL")
    m1 = keract.load_model(utils.MODELS / "keract" / "two_inputs.keras")
    utils.print_names_and_values(keract.get_activations(m1, [inp_a, inp_b]))
    utils.print_names_and_values(
        keract.get_gradients_of_trainable_weights(m1, [inp_a, inp_b], out_c)
    )
    utils.print_names_and_values(keract.get_gradients_of_activations(m1, [inp_a, inp_b], out_c))

    # Just get the last layer, and the inputs by name.
    x = {"a": inp_a, "b": inp_b}
    utils.print_names_and_values(keract.get_activations(m1, x, layer_names="last_layer"))
    utils.print_names_and_values(
        keract.get_gradients_of_activations(m1, x, out_c, layer_names="last_layer")
    )

    print("SINGLE-INPUT MODEL")
    m2 = keract.load_model(utils.MODELS / "keract" / "dense.keras")
    utils.print_names_and_values(keract.get_activations(m2, inp_a))
    utils.print_names_and_values(keract.get_gradients_of_trainable_weights(m2, inp_a, out_c))
    utils.print_names_and_values(keract.get_gradients_of_activations(m2, inp_a, out_c))


if __name__ == "__main__":
    main()
