"""Images with their annotated objects and keypoints, as several formats of annotations need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...passes import InstanceRow
from ..store import Store, StoredItem, StoredView, link_or_copy

__all__ = ["Keypoint", "Picture", "Seen", "keypoint_names", "pictures"]

_VISIBILITY = {"visible": 2, "occluded": 1}


class Keypoint(NamedTuple):
    """A keypoint inside an image: px from the upper left corner, and 2 = visible or 1 = occluded."""

    x: float
    y: float
    visibility: int


@dataclass(frozen=True)
class Seen:
    """An object of a category that is visible in an image.

    Attributes
    ----------
    row : InstanceRow
        The object's row in the table of the pass `instances`. Its box is not None.
    category : str
    box : tuple of int
        The visible bounding box: x, y, width, height, px.
    """

    row: InstanceRow
    category: str
    box: tuple[int, int, int, int]

    def keypoints(self, names: list[str]) -> list[Keypoint | None]:
        """Return the keypoints with these names; None = the object lacks it, or it is outside the image."""
        found = {
            point.name: Keypoint(*point.position, _VISIBILITY[point.visibility])
            for point in reversed(self.row.keypoints)
            if point.position is not None and point.visibility in _VISIBILITY
        }
        return [found.get(name) for name in names]


@dataclass(frozen=True)
class Picture:
    """A view of an item, as an image of the exported dataset.

    Attributes
    ----------
    item : StoredItem
    view : StoredView
    name : str
        The file name without its suffix. It is unique in the dataset, and sorts images in the order of items.
    """

    item: StoredItem
    view: StoredView
    name: str

    @property
    def split(self) -> str:
        """The split of the item."""
        return self.item.record.split

    @property
    def file(self) -> str:
        """The file name of the colour image."""
        return f"{self.name}{self._color.suffix}"

    @property
    def seen(self) -> list[Seen]:
        """The annotated objects, in the order of their numbers."""
        categories = {each.number: each.category for each in self.item.record.objects}
        return [
            Seen(row, category, row.box)
            for row in self.view.instances
            if row.box is not None and (category := categories[row.number]) is not None
        ]

    def mask(self, seen: Seen) -> NDArray[np.bool_]:
        """Return the visible mask of an object, cropped to its box, (height, width) of the box."""
        left, top, width, height = seen.box
        return self.numbers[top : top + height, left : left + width] == seen.row.number

    @cached_property
    def numbers(self) -> NDArray[np.uint16]:
        """The number of the object at each pixel, (height, width): the pass `instance`."""
        return self.view.array("instance")

    def link(self, folder: Path) -> None:
        """Link or copy the colour image into a folder."""
        link_or_copy(self._color, folder / self.file)

    @property
    def _color(self) -> Path:
        return self.view.path("color")


def pictures(store: Store) -> Iterator[Picture]:
    """Yield all views of all items, in order. Each view is read when the loop reaches it."""
    digits = max(6, len(str(store.manifest.items - 1)))
    for item in store:
        for view in item.views:
            yield Picture(item, view, f"{item.index:0{digits}d}_{view.name}")


def keypoint_names(store: Store) -> dict[str, list[str]]:
    """Return the names of the keypoints of each category that has any.

    The names are in the order in which they first occur in the dataset. Every view of an item lists all
    keypoints of its objects, so only the first view of each item is read.
    """
    found: dict[str, dict[str, None]] = {}
    for item in store:
        categories = {each.number: each.category for each in item.record.objects}
        for row in item.views[0].instances:
            category = categories[row.number]
            if category is not None and row.keypoints:
                found.setdefault(category, {}).update(dict.fromkeys(point.name for point in row.keypoints))
    return {category: list(names) for category, names in found.items()}
