"""What a document becomes: primitives, placements, lights, images, warnings."""

import base64
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from drake_like import DrakeScene, add_accessor, box, look_at, translation
from PIL import Image
from spent import spending

from gltf_render_server.errors import SceneError, TooLargeError
from gltf_render_server.gltf import parse_scene

EXTENSIONS = frozenset(
    {
        "EXT_texture_webp",
        "KHR_draco_mesh_compression",
        "KHR_lights_punctual",
        "KHR_materials_clearcoat",
        "KHR_mesh_quantization",
    }
)
CAMERA = look_at([3, 2, 1], [0, 0, 0])


def parsed(document: Any):
    return parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS)


def one_box(**more: Any) -> dict[str, Any]:
    """A document with nodes 0: box, 1: camera, 2: root."""
    return DrakeScene([box([1, 2, 3], translation(1, 0, 0), 5)], CAMERA).document(**more)


def picture(file_format: str, size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, file_format)
    return file.getvalue()


def data_uri(data: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def add_view(document: dict[str, Any], data: bytes, **more: Any) -> int:
    document["buffers"].append({"byteLength": len(data), "uri": data_uri(data)})
    document["bufferViews"].append({"buffer": len(document["buffers"]) - 1, "byteLength": len(data), **more})
    return len(document["bufferViews"]) - 1


def moving(document: dict[str, Any]) -> dict[str, Any]:
    """An animation that moves the first node and weighs the first target."""
    times = add_accessor(document, np.array([0, 1], "<f4"), "SCALAR")
    places = add_accessor(document, np.ones((2, 3), "<f4"), "VEC3")
    samplers = [{"input": times, "output": places}, {"input": times, "output": times}]
    targets = [{"node": 1, "path": "translation"}, {"node": 0, "path": "weights"}]
    channels = [{"sampler": number, "target": target} for number, target in enumerate(targets)]
    return {"samplers": samplers, "channels": channels}


def rich_document() -> dict[str, Any]:
    """A document with one of everything that is looked at."""
    document = one_box()
    sparse_values = add_view(document, np.ones((1, 3), "<f4").tobytes())
    sparse_indices = add_view(document, np.array([7], "<u2").tobytes())
    document["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": sparse_indices, "componentType": 5123},
        "values": {"bufferView": sparse_values},
    }
    primitive = document["meshes"][0]["primitives"][0]
    uv = add_accessor(document, np.zeros((8, 3), "<f4"), "VEC3")
    primitive["attributes"] |= {"NORMAL": uv, "WEIGHTS_0": uv}
    primitive["targets"] = [{"POSITION": uv}]
    document["meshes"][0]["weights"] = [0.5]
    offsets = add_accessor(document, np.eye(3, dtype="<f4"), "VEC3")
    png, webp = add_view(document, picture("PNG")), picture("WEBP")
    document["animations"] = [moving(document)]
    document |= {
        "images": [{"bufferView": png, "mimeType": "image/png"}, {"uri": data_uri(webp)}],
        "samplers": [{"magFilter": 9729, "wrapS": 10497}],
        "textures": [
            {"source": 0, "sampler": 0},
            {"source": 0, "extensions": {"EXT_texture_webp": {"source": 1}}},
            {"source": 0, "extensions": {"KHR_texture_basisu": {"source": 1}}},
        ],
        "skins": [{"joints": [0]}],
        "animations": [{"channels": []}],
        "extensions": {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 5}]}},
        "extensionsUsed": ["KHR_lights_punctual", "EXT_mesh_gpu_instancing", "EXT_texture_webp"],
        "extensionsRequired": ["EXT_mesh_gpu_instancing"],
    }
    document["materials"].append(
        {
            "name": "rich",
            "pbrMetallicRoughness": {"baseColorTexture": {"index": 1, "extensions": {}}},
            "normalTexture": {"index": 0, "scale": 0.5},
            "emissiveFactor": [0.1, 0.2, 0.3],
            "alphaMode": "MASK",
            "alphaCutoff": 0.4,
            "extensions": {
                "KHR_materials_clearcoat": {"clearcoatFactor": 1, "clearcoatTexture": {"index": 2}}
            },
        }
    )
    document["meshes"][0]["primitives"].append({**primitive, "material": 1})
    document["nodes"] += [
        {
            "mesh": 0,
            "skin": 0,
            "translation": [1, 2, 3],
            "rotation": [0, 0, 2, 2],
            "scale": [1, 2, 1],
            "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": offsets}}},
        },
        {"extensions": {"KHR_lights_punctual": {"light": 0}}, "children": [3]},
    ]
    document["scenes"][0]["nodes"].append(4)
    return document


