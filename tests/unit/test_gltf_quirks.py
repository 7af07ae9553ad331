"""Repairs, labels, and the document that the importer gets."""

import json

import numpy as np
import pytest
from compressed import with_draco
from drake_like import DrakeScene, box, label_rgba, translation
from recorded import NAMES, needs_recorded, oracle, scene_bytes
from test_gltf_document import CAMERA, EXTENSIONS, add_view, data_uri, one_box, parsed, picture, rich_document

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf import Detail, content_of, import_document, parse_scene, read_triangles
from gltf_render_server.gltf.decoding import convert
from gltf_render_server.gltf.repair import repair_draco
from gltf_render_server.gltf.resources import decode_buffers

_FIRST_RESERVED_LABEL = 32764  # of Drake, such as "empty"
DRACO = "KHR_draco_mesh_compression"


def written(scene, *, materials=True):
    detail = Detail.SURFACE if materials else Detail.SHAPE
    primitives = dict.fromkeys(range(len(scene.primitives)), detail)
    return json.loads(import_document(scene, primitives))


def draco_scene(*files):
    """Merge files as Drake does; each is a list of the view indices that its primitives state, from 0 on."""
    document = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 1)], CAMERA).document()
    true_indices = []
    for file in files:
        first = {
            said: add_view(document, b"DRACO\x02\x02" + bytes([said] * 30)) for said in sorted(set(file))
        }
        root = {"children": []}
        for said in file:
            true_indices.append(first[said])
            document["accessors"] += [
                {"componentType": 5126, "count": 3, "type": "VEC3"},
                {"componentType": 5123, "count": 3, "type": "SCALAR"},
            ]
            extension = {"bufferView": said, "attributes": {"POSITION": 0}}
            count = len(document["accessors"])
            primitive = {
                "attributes": {"POSITION": count - 2},
                "indices": count - 1,
                "extensions": {DRACO: extension},
            }
            document["meshes"].append({"primitives": [primitive]})
            document["nodes"].append({"mesh": len(document["meshes"]) - 1})
            root["children"].append(len(document["nodes"]) - 1)
        document["nodes"].append(root)
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    document["extensionsUsed"] = document["extensionsRequired"] = [DRACO]
    return document, true_indices


def repaired(document):
    """Return which view each primitive states after the repair."""
    source = convert(document)
    repair_draco(source, decode_buffers(source, range(len(source.buffer_views))))
    return [
        primitive.extensions[DRACO]["bufferView"]
        for mesh in source.meshes
        for primitive in mesh.primitives
        if primitive.extensions
    ]


@pytest.mark.parametrize(
    "files",
    [[[0]], [[0, 1, 2]], [[0, 2, 1]], [[0, 1], [0, 1]], [[0], [0, 1, 2]], [[0, 0, 1], [0]]],
    ids=str,
)
def test_draco_streams_are_found_again_after_a_merge(files):
    document, true_indices = draco_scene(*files)
    assert repaired(document) == true_indices


def test_draco_indices_that_are_right_stay():
    document, true_indices = draco_scene([0, 1])
    for mesh, true_index in zip(document["meshes"][1:], true_indices, strict=True):
        mesh["primitives"][0]["extensions"][DRACO]["bufferView"] = true_index
    assert repaired(document) == true_indices


def test_draco_streams_that_cannot_be_told_apart():
    document, _ = draco_scene([0, 1])
    add_view(document, b"DRACO\x02\x02" + bytes(30))
    with pytest.raises(SceneError, match="without Draco compression"):
        parsed(document)


def test_streams_of_a_merge_become_their_own_meshes():
    """Two models of one stream each, both of which say that theirs is the buffer view 0."""
    sizes = [(1, 2, 3), (4, 5, 6)]
    whole = DrakeScene([box(size, translation(0, 0, 0), 1) for size in sizes], CAMERA).document()
    document = with_draco(whole)
    for mesh in document["meshes"]:
        mesh["primitives"][0]["extensions"][DRACO]["bufferView"] = 0
    document["nodes"] += [{"mesh": 0}, {"mesh": 1}]
    document["scenes"][0]["nodes"] = [len(document["nodes"]) - 2, len(document["nodes"]) - 1, 2]
    document["nodes"][3]["children"] = []
    scene = parsed(document)
    found = [read_triangles(content_of(scene), primitive).vertices for primitive in scene.primitives]
    np.testing.assert_allclose([np.ptp(points, axis=0) for points in found], sizes, rtol=1e-4)


@pytest.mark.parametrize(
    "extension", [None, {}, {"bufferView": "0"}, {"bufferView": 3, "attributes": []}], ids=str
)
def test_draco_extensions_that_are_none(extension):
    document, _ = draco_scene([0])
    document["meshes"][1]["primitives"][0]["extensions"][DRACO] = extension
    with pytest.raises(SceneError):
        parsed(document)


