"""Bounds of where each object can be visible in a view, and groups of objects that can share a render."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frame import View
from ..scene import Scene
from .hits import moved_by
from .meshes import Meshes

__all__ = ["Window", "corners_of_boxes", "farthest_windows", "grouped", "joined", "slack_of", "window_within"]

_ROUNDING = 4e-7
"""The rounding error of a point in single precision, as a fraction of its largest coordinate."""
_ORIGIN_M = 100.0  # back ends place their own origin within this distance of the camera
_MARGIN_PX = 1.0
_RENDER_PX = 25_000  # the fixed cost of a render, as a number of pixels: 16 ms in Blender
# the number of groups that are tried for an object; trying more would take longer than it saves
_MOST_TRIED = 32

_CORNERS = np.array(list(product((0, 1), repeat=3)))
_EDGES = np.array([(a, b) for a, b in combinations(range(8), 2) if abs(_CORNERS[a] - _CORNERS[b]).sum() == 1])

Floats = NDArray[np.float64]


class Window(NamedTuple):
    """A rectangle of an image, px from the image's upper left corner. Coordinates beyond it are negative."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The column after the last one."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The row after the last one."""
        return self.top + self.height

    def slices(self, left: int = 0, top: int = 0) -> tuple[slice, slice]:
        """Return the window's rows and columns in an array that begins at `left`, `top`."""
        return slice(self.top - top, self.bottom - top), slice(self.left - left, self.right - left)

    def common(self, other: Window) -> Window | None:
        """Return the intersection of two windows; None if it is empty."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        width, height = min(self.right, other.right) - left, min(self.bottom, other.bottom) - top
        return Window(left, top, width, height) if width > 0 and height > 0 else None


def corners_of_boxes(view: View, scene: Scene, meshes: Meshes) -> Floats:
    """Return the corners of each placement's bounding box, (n, 8, 3), in the camera's axes, metres."""
    boxes = np.array([meshes.box(scene, index) for index in range(len(scene.primitives))], float)
    corners = boxes.reshape(-1, 2, 3)[scene.placements.primitive][:, _CORNERS, np.arange(3)]
    return moved_by(np.linalg.inv(view.camera_to_world) @ scene.placements.matrix, corners)


def farthest_windows(corners: Floats, view: View, scene: Scene) -> Floats:
    """Return bounds of each object in the image plane.

    The bounds enclose the projected corners of the boxes of the object's surfaces, clipped at the near plane,
    plus a margin for back ends that compute in single precision.

    Parameters
    ----------
    corners : (n, 8, 3) float64
        See `corners_of_boxes`.
    view : View
    scene : Scene

    Returns
    -------
    (k, 4) float64
        Left, top, right, bottom, px from the image's upper left corner. The left is inf if the object is
        behind the camera or beyond the far plane.
    """
    edges = _edges_of_view(corners, _slack(corners, view), view)
    placements = scene.placements
    found = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(scene.instances), 1))
    np.minimum.at(found[:, :2], placements.instance, edges[:, :2])
    np.maximum.at(found[:, 2:], placements.instance, edges[:, 2:])
    return found


def slack_of(corners: Floats, view: View, rounding_px: float) -> Floats:
    """Return how far a back end may displace a point of each placement, (n,) float64, metres.

    Parameters
    ----------
    corners : (n, 8, 3) float64
        See `corners_of_boxes`.
    view : View
    rounding_px : float
        How far the back end may move a point in the image, in addition to the error of single precision.
    """
    distance = np.linalg.norm(corners, axis=2).max(1, initial=0.0)
    return _slack(corners, view) + rounding_px * distance / min(view.lens.focal_x, view.lens.focal_y)


def _slack(points: Floats, view: View) -> Floats:
    reach = np.abs(points).max((1, 2), initial=0.0) + np.abs(view.camera_to_world[:3, 3]).max()
    return _ROUNDING * (_ORIGIN_M + reach)


def _edges_of_view(points: Floats, slack_m: Floats, view: View) -> Floats:
    """Return the image bounds of boxes, (n, 4); points is (n, 8, 3), in the camera's axes."""
    lens = view.lens
    nearest = np.maximum(lens.near - slack_m, lens.near / 2)[:, None]
    depth = -points[..., 2]
    begin, end = points[:, _EDGES[:, 0]], points[:, _EDGES[:, 1]]
    before, after = depth[:, _EDGES[:, 0]] - nearest, depth[:, _EDGES[:, 1]] - nearest
    is_cut = (before < 0) != (after < 0)
    share = before / np.where(is_cut, before - after, 1.0)
    seen = np.concatenate([points, begin + share[..., None] * (end - begin)], 1)
    is_seen = np.concatenate([depth >= nearest, is_cut], 1)
    is_seen &= (depth.min(1) <= lens.far + slack_m)[:, None]
    scale = 1.0 / np.where(is_seen, np.maximum(-seen[..., 2], nearest), 1.0)
    u = lens.focal_x * seen[..., 0] * scale + lens.center_x
    v = -lens.focal_y * seen[..., 1] * scale + lens.center_y
    margin_u, margin_v = (
        _MARGIN_PX + focal * slack_m[:, None] * scale for focal in (lens.focal_x, lens.focal_y)
    )
    return np.stack(
        [
            np.where(is_seen, u - margin_u, np.inf).min(1),
            np.where(is_seen, v - margin_v, np.inf).min(1),
            np.where(is_seen, u + margin_u, -np.inf).max(1),
            np.where(is_seen, v + margin_v, -np.inf).max(1),
        ],
        1,
    )


def window_within(edges: Floats, frame: Window) -> Window | None:
    """Return the whole pixels of a frame that edges, (left, top, right, bottom), overlap; None if none do."""
    first, last = (frame.left, frame.top), (frame.right, frame.bottom)
    left, top = np.clip(np.floor(edges[:2]), first, last).astype(int).tolist()
    right, bottom = np.clip(np.ceil(edges[2:]), first, last).astype(int).tolist()
    is_some = right > left and bottom > top
    return Window(left, top, right - left, bottom - top) if is_some else None


def joined(windows: Iterable[Window]) -> Window:
    """Return the smallest window that contains all windows; there must be at least one."""
    left, top, right, bottom = zip(*((w.left, w.top, w.right, w.bottom) for w in windows), strict=True)
    return Window(min(left), min(top), max(right) - min(left), max(bottom) - min(top))


def grouped(windows: dict[int, Window], reach: dict[int, Window]) -> list[dict[int, Window]]:
    """Divide objects into groups for one render each, so that no object appears in the window of another.

    An object joins the group whose cost it increases least, if that is cheaper than a render of its own.

    Parameters
    ----------
    windows : dict of int to Window
        The window to be rendered of each object.
    reach : dict of int to Window
        The bounds within which each object can be visible.
    """
    groups: list[dict[int, Window]] = []
    bounds: list[Window] = []
    for index, window in sorted(windows.items(), key=lambda item: (item[1].top, item[1].left, item[0])):
        best, least = -1, window.width * window.height + _RENDER_PX
        for place in range(max(0, len(groups) - _MOST_TRIED), len(groups)):
            bound = joined((bounds[place], window))
            more = bound.width * bound.height - bounds[place].width * bounds[place].height
            if more < least and not any(
                window.common(reach[other]) or reach[index].common(theirs)
                for other, theirs in groups[place].items()
            ):
                best, least = place, more
        if best < 0:
            groups.append({})
            bounds.append(window)
        groups[best][index] = window
        bounds[best] = joined((bounds[best], window))
    return groups
