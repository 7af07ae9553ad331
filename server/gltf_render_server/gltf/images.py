"""Checks the images that are used: they must be complete, in a readable format, and not too large."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import (
    Image,
    JpegImagePlugin,  # noqa: F401  these three are else loaded with the first image
    PngImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from ..errors import SceneError
from ..limits import Limits, ask_time
from . import schema
from .extensions import BASISU, WEBP
from .materials import texture_references
from .resources import Data, image_place, read_image

__all__ = ["check_images", "image_type", "shown_images"]

_PNG, _RIFF, _WEBP = b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBP"
_STARTS = (_PNG, b"\xff\xd8\xff")
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9"}
_TYPES = {_PNG: "image/png", _STARTS[1]: "image/jpeg", b"\xabKTX 20\xbb": "image/ktx2"}
_PNG_DEPTH_AT = 24  # the offset of the bit depth in the first chunk of a PNG
# memory per pixel in Blender: RGBA as bytes, or as floats if the image has more than 8 bits per channel
_PIXEL_BYTES, _DEEP_PIXEL_BYTES = 4, 16

Json = dict[str, Any]


def image_type(data: bytes) -> str | None:
    """Return the media type of an image file, from its first bytes; None if glTF does not support it."""
    if data.startswith(_RIFF) and data[8:12] == _WEBP:
        return "image/webp"
    return next((kind for start, kind in _TYPES.items() if data.startswith(start)), None)


def shown_images(json: Json, document: schema.Document, materials: Iterable[int]) -> set[int]:
    """Return the images to which the textures of materials refer."""
    textures = {
        holder[key]["index"]
        for material in materials
        for holder, key in texture_references(json["materials"][material])
    }
    return {image for index in textures for image in _sources(document.textures[index])}


def _sources(texture: schema.Texture) -> list[int]:
    webp = (texture.extensions or {}).get(WEBP)
    sources = [texture.source, webp and webp["source"]]
    return [source for source in sources if source is not None]


def check_images(
    json: Json,
    document: schema.Document,
    buffers: Sequence[Data],
    materials: Iterable[int],
    limits: Limits,
) -> list[str]:
    """Check the images that materials use, and drop references to images that cannot be read here.

    Parameters
    ----------
    json, document : dict, Document
        The document in both forms, which are changed in place.
    buffers : sequence of bytes
    materials : iterable of int
        The materials that are drawn.
    limits : Limits

    Returns
    -------
    list of str
        Messages for the log about what was dropped.

    Raises
    ------
    SceneError
        An image is truncated, or its URI is not a ``data:`` URI.
    TooLargeError
        The decoded images would be too large.
    """
    checker = _Checker(json, document, buffers, limits)
    warnings = []
    for material in sorted(materials):
        ask_time()
        for holder, key in texture_references(json["materials"][material]):
            if not checker.is_readable(holder[key]["index"]):
                del holder[key]
                warnings.append(
                    f"materials[{material}]: its {key[:60]} has no image that can be read here; dropped"
                )
    return warnings


class _Checker:
    """Checks each image once, however many textures and materials use it."""

    def __init__(
        self, json: Json, document: schema.Document, buffers: Sequence[Data], limits: Limits
    ) -> None:
        self._json = json
        self._document = document
        self._buffers = buffers
        self._limits = limits
        self._textures: dict[int, bool] = {}
        self._images: dict[int, int] = {}
        self._data: dict[object, int] = {}
        self._decoded = 0
        self._encoded = 0

    def is_readable(self, index: int) -> bool:
        """Remove unreadable images from a texture, and return whether it still has an image."""
        if index not in self._textures:
            self._textures[index] = self._settle(index)
        # counted for each use, because the importer gets a separate image for each
        for image in _sources(self._document.textures[index]):
            self._encoded += image_place(self._document, image)[1]
        self._limits.check_textures(self._encoded)
        return self._textures[index]

    def _settle(self, index: int) -> bool:
        texture, written = self._document.textures[index], self._json["textures"][index]
        extensions = texture.extensions or {}
        if texture.source is not None and not self._pixel_bytes(texture.source):
            texture.source = None
            written.pop("source")
        if WEBP in extensions and not self._pixel_bytes(extensions[WEBP]["source"]):
            del extensions[WEBP]
            del written["extensions"][WEBP]
        return texture.source is not None or WEBP in extensions or BASISU in extensions

    def _pixel_bytes(self, index: int) -> int:
        """Return the memory that a decoded image takes; 0 if its format cannot be read."""
        if index not in self._images:
            place, _ = image_place(self._document, index)
            if place not in self._data:
                data = read_image(self._document, self._buffers, index)
                self._data[place] = _pixel_bytes(data, f"$.images[{index}]")
            self._images[index] = self._data[place]
            self._decoded += self._images[index]
            self._limits.check_textures(self._decoded)
        return self._images[index]


def _pixel_bytes(data: bytes, where: str) -> int:
    if not data.startswith(_STARTS) and not (data.startswith(_RIFF) and data[8:12] == _WEBP):
        return 0
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            file_format = image.format or ""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise SceneError("has an implausible number of pixels", where) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise SceneError("is no PNG, JPEG or WebP image", where) from None
    if data.rfind(_ENDS.get(file_format, b"")) < 0:
        raise SceneError(f"this {file_format} image is cut short", where)
    is_deep = data.startswith(_PNG) and data[_PNG_DEPTH_AT] > 8
    return width * height * (_DEEP_PIXEL_BYTES if is_deep else _PIXEL_BYTES)