def test_optional_draco_is_left_out_where_plain_data_stands_beside_it():
    document = one_box()
    view = add_view(document, b"DRACO\x02\x02" + bytes(30))
    extension = {"bufferView": view, "attributes": {"POSITION": 0}}
    document["meshes"][0]["primitives"][0]["extensions"] = {DRACO: extension}
    scene = parsed(document)
    assert scene.shapes == parsed(one_box()).shapes
    assert "extensionsUsed" not in written(scene)


def with_material(material, **more):
    document = one_box() | more
    document["materials"][0] = material
    return parsed(document)


@pytest.mark.parametrize(
    ("material", "colour"),
    [
        ({"pbrMetallicRoughness": {"baseColorFactor": label_rgba(700)}}, (188, 2, 0)),
        ({"emissiveFactor": label_rgba(700)[:3]}, (188, 2, 0)),
        (
            {"emissiveFactor": [0, 0, 0], "pbrMetallicRoughness": {"baseColorFactor": label_rgba(9)}},
            (9, 0, 0),
        ),
        ({}, (255, 255, 255)),
        ({"pbrMetallicRoughness": {"baseColorFactor": label_rgba(252 + 127 * 256)}}, (255, 255, 255)),
        ({"pbrMetallicRoughness": {"baseColorFactor": label_rgba(253 + 127 * 256)}}, None),
    ],
    ids=str,
)
def test_label_colours(material, colour):
    assert with_material(material).labels == (colour,)


@pytest.mark.parametrize("label", [0, 1, 127, 128, 254, 255, 256, 511, 3001, 32001, 32763])
def test_every_label_keeps_its_bytes(label):
    material = {"pbrMetallicRoughness": {"baseColorFactor": list(label_rgba(label))}}
    [(red, green, _)] = with_material(material).labels
    assert red + 256 * green == label


def test_no_material_no_label():
    document = one_box()
    del document["meshes"][0]["primitives"][0]["material"]
    assert parsed(document).labels == ((255, 255, 255),)


DRAKES = {
    "pbrMetallicRoughness": {"baseColorFactor": [0.5, 0, 1, 1], "metallicFactor": 0, "roughnessFactor": 1}
}


@pytest.mark.parametrize(
    ("material", "generator", "is_converted"),
    [
        (DRAKES, "VTK", True),
        (DRAKES, "Drake glTF merger", True),
        (DRAKES, "Khronos glTF Blender I/O v4.5.48", False),
        ({**DRAKES, "name": "mine"}, "VTK", False),
        ({**DRAKES, "emissiveFactor": [1, 1, 1]}, "VTK", False),
    ],
)
def test_only_the_colours_of_drakes_primitives_are_converted(material, generator, is_converted):
    scene = with_material(material, asset={"version": "2.0", "generator": generator})
    factor = written(scene)["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"]
    assert factor[0] == pytest.approx(0.2140 if is_converted else 0.5, abs=1e-4)
    assert factor[1:] == [0, 1, 1]
    assert scene.labels == ((128, 0, 255),), "labels are never converted"


GLASS = {"baseColorFactor": [1, 1, 1, 0.5], "metallicFactor": 0, "roughnessFactor": 1}


@pytest.mark.parametrize("generator", ["VTK", "Drake glTF merger"])
@pytest.mark.parametrize("texture", [{}, {"baseColorTexture": {"index": 0}}], ids=["plain", "textured"])
def test_what_drake_means_to_be_seen_through_is(generator, texture):
    pictures = {"textures": [{"source": 0}], "images": [{"uri": data_uri(picture("PNG"))}]} if texture else {}
    material = {"pbrMetallicRoughness": {**GLASS, **texture}}
    [written_material] = written(with_material(material, asset=by(generator), **pictures))["materials"]
    assert written_material["doubleSided"] is True
    assert written_material["alphaMode"] == "BLEND"


