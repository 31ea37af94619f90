"""Every op: its rules agree with its value, its vjps with finite differences, dtypes are kept."""

import subprocess
import sys

import numpy as np
import pytest
from walking import walked_back

from npforward import ops
from npforward.dtypes import differentiable, floating
from npforward.errors import NotDifferentiable, UnsupportedOption
from npforward.tape import OPS, Tape, Var

rng = np.random.default_rng(7)


def x(*shape, low=-2.0, high=2.0):
    """Random numbers, none close to another or to where an op has a kink."""
    n = int(np.prod(shape))
    # The same for the same shape, whatever other examples there are.
    drawn = np.random.default_rng(n).permutation(n) + 0.37
    return drawn.reshape(shape) * (high - low) / max(n, 1) + low


def c(*args, **options):
    return args, options


ONES, TWOS = (1, 1), (2, 2)
BYTES = rng.integers(-128, 128, (3, 2), "int8")
INDEX, WEIGHT = ops.resize_taps(4, 7, "bicubic")
BEFORE, AFTER, SHARE = ops.neighbours(4, 7)
IDS = np.array([2, 0, 2, 1])
REGULAR = np.random.default_rng(1).normal(size=(2, 3, 3)) + 2 * np.eye(3)
POSITIVE = REGULAR @ REGULAR.swapaxes(-1, -2) + np.eye(3)
TALL = np.random.default_rng(2).normal(size=(4, 3))
CONDITION = np.arange(12).reshape(3, 4) % 3 == 0
WORDS = np.array([["The cat,", "sat"], ["", "on_the  mat the"]])
CODES = np.array([[0, 2, 5], [2, 2, -1]])
# Arguments for each op: a new op without any fails `test_every_op_has_examples`.
EXAMPLES = {
    "add": [c(x(3, 4), x(4)), c(x(3, 1), x(3, 4)), c(x(3), 2.0)],
    "subtract": [c(x(3, 4), x(4)), c(1.0, x(3))],
    "multiply": [c(x(3, 4), x(4)), c(x(2, 1, 3), x(4, 1))],
    "divide": [c(x(3, 4), x(4, low=1.0, high=2.0)), c(1.0, x(3, low=1.0))],
    "negative": [c(x(3))],
    "maximum": [c(x(3, 4), x(4, low=-1.9)), c(x(3), 0.1)],
    "minimum": [c(x(3, 4), x(4, low=-1.9)), c(x(3), 0.1)],
    "absolute": [c(x(3, 4))],
    "square": [c(x(3))],
    "sqrt": [c(x(5, low=0.5))],
    "exp": [c(x(5))],
    "expm1": [c(x(5))],
    "log": [c(x(5, low=0.5))],
    "where": [c(CONDITION, x(3, 4), x(4)), c(CONDITION, x(3, 4), 0.0)],
    "greater": [c(x(3), x(3, low=-1.0))],
    "greater_equal": [c(x(3), 0.0)],
    "not_equal": [c(x(3), 0.0)],
    "logical_and": [c(x(3) > 0, x(3, 1) > 0)],
    "logical_or": [c(x(3) > 0, x(3, 1) > 0)],
    "logical_not": [c(x(3) > 0)],
    "any": [c(x(3, 4) > 1.9, axis=-1), c(x(3, 4) > 1.9, axis=0, keepdims=True)],
    "take_dx": [
        c(x(2, 2, 3), np.array([[0, 3], [3, 1]]), axis=0, size=4),
        c(x(2, 3), np.array([2, 0, 2]), axis=1, size=4),
    ],
    "take": [c(x(4, 3), np.array([[0, 3], [3, 1]]), axis=0), c(x(2, 4), np.array([2]), axis=1)],
    "einsum": [
        c(x(2, 3, 4), x(4, 5), equation="abc,cd->abd"),
        c(x(2, 3, 4), x(4, 5), equation="...c,cd->...d"),
        c(x(2, 3, 4, 2), x(2, 5, 4, 2), equation="aecd,abcd->acbe"),
        c(x(2, 3), x(3, 4), equation="ab,cd->ad"),
    ],
    "cast": [c(x(3), dtype="float64")],
    "sum": [c(x(3, 4)), c(x(3, 4, 2), axis=(0, 2), keepdims=True), c(x(3, 4), axis=-1)],
    "mean": [c(x(3, 4)), c(x(3, 4, 2), axis=[1, 2]), c(x(3, 4), axis=0, keepdims=True)],
    "abs_max_scale": [c(x(3, 4), axis=-1), c(x(2, 3, 4), axis=(0, 2), high=7, epsilon=0.1)],
    "quantize": [c(x(3, 4), x(3, 1, low=20.0, high=90.0)), c(x(3), x(1) + 5.0, low=-8, high=7)],
    "unpack_int4": [
        c(BYTES, length=3, axis=-1),
        c(BYTES, length=6, axis=0),
        c(BYTES.view("uint8"), length=4, axis=1),
    ],
    "round_to_float8": [c(x(3, 4), 0.1), c(x(3, 4), 1e-3)],
    "round_gradient_to_float8": [c(x(3, 4), 0.1)],
    "max": [c(x(3, 4)), c(x(3, 4, 2), axis=(0, 2), keepdims=True)],
    "nonzero": [c(np.array([[0.0, 3.0], [1.0, 0.0]]))],
    "reshape": [c(x(3, 4), shape=(2, 6)), c(x(3, 4), shape=(4, -1))],
    "transpose": [c(x(2, 3, 4), axes=(2, 0, 1))],
    "expand_dims": [c(x(2, 3), axis=1), c(x(2, 3), axis=-1)],
    "squeeze": [c(x(2, 1, 3, 1)), c(x(2, 1, 3, 1), axis=-1), c(x(1, 1, 3), axis=(0, 1))],
    "concatenate": [c(x(2, 3), x(2, 1), axis=-1), c(x(2, 3), x(1, 3), x(2, 3), axis=0)],
    "pad": [c(x(2, 3), widths=((1, 0), (2, 1))), c(x(2, 3), widths=((0, 0), (0, 1)), value=-1.0)],
    "put_back": [
        c(x(2), key=(slice(1, None, 2), 3), shape=(4, 5)),
        c(x(3, 5), key=np.array([0, 0, 2]), shape=(4, 5)),
    ],
    "getitem": [c(x(4, 5), key=(slice(1, None, 2), 3)), c(x(4, 5), key=np.array([0, 0, 2]))],
    "repeat": [c(x(2, 3), repeats=3, axis=1)],
    "flip": [c(x(2, 3), axis=1)],
    "matmul": [c(x(2, 3, 4), x(4, 5)), c(x(2, 3, 4), x(2, 4, 5))],
    "dense_dw": [c(x(3, 4), x(3, 2)), c(x(2, 3, 4), x(2, 3, 5))],
    "dense": [c(x(3, 4), x(4, 2)), c(x(2, 3, 4), x(4, 2))],
    "interpolate": [c(x(2, 4, 3), axis=1, before=BEFORE, after=AFTER, share=SHARE)],
    "frames": [c(x(2, 9), length=4, step=2), c(x(7), length=7, step=3)],
    "rfft": [c(x(2, 8)), c(x(2, 7)), c(x(6), n=9), c(x(3, 6), n=4)],
    "equalize": [c(x(2, 3, 4, 2, low=0.0, high=255.0), bins=16)],
    "equalize_tiles": [c(x(1, 4, 5, 2, low=0.0, high=255.0), grid=TWOS, clip_limit=2.0)],
    "power": [c(x(3, 4, low=0.5), x(4, low=0.1)), c(x(3), 3.0), c(x(3, low=0.5), -1.5)],
    "round": [c(x(3, 4))],
    "resample": [c(x(2, 4, 3), axis=1, index=INDEX, weight=WEIGHT)],
    "arctan2": [c(x(3, 4), x(4))],
    "conv_dw": [
        c(x(2, 5, 6, 4), x(2, 2, 4, 6), size=(2, 2), strides=(2, 1), dilation=(2, 2), groups=2),
        c(x(1, 4, 3), x(1, 3, 2), size=(2,), strides=(1,), dilation=(1,)),
    ],
    "conv": [
        c(x(2, 6, 5, 3), x(3, 2, 3, 4), strides=ONES, dilation=ONES),
        c(x(1, 9, 4), x(3, 2, 6), strides=(2,), dilation=(2,), groups=2),
        c(x(1, 4, 5, 4, 2), x(2, 3, 1, 2, 3), strides=(1, 2, 3), dilation=(1, 1, 1)),
        c(x(2, 6, 5, 3), x(3, 2, 1, 3), strides=(2, 1), dilation=(1, 2), groups=3),
        c(x(1, 7, 2), x(3, 1, 4), strides=(2,), dilation=(1,), groups=2),
    ],
    "conv_transpose": [
        c(x(2, 3, 2, 4), x(3, 2, 5, 4), shape=(2, 8, 4, 5), strides=TWOS, dilation=ONES),
        c(x(1, 4, 3), x(2, 2, 3), shape=(1, 6, 2), strides=(1,), dilation=(2,)),
    ],
    "depthwise_conv": [
        c(x(2, 6, 5, 3), x(3, 2, 3, 2), strides=(2, 1), dilation=(1, 2)),
        c(x(1, 7, 4), x(3, 4, 1), strides=(1,), dilation=(1,)),
    ],
    "max_pool_dx": [c(x(1, 2, 3), x(1, 2, 3), x(1, 4, 3), size=(2,), strides=(2,))],
    "sum_pool": [
        c(x(2, 5, 4, 3), size=(2, 2), strides=(2, 1)),
        c(x(1, 5, 2), size=(3,), strides=(2,)),
    ],
    "sum_pool_dx": [c(x(2, 2, 3, 3), shape=(2, 5, 4, 3), size=(2, 2), strides=(2, 1))],
    "max_pool": [
        c(x(2, 6, 5, 3), size=(2, 3), strides=(2, 1)),
        c(x(1, 7, 2), size=(3,), strides=(2,)),
        c(x(1, 4, 4, 5, 2), size=(2, 2, 2), strides=(2, 2, 2)),
    ],
    "average_pool": [
        c(x(2, 6, 5, 3), size=(2, 3), strides=(2, 1), widths=((0, 0),) * 4),
        c(np.pad(x(1, 5, 2), ((0, 0), (1, 1), (0, 0))), size=(3,), strides=(2,),
          widths=((0, 0), (1, 1), (0, 0))),
    ],
    "relu": [
        c(x(3, 4)),
        c(x(3, 4), max_value=1.01, negative_slope=0.2, threshold=0.3),
        c(x(3, 4), negative_slope=0.2),
    ],
    "relu6": [c(x(3, 4, low=-1.0, high=8.0))],
    "relu_dx": [
        c(x(3, 4), x(3, 4)),
        c(x(3, 4), x(3, 4), negative_slope=0.2, max_value=1.5, threshold=0.3),
    ],
    "leaky_relu": [c(x(3, 4)), c(x(3, 4), negative_slope=0.5)],
    "elu": [c(x(3, 4)), c(x(3, 4), alpha=0.3)],
    "celu": [c(x(3, 4)), c(x(3, 4), alpha=0.3)],
    "gelu": [c(x(3, 4)), c(x(3, 4), approximate=True)],
    "glu": [c(x(3, 4)), c(x(4, 3), axis=0)],
    "squareplus": [c(x(3, 4)), c(x(3, 4), b=1)],
    "soft_shrink": [c(x(3, 4)), c(x(3, 4), threshold=0.2)],
    "hard_shrink": [c(x(3, 4)), c(x(3, 4), threshold=0.2)],
    "threshold": [c(x(3, 4), threshold=0.5, default_value=0.1)],
    "hard_sigmoid": [c(x(3, 4, low=-5.0, high=5.0))],
    "hard_sigmoid_keras2": [c(x(3, 4, low=-5.0, high=5.0))],
    "hard_silu": [c(x(3, 4, low=-5.0, high=5.0))],
    "softmax": [c(x(3, 4)), c(x(2, 3, 4), axis=[0, 2]), c(x(3, 4), axis=0)],
    "as_text": [c(CODES), c(CODES > 0), c(CODES.astype("uint8")), c(WORDS)],
    "lower": [c(WORDS)],
    "strip_punctuation": [c(WORDS)],
    "words": [
        c(WORDS, split="whitespace"),
        c(WORDS[0], split="character", ngrams=(2,)),
        c(WORDS, split=None, ngrams=(1, 2)),
        c(WORDS[:0], split="whitespace"),
        c(np.array(["", " "]), split="whitespace", ngrams=(3,)),
    ],
    "words_up_to": [
        c(WORDS, width=2, split="whitespace"),
        c(WORDS, width=3, split=None),
        c(WORDS[0], width=0, split="character"),
        c(WORDS[:, :0], width=2, split=None),
    ],
    "word_counts": [
        c(WORDS, index={"the": 1, "cat": 2, "": 2**63 - 1}, unknown=0, depth=3, split="whitespace"),
        c(WORDS[0], index={"t": 1}, unknown=0, depth=2, split="character", binary=True),
    ],
    "hash_bucket": [c(WORDS, buckets=7), c(WORDS, buckets=7, salt=(1, 2)), c(WORDS[:0], buckets=7)],
    "residue": [c(CODES, buckets=3)],
    "cross_hash": [c(WORDS, CODES[:, :2], buckets=11), c(CODES, CODES, CODES, buckets=3)],
    "lookup": [
        c(WORDS, index={"sat": 5}, unknown=-1),
        c(CODES, index={0: "a", 5: "long"}, unknown="?", dtype="str"),
        c(CODES[:, :2], index={0: 1, 2: 2, -1: 3}),
    ],
    "counts": [
        c(CODES, depth=4),
        c(CODES, depth=3, axis=0, binary=True),
        c(CODES, x(2, 3), depth=4),
        c(CODES.reshape(2, 3, 1) + np.arange(2), x(2, 3, 2), depth=3, axis=1),
        c(CODES[:, :0], depth=2),
        c(CODES[:0], depth=2, axis=0),
    ],
    "digitize": [c(x(3, 4), boundaries=(-1.0, 0.0, 1.5)), c(x(3), boundaries=())],
    "log_softmax": [c(x(3, 4)), c(x(3, 4), axis=0)],
    "sparsemax": [c(x(3, 4) * 0.7), c(x(3, 5, low=-0.53, high=0.61), axis=0)],
    "divide_no_nan": [c(x(3, 4), x(4, low=1.0)), c(x(3), x(3, low=0.5))],
    "floor_divide": [c(x(3, 4), x(4, low=1.0))],
    "mod": [c(x(3, 4), x(4, low=1.0)), c(x(3), 0.7)],
    "fmod": [c(x(3, 4), x(4, low=1.0))],
    "fmax": [c(x(3, 4), x(4, low=-1.9))],
    "fmin": [c(x(3, 4), x(4, low=-1.9))],
    "hypot": [c(x(3, 4), x(4))],
    "logaddexp": [c(x(3, 4), x(4))],
    "logaddexp2": [c(x(3, 4), x(4))],
    "heaviside": [c(x(3, 4), x(4))],
    "ldexp": [c(x(3), np.array([1, 2, -1]))],
    "nextafter": [c(x(3), x(3, low=-1.9))],
    "clip": [c(x(3, 4), low=np.float32(-1.01), high=np.float32(0.51))],
    "isclose": [c(x(3), x(3, low=-1.9), rtol=0.5)],
    "allclose": [c(x(3), x(3, low=-1.9), rtol=0.5)],
    "isin": [c(x(3), x(3), invert=True)],
    "prod": [c(x(3, 4)), c(x(3, 4, 2), axis=(0, 2), keepdims=True), c(x(3, 4), axis=-1)],
    "min": [c(x(3, 4)), c(x(3, 4, 2), axis=(0, 2), keepdims=True), c(x(3, 4), axis=1, initial=0.1)],
    "argmax": [c(x(3, 4)), c(x(3, 4), axis=1, keepdims=True)],
    "argmin": [c(x(3, 4)), c(x(3, 4), axis=0)],
    "all": [c(x(3, 4) > -1.0, axis=-1)],
    "cumsum": [c(x(3, 4)), c(x(3, 4), axis=1)],
    "cumprod": [c(x(3, 4)), c(x(3, 4), axis=-1), c(np.array([1.0, 0.0, 2.0, 3.0]), axis=0)],
    "sort": [c(x(3, 4)), c(x(3, 4), axis=0)],
    "argsort": [c(x(3, 4)), c(x(3, 4), axis=0)],
    "argpartition": [c(x(7, high=30.0), kth=2), c(x(2, 3, high=30.0), kth=1, axis=None)],
    "searchsorted": [c(np.sort(x(4)), x(2, 3))],
    "take_along_axis": [
        c(x(3, 4), np.array([[0, -1], [1, 1], [3, 2]]), axis=1),
        c(x(3, 4), np.array([[0, 2, 1, 1]]), axis=0),
    ],
    "diagonal": [c(x(3, 4)), c(x(2, 3, 4), offset=-1, axis1=2, axis2=0), c(x(2, 3), offset=4)],
    "diagonal_matrix": [c(x(3)), c(x(3), k=-1)],
    "roll": [c(x(2, 3), shift=1), c(x(2, 3), shift=[1, -1], axis=[0, 1])],
    "broadcast_to": [c(x(3, 1), shape=(2, 3, 4))],
    "view": [c(x(2, 4), dtype="uint8")],
    "slogdet": [c(x(3, 3) + 4 * np.eye(3)), c(x(2, 2, 2) + 3 * np.eye(2))],
    "bincount": [c(np.array([0, 2, 2, 5])), c(np.array([[0, 1], [1, 1]]), minlength=4)],
    "unique": [c(x(2, 3), axis=1), c(x(4))],
    "unique_of_size": [
        c(x(3), size=5),
        c(x(3), size=2),
        c(x(2, 3), size=4, axis=-1, sorted=False),
    ],
    "log10": [c(x(5, low=0.5))],
    "log2": [c(x(5, low=0.5))],
    "arccosh": [c(x(5, low=1.1, high=3.0))],
    "segment_sum": [c(x(4, 3), IDS, num=4), c(x(2, 3), np.array([[0, 1, -1], [1, 1, 0]]), num=2)],
    "segment_max": [c(x(4, 3), IDS, num=3), c(x(2, 3), np.array([[0, 1, -1], [1, 1, 0]]), num=2)],
    "segment_min": [c(x(4, 3), IDS, num=3), c(x(2, 3), np.array([[0, 1, -1], [1, 1, 0]]), num=2)],
    "segment_prod": [c(x(4, 3), IDS, num=4), c(np.array([0.0, 2, 0, 3, 0, 5]),
                                               np.array([0, 0, 1, 1, 2, 2]), num=3)],
    "segment_numbers": [c(IDS, distinct=False), c(np.array([5, 1, 5]), distinct=True)],
    "flat_indices": [c(np.array([[1, 2], [0, 0]]), shape=(2, 3, 4))],
    "replace_rows": [c(x(4, 3), x(4, 3, low=0.1), IDS), c(x(3), x(2), np.array([2, 2]))],
    "reshape_to": [c(x(3, 4), np.array([2, -1]))],
    "slice_at": [c(x(4, 5), np.array([1, 2]), shape=(3, 1))],
    "slice_update": [c(x(4, 5), np.array([1, 9]), x(2, 2))],
    "one_hot": [c(IDS, num_classes=3, dtype="int32"), c(IDS, num_classes=2, axis=0, dtype="bool")],
    "top_k_indices": [c(x(3, 5), k=2), c(x(4), k=0)],
    "in_top_k": [c(np.array([0, 4, -1]), x(3, 5), k=2)],
    "windows": [c(x(2, 5, 6, 3), size=(2, 3), strides=(2, 1), dilation=(1, 2)),
                c(x(1, 7, 2), size=(3,), strides=(3,), dilation=(1,))],
    "overlay": [c(x(1, 1, 2, 2, 3, 2), space=(5, 6), size=(2, 3), strides=(2, 1), dilation=(3, 2))],
    "rsqrt": [c(x(5, low=0.5))],
    "erfc": [c(x(5))],
    "erf": [c(x(5))],
    "erfinv": [c(x(5, low=-0.9, high=0.9))],
    "stop_gradient": [c(x(5))],
    "finite_or_zero": [c(x(5))],
    "inv": [c(REGULAR)],
    "fourier": [c(x(2, 5), x(2, 5), axes=(-1,)),
                c(x(2, 3, 4), x(2, 3, 4), axes=(-2, -1), inverse=True)],
    "irfft": [c(x(2, 5), x(2, 5)), c(x(2, 5), x(2, 5), n=7), c(x(5), x(5), n=12)],
    "overlap_add": [c(x(2, 3, 5), step=2), c(x(3, 2), step=4)],
    "complex_number": [c(x(3, 4), x(3, 4))],
    "complex_parts": [c(x(3, 4) + 1j * x(3, 4))],
    "polar": [c(x(3, 4), x(3, 4))],
    "placing": [c(np.array(1.3), np.array(0.2), n=4, m=6, method="cubic", antialias=True),
                c(np.array(0.4), np.array(0.2), n=9, m=4, method="lanczos3", antialias=True)],
    "sample": [
        c(x(2, 4, 5, 3), x(2, 2, 3, low=-7.0, high=9.0), taps="pixels", order=order, mode=mode,
          fill_value=1.5)
        for mode in ("constant", "nearest", "wrap", "reflect") for order in (1, 0)
    ] + [
        c(x(1, 4, 5, 1), x(2, 1, 3, low=-7.0, high=9.0), taps="numbers", order=1, mode=mode,
          fill_value=1.5)
        for mode in ("constant", "nearest", "wrap", "reflect")
    ],
    "ctc_loss": [c(x(3, 6, 4), np.array([[1, 2], [3, 3], [1, 0]]), np.array([2, 2, 1]),
                   np.array([6, 3, 5]), blank=0)],
    "ctc_greedy": [c(x(3, 6, 4), np.array([6, 3, 0]), blank=0)],
    "ctc_beam_search": [c(x(3, 6, 4), np.array([6, 3, 2]), blank=0, beam_width=5, top_paths=2)],
    "det": [c(REGULAR), c(np.ones((2, 2)))],
    "cholesky_or_nan": [c(POSITIVE)],
    "checked": [c(x(2, 2))],
    "diagonals": [c(x(2, 3, 3))],
    "solve_matrices": [c(REGULAR, x(2, 3, 4)), c(REGULAR[0], x(2, 3, 1))],
    "solve_triangles": [c(REGULAR, x(2, 3, 4), lower=True), c(REGULAR[0], x(3, 2), lower=False)],
    "qr": [c(TALL), c(REGULAR)],
    "svd_parts": [c(TALL, full_matrices=False), c(REGULAR), c(TALL.T, full_matrices=False)],
    "singular_values": [c(TALL), c(REGULAR)],
    "eigh": [c(POSITIVE)],
    "eig": [c(REGULAR)],
    "lu_factor": [c(REGULAR)],
    "pseudo_inverse": [c(TALL, rcond=1e-5), c(TALL.T, rcond=1e-5)],
    "matrix_rank": [c(TALL), c(REGULAR, tol=0.1)],
}  # fmt: skip
for name in """sigmoid tanh softplus softsign log_sigmoid tanh_shrink silu selu hard_tanh
    sparse_plus sparse_sigmoid mish""".split():
    EXAMPLES[name] = [c(x(3, 4))]
