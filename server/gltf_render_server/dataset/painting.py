"""Changes the colours, the roughness and the images of glTF materials."""

from __future__ import annotations

from typing import Any

from ..gltf.materials import alpha_mode, given, is_of_drakes_primitive, linear

__all__ = ["base_colour", "give_texture", "has_texcoords", "make_plain", "paint"]

_SPECULAR = "KHR_materials_pbrSpecularGlossiness"
_TEXCOORDS = "TEXCOORD_0"

Json = dict[str, Any]


def make_plain(material: Json, generator: str) -> None:
    """Express a material in core glTF, so that each of its parts can be changed on its own.

    Drake's colours become linear. For a material with specular colours, the diffuse colour and the glossiness
    become colour and roughness; the specular part is lost.

    Parameters
    ----------
    material : dict
        Changed in place.
    generator : str
        The program that wrote the document.
    """
    asset = {"generator": generator}
    mode, is_srgb = alpha_mode(asset, material), is_of_drakes_primitive(asset, material)
    pbr = material["pbrMetallicRoughness"] = material.get("pbrMetallicRoughness") or {}
    if is_srgb:
        pbr["baseColorFactor"] = linear(pbr["baseColorFactor"])
    material["alphaMode"] = mode
    specular = (material.get("extensions") or {}).pop(_SPECULAR, None)
    if isinstance(specular, dict):
        pbr.clear()
        pbr["baseColorFactor"] = given(specular, "diffuseFactor", [1.0, 1.0, 1.0, 1.0])
        pbr["metallicFactor"], pbr["roughnessFactor"] = 0.0, 1.0 - given(specular, "glossinessFactor", 1.0)
        if specular.get("diffuseTexture"):
            pbr["baseColorTexture"] = specular["diffuseTexture"]


def base_colour(material: Json) -> list[float]:
    """Return the linear colour of a plain material: red, green, blue and alpha, each from 0 to 1."""
    factor = given(material["pbrMetallicRoughness"], "baseColorFactor", [1.0, 1.0, 1.0, 1.0])
    return [min(max(float(channel), 0.0), 1.0) for channel in factor]


def give_texture(material: Json, texture: int) -> None:
    """Set the texture of a plain material by its index, and make the material's colour white."""
    pbr = material["pbrMetallicRoughness"]
    pbr["baseColorTexture"] = {"index": texture}
    pbr["baseColorFactor"] = [1.0, 1.0, 1.0, base_colour(material)[3]]


def paint(
    material: Json,
    colour: list[float] | None = None,
    roughness: float | None = None,
    metallic: float | None = None,
) -> None:
    """Change parts of a plain material; None = the part stays unchanged.

    Parameters
    ----------
    material : dict
        Changed in place.
    colour : list of 3 float or None
        Linear colour, by which the image is multiplied, if there is one.
    roughness, metallic : float or None
        Factors for the values of the image, if there is one.
    """
    pbr = material["pbrMetallicRoughness"]
    if colour is not None:
        pbr["baseColorFactor"] = [*colour, base_colour(material)[3]]
    factors = {"roughnessFactor": roughness, "metallicFactor": metallic}
    pbr |= {name: value for name, value in factors.items() if value is not None}


def has_texcoords(meshes: list[Json]) -> set[int]:
    """Return the indices of the materials whose primitives all have texture coordinates."""
    uses: dict[int, bool] = {}
    for mesh in meshes:
        for primitive in mesh["primitives"]:
            if (material := primitive.get("material")) is not None:
                uses[material] = uses.get(material, True) and _TEXCOORDS in primitive["attributes"]
    return {material for material, has in uses.items() if has}
