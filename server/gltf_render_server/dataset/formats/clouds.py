"""Point clouds from depth: pixels to points in the world, and points into other views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...passes.hits import pixel_rays
from ..store import StoredView

__all__ = ["colours_at", "points_at", "projected", "spread"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_GOLDEN = 0.6180339887498949


def spread(depth: NDArray[np.float32], count: int) -> Indices:
    """Choose pixels that show a surface, spread evenly over the image; the choice is deterministic.

    The pixels are chosen by steps of the golden ratio, row by row, which avoids both clusters and a grid.

    Parameters
    ----------
    depth : (height, width) float32
        inf = no surface.
    count : int
        The largest number of pixels to choose.

    Returns
    -------
    (n,) int
        Sorted indices into the flattened image.
    """
    shown = np.flatnonzero(np.isfinite(depth))
    if len(shown) <= count:
        return shown
    steps = (np.arange(1, count + 1) * _GOLDEN) % 1.0
    return shown[np.unique((steps * len(shown)).astype(np.intp))]


def points_at(view: StoredView, depth: NDArray[np.float32], pixels: Indices) -> Floats:
    """Return the surface points at the centres of pixels, (n, 3), metres, in the world."""
    seen = pixel_rays(view.lens, pixels) * depth.reshape(-1)[pixels]
    matrix = view.camera_to_world
    return (matrix[:3, :3] @ seen).T + matrix[:3, 3]


def colours_at(view: StoredView, pixels: Indices) -> NDArray[np.uint8]:
    """Return the colours of pixels, (n, 3)."""
    picture = view.array("color")
    return picture.reshape(-1, picture.shape[2])[pixels, :3]


def projected(view: StoredView, points: Floats) -> tuple[Floats, Floats]:
    """Project points of the world into a view.

    Parameters
    ----------
    view : StoredView
    points : (n, 3) float64

    Returns
    -------
    position : (n, 2) float64
        Px from the image's upper left corner; meaningless where the depth is not positive.
    depth : (n,) float64
        Along the optical axis, metres; positive = in front of the camera.
    """
    lens, matrix = view.lens, view.camera_to_world
    right, up, back = np.moveaxis((points - matrix[:3, 3]) @ matrix[:3, :3], -1, 0)
    depth = np.negative(back)
    divisor = np.where(depth > 0, depth, 1.0)
    u = lens.center_x + lens.focal_x * right / divisor
    v = lens.center_y - lens.focal_y * up / divisor
    return np.stack([u, v], -1), depth
