"""The table of objects: the pose of each, and how much of it is visible.

All counts and boxes come from masks: what each pixel shows of the whole scene, and what it would show of each
object alone (see `alone`). Therefore they cannot contradict the passes `instance` and `mask_amodal`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..labels import label_number
from ..scene import Scene
from .alone import Silhouette, canvas_of, image_of
from .hits import distinct_below
from .table import add_row
from .views import ViewRender
from .windows import Window, joined

__all__ = ["DEPTH_TOLERANCE", "Box3dRow", "InstanceRow", "PointRow"]

DEPTH_TOLERANCE = 0.005
"""How far behind the visible surface a keypoint still counts as visible, as a fraction of its depth: 5 mm at
1 m.
"""

_BOX_CORNERS = np.array(list(product((False, True), repeat=3)))

Floats = NDArray[np.float64]
Visibility = Literal["visible", "occluded", "outside", "behind"]
Point = tuple[float, float]
Vector = tuple[float, float, float]


class Box3dRow(msgspec.Struct, frozen=True):
    """The bounding box of all surfaces of an object, in the object's own axes and unit.

    `corners` are the positions of the eight corners in the image, px from its upper left corner; null if a
    corner is behind the camera. They are ordered like the binary numbers 000 to 111, whose digits stand for
    x, y and z; 1 means the high end.
    """

    low: Vector
    high: Vector
    corners: list[Point | None]


class PointRow(msgspec.Struct, frozen=True):
    """A point of an object in the image.

    `position` is in px from the image's upper left corner, or null behind the camera. `depth` is in metres
    along the optical axis, negative behind the camera. A point beyond the image's edges or the clipping
    planes is "outside". Any other point is "visible" or "occluded".
    """

    name: str
    position: Point | None
    depth: float
    visibility: Visibility


class InstanceRow(msgspec.Struct, frozen=True):
    """An object in a view, identified by its number in the pass `instance`.

    Boxes are [x, y, width, height] in px from the image's upper left corner. A column c covers c to c + 1, so
    a width is the last column minus the first, plus 1. A box is null if no pixel shows the object. `label` is
    null if the object's materials have several labels, or one that is not to be rendered.

    `pixels` and `box` describe the visible part. `pixels_amodal` counts the pixels of the image that would
    show the object if nothing else were there. `pixels_all` and `box_amodal` are the same on a canvas three
    times as wide and high, with the image in its middle. `visible_fraction` is pixels / pixels_all, or 0 if
    that is 0. `edge_distance` is the number of pixels from the visible part to the nearest edge of the image.
    An object is `truncated` if some of pixels_all are beyond the image.

    Matrices are 4 x 4, row by row, for column vectors. The camera's axes are x right, y up, z towards the
    viewer. `center` is the middle of the 3D box. It is visible if its pixel shows the object.
    """

    number: int
    name: str
    label: int | None
    extras: dict[str, str | int | float | bool]
    matrix: list[float]
    object_to_camera: list[float]
    box: Window | None
    box_amodal: Window | None
    box_3d: Box3dRow
    pixels: int
    pixels_amodal: int
    pixels_all: int
    visible_fraction: float
    edge_distance: int | None
    truncated: bool
    center: PointRow
    keypoints: list[PointRow]


def _instances(render: ViewRender) -> list[InstanceRow]:
    """What is known of each object, by number: poses, boxes, pixels that are seen and hidden, and keypoints.

    It is a list of `InstanceRow`; boxes and positions are in px from the image's upper left corner.
    """
    return _Table(render).rows()


class _Table:
    """The table of a view, with the data that all its rows need."""

    def __init__(self, render: ViewRender) -> None:
        self._render = render
        self._scene = render.scene
        self._image = image_of(render.view)
        self._to_camera = np.linalg.inv(render.view.camera_to_world)
        self._shown = render.exact.looked_up(self._scene.placements.instance, -1)
        self._seen = _boxes(self._shown, len(self._scene.instances))
        self._on_image = render.alone.on_image()
        self._on_canvas: dict[int, list[Silhouette]] = {}
        for index, found in render.alone.within(canvas_of(replace(render.view, amodal_margin=1.0))):
            self._on_canvas.setdefault(index, []).append(found)

    def rows(self) -> list[InstanceRow]:
        keypoints: dict[int, list[PointRow]] = {}
        for keypoint in self._scene.keypoints:
            row = self._point(keypoint.name, self._to_camera, keypoint.position, self._is_in_front)
            keypoints.setdefault(keypoint.instance, []).append(row)
        labels = _labels(self._scene)
        return [self._row(index, label, keypoints.get(index, [])) for index, label in enumerate(labels)]

    def _row(self, index: int, label: int | None, keypoints: list[PointRow]) -> InstanceRow:
        asset, instances = self._scene.asset, self._scene.instances
        node, to_camera = int(instances.node[index]), self._to_camera @ instances.matrix[index]
        low, high = (ends[index] for ends in self._render.object_boxes)
        box, pixels = self._seen.get(index, (None, 0))
        pixels_amodal = self._on_image[index].pixels if index in self._on_image else 0
        whole = self._on_canvas.get(index, [])
        pixels_all = sum(found.pixels for found in whole)
        return InstanceRow(
            number=index + 1,
            name=asset.node_name(node),
            label=label,
            extras=dict(asset.node_extras(node)),
            matrix=instances.matrix[index].ravel().tolist(),
            object_to_camera=to_camera.ravel().tolist(),
            box=box,
            box_amodal=joined(found.window for found in whole) if whole else None,
            box_3d=self._box_3d(low, high, to_camera),
            pixels=pixels,
            pixels_amodal=pixels_amodal,
            pixels_all=pixels_all,
            visible_fraction=pixels / pixels_all if pixels_all else 0.0,
            edge_distance=None if box is None else self._edge_distance(box),
            truncated=pixels_all > pixels_amodal,
            center=self._point(
                "center", to_camera, (low + high) / 2, lambda u, v, _: self._shown[int(v), int(u)] == index
            ),
            keypoints=keypoints,
        )

    def _edge_distance(self, box: Window) -> int:
        return min(box.left, box.top, self._image.right - box.right, self._image.bottom - box.bottom)

    def _box_3d(self, low: Floats, high: Floats, to_camera: Floats) -> Box3dRow:
        corners = [
            self._projected(_moved(to_camera, corner))[0] for corner in np.where(_BOX_CORNERS, high, low)
        ]
        return Box3dRow(_vector(low), _vector(high), corners)

    def _point(
        self, name: str, to_camera: Floats, point: Floats, is_seen: Callable[[float, float, float], bool]
    ) -> PointRow:
        """Describe a point, (3,), in the image: its position, depth and visibility."""
        lens = self._render.view.lens
        position, depth = self._projected(_moved(to_camera, point))
        visibility: Visibility = "outside"
        if position is None:
            visibility = "behind"
        elif lens.near <= depth <= lens.far and _is_on(self._image, position):
            visibility = "visible" if is_seen(*position, depth) else "occluded"
        return PointRow(name, position, depth, visibility)

    def _projected(self, point: Floats) -> tuple[Point | None, float]:
        """Return the position in the image of a point in the camera's axes, and its depth."""
        lens = self._render.view.lens
        x, y, z = point.tolist()
        if z >= 0:
            return None, -z
        u, v = lens.center_x - lens.focal_x * x / z, lens.center_y + lens.focal_y * y / z
        return ((u, v) if math.isfinite(u) and math.isfinite(v) else None), -z

    def _is_in_front(self, u: float, v: float, depth: float) -> bool:
        """Return whether nothing is in front of a point, judged by the four pixels around it."""
        rows, columns = slice(max(0, round(v) - 1), round(v) + 1), slice(max(0, round(u) - 1), round(u) + 1)
        farthest = float(self._render.exact.depth[rows, columns].max())
        return depth <= farthest + DEPTH_TOLERANCE * depth


