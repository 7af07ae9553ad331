"""Both back ends on scenes that the tests make: the same depth, the same labels, the same light."""

import numpy as np
import pytest
from defaults import ask
from exactness import assert_depth_exact, assert_labels_exact
from test_vtk_colour import CORNERS, SUN, card, centre, encoded, factor, textured
from test_vtk_exact import random_camera, random_scene

from gltf_render_server.labels import decode_labels
from gltf_render_server.settings import ServerSettings

pytest.importorskip("bpy", reason="the bpy package is not for this Python")


@pytest.fixture(scope="module")
def blender():
    from gltf_render_server.blender import BlenderRenderer

    renderer = BlenderRenderer(ServerSettings(samples=16, denoise=False, view_transform="Standard"))
    yield renderer
    renderer.close()


def test_depth_and_labels_of_random_scenes(renderer, blender):
    """Pooled, for few pixels are mostly edges: only together can they show 1 in 10,000."""
    rng = np.random.default_rng(42)
    scenes = [(random_scene(rng), random_camera(rng)) for _ in range(8)]

    def depth(back_end):
        images = [ask(back_end, scene.to_bytes(), "depth", camera) for scene, camera in scenes]
        return np.concatenate([image.reshape(1, -1) for image in images], 1)

    def label(back_end):
        images = [ask(back_end, scene.to_bytes("label"), "label", camera) for scene, camera in scenes]
        return np.concatenate([decode_labels(image).reshape(1, -1) for image in images], 1)

    assert_depth_exact(depth(renderer), depth(blender))
    assert_labels_exact(label(renderer), label(blender))


@pytest.mark.parametrize(
    "light",
    [
        SUN,
        {"type": "point", "intensity": 9.0, "color": [1.0, 0.5, 0.2]},
        {"type": "spot", "intensity": 9.0, "spot": {"innerConeAngle": 0.3, "outerConeAngle": 0.6}},
    ],
    ids=["sun", "point", "spot"],
)
def test_lights_of_the_scene_s_own(renderer, blender, light):
    document = encoded(card(factor(0.5, 0.4, 0.3, 1), light=light))
    ours, theirs = (centre(ask(back_end, document, "color")) for back_end in (renderer, blender))
    np.testing.assert_allclose(ours.astype(int), theirs, atol=8)


def test_textures_lie_alike(renderer, blender):
    transform = {"offset": [0.1, 1.05], "rotation": np.pi / 3, "scale": [0.8, 1.3]}
    document = encoded(textured(CORNERS, extensions={"KHR_texture_transform": transform}))
    ours, theirs = (ask(back_end, document, "color").astype(int) for back_end in (renderer, blender))
    on_card = (slice(None), slice(5, 90))
    assert np.mean(np.abs(ours - theirs)[on_card].max(-1) < 4) > 0.9, "all but the lines between the colours"


def test_round_and_sharp_alike(renderer, blender, table):
    """What has no normals is smoothed by the same rule: no facet of the ball shows in either picture."""
    document = table.document()
    document |= {"extensions": {"KHR_lights_punctual": {"lights": [SUN]}}}
    document["nodes"].append(
        {"extensions": {"KHR_lights_punctual": {"light": 0}}, "rotation": [0.3, 0.2, 0, 1]}
    )
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    ours, theirs = (ask(back_end, encoded(document), "color").astype(int) for back_end in (renderer, blender))
    assert np.median(np.abs(ours - theirs)) <= 3
    is_on_ball = ask(renderer, table.to_bytes("label"), "label")[..., 1] == 1
    assert np.percentile(np.abs(ours - theirs)[is_on_ball], 75) < 10
