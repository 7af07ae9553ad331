"""The YOLO formats.

They are read by this file: it splits the labels' lines, has the polygons drawn by pycocotools, and data.yaml
parsed by PyYAML. Where there is an environment for it, Ultralytics reads them as well.
"""

import hashlib

import numpy as np
import pytest
import yaml
from drawn_stores import drawn_store, point
from hypothesis import given
from hypothesis import strategies as st
from keypoint_scene import keypoint_document
from outside_readers import read_with
from pycocotools import mask as coco_mask
from stores import small_store

from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.formats.yolo.layout import write_description
from gltf_render_server.errors import DatasetError

# pycocotools 2.0.11 is older than numpy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("yolo") / "store", keypoint_document(), items=4)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("yolo") / "store")


def exported(store, task, path):
    export(store, f"yolo-{task}", path)
    return path


def described(folder):
    return yaml.safe_load((folder / "data.yaml").read_text("utf-8"))


def name_of(item, view):
    return f"{item.index:06d}_{view.name}"


def views_of(store):
    return [(item, view) for item in store for view in item.views]


def seen(item, view):
    """The rows of what is annotated, with their categories."""
    categories = {each.number: each.category for each in item.record.objects}
    return [(row, categories[row.number]) for row in view.instances if row.pixels and categories[row.number]]


def lines_of(folder, item, view):
    text = (folder / "labels" / item.record.split / f"{name_of(item, view)}.txt").read_text("ascii")
    return [[float(word) for word in line.split()] for line in text.splitlines()]


def assert_box(values, row, lens):
    x, y, width, height = np.multiply(values, [lens.width, lens.height] * 2)
    np.testing.assert_allclose((x - width / 2, y - height / 2, width, height), row.box, atol=1e-5)


def drawn(values, lens):
    corners = np.reshape(values, (-1, 2)) * (lens.width, lens.height)
    np.testing.assert_allclose(corners, np.rint(corners), atol=1e-5)
    [found] = coco_mask.frPyObjects([corners.ravel().tolist()], lens.height, lens.width)
    return coco_mask.decode(found)


