"""COCO: annotation files, and the images that they name."""

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
from .files import decode_image, read_file, read_json
from .layout import Layout

__all__ = ["LAYOUT"]

_FIRST_BYTES = 1 << 16
_ROUNDING_PX = 0.011  # boxes are often rounded to two decimals
_POLYGON_PX = 1.0  # a polygon need not follow the edges of pixels
_MOST_PIXELS = 1 << 28
_LARGEST = 1e15

Json = dict[str, Any]


def _files(path: Path) -> list[Path]:
    """Find the annotation files."""
    found = [*path.glob("*.json"), *path.glob("*/*.json"), *path.glob("*/*/*.json")]
    return sorted(each for each in found if _is_coco(each))


def _is_coco(path: Path) -> bool:
    """Whether the beginning and the end of a JSON file look like those of an annotation file."""
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
                f"{path}: reading COCO needs the package {error.name}; {brought_by('dataset')}"
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
        detail = "the file needs the lists images, annotations and categories, whose elements are objects"
        if not self._report.check("files.readable", where, not is_there, detail):
            return None
        images, annotations, categories = tables
        self._count += len(images or []) - 1
        return images or [], annotations or [], categories or []

    def _scenes(
        self, file: Path, where: str, images: list[Json], annotations: list[Json], categories: list[Json]
    ) -> Iterator[SeenScene]:
        for name, rows in (("image", images), ("annotation", annotations), ("category", categories)):
            for identifier, count in Counter(_key(row.get("id")) for row in rows).items():
                place = f"{where}, {name} {identifier}"
                self._report.check("ids.unique", place, count > 1, f"{count} elements have this id")
        named = {_key(row.get("id")) for row in images}
        kinds = {_key(row.get("id")): row for row in categories}
        by_image: dict[Any, list[Json]] = {}
        for row in annotations:
            place, image = f"{where}, annotation {row.get('id')}", _key(row.get("image_id"))
            self._report.check(
                "ids.references",
                place,
                image not in named,
                f"image_id {image} is not in the list of images",
            )
            kind = _key(row.get("category_id"))
            self._report.check(
                "ids.references",
                place,
                kind not in kinds,
                f"category_id {kind} is not in the list of categories",
            )
            by_image.setdefault(image, []).append(row)
        for image in images:
            name = str(image.get("file_name"))
            place = f"{where}, image {image.get('id')} ({name})"
            size = _size_of(image)
            sides = image.get("width"), image.get("height")
            detail = f"width and height are {sides}, and must be the numbers of pixels"
            self._report.check("annotations.fields", place, size is None, detail)
            if size is not None:
                yield self._scene(file, name, place, size, by_image.get(_key(image.get("id")), []), kinds)

    def _scene(
        self,
        file: Path,
        name: str,
        place: str,
        size: tuple[int, int],
        annotations: list[Json],
        kinds: dict[Any, Json],
    ) -> SeenScene:
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
            self._report.check(
                "files.there",
                place,
                True,
                "there is no such image beside the annotations or in the split's folder",
            )
            return b""
        data = read_file(self._report, path, place)
        pixels = decode_image(self._report, data, place) if data is not None else None
        if data is None or pixels is None:
            return b""
        there = pixels.shape[1::-1]
        detail = f"the file has {there[0]} x {there[1]} pixels, the annotations {size[0]} x {size[1]}"
        self._report.check("files.shape", place, there != size, detail)
        return hashlib.blake2b(data, digest_size=16).digest()

    def _find(self, file: Path, name: str) -> Path | None:
        """Look for an image where tools put it: beside the annotations, or in the split's folder."""
        words = file.stem.split("_")
        bases = [file.parent, self._path, file.parent.parent]
        folders = ["", "images", *words, *(f"images/{word}" for word in words)]
        paths = (base / folder / name for base in bases for folder in folders)
        return next((path for path in paths if _is_file(path)), None)

    def _object(
        self, place: str, number: int, row: Json, size: tuple[int, int], kinds: dict[Any, Json]
    ) -> SeenObject | None:
        where = f"annotation {row.get('id')}"
        full = f"{place}, {where}"
        self._check_keypoints(full, row, size, kinds.get(_key(row.get("category_id")), {}))
        crowd = row.get("iscrowd", 0)
        self._report.check(
            "annotations.fields",
            full,
            crowd not in (0, 1),
            f"iscrowd is {crowd!r}, and must be 0 or 1",
        )
        box = row.get("bbox")
        is_box = isinstance(box, list) and len(box) == 4 and all(_is_number(value) for value in box)
        if box is not None:
            self._report.check(
                "annotations.fields",
                full,
                not is_box,
                f"bbox is {box!r}, and must be 4 numbers",
            )
        shape = row.get("segmentation")
        if not shape:
            return None
        mask = self._mask(full, shape, size)
        if mask is None:
            return None
        self._check_area(full, row, mask)
        annotated = tuple(map(float, box)) if is_box and isinstance(box, list) else None
        if annotated is not None:
            annotated = _snapped(annotated, mask, _POLYGON_PX if isinstance(shape, list) else _ROUNDING_PX)
        # the mask of a crowd may overlap those of single objects
        return SeenObject(
            number, where, mask=mask if not crowd else None, has_boxes=annotated is not None, box=annotated
        )

    def _mask(self, where: str, shape: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        try:
            if isinstance(shape, list):
                return self._drawn(where, shape, size)
            rle_size, counts = list(shape["size"]), shape["counts"]
            runs = counts if isinstance(counts, list) else _runs(counts)
            is_right = rle_size == [size[1], size[0]] and sum(runs) == size[0] * size[1] and min(runs) >= 0
            detail = (
                f"the RLE has the size {rle_size} and {sum(runs)} pixels; the image is {size[0]} x {size[1]}"
            )
            is_right = self._report.check("annotations.fields", where, not is_right, detail)
            return _filled(runs, size) if is_right else None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._report.check(
                "annotations.fields",
                where,
                True,
                f"the segmentation cannot be decoded: {error!r}",
            )
            return None

    def _drawn(self, where: str, shape: list[Any], size: tuple[int, int]) -> NDArray[np.bool_] | None:
        width, height = size
        lengths = [sum(map(_is_number, polygon)) for polygon in shape]
        is_wrong = any(
            count < 6 or count % 2 or count < len(polygon)
            for count, polygon in zip(lengths, shape, strict=True)
        )
        detail = f"the polygons have {lengths} numbers; each needs an even count of 6 or more"
        if not self._report.check("annotations.fields", where, is_wrong, detail):
            return None
        points = np.concatenate([np.reshape(np.array(polygon, float), (-1, 2)) for polygon in shape])
        beyond = float(max(0, -points.min(), *(points - (width, height)).max(0)))
        self._report.add("annotations.polygons", where, Measured(beyond))
        if beyond > max(size):  # drawing it would take memory without limit
            return None
        coded = self._coder.merge(self._coder.frPyObjects(shape, height, width))
        return _filled(_runs(coded["counts"]), size)

    def _check_area(self, where: str, row: Json, mask: NDArray[np.bool_]) -> None:
        area, pixels = row.get("area"), int(np.count_nonzero(mask))
        if area is None:
            return
        if not self._report.check(
            "annotations.fields",
            where,
            not _is_number(area),
            f"area is {area!r}, and must be a number",
        ):
            return
        border = 0.0
        if isinstance(row["segmentation"], list):  # the area may be the polygon's own
            inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
            border = float(pixels - np.count_nonzero(inner))
        off = max(0.0, abs(area - pixels) - border) / max(1, pixels)
        detail = f"area is {area:g}, and the mask has {pixels} pixels"
        self._report.add("annotations.area", where, Measured(off, "", detail))

    def _check_keypoints(self, where: str, row: Json, size: tuple[int, int], kind: Json) -> None:
        points = row.get("keypoints")
        if points is None:
            return
        wrong = _wrong_keypoints(points, row.get("num_keypoints"), size, kind.get("keypoints"))
        self._report.check("annotations.keypoints", where, bool(wrong), wrong)


def _wrong_keypoints(points: Any, num_keypoints: Any, size: tuple[int, int], names: Any) -> str:
    """Return what is wrong with keypoints, or ''; COCO measures them from the first pixel's centre."""
    if not isinstance(points, list) or len(points) % 3 or not all(_is_number(value) for value in points):
        return "keypoints must be a list of numbers, three for each keypoint"
    if isinstance(names, list) and len(points) != 3 * len(names):
        return f"the annotation has {len(points) // 3} keypoints, its category {len(names)}"
    flags = points[2::3]
    if any(flag not in (0, 1, 2) for flag in flags):
        return f"the visibility flags are {flags}; each must be 0, 1 or 2"
    count = sum(flag > 0 for flag in flags)
    if num_keypoints is not None and num_keypoints != count:
        return f"num_keypoints is {num_keypoints}, but {count} keypoints have a flag above 0"
    for x, y, flag in zip(points[::3], points[1::3], flags, strict=True):
        if flag == 2 and not (-0.5 <= x <= size[0] - 0.5 and -0.5 <= y <= size[1] - 0.5):
            return f"a visible keypoint is at ({x:g}, {y:g}), outside the image"
    return ""


def _snapped(box: Sequence[float], mask: NDArray[np.bool_], slack: float) -> Any:
    """Return the mask's own box if an annotated box differs from it by rounding only; else that box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return tuple(box)
    right = (columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    off = np.abs(np.subtract(box, right))
    ends = np.abs(np.subtract(np.add(box[:2], box[2:]), np.add(right[:2], right[2:])))
    is_near = max(off[:2].max(), ends.max()) <= slack
    return tuple(map(int, right)) if is_near else tuple(box)


def _runs(counts: str | bytes) -> list[int]:
    """Decode the run lengths of a compressed RLE, which go by column and begin with zeros.

    A character holds 5 bits of a number, and a bit that says whether another character follows. From the
    fourth run on, the number is the difference to the length of the run two before.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode() if isinstance(counts, str) else counts:
        code = byte - 48
        if not 0 <= code < 64:
            raise ValueError("the RLE has a character that is not allowed")
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("the RLE ends within a number")
    return runs


def _filled(runs: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask, (height, width), that has these run lengths."""
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size).T


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long or has a zero byte
        return False


def _is_table(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _size_of(image: Json) -> tuple[int, int] | None:
    width, height = (_whole(image.get(name)) for name in ("width", "height"))
    return (width, height) if 0 < width * height < _MOST_PIXELS else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _key(identifier: Any) -> Any:
    """Return what stands for an id in a table; in a damaged file, it may be of any type."""
    return identifier if isinstance(identifier, int | float | str) else repr(identifier)


LAYOUT = Layout("COCO", lambda path: bool(_files(path)), _Reading)
