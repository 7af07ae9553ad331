"""What glTF allows, or what harms nobody, is drawn; and what is left out is told."""

import json

import numpy as np
import pytest
from drake_like import add_accessor
from frames import pose_of
from test_gltf_document import EXTENSIONS, add_view, data_uri, one_box, parsed, picture

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf import Detail, import_document, parse_scene, read_triangles


def two_primitives(**second):
    """A document whose mesh has two primitives, of which the second is as a test says."""
    document = one_box()
    [first] = document["meshes"][0]["primitives"]
    document["meshes"][0]["primitives"].append({**first, **second})
    return document


def points(document, values):
    return {"POSITION": add_accessor(document, np.asarray(values, "<f4").reshape(-1, 3), "VEC3")}


def nothing(document, name):
    """Change the second primitive to one that draws nothing."""
    second = document["meshes"][0]["primitives"][1]
    accessors = document["accessors"]
    if name == "equal positions":
        second["attributes"] = points(document, np.full((8, 3), 0.25))
    elif name == "no data":
        accessors.append({"componentType": 5126, "count": 8, "type": "VEC3"})
        second["attributes"] = {"POSITION": len(accessors) - 1}
    elif name == "no such mode":
        second["mode"] = 7
    else:
        count, second["mode"] = {"5 of 3": (5, 4), "a strip of 2": (2, 5), "a fan of 2": (2, 6)}[name]
        accessors.append(accessors[second["indices"]] | {"count": count})
        second["indices"] = len(accessors) - 1


@pytest.mark.parametrize(
    "name", ["equal positions", "no data", "no such mode", "5 of 3", "a strip of 2", "a fan of 2"]
)
def test_a_primitive_that_draws_nothing_is_left_out(name):
    document = two_primitives()
    nothing(document, name)
    scene = parsed(document)
    assert [primitive.number for primitive in scene.primitives] == [0]
    assert len(scene.warnings) == 1
    assert scene.warnings[0].startswith("meshes[0].primitives[1]: ")
    assert scene.warnings[0].endswith("left out")
    del document["meshes"][0]["primitives"][0]
    assert len(parsed(document).placements) == 0, "and alone it leaves nothing"


def as_floats(value):
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if type(value) is int else value


def test_whole_numbers_may_be_written_with_a_point():
    document = one_box() | {
        "images": [{"uri": data_uri(picture("PNG"))}],
        "textures": [{"source": 0}],
        "extensions": {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 5}]}},
    }
    document["materials"][0]["extensions"] = {
        "KHR_materials_clearcoat": {"clearcoatFactor": 1, "clearcoatTexture": {"index": 0}}
    }
    document["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 0}}
    plain, pointed = parsed(document), parsed(as_floats(document))
    assert pointed.warnings == ()
    assert pointed.shapes == plain.shapes
    assert len(pointed.lights) == 1
    documents = [json.loads(import_document(scene, {0: Detail.SURFACE})) for scene in (pointed, plain)]
    assert documents[0] == documents[1]


@pytest.mark.parametrize("value", ["8", 8.5, True, [8]])
def test_what_is_no_whole_number_is_refused(value):
    document = one_box()
    document["accessors"][0]["count"] = value
    with pytest.raises(SceneError, match=r"\$\.accessors\[0\]\.count: Expected `int`"):
        parsed(document)


@pytest.mark.parametrize(
    "unused",
    [
        {"buffers": [{"byteLength": 5}]},
        {"buffers": [{"byteLength": 5, "uri": "more.bin"}]},
        {"accessors": [{"componentType": 1, "count": 1, "type": "VEC9"}]},
        {"accessors": [{"componentType": 5126, "count": 10**9, "type": "VEC3", "bufferView": 0}]},
        {"bufferViews": [{"buffer": 0, "byteLength": 10**9}]},
        {"materials": [{"extensions": {"KHR_materials_volume": {"attenuationDistance": 0}}}]},
        {"nodes": [{"rotation": [0, 0, 0, 0]}, {"matrix": [1] * 16}]},
        {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 0}]}]},
    ],
    ids=str,
)
def test_what_nothing_uses_is_not_looked_at_closely(unused):
    document = one_box()
    plain = parsed(document)
    for kind, items in unused.items():
        document[kind] += items
    scene = parsed(document)
    assert scene.warnings == ()
    assert scene.surfaces == plain.surfaces


