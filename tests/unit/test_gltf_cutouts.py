"""Which surfaces have holes, and what is read of them; back ends show it in tests of their own."""

import base64
import copy
import io
import json
import pickle

import numpy as np
import pytest
from cutout_cases import PLAIN, UV, cards, checker, cut, image_uri, noise
from PIL import Image

from gltf_render_server.dispatch.affinity import Loaded, needs_of
from gltf_render_server.errors import SceneError
from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import parse_scene

EXTENSIONS = frozenset(
    {
        "EXT_texture_webp",
        "KHR_materials_pbrSpecularGlossiness",
        "KHR_texture_basisu",
        "KHR_texture_transform",
    }
)
LENS = Lens(8, 6, 9.0, 9.0, 4.0, 3.0, 0.05, 20.0)
DRAKES = {"baseColorFactor": [1.0, 1.0, 1.0, 0.4], "metallicFactor": 0.0, "roughnessFactor": 1.0}


def parsed(document):
    return parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS)


def framed(document, alpha_threshold=0.5, passes=("depth",)):
    return Frame(parsed(document), (View(LENS, np.eye(4)),), passes, alpha_threshold=alpha_threshold)


def threshold(material, alpha_threshold=0.5, **more):
    """That of the only card's cutout, without what rounding takes; None = it has no holes."""
    found = framed(cards((material, -2.0), **more), alpha_threshold).cutout(0)
    return None if found is None else round(found.threshold, 5)


@pytest.mark.parametrize(
    ("material", "expected"),
    [
        (PLAIN, None),
        (cut("OPAQUE", 0.1), None),
        (cut("MASK", 0.3), 0.5),
        (cut("MASK", 0.3, alphaCutoff=0.35), 0.35),
        (cut("MASK", 0.3, alphaCutoff=0.25), None),
        (cut("MASK", 1.0, alphaCutoff=1.5), 1.5),
        (cut("BLEND", 0.3, alphaCutoff=0.1), 0.6),
        (cut("BLEND", 0.6), None),
        (cut("BLEND"), None),
        ({"pbrMetallicRoughness": DRAKES}, 0.6),
        ({"alphaMode": "OPAQUE", "pbrMetallicRoughness": DRAKES}, None),
        ({"alphaMode": "MASK"}, None),
    ],
    ids=str,
)
def test_by_mode_and_factor(material, expected):
    assert threshold(material, 0.6) == expected


def test_nothing_has_holes_where_nothing_is_asked():
    frame = framed(cards((cut("MASK", 0.1), -2.0), (cut("BLEND", texture={}), -3.0), alpha=checker()), None)
    assert [frame.cutout(index) for index in range(2)] == [None, None]
    assert frame.shapes is frame.scene.shapes


def test_no_alpha_is_below_nothing():
    assert threshold(cut("BLEND", texture={}), 0.0, alpha=checker()) is None
    assert threshold(cut("MASK", texture={}, alphaCutoff=0), 0.9, alpha=checker()) is None


def test_specular_glossiness_has_an_alpha_of_its_own():
    specular = {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 1, 1, 0.2]}}
    assert threshold({**cut("BLEND"), "extensions": specular}) == 0.5
    specular["KHR_materials_pbrSpecularGlossiness"]["diffuseFactor"][3] = 0.9
    assert threshold({**cut("BLEND", 0.2), "extensions": specular}) is None


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return "data:application/octet-stream;base64," + base64.b64encode(file.getvalue()).decode()


def with_palette(alpha):
    """An image of as many colours as there are values of alpha, which stand beside the palette."""
    values, indices = np.unique(alpha, return_inverse=True)
    image = Image.fromarray(indices.reshape(alpha.shape).astype(np.uint8), "P")
    image.putpalette([7] * 3 * len(values))
    return encoded(image, format="PNG", transparency=bytes(values.tolist()))


@pytest.mark.parametrize(
    "uri",
    [
        image_uri,
        with_palette,
        lambda alpha: encoded(Image.fromarray(np.dstack([alpha, alpha]), "LA"), format="PNG"),
    ],
    ids=["colours", "palette", "grey"],
)
def test_the_alpha_of_every_kind_of_image(uri):
    document = cards((cut(texture={}), -2.0), alpha=noise())
    document["images"][0]["uri"] = uri(noise())
    texture = framed(document).cutout(0).texture()
    np.testing.assert_array_equal(texture.alpha, noise())
    assert (texture.wraps, texture.is_smooth) == (("repeat", "repeat"), True)


