"""Converts the server's images to false colours for display; independent of Blender."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .gltf_render_server.false_colours import false_colours, legend, value_range
from .gltf_render_server.labels import decode_labels
from .gltf_render_server.passes import Render, find_pass

__all__ = ["decoded", "describe", "displayed"]

_TOO_FAR_MM = 65535


def decoded(name: str, data: bytes) -> NDArray[Any]:
    """Decode a PNG or TIFF to the array of its pass.

    Labels that are encoded as colours become numbers, and depths in millimetres become metres.

    Returns
    -------
    (height, width) or (height, width, 3 or 4) array
        The array in the data type of the pass. In depths, inf = too far, NaN = too close.
    """
    row = find_pass(name)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    if row.render is Render.COLOUR:
        return pixels
    if pixels.ndim == 3:
        return decode_labels(pixels)
    if pixels.dtype == np.int32:
        return pixels.view(np.uint32)  # the server writes no other kind of TIFF
    return pixels if np.dtype(row.dtype).kind != "f" else _metres(pixels)


def displayed(name: str, *arrays: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Convert arrays of one pass to false colours with a common scale.

    Parameters
    ----------
    name : str
        The name of the pass.
    *arrays
        The arrays, as the pass's row describes them.

    Returns
    -------
    list of (height, width, 4) float32
        Opaque display-referred images, 0 to 1; see `false_colours`.

    Raises
    ------
    RequestError
        The pass does not exist.
    """
    scale = value_range(name, *arrays)
    return [_as_rgba(false_colours(array, name, scale)) for array in arrays]


def describe(name: str, array: NDArray[Any]) -> str:
    """Describe what `displayed` shows of an array: ``"depth 640 x 480, 0.52 to 3.10 m"``."""
    height, width = array.shape[-2:] if array.dtype == bool else array.shape[:2]
    return ", ".join(filter(None, (f"{name} {width} x {height}", legend(array, name))))


def _metres(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Return depths in metres, with NaN where Drake's form has 0 for too close."""
    metres = pixels.astype(np.float32)
    if pixels.dtype == np.uint16:
        metres /= np.float32(1000)
        metres[pixels == _TOO_FAR_MM] = np.inf
    metres[metres == 0] = np.nan
    return metres


def _as_rgba(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    return np.concatenate([rgb, opaque], axis=2).astype(np.float32) / np.float32(255)
