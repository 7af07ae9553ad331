import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
import trimesh

from gltf_render_server.dataset.cameras import Camera, bounds, check_cameras, object_bounds, pose_count, views
from gltf_render_server.dataset.cameras.bounds import placed_points
from gltf_render_server.errors import DatasetError, RequestError, SceneError
from gltf_render_server.gltf import read_asset
from gltf_render_server.scene import nearest_rigid

UP = {"y": np.array([0.0, 1, 0]), "z": np.array([0.0, 0, 1])}
FRONT = {"y": np.array([0.0, 0, 1]), "z": np.array([0.0, -1, 0])}
MIDDLE = np.array([3.0, -1.0, 0.5])

ROOM = {
    "floor": ((4.2, 0.1, 5.2), (0, -0.05, 0)),
    "ceiling": ((4.2, 0.1, 5.2), (0, 3.05, 0)),
    "left_wall": ((0.1, 3, 5.2), (-2.05, 1.5, 0)),
    "right_wall": ((0.1, 3, 5.2), (2.05, 1.5, 0)),
    "back_wall": ((4, 3, 0.1), (0, 1.5, -2.55)),
    "front_wall": ((4, 3, 0.1), (0, 1.5, 2.55)),
    "cupboard": ((1, 2, 1), (-1.4, 1, -1.9)),
    "chest": ((1.2, 0.8, 0.8), (0.5, 0.4, 0.3)),
    "chair_1": ((0.5, 0.9, 0.5), (1.2, 0.45, -1.5)),
    "chair_2": ((0.5, 0.9, 0.5), (-1.2, 0.45, 1.6)),
}
"""Boxes, by size and middle; y is up."""


def scene_of(meshes, matrices=()):
    """A scene of trimesh's meshes by name, and what the document would be as a file."""
    made = trimesh.Scene()
    for name, mesh in meshes.items():
        made.add_geometry(mesh, node_name=name, transform=dict(matrices).get(name))
    return read_asset(made.export(file_type="glb"), extensions=frozenset()).scene()


def ball(radius=1.0, middle=MIDDLE):
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return scene_of({"ball": mesh.apply_translation(middle)})


def room():
    boxes = {name: trimesh.creation.box(size).apply_translation(at) for name, (size, at) in ROOM.items()}
    return scene_of(boxes)


def cameras_of(text):
    cameras = msgspec.convert(tomllib.loads(text)["cameras"], list[Camera])
    check_cameras(cameras)
    return cameras


def camera(poses, lens="fov_y_deg = 50", name="camera", size=(640, 480), more=""):
    return f"""
[[cameras]]
name = "{name}"
width = {size[0]}
height = {size[1]}
{lens}
poses = {poses}
{more}
"""


def views_of(text, scene, up_axis="y", numbers=None, seed=1, words=("subject",)):
    return [view for _, view in views(cameras_of(text), scene, up_axis, numbers, seed, *words)]


def eye_of(view):
    return view.camera_to_world[:3, 3]


def forward_of(view):
    return -view.camera_to_world[:3, 2]


def pixels_of(view, points):
    """Where points are in a picture, and how deep, (n, 3)."""
    local = (points - eye_of(view)) @ view.camera_to_world[:3, :3]
    x, y, z = local[:, 0], -local[:, 1], -local[:, 2]
    lens = view.lens
    return np.stack([lens.focal_x * x / z + lens.center_x, lens.focal_y * y / z + lens.center_y, z], 1)


def assert_level(view, up_axis):
    assert abs(view.camera_to_world[:3, 0] @ UP[up_axis]) < 1e-12
    assert view.camera_to_world[:3, 1] @ UP[up_axis] > -1e-12


AROUND = [
    '{ kind = "orbit", elevation_deg = 25, turns = 2 }',
    '{ kind = "sphere" }',
    '{ kind = "sphere", spread = "even", fill = 0.5 }',
    '{ kind = "hemisphere", fill = 1 }',
]