@pytest.mark.parametrize(
    ("generator", "material", "expected"),
    [
        (None, {"pbrMetallicRoughness": GLASS}, None),
        ("Khronos glTF Blender I/O v4.5.48", {"pbrMetallicRoughness": GLASS}, None),
        ("VTK", {"pbrMetallicRoughness": {**GLASS, "metallicFactor": 0.5}}, None),
        ("VTK", {"pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 0.5]}}, None),
        ("VTK", {"pbrMetallicRoughness": GLASS, "name": "merged"}, None),
        ("VTK", {"pbrMetallicRoughness": GLASS, "alphaMode": "OPAQUE"}, "OPAQUE"),
        (None, {"pbrMetallicRoughness": GLASS, "alphaMode": "BLEND"}, "BLEND"),
        (None, {"pbrMetallicRoughness": GLASS, "alphaMode": "MASK"}, "MASK"),
    ],
)
def test_anything_else_without_an_alpha_mode_is_opaque(generator, material, expected):
    scene = with_material(material, asset=by(generator))
    assert written(scene)["materials"][0].get("alphaMode") == expected


def by(generator):
    return {"version": "2.0"} if generator is None else {"version": "2.0", "generator": generator}


@pytest.mark.parametrize(("generator", "is_smoothed"), [("VTK", True), ("Other", False), (None, False)])
def test_only_what_drake_writes_without_normals_is_smoothed(generator, is_smoothed):
    scene = with_material({}, asset=by(generator))
    assert [primitive.is_smoothed for primitive in scene.primitives] == [is_smoothed]


def test_what_is_shaded_otherwise_has_another_digest():
    drakes, others = (with_material({}, asset=by(generator)) for generator in ("VTK", "Other"))
    assert drakes.shapes == others.shapes
    assert drakes.surfaces[0].mesh != others.surfaces[0].mesh
    see_through = {"pbrMetallicRoughness": GLASS}
    drakes, others = (with_material(see_through, asset=by(name)) for name in ("VTK", "Other"))
    assert drakes.surfaces[0].material != others.surfaces[0].material


def test_geometry_alone_brings_nothing_else():
    out = written(parsed(rich_document()), materials=False)
    assert not {"materials", "textures", "images", "samplers", "skins", "animations", "cameras"} & out.keys()
    assert not {"extensions", "extensionsUsed", "extensionsRequired"} & out.keys()
    for mesh in out["meshes"]:
        assert set(mesh["primitives"][0]["attributes"]) == {"POSITION"}
        assert set(mesh["primitives"][0]["targets"][0]) == {"POSITION"}
        assert mesh["weights"] == [0.5]


def test_pictures_bring_what_they_need():
    out = written(parsed(rich_document()))
    assert len(out["materials"]) == 2
    assert [image["name"] for image in out["images"]] == ["images[0]", "images[1]", "images[0]"], "by use"
    assert out["extensionsUsed"] == ["EXT_texture_webp", "KHR_materials_clearcoat"]
    assert "extensionsRequired" not in out
    assert "WEIGHTS_0" not in out["meshes"][0]["primitives"][0]["attributes"]
    assert [node["extras"] for node in out["nodes"]] == [{"grs_primitive": 0}, {"grs_primitive": 1}]
    for texture in out["textures"]:
        assert texture["source"] < len(out["images"])


def test_what_is_not_drawn_is_not_written():
    document = one_box()
    document["meshes"].append({"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]})
    add_view(document, bytes(1000))
    document["extras"] = document["nodes"][0]["extras"] = {"uri": "/etc/passwd"}
    out = written(parsed(document))
    assert len(out["meshes"]) == 1
    assert len(out["buffers"]) == 2
    assert "passwd" not in json.dumps(out)


def test_nothing_to_draw():
    document = one_box()
    document["meshes"][0]["primitives"][0]["mode"] = 0
    out = written(parsed(document))
    assert "nodes" not in out


def with_texture(texture, **more):
    document = one_box() | {"images": [{"uri": data_uri(picture("PNG"))}], "textures": [texture], **more}
    document["materials"][0] = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    return parsed(document)


BASISU = {"KHR_texture_basisu": {"source": 77}}
REQUIRED = {"extensionsUsed": ["KHR_texture_basisu"], "extensionsRequired": ["KHR_texture_basisu"]}


def test_a_rotation_that_is_in_the_matrix_already():
    """Drake 1.51 leaves it where a merged file's root node has one."""
    document = one_box()
    truth = parsed(document).placements.matrix
    document["nodes"][0]["rotation"] = [-(0.5**0.5), 0, 0, 0.5**0.5]
    assert np.array_equal(parsed(document).placements.matrix, truth)


def test_basisu_gives_way_to_a_plain_source():
    out = written(with_texture({"source": 0, "extensions": BASISU}, **REQUIRED))
    assert out["textures"] == [{"source": 0}]
    assert "extensionsRequired" not in out


def test_basisu_alone_is_refused_only_where_textures_are_needed():
    scene = with_texture({"extensions": BASISU}, **REQUIRED)
    assert "textures" not in written(scene, materials=False)
    with pytest.raises(SceneError, match=r"\$\.textures\[0\].*KHR_texture_basisu"):
        written(scene)


def test_references_that_a_merge_has_broken_are_dropped_and_told():
    document = one_box() | {"textures": [{"source": 0}], "images": [{"uri": data_uri(picture("PNG"))}]}
    document["materials"][0] = {
        "extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 0.5, "clearcoatTexture": {"index": 9}}}
    }
    document["textures"][0]["extensions"] = {"EXT_texture_webp": {"source": 12}}
    document["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 3}}
    scene = parsed(document)
    assert len(scene.warnings) == 3
    [material] = written(scene)["materials"]
    assert material["extensions"] == {"KHR_materials_clearcoat": {"clearcoatFactor": 0.5}}
    assert scene.lights == ()


@pytest.mark.parametrize(
    "material",
    [
        {"extensions": {"EXT_layers": [{"layerTexture": {"index": 9}}]}},
        {"extensions": {"EXT_layers": {"layerTexture": {}}}},
        {"pbrMetallicRoughness": {"extensions": {"EXT_more": {"moreTexture": {"index": 9}}}}},
        {"normalTexture": {"index": 0, "extensions": {"EXT_more": {"moreTexture": {"index": "0"}}}}},
        {"inventedTexture": {"index": 9}},
    ],
    ids=str,
)
def test_broken_references_are_found_wherever_they_stand(material):
    document = one_box() | {"textures": [{"source": 0}], "images": [{"uri": data_uri(picture("PNG"))}]}
    document["materials"][0] = material
    scene = parsed(document)
    assert len(scene.warnings) == 1
    assert '"index":9' not in json.dumps(written(scene), separators=(",", ":"))


@pytest.mark.parametrize("slot", ["normalTexture", "occlusionTexture", "emissiveTexture"])
def test_a_broken_reference_of_gltf_itself_is_an_error(slot):
    with pytest.raises(SceneError, match=r"\$\.materials\[0\]: there is no texture 9"):
        with_material({slot: {"index": 9}})


def test_extensions_that_are_no_objects():
    with pytest.raises(SceneError, match=r"normalTexture\.extensions: Expected `object"):
        with_material({"normalTexture": {"index": 0, "extensions": 5}}, textures=[{}])
    inner = {"clearcoatTexture": {"index": 0, "extensions": ["EXT_a", 5.0]}}
    with pytest.raises(SceneError, match=r"clearcoatTexture\.extensions: Expected `object"):
        with_material({"extensions": {"KHR_materials_clearcoat": inner}}, textures=[{}])


def test_a_null_extension_of_a_texture():
    scene = with_texture({"source": 0, "extensions": {"EXT_texture_webp": None}})
    assert written(scene)["textures"] == [{"source": 0}]


def test_a_null_source_is_no_plain_source():
    scene = with_texture({"source": None, "extensions": BASISU}, **REQUIRED)
    with pytest.raises(SceneError, match="KHR_texture_basisu"):
        written(scene)


def test_no_extras_of_the_client_are_written():
    document = rich_document()
    secret = {"grs_primitive": 7, "secretTexture": {"index": 99}}
    material = document["materials"][1]
    for part in (
        document["asset"],
        document["extensions"]["KHR_lights_punctual"]["lights"][0],
        document["textures"][0],
        document["meshes"][0]["primitives"][0],
        material,
        material["pbrMetallicRoughness"],
        material["normalTexture"],
        material["extensions"]["KHR_materials_clearcoat"],
        *(part for name in ("nodes", "meshes", "accessors", "buffers", "images") for part in document[name]),
    ):
        part["extras"] = secret
    scene = parsed(document)
    assert not any("secret" in warning for warning in scene.warnings)
    assert "secret" not in json.dumps(written(scene))


@pytest.mark.parametrize("materials", [True, False])
def test_what_is_written_is_good_itself(materials):
    """Written documents hold no camera; with one they pass every check again, and say the same."""
    out = written(parsed(rich_document()), materials=materials)
    every_index = len(out["nodes"])
    out["cameras"] = [{"type": "perspective"}]
    out["nodes"].append({"camera": 0})
    out["scenes"][0]["nodes"].append(every_index)
    again = parsed(out)
    assert len(again.primitives) == len(again.placements) == 2
    assert again.warnings == ()
    repeated = written(again, materials=materials)
    assert repeated["meshes"] == out["meshes"]
    assert repeated["accessors"] == out["accessors"]
    for kind in ("accessors", "bufferViews", "buffers", "materials", "textures", "images", "samplers"):
        assert len(repeated.get(kind, [])) == len(out.get(kind, [])), f"unused {kind}"


@needs_recorded
@pytest.mark.parametrize("image_type", ["color", "depth", "label"])
@pytest.mark.parametrize("name", NAMES)
def test_recorded_requests(name, image_type):
    scene = parse_scene(scene_bytes(name, image_type), extensions=EXTENSIONS | {"KHR_texture_basisu"})
    assert scene.primitives
    out = written(scene, materials=image_type == "color")
    assert len(out["meshes"]) == len(scene.primitives)
    if image_type == "label":
        painted = {colour[0] + 256 * colour[1] for colour in scene.labels if colour}
        seen = set(oracle(name, "label").reshape(-1).tolist())
        assert {label for label in seen if label < _FIRST_RESERVED_LABEL} <= painted