for (
    name
) in """exp2 log1p cbrt reciprocal i0 sin cos tan sinh cosh arcsinh arctan deg2rad rad2deg sinc
    sign floor ceil trunc isnan isfinite isinf isposinf isneginf isreal signbit conjugate copy real
    imag angle""".split():
    EXAMPLES[name] = [c(x(3, 4, low=-0.8, high=1.5))]
for name in ("arcsin", "arccos", "arctanh"):
    EXAMPLES[name] = [c(x(3, 4, low=-0.9, high=0.9))]
for name in ("gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"):
    EXAMPLES[name] = [c(np.arange(12).reshape(3, 4), np.arange(1, 5))]
for name in ("equal", "less", "less_equal", "logical_xor"):
    EXAMPLES[name] = [c(x(3), x(3, low=-1.0))]
EXAMPLES["bitwise_invert"] = [c(np.arange(5))]
CALLS = [(name, i) for name, calls in EXAMPLES.items() for i in range(len(calls))]


def several(y):
    """An op's outputs, of which most have one."""
    return y if isinstance(y, tuple) else (y,)


OWN_DTYPE = {"cast", "complex_parts", "ctc_loss", "ctc_greedy", "ctc_beam_search"}
UNDIFFERENTIABLE = {"eig", "lu_factor", "placing", "ctc_greedy", "ctc_beam_search",
                    "max_pool_dx"}  # fmt: skip
