"""A plan is a pure function of specification and index, whatever its source."""

import pickle
import shutil
from functools import cache

import msgspec
import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at
from object_files import write_objects
from stores import STILL_LIFE

from gltf_render_server.dataset.making import read_plan
from gltf_render_server.dataset.planning import Plan
from gltf_render_server.dataset.specification import convert
from gltf_render_server.dataset.store import Store
from gltf_render_server.errors import DatasetError, RenderServerError, RequestError
from gltf_render_server.frame import Lens, Look, View
from gltf_render_server.gltf import read_asset
from gltf_render_server.recording import Answer, Request, make_recorders
from gltf_render_server.recording import Document as RecordedDocument

EXTENSIONS = frozenset({"KHR_materials_transmission", "KHR_materials_ior"})
POSE = look_at((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
BOX = DrakeScene([box((0.1, 0.1, 0.1), np.eye(4), 7)], POSE)
CAMERA = {"width": 64, "height": 48, "fov_y_deg": 50}


@cache
def read_once(data):
    return read_asset(data, extensions=EXTENSIONS)


def read(document):
    return read_once(document.data)


def plan_of(folder, source, cameras, **more):
    raw = {"source": source, "cameras": [{**CAMERA, **camera} for camera in cameras], **more}
    return Plan(convert(raw, "test"), folder)


def told(item):
    """All that an item says, so that two can be compared."""
    shot = item.shot
    return (
        item.name,
        item.split,
        shot.document.sha256,
        [(view.name, view.lens, view.camera_to_world.tobytes()) for view in shot.views],
        shot.look,
        shot.time_s,
        {
            when: (moment.time_s, [camera.tobytes() for camera in moment.cameras])
            for when, moment in shot.moments.items()
        },
        item.drawn,
    )


@pytest.fixture
def scene(tmp_path):
    shutil.copy(STILL_LIFE, tmp_path / "scene.glb")
    return tmp_path


LOOK = {"environment": ["studio", "city", "forest"], "rotation_deg": {"min": 0, "max": 360}}
RING = {"name": "ring", "count": 6, "poses": {"kind": "orbit"}}
CLOUD = {"name": "cloud", "count": 4, "poses": {"kind": "sphere", "distance": {"min": 2, "max": 3}}}


def test_an_item_depends_on_its_index_alone(scene):
    plan = plan_of(scene, {"kind": "scene", "file": "scene.glb"}, [RING, CLOUD], look=LOOK, draw_per="item")
    assert len(plan) == 6
    forward = [told(plan.item(index, read)) for index in range(6)]
    again = pickle.loads(pickle.dumps(plan))
    assert [told(again.item(index, read)) for index in reversed(range(6))] == forward[::-1]
    assert len({each[4] for each in forward}) == 6, "each item has a look of its own"
    assert [len(each[3]) for each in forward] == [2, 2, 2, 2, 1, 1], "the cloud has four poses only"


def test_another_seed_draws_other_things_and_leaves_what_is_not_drawn(scene):
    source = {"kind": "scene", "file": "scene.glb"}
    first, second = (
        plan_of(scene, source, [RING, CLOUD], look=LOOK, seed=seed).item(2, read) for seed in (1, 2)
    )
    assert first.shot.look != second.shot.look
    ring, cloud = [
        np.array_equal(a.camera_to_world, b.camera_to_world)
        for a, b in zip(first.shot.views, second.shot.views, strict=True)
    ]
    assert ring
    assert not cloud


def test_a_scene_has_one_look_unless_each_item_draws_its_own(scene):
    plan = plan_of(scene, {"kind": "scene", "file": "scene.glb"}, [RING], look=LOOK)
    assert len({plan.item(index, read).shot.look for index in range(6)}) == 1


def test_views_of_a_scene_can_be_one_item(scene):
    source = {"kind": "scene", "file": "scene.glb", "views_per_item": 4}
    plan = plan_of(scene, source, [RING])
    assert [[view.name for view in plan.item(index, read).shot.views] for index in range(2)] == [
        ["ring_0000", "ring_0001", "ring_0002", "ring_0003"],
        ["ring_0004", "ring_0005"],
    ]


def test_other_moments_of_a_scene_are_the_neighbouring_poses(scene):
    passes = ["depth", "flow_forward", "flow_backward"]
    plan = plan_of(scene, {"kind": "scene", "file": "scene.glb"}, [RING], passes=passes)
    items = [plan.item(index, read).shot for index in range(6)]
    for before, here, after in zip(items, items[1:], items[2:], strict=False):
        assert (here.moments["before"].cameras[0] == before.views[0].camera_to_world).all()
        assert (here.moments["after"].cameras[0] == after.views[0].camera_to_world).all()
    assert (items[0].moments["before"].cameras[0] == items[0].views[0].camera_to_world).all()
    together = {"kind": "scene", "file": "scene.glb", "views_per_item": 2}
    with pytest.raises(DatasetError, match="views_per_item"):
        plan_of(scene, together, [RING], passes=passes).item(0, read)


def test_an_animation_is_sampled_and_cameras_move_meanwhile(scene):
    still = {"name": "still", "poses": {"kind": "list", "poses": [{"eye": [0, 1, 2], "target": [0, 0, 0]}]}}
    source = {"kind": "animation", "file": "scene.glb", "fps": 10, "start_s": 1, "duration_s": 0.8}
    plan = plan_of(scene, source, [RING, still], passes=["depth", "flow_forward"])
    assert len(plan) == 8
    items = [plan.item(index, read).shot for index in range(8)]
    np.testing.assert_allclose([item.time_s for item in items], 1 + np.arange(8) / 10)
    assert items[3].moments["after"].time_s == items[4].time_s
    assert items[7].moments["after"].time_s == items[7].time_s
    assert len({item.views[0].camera_to_world.tobytes() for item in items}) == 8
    assert len({item.views[1].camera_to_world.tobytes() for item in items}) == 1


def test_objects_are_brought_to_one_size_and_are_one_object_each(tmp_path):
    broken = write_objects(tmp_path / "models", 12, 5)
    source = {"kind": "objects", "files": "models/*", "size": 2.0}
    plan = plan_of(tmp_path, source, [CLOUD])
    assert len(plan) == 12
    for index in range(12):
        if plan.name(index).removeprefix("models/") in broken:
            with pytest.raises(RequestError):
                plan.item(index, read)
            continue
        item = plan.item(index, read)
        scene = read(item.shot.document).scene()
        assert len(scene.instances) == 1
        name = scene.asset.node_name(int(scene.instances.node[0]))
        assert item.categorise(name, scene.asset.node_extras(int(scene.instances.node[0]))) == name
        corners = np.concatenate(
            [
                triangles.vertices[triangles.corners].reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
                for primitive, matrix in zip(scene.placements.primitive, scene.placements.matrix, strict=True)
                for triangles in [scene.asset.triangles(scene.primitives[primitive])]
            ]
        )
        np.testing.assert_allclose(np.ptp(corners, axis=0).max(), 2, rtol=1e-5)
        np.testing.assert_allclose(corners.min(0) + corners.max(0), 0, atol=1e-5)
        assert len(item.shot.views) == 4


def test_all_items_of_a_scene_are_in_one_split(tmp_path):
    write_objects(tmp_path / "models", 60, 0)
    source = {"kind": "objects", "files": "models/*.glb", "views_per_item": 2}
    plan = plan_of(tmp_path, source, [CLOUD], split={"val": 0.3})
    items = [plan.item(index, read) for index in range(len(plan))]
    assert len(items) == 120
    splits = {}
    for item in items:
        splits.setdefault(item.sequence, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())
    assert 8 <= sum(found == {"val"} for found in splits.values()) <= 28


def test_poses_of_one_scene_are_split_by_chance_and_moments_by_time(scene):
    ring = {**RING, "count": 40}
    still = plan_of(scene, {"kind": "scene", "file": "scene.glb"}, [ring], split={"val": 0.25})
    splits = [still.item(index, read).split for index in range(40)]
    assert 4 <= splits.count("val") <= 16
    source = {"kind": "animation", "file": "scene.glb", "fps": 10, "duration_s": 1}
    moving = plan_of(scene, source, [RING], split={"val": 0.2, "test": 0.1})
    splits = [moving.item(index, read).split for index in range(10)]
    assert splits == ["train"] * 7 + ["test"] + ["val"] * 2


def test_a_function_of_ones_own_says_what_is_shown(scene):
    (scene / "helper.py").write_text("PASSES = ('color', 'depth')\n")
    (scene / "shots.py").write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from gltf_render_server.dataset.embedding import read_document\n"
        "from gltf_render_server.dataset.shot import Shot\n"
        "from gltf_render_server.frame import Lens, View\n"
        "from helper import PASSES\n"
        "def frame(index, rng):\n"
        "    pose = np.eye(4)\n"
        "    pose[:3, 3] = 0, 0.2, 2 + rng.random()\n"
        "    lens = Lens(64, 48, 60, 60, 32, 24, 0.01, 100)\n"
        "    document = read_document(Path(__file__).with_name('scene.glb'))\n"
        "    return Shot(document, (View(lens, pose, 'eye'),), PASSES)\n"
    )
    plan = plan_of(scene, {"kind": "python", "function": "shots.py:frame", "items": 3}, [])
    items = [plan.item(index, read) for index in range(3)]
    assert items[0].shot.passes == ("color", "depth")
    assert len({item.shot.views[0].camera_to_world.tobytes() for item in items}) == 3
    assert told(plan.item(1, read)) == told(items[1])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"kind": "scene", "file": "no.glb"}, "source.file: no.glb"),
        ({"kind": "objects", "files": "no/*.glb"}, "source.files: 'no/"),
        ({"kind": "objects", "files": "/etc/*"}, "source.files: '/etc"),
        ({"kind": "recording", "folder": "no"}, "no"),
        ({"kind": "python", "function": "no.py:frame", "items": 1}, "source.function: no.py"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_rendered(tmp_path, source, told):
    with pytest.raises(RenderServerError) as caught:
        plan_of(tmp_path, source, [] if source["kind"] == "python" else [RING])
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ({"materials": [{}, {"textures": "no/*.png"}]}, "vary.materials[1].textures: 'no/"),
        ({"distractors": {"files": "no/*.glb"}}, "vary.distractors.files: 'no/"),
        ({"background": {"images": ["no/*.jpg"]}}, "vary.background.images: 'no/"),
    ],
)
def test_files_to_vary_with_that_are_not_there_are_told_before_anything_is_rendered(tmp_path, vary, told):
    (tmp_path / "room.glb").write_bytes(STILL_LIFE.read_bytes())
    with pytest.raises(DatasetError) as caught:
        plan_of(tmp_path, {"kind": "objects", "files": "*.glb"}, [RING], vary=vary)
    assert told in str(caught.value)


