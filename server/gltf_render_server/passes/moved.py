"""Where the visible points of a view are at another moment, and whether they are visible then.

The positions are computed in float64 from the triangles that the pixels show and from both poses. The
visibility is judged by the exact render of the other moment.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens, View
from ..scene import Scene
from .hits import NOTHING, Exact, Hits, rotated

__all__ = ["Moved", "is_seen"]

_TOLERANCE = 1e-5
"""The fraction of its depth by which a surface must be nearer to hide another one. Exact renders are no more
precise: of two closer surfaces, they may show either."""

_BORDER_PX = 0.01
"""How precisely a render decides on which side of a triangle's edge a pixel is. OpenGL rounds to 1/256 px."""

_CHUNK = 2**16  # the number of points whose neighbouring pixels are examined together

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Moved:
    """The visible points of a view, at another moment.

    Parameters
    ----------
    hits : Hits
        The points of the scene's surfaces.
    exact : Exact
    points : (height, width, 3) float64
        All visible points, in the world. Points that are not on the scene's surfaces do not move.
    view : View
    scene : Scene
        The state of the same asset at the other moment.
    other : View
        The same view at the other moment.

    Attributes
    ----------
    lens : Lens
    pixels : (n,) int
        The indices of the pixels that show a point, row by row, those of the scene's surfaces first. All
        other arrays of length n have the same order.
    faces : (n,) int
        For each point, the index of its triangle in `corners`; -1 if it is not on a surface of the scene.
    triangles : (k,) int, (k,) int
        The placement and the number of each visible triangle.
    corners : (k, 3, 3) float64
        The corners of these triangles at the other moment, in the axes of the camera at that moment.
    is_turned : (k,) bool
        Whether each triangle shows its other side to the camera at that moment.
    depth : (n,) float64
        The depth at the other moment, metres along the optical axis.
    flow : (2, n) float64
        The motion to the right and down, px; NaN where a point is not in front of the camera.
    """

    def __init__(
        self, hits: Hits, exact: Exact, points: Floats, view: View, scene: Scene, other: View
    ) -> None:
        self.lens = view.lens
        self._size = exact.placement.shape
        foreign = np.flatnonzero(exact.is_other)
        self.pixels: Indices = np.concatenate([hits.pixels, foreign])
        self.faces: Indices = np.concatenate([hits.faces, np.full(len(foreign), NOTHING)])
        self.triangles = hits.triangles
        self.corners = hits.corners_at(scene, other.camera_to_world)
        self.is_turned = np.sign(np.linalg.det(hits.corners)) != np.sign(np.linalg.det(self.corners))
        still = points.reshape(-1, 3)[foreign]
        here, there = (
            np.concatenate([hits.carried(corners), _in_camera(still, camera).T], 1)
            for corners, camera in (
                (hits.corners, view.camera_to_world),
                (self.corners, other.camera_to_world),
            )
        )
        self.depth = -there[2]
        # Start from the point itself, not from the pixel's centre: at the border of a triangle, rounding may
        # put the point beside the centre, and what does not move must have no flow.
        self.flow = _projected(there, self.lens) - _projected(here, self.lens)

    @cached_property
    def places(self) -> Floats:
        """The column and row of each point in the other image, (2, n), px from its upper left corner."""
        row, column = np.divmod(self.pixels, self.lens.width)
        return np.stack([column, row]) + 0.5 + self.flow

    def image(self, values: NDArray[Any], nothing: Any) -> NDArray[Any]:
        """Arrange values of the points, (n,) or (n, c), as an image, (height, width[, c])."""
        image = np.full((self._size[0] * self._size[1], *values.shape[1:]), nothing, values.dtype)
        image[self.pixels] = values
        return image.reshape(*self._size, *values.shape[1:])


