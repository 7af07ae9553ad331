"""The first intersection of the ray through each pixel's centre, and values derived from it in float64.

A back end returns the triangle and the depth of each pixel. This module computes the intersection with the
triangle, the surface properties there, and the position of that point at another moment. As the computation
is the same for every back end, no two passes can contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens, View
from ..scene import Scene
from .meshes import Meshes

__all__ = [
    "NOTHING",
    "Exact",
    "Hits",
    "Others",
    "cofactors",
    "distinct_below",
    "lifted",
    "moved_by",
    "normals_of_points",
    "pixel_rays",
    "ray_grid",
    "rotated",
]

NOTHING = -1
"""The placement index of a pixel that shows no placement of the scene."""

_MOST_TABLED = 4_000_000
_SMALLEST = 1e-300
# limit for barycentric coordinates; for a plane seen at a grazing angle, the intersection could be anywhere
_FARTHEST_BY = 4.0

Floats = NDArray[np.float64]
_Real = TypeVar("_Real", bound=np.floating[Any])
_Read = Callable[[Scene, int], "NDArray[np.float32] | None"]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Others:
    """The objects that the server itself adds to the scene: those of a .blend.

    Attributes
    ----------
    index : (height, width) int32
        The index of the numbered object that each pixel shows; -1 means none.
    matrix : (k, 4, 4) float64
        The object-to-world matrices of the numbered objects, for column vectors.
    normals : (height, width, 3) float32 or None
        Their shading normals in the camera's axes. Pixels that do not show these objects have arbitrary
        values. None if the normals were not requested.
    """

    index: NDArray[np.int32]
    matrix: Floats
    normals: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Exact:
    """The first surface that the ray through each pixel's centre meets.

    Attributes
    ----------
    depth : (height, width) float32
        Metres along the optical axis, between the clipping planes; inf means no surface.
    placement : (height, width) int32
        An index into ``scene.placements``; -1 means no surface, or one that is not part of the scene.
    triangle : (height, width) int32 or None
        The index of the triangle, in the order of ``scene.asset.triangles``. It is arbitrary where
        `placement` is -1. None if the triangles were not requested.
    others : Others or None
        None if the server adds no objects of its own.
    """

    depth: NDArray[np.float32]
    placement: NDArray[np.int32]
    triangle: NDArray[np.int32] | None = None
    others: Others | None = None

    @property
    def is_other(self) -> NDArray[np.bool_]:
        """Whether each pixel shows an object that is not part of the scene, (height, width)."""
        return (self.placement == NOTHING) & np.isfinite(self.depth)

    def looked_up(self, values: NDArray[Any], nothing: int) -> NDArray[Any]:
        """Look up the value of each pixel's placement; (number of placements,) -> (height, width)."""
        return np.append(values, np.asarray(nothing, values.dtype))[self.placement]


