"""Seeded random weights for genuine layers, such that no activation dies or explodes."""

import numpy as np


def random_weight(name, shape, rng, dtype="float32"):
    """A value for one variable, by Keras's name for it and its dtype.

    Kernels keep the scale of their input; biases and statistics differ from their initial values.
    """
    if dtype == "int8":
        return rng.integers(-128, 128, shape)
    match name:
        case "depthwise_kernel":
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-2]))
        case "kernel" | "recurrent_kernel" | "pointwise_kernel":
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        case "embeddings" | "reverse_embeddings" | "vector_u":
            return rng.standard_normal(shape)
        case "count":
            return np.zeros(shape)
        case "mean":
            return rng.standard_normal(shape)
        case "variance" | "moving_variance" | "moving_stddev" | "renorm_stddev":
            return rng.uniform(0.3, 2, shape)
        case "gamma" | "scale" | "concat_score_weight" | "variable":  # the last of LayerScale
            return rng.uniform(0.5, 1.5, shape)
        case "alpha":
            return rng.uniform(-0.2, 0.6, shape)
        case "bias" | "beta" | "moving_mean" | "renorm_mean":
            return 0.3 * rng.standard_normal(shape)
        case "kernel_scale":
            return rng.uniform(0.5, 2, shape)
        case "inputs_scale" | "outputs_grad_scale":
            return rng.uniform(0.002, 0.02, shape)
        case "inputs_amax_history" | "kernel_amax_history" | "outputs_grad_amax_history":
            return rng.uniform(0, 2, shape)
    raise ValueError(f"no rule for a weight called {name!r}")
