"""What is kept of arrays that are too large to keep: for makers, and for tests."""

import numpy as np

WHOLE = 24  # numbers of a small array, kept as it is
WAVES = (0.0, 1.0, 1.7, 2.9)


def digest(array):
    """A small array itself; of a large one its largest number, some numbers, and waves' shares."""
    numbers = np.asarray(array, "float64").ravel()
    if numbers.size <= WHOLE:
        return numbers
    i = np.arange(numbers.size)
    some = numbers[np.linspace(0, numbers.size - 1, WHOLE // 2).astype(int)]
    waves = [numbers @ np.cos(wave * i) / np.sqrt(numbers.size) for wave in WAVES]
    return np.concatenate([[np.abs(numbers).max()], some, waves])


def unlike(array):
    """Floats moved a little, each in its own way: of equal ones, rounding would say the largest."""
    if array.dtype.kind != "f":
        return array
    waves = np.cos(1.3 * np.arange(array.size)).reshape(array.shape)
    return (array + 0.05 * array.std() * waves).astype(array.dtype)
