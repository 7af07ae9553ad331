"""The ground that models stand on: where it lies, and how it fades."""

import json

import numpy as np
from any_gltf import animated, ball

from gltf_render_server.dataset.cameras.bounds import placed_points
from gltf_render_server.dataset.shot import Document
from gltf_render_server.gltf import read_asset
from gltf_render_server.pictures.framing import frame_from_above
from gltf_render_server.pictures.ground import on_ground
from gltf_render_server.pictures.looks import laid_over

SIZE = 160, 120


def stood(document, time_s=0.0):
    """A document's scene, its ground, and its scene on that ground."""
    data = json.dumps(document).encode()
    scene = read_asset(data, extensions=frozenset()).scene({}, time_s)
    ground = on_ground(Document(data), scene, "z")
    return scene, ground, read_asset(ground.document.data, extensions=frozenset()).scene({}, time_s)


def encoded(linear):
    """sRGB."""
    value = linear.clip(0, 1)
    return np.rint(255 * np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055))


def test_it_lies_just_below_the_lowest_point_and_is_the_last_object():
    for time_s in (0.0, 0.7):
        scene, ground, both = stood(animated(), time_s)
        lowest = min(placed_points(scene, index)[:, 2].min() for index in range(len(scene.placements)))
        points = placed_points(both, len(both.placements) - 1)
        np.testing.assert_allclose(points[:, 2], ground.middle[2], atol=1e-5)
        assert 0 < lowest - ground.middle[2] < 0.01
        assert both.placements.instance[-1] == len(both.instances) - 1 == len(scene.instances)
        assert len(both.placements) == len(scene.placements) + 1


def test_it_fades_evenly_where_samples_leave_that_to_chance():
    scene, ground, _ = stood(ball())
    view = frame_from_above(scene, SIZE, "z")
    alpha = ground.alpha(view)
    assert alpha.shape == SIZE[::-1]
    assert alpha.min() == 0
    assert alpha.max() > 0.9
    is_model = np.zeros(alpha.shape, bool)
    is_model[50:70, 70:90] = True
    rng = np.random.default_rng(1)
    chance = rng.binomial(36, alpha) / 36
    light = np.full((*alpha.shape, 3), (0.4, 0.45, 0.5))
    colour = np.where(chance[..., None] > 0, light * (alpha / chance.clip(1 / 36))[..., None], 0)
    picture = np.dstack([encoded(colour), np.rint(255 * chance)]).astype(np.uint8)  # denoised, but for alpha
    picture[is_model] = 10, 200, 30, 255
    cleaned = ground.cleaned(picture, is_model, view)
    expected = laid_over(np.dstack([encoded(light), np.rint(255 * alpha)]).astype(np.uint8), "backdrop")
    is_far = np.ones(alpha.shape, bool)
    is_far[49:71, 69:91] = False

    def error(shown):
        return np.abs(laid_over(shown, "backdrop").astype(int) - expected)[is_far]

    assert np.percentile(error(picture), 99) > 6, "as it is rendered"
    assert np.percentile(error(cleaned), 99) <= 2
    np.testing.assert_array_equal(cleaned[is_model], picture[is_model])
