"""The format COCO, read by pycocotools."""

import subprocess
import sys

import numpy as np
import pytest
from drawn_stores import drawn_store, point
from keypoint_scene import keypoint_document
from pycocotools.coco import COCO
from stores import small_store

from gltf_render_server.dataset.formats import export

# pycocotools 2.0.11 is older than numpy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KINDS = ("", "_polygons")

MEASURED = """
import sys, tracemalloc
from pathlib import Path
from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.store import Store
store, out = map(Path, sys.argv[1:])
export(Store(store), "coco", out.with_name("first"))  # imports what there is to import
tracemalloc.start()
export(Store(store), "coco", out)
print(tracemalloc.get_traced_memory()[1])
"""


def loaded(folder, split, kind=""):
    return COCO(folder / "annotations" / f"instances_{split}{kind}.json")


def exported(store, path):
    export(store, "coco", path)
    return path


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("coco") / "store")


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    return exported(store, tmp_path_factory.mktemp("coco") / "out")


def views_of(store, split):
    return [(item, view) for item in store if item.record.split == split for view in item.views]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_annotations_are_what_the_passes_tell(store, folder, split, kind):
    coco = loaded(folder, split, kind)
    views = views_of(store, split)
    assert len(coco.imgs) == len(views)
    for (item, view), image in zip(views, coco.loadImgs(sorted(coco.imgs)), strict=True):
        assert (image["width"], image["height"]) == (view.lens.width, view.lens.height)
        assert (image["item"], image["view"]) == (item.index, view.name)
        np.testing.assert_array_equal(
            np.reshape(image["camera"]["camera_to_world"], (4, 4)), view.camera_to_world
        )
        numbers = view.array("instance")
        categories = {each.number: each.category for each in item.record.objects}
        rows = {row.number: row for row in view.instances}
        annotations = coco.imgToAnns[image["id"]]
        expected = [n for n in np.unique(numbers).tolist() if n and categories[n] is not None]
        assert [each["instance"] for each in annotations] == expected
        for each in annotations:
            row = rows[each["instance"]]
            mask = coco.annToMask(each)
            np.testing.assert_array_equal(mask, numbers == row.number)
            assert isinstance(each["segmentation"], list if kind else dict)
            assert each["bbox"] == list(row.box)
            assert each["area"] == row.pixels == mask.sum()
            assert each["iscrowd"] == 0
            assert each["visible_fraction"] == row.visible_fraction
            assert each["truncated"] == row.truncated
            assert coco.cats[each["category_id"]]["name"] == categories[row.number]
            assert ("keypoints" in each) == bool(row.keypoints)


def test_some_objects_are_background(store):
    assert any(each.category is None for item in store for each in item.record.objects)


def test_ids_are_unique_over_the_dataset_and_names_are_sortable(store, folder):
    both = [loaded(folder, split) for split in ("train", "val")]
    for ids in ([*both[0].imgs, *both[1].imgs], [*both[0].anns, *both[1].anns]):
        assert ids == list(range(1, len(ids) + 1))
    names = [image["file_name"] for coco in both for image in coco.imgs.values()]
    assert names == sorted(set(names))
    assert {path.name for path in (folder / "images").iterdir()} == set(names)
    sources = [view.path("color") for split in ("train", "val") for _, view in views_of(store, split)]
    for name, source in zip(names, sources, strict=True):
        assert (folder / "images" / name).samefile(source)


def test_categories_are_numbered_in_the_order_of_the_store(store, folder):
    for split in ("train", "val"):
        cats = loaded(folder, split).dataset["categories"]
        assert [each["id"] for each in cats] == list(range(1, len(cats) + 1))
        assert [each["name"] for each in cats] == store.categories
        assert {each["supercategory"] for each in cats} == {"object"}


def test_the_same_store_gives_the_same_bytes_and_nothing_else(store, folder, tmp_path):
    again = files_of(exported(store, tmp_path / "out"))
    assert again == files_of(folder)
    assert {path.parts[0] for path in again} == {"images", "annotations"}
    assert sorted(path.name for path in again if path.parts[0] == "annotations") == [
        f"instances_{split}{kind}.json" for split in ("train", "val") for kind in KINDS
    ]


