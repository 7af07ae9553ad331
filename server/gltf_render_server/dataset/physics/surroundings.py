"""What does not move while objects fall: planes, and the surfaces of a room."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import SceneError
from ...scene import Scene
from ..cameras.bounds import bounds, placed_corners
from .pieces import convex_pieces, is_closed, weld

__all__ = ["Plane", "Surroundings", "surroundings_of_room"]

_MOST_OPEN_TRIANGLES = 5000  # each of which becomes a slab
_SLAB_M = 0.02

Corners = NDArray[np.float64]
Points = NDArray[np.float64]
Vector = NDArray[np.float64]
Plane = tuple[Vector, Vector]
"""A point of a plane, and the normal on its free side, (3,) float64 each."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Everything that does not move.

    Attributes
    ----------
    up : (3,) float64
    planes : tuple of Plane
        Objects are on their free sides.
    pieces : tuple of (n, 3) float64
        Convex pieces in metres, for the simulation.
    solids : tuple of (n, 3, 3) float64
        Triangles of closed surfaces in metres; no object is inside one at rest.
    low, high : (3,) float64
        A box in metres that contains the middle of each object at rest.
    friction : float
        Of two frictions, the simulation uses the greater one.
    """

    up: Vector
    planes: tuple[Plane, ...] = ()
    pieces: tuple[Points, ...] = ()
    solids: tuple[Corners, ...] = ()
    low: Vector = field(default_factory=lambda: np.full(3, -np.inf))
    high: Vector = field(default_factory=lambda: np.full(3, np.inf))
    friction: float = 0.1


def surroundings_of_room(scene: Scene, up: Vector) -> Surroundings:
    """Return the surfaces of a room: closed ones as solids, others as thin slabs behind their triangles.

    Raises
    ------
    SceneError
        The open surfaces of the room have too many triangles, or the room shows nothing.
    """
    pieces: list[Points] = []
    solids: list[Corners] = []
    open_triangles = 0
    for placement in range(len(scene.placements)):
        corners = placed_corners(scene, placement)
        if not len(corners):
            continue
        points, triangles = weld(corners)
        corners = points[triangles]
        if is_closed(triangles) and _volume(corners) > 0:
            pieces += convex_pieces(corners)
            solids.append(corners)
            continue
        open_triangles += len(corners)
        if open_triangles > _MOST_OPEN_TRIANGLES:
            raise SceneError(
                f"the room: its open surfaces have more than {_MOST_OPEN_TRIANGLES} triangles; close or "
                "simplify them"
            )
        pieces += _slabs(corners)
    box = bounds(scene)
    return Surroundings(up, pieces=tuple(pieces), solids=tuple(solids), low=box.low, high=box.high)


def _slabs(corners: Corners) -> list[Points]:
    """Return a prism behind each triangle."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    is_good = lengths > 1e-9
    behind = _SLAB_M * normals[is_good] / lengths[is_good, None]
    return [*np.concatenate([corners[is_good], corners[is_good] - behind[:, None]], axis=1)]


def _volume(corners: Corners) -> float:
    """Return the volume inside a closed surface; it is negative if the triangles face inwards."""
    corners = corners - corners.mean((0, 1))
    return float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))) / 6
