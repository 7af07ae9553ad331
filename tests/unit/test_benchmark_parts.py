"""The scenes that the benchmark plays, how they move, and the numbers that it tells."""

import itertools
import json
import math

import numpy as np
import pytest
from frames import pose_of

from benchmarking import scenes
from benchmarking.costs import Costs
from benchmarking.exchange import Sample
from benchmarking.measures import Measure, Run, Settings, plans
from benchmarking.memory import Reading
from benchmarking.sequences import Alternating, Changing, Moving, with_size
from benchmarking.summary import frame_times, growth, ratio, stages, timing
from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import ImageType
from reporting import ScriptError

COLOR, DEPTH, LABEL = ImageType


def parsed(sequence, frame, image_type):
    return parse_scene(sequence.request(frame, image_type).scene, extensions=frozenset())


def places(scene):
    return scene.placements.matrix


def placed(scene, mesh):
    of_mesh = [scene.primitives[index].mesh == mesh for index in scene.placements.primitive]
    return scene.placements.matrix[of_mesh]


def record(folder, still):
    """Write what `scenes.recorded` reads."""
    folder.mkdir(exist_ok=True)
    for image_type, data in still.documents.items():
        (folder / f"{image_type}.gltf").write_bytes(data)
        fields = {**still.fields[image_type], "scene_sha256": "0" * 64}
        (folder / f"{image_type}.json").write_text(json.dumps(fields))


def test_everything_moves_but_not_far():
    sequence = Moving(scenes.small_scene(0))
    frames = [parsed(sequence, frame, COLOR) for frame in range(6)]
    rest = places(parse_scene(scenes.small_scene(0).documents[COLOR], extensions=frozenset()))
    for before, after in itertools.pairwise(frames):
        moved = np.abs(places(after) - places(before)).max((1, 2))
        assert (moved > 1e-5).all()
        way_m = np.linalg.norm(pose_of(after)[:3, 3] - pose_of(before)[:3, 3])
        assert 1e-5 < way_m < 0.1
    for frame in frames:
        off_m = np.linalg.norm(places(frame)[:, :3, 3] - rest[:, :3, 3], axis=1)
        assert off_m.max() < 0.02
        np.testing.assert_allclose(np.linalg.det(places(frame)[:, :3, :3]), 1, atol=1e-9)


def test_all_image_types_of_a_frame_show_the_same_poses():
    sequence = Moving(scenes.small_scene(0))
    for frame in (0, 7):
        color, depth, label = (parsed(sequence, frame, image_type) for image_type in ImageType)
        for other in (depth, label):
            np.testing.assert_array_equal(places(color), places(other))
            np.testing.assert_array_equal(pose_of(color), pose_of(other))


def test_the_same_frame_is_the_same_request_at_any_time():
    first, second = Moving(scenes.small_scene(0)), Moving(scenes.small_scene(0))
    wanted = first.request(5, LABEL)
    assert second.request(2, COLOR) != first.request(3, COLOR)
    assert second.request(5, LABEL) == wanted
    assert Moving(scenes.small_scene(0), seed=1).request(5, LABEL) != wanted


def test_only_the_nodes_differ_from_what_was_recorded():
    still = scenes.small_scene(0)
    before = json.loads(still.documents[COLOR])
    after = json.loads(Moving(still).request(3, COLOR).scene)
    assert {name for name in before if before[name] != after[name]} == {"nodes"}
    assert list(before) == list(after)


