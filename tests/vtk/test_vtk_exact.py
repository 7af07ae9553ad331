"""Depth and labels against a ray caster of the tests' own, for every kind of camera, pose and surface."""

import dataclasses
import json

import numpy as np
import pytest
from compressed import with_draco, with_meshopt
from defaults import CAMERA
from drake_like import (
    DrakeScene,
    add_accessor,
    box,
    column_major,
    label_rgba,
    look_at,
    oracle,
    sphere,
    translation,
)
from exact_cases import CAMERAS, assert_exact, rotation_z, wrapped
from exactness import assert_depth_exact, assert_labels_exact

from gltf_render_server.errors import SceneError
from gltf_render_server.frame import Lens
from gltf_render_server.labels import DONT_CARE, decode_labels
from gltf_render_server.vtk import exact, placing


def encoded(document):
    return json.dumps(document).encode()


def labels(picture, document):
    image = picture(encoded(document), "label").astype(int)
    return np.where((image == 255).all(-1), -1, image[..., 0] + 256 * image[..., 1])


@pytest.mark.parametrize("name", CAMERAS)
def test_every_camera(picture, table, name):
    assert_exact(picture, table, CAMERAS[name])


@pytest.mark.parametrize("place", [(40, -25, 8), (5e5, -4e6, 300)], ids=str)
def test_far_from_the_origin(picture, table, place):
    moved = translation(*place)
    bodies = [dataclasses.replace(body, matrix=moved @ body.matrix) for body in table.bodies]
    assert_exact(picture, DrakeScene(bodies, moved @ table.camera_to_world), CAMERA)


@pytest.mark.parametrize("target", [(3, -1, -0.5), (-2, 4, -0.4), (1, 1, -0.2), (-5, -2, -0.6)], ids=str)
def test_a_large_floor_at_a_grazing_angle(picture, target):
    eye = np.array([0.3, -0.7, 1.1])
    floor = DrakeScene([box((100, 100, 1), translation(0, 0, -0.5), 1)], look_at(eye, eye + target))
    camera = Lens(200, 150, 300.0, 300.0, 99.5, 74.5, 0.05, 60.0)
    truth = oracle(floor, camera)
    depth = picture(floor.to_bytes(), "depth", camera)
    assert_depth_exact(depth[truth.is_sharp], truth.depth[truth.is_sharp])


@pytest.mark.parametrize("seed", range(4))
def test_random_scenes(picture, seed):
    """Anything, sheared and mirrored, around cameras of any kind, cut by either plane now and then.

    Pooled, for few pixels are mostly edges: only together can they show 1 in 10,000.
    """
    rng = np.random.default_rng(seed)
    depth, label, true_depth, true_label = [], [], [], []
    for _ in range(6):
        scene, camera = random_scene(rng), random_camera(rng)
        truth = oracle(scene, camera)
        true_depth.append(truth.depth.reshape(1, -1))
        true_label.append(truth.label.reshape(1, -1))
        depth.append(picture(scene.to_bytes(), "depth", camera).reshape(1, -1))
        seen = decode_labels(picture(scene.to_bytes("label"), "label", camera))
        label.append(np.where(seen == DONT_CARE, 0, seen).reshape(1, -1))
    assert len(np.unique(true_label[0])) > 3, "the view sees too little"
    assert_depth_exact(np.concatenate(depth, 1), np.concatenate(true_depth, 1))
    assert_labels_exact(np.concatenate(label, 1), np.concatenate(true_label, 1))


def random_scene(rng):
    bodies = [random_body(rng, label) for label in rng.choice(32001, 10, replace=False).tolist()]
    return DrakeScene(bodies, look_at(rng.uniform(1, 2, 3), rng.uniform(-0.3, 0.3, 3), rng.normal(size=3)))


def random_camera(rng):
    size = rng.integers(100, 200, 2).tolist()
    focal = (min(size) * rng.uniform(0.5, 1.5, 2)).tolist()
    center = (np.array(size) * rng.uniform(0.2, 0.8, 2)).tolist()
    near, far = rng.choice([0.01, 1.9]).item(), rng.choice([2.4, 10.0, 1000.0]).item()
    return Lens(*size, *focal, *center, near, far)


