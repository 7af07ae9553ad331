"""From where files are seen: all of it in the picture, as large as it may be, whatever it is."""

import json
import math
import struct

import numpy as np
import pytest
from object_files import packed
from skinned import document, strip

from gltf_render_server.dataset.composition import Composition, Paint
from gltf_render_server.errors import RequestError, SceneError
from gltf_render_server.gltf import read_asset
from gltf_render_server.pictures.cameras import AUTO, camera_names, find_views
from gltf_render_server.pictures.framing import frame_from_above, frame_orbit

SIZES = [(640, 480), (1600, 200), (90, 500)]


def scene_of(points, camera_names=(), matrix=None):
    """A scene with one mesh, all points of which are drawn, and cameras."""
    composition = Composition()
    if len(points):
        triangles = np.arange(3 * math.ceil(len(points) / 3)).reshape(-1, 3) % len(points)
        composition.add_mesh(points, triangles, Paint(), "thing", matrix)
    data = composition.document().data
    if camera_names:
        size = struct.unpack_from("<I", data, 12)[0]
        json_, binary = json.loads(data[20 : 20 + size]), data[20 + size + 8 :]
        json_["cameras"] = [
            {"type": "perspective", "perspective": {"yfov": 0.7, "znear": 0.1}},
            {"type": "orthographic", "orthographic": {"xmag": 1, "ymag": 1, "zfar": 9, "znear": 1}},
        ]
        for name in camera_names:
            node = {"camera": int(name == "flat"), "translation": [0, 0, 5]}
            json_["nodes"].append(node | ({"name": name} if name else {}))
            json_["scenes"][0]["nodes"].append(len(json_["nodes"]) - 1)
        data = packed(json_, binary)
    return read_asset(data, extensions=frozenset()).scene()


def seen(view, points):
    """Where points are in a picture, -1 to 1 across and down, and how deep."""
    world = np.asarray(points, np.float32).astype(float)
    x, y, z = ((world - view.camera_to_world[:3, 3]) @ view.camera_to_world[:3, :3]).T
    lens = view.lens
    across, down = lens.focal_x * x / -z / (lens.width / 2), lens.focal_y * -y / -z / (lens.height / 2)
    return np.stack([across, down], 1), -z