@pytest.mark.parametrize("task", ["detect", "segment", "pose", "depth"])
def test_every_image_is_linked_and_has_its_label(store, tmp_path, task):
    folder = exported(store, task, tmp_path / "out")
    labels, suffix = ("depth", "npy") if task == "depth" else ("labels", "txt")
    expected = {folder / "data.yaml"}
    for item, view in views_of(store):
        split, name = item.record.split, name_of(item, view)
        image = folder / "images" / split / f"{name}.png"
        assert image.samefile(view.path("color"))
        expected |= {image, folder / labels / split / f"{name}.{suffix}"}
    assert {path for path in folder.rglob("*") if path.is_file()} == expected
    description = described(folder)
    assert (description["train"], description["val"]) == ("images/train", "images/val")
    assert "path" not in description
    again = exported(store, task, tmp_path / "again")
    for path in expected:
        assert (again / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_detect_has_the_boxes_of_the_table(crowded, tmp_path):
    folder = exported(crowded, "detect", tmp_path / "out")
    names = described(folder)["names"]
    assert names == dict(enumerate(crowded.categories))
    for item, view in views_of(crowded):
        lines = lines_of(folder, item, view)
        for (number, *box), (row, category) in zip(lines, seen(item, view), strict=True):
            assert names[number] == category
            assert_box(box, row, view.lens)


def test_segment_has_the_masks_of_the_instances(crowded, tmp_path):
    folder = exported(crowded, "segment", tmp_path / "out")
    names = described(folder)["names"]
    for item, view in views_of(crowded):
        numbers = view.array("instance")
        lines = lines_of(folder, item, view)
        for (number, *corners), (row, category) in zip(lines, seen(item, view), strict=True):
            assert names[number] == category
            np.testing.assert_array_equal(drawn(corners, view.lens), numbers == row.number)


def test_segment_has_any_mask(tmp_path):
    random = np.random.default_rng(3)
    drawings = [random.integers(0, 4, shape).astype(np.uint16) for shape in random.integers(1, 30, (20, 2))]
    store = drawn_store(tmp_path / "store", drawings, ["a", "b", None])
    folder = exported(store, "segment", tmp_path / "out")
    for item, view in views_of(store):
        for (_, *corners), (row, _) in zip(lines_of(folder, item, view), seen(item, view), strict=True):
            mask = drawings[item.index] == row.number
            np.testing.assert_array_equal(drawn(corners, view.lens), mask)


def test_pose_has_the_keypoints_of_the_table(store, tmp_path):
    folder = exported(store, "pose", tmp_path / "out")
    description = described(folder)
    assert description["kpt_shape"] == [3, 3]
    told = {description["names"][number]: names for number, names in description["kpt_names"].items()}
    assert told == {"crate": ["front", "right", "far"], "post": ["tip"]}
    kinds = set()
    for item, view in views_of(store):
        lens, lines = view.lens, lines_of(folder, item, view)
        for (number, *values), (row, category) in zip(lines, seen(item, view), strict=True):
            assert description["names"][number] == category
            assert_box(values[:4], row, lens)
            points = np.reshape(values[4:], (3, 3))
            assert [found.name for found in row.keypoints] == told[category]
            for found, (x, y, visibility) in zip(row.keypoints, points, strict=False):
                kinds.add(found.visibility)
                assert visibility == {"visible": 2, "occluded": 1}.get(found.visibility, 0)
                expected = np.divide(found.position, (lens.width, lens.height)) if visibility else (0, 0)
                np.testing.assert_allclose((x, y), expected, atol=1e-8)
            assert not points[len(row.keypoints) :].any()
    assert {"visible", "occluded", "outside"} <= kinds


def test_pose_pads_categories_that_have_fewer_keypoints(tmp_path):
    points = {1: [point("tip", (1.0, 1.5)), point("gone", None, "behind")], 2: [point("end", (3.0, 1.5))]}
    store = drawn_store(tmp_path / "store", [np.array([[1, 2, 3, 0]] * 3)], ["a", "b", "c"], points)
    folder = exported(store, "pose", tmp_path / "out")
    assert described(folder)["kpt_names"] == {0: ["tip", "gone"], 1: ["end"], 2: []}
    [(item, view)] = views_of(store)
    assert [line[5:] for line in lines_of(folder, item, view)] == [
        [0.25, 0.5, 2, 0, 0, 0],
        [0.75, 0.5, 2, 0, 0, 0],
        [0] * 6,
    ]


def test_depth_is_planar_and_0_where_nothing_is(store, tmp_path):
    folder = exported(store, "depth", tmp_path / "out")
    holes = 0
    for item, view in views_of(store):
        found = np.load(
            folder / "depth" / item.record.split / f"{name_of(item, view)}.npy", allow_pickle=False
        )
        depth = view.array("depth")
        assert found.dtype == np.float32
        holes += np.isinf(depth).sum()
        np.testing.assert_array_equal(found, np.where(np.isinf(depth), 0, depth))
    assert holes


def test_an_image_without_objects_has_an_empty_label(tmp_path):
    drawings = [np.zeros((4, 6), np.uint16), np.full((4, 6), 2, np.uint16), np.ones((4, 6), np.uint16)]
    store = drawn_store(tmp_path / "store", drawings, ["thing", None])
    for task in ("detect", "segment"):
        folder = exported(store, task, tmp_path / task)
        assert [len(lines_of(folder, item, view)) for item, view in views_of(store)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("splits", "train", "val"),
    [
        (["train"], "train", "train"),
        (["val"], "val", "val"),
        (["validation", "train"], "train", "validation"),
        (["test", "train"], "train", "train"),
    ],
)
def test_both_splits_that_readers_need_are_named(tmp_path, splits, train, val):
    store = drawn_store(tmp_path / "store", [np.ones((3, 3), np.uint16)] * 2, ["thing"], splits=splits)
    description = described(exported(store, "detect", tmp_path / "out"))
    assert (description["train"], description["val"]) == (f"images/{train}", f"images/{val}")
    assert all(description[split] == f"images/{split}" for split in splits)


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_any_name_of_a_category_comes_back(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    write_description(folder, {"train"}, names)
    assert described(folder)["names"] == dict(enumerate(names))


def test_what_a_task_cannot_do_without(tmp_path):
    background = drawn_store(tmp_path / "background", [np.ones((3, 3), np.uint16)], [None])
    plain = drawn_store(tmp_path / "plain", [np.ones((3, 3), np.uint16)], ["thing"])
    for task in ("detect", "segment", "pose"):
        with pytest.raises(
            DatasetError, match=f"yolo-{task} needs a category, but every object in the dataset is background"
        ):
            export(background, f"yolo-{task}", tmp_path / "out")
    with pytest.raises(DatasetError, match="yolo-pose needs keypoints, but no object in the dataset has any"):
        export(plain, "yolo-pose", tmp_path / "out")
    with pytest.raises(DatasetError, match="yolo-depth needs the passes depth"):
        export(plain, "yolo-depth", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["background", "plain"]


@pytest.mark.readers
@pytest.mark.parametrize("task", ["detect", "segment", "pose", "depth"])
def test_ultralytics_reads_what_the_passes_tell(store, crowded, tmp_path, task):
    source = crowded if task in ("detect", "segment") else store
    folder = exported(source, task, tmp_path / "out")
    found = read_with("read_yolo", folder / "data.yaml", task)
    names = {int(number): name for number, name in found["names"].items()}
    assert list(names.values()) == (["depth"] if task == "depth" else source.categories)
    assert sum(len(found[split]) for split in ("train", "val")) == len(views_of(source))
    for item, view in views_of(source):
        lens, image = view.lens, found[item.record.split][f"{name_of(item, view)}.png"]
        assert image["shape"] == [lens.height, lens.width]
        if task == "depth":
            depth = view.array("depth")
            known = np.where(np.isinf(depth), np.float32(0), depth)
            digest = hashlib.sha256(known.tobytes()).hexdigest()
            assert image["depth"] == ["float32", [lens.height, lens.width], digest]
            continue
        rows = seen(item, view)
        assert [names[number] for [number] in image["classes"]] == [category for _, category in rows]
        for index, (row, _) in enumerate(rows):
            x, y, width, height = np.multiply(image["boxes"][index], [lens.width, lens.height] * 2)
            np.testing.assert_allclose((x - width / 2, y - height / 2, width, height), row.box, atol=1e-4)
            if task == "segment":
                corners = np.rint(np.multiply(image["segments"][index], (lens.width, lens.height)))
                mask = drawn(corners / (lens.width, lens.height), lens)
                np.testing.assert_array_equal(mask, view.array("instance") == row.number)
            if task == "pose":
                points = np.array(image["keypoints"][index])
                assert points.shape == (3, 3)
                for point, told in zip(points, row.keypoints, strict=False):
                    assert point[2] == {"visible": 2, "occluded": 1}.get(told.visibility, 0)
                    if point[2]:
                        position = point[:2] * (lens.width, lens.height)
                        np.testing.assert_allclose(position, told.position, atol=1e-4)
