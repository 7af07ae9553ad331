"""Colour pictures: plausible for a dry run, and exact where a picture has one right answer."""

import json

import numpy as np
import pytest
from defaults import CAMERA, ask
from drake_like import DrakeScene, add_accessor, box, column_major, look_at, png_uri, sphere, translation

from gltf_render_server.errors import RequestError, SceneError
from gltf_render_server.frame import Look
from gltf_render_server.settings import ServerSettings

BACKGROUND = (217, 217, 217)
SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], "<f4")
UNLIT = {"extensions": {"KHR_materials_unlit": {}}}
CORNERS = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [90, 120, 60]]], np.uint8
)  # as the image is looked at
SUN = {"type": "directional", "intensity": np.pi}


def encoded(document):
    return json.dumps(document).encode()


def srgb(linear):
    linear = np.asarray(linear, float)
    curve = 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return np.rint(255 * np.where(linear <= 0.0031308, 12.92 * linear, curve))


def card(material, z=-2.0, light=None):
    """A square of 2 m that faces the camera."""
    document = DrakeScene([box((1, 1, 1), translation(0, 0, z), 1)], np.eye(4)).document()
    add_card(document, document["meshes"][0]["primitives"][0], material)
    if light is not None:
        add_light(document, light)
    return document


def add_card(document, primitive, material):
    document["materials"][primitive["material"]] = material
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")
    primitive["attributes"] = {
        "POSITION": add_accessor(document, SQUARE, "VEC3"),
        "NORMAL": add_accessor(document, np.tile(np.float32([0, 0, 1]), (4, 1)).astype("<f4"), "VEC3"),
        "TEXCOORD_0": add_accessor(document, uv, "VEC2"),
    }
    primitive["indices"] = add_accessor(document, np.array([0, 1, 2, 0, 2, 3], "<u2"), "SCALAR")


def add_light(document, light, matrix=None):
    document["extensions"] = {"KHR_lights_punctual": {"lights": [light]}}
    document["nodes"].append(
        {
            "extensions": {"KHR_lights_punctual": {"light": 0}},
            "matrix": column_major(np.eye(4) if matrix is None else matrix),
        }
    )
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)


def textured(pixels, **reference):
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **reference}}, **UNLIT}
    document = card(material)
    document |= {
        "images": [{"uri": png_uri(pixels)}],
        "samplers": [{"magFilter": 9728}],
        "textures": [{"source": 0, "sampler": 0}],
    }
    return document


def quarters(image):
    """The colours in the middle of the four quarters of the card."""
    return image[[[16, 16], [55, 55]], [[28, 67], [28, 67]]]


def centre(image):
    return image[36, 48]


def factor(*rgba, **more):
    pbr = {"baseColorFactor": list(rgba), "metallicFactor": 0.0, "roughnessFactor": 0.9}
    return {"pbrMetallicRoughness": pbr, **more}


@pytest.mark.parametrize("linear", [(0.5, 0.2, 0.9), (0.01, 0.001, 0.0)], ids=str)
def test_an_unlit_colour_is_exact(picture, linear):
    image = picture(encoded(card(factor(*linear, 1.0, **UNLIT))), "color")
    assert image.shape == (CAMERA.height, CAMERA.width, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(centre(image), srgb(linear), atol=1)


def test_texture_and_its_orientation(picture):
    image = picture(encoded(textured(CORNERS)), "color")
    np.testing.assert_allclose(quarters(image).astype(int), CORNERS, atol=1)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"offset": [0.5, 0]}, CORNERS[:, ::-1]),
        ({"offset": [0, 0.5]}, CORNERS[::-1]),
        ({"offset": [0, 1], "rotation": np.pi / 2}, np.rot90(CORNERS, -1)),
        ({"scale": [0.5, 0.5]}, np.broadcast_to(CORNERS[0, 0], (2, 2, 3))),
    ],
    ids=["moved across", "moved down", "turned", "scaled"],
)
def test_texture_transform(picture, transform, expected):
    document = textured(CORNERS, extensions={"KHR_texture_transform": transform})
    document["extensionsRequired"] = ["KHR_texture_transform"]
    image = picture(encoded(document), "color")
    np.testing.assert_allclose(quarters(image).astype(int), expected, atol=1)


