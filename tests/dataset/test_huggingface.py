import json
import os
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from exported import changed, files_of, rewritten
from stores import small_store

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}  # before it is imported
import datasets

from gltf_render_server.dataset.formats import export, huggingface
from gltf_render_server.errors import DatasetError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("huggingface") / "store")


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("huggingface") / "out"
    export(store, "huggingface", out)
    return out


@pytest.fixture(scope="module")
def loaded(exported, tmp_path_factory):
    return load(exported, tmp_path_factory.mktemp("cache"))


def load(folder, cache):
    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


def test_splits_are_those_of_the_store(loaded):
    assert {name: len(split) for name, split in loaded.items()} == {"train": 4, "val": 2}


def test_pictures_are_decoded_to_what_was_rendered(store, loaded):
    rows = [*loaded["train"], *loaded["val"]]
    views = [(item, view) for item in store for view in item.views]
    for row, (item, view) in zip(rows, views, strict=True):
        assert (row["item"], row["view"]) == (item.index, view.name)
        np.testing.assert_array_equal(np.array(row["image"]), view.array("color"))
        depth = np.array(row["depth"])
        assert row["depth"].mode == "F"
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, view.array("depth"))
        for name in ("instance", "label"):
            np.testing.assert_array_equal(np.array(row[name]), view.array(name))


def test_objects_are_those_that_are_seen(store, loaded):
    feature = loaded["train"].features["objects"]
    names = feature["category"].feature.names
    assert names == store.categories
    view, row = store[0].views[0], loaded["train"][0]
    numbers, objects = np.array(row["instance"]), row["objects"]
    known = {each.number: each.category for each in store[0].record.objects if each.category}
    assert objects["id"] == [number for number in np.unique(numbers).tolist() if number in known]
    assert [names[category] for category in objects["category"]] == [
        known[number] for number in objects["id"]
    ]
    assert len(objects["id"]) > 5
    for place, number in enumerate(objects["id"]):
        rows, columns = np.nonzero(numbers == number)
        x, y, width, height = objects["bbox"][place]
        assert (x, y) == (columns.min(), rows.min())
        assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert objects["area"][place] == len(rows)
        assert np.array(objects["object_to_camera"][place]).ravel().tolist() == (
            view.instances[number - 1].object_to_camera
        )


def test_cameras_are_those_of_the_store(store, loaded):
    for row, view in zip(loaded["train"], [*store[0].views, *store[1].views], strict=True):
        lens = view.lens
        assert row["intrinsics"] == [
            [lens.focal_x, 0, lens.center_x],
            [0, lens.focal_y, lens.center_y],
            [0, 0, 1],
        ]
        np.testing.assert_array_equal(row["camera_to_world"], view.camera_to_world)
        assert (row["width"], row["height"]) == (lens.width, lens.height)
    assert loaded["train"]["image_id"][:] + loaded["val"]["image_id"][:] == list(range(6))


def test_the_schema_names_features_that_old_versions_know(exported):
    schema = pq.read_schema(exported / "data" / "train-00000-of-00001.parquet")
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    kinds = Counter(word.split('"')[0] for word in json.dumps(told).split('"_type": "')[1:])
    assert set(kinds) == {"Image", "Value", "Sequence", "ClassLabel"}
    assert kinds["Image"] == 4


def test_shards_and_row_groups_are_bounded(store, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "_LARGEST_SHARD", 400_000)
    monkeypatch.setattr(huggingface, "_LARGEST_ROW_GROUP", 100_000)
    export(store, "huggingface", tmp_path / "out")
    shards = sorted((tmp_path / "out" / "data").glob("train-*"))
    assert [path.name for path in shards] == [
        f"train-{number:05d}-of-{len(shards):05d}.parquet" for number in range(len(shards))
    ]
    assert len(shards) > 1
    for path in shards:
        assert path.stat().st_size < 400_000
        for group in range((file := pq.ParquetFile(path)).num_row_groups):
            assert file.metadata.row_group(group).num_rows == 1
    rows = load(tmp_path / "out", tmp_path / "cache")
    assert rows["train"]["image_id"][:] == [0, 1, 2, 3]


def test_memory_does_not_grow_with_the_dataset(store, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "_LARGEST_ROW_GROUP", 100_000)

    def peak_of(some, out):
        tracemalloc.start()
        try:
            export(some, "huggingface", out)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    larger = rewritten(store, tmp_path / "larger", lambda record, files: (record, files))
    for index in range(3, 40):
        item = store[index % 3]
        files = files_of(item.folder)
        files.pop("item.json")
        larger.write(changed(item.record, index=index), files)
    peak_of(store, tmp_path / "warm")
    assert peak_of(larger, tmp_path / "out-larger") < peak_of(store, tmp_path / "out") + 500_000


def test_a_split_that_hugging_face_cannot_name_is_told(store, tmp_path):
    odd = rewritten(
        store, tmp_path / "store", lambda record, files: (changed(record, split="hard-ones"), files)
    )
    with pytest.raises(DatasetError, match="does not allow the split name 'hard-ones'"):
        export(odd, "huggingface", tmp_path / "out")


def test_colour_alone_is_enough(tmp_path):
    store = small_store(tmp_path / "store", passes=["color"])
    export(store, "huggingface", tmp_path / "out")
    rows = load(tmp_path / "out", tmp_path / "cache")["train"]
    assert "objects" not in rows.features
    np.testing.assert_array_equal(np.array(rows[1]["image"]), store[0].views[1].array("color"))


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "huggingface", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(exported)
