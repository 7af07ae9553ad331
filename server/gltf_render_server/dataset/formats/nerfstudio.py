"""Nerfstudio: a `transforms.json` for each sequence, with images, depth and a point cloud.

The conventions are those of `nerfstudio/data/dataparsers/nerfstudio_dataparser.py`: pixel positions are
relative to the image's corner and cameras look along -z with y up, as in this package, and the world has z
up.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...encode import encode_png
from ...frame import Lens
from ..store import Store, StoredItem, StoredView, link_or_copy
from .clouds import colours_at, points_at, spread
from .format import Format
from .sequences import Sequence, picture_name, sequences, views_of

__all__ = ["FORMAT"]

_Frame = dict[str, Any]

_MOST_POINTS = 100_000
_METRES_A_STEP = 1e-3
_MOST_STEPS = np.iinfo(np.uint16).max
_TURNED = {
    "y": np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]]),
    "z": np.eye(4),
}
"""The transforms from the store's world into nerfstudio's, by the store's up axis."""

_VERTEX = np.dtype([("position", "<f4", 3), ("colour", "u1", 3)])
_CLOUD = "points.ply"


def _export(store: Store, out: Path) -> None:
    for sequence in sequences(store, out):
        _write(store, sequence)


def _write(store: Store, sequence: Sequence) -> None:
    has_depth = _has(store, "depth")
    lenses = [view.lens for _, view in views_of(store, sequence)]
    transforms = {"camera_model": "OPENCV", "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0, **_shared(lenses)}
    transforms["applied_transform"] = np.eye(4)[:3].tolist()
    (sequence.folder / "images").mkdir()
    if has_depth:
        (sequence.folder / "depth").mkdir()
        _write_cloud(store, sequence, -(-_MOST_POINTS // max(1, len(lenses))))
        transforms |= {"depth_unit_scale_factor": _METRES_A_STEP, "ply_file_path": _CLOUD}
    frames: list[_Frame] = []
    splits: dict[str, list[str]] = {}
    for item, view in views_of(store, sequence):
        frame = _frame(store, sequence.folder, item, view, has_depth)
        frames.append(frame)
        splits.setdefault(item.record.split, []).append(frame["file_path"])
    data = msgspec.json.encode({**transforms, **_lists(splits), "frames": frames})
    (sequence.folder / "transforms.json").write_bytes(msgspec.json.format(data, indent=1))


def _has(store: Store, name: str) -> bool:
    return any(row.name == name for row in store.manifest.passes)


def _shared(lenses: list[Lens]) -> Mapping[str, float | int]:
    """Return the intrinsics if all frames have the same; otherwise, nothing.

    Readers prefer the file's intrinsics to those of a frame, so the file has none if the frames differ.
    """
    different = {tuple(_intrinsics(lens).items()) for lens in lenses}
    return dict(different.pop()) if len(different) == 1 else {}


def _frame(store: Store, folder: Path, item: StoredItem, view: StoredView, has_depth: bool) -> _Frame:
    name, picture = picture_name(item, view), view.path("color")
    frame: _Frame = {"file_path": f"images/{name}{picture.suffix}", **_intrinsics(view.lens)}
    link_or_copy(picture, folder / frame["file_path"])
    if has_depth:
        frame["depth_file_path"] = f"depth/{name}.png"
        (folder / frame["depth_file_path"]).write_bytes(encode_png(_steps(view.array("depth"))).data)
    frame["transform_matrix"] = (_TURNED[store.manifest.up_axis] @ view.camera_to_world).tolist()
    return frame


def _intrinsics(lens: Lens) -> dict[str, float | int]:
    return {
        "fl_x": lens.focal_x,
        "fl_y": lens.focal_y,
        "cx": lens.center_x,
        "cy": lens.center_y,
        "w": lens.width,
        "h": lens.height,
    }


def _steps(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round depth to millimetres; 0, which losses ignore, = no surface, or farther than 65.535 m."""
    steps = np.rint(depth.astype(float) / _METRES_A_STEP)
    return np.where(steps <= _MOST_STEPS, steps, 0).astype(np.uint16)


def _lists(splits: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the lists of files by split; none unless there is "train", and "val" or "test".

    A reader that finds one list needs "train", "val" and "test". So a missing "val" is the same as "test",
    and the reverse. Without lists, the reader splits the frames itself.
    """
    held_out = splits.get("val") or splits.get("test")
    if not held_out or "train" not in splits:
        return {}
    all_splits = {"val": held_out, "test": held_out, **splits}
    return {f"{name}_filenames": all_splits[name] for name in sorted(all_splits)}


def _write_cloud(store: Store, sequence: Sequence, points_a_view: int) -> None:
    """Write a point cloud of the visible surfaces, in nerfstudio's world, as a binary PLY."""
    turned = _TURNED[store.manifest.up_axis][:3, :3]
    parts = [_vertices(view, points_a_view, turned) for _, view in views_of(store, sequence)]
    vertices = np.concatenate(parts)
    properties = [f"property float {axis}" for axis in "xyz"]
    properties += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}", *properties]
    (sequence.folder / _CLOUD).write_bytes("\n".join([*head, "end_header\n"]).encode() + vertices.tobytes())


def _vertices(view: StoredView, count: int, turned: NDArray[np.float64]) -> NDArray[Any]:
    depth = view.array("depth")
    pixels = spread(depth, count)
    vertices = np.empty(len(pixels), _VERTEX)
    vertices["position"] = points_at(view, depth, pixels) @ turned.T
    vertices["colour"] = colours_at(view, pixels)
    return vertices


FORMAT = Format(
    "nerfstudio",
    "For nerfstudio, Gaussian splatting and other radiance fields: images, depth, poses, a point cloud.",
    ("color",),
    _export,
)
