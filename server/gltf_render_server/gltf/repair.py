"""Repairs known defects of glTF writers in the JSON, before it is checked, and reports each repair.

Drake's client merges whole glTF files into one document, and renumbers all indices except those inside
extensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ..errors import SceneError
from . import schema
from .draco import is_draco
from .extensions import BASISU, DRACO, LIGHTS, WEBP
from .materials import texture_references
from .resources import Data, is_draco_view

__all__ = ["drop_composed_rotations", "repair_draco", "repair_json"]

_OWN_TEXTURES = frozenset({"emissiveTexture", "normalTexture", "occlusionTexture"})
_OWN_PBR_TEXTURES = frozenset({"baseColorTexture", "metallicRoughnessTexture"})

_ROOT_EXTENSIONS = {LIGHTS}
_FACTORS = {"baseColorFactor", "metallicFactor", "roughnessFactor", "emissiveFactor"}
_ROUNDING = 1e-3  # less than one of 255 levels
_ALPHA_MODES = ("OPAQUE", "MASK", "BLEND")
_WRAPS = (33071, 33648, 10497)
_SAMPLER_VALUES = {
    "magFilter": (9728, 9729),
    "minFilter": (9728, 9729, 9984, 9985, 9986, 9987),
    "wrapS": _WRAPS,
    "wrapT": _WRAPS,
}

Json = dict[str, Any]


def repair_json(document: Json) -> list[str]:
    """Repair in place the defects that are visible without the binary data.

    Parameters
    ----------
    document : dict
        The decoded JSON.

    Returns
    -------
    list of str
        Messages for the log about what was dropped.
    """
    for name in [name for name, value in document.items() if value is None]:
        del document[name]  # Drake writes null for an empty array
    if isinstance(extensions := document.get("extensions"), dict):
        document["extensions"] = {name: extensions[name] for name in _ROOT_EXTENSIONS & extensions.keys()}
    drop_composed_rotations(document)
    warnings: list[str] = []
    _use_plain_textures(document, warnings)
    _drop_dangling_textures(document, warnings)
    for index, material in enumerate(_list(document, "materials")):
        warnings += [f"materials[{index}]: {said}" for said in _clamp_factors(material)]
    for sampler in _list(document, "samplers"):
        for key in [key for key, value in sampler.items() if value not in _SAMPLER_VALUES.get(key, ())]:
            del sampler[key]
    return warnings


def repair_draco(document: schema.Document, buffers: Sequence[Data]) -> None:
    """Correct the buffer view indices of Draco's streams after a merge.

    A merge appends whole files. Therefore, in each file the correct index is the given index plus a constant,
    and the streams of the files follow each other in the order of the files.

    Parameters
    ----------
    document : Document
        The document, which is changed in place.
    buffers : sequence of bytes

    Raises
    ------
    SceneError
        The streams cannot be assigned uniquely.
    """
    views = [index for index in range(len(document.buffer_views)) if is_draco_view(document, buffers, index)]
    files = _draco_files(document)
    stated = [[_draco(primitive)["bufferView"] for primitive in file] for file in files]
    if not files or {index for file in stated for index in file} == set(views):
        return
    remaining = iter(views)
    for file, indices in zip(files, stated, strict=True):
        wanted = sorted(set(indices))
        found = list(islice(remaining, len(wanted)))
        offsets = {true - said for true, said in zip(found, wanted, strict=False)}
        if len(found) < len(wanted) or len(offsets) != 1:
            raise _draco_error()
        for primitive, said in zip(file, indices, strict=True):
            _draco(primitive)["bufferView"] = said + min(offsets)
    if next(remaining, None) is not None:
        raise _draco_error()


def _draco_error() -> SceneError:
    return SceneError(
        "merging has broken the indices of its Draco streams, and they cannot be told apart; "
        "export the models again without Draco compression",
        f"$.meshes[*].primitives[*].extensions.{DRACO}",
    )


def _draco(primitive: schema.Primitive) -> Json:
    return (primitive.extensions or {})[DRACO]


def _draco_files(document: schema.Document) -> list[list[schema.Primitive]]:
    """Group Draco's primitives by merged file. All meshes of a file are below one root node."""
    owner = _mesh_owners(document)
    files: dict[int, list[schema.Primitive]] = {}
    for index, mesh in enumerate(document.meshes):
        for number, primitive in enumerate(mesh.primitives):
            if "POSITION" in primitive.attributes and is_draco(document, primitive):
                _check_draco(primitive, f"$.meshes[{index}].primitives[{number}].extensions.{DRACO}")
                files.setdefault(owner.get(index, -1), []).append(primitive)
    return list(files.values())


