"""Normals of meshes that bring none, against a slow computation of one face after another."""

import numpy as np
import pytest
import truth
from drake_like import box, sphere

from gltf_render_server.gltf.normals import flat_normals, smooth_normals

PLACE = np.eye(4)


def degrees(one, other):
    sine = np.linalg.norm(np.cross(one, other), axis=-1)
    return np.degrees(np.arctan2(sine, (one * other).sum(-1)))


def bent_strip(angle_deg):
    """Two squares that meet at an edge, each of two triangles, without a vertex in common."""
    angle = np.radians(angle_deg)
    far = [-np.cos(angle), 0, np.sin(angle)]
    squares = [
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]],
        [far, [0, 0, 0], [0, 1, 0], np.add(far, [0, 1, 0])],
    ]
    corners = [[4 * k + i for i in face] for k in range(2) for face in ((0, 1, 2), (0, 2, 3))]
    return np.concatenate(squares).astype(np.float32), np.array(corners, np.int32)


def assert_as_slowly(points, corners):
    found = smooth_normals(points, corners)
    expected = truth.smooth_normals(points.astype(float), corners)
    place = points[corners]
    has_area = np.linalg.norm(np.cross(place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]), axis=1) > 1e-9
    assert degrees(found, expected)[has_area].max() < 1e-3
    np.testing.assert_allclose(np.linalg.norm(found[has_area], axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("wave", [0.0, 4.0, 30.0])
@pytest.mark.parametrize("rings", [4, 7, 16])
def test_a_ball_is_round_at_its_poles_too(rings, wave):
    """Triangles lie there that have no area but for rounding, as many programs write them."""
    ball = sphere(0.3, PLACE, 1, rings)
    points = ball.vertices * (1 + 0.1 * np.sin(wave * ball.vertices[:, :1]))
    assert_as_slowly(points.astype(np.float32), ball.triangles.astype(np.int32))


def test_a_box_is_sharp():
    body = box((1, 2, 3), PLACE, 1)
    corners = body.triangles.astype(np.int32)
    np.testing.assert_allclose(
        smooth_normals(body.vertices, corners), flat_normals(body.vertices, corners), atol=1e-6
    )


@pytest.mark.parametrize("angle_deg", [5, 29, 31, 90])
def test_round_below_thirty_degrees(angle_deg):
    points, corners = bent_strip(angle_deg)
    assert_as_slowly(points, corners)
    at_edge = np.abs(points[corners][..., 0]) < 1e-6
    spread = degrees(smooth_normals(points, corners), flat_normals(points, corners))[at_edge]
    assert spread.max() == pytest.approx(angle_deg / 2 if angle_deg < 30 else 0, abs=1e-3)


def test_random_waves():
    rng = np.random.default_rng(3)
    u, v = np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij")
    points = np.stack([u, v, rng.normal(scale=0.3, size=u.shape)], -1).reshape(-1, 3).astype(np.float32)
    a = (9 * np.arange(8)[:, None] + np.arange(8)).reshape(-1)
    corners = np.concatenate([np.stack([a, a + 9, a + 1], 1), np.stack([a + 1, a + 9, a + 10], 1)])
    assert_as_slowly(points, corners.astype(np.int32))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (3, 0, 2, 1)])
def test_two_sides_at_one_place_are_smoothed_apart(order):
    """A sheet that is there twice, once turned over: in whatever order its faces come."""
    points, corners = bent_strip(20)
    faces = [corners[:2], corners[2:], corners[:2, ::-1], corners[2:, ::-1]]
    assert_as_slowly(points, np.concatenate([faces[index] for index in order]))


def test_nothing_at_all():
    none = np.empty((0, 3), np.int32)
    assert smooth_normals(np.zeros((3, 3), np.float32), none).shape == (0, 3, 3)
    point = smooth_normals(np.zeros((3, 3), np.float32), np.array([[0, 1, 2], [0, 0, 0]], np.int32))
    np.testing.assert_array_equal(point, np.zeros((2, 3, 3)))
