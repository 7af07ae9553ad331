"""Bounds of a scene and of its objects."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ...errors import SceneError
from ...recent import Recent
from ...scene import Scene

__all__ = ["Bounds", "bounds", "content_key", "object_bounds", "placed_corners", "placed_points"]

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bounds:
    """A box along the world's axes, and a sphere about its middle.

    Attributes
    ----------
    low, high : (3,) float64
        Of the box, metres.
    radius : float
        The distance from the middle of the box to the point that is farthest from it, metres.
    """

    low: Points
    high: Points
    radius: float

    @property
    def center(self) -> Points:
        """Middle of the box and of the sphere, (3,)."""
        return (self.low + self.high) / 2


_recent: Recent[Bounds] = Recent(2**20)
_lock = Lock()


def bounds(scene: Scene) -> Bounds:
    """Return the bounds of a scene in float64; recent results are kept.

    Raises
    ------
    SceneError
        It shows nothing.
    """
    return _remembered(scene, None)


def object_bounds(scene: Scene, instance: int) -> Bounds:
    """Return the bounds of one of ``scene.instances``; recent results are kept.

    Raises
    ------
    SceneError
        It shows nothing.
    """
    return _remembered(scene, instance)


def placed_points(scene: Scene, placement: int) -> Points:
    """Return the points of a placement's triangles, (n, 3) float64, in world axes."""
    triangles = scene.asset.triangles(scene.primitives[scene.placements.primitive[placement]])
    is_used = np.zeros(len(triangles.vertices), bool)
    is_used[triangles.corners] = True
    return _placed(scene, placement, triangles.vertices[is_used])


def placed_corners(scene: Scene, placement: int) -> Points:
    """Return the corners of a placement's triangles, (m, 3, 3) float64, in world axes."""
    triangles = scene.asset.triangles(scene.primitives[scene.placements.primitive[placement]])
    return _placed(scene, placement, triangles.vertices)[triangles.corners]


def content_key(scene: Scene) -> Hashable:
    """Return a key that is equal for scenes whose triangles are in the same places."""
    placements = scene.placements
    arrays = (placements.primitive, placements.matrix, placements.instance)
    return (scene.shapes, *(blake3(array.tobytes()).digest() for array in arrays))


def _placed(scene: Scene, placement: int, points: NDArray[np.float32]) -> Points:
    matrix = scene.placements.matrix[placement]
    return points.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def _remembered(scene: Scene, instance: int | None) -> Bounds:
    with _lock:
        return _recent.get((content_key(scene), instance), lambda: _measure(scene, instance), lambda _: 256)


def _measure(scene: Scene, instance: int | None) -> Bounds:
    """Return the bounds of an object; None = of all objects."""
    instances = scene.placements.instance
    is_meant = np.full(len(instances), True) if instance is None else instances == instance
    placements = np.flatnonzero(is_meant).tolist()

    def all_points() -> Iterator[Points]:
        return (points for index in placements if len(points := placed_points(scene, index)))

    boxes = np.array([(points.min(0), points.max(0)) for points in all_points()])
    if not len(boxes):
        raise SceneError(
            "the scene is empty, so the camera has nothing to look at; give the cameras poses that do "
            "not depend on the scene"
        )
    low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
    center = (low + high) / 2
    radius = max(float(np.linalg.norm(points - center, axis=1).max()) for points in all_points())
    return Bounds(low, high, radius)
