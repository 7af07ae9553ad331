"""WebDataset: the store's own files in tar shards, with a sample for each view.

::

    OUT/
      train-000000.tar ...    the views of a split, by index
        000012_00.color.png   the file of a pass, copied from the store; keys are <item>_<view's index>
        000012_00.json        the view's metadata: intrinsics, poses, objects
      train.json              the shards of the split, and the number of samples in each
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ..store import Store, StoredItem, StoredView
from .format import Format
from .shards import Shards

__all__ = ["FORMAT"]

_TABLE = "instances"


def _export(store: Store, out: Path) -> None:
    with ExitStack() as stack:
        splits: dict[str, Shards] = {}
        for item in store:
            split = item.record.split
            if split not in splits:
                splits[split] = stack.enter_context(Shards(out, split))
            for number, view in enumerate(item.views):
                members = {_member(name, view): view.path(name) for name in _images(view)}
                about = msgspec.json.encode(_about(store, item, view))
                splits[split].add(f"{item.index:06d}_{number:02d}", {**members, "json": about})
    for split, shards in splits.items():
        (out / f"{split}.json").write_bytes(msgspec.json.format(_index(split, shards), indent=1))


def _images(view: StoredView) -> list[str]:
    return [name for name in view.record.files if name != _TABLE]


def _member(name: str, view: StoredView) -> str:
    return f"{name}{PurePosixPath(view.record.files[name].file).suffix}"


def _about(store: Store, item: StoredItem, view: StoredView) -> dict[str, Any]:
    """Return the metadata of a view; `ItemRecord` and `ViewRecord` describe the fields."""
    record = item.record
    moments = {
        when: {
            "time_s": moment.time_s,
            "camera_to_world": moment.cameras[view.name],
            "objects": moment.objects,
        }
        for when, moment in record.moments.items()
    }
    has_table = _TABLE in view.record.files
    return {
        "item": record.index,
        "name": record.name,
        "sequence": record.sequence,
        "split": record.split,
        "view": view.name,
        "camera": view.record.camera,
        "up_axis": store.manifest.up_axis,
        "lens": view.lens,
        "camera_to_world": view.record.camera_to_world,
        "time_s": record.time_s,
        "moments": moments,
        "objects": record.objects,
        "instances": msgspec.Raw(view.path(_TABLE).read_bytes()) if has_table else None,
        "passes": {
            name: {"member": _member(name, view), "dtype": file.dtype, "count": file.count}
            for name, file in view.record.files.items()
            if name != _TABLE
        },
    }


def _index(split: str, shards: Shards) -> bytes:
    listed = [{"url": shards.name(index), "nsamples": count} for index, count in enumerate(shards.samples)]
    kind = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": split}
    return msgspec.json.encode({**kind, "shardlist": listed})


FORMAT = Format(
    "webdataset",
    "For WebDataset: tar shards with each view's files as the store has them, and a JSON with its metadata.",
    (),
    _export,
)
