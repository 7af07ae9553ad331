"""Poses: converts the client's world to Blender's, and sets matrices in Blender without rounding."""

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
    """Return the transform from the client's world to Blender's world.

    Blender stores positions in float32, so depth would be inaccurate far from the origin. Unless objects of
    the user have fixed positions, the world is translated so that the cameras are near the origin. The
    translation has whole steps, and is zero near the origin.

    Parameters
    ----------
    cameras_to_world : sequence of (4, 4) float64
        The poses in the client's world; at least one.
    up_axis : {"z", "y"}
        The up axis of the client's files.
    may_move : bool
        Whether the world may be translated.

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
    """Place an object whose parent is at the origin, with any (4, 4) matrix.

    The matrix is set as the parent's inverse matrix, which Blender uses unchanged. Location, rotation and
    scale cannot represent shear, which results from a rotation below a non-uniform scale. For a camera,
    converting the matrix to them and back would make depth ten times less precise on a floor at a grazing
    angle.
    """
    item.matrix_parent_inverse = Matrix(matrix.tolist())
