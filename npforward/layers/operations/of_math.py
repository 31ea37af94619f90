"""Where `keras.ops.math` puts otherwise what `npforward.ops` has."""

from __future__ import annotations

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers import audio
from npforward.layers.registry import positive


def top_k(x, *, k, sorted=True):
    places = ops.top_k_indices(x, k=k)
    return [ops.take_along_axis(x, places, axis=-1), places]


def segments(function):
    def operation(data, segment_ids, *, num_segments=None, sorted=False):
        if num_segments is not None:
            return function(data, segment_ids, num=num_segments)
        # TensorFlow sums over as many segments as there are different numbers.
        distinct = function is ops.segment_sum and not sorted
        num = ops.segment_numbers(segment_ids, distinct=distinct).shape[0]
        y = function(data, segment_ids, num=num)
        if not sorted or function is ops.segment_prod:
            return y
        ones = ops.full(data.shape, 1, data.dtype)
        return ops.where(ops.greater(ops.segment_sum(ones, segment_ids, num=num), 0), y, 0)

    return operation


def cdist(x, y):
    off = ops.expand_dims(x, axis=-2) - ops.expand_dims(y, axis=-3)
    return ops.sqrt(ops.sum(ops.square(off), axis=-1))


def extract_sequences(x, *, sequence_length, sequence_stride):
    length = positive("sequence_length", sequence_length)
    return ops.frames(x, length=length, step=positive("sequence_stride", sequence_stride))


def fourier(axes, inverse=False):
    def operation(x):
        return list(ops.fourier(*_pair(x), axes=axes, inverse=inverse))

    return operation


def _pair(x):
    if not isinstance(x, (list, tuple)) or len(x) != 2:
        raise BadInput("expected a pair: real and imaginary part")
    return x


def rfft(x, *, fft_length=None):
    return list(ops.rfft(x, n=fft_length))


def irfft(x, *, fft_length=None):
    return ops.irfft(*_pair(x), n=fft_length)


def stft(x, *, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    _pieces(sequence_length, sequence_stride, fft_length)
    weights = audio.window_weights(window, sequence_length)
    return list(ops.stft(x, n=fft_length, step=sequence_stride, window=weights, center=center))


def _pieces(sequence_length, sequence_stride, fft_length):
    positive("sequence_stride", sequence_stride)
    if positive("sequence_length", sequence_length) > positive("fft_length", fft_length):
        raise UnsupportedOption(f"fft_length={fft_length} below sequence_length={sequence_length}")


def istft(
    x, *, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True
):
    _pieces(sequence_length, sequence_stride, fft_length)
    weights = audio.window_weights(window, sequence_length)
    return ops.istft(
        *_pair(x),
        n=fft_length,
        step=sequence_stride,
        window=weights,
        length=length,
        center=center,
    )
