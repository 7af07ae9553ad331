"""What has holes, in Blender's exact render: the cases of `cutout_cases`."""

from dataclasses import replace

import cutout_cases
import numpy as np
import pytest
from cutout_cases import arrays, cards, checker, cut
from drake_like import translation
from test_history import counted


@pytest.fixture
def renderer(studio):
    return studio.renderer()


@pytest.mark.parametrize("name", cutout_cases.SAMPLERS)
def test_every_sampler(renderer, name):
    cutout_cases.assert_every_sampler(renderer, name)


@pytest.mark.parametrize("threshold", [0.1, 0.35, 0.6])
def test_every_alpha(renderer, threshold):
    cutout_cases.assert_every_alpha(renderer, threshold)


def test_vertices_alone(renderer):
    cutout_cases.assert_vertices_alone(renderer)


@pytest.mark.parametrize(("mode", "factor", "threshold", "is_there"), cutout_cases.CONSTANTS)
def test_an_alpha_that_is_the_same_everywhere(renderer, mode, factor, threshold, is_there):
    cutout_cases.assert_constant(renderer, mode, factor, threshold, is_there=is_there)


def test_an_alpha_that_is_the_threshold(renderer):
    cutout_cases.assert_equal_is_solid(renderer)


def test_a_stack_of_layers(renderer):
    cutout_cases.assert_stack(renderer)


def test_solid_where_nothing_is_asked(renderer):
    cutout_cases.assert_solid_without(renderer)


def test_any_history(studio):
    def fresh():
        studio.close()
        return studio.renderer()

    cutout_cases.assert_any_history(fresh)


def test_holes_are_those_of_colour(studio):
    """What colour cuts out by a mask, the exact passes do."""
    material = cut(alphaCutoff=0.4, texture={"extensions": {"KHR_texture_transform": cutout_cases.TRANSFORM}})
    material["extensions"] = {"KHR_materials_unlit": {}}
    document = cards((material, -2.0), alpha=cutout_cases.noise(), sampler={"wrapS": cutout_cases.MIRROR})
    frame = cutout_cases.frame(studio.renderer(), document, passes=("color", "instance"))
    frame = replace(frame, look=replace(frame.look, transparent=True, samples=16))
    [view] = studio.renderer().render(frame).views
    covered = view["color"][..., 3]
    is_clear = (covered == 0) | (covered == 255)
    assert is_clear.mean() > 0.7
    np.testing.assert_array_equal((covered == 255)[is_clear], (view["instance"] > 0)[is_clear])


def test_nothing_stays_in_blender(studio):
    """Materials and images go with the surfaces, and one serves all surfaces that it is on."""
    renderer = studio.renderer()
    many = cards(*[(cut(texture={}), -2.0 - index) for index in range(5)], alpha=checker())
    one = cards((cut("BLEND", texture={}), -2.0), alpha=cutout_cases.noise(4))

    places = (translation(0, 0, z) for z in np.linspace(0.1, 0.5, 20))  # each view is rendered

    def show(document):
        arrays(renderer, document, passes=("depth",), pose=next(places))
        return counted()

    first, other, solid = show(many), show(one), show(cards((cutout_cases.PLAIN, -2.0)))
    assert first["Image"] - solid["Image"] == first["Material"] - solid["Material"] == 1
    for _ in range(3):
        assert (show(many), show(one)) == (first, other)
    assert show(cards((cutout_cases.PLAIN, -2.0))) == solid