def random_body(rng, label):
    matrix = np.eye(4)
    matrix[:3, :3] += rng.normal(0, 0.4, (3, 3))
    matrix[:3, 3] = rng.uniform(-0.9, 0.9, 3)
    if rng.random() < 0.5:
        return box(rng.uniform(0.1, 0.9, 3), matrix, label)
    return sphere(rng.uniform(0.1, 0.5), matrix, label, rings=5)


def test_two_surfaces_a_hair_apart_far_away(picture):
    """With near = 1 mm, a usual depth buffer would mix them."""
    scene = DrakeScene(
        [
            box((60, 60, 1), translation(0, 0, -80.5), 1),
            box((20, 20, 1), translation(0, 0, -80.499), 2),
        ],
        np.eye(4),
    )
    assert_exact(picture, scene, Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.001, 1e5))


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 0.5, 1.3), (-1, 1, 1), (1.5, -0.7, 1)], ids=str)
def test_wrapper_that_scales_what_turns_inside(picture, table, scale):
    wrapper = translation(-0.4, 0.2, 0.5) @ np.diag([*scale, 1.0])
    inner = rotation_z(0.7)
    sheared = dataclasses.replace(table.bodies[1], matrix=wrapper @ inner)
    scene = DrakeScene([table.bodies[0], sheared, table.bodies[2]], table.camera_to_world)
    documents = {kind: wrapped(scene, 1, wrapper, inner, kind) for kind in ("depth", "label")}
    assert_exact(picture, scene, CAMERA, documents)


