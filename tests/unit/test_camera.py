import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gltf_render_server.blender.lens import BlenderCamera, blender_camera
from gltf_render_server.frame import Lens


def project(camera: BlenderCamera, point: tuple[float, float, float]) -> tuple[float, float]:
    """Blender's own projection with horizontal sensor fit: (x right, y up, z forward) -> px."""
    x, y, z = point
    width, height = camera.resolution_x, camera.resolution_y
    focal_in_widths = camera.lens_mm / camera.sensor_width_mm
    # Blender sees the picture with its pixels' aspect, in units of the width
    seen_height = height * camera.pixel_aspect_y / (width * camera.pixel_aspect_x)
    across = focal_in_widths * x / z - camera.shift_x
    up = focal_in_widths * y / z - camera.shift_y
    return (0.5 + across) * width, (0.5 - up / seen_height) * height


lengths = st.floats(1, 1e5)
centres = st.floats(-1e4, 1e4)


@given(st.integers(1, 8000), st.integers(1, 8000), lengths, st.floats(0.02, 50), centres, centres)
def test_projects_as_asked(width, height, focal_x, ratio, center_x, center_y):
    asked = Lens(width, height, focal_x, focal_x * ratio, center_x, center_y, 0.1, 10)
    point = (0.3, -0.2, 1.7)
    u, v = project(blender_camera(asked), point)
    expected = (
        asked.focal_x * point[0] / point[2] + center_x,
        asked.focal_y * -point[1] / point[2] + center_y,
    )
    np.testing.assert_allclose((u, v), expected, rtol=1e-9, atol=1e-6)


@given(st.integers(1, 8000), st.integers(1, 8000), lengths, st.floats(0.02, 50))
def test_stays_in_the_ranges_of_blender(width, height, focal_x, ratio):
    camera = blender_camera(Lens(width, height, focal_x, focal_x * ratio, 0, 0, 0.1, 10))
    assert camera.lens_mm >= 1 - 1e-12
    assert min(camera.pixel_aspect_x, camera.pixel_aspect_y) == 1
    assert min(camera.resolution_x, camera.resolution_y) >= 4


def test_centred_camera_has_no_shift():
    camera = blender_camera(Lens(640, 480, 600, 600, 320, 240, 0.1, 10))
    assert (camera.shift_x, camera.shift_y) == (0, 0)
    assert camera.lens_mm == pytest.approx(36 * 600 / 640)
