import numpy as np
import pytest

from gltf_render_server.errors import SceneError
from gltf_render_server.labels import DONT_CARE, LabelTable, decode_labels


def test_paints_each_index_with_its_colour_and_the_rest_white():
    table = LabelTable.from_colours([(5, 0, 0), (1, 127, 0), None, (5, 0, 0)])
    assert table.indices[0] == table.indices[3]
    assert table.indices[2] is None
    index = np.array([[table.indices[0], table.indices[1], 2]], np.float32)
    painted = table.paint(index, np.array([[True, True, False]]))
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[5, 0, 0], [1, 127, 0], [255, 255, 255]]]


def test_a_foreign_index_does_not_matter_where_no_client_is():
    table = LabelTable.from_colours([(5, 0, 0)])
    assert (table.paint(np.full((2, 2), 9999, np.float32), np.zeros((2, 2), bool)) == 255).all()


def test_too_many_labels():
    colours = [(i % 256, i // 256, 0) for i in range(32768)]
    with pytest.raises(SceneError, match="32768 different labels"):
        LabelTable.from_colours(colours)


def test_label_images_are_read_as_drake_reads_them():
    image = np.array([[[5, 0, 9], [44, 1, 0], [255, 255, 255], [255, 255, 0]]], np.uint8)
    assert decode_labels(image).tolist() == [[5, 300, DONT_CARE, 65535]]