def test_instances(picture, table):
    """One mesh in several places, by nodes and by EXT_mesh_gpu_instancing."""
    places = [translation(x, 0.8, 0.3) for x in (-1.2, 0.0, 1.1)]
    bodies = [dataclasses.replace(table.bodies[1], matrix=place) for place in places]
    scene = DrakeScene([*table.bodies, *bodies], table.camera_to_world)
    documents = {}
    for kind in ("depth", "label"):
        document = table.document(kind)
        moves = np.array([place[:3, 3] for place in places[1:]], "<f4")
        instancing = {"attributes": {"TRANSLATION": add_accessor(document, moves, "VEC3")}}
        document["nodes"] += [
            {"mesh": 1, "matrix": column_major(places[0])},
            {"mesh": 1, "extensions": {"EXT_mesh_gpu_instancing": instancing}},
        ]
        count = len(document["nodes"])
        document["scenes"][0]["nodes"] += [count - 2, count - 1]
        document["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
        documents[kind] = encoded(document)
    assert_exact(picture, scene, CAMERA, documents)


def test_morph_targets(picture, table):
    lifted = np.tile(np.float32([0, 0, 2]), (8, 1))
    moved = translation(0, 0, 0.5) @ table.bodies[1].matrix
    bodies = [table.bodies[0], dataclasses.replace(table.bodies[1], matrix=moved), table.bodies[2]]
    documents = {}
    for kind in ("depth", "label"):
        document = table.document(kind)
        target = {"POSITION": add_accessor(document, lifted.astype("<f4"), "VEC3")}
        document["meshes"][1]["primitives"][0]["targets"] = [target]
        document["meshes"][1]["weights"] = [0.25]
        documents[kind] = encoded(document)
    assert_exact(picture, DrakeScene(bodies, table.camera_to_world), CAMERA, documents)


def test_triangles_without_area_disturb_no_others(picture, table):
    bodies = list(table.bodies)
    flat = np.array([[0, 0, 1], [3, 3, 3], [0, 1, 1]], np.uint32)
    points = np.concatenate([bodies[1].vertices, np.repeat(bodies[1].vertices[:1], 2, 0)])
    collapsed = np.array([[0, 8, 9]], np.uint32)  # three vertices in one place
    corners = np.concatenate([flat, collapsed, bodies[1].triangles])
    bodies[1] = dataclasses.replace(bodies[1], vertices=points, triangles=corners)
    assert_exact(picture, DrakeScene(bodies, table.camera_to_world), CAMERA)


def test_more_triangles_than_sixteen_bits_can_number(picture):
    fine = sphere(0.8, translation(0, 0, 0), 3, rings=200)
    assert len(fine.triangles) > 2**16
    small = box((0.1, 0.1, 0.1), translation(0.9, 0, 1), 4)
    scene = DrakeScene([fine, small], translation(0, 0, 3))
    depth = picture(scene.to_bytes(), "depth")
    label = labels(picture, scene.document("label"))
    assert set(np.unique(label)) == {-1, 3, 4}
    rows, columns = np.nonzero(label == 3)
    z = depth[rows, columns]
    x = (columns + 0.5 - CAMERA.center_x) / CAMERA.focal_x * z
    y = (rows + 0.5 - CAMERA.center_y) / CAMERA.focal_y * z
    np.testing.assert_allclose(np.sqrt(x**2 + y**2 + (3 - z) ** 2), 0.8, atol=1e-4)


def test_an_image_drawn_in_parts(picture, table, monkeypatch):
    whole = {kind: picture(table.to_bytes(kind), kind) for kind in ("depth", "label")}
    monkeypatch.setattr(exact, "LARGEST_TILE_PX", 40)
    assert_exact(picture, table, CAMERA)
    for kind, image in whole.items():
        assert np.mean(picture(table.to_bytes(kind), kind) != image) < 1e-3


def test_nothing_in_view(picture, table):
    scene = dataclasses.replace(table, camera_to_world=look_at((0, 0, 5), (0, 0, 9), (1, 0, 0)))
    assert np.isinf(picture(scene.to_bytes(), "depth")).all()
    assert (picture(scene.to_bytes("label"), "label") == 255).all()


def test_nothing_at_all(picture):
    scene = DrakeScene([], np.eye(4))
    assert np.isinf(picture(scene.to_bytes(), "depth")).all()
    assert (picture(scene.to_bytes("label"), "label") == 255).all()


def set_label(document, mesh, label):
    document["materials"][mesh]["pbrMetallicRoughness"]["baseColorFactor"] = list(label_rgba(label))


def test_do_not_render_hides_in_labels_only(picture, table):
    document = table.document("label")
    seen = labels(picture, document)
    set_label(document, 1, 253 + 127 * 256)
    hidden = labels(picture, document)
    assert (hidden[seen == 2] != 2).all()
    assert (hidden[seen == 2] == 1).any(), "what stands behind it is seen"
    np.testing.assert_array_equal(picture(encoded(document), "depth"), picture(table.to_bytes(), "depth"))


def test_do_not_care_is_white_and_hides(picture, table):
    document = table.document("label")
    seen = labels(picture, document)
    set_label(document, 1, 252 + 127 * 256)
    np.testing.assert_array_equal(labels(picture, document), np.where(seen == 2, -1, seen))


def test_mesh_without_material_is_white(picture, table):
    document = table.document("label")
    seen = labels(picture, document)
    del document["meshes"][1]["primitives"][0]["material"]
    np.testing.assert_array_equal(labels(picture, document), np.where(seen == 2, -1, seen))


@pytest.mark.parametrize("compress", [with_draco, with_meshopt])
def test_what_is_compressed_is_read(picture, table, compress):
    document = table.document()
    packed = compress(document)
    for kind in ("color", "depth"):
        plain, found = (np.nan_to_num(picture(encoded(d), kind), posinf=99) for d in (document, packed))
        assert np.mean(np.abs(plain.astype(float) - found) > 0.01) < 0.02


def test_too_many_triangles_are_refused(picture, table, monkeypatch):
    monkeypatch.setattr(placing, "_MOST_TRIANGLES", 20)
    document = table.document()
    document["nodes"][1]["scale"] = [1, 1, 1.001]
    del document["nodes"][1]["matrix"]
    document["nodes"][-1]["children"].remove(1)
    with pytest.raises(SceneError, match="at most 20"):
        picture(encoded(document), "depth")
