"""Functions on arrays, each written once with its value, its shape rule and its derivatives.

Plain arrays in, plain array out: ``npforward.ops.relu(array)``.
"""

# Importing a module registers its ops: the decorator is the list.
from npforward.ops import (
    activations,
    arithmetic,
    convolution,
    linear,
    pooling,
    resizing,
    shaping,
)
from npforward.ops.activations import linear as identity
from npforward.ops.arithmetic import lowest
from npforward.ops.resizing import FILTERS, resize_taps
from npforward.tape import OPS

globals().update(OPS)

__all__ = [*sorted(OPS), "FILTERS", "identity", "lowest", "resize_taps"]
