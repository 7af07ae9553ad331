"""Skinned meshes stand where glTF puts them: where their joints are."""

import json

import numpy as np
import pytest
from drake_like import add_accessor
from skinned import document, strip
from test_gltf_document import parsed

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf import Detail, import_document, read_attribute, read_triangles


def placed(out):
    """The vertices in the world."""
    scene = parsed(out)
    [matrix] = scene.placements.matrix
    points = read_triangles(scene.asset, scene.primitives[0]).vertices
    return points @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("kind", ["float", "unnormalised", "shorts"])
def test_vertices_follow_the_joints_and_not_the_node(kind):
    np.testing.assert_allclose(placed(document(kind=kind)), strip().posed(), atol=3e-5)


def test_a_skin_leaves_nothing_for_instances_to_place():
    """A mesh that its joints place is one object; an object without a surface would have no box."""
    out = document()
    offsets = add_accessor(out, np.eye(3, dtype="<f4"), "VEC3")
    out["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": offsets}}}
    scene = parsed(out)
    assert len(scene.placements) == len(scene.instances) == 1
    np.testing.assert_array_equal(scene.instances.matrix, parsed(document()).instances.matrix)
    np.testing.assert_allclose(placed(out), strip().posed(), atol=3e-5)


def test_the_parts_of_an_instanced_mesh_that_have_no_joints_are_drawn_at_every_instance():
    out = document()
    [primitive] = out["meshes"][0]["primitives"]
    attributes = {name: index for name, index in primitive["attributes"].items() if "S_" not in name}
    out["meshes"][0]["primitives"].append({**primitive, "attributes": attributes})
    offsets = add_accessor(out, np.eye(3, dtype="<f4"), "VEC3")
    out["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": offsets}}}
    scene = parsed(out)
    assert len(scene.instances) == 3
    assert scene.placements.instance.tolist() == [0, 0, 1, 2]


def test_without_inverse_bind_matrices_they_are_identities():
    out = document()
    del out["skins"][0]["inverseBindMatrices"]
    made = strip()
    made.bind = np.tile(np.eye(4), (3, 1, 1))
    np.testing.assert_allclose(placed(out), made.posed(), rtol=1e-5)


def test_morph_targets_come_before_joints():
    out, made = document(), strip()
    moves = np.random.default_rng(0).normal(size=made.points.shape).astype("<f4")
    out["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": add_accessor(out, moves, "VEC3")}]
    out["nodes"][0]["weights"] = [0.5]
    made.points = made.points + 0.5 * moves
    np.testing.assert_allclose(placed(out), made.posed(), atol=3e-5)


