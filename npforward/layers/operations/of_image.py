"""The operations of `keras.ops.image`, which take images of both formats, alone or in batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.layers.registry import one_of, per_axis, positive
from npforward.layers.spatial import borders, channels_last, channels_restored

IMAGES: dict[str, Callable[..., Any]] = {}  # Keras's class -> what it computes


def _rank(x, *known):
    if x.ndim not in known:
        raise BadInput(f"it takes arrays of {' or '.join(map(str, known))} axes, not {x.shape}")


def _operation(name, images=1, space=2):
    """Register a function of batches (N, *space, C), of which the first arguments are images."""

    def decorate(function):
        @functools.wraps(function)
        def operation(*args, data_format=None, **options):
            _rank(args[0], space + 1, space + 2)
            alone = args[0].ndim == space + 1
            batches = [ops.expand_dims(x, axis=0) if alone else x for x in args[:images]]
            batches = [channels_last(x, data_format) for x in batches]
            y = function(*batches, *args[images:], **options)
            y = channels_restored(y, data_format) if y.ndim == space + 2 else y
            return ops.squeeze(y, axis=0) if alone else y

        IMAGES[name] = operation
        return operation

    return decorate


@_operation("RGBToGrayscale")
def rgb_to_grayscale(images, *, data_format=None):
    """How light each colour is."""
    if images.shape[-1] not in (1, 3):
        raise BadInput(f"it takes images of 1 or 3 channels, not {images.shape[-1]}")
    return images if images.shape[-1] == 1 else ops.grayscale(images)


@_operation("RGBToHSV")
def rgb_to_hsv(images, *, data_format=None):
    """Hue, saturation and value of each colour."""
    return ops.rgb_to_hsv(_coloured(images))


@_operation("HSVToRGB")
def hsv_to_rgb(images, *, data_format=None):
    """The colours of hue, saturation and value."""
    return ops.hsv_to_rgb(_coloured(images))


def _coloured(images):
    if images.shape[-1] != 3 or images.dtype.kind in "biu":
        raise BadInput(f"it takes floats of 3 channels, not {images.dtype} of {images.shape[-1]}")
    return images


def _order(interpolation):
    return ("nearest", "bilinear").index(
        one_of("interpolation", interpolation, "nearest", "bilinear")
    )


@_operation("AffineTransform")
def affine_transform(
    images,
    transform,
    *,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0,
    data_format=None,
):
    """Images read where 8 numbers for each say."""
    if transform.ndim == 1:
        transform = ops.expand_dims(transform, axis=0)
    one_of("fill_mode", fill_mode, "constant", "nearest", "wrap", "reflect")
    return ops.projected(
        images, transform, order=_order(interpolation), mode=fill_mode, fill_value=fill_value
    )


@_operation("PerspectiveTransform")
def perspective_transform(
    images, start_points, end_points, *, interpolation="bilinear", fill_value=0, data_format=None
):
    """Images in which what is at 4 points comes to 4 other points."""
    points = [ops.expand_dims(p, axis=0) if p.ndim == 2 else p for p in (start_points, end_points)]
    if points[0].shape != points[1].shape or points[0].shape[1:] != (4, 2):
        raise BadInput(f"points of shapes {start_points.shape} and {end_points.shape}")
    # As in TensorFlow, whatever the points are; but a model run in float64 stays in it.
    exact = all(x.dtype == "float64" for x in (images, *points))
    points = [ops.cast(p, dtype="float64" if exact else "float32") for p in points]
    transform = ops.homographies(*points)
    return ops.projected(images, transform, order=_order(interpolation), fill_value=fill_value)


@_operation("GaussianBlur")
def gaussian_blur(images, *, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Images blurred by a normal distribution."""
    return ops.gaussian_blur(images, kernel_size=kernel_size, sigma=sigma)


