"""A model that contains another: its layers are left out, or have keys of their own.

python examples/model_in_model.py
"""

import numpy as np
import utils

import npforward as keract


def main():
    np.set_printoptions(precision=2)
    inputs = np.random.default_rng(123).uniform(size=(8, 16, 16, 1))

    print("NESTED MODELS")
    nested_model = keract.load_model(utils.MODELS / "keract" / "nested.keras")

    # will get the activations of every layer, EXCLUDING subnet layers.
    utils.print_names_and_shapes(keract.get_activations(nested_model, inputs))

    # will get the activations of every layer, including subnet.
    utils.print_names_and_shapes(keract.get_activations(nested_model, inputs, nested=True))


if __name__ == "__main__":
    main()
