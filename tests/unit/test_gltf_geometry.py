import json

import numpy as np
import pytest
from drake_like import DrakeScene, add_accessor, box, look_at, translation

from gltf_render_server.gltf import parse_scene, read_triangles

CAMERA = look_at((2, 2, 1), (0, 0, 0))
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4")


def triangles(document, extensions=frozenset()):
    scene = parse_scene(json.dumps(document).encode(), extensions=extensions)
    [primitive] = scene.primitives
    return read_triangles(scene.asset, primitive)


def square(mode=4, indices=(0, 1, 2, 0, 2, 3), **primitive):
    document = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 1)], CAMERA).document()
    [source] = document["meshes"][0]["primitives"]
    source["attributes"]["POSITION"] = add_accessor(document, SQUARE, "VEC3")
    if indices is None:
        del source["indices"]
    else:
        source["indices"] = add_accessor(document, np.array(indices, "<u2"), "SCALAR")
    source |= {"mode": mode, **primitive}
    return document


def covered(found):
    """The area of the triangles, all in the plane z = 0."""
    a, b, c = (found.vertices[found.corners[:, corner]] for corner in range(3))
    return np.abs(np.cross(b - a, c - a)[:, 2]).sum() / 2


@pytest.mark.parametrize(
    ("mode", "indices"),
    [(4, (0, 1, 2, 0, 2, 3)), (5, (0, 1, 3, 2)), (6, (0, 1, 2, 3)), (6, None)],
    ids=["triangles", "strip", "fan", "fan without indices"],
)
def test_every_mode_covers_the_square(mode, indices):
    found = triangles(square(mode, indices))
    assert found.corners.shape == (2, 3)
    assert found.corners.dtype == np.int32
    assert covered(found) == 1.0


@pytest.mark.parametrize("mode", [5, 6], ids=["strip", "fan"])
def test_all_triangles_of_a_strip_and_of_a_fan_turn_the_same_way(mode):
    order = {5: (0, 1, 3, 2, 0, 1), 6: (0, 1, 2, 3, 0)}[mode]
    found = triangles(square(mode, order))
    a, b, c = (found.vertices[found.corners[:, corner]] for corner in range(3))
    turns = np.cross(b - a, c - a)[:, 2]
    assert (turns[:2] > 0).all()


@pytest.mark.parametrize("targets", [False, True], ids=["as they are", "morphed"])
def test_normals_are_as_long_as_one(targets):
    document = square()
    [source] = document["meshes"][0]["primitives"]
    normals = np.tile(np.array([[0, 0, 0.5]], "<f4"), (4, 1))
    source["attributes"]["NORMAL"] = add_accessor(document, normals, "VEC3")
    if targets:
        source["targets"] = [{"NORMAL": add_accessor(document, normals + np.float32(1), "VEC3")}]
        document["meshes"][0]["weights"] = [0.7]
    scene = parse_scene(json.dumps(document).encode(), extensions=frozenset())
    found = scene.asset.normals(scene.primitives[0])
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-6)
    expected = np.array([0.7, 0.7, 1.55]) if targets else np.array([0, 0, 1.0])
    np.testing.assert_allclose(found[0, 0], expected / np.linalg.norm(expected), atol=1e-6)


def test_vertices_of_other_primitives_are_left_out():
    document = square()
    many = np.concatenate([SQUARE + 7, np.tile(SQUARE + 5, (5, 1)), SQUARE])
    [source] = document["meshes"][0]["primitives"]
    source["attributes"]["POSITION"] = add_accessor(document, many.astype("<f4"), "VEC3")
    last = len(many) - 4
    indices = np.array([0, 1, 2, 0, 2, 3], "<u2") + last
    source["indices"] = add_accessor(document, indices.astype("<u2"), "SCALAR")
    found = triangles(document)
    assert len(found.vertices) == 4
    assert covered(found) == 1.0


def test_morph_targets_are_added_by_their_weights():
    document = square()
    up = add_accessor(document, np.tile(np.float32([0, 0, 2]), (4, 1)).astype("<f4"), "VEC3")
    document["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": up}, {"POSITION": up}]
    document["meshes"][0]["weights"] = [0.25, 0.0]
    np.testing.assert_array_equal(triangles(document).vertices[:, 2], 0.5)
    document["nodes"][0]["weights"] = [0.25, 0.5]
    np.testing.assert_array_equal(triangles(document).vertices[:, 2], 1.5)


@pytest.mark.parametrize(("normalized", "largest"), [(True, 1.0), (False, 65535.0)])
def test_quantized_positions(normalized, largest):
    document = square()
    accessor = document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    view = document["accessors"][accessor]["bufferView"]
    values = np.zeros((4, 4), "<u2")  # each vertex begins at a multiple of four bytes
    values[:, :3] = SQUARE * 65535
    spare = add_accessor(document, values.reshape(-1), "SCALAR")
    view = document["accessors"][spare]["bufferView"]
    document["bufferViews"][view]["byteStride"] = 8
    document["accessors"][accessor].update(bufferView=view, componentType=5123, normalized=normalized)
    del document["accessors"][spare]
    document["extensionsRequired"] = ["KHR_mesh_quantization"]
    found = triangles(document, frozenset({"KHR_mesh_quantization"}))
    assert found.vertices.max() == largest