CONSTANT = {"stop_gradient", "finite_or_zero"}  # differentiated as if they did not depend on x


def normal(like, rng):
    y = rng.normal(size=like.shape)
    return y + 1j * rng.normal(size=like.shape) if like.dtype.kind == "c" else y


def inner(a, b):
    """The inner product of arrays; of complex ones as of twice as many real numbers."""
    return np.sum((np.conj(a) * b).real)


def recorded(op, args, options):
    tape = Tape()
    held = [tape.var(a.shape, a.dtype) if isinstance(a, np.ndarray) else a for a in args]
    tape.evaluate = lambda wanted: [
        a for v, a in zip(held, args, strict=True) if any(v is w for w in wanted)
    ]
    return tape, held, op(*held, **options)


def test_every_op_has_examples():
    assert set(OPS) == set(EXAMPLES)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32"])
@pytest.mark.parametrize(("name", "i"), CALLS)
def test_rules_agree_with_the_value(name, i, dtype):
    op = OPS[name]
    args, options = EXAMPLES[name][i]
    args = [
        a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args
    ]
    if dtype == "int32" and any(isinstance(v, float) for v in [*args, *options.values()]):
        args = [a.astype("float32") if getattr(a, "dtype", None) == "int32" else a for a in args]
    with np.errstate(all="ignore"):
        y = op(*args, **options)
    _, _, out = recorded(op, args, options)
    for var, array in zip(several(out), several(y), strict=True):
        assert var.shape == array.shape
        assert var.dtype == (np.dtype(str) if array.dtype.kind == "U" else array.dtype)
        if dtype.startswith("float") and name not in OWN_DTYPE and floating(array.dtype):
            assert array.dtype == dtype