class Hits:
    """The points of the scene's surfaces that are visible in the pixels of a view.

    Parameters
    ----------
    exact : Exact
        The exact render of the view, with triangles.
    view : View
    scene : Scene
    meshes : Meshes

    Attributes
    ----------
    pixels : (n,) int
        The indices of the pixels where `exact` shows a placement, row by row. All other arrays of length n
        have the same order.
    """

    def __init__(self, exact: Exact, view: View, scene: Scene, meshes: Meshes) -> None:
        if exact.triangle is None:
            raise ValueError("the triangles of the exact render are needed")
        self._size = exact.placement.shape
        self._view = view
        self._scene = scene
        self._meshes = meshes
        flat = exact.placement.reshape(-1)
        self.pixels = np.flatnonzero(flat != NOTHING)
        self._faces = _Faces(flat[self.pixels], exact.triangle.reshape(-1)[self.pixels], scene, meshes)

    @cached_property
    def rays(self) -> Floats:
        """The rays through the pixels' centres, (3, n), in the camera's axes. Each ray ends at depth 1."""
        return pixel_rays(self._view.lens, self.pixels)

    @cached_property
    def weights(self) -> Floats:
        """The barycentric coordinates of each point in its triangle, (3, n). They add up to 1.

        If a ray is parallel to its triangle, the middle of the triangle is used.
        """
        weights = self._on_planes.clip(0.0, 1.0)
        total = weights.sum(0)
        weights /= _known(total)
        weights[:, ~(total > 0)] = 1 / 3
        return weights

    @cached_property
    def _on_planes(self) -> Floats:
        """The barycentric coordinates of each ray on its triangle's plane, maybe beyond the edges."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        edges = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 2)
        weights = self._combined(edges, self.rays)
        weights /= _known(weights.sum(0))
        return weights

    @cached_property
    def is_behind(self) -> NDArray[np.bool_]:
        """Whether each point is on the back of its triangle, (n,), according to the order of the corners."""
        return self._combined(self._geometric[:, :, None], self.rays)[0] > 0

    @cached_property
    def geometric_normals(self) -> Floats:
        """The normal of each point's triangle, (3, n), in the camera's axes, turned towards the camera."""
        normals = np.stack([self._geometric[:, axis].take(self._faces.which) for axis in range(3)])
        return self._turned(normals)

    @cached_property
    def normals(self) -> Floats:
        """The shading normal of each point, (3, n), in the camera's axes.

        It is turned towards the camera if the triangle's own normal has to be turned, too. Where the normals
        of the corners cancel out or are missing, it is the triangle's own normal.
        """
        faces = self._faces
        world = faces.gather(self._meshes.normals, 3)
        turn = np.linalg.inv(self._view.camera_to_world)[:3, :3]
        matrices = turn @ self._scene.placements.matrix[:, :3, :3]
        sign = np.where(np.linalg.det(matrices) < 0, -1.0, 1.0)[:, None, None]
        turns = (sign * cofactors(matrices))[faces.placement]
        normals = self.interpolated(world @ turns.transpose(0, 2, 1))
        length = _length(normals)
        normals /= length.clip(_SMALLEST)
        lost = np.flatnonzero(~(length > _SMALLEST))
        normals[:, lost] = self._geometric[self._faces.which[lost]].T
        return self._turned(normals)

    @cached_property
    def texcoords(self) -> Floats:
        """The texture coordinates of each point, (2, n), in glTF's convention; NaN if there are none."""
        return self.interpolated(self._faces.gather(self._meshes.texcoords, 2))

    def corners_at(self, scene: Scene, camera_to_world: Floats) -> Floats:
        """Return the corners of the visible triangles at another moment.

        Parameters
        ----------
        scene : Scene
            The state of the same asset at that moment.
        camera_to_world : (4, 4) float64
            The rigid matrix of the camera at that moment.

        Returns
        -------
        (k, 3, 3) float64
            The three corners of each triangle, in the axes of that camera.
        """
        matrices = (np.linalg.inv(camera_to_world) @ scene.placements.matrix)[self._faces.placement]
        corners = self._faces.gather(self._meshes.corners, 3, scene)
        return moved_by(matrices, corners)

    def interpolated(self, values: Floats) -> Floats:
        """Interpolate values of the triangles' corners, (k, 3, c), at each point; returns (c, n)."""
        return self._combined(values, self.weights)

    def carried(self, values: Floats) -> Floats:
        """Move each point with the corners of its triangle, (k, 3, c); returns (c, n).

        Because of rounding, a back end may show a triangle where the ray just misses it. The pass `position`
        is on the ray, so the motion of a point must start there and not at the triangle's edge.
        """
        is_close = np.abs(self._on_planes).max(0) <= _FARTHEST_BY
        return self._combined(values, np.where(is_close, self._on_planes, self.weights))

    def image(self, values: Floats) -> NDArray[np.float32]:
        """Arrange values of the points, (c, n), as a (height, width, c) float32 image; NaN elsewhere."""
        image = np.full((self._size[0] * self._size[1], len(values)), np.nan, np.float32)
        for channel, plane in enumerate(values):
            image[self.pixels, channel] = plane
        return image.reshape(*self._size, -1)

    @property
    def faces(self) -> Indices:
        """For each point, the index of its triangle in `corners`, (n,)."""
        return self._faces.which

    @property
    def triangles(self) -> tuple[Indices, Indices]:
        """The placement and the number of each visible triangle, (k,) each, in ascending order."""
        return self._faces.placement, self._faces.triangle

    @cached_property
    def corners(self) -> Floats:
        """The corners of the visible triangles, (k, 3, 3), in the camera's axes."""
        return self.corners_at(self._scene, self._view.camera_to_world)

    @cached_property
    def _geometric(self) -> Floats:
        """The normals of the visible triangles, (k, 3), in the camera's axes, by their winding order."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        mirrored = np.linalg.det(self._scene.placements.matrix[:, :3, :3])[self._faces.placement] < 0
        normals = np.cross(b - a, c - a) * np.where(mirrored, -1.0, 1.0)[:, None]
        return normals / _length(normals.T)[:, None].clip(_SMALLEST)

    def _combined(self, tables: Floats, factors: Floats) -> Floats:
        """Sum the rows of each point's triangle, weighted by its factors: (k, r, c), (r, n) -> (c, n)."""
        combined = np.zeros((tables.shape[2], factors.shape[1]))
        for row, channel in np.ndindex(*tables.shape[1:]):
            combined[channel] += (
                np.ascontiguousarray(tables[:, row, channel]).take(self._faces.which) * factors[row]
            )
        return combined

    def _turned(self, normals: Floats) -> Floats:
        normals *= np.where(self.is_behind, -1.0, 1.0)
        return normals


