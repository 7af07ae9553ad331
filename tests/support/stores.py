"""Small datasets, rendered by VTK so that they are there in a second, for the tests of what reads a store."""

import math
import tempfile
from pathlib import Path

import numpy as np
from folders import contents

from gltf_render_server.dataset.item import Item, make_item
from gltf_render_server.dataset.records import Manifest, PassRecord
from gltf_render_server.dataset.shot import Document, Shot, ShotMoment
from gltf_render_server.dataset.store import Store
from gltf_render_server.frame import Lens, View
from gltf_render_server.gltf import read_asset
from gltf_render_server.passes import PASSES
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer

STILL_LIFE = Path(__file__).parents[2] / "examples" / "still_life" / "still_life.glb"
PASSES_OF_VTK = [
    "color",
    "depth",
    "label",
    "instance",
    "instances",
    "normal",
    "mask_amodal",
    "flow_forward",
    "flow_backward",
]
BACKGROUND = ("table", "floor", "ground")


def looking_at(eye, target, up):
    """A camera_to_world."""
    backward = np.subtract(eye, target) / math.dist(eye, target)
    right = np.cross(up, backward)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3] = np.stack([right, np.cross(backward, right), backward, eye], 1)
    return matrix


_made: dict[object, dict[str, bytes]] = {}
"""The files of the stores of this process, by their arguments."""


def small_store(path, document=None, **options):
    """A dataset of a scene (y up) from a ring of cameras; the last item is in the split "val".

    Between items the camera goes on along the ring; between moments it moves a little. Of an item's index,
    `poses` tells the world matrices that nodes have, also of what lies between indices, for its moments.
    The nodes in `moving` move a little between moments.

    The same arguments give the same files, so they are rendered once; each caller has files of its own.
    """
    document = document or Document(STILL_LIFE.read_bytes(), STILL_LIFE)
    key = (document.sha256, document.path, *((name, _hashable(options[name])) for name in sorted(options)))
    if key not in _made:
        with tempfile.TemporaryDirectory() as folder:
            _render(Path(folder) / "store", document, **options)
            _made[key] = contents(Path(folder) / "store")
    for name, data in _made[key].items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return Store(path)


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value


def _render(
    path,
    document,
    items=3,
    views=2,
    size=(160, 120),
    passes=PASSES_OF_VTK,
    radius=None,
    poses=lambda index: {},
    times_s=lambda index: 0.0,
    sequences=lambda index: "still_life.glb",
    moving=(),
):
    renderer = VtkRenderer(ServerSettings(backend="vtk", up_axis="y"))
    asset = read_asset(document.data, extensions=renderer.extensions)
    instances = asset.scene().instances
    centers = instances.matrix[:, :3, 3]
    standing = {asset.node_name(node): instances.matrix[i] for i, node in enumerate(instances.node.tolist())}
    middle, reach = centers.mean(0), radius or 2.5 * max(0.2, np.ptp(centers, 0).max())
    manifest = Manifest(
        specification={"source": {"kind": "scene"}},
        seed=1,
        items=items,
        categories=[],
        up_axis="y",
        passes=[PassRecord.of(PASSES[name]) for name in passes],
        versions={"gltf-render-server": "0", "vtk": renderer.info.version},
        source="",
    )
    store = Store.begin(path, manifest)
    width, height = size
    lens = Lens(width, height, 1.1 * width, 1.1 * width, 0.52 * width, 0.47 * height, 0.01, 100.0)

    def pose(angle):
        eye = middle + reach * np.array([math.sin(angle), 0.6, math.cos(angle)])
        return looking_at(eye, middle, (0, 1, 0))

    def moved(matrix, step):
        matrix = matrix.copy()
        matrix[:3, 3] += step * reach * np.array([0.5, 0.2, 0.3])
        return matrix

    def categorise(name, extras):
        return None if name.lower().startswith(BACKGROUND) else name.rstrip("0123456789._") or "object"

    for index in range(items):
        angles = [0.4 * (index * views + number) for number in range(views)]
        shot = Shot(
            document,
            tuple(View(lens, pose(angle), f"camera_{number}") for number, angle in enumerate(angles)),
            tuple(passes),
            poses=poses(index),
            time_s=times_s(index),
            moments={
                when: ShotMoment(
                    {**poses(index + step), **{name: moved(standing[name], step) for name in moving}},
                    0.0,
                    tuple(pose(angle + step) for angle in angles),
                )
                for when, step in (("before", -0.02), ("after", 0.02))
            },
        )
        item = Item(
            index,
            "still_life.glb",
            shot,
            ("camera",) * views,
            sequence=sequences(index),
            split="val" if index == items - 1 else "train",
            categorise=categorise,
            assets={document.sha256: str(document.path or "")},
        )
        made = make_item(item, asset, lambda shot, frame: renderer.render(frame).views)
        store.write(made.record, made.files)
    renderer.close()