def test_an_image_that_cannot_be_decoded(picture):
    document = textured(CORNERS)
    broken = bytearray(encoded(document))
    uri = document["images"][0]["uri"]
    where = bytes(broken).index(uri.encode()) + len("data:image/png;base64,") + 60
    broken[where : where + 8] = b"AAAAAAAA"
    with pytest.raises(SceneError, match=r"\$\.images\[0\]"):
        picture(bytes(broken), "color")
    assert picture(encoded(document), "color").any(), "the next request works"


def test_a_light_of_the_scene_s_own(picture):
    """An irradiance of pi makes a white card as bright as its own colour, but for some gloss."""
    image = picture(encoded(card(factor(0.3, 0.3, 0.3, 1), light=SUN)), "color")
    np.testing.assert_allclose(centre(image), srgb([0.3] * 3), atol=6)


def test_a_point_light_fades_with_distance(picture):
    """At 1 m its 8 lux are shown as 4, at 2 m its 2 as they are; see docs/colour.md."""
    light = {"type": "point", "intensity": 8.0}
    means = [centre(picture(encoded(card(factor(0.5, 0.5, 0.5, 1), z, light)), "color")) for z in (-1, -2)]
    np.testing.assert_allclose(means[0], srgb([0.5 * 4 / np.pi] * 3), atol=8)
    np.testing.assert_allclose(means[1], srgb([0.5 * 2 / np.pi] * 3), atol=8)


def test_a_spot_lights_its_cone_only(picture):
    spot = {"type": "spot", "intensity": 10.0, "spot": {"outerConeAngle": 0.2}}
    image = picture(encoded(card(factor(0.5, 0.5, 0.5, 1), light=spot)), "color")
    assert centre(image).min() > 100
    assert image[36, 20].max() < 10


def test_cut_out_and_see_through(picture):
    half = {"alphaMode": "MASK", "alphaCutoff": 0.6}
    gone = picture(encoded(card(factor(1, 0, 0, 0.5, **UNLIT, **half))), "color")
    assert tuple(centre(gone)) == BACKGROUND
    there = picture(encoded(card(factor(1, 0, 0, 0.7, **UNLIT, **half))), "color")
    assert tuple(centre(there)) == (255, 0, 0)
    through = picture(encoded(card(factor(1, 0, 0, 0.5, **UNLIT, alphaMode="BLEND"))), "color")
    np.testing.assert_allclose(centre(through), (236, 108, 108), atol=3)
    opaque = picture(encoded(card(factor(1, 0, 0, 0.5, **UNLIT))), "color")
    assert tuple(centre(opaque)) == (255, 0, 0)


def test_two_see_through_cards_in_any_order(picture):
    def both(first, second):
        near, far = translation(0, 0, -2), translation(0, 0, -3)
        places = [near, far] if first == "near" else [far, near]
        document = DrakeScene([box((1, 1, 1), place, 1) for place in places], np.eye(4)).document()
        colours = {"near": (1, 0, 0, 0.5), "far": (0, 0, 1, 0.5)}
        for index, name in enumerate((first, second)):
            primitive = document["meshes"][index]["primitives"][0]
            add_card(document, primitive, factor(*colours[name], **UNLIT, alphaMode="BLEND"))
        return picture(encoded(document), "color").astype(int)

    np.testing.assert_allclose(both("near", "far"), both("far", "near"), atol=2)


def test_vertex_colours(picture):
    document = card(factor(1, 1, 1, 1, **UNLIT))
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    attributes["COLOR_0"] = add_accessor(
        document, np.tile(np.float32([0.5, 0.0, 1.0]), (4, 1)).astype("<f4"), "VEC3"
    )
    np.testing.assert_allclose(centre(picture(encoded(document), "color")), srgb([0.5, 0, 1]), atol=1)


