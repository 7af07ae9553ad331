"""Drake's own client against the server, compared with Drake's own renderer on the same SceneGraph."""

import numpy as np
import pytest
from exactness import assert_depth_exact, assert_labels_exact

pytest.importorskip("pydrake", reason="Drake, the real client, has no package for this Python or system")

from pydrake import geometry as drake
from pydrake.math import RigidTransform
from pydrake.systems.sensors import CameraInfo
from random_scenes import CLIENT, VTK, Thing, View, World, looking, random_things, random_view, write_gltf
from servers import running

pytestmark = pytest.mark.drake

EVERYTHING = (0.05, 20.0)
SMALL = [(int(w), int(h)) for w, h in np.random.default_rng(0).integers(50, 101, (18, 2))]
"""Few pixels are mostly edges: only together can they show 1 in 10,000."""
CASES = {
    # seed, sizes, clipping planes, depth range
    "landscape": (10, [(640, 480)], EVERYTHING, EVERYTHING),
    "portrait": (11, [(360, 700)], EVERYTHING, EVERYTHING),
    "strips": (12, [(700, 50), (50, 700), (650, 120)], EVERYTHING, EVERYTHING),
    "small": (13, SMALL, EVERYTHING, EVERYTHING),
    "near plane cuts": (14, [(400, 300), (300, 301)], (2.2, 20.0), (2.2, 20.0)),
    "far plane cuts": (15, [(400, 300), (300, 301)], (0.05, 2.7), (0.05, 2.7)),
    "both planes cut": (16, [(333, 500)], (1.9, 2.8), (2.1, 2.6)),
    "too close and too far": (17, [(500, 333)], EVERYTHING, (2.2, 2.8)),
}
CAMERA = CameraInfo(200, 150, 180.0, 170.0, 90.0, 80.0)


@pytest.fixture
def world(request, server, tmp_path):
    """The world and the views of a case."""
    seed, sizes, clipping, depth_range = CASES[request.param]
    rng = np.random.default_rng(seed)
    world = World(random_things(rng, tmp_path), server.url)
    return world, [random_view(rng, size, clipping, depth_range) for size in sizes]


def pooled(images):
    """All pixels of some images as one row."""
    return np.concatenate([image.reshape(1, -1) for image in images], 1)


def assert_exact(world, views):
    label, true_label = (pooled([world.label(name, view) for view in views]) for name in (CLIENT, VTK))
    depth, true_depth = (pooled([world.depth(name, view) for view in views]) for name in (CLIENT, VTK))
    assert len(np.unique(true_label)) > 5, "the views see too little"
    assert label.size >= 50_000
    assert_labels_exact(label, true_label)
    assert_depth_exact(depth, true_depth)


@pytest.mark.parametrize("world", CASES, indirect=True)
def test_depth_and_labels_are_exact(world):
    assert_exact(*world)


def test_a_half_space(server, tmp_path):
    """Drake draws it as a square of 100 m, seen here from above.

    Along it, towards the horizon, no renderer that counts in float32 is within 0.05 mm of the plane: beyond
    8 m VTK's own depths are off by up to 0.12 mm.
    """
    rng = np.random.default_rng(18)
    world = World(random_things(rng, tmp_path, drake.HalfSpace()), server.url)
    assert_exact(world, [random_view(rng, (400, 300), lowest=0.7) for _ in range(2)])


@pytest.mark.parametrize("world", ["too close and too far", "both planes cut"], indirect=True)
def test_cases_have_what_they_are_for(world):
    world, views = world
    depth = pooled([world.depth(VTK, view) for view in views])
    for part in (depth == 0, np.isinf(depth), (depth > 0) & np.isfinite(depth)):
        assert part.mean() > 0.02


def test_colour(server):
    pose = looking(np.array([2.0, 0.5, 0.8]))
    world = World([Thing(drake.Box(0.7, 0.6, 0.5), RigidTransform(), 1, (0.1, 0.7, 0.2, 1.0))], server.url)
    image = world.color(CLIENT, View(CAMERA, EVERYTHING, EVERYTHING, pose))
    assert image.shape == (150, 200, 4)
    assert (image[..., 3] == 255).all()
    red, green, blue, _ = image[70:90, 80:100].reshape(-1, 4).mean(0)
    assert green > 20
    assert green > 1.5 * red
    assert green > 1.5 * blue


def test_a_scene_without_camera_tells_the_client_why(server, tmp_path):
    """Drake sends no camera where there is nothing but .gltf meshes."""
    model = write_gltf(tmp_path, np.random.default_rng(0))
    world = World([Thing(drake.Mesh(str(model)), RigidTransform(), 7)], server.url)
    with pytest.raises(RuntimeError, match="camera") as caught:
        world.label(CLIENT, View(CAMERA, EVERYTHING, EVERYTHING, looking(np.array([2.0, 0.5, 0.8]))))
    assert "primitive" in str(caught.value)
    assert "400" in str(caught.value)


def test_sixteen_bits_of_millimetres(tmp_path):
    rng = np.random.default_rng(3)
    with running("--depth-format", "png16") as server:
        world = World(random_things(rng, tmp_path), server.url)
        view = random_view(rng, (300, 200), EVERYTHING, (2.2, 2.8))
        depth, truth = (world.depth(name, view) for name in (CLIENT, VTK))
    for special in (0, np.inf):
        assert np.mean((depth == special) != (truth == special)) < 0.002, "a rounded millimetre at the limits"
    both = np.isfinite(depth) & np.isfinite(truth) & (depth > 0) & (truth > 0)
    assert np.percentile(np.abs(depth[both] - truth[both]), 99) < 0.6e-3
