"""What is read of a render without a file is what Blender would have written into one."""

import gc
from contextlib import contextmanager

import numpy as np
import OpenEXR
import pytest

from gltf_render_server.errors import RenderError
from gltf_render_server.frame import Lens
from gltf_render_server.passes import Window

bpy = pytest.importorskip("bpy")

LENS = Lens(64, 48, 60.0, 58.0, 30.0, 25.0, 0.1, 10.0)
INDEX = 32700


@contextmanager
def exact_scene(name="Read Back"):
    """A triangle before the camera, which covers a part of the picture."""
    from gltf_render_server.blender import engines

    scene = bpy.data.scenes.new(name)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-0.7, -0.6, -3.0), (1.1, -0.2, -2.0), (0.1, 0.9, -2.5)], [], [(0, 1, 2)])
    corners = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    mesh.uv_layers.new(name="UV").data.foreach_set("uv", corners.reshape(-1))
    eye, item = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye")), bpy.data.objects.new(name, mesh)
    item.pass_index = INDEX
    try:
        for thing in (eye, item):
            scene.collection.objects.link(thing)
        scene.camera = eye
        engines.make_exact(scene)
        scene.view_layers[0].use_pass_uv = scene.view_layers[0].use_pass_normal = True
        yield scene
    finally:
        bpy.data.batch_remove([scene, item, mesh, eye.data, eye])


def rendered(scene, lens=LENS, window=None):
    from gltf_render_server.blender.lens import blender_camera
    from gltf_render_server.blender.rendering import rendered_exact

    return rendered_exact(scene, blender_camera(lens), window)


def written(scene, path):
    """What Blender writes of a scene, by the names of the passes and their channels."""
    from gltf_render_server.blender import compat

    compat.set_image_format(scene.render.image_settings, "OPEN_EXR_MULTILAYER")
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name: item.pixels for part in file.parts for name, item in part.channels.items()}
    return {".".join(name.split(".")[-2:]): pixels for name, pixels in channels.items()}


@pytest.mark.parametrize("window", [None, Window(10, 5, 50, 40)], ids=["all", "a window"])
def test_it_is_what_blender_writes(tmp_path, window):
    from gltf_render_server.blender.compat import OBJECT_INDEX_PASS

    with exact_scene() as scene:
        passes = rendered(scene, window=window)
        truth = written(scene, tmp_path / "all.exr")
    axes = {"Depth": "Z", OBJECT_INDEX_PASS: "X", "UV": "UVA", "Normal": "XYZ"}
    assert passes.keys() == axes.keys()
    for name, letters in axes.items():
        assert passes[name].dtype == np.float32
        for letter, plane in zip(letters, np.moveaxis(passes[name], 2, 0), strict=True):
            np.testing.assert_array_equal(plane, truth[f"{name}.{letter}"], f"{name}.{letter}")
    assert set(np.unique(passes[OBJECT_INDEX_PASS])) == {0, INDEX}


def test_a_picture_larger_than_a_tile_of_cycles_is_all_there():
    lens = Lens(2100, 8, 1000.0, 1000.0, 1050.0, 4.0, 0.1, 10.0)
    with exact_scene() as scene:
        assert lens.width > scene.cycles.tile_size
        depth = rendered(scene, lens)["Depth"][..., 0]
    assert depth.shape == (8, 2100)
    assert (depth > 1.9).all(), "what is hit is two metres away, and what is not, much farther"
    assert (depth < 3.1).any()


def test_what_is_rendered_of_another_scene_is_not_read():
    from gltf_render_server.blender.results import reading_passes

    with exact_scene() as scene, exact_scene("Other") as other:
        other.render.resolution_x = other.render.resolution_y = 16
        with reading_passes(scene, {"Depth"}) as passes:
            bpy.ops.render.render(scene=other.name)
            assert not passes
        with reading_passes(other, {"Depth"}) as passes:
            bpy.ops.render.render(scene=other.name)
        assert passes["Depth"].shape == (16, 16, 1)


def test_a_failed_render_is_told_and_leaves_nothing_behind():
    import cycles

    render = cycles.CyclesRender.render
    with exact_scene() as scene:
        scene.camera = None
        with pytest.raises(RenderError, match=r"could not render: .*[Cc]amera"):
            rendered(scene)
    assert cycles.CyclesRender.render is render


def test_memory_that_lacks_is_told():
    """As numpy does, and no engine stays that the error would hold on to."""
    from gltf_render_server.blender import results

    class Names:
        def __contains__(self, name):
            raise MemoryError(name)

    with (
        exact_scene() as scene,
        pytest.raises(MemoryError, match="Combined"),
        results.reading_passes(scene, Names()),
    ):
        bpy.ops.render.render(scene=scene.name)
    gc.collect()
    assert not [item for item in gc.get_objects() if type(item).__name__ == "CyclesRender"]
