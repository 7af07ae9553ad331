"""YOLO for segmentation: a polygon for each object."""

from __future__ import annotations

from pathlib import Path

from ...store import Store
from ..annotations import Picture, Seen
from ..format import Format
from ..outlines import joined, outlines
from .layout import categories, join_numbers, write_description, write_labels

__all__ = ["FORMAT"]

_NAME = "yolo-segment"


def _export(store: Store, out: Path) -> None:
    numbers = categories(store, _NAME)

    def line(picture: Picture, seen: Seen) -> str:
        lens = picture.view.lens
        polygon = (joined(outlines(picture.mask(seen))) + seen.box[:2]) / (lens.width, lens.height)
        return join_numbers([numbers[seen.category], *polygon.ravel().tolist()])

    write_description(out, write_labels(store, out, line), list(numbers))


FORMAT = Format(
    _NAME,
    "For Ultralytics' YOLO, task segment: a polygon for each object.",
    ("color", "instance", "instances"),
    _export,
)
