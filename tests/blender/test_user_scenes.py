"""The user's .blend and settings script: they join in, keep their own settings, and survive every request."""

import os

import numpy as np
import OpenEXR
import pytest
from defaults import CAMERA, FAST, ask
from drake_like import DrakeScene, box, look_at, translation
from frames import frame_of
from PIL import Image
from servers import in_memory

from gltf_render_server.errors import SettingsError
from gltf_render_server.gltf import parse_scene
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

CAMERA_POSE = look_at((2.5, -2.0, 1.8), (0, 0, 0.2))


@pytest.fixture
def client_scene():
    return DrakeScene([box((0.6, 0.6, 0.6), translation(0, 0, 0.3), 5)], CAMERA_POSE)


def make_blend(path, change=lambda scene: None):
    """Save a .blend with a wall behind the client's box and everything in it that could disturb."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(size=1, location=(-1.2, 0, 0.5))
    wall = bpy.context.object
    wall.name = "Camera Node"
    wall.scale = (0.1, 3, 1)
    wall.pass_index = 1
    material = bpy.data.materials.new("Red")
    material.diffuse_color = (1, 0, 0, 1)
    material.pass_index = 1
    wall.data.materials.append(material)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 3
    scene.unit_settings.scale_length = 0.01
    scene.render.resolution_percentage = 37
    scene.render.use_border = True
    scene.render.border_max_x = 0.3
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    scene.timeline_markers.new("cut", frame=1).camera = other
    change(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.fixture
def blend(tmp_path):
    return make_blend(tmp_path / "room.blend")


def with_blend(path, **more):
    return ServerSettings(blend_file=path, samples=2, **more)


def test_blend_joins_in_white_and_occludes(studio, client_scene, blend):
    settings = with_blend(blend)
    label = studio.image(client_scene.to_bytes("label"), "label", settings)
    depth = studio.image(client_scene.to_bytes(), "depth", settings)
    alone = studio.image(client_scene.to_bytes(), "depth", FAST)
    is_wall = np.isfinite(depth) & ~np.isfinite(alone)
    assert is_wall.sum() > 200, "the wall is seen in depth"
    assert (label[is_wall] == 255).all(), "and white in labels"
    assert {tuple(c) for c in np.unique(label.reshape(-1, 3), axis=0)} == {
        (5, 0, 0),
        (255, 255, 255),
    }


def test_blend_takes_part_in_passes_of_geometry(studio, client_scene, blend):
    names = ("depth", "instance", "position", "normal_world", "normal_geometric", "object_coordinates", "uv")
    renderer = studio.renderer(with_blend(blend))
    scene = parse_scene(client_scene.to_bytes(), extensions=renderer.extensions)
    [plain] = renderer.render(frame_of(scene, CAMERA, *names)).views
    is_wall = np.isfinite(plain["depth"]) & (plain["instance"] == 0)
    assert is_wall.sum() > 200
    is_front = is_wall & (np.abs(plain["position"][..., 0] + 1.15) < 1e-4)
    assert is_front.sum() > 150
    np.testing.assert_allclose(plain["normal_world"][is_front] - (1, 0, 0), 0, atol=1e-5)
    facing = np.linalg.inv(CAMERA_POSE)[:3, 0]
    differs = np.abs(plain["normal_geometric"][is_front] - facing).max(1) > 1e-3
    assert differs.mean() < 0.2, "but at its edges"
    assert np.isnan(plain["object_coordinates"][is_wall]).all()
    assert np.isnan(plain["uv"][is_wall]).all()
    assert np.isnan(plain["normal_world"][np.isinf(plain["depth"])]).all()


def test_objects_of_a_blend_are_numbered_when_asked(studio, client_scene, blend):
    renderer = studio.renderer(with_blend(blend, number_blend_objects=True))
    scene = parse_scene(client_scene.to_bytes(), extensions=renderer.extensions)
    rendered = renderer.render(frame_of(scene, CAMERA, "instance", "position", "object_coordinates"))
    [arrays] = rendered.views
    [wall] = rendered.others
    assert wall.name == "Camera Node"
    assert set(np.unique(arrays["instance"])) == {0, 1, 2}
    is_wall = arrays["instance"] == 2
    local = arrays["object_coordinates"][is_wall]
    assert (np.abs(local) < 0.5 + 1e-4).all()
    back = local @ wall.matrix[:3, :3].T + wall.matrix[:3, 3]
    np.testing.assert_allclose(back, arrays["position"][is_wall], atol=1e-5)


def test_blend_keeps_its_own_settings(studio, client_scene, blend):
    studio.image(client_scene.to_bytes(), "color", ServerSettings(blend_file=blend))
    scene = bpy.context.scene
    assert scene.cycles.samples == 3
    assert scene.unit_settings.scale_length == pytest.approx(0.01)


def test_explicit_options_win_over_the_blend(studio, client_scene, blend):
    studio.image(client_scene.to_bytes(), "color", with_blend(blend, exposure=1.5))
    assert bpy.context.scene.cycles.samples == 2
    assert bpy.context.scene.view_settings.exposure == pytest.approx(1.5)


def test_blend_with_light_of_its_own_gets_no_environment(studio, client_scene, tmp_path):
    def add_light(scene):
        light = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        light.data.color = (0.0, 0.0, 1.0)
        light.data.energy = 30
        scene.collection.objects.link(light)

    path = make_blend(tmp_path / "lit.blend", add_light)
    image = studio.image(client_scene.to_bytes(), "color", with_blend(path)).reshape(-1, 3)
    assert image[:, 2].mean() > max(1, 5 * image[:, 0].mean()), "nothing but the blue sun"


def light_up(scene):
    """Bring a sun by an instance of a collection, as from a library."""
    light = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    light.data.color, light.data.energy = (0.0, 0.0, 1.0), 30
    lamps, instance = bpy.data.collections.new("Lamps"), bpy.data.objects.new("Lamps", None)
    lamps.objects.link(light)
    instance.instance_type, instance.instance_collection = "COLLECTION", lamps
    scene.collection.objects.link(instance)
    return instance


def light_up_in_the_background(scene):
    scene.background_set = bpy.data.scenes.new("Background")
    light_up(scene.background_set)


def do_not_render_the_light(scene):
    [light] = light_up(scene).instance_collection.objects
    scene.collection.objects.link(light)
    light.hide_render = True


@pytest.mark.parametrize(
    ("change", "is_blue"),
    [(light_up, True), (light_up_in_the_background, True), (do_not_render_the_light, False)],
)
def test_light_counts_where_it_is_rendered(studio, client_scene, tmp_path, change, is_blue):
    path = make_blend(tmp_path / "lit.blend", change)
    image = studio.image(client_scene.to_bytes(), "color", with_blend(path)).reshape(-1, 3)
    assert (image[:, 2].mean() > 5 * image[:, 0].mean()) == is_blue
    assert image.mean() > 1


def test_dark_blend_is_lit_by_the_default_environment(studio, client_scene, blend):
    assert studio.image(client_scene.to_bytes(), "color", with_blend(blend)).mean() > 20


def test_the_scene_of_a_blend_may_be_linked(studio, client_scene, blend, tmp_path):
    first = studio.image(client_scene.to_bytes(), "depth", with_blend(blend))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(blend), link=True) as (_, linked):
        linked.scenes = ["Scene"]
    [bpy.context.window.scene] = linked.scenes
    path = tmp_path / "linking.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    np.testing.assert_array_equal(studio.image(client_scene.to_bytes(), "depth", with_blend(path)), first)


def test_excluded_collections_stay_out(studio, client_scene, tmp_path):
    def hide(scene):
        hidden = bpy.data.collections.new("Hidden")
        scene.collection.children.link(hidden)
        wall = bpy.data.objects["Camera Node"]
        scene.collection.objects.unlink(wall)
        hidden.objects.link(wall)
        scene.view_layers[0].layer_collection.children["Hidden"].exclude = True

    path = make_blend(tmp_path / "hidden.blend", hide)
    depth = studio.image(client_scene.to_bytes(), "depth", with_blend(path))
    alone = studio.image(client_scene.to_bytes(), "depth", FAST)
    np.testing.assert_array_equal(depth, alone)


def glowing(scene):
    """Let the wall shine, in black surroundings, as a cube in front of the camera, below which it moves."""
    from gltf_render_server.blender.compat import node_tree

    wall = scene.objects["Camera Node"]
    wall.location, wall.scale = (-1.5, 1.8, 0.0), (1, 1, 1)
    tree = node_tree(wall.data.materials[0])
    tree.nodes.clear()
    shine, output = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    shine.inputs["Strength"].default_value = 5
    tree.links.new(shine.outputs[0], output.inputs["Surface"])
    return wall


def fallen(scene):
    wall = glowing(scene)
    wall.location.z = 1.5
    bpy.context.view_layer.objects.active = wall
    bpy.ops.rigidbody.world_add()
    scene.rigidbody_world.collection = bpy.data.collections.new("Bodies")
    bpy.ops.rigidbody.object_add()
    with bpy.context.temp_override(point_cache=scene.rigidbody_world.point_cache):
        bpy.ops.ptcache.bake(bake=True)
    for frame in range(1, 14):
        scene.frame_set(frame)


def in_slow_motion(scene):
    wall = glowing(scene)
    for frame, z in ((0, 0.0), (40, 3.0)):
        wall.location.z = z
        wall.keyframe_insert("location", frame=frame)
    scene.render.frame_map_old, scene.render.frame_map_new = 200, 100
    scene.frame_set(8)


def moved_by_the_clock(scene):
    """Geometry nodes lift it by the seconds since the beginning."""
    nodes = bpy.data.node_groups.new("Lift", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        nodes.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    kinds = ("NodeGroupInput", "GeometryNodeInputSceneTime", "ShaderNodeCombineXYZ")
    given, clock, up = map(nodes.nodes.new, kinds)
    lift, end = map(nodes.nodes.new, ("GeometryNodeTransform", "NodeGroupOutput"))
    nodes.links.new(given.outputs[0], lift.inputs["Geometry"])
    nodes.links.new(clock.outputs["Seconds"], up.inputs["Z"])
    nodes.links.new(up.outputs[0], lift.inputs["Translation"])
    nodes.links.new(lift.outputs[0], end.inputs[0])
    glowing(scene).modifiers.new("Lift", "NODES").node_group = nodes
    scene.render.fps = 10
    scene.frame_set(12)


def driven_by_the_scene(scene):
    scene["height"] = 1.2
    driver = glowing(scene).driver_add("location", 2).driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.type = "CONTEXT_PROP"
    variable.targets[0].context_property = "ACTIVE_SCENE"
    variable.targets[0].data_path = '["height"]'


def too_far_away(scene):
    glowing(scene).cycles.use_distance_cull = True
    scene.render.use_simplify = True
    scene.cycles.use_camera_cull = scene.cycles.use_distance_cull = True
    scene.cycles.camera_cull_margin, scene.cycles.distance_cull_margin = 0.0, 1.0


def without_surfaces(scene):
    glowing(scene)
    scene.view_layers[0].use_solid = False


def held_out(scene):
    wall, group = glowing(scene), bpy.data.collections.new("Held out")
    scene.collection.children.link(group)
    scene.collection.objects.unlink(wall)
    group.objects.link(wall)
    scene.view_layers[0].layer_collection.children["Held out"].holdout = True


def in_the_background(scene):
    wall, background = glowing(scene), bpy.data.scenes.new("Background")
    scene.collection.objects.unlink(wall)
    background.collection.objects.link(wall)
    scene.background_set = background


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        (glowing, True),
        (fallen, True),
        (in_slow_motion, True),
        (moved_by_the_clock, True),
        (driven_by_the_scene, True),
        (too_far_away, False),
        (without_surfaces, False),
        (held_out, False),
        (in_the_background, True),
    ],
)
def test_depth_and_colour_show_the_same_shapes(studio, tmp_path, change, is_seen):
    """Whatever of a scene moves, hides or brings an object does so in both."""
    alone = DrakeScene([box((0.05,) * 3, translation(0, 0, -9), 5)], CAMERA_POSE).to_bytes()
    settings = with_blend(make_blend(tmp_path / "scene.blend", change), environment="none", denoise=False)
    shines = studio.image(alone, "color", settings).max(2) > 60
    is_there = np.isfinite(studio.image(alone, "depth", settings))
    assert bool(is_there.any()) == is_seen
    assert (shines ^ is_there).sum() < 0.3 * max(is_there.sum(), 1), "but for its edges"


def test_materials_are_where_a_simulation_has_put_them(studio, tmp_path):
    alone = DrakeScene([box((0.05,) * 3, translation(0, 0, -9), 5)], CAMERA_POSE).to_bytes()
    settings = with_blend(make_blend(tmp_path / "scene.blend", fallen))
    is_there = np.isfinite(studio.image(alone, "depth", settings))
    assert is_there.any()
    np.testing.assert_array_equal(studio.image(alone, "emission", settings).max(2) > 1, is_there)
    assert [item.name for item in bpy.data.collections["Bodies"].objects] == ["Camera Node"]


def test_scripts_of_a_blend_do_not_run(studio, client_scene, tmp_path):
    trace = tmp_path / "ran"

    def add_script(scene):
        text = bpy.data.texts.new("run.py")
        text.write(f"open({str(trace)!r}, 'w').close()")
        text.use_module = True
        driver = scene.objects["Camera Node"].driver_add("location", 2).driver
        driver.expression = f"0.5 if __import__('pathlib').Path({str(trace)!r}).touch() is None else 0"

    path = make_blend(tmp_path / "scripted.blend", add_script)
    trace.unlink(missing_ok=True)
    studio.image(client_scene.to_bytes(), "depth", with_blend(path))
    assert not trace.exists()


def test_a_broken_blend_is_told_at_the_start(studio, tmp_path):
    path = tmp_path / "broken.blend"
    path.write_bytes(b"not a blend")
    with pytest.raises(SettingsError, match=r"broken\.blend: Blender cannot open this file"):
        studio.renderer(with_blend(path))


def test_an_edited_blend_is_opened_again(studio, client_scene, blend):
    settings = with_blend(blend)
    first = studio.image(client_scene.to_bytes(), "depth", settings)
    renderer = studio._renderer
    make_blend(blend, lambda scene: scene.objects["Camera Node"].select_set(True) or _raise_wall(scene))
    studio._renderer, studio._settings = renderer, settings
    second = ask(renderer, client_scene.to_bytes(), "depth")
    assert np.isfinite(second).sum() > np.isfinite(first).sum()


def _raise_wall(scene):
    scene.objects["Camera Node"].scale.z = 3


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "settings.py"
    path.write_text("bpy.context.scene.view_settings.exposure = -2\n")
    return path


def test_settings_script_and_its_edits(studio, client_scene, script):
    settings = ServerSettings(samples=2, denoise=False, bpy_settings_file=script)
    data = client_scene.to_bytes()
    renderer = studio.renderer(settings)

    def mean():
        return ask(renderer, data, "color").mean()

    dark = mean()
    assert bpy.context.scene.view_settings.exposure == -2
    script.write_text("def brighten():\n    bpy.context.scene.view_settings.exposure = 1.0\nbrighten()\n")
    assert mean() > dark + 20
    for text, message in [
        ("x = 1\nraise KeyError('lamp')\n", r"settings\.py, line 2: KeyError: 'lamp'"),
        ("if:\n", r"settings\.py: SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ]:
        script.write_text(text)
        with pytest.raises(SettingsError, match=message):
            mean()
        with pytest.raises(SettingsError, match=message):
            mean()
    script.write_text("bpy.context.scene.view_settings.exposure = -2\n")
    assert mean() == dark, "nothing is left of the failures"
    script.unlink()
    with pytest.raises(SettingsError, match="No such file"):
        mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"environment": "moon"},
            "--environment moon: there is no such file, and no environment of that name; the names are city, "
            "courtyard",
        ),
        ({"view_transform": "Kodachrome"}, "--view-transform Kodachrome"),
        ({"device": "optix"}, "--device optix: this machine has no such device; it has cpu"),
    ],
)
def test_unusable_settings_are_told_at_the_start(studio, changes, message):
    studio.close()
    with pytest.raises(SettingsError, match=message):
        studio.renderer(ServerSettings(**changes))
    assert not in_memory(os.getpid())


@pytest.mark.parametrize("environment", ["none", "night", "city"])
def test_environments(studio, client_scene, environment):
    settings = ServerSettings(samples=2, denoise=False, environment=environment)
    mean = studio.image(client_scene.to_bytes(), "color", settings).mean()
    assert (mean < 1) == (environment == "none")


def test_own_environment_file(studio, client_scene, tmp_path):
    image = bpy.data.images.new("green", 8, 4, float_buffer=True)
    image.pixels = [0.0, 1.0, 0.0, 1.0] * 32
    image.filepath_raw = str(tmp_path / "green.hdr")
    image.file_format = "HDR"
    image.save()
    settings = ServerSettings(samples=4, environment=str(tmp_path / "green.hdr"))
    mean = studio.image(client_scene.to_bytes(), "color", settings).reshape(-1, 3).mean(0)
    assert mean[1] > 2 * mean[0]
    broken = tmp_path / "broken.exr"
    broken.write_bytes(b"nothing")
    with pytest.raises(SettingsError, match=r"broken\.exr: Blender cannot read"):
        studio.renderer(ServerSettings(environment=str(broken)))


def test_an_environment_that_the_blend_uses_too_stays_its_own(studio, client_scene, tmp_path):
    from gltf_render_server.blender.compat import node_tree

    file = tmp_path / "sky.exr"
    grey_exr(file)

    def use(scene):
        material = bpy.data.materials.new("Picture")
        node = node_tree(material).nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.load(str(file))
        scene.objects["Camera Node"].data.materials.append(material)

    blend = make_blend(tmp_path / "room.blend", use)
    studio.image(client_scene.to_bytes(), "color", with_blend(blend, environment=str(file)))
    nodes = bpy.data.materials["Picture"].node_tree.nodes
    assert [node.image.name for node in nodes if node.type == "TEX_IMAGE"] == ["sky.exr"]


def grey_png(path):
    Image.fromarray(np.full((4, 8, 3), 127, np.uint8)).save(path)


def grey_exr(path):
    pixels = np.full((4, 8, 3), 0.212, np.float32)
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": pixels}).write(str(path))


@pytest.mark.parametrize(("name", "write"), [("grey.png", grey_png), ("grey.exr", grey_exr)])
def test_bytes_and_floats_light_alike(studio, client_scene, tmp_path, name, write):
    """An image of bytes holds sRGB, one of floats linear light: 127 is 0.212."""
    write(tmp_path / name)
    settings = ServerSettings(samples=4, environment=str(tmp_path / name), view_transform="Standard")
    sky = studio.image(client_scene.to_bytes(), "color", settings)[0, 0]
    np.testing.assert_allclose(sky, 127, atol=8)


def test_a_blend_that_could_not_be_opened_for_a_while(studio, client_scene, blend, tmp_path):
    settings = with_blend(blend)
    renderer = studio.renderer(settings)
    data = client_scene.to_bytes()
    first = {kind: ask(renderer, data, kind) for kind in ("depth", "color")}
    kept = blend.rename(tmp_path / "kept.blend")
    blend.write_bytes(b"nothing")
    with pytest.raises(SettingsError, match="cannot open this file"):
        ask(renderer, data, "depth")
    kept.replace(blend)
    for kind, image in first.items():
        np.testing.assert_array_equal(ask(renderer, data, kind), image)
