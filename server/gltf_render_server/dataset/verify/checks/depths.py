"""Checks of depth against clipping planes, 3D boxes, and other views of the same objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....frame import Lens
from ..check import Measured, check_pair, check_view
from ..points import apply, lifted, projected, rays_at
from ..seen import SeenPair, SeenView

__all__ = ["depth_habit"]

_FEWEST = 40  # points; percentiles of fewer mean little
_BENT = 4e-3  # how much 1 / depth may deviate from linear over three pixels, relative
_ROUNDED = 1.2e-7  # relative rounding error of float32

Floats = NDArray[np.float64]


def depth_habit(ratio: float) -> str:
    """Return the likely mistake of depth that is `ratio` times the right one, or ''."""
    for size, said in ((1000, "as if depth were in millimetres"), (100, "as if depth were in centimetres")):
        if abs(ratio / size - 1) < 0.2:
            return said
        if abs(ratio * size - 1) < 0.2:
            return said.replace("depth were", "poses, and not depth, were")
    return ""


@check_view("depth.there", "pixels", 0)
def _there(view: SeenView) -> Iterator[Measured]:
    """Depth is finite and above 0 at every pixel that shows an object, and infinite where nothing is."""
    if view.depth is None or view.numbers is None or view.depth.shape != view.numbers.shape:
        return
    is_known = np.isfinite(view.depth) & (view.depth > 0)
    missing = (view.numbers > 0) & ~is_known
    count = max(1, len(view.extents))
    yield Measured(
        int(np.count_nonzero(missing)), _first(view, missing), "depth is not finite and above 0", count
    )
    if view.is_all_numbered:
        added = (view.numbers == 0) & np.isfinite(view.depth)
        yield Measured(int(np.count_nonzero(added)), _first(view, added), "depth is finite")


@check_view("depth.numbers", "pixels", 0)
def _numbers(view: SeenView) -> Iterator[Measured]:
    """Depth is nowhere NaN or negative."""
    if view.depth is not None:
        wrong = np.isnan(view.depth) | (view.depth < 0)
        yield Measured(int(np.count_nonzero(wrong)), _first(view, wrong), "depth is NaN or negative")


@check_view("depth.planes", "share", 1e-6)
def _planes(view: SeenView) -> Iterator[Measured]:
    """Depth lies between the clipping planes of the camera."""
    if view.depth is None or view.lens is None:
        return
    known = view.depth[np.isfinite(view.depth)]
    if len(known):
        nearest, farthest = float(known.min()), float(known.max())
        beyond = max(0.0, view.lens.near / max(nearest, 1e-30) - 1, farthest / view.lens.far - 1)
        planes = f"{view.lens.near:g} to {view.lens.far:g} m"
        detail = f"depth is {nearest:g} to {farthest:g} m, the clipping planes {planes}"
        yield Measured(max(0.0, beyond - 2 * _ROUNDED - view.depth_step / view.lens.near), detail=detail)


@check_view("depth.box_3d", "share", 3e-4)
def _box_3d(view: SeenView) -> Iterator[Measured]:
    """Depth, intrinsics and pose place the visible points of an object inside its 3D box.

    The figure of an object is the 99th percentile of its points' distances to the box, relative to their
    depth.
    """
    depth, numbers, lens = view.depth, view.numbers, view.lens
    if depth is None or numbers is None or lens is None or depth.shape != numbers.shape:
        return
    rows, columns = view.sample
    is_known = (numbers[rows, columns] > 0) & np.isfinite(depth[rows, columns])
    rows, columns = rows[is_known], columns[is_known]
    points, which = lifted(lens, depth, rows, columns), numbers[rows, columns]
    for each in view.objects:
        if each.to_camera is None or each.low is None or each.high is None:
            continue
        own = points[which == each.number]
        if not len(own) or np.linalg.cond(each.to_camera[:3, :3]) > 1e5:
            continue
        placed = apply(np.linalg.inv(each.to_camera), own)
        outside = placed - np.clip(placed, each.low, each.high)
        beyond_m = np.linalg.norm(outside @ each.to_camera[:3, :3].T, axis=1)
        deep = -own[:, 2]
        share = np.maximum(0, beyond_m - view.depth_step) / deep
        figure = float(np.percentile(share, 99))
        middle = -apply(each.to_camera, ((each.low + each.high) / 2)[None])[0, 2]
        detail = f"points lie up to {np.percentile(beyond_m, 99) * 1e3:.2g} mm outside the 3D box"
        if figure > 0.01 and (habit := depth_habit(float(np.median(deep)) / max(1e-9, abs(middle)))):
            detail += f"; {habit}"
        yield Measured(figure, each.where, detail)


@check_pair("depth.views", "share", 2e-4)
def _agrees(pair: SeenPair) -> Iterator[Measured]:
    """Two views agree on the depth of the points that both see, by their poses and intrinsics.

    The figure is the 25th percentile of the errors, relative to depth; points with larger errors may be
    hidden by their own object. A pixel of one view is projected into the other, and compared if the four
    pixels around it show the same object, on a nearly flat piece. A nearer surface of the other view counts
    as an error only if the first view sees past it.
    """
    for first, second, place in _directions(pair):
        off = _off_elsewhere(first, second)
        if len(off) >= _FEWEST:
            figure = float(np.percentile(np.abs(off), 25))
            yield Measured(figure, place, _habit(off), len(off))


@check_pair("depth.seen_through", "share", 0.1)
def _through(pair: SeenPair) -> Iterator[Measured]:
    """No view sees through a surface of another view; the figure is the share of such points."""
    for first, second, place in _directions(pair):
        carried = _carried(first, second)
        if carried is None or second.depth is None:
            continue
        places, depth, _, _ = carried
        row, column = np.floor(places[:, ::-1]).astype(int).T
        padded = np.pad(second.depth.astype(float), 1, mode="edge")
        around = [padded[row + dy, column + dx] for dy in range(3) for dx in range(3)]
        nearest = np.min(around, axis=0)
        if len(depth) >= _FEWEST:
            figure = float(np.mean(nearest > depth * 1.01 + second.depth_step))
            yield Measured(figure, place, "of the points are seen through", len(depth))


def _directions(pair: SeenPair) -> Iterator[tuple[SeenView, SeenView, str]]:
    """Yield each view, the other view that its points are looked up in, and the name of this direction."""
    yield pair.first, pair.second, f"its points in {pair.second.where}"
    yield pair.second, pair.first, f"points of {pair.second.where} in it"


def _habit(off: Floats) -> str:
    return f"the depth is {float(np.median(off)) + 1:.5g} times what the points' own view predicts"


def _off_elsewhere(first: SeenView, second: SeenView) -> Floats:
    """Return the relative errors of the second view's depth at points of the first view.

    A surface that the second view shows nearer than a point may hide the point, for example the outside of a
    bowl whose inside the first view sees. Such a surface is an error only if the first view sees past it.
    """
    carried = _carried(first, second)
    if carried is None or second.depth is None or second.numbers is None:
        return np.zeros(0)
    if second.depth.shape != second.numbers.shape:
        return np.zeros(0)
    places, depth, which, is_facing = carried
    places, depth, which = places[is_facing], depth[is_facing], which[is_facing]
    found, slack, is_good = _interpolated(second, places, which)
    off = found / depth - 1
    # with a larger error, the pixel shows another surface
    is_good &= np.isfinite(off) & (np.abs(off) < 0.5)
    places, which, found, slack, off = (each[is_good] for each in (places, which, found, slack, off))
    in_front, more = _in_front(second, first, places, found, which)
    off, slack = np.where(off < 0, -in_front, off), np.where(off < 0, slack + more, slack)
    off, slack = off[np.isfinite(off)], slack[np.isfinite(off)]
    return np.sign(off) * np.maximum(0, np.abs(off) - slack)


def _in_front(
    view: SeenView, other: SeenView, places: Floats, depth: Floats, which: NDArray[np.integer[Any]]
) -> tuple[Floats, Floats]:
    """Return how far surfaces of a view are in front of what another view sees, and the error of that.

    Both are relative to the depth; NaN = the other view does not see past the surface.
    """
    assert view.lens is not None  # noqa: S101  `_carried` has checked it
    assert other.lens is not None  # noqa: S101
    points = rays_at(view.lens, places) * depth[:, None]
    moved = np.full_like(points, np.nan)
    for number in np.unique(which).tolist():
        change = _change(view, other, number)
        if change is not None:
            moved[which == number] = apply(change, points[which == number])
    with np.errstate(invalid="ignore", divide="ignore"):
        there, depth_there = projected(other.lens, moved)
        is_inside = np.isfinite(depth_there) & _inside(there, other.lens)
        found, slack, is_good = _interpolated(other, np.where(is_inside[:, None], there, 0.0), which)
        share = found / depth_there - 1
    return np.where(is_inside & is_good & (share >= 0), share, np.nan), slack


def _interpolated(
    view: SeenView, places: Floats, which: NDArray[np.integer[Any]]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the depth of a view between the centres of its pixels.

    Parameters
    ----------
    view : SeenView
        It has depth and numbers.
    places : (n, 2), inside the image, px
    which : (n,)
        The number of the object that must be at each place.

    Returns
    -------
    depth : (n,)
    slack : (n,)
        The largest error of the depth, relative to it, because it is rounded and the surface is bent.
    is_good : (n,) bool
        Whether the four pixels around the place show the object, on a nearly flat piece.
    """
    assert view.depth is not None  # noqa: S101  `_carried` has checked it
    assert view.numbers is not None  # noqa: S101
    height, width = view.depth.shape
    column, row = np.floor(places - 0.5).astype(int).T
    is_good = (column >= 0) & (row >= 0) & (column < width - 1) & (row < height - 1)
    column, row = np.clip(column, 0, max(0, width - 2)), np.clip(row, 0, max(0, height - 2))
    # the four pixels, with those around them
    rows = np.clip(row + np.arange(-1, 3)[:, None, None], 0, height - 1)
    columns = np.clip(column + np.arange(-1, 3)[:, None], 0, width - 1)
    is_good &= (view.numbers[rows, columns][1:3, 1:3] == which).all((0, 1))
    # a plane in space is linear in 1 / depth
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / view.depth[rows, columns].astype(float)
        right, down = (places - 0.5 - np.stack([column, row], -1)).T
        upper, lower = inverse[1:3, 1] * (1 - right) + inverse[1:3, 2] * right
        found = 1 / np.maximum(upper * (1 - down) + lower * down, 1e-12)
        twist = np.abs(inverse[1, 1] + inverse[2, 2] - inverse[1, 2] - inverse[2, 1]) * found
        across, along = np.diff(inverse[1:3], 2, axis=1), np.diff(inverse[:, 1:3], 2, axis=0)
        bend = np.maximum(np.abs(across).max((0, 1)), np.abs(along).max((0, 1))) * found
        steps = view.depth_step / np.maximum(found, 1e-9)
        is_good &= (twist < 1e-3 + 2 * steps) & (bend < _BENT + 4 * steps)
    return found, steps + bend / 4, is_good  # along each axis, the error of a line is an eighth of the bend