@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("poses", AROUND)
@pytest.mark.parametrize(
    ("lens", "size"),
    [
        ("fov_y_deg = 50", (640, 480)),
        ("fov_y_deg = {min = 20, max = 120}", (300, 700)),
        ("focal_x = 900\nfocal_y = 450", (640, 480)),
    ],
)
@pytest.mark.parametrize("radius", [0.0005, 1.0, 3000.0])
def test_the_subject_fills_the_picture(up_axis, poses, lens, size, radius):
    scene = ball(radius)
    points = placed_points(scene, 0)
    fill = tomllib.loads(f"poses = {poses}")["poses"].get("fill", 0.8)
    for view in views_of(camera(poses, lens, size=size, more="count = 12"), scene, up_axis):
        pixels = pixels_of(view, points)
        assert pixels[:, 2].min() > view.lens.near
        assert np.linalg.norm(points - eye_of(view), axis=1).max() < view.lens.far
        assert (pixels[:, :2] > 0).all()
        assert (pixels[:, :2] < size).all()
        shares = np.ptp(pixels[:, :2], axis=0) / size
        # The longest focal length with the smaller side: what is filled is the tighter of both.
        assert 0.98 * fill < shares.max() < 1.0001 * fill
        assert_level(view, up_axis)
        np.testing.assert_allclose(forward_of(view), _unit(bounds(scene).center - eye_of(view)), atol=1e-9)


def test_a_picture_whose_principal_point_is_off_its_middle_holds_the_subject():
    scene = ball()
    lens = "fov_y_deg = 50\ncenter_x = 200\ncenter_y = 300"
    for view in views_of(camera('{ kind = "sphere" }', lens, more="count = 8"), scene):
        pixels = pixels_of(view, placed_points(scene, 0))[:, :2]
        assert (pixels > 0).all()
        assert (pixels < (640, 480)).all()
        assert np.ptp(pixels[:, 1]) == pytest.approx(0.8 * 2 * 180, rel=0.03)


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_an_orbit_is_a_ring_in_equal_steps(up_axis):
    text = camera('{ kind = "orbit", elevation_deg = 30, distance = 4, start_deg = 90 }', more="count = 4")
    made = views_of(text, ball(), up_axis)
    assert [view.name for view in made] == [f"camera_{number:04d}" for number in range(4)]
    right, front, up = np.array([1.0, 0, 0]), FRONT[up_axis], UP[up_axis]
    level = 4 * math.cos(math.radians(30))
    for view, way in zip(made, (right, -front, -right, front), strict=True):
        np.testing.assert_allclose(eye_of(view), MIDDLE + level * way + 2 * up, atol=1e-5)
        assert_level(view, up_axis)
    half = views_of(
        camera('{ kind = "orbit", turns = -0.5, distance = 4 }', more="count = 2"), ball(), up_axis
    )
    assert (eye_of(half[1]) - MIDDLE) @ right == pytest.approx(-4 * math.cos(math.radians(30)), abs=1e-5)


@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("elevation", [90, -90])
def test_an_orbit_from_straight_above_or_below_turns(up_axis, elevation):
    text = camera(f'{{ kind = "orbit", elevation_deg = {elevation}, distance = 2 }}', more="count = 4")
    first, second, *_ = views_of(text, ball(), up_axis)
    np.testing.assert_allclose(eye_of(first), MIDDLE + np.sign(elevation) * 2 * UP[up_axis], atol=1e-5)
    up_in_picture = np.sign(elevation) * -first.camera_to_world[:3, 1]
    np.testing.assert_allclose(up_in_picture, FRONT[up_axis], atol=1e-9)
    assert abs(first.camera_to_world[:3, 1] @ second.camera_to_world[:3, 1]) < 1e-9


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_spheres_are_covered_as_their_area_is(up_axis):
    for spread, error in (("random", 0.08), ("even", 0.01)):
        poses = f'{{ kind = "sphere", distance = 3, spread = "{spread}" }}'
        eyes = np.array(
            [eye_of(view) for view in views_of(camera(poses, more="count = 500"), ball(), up_axis)]
        )
        ways = (eyes - MIDDLE) / 3
        np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1, atol=1e-5)
        assert np.abs(ways.mean(0)).max() < error
        assert np.abs((ways**2).mean(0) - 1 / 3).max() < error
    nearest = np.sort(np.linalg.norm(ways[:, None] - ways, axis=2), axis=1)[:, 1]
    assert nearest.min() > 0.6 * nearest.max()


@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("spread", ["random", "even"])
def test_a_hemisphere_is_above_and_elevations_are_kept(up_axis, spread):
    for poses, low, high in [
        ('kind = "hemisphere"', 0, 90),
        ('kind = "hemisphere", min_elevation_deg = 20, max_elevation_deg = 40', 20, 40),
        ('kind = "sphere", max_elevation_deg = -10', -90, -10),
    ]:
        made = views_of(camera(f'{{ {poses}, spread = "{spread}" }}', more="count = 60"), ball(), up_axis)
        heights = [_unit(eye_of(view) - bounds(ball()).center) @ UP[up_axis] for view in made]
        angles = np.degrees(np.arcsin(heights))
        assert low - 1e-6 < angles.min() < low + 0.2 * (high - low)
        assert high - 0.3 * (high - low) < angles.max() < high + 1e-6


