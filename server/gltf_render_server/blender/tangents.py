"""Tangents for normal maps and anisotropy, for meshes where those of Cycles are not deterministic.

Cycles sums the tangents of a large mesh in parallel. The order of a sum affects its last bit, and the
denoiser spreads the difference over the image. If a mesh has tangents, Cycles computes none.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import compat

__all__ = ["corner_tangents", "give_tangents"]

_Floats = NDArray[np.float64]

_MOST_TRIANGLES_IN_ORDER = 10_000
"""Above this, MikkTSpace sums in parallel (``isParallel`` in Blender's mikktspace.hh)."""


def give_tangents(mesh: bpy.types.Mesh) -> None:
    """Add the tangents that a mesh's materials need, if those of Cycles would not be deterministic.

    The attributes are those that Cycles looks for before it computes them: ``<UV map>.tangent`` and ``<UV
    map>.tangent_sign``. Existing attributes are kept.
    """
    if not compat.COUNTS_OWN_TANGENTS or len(mesh.polygons) <= _MOST_TRIANGLES_IN_ORDER:
        return
    for name in sorted(_mapped_by(mesh.materials) & set(mesh.uv_layers.keys())):
        if f"{name}.tangent" not in mesh.attributes:
            _give(mesh, name)


def corner_tangents(points: _Floats, normals: _Floats, uv: _Floats) -> tuple[_Floats, _Floats]:
    """Compute tangents by the rules of MikkTSpace (http://www.mikktspace.com), in a fixed order.

    Corners with equal point, normal, UV and handedness share a tangent. It is the mean of their triangles'
    tangents, each projected into the plane of the normal and weighted by the corner's angle.

    Parameters
    ----------
    points, normals : (n, 3, 3) float64
        For each corner of each triangle. The normals have length 1.
    uv : (n, 3, 2) float64

    Returns
    -------
    tangents : (n, 3, 3) float64
        Unit vectors towards increasing u; (1, 0, 0) where the UVs have no area.
    signs : (n, 3) float64
        The sign of the bitangent: 1 = normal x tangent; -1 = the opposite, where a texture is mirrored.
    """
    handed, along = _along_u(points, uv)
    along = _unit(_projected(np.broadcast_to(along[:, None], normals.shape), normals))
    edges = np.roll(points, -1, 1) - points
    after, before = _unit(_projected(edges, normals)), _unit(_projected(-np.roll(edges, 1, 1), normals))
    angles = np.arccos(np.clip((after * before).sum(-1), -1, 1))
    signs = np.broadcast_to(np.where(handed, 1.0, -1.0)[:, None], angles.shape)
    corner = _numbered(np.concatenate([points, normals, uv, signs[..., None]], -1).reshape(-1, 9))
    weighted = (along * angles[..., None]).reshape(-1, 3)
    sums = np.stack([np.bincount(corner, weighted[:, axis]) for axis in range(3)], -1)
    tangents = _unit(sums)
    tangents[~tangents.any(-1)] = (1, 0, 0)
    return tangents[corner].reshape(points.shape), signs


def _mapped_by(materials: Any) -> set[str]:
    """Return the names of the UV maps whose tangents some materials need."""
    trees = [material.node_tree for material in materials if material and material.node_tree]
    nodes: list[Any] = [node for tree in trees for node in tree.nodes if _needs_tangents(node)]
    return {node.uv_map for node in nodes}


def _needs_tangents(node: Any) -> bool:
    if node.type == "NORMAL_MAP":
        return node.space == "TANGENT"
    return node.type == "TANGENT" and node.direction_type == "UV_MAP"


def _give(mesh: Any, name: str) -> None:
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    vertices = _read(mesh.vertices, "co", 3)
    normals = _read(mesh.corner_normals, "vector", 3)
    uv = _read(mesh.uv_layers[name].uv, "vector", 2)
    shape = (-1, 3, 3)
    tangents, signs = corner_tangents(
        vertices[corners].reshape(shape), normals.reshape(shape), uv.reshape(-1, 3, 2)
    )
    vectors = mesh.attributes.new(f"{name}.tangent", "FLOAT_VECTOR", "CORNER")
    vectors.data.foreach_set("vector", tangents.astype(np.float32).reshape(-1))
    numbers = mesh.attributes.new(f"{name}.tangent_sign", "FLOAT", "CORNER")
    numbers.data.foreach_set("value", signs.astype(np.float32).reshape(-1))


def _read(items: Any, name: str, width: int) -> _Floats:
    values = np.empty(width * len(items), np.float32)
    items.foreach_get(name, values)
    return values.reshape(-1, width).astype(np.float64)


def _along_u(points: _Floats, uv: _Floats) -> tuple[NDArray[np.bool_], _Floats]:
    """Return for each triangle whether its UVs are not mirrored, (n,), and the direction of u, (n, 3)."""
    edge_1, edge_2 = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    (u_1, v_1), (u_2, v_2) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
    area = u_1 * v_2 - v_1 * u_2
    return area >= 0, np.sign(area)[:, None] * (edge_1 * v_2[:, None] - edge_2 * v_1[:, None])


def _projected(vectors: _Floats, normals: _Floats) -> _Floats:
    return vectors - normals * (vectors * normals).sum(-1, keepdims=True)


def _unit(vectors: _Floats) -> _Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _numbered(rows: _Floats) -> NDArray[np.intp]:
    """Give equal rows equal numbers, (n,)."""
    rows = np.ascontiguousarray(rows + 0.0)  # turns -0 into 0
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).reshape(-1)
    return np.unique(keys, return_inverse=True)[1].reshape(-1)
