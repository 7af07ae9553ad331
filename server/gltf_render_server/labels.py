"""Labels: numbers, and the colours by which Drake encodes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DONT_CARE", "DO_NOT_RENDER", "NO_LABEL", "decode_labels", "label_number", "paint_labels"]

NO_LABEL = (255, 255, 255)
"""The colour of the background, and of everything that the client did not send."""

DONT_CARE = 252 + 127 * 256
"""Drake's label for pixels without a label: the background, and all objects that only the server knows."""

DO_NOT_RENDER = 253 + 127 * 256
"""Drake's label for objects that are not shown in a label image."""


def decode_labels(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Read a label image as Drake does: label = red + 256 green.

    Parameters
    ----------
    image : (height, width, 3 or 4) uint8

    Returns
    -------
    (height, width) uint16
        The labels. Where the image is white, the label is `DONT_CARE`.
    """
    wide = image.astype(np.uint16)
    is_white = (image[..., :3] == NO_LABEL).all(-1)
    return np.where(is_white, np.uint16(DONT_CARE), wide[..., 0] + np.uint16(256) * wide[..., 1])


def label_number(colour: tuple[int, int, int]) -> int:
    """Return the number that a colour encodes: red + 256 green + 65536 blue; `DONT_CARE` for white.

    Drake's labels do not use blue, so they are below 65,536.
    """
    red, green, blue = colour
    return DONT_CARE if colour == NO_LABEL else red + 256 * green + 65536 * blue


def paint_labels(numbers: NDArray[np.uint16] | NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Encode labels, (height, width), as colours, as Drake does; the inverse of `label_number`.

    Returns
    -------
    (height, width, 3) uint8
    """
    channels = [
        numbers & 255,
        numbers >> 8 & 255,
        numbers >> 16 if numbers.dtype == np.uint32 else 0 * numbers,
    ]
    colours = np.stack(channels, -1).astype(np.uint8)
    colours[numbers == DONT_CARE] = NO_LABEL
    return colours
