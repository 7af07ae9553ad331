"""HDF5 in the layout of BlenderProc's writer: one file for each image, ``OUT/<split>/<number>.hdf5``.

Names, dtypes and coordinate frames are those of `blenderproc/python/writer/WriterUtility.py` and of the
renderers that it is used with: normals are in the camera's axes and stored as (n + 1) / 2, flow leads from a
point to its position at the other moment, and tables are JSON in a byte string.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..store import Store, StoredItem, StoredView
from .format import Format

__all__ = ["FORMAT"]

_BACKGROUND = "World"
"""BlenderProc's name for pixels that show no object."""


def _export(store: Store, out: Path) -> None:
    numbers = {name: number for number, name in enumerate(store.categories, 1)}
    written = Counter[str]()
    for item in store:
        for view in item.views:
            folder = out / item.record.split
            folder.mkdir(exist_ok=True)
            _write(folder / f"{written[item.record.split]}.hdf5", _datasets(item, view, numbers))
            written[item.record.split] += 1


def _datasets(item: StoredItem, view: StoredView, numbers: dict[str, int]) -> dict[str, Any]:
    """Return the datasets of a file: arrays, and lists that become JSON."""
    found = {
        name: convert(view.array(row)) for name, (row, convert) in _IMAGES.items() if row in view.record.files
    }
    objects = item.record.objects
    categories = [0, *(numbers.get(each.category or "", 0) for each in objects)]
    names = [(_BACKGROUND, None), *((each.name, each.category) for each in objects)]
    instances = view.array("instance").astype(np.int64)
    is_known = instances < len(categories)  # a .blend's own objects have higher numbers than the scene's
    shown = np.unique(instances[is_known]).tolist()
    return {
        **found,
        "instance_segmaps": instances,
        "category_id_segmaps": np.array(categories, np.int64)[np.where(is_known, instances, 0)],
        "instance_attribute_maps": [
            {
                "idx": index,
                "category_id": categories[index],
                "name": names[index][0],
                "category": names[index][1],
            }
            for index in shown
        ],
        "campose": [_camera(item, view)],
        "object_states": [
            {"name": each.name, "local2world": np.array(each.matrix).reshape(4, 4).tolist()}
            for each in objects
        ],
    }


def _camera(item: StoredItem, view: StoredView) -> dict[str, Any]:
    """Return a camera's entry; BlenderProc's principal point is relative to the first pixel's centre."""
    lens = view.lens
    return {
        "item": item.index,
        "view": view.name,
        "cam_K": [[lens.focal_x, 0, lens.center_x - 0.5], [0, lens.focal_y, lens.center_y - 0.5], [0, 0, 1]],
        "cam2world_matrix": view.camera_to_world.tolist(),
    }


def _write(path: Path, datasets: dict[str, Any]) -> None:
    with h5py.File(path, "w", libver="earliest") as file:
        for name, data in datasets.items():
            if isinstance(data, np.ndarray):
                file.create_dataset(name, data=data, compression="gzip", track_times=False)
            else:
                file.create_dataset(name, data=np.bytes_(json.dumps(data).encode()), track_times=False)


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


def _from_0_to_1(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map normals from -1..1 to 0..1; where there is no surface, the normal is 0, as in Blender."""
    return np.nan_to_num(normals, nan=0.0) * np.float32(0.5) + np.float32(0.5)


_IMAGES: dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "colors": ("color", _same),
    "depth": ("depth", _same),
    "distance": ("distance", _same),
    "normals": ("normal", _from_0_to_1),
    "forward_flow": ("flow_forward", _same),
    "backward_flow": ("flow_backward", _same),
    "nocs": ("nocs", _same),
}
"""The passes by BlenderProc's names, with the functions that convert them."""

FORMAT = Format(
    "hdf5",
    "For users of BlenderProc: its HDF5, a file for each image with colour, depth, normals and instances.",
    ("color", "depth", "instance"),
    _export,
)