def test_nodes_below_others_move_in_the_world():
    """In a wrapper that turns and scales, a centimetre is still a centimetre."""
    still = scenes.small_scene(0)
    documents = {}
    for image_type, data in still.documents.items():
        document = json.loads(data)
        nodes = document["nodes"]
        root = document["scenes"][0]["nodes"]
        root.remove(0)
        root.append(len(nodes))
        nodes[0] = {"mesh": 0, "translation": [0, 0, 40], "rotation": [0, 0, 0, 1]}
        turned = [0, 0.01, 0, 0, -0.01, 0, 0, 0, 0, 0, 0.01, 0, 0.3, 0.2, 0, 1]
        nodes.append({"children": [0], "matrix": turned})
        documents[image_type] = json.dumps(document).encode()
    wrapped = scenes.StillScene("wrapped", documents, still.fields)
    rest = parse_scene(documents[COLOR], extensions=frozenset())
    moved = parsed(Moving(wrapped), 4, COLOR)
    [before] = placed(rest, mesh=0)
    [after] = placed(moved, mesh=0)
    np.testing.assert_allclose(before[:3, 3], (0.3, 0.2, 0.4))
    assert 1e-4 < np.linalg.norm(after[:2, 3] - before[:2, 3]) < 0.02
    assert after[2, 3] == pytest.approx(before[2, 3])
    np.testing.assert_allclose(np.linalg.det(after[:3, :3]), 1e-6)


def test_sequences_of_changing_scenes():
    changing = Changing(scenes.small_scene, 64, 48)
    first, second = changing.request(0, COLOR), changing.request(1, COLOR)
    assert first.scene != second.scene
    assert (first.fields["width"], first.fields["height"]) == ("64", "48")
    other = Moving(scenes.small_scene(0))
    both = Alternating([changing, other])
    assert [both.request(n, COLOR) for n in (0, 1)] == [first, other.request(1, COLOR)]


@pytest.mark.parametrize("megabytes", [1, 5])
def test_a_scene_of_a_wanted_size(megabytes):
    still = scenes.heavy_scene(megabytes)
    assert len(still.documents[COLOR]) == pytest.approx(megabytes * 1e6, rel=0.1)
    assert len(parse_scene(still.documents[COLOR], extensions=frozenset()).placements) == 11


def test_a_scene_of_a_wanted_number_of_objects():
    document = scenes.many_objects(50).documents[LABEL]
    scene = parse_scene(document, extensions=frozenset())
    assert len(scene.placements) == 50
    colours = {tuple(m["pbrMetallicRoughness"]["baseColorFactor"]) for m in scene.asset.json["materials"]}
    assert len(colours) == 50


def test_another_size_shows_the_same_height():
    fields = scenes.small_scene(0).fields[DEPTH]
    wide = with_size(fields, 1920, 1080)
    assert wide["focal_x"] == wide["focal_y"] == "1350.0"
    assert float(wide["fov_y"]) == pytest.approx(float(fields["fov_y"]), abs=1e-6)
    assert float(wide["fov_x"]) == pytest.approx(2 * math.atan(960 / 1350), abs=1e-6)
    assert (wide["center_x"], wide["center_y"]) == ("958.5", "538.875")
    assert wide["max_depth"] == fields["max_depth"]
    assert with_size(fields, None, None) == fields
    assert with_size(fields, 64, None)["height"] == "480"


def test_recorded_requests_come_back(tmp_path):
    still = scenes.small_scene(0)
    record(tmp_path / "shelf", still)
    again = scenes.recorded(tmp_path / "shelf", list(ImageType))
    assert again == scenes.StillScene("shelf", still.documents, still.fields)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: folder.rename(folder.parent / "elsewhere"), "there is no such folder"),
        (lambda folder: (folder / "depth.json").unlink(), "holds no depth.json"),
        (lambda folder: (folder / "label.json").write_text("[]"), "must be a JSON object"),
        (lambda folder: (folder / "label.gltf").write_text("{"), "is no glTF document"),
        (lambda folder: (folder / "label.gltf").write_text('{"nodes": []}'), "the nodes of color and label"),
    ],
)
def test_broken_recordings_are_told(tmp_path, damage, message):
    record(tmp_path / "shelf", scenes.small_scene(0))
    damage(tmp_path / "shelf")
    with pytest.raises(ScriptError, match=message):
        Moving(scenes.recorded(tmp_path / "shelf", list(ImageType)))


def test_the_folder_above_is_told_what_it_holds(tmp_path):
    record(tmp_path / "shelf", scenes.small_scene(0))
    with pytest.raises(ScriptError, match="name one of those in it: shelf"):
        scenes.recorded(tmp_path, [COLOR])


