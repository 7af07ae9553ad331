"""BOP, read by `Bop` below: a reader of its own, after bop_toolkit's docs/bop_datasets_format.md.

Models are read by VTK's PLY reader. What `scene_gt_info.json` tells is counted again by casting rays at them
(trimesh with Embree), by the rules of bop_toolkit's scripts/calc_gt_info.py and visibility.py.
"""

import base64
import copy
import json
import shutil
from itertools import combinations

import msgspec
import numpy as np
import pytest
import trimesh
from any_gltf import add_mesh, skinned
from drake_like import column_major, empty_document, sphere, translation
from PIL import Image
from stores import small_store
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import reference
from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator
from vtkmodules.vtkIOPLY import vtkPLYReader

from gltf_render_server.dataset.embedding import read_document
from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.formats.bop_images import _depth, _on_image
from gltf_render_server.dataset.formats.bop_models import rigid_and_stretch
from gltf_render_server.dataset.formats.diameter import diameter_of
from gltf_render_server.dataset.shot import Document
from gltf_render_server.dataset.store import Store
from gltf_render_server.errors import DatasetError

DELTA_MM = 5.0
EXACT_MM = 0.05


class Model:
    """A model, read by VTK."""

    def __init__(self, path):
        reader = vtkPLYReader()
        reader.SetFileName(str(path))
        reader.Update()
        self._data = reader.GetOutput()
        self.points = vtk_to_numpy(self._data.GetPoints().GetData()).astype(float)
        self.faces = vtk_to_numpy(self._data.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        self.normals = vtk_to_numpy(self._data.GetPointData().GetNormals())
        self._locator = vtkStaticCellLocator()
        self._locator.SetDataSet(self._data)
        self._locator.BuildLocator()
        self.mesh = trimesh.Trimesh(self.points, self.faces, process=False)

    def distance(self, point):
        cell, sub, squared = reference(0), reference(0), reference(0.0)
        self._locator.FindClosestPoint(point, [0.0, 0.0, 0.0], cell, sub, squared)
        return float(squared) ** 0.5


class Bop:
    """A dataset in the layout of BOP."""

    def __init__(self, path):
        self.path = path
        self.infos = json.loads((path / "models" / "models_info.json").read_text())
        self.models = {
            int(number): Model(path / "models" / f"obj_{int(number):06d}.ply") for number in self.infos
        }

    def images(self):
        """Yield (split, scene, image, camera, depth in mm, [gt, info, mask, mask_visib])."""
        for folder in sorted(self.path.glob("*_pbr/*")):
            tables = [
                json.loads((folder / f"scene_{name}.json").read_text())
                for name in ("camera", "gt", "gt_info")
            ]
            for key, camera in tables[0].items():
                depth = np.asarray(Image.open(folder / "depth" / f"{int(key):06d}.png")).astype(float)
                objects = [
                    (gt, info, *(self._mask(folder, kind, key, index) for kind in ("mask", "mask_visib")))
                    for index, (gt, info) in enumerate(zip(tables[1][key], tables[2][key], strict=True))
                ]
                yield (
                    folder.parent.name,
                    int(folder.name),
                    int(key),
                    camera,
                    depth * camera["depth_scale"],
                    objects,
                )

    @staticmethod
    def _mask(folder, kind, key, index):
        mask = np.asarray(Image.open(folder / kind / f"{int(key):06d}_{index:06d}.png"))
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 255}
        return mask == 255


def pose_of(gt):
    return np.array(gt["cam_R_m2c"]).reshape(3, 3), np.array(gt["cam_t_m2c"])


def rays_of(camera, columns, rows):
    k = np.array(camera["cam_K"]).reshape(3, 3)
    return np.linalg.solve(k, np.stack([columns, rows, np.ones_like(rows)]).astype(float)).T


