"""Materials as JSON: their texture references, and special cases for the programs that write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..srgb import linear_channel

__all__ = [
    "alpha_mode",
    "copy_material",
    "given",
    "holds_colour",
    "is_of_drake",
    "is_of_drakes_primitive",
    "linear",
    "texcoord_matrix",
    "texcoord_set",
    "texture_references",
]

# Drake's own exporter, and its output with other glTF files merged in
_DRAKE_GENERATORS = ("VTK", "Drake glTF merger")

_DRAKE_PBR = {"baseColorFactor", "metallicFactor", "roughnessFactor"}
_TRANSFORM = "KHR_texture_transform"
_COLOUR_TEXTURES = {
    "baseColorTexture",
    "diffuseTexture",
    "emissiveTexture",
    "sheenColorTexture",
    "specularColorTexture",
    "specularGlossinessTexture",
}

Json = dict[str, Any]


def alpha_mode(asset: Json, material: Json) -> str:
    """Return the alpha mode of a material. Drake's exporter writes none for transparent materials."""
    mode = material.get("alphaMode")
    if mode is not None or not _is_of_drakes_exporter(asset, material):
        return mode or "OPAQUE"
    factor = material["pbrMetallicRoughness"]["baseColorFactor"]
    return "BLEND" if factor and factor[3] < 1 else "OPAQUE"


def copy_material(material: Any, replace_texture: Callable[[str, Json], None]) -> Any:
    """Copy the JSON of a material without its extras.

    Parameters
    ----------
    material : JSON
    replace_texture : callable of str, dict
        Called with the name and the copy of each texture reference, at any depth, so that it can change
        ``index``.
    """
    if isinstance(material, list):
        return [copy_material(item, replace_texture) for item in material]
    if not isinstance(material, dict):
        return material
    copy = {key: copy_material(item, replace_texture) for key, item in material.items() if key != "extras"}
    for key, item in copy.items():
        if key.endswith("Texture") and isinstance(item, dict) and "index" in item:
            replace_texture(key, item)
    return copy


def given(item: Json, name: str, otherwise: Any) -> Any:
    """Return a member of an object, or a default value if the member is missing or null."""
    value = item.get(name)
    return otherwise if value is None else value


def holds_colour(texture: str) -> bool:
    """Return whether the texture of this name in a material contains colours rather than data."""
    return texture in _COLOUR_TEXTURES


def is_of_drake(generator: str | None) -> bool:
    """Return whether Drake's own exporter or client wrote a document."""
    return generator in _DRAKE_GENERATORS


def is_of_drakes_primitive(asset: Json, material: Json) -> bool:
    """Return whether Drake's exporter wrote a material, for a primitive of one plain colour.

    Drake's ``Rgba`` is meant as sRGB, and all of Drake's own viewers show it as sRGB. Its exporter writes the
    values unchanged into ``baseColorFactor``, which glTF defines as linear, so every colour would look washed
    out. Materials of merged files were written by other exporters and are not changed.
    """
    has_texture = "baseColorTexture" in (material.get("pbrMetallicRoughness") or {})
    return not has_texture and _is_of_drakes_exporter(asset, material)


def linear(rgba: Sequence[float]) -> list[float]:
    """Convert sRGB to linear light, leaving alpha unchanged."""
    return [*map(linear_channel, rgba[:3]), rgba[3]]


def texcoord_matrix(reference: Json) -> NDArray[np.float64]:
    """Return the transform of a texture's coordinates, (2, 3), from KHR_texture_transform.

    It scales, rotates and translates, in this order.
    """
    transform = _transform(reference)
    angle = given(transform, "rotation", 0.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scale, offset = given(transform, "scale", (1.0, 1.0)), given(transform, "offset", (0.0, 0.0))
    return np.column_stack([turn * scale, offset])


def texcoord_set(reference: Json) -> int:
    """Return the index of the set of texture coordinates that a texture reference uses."""
    return given(_transform(reference), "texCoord", reference.get("texCoord") or 0)


def texture_references(value: object) -> Iterator[tuple[Json, str]]:
    """Yield the parent object and the key of every texture reference in a material, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from texture_references(item)
    if not isinstance(value, dict):
        return
    for key, item in list(value.items()):
        if isinstance(item, dict) and key.endswith("Texture"):
            yield value, key
        if key != "extras":
            yield from texture_references(item)


def _transform(reference: Json) -> Json:
    found = (reference.get("extensions") or {}).get(_TRANSFORM)
    return found if isinstance(found, dict) else {}


def _is_of_drakes_exporter(asset: Json, material: Json) -> bool:
    """Return whether Drake's own exporter wrote a material, with one plain colour or with a texture."""
    pbr = material.get("pbrMetallicRoughness") or {}
    return (
        is_of_drake(asset.get("generator"))
        and set(material) == {"pbrMetallicRoughness"}
        and set(pbr) - {"baseColorTexture"} == _DRAKE_PBR
        and pbr["metallicFactor"] == 0
        and pbr["roughnessFactor"] == 1
    )
