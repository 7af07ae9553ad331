"""Encodes arrays as PNG, TIFF, EXR or JSON. Drake's client can decode the PNGs and TIFFs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin  # noqa: F401  else loaded with the first image

from .passes import Pass
from .scene import Scene
from .settings import DepthFormat

__all__ = ["EXR", "EncodedImage", "encode", "encode_depth", "encode_exr", "encode_png", "mimetype_of"]

EXR = "image/x-exr"

_MIMETYPES = {"png": "image/png", "tiff": "image/tiff", "exr": EXR, "json": "application/json"}
_PNG_COMPRESS_LEVEL = 1  # level 6 takes four times as long and saves only a tenth of the size
_MILLIMETRES_TOO_FAR = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class EncodedImage:
    """A response body and its media type."""

    data: bytes
    mimetype: str


def mimetype_of(row: Pass, scene: Scene) -> str:
    """Return the media type in which a pass of a scene is stored by default."""
    return _MIMETYPES[row.storage(scene)]


def encode(array: Any, row: Pass, scene: Scene) -> EncodedImage:
    """Encode the array of a pass in its default format, which is lossless."""
    storage = row.storage(scene)
    if storage == "json":
        return EncodedImage(msgspec.json.encode(array), _MIMETYPES[storage])
    if row.is_stack:
        return EncodedImage(_pages(array), _MIMETYPES[storage])
    if storage == "exr":
        planes = zip(row.components, np.moveaxis(array, 2, 0), strict=False)
        return encode_exr({f"{row.name}.{letter}": plane for letter, plane in planes}, {})
    if storage == "tiff":
        return EncodedImage(_tiff(_signed(array)), _MIMETYPES[storage])
    return encode_png(array)


def encode_exr(channels: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> EncodedImage:
    """Encode channels, each (height, width) float32 or uint32, given by channel name."""
    fixed = {"compression": OpenEXR.ZIPS_COMPRESSION, "type": OpenEXR.scanlineimage}
    planes = {name: OpenEXR.Channel(np.ascontiguousarray(plane)) for name, plane in channels.items()}
    buffer = io.BytesIO()
    OpenEXR.File({**fixed, **header}, planes).write(buffer)
    return EncodedImage(buffer.getvalue(), EXR)


def encode_depth(depth: NDArray[np.float32], depth_format: DepthFormat) -> EncodedImage:
    """Encode planar depth.

    Parameters
    ----------
    depth : (height, width) float32
        Metres; 0 = too close, inf = too far.
    depth_format : {"tiff32f", "png16"}
        ``tiff32f`` is lossless. ``png16`` rounds to millimetres and stores depths beyond 65.534 m as 65535,
        which means too far.
    """
    if depth_format == "tiff32f":
        return EncodedImage(_tiff(depth), "image/tiff")
    millimetres = np.minimum(np.rint(depth * np.float32(1000.0)), _MILLIMETRES_TOO_FAR)
    return encode_png(millimetres.astype(np.uint16))


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> EncodedImage:
    """Encode (height, width, 3 or 4) uint8, or (height, width) uint16, as a PNG without a colour profile."""
    image = Image.fromarray(pixels)
    return EncodedImage(_saved(image, "PNG", compress_level=_PNG_COMPRESS_LEVEL), "image/png")


def _pages(stack: NDArray[np.bool_]) -> bytes:
    """Write a stack of masks as a TIFF with one page per mask and 1 bit per pixel.

    A TIFF needs at least one page, so an empty stack is written as one page of zeros.
    """
    first, *others = stack if len(stack) else np.zeros((1, *stack.shape[1:]), bool)
    return _saved(
        Image.fromarray(first),
        "TIFF",
        compression="group4",
        save_all=True,
        append_images=(Image.fromarray(mask) for mask in others),
    )


def _tiff(array: NDArray[Any]) -> bytes:
    """Write (height, width) float32 or int32. The bytes equal those of Pillow, which takes longer."""
    plane = np.ascontiguousarray(array)
    return b"".join((_tiff_head(*plane.shape, plane.dtype.str), plane.data))


@lru_cache(maxsize=256)
def _tiff_head(height: int, width: int, dtype: str) -> bytes:
    """Return the part of the file before the pixel data. It depends on the image's size and type only."""
    blank = np.zeros((height, width), dtype)
    return _saved(Image.fromarray(blank), "TIFF")[: -blank.nbytes]


def _signed(array: NDArray[Any]) -> NDArray[Any]:
    """Reinterpret uint32 as int32, because Pillow can only write signed 32-bit integers."""
    return array.view(np.int32) if array.dtype == np.uint32 else array


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
