"""Hash functions against TensorFlow's, over every length and over text that is not ASCII."""

import numpy as np
import pytest
from cases import FIXTURES

from npforward.kernels import fingerprint64, fingerprint_pair, siphash24

with np.load(FIXTURES / "text" / "hashes.npz") as file:
    HASHES = dict(file)
BYTES = HASHES["text"]
TEXT = np.char.decode(BYTES, "utf-8")
START = np.uint64(0xDECAFCAFFE)  # tf.sparse.cross_hashed begins with it


def buckets(hashes):
    return (hashes % HASHES["buckets"].astype(np.uint64)).astype(np.int64)


@pytest.mark.parametrize("text", [TEXT, BYTES], ids=["unicode", "bytes"])
def test_fingerprint_is_tensorflows(text):
    np.testing.assert_array_equal(buckets(fingerprint64(text)), HASHES["fast"])


@pytest.mark.parametrize("i", range(len(HASHES["keys"])))
def test_siphash_is_tensorflows(i):
    key = tuple(map(int, HASHES["keys"][i]))
    np.testing.assert_array_equal(buckets(siphash24(TEXT, key)), HASHES["strong"][i])


@pytest.mark.parametrize("columns", ["text_numbers", "text_text", "small_text_numbers"])
def test_crossed_fingerprints_are_tensorflows(columns):
    bits = {
        "text": fingerprint64(TEXT),
        "numbers": HASHES["numbers"].view(np.uint64),
        "small": HASHES["small"].astype(np.int64).view(np.uint64),
    }
    crossed = START
    for column in columns.split("_"):
        crossed = fingerprint_pair(crossed, bits[column])
    np.testing.assert_array_equal(buckets(crossed), HASHES[columns])


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (209,), (11, 19, 1)])
def test_hashes_have_the_shape_of_the_strings(shape):
    text = TEXT[: int(np.prod(shape))].reshape(shape)
    assert fingerprint64(text).shape == siphash24(text, (1, 2)).shape == shape
    np.testing.assert_array_equal(fingerprint64(text).ravel(), fingerprint64(TEXT)[: text.size])
