"""The content of a dataset in one form for all layouts.

Lengths are metres. Cameras look along -z, with y up. Principal points and boxes are measured from the image's
upper left corner: a box is (x, y, width, height), and column c covers x from c to c + 1. None stands for a
value that a layout does not have.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...frame import Lens, When
from .models import Models
from .points import pixels_of

__all__ = ["Box", "Extent", "SeenMoment", "SeenObject", "SeenPair", "SeenPoint", "SeenScene", "SeenView"]

_SAMPLE = 400
_MOST_COUNTED = 1_000_000

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Extent:
    """The bounding box of a mask (None if the mask is empty) and its number of pixels."""

    box: tuple[int, int, int, int] | None
    pixels: int

    @staticmethod
    def of(mask: Mask) -> Extent:
        """Measure a mask, (height, width)."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return Extent(None, 0)
        left, top = int(columns[0]), int(rows[0])
        box = (left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
        return Extent(box, int(np.count_nonzero(mask)))


@dataclass(frozen=True)
class SeenPoint:
    """A point of an object in a view, as the dataset annotates it.

    Attributes
    ----------
    name : str
    position : (float, float) or None
        Px; None = the point is behind the camera.
    depth : float
    visibility : str
        "visible", "occluded", "outside" or "behind".
    """

    name: str
    position: tuple[float, float] | None
    depth: float
    visibility: str


@dataclass(frozen=True, eq=False)
class SeenObject:
    """An object in a view, as the dataset annotates it.

    Attributes
    ----------
    number : int
        The object's number in the view's `instance` image and in its `models`.
    where : str
        The object's name in messages.
    mask, amodal : (height, width) bool or None
        The visible mask, and the mask as if nothing hid the object. If `mask` is None, `instance` shows the
        visible pixels.
    has_boxes : bool
        Whether the layout has boxes; then a box that is None says that the object is not visible.
    has_box_amodal : bool
        Whether the layout has `box_amodal` for this object.
    box, box_amodal : Box or None
    pixels, pixels_amodal, pixels_all : int or None
        Visible pixels; pixels of the amodal mask inside the image; the same inside and outside the image.
    visible_fraction : float or None
    edge_distance : int or None
    truncated : bool or None
    matrix, to_camera : (4, 4) float64 or None
        From the object's axes to the world, and to the camera's axes.
    is_rigid : bool
        Whether `to_camera` must be a rotation and a translation.
    low, high : (3,) float64 or None
        Opposite corners of the 3D box around the object's surface, in its own axes.
    corners : sequence of points or None
        The annotated image positions of the 3D box's eight corners, in the order of the binary numbers xyz.
    center : SeenPoint or None
        The centre of the 3D box.
    keypoints : sequence of SeenPoint
    is_bent : bool or None
        Whether the object's surface changes with time in its own axes; None = unknown.
    """

    number: int
    where: str
    mask: Mask | None = None
    amodal: Mask | None = None
    has_boxes: bool = True
    has_box_amodal: bool = True
    box: Box | None = None
    box_amodal: Box | None = None
    pixels: int | None = None
    pixels_amodal: int | None = None
    pixels_all: int | None = None
    visible_fraction: float | None = None
    edge_distance: int | None = None
    truncated: bool | None = None
    matrix: Floats | None = None
    to_camera: Floats | None = None
    is_rigid: bool = False
    low: Floats | None = None
    high: Floats | None = None
    corners: Sequence[tuple[float, float] | None] | None = None
    center: SeenPoint | None = None
    keypoints: Sequence[SeenPoint] = ()
    is_bent: bool | None = None


@dataclass(frozen=True, eq=False)
class SeenMoment:
    """The view's camera pose at another moment, and the matrices of the objects by their numbers."""

    camera_to_world: Floats
    matrices: Mapping[int, Floats]


@dataclass(frozen=True, eq=False)
class SeenView:
    """An image and its annotations.

    Attributes
    ----------
    where : str
        The view's name in messages.
    size : (int, int)
        Width and height, px.
    objects : sequence of SeenObject
    lens : Lens or None
    camera_to_world : (4, 4) float64 or None
    depth : (height, width) float or None
        Metres along the optical axis; inf = no surface.
    is_all_numbered : bool
        Whether every surface belongs to one of the objects, so that there is none where no object is.
    depth_step : float
        The largest rounding error of depth, metres.
    instance : (height, width) int or None
        The number of the object at each pixel; 0 = none of the objects.
    normal : (height, width, 3) float or None
        In the camera's axes (x right, y up, z towards the viewer); NaN = no surface.
    normal_step : float
        The largest rounding error of a normal's components.
    colour : bytes
        The digest of the colour image; empty = the view has none.
    picture : str
        The image file, in layouts where several views may annotate one image; else empty.
    flow : mapping of When to (height, width, 2) float
        Px, to the right and down; NaN = unknown.
    visible : mapping of When to (height, width) int
        1 where the point is visible at the other moment, else 0.
    moments : mapping of When to SeenMoment
    models : Models or None
        The surfaces of the objects.
    """

    where: str
    size: tuple[int, int]
    objects: Sequence[SeenObject]
    lens: Lens | None = None
    camera_to_world: Floats | None = None
    depth: NDArray[Any] | None = None
    is_all_numbered: bool = False
    depth_step: float = 0.0
    instance: NDArray[Any] | None = None
    normal: NDArray[Any] | None = None
    normal_step: float = 0.0
    colour: bytes = b""
    picture: str = ""
    flow: Mapping[When, NDArray[Any]] = field(default_factory=dict)
    visible: Mapping[When, NDArray[Any]] = field(default_factory=dict)
    moments: Mapping[When, SeenMoment] = field(default_factory=dict)
    models: Models | None = None

    @cached_property
    def by_number(self) -> dict[int, SeenObject]:
        """The objects by their numbers."""
        return {each.number: each for each in self.objects}

    @cached_property
    def sample(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of sampled pixels: at most 400 of each object and of the background."""
        if self.numbers is None:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        return pixels_of(self.numbers, _SAMPLE, np.random.default_rng(zlib.crc32(self.where.encode())))

    @cached_property
    def numbers(self) -> NDArray[np.integer[Any]] | None:
        """The number of the object at each pixel, 0 = none; from the masks if `instance` is None."""
        if self.instance is not None:
            return self.instance
        if not any(each.mask is not None for each in self.objects):
            return None
        numbers = np.zeros((self.size[1], self.size[0]), np.uint16)
        for each in self.objects:
            if each.mask is not None:
                numbers[each.mask] = each.number
        return numbers

    @cached_property
    def extents(self) -> dict[int, Extent]:
        """The visible extents by object number, including numbers that no object has."""
        own = {each.number: Extent.of(each.mask) for each in self.objects if each.mask is not None}
        return (_extents(self.instance) if self.instance is not None else {}) | own

    @property
    def has_masks(self) -> bool:
        """Whether the view has visible masks, as an `instance` image or by object."""
        return self.instance is not None or any(each.mask is not None for each in self.objects)


def _extents(numbers: NDArray[Any]) -> dict[int, Extent]:
    """Return the extent of each number in an image, except 0."""
    rows, columns = np.nonzero(numbers)
    shown = numbers[rows, columns]
    every = np.bincount(shown) if len(shown) and shown.max() < _MOST_COUNTED else np.zeros(0, int)
    if len(every):
        found = np.flatnonzero(every)
        counts, which = every[found], (np.cumsum(every > 0) - 1)[shown]
    else:
        found, which, counts = np.unique(shown, return_inverse=True, return_counts=True)
    low, high = np.full((2, len(found)), 2**62), np.full((2, len(found)), -1)
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(low[axis], which, places)
        np.maximum.at(high[axis], which, places)
    return {
        int(number): Extent((int(x), int(y), int(r - x + 1), int(b - y + 1)), int(count))
        for number, count, x, y, r, b in zip(found, counts, *low, *high, strict=True)
    }


@dataclass(frozen=True, eq=False)
class SeenScene:
    """Views of the same objects: an item of a store, or an image of another layout.

    Attributes
    ----------
    where : str
        The scene's name in messages.
    views : sequence of SeenView
    sequence, split : str
        Empty = unknown.
    scene : str
        Consecutive scenes with the same name here show the same objects under the same numbers; empty =
        unknown.
    """

    where: str
    views: Sequence[SeenView]
    sequence: str = ""
    split: str = ""
    scene: str = ""


@dataclass(frozen=True, eq=False)
class SeenPair:
    """Two views that show the same objects, perhaps at different places."""

    first: SeenView
    second: SeenView