# Ops that round, whose gradients are what Keras takes for them instead.
ROUNDED = {"abs_max_scale", "quantize", "round_to_float8", "round_gradient_to_float8"}


def test_gradients_of_rounding_are_those_of_no_rounding():
    a, scale, g = x(3, 4), x(3, 1, low=20.0, high=60.0), x(3, 4, low=-40.0, high=40.0)
    pulled = ops.quantize.pulls([0, 1], g, ops.quantize(a, scale), (a, scale), {})
    np.testing.assert_array_equal(pulled[0], g * scale)
    assert not pulled[1].any()
    assert not ops.abs_max_scale.pull(0, g, scale, (a,), {"axis": -1}).any()
    assert ops.round_to_float8.pull(0, g, a, (a, 0.1), {}) is g
    # 2 bits of mantissa in e5m2: 38.9 / 0.1 lies between 384 and 448.
    ((rounded,),) = [ops.round_gradient_to_float8.pulls([0], np.array([38.9]), a, (a, 0.1), {})]
    np.testing.assert_allclose(rounded, [38.4])


def test_whole_numbers_and_float8_are_those_of_keras():
    a = np.array([[0.5, -2.0, 1.0]], "float32")
    scale = ops.abs_max_scale(a, axis=-1)
    np.testing.assert_allclose(scale, [[63.5]], rtol=1e-6)
    np.testing.assert_array_equal(ops.quantize(a, scale), [[32, -127, 64]])
    found = ops.round_to_float8(np.array([1.1, 500.0, -3.3], "float32"), 1.0)
    np.testing.assert_array_equal(found, np.array([1.125, 448.0, -3.25], "float32"))


