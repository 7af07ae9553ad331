"""Meshes for colour images: triangles with normals, texture coordinates and vertex colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..gltf import Content, read_attribute, read_corners, read_normals
from ..scene import Primitive

__all__ = ["SurfaceMesh", "read_surface"]


@dataclass(frozen=True)
class SurfaceMesh:
    """A mesh with all vertex attributes that its material may use.

    Attributes
    ----------
    points, normals : (n, 3) float32
    texcoords : (n, 2) float32
        In glTF's convention, with v pointing down; zeros if there are none.
    colours : (n, 4) float32
        Linear red, green, blue, and alpha; ones if there are none.
    corners : (m, 3) int32
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    texcoords: NDArray[np.float32]
    colours: NDArray[np.float32]
    corners: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
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
        normals = read_normals(content, primitive).reshape(-1, 3)
    own_corners = compact.astype(np.int32).reshape(-1, 3)
    return SurfaceMesh(points[used], normals, texcoords[used], colours[used], own_corners)


def _optional(
    content: Content, primitive: Primitive, name: str, otherwise: NDArray[np.float32]
) -> NDArray[np.float32]:
    attributes = content.source.meshes[primitive.mesh].primitives[primitive.number].attributes
    return read_attribute(content, primitive, name) if name in attributes else otherwise
