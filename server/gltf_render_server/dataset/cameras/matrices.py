"""Poses of cameras, as matrices: column vectors, camera to world; a camera looks along -z, with y up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError
from ...settings import UpAxis

__all__ = ["direction", "looking_along", "looking_at", "looking_back", "moved", "turned"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_LEVEL = {
    "y": np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "z": np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]),
}
"""The directions right, front and up of a world, as rows, by its up axis.

The front of a glTF file is +z, which an importer with z up makes -y.
"""

_STEEPEST = 1e-6
"""Sine of the angle to the vertical below which a camera counts as looking straight up or down."""


def direction(azimuth_rad: float, elevation_rad: float, up_axis: UpAxis) -> Vector:
    """Return a unit vector, (3,), in the world.

    Parameters
    ----------
    azimuth_rad : float
        About the vertical, counter-clockwise as seen from above; 0 is the front, +z or, with z up, -y.
    elevation_rad : float
        Above the horizontal plane.
    up_axis : {"y", "z"}
    """
    level = math.cos(elevation_rad)
    local = (level * math.sin(azimuth_rad), level * math.cos(azimuth_rad), math.sin(elevation_rad))
    return np.array(local) @ _LEVEL[up_axis]


def looking_back(
    target: Vector, distance: float, azimuth_rad: float, elevation_rad: float, up_axis: UpAxis
) -> Matrix:
    """Return the level pose of a camera that looks at a point from a direction; see `direction`.

    From straight above or below, up is where it comes to from the sides of the same azimuth.
    """
    backward = direction(azimuth_rad, elevation_rad, up_axis)
    right = direction(azimuth_rad + math.pi / 2, 0.0, up_axis)
    return _pose(right, backward, target + distance * backward)


def looking_at(eye: Vector, target: Vector, up_axis: UpAxis) -> Matrix:
    """Return the level pose of a camera that is at one point and looks at another.

    Raises
    ------
    RequestError
        They are the same.
    """
    backward = eye - target
    length = float(np.linalg.norm(backward))
    if not length > 0:
        raise RequestError("the camera is at the point that it looks at; move eye or target")
    return looking_along(eye, -backward / length, up_axis)


def looking_along(eye: Vector, forward: Vector, up_axis: UpAxis) -> Matrix:
    """Return the level pose of a camera that looks along a unit vector.

    Where that is straight down, the world's back is up in the picture; straight up, its front.
    """
    _, front, up = _LEVEL[up_axis]
    if np.linalg.norm(np.cross(forward, up)) < _STEEPEST:
        up = front * np.sign(up @ forward)
    right = np.cross(forward, up).astype(np.float64)
    return _pose(right / np.linalg.norm(right), -forward, eye)


def turned(rotation_deg: Sequence[float]) -> Matrix:
    """Return a rotation, (4, 4), about the fixed axes x, y and z, in this order."""
    matrix = np.eye(4)
    for axis, angle_deg in enumerate(rotation_deg):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        turn = np.eye(4)
        turn[[first, second], [first, second]] = cosine
        turn[second, first], turn[first, second] = sine, -sine
        matrix = turn @ matrix
    return matrix


def moved(pose: Matrix, translation: Sequence[float], rotation_deg: Sequence[float]) -> Matrix:
    """Move and rotate a pose in the camera's axes: x right, y up, z backward."""
    offset = turned(rotation_deg)
    offset[:3, 3] = translation
    return pose @ offset


def _pose(right: Vector, backward: Vector, eye: Vector) -> Matrix:
    matrix = np.eye(4)
    matrix[:3] = np.stack([right, np.cross(backward, right), backward, eye], 1)
    return matrix
