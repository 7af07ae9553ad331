"""YOLO for depth: planar depth in metres for each pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...store import Store
from ..format import Format
from .layout import write_description, written_pictures

__all__ = ["FORMAT"]


def _export(store: Store, out: Path) -> None:
    splits: set[str] = set()
    for picture, path in written_pictures(store, out, "depth", splits):
        depth = picture.view.array("depth")
        known = np.where(np.isfinite(depth), depth, np.float32(0))  # in YOLO, 0 = unknown
        np.save(path.with_name(f"{path.name}.npy"), known, allow_pickle=False)
    write_description(out, splits, ["depth"])


FORMAT = Format(
    "yolo-depth",
    "For Ultralytics' YOLO, task depth: planar depth in metres for each pixel.",
    ("color", "depth"),
    _export,
)
