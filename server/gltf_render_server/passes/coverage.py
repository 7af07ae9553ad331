"""Which pixels a few triangles cover, for certain and perhaps: a back end may see an edge a little beside it.

So it answers without a render wherever no edge of the outline passes close by a pixel's centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens
from .windows import Window

__all__ = ["Coverage"]

_LEAST_SLACK_PX = 0.02
_CORNERS = 9  # of a triangle that is cut at the six sides of what is kept
_KEPT = 2.0  # images beyond the image, on each side
_TOUCHING = 1e-3  # in parts of the slack: triangles nearer than this to each other leave no gap

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Coverage(NamedTuple):
    """The triangles of an object in the plane of an image.

    Attributes
    ----------
    corners : (n, 9, 2) float64
        Of convex polygons, px from the image's upper left corner; the last one may stand several times.
    slack_px : float
        How far a back end may see an edge from where it is.
    """

    corners: Floats
    slack_px: float

    @classmethod
    def of(cls, triangles: Floats, lens: Lens, slack_m: float) -> Coverage:
        """Project triangles, and cut off what is beyond the clipping planes, or farther out than any canvas.

        Parameters
        ----------
        triangles : (m, 3, 3) float64
            In the camera's axes (x right, y up, z back).
        lens : Lens
        slack_m : float
            How far a back end may move a point.
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
        """Return which pixels of a window are covered for certain, and which perhaps; (height, width)."""
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
    """Return the sides of what is kept, (6, 4): p is inside of one where the product with (p, 1) is >= 0."""
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
    """Return the part of a convex polygon, (n, 3), that is inside of all sides."""
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
    """Return where rows cross the union of convex polygons: the row of each span, its begin, and its end."""
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
    opening, closing = opens.T, closes.T  # so that the spans of a row lie one after another
    return np.nonzero(opening)[0], begin.T[opening], reach.T[closing]


def _filled(row: NDArray[np.intp], begin: Floats, end: Floats, shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centres are in spans."""
    height, width = shape
    first = np.clip(np.ceil(begin - 0.5), 0, width).astype(np.intp)
    after = np.clip(np.floor(end - 0.5) + 1, 0, width).astype(np.intp)
    is_some = after > first
    steps = np.zeros((height, width + 1), np.int32)
    np.add.at(steps, (row[is_some], first[is_some]), 1)
    np.add.at(steps, (row[is_some], after[is_some]), -1)
    return steps.cumsum(1)[:, :width] > 0
