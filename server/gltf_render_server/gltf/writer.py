"""The document that Blender's importer is given: the asked parts, each at the origin, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..errors import SceneError
from .document import Scene
from .extensions import BASISU, DRACO, LIGHTS, WEBP

__all__ = ["import_document"]


_DRAKE_GENERATORS = ("VTK", "Drake glTF merger")
_DRAKE_PBR = {"baseColorFactor", "metallicFactor", "roughnessFactor"}
_UNUSED_ATTRIBUTES = ("JOINTS_", "WEIGHTS_", "_")  # of skins, and of applications' own

Json = dict[str, Any]


def import_document(scene: Scene, primitives: Sequence[int], *, materials: bool, lights: bool) -> bytes:
    """Write a glTF document with one root node for each asked part, without a transform.

    Node extras say which part it is: ``grs_primitive`` is the index into ``scene.primitives``, ``grs_light``
    that into ``scene.lights``.

    Parameters
    ----------
    scene : Scene
    primitives : sequence of int
        Indices into ``scene.primitives``.
    materials : bool
        Whether to write materials, textures and all that they need; without, positions only.
    lights : bool
        Whether to write the scene's lights.

    Raises
    ------
    SceneError
        With `materials`: a texture has no image that can be read.
    """
    return msgspec.json.encode(_Writer(scene, materials=materials).write(primitives, lights=lights))


class _Writer:
    """Copies what is referred to, renumbering as it goes."""

    def __init__(self, scene: Scene, *, materials: bool) -> None:
        self._scene = scene
        self._json = scene.json
        self._with_materials = materials
        self._out: dict[str, list[Json]] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        self._extensions: set[str] = set()
        self._copiers: dict[str, Callable[[int, Json], Json]] = {
            "accessors": self._accessor,
            "bufferViews": self._buffer_view,
            "buffers": lambda _, item: {"byteLength": item["byteLength"], "uri": item["uri"]},
            "materials": self._material,
            "textures": self._texture,
            "images": self._image,
            "samplers": lambda _, item: _kept(item, "magFilter", "minFilter", "wrapS", "wrapT"),
        }

    def write(self, primitives: Sequence[int], *, lights: bool) -> Json:
        nodes = [self._node(index) for index in primitives]
        document: Json = {"asset": {"version": "2.0"}, "scene": 0}
        if lights and self._scene.lights:
            nodes += [self._light_node(number) for number in range(len(self._scene.lights))]
            source = self._json["extensions"][LIGHTS]["lights"]
            document["extensions"] = {LIGHTS: {"lights": [_without_extras(light) for light in source]}}
        document |= {"scenes": [{"nodes": list(range(len(nodes)))}], "nodes": nodes, **self._out}
        document["extensionsUsed"] = sorted(self._extensions)
        required = set(self._scene.source.extensions_required)
        document["extensionsRequired"] = sorted(self._extensions & required)
        return {name: value for name, value in document.items() if value != []}

    def _pick(self, kind: str, index: int) -> int:
        """Copy an item of the document once, and return its new number."""
        number = self._numbers.get((kind, index))
        if number is None:
            copy = self._copiers[kind](index, self._json[kind][index])
            items = self._out.setdefault(kind, [])
            items.append(copy)
            number = self._numbers[kind, index] = len(items) - 1
        return number

    def _node(self, index: int) -> Json:
        primitive = self._scene.primitives[index]
        mesh = self._json["meshes"][primitive.mesh]
        copy: Json = {"primitives": [self._primitive(mesh["primitives"][primitive.number])]}
        if primitive.weights:
            copy["weights"] = primitive.weights
        meshes = self._out.setdefault("meshes", [])
        meshes.append(copy)
        return {"mesh": len(meshes) - 1, "extras": {"grs_primitive": index}}

    def _light_node(self, number: int) -> Json:
        self._extensions.add(LIGHTS)
        light = {"light": self._scene.lights[number].light}
        return {"extensions": {LIGHTS: light}, "extras": {"grs_light": number}}

    def _primitive(self, item: Json) -> Json:
        copy = _kept(item, "mode")
        copy["attributes"] = self._attributes(item["attributes"])
        if item.get("indices") is not None:
            copy["indices"] = self._pick("accessors", item["indices"])
        if item.get("targets"):
            copy["targets"] = [self._attributes(target) for target in item["targets"]]
        if self._with_materials and item.get("material") is not None:
            copy["material"] = self._pick("materials", item["material"])
        position = self._json["accessors"][item["attributes"]["POSITION"]]
        draco = (item.get("extensions") or {}).get(DRACO)
        if draco and position.get("bufferView") is None:  # else the plain data beside it will do
            copy["extensions"] = {DRACO: self._draco(draco, copy["attributes"])}
        return copy

    def _attributes(self, attributes: dict[str, int]) -> dict[str, int]:
        wanted = {
            name: index
            for name, index in attributes.items()
            if name == "POSITION" or (self._with_materials and not name.startswith(_UNUSED_ATTRIBUTES))
        }
        return {name: self._pick("accessors", index) for name, index in wanted.items()}

    def _draco(self, extension: Json, attributes: dict[str, int]) -> Json:
        self._extensions.add(DRACO)
        ids = {name: value for name, value in extension["attributes"].items() if name in attributes}
        return {"bufferView": self._pick("bufferViews", extension["bufferView"]), "attributes": ids}

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

    def _buffer_view(self, _: int, item: Json) -> Json:
        copy = _kept(item, "byteOffset", "byteLength", "byteStride", "target")
        return {"buffer": self._pick("buffers", item["buffer"]), **copy}

    def _material(self, _: int, item: Json) -> Json:
        copy = self._with_textures(item)
        copy["doubleSided"] = True  # Drake culls nothing
        pbr = copy.get("pbrMetallicRoughness") or {}
        factor = pbr.get("baseColorFactor")
        if factor and factor[3] < 1 and not copy.get("alphaMode"):
            copy["alphaMode"] = "BLEND"
        if factor and _is_of_drakes_primitive(self._json["asset"], item):
            copy["pbrMetallicRoughness"] = {**pbr, "baseColorFactor": _linear(factor)}
        self._extensions.update(copy.get("extensions") or ())
        return copy

    def _with_textures(self, value: Any) -> Any:
        """Copy a material's JSON without extras, renumbering the textures that it refers to at any depth."""
        if isinstance(value, list):
            return [self._with_textures(item) for item in value]
        if not isinstance(value, dict):
            return value
        copy = {key: self._with_textures(item) for key, item in value.items() if key != "extras"}
        for key, item in copy.items():
            if key.endswith("Texture") and isinstance(item, dict) and "index" in item:
                item["index"] = self._pick("textures", item["index"])
                extensions = item.get("extensions")
                self._extensions.update(extensions if isinstance(extensions, dict) else ())
        return copy

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
                f"its only image needs {BASISU}, which cannot be read here; add a plain PNG or JPEG source",
                f"$.textures[{index}]",
            )
        return copy

    def _image(self, index: int, item: Json) -> Json:
        copy = {"name": f"images[{index}]", **_kept(item, "uri", "mimeType")}
        if item.get("bufferView") is not None:
            copy["bufferView"] = self._pick("bufferViews", item["bufferView"])
        return copy


