"""The same request gives the same bytes, whatever came before."""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from defaults import CAMERA, FAST
from drake_like import DrakeScene, add_accessor, box, look_at, png_uri, sphere, translation

from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

OTHER = DrakeScene(
    [sphere(0.4, translation(0, 0, 0.4), 9), box((3, 3, 0.1), translation(0, 0, -0.05), 4)],
    look_at((-2, 1, 1.2), (0, 0, 0.3)),
)
DENOISED = ServerSettings(samples=8)


def test_any_order_gives_the_same_bytes(studio, table):
    requests = [
        (scene.to_bytes(kind), kind, camera)
        for scene in (table, OTHER)
        for kind in ("color", "depth", "label")
        for camera in (CAMERA, CAMERA.__class__(64, 80, 70, 80, 30, 45, 0.05, 10))
    ]
    first = [studio.image(*request[:2], DENOISED, request[2]).tobytes() for request in requests]
    order = list(range(len(requests))) * 2
    random.Random(3).shuffle(order)
    for index in order:
        data, kind, camera = requests[index]
        assert studio.image(data, kind, DENOISED, camera).tobytes() == first[index]


def counted():
    """How many of each kind Blender holds."""
    return Counter(type(item).__name__ for item in bpy.data.user_map())


def test_nothing_of_another_scene_is_left_in_blender(studio, table):
    cameras = (replace(CAMERA, center_x=x) for x in range(20, 80))  # each view is rendered

    def show(scene):
        camera = next(cameras)
        for kind in ("color", "depth", "label"):
            studio.image(scene.to_bytes(kind), kind, camera=camera)
        return counted()

    first, other = show(table), show(OTHER)
    assert first != other
    for _ in range(3):
        assert (show(table), show(OTHER)) == (first, other)


def test_a_failed_request_leaves_nothing(studio, table, monkeypatch):
    from gltf_render_server.errors import RenderError

    expected = studio.image(table.to_bytes(), "color", FAST).tobytes()
    before = counted()

    def fail(*_, **__):
        raise RenderError("no")

    with monkeypatch.context() as patched:
        patched.setattr("gltf_render_server.blender.colour.read_colour", fail)
        with pytest.raises(RenderError):
            studio.image(table.to_bytes(), "color", FAST)
    assert counted() == before
    assert studio.image(table.to_bytes(), "color", FAST).tobytes() == expected


def shared_image(*slots):
    """A floor and a box with one image between them, each in a slot of its own; None = plain."""
    document = DrakeScene(
        [box((3, 3, 0.1), translation(0, 0, -0.05), 1), box((0.6, 0.6, 0.6), translation(0, 0, 0.3), 2)],
        look_at((1.6, -1.9, 1.5), (0, 0, 0.2)),
    ).document()
    pixels = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    document |= {"images": [{"uri": png_uri(pixels)}], "textures": [{"source": 0}]}
    for index, slot in enumerate(slots):
        attributes = document["meshes"][index]["primitives"][0]["attributes"]
        uv = np.linspace(0, 1, 16, dtype="<f4").reshape(-1, 2)
        attributes["TEXCOORD_0"] = add_accessor(document, uv, "VEC2")
        if slot:
            document["materials"][index]["pbrMetallicRoughness"][slot] = {"index": 0}
    return json.dumps(document).encode()


def test_what_one_material_makes_of_an_image_is_nothing_to_another(studio):
    both = shared_image("baseColorTexture", "metallicRoughnessTexture")
    studio.close()
    first = studio.image(both, "color")
    assert len([image for image in bpy.data.images if image.name.startswith("images[")]) == 2
    studio.close()
    studio.image(shared_image("baseColorTexture", None), "color")
    np.testing.assert_array_equal(studio.image(both, "color"), first)


def test_an_image_that_is_used_alike_is_kept_once(studio):
    studio.close()
    studio.image(shared_image("baseColorTexture", "baseColorTexture"), "color")
    assert len([image for image in bpy.data.images if image.name.startswith("images[")]) == 1
