"""Weights, pictures and summaries by rules of numpy alone: whoever makes a fixture and whoever
reads it draw the same numbers, so that those need not be stored."""

import zlib

import numpy as np


def uniform(words, shape, low, high):
    """Numbers that hang on `words` and nothing else."""
    numbers = np.random.default_rng(zlib.crc32(words.encode())).random(shape)
    return low + (high - low) * numbers


def drawn(kind, shape, words):
    """An array of float32 for a weight of this kind; None: it stays as it is.

    Kernels keep the scale of their input through a relu.
    """
    match kind:
        case "kernel" | "pointwise_kernel" | "depthwise_kernel":
            summed = np.prod(shape[:-2] if kind == "depthwise_kernel" else shape[:-1])
            low, high = -np.sqrt(6 / summed), np.sqrt(6 / summed)
        case "bias" | "beta" | "moving_mean":
            low, high = -0.4, 0.4
        case "gamma":
            low, high = 0.6, 1.4
        case "gamma_of_branch":  # small, or a deep network makes much of every rounding
            low, high = 0.15, 0.35
        case "moving_variance":
            low, high = 0.6, 1.6
        case "layer_scale":
            low, high = 0.1, 0.5
        case "mean":  # of pixels in [0, 1]
            low, high = 0.4, 0.6
        case "variance":
            low, high = 0.05, 0.1
        case "count":
            return None
        case _:
            raise ValueError(f"no rule for a weight of the kind {kind!r}")
    return uniform(words, shape, low, high).astype("float32")


def scaled(value, kind, scale):
    """The statistics of a BatchNormalization that meets numbers of this mean square."""
    if kind == "moving_variance":
        return value * np.float32(scale)
    return value * np.float32(scale**0.5) if kind == "moving_mean" else value


def picture(shape, scaled_inside):
    """Random pictures: pixels of a model that scales them itself, else numbers about 0."""
    low, high = (0, 255) if scaled_inside else (-2, 2)
    return uniform("picture", shape, low, high).astype("float32")


def summary(value):
    """Mean, standard deviation and 14 numbers at fixed places of an array, in float32."""
    flat = np.asarray(value).reshape(-1).astype("float64")
    at = np.linspace(0, flat.size - 1, 14).astype(int)
    return np.array([flat.mean(), flat.std(), *flat[at]], "float32")