def _without_extras(item: object) -> Json:
    """Copy an object of an extension; what is no object is referred to by nothing."""
    return {name: value for name, value in item.items() if name != "extras"} if isinstance(item, dict) else {}


def _kept(item: Json, *names: str) -> Json:
    return {name: item[name] for name in names if item.get(name) is not None}


def _is_of_drakes_primitive(asset: Json, material: Json) -> bool:
    """Tell whether Drake's own exporter wrote a material, for a primitive of one plain colour.

    Drake's ``Rgba`` is meant, and shown by all of Drake's own viewers, as sRGB. Its exporter writes the
    values unchanged into ``baseColorFactor``, which glTF defines as linear: taken as such, every colour comes
    out washed out. Materials of merged files are the work of other exporters, and are left alone.
    """
    pbr = material.get("pbrMetallicRoughness") or {}
    return (
        asset.get("generator") in _DRAKE_GENERATORS
        and set(material) == {"pbrMetallicRoughness"}
        and set(pbr) == _DRAKE_PBR
        and pbr["metallicFactor"] == 0
        and pbr["roughnessFactor"] == 1
    )


def _linear(rgba: Sequence[float]) -> list[float]:
    """Convert sRGB to linear light (IEC 61966-2-1); alpha stays."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    return [*channels, rgba[3]]
