"""From where a scene is seen well: the whole of it, as large as the picture allows, from slightly above."""

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
"""Along the picture's longer side: what a lens of 50 mm sees on a full-frame camera."""

_FILL = 0.88
"""The part of the way from the picture's middle to its edges that may be filled."""

_AZIMUTH_DEG, _ELEVATION_DEG = 35.0, 20.0
_TURNED_DEG = {"narrow": 60.0, "shallow": 25.0}
"""From where things are seen whose broad side is on the right, or in front."""

_ELEVATION_OF_FLAT_DEG = 50.0
_THIN = 0.2
"""The proportion of two sides from which on a thing is no more seen as a block."""

_LEAST_DEPTH = 0.05
"""How near the camera may come to the nearest point, in radii of the scene."""

_NEAR, _FAR = 0.2, 1.5
"""The clipping planes, in depths of the nearest and the farthest point."""


def frame_from_above(scene: Scene, size: tuple[int, int], up_axis: UpAxis, name: str = "auto") -> View:
    """Return the view that shows all of a scene from the front, the right, and slightly above.

    Every vertex that is drawn lies in the picture, and the outermost ones at its margin. What is flat is seen
    from higher above, and what is thin from its broad side.

    Parameters
    ----------
    scene : Scene
    size : (width, height)
        In pixels.
    up_axis : {"y", "z"}
    name : str
        Of the view.

    Raises
    ------
    SceneError
        The scene shows nothing, or all of it is in one point.
    """
    extent, lens = _extent(scene), _lens(size)
    azimuth_rad, elevation_rad = _angles(extent, up_axis)
    pose = looking_back(extent.center, 0.0, azimuth_rad, elevation_rad, up_axis)
    slopes = _slopes(lens)
    edges = np.max([_edges(points, slopes) for points in _seen(scene, pose)], 0)
    right, left, top, bottom, nearest, farthest = edges
    along = max((right + left) / (2 * slopes[0]), (top + bottom) / (2 * slopes[1]))
    along = max(along, nearest + _LEAST_DEPTH * extent.radius)
    offset = np.array([(right - left) / 2, (top - bottom) / 2, along])
    return _placed(pose, offset, lens, along - nearest, along + farthest, name)


def frame_orbit(scene: Scene, size: tuple[int, int], up_axis: UpAxis, count: int) -> list[View]:
    """Return views from a ring around a scene, in equal steps, all from the same distance.

    The first is from where `frame_from_above` looks; the camera goes on counter-clockwise, as seen from
    above. Parameters and errors are those of `frame_from_above`.
    """
    extent, lens = _extent(scene), _lens(size)
    azimuth_rad, elevation_rad = _angles(extent, up_axis)
    digits = len(str(count - 1))
    poses = [
        looking_back(extent.center, 0.0, azimuth_rad + math.tau * index / count, elevation_rad, up_axis)
        for index in range(count)
    ]
    slopes = _slopes(lens)
    reaches = [np.max([_reach(points, slopes) for points in _seen(scene, pose)], 0) for pose in poses]
    needed, nearest, farthest = np.max(reaches, 0)
    along = max(needed, nearest + _LEAST_DEPTH * extent.radius)
    offset = np.array([0.0, 0.0, along])
    return [
        _placed(pose, offset, lens, along - nearest, along + farthest, f"orbit_{index:0{digits}d}")
        for index, pose in enumerate(poses)
    ]


def _extent(scene: Scene) -> Bounds:
    extent = bounds(scene)
    if not extent.radius > 0:
        raise SceneError("all that it shows is in one point, which no picture can show")
    return extent


def _lens(size: tuple[int, int]) -> Lens:
    """Return a lens whose clipping planes are not known yet."""
    width, height = size
    focal = max(size) / (2 * math.tan(_FOV_RAD / 2))
    return Lens(width, height, focal, focal, width / 2, height / 2, 0.0, 0.0)


def _slopes(lens: Lens) -> tuple[float, float]:
    """Return how far from the optical axis what is at depth 1 may be, to the sides and up and down."""
    return _FILL * lens.center_x / lens.focal_x, _FILL * lens.center_y / lens.focal_y


def _angles(extent: Bounds, up_axis: UpAxis) -> tuple[float, float]:
    """Return azimuth and elevation, rad, from which things of such proportions are seen well."""
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
    """Return 1 for what has no extent along a side, and 0 for what is no longer thin."""
    return max(0.0, 1.0 - side / (_THIN * other)) if other > 0 else 0.0


def _seen(scene: Scene, pose: Matrix) -> Iterator[Points]:
    """Yield the points that are drawn, (n, 3), in the axes of a camera: right, up, backward."""
    for index in range(len(scene.placements)):
        points = placed_points(scene, index)
        if len(points):
            yield (points - pose[:3, 3]) @ pose[:3, :3]


def _edges(points: Points, slopes: Sequence[float]) -> Points:
    """Return how far points reach, (6,), along what bounds the picture: right, left, up, down; near and far.

    A camera at (x, y, z) sees a point to the left of its right edge where ``px + s pz <= x + s z``, if s is
    the slope of that edge. So the greatest left side over all points tells where a camera may be.
    """
    x, y, z = points.T
    across, down = slopes
    sides = (x + across * z, -x + across * z, y + down * z, -y + down * z, z, -z)
    return np.array([side.max() for side in sides])


def _reach(points: Points, slopes: Sequence[float]) -> Points:
    """Return how far away a camera on the axis must be, and how near and how far points are, (3,)."""
    x, y, z = points.T
    across, down = slopes
    sides = (np.abs(x) / across + z, np.abs(y) / down + z, z, -z)
    right, top, near, far = (side.max() for side in sides)
    return np.array([max(right, top), near, far])


def _placed(pose: Matrix, offset: Points, lens: Lens, nearest: float, farthest: float, name: str) -> View:
    """Return the view of a camera that is moved along its own axes; depths are of what it sees."""
    moved = pose.copy()
    moved[:3, 3] += pose[:3, :3] @ offset
    return View(replace(lens, near=_NEAR * nearest, far=_FAR * farthest), moved, name)
