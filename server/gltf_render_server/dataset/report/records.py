"""Collects the data about the views of an item for the page, and writes small pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from ...errors import DatasetError
from ...false_colours import false_colours, legend
from ..store import StoredItem, StoredView
from .objects import Colour, ShownObject, colours_of_numbers, shown_objects, shown_pixels
from .overlay import mask_picture

__all__ = ["InspectedItem", "ViewDetails", "ViewRow", "inspect_item"]

_SMALL, _LARGE = 320, 640  # widths in px: of colour in the gallery, and of other pictures
_JPEG_QUALITY = 82
_BLACK = 4  # of 255
_EMPTY = "empty"  # the legend of an array without values
_MOST_OBJECTS = 300
_PAINTED = "depth", "normal"
"""Passes of which the page has pictures beside colour; it links to the files of all others."""


class ViewRow(Struct, frozen=True, array_like=True):
    """The data of a view that the page has for all views, to sort and to filter them.

    Attributes
    ----------
    index, name, view, camera, split
        See the store's records.
    number : int
        Number of the view in its item, which is part of the names of the page's pictures.
    width, height : int
    categories : list of (index of the category, number of objects, smallest visible share)
    nearest_m : float or None
    position, forward : (x, y, z)
        Position of the camera and its viewing direction, in world axes.
    problems : list of str
    picture : str
        File of the colour picture in the gallery; it is in the store if it begins with "/", and else in the
        page's folder.
    has_mask : bool
    """

    index: int
    name: str
    view: str
    camera: str
    split: str
    number: int
    width: int
    height: int
    categories: list[tuple[int, int, float | None]]
    nearest_m: float | None
    position: list[float]
    forward: list[float]
    problems: list[str]
    picture: str
    has_mask: bool


class ViewDetails(Struct, frozen=True, array_like=True):
    """The data that the page loads when a view is opened.

    Attributes
    ----------
    objects : list of list
        The fields of `ShownObject`, with the index of the category in place of its name.
    painted : dict of str to str
        Legends of the passes of which the page has pictures.
    files : dict of str to str
        Paths of the stored files below the item's folder, by their passes.
    facts : dict
        Further data of the item and the view, under the names that the store uses.
    """

    objects: list[list[Any]]
    painted: dict[str, str]
    files: dict[str, str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class InspectedItem:
    """The views of an item in order: their rows, their details, and the objects that they show."""

    rows: list[ViewRow] = field(default_factory=list)
    details: list[ViewDetails] = field(default_factory=list)
    shown: list[list[ShownObject]] = field(default_factory=list)


def inspect_item(
    item: StoredItem, categories: Mapping[str, int], colours: Mapping[str, Colour], folder: Path
) -> InspectedItem:
    """Read an item, and write small pictures of its views.

    Parameters
    ----------
    item : StoredItem
    categories : mapping of str to int
        Indices of the categories in the page's list.
    colours : mapping of str to (red, green, blue)
        Colours of the categories.
    folder : Path
        Folder of the pictures, which are named ``<number of the view>.<what>.jpg`` or ``.png``.

    Raises
    ------
    OSError
        The pictures cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = InspectedItem()
    for number, view in enumerate(item.views):
        seen = _View(item, view, number, folder)
        found.shown.append(seen.shown)
        found.rows.append(seen.row(categories, colours))
        found.details.append(seen.details(categories))
    return found