def test_a_document_with_one_of_everything():
    scene = parsed(rich_document())
    assert len(scene.primitives) == 2
    assert [primitive.has_normals for primitive in scene.primitives] == [True, True]
    assert len(scene.placements) == 2 * (1 + 3), "once plainly, and three instances"
    assert len(scene.lights) == 1
    assert any("without its skin" in warning for warning in scene.warnings)


def test_instances_stand_where_their_attributes_say():
    scene = parsed(rich_document())
    places = scene.placements.matrix[scene.placements.primitive == 0][:, :3, 3]
    # the node turns by 90 degrees about z and scales y by 2
    expected = [(1, 0, 0), (1, 3, 3), (-1, 2, 3), (1, 2, 4)]
    np.testing.assert_allclose(places, expected, atol=1e-9)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_points_and_lines_draw_nothing(mode):
    document = one_box()
    document["meshes"][0]["primitives"][0]["mode"] = mode
    assert parsed(document).primitives == ()


def test_only_the_default_scene_is_drawn():
    document = one_box()
    document["nodes"].append({"mesh": 0})
    document["scenes"].append({"nodes": [3]})
    assert len(parsed(document).placements) == 1


def test_null_is_the_same_as_absent():
    document = one_box()
    for name in ("images", "textures", "samplers", "skins", "animations", "extensions", "extensionsUsed"):
        document[name] = None
    assert len(parsed(document).primitives) == 1