def test_distances_are_drawn():
    for distance, low, high in (("{min = 2, max = 5}", 2, 5), ("[2.0, 5.0]", 2, 5)):
        poses = f'{{ kind = "sphere", distance = {distance} }}'
        made = views_of(camera(poses, more="count = 40"), ball())
        found = [np.linalg.norm(eye_of(view) - bounds(ball()).center) for view in made]
        assert low - 1e-9 <= min(found) < low + 1
        assert high - 1 < max(found) <= high + 1e-9


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_a_list_has_the_poses_that_it_gives(up_axis):
    matrix = np.eye(4)
    matrix[:3] = [[0, 0, 1, 5], [1, 0, 0, 6], [0, 1, 0, 7]]
    rows = ", ".join(f"{value}" for value in matrix.ravel())
    down = MIDDLE - 3 * UP[up_axis]
    poses = f"""{{ kind = "list", poses = [
        {{ camera_to_world = [{rows}] }},
        {{ eye = [1, 2, 3], target = [4, 2.5, 2] }},
        {{ eye = {MIDDLE.tolist()}, target = {down.tolist()} }},
    ] }}"""
    first, second, third = views_of(camera(poses), ball(), up_axis)
    np.testing.assert_array_equal(first.camera_to_world, matrix)
    np.testing.assert_allclose(eye_of(second), (1, 2, 3))
    np.testing.assert_allclose(forward_of(second), _unit(np.array([3, 0.5, -1])))
    assert_level(second, up_axis)
    np.testing.assert_allclose(third.camera_to_world[:3, 1], -FRONT[up_axis], atol=1e-12)
    assert len(views_of(camera(poses, more="count = 2"), ball(), up_axis)) == 2


def in_box(lows, highs, target):
    return f'{{ kind = "box", min = {lows.tolist()}, max = {highs.tolist()}, target = {target} }}'


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_a_box_holds_the_cameras_that_look_where_it_is_said(up_axis):
    lows, highs, middle = np.array([5.0, -1, -1]), np.array([7.0, 1, 2]), bounds(ball()).center
    for target, low, high in (
        ('"middle"', middle, middle),
        ("[1, 1, 1]", np.ones(3), np.ones(3)),
        ('{ kind = "object", name = "b*" }', middle, middle),
        ('{ kind = "box", min = [0, 0, 0], max = [1, 2, 3] }', np.zeros(3), np.array([1, 2, 3])),
    ):
        made = views_of(camera(in_box(lows, highs, target), more="count = 30"), ball(), up_axis)
        eyes = np.array([eye_of(view) for view in made])
        assert (eyes >= lows).all()
        assert (eyes <= highs).all()
        assert (np.ptp(eyes, axis=0) > 0.7 * (highs - lows)).all()
        for view in made:
            assert_level(view, up_axis)
            assert meets_box(eye_of(view), forward_of(view), low - 1e-9, high + 1e-9)


def meets_box(eye, way, low, high):
    with np.errstate(divide="ignore"):
        ends = np.sort((np.stack([low, high]) - eye) / way, axis=0)
    return ends[0].max() <= ends[1].min() and ends[1].min() > 0


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_directions_are_drawn_between_elevations(up_axis):
    target = '{ kind = "direction", elevation_deg = { min = -20, max = 10 } }'
    poses = in_box(np.array([5, -1, -1]), np.array([7, 1, 2]), target)
    made = views_of(camera(poses, more="count = 60"), ball(), up_axis)
    ways = np.array([forward_of(view) for view in made])
    angles = np.degrees(np.arcsin(ways @ UP[up_axis]))
    assert -20 - 1e-9 <= angles.min() < -15
    assert 5 < angles.max() <= 10 + 1e-9
    level = {(way @ FRONT[up_axis] > 0, way[0] > 0) for way in ways}
    assert len(level) == 4, "it looks to all sides"


