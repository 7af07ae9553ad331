"""Two answers to one request, side by side. Knows arrays, nothing of Blender."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .picture import as_rgba, decoded, greys

__all__ = ["difference", "side_by_side"]

_GAP_PX = 4


def side_by_side(stored: bytes | None, now: bytes) -> NDArray[np.float32]:
    """Put the stored answer on the left and the new one on the right.

    Parameters
    ----------
    stored, now : bytes
        PNG or TIFF; None = there is no stored picture.

    Returns
    -------
    (height, width, 4) float32
        Display-referred, 0 to 1. Depths become grey, the nearest of both white, the farthest black.
    """
    right = decoded(now)
    left = np.zeros_like(right) if stored is None else decoded(stored)
    left, right = _shown(left, right)
    gap = np.ones((len(right), _GAP_PX, 4), np.float32)
    return np.concatenate([left, gap, right], axis=1)


def difference(stored: bytes | None, now: bytes) -> str:
    """Say how two answers differ."""
    if stored is None:
        return "There is no stored picture to compare with"
    if stored == now:
        return "The same, byte for byte"
    first, second = decoded(stored), decoded(now)
    if first.shape != second.shape:
        return f"The stored picture is {_size(first)}, the new one {_size(second)}"
    differs = first != second
    count = int(differs.any(2).sum() if differs.ndim > 2 else differs.sum())
    return f"{count} of {first.shape[0] * first.shape[1]} pixels differ"


def _shown(*pictures: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Turn pictures of one kind into RGBA."""
    if pictures[-1].ndim > 2:
        return [as_rgba(picture.astype(np.float32) / np.float32(255)) for picture in pictures]
    return [as_rgba(grey) for grey in greys(*pictures)]


def _size(picture: NDArray[Any]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
