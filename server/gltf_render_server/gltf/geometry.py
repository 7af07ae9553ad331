"""The triangles of a primitive as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scene import Primitive
from . import schema
from .content import Content
from .resources import read_accessor, read_values
from .skins import moved_normals, moved_points, read_weights

__all__ = ["Triangles", "read_attribute", "read_corners", "read_triangles"]

_STRIP, _FAN = 5, 6
_MOVED = {"POSITION": moved_points, "NORMAL": moved_normals}


@dataclass(frozen=True)
class Triangles:
    """A surface without a material.

    Attributes
    ----------
    vertices : (n, 3) float32
        In the primitive's own frame, metres.
    corners : (m, 3) int32
        Indices into `vertices`.
    """

    vertices: NDArray[np.float32]
    corners: NDArray[np.int32]


def read_triangles(content: Content, primitive: Primitive) -> Triangles:
    """Read a primitive, with its morph targets added and its skin posed.

    Parameters
    ----------
    content : Content
    primitive : Primitive
        Of it.
    """
    return _compact(read_attribute(content, primitive, "POSITION"), read_corners(content, primitive))


def read_attribute(content: Content, primitive: Primitive, name: str) -> NDArray[np.float32]:
    """Read what each vertex has under a name, (n, k); KeyError if nothing.

    Morph targets are added, and a skin's joints have moved points and normals.
    """
    source = _source(content, primitive)
    values = _floats(content, source.attributes[name])
    for weight, target in zip(primitive.weights, source.targets or (), strict=True):
        if weight and name in target:
            values += np.float32(weight) * _floats(content, target[name])
    if primitive.pose and name in _MOVED:
        joints = np.frombuffer(primitive.pose).reshape(-1, 4, 4)
        return _MOVED[name](values, joints, read_weights(content.source, content.buffers, source))
    return values


def read_corners(content: Content, primitive: Primitive) -> NDArray[np.int32]:
    """Read the vertices of each triangle, (m, 3)."""
    source = _source(content, primitive)
    if source.indices is None:
        count = content.source.accessors[source.attributes["POSITION"]].count
        indices = np.arange(count, dtype=np.int32)
    else:
        indices = read_accessor(content.source, content.buffers, source.indices)[:, 0].astype(np.int32)
    return _corners(indices, source.mode)


def _source(content: Content, primitive: Primitive) -> schema.Primitive:
    return content.source.meshes[primitive.mesh].primitives[primitive.number]


def _floats(content: Content, accessor: int) -> NDArray[np.float32]:
    return read_values(content.source, content.buffers, accessor).astype(np.float32)


def _corners(indices: NDArray[np.int32], mode: int) -> NDArray[np.int32]:
    if mode == _STRIP:
        return np.stack([indices[:-2], indices[1:-1], indices[2:]], 1)
    if mode == _FAN:
        first = np.broadcast_to(indices[0], len(indices) - 2)
        return np.stack([first, indices[1:-1], indices[2:]], 1)
    return indices.reshape(-1, 3)


def _compact(vertices: NDArray[np.float32], corners: NDArray[np.int32]) -> Triangles:
    """Leave out vertices that belong to other primitives, where that is worth while."""
    if corners.size >= len(vertices):
        return Triangles(vertices, np.ascontiguousarray(corners))
    used, compact = np.unique(corners, return_inverse=True)
    return Triangles(vertices[used], compact.astype(np.int32).reshape(-1, 3))
