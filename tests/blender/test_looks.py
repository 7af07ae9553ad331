"""A frame's look acts, and leaves nothing to the next frame."""

import dataclasses
import json
import random

import numpy as np
import pytest
from defaults import CAMERA, FAST, ask
from drake_like import DrakeScene, column_major, look_at, translation
from fresh import FreshRenderers

from gltf_render_server.errors import RequestError
from gltf_render_server.frame import Lens, Look
from gltf_render_server.settings import QUALITIES, ServerSettings

bpy = pytest.importorskip("bpy")

SMALL = Lens(48, 36, 45.0, 45.0, 24.0, 18.0, 0.05, 20.0)
EMPTY = Look()
SERVER = ServerSettings(samples=4)
WIDE = Lens(96, 72, 30.0, 30.0, 48.0, 36.0, 0.05, 20.0)

LOOKS = (
    EMPTY,
    Look(environment="city"),
    Look(environment="none"),
    Look(rotation_deg=30.0),
    Look(rotation_deg=211.5, strength=0.5, environment="sunset"),
    Look(strength=2.0),
    Look(exposure=1.0),
    Look(exposure=0.0),
    Look(view_transform="AgX"),
    Look(view_transform="Standard", exposure=-1.0),
    Look(quality="preview"),
    Look(samples=2),
    Look(quality="preview", samples=3, transparent=True),
    Look(transparent=True),
    Look(up_axis="y"),
)


@pytest.fixture(scope="module")
def fresh():
    renderers = FreshRenderers()
    yield renderers
    renderers.close()


@pytest.fixture
def lit(table):
    """The table in the light of a lamp of its own."""
    return with_lamps(table, 1)


def with_lamps(table, count):
    document = table.document()
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 50.0}]}}
    document["extensionsUsed"] = ["KHR_lights_punctual"]
    lamp = {"extensions": {"KHR_lights_punctual": {"light": 0}}}
    for number in range(count):
        document["nodes"].append(lamp | {"matrix": column_major(translation(0.4 - number, -0.6, 2.0))})
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    return json.dumps(document).encode()


@pytest.fixture
def see(studio, table):
    return lambda camera=CAMERA, **look: ask(
        studio.renderer(FAST), table.to_bytes(), "color", camera, Look(**look)
    )


def mean(image):
    return image[..., :3].astype(float).mean()


def test_no_look_shows_in_the_next(studio, table, lit):
    """In whatever order looks come, each gives the same bytes."""
    steps = [(data, look, "color") for data in (table.to_bytes(), lit) for look in LOOKS]
    steps += [(with_lamps(table, 2), look, "color") for look in LOOKS[::4]]
    steps += [(lit, look, "depth") for look in LOOKS[::4]]
    renderer, known = studio.renderer(SERVER), {}
    for seed in range(3):
        random.Random(seed).shuffle(steps)
        for data, look, kind in steps:
            seen = ask(renderer, data, kind, SMALL, look).tobytes()
            assert known.setdefault((data, look, kind), seen) == seen, f"{kind} {look}"
    assert len({known[lit, look, "depth"] for look in LOOKS[::4]}) == 1


def test_two_looks_in_turn(studio, fresh, table):
    renderer, data = studio.renderer(SERVER), table.to_bytes()
    for look in LOOKS[1:5] * 2:
        seen = ask(renderer, data, "color", SMALL, look)
        np.testing.assert_array_equal(
            seen, fresh.image(SERVER, data, "color", SMALL, look), err_msg=str(look)
        )


def test_a_look_of_what_is_the_default_changes_nothing(see):
    plain = see()
    same = see(
        environment="forest",
        rotation_deg=360.0,
        strength=1.0,
        exposure=0.0,
        view_transform="Khronos PBR Neutral",
        samples=FAST.samples,
        transparent=False,
        up_axis="z",
    )
    np.testing.assert_array_equal(same, plain)