def test_any_masks_come_back(tmp_path):
    random = np.random.default_rng(3)
    drawings = [
        random.choice(5, (height, width), p=[0.3, 0.4, 0.1, 0.1, 0.1]).astype(np.uint16)
        for height, width in random.integers(1, 30, (30, 2))
    ]
    drawings += [np.ones((7, 5), np.uint16), np.full((7, 5), 300, np.uint16)]
    store = drawn_store(tmp_path / "store", drawings, ["a", "b", None, *["b"] * 297])
    out = exported(store, tmp_path / "out")
    for kind in KINDS:
        coco = loaded(out, "train", kind)
        for drawing, image in zip(drawings, coco.imgs, strict=True):
            annotations = coco.imgToAnns[image]
            assert [each["instance"] for each in annotations] == sorted(
                {*np.unique(drawing).tolist()} - {0, 3}
            )
            for each in annotations:
                np.testing.assert_array_equal(coco.annToMask(each), drawing == each["instance"])


def test_an_image_without_objects_is_listed(tmp_path):
    drawings = [np.zeros((4, 6), np.uint16), np.full((4, 6), 2, np.uint16), np.ones((4, 6), np.uint16)]
    out = exported(drawn_store(tmp_path / "store", drawings, ["thing", None]), tmp_path / "out")
    for kind in KINDS:
        coco = loaded(out, "train", kind)
        assert [len(coco.imgToAnns[image]) for image in coco.imgs] == [0, 0, 1]


def test_categories_that_are_known_in_advance_come_first(tmp_path):
    store = drawn_store(
        tmp_path / "store", [np.array([[1, 2]])], ["a", "z"], known=["z", "unseen"], splits=["test"]
    )
    coco = loaded(exported(store, tmp_path / "out"), "test")
    assert [(each["id"], each["name"]) for each in coco.dataset["categories"]] == [
        (1, "z"),
        (2, "unseen"),
        (3, "a"),
    ]
    assert [each["category_id"] for each in coco.anns.values()] == [3, 1]


def test_keypoints_count_from_the_first_pixels_centre(tmp_path):
    points = {
        1: [
            point("seen", (2.5, 1.25)),
            point("hidden", (0.5, 0.5), "occluded"),
            point("outside", (9.0, 1.0), "outside"),
            point("behind", None, "behind"),
        ],
        2: [point("hidden", (1.0, 1.0)), point("other", (3.0, 2.0))],
    }
    store = drawn_store(tmp_path / "store", [np.array([[1, 1, 2, 3]] * 3)], ["body", "body", "plain"], points)
    coco = loaded(exported(store, tmp_path / "out"), "train")
    body, plain = coco.dataset["categories"]
    assert body["keypoints"] == ["seen", "hidden", "outside", "behind", "other"]
    assert body["skeleton"] == []
    assert not {"keypoints", "skeleton"} & plain.keys()
    first, second, third = coco.anns.values()
    assert first["keypoints"] == [2, 0.75, 2, 0, 0, 1, *[0] * 9]
    assert first["num_keypoints"] == 2
    assert second["keypoints"] == [0, 0, 0, 0.5, 0.5, 2, *[0] * 6, 2.5, 1.5, 2]
    assert second["num_keypoints"] == 2
    assert not {"keypoints", "num_keypoints"} & third.keys()


def test_keypoints_are_those_of_the_table(tmp_path):
    store = small_store(tmp_path / "store", keypoint_document(), items=4)
    out = exported(store, tmp_path / "out")
    seen = set()
    for split in ("train", "val"):
        coco = loaded(out, split)
        for (_, view), image in zip(views_of(store, split), coco.imgs, strict=True):
            for each in coco.imgToAnns[image]:
                names = coco.cats[each["category_id"]].get("keypoints", [])
                [row] = [row for row in view.instances if row.number == each["instance"]]
                assert [found.name for found in row.keypoints] == names
                values = np.reshape(each.get("keypoints", []), (-1, 3))
                for found, (x, y, visibility) in zip(row.keypoints, values, strict=True):
                    seen.add(found.visibility)
                    assert visibility == {"visible": 2, "occluded": 1}.get(found.visibility, 0)
                    expected = np.subtract(found.position, 0.5) if visibility else (0, 0)
                    np.testing.assert_allclose((x, y), expected, atol=1e-12)
    assert {"visible", "occluded", "outside"} <= seen


def test_memory_does_not_grow_with_the_dataset(tmp_path):
    comb = np.tile([[1, 1], [1, 0]], (1, 200))
    drawings = [np.concatenate([comb, 2 * comb, 3 * comb]).astype(np.uint16)] * 100
    store = drawn_store(tmp_path / "store", drawings, ["thing"] * 3)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, store.path, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    )
    peak, out = int(done.stdout), tmp_path / "out"
    written = sum(path.stat().st_size for path in (out / "annotations").iterdir())
    assert written > 1_500_000
    assert peak < written / 3
