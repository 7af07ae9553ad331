"""Any pass as a picture for a person: what is shown follows from the row."""

import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from gltf_render_server.errors import RequestError
from gltf_render_server.false_colours import DARK, LINEAR, false_colours, legend, value_range
from gltf_render_server.passes import PASSES

GREY, WHITE, BLACK = (DARK,) * 3, (255,) * 3, (0,) * 3
LOW, HIGH = (68, 1, 84), (253, 231, 37)
NAN = np.nan


def row_like(name, **changes):
    """Make a row whose name nobody knows."""
    return replace(PASSES[name], name="unheard_of", **changes)


def colours(array, row, scale=None):
    """Return the colours of an image of one row of pixels."""
    shown = false_colours(array, row, scale)
    assert (shown.dtype, shown.shape) == (np.uint8, (*array.shape[:2], 3))
    return shown[0].tolist()


def line(*values, dtype=np.float32):
    return np.array([values], dtype)


@pytest.mark.parametrize("name", [name for name, row in PASSES.items() if row.is_image])
def test_every_row_shows_an_array_whatever_it_holds(name):
    row = PASSES[name]
    for channels in row.channels:
        shape = (5, 7) if channels == 1 else (5, 7, channels)
        for array in (np.zeros(shape, row.dtype), np.ones(shape, row.dtype), np.arange(35 * channels)):
            array = array.reshape(shape).astype(row.dtype)
            shown = false_colours(array, name)
            assert (shown.dtype, shown.shape) == (np.uint8, (5, 7, 3))
            assert isinstance(legend(array, name), str)
        if row.nothing is not None:
            empty = np.full(shape, row.nothing, row.dtype)
            dark = 0 if row.dtype == "uint8" else DARK  # a mask is black and white
            assert np.unique(false_colours(empty, row)).tolist() == [255 if row.nothing == np.inf else dark]
            assert row.span or re.match(r"empty$|$|.*\bno |white at 0 of", legend(empty, row))


def test_the_rows_say_what_nothing_is():
    told = {name: row.nothing for name, row in PASSES.items()}
    assert told["color"] is None
    assert (told["depth"], told["distance"]) == (np.inf, np.inf)
    assert (told["instance"], told["material"], told["label"]) == (0, 0, 32764)
    assert all(np.isnan(told[name]) for name in ("normal", "position", "object_coordinates", "nocs", "uv"))


def test_single_values_run_through_the_colour_map():
    row = row_like("depth")
    assert colours(line(1, 3, np.inf, NAN), row) == [[*LOW], [*HIGH], [*WHITE], [*GREY]]
    assert colours(line(0, 2, 4), row, (1, 3))[::2] == [[*LOW], [*HIGH]], "what lies beyond is at the ends"
    known = np.array(mpl.colormaps["viridis"].colors)[None] * 255
    shown = false_colours(np.arange(256, dtype=np.float32)[None], row, (0, 255))
    assert abs(shown.astype(float) - known).max() < 8


def test_the_range_leaves_outliers_out_and_is_told():
    metres = np.linspace(1, 2, 1000, dtype=np.float32).reshape(10, 100)
    metres[0, 0], metres[0, 1], metres[0, 2] = 900, np.inf, NAN
    np.testing.assert_allclose(value_range("depth", metres), [[1.01, 1.99]], atol=4e-3)
    np.testing.assert_allclose(value_range("depth", metres, percentiles=(0, 100))[0, 1], 900)
    assert legend(metres, "depth") == "1.01 to 1.99 m"
    assert legend(metres, "depth", (0.5, 3.125)) == "0.50 to 3.12 m"
    both = value_range("depth", line(1, 2), line(5, 0.5))
    np.testing.assert_array_equal(both, [[0.5, 5]])
    assert value_range("depth", line(np.inf, NAN)) is None
    assert legend(line(0.00101, 0.00102), "depth") == "0.0010100 to 0.0010200 m"


def test_numbers_have_colours_of_their_own_always():
    few = colours(line(0, 1, 2, 3, dtype=np.uint16), "instance")
    assert few[0] == [*GREY]
    assert colours(line(3, 70_000, 1, dtype=np.uint32), "instance")[::2] == [few[3], few[1]]
    many = false_colours(np.arange(1, 501, dtype=np.uint16)[None], "material")[0]
    assert len(np.unique(many, axis=0)) > 480
    assert many.max(1).min() > 200
    labels = colours(line(0, 7, 32764, dtype=np.uint16), "label")
    assert (labels[0] == [*GREY], labels[2]) == (False, [*GREY]), "0 is a label like others"
    assert legend(line(0, 7, 32764, dtype=np.uint16), "label") == "labels 0, 7, in colours of their own"
    assert legend(np.arange(9, dtype=np.uint16)[None], "instance").startswith("8 instances,")
    assert legend(line(0, dtype=np.uint16), "instance") == "no instance"
    signed = row_like("instance", dtype="int32", nothing=-1)
    assert colours(line(-1, 0, dtype=np.int32), signed)[0] == [*GREY]


