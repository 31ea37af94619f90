"""A model of two inputs and two outputs, each of which was compiled with a loss of its own.

python examples/multi_outputs.py
"""

import numpy as np
import utils

import npforward as keract


def main():
    np.set_printoptions(precision=2)
    rng = np.random.default_rng(123)
    inp_a = rng.uniform(size=(5, 10))
    inp_b = rng.uniform(size=(5, 10))
    out_d = rng.uniform(size=(5, 1))
    out_e = rng.uniform(size=(5, 2))

    print("MULTI-INPUT OUTPUT MODEL")
    m1 = keract.load_model(utils.MODELS / "keract" / "two_outputs.keras")
    print(m1.loss)
    utils.print_names_and_values(keract.get_activations(m1, [inp_a, inp_b]))
    utils.print_names_and_values(
        keract.get_gradients_of_trainable_weights(m1, [inp_a, inp_b], [out_d, out_e])
    )


if __name__ == "__main__":
    main()