def test_a_path_goes_through_its_points_in_equal_steps():
    points = [((0, 1, 0), (5, 1, 0)), ((4, 1, 0), (5, 1, 1)), ((4, 2, 3), (0, 1, 9)), ((-2, 2, 3), (0, 0, 0))]
    written = ", ".join(f"{{ eye = {list(eye)}, target = {list(target)} }}" for eye, target in points)
    for more, closed in (("", False), (", smooth = false", False), (", closed = true", True)):
        poses = f'{{ kind = "path", points = [{written}]{more} }}'
        made = views_of(camera(poses, more="count = 400"), ball())
        eyes = np.array([eye_of(view) for view in made])
        steps = np.linalg.norm(np.diff(eyes, axis=0, append=eyes[:1] if closed else eyes[:0]), axis=1)
        on_arcs = steps if "false" not in more else np.delete(steps, steps.argsort()[:3])  # cut corners
        assert np.ptp(on_arcs) < 0.01 * steps.mean()
        for eye, _ in points:
            assert np.linalg.norm(eyes - eye, axis=1).min() <= 0.51 * steps.max()
        np.testing.assert_allclose(eyes[0], points[0][0], atol=1e-9)
        np.testing.assert_allclose(forward_of(made[0]), (1, 0, 0), atol=1e-9)
        if not closed:
            np.testing.assert_allclose(eyes[-1], points[-1][0], atol=1e-9)
        turns = np.diff(eyes, 2, axis=0) / steps.mean()
        assert (np.abs(turns).max() < 0.2) == ("false" not in more)  # smooth: no corners


def test_a_path_may_turn_in_its_place():
    written = "{ eye = [0, 0, 0], target = [1, 0, 0] }, { eye = [0, 0, 0], target = [0, 0, 1] }"
    poses = f'{{ kind = "path", points = [{written}], smooth = false }}'
    made = views_of(camera(poses, more="count = 3"), ball())
    assert [eye_of(view).tolist() for view in made] == [[0, 0, 0]] * 3
    np.testing.assert_allclose(forward_of(made[1]), _unit(np.array([1, 0, 1])), atol=1e-9)


