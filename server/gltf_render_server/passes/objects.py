"""What is where in the axes of a scene's objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..scene import Scene
from .hits import Exact
from .meshes import Meshes

__all__ = ["in_objects", "object_boxes"]

Floats = NDArray[np.float64]


def object_boxes(scene: Scene, meshes: Meshes) -> tuple[Floats, Floats]:
    """Return the box that all surfaces of each object fill, in the object's own axes.

    Returns
    -------
    low, high : (k, 3) float64
        In the object's unit.
    """
    placements = scene.placements
    low, high = (np.full((len(scene.instances), 3), sign * np.inf) for sign in (1, -1))
    inverse = np.linalg.pinv(scene.instances.matrix)
    for primitive, instance, matrix in zip(
        placements.primitive.tolist(), placements.instance.tolist(), placements.matrix, strict=True
    ):
        to_object = inverse[instance] @ matrix
        if np.allclose(to_object, np.eye(4), atol=1e-9):
            lowest, highest = meshes.box(scene, primitive)
        else:  # a skin, which stands where its joints are
            points = meshes.corners(scene, primitive).reshape(-1, 3)
            placed = points @ to_object[:3, :3].T + to_object[:3, 3]
            lowest, highest = placed.min(0), placed.max(0)
        np.minimum(low[instance], lowest, out=low[instance])
        np.maximum(high[instance], highest, out=high[instance])
    return low, high


def in_objects(points: Floats, exact: Exact, scene: Scene) -> Floats:
    """Bring points of the world into the axes of their objects.

    Parameters
    ----------
    points : (height, width, 3) float64
    exact : Exact
        Whose they are.
    scene : Scene

    Returns
    -------
    (height, width, 3) float64
        NaN where the point is no numbered object's. Where an object's matrix is flat, that of least length.
    """
    matrices = scene.instances.matrix
    which = np.append(scene.placements.instance, -1)[exact.placement]
    if exact.others is not None:
        is_numbered = exact.others.index >= 0
        which[is_numbered] = len(matrices) + exact.others.index[is_numbered]
        matrices = np.concatenate([matrices, exact.others.matrix])
    inverse = np.linalg.pinv(matrices[:, :3, :3])
    offset = -np.einsum("kij,kj->ki", inverse, matrices[:, :3, 3])
    found = np.empty_like(points)
    for axis in range(3):
        plane = np.append(offset[:, axis], np.nan)[which]
        for other in range(3):
            plane += np.append(inverse[:, axis, other], np.nan)[which] * points[..., other]
        found[..., axis] = plane
    return found