def extract_patches(
    images, *, size, strides=None, dilation_rate=1, padding="valid", data_format=None
):
    """What a window sees at each of its places, in the channels."""
    space = 3 if isinstance(size, (list, tuple)) and len(size) == 3 else 2
    size = per_axis("size", size, space)
    strides = size if not strides else per_axis("strides", strides, space)
    dilation = per_axis("dilation_rate", dilation_rate, space)
    one_of("padding", padding, "valid", "same")
    _rank(images, space + 1, space + 2)
    alone = images.ndim == space + 1
    x = channels_last(ops.expand_dims(images, axis=0) if alone else images, data_format)
    x = ops.pad(x, widths=borders(x, size, strides, dilation, padding))
    y = ops.windows(x, size=size, strides=strides, dilation=dilation)
    y = ops.reshape(y, shape=(*y.shape[: space + 1], -1))
    y = channels_restored(y, data_format)
    return ops.squeeze(y, axis=0) if alone else y


def _length(name, size, before, after, target, sign):
    """Two of the numbers before, after and target, and the third that follows from them."""
    if (before, after, target).count(None) != 1:
        raise UnsupportedOption(f"exactly two of the options for the {name} are needed")
    before = sign * (target - size) - after if before is None else before
    after = sign * (target - size) - before if after is None else after
    target = size + sign * (before + after) if target is None else target
    if min(before, after, target) < 0:
        raise BadInput(f"its {name} of {size} does not fit: {before} before, {after} after")
    return before, after


@_operation("PadImages")
def pad_images(
    images,
    *,
    top_padding=None,
    left_padding=None,
    bottom_padding=None,
    right_padding=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images with zeros around them."""
    rows = _length("height", images.shape[1], top_padding, bottom_padding, target_height, 1)
    columns = _length("width", images.shape[2], left_padding, right_padding, target_width, 1)
    return ops.pad(images, widths=((0, 0), rows, columns, (0, 0)))


@_operation("CropImages")
def crop_images(
    images,
    *,
    top_cropping=None,
    left_cropping=None,
    bottom_cropping=None,
    right_cropping=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """A part of each image."""
    _, height, width, _ = images.shape
    top, bottom = _length("height", height, top_cropping, bottom_cropping, target_height, -1)
    left, right = _length("width", width, left_cropping, right_cropping, target_width, -1)
    return images[:, top : height - bottom, left : width - right]


def sobel_edges(images, *, data_format=None):
    """How steep images are, downwards and to the right, along a new last axis."""
    _rank(images, 4)
    edges = ops.sobel_edges(channels_last(images, data_format))
    return ops.transpose(edges, axes=(0, 3, 1, 2, 4)) if data_format == "channels_first" else edges


@_operation("SSIM", images=2)
def ssim(
    image1,
    image2,
    *,
    max_val=1.0,
    filter_size=11,
    filter_sigma=1.5,
    k1=0.01,
    k2=0.03,
    data_format=None,
):
    """How alike images are in structure."""
    dtype = image1.dtype
    if dtype.kind in "biu":
        image1, image2 = (ops.cast(x, dtype="float32") for x in (image1, image2))
    y = ops.ssim(
        image1,
        ops.cast(image2, dtype=image1.dtype),
        max_val=max_val,
        filter_size=positive("filter_size", filter_size),
        filter_sigma=filter_sigma,
        k1=k1,
        k2=k2,
    )
    return ops.cast(y, dtype=dtype)


METHODS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), "linear"),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), "cubic"),
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
}


def scale_and_translate(
    images, output_shape, scale, translation, *, spatial_dims, method, antialias=True
):
    """Images moved to scale x + translation, into an array of another shape."""
    method = METHODS[one_of("method", method, *METHODS)]
    scale, translation = (_floats(x) for x in (scale, translation))
    axes = [a % images.ndim for a in spatial_dims]
    return ops.scale_and_translate(
        images, scale, translation, output_shape=tuple(output_shape), axes=axes, method=method,
        antialias=antialias,
    )  # fmt: skip


def _floats(x):
    return x if hasattr(x, "dtype") else ops.constant(x, "float32")


IMAGES |= {
    "ExtractPatches": extract_patches,
    "MapCoordinates": ops.map_coordinates,
    "ScaleAndTranslate": scale_and_translate,
    "SobelEdges": sobel_edges,
}
