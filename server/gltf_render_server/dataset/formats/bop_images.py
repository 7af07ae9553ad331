"""An image in BOP's terms: its camera, and the poses, masks and visibility of its objects.

Camera axes are OpenCV's (x right, y down, z forward), lengths are in mm, matrices are row-major, and the
principal point is relative to the first pixel's centre. Sources: bop_toolkit's `docs/bop_datasets_format.md`
and `scripts/calc_gt_info.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...encode import encode_png
from ...errors import DatasetError
from ...passes import InstanceRow
from ..store import Store, StoredItem, StoredView, asset_folders
from .bop_models import MM_PER_M, Models, PlacedModel
from .bop_shapes import Shapes

__all__ = ["PASSES", "BopImage", "BopObject", "images_of", "models_of"]

PASSES = ("color", "depth", "instance", "instances", "mask_amodal")
_FINEST_MM = 0.1  # the depth scale of BOP's own rendered datasets
_STEPS = (1, 2, 5)
_LARGEST = np.iinfo(np.uint16).max
_NOWHERE = [-1, -1, -1, -1]
_OPENCV = np.diag([1.0, -1.0, -1.0])  # from camera axes that look along -z with y up

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BopObject:
    """An object in an image.

    Attributes
    ----------
    gt : dict
        Its entry in ``scene_gt.json``.
    info : dict
        Its entry in ``scene_gt_info.json``.
    mask : (height, width) bool
        The amodal mask: the pixels it would cover if nothing hid it.
    mask_visib : (height, width) bool
        The visible mask.
    """

    gt: dict[str, Any]
    info: dict[str, Any]
    mask: Bools
    mask_visib: Bools


@dataclass(frozen=True, eq=False)
class BopImage:
    """An image of a BOP dataset.

    Attributes
    ----------
    split : str
    scene, image : int
        The number of the scene in its split, and of the image in the scene, both from 0.
    view : StoredView
    camera : dict
        The image's entry in ``scene_camera.json``.
    depth : bytes
        16-bit PNG in units of the camera's `depth_scale`; 0 = no surface.
    objects : list of BopObject
    """

    split: str
    scene: int
    image: int
    view: StoredView
    camera: dict[str, Any]
    depth: bytes
    objects: list[BopObject]

    def colour(self) -> bytes | Path:
        """Return the image without alpha: the path of its file in the store, or else a PNG."""
        path = self.view.path("color")
        with Image.open(path) as picture:
            if picture.mode == "RGB":
                return path
            out = BytesIO()
            picture.convert("RGB").save(out, "PNG", compress_level=1)
            return out.getvalue()


def models_of(store: Store, out: Path) -> Models:
    """Return the models of a store, which will be written below a folder.

    Relative paths of assets are looked up in the folders of `asset_folders`.
    """
    return Models(Shapes(asset_folders(store.path)), out / "models")


def images_of(store: Store, models: Models) -> Iterator[BopImage]:
    """Yield the images of a store in the order of its items; scenes may alternate.

    Raises
    ------
    DatasetError
        The model of an object is not found or not rigid, or an item's tables disagree.
    """
    scenes: dict[str, dict[str, int]] = {}
    lengths = Counter[tuple[str, int]]()
    for item in store:
        record, placed = item.record, _placed(item, models)
        numbers = scenes.setdefault(record.split, {})
        scene = numbers.setdefault(record.sequence, len(numbers))
        for view in item.views:
            yield _image(view, record.split, scene, lengths[record.split, scene], placed)
            lengths[record.split, scene] += 1


def _placed(item: StoredItem, models: Models) -> dict[int, PlacedModel]:
    """Return the models of an item's objects by object number. Background objects have none."""
    rows = item.views[0].instances
    if len(rows) != len(item.record.objects):
        raise DatasetError(
            f"{item.folder}: the table of the pass instances has {len(rows)} objects, and item.json has "
            f"{len(item.record.objects)}; run verify to find what else is damaged"
        )
    return {
        record.number: models.place(item, record, row)
        for record, row in zip(item.record.objects, rows, strict=True)
        if record.category is not None
    }


def _image(view: StoredView, split: str, scene: int, image: int, placed: dict[int, PlacedModel]) -> BopImage:
    depth_m, shown = view.array("depth"), view.array("instance")
    to_camera = np.linalg.inv(view.camera_to_world)
    rotation, translation = _OPENCV @ to_camera[:3, :3], MM_PER_M * _OPENCV @ to_camera[:3, 3]
    depth, scale = _depth(depth_m)
    masks = _on_image(view.array("mask_amodal"), shown.shape)
    lens = view.lens
    camera = {
        "cam_K": [
            lens.focal_x,
            0.0,
            lens.center_x - 0.5,
            0.0,
            lens.focal_y,
            lens.center_y - 0.5,
            0.0,
            0.0,
            1.0,
        ],
        "cam_R_w2c": rotation.ravel().tolist(),
        "cam_t_w2c": translation.tolist(),
        "depth_scale": scale,
    }
    objects = []
    for number, model in placed.items():
        gt = {
            "cam_R_m2c": (rotation @ model.rotation).ravel().tolist(),
            "cam_t_m2c": (rotation @ model.translation + translation).tolist(),
            "obj_id": model.number,
        }
        mask = masks[number - 1]
        info = _info(view.instances[number - 1], mask, depth > 0)
        objects.append(BopObject(gt, info, mask, shown == number))
    return BopImage(split, scene, image, view, camera, encode_png(depth).data, objects)


def _depth(depth_m: NDArray[np.float32]) -> tuple[NDArray[np.uint16], float]:
    """Return depth in the finest unit whose 16 bits reach far enough, and that unit, mm; 0 = no surface."""
    is_something = np.isfinite(depth_m)
    depth_mm = MM_PER_M * np.where(is_something, depth_m, 0.0).astype(np.float64)
    scale = _scale(float(depth_mm.max()))
    steps = np.where(is_something, np.rint(depth_mm / scale).clip(1, _LARGEST), 0)
    return steps.astype(np.uint16), scale


def _scale(farthest_mm: float) -> float:
    """Return the first of 0.1, 0.2, 0.5, 1, 2, 5 ... mm in which 16 bits can store a depth."""
    decade = 1
    while True:
        for step in _STEPS:
            scale = step * decade * _FINEST_MM
            if farthest_mm <= scale * _LARGEST:
                return scale
        decade *= 10


def _on_image(masks: Bools, size: tuple[int, ...]) -> Bools:
    """Crop masks, which extend beyond the image equally on opposite sides, to the image."""
    top, left = ((side - inner) // 2 for side, inner in zip(masks.shape[1:], size, strict=True))
    return masks[:, top : top + size[0], left : left + size[1]]


def _info(row: InstanceRow, mask: Bools, has_depth: Bools) -> dict[str, Any]:
    """Return an entry of ``scene_gt_info.json``; as in `calc_gt_info.py`, widths are last minus first."""
    return {
        "bbox_obj": _box(row.box_amodal if row.pixels else None),
        "bbox_visib": _box(row.box),
        "px_count_all": row.pixels_all,
        "px_count_valid": int((mask & has_depth).sum()),
        "px_count_visib": row.pixels,
        "visib_fract": row.visible_fraction,
    }


def _box(box: tuple[int, int, int, int] | None) -> list[int]:
    if box is None:
        return _NOWHERE
    left, top, width, height = box
    return [left, top, width - 1, height - 1]
