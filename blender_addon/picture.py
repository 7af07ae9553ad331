"""A picture as the server sends it, made visible: depths as greys, labels as colours. Knows no Blender."""

from __future__ import annotations

import colorsys
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["as_rgba", "decoded", "describe", "displayed", "greys"]

_TOO_FAR_MM = 65535
_WHITE = (255, 255, 255)
_GOLDEN = (
    0.6180339887  # steps of the golden ratio around the circle of hues stay apart, however many they are
)


def decoded(data: bytes) -> NDArray[Any]:
    """Decode a PNG or TIFF; depths in millimetres become metres.

    Returns
    -------
    (height, width, 3 or 4) uint8 or (height, width) float32
        Depths are metres; inf = too far, 0 = too close.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    if pixels.ndim > 2 or pixels.dtype == np.float32:
        return pixels
    metres = pixels.astype(np.float32) / np.float32(1000)
    return np.where(pixels == _TOO_FAR_MM, np.float32(np.inf), metres)


def displayed(data: bytes, image_type: str) -> NDArray[np.float32]:
    """Make an answer visible.

    Parameters
    ----------
    data : bytes
        PNG or TIFF.
    image_type : {"color", "depth", "label"}

    Returns
    -------
    (height, width, 4) float32
        Display-referred, 0 to 1. The nearest depth is white, the farthest nearly black, none black; each
        label has a colour of its own, none is white.
    """
    pixels = decoded(data)
    if pixels.ndim == 2:
        return as_rgba(greys(pixels)[0])
    if image_type == "label":
        pixels = _in_colours(pixels)
    return as_rgba(pixels.astype(np.float32) / np.float32(255))


def describe(data: bytes, image_type: str) -> str:
    """Say in a few words what `displayed` shows."""
    pixels = decoded(data)
    size = f"{image_type} {pixels.shape[1]} x {pixels.shape[0]}"
    if pixels.ndim == 2:
        known = pixels[np.isfinite(pixels) & (pixels > 0)]
        return (
            f"{size}, {known.min():.2f} m (white) to {known.max():.2f} m" if known.size else f"{size}, empty"
        )
    if image_type == "label":
        labels = np.unique(_labels(pixels)[~_is_white(pixels)])
        return f"{size}, {_counted(labels)}, shown in colours of their own"
    return size


def greys(*depths: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Turn depths, (height, width) metres, into greys of one scale: (height, width, 3)."""
    metres = [np.where(np.isfinite(depth), depth, 0).astype(np.float32) for depth in depths]
    known = np.concatenate([depth[depth > 0] for depth in metres])
    near, far = (known.min(), known.max()) if known.size else (0.0, 1.0)
    scale = max(far - near, np.float32(1e-6))
    found = [np.where(depth > 0, 1 - 0.9 * (depth - near) / scale, 0) for depth in metres]
    return [np.repeat(grey[..., None], 3, axis=2).astype(np.float32) for grey in found]


def as_rgba(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make colours opaque that have no alpha."""
    if rgb.shape[2] == 4:
        return rgb
    return np.concatenate([rgb, np.ones((*rgb.shape[:2], 1), np.float32)], axis=2)


def _counted(labels: NDArray[Any]) -> str:
    if len(labels) > 6:
        return f"{len(labels)} labels"
    return f"labels {', '.join(map(str, labels))}" if len(labels) else "no label"


def _labels(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    return pixels[..., 0].astype(np.int64) + 256 * pixels[..., 1].astype(np.int64)


def _is_white(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (pixels[..., :3] == _WHITE).all(2)


def _in_colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found, where = np.unique(_labels(pixels), return_inverse=True)
    colours = [colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.75, 0.9) for label in found.tolist()]
    shown = (np.array(colours) * 255).astype(np.uint8)[where.reshape(pixels.shape[:2])]
    shown[_is_white(pixels)] = _WHITE
    return shown
