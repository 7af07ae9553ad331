"""The annotated objects of a view, ready to be drawn: boxes, axes and keypoints in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...false_colours import false_colours
from ...frame import Lens
from ...passes import InstanceRow
from ..records import ObjectRecord

__all__ = [
    "BOX_EDGES",
    "Colour",
    "ShownObject",
    "category_colours",
    "colours_of_numbers",
    "shown_objects",
    "shown_pixels",
]

BOX_EDGES = tuple((one, one | bit) for one in range(8) for bit in (4, 2, 1) if not one & bit)
"""The edges of a 3D box, as pairs of its corners; see `passes.Box3dRow`."""

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class ShownObject:
    """An annotated object in a view; positions are in pixels from the image's upper left corner.

    Attributes
    ----------
    number : int
    name, category : str
    box : (x, y, width, height)
    pixels : int
    corners : tuple of 8 (u, v) or None
        Corners of the 3D box; empty = not known, None = the corner is behind the camera.
    axes : tuple of 4 (u, v) or None
        The middle of the 3D box, and the ends of the object's x, y and z axes from there; empty and None
        as in `corners`.
    points : tuple of (u, v)
        The visible keypoints.
    visible : float or None
        Share of the object's pixels that nothing hides; None = not known.
    distance_m : float or None
        Distance of the middle of the box along the optical axis.
    truncated : bool
    """

    number: int
    name: str
    category: str
    box: tuple[int, int, int, int]
    pixels: int
    corners: tuple[Point | None, ...] = ()
    axes: tuple[Point | None, ...] = ()
    points: tuple[Point, ...] = ()
    visible: float | None = None
    distance_m: float | None = None
    truncated: bool = False


def category_colours(categories: Iterable[str]) -> dict[str, Colour]:
    """Return a colour for each category, which depends on its place in the order."""
    names = list(categories)
    numbers = np.arange(1, len(names) + 1, dtype=np.uint32)[None]
    return dict(zip(names, map(tuple, false_colours(numbers, "instance")[0].tolist()), strict=True))


def shown_objects(
    objects: Iterable[ObjectRecord], rows: Iterable[InstanceRow], lens: Lens
) -> list[ShownObject]:
    """Return the annotated objects that are visible in a view, from its table of objects.

    Parameters
    ----------
    objects : iterable of ObjectRecord
        The objects of the item.
    rows : iterable of InstanceRow
        The pass `instances` of the view.
    lens : Lens
    """
    categories = {each.number: each.category for each in objects}
    shown = []
    for row in rows:
        category = categories.get(row.number)
        if category is None or row.box is None:
            continue
        shown.append(
            ShownObject(
                number=row.number,
                name=row.name,
                category=category,
                box=(row.box.left, row.box.top, row.box.width, row.box.height),
                pixels=row.pixels,
                corners=tuple(row.box_3d.corners),
                axes=_axes(row, lens),
                points=tuple(
                    point.position
                    for point in row.keypoints
                    if point.position is not None and point.visibility == "visible"
                ),
                visible=row.visible_fraction,
                distance_m=row.center.depth,
                truncated=row.truncated,
            )
        )
    return shown


def shown_pixels(objects: Iterable[ObjectRecord], numbers: NDArray[np.integer]) -> list[ShownObject]:
    """Return the annotated objects that are visible in a view, from its pass `instance` alone.

    Parameters
    ----------
    objects : iterable of ObjectRecord
        The objects of the item.
    numbers : (height, width) unsigned integers
        The pass `instance` of the view; 0 = no object.
    """
    shown = []
    for each in objects:
        rows, columns = np.nonzero(numbers == each.number)
        if each.category is None or not len(rows):
            continue
        left, top = int(columns.min()), int(rows.min())
        box = left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1
        shown.append(ShownObject(each.number, each.name, each.category, box, len(rows)))
    return shown


def colours_of_numbers(shown: Iterable[ShownObject], colours: Mapping[str, Colour]) -> dict[int, Colour]:
    """Return the colours of objects by their numbers."""
    return {each.number: colours[each.category] for each in shown}


def _axes(row: InstanceRow, lens: Lens) -> tuple[Point | None, ...]:
    low, high = np.array(row.box_3d.low), np.array(row.box_3d.high)
    length = float((high - low).max()) / 2
    points = (low + high) / 2 + np.concatenate([np.zeros((1, 3)), length * np.eye(3)])
    to_camera = np.array(row.object_to_camera).reshape(4, 4)
    return _projected(points @ to_camera[:3, :3].T + to_camera[:3, 3], lens)


def _projected(points: NDArray[np.float64], lens: Lens) -> tuple[Point | None, ...]:
    """Project points in camera axes, (n, 3), into the image; None = the point is behind the camera."""
    return tuple(
        None if z >= 0 else (lens.center_x - lens.focal_x * x / z, lens.center_y + lens.focal_y * y / z)
        for x, y, z in points.tolist()
    )
