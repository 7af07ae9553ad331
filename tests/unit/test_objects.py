"""What is where in the axes of objects: boxes, and points that an object's matrix puts back."""

import json

import any_gltf
import numpy as np
import pytest
from drake_like import column_major, empty_document

from gltf_render_server.gltf import parse_scene
from gltf_render_server.passes import NOTHING, Exact, Meshes
from gltf_render_server.passes.objects import in_objects, object_boxes

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [9, 9, 9]], "<f4")
"""The last is of no triangle."""
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 0, 0]])


def scene_of(*nodes, moved=()):
    """A tetrahedron's two faces in some places, and a second primitive where `moved` says it is."""
    document = empty_document()
    any_gltf.add_mesh(document, POINTS, TRIANGLES)
    if len(moved):
        other = any_gltf.add_mesh(document, POINTS + np.array(moved, "<f4"), TRIANGLES)
        document["meshes"][0]["primitives"].append(other)
        document["meshes"].pop()
    document["nodes"] = [{"mesh": 0, **node} for node in nodes]
    document["scenes"][0]["nodes"] = list(range(len(nodes)))
    return parse_scene(json.dumps(document).encode(), extensions=frozenset())


def turned(*scale):
    q = np.array([0.1, -0.4, 0.3, 0.8])
    return {"rotation": (q / np.linalg.norm(q)).tolist(), "scale": [*scale], "translation": [5, -7, 2]}


def float32_flat():
    """Flat but for the rounding of float32, as files hold matrices."""
    x, y, z, w = turned()["rotation"]
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([1, 1, 0]) @ turn.T
    return {"matrix": column_major(matrix.astype(np.float32).astype(float))}


@pytest.mark.parametrize(
    "node",
    [{}, turned(1, 1, 1), turned(1e-3, 2, -1), {"translation": [1e6, 1e6, -1e6], "scale": [1e-3] * 3}],
    ids=["plain", "turned", "mirrored", "small and far away"],
)
def test_the_box_is_that_of_the_triangles_in_the_objects_axes(node):
    low, high = object_boxes(scene_of(node), Meshes())
    np.testing.assert_array_equal(low, [[0, 0, 0]])
    np.testing.assert_array_equal(high, [[1, 2, 3]])


def test_the_box_holds_all_primitives_of_each_object():
    low, high = object_boxes(scene_of({}, turned(2, 2, 2), moved=(-5, 0.5, 0)), Meshes())
    np.testing.assert_array_equal(low, [[-5, 0, 0]] * 2)
    np.testing.assert_array_equal(high, [[1, 2.5, 3]] * 2)


def test_the_box_of_a_skin_is_where_its_joints_bend_it():
    document = any_gltf.skinned()
    scene = parse_scene(json.dumps(document).encode(), extensions=frozenset())
    low, high = object_boxes(scene, Meshes())
    for index, primitive in enumerate(scene.placements.primitive):
        triangles = scene.asset.triangles(scene.primitives[primitive])
        points = triangles.vertices[np.unique(triangles.corners)]
        matrix = np.linalg.inv(scene.instances.matrix[index]) @ scene.placements.matrix[index]
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(low[index], points.min(0), atol=1e-6)
        np.testing.assert_allclose(high[index], points.max(0), atol=1e-6)


def test_no_objects_have_no_boxes():
    low, high = object_boxes(scene_of(), Meshes())
    assert low.shape == high.shape == (0, 3)


def points_of(scene, points, placement=0):
    """Bring points, (n, 3), into the axes of a placement's object."""
    exact = Exact(np.ones((1, len(points)), np.float32), np.full((1, len(points)), placement, np.int32))
    return in_objects(np.array([points], float), exact, scene)[0]


