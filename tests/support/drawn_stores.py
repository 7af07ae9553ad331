"""Datasets whose instances are drawn by the tests, for what reads masks from a store."""

import io

import msgspec
import numpy as np
from PIL import Image

from gltf_render_server.dataset.records import (
    FileRecord,
    ItemRecord,
    Manifest,
    ObjectRecord,
    PassRecord,
    ViewRecord,
)
from gltf_render_server.dataset.store import Store, digest_of
from gltf_render_server.frame import Lens
from gltf_render_server.passes import PASSES, InstanceRow
from gltf_render_server.passes.instances import Box3dRow, PointRow
from gltf_render_server.passes.windows import Window

_EYE = np.eye(4).ravel().tolist()


def drawn_store(path, drawings, categories, keypoints=None, splits=("train",), known=()):
    """A dataset with an item of one view for each drawing.

    Parameters
    ----------
    path : Path
    drawings : list of (height, width) uint16
        The passes `instance`.
    categories : list of str or None
        Of the objects 1, 2, ..., which all items have.
    keypoints : dict of int to list of PointRow
        By the numbers of the objects.
    splits : sequence of str
        Of the items, in turn.
    known : sequence of str
        The categories that the manifest tells.
    """
    passes = ("color", "instance", "instances")
    records = [PassRecord.of(PASSES[name]) for name in passes]
    store = Store.begin(path, Manifest({}, 1, len(drawings), list(known), "y", records, {"drawn": "0"}, ""))
    for index, drawing in enumerate(drawings):
        shade = (drawing * 37 % 256).astype(np.uint8)
        rows = [_row(drawing, number, (keypoints or {}).get(number, [])) for number in _numbers(categories)]
        contents = {
            "color": (_png(np.stack([shade] * 3, 2)), "png", "uint8"),
            "instance": (_png(drawing.astype(np.uint16)), "png", "uint16"),
            "instances": (msgspec.json.encode(rows), "json", "json"),
        }
        files = {f"view/{name}.{suffix}": data for name, (data, suffix, _) in contents.items()}
        told = {
            name: FileRecord(f"view/{name}.{suffix}", digest_of(data), dtype)
            for name, (data, suffix, dtype) in contents.items()
        }
        height, width = drawing.shape
        lens = Lens(width, height, 50.0, 50.0, width / 2, height / 2, 0.1, 10.0)
        objects = [
            ObjectRecord(number, f"object {number}", categories[number - 1], _EYE)
            for number in _numbers(categories)
        ]
        view = ViewRecord("view", "camera", lens, _EYE, told)
        split = splits[index % len(splits)]
        store.write(
            ItemRecord(index, f"drawing {index}", "drawn", split, "", {}, 0.0, {}, objects, [view]), files
        )
    return Store(path)


def point(name, position, visibility="visible"):
    """A keypoint of an object."""
    return PointRow(name, position, 1.0, visibility)


def _numbers(categories):
    return range(1, len(categories) + 1)


def _row(drawing, number, keypoints):
    rows, columns = np.nonzero(drawing == number)
    pixels, box = len(rows), None
    if pixels:
        low, high = (columns.min(), rows.min()), (columns.max(), rows.max())
        box = Window(*map(int, (*low, high[0] - low[0] + 1, high[1] - low[1] + 1)))
    return InstanceRow(
        number=number,
        name=f"object {number}",
        label=None,
        extras={},
        matrix=_EYE,
        object_to_camera=_EYE,
        box=box,
        box_amodal=box,
        box_3d=Box3dRow((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), [None] * 8),
        pixels=pixels,
        pixels_amodal=pixels,
        pixels_all=pixels,
        visible_fraction=float(pixels > 0),
        edge_distance=None if box is None else 0,
        truncated=False,
        center=point("center", (0.0, 0.0)),
        keypoints=keypoints,
    )


def _png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
