"""What a dataset shows, in one way for all layouts.

Lengths are metres. Cameras look along -z, with y up. Principal points and boxes count from the image's edge:
a box is (x, y, width, height), and a column c fills c to c + 1. What a layout does not tell is None.
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
    """Where a mask is: its box, None if it is empty, and its pixels."""

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
    """A point of an object in a view, as the dataset tells it.

    Attributes
    ----------
    name : str
    position : (float, float) or None
        Px; None = it is behind the camera.
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
    """An object in a view, as the dataset tells it.

    Attributes
    ----------
    number : int
        Its number in the view's `instance`, and among the objects of its models.
    where : str
        How it is called in messages.
    mask, amodal : (height, width) bool or None
        What is seen of it, and what would be if nothing else were there. If `mask` is None, `instance` says.
    boxes_told : bool
        Whether the layout has boxes; then a box that is None says that nothing is seen.
    whole_told : bool
        Whether it has `box_amodal` of this object.
    box, box_amodal : Box or None
    pixels, pixels_amodal, pixels_all : int or None
        Seen; on the image if nothing else were there; beyond the image, too.
    visible_fraction : float or None
    edge_distance : int or None
    truncated : bool or None
    matrix, to_camera : (4, 4) float64 or None
        Object to world, and to the camera's axes.
    is_rigid : bool
        Whether `matrix` must be a rotation and a place.
    low, high : (3,) float64 or None
        Ends of the box that all of its surface is in, in its own axes.
    corners : sequence of points or None
        Where the eight corners of that box are told to be in the image; x is the first digit.
    center : SeenPoint or None
        The middle of that box.
    keypoints : sequence of SeenPoint
    is_bent : bool or None
        Whether its surface changes with time in its own axes; None = nobody knows.
    """

    number: int
    where: str
    mask: Mask | None = None
    amodal: Mask | None = None
    boxes_told: bool = True
    whole_told: bool = True
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
    """How things stand at another moment: this view's camera, and each object's matrix by its number."""

    camera_to_world: Floats
    matrices: Mapping[int, Floats]


@dataclass(frozen=True, eq=False)
class SeenView:
    """A picture, and all that is told of it.

    Attributes
    ----------
    where : str
        How it is called in messages.
    size : (int, int)
        Width and height, px.
    objects : sequence of SeenObject
    lens : Lens or None
    camera_to_world : (4, 4) float64 or None
    depth : (height, width) float or None
        Along the optical axis; inf = nothing.
    depth_step : float
        By how much depth is rounded at most.
    instance : (height, width) int or None
        0 = none of the objects.
    normal : (height, width, 3) float or None
        In the camera's axes (x right, y up, z towards the viewer); NaN = nothing.
    normal_step : float
        By how much the parts of a normal are rounded at most.
    colour : bytes
        Digest of the picture; empty = there is none.
    picture : str
        Its file, where several views may be annotations of one; else empty.
    flow : mapping of When to (height, width, 2) float
        Px, to the right and down; NaN = nothing.
    visible : mapping of When to (height, width) int
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
        """Rows and columns of pixels that stand for all: of each object, and of the rest, at most 400."""
        if self.numbers is None:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        return pixels_of(self.numbers, _SAMPLE, np.random.default_rng(zlib.crc32(self.where.encode())))

    @cached_property
    def numbers(self) -> NDArray[np.integer[Any]] | None:
        """The number of the object at each pixel, 0 = none; from the masks if there is no `instance`."""
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
        """Where each object is seen, by its number; also of numbers that no object has."""
        own = {each.number: Extent.of(each.mask) for each in self.objects if each.mask is not None}
        return (_extents(self.instance) if self.instance is not None else {}) | own

    @property
    def tells_masks(self) -> bool:
        """Whether it is known what is seen of the objects."""
        return self.instance is not None or any(each.mask is not None for each in self.objects)


def _extents(numbers: NDArray[Any]) -> dict[int, Extent]:
    """Measure all numbers of an image but 0."""
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
    """Pictures of the same things: an item of a store, an image of another layout.

    Attributes
    ----------
    where : str
        How it is called in messages.
    views : sequence of SeenView
    sequence, split : str
        Empty = that is not told.
    scene : str
        Scenes of the same name that follow each other show the same objects under the same numbers; empty =
        that is not told.
    """

    where: str
    views: Sequence[SeenView]
    sequence: str = ""
    split: str = ""
    scene: str = ""


@dataclass(frozen=True, eq=False)
class SeenPair:
    """Two views that show the same things, perhaps elsewhere."""

    first: SeenView
    second: SeenView
