"""Spectrograms of sounds."""

from __future__ import annotations

import math

from npforward import ops
from npforward.dtypes import floating
from npforward.errors import BadInput, UnsupportedOption
from npforward.inner import tap
from npforward.layers.registry import Weight, layer, one_of, whole
from npforward.layers.spatial import borders, channels_last

EPSILON = 1e-7  # keras.config.epsilon()


def window_weights(window, n):
    """The weights of the numbers of a piece; None if it is cut out as it is."""
    if isinstance(window, str):
        return ops.window(one_of("window", window, "hann", "hamming"), n)
    if window is None:
        return None
    weights = ops.constant(window, "float32")
    if weights.shape != (n,):
        raise UnsupportedOption(f"window of shape {weights.shape}, expected {n} numbers")
    return weights


@layer("MelSpectrogram")
def mel_spectrogram(
    inputs,
    *,
    fft_length=2048,
    sequence_stride=512,
    sequence_length=None,
    window=None,
    sampling_rate=16000,
    num_mel_bins=128,
    min_freq=20.0,
    max_freq=None,
    power_to_db=True,
    top_db=80.0,
    mag_exp=2.0,
    min_power=1e-10,
    ref_power=1.0,
    dtype="float32",
):
    """How loud a sound is in each band of frequencies, over time.  (..., T) -> (..., bins, frames)

    In decibels above none that is `top_db` below the loudest of the whole batch.
    """
    n, step = whole("fft_length", fft_length), whole("sequence_stride", sequence_stride)
    length = n if sequence_length is None else whole("sequence_length", sequence_length)
    if not 1 <= length <= n or step < 1 or whole("num_mel_bins", num_mel_bins) < 1:
        raise UnsupportedOption(
            f"fft_length={n}, sequence_length={length}, sequence_stride={step} and num_mel_bins="
            f"{num_mel_bins}, expected positive numbers, of which sequence_length is no larger "
            "than fft_length"
        )
    x = ops.cast(inputs, dtype=dtype if dtype in ("float32", "float64") else "float32")
    at = x.ndim - 1
    if x.shape[at] <= n // 2:
        raise BadInput(f"a sound of {x.shape[at]} numbers is too short for fft_length={n}")
    weights = window_weights(window, length)
    real, imaginary = ops.stft(x, n=n, step=step, window=weights)  # (..., frames, n // 2 + 1)
    magnitude = tap("magnitude", ops.sqrt(ops.square(real) + ops.square(imaginary)))
    high = int(sampling_rate / 2) if max_freq is None else max_freq
    bands = ops.mel_weights(
        n // 2 + 1, num_mel_bins, sampling_rate=sampling_rate, low=min_freq, high=high
    )
    y = ops.dense(ops.power(magnitude, mag_exp), ops.cast(bands, dtype=x.dtype))
    y = tap("mel", y)  # (..., frames, bins)
    if power_to_db:
        y = ops.log(ops.maximum(y, min_power)) / math.log(10) * 10.0
        y = y - 10.0 * math.log10(max(abs(ref_power), min_power))
        y = ops.maximum(y, ops.max(y) - top_db) if y.size else y
    y = ops.transpose(y, axes=(*range(at), at + 1, at))
    return ops.cast(y, dtype=dtype)


def _kernel(config, shape):
    length = config.get("frame_length", 256)
    n = config.get("fft_length") or 2 ** math.ceil(math.log2(length))
    return length, 1, n // 2 + 1


@layer(
    "STFTSpectrogram",
    weights=(
        Weight("real_kernel", _kernel, when=lambda c: c.get("mode") != "imag"),
        Weight("imag_kernel", _kernel, when=lambda c: c.get("mode") != "real"),
    ),
)
def stft_spectrogram(
    inputs,
    real_kernel=None,
    imag_kernel=None,
    *,
    mode="log",
    frame_length=256,
    frame_step=None,
    fft_length=None,
    window="hann",
    periodic=False,
    scaling="density",
    padding="valid",
    expand_dims=False,
    data_format=None,
):
    """The spectrum of each piece of a sound, as convolutions.  (N, T, C) -> (N, T', F C)

    What the window and the scaling are is said by the kernels, which are weights.
    """
    one_of("mode", mode, "log", "magnitude", "psd", "real", "imag", "angle", "stft")
    one_of("padding", padding, "valid", "same")
    step = whole("frame_step", frame_step or whole("frame_length", frame_length) // 2)
    if step < 1:
        raise UnsupportedOption(f"frame_step={step}, expected 1 or more")
    if inputs.ndim != 3 or not floating(inputs.dtype):
        raise BadInput(
            f"it takes floats of 3 axes, but its input is {inputs.dtype} of shape {inputs.shape}"
        )
    first = channels_last(inputs, data_format)  # checks data_format
    n, t, channels = first.shape
    x = ops.reshape(ops.transpose(first, axes=(0, 2, 1)), shape=(n * channels, t, 1))

    def part(kernel):  # -> (N, C, F, T')
        size = kernel.shape[:1]
        widths = borders(x, size, (step,), (1,), padding)
        y = ops.conv(ops.pad(x, widths=widths), kernel, strides=(step,), dilation=(1,))
        y = ops.reshape(y, shape=(n, channels, *y.shape[1:]))
        return ops.transpose(y, axes=(0, 1, 3, 2))

    parts = {"real": real_kernel, "imag": imag_kernel}
    spectrum = {k: tap(k, part(kernel)) for k, kernel in parts.items() if kernel is not None}
    real, imag = spectrum.get("real"), spectrum.get("imag")
    if mode in spectrum:
        y = spectrum[mode]
    elif mode == "angle":
        y = ops.arctan2(imag, real)
    elif mode == "stft":
        y = ops.concatenate(real, imag, axis=2)
    else:
        y = ops.square(real) + ops.square(imag)
        if mode == "psd":
            # The other half of the frequencies, which a real sound has twice but for the ends.
            inner = ops.getitem(y, key=(slice(None), slice(None), slice(1, -1)))
            y = y + ops.pad(inner, widths=((0, 0), (0, 0), (1, 1), (0, 0)))
        else:
            y = ops.sqrt(ops.maximum(y, EPSILON))
        if mode == "log":
            y = ops.log(ops.maximum(y, EPSILON))
    n, channels, f, t = y.shape
    last = data_format != "channels_first"
    if expand_dims:
        return ops.transpose(y, axes=(0, 3, 2, 1) if last else (0, 1, 3, 2))
    y = ops.reshape(y, shape=(n, channels * f, t))
    return ops.transpose(y, axes=(0, 2, 1)) if last else y