def _check_draco(primitive: schema.Primitive, where: str) -> None:
    extension = _draco(primitive)
    if not isinstance(extension, dict) or not isinstance(extension.get("bufferView"), int):
        raise SceneError("has no bufferView", where)
    attributes = extension.get("attributes")
    if not isinstance(attributes, dict) or not all(isinstance(id_, int) for id_ in attributes.values()):
        raise SceneError("has no attributes", where)


def _mesh_owners(document: schema.Document) -> dict[int, int]:
    """Return for each mesh of the default scene the first root node that contains it."""
    owner: dict[int, int] = {}
    scenes = document.scenes[document.scene or 0 :][:1]
    for root in scenes[0].nodes or () if scenes else ():
        pending = [root]
        while pending:
            node = document.nodes[pending.pop()]
            if node.mesh is not None:
                owner.setdefault(node.mesh, root)
            pending.extend(node.children or ())
    return owner


def drop_composed_rotations(document: Json) -> None:
    """Drop the rotation of a node that also has a matrix.

    Versions of Drake's client before 1.52 compose the pose of a merged root into a matrix, but keep the
    rotation, too.
    """
    for node in _list(document, "nodes"):
        if node.get("matrix") is not None and "translation" not in node and "scale" not in node:
            node.pop("rotation", None)


def _use_plain_textures(document: Json, warnings: list[str]) -> None:
    """Drop references to images whose format needs an extension, where an alternative exists.

    KHR_texture_basisu is never useful, because no importer here reads KTX2. If a document requires it, a
    texture without an alternative keeps it, and is rejected only if textures are needed.
    """
    required = document.get("extensionsRequired")
    is_required = isinstance(required, list) and BASISU in required
    images = _list(document, "images")
    for index, texture in enumerate(_list(document, "textures")):
        extensions = texture.get("extensions")
        if not isinstance(extensions, dict):
            continue
        if texture.get("source") is not None or not is_required:
            extensions.pop(BASISU, None)
        webp = extensions.get(WEBP)
        source = webp.get("source") if isinstance(webp, dict) else None
        if WEBP in extensions and not _is_index(source, len(images)):
            del extensions[WEBP]
            warnings.append(f"textures[{index}]: {WEBP} points at no image; dropped")
    for name in ("extensionsUsed", "extensionsRequired"):
        if isinstance(document.get(name), list):
            document[name] = [item for item in document[name] if item != BASISU]


def _drop_dangling_textures(document: Json, warnings: list[str]) -> None:
    """Drop texture references in extensions that a merge has left without a target.

    A merge renumbers the core references, so a wrong core reference is an error in the document.
    """
    count = len(_list(document, "textures"))
    for index, material in enumerate(_list(document, "materials")):
        pbr = material.get("pbrMetallicRoughness")
        for holder, key in texture_references(material):
            is_own = (holder is material and key in _OWN_TEXTURES) or (
                holder is pbr and key in _OWN_PBR_TEXTURES
            )
            if not is_own and not _is_index(holder[key].get("index"), count):
                del holder[key]
                warnings.append(f"materials[{index}]: its {key[:60]} points at no texture; dropped")


def _clamp_factors(material: Json) -> Iterator[str]:
    """Clamp factors to 0 to 1, and drop an alpha mode that glTF does not define."""
    pbr = material.get("pbrMetallicRoughness")
    for holder in (material, pbr if isinstance(pbr, dict) else {}):
        for key in _FACTORS & holder.keys():
            value = holder[key]
            values = value if isinstance(value, list) else [value]
            if not all(type(number) in (int, float) for number in values):
                continue  # the check against the schema rejects it
            clamped = [min(max(number, 0), 1) for number in values]
            if clamped != values:
                holder[key] = clamped if isinstance(value, list) else clamped[0]
                if max(abs(a - b) for a, b in zip(clamped, values, strict=True)) > _ROUNDING:
                    yield f"its {key} is brought between 0 and 1"
    if isinstance(mode := material.get("alphaMode"), str) and mode not in _ALPHA_MODES:
        del material["alphaMode"]
        yield f"there is no alphaMode {mode[:20]}; dropped"


def _is_index(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _list(document: Json, name: str) -> list[Json]:
    """Return the objects of an array. The check against the schema rejects anything else."""
    items = document.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
