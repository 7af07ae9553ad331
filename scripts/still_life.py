"""The still life of examples/ as a Drake client would send it: with data: URIs, in a z-up world.

It is the scene of the demo, and of tests and benchmarks. Its models are also those of the Drake demo.
"""

from __future__ import annotations

import base64
import copy
import json
import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viewpoint import form_of

__all__ = ["ImageType", "document", "labels", "model", "request_fields", "scene"]

ImageType = Literal["color", "depth", "label"]

_FILE = Path(__file__).resolve().parent.parent / "examples" / "still_life" / "still_life.glb"
_FOV_Y_RAD = float(np.radians(28.0))
_CLIPPING_M, _DEPTH_RANGE_M = (0.01, 10.0), (0.1, 3.0)


@lru_cache(maxsize=2)
def scene(image_type: ImageType) -> bytes:
    """Return the glTF file for an image type: one for colour and depth, another for labels."""
    return json.dumps(document(image_type), separators=(",", ":")).encode()


def document(image_type: ImageType = "color") -> dict[str, Any]:
    """Return that file as a JSON object. Node 0 contains all others, and the last node is the camera's."""
    gltf = copy.deepcopy(_document())
    if image_type == "label":
        gltf["materials"] = [_label_material(each, labels()[each["name"]]) for each in gltf["materials"]]
    return gltf


def labels() -> dict[str, int]:
    """Return the label of each object, from 1, by its name."""
    named = [node["name"] for node in _file()[0]["nodes"] if "mesh" in node]
    return {name: label for label, name in enumerate(named, start=1)}


def request_fields(image_type: ImageType, width: int, height: int) -> dict[str, str]:
    """Return the form fields of a request, without the scene and its digest."""
    return form_of(image_type, (width, height), _FOV_Y_RAD, _CLIPPING_M, _DEPTH_RANGE_M)


def model(name: str, pose: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Return a single object, y-up as in any glTF file. `pose` (4, 4) moves it in its own z-up frame."""
    source, _ = _file()
    mesh = next(node["mesh"] for node in source["nodes"] if node.get("name") == name)
    root = source["nodes"][0] | {"children": [1]}
    matrix = np.eye(4) if pose is None else pose
    return _copied([mesh], [root, {"name": name, "mesh": 0, "matrix": matrix.T.ravel().tolist()}])


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    source, _ = _file()
    root, *nodes = source["nodes"]
    # the file is y-up, and Drake's world is z-up
    upright = {"name": "Renderer Node", "children": root["children"]}
    return _copied(range(len(source["meshes"])), [upright, *nodes]) | {"cameras": source["cameras"]}


@lru_cache(maxsize=1)
def _file() -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the binary chunk of the GLB file."""
    data = _FILE.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def _copied(meshes: Iterable[int], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    copier = _Copier(*_file())
    for mesh in meshes:
        copier.copy("meshes", mesh)
    return copier.document(nodes)


class _Copier:
    """Copies meshes of the file, with everything that they use, into a self-contained document."""

    def __init__(self, source: dict[str, Any], binary: bytes) -> None:
        self._source = source
        self._binary = binary
        self._lists: dict[str, list[Any]] = {}
        self._data = bytearray()
        self._copies: dict[tuple[str, int], int] = {}

    def copy(self, kind: str, index: int) -> int:
        """Copy an item once, and return its index in the new document."""
        if (kind, index) not in self._copies:
            item = getattr(self, f"_{kind}")(self._source[kind][index])
            self._lists.setdefault(kind, []).append(item)
            self._copies[kind, index] = len(self._lists[kind]) - 1
        return self._copies[kind, index]

    def document(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        used = {name for material in self._lists["materials"] for name in material.get("extensions", ())}
        buffer = {"byteLength": len(self._data), "uri": _data_uri("application/octet-stream", self._data)}
        return {
            "asset": {"version": "2.0", "generator": self._source["asset"]["generator"]},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "samplers": self._source["samplers"],
            **({"extensionsUsed": sorted(used)} if used else {}),
            **self._lists,
            "nodes": nodes,
            "buffers": [buffer],
        }

    def _meshes(self, mesh: dict[str, Any]) -> dict[str, Any]:
        return mesh | {"primitives": [self._primitive(each) for each in mesh["primitives"]]}

    def _primitive(self, primitive: dict[str, Any]) -> dict[str, Any]:
        return {
            "attributes": {
                name: self.copy("accessors", index) for name, index in primitive["attributes"].items()
            },
            "indices": self.copy("accessors", primitive["indices"]),
            "material": self.copy("materials", primitive["material"]),
        }

    def _materials(self, material: dict[str, Any]) -> dict[str, Any]:
        """Copy a material, or the part of one that contains textures."""
        return {
            name: value | {"index": self.copy("textures", value["index"])}
            if name.endswith("Texture")
            else self._materials(value)
            if name == "pbrMetallicRoughness"
            else value
            for name, value in material.items()
        }

    def _textures(self, texture: dict[str, Any]) -> dict[str, Any]:
        return texture | {"source": self.copy("images", texture["source"])}

    def _images(self, image: dict[str, Any]) -> dict[str, Any]:
        view = self._source["bufferViews"][image["bufferView"]]
        start = view["byteOffset"]
        uri = _data_uri(image["mimeType"], self._binary[start : start + view["byteLength"]])
        return {"mimeType": image["mimeType"], "uri": uri}

    def _accessors(self, accessor: dict[str, Any]) -> dict[str, Any]:
        return accessor | {"bufferView": self.copy("bufferViews", accessor["bufferView"])}

    def _bufferViews(self, view: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 (glTF's name)
        self._data.extend(bytes(-len(self._data) % 4))
        copied = view | {"byteOffset": len(self._data)}
        start = view["byteOffset"]
        self._data.extend(self._binary[start : start + view["byteLength"]])
        return copied


def _label_material(material: dict[str, Any], label: int) -> dict[str, Any]:
    """Return a material as Drake sends it for a label image: the label as its colour, no textures."""
    colour = [label % 256 / 255, label // 256 / 255, 0.0]
    pbr = {
        name: value
        for name, value in material["pbrMetallicRoughness"].items()
        if not name.endswith("Texture")
    }
    kept = {name: value for name, value in material.items() if not name.endswith("Texture")}
    factors = {"pbrMetallicRoughness": pbr | {"baseColorFactor": [*colour, 1.0]}}
    return kept | factors | {"emissiveFactor": colour}


def _data_uri(media_type: str, data: bytes | bytearray) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
