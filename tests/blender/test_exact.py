"""Depth and labels against a ray caster of the tests' own, for every kind of camera and pose."""

import dataclasses
import json

import exact_cases
import numpy as np
import pytest
from defaults import CAMERA, FAST
from drake_like import DrakeScene, box, column_major, look_at, oracle, sphere, translation
from exact_cases import CAMERAS, rotation_z, wrapped
from exactness import assert_depth_exact

from gltf_render_server.frame import Lens
from gltf_render_server.settings import ServerSettings


def assert_exact(studio, scene, camera, settings=FAST, documents=None):
    def picture(scene_bytes, image_type, camera):
        return studio.image(scene_bytes, image_type, settings, camera)

    exact_cases.assert_exact(picture, scene, camera, documents)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_camera(studio, table, name):
    assert_exact(studio, table, CAMERAS[name])


def test_a_rolled_camera_seeing_from_below(studio, table):
    scene = dataclasses.replace(
        table, camera_to_world=look_at((0.9, 1.2, -2.0), (0, 0, 0.2), (0.6, -0.1, 0.4))
    )
    assert_exact(studio, scene, CAMERA)


@pytest.mark.parametrize("place", [(40, -25, 8), (5e5, -4e6, 300)], ids=str)
def test_far_from_the_origin(studio, table, place):
    moved = translation(*place)
    bodies = [dataclasses.replace(body, matrix=moved @ body.matrix) for body in table.bodies]
    assert_exact(studio, DrakeScene(bodies, moved @ table.camera_to_world), CAMERA)


@pytest.mark.parametrize("target", [(3, -1, -0.5), (-2, 4, -0.4), (1, 1, -0.2), (-5, -2, -0.6)], ids=str)
def test_a_large_floor_at_a_grazing_angle(studio, target):
    """Each bit that the camera's pose loses is some hundredths of a millimetre here."""
    eye = np.array([0.3, -0.7, 1.1])
    floor = DrakeScene([box((100, 100, 1), translation(0, 0, -0.5), 1)], look_at(eye, eye + target))
    camera = Lens(200, 150, 300.0, 300.0, 99.5, 74.5, 0.05, 60.0)
    truth = oracle(floor, camera)
    depth = studio.image(floor.to_bytes(), "depth", camera=camera)
    assert_depth_exact(depth[truth.is_sharp], truth.depth[truth.is_sharp])


@pytest.mark.parametrize(
    "scale", [(1, 1, 1), (2, 0.5, 1.3), (0.5, 0.5, 0.5), (-1, 1, 1), (1.5, -0.7, 1)], ids=str
)
def test_wrapper_that_scales_what_turns_inside(studio, table, scale):
    wrapper = translation(-0.4, 0.2, 0.5) @ np.diag([*scale, 1.0])
    inner = rotation_z(0.7)
    sheared = dataclasses.replace(table.bodies[1], matrix=wrapper @ inner)
    scene = DrakeScene([table.bodies[0], sheared, table.bodies[2]], table.camera_to_world)
    documents = {kind: wrapped(scene, 1, wrapper, inner, kind) for kind in ("depth", "label")}
    assert_exact(studio, scene, CAMERA, documents=documents)


def test_one_mesh_in_many_places(studio, table):
    document = {kind: table.document(kind) for kind in ("depth", "label")}
    places = [translation(x, 0.8, 0.3) for x in (-1.2, 0.0, 1.1)]
    bodies = [dataclasses.replace(table.bodies[1], matrix=place) for place in places]
    for each in document.values():
        for place in places:
            each["nodes"].append({"mesh": 1, "matrix": column_major(place)})
            each["scenes"][0]["nodes"].append(len(each["nodes"]) - 1)
    scene = DrakeScene([*table.bodies, *bodies], table.camera_to_world)
    encoded = {kind: json.dumps(each).encode() for kind, each in document.items()}
    assert_exact(studio, scene, CAMERA, documents=encoded)


def test_y_up_files(studio, table):
    """A y-up file is turned upright, which the camera turns with: the picture is the same."""
    assert_exact(studio, table, CAMERA, settings=ServerSettings(up_axis="y", samples=4))


def test_nothing_in_view(studio, table):
    scene = dataclasses.replace(table, camera_to_world=look_at((0, 0, 5), (0, 0, 9), (1, 0, 0)))
    assert np.isinf(studio.image(scene.to_bytes(), "depth")).all()
    assert (studio.image(scene.to_bytes("label"), "label") == 255).all()


def test_a_large_picture_of_many_bodies(studio):
    rng = np.random.default_rng(5)
    bodies = [sphere(0.15, translation(*rng.uniform(-1, 1, 3)), 10 + i, rings=4) for i in range(12)] + [
        box((0.3, 0.2, 0.1), translation(*rng.uniform(-1, 1, 3)), 500 + i) for i in range(12)
    ]
    scene = DrakeScene(bodies, look_at((3, 1, 1.5), (0, 0, 0)))
    assert_exact(studio, scene, Lens(200, 150, 190.0, 190.0, 99.5, 74.5, 0.05, 20.0))
