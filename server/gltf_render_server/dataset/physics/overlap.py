"""Measures from triangles how deep objects are inside each other, independently of the simulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from trimesh.triangles import closest_point

__all__ = ["depth_inside", "samples"]

_SPACING = 0.02  # of an object's size, between points on its edges
_MOST_SAMPLES = 40_000
_CHUNK = 2**20

Points = NDArray[np.float64]
Corners = NDArray[np.float64]


def samples(corners: Corners) -> Points:
    """Return points on a mesh, (n, 3): its corners, and more points along long edges."""
    size = float(np.ptp(corners.reshape(-1, 3), axis=0).max())
    starts = corners.reshape(-1, 3)
    ends = np.roll(corners, -1, axis=1).reshape(-1, 3)
    counts = np.ceil(np.linalg.norm(ends - starts, axis=1) / (_SPACING * size)).astype(int).clip(1, 64)
    while counts.sum() > _MOST_SAMPLES and counts.max() > 1:
        counts = (counts + 1) // 2
    edge = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (step / counts[edge])[:, None]
    return np.unique(starts[edge] * (1 - share) + ends[edge] * share, axis=0)


def depth_inside(points: Points, corners: Corners) -> float:
    """Return the depth of the deepest point inside a mesh; 0 = all points are outside.

    A point is inside if the mesh fills more than half of its solid angle (Jacobson et al., SIGGRAPH 2013), so
    the mesh may have holes. Its triangles must face outwards.

    Parameters
    ----------
    points : (n, 3) float64
    corners : (m, 3, 3) float64
    """
    low, high = corners.min((0, 1)), corners.max((0, 1))
    points = points[((points > low) & (points < high)).all(1)]
    deepest = 0.0
    step = max(1, _CHUNK // len(corners))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        for point in some[_is_inside(some, corners)]:
            nearest = closest_point(corners, np.broadcast_to(point, (len(corners), 3)))
            deepest = max(deepest, float(np.linalg.norm(nearest - point, axis=1).min()))
    return deepest


def _is_inside(points: Points, corners: Corners) -> NDArray[np.bool_]:
    """Return which points are inside, by the solid angles of triangles (van Oosterom, Strackee, 1983)."""
    a, b, c = (corners[None, :, corner] - points[:, None] for corner in range(3))
    la, lb, lc = (np.linalg.norm(each, axis=2) for each in (a, b, c))
    volume = np.einsum("ijk,ijk->ij", a, np.cross(b, c))
    dots = [np.einsum("ijk,ijk->ij", *pair) for pair in ((a, b), (b, c), (c, a))]
    angles = 2 * np.arctan2(volume, la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb)
    return angles.sum(1) > 2 * np.pi
