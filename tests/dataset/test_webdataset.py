"""WebDataset shards, read by the package webdataset."""

import io
import json
import tarfile

import pytest
from stores import PASSES_OF_VTK, small_store
from webdataset import WebDataset

from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.formats.shards import Shards
from gltf_render_server.dataset.store import Store
from gltf_render_server.decode import decode

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset closes none


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("webdataset") / "store")


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("webdataset") / "out"
    export(store, "webdataset", out)
    return out


def samples_of(path):
    return list(WebDataset(str(path), shardshuffle=False, empty_check=False))


def test_every_view_is_a_sample_of_its_split(store, exported):
    assert sorted(path.name for path in exported.iterdir()) == [
        *("train-000000.tar", "train.json", "val-000000.tar", "val.json")
    ]
    keys = [sample["__key__"] for sample in samples_of(exported / "train-000000.tar")]
    assert keys == ["000000_00", "000000_01", "000001_00", "000001_01"]
    assert [sample["__key__"] for sample in samples_of(exported / "val-000000.tar")] == [
        *("000002_00", "000002_01")
    ]


def test_members_are_the_files_of_the_store(store, exported):
    samples = samples_of(exported / "train-000000.tar") + samples_of(exported / "val-000000.tar")
    views = [(item, view) for item in store for view in item.views]
    assert len(samples) == len(views)
    for sample, (item, view) in zip(samples, views, strict=True):
        told = json.loads(sample["json"])
        assert set(told["passes"]) == set(PASSES_OF_VTK) - {"instances"}
        for name, about in told["passes"].items():
            assert sample[about["member"]] == view.path(name).read_bytes()
            array = decode(sample[about["member"]], about["dtype"], about["count"])
            assert array.tobytes() == view.array(name).tobytes()
        assert told["camera_to_world"] == view.record.camera_to_world
        assert told["lens"]["focal_x"] == view.lens.focal_x
        assert (told["item"], told["view"], told["split"]) == (item.index, view.name, item.record.split)
        assert [each["category"] for each in told["objects"]] == [
            each.category for each in item.record.objects
        ]
        assert told["instances"] == json.loads(view.path("instances").read_bytes())
        assert told["moments"]["after"]["camera_to_world"] == item.record.moments["after"].cameras[view.name]


def test_webdataset_decodes_pictures(store, exported):
    pipeline = WebDataset(str(exported / "train-000000.tar"), shardshuffle=False).decode("rgb8")
    first = next(iter(pipeline))
    assert (first["color.png"] == store[0].views[0].array("color")).all()
    listed = json.loads((exported / "train.json").read_text())
    assert listed["shardlist"] == [{"url": "train-000000.tar", "nsamples": 4}]


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "webdataset", tmp_path / "again")
    for path in exported.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    with tarfile.open(exported / "train-000000.tar") as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {
            (0, 0, "", 0o644)
        }


def test_a_store_without_a_table_has_samples_without_one(tmp_path):
    small_store(tmp_path / "store", items=1, views=1, passes=["color"])
    export(Store(tmp_path / "store"), "webdataset", tmp_path / "out")
    [sample] = samples_of(tmp_path / "out" / "val-000000.tar")
    assert json.loads(sample["json"])["instances"] is None


def test_shards_are_bound_by_count_and_by_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 5000)
    with Shards(tmp_path, "few", most_samples=2) as shards:
        assert [shards.add(f"{n}", {"bin": b"y", "file": tmp_path / "file"}) for n in range(5)] == [
            *(0, 0, 1, 1, 2)
        ]
        assert shards.samples == [2, 2, 1]
    with Shards(tmp_path, "small", most_bytes=12_000) as shards:
        sizes = [100, 7000, 5000, 20_000, 100]
        assert [shards.add(f"{n}", {"bin": b"z" * size}) for n, size in enumerate(sizes)] == [0, 0, 1, 2, 3]
    small = sorted(tmp_path.glob("small-*.tar"))
    assert [path.name for path in small] == [f"small-{n:06d}.tar" for n in range(4)]
    assert small[0].stat().st_size <= 12_000 + tarfile.RECORDSIZE
    with tarfile.open(tmp_path / "few-000001.tar") as tar:
        assert tar.getnames() == ["2.bin", "2.file", "3.bin", "3.file"]
        assert io.BytesIO(tar.extractfile("2.file").read()).getvalue() == b"x" * 5000
