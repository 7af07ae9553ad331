"""What Drake's client is known to send, and what the picture must be all the same."""

import base64
import copy
import json

import numpy as np
import pytest
from defaults import CAMERA, FAST
from drake_like import (
    DrakeScene,
    add_accessor,
    box,
    column_major,
    label_rgba,
    look_at,
    png_uri,
    sphere,
    translation,
)

from gltf_render_server.errors import SceneError

WHITE = (255, 255, 255)


def encoded(document):
    return json.dumps(document).encode()


def labels(studio, document):
    image = studio.image(encoded(document), "label").astype(int)
    return np.where((image == 255).all(-1), -1, image[..., 0] + 256 * image[..., 1])


def set_label(document, mesh, label):
    pbr = document["materials"][mesh]["pbrMetallicRoughness"]
    pbr["baseColorFactor"] = list(label_rgba(label))


def test_several_materials_on_one_mesh(studio, table):
    document = table.document("label")
    [first] = document["meshes"][1]["primitives"]
    twelve = document["accessors"][first["indices"]]["count"]
    second = copy.deepcopy(first)
    halves = []
    for part in (first, second):
        view = dict(document["accessors"][part["indices"]], count=twelve // 2)
        document["accessors"].append(view)
        part["indices"] = len(document["accessors"]) - 1
        halves.append(view)
    halves[1]["byteOffset"] = twelve // 2 * 4
    document["materials"].append({"pbrMetallicRoughness": {"baseColorFactor": list(label_rgba(77))}})
    second["material"] = len(document["materials"]) - 1
    document["meshes"][1]["primitives"].append(second)
    assert {2, 77} <= set(np.unique(labels(studio, document)))


def test_mesh_without_material_has_no_label(studio, table):
    document = table.document("label")
    del document["meshes"][1]["primitives"][0]["material"]
    seen = labels(studio, document)
    assert 2 not in seen
    hidden = table.document("label")
    hidden["nodes"][-1]["children"].remove(1)
    assert (seen == -1).sum() > (labels(studio, hidden) == -1).sum(), "it is there, painted white"


def test_emissive_label_of_a_merged_file(studio, table):
    document = table.document("label")
    document["materials"][1] = {"emissiveFactor": list(label_rgba(900)[:3])}
    assert 900 in labels(studio, document)


def test_do_not_render_hides_in_labels_only(studio, table):
    document = table.document("label")
    seen = labels(studio, document)
    set_label(document, 1, 253 + 127 * 256)
    hidden = labels(studio, document)
    assert (hidden[seen == 2] != 2).all()
    assert (hidden[seen == 2] == 1).any(), "what stands behind it is seen"
    assert np.isfinite(studio.image(encoded(document), "depth")).any()


def test_do_not_care_is_white(studio, table):
    document = table.document("label")
    set_label(document, 1, 252 + 127 * 256)
    seen = labels(studio, document)
    assert 252 + 127 * 256 not in seen


def test_null_arrays(studio, table):
    document = table.document("label")
    document |= {
        "images": None,
        "textures": None,
        "samplers": None,
        "animations": None,
        "skins": None,
    }
    np.testing.assert_array_equal(labels(studio, document), labels(studio, table.document("label")))


def test_cameras_and_names_that_collide(studio, table):
    document = table.document("label")
    document["cameras"].append({"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}})
    other = {"camera": 1, "name": "Camera Node", "matrix": column_major(translation(9, 9, 9))}
    document["nodes"].insert(0, other)
    for node in document["nodes"]:
        node["children"] = [child + 1 for child in node.get("children", [])]
        if not node["children"]:
            del node["children"]
        node["name"] = "Camera Node"
    document["scenes"][0]["nodes"] = [0, *(root + 1 for root in document["scenes"][0]["nodes"])]
    np.testing.assert_array_equal(labels(studio, document), labels(studio, table.document("label")))


def textured(table, **texture):
    """The table's floor with a green texture."""
    document = table.document()
    document["images"] = [{"uri": png_uri(np.full((8, 8, 3), (20, 200, 30), np.uint8))}]
    document["textures"] = [texture]
    document["materials"][0] = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    corners = np.zeros((8, 2), np.float32)
    uv = add_accessor(document, corners.astype("<f4"), "VEC2")
    document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = uv
    return document


def is_green(image):
    mean = image.reshape(-1, image.shape[-1]).mean(0)
    return mean[1] > mean[0] + 15 and mean[1] > mean[2] + 15


def test_texture(studio, table):
    assert is_green(studio.image(encoded(textured(table, source=0)), "color"))


def test_basisu_with_a_fallback(studio, table):
    document = textured(table, source=0, extensions={"KHR_texture_basisu": {"source": 99}})
    document |= {
        "extensionsUsed": ["KHR_texture_basisu"],
        "extensionsRequired": ["KHR_texture_basisu"],
    }
    assert is_green(studio.image(encoded(document), "color"))


def test_basisu_without_a_fallback(studio, table):
    document = textured(table, extensions={"KHR_texture_basisu": {"source": 0}})
    document |= {
        "extensionsUsed": ["KHR_texture_basisu"],
        "extensionsRequired": ["KHR_texture_basisu"],
    }
    assert np.isfinite(studio.image(encoded(document), "depth")).any(), "no texture is needed for depth"
    with pytest.raises(SceneError, match="KHR_texture_basisu"):
        studio.image(encoded(document), "color")


def test_back_faces_are_not_culled(studio, table):
    document = table.document("label")
    flipped = [body.triangles[:, ::-1] for body in table.bodies]
    bodies = [type(b)(b.vertices, f, b.matrix, b.label) for b, f in zip(table.bodies, flipped, strict=True)]
    inside_out = DrakeScene(bodies, table.camera_to_world)
    np.testing.assert_array_equal(labels(studio, document), labels(studio, inside_out.document("label")))


def test_round_things_are_shaded_round(studio):
    """Along a ball without normals the brightness changes in small steps, not facet by facet."""
    camera = look_at((2, 0, 0.0), (0, 0, 0))
    ball = DrakeScene([sphere(0.6, np.eye(4), 1, rings=8)], camera)
    image = studio.image(ball.to_bytes(), "color", FAST.__class__(samples=256, denoise=False)).astype(float)
    inside = studio.image(ball.to_bytes("label"), "label")[..., 0] == 1
    row = CAMERA.height // 2
    line = image[row, inside[row]].mean(-1)[3:-3]
    steps = np.abs(np.diff(line))
    assert steps.max() < 5 * np.median(steps) + 3


@pytest.mark.parametrize("kind", ["color", "depth", "label"])
def test_triangles_without_area(studio, table, kind):
    """Blender crashes when it smooths a mesh that has lost all its faces."""
    document = table.document(kind)
    zeros = add_accessor(document, np.zeros(6, "<u4"), "SCALAR")
    document["meshes"][1]["primitives"][0]["indices"] = zeros
    without = table.document(kind)
    without["nodes"][-1]["children"].remove(1)
    np.testing.assert_allclose(
        studio.image(encoded(document), kind), studio.image(encoded(without), kind), atol=1
    )


@pytest.mark.parametrize("mode", [5, 6])
def test_strips_and_fans(studio, table, mode):
    document = table.document("label")
    quad = np.array([0, 1, 3, 2] if mode == 6 else [0, 1, 2, 3], "<u4")
    document["meshes"][1]["primitives"][0] |= {
        "mode": mode,
        "indices": add_accessor(document, quad, "SCALAR"),
    }
    assert 2 in labels(studio, document)


def test_triangles_without_indices(studio, table):
    document = table.document("depth")
    body = table.bodies[1]
    points = body.vertices[body.triangles.reshape(-1).astype(int)]
    primitive = document["meshes"][1]["primitives"][0]
    del primitive["indices"]
    primitive["attributes"]["POSITION"] = add_accessor(document, points.astype("<f4"), "VEC3")
    np.testing.assert_array_equal(
        studio.image(encoded(document), "depth"), studio.image(table.to_bytes(), "depth")
    )


def test_box_keeps_its_edges(studio):
    camera = look_at((2, 1.4, 1.0), (0, 0, 0))
    cube = DrakeScene([box((0.9, 0.9, 0.9), np.eye(4), 1)], camera)
    image = studio.image(cube.to_bytes(), "color", FAST.__class__(samples=64)).astype(float).mean(-1)
    inside = studio.image(cube.to_bytes("label"), "label")[..., 0] == 1
    rows = np.flatnonzero(inside[:, 44:52].all(1))
    column = image[rows[3] : rows[-3], 48]
    assert np.abs(np.diff(column)).max() > 8, "the edge between two faces is a step"


def test_translucent_material_without_alpha_mode(studio, table):
    solid = studio.image(table.to_bytes(), "color").astype(int)
    document = table.document()
    document["materials"][1]["pbrMetallicRoughness"]["baseColorFactor"][3] = 0.2
    glassy = studio.image(encoded(document), "color").astype(int)
    seen = studio.image(table.to_bytes("label"), "label")[..., 0] == 2
    assert np.abs(glassy - solid)[seen].mean() > 10
    np.testing.assert_array_equal(
        studio.image(encoded(document), "depth"), studio.image(table.to_bytes(), "depth")
    )


def test_lights_of_the_scene_replace_the_default_environment(studio, table):
    document = table.document()
    document["extensionsUsed"] = ["KHR_lights_punctual"]
    document["extensions"] = {
        "KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 20000.0, "color": [1, 0.1, 0.1]}]}
    }
    light = {
        "extensions": {"KHR_lights_punctual": {"light": 0}},
        "matrix": column_major(translation(0, 0, 2)),
    }
    document["nodes"].append(light)
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    image = studio.image(encoded(document), "color").reshape(-1, 3).mean(0)
    assert image[0] > 3 * image[1]


def test_importer_failure_is_the_clients_error(studio, table, monkeypatch):
    """An importer that raises whatever it is given."""
    import bpy
    from io_scene_gltf2.io.imp.gltf2_io_gltf import glTFImporter

    def fail(self):
        raise RuntimeError("Traceback of /some/file.py")

    table.bodies.append(box((0.123, 0.345, 0.567), translation(0, 0, 1), 4))  # loaded by no other test
    before = len(bpy.data.objects)
    with monkeypatch.context() as patch:
        patch.setattr(glTFImporter, "read", fail)
        with pytest.raises(SceneError, match="Blender's glTF importer failed on this document") as caught:
            studio.image(table.to_bytes(), "color")
    assert "Traceback" not in str(caught.value)
    assert len(bpy.data.objects) == before
    assert studio.image(table.to_bytes(), "color").any()


@pytest.mark.parametrize(
    ("on_node", "on_mesh", "moved"), [(None, 1.0, 0.2), (0.5, 1.0, 0.1), (1.0, None, 0.2)]
)
def test_morph_weights_of_the_node_win_over_the_meshs(studio, table, on_node, on_mesh, moved):
    document = table.document()
    target = add_accessor(document, np.tile(np.float32([0, 0, 0.2]), (8, 1)).astype("<f4"), "VEC3")
    document["meshes"][1]["primitives"][0]["targets"] = [{"POSITION": target}]
    if on_mesh is not None:
        document["meshes"][1]["weights"] = [on_mesh]
    if on_node is not None:
        document["nodes"][1]["weights"] = [on_node]
    expected = table.document()
    lifted = table.bodies[1].matrix @ translation(0, 0, moved)
    expected["nodes"][1]["matrix"] = column_major(lifted)
    depth = studio.image(encoded(document), "depth")
    truth = studio.image(encoded(expected), "depth")
    assert np.mean(~np.isclose(depth, truth, atol=1e-5)) < 1e-3


def test_an_image_that_cannot_be_decoded(studio, table):
    whole = base64.b64decode(png_uri(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[22:])
    document = textured(table, source=0)
    document["images"][0]["uri"] = "data:image/png;base64," + base64.b64encode(whole[:60] + b"IEND").decode()
    with pytest.raises(SceneError, match=r"\$\.images\[0\]: Blender cannot decode"):
        studio.image(encoded(document), "color")
    assert np.isfinite(studio.image(encoded(document), "depth")).any()


def test_what_blender_cannot_import_is_named_by_its_place_alone(studio, table):
    document = table.document("color")
    document["materials"][1]["pbrMetallicRoughness"]["extensions"] = 5  # past the checks
    with pytest.raises(SceneError) as error:
        studio.image(encoded(document), "color")
    assert str(error.value) == (
        "scene: $.meshes[1].primitives[0] with $.materials[1]: Blender's glTF importer failed on this "
        "document; the server's log has the details"
    )
    studio.image(encoded(table.document("color")), "color")
