"""Hugging Face: Parquet files for `datasets.load_dataset`, with a row for each view that includes its images.

The schema's metadata describes the features as `datasets` itself writes them. Objects are a struct of lists,
as the object detection examples of `transformers` expect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import DatasetError
from ...frame import Lens
from ...passes import PASSES
from ..store import Store, StoredItem, StoredView
from .format import Format
from .sequences import picture_name

__all__ = ["FORMAT"]

_Row = dict[str, Any]
_Feature = dict[str, Any]

_LARGEST_SHARD = 256 * 2**20
_LARGEST_ROW_GROUP = 32 * 2**20
_ROW = 1024
"""The approximate size of a row without its images, bytes."""

_USUAL = {"color": "image"}
"""Passes whose columns have another name than the pass."""

_SPLIT = re.compile(r"\w+(\.\w+)*")
_PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_PICTURE_FEATURE: _Feature = {"_type": "Image"}


def _value(dtype: str) -> _Feature:
    return {"dtype": dtype, "_type": "Value"}


def _list(feature: _Feature) -> _Feature:
    """Return a list feature; all versions of `datasets` know the type's name "Sequence"."""
    return {"feature": feature, "_type": "Sequence"}


_MATRIX = pa.list_(pa.list_(pa.float64()))
_MATRIX_FEATURE = _list(_list(_value("float64")))


class _Layout:
    """The columns of a dataset.

    Attributes
    ----------
    pictures : dict of str to str
        The columns of images by the names of their passes, which are those whose files Pillow can open.
    has_objects : bool
        Whether there is a column of objects.
    schema : pyarrow.Schema
    """

    def __init__(self, store: Store) -> None:
        names = [row.name for row in store.manifest.passes]
        self.pictures = {name: _USUAL.get(name, name) for name in names if _is_picture(name)}
        self.has_objects = "instances" in names
        columns: dict[str, tuple[pa.DataType, _Feature]] = dict.fromkeys(
            self.pictures.values(), (_PICTURE, _PICTURE_FEATURE)
        )
        if self.has_objects:
            columns["objects"] = _objects_column(store.categories)
        columns |= {name: (pa.string(), _value("string")) for name in ("name", "sequence", "view", "camera")}
        columns |= {name: (pa.int64(), _value("int64")) for name in ("image_id", "item", "width", "height")}
        columns["time_s"] = (pa.float64(), _value("float64"))
        columns |= dict.fromkeys(("intrinsics", "camera_to_world"), (_MATRIX, _MATRIX_FEATURE))
        features = {name: feature for name, (_, feature) in columns.items()}
        info = json.dumps({"info": {"features": features}})
        fields = {name: kind for name, (kind, _) in columns.items()}
        self.schema = pa.schema(fields, metadata={"huggingface": info})


def _is_picture(name: str) -> bool:
    row = PASSES.get(name)
    return row is not None and row.is_image and (row.dtype in ("uint8", "uint16") or row.channels == (1,))


def _objects_column(categories: list[str]) -> tuple[pa.DataType, _Feature]:
    one: dict[str, tuple[pa.DataType, _Feature]] = {
        "id": (pa.int64(), _value("int64")),
        "category": (pa.int64(), {"names": categories, "_type": "ClassLabel"}),
        "bbox": (pa.list_(pa.float32()), _list(_value("float32"))),
        "area": (pa.int64(), _value("int64")),
        "name": (pa.string(), _value("string")),
        "visible_fraction": (pa.float32(), _value("float32")),
        "object_to_camera": (_MATRIX, _MATRIX_FEATURE),
    }
    kinds = pa.struct({name: pa.list_(kind) for name, (kind, _) in one.items()})
    return kinds, {name: _list(feature) for name, (_, feature) in one.items()}


