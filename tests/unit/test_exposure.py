"""How bright the client's lights are shown, and how a picture that they light is exposed."""

import numpy as np
import pytest
from drake_like import DrakeScene, box, column_major, translation
from test_gltf_document import CAMERA, parsed

from gltf_render_server.gltf import read_light
from gltf_render_server.metering import metered_stops


def lit(*lights, size=0.2, **more):
    """Two boxes, a metre to either side of the origin, and (light, place)s."""
    bodies = [box((size, size, size), translation(x, 0, 0), 1) for x in (-1, 1)]
    document = DrakeScene(bodies, CAMERA).document() | more
    document["extensions"] = {"KHR_lights_punctual": {"lights": [light for light, _ in lights]}}
    for index, (_, place) in enumerate(lights):
        shines = {"KHR_lights_punctual": {"light": index}}
        document["nodes"].append({"extensions": shines, "matrix": column_major(translation(*place))})
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    return parsed(document)


def sun(intensity, **more):
    return {"type": "directional", "intensity": intensity, **more}, (0, 0, 0)


def lamp(intensity, place, **more):
    return {"type": "point", "intensity": intensity, **more}, place


@pytest.mark.parametrize(
    ("lights", "received"),
    [
        ([sun(3.0)], 3.0),
        ([sun(1.0), sun(2.0)], 3.0),
        ([sun(3.0, color=[0.1, 1.0, 0.2])], 3.0),
        ([lamp(6.0, (0, 1, 0))], 3.0),
        ([lamp(100.0, (0, 7, 0))], 2.0),
        ([sun(0.01)], 0.01),
        ([sun(1e5)], 1e5),
        ([sun(6.0, color=[0.1, 0.0, 0.0])], 0.6),
        ([lamp(1000.0, (0, 1, 0))], 500.0),
        ([sun(1e5), lamp(1.0, (0, 1, 0))], 1e5),
    ],
)
def test_things_are_shown_as_receiving_two_to_four_lux(lights, received):
    scene = lit(*lights)
    shown = received * scene.light_scale
    if 2 <= received <= 4:
        assert scene.light_scale == 1.0, "as a viewer shows it"
    assert 2 * 0.9 <= shown <= 4 * 1.1


@pytest.mark.parametrize("light", [sun(0.0), lamp(0.0, (0, 0, 0)), sun(5.0, color=[0, 0, 0])])
def test_what_sheds_nothing_is_left_alone(light):
    assert lit(light).light_scale == 1.0


def test_a_scene_without_things_or_without_lights_is_left_alone():
    assert lit().light_scale == 1.0
    assert lit(sun(1e5), scenes=[{"nodes": [3]}], nodes=[{}, {}, {}, {"camera": 0}]).light_scale == 1.0


def test_a_lamp_inside_a_thing_lights_its_outside():
    near, inside = lit(lamp(1.0, (1, 0, 0.3)), size=0.6), lit(lamp(1.0, (1, 0, 0)), size=0.6)
    assert inside.light_scale == pytest.approx(near.light_scale, rel=0.5)


def test_the_brightest_light_there_can_be():
    scale = lit(sun(1e300), lamp(1e300, (0, 0, 0))).light_scale
    assert np.isfinite(scale)
    assert scale > 0


def test_many_lights_and_things_count_together():
    few = lit(*[lamp(50.0, (0, 3, 0))] * 10)
    many = lit(*[lamp(0.1, (0, 3, 0))] * 5000)
    assert few.light_scale == pytest.approx(many.light_scale, rel=0.2)


def test_what_a_file_leaves_out_is_what_gltf_says():
    scene = lit(({"type": "directional"}, (0, 0, 0)), ({"type": "spot"}, (0, 0, 0)))
    explicit = lit(
        sun(1.0, color=[1, 1, 1]),
        (
            {"type": "spot", "intensity": 1, "spot": {"innerConeAngle": 0, "outerConeAngle": np.pi / 4}},
            (0, 0, 0),
        ),
    )
    for index in range(2):
        assert read_light(scene.asset, index) == read_light(explicit.asset, index)
    assert scene.light_sources == explicit.light_sources
    spot = read_light(scene.asset, 1)
    assert (spot.intensity, spot.inner_rad, spot.outer_rad) == (1.0, 0.0, pytest.approx(np.pi / 4))


def test_how_bright_it_is_shown_counts_in_a_light_s_digest():
    alone, together = lit(sun(3.0)), lit(sun(3.0), sun(1e5))
    assert alone.light_sources[0] != together.light_sources[0]


@pytest.mark.parametrize("brightness", [0.25, 0.4, 0.6])
def test_a_well_exposed_picture_is_left_alone(brightness):
    picture = np.full((60, 80, 3), brightness, np.float32)
    picture[:30] = 0.0
    assert metered_stops(picture) == 0.0


@pytest.mark.parametrize(("brightness", "wanted"), [(1e-4, 0.2), (0.05, 0.2), (3.0, 0.7), (1e5, 0.7)])
def test_a_dark_or_burnt_picture_is_corrected_just_enough(brightness, wanted):
    picture = np.full((60, 80, 3), brightness, np.float32)
    assert brightness * 2 ** metered_stops(picture) == pytest.approx(wanted, rel=0.1)


def test_what_is_lit_is_exposed_and_not_the_dark_around_it():
    picture = np.full((100, 100, 3), 1e-3, np.float32)
    picture[:30, :30] = 0.5
    assert metered_stops(picture) == 0.0


def test_a_lamp_in_the_picture_does_not_darken_it():
    picture = np.full((100, 100, 3), 0.4, np.float32)
    picture[:5, :5] = 1e4
    assert metered_stops(picture) == 0.0


def test_the_strongest_channel_counts():
    red = np.zeros((10, 10, 3), np.float32)
    red[..., 0] = 0.6
    assert metered_stops(red) == 0.0


@pytest.mark.parametrize("value", [0.0, 1e-9, -1.0, np.nan, np.inf])
def test_a_picture_of_nothing_is_left_alone(value):
    assert metered_stops(np.full((4, 4, 3), value, np.float32)) == 0.0
