"""What a convolution sees, laid over the photo.

python examples/heat_map.py [MODEL PHOTO LAYER]
"""

import numpy as np
import utils
from PIL import Image

import npforward as keract


def main():
    model = keract.load_model(utils.argument(1, utils.MODELS / "models/cnn150/model.keras"))
    photo = utils.argument(2, utils.MODELS / "models/cnn150/photo.png")
    _, height, width, _ = model.inputs[0].shape
    image = np.array(Image.open(photo).convert("RGB").resize((width, height)))
    first = next(layer.name for layer in model.layers if layer.type == "Conv2D")

    activations = keract.get_activations(
        model, image[None] / 255, layer_names=utils.argument(3, first)
    )
    keract.display_heatmaps(activations, image, directory="heat_maps", save=True)
    keract.display_heatmaps(activations, image, "merged", save=True, merge_filters=True)


if __name__ == "__main__":
    main()
