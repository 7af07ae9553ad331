import numpy as np

from gltf_render_server.labels import DONT_CARE, decode_labels


def test_label_images_are_read_as_drake_reads_them():
    image = np.array([[[5, 0, 9], [44, 1, 0], [255, 255, 255], [255, 255, 0]]], np.uint8)
    assert decode_labels(image).tolist() == [[5, 300, DONT_CARE, 65535]]
