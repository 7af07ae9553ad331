"""LeRobot datasets: read back by LeRobot itself, and by pyarrow and PyAV alone, which know nothing of it."""

import json
import tracemalloc
from math import cos, log, sin

import av
import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from outside_readers import read_with
from PIL import Image
from stores import small_store

from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.formats.lerobot_video import DepthScale
from gltf_render_server.dataset.store import Store
from gltf_render_server.errors import DatasetError

CAMERAS = ("camera_0", "camera_1")
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
LENS = ("focal_x", "focal_y", "center_x", "center_y")
SEQUENCES = ("first", "first", "first", "first", "second", "second", "second")
STEP_S = 0.2
NOTHING_M = 10.0  # what the depth of nothing is read as


def turned(index, speed):
    """A pose that turns about the vertical, and is larger than life."""
    angle = speed * index
    matrix = np.diag([1.3, 0.8, 1.1, 1.0])
    matrix[:3, :3] = (
        np.array([[cos(angle), 0, sin(angle)], [0, 1, 0], [-sin(angle), 0, cos(angle)]]) @ matrix[:3, :3]
    )
    matrix[:3, 3] = 0.05 * index, 0.01, -0.03 * index
    return matrix


def moving(index):
    return {"teapot": turned(index, 1.9), "lemon": turned(index, -0.6)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two sequences whose last item is of another split; two objects move; one picture is vivid."""
    store = small_store(
        tmp_path_factory.mktemp("lerobot") / "store",
        items=len(SEQUENCES),
        passes=["color", "depth"],
        poses=moving,
        times_s=lambda index: 3.0 + STEP_S * index,
        sequences=SEQUENCES.__getitem__,
    )
    vivid = np.array([[[200, 30, 40], [20, 180, 60]], [[250, 220, 10], [30, 60, 220]]], np.uint8)
    Image.fromarray(np.kron(vivid, np.ones((60, 80, 1), np.uint8))).save(store[5].views[0].path("color"))
    return store


@pytest.fixture(scope="module")
def exported(store):
    out = store.path.parent / "lerobot"
    export(store, "lerobot", out)
    return out


@pytest.fixture(scope="module")
def read(exported):
    """What LeRobot itself reads; the pictures by their features' names."""
    pictures = exported.parent / "pictures.npz"
    told = read_with("lerobot_frames", exported, pictures)
    with np.load(pictures) as arrays:
        return told | {"pictures": dict(arrays)}


def peak_noise_db(picture, reference):
    return 10 * np.log10(255**2 / np.mean((picture.astype(float) - reference) ** 2))


def check_colour(store, pictures, camera):
    """Pictures (frames, height, width, 3) uint8 are those of the store, but for what a video loses."""
    for item, picture in zip(store, pictures, strict=True):
        assert peak_noise_db(picture, item.views[camera].array("color")) > 35


def check_depth(store, pictures, camera):
    """Pictures (frames, height, width), metres, are within half a step of LeRobot's scale."""
    depths = [item.views[camera].array("depth") for item in store]
    assert np.isinf(depths).any()
    for depth, picture in zip(depths, pictures, strict=True):
        expected = np.minimum(depth, NOTHING_M)
        half_step = (expected + 3.5) * log(13.5 / 3.51) / 4095 / 2
        assert (np.abs(picture - expected) <= 1.01 * half_step).all()


@pytest.mark.readers
def test_lerobot_itself_reads_all_of_it(store, read):
    assert (read["episodes"], read["fps"]) == (3, 5)
    assert read["splits"] == {"train": "0:2", "val": "2:3"}
    assert read["tasks"] == list(SEQUENCES)
    assert read["depth_keys"] == [f"observation.images.{name}_depth" for name in CAMERAS]
    numbers = {name: np.array(values) for name, values in read["numbers"].items()}
    assert numbers["frame_index"][:, 0].tolist() == [0, 1, 2, 3, 0, 1, 0]
    assert numbers["episode_index"][:, 0].tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert numbers["timestamp"][:, 0] == pytest.approx([0, 0.2, 0.4, 0.6, 0, 0.2, 0])
    assert numbers["time_s"][:, 0] == pytest.approx([3.0 + STEP_S * index for index in range(7)])
    check_numbers(store, numbers, read["names"])
    check_windows(read["windows"])
    for number, name in enumerate(CAMERAS):
        colour, depth = (read["pictures"][f"observation.images.{name}{what}"] for what in ("", "_depth"))
        check_colour(store, np.rint(255 * np.moveaxis(colour, 1, 3)).astype(np.uint8), number)
        check_depth(store, depth[:, 0], number)


@pytest.mark.readers
def test_the_statistics_are_those_that_lerobot_computes(read):
    """LeRobot takes quantiles from 5000 bins; of colour, these are of what a video then loses a little of."""
    for key, expected in read["statistics"].items():
        kept = read["kept_statistics"][key]
        assert kept.keys() == expected.keys()
        is_lossy = key in [f"observation.images.{name}" for name in CAMERAS]
        for name in expected.keys() - ({"min", "max"} if is_lossy else set()):
            spread = np.subtract(expected["max"], expected["min"])
            tolerance = 0.02 if is_lossy else 1e-5 + 1e-3 * spread
            assert (np.abs(np.subtract(kept[name], expected[name])) <= tolerance).all(), (key, name)


def check_numbers(store, numbers, names):
    """States and cameras are those of the store; quaternions do not jump."""
    moved = ("teapot", "lemon")
    assert names["observation.state"] == [f"{name}.{part}" for name in moved for part in POSE]
    for item, state in zip(store, numbers["observation.state"].reshape(-1, 2, 7), strict=True):
        for name, pose in zip(moved, state, strict=True):
            check_pose(pose, moving(item.index)[name])
    first = numbers["observation.state"].reshape(-1, 2, 7)[:4, :, 3:]
    assert ((first[1:] * first[:-1]).sum(2) > 0).all()
    for number, name in enumerate(CAMERAS):
        assert names[f"camera.{name}"] == [*POSE, *LENS]
        for item, row in zip(store, numbers[f"camera.{name}"], strict=True):
            check_pose(row[:7], item.views[number].camera_to_world)
            lens = item.views[number].lens
            assert row[7:] == pytest.approx([getattr(lens, each) for each in LENS])


def check_pose(pose, matrix):
    """Position and quaternion, x y z w, are those of a matrix whose columns are at right angles."""
    assert pose[:3] == pytest.approx(matrix[:3, 3], abs=1e-6)
    x, y, z, w = pose[3:]
    axis = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + 2 * w * axis + 2 * axis @ axis
    assert rotation == pytest.approx(matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0), abs=1e-5)


