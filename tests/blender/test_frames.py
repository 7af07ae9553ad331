"""Frames of several views and passes: what each costs, and that it is what it would be alone."""

import json
import random

import numpy as np
import pytest
from defaults import FAST
from drake_like import DrakeScene, box, look_at, oracle, sphere, translation
from exactness import assert_depth_exact
from rigs import (
    EXACT,
    EYES,
    LENSES,
    assert_a_new_pass_works,
    assert_each_as_alone,
    assert_objects_are_told_apart,
    hiding,
    read,
    views_from,
)

from gltf_render_server.frame import Frame
from gltf_render_server.labels import DONT_CARE
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

ALL = ("color", *EXACT)


@pytest.fixture
def renders(monkeypatch):
    """The names of Blender's scenes, each time that one is rendered."""
    from gltf_render_server.blender import rendering

    names, own = [], rendering.compat.quiet

    class Counted:
        def __enter__(self):
            names.append(True)
            self.inner = own()
            return self.inner.__enter__()

        def __exit__(self, *error):
            return self.inner.__exit__(*error)

    monkeypatch.setattr(rendering.compat, "quiet", Counted)
    return names


@pytest.fixture
def renderer(studio):
    """A renderer that has rendered nothing yet."""
    studio.close()
    return studio.renderer()


def coincident():
    """Boxes and balls that share faces: which of two is hit must not depend on what came before."""
    boxes = [box((0.6, 0.6, 0.6), translation(0.2 * x, 0, 0.3), 10 + x) for x in range(5)]
    balls = [sphere(0.4, translation(0, 0, 0.3), 20 + index, rings=6) for index in range(3)]
    floors = [box((3, 3, 0.02), translation(0, 0, 0), 30 + index) for index in range(3)]
    return DrakeScene([*boxes, *balls, *floors], look_at(EYES[0], (0, 0, 0.3)))


def test_each_view_is_what_it_would_be_alone(renderer, table):
    scene = read(renderer, table.document())
    assert_each_as_alone(renderer, Frame(scene, views_from(), ALL))


@pytest.mark.parametrize("shift", [(300.0, -40.0, 8.0), (5e5, -4e6, 300.0)], ids=str)
def test_a_rig_far_from_the_origin(renderer, table, shift):
    moved = [
        box((0.5, 0.4, 0.6), translation(*np.add(shift, (-0.3, 0.1, 0.3))), 2),
        sphere(0.35, translation(*np.add(shift, (0.5, -0.2, 0.35))), 300),
    ]
    views = views_from(shift=shift)
    scene = read(renderer, DrakeScene(moved, views[0].camera_to_world).document())
    for view, arrays in zip(views, renderer.render(Frame(scene, views, EXACT)).views, strict=True):
        truth = oracle(DrakeScene(moved, view.camera_to_world), view.lens)
        assert_depth_exact(arrays["depth"][truth.is_sharp], truth.depth[truth.is_sharp])


def test_cameras_far_from_each_other(renderer):
    """Each is as exact as if it were alone, and so are its bytes."""
    shifts = ((0, 0, 0), (5000.0, 0, 0), (5e5, -4e6, 300.0))
    bodies = [
        body
        for number, shift in enumerate(shifts)
        for body in (
            box((0.5, 0.4, 0.6), translation(*shift), 2 + number),
            sphere(0.3, translation(*np.add(shift, (0.3, 0, 0.2))), 20 + number, rings=5),
        )
    ]
    views = tuple(views_from(shift=shift)[index] for index, shift in enumerate(shifts))
    scene = read(renderer, DrakeScene(bodies, views[0].camera_to_world).document("label"))
    frame = Frame(scene, views, ALL)
    assert_each_as_alone(renderer, frame)
    for number, (view, arrays) in enumerate(zip(views, renderer.render(frame).views, strict=True)):
        truth = oracle(DrakeScene(bodies, view.camera_to_world), view.lens)
        assert_depth_exact(arrays["depth"][truth.is_sharp], truth.depth[truth.is_sharp])
        assert {2 + number, 20 + number} <= set(arrays["label"].ravel().tolist())


def test_one_update_and_one_render_for_the_exact_passes_of_each_view(renderer, renders, table, monkeypatch):
    from gltf_render_server.blender.scene import ClientScene

    shown, show = [], ClientScene.show
    monkeypatch.setattr(ClientScene, "show", lambda *args: shown.append(True) or show(*args))
    scene = read(renderer, table.document())
    views = views_from()
    renderer.render(Frame(scene, views, EXACT))
    assert (len(shown), len(renders)) == (1, len(views))
    stages = renderer.render(Frame(scene, views, EXACT)).stages_ms
    assert (len(shown), len(renders)) == (1, len(views)), "they are known"
    assert "render" not in stages
    renderer.render(Frame(scene, views, ("color", "depth")))
    assert (len(shown), len(renders)) == (2, 2 * len(views) + 1), "and the importer once"
    renderer.render(Frame(scene, views[::-1], ("color",)))
    assert (len(shown), len(renders)) == (3, 3 * len(views) + 1)


