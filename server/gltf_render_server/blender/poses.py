"""Poses: from the client's world to Blender's, and into Blender without losing a bit."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

__all__ = ["client_to_blender", "set_world_matrix"]

_ORIGIN_STEP_M = 16.0

_Y_UP_TO_Z_UP = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)


def client_to_blender(
    cameras_to_world: Sequence[NDArray[np.float64]], up_axis: str, *, may_move: bool
) -> NDArray[np.float64]:
    """Return the transform from the client's world to Blender's.

    Blender keeps positions in float32, so far from the origin depth would lose its exactness. Where
    nothing of the user's stands in the way, the world is moved so that the cameras are near the origin,
    by whole steps: near the origin nothing moves.

    Parameters
    ----------
    cameras_to_world : sequence of (4, 4) float64
        In the client's world; at least one.
    up_axis : {"z", "y"}
        Which axis points up in the client's files.
    may_move : bool
        Whether the world may be moved.

    Returns
    -------
    (4, 4) float64
    """
    to_blender = np.eye(4) if up_axis == "z" else _Y_UP_TO_Z_UP.copy()
    if may_move:
        middle = np.mean([(to_blender @ camera)[:3, 3] for camera in cameras_to_world], axis=0)
        to_blender[:3, 3] = -_ORIGIN_STEP_M * np.round(middle / _ORIGIN_STEP_M)
    return to_blender


def set_world_matrix(item: bpy.types.Object, matrix: NDArray[np.float64]) -> None:
    """Place an object whose parent stands at the origin, with a (4, 4) matrix of any kind.

    A parent's inverse is taken as it is. Location, rotation and scale cannot hold the shear of a rotation
    below a scale that is not uniform, and turning a camera's matrix into them and back costs ten times the
    precision of depth on a floor seen at a grazing angle.
    """
    item.matrix_parent_inverse = Matrix(matrix.tolist())
