"""Computes normals for meshes without any: flat, or smooth where faces meet at a small angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SMOOTH_BELOW_DEG", "flat_normals", "smooth_normals"]

SMOOTH_BELOW_DEG = 30.0
"""Faces that meet at a smaller angle are smooth shaded."""

_WELD_DISTANCE = 1e-6  # as a fraction of the mesh's size
_MOST_AT_AN_EDGE = 4  # faces: two, each of which may be double-sided
_SMALLEST = 1e-300

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def flat_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the normal of the face of each corner, (m, 3, 3); points is (n, 3), corners (m, 3)."""
    return np.repeat(_faces(points, corners)[:, None], 3, axis=1).astype(np.float32)


def smooth_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return corner normals, (m, 3, 3), smooth where faces meet at less than `SMOOTH_BELOW_DEG`.

    Vertices at the same position count as one, because Drake's own primitives have split vertices. The normal
    of a corner is the sum of the normals of all faces around the vertex that are connected by smooth edges,
    weighted by the faces' angles at the vertex.
    """
    if not len(corners):
        return np.empty((0, 3, 3), np.float32)
    welded = _welded(points)[corners]
    faces = _faces(points, corners)
    # two corners coincide, so the face has no area apart from rounding
    faces[(welded == np.roll(welded, 1, axis=1)).any(1)] = 0.0
    groups = _fans(welded, faces)
    weighted = faces[:, None] * _angles(points, corners)[..., None]
    sums = np.empty((len(groups), 3))
    for axis in range(3):
        sums[:, axis] = np.bincount(groups, weighted[..., axis].reshape(-1), len(groups))
    normals = sums[groups]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > _SMALLEST, normals / length.clip(_SMALLEST), np.repeat(faces, 3, axis=0))
    return normals.reshape(-1, 3, 3).astype(np.float32)


def _welded(points: NDArray[np.float32]) -> Indices:
    """Return an index for the position of each point, (n,).

    Points at the same position have the same index.
    """
    step = _WELD_DISTANCE * float(np.ptp(points, axis=0).max(initial=0.0)) or 1.0
    _, number = np.unique(np.round(points / step), axis=0, return_inverse=True)
    return number.reshape(-1)


def _faces(points: NDArray[np.float32], corners: NDArray[np.int32]) -> Floats:
    """Return the normal of each face, (m, 3); zero if the face has no area."""
    a, b, c = (points[corners[:, corner]].astype(float) for corner in range(3))
    normals = np.cross(b - a, c - a)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(_SMALLEST)


def _angles(points: NDArray[np.float32], corners: NDArray[np.int32]) -> Floats:
    """Return the angle of each face at each of its corners, (m, 3), rad."""
    placed = points[corners].astype(float)
    to_next = np.roll(placed, -1, axis=1) - placed
    to_next /= np.linalg.norm(to_next, axis=2, keepdims=True).clip(_SMALLEST)
    to_last = -np.roll(to_next, 1, axis=1)
    return np.arccos(np.einsum("mij,mij->mi", to_next, to_last).clip(-1, 1))


def _fans(welded: Indices, faces: Floats) -> Indices:
    """Return a group number for each corner, (3 m,). Corners that share a normal have the same number."""
    first = welded.reshape(-1)
    last = np.roll(welded, -1, axis=1).reshape(-1)
    face = np.repeat(np.arange(len(welded)), 3)
    one, other = _smooth_pairs(np.minimum(first, last), np.maximum(first, last), faces[face])
    following = np.arange(len(first)).reshape(-1, 3)
    following = np.roll(following, -1, axis=1).reshape(-1)
    # Join the two faces' corners at both ends of each edge.
    is_same_way = first[one] == first[other]
    joined = [
        (one, np.where(is_same_way, other, following[other])),
        (following[one], np.where(is_same_way, following[other], other)),
    ]
    return _components(len(first), *(np.concatenate(ends) for ends in zip(*joined, strict=True)))


def _smooth_pairs(low: Indices, high: Indices, normals: Floats) -> tuple[Indices, Indices]:
    """Find pairs of faces that meet at an edge at a small angle, as pairs of their sides.

    Parameters
    ----------
    low, high : (k,) int
        The positions at the two ends of each side.
    normals : (k, 3) float64
        The face normals. Faces without an area have a zero normal, and do not separate other faces.

    Returns
    -------
    one, other : (p,) int
        Indices of the paired sides. If more than `_MOST_AT_AN_EDGE` sides share an edge, only sides that are
        close in order are paired.
    """
    counted = np.flatnonzero(normals.any(1))
    order = counted[np.lexsort((high[counted], low[counted]))]
    low, high = low[order], high[order]
    least = np.cos(np.radians(SMOOTH_BELOW_DEG))
    found: list[Indices] = []
    for step in range(1, _MOST_AT_AN_EDGE):
        same = np.flatnonzero((low[:-step] == low[step:]) & (high[:-step] == high[step:]))
        pair = np.stack([order[same], order[same + step]])
        found.append(pair[:, np.einsum("ij,ij->i", *normals[pair]) > least])
    one, other = np.concatenate(found, 1)
    return one, other


def _components(count: int, one: Indices, other: Indices) -> Indices:
    """Return the connected component of each node of a graph, as the smallest node in the component."""
    number = np.arange(count)
    while True:
        before = number.copy()
        smallest = np.minimum(number[one], number[other])
        np.minimum.at(number, number[one], smallest)
        np.minimum.at(number, number[other], smallest)
        number = number[number]
        if (number == before).all():
            return number
