import numpy as np
import pytest
from drake_like import DrakeScene, box, column_major, look_at, translation
from frames import pose_of
from test_gltf_document import CAMERA, one_box, parsed

from gltf_render_server.errors import RequestError, SceneError
from gltf_render_server.gltf.graph import thickened, trs_matrices


def rotation_z(angle):
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def test_translation_rotation_and_scale_compose():
    document = one_box()
    half = np.sqrt(0.5)
    document["nodes"][0] = {
        "mesh": 0,
        "translation": [1, 2, 3],
        "rotation": [0, 0, half, half],
        "scale": [2, 3, 4],
    }
    [matrix] = parsed(document).placements.matrix
    expected = translation(1, 2, 3) @ rotation_z(np.pi / 2) @ np.diag([2, 3, 4, 1])
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_quaternions_are_normalised():
    document = one_box()
    document["nodes"][0] = {"mesh": 0, "rotation": [0, 0, 3, 3]}
    [matrix] = parsed(document).placements.matrix
    np.testing.assert_allclose(matrix, rotation_z(np.pi / 2), atol=1e-12)


def test_parents_multiply_from_the_left_and_shear_survives():
    document = one_box()
    document["nodes"][0]["matrix"] = column_major(rotation_z(0.5))
    document["nodes"][2]["matrix"] = column_major(np.diag([1, 5, 1, 1.0]))
    [matrix] = parsed(document).placements.matrix
    np.testing.assert_allclose(matrix, np.diag([1, 5, 1, 1.0]) @ rotation_z(0.5), atol=1e-12)


def test_a_chain_of_ten_thousand_nodes():
    document = one_box()
    first = len(document["nodes"])
    chain = [{"translation": [0, 0, 0.001], "children": [first + i + 1]} for i in range(10_000)]
    document["nodes"] += [*chain, {"mesh": 0}]
    document["scenes"][0]["nodes"].append(first)
    last = parsed(document).placements.matrix[-1]
    np.testing.assert_allclose(last[:3, 3], (0, 0, 10), atol=1e-9)


def test_the_camera_stays_rigid_under_a_scaled_wrapper():
    document = one_box()
    document["nodes"][2]["matrix"] = column_major(np.diag([2, 2, 2, 1.0]))
    pose = pose_of(parsed(document))
    np.testing.assert_allclose(pose[:3, :3], CAMERA[:3, :3], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], 2 * CAMERA[:3, 3], atol=1e-12)


@pytest.mark.parametrize(
    "scale", [(-1, 1, 1), (1, -2, 1), (1, 1, -1), (-1, -1, -1), (0, 1, 1), (0, 0, 0), (1e-12, 1e-12, 1e-12)]
)
@pytest.mark.parametrize("is_above", [False, True], ids=["its own", "above"])
def test_no_scale_turns_a_camera_that_it_mirrors_flattens_or_shrinks(scale, is_above):
    document = one_box()
    camera, place, turn = document["nodes"][1], np.array([1.0, 2.0, 3.0]), [0.5, 0.5, 0.5, 0.5]
    camera.pop("matrix")
    camera |= {"rotation": turn, "translation": place.tolist()}
    node = document["nodes"][2] if is_above else camera
    node.pop("matrix", None)
    node["scale"] = list(scale)
    pose = pose_of(parsed(document))
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(pose[:3, :3], expected, atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], place * scale if is_above else place, atol=1e-12)
    np.testing.assert_array_equal(pose[3], [0, 0, 0, 1])


def test_the_first_node_with_the_first_camera_counts():
    document = one_box()
    document["cameras"].append(document["cameras"][0])
    document["nodes"] += [{"camera": 1}, {"camera": 0}]
    document["scenes"][0]["nodes"] += [3, 4]
    np.testing.assert_allclose(pose_of(parsed(document)), CAMERA, atol=1e-12)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"rotation": [0, 0, 0, 0]}, r"\$\.nodes\[0\]\.rotation: is no rotation"),
        ({"rotation": [1e300, 0, 0, 0]}, r"\$\.nodes\[0\]\.rotation: is no rotation"),
        ({"matrix": [1.0] * 16}, r"\$\.nodes\[0\]\.matrix: its last row"),
        ({"matrix": column_major(np.eye(4)), "scale": [1, 1, 1]}, "both a matrix and"),
        ({"translation": [1e12, 0, 0]}, r"\$\.nodes\[0\].*beyond 1e\+09"),
    ],
)
def test_transforms_that_are_none(node, says):
    document = one_box()
    document["nodes"][0] = {"mesh": 0, **node}
    with pytest.raises(SceneError, match=says):
        parsed(document)


