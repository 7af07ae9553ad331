"""How long a picture is exposed: as an automatic camera would, from the picture itself and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["metered_stops"]

_DARKEST, _BRIGHTEST = 0.2, 0.7
"""What the lit parts of a picture may be on the average, where 1 is white."""

_GLARE_PERCENT = 1.0  # of the lit pixels, which do not count with more than those below: lamps, reflections
_STEPS_PER_STOP = 8
_LEAST = 1e-6  # less is what a denoiser makes of nothing


def metered_stops(linear: NDArray[np.float32]) -> float:
    """Return by how many stops a picture is to be made brighter, so that it is neither dark nor burnt out.

    Each pixel counts by its strongest channel, and the more, the more light it has: a lit table in a dark
    hall is exposed as a table.

    Parameters
    ----------
    linear : (..., 3) float32
        Scene-referred red, green and blue.

    Returns
    -------
    float
        0 where the picture is well exposed as it is, or black.
    """
    light = linear.max(-1, initial=0.0)
    lit = light[np.isfinite(light) & (light > _LEAST)].astype(float)
    if not lit.size:
        return 0.0
    lit = np.minimum(lit, np.percentile(lit, 100 - _GLARE_PERCENT))
    mean = (lit * lit).sum() / lit.sum()
    stops = np.log2(np.clip(mean, _DARKEST, _BRIGHTEST) / mean)
    return float(np.round(_STEPS_PER_STOP * stops) / _STEPS_PER_STOP)