@pytest.mark.parametrize("normal", [0.0, np.nan])
def test_a_surface_with_broken_normals_is_not_black(picture, normal):
    document = card(factor(0.5, 0.5, 0.5, 1))
    sound = picture(encoded(document), "color")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    attributes["NORMAL"] = add_accessor(document, np.full((4, 3), normal, "<f4"), "VEC3")
    del document["accessors"][-1]["min"], document["accessors"][-1]["max"]
    np.testing.assert_allclose(centre(picture(encoded(document), "color")), centre(sound), atol=1)


def test_emission_shows_in_the_dark(picture):
    dark = {"type": "point", "intensity": 0.0}
    material = factor(0.5, 0.5, 0.5, 1, emissiveFactor=[0.2, 0.0, 0.0])
    np.testing.assert_allclose(
        centre(picture(encoded(card(material, light=dark)), "color")), srgb([0.2, 0, 0]), atol=2
    )


def test_both_sides_and_mirrored_placements_are_shaded_alike(picture, table):
    document = table.document()
    plain = picture(encoded(document), "color")
    assert tuple(plain[0, 0]) == BACKGROUND
    mirrored = table.document()  # the box is symmetric: only its triangles turn around
    mirrored["nodes"][1]["matrix"] = column_major(table.bodies[1].matrix @ np.diag([-1.0, 1, 1, 1]))
    np.testing.assert_allclose(picture(encoded(mirrored), "color").astype(int), plain, atol=1)
    turned = card(factor(0.5, 0.5, 0.5, 1), light=SUN)
    front = centre(picture(encoded(turned), "color"))
    turned["nodes"][0]["matrix"] = column_major(translation(0, 0, -2) @ np.diag([-1.0, 1, -1, 1]))
    np.testing.assert_array_equal(centre(picture(encoded(turned), "color")), front)


def test_what_is_round_is_shaded_round_and_edges_stay_sharp(picture):
    ball = DrakeScene([sphere(0.8, translation(0, 0, -2.5), 1, rings=12)], np.eye(4))
    image = picture(ball.to_bytes(), "color").astype(int)
    steps = np.abs(np.diff(image[36, 25:70, 0]))
    assert steps.max() < 12, "facets would show"
    assert np.ptp(image[10:60, 48, 0]) > 30
    block = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 1)], look_at((1.5, -1.8, 1.6), (0, 0, 0)))
    image = picture(block.to_bytes(), "color")
    _, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    assert (counts > 200).sum() >= 4, "three faces and the background are flat"


def test_drake_s_colours_are_srgb(picture, table):
    image = picture(table.to_bytes(), "color")
    ball = image[(image[..., 2] > 150) & (image[..., 0] < 120)]
    assert len(ball) > 100
    red, green, blue = np.median(ball, axis=0)
    assert blue > green > red


def test_a_y_up_file_is_lit_from_its_own_above(table):
    from gltf_render_server.vtk import VtkRenderer

    def seen(up_axis):
        renderer = VtkRenderer(ServerSettings(up_axis=up_axis))
        try:
            return ask(renderer, encoded(document), "color")
        finally:
            renderer.close()

    document = table.document()
    z_up = seen("z")
    assert np.abs(z_up.astype(int) - seen("y")).max() > 20
    to_y_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
    document["nodes"][-1]["matrix"] = column_major(to_y_up)
    np.testing.assert_allclose(z_up.astype(int), seen("y"), atol=2)


def test_in_parts(picture, table, monkeypatch):
    from gltf_render_server.vtk import colour

    whole = picture(table.to_bytes(), "color").astype(int)
    monkeypatch.setattr(colour, "LARGEST_TILE_PX", 40)
    assert np.mean(np.abs(picture(table.to_bytes(), "color") - whole) > 2) < 0.01


