import numpy as np
import pytest

from gltf_render_server.errors import SceneError
from gltf_render_server.labels import DONT_CARE, LabelTable, decode_labels

RED, GREEN = (5, 0, 0), (1, 127, 0)


def test_every_surface_has_its_own_number_whatever_its_colour():
    table = LabelTable.from_colours([RED, GREEN, RED], range(1, 10))
    assert table.numbers == (1, 2, 3)
    assert table.numbers == LabelTable.from_colours([GREEN, GREEN, GREEN], range(1, 10)).numbers


def test_paints_each_number_with_its_colour_and_the_rest_white():
    table = LabelTable.from_colours([RED, GREEN, None, RED], [3, 7, 8, 20])
    assert table.numbers == (3, 7, None, 8)
    painted = table.paint(np.array([[3, 7, 8], [0, 5, 65535]], np.uint16))
    assert painted.dtype == np.uint8
    white = [255, 255, 255]
    assert painted.tolist() == [[[5, 0, 0], [1, 127, 0], [5, 0, 0]], [white, white, white]]


def test_more_surfaces_than_numbers_share_them_by_colour():
    table = LabelTable.from_colours([RED, GREEN, None, RED], [4, 6])
    assert table.numbers == (4, 6, None, 4)
    assert table.paint(np.array([[6]], np.uint16)).tolist() == [[[1, 127, 0]]]


def test_nothing_to_label():
    assert (LabelTable.from_colours([], [1]).paint(np.zeros((2, 2), np.uint16)) == 255).all()
    assert LabelTable.from_colours([None], [1]).numbers == (None,)


def test_too_many_labels():
    colours = [(i % 256, i // 256, 0) for i in range(32768)]
    with pytest.raises(SceneError, match="32768 different labels"):
        LabelTable.from_colours(colours, range(1, 32768))


def test_label_images_are_read_as_drake_reads_them():
    image = np.array([[[5, 0, 9], [44, 1, 0], [255, 255, 255], [255, 255, 0]]], np.uint8)
    assert decode_labels(image).tolist() == [[5, 300, DONT_CARE, 65535]]