def test_unit_vectors_become_red_green_and_blue():
    normals = np.float32([[(1, 0, 0), (0, -1, 0), (NAN, NAN, NAN)]])
    assert colours(normals, "normal") == [[255, 128, 128], [128, 0, 128], [*GREY]]
    assert legend(normals, "normal_world") == "-1.00 to 1.00"


def test_points_are_scaled_by_each_axis():
    points = np.float32([[(-1, 10, 0), (1, 30, 0), (0, 20, 0), (NAN,) * 3]])
    assert colours(points, "position") == [[0, 0, 0], [255, 255, 0], [128, 128, 0], [*GREY]]
    assert legend(points, "position") == "x -1.00 to 1.00, y 10.0 to 30.0, z 0.00 to 0.00 m"
    assert colours(points, "object_coordinates", (-1, 30))[1] == [16, 255, 8], "one range for all"
    assert colours(points[:, :1] / 100 + 0.5, "nocs") == [[125, 153, 128]]


def test_texture_coordinates_begin_again():
    coordinates = np.float32([[(0, 1), (1.25, -0.25), (0.5, NAN)]])
    assert colours(coordinates, "uv") == [[0, 255, 0], [64, 191, 0], [*GREY]]


def test_flow_has_middleburys_wheel():
    row = row_like("uv", unit="px", span=None)
    flow = np.float32([[(0, 0), (4, 0), (-4, 0), (8, 0), (0, 4), (NAN, 0)]])
    still, right, left, beyond, down, nothing = colours(flow, row, (0, 4))
    assert (still, right, nothing) == ([*WHITE], [255, 0, 0], [*GREY])
    assert left[0] == 0, "the other side of the wheel is between cyan and blue"
    assert left[2] == 255
    assert beyond == [191, 0, 0], "more than the largest is darker"
    assert down[0] == 255
    assert 215 < down[1] < 245, "yellow is below red, as in the benchmark's pictures"
    assert legend(flow, row) == "up to 8.0 px"
    assert legend(flow, row, (0, 4)) == "up to 4.00 px"
    assert colours(np.zeros((1, 2, 2), np.float32), row) == [[*WHITE]] * 2
    assert colours(np.full((1, 1, 2), NAN, np.float32), row) == [[*GREY]]


@pytest.mark.parametrize("dtype", ["uint8", "bool"])
def test_masks_are_black_and_white(dtype):
    row = row_like("instance", dtype=dtype, unit="1")
    mask = line(0, 1, dtype=dtype)
    assert colours(mask, row) == [[*BLACK], [*WHITE]]
    assert legend(mask, row) == "white at 1 of 2 pixels"


def test_stacks_of_masks_have_the_colours_of_their_objects():
    row = row_like("instance", dtype="bool", unit="1")
    masks = np.array([[[1, 1, 0]], [[0, 1, 0]]], bool)
    first, second = false_colours(line(1, 2, dtype=np.uint16), "instance")[0].astype(int)
    shown = false_colours(masks, row)[0]
    np.testing.assert_array_equal(shown[[0, 2]], [first, GREY])
    np.testing.assert_allclose(shown[1], (first + second) / 2, atol=0.5)
    assert legend(masks, row).startswith("2 masks")
    assert false_colours(masks[:0], row)[0].tolist() == [[*GREY]] * 3


def test_colour_is_as_it_is_and_light_as_srgb_shows_it():
    picture = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert colours(picture, "color") == picture[0].tolist()
    clear = np.array([[(200, 100, 0, 255), (200, 100, 0, 0)]], np.uint8)
    assert colours(clear, "color") == [[200, 100, 0], [*GREY]]
    assert legend(clear, "color") == ""
    row = row_like("position", unit=LINEAR)
    light = np.float32([[(0, 0.5, 7), (NAN, 1, 1), (0.001, 0, np.inf)]])
    assert colours(light, row) == [[0, 188, 255], [*GREY], [3, 0, 255]]


def test_what_is_given_stays_as_it_is():
    for name, array in (("color", np.zeros((2, 2, 3), np.uint8)), ("depth", line(1, np.inf))):
        before = array.copy()
        false_colours(array, name)[:] = 7
        np.testing.assert_array_equal(array, before)


def test_a_pass_that_is_none_is_refused():
    with pytest.raises(RequestError, match="there is no pass 'dephts'"):
        false_colours(line(1), "dephts")