def test_a_node_of_two_parents():
    scene = DrakeScene([box((1, 1, 1), np.eye(4), 1)], look_at((3, 2, 1), (0, 0, 0)))
    document = scene.document()
    document["nodes"].append({"children": [0]})
    document["scenes"][0]["nodes"].append(3)
    with pytest.raises(SceneError, match="two parents"):
        parsed(document)


def test_a_circle():
    document = one_box()
    document["nodes"] += [{"children": [4]}, {"children": [3]}]
    parsed(document)  # the scene does not reach it
    document["scenes"][0]["nodes"].append(3)
    with pytest.raises(SceneError, match="its own ancestor"):
        parsed(document)


def test_a_root_below_a_node_that_is_not_shown():
    document = one_box()
    document["nodes"].append({"children": [2], "translation": [5, 5, 5]})
    np.testing.assert_allclose(pose_of(parsed(document)), CAMERA, atol=1e-12)


def test_without_scenes_every_root_is_shown():
    document = one_box()
    expected = parsed(document).placements.matrix
    del document["scenes"], document["scene"]
    np.testing.assert_array_equal(parsed(document).placements.matrix, expected)


@pytest.mark.parametrize("hidden", [0, 2])
def test_hidden_nodes_and_those_below_them_are_not_drawn_but_the_camera_sees(hidden):
    document = one_box()
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point"}]}}
    document["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 0}}
    assert len(parsed(document).placements) == len(parsed(document).lights) == 1
    extensions = document["nodes"][hidden].setdefault("extensions", {})
    extensions["KHR_node_visibility"] = {"visible": False}
    document["extensionsRequired"] = ["KHR_node_visibility"]
    scene = parsed(document)
    assert len(scene.placements) == len(scene.lights) == 0
    np.testing.assert_allclose(pose_of(scene), CAMERA, atol=1e-12)
    extensions["KHR_node_visibility"] = {"visible": True}
    assert len(parsed(document).placements) == 1


def test_the_last_row_may_be_rounded():
    document = one_box()
    document["nodes"][0]["matrix"] = [*column_major(np.eye(4))[:15], 0.99999994]
    assert parsed(document).placements.matrix[0].tolist() == np.eye(4).tolist()


def test_the_camera_below_a_scale_that_is_not_uniform_stays_rigid():
    document = one_box()
    document["nodes"][2]["matrix"] = column_major(np.diag([1, 4, 2, 1.0]))
    pose = pose_of(parsed(document))
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) > 0
    np.testing.assert_allclose(pose[:3, 3], CAMERA[:3, 3] * (1, 4, 2), atol=1e-12)


def test_a_camera_that_is_mirrored_twice_is_none():
    document = one_box()
    mirror = np.diag([-1, 1, 1, 1.0])
    document["nodes"][2]["matrix"] = column_major(mirror)
    document["nodes"].append({"matrix": column_major(mirror), "children": [2]})
    document["scenes"][0]["nodes"] = [3]
    np.testing.assert_allclose(pose_of(parsed(document)), CAMERA, atol=1e-12)


def test_a_chain_that_grows_beyond_all_bounds():
    document = one_box()
    first = len(document["nodes"])
    chain = [{"scale": [1e200] * 3, "children": [first + i + 1]} for i in range(3)]
    document["nodes"] += [*chain, {"mesh": 0}]
    document["scenes"][0]["nodes"].append(first)
    with pytest.raises(SceneError, match="beyond 1e"):
        parsed(document)


def test_a_root_that_is_listed_twice():
    document = one_box()
    document["scenes"][0]["nodes"] *= 2
    with pytest.raises(SceneError, match=r"scenes\[0\].nodes: a node is listed twice"):
        parsed(document)


def test_what_is_flattened_keeps_a_little_of_its_thickness():
    turn = rotation_z(0.7)
    flat = turn @ np.diag([2, 3, 0, 1.0]) @ rotation_z(0.4)
    line, point = turn @ np.diag([2, 0, 0, 1.0]), np.diag([0, 0, 0, 1.0])
    thin, mirrored = turn @ np.diag([1000, 1000, 0.001, 1]), np.diag([-1, 1, 1, 1.0])
    long = np.diag([1, 1e-4, 1e-4, 1.0])
    found = thickened(np.array([flat, line, point, thin, mirrored, long]))
    np.testing.assert_allclose(found[:2], [flat, line], atol=2e-5)
    assert np.linalg.matrix_rank(found[0, :3, :3], tol=1e-6) == 3
    np.testing.assert_array_equal(found[2:], [point, thin, mirrored, long])


