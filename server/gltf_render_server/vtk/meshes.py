"""What a colour picture needs of a mesh: normals and texture coordinates beside its triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals

from ..gltf import Content, read_attribute, read_corners
from ..scene import Primitive
from .canvas import make_polydata

__all__ = ["SurfaceMesh", "read_surface"]

_SMOOTH_BELOW_DEG = 30.0
_WELD_DISTANCE = 1e-6  # of the mesh's size


@dataclass(frozen=True)
class SurfaceMesh:
    """A mesh with all that its material may look up on it.

    Attributes
    ----------
    points, normals : (n, 3) float32
    texcoords : (n, 2) float32
        As glTF has them: v points down. Zeros where it has none.
    colours : (n, 4) float32
        Linear red, green and blue, and alpha. Ones where it has none.
    corners : (m, 3) int32
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    texcoords: NDArray[np.float32]
    colours: NDArray[np.float32]
    corners: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """What it takes."""
        parts = (self.points, self.normals, self.texcoords, self.colours, self.corners)
        return sum(part.nbytes for part in parts)


def read_surface(content: Content, primitive: Primitive, texcoord: int) -> SurfaceMesh:
    """Read a primitive with one of its sets of texture coordinates."""
    corners = read_corners(content, primitive)
    points = read_attribute(content, primitive, "POSITION")
    texcoords = _optional(content, primitive, f"TEXCOORD_{texcoord}", np.zeros((len(points), 2), np.float32))
    colours = _optional(content, primitive, "COLOR_0", np.ones((len(points), 4), np.float32))
    if colours.shape[1] == 3:
        colours = np.column_stack([colours, np.ones(len(colours), np.float32)])
    if primitive.has_normals:
        used, compact = np.unique(corners, return_inverse=True)
        normals = read_attribute(content, primitive, "NORMAL")[used]
    else:
        used, compact = corners.reshape(-1), np.arange(corners.size)
        normals = (_smooth_normals if primitive.is_smoothed else _flat_normals)(points, corners)
    own_corners = compact.astype(np.int32).reshape(-1, 3)
    return SurfaceMesh(points[used], normals, texcoords[used], colours[used], own_corners)


def _optional(
    content: Content, primitive: Primitive, name: str, otherwise: NDArray[np.float32]
) -> NDArray[np.float32]:
    attributes = content.source.meshes[primitive.mesh].primitives[primitive.number].attributes
    return read_attribute(content, primitive, name) if name in attributes else otherwise


def _flat_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return a normal for each corner, (3 m, 3): that of its face."""
    a, b, c = (points[corners[:, corner]].astype(float) for corner in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-300)
    return np.repeat(normals, 3, axis=0).astype(np.float32)


def _smooth_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return a normal for each corner, (3 m, 3), smooth where faces meet at less than 30 degrees.

    Drake's own primitives come with split vertices, which are welded first.
    """
    step = _WELD_DISTANCE * float(np.ptp(points, axis=0).max()) or 1.0
    _, first, welded = np.unique(np.round(points / step), axis=0, return_index=True, return_inverse=True)
    faces = welded.reshape(-1)[corners].astype(np.int32)
    smoother = vtkPolyDataNormals()
    smoother.SetInputData(make_polydata(np.ascontiguousarray(points[first]), faces))
    smoother.SetFeatureAngle(_SMOOTH_BELOW_DEG)
    smoother.SplittingOn()
    smoother.ConsistencyOff()  # it may turn faces, and with them the order of their corners
    smoother.Update()
    found = smoother.GetOutput()
    split = vtk_to_numpy(found.GetPolys().GetConnectivityArray())
    return vtk_to_numpy(found.GetPointData().GetNormals())[split].astype(np.float32)