def check_windows(windows):
    """A step back is padding in an episode's first frame."""
    shapes = {"observation.images.camera_0": [2, 3, 120, 160], "observation.state": [2, 14]}
    for window, is_first in zip(windows, [1, 0, 0, 0, 1, 0, 1], strict=True):
        assert window == {key: [shape, [bool(is_first), False]] for key, shape in shapes.items()}


def test_pyarrow_and_pyav_read_it_without_lerobot(store, exported):
    """Tables by row groups, videos by their frames' times, JSON: what the format's description says."""
    info = json.loads((exported / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 5, 7)
    frames = pq.ParquetFile(exported / "data/chunk-000/file-000.parquet")
    assert [frames.metadata.row_group(number).num_rows for number in range(3)] == [4, 2, 1]
    table = frames.read()
    numbers = {key: np.array(table[key].to_pylist()).reshape(7, -1) for key in table.column_names}
    assert numbers["index"][:, 0].tolist() == list(range(7))
    names = {key: feature["names"] for key, feature in info["features"].items()}
    check_numbers(store, numbers, names)
    episodes = pq.read_table(exported / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(each["dataset_from_index"], each["length"]) for each in episodes] == [(0, 4), (4, 2), (6, 1)]
    tasks = pq.read_table(exported / "meta/tasks.parquet").to_pydict()
    assert tasks == {"task_index": [0, 1], "task": ["first", "second"]}
    for number, name in enumerate(CAMERAS):
        key = f"observation.images.{name}"
        times, pictures = decoded(exported, key, "rgb24")
        assert times == pytest.approx([STEP_S * frame for frame in range(7)])
        starts = [round(each[f"videos/{key}/from_timestamp"] / STEP_S) for each in episodes]
        assert starts == [0, 4, 6]
        check_colour(store, pictures, number)
        codes = decoded(exported, f"{key}_depth", "gray12le")[1]
        check_depth(store, 3.51 * (13.5 / 3.51) ** (codes / 4095) - 3.5, number)


def decoded(out, key, pixels):
    """The times and pictures of a video of a feature."""
    path = out / f"videos/{key}/chunk-000/file-000.mp4"
    with av.open(path) as container:
        read = [(frame.time, frame.to_ndarray(format=pixels)) for frame in container.decode(video=0)]
    return [time for time, _ in read], np.stack([picture for _, picture in read])


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "lerobot", tmp_path / "again")
    files = [path.relative_to(exported) for path in exported.rglob("*") if path.is_file()]
    assert len(files) == 9
    for file in files:
        data = (exported / file).read_bytes()
        assert (tmp_path / "again" / file).read_bytes() == data, file
        assert b"cpuid" not in data  # an encoder's note of what the processor can do


