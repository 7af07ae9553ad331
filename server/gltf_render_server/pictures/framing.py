"""Automatic framing: a view of the whole scene, as large as possible, from slightly above."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..dataset.cameras import Bounds, bounds
from ..dataset.cameras.bounds import placed_points
from ..dataset.cameras.matrices import direction, looking_back
from ..errors import SceneError
from ..frame import Lens, View
from ..scene import Scene
from ..settings import UpAxis

__all__ = ["frame_from_above", "frame_orbit"]

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]

_FOV_RAD = math.radians(40.0)
"""The field of view along the image's longer side: that of a 50 mm lens on a full-frame camera."""

_FILL = 0.88
"""The fraction of the distance from the image's centre to its edges that the scene may fill."""

_AZIMUTH_DEG, _ELEVATION_DEG = 35.0, 20.0
_TURNED_DEG = {"narrow": 60.0, "shallow": 25.0}
"""The azimuths from which objects are seen whose broad side is on the right, or in front."""

_ELEVATION_OF_FLAT_DEG = 50.0
_THIN = 0.2
"""The ratio of two sides below which an object no longer looks like a block."""

_LEAST_DEPTH = 0.05
"""The smallest distance between camera and scene, in radii of the scene."""

_STEPS = 6
"""The number of slopes that are examined, from the optical axis to the image's edge."""

_TRIES = 16
"""The number of iterations to find the centre; a few are enough."""

_NEAR, _FAR = 0.2, 1.5
"""The clipping planes, as factors of the depths of the nearest and farthest points."""


def frame_from_above(scene: Scene, size: tuple[int, int], up_axis: UpAxis, name: str = "auto") -> View:
    """Return a view of the whole scene from the front, the right, and slightly above.

    All drawn vertices are in the image, and the outermost ones are at its margin. Flat scenes are seen from
    higher above, and thin ones from their broad side.

    Parameters
    ----------
    scene : Scene
    size : (width, height)
        The size of the image in pixels.
    up_axis : {"y", "z"}
    name : str
        The name of the view.

    Raises
    ------
    SceneError
        The scene contains nothing, or all its points coincide.
    """
    extent, lens = _extent(scene), _lens(size)
    pose = looking_back(extent.center, 0.0, *_angles(extent, up_axis), up_axis)
    across, down = slopes = _slopes(lens)
    x, y, z = _outline(scene, pose, slopes).T
    # A camera at (cx, cy, cz) sees a point to the left of the right edge, which has this slope, if x + across
    # z is less than cx + across cz. So both edges together determine how close the camera may come.
    needed = max(
        ((x + across * z).max() + (across * z - x).max()) / (2 * across),
        ((y + down * z).max() + (down * z - y).max()) / (2 * down),
    )
    depths = max(needed, z.max() + _LEAST_DEPTH * extent.radius) - z
    offset = np.array([_middle(x, depths), _middle(y, depths), (depths + z)[0]])
    return _placed(pose, offset, lens, (depths.min(), depths.max()), name)


def frame_orbit(scene: Scene, size: tuple[int, int], up_axis: UpAxis, count: int) -> list[View]:
    """Return views from a ring around a scene, in equal steps, all from the same distance.

    The first view has the direction of `frame_from_above`. The others follow counter-clockwise, as seen from
    above. Parameters and errors are those of `frame_from_above`.
    """
    extent, lens = _extent(scene), _lens(size)
    azimuth_rad, elevation_rad = _angles(extent, up_axis)
    digits = len(str(count - 1))
    poses = [
        looking_back(extent.center, 0.0, azimuth_rad + math.tau * index / count, elevation_rad, up_axis)
        for index in range(count)
    ]
    reaches = np.full((count, 3), -np.inf)
    for points in _points(scene):  # once for all views, because reading the points takes the most time
        for index, pose in enumerate(poses):
            reaches[index] = np.maximum(reaches[index], _reach(_seen(points, pose), _slopes(lens)))
    needed, highest, _ = reaches.max(0)
    distance = max(needed, highest + _LEAST_DEPTH * extent.radius)
    offset = np.array([0.0, 0.0, distance])
    return [
        _placed(pose, offset, lens, (distance - high, distance - low), f"orbit_{index:0{digits}d}")
        for index, (pose, (_, high, low)) in enumerate(zip(poses, reaches * (1, 1, -1), strict=True))
    ]


def _extent(scene: Scene) -> Bounds:
    extent = bounds(scene)
    if not extent.radius > 0:
        raise SceneError("all that it shows is in one point, which no picture can show")
    return extent


