"""Arrays -> the bytes of a PNG or TIFF, as Drake's client decodes them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin  # noqa: F401  else loaded with the first image

from ..passes import Pass
from ..settings import DepthFormat

__all__ = ["EncodedImage", "encode", "encode_depth", "encode_png", "mimetype_of"]

_PNG_COMPRESS_LEVEL = 1  # level 6 takes four times as long for a tenth less
_MILLIMETRES_TOO_FAR = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class EncodedImage:
    """The body of an answer and its media type."""

    data: bytes
    mimetype: str


def mimetype_of(row: Pass) -> str:
    """Return the media type that a pass is stored as by default."""
    return f"image/{row.storage}"


def encode(array: NDArray[Any], row: Pass) -> EncodedImage:
    """Encode the array of a pass as it is stored by default: every value arrives as it is."""
    if row.storage == "tiff":
        return EncodedImage(_saved(Image.fromarray(_signed(array)), "TIFF"), mimetype_of(row))
    return encode_png(array)


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
    return encode_png(millimetres.astype(np.uint16))


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> EncodedImage:
    """Encode (height, width, 3 or 4) uint8, or (height, width) uint16, as a PNG without a colour profile."""
    image = Image.fromarray(pixels)
    return EncodedImage(_saved(image, "PNG", compress_level=_PNG_COMPRESS_LEVEL), "image/png")


def _signed(array: NDArray[Any]) -> NDArray[Any]:
    """Return what the image library can write: it knows 32-bit integers with a sign only."""
    return array.view(np.int32) if array.dtype == np.uint32 else array


def _saved(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
