"""Reads the triangles of a primitive into arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..limits import ask_time
from ..scene import Primitive, Triangles
from . import schema
from .content import Content
from .normals import flat_normals, smooth_normals
from .resources import as_values, read_accessor
from .skins import moved_normals, moved_points, read_weights

__all__ = [
    "read_attribute",
    "read_corners",
    "read_normals",
    "read_texcoords",
    "read_triangles",
    "vertex_count",
]

_STRIP, _FAN = 5, 6
_MOVED = {"POSITION": moved_points, "NORMAL": moved_normals}


def read_triangles(content: Content, primitive: Primitive) -> Triangles:
    """Read a primitive with its morph targets and its skin applied.

    Parameters
    ----------
    content : Content
    primitive : Primitive
        A primitive of the document.
    """
    return _compact(read_attribute(content, primitive, "POSITION"), read_corners(content, primitive))


def has_attribute(content: Content, primitive: Primitive, name: str) -> bool:
    """Return whether a primitive has a vertex attribute of this name."""
    return name in _source(content, primitive).attributes


def read_attribute(content: Content, primitive: Primitive, name: str, step: int = 1) -> NDArray[np.float32]:
    """Read a vertex attribute, (n, k), of every `step`-th vertex; KeyError if it is missing.

    Morph targets are added, and the skin is applied to positions and normals.
    """
    source = _source(content, primitive)
    values = _floats(content, source.attributes[name], step)
    for weight, target in zip(primitive.weights, source.targets or (), strict=True):
        if weight and name in target:
            ask_time()
            values += np.float32(weight) * _floats(content, target[name], step)
    if primitive.pose and name in _MOVED:
        joints = np.frombuffer(primitive.pose).reshape(-1, 4, 4)
        sets = read_weights(content.source, content.buffers, source)
        return _MOVED[name](values, joints, [some.every(step) for some in sets])
    return values


def read_corners(content: Content, primitive: Primitive) -> NDArray[np.int32]:
    """Read the vertex indices of each triangle, (m, 3)."""
    source = _source(content, primitive)
    if source.indices is None:
        indices = np.arange(vertex_count(content, primitive), dtype=np.int32)
    else:
        indices = read_accessor(content.source, content.buffers, source.indices)[:, 0].astype(np.int32)
    return _corners(indices, source.mode)


def read_normals(content: Content, primitive: Primitive) -> NDArray[np.float32]:
    """Return the shading normals at the corners of a primitive's triangles, (m, 3, 3).

    They are the file's own normals, normalised after morph targets and quantisation, or else the normals with
    which colour is shaded; see `Primitive.is_smoothed`.
    """
    corners = read_corners(content, primitive)
    if primitive.has_normals:
        normals = read_attribute(content, primitive, "NORMAL")
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals /= np.where(length > 0, length, 1).astype(np.float32)
        return normals[corners]
    points = read_attribute(content, primitive, "POSITION")
    return (smooth_normals if primitive.is_smoothed else flat_normals)(points, corners)


def read_texcoords(content: Content, primitive: Primitive, number: int) -> NDArray[np.float32] | None:
    """Read one set of texture coordinates at the corners of a primitive's triangles, (m, 3, 2)."""
    name = f"TEXCOORD_{number}"
    if not has_attribute(content, primitive, name):
        return None
    return read_attribute(content, primitive, name)[read_corners(content, primitive)]


def vertex_count(content: Content, primitive: Primitive) -> int:
    """Return the number of vertices in a primitive's accessors, which other primitives may share."""
    return content.source.accessors[_source(content, primitive).attributes["POSITION"]].count


def _source(content: Content, primitive: Primitive) -> schema.Primitive:
    return content.source.meshes[primitive.mesh].primitives[primitive.number]


def _floats(content: Content, accessor: int, step: int) -> NDArray[np.float32]:
    numbers = read_accessor(content.source, content.buffers, accessor)[::step]
    return as_values(numbers, content.source.accessors[accessor]).astype(np.float32)


def _corners(indices: NDArray[np.int32], mode: int) -> NDArray[np.int32]:
    if mode == _STRIP:
        corners = np.stack([indices[:-2], indices[1:-1], indices[2:]], 1)
        # every other triangle of a strip has the opposite winding order
        corners[1::2] = corners[1::2, [0, 2, 1]]
        return corners
    if mode == _FAN:
        first = np.broadcast_to(indices[0], len(indices) - 2)
        return np.stack([first, indices[1:-1], indices[2:]], 1)
    return indices.reshape(-1, 3)


def _compact(vertices: NDArray[np.float32], corners: NDArray[np.int32]) -> Triangles:
    """Remove vertices that only other primitives use, if there are enough of them."""
    if corners.size >= len(vertices):
        return Triangles(vertices, np.ascontiguousarray(corners))
    used, compact = np.unique(corners, return_inverse=True)
    return Triangles(vertices[used], compact.astype(np.int32).reshape(-1, 3))