def test_unpacked_are_the_numbers_that_keras_packed():
    packed = np.array([[45, -121], [1, 0]], "int8")  # the example of Keras's `pack_int4`
    want = np.array([[-3, 7], [2, -8], [1, 0]])
    np.testing.assert_array_equal(ops.unpack_int4(packed, length=3, axis=0), want)
    unsigned = ops.unpack_int4(packed.view("uint8"), length=3, axis=0)
    np.testing.assert_array_equal(unsigned, want % 16)


@pytest.mark.parametrize(("name", "i"), [call for call in CALLS if call[0] not in ROUNDED])
def test_vjp_agrees_with_finite_differences(name, i):
    op = OPS[name]
    args, options = EXAMPLES[name][i]
    tape, held, y = recorded(op, args, options)
    if not any(differentiable(out.dtype) for out in several(y)) or name in UNDIFFERENTIABLE:
        with pytest.raises(NotDifferentiable, match=name):
            op.pull(0, None, None, args, options)
        return
    arrays = {v: a for v, a in zip(held, args, strict=True) if isinstance(v, Var)}
    wanted = [v for v in arrays if differentiable(v.dtype)]
    rng = np.random.default_rng(i)
    seeds = {out: normal(out, rng) for out in several(y)}
    values = zip(several(y), several(op(*args, **options)), strict=True)
    grads = walked_back(tape, {**arrays, **dict(values)}, seeds, wanted)
    along = {v: normal(v, rng) for v in wanted}

    def moved(step):
        at = [a + step * along[v] if v in along else a for v, a in zip(held, args, strict=True)]
        answers = several(op(*at, **options))
        return sum(inner(s, a) for s, a in zip(seeds.values(), answers, strict=True))

    h = 1e-6
    numeric = 0 if name in CONSTANT else (moved(h) - moved(-h)) / (2 * h)
    exact = sum(inner(grads[v], d) for v, d in along.items())
    assert abs(numeric - exact) < 1e-6 * max(1, abs(numeric))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("name", "i"), CALLS)
