"""What a document becomes: primitives, placements, lights, images, warnings."""

import base64
import io
import json
import struct
import time
from typing import Any

import numpy as np
import pytest
from drake_like import DrakeScene, add_accessor, box, look_at, translation
from PIL import Image

from gltf_render_server.errors import SceneError
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
    document["bufferViews"].append(
        {"buffer": len(document["buffers"]) - 1, "byteLength": len(data), **more}
    )
    return len(document["bufferViews"]) - 1


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
