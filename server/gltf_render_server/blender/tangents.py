"""Tangents for normal maps and anisotropy, where Cycles' own would differ from one render to the next.

Cycles adds up the tangents of a large mesh on all threads at once. A sum in another order has another last
bit, and the denoiser carries it over the picture. Cycles computes none where a mesh brings its own.
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
"""Above, MikkTSpace adds up in parallel (``isParallel`` in Blender's mikktspace.hh)."""


def give_tangents(mesh: bpy.types.Mesh) -> None:
    """Give a mesh of triangles the tangents that its materials need, if Cycles' own would vary.

    The attributes are those that Cycles looks for before it computes them: ``<UV map>.tangent`` and
    ``<UV map>.tangent_sign``. What is there already is kept.
    """
    if not compat.COUNTS_OWN_TANGENTS or len(mesh.polygons) <= _MOST_TRIANGLES_IN_ORDER:
        return
    for name in sorted(_mapped_by(mesh.materials) & set(mesh.uv_layers.keys())):
        if f"{name}.tangent" not in mesh.attributes:
            _give(mesh, name)


def corner_tangents(points: _Floats, normals: _Floats, uv: _Floats) -> tuple[_Floats, _Floats]:
    """Compute tangents by the rules of MikkTSpace (http://www.mikktspace.com), in one order.

    Corners of equal point, normal, UV and handedness share a tangent: the mean of their triangles' own,
    each projected into the plane of the normal and weighted by the corner's angle.

    Parameters
    ----------
    points, normals : (n, 3, 3) float64
        Of each corner of each triangle; normals of length 1.
    uv : (n, 3, 2) float64

    Returns
    -------
    tangents : (n, 3, 3) float64
        Of length 1, towards growing u; (1, 0, 0) where the UVs have no area.
    signs : (n, 3) float64
        Of the bitangent: 1 = normal x tangent, -1 = the opposite, where a texture is mirrored.
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
    """Name the UV maps whose tangents some materials need."""
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
    """Return whether each triangle's UVs are not mirrored, (n,), and where u grows, (n, 3), of any length."""
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
    """Give equal rows equal numbers; (n,)."""
    rows = np.ascontiguousarray(rows + 0.0)  # -0 is 0
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).reshape(-1)
    return np.unique(keys, return_inverse=True)[1].reshape(-1)