def test_a_plan_reads_its_file(scene):
    raw = {"source": {"kind": "scene", "file": "scene.glb"}, "cameras": [{**CAMERA, **RING}]}
    (scene / "s.json").write_bytes(msgspec.json.encode(raw))
    plan = read_plan(scene / "s.json")
    manifest = plan.manifest({"blender": "5.2"})
    assert manifest.items == 6
    assert manifest.versions["blender"] == "5.2"


def recorded(folder, requests, status=200):
    """Record requests for a document each, as Drake's client sends them: one for each pass."""
    [recorder] = make_recorders(str(folder / "recorded"))
    lens = Lens(64, 48, 60.0, 60.0, 32.0, 24.0, 0.1, 10.0)
    view = View(lens, POSE, "view_0")
    for number, (passes, up_axis) in enumerate(requests):
        request = Request(
            protocol="drake",
            client="",
            form={},
            document=RecordedDocument(BOX.to_bytes(passes[0] if passes else "color")),
            views=(view,) if passes else (),
            passes=passes,
            look=Look(up_axis=up_axis),
            time_s=1000.0 + number,
        )
        recorder.answered(request, Answer(status if passes else 400, 0.1))
    recorder.close(60)
    return {"kind": "recording", "folder": "recorded"}


def test_a_moment_that_was_asked_for_pass_by_pass_is_one_item(tmp_path):
    one = [(("depth",), None), (("label",), None), (("color",), None), ((), None)]
    plan = plan_of(tmp_path, recorded(tmp_path, one * 3), [], passes=["color", "depth", "label"])
    assert [plan.name(index) for index in range(len(plan))] == [f"recorded#{2 + 4 * n}" for n in range(3)]
    shot = plan.item(1, read).shot
    assert shot.document.data == BOX.to_bytes("color")
    assert (shot.passes, shot.look.up_axis) == (("color", "depth", "label"), "z")


