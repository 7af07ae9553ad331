import json
from fractions import Fraction

import av
import numpy as np
import pytest
from exported import changed, files_of, rewritten, tiff
from stores import small_store

from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.formats.edges import edges
from gltf_render_server.errors import DatasetError
from gltf_render_server.false_colours import false_colours

NAMES = ("rgb", "depth", "segmentation", "edges")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("videos") / "store", items=5, size=(161, 121))


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("videos") / "out"
    export(store, "control-videos", out)
    return out


def read(path):
    """All frames, as a reader that knows nothing of who wrote them sees them, and the rate."""
    with av.open(str(path)) as container:
        [stream] = container.streams
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.name == "h264"
        return np.stack(frames), stream.average_rate


def told_by(folder):
    return json.loads((folder / "metadata.json").read_text())


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def test_there_is_a_frame_for_each_item(exported):
    assert {path.name for path in exported.iterdir()} == {"camera_0", "camera_1"}
    for name in NAMES:
        frames, rate = read(exported / "camera_1" / f"{name}.mp4")
        assert frames.shape == (5, 122, 162, 3)  # even, as 4:2:0 needs it
        assert rate == 10
    told = told_by(exported / "camera_1")
    assert (told["size"], told["size_of_video"]) == ([161, 121], [162, 122])
    assert [(frame["item"], frame["view"]) for frame in told["frames"]] == [(n, "camera_1") for n in range(5)]


def test_colour_is_what_was_rendered(store, exported):
    frames, _ = read(exported / "camera_0" / "rgb.mp4")
    for frame, item in zip(frames, store, strict=True):
        # 4:2:0 has a quarter of the colours
        assert psnr(frame[:121, :161], item.views[0].array("color")) > 30


def test_brightness_is_bt_709_of_limited_range(store, exported):
    with av.open(str(exported / "camera_0" / "segmentation.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            1,
        ) * 4
        planes = [frame.to_ndarray()[:121, :161] for frame in container.decode(video=0)]
    for plane, item in zip(planes, store, strict=True):
        picture = false_colours(item.views[0].array("instance"), "instance").astype(float)
        expected = 16 + 219 / 255 * (picture @ (0.2126, 0.7152, 0.0722))
        assert np.median(np.abs(plane - expected)) < 1


def test_what_makes_sizes_even_repeats_the_last_column_and_row(exported):
    frames, _ = read(exported / "camera_0" / "rgb.mp4")
    assert psnr(frames[:, :, 161], frames[:, :, 160]) > 30
    assert psnr(frames[:, 121], frames[:, 120]) > 30


def test_depth_can_be_read_back_from_its_greys(store, exported):
    frames, _ = read(exported / "camera_0" / "depth.mp4")
    told = told_by(exported / "camera_0")["depth"]
    low, high = 1 / told["farthest"], 1 / told["nearest"]
    for frame, item in zip(frames, store, strict=True):
        depth = item.views[0].array("depth")
        assert np.ptp(frame, -1).max() <= 2
        grey = frame[:121, :161, 1]
        is_within = (depth > told["nearest"]) & (depth < told["farthest"])
        inverse = low + grey / 255 * (high - low)
        missed = np.abs(inverse - 1 / depth)[is_within] / (high - low)
        assert np.percentile(missed, 95) < 3 / 255
        is_nothing = ~np.isfinite(depth)
        assert np.count_nonzero(grey[is_nothing] > 8) <= 0.1 * np.count_nonzero(is_nothing)


def test_all_videos_of_a_sequence_have_one_scale_of_depth(store, exported):
    told = [told_by(exported / name)["depth"] for name in ("camera_0", "camera_1")]
    assert told[0] == told[1]
    depths = [view.array("depth") for item in store for view in item.views]
    known = np.concatenate([depth[np.isfinite(depth)] for depth in depths])
    assert known.min() <= told[0]["nearest"] <= np.percentile(known, 1)
    assert np.percentile(known, 99) <= told[0]["farthest"] <= known.max()


def test_each_object_has_its_colour_in_all_frames(store, exported):
    frames, _ = read(exported / "camera_0" / "segmentation.mp4")
    told = told_by(exported / "camera_0")["segmentation"]
    assert [row["number"] for row in told["objects"]] == [each.number for each in store[0].record.objects]
    assert [row["category"] for row in told["objects"]] == [each.category for each in store[0].record.objects]
    colours = np.array([told["nothing"], *(row["colour"] for row in told["objects"])])
    for frame, item in zip(frames, store, strict=True):
        instance = item.views[0].array("instance")
        np.testing.assert_array_equal(colours[instance], false_colours(instance, "instance"))
        differs = np.abs(frame[:121, :161].astype(int) - colours[instance]).max(-1)
        assert np.median(differs) <= 3
        nearest = np.linalg.norm(frame[:121, :161, None].astype(int) - colours, axis=-1).argmin(-1)
        assert (nearest == instance).mean() > 0.9  # along the edges 4:2:0 mixes colours


def test_edges_are_white_on_black(store, exported):
    frames, _ = read(exported / "camera_0" / "edges.mp4")
    shares = []
    for frame, item in zip(frames, store, strict=True):
        view = item.views[0]
        expected = edges(view.array("depth"), view.array("instance"), view.array("normal"))
        shares.append(expected.mean())
        np.testing.assert_array_equal(frame[:121, :161, 1] > 127, expected)
    assert 0.01 < max(shares) < 0.2


def test_the_rate_is_that_of_the_items_times(store, tmp_path):
    def timed(record, files):
        return changed(record, time_s=7.0 + record.index * 1001 / 30000), files

    export(rewritten(store, tmp_path / "store", timed), "control-videos", tmp_path / "out")
    frames, rate = read(tmp_path / "out" / "camera_0" / "rgb.mp4")
    assert len(frames) == 5
    assert rate == Fraction(30000, 1001)
    assert told_by(tmp_path / "out" / "camera_0")["frames_a_second"] == [30000, 1001]


def test_a_single_item_is_a_video_through_its_views(tmp_path):
    export(small_store(tmp_path / "store", items=1, views=4), "control-videos", tmp_path / "out")
    frames, _ = read(tmp_path / "out" / "camera_0" / "rgb.mp4")
    assert len(frames) == 4
    assert [frame["view"] for frame in told_by(tmp_path / "out" / "camera_0")["frames"]] == [
        f"camera_{number}" for number in range(4)
    ]


def test_an_empty_scene_is_black(store, tmp_path):
    nothing = tiff(np.full((121, 161), np.inf, np.float32))

    def emptied(record, files):
        return record, {
            name: nothing if name.endswith("depth.tiff") else each for name, each in files.items()
        }

    export(rewritten(store, tmp_path / "store", emptied), "control-videos", tmp_path / "out")
    frames, _ = read(tmp_path / "out" / "camera_0" / "depth.mp4")
    assert frames.max() <= 1
    assert told_by(tmp_path / "out" / "camera_0")["depth"]["nearest"] is None


def test_pictures_of_several_sizes_are_no_video(tmp_path):
    small = small_store(tmp_path / "small", items=1)
    large = small_store(tmp_path / "large", items=2, size=(80, 60))
    item = large[1]
    files = files_of(item.folder)
    files.pop("item.json")
    small.write(item.record, files)
    with pytest.raises(DatasetError, match="several sizes, 80 x 60, 160 x 120"):
        export(small, "control-videos", tmp_path / "out")


def test_the_same_store_gives_the_same_bytes(store, exported, tmp_path):
    export(store, "control-videos", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(exported)