def test_an_unused_light_may_be_of_any_type_and_a_used_one_is_dropped():
    document = one_box()
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "area"}]}}
    assert parsed(document).warnings == ()
    document["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 0}}
    scene = parsed(document)
    assert scene.lights == ()
    assert scene.warnings == ("nodes[0]: its light is of no type that glTF has; dropped",)


def test_factors_are_brought_into_their_range():
    document = one_box()
    pbr = document["materials"][0]["pbrMetallicRoughness"]
    pbr |= {"baseColorFactor": [1.0000001, -1e-9, 0.5, 1], "metallicFactor": 1.0000001}
    scene = parsed(document)
    assert scene.warnings == ()
    written = json.loads(import_document(scene, {0: Detail.SURFACE}))["materials"][0]["pbrMetallicRoughness"]
    assert written["baseColorFactor"][:2] == [1, 0]
    assert written["metallicFactor"] == 1
    document["materials"][0]["emissiveFactor"] = [5, 0, 0]
    assert parsed(document).warnings == ("materials[0]: its emissiveFactor is brought between 0 and 1",)


def test_values_that_gltf_does_not_have_are_dropped():
    document = one_box() | {
        "images": [{"uri": data_uri(picture("PNG"))}],
        "samplers": [{"magFilter": 5, "wrapS": 33071}],
        "textures": [{"source": 0, "sampler": 0}],
    }
    document["materials"][0] = {"normalTexture": {"index": 0, "texCoord": 20}, "alphaMode": "SHINY"}
    scene = parsed(document)
    assert scene.warnings == ("materials[0]: there is no alphaMode SHINY; dropped",)
    assert json.loads(import_document(scene, {0: Detail.SURFACE}))["samplers"] == [{"wrapS": 33071}]


def test_a_morph_weight_beyond_blenders_is_spread_over_targets():
    document = one_box()
    primitive = document["meshes"][0]["primitives"][0]
    primitive["targets"] = [points(document, np.ones((8, 3))), points(document, np.full((8, 3), 2))]
    document["meshes"][0]["weights"] = [-25, 0.5]
    scene = parsed(document)
    [mesh] = json.loads(import_document(scene, {0: Detail.MESH}))["meshes"]
    np.testing.assert_allclose(mesh["weights"], [-25 / 3] * 3 + [0.5])
    first, *others, last = [target["POSITION"] for target in mesh["primitives"][0]["targets"]]
    assert others == [first] * 2
    assert last != first
    plain = parsed(one_box())
    moved = read_triangles(scene.asset, scene.primitives[0]).vertices
    np.testing.assert_allclose(
        moved, read_triangles(plain.asset, plain.primitives[0]).vertices - 24, atol=1e-5
    )


def test_a_buffer_as_text():
    document = one_box()
    document["buffers"].append({"byteLength": 4, "uri": "data:application/octet-stream,%00%01%ffA"})
    view = {"buffer": len(document["buffers"]) - 1, "byteLength": 4}
    document["bufferViews"].append(view)
    document["accessors"].append(
        {"componentType": 5121, "count": 3, "type": "SCALAR", "bufferView": len(document["bufferViews"]) - 1}
    )
    document["meshes"][0]["primitives"][0]["indices"] = len(document["accessors"]) - 1
    with pytest.raises(SceneError, match="names vertex 255 of 8"):
        parsed(document)


def test_capitals_in_the_uri_of_a_buffer():
    document = one_box()
    for buffer in document["buffers"]:
        head, _, text = buffer["uri"].partition(",")
        buffer["uri"] = f"{head.replace('base64', 'BASE64')},{text}"
    assert len(parsed(document).primitives) == 1


DRACO = "KHR_draco_mesh_compression"


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("has_plain_data", [False, True])
def test_a_draco_stream_is_read_only_where_it_is_needed(has_plain_data, required):
    document = one_box()
    primitive = document["meshes"][0]["primitives"][0]
    stream = add_view(document, b"DRACO" + bytes(20))
    primitive["extensions"] = {DRACO: {"bufferView": stream, "attributes": {"POSITION": 0}}}
    document["extensionsUsed"] = [DRACO]
    if required:
        document["extensionsRequired"] = [DRACO]
    if not has_plain_data:
        for accessor in document["accessors"]:
            del accessor["bufferView"]
    data = json.dumps(document).encode()
    if has_plain_data:
        scene = parse_scene(data, extensions=frozenset())
        assert DRACO not in import_document(scene, {0: Detail.SURFACE}).decode()
    else:
        with pytest.raises(SceneError, match="its Draco stream cannot be decoded"):
            parse_scene(data, extensions=frozenset())


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ({"KHR_materials_volume": {"attenuationDistance": 0}}, "KHR_materials_volume.attenuationDistance: "),
        ({"KHR_materials_volume": 5}, "KHR_materials_volume: Expected `object`, got `int`"),
        (
            {"KHR_materials_clearcoat": {"clearcoatFactor": "much"}},
            "KHR_materials_clearcoat.clearcoatFactor: Expected `float`",
        ),
        (
            {"KHR_materials_clearcoat": {"clearcoatTexture": 0}},
            "KHR_materials_clearcoat.clearcoatTexture: Expected `object`",
        ),
    ],
)
def test_a_broken_extension_of_a_material_is_told_with_its_place(extensions, says):
    document = one_box()
    document["materials"][0]["extensions"] = extensions
    with pytest.raises(SceneError) as error:
        parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS | {"KHR_materials_volume"})
    assert f"$.materials[0].extensions.{says}" in str(error.value)


def test_a_broken_texture_transform_is_told_with_its_place():
    document = one_box() | {"images": [{"uri": data_uri(picture("PNG"))}], "textures": [{"source": 0}]}
    transform = {"KHR_texture_transform": {"offset": [1]}}
    document["materials"][0] = {"normalTexture": {"index": 0, "extensions": transform}}
    with pytest.raises(SceneError, match=r"materials\[0\]\.normalTexture\.extensions.*offset: Expected"):
        parsed(document)


def test_without_a_camera_drake_is_named_to_drake_alone():
    document = one_box()
    del document["cameras"], document["nodes"][1]["camera"]
    with pytest.raises(SceneError, match=r"Drake.*perception role"):
        pose_of(parsed(document))
    document["asset"] = {"version": "2.0"}
    with pytest.raises(SceneError, match=r"seen from cameras.0., but there is none; add") as error:
        pose_of(parsed(document))
    assert "Drake" not in str(error.value)
    document["cameras"] = [{}]
    with pytest.raises(SceneError, match="no node of the scene that is shown holds it"):
        pose_of(parsed(document))
