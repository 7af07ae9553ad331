"""HDF5 in BlenderProc's layout, read by h5py as BlenderProc's documentation shows."""

import json

import h5py
import numpy as np
import pytest
from stores import small_store

from gltf_render_server.dataset.formats import export


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("hdf5") / "store")


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("hdf5") / "out"
    export(store, "hdf5", out)
    return out


def pictures(store, out):
    """The views of a store, and what their files hold."""
    counts = {}
    for item in store:
        for view in item.views:
            number = counts[item.record.split] = counts.get(item.record.split, -1) + 1
            with h5py.File(out / item.record.split / f"{number}.hdf5") as file:
                yield item, view, {name: np.array(file[name]) for name in file}


def table(data):
    return json.loads(data.tobytes())


def test_names_and_dtypes_are_those_of_blenderproc(store, exported):
    assert sorted(str(path.relative_to(exported)) for path in exported.rglob("*.hdf5")) == [
        *("train/0.hdf5", "train/1.hdf5", "train/2.hdf5", "train/3.hdf5", "val/0.hdf5", "val/1.hdf5")
    ]
    _, _, found = next(pictures(store, exported))
    assert {name: (array.dtype.str, array.ndim) for name, array in found.items()} == {
        "colors": ("|u1", 3),
        "depth": ("<f4", 2),
        "normals": ("<f4", 3),
        "forward_flow": ("<f4", 3),
        "backward_flow": ("<f4", 3),
        "instance_segmaps": ("<i8", 2),
        "category_id_segmaps": ("<i8", 2),
        **{
            name: (found[name].dtype.str, 0)
            for name in ("instance_attribute_maps", "campose", "object_states")
        },
    }
    with h5py.File(exported / "train" / "0.hdf5") as file:
        assert file["depth"].compression == "gzip"
        assert file["campose"].dtype.char == "S"


def test_numbers_are_those_of_the_passes(store, exported):
    for _, view, found in pictures(store, exported):
        for name, row in {
            "colors": "color",
            "depth": "depth",
            "instance_segmaps": "instance",
            "forward_flow": "flow_forward",
            "backward_flow": "flow_backward",
        }.items():
            np.testing.assert_array_equal(found[name], view.array(row))
        normals = view.array("normal")
        is_nothing = np.isnan(normals[..., 0])
        assert is_nothing.any()
        np.testing.assert_array_equal(found["normals"][~is_nothing], (normals[~is_nothing] / 2 + 0.5))
        assert (found["normals"][is_nothing] == 0.5).all()


def test_the_maps_tell_the_category_and_the_name_of_what_is_shown(store, exported):
    for item, view, found in pictures(store, exported):
        rows = table(found["instance_attribute_maps"])
        assert [row["idx"] for row in rows] == np.unique(view.array("instance")).tolist()
        for row in rows[1:]:
            record = item.record.objects[row["idx"] - 1]
            assert row["name"] == record.name
            assert row["category"] == record.category
            known = {None: 0, **{name: n for n, name in enumerate(store.categories, 1)}}
            assert row["category_id"] == known[record.category]
            is_it = found["instance_segmaps"] == row["idx"]
            assert (found["category_id_segmaps"][is_it] == row["category_id"]).all()
        assert rows[0] == {"idx": 0, "category_id": 0, "name": "World", "category": None}


def test_camera_and_depth_lead_to_the_objects(store, exported):
    """A pixel's point, by K, pose and depth, is in the box of the object that it shows."""
    for _, view, found in pictures(store, exported):
        [camera] = table(found["campose"])
        states = table(found["object_states"])
        rows, columns = np.nonzero(found["instance_segmaps"])
        rays = np.linalg.inv(camera["cam_K"]) @ np.stack([columns, rows, np.ones_like(rows)])
        points = rays * found["depth"][rows, columns] * [[1], [-1], [-1]]
        world = np.array(camera["cam2world_matrix"]) @ [*points, np.ones(len(rows))]
        for number in np.unique(found["instance_segmaps"][rows, columns]).tolist():
            is_it = found["instance_segmaps"][rows, columns] == number
            own = np.linalg.inv(states[number - 1]["local2world"]) @ world[:, is_it]
            box = view.instances[number - 1].box_3d
            assert (own[:3].min(1) > np.array(box.low) - 1e-4).all()
            assert (own[:3].max(1) < np.array(box.high) + 1e-4).all()


def test_what_is_not_rendered_is_left_out(tmp_path):
    store = small_store(tmp_path / "store", items=1, views=1, passes=["color", "depth", "instance"])
    export(store, "hdf5", tmp_path / "out")
    with h5py.File(tmp_path / "out" / "val" / "0.hdf5") as file:
        assert not {"normals", "forward_flow", "backward_flow"} & set(file)


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "hdf5", tmp_path / "again")
    for path in exported.rglob("*.hdf5"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(exported)).read_bytes()
