"""Things with surfaces and materials -> a glTF 2.0 document, as a Drake client would write it.

That is: a z-up world written as it is, one root node, and every resource inside, as a data: URI.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .shapes import Floats, Surface
from .textures import Maps

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963


@dataclass(frozen=True, eq=False)
class Material:
    """A glTF material: linear factors, and maps that multiply them.

    Attributes
    ----------
    colour : base colour, linear
    roughness, metallic : 0..1
    maps : textures, or None
    bump : scale of the normal map
    transmission : how much light goes through, 0..1 (glass)
    """

    colour: tuple[float, float, float] = (1, 1, 1)
    roughness: float = 1.0
    metallic: float = 0.0
    maps: Maps | None = None
    bump: float = 1.0
    transmission: float = 0.0


@dataclass(frozen=True, eq=False)
class Thing:
    """One labelled object: surfaces with their materials, at a (4, 4) pose in the world."""

    name: str
    parts: tuple[tuple[Surface, Material], ...]
    pose: Floats


@dataclass
class Writer:
    """Collects the arrays, images and materials of one document; `things` come in order."""

    gltf: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)
    _seen: dict[int, int] = field(default_factory=dict)

    def mesh(self, thing: Thing) -> int:
        """Add a mesh with one primitive for each part, each with a material of its own."""
        primitives = [self._primitive(thing.name, *part) for part in thing.parts]
        return self._add("meshes", {"name": thing.name, "primitives": primitives})

    def document(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the finished document; the first node is the root."""
        uri = _data_uri("application/octet-stream", bytes(self.data))
        return self.gltf | {"nodes": nodes, "buffers": [{"byteLength": len(self.data), "uri": uri}]}

    def _primitive(self, name: str, surface: Surface, material: Material) -> dict[str, Any]:
        attributes = {"POSITION": self._vertices(surface.positions, bounds=True)}
        if surface.normals is not None:
            attributes["NORMAL"] = self._vertices(surface.normals)
        if surface.uvs is not None:
            attributes["TEXCOORD_0"] = self._vertices(surface.uvs)
        return {
            "attributes": attributes,
            "indices": self._indices(surface.triangles),
            "material": self._material(name, material),
        }

    def _vertices(self, array: Floats, *, bounds: bool = False) -> int:
        """Add a float32 accessor, once for every array: three oranges share one surface."""
        if id(array) not in self._seen:
            values = array.astype("<f4")
            kind = {2: "VEC2", 3: "VEC3"}[values.shape[1]]
            extra = {"min": values.min(0).tolist(), "max": values.max(0).tolist()} if bounds else {}
            self._seen[id(array)] = self._accessor(values, _VERTICES, _FLOAT, kind, extra)
        return self._seen[id(array)]

    def _indices(self, triangles: NDArray[np.int64]) -> int:
        if id(triangles) not in self._seen:
            short = triangles.max() < 65535
            values = triangles.astype("<u2" if short else "<u4").reshape(-1, 1)
            kind = _USHORT if short else _UINT
            self._seen[id(triangles)] = self._accessor(values, _INDICES, kind, "SCALAR", {})
        return self._seen[id(triangles)]

    def _accessor(
        self, values: NDArray[Any], target: int, component: int, kind: str, extra: dict[str, Any]
    ) -> int:
        self.data.extend(bytes(-len(self.data) % 4))
        view = {
            "buffer": 0,
            "byteOffset": len(self.data),
            "byteLength": values.nbytes,
            "target": target,
        }
        self.data.extend(values.tobytes())
        accessor = {
            "bufferView": self._add("bufferViews", view),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        return self._add("accessors", accessor | extra)

    def _material(self, name: str, material: Material) -> int:
        pbr: dict[str, Any] = {
            "baseColorFactor": [*material.colour, 1.0],
            "metallicFactor": material.metallic,
            "roughnessFactor": material.roughness,
        }
        result: dict[str, Any] = {"name": name, "pbrMetallicRoughness": pbr, "doubleSided": True}
        if material.maps:
            self._textures(material, material.maps, pbr, result)
        if material.transmission:
            factor = {"transmissionFactor": material.transmission}
            result["extensions"] = {"KHR_materials_transmission": factor}
            self.gltf["extensionsUsed"] = ["KHR_materials_transmission"]
        return self._add("materials", result)

    def _textures(self, material: Material, maps: Maps, pbr: dict[str, Any], result: dict[str, Any]) -> None:
        pbr["baseColorTexture"] = {"index": self._texture(maps.colour)}
        if maps.normal is not None:
            result["normalTexture"] = {"index": self._texture(maps.normal), "scale": material.bump}
        if maps.roughness is not None:
            # grey: green is the roughness; blue, metallic, is switched off by its factor
            pbr["metallicRoughnessTexture"] = {"index": self._texture(maps.roughness)}

    def _texture(self, pixels: Floats) -> int:
        if id(pixels) not in self._seen:
            image = self._add("images", {"mimeType": "image/jpeg", "uri": _jpeg(pixels)})
            self._seen[id(pixels)] = self._add("textures", {"source": image, "sampler": 0})
        return self._seen[id(pixels)]

    def _add(self, kind: str, item: dict[str, Any]) -> int:
        self.gltf.setdefault(kind, []).append(item)
        return len(self.gltf[kind]) - 1


def gltf_of(things: tuple[Thing, ...], fov_y_rad: float, near: float, far: float) -> dict[str, Any]:
    """Return the document of `things` and of a camera at the root's origin (for `with_poses`)."""
    camera = {"type": "perspective", "perspective": {"yfov": fov_y_rad, "znear": near, "zfar": far}}
    writer = Writer(_empty())
    nodes = [{"name": thing.name, "mesh": writer.mesh(thing)} for thing in things]
    children = list(range(1, len(nodes) + 2))
    root = {"name": "Renderer Node", "children": children}
    return writer.document([root, *nodes, {"name": "Camera Node", "camera": 0}]) | {"cameras": [camera]}


def model_of(thing: Thing) -> dict[str, Any]:
    """Return the document of one thing alone, y-up as any glTF file: a mesh that Drake can load."""
    writer = Writer(_empty())
    half = float(np.sqrt(0.5))
    node = {"name": thing.name, "mesh": writer.mesh(thing), "rotation": [-half, 0, 0, half]}
    return writer.document([node])


def _empty() -> dict[str, Any]:
    return {
        "asset": {"version": "2.0", "generator": "glTF Render Server tabletop"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}],
    }


