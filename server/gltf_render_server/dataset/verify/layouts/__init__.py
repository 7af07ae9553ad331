"""The layouts that `verify` can read; the files in a folder show which layout it has."""

from __future__ import annotations

from pathlib import Path

from ....errors import DatasetError
from . import bop, coco, hdf5, store
from .layout import Layout, Reading

__all__ = ["LAYOUTS", "Layout", "Reading", "find_layout"]

LAYOUTS = (store.LAYOUT, bop.LAYOUT, hdf5.LAYOUT, coco.LAYOUT)
"""The layouts in the order in which they are tried."""


def find_layout(path: Path) -> Layout:
    """Recognise the layout of the dataset in a folder.

    Raises
    ------
    DatasetError
        There is no such folder, or its files match no layout.
    """
    if not path.is_dir():
        raise DatasetError(f"{path}: there is no folder with this path")
    for layout in LAYOUTS:
        if layout.is_it(path):
            return layout
    names = ", ".join(layout.name for layout in LAYOUTS)
    raise DatasetError(
        f"{path}: the folder holds no dataset that verify can read; it reads these layouts: {names}"
    )