def test_a_vertex_without_weights_follows_its_first_joint():
    out, made = document(), strip()
    attributes = out["meshes"][0]["primitives"][0]["attributes"]
    for number in range(2):
        weights = made.weights[:, 4 * number : 4 * number + 4].copy()
        weights[7] = 0
        attributes[f"WEIGHTS_{number}"] = add_accessor(out, weights.astype("<f4"), "VEC4")
    made.weights[7] = [1, 0, 0, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(placed(out), made.posed(), atol=3e-5)


def test_far_from_the_origin_nothing_is_lost():
    far, here = document(), document()
    for node in (far["nodes"][4], far["nodes"][1]):
        node["matrix"][12] += 1e6
    scene, near = parsed(far), parsed(here)
    [first], [second] = scene.primitives, near.primitives
    np.testing.assert_allclose(
        read_attribute(scene.asset, first, "POSITION"),
        read_attribute(near.asset, second, "POSITION"),
        atol=1e-6,
    )
    assert scene.placements.matrix[0, 0, 3] == pytest.approx(near.placements.matrix[0, 0, 3] + 1e6)


def test_normals_turn_as_the_surface_does():
    scene = parsed(document())
    [primitive] = scene.primitives
    normals = read_attribute(scene.asset, primitive, "NORMAL")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(normals[[0, 99]], [[0, -1, 0], [0, -1, 0]], atol=1e-6)
    squashed = document()
    squashed["nodes"][4]["matrix"] = np.diag([1.0, 1, 0, 1]).reshape(-1).tolist()
    scene = parsed(squashed)
    assert np.isfinite(read_attribute(scene.asset, scene.primitives[0], "NORMAL")).all()


def test_the_importer_gets_it_posed():
    """What is written is a plain mesh, which passes every check again and has the same vertices."""
    scene = parsed(document())
    out = json.loads(import_document(scene, {0: Detail.SURFACE}))
    assert set(out["meshes"][0]["primitives"][0]["attributes"]) == {"POSITION", "NORMAL"}
    out["cameras"] = [{"type": "perspective"}]
    out["nodes"].append({"camera": 0})
    out["scenes"][0]["nodes"].append(1)
    again = parsed(out)
    for name in ("POSITION", "NORMAL"):
        np.testing.assert_array_equal(
            read_attribute(again.asset, again.primitives[0], name),
            read_attribute(scene.asset, scene.primitives[0], name),
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda out: out["nodes"][3]["matrix"].__setitem__(12, 9.0),
        lambda out: out["skins"][0]["joints"].reverse(),
        lambda out: out["skins"][0].pop("inverseBindMatrices"),
        lambda out: out["meshes"][0]["primitives"][0]["attributes"].pop("WEIGHTS_1"),
        lambda out: out["nodes"][0].pop("skin"),
    ],
    ids=["pose", "joints", "bind", "weights", "skin"],
)
def test_whatever_moves_a_vertex_counts_in_the_digest(change):
    before, after = document(), document()
    change(after)
    first, second = parsed(before), parsed(after)
    assert first.shapes != second.shapes
    assert first.surfaces[0].mesh != second.surfaces[0].mesh


def test_where_the_node_stands_does_not_count():
    before, after = document(), document()
    after["nodes"][0]["matrix"] = np.diag([3.0, 2, 1, 1]).reshape(-1).tolist()
    first, second = parsed(before), parsed(after)
    assert (first.shapes, first.surfaces) == (second.shapes, second.surfaces)
    np.testing.assert_array_equal(first.placements.matrix, second.placements.matrix)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out: out["skins"][0].update(joints=[4, 2]), r"JOINTS_0: names joint 2 of 2"),
        (lambda out: out["skins"][0].update(joints=[4, 2, 99]), r"\$\.skins\[0\]\.joints: there is no node"),
        (lambda out: out["skins"][0].update(joints=[]), r"\$\.skins\[0\]"),
        (lambda out: out["skins"][0].update(inverseBindMatrices=99), r"there is no accessor 99"),
        (lambda out: out["skins"][0].update(inverseBindMatrices=0), r"must be 3 MAT4"),
        (lambda out: wrong(out, "JOINTS_0"), r"JOINTS_0: must be VEC4 of unsigned"),
        (lambda out: wrong(out, "WEIGHTS_1"), r"WEIGHTS_1: must be VEC4 of floats"),
        (lambda out: out["nodes"][4]["matrix"].__setitem__(0, 1e11), r"beyond"),
    ],
)
def test_a_skin_that_cannot_be_is_refused_by_name(change, message):
    out = document()
    change(out)
    with pytest.raises(SceneError, match=message):
        parsed(out)


def wrong(out, name):
    attributes = out["meshes"][0]["primitives"][0]["attributes"]
    attributes[name] = attributes["NORMAL"]


def test_a_skin_that_nothing_uses_is_not_looked_at():
    out = document()
    out["skins"].append({"joints": "none"})
    assert len(parsed(out).placements) == 1


def test_a_mesh_without_joints_stands_where_its_node_is():
    out = document()
    attributes = out["meshes"][0]["primitives"][0]["attributes"]
    for name in [name for name in attributes if name.startswith(("JOINTS", "WEIGHTS"))]:
        del attributes[name]
    scene = parsed(out)
    assert scene.placements.matrix[0, :3, 3].tolist() == [5, 1, 2]
    assert scene.warnings == ("nodes[0]: its mesh has no joints; drawn without its skin",)
