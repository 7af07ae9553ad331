"""Conversion between sRGB and linear light, of arrays and of numbers, with the function of IEC 61966-2-1.

The colours of a document are converted as numbers. NumPy needs ten times as long for three numbers, and its
powers of arrays differ in the last bit from one processor to another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_channel", "linear_of", "srgb_channel", "srgb_of"]


def linear_of(encoded: NDArray[np.floating]) -> NDArray[Any]:
    """Decode sRGB, 0 to 1; the result has the same shape and type."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_of(linear: NDArray[np.floating]) -> NDArray[Any]:
    """Encode linear light, 0 to 1, as sRGB; the result has the same shape and type."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear_channel(encoded: float) -> float:
    """Decode one number of sRGB, 0 to 1."""
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def srgb_channel(linear: float) -> float:
    """Encode one number of linear light, 0 to 1, as sRGB."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