class _Faces:
    """The distinct visible triangles, and the triangle of each point.

    Attributes
    ----------
    placement, triangle : (k,) int
    which : (n,) int
    """

    def __init__(
        self, placement: NDArray[np.int32], triangle: NDArray[np.int32], scene: Scene, meshes: Meshes
    ) -> None:
        self._scene = scene
        seen, place = distinct_below(placement.astype(np.intp), len(scene.placements))
        counts = [meshes.triangle_count(scene, index) for index in scene.placements.primitive[seen].tolist()]
        first = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)])
        codes, self.which = distinct_below(first[place] + triangle, int(first[-1]))
        owner = np.searchsorted(first, codes, side="right") - 1
        self.placement: Indices = seen[owner]
        self.triangle: Indices = codes - first[owner]

    def gather(self, read: _Read, channels: int, scene: Scene | None = None) -> Floats:
        """Return the attributes of the triangles' corners, (k, 3, channels), at any moment of the scene."""
        scene = scene or self._scene
        values = np.full((len(self.triangle), 3, channels), np.nan)
        primitives = scene.placements.primitive[self.placement]
        order = np.argsort(primitives, kind="stable")
        cuts = np.flatnonzero(np.diff(primitives[order])) + 1
        for members in np.split(order, cuts) if len(order) else ():
            found = read(scene, int(primitives[members[0]]))
            if found is not None:
                values[members] = found[self.triangle[members]]
        return values


def moved_by(matrices: Floats, points: Floats) -> Floats:
    """Transform each of k sets of points, (k, n, 3), by its own matrix, (k, 4, 4)."""
    return points @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]


def ray_grid(lens: Lens) -> tuple[Floats, Floats]:
    """Return the rays through all pixels' centres, in the camera's axes (x right, y up, z back).

    Returns
    -------
    x : (width,) float64
    y : (height,) float64
        The ray of a pixel is (x, y, -1). It ends at depth 1.
    """
    x = (np.arange(lens.width, dtype=float) + 0.5 - lens.center_x) / lens.focal_x
    y = (lens.center_y - np.arange(lens.height, dtype=float) - 0.5) / lens.focal_y
    return x, y


