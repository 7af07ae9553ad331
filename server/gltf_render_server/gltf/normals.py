"""Normals for meshes that bring none: flat, or smooth where faces meet at a small angle; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SMOOTH_BELOW_DEG", "flat_normals", "smooth_normals"]

SMOOTH_BELOW_DEG = 30.0
"""Faces that meet at less are shaded round."""

_WELD_DISTANCE = 1e-6  # of the mesh's size
_MOST_AT_AN_EDGE = 4  # faces: two, of two sides each
_SMALLEST = 1e-300

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def flat_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the normal of its face for each corner, (m, 3, 3); points is (n, 3), corners (m, 3)."""
    return np.repeat(_faces(points, corners)[:, None], 3, axis=1).astype(np.float32)


def smooth_normals(points: NDArray[np.float32], corners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return normals for the corners, (m, 3, 3), round where faces meet at less than `SMOOTH_BELOW_DEG`.

    Vertices at the same place count as one: Drake's own primitives come with split ones. At each corner, the
    normals of the faces that can be reached across smooth edges are added, weighted by their angles there.
    """
    if not len(corners):
        return np.empty((0, 3, 3), np.float32)
    welded = _welded(points)[corners]
    faces = _faces(points, corners)
    faces[(welded == np.roll(welded, 1, axis=1)).any(1)] = 0.0  # but for rounding, it has no area
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
    """Return numbers of the places of points, (n,): the same number, the same place."""
    step = _WELD_DISTANCE * float(np.ptp(points, axis=0).max(initial=0.0)) or 1.0
    _, number = np.unique(np.round(points / step), axis=0, return_inverse=True)
    return number.reshape(-1)


def _faces(points: NDArray[np.float32], corners: NDArray[np.int32]) -> Floats:
    """Return the normal of each face, (m, 3); zeros where it has none."""
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
    """Group the corners that share a normal, (3 m,): those of faces joined by smooth edges at one vertex."""
    first = welded.reshape(-1)
    last = np.roll(welded, -1, axis=1).reshape(-1)
    face = np.repeat(np.arange(len(welded)), 3)
    one, other = _smooth_pairs(np.minimum(first, last), np.maximum(first, last), faces[face])
    following = np.arange(len(first)).reshape(-1, 3)
    following = np.roll(following, -1, axis=1).reshape(-1)
    # an edge has two ends: at each, the two faces' corners at that vertex are joined
    is_same_way = first[one] == first[other]
    joined = [
        (one, np.where(is_same_way, other, following[other])),
        (following[one], np.where(is_same_way, following[other], other)),
    ]
    return _components(len(first), *(np.concatenate(ends) for ends in zip(*joined, strict=True)))


def _smooth_pairs(low: Indices, high: Indices, normals: Floats) -> tuple[Indices, Indices]:
    """Pair the sides of faces that meet at an edge at a small angle.

    Parameters
    ----------
    low, high : (k,) int
        The places between which each side lies.
    normals : (k, 3) float64
        Of the faces. Those without an area, which have none, part no others.

    Returns
    -------
    one, other : (p,) int
        Of more than `_MOST_AT_AN_EDGE` sides at an edge, only those that are near each other in order.
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
    """Return which connected part of a graph each node is in, by the smallest node of the part."""
    number = np.arange(count)
    while True:
        before = number.copy()
        smallest = np.minimum(number[one], number[other])
        np.minimum.at(number, number[one], smallest)
        np.minimum.at(number, number[other], smallest)
        number = number[number]
        if (number == before).all():
            return number
