"""Converts a trimesh scene to a self-contained glTF document with data: URIs."""

from __future__ import annotations

import base64
import json
from typing import Any

import trimesh
from trimesh.exchange.gltf import export_gltf

__all__ = ["document_of"]


def document_of(scene: trimesh.Scene, *, normals: bool = False) -> dict[str, Any]:
    """Return the glTF document as a JSON object, without materials.

    Each array has a separate buffer, as VTK writes it for Drake, whereas trimesh shares equal buffers.
    """
    files: dict[str, bytes] = export_gltf(scene, include_normals=normals)
    shared = json.loads(files.pop("model.gltf"))
    own: dict[str, Any] = {"accessors": [], "bufferViews": [], "buffers": []}

    def copied(index: int) -> int:
        accessor = shared["accessors"][index]
        view = shared["bufferViews"][accessor["bufferView"]]
        data = files[shared["buffers"][view["buffer"]]["uri"]]
        own["accessors"].append(accessor | {"bufferView": len(own["bufferViews"])})
        own["bufferViews"].append(view | {"buffer": len(own["buffers"])})
        uri = f"data:application/octet-stream;base64,{base64.b64encode(data).decode('ascii')}"
        own["buffers"].append({"byteLength": len(data), "uri": uri})
        return len(own["accessors"]) - 1

    for mesh in shared["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["indices"] = copied(primitive["indices"])
            for name, index in primitive["attributes"].items():
                primitive["attributes"][name] = copied(index)
            primitive.pop("material", None)
    kept = {name: shared[name] for name in ("asset", "scene", "scenes", "nodes", "meshes")}
    cameras = {"cameras": shared["cameras"]} if "cameras" in shared else {}
    return kept | cameras | own
