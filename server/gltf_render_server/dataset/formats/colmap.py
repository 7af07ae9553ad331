"""COLMAP: a sparse model for each sequence, as text and binary, with points from the exact depth.

`src/colmap/scene/reconstruction_io.cc` of COLMAP defines the files. Pixel positions are relative to the
image's corner, as everywhere in this package. Camera axes are x right, y down, z forward; poses transform the
world into the camera. World coordinates are those of the document, as COLMAP defines no up direction.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trimesh.transformations import quaternion_from_matrix

from ...frame import Lens
from ..store import Store, StoredView, link_or_copy
from .clouds import colours_at, points_at, projected, spread
from .format import Format
from .sequences import Sequence, picture_name, sequences, views_of

__all__ = ["FORMAT"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_MOST_POINTS = 100_000
_MOST_OBSERVATIONS = 5_000_000
_LARGEST_DIFFERENCE = 1e-3
"""The largest distance, relative to depth, of a point from the surface that a view shows there."""

_PINHOLE, _PINHOLE_NUMBER = "PINHOLE", 1
_NO_ERROR = 0.0
_OBSERVATION = np.dtype([("position", "<f8", 2), ("point", "<i8")])
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Image:
    """An image of the model. Images are numbered from 1."""

    name: str
    camera: int
    quaternion: Floats
    translation: Floats


@dataclass(frozen=True)
class _Points:
    """The points of the model, and the images that see them.

    Attributes
    ----------
    positions : (n, 3) float64
    colours : (n, 3) uint8
    seen : list of (k,) int
        For each image, the sorted indices of the points that it sees, in the order of its 2D points.
    """

    positions: Floats
    colours: NDArray[np.uint8]
    seen: list[Numbers]

    def tracks(self) -> list[Numbers]:
        """Return for each point its observations, (m, 2): image numbers, and indices of 2D points."""
        point = np.concatenate(self.seen)
        image = np.repeat(np.arange(1, len(self.seen) + 1), [len(each) for each in self.seen])
        within = np.concatenate([np.arange(len(each)) for each in self.seen])
        order = np.argsort(point, kind="stable")
        if not len(self.positions):
            return []
        ends = np.cumsum(np.bincount(point, minlength=len(self.positions)))
        return np.split(np.stack([image, within], -1)[order], ends[:-1])


def _export(store: Store, out: Path) -> None:
    for sequence in sequences(store, out):
        _write(store, sequence)


def _write(store: Store, sequence: Sequence) -> None:
    model = sequence.folder / "sparse" / "0"
    model.mkdir(parents=True)
    (sequence.folder / "images").mkdir()
    cameras: dict[Lens, int] = {}
    images = []
    for item, view in views_of(store, sequence):
        source = view.path("color")
        name = picture_name(item, view) + source.suffix
        link_or_copy(source, sequence.folder / "images" / name)
        lens = replace(view.lens, near=0.0, far=0.0)  # COLMAP's cameras have no clipping planes
        images.append(_image(view, name, cameras.setdefault(lens, len(cameras) + 1)))
    points = _find_points(store, sequence, len(images))
    _write_cameras(model, list(cameras))
    _write_images(model, store, sequence, images, points)
    _write_points(model, points)


def _image(view: StoredView, name: str, camera: int) -> _Image:
    from_world = _FLIP @ np.linalg.inv(view.camera_to_world)
    return _Image(name, camera, quaternion_from_matrix(from_world), from_world[:3, 3])


def _find_points(store: Store, sequence: Sequence, images: int) -> _Points:
    """Take points from each view, and find the views that see them; drop points that only one view sees."""
    total = min(_MOST_POINTS, _MOST_OBSERVATIONS // images)
    positions, colours = [], []
    for _, view in views_of(store, sequence):
        depth = view.array("depth")
        pixels = spread(depth, max(1, total // images))
        positions.append(points_at(view, depth, pixels))
        colours.append(colours_at(view, pixels))
    everything, painted = np.concatenate(positions), np.concatenate(colours)
    seen = [_seen(view, everything) for _, view in views_of(store, sequence)]
    is_kept = np.bincount(np.concatenate(seen), minlength=len(everything)) > 1
    number = np.cumsum(is_kept) - 1
    return _Points(everything[is_kept], painted[is_kept], [number[each[is_kept[each]]] for each in seen])


def _seen(view: StoredView, points: Floats) -> Numbers:
    """Return the indices of the points that are visible in a view, according to its depth.

    Between the centres of pixels, the inverse depth is interpolated, which is exact on planes.
    """
    position, depth = projected(view, points)
    size = (view.lens.width, view.lens.height)
    is_inside = (depth > 0) & (position >= 0).all(1) & (position < size).all(1)
    which = np.flatnonzero(is_inside)
    shown = _interpolated(1.0 / view.array("depth").astype(float), position[which])
    return which[np.abs(depth[which] * shown - 1.0) < _LARGEST_DIFFERENCE]


def _interpolated(values: Floats, position: Floats) -> Floats:
    """Interpolate an image, (height, width), bilinearly at positions, (n, 2) px from its corner."""
    last = np.array(values.shape[::-1]) - 1
    at = np.clip(position - 0.5, 0, last)
    low = at.astype(np.intp)
    (left, top), (right, bottom) = low.T, np.minimum(low + 1, last).T
    x, y = (at - low).T
    upper = values[top, left] * (1 - x) + values[top, right] * x
    lower = values[bottom, left] * (1 - x) + values[bottom, right] * x
    return upper * (1 - y) + lower * y


class _Table:
    """A table of the model, written as text and as binary at once."""

    def __init__(self, model: Path, name: str, columns: str, count: int) -> None:
        self._text = (model / f"{name}.txt").open("w", encoding="utf-8", newline="\n")
        self._binary = (model / f"{name}.bin").open("wb")
        self._text.write(f"# {columns}\n")
        self._binary.write(struct.pack("<Q", count))

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()
        self._binary.close()

    def write(self, line: Iterable[object], record: bytes) -> None:
        """Write a row: a line of text with all digits of its numbers, and a binary record."""
        self._text.write(" ".join(map(str, line)) + "\n")
        self._binary.write(record)


def _write_cameras(model: Path, cameras: Many[Lens]) -> None:
    with _Table(model, "cameras", "CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy", len(cameras)) as table:
        for number, lens in enumerate(cameras, 1):
            rest = (lens.width, lens.height, lens.focal_x, lens.focal_y, lens.center_x, lens.center_y)
            table.write((number, _PINHOLE, *rest), struct.pack("<iiQQ4d", number, _PINHOLE_NUMBER, *rest))


def _write_images(
    model: Path, store: Store, sequence: Sequence, images: Many[_Image], points: _Points
) -> None:
    columns = (
        "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, and in the next line X Y POINT3D_ID of each point"
    )
    with _Table(model, "images", columns, len(images)) as table:
        for number, (image, seen, (_, view)) in enumerate(
            zip(images, points.seen, views_of(store, sequence), strict=True), 1
        ):
            pose = [*image.quaternion.tolist(), *image.translation.tolist()]
            record = struct.pack("<i7di", number, *pose, image.camera) + image.name.encode() + b"\0"
            table.write((number, *pose, image.camera, image.name), record)
            rows = np.empty(len(seen), _OBSERVATION)
            rows["position"], _ = projected(view, points.positions[seen])
            rows["point"] = seen + 1
            each = zip(rows["position"].tolist(), rows["point"].tolist(), strict=True)
            line = (value for (x, y), point in each for value in (x, y, point))
            table.write(line, struct.pack("<Q", len(rows)) + rows.tobytes())


def _write_points(model: Path, points: _Points) -> None:
    columns = "POINT3D_ID X Y Z R G B ERROR, and IMAGE_ID POINT2D_IDX of each image"
    with _Table(model, "points3D", columns, len(points.positions)) as table:
        rows = zip(points.positions.tolist(), points.colours.tolist(), points.tracks(), strict=True)
        for number, (position, colour, track) in enumerate(rows, 1):
            head = (number, *position, *colour, _NO_ERROR)
            record = struct.pack("<Q3d3BdQ", *head, len(track)) + track.astype("<i4").tobytes()
            table.write((*head, *track.ravel().tolist()), record)


FORMAT = Format(
    "colmap",
    "For Gaussian splatting and other readers of COLMAP's models: cameras, poses, and points with tracks.",
    ("color", "depth"),
    _export,
)
