"""Frames of several views and passes; see tests/blender/test_frames.py."""

import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, oracle, sphere, translation
from exactness import assert_depth_exact
from rigs import (
    EXACT,
    assert_a_new_pass_works,
    assert_each_as_alone,
    assert_objects_are_told_apart,
    hiding,
    read,
    views_from,
)

from gltf_render_server.frame import Frame


def test_each_view_is_what_it_would_be_alone(renderer, table):
    scene = read(renderer, table.document())
    assert_each_as_alone(renderer, Frame(scene, views_from(), ("color", *EXACT)))


def test_one_drawing_for_the_exact_passes_of_each_view(renderer, table, monkeypatch):
    drawn, draw = [], type(renderer._canvas).draw
    monkeypatch.setattr(
        type(renderer._canvas), "draw", lambda *args, **more: drawn.append(True) or draw(*args, **more)
    )
    renderer.render(Frame(read(renderer, table.document()), views_from(), EXACT))
    assert len(drawn) == len(views_from())


@pytest.mark.parametrize("shift", [(5000.0, 0, 0), (5e5, -4e6, 300.0)], ids=str)
def test_cameras_far_from_each_other(renderer, shift):
    bodies = [
        body
        for where in ((0, 0, 0), shift)
        for body in (box((0.5, 0.4, 0.6), translation(*where), 2), sphere(0.3, translation(*where), 3))
    ]
    views = (views_from()[0], views_from(shift=shift)[1])
    scene = read(renderer, DrakeScene(bodies, look_at((1, 1, 1), (0, 0, 0))).document("label"))
    for view, arrays in zip(views, renderer.render(Frame(scene, views, EXACT)).views, strict=True):
        truth = oracle(DrakeScene(bodies, view.camera_to_world), view.lens)
        assert_depth_exact(arrays["depth"][truth.is_sharp], truth.depth[truth.is_sharp])


def test_objects_are_told_apart(renderer):
    assert_objects_are_told_apart(renderer)


def test_a_new_pass(renderer, table):
    assert_a_new_pass_works(renderer, table)


def test_what_a_label_hides_shows_in_depth(renderer, table):
    scene = read(renderer, hiding(table.document("label"), 1))
    views = renderer.render(Frame(scene, views_from(), EXACT)).views
    for arrays in views:
        is_box = arrays["instance"] == 2
        assert (arrays["label"][is_box] != 2).all()
        assert np.isfinite(arrays["depth"][is_box]).all()
    assert any((arrays["instance"] == 2).any() for arrays in views)