class _View:
    def __init__(self, item: StoredItem, view: StoredView, number: int, folder: Path) -> None:
        self._item, self._view, self._number, self._folder = item, view, number, folder
        self._problems: list[str] = []
        self._numbers = self._array("instance")
        self.shown = self._shown()
        self._painted = {name: text for name in _PAINTED if (text := self._paint(name)) is not None}

    def row(self, categories: Mapping[str, int], colours: Mapping[str, Colour]) -> ViewRow:
        record, view = self._item.record, self._view
        pose = view.camera_to_world
        distances = [each.distance_m for each in self.shown if each.distance_m is not None]
        picture = self._colour()
        return ViewRow(
            index=record.index,
            name=record.name,
            view=view.name,
            camera=view.record.camera,
            split=record.split,
            number=self._number,
            width=view.lens.width,
            height=view.lens.height,
            categories=self._counted(categories),
            nearest_m=_short(min(distances)) if distances else None,
            position=_shortened(pose[:3, 3].tolist()),
            forward=_shortened((-pose[:3, 2]).tolist()),
            has_mask=self._mask(colours),
            picture=picture,
            problems=self._problems,
        )

    def details(self, categories: Mapping[str, int]) -> ViewDetails:
        record, view = self._item.record, self._view
        largest = sorted(self.shown, key=lambda each: -each.pixels)[:_MOST_OBJECTS]
        lens = view.lens
        return ViewDetails(
            objects=[_object_row(each, categories[each.category]) for each in largest],
            painted=self._painted,
            files={name: file.file for name, file in view.record.files.items()},
            facts={
                "sequence": record.sequence,
                "time_s": record.time_s,
                "document": record.document,
                "size": f"{lens.width} x {lens.height} px",
                "focal lengths": f"{lens.focal_x:.6g}, {lens.focal_y:.6g} px",
                "principal point": f"{lens.center_x:.6g}, {lens.center_y:.6g} px",
                "clipping planes": f"{lens.near:g} to {lens.far:g} m",
                "camera_to_world": [_short(value) for value in view.record.camera_to_world],
                "drawn": record.drawn,
            },
        )

    def _shown(self) -> list[ShownObject]:
        objects, view = self._item.record.objects, self._view
        shown: list[ShownObject] = []
        if "instances" in view.record.files:
            try:
                shown = shown_objects(objects, view.instances, view.lens)
            except DatasetError as error:
                self._problems.append(str(error))
        elif self._numbers is not None:
            shown = shown_pixels(objects, self._numbers)
        if not shown and any(each.category is not None for each in objects):
            self._problems.append("no object is visible")
        return shown

    def _array(self, name: str) -> NDArray[Any] | None:
        if name not in self._view.record.files:
            return None
        try:
            return self._view.array(name)
        except DatasetError as error:
            self._problems.append(str(error))
            return None

    def _colour(self) -> str:
        """Return the picture for the gallery; a picture that is small enough is not written again."""
        pixels = self._array("color")
        if pixels is None:
            return ""
        if int(pixels[..., :3].max(initial=0)) <= _BLACK:
            self._problems.append("the picture is black")
        elif (pixels == pixels[0, 0]).all():
            self._problems.append("the whole picture has the same colour")
        if pixels.shape[1] <= _SMALL:
            return f"/{self._view.record.files['color'].file}"
        self._save(false_colours(pixels, "color"), "color", _SMALL)
        return f"{self._number}.color.jpg"

    def _paint(self, name: str) -> str | None:
        array = self._array(name)
        if array is None:
            return None
        step = -(-array.shape[1] // _LARGE)
        array = array[step // 2 :: step, step // 2 :: step]
        self._save(false_colours(array, name), name, _LARGE)
        text = legend(array, name)
        if text == _EMPTY:
            self._problems.append(f"the pass {name} is empty")
        return text

    def _mask(self, colours: Mapping[str, Colour]) -> bool:
        if self._numbers is None or not self.shown:
            return False
        step = -(-self._numbers.shape[1] // _LARGE)
        numbers = self._numbers[step // 2 :: step, step // 2 :: step]
        image = mask_picture(numbers, colours_of_numbers(self.shown, colours))
        image.save(
            self._folder / f"{self._number}.mask.png",
            transparency=image.info["transparency"],
            compress_level=4,
        )
        return True

    def _save(self, picture: NDArray[np.uint8], name: str, widest: int) -> None:
        image = Image.fromarray(picture)
        image.thumbnail((widest, image.height), reducing_gap=2.0)
        image.save(self._folder / f"{self._number}.{name}.jpg", quality=_JPEG_QUALITY)

    def _counted(self, categories: Mapping[str, int]) -> list[tuple[int, int, float | None]]:
        """Return the number of visible objects of each category, and the smallest visible share."""
        counted: dict[int, tuple[int, float | None]] = {}
        for each in self.shown:
            place = categories[each.category]
            count, least = counted.get(place, (0, None))
            known = [value for value in (least, each.visible) if value is not None]
            counted[place] = count + 1, _short(min(known)) if known else None
        return [(place, *counts) for place, counts in sorted(counted.items())]


def _object_row(each: ShownObject, category: int) -> list[Any]:
    return [
        each.number,
        each.name,
        category,
        each.box,
        each.pixels,
        [None if point is None else _shortened(point, 1) for point in each.corners],
        [None if point is None else _shortened(point, 1) for point in each.axes],
        [_shortened(point, 1) for point in each.points],
        None if each.visible is None else round(each.visible, 3),
        None if each.distance_m is None else _short(each.distance_m),
        each.truncated,
    ]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _shortened(values: Any, digits: int = 4) -> list[float]:
    return [round(float(value), digits) for value in values]
