"""Record TensorFlow's hashes of strings of every length up to 200: weights_fixtures/text/hashes.

python weights_fixtures/make/hashes.py
"""

import os
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

BUCKETS = 2**61 - 1  # a prime: every bit of a hash matters
KEYS = np.array([[0, 0], [133, 137], [2**62 + 7, 5]])
WORDS = [
    "",
    "žluťoučký kůň",
    "日本語" * 40,
    "ß",
    "🙂 mixed 🙂",
    " ",
    "0",
    "-1",
    "9223372036854775807",
]


def main():
    rng = np.random.default_rng(0)
    printable = [rng.integers(32, 127, n).astype("uint8").tobytes() + b"." for n in range(200)]
    text = [word.encode() for word in WORDS] + printable
    numbers = rng.integers(-(2**62), 2**62, len(text))
    small = np.arange(len(text), dtype="int32") - 3

    def crossed(*columns):
        cross = tf.sparse.cross_hashed([tf.constant(c)[:, None] for c in columns], BUCKETS)
        return tf.sparse.to_dense(cross).numpy()[:, 0]

    np.savez_compressed(
        Path(__file__).parents[1] / "text" / "hashes.npz",
        text=np.array(text),
        numbers=numbers,
        small=small,
        keys=KEYS,
        buckets=BUCKETS,
        fast=tf.strings.to_hash_bucket_fast(text, BUCKETS),
        strong=[tf.strings.to_hash_bucket_strong(text, BUCKETS, key=list(k)) for k in KEYS],
        text_numbers=crossed(text, numbers),
        text_text=crossed(text, text),
        small_text_numbers=crossed(small, text, numbers),
    )


if __name__ == "__main__":
    main()
