"""COCO: images, and JSON files with the annotations of each split.

::

    images/000012_camera_0.png
    annotations/instances_train.json             masks as compressed RLE
    annotations/instances_train_polygons.json    the same annotations, masks as polygons

Annotations are collected in temporary files, not in memory, until all of them are written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from ..store import Store
from .annotations import Picture, Seen, keypoint_names, pictures
from .format import Format
from .outlines import outlines

__all__ = ["FORMAT"]

_FIRST_PIXEL = 0.5
"""The centre of the first pixel, px from the image's corner. COCO measures keypoints from this centre."""

Record = dict[str, Any]


class _Elements:
    """The elements of a JSON array, which are collected in a temporary file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, element: Record) -> None:
        if self._file.tell():
            self._file.write(b",\n")
        self._file.write(msgspec.json.encode(element))

    def copy_to(self, file: BinaryIO) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)


@dataclass(frozen=True)
class _Split:
    """The images of a split, and its annotations by kind of segmentation."""

    images: _Elements
    annotations: dict[str, _Elements] = field(default_factory=dict)

    def write(self, path: Path, head: dict[str, Any], kind: str) -> None:
        """Write the annotation file with one kind of segmentation."""
        with path.open("wb") as file:
            file.write(msgspec.json.encode(head)[:-1])
            for name, elements in (("images", self.images), ("annotations", self.annotations[kind])):
                file.write(b',\n"%s":[\n' % name.encode())
                elements.copy_to(file)
                file.write(b"]")
            file.write(b"}\n")


_KINDS = {"rle": "", "polygons": "_polygons"}
"""Kinds of segmentation, and the endings of their files' names."""


def _export(store: Store, out: Path) -> None:
    images, annotations = out / "images", out / "annotations"
    images.mkdir()
    annotations.mkdir()
    keypoints = keypoint_names(store)
    numbers = {name: number for number, name in enumerate(store.categories, 1)}
    splits: dict[str, _Split] = {}
    ids = count(1)
    with ExitStack() as files:
        for image, picture in enumerate(pictures(store), 1):
            if picture.split not in splits:
                splits[picture.split] = _split(files, annotations)
            split = splits[picture.split]
            picture.link(images)
            split.images.add(_image(image, picture))
            for seen in picture.seen:
                record = {"id": next(ids), "image_id": image, "category_id": numbers[seen.category]}
                record |= _annotation(seen) | _keypoints(seen, keypoints.get(seen.category, []))
                for kind, segmentation in _segmentations(picture, seen).items():
                    split.annotations[kind].add(record | {"segmentation": segmentation})
        head = {"info": _info(store), "licenses": [], "categories": list(_categories(numbers, keypoints))}
        for name, split in splits.items():
            for kind, ending in _KINDS.items():
                split.write(annotations / f"instances_{name}{ending}.json", head, kind)


def _split(files: ExitStack, folder: Path) -> _Split:
    def elements() -> _Elements:
        return _Elements(files.enter_context(TemporaryFile(dir=folder)))

    return _Split(elements(), {kind: elements() for kind in _KINDS})


def _info(store: Store) -> Record:
    versions = ", ".join(f"{name} {version}" for name, version in store.manifest.versions.items())
    return {"description": f"Rendered by {versions}", "version": "1.0"}


def _categories(numbers: dict[str, int], keypoints: dict[str, list[str]]) -> Iterable[Record]:
    for name, number in numbers.items():
        category: Record = {"id": number, "name": name, "supercategory": "object"}
        if name in keypoints:
            category |= {"keypoints": keypoints[name], "skeleton": []}
        yield category


def _image(number: int, picture: Picture) -> Record:
    lens = picture.view.lens
    return {
        "id": number,
        "file_name": picture.file,
        "width": lens.width,
        "height": lens.height,
        "item": picture.item.index,
        "view": picture.view.name,
        "camera": {
            "focal": [lens.focal_x, lens.focal_y],
            "center": [lens.center_x, lens.center_y],
            "camera_to_world": picture.view.record.camera_to_world,
        },
    }


def _annotation(seen: Seen) -> Record:
    row = seen.row
    return {
        "bbox": list(seen.box),
        "area": row.pixels,
        "iscrowd": 0,
        "instance": row.number,
        "visible_fraction": row.visible_fraction,
        "truncated": row.truncated,
    }


def _keypoints(seen: Seen, names: list[str]) -> Record:
    """Return the fields of an annotation for keypoints; empty if its category has no keypoints."""
    if not names:
        return {}
    values: list[float] = []
    for found in seen.keypoints(names):
        values += [found.x - _FIRST_PIXEL, found.y - _FIRST_PIXEL, found.visibility] if found else [0, 0, 0]
    return {"keypoints": values, "num_keypoints": sum(each > 0 for each in values[2::3])}


def _segmentations(picture: Picture, seen: Seen) -> dict[str, Any]:
    """Return the visible mask of an object as each kind of segmentation."""
    left, top, width, height = seen.box
    mask = picture.mask(seen)
    whole = np.zeros(picture.numbers.shape, np.uint8, order="F")
    whole[top : top + height, left : left + width] = mask
    polygons = [np.add(polygon, (left, top)).ravel().tolist() for polygon in outlines(mask)]
    return {"rle": _rle(whole), "polygons": polygons}


def _rle(mask: NDArray[np.uint8]) -> Record:
    counts = cast(bytes, coco_mask.encode(mask)["counts"])
    return {"size": list(mask.shape), "counts": counts.decode()}


FORMAT = Format(
    "coco",
    "For detection and segmentation: COCO, with boxes, masks as RLE and as polygons, and keypoints.",
    ("color", "instance", "instances"),
    _export,
)