def with_image(image: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document whose box shows an image."""
    document = one_box() | {"images": [image], "textures": [{"source": 0}], **more}
    document["materials"][0] = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    return document


def shown(scene: Any) -> bool:
    return "baseColorTexture" in scene.asset.json["materials"][0]["pbrMetallicRoughness"]


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_good_images(file_format):
    scene = parsed(with_image({"uri": data_uri(picture(file_format))}))
    assert shown(scene)
    assert not scene.warnings


BROKEN = [
    (picture("PNG")[:-20], "cut short"),
    (picture("JPEG", (64, 64))[:-20], "cut short|no PNG"),
    (picture("PNG")[:16] + struct.pack(">II", 30000, 30000) + picture("PNG")[24:], "more pixels|no PNG"),
]


@pytest.mark.parametrize(("data", "says"), BROKEN)
def test_bad_images(data, says):
    with pytest.raises(SceneError, match=rf"\$\.images\[0\].*({says})"):
        parsed(with_image({"uri": data_uri(data)}))


KTX2 = b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(60)
AVIF = b"\0\0\0\x20ftypavif" + bytes(60)


@pytest.mark.parametrize("data", [KTX2, AVIF, b"DDS " + bytes(60), picture("GIF"), b""])
def test_an_image_of_another_format_is_not_shown_and_that_is_told(data):
    scene = parsed(with_image({"uri": data_uri(data)}))
    assert not shown(scene)
    assert scene.warnings == (
        "materials[0]: its baseColorTexture has no image that can be read here; dropped",
    )


@pytest.mark.parametrize("texture", [{}, {"extensions": {"EXT_texture_avif": {"source": 0}}}])
def test_a_texture_without_a_readable_source_is_not_shown(texture):
    scene = parsed(with_image({"uri": data_uri(AVIF)}, textures=[texture]))
    assert not shown(scene)
    assert len(scene.warnings) == 1


@pytest.mark.parametrize(
    "extension", ["EXT_texture_avif", "EXT_texture_webp", "KHR_texture_basisu", "MSFT_texture_dds"]
)
def test_the_image_beside_one_that_cannot_be_read_is_shown(extension):
    images = [{"uri": data_uri(picture("PNG"))}, {"uri": data_uri(AVIF)}]
    document = with_image(images[0], images=images)
    document["textures"] = [{"source": 0, "extensions": {extension: {"source": 1}}}]
    scene = parsed(document)
    assert shown(scene)
    assert not scene.warnings
    document["textures"][0] = {"source": 1, "extensions": {"EXT_texture_webp": {"source": 0}}}
    assert shown(parsed(document)), "and the other way round"


@pytest.mark.parametrize(
    "image", [*({"uri": data_uri(data)} for data, _ in BROKEN), {}, {"uri": "a.png"}, {"bufferView": 0}]
)
def test_what_nothing_shows_is_not_looked_at(image):
    parsed(with_image(image, textures=[{}]) | {"materials": [{}, {"normalTexture": {"index": 0}}]})


def test_a_strided_view():
    document = one_box()
    points = np.arange(24, dtype="<f4").reshape(8, 3)
    data = np.concatenate([points, np.full((8, 1), np.nan, "<f4")], 1).tobytes()
    accessor = document["accessors"][0]
    accessor["bufferView"] = add_view(document, data, byteStride=16)
    parsed(document)
    accessor["count"] = 9
    with pytest.raises(SceneError, match="beyond the end of its buffer view"):
        parsed(document)


@pytest.mark.parametrize(
    ("asset", "where"),
    [
        ({"version": "2.1"}, None),
        ({"version": "2.1", "minVersion": "2.0"}, None),
        ({"version": "2.1", "minVersion": "2.1"}, "minVersion"),
        ({"version": "2.0", "minVersion": "3.0"}, "minVersion"),
        ({"version": "1.0"}, "version"),
        ({"version": "3.0", "minVersion": "2.0"}, "version"),
    ],
    ids=str,
)
def test_the_version(asset, where):
    document = one_box() | {"asset": asset}
    if where is None:
        assert len(parsed(document).primitives) == 1
    else:
        version = asset[where].replace(".", "\\.")
        with pytest.raises(SceneError, match=rf"\$\.asset\.{where}: glTF {version} is not supported"):
            parsed(document)


def test_a_stride_that_splits_components():
    document = one_box()
    document["accessors"][0]["bufferView"] = add_view(document, bytes(14 * 8), byteStride=14)
    with pytest.raises(SceneError, match=r"\$\.accessors\[0\]: the stride 14 is no multiple of the size"):
        parsed(document)


def test_quantized_positions():
    document = one_box()
    data = np.arange(32, dtype="<i2").tobytes()
    view = add_view(document, data, byteStride=8)
    document["accessors"][0] = {"bufferView": view, "componentType": 5122, "count": 8, "type": "VEC3"}
    document["extensionsRequired"] = ["KHR_mesh_quantization"]
    assert len(parsed(document).primitives) == 1


def with_many(count: int) -> bytes:
    """A document with many nodes, roots, meshes, accessors, materials and textures."""
    document = one_box() | {
        "textures": [{"source": 0}] * count,
        "images": [{"uri": data_uri(picture("PNG"))}],
    }
    first = len(document["nodes"])
    position, indices = document["accessors"]
    for i in range(count):
        document["accessors"] += [dict(position), dict(indices)]
        attributes = {"POSITION": 2 * i + 2}
        primitive = {"attributes": attributes, "indices": 2 * i + 3, "material": i + 1}
        document["meshes"].append({"primitives": [primitive]})
        document["materials"].append({"normalTexture": {"index": i}})
        document["nodes"].append({"mesh": i + 1, "matrix": list(np.eye(4).reshape(-1))})
    document["scenes"][0]["nodes"] += range(first, first + count)
    return json.dumps(document).encode()


def test_the_cost_is_linear():
    def seconds(count):
        data = with_many(count)
        best = 1e9
        for _ in range(3):
            with spending() as spent:
                parse_scene(data, extensions=EXTENSIONS)
            best = min(best, spent.seconds)
        return best

    few, many = seconds(1_000), seconds(10_000)
    assert many < 20 * few + 0.05
    assert many < 5, "about 0.5 on an idle machine"


def test_deep_nesting_is_refused_before_it_exhausts_the_stack():
    deep: Any = {"a": 1}
    for _ in range(400):
        deep = {"a": [deep]}
    document = one_box()
    document["materials"][0]["extensions"] = {"EXT_deep": deep}
    with pytest.raises(SceneError, match="nested too deeply"):
        parsed(document)


def instanced(**attributes: Any) -> dict[str, Any]:
    document = one_box()
    indices = {name: add_accessor(document, *array) for name, array in attributes.items()}
    for accessor in document["accessors"]:
        accessor.pop("min", None), accessor.pop("max", None)  # JSON has no NaN
    document["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": indices}}
    return document


def test_instances_turn_and_scale():
    half = np.float32(np.sqrt(0.5))
    document = instanced(
        ROTATION=(np.array([[0, 0, half, half]], "<f4"), "VEC4"),
        SCALE=(np.array([[2, 3, 4]], "<f4"), "VEC3"),
    )
    [matrix] = parsed(document).placements.matrix
    expected = [[0, -3, 0, 1], [2, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({}, "has no attributes"),
        ({"_ID": (np.ones((2, 1), "<f4"), "SCALAR"), "_AGE": (np.ones((3, 1), "<f4"), "SCALAR")}, "counts"),
        ({"_ID": (np.ones((2, 1), "<f4"), "SCALAR"), "SCALE": (np.ones((3, 3), "<f4"), "VEC3")}, "counts"),
        (
            {"SCALE": (np.ones((2, 3), "<f4"), "VEC3"), "TRANSLATION": (np.ones((1, 3), "<f4"), "VEC3")},
            "counts",
        ),
        ({"SCALE": (np.ones((2, 4), "<f4"), "VEC4")}, "must be 3 finite floats"),
        ({"SCALE": (np.full((1, 3), np.nan, "<f4"), "VEC3")}, "must be 3 finite floats"),
        ({"TRANSLATION": (np.full((1, 3), 1e30, "<f4"), "VEC3")}, "beyond 1e"),
    ],
)
def test_instances_that_are_none(attributes, says):
    with pytest.raises(SceneError, match=rf"\$\.nodes\[0\]\.extensions.*{says}"):
        parsed(instanced(**attributes))


def test_instances_without_a_transform_stand_where_their_node_does():
    document = instanced(_ID=(np.arange(3, dtype="<f4")[:, None], "SCALAR"))
    scene = parsed(document)
    np.testing.assert_array_equal(scene.placements.matrix, [parsed(one_box()).placements.matrix[0]] * 3)
    assert len(scene.instances) == 3
    document["nodes"][0]["extensions"]["EXT_mesh_gpu_instancing"]["attributes"]["_ID"] = 99
    with pytest.raises(SceneError, match=r"attributes\._ID: there is no accessor 99"):
        parsed(document)


def test_instances_that_cost_their_sender_nothing_are_bounded():
    document = instanced(SCALE=(np.ones((1, 3), "<f4"), "VEC3"))
    accessor = document["accessors"][-1]
    del accessor["bufferView"]
    accessor["count"] = 150_000
    accessor_index = len(document["accessors"]) - 1
    document["nodes"][0]["extensions"]["EXT_mesh_gpu_instancing"]["attributes"]["SCALE"] = accessor_index
    document["meshes"][0]["primitives"] *= 1000
    with pytest.raises(TooLargeError, match=r"draws 150000000 objects.*--max-objects"):
        parsed(document)


def test_sparse_positions_replace_those_of_the_view():
    document = one_box()
    far = add_view(document, np.full((1, 3), 1e12, "<f4").tobytes())
    last = add_view(document, np.array([7], "u1").tobytes())
    sparse = {
        "count": 1,
        "indices": {"bufferView": last, "componentType": 5121},
        "values": {"bufferView": far},
    }
    document["accessors"][0]["sparse"] = sparse
    with pytest.raises(SceneError, match=r"attributes\.POSITION.*beyond"):
        parsed(document)
    document["accessors"][0]["sparse"] = {**sparse, "count": 9}
    with pytest.raises(SceneError, match=r"sparse: replaces 9 of 8"):
        parsed(document)
    document["buffers"][-1]["uri"] = data_uri(b"\x08")
    document["accessors"][0]["sparse"] = sparse
    with pytest.raises(SceneError, match=r"sparse\.indices: an index is beyond"):
        parsed(document)


def test_elements_without_any_data_are_bounded():
    document = one_box()
    document["accessors"].append({"componentType": 5126, "count": 10**9, "type": "VEC3"})
    parsed(document)  # nothing uses it
    document["accessors"][0].update(count=10**7)
    del document["accessors"][0]["bufferView"]
    document["accessors"][0]["sparse"] = rich_document()["accessors"][0]["sparse"] | {
        name: {"bufferView": 0, "componentType": 5123} for name in ("indices", "values")
    }
    with pytest.raises(SceneError, match="without any data"):
        parsed(document)


def with_images(data: bytes, count: int) -> dict[str, Any]:
    """A document whose box shows many images of one buffer view."""
    document = one_box()
    view = add_view(document, data)
    primitive = document["meshes"][0]["primitives"][0]
    document["images"] = [{"bufferView": view, "mimeType": "image/png"}] * count
    document["textures"] = [{"source": index} for index in range(count)]
    document["materials"] = [{"normalTexture": {"index": index}} for index in range(count)]
    document["meshes"][0]["primitives"] = [{**primitive, "material": index} for index in range(count)]
    return document


def test_images_are_bounded_by_what_they_take_when_decoded():
    deep = bytearray(picture("PNG", (9000, 9000)))
    parsed(with_images(bytes(deep), 6))
    with pytest.raises(TooLargeError, match=r"2268 MB .*--max-texture-mb"):
        parsed(with_images(bytes(deep), 7))
    deep[24] = 16  # bits for each channel: Blender holds them as floats
    deep[29:33] = struct.pack(">I", zlib.crc32(deep[12:29]))
    parsed(with_images(bytes(deep), 1))
    with pytest.raises(TooLargeError, match=r"2592 MB .*--max-texture-mb"):
        parsed(with_images(bytes(deep), 2))


def test_the_file_of_an_image_counts_for_each_material():
    png = picture("PNG")
    parsed(with_images(png[:-12] + bytes(10**6) + png[-12:], 1_000))
    with pytest.raises(TooLargeError, match="--max-texture-mb"):
        parsed(with_images(png[:-12] + bytes(10**6) + png[-12:], 2_100))


@pytest.mark.parametrize("light", [{}, {"light": 1}, {"light": "0"}, {"light": 2}, 5])
def test_lights_that_are_not_there_are_dropped_and_told(light):
    document = one_box()
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point"}, "a lamp"]}}
    document["nodes"][0]["extensions"] = {"KHR_lights_punctual": light}
    scene = parsed(document)
    assert scene.lights == ()
    assert scene.warnings == ("nodes[0]: its light is not there; dropped",)


def test_the_morphs_of_primitives_that_share_their_vertices_are_all_checked():
    document = one_box()
    primitive = document["meshes"][0]["primitives"][0]
    good = add_accessor(document, np.zeros((8, 3), "<f4"), "VEC3")
    bad = add_view(document, np.full((8, 3), np.nan, "<f4").tobytes())
    document["accessors"].append({"bufferView": bad, "componentType": 5126, "count": 8, "type": "VEC3"})
    second = {**primitive, "targets": [{"POSITION": len(document["accessors"]) - 1}]}
    document["meshes"][0]["primitives"] = [{**primitive, "targets": [{"POSITION": good}]}, second]
    with pytest.raises(SceneError, match=r"primitives\[1\].*not finite"):
        parsed(document)
