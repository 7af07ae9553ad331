import shutil
from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from exported import changed, files_of, rewritten
from stores import small_store

from gltf_render_server.dataset.formats import export

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("colmap") / "store", items=4, size=(64, 48))


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("colmap") / "out"
    export(store, "colmap", out)
    return out


@pytest.fixture(scope="module", params=["txt", "bin"])
def model(request, exported, tmp_path_factory):
    """What pycolmap reads of the text alone, and of the binary files alone."""
    alone = tmp_path_factory.mktemp("model")
    for path in (exported / "sparse" / "0").glob(f"*.{request.param}"):
        shutil.copy(path, alone)
    return pycolmap.Reconstruction(str(alone))


def views_by_name(store):
    return {f"{item.index:06d}_{view.name}.png": view for item in store for view in item.views}


def test_cameras_and_poses_are_those_of_the_store(store, exported, model):
    views = views_by_name(store)
    assert {image.name for image in model.images.values()} == set(views)
    assert len(model.cameras) == 1
    for image in model.images.values():
        view = views[image.name]
        lens, camera = view.lens, image.camera
        assert camera.model.name == "PINHOLE"
        assert (camera.width, camera.height) == (lens.width, lens.height)
        # COLMAP counts from the edge, too
        assert camera.params.tolist() == [lens.focal_x, lens.focal_y, lens.center_x, lens.center_y]
        to_camera = FLIP @ np.linalg.inv(view.camera_to_world)
        np.testing.assert_allclose(image.cam_from_world().matrix(), to_camera[:3], atol=1e-12)
        assert (exported / "images" / image.name).read_bytes() == view.path("color").read_bytes()


def test_each_observation_is_where_its_point_lands(model):
    errors = []
    for image in model.images.values():
        for point2d in image.points2D:
            assert point2d.has_point3D()
            landed = image.project_point(model.points3D[point2d.point3D_id].xyz)
            errors.append(np.abs(landed - point2d.xy).max())
    assert len(errors) > 20_000
    assert max(errors) < 1e-8


def test_tracks_and_observations_name_one_another(model):
    assert len(model.points3D) > 5_000
    told = set()
    for number, point in model.points3D.items():
        images = [element.image_id for element in point.track.elements]
        assert len(images) > 1
        assert len(set(images)) == len(images)
        told |= {(element.image_id, element.point2D_idx, number) for element in point.track.elements}
    observed = {
        (number, index, point2d.point3D_id)
        for number, image in model.images.items()
        for index, point2d in enumerate(image.points2D)
    }
    assert told == observed


def test_points_are_seen_where_they_are_said_to_be(store, model):
    """The depth of the pixel of each observation, or of one beside it, is that of the point."""
    views = views_by_name(store)
    far_off, count = 0, 0
    for image in model.images.values():
        depth = views[image.name].array("depth")
        around = np.pad(depth, 1, "edge")
        shifted = [
            around[dy : dy + depth.shape[0], dx : dx + depth.shape[1]] for dy in range(3) for dx in range(3)
        ]
        nearest, farthest = np.min(shifted, 0), np.max(shifted, 0)
        xy = np.array([point2d.xy for point2d in image.points2D])
        xyz = np.array([model.points3D[point2d.point3D_id].xyz for point2d in image.points2D])
        z = (image.cam_from_world() * xyz)[:, 2]
        column, row = np.floor(xy).astype(int).clip(0, np.array(depth.shape)[::-1] - 1).T
        is_between = (z > 0.999 * nearest[row, column]) & (z < 1.001 * farthest[row, column])
        far_off += np.count_nonzero(~is_between)
        count += len(z)
    assert far_off <= 1e-4 * count


def test_points_have_the_colour_of_their_pixel(store, model):
    views, right = views_by_name(store), set()
    assert sorted(model.images) == list(range(1, 9))
    for image in model.images.values():
        picture = views[image.name].array("color")
        for point2d in image.points2D:
            x, y = point2d.xy
            # a point comes from the centre of a pixel of one of the images that see it
            is_center = abs(x % 1 - 0.5) < 1e-9 and abs(y % 1 - 0.5) < 1e-9
            if is_center and (picture[int(y), int(x), :3] == model.points3D[point2d.point3D_id].color).all():
                right.add(point2d.point3D_id)
    assert right == set(model.points3D)


def test_lenses_that_differ_are_cameras_of_their_own(store, tmp_path):
    def zoomed(record, files):
        first, second = record.views
        longer = replace(first.lens, focal_x=200.0)
        return changed(record, views=[changed(first, lens=longer), second]), files

    export(rewritten(store, tmp_path / "store", zoomed), "colmap", tmp_path / "out")
    model = pycolmap.Reconstruction(str(tmp_path / "out" / "sparse" / "0"))
    assert sorted(camera.focal_length_x for camera in model.cameras.values()) == [
        store[0].views[1].lens.focal_x,
        200.0,
    ]
    by_name = {image.name: image.camera.focal_length_x for image in model.images.values()}
    assert by_name["000002_camera_0.png"] == 200.0


def test_several_sequences_are_several_models(store, tmp_path):
    def named(record, files):
        return changed(record, sequence="ab"[record.index // 2]), files

    export(rewritten(store, tmp_path / "store", named), "colmap", tmp_path / "out")
    models = {
        path.name: pycolmap.Reconstruction(str(path / "sparse" / "0"))
        for path in (tmp_path / "out").iterdir()
    }
    assert sorted(models) == ["000000-a", "000002-b"]
    for model in models.values():
        assert len(model.images) == 4
        assert model.points3D


def test_one_view_alone_has_no_points(tmp_path):
    store = small_store(tmp_path / "store", items=1, views=1)
    export(store, "colmap", tmp_path / "out")
    model = pycolmap.Reconstruction(str(tmp_path / "out" / "sparse" / "0"))
    assert len(model.images) == 1
    assert not model.points3D


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "colmap", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(exported)