def assert_pictures_show_models(bop, at_least=1000):
    """Each pixel's point lies on the model that the mask says, in the pose that the table says."""
    checked = 0
    for *_, camera, depth, objects in bop.images():
        for gt, _, _, mask in objects:
            rows, columns = np.nonzero(mask)
            if not len(rows):
                continue
            chosen = np.arange(0, len(rows), max(1, len(rows) // 200))
            rays = rays_of(camera, columns[chosen], rows[chosen])
            rotation, translation = pose_of(gt)
            assert np.linalg.det(rotation) == pytest.approx(1)
            points = (rays * depth[rows[chosen], columns[chosen], None] - translation) @ rotation
            model = bop.models[gt["obj_id"]]
            allowed = (EXACT_MM + camera["depth_scale"] / 2) * np.linalg.norm(rays, axis=1)
            distances = np.array([model.distance(point) for point in points])
            assert (distances <= allowed).all(), distances.max()
            checked += len(points)
    assert checked >= at_least


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("bop") / "store")


@pytest.fixture(scope="module")
def bop(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("bop") / "out"
    export(store, "bop", out)
    return Bop(out)


def test_pictures_are_those_of_the_store_by_split_and_sequence(store, bop):
    found = [(split, scene, image) for split, scene, image, *_ in bop.images()]
    assert found == [*(("train_pbr", 0, n) for n in range(4)), ("val_pbr", 0, 0), ("val_pbr", 0, 1)]
    views = [view for item in store for view in item.views]
    for (split, scene, image, _, depth, _), view in zip(bop.images(), views, strict=True):
        rgb = bop.path / split / f"{scene:06d}" / "rgb" / f"{image:06d}.png"
        assert rgb.read_bytes() == view.path("color").read_bytes()
        expected = view.array("depth")
        assert (depth[np.isinf(expected)] == 0).all()
        assert np.isinf(expected).any()
        is_seen = np.isfinite(expected)
        assert np.abs(depth[is_seen] - 1000 * expected[is_seen]).max() <= 0.0501


def test_cameras_are_opencvs_with_the_world_in_millimetres(store, bop):
    views = [view for item in store for view in item.views]
    for (*_, camera, _, _), view in zip(bop.images(), views, strict=True):
        lens = view.lens
        k = [lens.focal_x, 0, lens.center_x - 0.5, 0, lens.focal_y, lens.center_y - 0.5, 0, 0, 1]
        assert camera["cam_K"] == k
        rotation = np.array(camera["cam_R_w2c"]).reshape(3, 3)
        eye = -rotation.T @ camera["cam_t_w2c"] / 1000
        np.testing.assert_allclose(eye, view.camera_to_world[:3, 3], atol=1e-9)
        np.testing.assert_allclose(rotation[2], -view.camera_to_world[:3, 2], atol=1e-12)
        np.testing.assert_allclose(rotation[1], -view.camera_to_world[:3, 1], atol=1e-12)
    camera = json.loads((bop.path / "camera.json").read_text())
    assert camera == {
        **{"width": 160, "height": 120, "fx": 176.0, "fy": 176.0, "depth_scale": 0.1},
        **{"cx": pytest.approx(82.7), "cy": pytest.approx(55.9)},
    }


def test_pictures_show_the_models(bop):
    assert_pictures_show_models(bop, 5000)


def test_masks_are_disjoint_and_inside_the_whole_ones(store, bop):
    items = [(item, view) for item in store for view in item.views]
    for (*_, objects), (item, view) in zip(bop.images(), items, strict=True):
        annotated = [each.number for each in item.record.objects if each.category is not None]
        assert len(annotated) == len(objects) > 10
        for (_, _, mask, mask_visib), number in zip(objects, annotated, strict=True):
            np.testing.assert_array_equal(mask, view.array("mask_amodal")[number - 1])
            np.testing.assert_array_equal(mask_visib, view.array("instance") == number)
            assert not (mask_visib & ~mask).any()
        for one, other in combinations([each[3] for each in objects], 2):
            assert not (one & other).any()


def counted(bop, camera, depth, gt):
    """What calc_gt_info.py tells of an object, and how many pixels its delta lets hide behind something."""
    height, width = depth.shape
    rotation, translation = pose_of(gt)
    model = bop.models[gt["obj_id"]]
    places = (model.points @ rotation.T + translation) @ np.array(camera["cam_K"]).reshape(3, 3).T
    u, v = places[:, 0] / places[:, 2], places[:, 1] / places[:, 2]
    assert (places[:, 2] > 0).all()
    rows, columns = (grid.ravel() for grid in np.mgrid[-height : 2 * height, -width : 2 * width])
    is_near = (abs(columns - (u.min() + u.max()) / 2) <= np.ptp(u) / 2 + 1) & (
        abs(rows - (v.min() + v.max()) / 2) <= np.ptp(v) / 2 + 1
    )
    rays = rays_of(camera, columns, rows)
    points, which, _ = model.mesh.ray.intersects_location(
        np.tile(-translation @ rotation, (is_near.sum(), 1)), rays[is_near] @ rotation, multiple_hits=False
    )
    large = np.zeros((3 * height, 3 * width))
    large.ravel()[np.flatnonzero(is_near)[which]] = (points @ rotation.T + translation)[:, 2]
    inner = large[height : 2 * height, width : 2 * width]
    length = np.linalg.norm(rays, axis=1).reshape(large.shape)[height : 2 * height, width : 2 * width]
    distance, seen = inner * length, depth * length
    behind = distance - seen
    visible = ((behind <= DELTA_MM) | (seen == 0)) & (distance > 0)
    lenient = visible & (behind > 3 * EXACT_MM)
    return large > 0, (inner > 0) & (depth > 0), visible, lenient


def test_numbers_are_those_of_calc_gt_info(bop):
    """Rays at the models count the same, but for pixels on edges."""
    differ = total = 0
    for *_, camera, depth, objects in list(bop.images())[::2]:
        for gt, info, mask, mask_visib in objects:
            whole, valid, visible, lenient = counted(bop, camera, depth, gt)
            height, width = depth.shape
            edges = 2 + 0.05 * np.sqrt(whole.sum())
            assert abs(info["px_count_all"] - whole.sum()) <= edges
            assert (mask != whole[height : 2 * height, width : 2 * width]).sum() <= edges
            assert abs(info["px_count_valid"] - valid.sum()) <= edges
            assert (mask_visib != (visible & ~lenient)).sum() <= edges + lenient.sum()
            assert info["px_count_visib"] == mask_visib.sum()
            differ += (mask_visib != (visible & ~lenient)).sum()
            total += visible.sum()
            if info["px_count_visib"]:
                assert info["visib_fract"] == pytest.approx(info["px_count_visib"] / info["px_count_all"])
                rows, columns = np.nonzero(mask_visib)
                assert info["bbox_visib"] == [
                    *(columns.min(), rows.min(), np.ptp(columns), np.ptp(rows)),
                ]
                rows, columns = np.nonzero(whole)
                box = [columns.min() - width, rows.min() - height, np.ptp(columns), np.ptp(rows)]
                assert np.abs(np.subtract(info["bbox_obj"], box)).max() <= 2
            else:
                assert info["visib_fract"] == 0
                assert info["bbox_obj"] == info["bbox_visib"] == [-1, -1, -1, -1]
    assert differ <= 0.002 * total
    assert total > 10_000


def test_models_are_centred_and_told_truly(bop):
    assert len(bop.models) > 10
    sources = json.loads((bop.path / "models" / "models_source.json").read_text())
    for number, model in bop.models.items():
        info = bop.infos[str(number)]
        low, high = model.points.min(0), model.points.max(0)
        np.testing.assert_allclose(low, [info[f"min_{axis}"] for axis in "xyz"], atol=1e-3)
        np.testing.assert_allclose(high - low, [info[f"size_{axis}"] for axis in "xyz"], atol=1e-3)
        np.testing.assert_allclose(low + high, 0, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(model.normals, axis=1), 1, atol=1e-5)
        hull = model.points[np.unique(np.argsort(model.points @ directions().T, 0)[[0, -1]])]
        widest = max(np.linalg.norm(hull - point, axis=1).max() for point in hull)
        assert widest <= info["diameter"] * (1 + 1e-6)
        assert info["diameter"] <= widest * 1.002
        assert sources[str(number)]["category"]


def directions():
    points = np.random.default_rng(1).normal(size=(500, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_the_same_store_gives_the_same_bytes(store, bop, tmp_path):
    export(store, "bop", tmp_path / "again")
    files = [path for path in bop.path.rglob("*") if path.is_file()]
    assert len(files) > 200
    for path in files:
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(bop.path)).read_bytes()


# Scenes of balls: copies, scales, shears, mirrors, parts


def ball_scene(nodes):
    """A document of one wavy, lopsided ball of 10 cm, and nodes that show it."""
    document = empty_document()
    document["asset"] = {"version": "2.0"}
    body = sphere(0.05, translation(0, 0, 0), 1, 12)
    wavy = body.vertices * (1 + 0.3 * np.sin(40 * body.vertices[:, :1])) + [0.01, 0.02, -0.01]
    add_mesh(document, wavy.astype(np.float32), body.triangles)
    document["materials"] = []
    document["nodes"] = nodes
    below = {child for node in nodes for child in node.get("children", ())}
    document["scenes"][0]["nodes"] = [index for index in range(len(nodes)) if index not in below]
    return document


def document_of(json_document, path):
    data = json.dumps({name: value for name, value in json_document.items() if value != []}).encode()
    path.write_bytes(data)
    return Document(data, path)


def exported(document, tmp_path, edit=None, **options):
    """Render a document, let an item's record be changed, and export it."""
    store = small_store(tmp_path / "store", document, items=2, views=1, **options)
    for item in store if edit else ():
        (item.folder / "item.json").write_bytes(msgspec.json.encode(edit(item.record)))
    export(Store(tmp_path / "store"), "bop", tmp_path / "out")
    return Bop(tmp_path / "out")


def test_copies_are_one_model_and_other_scales_shears_and_mirrors_are_others(tmp_path):
    sheared = np.eye(4)
    sheared[:3] = [[1, 0.5, 0, 0.2], [0, 1, 0.2, 0.2], [0, 0, 0.7, 0]]
    mirrored = np.diag([-1.0, 1, 1, 1])
    mirrored[:3, 3] = -0.2, -0.2, 0
    nodes = [
        {"name": "ball_1", "mesh": 0},
        {"name": "ball_2", "mesh": 0, "translation": [0.2, 0, 0], "rotation": [0.5, 0.5, 0.5, 0.5]},
        {"name": "ball_3", "mesh": 0, "translation": [0, 0.2, 0], "rotation": [0.6, 0, 0, 0.8]},
        {"name": "larger", "mesh": 0, "translation": [-0.2, 0, 0.1], "scale": [1.5, 1.5, 1.5]},
        {"name": "sheared", "mesh": 0, "matrix": column_major(sheared)},
        {"name": "mirrored", "mesh": 0, "matrix": column_major(mirrored)},
        {"name": "flat", "mesh": 0, "translation": [0.2, -0.2, 0], "scale": [1, 0, 1]},
    ]
    bop = exported(document_of(ball_scene(nodes), tmp_path / "balls.gltf"), tmp_path, size=(320, 240))
    for *_, objects in bop.images():
        assert [gt["obj_id"] for gt, *_ in objects] == [1, 1, 1, 2, 3, 4, 5]
    assert bop.infos["2"]["diameter"] == pytest.approx(1.5 * bop.infos["1"]["diameter"])
    assert bop.infos["4"]["diameter"] == pytest.approx(bop.infos["1"]["diameter"])
    assert bop.infos["5"]["size_y"] == pytest.approx(0, abs=1e-3)
    assert_pictures_show_models(bop)
    for number in (1, 2, 3, 4):  # turned outward, and the normals are on the same side
        mesh = bop.models[number].mesh
        assert mesh.merge_vertices(merge_norm=True) is None
        assert mesh.volume > 0
        turned = (mesh.face_normals * bop.models[number].normals[bop.models[number].faces[:, 0]]).sum(1)
        assert (turned[mesh.area_faces > 1e-3] > 0).all()


def whole():
    """A file of two balls, and a room in which it stands twice, each time as one object."""
    parts = [
        {"name": "big", "mesh": 0, "translation": [0, 0.1, 0], "rotation": [0.6, 0, 0, 0.8], "children": [1]},
        {"name": "small", "mesh": 0, "translation": [0, 0.08, 0], "scale": [0.5, 0.5, 0.5]},
    ]

    def placed(first, name, **node):
        return [
            {"name": name, "extras": {"instance": True}, "children": [first + 1], **node},
            {**parts[0], "children": [first + 2]},
            parts[1],
        ]

    room = [
        *placed(0, "thing_1", translation=[0.1, 0, 0], rotation=[0, 0.6, 0, 0.8]),
        *placed(3, "thing_2", translation=[-0.1, 0, 0.1], scale=[0.8, 0.8, 0.8]),
    ]
    return ball_scene(parts), ball_scene(room)


def test_an_object_that_is_all_of_a_file_has_that_as_its_model(tmp_path):
    thing, room = whole()
    asset = document_of(thing, tmp_path / "thing.gltf")
    sha = asset.sha256

    def edit(record):
        objects = [msgspec.structs.replace(each, asset=sha) for each in record.objects]
        return msgspec.structs.replace(record, assets={sha: str(asset.path)}, objects=objects)

    bop = exported(document_of(room, tmp_path / "room.gltf"), tmp_path, edit, size=(320, 240))
    for *_, objects in bop.images():
        assert [gt["obj_id"] for gt, *_ in objects] == [1, 2]
    assert bop.infos["2"]["diameter"] == pytest.approx(0.8 * bop.infos["1"]["diameter"])
    assert_pictures_show_models(bop, 500)
    source = json.loads((bop.path / "models" / "models_source.json").read_text())["1"]
    assert (source["file"], source["sha256"]) == (str(asset.path), sha)


def test_an_object_of_a_changed_document_is_found_by_its_name(tmp_path):
    """Of two objects of that name, it is the one that fills its box."""
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    file = document_of(ball_scene(nodes), tmp_path / "file.gltf")
    changed = ball_scene(copy.deepcopy(nodes))
    changed["nodes"][0]["name"] = "room/things/ball"
    changed["extras"] = "another colour"

    def edit(record):
        return msgspec.structs.replace(record, assets={file.sha256: str(file.path)})

    bop = exported(document_of(changed, tmp_path / "changed.gltf"), tmp_path, edit)
    assert [gt["obj_id"] for gt, *_ in next(bop.images())[-1]] == [1, 1]
    assert_pictures_show_models(bop, 100)


def test_an_object_that_no_file_has_is_refused(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    changed = copy.deepcopy(nodes)
    changed[1]["name"] = "stranger"
    file = document_of(ball_scene(nodes), tmp_path / "file.gltf")

    def edit(record):
        return msgspec.structs.replace(record, assets={file.sha256: str(file.path)})

    with pytest.raises(
        DatasetError,
        match=r"000000: BOP needs the triangles of object 2 \('stranger'\), but none of the item's files",
    ):
        exported(document_of(ball_scene(changed), tmp_path / "changed.gltf"), tmp_path, edit)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_gone_or_another_is_told(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    file = document_of(ball_scene(nodes), tmp_path / "file.gltf")
    store = small_store(tmp_path / "store", file, items=1, views=1)
    for content in (file.data + b" ", b"no glTF any more"):
        file.path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"file\.gltf has different content now"):
            export(store, "bop", tmp_path / "out")
    file.path.unlink()
    with pytest.raises(
        DatasetError, match=rf"needs the triangles of .*file\.gltf with the SHA-256 {file.sha256}"
    ):
        export(store, "bop", tmp_path / "out")


def test_relative_paths_are_looked_for_beside_the_store(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    file = document_of(ball_scene(nodes), tmp_path / "file.gltf")

    def edit(record):
        return msgspec.structs.replace(record, assets={file.sha256: "file.gltf"})

    assert len(exported(file, tmp_path, edit).models) == 1


def test_a_file_whose_buffers_lie_beside_it_is_known_with_them(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    scene = ball_scene(nodes)
    for number, buffer in enumerate(scene["buffers"]):
        (tmp_path / f"{number}.bin").write_bytes(base64.b64decode(buffer["uri"].partition(",")[2]))
        buffer["uri"] = f"{number}.bin"
    path = document_of(scene, tmp_path / "file.gltf").path
    assert len(exported(read_document(path), tmp_path).models) == 1


def test_a_skin_is_refused_and_background_is_not(tmp_path):
    document = skinned()
    with pytest.raises(DatasetError, match="skin bends 'ball'"):
        exported(document_of(document, tmp_path / "bent.gltf"), tmp_path, radius=4)
    shutil.rmtree(tmp_path / "store")
    document["nodes"][2]["name"] = "ground"
    assert exported(document_of(document, tmp_path / "bent.gltf"), tmp_path, radius=4).models == {}


def test_sequences_may_alternate(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    store = small_store(
        tmp_path / "store", document_of(ball_scene(nodes), tmp_path / "file.gltf"), items=5, views=1
    )
    for item, sequence in zip(store, "ababa", strict=True):
        record = msgspec.structs.replace(item.record, sequence=sequence, split="train")
        (item.folder / "item.json").write_bytes(msgspec.json.encode(record))
    export(Store(tmp_path / "store"), "bop", tmp_path / "out")
    found = [each[:3] for each in Bop(tmp_path / "out").images()]
    assert found == [("train_pbr", 0, n) for n in range(3)] + [("train_pbr", 1, n) for n in range(2)]


def test_a_transparent_picture_loses_its_alpha(tmp_path):
    nodes = [{"name": "ball", "mesh": 0}, {"name": "other", "mesh": 0, "translation": [0.2, 0, 0]}]
    file = document_of(ball_scene(nodes), tmp_path / "file.gltf")
    store = small_store(tmp_path / "store", file, items=1, views=1)
    path = store[0].views[0].path("color")
    colours = np.array(Image.open(path))
    Image.fromarray(np.dstack([colours, np.full(colours.shape[:2], 7, np.uint8)])).save(path)
    export(store, "bop", tmp_path / "out")
    picture = Image.open(tmp_path / "out" / "val_pbr" / "000000" / "rgb" / "000000.png")
    np.testing.assert_array_equal(np.array(picture), colours)


# The shards


def test_the_shards_hold_what_bop_holds(store, bop, tmp_path):
    export(store, "bop-webdataset", tmp_path / "out")
    export(store, "bop-webdataset", tmp_path / "again")
    for name in ("camera.json", "models/models_info.json", "models/obj_000001.ply"):
        assert (tmp_path / "out" / name).read_bytes() == (bop.path / name).read_bytes()
    images = {(split, scene, image): rest for split, scene, image, *rest in bop.images()}
    for split in ("train", "val"):
        folder = tmp_path / "out" / f"{split}_pbr_web"
        shard = folder / "shard-000000.tar"
        assert shard.read_bytes() == (tmp_path / "again" / f"{split}_pbr_web" / shard.name).read_bytes()
        with shard.open("rb") as file:
            samples = read_shard(file)
        assert json.loads((folder / "key_to_shard.json").read_text()) == dict.fromkeys(samples, 0)
        for key, sample in samples.items():
            scene, image = map(int, key.split("_"))
            camera, _, objects = images.pop((f"{split}_pbr", scene, image))
            source = bop.path / f"{split}_pbr" / f"{scene:06d}"
            for member, name in (("rgb.png", "rgb"), ("depth.png", "depth")):
                assert sample[member] == (source / name / f"{image:06d}.png").read_bytes()
            assert json.loads(sample["camera.json"]) == camera
            assert json.loads(sample["gt.json"]) == [gt for gt, *_ in objects]
            assert json.loads(sample["gt_info.json"]) == [info for _, info, *_ in objects]
            for place, name in ((2, "mask"), (3, "mask_visib")):
                masks = json.loads(sample[f"{name}.json"])
                assert list(masks) == [str(index) for index in range(len(objects))]
                for each, encoded in zip(objects, masks.values(), strict=True):
                    np.testing.assert_array_equal(unpacked(encoded), each[place])
    assert not images


def read_shard(file):
    """Read a shard by the package webdataset."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    samples = group_by_keys(tar_file_expander([{"url": "shard", "stream": file}]))
    return {sample["__key__"]: sample for sample in samples}


def unpacked(rle):
    values = np.zeros(np.prod(rle["size"]), bool)
    ends = np.cumsum(rle["counts"])
    for begin, end in zip(ends[::2], ends[1::2], strict=False):
        values[begin:end] = True
    return values.reshape(rle["size"], order="F")


# Parts


@pytest.mark.parametrize("kind", ["random", "sphere", "line", "one", "grid", "two far ones"])
def test_the_diameter_of_few_points_is_exact(kind):
    rng = np.random.default_rng(3)
    points = {
        "random": rng.normal(size=(1500, 3)) * (3, 1, 0.2),
        "sphere": directions(),
        "line": rng.random((400, 1)) * [[1.0, 2.0, -0.5]],
        "one": np.ones((3, 3)),
        "grid": np.stack(np.meshgrid(*[np.arange(9.0)] * 3), -1).reshape(-1, 3),
        "two far ones": np.concatenate([rng.normal(size=(500, 3)), [[1e4, 0, 0], [-1e4, 1, 0]]]),
    }[kind]
    every = max(float(np.linalg.norm(points - point, axis=1).max()) for point in points)
    assert diameter_of(points) == pytest.approx(every, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 0.2), (1, 1, 1e-3)])
def test_the_diameter_of_many_points_is_nearly_exact(shape):
    points = np.random.default_rng(5).normal(size=(6_000, 3))
    for chosen in (points, points / np.linalg.norm(points, axis=1, keepdims=True)):
        bent = chosen * shape
        lengths = np.linalg.norm(bent, axis=1)
        outer = bent[lengths >= 0.999 * diameter_of(bent) - lengths.max()]  # two of them are the pair
        every = max(float(np.linalg.norm(outer - point, axis=1).max()) for point in outer)
        assert every * (1 - 1e-5) <= diameter_of(bent) <= every * (1 + 1e-12)


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-6, 1e6])
def test_a_matrix_is_a_turn_after_a_stretch(scale):
    rng = np.random.default_rng(4)
    for matrix in scale * rng.normal(size=(50, 3, 3)):
        rotation, stretch = rigid_and_stretch(matrix)
        np.testing.assert_allclose(rotation @ stretch, matrix, atol=1e-12 * abs(scale))
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) > 0
        np.testing.assert_allclose(stretch, stretch.T)
        other, same = rigid_and_stretch(np.linalg.qr(rng.normal(size=(3, 3)))[0] @ matrix)
        sign = np.sign(np.linalg.det(stretch) * np.linalg.det(same))
        np.testing.assert_allclose(same, sign * stretch, atol=1e-12 * abs(scale))
        assert np.linalg.det(other) > 0


def test_a_flat_matrix_mirrors_nothing():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        rotation, stretch = rigid_and_stretch(turn @ np.diag([1.0, 1.0, 0.0]))
        assert np.linalg.det(rotation) == pytest.approx(1)
        np.testing.assert_allclose(stretch, np.diag([1, 1, 0]), atol=1e-12)
        np.testing.assert_allclose(rotation @ stretch, turn @ np.diag([1, 1, 0]), atol=1e-12)


def test_depth_is_as_fine_as_its_reach_allows():
    for farthest, scale in ((6.5, 0.1), (6.6, 0.2), (13.2, 0.5), (60.0, 1.0), (100.0, 2.0), (2e4, 500.0)):
        metres = np.array([[0.5, farthest, np.inf, 1e-6]], np.float32)
        steps, found = _depth(metres)
        assert found == pytest.approx(scale)
        assert steps[0, 2] == 0
        assert steps[0, 3] == 1
        assert np.abs(steps[0, :2] * found - 1000 * metres[0, :2]).max() <= 0.5 * found + 1e-3
    steps, found = _depth(np.full((2, 2), np.inf, np.float32))
    assert (steps == 0).all()
    assert found == pytest.approx(0.1)


def test_masks_that_reach_beyond_the_image_are_cut_to_it():
    canvas = np.arange(2 * 10 * 14).reshape(2, 10, 14)
    np.testing.assert_array_equal(_on_image(canvas, (4, 6)), canvas[:, 3:7, 4:10])
    np.testing.assert_array_equal(_on_image(canvas, (10, 14)), canvas)