def _boxes(shown: NDArray[np.intp], count: int) -> dict[int, tuple[Window, int]]:
    """Return the box and the pixel count of each visible object, by its index; in `shown`, -1 means none."""
    rows, columns = np.nonzero(shown >= 0)
    indices, which = distinct_below(shown[rows, columns], count)
    low = np.full((2, len(indices)), np.iinfo(np.intp).max)
    high = np.full((2, len(indices)), -1)
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(low[axis], which, places)
        np.maximum.at(high[axis], which, places)
    sizes, pixels = high - low + 1, np.bincount(which, minlength=len(indices))
    boxes = np.concatenate([low, sizes]).T.tolist()
    return {
        index: (Window(*box), number)
        for index, box, number in zip(indices.tolist(), boxes, pixels.tolist(), strict=True)
    }


def _labels(scene: Scene) -> list[int | None]:
    """Return the label of each object as in the pass `label`; None if it has several, or none."""
    numbers: list[set[int | None]] = [set() for _ in range(len(scene.instances))]
    of_primitives = [None if colour is None else label_number(colour) for colour in scene.labels]
    placements = scene.placements
    for primitive, instance in zip(placements.primitive.tolist(), placements.instance.tolist(), strict=True):
        numbers[instance].add(of_primitives[primitive])
    return [found.pop() if len(found) == 1 else None for found in numbers]


def _is_on(image: Window, position: Point) -> bool:
    return 0 <= position[0] < image.width and 0 <= position[1] < image.height


def _moved(matrix: Floats, point: Floats) -> Floats:
    return matrix[:3, :3] @ point + matrix[:3, 3]


def _vector(values: Floats) -> Vector:
    x, y, z = values.tolist()
    return (x, y, z)


add_row("instances", _instances, "json", "")
