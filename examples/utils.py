"""What the examples share: where the models are, and how values are printed."""

import sys
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent / "weights_fixtures"


def argument(number, default):
    """An argument of the command line, or what is used without it."""
    return sys.argv[number] if len(sys.argv) > number else default


def print_names_and_shapes(activations):
    for name, values in activations.items():
        for array in values if isinstance(values, list) else [values]:
            print(name, array.shape)
    print("")


def print_names_and_values(activations):
    for name, values in activations.items():
        print(name)
        print(values)
    print("")