def document_with_cameras():
    mesh = trimesh.Scene({"ball": trimesh.creation.icosphere()}).export(file_type="gltf")
    files = dict(mesh)
    document = json.loads(files["model.gltf"])
    for buffer in document["buffers"]:
        data = files[buffer["uri"]]
        buffer["uri"] = (
            "data:application/octet-stream;base64," + __import__("base64").b64encode(data).decode()
        )
    document["cameras"] = [
        {"type": "perspective", "perspective": {"yfov": 0.5, "znear": 0.2, "zfar": 30}},
        {"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}},
    ]
    at = len(document["nodes"])
    document["nodes"] += [
        {"name": "front", "camera": 0, "translation": [0, 0, 5]},
        {"name": "near", "camera": 1, "translation": [0, 0, 3]},
    ]
    document["scenes"][document.get("scene", 0)]["nodes"] += [at, at + 1]
    return read_asset(json.dumps(document).encode(), extensions=frozenset()).scene()


def test_the_cameras_of_the_document():
    scene = document_with_cameras()
    made = views_of(camera('{ kind = "document" }', lens=""), scene)
    assert [eye_of(view)[2] for view in made] == [5, 3]
    assert [view.lens.near for view in made] == [0.2, 0.1]
    assert made[0].lens.far == 30
    for view, fov in zip(made, (0.5, 1.0), strict=True):
        assert view.lens.focal_y == pytest.approx(240 / math.tan(fov / 2))
    for which in ('"near"', "1"):
        [view] = views_of(camera(f'{{ kind = "document", camera = {which} }}', "fov_y_deg = 90"), scene)
        assert (view.name, eye_of(view)[2]) == ("camera", 3)
        assert view.lens.focal_y == pytest.approx(240)
    with pytest.raises(SceneError, match="camera 'camera', pose 2: the document has 2 cameras"):
        views_of(camera('{ kind = "document" }', lens="", more="count = 3"), scene)
    with pytest.raises(RequestError, match=r"'camera', pose 0.*no cameras of the scene have the name 'rear'"):
        views_of(camera('{ kind = "document", camera = "rear" }', lens=""), scene)


RIG = (
    camera('{ kind = "sphere" }', "fov_y_deg = { min = 30, max = 60 }", "left", more="count = 5")
    + """
[[cameras]]
name = "third"
width = 320
height = 240
focal_x = 300
offset = { of = "right", translation = [0, 0.1, 0], rotation_deg = [0, 90, 0] }

[[cameras]]
name = "right"
width = 640
height = 480
offset = { of = "left", translation = [0.06, 0, 0] }
"""
)


def test_a_rig_moves_as_one():
    by_name = {view.name: view for view in views_of(RIG, ball())}
    assert len(by_name) == 15
    for number in range(5):
        left, right, third = (by_name[f"{name}_{number:04d}"] for name in ("left", "right", "third"))
        own = np.linalg.inv(left.camera_to_world)
        np.testing.assert_allclose((own @ right.camera_to_world)[:3, 3], (0.06, 0, 0), atol=1e-9)
        np.testing.assert_allclose((own @ right.camera_to_world)[:3, :3], np.eye(3), atol=1e-12)
        assert right.lens == left.lens
        np.testing.assert_allclose((own @ third.camera_to_world)[:3, 3], (0.06, 0.1, 0), atol=1e-9)
        # turned by 90 degrees about y, it looks to the left
        np.testing.assert_allclose((own @ third.camera_to_world)[:3, 2], (1, 0, 0), atol=1e-12)
        assert third.lens.focal_y == 300
    assert len({view.lens.focal_x for view in by_name.values()}) == 6


def test_rotations_are_about_x_then_y_then_z():
    pose = camera('{ kind = "list", poses = [{ eye = [0, 0, 0], target = [0, 0, -1] }] }', name="a")
    text = (
        pose
        + '[[cameras]]\nname = "b"\nwidth = 640\nheight = 480\n'
        + 'offset = { of = "a", rotation_deg = [90, 90, 0] }\n'
    )
    _, other = views_of(text, ball())
    # about x, up becomes backward and backward becomes down; about y, backward then becomes right
    np.testing.assert_allclose(other.camera_to_world[:3, 1], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(other.camera_to_world[:3, 2], (0, -1, 0), atol=1e-12)


def test_jitter_stays_within_its_bounds():
    poses = '{ kind = "list", poses = [{ eye = [9, 0, 0], target = [0, 0, 0] }] }'
    turned = '{ kind = "orbit", distance = 9 }'
    text = camera(poses, name="still") + camera(
        turned, name="ring", more="count = 50\njitter = { translation = 0.1, rotation_deg = 2 }"
    )
    made = views_of(text, ball())
    plain = views_of(camera(turned, name="ring", more="count = 50"), ball())
    offsets = [
        np.linalg.inv(one.camera_to_world) @ other.camera_to_world
        for one, other in zip(plain, made[1:], strict=True)
    ]
    moves = np.array([offset[:3, 3] for offset in offsets])
    assert 0.08 < np.abs(moves).max() <= 0.1
    angles = np.degrees([math.acos(min(1, (np.trace(offset[:3, :3]) - 1) / 2)) for offset in offsets])
    assert 2 < angles.max() < 2 * math.sqrt(3) + 0.1
    assert np.array_equal(eye_of(made[0]), (9, 0, 0))


EVERYTHING = (
    "".join(camera(poses, name=f"c{index}", more="count = 6") for index, poses in enumerate(AROUND))
    + camera('{ kind = "box", target = { kind = "object" } }', name="box", more="count = 6")
    + RIG
)


def test_poses_depend_on_their_number_and_names_alone():
    scene = room()
    whole = {
        (name, view.name): view for name, view in views(cameras_of(EVERYTHING), scene, "y", None, 7, "a")
    }
    assert len(whole) == 5 * 6 + 15
    for numbers in ([5, 1], [3, 1, 3], range(4, 100)):
        cameras = cameras_of(EVERYTHING)[::-1]
        for name, view in views(cameras, room(), "y", numbers, 7, "a"):
            full = view.name if view.name != name else f"{name}_{next(n for n in numbers if n < 5):04d}"
            other = whole[name, full]
            np.testing.assert_array_equal(view.camera_to_world, other.camera_to_world)
            assert view.lens == other.lens
    for seed, words in ((8, ["a"]), (7, ["b"]), (7, ["a", 0])):
        for name, view in views(cameras_of(EVERYTHING), scene, "y", None, seed, *words):
            is_random = name not in ("c0", "c2")
            is_same = np.array_equal(view.camera_to_world, whole[name, view.name].camera_to_world)
            assert is_same != is_random


def test_all_poses_are_rigid_and_named_as_told():
    made = views(cameras_of(EVERYTHING), room(), "z", None, 1)
    for _, view in made:
        rigid = nearest_rigid(view.camera_to_world)
        np.testing.assert_allclose(rigid, view.camera_to_world, atol=1e-12)
        np.testing.assert_array_equal(view.camera_to_world[3], (0, 0, 0, 1))
    assert len({view.name for _, view in made}) == len(made)
    one = views(cameras_of(EVERYTHING), room(), "z", [5], 1)
    assert [view.name for _, view in one] == ["c0", "c1", "c2", "c3", "box"]


def is_in_a_box(point, name, margin=0.0):
    size, middle = ROOM[name]
    return (np.abs(point - middle) < np.array(size) / 2 + margin).all()


def first_box(eye, way, beyond=1e-6):
    """The name of the box that a ray meets first, and how far away."""
    found = {}
    for name, (size, middle) in ROOM.items():
        with np.errstate(divide="ignore"):
            ends = (np.array(middle) + np.array([[-0.5], [0.5]]) * size - eye) / way
        enter, leave = ends.min(0).max(), ends.max(0).min()
        if enter <= leave and leave > 0 and enter > beyond:
            found[name] = enter
    return min(found, key=found.get), min(found.values())


def test_cameras_in_a_room_stand_in_its_air_and_see_what_they_look_at():
    scene = room()
    poses = (
        '{ kind = "box", min = [-3, -1, -3], max = [3, 4, 3], target = { kind = "object", name = "ch*" } }'
    )
    more = (
        "count = 60\nchecks = { clearance = 0.2, view_clearance = 0.3, see_target = true, least_seen = 0.95 }"
    )
    made = views_of(camera(poses, more=more), scene)
    targets = {"chest", "chair_1", "chair_2"}
    seen = set()
    for view in made:
        eye = eye_of(view)
        assert not any(is_in_a_box(eye, name, 0.2 / math.sqrt(3)) for name in ROOM)
        assert (np.abs(eye - (0, 1.5, 0)) < (2, 1.5, 2.5)).all()
        name, _ = first_box(eye, forward_of(view))
        np.testing.assert_allclose(forward_of(view), _unit(ROOM[name][1] - eye), atol=1e-6)
        seen.add(name)
    assert seen == targets


def test_cameras_in_a_room_look_around_freely():
    poses = '{ kind = "box", target = { kind = "direction" } }'
    for view in views_of(camera(poses, more="count = 60"), room()):
        eye = eye_of(view)
        assert (np.abs(eye - (0, 1.5, 0)) < (2.1, 1.6, 2.6)).all()
        assert not any(is_in_a_box(eye, name, 0.02) for name in ROOM)
        assert first_box(eye, forward_of(view))[1] > 0.04 * bounds(room()).radius


def test_a_point_inside_an_object_is_seen_through_that_object_only():
    middle = ROOM["chest"][1]
    poses = f'{{ kind = "box", target = {list(middle)} }}'
    for view in views_of(camera(poses, more="count = 40\nchecks = { see_target = true }"), room()):
        assert first_box(eye_of(view), forward_of(view))[0] == "chest"


def test_what_is_rejected_does_not_change_other_poses():
    poses = '{ kind = "box", target = { kind = "object", name = "chair*" } }'
    strict = views_of(camera(poses, more="count = 40\nchecks = { see_target = true }"), room())
    loose = views_of(
        camera(poses, more="count = 40\nchecks = { clearance = 0, most_back_faces = 1 }"), room()
    )
    same = [
        np.array_equal(one.camera_to_world, other.camera_to_world)
        for one, other in zip(strict, loose, strict=True)
    ]
    assert 3 < sum(same) < 37


def test_the_inside_of_a_mirrored_box_is_its_inside():
    mirror = np.diag([-1.0, 1, 1, 1])
    scene = scene_of({"box": trimesh.creation.box((2, 2, 2))}, {"box": mirror})
    assert np.linalg.det(scene.placements.matrix[0]) < 0
    with pytest.raises(RequestError, match="inside an object"):
        views_of(camera('{ kind = "box" }'), scene)


def test_a_pose_that_cannot_be_drawn_is_told():
    inside = '{ kind = "box", min = [0.3, 0.2, 0.2], max = [0.7, 0.6, 0.4], target = [5, 0, 0] }'
    with pytest.raises(
        RequestError,
        match=r"^camera 'camera', pose 0: none of the 30 poses that were tried passed the checks; "
        "in 30 of them, the camera is in",
    ):
        views_of(camera(inside, more="checks = { clearance = 0.01, tries = 30 }"), room())
    eyes = ([0, 2, 0], [1.95, 2, 0])
    poses = ", ".join(f"{{ eye = {eye}, target = [0, 0, 0] }}" for eye in eyes)
    listed = f'{{ kind = "list", poses = [{poses}] }}'
    with pytest.raises(RequestError, match=r"pose 1: a surface is closer .* clearance, 0.1 m"):
        views_of(camera(listed, more="checks = { clearance = 0.1 }"), room())
    before_a_wall = '{ kind = "list", poses = [{ eye = [1.6, 2, 0], target = [2, 2, 0] }] }'
    with pytest.raises(
        RequestError, match=r"pose 0: something in view is closer to the camera than view_clearance, 0.5 m"
    ):
        views_of(camera(before_a_wall, more="checks = { clearance = 0.1, view_clearance = 0.5 }"), room())
    hidden = '{ kind = "sphere", distance = { min = 6, max = 9 } }'
    with pytest.raises(RequestError, match="the target is hidden"):
        views_of(camera(hidden, more="checks = { see_target = true }"), room())
    with pytest.raises(RequestError, match="the image shows too little of the scene"):
        views_of(camera(hidden, more="checks = { least_seen = 1 }"), room())
    assert len(views_of(camera(listed), room())) == 2, "poses that are given are not checked unasked"


def test_cameras_that_stand_outside_load_nothing(tmp_path):
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_cameras import AROUND, ball, camera, views_of
for poses in AROUND:
    assert len(views_of(camera(poses, more="count = 20"), ball())) == 20
assert "gltf_render_server.dataset.cameras.obstacles" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex.mesh_construction", None)
    monkeypatch.delitem(sys.modules, "gltf_render_server.dataset.cameras.obstacles", raising=False)
    with pytest.raises(DatasetError, match=r"checks need the package embreex.*\[dataset\]"):
        views_of(camera('{ kind = "box" }'), room())


def test_bounds_are_those_of_what_is_drawn():
    scene = room()
    extent = bounds(scene)
    np.testing.assert_allclose(extent.low, (-2.1, -0.1, -2.6), atol=1e-6)
    np.testing.assert_allclose(extent.high, (2.1, 3.1, 2.6), atol=1e-6)
    assert extent.radius == pytest.approx(math.dist(extent.high, extent.center))
    names = [scene.asset.node_name(node) for node in scene.instances.node.tolist()]
    chest = object_bounds(scene, names.index("chest"))
    np.testing.assert_allclose(chest.center, ROOM["chest"][1], atol=1e-6)
    assert bounds(room()) is extent


def test_an_empty_scene_has_no_middle():
    asset = read_asset(
        b'{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}', extensions=frozenset()
    )
    with pytest.raises(SceneError, match="'camera', pose 0: the scene is empty, so the camera has"):
        views_of(camera('{ kind = "orbit" }'), asset.scene())
    listed = '{ kind = "list", poses = [{ eye = [0, 2, 0], target = [0, 0, 0] }] }'
    assert len(views_of(camera(listed), asset.scene())) == 1


def test_counts():
    scene = document_with_cameras()
    cameras = cameras_of(RIG + camera('{ kind = "document" }', lens="", name="own"))
    assert [pose_count(each, cameras) for each in cameras] == [5, 5, 5, None]
    assert pose_count(cameras[-1], cameras, scene) == 2


LIST = 'poses = { kind = "list", poses = [{ eye = [0, 0, 1], target = [0, 0, 0] }] }'
SIZE = 'name = "a"\nwidth = 64\nheight = 48\n'


FOV = SIZE + "fov_y_deg = 9\n"
EYE, EYE_TO_EYE = "{ eye = [0, 0, 1] }", "{ eye = [0, 0, 1], target = [0, 0, 1] }"
NOT_RIGID = f"{{ camera_to_world = {[2, *[0] * 14, 1]} }}"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FOV, r"give either poses or offset, and not both - at `\$\[0\]`"),
        (SIZE + LIST, "give focal_x and focal_y, or fov_y_deg"),
        (FOV + LIST + "\nfocal_x = 9", "give either focal_x and focal_y, or fov_y_deg, but not both"),
        (SIZE + LIST + "\nfov_y_deg = 180", r"< 180.0 - at `\$\[0\].fov_y_deg`"),
        (SIZE + LIST + "\nfov_y_deg = [9, 180]", r"< 180.0 - at `\$\[0\].fov_y_deg\[1\]`"),
        (
            SIZE + LIST + "\nfov_y_deg = {min = 9, max = 190}",
            "fov_y_deg: must be greater than 0 and less than 180, not 190",
        ),
        (FOV + LIST + "\nfar = 0.1\nnear = 0.2", r"near, far: near \(0.2\) must be less than far \(0.1\)"),
        (FOV + LIST + "\ncount = 2", "count: must be at most 1, the number of poses in the list, not 2"),
        (FOV + LIST + "\nfoval = 2", "unknown field `foval`"),
        (FOV.replace('"a"', '"a b"') + LIST, r"at `\$\[0\].name`"),
        (FOV + 'poses = { kind = "orbits" }', r"Invalid value 'orbits' - at `\$\[0\].poses.kind`"),
        (FOV + 'poses = { kind = "orbit", distance = 0 }', r"> 0.0 - at `\$\[0\].poses.distance`"),
        (
            FOV + 'poses = { kind = "orbit", distance = { min = 0, max = 2 } }',
            "distance: must be greater than 0",
        ),
        (FOV + 'poses = { kind = "orbit", distance = { min = 3, max = 2 } }', "must not be greater"),
        (FOV + 'poses = { kind = "orbit", target = { kind = "x" } }', r"at `\$\[0\].poses.target.kind`"),
        (FOV + 'poses = { kind = "hemisphere", max_elevation_deg = -1 }', "min_elevation_deg must not be"),
        (FOV + 'poses = { kind = "box", min = [0, 0, 0] }', "give both min and max"),
        (
            FOV + 'poses = { kind = "box", min = [0, 3, 0], max = [1, 1, 1] }',
            r"min \(3\) must not be .*max \(1\) along y",
        ),
        (FOV + f'poses = {{ kind = "path", points = [{EYE_TO_EYE}, {EYE_TO_EYE}] }}', "the same point"),
        (FOV + f'poses = {{ kind = "list", poses = [{EYE_TO_EYE}] }}', "the same point"),
        (FOV + f'poses = {{ kind = "list", poses = [{EYE}] }}', "give either camera_to_world, or eye"),
        (FOV + f'poses = {{ kind = "list", poses = [{NOT_RIGID}] }}', "must be a rotation and a translation"),
        (
            SIZE + 'offset = { of = "b" }\ncount = 3',
            "count: cannot be set for a camera that is attached to 'b'",
        ),
        (
            FOV + 'checks = { see_target = true }\nposes = { kind = "box", target = { kind = "direction" } }',
            "see_target is true, but poses of this kind have no target",
        ),
    ],
)
def test_wrong_tables_say_what_and_where(table, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        cameras_of(f"[[cameras]]\n{table}\n")


def offset(name, of, size="width = 640\nheight = 480"):
    return f'[[cameras]]\nname = "{name}"\n{size}\noffset = {{ of = "{of}" }}\n'


ORBIT = camera('{ kind = "orbit" }', name="a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (offset("a", "b"), r"^\$\.cameras\[0\]\.offset\.of: there is no camera 'b'; the cameras are a$"),
        (offset("a", "b") + offset("b", "a"), r"^\$\.cameras\[0\]\.offset\.of: .* circle: a -> b -> a"),
        (offset("a", "a"), "circle: a -> a"),
        (ORBIT * 2, r"^\$\.cameras\[1\]\.name: 'a' is the name of another camera"),
        (ORBIT + ORBIT.replace('"a"', '"A"'), "differ only in case"),
        (ORBIT + ORBIT.replace('"a"', '"a_0001"'), "could also be the name of"),
        (ORBIT + offset("b", "a", "width = 64\nheight = 48"), "another size"),
    ],
)
def test_cameras_that_do_not_go_together(text, message):
    with pytest.raises(DatasetError, match=message):
        cameras_of(text)


