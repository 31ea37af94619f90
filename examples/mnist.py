"""Activations and gradients of a network that reads handwritten digits, and pictures of them.

    python examples/mnist.py [MODEL]

Keract's example trains a network first; this one opens a trained one.
"""

import numpy as np
import utils
from PIL import Image

import npforward as keract

FOLDER = utils.MODELS / "models" / "digits_cnn"


def main():
    model = keract.load_model(utils.argument(1, FOLDER / "model.keras"))
    print(model.summary())

    digits = {"seven": 7, "three": 3, "zero": 0}
    x = np.stack([np.asarray(Image.open(FOLDER / f"{name}.png")) for name in digits])
    x = x[..., None].astype("float32")  # from 0 to 255: this network rescales them itself
    y = np.array(list(digits.values()))

    # The file says that it was compiled with sparse_categorical_crossentropy.
    utils.print_names_and_shapes(keract.get_activations(model, x))
    gradients = keract.get_gradients_of_trainable_weights(model, x, y)
    utils.print_names_and_shapes(gradients)
    utils.print_names_and_shapes(keract.get_gradients_of_activations(model, x, y))

    a = keract.get_activations(model, x[0:1])  # with just one sample.
    keract.display_activations(a, directory="mnist_activations", save=True)
    keract.display_gradients_of_trainable_weights(gradients, "mnist_gradients", save=True)


if __name__ == "__main__":
    main()
