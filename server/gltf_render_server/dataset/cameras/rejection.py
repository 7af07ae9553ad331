"""Checks poses of cameras: not inside an object, not close to a surface, and with a visible target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...extras import brought_by
from ...frame import Lens
from ...scene import Scene
from .bounds import bounds
from .setting import Made, Target
from .tables import Checks

if TYPE_CHECKING:
    from .obstacles import Obstacles

__all__ = ["find_fault", "load_obstacles", "view_rays"]

Points = NDArray[np.float64]

_CLEARANCE = 0.02  # of the scene's radius
_COLUMNS, _ROWS = 16, 12  # of the rays that look for what a picture shows
_ALL_AROUND = 192  # rays in all directions
_ROUNDING = 1e-6


@dataclass(frozen=True)
class _Distances:
    clearance: float
    view_clearance: float


def find_fault(made: Made, lens: Lens, checks: Checks, scene: Scene) -> str | None:
    """Return the check that a pose fails; None = it passes all checks.

    A camera that is outside of the scene's box, farther than it must be from any surface, is fine unless it
    is asked what it sees; nothing is loaded to tell that.

    Raises
    ------
    DatasetError
        A library that casts rays is missing.
    """
    if not len(scene.placements):
        return "the image shows too little of the scene (least_seen)" if checks.least_seen > 0 else None
    eye = made.camera_to_world[:3, 3]
    least = _distances(checks, scene)
    is_asked_what_it_sees = checks.see_target or checks.least_seen > 0
    if not is_asked_what_it_sees and _is_outside(eye, scene, max(least.clearance, least.view_clearance)):
        return None
    there = load_obstacles(scene)
    if not there.is_free(eye, least.clearance):
        return f"a surface is closer to the camera than clearance, {least.clearance:.3g} m"
    if not _is_outside(eye, scene, 0) and _back_faces(there, eye) > checks.most_back_faces:
        return "the camera is inside an object or behind the walls of a room"
    seen = there.cast(eye, view_rays(lens, made.camera_to_world)).distance
    if seen.min() < least.view_clearance:
        return f"something in view is closer to the camera than view_clearance, {least.view_clearance:.3g} m"
    if np.isfinite(seen).mean() < checks.least_seen:
        return "the image shows too little of the scene (least_seen)"
    if checks.see_target and made.target is not None and _is_hidden(there, eye, made.target):
        return "the target is hidden by another object"
    return None


def load_obstacles(scene: Scene) -> Obstacles:
    """Return the triangles of a scene.

    Raises
    ------
    DatasetError
        A library that casts rays is missing.
    """
    try:
        from .obstacles import obstacles
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"cameras: the pose checks need the package {error.name}; {brought_by('dataset')}"
        ) from error
    return obstacles(scene)


def view_rays(lens: Lens, camera_to_world: Points) -> Points:
    """Return unit directions spread evenly over a picture, (n, 3), in world axes."""
    u = (np.arange(_COLUMNS) + 0.5) / _COLUMNS * lens.width
    v = (np.arange(_ROWS) + 0.5) / _ROWS * lens.height
    x, y = np.meshgrid((u - lens.center_x) / lens.focal_x, (lens.center_y - v) / lens.focal_y)
    rays = np.stack([x, y, -np.ones_like(x)], -1).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return rays @ camera_to_world[:3, :3].T


def _distances(checks: Checks, scene: Scene) -> _Distances:
    clearance = _CLEARANCE * bounds(scene).radius if checks.clearance is None else checks.clearance
    return _Distances(clearance, 2 * clearance if checks.view_clearance is None else checks.view_clearance)


def _is_outside(eye: Points, scene: Scene, distance: float) -> bool:
    """Return whether a point is farther than a distance outside of a scene's box."""
    extent = bounds(scene)
    away = np.maximum(np.maximum(extent.low - eye, eye - extent.high), 0)
    return bool(np.linalg.norm(away) > distance)


def _back_faces(there: Obstacles, eye: Points) -> float:
    """Return the share of back faces among the surfaces around a point; 0 = there are no surfaces."""
    hits = there.cast(eye, _all_around())
    is_hit = hits.instance >= 0
    return float(hits.is_back[is_hit].mean()) if is_hit.any() else 0.0


def _is_hidden(there: Obstacles, eye: Points, target: Target) -> bool:
    """Return whether something hides the target of a camera.

    The target itself does not hide its middle, nor does what encloses a point.
    """
    way = target.point - eye
    distance = float(np.linalg.norm(way))
    hits = there.cast(eye, way[None] / distance)
    if hits.distance[0] >= distance * (1 - _ROUNDING):
        return False
    if target.instance is not None:
        return hits.instance[0] != target.instance
    around = there.cast(target.point, _all_around())
    return hits.instance[0] not in around.instance[around.is_back]


def _all_around() -> Points:
    """Return evenly spread unit vectors, (n, 3)."""
    heights = 1 - 2 * (np.arange(_ALL_AROUND) + 0.5) / _ALL_AROUND
    angles = np.arange(_ALL_AROUND) * math.pi * (3 - math.sqrt(5))
    radii = np.sqrt(1 - heights**2)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles), heights], 1)
