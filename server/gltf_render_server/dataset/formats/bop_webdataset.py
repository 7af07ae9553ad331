"""BOP as WebDataset: each image of the format `bop` is a sample of a tar shard.

::

    OUT/
      camera.json, models/        as in the format `bop`
      train_pbr_web/              val_pbr_web and so on for other splits
        shard-000000.tar          000000_000000.rgb.png ...; keys are <scene>_<image>
        key_to_shard.json
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..store import Store
from .bop import write_shared
from .bop_images import PASSES, BopImage, images_of, models_of
from .format import Format
from .shards import Shards

__all__ = ["FORMAT"]


def _export(store: Store, out: Path) -> None:
    models = models_of(store, out)
    first: BopImage | None = None
    with ExitStack() as stack:
        shards: dict[Path, Shards] = {}
        for image in images_of(store, models):
            first = first or image
            folder = out / f"{image.split}_pbr_web"
            if folder not in shards:
                folder.mkdir()
                shards[folder] = stack.enter_context(Shards(folder, "shard"))
            key = f"{image.scene:06d}_{image.image:06d}"
            _note(folder / _KEYS, key, shards[folder].add(key, _members(image)))
    for folder in shards:
        with (folder / _KEYS).open("a") as file:
            file.write("\n}\n")
    write_shared(out, models, first)


def _note(path: Path, key: str, shard: int) -> None:
    """Append a line to the table of keys, which is an unfinished JSON object."""
    with path.open("a") as file:
        begin = ",\n" if file.tell() else "{\n"
        file.write(f'{begin}"{key}": {shard}')


def _members(image: BopImage) -> dict[str, bytes | Path]:
    objects = image.objects
    tables = {
        "camera": image.camera,
        "gt": [each.gt for each in objects],
        "gt_info": [each.info for each in objects],
        "mask": {str(index): _rle(each.mask) for index, each in enumerate(objects)},
        "mask_visib": {str(index): _rle(each.mask_visib) for index, each in enumerate(objects)},
    }
    images = {"rgb.png": image.colour(), "depth.png": image.depth}
    return {**images, **{f"{name}.json": msgspec.json.encode(table) for name, table in tables.items()}}


def _rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask as run lengths, column by column, beginning with zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"counts": runs.tolist(), "size": list(mask.shape)}


_KEYS = "key_to_shard.json"

FORMAT = Format(
    "bop-webdataset",
    "For 6D object poses: BOP in tar shards, as in the training sets of the BOP Challenge; masks are RLE.",
    PASSES,
    _export,
)