def test_an_option_is_the_default_of_a_look(studio, table):
    options = {"environment": "city", "exposure": 0.5, "view_transform": "AgX", "samples": 3}
    server = ServerSettings(denoise=False, **options)
    plain = ask(studio.renderer(server), table.to_bytes(), "color")
    named = ask(studio.renderer(FAST), table.to_bytes(), "color", look=Look(**options))
    np.testing.assert_array_equal(named, plain)


@pytest.mark.parametrize("angle_deg", [90.0, 33.3])
def test_the_environment_turns_as_the_camera_would_turn_the_other_way(studio, angle_deg):
    """Counter-clockwise from above, by as much as asked for, not by whole pixels."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    pose = look_at((2.0, -2.0, 0.5), (0, 0, 0.2))
    turned_camera, turned_light = (
        ask(studio.renderer(FAST), DrakeScene([], eye).to_bytes(), "color", WIDE, look)
        for eye, look in ((turn.T @ pose, EMPTY), (pose, Look(rotation_deg=angle_deg)))
    )
    assert np.ptp(turned_camera) > 100
    assert np.abs(turned_camera.astype(int) - turned_light).mean() < 1.0


def test_strength_and_exposure(see):
    plain = mean(see())
    assert mean(see(strength=0.25)) < 0.8 * plain
    darker = see(exposure=-2.0)
    assert np.abs(darker.astype(int) - see(strength=0.25)).mean() < 0.5
    assert see(strength=0.0).max() <= 1, "but for dither"


def test_an_environment_beside_a_lamp(studio, lit):
    renderer = studio.renderer(FAST)
    alone, beside = (ask(renderer, lit, "color", look=Look(environment=name)) for name in (None, "city"))
    assert mean(alone[0]) < 5 < mean(beside[0])
    np.testing.assert_array_equal(alone, ask(renderer, lit, "color", look=Look(rotation_deg=50.0)))


def test_cycles_looks_for_lights_where_it_has_a_choice(studio, table):
    renderer = studio.renderer(FAST)
    for lamps, environment, has_choice in (
        (0, None, False),
        (1, None, False),
        (1, "city", True),
        (2, None, True),
        (1, None, False),
    ):
        ask(renderer, with_lamps(table, lamps), "color", look=Look(environment=environment))
        assert bpy.context.scene.cycles.use_light_tree == has_choice, f"{lamps} {environment}"


def test_exposure_switches_metering_off(studio, lit, monkeypatch):
    monkeypatch.setattr("gltf_render_server.blender.rendering.metered_stops", lambda _: 1.0)
    metered, plain, brighter = (
        ask(studio.renderer(FAST), lit, "color", look=Look(exposure=exposure))
        for exposure in (None, 0.0, 1.0)
    )
    assert mean(metered) > mean(plain)
    np.testing.assert_array_equal(metered, brighter)


def test_samples_and_quality(see, studio, table):
    noisy, fine = see(samples=1), see(samples=64)
    assert np.abs(noisy.astype(int) - fine).mean() > np.abs(see(samples=32).astype(int) - fine).mean()
    preview = ask(studio.renderer(ServerSettings(quality="preview")), table.to_bytes(), "color")
    np.testing.assert_array_equal(see(quality="preview"), preview)


def test_each_quality_is_better_than_the_one_before(see):
    from gltf_render_server.blender.engines import PRESETS

    assert tuple(PRESETS) == tuple(QUALITIES)
    fine = see(SMALL, samples=256).astype(float)
    errors = [np.mean((see(SMALL, quality=quality) - fine) ** 2) for quality in QUALITIES]
    assert errors == sorted(errors, reverse=True)


def test_a_transparent_background(see):
    seen, plain = see(transparent=True), see()
    assert seen.shape == (CAMERA.height, CAMERA.width, 4)
    assert plain.shape[2] == see(transparent=False).shape[2] == 3
    alpha = seen[..., 3]
    assert alpha[0, 0] == 0
    assert alpha[40, 48] == 255
    np.testing.assert_allclose(seen[alpha == 255][:, :3].astype(int), plain[alpha == 255], atol=1)


def test_a_y_up_file_in_one_frame(studio, table):
    document = table.document()
    to_y_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
    document["nodes"].append({"children": document["scenes"][0]["nodes"], "matrix": column_major(to_y_up)})
    document["scenes"][0]["nodes"] = [len(document["nodes"]) - 1]
    data, renderer = json.dumps(document).encode(), studio.renderer(FAST)
    for kind, atol in (("color", 12), ("depth", 1e-4)):
        upright = ask(renderer, table.to_bytes(), kind).astype(float)
        turned = ask(renderer, data, kind, look=Look(up_axis="y")).astype(float)
        assert np.mean(np.isclose(turned, upright, atol=atol)) > 0.98, kind


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"environment": "moon"}, r"look\.environment: .*forest.*none"),
        ({"environment": "Forest"}, r"look\.environment"),
        ({"environment": "/etc/hostname"}, r"look\.environment"),
        ({"environment": "../world/forest"}, r"look\.environment"),
        ({"environment": ""}, r"look\.environment"),
        ({"view_transform": "Filmy"}, r"look\.view_transform: .*AgX"),
        ({"quality": "best"}, r"look\.quality: .*balanced"),
    ],
)
def test_a_name_that_is_not_there(see, look, message):
    plain = see()
    with pytest.raises(RequestError, match=message) as caught:
        see(exposure=3.0, transparent=True, **look)
    assert "/" not in str(caught.value)
    np.testing.assert_array_equal(see(), plain)


def test_many_environments_leave_nothing(see):
    see()
    before = None
    for turn in range(1, 13):
        see(SMALL, rotation_deg=float(turn))
        if turn == 9:
            before = len(bpy.data.images), len(bpy.data.worlds)
    assert (len(bpy.data.images), len(bpy.data.worlds)) == before


@pytest.fixture
def room(tmp_path, studio):
    """A .blend with a world of its own, a view transform, exposure and samples."""
    from gltf_render_server.blender import compat

    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 3
    scene.cycles.use_denoising = False
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Punchy"
    scene.view_settings.exposure = 0.5
    scene.world = bpy.data.worlds.new("Green")
    compat.node_tree(scene.world).nodes["Background"].inputs[0].default_value = (0.1, 0.6, 0.2, 1.0)
    path = tmp_path / "room.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return ServerSettings(blend_file=path)


def test_a_scene_of_the_user_s_own_comes_back(room, studio, table):
    renderer = studio.renderer(room)
    seen = [ask(renderer, table.to_bytes(), "color", SMALL)]
    for look in (LOOKS[4], Look(view_transform="Standard"), Look(quality="final", exposure=-3.0)):
        changed = ask(renderer, table.to_bytes(), "color", SMALL, look)
        seen.append(ask(renderer, table.to_bytes(), "color", SMALL))
        assert np.abs(changed.astype(int) - seen[0]).mean() > 1
        np.testing.assert_array_equal(seen[-1], seen[0], err_msg=str(look))
    own_look = bpy.context.scene.view_settings.look
    assert own_look == "AgX - Punchy"


@pytest.mark.parametrize("field", ["rotation_deg", "strength"])
def test_a_world_of_the_user_s_own_is_not_turned(room, studio, table, field):
    with pytest.raises(RequestError, match="world of its own"):
        ask(studio.renderer(room), table.to_bytes(), "color", SMALL, Look(**{field: 0.5}))


def test_an_environment_file_of_the_options_is_turned(tmp_path, studio, table):
    """A picture of 8 bits is not baked."""
    studio.close()
    from PIL import Image

    gradient = np.zeros((64, 128, 3), np.uint8)
    gradient[:, :64] = 255
    path = tmp_path / "sky.png"
    Image.fromarray(gradient).save(path)
    server = dataclasses.replace(FAST, environment=str(path))
    empty = DrakeScene([], look_at((2.0, -2.0, 0.5), (0, 0, 0.2))).to_bytes()
    renderer = studio.renderer(server)
    plain, whole, half = (
        ask(renderer, empty, "color", WIDE, Look(rotation_deg=turn)) for turn in (None, 360.0, 180.0)
    )
    np.testing.assert_array_equal(whole, plain)
    assert np.abs(half.astype(int) - plain).mean() > 50