def test_times_without_a_rate_are_kept_beside_one(store, tmp_path):
    """Of irregular moments the frames follow each other at 10 a second, and `time_s` tells the moments."""
    times_s = [0.0, 0.1, 0.5, 0.6]
    irregular = copied(
        store, tmp_path / "store", range(4), lambda record, number: {"time_s": times_s[number]}
    )
    export(irregular, "lerobot", tmp_path / "out")
    table = pq.read_table(tmp_path / "out/data/chunk-000/file-000.parquet").to_pydict()
    assert table["time_s"] == times_s
    assert table["timestamp"] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_what_is_of_no_sequence_is_an_episode_by_itself(store, tmp_path):
    alone = copied(store, tmp_path / "store", range(2), lambda record, number: {"sequence": "", "name": "it"})
    export(alone, "lerobot", tmp_path / "out")
    assert json.loads((tmp_path / "out/meta/info.json").read_text())["total_episodes"] == 2


def test_objects_of_one_name_are_told_apart(store, tmp_path):
    def all_lemons(record, number):
        return {"objects": [msgspec.structs.replace(each, name="lemon") for each in record.objects]}

    export(copied(store, tmp_path / "store", range(3), all_lemons), "lerobot", tmp_path / "out")
    names = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]["observation.state"][
        "names"
    ]
    assert len(names) == len(set(names)) == 2 * len(POSE)
    assert all(name.startswith("lemon#") for name in names)


def test_a_frame_with_other_cameras_is_refused(store, tmp_path):
    def fewer(record, number):
        return {"views": record.views[: 2 - number]}

    with pytest.raises(DatasetError, match="item 1 has other cameras"):
        export(copied(store, tmp_path / "store", range(2), fewer), "lerobot", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("index", [0, 2])
def test_a_damaged_picture_is_named(store, tmp_path, index):
    damaged = copied(store, tmp_path / "store", range(3), lambda record, number: {})
    path = damaged[index].views[1].path("color")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=f"{path}: cannot be read"):
        export(damaged, "lerobot", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_items_is_refused(store, tmp_path):
    with pytest.raises(DatasetError, match="has no items"):
        export(Store.begin(tmp_path / "store", store.manifest), "lerobot", tmp_path / "out")


def test_odd_pictures_get_a_last_row_twice_and_depth_may_be_missing(tmp_path):
    odd = small_store(tmp_path / "store", size=(161, 121), passes=["color"], views=1)
    export(odd, "lerobot", tmp_path / "out")
    features = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]
    assert features["observation.images.camera_0"]["shape"] == [122, 162, 3]
    assert not [key for key in features if "depth" in key or "state" in key]  # nothing moves here
    pictures = decoded(tmp_path / "out", "observation.images.camera_0", "rgb24")[1]
    assert pictures.shape[1:] == (122, 162, 3)
    check_colour(odd, pictures[:, :121, :161], 0)


def test_whatever_is_seen_is_nearer_than_nothing():
    """A scene beyond LeRobot's 10 m stretches its scale; the last code is kept for what is not hit."""
    for farthest in (0.0, 9.999, 10.0, 85.0):
        scale = DepthScale.up_to(farthest)
        depth = np.array([[0.0, 0.5, farthest, np.inf]], np.float32)
        near, half, far, nothing = scale.codes(depth)[0].tolist()
        assert (near, nothing) == (0, 4095)
        assert far < 4095
        assert scale.metres()[half] == pytest.approx(0.5, rel=0.01)
        assert scale.metres()[far] == pytest.approx(max(farthest, 0.01), rel=0.001)


def test_a_long_sequence_takes_no_more_memory(store, exported, tmp_path):
    """Frames are encoded as they are read: 20 more, which are 1.1 MB of colour, add little."""
    peaks = []
    for count in (8, 28):
        again = copied(store, tmp_path / f"{count}", range(count), lambda record, number: {"split": "train"})
        tracemalloc.start()
        export(again, "lerobot", tmp_path / f"{count}-out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.5e6, peaks


def copied(store, path, indices, changes):
    """A store whose items are those of another, over and over, with changed records."""
    items = list(store)
    copy = Store.begin(path, store.manifest)
    for index in indices:
        item = items[index % len(items)]
        record = msgspec.structs.replace(item.record, index=index, sequence="first", split="train")
        record = msgspec.structs.replace(record, **changes(record, index))
        copy.write(record, {file.file: (item.folder / file.file).read_bytes() for file in files_of(record)})
    return copy


def files_of(record):
    return [file for view in record.views for file in view.files.values()]