def test_gradients_keep_the_dtype(name, i, dtype):
    op = OPS[name]
    args, options = EXAMPLES[name][i]
    if name == "cast":
        options = {"dtype": dtype}
    args = [
        a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args
    ]
    tape, held, y = recorded(op, args, options)
    if not any(differentiable(out.dtype) for out in several(y)) or name in UNDIFFERENTIABLE:
        return
    arrays = {v: a for v, a in zip(held, args, strict=True) if isinstance(v, Var)}
    values = zip(several(y), several(op(*args, **options)), strict=True)
    wanted = [v for v in arrays if floating(v.dtype)]
    seeds = {out: np.ones(out.shape, dtype) for out in several(y)}
    grads = walked_back(tape, {**arrays, **dict(values)}, seeds, wanted)
    for v in wanted:
        assert grads[v].dtype == dtype
        assert grads[v].shape == v.shape


def test_a_beam_search_whose_labels_are_chance_in_keras_is_refused():
    with pytest.raises(UnsupportedOption, match="mask_index=3 or None"):
        ops.ctc_decode(x(3, 6, 4), np.array([6, 3, 2]), strategy="beam_search", mask_index=-1)


def test_extreme_numbers_neither_warn_nor_overflow():
    extreme = np.array([-1e4, -100.0, -0.0, 0.0, 100.0, 1e4], "float32")
    for name in ("sigmoid", "softplus", "log_sigmoid", "tanh", "elu", "selu", "celu", "silu",
                 "mish", "gelu", "softmax", "log_softmax", "hard_silu"):  # fmt: skip
        assert np.isfinite(OPS[name](extreme)).all(), name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: ops.reshape(t.var((2, 3), "float32"), shape=(4, 2)), "cannot be reshaped"),
        (lambda t: ops.dense(t.var((2, 3), "float32"), t.var((4, 2), "float32")), "3 features"),
        (lambda t: ops.max_pool(t.var((1, 2, 2, 1), "float32"), size=(3, 3), strides=ONES), "fit"),
        (lambda t: ops.concatenate(t.var((2, 3), "f4"), t.var((3, 4), "f4"), axis=1), "joined"),
        (lambda t: ops.glu(t.var((2, 3), "float32")), "odd"),
    ],
)
def test_shapes_that_do_not_fit_are_said(call, words):
    with pytest.raises(ValueError, match=words):
        call(Tape())


