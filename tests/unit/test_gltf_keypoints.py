"""Keypoints: whose they are, and where."""

import json

import numpy as np
from alone import POSE
from drake_like import DrakeScene, add_accessor, box, column_major, translation
from spent import spending

from gltf_render_server.gltf import read_asset


def document(count=1):
    """Boxes; their nodes are 0, 1 and so on, all below the last node."""
    return DrakeScene(
        [box((1, 1, 1), translation(index, 0, 0), 1) for index in range(count)], POSE
    ).document()


def add(document, name, parent=None, **node):
    """Add a node, below another or to the scene; return its number."""
    index = len(document["nodes"])
    document["nodes"].append({"name": name, **node})
    if parent is None:
        document["scenes"][0]["nodes"].append(index)
    else:
        document["nodes"][parent].setdefault("children", []).append(index)
    return index


def scene_of(document, **poses):
    return read_asset(json.dumps(document).encode(), extensions=frozenset()).scene(poses)


def told(scene):
    return [(point.name, point.instance, *point.position.tolist()) for point in scene.keypoints]


def test_below_the_node_or_below_what_is_below():
    written = document(2)
    joint = add(written, "joint", 1, translation=[0, 1, 0])
    add(written, "keypoint:tip", joint, translation=[0, 0, 2])
    add(written, "keypoint:base", 0)
    assert told(scene_of(written)) == [("tip", 1, 1, 1, 2), ("base", 0, 0, 0, 0)]


def test_beside_the_mesh_in_its_body():
    written = document(2)
    body = add(written, "body", translation=[0, 0, 5])
    add(written, "visual", add(written, "offset", body, scale=[2, 2, 2]), mesh=0)
    add(written, "keypoint:grasp", add(written, "frame", body, translation=[1, 0, 0]))
    assert told(scene_of(written)) == [("grasp", 2, 1, 0, 5)]


def test_nobody_s():
    written = document(2)
    add(written, "keypoint:lost")
    add(written, "keypoint:among several", len(written["nodes"]) - 2)
    empty = add(written, "empty")
    add(written, "keypoint:of nothing", empty)
    add(written, "keypoint:", 0)
    add(written, 12, 0)
    scene = scene_of(written)
    assert scene.keypoints == ()
    assert len([warning for warning in scene.warnings if "belongs to no one object" in warning]) == 3


def test_a_mesh_below_a_mesh():
    written = document(1)
    add(written, "lid", 0, mesh=0, translation=[0, 0, 1])
    add(written, "keypoint:of the box", 0)
    add(written, "keypoint:of the lid", len(written["nodes"]) - 2)
    assert [(name, instance) for name, instance, *_ in told(scene_of(written))] == [
        ("of the box", 0),
        ("of the lid", 1),
    ]


def test_each_copy_has_it():
    written = document(1)
    moves = add_accessor(written, np.array([[0, 0, 0], [0, 3, 0]], "<f4"), "VEC3")
    instanced = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": moves}}}
    node = add(written, "many", mesh=0, translation=[5, 0, 0], scale=[2, 2, 2], extensions=instanced)
    add(written, "keypoint:tip", node, translation=[0, 0, 1])
    np.testing.assert_allclose([row[2:] for row in told(scene_of(written))], [(5, 0, 2), (5, 6, 2)])
    assert [row[1] for row in told(scene_of(written))] == [1, 2]


def test_it_moves_with_its_object_and_may_be_moved_itself():
    written = document(1)
    written["nodes"][0]["name"] = "box"
    add(written, "keypoint:tip", 0, translation=[0, 0, 1])
    assert told(scene_of(written, box=translation(7, 8, 9))) == [("tip", 0, 7, 8, 10)]
    moved = {"keypoint:tip": translation(1, 1, 1)}
    assert told(scene_of(written, **moved)) == [("tip", 0, 1, 1, 1)]


def test_a_flat_object_has_keypoints_too():
    written = document(1)
    written["nodes"][0]["matrix"] = column_major(np.diag([1, 1, 0, 1]))
    add(written, "keypoint:tip", 0, translation=[1, 2, 3])
    assert told(scene_of(written)) == [("tip", 0, 1, 2, 0)]


def test_a_hidden_object_has_none():
    written = document(1)
    hidden = {"KHR_node_visibility": {"visible": False}}
    body = add(written, "body", extensions=hidden)
    add(written, "keypoint:tip", add(written, "visual", body, mesh=0))
    assert told(scene_of(written)) == []


def test_a_deep_chain_of_them_is_quick():
    """A keypoint below a keypoint and so on, the lowest first, beside a mesh: no way up is gone twice."""

    def seconds(count):
        written = document(1)
        body = add(written, "body")
        add(written, "visual", body, mesh=0)
        first = len(written["nodes"])
        written["nodes"].append({"name": "keypoint:0"})
        written["nodes"] += [{"name": f"keypoint:{n}", "children": [first + n - 1]} for n in range(1, count)]
        written["nodes"][body]["children"].append(first + count - 1)
        with spending() as spent:
            scene = scene_of(written)
            assert {point.instance for point in scene.keypoints} == {1}
            assert len(scene.keypoints) == count
        return spent.seconds

    assert seconds(20_000) < 30 * max(0.05, seconds(2_000))
