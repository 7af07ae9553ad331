"""The triangles of a scene as obstacles for cameras: distances and rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from trimesh.triangles import closest_point

from ...recent import Recent
from ...scene import Scene
from .bounds import bounds, content_key, placed_corners

__all__ = ["Hits", "Obstacles", "obstacles"]

Points = NDArray[np.float64]

_MOST_BYTES = 2**30
_BLOCK = 128  # triangles
_recent: Recent[Obstacles] = Recent(_MOST_BYTES, most=2)
_lock = Lock()


@dataclass(frozen=True, eq=False)
class Hits:
    """The first hits of rays.

    Attributes
    ----------
    distance : (n,) float64
        Metres; inf = nothing.
    instance : (n,) int
        Indices into ``Scene.instances``; -1 = nothing.
    is_back : (n,) bool
        Whether it is the back of a surface.
    """

    distance: Points
    instance: NDArray[np.intp]
    is_back: NDArray[np.bool_]


class Obstacles:
    """The triangles of a scene, without those that have no area.

    Embree tells which triangle a ray meets, in float32; where and from which side it does is told in float64,
    so that what is made of it does not depend on the machine.
    """

    def __init__(self, scene: Scene) -> None:
        parts = [_solid_corners(scene, index) for index in range(len(scene.placements))]
        instances = scene.placements.instance
        self.corners = np.concatenate(parts) if parts else np.empty((0, 3, 3))
        self._instance = np.repeat(instances, [len(part) for part in parts])
        extent = bounds(scene)
        self._center, self._scale = extent.center, extent.radius

    @property
    def size_bytes(self) -> int:
        """Memory in bytes, including that of Embree."""
        return 3 * self.corners.nbytes

    def is_free(self, point: Points, distance: float) -> bool:
        """Return whether all surfaces are at least a distance in metres away from a point."""
        lows, highs = self._blocks
        blocks = np.flatnonzero(_overlap(lows, highs, point, distance))
        if not len(blocks):
            return True
        triangles = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
        near = self.corners[triangles[triangles < len(self.corners)]]
        near = near[_overlap(near.min(1), near.max(1), point, distance)]
        if not len(near):
            return True
        nearest = closest_point(near, np.broadcast_to(point, (len(near), 3)))
        return bool(np.linalg.norm(nearest - point, axis=1).min() >= distance)

    def cast(self, eye: Points, directions: Points) -> Hits:
        """Cast rays from a point into unit directions, (n, 3)."""
        origin = np.broadcast_to((eye - self._center) / self._scale, directions.shape)
        found = self._embree.run(
            np.ascontiguousarray(origin, np.float32), np.ascontiguousarray(directions, np.float32), output=1
        )
        which = found["primID"].astype(np.intp)
        corners = self.corners[which]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        slopes = (normals * directions).sum(1)
        with np.errstate(all="ignore"):
            distance = ((corners[:, 0] - eye) * normals).sum(1) / slopes
        is_hit = (which >= 0) & np.isfinite(distance)
        return Hits(
            np.where(is_hit, np.maximum(distance, 0), np.inf),
            np.where(is_hit, self._instance[which], -1),
            is_hit & (slopes > 0),
        )

    @cached_property
    def _embree(self) -> Any:
        scene = EmbreeScene()
        TriangleMesh(scene, ((self.corners - self._center) / self._scale).astype(np.float32))
        return scene

    @cached_property
    def _blocks(self) -> tuple[Points, Points]:
        """Boxes of consecutive triangles, which are mostly close to each other."""
        starts = np.arange(0, len(self.corners), _BLOCK)
        lows, highs = self.corners.min(1), self.corners.max(1)
        return np.minimum.reduceat(lows, starts), np.maximum.reduceat(highs, starts)


def obstacles(scene: Scene) -> Obstacles:
    """Return the triangles of a scene; those of recent scenes are kept."""
    with _lock:
        return _recent.get(content_key(scene), lambda: Obstacles(scene), lambda made: made.size_bytes)


def _overlap(lows: Points, highs: Points, point: Points, distance: float) -> NDArray[np.bool_]:
    """Return which boxes are closer to a point than a distance along each axis."""
    return ((lows < point + distance) & (highs > point - distance)).all(1)


def _solid_corners(scene: Scene, placement: int) -> Points:
    """Return the corners of triangles with an area, counter-clockwise seen from the front."""
    corners = placed_corners(scene, placement)
    sides = corners[:, 1:] - corners[:, :1]
    corners = corners[(np.cross(sides[:, 0], sides[:, 1]) != 0).any(1)]
    is_mirrored = np.linalg.det(scene.placements.matrix[placement][:3, :3]) < 0
    return corners[:, ::-1] if is_mirrored else corners