def with_poses(gltf: dict[str, Any], poses: list[Floats]) -> dict[str, Any]:
    """Return `gltf` with the (4, 4) world poses of its things and, last, of its camera."""
    root, *nodes = gltf["nodes"]
    moved = [
        node | {"matrix": np.round(pose.T, 9).ravel().tolist()}
        for node, pose in zip(nodes, poses, strict=True)
    ]
    identity = np.eye(4).ravel().tolist()
    return gltf | {"nodes": [root | {"matrix": identity}, *moved]}


def with_labels(gltf: dict[str, Any], labels: dict[str, int]) -> dict[str, Any]:
    """Return `gltf` as Drake sends it for a label image: colours that count, no textures used."""
    return gltf | {"materials": [_label_material(m, labels[m["name"]]) for m in gltf["materials"]]}


def _label_material(material: dict[str, Any], label: int) -> dict[str, Any]:
    colour = [label % 256 / 255, label // 256 / 255, 0.0]
    pbr = {k: v for k, v in material["pbrMetallicRoughness"].items() if not k.endswith("Texture")}
    kept = {k: v for k, v in material.items() if not k.endswith("Texture")}
    factors = {"pbrMetallicRoughness": pbr | {"baseColorFactor": [*colour, 1.0]}}
    return kept | factors | {"emissiveFactor": colour}


def _jpeg(pixels: Floats) -> str:
    """Encode (h, w, 3) or (h, w), 0..1, as a data: URI."""
    file = io.BytesIO()
    values = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(values).save(file, "JPEG", quality=88)
    return _data_uri("image/jpeg", file.getvalue())


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
