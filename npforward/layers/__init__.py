"""One function per kind of layer: call arguments, weights, and keyword-only the config."""

# Importing a module registers its layers: the decorator is the list.
from npforward.layers import (
    activations,
    applications,
    attention,
    audio,
    categories,
    convolutional,
    core,
    custom,
    image,
    kur,
    legacy,
    merging,
    normalization,
    operations,
    pooling,
    recurrent,
    reshaping,
    text,
)
from npforward.layers.custom import definition
from npforward.layers.registry import LAYERS, LayerDef, Weight, layer

__all__ = ["LAYERS", "LayerDef", "Weight", "definition", "layer"]
