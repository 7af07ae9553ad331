"""Which pixels a few triangles cover, allowing for a back end that draws an edge slightly off.

The result is certain, without a render, wherever no edge of the outline passes close to a pixel's centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens
from .windows import Window

__all__ = ["Coverage"]

_LEAST_SLACK_PX = 0.02
_CORNERS = 9  # the most corners of a triangle that is clipped by six planes
_KEPT = 2.0  # the clipping region extends this many image sizes beyond the image on each side
_TOUCHING = 1e-3  # fraction of the slack; triangles that are closer to each other leave no gap

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Coverage(NamedTuple):
    """The triangles of an object in the image plane.

    Attributes
    ----------
    corners : (n, 9, 2) float64
        The corners of convex polygons, px from the image's upper left corner. The last corner is repeated if
        there are fewer than nine.
    slack_px : float
        How far a back end may draw an edge from its true position.
    """

    corners: Floats
    slack_px: float

    @classmethod
    def of(cls, triangles: Floats, lens: Lens, slack_m: float) -> Coverage:
        """Project triangles, and clip them to the clipping planes and to a region around the canvas.

        Parameters
        ----------
        triangles : (m, 3, 3) float64
            The triangles in the camera's axes (x right, y up, z back).
        lens : Lens
        slack_m : float
            How far a back end may displace a point.
        """
        sides = _sides(lens)
        cut = [polygon for triangle in triangles if len(polygon := _inside(triangle, sides)) >= 3]
        if not cut:
            return cls(np.empty((0, _CORNERS, 2)), _LEAST_SLACK_PX)
        points = np.array([np.append(each, np.repeat(each[-1:], _CORNERS - len(each), 0), 0) for each in cut])
        depth = -points[..., 2]
        u = lens.focal_x * points[..., 0] / depth + lens.center_x
        v = lens.center_y - lens.focal_y * points[..., 1] / depth
        obliquity = 1.0 + np.abs(points[..., :2]).max(-1) / depth
        moved_px = (max(lens.focal_x, lens.focal_y) * slack_m * obliquity / depth).max()
        return cls(np.stack([u, v], -1), _LEAST_SLACK_PX + float(moved_px))

    def within(self, window: Window) -> tuple[Mask, Mask]:
        """Return which pixels of a window are certainly covered, and which may be; (height, width) each."""
        corners = self.corners - (window.left, window.top)
        slack, rows = self.slack_px, np.arange(window.height, dtype=float) + 0.5
        certain, possible = (
            np.ones((window.height, window.width), bool),
            np.zeros((window.height, window.width), bool),
        )
        for shift in (-slack, 0.0, slack):
            row, begin, end = _spans(corners, rows + shift, slack * _TOUCHING)
            certain &= _filled(row, begin + slack, end - slack, certain.shape)
            possible |= _filled(row, begin - slack, end + slack, certain.shape)
        return certain, possible


def _sides(lens: Lens) -> Floats:
    """Return the clipping planes, (6, 4). A point p is inside if the product with (p, 1) is >= 0."""
    left, top = lens.center_x + _KEPT * lens.width, lens.center_y + _KEPT * lens.height
    right, bottom = (1 + 2 * _KEPT) * lens.width - left, (1 + 2 * _KEPT) * lens.height - top
    return np.array(
        [
            (0.0, 0.0, -1.0, -lens.near),
            (0.0, 0.0, 1.0, lens.far),
            (lens.focal_x, 0.0, -left, 0.0),
            (-lens.focal_x, 0.0, -right, 0.0),
            (0.0, -lens.focal_y, -top, 0.0),
            (0.0, lens.focal_y, -bottom, 0.0),
        ]
    )


def _inside(polygon: Floats, sides: Floats) -> Floats:
    """Clip a convex polygon, (n, 3), to the inside of all planes."""
    for side in sides:
        inside = polygon @ side[:3] + side[3]
        if (inside >= 0).all():
            continue
        kept = []
        for index in range(len(polygon)):
            one, other = inside[index - 1], inside[index]
            if (one < 0) != (other < 0):
                kept.append(polygon[index - 1] + one / (one - other) * (polygon[index] - polygon[index - 1]))
            if other >= 0:
                kept.append(polygon[index])
        polygon = np.array(kept).reshape(-1, 3)
    return polygon


def _spans(corners: Floats, rows: Floats, gap: float) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Intersect rows with a union of convex polygons. Return the row, begin and end of each span."""
    x0, y0 = (corners[..., axis, None] for axis in (0, 1))
    x1, y1 = (np.roll(corners, -1, 1)[..., axis, None] for axis in (0, 1))
    is_crossed = (y0 <= rows) != (y1 <= rows)
    share = (rows - y0) / np.where(is_crossed, y1 - y0, 1.0)
    x = x0 + share * (x1 - x0)
    begin = np.where(is_crossed, x, np.inf).min(1, initial=np.inf)
    end = np.where(is_crossed, x, -np.inf).max(1, initial=-np.inf)
    order = begin.argsort(0)
    begin = np.take_along_axis(begin, order, 0)
    reach = np.maximum.accumulate(np.take_along_axis(end, order, 0), 0)
    is_crossed = np.isfinite(begin)
    opens = is_crossed.copy()
    opens[1:] &= begin[1:] > reach[:-1] + gap
    closes = is_crossed.copy()
    closes[:-1] &= opens[1:] | ~is_crossed[1:]
    opening, closing = opens.T, closes.T  # transposed, so that the spans of a row are adjacent
    return np.nonzero(opening)[0], begin.T[opening], reach.T[closing]


def _filled(row: NDArray[np.intp], begin: Floats, end: Floats, shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centres are inside the spans."""
    height, width = shape
    first = np.clip(np.ceil(begin - 0.5), 0, width).astype(np.intp)
    after = np.clip(np.floor(end - 0.5) + 1, 0, width).astype(np.intp)
    is_some = after > first
    steps = np.zeros((height, width + 1), np.int32)
    np.add.at(steps, (row[is_some], first[is_some]), 1)
    np.add.at(steps, (row[is_some], after[is_some]), -1)
    return steps.cumsum(1)[:, :width] > 0
