"""What the client writes is what the server reads."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gltf_render_server.client import form_fields
from gltf_render_server.protocol import Camera, DepthRange, ImageType, RenderFields

LENGTHS = st.floats(1e-8, 1e8)


def read(camera, depth_range):
    form = form_fields(ImageType.DEPTH, camera, depth_range)
    return RenderFields.from_form({name: [text] for name, text in form.items()}, max_pixels=10**6)


@given(LENGTHS, st.floats(-1e6, 1e6), st.floats(0, 1))
def test_numbers_arrive_as_they_are(length, centre, min_depth):
    camera = Camera(64, 48, length, length * math.pi / 3, centre, -centre / 3, length, length * 1.1)
    depth_range = DepthRange(min_depth, min_depth + length)
    fields = read(camera, depth_range)
    assert fields.camera == camera
    assert fields.depth_range == depth_range


@pytest.mark.parametrize("number", [1e-7, np.float32(0.1), np.float64(1e-9), 1])
def test_of_any_kind(number):
    camera = Camera(64, 48, 60, 60, 31, 23, number, 10)
    assert read(camera, DepthRange(0, 5)).camera.near == float(number)
