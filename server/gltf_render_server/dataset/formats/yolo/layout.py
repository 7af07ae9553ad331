"""The folders of a YOLO dataset, its labels, and the file that describes it.

::

    data.yaml                           the folders of the images, and the names of the categories
    images/train/000012_camera_0.png
    labels/train/000012_camera_0.txt    a line for each object
    depth/train/000012_camera_0.npy     the depth of each pixel; only in yolo-depth, which has no labels
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from ...store import Store
from ..annotations import Picture, Seen, pictures

__all__ = [
    "categories",
    "join_numbers",
    "normalised_box",
    "write_description",
    "write_labels",
    "written_pictures",
]

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def categories(store: Store, name: str) -> dict[str, int]:
    """Return the numbers of the categories, from 0.

    Raises
    ------
    DatasetError
        The dataset has no categories.
    """
    found = {category: number for number, category in enumerate(store.categories)}
    if not found:
        raise DatasetError(
            f"{store.path}: {name} needs a category, but every object in the dataset is background; correct "
            "categories in the specification and render the dataset again"
        )
    return found


def written_pictures(
    store: Store, out: Path, labels: str, splits: set[str]
) -> Iterator[tuple[Picture, Path]]:
    """Link or copy all images; yield each with the path of its label, without a suffix.

    Parameters
    ----------
    store : Store
    out : Path
    labels : str
        The name of the labels' folder.
    splits : set of str
        The function adds the names of the splits to it.
    """
    for picture in pictures(store):
        folders = [out / kind / picture.split for kind in ("images", labels)]
        if picture.split not in splits:
            splits.add(picture.split)
            for folder in folders:
                folder.mkdir(parents=True)
        picture.link(folders[0])
        yield picture, folders[1] / picture.name


def write_labels(store: Store, out: Path, line: Callable[[Picture, Seen], str]) -> set[str]:
    """Write the images and their label files, with a line for each object; return the splits' names."""
    splits: set[str] = set()
    for picture, path in written_pictures(store, out, "labels", splits):
        lines = "".join(f"{line(picture, seen)}\n" for seen in picture.seen)
        path.with_name(f"{path.name}.txt").write_text(lines, "ascii", newline="\n")
    return splits


def normalised_box(picture: Picture, seen: Seen) -> list[float]:
    """Return the centre x and y, width and height of a box, relative to the image's width and height."""
    lens = picture.view.lens
    left, top, width, height = seen.box
    return [
        (left + width / 2) / lens.width,
        (top + height / 2) / lens.height,
        width / lens.width,
        height / lens.height,
    ]


def join_numbers(values: list[float]) -> str:
    """Join numbers with nine digits each, which identify every single-precision number."""
    return " ".join(f"{value:.9g}" for value in values)


def write_description(out: Path, splits: set[str], names: list[str], **more: Any) -> None:
    """Write data.yaml: the folders of the images by split, the names of the categories, and more.

    The file names no root folder, so readers use its own folder. They need the splits "train" and "val"; a
    missing one refers to the images of another split.
    """
    images = {split: f"images/{split}" for split in sorted(splits)}
    if images:
        images.setdefault("train", next(iter(images.values())))
        images.setdefault("val", images.get("validation", images["train"]))
    values = images | {"names": dict(enumerate(names))} | more
    lines = "".join(f"{key}:{_yaml(value)}\n" for key, value in values.items())
    (out / "data.yaml").write_text(lines, "utf-8", newline="\n")


def _yaml(value: Any) -> str:
    """Return the YAML of a key's value: a table, or JSON, which is also YAML."""
    if isinstance(value, dict):
        return "".join(f"\n  {key}:{_yaml(each)}" for key, each in value.items())
    text = json.dumps(value, ensure_ascii=False)
    return " " + _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
