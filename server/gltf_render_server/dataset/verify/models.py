"""The surfaces of a scene's objects, and what rays meet of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Met", "Models", "Part", "placed"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """A surface of an object.

    Attributes
    ----------
    number : int
        Of the object.
    triangles : (m, 3, 3) float
        Corners in the world, or in the camera's axes, metres.
    has_holes : bool
        Whether rays may go through it that these triangles stop.
    """

    number: int
    triangles: NDArray[np.floating]
    has_holes: bool = False


@dataclass(frozen=True, eq=False)
class Met:
    """What rays meet first.

    Attributes
    ----------
    depth : (n,) float64
        In lengths of the ray; inf = nothing.
    number : (n,) int
        0 = nothing.
    normal : (n, 3) float64
        Across the triangle; of any length and sign.
    is_sure : (n,) bool
        Whether it is no surface with holes.
    """

    depth: Floats
    number: NDArray[np.int64]
    normal: Floats
    is_sure: NDArray[np.bool_]


class Models:
    """Surfaces that rays are sent at.

    Parameters
    ----------
    parts : sequence of Part
    in_camera : bool
        Whether they are in the camera's axes, else in the world's.
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
        """Those of the objects."""
        return set(self._number.tolist())

    def meet(self, origin: Floats, rays: Floats, near: float, far: float) -> Met:
        """Send rays.

        Parameters
        ----------
        origin : (3,) float64
        rays : (n, 3) float64
        near, far : float
            From where to where something is met, in lengths of the ray.
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
    """Move triangles, (m, 3, 3)."""
    return triangles @ matrix[:3, :3].T + matrix[:3, 3]
