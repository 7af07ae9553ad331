import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gltf_render_server.scene import nearest_rigid

angles = st.floats(-10, 10)


def turn(axis, angle):
    matrix = np.eye(4)
    first, second = (each for each in range(3) if each != axis)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


@given(angles, angles, angles)
def test_what_is_rigid_to_the_last_digits_is_sent_on_as_it_is(first, second, third):
    matrix = turn(0, first) @ turn(1, second) @ turn(2, third)
    matrix[:3, 3] = 1, 2, 3
    assert nearest_rigid(matrix) is matrix
    rounded = nearest_rigid(np.round(matrix, 6))
    assert nearest_rigid(rounded) is rounded
    np.testing.assert_allclose(rounded[:3, :3].T @ rounded[:3, :3], np.eye(3), atol=1e-14)


def test_what_is_mirrored_or_flat_has_no_rigid_matrix_next_to_it():
    assert nearest_rigid(np.diag([1.0, 1.0, -1.0, 1.0])) is None
    assert nearest_rigid(np.diag([1.0, 1.0, 0.0, 1.0])) is None
