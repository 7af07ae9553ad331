"""Which pixels may hide an object: those whose rays meet the object's boxes behind the visible surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens
from .hits import pixel_rays

__all__ = ["may_be_beyond"]

_LEAST_DEPTH_STEPS = 2.0**22  # resolution of a depth buffer between the near plane and infinity
_SINGLE = 1e-6  # the relative rounding error of a depth in single precision

Floats = NDArray[np.float64]


def may_be_beyond(
    depth: Floats, pixels: NDArray[np.intp], lens: Lens, matrices: Floats, boxes: Floats, slack_m: Floats
) -> NDArray[np.bool_]:
    """Return which pixels may hide a part of any of some boxes.

    Parameters
    ----------
    depth : (n,) float64
        The visible depth of each pixel, metres along the optical axis.
    pixels : (n,) int
        The indices of the pixels in the image, row by row.
    lens : Lens
    matrices : (k, 4, 4) float64
        The matrices from the axes of each box to the camera's axes (x right, y up, z back).
    boxes : (k, 2, 3) float64
        The lowest and the highest corner of each box.
    slack_m : (k,) float64
        How far a back end may displace a point of each box, metres.

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
            # a flat object, whose own axes are degenerate, so nothing can be excluded
            return np.ones(len(pixels), bool)
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
            )  # NaN, which results from a ray parallel to a side, excludes nothing
            end = np.fmin(end, np.fmax(one, other))
        found |= ~(end < begin)
    return found
