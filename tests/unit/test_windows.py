"""Where objects may be seen, which are rendered at once, and how their masks are put together."""

from itertools import combinations

import alone
import numpy as np
import pytest
from drake_like import DrakeScene, box, sphere, translation

from gltf_render_server.dispatch.affinity import needs_of
from gltf_render_server.errors import TooLargeError
from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import parse_scene
from gltf_render_server.passes import Meshes, Window, canvas_of, prepare
from gltf_render_server.passes.alone import Alone
from gltf_render_server.passes.hits import Exact
from gltf_render_server.passes.windows import (
    corners_of_boxes,
    farthest_windows,
    grouped,
    joined,
    window_within,
)

LENS = Lens(64, 48, 60.0, 70.0, 30.0, 26.0, 0.3, 9.0)


def scene_of(drake):
    return parse_scene(drake.to_bytes(), extensions=frozenset())


def points_of(scene, view, index):
    """Points all over the surfaces of an object, (n, 3), in the camera's axes: x right, y down, z forward."""
    rng, found = np.random.default_rng(0), []
    for primitive, matrix, instance in zip(
        scene.placements.primitive, scene.placements.matrix, scene.placements.instance, strict=True
    ):
        if instance == index:
            triangles = scene.asset.triangles(scene.primitives[primitive])
            corners = triangles.vertices[triangles.corners].astype(float)
            weights = rng.dirichlet((0.3, 0.3, 0.3), (len(corners), 50))
            points = np.einsum("mkc,mcx->mkx", weights, corners).reshape(-1, 3)
            found.append(np.concatenate([points, corners.reshape(-1, 3)]) @ matrix[:3, :3].T + matrix[:3, 3])
    inside = np.concatenate(found) - view.camera_to_world[:3, 3]
    return inside @ view.camera_to_world[:3, :3] * (1, -1, -1)


@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_an_object_is_seen_outside_its_window(seed):
    scene, view = scene_of(alone.cluttered(seed, count=40)), View(LENS, alone.POSE)
    edges = farthest_windows(corners_of_boxes(view, scene, Meshes()), view, scene)
    tightness = []
    for index, (left, top, right, bottom) in enumerate(edges):
        x, y, z = points_of(scene, view, index).T
        seen = (z >= LENS.near) & (z <= LENS.far)
        u, v = (
            LENS.focal_x * x[seen] / z[seen] + LENS.center_x,
            LENS.focal_y * y[seen] / z[seen] + LENS.center_y,
        )
        if not seen.any():
            assert left > right or z.max() < LENS.near * 1.1 or z.min() > LENS.far * 0.9
            continue
        assert left < u.min() < u.max() < right
        assert top < v.min() < v.max() < bottom
        if z.min() > LENS.near:
            tightness.append((u.max() - u.min() + 3) / (right - left))
    assert np.median(tightness) > 0.6


def test_what_is_behind_has_no_window():
    scene = scene_of(DrakeScene([sphere(0.2, translation(0, -9, 0), 1)], alone.POSE))
    view = View(LENS, alone.POSE)
    [edges] = farthest_windows(corners_of_boxes(view, scene, Meshes()), view, scene)
    assert window_within(edges, Window(-64, -48, 192, 144)) is None


@pytest.mark.parametrize("count", [0, 1, 30, 400])
def test_windows_of_a_group_do_not_touch(count):
    rng = np.random.default_rng(count)
    windows = {
        index: Window(*rng.integers(0, 600, 2).tolist(), *rng.integers(1, 120, 2).tolist())
        for index in range(count)
    }
    groups = grouped(windows, windows)
    assert sorted(index for group in groups for index in group) == sorted(windows)
    for group in groups:
        assert not any(one.common(other) for one, other in combinations(group.values(), 2))
    if count > 1:
        assert len(groups) < count


def test_common_and_joined():
    one, other = Window(0, 0, 4, 3), Window(3, -2, 5, 3)
    assert one.common(other) == Window(3, 0, 1, 1)
    assert joined((one, other)) == Window(0, -2, 8, 5)
    assert one.common(Window(4, 0, 2, 2)) is None
    assert other.slices(1, -3) == (slice(1, 4), slice(2, 7))


