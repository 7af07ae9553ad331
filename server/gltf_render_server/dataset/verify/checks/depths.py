"""The rows of depth: against clipping planes, 3D boxes, and other views of the same things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....frame import Lens
from ..check import Measured, check_pair, check_view
from ..points import apply, lifted, projected
from ..seen import SeenPair, SeenView

__all__ = ["depth_habit"]

_FEWEST = 40  # whose percentiles say anything
_ROUNDED = 1.2e-7  # float32

Floats = NDArray[np.float64]


def depth_habit(ratio: float) -> str:
    """Say what depth looks like that is some times as much as it must be."""
    for size, said in ((1000, "as if depth were in millimetres"), (100, "as if depth were in centimetres")):
        if abs(ratio / size - 1) < 0.2:
            return said
        if abs(ratio * size - 1) < 0.2:
            return said.replace("depth were", "poses, and not depth, were")
    return ""


@check_view("depth.there", "pixels", 0)
def _there(view: SeenView) -> Iterator[Measured]:
    """Depth is a finite number above 0 wherever an object is seen."""
    if view.depth is None or view.numbers is None or view.depth.shape != view.numbers.shape:
        return
    is_known = np.isfinite(view.depth) & (view.depth > 0)
    missing = (view.numbers > 0) & ~is_known
    yield Measured(int(np.count_nonzero(missing)), _first(view, missing), count=max(1, len(view.extents)))


@check_view("depth.numbers", "pixels", 0)
def _numbers(view: SeenView) -> Iterator[Measured]:
    """Nowhere is depth NaN or negative."""
    if view.depth is not None:
        wrong = np.isnan(view.depth) | (view.depth < 0)
        yield Measured(int(np.count_nonzero(wrong)), _first(view, wrong))


@check_view("depth.planes", "share", 1e-6)
def _planes(view: SeenView) -> Iterator[Measured]:
    """Depth lies between the clipping planes."""
    if view.depth is None or view.lens is None:
        return
    known = view.depth[np.isfinite(view.depth)]
    if len(known):
        nearest, farthest = float(known.min()), float(known.max())
        beyond = max(0.0, view.lens.near / max(nearest, 1e-30) - 1, farthest / view.lens.far - 1)
        planes = f"{view.lens.near:g} to {view.lens.far:g} m"
        detail = f"{nearest:g} to {farthest:g} m; the planes are {planes}"
        yield Measured(max(0.0, beyond - 2 * _ROUNDED - view.depth_step / view.lens.near), detail=detail)


@check_view("depth.box_3d", "share", 3e-4)
def _box_3d(view: SeenView) -> Iterator[Measured]:
    """The points that depth, K and pose give of an object lie in its 3D box.

    For each object, how far 99 % of the points are outside at most, in parts of their depth.
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
        detail = f"{np.percentile(beyond_m, 99) * 1e3:.2g} mm outside"
        if figure > 0.01 and (habit := depth_habit(float(np.median(deep)) / max(1e-9, abs(middle)))):
            detail += f"; {habit}"
        yield Measured(figure, each.where, detail)


@check_pair("depth.views", "share", 2e-4)
def _agrees(pair: SeenPair) -> Iterator[Measured]:
    """A point that two views see is as deep in one as the other says, by both poses and K.

    A quarter of the points are off by less, in parts of their depth; others may be hidden by their own
    object. A pixel of one view is looked for in the other, where it is compared if the four pixels around it
    show the same object on a nearly flat piece.
    """
    for first, second in ((pair.first, pair.second), (pair.second, pair.first)):
        off = _off_elsewhere(first, second)
        if len(off) >= _FEWEST:
            figure = float(np.percentile(np.abs(off), 25))
            yield Measured(figure, f"in {second.where}", _habit(off), len(off))


@check_pair("depth.seen_through", "share", 0.1)
def _through(pair: SeenPair) -> Iterator[Measured]:
    """No view looks through a point that another view sees; the share of points that it does."""
    for first, second in ((pair.first, pair.second), (pair.second, pair.first)):
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
            yield Measured(figure, f"in {second.where}", count=len(depth))


def _habit(off: Floats) -> str:
    ratio = float(np.median(off)) + 1
    return f"depth is {ratio:.5g} times what the other view says"


def _off_elsewhere(first: SeenView, second: SeenView) -> Floats:
    """Return by which part the depth of points of one view is more in the other than it must be."""
    carried = _carried(first, second)
    if carried is None or second.depth is None or second.numbers is None:
        return np.zeros(0)
    places, depth, which, is_facing = carried
    places, depth, which = places[is_facing], depth[is_facing], which[is_facing]
    height, width = second.depth.shape
    column, row = np.floor(places - 0.5).astype(int).T
    is_inside = (column >= 0) & (row >= 0) & (column < width - 1) & (row < height - 1)
    column, row, places = column[is_inside], row[is_inside], places[is_inside]
    depth, which = depth[is_inside], which[is_inside]
    rows, columns = row + np.array([[0], [0], [1], [1]]), column + np.array([[0], [1], [0], [1]])
    same = (second.numbers[rows, columns] == which).all(0)
    # what is flat in space is flat in 1 / depth
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / second.depth[rows, columns].astype(float)
    right, down = (places - 0.5 - np.stack([column, row], -1)).T
    upper = inverse[0] * (1 - right) + inverse[1] * right
    lower = inverse[2] * (1 - right) + inverse[3] * right
    found = 1 / np.maximum(upper * (1 - down) + lower * down, 1e-12)
    twist = np.abs(inverse[0] + inverse[3] - inverse[1] - inverse[2]) * found
    is_flat = twist < 1e-3 + 2 * second.depth_step / np.maximum(found, 1e-9)
    off = found / depth - 1
    # what stands before the point, or behind it, is something else
    is_good = same & is_flat & np.isfinite(off) & (np.abs(off) < 0.5)
    return np.sign(off[is_good]) * np.maximum(0, np.abs(off[is_good]) - second.depth_step / depth[is_good])


def _carried(
    first: SeenView, second: SeenView
) -> tuple[Floats, Floats, NDArray[np.integer[Any]], NDArray[np.bool_]] | None:
    """Take points of one view to where they must be in the other.

    Returns
    -------
    places : (n, 2), inside the other image, px
    depth : (n,)
    which : (n,)
        The numbers of their objects.
    is_facing : (n,)
        Whether the surface has the same side towards both cameras; else its own object hides it.
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
        # each point, with those of the next column and of the next row
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
    """Tell on which side of triangles, (3, n, 3), the camera is."""
    return np.sign((corners[0] * np.cross(corners[1] - corners[0], corners[2] - corners[0])).sum(-1))


def _change(first: SeenView, second: SeenView, number: int) -> Floats | None:
    """Return what takes points of an object from one camera's axes to the other's."""
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
    """Name the first pixel that is wrong, and its object."""
    if not wrong.any():
        return ""
    row, column = np.argwhere(wrong)[0].tolist()
    numbers = view.numbers
    number = int(numbers[row, column]) if numbers is not None else 0
    whose = view.by_number[number].where if number in view.by_number else "no object"
    return f"{whose}, pixel ({column}, {row})"