def _lens(size: tuple[int, int]) -> Lens:
    """Return a lens whose clipping planes are not set yet."""
    width, height = size
    focal = max(size) / (2 * math.tan(_FOV_RAD / 2))
    return Lens(width, height, focal, focal, width / 2, height / 2, 0.0, 0.0)


def _slopes(lens: Lens) -> tuple[float, float]:
    """Return how far from the optical axis visible points at depth 1 may be, horizontally and vertically."""
    return _FILL * lens.center_x / lens.focal_x, _FILL * lens.center_y / lens.focal_y


def _angles(extent: Bounds, up_axis: UpAxis) -> tuple[float, float]:
    """Return a good azimuth and elevation, rad, for objects with these proportions."""
    sides = extent.high - extent.low
    right, front, up = (
        abs(float(direction(azimuth, elevation, up_axis) @ sides))
        for azimuth, elevation in ((math.pi / 2, 0.0), (0.0, 0.0), (0.0, math.pi / 2))
    )
    azimuth_deg = _AZIMUTH_DEG
    azimuth_deg += (_TURNED_DEG["narrow"] - _AZIMUTH_DEG) * _thinness(right, front)
    azimuth_deg += (_TURNED_DEG["shallow"] - _AZIMUTH_DEG) * _thinness(front, right)
    elevation_deg = _ELEVATION_DEG
    elevation_deg += (_ELEVATION_OF_FLAT_DEG - _ELEVATION_DEG) * _thinness(up, max(right, front))
    return math.radians(azimuth_deg), math.radians(elevation_deg)


def _thinness(side: float, other: float) -> float:
    """Return how thin an object is: 1 for no extent along a side, and 0 for a block."""
    return max(0.0, 1.0 - side / (_THIN * other)) if other > 0 else 0.0


def _outline(scene: Scene, pose: Matrix, slopes: Sequence[float]) -> Points:
    """Return the few points that bound an image, (m, 3), in the camera's axes: right, up, backward.

    Parameters
    ----------
    scene : Scene
    pose : (4, 4) float64
        The pose of the camera. It may be moved along its own axes afterwards.
    slopes : (float, float)
        The maximum slopes that it sees, horizontally and vertically.
    """
    turns = np.linspace(0, 1, _STEPS)
    sides = [(sign, 0, slopes[0] * turn) for sign in (-1, 1) for turn in turns]
    ends = [(0, sign, slopes[1] * turn) for sign in (-1, 1) for turn in turns]
    directions = np.array([*sides, *ends, (0, 0, 1), (0, 0, -1)], float)
    found = [_outermost(_seen(points, pose), directions) for points in _points(scene)]
    return _outermost(np.concatenate(found), directions)


def _reach(seen: Points, slopes: Sequence[float]) -> Points:
    """Return the distance from which a camera sees all points, and the bounds of their depths, (3,).

    The bounds are along the axis towards the camera: the maximum, and the negative minimum.
    """
    x, y, z = seen.T
    needed = max((np.abs(x) / slopes[0] + z).max(), (np.abs(y) / slopes[1] + z).max())
    return np.array([needed, z.max(), (-z).max()])


def _points(scene: Scene) -> Iterator[Points]:
    """Yield the points of each placement's triangles, (n, 3), in the world."""
    placed = (placed_points(scene, index) for index in range(len(scene.placements)))
    return (points for points in placed if len(points))


def _seen(points: Points, pose: Matrix) -> Points:
    """Transform points, (n, 3), to a camera's axes: right, up, backward."""
    return (points - pose[:3, 3]) @ pose[:3, :3]


def _outermost(points: Points, directions: Points) -> Points:
    """Return the points, of (n, 3), that are outermost in the directions, (k, 3)."""
    return points[sorted({int(np.argmax(points @ direction)) for direction in directions})]


def _middle(sides: Points, depths: Points) -> float:
    """Return the camera position from which points, (n,), are centred in the image."""
    middle = 0.0
    for _ in range(_TRIES):
        seen = (sides - middle) / depths
        one, other = int(np.argmax(seen)), int(np.argmin(seen))
        middle += (seen[one] + seen[other]) / (1 / depths[one] + 1 / depths[other])
    return middle


def _placed(pose: Matrix, offset: Points, lens: Lens, depths: tuple[float, float], name: str) -> View:
    """Return the view of a camera moved along its own axes, with clipping planes for a range of depths."""
    moved = pose.copy()
    moved[:3, 3] += pose[:3, :3] @ offset
    return View(replace(lens, near=_NEAR * depths[0], far=_FAR * depths[1]), moved, name)
