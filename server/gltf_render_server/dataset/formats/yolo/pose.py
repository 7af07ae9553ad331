"""YOLO for poses: a bounding box and keypoints for each object."""

from __future__ import annotations

from pathlib import Path

from ....errors import DatasetError
from ...store import Store
from ..annotations import Picture, Seen, keypoint_names
from ..format import Format
from .layout import categories, join_numbers, normalised_box, write_description, write_labels

__all__ = ["FORMAT"]

_NAME = "yolo-pose"


def _export(store: Store, out: Path) -> None:
    numbers = categories(store, _NAME)
    names = keypoint_names(store)
    most = max(map(len, names.values()), default=0)
    if not most:
        raise DatasetError(f"{store.path}: {_NAME} needs keypoints, but no object in the dataset has any")

    def line(picture: Picture, seen: Seen) -> str:
        own = _keypoints(picture, seen, names.get(seen.category, []))
        absent = [0.0] * (3 * most - len(own))
        return join_numbers([numbers[seen.category], *normalised_box(picture, seen), *own, *absent])

    splits = write_labels(store, out, line)
    named = {number: names.get(category, []) for category, number in numbers.items()}
    write_description(out, splits, list(numbers), kpt_shape=[most, 3], kpt_names=named)


def _keypoints(picture: Picture, seen: Seen, names: list[str]) -> list[float]:
    """Return x and y, relative to the image's size, and visibility of each keypoint, as one flat list."""
    lens = picture.view.lens
    values: list[float] = []
    for found in seen.keypoints(names):
        values += [found.x / lens.width, found.y / lens.height, found.visibility] if found else [0, 0, 0]
    return values


FORMAT = Format(
    _NAME,
    "For Ultralytics' YOLO, task pose: a bounding box and keypoints for each object.",
    ("color", "instances"),
    _export,
)
