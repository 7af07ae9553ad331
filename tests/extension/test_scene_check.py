"""The scene check finds what disturbs, and mends what can be mended."""

import importlib

import pytest

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")
check = importlib.import_module("blender_addon.scene_check")
mending = importlib.import_module("blender_addon.mending")


@pytest.fixture
def scene():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    for name in ("Plain", "Odd"):
        mesh = bpy.data.meshes.new(name)
        mesh.materials.append(material(name))
        scene.collection.objects.link(bpy.data.objects.new(name, mesh))
    return scene


def material(name):
    from gltf_render_server.blender.compat import node_tree

    made = bpy.data.materials.new(name)
    node_tree(made)
    return made


def odd():
    return bpy.data.objects["Odd"]


def nodes():
    return odd().data.materials[0].node_tree


def workbench(scene):
    scene.render.engine = "BLENDER_WORKBENCH"


def no_view_layer(scene):
    scene.view_layers[0].use = False


def override(scene):
    scene.view_layers[0].material_override = material("All")


def sequencer(scene):
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    end = {"frame_end": 9} if bpy.app.version < (5, 0) else {"length": 8}
    strips.new_effect(name="Red", type="COLOR", channel=1, frame_start=1, **end)


def stamp(scene):
    scene.render.use_stamp = True


def freestyle(scene):
    scene.render.use_freestyle = True


def motion_blur(scene):
    scene.render.use_motion_blur = True


def default_cube(scene):
    bpy.ops.mesh.primitive_cube_add()


def volume(_scene):
    output = next(node for node in nodes().nodes if node.type == "OUTPUT_MATERIAL")
    nodes().links.new(nodes().nodes.new("ShaderNodeVolumePrincipled").outputs[0], output.inputs["Volume"])


def holdout(_scene):
    odd().is_holdout = True


def holdout_collection(scene):
    collection = bpy.data.collections.new("Held")
    scene.collection.children.link(collection)
    collection.objects.link(odd())
    scene.collection.objects.unlink(odd())
    scene.view_layers[0].layer_collection.children["Held"].holdout = True


def holdout_shader(_scene):
    nodes().nodes.new("ShaderNodeHoldout")


def group_in_group():
    """The innermost of two nested node groups."""
    inner, outer = (bpy.data.node_groups.new(name, "ShaderNodeTree") for name in ("Inner", "Outer"))
    outer.nodes.new("ShaderNodeGroup").node_tree = inner
    nodes().nodes.new("ShaderNodeGroup").node_tree = outer
    return inner


def holdout_in_group(_scene):
    group_in_group().nodes.new("ShaderNodeHoldout")


def shadow_catcher(_scene):
    odd().is_shadow_catcher = True


def grease_pencil(scene):
    bpy.ops.object.grease_pencil_add(type="STROKE")
    bpy.context.object.name = "Drawing"


def missing_image():
    image = bpy.data.images.new("gone", 4, 4)
    image.source = "FILE"
    image.filepath = "//gone.png"
    return image


def texture(_scene):
    nodes().nodes.new("ShaderNodeTexImage").image = missing_image()


def texture_in_group(_scene):
    group_in_group().nodes.new("ShaderNodeTexImage").image = missing_image()


def tiles(_scene):
    image = missing_image()
    image.source = "TILED"
    image.filepath = "//gone.<UDIM>.png"
    nodes().nodes.new("ShaderNodeTexImage").image = image


def resolution(scene):
    scene.render.resolution_percentage = 50


def compositing(scene):
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = bpy.data.node_groups.new("Look", "CompositorNodeTree")
    else:
        scene.use_nodes = True


def frame(_scene):
    odd().driver_add("location", 2).driver.expression = "frame / 10"


def driver(_scene):
    odd().driver_add("location", 2).driver.expression = "len(str(bpy.data))"


def world_driver(scene):
    from gltf_render_server.blender.compat import node_tree

    scene.world = bpy.data.worlds.new("Sky")
    background = next(node for node in node_tree(scene.world).nodes if node.type == "BACKGROUND")
    background.inputs["Strength"].driver_add("default_value").driver.expression = "frame / 10"


def script(_scene):
    bpy.data.texts.new("run.py").use_module = True


@pytest.mark.parametrize(
    ("spoil", "kind", "target"),
    [
        (workbench, "engine", ""),
        (no_view_layer, "view_layer", ""),
        (override, "override", "ViewLayer"),
        (sequencer, "sequencer", ""),
        (stamp, "stamp", ""),
        (freestyle, "freestyle", ""),
        (motion_blur, "motion_blur", ""),
        (default_cube, "default_cube", "Cube"),
        (volume, "volume", "Odd"),
        (holdout, "holdout", "Odd"),
        (holdout_collection, "holdout", "Odd"),
        (holdout_shader, "holdout", "Odd"),
        (holdout_in_group, "holdout", "Odd"),
        (shadow_catcher, "shadow_catcher", "Odd"),
        (grease_pencil, "grease_pencil", "Drawing"),
        (texture_in_group, "texture", "gone"),
        (tiles, "texture", "gone"),
        (texture, "texture", "gone"),
        (resolution, "resolution", ""),
        (compositing, "compositing", ""),
        (frame, "frame", "Odd"),
        (driver, "driver", "Odd"),
        (world_driver, "frame", "Sky"),
        (script, "script", "run.py"),
    ],
)
def test_finds_and_mends(scene, spoil, kind, target):
    assert check.find_trouble(scene) == []
    spoil(scene)
    [trouble] = check.find_trouble(scene)
    assert (trouble.kind, trouble.target) == (kind, target)
    if kind in {"volume", "holdout", "shadow_catcher", "texture", "frame", "driver"} and target != "Sky":
        assert [item.name for item in check.objects_of(scene, kind, target)] == ["Odd"]
    if mending.mend_name(kind):
        mending.mend(scene, kind, target)
        assert check.find_trouble(scene) == []


