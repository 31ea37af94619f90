"""The first convolutions of a network on a photo, channel by channel.

    python examples/vgg16.py [MODEL PHOTO]

Give a file with `VGG16().save("vgg16.h5")`, which is 550 MB; without one it is a small network that
is built the same way.
"""

import numpy as np
import utils
from PIL import Image

import npforward as keract


def main():
    model = keract.load_model(utils.argument(1, utils.MODELS / "models/cnn150/model.h5"))
    photo = utils.argument(2, utils.MODELS / "models/cnn150/photo.png")
    _, height, width, _ = model.inputs[0].shape

    image = Image.open(photo).convert("RGB").resize((width, height))
    image = np.array(image, "float32")[None]
    if height == 224:  # what keras.applications.vgg16.preprocess_input does
        image = image[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")
    else:
        image /= 255
    print(model.predict(image).argmax(axis=-1))

    names = [layer.name for layer in model.layers if layer.type == "Conv2D"][:2]
    activations = keract.get_activations(model, image, layer_names=names)
    utils.print_names_and_shapes(activations)
    keract.display_activations(activations, directory="vgg16_activations", save=True)


if __name__ == "__main__":
    main()