class _Shards:
    """Writes the Parquet files of a split, in row groups of bounded size."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        self._folder, self._split, self._schema = folder, split, schema
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[_Row] = []
        self._waiting = self._written = self._shards = self.rows = 0

    def add(self, row: _Row, size: int) -> None:
        """Add a row; `size` is its approximate size, bytes."""
        if self._written + self._waiting + size > _LARGEST_SHARD and (self._written or self._rows):
            self._end_shard()
        self._rows.append(row)
        self._waiting += size
        self.rows += 1
        if self._waiting >= _LARGEST_ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows, and give the files their names, which contain the number of files."""
        self._end_shard()
        for shard in range(self._shards):
            name = f"{self._split}-{shard:05d}-of-{self._shards:05d}.parquet"
            self._path(shard).rename(self._folder / name)

    def _path(self, shard: int) -> Path:
        return self._folder / f"{self._split}-{shard:05d}"

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            # images do not repeat, so a dictionary would only take memory
            self._writer = pq.ParquetWriter(
                self._path(self._shards), self._schema, compression="zstd", use_dictionary=False
            )
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows, self._written, self._waiting = [], self._written + self._waiting, 0

    def _end_shard(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer, self._written, self._shards = None, 0, self._shards + 1


def _export(store: Store, out: Path) -> None:
    layout = _Layout(store)
    folder = out / "data"
    folder.mkdir()
    numbers = {name: number for number, name in enumerate(store.categories)}
    splits: dict[str, _Shards] = {}
    for split, row, size in _rows(store, layout, numbers):
        if split not in splits:
            _check_splits([split])
            splits[split] = _Shards(folder, split, layout.schema)
        splits[split].add(row, size)
    for shards in splits.values():
        shards.close()
    (out / "README.md").write_text(_card(store, layout, splits), encoding="utf-8", newline="\n")


def _check_splits(splits: Iterable[str]) -> None:
    for split in splits:
        if not _SPLIT.fullmatch(split):
            raise DatasetError(
                f"split: Hugging Face does not allow the split name {split!r}; rename the split: "
                "letters, digits and _ are allowed, and single dots between them"
            )


def _rows(store: Store, layout: _Layout, numbers: dict[str, int]) -> Iterator[tuple[str, _Row, int]]:
    """Yield for each view the name of its split, its row, and the row's approximate size in bytes."""
    image_id = 0
    for item in store:
        for view in item.views:
            pictures = {
                column: _picture(item, view, name)
                for name, column in layout.pictures.items()
                if name in view.record.files
            }
            row = {**pictures, **_place(item, view), "image_id": image_id}
            if layout.has_objects:
                row["objects"] = _objects(item, view, numbers)
            yield item.record.split, row, _ROW + sum(len(each["bytes"]) for each in pictures.values())
            image_id += 1


def _picture(item: StoredItem, view: StoredView, name: str) -> _Row:
    path = view.path(name)
    return {"bytes": path.read_bytes(), "path": f"{picture_name(item, view)}_{path.name}"}


def _place(item: StoredItem, view: StoredView) -> _Row:
    return {
        "name": item.record.name,
        "sequence": item.record.sequence,
        "view": view.name,
        "camera": view.record.camera,
        "item": item.index,
        "width": view.lens.width,
        "height": view.lens.height,
        "time_s": item.record.time_s,
        "intrinsics": _intrinsics(view.lens),
        "camera_to_world": view.camera_to_world.tolist(),
    }


def _intrinsics(lens: Lens) -> list[list[float]]:
    return [[lens.focal_x, 0.0, lens.center_x], [0.0, lens.focal_y, lens.center_y], [0.0, 0.0, 1.0]]


def _objects(item: StoredItem, view: StoredView, numbers: dict[str, int]) -> dict[str, list[Any]]:
    """Return the visible objects that have a category, as a struct of lists."""
    categories = {each.number: each.category for each in item.record.objects}
    found: dict[str, list[Any]] = {
        name: []
        for name in ("id", "category", "bbox", "area", "name", "visible_fraction", "object_to_camera")
    }
    for row in view.instances:
        category = categories.get(row.number)
        if category is None or row.box is None:
            continue
        matrix = row.object_to_camera
        values = {
            "id": row.number,
            "category": numbers[category],
            "bbox": list(row.box),
            "area": row.pixels,
            "name": row.name,
            "visible_fraction": row.visible_fraction,
            "object_to_camera": [matrix[start : start + 4] for start in range(0, 16, 4)],
        }
        for name, value in values.items():
            found[name].append(value)
    return found


def _card(store: Store, layout: _Layout, splits: dict[str, _Shards]) -> str:
    """Return the dataset card; its head is YAML, and JSON is valid YAML."""
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    head = [
        f"configs: {json.dumps([{'config_name': 'default', 'data_files': files}])}",
        f"task_categories: {json.dumps(_tasks(layout))}",
        'tags: ["synthetic"]',
    ]
    counts = "\n".join(f"- {split}: {shards.rows} images" for split, shards in splits.items())
    columns = "\n".join(
        f"- `{field.name}`: {_COLUMNS.get(field.name) or _summary(field.name)}" for field in layout.schema
    )
    versions = ", ".join(f"{name} {version}" for name, version in sorted(store.manifest.versions.items()))
    return (
        "---\n" + "\n".join(head) + f"\n---\n\n# Rendered images with exact ground truth\n\n{counts}\n\n"
        f"## Columns\n\n{columns}\n\nRendered with {versions} and the seed {store.manifest.seed}.\n"
    )


def _tasks(layout: _Layout) -> list[str]:
    known = {"depth": "depth-estimation", "instance": "image-segmentation"}
    tasks = [known[name] for name in layout.pictures if name in known]
    return [*tasks, "object-detection"] if layout.has_objects else tasks


def _summary(name: str) -> str:
    return PASSES[name].summary


_COLUMNS = {
    "image": "the colour image.",
    "objects": "the visible objects, as a struct of lists. `bbox` is x, y, width, height in pixels "
    "from the upper left corner; `area` is the number of visible pixels; `id` is the object's number in "
    "`instance`; `object_to_camera` is a 4 x 4 matrix.",
    "name": "the name of the item.",
    "sequence": "the sequence of the item. All items of a sequence show one scene.",
    "view": "the name of the view, unique in the item.",
    "camera": "the name of the camera in the specification.",
    "image_id": "the number of the row, unique in the dataset.",
    "item": "the number of the item.",
    "width": "the width of the images, pixels.",
    "height": "the height of the images, pixels.",
    "time_s": "the time of the scene's animation, seconds.",
    "intrinsics": "3 x 3, in pixels. The principal point is relative to the upper left corner of the image, "
    "where the first pixel's centre is at 0.5, 0.5. Subtract 0.5 for OpenCV.",
    "camera_to_world": "4 x 4, for column vectors, metres. The camera has x right, y up, and looks along -z.",
}

FORMAT = Format(
    "huggingface",
    "For datasets.load_dataset and the Hugging Face Hub: Parquet with images, depth, objects and cameras.",
    ("color",),
    _export,
    _check_splits,
)
