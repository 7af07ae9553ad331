"""Outlines, drawn again by pycocotools and by a filler of this file."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from gltf_render_server.dataset.formats.outlines import joined, outlines

# pycocotools 2.0.11 is older than numpy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(polygons, shape):
    """What pycocotools makes of polygons."""
    if not polygons:
        return np.zeros(shape, bool)
    found = coco_mask.frPyObjects([polygon.ravel().tolist() for polygon in polygons], *shape)
    return coco_mask.decode(coco_mask.merge(found)).astype(bool)


def windings(polygon, shape):
    """How often a polygon goes around the centre of each pixel, clockwise."""
    found = np.zeros(shape, int)
    for (x, y), (to_x, to_y) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        assert x == to_x or y == to_y
        found[y:, min(x, to_x) : max(x, to_x)] += np.sign(to_x - x)
    return found


def islands(mask):
    """The parts that hang together by edges, as masks."""
    found, left = [], mask.copy()
    while left.any():
        part = np.zeros_like(mask)
        part[np.unravel_index(left.argmax(), mask.shape)] = True
        while True:
            wide = np.pad(part, 1)
            grown = mask & (
                wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
            )
            if (grown == part).all():
                break
            part = grown
        found.append(part)
        left &= ~part
    return found


@given(MASKS)
@settings(max_examples=400, deadline=None)
def test_a_polygon_is_its_part_of_the_mask(mask):
    polygons = outlines(mask)
    parts = islands(mask)
    assert len(polygons) == len(parts)
    for polygon, part in zip(polygons, parts, strict=True):
        np.testing.assert_array_equal(windings(polygon, mask.shape), part)
        np.testing.assert_array_equal(drawn([polygon], mask.shape), part)
        steps = np.sign(np.roll(polygon, -1, 0) - polygon)
        assert (np.abs(steps).sum(1) == 1).all()
        assert (steps != np.roll(steps, 1, 0)).any(1).all()
    np.testing.assert_array_equal(drawn(polygons, mask.shape), mask)


@given(MASKS.filter(np.any))
@settings(max_examples=300, deadline=None)
def test_polygons_that_are_joined_fill_the_same_pixels(mask):
    polygon = joined(outlines(mask))
    np.testing.assert_array_equal(drawn([polygon], mask.shape), mask)


@pytest.mark.parametrize(
    ("rows", "polygons"),
    [
        ([""], []),
        (["..", ".."], []),
        (["#"], [[(0, 0), (1, 0), (1, 1), (0, 1)]]),
        (["###", "###"], [[(0, 0), (3, 0), (3, 2), (0, 2)]]),
        (["#.", ".#"], [[(0, 0), (1, 0), (1, 1), (0, 1)], [(1, 1), (2, 1), (2, 2), (1, 2)]]),
        (
            ["###", "#.#", "###"],
            [[(0, 0), (1, 0), (1, 2), (2, 2), (2, 1), (1, 1), (1, 0), (3, 0), (3, 3), (0, 3)]],
        ),
    ],
)
def test_outlines_of(rows, polygons):
    mask = np.array([[letter == "#" for letter in row] for row in rows], bool)
    assert [[tuple(corner) for corner in polygon] for polygon in outlines(mask)] == polygons


def test_holes_below_holes_are_no_matter_of_depth():
    ladder = np.ones((4001, 3), bool)
    ladder[1::2, 1] = False
    [polygon] = outlines(ladder)
    np.testing.assert_array_equal(drawn([polygon], ladder.shape), ladder)


def test_noise_takes_seconds_at_most():
    noise = np.random.default_rng(1).random((240, 320)) < 0.6
    begin = time.process_time()
    polygons = outlines(noise)
    whole = joined(polygons)
    assert time.process_time() - begin < 10
    np.testing.assert_array_equal(drawn(polygons, noise.shape), noise)
    np.testing.assert_array_equal(drawn([whole], noise.shape), noise)
