"""The surfaces of a scene's objects, and the intersections of rays with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Met", "Models", "Part", "placed"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """A surface that belongs to an object.

    Attributes
    ----------
    number : int
        The number of the object.
    triangles : (m, 3, 3) float
        The corners of triangles, metres, in the world's or in the camera's axes.
    has_holes : bool
        Whether parts of the triangles are cut out (by an alpha mask), so that rays may pass through them.
    """

    number: int
    triangles: NDArray[np.floating]
    has_holes: bool = False


@dataclass(frozen=True, eq=False)
class Met:
    """The first intersection of each ray.

    Attributes
    ----------
    depth : (n,) float64
        In lengths of the ray's direction; inf = no hit.
    number : (n,) int
        The number of the object that was hit; 0 = no hit.
    normal : (n, 3) float64
        The normal of the triangle, of any length and sign.
    is_sure : (n,) bool
        False where the ray hit a surface with holes.
    """

    depth: Floats
    number: NDArray[np.int64]
    normal: Floats
    is_sure: NDArray[np.bool_]


class Models:
    """Surfaces that rays are cast at.

    Parameters
    ----------
    parts : sequence of Part
    in_camera : bool
        Whether the triangles are in the camera's axes; otherwise they are in the world's.
    """

    def __init__(self, parts: Sequence[Part], *, in_camera: bool = False) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self.in_camera = in_camera
        counts = [len(part.triangles) for part in parts]
        self._triangles = np.concatenate([part.triangles for part in parts]).astype(float)
        self._number = np.repeat([part.number for part in parts], counts).astype(np.int64)
        self._has_holes = np.repeat([part.has_holes for part in parts], counts)
        self.middle = self._triangles.mean((0, 1)) if len(self._triangles) else np.zeros(3)
        self._scene = EmbreeScene(robust=True)
        TriangleMesh(self._scene, (self._triangles - self.middle).astype(np.float32))

    @property
    def numbers(self) -> set[int]:
        """The numbers of the objects."""
        return set(self._number.tolist())

    def meet(self, origin: Floats, rays: Floats, near: float, far: float) -> Met:
        """Return the first intersection of each ray.

        Parameters
        ----------
        origin : (3,) float64
        rays : (n, 3) float64
        near, far : float
            The range in which intersections count, in lengths of the ray's direction.
        """
        begin = origin + near * rays
        directions = rays.astype(np.float32)
        hits = self._scene.run((begin - self.middle).astype(np.float32), directions, output=True)
        index = np.asarray(hits["primID"]).astype(np.int64)
        is_met = index >= 0
        corners = self._triangles[np.where(is_met, index, 0)]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = ((corners[:, 0] - origin) * normal).sum(1) / (rays * normal).sum(1)
        is_met &= np.isfinite(depth) & (depth <= far)
        return Met(
            np.where(is_met, depth, np.inf),
            np.where(is_met, self._number[np.where(is_met, index, 0)], 0),
            normal,
            ~(is_met & self._has_holes[np.where(is_met, index, 0)]),
        )


def placed(triangles: NDArray[np.floating], matrix: Floats) -> Floats:
    """Transform triangles, (m, 3, 3), by a 4 x 4 matrix."""
    return triangles @ matrix[:3, :3].T + matrix[:3, 3]