def test_exposure(renderer):
    data = encoded(card(factor(0.2, 0.2, 0.2, 1.0, **UNLIT)))
    for stops in (0.0, 1.0, -2.0):
        image = ask(renderer, data, "color", look=Look(exposure=stops))
        np.testing.assert_allclose(centre(image), srgb([0.2 * 2**stops] * 3), atol=1)
    dim = encoded(card(factor(0.2, 0.2, 0.2, 1.0, **UNLIT), light=SUN))
    np.testing.assert_allclose(
        centre(ask(renderer, dim, "color", look=Look(exposure=0))), srgb([0.2] * 3), atol=1
    )


def test_a_transparent_background(renderer):
    plain, half = (factor(0.5, 0.2, 0.9, alpha, alphaMode="BLEND", **UNLIT) for alpha in (1.0, 0.5))
    for material, alpha in ((plain, 255), (half, 128)):
        data = encoded(card(material))
        before = ask(renderer, data, "color")
        seen = ask(renderer, data, "color", look=Look(transparent=True))
        assert seen.shape == (CAMERA.height, CAMERA.width, 4)
        np.testing.assert_array_equal(seen[0, 0], 0)
        np.testing.assert_allclose(centre(seen), [*srgb([0.5, 0.2, 0.9]), alpha], atol=2)
        np.testing.assert_array_equal(ask(renderer, data, "color"), before)


@pytest.mark.parametrize(
    ("mode", "factor_alpha", "vertex_alpha", "texture_alpha", "expected"),
    [
        ({"alphaMode": "OPAQUE"}, 0.4, 0.6, 102, 1.0),
        ({}, 1.0, 0.3, None, 1.0),
        ({"alphaMode": "BLEND"}, 1.0, 0.6, None, 0.6),
        ({"alphaMode": "BLEND"}, 0.4, 0.6, None, 0.24),
        ({"alphaMode": "BLEND"}, 0.8, 0.6, 204, 0.384),
        ({"alphaMode": "MASK", "alphaCutoff": 0.38}, 0.8, 0.6, 204, 1.0),
        ({"alphaMode": "MASK", "alphaCutoff": 0.39}, 0.8, 0.6, 204, 0.0),
        ({"alphaMode": "MASK", "alphaCutoff": 0}, 0.3, 1.0, None, 1.0),
        ({"alphaMode": "MASK", "alphaCutoff": 0}, 1.0, 0.0, None, 1.0),
    ],
    ids=str,
)
def test_alpha_is_that_of_factor_vertices_and_texture(
    renderer, mode, factor_alpha, vertex_alpha, texture_alpha, expected
):
    material = factor(1, 1, 1, factor_alpha, **UNLIT, **mode)
    document = card(material)
    if texture_alpha is not None:
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        document["images"] = [{"uri": png_uri(np.full((2, 2, 4), texture_alpha, np.uint8))}]
        document["textures"] = [{"source": 0}]
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    colours = np.tile(np.float32([1, 1, 1, vertex_alpha]), (4, 1)).astype("<f4")
    attributes["COLOR_0"] = add_accessor(document, colours, "VEC4")
    data = encoded(document)
    alpha = centre(ask(renderer, data, "color", look=Look(transparent=True)))[3]
    np.testing.assert_allclose(alpha, round(255 * expected), atol=1)
    if "BLEND" not in mode.values():
        instance = ask(renderer, data, "instance", alpha_threshold=0.5)
        assert (centre(instance) > 0) == (expected > 0)


@pytest.mark.parametrize(
    "look",
    [
        {"environment": "city"},
        {"rotation_deg": 1.0},
        {"strength": 2.0},
        {"view_transform": "AgX"},
        {"samples": 4},
    ],
    ids=str,
)
def test_what_this_back_end_cannot_do(renderer, table, look):
    [name] = look
    with pytest.raises(RequestError, match=rf"look\.{name}: .*VTK.*exposure"):
        ask(renderer, table.to_bytes(), "color", look=Look(**look))
    assert ask(renderer, table.to_bytes(), "depth", look=Look(**look)).any(), "depth does not depend on it"
