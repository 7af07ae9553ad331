"""Typed definitions of the material extensions that back ends read, used to check them beforehand.

Source: the specifications of the extensions in Khronos' registry. Only values that a back end cannot handle
are rejected: members of a wrong type, and a distance of 0 by which a back end divides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ..limits import ask_time
from .decoding import schema_error
from .materials import texture_references
from .schema import TextureInfo, Vector3, Vector4

__all__ = ["check_materials"]

_TRANSFORM = "KHR_texture_transform"
_MEMBERS: dict[str, tuple[tuple[str, Any], ...]] = {
    "KHR_materials_anisotropy": (
        ("anisotropyStrength", float),
        ("anisotropyRotation", float),
        ("anisotropyTexture", TextureInfo),
    ),
    "KHR_materials_clearcoat": (
        ("clearcoatFactor", float),
        ("clearcoatTexture", TextureInfo),
        ("clearcoatRoughnessFactor", float),
        ("clearcoatRoughnessTexture", TextureInfo),
        ("clearcoatNormalTexture", TextureInfo),
    ),
    "KHR_materials_diffuse_transmission": (
        ("diffuseTransmissionFactor", float),
        ("diffuseTransmissionTexture", TextureInfo),
        ("diffuseTransmissionColorFactor", Vector3),
        ("diffuseTransmissionColorTexture", TextureInfo),
    ),
    "KHR_materials_dispersion": (("dispersion", float),),
    "KHR_materials_emissive_strength": (("emissiveStrength", float),),
    "KHR_materials_ior": (("ior", float),),
    "KHR_materials_iridescence": (
        ("iridescenceFactor", float),
        ("iridescenceTexture", TextureInfo),
        ("iridescenceIor", float),
        ("iridescenceThicknessMinimum", float),
        ("iridescenceThicknessMaximum", float),
        ("iridescenceThicknessTexture", TextureInfo),
    ),
    "KHR_materials_pbrSpecularGlossiness": (
        ("diffuseFactor", Vector4),
        ("diffuseTexture", TextureInfo),
        ("specularFactor", Vector3),
        ("glossinessFactor", float),
        ("specularGlossinessTexture", TextureInfo),
    ),
    "KHR_materials_sheen": (
        ("sheenColorFactor", Vector3),
        ("sheenColorTexture", TextureInfo),
        ("sheenRoughnessFactor", float),
        ("sheenRoughnessTexture", TextureInfo),
    ),
    "KHR_materials_specular": (
        ("specularFactor", float),
        ("specularTexture", TextureInfo),
        ("specularColorFactor", Vector3),
        ("specularColorTexture", TextureInfo),
    ),
    "KHR_materials_transmission": (("transmissionFactor", float), ("transmissionTexture", TextureInfo)),
    "KHR_materials_unlit": (),
    "KHR_materials_volume": (
        ("thicknessFactor", float),
        ("thicknessTexture", TextureInfo),
        ("attenuationDistance", Annotated[float, Meta(gt=0)]),
        ("attenuationColor", Vector3),
    ),
    _TRANSFORM: (
        ("offset", Annotated[list[float], Meta(min_length=2, max_length=2)]),
        ("rotation", float),
        ("scale", Annotated[list[float], Meta(min_length=2, max_length=2)]),
        ("texCoord", Annotated[int, Meta(ge=0)]),
    ),
}

Json = dict[str, Any]


def _struct(name: str, members: Iterable[tuple[str, Any]]) -> type[Struct]:
    fields = [(member, kind | msgspec.UnsetType, msgspec.UNSET) for member, kind in members]
    return msgspec.defstruct(name, fields)


_TYPES = {name: _struct(name, members) for name, members in _MEMBERS.items()}
for _type in _TYPES.values():  # see `decoding`
    msgspec.json.Decoder(_type)


def check_materials(materials: list[Json], drawn: Iterable[int], extensions: frozenset[str]) -> None:
    """Check the extensions of the materials that are drawn. Drop those that the back end does not support.

    Parameters
    ----------
    materials : list of dict
        The materials, which are changed in place.
    drawn : iterable of int
    extensions : frozenset of str
        The extensions that the back end's importer supports.

    Raises
    ------
    SceneError
        An extension does not match its specification.
    """
    shown = set(drawn)
    for index in range(len(materials)):
        ask_time()
        if index not in shown:
            materials[index] = {}  # unused materials are not sent to the renderer
            continue
        material, where = materials[index], f"$.materials[{index}]"
        if isinstance(given := material.get("extensions"), dict):
            material["extensions"] = given = {
                name: value for name, value in given.items() if name in extensions and value is not None
            }
            for name, value in given.items():
                _check(name, value, f"{where}.extensions.{name}")
        for holder, key in texture_references(material):
            _check_reference(holder[key], f"{where}.{key[:60]}")


def _check_reference(reference: Json, where: str) -> None:
    try:
        info = msgspec.convert(reference, TextureInfo)
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None
    if info.extensions and _TRANSFORM in info.extensions:
        _check(_TRANSFORM, info.extensions[_TRANSFORM], f"{where}.extensions.{_TRANSFORM}")


def _check(name: str, value: object, where: str) -> None:
    if name not in _TYPES:
        return
    try:
        msgspec.convert(value, _TYPES[name])
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None
