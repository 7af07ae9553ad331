"""Points and boxes in the axes of a scene's objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..scene import Scene
from .hits import Exact
from .meshes import Meshes

__all__ = ["in_objects", "object_boxes"]

_FLATTEST = 5e-7  # fraction of the largest side; flatter placements have been given a thickness

Floats = NDArray[np.float64]


def object_boxes(scene: Scene, meshes: Meshes) -> tuple[Floats, Floats]:
    """Return the bounding box of all surfaces of each object, in the object's own axes.

    Returns
    -------
    low, high : (k, 3) float64
        The corners of the boxes, in the object's unit.
    """
    placements, instance = scene.placements, scene.placements.instance
    low, high = (np.full((len(scene.instances), 3), sign * np.inf) for sign in (1, -1))
    inverse, offset, is_flat = _inverses(scene.instances.matrix)
    boxes = [meshes.box(scene, index) for index in range(len(scene.primitives))]
    lowest, highest = np.array(boxes, float).reshape(-1, 2, 3)[placements.primitive].transpose(1, 0, 2)
    stands_apart = (placements.matrix != scene.instances.matrix[instance]).any((1, 2))
    is_elsewhere = stands_apart | is_flat[instance]
    for index in np.flatnonzero(is_elsewhere).tolist():
        matrix, own = placements.matrix[index], inverse[instance[index]]
        points = meshes.corners(scene, int(placements.primitive[index])).reshape(-1, 3)
        turn, place = own @ matrix[:3, :3], own @ matrix[:3, 3] + offset[instance[index]]
        placed = points @ turn.T + place
        lowest[index], highest[index] = placed.min(0), placed.max(0)
    np.minimum.at(low, instance, lowest)
    np.maximum.at(high, instance, highest)
    return low, high


def in_objects(points: Floats, exact: Exact, scene: Scene) -> Floats:
    """Transform points from the world to the axes of their objects.

    Parameters
    ----------
    points : (height, width, 3) float64
    exact : Exact
        The exact render, which gives the object of each point.
    scene : Scene

    Returns
    -------
    (height, width, 3) float64
        The points in their objects' axes; NaN where no numbered object is visible. If an object's matrix is
        singular, the result is the solution of least norm.
    """
    matrices = scene.instances.matrix
    which = exact.looked_up(scene.placements.instance, -1)
    if exact.others is not None:
        is_numbered = exact.others.index >= 0
        which[is_numbered] = len(matrices) + exact.others.index[is_numbered]
        matrices = np.concatenate([matrices, exact.others.matrix])
    inverse, offset, _ = _inverses(matrices)
    found = np.empty_like(points)
    for axis in range(3):
        plane = np.append(offset[:, axis], np.nan).take(which)
        for other in range(3):
            plane += np.append(inverse[:, axis, other], np.nan).take(which) * points[..., other]
        found[..., axis] = plane
    return found


def _inverses(matrices: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the inverses of affine matrices, (k, 4, 4).

    Returns
    -------
    turn : (k, 3, 3) float64
        The linear part; for a singular matrix, its pseudoinverse, which gives the solution of least norm.
    offset : (k, 3) float64
    is_flat : (k,) bool
    """
    turns = matrices[:, :3, :3]
    sizes = np.linalg.svd(turns, compute_uv=False)
    inverse = np.linalg.pinv(turns, rcond=_FLATTEST)
    offset = -np.einsum("kij,kj->ki", inverse, matrices[:, :3, 3])
    return inverse, offset, sizes[:, 2] <= _FLATTEST * sizes[:, 0]
