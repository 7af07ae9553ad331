"""Materials of glTF, painted anew: colours, roughness, and images in place of theirs."""

from __future__ import annotations

from typing import Any

from ..gltf.materials import alpha_mode, given, is_of_drakes_primitive, linear

__all__ = ["base_colour", "give_texture", "has_texcoords", "make_plain", "paint"]

_SPECULAR = "KHR_materials_pbrSpecularGlossiness"
_TEXCOORDS = "TEXCOORD_0"

Json = dict[str, Any]


def make_plain(material: Json, generator: str) -> None:
    """Let a material say in core glTF what it means, so that changing a part of it changes nothing else.

    Drake's colours become linear. Of a material with specular colours, diffuse colour and glossiness become
    colour and roughness; what is specular in it is lost.

    Parameters
    ----------
    material : dict
        Changed in place.
    generator : str
        Who wrote it.
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
    """Return the linear colour of a plain material, red, green, blue and alpha, each from 0 to 1."""
    factor = given(material["pbrMetallicRoughness"], "baseColorFactor", [1.0, 1.0, 1.0, 1.0])
    return [min(max(float(channel), 0.0), 1.0) for channel in factor]


def give_texture(material: Json, texture: int) -> None:
    """Give a plain material an image for its colour, which is white then, by the number of a texture."""
    pbr = material["pbrMetallicRoughness"]
    pbr["baseColorTexture"] = {"index": texture}
    pbr["baseColorFactor"] = [1.0, 1.0, 1.0, base_colour(material)[3]]


def paint(
    material: Json,
    colour: list[float] | None = None,
    roughness: float | None = None,
    metallic: float | None = None,
) -> None:
    """Change a plain material; None leaves a part of it as it is.

    Parameters
    ----------
    material : dict
        Changed in place.
    colour : list of 3 float or None
        Linear; it multiplies the image, if there is one.
    roughness, metallic : float or None
        They multiply what an image says of these.
    """
    pbr = material["pbrMetallicRoughness"]
    if colour is not None:
        pbr["baseColorFactor"] = [*colour, base_colour(material)[3]]
    factors = {"roughnessFactor": roughness, "metallicFactor": metallic}
    pbr |= {name: value for name, value in factors.items() if value is not None}


def has_texcoords(meshes: list[Json]) -> set[int]:
    """Return the materials whose every primitive says where an image is on it."""
    uses: dict[int, bool] = {}
    for mesh in meshes:
        for primitive in mesh["primitives"]:
            if (material := primitive.get("material")) is not None:
                uses[material] = uses.get(material, True) and _TEXCOORDS in primitive["attributes"]
    return {material for material, has in uses.items() if has}
