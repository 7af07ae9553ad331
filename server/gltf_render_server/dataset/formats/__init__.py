"""The formats that a dataset is exported to; each is a pure function from the store.

A format is a module here that exports one `Format`, and a line in `FORMATS`; nothing is imported before it
is asked for, as some need libraries that not everybody has.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from ...errors import DatasetError
from ...extras import brought_by
from ..store import UNFINISHED, Store
from .format import Format

__all__ = ["FORMATS", "Format", "export", "find_format"]

FORMATS = {
    "bop": "bop",
    "bop-webdataset": "bop_webdataset",
    "coco": "coco",
    "colmap": "colmap",
    "control-videos": "control_videos",
    "hdf5": "hdf5",
    "huggingface": "huggingface",
    "lerobot": "lerobot",
    "nerfstudio": "nerfstudio",
    "webdataset": "webdataset",
    "yolo-depth": "yolo.depth",
    "yolo-detect": "yolo.detect",
    "yolo-pose": "yolo.pose",
    "yolo-segment": "yolo.segment",
}
"""Names -> modules."""


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    DatasetError
        There is none, or a library that it needs is missing.
    """
    module = FORMATS.get(name)
    if module is None:
        raise DatasetError(f"formats: there is no format {name[:40]!r}; there are {', '.join(FORMATS)}")
    try:
        return import_module(f".{module}", __package__).FORMAT
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"formats: {name} needs the package {error.name}; {brought_by('dataset')}"
        ) from error


def export(store: Store, name: str, out: Path) -> None:
    """Write a dataset in a format; the folder is there as a whole or not at all.

    Raises
    ------
    DatasetError
        There is no such format, the dataset lacks a pass that it needs, or the folder is there already.
    OSError
    """
    found = find_format(name)
    missing = [needed for needed in found.passes if needed not in {row.name for row in store.manifest.passes}]
    if missing:
        raise DatasetError(f"{store.path}: {name} needs the passes {', '.join(missing)}; render it with them")
    if out.exists():
        raise DatasetError(f"{out}: is there already; give a new folder")
    beside = out.with_name(f"{UNFINISHED}{uuid4().hex}")
    beside.mkdir(parents=True)
    try:
        found.export(store, beside)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
