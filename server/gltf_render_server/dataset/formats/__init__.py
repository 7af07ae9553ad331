"""The formats that a dataset can be exported to; each is a pure function of the store.

A format is a module of this package with a `FORMAT`, and an entry in `FORMATS`. A module is imported only
when its format is used, because some formats need optional packages.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from ...errors import DatasetError
from ...extras import brought_by
from ...process.interruption import held_interruption
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
"""The modules of the formats, by the names of the formats."""


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    DatasetError
        No format has this name, or a package that the format needs is missing.
    """
    module = FORMATS.get(name)
    if module is None:
        raise DatasetError(f"formats: no format is named {name[:40]!r}; the formats are {', '.join(FORMATS)}")
    try:
        with held_interruption():  # trimesh, which some formats need, takes it for a missing package
            return import_module(f".{module}", __package__).FORMAT
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"formats: {name} needs the package {error.name}; {brought_by('dataset')}"
        ) from error


def export(store: Store, name: str, out: Path) -> None:
    """Write a dataset in a format. The output folder appears only when it is complete.

    Raises
    ------
    DatasetError
        The format does not exist, the dataset lacks a pass that it needs, or the output folder exists
        already.
    OSError
        A file cannot be read or written.
    """
    found = find_format(name)
    missing = [needed for needed in found.passes if needed not in {row.name for row in store.manifest.passes}]
    if missing:
        raise DatasetError(
            f"{store.path}: {name} needs the passes {', '.join(missing)}, which the dataset lacks; "
            "add them to the specification and render the dataset again"
        )
    if out.exists():
        raise DatasetError(f"{out}: this path exists already; choose a new folder")
    beside = out.with_name(f"{UNFINISHED}{uuid4().hex}")
    beside.mkdir(parents=True)
    try:
        found.export(store, beside)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
