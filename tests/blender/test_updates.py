"""What stays in Blender from one request to the next, and what is rendered and loaded again."""

import dataclasses
import json

import numpy as np
import pytest
from defaults import CAMERA
from drake_like import DrakeScene, box, look_at, sphere, translation
from frames import frame_of

from gltf_render_server.frame import Lens
from gltf_render_server.gltf import parse_scene

bpy = pytest.importorskip("bpy")


@pytest.fixture
def stages_of(studio):
    """Render with a renderer that has rendered nothing yet, and tell the stages."""
    studio.close()
    renderer = studio.renderer()

    def stages(data, kind, camera=CAMERA):
        scene = parse_scene(data, extensions=renderer.extensions)
        return renderer.render(frame_of(scene, camera, kind)).stages_ms

    return stages


def moved(scene, index, x):
    bodies = list(scene.bodies)
    bodies[index] = dataclasses.replace(bodies[index], matrix=translation(x, 0, 0) @ bodies[index].matrix)
    return dataclasses.replace(scene, bodies=bodies)


@pytest.mark.parametrize("order", [("depth", "label"), ("label", "depth")], ids=", then ".join)
def test_depth_and_label_of_a_frame_share_one_render(stages_of, studio, table, order):
    first, second = order
    scene = moved(table, 1, 0.011 if first == "depth" else 0.012)
    assert "render" in stages_of(scene.to_bytes(first), first)
    assert "render" not in stages_of(scene.to_bytes(second), second)
    assert "render" not in stages_of(scene.to_bytes(first), first)
    labels = studio.image(scene.to_bytes("label"), "label")
    assert {1, 2, 300 % 256} <= set(np.unique(labels[..., 0]))


def test_any_change_of_the_view_is_rendered(stages_of, table):
    stages_of(table.to_bytes("depth"), "depth")
    for change in (
        {"near": 1.7},
        {"far": 2.9},
        {"center_x": 47.0},
        {"focal_y": 91.0},
        {"width": 95},
    ):
        camera = dataclasses.replace(CAMERA, **change)
        assert "render" in stages_of(table.to_bytes("depth"), "depth", camera), change
    turned = dataclasses.replace(table, camera_to_world=look_at((1.6, -1.9, 1.5), (0, 0, 0.21)))
    assert "render" in stages_of(turned.to_bytes("depth"), "depth")
    assert "render" in stages_of(moved(table, 2, 1e-4).to_bytes("depth"), "depth")


def test_labels_that_hide_share_nothing(studio, table):
    document = table.document("label")
    studio.image(table.to_bytes("depth"), "depth")
    rgba = [253 / 255, 127 / 255, 0, 1]
    document["materials"][1]["pbrMetallicRoughness"]["baseColorFactor"] = rgba
    assert 2 not in studio.image(json.dumps(document).encode(), "label")[..., 0]


@pytest.mark.parametrize("kind", ["color", "depth", "label"])
def test_what_moves_is_only_moved(stages_of, table, kind):
    stages_of(table.to_bytes(kind), kind)
    meshes = {mesh.as_pointer() for mesh in bpy.data.meshes}
    stages = stages_of(moved(table, 1, 0.03).to_bytes(kind), kind)
    assert "import" not in stages
    assert "update" in stages
    assert {mesh.as_pointer() for mesh in bpy.data.meshes} == meshes


def test_a_mesh_sent_many_times_is_stored_once(stages_of):
    places = [translation(x, y, 0.2) for x in range(-2, 3) for y in range(-2, 3)]
    same = DrakeScene([box((0.3, 0.3, 0.3), place, 1) for place in places], look_at((5, 3, 4), (0, 0, 0)))
    for kind in ("color", "depth"):
        stages_of(same.to_bytes(kind), kind)
    assert len(bpy.data.meshes) == 2, "one for colour, one for depth"


def test_a_new_colour_loads_no_mesh_and_no_texture(stages_of, table):
    for kind in ("color", "depth", "label"):
        stages_of(table.to_bytes(kind), kind)
    document = table.document()
    document["materials"][1]["pbrMetallicRoughness"]["baseColorFactor"] = [0, 1, 0, 1]
    stages_of(json.dumps(document).encode(), "color")
    assert len(bpy.data.meshes) == 2 * len(table.bodies)
    stages = stages_of(json.dumps(document).encode(), "depth", dataclasses.replace(CAMERA, center_x=40.0))
    assert "import" not in stages, "depth knows no colour"


def test_nothing_is_loaded_for_depth_but_shapes(stages_of, table):
    for kind in ("depth", "label"):
        stages_of(table.to_bytes(kind), kind)
    assert {material.name for material in bpy.data.materials} == {"Flat"}


def test_of_many_objects_one_moves(stages_of):
    rng = np.random.default_rng(1)
    bodies = [
        sphere(0.03 + 1e-6 * index, translation(*rng.uniform(-1, 1, 3)), 1 + index, rings=3)
        for index in range(4000)
    ]
    scene = DrakeScene(bodies, look_at((3, 1, 1.5), (0, 0, 0)))
    camera = Lens(32, 24, 30.0, 30.0, 16.0, 12.0, 0.05, 20.0)
    imported = stages_of(scene.to_bytes("depth"), "depth", camera)["import"]
    updates = [
        stages_of(moved(scene, 17, x).to_bytes("depth"), "depth", camera)["update"]
        for x in (0.01, 0.02, 0.03)
    ]
    assert min(updates) < imported / 4, "a thirtieth on a quiet machine"


def test_what_a_label_hides_stays_loaded(stages_of, table):
    ball = sphere(0.2, translation(0, 0, 2), 253 + 127 * 256)
    for index in range(3):
        scene = moved(dataclasses.replace(table, bodies=[*table.bodies, ball]), 1, index / 50)
        assert ("import" in stages_of(scene.to_bytes("depth"), "depth")) == (index == 0)
        assert "import" not in stages_of(scene.to_bytes("label"), "label")
