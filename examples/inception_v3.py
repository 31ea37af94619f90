"""Every layer of a network with branches on a photo.

    python examples/inception_v3.py [MODEL PHOTO]

Give a file with `InceptionV3().save("inception_v3.keras")`; without one it is a small network whose
branches are those of residual blocks.
"""

import numpy as np
import utils
from PIL import Image

import npforward as keract


def main():
    model = keract.load_model(utils.argument(1, utils.MODELS / "models/residual_bn/model.keras"))
    photo = utils.argument(2, utils.MODELS / "models/cnn150/photo.png")
    _, height, width, _ = model.inputs[0].shape

    image = Image.open(photo).convert("RGB").resize((width, height))
    image = np.array(image, "float32")[None] / 127.5 - 1  # preprocess_input of inception_v3
    print(model.predict(image).argmax(axis=-1))

    activations = keract.get_activations(model, image)
    utils.print_names_and_shapes(activations)
    keract.display_activations(activations, directory="inception_v3_activations", save=True)


if __name__ == "__main__":
    main()