def test_webp_where_there_is_nothing_else():
    document = cards((cut(texture={}), -2.0), alpha=noise())
    rgba = Image.fromarray(np.dstack([noise(1)] * 3 + [noise(2)]))
    document["images"].append({"uri": encoded(rgba, format="WEBP", lossless=True)})
    document["textures"][0]["extensions"] = {"EXT_texture_webp": {"source": 1}}
    np.testing.assert_array_equal(framed(document).cutout(0).texture().alpha, noise())
    del document["textures"][0]["source"]
    np.testing.assert_array_equal(framed(document).cutout(0).texture().alpha, noise(2))


def test_an_image_without_alpha():
    document = cards((cut(texture={}), -2.0), alpha=noise())
    document["images"][0]["uri"] = encoded(Image.fromarray(noise()), format="JPEG")
    assert framed(document).cutout(0).texture() is None


def test_an_image_that_nobody_can_read():
    document = cards((cut(texture={}), -2.0), alpha=noise())
    document["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    document["extensionsUsed"] = document["extensionsRequired"] = ["KHR_texture_basisu"]
    with pytest.raises(SceneError, match=r"\$.textures\[0\]: its only image needs KHR_texture_basisu"):
        framed(document).cutout(0).texture()


def test_corners_and_coordinates():
    colours = np.ones((4, 4))
    colours[:, 3] = (0.0, 0.25, 0.5, 1.0)
    document = cards((cut("BLEND", 0.5, {"texCoord": 1}), -2.0), alpha=noise(), colours=colours)
    found = framed(document).cutout(0)
    np.testing.assert_allclose(found.corners(), [[0.0, 0.125, 0.25], [0.0, 0.25, 0.5]])
    np.testing.assert_allclose(found.texcoords(), 2 * UV[[[0, 1, 2], [0, 2, 3]]])
    del document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"]
    np.testing.assert_array_equal(framed(document).cutout(0).texcoords(), np.zeros((2, 3, 2)))


def test_shapes_tell_all_that_holes_depend_on():
    """What has other holes is another shape; what has the same holes is the same one."""
    document = cards((cut(texture={}), -2.0), (cut("BLEND", texture={}), -3.0), alpha=noise())

    def shapes(change=lambda _: None, alpha_threshold=0.5):
        other = copy.deepcopy(document)
        change(other)
        return framed(other, alpha_threshold).shapes

    def repaint(other):
        other["images"][0]["uri"] = image_uri(noise(1))

    before = shapes()
    assert before[0] != before[1]
    assert shapes() == before
    assert shapes(alpha_threshold=None)[0] == shapes(alpha_threshold=None)[1]
    assert not set(before) & set(shapes(alpha_threshold=None))
    masked, blended = shapes(alpha_threshold=0.4)
    assert masked == before[0], "a cutoff knows no threshold"
    assert blended != before[1]
    for change in (
        repaint,
        lambda other: other["samplers"][0].update(wrapS=33071),
        lambda other: [
            item["pbrMetallicRoughness"].update(baseColorFactor=[1, 1, 1, 0.8]) for item in other["materials"]
        ],
        lambda other: [
            item["primitives"][0]["attributes"].update(
                TEXCOORD_0=item["primitives"][0]["attributes"]["TEXCOORD_1"]
            )
            for item in other["meshes"]
        ],
    ):
        assert not set(before) & set(shapes(change))


def test_a_worker_has_rendered_only_what_has_the_same_holes():
    document = cards((cut("BLEND", texture={}), -2.0), alpha=noise())
    loaded = Loaded()
    loaded.note(needs_of(framed(document, 0.5)))
    assert loaded.share(needs_of(framed(document, 0.5))) == 2
    assert loaded.share(needs_of(framed(document, 0.4))) == 0
    assert loaded.share(needs_of(framed(document, None))) == 0


def test_a_frame_travels_with_its_shapes():
    frame = framed(cards((cut(texture={}), -2.0), alpha=noise()))
    expected = frame.shapes
    arrived = pickle.loads(pickle.dumps(frame))
    assert arrived.__dict__["shapes"] == expected
    assert arrived.cutout(0).shape == expected[0]
