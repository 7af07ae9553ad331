"""Which pixels may hide an object: those whose rays meet its boxes beyond what is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens
from .hits import pixel_rays

__all__ = ["may_be_beyond"]

_LEAST_DEPTH_STEPS = 2.0**22  # of a depth buffer between the near plane and infinity
_SINGLE = 1e-6  # what single precision may round of a depth

Floats = NDArray[np.float64]


def may_be_beyond(
    depth: Floats, pixels: NDArray[np.intp], lens: Lens, matrices: Floats, boxes: Floats, slack_m: Floats
) -> NDArray[np.bool_]:
    """Tell which of some pixels may hide something in any of some boxes.

    Parameters
    ----------
    depth : (n,) float64
        What the pixels show, metres along the optical axis.
    pixels : (n,) int
        Indices into the image, row by row.
    lens : Lens
    matrices : (k, 4, 4) float64
        From the axes of each box to the camera's (x right, y up, z back).
    boxes : (k, 2, 3) float64
        The lowest and the highest corner of each.
    slack_m : (k,) float64
        How far a back end may move a point of it, metres.

    Returns
    -------
    (n,) bool
    """
    rays = pixel_rays(lens, pixels)
    seen_at = depth - depth * (_SINGLE + depth / (lens.near * _LEAST_DEPTH_STEPS))
    found = np.zeros(len(pixels), bool)
    for matrix, box, slack in zip(matrices, boxes, slack_m, strict=True):
        try:
            inverse = np.linalg.inv(matrix[:3, :3])
        except np.linalg.LinAlgError:
            return np.ones(len(pixels), bool)  # a flat object: its own axes tell nothing
        margin = slack * np.linalg.norm(inverse, axis=1)
        begin, end = seen_at - slack, np.full(len(pixels), np.inf)
        eye = -inverse @ matrix[:3, 3]
        for axis in range(3):
            along = inverse[axis] @ rays
            with np.errstate(divide="ignore", invalid="ignore"):
                one = (box[0, axis] - margin[axis] - eye[axis]) / along
                other = (box[1, axis] + margin[axis] - eye[axis]) / along
            begin = np.fmax(
                begin, np.fmin(one, other)
            )  # what is no number, of a ray along a side, excludes nothing
            end = np.fmin(end, np.fmax(one, other))
        found |= ~(end < begin)
    return found