CLOUDS = {
    "a cloud": lambda rng: rng.normal(size=(300, 3)),
    "huge and far away": lambda rng: 1e4 * rng.normal(size=(99, 3)) + (3e5, -1e5, 2e5),
    "a millimetre": lambda rng: 1e-3 * rng.normal(size=(99, 3)),
    "lying flat": lambda rng: rng.normal(size=(99, 3)) * (1, 0, 1),
    "a wall to the right": lambda rng: rng.normal(size=(99, 3)) * (0, 1, 1),
    "a wall to the front": lambda rng: rng.normal(size=(99, 3)) * (1, 1, 0),
    "a pole": lambda rng: rng.normal(size=(99, 3)) * (0, 1, 0),
    "a line to the front": lambda rng: rng.normal(size=(99, 3)) * (0, 0, 1),
    "one triangle": lambda rng: rng.normal(size=(3, 3)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_all_of_it_is_in_the_picture_and_fills_it(cloud, up_axis, size):
    points = CLOUDS[cloud](np.random.default_rng(3))
    view = frame_from_above(scene_of(points), size, up_axis)
    places, depths = seen(view, points)
    assert np.abs(places).max() == pytest.approx(0.88, abs=2e-3)
    lens = view.lens
    assert 0 < lens.near < depths.min() <= depths.max() < lens.far < 1e9
    ends = np.array([places.min(0), places.max(0)])
    assert np.abs(ends.sum(0)).max() < 0.02, "in the middle"
    assert (lens.width, lens.height) == size


@pytest.mark.parametrize("size", SIZES)
def test_an_orbit_keeps_its_distance_and_shows_all_from_everywhere(size):
    points = CLOUDS["a cloud"](np.random.default_rng(4)) * (1, 0.3, 2)
    views = frame_orbit(scene_of(points), size, "y", 7)
    assert [view.name for view in views] == [f"orbit_{number}" for number in range(7)]
    eyes = np.array([view.camera_to_world[:3, 3] for view in views])
    center = (points.min(0) + points.max(0)) / 2
    assert np.ptp(np.linalg.norm(eyes - center, axis=1)) < 1e-5
    assert np.ptp(eyes[:, 1]) < 1e-5
    reach = [np.abs(seen(view, points)[0]).max() for view in views]
    assert max(reach) == pytest.approx(0.88, abs=2e-3)
    first = frame_from_above(scene_of(points), size, "y")
    np.testing.assert_allclose(views[0].camera_to_world[:3, :3], first.camera_to_world[:3, :3], atol=1e-9)
    names = [view.name for view in frame_orbit(scene_of(points), size, "y", 12)]
    assert names == sorted(names)


def backward(points, up_axis="y"):
    return frame_from_above(scene_of(points), (640, 480), up_axis).camera_to_world[:3, 2]


def test_what_is_flat_is_seen_from_higher_above_and_what_is_thin_from_its_broad_side():
    rng = np.random.default_rng(5)
    cloud = rng.uniform(-1, 1, (300, 3))
    assert math.degrees(math.asin(backward(cloud)[1])) == pytest.approx(20, abs=0.5)
    assert backward(cloud)[2] > backward(cloud)[0] > 0, "from the front, and the right"
    assert math.degrees(math.asin(backward(cloud * (1, 0, 1))[1])) == pytest.approx(50, abs=0.5)
    assert backward(cloud * (0, 1, 1))[0] > 0.8
    assert backward(cloud * (1, 1, 0))[2] > 0.8
    upright = cloud[:, [0, 2, 1]] * (1, -1, 1)
    np.testing.assert_allclose(backward(upright, "z"), backward(cloud)[[0, 2, 1]] * (1, -1, 1), atol=1e-3)


def test_what_joints_bend_is_framed_as_it_stands():
    scene = read_asset(json.dumps(document()).encode(), extensions=frozenset()).scene()
    places, _ = seen(frame_from_above(scene, (640, 480), "z"), strip().posed())
    assert np.abs(places).max() == pytest.approx(0.88, abs=2e-3)


def test_what_shows_nothing_is_told():
    with pytest.raises(RequestError, match="no mesh of triangles"):
        find_views(scene_of(np.empty((0, 3))), (AUTO,), None, (640, 480), "y")
    with pytest.raises(RequestError, match="all its positions are equal; left out"):
        find_views(scene_of(np.ones((3, 3))), (AUTO,), None, (640, 480), "y")
    with pytest.raises(SceneError, match="in one point"):
        find_views(scene_of(np.eye(3), matrix=np.diag([0, 0, 0, 1.0])), (AUTO,), None, (640, 480), "y")


def test_cameras_are_asked_for_by_name_or_number():
    names = ["left", "Left", "a/b c", "twin", "twin", "", "auto", "flat"]
    scene = scene_of(np.eye(3), names)
    assert camera_names(scene) == ["left", "Left", "a/b c", "3", "4", "5", "6", "flat"]

    def views(*cameras):
        return find_views(scene, cameras, None, (640, 480), "y")

    asked = ["left", "Left", "a/b c", "3", "4", "5", "6", "left", AUTO]
    found = views(*asked)
    assert [view.name for view in found] == [
        "left",
        "Left_2",
        "a_b_c",
        "twin",
        "twin_2",
        "camera_0",
        "auto_2",
        "auto",
    ]
    orbiting = scene_of(np.eye(3), ["Orbit_1"])
    found_too = find_views(orbiting, ("Orbit_1", AUTO), 2, (640, 480), "y")
    assert [view.name for view in found_too] == ["Orbit_1_2", "orbit_0", "orbit_1"], "no file is overwritten"
    np.testing.assert_allclose(found[0].camera_to_world[:3, 3], (0, 0, 5))
    assert found[0].lens.focal_y == pytest.approx(240 / math.tan(0.35))
    for wanted, told in {
        "lef": "Did you mean 'left'",
        "twin": "2 cameras have this name",
        "99": "no such camera.*0 = 'left'.*5 \\(without a name\\)",
        "flat": "orthographic",
    }.items():
        with pytest.raises(RequestError, match=told):
            views(wanted)
    with pytest.raises(RequestError, match="holds no camera"):
        find_views(scene_of(np.eye(3)), ("left",), None, (640, 480), "y")
