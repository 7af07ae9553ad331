"""What has the same digest looks the same, and what looks different has another."""

import copy
import json

import numpy as np
import pytest
from drake_like import DrakeScene, add_accessor, box, look_at, png_uri, sphere, translation

from gltf_render_server.gltf import parse_scene

CAMERA = look_at((2, 2, 1), (0, 0, 0))


def grey(value):
    return png_uri(np.full((2, 2), value, np.uint8))


def parsed(document):
    return parse_scene(json.dumps(document).encode(), extensions=frozenset({"KHR_lights_punctual"}))


def two_boxes():
    return DrakeScene(
        [box((1, 1, 1), translation(0, 0, 0), 1), box((1, 1, 1), translation(2, 0, 0), 2)], CAMERA
    ).document()


def textured():
    document = two_boxes()
    document["images"] = [{"uri": grey(10)}]
    document["samplers"] = [{"wrapS": 33071}]
    document["textures"] = [{"source": 0, "sampler": 0}]
    document["materials"][0] = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, "name": "wood"}
    uv = add_accessor(document, np.zeros((8, 2), "<f4"), "VEC2")
    document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = uv
    return document


def changed(document, change):
    document = copy.deepcopy(document)
    change(document)
    return parsed(document)


def test_a_mesh_sent_twice_is_one():
    scene = parsed(two_boxes())
    assert scene.shapes[0] == scene.shapes[1]
    assert scene.surfaces[0] == scene.surfaces[1]


def test_the_same_mesh_in_two_colours_is_one_mesh_and_two_materials():
    scene = changed(
        two_boxes(),
        lambda d: d["materials"][1]["pbrMetallicRoughness"].update(baseColorFactor=[0, 1, 0, 1]),
    )
    first, second = scene.surfaces
    assert first.mesh == second.mesh
    assert first.material != second.material
    assert scene.shapes[0] == scene.shapes[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["nodes"][0].update(name="other", matrix=[2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 1, 2, 3, 1]),
        lambda d: d["meshes"][0].update(name="other", extras={"a": 1}),
        lambda d: d["materials"][0].update(name="other", extras={"a": [1]}),
        lambda d: d["accessors"][0].update(name="other"),
        lambda d: d["images"].insert(0, {"uri": grey(20)}) or d["textures"][0].update(source=1),
        lambda d: (
            d["materials"].insert(0, {})
            or [p.update(material=p["material"] + 1) for m in d["meshes"] for p in m["primitives"]]
        ),
    ],
    ids=["node", "mesh name", "material name", "accessor name", "other image before it", "other material"],
)
def test_names_order_and_poses_do_not_count(change):
    before, after = parsed(textured()), changed(textured(), change)
    assert after.shapes == before.shapes
    assert after.surfaces == before.surfaces


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["materials"][0].update(emissiveFactor=[0.1, 0, 0]),
        lambda d: d["materials"][0].update(extensions={"KHR_materials_clearcoat": {"clearcoatFactor": 1}}),
        lambda d: d["images"][0].update(uri=grey(20)),
        lambda d: d["samplers"][0].update(wrapS=10497),
        lambda d: d["textures"][0].pop("sampler"),
    ],
    ids=["factor", "extension", "image", "wrapping", "sampler"],
)
def test_what_a_material_shows_counts_in_colour_only(change):
    document = textured()
    document["meshes"][0]["primitives"][0].setdefault("material", 0)
    before, after = parsed(document), changed(document, change)
    assert after.shapes == before.shapes
    assert after.surfaces[0].mesh == before.surfaces[0].mesh
    assert after.surfaces[0].material != before.surfaces[0].material


@pytest.mark.parametrize("is_shape", [True, False], ids=["positions", "texture coordinates"])
def test_what_a_mesh_holds_counts(is_shape):
    document = textured()
    before = parsed(document)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    if is_shape:
        moved = np.arange(24, dtype="<f4").reshape(8, 3)
        attributes["POSITION"] = add_accessor(document, moved, "VEC3")
    else:
        attributes["TEXCOORD_0"] = add_accessor(document, np.ones((8, 2), "<f4"), "VEC2")
    after = parsed(document)
    assert (after.shapes[0] != before.shapes[0]) == is_shape
    assert after.surfaces[0].mesh != before.surfaces[0].mesh
    assert after.surfaces[0].material == before.surfaces[0].material


def test_where_the_bytes_lie_in_their_buffer_does_not_count():
    document = two_boxes()
    view = document["bufferViews"][0]
    buffer = copy.deepcopy(document["buffers"][view["buffer"]])
    head, data = buffer["uri"].split(",")
    buffer["uri"] = f"{head},{'AAAA' * 4}{data}"  # twelve bytes before it
    buffer["byteLength"] += 12
    before = parsed(document)
    document["buffers"].append(buffer)
    view.update(buffer=len(document["buffers"]) - 1, byteOffset=12)
    assert parsed(document).shapes == before.shapes


def test_morph_weights_count():
    document = two_boxes()
    target = add_accessor(document, np.ones((8, 3), "<f4"), "VEC3")
    document["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": target}]
    digests = {
        changed(document, lambda d, w=weight: d["nodes"][0].update(weights=[w])).shapes[0]
        for weight in (0.0, 0.5, 1.0)
    }
    assert len(digests) == 3


def test_lights_count_by_what_they_shed():
    document = DrakeScene([sphere(1, translation(0, 0, 0), 1)], CAMERA).document()
    lights = [{"type": "point", "intensity": 5.0, "color": [1, 1, c]} for c in (1, 1, 0.5)]
    document["extensions"] = {"KHR_lights_punctual": {"lights": lights}}
    for index in range(3):
        document["scenes"][0]["nodes"].append(len(document["nodes"]))
        document["nodes"].append({"extensions": {"KHR_lights_punctual": {"light": index}}})
    first, second, third = parsed(document).light_sources
    assert first == second != third


def test_what_cannot_be_read_is_not_the_same_as_nothing():
    document = textured()
    document["textures"][0] = {}
    empty = parsed(document).surfaces[0].material
    document["textures"][0] = {"extensions": {"KHR_texture_basisu": {"source": 0}}}
    document["extensionsRequired"] = ["KHR_texture_basisu"]
    assert parsed(document).surfaces[0].material != empty


@pytest.mark.parametrize("value", [2**64, -(2**70), 1.5, [2**80], None])
def test_any_number_can_be_digested(value):
    document = textured()
    document["materials"][0]["extensions"] = {"EXT_numbers": {"n": value}}
    document["samplers"][0]["extras"] = {"n": value}
    assert parsed(document).surfaces


@pytest.mark.parametrize("holder", ["material", "pbr"])
def test_a_texture_reference_in_the_wrong_place_is_dropped(holder):
    document = textured()
    material = document["materials"][0]
    pbr = material["pbrMetallicRoughness"]
    target, key = (material, "baseColorTexture") if holder == "material" else (pbr, "normalTexture")
    target[key] = {"index": 99}
    scene = parsed(document)
    assert scene.surfaces
    assert any(key in warning for warning in scene.warnings)
