"""BOP, the format of the benchmark for 6D object poses, with a folder for each scene.

::

    OUT/
      camera.json
      models/                     obj_000001.ply ..., models_info.json, and models_source.json
      train_pbr/000000/           a scene: a sequence of the store; val_pbr and so on for other splits
        scene_camera.json, scene_gt.json, scene_gt_info.json
        rgb/000000.png            a view
        depth/000000.png
        mask/000000_000000.png, mask_visib/000000_000000.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...encode import encode_png
from ..store import Store, link_or_copy
from .bop_images import PASSES, BopImage, images_of, models_of
from .bop_models import Models
from .format import Format

__all__ = ["FORMAT", "write_shared"]


def _export(store: Store, out: Path) -> None:
    models = models_of(store, out)
    first: BopImage | None = None
    tables: set[Path] = set()
    for image in images_of(store, models):
        first = first or image
        tables.update(_write(image, out / f"{image.split}_pbr" / f"{image.scene:06d}"))
    for path in tables:
        with path.open("ab") as file:
            file.write(b"\n}\n")
    write_shared(out, models, first)


def write_shared(out: Path, models: Models, first: BopImage | None) -> None:
    """Write the files that all scenes share: tables of the models, and the camera of the first image."""
    tables = {"models_info": models.infos(), "models_source": models.sources()}
    (out / "models").mkdir(exist_ok=True)
    for name, table in tables.items():
        _write_table(out / "models" / f"{name}.json", table)
    if first is None:
        return
    lens = first.view.lens
    camera = {
        "cx": lens.center_x - 0.5,
        "cy": lens.center_y - 0.5,
        "depth_scale": first.camera["depth_scale"],
        "fx": lens.focal_x,
        "fy": lens.focal_y,
        "height": lens.height,
        "width": lens.width,
    }
    _write_table(out / "camera.json", camera)


def _write(image: BopImage, folder: Path) -> list[Path]:
    """Write an image, and return the paths of the tables that it was added to."""
    for name in ("rgb", "depth", "mask", "mask_visib"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    colour = image.colour()
    target = folder / "rgb" / f"{image.image:06d}.png"
    if isinstance(colour, Path):
        link_or_copy(colour, target)
    else:
        target.write_bytes(colour)
    (folder / "depth" / f"{image.image:06d}.png").write_bytes(image.depth)
    for index, each in enumerate(image.objects):
        for name, mask in (("mask", each.mask), ("mask_visib", each.mask_visib)):
            path = folder / name / f"{image.image:06d}_{index:06d}.png"
            path.write_bytes(encode_png(np.where(mask, np.uint8(255), np.uint8(0))).data)
    tables = {
        "scene_camera": image.camera,
        "scene_gt": [each.gt for each in image.objects],
        "scene_gt_info": [each.info for each in image.objects],
    }
    return [_append(folder / f"{name}.json", image.image, row) for name, row in tables.items()]


def _append(path: Path, key: int, row: Any) -> Path:
    """Append a row to an unfinished JSON object, so that no table is held in memory."""
    with path.open("ab") as file:
        begin = b",\n" if file.tell() else b"{\n"
        file.write(begin + f'  "{key}": '.encode() + msgspec.json.encode(row))
    return path


def _write_table(path: Path, table: Any) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1))


FORMAT = Format(
    "bop",
    "For 6D object poses: BOP, a scene for each sequence, with models, poses, masks and visible fractions.",
    PASSES,
    _export,
)
