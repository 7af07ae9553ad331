"""Compares two responses to one request side by side; independent of Blender."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .picture import decoded, displayed

__all__ = ["difference", "side_by_side"]

_GAP_PX = 4


def side_by_side(name: str, stored: bytes | None, now: bytes) -> NDArray[np.float32]:
    """Put the stored response on the left and the new one on the right.

    Parameters
    ----------
    name : str
        The name of the requested pass.
    stored, now : bytes
        PNG or TIFF data; None if there is no stored image.

    Returns
    -------
    (height, width, 4) float32
        Both images on one scale, as by `picture.displayed`; black if there is no stored image.
    """
    *left, right = displayed(name, *(decoded(name, data) for data in (stored, now) if data is not None))
    left = left or [right * np.array([0, 0, 0, 1], np.float32)]
    gap = np.ones((len(right), _GAP_PX, 4), np.float32)
    return np.concatenate([*left, gap, right], axis=1)


def difference(name: str, stored: bytes | None, now: bytes) -> str:
    """Describe how two responses differ."""
    if stored is None:
        return "There is no stored picture to compare with"
    if stored == now:
        return "The same, byte for byte"
    first, second = decoded(name, stored), decoded(name, now)
    if first.shape != second.shape:
        return f"The stored picture is {_size(first)}, the new one {_size(second)}"
    differs = ~np.isclose(first, second, rtol=0, atol=0, equal_nan=True)
    count = int(differs.any(2).sum() if differs.ndim > 2 else differs.sum())
    return f"{count} of {first.shape[0] * first.shape[1]} pixels differ"


def _size(picture: NDArray[Any]) -> str:
    alpha = " with alpha" if picture.ndim == 3 and picture.shape[2] == 4 else ""
    return f"{picture.shape[1]} x {picture.shape[0]}{alpha}"
