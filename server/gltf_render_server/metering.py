"""Automatic exposure: it depends on nothing but the image itself, as in a camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["metered_stops"]

_DARKEST, _BRIGHTEST = 0.2, 0.7
"""The range for the average brightness of the lit parts of an image, where 1 is white."""

# the brightest percent of the lit pixels (lamps, reflections) counts no more than the others
_GLARE_PERCENT = 1.0
_STEPS_PER_STOP = 8
_LEAST = 1e-6  # smaller values are artefacts of the denoiser


def metered_stops(linear: NDArray[np.float32]) -> float:
    """Return the number of stops by which to brighten an image, so that it is well exposed.

    The value of a pixel is that of its strongest channel. Bright pixels have more weight: a lit table in a
    dark hall determines the exposure.

    Parameters
    ----------
    linear : (..., 3) float32
        Scene-referred linear red, green and blue.

    Returns
    -------
    float
        The stops; 0 if the image is well exposed as it is, or is black.
    """
    light = linear.max(-1, initial=0.0)
    lit = light[np.isfinite(light) & (light > _LEAST)].astype(float)
    if not lit.size:
        return 0.0
    lit = np.minimum(lit, np.percentile(lit, 100 - _GLARE_PERCENT))
    mean = (lit * lit).sum() / lit.sum()
    stops = np.log2(np.clip(mean, _DARKEST, _BRIGHTEST) / mean)
    return float(np.round(_STEPS_PER_STOP * stops) / _STEPS_PER_STOP)
