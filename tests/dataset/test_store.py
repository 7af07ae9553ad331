import os
from pathlib import Path

import numpy as np
import pytest
from stores import small_store

from gltf_render_server.dataset.making import write_format
from gltf_render_server.dataset.store import Store, asset_folders, digest_of


def test_a_store_tells_what_was_rendered(tmp_path):
    small_store(tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.indices() == [0, 1, 2]
    for item in store:
        assert [view.name for view in item.views] == ["camera_0", "camera_1"]
        for view in item.views:
            depth, numbers = view.array("depth"), view.array("instance")
            assert depth.dtype == np.float32
            assert depth.shape == numbers.shape == (120, 160)
            assert {row.number for row in view.instances if row.pixels} == set(np.unique(numbers)) - {0}
            assert view.array("mask_amodal").shape[0] == len(item.record.objects)
            for record in view.record.files.values():
                assert digest_of((item.folder / record.file).read_bytes()) == record.blake3
    assert [item.record.split for item in store] == ["train", "train", "val"]


def test_what_a_killed_export_has_left_goes_when_formats_are_written(tmp_path):
    store = small_store(tmp_path / "store", items=1, views=1)
    left = tmp_path / "store" / "formats" / ".unfinished-0123"
    left.mkdir(parents=True)
    (left / "half.json").write_text("{")
    folder = write_format(store, "coco")
    assert (folder / "annotations").is_dir()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["coco"]
    assert write_format(store, "coco") == folder, "it is there"


@pytest.mark.parametrize(
    "name", [b"cups", "Tassen\u2615".encode(), b"caf\xe9"], ids=["ascii", "utf8", "latin"]
)
def test_the_hint_names_any_folder_that_the_system_has(tmp_path, name):
    store = small_store(tmp_path / "store", items=1, views=1)
    folder = Path(os.fsdecode(bytes(tmp_path / "assets of ") + name))
    store.note_asset_folder(folder)
    assert asset_folders(store.path)[0] == folder
