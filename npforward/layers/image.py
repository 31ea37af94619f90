"""Layers that prepare images, and those that vary them at random, which inference leaves alone."""

from __future__ import annotations

from collections.abc import Mapping

from npforward import ops
from npforward.dtypes import HALF, floating
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers.registry import layer, one_of, per_axis, positive, whole
from npforward.layers.spatial import channels_last, channels_restored
from npforward.limits import room


def _each(data, keys, change):
    """The data with its images changed; of a dict, what is under `keys`."""
    if not isinstance(data, Mapping):
        return change(data)
    return {key: change(x) if key in keys else x for key, x in sorted(data.items())}


def _space(x, data_format):
    """The axes of height and width of an image, or of a batch of them."""
    one_of("data_format", data_format, None, "channels_last", "channels_first")
    if x.ndim not in (3, 4):
        raise BadInput(f"it takes images of 3 axes, or 4 with a batch, but its input has {x.shape}")
    first = x.ndim - (2 if data_format == "channels_first" else 3)
    return first, first + 1


def _part(x, axis, start, size):
    return ops.getitem(x, key=(*(slice(None),) * axis, slice(start, start + size)))


def _middle(x, axis, size):
    """The middle of `x` along an axis; the odd pixel is left out at the end."""
    return _part(x, axis, (x.shape[axis] - size) // 2, size)


def _fitting(x, axes, size):
    """The sizes that cut an image, and those that extend it, to the proportions of `size`."""
    (height, width), (target_height, target_width) = (x.shape[a] for a in axes), size
    if 0 in (height, width, target_height, target_width):
        raise BadInput(f"images of shape {x.shape} cannot be brought to the size {size}")
    by_width, by_height = (
        width * target_height // target_width,
        height * target_width // target_height,
    )
    cut = max(min(height, by_width), 1), max(min(width, by_height), 1)
    return cut, (max(height, by_width), max(width, by_height))


def _resized(x, axes, size, interpolation="bilinear", antialias=False):
    """Images of another size; floats but for "nearest".  In TensorFlow's order of axes."""
    known = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")
    one_of("interpolation", interpolation, *known)
    pairs = [(axis, x.shape[axis], m) for axis, m in zip(axes, size, strict=True)]
    if interpolation == "nearest":
        for axis, n, m in pairs:
            x = ops.take(x, ops.nearest_pixels(n, m), axis=axis)
        return x
    if x.dtype.name in HALF or not floating(x.dtype):
        x = ops.cast(x, dtype="float32")
    if interpolation == "area":
        area = 1
        for axis, n, m in reversed(pairs):
            index, weight, length = ops.area_taps(n, m, x.dtype)
            x, area = ops.resample(x, axis=axis, index=index, weight=weight), area * length
        return x * (1 / area)
    if interpolation == "bilinear" and not antialias:
        for axis, n, m in reversed(pairs):
            before, after, share = ops.neighbours(n, m, x.dtype)
            x = ops.interpolate(x, axis=axis, before=before, after=after, share=share)
        return x
    for axis, n, m in pairs:
        index, weight = ops.resize_taps(n, m, interpolation, antialias, x.dtype)
        x = ops.resample(x, axis=axis, index=index, weight=weight)
    return x


def _smart_resized(x, axes, size):
    """Images cut to the proportions of `size` around their middle, then resized to it."""
    cut, _ = _fitting(x, axes, size)
    for axis, n in zip(axes, cut, strict=True):
        x = _middle(x, axis, n)
    return _resized(x, axes, size)


def _saturated(x, like):
    """x in the dtype of `like`: rounded for integers, cut off at the ends of its range."""
    if x.dtype == like.dtype:
        return x
    if like.dtype.kind in "iu":
        x = ops.round(x)
    low, high = ops.limits_of(like.dtype, x.dtype)
    return ops.cast(ops.minimum(ops.maximum(x, low), high), dtype=like.dtype)


def _without_boxes(data):
    if isinstance(data, Mapping) and "bounding_boxes" in data:
        raise UnsupportedOption(
            "bounding boxes along with the images are not supported: no Keras model can hold them"
        )


def resize(
    images,
    *,
    size,
    interpolation="bilinear",
    antialias=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    data_format=None,
):
    """Images of another size, cut or extended to its proportions if asked for.

    The values come out in the dtype they came in: whole numbers are rounded.
    """
    one_of("fill_mode", fill_mode, "constant")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise UnsupportedOption("crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be true")
    x, axes = images, _space(images, data_format)
    cut, extended = _fitting(x, axes, size)
    for i, axis in enumerate(axes):
        if crop_to_aspect_ratio:
            x = _middle(x, axis, cut[i])
        if pad_to_aspect_ratio:
            border = (extended[i] - x.shape[axis]) // 2
            widths = [(0, 0)] * x.ndim
            widths[axis] = border, border  # an odd pixel is not added at all
            x = ops.pad(x, widths=tuple(widths), value=fill_value)
    return _saturated(_resized(x, axes, size, interpolation, antialias), images)


@layer("Resizing")
def resizing(
    data,
    *,
    height,
    width,
    interpolation="bilinear",
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    antialias=False,
    data_format=None,
    bounding_box_format=None,
):
    """Images of another size, and masks by the nearest pixel."""
    size = positive("height", height), positive("width", width)

    def resized(x, interpolation=interpolation):
        return resize(
            x,
            size=size,
            interpolation=interpolation,
            antialias=antialias,
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            pad_to_aspect_ratio=pad_to_aspect_ratio,
            fill_mode=fill_mode,
            fill_value=fill_value,
            data_format=data_format,
        )

    _without_boxes(data)
    if not isinstance(data, Mapping):
        return resized(data)
    with_masks = _each(data, ("segmentation_masks",), lambda x: resized(x, "nearest"))
    return _each(with_masks, ("images",), resized)


@layer("CenterCrop")
def center_crop(
    data,
    *,
    height,
    width,
    data_format=None,
    bounding_box_format=None,
    dtype="float32",
    floatx="float32",
):
    """The middle of images; those that are smaller than it are cut and resized.

    Resized ones are float32 whatever the policy says, as TensorFlow gives them.
    """
    size = positive("height", height), positive("width", width)

    def cropped(x):
        axes = _space(x, data_format)
        x = ops.cast(x, dtype=dtype)
        if any(x.shape[axis] < n for axis, n in zip(axes, size, strict=True)):
            return ops.cast(_smart_resized(x, axes, size), dtype=floatx)
        for axis, n in zip(axes, size, strict=True):
            x = _middle(x, axis, n)
        return x

    _without_boxes(data)
    return _each(data, ("images", "segmentation_masks"), cropped)


def augmentation(
    data,
    *,
    factor=None,
    height_factor=None,
    width_factor=None,
    x_factor=None,
    y_factor=None,
    brightness_factor=None,
    contrast_factor=None,
    saturation_factor=None,
    hue_factor=None,
    addition_factor=None,
    threshold_factor=None,
    alpha=None,
    scale=None,
    sigma=None,
    mode=None,
    num_ops=None,
    num_chains=None,
    chain_depth=None,
    all_ops=None,
    interpolation=None,
    fill_mode=None,
    fill_value=None,
    value_range=None,
    data_format=None,
    bounding_box_format=None,
):
    """x itself; and all that the layers below are told for training."""
    return data


@layer(
    "MixUp",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomSaturation",
    also=augmentation,
)
def untouched(data, **options):
    """x itself: these layers act in training only."""
    return _each(data, (), lambda x: x)


@layer(
    "AugMix",
    "RandAugment",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomGaussianBlur",
    "RandomPerspective",
    "RandomRotation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
    also=augmentation,
)
def as_floats(data, *, dtype="float32", **options):
    """x as floats: these layers act in training only."""
    return _each(data, ("images",), lambda x: ops.cast(x, dtype=dtype))


@layer("CutMix", "RandomFlip", also=augmentation)
def all_as_floats(data, *, dtype="float32", **options):
    """x as floats, masks too: these layers act in training only."""
    return _each(data, ("images", "segmentation_masks"), lambda x: ops.cast(x, dtype=dtype))


@layer("RandomCrop", autocast=False)
def random_crop(
    data,
    *,
    height,
    width,
    factor=None,
    data_format=None,
    bounding_box_format=None,
    resizes=False,
    dtype="float32",
):
    """x itself.  Before Keras 3.6 (`resizes`) it cut to the same proportions and resized."""
    size = positive("height", height), positive("width", width)
    if isinstance(data, Mapping):
        raise UnsupportedOption("images along with other data are not supported")
    if not resizes:
        return data
    x = ops.cast(data, dtype=dtype)
    return ops.cast(_smart_resized(x, _space(x, data_format), size), dtype=dtype)


@layer("MaxNumBoundingBoxes")
def max_num_bounding_boxes(
    data, *, max_number, factor=None, data_format=None, bounding_box_format=None
):
    """The data with exactly `max_number` boxes for each image: cut off, or filled with -1."""
    if not isinstance(data, Mapping) or "bounding_boxes" not in data:
        return _each(data, (), lambda x: x)
    n = whole("max_number", max_number)

    def exactly(x):  # (N, boxes, ...) -> (N, n, ...)
        x = _part(x, 1, 0, n)
        widths = [(0, 0)] * x.ndim
        widths[1] = 0, n - x.shape[1]
        return ops.pad(x, widths=tuple(widths), value=-1)

    boxes = data["bounding_boxes"]
    cut = {key: exactly(boxes[key]) for key in ("boxes", "labels")}
    return {key: cut if key == "bounding_boxes" else x for key, x in sorted(data.items())}


def _batched(x, change):
    """A function of a batch of images applied to a batch, or to a single image."""
    if x.ndim not in (3, 4):
        raise BadInput(f"it takes images of 3 axes, or 4 with a batch, but its input has {x.shape}")
    if x.ndim == 4:
        return change(x)
    return ops.reshape(change(ops.expand_dims(x, axis=0)), shape=x.shape)


def _ends(name, values):
    """An option that is a range."""
    pair = isinstance(values, (list, tuple)) and len(values) == 2
    if not pair or not all(isinstance(v, (int, float)) for v in values):
        raise UnsupportedOption(f"{name}={values!r}, expected two numbers")
    return tuple(values)


def _spread(x, before, after, dtype):
    """Values from one range in another; as they are if both are one."""
    if before == after:
        return x
    x = ops.cast(x, dtype=dtype)
    x = (x - before[0]) / (before[1] - before[0])
    return x * (after[1] - after[0]) + after[0]


BYTES = (0, 255)


@layer("AutoContrast")
def auto_contrast(
    data, *, value_range=BYTES, data_format=None, bounding_box_format=None, dtype="float32"
):
    """Each channel of each image stretched such that its values fill `value_range`.

    Keras takes axes 1 and 2 for height and width in channels first images too (3.15).
    """
    low, high = sorted(_ends("value_range", value_range))

    def stretched(images):
        x = ops.cast(_spread(images, (low, high), BYTES, dtype), dtype=dtype)
        least = -ops.max(-x, axis=(1, 2), keepdims=True)
        scale = 255.0 / (ops.max(x, axis=(1, 2), keepdims=True) - least)
        y = ops.minimum(ops.maximum(x * scale + -least * scale, 0.0), 255.0)
        y = _spread(y, BYTES, (low, high), dtype)
        # A channel of one value is left as it is: 0 / 0 above.
        return ops.where(ops.not_equal(y, y), ops.cast(images, dtype=dtype), y)

    return _each(data, ("images",), lambda x: _batched(x, stretched))


@layer("Equalization")
def equalization(
    data,
    training=True,
    *,
    value_range=BYTES,
    bins=256,
    factor=None,
    data_format=None,
    bounding_box_format=None,
    dtype="float32",
):
    """Each channel with values that all occur equally often in the batch.

    Keras leaves it out where it says `training=False`, as it does to layers within layers.
    """
    low, high = sorted(_ends("value_range", value_range))
    first = one_of("data_format", data_format, None, "channels_last", "channels_first")
    first = first == "channels_first"

    room(positive("bins", bins))

    def equalized(x):
        x = _scaled(ops.cast(x, dtype=dtype), (low, high), BYTES)
        axes = [*range(x.ndim)]
        order = [*axes[:-3], *axes[-2:], axes[-3]] if first else axes  # (..., H, W, C)
        y = ops.equalize(ops.transpose(x, axes=tuple(order)), bins=positive("bins", bins))
        back = tuple(order.index(axis) for axis in axes)
        return _scaled(ops.transpose(y, axes=back), BYTES, (low, high))

    if not training:
        return _each(data, (), lambda x: x)
    return _each(data, ("images",), lambda x: _batched(x, equalized))


def _scaled(x, before, after):
    scale = (after[1] - after[0]) / (before[1] - before[0])
    return x * scale + (after[0] - before[0] * scale)


@layer("ContrastLimitedAdaptiveHistogramEqualization")
def clahe(
    data,
    *,
    value_range=BYTES,
    clip_limit=4.0,
    tile_grid_size=(8, 8),
    factor=None,
    data_format=None,
    bounding_box_format=None,
):
    """Each channel of each image equalised within tiles, and blended between them."""
    span = _ends("value_range", value_range)
    grid = per_axis("tile_grid_size", tile_grid_size, 2)
    if 0 in grid:
        raise UnsupportedOption(f"tile_grid_size={tile_grid_size!r}, expected 1 or more tiles")
    one_of("data_format", data_format, None, "channels_last", "channels_first")

    def equalized(images):
        room(*grid, *images.shape[:1], 256)
        x = _spread(channels_last(images, data_format), span, BYTES, "float32")
        y = ops.equalize_tiles(ops.cast(x, dtype="float32"), grid=grid, clip_limit=clip_limit)
        y = channels_restored(_spread(y, BYTES, span, "float32"), data_format)
        return ops.cast(y, dtype=images.dtype)

    return _each(data, ("images",), lambda x: _batched(x, equalized))
