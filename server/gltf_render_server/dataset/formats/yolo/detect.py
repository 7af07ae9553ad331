"""YOLO for detection: a bounding box for each object."""

from __future__ import annotations

from pathlib import Path

from ...store import Store
from ..annotations import Picture, Seen
from ..format import Format
from .layout import categories, join_numbers, normalised_box, write_description, write_labels

__all__ = ["FORMAT"]

_NAME = "yolo-detect"


def _export(store: Store, out: Path) -> None:
    numbers = categories(store, _NAME)

    def line(picture: Picture, seen: Seen) -> str:
        return join_numbers([numbers[seen.category], *normalised_box(picture, seen)])

    write_description(out, write_labels(store, out, line), list(numbers))


FORMAT = Format(
    _NAME,
    "For Ultralytics' YOLO, task detect: a bounding box for each object.",
    ("color", "instances"),
    _export,
)