def test_the_examples_of_the_page_are_read():
    page = Path(__file__).parents[2] / "docs" / "datasets" / "cameras.md"
    first, second = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(views_of(first, ball())) == 100
    assert len(views_of(second, room(), numbers=range(3))) == 3


def test_an_object_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(
        RequestError, match=r"'camera', pose 0: target: no object in the scene is named 'sofa'.*'floor'"
    ):
        views_of(camera('{ kind = "orbit", target = { kind = "object", name = "sofa" } }'), room())


def test_the_schema_takes_what_is_read_and_nothing_that_is_not():
    schema = msgspec.json.schema(list[Camera])
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (EVERYTHING, RIG, camera('{ kind = "document" }', lens="")):
        validator.validate(tomllib.loads(text)["cameras"])
    for wrong in (
        'poses = { kind = "orbits" }',
        'poses = { kind = "orbit", distance = -1 }',
        'poses = { kind = "orbit", distance = "near" }',
        'poses = { kind = "box", min = [0, 0], max = [1, 1, 1] }',
        "fov_y_deg = 180",
        "lens = 3",
    ):
        tables = tomllib.loads(f"[[cameras]]\n{SIZE}{wrong}\n")["cameras"]
        assert not validator.is_valid(tables)


def _unit(vector):
    return vector / np.linalg.norm(vector)