def test_a_recording_without_colour_gives_what_was_asked_for_first(tmp_path):
    plan = plan_of(tmp_path, recorded(tmp_path, [(("depth",), None), (("label",), None)] * 2), [])
    assert [plan.name(index) for index in range(len(plan))] == ["recorded#0", "recorded#2"]


def test_a_recording_with_another_axis_up_is_told(tmp_path):
    source = recorded(tmp_path, [(("color",), "y")])
    with pytest.raises(DatasetError, match='up_axis = "y"'):
        plan_of(tmp_path, source, []).item(0, read)
    assert plan_of(tmp_path, source, [], up_axis="y").item(0, read).shot.look.up_axis == "y"


def test_requests_that_were_refused_are_left_out(tmp_path):
    with pytest.raises(DatasetError, match="no request that can be rendered"):
        plan_of(tmp_path, recorded(tmp_path, [(("color",), None)], status=400), [])


def test_files_that_grow_are_another_source(tmp_path):
    (tmp_path / "room.glb").write_bytes(STILL_LIFE.read_bytes())
    before = plan_of(tmp_path, {"kind": "objects", "files": "*.glb"}, [RING]).manifest({}).source
    (tmp_path / "room.glb").write_bytes(STILL_LIFE.read_bytes() + bytes(4))
    assert plan_of(tmp_path, {"kind": "objects", "files": "*.glb"}, [RING]).manifest({}).source != before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"seed": 8}, "another specification (seed)"),
        ({"passes": ["color"]}, "another specification (passes)"),
        ({"split": {"val": 0.1, "test": 0.1}}, "another specification (split)"),
        ({"formats": ["coco"]}, "another specification (formats); use export to write other formats"),
    ],
)
def test_what_differs_from_a_begun_dataset_is_told_and_nothing_else(tmp_path, change, told):
    def manifest(**more):
        box = {"kind": "box", "min": [0, 0, 1], "max": [1, 1, 2]}
        begun = {"seed": 7, "passes": ["color", "instance", "instances"], "split": {"test": 0.1, "val": 0.1}}
        camera = {"name": "eye", "poses": box}
        return plan_of(tmp_path, {"kind": "objects", "files": "*.glb"}, [camera], **(begun | more)).manifest(
            {}
        )

    (tmp_path / "room.glb").write_bytes(STILL_LIFE.read_bytes())
    Store.begin(tmp_path / "out", manifest())
    if told is None:
        Store.begin(tmp_path / "out", manifest())
        return
    with pytest.raises(DatasetError) as caught:
        Store.begin(tmp_path / "out", manifest(**change))
    assert told in str(caught.value)


def test_other_files_to_vary_with_are_another_source(tmp_path):
    def source():
        return (
            plan_of(
                tmp_path,
                {"kind": "objects", "files": "*.glb"},
                [RING],
                vary={"background": {"images": "*.png"}},
            )
            .manifest({})
            .source
        )

    (tmp_path / "room.glb").write_bytes(STILL_LIFE.read_bytes())
    (tmp_path / "wood.png").write_bytes(b"one")
    before = source()
    assert source() == before
    (tmp_path / "wood.png").write_bytes(b"longer")
    longer = source()
    (tmp_path / "wool.png").write_bytes(b"another")
    assert len({before, longer, source()}) == 3


@pytest.mark.parametrize("text", ["import nothing_of_that_name", "1 / 0", "frame ="])
def test_a_function_whose_file_is_broken_is_told_before_anything_is_rendered(tmp_path, text):
    (tmp_path / "shots.py").write_text(text)
    source = {"kind": "python", "function": "shots.py:frame", "items": 2}
    with pytest.raises(DatasetError, match=r"source\.function: .*shots\.py: \w+Error: "):
        plan_of(tmp_path, source, [])
