"""Objects by themselves: masks and the table of them, and that nothing of these renders stays."""

import alone
import numpy as np
import pytest
from defaults import FAST
from drake_like import DrakeScene, box, look_at, sphere, translation
from rigs import read, views_from

from gltf_render_server.frame import Frame
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")


@pytest.fixture
def renderer(studio):
    return studio.renderer()


@pytest.mark.parametrize("lens", alone.LENSES, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_masks_are_of_objects_alone(renderer, seed, lens):
    alone.assert_masks_are_of_objects_alone(renderer, seed, lens)


@pytest.mark.parametrize("make", [alone.aligned, alone.furnished])
def test_each_image_of_the_canvas(renderer, make):
    alone.assert_masks_of_a_canvas(renderer, make(1), alone.LENSES[0])


@pytest.mark.parametrize("eye", [(0.3, 0.2, 0.1), (300, -4e3, 20)], ids=str)
def test_from_within_and_from_afar(renderer, eye):
    alone.assert_masks_are_of_objects_alone(renderer, 5, alone.LENSES[2], look_at(eye, (0, 0, 0)))


def test_the_canvas_is_larger(renderer):
    alone.assert_the_canvas_is_larger(renderer, 7)


def test_objects_of_every_kind(renderer):
    alone.assert_objects_of_every_kind(renderer)


def test_what_is_behind_or_beside(renderer):
    alone.assert_nothing_of_what_is_behind(renderer)


def test_nothing_at_all(renderer):
    alone.assert_nothing_at_all(renderer)


def test_keypoints(renderer):
    alone.assert_keypoints(renderer)


def test_no_trace(renderer, table):
    alone.assert_no_trace(renderer, table)


def test_known_views_stay_known(studio, table):
    studio.close()
    renderer = studio.renderer()
    scene, views = read(renderer, table.document()), views_from()
    renderer.render(Frame(scene, views, ("depth",)))
    for _ in range(6):
        renderer.render(Frame(scene, views, ("mask_amodal",)))
    assert "render" not in renderer.render(Frame(scene, views, ("depth",))).stages_ms


def test_more_objects_than_pass_indices(studio, monkeypatch):
    from gltf_render_server.blender import base

    scene, masks = alone.cluttered(3), []
    for largest in (32767, 3):
        monkeypatch.setattr(base, "_LARGEST_PASS_INDEX", largest)
        studio.close()
        renderer = studio.renderer()
        frame = Frame(read(renderer, scene.document()), views_from()[:1], ("mask_amodal",))
        masks.append(renderer.render(frame).views[0]["mask_amodal"])
    studio.close()
    assert masks[0].any()
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("place", ["scene", "collection", "nested collection", "instanced collection"])
def test_what_is_the_user_s_hides_nothing(studio, tmp_path, place):
    """A wall of the user's own stands before the objects: they are behind it, and whole by themselves."""
    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, -2, 0))
    wall = bpy.context.object
    wall.scale = (3, 0.1, 0.3)
    put(wall, place)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "wall.blend"))
    bodies = [box((0.8, 0.5, 1), translation(-0.5, 0, 0), 1), sphere(0.4, translation(0.5, 0, 0), 2)]
    document = DrakeScene(bodies, alone.POSE).document("label")
    views = (alone.View(alone.LENSES[0], alone.POSE),)

    plain = studio.renderer()
    [expected] = plain.render(Frame(read(plain, document), views, alone.PASSES)).views
    behind = studio.renderer(ServerSettings(blend_file=tmp_path / "wall.blend", samples=FAST.samples))
    scene = read(behind, document)
    for _ in range(2):
        [found] = behind.render(Frame(scene, views, ("mask_amodal",))).views
        np.testing.assert_array_equal(found["mask_amodal"], expected["mask_amodal"])
        [found] = behind.render(Frame(scene, views, alone.PASSES)).views
        np.testing.assert_array_equal(found["mask_amodal"], expected["mask_amodal"])
        assert 3.9 < found["depth"][18, 24] < 4
        for row, without in zip(found["instances"], expected["instances"], strict=True):
            assert row.pixels_all == without.pixels_all
            assert 0 < row.pixels < 0.7 * without.pixels
    studio.close()


def put(item, place):
    """Put an object in the scene, or in a collection of it."""
    scene = bpy.context.scene
    if place == "scene":
        return
    scene.collection.objects.unlink(item)
    outer, inner = bpy.data.collections.new("Outer"), bpy.data.collections.new("Inner")
    (inner if place == "nested collection" else outer).objects.link(item)
    outer.children.link(inner)
    if place != "instanced collection":
        scene.collection.children.link(outer)
        return
    holder = bpy.data.objects.new("Holder", None)
    holder.instance_type, holder.instance_collection = "COLLECTION", outer
    scene.collection.objects.link(holder)