WIDE = Lens(640, 480, 800.0, 800.0, 320.0, 240.0, 0.1, 10.0)


def alone_of(bodies, depth, render):
    """What is alone in a view that shows something at one depth in all pixels, and nothing of the scene."""
    frame = Frame(scene_of(DrakeScene(bodies, alone.POSE)), (View(WIDE, alone.POSE),), ("mask_amodal",))
    seen = np.full((WIDE.height, WIDE.width), depth, np.float32)
    exact = Exact(seen, np.full(seen.shape, -1, np.int32))
    return Alone(render, frame, frame.views[0], exact, Meshes(), 0.0)


def rows_of_balls():
    return [sphere(0.1, translation(0.5 * x - 1, 0, 0.4 * z - 0.8), 1) for x in range(5) for z in range(5)]


def test_few_renders_of_few_pixels():
    """25 balls in rows behind something: they are rendered in a few pieces, not in 25 images."""
    parts = []

    def render(view, shown, window):
        parts.append(window)
        assert view.lens.width == WIDE.width
        return np.full((window.height, window.width), -1, np.int32)

    found = alone_of(rows_of_balls(), 1.0, render)
    assert found.on_image() == found.on_image() == {}
    assert 0 < len(parts) < 8
    assert sum(window.width * window.height for window in parts) < 640 * 480
    count = len(parts)
    assert not list(found.within(Window(-640, -480, 1920, 1440)))
    assert len(parts) == count, "nothing reaches beyond the image"


@pytest.mark.parametrize("depth", [np.inf, 6.5])
def test_no_render_where_nothing_can_be_hidden(depth):
    """The balls would be seen before what is seen."""

    def render(view, shown, window):
        raise AssertionError

    assert alone_of(rows_of_balls(), depth, render).on_image() == {}


def test_no_render_of_few_triangles_far_from_their_edges():
    """Of a floor that reaches beyond the image, only strips along its outline are rendered, or nothing."""
    areas = []

    def render(view, shown, window):
        areas.append(window.width * window.height)
        return np.where(np.ones((window.height, window.width), bool), 0, -1)

    floor = box((100.0, 100.0, 0.1), translation(0, 0, -1), 1)
    found = dict(alone_of([floor], 0.5, render).within(Window(0, 0, 640, 480)))
    assert sum(areas) < 640 * 30
    mask = np.zeros((480, 640), bool)
    mask[found[0].window.slices()] = found[0].mask
    assert mask[-1].all()
    assert not mask[:240].any()


def test_the_canvas():
    assert canvas_of(View(LENS, np.eye(4))) == Window(0, 0, 64, 48)
    assert canvas_of(View(LENS, np.eye(4), amodal_margin=1.0)) == Window(-64, -48, 192, 144)
    assert canvas_of(View(LENS, np.eye(4), amodal_margin=0.1)) == Window(-6, -5, 76, 58)


def test_more_masks_than_memory_are_refused():
    scene = scene_of(DrakeScene([sphere(0.1, translation(0, 0, 0), 1)] * 10, alone.POSE))
    view = View(Lens(4000, 3000, 4e3, 4e3, 2e3, 1.5e3, 0.1, 10.0), alone.POSE)
    prepare(Frame(scene, (view,), ("mask_amodal",)))
    prepare(Frame(scene, (view,) * 9, ("instances",)))
    for views in ((view,) * 9, (View(view.lens, view.camera_to_world, amodal_margin=1.0),)):
        with pytest.raises(
            TooLargeError, match="mask_amodal: the masks of 10 objects have 1080000000 pixels"
        ):
            prepare(Frame(scene, views, ("mask_amodal",)))


def test_the_dispatcher_expects_the_same_view_to_be_kept_of_masks_as_of_depth():
    scene = scene_of(DrakeScene([sphere(0.1, translation(0, 0, 0), 1)], alone.POSE))
    needs = {
        name: needs_of(Frame(scene, (View(LENS, alone.POSE),), (name,)))
        for name in ("depth", "mask_amodal", "instances")
    }
    assert needs["mask_amodal"].views == needs["depth"].views
    assert needs["instances"].views == needs["depth"].views
    assert needs["mask_amodal"].parts == needs["depth"].parts
