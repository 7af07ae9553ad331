"""Flow and visibility, against rays cast at both moments, and what they cost."""

import motion
import numpy as np
import pytest
from defaults import FAST
from drake_like import DrakeScene, box, translation
from motion import ALL, EYE, FORWARD, LATER, LATER_EYE, LENS

from gltf_render_server.frame import Frame, Moment, View
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")

CASES = [
    motion.assert_bodies_and_camera_move,
    motion.assert_visibility_is_in_doubt_at_borders_only,
    motion.assert_backward_is_the_way_back,
    motion.assert_leads_to_the_same_point,
    motion.assert_at_rest,
    motion.assert_what_leaves_is_not_seen,
    motion.assert_animations_bend,
    motion.assert_each_bends_as_its_own_weights_say,
    motion.assert_many_views,
]


@pytest.fixture
def renderer(studio):
    return studio.renderer(FAST)


@pytest.mark.parametrize("check", CASES, ids=[case.__name__ for case in CASES])
def test_motion(renderer, check):
    check(renderer)


def test_history(studio):
    def fresh():
        studio.close()
        return studio.renderer(FAST)

    motion.assert_history_does_not_show(fresh)


def test_each_moment_is_shown_once_and_each_view_of_it_rendered_once(studio, monkeypatch):
    from gltf_render_server.blender.exact import ExactRender
    from gltf_render_server.blender.scene import ClientScene

    studio.close()
    renderer = studio.renderer(FAST)
    asset = motion.read(renderer, motion.table_top().document())
    shown, show = [], ClientScene.show
    drawn, draw = [], ExactRender._images
    monkeypatch.setattr(ClientScene, "show", lambda *args: shown.append(True) or show(*args))
    monkeypatch.setattr(ExactRender, "_images", lambda *args: drawn.append(True) or draw(*args))
    views = tuple(View(LENS, camera, name) for name, camera in (("a", EYE), ("b", LATER_EYE)))
    scene, then = asset.scene(), asset.scene(LATER)
    passes = ("flow_forward", "flow_backward")
    moments = {"before": Moment(then, (EYE, EYE)), "after": Moment(then, (EYE, LATER_EYE))}
    renderer.render(Frame(scene, views, passes, **moments))
    assert (len(shown), len(drawn)) == (1, 2), "flow needs no render of the other moments"
    renderer.render(Frame(scene, views, (*ALL, "depth"), **moments))
    assert (len(shown), len(drawn)) == (2, 4), "the four views of the other moments are two different ones"


def test_what_a_blend_brings_stands_still(studio, tmp_path):
    """A wall of the user's moves in the image as the camera does, and hides what goes behind it."""
    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(-0.6, -0.4, 0.5), scale=(0.5, 0.02, 1.0))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "wall.blend"))
    renderer = studio.renderer(ServerSettings(blend_file=tmp_path / "wall.blend"))
    floor = box((3, 3, 0.1), translation(0, 0, -0.05), 1)
    ball = box((0.3, 0.3, 0.3), translation(0.5, 0, 0.2), 2)
    made = DrakeScene([floor, ball], EYE)
    wall = box((0.5, 0.02, 1.0), translation(-0.6, -0.4, 0.5), 3)
    poses = {"g1": translation(-1.05, 0.0, 0.3)}
    asset = motion.read(renderer, made.document())
    arrays = motion.moving(
        renderer, asset.scene(), asset.scene(poses), passes=(*FORWARD, "instance", "depth")
    )
    is_wall = (arrays["instance"] == 0) & np.isfinite(arrays["depth"])
    assert is_wall.sum() > 100
    whole = DrakeScene([floor, ball, wall], EYE)
    truth = motion.truth_of(motion.placed(whole, {}), motion.placed(whole, poses))
    motion.assert_true(arrays["flow_forward"], arrays["visible_forward"], truth, unsure=0.02)
    is_ball = arrays["instance"] == 2
    assert arrays["visible_forward"][is_ball].mean() < 0.6, "most of it is behind the wall"
    at_rest = motion.moving(renderer, asset.scene(), asset.scene(), later=EYE)
    assert not at_rest["flow_forward"][is_wall].any()
    assert at_rest["visible_forward"][is_wall].all()
    studio.close()


def test_recorded_frames(renderer, tmp_path):
    motion.assert_recorded_frames_are_the_same(renderer, tmp_path / "recording")
