"""Decodes a PNG, TIFF, EXR or JSON into the array of a pass; the exact inverse of `encode`."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image, ImageSequence

__all__ = ["decode"]

_EXR_BEGINS = b"\x76\x2f\x31\x01"
_EXR_LETTERS = "RGBAXYZW"


def decode(data: bytes, dtype: str, count: int | None = None) -> Any:
    """Decode the file of a pass.

    Parameters
    ----------
    data : bytes
    dtype : str
        The data type from the pass's row in the table of passes. "json" means a table.
    count : int or None
        The number of images in a stack; None if the pass is not a stack.

    Returns
    -------
    array
        An array of shape (height, width), (height, width, channels), or (count, height, width) for a stack;
        for a table, the decoded JSON value.
    """
    if dtype == "json":
        return msgspec.json.decode(data)
    if count is not None:
        with Image.open(io.BytesIO(data)) as image:
            pages = [np.array(page) for page in ImageSequence.Iterator(image)]
        return np.stack(pages)[:count]
    return _image(data, dtype)


def _image(data: bytes, dtype: str) -> NDArray[Any]:
    """Decode an image. TIFF files store uint32 as int32, which is converted back here."""
    if data.startswith(_EXR_BEGINS):
        with OpenEXR.File(io.BytesIO(data), separate_channels=True) as exr:
            channels = exr.channels()
            in_order = sorted(channels, key=lambda name: _EXR_LETTERS.index(name.rpartition(".")[2]))
            return np.stack([channels[name].pixels for name in in_order], -1)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.array(image)
    return pixels.view(dtype) if pixels.dtype == np.int32 else pixels