@pytest.mark.parametrize(
    "node", [{}, turned(1, 1, 1), turned(1e-3, 2, -1), {"translation": [1e6, 0, 0], "scale": [3, 1, 1]}]
)
def test_the_matrix_puts_points_back(node):
    scene = scene_of({}, node)
    [_, matrix] = scene.instances.matrix
    points = np.random.default_rng(0).normal(size=(50, 3)) + matrix[:3, 3]
    found = points_of(scene, points, placement=1)
    np.testing.assert_allclose(found @ matrix[:3, :3].T + matrix[:3, 3], points, atol=1e-8)


@pytest.mark.parametrize(
    "node", [turned(1, 2, 0), turned(0, 1, 0), float32_flat()], ids=["plane", "line", "rounded"]
)
def test_a_flat_matrix_gives_points_of_least_length(node):
    """What stands there has a thickness of some millionths, which is nowhere in the object's axes."""
    scene = scene_of(node)
    [matrix], [thick] = scene.instances.matrix, scene.placements.matrix
    inside = np.random.default_rng(0).uniform(0, 1, (50, 3))
    world = inside @ thick[:3, :3].T + thick[:3, 3]
    found = points_of(scene, world)
    np.testing.assert_allclose(found @ matrix[:3, :3].T + matrix[:3, 3], world, atol=2e-5)
    assert (np.linalg.norm(found, axis=1) <= np.linalg.norm(inside, axis=1) + 1e-4).all()
    low, high = object_boxes(scene, Meshes())
    corners = points_of(scene, POINTS[:4] @ thick[:3, :3].T + thick[:3, 3])
    np.testing.assert_allclose(low[0], corners.min(0), atol=1e-6)
    np.testing.assert_allclose(high[0], corners.max(0), atol=1e-6)


def test_what_is_nobodys_is_nowhere():
    assert np.isnan(points_of(scene_of({}), [[1.0, 2.0, 3.0]], placement=NOTHING)).all()
    assert np.isnan(points_of(scene_of({}), [[np.nan] * 3])).all()


def family(*extras):
    """A node with two children, of which one has a child; each but the uppermost shows the tetrahedron."""
    document = empty_document()
    any_gltf.add_mesh(document, POINTS, TRIANGLES)
    document["nodes"] = [
        {"name": "whole", "children": [1, 2], "translation": [5, 0, 0]},
        {"mesh": 0, "translation": [0, 1, 0]},
        {"mesh": 0, "children": [3], "scale": [2, 2, 2]},
        {"name": "part", "mesh": 0, "translation": [0, 0, -4]},
    ]
    for node, told in zip(document["nodes"], extras, strict=False):
        node["extras"] = told
    document["scenes"][0]["nodes"] = [0]
    return parse_scene(json.dumps(document).encode(), extensions=frozenset())


def test_a_node_that_says_so_is_one_object_with_all_below_it():
    scene = family({"instance": True, "category": "tree"})
    assert scene.instances.node.tolist() == [0]
    assert scene.placements.instance.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(scene.instances.matrix[0][:3, 3], [5, 0, 0])
    low, high = object_boxes(scene, Meshes())
    np.testing.assert_array_equal(low, [[0, 0, -8]])
    np.testing.assert_array_equal(high, [[2, 4, 6]])


def test_the_uppermost_node_that_says_so_counts_and_others_are_objects_of_their_own():
    scene = family({}, {}, {"instance": True}, {"instance": True})
    assert scene.instances.node.tolist() == [1, 2]
    assert scene.placements.instance.tolist() == [0, 1, 1]
    assert family({"instance": 1}, [], "instance").instances.node.tolist() == [1, 2, 3]


def test_meshes_that_no_frame_asks_for_are_let_go():
    meshes, scene = Meshes(), scene_of({})
    other = scene_of({}, moved=(1, 0, 0))
    kept = meshes.corners(scene, 0)
    for _ in range(70):
        meshes.begin_frame()
        meshes.corners(other, 1)
    assert meshes.corners(other, 1) is meshes.corners(other, 1)
    again = meshes.corners(scene, 0)
    assert again is not kept
    np.testing.assert_array_equal(again, kept)
