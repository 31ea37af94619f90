"""The inner loops: readable numpy references, and compiled kernels that take their place."""

from npforward.kernels.conv import conv, conv_dw, conv_dx, depthwise_conv, windows
from npforward.kernels.elementwise import erf, sigmoid, softplus
from npforward.kernels.hashing import fingerprint64, fingerprint_pair, siphash24
from npforward.kernels.pool import max_pool, max_pool_dx, sum_pool, sum_pool_dx
from npforward.kernels.recurrent import gru, lstm
from npforward.kernels.registry import (
    KERNELS,
    absent,
    compiled,
    kernel,
    numpy_only,
    which,
    winograd,
)
from npforward.kernels.warming import Warmed, warm_up

__all__ = [
    "KERNELS",
    "Warmed",
    "absent",
    "compiled",
    "conv",
    "conv_dw",
    "conv_dx",
    "depthwise_conv",
    "erf",
    "fingerprint64",
    "fingerprint_pair",
    "gru",
    "kernel",
    "lstm",
    "max_pool",
    "max_pool_dx",
    "numpy_only",
    "sigmoid",
    "siphash24",
    "softplus",
    "sum_pool",
    "sum_pool_dx",
    "warm_up",
    "which",
    "windows",
    "winograd",
]
