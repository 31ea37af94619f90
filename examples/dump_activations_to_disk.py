"""Activations go to a file and come back as they were.

python examples/dump_activations_to_disk.py
"""

import numpy as np
import utils

import npforward as keract


def main():
    model = keract.load_model(utils.MODELS / "keract" / "dense.keras")

    # fetch activations.
    x = np.ones((2, 10))
    activations = keract.get_activations(model, x)

    # persist the activations to the disk.
    output = "activations.json"
    keract.persist_to_json_file(activations, output)

    # read them from the disk.
    activations2 = keract.load_activations_from_json_file(output)

    # print them.
    print(list(activations.keys()))
    print(list(activations2.keys()))
    print(f"Dumped to {output}.")


if __name__ == "__main__":
    main()
