"""Arrays -> the bytes of a PNG or TIFF, as Drake's client decodes them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin  # noqa: F401  else loaded with the first image

from ..settings import DepthFormat
from .form import DepthRange, ImageType, RenderRequest

__all__ = [
    "DepthFormat",
    "EncodedImage",
    "clamp_depth",
    "encode_depth",
    "encode_image",
    "encode_rgb",
]

_PNG_COMPRESS_LEVEL = 1  # level 6 takes four times as long for a tenth less
_MILLIMETRES_TOO_FAR = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class EncodedImage:
    """The body of an answer and its media type."""

    data: bytes
    mimetype: str


def encode_image(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    request: RenderRequest,
    depth_format: DepthFormat,
) -> EncodedImage:
    """Encode what a renderer returned for `request`.

    Parameters
    ----------
    pixels : array
        (height, width, 3 or 4) uint8 for colour and label; (height, width) float32 metres for depth.
    request : RenderRequest
    depth_format : {"tiff32f", "png16"}
    """
    if request.image_type is ImageType.DEPTH and request.depth_range is not None:
        return encode_depth(clamp_depth(pixels, request.depth_range), depth_format)
    return encode_rgb(pixels)


def clamp_depth(
    depth: NDArray[np.float32] | NDArray[np.uint8], depth_range: DepthRange
) -> NDArray[np.float32]:
    """Mark what the sensor cannot measure.

    Parameters
    ----------
    depth : (height, width) float32
        Metres along the optical axis; inf = no hit.
    depth_range : DepthRange

    Returns
    -------
    (height, width) float32
        As `depth`, with 0 where it is below ``min_depth`` and inf where it is above ``max_depth``.
    """
    clamped = np.asarray(depth, np.float32).copy()
    clamped[depth < depth_range.min_depth] = 0.0
    clamped[depth > depth_range.max_depth] = np.inf
    return clamped


def encode_depth(depth: NDArray[np.float32], depth_format: DepthFormat) -> EncodedImage:
    """Encode planar depth.

    Parameters
    ----------
    depth : (height, width) float32
        Metres; 0 = too close, inf = too far.
    depth_format : {"tiff32f", "png16"}
        ``tiff32f`` keeps every bit. ``png16`` rounds to millimetres; 65535 = too far, which everything
        beyond 65.534 m is as well.
    """
    if depth_format == "tiff32f":
        return EncodedImage(_saved(Image.fromarray(depth), "TIFF"), "image/tiff")
    millimetres = np.minimum(np.rint(depth * np.float32(1000.0)), _MILLIMETRES_TOO_FAR)
    return EncodedImage(_saved_png(Image.fromarray(millimetres.astype(np.uint16))), "image/png")


def encode_rgb(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> EncodedImage:
    """Encode (height, width, 3 or 4) uint8 as an RGB or RGBA PNG without a colour profile."""
    return EncodedImage(_saved_png(Image.fromarray(pixels)), "image/png")


def _saved_png(image: Image.Image) -> bytes:
    return _saved(image, "PNG", compress_level=_PNG_COMPRESS_LEVEL)


def _saved(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
