"""The scene check finds what disturbs, and mends what can be mended."""

import importlib

import pytest

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")
check = importlib.import_module("blender_addon.scene_check")


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


def volume(_scene):
    output = next(node for node in nodes().nodes if node.type == "OUTPUT_MATERIAL")
    nodes().links.new(nodes().nodes.new("ShaderNodeVolumePrincipled").outputs[0], output.inputs["Volume"])


def holdout(_scene):
    odd().is_holdout = True


def holdout_shader(_scene):
    nodes().nodes.new("ShaderNodeHoldout")


def texture(_scene):
    image = bpy.data.images.new("gone", 4, 4)
    image.source = "FILE"
    image.filepath = "//gone.png"
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


def script(_scene):
    bpy.data.texts.new("run.py").use_module = True


@pytest.mark.parametrize(
    ("spoil", "kind", "target"),
    [
        (volume, "volume", "Odd"),
        (holdout, "holdout", "Odd"),
        (holdout_shader, "holdout", "Odd"),
        (texture, "texture", "gone"),
        (resolution, "resolution", ""),
        (compositing, "compositing", ""),
        (frame, "frame", "Odd"),
        (driver, "driver", "Odd"),
        (script, "script", "run.py"),
    ],
)
def test_finds_and_mends(scene, spoil, kind, target):
    assert check.find_trouble(scene) == []
    spoil(scene)
    [trouble] = check.find_trouble(scene)
    assert (trouble.kind, trouble.target) == (kind, target)
    if kind in {"volume", "holdout", "texture", "frame", "driver"}:
        assert [item.name for item in check.objects_of(scene, kind, target)] == ["Odd"]
    if check.can_mend(kind):
        check.mend(scene, kind, target)
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
    assert not check.where_linked(scene, kind, "Odd")
    item, library = linked_scene(scene, tmp_path)
    [trouble] = check.find_trouble(scene)
    assert check.where_linked(scene, trouble.kind, trouble.target) == library
    override = item.override_create(remap_local_usages=True)
    assert bool(check.where_linked(scene, kind, override.name)) == (spoil is holdout_shader)


def test_what_is_gone_is_told(scene):
    with pytest.raises(KeyError):
        check.where_linked(scene, "script", "gone.py")


def test_what_is_not_rendered_does_not_disturb(scene):
    holdout(scene)
    odd().hide_render = True
    assert check.find_trouble(scene) == []