@pytest.mark.parametrize(
    ("measure", "more", "message"),
    [
        ("objects", {"values": ("1.5",)}, "a number from 2"),
        ("scene-size", {"values": ("much",)}, "a number from 0.1"),
        ("image-size", {"values": ("640",)}, "like 640x480"),
        ("image-size", {"width": 640}, "leave --width"),
        ("frames", {"values": ("1",)}, "has no --values"),
        ("objects", {"scenes": ("shelf",)}, "leave --scenes out"),
    ],
)
def test_settings_that_do_not_fit(measure, more, message):
    with pytest.raises(ScriptError, match=message):
        plans(Settings(Measure(measure), tuple(ImageType), frames=1, warm_up=0, **more))


def sample(server, image_type, frame, elapsed_ms, **stages_ms):
    return Sample(server, image_type, frame, elapsed_ms, stages_ms, 10, 20)


def test_numbers_of_a_run():
    run = Run("shelf", 0)
    for frame, (ours, theirs) in enumerate([(10.0, 40.0), (20.0, 60.0), (40.0, 80.0)]):
        run.samples.append(sample("server", DEPTH, frame, ours, check=1.0, render=ours / 2))
        run.samples.append(sample("server", LABEL, frame, 5.0, check=2.0))
        run.samples.append(sample("peer", DEPTH, frame, theirs))
    median = timing(run, "server", DEPTH)
    assert (median.median_ms, median.p95_ms) == (20.0, pytest.approx(38.0))
    assert ratio(run, DEPTH) == 3.0
    assert ratio(run, LABEL) is None
    assert frame_times(run, "server", None) == {0: 15.0, 1: 25.0, 2: 45.0}
    assert frame_times(run, "peer", None) == {}, "a frame counts only when it is whole"
    told = stages(run, "server")
    assert list(told) == ["check", "render", "transport"]
    assert told["check"] == {DEPTH: 1.0, LABEL: 2.0}
    assert told["transport"] == {DEPTH: pytest.approx(70 / 6 - 1), LABEL: 3.0}
    assert stages(run, "peer") == {}


def test_growth_of_memory_is_that_of_the_second_half():
    readings = [Reading("server", n, min(100 + n, 150) + n / 1000 * 2) for n in range(0, 200, 5)]
    memory = growth(readings, "server")
    assert memory.per_1000_mb == pytest.approx(2.0)
    assert (memory.first_mb, memory.peak_mb) == (100.0, memory.last_mb)
    assert growth(readings, "peer") is None


def test_what_cores_give_follows_from_what_a_picture_costs():
    costs = Costs.measured(0.11, 0.05, 2, server_s=0.01)
    assert (costs.serial_s, costs.parallel_s) == pytest.approx((0.01, 0.1))
    assert Costs.measured(0.11, 0.075, 4, 0.01).parallel_s == pytest.approx(0.1)
    assert costs.alone_s(4) == pytest.approx(0.045)
    assert costs.rate(1, 1) == pytest.approx(1 / 0.12)
    assert costs.rate(10, 1) == pytest.approx(1 / 0.02), "what only one thread does"
    assert (costs.bound(10, 1), costs.bound(10, 10), costs.bound(64, 64)) == ("workers", "cores", "server")
    assert costs.rate(10, 10) == pytest.approx(10 / 0.12)
    assert costs.rate(64, 64) == pytest.approx(100)
    here = Costs.measured(0.11, 0.05, 2, server_s=0.01, client_s=0.12)
    assert here.rate(2, 2) == pytest.approx(costs.rate(1, 1)), "the clients take a half"


@pytest.mark.parametrize(("saved_s", "parallel_s"), [(-0.02, 0.0), (0.06, 0.1)])
def test_noise_makes_no_part_negative(saved_s, parallel_s):
    costs = Costs.measured(0.1, saved_s, 2, 0.01)
    assert costs.parallel_s == pytest.approx(parallel_s)
    assert costs.serial_s == pytest.approx(0.1 - parallel_s)
