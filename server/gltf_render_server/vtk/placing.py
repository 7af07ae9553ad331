"""Merges all placed meshes into one mesh in the camera's axes.

Everything is first transformed to the camera's axes in float64. So no precision is lost far from the origin,
and matrices with shear or reflection need no special treatment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..passes.hits import cofactors

__all__ = ["Merged", "Mesh", "check_triangles", "merge"]

_MOST_TRIANGLES = 20_000_000

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]
"""The vertices, (n, 3), and the triangles, (m, 3), as indices of the vertices."""


@dataclass(frozen=True)
class _Run:
    """The placements of one mesh, which are drawn one after another."""

    kind: int
    points: NDArray[np.float32]
    members: NDArray[np.intp]


@dataclass(frozen=True)
class Merged:
    """The triangles of all placements as one mesh, grouped by kind.

    Attributes
    ----------
    corners : (m, 3) int32
        The triangles, as indices of all vertices.
    placement : (m,) int
        The placement of each triangle.
    triangle : (m,) int32
        The number of each triangle in its mesh.
    vertex_count : int
    """

    corners: NDArray[np.int32]
    placement: NDArray[np.intp]
    triangle: NDArray[np.int32]
    vertex_count: int
    _runs: tuple[_Run, ...]

    def place_points(self, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all vertices, (vertex_count, 3); matrices is (number of placements, 4, 4)."""
        placed = np.empty((self.vertex_count, 3))
        for run, out in self._parts(placed):
            places = matrices[run.members]
            np.matmul(run.points.astype(float), places[:, :3, :3].transpose(0, 2, 1), out=out)
            out += places[:, None, :3, 3]
        return placed

    def place_normals(
        self, matrices: NDArray[np.float64], normals: Mapping[int, NDArray[np.float32]]
    ) -> NDArray[np.float64]:
        """Return the unit normals of all vertices, (vertex_count, 3).

        Cofactor matrices transform normals like the inverse transpose, and exist for every matrix.

        Parameters
        ----------
        matrices : (number of placements, 4, 4) float64
        normals : mapping of int to (n, 3) float32
            The normals of each kind.
        """
        placed = np.empty((self.vertex_count, 3))
        for run, out in self._parts(placed):
            turns = matrices[run.members][:, :3, :3]
            side = np.where(np.linalg.det(turns) < 0, -1, 1)[:, None, None]
            np.matmul(normals[run.kind].astype(float), side * cofactors(turns).transpose(0, 2, 1), out=out)
        return placed / np.linalg.norm(placed, axis=1, keepdims=True).clip(1e-300)

    def spread(self, values: Mapping[int, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Repeat the vertex attributes of each kind, (n, k), for each of its placements."""
        return np.concatenate([np.tile(values[run.kind], (len(run.members), 1)) for run in self._runs])

    def _parts(self, array: NDArray[np.float64]) -> Iterator[tuple[_Run, NDArray[np.float64]]]:
        """Yield each run with its part of an array, (number of placements, vertices of the mesh, 3)."""
        begin = 0
        for run in self._runs:
            end = begin + len(run.points) * len(run.members)
            yield run, array[begin:end].reshape(len(run.members), -1, 3)
            begin = end


def check_triangles(total: int) -> None:
    """Raise SceneError if the number of triangles is too large to draw."""
    if total > _MOST_TRIANGLES:
        raise SceneError(f"draws {total} triangles; VTK is given at most {_MOST_TRIANGLES}", "$.nodes")


def merge(kinds: NDArray[np.intp], meshes: Mapping[int, Mesh]) -> Merged:
    """Merge meshes, each of which is placed any number of times.

    Parameters
    ----------
    kinds : (number of placements,) int
        The kind of each placement.
    meshes : mapping of int to Mesh
        The mesh of each kind, in the order in which they are drawn.

    Raises
    ------
    SceneError
        All together have too many triangles to draw.
    """
    copies = {kind: np.flatnonzero(kinds == kind) for kind in meshes}
    total = sum(len(members) * len(meshes[kind][1]) for kind, members in copies.items())
    check_triangles(total)
    corners = np.empty((total, 3), np.int32)
    placement = np.empty(total, np.intp)
    triangle = np.empty(total, np.int32)
    begin = vertices = 0
    for kind, members in copies.items():
        points, own = meshes[kind]
        end = begin + len(own) * len(members)
        first = vertices + len(points) * np.arange(len(members), dtype=np.int32)
        np.add(own, first[:, None, None], out=corners[begin:end].reshape(len(members), -1, 3))
        placement[begin:end] = np.repeat(members, len(own))
        triangle[begin:end] = np.tile(np.arange(len(own), dtype=np.int32), len(members))
        begin, vertices = end, vertices + len(points) * len(members)
    runs = tuple(_Run(kind, meshes[kind][0], members) for kind, members in copies.items())
    return Merged(corners, placement, triangle, vertices, runs)