@pytest.mark.parametrize(
    "node",
    [
        {"scale": [1, 2, 30]},
        {"scale": [-1, 1, 1]},
        {"scale": [1, 1, -1]},
        {"scale": [2, 2, 0]},
        {"scale": [0, 0, 0]},
        {"matrix": column_major(np.diag([5, 1, 3, 1.0]))},
        {"matrix": column_major(np.diag([-5, 1, 3, 1.0]))},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_above", [False, True], ids=["its own", "above"])
def test_no_scale_has_a_say_in_lights(node, is_above):
    """Neither its own nor one above it: a light shines where the rotations alone turn it."""
    turn = [0.5, 0.1, -0.3, 0.8]
    document = one_box()
    lamp = {"extensions": {"KHR_lights_punctual": {"light": 0}}, "rotation": turn}
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "spot"}]}}
    if is_above:
        document["nodes"] += [lamp, {**node, "children": [3]}]
        document["scenes"][0]["nodes"].append(4)
    else:
        lamp = {**lamp, **node} if "scale" in node else {**lamp, **turned(node, turn)}
        document["nodes"].append(lamp)
        document["scenes"][0]["nodes"].append(3)
    [light] = parsed(document).lights
    expected = trs_matrices(np.zeros((1, 3)), np.array([turn]) / np.linalg.norm(turn), np.ones((1, 3)))[0]
    np.testing.assert_allclose(light.matrix[:, 2], expected[:, 2], atol=1e-9)
    np.testing.assert_allclose(light.matrix[:3, :3] @ light.matrix[:3, :3].T, np.eye(3), atol=1e-9)


def turned(node, rotation):
    """The same in one matrix."""
    scale = np.reshape(node["matrix"], (4, 4)).T
    turn = trs_matrices(np.zeros((1, 3)), np.array([rotation]) / np.linalg.norm(rotation), np.ones((1, 3)))[0]
    return {"matrix": column_major(turn @ scale), "rotation": None}


def named(*names):
    """A document with a chain of nodes below its root: a box on the first, another on the last."""
    document = one_box()
    first = len(document["nodes"])
    document["nodes"] += [{"name": name, "children": [first + 1 + k]} for k, name in enumerate(names[:-1])]
    document["nodes"].append({"name": names[-1], "mesh": 0, "translation": [0, 0, 1]})
    document["nodes"][first]["mesh"] = 0
    document["scenes"][0]["nodes"].append(first)
    return document


def test_a_pose_replaces_a_world_matrix_and_carries_what_is_below():
    asset = parsed(named("arm", "hand")).asset
    rest, posed = asset.scene(), asset.scene({"arm": translation(5, 0, 0)})
    np.testing.assert_array_equal(posed.placements.matrix[0], rest.placements.matrix[0])
    np.testing.assert_allclose(posed.placements.matrix[1], translation(5, 0, 0), atol=1e-12)
    np.testing.assert_allclose(posed.placements.matrix[2], translation(5, 0, 1), atol=1e-12)
    np.testing.assert_allclose(
        asset.scene({"hand": translation(1, 2, 3)}).placements.matrix[2, :3, 3], [1, 2, 3]
    )
    assert posed.shapes == rest.shapes
    np.testing.assert_array_equal(asset.scene().placements.matrix, rest.placements.matrix)


def test_instances_know_their_nodes():
    scene = parsed(named("arm", "hand"))
    assert [scene.asset.node_name(node) for node in scene.instances.node.tolist()] == ["g0", "arm", "hand"]
    assert scene.placements.instance.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(scene.instances.matrix, scene.placements.matrix)


@pytest.mark.parametrize(
    ("poses", "says"),
    [
        ({"leg": np.eye(4)}, r"poses\['leg'\]: no nodes"),
        ({"": np.eye(4)}, "nodes of the scene"),
        ({"arm": np.ones((4, 4))}, "last row must be 0 0 0 1"),
        ({"arm": np.diag([1, 1, np.nan, 1])}, r"poses\['arm'\].*beyond"),
    ],
)
def test_bad_poses(poses, says):
    with pytest.raises(RequestError, match=says):
        parsed(named("arm", "hand")).asset.scene(poses)


def test_a_name_that_two_nodes_have_is_no_name():
    with pytest.raises(RequestError, match="2 nodes"):
        parsed(named("arm", "arm")).asset.scene({"arm": np.eye(4)})
