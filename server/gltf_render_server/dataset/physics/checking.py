"""Checks with their triangles where objects came to rest, independently of the simulation's pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .overlap import depth_inside, samples
from .settling import Body, UnsettledError
from .surroundings import Surroundings

__all__ = ["check_rest"]

_MOST_DEPTH_M = 2e-3
_MOST_BELOW_M = 1e-3

Corners = NDArray[np.float64]
Matrix = NDArray[np.float64]


def check_rest(bodies: Sequence[Body], poses: Sequence[Matrix], around: Surroundings) -> None:
    """Check that objects are where they may be, and neither in one another nor in what does not move.

    Parameters
    ----------
    bodies : sequence of Body
    poses : sequence of (4, 4) float64
        The rigid pose of each body.
    around : Surroundings

    Raises
    ------
    UnsettledError
        An object left the floor or the room, or overlaps something.
    """
    placed = [body.corners @ pose[:3, :3].T + pose[:3, 3] for body, pose in zip(bodies, poses, strict=True)]
    for corners in placed:
        _check_place(corners, around)
    for number, corners in enumerate(placed):
        points = samples(corners)
        # in the axes of the other object, in which its box is tighter
        depths = [
            depth_inside((points - pose[:3, 3]) @ pose[:3, :3], body.corners)
            for other, (body, pose) in enumerate(zip(bodies, poses, strict=True))
            if other != number
        ]
        depths += [depth_inside(points, solid) for solid in around.solids]
        if max(depths, default=0.0) > _MOST_DEPTH_M:
            raise UnsettledError("an object is in another")


def _check_place(corners: Corners, around: Surroundings) -> None:
    """Check that an object is inside the box and on the free sides of the planes."""
    points = corners.reshape(-1, 3)
    middle = (points.min(0) + points.max(0)) / 2
    if (middle < around.low).any() or (middle > around.high).any():
        raise UnsettledError("an object left the floor")
    for point, normal in around.planes:
        if ((points - point) @ normal).min() < -_MOST_BELOW_M:
            raise UnsettledError("an object is below the floor")
