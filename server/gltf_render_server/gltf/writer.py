"""Writes the document for Blender's importer: only the requested primitives, each at the origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec
import numpy as np
import pybase64
from numpy.typing import NDArray

from ..errors import SceneError
from ..scene import Primitive, Scene
from .content import content_of
from .extensions import BASISU, WEBP
from .geometry import read_attribute
from .materials import alpha_mode, copy_material, holds_colour, is_of_drakes_primitive, linear
from .resources import Data

__all__ = ["Detail", "import_document"]

_DISPERSION, _SPECULAR = "KHR_materials_dispersion", "KHR_materials_specular"
_GLOSSINESS, _GLOSSINESS_TEXTURE = "KHR_materials_pbrSpecularGlossiness", "specularGlossinessTexture"

_LARGEST_WEIGHT = 10  # limit of Blender for the value of a shape key
_UNUSED_ATTRIBUTES = ("JOINTS_", "WEIGHTS_", "_")  # attributes of skins, and application-specific ones

Json = dict[str, Any]


class Detail(Enum):
    """How much of a primitive is written."""

    SHAPE = auto()
    """The positions of its triangles only."""
    MESH = auto()
    """The positions and all other vertex attributes that a material may use."""
    SURFACE = auto()
    """All vertex attributes, with the material and its textures."""

    def includes(self, attribute: str) -> bool:
        """Return whether a vertex attribute is written. The digests cover the same attributes."""
        if self is Detail.SHAPE:
            return attribute == "POSITION"
        return not attribute.startswith(_UNUSED_ATTRIBUTES)


def import_document(scene: Scene, primitives: Mapping[int, Detail]) -> bytes:
    """Write a glTF document with one root node, without a transform, for each requested primitive.

    The extras of a node identify the primitive: ``grs_primitive`` is its index in ``scene.primitives``.

    Parameters
    ----------
    scene : Scene
    primitives : mapping of int to Detail
        The detail of each requested primitive, by its index in ``scene.primitives``.

    Raises
    ------
    SceneError
        A texture of a requested material has no readable image.
    """
    return msgspec.json.encode(_Writer(scene).write(primitives))


class _Writer:
    """Copies items with all items to which they refer, and renumbers the references."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._content = content_of(scene)
        self._json = self._content.json
        self._out: dict[str, list[Json]] = {}
        self._numbers: dict[tuple[str, int, object], int] = {}
        self._use: tuple[int, bool] | None = None
        self._extensions: set[str] = set()
        self._copiers: dict[str, Callable[[int, Json], Json]] = {
            "accessors": self._accessor,
            "bufferViews": self._buffer_view,
            "buffers": self._buffer,
            "materials": self._material,
            "textures": self._texture,
            "images": self._image,
            "samplers": lambda _, item: _kept(item, "magFilter", "minFilter", "wrapS", "wrapT"),
        }

    def write(self, primitives: Mapping[int, Detail]) -> Json:
        nodes = [self._node(index, detail) for index, detail in primitives.items()]
        document: Json = {"asset": {"version": "2.0"}, "scene": 0}
        document |= {"scenes": [{"nodes": list(range(len(nodes)))}], "nodes": nodes, **self._out}
        document["extensionsUsed"] = sorted(self._extensions)
        required = set(self._content.source.extensions_required)
        document["extensionsRequired"] = sorted(self._extensions & required)
        return {name: value for name, value in document.items() if value != []}

    def _pick(self, kind: str, index: int) -> int:
        """Copy an item of the document once, and return its new index.

        Textures and images are copied for each use, because the importer's images store how they are used,
        and materials must not depend on each other's images.
        """
        key = (kind, index, self._use if kind in ("textures", "images") else None)
        number = self._numbers.get(key)
        if number is None:
            copy = self._copiers[kind](index, self._json[kind][index])
            number = self._numbers[key] = self._append(kind, copy)
        return number

    def _append(self, kind: str, item: Json) -> int:
        items = self._out.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def _node(self, index: int, detail: Detail) -> Json:
        primitive = self._scene.primitives[index]
        mesh = self._json["meshes"][primitive.mesh]
        item = mesh["primitives"][primitive.number]
        copy: Json = {"primitives": [self._primitive(primitive, item, detail)]}
        if primitive.weights and not primitive.pose:
            copy["weights"] = _spread(primitive.weights, primitive.weights)
            if targets := copy["primitives"][0].get("targets"):
                copy["primitives"][0]["targets"] = _spread(targets, primitive.weights, divide=False)
        return {"mesh": self._append("meshes", copy), "extras": {"grs_primitive": index}}

    def _primitive(self, primitive: Primitive, item: Json, detail: Detail) -> Json:
        copy = _kept(item, "mode")
        copy["attributes"] = self._attributes(item["attributes"], detail)
        if item.get("indices") is not None:
            copy["indices"] = self._pick("accessors", item["indices"])
        if primitive.pose:
            copy["attributes"] |= self._posed(primitive, copy["attributes"])
            copy["attributes"].pop("TANGENT", None)
        elif item.get("targets"):
            copy["targets"] = [self._attributes(target, detail) for target in item["targets"]]
        if detail is Detail.SURFACE and item.get("material") is not None:
            copy["material"] = self._pick("materials", item["material"])
        return copy

    def _posed(self, primitive: Primitive, attributes: Mapping[str, int]) -> dict[str, int]:
        """Write the positions and normals with morph targets and skin applied."""
        return {
            name: self._array(read_attribute(self._content, primitive, name))
            for name in ("POSITION", "NORMAL")
            if name in attributes
        }

    def _array(self, vectors: NDArray[np.float32]) -> int:
        """Write an array, (n, 3), as a new accessor."""
        data = vectors.astype("<f4").tobytes()
        buffer = self._append("buffers", {"byteLength": len(data), "uri": _data_uri(data)})
        view = self._append("bufferViews", {"buffer": buffer, "byteLength": len(data)})
        accessor = {"bufferView": view, "componentType": 5126, "count": len(vectors), "type": "VEC3"}
        return self._append("accessors", accessor)

    def _attributes(self, attributes: dict[str, int], detail: Detail) -> dict[str, int]:
        return {
            name: self._pick("accessors", index)
            for name, index in attributes.items()
            if detail.includes(name)
        }

    def _accessor(self, _: int, item: Json) -> Json:
        copy = _kept(item, "byteOffset", "componentType", "normalized", "count", "type")
        if item.get("bufferView") is not None:
            copy["bufferView"] = self._pick("bufferViews", item["bufferView"])
        if sparse := item.get("sparse"):
            copy["sparse"] = {
                "count": sparse["count"],
                **{name: self._sparse_part(sparse[name]) for name in ("indices", "values")},
            }
        return copy

    def _sparse_part(self, item: Json) -> Json:
        view = self._pick("bufferViews", item["bufferView"])
        return {**_kept(item, "byteOffset", "componentType"), "bufferView": view}

    def _buffer(self, index: int, item: Json) -> Json:
        return {"byteLength": item["byteLength"], "uri": _data_uri(self._content.buffers[index])}

    def _buffer_view(self, _: int, item: Json) -> Json:
        copy = _kept(item, "byteOffset", "byteLength", "byteStride", "target")
        return {"buffer": self._pick("buffers", item["buffer"]), **copy}

    def _material(self, index: int, item: Json) -> Json:
        copy = copy_material(item, lambda name, texture: self._renumber_texture(index, name, texture))
        copy["doubleSided"] = True  # Drake does not cull back faces
        pbr = copy.get("pbrMetallicRoughness") or {}
        factor = pbr.get("baseColorFactor")
        if (mode := alpha_mode(self._json["asset"], item)) != "OPAQUE":
            copy["alphaMode"] = mode
        if factor and is_of_drakes_primitive(self._json["asset"], item):
            copy["pbrMetallicRoughness"] = {**pbr, "baseColorFactor": linear(factor)}
        if extensions := copy.get("extensions"):
            _avoid_faults(extensions)
            self._extensions.update(extensions)
        return copy

    def _renumber_texture(self, material: int, name: str, reference: Json) -> None:
        self._use = (material, holds_colour(name))
        reference["index"] = self._pick("textures", reference["index"])
        extensions = reference.get("extensions")
        self._extensions.update(extensions if isinstance(extensions, dict) else ())

    def _texture(self, index: int, item: Json) -> Json:
        extensions = item.get("extensions") or {}
        copy: Json = {}
        if item.get("sampler") is not None:
            copy["sampler"] = self._pick("samplers", item["sampler"])
        if item.get("source") is not None:
            copy["source"] = self._pick("images", item["source"])
        if WEBP in extensions:
            self._extensions.add(WEBP)
            copy["extensions"] = {WEBP: {"source": self._pick("images", extensions[WEBP]["source"])}}
        elif BASISU in extensions and "source" not in copy:
            raise SceneError(
                f"its only image needs {BASISU}, which the server cannot read; add a PNG or JPEG source",
                f"$.textures[{index}]",
            )
        return copy

    def _image(self, index: int, item: Json) -> Json:
        copy = {"name": f"images[{index}]", **_kept(item, "uri", "mimeType")}
        if item.get("bufferView") is not None:
            copy["bufferView"] = self._pick("bufferViews", item["bufferView"])
        return copy


def _avoid_faults(extensions: Json) -> None:
    """Change a material's extensions, but not its picture, where the importer of Blender 5.2 would fail."""
    # It has no effect on a render, and without a volume or another extension beside it, the importer raises.
    extensions.pop(_DISPERSION, None)
    # The importer looks for the texture of the first extension in the second one, which it otherwise ignores.
    texture = (extensions.get(_GLOSSINESS) or {}).get(_GLOSSINESS_TEXTURE)
    if texture is not None:
        extensions[_SPECULAR] = {_GLOSSINESS_TEXTURE: {"extensions": {}}}


def _data_uri(data: Data) -> str:
    return f"data:application/octet-stream;base64,{pybase64.b64encode_as_string(data)}"


def _spread(items: Sequence[Any], weights: Sequence[float], *, divide: bool = True) -> list[Any]:
    """Repeat the items of morph targets so that no weight exceeds Blender's limit."""
    spread: list[Any] = []
    for item, weight in zip(items, weights, strict=True):
        times = max(1, math.ceil(abs(weight) / _LARGEST_WEIGHT))
        spread += [item / times if divide else item] * times
    return spread


def _kept(item: Json, *names: str) -> Json:
    return {name: item[name] for name in names if item.get(name) is not None}
