"""What a few triangles cover, and what may be hidden behind what is seen, against other ways to tell it."""

import numpy as np
import pytest

from gltf_render_server.frame import Lens
from gltf_render_server.passes.coverage import Coverage
from gltf_render_server.passes.hidden import may_be_beyond
from gltf_render_server.passes.hits import pixel_rays
from gltf_render_server.passes.windows import Window

LENS = Lens(64, 48, 60.0, 70.0, 30.0, 26.0, 0.3, 9.0)


def covered(triangles, lens, window):
    """Which rays through pixels' centres meet a triangle between the clipping planes, one by one."""
    rows, columns = np.mgrid[window.top : window.bottom, window.left : window.right]
    x = (columns + 0.5 - lens.center_x) / lens.focal_x
    y = (lens.center_y - rows - 0.5) / lens.focal_y
    rays = np.stack([x, y, np.full_like(x, -1.0)], -1)
    found = np.zeros(x.shape, bool)
    for a, b, c in triangles:
        normal = np.cross(b - a, c - a)
        depth = (normal @ a) / (rays @ normal)
        points = rays * depth[..., None]
        sides = [np.cross(q - p, points - p) @ normal >= 0 for p, q in ((a, b), (b, c), (c, a))]
        found |= np.all(sides, 0) & (depth >= lens.near) & (depth <= lens.far)
    return found


def strip(rng, count, spread):
    """Triangles that share their sides, (count, 3, 3), before, around and behind the camera."""
    points = rng.normal((0, 0, -3), spread, (count + 2, 3))
    return np.stack([points[:-2], points[1:-1], points[2:]], 1)


@pytest.mark.parametrize("window", [Window(0, 0, 64, 48), Window(-64, 48, 64, 48), Window(7, -20, 33, 41)])
@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_what_is_certain_and_what_is_possible(window, spread):
    rng = np.random.default_rng(round(10 * spread))
    doubtful = []
    for count in (1, 2, 5, 30):
        triangles = strip(rng, count, spread)
        certain, possible = Coverage.of(triangles, LENS, 1e-5).within(window)
        right = covered(triangles, LENS, window)
        assert not (certain & ~right).any()
        assert not (right & ~possible).any()
        doubtful.append((possible & ~certain).mean())
    assert np.mean(doubtful) < 0.02


def test_no_seam_between_triangles_is_in_doubt():
    corners = np.array([[-9, -7, -3], [9, -7, -3], [9, 7, -3], [-9, 7, -3]], float)
    two = corners[[(0, 1, 2), (0, 2, 3)]]
    certain, possible = Coverage.of(two, LENS, 1e-5).within(Window(0, 0, 64, 48))
    assert certain.all()
    assert possible.all()


def test_nothing_is_covered_behind_the_camera():
    coverage = Coverage.of(np.ones((4, 3, 3)), LENS, 1e-5)
    assert len(coverage.corners) == 0
    assert not np.any(coverage.within(Window(0, 0, 64, 48)))


def test_what_may_be_beyond():
    """Points in boxes, seen along rays: wherever one is beyond what is seen, that is told."""
    rng = np.random.default_rng(0)
    pixels = np.arange(64 * 48)
    rays = pixel_rays(LENS, pixels)
    told = []
    for _ in range(30):
        matrix = np.eye(4)
        matrix[:3, :3] = rng.normal(size=(3, 3))
        matrix[:3, 3] = rng.normal((0, 0, -4))
        low = rng.uniform(-1, 0, 3)
        box = np.array([low, low + rng.uniform(0, 1, 3) * rng.choice([0, 2])])
        depth = rng.uniform(1, 8, len(pixels))
        found = may_be_beyond(depth, pixels, LENS, matrix[None], box[None], np.array([1e-5]))
        beyond = depth + rng.exponential(1, (200, 1))
        points = beyond[..., None] * rays.T
        local = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
        inside = ((local >= box[0]) & (local <= box[1])).all(-1).any(0)
        assert not (inside & ~found).any()
        told.append((found.mean(), inside.mean()))
    all_told, all_inside = np.mean(told, 0)
    assert all_inside > 0.01
    assert all_told < 3 * all_inside


def test_a_flat_box_may_be_anywhere():
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    found = may_be_beyond(np.ones(3), np.arange(3), LENS, flat[None], np.zeros((1, 2, 3)), np.zeros(1))
    assert found.all()