def pixel_rays(lens: Lens, pixels: Indices) -> Floats:
    """Return the rays through the centres of some pixels.

    Parameters
    ----------
    lens : Lens
    pixels : (n,) int
        The indices of the pixels in the image, row by row.

    Returns
    -------
    (3, n) float64
        The rays in the camera's axes (x right, y up, z back). Each ray ends at depth 1.
    """
    x, y = ray_grid(lens)
    row, column = np.divmod(pixels, lens.width)
    return np.stack([x[column], y[row], np.full(len(pixels), -1.0)])


def rotated(rotation: Floats, vectors: NDArray[_Real]) -> NDArray[_Real]:
    """Rotate vectors, (..., 3), by a (3, 3) matrix. BLAS takes ten times as long for such a narrow matrix."""
    turned = np.empty_like(vectors)
    x, y, z = np.moveaxis(vectors, -1, 0)
    for axis, (along_x, along_y, along_z) in enumerate(rotation.astype(vectors.dtype)):
        turned[..., axis] = along_x * x + along_y * y + along_z * z
    return turned


def lifted(depth: NDArray[np.float32], lens: Lens) -> Floats:
    """Return the points at these depths, (height, width, 3), in the camera's axes; NaN for inf.

    Each coordinate is contiguous in memory, here and in all arrays computed from it. That is twice as fast.
    """
    x, y = ray_grid(lens)
    metres = np.where(np.isfinite(depth), depth, np.nan).astype(float)
    return np.moveaxis(np.stack([metres * x, metres * y[:, None], -metres]), 0, -1)


def normals_of_points(points: Floats) -> NDArray[np.float32]:
    """Estimate normals, turned towards the camera, from neighbouring points; (height, width, 3) each.

    Points and normals are in the camera's axes. In each direction, the neighbour that is closer in depth is
    assumed to be on the same surface. The normal is NaN where there is no point.
    """
    across, down = (_nearer_step(points, axis) for axis in (1, 0))
    normals = np.cross(down, across)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True).clip(_SMALLEST)
    is_behind = np.einsum("hwc,hwc->hw", normals, points) > 0
    return np.where(is_behind[..., None], -normals, normals).astype(np.float32)


def _nearer_step(points: Floats, axis: int) -> Floats:
    steps = np.diff(points, axis=axis)
    edge = np.full_like(points.take([0], axis), np.nan)
    after, before = np.concatenate([steps, edge], axis), np.concatenate([edge, steps], axis)
    is_after_nearer = np.nan_to_num(np.abs(after[..., 2]), nan=np.inf) <= np.nan_to_num(
        np.abs(before[..., 2]), nan=np.inf
    )
    return np.where(is_after_nearer[..., None], after, before)


def cofactors(matrices: Floats) -> Floats:
    """Return the cofactors of matrices, (k, 3, 3). They transform normals like the inverse transpose."""
    x, y, z = np.moveaxis(matrices, -1, 0)
    return np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)], -1)


def _length(vectors: Floats) -> Floats:
    """Return the lengths of vectors, (3, n) -> (n,). It takes a sixth of the time of numpy's norm."""
    x, y, z = vectors
    return np.sqrt(x * x + y * y + z * z)


def _known(divisor: Floats) -> Floats:
    """Return a divisor in which 0 and NaN are replaced with 1."""
    return np.where(np.abs(divisor) > 0, divisor, 1.0)


def distinct_below(numbers: NDArray[np.integer[Any]], count: int) -> tuple[Indices, Indices]:
    """Return the distinct values of numbers below `count`, and the index of each number among these.

    The result is that of ``np.unique``, but without sorting all pixels.
    """
    if count > _MOST_TABLED:
        distinct, which = np.unique(numbers.astype(np.intp), return_inverse=True)
        return distinct, which.reshape(-1)
    place = np.zeros(count, np.intp)
    place[numbers] = 1
    distinct = np.flatnonzero(place)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[numbers]
