"""Exact edges from ground truth: where the object, the depth or the normal changes between pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_BEND_DEG", "LARGEST_JUMP", "edges"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LARGEST_JUMP = 0.03
"""The largest relative difference of a pixel's inverse depth from its neighbour's plane that is no edge."""

LARGEST_BEND_DEG = 30.0
"""The largest angle between the normals of two neighbours that is no edge."""


def edges(
    depth: NDArray[np.float32], instance: NDArray[np.integer], normal: NDArray[np.float32] | None
) -> Mask:
    """Return the pixels at edges.

    There is an edge between two neighbouring pixels of a row or column if they show different objects, if one
    surface lies behind the other, or if their normals differ by more than `LARGEST_BEND_DEG`. The nearer of
    the two pixels is marked, so a silhouette is a line of one pixel on the object itself.

    One surface lies behind the other where the depth of neither continues that of the other. The inverse
    depth of a plane is linear in the image, however steep the plane is; so a slope is no edge.

    Parameters
    ----------
    depth : (height, width) float32
        Metres; inf = no surface.
    instance : (height, width) int
    normal : (height, width, 3) float32 or None
        Unit normals; NaN = no surface. None = edges where a surface bends are not marked.

    Returns
    -------
    (height, width) bool
    """
    nearness = 1.0 / depth.astype(float)
    turned = None if normal is None else np.swapaxes(normal, 0, 1)
    in_columns = _edges_in_rows(nearness.T, instance.T, turned).T
    return _edges_in_rows(nearness, instance, normal) | in_columns


def _edges_in_rows(
    nearness: Floats, instance: NDArray[np.integer], normal: NDArray[np.float32] | None
) -> Mask:
    is_edge = (instance[:, 1:] != instance[:, :-1]) | _jumps(nearness)
    if normal is not None:
        cosine = (normal[:, 1:] * normal[:, :-1]).sum(-1)
        is_edge |= cosine < np.cos(np.radians(LARGEST_BEND_DEG))  # False where a normal is NaN
    first_is_nearer = nearness[:, :-1] >= nearness[:, 1:]
    found = np.zeros(nearness.shape, bool)
    found[:, :-1] |= is_edge & first_is_nearer
    found[:, 1:] |= is_edge & ~first_is_nearer
    return found


def _jumps(nearness: Floats) -> Mask:
    """Return for each pair of neighbours in a row whether neither continues the other's surface."""
    padded = np.pad(nearness, ((0, 0), (1, 1)), "edge")
    step = np.diff(padded, axis=1)
    across, before, after = step[:, 1:-1], step[:, :-2], step[:, 2:]
    missed = np.minimum(np.abs(across - before), np.abs(across - after))
    return missed > LARGEST_JUMP * np.maximum(nearness[:, 1:], nearness[:, :-1])
