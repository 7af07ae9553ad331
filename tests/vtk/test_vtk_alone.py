"""Objects by themselves; see tests/blender/test_alone.py."""

import alone
import pytest
from drake_like import look_at


@pytest.mark.parametrize("lens", alone.LENSES, ids=str)
@pytest.mark.parametrize("seed", range(3))
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