def linked_scene(scene, tmp_path):
    """Put the odd object into a file of its own, and link it from there."""
    library = str(tmp_path / "library.blend")
    bpy.data.libraries.write(library, {odd()})
    bpy.data.batch_remove([odd(), bpy.data.meshes["Odd"], bpy.data.materials["Odd"]])
    with bpy.data.libraries.load(library, link=True) as (_, here):
        here.objects = ["Odd"]
    scene.collection.objects.link(here.objects[0])
    return here.objects[0], library


@pytest.mark.parametrize(
    ("spoil", "kind"), [(volume, "volume"), (holdout, "holdout"), (holdout_shader, "holdout")]
)
def test_what_is_linked_is_mended_in_its_own_file(scene, tmp_path, spoil, kind):
    spoil(scene)
    assert not mending.where_linked(scene, kind, "Odd")
    item, library = linked_scene(scene, tmp_path)
    [trouble] = check.find_trouble(scene)
    assert mending.where_linked(scene, trouble.kind, trouble.target) == library
    override = item.override_create(remap_local_usages=True)
    assert bool(mending.where_linked(scene, kind, override.name)) == (spoil is holdout_shader)


def test_what_is_gone_is_told(scene):
    with pytest.raises(KeyError):
        mending.where_linked(scene, "script", "gone.py")


def hide(_scene):
    odd().hide_render = True


def exclude(scene):
    holdout_collection(scene)
    layer = scene.view_layers[0].layer_collection.children["Held"]
    layer.holdout, layer.exclude = False, True


def hide_collection(scene):
    exclude(scene)
    scene.view_layers[0].layer_collection.children["Held"].exclude = False
    bpy.data.collections["Held"].hide_render = True


@pytest.mark.parametrize("put_away", [hide, exclude, hide_collection])
def test_what_is_not_rendered_does_not_disturb(scene, put_away):
    holdout(scene)
    put_away(scene)
    assert check.find_trouble(scene) == []


def muted_strip(scene):
    sequencer(scene)
    strips = getattr(scene.sequence_editor, "strips", None) or scene.sequence_editor.sequences
    strips[0].mute = True


def unused_freestyle(scene):
    freestyle(scene)
    scene.view_layers[0].use_freestyle = False


def no_sequencer(scene):
    sequencer(scene)
    scene.render.use_sequencer = False


def second_view_layer(scene):
    scene.view_layers.new("Second").use = False
    scene.view_layers["Second"].material_override = material("All")


def packed(_scene):
    image = bpy.data.images.new("inside", 4, 4)
    image.pack()
    image.filepath = "//gone.png"
    nodes().nodes.new("ShaderNodeTexImage").image = image


def tiles_that_are_there(_scene):
    from pathlib import Path

    folder = Path(bpy.app.tempdir)
    image = missing_image()
    image.source = "TILED"
    image.filepath = str(folder / "there.<UDIM>.png")
    image.tiles.new(1012)
    for number in (1001, 1012):
        (folder / f"there.{number}.png").write_bytes(b"")
    nodes().nodes.new("ShaderNodeTexImage").image = image


def cube_of_the_users(_scene):
    bpy.ops.mesh.primitive_cube_add(size=0.5)
    bpy.ops.mesh.primitive_cube_add(location=(3, 0, 0))


@pytest.mark.parametrize(
    "arrange",
    [
        muted_strip,
        unused_freestyle,
        no_sequencer,
        second_view_layer,
        packed,
        tiles_that_are_there,
        cube_of_the_users,
    ],
)
def test_no_false_alarm(scene, arrange):
    arrange(scene)
    assert check.find_trouble(scene) == []


def test_what_is_instanced_is_rendered_too(scene):
    collection = bpy.data.collections.new("Library")
    collection.objects.link(odd())
    scene.collection.objects.unlink(odd())
    holdout(scene)
    assert check.find_trouble(scene) == []
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(instance)
    [trouble] = check.find_trouble(scene)
    assert (trouble.kind, trouble.target) == ("holdout", "Odd")


def test_a_missing_library(scene, tmp_path):
    library = tmp_path / "library.blend"
    bpy.data.libraries.write(str(library), {odd()}, fake_user=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, linked):
        linked.objects = ["Odd"]
    scene.collection.objects.link(linked.objects[0])
    assert check.find_trouble(scene) == []
    library.unlink()
    [trouble] = check.find_trouble(scene)
    assert (trouble.kind, trouble.target) == ("library", "library.blend")


def test_a_new_file_has_nothing_but_the_cube():
    bpy.ops.wm.read_factory_settings()
    assert [trouble.kind for trouble in check.find_trouble(bpy.context.scene)] == ["default_cube"]