@pytest.mark.parametrize("axis", [0, (0, 1), (1, 2), (0, 2), (0, 3), (0, 1, 2, 3)])
def test_a_sum_is_exact_along_any_axes(axis):
    """Numbers added row to row would be wrong by ten units in the last place here."""
    x = np.random.default_rng(0).normal(1, 2, (40, 50, 41, 3)).astype("float32")
    exact = x.sum(axis=axis, dtype="float64")
    unit = np.spacing(np.float32(np.max(np.abs(exact))))
    for found in (ops.sum(x, axis=axis), ops.mean(x, axis=axis) * np.float32(x.size / exact.size)):
        assert np.sqrt(np.mean(np.square(found - exact))) < unit


@pytest.mark.parametrize("shape", [(0, 30, 2), (2, 0, 3), (30, 2, 0), (30, 30, 1)])
def test_a_sum_over_nothing_is_0(shape):
    for axis in 0, 1, 2, (0, 1), (0, 2), (1, 2), None:
        for keepdims in True, False:
            found = ops.sum(np.ones(shape, "float32"), axis=axis, keepdims=keepdims)
            np.testing.assert_array_equal(found, np.ones(shape).sum(axis=axis, keepdims=keepdims))


def test_bfloat16_is_known_before_anybody_has_imported_it():
    code = "from npforward import ops; print(ops.cast(1.0, dtype='bfloat16').dtype)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "bfloat16\n"


