"""COCO: files of annotations, and the pictures that they name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import DatasetError
from ....extras import brought_by
from ..check import Measured
from ..report import Report
from ..seen import SeenObject, SeenScene, SeenView
from .files import decode_image, read_file, read_json, tell
from .layout import Layout

__all__ = ["LAYOUT"]

_FIRST_BYTES = 1 << 16
_ROUNDING_PX = 0.011  # boxes are often written with two digits
_POLYGON_PX = 1.0  # a polygon need not end at pixels' edges

Json = dict[str, Any]


def _files(path: Path) -> list[Path]:
    """Find the files of annotations."""
    found = [*path.glob("*.json"), *path.glob("*/*.json"), *path.glob("*/*/*.json")]
    return sorted(each for each in found if _is_coco(each))


def _is_coco(path: Path) -> bool:
    """Whether a JSON file is likely to be one of annotations, as far as its ends tell."""
    try:
        with path.open("rb") as file:
            first = file.read(_FIRST_BYTES)
            file.seek(max(0, path.stat().st_size - _FIRST_BYTES))
            both = first + file.read()
    except OSError:
        return False
    keys = (b'"images"', b'"annotations"', b'"categories"')
    return first.lstrip().startswith(b"{") and sum(key in both for key in keys) >= 2


class _Reading:
    def __init__(self, path: Path, report: Report) -> None:
        try:
            from pycocotools import mask
        except ModuleNotFoundError as error:
            raise DatasetError(
                f"{path}: COCO needs the package {error.name}; {brought_by('dataset')}"
            ) from error
        self._coder = mask
        self._path, self._report = path, report
        self._files = _files(path)
        self._count = len(self._files)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SeenScene]:
        for file in self._files:
            where = file.relative_to(self._path).as_posix()
            document = read_json(self._report, file, where)
            if document is None:
                continue
            tables = self._tables(document, where)
            if tables is not None:
                yield from self._scenes(file, where, *tables)

    def _tables(self, document: Any, where: str) -> tuple[list[Json], list[Json], list[Json]] | None:
        names = ("images", "annotations", "categories")
        tables = [document.get(name) if isinstance(document, dict) else None for name in names]
        is_there = all(map(_is_table, tables))
        if not tell(self._report, "files.readable", where, not is_there, "images, annotations, categories"):
            return None
        images, annotations, categories = tables
        self._count += len(images or []) - 1
        return images or [], annotations or [], categories or []

    def _scenes(
        self, file: Path, where: str, images: list[Json], annotations: list[Json], categories: list[Json]
    ) -> Iterator[SeenScene]:
        for name, rows in (("image", images), ("annotation", annotations), ("category", categories)):
            for identifier, count in Counter(repr(row.get("id")) for row in rows).items():
                place = f"{where}, {name} {identifier}"
                tell(self._report, "ids.unique", place, count > 1, f"it is given {count} times")
        named, kinds = {row.get("id") for row in images}, {row.get("id"): row for row in categories}
        by_image: dict[Any, list[Json]] = {}
        for row in annotations:
            place, image = f"{where}, annotation {row.get('id')}", row.get("image_id")
            tell(self._report, "ids.references", place, image not in named, f"there is no image {image}")
            kind = row.get("category_id")
            tell(self._report, "ids.references", place, kind not in kinds, f"there is no category {kind}")
            by_image.setdefault(image, []).append(row)
        for image in images:
            yield self._scene(file, where, image, by_image.get(image.get("id"), []), kinds)

    def _scene(
        self, file: Path, where: str, image: Json, annotations: list[Json], kinds: dict[Any, Json]
    ) -> SeenScene:
        name, size = str(image.get("file_name")), (_whole(image.get("width")), _whole(image.get("height")))
        place = f"{where}, image {image.get('id')} ({name})"
        path = self._find(file, name)
        colour = self._colour(path, place, size)
        objects = [
            self._object(place, number, row, size, kinds) for number, row in enumerate(annotations, start=1)
        ]
        view = SeenView(
            place,
            size,
            [each for each in objects if each is not None],
            colour=colour,
            picture=str(path or ""),
        )
        return SeenScene(place, [view])

    def _colour(self, path: Path | None, place: str, size: tuple[int, int]) -> bytes:
        if path is None:
            tell(self._report, "files.there", place, True, "the picture is not there")
            return b""
        data = read_file(self._report, path, place)
        pixels = decode_image(self._report, data, place) if data is not None else None
        if data is None or pixels is None:
            return b""
        there = pixels.shape[1::-1]
        tell(self._report, "files.shape", place, there != size, f"it is {there[0]} x {there[1]}, told {size}")
        return hashlib.blake2b(data, digest_size=16).digest()

    def _find(self, file: Path, name: str) -> Path | None:
        """Look for a picture where tools put it: beside the annotations, or in the split's folder."""
        words = file.stem.split("_")
        bases = [file.parent, self._path, file.parent.parent]
        folders = ["", "images", *words, *(f"images/{word}" for word in words)]
        paths = (base / folder / name for base in bases for folder in folders)
        return next((path for path in paths if path.is_file()), None)

    def _object(
        self, place: str, number: int, row: Json, size: tuple[int, int], kinds: dict[Any, Json]
    ) -> SeenObject | None:
        where = f"annotation {row.get('id')}"
        full = f"{place}, {where}"
        self._check_keypoints(full, row, size, kinds.get(row.get("category_id"), {}))
        crowd = row.get("iscrowd", 0)
        tell(self._report, "annotations.fields", full, crowd not in (0, 1), f"iscrowd {crowd!r}")
        box = row.get("bbox")
        is_box = isinstance(box, list) and len(box) == 4 and all(_is_number(value) for value in box)
        if box is not None:
            tell(self._report, "annotations.fields", full, not is_box, f"bbox {box!r}")
        shape = row.get("segmentation")
        if not shape:
            return None
        mask = self._mask(full, shape, size)
        if mask is None:
            return None
        self._check_area(full, row, mask)
        told = tuple(map(float, box)) if is_box and isinstance(box, list) else None
        if told is not None:
            told = _snapped(told, mask, _POLYGON_PX if isinstance(shape, list) else _ROUNDING_PX)
        # what is a crowd may lie over single ones
        return SeenObject(
            number, where, mask=mask if not crowd else None, boxes_told=told is not None, box=told
        )

    def _mask(self, where: str, shape: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        try:
            if isinstance(shape, list):
                return self._drawn(where, shape, size)
            told, counts = list(shape["size"]), shape["counts"]
            runs = counts if isinstance(counts, list) else _runs(counts)
            is_right = told == [size[1], size[0]] and sum(runs) == size[0] * size[1] and min(runs) >= 0
            detail = f"RLE of size {told}, {sum(runs)} pixels; the image is {size[0]} x {size[1]}"
            is_right = tell(self._report, "annotations.fields", where, not is_right, detail)
            return _filled(runs, size) if is_right else None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            tell(self._report, "annotations.fields", where, True, f"segmentation: {error!r}")
            return None

    def _drawn(self, where: str, shape: list[Any], size: tuple[int, int]) -> NDArray[np.bool_] | None:
        width, height = size
        lengths = [len(polygon) for polygon in shape]
        is_odd = any(length < 6 or length % 2 for length in lengths)
        if not tell(self._report, "annotations.fields", where, is_odd, f"polygons of {lengths} numbers"):
            return None
        points = np.concatenate([np.reshape(np.array(polygon, float), (-1, 2)) for polygon in shape])
        beyond = float(max(0, -points.min(), *(points - (width, height)).max(0)))
        self._report.add("annotations.polygons", where, Measured(beyond))
        coded = self._coder.merge(self._coder.frPyObjects(shape, height, width))
        return _filled(_runs(coded["counts"]), size)

    def _check_area(self, where: str, row: Json, mask: NDArray[np.bool_]) -> None:
        area, pixels = row.get("area"), int(np.count_nonzero(mask))
        if area is None:
            return
        if not tell(self._report, "annotations.fields", where, not _is_number(area), f"area {area!r}"):
            return
        border = 0.0
        if isinstance(row["segmentation"], list):  # may be the polygon's own area
            inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
            border = float(pixels - np.count_nonzero(inner))
        off = max(0.0, abs(area - pixels) - border) / max(1, pixels)
        self._report.add("annotations.area", where, Measured(off, "", f"area {area:g}, the mask {pixels}"))

    def _check_keypoints(self, where: str, row: Json, size: tuple[int, int], kind: Json) -> None:
        points = row.get("keypoints")
        if points is None:
            return
        wrong = _wrong_keypoints(points, row.get("num_keypoints"), size, kind.get("keypoints"))
        tell(self._report, "annotations.keypoints", where, bool(wrong), wrong)


def _wrong_keypoints(points: Any, told: Any, size: tuple[int, int], names: Any) -> str:
    """Say what is wrong with keypoints; empty = nothing. They count from the first pixel's centre."""
    if not isinstance(points, list) or len(points) % 3 or not all(_is_number(value) for value in points):
        return "they are not triples of numbers"
    if isinstance(names, list) and len(points) != 3 * len(names):
        return f"{len(points) // 3} points; the category has {len(names)}"
    flags = points[2::3]
    if any(flag not in (0, 1, 2) for flag in flags):
        return f"flags {flags}"
    count = sum(flag > 0 for flag in flags)
    if told is not None and told != count:
        return f"num_keypoints {told}; {count} are flagged"
    for x, y, flag in zip(points[::3], points[1::3], flags, strict=True):
        if flag == 2 and not (-0.5 <= x <= size[0] - 0.5 and -0.5 <= y <= size[1] - 0.5):
            return f"one that is seen is at ({x:g}, {y:g}), outside the image"
    return ""


def _snapped(told: Sequence[float], mask: NDArray[np.bool_], slack: float) -> Any:
    """Take the mask's own box for one that is told within what rounding explains."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return tuple(told)
    right = (columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    off = np.abs(np.subtract(told, right))
    ends = np.abs(np.subtract(np.add(told[:2], told[2:]), np.add(right[:2], right[2:])))
    is_near = max(off[:2].max(), ends.max()) <= slack
    return tuple(map(int, right)) if is_near else tuple(told)


def _runs(counts: str | bytes) -> list[int]:
    """Read the lengths of the runs of a compressed RLE, by column, zeros first.

    A character has 5 bits and says whether another follows; from the fourth on, a length is the difference
    to the one two back.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode() if isinstance(counts, str) else counts:
        code = byte - 48
        if not 0 <= code < 64:
            raise ValueError("RLE has a character that means nothing")
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("RLE ends within a number")
    return runs


def _filled(runs: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a mask of its runs, (height, width)."""
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size).T


def _is_table(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


LAYOUT = Layout("COCO", lambda path: bool(_files(path)), _Reading)