def _carried(
    first: SeenView, second: SeenView
) -> tuple[Floats, Floats, NDArray[np.integer[Any]], NDArray[np.bool_]] | None:
    """Project sampled points of one view into another; None if the views lack what this needs.

    Returns
    -------
    places : (n, 2), inside the other image, px
    depth : (n,)
        The depth that is expected in the other view, metres.
    which : (n,)
        The numbers of the points' objects.
    is_facing : (n,)
        Whether both cameras see the same side of the surface; otherwise, its own object hides it.
    """
    depth, numbers, lens = first.depth, first.numbers, first.lens
    if depth is None or numbers is None or lens is None or second.lens is None:
        return None
    if depth.shape != numbers.shape or second.depth is None:
        return None
    rows, columns = first.sample
    is_known = np.isfinite(depth[rows, columns]) & (depth[rows, columns] > 0)
    rows, columns = rows[is_known], columns[is_known]
    which = numbers[rows, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        # each point, with its neighbours in the next column and in the next row
        beside, below = np.minimum(columns + 1, lens.width - 1), np.minimum(rows + 1, lens.height - 1)
        corners = np.stack(
            [lifted(lens, depth, *place) for place in ((rows, columns), (rows, beside), (below, columns))]
        )
        there_corners = np.full_like(corners, np.nan)
        for number in np.unique(which).tolist():
            change = _change(first, second, number)
            if change is not None:
                there_corners[:, which == number] = apply(change, corners[:, which == number])
        moved = there_corners[0]
        places, there = projected(second.lens, moved)
        is_there = (there >= second.lens.near) & (there <= second.lens.far)
        is_there &= _inside(places, second.lens)
        is_facing = _side(corners) == _side(there_corners)
    return places[is_there], there[is_there], which[is_there], is_facing[is_there]


def _side(corners: Floats) -> Floats:
    """Return the side, 1 or -1, of triangles, (3, n, 3), on which the camera is."""
    return np.sign((corners[0] * np.cross(corners[1] - corners[0], corners[2] - corners[0])).sum(-1))


def _change(first: SeenView, second: SeenView, number: int) -> Floats | None:
    """Return the transform of an object's points between two cameras' axes; None = unknown."""
    if number:
        one, other = first.by_number.get(number), second.by_number.get(number)
        if one is None or other is None or one.to_camera is None or other.to_camera is None:
            return None
        if np.linalg.cond(one.to_camera[:3, :3]) > 1e6:
            return None
        return other.to_camera @ np.linalg.inv(one.to_camera)
    if first.camera_to_world is None or second.camera_to_world is None:
        return None
    return np.linalg.inv(second.camera_to_world) @ first.camera_to_world


def _inside(places: Floats, lens: Lens) -> NDArray[np.bool_]:
    return ((places >= 0) & (places < (lens.width, lens.height))).all(-1)


def _first(view: SeenView, wrong: NDArray[np.bool_]) -> str:
    """Return the name of the first wrong pixel and of its object; '' if no pixel is wrong."""
    if not wrong.any():
        return ""
    row, column = np.argwhere(wrong)[0].tolist()
    numbers = view.numbers
    number = int(numbers[row, column]) if numbers is not None else 0
    whose = view.by_number[number].where if number in view.by_number else "no object"
    return f"{whose}, pixel ({column}, {row})"
