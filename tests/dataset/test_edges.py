import numpy as np
import pytest

from gltf_render_server.dataset.formats.edges import edges

HEIGHT, WIDTH = 40, 60


def plane(normal, distance):
    """Depth and normals of a plane, as a camera of 60 px of focal length in the middle sees it."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([(u + 0.5 - WIDTH / 2) / 60, (HEIGHT / 2 - v - 0.5) / 60, -np.ones(u.shape)], -1)
    normal = np.array(normal) / np.linalg.norm(normal)
    depth = distance / np.maximum(-rays @ normal, 1e-9)
    return depth.astype(np.float32), np.broadcast_to(normal, rays.shape).astype(np.float32)


def one_object():
    return np.ones((HEIGHT, WIDTH), np.uint16)


@pytest.mark.parametrize("normal", [(0, 0, 1), (1, 0, 0.6), (0, 1, 0.5), (0.8, 0.9, 1)])
def test_a_plane_has_no_edges_however_steep_it_is(normal):
    depth, normals = plane(normal, 2.0)
    assert not edges(depth, one_object(), normals).any()
    assert not edges(depth, one_object(), None).any()


def test_an_object_s_outline_is_a_line_on_the_nearer_object():
    depth, _ = plane((0, 0, 1), 2.0)
    instance = one_object()
    depth[10:20, 10:30], instance[10:20, 10:30] = 1.0, 2
    found = edges(depth, instance, None)
    expected = np.zeros_like(found)
    expected[10:20, 10:30] = True
    expected[11:19, 11:29] = False
    np.testing.assert_array_equal(found, expected)


def test_what_lies_behind_on_the_same_object_is_an_edge():
    depth, _ = plane((0, 0, 1), 2.0)
    depth[:, 30:] = 1.5
    found = edges(depth, one_object(), None)
    assert set(np.nonzero(found)[1]) == {30}


def test_an_edge_to_nothing_is_one():
    depth = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    depth[:, :20] = 3.0
    found = edges(depth, one_object(), None)
    assert set(np.nonzero(found)[1]) == {19}


def test_a_crease_is_an_edge_where_normals_are_known():
    left, normals_left = plane((0.6, 0, 1), 2.0)
    right, normals_right = plane((-0.6, 0, 1), 2.0)
    is_left = left < right
    depth = np.where(is_left, left, right)
    normals = np.where(is_left[..., None], normals_left, normals_right)
    assert not edges(depth, one_object(), None).any()
    found = edges(depth, one_object(), normals)
    assert found.any(1).all()
    assert found.sum(1).max() <= 1
