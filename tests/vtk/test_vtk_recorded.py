"""Drake's own requests: what Drake's own renderer answers, and what Blender does."""

import pytest
from exactness import assert_depth_exact, assert_labels_exact
from frames import array_of
from recorded import NAMES, fields, needs_recorded, oracle, scene_bytes

from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import RenderFields
from gltf_render_server.labels import decode_labels
from gltf_render_server.settings import ServerSettings

pytestmark = [needs_recorded, pytest.mark.parametrize("name", NAMES)]


@pytest.fixture(scope="module")
def blender():
    pytest.importorskip("bpy", reason="the bpy package is not for this Python")
    from gltf_render_server.blender import BlenderRenderer

    renderer = BlenderRenderer(ServerSettings(samples=4, denoise=False))
    yield renderer
    renderer.close()


def answer(renderer, name, image_type):
    """Labels as numbers, depth as a client gets it."""
    form = {field: [value] for field, value in fields(name, image_type).items()}
    asked = RenderFields.from_form(form, max_pixels=10**7)
    scene = parse_scene(scene_bytes(name, image_type), extensions=renderer.extensions)
    pixels = asked.measured(array_of(renderer, asked.frame(scene)))
    if image_type == "label":
        return decode_labels(pixels)
    return pixels


def test_labels_are_drake_s(renderer, name):
    assert_labels_exact(answer(renderer, name, "label"), oracle(name, "label"))


def test_depth_is_drake_s(renderer, name):
    assert_depth_exact(answer(renderer, name, "depth"), oracle(name, "depth"))


def test_blender_agrees(renderer, blender, name):
    assert_labels_exact(answer(blender, name, "label"), answer(renderer, name, "label"))
    assert_depth_exact(answer(blender, name, "depth"), answer(renderer, name, "depth"))


def test_colour(renderer, name):
    image = answer(renderer, name, "color")
    assert image.std() > 10
    assert image.min() < 120 < 200 < image.max()
