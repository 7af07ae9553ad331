"""Flow and visibility; see tests/blender/test_motion.py."""

from contextlib import ExitStack, closing

import motion
import pytest

from gltf_render_server.settings import ServerSettings

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


@pytest.mark.parametrize("check", CASES, ids=[case.__name__ for case in CASES])
def test_motion(renderer, check):
    check(renderer)


def test_history():
    from gltf_render_server.vtk import VtkRenderer

    with ExitStack() as stack:
        motion.assert_history_does_not_show(
            lambda: stack.enter_context(closing(VtkRenderer(ServerSettings())))
        )


def test_recorded_frames(renderer, tmp_path):
    motion.assert_recorded_frames_are_the_same(renderer, tmp_path / "recording", "--backend", "vtk")