@pytest.mark.parametrize(
    ("op", "args", "g", "want"),
    [
        (ops.sqrt, ([0.0, -1.0, 4.0],), 0.0, [[0, 0, 0]]),
        (ops.sqrt, ([0.0, 4.0],), 1.0, [[np.inf, 0.25]]),
        (ops.rsqrt, ([0.0, -1.0, 4.0],), 0.0, [[0, 0, 0]]),
        (ops.reciprocal, ([0.0, 4.0],), 0.0, [[0, 0]]),
        (ops.maximum, ([1.0, 0.0, 2.0], [1.0, 1.0, 0.0]), 1.0, [[1, 0, 1], [0, 1, 0]]),
        (ops.minimum, ([1.0, 0.0, 2.0], [1.0, 1.0, 0.0]), 1.0, [[1, 1, 0], [0, 0, 1]]),
        (ops.hard_tanh, ([-1.0, 1.0, 1.5],), 1.0, [[1, 1, 0]]),
        (ops.selu, ([0.0],), 1.0, [[1.0507009873554805]]),
        (ops.normalize, ([0.0, 0.0],), 1.0, [[1e7, 1e7]]),
        (ops.norm, ([0.0, 0.0],), 0.0, [[0, 0]]),
        (ops.std, ([3.0, 3.0],), 0.0, [[0, 0]]),
        (ops.sparsemax, ([-1e19, -1e19],), 1.0, [[1, 1]]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_kinks_and_infinite_slopes_are_as_in_tensorflow(op, args, g, want):
    tape = Tape()
    arrays = [np.array(a) for a in args]
    given = [tape.var(a.shape, a.dtype) for a in arrays]
    y = op(*given)
    values = dict(zip(given, arrays, strict=True))
    found = walked_back(tape, values, {y: np.full(y.shape, g)}, given)
    for v, expected in zip(given, want, strict=True):
        np.testing.assert_allclose(found[v], expected)