def test_objects_are_told_apart(renderer):
    assert_objects_are_told_apart(renderer)


def test_a_new_pass(renderer, table):
    assert_a_new_pass_works(renderer, table)


def exact_bytes(renderer, document, views):
    rendered = renderer.render(Frame(read(renderer, document), views, EXACT)).views
    return [tuple(arrays[name].tobytes() for name in EXACT) for arrays in rendered]


def test_what_labels_hide_leaves_no_trace(studio, renderer, monkeypatch):
    """In any order, with surfaces that coincide, and nothing is loaded again or begun anew."""
    from gltf_render_server.blender.scene import ClientScene

    scene, views = coincident(), views_from()
    documents = [hiding(scene.document("label"), *hidden) for hidden in ((), (0, 6), (2, 8, 9), range(11))]
    truth = []
    for document in documents:
        studio.close()
        truth.append(exact_bytes(studio.renderer(), document, views))
    assert len({item for pictures in truth for item in pictures}) > 12
    studio.close()
    renderer = studio.renderer()
    exact_bytes(renderer, documents[0], views)
    meshes = {mesh.as_pointer() for mesh in bpy.data.meshes}
    forgotten, forget = [], ClientScene.forget_render
    monkeypatch.setattr(ClientScene, "forget_render", lambda self: forgotten.append(True) or forget(self))
    monkeypatch.setattr("gltf_render_server.recent.RecentViews.find", lambda *_: None)
    order = list(range(len(documents))) * 4
    random.Random(1).shuffle(order)
    for index in order:
        assert exact_bytes(renderer, documents[index], views) == truth[index], index
    assert not forgotten
    assert {mesh.as_pointer() for mesh in bpy.data.meshes} == meshes


def test_more_objects_than_pass_indices(studio, monkeypatch):
    """Numbers have as many digits as it takes; a user's objects have taken most."""
    from gltf_render_server.blender import base

    scene, views = coincident(), views_from()
    few = []
    for largest in (32767, 3):
        monkeypatch.setattr(base, "_LARGEST_PASS_INDEX", largest)
        studio.close()
        few.append(exact_bytes(studio.renderer(), scene.document("label"), views))
    assert few[0] == few[1]
    studio.close()


def test_an_object_of_the_user_s_own(studio, tmp_path, table):
    """It shows in depth, in front of what is the client's, and has neither label nor number."""
    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=0.2, location=(0.8, -0.95, 0.8))
    bpy.context.object.pass_index = 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cube.blend"))
    views = views_from()[:1]
    alone = studio.renderer(FAST)
    [without] = alone.render(Frame(read(alone, table.document("label")), views, EXACT)).views
    renderer = studio.renderer(ServerSettings(blend_file=tmp_path / "cube.blend"))
    [within] = renderer.render(Frame(read(renderer, table.document("label")), views, EXACT)).views
    is_cube = within["depth"] < without["depth"] - 0.05
    assert is_cube.sum() > 20
    assert (within["instance"][is_cube] == 0).all()
    assert (within["label"][is_cube] == DONT_CARE).all()
    for name in ("instance", "label"):
        np.testing.assert_array_equal(within[name][~is_cube], without[name][~is_cube])
    studio.close()


def test_views_of_one_name_and_one_lens(renderer, table):
    """A view twice is rendered twice, as a client may ask."""
    scene = read(renderer, table.document())
    view = views_from()[0]
    first, second = renderer.render(Frame(scene, (view, view), ALL)).views
    for name in ALL:
        np.testing.assert_array_equal(first[name], second[name])


def test_nothing_placed(renderer):
    document = DrakeScene([], look_at(EYES[0], (0, 0, 0))).document()
    views = views_from()
    for view, arrays in zip(
        views, renderer.render(Frame(read(renderer, document), views, ALL)).views, strict=True
    ):
        assert np.isinf(arrays["depth"]).all()
        assert not arrays["instance"].any()
        assert (arrays["label"] == DONT_CARE).all()
        assert arrays["color"].shape == (view.lens.height, view.lens.width, 3)
    assert len(LENSES) == len(views)
    assert json.dumps(document)
