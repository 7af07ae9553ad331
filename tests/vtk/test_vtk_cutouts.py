"""What has holes, in VTK's exact render: the cases of `cutout_cases`, and the same holes as Blender's."""

import cutout_cases
import numpy as np
import pytest
from cutout_cases import arrays, cards, cut, frame, noise
from drake_like import look_at

from gltf_render_server.settings import ServerSettings


@pytest.mark.parametrize("name", cutout_cases.SAMPLERS)
def test_every_sampler(renderer, name):
    cutout_cases.assert_every_sampler(renderer, name)


@pytest.mark.parametrize("threshold", [0.1, 0.35, 0.6])
def test_every_alpha(renderer, threshold):
    cutout_cases.assert_every_alpha(renderer, threshold)


def test_vertices_alone(renderer):
    cutout_cases.assert_vertices_alone(renderer)


@pytest.mark.parametrize(("mode", "factor", "threshold", "is_there"), cutout_cases.CONSTANTS)
def test_an_alpha_that_is_the_same_everywhere(renderer, mode, factor, threshold, is_there):
    cutout_cases.assert_constant(renderer, mode, factor, threshold, is_there=is_there)


def test_an_alpha_that_is_the_threshold(renderer):
    cutout_cases.assert_equal_is_solid(renderer)


def test_a_stack_of_layers(renderer):
    cutout_cases.assert_stack(renderer)


def test_solid_where_nothing_is_asked(renderer):
    cutout_cases.assert_solid_without(renderer)


def test_any_history():
    from gltf_render_server.vtk import VtkRenderer

    made = []

    def fresh():
        made.append(VtkRenderer(ServerSettings()))
        return made[-1]

    try:
        cutout_cases.assert_any_history(fresh)
    finally:
        for each in made:
            each.close()


def test_the_same_holes_as_blender_s(renderer):
    """Seen aslant, where neither knows a texture coordinate to its last bit."""
    pytest.importorskip("bpy", reason="the bpy package is not for this Python")
    from gltf_render_server.blender import BlenderRenderer

    blender = BlenderRenderer(ServerSettings(samples=4, denoise=False))
    try:
        off = total = 0
        for seed in range(6):
            document = cards(
                (cut("BLEND", 0.9, {}), -2.0), (cut(texture={"texCoord": 1}), -2.6), alpha=noise(seed)
            )
            eye = np.random.default_rng(seed).uniform((-2, -2, -1.2), (2, 2, 0))
            pose = look_at(eye, (0, 0, -2.2), (0, 1, 0))
            ours, theirs = (arrays(each, document, 0.4, pose=pose) for each in (renderer, blender))
            off += np.count_nonzero(ours["instance"] != theirs["instance"])
            total += ours["instance"].size
    finally:
        blender.close()
    assert off <= 1e-4 * total, f"{off} of {total} pixels"


def test_too_many_triangles_with_and_without_holes(renderer, monkeypatch):
    from gltf_render_server.errors import SceneError
    from gltf_render_server.vtk import placing

    monkeypatch.setattr(placing, "_MOST_TRIANGLES", 3)
    document = cards((cut(texture={}), -2.1), (cutout_cases.PLAIN, -3.1), alpha=noise(8))
    with pytest.raises(SceneError, match="draws 4 triangles"):
        renderer.render(frame(renderer, document))