def is_seen(moved: Moved, hits: Hits, exact: Exact, has_holes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether each point is visible at the other moment, (n,).

    A point is visible if it is inside the image and between the clipping planes, and nothing hides it. The
    four pixels whose centres surround it show what may hide it: a triangle that covers the point and is
    nearer. What lies between the pixels' centres is unknown. Therefore a point is also hidden if all four
    pixels, or the pixel that contains it, show something nearer. A point whose other side faces the camera at
    that moment is probably behind its own body, so it is hidden if any of the four pixels shows something
    nearer.

    Parameters
    ----------
    moved : Moved
    hits, exact
        The hits and the exact render of the same view at the other moment.
    has_holes : (number of placements,) bool
        Whether the triangles of each placement have holes, so that they do not hide all that they cover.
    """
    lens = moved.lens
    with np.errstate(invalid="ignore"):
        column, row = moved.places
        is_inside = (column >= 0) & (column < lens.width) & (row >= 0) & (row < lens.height)
        is_inside &= (moved.depth >= lens.near) & (moved.depth <= lens.far)
    seen = np.zeros(len(moved.pixels), bool)
    inside = np.flatnonzero(is_inside)
    around = _Around(moved, hits, exact, has_holes)
    for chunk in np.split(inside, range(_CHUNK, len(inside), _CHUNK)):
        seen[chunk] = ~around.hides(chunk)
    return seen


class _Around:
    """The pixels that surround points in the other image."""

    def __init__(self, moved: Moved, hits: Hits, exact: Exact, has_holes: NDArray[np.bool_]) -> None:
        self._moved = moved
        self._covers = np.append(~has_holes[hits.triangles[0]], False)
        self._own = _Triangles(moved.corners, moved.lens)
        self._shown = _Triangles(hits.corners, moved.lens)
        self._face = np.full(exact.placement.size, NOTHING)
        self._face[hits.pixels] = hits.faces
        self._depth = exact.depth.reshape(-1).astype(float)
        self._is_turned = np.append(moved.is_turned, False)
        self._twin = np.append(_twins(moved.triangles, hits.triangles), NOTHING)

    def hides(self, points: Indices) -> NDArray[np.bool_]:
        """Return whether the surrounding pixels hide each of some points, (n,)."""
        lens, place, depth = self._moved.lens, self._moved.places[:, points], self._moved.depth[points]
        own = self._moved.faces[points]
        column, row = _four_around(place, lens)
        pixel = row * lens.width + column
        face, shown = self._face[pixel], self._depth[pixel]
        rays = _rays(place[:, None], lens)
        slack = _TOLERANCE * depth + np.where(own == NOTHING, _spread_of_foreign(face, shown), 0.0)
        there = np.where(face == NOTHING, shown, self._shown.depth(face, rays))
        is_nearer = (there >= lens.near) & (there < depth - slack)
        is_nearer &= (face == NOTHING) | (face != self._twin[own])
        covers = is_nearer & self._covers[face] & (self._shown.inside_px(face, rays) >= _BORDER_PX)
        # Also compare with the plane of the point's own triangle: a surface that curves away from the camera
        # is not hidden by its neighbouring parts.
        centre = _rays(np.stack([column, row]).astype(float) + 0.5, lens)
        is_nearer &= (own == NOTHING) | (shown < self._own.depth(own, centre) - slack)
        is_within = (column == np.floor(place[0])) & (row == np.floor(place[1]))
        hides = is_nearer & (is_within | self._is_turned[own])
        return covers.any(0) | is_nearer.all(0) | hides.any(0)


class _Triangles:
    """The planes and edges of triangles, (k, 3, 3), in a camera's axes. The number -1 means no triangle."""

    def __init__(self, corners: Floats, lens: Lens) -> None:
        corners = np.concatenate([corners, np.zeros((1, 3, 3))])
        a, b, c = np.moveaxis(corners, 1, 0)
        self._normal = np.cross(b - a, c - a)
        self._offset = (self._normal * a).sum(1)
        edges = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 1)
        per_px = np.hypot(edges[..., 0] / lens.focal_x, edges[..., 1] / lens.focal_y)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._edges = np.nan_to_num(edges * np.sign(self._offset)[:, None, None] / per_px[..., None])

    def depth(self, face: Indices, rays: Floats) -> Floats:
        """Return the depth at which rays, (3, ...), meet triangles' planes, (...); inf if they do not."""
        slope = _dot(self._normal[face], rays)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = self._offset[face] / slope
        return np.where(depth > 0, depth, np.inf)

    def inside_px(self, face: Indices, rays: Floats) -> Floats:
        """Return the distance in the image from rays to the nearest edge of triangles; negative outside."""
        first, second, third = (_dot(self._edges[face, edge], rays) for edge in range(3))
        return np.minimum(np.minimum(first, second), third)


def _dot(vectors: Floats, rays: Floats) -> Floats:
    """Return the dot product of vectors, (..., 3), and rays, (3, ...)."""
    return vectors[..., 0] * rays[0] + vectors[..., 1] * rays[1] + vectors[..., 2] * rays[2]


def _four_around(place: Floats, lens: Lens) -> tuple[Indices, Indices]:
    """Return the columns and rows of the four pixels whose centres surround each place, (4, n) each."""
    column, row = np.floor(place - 0.5).astype(np.intp)
    columns = np.stack([column, column + 1, column, column + 1])
    rows = np.stack([row, row, row + 1, row + 1])
    return columns.clip(0, lens.width - 1), rows.clip(0, lens.height - 1)


def _spread_of_foreign(face: Indices, shown: Floats) -> Floats:
    """Return the range of the depths, (4, n) -> (n,), of surfaces whose planes are unknown."""
    depth = np.where((face == NOTHING) & np.isfinite(shown), shown, np.nan)
    low, high = np.fmin.reduce(depth), np.fmax.reduce(depth)
    return np.nan_to_num(high - low)


def _twins(own: tuple[Indices, Indices], shown: tuple[Indices, Indices]) -> Indices:
    """Find triangles, (k,), in another list; both lists are sorted. -1 means that the triangle is missing."""
    codes, others = (placement * 2**32 + triangle for placement, triangle in (own, shown))
    at = np.searchsorted(others, codes)
    found = np.append(others, -1)[at] == codes
    return np.where(found, at, NOTHING)


def _in_camera(points: Floats, camera_to_world: Floats) -> Floats:
    """Transform points from the world, (n, 3), to a camera's axes."""
    to_camera = np.linalg.inv(camera_to_world)
    return rotated(to_camera[:3, :3], points) + to_camera[:3, 3]


def _projected(points: Floats, lens: Lens) -> Floats:
    """Project points in the camera's axes, (3, n) -> (2, n) px; NaN if not in front of the camera."""
    x, y, z = points
    depth = np.where(z < 0, -z, np.nan)
    return np.stack([lens.focal_x * x / depth + lens.center_x, lens.center_y - lens.focal_y * y / depth])


def _rays(place: Floats, lens: Lens) -> Floats:
    """Return the rays through positions in the image, (2, ...) px -> (3, ...). Each ray ends at depth 1."""
    u, v = place
    x, y = (u - lens.center_x) / lens.focal_x, (lens.center_y - v) / lens.focal_y
    return np.stack([x, y, np.full(x.shape, -1.0)])
