"""Scenes that bring lights: neither dark nor burnt out, whatever their intensities, without any option."""

from dataclasses import replace

import numpy as np
import pytest
from defaults import CAMERA, FAST
from drake_like import DrakeScene, box, look_at, translation
from test_gltf_rules import encoded, lit

from gltf_render_server.settings import ServerSettings

PLAIN = ServerSettings(samples=16, denoise=False, view_transform="Standard")
ABOVE = look_at((-1.0, -1.2, 2.0), (0, 0, 0))
HALF = (0.5, 0.5, 0.5, 1)  # as Drake means it, sRGB: 0.214 of the light


def sun(intensity, pose=ABOVE, **more):
    return {"type": "directional", "intensity": intensity, **more}, pose


def lamp(intensity, place, **more):
    return {"type": "point", "intensity": intensity, **more}, translation(*place)


def spot(intensity, distance, **more):
    eye = distance * np.array([-0.4, -0.5, 0.77])
    light = {"type": "spot", "intensity": intensity, "spot": {"outerConeAngle": 0.6}, **more}
    return light, look_at(eye, (0, 0, 0.2))


LIGHTS = {
    "sun of 1 lux": [sun(1.0)],
    "sun of pi lux": [sun(np.pi)],
    "sun of 100,000 lux": [sun(1e5)],
    "moon of 0.1 lux": [sun(0.1)],
    "low sun": [sun(3.0, look_at((-3, -2, 1.5), (0, 0, 0)))],
    "lamp of 1 cd": [lamp(1.0, (-0.5, -1.0, 2.0))],
    "lamp of 1,000 cd": [lamp(1e3, (-0.5, -1.0, 2.0))],
    "lamp of 100,000 cd, far": [lamp(1e5, (-4.0, -8.0, 15.0))],
    "lamp of 1,000 cd, near": [lamp(1e3, (0.0, -0.8, 0.7))],
    "spot of 10 cd": [spot(10.0, 2.5)],
    "spot of 5,000 cd": [spot(5e3, 5.0)],
    "sun and lamp": [sun(1e5), lamp(500.0, (0.0, -0.8, 1.2))],
    "warm and cold lamps": [
        lamp(800.0, (-1.2, -0.8, 1.5), color=[1.0, 0.6, 0.3]),
        lamp(800.0, (1.2, -0.8, 1.5), color=[0.4, 0.6, 1.0]),
    ],
}


@pytest.mark.parametrize("name", LIGHTS)
def test_exposure_is_neutral(studio, table, name):
    image = studio.image(encoded(lit(table.document(), *LIGHTS[name])), "color", FAST)
    on_things = (studio.image(table.to_bytes("label"), "label") != 255).any(-1)
    brightest = image[on_things].max(-1)
    assert np.percentile(brightest, 90) > 90, "not dark"
    assert np.mean(brightest > 250) < 0.02, "not burnt out"


def test_a_wide_floor_lit_in_one_place(studio, table):
    """The lit place is what is exposed for, though nearly all of the floor is dark."""
    table.bodies[0] = box((2000, 2000, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1))
    image = studio.image(encoded(lit(table.document(), lamp(1e3, (-0.5, -1, 2)))), "color", FAST)
    assert 50 < image.mean() < 150
    assert np.mean(image.max(-1) > 250) < 0.02


@pytest.mark.parametrize("kind", ["directional", "point", "spot"])
def test_an_omitted_intensity_is_1(studio, table, kind):
    light = {"type": kind}
    omitted, explicit = (
        studio.image(encoded(lit(table.document(), ({**light, **more}, ABOVE))), "color")
        for more in ({}, {"intensity": 1.0})
    )
    np.testing.assert_array_equal(omitted, explicit)
    assert omitted.max() > 60


def card(light, distance=1.0):
    """A square that faces a camera at the origin, lit from there."""
    square = box((1, 1, 0.01), translation(0, 0, -distance - 0.005), 1, rgba=HALF)
    return encoded(lit(DrakeScene([square], np.eye(4)).document(), (light, np.eye(4))))


@pytest.mark.parametrize(
    "light",
    [
        {"type": "directional", "intensity": np.pi},
        {"type": "point", "intensity": np.pi},
        {"type": "spot", "intensity": np.pi, "spot": {"innerConeAngle": 0.5, "outerConeAngle": 0.6}},
    ],
    ids=lambda light: light["type"],
)
def test_pi_lux_show_a_surface_in_its_own_colour(studio, light):
    """But for some gloss."""
    image = studio.image(card(light), "color", PLAIN)
    np.testing.assert_allclose(image[36, 48].astype(int), [128] * 3, atol=8)


def test_a_spot_ends_where_gltf_says(studio):
    """It fades from 0.2 to 0.4 rad: 18 to 38 px from the middle."""
    light = {"type": "spot", "intensity": 3.0, "spot": {"innerConeAngle": 0.2, "outerConeAngle": 0.4}}
    row = studio.image(card(light), "color", PLAIN)[36, :, 0].astype(int)
    assert row[48 + 14] > 0.9 * row[48]
    assert 5 < row[48 + 28] < 0.8 * row[48]
    assert row[48 + 40] < 5


def test_an_explicit_exposure_is_not_metered(studio):
    """The lights are scaled all the same, so that a stop stays a stop."""
    dark = card({"type": "directional", "intensity": np.pi}).replace(
        b"[0.5, 0.5, 0.5, 1]", b"[0.1, 0.1, 0.1, 1]"
    )
    metered, as_it_is, brighter = (
        int(studio.image(dark, "color", replace(PLAIN, exposure=stops))[36, 48, 0])
        for stops in (None, 0.0, 1.0)
    )
    assert metered > 100
    assert 25 < as_it_is < 45
    linear = [((value / 255 + 0.055) / 1.055) ** 2.4 for value in (as_it_is, brighter)]
    assert linear[1] / linear[0] == pytest.approx(2, rel=0.15)


def test_only_light_of_the_client_s_own_is_metered(studio, table, tmp_path):
    """What a settings script lights, it exposes."""
    script = tmp_path / "lamp.py"
    script.write_text(
        "light = bpy.data.objects.new('Sun', bpy.data.lights.new('Sun', 'SUN'))\n"
        "light.data.energy = 1e4\nbpy.context.scene.collection.objects.link(light)\n"
    )
    settings = ServerSettings(samples=4, denoise=False, bpy_settings_file=script)
    image = studio.image(encoded(lit(table.document(), sun(1.0))), "color", settings)
    on_things = (studio.image(table.to_bytes("label"), "label") != 255).any(-1)
    assert np.mean(image[on_things].max(-1) > 250) > 0.5


def test_the_next_request_is_exposed_by_itself(studio, table):
    """A metered picture leaves nothing behind for one that is not, nor for another."""
    dark, bright = (
        encoded(lit(table.document(), *LIGHTS[name])) for name in ("spot of 10 cd", "sun and lamp")
    )
    plain = table.to_bytes()
    first = {scene: studio.image(scene, "color") for scene in (plain, dark, bright)}
    for scene in (bright, plain, dark, plain, bright):
        np.testing.assert_array_equal(studio.image(scene, "color"), first[scene])
    assert CAMERA.width == first[plain].shape[1]
