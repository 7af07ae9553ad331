"""Numbers for objects, where there are more of them than pass indices."""

import numpy as np
import pytest

pytest.importorskip("bpy")

from gltf_render_server.blender.numbering import Numbering
from gltf_render_server.errors import RenderError


@pytest.mark.parametrize("count", [0, 1, 3, 4, 11, 64, 65])
def test_every_object_is_found_by_its_digits(count):
    free = np.array([2, 3, 7, 40000])
    numbering = Numbering(count, free)
    assert len(numbering.digits) == max(1, int(np.ceil(np.log(max(count, 1)) / np.log(4) - 1e-9)))
    images = [np.array([[*digit, 0, 5]], np.uint16) for digit in numbering.digits]
    assert numbering.read(images).tolist() == [[*range(count), -1, -1]]


@pytest.mark.parametrize(("free", "count"), [([], 1), ([5], 2), ([5], 30_000)])
def test_too_few_pass_indices_are_told(free, count):
    with pytest.raises(RenderError, match=f"leaves only {len(free)} pass indices for {count} objects"):
        Numbering(count, np.array(free, np.intp))


@pytest.mark.parametrize(("free", "count"), [([], 0), ([5], 0), ([5], 1), ([5, 7], 3)])
def test_a_few_pass_indices_may_do(free, count):
    digits = Numbering(count, np.array(free, np.intp)).digits
    assert [len(digit) for digit in digits] == [count] * len(digits)
