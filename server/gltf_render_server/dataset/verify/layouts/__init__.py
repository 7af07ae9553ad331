"""The layouts that can be proven; which one a folder has is told by its files."""

from __future__ import annotations

from pathlib import Path

from ....errors import DatasetError
from . import bop, coco, hdf5, store
from .layout import Layout, Reading

__all__ = ["LAYOUTS", "Layout", "Reading", "find_layout"]

LAYOUTS = (store.LAYOUT, bop.LAYOUT, hdf5.LAYOUT, coco.LAYOUT)
"""In the order in which they are tried."""


def find_layout(path: Path) -> Layout:
    """Tell how a dataset lies in a folder.

    Raises
    ------
    DatasetError
        It is none that is known.
    """
    if not path.is_dir():
        raise DatasetError(f"{path}: is no folder")
    for layout in LAYOUTS:
        if layout.is_it(path):
            return layout
    names = ", ".join(layout.name for layout in LAYOUTS)
    raise DatasetError(f"{path}: is no dataset that can be proven; these can: {names}")
