"""What formats of annotated images share: images, the objects that are annotated in them, and keypoints."""

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
    """A keypoint on an image: px from its upper left corner, and 2 = visible, 1 = occluded."""

    x: float
    y: float
    visibility: int


@dataclass(frozen=True)
class Seen:
    """An object that some pixel of an image shows, and that is no background.

    Attributes
    ----------
    row : InstanceRow
        Its box is not None.
    category : str
    box : tuple of int
        x, y, width, height, as in the row.
    """

    row: InstanceRow
    category: str
    box: tuple[int, int, int, int]

    def keypoints(self, names: list[str]) -> list[Keypoint | None]:
        """Return the keypoints of these names; None = the object has none, or it is not on the image."""
        found = {
            point.name: Keypoint(*point.position, _VISIBILITY[point.visibility])
            for point in reversed(self.row.keypoints)
            if point.position is not None and point.visibility in _VISIBILITY
        }
        return [found.get(name) for name in names]


@dataclass(frozen=True)
class Picture:
    """A view of an item, as an image of a dataset.

    Attributes
    ----------
    item : StoredItem
    view : StoredView
    name : str
        Without a suffix; unique in the dataset. Sorted by their names, images are in the order of items.
    """

    item: StoredItem
    view: StoredView
    name: str

    @property
    def split(self) -> str:
        """That of the item."""
        return self.item.record.split

    @property
    def file(self) -> str:
        """The name with the suffix of the colour picture."""
        return f"{self.name}{self._color.suffix}"

    @property
    def seen(self) -> list[Seen]:
        """The objects that are annotated, by their numbers."""
        categories = {each.number: each.category for each in self.item.record.objects}
        return [
            Seen(row, category, row.box)
            for row in self.view.instances
            if row.box is not None and (category := categories[row.number]) is not None
        ]

    def mask(self, seen: Seen) -> NDArray[np.bool_]:
        """Return which pixels of the object's box show it, (height, width) of the box."""
        left, top, width, height = seen.box
        return self.numbers[top : top + height, left : left + width] == seen.row.number

    @cached_property
    def numbers(self) -> NDArray[np.uint16]:
        """The pass `instance`, (height, width)."""
        return self.view.array("instance")

    def link(self, folder: Path) -> None:
        """Give the colour picture a name in a folder."""
        link_or_copy(self._color, folder / self.file)

    @property
    def _color(self) -> Path:
        return self.view.path("color")


def pictures(store: Store) -> Iterator[Picture]:
    """Yield all views of all items, in order; each is read when it is its turn."""
    digits = max(6, len(str(store.manifest.items - 1)))
    for item in store:
        for view in item.views:
            yield Picture(item, view, f"{item.index:0{digits}d}_{view.name}")


def keypoint_names(store: Store) -> dict[str, list[str]]:
    """Return the names of the keypoints that objects of a category have, by the categories that have any.

    They are in the order in which the dataset first names them. Every view tells of all keypoints of an item,
    so one view is read of each.
    """
    found: dict[str, dict[str, None]] = {}
    for item in store:
        categories = {each.number: each.category for each in item.record.objects}
        for row in item.views[0].instances:
            category = categories[row.number]
            if category is not None and row.keypoints:
                found.setdefault(category, {}).update(dict.fromkeys(point.name for point in row.keypoints))
    return {category: list(names) for category, names in found.items()}
