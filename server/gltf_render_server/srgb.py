"""sRGB and linear light, arrays of them; the curve is that of IEC 61966-2-1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_of", "srgb_of"]


def linear_of(encoded: NDArray[np.floating]) -> NDArray[Any]:
    """Decode sRGB, 0 to 1; the result has the same shape and type."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_of(linear: NDArray[np.floating]) -> NDArray[Any]:
    """Encode linear light, 0 to 1, as sRGB; the result has the same shape and type."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
