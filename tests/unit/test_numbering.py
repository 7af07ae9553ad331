"""Numbers for objects, where there are more of them than pass indices."""

import numpy as np
import pytest

pytest.importorskip("bpy")

from gltf_render_server.blender.numbering import Numbering


@pytest.mark.parametrize("count", [0, 1, 3, 4, 11, 64, 65])
def test_every_object_is_found_by_its_digits(count):
    free = np.array([2, 3, 7, 40000])
    numbering = Numbering(count, free)
    assert len(numbering.digits) == max(1, int(np.ceil(np.log(max(count, 1)) / np.log(4) - 1e-9)))
    images = [np.array([[*digit, 0, 5]], np.uint16) for digit in numbering.digits]
    assert numbering.read(images).tolist() == [[*range(count), -1, -1]]
