import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from exported import changed, files_of, read_ply, rewritten, tiff
from outside_readers import read_with
from PIL import Image
from stores import small_store

from gltf_render_server.dataset.formats import export


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("nerfstudio") / "store", items=4)


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("nerfstudio") / "out"
    export(store, "nerfstudio", out)
    return out


def told_by(folder):
    return json.loads((folder / "transforms.json").read_text())


def cameras_of(folder):
    """Each frame's file, intrinsics, camera to world and depth in metres, by what the file says alone."""
    told = told_by(folder)
    for frame in told["frames"]:
        lens = {name: told.get(name, frame.get(name)) for name in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
        depth = None
        if "depth_file_path" in frame:
            pixels = np.array(Image.open(folder / frame["depth_file_path"]))
            assert pixels.dtype == np.uint16
            depth = pixels * told["depth_unit_scale_factor"]
            assert depth.shape == (lens["h"], lens["w"])
        yield frame["file_path"], lens, np.array(frame["transform_matrix"]), depth


def points_of(lens, pose, depth):
    """The points that the centres of pixels show, as nerfstudio makes rays: + 0.5, y up, along -z."""
    rows, columns = np.nonzero(depth)
    z = depth[rows, columns]
    x = (columns + 0.5 - lens["cx"]) / lens["fl_x"] * z
    y = -(rows + 0.5 - lens["cy"]) / lens["fl_y"] * z
    return np.stack([x, y, -z], -1) @ pose[:3, :3].T + pose[:3, 3]


def found_in(lens, pose, depth, points):
    """How far each point is behind what the frame shows there, in metres; NaN where it shows nothing."""
    x, y, z = ((points - pose[:3, 3]) @ pose[:3, :3]).T
    u = lens["fl_x"] * x / -z + lens["cx"]
    v = lens["cy"] - lens["fl_y"] * y / -z
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    is_inside = (z < 0) & (column >= 0) & (column < lens["w"]) & (row >= 0) & (row < lens["h"])
    # between the centres of pixels the inverse of the depth is linear where a surface is flat
    inverse = 1 / np.where(depth > 0, depth, np.nan)
    down, right = np.gradient(inverse)
    row, column = row[is_inside], column[is_inside]
    shown = inverse[row, column]
    shown = shown + right[row, column] * (u[is_inside] - column - 0.5)
    shown = shown + down[row, column] * (v[is_inside] - row - 0.5)
    behind = np.full(len(points), np.nan)
    behind[is_inside] = -z[is_inside] - 1 / shown
    return behind


def test_the_views_of_the_file_see_the_same_surfaces(exported):
    frames = [rest for _, *rest in cameras_of(exported)]
    medians = []
    for one, other in permutations(frames[:4], 2):
        behind = found_in(*other, points_of(*one))
        is_seen = np.abs(behind) < 0.05  # the others are hidden, or beyond the other's image
        assert is_seen.sum() > 1000
        medians.append(np.median(np.abs(behind[is_seen])))
    assert max(medians) < 1e-3


def test_the_world_has_z_up(store, exported):
    heights = {view.camera_to_world[1, 3] for item in store for view in item.views}
    cameras = list(cameras_of(exported))
    assert {pose[2, 3] for _, _, pose, _ in cameras} == heights
    for _, _, pose, _ in cameras:
        assert pose[2, 1] > 0.5  # the camera's up points upwards
        assert np.linalg.det(pose) == pytest.approx(1)


def test_a_world_with_z_up_stays_as_it_is(store, tmp_path):
    upright = rewritten(store, tmp_path / "store", lambda record, files: (record, files))
    upright.manifest = changed(store.manifest, up_axis="z")
    export(upright, "nerfstudio", tmp_path / "out")
    poses = [pose for _, _, pose, _ in cameras_of(tmp_path / "out")]
    stored = [view.camera_to_world for item in store for view in item.views]
    np.testing.assert_array_equal(poses, stored)


def test_the_head_says_what_the_reader_would_guess_otherwise(store, exported):
    told = told_by(exported)
    lens = store[0].views[0].lens
    assert told["camera_model"] == "OPENCV"
    assert {told[name] for name in ("k1", "k2", "p1", "p2")} == {0}
    assert told["applied_transform"] == np.eye(4)[:3].tolist()
    assert (told["cx"], told["cy"]) == (lens.center_x, lens.center_y)  # from the edge, on both sides
    assert (told["w"], told["h"]) == (lens.width, lens.height)
    for frame in told["frames"]:
        with Image.open(exported / frame["file_path"]) as image:
            assert image.size == (lens.width, lens.height)


def test_points_lie_on_what_is_seen_and_have_its_colour(store, exported):
    positions, colours = read_ply(exported / "points.ply")
    assert 10_000 < len(positions) <= 100_000
    best, colour_differs = np.full(len(positions), np.inf), np.full(len(positions), 255)
    for (_, lens, pose, depth), view in zip(
        cameras_of(exported), (view for item in store for view in item.views), strict=True
    ):
        behind = np.abs(found_in(lens, pose, depth, positions))
        x, y, z = ((positions - pose[:3, 3]) @ pose[:3, :3]).T
        column = np.clip(np.floor(lens["cx"] - lens["fl_x"] * x / z), 0, lens["w"] - 1).astype(int)
        row = np.clip(np.floor(lens["cy"] + lens["fl_y"] * y / z), 0, lens["h"] - 1).astype(int)
        shown = view.array("color")[row, column, :3].astype(int)
        is_near = behind < 2e-3
        best = np.fmin(best, behind)
        differs = np.abs(shown - colours).max(-1)
        colour_differs = np.where(is_near, np.minimum(colour_differs, differs), colour_differs)
    assert np.mean(best < 1e-3) > 0.99
    assert np.mean(colour_differs == 0) > 0.95


def test_depth_that_16_bits_do_not_hold_is_left_out(store, tmp_path):
    depth = np.full((120, 160), np.inf, np.float32)
    depth[:, :40], depth[:, 40:80], depth[:, 80:120] = 1.2346, 65.535, 65.536

    def far(record, files):
        return record, {
            name: tiff(depth) if name.endswith("depth.tiff") else data for name, data in files.items()
        }

    export(rewritten(store, tmp_path / "store", far), "nerfstudio", tmp_path / "out")
    pixels = np.array(Image.open(tmp_path / "out" / "depth" / "000000_camera_0.png"))
    assert [pixels[0, column] for column in (0, 40, 80, 120)] == [1235, 65535, 0, 0]


def test_the_lists_of_files_follow_the_splits(store, exported, tmp_path):
    told = told_by(exported)
    assert told["train_filenames"] == [
        f"images/{index:06d}_camera_{number}.png" for index in range(3) for number in range(2)
    ]
    # nerfstudio asks for all three, once there is one
    assert told["val_filenames"] == told["test_filenames"]
    assert told["val_filenames"] == ["images/000003_camera_0.png", "images/000003_camera_1.png"]

    all_train = rewritten(
        store, tmp_path / "store", lambda record, files: (changed(record, split="train"), files)
    )
    export(all_train, "nerfstudio", tmp_path / "out")
    assert not [name for name in told_by(tmp_path / "out") if name.endswith("_filenames")]


def test_several_sequences_have_a_folder_each(store, tmp_path):
    names = ["a/../b c.glb", "a/../b c.glb", "", ""]

    def named(record, files):
        return changed(record, sequence=names[record.index], name="CON"), files

    export(rewritten(store, tmp_path / "store", named), "nerfstudio", tmp_path / "out")
    found = {path.parent.name: told_by(path.parent) for path in (tmp_path / "out").glob("*/transforms.json")}
    assert {name: len(told["frames"]) for name, told in found.items()} == {
        "000000-a_b_c_glb": 4,
        "000002-CON": 2,
        "000003-CON": 2,
    }


def test_lenses_that_differ_are_told_by_frame(store, tmp_path):
    def zoomed(record, files):
        first, second = record.views
        longer = replace(first.lens, focal_x=200.0, focal_y=201.0)
        return changed(record, views=[changed(first, lens=longer), second]), files

    export(rewritten(store, tmp_path / "store", zoomed), "nerfstudio", tmp_path / "out")
    told = told_by(tmp_path / "out")
    assert not {"fl_x", "fl_y", "cx", "cy", "w", "h"} & told.keys()
    assert [frame["fl_y"] for frame in told["frames"][:2]] == [201.0, store[0].views[1].lens.focal_y]


def test_a_dataset_without_depth_has_pictures_and_poses(tmp_path):
    store = small_store(tmp_path / "store", passes=["color"])
    export(store, "nerfstudio", tmp_path / "out")
    told = told_by(tmp_path / "out")
    assert len(told["frames"]) == 6
    assert "ply_file_path" not in told
    assert "depth_file_path" not in told["frames"][0]


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "nerfstudio", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(exported)


@pytest.mark.readers
def test_nerfstudio_reads_it(store, exported):
    read = read_with("read_nerfstudio", exported)
    items = {"train": [store[0], store[1], store[2]], "val": [store[3]], "test": [store[3]]}
    for split, told in read.items():
        views = [view for item in items[split] for view in item.views]
        lenses = [view.lens for view in views]
        assert len(told["files"]) == len(views)
        assert told["lenses"] == pytest.approx(
            np.float32(
                [
                    (each.focal_x, each.focal_y, each.center_x, each.center_y, each.width, each.height)
                    for each in lenses
                ]
            )
        )
        # without turning and scaling of its own, nerfstudio has the poses of the file
        for pose, view in zip(np.array(told["poses"]), views, strict=True):
            x, y, z = view.camera_to_world[:3]
            np.testing.assert_allclose(pose, [x, -z, y], atol=1e-6)
        for depth, view in zip(told["depths"], views, strict=True):
            stored = view.array("depth").reshape(-1)[depth["pixels"]]
            shown = np.where(np.isfinite(stored), stored, 0)
            np.testing.assert_allclose(depth["values"], shown, atol=0.00051)
